//! What survives a restart: bans, who was banned before, log positions, which jails are on.
//!
//! The file is fail2ban's own (schema version 4), so that either program goes on where the other
//! stopped. Whatever is wrong with it is a typed error, and no good data is ever overwritten:
//! enforcement never depends on this module.

mod data;
mod error;
mod open;
mod read;
mod schema;
mod write;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::model::Record;

pub use error::{Problem, StoreError};
pub use read::{LogPlace, Merged, PastBan, Piece, Position, Wanted};
pub use write::Write;

/// `dbfile`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    File(PathBuf),
    /// `:memory:`
    Memory,
    /// `None`: nothing is kept.
    Off,
}

impl Place {
    /// What `dbfile` says; no path turns the database off.
    pub fn new(dbfile: Option<&Path>) -> Self {
        match dbfile {
            None => Self::Off,
            Some(path) if path == Path::new(":memory:") => Self::Memory,
            Some(path) => Self::File(path.to_owned()),
        }
    }
}

/// An open database, or none.
#[derive(Debug)]
pub struct Store {
    place: Place,
    /// `None` when the database is off.
    connection: Option<Connection>,
    /// The file's device and inode, to notice when it is deleted or replaced.
    identity: Option<(u64, u64)>,
    maxmatches: usize,
}

/// A store just opened, and what there is to log about it.
#[derive(Debug)]
pub struct Opened {
    pub store: Store,
    pub records: Vec<Record>,
}

/// `dbmaxmatches` where nothing says otherwise.
const MAXMATCHES: usize = 10;

impl Store {
    /// A store that keeps nothing.
    pub const fn off() -> Self {
        Self {
            place: Place::Off,
            connection: None,
            identity: None,
            maxmatches: MAXMATCHES,
        }
    }

    /// A store whose file could not be opened yet: reading and writing fail.
    pub const fn closed(place: Place) -> Self {
        Self {
            place,
            connection: None,
            identity: None,
            maxmatches: MAXMATCHES,
        }
    }

    /// Whether there is a file to be opened still.
    pub const fn is_closed(&self) -> bool {
        matches!(self.place, Place::File(_)) && self.connection.is_none()
    }

    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// `dbmaxmatches`: lines kept per ban, the last ones; 0 keeps none.
    pub const fn set_maxmatches(&mut self, maxmatches: usize) {
        self.maxmatches = maxmatches;
    }

    pub const fn maxmatches(&self) -> usize {
        self.maxmatches
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.is_closed() {
            return Err(StoreError::of(self.path(), Problem::Closed));
        }
        Ok(())
    }

    fn fail(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::new(self.path(), error)
    }

    fn path(&self) -> &Path {
        match &self.place {
            Place::File(path) => path,
            Place::Memory => Path::new(":memory:"),
            Place::Off => Path::new("none"),
        }
    }
}

#[cfg(test)]
mod tests;
