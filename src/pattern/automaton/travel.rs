//! Through a text by the table: from row to row, until it ends or the table has a hole.

use super::{ACTION, ASK, Answer, Automaton, DEAD, Entry, SKIP, UNKNOWN};

/// Where a search stands.
#[derive(Debug)]
pub(super) struct Journey {
    pub(super) row: usize,
    pub(super) at: usize,
    /// Bytes looked at by when it was over; 0 while it is not.
    seen: usize,
    pub(super) matched: Option<u16>,
    /// The actions it came by, and where.
    pub(super) trail: Vec<(u32, u32)>,
}

/// Why it does not go on.
pub(super) enum Halt {
    Answer(Answer),
    /// Nobody knows yet what this symbol leads to.
    Unknown(usize),
    /// It has come as far as it was to, or further.
    Paused,
}

/// Actions kept room for between searches: a line under attack may come by more.
const KEPT: usize = 4096;

impl Journey {
    /// Before a text.
    pub(super) fn new(mut trail: Vec<(u32, u32)>) -> Self {
        trail.clear();
        trail.shrink_to(KEPT);
        Self {
            row: 0,
            at: 0,
            seen: 0,
            matched: None,
            trail,
        }
    }

    /// What it has come to where it cannot go on.
    fn end(&self) -> Halt {
        let found = self.matched.map(usize::from);
        Halt::Answer(found.map_or(Answer::Nothing, Answer::Match))
    }

    /// Bytes looked at, if the last newline and the text's end are behind them.
    pub(super) fn seen(&self, text: &[u8]) -> Option<usize> {
        let end = text.len() - usize::from(text.ends_with(b"\n"));
        (self.seen > 0 && self.seen <= end).then_some(self.seen)
    }

    /// Bytes seen and actions come by.
    pub(super) fn steps(&self) -> u64 {
        (self.at + self.trail.len() + 1) as u64
    }
}

impl Automaton {
    /// Goes on through `text` as far as the table leads, or up to `pause`, a place before its last
    /// newline and its end.
    pub(super) fn travel(&self, journey: &mut Journey, text: &[u8], pause: Option<usize>) -> Halt {
        let body = &text[..pause.unwrap_or(body(text).len())];
        let table = &self.table[..];
        let symbols = self.alphabet.of_bytes();
        let (mut row, mut at) = (journey.row, journey.at);
        loop {
            let mut symbol;
            let entry = loop {
                symbol = match body.get(at) {
                    Some(&byte) => usize::from(symbols[usize::from(byte)]),
                    None if pause.is_some() => {
                        (journey.row, journey.at) = (row, at);
                        return Halt::Paused;
                    }
                    None if at < text.len() => self.alphabet.last_newline(),
                    None => self.alphabet.end(),
                };
                let entry = table[row + symbol];
                if entry >= SKIP {
                    break entry;
                }
                at += 1;
                if entry as usize == row {
                    at += self.stayed(row, body.get(at..).unwrap_or_default());
                }
                row = entry as usize;
            };
            if entry < ACTION {
                row = (entry & !SKIP) as usize;
                at += 1 + self.skipped(row, body.get(at + 1..).unwrap_or_default());
                continue;
            }
            if entry >= ASK {
                (journey.row, journey.at) = (row, at);
                journey.seen = if entry == DEAD { at + 1 } else { 0 };
                return match entry {
                    UNKNOWN => Halt::Unknown(symbol),
                    DEAD => journey.end(),
                    _ => Halt::Answer(Answer::Unknown),
                };
            }
            let action = &self.actions[(entry & !ACTION) as usize];
            if action.moves.0 < action.moves.1 {
                journey.trail.push((entry & !ACTION, at as u32));
            }
            journey.matched = action.matched.or(journey.matched);
            at += 1;
            let (start, end) = action.chain;
            if start < end {
                let literal = &self.literals[start as usize..end as usize];
                if !begins(&text[at..], literal) {
                    (journey.at, journey.seen) = (at, at + literal.len());
                    return journey.end();
                }
                at += literal.len();
            }
            if action.next == DEAD {
                (journey.at, journey.seen) = (at, at);
                return journey.end();
            }
            row = action.next as usize;
        }
    }

    /// Bytes of `rest` that leave a state as it is. No look into the table waits for the one before,
    /// as it does from state to state.
    #[inline]
    fn stayed(&self, row: usize, rest: &[u8]) -> usize {
        let symbols = self.alphabet.of_bytes();
        let entries = &self.table[row..];
        let stays = |byte: &u8| entries[usize::from(symbols[usize::from(*byte)])] as usize == row;
        rest.iter()
            .position(|byte| !stays(byte))
            .unwrap_or(rest.len())
    }

    /// Bytes of `rest` that leave a state as it is: until one byte comes, or what is not ASCII.
    fn skipped(&self, row: usize, rest: &[u8]) -> usize {
        let Ok(until) = u8::try_from(self.table[row + self.alphabet.symbols()]) else {
            return 0;
        };
        let skipped = memchr::memchr(until, rest).unwrap_or(rest.len());
        match rest[..skipped].is_ascii() {
            true => skipped,
            false => rest.iter().position(|byte| !byte.is_ascii()).unwrap_or(0),
        }
    }

    /// An entry of a row for the row itself, where all but one byte lead.
    pub(super) const fn again(row: usize) -> Entry {
        SKIP | row as Entry
    }
}

/// A text without its last newline, which is a symbol of its own: `$` stands before it.
pub(super) fn body(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\n").unwrap_or(text)
}

/// Whether a text begins with a literal; most are a few bytes, where a call would cost more.
fn begins(text: &[u8], literal: &[u8]) -> bool {
    let Some(text) = text.get(..literal.len()) else {
        return false;
    };
    // The last bytes once more, rather than one by one.
    if let (Some(a), Some(b)) = (text.last_chunk::<8>(), literal.last_chunk::<8>()) {
        let mut pairs = text
            .as_chunks::<8>()
            .0
            .iter()
            .zip(literal.as_chunks::<8>().0);
        return a == b && pairs.all(|(a, b)| a == b);
    }
    if let (Some(a), Some(b)) = (text.last_chunk::<4>(), literal.last_chunk::<4>()) {
        return a == b && text.first_chunk::<4>() == literal.first_chunk::<4>();
    }
    text.iter().zip(literal).all(|(a, b)| a == b)
}
