//! Firewalls in trouble: kernels that lack something, names that are too long, sets that are
//! somebody else's, rights that are gone, values an attacker chose. Each is told in words, and none
//! keeps another ban from being carried out.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, mpsc};

use rban::action::{Disturbance, Job, Watch};
use rban::model::{Ban, BanTime, Datum, FailId, MatchedLine};

use crate::bench::{LONG, Lab, ban, settings};
use crate::lab::{self, Program};
use crate::packets::Answer::{Open, Refused};
use crate::packets::{Attacker, BYSTANDER, GUILTY, PORT, siege};
use crate::support::{has, in_namespace, said};
use crate::table::{shipped, table};

fn errors(lab: &Lab) -> Vec<String> {
    let mut log = lab.log();
    log.retain(|line| line.starts_with("ERROR") || line.starts_with("CRITICAL"));
    log
}

/// The banned can no longer connect to us, others can: as seen from the lab's attacker.
fn cut_off(lab: &lab::Lab) {
    lab.wait_until("refused", lab::ATTACKER);
    assert_eq!(lab.knock(lab::NEIGHBOUR), "open");
}

/// A jail without a banaction of its own, on a log of the test's.
const DEFAULT_JAIL: &str = "
[door]
enabled = true
filter = sshd
logpath = /var/log/door.log
maxretry = 2
";

/// A world in which a service listens where sshd would, and `DEFAULT_JAIL` is set up.
fn world() -> lab::Lab {
    let lab = lab::Lab::new(Program::Rban);
    lab.write("/var/log/door.log", "");
    lab.write("jail.local", DEFAULT_JAIL);
    lab.sshd("/var/log/auth.log");
    lab
}

fn attack(lab: &lab::Lab, address: &str) {
    lab.append("/var/log/door.log", lab.failures(address, 2));
    lab.wait_for(&format!("[door] Ban {address}"));
}

#[test]
fn on_a_kernel_without_nf_tables_bans_go_to_iptables_which_is_said_once() {
    if !has(&["iptables-legacy", "python3"]) {
        return;
    }
    let lab = world();
    // iptables that needs no nf_tables, and a kernel that knows nothing of netfilter's netlink.
    lab.shell(
        "for name in iptables ip6tables; do for end in '' -save -restore; do
           ln -sf \"$(command -v $name-legacy$end)\" /etc/alternatives/$name$end
         done; done",
    );
    let without = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/rban/without_netfilter.py"
    );
    let server = lab.run(&["python3", without, "rban", "server"]);
    assert_eq!(server.code, 0, "{}", server.text());
    lab.wait_for("No nftables here");
    lab.wait_for("Jail 'door' started");
    attack(&lab, lab::ATTACKER);
    cut_off(&lab);
    let log = lab.log();
    assert_eq!(log.matches("No nftables here").count(), 1, "{log}");
    assert!(log.contains("bans go to iptables, one rule"), "{log}");
    assert!(!log.contains(" ERROR "), "{log}");
    assert!(
        lab.shell("iptables-legacy -S f2b-door")
            .contains(lab::ATTACKER)
    );
}

#[test]
fn nftables_without_a_kernel_for_it_is_told_and_another_action_goes_on() {
    if !has(&["iptables-legacy", "python3"]) {
        return;
    }
    let lab = world();
    lab.write(
        "jail.local",
        format!(
            "{DEFAULT_JAIL}action = nftables[name=door, port=ssh]\n \
             iptables[name=old, port=ssh, iptables=iptables-legacy -w]\n"
        ),
    );
    let without = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/rban/without_netfilter.py"
    );
    let server = lab.run(&["python3", without, "rban", "server"]);
    assert_eq!(server.code, 0, "{}", server.text());
    lab.wait_for("Jail 'door' started");
    attack(&lab, lab::ATTACKER);
    cut_off(&lab);
    lab.wait_for("Failed to execute ban jail 'door' action 'nftables'");
    let log = lab.log();
    assert!(!log.contains("action 'iptables' info"), "{log}");
}

#[test]
fn the_legacy_iptables_works_beside_nf_tables() {
    if !has(&["iptables-legacy", "ip6tables-legacy", "nft", "ip"]) {
        return;
    }
    let legacy = "iptables[name=lab, port=2222, protocol=tcp, iptables=iptables-legacy -w, \
                  iptables?family=inet6=ip6tables-legacy -w]";
    siege(&shipped(legacy), true, &Refused);
    in_namespace(|| {
        let attacker = Attacker::new(&Refused);
        let _four = TcpListener::bind(("192.0.2.1", PORT)).expect("a port");
        let ours = Lab::new(table(", port=2222"), true);
        let old = Lab::new(shipped(legacy), true);
        ours.ban("198.51.100.1");
        old.ban(GUILTY[0]);
        assert_eq!(attacker.tries(GUILTY[0]), Refused);
        // What one loses is no business of the other's.
        said("nft flush ruleset");
        assert_eq!(attacker.tries(GUILTY[0]), Refused);
        old.unban(GUILTY[0]);
        ours.ban(GUILTY[0]);
        assert_eq!(attacker.tries(GUILTY[0]), Refused);
        assert!(old.worker.stop(LONG));
        assert!(ours.worker.stop(LONG));
        assert_eq!(attacker.tries(GUILTY[0]), Open);
        old.assert_quiet();
        let left = said("iptables-legacy -S; nft list ruleset");
        assert!(!left.contains("lab"), "{left}");
    });
}

#[test]
fn a_name_too_long_for_the_firewall_is_told_in_its_words() {
    if !has(&["nft", "iptables", "ipset"]) {
        return;
    }
    let long = "l".repeat(300);
    for (action, program) in [
        ("rban", "nft"),
        ("nftables", "nft"),
        ("iptables", "iptables"),
        ("iptables-ipset", "ipset"),
    ] {
        in_namespace(|| {
            let action = shipped(&format!("{action}[name={long}, port=ssh]"));
            for native in [true, false] {
                let lab = Lab::new(action.clone(), native);
                lab.ban("192.0.2.9");
                let errors = errors(&lab);
                let told = ["too long", "File name too long", "must be under", "longer"];
                assert!(
                    errors
                        .iter()
                        .any(|line| told.iter().any(|t| line.contains(t))),
                    "{program}: {errors:#?}"
                );
                assert!(lab.worker.last_error().is_some());
                assert!(lab.worker.stop(LONG));
                // Its neighbour is served.
                let other = Lab::new(shipped("rban[name=short, port=ssh]"), native);
                other.ban("192.0.2.9");
                other.assert_quiet();
                assert!(other.worker.stop(LONG));
            }
        });
    }
}

#[test]
fn a_set_of_another_type_under_our_name_is_told_and_left_as_it_is() {
    if !has(&["nft", "ipset", "iptables"]) {
        return;
    }
    for (make, action, show) in [
        (
            "ipset create f2b-lab hash:net,port",
            "iptables-ipset[name=lab, port=ssh]",
            "ipset save | sed 's/ initval .*//'",
        ),
        (
            "ipset create f2b-lab bitmap:port range 1-100",
            "iptables-ipset[name=lab, port=ssh]",
            "ipset save",
        ),
        (
            "nft 'add table inet f2b-table; add set inet f2b-table addr-set-lab { type inet_service; }'",
            "nftables[name=lab, port=ssh]",
            "nft list set inet f2b-table addr-set-lab",
        ),
        (
            "nft 'add table inet rban; add set inet rban v4-host-lab { type ipv6_addr; }'",
            "rban[name=lab, port=ssh]",
            "nft list set inet rban v4-host-lab",
        ),
        (
            "nft 'add table inet rban; add map inet rban v4-host-lab { type ipv4_addr : mark; }'",
            "rban[name=lab, port=ssh]",
            "nft list table inet rban",
        ),
    ] {
        for native in [true, false] {
            in_namespace(|| {
                said(make);
                let before = said(show);
                let lab = Lab::new(shipped(action), native);
                lab.ban("192.0.2.9");
                let errors = errors(&lab);
                assert!(
                    errors
                        .iter()
                        .any(|line| line.contains("Failed to execute ban")),
                    "{action}: {errors:#?}"
                );
                assert_eq!(said(show), before, "{action}");
                // A second one is told as well, and nothing waits or breaks.
                lab.ban("192.0.2.10");
                assert!(lab.worker.last_error().is_some());
            });
        }
    }
}

/// Takes the right to change the firewall from every thread of a process, and from what it starts.
const DISARM: &str = "gdb -batch -nx -p \"$(cat /run/fail2ban/fail2ban.pid)\" \
    -ex 'set scheduler-locking on' \
    -ex 'set $m = ((char *(*)(long))malloc)(64)' \
    -ex 'call ((void *(*)(void *, int, long))memset)($m, 0, 64)' \
    -ex 'set *(unsigned *)$m = 0x20080522' \
    -ex 'call ((int (*)(void *, void *))capget)($m, $m + 16)' \
    -ex 'set *(unsigned *)($m + 16) &= ~0x1000' \
    -ex 'set *(unsigned *)($m + 20) &= ~0x1000' \
    -ex 'thread apply all call ((int (*)(int, long, long, long, long))prctl)(24, 12, 0, 0, 0)' \
    -ex 'thread apply all call ((int (*)(void *, void *))capset)($m, $m + 16)'";

#[test]
fn the_right_to_change_the_firewall_lost_at_runtime_is_told_and_the_rest_goes_on() {
    if !has(&["gdb"]) {
        return;
    }
    let lab = world();
    lab.start();
    lab.wait_for("Jail 'door' started");
    attack(&lab, lab::ATTACKER);
    cut_off(&lab);
    lab.shell(DISARM);
    let status = "grep -h CapEff /proc/$(cat /run/fail2ban/fail2ban.pid)/task/*/status | sort -u";
    let rights = lab.shell(status);
    let lost = rights.lines().count() == 1 && rights.trim().ends_with("efff");
    assert!(lost, "{rights}");
    attack(&lab, lab::NEIGHBOUR);
    lab.wait_for("not permitted: changing the firewall needs root or CAP_NET_ADMIN");
    lab.wait_for(&format!(
        "Failed to execute ban jail 'door' action 'rban' info 'ActionInfo({{'ip': '{}'",
        lab::NEIGHBOUR
    ));
    // It lives, knows what it wanted, and says what went wrong.
    let status = lab.ask(&["status", "door"]);
    assert!(status.contains(lab::NEIGHBOUR), "{status}");
    let own = lab.run(&["rban", "status", "door"]).out;
    assert!(own.contains("ermi"), "{own}");
    assert_eq!(lab.knock(lab::ATTACKER), "refused");
    lab.ask(&["stop"]);
}

#[test]
fn without_the_right_from_the_start_every_ban_says_so() {
    let lab = world();
    let server = lab.run(&[
        "setpriv",
        "--bounding-set=-net_admin",
        "--inh-caps=-net_admin",
        "rban",
        "server",
    ]);
    assert_eq!(server.code, 0, "{}", server.text());
    lab.wait_for("Jail 'door' started");
    attack(&lab, lab::ATTACKER);
    lab.wait_for("Failed to execute ban jail 'door'");
    assert!(lab.log().contains("ermi"), "{}", lab.log());
    assert!(lab.ask(&["status", "door"]).contains(lab::ATTACKER));
}

/// A ban that lasts so many seconds.
fn ban_for(address: &str, seconds: u32) -> Arc<Ban> {
    let mut ban = Ban::clone(&ban(address));
    ban.bantime = BanTime::Secs(seconds.into());
    Arc::new(ban)
}

#[test]
fn an_element_that_expires_before_we_take_it_out_is_no_error_and_loses_no_batch() {
    if !has(&["nft"]) {
        return;
    }
    for flags in ["timeout", "interval, timeout"] {
        in_namespace(|| {
            let set = format!("add set inet lab four {{ type ipv4_addr; flags {flags}; }}");
            let lab = Lab::new(
                settings(&[
                    ("actionstart", &format!("nft 'add table inet lab; {set}'")),
                    (
                        "actionban",
                        "nft add element inet lab four \\{ <ip> timeout <bantime>s \\}",
                    ),
                    (
                        "actionunban",
                        "nft delete element inet lab four \\{ <ip> \\}",
                    ),
                    ("actioncheck", "nft list set inet lab four"),
                ]),
                true,
            );
            assert_eq!(lab.worker.ways().to_string(), "native nftables");
            let bans: Vec<Arc<Ban>> = (0..200)
                .map(|n| ban_for(&format!("10.0.{n}.1"), if n % 2 == 0 { 1 } else { 600 }))
                .collect();
            for ban in &bans {
                lab.worker.send(Job::Ban(Arc::clone(ban)));
            }
            lab.settle();
            let count = || said("nft list set inet lab four").matches("10.0.").count();
            while count() > 100 {
                std::thread::yield_now();
            }
            // Gone for everybody, and not yet swept up by the kernel.
            for ban in &bans {
                lab.worker.send(Job::Unban(Arc::clone(ban)));
            }
            lab.settle();
            assert_eq!(count(), 0, "{flags}");
            lab.assert_quiet();
            let shells = lab.log().iter().filter(|l| l.contains("by shell")).count();
            assert_eq!(shells, 0, "{flags}");
        });
    }
}

#[test]
fn with_ipv6_switched_off_the_others_are_banned_and_nothing_is_wrong() {
    let lab = world();
    lab.shell("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
    // And an ip6tables that can do nothing, as without its modules.
    lab.without("ip6tables");
    lab.write(
        "jail.local",
        format!(
            "{DEFAULT_JAIL}action = rban[name=door, port=ssh]\n \
             iptables[name=old, port=ssh]\n iptables-ipset[name=set, port=ssh]\n"
        ),
    );
    lab.start();
    lab.wait_for("Jail 'door' started");
    attack(&lab, lab::ATTACKER);
    cut_off(&lab);
    for (list, what) in [
        ("nft list set inet rban v4-host-door", "rban"),
        ("iptables -S f2b-old", "iptables"),
        ("ipset list f2b-set", "ipset"),
    ] {
        lab.wait(what, || {
            lab.run(&["sh", "-c", list])
                .out
                .contains(lab::ATTACKER)
                .then_some(())
        });
    }
    assert!(!lab.log().contains(" ERROR "), "{}", lab.log());
    // An address nobody can have here: whoever can ban it does, and only the others complain.
    lab.ask(&["set", "door", "banip", "2001:db8::99"]);
    lab.wait_for("Failed to execute ban jail 'door' action 'iptables-old'");
    lab.wait("ours has it", || {
        let set = lab.run(&["nft", "list", "set", "inet", "rban", "v6-host-door"]);
        set.out.contains("2001:db8::99").then_some(())
    });
    assert!(!lab.log().contains("action 'rban' info"), "{}", lab.log());
}

/// Everything a shell, nft, iptables, ipset or a log could take for an order.
const WICKED: &[&str] = &[
    "$(touch OWNED)",
    "`touch OWNED`",
    "; touch OWNED;",
    "\ntouch OWNED\n",
    "\r\ntouch OWNED\r\n",
    "| touch OWNED",
    "&& touch OWNED",
    "& touch OWNED",
    "' ; touch OWNED ; '",
    "\" ; touch OWNED ; \"",
    "\\\" ; touch OWNED ; \\\"",
    "x\0touch OWNED",
    "> OWNED",
    "<(touch OWNED)",
    "${IFS}touch${IFS}OWNED",
    "~ * ? [a-z] {a,b} ! # % ^",
    "-rf",
    "--help",
    "192.0.2.1 }; flush ruleset; add element inet lab four { 192.0.2.2",
    "192.0.2.1 -j ACCEPT",
    "192.0.2.1\nadd f2b-lab 203.0.113.99",
    "<ip> <matches> <actionstop>",
    "%(bantime)s",
    "\u{1b}[2Jgone",
    "é\u{202e}\u{feff}",
];

#[test]
fn no_value_of_a_tag_is_ever_an_order() {
    if !has(&["nft"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let owned = folder.path().join("owned");
    let said_file = folder.path().join("said");
    let print = format!(
        "printf '%s|' \"<F-USER>\" <F-USER> \"<matches>\" '<ip>' \"<fid>\" <fid> >> '{}'",
        said_file.display()
    );
    let action = settings(&[("actionban", &print), ("actionunban", &print)]);
    let lab = Lab::new(action, true);
    for value in WICKED {
        let value = value.replace("OWNED", &owned.display().to_string());
        let mut ban = Ban::clone(&ban("192.0.2.9"));
        ban.id = FailId::parse(&value);
        ban.data
            .insert("user".to_owned(), Datum::Text(value.clone()));
        ban.lines = vec![MatchedLine {
            text: value.clone().into(),
            date: None,
        }];
        let ban = Arc::new(ban);
        lab.send(Job::Ban(Arc::clone(&ban)));
        lab.send(Job::Unban(ban));
        assert!(!owned.exists(), "{value:?}");
        let told = fs::read_to_string(&said_file).expect("what it said");
        // No argument holds a NUL; all else arrives as it is.
        let whole = value.replace('\0', "\u{fffd}");
        assert!(
            told.starts_with(&format!("{whole}|")),
            "{value:?}: {told:?}"
        );
        fs::remove_file(&said_file).expect("there");
    }
    for line in lab.log() {
        assert!(!line.contains('\n') && !line.contains('\0'), "{line:?}");
    }
    lab.assert_quiet();
}

#[test]
fn no_value_of_a_tag_is_an_order_to_a_firewall() {
    if !has(&["nft", "iptables", "ipset"]) {
        return;
    }
    for action in [
        "rban[name=lab]",
        "nftables[name=lab]",
        "iptables[name=lab]",
        "iptables-ipset[name=lab]",
    ] {
        in_namespace(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let owned = folder.path().join("owned");
            let lab = Lab::new(shipped(action), true);
            lab.ban("192.0.2.66");
            let firewall = || {
                said("nft list ruleset | sed 's/ expires [0-9a-z]*//'; ipset save; iptables-save")
            };
            let before = firewall();
            for value in WICKED {
                let value = value.replace("OWNED", &owned.display().to_string());
                let mut ban = Ban::clone(&ban("192.0.2.9"));
                ban.id = FailId::parse(&value);
                ban.ip = None;
                let ban = Arc::new(ban);
                lab.send(Job::Ban(Arc::clone(&ban)));
                lab.send(Job::Unban(ban));
                assert!(!owned.exists(), "{action} {value:?}");
                let now = firewall();
                assert!(now.contains("192.0.2.66"), "{action} {value:?}: {now}");
                assert!(!now.contains("203.0.113.99"), "{action} {value:?}: {now}");
                assert!(
                    !now.contains("192.0.2.1 ") && !now.contains("192.0.2.1/32 -j ACCEPT"),
                    "{now}"
                );
            }
            assert!(!before.is_empty());
        });
    }
}

/// Each way of a batch, what counts the good of it, and how many those are. For the one that failed
/// four times there is no set or chain; two have more that is refused: an interval that is there
/// already, an address beyond the set's range.
const BATCHES: &[(&str, &str, &str, usize)] = &[
    (
        "nft 'add table inet lab; add set inet lab s3 { type ipv4_addr; flags interval; };
              add element inet lab s3 { 10.0.3.233-10.0.3.234 }'",
        "nft add element inet lab s<failures> \\{ <ip> \\}",
        "nft list set inet lab s3 | tr , '\\n' | grep '10[.]' | grep -vc 10.0.3.233",
        998,
    ),
    (
        "nft 'add table inet lab; add set inet lab s3 { type ipv4_addr; }'",
        "nft add element inet lab s<failures> \\{ <ip> \\}",
        "nft list set inet lab s3 | grep -o '10[.]' | wc -l",
        999,
    ),
    (
        "ipset create s3 hash:ip",
        "ipset -exist add s<failures> <ip>",
        "ipset save s3 | grep -c '^add'",
        999,
    ),
    (
        "ipset create s3 bitmap:ip range 10.0.0.0-10.0.7.205; ipset create s4 bitmap:ip range 10.0.0.0/16",
        "ipset -exist add s<failures> <ip>",
        "ipset save s3 | grep -c '^add'",
        998,
    ),
    (
        "iptables -N s3",
        "iptables -w -I s<failures> 1 -s <ip> -j DROP",
        "iptables -S s3 | grep -c ' -j DROP'",
        999,
    ),
];

#[test]
fn one_bad_element_amid_a_thousand_costs_only_itself() {
    if !has(&["nft", "iptables", "iptables-restore", "ipset"]) {
        return;
    }
    for (start, command, count, good) in BATCHES {
        in_namespace(|| {
            let lab = Lab::new(
                settings(&[("actionstart", start), ("actionban", command)]),
                true,
            );
            assert!(
                lab.worker.ways().to_string().starts_with("native"),
                "{command}"
            );
            for n in 0..1_000 {
                let address = Ipv4Addr::from_bits(0x0a00_0000 + 2 * n);
                let mut ban = Ban::clone(&ban(&address.to_string()));
                ban.attempts = if n == 500 { 4 } else { 3 };
                lab.worker.send(Job::Ban(Arc::new(ban)));
            }
            lab.settle();
            assert_eq!(said(count).trim(), good.to_string(), "{command}");
            let log = lab.log();
            let failed = log.iter().filter(|l| l.contains("Failed to execute ban"));
            assert!(failed.count() <= 2, "{command}: {log:#?}");
        });
    }
}

/// Processor time of this process's thread of that name, in microseconds.
fn thread_time(name: &str) -> u64 {
    let tasks = fs::read_dir("/proc/self/task").expect("threads");
    let of_name = tasks.filter_map(|task| {
        let task = task.ok()?.path();
        let comm = fs::read_to_string(task.join("comm")).ok()?;
        (comm.trim() == name).then(|| fs::read_to_string(task.join("schedstat")).ok())?
    });
    let first = |text: String| text.split(' ').next()?.parse::<u64>().ok();
    of_name.filter_map(first).sum::<u64>() / 1_000
}

/// So many are in the set before the ones that are timed; a million was tried by hand, see
/// docs/performance.md.
const CROWD: u32 = 100_000;

#[test]
fn a_ban_costs_no_more_beside_a_hundred_thousand() {
    if !has(&["nft"]) {
        return;
    }
    // In a set of intervals the kernel itself walks all of it at each commit, whoever asks.
    for (at, flags) in ["", "flags timeout;"].into_iter().enumerate() {
        in_namespace(|| {
            let start = format!(
                "nft 'add table inet lab; add set inet lab four {{ type ipv4_addr; {flags} }}'"
            );
            let mut settings = settings(&[
                ("actionstart", &start),
                ("actionban", "nft add element inet lab four \\{ <ip> \\}"),
                (
                    "actionunban",
                    "nft delete element inet lab four \\{ <ip> \\}",
                ),
            ]);
            settings.name = format!("crowd{at}");
            let lab = Lab::new(settings, true);
            let twenty = || {
                let before = thread_time(&format!("crowd{at}"));
                for n in 1..=20 {
                    lab.ban(&format!("192.0.2.{n}"));
                }
                for n in 1..=20 {
                    lab.unban(&format!("192.0.2.{n}"));
                }
                thread_time(&format!("crowd{at}")) - before
            };
            twenty();
            let alone = twenty();
            let crowd = (0..CROWD).map(|n| Ipv4Addr::from_bits(0x0a00_0000 + 2 * n).to_string());
            let crowd = crowd.collect::<Vec<_>>().join(", ");
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("crowd.nft");
            fs::write(&file, format!("add element inet lab four {{ {crowd} }}\n"))
                .expect("written");
            said(&format!("nft -f {}", file.display()));
            let together = twenty();
            eprintln!("{flags:20} 40 changes: {alone} µs alone, {together} µs beside {CROWD}");
            // A list of the set would be thousands of times as much: 0.1 s for each.
            assert!(
                together < 20 * alone.max(1_000),
                "{flags}: {alone} and {together} µs"
            );
            lab.assert_quiet();
        });
    }
}

/// Somebody restores a set of rules of his own, which knows nothing of ours.
#[test]
fn a_restore_of_somebody_elses_rules_is_undone_at_once_or_at_the_next_look() {
    if !has(&["iptables", "iptables-legacy", "ip"]) {
        return;
    }
    let theirs = "printf '*filter\\n:INPUT ACCEPT\\n-A INPUT -s 203.0.113.5 -j DROP\\nCOMMIT\\n'";
    for (program, action) in [
        ("iptables", "iptables[name=lab, port=2222]"),
        (
            "iptables-legacy",
            "iptables[name=lab, port=2222, iptables=iptables-legacy -w]",
        ),
    ] {
        in_namespace(|| {
            let attacker = Attacker::new(&Refused);
            let _four = TcpListener::bind(("192.0.2.1", PORT)).expect("a port");
            let lab = Lab::new(shipped(action), true);
            let (heard, told) = mpsc::channel();
            let _watch = Watch::spawn(move |what| {
                let _ = heard.send(what);
            })
            .expect("a watch");
            lab.ban(GUILTY[0]);
            assert_eq!(attacker.tries(GUILTY[0]), Refused);
            said(&format!("{theirs} | {program}-restore"));
            if program == "iptables" {
                let what = told.recv_timeout(LONG).expect("heard of it");
                lab.send(Job::Disturbed(what.into()));
            } else {
                // It tells nobody: that is what the look every minute is for.
                assert_eq!(attacker.tries(GUILTY[0]), Open);
                lab.send(Job::Check);
            }
            assert_eq!(attacker.tries(GUILTY[0]), Refused, "{program}");
            let rules = said(&format!("{program} -S"));
            assert!(rules.contains("203.0.113.5"), "theirs stays: {rules}");
        });
    }
}

/// Kernels before 6.8 cannot select a host's connections, and none can a network's: they are looked
/// for one by one.
#[test]
fn with_kill_connections_conntrack_forgets_hosts_and_networks() {
    if !has(&["nft", "ip", "conntrack"]) {
        return;
    }
    for banned in ["192.0.2.64/26", GUILTY[0]] {
        in_namespace(|| {
            let attacker = Attacker::new(&Refused);
            said(
                "nft 'add table ip t; add chain ip t c { type filter hook input priority 0; };
                  add rule ip t c ct state established counter'",
            );
            let _four = TcpListener::bind(("192.0.2.1", PORT)).expect("a port");
            assert_eq!(attacker.tries(GUILTY[0]), Open);
            assert_eq!(attacker.tries(BYSTANDER[0]), Open);
            let known = |of: &str| said(&format!("conntrack -L -s {of} 2>/dev/null")).contains(of);
            assert!(known(GUILTY[0]) && known(BYSTANDER[0]));
            let lab = Lab::new(table(", port=\"2222\", kill_connections=true"), true);
            lab.ban(banned);
            assert!(!known(GUILTY[0]), "{banned}");
            assert!(known(BYSTANDER[0]), "{banned}");
            lab.assert_quiet();
        });
    }
}

#[test]
fn two_instances_with_names_of_their_own_do_not_meet() {
    if !has(&["nft"]) {
        return;
    }
    in_namespace(|| {
        let one = Lab::new(table(", port=2222"), true);
        let other = Lab::new(table(", port=2222, table=other"), true);
        let (heard, told) = mpsc::channel();
        let _watch = Watch::spawn(move |what| {
            let _ = heard.send(what);
        })
        .expect("a watch");
        one.ban(GUILTY[0]);
        other.ban(GUILTY[0]);
        let in_table = |name: &str| {
            let list = format!("nft list set inet {name} v4-host-lab");
            said(&list).contains(GUILTY[0])
        };
        one.unban(GUILTY[0]);
        assert!(!in_table("rban") && in_table("other"));
        one.ban(GUILTY[0]);
        other.send(Job::Flush);
        assert!(in_table("rban") && !in_table("other"));
        other.ban(GUILTY[0]);
        // What one loses the other does not repair.
        said("nft delete table inet rban");
        let of_one = |what: &Disturbance| match what {
            Disturbance::Lost(lost) => lost.iter().any(|loss| &*loss.table == "rban"),
            Disturbance::Unknown => true,
        };
        // The flush before, by the program, is heard of as well.
        let what = loop {
            let what = told.recv_timeout(LONG).expect("heard of it");
            if of_one(&what) {
                break Arc::new(what);
            }
        };
        other.send(Job::Disturbed(Arc::clone(&what)));
        assert!(!said("nft list tables").contains("rban"));
        one.send(Job::Disturbed(what));
        assert!(in_table("rban") && in_table("other"));
        assert!(!other.log().iter().any(|line| line.contains("Reban")));
        // A successor of one takes over what is its own.
        drop(one);
        let successor = Lab::following(table(", port=2222"), true);
        successor.send(Job::Reconcile);
        assert!(!in_table("rban") && in_table("other"));
        assert!(successor.worker.stop(LONG));
        assert!(in_table("other"));
        assert!(other.worker.stop(LONG));
        assert_eq!(said("nft list ruleset"), "");
    });
}
