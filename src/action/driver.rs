//! What an action does, as data, and who can do it: one trait, one file per driver, one table.

use std::fmt;
use std::time::Duration;

pub use super::process::Abort;
use super::script::Script;
use crate::mail::{Letter, Limits, Tell};
use crate::model::Record;

pub(super) mod connections;
mod ipset;
mod iptables;
pub(super) mod mail;
pub mod memory;
pub(super) mod netlink;
mod nftables;
mod shell;
pub(super) mod standing;

pub use ipset::Entry;
pub use iptables::Rule;
pub use nftables::{Element, Table};

/// Whether the kernel's nf_tables answers us.
pub fn nftables_answers() -> bool {
    nftables::answers()
}

/// Whether the kernel's ipset answers us.
pub fn ipset_answers() -> bool {
    netlink::ipset_answers()
}

/// One thing to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Anything at all, by the shell.
    Script(Script),
    /// An element of an nftables set.
    Element(Element),
    /// An iptables or ip6tables rule.
    Rule(Rule),
    /// An entry of an ipset.
    Entry(Entry),
    /// A mail, and how many like it there may be.
    Mail(Box<(Letter, Limits)>),
}

impl Operation {
    /// Who carries it out.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Script(_) => Kind::Shell,
            Self::Element(_) => Kind::Nftables,
            Self::Rule(_) => Kind::Iptables,
            Self::Entry(_) => Kind::Ipset,
            Self::Mail(_) => Kind::Mail,
        }
    }
}

/// Whether an address goes in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Add,
    Delete,
}

/// What came of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Was to go out of a set whose elements expire, and is not in it: it expired before.
    Expired,
    /// Refused, with the reason.
    Failed(String),
    /// Beyond this driver, which has changed nothing; the shell knows.
    Declined(String),
}

impl Outcome {
    pub fn is_done(&self) -> bool {
        *self == Self::Done
    }
}

/// What a driver works with.
pub struct Bench<'a> {
    /// Time limit of each program it runs.
    pub limit: Duration,
    /// `PATH` of those programs.
    pub path: &'a str,
    /// Ends what it runs.
    pub abort: &'a Abort,
    /// Where to say what happened.
    pub log: &'a mut dyn FnMut(Record),
    /// What hears of mails, long after they were handed in.
    pub tell: &'a Tell,
}

impl fmt::Debug for Bench<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Carries out operations of its kind.
///
/// A batch is in order and names no address twice; the answer has one outcome per operation. One
/// that fails leaves the others standing. No driver retries or repairs what failed: that policy
/// lives once, in its caller.
pub trait Driver: Send {
    fn apply(&mut self, batch: &[Operation], bench: &mut Bench<'_>) -> Vec<Outcome>;
}

/// The drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Shell,
    Nftables,
    Iptables,
    Ipset,
    Mail,
}

type Make = fn() -> Box<dyn Driver>;

/// Every driver: its kind, its name in `status`, how it is made.
const DRIVERS: &[(Kind, &str, Make)] = &[
    (Kind::Shell, "shell", || Box::new(shell::Shell)),
    (Kind::Nftables, "nftables", || {
        Box::<nftables::Nftables>::default()
    }),
    (Kind::Iptables, "iptables", || Box::new(iptables::Iptables)),
    (Kind::Ipset, "ipset", || Box::new(ipset::Ipset)),
    (Kind::Mail, "mail", || Box::<mail::Mail>::default()),
];

impl Kind {
    pub fn name(self) -> &'static str {
        let (_, name, _) = self.entry();
        name
    }

    /// The real driver.
    pub fn driver(self) -> Box<dyn Driver> {
        let (_, _, make) = self.entry();
        make()
    }

    fn entry(self) -> &'static (Self, &'static str, Make) {
        DRIVERS
            .iter()
            .find(|(kind, _, _)| *kind == self)
            .expect("every kind is in the table, which a test holds")
    }
}
