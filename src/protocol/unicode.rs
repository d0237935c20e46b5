//! Which characters Python's `repr` shows as they are.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// What Unicode calls other (controls, formats, surrogates, private, unassigned) or a separator.
const HIDDEN: &str = r"[\p{C}\p{Z}]";

/// First and last character of each range of [`HIDDEN`], in order.
static RANGES: LazyLock<Vec<(char, char)>> = LazyLock::new(|| {
    let parsed = regex_syntax::parse(HIDDEN);
    match parsed.as_ref().map(regex_syntax::hir::Hir::kind) {
        Ok(HirKind::Class(Class::Unicode(class))) => class
            .ranges()
            .iter()
            .map(|range| (range.start(), range.end()))
            .collect(),
        // The pattern is a constant; a test holds that it is a class.
        _ => Vec::new(),
    }
});

/// Python's `str.isprintable` for one character; the space is the only separator that is.
pub(super) fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let behind = RANGES.partition_point(|(_, last)| *last < c);
    RANGES.get(behind).is_none_or(|(first, _)| c < *first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_printable_and_invisible_characters_are_not() {
        assert!(
            " aé\u{3b1}\u{4e2d}\u{1f600}\u{301}"
                .chars()
                .all(is_printable)
        );
        assert!(
            !"\n\u{7f}\u{85}\u{a0}\u{ad}\u{200b}\u{2028}\u{e000}\u{378}\u{10ffff}"
                .chars()
                .any(is_printable)
        );
    }
}
