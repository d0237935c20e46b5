//! How far a regular expression that does not match comes: the longest beginning of it that does.
//!
//! A beginning ends behind a whole element; groups that are open there are closed. What stands in a
//! look-around or a conditional means nothing by halves, so no beginning ends inside of one.

use std::ops::Range;

use crate::pattern::{Flags, Regex, Slots};

/// Beginnings tried at most; a longer expression is tried at fewer places.
const TRIES: usize = 400;

/// How far it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Furthest {
    /// The bytes of the expression that match.
    pub(super) regex: usize,
    /// What they match.
    pub(super) text: Range<usize>,
    /// Plain letters and digits among them: what makes a match telling.
    pub(super) weight: usize,
}

/// The longest beginning of `regex`, with tags expanded, that matches in `text`.
pub(super) fn furthest(regex: &str, multi_line: bool, text: &str) -> Option<Furthest> {
    let ends = ends(regex);
    let step = ends.len().div_ceil(TRIES).max(1);
    let flags = Flags {
        multi_line,
        ..Flags::default()
    };
    let mut slots = Slots::new();
    ends.iter().rev().step_by(step).find_map(|end| {
        let begin = format!("{}{}", &regex[..end.at], ")".repeat(end.open));
        let compiled = Regex::python(&begin, flags).ok()?;
        compiled.search(text, &mut slots).then(|| Furthest {
            regex: end.at,
            text: slots.span(),
            weight: end.weight,
        })
    })
}

/// A place where a beginning may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    at: usize,
    /// Groups open there.
    open: usize,
    weight: usize,
}

/// All places where a beginning may end, the shortest first.
fn ends(regex: &str) -> Vec<End> {
    let bytes = regex.as_bytes();
    let mut ends = Vec::new();
    let (mut at, mut open, mut weight) = (0, 0_usize, 0);
    while at < bytes.len() {
        let element = match bytes[at] {
            b'\\' => at + 1 + regex[at + 1..].chars().next().map_or(0, char::len_utf8),
            b'[' => class_end(bytes, at),
            b'(' => match group(bytes, at) {
                Group::Open(inside) => {
                    open += 1;
                    at = inside;
                    continue;
                }
                Group::Whole(end) => end,
            },
            b')' => {
                open = open.saturating_sub(1);
                at + 1
            }
            b'|' => {
                at += 1;
                continue;
            }
            other => {
                weight += usize::from(other.is_ascii_alphanumeric());
                at + regex[at..].chars().next().map_or(1, char::len_utf8)
            }
        };
        at = quantified(bytes, element.min(bytes.len()));
        ends.push(End { at, open, weight });
    }
    ends
}

enum Group {
    /// Its inside begins here.
    Open(usize),
    /// It is one element up to here.
    Whole(usize),
}

fn group(bytes: &[u8], at: usize) -> Group {
    let rest = &bytes[at + 1..];
    if rest.first() != Some(&b'?') {
        return Group::Open(at + 1);
    }
    if rest.starts_with(b"?P<") {
        let close = rest.iter().position(|byte| *byte == b'>');
        return Group::Open(at + 1 + close.map_or(rest.len(), |close| close + 1));
    }
    let flags = rest[1..].iter();
    let flags = flags.take_while(|b| b.is_ascii_alphabetic() || **b == b'-');
    let colon = 1 + flags.count();
    if rest.get(colon) == Some(&b':') {
        return Group::Open(at + 1 + colon + 1);
    }
    Group::Whole(whole(bytes, at))
}

/// Behind the bracket that closes the one at `at`.
fn whole(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' => at = class_end(bytes, at) - 1,
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// Behind the class that begins at `at`.
fn class_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    if bytes.get(end) == Some(&b'^') {
        end += 1;
    }
    // A bracket that comes first is a character.
    let first = end;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'\\' => end += 1,
            b']' if end > first => return end + 1,
            _ => {}
        }
        end += 1;
    }
    bytes.len()
}

/// Behind the quantifier at `at`, if there is one.
fn quantified(bytes: &[u8], at: usize) -> usize {
    let end = match bytes.get(at) {
        Some(b'*' | b'+' | b'?') => at + 1,
        Some(b'{') => {
            let close = bytes[at..].iter().position(|byte| *byte == b'}');
            match close {
                Some(close) => at + close + 1,
                None => return at,
            }
        }
        _ => return at,
    };
    match bytes.get(end) {
        Some(b'?' | b'+') => end + 1,
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(regex: &str, text: &str) -> (String, String) {
        let found = furthest(regex, false, text).unwrap();
        (regex[..found.regex].to_owned(), text[found.text].to_owned())
    }

    fn expect(regex: &str, text: &str, matched: (&str, &str)) {
        let (ours, taken) = came(regex, text);
        assert_eq!((&*ours, &*taken), matched, "{regex}");
    }

    #[test]
    fn the_longest_beginning_that_matches_is_found() {
        expect("^ab+c[x\\]y]d", "abbcz", ("^ab+c", "abbc"));
        expect("^ab+c[x\\]y]d", "ab]", ("^ab+", "ab"));
        expect("^a(?:b|cd)e", "acf", ("^a(?:b|c", "ac"));
        expect(r"^a(?! from )b\.c$", "ab.x", (r"^a(?! from )b\.", "ab."));
        expect("^(?P<x>a)(?(x)b|c)d", "abe", ("^(?P<x>a)(?(x)b|c)", "ab"));
        expect("^x{1,3}y", "xxz", ("^x{1,3}", "xx"));
        expect("^ä[^ö]ü", "äa", ("^ä[^ö]", "äa"));
    }

    #[test]
    fn telling_beginnings_weigh_more() {
        let far = furthest("^Failed password for", false, "Failed password of").unwrap();
        let near = furthest("^.*Accepted", false, "Failed password of").unwrap();
        assert!(far.weight > near.weight);
        assert_eq!(far.weight, "Failedpasswordf".len() - 1);
    }

    #[test]
    fn nothing_in_an_expression_is_too_strange() {
        for regex in [
            "(", "[", "a{", "(?P<", "\\", "(?:(?:", "[^]", "(?#x", "", "|",
        ] {
            let _ = furthest(regex, false, "text");
        }
    }
}
