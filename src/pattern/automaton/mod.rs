//! One pass for all patterns of a set, captures included: a table that is written as lines come.
//!
//! A state is the ordered list of ways the backtracker could be on, each with a bank of registers
//! for its groups; what it leads to with the next byte is found out once ([`step`]) and then looked
//! up. Ways stand in the order in which the backtracker would try them, pattern by pattern, so the
//! first to end is the match Python finds.
//!
//! It knows ASCII only, and no look-around that looks further than a literal, no back-references
//! and no atomic groups. Whenever it does not know, it says so, and the backtracker is asked. Its
//! memory is bounded; when that is full, rare lines go to the backtracker.

mod alphabet;
mod step;

use std::collections::HashMap;
use std::ops::Range;

use super::program::Program;
use super::slots::{Slots, UNSET};
use alphabet::Alphabet;
use step::{Key, State};

/// Bytes the table of one set may take; that of the stock sshd filter has about 150 KiB after a day.
const MOST_BYTES: usize = 1 << 20;
/// Searches the full table could not answer before it is emptied: lines have changed their shape.
const PATIENCE: u32 = 1 << 16;

/// An entry of the table: the row that is next, or one of these, or with [`ACTION`] an action.
type Entry = u32;
const ACTION: Entry = 1 << 31;
const UNKNOWN: Entry = Entry::MAX;
/// Nothing more can match.
const DEAD: Entry = Entry::MAX - 1;
/// The backtracker has to say.
const ASK: Entry = Entry::MAX - 2;

/// Registers of a bank: two per group. The stock patterns have up to eleven groups.
const WIDTH: usize = 32;

/// The bank that holds the match, as far as it is known.
const MATCH: u8 = 0;

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The first pattern that matches, by its place among those given.
    Match(usize),
    Nothing,
    Unknown,
}

/// What is done on the way to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Copy {
        from: u8,
        to: u8,
    },
    Clear(u8),
    /// The position goes to a register.
    Set {
        bank: u8,
        slot: u8,
    },
}

#[derive(Clone, Debug)]
struct Action {
    ops: Range<u32>,
    /// A row, or [`DEAD`].
    next: Entry,
    /// The pattern that matches, ending here, unless better comes.
    matched: Option<u16>,
    /// The text must go on with this literal of a pattern, and be behind it in `next`.
    chain: Option<Chain>,
}

/// Bytes of a program's literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chain {
    pattern: u16,
    start: u32,
    end: u32,
}

/// The automaton of some patterns.
#[derive(Debug)]
pub(super) struct Automaton {
    /// The patterns, by their place in the set.
    patterns: Box<[u32]>,
    alphabet: Alphabet,
    /// A row per state, an entry per symbol.
    table: Vec<Entry>,
    states: Vec<State>,
    rows: HashMap<Key, Entry>,
    actions: Vec<Action>,
    ops: Vec<Op>,
    /// What `states`, `rows`, `actions` and `ops` take, about.
    bytes: usize,
    unanswered: u32,
    banks: Vec<[u32; WIDTH]>,
}

impl Automaton {
    /// Whether a program is of the kind this can run.
    pub(super) fn can_run(program: &Program) -> bool {
        step::can_run(program)
    }

    /// The automaton for the patterns with these places in a set, whose programs are given.
    pub(super) fn new(patterns: Vec<u32>, programs: &[&Program]) -> Self {
        let mut automaton = Self {
            patterns: patterns.into(),
            alphabet: Alphabet::new(programs),
            table: Vec::new(),
            states: Vec::new(),
            rows: HashMap::default(),
            actions: Vec::new(),
            ops: Vec::new(),
            bytes: 0,
            unanswered: 0,
            banks: Vec::new(),
        };
        automaton.begin();
        automaton
    }

    /// Empties the table.
    fn begin(&mut self) {
        self.table = Vec::new();
        self.states = Vec::new();
        self.rows = HashMap::default();
        self.actions = Vec::new();
        self.ops = Vec::new();
        self.bytes = 0;
        self.unanswered = 0;
        self.row(State::first(self.patterns.len()));
    }

    /// The patterns, by their place in the set.
    pub(super) fn patterns(&self) -> &[u32] {
        &self.patterns
    }

    /// Searches the text from its start; `program` gives the program of a pattern of the set.
    pub(super) fn search<'a>(
        &mut self,
        text: &str,
        slots: &mut Slots,
        program: impl Fn(u32) -> &'a Program + Copy,
    ) -> Answer {
        let answer = self.run(text.as_bytes(), slots, program);
        if answer == Answer::Unknown {
            self.unanswered += 1;
            if self.unanswered >= PATIENCE && self.is_full() {
                self.begin();
            }
        }
        answer
    }

    /// Leaves the groups of the match just found in the slots.
    pub(super) fn leave(&self, slots: &mut Slots, program: &Program) {
        slots.leave(&self.banks[usize::from(MATCH)][..2 * program.groups]);
    }

    fn run<'a>(
        &mut self,
        text: &[u8],
        slots: &mut Slots,
        program: impl Fn(u32) -> &'a Program + Copy,
    ) -> Answer {
        if text.len() >= UNSET as usize {
            return Answer::Unknown;
        }
        // The last newline is a symbol of its own: `$` stands before it.
        let last = text.len() - usize::from(text.ends_with(b"\n"));
        let (mut row, mut at) = (0, 0);
        let mut matched = Answer::Nothing;
        loop {
            let (stopped, place, symbol) = self.glide(row, at, text, last);
            slots.steps += (place - at) as u64 + 1;
            (row, at) = (stopped, place);
            let mut entry = self.table[row + symbol];
            if entry == UNKNOWN {
                entry = self.step(row, symbol, program);
            }
            match entry {
                DEAD => return matched,
                ASK | UNKNOWN => return Answer::Unknown,
                next if next < ACTION => row = next as usize,
                action => {
                    let action = (action & !ACTION) as usize;
                    let next = self.act(action, at);
                    if let Some(pattern) = self.actions[action].matched {
                        matched = Answer::Match(usize::from(pattern));
                    }
                    if next == DEAD {
                        return matched;
                    }
                    row = next as usize;
                    if let Some(Chain {
                        pattern,
                        start,
                        end,
                    }) = self.actions[action].chain
                    {
                        let program = program(self.patterns[usize::from(pattern)]);
                        let literal = &program.literals[start as usize..end as usize];
                        if !text[at + 1..].starts_with(literal) {
                            return matched;
                        }
                        at += literal.len();
                        slots.steps += literal.len() as u64;
                    }
                }
            }
            // Behind the end nothing is left to see.
            if at >= text.len() {
                return matched;
            }
            at += 1;
        }
    }

    /// Follows plain entries; returns where that ends, and with what symbol.
    #[inline(always)]
    fn glide(
        &self,
        mut row: usize,
        mut at: usize,
        text: &[u8],
        last: usize,
    ) -> (usize, usize, usize) {
        let body = &text[..last];
        loop {
            let Some(&byte) = body.get(at) else {
                let symbol = match at < text.len() {
                    true => self.alphabet.last_newline(),
                    false => self.alphabet.end(),
                };
                return (row, at, symbol);
            };
            let symbol = self.alphabet.symbol(byte);
            let entry = self.table[row + symbol];
            if entry >= ACTION {
                return (row, at, symbol);
            }
            at += 1;
            // A state that stays as it is until one byte comes.
            if entry as usize == row
                && let Ok(byte) = u8::try_from(self.table[row + self.alphabet.symbols()])
            {
                let rest = &body[at..];
                let skipped = memchr::memchr(byte, rest).unwrap_or(rest.len());
                // Other characters are none of its business.
                let skipped = match rest[..skipped].is_ascii() {
                    true => skipped,
                    false => rest.iter().position(|byte| !byte.is_ascii()).unwrap_or(0),
                };
                at += skipped;
            }
            row = entry as usize;
        }
    }

    /// Does what an action says at a position; returns what is next.
    fn act(&mut self, action: usize, at: usize) -> Entry {
        let Action { ops, next, .. } = &self.actions[action];
        for op in &self.ops[ops.start as usize..ops.end as usize] {
            match *op {
                Op::Copy { from, to } => {
                    self.banks[usize::from(to)] = self.banks[usize::from(from)];
                }
                Op::Clear(bank) => self.banks[usize::from(bank)] = [UNSET; WIDTH],
                Op::Set { bank, slot } => {
                    self.banks[usize::from(bank)][usize::from(slot)] = at as u32;
                }
            }
        }
        *next
    }

    /// Entries of a row: its symbols', and the byte until whose coming the state stays as it is.
    fn stride(&self) -> usize {
        self.alphabet.symbols() + 1
    }

    fn is_full(&self) -> bool {
        self.bytes + size_of_val(&self.table[..]) >= MOST_BYTES
    }

    /// The row of a state, a new one if need be.
    fn row(&mut self, state: State) -> Entry {
        let key = state.key();
        if let Some(&row) = self.rows.get(&key) {
            return row;
        }
        let row = self.table.len() as Entry;
        self.table.resize(self.table.len() + self.stride(), UNKNOWN);
        // What stands beyond ASCII is the backtracker's.
        self.table[row as usize + self.alphabet.wide()] = ASK;
        self.bytes += state.bytes() + size_of_val(&key[..]) + size_of::<(Key, Entry)>();
        if self.banks.len() < state.banks() {
            self.banks.resize(state.banks(), [UNSET; WIDTH]);
        }
        self.states.push(state);
        self.rows.insert(key, row);
        row
    }

    /// Finds out what a symbol leads to.
    #[cold]
    fn step<'a>(
        &mut self,
        row: usize,
        symbol: usize,
        program: impl Fn(u32) -> &'a Program + Copy,
    ) -> Entry {
        if self.is_full() {
            return UNKNOWN;
        }
        let state = &self.states[row / self.stride()];
        let patterns = &self.patterns;
        let of = |pattern: u16| program(patterns[usize::from(pattern)]);
        let entry = match step::step(state, symbol, &self.alphabet, of) {
            None => ASK,
            Some(step::Outcome {
                state,
                ops,
                matched,
                chain,
            }) => {
                let next = match state {
                    Some(state) => self.row(state),
                    None => DEAD,
                };
                if ops.is_empty() && matched.is_none() && chain.is_none() {
                    next
                } else {
                    self.action(ops, next, matched, chain)
                }
            }
        };
        self.table[row + symbol] = entry;
        if entry as usize == row {
            self.find_until(row, program);
        }
        entry
    }

    fn action(
        &mut self,
        ops: Vec<Op>,
        next: Entry,
        matched: Option<u16>,
        chain: Option<Chain>,
    ) -> Entry {
        let start = self.ops.len() as u32;
        self.ops.extend(ops);
        let ops = start..self.ops.len() as u32;
        self.bytes += size_of::<Action>() + (ops.end - ops.start) as usize * size_of::<Op>();
        self.actions.push(Action {
            ops,
            next,
            matched,
            chain,
        });
        ACTION | (self.actions.len() - 1) as Entry
    }

    /// Notes that a state stays as it is until one byte comes, if so.
    fn find_until<'a>(&mut self, row: usize, program: impl Fn(u32) -> &'a Program + Copy) {
        let state = &self.states[row / self.stride()];
        if !state.is_lone() {
            return;
        }
        let patterns = &self.patterns;
        let of = |pattern: u16| program(patterns[usize::from(pattern)]);
        let mut other = None;
        for symbol in self.alphabet.bytes() {
            let stays = step::step(state, symbol, &self.alphabet, of).is_some_and(|outcome| {
                outcome.ops.is_empty()
                    && outcome.matched.is_none()
                    && outcome.chain.is_none()
                    && outcome.state.is_some_and(|next| next.key() == state.key())
            });
            if !stays && (other.is_some() || self.alphabet.only(symbol).is_none()) {
                return;
            }
            if !stays {
                other = self.alphabet.only(symbol);
            }
        }
        if let Some(byte) = other {
            self.table[row + self.alphabet.symbols()] = Entry::from(byte);
        }
    }
}

#[cfg(test)]
mod tests;
