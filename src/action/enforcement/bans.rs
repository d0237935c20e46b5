//! Bans and unbans, in batches as large as their order allows.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::repair::Verdict;
use super::{Enforcement, Held};
use crate::action::driver::{Kind, Operation, Outcome, connections};
use crate::action::options::{Command, Scope};
use crate::action::reader;
use crate::action::report::Failure;
use crate::action::tags::{self, TagError};
use crate::model::{Ban, FailId, Level, Logger, Network};

/// One ban to be carried out, ended or prolonged.
#[derive(Clone, Debug)]
pub(in crate::action) struct Step {
    command: Command,
    ban: Arc<Ban>,
}

impl Step {
    pub(in crate::action) fn new(command: Command, ban: Arc<Ban>) -> Self {
        Self { command, ban }
    }

    pub(super) fn network(&self) -> Option<&Network> {
        self.ban.network()
    }

    /// Whether it puts somebody in.
    pub(super) fn bans(&self) -> bool {
        matches!(self.command, Command::Ban | Command::Reban)
    }

    /// Whom it is enforced against: sessions of one address share it.
    fn target(&self) -> FailId {
        let network = self.ban.network();
        network.map_or_else(|| self.ban.id.clone(), |network| FailId::Net(*network))
    }

    pub(super) fn scope(&self) -> Scope {
        Scope::of(self.ban.network().map(Network::family))
    }
}

/// Steps for one driver, no address twice, so that each outcome is one step's alone.
#[derive(Default)]
struct Batch {
    steps: Vec<Step>,
    operations: Vec<Operation>,
    named: HashSet<FailId>,
    /// Families it bans in.
    banned: Vec<Scope>,
}

impl Batch {
    fn takes(&self, step: &Step, operation: &Operation) -> bool {
        let same = self
            .operations
            .first()
            .is_none_or(|o| o.kind() == operation.kind());
        same && operation.kind() != Kind::Shell && !self.named.contains(&step.target())
    }

    fn is_script(&self) -> bool {
        let first = self.operations.first();
        first.is_some_and(|operation| operation.kind() == Kind::Shell)
    }

    fn push(&mut self, step: Step, operation: Operation) {
        self.named.insert(step.target());
        let scope = step.scope();
        if step.command == Command::Ban && !self.banned.contains(&scope) {
            self.banned.push(scope);
        }
        self.steps.push(step);
        self.operations.push(operation);
    }
}

impl Enforcement {
    /// Carries steps out in order; what fails is checked, repaired and tried again.
    pub(in crate::action) fn carry(&mut self, steps: Vec<Step>) {
        self.carry_with(steps, Self::again);
    }

    /// Carries steps out once more by the shell where they fail, with no check: part of a repair.
    pub(super) fn carry_plainly(&mut self, steps: Vec<Step>) {
        self.carry_with(steps, |this, failed| {
            for (step, _) in failed {
                this.by_shell(&step);
            }
        });
    }

    fn carry_with(&mut self, steps: Vec<Step>, after: fn(&mut Self, Vec<(Step, String)>)) {
        let mut batch = Batch::default();
        let finish = |this: &mut Self, batch: &mut Batch| {
            let failed = this.run_batch(std::mem::take(batch));
            if !failed.is_empty() {
                after(this, failed);
            }
        };
        // What would not start is not started anew for each of a thousand bans.
        let mut down: Vec<(Scope, String)> = Vec::new();
        for step in steps {
            if self.abort.is_on() {
                return;
            }
            // An unban is for those whose ban has worked; a script has to have run for that.
            if step.command == Command::Unban && batch.is_script() {
                finish(self, &mut batch);
            }
            if self.is_idle(&step, &batch) {
                continue;
            }
            if self.needs_start(&step) {
                finish(self, &mut batch);
                let known = down.iter().find(|(scope, _)| *scope == step.scope());
                let known = known.map(|(_, reason)| reason.clone());
                if let Some(reason) = known.or_else(|| self.start_for(step.scope()).err()) {
                    let error = self.script_error("starting");
                    self.failed(&step, &error, reason.clone());
                    down.push((step.scope(), reason));
                    continue;
                }
            }
            if self.stands(&step) {
                self.done(&step);
                continue;
            }
            self.keep_pace();
            if self.abort.is_on() {
                return;
            }
            match self.operation(&step, true) {
                Err(error) => self.failed(&step, &error.to_string(), error.to_string()),
                Ok(None) => self.done(&step),
                Ok(Some(operation)) => {
                    if !batch.takes(&step, &operation) {
                        finish(self, &mut batch);
                    }
                    batch.push(step, operation);
                }
            }
        }
        finish(self, &mut batch);
    }

    /// `ratelimit`: waits for this step's turn, or for an abort.
    fn keep_pace(&mut self) {
        if let Some(wait) = self.pace.next(self.spec.facts.now()) {
            let wait = Duration::from_micros(wait.micros().unsigned_abs());
            self.abort.rest(wait);
        }
    }

    /// Whether there is nothing to do; notes who is to be held from now on.
    fn is_idle(&mut self, step: &Step, batch: &Batch) -> bool {
        let not_mine = self.options.norestored && step.ban.restored;
        match step.command {
            Command::Ban => {
                if !not_mine {
                    self.held
                        .replace(Held::new(&step.ban, self.options.wants_details));
                    self.flushed = false;
                }
                not_mine
            }
            Command::Prolong => {
                if !not_mine && self.held.contains(&step.ban.id) {
                    self.held
                        .replace(Held::new(&step.ban, self.options.wants_details));
                }
                not_mine || !self.options.has(Command::Prolong)
            }
            Command::Unban => {
                self.held.remove(&step.ban.id);
                let scope = step.scope();
                !self.families.holds(scope) && !batch.banned.contains(&scope)
            }
            _ => false,
        }
    }

    fn needs_start(&self, step: &Step) -> bool {
        let bans = matches!(step.command, Command::Ban | Command::Reban);
        bans && self.options.on_demand && !self.families.is_started(step.scope())
    }

    /// Starts a ban's family; what is no address may be meant for any of them.
    fn start_for(&mut self, scope: Scope) -> Result<(), String> {
        match scope {
            Scope::Family(_) => self.start_scopes(&[scope]),
            Scope::Raw | Scope::Whole => {
                let scopes = self.options.scopes.clone();
                self.start_scopes(&scopes)
            }
        }
    }

    /// A step as an operation; `None` where its command is empty.
    fn operation(&mut self, step: &Step, native: bool) -> Result<Option<Operation>, TagError> {
        let scope = step.scope();
        let command = match step.command {
            Command::Reban if !self.options.has(Command::Reban) => Command::Ban,
            command => command,
        };
        if self.by_mail() {
            return Ok(self.letter(command, &step.ban, scope));
        }
        let text = self.options.command(command, scope)?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        let script = tags::fill(&text, &self.info(Some(&step.ban), scope));
        let native = native && self.spec.native && self.options.native;
        let plain = native && script.variables.is_empty();
        let read = plain.then(|| reader::read(&script.text)).flatten();
        Ok(Some(read.unwrap_or(Operation::Script(script))))
    }

    /// Runs a batch; the steps that failed, with the reason.
    fn run_batch(&mut self, batch: Batch) -> Vec<(Step, String)> {
        let outcomes = self.apply(&batch.operations);
        let kind = batch
            .operations
            .first()
            .map_or(Kind::Shell, Operation::kind);
        let mut failed = Vec::new();
        let mut shut_out = Vec::new();
        for (step, outcome) in batch.steps.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Done | Outcome::Expired => {
                    self.done(&step);
                    shut_out.extend(self.connected(&step));
                }
                Outcome::Declined(why) => {
                    let (id, kind) = (&step.ban.id, kind.name());
                    let message = format!("native {kind} -- {id}: {why}; by shell");
                    self.voice.log(Level::Debug, Logger::Utils, message);
                    match self.shell(&step) {
                        Ok(()) => {
                            self.done(&step);
                            shut_out.extend(self.connected(&step));
                        }
                        Err(reason) => failed.push((step, reason)),
                    }
                }
                Outcome::Failed(reason) => {
                    if kind == Kind::Nftables {
                        let name = step.command.name();
                        let message = format!("native {name} {} -- {reason}", step.ban.id);
                        self.voice.log(Level::Error, Logger::Utils, message);
                    }
                    failed.push((step, reason));
                }
            }
        }
        self.cut_off(&shut_out);
        failed
    }

    /// Whose connections end with this step.
    fn connected(&self, step: &Step) -> Option<Network> {
        let cuts = self.options.kill.is_some() && step.command == Command::Ban;
        step.ban.network().copied().filter(|_| cuts)
    }

    /// `kill_connections`: what the banned still have open is closed.
    fn cut_off(&self, networks: &[Network]) {
        let Some(ports) = self.options.kill.as_ref().filter(|_| !networks.is_empty()) else {
            return;
        };
        match connections::close(networks, ports) {
            Ok(0) => {}
            Ok(count) => {
                let message = format!("[{}] {count} connections closed", self.spec.jail);
                self.voice.log(Level::Info, Logger::Actions, message);
            }
            Err(error) => {
                let message = format!(
                    "[{}] kill_connections: connections stay open: {error}",
                    self.spec.jail
                );
                self.voice.log(Level::Error, Logger::Actions, message);
            }
        }
    }

    /// Check, repair, try again: fail2ban's rule for each failed command, applied once to all that
    /// failed together.
    fn again(&mut self, failed: Vec<(Step, String)>) {
        let mut rest = failed;
        while let Some((first, _)) = rest.first() {
            let (scope, unban) = (first.scope(), first.command == Command::Unban);
            let same = |(step, _): &(Step, String)| {
                step.scope() == scope && (step.command == Command::Unban) == unban
            };
            let (group, others) = rest.into_iter().partition(same);
            rest = others;
            self.again_together(scope, unban, group);
        }
    }

    fn again_together(&mut self, scope: Scope, unban: bool, failed: Vec<(Step, String)>) {
        let ids: Vec<FailId> = failed.iter().map(|(step, _)| step.ban.id.clone()).collect();
        let may_repair = !unban || self.options.repair_on_unban;
        let refusal = "Invariant check failed. Unban is impossible.";
        let verdict = if self.abort.is_on() {
            Verdict::Broken("the action is being stopped".to_owned())
        } else {
            self.check_scope(scope, may_repair.then_some(&ids), refusal)
        };
        match verdict {
            Verdict::Sane => {
                for (step, _) in &failed {
                    self.by_shell(step);
                }
            }
            // A repair may have kept what stands: fail2ban, too, tries all the same.
            Verdict::Repaired if unban => {
                for (step, _) in &failed {
                    self.by_shell(step);
                }
            }
            Verdict::Repaired => {
                let steps = failed.into_iter().map(|(step, _)| step);
                self.carry_plainly(steps.collect());
            }
            Verdict::Broken(reason) => {
                for (step, first) in failed {
                    let error = self.ban_error(&step);
                    self.failed(&step, &error, format!("{first}; {reason}"));
                }
            }
        }
    }

    /// The last try of a step.
    fn by_shell(&mut self, step: &Step) {
        match self.shell(step) {
            Ok(()) => self.done(step),
            Err(reason) => {
                let error = self.ban_error(step);
                self.failed(step, &error, reason);
            }
        }
    }

    fn shell(&mut self, step: &Step) -> Result<(), String> {
        let operation = self.operation(step, false).map_err(|e| e.to_string())?;
        let outcomes = operation.map(|operation| self.apply(&[operation]));
        match outcomes.and_then(|outcomes| outcomes.into_iter().next()) {
            Some(Outcome::Done | Outcome::Expired) | None => Ok(()),
            Some(Outcome::Failed(reason) | Outcome::Declined(reason)) => Err(reason),
        }
    }

    fn done(&mut self, step: &Step) {
        if matches!(step.command, Command::Ban | Command::Reban) {
            let scope = step.scope();
            let command = self.options.start_key(scope).unwrap_or_default();
            self.families.hold(scope, &command);
            // A mail that waits is not sent yet; whoever sends it says so.
            if !self.by_mail() {
                self.voice.well();
            }
        }
    }

    /// fail2ban's error of a command about a ban.
    fn ban_error(&self, step: &Step) -> String {
        let doing = match step.command {
            Command::Unban => "unbanning",
            Command::Prolong => "prolonging",
            _ => "banning",
        };
        let ip = self.info(Some(&step.ban), step.scope()).ip();
        format!("Error {doing} {ip}")
    }

    fn failed(&self, step: &Step, error: &str, reason: String) {
        let what = match step.command {
            Command::Unban => "unban",
            Command::Reban => "reban",
            _ => "ban",
        };
        let (jail, name) = (&self.spec.jail, &self.options.name);
        let info = self.info(Some(&step.ban), step.scope()).shown();
        let message = format!(
            "Failed to execute {what} jail '{jail}' action '{name}' info '{info}': {error}"
        );
        let id = Some(step.ban.id.clone());
        self.voice.failed(
            Failure {
                command: step.command,
                id,
                reason,
            },
            message,
        );
    }
}
