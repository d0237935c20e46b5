//! Counting failures per ID: fail2ban's failure manager.
//!
//! The count is fail2ban's: when the first failure falls out of findtime, the count so far is
//! scaled to the rate it came at, instead of forgetting failures one by one. Memory is bounded:
//! beyond `Limits` first the lines of the longest quiet tickets go (their counts stay), then those
//! tickets themselves.

use super::details::{Details, Unpacked};
use super::table::{Keyed, NIL, Table};
use crate::model::{Captured, FailId, Failure, MatchedLine, Network, Span, Time};

/// Fewer tickets than this are not worth a wake-up.
const TIDY: usize = 1000;

/// What a jail counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting {
    pub maxretry: u32,
    pub findtime: Span,
    /// Lines kept per ticket; 0 keeps none.
    pub maxmatches: usize,
}

/// What one jail's failures may cost in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// IDs that have failed but are not banned.
    pub tickets: usize,
    /// Bytes of lines and captured data.
    pub details: usize,
}

impl Default for Limits {
    /// Together with the tickets' own 80 bytes below 150 MiB.
    fn default() -> Self {
        Self {
            tickets: 1_000_000,
            details: 24 << 20,
        }
    }
}

/// An ID's failures so far, taken out to be banned.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticket {
    pub id: FailId,
    pub ip: Option<Network>,
    /// Of the last failure.
    pub time: Time,
    /// What maxretry is compared with; scaled and weighted.
    pub retry: u32,
    /// Failures seen.
    pub attempts: u32,
    pub lines: Vec<MatchedLine>,
    pub data: Captured,
}

impl Ticket {
    /// One that no line led to.
    pub(super) fn of_nobody(id: FailId, time: Time, attempts: u32) -> Self {
        Self {
            id,
            ip: None,
            time,
            retry: 0,
            attempts,
            lines: Vec::new(),
            data: Captured::new(),
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    id: FailId,
    first: Time,
    time: Time,
    retry: u32,
    attempts: u32,
    /// Neighbours in the order of the last failure.
    older: u32,
    newer: u32,
    details: Details,
}

impl Keyed for Entry {
    fn id(&self) -> &FailId {
        &self.id
    }
}

/// Failures of IDs that are not banned.
#[derive(Clone, Debug)]
pub struct Failures {
    pub counting: Counting,
    limits: Limits,
    entries: Table<Entry>,
    oldest: u32,
    newest: u32,
    /// The oldest entry whose lines have not been shed.
    unshed: u32,
    details: usize,
    total: u64,
    evicted: u64,
}

impl Failures {
    pub fn new(counting: Counting, limits: Limits) -> Self {
        Self {
            counting,
            limits,
            entries: Table::default(),
            oldest: NIL,
            newest: NIL,
            unshed: NIL,
            details: 0,
            total: 0,
            evicted: 0,
        }
    }

    /// IDs with failures younger than findtime.
    pub fn current(&mut self, now: Time) -> usize {
        self.sweep(now, usize::MAX);
        self.entries.len()
    }

    /// Failures ever counted.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// IDs forgotten for want of memory.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// How much counts against maxretry for an ID.
    pub fn retry(&self, id: &FailId) -> Option<u32> {
        Some(self.entries[self.entries.find(id)?].retry)
    }

    /// An ID's failures so far, where they still count.
    pub fn find(&self, id: &FailId, now: Time) -> Option<Ticket> {
        let entry = &self.entries[self.entries.find(id)?];
        let details = entry.details.unpack();
        (entry.time > now - self.counting.findtime).then(|| Ticket {
            id: entry.id.clone(),
            ip: details.ip,
            time: entry.time,
            retry: entry.retry,
            attempts: entry.attempts,
            lines: details.lines,
            data: details.data,
        })
    }

    /// Counts a failure as `count` tries and returns what the ID has by now.
    pub fn add(&mut self, failure: Failure, count: u32, now: Time) -> u32 {
        self.sweep(now, 2);
        self.total += 1;
        let expired = now - self.counting.findtime;
        match self.entries.find(&failure.id) {
            Some(slot) if self.entries[slot].time > expired => self.again(slot, failure, count),
            found => {
                if let Some(slot) = found {
                    self.remove(slot);
                }
                self.first(failure, count)
            }
        }
    }

    fn first(&mut self, failure: Failure, count: u32) -> u32 {
        if self.entries.len() >= self.limits.tickets.max(1) {
            self.remove(self.oldest);
            self.evicted += 1;
        }
        let keep = self.counting.maxmatches > 0;
        let details = Details::pack(&Unpacked {
            ip: failure.ip,
            lines: if keep { failure.lines } else { Vec::new() },
            data: failure.data,
        });
        self.details += details.cost();
        let slot = self.entries.insert(Entry {
            id: failure.id,
            first: failure.time,
            time: failure.time,
            retry: count.max(1),
            attempts: 1,
            older: NIL,
            newer: NIL,
            details,
        });
        self.link(slot);
        self.shed();
        count.max(1)
    }

    /// Another failure of a known ID: the lines are added, the captured data stays the first's.
    fn again(&mut self, slot: u32, failure: Failure, count: u32) -> u32 {
        self.weigh(slot, failure.time, count);
        let maxmatches = self.counting.maxmatches;
        let entry = &mut self.entries[slot];
        let mut details = entry.details.unpack();
        let before = details.lines.len();
        details.lines.extend(failure.lines);
        for line in &mut details.lines[before..] {
            line.date = None;
        }
        if details.lines.len() > maxmatches {
            details.lines.drain(..details.lines.len() - maxmatches);
            for line in &mut details.lines {
                line.date = None;
            }
        }
        self.details -= entry.details.cost();
        entry.details = Details::pack(&details);
        self.details += entry.details.cost();
        let retry = entry.retry;
        self.unlink(slot);
        self.link(slot);
        self.shed();
        retry
    }

    /// Adds `extra` tries to an ID known as bad; returns what it has by now, `None` when it has no
    /// ticket (it was just banned).
    pub fn aggravate(&mut self, id: &FailId, time: Time, extra: u32) -> Option<u32> {
        let slot = self.entries.find(id)?;
        self.total += 1;
        self.weigh(slot, time, extra);
        Some(self.entries[slot].retry)
    }

    fn weigh(&mut self, slot: u32, time: Time, count: u32) {
        let findtime = self.counting.findtime;
        let entry = &mut self.entries[slot];
        if time > entry.time {
            if entry.first < time - findtime {
                let rate = f64::from(entry.retry) / (time - entry.first).as_secs_f64();
                entry.retry = (rate * findtime.as_secs_f64()).round_ties_even() as u32;
                entry.first = time - findtime;
            }
            entry.time = time;
        }
        entry.retry = entry.retry.saturating_add(count);
        entry.attempts = entry.attempts.saturating_add(1);
    }

    /// Takes an ID's ticket out.
    pub fn take(&mut self, id: &FailId) -> Option<Ticket> {
        let entry = self.remove(self.entries.find(id)?)?;
        let details = entry.details.unpack();
        Some(Ticket {
            id: entry.id,
            ip: details.ip,
            time: entry.time,
            retry: entry.retry,
            attempts: entry.attempts,
            lines: details.lines,
            data: details.data,
        })
    }

    /// IDs whose count has reached maxretry, oldest first: what a lowered maxretry bans.
    pub fn reached(&self) -> Vec<FailId> {
        let mut reached = Vec::new();
        let mut slot = self.oldest;
        while slot != NIL {
            let entry = &self.entries[slot];
            if entry.retry >= self.counting.maxretry {
                reached.push(entry.id.clone());
            }
            slot = entry.newer;
        }
        reached
    }

    /// Forgets up to `most` IDs that have been quiet for findtime.
    fn sweep(&mut self, now: Time, most: usize) {
        let expired = now - self.counting.findtime;
        for _ in 0..most {
            if self.oldest == NIL || self.entries[self.oldest].time > expired {
                return;
            }
            self.remove(self.oldest);
        }
    }

    /// Forgets everyone who has been quiet for findtime.
    pub fn tidy(&mut self, now: Time) {
        self.sweep(now, usize::MAX);
    }

    /// When `tidy` gives a notable amount of memory back; failures go along with later ones
    /// otherwise.
    pub fn next_due(&self) -> Option<Time> {
        (self.entries.len() > TIDY).then(|| self.entries[self.newest].time + self.counting.findtime)
    }

    /// Drops lines and data, longest quiet first, until they fit; the counts stay.
    fn shed(&mut self) {
        while self.details > self.limits.details && self.unshed != NIL {
            let entry = &mut self.entries[self.unshed];
            self.details -= std::mem::take(&mut entry.details).cost();
            self.unshed = entry.newer;
        }
    }

    fn remove(&mut self, slot: u32) -> Option<Entry> {
        self.unlink(slot);
        let entry = self.entries.remove(slot)?;
        self.details -= entry.details.cost();
        Some(entry)
    }

    fn link(&mut self, slot: u32) {
        self.entries[slot].older = self.newest;
        self.entries[slot].newer = NIL;
        match self.newest {
            NIL => self.oldest = slot,
            newest => self.entries[newest].newer = slot,
        }
        self.newest = slot;
        if self.unshed == NIL {
            self.unshed = slot;
        }
    }

    fn unlink(&mut self, slot: u32) {
        let (older, newer) = (self.entries[slot].older, self.entries[slot].newer);
        match older {
            NIL => self.oldest = newer,
            older => self.entries[older].newer = newer,
        }
        match newer {
            NIL => self.newest = older,
            newer => self.entries[newer].older = older,
        }
        if self.unshed == slot {
            self.unshed = newer;
        }
    }
}

#[cfg(test)]
mod tests;
