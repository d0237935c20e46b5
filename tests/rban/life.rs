//! A daemon's life and what survives it: kill -9, the service manager's ear, and what monitoring
//! sees.

#![expect(
    clippy::disallowed_methods,
    reason = "a test drives real programs and waits for them with a real clock"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{in_namespace, said};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Rban,
    Fail2ban,
}

/// One tree of configuration for both programs, with an action that only writes down.
pub(crate) struct Home {
    folder: TempDir,
    pub(crate) running: Option<(Program, Child)>,
}

impl Home {
    pub(crate) fn new(server: &str, jail: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Self {
            folder,
            running: None,
        };
        let at = home.path("");
        let at = at.display();
        home.write(
            "fail2ban.conf",
            &format!(
                "[Definition]\nloglevel = INFO\nlogtarget = {at}/log\nsocket = {at}/sock\n\
                 pidfile = {at}/pid\ndbfile = {at}/db\ndbpurgeage = 1d\n{server}\n"
            ),
        );
        home.write(
            "jail.conf",
            &format!(
                "[DEFAULT]\nbantime = 1h\nfindtime = 10m\nmaxretry = 3\nbackend = polling\n\
                 [door]\nenabled = true\nfilter = door\nlogpath = {at}/door.log\n{jail}\n"
            ),
        );
        home.write(
            "filter.d/door.conf",
            "[Definition]\nfailregex = ^ bad guest <HOST>$\ndatepattern = ^%%Y-%%m-%%d %%H:%%M:%%S\n",
        );
        home.write(
            "action.d/note.conf",
            &format!(
                "[Definition]\nactionban = echo ban <ip> >> {at}/acts\n\
                 actionunban = echo unban <ip> >> {at}/acts\n"
            ),
        );
        home.write("door.log", "");
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder made");
        fs::write(path, text).expect("written");
    }

    pub(crate) fn failures(&self, address: &str, count: usize) {
        append(&self.path("door.log"), &lines(address, count));
    }

    /// Starts rban with so few files that it may open: a number, or the soft and the hard limit.
    pub(crate) fn start_with_few_files(&mut self, most: &str) {
        let mut command = Command::new("prlimit");
        command
            .arg(format!("--nofile={most}"))
            .arg(env!("CARGO_BIN_EXE_rban"));
        self.launch(Program::Rban, command);
    }

    /// Starts rban by a command that ends in running what stands behind it.
    pub(crate) fn start_by(&mut self, words: &[&str]) {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(env!("CARGO_BIN_EXE_rban"));
        self.launch(Program::Rban, command);
    }

    /// Starts rban and gives what it reads as standard input.
    pub(crate) fn start_with_input(&mut self) -> ChildStdin {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rban"));
        command.stdin(Stdio::piped());
        self.launch(Program::Rban, command);
        let child = self.running.as_mut().map(|(_, child)| child);
        child.and_then(|child| child.stdin.take()).expect("a pipe")
    }

    pub(crate) fn start(&mut self, program: Program) {
        let command = match program {
            Program::Rban => Command::new(env!("CARGO_BIN_EXE_rban")),
            Program::Fail2ban => Command::new("fail2ban-server"),
        };
        self.launch(program, command);
    }

    fn launch(&mut self, program: Program, mut command: Command) {
        match program {
            Program::Rban => {
                command
                    .args(["server", "-f", "-x", "-c"])
                    .arg(self.path(""));
            }
            Program::Fail2ban => {
                command.args(["-f", "-x", "-c"]).arg(self.path(""));
                command.arg("-s").arg(self.path("sock"));
                command.arg("-p").arg(self.path("pid"));
            }
        }
        command
            .arg("start")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.running = Some((program, command.spawn().expect("it starts")));
        self.wait("an answer", |home| {
            home.ask(&["status", "door"])
                .contains("Currently banned")
                .then_some(())
        });
    }

    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_rban"))
            .args(["client", "-s"])
            .arg(self.path("sock"))
            .args(words)
            .output()
            .expect("a client");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn stop(&mut self) {
        self.ask(&["stop"]);
        if let Some((_, mut child)) = self.running.take() {
            child.wait().expect("its end");
        }
    }

    pub(crate) fn wait<T>(&self, what: &str, mut found: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = found(self) {
                return value;
            }
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "in vain: {what}\n{log}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn wait_banned(&self, address: &str) {
        self.wait(address, |home| {
            home.ask(&["get", "door", "banip"])
                .contains(address)
                .then_some(())
        });
    }

    /// Each ban with its beginning, length and end, as lists show them.
    pub(crate) fn ends(&self) -> BTreeSet<String> {
        let text = self.ask(&["get", "door", "banip", "--with-time"]);
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        let connection = Connection::open(self.path("db")).expect("a database");
        let mut statement = connection.prepare(sql).expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.map(|row| row.expect("text")).collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some((_, child)) = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn lines(address: &str, count: usize) -> String {
    let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S");
    format!("{now} bad guest {address}\n").repeat(count)
}

pub(crate) fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(path)
        .expect("a log");
    file.write_all(text.as_bytes()).expect("appended");
}

/// A stopped server's database with so many bans of an hour.
fn fill(home: &mut Home, count: u32) {
    home.start(Program::Rban);
    home.stop();
    let now = jiff::Timestamp::now().as_second();
    let mut connection = Connection::open(home.path("db")).expect("a database");
    let transaction = connection.transaction().expect("a transaction");
    for number in 0..count {
        let address = std::net::Ipv4Addr::from_bits(0x0A07_0000 + number);
        let sql = "INSERT INTO bips(ip, jail, timeofban, bantime, bancount, data) \
                   VALUES(?, 'door', ?, 3600, 1, '{}')";
        transaction
            .execute(sql, rusqlite::params![address.to_string(), now - 60])
            .expect("a row");
    }
    transaction.commit().expect("written");
}

#[test]
fn many_bans_come_back_in_pieces_and_none_is_missing() {
    let mut home = Home::new("", "");
    fill(&mut home, 2_500);
    home.start(Program::Rban);
    home.wait("2500 bans", |home| {
        home.ask(&["status", "door"])
            .contains("Currently banned:\t2500")
            .then_some(())
    });
    assert_eq!(home.ends().len(), 2_500);
}

/// One set of nftables, filled natively.
const NFT: &str = "[Definition]\n\
    actionstart = nft add table inet life; nft add set inet life door '{ type ipv4_addr; }'\n\
    actionstop = nft delete table inet life\n\
    actionflush = nft flush set inet life door\n\
    actioncheck = nft list set inet life door > /dev/null\n\
    actionban = nft add element inet life door { <ip> }\n\
    actionunban = nft delete element inet life door { <ip> }\n";

#[test]
fn who_attacks_while_a_hundred_thousand_bans_come_back_is_banned_in_between() {
    const RESTORED: u32 = 100_000;
    in_namespace(|| {
        let mut home = Home::new("", "action = nft[name=door]");
        home.write("action.d/nft.conf", NFT);
        fill(&mut home, RESTORED);
        fs::remove_file(home.path("log")).expect("the log of before");
        home.failures("192.0.2.1", 3);
        home.start(Program::Rban);
        home.failures("192.0.2.2", 3);
        let all = format!("Currently banned:\t{}", RESTORED + 2);
        home.wait("all bans", |home| {
            let status = home.ask(&["status", "door", "short"]);
            status.contains(&all).then_some(())
        });
        let log = fs::read_to_string(home.path("log")).expect("the log");
        let bans: Vec<&str> = log.lines().filter(|line| line.contains("Ban ")).collect();
        assert_eq!(bans.len() as u32, RESTORED + 2);
        let place = bans.iter().position(|ban| ban.ends_with("] Ban 192.0.2.1"));
        assert!(
            place.is_some_and(|place| place < RESTORED as usize / 2),
            "{place:?}"
        );
        home.wait("all of them in the kernel", |_| {
            let told = said("nft list set inet life door");
            let held = told.matches("10.").count() as u32 >= RESTORED;
            (held
                && ["192.0.2.1,", "192.0.2.2 "]
                    .iter()
                    .all(|ip| told.contains(ip)))
            .then_some(())
        });
        home.stop();
    });
}

/// How long the kernel keeps an address yet, in seconds; `None`: for ever.
fn kept_for(address: &str) -> Option<Option<u64>> {
    let told = said("nft list ruleset");
    let quoted = regex::escape(address);
    let pattern = format!(r"\b{quoted}\b(?: timeout \S+ expires (\S+?)[,\s])?");
    let found = regex::Regex::new(&pattern).expect("a pattern");
    let found = found.captures(&told)?;
    let part = regex::Regex::new(r"(\d+)(ms|[dhms])").expect("a pattern");
    Some(found.get(1).map(|left| {
        let parts = part.captures_iter(left.as_str()).map(|part| {
            let number: u64 = part[1].parse().expect("a number");
            number
                * match &part[2] {
                    "d" => 86_400,
                    "h" => 3_600,
                    "m" => 60,
                    "s" => 1,
                    _ => 0,
                }
        });
        parts.sum()
    }))
}

#[test]
fn a_change_of_bantime_moves_the_ends_of_bans_in_the_kernel_too() {
    in_namespace(|| {
        let mut home = Home::new("", "action = rban[name=door, port=22]");
        let shipped = include_str!("../../config/action.d/rban.conf");
        home.write("action.d/rban.conf", shipped);
        home.start(Program::Rban);
        home.failures("192.0.2.1", 3);
        home.ask(&["set", "door", "banip", "2001:db8::1"]);
        home.ask(&["set", "door", "banfor", "5h", "192.0.2.5"]);
        home.wait_banned("192.0.2.1");
        // The kernel's end is 10 s later than ours; a slow machine may take a minute to look.
        let follow = |home: &Home, bantime: u64| {
            for (address, secs) in [
                ("192.0.2.1", bantime),
                ("2001:db8::1", bantime),
                ("192.0.2.5", 5 * 3_600),
            ] {
                home.wait(&format!("{address} for {secs} s"), |_| {
                    let left = kept_for(address)??;
                    (secs.saturating_sub(60)..=secs + 10)
                        .contains(&left)
                        .then_some(())
                });
            }
            let ends = home.ends();
            let with = |secs: u64| {
                let shown = format!(" + {secs} = ");
                ends.iter().filter(|end| end.contains(&shown)).count()
            };
            assert_eq!((with(bantime), with(5 * 3_600)), (2, 1), "{ends:?}");
        };
        follow(&home, 3_600);
        assert_eq!(home.ask(&["set", "door", "bantime", "2h"]), "7200\n");
        follow(&home, 7_200);
        home.ask(&["set", "door", "bantime", "600"]);
        follow(&home, 600);
        home.ask(&["set", "door", "bantime", "-1"]);
        home.wait("a ban for ever", |_| {
            (kept_for("192.0.2.1") == Some(None)).then_some(())
        });
        // So does a reload of other files.
        let conf = fs::read_to_string(home.path("jail.conf")).expect("the jails");
        home.write("jail.conf", &conf.replace("bantime = 1h", "bantime = 30m"));
        let at = home.path("").display().to_string();
        assert_eq!(home.ask(&["-c", &at, "reload"]), "OK\n");
        follow(&home, 1_800);
        // And who is over by the new one goes at once.
        home.ask(&["set", "door", "bantime", "0"]);
        home.wait("their end", |_| {
            let gone = ["192.0.2.1", "2001:db8::1"]
                .iter()
                .all(|ip| kept_for(ip).is_none());
            (gone && kept_for("192.0.2.5").is_some()).then_some(())
        });
        home.stop();
    });
}

/// Starts and kills, 200 times, a daemon that bans in a real firewall.
#[test]
fn kill_9_at_any_moment_loses_no_ban_of_the_kernels_and_doubles_none() {
    let home = Home::new("", "action = nft[name=door]");
    home.write("action.d/nft.conf", NFT);
    let script = r#"
        cd "$1"; rban=$2; n=0; : > seen
        list() { nft list set inet life door 2> /dev/null | grep -oE '198\.51\.100\.[0-9]+|203\.0\.113\.[0-9]+' | sort; }
        while [ $n -lt 200 ]; do
            n=$((n + 1))
            "$rban" server -f -x -c "$1" start > /dev/null 2>&1 & pid=$!
            if [ $n -le 100 ]; then a=198.51.100.$n; else a=203.0.113.$n; fi
            line="$(date "+%Y-%m-%d %H:%M:%S") bad guest $a"
            # At once: failures before the place that was noted end with the process, as in fail2ban.
            printf '%s\n%s\n%s\n' "$line" "$line" "$line" >> door.log
            if [ $((n % 4)) = 0 ]; then
                # However slow the machine is: as the kernel has it, and the database perhaps not.
                for look in $(seq 3000); do list | grep -qx "$a" && break; sleep 0.01; done
            else
                sleep 0.$(printf %03d $((RANDOM % 150)))
            fi
            kill -9 $pid; wait $pid 2> /dev/null
            list >> seen
        done
        "$rban" server -f -x -c "$1" start > /dev/null 2>&1 & pid=$!
        for look in $(seq 1200); do
            [ "$(list | wc -l)" = 200 ] && break
            sleep 0.1
        done
        list > last
        kill $pid; wait $pid
        sort -u seen > ever
    "#;
    let run = Command::new("unshare")
        .args(["--net", "bash", "-c", script, "life"])
        .arg(home.path(""))
        .arg(env!("CARGO_BIN_EXE_rban"))
        .stderr(Stdio::null())
        .status()
        .expect("a namespace, as root");
    assert!(run.success());
    let read = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(home.path(name)).expect("a list");
        text.lines().map(str::to_owned).collect()
    };
    let (ever, last) = (read("ever"), read("last"));
    assert!(
        ever.len() >= 50,
        "the kernel had some in between: {}",
        ever.len()
    );
    let lost: Vec<_> = ever
        .iter()
        .filter(|address| !last.contains(address))
        .collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert_eq!(last.len(), 200, "every attacker is banned in the end");
    let twice = home.rows("SELECT ip FROM bans GROUP BY ip HAVING count(*) > 1");
    assert!(twice.is_empty(), "doubled: {twice:?}");
}

/// A server under a service manager that allows it 200 ms of silence, and what the manager hears.
fn managed(home: &mut Home) -> (Pid, impl FnMut(Duration) -> Option<String> + use<>) {
    let ear = UnixDatagram::bind(home.path("notify")).expect("an ear");
    let server = Command::new(env!("CARGO_BIN_EXE_rban"))
        .args(["server", "-f", "-x", "-c"])
        .arg(home.path(""))
        .arg("start")
        .env("NOTIFY_SOCKET", home.path("notify"))
        .env("WATCHDOG_USEC", "200000")
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let pid = Pid::from_raw(server.id() as i32);
    home.running = Some((Program::Rban, server));
    let heard = move |limit| {
        ear.set_read_timeout(Some(limit)).expect("a limit");
        let mut buffer = [0; 256];
        let length = ear.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    };
    (pid, heard)
}

#[test]
fn the_service_manager_hears_of_readiness_of_an_engine_that_lives_and_of_bans() {
    let mut home = Home::new("", "action = note");
    let (pid, mut heard) = managed(&mut home);
    let mut heard = || heard(PATIENCE).expect("something heard");
    assert_eq!(heard(), "READY=1\nSTATUS=1 jail, 0 banned");
    assert_eq!([heard(), heard()], ["WATCHDOG=1", "WATCHDOG=1"]);
    home.failures("192.0.2.10", 3);
    while heard() != "STATUS=1 jail, 1 banned" {}
    home.ask(&["unban", "--all"]);
    while heard() != "STATUS=1 jail, 0 banned" {}
    home.failures("192.0.2.11", 3);
    while heard() != "STATUS=1 jail, 1 banned" {}
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("told");
    while heard() != "STOPPING=1" {}
    if let Some((_, mut ended)) = home.running.take() {
        ended.wait().expect("its end");
    }
    // It is ready when what was banned before is banned again, and not earlier.
    fs::remove_file(home.path("notify")).expect("the old ear");
    let (_, mut heard) = managed(&mut home);
    let ready = loop {
        let heard = heard(PATIENCE).expect("something heard");
        if heard.starts_with("READY=1") {
            break heard;
        }
    };
    assert_eq!(ready, "READY=1\nSTATUS=1 jail, 1 banned");
}

/// A server in the background, as an init script starts it: its process, when it is ready.
fn in_background(home: &Home) -> Pid {
    let started = Command::new(env!("CARGO_BIN_EXE_rban"))
        .args(["server", "-b", "-c"])
        .arg(home.path(""))
        .arg("start")
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    assert_eq!(String::from_utf8_lossy(&started.stdout), "Server ready\n");
    pid_in_file(home)
}

fn pid_in_file(home: &Home) -> Pid {
    let text = fs::read_to_string(home.path("pid")).expect("a PID file");
    Pid::from_raw(text.trim().parse().expect("a number"))
}

fn is_gone(pid: Pid) -> bool {
    // A child that has ended and was not waited for is a zombie.
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.is_empty() || status.contains("State:\tZ")
}

#[test]
fn signals_reload_reopen_and_end_in_foreground_and_background() {
    use nix::sys::signal::{Signal, kill};

    for (background, end) in [
        (false, Signal::SIGTERM),
        (false, Signal::SIGINT),
        (true, Signal::SIGTERM),
        (true, Signal::SIGINT),
    ] {
        let mut home = Home::new("", "");
        let pid = if background {
            in_background(&home)
        } else {
            home.start(Program::Rban);
            pid_in_file(&home)
        };
        if background {
            // It has left whoever started it.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("its state");
            let (_, behind) = stat.rsplit_once(") ").expect("a name in brackets");
            let session = behind.split(' ').nth(3);
            assert_eq!(
                session,
                Some(pid.to_string().as_str()),
                "a session of its own"
            );
            let folder = fs::read_link(format!("/proc/{pid}/cwd")).expect("its folder");
            assert_eq!(folder, Path::new("/"));
            let input = fs::read_link(format!("/proc/{pid}/fd/0")).expect("its input");
            assert_eq!(input, Path::new("/dev/null"));
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its state");
        assert!(status.contains("Umask:\t0077"), "{status}");

        let conf = fs::read_to_string(home.path("jail.conf")).expect("the jails");
        home.write("jail.conf", &conf.replace("maxretry = 3", "maxretry = 7"));
        kill(pid, Signal::SIGHUP).expect("told");
        home.wait("a reload", |home| {
            (home.ask(&["get", "door", "maxretry"]) == "7\n").then_some(())
        });
        assert_eq!(pid_in_file(&home), pid, "it is the same process");

        fs::rename(home.path("log"), home.path("log.1")).expect("rotated");
        kill(pid, Signal::SIGUSR1).expect("told");
        home.wait("the log anew", |home| {
            let text = fs::read_to_string(home.path("log")).ok()?;
            text.contains("rollover performed on ").then_some(())
        });

        kill(pid, end).expect("told");
        home.wait("its end", |_| is_gone(pid).then_some(()));
        assert!(!home.path("pid").exists() && !home.path("sock").exists());
        let log = fs::read_to_string(home.path("log")).expect("the log");
        assert!(log.trim_end().ends_with("Exiting Fail2ban"), "{log}");
        if let Some((_, mut child)) = home.running.take() {
            assert_eq!(child.wait().expect("its end").code(), Some(0), "{end}");
        }
    }
}

/// What is read while others wait must not be something one can wait for.
#[test]
fn a_pipe_in_ignoreip_holds_up_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let mut home = Home::new("", &format!("ignoreip = file:{}", pipe.display()));
    home.start(Program::Rban);
    let log = fs::read_to_string(home.path("log")).expect("the log");
    assert!(
        log.contains("cannot be read (it is no ordinary file); nobody is ignored by it"),
        "{log}"
    );
}

#[test]
fn an_engine_that_is_stuck_is_silent_though_all_else_lives() {
    use nix::sys::ptrace;
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

    let mut home = Home::new("", "");
    let (engine, mut heard) = managed(&mut home);
    assert!(heard(PATIENCE).expect("readiness").starts_with("READY=1"));
    assert_eq!(heard(PATIENCE).as_deref(), Some("WATCHDOG=1"));
    // The engine's thread alone is held; it is the process' first, and a debugger may.
    ptrace::seize(engine, ptrace::Options::empty()).expect("held by us");
    ptrace::interrupt(engine).expect("it stops");
    let stopped = waitpid(engine, Some(WaitPidFlag::__WALL)).expect("it has stopped");
    assert!(
        matches!(stopped, WaitStatus::PtraceEvent(..)),
        "{stopped:?}"
    );
    // What it said before it was held.
    while heard(Duration::from_millis(1)).is_some() {}
    // The socket's threads go on and take a command, which nobody answers; the manager hears
    // nothing for five times as long as it allows, and would end this process.
    let mut client = UnixStream::connect(home.path("sock")).expect("it is accepted");
    client.write_all(b"half").expect("sent");
    assert_eq!(heard(Duration::from_secs(1)), None);
    ptrace::detach(engine, None).expect("let go");
    assert_eq!(heard(PATIENCE).as_deref(), Some("WATCHDOG=1"));
}

/// Asks for the metrics: names with their labels, and values.
fn scrape(port: u16) -> Option<(BTreeMap<String, f64>, String)> {
    let mut client = TcpStream::connect(("127.0.0.1", port)).ok()?;
    client
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .ok()?;
    let mut text = String::new();
    client.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let mut values = BTreeMap::new();
    let mut declared = String::new();
    for line in body.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            declared = kind.split(' ').next().expect("a name").to_owned();
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            assert!(name.starts_with(&declared), "{name} under {declared}");
            let old = values.insert(name.to_owned(), value.parse().expect("a number"));
            assert!(old.is_none(), "{name} twice");
        }
    }
    Some((values, body.to_owned()))
}

#[test]
fn prometheus_sees_failures_bans_and_latency_and_the_dashboard_asks_for_nothing_else() {
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("its number").port()
    };
    let mut home = Home::new(&format!("metrics = 127.0.0.1:{port}"), "action = note");
    home.start(Program::Rban);
    home.failures("192.0.2.10", 3);
    home.failures("192.0.2.11", 1);
    let (values, body) = home.wait("one ban carried out", |_| {
        let (values, body) = scrape(port)?;
        let count = "rban_ban_latency_seconds_count{jail=\"door\",action=\"note\"}";
        let found = values["rban_failures_total{jail=\"door\"}"];
        (values[count] == 1.0 && found == 4.0).then_some((values, body))
    });
    assert_eq!(values["rban_banned{jail=\"door\"}"], 1.0);
    assert_eq!(values["rban_bans_total{jail=\"door\"}"], 1.0);
    assert_eq!(values["rban_lines_total{jail=\"door\"}"], 4.0);
    assert_eq!(
        values["rban_regex_matches_total{jail=\"door\",regex=\"0\"}"],
        4.0
    );
    assert!(values["rban_memory_bytes"] > 1e6);
    let dashboard = include_str!("../../docs/grafana.json");
    let names = regex::Regex::new("rban_[a-z_]+").expect("a pattern");
    let mut asked = 0;
    for name in names.find_iter(dashboard) {
        assert!(body.contains(name.as_str()), "no metric {}", name.as_str());
        asked += 1;
    }
    assert!(asked > 10);
    // Whoever says nothing holds up nobody for long, and nonsense is refused.
    let mut nonsense = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    nonsense
        .write_all(b"POST /x HTTP/1.1\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    nonsense.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[test]
fn a_pattern_that_gives_up_shows_in_status_log_and_metrics() {
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("its number").port()
    };
    let mut home = Home::new(&format!("metrics = 127.0.0.1:{port}"), "action = note");
    home.write(
        "filter.d/door.conf",
        "[Definition]\nfailregex = ^ bad guest <HOST>$\n  ^ (a+)+(a+)+\\1\\2x from <HOST>$\n\
         datepattern = ^%%Y-%%m-%%d %%H:%%M:%%S\n",
    );
    home.start(Program::Rban);
    let hostile = lines("x", 2).replace("bad guest x", &"a".repeat(300));
    append(&home.path("door.log"), &hostile);
    home.failures("192.0.2.10", 1);
    let name = "rban_searches_given_up_total{jail=\"door\"}";
    home.wait("two searches given up, and the line after them", |_| {
        let (values, _) = scrape(port)?;
        let found = values["rban_failures_total{jail=\"door\"}"];
        (values[name] == 2.0 && found == 1.0).then_some(())
    });
    let said = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_rban"))
            .args(["status", "-c"])
            .arg(home.path(""))
            .args(words)
            .output()
            .expect("it runs");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let status = said(&["door"]);
    assert!(
        status.contains("failregex 2: gave up on 2 searches"),
        "{status}"
    );
    let json: serde_json::Value = serde_json::from_str(&said(&["door", "--json"])).expect("JSON");
    assert_eq!(
        json["given_up"],
        serde_json::json!({ "total": 2, "patterns": [{ "pattern": "failregex 2", "times": 2 }] })
    );
    let log = fs::read_to_string(home.path("log")).expect("the log");
    assert_eq!(log.matches("failregex 2 gave up").count(), 1, "{log}");
}
