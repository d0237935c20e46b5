//! The real daemon on real files that have the worst done to them: nothing lost, nothing twice,
//! nothing else held up.

#![expect(
    clippy::disallowed_methods,
    reason = "a test drives a real daemon and waits for it with a real clock"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use crate::life::{Home, Program, lines};
use crate::support::share;

fn log(home: &Home) -> String {
    fs::read_to_string(home.path("log")).unwrap_or_default()
}

fn append(home: &Home, name: &str, bytes: impl AsRef<[u8]>) {
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).open(home.path(name));
    let mut file = file.expect("a log");
    file.write_all(bytes.as_ref()).expect("appended");
}

/// How often each address was found in a piece of the daemon's log.
fn found(text: &str) -> BTreeMap<&str, usize> {
    let mut times = BTreeMap::new();
    for line in text.lines() {
        let rest = line.split_once("] Found ").map(|(_, rest)| rest);
        if let Some(address) = rest.and_then(|rest| rest.split(' ').next()) {
            *times.entry(address).or_default() += 1;
        }
    }
    times
}

fn sha1_of(text: &str) -> String {
    use sha1::{Digest as _, Sha1};
    let bytes = Sha1::digest(text.as_bytes());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A log's whole life, by the numbers of a die.
struct Life {
    home: Home,
    die: u64,
    /// Attackers so far, each of one line.
    attackers: usize,
    /// A line whose end is not written yet.
    half: String,
    /// Rotations since the database knew where the log is.
    unseen: usize,
    /// What was done, for a failure's report.
    story: Vec<String>,
    /// Where the daemon's log was when it was killed: behind it lines may be judged again.
    killed: Vec<usize>,
}

/// Older versions than this are removed, as logrotate does.
const VERSIONS: usize = 6;

impl Life {
    fn new(seed: u64) -> Self {
        let mut life = Self {
            home: Home::new("", "backend = auto\nmaxretry = 1"),
            die: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            attackers: 0,
            half: String::new(),
            unseen: 0,
            story: Vec::new(),
            killed: Vec::new(),
        };
        life.home.start(Program::Rban);
        // From here on the database knows the log.
        life.write();
        life.settle();
        life.home.stop();
        life.home.start(Program::Rban);
        life
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.die ^= self.die << 13;
        self.die ^= self.die >> 7;
        self.die ^= self.die << 17;
        self.die % sides
    }

    fn version(&self, number: usize) -> PathBuf {
        self.home.path(&format!("door.log.{number}"))
    }

    fn address(number: usize) -> String {
        format!("2001:db8::{number:x}")
    }

    fn next_line(&mut self) -> String {
        self.attackers += 1;
        lines(&Self::address(self.attackers), 1)
    }

    fn write(&mut self) {
        let mut text = std::mem::take(&mut self.half);
        for _ in 0..=self.roll(12) {
            text += &self.next_line();
        }
        self.tell(&format!("write up to {:x}", self.attackers));
        append(&self.home, "door.log", text);
    }

    fn tell(&mut self, step: &str) {
        let now = jiff::Zoned::now().strftime("%H:%M:%S%.3f").to_string();
        self.story.push(format!("{now} {step}"));
    }

    fn write_half(&mut self) {
        let line = self.next_line();
        let at = self.roll(line.len() as u64) as usize;
        let text = std::mem::take(&mut self.half) + &line[..at];
        line[at..].clone_into(&mut self.half);
        self.tell(&format!("write half of {:x}", self.attackers));
        append(&self.home, "door.log", text);
    }

    /// Waits until everything whole has been found.
    fn settle(&mut self) {
        let whole = self.attackers - usize::from(!self.half.is_empty());
        let last = format!("Found {} ", Self::address(whole));
        if whole > 0 {
            self.home
                .wait(&last, |home| log(home).contains(&last).then_some(()));
        }
        // The database knows it soon, too: from there a killed daemon goes on.
        let text = fs::read_to_string(self.home.path("door.log")).unwrap_or_default();
        if self.home.running.is_some()
            && let Some((first, _)) = text.split_once('\n')
        {
            let hash = sha1_of(&format!("{first}\n"));
            self.home.wait("a position in the database", |home| {
                let known = home.rows("SELECT firstlinemd5 FROM logs");
                known.iter().any(|row| row.contains(&hash)).then_some(())
            });
            self.unseen = 0;
        }
    }

    fn rotate(&mut self) {
        // Nobody can know of more versions than are kept.
        if self.unseen + 2 >= VERSIONS {
            return;
        }
        self.unseen += 1;
        if !self.half.is_empty() {
            self.write(); // A writer ends its line before it turns to another file.
        }
        let copies = self.roll(3) == 0;
        if copies && self.home.running.is_some() {
            // What is written between copy and truncation is lost by whoever copies.
            self.settle();
        }
        for number in (1..VERSIONS).rev() {
            if self.version(number).exists() {
                fs::rename(self.version(number), self.version(number + 1)).expect("renamed");
            }
        }
        let log = self.home.path("door.log");
        if !log.exists() {
            return;
        }
        self.tell(if copies {
            "copy and truncate"
        } else {
            "rename"
        });
        if copies {
            fs::copy(&log, self.version(1)).expect("copied");
            File::create(&log).expect("truncated");
        } else {
            fs::rename(&log, self.version(1)).expect("renamed");
            if self.roll(2) == 0 {
                File::create_new(&log).expect("created");
            }
        }
    }

    fn kill(&mut self) {
        self.tell("kill");
        let Some((_, mut child)) = self.home.running.take() else {
            return;
        };
        child.kill().expect("killed");
        child.wait().expect("its end");
        self.killed.push(log(&self.home).len());
    }

    fn step(&mut self) {
        match self.roll(20) {
            0..=9 => self.write(),
            10..=11 => self.write_half(),
            12..=14 => self.rotate(),
            15..=17 => self.settle(),
            18 => self.pause(Self::kill),
            _ => self.pause(|life| {
                life.tell("stop");
                life.home.stop();
            }),
        }
    }

    /// Something happens while the daemon is down.
    fn pause(&mut self, down: fn(&mut Self)) {
        down(self);
        for _ in 0..self.roll(6) {
            match self.roll(4) {
                0 => self.rotate(),
                1 => self.write_half(),
                _ => self.write(),
            }
        }
        self.tell("start");
        self.home.start(Program::Rban);
        self.tell("started");
    }

    /// Everybody is banned, once; no line was judged twice by a process, nor by the next if it
    /// ended in order.
    fn check(&mut self) {
        self.write();
        self.settle();
        let all: BTreeSet<String> = (1..=self.attackers).map(Self::address).collect();
        let home = &self.home;
        let text = log(home);
        let banned = home.ask(&["get", "door", "banip"]);
        let banned: BTreeSet<String> = banned.split_whitespace().map(str::to_owned).collect();
        let lost: Vec<_> = all.difference(&banned).collect();
        assert!(lost.is_empty() && banned == all, "{lost:?}\n{text}");
        let mut from = 0;
        for to in self.killed.iter().copied().chain([text.len()]) {
            for (address, times) in found(&text[from..to]) {
                assert_eq!(times, 1, "{address}\n{text}");
            }
            from = to;
        }
        self.home.stop();
        let twice = self
            .home
            .rows("SELECT ip || ' ' || bancount FROM bips WHERE bancount != 1");
        assert!(twice.is_empty(), "{twice:?}\n{text}");
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let last = self.story.len().saturating_sub(30);
            eprintln!("{}", self.story[last..].join("\n"));
            let mut files: Vec<_> = fs::read_dir(self.home.path(""))
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.to_string_lossy().contains("door.log"))
                .collect();
            files.sort();
            for path in files {
                let text = fs::read_to_string(&path).unwrap_or_default();
                eprintln!("{}\n{text}", path.display());
            }
        }
    }
}

#[test]
fn whatever_happens_to_a_log_and_the_daemon_nobody_is_lost_and_nobody_counted_twice() {
    let (first, count) = share("RBAN_LIFE_SEED", "RBAN_LIVES", 2);
    for seed in first..first + count {
        let mut life = Life::new(seed);
        for _ in 0..150 {
            life.step();
        }
        life.check();
    }
}

/// Another jail beside the home's own, on other logs.
fn beside(logs: &str, more: &str) -> Home {
    let home = Home::new("", "backend = auto");
    let conf = fs::read_to_string(home.path("jail.conf")).expect("a configuration");
    let at = home.path("").display().to_string();
    let at = at.trim_end_matches('/');
    let logs: Vec<String> = logs.split(' ').map(|log| format!("{at}/{log}")).collect();
    let jail = format!(
        "[other]\nenabled = true\nfilter = door\nbackend = auto\nlogpath = {}\n{more}\n",
        logs.join("\n ")
    );
    home.write("jail.conf", &(conf + &jail));
    home
}

fn wait_for(home: &Home, words: &str) {
    home.wait(words, |home| log(home).contains(words).then_some(()));
}

/// What `/proc/PID/status` says, in KiB.
fn kibibytes(home: &Home, name: &str) -> u64 {
    let (_, child) = home.running.as_ref().expect("it runs");
    let text = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("a process");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let digits = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
    digits.expect(name).parse().expect("a number")
}

#[test]
fn pipes_devices_and_folders_are_no_logs_which_is_said_and_waits_for_one() {
    let mut home = beside("pipe null folder", "");
    nix::unistd::mkfifo(&home.path("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    std::os::unix::fs::symlink("/dev/null", home.path("null")).expect("a link");
    fs::create_dir(home.path("folder")).expect("a folder");
    home.start(Program::Rban);
    for (name, kind) in [
        ("pipe", "a named pipe"),
        ("null", "a device"),
        ("folder", "a directory"),
    ] {
        wait_for(
            &home,
            &format!("/{name} cannot be read: it is {kind}, not a log file"),
        );
    }
    home.failures("198.51.100.1", 3);
    home.wait_banned("198.51.100.1");
    // How far each was read, and what went wrong.
    let told = home.ask(&["--json", "status", "door"]);
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let size = fs::metadata(home.path("door.log")).expect("a log").len();
    assert_eq!(told["sources"][0]["position"], size, "{told}");
    assert_eq!(told["sources"][0]["errors"], 0, "{told}");
    let told = home.ask(&["--json", "status", "other"]);
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    for source in told["sources"].as_array().expect("a list") {
        assert_eq!(source["errors"], 1, "{told}");
        assert_eq!(source["position"], serde_json::Value::Null, "{told}");
    }
    // What becomes one is read.
    fs::remove_file(home.path("pipe")).expect("a pipe less");
    fs::remove_dir(home.path("folder")).expect("a folder less");
    append(&home, "pipe", lines("198.51.100.2", 2));
    append(&home, "folder", lines("198.51.100.2", 1));
    wait_for(&home, "[other] Ban 198.51.100.2");
    home.stop();
}

#[test]
fn a_line_of_a_gibibyte_and_a_log_of_nuls_cost_no_memory_and_hide_nothing() {
    let mut home = beside("nuls.log", "");
    append(&home, "nuls.log", "");
    home.start(Program::Rban);
    let block = vec![b'x'; 16 << 20];
    let nuls = vec![0; 16 << 20];
    for number in 0..64 {
        append(&home, "door.log", &block);
        if number < 8 {
            append(&home, "nuls.log", &nuls);
        }
        if number == 32 {
            // Another log goes on meanwhile.
            append(&home, "nuls.log", "\n");
            append(&home, "nuls.log", lines("198.51.100.1", 3));
            wait_for(&home, "[other] Ban 198.51.100.1");
        }
    }
    append(&home, "door.log", "\n");
    home.failures("198.51.100.2", 3);
    home.wait_banned("198.51.100.2");
    let peak = kibibytes(&home, "VmHWM") >> 10;
    assert!(peak < 96, "{peak} MiB");
    let told = log(&home)
        .matches("has lines longer than 1048576 bytes")
        .count();
    assert_eq!(told, 2, "each once\n{}", log(&home));
    home.stop();
}

#[test]
fn a_log_replaced_as_fast_as_it_goes_gives_nothing_twice_and_what_stands_is_read() {
    let mut home = Home::new("", "backend = auto\nmaxretry = 1");
    home.start(Program::Rban);
    let mut number = 0;
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_secs(3) {
        number += 1;
        append(&home, "next", lines(&format!("2001:db8::{number:x}"), 1));
        let name = home.path("door.log");
        match number % 3 {
            0 => fs::rename(&name, home.path("door.log.1")).expect("renamed"),
            1 => {}
            _ => fs::remove_file(&name).expect("removed"),
        }
        fs::rename(home.path("next"), &name).expect("renamed");
    }
    let last = format!("Found 2001:db8::{number:x} ");
    wait_for(&home, &last);
    let text = log(&home);
    for (address, times) in found(&text) {
        assert_eq!(times, 1, "{address}");
    }
    let (_, child) = home.running.as_ref().expect("it runs");
    let files = fs::read_dir(format!("/proc/{}/fd", child.id())).expect("descriptors");
    let open = files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok())
        .filter(|target| target.to_string_lossy().contains("door.log"));
    assert!(open.count() <= 2, "of {number} logs two are open at most");
    home.failures("198.51.100.1", 1);
    home.wait_banned("198.51.100.1");
    home.stop();
}

#[test]
fn logs_beyond_the_limit_of_open_files_are_told_and_read_once_others_are_given_up() {
    let names: Vec<String> = (0..110).map(|number| format!("n{number:03}.log")).collect();
    let mut home = beside(&names.join(" "), "");
    for name in &names {
        append(&home, name, "something\n");
    }
    home.start_with_few_files("200");
    wait_for(&home, "cannot be read: Too many open files");
    // The other jail is none the worse.
    home.failures("198.51.100.1", 3);
    home.wait_banned("198.51.100.1");
    for name in &names {
        append(&home, name, lines("198.51.100.2", 1));
    }
    // The last ones were opened first.
    for name in &names[60..100] {
        let path = home.path(name).display().to_string();
        home.ask(&["set", "other", "dellogpath", &path]);
    }
    let path = home.path(&names[0]).display().to_string();
    wait_for(&home, &format!("{path} is read again"));
    append(&home, &names[0], lines("198.51.100.3", 3));
    wait_for(&home, "[other] Ban 198.51.100.3");
    home.stop();
}

#[test]
fn where_the_kernel_has_no_inotify_left_everything_is_polled_and_that_is_said() {
    let mut home = beside("*.other", "");
    home.start_by(&[
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-ec",
        "echo 0 > /proc/sys/user/max_inotify_instances; exec \"$@\"",
        "sh",
    ]);
    wait_for(&home, "door.log is polled: inotify: ");
    home.failures("198.51.100.1", 3);
    home.wait_banned("198.51.100.1");
    append(&home, "new.other", lines("198.51.100.2", 3));
    wait_for(&home, "[other] Ban 198.51.100.2");
    fs::rename(home.path("door.log"), home.path("door.log.1")).expect("renamed");
    append(&home, "door.log", lines("198.51.100.3", 3));
    home.wait_banned("198.51.100.3");
    home.stop();
}

#[test]
fn a_link_switched_to_another_log_and_polling_tail_and_head_do_what_they_say() {
    for backend in ["auto", "polling"] {
        let mut home = beside("linked.log tail", "");
        let conf = fs::read_to_string(home.path("jail.conf")).expect("a configuration");
        let conf = conf.replace("/tail\n", "/tail.log tail\n");
        home.write(
            "jail.conf",
            &conf.replace("backend = auto", &format!("backend = {backend}")),
        );
        append(&home, "tail.log", lines("198.51.100.8", 3));
        append(&home, "one.log", lines("198.51.100.1", 3));
        let link = home.path("linked.log");
        std::os::unix::fs::symlink("one.log", &link).expect("a link");
        home.start(Program::Rban);
        wait_for(&home, "[other] Ban 198.51.100.1");
        append(&home, "two.log", lines("198.51.100.2", 3));
        std::os::unix::fs::symlink("two.log", home.path("new")).expect("a link");
        fs::rename(home.path("new"), &link).expect("switched");
        wait_for(&home, "[other] Ban 198.51.100.2");
        append(&home, "two.log", lines("198.51.100.3", 3));
        wait_for(&home, "[other] Ban 198.51.100.3");
        // Of this only what comes; what was there is not looked at.
        append(&home, "tail.log", lines("198.51.100.9", 3));
        wait_for(&home, "[other] Ban 198.51.100.9");
        let text = log(&home);
        assert!(!text.contains("198.51.100.8"), "{text}");
        let times = found(&text);
        assert!(times.values().all(|times| *times == 3), "{times:?}");
        home.stop();
    }
}
