//! A firewall's rules as data, to answer one question: does what an address sends come to the rule
//! that holds a ban, or does a rule before it let it through?
//!
//! What a rule asks beyond address, protocol and port is not understood here and counts as "perhaps".
//! Only rules of the ban's own table and base chain matter: that another table accepts a packet ends
//! nothing, in nf_tables as in iptables.

use std::net::IpAddr;

use crate::model::{Family, Network};

pub(super) mod iptables;
pub(super) mod nft;

/// How deep chains may lead into each other; the kernel has no loops and a similar bound.
const DEEPEST: usize = 16;

/// A chain of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) name: String,
    /// Packets enter here on their way in or through.
    pub(super) base: bool,
    pub(super) rules: Vec<Rule>,
}

/// A rule as it is shown, what it asks of a packet, and what becomes of one that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) text: String,
    pub(super) sources: Vec<Source>,
    pub(super) packets: Packets,
    pub(super) end: End,
}

/// Which packets of an address a rule is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packets {
    /// `None`: all.
    pub(super) protocols: Option<Vec<String>>,
    pub(super) ports: Option<Vec<(u16, u16)>>,
    /// Only those of connections that are there.
    pub(super) established: bool,
    /// Only what this machine sends itself.
    pub(super) loopback: bool,
    /// It asks more than is understood.
    pub(super) more: bool,
}

/// Where a packet must come from, or must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) negated: bool,
    pub(super) family: Option<Family>,
    pub(super) from: From,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// First and last address of each.
    Ranges(Vec<(IpAddr, IpAddr)>),
    /// A set the kernel holds, by its name.
    Set(String),
}

/// What becomes of a packet that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    /// It goes on with the next rule.
    #[default]
    On,
    Accept,
    Return,
    Drop,
    Jump(String),
    Goto(String),
}

/// How packets come to a ban from one base chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The rules on the way, each with its chain; the last is the one that looks for the ban.
    pub through: Vec<String>,
    /// What lets packets by before that.
    pub before: Vec<Passing>,
}

/// A rule that lets packets pass by a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing {
    pub rule: String,
    pub lets: Lets,
}

/// How much it lets through of what the ban is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lets {
    Everything,
    /// Only what belongs to connections that were open before.
    Established,
    /// Some ports, or what else the rule asks for.
    Some,
}

impl Lets {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::Established => "established",
            Self::Some => "some",
        }
    }
}

/// Whether a packet fits; the less certain comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Never,
    Perhaps,
    Always,
}

/// Looks for the ways to a ban.
pub(super) struct Search<'a> {
    pub(super) chains: &'a [Chain],
    pub(super) address: Network,
    /// Whether a rule of a chain is the one that holds the ban.
    pub(super) ours: &'a dyn Fn(&Chain, &Rule) -> bool,
    /// A chain whose end holds the ban where no rule of it is [`Search::ours`]: of a long one only
    /// the beginning is known.
    pub(super) at_the_end_of: Option<&'a str>,
    /// Whether a set holds the address; `None` where that cannot be known.
    pub(super) member: &'a dyn Fn(&str) -> Option<bool>,
}

/// A rule that may let packets by, while it is not known whether the ban comes behind it.
struct Candidate {
    rule: String,
    packets: Packets,
    fit: Fit,
    /// It only ends its own chain.
    returns: bool,
}

impl Search<'_> {
    /// One way for each base chain that leads there.
    pub(super) fn ways(&self) -> Vec<Way> {
        let bases = self.chains.iter().filter(|chain| chain.base);
        bases.filter_map(|chain| self.way(chain)).collect()
    }

    fn way(&self, chain: &Chain) -> Option<Way> {
        let (mut candidates, mut through) = (Vec::new(), Vec::new());
        let always = (Packets::default(), Fit::Always);
        let ours = self.walk(chain, &always, &mut candidates, &mut through)?;
        let before = candidates.into_iter();
        Some(Way {
            through,
            before: before.filter_map(|passing| passing.by(&ours)).collect(),
        })
    }

    /// Follows a chain to the ban; which packets come to it, or `None` where none do.
    fn walk(
        &self,
        chain: &Chain,
        (packets, fit): &(Packets, Fit),
        candidates: &mut Vec<Candidate>,
        through: &mut Vec<String>,
    ) -> Option<Packets> {
        if through.len() >= DEEPEST {
            return None;
        }
        for rule in &chain.rules {
            let shown = format!("{}: {}", chain.name, rule.text);
            let packets = packets.and(&rule.packets);
            if (self.ours)(chain, rule) {
                through.push(shown);
                return Some(packets);
            }
            let fit = (*fit).min(self.fit(rule));
            if fit == Fit::Never || rule.packets.loopback {
                continue;
            }
            let candidate = |returns| Candidate {
                rule: shown.clone(),
                packets: packets.clone(),
                fit,
                returns,
            };
            let target = match &rule.end {
                End::On | End::Drop => continue,
                End::Accept => {
                    candidates.push(candidate(false));
                    continue;
                }
                End::Return => {
                    candidates.push(candidate(true));
                    continue;
                }
                End::Jump(target) | End::Goto(target) => target,
            };
            let Some(target) = self.chains.iter().find(|chain| chain.name == *target) else {
                continue;
            };
            let before = candidates.len();
            through.push(shown.clone());
            let within = (packets.clone(), fit);
            if let Some(found) = self.walk(target, &within, candidates, through) {
                return Some(found);
            }
            through.pop();
            // What left that chain early has come back here.
            let mut place = 0;
            candidates.retain(|candidate| {
                place += 1;
                place <= before || !candidate.returns
            });
            if matches!(rule.end, End::Goto(_)) {
                candidates.push(candidate(true));
            }
        }
        (self.at_the_end_of == Some(chain.name.as_str())).then(|| packets.clone())
    }

    /// Whether packets of the address fit a rule, as far as their source goes.
    fn fit(&self, rule: &Rule) -> Fit {
        let each = rule.sources.iter().map(|source| self.fit_source(source));
        each.min().unwrap_or(Fit::Always)
    }

    fn fit_source(&self, source: &Source) -> Fit {
        if source
            .family
            .is_some_and(|family| family != self.address.family())
        {
            return Fit::Never;
        }
        let fit = match &source.from {
            From::Set(name) => match (self.member)(name) {
                Some(true) => Fit::Always,
                Some(false) => Fit::Never,
                None => Fit::Perhaps,
            },
            From::Ranges(ranges) => {
                let each = ranges.iter().map(|range| fit_range(*range, &self.address));
                each.max().unwrap_or(Fit::Never)
            }
        };
        match (fit, source.negated) {
            (Fit::Always, true) => Fit::Never,
            (Fit::Never, true) => Fit::Always,
            (fit, _) => fit,
        }
    }
}

/// How a range and an address or network lie to each other.
fn fit_range((first, last): (IpAddr, IpAddr), address: &Network) -> Fit {
    let (from, to) = ends(address);
    if first.is_ipv4() != from.is_ipv4() || last < from || first > to {
        Fit::Never
    } else if first <= from && to <= last {
        Fit::Always
    } else {
        Fit::Perhaps
    }
}

/// First and last address of a network.
pub(super) fn ends(network: &Network) -> (IpAddr, IpAddr) {
    let prefix = u32::from(network.prefix());
    match network.address() {
        IpAddr::V4(first) => {
            let hosts = u32::MAX.checked_shr(prefix).unwrap_or(0);
            (first.into(), IpAddr::V4((first.to_bits() | hosts).into()))
        }
        IpAddr::V6(first) => {
            let hosts = u128::MAX.checked_shr(prefix).unwrap_or(0);
            (first.into(), IpAddr::V6((first.to_bits() | hosts).into()))
        }
    }
}

/// `192.0.2.1`, `192.0.2.0/24` or `192.0.2.1-192.0.2.9`.
pub(super) fn range(text: &str) -> Option<(IpAddr, IpAddr)> {
    if let Some((first, last)) = text.split_once('-') {
        return Some((first.parse().ok()?, last.parse().ok()?));
    }
    text.parse().ok().as_ref().map(ends)
}

/// `22`, `80-90` or `80:90`, between commas.
pub(super) fn ports(text: &str) -> Option<Vec<(u16, u16)>> {
    let one = |text: &str| -> Option<(u16, u16)> {
        match text.trim().split_once(['-', ':']) {
            Some((first, last)) => Some((first.parse().ok()?, last.parse().ok()?)),
            None => text.trim().parse().ok().map(|port| (port, port)),
        }
    };
    text.split(',').map(one).collect()
}

/// Whether all that is asked for are connections that are there.
pub(super) fn only_established(states: &str) -> bool {
    states.split(',').all(|state| {
        let state = state.trim();
        state.eq_ignore_ascii_case("established") || state.eq_ignore_ascii_case("related")
    })
}

impl Packets {
    /// What fits both; of two lists of ports the later counts, which is the narrower in practice.
    fn and(&self, other: &Self) -> Self {
        Self {
            protocols: other.protocols.clone().or_else(|| self.protocols.clone()),
            ports: other.ports.clone().or_else(|| self.ports.clone()),
            established: self.established || other.established,
            loopback: self.loopback || other.loopback,
            more: self.more || other.more,
        }
    }

    fn misses(&self, other: &Self) -> bool {
        let protocols = match (&self.protocols, &other.protocols) {
            (Some(ours), Some(theirs)) => !ours.iter().any(|name| theirs.contains(name)),
            _ => false,
        };
        let ports = match (&self.ports, &other.ports) {
            (Some(ours), Some(theirs)) => !ours
                .iter()
                .any(|(a, b)| theirs.iter().any(|(c, d)| a <= d && c <= b)),
            _ => false,
        };
        protocols || ports
    }

    /// Whether all packets of another kind are of this one.
    fn covers(&self, other: &Self) -> bool {
        let protocols = match (&self.protocols, &other.protocols) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => theirs.iter().all(|name| ours.contains(name)),
        };
        let ports = match (&self.ports, &other.ports) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => theirs
                .iter()
                .all(|(a, b)| ours.iter().any(|(c, d)| c <= a && b <= d)),
        };
        protocols && ports && !self.established && !self.more
    }
}

impl Candidate {
    /// What it means for a ban that is about these packets.
    fn by(self, ban: &Packets) -> Option<Passing> {
        if self.packets.misses(ban) {
            return None;
        }
        let lets = if self.fit == Fit::Always && self.packets.covers(ban) {
            Lets::Everything
        } else if self.packets.established {
            Lets::Established
        } else {
            Lets::Some
        };
        Some(Passing {
            rule: self.rule,
            lets,
        })
    }
}

#[cfg(test)]
mod tests;
