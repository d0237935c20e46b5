//! Python's pickle, the part that is plain data. Nothing is ever constructed but a [`Value`]:
//! a class is taken only where it stands for data (`str`, `set`, …) or is an exception's name.

mod decode;
mod encode;

use std::fmt;

pub use decode::{decode, decode_at_most};
pub use encode::encode;

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PickleError {
    /// They end too early.
    Truncated,
    /// A list in a list in a list …
    TooDeep,
    /// More values than anyone has use for.
    TooMany,
    /// An operation that makes more than data, or none at all.
    Opcode(u8),
    /// A class that is not data.
    Class(String),
    /// An operation on the wrong kind of value, or on none.
    Malformed,
}

impl fmt::Display for PickleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("pickle data was truncated"),
            Self::TooDeep => f.write_str("pickle data is nested too deep"),
            Self::TooMany => f.write_str("pickle data holds too many values"),
            Self::Opcode(code) => write!(f, "pickle operation {code:#04x} is not plain data"),
            Self::Class(name) => write!(f, "pickle names {name}, which is not plain data"),
            Self::Malformed => f.write_str("pickle data is malformed"),
        }
    }
}

impl std::error::Error for PickleError {}

#[cfg(test)]
mod tests;
