//! The date just seen: log lines come in bursts, and within a second their dates are the same
//! text.
//!
//! What is kept is the line's begin up to where a scanner had looked. A line that begins with the
//! same bytes has the same date at the same place; what moment that is, is the same too as long
//! as the current time does not lead to another year or day.

use std::ops::Range;

use super::fields::Guard;
use crate::model::Time;

/// Bytes kept: enough for any date a scanner knows, with what it looks at behind it.
const KEPT: usize = 56;

#[derive(Debug)]
pub(super) struct Recall {
    text: [u8; KEPT],
    /// Bytes of `text` in use; 0: nothing is remembered.
    seen: usize,
    cut: Range<usize>,
    time: Option<Time>,
    guard: Guard,
}

impl Recall {
    pub(super) fn new() -> Self {
        Self {
            text: [0; KEPT],
            seen: 0,
            cut: 0..0,
            time: None,
            guard: Guard::ALWAYS,
        }
    }

    pub(super) fn forget(&mut self) {
        self.seen = 0;
    }

    /// Remembers that a line with these first bytes has this date.
    pub(super) fn keep(
        &mut self,
        seen: &[u8],
        cut: Range<usize>,
        time: Option<Time>,
        guard: Guard,
    ) {
        let Some(place) = self.text.get_mut(..seen.len()) else {
            return self.forget();
        };
        place.copy_from_slice(seen);
        self.seen = seen.len();
        self.cut = cut;
        self.time = time;
        self.guard = guard;
    }

    /// The date of a line that begins as the last one did.
    pub(super) fn find(&self, line: &str, civil_now: i64) -> Option<(Range<usize>, Option<Time>)> {
        let same = self.seen > 0
            && line.as_bytes().get(..self.seen) == self.text.get(..self.seen)
            && self.guard.holds(civil_now);
        same.then(|| (self.cut.clone(), self.time))
    }
}
