//! What comes back to a jail from outside: bans out of the database, addresses of names, files, and
//! what `ignorecommand` said.

use std::path::Path;

use super::Jail;
use crate::jail::effect::Turn;
use crate::jail::ignore::Opinion;
use crate::model::{Ban, BanTime, FailId, Failure, Level, Logger, NameAnswer, Network, UseDns};

impl Jail {
    /// A ban read back from the database (`restored`, with the bantime it had): in force again with
    /// what is left of it, unless it is ignored now.
    pub fn restore(&mut self, mut ban: Ban, turn: &mut Turn<'_>) {
        ban.restored = true;
        ban.own_bantime = true;
        ban.bantime = self.capped(ban.bantime);
        if ban.end().is_some_and(|end| end <= turn.now) {
            return;
        }
        let failure = Failure {
            id: ban.id.clone(),
            ip: ban.ip,
            time: ban.time,
            lines: Vec::new(),
            data: Default::default(),
            regex: 0,
        };
        // A name not resolved yet is looked at again in `resolved`.
        if let Opinion::Ignored(by) = self.ignore.judge(&failure, turn.own, turn.now) {
            return self.log_ignored(&failure.id, by, turn);
        }
        self.add(ban, turn);
    }

    /// Bans are not restored longer than this jail would ban at most.
    fn capped(&self, bantime: BanTime) -> BanTime {
        let most = match (self.increment.enabled, self.increment.maxtime) {
            (true, None) => BanTime::Permanent,
            (true, Some(maxtime)) => BanTime::from_number(maxtime.secs()),
            (false, _) => self.bantime,
        };
        match (bantime, most) {
            (_, BanTime::Permanent) => bantime,
            (BanTime::Permanent, most) => most,
            (BanTime::Secs(secs), BanTime::Secs(most)) => BanTime::Secs(secs.min(most)),
        }
    }

    /// A name's addresses, or why there are none; true when that has been said now.
    pub fn resolved(&mut self, name: &str, told: &NameAnswer, turn: &mut Turn<'_>) -> bool {
        let networks: Vec<Network> = told.addresses.iter().copied().map(Network::host).collect();
        let ours = self.ignore.resolved(name, told, turn.now);
        if ours {
            for network in &networks {
                self.release_ignored(&FailId::Net(*network), turn);
            }
            for case in self.parked.take_unsure() {
                self.consider(case, turn);
            }
        }
        let failures = self.parked.named(name);
        if let Some(problem) = told.problem {
            // fail2ban says it when it asks, not when it remembers.
            let says = !told.remembered && (ours || !failures.is_empty());
            if says {
                let message =
                    format!("Unable to find a corresponding IP address for {name}: {problem}");
                turn.log(Level::Warning, Logger::IpDns, message);
            }
            return says;
        }
        if failures.is_empty() {
            return false;
        }
        if self.usedns == UseDns::Warn {
            let shown: Vec<String> = networks.iter().map(|ip| format!("'{ip}'")).collect();
            let message = format!(
                "Determined IP using DNS Lookup: {name} = {{{}}}",
                shown.join(", ")
            );
            turn.log(Level::Warning, Logger::IpDns, message);
        }
        for failure in failures {
            for network in &networks {
                let id = FailId::Net(*network);
                self.failure(
                    Failure {
                        id,
                        ..failure.clone()
                    },
                    turn,
                );
            }
        }
        false
    }

    /// A restored ban turns out to be of an ignored ID, now that its name is resolved.
    fn release_ignored(&mut self, id: &FailId, turn: &mut Turn<'_>) {
        if self.bans.find(id).is_some_and(|ban| ban.restored)
            && let Some(ban) = self.bans.remove(id)
        {
            self.log_ignored(id, Some("dns".to_owned()), turn);
            self.release(ban, "Unban", turn);
        }
    }

    /// The contents of a file in `ignoreip`.
    pub fn ignore_file(&mut self, path: &Path, text: &str) {
        self.ignore.set_file(path, text);
    }

    /// What `ignorecommand` said of a ticket.
    pub fn ignore_answer(&mut self, token: u64, ignored: bool, turn: &mut Turn<'_>) {
        let Some(case) = self.parked.answered(token) else {
            return;
        };
        self.ignore.remember(&case.failure, ignored, turn.now);
        if ignored {
            self.log_ignored(&case.failure.id, Some("command".to_owned()), turn);
        } else {
            self.count(case, turn);
        }
    }
}
