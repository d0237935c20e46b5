//! Repetitions of one character, the bulk of all matching.
//!
//! A greedy loop eats all it can and gives back one by one, a lazy one takes one by one; neither
//! stops where what follows could not start. The exact engine notes where the way behind the loop
//! was tried. In an endless loop, whoever comes to such a place within the same run of members
//! need not look further: all stops beyond were tried, too.

use super::memo::Memo;
use super::text::width;
use super::{Machine, Step};
use crate::pattern::program::{
    ANY, BytesId, ClassId, ENDLESS, FORGET, Inst, Loop, LoopKind, Shape,
};
use crate::pattern::slots::Frame;

impl<'a> Machine<'a> {
    /// Enters the loop at `at`.
    #[inline(always)]
    pub(super) fn enter<const EXACT: bool>(&mut self, pc: usize, id: u32, at: usize) -> Step {
        let spec = &self.program.loops[id as usize];
        if EXACT && self.program.memo[pc] != FORGET {
            return self.enter_any::<EXACT>(pc, spec, at);
        }
        match spec.shape {
            Shape::Run => {
                let end = self.run_end(spec, at);
                if end == at && spec.min > 0 {
                    return Step::Fail;
                }
                Step::To(end)
            }
            Shape::Maybe => Step::To(self.member(spec.class, at).unwrap_or(at)),
            Shape::Counted => self.counted(spec, at),
            Shape::Greedy => {
                let high = self.run_end(spec, at);
                if high == at {
                    return match spec.min {
                        0 => Step::To(at),
                        _ => Step::Fail,
                    };
                }
                let low = match spec.min {
                    0 => at,
                    _ => at + width(self.text[at]),
                };
                self.stop::<EXACT>(pc, spec, low, high)
            }
            Shape::Other => self.enter_any::<EXACT>(pc, spec, at),
        }
    }

    /// Where the run of members from `at` ends.
    #[inline(always)]
    fn run_end(&mut self, spec: &Loop, at: usize) -> usize {
        if let Some(byte) = spec.until {
            let rest = &self.text[at..];
            let end = at + memchr::memchr(byte, rest).unwrap_or(rest.len());
            self.steps += (end - at) as u64;
            return end;
        }
        let mut end = at + self.program.tables.run(spec.sure, &self.text[at..]);
        if spec.mixed && self.text.get(end).is_some_and(|&byte| byte >= 0x80) {
            end = self.wide_run(spec.class, spec.sure, end);
        }
        self.steps += (end - at) as u64;
        end
    }

    /// Where a run goes on to that has come to a character beyond ASCII.
    #[cold]
    pub(super) fn wide_run(&self, class: ClassId, sure: BytesId, mut at: usize) -> usize {
        while let Some(end) = self.member(class, at) {
            at = end + self.program.tables.run(sure, &self.text[end..]);
        }
        at
    }

    /// A loop over so many members, with only one place to stop.
    #[inline(always)]
    fn counted(&mut self, spec: &Loop, at: usize) -> Step {
        let mut end = at;
        let mut count = 0;
        while count < spec.max {
            match self.member(spec.class, end) {
                Some(next) => end = next,
                None => break,
            }
            count += 1;
        }
        self.steps += (end - at) as u64;
        if count < spec.min {
            return Step::Fail;
        }
        Step::To(end)
    }

    #[inline(never)]
    fn enter_any<const EXACT: bool>(&mut self, pc: usize, spec: &'a Loop, at: usize) -> Step {
        let mut low = at;
        if spec.min > 0 {
            let (end, count) = self.eat(spec, at, spec.min);
            if count < spec.min {
                return Step::Fail;
            }
            low = end;
        }
        let left = match spec.max {
            ENDLESS => ENDLESS,
            max => max - spec.min,
        };
        let remembers = EXACT && self.program.memo[pc] != FORGET;
        match spec.kind {
            LoopKind::Lazy => self.go_on::<EXACT>(pc, spec, low, left),
            LoopKind::Possessive => Step::To(self.eat(spec, low, left).0),
            LoopKind::Greedy | LoopKind::Certain if remembers && left == ENDLESS => {
                self.enter_remembering(pc, spec, low)
            }
            LoopKind::Greedy => {
                let high = self.eat(spec, low, left).0;
                self.stop::<EXACT>(pc, spec, low, high)
            }
            LoopKind::Certain => {
                let high = self.eat(spec, low, left).0;
                if !remembers {
                    return Step::To(high);
                }
                match self.remember(pc, high) {
                    Memo::New => Step::To(high),
                    Memo::Failed => Step::Fail,
                    Memo::Good => Step::Good,
                }
            }
        }
    }

    /// An endless greedy loop, `min` satisfied at `low`: eats up to where it was before.
    fn enter_remembering(&mut self, pc: usize, spec: &'a Loop, low: usize) -> Step {
        let mut high = low;
        let mut known = self.known(pc, high);
        while known == Memo::New {
            let Some(next) = self.eat_one(spec, high) else {
                break;
            };
            high = next;
            self.steps += 1;
            known = self.known(pc, high);
        }
        match (known, spec.kind) {
            (Memo::Good, _) => Step::Good,
            (Memo::Failed, _) if high == low => Step::Fail,
            (Memo::Failed, LoopKind::Certain) => {
                self.mark_range(pc, low, high);
                Step::Fail
            }
            (Memo::New, LoopKind::Certain) => {
                self.mark_range(pc, low, high);
                self.follow(pc, low, high);
                Step::To(high)
            }
            (Memo::Failed, _) => {
                let high = self.previous(high);
                self.stop::<true>(pc, spec, low, high)
            }
            (Memo::New, _) => self.stop::<true>(pc, spec, low, high),
        }
    }

    fn mark_range(&mut self, pc: usize, low: usize, high: usize) {
        for at in low..=high {
            self.mark(pc, at);
        }
        self.steps += (high - low) as u64;
    }

    /// The last place from `high` down to `low` where a greedy loop may stop.
    #[inline]
    fn stop<const EXACT: bool>(
        &mut self,
        pc: usize,
        spec: &'a Loop,
        low: usize,
        high: usize,
    ) -> Step {
        let remembers = EXACT && self.program.memo[pc] != FORGET;
        let endless = spec.max == ENDLESS;
        let mut at = high;
        loop {
            if self.may_stop(spec, at) {
                let known = match remembers {
                    true => self.known(pc, at),
                    false => Memo::New,
                };
                match known {
                    Memo::New => {
                        if at > low {
                            let (pc, low, at) = (pc as u32, low as u32, at as u32);
                            self.push(Frame::Back { pc, low, at });
                        }
                        if remembers {
                            self.mark(pc, at);
                            self.follow(pc, if endless { low } else { at }, at);
                        }
                        return Step::To(at);
                    }
                    Memo::Good => return Step::Good,
                    Memo::Failed => {}
                }
            } else if remembers && endless {
                self.mark(pc, at);
            }
            if at == low {
                return Step::Fail;
            }
            at = self.previous(at);
            self.steps += 1;
        }
    }

    /// A greedy loop that stopped at `at` stops earlier.
    pub(super) fn give_back<const EXACT: bool>(&mut self, pc: u32, low: usize, at: usize) -> Step {
        let spec = self.spec(pc);
        let at = self.previous(at);
        self.steps += 1;
        self.stop::<EXACT>(pc as usize, spec, low, at)
    }

    /// The first place from `at` on, `left` characters away at most, where a lazy loop may stop.
    fn go_on<const EXACT: bool>(
        &mut self,
        pc: usize,
        spec: &'a Loop,
        mut at: usize,
        mut left: u32,
    ) -> Step {
        let remembers = EXACT && self.program.memo[pc] != FORGET;
        let endless = spec.max == ENDLESS;
        loop {
            let known = match remembers {
                true => self.known(pc, at),
                false => Memo::New,
            };
            match known {
                Memo::Good => return Step::Good,
                Memo::Failed if endless => return Step::Fail,
                Memo::Failed => {}
                Memo::New => {
                    let stops = self.may_stop(spec, at);
                    if remembers {
                        self.mark(pc, at);
                        if endless {
                            // Going on leaves this place on the way.
                            self.follow(pc, at, at);
                        }
                    }
                    if stops {
                        if left > 0 {
                            let (pc, at) = (pc as u32, at as u32);
                            self.push(Frame::More { pc, at, left });
                        }
                        if remembers && !endless {
                            self.follow(pc, at, at);
                        }
                        return Step::To(at);
                    }
                }
            }
            if left == 0 {
                return Step::Fail;
            }
            let Some(next) = self.eat_one(spec, at) else {
                return Step::Fail;
            };
            at = next;
            self.steps += 1;
            if left != ENDLESS {
                left -= 1;
            }
        }
    }

    /// A lazy loop that stopped at `at` goes on.
    pub(super) fn take<const EXACT: bool>(&mut self, pc: u32, at: usize, left: u32) -> Step {
        let spec = self.spec(pc);
        let Some(next) = self.eat_one(spec, at) else {
            return Step::Fail;
        };
        let left = match left {
            ENDLESS => ENDLESS,
            left => left - 1,
        };
        self.steps += 1;
        self.go_on::<EXACT>(pc as usize, spec, next, left)
    }

    fn spec(&self, pc: u32) -> &'a Loop {
        match self.program.code[pc as usize].inst {
            Inst::Loop(id) => &self.program.loops[id as usize],
            _ => unreachable!("only loops leave frames of loops"),
        }
    }

    /// Whether what follows the loop can start at `at`.
    #[inline(always)]
    fn may_stop(&self, spec: &Loop, at: usize) -> bool {
        (spec.follow == ANY || self.program.holds(spec.follow, self.byte(at)))
            && spec
                .then
                .is_none_or(|(start, end)| self.is_literal(at, start, end))
    }

    fn is_stopped(&self, spec: &Loop, at: usize) -> bool {
        spec.stop
            .is_some_and(|(start, end)| self.is_literal(at, start, end))
    }

    fn eat_one(&self, spec: &Loop, at: usize) -> Option<usize> {
        if self.is_stopped(spec, at) {
            return None;
        }
        self.member(spec.class, at)
    }

    /// Eats at most `most` members from `at`; returns where they end and how many they were (the
    /// count is right only where `most` is not [`ENDLESS`]).
    #[inline]
    fn eat(&mut self, spec: &Loop, at: usize, most: u32) -> (usize, u32) {
        let start = at;
        let mut at = at;
        let mut count = 0;
        if most == ENDLESS && spec.stop.is_none() {
            return (self.run_end(spec, at), 0);
        }
        while count < most {
            let Some(&byte) = self.text.get(at) else {
                break;
            };
            if !self.program.holds(spec.class, usize::from(byte)) || self.is_stopped(spec, at) {
                break;
            }
            if byte < 0x80 {
                at += 1;
            } else {
                if self.wide_member(spec.class, at).is_none() {
                    break;
                }
                at += width(byte);
            }
            count += 1;
        }
        self.steps += (at - start) as u64;
        (at, count)
    }
}
