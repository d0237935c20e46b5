//! What an answer says: where it points to, which network it is about, and itself as plain text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::mail::letter::clean;
use crate::model::Network;

/// A network no registry would give to one owner: an answer about more is about nothing.
const WIDEST: (u8, u8) = (8, 12);
/// What an answer counts for that does not say.
const USUAL: (u8, u8) = (24, 48);

/// Why an answer is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Length,
    Time,
}

/// The server an answer points to.
pub(super) fn referral(answer: &str) -> Option<String> {
    const KEYS: &[&str] = &["refer", "whois", "referralserver", "resourcelink"];
    answer.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        let key = key.trim().to_ascii_lowercase();
        if !KEYS.contains(&key.as_str()) {
            return None;
        }
        let value = value.trim();
        let value = match value.split_once("://") {
            Some(("whois", rest)) => rest,
            Some(_) => return None,
            None => value,
        };
        let value = value.trim_end_matches('/').to_ascii_lowercase();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        let name = value.contains('.') && value.len() <= 255 && value.chars().all(fits);
        name.then_some(value)
    })
}

/// UTF-8 as it is, anything else as Latin-1's superset; only text and line ends stay.
pub(super) fn plain(answer: &[u8], cut: Option<Cut>) -> String {
    let text = match std::str::from_utf8(answer) {
        Ok(text) => text.into(),
        // An answer cut in the middle of a character is still UTF-8.
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(answer),
        Err(_) => encoding_rs::WINDOWS_1252.decode(answer).0,
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut text = clean(text.trim_end(), true);
    text.push('\n');
    match cut {
        None => {}
        Some(Cut::Length) => text.push_str("(cut: the answer is longer)\n"),
        Some(Cut::Time) => text.push_str("(cut: the rest did not come in time)\n"),
    }
    text
}

/// The network an answer about an address is good for: the smallest it names around it.
pub(super) fn network(answer: &str, address: IpAddr) -> Network {
    const KEYS: &[&str] = &["inetnum", "inet6num", "netrange", "cidr", "network"];
    let mut found: Option<Network> = None;
    for line in answer.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        if !KEYS.contains(&key.trim().to_ascii_lowercase().as_str()) {
            continue;
        }
        for network in networks(value, address) {
            let closer = found.is_none_or(|found| network.prefix() > found.prefix());
            if network.contains(&Network::host(address)) && closer {
                found = Some(network);
            }
        }
    }
    let of = |(v4, v6): (u8, u8)| if address.is_ipv4() { v4 } else { v6 };
    found
        .filter(|found| found.prefix() >= of(WIDEST))
        .or_else(|| Network::new(address, of(USUAL)).ok())
        .unwrap_or_else(|| Network::host(address))
}

/// `192.0.2.0 - 192.0.2.255`, `2001:db8::/32`, `192.0.2.0/25, 192.0.2.128/26`. A range that is no
/// prefix counts as the largest prefix around the address that lies within it.
fn networks(value: &str, address: IpAddr) -> Vec<Network> {
    if let Some((from, to)) = value.split_once(" - ") {
        let from = from.trim().parse::<IpAddr>();
        let to = to.split_whitespace().next().unwrap_or_default().parse();
        return match (from, to) {
            (Ok(from), Ok(to)) => within(from, to, address).into_iter().collect(),
            (Ok(_) | Err(_), _) => Vec::new(),
        };
    }
    let words = value
        .split([',', ' ', '\t'])
        .filter(|word| word.contains('/'));
    words.filter_map(|word| word.parse().ok()).collect()
}

fn within(from: IpAddr, to: IpAddr, address: IpAddr) -> Option<Network> {
    let longest = if address.is_ipv4() { 32 } else { 128 };
    (0..=longest)
        .filter_map(|prefix| Network::new(address, prefix).ok())
        .find(|network| from <= network.address() && last(network) <= to)
        .filter(|_| from.is_ipv4() == address.is_ipv4() && to.is_ipv4() == address.is_ipv4())
}

/// The last address of a network.
fn last(network: &Network) -> IpAddr {
    match network.address() {
        IpAddr::V4(first) => {
            let rest = u32::MAX.checked_shr(network.prefix().into()).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(first) | rest))
        }
        IpAddr::V6(first) => {
            let rest = u128::MAX.checked_shr(network.prefix().into()).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(first) | rest))
        }
    }
}

/// Whether an address may be anybody's: not one of a private network, this machine or this link.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || a == 0
                || shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_plain_text() {
        assert_eq!(plain(b"a\r\nb\x1b[2J\0", None), "a\nb\u{fffd}[2J\u{fffd}\n");
        assert_eq!(plain(b"M\xfcnchen\x9d\rb", None), "München\u{fffd}\nb\n");
        assert_eq!(plain("München\r\n\r\n".as_bytes(), None), "München\n");
        assert_eq!(plain("Mü".as_bytes()[..2].as_ref(), None), "M\u{fffd}\n");
        let cut = plain(b"a", Some(Cut::Time));
        assert_eq!(cut, "a\n(cut: the rest did not come in time)\n");
    }

    #[test]
    fn a_referral_is_a_host_name_and_nothing_else() {
        for (line, server) in [
            ("refer:        whois.arin.net", Some("whois.arin.net")),
            (
                "ReferralServer: whois://Whois.RIPE.net:4343/",
                Some("whois.ripe.net:4343"),
            ),
            ("ReferralServer: rwhois://rwhois.example.net:4321", None),
            ("ResourceLink: https://example.net/", None),
            ("refer: x", None),
            ("refer: a.example; reboot", None),
            ("remarks: refer to whois.example.net", None),
        ] {
            assert_eq!(referral(line).as_deref(), server, "{line}");
        }
    }

    #[test]
    fn an_answer_counts_for_the_smallest_network_it_names_around_the_address() {
        for (answer, address, expected) in [
            (
                "inetnum: 192.0.2.0 - 192.0.2.255",
                "192.0.2.9",
                "192.0.2.0/24",
            ),
            (
                "NetRange:  192.0.2.0 - 192.0.2.130",
                "192.0.2.9",
                "192.0.2.0/25",
            ),
            (
                "NetRange:  192.0.2.0 - 192.0.2.130",
                "192.0.2.129",
                "192.0.2.128/31",
            ),
            (
                "CIDR: 198.51.100.0/24, 192.0.2.0/26",
                "192.0.2.9",
                "192.0.2.0/26",
            ),
            (
                "CIDR: 192.0.2.0/24\nCIDR: 192.0.2.8/29",
                "192.0.2.9",
                "192.0.2.8/29",
            ),
            (
                "inet6num: 2001:db8:1::/46",
                "2001:db8:1::5",
                "2001:db8::/46",
            ),
            (
                "inet6num: 2001:db8:2::/48",
                "2001:db8:1::5",
                "2001:db8:1::/48",
            ),
            (
                "inetnum: 0.0.0.0 - 255.255.255.255",
                "192.0.2.9",
                "192.0.2.0/24",
            ),
            (
                "inetnum: 192.0.2.255 - 192.0.2.0",
                "192.0.2.9",
                "192.0.2.0/24",
            ),
            ("inetnum: :: - ffff::", "192.0.2.9", "192.0.2.0/24"),
            ("inetnum: x - y\ncidr: /,/", "192.0.2.9", "192.0.2.0/24"),
            ("", "192.0.2.9", "192.0.2.0/24"),
            ("", "2001:db8:1:2::5", "2001:db8:1::/48"),
        ] {
            let found = network(answer, address.parse().unwrap());
            assert_eq!(found.to_string(), expected, "{answer}");
        }
    }

    #[test]
    fn private_addresses_are_nobodys() {
        for text in [
            "10.1.2.3",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.1.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "224.0.0.1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["192.0.2.1", "100.128.0.1", "2001:db8::1"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
