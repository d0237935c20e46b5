//! The engine: backtracking, leftmost, first alternative first, exactly as Python's `re`.
//!
//! It runs first without a memory, which is quickest on the lines that real daemons write. If
//! that takes more steps than a few per byte, the same program runs again and remembers each
//! (instruction, position) that failed: no work is done twice, so the time is linear in the
//! line's length whatever an attacker writes. Look-arounds remember success too. What a
//! conditional asks for is part of what is remembered.
//!
//! Back-references, atomic groups and captures within look-aheads cannot be remembered that way;
//! such patterns stop at a budget of steps per byte and then count as no match.

mod loops;
mod memo;
mod text;

use super::program::{ANY, BOTH, BytesId, Code, DEAD, END, FORGET, Inst, Program, Start};
use super::slots::{Frame, Slots, UNSET};
use memo::Memo;
use text::width;

/// Steps before the memory is switched on: matching a stock pattern takes one to three per byte.
const QUICK_STEPS: u64 = 256;
const QUICK_STEPS_PER_BYTE: u64 = 8;

/// The budget of patterns that are not linear.
const BUDGET: u64 = 100_000;
const BUDGET_PER_BYTE: u64 = 256;

/// The largest memo, in bits: 64 MiB, a line of 1 MiB with 500 places to remember.
const MOST_BITS: u64 = 1 << 29;

/// How a search is carried out; the tests compare the ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Quick first, then exact.
    Both,
    #[cfg(test)]
    ExactOnly,
}

/// Searches from byte `from` on, and leaves the groups in `slots`.
pub(super) fn search(
    program: &Program,
    text: &str,
    from: usize,
    slots: &mut Slots,
    mode: Mode,
) -> bool {
    slots.prepare(program.slots, program.groups);
    if from > text.len() || text.len() >= UNSET as usize {
        return false;
    }
    let from = (from..=text.len())
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(text.len());
    let length = text.len() as u64;
    let limit = match mode {
        Mode::Both => QUICK_STEPS + QUICK_STEPS_PER_BYTE * length,
        #[cfg(test)]
        Mode::ExactOnly => 0,
    };
    let mut machine = Machine {
        program,
        text: text.as_bytes(),
        steps: 0,
        limit,
        inside: Inside::Nothing,
        values: std::mem::take(&mut slots.values),
        stack: std::mem::take(&mut slots.stack),
        tried: Vec::new(),
        good: Vec::new(),
    };
    let mut resume = from;
    if limit > 0 {
        let outcome = machine.leftmost::<false>(&mut resume);
        if let Ok(found) = outcome {
            slots.steps += machine.steps;
            (slots.values, slots.stack) = (machine.values, machine.stack);
            return found;
        }
    }
    let bits = program.rows.saturating_mul(length + 1);
    let remembers = bits <= MOST_BITS;
    machine.limit = if program.linear && remembers {
        u64::MAX
    } else {
        machine.steps + BUDGET + BUDGET_PER_BYTE * length
    };
    machine.stack.clear();
    machine.values.fill(UNSET);
    let outcome = if remembers {
        let words = usize::try_from(bits / 64 + 1).unwrap_or(0);
        machine.tried = vec![0; words];
        machine.good = match program.looks.is_empty() {
            true => Vec::new(),
            false => vec![0; words],
        };
        machine.leftmost::<true>(&mut resume)
    } else {
        machine.leftmost::<false>(&mut resume)
    };
    slots.steps += machine.steps;
    (slots.values, slots.stack) = (machine.values, machine.stack);
    slots.release();
    match outcome {
        Ok(found) => found,
        Err(Overrun) => {
            slots.prepare(program.slots, program.groups);
            slots.exhausted = true;
            false
        }
    }
}

/// The steps are used up.
struct Overrun;

/// What the current run is the inside of, which decides what success means for the memo.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// The pattern itself: a success ends the search.
    Nothing,
    /// A look-around that captures nothing: success can be remembered.
    Look,
    /// An atomic group or the like: success must be forgotten, for it ends in different places.
    Atomic,
}

struct Machine<'a> {
    program: &'a Program,
    text: &'a [u8],
    steps: u64,
    limit: u64,
    inside: Inside,
    /// Positions of groups, and where loops began their rounds.
    values: Vec<u32>,
    stack: Vec<Frame>,
    /// A bit per remembered instruction and position: tried, and (so far) failed.
    tried: Vec<u64>,
    /// Within look-arounds: tried, and matched.
    good: Vec<u64>,
}

impl<'a> Machine<'a> {
    /// Tries every start from `from` on; `from` is left at the one that was too much.
    fn leftmost<const EXACT: bool>(&mut self, from: &mut usize) -> Result<bool, Overrun> {
        loop {
            let Some(start) = self.candidate(*from) else {
                return Ok(false);
            };
            *from = start;
            if let Some(end) = self.run::<EXACT>(self.program.entry as usize, start)? {
                (self.values[0], self.values[1]) = (start as u32, end as u32);
                return Ok(true);
            }
            if start >= self.text.len() {
                return Ok(false);
            }
            *from = start + width(self.text[start]);
        }
    }

    /// The next place where a match may start.
    fn candidate(&mut self, from: usize) -> Option<usize> {
        let rest = &self.text[from..];
        let found = match self.program.start {
            Start::Anywhere => Some(from),
            Start::Text => (from == 0).then_some(0),
            Start::Line => match from {
                0 => Some(0),
                _ if self.text[from - 1] == b'\n' => Some(from),
                _ => memchr::memchr(b'\n', rest).map(|at| from + at + 1),
            },
            Start::Literal(start, end) => {
                let literal = &self.program.literals[start as usize..end as usize];
                memchr::memmem::find(rest, literal).map(|at| from + at)
            }
            Start::Bytes(id) => rest
                .iter()
                .position(|&byte| byte & 0xc0 != 0x80 && self.program.holds(id, usize::from(byte)))
                .or_else(|| self.program.holds(id, END).then_some(rest.len()))
                .map(|at| from + at),
        };
        self.steps += (found.unwrap_or(self.text.len()) - from) as u64;
        found
    }

    fn code<const EXACT: bool>(&self) -> &'a [Code] {
        match EXACT {
            true => &self.program.code,
            false => &self.program.quick,
        }
    }

    #[inline(always)]
    fn byte(&self, at: usize) -> usize {
        self.text.get(at).map_or(END, |&byte| usize::from(byte))
    }

    /// Runs the program from `pc` at `at` until `Match`, `Done` or `AtomicDone`; returns where
    /// that was. On failure all slots are as before.
    fn run<const EXACT: bool>(
        &mut self,
        mut pc: usize,
        mut at: usize,
    ) -> Result<Option<usize>, Overrun> {
        // Look-arounds can cost much without any failure.
        self.check_steps()?;
        let base = self.stack.len();
        let (program, text) = (self.program, self.text);
        let code = self.code::<EXACT>();
        // Counted apart from `self.steps`, which would be a memory access per instruction.
        let mut steps = 0;
        'next: loop {
            'failed: {
                steps += 1;
                if EXACT && program.memo[pc] != FORGET && !matches!(code[pc].inst, Inst::Loop(_)) {
                    match self.remember(pc, at) {
                        Memo::New => {}
                        Memo::Failed => break 'failed,
                        Memo::Good => return Ok(Some(self.succeed(base, at, steps))),
                    }
                }
                let step = &code[pc];
                let next = step.next as usize;
                match step.inst {
                    Inst::Byte(byte) => {
                        if text.get(at) != Some(&byte) {
                            break 'failed;
                        }
                        at += 1;
                        pc = next;
                    }
                    Inst::Literal { start, end } => {
                        if !self.is_literal(at, start, end) {
                            break 'failed;
                        }
                        at += (end - start) as usize;
                        pc = next;
                    }
                    Inst::Class(class) => {
                        let Some(end) = self.member(class, at) else {
                            break 'failed;
                        };
                        at = end;
                        pc = next;
                    }
                    Inst::Loop(id) => match self.enter::<EXACT>(pc, id, at) {
                        Step::To(end) => {
                            at = end;
                            pc = next;
                        }
                        Step::Fail => break 'failed,
                        Step::Good => return Ok(Some(self.succeed(base, at, steps))),
                    },
                    Inst::Run {
                        class,
                        sure,
                        least,
                        mixed,
                    } => {
                        let mut end = at + program.tables.run(sure, &text[at..]);
                        if mixed && text.get(end).is_some_and(|&byte| byte >= 0x80) {
                            end = self.wide_run(class, sure, end);
                        }
                        if end - at < usize::from(least) {
                            break 'failed;
                        }
                        steps += (end - at) as u64;
                        at = end;
                        pc = next;
                    }
                    Inst::Maybe(class) => {
                        at = self.member(class, at).unwrap_or(at);
                        pc = next;
                    }
                    Inst::Split {
                        first,
                        second,
                        first_bytes,
                        second_bytes,
                    } => {
                        let byte = self.byte(at);
                        let holds = |id: BytesId| id == ANY || program.holds(id, byte);
                        pc = if !holds(first_bytes) {
                            if !holds(second_bytes) {
                                break 'failed;
                            }
                            second as usize
                        } else {
                            if holds(second_bytes) {
                                let at = at as u32;
                                self.push(Frame::Way { pc: second, at });
                            }
                            first as usize
                        };
                    }
                    Inst::Switch(row) => {
                        let column = program.columns[self.byte(at)];
                        let target = program.switches[row as usize + usize::from(column)];
                        if target < BOTH {
                            pc = usize::from(target);
                        } else if target == DEAD {
                            break 'failed;
                        } else if let Inst::Split { first, second, .. } =
                            program.code[usize::from(target - BOTH)].inst
                        {
                            let at = at as u32;
                            self.push(Frame::Way { pc: second, at });
                            pc = first as usize;
                        }
                    }
                    Inst::Jump(target) => pc = target as usize,
                    Inst::Save(slot) => {
                        self.save(slot, at as u32);
                        pc = next;
                    }
                    Inst::Place(place) => {
                        if !self.is_at(place, at) {
                            break 'failed;
                        }
                        pc = next;
                    }
                    Inst::Cond { group, no } => {
                        pc = match self.has_matched(group) {
                            true => next,
                            false => no as usize,
                        };
                    }
                    Inst::Progress { slot, end } => {
                        pc = match self.values[slot as usize] == at as u32 {
                            true => end as usize,
                            false => next,
                        };
                    }
                    Inst::Done | Inst::AtomicDone => {
                        return Ok(Some(self.succeed(base, at, steps)));
                    }
                    Inst::Match => {
                        self.steps += steps;
                        return Ok(Some(at));
                    }
                    Inst::Near { .. }
                    | Inst::NearLiteral { .. }
                    | Inst::Need { .. }
                    | Inst::Look { .. }
                    | Inst::Atomic { .. }
                    | Inst::BackRef { .. } => match self.seldom::<EXACT>(pc, at)? {
                        Some((next, place)) => (pc, at) = (next, place),
                        None => break 'failed,
                    },
                }
                continue 'next;
            }
            self.steps += std::mem::take(&mut steps);
            match self.backtrack::<EXACT>(base)? {
                Next::To(next, place) => (pc, at) = (next, place),
                Next::Nothing => return Ok(None),
                Next::Good => return Ok(Some(self.succeed(base, at, 0))),
            }
        }
    }

    /// Instructions that are met seldom, out of the way of the others: where to go on.
    #[inline(never)]
    fn seldom<const EXACT: bool>(
        &mut self,
        pc: usize,
        at: usize,
    ) -> Result<Option<(usize, usize)>, Overrun> {
        let Code { inst, next } = self.code::<EXACT>()[pc];
        let next = next as usize;
        let (holds, next) = match inst {
            Inst::Near {
                class,
                behind,
                negate,
            } => {
                let near = if behind {
                    at > 0 && self.member(class, self.previous(at)).is_some()
                } else {
                    self.member(class, at).is_some()
                };
                (near != negate, next)
            }
            Inst::NearLiteral { start, end, negate } => {
                (self.is_literal(at, start, end) != negate, next)
            }
            Inst::Need { start, end, rarest } => {
                (EXACT || self.comes(at, (start, end), rarest), next)
            }
            Inst::Look { look, end } => (self.look::<EXACT>(next, look, at)?, end as usize),
            Inst::Atomic { end } => {
                let outer = std::mem::replace(&mut self.inside, Inside::Atomic);
                let outcome = self.run::<EXACT>(next, at);
                self.inside = outer;
                return Ok(outcome?.map(|at| (end as usize, at)));
            }
            Inst::BackRef { group, fold } => {
                return Ok(self.repeats(group, fold, at).map(|at| (next, at)));
            }
            _ => unreachable!("the other instructions are dealt with in `run`"),
        };
        Ok(holds.then_some((next, at)))
    }

    #[inline(always)]
    fn check_steps(&self) -> Result<(), Overrun> {
        if self.steps > self.limit {
            return Err(Overrun);
        }
        Ok(())
    }

    #[inline(always)]
    fn push(&mut self, frame: Frame) {
        self.stack.push(frame);
    }

    #[inline(always)]
    fn save(&mut self, slot: u32, value: u32) {
        let old = std::mem::replace(&mut self.values[slot as usize], value);
        self.push(Frame::Slot { slot, old });
    }

    /// Undoes down to the last choice and takes the next way.
    fn backtrack<const EXACT: bool>(&mut self, base: usize) -> Result<Next, Overrun> {
        self.check_steps()?;
        while self.stack.len() > base {
            let Some(frame) = self.stack.pop() else {
                break;
            };
            let (pc, step) = match frame {
                Frame::Way { pc, at } => return Ok(Next::To(pc as usize, at as usize)),
                Frame::Slot { slot, old } => {
                    self.values[slot as usize] = old;
                    continue;
                }
                Frame::Tried { .. } => continue,
                Frame::Back { pc, low, at } => {
                    (pc, self.give_back::<EXACT>(pc, low as usize, at as usize))
                }
                Frame::More { pc, at, left } => (pc, self.take::<EXACT>(pc, at as usize, left)),
            };
            match step {
                Step::To(at) => {
                    let next = self.program.code[pc as usize].next;
                    return Ok(Next::To(next as usize, at));
                }
                Step::Fail => {}
                Step::Good => return Ok(Next::Good),
            }
        }
        Ok(Next::Nothing)
    }

    /// Ends a run inside the pattern after so many steps more: drops the other ways, keeps what
    /// undoes the captures.
    fn succeed(&mut self, base: usize, at: usize, steps: u64) -> usize {
        self.steps += steps;
        let mut kept = base;
        for index in base..self.stack.len() {
            match self.stack[index] {
                frame @ Frame::Slot { .. } => {
                    self.stack[kept] = frame;
                    kept += 1;
                }
                Frame::Tried { first, last } => self.settle(first, last),
                Frame::Way { .. } | Frame::Back { .. } | Frame::More { .. } => {}
            }
        }
        self.stack.truncate(kept);
        at
    }

    /// A look-around whose program starts at `pc`: whether the match may go on.
    fn look<const EXACT: bool>(
        &mut self,
        pc: usize,
        look: u32,
        at: usize,
    ) -> Result<bool, Overrun> {
        let look = self.program.looks[look as usize];
        let mut start = at;
        for _ in 0..look.back.unwrap_or(0) {
            if start == 0 {
                return Ok(look.negate);
            }
            start = self.previous(start);
        }
        let base = self.stack.len();
        let inside = if look.pure {
            Inside::Look
        } else {
            Inside::Atomic
        };
        let outer = std::mem::replace(&mut self.inside, inside);
        let outcome = self.run::<EXACT>(pc, start);
        self.inside = outer;
        let found = outcome?.is_some();
        if found && look.negate {
            while self.stack.len() > base {
                if let Some(Frame::Slot { slot, old }) = self.stack.pop() {
                    self.values[slot as usize] = old;
                }
            }
        }
        Ok(found != look.negate)
    }
}

/// Where to go on after a failure.
enum Next {
    To(usize, usize),
    Nothing,
    /// The run is known to succeed from here.
    Good,
}

/// The outcome of one step of a loop: go on behind it, or not, or known to succeed.
enum Step {
    To(usize),
    Fail,
    Good,
}
