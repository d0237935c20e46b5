//! What is asked of the journal's watcher, and what it tells.

use std::path::Path;
use std::sync::Arc;

use super::super::{Audience, Subscriber};
use super::cursor::Cursor;
use super::error::JournalError;
use super::matches::JournalMatch;
use super::place::JournalPlace;
use crate::model::Time;

/// A jail's wish to read a journal.
#[derive(Debug)]
pub struct JournalSubscription {
    pub subscriber: Subscriber,
    pub place: JournalPlace,
    pub expression: JournalMatch,
    pub start: Start,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    /// Older entries are not wanted: `now − findtime`.
    pub not_before: Time,
    /// Behind this entry, as an earlier process left it.
    pub cursor: Option<Cursor>,
    /// Behind this moment, where only that is known (fail2ban's database).
    pub after: Option<Time>,
}

/// An entry that somebody wants.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As fail2ban would write it, without a date.
    pub line: String,
    pub time: Time,
    /// Where to go on behind it.
    pub cursor: Cursor,
    pub to: Audience,
}

/// What happens to journals.
#[derive(Clone, Debug)]
pub enum JournalEvent {
    /// The journal is read now, from so many files; none: there is none yet.
    Opened {
        name: Arc<str>,
        files: usize,
        to: Audience,
    },
    /// In the order they were written.
    Entries(Vec<Entry>),
    /// What comes now is new ("in operation").
    CaughtUp { to: Audience },
    /// A file cannot be read, or not all of it; said once.
    Failed {
        path: Arc<Path>,
        error: JournalError,
        to: Audience,
    },
    /// What `Failed` said of a file is over, or the file is gone.
    Recovered { path: Arc<Path>, to: Audience },
    /// The kernel does not tell of changes: they are looked for, and why.
    Polling { reason: String, to: Audience },
}
