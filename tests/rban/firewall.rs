//! Actions against the real kernel, each test in a network namespace of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rban::action::driver::memory::Drivers;
use rban::action::{ActionSpec, DEFAULT_PATH, Event, Facts, Job, Report, Worker};
use rban::model::{ActionSettings, Ban, BanTime, Captured, FailId, Time};

use crate::stock;
use crate::support::{in_namespace, said};

/// Longer than anything here takes; only a failing test waits for it.
const LONG: Duration = Duration::from_secs(60);

struct Jail;

impl Facts for Jail {
    fn now(&self) -> Time {
        Time::from_secs(1_795_366_767)
    }

    fn bantime(&self) -> BanTime {
        BanTime::Secs(600)
    }
}

/// A worker and everything it has said.
struct Lab {
    worker: Worker,
    reports: Arc<Mutex<Vec<Report>>>,
}

impl Lab {
    fn new(settings: ActionSettings, native: bool) -> Self {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&reports);
        let spec = ActionSpec {
            jail: "lab".into(),
            settings,
            native,
            ipv6: true,
            path: DEFAULT_PATH.into(),
            facts: Arc::new(Jail),
            drivers: Drivers::default(),
        };
        let sink = Arc::new(move |report| sink.lock().expect("no panic").push(report));
        let worker = Worker::spawn(spec, sink).expect("no Python action");
        worker.send(Job::Start);
        Self { worker, reports }
    }

    fn send(&self, job: Job) {
        assert!(self.worker.send(job));
        assert!(self.worker.settle(LONG), "{:#?}", self.log());
    }

    fn ban(&self, address: &str) {
        self.send(Job::Ban(ban(address)));
    }

    fn unban(&self, address: &str) {
        self.send(Job::Unban(ban(address)));
    }

    fn log(&self) -> Vec<String> {
        let reports = self.reports.lock().expect("no panic");
        let line = |report: &Report| match &report.event {
            Event::Log(record) => Some(format!("{} {}", record.level, record.message)),
            _ => None,
        };
        reports.iter().filter_map(line).collect()
    }

    fn assert_quiet(&self) {
        let log = self.log();
        let bad = |line: &&String| ["ERROR", "CRITICAL"].iter().any(|l| line.starts_with(l));
        assert!(!log.iter().any(|line| bad(&line)), "{log:#?}");
    }
}

fn ban(address: &str) -> Arc<Ban> {
    Arc::new(Ban {
        id: FailId::parse(address),
        ip: None,
        time: Time::from_secs(1_795_366_767),
        bantime: BanTime::Secs(600),
        count: 1,
        attempts: 3,
        lines: Vec::new(),
        data: Captured::new(),
        restored: false,
        own_bantime: false,
    })
}

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
