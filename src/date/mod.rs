//! Log dates: where the date of a line stands, and which moment it means.
//!
//! [`formats`] is the table of formats known without being told, [`tokens`] what `%d` and its like
//! match. A [`template`] is one pattern as a regular expression; the [`detector`] asks templates in
//! fail2ban's order; [`fields`] makes a moment of what was matched, in a [`zone`].

mod detector;
mod fields;
mod formats;
mod template;
mod tokens;
mod zone;

use std::fmt;
use std::ops::Range;

pub use detector::Detector;
pub use formats::{DEFAULTS, Format};
pub use zone::Zone;

use crate::model::Time;
use crate::pattern::PatternError;

/// A line's date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The bytes of the line that are the date; they are cut out before a filter sees it.
    pub cut: Range<usize>,
    /// `None`: there is no such moment, or the log is said to have no dates.
    pub time: Option<Time>,
    /// Number of the template that found it, in the order of making.
    pub template: usize,
}

/// What is wrong with a datepattern or zone.
#[derive(Clone, Debug)]
pub enum DateError {
    /// The pattern, and why it is no regular expression.
    Pattern(String, Box<PatternError>),
    /// The pattern, and the `%` in it that begins no token.
    Token(String, String),
    /// The pattern stands there twice.
    Twice(String),
    Zone(String),
}

impl fmt::Display for DateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(pattern, error) => write!(f, "datepattern '{pattern}': {error}"),
            Self::Token(pattern, token) => write!(
                f,
                "datepattern '{pattern}': {token} is no date token; write %% for a percent sign \
                 (%%%% in a configuration file)"
            ),
            Self::Twice(name) => write!(f, "datepattern '{name}' stands there twice"),
            Self::Zone(zone) => write!(
                f,
                "logtimezone '{zone}': expected an abbreviation such as CET, an offset such as \
                 +0100, or both"
            ),
        }
    }
}

impl std::error::Error for DateError {}
