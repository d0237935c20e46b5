//! The usual dates at a line's begin, read by hand: many times quicker than any regular
//! expression.
//!
//! A scanner knows only the plain forms of its template. It says what the template's regular
//! expression would find, or nothing at all, which means: ask the regular expression. Whatever is
//! odd (one digit where two are usual, a letter right behind, a character beyond ASCII nearby) is
//! nothing. The tests hold the two against each other on lines of all kinds.

use super::fields::Fields;
use super::formats::FORMATS;
use super::template::LINE_BEGIN;
use super::tokens;
use crate::model::Time;

/// Which form to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanner {
    /// `2005-01-23T21:59:59.981746+01:00`, with `%ExY` up to this decade.
    Iso { last_decade: i16 },
    /// `Jan 23 21:59:59`, perhaps with weekday, fraction and year.
    Syslog { last_decade: i16 },
    /// `1106517599.123`.
    Epoch,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Bytes of the date: group 1 of the template.
    pub(super) start: usize,
    pub(super) end: usize,
    /// No byte from here on was looked at: a line that is the same up to here has the same date.
    /// `None` if the line's end was in sight.
    pub(super) seen: Option<usize>,
    pub(super) reading: Reading,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Fields(Fields),
    Moment(Time),
}

/// How far ahead of what it takes a scanner looks.
const LOOK_AHEAD: usize = 8;

/// Spaces before a zone that are still usual.
const MOST_SPACES: usize = 3;

const MONTHS: [u32; 12] = [
    name(*b"jan"),
    name(*b"feb"),
    name(*b"mar"),
    name(*b"apr"),
    name(*b"may"),
    name(*b"jun"),
    name(*b"jul"),
    name(*b"aug"),
    name(*b"sep"),
    name(*b"oct"),
    name(*b"nov"),
    name(*b"dec"),
];
const WEEKDAYS: [u32; 7] = [
    name(*b"mon"),
    name(*b"tue"),
    name(*b"wed"),
    name(*b"thu"),
    name(*b"fri"),
    name(*b"sat"),
    name(*b"sun"),
];

/// Three letters as one number, small ones: setting the bit 0x20 makes letters small, and makes
/// nothing else a letter.
const fn name([a, b, c]: [u8; 3]) -> u32 {
    u32::from_le_bytes([a | 0x20, b | 0x20, c | 0x20, 0])
}

impl Scanner {
    /// The scanner for a pattern, if there is one: the first two default formats, bound to the
    /// line's begin.
    pub(super) fn of(pattern: &str, year: i16) -> Option<Self> {
        let format = pattern.strip_prefix(LINE_BEGIN)?;
        let last_decade = *tokens::decades(year).end();
        match FORMATS.iter().position(|known| known.pattern == format)? {
            0 => Some(Self::Iso { last_decade }),
            1 => Some(Self::Syslog { last_decade }),
            _ => None,
        }
    }

    /// What the template would find in the line, if it is plain to see.
    pub(super) fn scan(self, line: &str) -> Option<Scan> {
        let text = line.as_bytes();
        let start = (0..=2).find(|&at| text.get(at).is_some_and(|&byte| is_word(byte)))?;
        if !text[..start].is_ascii() {
            return None;
        }
        match self {
            Self::Iso { last_decade } => iso(text, start, last_decade),
            Self::Syslog { last_decade } => syslog(text, start, last_decade),
            Self::Epoch => epoch(line, start),
        }
    }
}

fn syslog(text: &[u8], start: usize, last_decade: i16) -> Option<Scan> {
    let mut at = start;
    let mut head: &[u8; 15] = text.get(at..)?.first_chunk()?;
    let mut word = name([head[0], head[1], head[2]]);
    if WEEKDAYS.contains(&word) && head[3] == b' ' {
        at += 4;
        head = text.get(at..)?.first_chunk()?;
        word = name([head[0], head[1], head[2]]);
    }
    let month = 1 + MONTHS.iter().position(|month| *month == word)?;
    let gaps = head[3] == b' ' && head[6] == b' ' && head[9] == b':' && head[12] == b':';
    if !gaps {
        return None;
    }
    let hour = match head[7] {
        b' ' => digit(head[8])?,
        b'0'..=b'2' => pair(head, 7)?,
        _ => return None,
    };
    let mut fields = Fields {
        month: Some(month as i32),
        day: Some(day(head, 4)?),
        hour,
        minute: sixty(head, 10)?,
        second: sixty(head, 13)?,
        ..Fields::default()
    };
    at += 15;
    let mut end = after_fraction(text, at, b".")?;
    let looked_at = end;
    if text.get(end) == Some(&b' ')
        && let Some(year) = expected_year(text, end + 1, last_decade)?
    {
        fields.year = Some(year);
        end += 5;
    }
    ends(text, end).then(|| Scan {
        start,
        end,
        seen: seen(text, looked_at),
        reading: Reading::Fields(fields),
    })
}

fn iso(text: &[u8], start: usize, last_decade: i16) -> Option<Scan> {
    let head: &[u8; 19] = text.get(start..)?.first_chunk()?;
    let year = expected_year(head, 0, last_decade)??;
    let separator = head[4];
    let month = pair(head, 5)?;
    let gaps = matches!(separator, b'-' | b'/' | b'.')
        && head[7] == separator
        && matches!(head[10], b'T' | b' ')
        && head[13] == b':'
        && head[16] == b':';
    let hour = pair(head, 11)?;
    if !gaps || !(1..=12).contains(&month) || hour > 23 || head[8] == b' ' {
        return None;
    }
    let mut fields = Fields {
        year: Some(year),
        month: Some(month),
        day: Some(day(head, 8)?),
        hour,
        minute: sixty(head, 14)?,
        second: sixty(head, 17)?,
        ..Fields::default()
    };
    let mut end = after_fraction(text, start + 19, b".,")?;
    let spaces = text[end..]
        .iter()
        .take(MOST_SPACES + 1)
        .take_while(|&&byte| byte == b' ')
        .count();
    let zone_at = end + spaces;
    if let Some((offset, length)) = zone(text, zone_at, spaces > 0)? {
        fields.offset = Some(offset);
        end = zone_at + length;
    }
    ends(text, end).then(|| Scan {
        start,
        end,
        seen: seen(text, zone_at),
        reading: Reading::Fields(fields),
    })
}

/// `Some(None)`: surely no zone here. `None`: not plain. Else seconds east of UTC, and bytes.
fn zone(text: &[u8], at: usize, spaced: bool) -> Option<Option<(i32, usize)>> {
    let rest = text.get(at..)?;
    let named = |name: &[u8]| match rest.get(name.len()) {
        _ if !rest.starts_with(name) => spaced.then_some(None),
        Some(&next) if is_word(next) => (next < 0x80 && spaced).then_some(None),
        _ => Some(Some((0, name.len()))),
    };
    match rest.first() {
        None => Some(None),
        Some(b'Z') => named(b"Z"),
        Some(b'U') => named(b"UTC"),
        Some(b'G') => named(b"GMT"),
        Some(b'+' | b'-') => offset(rest),
        Some(&byte) => {
            let space = matches!(byte, b'\t'..=b'\r' | b' ' | 0x1c..=0x1f);
            (byte < 0x80 && !space).then_some(None)
        }
    }
}

/// `+01`, `+0100`, `+01:00`.
fn offset(text: &[u8]) -> Option<Option<(i32, usize)>> {
    match text.get(1) {
        Some(b'0' | b'1') => {}
        Some(0x80..) => return None,
        _ => return Some(None),
    }
    let hours = pair(text, 1)?;
    let (minutes, length) = match text.get(3) {
        Some(b':') => match (text.get(4), text.get(5)) {
            (Some(b'0'..=b'9'), Some(b'0'..=b'9')) => (pair(text, 4)?, 6),
            _ => return None,
        },
        Some(b'0'..=b'9') => (pair(text, 3)?, 5),
        _ => (0, 3),
    };
    let east = hours * 3600 + minutes * 60;
    Some(Some((if text[0] == b'-' { -east } else { east }, length)))
}

fn epoch(line: &str, start: usize) -> Option<Scan> {
    let text = line.as_bytes();
    let digits = count_digits(text, start, 12);
    if !(10..=11).contains(&digits) {
        return None;
    }
    let mut end = start + digits;
    if text.get(end) == Some(&b'.') {
        let fraction = count_digits(text, end + 1, 7);
        let behind = text.get(end + 1 + fraction);
        end = match fraction {
            0..=2 if behind.is_none_or(u8::is_ascii) => end,
            3..=6 => end + 1 + fraction,
            _ => return None,
        };
    }
    let secs: i64 = line.get(start..start + digits)?.parse().ok()?;
    let fraction = text[start + digits..end].iter().skip(1);
    let micros = fraction
        .zip([100_000, 10_000, 1000, 100, 10, 1])
        .map(|(digit, worth)| i64::from(digit - b'0') * worth)
        .sum::<i64>();
    ends(text, end).then(|| Scan {
        start,
        end,
        seen: seen(text, start + digits),
        reading: Reading::Moment(Time::from_micros(secs * 1_000_000 + micros)),
    })
}

/// Where a date that may be followed by a fraction ends; `None` if what follows is not plain.
fn after_fraction(text: &[u8], at: usize, points: &[u8]) -> Option<usize> {
    if !text.get(at).is_some_and(|byte| points.contains(byte)) {
        return Some(at);
    }
    match count_digits(text, at + 1, 7) {
        0 => Some(at),
        digits @ 1..=6 => Some(at + 1 + digits),
        _ => None,
    }
}

/// `Some(None)`: surely no year here. `None`: not plain.
fn expected_year(text: &[u8], at: usize, last_decade: i16) -> Option<Option<i32>> {
    let Some(&[thousands, hundreds, tens, ones]) = text.get(at..at + 4) else {
        // Too short for a year, unless some of it counts as digits in another script.
        return text.get(at..)?.is_ascii().then_some(None);
    };
    let number = |digits: &[u8]| -> Option<i32> {
        digits
            .iter()
            .try_fold(0, |sum, &byte| Some(sum * 10 + digit(byte)?))
    };
    let known = number(&[thousands, hundreds, tens])
        .is_some_and(|decade| decade >= 200 && decade <= i32::from(last_decade));
    match digit(ones) {
        _ if !known => Some(None),
        // What follows a year has to be no part of a word; what then is right, is not plain.
        Some(_) if !ends(text, at + 4) => None,
        Some(_) => Some(number(&[thousands, hundreds, tens, ones])),
        None => (ones < 0x80).then_some(None),
    }
}

/// Whether a date that ends in a digit or a letter is over here.
fn ends(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|&byte| !is_word(byte))
}

/// All bytes beyond ASCII count: they may be part of a letter.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn seen(text: &[u8], at: usize) -> Option<usize> {
    let end = at + LOOK_AHEAD;
    (end <= text.len()).then_some(end)
}

fn count_digits(text: &[u8], at: usize, most: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter()
        .take(most)
        .take_while(|byte| byte.is_ascii_digit())
        .count()
}

fn digit(byte: u8) -> Option<i32> {
    byte.is_ascii_digit().then(|| i32::from(byte - b'0'))
}

fn pair(text: &[u8], at: usize) -> Option<i32> {
    Some(digit(*text.get(at)?)? * 10 + digit(*text.get(at + 1)?)?)
}

/// Minutes or seconds.
fn sixty(text: &[u8], at: usize) -> Option<i32> {
    pair(text, at).filter(|&number| number < 60)
}

/// The day of a month, in two places, perhaps with a space first.
fn day(text: &[u8], at: usize) -> Option<i32> {
    let number = match text[at] {
        b' ' => digit(text[at + 1])?,
        _ => pair(text, at)?,
    };
    (1..=31).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests;
