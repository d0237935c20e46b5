//! Bans that a server leaves in the firewall, and the next one that takes them over: with packets
//! that try all the while, and never get through.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rban::action::Job;
use rban::model::Ban;

use crate::bench::{LONG, Lab, ban};
use crate::lab::{self, Program};
use crate::packets::Answer::Refused;
use crate::packets::{Attacker, GUILTY, PORT};
use crate::support::{has, in_namespace, said};
use crate::table::shipped;

/// Our actions whose bans can stand.
const ACTIONS: &[&str] = &[
    "rban[name=lab, port=2222, protocol=udp]",
    "nftables[name=lab, port=2222, protocol=udp]",
    "iptables[name=lab, port=2222, protocol=udp]",
    "iptables-multiport[name=lab, port=\"22,2222\", protocol=udp]",
    "iptables-ipset[name=lab, port=2222, protocol=udp]",
];

/// All that the firewall holds; the usual iptables is a part of nftables.
fn firewall() -> String {
    said("nft list ruleset; ipset save")
}

/// As it comes back from the database.
fn restored(address: &str) -> Arc<Ban> {
    let mut ban = Ban::clone(&ban(address));
    ban.restored = true;
    Arc::new(ban)
}

#[test]
fn what_a_server_left_stands_without_a_gap_and_what_is_over_goes() {
    if !has(&["nft", "iptables", "ip6tables", "ipset", "ip"]) {
        return;
    }
    for action in ACTIONS {
        for native in [true, false] {
            in_namespace(|| succession(action, native));
        }
    }
}

/// One server bans and leaves; the next restores some of it. All the while packets come from the
/// banned, thousands a second.
fn succession(action: &str, native: bool) {
    let attacker = Attacker::new(&Refused);
    let door = UdpSocket::bind(("192.0.2.1", PORT)).expect("a port");
    door.set_nonblocking(true).expect("set");
    let came = || std::iter::from_fn(|| door.recv(&mut [0; 8]).ok()).count();
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU32::new(0));
    let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&sent));
    let knocking = move || {
        let socket = UdpSocket::bind((GUILTY[0], 0)).expect("a port");
        while !stopped.load(Ordering::Acquire) {
            // Who is refused may hear so.
            let _ = socket.send_to(b"knock", ("192.0.2.1", PORT));
            counted.fetch_add(1, Ordering::Release);
        }
    };
    let knocks = |more: u32| {
        let seen = sent.load(Ordering::Acquire);
        while sent.load(Ordering::Acquire) < seen + more {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|scope| {
        let first = Lab::new(shipped(action), native);
        for address in [GUILTY[0], "198.51.100.1", "198.51.100.2", "2001:db8::99"] {
            first.ban(address);
        }
        first.assert_quiet();
        drop(first);
        scope.spawn(|| attacker.room.run(knocking));
        knocks(100);
        let second = Lab::following(shipped(action), native);
        second.settle();
        second.send(Job::Ban(restored("198.51.100.2")));
        knocks(100);
        second.send(Job::Ban(restored(GUILTY[0])));
        second.send(Job::Reconcile);
        knocks(100);
        let through = came();
        stop.store(true, Ordering::Release);
        assert_eq!(through, 0, "{action} {native}: packets got through");
        taken_over(&second, action, native);
    });
}

/// What is due stands once, what is over is gone, and all of it ends.
fn taken_over(second: &Lab, action: &str, native: bool) {
    second.assert_quiet();
    let now = firewall();
    let count = |address: &str| now.matches(address).count();
    assert_eq!(count("198.51.100.2"), 1, "{action} {native}: {now}");
    assert_eq!(count("198.51.100.1"), 0, "{action} {native}: {now}");
    assert_eq!(count("2001:db8::99"), 0, "{action} {native}: {now}");
    let log = second.log();
    assert!(
        log.iter()
            .any(|line| line.contains("2 left by a server before")),
        "{action} {native}: {log:#?}"
    );
    assert!(second.worker.stop(LONG));
    let rest = firewall();
    assert!(!rest.contains("lab"), "{action} {native}: {rest}");
}

#[test]
fn what_rules_look_like_may_change_in_between() {
    if !has(&["iptables"]) {
        return;
    }
    in_namespace(|| {
        let first = Lab::new(shipped("iptables[name=lab, port=22, blocktype=DROP]"), true);
        first.ban("198.51.100.1");
        first.ban("198.51.100.2");
        drop(first);
        // As after fail2ban's own restart: twice.
        said("iptables -I f2b-lab 1 -s 198.51.100.2 -j REJECT");
        said("iptables -I f2b-lab 1 -s 198.51.100.2 -j REJECT");
        // Not ours, and not for us to judge.
        said("iptables -I INPUT -s 203.0.113.1 -j DROP");
        let second = Lab::following(shipped("iptables[name=lab, port=22]"), true);
        second.send(Job::Ban(restored("198.51.100.2")));
        second.send(Job::Reconcile);
        second.assert_quiet();
        let rules = said("iptables -S");
        let of = |address: &str| rules.lines().filter(|l| l.contains(address)).count();
        assert_eq!((of("198.51.100.1"), of("198.51.100.2")), (0, 1), "{rules}");
        assert!(rules.contains("-s 198.51.100.2/32 -j REJECT"), "{rules}");
        assert_eq!(of("203.0.113.1"), 1, "{rules}");
    });
}

#[test]
fn an_action_nobody_can_look_into_is_flushed() {
    if !has(&["iptables"]) {
        return;
    }
    in_namespace(|| {
        let action = || {
            let mut action = shipped("iptables[name=lab, port=22]");
            for (name, value) in &mut action.options {
                if name == "actionban" {
                    *value = format!("{value} || exit 1; true");
                }
            }
            action
        };
        let first = Lab::new(action(), true);
        first.ban("198.51.100.1");
        first.ban("198.51.100.2");
        drop(first);
        let second = Lab::following(action(), true);
        second.send(Job::Ban(restored("198.51.100.2")));
        second.send(Job::Reconcile);
        second.assert_quiet();
        let rules = said("iptables -S f2b-lab");
        assert!(!rules.contains("198.51.100.1"), "{rules}");
        assert_eq!(rules.matches("198.51.100.2").count(), 1, "{rules}");
    });
}

const JAIL: &str = "
[door]
enabled = true
filter = sshd
logpath = /var/log/door.log
maxretry = 2
action = iptables[name=door, port=ssh]
         rban[name=ours, port=ssh]
";

/// How many bans are not over.
const DUE: &str = "sqlite3 /var/lib/fail2ban/fail2ban.sqlite3 \
    \"SELECT count(*) FROM bans WHERE timeofban + bantime > CAST(strftime('%s', 'now') AS INTEGER)\"";

#[test]
fn with_keep_on_stop_the_banned_stay_out_while_the_server_is_away() {
    let lab = lab::Lab::new(Program::Rban);
    lab.write("/var/log/door.log", "");
    lab.write("jail.local", JAIL);
    lab.write("fail2ban.local", "[Definition]\nkeep_on_stop = yes\n");
    lab.sshd("/var/log/auth.log");
    lab.start();
    lab.wait_for("Jail 'door' started");
    lab.append("/var/log/door.log", lab.failures(lab::ATTACKER, 2));
    lab.wait_until("refused", lab::ATTACKER);
    lab.ask(&["set", "door", "banfor", "4", "198.51.100.9"]);
    lab.wait("both know", || {
        let rules = lab.shell("iptables -S f2b-door; nft list set inet rban v4-host-ours");
        (rules.matches("198.51.100.9").count() == 2).then_some(())
    });
    lab.ask(&["stop"]);
    lab.wait_for("Exiting Fail2ban");
    assert!(lab.log().contains("Leaving all jails' bans in place"));
    assert_eq!(lab.knock(lab::ATTACKER), "refused");
    assert_eq!(lab.knock(lab::NEIGHBOUR), "open");
    lab.wait("a ban is over", || {
        let due = lab.shell(DUE);
        (due.trim() == "1").then_some(())
    });
    assert!(lab.shell("iptables -S f2b-door").contains("198.51.100.9"));

    lab.start();
    lab.wait("what is over goes", || {
        let rules = lab.shell("iptables -S f2b-door");
        (!rules.contains("198.51.100.9")).then_some(())
    });
    assert_eq!(lab.knock(lab::ATTACKER), "refused");
    let rules = lab.shell("iptables -S f2b-door");
    assert_eq!(rules.matches(lab::ATTACKER).count(), 1, "{rules}");
    assert!(lab.ask(&["status", "door"]).contains(lab::ATTACKER));
    assert!(!lab.log().contains(" ERROR "), "{}", lab.log());

    // Told otherwise, it goes with all it made.
    lab.write("fail2ban.local", "[Definition]\nkeep_on_stop = no\n");
    lab.ask(&["reload"]);
    lab.ask(&["stop"]);
    lab.wait("all is gone", || {
        let rules = lab.shell("iptables -S; nft list ruleset");
        (!rules.contains("f2b-door") && !rules.contains("rban")).then_some(())
    });
    assert_eq!(lab.knock(lab::ATTACKER), "open");
}

/// An action that takes the place of another in what is, to the kernel, the same table.
#[test]
fn a_reload_to_another_action_keeps_everybody_out() {
    let lab = lab::Lab::new(Program::Rban);
    lab.write("/var/log/door.log", "");
    let jail = |banaction: &str| {
        lab.write(
            "jail.local",
            format!(
                "[door]\nenabled = true\nfilter = sshd\nlogpath = /var/log/door.log\n\
                 backend = polling\nmaxretry = 2\nbantime = 10m\nport = ssh\n\
                 action = {banaction}[name=door]\n"
            ),
        );
    };
    jail("nftables-allports");
    lab.sshd("/var/log/auth.log");
    lab.start();
    lab.wait_for("Jail 'door' started");
    lab.append("/var/log/door.log", lab.failures(lab::ATTACKER, 2));
    lab.wait_until("refused", lab::ATTACKER);
    for banaction in ["nftables-multiport", "nftables-allports"] {
        jail(banaction);
        // Answered when all is done.
        lab.ask(&["reload"]);
        assert_eq!(
            lab.ask(&["get", "door", "actions"]).lines().last(),
            Some(banaction)
        );
        lab.wait_until("refused", lab::ATTACKER);
    }
    assert!(!lab.log().contains(" ERROR "), "{}", lab.log());
}
