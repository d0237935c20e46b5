//! All jails: an event and a time in, effects out.
//!
//! The engine owns every jail and its filter and nothing else: no files, no sockets, no clock. A
//! line is dated once for all jails that look for dates the same way, then judged by each. What is
//! to be done comes out as [`Effects`], the firewall's part first.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::date::Found;
use crate::filter::{DateKey, Dated, Entry, Filter, Moment, Verdict};
use crate::jail::{Effect, History, Jail, Turn};
use crate::model::{FailId, NameAnswer, Network, Span, Time};

/// One jail of the engine.
#[derive(Debug)]
pub struct Member {
    pub jail: Jail,
    pub filter: Filter,
    /// `set JAIL idle on`: lines pass it by.
    pub idle: bool,
    /// Which members look for dates the same way, while lines are judged.
    date_group: usize,
}

/// What is to be done, each with the jail it is for; `urgent` changes the firewall and comes first.
#[derive(Debug, Default)]
pub struct Effects {
    pub urgent: Vec<(Arc<str>, Effect)>,
    pub later: Vec<(Arc<str>, Effect)>,
}

impl Effects {
    pub fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.later.is_empty()
    }

    fn take(&mut self, jail: &Arc<str>, turn: Turn<'_>) {
        let (urgent, later) = turn.into_parts();
        self.urgent
            .extend(urgent.into_iter().map(|effect| (Arc::clone(jail), effect)));
        self.later
            .extend(later.into_iter().map(|effect| (Arc::clone(jail), effect)));
    }
}

/// A line's way into a jail: which one, and what is known of its log.
#[derive(Clone, Copy, Debug)]
pub struct Feed {
    /// The jail's place, from [`Engine::place`].
    pub place: usize,
    /// The log has been read to its end once: what comes now is new.
    pub in_operation: bool,
}

/// All jails, in the order they were started.
pub struct Engine {
    members: Vec<Member>,
    history: History,
    own: Vec<Network>,
    zone: TimeZone,
    random: Box<dyn FnMut() -> f64 + Send>,
    verdicts: Vec<Verdict>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// `zone` is for the dates in log lines; `random` gives numbers from 0 up to, not including, 1.
    pub fn new(zone: TimeZone, random: Box<dyn FnMut() -> f64 + Send>) -> Self {
        Self {
            members: Vec::new(),
            history: History::default(),
            own: Vec::new(),
            zone,
            random,
            verdicts: Vec::new(),
        }
    }

    /// Adds a jail and returns its place; a jail of that name must not be there.
    pub fn add(&mut self, jail: Jail, filter: Filter) -> usize {
        self.members.push(Member {
            jail,
            filter,
            idle: false,
            date_group: 0,
        });
        self.members.len() - 1
    }

    /// Takes a jail out; places after it change. Its bans must have been released.
    pub fn remove(&mut self, name: &str) -> Option<Member> {
        let place = self.place(name)?;
        Some(self.members.remove(place))
    }

    pub fn place(&self, name: &str) -> Option<usize> {
        self.members
            .iter()
            .position(|member| **member.jail.name() == *name)
    }

    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members
            .iter()
            .find(|member| **member.jail.name() == *name)
    }

    pub fn member_mut(&mut self, name: &str) -> Option<&mut Member> {
        self.members
            .iter_mut()
            .find(|member| **member.jail.name() == *name)
    }

    /// All jails, in the order they were started.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    pub const fn history(&self) -> &History {
        &self.history
    }

    pub const fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    /// This machine's own addresses, for `ignoreself`.
    pub fn set_own(&mut self, own: Vec<Network>) {
        self.own = own;
    }

    /// This machine's own addresses, as last told.
    pub fn own(&self) -> &[Network] {
        &self.own
    }

    /// Judges lines of one log for the jails it feeds.
    pub fn lines<'l>(
        &mut self,
        feeds: &[Feed],
        lines: impl Iterator<Item = &'l str>,
        now: Time,
        out: &mut Effects,
    ) {
        let groups = self.by_date_key(feeds);
        let mut found: Vec<Option<Option<Found>>> = vec![None; groups];
        for line in lines {
            found.fill(None);
            for feed in feeds {
                let member = &mut self.members[feed.place];
                if member.idle {
                    continue;
                }
                // The first of a group looks for the date, the others take its answer.
                let found = found[member.date_group]
                    .get_or_insert_with(|| member.filter.find_date(line, now));
                let moment = Moment {
                    now,
                    in_operation: feed.in_operation,
                    findtime: member.jail.counting().findtime,
                    check_findtime: true,
                };
                let dated = Dated {
                    line,
                    found: found.clone(),
                };
                member.filter.judge(&dated, &moment, &mut self.verdicts);
                if !self.verdicts.is_empty() {
                    self.carry(feed.place, now, out);
                }
            }
        }
    }

    /// Judges an entry of a journal, without a date in its text, for the jails it feeds.
    pub fn entry(
        &mut self,
        feeds: &[Feed],
        (line, time): (&str, Time),
        now: Time,
        out: &mut Effects,
    ) {
        let date = entry_date(time, &self.zone);
        for feed in feeds {
            let member = &mut self.members[feed.place];
            if member.idle {
                continue;
            }
            let moment = Moment {
                now,
                in_operation: feed.in_operation,
                findtime: member.jail.counting().findtime,
                check_findtime: true,
            };
            let date = date.as_str();
            let entry = Entry { line, date, time };
            member
                .filter
                .judge_entry(entry, &moment, &mut self.verdicts);
            if !self.verdicts.is_empty() {
                self.carry(feed.place, now, out);
            }
        }
    }

    /// Numbers the members that are fed by how they look for dates; returns how many ways there are.
    fn by_date_key(&mut self, feeds: &[Feed]) -> usize {
        let mut keys: Vec<DateKey> = Vec::with_capacity(1);
        for feed in feeds {
            let member = &mut self.members[feed.place];
            let key = member.filter.date_key();
            member.date_group = keys
                .iter()
                .position(|known| known == key)
                .unwrap_or_else(|| {
                    keys.push(key.clone());
                    keys.len() - 1
                });
        }
        keys.len()
    }

    /// Hands the last verdicts to their jail.
    fn carry(&mut self, place: usize, now: Time, out: &mut Effects) {
        let mut verdicts = std::mem::take(&mut self.verdicts);
        self.turn(place, now, out, |jail, turn| {
            for verdict in verdicts.drain(..) {
                match verdict {
                    Verdict::Failure(failure) => jail.failure(failure, turn),
                    Verdict::Named(failure) => jail.failure_by_name(failure, turn),
                    // Only thorough filters, in tests, report what is no failure.
                    Verdict::Helper(_) => {}
                    Verdict::Log(record) => turn.record(record),
                }
            }
        });
        self.verdicts = verdicts;
    }

    /// Lets a jail act at a time, and collects what it wants done.
    fn turn<T>(
        &mut self,
        place: usize,
        now: Time,
        out: &mut Effects,
        act: impl FnOnce(&mut Jail, &mut Turn<'_>) -> T,
    ) -> T {
        let jail = &mut self.members[place].jail;
        let mut turn = Turn::new(
            now,
            &self.zone,
            &mut self.history,
            &self.own,
            &mut *self.random,
        );
        let result = act(jail, &mut turn);
        let name = Arc::clone(jail.name());
        out.take(&name, turn);
        result
    }

    /// Lets the named jail act; `None` when there is no such jail.
    pub fn with<T>(
        &mut self,
        name: &str,
        now: Time,
        out: &mut Effects,
        act: impl FnOnce(&mut Jail, &mut Turn<'_>) -> T,
    ) -> Option<T> {
        let place = self.place(name)?;
        Some(self.turn(place, now, out, act))
    }

    /// Ends what is due in every jail.
    pub fn tick(&mut self, now: Time, out: &mut Effects) {
        for place in 0..self.members.len() {
            if self.members[place]
                .jail
                .next_due()
                .is_some_and(|due| due <= now)
            {
                self.turn(place, now, out, Jail::tick);
            }
        }
    }

    /// When `tick` has something to do next; `None`: never, as things stand.
    pub fn next_due(&self) -> Option<Time> {
        self.members
            .iter()
            .filter_map(|member| member.jail.next_due())
            .min()
    }

    /// A name's addresses, for every jail that waits for them.
    pub fn resolved(&mut self, name: &str, told: &NameAnswer, now: Time, out: &mut Effects) {
        let mut told = told.clone();
        for place in 0..self.members.len() {
            let mut said = false;
            self.turn(place, now, out, |jail, turn| {
                said = jail.resolved(name, &told, turn);
            });
            // What is wrong with a name is said once, not by every jail.
            told.remembered |= said;
        }
    }

    /// The contents of an `ignoreip` file, for every jail that names it.
    pub fn ignore_file(&mut self, path: &Path, text: &str) {
        for member in &mut self.members {
            member.jail.ignore_file(path, text);
        }
    }

    /// Forgets past bans that no longer matter.
    pub fn purge(&mut self, now: Time, age: Span) {
        self.history.purge(now, age);
    }

    /// The jails in which an ID is banned.
    pub fn banned_in(&self, id: &FailId) -> impl Iterator<Item = &Arc<str>> {
        self.members
            .iter()
            .filter(move |member| member.jail.bans().contains(id))
            .map(|member| member.jail.name())
    }
}

/// A time as Python's `isoformat` writes it, with the blank fail2ban puts before an entry's line.
fn entry_date(time: Time, zone: &TimeZone) -> String {
    let moment = jiff::Timestamp::from_microsecond(time.micros()).unwrap_or_default();
    let local = zone.to_datetime(moment);
    let micros = time.micros().rem_euclid(1_000_000);
    match micros {
        0 => format!("{} ", local.strftime("%Y-%m-%dT%H:%M:%S")),
        _ => format!("{}.{micros:06} ", local.strftime("%Y-%m-%dT%H:%M:%S")),
    }
}
