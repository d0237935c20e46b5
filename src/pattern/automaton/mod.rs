//! One pass for all patterns of a set, captures included: a table that is written as lines come.
//!
//! A state is the ordered list of ways the backtracker could be on, each with a bank of registers
//! for its groups; what it leads to with the next byte is found out once ([`step`]) and then looked
//! up. Ways stand in the order in which the backtracker would try them, pattern by pattern, so the
//! first to end is the match Python finds.
//!
//! The registers are never filled on the way: a search notes which actions it came by, and where.
//! Only if it ends in a match they are followed back along the one way that matched.
//!
//! It knows ASCII only, and no look-around that looks further than a literal, no back-references
//! and no atomic groups. Whenever it does not know, it says so, and the backtracker is asked. Its
//! memory is bounded; when that is full, rare lines go to the backtracker.

mod alphabet;
mod beginnings;
mod step;
mod travel;

use std::collections::HashMap;

use super::program::Program;
use super::slots::{Slots, UNSET};
use alphabet::Alphabet;
use beginnings::{Beginnings, Known};
use step::{Key, State};
use travel::{Halt, Journey};

/// Searches the full table could not answer before it is emptied: lines have changed their shape.
const PATIENCE: u32 = 1 << 16;

/// An entry of the table: the row that is next, or one of these, or with [`ACTION`] an action.
type Entry = u32;
const ACTION: Entry = 1 << 31;
/// The row itself, where all bytes but one lead.
const SKIP: Entry = 1 << 30;
const UNKNOWN: Entry = Entry::MAX;
/// Nothing more can match.
const DEAD: Entry = Entry::MAX - 1;
/// The backtracker has to say.
const ASK: Entry = Entry::MAX - 2;

/// Registers of a bank: two per group. The stock patterns have up to twenty groups.
const WIDTH: usize = 128;

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
    /// Where its moves begin and end.
    moves: (u32, u32),
    /// A row, or [`DEAD`].
    next: Entry,
    /// The pattern that matches, ending here, unless better comes.
    matched: Option<u16>,
    /// Where the literal begins and ends that the text must go on with, and be behind in `next`.
    chain: (u32, u32),
}

/// What happens to one bank.
#[derive(Clone, Copy, Debug)]
struct Move {
    to: u8,
    /// The bank it has its registers from; [`NOBODY`] if they are unset.
    from: u8,
    /// Slots that are set to the position; [`WIDTH`] for none. There may be another move of the
    /// bank to itself before, with more.
    sets: [u8; SETS],
}

/// Slots of a move.
const SETS: usize = 6;

/// No bank has this number: more ways than a state may have.
const NOBODY: u8 = u8::MAX;

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
    most: usize,
    alphabet: Alphabet,
    /// A row per state, an entry per symbol.
    table: Vec<Entry>,
    states: Vec<State>,
    rows: HashMap<Key, Entry>,
    actions: Vec<Action>,
    moves: Vec<Move>,
    /// Those of the actions.
    literals: Vec<u8>,
    /// What `states`, `rows`, `actions` and what these refer to take, about.
    bytes: usize,
    unanswered: u32,
    /// The actions the last search came by, and where.
    trail: Vec<(u32, u32)>,
    beginnings: Beginnings,
    /// Bytes the last search looked at; `None` if the text's end is what it saw, or it does not know.
    seen: Option<usize>,
}

impl Automaton {
    /// Whether a program is of the kind this can run.
    pub(super) fn can_run(program: &Program) -> bool {
        step::can_run(program)
    }

    /// The automaton for the patterns with these places in a set, whose programs are given; its
    /// table and what belongs to it take at most so many bytes, about.
    pub(super) fn new(patterns: Vec<u32>, programs: &[&Program], most: usize) -> Self {
        let mut automaton = Self {
            patterns: patterns.into(),
            most,
            alphabet: Alphabet::new(programs),
            table: Vec::new(),
            states: Vec::new(),
            rows: HashMap::default(),
            actions: Vec::new(),
            moves: Vec::new(),
            literals: Vec::new(),
            bytes: 0,
            unanswered: 0,
            trail: Vec::new(),
            beginnings: Beginnings::default(),
            seen: None,
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
        self.moves = Vec::new();
        self.literals = Vec::new();
        self.bytes = 0;
        self.unanswered = 0;
        self.beginnings.clear();
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
        self.seen = None;
        if text.len() >= UNSET as usize {
            return Answer::Unknown;
        }
        let bytes = text.as_bytes();
        let mut journey = Journey::new(std::mem::take(&mut self.trail));
        let mut beginnings = std::mem::take(&mut self.beginnings);
        let mut known = beginnings.recall(travel::body(bytes), &mut journey);
        let answer = loop {
            let pause = known.as_ref().and_then(Known::pause);
            match self.travel(&mut journey, bytes, pause) {
                Halt::Answer(answer) => break answer,
                Halt::Unknown(symbol) => {
                    if self.step(journey.row, symbol, program) == UNKNOWN {
                        break Answer::Unknown;
                    }
                }
                Halt::Paused => known
                    .take()
                    .into_iter()
                    .for_each(|known| known.note(&journey)),
            }
        };
        self.beginnings = beginnings;
        slots.steps += journey.steps();
        self.seen = journey.seen(text.as_bytes());
        self.trail = journey.trail;
        if answer == Answer::Unknown {
            self.unanswered += 1;
            if self.unanswered >= PATIENCE && self.is_full() {
                self.begin();
            }
        }
        answer
    }

    /// After how many bytes the last search knew its answer; `None` if it had to see the text's end,
    /// or does not know the answer.
    pub(super) const fn seen(&self) -> Option<usize> {
        self.seen
    }

    /// Leaves the groups of the match just found in the slots.
    pub(super) fn leave(&self, slots: &mut Slots, program: &Program) {
        let values = slots.unset(program.groups);
        let mut bank = MATCH;
        // From its end back: what was set last counts.
        for &(action, at) in self.trail.iter().rev() {
            let (start, end) = self.actions[action as usize].moves;
            for one in &self.moves[start as usize..end as usize] {
                if one.to != bank {
                    continue;
                }
                for slot in one.sets {
                    match values.get_mut(usize::from(slot)) {
                        Some(value) if *value == UNSET => *value = at,
                        Some(_) => {}
                        None => break,
                    }
                }
                if one.from == NOBODY {
                    return;
                }
                bank = one.from;
                if bank != one.to {
                    break;
                }
            }
        }
    }

    /// Entries of a row: its symbols', and the byte until whose coming the state stays as it is.
    fn stride(&self) -> usize {
        self.alphabet.symbols() + 1
    }

    fn is_full(&self) -> bool {
        self.bytes + size_of_val(&self.table[..]) >= self.most
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
                let literal = chain.map(
                    |Chain {
                         pattern,
                         start,
                         end,
                     }| { &of(pattern).literals[start as usize..end as usize] },
                );
                let next = match state {
                    Some(state) => self.row(state),
                    None => DEAD,
                };
                match (ops.is_empty(), matched, literal) {
                    (true, None, None) => next,
                    _ => self.action(&ops, next, matched, literal.unwrap_or_default()),
                }
            }
        };
        self.table[row + symbol] = entry;
        if entry as usize == row {
            self.find_until(row, program);
        }
        self.table[row + symbol]
    }

    fn action(&mut self, ops: &[Op], next: Entry, matched: Option<u16>, literal: &[u8]) -> Entry {
        let moves = self.moves.len();
        self.add_moves(ops);
        let chain = self.literals.len() as u32;
        self.literals.extend_from_slice(literal);
        self.actions.push(Action {
            moves: (moves as u32, self.moves.len() as u32),
            next,
            matched,
            chain: (chain, self.literals.len() as u32),
        });
        self.bytes += size_of::<Action>() + literal.len();
        self.bytes += (self.moves.len() - moves) * size_of::<Move>();
        ACTION | (self.actions.len() - 1) as Entry
    }

    /// Ops as what happens to each bank.
    fn add_moves(&mut self, ops: &[Op]) {
        let filled = |to: u8| {
            let fills = |op: &Op| match *op {
                Op::Copy { from, to: bank } if bank == to => Some(from),
                Op::Clear(bank) if bank == to => Some(NOBODY),
                Op::Copy { .. } | Op::Clear(_) | Op::Set { .. } => None,
            };
            ops.iter().find_map(fills)
        };
        let mut known = Vec::new();
        for op in ops {
            let (Op::Copy { to, .. } | Op::Clear(to) | Op::Set { bank: to, .. }) = *op;
            if known.contains(&to) {
                continue;
            }
            known.push(to);
            let sets = ops.iter().filter_map(|op| match *op {
                Op::Set { bank, slot } if bank == to => Some(slot),
                Op::Copy { .. } | Op::Clear(_) | Op::Set { .. } => None,
            });
            let sets: Vec<u8> = sets.collect();
            let mut pieces = sets.chunks(SETS).peekable();
            let from = filled(to).unwrap_or(to);
            loop {
                let piece = pieces.next().unwrap_or_default();
                let mut sets = [WIDTH as u8; SETS];
                sets[..piece.len()].copy_from_slice(piece);
                let is_last = pieces.peek().is_none();
                self.moves.push(Move {
                    to,
                    from: if is_last { from } else { to },
                    sets,
                });
                if is_last {
                    break;
                }
            }
        }
    }

    /// Notes that a state stays as it is until one byte comes, if so.
    fn find_until<'a>(&mut self, row: usize, program: impl Fn(u32) -> &'a Program + Copy) {
        let state = &self.states[row / self.stride()];
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
        let Some(until) = other else {
            return;
        };
        self.table[row + self.alphabet.symbols()] = Entry::from(until);
        let leaves = self.alphabet.symbol(until);
        for symbol in self.alphabet.bytes().filter(|&symbol| symbol != leaves) {
            self.table[row + symbol] = Self::again(row);
        }
    }
}

#[cfg(test)]
mod tests;
