//! Who was banned before, where, how often and when: what `bantime.increment` goes by.
//!
//! A copy of the database's `bips` table in memory, kept for jails that increment; the store fills
//! it at start and writes what happens here after.

use std::collections::{HashMap, HashSet};

use crate::model::{BanTime, FailId, Span, Time};

/// How many bantimes a ban is remembered after it, as fail2ban's purge reckons.
const OUTDATED: i64 = 3;

/// An ID's last ban in one jail, or what several jails come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// Bans so far.
    pub count: u32,
    /// When the last one was decided.
    pub time: Time,
    pub bantime: BanTime,
}

/// Past bans of all jails.
#[derive(Clone, Debug, Default)]
pub struct History {
    jails: Vec<Box<str>>,
    past: HashMap<(u16, FailId), Past>,
    /// While the database is read: who was banned meanwhile, and who is to be forgotten.
    reading: Option<Reading>,
}

#[derive(Clone, Debug, Default)]
struct Reading {
    banned: HashSet<(u16, FailId)>,
    forgotten: Vec<(u16, Option<FailId>)>,
}

impl History {
    /// Notes a ban; it replaces what was known of the ID in that jail.
    pub fn record(&mut self, jail: &str, id: FailId, past: Past) {
        let key = self.key_of(jail);
        if let Some(reading) = &mut self.reading {
            reading.banned.insert((key, id.clone()));
        }
        self.past.insert((key, id), past);
    }

    /// The database begins to tell who was banned before.
    pub fn begin(&mut self) {
        self.reading.get_or_insert_default();
    }

    /// What the database knows of an ID. Bans that were made while it was on its way are counted on
    /// top of it: how many there are then.
    pub fn recall(&mut self, jail: &str, id: &FailId, past: Past) -> Option<u32> {
        let key = self.key_of(jail);
        let banned = self.reading.as_mut().map(|reading| &mut reading.banned);
        let meanwhile = banned.is_some_and(|banned| banned.remove(&(key, id.clone())));
        match self.past.get_mut(&(key, id.clone())) {
            Some(known) if meanwhile && known.time > past.time => {
                known.count = known.count.saturating_add(past.count);
                Some(known.count)
            }
            Some(_) => None,
            None => {
                self.past.insert((key, id.clone()), past);
                None
            }
        }
    }

    /// All has been told.
    pub fn end(&mut self) {
        let Some(reading) = self.reading.take() else {
            return;
        };
        for (key, id) in reading.forgotten {
            match id {
                Some(id) if !reading.banned.contains(&(key, id.clone())) => {
                    self.past.remove(&(key, id));
                }
                Some(_) => {}
                None => self.past.retain(|(other, _), _| *other != key),
            }
        }
    }

    /// An ID's past in one jail.
    pub fn find(&self, jail: &str, id: &FailId) -> Option<Past> {
        self.past.get(&(self.key(jail)?, id.clone())).copied()
    }

    /// An ID's past in all jails: bans summed up, the latest time.
    pub fn find_anywhere(&self, id: &FailId) -> Option<Past> {
        (0..self.jails.len() as u16)
            .filter_map(|key| self.past.get(&(key, id.clone())))
            .copied()
            .reduce(|a, b| {
                let later = if b.time > a.time { b } else { a };
                let count = a.count.saturating_add(b.count);
                Past { count, ..later }
            })
    }

    pub fn forget(&mut self, jail: &str, id: &FailId) {
        if self.reading.is_some() {
            let key = self.key_of(jail);
            if let Some(reading) = &mut self.reading {
                reading.forgotten.push((key, Some(id.clone())));
            }
        }
        if let Some(key) = self.key(jail) {
            self.past.remove(&(key, id.clone()));
        }
    }

    pub fn forget_jail(&mut self, jail: &str) {
        if self.reading.is_some() {
            let key = self.key_of(jail);
            if let Some(reading) = &mut self.reading {
                reading.forgotten.push((key, None));
            }
        }
        if let Some(key) = self.key(jail) {
            self.past.retain(|(other, _), _| *other != key);
        }
    }

    /// Forgets what is older than `age` and three times its bantime; permanent bans stay.
    pub fn purge(&mut self, now: Time, age: Span) {
        let limit = now - age;
        self.past.retain(|_, past| match past.bantime {
            BanTime::Permanent => true,
            BanTime::Secs(secs) => {
                let outdated = past.time + Span::from_secs(secs.saturating_mul(OUTDATED));
                past.time >= limit || outdated >= limit
            }
        });
        self.past.shrink_to_fit();
    }

    /// Everything known: jail, ID, past.
    pub fn all(&self) -> impl Iterator<Item = (&str, &FailId, Past)> {
        self.past.iter().filter_map(|((jail, id), past)| {
            let jail = self.jails.get(usize::from(*jail))?;
            Some((&**jail, id, *past))
        })
    }

    pub fn len(&self) -> usize {
        self.past.len()
    }

    pub fn is_empty(&self) -> bool {
        self.past.is_empty()
    }

    fn key_of(&mut self, jail: &str) -> u16 {
        self.key(jail).unwrap_or_else(|| {
            self.jails.push(jail.into());
            (self.jails.len() - 1) as u16
        })
    }

    fn key(&self, jail: &str) -> Option<u16> {
        let place = self.jails.iter().position(|name| **name == *jail)?;
        u16::try_from(place).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(count: u32, secs: i64, bantime: i64) -> Past {
        Past {
            count,
            time: Time::from_secs(secs),
            bantime: BanTime::from_number(bantime),
        }
    }

    #[test]
    fn jails_are_counted_apart_and_together() {
        let mut history = History::default();
        let id = FailId::parse("192.0.2.1");
        history.record("sshd", id.clone(), past(2, 100, 600));
        history.record("web", id.clone(), past(3, 50, 60));
        assert_eq!(history.find("sshd", &id), Some(past(2, 100, 600)));
        assert_eq!(history.find("mail", &id), None);
        assert_eq!(history.find_anywhere(&id), Some(past(5, 100, 600)));
        history.forget_jail("sshd");
        assert_eq!(history.find_anywhere(&id), Some(past(3, 50, 60)));
        history.forget("web", &id);
        assert_eq!(history.find_anywhere(&id), None);
    }

    #[test]
    fn the_purge_keeps_permanent_and_recent_bans() {
        let mut history = History::default();
        for (n, past) in [
            (1, past(1, 0, -1)),
            (2, past(1, 0, 100)),
            (3, past(1, 0, 1_000)),
            (4, past(1, 900, 1)),
        ] {
            history.record("j", FailId::parse(&format!("192.0.2.{n}")), past);
        }
        history.purge(Time::from_secs(1_000), Span::from_secs(200));
        let left = |n| {
            history
                .find("j", &FailId::parse(&format!("192.0.2.{n}")))
                .is_some()
        };
        assert_eq!(
            [left(1), left(2), left(3), left(4)],
            [true, false, true, true]
        );
    }
}
