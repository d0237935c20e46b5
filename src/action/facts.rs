//! What tags ask about beyond the ban itself: the jail's counts, merged history, names.

use std::net::IpAddr;

use crate::model::{Ban, BanTime, Time};

/// Answers for an action's tags; the daemon gives the real ones.
///
/// Called on the action's own thread, only when a command names the tag. An answer that takes long
/// holds up this action and no other.
pub trait Facts: Send + Sync {
    /// The moment a start, stop or flush command runs at (`<time>` where there is no ban).
    fn now(&self) -> Time;

    /// The jail's own ban time.
    fn bantime(&self) -> BanTime;

    /// `<jail.banned>`, `<jail.banned_total>`, `<jail.found>`, `<jail.found_total>`.
    fn counts(&self) -> Counts {
        Counts::default()
    }

    /// The address's bans in the database, merged; `None` where there is none, and the ban itself
    /// is shown.
    fn history(&self, _ban: &Ban, _scope: History) -> Option<Merged> {
        None
    }

    /// `<ip-host>`: the address's name, where it has one that is found in reasonable time.
    fn host(&self, _address: IpAddr) -> Option<String> {
        None
    }

    /// `<fq-hostname>` (full) and `<sh-hostname>`.
    fn hostname(&self, _full: bool) -> String {
        String::new()
    }
}

/// A jail's counts, by fail2ban's tag names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub banned: u64,
    pub banned_total: u64,
    pub found: u64,
    pub found_total: u64,
}

/// Which of an address's bans are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// `<ipmatches>`, `<ipfailures>`.
    AllJails,
    /// `<ipjailmatches>`, `<ipjailfailures>`.
    ThisJail,
}

/// Several bans of one address as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Matched lines, oldest first.
    pub lines: Vec<String>,
    pub failures: u64,
}
