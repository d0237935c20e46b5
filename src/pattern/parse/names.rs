//! `\\N{NAME}`: characters by their Unicode names, spelled as Python's `unicodedata.lookup` has it.
//!
//! The tables are the crate's, part of the program file: they take memory only once a name is asked.

/// The prefixes of computed names, which Python knows in capitals only.
const COMPUTED: [&str; 2] = ["HANGUL SYLLABLE ", "CJK UNIFIED IDEOGRAPH-"];

/// The character of a name or alias, in any case; `None` for no name, and for names written more
/// loosely (`latin_small_letter_a`), which the tables know and Python does not.
pub(super) fn character(name: &str) -> Option<char> {
    // None begins otherwise; the crate counts below zero at a hyphen there.
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let found = unicode_names2::character(name)?;
    let upper = name.to_ascii_uppercase();
    if COMPUTED.iter().any(|prefix| upper.starts_with(prefix)) {
        return (upper == name).then_some(found);
    }
    let own = unicode_names2::name(found).map(|own| own.to_string());
    let is_own = own.as_ref().is_some_and(|own| *own == upper);
    // What is no other spelling of the character's name is an alias of it.
    let loosely = own.is_some_and(|own| squeezed(&own) == squeezed(&upper));
    let words_apart = !upper.contains('_') && upper.split(' ').all(|word| !word.is_empty());
    (is_own || !loosely && words_apart).then_some(found)
}

/// A name without what a loose comparison leaves out.
fn squeezed(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, ' ' | '_' | '-'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::character;

    #[test]
    fn names_and_aliases_in_any_case_are_known() {
        for (name, expected) in [
            ("LATIN SMALL LETTER A", Some('a')),
            ("latin small letter a", Some('a')),
            ("No-Break Space", Some('\u{a0}')),
            ("LF", Some('\n')),
            ("BOM", Some('\u{feff}')),
            ("HANGUL SYLLABLE GA", Some('가')),
            ("hangul syllable ga", None),
            ("CJK UNIFIED IDEOGRAPH-4E00", Some('一')),
            ("HANGUL JUNGSEONG O-E", Some('\u{1180}')),
            ("TIBETAN LETTER -A", Some('\u{f60}')),
            ("LATIN_SMALL_LETTER_A", None),
            ("LATIN SMALL LETTER  A", None),
            (" LATIN SMALL LETTER A", None),
            ("LATINSMALLLETTERA", None),
            ("KEYCAP DIGIT ONE", None),
            ("NOPE", None),
            ("-", None),
            ("-A", None),
            ("", None),
        ] {
            assert_eq!(character(name), expected, "{name}");
        }
    }
}
