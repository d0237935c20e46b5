//! What can be wrong with a `datepattern` or a `logtimezone`, said in fail2ban's words.

use std::fmt;

use crate::pattern::PatternError;

/// Why a `datepattern` or a `logtimezone` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DateError {
    /// A percent sign that starts no token.
    Percent { pattern: Box<str>, token: Box<str> },
    /// Two lines of a `datepattern` mean the same template.
    Twice { name: Box<str> },
    /// The regular expression a `datepattern` became is wrong.
    Regex { name: Box<str>, cause: PatternError },
    /// Not an abbreviation fail2ban knows, an offset, or one after the other.
    Zone { zone: Box<str> },
}

impl fmt::Display for DateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent { pattern, token } => write!(
                f,
                "Failed to set datepattern '{pattern}' (may be an invalid format or unescaped \
                 percent char): no token \"%{token}\", a literal percent sign is written %%"
            ),
            Self::Twice { name } => write!(f, "There is already a template with name {name}"),
            Self::Regex { name, cause } => {
                write!(
                    f,
                    "the date pattern {name:?} is no regular expression: {cause}"
                )
            }
            Self::Zone { zone } => write!(
                f,
                "Unknown or unsupported time zone: '{zone}'; use an abbreviation such as CET, an \
                 offset such as +0100, or both"
            ),
        }
    }
}

impl std::error::Error for DateError {}
