//! Moments and lengths of time, in microseconds; fail2ban keeps both as Python floats of seconds.

use std::fmt;
use std::ops::{Add, Sub};

/// A moment: microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Seconds since the epoch with a fraction, rounded to the microsecond.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * 1e6).round() as i64)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// A length of time in microseconds; may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Span {
    pub const ZERO: Self = Self(0);

    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * 1e6).round() as i64)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The whole seconds as fail2ban words them in its log: `1h 30m`.
    pub fn words(self) -> String {
        words(self.secs())
    }
}

impl Add<Span> for Time {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Sub for Time {
    type Output = Span;
    fn sub(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// How long a ban lasts. fail2ban writes a permanent one as `-1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BanTime {
    /// Whole seconds, not negative.
    Secs(i64),
    Permanent,
}

impl BanTime {
    /// fail2ban's number: seconds, anything below zero is permanent.
    pub const fn from_number(secs: i64) -> Self {
        if secs < 0 {
            Self::Permanent
        } else {
            Self::Secs(secs)
        }
    }

    /// fail2ban's number: seconds, or `-1`.
    pub const fn number(self) -> i64 {
        match self {
            Self::Secs(secs) => secs,
            Self::Permanent => -1,
        }
    }

    /// The end of a ban that began at `start`; `None` for a permanent one.
    pub fn end(self, start: Time) -> Option<Time> {
        match self {
            Self::Secs(secs) => Some(start + Span::from_secs(secs)),
            Self::Permanent => None,
        }
    }
}

impl fmt::Display for BanTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// `1h 30m`: at most three units, rounded more the longer it is.
fn words(secs: i64) -> String {
    const YEAR: i64 = 31_536_000;
    const WEEK: i64 = 604_800;
    const DAY: i64 = 86_400;
    /// Just short of an hour counts as one.
    const HOUR: i64 = 3_595;
    match secs {
        YEAR.. => units(rounded(secs, 86_400), &[(365, "y"), (7, "w"), (1, "d")]),
        WEEK.. => units(rounded(secs, 3_600), &[(168, "w"), (24, "d"), (1, "h")]),
        DAY.. => units(rounded(secs, 60), &[(1440, "d"), (60, "h"), (1, "m")]),
        HOUR.. => units(rounded(secs, 10), &[(360, "h"), (6, "m")]),
        0 => "0".to_owned(),
        _ => units(secs, &[(60, "m"), (1, "s")]),
    }
}

/// To the nearest multiple, halves to even as Python rounds.
fn rounded(secs: i64, unit: i64) -> i64 {
    (secs as f64 / unit as f64).round_ties_even() as i64
}

fn units(mut rest: i64, names: &[(i64, &str)]) -> String {
    let mut words: Vec<String> = Vec::with_capacity(names.len());
    for (size, name) in names {
        if rest >= *size {
            words.push(format!("{}{name}", rest / size));
            rest %= size;
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_worded_as_fail2ban_words_them() {
        for (secs, words) in [
            (86_400 * 390, "1y 3w 4d"),
            (86_400 * 368, "1y 3d"),
            (86_400 * 365 + 43_200, "1y 1d"),
            (86_400 * 2 + 3_600 * 7 + 60 * 15, "2d 7h 15m"),
            (86_400 * 2 + 3_599, "2d 1h"),
            (3_600 - 5, "1h"),
            (3_600 - 10, "59m 50s"),
            (59, "59s"),
            (0, "0"),
            (600, "10m"),
            (8, "8s"),
            (604_800, "1w"),
        ] {
            assert_eq!(Span::from_secs(secs).words(), words);
        }
    }
}
