//! What an operator, a disk or an attacker gets wrong: each is told in a message one can act on,
//! and none keeps another jail from banning.

use crate::lab::{LOG, Lab, Program};

const GOOD_LOG: &str = "/var/log/good.log";

/// A jail that must go on whatever happens to the rest.
const GOOD: &str = "
[good]
enabled = true
filter = sshd
logpath = /var/log/good.log
maxretry = 2
action = nftables[name=good, port=ssh]
";

/// A world with the good jail and what a test adds, started.
fn beside_a_good_jail(more: &str) -> Lab {
    let lab = Lab::new(Program::Rban);
    configure(&lab, more);
    lab.start();
    lab
}

fn configure(lab: &Lab, more: &str) {
    lab.write(GOOD_LOG, "");
    lab.write("jail.local", format!("{GOOD}{more}"));
}

/// The good jail sees, bans and enforces.
fn the_good_jail_bans(lab: &Lab, address: &str) {
    lab.wait_for("Jail 'good' started");
    lab.append(GOOD_LOG, lab.failures(address, 2));
    lab.wait_for(&format!("[good] Ban {address}"));
    lab.wait("the kernel has it", || {
        let rules = lab.run(&["nft", "list", "ruleset"]).out;
        rules.contains(address).then_some(())
    });
}

/// The one line of `text` that holds all parts.
fn line_with(text: &str, parts: &[&str]) -> String {
    text.lines()
        .find(|line| parts.iter().all(|part| line.contains(part)))
        .unwrap_or_else(|| panic!("no line with {parts:?} in:\n{text}"))
        .to_owned()
}

/// What the program said of its configuration: where the start printed it, or its log.
fn told(lab: &Lab) -> String {
    let check = lab.client(&["-t"]);
    format!("{}{}", check.text(), lab.log())
}

#[test]
fn a_jail_without_logpath_is_left_out() {
    let lab =
        beside_a_good_jail("[bad]\nenabled = true\nfilter = sshd\nlogpath =\naction = dummy\n");
    line_with(&told(&lab), &["bad", "logpath"]);
    assert!(lab.ask(&["status"]).contains("good"));
    the_good_jail_bans(&lab, "198.51.100.1");
}

#[test]
fn a_jail_waits_for_its_log_and_starts_when_it_appears() {
    let lab = beside_a_good_jail(
        "[late]\nenabled = true\nfilter = sshd\nlogpath = /var/log/late/auth.log\nmaxretry = 2\n\
         action = nftables[name=late, port=ssh]\n",
    );
    line_with(&lab.log(), &["/var/log/late/auth.log"]);
    the_good_jail_bans(&lab, "198.51.100.1");
    lab.shell("mkdir /var/log/late");
    lab.append("/var/log/late/auth.log", lab.failures("198.51.100.2", 2));
    lab.wait_for("[late] Ban 198.51.100.2");
}

#[test]
fn an_unreadable_log_is_told_and_read_once_it_can_be() {
    let lab = Lab::new(Program::Rban);
    configure(
        &lab,
        "[shut]\nenabled = true\nfilter = sshd\nlogpath = /var/log/shut.log\nmaxretry = 2\n\
         action = nftables[name=shut, port=ssh]\n",
    );
    lab.write("/var/log/shut.log", "");
    lab.shell("chmod 000 /var/log/shut.log");
    // Root reads everything, unless it may not override modes.
    let reply = lab.run(&[
        "setpriv",
        "--bounding-set=-dac_override,-dac_read_search",
        "rban",
        "server",
    ]);
    assert_eq!(reply.code, 0, "{}", reply.text());
    let line = lab.wait_for("/var/log/shut.log");
    assert!(
        lab.log().contains("ermission denied"),
        "{line}\n{}",
        lab.log()
    );
    the_good_jail_bans(&lab, "198.51.100.1");
    lab.shell("chmod 600 /var/log/shut.log");
    lab.append("/var/log/shut.log", lab.failures("198.51.100.2", 2));
    lab.wait_for("[shut] Ban 198.51.100.2");
}

#[test]
fn garbage_and_endless_lines_cost_nothing_else() {
    let lab = beside_a_good_jail("");
    lab.wait_for("Jail 'good' started");
    let mut garbage: Vec<u8> = (0..=255_u8).cycle().take(1 << 18).collect();
    garbage.push(b'\n');
    lab.append(GOOD_LOG, &garbage);
    lab.append(GOOD_LOG, vec![b'A'; 1 << 20]);
    lab.append(GOOD_LOG, "\n");
    let long_user = "x".repeat(1 << 20);
    let line = lab.failures("198.51.100.9", 1).replace("root", &long_user);
    lab.append(GOOD_LOG, line);
    the_good_jail_bans(&lab, "198.51.100.1");
    let kib: u64 = lab
        .shell("sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$(cat /run/fail2ban/fail2ban.pid)/status")
        .trim()
        .parse()
        .expect("a number");
    assert!(kib < 32 * 1024, "{kib} KiB after a few MiB of nonsense");
}

#[test]
fn invalid_utf8_in_a_line_does_not_hide_it() {
    let lab = beside_a_good_jail("");
    lab.wait_for("Jail 'good' started");
    for _ in 0..2 {
        let mut line = lab
            .failures("198.51.100.3", 1)
            .replace("root", "r?t")
            .into_bytes();
        let at = line
            .iter()
            .position(|byte| *byte == b'?')
            .expect("the mark");
        line[at] = 0xe9;
        lab.append(GOOD_LOG, line);
    }
    lab.wait_for("[good] Ban 198.51.100.3");
}

#[test]
fn an_unknown_logencoding_is_told_and_a_utf_16_log_with_crlf_is_read() {
    const JAIL: &str = "enabled = true\nfilter = sshd\nmaxretry = 2\naction = dummy\n";
    let lab = Lab::new(Program::Rban);
    configure(
        &lab,
        &format!(
            "[odd]\n{JAIL}logpath = /var/log/odd.log\nlogencoding = klingon\n\
             [wide]\n{JAIL}logpath = /var/log/wide.log\nlogencoding = utf-16-le\n"
        ),
    );
    lab.write("/var/log/odd.log", "");
    lab.write("/var/log/wide.log", "");
    lab.start();
    lab.wait_for("[odd] unknown logencoding 'klingon'");
    lab.wait_for("Jail 'wide' started");
    lab.append("/var/log/odd.log", lab.failures("198.51.100.4", 2));
    let lines = lab.failures("198.51.100.5", 2).replace('\n', "\r\n");
    let wide: Vec<u8> = lines.encode_utf16().flat_map(u16::to_le_bytes).collect();
    // Half of a character, then the rest.
    let (start, end) = wide.split_at(wide.len() / 4 * 2 + 1);
    lab.append("/var/log/wide.log", start);
    lab.append("/var/log/wide.log", end);
    lab.wait_for("[odd] Ban 198.51.100.4");
    lab.wait_for("[wide] Ban 198.51.100.5");
    the_good_jail_bans(&lab, "198.51.100.6");
}

#[test]
fn a_log_truncated_under_us_is_read_from_its_start() {
    let lab = beside_a_good_jail("");
    lab.wait_for("Jail 'good' started");
    lab.append(GOOD_LOG, lab.failures("198.51.100.4", 1));
    lab.wait_for("[good] Found 198.51.100.4");
    lab.shell(&format!(": > {GOOD_LOG}"));
    the_good_jail_bans(&lab, "198.51.100.5");
    assert!(
        !lab.log().contains("Ban 198.51.100.4"),
        "one failure stays one"
    );
}

#[test]
fn old_lines_are_ignored_and_strange_clocks_are_told() {
    let lab = Lab::new(Program::Rban);
    configure(&lab, "");
    lab.write(
        GOOD_LOG,
        "Jan  1 00:00:01 lab sshd[1]: Failed password for root from 198.51.100.6 port 1 ssh2\n"
            .repeat(5),
    );
    lab.start();
    lab.wait_for("Jail 'good' started");
    let strange = |year: &str| {
        format!(
            "{year}-01-01T00:00:01Z lab sshd[2]: Failed password for root from 198.51.100.7 port 1 ssh2\n"
        )
    };
    lab.append(GOOD_LOG, strange("2019"));
    lab.append(GOOD_LOG, strange("2029"));
    lab.wait_for("[good] Ban 198.51.100.7");
    assert!(
        !lab.log().contains("Found 198.51.100.6"),
        "older than findtime"
    );
    line_with(&lab.log(), &["WARNING", "timezone"]);
}

#[test]
fn a_port_nobody_knows_fails_alone() {
    let lab = beside_a_good_jail(
        "[bad]\nenabled = true\nfilter = sshd\nlogpath = /var/log/good.log\nmaxretry = 2\n\
         action = iptables[name=bad, port=nosuchport]\n         nftables[name=too, port=ssh]\n",
    );
    the_good_jail_bans(&lab, "198.51.100.1");
    lab.wait_for("[bad] Ban 198.51.100.1");
    lab.wait("the second action did its part", || {
        let sets = lab.run(&["nft", "list", "set", "inet", "f2b-table", "addr-set-too"]);
        sets.out.contains("198.51.100.1").then_some(())
    });
    lab.wait_for("nosuchport");
    line_with(&lab.log(), &["ERROR", "iptables"]);
}

#[test]
fn an_action_that_hangs_holds_up_nobody() {
    let lab = Lab::new(Program::Rban);
    lab.write(
        "action.d/hang.conf",
        "[Definition]\nactionban = sleep 1000\nactionunban =\n[Init]\ntimeout = 2\n",
    );
    configure(
        &lab,
        "[slow]\nenabled = true\nfilter = sshd\nlogpath = /var/log/slow.log\nmaxretry = 2\naction = hang\n",
    );
    lab.write("/var/log/slow.log", "");
    lab.start();
    lab.wait_for("Jail 'slow' started");
    lab.append("/var/log/slow.log", lab.failures("198.51.100.8", 2));
    lab.wait_for("[slow] Ban 198.51.100.8");
    the_good_jail_bans(&lab, "198.51.100.1");
    assert!(
        !lab.log().contains("timed out"),
        "nobody waited for it:\n{}",
        lab.log()
    );
    lab.wait_for("timed out");
    lab.wait("it is gone", || {
        (lab.run(&["pgrep", "-f", "[s]leep 1000"]).code != 0).then_some(())
    });
}

#[test]
fn an_action_that_fails_is_told_with_what_it_said() {
    let lab = Lab::new(Program::Rban);
    lab.write(
        "action.d/fail.conf",
        "[Definition]\nactionban = echo 'no luck today' >&2; exit 1\nactionunban =\n",
    );
    configure(
        &lab,
        "[fails]\nenabled = true\nfilter = sshd\nlogpath = /var/log/good.log\nmaxretry = 2\naction = fail\n",
    );
    lab.start();
    the_good_jail_bans(&lab, "198.51.100.1");
    lab.wait_for("no luck today");
    lab.wait_for("returned 1");
    assert!(
        lab.ask(&["status", "fails"]).contains("198.51.100.1"),
        "the ticket stays"
    );
}

#[test]
fn without_iptables_its_jails_say_so() {
    let lab = Lab::new(Program::Rban);
    configure(
        &lab,
        "[old]\nenabled = true\nfilter = sshd\nlogpath = /var/log/good.log\nmaxretry = 2\n\
         action = iptables[name=old, port=ssh]\n",
    );
    for name in [
        "iptables",
        "ip6tables",
        "iptables-restore",
        "ip6tables-restore",
    ] {
        lab.without(name);
    }
    lab.start();
    the_good_jail_bans(&lab, "198.51.100.1");
    lab.wait_for("[old] Ban 198.51.100.1");
    lab.wait("a message", || {
        lab.log()
            .lines()
            .any(|line| line.contains("iptables") && line.contains("not found"))
            .then_some(())
    });
}

#[test]
fn who_is_not_root_is_told_so() {
    let lab = Lab::new(Program::Rban);
    configure(&lab, "");
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let server = lab.run(&[&nobody[..], &["rban", "server", "-f"]].concat());
    assert_eq!(server.code, 255, "{}", server.text());
    line_with(&server.text(), &["ermission"]);
    assert!(!server.text().contains("panicked"), "{}", server.text());

    lab.start();
    let client = lab.run(&[&nobody[..], &["rban", "client", "status"]].concat());
    assert_eq!(client.code, 255);
    line_with(&client.text(), &["you must be root"]);
    the_good_jail_bans(&lab, "198.51.100.1");
}

#[test]
fn a_second_server_leaves_the_first_alone() {
    let lab = beside_a_good_jail("");
    for words in [&["rban", "server"][..], &["rban", "server", "-f"]] {
        let second = lab.run(words);
        assert_eq!(second.code, 255, "{}", second.text());
        line_with(&second.text(), &["already running"]);
    }
    assert_eq!(lab.ask(&["ping"]), "Server replied: pong\n");
    the_good_jail_bans(&lab, "198.51.100.1");
}

#[test]
fn what_a_killed_server_left_does_not_keep_the_next_from_starting() {
    let lab = beside_a_good_jail("");
    the_good_jail_bans(&lab, "198.51.100.1");
    lab.shell("kill -KILL $(cat /run/fail2ban/fail2ban.pid)");
    lab.wait("it is dead", || {
        (lab.client(&["ping"]).code == 255).then_some(())
    });
    assert!(
        lab.path("/run/fail2ban/fail2ban.sock")
            .symlink_metadata()
            .is_ok(),
        "a stale socket"
    );
    lab.start();
    lab.wait_for("[good] Restore Ban 198.51.100.1");
    lab.wait("once in the kernel", || {
        let rules = lab.run(&["nft", "list", "ruleset"]).out;
        (rules.matches("198.51.100.1").count() == 1 && rules.matches("@addr-set-good").count() == 1)
            .then_some(())
    });
    lab.append(GOOD_LOG, lab.failures("198.51.100.2", 2));
    lab.wait_for("[good] Ban 198.51.100.2");
}

#[test]
fn a_pid_file_of_somebody_else_is_not_believed() {
    let lab = Lab::new(Program::Rban);
    configure(&lab, "");
    lab.write("/run/fail2ban/fail2ban.pid", "1\n");
    lab.start();
    the_good_jail_bans(&lab, "198.51.100.1");
}

#[test]
fn a_full_disk_stops_the_log_and_nothing_else() {
    let lab = Lab::new(Program::Rban);
    configure(&lab, "");
    lab.shell("mkdir -p /var/log/fail2ban && mount -t tmpfs -o size=64k tmpfs /var/log/fail2ban");
    lab.start();
    lab.wait_for("Jail 'good' started");
    lab.shell("dd if=/dev/zero of=/var/log/fail2ban/fill bs=1k 2>/dev/null || true");
    // What is left of the log's last page goes first.
    for host in 1..60 {
        lab.append(GOOD_LOG, lab.failures(&format!("198.51.100.{host}"), 2));
    }
    lab.wait("the kernel has the last", || {
        let rules = lab.run(&["nft", "list", "ruleset"]).out;
        rules.contains("198.51.100.59").then_some(())
    });
    assert!(
        !lab.log().contains("Ban 198.51.100.59"),
        "there was no room to say so"
    );
    lab.shell("rm /var/log/fail2ban/fill");
    lab.append(GOOD_LOG, lab.failures("203.0.113.1", 2));
    lab.wait_for("[good] Ban 203.0.113.1");
    assert!(lab.log().ends_with('\n'));
    assert!(lab.path(LOG).exists());
}

#[test]
fn each_mistake_in_a_jail_is_one_line_with_its_place() {
    let lab = Lab::new(Program::Rban);
    configure(
        &lab,
        "
[badtime]
enabled = true
filter = sshd
logpath = /var/log/good.log
bantime = soon

[nofilter]
enabled = true
filter = nosuchfilter
logpath = /var/log/good.log

[noaction]
enabled = true
filter = sshd
logpath = /var/log/good.log
action = nosuchaction

[nosuchname]
enabled = true
filter = sshd
logpath = %(no_such_log)s

[typo]
enabled = true
filter = sshd
logpath = /var/log/good.log
maxrety = 3
",
    );
    lab.start();
    let told = told(&lab);
    // jail.local begins with GOOD, whose last line is line 7.
    for (line, parts) in [
        (13, &["badtime", "bantime", "soon"][..]),
        (17, &["nofilter", "nosuchfilter"]),
        (24, &["noaction", "nosuchaction"]),
        (29, &["nosuchname", "no_such_log"]),
        (35, &["typo", "maxrety", "maxretry"]),
    ] {
        let place = format!("jail.local:{line}");
        line_with(&told, &[&[place.as_str()], parts].concat());
    }
    let status = lab.ask(&["status"]);
    assert!(
        status.contains("good") && status.contains("typo"),
        "{status}"
    );
    assert!(!status.contains("nofilter"), "{status}");
    the_good_jail_bans(&lab, "198.51.100.1");
}
