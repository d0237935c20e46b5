//! Failures that wait for an answer: an address for a name, or a word from `ignorecommand`.
//!
//! What waits is bounded; what comes beyond it is dropped and counted, since an attacker who floods
//! a slow name server will fail again.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{FailId, Failure};

/// Failures waiting for one kind of answer in one jail.
const MOST: usize = 1000;

/// A failure on its way to be counted.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) failure: Failure,
    /// For an attempt reported by hand: as how many failures it counts.
    pub(super) count: Option<u32>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Parked {
    /// By host name (`usedns`).
    names: HashMap<Arc<str>, Vec<Failure>>,
    named: usize,
    /// By the token `ignorecommand` was asked with.
    commands: HashMap<u64, Case>,
    next_token: u64,
    /// For the first answer about a name in `ignoreip`.
    unsure: Vec<Case>,
    dropped: u64,
}

impl Parked {
    /// Parks a failure known by name only; returns the name when it must be asked.
    pub(super) fn wait_for_name(&mut self, failure: Failure) -> Option<Arc<str>> {
        let FailId::Raw(name) = &failure.id else {
            return None;
        };
        if self.named >= MOST {
            self.dropped += 1;
            return None;
        }
        self.named += 1;
        let name = Arc::clone(name);
        let waiting = self.names.entry(Arc::clone(&name)).or_default();
        waiting.push(failure);
        (waiting.len() == 1).then_some(name)
    }

    /// The failures that waited for a name.
    pub(super) fn named(&mut self, name: &str) -> Vec<Failure> {
        let failures = self.names.remove(name).unwrap_or_default();
        self.named -= failures.len();
        failures
    }

    /// Parks a failure for `ignorecommand`; returns the token to ask it with.
    pub(super) fn wait_for_command(&mut self, case: Case) -> Option<u64> {
        if self.commands.len() >= MOST {
            self.dropped += 1;
            return None;
        }
        self.next_token += 1;
        self.commands.insert(self.next_token, case);
        Some(self.next_token)
    }

    pub(super) fn answered(&mut self, token: u64) -> Option<Case> {
        self.commands.remove(&token)
    }

    pub(super) fn wait_unsure(&mut self, case: Case) {
        if self.unsure.len() < MOST {
            self.unsure.push(case);
        } else {
            self.dropped += 1;
        }
    }

    pub(super) fn take_unsure(&mut self) -> Vec<Case> {
        std::mem::take(&mut self.unsure)
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Time;

    fn failure(name: &str) -> Failure {
        Failure {
            id: FailId::Raw(name.into()),
            ip: None,
            time: Time::default(),
            lines: Vec::new(),
            data: Default::default(),
            regex: 0,
        }
    }

    #[test]
    fn what_waits_is_bounded_and_makes_room_when_answered() {
        let mut parked = Parked::default();
        assert_eq!(parked.wait_for_name(failure("a")).as_deref(), Some("a"));
        assert_eq!(parked.wait_for_name(failure("a")), None);
        for n in 2..MOST {
            assert!(parked.wait_for_name(failure(&format!("b{n}"))).is_some());
        }
        assert_eq!(parked.wait_for_name(failure("c")), None);
        assert_eq!(parked.dropped(), 1);
        assert_eq!(parked.named("a").len(), 2);
        assert!(parked.wait_for_name(failure("c")).is_some());
        assert!(parked.wait_for_name(failure("d")).is_some());
        assert_eq!(parked.wait_for_name(failure("e")), None);
    }
}
