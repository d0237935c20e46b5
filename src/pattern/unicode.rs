//! Characters as Python's `re` sees them: `\w`, `\d`, `\s` and case folding of text patterns.
//!
//! Letters and numbers come from the tables of `regex-syntax`, built when the first character
//! beyond ASCII is judged. Case follows CPython: the first character of the full mapping, plus
//! the few lower-case letters that share an upper-case one.

use std::sync::LazyLock;

/// Ranges of code points, sorted and apart.
struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    fn of(class: &str) -> Self {
        let mut ranges = Vec::new();
        if let Ok(hir) = regex_syntax::parse(class)
            && let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) =
                hir.kind()
        {
            ranges.extend(
                class
                    .ranges()
                    .iter()
                    .map(|range| (u32::from(range.start()), u32::from(range.end()))),
            );
        }
        Self(ranges)
    }

    fn contains(&self, c: char) -> bool {
        let c = u32::from(c);
        let after = self.0.partition_point(|&(start, _)| start <= c);
        after > 0 && c <= self.0[after - 1].1
    }
}

/// `str.isalnum()` or `_`: letters and whatever has a numeric value, but no combining marks.
pub(super) fn is_word(c: char) -> bool {
    static WORD: LazyLock<Ranges> = LazyLock::new(|| Ranges::of(r"[\p{L}\p{N}_]"));
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    WORD.contains(c)
}

/// `str.isdecimal()`.
pub(super) fn is_digit(c: char) -> bool {
    static DIGIT: LazyLock<Ranges> = LazyLock::new(|| Ranges::of(r"\p{Nd}"));
    if c.is_ascii() {
        return c.is_ascii_digit();
    }
    DIGIT.contains(c)
}

/// `str.isspace()`, which counts the four information separators.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, '\x1c'..='\x1f') || c.is_whitespace()
}

/// ASCII's idea of white space in Python's `re`, under the flag `a`.
pub(super) fn is_ascii_space(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ')
}

pub(super) fn lower(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    c.to_lowercase().next().unwrap_or(c)
}

/// Whether ignoring case makes any difference to this character.
pub(super) fn is_cased(c: char) -> bool {
    lower(c) != c || c.to_uppercase().next().unwrap_or(c) != c
}

/// Lower-case letters that share an upper-case letter match each other under IGNORECASE.
const SAME_UPPER: &[&[char]] = &[
    &['i', '\u{131}'],
    &['s', '\u{17f}'],
    &['\u{b5}', '\u{3bc}'],
    &['\u{345}', '\u{3b9}', '\u{1fbe}'],
    &['\u{390}', '\u{1fd3}'],
    &['\u{3b0}', '\u{1fe3}'],
    &['\u{3b2}', '\u{3d0}'],
    &['\u{3b5}', '\u{3f5}'],
    &['\u{3b8}', '\u{3d1}'],
    &['\u{3ba}', '\u{3f0}'],
    &['\u{3c0}', '\u{3d6}'],
    &['\u{3c1}', '\u{3f1}'],
    &['\u{3c2}', '\u{3c3}'],
    &['\u{3c6}', '\u{3d5}'],
    &['\u{432}', '\u{1c80}'],
    &['\u{434}', '\u{1c81}'],
    &['\u{43e}', '\u{1c82}'],
    &['\u{441}', '\u{1c83}'],
    &['\u{442}', '\u{1c84}', '\u{1c85}'],
    &['\u{44a}', '\u{1c86}'],
    &['\u{463}', '\u{1c87}'],
    &['\u{1c88}', '\u{a64b}'],
    &['\u{1e61}', '\u{1e9b}'],
    &['\u{fb05}', '\u{fb06}'],
];

/// The other lower-case letters that `c`, a lower-case letter, matches when case is ignored.
pub(super) fn same_upper(c: char) -> impl Iterator<Item = char> {
    SAME_UPPER
        .iter()
        .filter(move |group| group.contains(&c))
        .flat_map(|group| group.iter().copied())
        .filter(move |&other| other != c)
}
