//! Sessions over several lines: what `<F-MLFID>` ties together.
//!
//! Lines of one connection carry one key. Some only help (`<F-NOFAIL>`): they tell the address or
//! the user. A login (`<F-MLFGAINED>`) is forgiven unless other users were tried; the end of the
//! connection (`<F-MLFFORGET>`) ends the session. Failures without an ID wait for the line that has
//! it. Sessions live in slots that are used again with their memory.

use std::collections::VecDeque;

use hashbrown::HashTable;

use super::facts::{Fact, Facts, MLFFORGET, MLFGAINED, MLFID, NOFAIL, USER};
use super::identity::tuple;
use super::texts::{Covered, Lines, Texts};
use crate::model::{Span, Time};

/// Sessions kept, and for how long: fail2ban's numbers.
const SESSIONS: usize = 100;
const AGE: Span = Span::from_secs(300);
/// Lines kept of one session; the oldest go. A client can make it last and talk on.
const LINES: usize = 100;

/// What the filter does with a line of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Merged {
    /// The session, until [`Sessions::settle`].
    pub(super) slot: usize,
    /// No failure, as far as is known.
    pub(super) nofail: bool,
    forget: bool,
}

/// The open sessions of a filter, by their key.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    /// The slot of each open session.
    open: HashTable<u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Oldest first; sessions that ended may still be in it.
    order: VecDeque<(u32, u64)>,
    begun: u64,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    key: String,
    hash: u64,
    until: Time,
    /// Which in the order of all sessions; 0 while nothing is open here.
    number: u64,
    session: Session,
}

/// What is known of a session.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pub(super) facts: Facts,
    pub(super) users: Texts,
    pub(super) lines: Lines,
    /// Of lines that only helped; they come first when a failure follows.
    helpers: Lines,
    /// There is a failure without an ID.
    pending: bool,
}

impl Sessions {
    /// Takes a line's facts into the session they name; [`Self::settle`] must follow. What is left
    /// in `facts` means nothing.
    pub(super) fn merge(&mut self, facts: &mut Facts, matched: Covered<'_>, now: Time) -> Merged {
        let mut gained = facts.is_set(MLFGAINED);
        let forget = facts.is_set(MLFFORGET);
        let key = facts.text(MLFID).unwrap_or_default();
        let (slot, known) = self.enter(key, forget, now);
        facts.remove(MLFFORGET);
        if gained && !facts.is_set(NOFAIL) {
            facts.copy(MLFGAINED, NOFAIL);
        }
        let mut nofail = facts.is_set(NOFAIL);
        let session = &mut self.slots[slot].session;
        if known || !forget {
            session.add_user(facts);
        }
        if known {
            session.follow(facts, gained);
        } else {
            std::mem::swap(&mut session.facts, facts);
        }
        let tried_others = session.users.len() > 1;
        if std::mem::take(&mut session.pending) || tried_others {
            session.facts.remove(NOFAIL);
            session.facts.remove(MLFGAINED);
            (nofail, gained) = (false, false);
        }
        if !nofail {
            session.take_helpers();
            if !gained {
                session.lines.push(matched);
            }
        } else if !forget {
            session.helpers.push(matched);
        }
        session.lines.bound(LINES);
        session.helpers.bound(LINES);
        Merged {
            slot,
            nofail: session.facts.is_set(NOFAIL),
            forget,
        }
    }

    /// The session a line was merged into.
    pub(super) fn session(&self, merged: Merged) -> &Session {
        &self.slots[merged.slot].session
    }

    /// The line is dealt with. `waits`: it is a failure whose ID is still missing.
    pub(super) fn settle(&mut self, merged: Merged, waits: bool) {
        if merged.forget {
            self.close(merged.slot);
        } else if waits {
            self.slots[merged.slot].session.pending = true;
        }
    }

    /// The slot of a session, and whether it was open already. One that ends with its first line
    /// is not among the open ones, and takes no other's room.
    fn enter(&mut self, key: &str, forget: bool, now: Time) -> (usize, bool) {
        let hash = hash(key.as_bytes());
        let slots = &self.slots;
        let same = |&slot: &u32| slots[slot as usize].key == key;
        if let Some(&slot) = self.open.find(hash, same) {
            let slot = slot as usize;
            if self.slots[slot].until > now {
                return (slot, true);
            }
            self.close(slot);
        }
        if forget {
            return (self.vacant() as usize, false);
        }
        self.make_room();
        self.begun += 1;
        let slot = self.vacant();
        let place = &mut self.slots[slot as usize];
        place.key.push_str(key);
        place.hash = hash;
        // How long a session is kept counts from its first line.
        place.until = now + AGE;
        place.number = self.begun;
        self.order.push_back((slot, self.begun));
        let slots = &self.slots;
        let rehash = |&slot: &u32| slots[slot as usize].hash;
        self.open.insert_unique(hash, slot, rehash);
        (slot as usize, false)
    }

    fn vacant(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        })
    }

    /// Ends the oldest sessions while there are too many.
    fn make_room(&mut self) {
        while self.open.len() >= SESSIONS {
            let Some((slot, number)) = self.order.pop_front() else {
                break;
            };
            if self.is_open(slot, number) {
                self.close(slot as usize);
            }
        }
        if self.order.len() > 2 * SESSIONS {
            let mut order = std::mem::take(&mut self.order);
            order.retain(|&(slot, number)| self.is_open(slot, number));
            self.order = order;
        }
    }

    fn close(&mut self, slot: usize) {
        let hash = self.slots[slot].hash;
        let this = |&other: &u32| other as usize == slot;
        if let Ok(entry) = self.open.find_entry(hash, this) {
            entry.remove();
        }
        let place = &mut self.slots[slot];
        place.number = 0;
        place.key.clear();
        place.session.clear();
        self.free.push(slot as u32);
    }

    fn is_open(&self, slot: u32, number: u64) -> bool {
        self.slots[slot as usize].number == number
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}

impl Session {
    fn clear(&mut self) {
        self.facts.clear();
        self.users.clear();
        self.lines.clear();
        self.helpers.clear();
        self.pending = false;
    }

    /// Notes who is tried; several texts together are one user, as Python shows a tuple.
    fn add_user(&mut self, facts: &Facts) {
        let together;
        let user = match facts.get(USER) {
            Some(Fact::Text(user)) => user,
            Some(Fact::List(list)) => {
                together = tuple(list);
                &together
            }
            None => return,
        };
        if !user.is_empty() && !self.users.contains(user) {
            self.users.push(user);
        }
    }

    /// Another line of a known session.
    fn follow(&mut self, facts: &Facts, gained: bool) {
        self.facts.remove(NOFAIL);
        self.facts.remove(MLFGAINED);
        if gained {
            self.pending = false;
        }
        // Lines reported with an earlier failure are not reported again. (There are none while the
        // session has only helper lines.)
        if !self.pending {
            self.lines.clear();
        }
        self.facts.extend(facts);
    }

    /// The lines that helped go before the others.
    fn take_helpers(&mut self) {
        if !self.helpers.is_empty() {
            self.helpers.append(&mut self.lines);
            std::mem::swap(&mut self.lines, &mut self.helpers);
        }
    }
}

/// A key's hash. Keys are few, so what an attacker could do with equal ones is little.
fn hash(key: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let (words, rest) = key.as_chunks::<8>();
    let hash = words.iter().fold(key.len() as u64, |hash, word| {
        mix(hash, u64::from_le_bytes(*word))
    });
    let rest = rest
        .iter()
        .fold(0, |word, &byte| word << 8 | u64::from(byte));
    mix(mix(hash, rest), 0)
}

#[cfg(test)]
mod tests;
