//! Check, repair, restore: what a failed command sets off.

use std::sync::Arc;

use super::{Enforcement, Step};
use crate::action::options::{Command, Scope};
use crate::action::report::Event;
use crate::model::{Ban, FailId, Level, Logger};

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Sane,
    /// Broken and back, with every ban but those the caller tries itself.
    Repaired,
    Broken(String),
}

/// How many addresses a restore names in the log one by one.
const NAMED: usize = 100;

impl Enforcement {
    /// Checks every started family; whether all of them are sane, or are again.
    pub(super) fn check_all(&mut self, may_repair: bool, refusal: &str) -> bool {
        let mut sane = true;
        for scope in self.families.started() {
            // A repair of one may have been the repair of all.
            if self.families.is_started(scope) {
                let verdict = self.check_scope(scope, may_repair.then_some(&[]), refusal);
                let broken = matches!(verdict, Verdict::Broken(_));
                if broken && may_repair {
                    self.families.stop(scope);
                }
                sane &= !broken;
            }
        }
        sane
    }

    /// Runs `actioncheck`; where it fails, repairs and restores all but `apart`, or says `refusal`
    /// where nothing is to be repaired.
    pub(super) fn check_scope(
        &mut self,
        scope: Scope,
        apart: Option<&[FailId]>,
        refusal: &str,
    ) -> Verdict {
        if !self.options.has(Command::Check) || self.run(Command::Check, scope).is_ok() {
            return Verdict::Sane;
        }
        let log = |this: &Self, level, message: &str| {
            this.voice.log(level, Logger::CommandAction, message);
        };
        let Some(apart) = apart else {
            log(self, Level::Error, refusal);
            return Verdict::Broken(refusal.to_owned());
        };
        log(
            self,
            Level::Error,
            "Invariant check failed. Trying to restore a sane environment",
        );
        let affected = self.affected(scope);
        if let Err(reason) = self.repair(scope, &affected) {
            log(self, Level::Critical, "Unable to restore environment");
            return Verdict::Broken(reason);
        }
        self.restore(&affected, apart);
        Verdict::Repaired
    }

    /// The families that stand and fall together with this one: those of the same start command.
    fn affected(&mut self, scope: Scope) -> Vec<Scope> {
        let command = self.options.start_key(scope).unwrap_or_default();
        let mut affected = self.families.of(&command);
        if !affected.contains(&scope) {
            affected.push(scope);
        }
        affected
    }

    fn repair(&mut self, scope: Scope, affected: &[Scope]) -> Result<(), String> {
        let command = self.options.start_key(scope).unwrap_or_default();
        for scope in affected {
            self.families.stop(*scope);
        }
        if self.options.has(Command::Repair) {
            self.run(Command::Repair, scope)?;
        } else {
            // What is half gone may not stop cleanly; the start tells.
            let _ = self.run(Command::Stop, scope);
            self.run(Command::Start, scope)?;
        }
        for scope in affected {
            self.families.start(*scope, &command);
        }
        // Where the check still fails, what was started is there to be stopped all the same.
        self.run(Command::Check, scope)
    }

    /// Puts every held ban of these families back, in the order they were made.
    fn restore(&mut self, scopes: &[Scope], apart: &[FailId]) {
        let mut bans = self.held_of(scopes);
        bans.retain(|ban| !apart.contains(&ban.id));
        let (jail, name) = (&self.spec.jail, &self.options.name);
        for ban in bans.iter().take(NAMED) {
            let notice = format!("[{jail}] Reban {}, action '{name}'", ban.id);
            self.voice.log(Level::Notice, Logger::Actions, notice);
        }
        if let Some(more) = bans.len().checked_sub(NAMED + 1) {
            let notice = format!("[{jail}] Reban {} more, action '{name}'", more + 1);
            self.voice.log(Level::Notice, Logger::Actions, notice);
        }
        let count = bans.len();
        self.reban(bans);
        self.voice.say(Event::Repaired(count));
    }

    /// Puts every held ban of a family back without a word; how many.
    pub(super) fn restore_quietly(&mut self, scope: Scope) -> usize {
        let bans = self.held_of(&[scope]);
        let count = bans.len();
        self.reban(bans);
        count
    }

    fn reban(&mut self, bans: Vec<Arc<Ban>>) {
        let steps = bans.into_iter().map(|ban| Step::new(Command::Reban, ban));
        self.carry_plainly(steps.collect());
    }

    /// The held bans of these families, oldest first.
    fn held_of(&self, scopes: &[Scope]) -> Vec<Arc<Ban>> {
        let mut bans: Vec<_> = self
            .held
            .iter()
            .filter(|held| held.is_in(scopes))
            .map(|held| Arc::clone(&held.0))
            .collect();
        bans.sort_by_key(|ban| ban.time);
        bans
    }

    /// Any one held ban of a family.
    pub(super) fn held_in(&self, scope: Scope) -> Option<Arc<Ban>> {
        let held = self.held.iter().find(|held| held.is_in(&[scope]))?;
        Some(Arc::clone(&held.0))
    }
}
