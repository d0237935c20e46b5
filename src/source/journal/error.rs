//! Why a journal file cannot be read.

use std::fmt;
use std::io;

/// What is wrong with a journal, or with one of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalError {
    /// Not a journal at all, or not yet.
    Foreign,
    /// Written by a systemd with features we do not know: their bits.
    Newer(u32),
    /// It was deleted, so many entries before its end.
    Vacuumed(u64),
    /// What is broken.
    Corrupt(&'static str),
    /// The kernel's reason.
    System(i32),
}

impl JournalError {
    /// Nothing behind this can be found.
    pub(super) const BROKEN_OFF: Self = Self::Corrupt("the array of entries is broken off");
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("it is no journal file"),
            Self::Newer(bits) => write!(
                f,
                "it was written by a newer systemd (incompatible features {bits:#x})"
            ),
            Self::Vacuumed(entries) => {
                write!(
                    f,
                    "it was deleted before {entries} of its entries were read"
                )
            }
            Self::Corrupt(what) => {
                write!(f, "it is damaged: {what} (journalctl --verify tells more)")
            }
            Self::System(code) => io::Error::from_raw_os_error(*code).fmt(f),
        }
    }
}

impl From<&io::Error> for JournalError {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Corrupt("it ends within an object"),
            _ => Self::System(error.raw_os_error().unwrap_or(nix::libc::EIO)),
        }
    }
}
