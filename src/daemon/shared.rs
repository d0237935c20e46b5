//! What jails share of the world outside, and what an action may ask about its jail.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::clock;
use super::facts;
use super::keeper::Asker;
use crate::action::{self, Facts, History, Merged};
use crate::config::Inputs;
use crate::date::Zone;
use crate::dns;
use crate::jail::Counts;
use crate::model::{Ban, BanTime, Time};

/// How long an action waits for past bans out of the database before it goes without.
const HISTORY: Duration = Duration::from_secs(5);

/// The world outside, as found at start.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) inputs: Inputs,
    pub(super) zone: Zone,
    /// `PATH` for actions.
    pub(super) path: Arc<str>,
}

/// A jail's numbers, for its actions' tags; kept up to date by the daemon's thread.
#[derive(Debug)]
pub(super) struct Numbers {
    jail: Arc<str>,
    asker: Asker,
    bantime: AtomicI64,
    banned: AtomicU64,
    banned_total: AtomicU64,
    found: AtomicU64,
    found_total: AtomicU64,
}

impl Numbers {
    pub(super) fn new(jail: Arc<str>, asker: Asker, bantime: BanTime) -> Self {
        Self {
            jail,
            asker,
            bantime: AtomicI64::new(bantime.number()),
            banned: AtomicU64::new(0),
            banned_total: AtomicU64::new(0),
            found: AtomicU64::new(0),
            found_total: AtomicU64::new(0),
        }
    }

    pub(super) fn set(&self, bantime: BanTime, counts: Counts) {
        self.bantime.store(bantime.number(), Ordering::Relaxed);
        self.banned.store(counts.banned as u64, Ordering::Relaxed);
        self.banned_total
            .store(counts.banned_total, Ordering::Relaxed);
        self.found.store(counts.failed as u64, Ordering::Relaxed);
        self.found_total
            .store(counts.failed_total, Ordering::Relaxed);
    }
}

impl Facts for Numbers {
    fn now(&self) -> Time {
        clock::now()
    }

    fn bantime(&self) -> BanTime {
        BanTime::from_number(self.bantime.load(Ordering::Relaxed))
    }

    fn counts(&self) -> action::Counts {
        action::Counts {
            banned: self.banned.load(Ordering::Relaxed),
            banned_total: self.banned_total.load(Ordering::Relaxed),
            found: self.found.load(Ordering::Relaxed),
            found_total: self.found_total.load(Ordering::Relaxed),
        }
    }

    fn history(&self, ban: &Ban, scope: History) -> Option<Merged> {
        let (ban, own) = (ban.clone(), Arc::clone(&self.jail));
        let merged = self
            .asker
            .ask(HISTORY, move |store| {
                let jail = match scope {
                    History::ThisJail => Some(&*own),
                    History::AllJails => None,
                };
                store.merged_with(&ban, &own, jail)
            })?
            .ok()?;
        (merged.failures > 0).then(|| Merged {
            lines: merged.lines,
            failures: u64::from(merged.failures),
        })
    }

    fn host(&self, address: IpAddr) -> Option<String> {
        dns::system().reverse(address).name().map(str::to_owned)
    }

    fn hostname(&self, full: bool) -> String {
        let name = facts::host_name();
        if full {
            dns::system().full_name(&name)
        } else {
            name
        }
    }
}
