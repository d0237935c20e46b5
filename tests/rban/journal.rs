//! The systemd journal, written by systemd's own program and read by us: every field, every order,
//! through rotation, damage and time going backwards, each entry once.

#![expect(
    clippy::disallowed_methods,
    reason = "a test runs systemd's programs and waits with a real clock"
)]

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rban::model::{Span, Time};
use rban::source::Subscriber;
use rban::source::journal::{
    Cursor, Entry, JournalEvent, JournalMatch, JournalPlace, JournalSubscription, JournalWatcher,
    Origin, Start,
};

const REMOTE: &str = "/lib/systemd/systemd-journal-remote";
const PATIENCE: Duration = Duration::from_secs(20);

/// Now, and when the entries of these tests begin, in microseconds.
const NOW: i64 = 1_790_000_600_000_000;
const BEGIN: i64 = 1_790_000_000_000_000;

const JAIL: Subscriber = Subscriber(1);
const OTHER: Subscriber = Subscriber(2);

fn clock() -> Time {
    Time::from_micros(NOW)
}

/// An entry in systemd's export format, so many seconds after the beginning.
fn entry(second: i64, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!(
        "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n\
         _BOOT_ID=0639b7ad9b2e4a8c8f6b7a4f5f3a2b1c\n\
         _MACHINE_ID=8f6b7a4f5f3a2b1c0639b7ad9b2e4a8c\n",
        BEGIN + second * 1_000_000,
        (second + 1000) * 1_000_000,
    )
    .into_bytes();
    for (name, value) in fields {
        text.extend_from_slice(name.as_bytes());
        text.push(b'\n');
        text.extend_from_slice(&(value.len() as u64).to_le_bytes());
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text.push(b'\n');
    text
}

/// The same at this moment.
pub(crate) fn fresh(fields: &[(&str, &str)]) -> Vec<u8> {
    let since = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970");
    let text = entry(0, fields);
    let line = text.iter().position(|byte| *byte == b'\n').expect("a line");
    let mut now = format!("__REALTIME_TIMESTAMP={}", since.as_micros()).into_bytes();
    now.extend_from_slice(&text[line..]);
    now
}

fn sshd(second: i64, message: &str) -> Vec<u8> {
    entry(
        second,
        &[
            ("_HOSTNAME", "host"),
            ("SYSLOG_IDENTIFIER", "sshd"),
            ("_PID", "77"),
            ("_COMM", "sshd"),
            ("_SYSTEMD_UNIT", "ssh.service"),
            ("MESSAGE", message),
        ],
    )
}

fn cron(second: i64, message: &str) -> Vec<u8> {
    entry(
        second,
        &[
            ("SYSLOG_IDENTIFIER", "cron"),
            ("_SYSTEMD_UNIT", "cron.service"),
            ("MESSAGE", message),
        ],
    )
}

/// systemd's own writer, on one file.
pub(crate) struct Writer {
    child: Child,
    input: Option<ChildStdin>,
}

impl Writer {
    pub(crate) fn on(path: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(REMOTE)
            .arg("-o")
            .arg(path)
            .arg("-")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("systemd-journal-remote, of Debian's package of that name");
        let input = child.stdin.take();
        Self { child, input }
    }

    pub(crate) fn write(&mut self, entry: &[u8]) {
        let input = self.input.as_mut().expect("an open pipe");
        input.write_all(entry).expect("an entry");
        input.flush().expect("an entry");
    }

    pub(crate) fn close(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().expect("its end").success());
    }
}

/// A journal of these entries.
fn journal(path: &Path, entries: &[Vec<u8>], environment: &[(&str, &str)]) {
    let mut writer = Writer::on(path, environment);
    entries.iter().for_each(|entry| writer.write(entry));
    writer.close();
}

fn wish(subscriber: Subscriber, place: &JournalPlace, expression: &str) -> JournalSubscription {
    let words: Vec<Vec<String>> = expression
        .lines()
        .map(|line| line.split(' ').map(str::to_owned).collect())
        .collect();
    JournalSubscription {
        subscriber,
        place: place.clone(),
        expression: JournalMatch::parse(&words).expect("a journalmatch"),
        start: Start {
            not_before: Time::from_micros(BEGIN) - Span::from_secs(600),
            ..Start::default()
        },
    }
}

fn folder(path: &Path) -> JournalPlace {
    JournalPlace {
        origin: Origin::Directory(path.to_owned()),
        ..JournalPlace::default()
    }
}

/// A watcher and what it tells.
struct Eye {
    watcher: JournalWatcher,
    events: Receiver<JournalEvent>,
    thread: Receiver<nix::unistd::Pid>,
}

impl Eye {
    fn open() -> Self {
        let (sender, events) = channel();
        let (told, thread) = channel();
        let sink = Box::new(move |event| {
            let _ = told.send(nix::unistd::gettid());
            sender.send(event).is_ok()
        });
        Self {
            watcher: JournalWatcher::start(clock, sink).expect("a watcher"),
            events,
            thread,
        }
    }

    fn on(wishes: Vec<JournalSubscription>) -> Self {
        let eye = Self::open();
        eye.watcher.follow(wishes);
        eye
    }

    fn next(&self) -> JournalEvent {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }

    /// All entries until everything there was has been read.
    fn backlog(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        loop {
            match self.next() {
                JournalEvent::Entries(more) => entries.extend(more),
                JournalEvent::CaughtUp { .. } => return entries,
                _ => {}
            }
        }
    }

    /// The lines up to one that ends so.
    fn until(&self, end: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while !lines
            .last()
            .is_some_and(|line: &String| line.ends_with(end))
        {
            if let JournalEvent::Entries(entries) = self.next() {
                lines.extend(entries.into_iter().map(|entry| entry.line));
            }
        }
        lines
    }

    fn failure(&self) -> (PathBuf, String) {
        loop {
            if let JournalEvent::Failed { path, error, .. } = self.next() {
                return (path.to_path_buf(), error.to_string());
            }
        }
    }
}

fn lines(entries: &[Entry], of: Subscriber) -> Vec<&str> {
    entries
        .iter()
        .filter(|entry| entry.to.contains(&of))
        .map(|entry| entry.line.as_str())
        .collect()
}

#[test]
fn every_form_of_the_format_is_read() {
    let forms: [&[(&str, &str)]; 4] = [
        &[],
        &[("SYSTEMD_JOURNAL_COMPACT", "0")],
        &[("SYSTEMD_JOURNAL_KEYED_HASH", "0")],
        &[
            ("SYSTEMD_JOURNAL_COMPACT", "0"),
            ("SYSTEMD_JOURNAL_KEYED_HASH", "0"),
        ],
    ];
    let long = "x".repeat(5000);
    let mut entries = Vec::new();
    let mut expected = Vec::new();
    for number in 0..400 {
        let message = format!("Failed password for root {number} {}", &long[..number * 10]);
        entries.push(sshd(number as i64, &message));
        entries.push(cron(number as i64, "nothing"));
        expected.push(format!("host sshd[77]: {message}"));
    }
    for form in forms {
        let root = tempfile::tempdir().expect("a directory");
        journal(&root.path().join("a.journal"), &entries, form);
        let eye = Eye::on(vec![wish(
            JAIL,
            &folder(root.path()),
            "_SYSTEMD_UNIT=ssh.service",
        )]);
        let got = eye.backlog();
        assert_eq!(lines(&got, JAIL), expected, "{form:?}");
        assert_eq!(got[3].time, Time::from_micros(BEGIN) + Span::from_secs(3));
    }
}

#[test]
fn fields_and_order_are_journalctl_s() {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("a.journal");
    let mut entries = Vec::new();
    for number in 0..200 {
        let message = format!("message {number}\nsecond line \u{e9}");
        entries.push(sshd(number / 3, &message));
        entries.push(cron(number, &message));
    }
    journal(&path, &entries, &[]);
    let output = Command::new("journalctl")
        .args(["-o", "json", "--file"])
        .arg(&path)
        .args(["_COMM=sshd", "+", "_SYSTEMD_UNIT=cron.service"])
        .output()
        .expect("journalctl");
    let mut expected = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let fields: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
        let mut line = String::new();
        if !text("_HOSTNAME").is_empty() {
            let _ = write!(line, "{} ", text("_HOSTNAME"));
        }
        line.push_str(&text("SYSLOG_IDENTIFIER"));
        if !text("_PID").is_empty() {
            let _ = write!(line, "[{}]", text("_PID"));
        }
        let _ = write!(line, ": {}", text("MESSAGE").replace('\n', "\\n"));
        expected.push((line, text("__REALTIME_TIMESTAMP"), text("__CURSOR")));
    }
    assert_eq!(expected.len(), 400);
    let place = folder(root.path());
    let eye = Eye::on(vec![wish(
        JAIL,
        &place,
        "_COMM=sshd + _SYSTEMD_UNIT=cron.service",
    )]);
    let got: Vec<_> = eye
        .backlog()
        .into_iter()
        .map(|entry| {
            (
                entry.line,
                entry.time.micros().to_string(),
                entry.cursor.to_string(),
            )
        })
        .collect();
    assert_eq!(got, expected);
}

#[test]
fn jails_share_a_reader_and_each_has_its_own() {
    let root = tempfile::tempdir().expect("a directory");
    let entries: Vec<_> = (0..10)
        .flat_map(|second| [sshd(second, "a"), cron(second, "b")])
        .collect();
    journal(&root.path().join("a.journal"), &entries, &[]);
    let place = folder(root.path());
    let eye = Eye::on(vec![
        wish(JAIL, &place, "_SYSTEMD_UNIT=ssh.service"),
        wish(OTHER, &place, ""),
    ]);
    let got = eye.backlog();
    assert_eq!(got.len(), 20, "one for both, not one each");
    assert_eq!(lines(&got, JAIL), vec!["host sshd[77]: a"; 10]);
    assert_eq!(lines(&got, OTHER).len(), 20);
}

#[test]
fn who_comes_later_gets_what_the_others_have_had_and_nobody_anything_twice() {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("a.journal");
    let mut writer = Writer::on(&path, &[]);
    (0..5).for_each(|second| writer.write(&sshd(second, &format!("m{second}"))));
    let place = folder(root.path());
    let eye = Eye::on(vec![wish(JAIL, &place, "_COMM=sshd")]);
    assert_eq!(eye.until("m4").len(), 5);
    eye.watcher.follow(vec![wish(OTHER, &place, "_COMM=sshd")]);
    writer.write(&sshd(5, "m5"));
    let mut got = Vec::new();
    while !lines(&got, OTHER).iter().any(|line| line.ends_with("m5")) {
        if let JournalEvent::Entries(entries) = eye.next() {
            got.extend(entries);
        }
    }
    assert_eq!(lines(&got, JAIL), ["host sshd[77]: m5"]);
    assert_eq!(lines(&got, OTHER).len(), 6);
    writer.close();
}

#[test]
fn reading_begins_at_the_time_wanted_or_behind_the_cursor() {
    let root = tempfile::tempdir().expect("a directory");
    let entries: Vec<_> = (0..1000)
        .map(|second| sshd(second, &format!("m{second}")))
        .collect();
    journal(&root.path().join("a.journal"), &entries, &[]);
    let place = folder(root.path());
    let mut young = wish(JAIL, &place, "_COMM=sshd");
    young.start.not_before = Time::from_micros(BEGIN) + Span::from_secs(990);
    let got = Eye::on(vec![young]).backlog();
    assert_eq!(got.len(), 10);
    assert_eq!(got[0].line, "host sshd[77]: m990");
    let mut behind = wish(JAIL, &place, "_COMM=sshd");
    behind.start.cursor = Cursor::parse(&got[7].cursor.to_string());
    let got = Eye::on(vec![behind]).backlog();
    assert_eq!(
        lines(&got, JAIL),
        ["host sshd[77]: m998", "host sshd[77]: m999"]
    );
    let mut since = wish(JAIL, &place, "_COMM=sshd");
    since.start.after = Some(Time::from_micros(BEGIN) + Span::from_secs(500));
    assert_eq!(
        Eye::on(vec![since]).backlog().len(),
        499,
        "fail2ban's own position"
    );
}

#[test]
fn a_position_from_the_future_makes_nobody_deaf() {
    let root = tempfile::tempdir().expect("a directory");
    let entries: Vec<_> = (0..10).map(|second| sshd(second, "m")).collect();
    journal(&root.path().join("a.journal"), &entries, &[]);
    let mut future = wish(JAIL, &folder(root.path()), "_COMM=sshd");
    future.start.after = Some(clock() + Span::from_secs(86_400));
    assert_eq!(Eye::on(vec![future]).backlog().len(), 10);
}

#[test]
fn a_journal_from_the_future_is_read() {
    let root = tempfile::tempdir().expect("a directory");
    let entries: Vec<_> = (0..3).map(|day| sshd(day * 86_400 * 365, "m")).collect();
    journal(&root.path().join("a.journal"), &entries, &[]);
    let eye = Eye::on(vec![wish(JAIL, &folder(root.path()), "_COMM=sshd")]);
    assert_eq!(eye.backlog().len(), 3);
}

#[test]
fn entries_are_given_as_they_are_written() {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("a.journal");
    let mut writer = Writer::on(&path, &[]);
    writer.write(&sshd(0, "first"));
    let eye = Eye::on(vec![wish(JAIL, &folder(root.path()), "_COMM=sshd")]);
    eye.until("first");
    for number in 0..50 {
        let message = format!("m{number}");
        writer.write(&sshd(number, &message));
        assert_eq!(eye.until(&message), [format!("host sshd[77]: {message}")]);
    }
    writer.close();
}

#[test]
fn a_rotated_journal_is_read_to_its_end_and_the_new_one_from_its_beginning() {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("system.journal");
    let eye = Eye::on(vec![wish(JAIL, &folder(root.path()), "_COMM=sshd")]);
    let (mut expected, mut got) = (Vec::new(), Vec::new());
    let mut number = 0;
    for turn in 0..5 {
        let mut writer = Writer::on(&path, &[]);
        for step in 0..40 {
            if step == 20 {
                // As journald rotates: the name goes while it is written.
                got.extend(eye.until(&format!("m{}.", number - 1)));
                fs::rename(&path, root.path().join(format!("system@{turn}.journal")))
                    .expect("a name");
            }
            writer.write(&sshd(number, &format!("m{number}.")));
            expected.push(format!("host sshd[77]: m{number}."));
            number += 1;
        }
        writer.close();
    }
    got.extend(eye.until(&format!("m{}.", number - 1)));
    assert_eq!(got, expected);
}

#[test]
fn a_journal_that_came_and_went_between_two_looks_is_read() {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("system.journal");
    let archived = |number: u32| root.path().join(format!("system@{number}.journal"));
    // What was put away before we came is not asked for.
    journal(&archived(0), &[sshd(0, "old.")], &[]);
    journal(&path, &[sshd(1, "first.")], &[]);
    let eye = Eye::on(vec![wish(JAIL, &folder(root.path()), "_COMM=sshd")]);
    assert_eq!(eye.until("first."), ["host sshd[77]: first."]);
    let elsewhere = tempfile::tempdir().expect("a directory");
    let made = elsewhere.path().join("made.journal");
    for number in 1..4 {
        journal(
            &made,
            &[sshd(i64::from(number) + 1, &format!("m{number}."))],
            &[],
        );
        fs::copy(&made, root.path().join("copy.part")).expect("a copy");
        fs::rename(root.path().join("copy.part"), archived(number)).expect("a name");
        fs::remove_file(&made).expect("a file less");
        let line = format!("m{number}.");
        assert_eq!(eye.until(&line), [format!("host sshd[77]: {line}")]);
    }
}

#[test]
fn what_was_rotated_away_behind_the_cursor_is_read_by_the_next_process() {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("system.journal");
    let rotate = |number: u32| {
        fs::rename(&path, root.path().join(format!("system@{number}.journal"))).expect("a name");
    };
    journal(&path, &[sshd(0, "m0."), sshd(1, "m1.")], &[]);
    let got = Eye::on(vec![wish(JAIL, &folder(root.path()), "_COMM=sshd")]).backlog();
    let cursor = got[0].cursor.to_string();
    rotate(1);
    journal(&path, &[sshd(2, "m2.")], &[]);
    rotate(2);
    journal(&path, &[sshd(3, "m3.")], &[]);
    let mut behind = wish(JAIL, &folder(root.path()), "_COMM=sshd");
    behind.start.cursor = Cursor::parse(&cursor);
    let got = Eye::on(vec![behind]).backlog();
    let expected = ["m1.", "m2.", "m3."].map(|line| format!("host sshd[77]: {line}"));
    assert_eq!(lines(&got, JAIL), expected);
    // Who was never there begins with the live one.
    let got = Eye::on(vec![wish(JAIL, &folder(root.path()), "_COMM=sshd")]).backlog();
    assert_eq!(lines(&got, JAIL), ["host sshd[77]: m3."]);
}

#[test]
fn vacuumed_files_are_let_go() {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("system.journal");
    let eye = Eye::on(vec![wish(JAIL, &folder(root.path()), "_COMM=sshd")]);
    for turn in 0..5 {
        journal(&path, &[sshd(turn, &format!("m{turn}"))], &[]);
        eye.until(&format!("m{turn}"));
        fs::remove_file(&path).expect("a file less");
    }
    journal(&path, &[sshd(9, "last")], &[]);
    eye.until("last");
    let open = fs::read_dir("/proc/self/fd").expect("descriptors");
    let mine = open
        .flatten()
        .filter_map(|fd| fs::read_link(fd.path()).ok())
        .filter(|target| target.starts_with(root.path()))
        .count();
    assert!(mine <= 2, "{mine} files are open");
}

#[test]
fn a_copy_of_a_journal_gives_nothing_twice() {
    let root = tempfile::tempdir().expect("a directory");
    let (volatile, persistent) = (
        root.path().join("run.journal"),
        root.path().join("var.journal"),
    );
    let mut entries: Vec<_> = (0..20)
        .map(|second| sshd(second, &format!("m{second}")))
        .collect();
    journal(&volatile, &entries, &[]);
    let eye = Eye::on(vec![wish(JAIL, &folder(root.path()), "_COMM=sshd")]);
    assert_eq!(eye.until("m19").len(), 20);
    // journalctl --flush: all of it once more in a new file, and then it goes on.
    entries.push(sshd(20, "new"));
    journal(&persistent, &entries, &[]);
    assert_eq!(eye.until("new"), ["host sshd[77]: new"]);
}

#[test]
fn a_journal_that_is_not_there_is_waited_for() {
    let root = tempfile::tempdir().expect("a directory");
    let later = root.path().join("log/journal");
    let eye = Eye::on(vec![wish(JAIL, &folder(&later), "_COMM=sshd")]);
    assert!(matches!(eye.next(), JournalEvent::Opened { files: 0, .. }));
    fs::create_dir_all(later.join("id")).expect("a directory");
    journal(&later.join("id/system.journal"), &[sshd(1, "here")], &[]);
    assert_eq!(eye.until("here"), ["host sshd[77]: here"]);
}

#[test]
fn what_is_no_journal_is_said_and_the_rest_is_read() {
    let root = tempfile::tempdir().expect("a directory");
    fs::write(root.path().join("nothing.journal"), "").expect("a file");
    fs::write(
        root.path().join("text.journal"),
        "no journal at all".repeat(100),
    )
    .expect("a file");
    let newer = root.path().join("newer.journal");
    journal(&root.path().join("good.journal"), &[sshd(1, "good")], &[]);
    fs::copy(root.path().join("good.journal"), &newer).expect("a copy");
    let mut file = OpenOptions::new().write(true).open(&newer).expect("a file");
    file.seek(SeekFrom::Start(12)).expect("a place");
    file.write_all(&[0, 0, 0, 0x40]).expect("a flag");
    let eye = Eye::on(vec![wish(JAIL, &folder(root.path()), "_COMM=sshd")]);
    let (path, error) = eye.failure();
    assert_eq!(path, newer);
    assert!(error.contains("newer systemd"), "{error}");
    assert_eq!(eye.until("good"), ["host sshd[77]: good"]);
}

/// A journal with bytes changed: whatever is broken, reading ends, and never with a panic.
#[test]
fn a_corrupt_journal_is_read_as_far_as_it_can_be() {
    let root = tempfile::tempdir().expect("a directory");
    let sound = root.path().join("sound");
    let entries: Vec<_> = (0..200)
        .map(|second| sshd(second, &format!("m{second}")))
        .collect();
    journal(&root.path().join("sound.journal"), &entries, &[]);
    fs::rename(root.path().join("sound.journal"), &sound).expect("a name");
    let bytes = fs::read(&sound).expect("a journal");
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("bytes");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut step = |most: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % most as u64) as usize
    };
    // Behind the hash tables, which nobody reads, everything matters.
    let matters = bytes
        .windows(8)
        .position(|at| at == b"_BOOT_ID")
        .expect("a field");
    let mut complete = 0;
    for round in 0..60 {
        let case = tempfile::tempdir().expect("a directory");
        let mut broken = bytes.clone();
        for _ in 0..=round {
            let at = match step(4) {
                0 => step(272),
                _ => matters + step(used - matters),
            };
            broken[at] = step(256) as u8;
        }
        if round % 10 == 9 {
            broken.truncate(matters + step(used - matters));
        }
        fs::write(case.path().join("system.journal"), &broken).expect("a journal");
        journal(
            &case.path().join("z.journal"),
            &[sshd(999_999, "whole")],
            &[],
        );
        let eye = Eye::on(vec![wish(JAIL, &folder(case.path()), "")]);
        let got = eye.backlog();
        assert!(got.iter().any(|entry| entry.line.ends_with("whole")));
        assert!(got.len() <= 401, "{}", got.len());
        complete += usize::from(got.len() == 201);
    }
    assert!(complete < 60, "some of them must have been broken");
}

#[test]
fn an_idle_reader_never_wakes_up() {
    let root = tempfile::tempdir().expect("a directory");
    journal(&root.path().join("a.journal"), &[cron(1, "quiet")], &[]);
    let eye = Eye::on(vec![wish(JAIL, &folder(root.path()), "_COMM=sshd")]);
    eye.backlog();
    let thread = eye.thread.recv_timeout(PATIENCE).expect("a thread");
    let switches = || {
        let status = fs::read_to_string(format!("/proc/self/task/{thread}/status"));
        let status = status.expect("a status");
        let line = status
            .lines()
            .find(|line| line.starts_with("voluntary_ctxt_switches"));
        line.expect("a count").to_owned()
    };
    // It may still be on its way to sleep.
    while !fs::read_to_string(format!("/proc/self/task/{thread}/wchan"))
        .is_ok_and(|at| at.contains("poll"))
    {
        std::thread::yield_now();
    }
    let before = switches();
    assert_eq!(
        eye.events.recv_timeout(Duration::from_secs(1)).err(),
        Some(RecvTimeoutError::Timeout)
    );
    assert_eq!(switches(), before);
}

#[test]
fn a_vacuumed_journal_that_was_read_is_no_trouble() {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("system.journal");
    let eye = Eye::on(vec![wish(JAIL, &folder(root.path()), "_COMM=sshd")]);
    for turn in 0..5 {
        journal(&path, &[sshd(turn, &format!("m{turn}"))], &[]);
        eye.until(&format!("m{turn}"));
        // As journald deletes: nobody who has it open shall keep its space.
        let file = OpenOptions::new().write(true).open(&path).expect("a file");
        fs::remove_file(&path).expect("a file less");
        file.set_len(0).expect("emptied");
    }
    journal(&path, &[sshd(9, "last")], &[]);
    loop {
        match eye.next() {
            JournalEvent::Failed { path, error, .. } => panic!("{}: {error}", path.display()),
            JournalEvent::Entries(entries) if entries[0].line.ends_with("last") => break,
            _ => {}
        }
    }
}

/// Where the entries of a journal are.
fn entries_of(bytes: &[u8]) -> Vec<usize> {
    let word = |at: usize| {
        let word = bytes[at..at + 8].try_into().expect("eight bytes");
        u64::from_le_bytes(word) as usize
    };
    let (mut at, tail) = (word(88), word(136));
    let mut entries = Vec::new();
    while at <= tail {
        // `OBJECT_ENTRY`
        if bytes[at] == 3 {
            entries.push(at);
        }
        at += word(at + 8).next_multiple_of(8);
    }
    entries
}

#[test]
fn an_entry_that_cannot_be_read_yet_is_not_passed_over() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let made = elsewhere.path().join("made.journal");
    let all: Vec<_> = (0..6)
        .map(|second| sshd(second, &format!("m{second}.")))
        .collect();
    journal(&made, &all[..3], &[]);
    let before = fs::read(&made).expect("a journal");
    journal(&made, &all[3..], &[]);
    let mut after = fs::read(&made).expect("a journal");
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("system.journal");
    fs::write(&path, &before).expect("a journal");
    let eye = Eye::on(vec![wish(JAIL, &folder(root.path()), "_COMM=sshd")]);
    assert_eq!(eye.until("m2.").len(), 3);
    // The last but one is not whole yet.
    let entry = entries_of(&after)[4];
    after[entry] = 0;
    let mut file = OpenOptions::new().write(true).open(&path).expect("a file");
    file.write_all(&after).expect("written");
    assert_eq!(eye.until("m3."), ["host sshd[77]: m3."]);
    file.seek(SeekFrom::Start(entry as u64)).expect("a place");
    file.write_all(&[3]).expect("written");
    let mut rest = Vec::new();
    while rest.len() < 2 {
        match eye.next() {
            JournalEvent::Failed { error, .. } => panic!("{error}"),
            JournalEvent::Entries(entries) => {
                rest.extend(entries.into_iter().map(|entry| entry.line));
            }
            _ => {}
        }
    }
    assert_eq!(rest, ["host sshd[77]: m4.", "host sshd[77]: m5."]);
}

#[test]
fn who_looks_into_the_folder_is_listened_to_for_a_while() {
    let root = tempfile::tempdir().expect("a directory");
    journal(&root.path().join("a.journal"), &[cron(1, "quiet")], &[]);
    let eye = Eye::on(vec![wish(JAIL, &folder(root.path()), "_COMM=sshd")]);
    eye.backlog();
    let thread = eye.thread.recv_timeout(PATIENCE).expect("a thread");
    let switches = || -> u64 {
        let status = fs::read_to_string(format!("/proc/self/task/{thread}/status"));
        let status = status.expect("a status");
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.expect("a count").trim().parse().expect("a number")
    };
    let before = switches();
    // As journald does before it writes down the first message in a while.
    fs::read_dir(root.path()).expect("a folder").for_each(drop);
    let deadline = std::time::Instant::now() + PATIENCE;
    // The thread is asked for nothing meanwhile: it wakes up by itself.
    while switches() < before + 10 {
        assert!(std::time::Instant::now() < deadline, "it sleeps on");
        std::thread::yield_now();
    }
}

/// What both programs do with `backend = systemd`, told by their logs and clients.
pub(crate) mod backend {
    use super::{Writer, fresh};
    use crate::lab::{ATTACKER, LOG, Lab, NEIGHBOUR, Program};

    const JAIL: &str = "[sshd]\nenabled = true\nmaxretry = 3\n\
        backend = systemd[journalpath=/var/log/journal]\n\
        action =\n";

    fn world(program: Program, jail: &str) -> (Lab, Writer) {
        let lab = Lab::new(program);
        lab.write("jail.local", jail);
        lab.shell("mkdir -p /var/log/journal");
        let writer = Writer::on(&lab.path("/var/log/journal/system.journal"), &[]);
        (lab, writer)
    }

    pub(crate) fn failure(address: &str) -> Vec<u8> {
        failure_of("ssh.service", address)
    }

    fn failure_of(unit: &str, address: &str) -> Vec<u8> {
        let message = format!("Failed password for root from {address} port 40000 ssh2");
        fresh(&[
            ("_HOSTNAME", "lab"),
            ("SYSLOG_IDENTIFIER", "sshd"),
            ("_PID", "77"),
            ("_COMM", "sshd"),
            ("_SYSTEMD_UNIT", unit),
            ("MESSAGE", &message),
        ])
    }

    fn bans_at_the_third(program: Program) {
        let (lab, mut writer) = world(program, JAIL);
        writer.write(&failure(NEIGHBOUR));
        lab.start();
        (0..3).for_each(|_| writer.write(&failure(ATTACKER)));
        lab.wait_for(&format!("[sshd] Ban {ATTACKER}"));
        assert!(!lab.log().contains(&format!("Ban {NEIGHBOUR}")));
        let status = lab.ask(&["status", "sshd"]);
        assert!(status.contains("Journal matches:"), "{status}");
        assert!(status.contains("_SYSTEMD_UNIT=sshd.service + "), "{status}");
        assert!(
            lab.ask(&["get", "sshd", "logpath"])
                .contains("No file is currently monitored")
        );
    }

    #[test]
    fn rban_bans_at_the_third() {
        bans_at_the_third(Program::Rban);
    }

    #[test]
    fn fail2ban_bans_at_the_third() {
        bans_at_the_third(Program::Fail2ban);
    }

    fn bytes_that_are_no_text_hide_nothing(program: Program) {
        let (lab, mut writer) = world(program, JAIL);
        lab.start();
        for _ in 0..3 {
            let mut entry = failure(ATTACKER);
            let user = entry.windows(4).position(|at| at == b"root");
            entry[user.expect("a user") + 1] = 0xe9;
            writer.write(&entry);
        }
        lab.wait_for(&format!("[sshd] Ban {ATTACKER}"));
        assert_eq!(lab.log().matches(&format!("Found {ATTACKER}")).count(), 3);
    }

    #[test]
    fn rban_finds_what_is_no_text() {
        bytes_that_are_no_text_hide_nothing(Program::Rban);
    }

    #[test]
    fn fail2ban_finds_what_is_no_text() {
        bytes_that_are_no_text_hide_nothing(Program::Fail2ban);
    }

    /// `journalctl --flush`: what was volatile is copied to the disk, then deleted, and it goes on
    /// there.
    #[test]
    fn a_journal_that_moves_to_the_disk_is_read_on_there_and_nothing_twice() {
        let lab = Lab::new(Program::Rban);
        lab.write(
            "jail.local",
            JAIL.replace("[journalpath=/var/log/journal]", ""),
        );
        let id = lab.read("/etc/machine-id").trim().to_owned();
        lab.shell(&format!("mkdir -p /run/log/journal/{id}"));
        let run = lab.path(&format!("/run/log/journal/{id}/system.journal"));
        let disk = lab.path(&format!("/var/log/journal/{id}/system.journal"));
        let entries: Vec<_> = (0..2).map(|_| failure(ATTACKER)).collect();
        super::journal(&run, &entries, &[]);
        lab.start();
        lab.wait("two failures", || {
            let log = lab.log();
            (log.matches(&format!("Found {ATTACKER}")).count() == 2).then_some(())
        });
        lab.shell(&format!("mkdir -p /var/log/journal/{id}"));
        let mut writer = Writer::on(&disk, &[]);
        entries.iter().for_each(|entry| writer.write(entry));
        lab.shell("rm -r /run/log/journal");
        (0..3).for_each(|_| writer.write(&failure(NEIGHBOUR)));
        lab.wait_for(&format!("[sshd] Ban {NEIGHBOUR}"));
        assert_eq!(lab.log().matches(&format!("Found {ATTACKER}")).count(), 2);
        assert_eq!(lab.log().matches(&format!("Found {NEIGHBOUR}")).count(), 3);
    }

    /// Journals of every kind, and what each option of the backend reads of them: the last number
    /// of an address is that of the journal.
    const JOURNALS: &[&str] = &[
        "/var/log/journal/ID/system.journal",
        "/var/log/journal/ID/user-1000.journal",
        "/var/log/journal/remote/remote-198.51.100.9.journal",
        "/var/log/journal/ID.web/system.journal",
        "/run/log/journal/ID/system.journal",
        "/var/log/elsewhere/system.journal",
        "/var/log/elsewhere/user-1000.journal",
        "/var/log/journal/0639b7ad9b2e4a8c8f6b7a4f5f3a2b1c/system.journal",
        "/var/log/journal/ID.web/user-1000.journal",
        "/run/log/journal/ID.web/system.journal",
        "/var/log/journal/0639b7ad9b2e4a8c8f6b7a4f5f3a2b1c.web/system.journal",
    ];
    const OPTIONS: &[(&str, &[usize])] = &[
        ("", &[0, 4, 7]),
        ("[journalflags=0]", &[0, 1, 2, 4, 7]),
        ("[journalflags=1]", &[0, 1, 4]),
        ("[journalflags=2]", &[4]),
        ("[journalflags=5]", &[0, 4]),
        ("[journalflags=6]", &[4]),
        ("[namespace=web]", &[3, 9, 10]),
        ("[namespace=web, journalflags=4]", &[3, 9, 10]),
        ("[namespace=web, journalflags=0]", &[2, 3, 8, 9, 10]),
        ("[namespace=web, journalflags=1]", &[3, 8, 9]),
        ("[journalflags=2, namespace=web]", &[9]),
        ("[journalpath=/var/log/elsewhere]", &[5, 6]),
        ("[journalpath=/var/log/elsewhere, journalflags=4]", &[5]),
        ("[journalpath=/var/log/journal/remote]", &[2]),
        ("[journalfiles=/var/log/elsewhere/s*.journal]", &[5]),
        (
            "[journalfiles=\"/var/log/elsewhere/system.journal, /var/log/elsewhere/user-1000.journal\"]",
            &[5, 6],
        ),
    ];

    fn reads_what_the_options_say(program: Program) {
        let lab = Lab::new(program);
        let mut jails = String::new();
        for (number, (options, _)) in OPTIONS.iter().enumerate() {
            jails += &format!(
                "[options{number}]\nenabled = true\nfilter = sshd\nmaxretry = 9\naction =\n\
                 backend = systemd{options}\n"
            );
        }
        lab.write("jail.local", jails);
        let id = lab.read("/etc/machine-id").trim().to_owned();
        lab.shell("mkdir -p /run/log/journal");
        let mut writers = Vec::new();
        for name in JOURNALS {
            let name = name.replace("ID", &id);
            let folder = name.rsplit_once('/').expect("a folder").0;
            lab.shell(&format!("mkdir -p {folder}"));
            writers.push(Writer::on(&lab.path(&name), &[]));
        }
        let write = |writers: &mut Vec<Writer>, net: &str| {
            for (number, writer) in writers.iter_mut().enumerate() {
                writer.write(&failure(&format!("{net}.{}", number + 101)));
            }
        };
        write(&mut writers, "192.0.2");
        // fail2ban looks for files once, at its start.
        for (number, name) in JOURNALS.iter().enumerate() {
            let path = lab.path(&name.replace("ID", &id));
            let address = format!("192.0.2.{}", number + 101);
            lab.wait(&format!("{address} in its journal"), || {
                let journal = std::fs::read(&path).ok()?;
                let mut places = journal.windows(address.len());
                places
                    .any(|place| place == address.as_bytes())
                    .then_some(())
            });
        }
        lab.start();
        let found = |net: &str, number: usize| -> Vec<usize> {
            let log = lab.log();
            let is_found = |journal: &usize| {
                log.contains(&format!("[options{number}] Found {net}.{} ", journal + 101))
            };
            (0..JOURNALS.len()).filter(is_found).collect()
        };
        // What is there, and what comes.
        for net in ["192.0.2", "203.0.113"] {
            for (number, (options, journals)) in OPTIONS.iter().enumerate() {
                lab.wait(&format!("{net} by {options:?}"), || {
                    let all = found(net, number);
                    journals.iter().all(|one| all.contains(one)).then_some(())
                });
            }
            write(&mut writers, "203.0.113");
        }
        for (number, (options, journals)) in OPTIONS.iter().enumerate() {
            for net in ["192.0.2", "203.0.113"] {
                assert_eq!(found(net, number), *journals, "{options:?}");
            }
        }
    }

    #[test]
    fn rban_reads_what_the_options_say() {
        reads_what_the_options_say(Program::Rban);
    }

    #[test]
    fn fail2ban_reads_what_the_options_say() {
        reads_what_the_options_say(Program::Fail2ban);
    }

    #[test]
    fn a_restart_goes_on_behind_what_was_judged() {
        let (lab, mut writer) = world(Program::Rban, JAIL);
        lab.start();
        (0..2).for_each(|_| writer.write(&failure(ATTACKER)));
        lab.wait("two failures", || {
            let status = lab.ask(&["status", "sshd"]);
            status.contains("Total failed:\t2").then_some(())
        });
        lab.ask(&["stop"]);
        // While nobody looks.
        writer.write(&failure(NEIGHBOUR));
        lab.wait("the end", || {
            lab.read("/run/fail2ban/fail2ban.pid")
                .is_empty()
                .then_some(())
        });
        lab.start();
        (0..2).for_each(|_| writer.write(&failure(NEIGHBOUR)));
        lab.wait_for(&format!("[sshd] Ban {NEIGHBOUR}"));
        let found = lab.read(LOG).matches(&format!("Found {ATTACKER}")).count();
        assert_eq!(found, 2, "none of them is judged again");
    }

    #[test]
    fn who_watches_fail2ban_s_service_sees_ours() {
        let jail = "[DEFAULT]\n[notes]\nenabled = true\nmaxretry = 1\nfilter =\naction =\n\
            failregex = Failed password for root from <HOST>\n\
            backend = systemd[journalpath=/var/log/journal]\n\
            journalmatch = _SYSTEMD_UNIT=fail2ban.service\n";
        let (lab, mut writer) = world(Program::Rban, jail);
        lab.start();
        writer.write(&failure_of("other.service", NEIGHBOUR));
        writer.write(&failure_of("rban.service", ATTACKER));
        lab.wait_for(&format!("[notes] Ban {ATTACKER}"));
        assert!(!lab.log().contains(&format!("Found {NEIGHBOUR}")));
    }

    #[test]
    fn a_journalmatch_that_is_none_keeps_the_jail_from_starting_and_no_other() {
        let jail = format!(
            "{JAIL}[broken]\nenabled = true\nfilter = sshd\naction =\n\
            backend = systemd\njournalmatch = sshd.service\n"
        );
        let (lab, mut writer) = world(Program::Rban, &jail);
        lab.start();
        assert!(
            lab.log()
                .contains("expected FIELD=value or + in journalmatch, found 'sshd.service'")
        );
        (0..3).for_each(|_| writer.write(&failure(ATTACKER)));
        lab.wait_for(&format!("[sshd] Ban {ATTACKER}"));
    }
}

/// `rban regex systemd-journal[…] REGEX`, its own output and its failures as JSON.
fn tried(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_rban"))
        .arg("regex")
        .args(words)
        .env("TZ", "UTC")
        .env("LANG", "C.UTF-8")
        .output()
        .expect("rban");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_filter_is_tried_on_a_journal_entry_by_entry() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("system.journal");
    let failed = |second, who: &str| sshd(second, &format!("Failed for {who} from 192.0.2.7"));
    journal(
        &path,
        &[
            failed(1, "root"),
            cron(2, "Failed for cron from 192.0.2.9"),
            sshd(3, "#4 is no comment"),
            failed(4, "eve"),
        ],
        &[],
    );
    let log = format!("systemd-journal[journalfiles=\"{}\"]", path.display());
    let filter = folder.path().join("door.conf");
    let text = "[Definition]\nfailregex = ^\\S+ sshd\\[\\d+\\]: Failed for <F-USER>\\w+</F-USER> from <HOST>$\n\
                ^.*cron: Failed for \\w+ from <ADDR>$\n\
                journalmatch = SYSLOG_IDENTIFIER=sshd\n";
    fs::write(&filter, text.replace("\n^.*cron", "\n  ^.*cron")).expect("a filter");
    let filter = filter.display().to_string();

    let told = tried(&[&log, &filter]);
    for line in [
        "Use         systemd journal",
        "Use    journal match : SYSLOG_IDENTIFIER=sshd",
        "Lines: 3 lines, 0 ignored, 2 matched, 1 missed",
        "|  2026-09-21T14:13:23 host sshd[77]: #4 is no comment",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    // The command line's match comes before the filter's, and a time is the entry's own.
    let rows = tried(&["-o", "<ip> <time> <F-USER>", &log, &filter]);
    assert_eq!(
        rows,
        "192.0.2.7 1790000001.0 root\n192.0.2.7 1790000004.0 eve\n"
    );
    let rows = tried(&[
        "-m",
        "_SYSTEMD_UNIT=cron.service",
        "-o",
        "ip",
        &log,
        &filter,
    ]);
    assert_eq!(rows, "192.0.2.9\n");
    let rows = tried(&["-o", "ip", &log, "^.*from <HOST>$"]);
    assert_eq!(rows, "192.0.2.7\n192.0.2.9\n192.0.2.7\n");
}
