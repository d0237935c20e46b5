//! Which of an action's families are started and hold bans.

use std::sync::Arc;

use super::options::Scope;

/// fail2ban's "started" flags, in the order families were started.
#[derive(Debug, Default)]
pub(super) struct Families(Vec<State>);

#[derive(Debug)]
struct State {
    scope: Scope,
    started: bool,
    /// Has had a ban since the last flush.
    holds: bool,
    /// The start command that brought it up, also where another family ran it for both.
    command: Arc<str>,
}

impl Families {
    pub(super) fn is_started(&self, scope: Scope) -> bool {
        self.state(scope).is_some_and(|state| state.started)
    }

    pub(super) fn holds(&self, scope: Scope) -> bool {
        self.state(scope).is_some_and(|state| state.holds)
    }

    /// All that are started, oldest first.
    pub(super) fn started(&self) -> Vec<Scope> {
        let started = self.0.iter().filter(|state| state.started);
        started.map(|state| state.scope).collect()
    }

    /// All that hold bans, oldest first.
    pub(super) fn holding(&self) -> Vec<Scope> {
        let holding = self.0.iter().filter(|state| state.started && state.holds);
        holding.map(|state| state.scope).collect()
    }

    /// All that `command` brings up, of those ever started.
    pub(super) fn of(&self, command: &str) -> Vec<Scope> {
        let same = self.0.iter().filter(|state| &*state.command == command);
        same.map(|state| state.scope).collect()
    }

    /// Whether this very command has started a family that still is.
    pub(super) fn is_run(&self, command: &str) -> bool {
        self.0
            .iter()
            .any(|state| state.started && &*state.command == command)
    }

    pub(super) fn start(&mut self, scope: Scope, command: &Arc<str>) {
        match self.0.iter_mut().find(|state| state.scope == scope) {
            Some(state) => {
                state.started = true;
                state.command = Arc::clone(command);
            }
            None => self.0.push(State {
                scope,
                started: true,
                holds: false,
                command: Arc::clone(command),
            }),
        }
    }

    pub(super) fn stop(&mut self, scope: Scope) {
        if let Some(state) = self.0.iter_mut().find(|state| state.scope == scope) {
            state.started = false;
            state.holds = false;
        }
    }

    /// Notes a ban; fail2ban takes a family that bans for started.
    pub(super) fn hold(&mut self, scope: Scope, command: &Arc<str>) {
        if !self.is_started(scope) {
            self.start(scope, command);
        }
        if let Some(state) = self.0.iter_mut().find(|state| state.scope == scope) {
            state.holds = true;
        }
    }

    pub(super) fn release(&mut self, scope: Scope) {
        if let Some(state) = self.0.iter_mut().find(|state| state.scope == scope) {
            state.holds = false;
        }
    }

    fn state(&self, scope: Scope) -> Option<&State> {
        self.0.iter().find(|state| state.scope == scope)
    }
}
