//! What is asked of the watcher, and what it tells.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Span, Time};

use super::{Chunk, Encoding, Position, Rotation, SourceError};

/// Who reads a log: a jail, by a number its owner chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subscriber(pub u32);

/// One followed path, for as long as the watcher lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub(super) u32);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Tells the time of a line; `None` if it has none.
pub type Date = dyn FnMut(&str) -> Option<Time> + Send;

/// One `logpath` entry of a jail.
pub struct Subscription {
    pub subscriber: Subscriber,
    /// A path, or a pattern as Python's `glob.glob` reads it.
    pub logpath: PathBuf,
    /// Of files there now, only what is written from now on.
    pub tail: bool,
    pub encoding: Encoding,
    /// Look every 0.2 to 2 s instead of being told (`backend = polling`).
    pub polling: bool,
    /// Lines older than this are not wanted when a file is begun.
    pub findtime: Span,
    /// How far files were read by an earlier process.
    pub stored: Vec<(PathBuf, Position)>,
    /// To find where the lines are young enough.
    pub date: Box<Date>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("subscriber", &self.subscriber)
            .field("logpath", &self.logpath)
            .finish_non_exhaustive()
    }
}

/// The subscribers an event is for; shared, cheap to clone.
pub type Audience = Arc<[Subscriber]>;

/// What happens to logs. Of one log, events come in the order of the file.
#[derive(Clone, Debug)]
pub enum SourceEvent {
    /// A file is read from here on.
    Opened {
        log: LogId,
        path: Arc<Path>,
        position: Position,
        to: Audience,
    },
    /// Whole lines.
    Lines {
        log: LogId,
        chunk: Chunk,
        to: Audience,
    },
    /// The end of the file was reached for the first time: what comes now is new ("in operation").
    CaughtUp {
        log: LogId,
        path: Arc<Path>,
        to: Audience,
    },
    /// What comes now is from the beginning of another file, or of the same one rewritten.
    Rotated {
        log: LogId,
        path: Arc<Path>,
        rotation: Rotation,
        to: Audience,
    },
    /// Nothing bears the name; when something does, [`Opened`](Self::Opened),
    /// [`Rotated`](Self::Rotated) or [`Recovered`](Self::Recovered) follows.
    Missing {
        log: LogId,
        path: Arc<Path>,
        to: Audience,
    },
    /// A log cannot be read; said once, and again only when the reason changes.
    Failed {
        log: LogId,
        path: Arc<Path>,
        error: SourceError,
        to: Audience,
    },
    /// What [`Failed`](Self::Failed) or [`Missing`](Self::Missing) said is over.
    Recovered {
        log: LogId,
        path: Arc<Path>,
        to: Audience,
    },
    /// A file that a pattern matched is gone for good, or makes room for another of a pattern that
    /// matches too much.
    Closed {
        log: LogId,
        path: Arc<Path>,
        to: Audience,
    },
    /// A pattern matches nothing (yet).
    Unmatched {
        pattern: PathBuf,
        subscriber: Subscriber,
    },
    /// A pattern matches more than can be open; the ones written last are. Told once.
    Crowded {
        pattern: PathBuf,
        subscriber: Subscriber,
        /// All logs that patterns may add.
        most: usize,
    },
    /// The log's changes are looked for every 0.2 to 2 s, and why.
    Polling {
        log: LogId,
        path: Arc<Path>,
        reason: String,
        to: Audience,
    },
}
