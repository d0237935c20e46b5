//! Our own table in nftables: what it lets through, how it ends, and that it stays true.

use std::net::TcpListener;
use std::sync::{Arc, mpsc};

use rban::action::{Disturbance, Job, Watch};
use rban::config::{Config, Disk, Facts, Firewall, Inputs};
use rban::model::{ActionSettings, Ban, BanTime};

use crate::bench::{LONG, Lab, ban};
use crate::packets::Answer::{Open, Refused, Silent};
use crate::packets::{Attacker, BYSTANDER, GUILTY, PORT, resurrection, siege};
use crate::support::{Room, has, in_namespace, said};

/// The shipped action with these options, as a jail called `lab` has it.
pub(crate) fn table(options: &str) -> ActionSettings {
    shipped(&format!("rban[name=lab{options}]"))
}

/// Any action of ours, with its options in brackets.
pub(crate) fn shipped(action: &str) -> ActionSettings {
    let dir = tempfile::tempdir().expect("a folder");
    let vendor = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    let jail = format!(
        "[lab]\nenabled = true\nfilter = sshd\nlogpath = /etc/hostname\naction = {action}\n"
    );
    std::fs::write(dir.path().join("jail.local"), jail).expect("written");
    let facts = Facts {
        firewall: Firewall::Nftables,
        fail2ban_version: "1.1.1".into(),
    };
    let inputs = Inputs {
        vendor: Some(vendor.into()),
        ..Inputs::only(dir.path(), facts)
    };
    let loaded = Config::read(&Disk, &inputs).expect("read").load();
    let jail = loaded.jails.into_iter().find(|jail| jail.name == "lab");
    let mut actions = jail.expect("the jail").actions;
    actions.pop().expect("its action")
}

fn nft() -> String {
    said("nft list ruleset")
}

/// A ban that does not last as long as the others.
fn ban_for(address: &str, bantime: BanTime) -> Arc<Ban> {
    let mut ban = Ban::clone(&ban(address));
    ban.bantime = bantime;
    Arc::new(ban)
}

#[test]
fn banned_in_our_table_no_packet_gets_through() {
    if has(&["nft", "ip"]) {
        siege(&table(", port=2222"), true, &Refused);
        siege(&table(", port=2222, blocktype=drop"), true, &Silent);
        siege(
            &table(", port=\"ssh,2000:3000\", protocol=\"tcp,udp\""),
            true,
            &Refused,
        );
        siege(&table(", type=allports, protocol=all"), false, &Refused);
    }
}

#[test]
fn other_ports_stay_open() {
    if !has(&["nft", "ip"]) {
        return;
    }
    in_namespace(|| {
        let attacker = Attacker::new(&Refused);
        let _open = TcpListener::bind(("192.0.2.1", PORT)).expect("a port");
        let lab = Lab::new(table(", port=ssh"), true);
        lab.ban(GUILTY[0]);
        assert_eq!(attacker.tries(GUILTY[0]), Open);
        lab.assert_quiet();
    });
}

#[test]
fn a_network_is_banned_as_a_whole() {
    if !has(&["nft", "ip"]) {
        return;
    }
    in_namespace(|| {
        let attacker = Attacker::new(&Refused);
        let _four = TcpListener::bind(("192.0.2.1", PORT)).expect("a port");
        let _six = TcpListener::bind(("2001:db8::1", PORT)).expect("a port");
        let lab = Lab::new(table(", port=2222"), true);
        for (network, at) in [("192.0.2.64/26", 0), ("2001:db8::40/122", 1)] {
            lab.ban(network);
            assert_eq!(attacker.tries(GUILTY[at]), Refused);
            assert_eq!(attacker.tries(BYSTANDER[at]), Open);
            lab.unban(network);
            assert_eq!(attacker.tries(GUILTY[at]), Open);
        }
        lab.assert_quiet();
    });
}

/// A container behind us: port 2222 of ours is port 22 of the container's.
#[test]
fn a_containers_published_port_is_covered() {
    if !has(&["nft", "ip"]) {
        return;
    }
    in_namespace(|| {
        let attacker = Attacker::new(&Refused);
        let container = Room::new();
        said(&format!(
            "sysctl -qw net.ipv4.ip_forward=1
             ip link add pod type veth peer name eth0 netns {}
             ip addr add 10.9.0.1/24 dev pod && ip link set pod up
             nft 'add table ip published; add chain ip published pre {{ type nat hook prerouting priority -100; }};
                  add rule ip published pre tcp dport 2222 dnat to 10.9.0.2:22'",
            container.thread
        ));
        container.said("ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up");
        container.said("ip route add default via 10.9.0.1");
        let (up, listening) = mpsc::channel();
        let (done, end) = mpsc::channel::<()>();
        let server = std::thread::spawn(move || {
            container.run(move || {
                let _service = TcpListener::bind(("10.9.0.2", 22)).expect("a port");
                up.send(()).expect("a listener");
                // Until the test is over.
                let _ = end.recv();
            });
        });
        listening.recv().expect("a container");
        let lab = Lab::new(table(", port=2222"), true);
        assert_eq!(attacker.tries(GUILTY[0]), Open);
        lab.ban(GUILTY[0]);
        assert_eq!(attacker.tries(GUILTY[0]), Refused, "{}", nft());
        assert_eq!(attacker.tries(BYSTANDER[0]), Open);
        drop(done);
        server.join().expect("no panic");
        lab.assert_quiet();
    });
}

#[test]
fn the_kernel_knows_when_a_ban_ends() {
    if !has(&["nft"]) {
        return;
    }
    for native in [true, false] {
        in_namespace(|| {
            let lab = Lab::new(table(""), native);
            lab.send(Job::Ban(ban_for("192.0.2.1", BanTime::Secs(600))));
            lab.send(Job::Ban(ban_for("192.0.2.2", BanTime::Permanent)));
            lab.send(Job::Ban(ban_for("198.51.100.0/24", BanTime::Secs(50))));
            let rules = nft();
            assert!(rules.contains("192.0.2.1 timeout 10m10s"), "{rules}");
            assert!(rules.contains("192.0.2.2 }"), "{rules}");
            assert!(rules.contains("198.51.100.0/24 timeout 1m"), "{rules}");
            lab.send(Job::Prolong(ban_for("192.0.2.1", BanTime::Secs(1200))));
            let rules = nft();
            assert!(rules.contains("192.0.2.1 timeout 20m10s"), "{rules}");
            lab.assert_quiet();
        });
    }
}

#[test]
fn starting_again_keeps_what_the_kernel_holds_and_stopping_removes_what_is_ours() {
    if !has(&["nft", "ip"]) {
        return;
    }
    in_namespace(|| {
        said("nft 'add table inet mine; add chain inet mine c'");
        let before = nft();
        let attacker = Attacker::new(&Refused);
        let _four = TcpListener::bind(("192.0.2.1", PORT)).expect("a port");
        let lab = Lab::new(table(", port=2222"), true);
        lab.ban(GUILTY[0]);
        // As if it had been killed.
        drop(lab);
        assert_eq!(attacker.tries(GUILTY[0]), Refused);
        let lab = Lab::new(table(", port=2222"), true);
        lab.ban("198.51.100.1");
        assert_eq!(attacker.tries(GUILTY[0]), Refused);
        let other = Lab::new(table(", port=2222, table=other"), true);
        other.ban(BYSTANDER[0]);
        assert!(lab.worker.stop(LONG));
        assert_eq!(attacker.tries(GUILTY[0]), Open);
        assert_eq!(attacker.tries(BYSTANDER[0]), Refused);
        assert!(other.worker.stop(LONG));
        assert_eq!(nft(), before);
        lab.assert_quiet();
        other.assert_quiet();
    });
}

#[test]
fn a_flushed_ruleset_is_back_at_the_next_ban() {
    if has(&["nft", "ip"]) {
        resurrection(&table(", port=2222"), "nft flush ruleset");
        resurrection(&table(", port=2222"), "nft delete table inet rban");
    }
}

/// What others do to the firewall is undone without a next ban.
#[test]
fn whatever_others_take_out_is_back() {
    if !has(&["nft", "iptables", "ip"]) {
        return;
    }
    for disaster in [
        "nft flush ruleset",
        "nft delete table inet rban",
        "nft flush chain inet rban v4-in-lab",
        "nft flush set inet rban v4-host-lab",
        "nft delete element inet rban v4-host-lab { 192.0.2.66 }",
        "printf 'flush ruleset\\nadd table inet theirs\\n' | nft -f -",
    ] {
        in_namespace(|| {
            let attacker = Attacker::new(&Refused);
            let _four = TcpListener::bind(("192.0.2.1", PORT)).expect("a port");
            let lab = Lab::new(table(", port=2222"), true);
            let (heard, told) = mpsc::channel();
            let _watch = Watch::spawn(move |what| {
                let _ = heard.send(what);
            })
            .expect("a watch");
            lab.ban(GUILTY[0]);
            said(disaster);
            let what = told.recv_timeout(LONG).expect("heard of it");
            lab.send(Job::Disturbed(what.into()));
            assert_eq!(attacker.tries(GUILTY[0]), Refused, "{disaster}");
        });
    }
}

#[test]
fn what_we_do_ourselves_disturbs_nobody() {
    if !has(&["nft"]) {
        return;
    }
    in_namespace(|| {
        let lab = Lab::new(table(""), true);
        lab.ban("192.0.2.9");
        let (heard, told) = mpsc::channel();
        let _watch = Watch::spawn(move |what| {
            let _ = heard.send(what);
        })
        .expect("a watch");
        lab.unban("192.0.2.9");
        lab.ban("192.0.2.9");
        said("nft 'add table inet theirs; delete table inet theirs'");
        let Disturbance::Lost(lost) = told.recv_timeout(LONG).expect("heard of it") else {
            panic!("more than could be followed");
        };
        let tables: Vec<&str> = lost.iter().map(|loss| &*loss.table).collect();
        assert_eq!(tables, ["theirs"]);
    });
}

#[test]
fn with_kill_connections_the_banned_are_cut_off_and_nobody_else() {
    if !has(&["nft", "ip"]) {
        return;
    }
    in_namespace(|| {
        said(
            "ip addr add 192.0.2.1/24 dev lo; ip addr add 192.0.2.66/24 dev lo; ip addr add 192.0.2.7/24 dev lo",
        );
        let connect = |from: &str, port: u16, listener: &TcpListener| {
            let from: std::net::SocketAddr = format!("{from}:0").parse().expect("an address");
            let to: std::net::SocketAddr = format!("192.0.2.1:{port}").parse().expect("an address");
            use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage};
            let socket = socket::socket(
                AddressFamily::Inet,
                SockType::Stream,
                SockFlag::empty(),
                None,
            )
            .expect("a socket");
            let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
            socket::bind(fd, &SockaddrStorage::from(from)).expect("bound");
            socket::connect(fd, &SockaddrStorage::from(to)).expect("connected");
            let (served, _) = listener.accept().expect("accepted");
            (std::net::TcpStream::from(socket), served)
        };
        let watched = TcpListener::bind(("192.0.2.1", PORT)).expect("a port");
        let other = TcpListener::bind(("192.0.2.1", 8080)).expect("a port");
        let guilty = connect(GUILTY[0], PORT, &watched);
        let elsewhere = connect(GUILTY[0], 8080, &other);
        let bystander = connect(BYSTANDER[0], PORT, &watched);
        let lab = Lab::new(table(", port=\"2222\", kill_connections=true"), true);
        lab.ban(GUILTY[0]);
        let gone = |(_, mut served): (_, std::net::TcpStream)| {
            served.set_nonblocking(true).expect("set");
            match std::io::Read::read(&mut served, &mut [0]) {
                Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
                Ok(_) => true,
            }
        };
        assert!(gone(guilty), "{:#?}", lab.log());
        assert!(!gone(elsewhere) && !gone(bystander));
        assert!(
            lab.log()
                .iter()
                .any(|line| line.contains("[lab] 1 connections closed"))
        );
        lab.assert_quiet();
    });
}
