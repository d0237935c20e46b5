//! Which template fits a line, and in which order they are tried: fail2ban's search.
//!
//! The template that fitted last is tried first, where its date stood. If that leads to doubt,
//! all are tried in order; one that fits moves up when it fitted often, near the line's begin,
//! and the ones above it have not been needed for a while. So a log with one format meets one
//! template, and dates inside messages do not win over the log's own.
//!
//! Positions are counted in characters, as fail2ban does: they are compared between lines.

use std::ops::Range;
use std::sync::Arc;

use super::needs::Needs;
use super::scan::Scan;
use super::template::Template;
use crate::model::{Span, Time};
use crate::pattern::{Quick, Slots};

/// A template not used for so long may be overtaken by any other.
const UNUSED: Span = Span::from_secs(300);

/// A template's date one character from the line's begin is not yet doubted.
const NEAR_BEGIN: usize = 1;

const NEVER: usize = usize::MAX;

/// A template in a detector, with what is known about its use there.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) template: Arc<Template>,
    /// Its place when the detector was made.
    pub(super) index: usize,
    /// Lines it won.
    pub(super) hits: u64,
    last_used: Option<Time>,
    /// Where the date last stood.
    distance: usize,
    /// For whole lines.
    quick: Quick,
}

impl Entry {
    pub(super) fn weight(&self) -> f64 {
        self.hits as f64 * self.template.weight / self.distance.max(1) as f64
    }
}

/// Where a template fits a line.
#[derive(Debug)]
pub(super) struct Match {
    /// All of it, in bytes.
    start: usize,
    end: usize,
    /// Group 1; empty at the match's end if it took no part.
    pub(super) cut: Range<usize>,
    /// Read by hand; the groups are in the slots otherwise.
    pub(super) scan: Option<Scan>,
    /// Bytes that were looked at, if a line that begins with the same ones has the same date.
    pub(super) seen: Option<usize>,
}

/// A border of the last date: where, and the characters on both sides of it.
#[derive(Clone, Copy, Debug)]
struct Border {
    at: usize,
    before: Option<char>,
    after: Option<char>,
}

/// Working memory: the groups of the match that won, and of one held back.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) current: Slots,
    reserve: Slots,
    /// Searches that gave up.
    pub(super) exhausted: u64,
}

#[cfg(test)]
impl Groups {
    pub(super) fn steps(&self) -> u64 {
        self.current.steps() + self.reserve.steps()
    }
}

#[derive(Debug)]
pub(super) struct Order {
    entries: Vec<Entry>,
    last: Option<usize>,
    first_unused: usize,
    start: Border,
    end: Border,
}

impl Order {
    pub(super) fn new(templates: Vec<Arc<Template>>) -> Self {
        let entry = |(index, template)| Entry {
            template,
            index,
            hits: 0,
            last_used: None,
            distance: NEVER,
            quick: Quick::default(),
        };
        let unknown = |at| Border {
            at,
            before: None,
            after: None,
        };
        Self {
            entries: templates.into_iter().enumerate().map(entry).collect(),
            last: None,
            first_unused: 0,
            start: unknown(NEAR_BEGIN),
            end: unknown(NEVER),
        }
    }

    /// In the order they are tried now.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The template that fitted last.
    pub(super) fn last(&self) -> Option<&Entry> {
        self.entries.get(self.last?)
    }

    /// The last template, bound to the line's begin, fits again: nothing changes but its count.
    pub(super) fn again(&mut self, now: Time) {
        if let Some(entry) = self.last.and_then(|last| self.entries.get_mut(last)) {
            entry.hits += 1;
            entry.last_used = Some(now);
        }
    }

    /// Finds the line's date; the winner is [`Self::last`] afterwards.
    pub(super) fn find(&mut self, line: &str, now: Time, groups: &mut Groups) -> Option<Match> {
        let mut reserve = None;
        let mut tried = None;
        if let Some(last) = self.last {
            let anchored = self.entries[last].template.anchored;
            let whole = anchored || !self.borders_agree(line);
            let found = if whole {
                tried = Some(last);
                self.try_line(last, line, groups)
            } else {
                self.try_between_borders(last, line, groups)
            };
            if let Some(found) = found {
                let distance = characters(line, found.start);
                let same_place =
                    || distance == self.start.at && characters(line, found.end) == self.end.at;
                if self.entries.len() == 1 || anchored || same_place() {
                    return Some(self.won(last, found, line, now));
                }
                std::mem::swap(&mut groups.current, &mut groups.reserve);
                reserve = Some((distance, last, found));
            }
        }
        let (at, found) = self.try_all(line, tried, reserve, groups)?;
        Some(self.won(at, found, line, now))
    }

    /// Tries the templates in order, but for `tried`. One that fits further inside than is known
    /// of it is held back: the date may be a message's.
    fn try_all(
        &mut self,
        line: &str,
        tried: Option<usize>,
        mut reserve: Option<(usize, usize, Match)>,
        groups: &mut Groups,
    ) -> Option<(usize, Match)> {
        let mut seen = None;
        for at in 0..self.entries.len() {
            let needs = self.entries[at].template.needs;
            let possible = needs == Needs::NOTHING
                || needs.met_by(*seen.get_or_insert_with(|| Needs::seen_in(line)));
            if tried == Some(at) || !possible {
                continue;
            }
            let Some(found) = self.try_line(at, line, groups) else {
                continue;
            };
            let entry = &self.entries[at];
            let distance = characters(line, found.start);
            let is_last = at + 1 == self.entries.len();
            let further = distance > entry.distance || distance > self.start.at;
            if is_last || entry.template.anchored || !further {
                return Some((at, found));
            }
            if reserve
                .as_ref()
                .is_none_or(|(nearest, _, _)| distance < *nearest)
            {
                std::mem::swap(&mut groups.current, &mut groups.reserve);
                reserve = Some((distance, at, found));
            }
        }
        let (_, at, found) = reserve?;
        std::mem::swap(&mut groups.current, &mut groups.reserve);
        Some((at, found))
    }

    fn try_line(&mut self, at: usize, line: &str, groups: &mut Groups) -> Option<Match> {
        let scanner = self.entries[at].template.scanner;
        if let Some(scan) = scanner.and_then(|scanner| scanner.scan(line)) {
            return Some(Match {
                start: 0,
                end: scan.end,
                cut: scan.start..scan.end,
                scan: Some(scan),
                seen: scan.seen,
            });
        }
        self.try_part(at, line, 0, groups)
    }

    /// Tries the template where the last date stood. The line's end counts as the border's.
    fn try_between_borders(&mut self, at: usize, line: &str, groups: &mut Groups) -> Option<Match> {
        let (start, end) = (byte_at(line, self.start.at), byte_at(line, self.end.at));
        self.try_part(at, &line[..end], start, groups)
    }

    fn try_part(
        &mut self,
        at: usize,
        text: &str,
        from: usize,
        groups: &mut Groups,
    ) -> Option<Match> {
        let Entry {
            template, quick, ..
        } = &mut self.entries[at];
        let regex = template.compiled()?;
        let slots = &mut groups.current;
        let fits = match from {
            0 => quick.search(regex, text, slots),
            _ => regex.search_at(text, from, slots),
        };
        if !fits {
            groups.exhausted += u64::from(slots.exhausted());
            return None;
        }
        let whole = slots.span();
        let seen = match from {
            0 if template.anchored => quick.seen(),
            _ => None,
        };
        Some(Match {
            start: whole.start,
            end: whole.end,
            cut: slots.get(1).unwrap_or(whole.end..whole.end),
            scan: None,
            seen,
        })
    }

    /// Whether the line looks the same as the last one around its date: the same characters
    /// outside, or the same that are no letters or digits inside.
    fn borders_agree(&self, line: &str) -> bool {
        let same_sign = |inside: Option<char>, known: Option<char>| {
            inside == known && !known.is_some_and(char::is_alphanumeric)
        };
        let (before, after) = around(line, self.start.at);
        if before != self.start.before && !same_sign(after, self.start.after) {
            return false;
        }
        let (before, after) = around(line, self.end.at);
        after == self.end.after || same_sign(before, self.end.before)
    }

    fn won(&mut self, at: usize, found: Match, line: &str, now: Time) -> Match {
        self.note_borders(at, &found, line);
        let entry = &mut self.entries[at];
        entry.hits += 1;
        entry.last_used = Some(now);
        entry.distance = self.start.at;
        if self.first_unused == at {
            self.first_unused += 1;
        }
        self.last = Some(if at > 0 && self.last != Some(at) {
            self.moved_up(at)
        } else {
            at
        });
        found
    }

    fn note_borders(&mut self, at: usize, found: &Match, line: &str) {
        if self.entries[at].template.anchored {
            // Nobody asks for its borders: it is always tried on the whole line.
            self.start.at = characters(line, found.start);
            return;
        }
        let border = |byte: usize| Border {
            at: characters(line, byte),
            before: line[..byte].chars().next_back(),
            after: line[byte..].chars().next(),
        };
        self.start = border(found.start);
        self.end = border(found.end);
    }

    /// Moves a template up if its use earns it; returns where it is then.
    fn moved_up(&mut self, from: usize) -> usize {
        let far = if self.first_unused < from {
            self.first_unused
        } else {
            from / 2
        };
        let to = if self.may_replace(from, far) {
            far
        } else if far + 1 != from && self.may_replace(from, from - 1) {
            from - 1
        } else {
            return from;
        };
        self.entries[to..=from].rotate_right(1);
        while self
            .entries
            .get(self.first_unused)
            .is_some_and(|entry| entry.hits > 0)
        {
            self.first_unused += 1;
        }
        to
    }

    fn may_replace(&self, from: usize, to: usize) -> bool {
        let (lower, upper) = (&self.entries[from], &self.entries[to]);
        let long_ago = lower.last_used.map(|used| used - UNUSED);
        lower.weight() > upper.weight() || long_ago > upper.last_used
    }
}

/// How many characters stand before a byte.
fn characters(line: &str, byte: usize) -> usize {
    let before = &line[..byte];
    if before.is_ascii() {
        byte
    } else {
        before.chars().count()
    }
}

/// The byte of a character, or the line's end.
fn byte_at(line: &str, character: usize) -> usize {
    line.char_indices()
        .nth(character)
        .map_or(line.len(), |(byte, _)| byte)
}

/// The characters on both sides of a place; `None` where the line does not reach.
fn around(line: &str, at: usize) -> (Option<char>, Option<char>) {
    let Some(before) = at.checked_sub(1) else {
        return (None, line.chars().next());
    };
    let mut from_before = line.chars().skip(before);
    (from_before.next(), from_before.next())
}
