//! Lines as they are searched (without their date) and as they are reported (with it), and the
//! buffer of the last `maxlines` lines.

use std::sync::Arc;

use crate::model::MatchedLine;

/// A line split at its date: fail2ban's `(before, date, after)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tuple<'a> {
    pub(super) before: &'a str,
    pub(super) date: &'a str,
    pub(super) after: &'a str,
}

impl<'a> Tuple<'a> {
    pub(super) fn cut(line: &'a str, date: &std::ops::Range<usize>) -> Self {
        Self {
            before: &line[..date.start],
            date: &line[date.clone()],
            after: &line[date.end..],
        }
    }

    pub(super) fn matched(&self) -> MatchedLine {
        MatchedLine {
            text: [self.before, self.date, self.after].concat().into(),
            date: Some(self.date_place()),
        }
    }

    /// Where the date stands in the whole line.
    pub(super) const fn date_place(&self) -> (u32, u32) {
        let start = self.before.len() as u32;
        (start, start + self.date.len() as u32)
    }

    /// What is searched of it, with a final newline.
    pub(super) fn write(&self, text: &mut String) {
        text.push_str(self.before);
        text.push_str(self.after);
        text.push('\n');
    }
}

/// A line in the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line(MatchedLine);

impl Line {
    pub(super) fn new(tuple: Tuple<'_>) -> Arc<Self> {
        Arc::new(Self(tuple.matched()))
    }

    fn parts(&self) -> (&str, &str) {
        let (start, end) = self.0.date.unwrap_or_default();
        (&self.0.text[..start as usize], &self.0.text[end as usize..])
    }

    fn is(&self, searched: &str) -> bool {
        let (before, after) = self.parts();
        searched.len() == before.len() + after.len()
            && searched.starts_with(before)
            && searched.ends_with(after)
    }

    pub(super) fn matched(&self) -> MatchedLine {
        self.0.clone()
    }
}

/// Writes lines one below the other, as they are searched.
pub(super) fn join(lines: &[Arc<Line>], text: &mut String) {
    text.clear();
    for line in lines {
        let (before, after) = line.parts();
        text.push_str(before);
        text.push_str(after);
        text.push('\n');
    }
    if lines.is_empty() {
        text.push('\n');
    }
}

/// Which lines of the buffer a match covers: they leave it; those skipped by `<SKIPLINES>` stay.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) matched: Vec<Arc<Line>>,
    pub(super) unmatched: Vec<Arc<Line>>,
}

/// Splits the lines by a match at `start..end` of their joined text; `skipped` is what `<SKIPLINES>`
/// took.
pub(super) fn split(
    lines: &[Arc<Line>],
    text: &str,
    span: std::ops::Range<usize>,
    skipped: &str,
) -> Split {
    if lines.len() <= 1 {
        return Split {
            matched: lines.to_vec(),
            unmatched: Vec::new(),
        };
    }
    let bytes = text.as_bytes();
    let newlines = |part: &[u8]| part.iter().filter(|byte| **byte == b'\n').count();
    // The line the match begins in, and the one it ends in; a newline at the very start of the
    // match belongs to the line before.
    let first_end = (span.start + 1).min(bytes.len());
    let from = bytes[..first_end]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |place| place + 1);
    let last = span.end.saturating_sub(1).min(bytes.len());
    let to = bytes[last..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |place| last + place + 1);
    let first = newlines(&bytes[..from]).min(lines.len());
    let last = newlines(&bytes[..to]).clamp(first, lines.len());
    let mut split = Split {
        matched: lines[first..last].to_vec(),
        unmatched: lines[..first].to_vec(),
    };
    let mut at = 0;
    for line in python_lines(skipped) {
        if let Some(offset) = split.matched[at..].iter().position(|known| known.is(line)) {
            let skipped = split.matched.remove(at + offset);
            split.unmatched.push(skipped);
            at += offset;
        }
    }
    split.unmatched.extend_from_slice(&lines[last..]);
    split
}

/// The lines of a text as Python's `splitlines` sees them.
fn python_lines(text: &str) -> impl Iterator<Item = &str> {
    const ENDS: [char; 10] = [
        '\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}',
        '\u{2029}',
    ];
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(ENDS).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = &rest[end..];
        rest = match rest.strip_prefix("\r\n") {
            Some(after) => after,
            None => {
                let mut chars = rest.chars();
                chars.next();
                chars.as_str()
            }
        };
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<Arc<Line>> {
        texts
            .iter()
            .map(|text| {
                let (date, after) = text.split_at(2);
                Line::new(Tuple {
                    before: "",
                    date,
                    after,
                })
            })
            .collect()
    }

    fn texts(lines: &[Arc<Line>]) -> Vec<String> {
        lines
            .iter()
            .map(|line| line.matched().text.to_string())
            .collect()
    }

    #[test]
    fn a_match_takes_its_lines_out_and_leaves_the_skipped() {
        let buffer = lines(&["1 zero", "2 one", "3 skip", "4 two", "5 after"]);
        let mut text = String::new();
        join(&buffer, &mut text);
        assert_eq!(text, "zero\none\nskip\ntwo\nafter\n");
        let split = split(&buffer, &text, 5..17, "skip\n");
        assert_eq!(texts(&split.matched), ["2 one", "4 two"]);
        assert_eq!(texts(&split.unmatched), ["1 zero", "3 skip", "5 after"]);
    }

    #[test]
    fn a_match_that_eats_its_newline_ends_with_its_line() {
        let buffer = lines(&["1 one", "2 two", "3 three"]);
        let text = "one\ntwo\nthree\n";
        assert_eq!(texts(&split(&buffer, text, 4..8, "").matched), ["2 two"]);
        assert_eq!(texts(&split(&buffer, text, 4..7, "").matched), ["2 two"]);
        // From the newline on: the line after it.
        assert_eq!(texts(&split(&buffer, text, 3..7, "").matched), ["2 two"]);
        assert_eq!(texts(&split(&buffer, text, 0..14, "").matched).len(), 3);
    }

    #[test]
    fn lines_end_where_python_ends_them() {
        let split: Vec<&str> = python_lines("a\r\nb\u{2028}\nc\u{85}").collect();
        assert_eq!(split, ["a", "b", "", "c"]);
    }
}
