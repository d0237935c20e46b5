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
