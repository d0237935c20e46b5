//! One jail's current bans: fail2ban's ban manager.
//!
//! Bans end by themselves when `now` is past their end; a ban without a bantime of its own follows
//! the jail's when that changes. Lines and captured data are kept packed, and only while they fit a
//! budget: actions get them when the ban is made, the database has them afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::details::{Details, Unpacked};
use super::table::{Keyed, Table};
use super::words::date_time;
use crate::model::{Ban, BanTime, FailId, Network, Span, Time};

/// Bytes of lines and data kept for all bans of a jail, for their unban actions.
const DETAILS: usize = 4 << 20;
/// The end of a permanent ban.
const NEVER: Time = Time::from_micros(i64::MAX);

#[derive(Clone, Debug)]
struct Entry {
    id: FailId,
    time: Time,
    bantime: BanTime,
    count: u32,
    attempts: u32,
    restored: bool,
    own_bantime: bool,
    /// Place in the order of banning.
    order: u32,
    details: Details,
}

impl Keyed for Entry {
    fn id(&self) -> &FailId {
        &self.id
    }
}

impl Entry {
    fn end(&self) -> Time {
        self.bantime.end(self.time).unwrap_or(NEVER)
    }

    fn ban(&self) -> Arc<Ban> {
        let Unpacked { ip, lines, data } = self.details.unpack();
        Arc::new(Ban {
            id: self.id.clone(),
            ip,
            time: self.time,
            bantime: self.bantime,
            count: self.count,
            attempts: self.attempts,
            lines,
            data,
            restored: self.restored,
            own_bantime: self.own_bantime,
        })
    }
}

/// What became of a ban that was to be added.
#[derive(Clone, Debug, PartialEq)]
pub enum Added {
    New,
    /// Its end has passed.
    Expired,
    /// The ID is banned since `since`; `prolonged` is that ban, where the new one ends later.
    Already {
        since: Time,
        prolonged: Option<Arc<Ban>>,
    },
}

/// One current ban, as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<'a> {
    pub id: &'a FailId,
    pub time: Time,
    pub bantime: BanTime,
    /// `None`: permanent.
    pub end: Option<Time>,
    pub count: u32,
}

impl Listed<'_> {
    /// As `get JAIL banip --with-time` shows it.
    pub fn with_time(&self, zone: &TimeZone) -> String {
        format!(
            "{} \t{} + {} = {}",
            self.id,
            date_time(self.time, zone),
            self.bantime,
            date_time(self.end.unwrap_or(NEVER), zone)
        )
    }
}

/// The current bans of a jail.
#[derive(Clone, Debug, Default)]
pub struct Bans {
    entries: Table<Entry>,
    /// (end, order of banning, slot)
    ends: BTreeSet<(Time, u32, u32)>,
    next_order: u32,
    details: usize,
    total: u64,
}

impl Bans {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bans ever made.
    pub const fn total(&self) -> u64 {
        self.total
    }

    pub fn contains(&self, id: &FailId) -> bool {
        self.entries.find(id).is_some()
    }

    /// The ban of an ID.
    pub fn find(&self, id: &FailId) -> Option<Arc<Ban>> {
        Some(self.entries[self.entries.find(id)?].ban())
    }

    /// Adds a ban unless it has ended or its ID is banned already; then the longer end counts.
    pub fn add(&mut self, ban: &Ban, now: Time) -> Added {
        let end = ban.end().unwrap_or(NEVER);
        if end < now {
            return Added::Expired;
        }
        if let Some(slot) = self.entries.find(&ban.id) {
            let old = &self.entries[slot];
            let since = old.time;
            let prolonged = (end > old.end()).then(|| {
                let late = (ban.time - since).max(Span::ZERO);
                let bantime = match ban.bantime {
                    BanTime::Secs(secs) => BanTime::Secs(secs + late.secs()),
                    BanTime::Permanent => BanTime::Permanent,
                };
                self.prolong(slot, bantime)
            });
            return Added::Already { since, prolonged };
        }
        let details = self.details_of(ban);
        let order = self.next_order;
        // After four billion bans the order of equal ends may mix; nothing else depends on it.
        self.next_order = self.next_order.wrapping_add(1);
        let slot = self.entries.insert(Entry {
            id: ban.id.clone(),
            time: ban.time,
            bantime: ban.bantime,
            count: ban.count,
            attempts: ban.attempts,
            restored: ban.restored,
            own_bantime: ban.own_bantime,
            order,
            details,
        });
        self.ends.insert((end, order, slot));
        self.total += 1;
        Added::New
    }

    fn details_of(&mut self, ban: &Ban) -> Details {
        let mut unpacked = Unpacked {
            ip: ban.ip,
            lines: ban.lines.clone(),
            data: ban.data.clone(),
        };
        let mut details = Details::pack(&unpacked);
        if self.details + details.cost() > DETAILS {
            // The address is enforced against and stays.
            unpacked.lines.clear();
            unpacked.data.clear();
            details = Details::pack(&unpacked);
        }
        self.details += details.cost();
        details
    }

    fn prolong(&mut self, slot: u32, bantime: BanTime) -> Arc<Ban> {
        let entry = &mut self.entries[slot];
        self.ends.remove(&(entry.end(), entry.order, slot));
        entry.bantime = bantime;
        entry.own_bantime = true;
        self.ends.insert((entry.end(), entry.order, slot));
        entry.ban()
    }

    /// Ends the ban of an ID.
    pub fn remove(&mut self, id: &FailId) -> Option<Arc<Ban>> {
        let slot = self.entries.find(id)?;
        self.remove_slot(slot)
    }

    fn remove_slot(&mut self, slot: u32) -> Option<Arc<Ban>> {
        let entry = self.entries.remove(slot)?;
        self.ends.remove(&(entry.end(), entry.order, slot));
        self.details -= entry.details.cost();
        Some(entry.ban())
    }

    /// Takes out the next ban whose end has passed, earliest end first.
    pub fn expire(&mut self, now: Time) -> Option<Arc<Ban>> {
        let &(end, _, slot) = self.ends.first()?;
        if end < now {
            self.remove_slot(slot)
        } else {
            None
        }
    }

    /// When `expire` has something to do next; `None`: only permanent bans, or none.
    pub fn next_due(&self) -> Option<Time> {
        let &(end, ..) = self.ends.first()?;
        (end != NEVER).then(|| end + Span::from_micros(1))
    }

    /// The jail's bantime has changed: bans without their own follow. Returns those that moved.
    pub fn retime(&mut self, bantime: BanTime) -> Vec<Arc<Ban>> {
        let slots: Vec<u32> = self
            .entries
            .iter()
            .filter(|(_, entry)| !entry.own_bantime && entry.bantime != bantime)
            .map(|(slot, _)| slot)
            .collect();
        slots
            .into_iter()
            .map(|slot| {
                let ban = self.prolong(slot, bantime);
                self.entries[slot].own_bantime = false;
                Arc::new(Ban {
                    own_bantime: false,
                    ..(*ban).clone()
                })
            })
            .collect()
    }

    /// Current bans by their end, permanent ones last.
    pub fn by_end(&self) -> impl Iterator<Item = Listed<'_>> {
        self.ends.iter().map(|&(_, _, slot)| self.listed(slot))
    }

    /// Current bans in the order they were made, as `status` lists them.
    pub fn in_order(&self) -> impl Iterator<Item = Listed<'_>> {
        let mut slots: Vec<u32> = self.entries.iter().map(|(slot, _)| slot).collect();
        slots.sort_unstable_by_key(|&slot| self.entries[slot].order);
        slots.into_iter().map(|slot| self.listed(slot))
    }

    fn listed(&self, slot: u32) -> Listed<'_> {
        let entry = &self.entries[slot];
        Listed {
            id: &entry.id,
            time: entry.time,
            bantime: entry.bantime,
            end: entry.bantime.end(entry.time),
            count: entry.count,
        }
    }

    /// IDs banned within a network.
    pub fn within(&self, network: &Network) -> Vec<FailId> {
        self.in_order()
            .filter(|ban| {
                ban.id
                    .network()
                    .is_some_and(|banned| network.contains(banned))
            })
            .map(|ban| ban.id.clone())
            .collect()
    }

    /// All bans, in the order they were made; none are left.
    pub fn drain(&mut self) -> impl Iterator<Item = Arc<Ban>> + use<> {
        let taken = std::mem::take(self);
        self.total = taken.total;
        let mut slots: Vec<(u32, u32)> = taken
            .entries
            .iter()
            .map(|(slot, e)| (e.order, slot))
            .collect();
        slots.sort_unstable();
        slots
            .into_iter()
            .map(move |(_, slot)| taken.entries[slot].ban())
    }

    /// Every current ban, made afresh: what a new action, or an emptied firewall, is told.
    pub fn all(&self) -> impl Iterator<Item = Arc<Ban>> {
        self.in_order().filter_map(|listed| self.find(listed.id))
    }
}

#[cfg(test)]
mod tests;
