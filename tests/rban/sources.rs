//! Where lines come from, and the real daemon when that fails under it: rights and mounts that come
//! and go, watches that run out, and quiet, in which nobody must wake up.

#![expect(
    clippy::disallowed_methods,
    reason = "a test drives a real daemon and waits for it with a real clock"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::thread;
use std::time::{Duration, Instant};

use crate::journal::{Writer, backend};
use crate::lab::{ATTACKER, Lab, NEIGHBOUR, Program};
use crate::life::{self, Home, append, lines};
use crate::support::has;

/// Nobody's number, who is not us.
const NOBODY: u32 = 65534;

fn log(home: &Home) -> String {
    fs::read_to_string(home.path("log")).unwrap_or_default()
}

fn wait_for(home: &Home, words: &str) {
    home.wait(words, |home| log(home).contains(words).then_some(()));
}

fn report(home: &Home, jail: &str) -> serde_json::Value {
    serde_json::from_str(&home.ask(&["--json", "status", jail])).expect("JSON")
}

/// Another jail beside the home's own, of the same kind.
fn add_jail(home: &Home, name: &str, options: &str) {
    let conf = fs::read_to_string(home.path("jail.conf")).expect("a configuration");
    let jail = format!("[{name}]\nenabled = true\nfilter = door\n{options}\n");
    home.write("jail.conf", &(conf + &jail));
}

/// Puts another log in the place of one, with lines, which only somebody else may read.
fn replace_with_somebody_elses(home: &Home, text: &str) {
    let log = home.path("door.log");
    fs::rename(&log, home.path("door.log.1")).expect("renamed");
    home.write("next", text);
    fs::set_permissions(home.path("next"), Permissions::from_mode(0o600)).expect("a mode");
    chown(home.path("next"), Some(NOBODY), Some(NOBODY)).expect("an owner");
    fs::rename(home.path("next"), log).expect("renamed");
}

#[test]
fn a_log_that_may_not_be_read_is_told_once_and_read_from_its_start_once_it_may() {
    for backend in ["auto", "polling"] {
        let mut home = Home::new("", &format!("backend = {backend}"));
        let other = home.path("other.log").display().to_string();
        home.write("other.log", "");
        add_jail(&home, "other", &format!("logpath = {other}"));
        // Root like any other user where files are concerned, as in a unit that keeps few rights.
        home.start_by(&[
            "setpriv",
            "--bounding-set=-dac_override,-dac_read_search",
            "--",
        ]);
        home.failures("198.51.100.1", 3);
        home.wait_banned("198.51.100.1");
        replace_with_somebody_elses(&home, &lines("198.51.100.2", 2));
        let told = "door.log cannot be read: Permission denied";
        wait_for(&home, told);
        let state = report(&home, "door");
        assert_eq!(state["state"], "waiting", "{state}");
        let text = state.to_string();
        assert!(text.contains("Permission denied"), "{text}");
        // The other jail is none the worse.
        append(&home.path("other.log"), &lines("198.51.100.9", 3));
        wait_for(&home, "[other] Ban 198.51.100.9");
        home.failures("198.51.100.2", 1);
        let log_path = home.path("door.log");
        fs::set_permissions(&log_path, Permissions::from_mode(0o644)).expect("a mode");
        home.wait_banned("198.51.100.2");
        wait_for(&home, "door.log is read again");
        let state = report(&home, "door");
        assert_eq!(state["state"], "running", "{state}");
        assert!(state.to_string().contains("\"errors\":1"), "{state}");
        // Who has it open goes on reading, whatever becomes of the right.
        fs::set_permissions(&log_path, Permissions::from_mode(0o600)).expect("a mode");
        home.failures("198.51.100.3", 3);
        home.wait_banned("198.51.100.3");
        home.stop();
        let text = log(&home);
        for once in [told, "door.log is read again"] {
            assert_eq!(text.matches(once).count(), 1, "{backend} {once}\n{text}");
        }
        assert_eq!(text.matches("] Found 198.51.100.2 ").count(), 3, "{text}");
    }
}

#[test]
fn a_mount_over_a_folder_of_logs_and_its_end_are_seen_and_nothing_is_read_twice() {
    for backend in ["auto", "polling"] {
        let lab = Lab::new(Program::Rban);
        lab.write(
            "jail.local",
            format!(
                "[sshd]\nenabled = true\nmaxretry = 3\naction =\nbackend = {backend}\n\
                 logpath = /var/log/app/auth.log\n"
            ),
        );
        lab.shell("mkdir /var/log/app");
        lab.append("/var/log/app/auth.log", "");
        lab.start();
        lab.append("/var/log/app/auth.log", lab.failures(ATTACKER, 2));
        lab.wait_for(&format!("Found {ATTACKER}"));
        lab.shell("mount -t tmpfs none /var/log/app");
        lab.wait_for("/var/log/app/auth.log is not there");
        lab.append("/var/log/app/auth.log", lab.failures(NEIGHBOUR, 3));
        lab.wait_for(&format!("[sshd] Ban {NEIGHBOUR}"));
        lab.shell("umount --lazy /var/log/app");
        lab.append("/var/log/app/auth.log", lab.failures(ATTACKER, 1));
        lab.wait_for(&format!("[sshd] Ban {ATTACKER}"));
        let text = lab.log();
        for address in [ATTACKER, NEIGHBOUR] {
            let found = text.matches(&format!("Found {address} ")).count();
            assert_eq!(found, 3, "{backend} {address}\n{text}");
        }
    }
}

#[test]
fn a_log_on_a_file_system_that_tells_of_nothing_is_polled_and_may_be_rotated() {
    if !has(&["bindfs"]) {
        return;
    }
    let lab = Lab::new(Program::Rban);
    lab.write(
        "jail.local",
        "[sshd]\nenabled = true\nmaxretry = 3\naction =\nbackend = auto\n\
         logpath = /var/log/far/auth.log\n",
    );
    // As on NFS, somebody else writes: inotify on this side hears nothing.
    lab.shell("mkdir /var/log/near /var/log/far");
    let mount = "mknod /dev/fuse c 10 229 && bindfs /var/log/near /var/log/far";
    let mounted = lab.run(&["sh", "-c", mount]);
    if mounted.code != 0 {
        eprintln!("skipped, no FUSE in this kernel: {}", mounted.text());
        return;
    }
    lab.append("/var/log/near/auth.log", "");
    lab.start();
    lab.append("/var/log/near/auth.log", lab.failures(ATTACKER, 3));
    lab.wait_for(&format!("[sshd] Ban {ATTACKER}"));
    // A file system that goes by paths, as this one, must be told of the new name.
    lab.shell("mv /var/log/far/auth.log /var/log/far/auth.log.1");
    lab.append("/var/log/near/auth.log.1", lab.failures(NEIGHBOUR, 2));
    lab.append("/var/log/near/auth.log", lab.failures(NEIGHBOUR, 1));
    lab.wait_for(&format!("[sshd] Ban {NEIGHBOUR}"));
    let text = lab.log();
    for address in [ATTACKER, NEIGHBOUR] {
        let found = text.matches(&format!("Found {address} ")).count();
        assert_eq!(found, 3, "{address}\n{text}");
    }
}

/// How often the daemon's threads went to sleep so far.
fn sleeps(process: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("threads");
    let of_thread = |thread: fs::DirEntry| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.map_or(0, |count| count.trim().parse().expect("a number"))
    };
    threads.flatten().map(of_thread).sum()
}

/// Longer than fail2ban's slowest poll.
const QUIET: Duration = Duration::from_secs(4);

#[test]
fn in_quiet_no_thread_of_the_daemon_wakes_up_whatever_it_reads() {
    let mut home = Home::new("", "backend = auto");
    let at = home.path("").display().to_string();
    fs::create_dir(home.path("journal")).expect("a folder");
    for (name, options) in [
        ("glob", format!("backend = auto\nlogpath = {at}/*.none")),
        ("late", format!("backend = auto\nlogpath = {at}/late.log")),
        (
            "journal",
            format!("backend = systemd[journalpath={at}/journal]\njournalmatch = _COMM=sshd"),
        ),
        ("socket", format!("backend = syslog[listen={at}/dgram]")),
        ("pipe", format!("backend = pipe[path={at}/pipe]")),
    ] {
        add_jail(&home, name, &options);
    }
    home.start(life::Program::Rban);
    home.failures("198.51.100.1", 3);
    home.wait_banned("198.51.100.1");
    let (_, child) = home.running.as_ref().expect("it runs");
    // What a start and a ban leave to be done is done within seconds.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let before = sleeps(child.id());
        thread::sleep(QUIET);
        let woken = sleeps(child.id()) - before;
        if woken == 0 {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{woken} times in {QUIET:?}\n{}",
            log(&home)
        );
    }
    // It was asleep, not dead.
    home.failures("198.51.100.2", 3);
    home.wait_banned("198.51.100.2");
    home.stop();
}

/// Bytes the daemon has read from anywhere.
fn bytes_read(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/io")).expect("a process");
    let first = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    first.expect("a count").parse().expect("a number")
}

#[test]
fn a_hundred_jails_on_one_log_read_it_once() {
    let mut home = Home::new("", "backend = auto");
    let door = home.path("door.log").display().to_string();
    for number in 1..100 {
        add_jail(
            &home,
            &format!("door{number}"),
            &format!("backend = auto\nlogpath = {door}"),
        );
    }
    home.start(life::Program::Rban);
    wait_for(&home, "Jail 'door99' started");
    home.failures("198.51.100.1", 3);
    home.wait("bans in all jails", |home| {
        (log(home).matches("] Ban 198.51.100.1").count() == 100).then_some(())
    });
    let (_, child) = home.running.as_ref().expect("it runs");
    let process = child.id();
    let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S");
    let noise = format!("{now} nobody did anything at all\n").repeat(20_000);
    let before = bytes_read(process);
    append(&home.path("door.log"), &noise);
    home.failures("198.51.100.2", 3);
    home.wait("bans in all jails", |home| {
        (log(home).matches("] Ban 198.51.100.2").count() == 100).then_some(())
    });
    let read = bytes_read(process) - before;
    let size = noise.len() as u64;
    assert!(read < 2 * size, "{read} bytes for {size}");
    home.stop();
}

#[test]
fn auto_goes_to_the_journal_and_with_a_reload_to_the_log_and_status_says_why() {
    let lab = Lab::new(Program::Rban);
    lab.write(
        "jail.local",
        "[sshd]\nenabled = true\nmaxretry = 3\naction =\nbackend = auto\n\
         logpath = /var/log/auth.log\n",
    );
    let id = lab.read("/etc/machine-id").trim().to_owned();
    lab.shell(&format!(
        "mkdir -p /run/log/journal/{id} /run/systemd/journal; > /run/systemd/journal/socket"
    ));
    let journal = lab.path(&format!("/run/log/journal/{id}/system.journal"));
    let mut writer = Writer::on(&journal, &[]);
    writer.write(&backend::failure(ATTACKER));
    lab.start();
    lab.wait_for(&format!("Found {ATTACKER}"));
    let status = || lab.run(&["rban", "status", "sshd"]).out;
    let why =
        "backend = auto comes to the journal: there is a journalmatch, and no /var/log/auth.log";
    assert!(status().contains(why), "{}", status());
    lab.append("/var/log/auth.log", lab.failures(NEIGHBOUR, 2));
    lab.ask(&["reload"]);
    lab.wait_for(&format!("Found {NEIGHBOUR}"));
    let why = "backend = auto comes to files: a log is there";
    assert!(status().contains(why), "{}", status());
    // Another backend is another jail to fail2ban, too: failures are counted anew, while each
    // source is read on from where it was left.
    (0..3).for_each(|_| writer.write(&backend::failure(ATTACKER)));
    lab.append("/var/log/auth.log", lab.failures(NEIGHBOUR, 1));
    lab.wait_for(&format!("[sshd] Ban {NEIGHBOUR}"));
    // And back again.
    lab.shell("rm /var/log/auth.log");
    lab.ask(&["reload"]);
    lab.wait_for(&format!("[sshd] Ban {ATTACKER}"));
    lab.append("/var/log/auth.log", lab.failures("192.0.2.88", 3));
    (0..3).for_each(|_| writer.write(&backend::failure("192.0.2.99")));
    lab.wait_for("[sshd] Ban 192.0.2.99");
    let text = lab.log();
    assert!(!text.contains("192.0.2.88"), "{text}");
    assert_eq!(
        text.matches(&format!("Found {ATTACKER} ")).count(),
        4,
        "{text}"
    );
}
