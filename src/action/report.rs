//! What a worker tells the daemon.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::options::Command;
use crate::model::{FailId, Level, Logger, Record};

/// Something an action did or said.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub jail: Arc<str>,
    pub action: Arc<str>,
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A line for our log, in fail2ban's words.
    Log(Record),
    /// A command failed for good; its log lines went before. `id` where it was about one ban.
    Failed {
        command: Command,
        id: Option<FailId>,
        reason: String,
    },
    /// The firewall was found without our rules; they are back, and so many bans with them.
    Repaired(usize),
    /// The last job is done and the thread ends.
    Stopped,
}

/// Where reports go. Called on the action's thread, or by whoever sends it a job; it must not call
/// the worker back.
pub type Sink = Arc<dyn Fn(Report) + Send + Sync>;

/// A worker's voice, and what it remembers of its own failures.
#[derive(Clone)]
pub(super) struct Voice {
    jail: Arc<str>,
    action: Arc<str>,
    sink: Sink,
    last_error: Arc<Mutex<Option<String>>>,
    failures: Arc<AtomicU64>,
}

impl fmt::Debug for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Voice([{}] {})", self.jail, self.action)
    }
}

impl Voice {
    pub(super) fn new(jail: Arc<str>, action: Arc<str>, sink: Sink) -> Self {
        Self {
            jail,
            action,
            sink,
            last_error: Arc::default(),
            failures: Arc::default(),
        }
    }

    pub(super) fn say(&self, event: Event) {
        (self.sink)(Report {
            jail: Arc::clone(&self.jail),
            action: Arc::clone(&self.action),
            event,
        });
    }

    pub(super) fn log(&self, level: Level, logger: Logger, message: impl Into<String>) {
        self.say(Event::Log(Record::new(level, logger, message)));
    }

    /// Reports a failure; `message` is its line in the log.
    pub(super) fn failed(&self, failure: Failure, message: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(failure.reason.clone());
        self.log(Level::Error, Logger::Actions, message);
        self.say(Event::Failed {
            command: failure.command,
            id: failure.id,
            reason: failure.reason,
        });
    }

    /// Something goes wrong that may yet come right.
    pub(super) fn ails(&self, reason: String) {
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// How many commands failed for good.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// What failed last is right again.
    pub(super) fn well(&self) {
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn last_error(&self) -> Option<String> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A command that failed for good, and why.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) command: Command,
    pub(super) id: Option<FailId>,
    pub(super) reason: String,
}
