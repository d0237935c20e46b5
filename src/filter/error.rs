//! What is wrong with a filter: which of its parts, where it stands, and why.

use std::fmt;

use crate::date::DateError;
use crate::model::Origin;
use crate::pattern::PatternError;

/// A filter that cannot be used.
#[derive(Clone, Debug)]
pub struct FilterError {
    pub part: Part,
    /// Where the part stands; `None` where that is not known.
    pub origin: Option<Origin>,
    pub reason: Reason,
}

/// A part of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Prefregex,
    /// By its place in the list.
    Failregex(usize),
    Ignoreregex(usize),
    Datepattern,
    Logtimezone,
}

/// Why.
#[derive(Clone, Debug)]
pub enum Reason {
    Pattern(PatternError),
    Date(DateError),
    /// It captures nobody: nothing there says whom to ban.
    NoFailureId(String),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefregex => f.write_str("prefregex"),
            Self::Failregex(index) => write!(f, "failregex {}", index + 1),
            Self::Ignoreregex(index) => write!(f, "ignoreregex {}", index + 1),
            Self::Datepattern => f.write_str("datepattern"),
            Self::Logtimezone => f.write_str("logtimezone"),
        }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        write!(f, "{}: {}", self.part, self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(error) => error.fmt(f),
            Self::Date(error) => error.fmt(f),
            Self::NoFailureId(regex) => write!(
                f,
                "No failure-id group in '{regex}'; add <HOST>, <ADDR>, <F-ID> or <F-MLFID>"
            ),
        }
    }
}

impl std::error::Error for FilterError {}
