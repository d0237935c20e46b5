//! What can be wrong with a database, told apart by what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the database could not be opened, read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    pub path: PathBuf,
    pub problem: Problem,
}

/// The kinds of trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Another program holds it locked: try again later.
    Busy,
    /// No space left: try again later.
    Full,
    /// It can be read but not written.
    ReadOnly,
    /// The file is gone, or another stands in its place: open it again and write everything anew.
    Vanished,
    /// Not a database, or a damaged one: opening it again sets it aside and saves what it can.
    Corrupt,
    /// Made by a newer fail2ban; left as it is.
    Newer(i64),
    /// Its file could not be opened yet.
    Closed,
    /// It cannot be opened, read or written, for the reason given.
    Unusable(String),
}

impl StoreError {
    pub(super) fn new(path: &Path, error: &rusqlite::Error) -> Self {
        let problem = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Problem::Busy,
            Some(ErrorCode::DiskFull) => Problem::Full,
            Some(ErrorCode::ReadOnly) => Problem::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Problem::Corrupt,
            _ => Problem::Unusable(error.to_string()),
        };
        Self::of(path, problem)
    }

    pub(super) fn of(path: &Path, problem: Problem) -> Self {
        Self {
            path: path.to_owned(),
            problem,
        }
    }

    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        let problem = match error.kind() {
            io::ErrorKind::StorageFull => Problem::Full,
            io::ErrorKind::ReadOnlyFilesystem => Problem::ReadOnly,
            _ => Problem::Unusable(error.to_string()),
        };
        Self::of(path, problem)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database {}: ", self.path.display())?;
        match &self.problem {
            Problem::Busy => f.write_str("locked by another program; will be tried again"),
            Problem::Full => f.write_str("no space left on its disk; will be tried again"),
            Problem::ReadOnly => f.write_str("cannot be written; will be tried again"),
            Problem::Vanished => f.write_str("deleted or replaced while in use"),
            Problem::Closed => f.write_str("not open yet"),
            Problem::Corrupt => f.write_str("damaged, or not a database"),
            Problem::Newer(version) => write!(
                f,
                "has version {version}, made by a newer fail2ban than this knows (version {}); \
                 left untouched: set dbfile to another file, or None",
                super::schema::VERSION
            ),
            Problem::Unusable(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for StoreError {}
