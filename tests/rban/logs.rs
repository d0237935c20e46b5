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
