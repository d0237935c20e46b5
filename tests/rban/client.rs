//! The client against the real fail2ban: both clients drive its server with the same commands, and
//! what they print has to be the same, byte for byte; the server refuses what our table refuses.
//!
//! What differs on purpose: the help and the banner are our own words; an option that is wrong is
//! named on standard error instead of answered with the whole help; `Failed during configuration`
//! ends with what to do; `help` is a command; the end of the input ends `-i` with 0, not 255.

#![expect(clippy::disallowed_methods, reason = "a test drives the real programs")]

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use inotify::{Inotify, WatchMask};
use nix::poll::{PollFd, PollFlags, poll};
use rban::cli::{Wire, WireError};
use rban::protocol::{self, Scope, Value};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::reference;

pub(crate) const REAL_SERVER: &str = "/usr/bin/fail2ban-server";
const REAL_CLIENT: &str = "/usr/bin/fail2ban-client";
const PATIENCE: Duration = Duration::from_secs(30);

/// What a client printed and how it ended; times and process numbers are taken out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: i64,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    fn new(code: i64, out: &str, err: &str) -> Self {
        // Complaints about the configuration are everyone's own.
        let err = err
            .lines()
            .filter(|line| {
                !line.contains("fail2ban.configreader") && !line.contains("fail2ban.jailreader")
            })
            .map(|line| match line.split_once("]: ") {
                Some((before, message)) if before.starts_with("20") => {
                    let name = before.split_whitespace().nth(2).unwrap_or_default();
                    format!("{name} {message}\n")
                }
                _ => format!("{line}\n"),
            });
        Self {
            code,
            out: timeless(out),
            err: err.collect(),
        }
    }
}

/// `2026-11-23 03:14:15` becomes `TIME`.
fn timeless(text: &str) -> String {
    let times = regex::Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d").expect("a pattern");
    times.replace_all(text, "TIME").into_owned()
}

/// A copy of the installed configuration with two quiet jails, and a real server on it.
pub(crate) struct Real {
    dir: TempDir,
    pub(crate) server: Child,
}

impl Drop for Real {
    fn drop(&mut self) {
        // It may have been stopped by the test; either way it is ours to wait for.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Real {
    /// `None`, with a note, where fail2ban is not installed.
    fn start() -> Option<Self> {
        Self::start_with(&[REAL_SERVER])
    }

    /// A server of either kind on a configuration of its own.
    pub(crate) fn start_with(program: &[&str]) -> Option<Self> {
        if !Path::new(REAL_SERVER).exists() {
            eprintln!("skipped, fail2ban is not installed");
            return None;
        }
        let dir = TempDir::new().expect("a folder");
        let root = dir.path().display();
        let copied = Command::new("cp")
            .args(["-r", "/etc/fail2ban/.", &root.to_string()])
            .status()
            .expect("cp");
        assert!(copied.success());
        let write = |name: &str, text: String| {
            fs::write(dir.path().join(name), text).expect("a file");
        };
        fs::remove_dir_all(dir.path().join("jail.d")).expect("Debian's own jail out of the way");
        write(
            "fail2ban.local",
            format!(
                "[DEFAULT]\nlogtarget = {root}/log\nsocket = {root}/sock\npidfile = {root}/pid\n\
             dbfile = {root}/db\n[Definition]\nallowipv6 = auto\n"
            ),
        );
        write(
            "jail.local",
            format!(
                "[DEFAULT]\nbackend = polling\nfilter = quiet\n\
             [one]\nenabled = true\nlogpath = {root}/one.log\naction = quiet\n\
             ignoreip = 192.0.2.1 198.51.100.0/24\n\
             [two]\nenabled = true\nlogpath = {root}/two.log\nusedns = no\nbantime = -1\n\
             action = quiet[actname=a]\n  quiet[actname=b]\n"
            ),
        );
        write("filter.d/quiet.conf",
            "[Definition]\nfailregex = ^ fail from <HOST>$\n  ^ bad <ADDR>\nignoreregex = ^ never\n".into());
        write("action.d/quiet.conf",
            "[Definition]\nactionstart = true\nactionstop = true\nactionban = true <ip>\nactionunban = true <ip>\n".into());
        write("one.log", String::new());
        write("two.log", String::new());
        let server = Command::new(program[0])
            .args(&program[1..])
            .args(["-f", "-c", &root.to_string(), "start"])
            // Sets print in the same order each time.
            .env("PYTHONHASHSEED", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the real server");
        let mut real = Self { dir, server };
        if program[0] != REAL_SERVER {
            while !real.path("sock").exists() || real.ask(&Value::list(["ping"])).is_err() {
                std::thread::yield_now();
            }
            return Some(real);
        }
        let stdout = real.server.stdout.take().expect("its output");
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)
            .expect("a line");
        assert_eq!(line, "Server ready\n");
        Some(real)
    }

    pub(crate) fn conf(&self) -> String {
        self.dir.path().display().to_string()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn ask(&self, command: &Value) -> Result<Value, WireError> {
        Wire::connect(&self.path("sock"), Some(PATIENCE))?.ask(command)
    }

    /// Waits until the jail has banned an address: that happens a moment after the command.
    pub(crate) fn until_banned(&self, ip: &str) {
        let question = Value::list(["get", "one", "banned", ip]);
        for _ in 0..600 {
            if self.ask(&question).expect("an answer") == Value::Int(1) {
                return;
            }
            self.ask(&Value::list(["sleep", "0.05"]))
                .expect("a short sleep");
        }
        panic!("{ip} is never banned");
    }
}

/// The real client runs each command in a process of its own, forked from one that has read its
/// modules: fifty times faster than starting Python for each.
pub(crate) fn real_client(conf: &str, commands: &[Vec<String>]) -> Vec<Said> {
    let commands = commands
        .iter()
        .map(|words| Value::list(words.iter().map(String::as_str)));
    let script = format!(
        "import json, os, sys, tempfile\n\
         from fail2ban.client.fail2banclient import exec_command_line\n\
         out = []\n\
         for words in {}:\n\
         \x20   files = tempfile.TemporaryFile(), tempfile.TemporaryFile()\n\
         \x20   child = os.fork()\n\
         \x20   if not child:\n\
         \x20       for number, file in enumerate(files): os.dup2(file.fileno(), number + 1)\n\
         \x20       exec_command_line(['fail2ban-client', '-c', {}] + words)\n\
         \x20   code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n\
         \x20   said = []\n\
         \x20   for file in files: file.seek(0); said.append(file.read().decode())\n\
         \x20   out.append([code] + said)\n\
         print(json.dumps(out))\n",
        Value::List(commands.collect()).repr(),
        Value::str(conf).repr(),
    );
    let Some(Json::Array(told)) = reference::python(&script) else {
        panic!("the real client says nothing");
    };
    let text = |value: &Json| value.as_str().expect("text").to_owned();
    told.iter()
        .map(|told| {
            Said::new(
                told[0].as_i64().expect("a code"),
                &text(&told[1]),
                &text(&told[2]),
            )
        })
        .collect()
}

fn ours(conf: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rban"));
    command
        .arg0("fail2ban-client")
        .args(["-c", conf])
        .env_remove("LC_ALL")
        .env("LANG", "C.UTF-8");
    command
}

pub(crate) fn our_client(conf: &str, words: &[String]) -> Said {
    let output = ours(conf).args(words).output().expect("our client");
    said(&output)
}

fn said(output: &std::process::Output) -> Said {
    Said::new(
        output.status.code().expect("a code").into(),
        &String::from_utf8_lossy(&output.stdout),
        &String::from_utf8_lossy(&output.stderr),
    )
}

/// Every command, with good arguments and bad ones; `DIR` is the configuration's folder.
pub(crate) const COMMANDS: &str = r#"
ping
ping 1
version
status
status one
status two
status nope
status one short
status one nonsense
status one basic
statistic
statistics
status one a b
status --all
stats
banned
banned 192.0.2.9
banned 192.0.2.9 192.0.2.10
echo
echo a 'b c'
foo
start nope
stop nope
add one
add
add --all
add three polling
add four nonsense
get three maxretry
get three maxmatches
get three findtime
get three bantime
get three usedns
get three ignoreself
get three logpath
get three failregex
get three actions
get three datepattern
get three maxlines
get three logencoding
set three addfailregex '^three <HOST>$'
set three addignoreregex '^none'
set three addlogpath DIR/one.log head
set three addaction made
set three action made actionban 'true <ip>'
get three action made actionban
set three banip 192.0.2.77
start three
start three
start
status three
stop three
unban
unban 192.0.2.9
unban --all
get
set
get one
set one
get nope bantime
set nope bantime 3
get one foo
set one foo bar
get loglevel
set loglevel DEBUG
set loglevel 20
set loglevel nonsense
set loglevel INFO
get logtarget
set logtarget DIR/other.log
get syslogsocket
set syslogsocket auto
get dbfile
set dbfile /tmp/x
get dbmaxmatches
set dbmaxmatches 7
set dbmaxmatches x
get dbpurgeage
set dbpurgeage 2d
set dbpurgeage
get thread
get one logpath
set one addlogpath DIR/two.log tail
set one addlogpath DIR/two.log nonsense
set one addlogpath a b c
set one addlogpath
set one addlogpath /nonexistent/file
get one logpath
set one dellogpath DIR/two.log
set one dellogpath /nonexistent/file
get one logencoding
set one logencoding UTF-8
set one logencoding nonsense
get one journalmatch
set one addjournalmatch _COMM=sshd
get one journalmatch
get one ignoreself
set one ignoreself false
get one ignoreip
set one addignoreip 203.0.113.7 203.0.113.0/28
set one delignoreip 203.0.113.7
set one delignoreip 192.0.2.99
get two ignoreip
get one ignorecommand
set one ignorecommand 'x <ip>'
get one ignorecache
set one ignorecache 'key="<ip>", max-count=10, max-time=5m'
get one prefregex
set one prefregex '^a <F-CONTENT>.*</F-CONTENT>$'
set one prefregex ''
get one failregex
set one addfailregex '^more <HOST>'
set one addfailregex '^bad ('
set one delfailregex 2
set one delfailregex 9
set one delfailregex x
get one ignoreregex
set one addignoreregex '^ignored'
set one delignoreregex 1
get two ignoreregex
get one usedns
set one usedns warn
set one usedns nonsense
get one findtime
set one findtime 5m
set one findtime abc
get one bantime
set one bantime 1h
set one bantime -1
get two bantime
get one bantime.increment
set one bantime.increment true
get one bantime.nonsense
get one bantime.factor
set one bantime.factor 2
set one bantime.formula 'ban.Time * 2'
set one bantime.multipliers '1 2 4'
set one bantime.multipliers 'x'
set one bantime.maxtime 1w
get one bantime.maxtime
set one bantime.rndtime 5m
set one bantime.overalljails true
set one bantime.increment false
set one bantime.increment
set allowipv6 auto
set thread x
set one deljournalmatch
get one datepattern
set one datepattern '%%Y-%%m'
set one datepattern '^Epoch'
get one logtimezone
set one logtimezone UTC+0100
get one maxmatches
set one maxmatches 4
set one maxmatches x
get one maxretry
set one maxretry 5
set one maxretry
set one maxretry ' 1_0 '
get one maxlines
set one maxlines 2
set one maxlines 0
set one idle on
set one idle off
set one idle maybe
set one idle
set one attempt 192.0.2.60
set one attempt
set one attempt 192.0.2.60 'a line' 'more'
get one actions
get two actions
get one action quiet actionban
get one action quiet nope
get one action nope actionban
get one action
get one actionproperties quiet
get one actionproperties
get one actionproperties nope
get one actionmethods quiet
set one action quiet actionban 'echo <ip>'
set one action quiet timeout 5
set one action quiet start
set one action quiet start {bad
set one action quiet flush
set one action quiet reload
set one action quiet ban '{"aInfo": {"ip": "192.0.2.5"}}'
set one action quiet nothing
set one action nope start
set one action quiet nope
set one addaction another
set one addaction another
set one addaction x /nonexistent.py '{}'
set one addaction x /nonexistent.py
set one delaction another
set one delaction nope
flushlogs
sleep 0.01
sleep x
sleep nan
sleep -1
server-status
config-error 'a message'
multi-set one addfailregex x
reload a b
reload --unban a b
set one banip 192.0.2.50 192.0.2.51
"#;

/// What is asked once the two are banned.
const BANNED: &str = r#"
status one
get one banned
get one banned 192.0.2.50
get one banned 192.0.2.50 192.0.2.99
banned 192.0.2.51 192.0.2.99
get one banip
get one banip ,
get one banip --with-time
set one unbanip 192.0.2.50
set one unbanip 192.0.2.50
set one unbanip --report-absent 192.0.2.50
set one unbanip
reload one
get one failregex
get one maxretry
reload --unban one
restart two
reload
status
status two
status two short
status two basic
stop one
status
stop --all
status
stop
"#;

pub(crate) fn lines(commands: &str, conf: &str) -> Vec<Vec<String>> {
    let commands = commands.replace("DIR", conf);
    commands
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| rban::config::shell_words(line).expect("words"))
        .collect()
}

/// All that a client says to a server of its own.
fn story(client: impl Fn(&str, &[Vec<String>]) -> Vec<Said>) -> Option<Vec<(String, Said)>> {
    story_of(&Real::start()?, client)
}

/// The same, to the server given.
pub(crate) fn story_of(
    real: &Real,
    client: impl Fn(&str, &[Vec<String>]) -> Vec<Said>,
) -> Option<Vec<(String, Said)>> {
    let conf = real.conf();
    let mut told = Vec::new();
    for commands in [COMMANDS, BANNED] {
        let commands = lines(commands, &conf);
        let said = client(&conf, &commands);
        told.extend(commands.iter().map(|words| words.join(" ")).zip(said));
        if told.len() == commands.len() {
            real.until_banned("192.0.2.50");
            real.until_banned("192.0.2.51");
        }
    }
    // Its folder is another one for each.
    for (words, said) in &mut told {
        *words = words.replace(&conf, "DIR");
        said.out = said.out.replace(&conf, "DIR");
        said.err = said.err.replace(&conf, "DIR");
    }
    Some(told)
}

#[test]
fn both_clients_say_the_same_of_a_real_server() {
    let Some(theirs) = story(real_client) else {
        return;
    };
    let ours = story(|conf, commands| {
        commands
            .iter()
            .map(|words| our_client(conf, words))
            .collect()
    });
    let ours = ours.expect("installed a moment ago");
    assert!(theirs.len() > 150, "{}", theirs.len());
    let mut wrong = Vec::new();
    for ((words, theirs), (_, ours)) in theirs.iter().zip(&ours) {
        if theirs != ours {
            wrong.push(format!(
                "{words}\n  fail2ban: {theirs:?}\n  rban:     {ours:?}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    // The comparison says something only if commands succeed and fail.
    let good = theirs.iter().filter(|(_, said)| said.code == 0).count();
    assert!(good > 80 && theirs.len() - good > 50, "{good}");
}

#[test]
fn without_a_server_both_clients_say_why() {
    let Some(real) = Real::start() else { return };
    let conf = real.conf();
    drop(real.ask(&Value::list(["stop"])));
    let dir = tempfile::tempdir().expect("a folder");
    let copy = |name: &str| fs::copy(real.path(name), dir.path().join(name)).expect("a copy");
    let (mut commands, mut differ) = (Vec::new(), Vec::new());
    copy("fail2ban.conf");
    let place = |socket: &str| {
        let text = format!("[DEFAULT]\nsocket = {socket}\n");
        fs::write(dir.path().join("fail2ban.local"), text).expect("a file");
    };
    drop(conf);
    let conf = dir.path().display().to_string();
    for words in [
        "ping",
        "status",
        "stop",
        "set x banip 192.0.2.1",
        "reload",
        "reload one",
    ] {
        commands.extend(lines(words, &conf));
    }
    // Nothing there; a dead server's socket; something that is no socket.
    let dead = dir.path().join("dead");
    drop(std::os::unix::net::UnixListener::bind(&dead).expect("a socket"));
    for socket in [
        dir.path().join("none"),
        dead,
        dir.path().join("fail2ban.conf"),
    ] {
        place(&socket.display().to_string());
        for (words, theirs) in commands.iter().zip(real_client(&conf, &commands)) {
            let ours = our_client(&conf, words);
            if theirs != ours {
                differ.push(format!(
                    "{words:?}\n  fail2ban: {theirs:?}\n  rban:     {ours:?}"
                ));
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn at_the_prompt_both_clients_say_the_same() {
    let Some(real) = Real::start() else { return };
    let conf = real.conf();
    let typed = "ping\n\nstatus one\necho 'a b' c\nstatus nope\nfoo bar\n  get one maxretry  \nexit\nping\n";
    let talk = |mut command: Command, words: &[&str]| {
        let mut child = command
            .args(["-i"])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a client");
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(typed.as_bytes())
            .expect("typing");
        let output = child.wait_with_output().expect("its output");
        let mut said = said(&output);
        // The banner is our own, and ends with an empty line.
        said.out = said
            .out
            .split_once("\n\nfail2ban> ")
            .expect("a banner and a prompt")
            .1
            .to_owned();
        said
    };
    for words in [&[][..], &["echo", "first"]] {
        let mut theirs = Command::new(REAL_CLIENT);
        theirs.args(["-c", &conf]);
        assert_eq!(talk(theirs, words), talk(ours(&conf), words), "{words:?}");
    }
    // A first command that fails leaves no prompt, and a prompt whose input ends is no failure.
    let failed = our_client(&conf, &["-i".into(), "foo".into()]);
    assert_eq!(
        (failed.code, failed.out.as_str()),
        (255, "Invalid command\n")
    );
    let mut ended = ours(&conf);
    let ended = said(
        &ended
            .arg("-i")
            .stdin(Stdio::null())
            .output()
            .expect("our client"),
    );
    assert_eq!(ended.code, 0);
    assert!(ended.out.ends_with("\n\nfail2ban> \n"), "{}", ended.out);
}

/// At a terminal: earlier lines come back with the arrow keys.
#[test]
fn the_prompt_remembers_at_a_terminal() {
    let Some(real) = Real::start() else { return };
    let script = format!(
        "import json, os, pty, select\n\
         child, terminal = pty.fork()\n\
         if not child:\n\
         \x20   os.execv({}, ['fail2ban-client', '-s', {}, '-i'])\n\
         heard = b''\n\
         def until(done):\n\
         \x20   global heard\n\
         \x20   while not done():\n\
         \x20       if not select.select([terminal], [], [], 30)[0]: raise SystemExit(repr(heard))\n\
         \x20       heard += os.read(terminal, 4096)\n\
         def prompted(): return heard.endswith((b'fail2ban> ', b'fail2ban> \\x1b[K'))\n\
         def send(keys, answer, count):\n\
         \x20   os.write(terminal, keys)\n\
         \x20   until(lambda: heard.count(answer) == count)\n\
         \x20   until(prompted)\n\
         until(prompted)\n\
         send(b'ping\\r', b'Server replied: pong', 1)\n\
         send(b'echo one two\\r', b'\\none two', 1)\n\
         send(b'\\x1b[A\\x1b[A\\r', b'Server replied: pong', 2)\n\
         send(b'\\x1b[A\\x1b[A\\x7f\\x7f\\x7fthree\\r', b'\\none three', 1)\n\
         os.write(terminal, b'exit\\r')\n\
         print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))\n",
        Value::str(env!("CARGO_BIN_EXE_rban")).repr(),
        Value::str(real.path("sock").display().to_string().as_str()).repr(),
    );
    assert_eq!(reference::python(&script), Some(Json::from(0)));
}

#[test]
fn options_without_a_server_end_as_fail2bans_do() {
    let Some(real) = Real::start() else { return };
    let conf = real.conf();
    let wrong = tempfile::tempdir().expect("a folder without a configuration");
    let wrong = wrong.path().display().to_string();
    // What is printed is the same, where that is an answer and no prose.
    for times in [
        "1h", "600", "-1", "1d 2h30m", "1.5h", "1y6mo", "2w", "1 day", "0", "10m30s", "1mo2w",
        "abc", "", "1h abc", "--",
    ] {
        let words = ["--str2sec".to_owned(), times.to_owned()];
        let (theirs, ours) = (
            real_client(&conf, &[words.to_vec()]),
            our_client(&conf, &words),
        );
        assert_eq!(theirs[0].code, ours.code, "{times:?}");
        // A fault is told in our own words.
        let told = |out: &str| match out.strip_prefix("ERROR: ") {
            Some(_) => "ERROR".to_owned(),
            None => out.to_owned(),
        };
        assert_eq!(told(&theirs[0].out), told(&ours.out), "{times:?}");
    }
    for words in [
        "",
        "-h",
        "--help",
        "-V",
        "--version",
        "-V status",
        "--version -h",
        "-Z",
        "--nonsense",
        "-c",
        "--loglevel",
        "--str2sec",
        "-t",
        "-d",
        "--dp",
        "-q ping",
        "-v ping",
        "-qq foo",
        "ping -v",
        "-s /nonexistent ping",
        "--socket=/nonexistent ping",
        "--sock /nonexistent ping",
        "--timeout 5 ping",
        "--pname x ping",
        "-p /nonexistent ping",
    ] {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let theirs = real_client(&conf, std::slice::from_ref(&words));
        let ours = our_client(&conf, &words);
        assert_eq!(theirs[0].code, ours.code, "{words:?}: {theirs:?} {ours:?}");
    }
    // That nothing at all is no configuration we say by -t; docs/differences.md has it.
    for words in [&["-d"][..], &["status"]] {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let theirs = real_client(&wrong, std::slice::from_ref(&words));
        let ours = our_client(&wrong, &words);
        assert_eq!(theirs[0].code, ours.code, "{words:?}: {theirs:?} {ours:?}");
    }
}

/// What the real server refuses for its words alone, our table refuses with the same exception, and
/// what it understands, our table understands.
#[test]
fn what_makes_no_sense_is_refused_alike() {
    let Some(real) = Real::start() else { return };
    let conf = real.conf();
    // Newer than the server here.
    let newer = [
        "status --all",
        "stats",
        "statistic",
        "statistics",
        "multi-set one addfailregex x",
        "status one a b",
    ];
    // Python's complaint about a missing argument is none an operator could use; and which of an
    // action's properties need a value only the server knows.
    let ours_to_judge = ["set one attempt", "set one action quiet nope"];
    let mut wrong = Vec::new();
    for words in lines(COMMANDS, &conf) {
        let said = words.join(" ");
        let skipped = [&newer[..], &ours_to_judge].concat();
        if skipped.contains(&said.as_str()) || words[0] == "reload" {
            continue;
        }
        let command = Value::list(words.iter().map(String::as_str));
        let theirs = match real.ask(&command) {
            Ok(_) => None,
            Err(WireError::Refused(exception)) => Some(Value::Exception(exception).repr()),
            Err(error) => panic!("{words:?}: {error}"),
        };
        match (protocol::parse(&command), theirs) {
            (Err(ours), Some(theirs)) if Value::Exception(ours.clone()).repr() != theirs => {
                wrong.push(format!(
                    "{words:?}: {theirs}, ours {}",
                    Value::Exception(ours).repr()
                ));
            }
            (Err(ours), None) => wrong.push(format!("{words:?}: ours {ours}, fine to fail2ban")),
            (Ok(request), Some(theirs))
                if theirs.contains("Invalid command")
                    || theirs.contains("IndexError('list index") =>
            {
                wrong.push(format!("{words:?}: {theirs}, ours {request:?}"));
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Our own server, by our own client, from start to end.
#[test]
fn our_client_starts_restarts_and_stops_a_server() {
    let dir = tempfile::tempdir().expect("a folder");
    let conf = dir.path().display().to_string();
    let write = |name: &str, text: &str| {
        let text = text.replace("DIR", &conf);
        fs::create_dir_all(dir.path().join(name).parent().expect("a folder")).expect("a folder");
        fs::write(dir.path().join(name), text).expect("a file");
    };
    write(
        "fail2ban.conf",
        "[DEFAULT]\nlogtarget = DIR/log\nsocket = DIR/run/sock\npidfile = DIR/run/pid\ndbfile = None\n",
    );
    write(
        "jail.conf",
        "[quiet]\nenabled = true\nbackend = polling\nfilter = quiet\naction = quiet\nlogpath = DIR/one.log\n",
    );
    write(
        "filter.d/quiet.conf",
        "[Definition]\nfailregex = ^ fail from <HOST>$\n",
    );
    write(
        "action.d/quiet.conf",
        "[Definition]\nactionban = true\nactionunban = true\n",
    );
    write("one.log", "");
    let client = |words: &str| {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let said = our_client(&conf, &words);
        (said.code, said.out, said.err)
    };
    let fine = |out: &str| (0, format!("{out}\n"), String::new());
    let pid = || fs::read_to_string(dir.path().join("run/pid")).expect("a pid file");
    let nobody = format!(
        "fail2ban ERROR   Failed to access socket path: {conf}/run/sock. Is fail2ban running?\n"
    );

    assert_eq!(client("-t"), fine("OK: configuration test is successful"));
    assert_eq!(client("-t start"), fine("Server ready"));
    let first = pid();
    let _stop = Stop(&conf);
    assert_eq!(
        client("start"),
        (
            255,
            String::new(),
            "fail2ban ERROR   Server already running\n".into()
        )
    );
    assert_eq!(client("ping"), fine("Server replied: pong"));
    assert_eq!(
        client("status"),
        fine("Status\n|- Number of jail:\t1\n`- Jail list:\tquiet")
    );
    assert_eq!(client("reload"), fine("OK"));
    assert_eq!(
        client("restart"),
        (
            0,
            "Shutdown successful\nServer ready\n".into(),
            String::new()
        )
    );
    assert_ne!(pid(), first, "another process");
    by_ssh(&conf);
    let mut gone = Watch::new(&dir.path().join("run"));
    assert_eq!(client("stop"), fine("Shutdown successful"));
    gone.until(|| !dir.path().join("run/sock").exists());
    assert_eq!(client("stop"), (255, String::new(), nobody.clone()));
    // Nobody to stop is no reason not to start.
    assert_eq!(client("restart"), (0, "Server ready\n".into(), nobody));
    assert_eq!(client("-x stop"), fine("Shutdown successful"));

    write(
        "jail.conf",
        "[quiet]\nenabled = true\nbackend = polling\nfilter = nowhere\nlogpath = DIR/one.log\n",
    );
    let (code, out, _) = client("-t");
    assert_eq!(
        (code, out.as_str()),
        (255, "ERROR: test configuration failed\n")
    );
    let (code, out, _) = client("-t start");
    assert_eq!(
        (code, out.as_str()),
        (255, "ERROR: test configuration failed\n")
    );
}

/// Nobody bans the address of the login the ban is given from, unless it is meant.
fn by_ssh(conf: &str) {
    let ban = |words: &str| {
        let mut command = ours(conf);
        command.env("SSH_CONNECTION", "192.0.2.9 50000 192.0.2.1 22");
        let said = said(&command.args(words.split(' ')).output().expect("our client"));
        (said.code, said.out, said.err)
    };
    let refusal =
        "fail2ban ERROR   You are logged in from 192.0.2.9; --force bans it all the same\n";
    let refused = (255, String::new(), refusal.to_owned());
    assert_eq!(ban("set quiet banip 192.0.2.9"), refused);
    assert_eq!(ban("set quiet banfor 1h 192.0.2.0/24"), refused);
    let banned = |count: &str| (0, format!("{count}\n"), String::new());
    assert_eq!(ban("set quiet banip 192.0.2.8"), banned("1"));
    assert_eq!(ban("--force set quiet banip 192.0.2.9"), banned("1"));
}

/// Stops a server, should a test fail before it does.
struct Stop<'c>(&'c str);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            our_client(self.0, &["stop".into()]);
        }
    }
}

/// A folder's changes.
struct Watch(Inotify);

impl Watch {
    fn new(folder: &Path) -> Self {
        let inotify = Inotify::init().expect("inotify");
        let changes = WatchMask::DELETE | WatchMask::CREATE | WatchMask::MOVE;
        inotify.watches().add(folder, changes).expect("a watch");
        Self(inotify)
    }

    fn until(&mut self, done: impl Fn() -> bool) {
        let mut buffer = [0; 4096];
        while !done() {
            let fd = std::os::fd::AsFd::as_fd(&self.0);
            let ready = poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], 30_000u16);
            assert_ne!(ready, Ok(0), "nothing happens");
            self.0.read_events(&mut buffer).expect("events");
        }
    }
}

/// Rows of the table that the real server does not know, or that no list of words can say.
const NOT_COMPARED: &[&str] = &["banfor", "rban-report", "rban-why", "server-stream"];

#[test]
fn every_command_of_the_table_is_compared_with_the_real_server() {
    let said = lines(&[COMMANDS, BANNED].concat(), "DIR");
    let missing: Vec<String> = protocol::COMMANDS
        .iter()
        .filter(|row| !NOT_COMPARED.contains(&row.word))
        .filter(|row| {
            !said.iter().any(|words| {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                match (row.scope, words.as_slice()) {
                    (Scope::Basic, [word, ..]) => *word == row.word,
                    (Scope::SetGlobal, ["set", word, ..])
                    | (Scope::GetGlobal, ["get", word, ..])
                    | (Scope::SetJail, ["set", _, word, ..])
                    | (Scope::GetJail, ["get", _, word, ..]) => *word == row.word,
                    _ => false,
                }
            })
        })
        .map(|row| format!("{:?} {}", row.scope, row.word))
        .collect();
    assert!(missing.is_empty(), "not compared: {missing:?}");
}
