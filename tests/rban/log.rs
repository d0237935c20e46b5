//! Our own log against the real kernel and the real logrotate: no line lost, none twice.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rban::log::{Flushed, Log, Surroundings, Target, emit};
use rban::model::{Level, Logger, Record, Time};

fn clock() -> Time {
    let since = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970");
    Time::from_secs_f64(since.as_secs_f64())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the real logrotate, and a namespace for a full disk"
)]
fn command(program: &str) -> Command {
    Command::new(program)
}

/// A log without a target, and what it complained about.
fn log(bound: usize) -> (Log, Arc<Mutex<Vec<String>>>) {
    let complaints = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&complaints);
    let log = Log::new(Surroundings {
        clock,
        zone: jiff::tz::TimeZone::UTC,
        alarm: Box::new(move |message| told.lock().expect("unpoisoned").push(message.to_owned())),
        bound,
    });
    (log, complaints)
}

fn log_to(path: &Path) -> Log {
    let (log, _) = log(1 << 20);
    log.set_target(&Target::file(path), "auto")
        .expect("a target");
    log
}

fn say(log: &Log, message: &str) {
    log.write(Level::Info, "fail2ban.filter", message);
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("a log file")
}

#[test]
fn lines_have_fail2bans_format_whoever_speaks() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("made/on/demand/fail2ban.log");
    let log = log_to(&path);
    tracing::subscriber::with_default(log.subscriber(), || {
        emit(&Record::new(
            Level::Notice,
            Logger::Actions,
            "[sshd] Ban 192.0.2.1",
        ));
        let rotated = Record::new(Level::Msg, Logger::Filter, "Log rotation detected");
        emit(&rotated);
        log.set_level(Level::HeavyDebug);
        emit(&rotated);
        emit(&Record::new(Level::HeavyDebug, Logger::Filter, "deep"));
        tracing::warn!(target: "rban::store", path = "/x", "no space");
        tracing::info!(logger = "fail2ban.actions.action", "a name of its own");
    });
    assert!(log.close());
    let pid = std::process::id();
    let lines: Vec<_> = text(&path).lines().map(ToOwned::to_owned).collect();
    let expected = [
        format!("fail2ban.actions        [{pid}]: NOTICE  [sshd] Ban 192.0.2.1"),
        format!("fail2ban.filter         [{pid}]: MSG     Log rotation detected"),
        format!("fail2ban.filter         [{pid}]: HEAVY   deep"),
        format!("fail2ban.database       [{pid}]: WARNING no space path=\"/x\""),
        format!("fail2ban.actions.action [{pid}]: INFO    a name of its own"),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        let (date, rest) = line.split_at(24);
        assert_eq!(rest, expected);
        let shape = date.replace(|c: char| c.is_ascii_digit(), "0");
        assert_eq!(shape, "0000-00-00 00:00:00,000 ");
    }
}

#[test]
fn what_an_attacker_writes_stays_on_its_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("fail2ban.log");
    let log = log_to(&path);
    say(
        &log,
        "user 'x\n2026-01-01 00:00:00,000 fail2ban.actions [1]: NOTICE  [sshd] Ban 192.0.2.9'",
    );
    assert!(log.close());
    assert_eq!(text(&path).lines().count(), 1);
    assert!(text(&path).contains(r"user 'x\n2026-01-01"));
}

#[test]
fn a_new_file_is_for_root_alone_and_an_old_one_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("fail2ban.log");
    let mode = || fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
    let log = log_to(&path);
    say(&log, "one");
    assert!(log.flush());
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
    fs::rename(&path, dir.path().join("moved")).expect("moved");
    while !path.exists() {
        say(&log, "two");
        assert!(log.flush());
    }
    assert!(log.close());
    assert_eq!(mode(), 0o644, "the rotated file's readers read the new one");
    assert_eq!(text(&path).lines().count(), 1);
}

#[test]
fn a_bad_target_leaves_the_one_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("fail2ban.log");
    let log = log_to(&path);
    for bad in [dir.path().to_owned(), path.join("below/a/file")] {
        let error = log
            .set_target(&Target::file(&bad), "auto")
            .expect_err("an error");
        let sentence = error.to_string();
        assert!(sentence.starts_with("Unable to log to '/"), "{sentence}");
    }
    let error = log.set_target(
        &Target::parse("SYSLOG").expect("a target"),
        "/nonexistent/log",
    );
    assert!(error.is_err());
    assert_eq!(
        log.target().expect("a target").0.to_string(),
        path.display().to_string()
    );
    say(&log, "still here");
    assert!(log.close());
    assert!(text(&path).ends_with("still here\n"));
}

#[test]
fn syslog_gets_priority_and_text_without_a_date() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("log");
    let receiver = std::os::unix::net::UnixDatagram::bind(&socket).expect("a socket");
    let (log, _) = log(1 << 20);
    let target = Target::parse("SYSLOG[facility=AUTH]").expect("a target");
    log.set_target(&target, &socket.display().to_string())
        .expect("a target");
    log.write(Level::Notice, "fail2ban.actions", "[sshd] Ban 192.0.2.1");
    log.write(Level::Critical, "fail2ban.server", "the end");
    assert!(log.close());
    let receive = || {
        let mut buffer = [0; 256];
        let count = receiver.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    };
    let pid = std::process::id();
    assert_eq!(
        receive(),
        format!("<37>fail2ban.actions[{pid}]: NOTICE [sshd] Ban 192.0.2.1")
    );
    assert_eq!(
        receive(),
        format!("<34>fail2ban.server[{pid}]: CRITICAL the end")
    );
}

/// Threads that write numbered lines as fast as the log takes them, until told to stop.
struct Writers {
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<usize>>,
}

impl Writers {
    fn start(log: &Log, who: std::ops::Range<usize>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = who.map(|who| {
            let (log, stop) = (log.clone(), Arc::clone(&stop));
            thread::spawn(move || {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    say(&log, &format!("line {who}/{number} end"));
                    number += 1;
                    // Some hundred thousand lines a second would only test the disk.
                    if number % 50 == 0 {
                        thread::park_timeout(std::time::Duration::from_micros(500));
                    }
                }
                number
            })
        });
        Self {
            threads: threads.collect(),
            stop,
        }
    }

    /// How many lines each thread wrote.
    fn stop(mut self) -> Vec<usize> {
        self.stop.store(true, Ordering::Relaxed);
        let joined = std::mem::take(&mut self.threads)
            .into_iter()
            .map(thread::JoinHandle::join);
        joined.map(|count| count.expect("a writer")).collect()
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Every numbered line in all files of a directory, and how often it stands there.
fn numbered(dir: &Path) -> BTreeMap<(usize, usize), usize> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let text = if path.extension().is_some_and(|extension| extension == "gz") {
            let output = command("gzip")
                .arg("-dc")
                .arg(&path)
                .output()
                .expect("gzip");
            String::from_utf8(output.stdout).expect("text")
        } else {
            text(&path)
        };
        for line in text.lines() {
            let (head, tail) = line.split_once("INFO    line ").unwrap_or_else(|| {
                panic!("not a whole line in {}: {line:?}", path.display());
            });
            assert_eq!(
                head.len(),
                24 + 24 + 2 + std::process::id().to_string().len() + 2,
                "{line}"
            );
            let numbers = tail.strip_suffix(" end").expect("a whole line");
            let (who, number) = numbers.split_once('/').expect("two numbers");
            let key = (
                who.parse().expect("digits"),
                number.parse().expect("digits"),
            );
            *found.entry(key).or_default() += 1;
        }
    }
    found
}

fn assert_each_once(found: &BTreeMap<(usize, usize), usize>, written: &[usize]) {
    let twice: Vec<_> = found.iter().filter(|(_, count)| **count != 1).collect();
    assert!(twice.is_empty(), "more than once: {twice:?}");
    for (who, count) in written.iter().enumerate() {
        let missing: Vec<_> = (0..*count)
            .filter(|number| !found.contains_key(&(who, *number)))
            .collect();
        assert!(
            missing.is_empty(),
            "thread {who} of {count}: lost {missing:?}"
        );
    }
    assert_eq!(found.len(), written.iter().sum::<usize>());
}

/// A directory with a log in it and a logrotate configuration beside it.
struct Rotation {
    dir: tempfile::TempDir,
    logs: PathBuf,
    path: PathBuf,
}

impl Rotation {
    /// `stanza` is logrotate's, without the file's name.
    fn new(stanza: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let logs = dir.path().join("logs");
        fs::create_dir(&logs).expect("a directory");
        let path = logs.join("fail2ban.log");
        let asked = dir.path().join("asked");
        let answered = dir.path().join("answered");
        let stanza = stanza.replace(
            "ASK",
            &format!("echo x > {}; cat {}", asked.display(), answered.display()),
        );
        let conf = dir.path().join("conf");
        fs::write(&conf, format!("{} {{\n{stanza}\n}}\n", path.display())).expect("written");
        fs::set_permissions(&conf, fs::Permissions::from_mode(0o644)).expect("a mode");
        for pipe in [asked, answered] {
            nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        }
        Self { dir, logs, path }
    }

    /// Answers `count` postrotate scripts, as the daemon answers `set logtarget`.
    fn answer(&self, log: &Log, count: usize) -> thread::JoinHandle<()> {
        let (asked, answered) = (
            self.dir.path().join("asked"),
            self.dir.path().join("answered"),
        );
        let (log, path) = (log.clone(), self.path.clone());
        thread::spawn(move || {
            for _ in 0..count {
                fs::read(&asked).expect("a question");
                log.set_target(&Target::file(&path), "auto")
                    .expect("the same target");
                fs::write(&answered, "done").expect("an answer");
            }
        })
    }

    fn rotate(&self) {
        let output = command("logrotate")
            .arg("--force")
            .arg("--state")
            .arg(self.dir.path().join("state"))
            .arg(self.dir.path().join("conf"))
            .output()
            .expect("logrotate");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{errors}");
    }
}

#[test]
fn logrotate_with_the_old_stanza_loses_nothing() {
    let rotation = Rotation::new(
        "missingok\nnotifempty\nweekly\nrotate 5\ncompress\ndateext\ncreate 0644 root root\n\
         postrotate\nASK\nendscript",
    );
    let log = log_to(&rotation.path);
    let turns = 20;
    let answers = rotation.answer(&log, turns);
    let writers = Writers::start(&log, 0..2);
    for turn in 0..turns {
        // An empty log would not be rotated, and nobody asked.
        say(&log, &format!("line 2/{turn} end"));
        assert!(log.flush());
        rotation.rotate();
        // With dateext a day has one name: make room for the next turn.
        for entry in fs::read_dir(&rotation.logs).expect("a directory") {
            let name = entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name");
            if name.starts_with("fail2ban.log-") {
                let to = rotation.logs.join(format!("{turn}.gz"));
                fs::rename(rotation.logs.join(name), to).expect("renamed");
            }
        }
    }
    let mut written = writers.stop();
    written.push(turns);
    answers.join().expect("every question was answered");
    assert!(log.close());
    assert_eq!(
        fs::read_dir(&rotation.logs).expect("a directory").count(),
        turns + 1
    );
    assert_each_once(&numbered(&rotation.logs), &written);
}

#[test]
fn logrotate_that_tells_nobody_loses_nothing() {
    for stanza in ["rotate 100\ncreate 0644 root root", "rotate 100\nnocreate"] {
        let rotation = Rotation::new(stanza);
        let log = log_to(&rotation.path);
        let writers = Writers::start(&log, 0..2);
        for _ in 0..30 {
            rotation.rotate();
            // The next turn needs a file: one of the next lines makes it.
            while !rotation.path.exists() {
                assert!(log.flush());
            }
        }
        let written = writers.stop();
        assert!(log.close());
        assert_eq!(
            fs::read_dir(&rotation.logs).expect("a directory").count(),
            31,
            "{stanza}"
        );
        assert_each_once(&numbered(&rotation.logs), &written);
    }
}

/// What copytruncate can promise is less: what is written between its copy and its truncation is
/// gone, whoever writes. Ours is that nothing else is: no line torn, none twice, no hole of NULs.
#[test]
fn copytruncate_leaves_whole_lines_and_none_twice() {
    let rotation = Rotation::new("rotate 100\ncopytruncate");
    let log = log_to(&rotation.path);
    for turn in 0..10 {
        let writers = Writers::start(&log, turn * 2..turn * 2 + 2);
        rotation.rotate();
        writers.stop();
        // The truncation is over: from here on nothing is lost.
        say(&log, &format!("line {}/0 end", 100 + turn));
        assert!(log.flush());
        let found = numbered(&rotation.logs);
        assert!(found.values().all(|count| *count == 1));
        assert!(found.contains_key(&(100 + turn, 0)));
        // Nobody writes now, so this rotation loses nothing.
        rotation.rotate();
        assert!(numbered(&rotation.logs) == found);
    }
    assert!(log.close());
    for path in fs::read_dir(&rotation.logs).expect("a directory") {
        let bytes = fs::read(path.expect("an entry").path()).expect("a file");
        assert!(!bytes.contains(&0));
    }
}

#[test]
fn whoever_moves_the_file_gets_a_new_one_and_no_line_is_lost() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("fail2ban.log");
    let log = log_to(&path);
    let writers = Writers::start(&log, 0..2);
    let mut said = 0;
    for turn in 0..60 {
        fs::rename(&path, dir.path().join(format!("moved.{turn}"))).expect("moved");
        match turn % 3 {
            0 => drop(fs::File::create(&path).expect("a new file")),
            1 => assert_eq!(log.reopen().expect("reopened"), Flushed::RolledOver),
            _ => {
                while !path.exists() {
                    say(&log, &format!("line 2/{said} end"));
                    assert!(log.flush());
                    said += 1;
                }
            }
        }
    }
    let mut written = writers.stop();
    written.push(said);
    assert!(log.close());
    assert_each_once(&numbered(dir.path()), &written);
}

#[test]
fn after_reopen_the_old_file_is_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, moved) = (dir.path().join("fail2ban.log"), dir.path().join("moved"));
    let log = log_to(&path);
    let writers = Writers::start(&log, 0..2);
    for _ in 0..50 {
        fs::rename(&path, &moved).expect("moved");
        log.reopen().expect("reopened");
        let size = || fs::metadata(&moved).expect("a file").len();
        let before = size();
        say(&log, "one more");
        assert!(log.flush());
        assert_eq!(size(), before);
    }
    writers.stop();
    assert!(log.close());
}

#[test]
fn lines_for_a_deleted_file_go_to_a_new_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("gone/fail2ban.log");
    let log = log_to(&path);
    say(&log, "line 0/0 end");
    assert!(log.flush());
    fs::remove_dir_all(dir.path().join("gone")).expect("removed");
    say(&log, "line 0/1 end");
    assert!(log.close());
    assert_eq!(
        numbered(&dir.path().join("gone"))
            .into_keys()
            .collect::<Vec<_>>(),
        [(0, 1)]
    );
}

/// How many lines a file says were lost, and how many of ours it has.
fn lost_and_found(path: &Path) -> (usize, usize) {
    let text = text(path);
    let mut lost = 0;
    for line in text.lines().filter(|line| line.contains(" lost here: ")) {
        assert!(
            line.contains("fail2ban.server") && line.contains("WARNING"),
            "{line}"
        );
        let words = line.split("WARNING ").nth(1).expect("a message");
        let number = words.split(' ').next().expect("a number");
        lost += number.parse::<usize>().expect("a number");
    }
    (
        lost,
        text.lines().filter(|line| line.ends_with(" end")).count(),
    )
}

#[test]
fn a_full_disk_stops_nobody_is_said_once_and_the_gap_is_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("fail2ban.log");
    let (log, complaints) = log(16 * 1024);
    log.set_target(&Target::file(Path::new("/dev/full")), "auto")
        .expect("a target");
    for number in 0..1000 {
        say(&log, &format!("line 0/{number} end"));
    }
    assert!(!log.flush(), "nothing can be flushed");
    for number in 1000..2000 {
        say(&log, &format!("line 0/{number} end"));
    }
    log.set_target(&Target::file(&path), "auto")
        .expect("a target that works");
    assert!(log.close());
    let (lost, found) = lost_and_found(&path);
    assert!(lost > 0 && found > 0, "{lost} {found}");
    assert_eq!(lost + found, 2000);
    assert!(
        text(&path).ends_with("line 0/1999 end\n"),
        "the newest are kept"
    );
    let complaints = complaints.lock().expect("unpoisoned");
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert_eq!(
        complaints[0],
        "cannot write to the log: No space left on device (os error 28)"
    );
}

/// A small file system in a mount namespace of its own, which lives as long as this does.
struct SmallDisk {
    holder: Child,
    root: PathBuf,
}

impl SmallDisk {
    fn new(size: &str) -> Self {
        let script =
            format!("mount -t tmpfs -o size={size},mode=755 none /mnt && echo ready && exec cat");
        let mut holder = command("unshare")
            .args(["--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut ready = [0; 6];
        let stdout = holder.stdout.as_mut().expect("a pipe");
        stdout
            .read_exact(&mut ready)
            .expect("a mounted tmpfs (needs root)");
        let root = PathBuf::from(format!("/proc/{}/root/mnt", holder.id()));
        Self { holder, root }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

#[test]
fn a_disk_that_has_room_again_gets_whole_lines_and_the_number_of_the_lost() {
    let disk = SmallDisk::new("128k");
    let path = disk.root.join("fail2ban.log");
    let (log, complaints) = log(16 * 1024);
    let filler = disk.root.join("filler");
    fs::write(&filler, vec![b'x'; 64 * 1024]).expect("half the disk");
    log.set_target(&Target::file(&path), "auto")
        .expect("a target");
    let mut number = 0;
    while complaints.lock().expect("unpoisoned").is_empty() || number < 5000 {
        say(&log, &format!("line 0/{number} end"));
        number += 1;
    }
    fs::remove_file(&filler).expect("room again");
    // The next try is at most a second away.
    while !log.flush() {}
    say(&log, "line 0/last end");
    assert!(log.close());
    let (lost, found) = lost_and_found(&path);
    assert!(lost > 0);
    assert_eq!(lost + found, number + 1);
    for line in text(&path).lines() {
        let shape = (
            line.len() > 60,
            line.ends_with(" end") || line.contains(" lost here: "),
        );
        assert_eq!(shape, (true, true), "a torn line: {line:?}");
    }
}

#[test]
fn once_another_file_bears_the_name_the_old_one_is_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, moved) = (dir.path().join("fail2ban.log"), dir.path().join("moved"));
    let log = log_to(&path);
    say(&log, "one");
    assert!(log.flush());
    fs::rename(&path, &moved).expect("moved");
    say(&log, "two: nothing else bears the name yet");
    assert!(log.flush());
    fs::write(&path, "").expect("a new file");
    say(&log, "three");
    assert!(log.close());
    assert_eq!(text(&moved).lines().count(), 2);
    assert!(text(&path).ends_with(" three\n"));
    assert_eq!(text(&path).lines().count(), 1);
}

#[test]
fn a_line_torn_by_a_full_disk_is_whole_in_the_next_file() {
    let disk = SmallDisk::new("128k");
    let at = |name| disk.root.join(name);
    fs::write(at("filler"), vec![b'x'; 64 * 1024]).expect("half the disk");
    let (log, _) = log(1 << 20);
    let target = Target::file(&at("log"));
    log.set_target(&target, "auto").expect("a target");
    let mut count = 0;
    let mut flushed = true;
    while flushed {
        say(&log, &format!("line 0/{count} end"));
        flushed = log.flush();
        count += 1;
        assert!(count < 10_000, "the disk never fills");
    }
    fs::rename(at("log"), at("torn")).expect("moved");
    fs::remove_file(at("filler")).expect("room again");
    log.reopen().expect("a new file");
    assert!(log.close());
    let (first, second) = (text(&at("torn")), text(&at("log")));
    let torn = first.lines().next_back().expect("a line");
    assert!(!first.ends_with('\n'), "nothing was torn");
    assert!(second.starts_with(torn), "{torn:?} is not begun again");
    let whole = first.lines().count() - 1;
    assert_eq!(whole + second.lines().count(), count);
}
