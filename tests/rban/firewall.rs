//! Actions against the real kernel, each test in a network namespace of its own.

use std::sync::atomic::{AtomicBool, Ordering};

use rban::action::Job;
use rban::model::ActionSettings;

use crate::bench::{LONG, Lab, ban, settings};
use crate::stock;
use crate::support::{has, in_namespace, said};
use crate::table::shipped;

/// All that the firewall holds; counters and handles would differ from run to run.
fn firewall() -> String {
    said(
        "iptables-save | grep -v '^#'; ip6tables-save | grep -v '^#'; \
         nft list ruleset 2>/dev/null | sed 's/ expires [0-9a-z]*//g'; ipset save | sed 's/ initval .*//' | sort",
    )
}

/// Every stock action that goes natively, with what its `status` says of it.
const STOCK: &[(&str, &str)] = &[
    (
        "iptables[name=lab, port=ssh, protocol=tcp]",
        "native iptables",
    ),
    (
        "iptables-multiport[name=lab, port=\"ssh,2222\"]",
        "native iptables",
    ),
    ("iptables-allports[name=lab]", "native iptables"),
    ("iptables-new[name=lab, port=ssh]", "native iptables"),
    ("nftables[name=lab, port=ssh]", "native nftables"),
    (
        "nftables-multiport[name=lab, port=\"ssh,2222\"]",
        "native nftables",
    ),
    (
        "nftables-allports[name=lab, blocktype=drop]",
        "native nftables",
    ),
    ("iptables-ipset[name=lab, port=ssh]", "native ipset"),
    ("iptables-ipset-proto6[name=lab, port=ssh]", "native ipset"),
    ("iptables-ipset-proto6-allports[name=lab]", "native ipset"),
];

/// One life of an action: what the firewall holds after each stage.
fn life(settings: &ActionSettings, native: bool) -> Vec<(&'static str, String)> {
    in_namespace(|| {
        let lab = Lab::new(settings.clone(), native);
        let mut stages = vec![("start", firewall())];
        // All at once, so that what can go in one batch does.
        let many = [
            "192.0.2.1",
            "198.51.100.7",
            "2001:db8::1",
            "2001:db8::2",
            "192.0.2.2",
        ];
        for address in many {
            lab.worker.send(Job::Ban(ban(address)));
        }
        lab.settle();
        stages.push(("bans", firewall()));
        lab.unban("192.0.2.1");
        lab.unban("2001:db8::1");
        stages.push(("unbans", firewall()));
        lab.worker.send(Job::Flush);
        for address in many {
            lab.worker.send(Job::Unban(ban(address)));
        }
        lab.settle();
        stages.push(("flush", firewall()));
        lab.ban("203.0.113.9");
        stages.push(("ban again", firewall()));
        lab.assert_quiet();
        // Sets of hosts refuse networks, whoever asks.
        lab.ban("198.51.100.0/24");
        lab.ban("2001:db8:1::/48");
        stages.push(("networks", firewall()));
        assert!(lab.worker.stop(LONG));
        stages.push(("stop", firewall()));
        stages
    })
}

#[test]
fn stock_actions_leave_the_same_firewall_natively_and_by_shell() {
    for (action, way) in STOCK {
        let Some(settings) = stock::action(action) else {
            return;
        };
        same_either_way(action, &settings, way);
    }
}

#[test]
fn our_actions_leave_the_same_firewall_natively_and_by_shell() {
    if !has(&["nft", "iptables", "ip6tables", "ipset"]) {
        return;
    }
    for (action, way) in STOCK {
        same_either_way(action, &shipped(action), way);
    }
    let ours = [
        "rban[name=lab, port=ssh]",
        "rban[name=lab, type=allports, protocol=all]",
    ];
    for action in ours {
        same_either_way(action, &shipped(action), "native nftables");
    }
}

/// Two lives, and what `status` says of the action.
fn same_either_way(action: &str, settings: &ActionSettings, way: &str) {
    let native = life(settings, true);
    let shell = life(settings, false);
    for (native, shell) in native.iter().zip(&shell) {
        assert_eq!(native, shell, "{action}");
    }
    let holds = |stage: usize, address: &str| native[stage].1.contains(address);
    assert!(
        holds(1, "192.0.2.1") && holds(1, "2001:db8::2"),
        "{action}: {}",
        native[1].1
    );
    assert!(
        !holds(2, "192.0.2.1") && holds(2, "2001:db8::2"),
        "{action}: {}",
        native[2].1
    );
    let lab = in_namespace(|| Lab::new(settings.clone(), true));
    assert_eq!(lab.worker.ways().to_string(), way, "{action}");
}

/// A table of our own with one set, of hosts or of intervals.
fn one_set(definition: &str) -> ActionSettings {
    let start = format!("nft add table inet lab && nft add set inet lab four '{{ {definition} }}'");
    settings(&[
        ("actionstart", &start),
        ("actionstop", "nft delete table inet lab"),
        ("actioncheck", "nft list set inet lab four >/dev/null"),
        ("actionban", "nft add element inet lab four { <ip> }"),
        ("actionunban", "nft delete element inet lab four { <ip> }"),
    ])
}

/// How many elements the set holds.
fn elements() -> usize {
    said("nft list set inet lab four").matches("10.").count()
}

fn burst(lab: &Lab, count: u32) {
    for n in 0..count {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n);
        assert!(lab.worker.send(Job::Ban(ban(&address.to_string()))));
    }
    lab.settle();
}

#[test]
fn a_burst_goes_in_whole_also_into_a_set_of_intervals() {
    if !has(&["nft"]) {
        return;
    }
    for definition in ["type ipv4_addr;", "type ipv4_addr; flags interval;"] {
        in_namespace(|| {
            let lab = Lab::new(one_set(definition), true);
            burst(&lab, 12_000);
            // Neighbours of a set of intervals are shown as one: count through the kernel.
            let shown = said("nft list set inet lab four");
            assert!(
                shown.contains("10.0.0.0") && shown.contains("10.0.46.223"),
                "{definition}"
            );
            lab.assert_quiet();
            for n in 0..12_000 {
                let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n);
                lab.worker.send(Job::Unban(ban(&address.to_string())));
            }
            lab.settle();
            assert_eq!(elements(), 0);
            lab.assert_quiet();
        });
    }
}

#[test]
fn one_refused_element_never_loses_the_batch() {
    if !has(&["nft"]) {
        return;
    }
    in_namespace(|| {
        let lab = Lab::new(one_set("type ipv4_addr; size 500;"), true);
        burst(&lab, 510);
        assert_eq!(elements(), 500, "as many as there is room for");
        let failed = lab
            .log()
            .iter()
            .filter(|l| l.contains("Failed to execute ban"))
            .count();
        assert_eq!(failed, 10);
    });
}

#[test]
fn a_ruleset_that_does_not_stand_still_gets_every_ban_all_the_same() {
    if !has(&["nft"]) {
        return;
    }
    in_namespace(|| {
        let lab = Lab::new(one_set("type ipv4_addr;"), true);
        lab.settle();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Another action of ours changes it as fast as anybody can.
                let mut options = one_set("type ipv4_addr;").options;
                for (_, value) in &mut options {
                    *value = value.replace("lab", "other");
                }
                let options: Vec<(&str, &str)> = options
                    .iter()
                    .map(|(k, v)| (k.as_str(), v.as_str()))
                    .collect();
                let other = Lab::new(settings(&options), true);
                while !done.load(Ordering::Acquire) {
                    other.ban("10.0.0.1");
                    other.unban("10.0.0.1");
                }
                other.assert_quiet();
            });
            for n in 0..2_000 {
                lab.ban(&format!("10.0.{}.{}", n / 200, n % 200));
            }
            done.store(true, Ordering::Release);
        });
        assert_eq!(elements(), 2_000);
        let log = lab.log();
        let shell = log.iter().filter(|line| line.contains("by shell")).count();
        assert_eq!(shell, 0, "{log:#?}");
        lab.assert_quiet();
    });
}

#[test]
fn a_set_that_somebody_made_anew_between_two_bans_is_written_to_as_what_it_is_now() {
    if !has(&["nft"]) {
        return;
    }
    in_namespace(|| {
        let lab = Lab::new(one_set("type ipv4_addr;"), true);
        lab.ban("10.0.0.1");
        for (kind, address) in [
            ("type ipv4_addr; flags interval;", "10.0.0.5"),
            ("type ipv4_addr;", "10.0.0.9"),
        ] {
            said(&format!(
                "nft 'delete set inet lab four; add set inet lab four {{ {kind} }}'"
            ));
            lab.ban(address);
            let shown = said("nft list set inet lab four");
            assert!(
                shown.contains(&format!("elements = {{ {address} }}")),
                "{shown}"
            );
        }
        lab.assert_quiet();
    });
}

#[test]
fn a_set_of_something_else_is_reported_and_left_alone() {
    if !has(&["nft"]) {
        return;
    }
    in_namespace(|| {
        let lab = Lab::new(one_set("type inet_service;"), true);
        lab.ban("10.0.0.1");
        assert!(lab.worker.last_error().is_some(), "{:#?}", lab.log());
        assert!(!said("nft list ruleset").contains("elements"));
    });
}
