//! Actions against the real kernel, each test in a network namespace of its own.

use rban::action::Job;
use rban::model::ActionSettings;

use crate::bench::{LONG, Lab};
use crate::stock;
use crate::support::{in_namespace, said};

/// All that the firewall holds; counters and handles would differ from run to run.
fn firewall() -> String {
    said(
        "iptables-save | grep -v '^#'; ip6tables-save | grep -v '^#'; \
         nft list ruleset 2>/dev/null; ipset save | sed 's/ initval .*//' | sort",
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
        for address in ["192.0.2.1", "198.51.100.7", "2001:db8::1", "2001:db8::2"] {
            lab.ban(address);
        }
        stages.push(("bans", firewall()));
        lab.unban("192.0.2.1");
        lab.unban("2001:db8::1");
        stages.push(("unbans", firewall()));
        lab.send(Job::Flush);
        stages.push(("flush", firewall()));
        lab.ban("203.0.113.9");
        stages.push(("ban again", firewall()));
        assert!(lab.worker.stop(LONG));
        stages.push(("stop", firewall()));
        lab.assert_quiet();
        stages
    })
}

#[test]
fn stock_actions_leave_the_same_firewall_natively_and_by_shell() {
    for (action, way) in STOCK {
        let Some(settings) = stock::action(action) else {
            return;
        };
        let native = life(&settings, true);
        let shell = life(&settings, false);
        for (native, shell) in native.iter().zip(&shell) {
            assert_eq!(native, shell, "{action}");
        }
        assert!(
            native[1].1.contains("192.0.2.1"),
            "{action}: {}",
            native[1].1
        );
        assert!(
            !native[2].1.contains("192.0.2.1"),
            "{action}: {}",
            native[2].1
        );
        let worker = in_namespace(|| Lab::new(settings.clone(), true));
        assert_eq!(worker.worker.ways().to_string(), *way, "{action}");
    }
}
