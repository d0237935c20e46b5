//! What a ban is worth: packets between two network namespaces, refused, dropped or let through.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rban::action::Job;
use rban::model::ActionSettings;

use crate::bench::{LONG, Lab, settings};
use crate::support::{Room, has, in_namespace, said};

pub(crate) const PORT: u16 = 2222;

/// How long a dropped packet is waited for. Answers over a veth pair take microseconds.
const SILENCE: Duration = Duration::from_millis(400);

/// How long an answer is waited for that has to come. A refusal over IPv6 is heard at the second
/// try only, a second later: the first comes while the connecting socket is busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// nftables: one table, a set and a rule per family. `VERDICT` is what happens to the banned.
const NFTABLES: &[(&str, &str)] = &[
    (
        "actionstart",
        "nft add table inet lab\n\
         nft add chain inet lab input '{ type filter hook input priority -1; }'\n\
         nft add set inet lab <set> '{ type <type>; }'\n\
         nft add rule inet lab input tcp dport 2222 <family-word> saddr @<set> <verdict>",
    ),
    (
        "actionstop",
        "nft flush chain inet lab input; nft delete set inet lab <set>",
    ),
    (
        "actioncheck",
        "nft list chain inet lab input | grep -q '@<set> '",
    ),
    ("actionflush", "nft flush set inet lab <set>"),
    ("actionban", "nft add element inet lab <set> \\{ <ip> \\}"),
    (
        "actionunban",
        "nft delete element inet lab <set> \\{ <ip> \\}",
    ),
    ("set", "four"),
    ("set?family=inet6", "six"),
    ("type", "ipv4_addr"),
    ("type?family=inet6", "ipv6_addr"),
    ("family-word", "ip"),
    ("family-word?family=inet6", "ip6"),
];

/// iptables: a chain per family, a rule per address.
const IPTABLES: &[(&str, &str)] = &[
    (
        "actionstart",
        "<tables> -N f2b-lab && <tables> -A f2b-lab -j RETURN && \
         <tables> -I INPUT -p tcp --dport 2222 -j f2b-lab",
    ),
    (
        "actionstop",
        "<tables> -D INPUT -p tcp --dport 2222 -j f2b-lab; <tables> -F f2b-lab; <tables> -X f2b-lab",
    ),
    (
        "actioncheck",
        "<tables> -C INPUT -p tcp --dport 2222 -j f2b-lab",
    ),
    ("actionflush", "<tables> -F f2b-lab"),
    ("actionban", "<tables> -I f2b-lab 1 -s <ip> -j <verdict>"),
    ("actionunban", "<tables> -D f2b-lab -s <ip> -j <verdict>"),
    ("tables", "iptables -w"),
    ("tables?family=inet6", "ip6tables -w"),
];

/// ipset: a set per family, matched by one iptables rule.
const IPSET: &[(&str, &str)] = &[
    (
        "actionstart",
        "ipset create <set> hash:ip family <family> timeout 0 && \
         <tables> -I INPUT -p tcp --dport 2222 -m set --match-set <set> src -j <verdict>",
    ),
    (
        "actionstop",
        "<tables> -D INPUT -p tcp --dport 2222 -m set --match-set <set> src -j <verdict>; \
         ipset destroy <set>",
    ),
    ("actionflush", "ipset flush <set>"),
    ("actionban", "ipset -exist add <set> <ip> timeout <bantime>"),
    ("actionunban", "ipset -exist del <set> <ip>"),
    ("tables", "iptables -w"),
    ("tables?family=inet6", "ip6tables -w"),
    ("set", "lab-four"),
    ("set?family=inet6", "lab-six"),
    ("family", "inet"),
    ("family?family=inet6", "inet6"),
];

fn action(options: &[(&str, &str)], verdict: &str) -> ActionSettings {
    let mut options = options.to_vec();
    options.push(("verdict", verdict));
    settings(&options)
}

/// How a connection attempt ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Open,
    Refused,
    Silent,
}

use Answer::{Open, Refused, Silent};

/// The other machine: two addresses of each family, and a cable to ours.
pub(crate) struct Attacker {
    pub(crate) room: Room,
    patience: Duration,
}

/// The attacker's addresses, of which the first of each family attacks.
pub(crate) const GUILTY: [&str; 2] = ["192.0.2.66", "2001:db8::66"];
pub(crate) const BYSTANDER: [&str; 2] = ["192.0.2.7", "2001:db8::7"];

impl Attacker {
    /// To be made in the defender's namespace.
    pub(crate) fn new(banned: &Answer) -> Self {
        let patience = if *banned == Silent { SILENCE } else { PATIENCE };
        let room = Room::new();
        said(&format!(
            "ip link add eth0 type veth peer name eth0 netns {}
             ip addr add 192.0.2.1/24 dev eth0
             ip addr add 2001:db8::1/64 dev eth0 nodad
             ip link set eth0 up",
            room.thread
        ));
        room.said(
            "for a in 192.0.2.66/24 192.0.2.7/24; do ip addr add $a dev eth0; done
             for a in 2001:db8::66/64 2001:db8::7/64; do ip addr add $a dev eth0 nodad; done
             ip link set eth0 up",
        );
        // Both ends know each other before anybody's silence means something.
        let mut attacker = Self {
            room,
            patience: PATIENCE,
        };
        for from in GUILTY.into_iter().chain(BYSTANDER) {
            attacker.tries(from);
        }
        attacker.patience = patience;
        attacker
    }

    /// Tries the defender from one of our addresses.
    pub(crate) fn tries(&self, from: &str) -> Answer {
        let from: IpAddr = from.parse().expect("an address");
        let patience = self.patience;
        self.room.run(move || {
            let to: IpAddr = match from {
                IpAddr::V4(_) => "192.0.2.1".parse(),
                IpAddr::V6(_) => "2001:db8::1".parse(),
            }
            .expect("an address");
            // The kernel takes the source address of the route to the destination.
            let family = if from.is_ipv4() { "-4" } else { "-6" };
            said(&format!(
                "ip {family} route replace {to} dev eth0 src {from}"
            ));
            match TcpStream::connect_timeout(&SocketAddr::new(to, PORT), patience) {
                Ok(connection) => {
                    assert_eq!(connection.local_addr().expect("an address").ip(), from);
                    Open
                }
                Err(e) if e.kind() == ErrorKind::ConnectionRefused => Refused,
                Err(e) if e.kind() == ErrorKind::TimedOut => Silent,
                Err(e) => panic!("{from}: {e}"),
            }
        })
    }
}

/// A life of an action with an attacker at the door.
pub(crate) fn siege(settings: &ActionSettings, native: bool, banned: &Answer) {
    in_namespace(|| {
        let attacker = Attacker::new(banned);
        let _four = TcpListener::bind(("192.0.2.1", PORT)).expect("a port");
        let _six = TcpListener::bind(("2001:db8::1", PORT)).expect("a port");
        let lab = Lab::new(settings.clone(), native);
        for (guilty, bystander) in GUILTY.into_iter().zip(BYSTANDER) {
            assert_eq!(attacker.tries(guilty), Open);
            lab.ban(guilty);
            assert_eq!(attacker.tries(guilty), *banned, "{guilty} {:#?}", lab.log());
            assert_eq!(attacker.tries(bystander), Open);
            lab.unban(guilty);
            assert_eq!(attacker.tries(guilty), Open, "{guilty} {:#?}", lab.log());
            lab.ban(guilty);
            lab.ban(bystander);
            assert_eq!(attacker.tries(bystander), *banned);
            lab.send(Job::Flush);
            assert_eq!(attacker.tries(guilty), Open);
            lab.ban(guilty);
            assert_eq!(attacker.tries(guilty), *banned);
        }
        assert!(lab.worker.stop(LONG));
        assert_eq!(attacker.tries(GUILTY[0]), Open);
        lab.assert_quiet();
    });
}

#[test]
fn banned_by_nftables_no_packet_gets_through() {
    if has(&["nft", "ip"]) {
        siege(&action(NFTABLES, "reject"), true, &Refused);
        siege(&action(NFTABLES, "drop"), true, &Silent);
    }
}

#[test]
fn banned_by_iptables_no_packet_gets_through() {
    if has(&["iptables", "ip6tables", "ip"]) {
        siege(&action(IPTABLES, "REJECT"), true, &Refused);
        siege(&action(IPTABLES, "DROP"), true, &Silent);
    }
}

#[test]
fn banned_by_ipset_no_packet_gets_through() {
    if has(&["ipset", "iptables", "ip6tables", "ip"]) {
        siege(&action(IPSET, "REJECT"), true, &Refused);
        siege(&action(IPSET, "REJECT"), false, &Refused);
    }
}

/// The firewall loses all we made, as a careless reload of it does; the next ban brings all back.
pub(crate) fn resurrection(settings: &ActionSettings, disaster: &str) {
    in_namespace(|| {
        let attacker = Attacker::new(&Refused);
        let _four = TcpListener::bind(("192.0.2.1", PORT)).expect("a port");
        let lab = Lab::new(settings.clone(), true);
        lab.ban(GUILTY[0]);
        assert_eq!(attacker.tries(GUILTY[0]), Refused);
        said(disaster);
        assert_eq!(attacker.tries(GUILTY[0]), Open);
        lab.ban("198.51.100.1");
        assert_eq!(attacker.tries(GUILTY[0]), Refused, "{:#?}", lab.log());
        let log = lab.log();
        let reban = format!(
            "NOTICE [lab] Reban {}, action '{}'",
            GUILTY[0], settings.name
        );
        assert!(log.contains(&reban), "{log:#?}");
        assert!(
            !log.iter().any(|line| line.contains("Failed to execute")),
            "{log:#?}"
        );
        assert!(lab.worker.stop(LONG));
    });
}

#[test]
fn a_flushed_ruleset_is_back_at_the_next_ban() {
    if has(&["nft", "iptables", "ip"]) {
        resurrection(&action(NFTABLES, "reject"), "nft flush ruleset");
        resurrection(&action(NFTABLES, "reject"), "nft delete table inet lab");
        resurrection(&action(IPTABLES, "REJECT"), "iptables -F; iptables -X");
    }
}
