//! What a jail wants done, and what it is told about the world while it decides.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::history::History;
use crate::model::{Ban, FailId, Level, Logger, Network, Record, Time};

/// One thing for the daemon to do for a jail.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Carry out the actions' ban (`Ban::restored` says whether `norestored` applies).
    Enforce(Arc<Ban>),
    /// Undo it.
    Release(Arc<Ban>),
    /// The end of a ban in force has moved: tell the actions and whatever counts down by itself.
    Prolong(Arc<Ban>),
    /// A banned ID still fails, well after its ban: see whether the actions are intact, and repeat
    /// the ban where they were not.
    Verify(Arc<Ban>),
    /// All bans end: actions that can flush do. A `Release` for every ban follows, for the others.
    Flush,
    /// Write a line to the log.
    Log(Record),
    /// Note the ban in the database.
    Persist(Arc<Ban>),
    /// Strike an ID out of the database.
    Forget(FailId),
    /// Strike all of this jail's bans out of the database.
    ForgetAll,
    /// Look a name up and answer with `Jail::resolved`; one of `ignoreip` before those of log lines.
    Resolve { name: Arc<str>, ours: bool },
    /// Read a file of `ignoreip` and answer with `Jail::ignore_file`.
    ReadIgnoreFile(PathBuf),
    /// Run `ignorecommand` for this ticket and answer with `Jail::ignore_answer`.
    RunIgnoreCommand {
        token: u64,
        /// With its tags, which `action` fills in from the ticket.
        command: Arc<str>,
        ticket: Arc<Ban>,
    },
}

/// One or more events at one moment: what the jail may know, and what it wants done.
///
/// The firewall comes first: `effects` gives every `Enforce`, `Release` and `Prolong` of the turn
/// before the first log line or database write.
pub struct Turn<'a> {
    pub now: Time,
    /// For dates in log lines.
    pub zone: &'a TimeZone,
    pub history: &'a mut History,
    /// This machine's own addresses, for `ignoreself`.
    pub own: &'a [Network],
    /// At least 0, below 1.
    pub random: &'a mut dyn FnMut() -> f64,
    first: Vec<Effect>,
    then: Vec<Effect>,
}

impl std::fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn")
            .field("now", &self.now)
            .field("first", &self.first)
            .field("then", &self.then)
            .finish_non_exhaustive()
    }
}

impl<'a> Turn<'a> {
    pub fn new(
        now: Time,
        zone: &'a TimeZone,
        history: &'a mut History,
        own: &'a [Network],
        random: &'a mut dyn FnMut() -> f64,
    ) -> Self {
        Self {
            now,
            zone,
            history,
            own,
            random,
            first: Vec::new(),
            then: Vec::new(),
        }
    }

    /// What changes the firewall, and what is to be done after that.
    pub fn into_parts(self) -> (Vec<Effect>, Vec<Effect>) {
        (self.first, self.then)
    }

    /// Has a line logged.
    pub fn record(&mut self, record: Record) {
        self.push(Effect::Log(record));
    }

    /// What is to be done, in order.
    pub fn effects(self) -> impl Iterator<Item = Effect> {
        self.first.into_iter().chain(self.then)
    }

    pub(super) fn log(&mut self, level: Level, logger: Logger, message: String) {
        self.push(Effect::Log(Record::new(level, logger, message)));
    }

    pub(super) fn push(&mut self, effect: Effect) {
        match effect {
            Effect::Enforce(_)
            | Effect::Release(_)
            | Effect::Prolong(_)
            | Effect::Verify(_)
            | Effect::Flush => self.first.push(effect),
            Effect::Log(_)
            | Effect::Persist(_)
            | Effect::Forget(_)
            | Effect::ForgetAll
            | Effect::Resolve { .. }
            | Effect::ReadIgnoreFile(_)
            | Effect::RunIgnoreCommand { .. } => self.then.push(effect),
        }
    }
}
