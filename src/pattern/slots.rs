//! What a search leaves behind, and the memory it works in; made once and used for every line.

use std::ops::Range;

/// No position.
pub(super) const UNSET: u32 = u32::MAX;

/// Bytes of working memory kept between searches. A long line under attack may need more; that
/// is given back at once.
const KEPT: usize = 64 * 1024;

/// The groups of the last match, and working memory. Reusable for any [`Regex`](super::Regex).
#[derive(Debug, Default)]
pub struct Slots {
    pub(super) values: Vec<u32>,
    pub(super) stack: Vec<Frame>,
    pub(super) steps: u64,
    pub(super) exhausted: bool,
    /// The patterns of a set that ran out of steps in the last pass, in order.
    pub(super) given_up: Vec<u32>,
    pub(super) groups: usize,
    /// A bit per pattern of a set: one of its required texts is in the line.
    pub(super) marked: Vec<u64>,
}

/// What to do when a way turns out wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Frame {
    /// Try another way.
    Way { pc: u32, at: u32 },
    /// Give a slot its former value.
    Slot { slot: u32, old: u32 },
    /// A greedy loop may stop before `at`, down to `low`.
    Back { pc: u32, low: u32, at: u32 },
    /// A lazy loop may go on from `at`, for `left` more characters.
    More { pc: u32, at: u32, left: u32 },
    /// These bits of the memo are on the way that led here.
    Tried { first: u32, last: u32 },
}

impl Slots {
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of group `index` of the last match; 0 is the whole match. `None` for a group that
    /// took no part.
    pub fn get(&self, index: usize) -> Option<Range<usize>> {
        if index >= self.groups {
            return None;
        }
        match (self.values[index * 2], self.values[index * 2 + 1]) {
            (UNSET, _) | (_, UNSET) => None,
            (start, end) => Some(start as usize..end as usize),
        }
    }

    /// The whole match; empty at 0 if there was none.
    pub fn span(&self) -> Range<usize> {
        self.get(0).unwrap_or(0..0)
    }

    /// Whether the last search gave up: a pattern with back-references (or the like) ran out of
    /// its step budget, which counts as no match.
    pub fn exhausted(&self) -> bool {
        self.exhausted
    }

    /// The patterns of a [`RegexSet`](super::RegexSet), by their place, that gave up in its last
    /// pass: all of them, whether or not another pattern matched.
    pub fn given_up(&self) -> impl ExactSizeIterator<Item = usize> {
        self.given_up.iter().map(|&index| index as usize)
    }

    /// Steps taken since this was made: the work done, independent of the machine.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    pub(super) fn prepare(&mut self, slots: usize, groups: usize) {
        if self.values.len() != slots {
            self.values.resize(slots, UNSET);
        }
        self.values.fill(UNSET);
        self.stack.clear();
        self.groups = groups;
        self.exhausted = false;
    }

    /// Room for the groups of a match found elsewhere, all unset.
    pub(super) fn unset(&mut self, groups: usize) -> &mut [u32] {
        self.prepare(2 * groups, groups);
        &mut self.values
    }

    /// Gives back what an unusual line needed.
    pub(super) fn release(&mut self) {
        self.stack.clear();
        self.stack.shrink_to(KEPT / size_of::<Frame>());
    }
}
