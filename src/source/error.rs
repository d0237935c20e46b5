//! Why a log cannot be read, in words an operator can act on.

use std::fmt;
use std::io;

use nix::errno::Errno;

/// What stands between us and a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// A directory, a named pipe, a device: with what it is.
    NotAFile(&'static str),
    /// The kernel's number for it.
    System(i32),
}

impl From<&io::Error> for SourceError {
    fn from(error: &io::Error) -> Self {
        Self::System(error.raw_os_error().unwrap_or(Errno::EIO as i32))
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAFile(kind) => write!(f, "it is {kind}, not a log file"),
            Self::System(number) => f.write_str(Errno::from_raw(*number).desc()),
        }
    }
}

impl std::error::Error for SourceError {}
