//! The one-command reader and the native drivers against the programs they stand for: generated
//! commands, carried out natively in one network namespace and by the program in another, must
//! succeed and fail alike and leave the same behind.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rban::action::DEFAULT_PATH;
use rban::action::driver::{Abort, Bench, Operation, Outcome};
use rban::action::reader;
use rban::model::Record;

use crate::support::{Room, has};

/// Carries operations out by their driver; whether each one worked. What the driver declines is
/// not its to judge.
fn carry_out(room: &Room, batch: Vec<Operation>) -> Vec<Option<bool>> {
    let worked = |outcome| match outcome {
        Outcome::Done => Some(true),
        Outcome::Failed(_) | Outcome::Expired => Some(false),
        Outcome::Declined(_) => None,
    };
    let (outcomes, _) = carry_out_aloud(room, batch);
    outcomes.into_iter().map(worked).collect()
}

/// The same with the reasons, and all that is logged.
fn carry_out_aloud(room: &Room, batch: Vec<Operation>) -> (Vec<Outcome>, Vec<Record>) {
    room.run(move || {
        let abort = Abort::new().expect("a pipe");
        let mut log = Vec::new();
        let mut bench = Bench {
            limit: Duration::from_secs(60),
            path: DEFAULT_PATH,
            abort: &abort,
            log: &mut |record| log.push(record),
            tell: &(Arc::new(|_| {}) as rban::mail::Tell),
        };
        let kind = batch.first().expect("something to do").kind();
        let outcomes = kind.driver().apply(&batch, &mut bench);
        (outcomes, log)
    })
}

/// Two rooms with the same beginning: one for the drivers, one for the programs.
struct Twins {
    native: Room,
    program: Room,
    reset: &'static str,
    shown: &'static str,
}

impl Twins {
    fn new(reset: &'static str, shown: &'static str) -> Self {
        let twins = Self {
            native: Room::new(),
            program: Room::new(),
            reset,
            shown,
        };
        twins.reset();
        twins
    }

    fn reset(&self) {
        self.native.said(self.reset);
        self.program.said(self.reset);
    }

    /// Carries commands out both ways, one by one natively where `alone`, else in one batch.
    /// Commands the reader leaves to the shell go to the program in both rooms.
    fn run(&self, commands: &[String], alone: bool) -> Result<usize, TestCaseError> {
        let mut read = 0;
        let mut pending: Vec<(Operation, &String)> = Vec::new();
        for command in commands {
            match reader::read(command) {
                Some(operation) => {
                    read += 1;
                    pending.push((operation, command));
                    if alone {
                        self.flush(&mut pending)?;
                    }
                }
                None => {
                    self.flush(&mut pending)?;
                    self.native.works(command);
                    self.program.works(command);
                }
            }
        }
        self.flush(&mut pending)?;
        let (native, program) = (self.native.said(self.shown), self.program.said(self.shown));
        prop_assert_eq!(native, program, "after {:#?}", commands);
        Ok(read)
    }

    fn flush(&self, pending: &mut Vec<(Operation, &String)>) -> Result<(), TestCaseError> {
        if pending.is_empty() {
            return Ok(());
        }
        let (batch, commands): (Vec<_>, Vec<_>) = std::mem::take(pending).into_iter().unzip();
        let native = carry_out(&self.native, batch);
        for (native, command) in native.iter().zip(commands) {
            let program = self.program.works(command);
            match native {
                Some(native) => prop_assert_eq!(*native, program, "{}", command),
                // Declined: the shell is asked, here as there.
                None => drop(self.native.works(command)),
            }
        }
        Ok(())
    }
}

/// Runs that many generated lives; how many commands the reader read.
fn check(cases: u32, strategy: impl Strategy<Value = String>, twins: &Twins) -> usize {
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(cases)
    });
    let several = prop::collection::vec(strategy, 1..14);
    let read = std::cell::Cell::new(0);
    let outcome = runner.run(&(several, any::<bool>()), |(commands, alone)| {
        twins.reset();
        // A batch names no address twice, which is its caller's promise.
        let more = twins.run(&commands, alone || repeats(&commands))?;
        read.set(read.get() + more);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    read.get()
}

/// Whether two commands are about the same address.
fn repeats(commands: &[String]) -> bool {
    let addresses = |command: &String| -> Vec<String> {
        let words = command.split([' ', '{', '}']);
        words
            .filter(|w| w.contains(['.', ':']))
            .map(str::to_owned)
            .collect()
    };
    let all: Vec<String> = commands.iter().flat_map(addresses).collect();
    (1..all.len()).any(|at| all[..at].contains(&all[at]))
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

const V4: &[&str] = &[
    "192.0.2.0",
    "192.0.2.1",
    "192.0.2.255",
    "192.0.2.0/24",
    "192.0.2.0/31",
    "198.51.100.7",
    "0.0.0.0",
    "255.255.255.255",
    "0.0.0.0/0",
    "255.255.255.0/24",
    "192.0.2.1/32",
    "192.0.2.1/24",
];

const V6: &[&str] = &[
    "2001:db8::1",
    "2001:db8::",
    "2001:db8::/64",
    "2001:db8:0::2",
    "::",
    "::1/128",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db8::/31",
    "::/0",
    "::ffff:192.0.2.1",
];

/// Sets of every sort an action might make.
const NFT: &str = "nft flush ruleset; nft -f - <<'END'
    table inet t {
        set four { type ipv4_addr; }
        set four-timeout { type ipv4_addr; flags timeout; }
        set four-interval { type ipv4_addr; flags interval; }
        set four-both { type ipv4_addr; flags interval,timeout; }
        set four-merge { type ipv4_addr; flags interval; auto-merge; }
        set four-small { type ipv4_addr; size 2; }
        set six { type ipv6_addr; }
        set six-interval { type ipv6_addr; flags interval; }
        set port { type inet_service; }
        set marks { type mark; }
        set pair { type ipv4_addr . inet_service; }
        map mapped { type ipv4_addr : inet_service; }
    }
END";

#[test]
fn nft_commands_mean_the_same_over_netlink() {
    if !has(&["nft"]) {
        return;
    }
    // Times count down while the two are compared.
    let twins = Twins::new(NFT, "nft list ruleset | sed 's/ expires [0-9a-z]*//g'");
    let sets = one_of(&[
        "four",
        "four",
        "four-timeout",
        "four-interval",
        "four-interval",
        "four-both",
        "four-merge",
        "four-small",
        "six",
        "six",
        "six-interval",
        "six-interval",
        "port",
        "marks",
        "marks",
        "pair",
        "mapped",
        "none",
    ]);
    let verb = one_of(&["add", "add", "add", "delete"]);
    let family = one_of(&["inet", "inet", "inet", "inet", "ip", "ip6"]);
    let address = prop_oneof![one_of(V4), one_of(V6)];
    let timeout = one_of(&[
        "",
        "",
        "",
        "",
        "timeout 1h",
        "timeout 600s",
        "timeout 1d2h",
        "timeout 5",
    ]);
    let command =
        (verb, family, sets, address, timeout).prop_map(|(verb, family, set, address, timeout)| {
            format!("nft {verb} element {family} t {set} \\{{ {address} {timeout} \\}}")
        });
    let read = check(150, command, &twins);
    assert!(read > 40, "only {read} commands were read at all");
}

#[test]
fn rules_for_a_chain_that_is_gone_fail_at_once() {
    if !has(&["iptables", "iptables-restore"]) {
        return;
    }
    let room = Room::new();
    let rule = |n| one(&format!("iptables -w -I f2b-gone 1 -s 192.0.2.{n} -j DROP"));
    let (outcomes, log) = carry_out_aloud(&room, (1..=200).map(rule).collect());
    let gone = "iptables: no chain f2b-gone in table filter";
    assert_eq!(outcomes, vec![Outcome::Failed(gone.to_owned()); 200]);
    let runs = log
        .iter()
        .filter(|record| record.message.contains("exec:"))
        .count();
    assert_eq!(runs, 1, "{log:#?}");
}

fn one(command: &str) -> Operation {
    reader::read(command).unwrap_or_else(|| panic!("plain: {command}"))
}

#[test]
fn beside_an_interval_without_an_end_nft_is_asked() {
    if !has(&["nft"]) {
        return;
    }
    let room = Room::new();
    room.said(NFT);
    let host = "nft add element inet t four-interval { 203.0.113.1 }";
    room.said("nft add element inet t four-interval { 192.0.2.0/24 }");
    assert_eq!(carry_out(&room, vec![one(host)]), [Some(true)]);
    room.said("nft flush set inet t four-interval");
    // To the last address of all: the kernel would take the host as one more element.
    room.said("nft add element inet t four-interval { 192.0.0.0/2 }");
    assert_eq!(carry_out(&room, vec![one(host)]), [None]);
    let last = "nft add element inet t four-interval { 255.255.255.255 }";
    assert_eq!(carry_out(&room, vec![one(last)]), [None]);
}

#[test]
fn an_entry_that_is_there_does_not_spoil_the_one_before() {
    if !has(&["ipset"]) {
        return;
    }
    let room = Room::new();
    room.said("ipset create four hash:ip; ipset add four 192.0.2.2");
    let batch = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
    let batch = batch.map(|address| one(&format!("ipset add four {address}")));
    assert_eq!(
        carry_out(&room, batch.into()),
        [Some(true), Some(false), Some(true)]
    );
}

#[test]
fn thousands_of_refusals_in_one_batch_are_told_apart() {
    if !has(&["nft"]) {
        return;
    }
    let room = Room::new();
    room.said("nft add table inet t; nft add set inet t s '{ type ipv4_addr; size 10; }'");
    let command = |n: u32| {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n);
        reader::read(&format!("nft add element inet t s {{ {address} }}")).expect("plain")
    };
    let outcomes = carry_out(&room, (0..12_000).map(command).collect());
    let count = |outcome| outcomes.iter().filter(|o| **o == outcome).count();
    assert_eq!((count(Some(true)), count(Some(false))), (10, 11_990));
    assert_eq!(
        room.said("nft list set inet t s").matches("10.").count(),
        10
    );
}

const IPTABLES: &str =
    "for p in iptables ip6tables; do $p -F; $p -X; $p -N f2b; $p -A f2b -j RETURN; done";

#[test]
fn iptables_commands_mean_the_same_in_a_restore() {
    if !has(&["iptables", "ip6tables", "iptables-restore"]) {
        return;
    }
    let twins = Twins::new(
        IPTABLES,
        "iptables-save | grep -v '^#'; ip6tables-save | grep -v '^#'",
    );
    let program = one_of(&["iptables", "iptables", "ip6tables", "/usr/sbin/iptables"]);
    let place = one_of(&[
        "-I f2b 1",
        "-I f2b",
        "-I f2b 2",
        "-I f2b 9",
        "-A f2b",
        "-D f2b",
        "--insert f2b",
        "-I INPUT",
        "--append f2b",
        "-I none 1",
        "-t filter -I f2b",
        "-t nat -I OUTPUT",
        "-D f2b 1",
    ]);
    let wait = one_of(&["", "-w", "-w 3", "--wait"]);
    let from = prop_oneof![
        one_of(V4).prop_map(|a| format!("-s {a}")),
        one_of(V6).prop_map(|a| format!("--source {a}")),
        one_of(&[
            "",
            "-d 192.0.2.9",
            "--src 192.0.2.9 -d 198.51.100.9",
            "-s 192.0.2.1 -s 192.0.2.2"
        ]),
    ];
    let matches = one_of(&[
        "",
        "",
        "-p tcp",
        "-p tcp --dport 22",
        "-p tcp -m tcp --dport ssh",
        "-p udp -m multiport --dports 53,80",
        "-m state --state NEW",
        "-p tcp -m conntrack --ctstate NEW --dport 22",
        "-p 6",
        "-i lo",
        "-o eth+",
        "-m comment --comment note",
        "-m comment --comment 'a note'",
        "-m multiport --dports 22",
        "--dport 22",
        "-p tcp -m multiport --dports 22 -m comment --comment x",
        "-p icmp",
        "-p none",
        "-m none",
    ]);
    let jump = one_of(&[
        "-j DROP",
        "-j DROP",
        "-j REJECT",
        "-j REJECT --reject-with icmp-port-unreachable",
        "-j REJECT --reject-with icmp6-port-unreachable",
        "-j RETURN",
        "--jump ACCEPT",
        "-j none",
        "-g f2b",
        "-j REJECT --reject-with tcp-reset",
        "",
    ]);
    let pieces = (wait, place, from, matches, jump).prop_map(|(a, b, c, d, e)| vec![a, b, c, d, e]);
    let shuffled = pieces.prop_shuffle();
    let command =
        (program, shuffled).prop_map(|(program, pieces)| format!("{program} {}", pieces.join(" ")));
    let read = check(120, command, &twins);
    assert!(read > 40, "only {read} commands were read at all");
}

const IPSET: &str = "ipset destroy; ipset create four hash:ip timeout 0; ipset create bare hash:ip; \
    ipset create six hash:ip family inet6 timeout 0; ipset create nets hash:net timeout 600; \
    ipset create ports hash:ip,port; ipset create small hash:ip maxelem 2";

#[test]
fn ipset_commands_mean_the_same_in_a_restore() {
    if !has(&["ipset"]) {
        return;
    }
    let shown =
        "ipset save | sed -e 's/ initval .*//' -e 's/timeout [1-9][0-9]*/timeout N/' | sort";
    let twins = Twins::new(IPSET, shown);
    let verb = one_of(&["add", "add", "add", "del", "--add", "-A", "-D", "test"]);
    let set = one_of(&[
        "four", "four", "bare", "six", "nets", "ports", "small", "none",
    ]);
    let address = prop_oneof![one_of(V4), one_of(V6)];
    let exist = one_of(&["", "-exist", "-exist", "-!"]);
    let end = one_of(&[
        "",
        "",
        "timeout 600",
        "timeout 0",
        "timeout 9999999",
        "-exist",
        "comment x",
    ]);
    let command = (exist, verb, set, address, end).prop_map(|(exist, verb, set, address, end)| {
        format!("ipset {exist} {verb} {set} {address} {end}")
    });
    let read = check(150, command, &twins);
    assert!(read > 40, "only {read} commands were read at all");
}
