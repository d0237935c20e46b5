//! A private world for end-to-end tests: its own files, processes and network, a real sshd, an
//! attacker in a namespace beside it, and one of two programs that ban: rban, or the installed
//! fail2ban, so that one story can be told to both.
//!
//! `scripts/lab` makes the world and says what is in it. It ends with its `Lab`, or with the test
//! process, however that ends: nothing stays behind. It takes root, and the packages that
//! `scripts/need test` installs.

#![expect(
    clippy::disallowed_methods,
    reason = "a test drives real programs and waits for them with a real clock"
)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use inotify::{Inotify, WatchMask};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long anything may take before a test gives up; fail2ban's slowest answer here is 2 s.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one look at a log may rest on inotify alone.
const LOOK_AGAIN: u16 = 100;

pub(crate) const SERVER: &str = "192.0.2.1";
pub(crate) const ATTACKER: &str = "192.0.2.66";
pub(crate) const ATTACKER6: &str = "2001:db8::66";
pub(crate) const NEIGHBOUR: &str = "192.0.2.77";
pub(crate) const LOG: &str = "/var/log/fail2ban/fail2ban.log";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Rban,
    /// The installed reference program, reading our vendor tree as its /etc/fail2ban.
    Fail2ban,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Reply {
    /// Both streams, for looking for a message wherever it went.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

pub(crate) struct Lab {
    pub(crate) program: Program,
    world: Child,
}

impl Lab {
    pub(crate) fn new(program: Program) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--net",
                "--pid",
                "--uts",
                "--ipc",
                "--fork",
                "--kill-child",
            ])
            .arg(repository.join("scripts/lab"))
            .arg("boot")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if program == Program::Rban {
            command
                .env("LAB_RBAN", env!("CARGO_BIN_EXE_rban"))
                .env("LAB_CONFIG", repository.join("config"));
        }
        let mut world = command.spawn().expect("unshare starts");
        let mut ready = String::new();
        let stdout = world.stdout.take().expect("a pipe");
        BufReader::new(stdout)
            .read_line(&mut ready)
            .expect("a line from the world");
        assert_eq!(
            ready, "ready\n",
            "a private world takes root and what `scripts/need test` installs; see its errors above"
        );
        let lab = Self { program, world };
        if program == Program::Fail2ban {
            lab.vendor_tree(&repository.join("config"));
        }
        lab
    }

    /// fail2ban knows no vendor tree and no built-in banaction: give it both.
    fn vendor_tree(&self, config: &Path) {
        let config = config.display();
        self.shell(&format!(
            "mkdir -p /var/log/fail2ban /var/lib/fail2ban && cp -r {config}/* /etc/fail2ban/ &&
             mkdir /etc/fail2ban/jail.d"
        ));
        self.write(
            "jail.d/firewall.conf",
            "[DEFAULT]\nbanaction = nftables\nbanaction_allports = nftables[type=allports]\n",
        );
    }

    /// Where a path of the world is seen from here.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.world.id()))
    }

    /// Writes a file; a relative path is below /etc/fail2ban.
    pub(crate) fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let inside = if file.starts_with('/') {
            file.to_owned()
        } else {
            format!("/etc/fail2ban/{file}")
        };
        let path = self.path(&inside);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder made");
        fs::write(&path, text).unwrap_or_else(|error| panic!("cannot write {inside}: {error}"));
    }

    /// Appends to a file as a daemon does, in one write.
    pub(crate) fn append(&self, file: &str, text: impl AsRef<[u8]>) {
        use std::io::Write as _;
        let mut open = fs::OpenOptions::new();
        let mut open = open.append(true).create(true).open(self.path(file));
        let open = open.as_mut().expect("a file to append to");
        open.write_all(text.as_ref()).expect("appended");
    }

    /// `count` lines of sshd's, of this moment: wrong passwords for root.
    pub(crate) fn failures(&self, address: &str, count: usize) -> String {
        let now = jiff::Zoned::now().strftime("%b %e %H:%M:%S");
        format!("{now} lab sshd[4711]: Failed password for root from {address} port 40000 ssh2\n")
            .repeat(count)
    }

    /// A file's text, empty where there is none.
    pub(crate) fn read(&self, file: &str) -> String {
        let bytes = fs::read(self.path(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn run(&self, words: &[&str]) -> Reply {
        let process = format!("/proc/{}/ns", self.world.id());
        let output = Command::new("nsenter")
            .arg(format!("--mount={process}/mnt"))
            .arg(format!("--net={process}/net"))
            .arg(format!("--uts={process}/uts"))
            .arg(format!("--ipc={process}/ipc"))
            .arg(format!("--pid={process}/pid_for_children"))
            .args(["--wd=/", "--", "timeout", "60"])
            .args(words)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .expect("nsenter runs");
        Reply {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a line of shell that must succeed; its output.
    pub(crate) fn shell(&self, script: &str) -> String {
        let reply = self.run(&["sh", "-c", script]);
        assert_eq!(reply.code, 0, "{script}\n{}{}", reply.text(), self.story());
        reply.out
    }

    fn script(&self, words: &[&str]) -> Reply {
        let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lab");
        let mut all = vec![lab.to_str().expect("a UTF-8 path")];
        all.extend_from_slice(words);
        self.run(&all)
    }

    /// Starts the program in the background, and waits until it answers.
    pub(crate) fn start(&self) {
        let reply = match self.program {
            Program::Rban => self.run(&["rban", "server"]),
            Program::Fail2ban => self.run(&["fail2ban-server"]),
        };
        assert_eq!(reply.code, 0, "no start: {}{}", reply.text(), self.story());
        self.wait("the server answers", || {
            (self.client(&["ping"]).code == 0).then_some(())
        });
    }

    /// The client, by the program's own name.
    pub(crate) fn client(&self, words: &[&str]) -> Reply {
        let mut all = match self.program {
            Program::Rban => vec!["rban", "client"],
            Program::Fail2ban => vec!["fail2ban-client"],
        };
        all.extend_from_slice(words);
        self.run(&all)
    }

    /// A client command that must succeed; its output.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let reply = self.client(words);
        assert_eq!(reply.code, 0, "{words:?}: {}{}", reply.text(), self.story());
        reply.out
    }

    /// The program's log.
    pub(crate) fn log(&self) -> String {
        self.read(LOG)
    }

    /// Waits for a line of the program's log that holds `part`; the line.
    pub(crate) fn wait_for(&self, part: &str) -> String {
        self.wait_in(LOG, part)
    }

    /// The same for any file, which need not be there yet.
    pub(crate) fn wait_in(&self, file: &str, part: &str) -> String {
        let folder = Path::new(file).parent().expect("a folder");
        let folder = self.path(folder.to_str().expect("UTF-8"));
        let mut changes = Inotify::init().expect("inotify");
        let deadline = Instant::now() + PATIENCE;
        let mut watched = false;
        let mut buffer = [0; 4096];
        loop {
            if !watched {
                watched = changes
                    .watches()
                    .add(
                        &folder,
                        WatchMask::MODIFY | WatchMask::CREATE | WatchMask::MOVED_TO,
                    )
                    .is_ok();
            }
            let text = self.read(file);
            if let Some(line) = text.lines().find(|line| line.contains(part)) {
                return line.to_owned();
            }
            assert!(
                Instant::now() < deadline,
                "no line with {part:?} in {file} after {PATIENCE:?}{}",
                self.story()
            );
            let mut ready = [PollFd::new(changes.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ready, PollTimeout::from(LOOK_AGAIN)).unwrap_or(0) > 0 {
                changes.read_events(&mut buffer).map(drop).expect("events");
            }
        }
    }

    /// Waits until `found` finds something; for what no file tells.
    pub(crate) fn wait<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = found() {
                return value;
            }
            assert!(
                Instant::now() < deadline,
                "in vain after {PATIENCE:?}: {what}{}",
                self.story()
            );
            let _ = poll(&mut [], PollTimeout::from(LOOK_AGAIN));
        }
    }

    /// rsyslogd and a real sshd, which logs to `log`.
    pub(crate) fn sshd(&self, log: &str) {
        let reply = self.script(&["sshd", log]);
        assert_eq!(reply.code, 0, "no sshd: {}", reply.text());
    }

    /// `count` logins as root with a wrong password.
    pub(crate) fn attack(&self, from: &str, count: u32) -> String {
        self.script(&["attack", &count.to_string(), from]).text()
    }

    /// One login with the right password: did it work?
    pub(crate) fn login(&self, from: &str) -> bool {
        self.script(&["login", from]).out.contains("welcome")
    }

    /// What port 22 says to a stranger: `open`, `refused` or `silent`.
    pub(crate) fn knock(&self, from: &str) -> String {
        self.script(&["knock", from]).out.trim().to_owned()
    }

    /// Waits until port 22 says `answer`.
    pub(crate) fn wait_until(&self, answer: &str, from: &str) {
        self.wait(&format!("port 22 {answer} for {from}"), || {
            (self.knock(from) == answer).then_some(())
        });
    }

    /// What the kernel's firewall holds, as `command` prints it.
    pub(crate) fn kernel(&self, command: &str) -> String {
        self.shell(command)
    }

    /// Takes a command out of the world.
    pub(crate) fn without(&self, command: &str) {
        let reply = self.script(&["without", command]);
        assert_eq!(reply.code, 0, "{}", reply.text());
    }

    /// The ends of the logs, for a failure's report.
    fn story(&self) -> String {
        let mut told = String::new();
        for file in [LOG, "/var/log/auth.log", "/var/log/secure"] {
            let text = self.read(file);
            if !text.is_empty() {
                let lines: Vec<&str> = text.lines().collect();
                let tail = lines[lines.len().saturating_sub(30)..].join("\n");
                let _ = write!(told, "\n--- {file}\n{tail}");
            }
        }
        told
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Its first process dies with it (--kill-child), and the kernel ends the rest.
        let _ = self.world.kill();
        let _ = self.world.wait();
    }
}
