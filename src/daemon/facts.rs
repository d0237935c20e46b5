//! What this machine is: its names, its own addresses, whether IPv6 is on.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use nix::unistd::gethostname;

use crate::config::Firewall;
use crate::model::Network;

/// The addresses of this machine's interfaces, for `ignoreself`.
pub(super) fn own_addresses() -> Vec<Network> {
    let mut own = Vec::new();
    for interface in getifaddrs().into_iter().flatten() {
        let Some(address) = interface.address else {
            continue;
        };
        let ip: Option<IpAddr> = address
            .as_sockaddr_in()
            .map(|v4| IpAddr::V4(v4.ip()))
            .or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())));
        if let Some(ip) = ip {
            let network = Network::host(ip);
            if !own.contains(&network) {
                own.push(network);
            }
        }
    }
    own
}

/// What the host calls itself; empty when the kernel gives none.
pub(super) fn host_name() -> String {
    gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_default()
}

/// `allowipv6 = auto`: whether the kernel has IPv6 and it is not switched off.
pub(super) fn has_ipv6() -> bool {
    fs::read_to_string("/proc/sys/net/ipv6/conf/all/disable_ipv6")
        .is_ok_and(|text| text.trim() == "0")
}

/// The best there is to enforce bans with: programs in `path`, and what the kernel has for us.
pub fn firewall(path: Option<&str>) -> Firewall {
    let path = path.unwrap_or(crate::action::DEFAULT_PATH);
    let installed = |program: &str| {
        path.split(':')
            .any(|folder| Path::new(folder).join(program).exists())
    };
    if installed("nft") && crate::action::driver::nftables_answers() {
        Firewall::Nftables
    } else if installed("ipset") && crate::action::driver::ipset_answers() {
        Firewall::Ipset
    } else {
        Firewall::Iptables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_our_own() {
        let own = own_addresses();
        assert!(own.contains(&"127.0.0.1".parse().unwrap()), "{own:?}");
    }
}
