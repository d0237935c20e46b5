//! What a server before has left in the firewall: an upgrade's, one that was to keep its rules, one
//! that was killed. What is still due stands on, without a moment in which it does not; the rest is
//! taken out when all bans are back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Enforcement, Step};
use crate::action::driver::standing::{self, Standing};
use crate::action::driver::{Bench, Operation};
use crate::action::options::{Command, Scope};
use crate::action::report::Event;
use crate::action::worker::Leftover;
use crate::action::{reader, tags};
use crate::model::{Ban, BanTime, Captured, FailId, Family, Level, Logger, Network, Time};

/// What stood before our first ban, by whom it is about.
pub(super) type Inherited = HashMap<Network, Vec<Standing>>;

/// Addresses of the documentation: a host, and a network where those go elsewhere.
const SAMPLES: &[(Family, [&str; 2])] = &[
    (Family::Inet4, ["192.0.2.1", "192.0.2.0/24"]),
    (Family::Inet6, ["2001:db8::1", "2001:db8::/64"]),
];

impl Enforcement {
    /// Looks what stands where a family's bans go, once that family is started. What cannot be
    /// looked at is emptied, where the action knows how: nothing may stand twice, or for ever.
    pub(super) fn inherit(&mut self, scope: Scope) {
        if self.spec.left == Leftover::Nothing || self.looked.contains(&scope) {
            return;
        }
        self.looked.push(scope);
        for (family, samples) in SAMPLES.iter().filter(|(family, _)| serves(scope, *family)) {
            match self.standing(scope, *family, samples) {
                Some(found) if found.is_empty() => {}
                Some(found) => {
                    let command = self.options.start_key(scope).unwrap_or_default();
                    self.families.hold(Scope::Family(*family), &command);
                    for one in found {
                        self.inherited.entry(one.network).or_default().push(one);
                    }
                }
                None if self.spec.left == Leftover::Likely && self.options.has(Command::Flush) => {
                    // What is wrong has been logged. It serves the whole scope.
                    let _ = self.run(Command::Flush, scope);
                    return;
                }
                None => {}
            }
        }
    }

    /// What stands where the bans of a family go; `None` where nobody can tell.
    fn standing(
        &mut self,
        scope: Scope,
        family: Family,
        samples: &[&str],
    ) -> Option<Vec<Standing>> {
        let start = self.options.command(Command::Start, scope).ok()?;
        let start = tags::fill(&start, &self.info(None, scope)).text;
        let mut looked: Vec<String> = Vec::new();
        let mut found = Vec::new();
        for sample in samples {
            let like = self.sample(sample)?;
            let place = standing::place(&like)?;
            if !start.contains(place) {
                return None;
            }
            if !looked.iter().any(|known| known == place) {
                looked.push(place.to_owned());
                found.extend(self.list(&like)?);
            }
        }
        found.retain(|one| one.network.family() == family);
        Some(found)
    }

    /// How this address would be banned, as data.
    fn sample(&mut self, address: &str) -> Option<Operation> {
        let ban = ban_of(FailId::parse(address));
        let scope = Step::new(Command::Ban, Arc::clone(&ban)).scope();
        let text = self.options.command(Command::Ban, scope).ok()?;
        let script = tags::fill(&text, &self.info(Some(&ban), scope));
        reader::read(&script.text).filter(standing::is_ban)
    }

    fn list(&mut self, like: &Operation) -> Option<Vec<Standing>> {
        let voice = &self.voice;
        let mut log = |record| voice.say(Event::Log(record));
        let mut bench = Bench {
            limit: self.options.timeout,
            path: &self.spec.path,
            abort: &self.abort,
            log: &mut log,
            tell: &self.tell,
        };
        standing::list(like, &mut bench)
    }

    /// Whether a ban stands already, word for word.
    pub(super) fn stands(&mut self, step: &Step) -> bool {
        if self.inherited.is_empty() || !step.bans() {
            return false;
        }
        let Some(standing) = step
            .network()
            .and_then(|network| self.inherited.get_mut(network))
        else {
            return false;
        };
        let place = standing.iter().position(|one| one.done);
        place.map(|place| standing.remove(place)).is_some()
    }

    /// All bans that are due are back: what else stands is taken out.
    pub(in crate::action) fn reconcile(&mut self) {
        if self.spec.left == Leftover::Nothing {
            return;
        }
        self.start_what_stands();
        let held: HashSet<Network> = self
            .held
            .iter()
            .filter_map(|held| held.0.network().copied())
            .collect();
        let (mut rules, mut over) = (Vec::new(), Vec::new());
        let mut networks = HashSet::new();
        for (network, standing) in std::mem::take(&mut self.inherited) {
            for one in standing {
                match one.away {
                    Some(rule) => rules.push(rule),
                    None if held.contains(&network) => continue,
                    None => over.push(Step::new(Command::Unban, ban_of(FailId::Net(network)))),
                }
                networks.insert(network);
            }
        }
        if networks.is_empty() {
            return;
        }
        // One that fails is gone already, or has been logged.
        drop(self.apply(&rules));
        self.carry(over);
        let (jail, name, count) = (&self.spec.jail, &self.options.name, networks.len());
        let message =
            format!("[{jail}] {name}: {count} left by a server before are due no more, and out");
        self.voice.log(Level::Notice, Logger::Actions, message);
    }

    /// A family none of whose bans came back may have something standing all the same.
    fn start_what_stands(&mut self) {
        for scope in self.options.scopes.clone() {
            if self.families.is_started(scope) {
                continue;
            }
            for (family, samples) in SAMPLES.iter().filter(|(family, _)| serves(scope, *family)) {
                let found = self.standing(scope, *family, samples);
                if found.is_some_and(|found| !found.is_empty())
                    && let Err(reason) = self.start_scopes(&[scope])
                {
                    let message = format!(
                        "[{}] what stands cannot be taken out: {reason}",
                        self.spec.jail
                    );
                    self.voice.log(Level::Error, Logger::Actions, message);
                }
            }
        }
    }
}

/// Whether bans of a family are this scope's.
fn serves(scope: Scope, family: Family) -> bool {
    match scope {
        Scope::Family(own) => own == family,
        Scope::Whole | Scope::Raw => true,
    }
}

fn ban_of(id: FailId) -> Arc<Ban> {
    Arc::new(Ban {
        id,
        ip: None,
        time: Time::from_secs(0),
        bantime: BanTime::Secs(0),
        count: 1,
        attempts: 1,
        lines: Vec::new(),
        data: Captured::new(),
        restored: false,
        own_bantime: false,
    })
}
