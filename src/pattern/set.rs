//! The regular expressions of a filter: the first in the list that matches a line wins.
//!
//! The automaton answers for nearly all lines. Where it does not, most patterns still cannot match,
//! and that is seen at once: a pattern that starts with `^` and a text by the line's first eight
//! bytes, any other by a text that must occur in it, looked for with all the others in one pass.
//! Only what is left is tried, in order.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::automaton::{Answer, Automaton};
use super::literal::Lead;
use super::regex::Regex;
use super::slots::Slots;

/// Most instructions of all patterns together with which an automaton is made: those of filters of
/// thousands of patterns would take it too long to learn.
const MOST_CODE: usize = 16_384;

/// Bytes the automaton of all patterns may take; that of the stock sshd filter has about 150 KiB
/// after a day.
const MOST_BYTES: usize = 1 << 20;
/// The same for those of the patterns behind one that matched: only who tries filters asks for them.
const MOST_LATER_BYTES: usize = 1 << 17;

/// An ordered list of patterns that are tried on each line.
#[derive(Debug, Default)]
pub struct RegexSet {
    patterns: Vec<Regex>,
    /// For each first byte of a line, a range of `leads`.
    by_first: Vec<(u32, u32)>,
    /// The leads for each first byte, in order of their patterns.
    leads: Vec<(Lead, u32)>,
    /// The patterns without leads, in order.
    others: Vec<u32>,
    texts: Option<Texts>,
    texts_in_any_case: Option<Texts>,
    /// For the patterns from each place in the list on that an automaton can run; made when they
    /// are first asked for.
    automata: Vec<Option<Box<Automaton>>>,
    /// The others; not known before the first line.
    hard: Option<Vec<u32>>,
}

/// An automaton over required texts.
#[derive(Debug)]
struct Texts {
    automaton: AhoCorasick,
    /// The pattern each text belongs to.
    patterns: Vec<u32>,
}

impl RegexSet {
    pub fn new(patterns: Vec<Regex>) -> Self {
        let mut set = Self {
            patterns,
            ..Self::default()
        };
        let mut leading = Vec::new();
        let mut texts = (Vec::new(), Vec::new());
        for (index, pattern) in (0..).zip(&set.patterns) {
            if !pattern.leads().is_empty() {
                leading.extend(pattern.leads().iter().map(|&lead| (lead, index)));
                continue;
            }
            set.others.push(index);
            let required = pattern.required();
            let list = match required.any_case {
                true => &mut texts.1,
                false => &mut texts.0,
            };
            list.extend(required.texts.iter().map(|text| (text.clone(), index)));
        }
        if !leading.is_empty() {
            for byte in 0..=u8::MAX {
                let start = set.leads.len() as u32;
                let fits = |lead: &Lead| {
                    let first = Lead {
                        mask: lead.mask & 0xff,
                        value: lead.value & 0xff,
                    };
                    first.fits(u64::from(byte))
                };
                set.leads
                    .extend(leading.iter().filter(|(lead, _)| fits(lead)));
                set.by_first.push((start, set.leads.len() as u32));
            }
        }
        set.texts = Texts::new(&texts.0, false);
        set.texts_in_any_case = Texts::new(&texts.1, true);
        set
    }

    /// The first pattern of the list that matches, its groups in `slots`.
    pub fn first(&mut self, text: &str, slots: &mut Slots) -> Option<usize> {
        self.matches_from(text, 0, slots)
    }

    /// The first pattern from index `from` on that matches.
    pub fn matches_from(&mut self, text: &str, from: usize, slots: &mut Slots) -> Option<usize> {
        slots.given_up.clear();
        let patterns = &self.patterns;
        if from >= patterns.len() {
            slots.unset(0);
            return None;
        }
        let hard = self.hard.get_or_insert_with(|| hard(patterns));
        let hard = &hard[hard.partition_point(|&index| (index as usize) < from)..];
        if from + hard.len() >= patterns.len() {
            return self.search_from(text, from, slots);
        }
        if self.automata.is_empty() {
            self.automata.resize_with(patterns.len(), || None);
        }
        let automaton = self.automata[from].get_or_insert_with(|| automaton(patterns, from, hard));
        let program = |index: u32| patterns[index as usize].program();
        match automaton.search(text, slots, program) {
            Answer::Unknown => self.search_from(text, from, slots),
            Answer::Nothing => {
                slots.unset(0);
                hard_before(patterns, hard, patterns.len(), text, slots)
            }
            Answer::Match(index) => {
                let index = automaton.patterns()[index] as usize;
                if !hard.is_empty()
                    && let Some(earlier) = hard_before(patterns, hard, index, text, slots)
                {
                    return Some(earlier);
                }
                automaton.leave(slots, patterns[index].program());
                Some(index)
            }
        }
    }

    /// Tries one pattern after the other.
    fn search_from(&self, text: &str, from: usize, slots: &mut Slots) -> Option<usize> {
        let word = Lead::word(text.as_bytes());
        let mut leading = self
            .leads_of(word)
            .iter()
            .filter(|(lead, _)| lead.fits(word))
            .map(|&(_, index)| index as usize)
            .skip_while(|&index| index < from)
            .peekable();
        if !self.others.is_empty() {
            self.mark(text, slots);
        }
        let mut others = self
            .others
            .iter()
            .map(|&index| index as usize)
            .skip_while(|&index| index < from)
            .peekable();
        let mut last = None;
        loop {
            let index = match (leading.peek(), others.peek()) {
                (None, None) => return None,
                (Some(&a), Some(&b)) if b < a => others.next(),
                (Some(_), _) => leading.next(),
                (None, Some(_)) => others.next(),
            }?;
            // A pattern may start in several ways that fit.
            if last == Some(index) {
                continue;
            }
            last = Some(index);
            let pattern = &self.patterns[index];
            if pattern.leads().is_empty() && !self.may_match(index, slots) {
                continue;
            }
            if try_one(pattern, index, text, slots) {
                return Some(index);
            }
        }
    }

    fn leads_of(&self, word: u64) -> &[(Lead, u32)] {
        match self.by_first.get((word & 0xff) as usize) {
            Some(&(start, end)) => &self.leads[start as usize..end as usize],
            None => &[],
        }
    }

    /// Notes which patterns have one of their required texts in the line.
    fn mark(&self, text: &str, slots: &mut Slots) {
        slots.marked.clear();
        slots.marked.resize(self.patterns.len().div_ceil(64), 0);
        for texts in [&self.texts, &self.texts_in_any_case].into_iter().flatten() {
            slots.steps += text.len() as u64;
            for found in texts.automaton.find_overlapping_iter(text) {
                let index = texts.patterns[found.pattern().as_usize()] as usize;
                slots.steps += 1;
                slots.marked[index / 64] |= 1 << (index % 64);
            }
        }
    }

    /// Whether a pattern without leads is worth a try.
    fn may_match(&self, index: usize, slots: &Slots) -> bool {
        let required = self.patterns[index].required();
        let automaton = match required.any_case {
            true => &self.texts_in_any_case,
            false => &self.texts,
        };
        required.texts.is_empty()
            || automaton.is_none()
            || slots.marked[index / 64] >> (index % 64) & 1 == 1
    }

    pub fn get(&self, index: usize) -> &Regex {
        &self.patterns[index]
    }

    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Regex> {
        self.patterns.iter()
    }
}

/// The patterns no automaton can run; all of them if they are too much for one.
fn hard(patterns: &[Regex]) -> Vec<u32> {
    let is_soft = |pattern: &Regex| Automaton::can_run(pattern.program());
    let soft = patterns.iter().filter(|pattern| is_soft(pattern));
    let too_much = soft
        .map(|pattern| pattern.program().code.len())
        .sum::<usize>()
        > MOST_CODE;
    let numbered = (0..).zip(patterns);
    let hard = numbered.filter(|(_, pattern)| too_much || !is_soft(pattern));
    hard.map(|(index, _)| index).collect()
}

/// The automaton for the patterns from one place in the list on, but for these.
fn automaton(patterns: &[Regex], from: usize, hard: &[u32]) -> Box<Automaton> {
    let soft = (from as u32..patterns.len() as u32).filter(|index| !hard.contains(index));
    let soft: Vec<u32> = soft.collect();
    let program = |&index: &u32| patterns[index as usize].program();
    let programs: Vec<_> = soft.iter().map(program).collect();
    let most = match from {
        0 => MOST_BYTES,
        _ => MOST_LATER_BYTES,
    };
    Box::new(Automaton::new(soft, &programs, most))
}

/// The first pattern before index `end` that the automaton cannot run and that matches.
fn hard_before(
    patterns: &[Regex],
    hard: &[u32],
    end: usize,
    text: &str,
    slots: &mut Slots,
) -> Option<usize> {
    let word = Lead::word(text.as_bytes());
    let hard = hard.iter().map(|&index| index as usize);
    hard.take_while(|&index| index < end).find(|&index| {
        let pattern = &patterns[index];
        let leads = pattern.leads();
        (leads.is_empty() || leads.iter().any(|lead| lead.fits(word)))
            && try_one(pattern, index, text, slots)
    })
}

/// Searches one pattern of a set, and notes if it gave up.
fn try_one(pattern: &Regex, index: usize, text: &str, slots: &mut Slots) -> bool {
    let found = pattern.search(text, slots);
    if slots.exhausted() {
        slots.given_up.push(index as u32);
    }
    found
}

impl Texts {
    fn new(texts: &[(String, u32)], any_case: bool) -> Option<Self> {
        if texts.is_empty() {
            return None;
        }
        // The smallest kind: it is there for every filter, and fast enough to skip lines.
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(any_case)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(texts.iter().map(|(text, _)| text));
        Some(Self {
            automaton: automaton.ok()?,
            patterns: texts.iter().map(|&(_, index)| index).collect(),
        })
    }
}
