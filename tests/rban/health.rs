//! What monitoring sees: `rban status` and its `--check`, each reason of it, and the metrics.

#![expect(clippy::disallowed_methods, reason = "a test drives real programs")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::life::{Home, Program};
use crate::reference;

/// `rban WORDS`: its exit code and what it prints.
fn rban(home: &Home, words: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_rban"))
        .arg(words[0])
        .arg("-c")
        .arg(home.path(""))
        .args(&words[1..])
        .output()
        .expect("it runs");
    let out = String::from_utf8(output.stdout).expect("text");
    (output.status.code().expect("a code"), out)
}

fn check(home: &Home) -> (i32, String) {
    rban(home, &["status", "--check"])
}

/// Waits until the check says this.
fn until(home: &Home, code: i32, part: &str) -> String {
    home.wait(&format!("{code} and {part:?}"), |home| {
        let said = check(home);
        (said.0 == code && said.1.contains(part)).then_some(said.1)
    })
}

fn pid(home: &Home) -> Pid {
    let (_, child) = home.running.as_ref().expect("it runs");
    Pid::from_raw(child.id() as i32)
}

#[test]
fn the_check_is_healthy_degraded_for_each_reason_and_down() {
    let mut home = Home::new("", "action = fickle");
    let gate = home.path("gate");
    home.write(
        "action.d/fickle.conf",
        &format!("[Definition]\nactionban = test -e {}\n", gate.display()),
    );
    assert_eq!(check(&home), (2, "down: no server answers\n".to_owned()));
    home.start(Program::Rban);
    assert_eq!(check(&home), (0, "healthy: 1 jail\n".to_owned()));

    // An action that fails, until a ban works.
    home.failures("192.0.2.10", 3);
    let said = until(&home, 1, "degraded: [door] action fickle: ");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        rban(&home, &["status", "door"])
            .1
            .contains("   action fickle (shell): ")
    );
    fs::write(&gate, "").expect("the gate");
    home.ask(&["set", "door", "banip", "192.0.2.11"]);
    until(&home, 0, "healthy");

    // A log that is not there.
    let missing = home.path("missing.log").display().to_string();
    home.ask(&["set", "door", "addlogpath", &missing]);
    until(&home, 1, &format!("degraded: [door] waiting: {missing}: "));
    let (_, said) = rban(&home, &["status", "door"]);
    assert!(
        said.contains(&format!("door: waiting, {missing}: ")),
        "{said}"
    );
    fs::write(&missing, "").expect("the log");
    until(&home, 0, "healthy");

    // A jail somebody has set idle, one that is added and not started, one that failed.
    home.ask(&["set", "door", "idle", "on"]);
    until(&home, 1, "degraded: [door] idle: ");
    home.ask(&["set", "door", "idle", "off"]);
    home.ask(&["add", "new", "polling"]);
    until(&home, 1, "degraded: [new] added: ");
    home.ask(&["stop", "new"]);
    until(&home, 0, "healthy");
    let conf = fs::read_to_string(home.path("jail.conf")).expect("the jails");
    home.write(
        "jail.conf",
        &format!("{conf}\n[broken]\nenabled = true\nfilter = none\nlogpath = /dev/null\n"),
    );
    home.ask(&["reload"]);
    let said = until(&home, 1, "degraded: [broken] failed: ");
    assert!(said.contains("none"), "{said}");
    let (_, said) = rban(&home, &["status"]);
    assert!(said.contains("broken: failed, "), "{said}");
    // One that runs goes on as it was.
    home.write("jail.conf", &conf.replace("filter = door", "filter = none"));
    home.ask(&["reload"]);
    let said = until(
        &home,
        1,
        "degraded: [door] running: as before the last reload: ",
    );
    assert!(said.contains("jail.conf:"), "{said}");
    home.write("jail.conf", &conf);
    home.ask(&["reload"]);
    until(&home, 0, "healthy");
    let (code, said) = rban(&home, &["status", "--check", "--json"]);
    assert_eq!(
        (code, said.as_str()),
        (0, "{\n  \"health\": \"healthy\",\n  \"why\": []\n}\n")
    );

    // Nothing runs.
    home.ask(&["stop", "--all"]);
    until(&home, 1, "degraded: no jail runs\n");
    // It is there and does not answer.
    kill(pid(&home), Signal::SIGSTOP).expect("held");
    let (code, said) = check(&home);
    kill(pid(&home), Signal::SIGCONT).expect("let go");
    assert_eq!(code, 2, "{said}");
    assert!(said.starts_with("down: "), "{said}");
    home.stop();
    assert_eq!(check(&home).0, 2);
}

#[test]
fn the_check_tells_of_the_servers_own_troubles() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its number").port();
    let mut home = Home::new(&format!("metrics = 127.0.0.1:{port}"), "");
    fs::create_dir(home.path("db")).expect("a folder where the database should be");
    let conf = fs::read_to_string(home.path("fail2ban.conf")).expect("options");
    let broken = conf
        .lines()
        .map(|line| match line.starts_with("logtarget") {
            true => "logtarget = /proc/none/log",
            false => line,
        });
    home.write("fail2ban.conf", &broken.collect::<Vec<_>>().join("\n"));
    home.start(Program::Rban);
    let (code, said) = check(&home);
    assert_eq!(code, 1);
    let reasons: Vec<&str> = said.lines().collect();
    let taken_port = format!("metrics = 127.0.0.1:{port}: ");
    let parts = ["degraded: database ", "/proc/none/log", &taken_port];
    assert_eq!(reasons.len(), 3, "{said}");
    for (reason, part) in reasons.iter().zip(parts) {
        assert!(reason.contains(part), "{reason}");
    }
    // What is mended is told of no more.
    let log = home.path("log").display().to_string();
    home.ask(&["set", "logtarget", &log]);
    drop(taken);
    home.write(
        "fail2ban.conf",
        &conf.replace(&format!("metrics = 127.0.0.1:{port}"), ""),
    );
    home.ask(&["reload"]);
    let said = check(&home).1;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("degraded: database "), "{said}");
}

fn get(client: &mut (impl Read + Write)) -> String {
    client
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("asked");
    let mut text = String::new();
    client.read_to_string(&mut text).expect("an answer");
    text
}

/// The names a scrape declares.
fn declared(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn metrics_by_a_socket_are_all_in_the_manual_and_the_dashboard() {
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("metrics");
    // A dead server's socket is replaced.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    let mut home = Home::new(&format!("metrics = {}", path.display()), "action = note");
    home.start(Program::Rban);
    let text = get(&mut UnixStream::connect(&path).expect("a connection"));
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    let names = declared(&text);
    assert!(names.len() > 12);
    let manual = include_str!("../../docs/metrics.md");
    let rows = manual
        .lines()
        .filter_map(|line| line.strip_prefix("| `rban_"));
    let known: BTreeSet<String> = rows
        .map(|row| format!("rban_{}", row.split('`').next().unwrap_or_default()))
        .collect();
    assert_eq!(names, known);
    let dashboard = include_str!("../../docs/grafana.json");
    for name in &names {
        assert!(
            dashboard.contains(name.as_str()),
            "the dashboard lacks {name}"
        );
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
    }
    // Prometheus' own reader takes it, where it is installed.
    if Path::new("/usr/lib/python3/dist-packages/prometheus_client").exists() {
        let python = "import json, sys\n\
            from prometheus_client.parser import text_string_to_metric_families as families\n\
            found = list(families(json.load(sys.stdin)))\n\
            print(json.dumps(sorted(family.name for family in found if family.type != 'unknown')))";
        let (_, body) = text.split_once("\r\n\r\n").expect("a body");
        if let Some(told) = reference::ask(python, &serde_json::json!(body)) {
            // A counter's family goes without `_total` there.
            let short = |name: &String| name.strip_suffix("_total").unwrap_or(name).to_owned();
            let mut expected: Vec<String> = names.iter().map(short).collect();
            expected.sort_unstable();
            assert_eq!(told, serde_json::json!(expected));
        }
    }
    // Queues are empty when nothing happens any more.
    home.wait("empty queues", |_| {
        let text = get(&mut UnixStream::connect(&path).ok()?);
        let told = |name: &&str| text.lines().any(|line| line == *name);
        let empty = [
            "rban_inbox_queue 0",
            "rban_database_queue 0",
            "rban_jails_failed 0",
        ];
        empty.iter().all(told).then_some(())
    });
    home.stop();
    assert!(!path.exists(), "the socket goes with its server");
}

#[test]
fn an_ordinary_file_is_never_taken_for_a_metrics_socket() {
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("precious");
    fs::write(&path, "precious").expect("a file");
    let mut home = Home::new(&format!("metrics = {}", path.display()), "");
    home.start(Program::Rban);
    assert!(check(&home).1.starts_with("degraded: metrics = "));
    home.stop();
    assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
}

#[test]
fn slow_and_many_scrapers_hold_up_neither_each_other_nor_the_engine() {
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("its number").port()
    };
    let mut home = Home::new(&format!("metrics = 127.0.0.1:{port}"), "");
    home.start(Program::Rban);
    let connect = || TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    // Some say nothing, some only half, some too much.
    let mut slow: Vec<TcpStream> = (0..4).map(|_| connect()).collect();
    slow[0].write_all(b"GET /metr").expect("sent");
    let _ = slow[1].write_all(&[b'x'; 64 * 1024]);
    let began = Instant::now();
    let text = get(&mut connect());
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "it waited for the slow ones"
    );
    // A hundred more than there are places for; afterwards all is as before.
    let many: Vec<TcpStream> = (0..100).map(|_| connect()).collect();
    assert!(home.ask(&["ping"]).contains("pong"));
    drop((slow, many));
    home.wait("a scrape", |_| {
        let mut client = connect();
        client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").ok()?;
        let mut text = String::new();
        client.read_to_string(&mut text).ok()?;
        text.starts_with("HTTP/1.1 200").then_some(())
    });
}
