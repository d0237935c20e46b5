//! What a line must hold for a default format to be worth searching for.
//!
//! Most formats end in a time of day, `21:59:59`, and are told apart by what stands before it. One
//! look at the line finds all times and long numbers; the regular expressions of formats that
//! cannot match are left alone. Lines without a date would be the dearest of all otherwise.

use memchr::memchr_iter;

/// A set of things seen in a line, or asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs(u8);

/// A time of day behind a digit and one or two spaces.
pub(super) const AFTER_SPACE: Needs = Needs(1);
/// … behind a digit and `T`.
pub(super) const AFTER_T: Needs = Needs(2);
/// … behind a digit and a colon.
pub(super) const AFTER_COLON: Needs = Needs(4);
/// … right behind a digit.
pub(super) const DIRECT: Needs = Needs(8);
/// So many digits in a row.
pub(super) const EIGHT_DIGITS: Needs = Needs(16);
pub(super) const TEN_DIGITS: Needs = Needs(32);

const EVERYTHING: Needs = Needs(0xff);

impl Needs {
    /// Asks for nothing.
    pub(super) const NOTHING: Self = Self(0);

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What the line holds. Characters beyond ASCII may be digits: where one stands in the way,
    /// everything is thought possible.
    pub(super) fn seen_in(line: &str) -> Self {
        let text = line.as_bytes();
        let mut seen = long_numbers(text);
        for colon in memchr_iter(b':', text) {
            if is_minute_colon(text, colon) {
                seen = seen.or(before_hour(text, colon));
            }
            if seen == EVERYTHING {
                break;
            }
        }
        seen
    }

    /// Whether a line that holds `seen` may match.
    pub(super) const fn met_by(self, seen: Self) -> bool {
        self.0 == 0 || self.0 & seen.0 != 0
    }
}

/// A year and an hour, or an hour, two spaces, and a digit: so much before a colon tells all.
const NEAR: usize = 6;

/// A digit, or what may be one.
fn is_digit(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_digit() || *byte >= 0x80)
}

/// Whether the colon stands between an hour and a minute that has a second.
fn is_minute_colon(text: &[u8], colon: usize) -> bool {
    let at = |place: usize| text.get(colon + place);
    let beyond_ascii = |place: usize| at(place).is_some_and(|byte| *byte >= 0x80);
    let minute =
        is_digit(at(1)) && (at(2) == Some(&b':') || is_digit(at(2)) && at(3) == Some(&b':'));
    colon > 0 && is_digit(text.get(colon - 1)) && (minute || beyond_ascii(1) || beyond_ascii(2))
}

/// What stands before the hour that ends at `colon`.
fn before_hour(text: &[u8], colon: usize) -> Needs {
    let near = &text[colon.saturating_sub(NEAR)..colon];
    if !near.is_ascii() {
        return EVERYTHING;
    }
    let digits = near.iter().rev().take_while(|byte| byte.is_ascii_digit());
    let digits = digits.count();
    match digits {
        1 | 2 => match &near[..near.len() - digits] {
            [.., b'0'..=b'9', b' ', b' '] | [.., b'0'..=b'9', b' '] => AFTER_SPACE,
            [.., b'0'..=b'9', b'T'] => AFTER_T,
            [.., b'0'..=b'9', b':'] => AFTER_COLON,
            _ => Needs::NOTHING,
        },
        // A year, and an hour of one digit at least.
        5.. => DIRECT,
        _ => Needs::NOTHING,
    }
}

/// Whether there are eight or ten digits in a row.
fn long_numbers(text: &[u8]) -> Needs {
    let mut seen = Needs::NOTHING;
    let mut at = 7;
    // Eight in a row cover one place in eight.
    while let Some(byte) = text.get(at) {
        if !is_digit(Some(byte)) {
            at += 8;
            continue;
        }
        let back = text[..at]
            .iter()
            .rev()
            .take_while(|byte| is_digit(Some(byte)));
        let on = text[at..].iter().take_while(|byte| is_digit(Some(byte)));
        let (back, on) = (back.count(), on.count());
        match back + on {
            0..8 => {}
            8..10 => seen = seen.or(EIGHT_DIGITS),
            _ => return EIGHT_DIGITS.or(TEN_DIGITS),
        }
        at += on + 8;
    }
    seen
}

#[cfg(test)]
mod tests;
