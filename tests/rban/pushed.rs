//! Logs that are pushed to the daemon: what comes by a syslog socket, a named pipe or standard
//! input is judged as if it had been written to a file.

use std::io::Write as _;
use std::os::unix::net::UnixDatagram;

use crate::lab::{ATTACKER, Lab, NEIGHBOUR, Program};
use crate::life::{Home, lines};

fn world(backend: &str) -> Lab {
    let lab = Lab::new(Program::Rban);
    let jail = format!("[sshd]\nenabled = true\nmaxretry = 3\naction =\nbackend = {backend}\n");
    lab.write("jail.local", jail);
    lab
}

#[test]
fn a_syslog_socket_is_a_log() {
    let lab = world("syslog[listen=/run/rban/log]");
    lab.start();
    let socket = UnixDatagram::unbound().expect("a socket");
    let send = |text: &str| socket.send_to(text.as_bytes(), lab.path("/run/rban/log"));
    for line in lab.failures(ATTACKER, 2).lines() {
        send(&format!("<38>{line}")).expect("sent");
    }
    lab.shell(&format!(
        "logger -u /run/rban/log -t sshd 'Failed password for root from {ATTACKER} port 1 ssh2'"
    ));
    lab.wait_for(&format!("[sshd] Ban {ATTACKER}"));
    assert!(lab.ask(&["status", "sshd"]).contains("/run/rban/log"));
    assert_eq!(lab.shell("stat -c %a /run/rban/log").trim(), "600");
    lab.ask(&["stop"]);
    lab.wait("the socket's end", || {
        (!lab.path("/run/rban/log").exists()).then_some(())
    });
}

#[test]
fn a_named_pipe_is_a_log_whoever_opens_and_closes_it() {
    let lab = world("pipe[path=/run/pipe]");
    lab.start();
    for line in lab.failures(ATTACKER, 3).lines() {
        lab.shell(&format!("echo '{line}' > /run/pipe"));
    }
    lab.wait_for(&format!("[sshd] Ban {ATTACKER}"));
}

#[test]
fn a_socket_left_by_a_killed_daemon_is_taken_over() {
    let lab = world("syslog[listen=/run/rban/log]");
    lab.shell("mkdir -p /run/rban");
    drop(UnixDatagram::bind(lab.path("/run/rban/log")).expect("a socket"));
    lab.start();
    lab.wait_for("[sshd] listens to the socket /run/rban/log");
}

#[test]
fn what_cannot_be_listened_to_is_told_and_stops_no_other_jail() {
    let lab = world("syslog[listen=/run/file]");
    lab.write("/run/file", "no socket");
    lab.write(
        "jail.d/other.local",
        "[other]\nenabled = true\nfilter = sshd\nmaxretry = 3\naction =\n\
         logpath = /var/log/other.log\n",
    );
    lab.append("/var/log/other.log", "");
    lab.start();
    assert!(
        lab.log()
            .contains("[sshd] cannot listen to the socket /run/file")
    );
    lab.append("/var/log/other.log", lab.failures(NEIGHBOUR, 3));
    lab.wait_for(&format!("[other] Ban {NEIGHBOUR}"));
    assert_eq!(lab.read("/run/file"), "no socket", "it is left as it was");
}

#[test]
fn standard_input_is_a_log_and_status_tells_how_old_its_last_line_is_and_that_it_ended() {
    let mut home = Home::new("", "");
    let conf = std::fs::read_to_string(home.path("jail.conf")).expect("a configuration");
    home.write("jail.conf", &conf.replace("= polling", "= stdin"));
    let mut input = home.start_with_input();
    let source = |home: &Home| {
        let told = home.ask(&["--json", "status", "door"]);
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        told.pointer("/sources/0").cloned().expect("a source")
    };
    assert_eq!(source(&home)["path"], "/dev/stdin");
    assert_eq!(source(&home)["last_line_age"], serde_json::Value::Null);
    input
        .write_all(lines("198.51.100.1", 3).as_bytes())
        .expect("taken");
    home.wait_banned("198.51.100.1");
    assert!(
        source(&home)["last_line_age"].is_number(),
        "{}",
        source(&home)
    );
    assert_eq!(source(&home)["state"], "read");
    drop(input);
    home.wait("the end in status", |home| {
        let told = home.ask(&["--json", "status", "door"]);
        told.contains("nothing comes any more: it is at its end")
            .then_some(())
    });
    home.stop();
}
