//! Logs as a daemon finds them when it starts: rotated meanwhile, huge, or far too many.

#![expect(
    clippy::disallowed_methods,
    reason = "a test measures what a real daemon takes"
)]

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::life::{Home, Program, append};

fn log(home: &Home) -> String {
    fs::read_to_string(home.path("log")).unwrap_or_default()
}

/// How often an address was found, over all starts.
fn found(home: &Home, address: &str) -> usize {
    log(home).matches(&format!("Found {address} ")).count()
}

/// The first addresses failed three times, and each of that was seen once.
fn each_line_once(home: &Home, addresses: usize) {
    for last in 1..=addresses {
        let address = format!("198.51.100.{last}");
        assert_eq!(found(home, &address), 3, "{}", log(home));
    }
}

fn pid(home: &Home) -> Pid {
    let (_, child) = home.running.as_ref().expect("it runs");
    Pid::from_raw(child.id().cast_signed())
}

/// Rotates as logrotate does, `door.log.1` becoming `door.log.2`.
fn rotate(home: &Home) {
    if home.path("door.log.1").exists() {
        fs::rename(home.path("door.log.1"), home.path("door.log.2")).expect("renamed");
    }
    fs::rename(home.path("door.log"), home.path("door.log.1")).expect("renamed");
    File::create_new(home.path("door.log")).expect("a new log");
}

/// A home whose log is being read, and which will know its place again.
fn reading(jail: &str) -> Home {
    let mut home = Home::new("", jail);
    // No two files begin alike.
    append(&home.path("door.log"), "the first log\n");
    home.start(Program::Rban);
    home.failures("198.51.100.1", 3);
    home.wait_banned("198.51.100.1");
    home
}

#[test]
fn what_was_rotated_away_while_the_daemon_was_down_is_read_before_the_new_log() {
    let mut home = reading("backend = auto");
    home.stop();
    home.failures("198.51.100.2", 3);
    rotate(&home);
    append(&home.path("door.log"), "the second log\n");
    home.failures("198.51.100.3", 2);
    rotate(&home);
    append(&home.path("door.log"), "the third log\n");
    home.failures("198.51.100.3", 1);
    home.failures("198.51.100.4", 3);
    home.start(Program::Rban);
    for address in ["198.51.100.2", "198.51.100.3", "198.51.100.4"] {
        home.wait_banned(address);
    }
    each_line_once(&home, 4);
    let text = log(&home);
    let at = |words: &str| text.find(words).expect(words);
    assert!(at("Ban 198.51.100.2") < at("Found 198.51.100.3"), "{text}");
    // And it goes on in the log as ever.
    home.failures("198.51.100.5", 3);
    home.wait_banned("198.51.100.5");
    home.stop();
}

#[test]
fn a_daemon_killed_while_it_reads_what_was_rotated_away_goes_on_there() {
    let mut home = reading("backend = auto");
    home.stop();
    // Too much to be read before it is killed.
    let noise = format!("{}\n", "x".repeat(200)).repeat(50_000);
    append(&home.path("door.log"), &noise);
    home.failures("198.51.100.2", 3);
    rotate(&home);
    append(&home.path("door.log"), "the second log\n");
    home.start(Program::Rban);
    kill(pid(&home), Signal::SIGKILL).expect("killed");
    home.running
        .take()
        .expect("it ran")
        .1
        .wait()
        .expect("its end");
    home.start(Program::Rban);
    home.wait_banned("198.51.100.2");
    home.stop();
}

#[test]
fn a_pattern_that_matches_rotated_logs_too_has_each_line_once() {
    let mut home = Home::new("", "");
    let conf = fs::read_to_string(home.path("jail.conf")).expect("a configuration");
    home.write("jail.conf", &conf.replace("door.log", "door.log*"));
    append(&home.path("door.log"), "the first log\n");
    home.start(Program::Rban);
    home.failures("198.51.100.1", 3);
    home.wait_banned("198.51.100.1");
    home.stop();
    home.failures("198.51.100.2", 3);
    rotate(&home);
    append(&home.path("door.log"), "the second log\n");
    home.failures("198.51.100.3", 3);
    home.start(Program::Rban);
    home.wait_banned("198.51.100.2");
    home.wait_banned("198.51.100.3");
    home.failures("198.51.100.4", 3);
    home.wait_banned("198.51.100.4");
    each_line_once(&home, 4);
    home.stop();
}

/// A value of a `/proc/PID` file of `name: number` lines.
fn counted(home: &Home, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/{file}", pid(home))).expect("a process");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let words = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
    words.expect(name).parse().expect("a number")
}

#[test]
fn a_gibibyte_of_old_lines_delays_no_ban_and_is_not_read() {
    let mut home = Home::new("", "backend = auto");
    let old = jiff::Zoned::now() - jiff::SignedDuration::from_hours(5);
    let line = format!(
        "{} bad guest 198.51.100.9\n",
        old.strftime("%Y-%m-%d %H:%M:%S")
    );
    let block = line.repeat((8 << 20) / line.len());
    let mut file = File::create(home.path("door.log")).expect("a log");
    for _ in 0..128 {
        file.write_all(block.as_bytes())
            .expect("room for a gibibyte");
    }
    home.failures("198.51.100.1", 3);
    let before = Instant::now();
    home.start(Program::Rban);
    home.wait_banned("198.51.100.1");
    let waited = before.elapsed();
    home.failures("198.51.100.2", 3);
    home.wait_banned("198.51.100.2");
    assert_eq!(found(&home, "198.51.100.9"), 0);
    let (read, peak) = (
        counted(&home, "io", "rchar") >> 20,
        counted(&home, "status", "VmHWM") >> 10,
    );
    assert!(read < 8, "{read} MiB read");
    assert!(peak < 120, "{peak} MiB held");
    // Reading it all would take minutes in an unoptimised build.
    assert!(waited < Duration::from_secs(30), "{waited:?}");
    home.stop();
}

#[test]
fn a_pattern_that_matches_too_much_takes_nothing_from_others_and_reads_what_is_written() {
    let mut home = Home::new("", "");
    let conf = fs::read_to_string(home.path("jail.conf")).expect("a configuration");
    let many = conf.replace("door.log", "many/*.log") + "backend = auto\n";
    let at = home.path("").display().to_string();
    let plain = format!(
        "[other]\nenabled = true\nfilter = door\nbackend = auto\nlogpath = {at}/door.log\n"
    );
    home.write("jail.conf", &(many + &plain));
    for number in 0..2_000 {
        home.write(&format!("many/{number:04}.log"), "");
    }
    home.start_with_few_files("512");
    // Written last, though neither the first nor the last by name.
    home.failures("198.51.100.1", 3);
    home.wait("the other jail's ban", |home| {
        log(home).contains("[other] Ban 198.51.100.1").then_some(())
    });
    home.wait("a word about it", |home| {
        log(home)
            .contains("many/*.log matches too many files")
            .then_some(())
    });
    assert_eq!(log(&home).matches("too many files").count(), 1);
    assert!(
        !log(&home).contains("Too many open files"),
        "{}",
        log(&home)
    );
    home.stop();
    // Those that are written to are read.
    append(&home.path("many/0777.log"), "something\n");
    home.start_with_few_files("512");
    append(
        &home.path("many/0777.log"),
        &crate::life::lines("198.51.100.2", 3),
    );
    home.wait_banned("198.51.100.2");
    home.stop();
}

/// Stops the daemon until it is told to go on: no thread of it runs any more.
fn stop_for_a_while(home: &Home) {
    kill(pid(home), Signal::SIGSTOP).expect("stopped");
    home.wait("all threads stopped", |home| {
        let tasks = fs::read_dir(format!("/proc/{}/task", pid(home))).ok()?;
        let mut states = tasks.flatten().map(|task| {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            status.contains("State:\tT")
        });
        states.all(|stopped| stopped).then_some(())
    });
}

/// A header longer than what is compared of a log's beginning.
fn with_header(home: &Home) {
    append(
        &home.path("door.log"),
        &format!("# {}\n", "fields ".repeat(50)),
    );
}

/// A home whose log, truncated and written again behind the same header, is longer than it was.
fn written_again(home: &Home) {
    File::create(home.path("door.log")).expect("truncated");
    with_header(home);
    home.failures("198.51.100.2", 3);
    append(&home.path("door.log"), &"something else\n".repeat(100));
    home.failures("198.51.100.3", 3);
}

fn with_a_header_read(backend: &str) -> Home {
    let mut home = Home::new("", backend);
    with_header(&home);
    home.start(Program::Rban);
    home.failures("198.51.100.1", 3);
    home.wait_banned("198.51.100.1");
    home
}

#[test]
fn a_log_with_a_header_written_again_past_where_we_were_is_read_from_its_start() {
    for backend in ["backend = auto", "backend = polling"] {
        let mut home = with_a_header_read(backend);
        // All at once, as seen from the daemon: it is stopped meanwhile.
        stop_for_a_while(&home);
        written_again(&home);
        kill(pid(&home), Signal::SIGCONT).expect("goes on");
        home.wait_banned("198.51.100.2");
        home.wait_banned("198.51.100.3");
        each_line_once(&home, 3);
        assert!(log(&home).contains("it was written anew"), "{}", log(&home));
        home.stop();
    }
}

#[test]
fn a_log_with_a_header_written_again_while_the_daemon_was_down_is_read_from_its_start() {
    let mut home = with_a_header_read("backend = auto");
    home.stop();
    written_again(&home);
    home.start(Program::Rban);
    home.wait_banned("198.51.100.2");
    home.wait_banned("198.51.100.3");
    each_line_once(&home, 3);
    home.stop();
    // And one that was not is read on where it was left.
    home.failures("198.51.100.4", 3);
    home.start(Program::Rban);
    home.wait_banned("198.51.100.4");
    each_line_once(&home, 4);
    home.stop();
}

#[test]
fn a_copied_and_truncated_log_with_a_header_is_read_on_in_its_copy() {
    let mut home = with_a_header_read("backend = auto");
    home.stop();
    home.failures("198.51.100.4", 3);
    fs::copy(home.path("door.log"), home.path("door.log.1")).expect("copied");
    written_again(&home);
    home.start(Program::Rban);
    for address in ["198.51.100.4", "198.51.100.2", "198.51.100.3"] {
        home.wait_banned(address);
    }
    each_line_once(&home, 4);
    home.stop();
}

#[test]
fn a_place_within_a_line_is_none() {
    let mut home = with_a_header_read("backend = auto");
    home.stop();
    // As one who does not know it may leave it there.
    let database = rusqlite::Connection::open(home.path("db")).expect("a database");
    let sql = "UPDATE logs SET lastfilepos = lastfilepos + 5";
    database.execute(sql, []).expect("moved");
    drop(database);
    home.failures("198.51.100.2", 3);
    home.start(Program::Rban);
    home.wait_banned("198.51.100.2");
    assert_eq!(found(&home, "198.51.100.2"), 3);
    home.stop();
}

/// The address of one of many attackers.
fn attacker(number: usize) -> String {
    format!("2001:db8::{:x}", number + 1)
}

#[test]
fn of_more_logs_than_can_be_open_each_that_is_written_to_is_read_and_each_line_once() {
    let mut home = Home::new("", "");
    let conf = fs::read_to_string(home.path("jail.conf")).expect("a configuration");
    let many = conf.replace("door.log", "many/*.log") + "backend = auto\n";
    home.write("jail.conf", &many);
    let name = |number: usize| format!("many/{number:04}.log");
    for number in 0..1_000 {
        home.write(&name(number), &format!("the log {number}\n"));
    }
    // Some 200 of them: far fewer than are written to.
    home.start_with_few_files("400");
    let written = (0..1_000).step_by(2);
    for round in 1..=3 {
        for number in written.clone() {
            let text = crate::life::lines(&attacker(number), 1);
            append(&home.path(&name(number)), &text);
        }
        for number in written.clone() {
            let line = format!("Found {} ", attacker(number));
            home.wait(&line, |home| {
                (log(home).matches(&line).count() >= round).then_some(())
            });
        }
        if round == 2 {
            home.stop();
            home.start_with_few_files("400");
        }
    }
    let text = log(&home);
    for number in written {
        let times = text
            .matches(&format!("Found {} ", attacker(number)))
            .count();
        assert_eq!(times, 3, "{number}");
    }
    assert!(!text.contains("Too many open files"));
    home.stop();
}

#[test]
fn the_daemon_takes_as_many_files_as_it_may() {
    let mut home = Home::new("", "backend = auto");
    home.start_with_few_files("512:4096");
    let limits = fs::read_to_string(format!("/proc/{}/limits", pid(&home))).expect("limits");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let words: Vec<&str> = line.expect("a limit").split_whitespace().collect();
    assert_eq!(words[3..5], ["4096", "4096"]);
    home.stop();
}
