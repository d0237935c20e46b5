//! Bans collected into one mail: how many, from which networks, and the list.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::model::Time;

/// Bans that are kept one by one; beyond it they are counted.
pub(super) const KEPT: usize = 50_000;
/// Bans that are shown one by one.
const SHOWN: usize = 10_000;
/// What the list shows of one that is no address.
const ID: usize = 100;
const NETWORKS: usize = 10;

/// One ban, as a line of the file that collects them.
pub(super) fn line(time: Time, id: &str, attempts: u64) -> String {
    let id: String = id.chars().take(ID).collect();
    format!(
        "{}\t{attempts}\t{}\n",
        time.secs(),
        super::letter::clean(&id, false)
    )
}

/// The mail's text of the collected lines; `count` is how many bans there were.
pub(super) fn text(name: &str, host: &str, lines: &str, count: usize) -> String {
    let bans: Vec<(i64, &str, &str)> = lines.lines().filter_map(parse).collect();
    let count = count.max(bans.len());
    let mut text = format!("Hi,\n\n{count} hosts were banned by {name}");
    if let (Some(first), Some(last)) = (bans.first(), bans.last()) {
        text.push_str(&format!(
            ",\nfrom {} to {}",
            moment(first.0),
            moment(last.0)
        ));
    }
    text.push_str(".\n");
    let networks = networks(&bans);
    if !networks.is_empty() {
        text.push_str("\nNetworks with most of them:\n\n");
        for (network, hosts) in networks {
            text.push_str(&format!("{hosts:>8}  {network}\n"));
        }
    }
    text.push_str("\nThe list:\n\n");
    for (secs, attempts, id) in bans.iter().take(SHOWN) {
        text.push_str(&format!("{}  {id}  {attempts} attempts\n", moment(*secs)));
    }
    let more = count - bans.len().min(SHOWN);
    if more > 0 {
        text.push_str(&format!("… and {more} more\n"));
    }
    text.push_str("\nTo lift a ban:\n\n    rban unban ADDRESS\n");
    text.push_str(&format!("\n-- \nrban on {host}\n"));
    text
}

/// A line cut short by a crash is no ban.
fn parse(line: &str) -> Option<(i64, &str, &str)> {
    let mut fields = line.splitn(3, '\t');
    let secs = fields.next()?.parse().ok()?;
    Some((secs, fields.next()?, fields.next()?))
}

fn moment(secs: i64) -> String {
    let time = jiff::Timestamp::from_second(secs).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Networks (/24 and /64) with more than one ban, those with most first.
fn networks(bans: &[(i64, &str, &str)]) -> Vec<(String, usize)> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for (.., id) in bans {
        let address = id.split('/').next().and_then(|id| id.parse().ok());
        if let Some(network) = address.map(network) {
            *counts.entry(network).or_default() += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().filter(|(_, n)| *n > 1).collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(NETWORKS);
    counts
}

fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{}/64", std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_counts_groups_and_lists() {
        let at = Time::from_secs(1_700_000_000);
        let mut lines = String::new();
        for host in 1..=3 {
            lines += &line(at, &format!("203.0.113.{host}"), 5);
        }
        lines += &line(at, "2001:db8::1", 2);
        lines += "17000";
        let text = text("SSH", "web", &lines, 6);
        for part in [
            "6 hosts were banned by SSH,\nfrom 2023-11-14 22:13:20 UTC to",
            "       3  203.0.113.0/24\n",
            "2023-11-14 22:13:20 UTC  203.0.113.2  5 attempts\n",
            "2023-11-14 22:13:20 UTC  2001:db8::1  2 attempts\n",
            "… and 2 more\n",
            "rban unban ADDRESS",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("2001:db8::/64"), "one is no crowd: {text}");
    }
}
