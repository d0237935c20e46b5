//! One action of one jail at work: what it has started and banned.
//!
//! fail2ban's order of things holds: a command that fails is followed by a check, a broken check by
//! a repair (or stop and start), and then the command is tried once more. Ours differs in two: after
//! a repair all bans of the family are back at once instead of at each address's next failure, and
//! what failed natively is tried again by the shell, whose word is final.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::driver::{Bench, Driver, Kind, Operation, Outcome};
use super::families::Families;
use super::info::Info;
use super::options::{self, Command, Options, Scope};
use super::pace::Pace;
use super::process::Abort;
use super::report::{Event, Failure, Voice};
use super::tags;
use super::worker::ActionSpec;
use crate::mail::Tell;
use crate::model::{ActionSettings, Ban, Captured, FailId, Level, Logger, Network};

mod bans;
mod disturbed;
mod inherited;
mod letters;
mod repair;

pub(super) use bans::Step;
use inherited::Inherited;

/// The action and all it remembers.
pub(super) struct Enforcement {
    spec: ActionSpec,
    options: Options,
    voice: Voice,
    tell: Tell,
    abort: Arc<Abort>,
    /// Drivers in use, made when first needed.
    drivers: HashMap<Kind, Box<dyn Driver>>,
    families: Families,
    /// Every ban that is to hold, whether its command worked or not.
    held: HashSet<Held>,
    /// Nothing was banned since the last flush.
    flushed: bool,
    /// What was there before us, and is not yet ours.
    inherited: Inherited,
    pace: Pace,
    /// Families where that has been looked for.
    looked: Vec<Scope>,
}

/// A ban, found by its ID.
struct Held(Arc<Ban>);

impl Held {
    /// Whether it is of one of these families.
    fn is_in(&self, scopes: &[Scope]) -> bool {
        let family = Scope::of(self.0.network().map(Network::family));
        scopes.contains(&family)
    }

    /// A ban's lines are most of it, and are kept only for commands that may ask for them.
    fn new(ban: &Arc<Ban>, details: bool) -> Self {
        if details || (ban.lines.is_empty() && ban.data.is_empty()) {
            return Self(Arc::clone(ban));
        }
        Self(Arc::new(Ban {
            id: ban.id.clone(),
            lines: Vec::new(),
            data: Captured::new(),
            ..**ban
        }))
    }
}

impl Borrow<FailId> for Held {
    fn borrow(&self) -> &FailId {
        &self.0.id
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Held {}

impl Hash for Held {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl Enforcement {
    pub(super) fn new(spec: ActionSpec, voice: Voice, abort: Arc<Abort>) -> Self {
        let options = Options::new(&spec.settings, spec.ipv6);
        Self {
            tell: letters::teller(&voice, &spec.jail, &options.name),
            pace: Pace::new(options.rate),
            options,
            spec,
            voice,
            abort,
            drivers: HashMap::new(),
            families: Families::default(),
            held: HashSet::new(),
            flushed: false,
            inherited: Inherited::default(),
            looked: Vec::new(),
        }
    }

    /// The jail's start: brings the action up, unless it waits for its first ban.
    pub(super) fn start(&mut self) {
        if self.options.on_demand {
            return;
        }
        let scopes = self.options.scopes.clone();
        if let Err(reason) = self.start_scopes(&scopes) {
            self.lifecycle_failed(Command::Start, "starting", "Failed to start", &reason);
        }
    }

    /// All bans end at once, where the action can do that. Where it cannot they end one by one: at
    /// its own end here, else as the unban of each follows.
    pub(super) fn flush(&mut self, stopping: bool) {
        if self.options.has(Command::Flush) {
            self.flush_at_once(stopping);
        } else if stopping {
            self.unban_all();
        } else {
            return;
        }
        self.held.clear();
        self.flushed = true;
    }

    fn flush_at_once(&mut self, stopping: bool) {
        let holding = self.families.holding();
        let mut run: Vec<Arc<str>> = Vec::new();
        let mut problem = None;
        for scope in holding {
            match self.run_once(Command::Flush, scope, &mut run) {
                Ok(()) => self.families.release(scope),
                Err(reason) => problem = Some(reason),
            }
        }
        let Some(reason) = problem else { return };
        self.lifecycle_failed(
            Command::Flush,
            "flushing",
            "Failed to flush bans in",
            &reason,
        );
        let notice = "No flush occurred, do consistency check";
        self.voice.log(Level::Info, Logger::Actions, notice);
        let may_repair = !stopping || self.options.repair_on_unban;
        let sane = self.check_all(may_repair, "Invariant check failed. Flush is impossible.");
        // Everything is in its place, so the bans are too: out with them one by one.
        if sane && stopping {
            self.unban_all();
        }
    }

    fn unban_all(&mut self) {
        let mut bans: Vec<Arc<Ban>> = self.held.drain().map(|held| held.0).collect();
        bans.sort_by_key(|ban| ban.time);
        let steps = bans.into_iter().map(|ban| Step::new(Command::Unban, ban));
        self.carry(steps.collect());
    }

    /// The jail's or the action's end: bans out, then everything the action made. An abort ends the
    /// one, a second abort the other.
    pub(super) fn stop(&mut self) {
        self.abort.begin();
        if !self.flushed {
            self.flush(true);
        }
        self.abort.begin();
        let scopes = self.families.started();
        if let Err(reason) = self.stop_scopes(&scopes) {
            self.lifecycle_failed(Command::Stop, "stopping", "Failed to stop", &reason);
        }
    }

    /// New settings for the same action; what is started and banned stays.
    pub(super) fn reload(&mut self, settings: ActionSettings) {
        if settings != self.spec.settings {
            self.options = Options::new(&settings, self.spec.ipv6);
            self.pace = Pace::new(self.options.rate);
            self.spec.settings = settings;
        }
        let mut run = Vec::new();
        for scope in self.families.started() {
            if let Err(reason) = self.run_once(Command::Reload, scope, &mut run) {
                self.lifecycle_failed(Command::Reload, "reloading", "Failed to reload", &reason);
            }
        }
    }

    /// Looks whether everything started is still there, and brings it back with all bans if not.
    pub(super) fn check(&mut self) {
        self.check_all(true, "");
    }

    /// Starts what of these is not started; a command that serves two families runs once.
    fn start_scopes(&mut self, scopes: &[Scope]) -> Result<(), String> {
        let mut result = Ok(());
        for &scope in scopes {
            if self.families.is_started(scope) {
                continue;
            }
            let command = match self.options.start_key(scope) {
                Ok(command) => command,
                Err(error) => {
                    result = Err(error.to_string());
                    continue;
                }
            };
            if !self.families.is_run(&command)
                && let Err(reason) = self.run(Command::Start, scope)
            {
                result = Err(reason);
                continue;
            }
            self.families.start(scope, &command);
            self.inherit(scope);
        }
        result
    }

    /// Stops these, going on past failures.
    fn stop_scopes(&mut self, scopes: &[Scope]) -> Result<(), String> {
        let mut run = Vec::new();
        let mut result = Ok(());
        for &scope in scopes {
            self.families.stop(scope);
            if let Err(reason) = self.run_once(Command::Stop, scope, &mut run) {
                result = Err(reason);
            }
        }
        result
    }

    /// Runs a command for a family unless it is among those `run` for another.
    fn run_once(
        &mut self,
        command: Command,
        scope: Scope,
        run: &mut Vec<Arc<str>>,
    ) -> Result<(), String> {
        let text = self
            .options
            .command(command, scope)
            .map_err(|e| e.to_string())?;
        let key = options::for_family(&text, scope).unwrap_or(text);
        if run.contains(&key) {
            return Ok(());
        }
        run.push(key);
        self.run(command, scope)
    }

    /// Runs a command that is about no ban, by the shell.
    fn run(&mut self, command: Command, scope: Scope) -> Result<(), String> {
        if self.by_mail() {
            return match self.lifecycle_letter(command) {
                Some(letter) => self.run_one(letter),
                None => Ok(()),
            };
        }
        let text = self
            .options
            .command(command, scope)
            .map_err(|e| e.to_string())?;
        if text.trim().is_empty() {
            return Ok(());
        }
        let script = tags::fill(&text, &self.info(None, scope));
        self.run_one(Operation::Script(script))
    }

    fn run_one(&mut self, operation: Operation) -> Result<(), String> {
        match self.apply(&[operation]).into_iter().next() {
            Some(Outcome::Done | Outcome::Expired) | None => Ok(()),
            Some(Outcome::Failed(reason) | Outcome::Declined(reason)) => Err(reason),
        }
    }

    /// Has the driver of a batch's kind carry it out.
    fn apply(&mut self, batch: &[Operation]) -> Vec<Outcome> {
        let Some(kind) = batch.first().map(Operation::kind) else {
            return Vec::new();
        };
        let driver = self
            .drivers
            .entry(kind)
            .or_insert_with(|| self.spec.drivers.driver(kind));
        let voice = &self.voice;
        let mut log = |record| voice.say(Event::Log(record));
        let mut bench = Bench {
            limit: self.options.timeout,
            path: &self.spec.path,
            abort: &self.abort,
            log: &mut log,
            tell: &self.tell,
        };
        driver.apply(batch, &mut bench)
    }

    fn info<'a>(&'a self, ban: Option<&'a Ban>, scope: Scope) -> Info<'a> {
        Info {
            ban,
            scope,
            jail: &self.spec.jail,
            facts: &*self.spec.facts,
        }
    }

    fn lifecycle_failed(&self, command: Command, doing: &str, what: &str, reason: &str) {
        let (jail, name) = (&self.spec.jail, &self.options.name);
        let error = self.script_error(doing);
        let message = format!("{what} jail '{jail}' action '{name}': {error}");
        let failure = Failure {
            command,
            id: None,
            reason: reason.to_owned(),
        };
        self.voice.failed(failure, message);
    }

    /// fail2ban's words for a script that failed; the script's own stand in the lines before.
    fn script_error(&self, doing: &str) -> String {
        let (jail, name) = (&self.spec.jail, &self.options.name);
        format!("Error {doing} action Jail('{jail}')/{name}: 'Script error'")
    }
}
