//! Through a text by the table: from row to row, until it ends or the table has a hole.

use super::{ACTION, ASK, Action, Answer, Automaton, DEAD, Entry, SKIP, UNKNOWN};

/// Where a search stands.
#[derive(Debug)]
pub(super) struct Journey {
    pub(super) row: usize,
    at: usize,
    matched: Answer,
    /// The actions it came by, and where.
    pub(super) trail: Vec<(u32, u32)>,
}

/// Why it does not go on.
pub(super) enum Halt {
    Answer(Answer),
    /// Nobody knows yet what this symbol leads to.
    Unknown(usize),
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
            matched: Answer::Nothing,
            trail,
        }
    }

    /// Bytes seen and actions come by.
    pub(super) fn steps(&self) -> u64 {
        (self.at + self.trail.len() + 1) as u64
    }
}

impl Automaton {
    /// Goes on through `text` as far as the table leads.
    pub(super) fn travel(&self, journey: &mut Journey, text: &[u8]) -> Halt {
        // The last newline is a symbol of its own: `$` stands before it.
        let last = text.len() - usize::from(text.ends_with(b"\n"));
        let body = &text[..last];
        let table = &self.table[..];
        let symbols = self.alphabet.of_bytes();
        let (mut row, mut at) = (journey.row, journey.at);
        loop {
            let mut symbol;
            let entry = loop {
                symbol = match body.get(at) {
                    Some(&byte) => usize::from(symbols[usize::from(byte)]),
                    None if at < text.len() => self.alphabet.last_newline(),
                    None => self.alphabet.end(),
                };
                let entry = table[row + symbol];
                if entry >= SKIP {
                    break entry;
                }
                row = entry as usize;
                at += 1;
            };
            if entry < ACTION {
                row = (entry & !SKIP) as usize;
                at += 1 + self.skipped(row, body.get(at + 1..).unwrap_or_default());
                continue;
            }
            (journey.row, journey.at) = (row, at);
            match entry {
                DEAD => return Halt::Answer(journey.matched),
                ASK => return Halt::Answer(Answer::Unknown),
                UNKNOWN => return Halt::Unknown(symbol),
                _ => {}
            }
            let index = entry & !ACTION;
            let action = &self.actions[index as usize];
            if action.ops.0 < action.ops.1 {
                journey.trail.push((index, at as u32));
            }
            if let Some(pattern) = action.matched {
                journey.matched = Answer::Match(usize::from(pattern));
            }
            if action.next == DEAD {
                return Halt::Answer(journey.matched);
            }
            at += 1;
            row = action.next as usize;
            if let Some(literal) = self.literal(action) {
                if !begins(&text[at..], literal) {
                    return Halt::Answer(journey.matched);
                }
                at += literal.len();
            }
        }
    }

    /// The literal the text must go on with.
    pub(super) fn literal(&self, action: &Action) -> Option<&[u8]> {
        let (start, end) = action.chain;
        (start < end).then(|| &self.literals[start as usize..end as usize])
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

/// Whether a text begins with a literal; most literals are a few bytes, where a call costs more.
fn begins(text: &[u8], literal: &[u8]) -> bool {
    let Some(text) = text.get(..literal.len()) else {
        return false;
    };
    let (texts, text) = text.as_chunks::<8>();
    let (literals, literal) = literal.as_chunks::<8>();
    let same = |(a, b): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*a) == u64::from_ne_bytes(*b);
    texts.iter().zip(literals).all(same) && text.iter().zip(literal).all(|(a, b)| a == b)
}
