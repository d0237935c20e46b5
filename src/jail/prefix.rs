//! Networks instead of hosts: whoever has a whole IPv6 prefix to walk through is banned with it
//! (`banprefix6`), and so is a network too many of whose hosts were banned (`countprefix4`).
//!
//! No network is ever wider than configured, and none holds an address that must not be banned; the
//! caller asks that, and bans the host alone then.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::model::{FailId, Family, Network, PrefixSettings, Span, Time};

/// How many networks are counted at once; past it the ones heard of longest ago are forgotten.
const COUNTED: usize = 16_384;

/// What is known of networks whose hosts were banned.
#[derive(Clone, Debug, Default)]
pub(super) struct Prefixes {
    pub(super) settings: PrefixSettings,
    hosts: HashMap<Network, Counted>,
    /// Oldest first; an entry that is not the network's latest is void.
    order: VecDeque<(Network, Time)>,
}

#[derive(Clone, Debug)]
struct Counted {
    hosts: HashSet<Network>,
    last: Time,
}

impl Prefixes {
    pub(super) fn new(settings: PrefixSettings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// The network to ban instead of an address, where that is configured.
    pub(super) fn widened(&self, id: &FailId) -> Option<Network> {
        self.network(id, self.settings.ban4, self.settings.ban6)
    }

    /// Counts a banned host; the network it is one too many of. Hosts further apart in time than
    /// `findtime` are not counted together.
    pub(super) fn count(&mut self, id: &FailId, now: Time, findtime: Span) -> Option<Network> {
        let network = self.network(id, self.settings.count4, self.settings.count6)?;
        let host = *id.network()?;
        let counted = self.hosts.entry(network).or_insert_with(|| Counted {
            hosts: HashSet::new(),
            last: now,
        });
        if now - counted.last > findtime {
            counted.hosts.clear();
        }
        counted.last = now;
        counted.hosts.insert(host);
        let reached = counted.hosts.len() >= self.settings.hosts as usize;
        if reached {
            self.hosts.remove(&network);
        } else {
            self.order.push_back((network, now));
        }
        self.tidy(now, findtime);
        reached.then_some(network)
    }

    fn network(&self, id: &FailId, four: Option<u8>, six: Option<u8>) -> Option<Network> {
        let host = id.network().filter(|network| network.is_host())?;
        let prefix = match host.family() {
            Family::Inet4 => four,
            Family::Inet6 => six,
        }?;
        let network = Network::new(host.address(), prefix).ok()?;
        (!network.is_host()).then_some(network)
    }

    fn tidy(&mut self, now: Time, findtime: Span) {
        while let Some((network, noted)) = self.order.front().copied() {
            let full = self.order.len() > COUNTED;
            if !full && now - noted <= findtime {
                return;
            }
            self.order.pop_front();
            let latest = self.hosts.get(&network).map(|counted| counted.last);
            if latest.is_some_and(|last| last <= noted) {
                self.hosts.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes() -> Prefixes {
        Prefixes::new(PrefixSettings {
            ban4: None,
            ban6: Some(64),
            count4: Some(24),
            count6: Some(48),
            hosts: 3,
        })
    }

    fn at(secs: i64) -> Time {
        Time::from_secs(secs)
    }

    const FINDTIME: Span = Span::from_secs(600);

    #[test]
    fn an_address_becomes_its_prefix_and_all_else_stays() {
        let prefixes = prefixes();
        let widened = |id: &str| prefixes.widened(&FailId::parse(id)).map(|n| n.to_string());
        assert_eq!(
            widened("2001:db8:1:2:3::4").as_deref(),
            Some("2001:db8:1:2::/64")
        );
        assert_eq!(widened("192.0.2.1"), None);
        assert_eq!(widened("2001:db8::/32"), None);
        assert_eq!(widened("alice"), None);
    }

    #[test]
    fn distinct_hosts_make_the_count() {
        let mut prefixes = prefixes();
        let mut count = |id: &str, secs| prefixes.count(&FailId::parse(id), at(secs), FINDTIME);
        assert_eq!(count("192.0.2.1", 0), None);
        assert_eq!(count("192.0.2.1", 1), None);
        assert_eq!(count("192.0.2.2", 2), None);
        assert_eq!(count("198.51.100.3", 3), None);
        let full = count("192.0.2.3", 4).expect("the third host");
        assert_eq!(full.to_string(), "192.0.2.0/24");
        assert_eq!(count("192.0.2.4", 5), None, "counted from the beginning");
    }

    #[test]
    fn what_is_long_ago_does_not_count_and_is_forgotten() {
        let mut prefixes = prefixes();
        for (host, secs) in [("192.0.2.1", 0), ("192.0.2.2", 1), ("192.0.2.3", 700)] {
            assert_eq!(
                prefixes.count(&FailId::parse(host), at(secs), FINDTIME),
                None
            );
        }
        prefixes.count(&FailId::parse("198.51.100.1"), at(5000), FINDTIME);
        assert_eq!((prefixes.hosts.len(), prefixes.order.len()), (1, 1));
    }

    #[test]
    fn the_number_of_networks_is_bounded() {
        let mut prefixes = prefixes();
        for n in 0..2 * COUNTED as u32 {
            let host = Network::host(std::net::Ipv4Addr::from_bits(n << 8).into());
            prefixes.count(&FailId::Net(host), at(1), FINDTIME);
        }
        assert!(prefixes.hosts.len() <= COUNTED && prefixes.order.len() <= COUNTED);
    }
}
