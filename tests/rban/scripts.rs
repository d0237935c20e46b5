//! Actions by shell: hostile values, scripts that hang, fail or are not there.

use std::fs;
use std::os::unix::process::CommandExt;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};
use rban::action::{Event, Job};
use rban::model::{Captured, Datum, MatchedLine};

use crate::bench::{LONG, Lab, ban, settings};
use crate::support::{has, in_namespace, said};

/// Everything a shell reads something into, and what breaks arguments.
const HOSTILE: &[&str] = &[
    "$(touch injected)",
    "`touch injected`",
    "; touch injected;",
    "&& touch injected",
    "| touch injected",
    "\n touch injected\n",
    "\r\ntouch injected",
    "'; touch injected; '",
    "\"; touch injected; \"",
    "\\\"; touch injected; \\\"",
    "> injected",
    "${IFS}touch${IFS}injected",
    "*",
    "~root",
    "[a-z]*",
    "{a,b}",
    "(a)",
    "#no comment",
    "a\\b\\n",
    "!history",
    "$f2bV_matches",
    "<ip><matches><F-USER>",
    "%s%n",
    "é\u{202e}\u{1f600}",
    "\u{1}\u{7f}\u{b}",
];

#[test]
fn a_captured_value_reaches_the_script_whole_and_unread() {
    let dir = tempfile::tempdir().expect("a folder");
    let script = format!(
        "cd {} && printf '%s|' \"<F-USER>\" \"<matches>\" \"<F-NAME>\" <restored> > out",
        dir.path().display()
    );
    let lab = Lab::new(settings(&[("actionban", &script)]), true);
    for value in HOSTILE {
        let mut hostile = (*ban("192.0.2.1")).clone();
        let text = Datum::Text((*value).to_owned());
        hostile.data = Captured::from([("user".to_owned(), text)]);
        hostile.lines = vec![MatchedLine {
            text: (*value).into(),
            date: None,
        }];
        lab.send(Job::Ban(Arc::new(hostile)));
        let out = fs::read_to_string(dir.path().join("out")).expect("the script's output");
        assert_eq!(out, format!("{value}|{value}||0|"), "{:#?}", lab.log());
        assert!(!dir.path().join("injected").exists(), "{value}");
    }
}

#[test]
fn a_nul_is_shown_as_what_cannot_be_shown() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    let script = format!("printf %s \"<F-USER>\" > {}", out.display());
    let lab = Lab::new(settings(&[("actionban", &script)]), true);
    let mut hostile = (*ban("192.0.2.1")).clone();
    let text = Datum::Text("ro\0ot".to_owned());
    hostile.data = Captured::from([("user".to_owned(), text)]);
    lab.send(Job::Ban(Arc::new(hostile)));
    assert_eq!(fs::read_to_string(out).expect("the output"), "ro\u{fffd}ot");
}

#[test]
fn more_than_ten_unsafe_values_and_megabytes_of_them_reach_the_script() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    let tags: Vec<String> = (0..12).map(|n| format!("\"<F-V{n}>\"")).collect();
    let script = format!(
        "printf '%s\\n' {} | cut -c 1-9 > {}",
        tags.join(" "),
        out.display()
    );
    let lab = Lab::new(settings(&[("actionban", &script)]), true);
    let mut long = (*ban("192.0.2.1")).clone();
    let value = |n| Datum::Text(format!("${n} {}", "x".repeat(1_000_000)));
    long.data = (0..12).map(|n| (format!("v{n}"), value(n))).collect();
    lab.send(Job::Ban(Arc::new(long)));
    lab.assert_quiet();
    let out = fs::read_to_string(out).expect("the output");
    for (n, line) in out.lines().enumerate() {
        assert_eq!(line, &format!("${n} {}", "x".repeat(9))[..9]);
    }
    assert_eq!(out.lines().count(), 12);
}

#[test]
fn a_script_that_hangs_holds_up_only_its_own_action() {
    let dir = tempfile::tempdir().expect("a folder");
    let fifo = dir.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a fifo");
    let out = dir.path().join("out");
    let hang = format!("echo <ip> > {}", fifo.display());
    let hanging = Lab::new(settings(&[("actionban", &hang)]), true);
    let write = format!("echo <ip> >> {}", out.display());
    let other = Lab::new(settings(&[("actionban", &write)]), true);
    for n in 1..=3 {
        let address = format!("192.0.2.{n}");
        hanging.worker.send(Job::Ban(ban(&address)));
        other.ban(&address);
    }
    let written = fs::read_to_string(&out).expect("the other's output");
    assert_eq!(written, "192.0.2.1\n192.0.2.2\n192.0.2.3\n");
    assert!(
        !hanging.worker.settle(Duration::from_millis(10)),
        "nobody listens to it yet"
    );
    let reading = std::thread::spawn(move || {
        // Each script opens the fifo anew.
        let mut heard = Vec::new();
        while heard.len() < 3 {
            let text = fs::read_to_string(&fifo).expect("the fifo");
            heard.extend(text.lines().map(str::to_owned));
        }
        heard
    });
    assert!(hanging.worker.settle(LONG));
    assert_eq!(
        reading.join().expect("no panic"),
        ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    );
}

#[test]
fn a_script_past_its_timeout_is_ended_tried_again_and_reported() {
    let options = [("actionban", "sleep 1000"), ("timeout", "1")];
    let lab = Lab::new(settings(&options), true);
    lab.ban("192.0.2.1");
    let log = lab.log();
    let late = log
        .iter()
        .filter(|l| l.ends_with(" -- timed out after 1 seconds."))
        .count();
    let killed = log
        .iter()
        .filter(|l| l.ends_with("-- killed with SIGTERM (return code: -15)"))
        .count();
    assert_eq!((late, killed), (2, 2), "{log:#?}");
    assert!(
        log.last()
            .expect("a log")
            .ends_with("Error banning 192.0.2.1"),
        "{log:#?}"
    );
    assert_eq!(
        lab.worker.last_error().as_deref(),
        Some("timed out after 1 seconds")
    );
}

#[test]
fn stopping_does_not_wait_for_a_script_that_hangs() {
    let dir = tempfile::tempdir().expect("a folder");
    let fifo = dir.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a fifo");
    let out = dir.path().join("out");
    let ban_script = format!("echo on > {}; sleep 1000", fifo.display());
    let stop = format!("echo stopped > {}", out.display());
    let options = [("actionban", ban_script.as_str()), ("actionstop", &stop)];
    let lab = Lab::new(settings(&options), true);
    lab.worker.send(Job::Ban(ban("192.0.2.1")));
    lab.worker.send(Job::Ban(ban("192.0.2.2")));
    assert_eq!(fs::read_to_string(&fifo).expect("the fifo"), "on\n");
    assert!(
        !lab.worker.stop(Duration::from_millis(200)),
        "it had to be helped"
    );
    assert_eq!(
        fs::read_to_string(&out).expect("the stop's output"),
        "stopped\n"
    );
}

#[test]
fn failures_read_as_in_fail2bans_log() {
    let lab = Lab::new(
        settings(&[
            ("actionban", "x"),
            ("actionunban", "echo one; echo \"it's\" >&2; exit 3"),
        ]),
        true,
    );
    lab.ban("192.0.2.44");
    let log = lab.log();
    let without_id = |line: &String| match line.split_once(" -- ") {
        Some((head, tail)) => {
            let level = head.split(' ').next().unwrap_or_default();
            format!("{level} -- {tail}")
        }
        None => line.clone(),
    };
    let log: Vec<String> = log.iter().map(without_id).collect();
    let once = [
        "ERROR -- exec: x",
        "ERROR -- stderr: '/bin/sh: 1: x: not found'",
        "ERROR -- returned 127",
    ];
    assert_eq!(log[..3], once);
    assert!(log[3].starts_with("INFO HINT on 127: a program named in 'x' was not found"));
    assert!(log[3].ends_with(rban::action::DEFAULT_PATH));
    assert_eq!(log[4..7], once);
    assert!(log[8].starts_with("ERROR Failed to execute ban jail 'lab' action 'lab' info '"));
    assert!(log[8].ends_with("': Error banning 192.0.2.44"));

    let lab = Lab::new(
        settings(&[
            ("actionban", "true"),
            ("actionunban", "echo one; echo \"it's\" >&2; exit 3"),
        ]),
        true,
    );
    lab.ban("192.0.2.44");
    lab.unban("192.0.2.44");
    let log: Vec<String> = lab.log().iter().map(without_id).collect();
    let said = [
        "ERROR -- stdout: 'one'",
        "ERROR -- stderr: \"it's\"",
        "ERROR -- returned 3",
    ];
    assert_eq!(log[3..6], said);
    assert!(log[10].ends_with("Error unbanning 192.0.2.44"), "{log:#?}");
}

#[test]
fn without_iptables_the_message_says_what_is_missing() {
    in_namespace(|| {
        let dir = tempfile::tempdir().expect("a folder");
        let options = [("actionban", "iptables -w -I f2b 1 -s <ip> -j DROP")];
        let lab = Lab::with_path(settings(&options), dir.path().to_str().expect("text"));
        lab.ban("192.0.2.1");
        let log = lab.log();
        let missing = "iptables: not found; install it, or see that it is in PATH";
        assert!(log[0].contains(missing), "{log:#?}");
        assert!(
            lab.worker
                .last_error()
                .expect("an error")
                .contains("not found")
        );
    });
}

#[test]
fn without_a_path_in_the_environment_programs_are_found() {
    let options = [("actionban", "command -v ip ls && test -n \"$PATH\"")];
    let lab = Lab::with_path(settings(&options), "");
    lab.ban("192.0.2.1");
    lab.assert_quiet();
}

/// Runs this very test once more as a user who may nothing, and there looks at what is said.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a user is a process's, so it takes another one"
)]
fn without_privileges_the_message_says_so() {
    if !geteuid().is_root() {
        let options = [("actionban", "nft add element inet lab four { <ip> }")];
        let lab = Lab::new(settings(&options), true);
        lab.ban("192.0.2.1");
        let log = lab.log();
        let words = "not permitted: changing the firewall needs root or CAP_NET_ADMIN";
        assert!(log[0].contains(words), "{log:#?}");
        assert!(lab.worker.last_error().is_some());
        return;
    }
    if !has(&["nft"]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    said(&format!("chmod 755 {}", dir.path().display()));
    let copy = dir.path().join("tests");
    fs::copy(std::env::current_exe().expect("this program"), &copy).expect("a copy");
    let name = "scripts::without_privileges_the_message_says_so";
    let output = std::process::Command::new(copy)
        .args(["--exact", name])
        .uid(65534)
        .gid(65534)
        .output()
        .expect("a program");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[test]
fn reports_name_what_failed() {
    let lab = Lab::new(settings(&[("actionban", "false")]), true);
    lab.ban("192.0.2.1");
    let reports = lab.reports();
    let failed = reports.iter().find_map(|report| match &report.event {
        Event::Failed {
            command,
            id,
            reason,
        } => Some((command.name(), id.clone(), reason.clone())),
        _ => None,
    });
    let id = Some(ban("192.0.2.1").id.clone());
    assert_eq!(failed, Some(("actionban", id, "returned 1".to_owned())));
}
