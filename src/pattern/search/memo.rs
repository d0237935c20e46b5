//! What the exact engine remembers: one bit per (instruction, tested groups, position).

use super::{Inside, Machine};
use crate::pattern::slots::Frame;

/// What the memo says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memo {
    New,
    Failed,
    Good,
}

impl Machine<'_> {
    /// The bit for the instruction at this position.
    fn bit(&self, pc: usize, at: usize) -> usize {
        let place = &self.program.remembered[self.program.memo[pc] as usize];
        let groups = self.program.tested.iter();
        let groups = groups.map(|&group| self.has_matched(group));
        let loops = place.loops.iter();
        let loops = loops.map(|&slot| self.values[slot as usize] == at as u32);
        let combination = groups
            .chain(loops)
            .fold(0, |bits, bit| bits * 2 + usize::from(bit));
        (place.row as usize + combination) * (self.text.len() + 1) + at
    }

    fn is(bits: &[u64], bit: usize) -> bool {
        bits.get(bit / 64)
            .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// What is known of the instruction at this position.
    pub(super) fn known(&self, pc: usize, at: usize) -> Memo {
        let bit = self.bit(pc, at);
        if !Self::is(&self.tried, bit) {
            Memo::New
        } else if Self::is(&self.good, bit) {
            Memo::Good
        } else {
            Memo::Failed
        }
    }

    /// What is known, and that it is being tried from now on.
    pub(super) fn remember(&mut self, pc: usize, at: usize) -> Memo {
        let known = self.known(pc, at);
        if known == Memo::New {
            self.mark(pc, at);
            self.follow(pc, at, at);
        }
        known
    }

    pub(super) fn mark(&mut self, pc: usize, at: usize) {
        let bit = self.bit(pc, at);
        self.tried[bit / 64] |= 1 << (bit % 64);
    }

    /// Notes that the instruction at these positions is on the way now taken, where success must
    /// be told from failure.
    pub(super) fn follow(&mut self, pc: usize, first: usize, last: usize) {
        if self.inside == Inside::Nothing {
            return;
        }
        let (first_bit, last_bit) = (self.bit(pc, first) as u32, self.bit(pc, last) as u32);
        if last_bit.wrapping_sub(first_bit) as usize == last - first {
            self.push(Frame::Tried {
                first: first_bit,
                last: last_bit,
            });
            return;
        }
        // A loop around this one has eaten at all of these positions but the first.
        self.push(Frame::Tried {
            first: first_bit,
            last: first_bit,
        });
        self.push(Frame::Tried {
            first: last_bit - (last - first - 1) as u32,
            last: last_bit,
        });
    }

    /// A run ends well, and these bits were on its way.
    pub(super) fn settle(&mut self, first: u32, last: u32) {
        for bit in first as usize..=last as usize {
            let (word, mask) = (bit / 64, 1u64 << (bit % 64));
            match self.inside {
                Inside::Nothing => {}
                Inside::Look => {
                    self.tried[word] |= mask;
                    self.good[word] |= mask;
                }
                Inside::Atomic => self.tried[word] &= !mask,
            }
        }
        self.steps += u64::from(last - first);
    }
}
