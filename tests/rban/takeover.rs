//! From fail2ban to us and from us to fail2ban: every ban with its end and its count, and every
//! position in logs and journal, to the byte and the microsecond, and back again.

#![expect(
    clippy::disallowed_methods,
    reason = "a journal's entries are of this moment"
)]

use std::collections::BTreeMap;
use std::fs;

use crate::journal::{self, Writer};
use crate::life::{Home, Program, append, lines};
use crate::reference;

const JAILS: [&str; 3] = ["door", "gate", "hall"];

/// A file with increments, a file with bans for ever, and a journal.
fn home() -> Home {
    let home = Home::new("dbmaxmatches = 10", "");
    let at = home.path("").display().to_string();
    home.write(
        "jail.conf",
        &format!(
            "[DEFAULT]\nfindtime = 10m\nmaxretry = 3\nbackend = polling\nfilter = door\n\
             action = note[name=%(__name__)s]\n\
             [door]\nenabled = true\nlogpath = {at}/door.log\nbantime = 4\n\
             bantime.increment = true\nbantime.multipliers = 1 900 1800\n\
             [gate]\nenabled = true\nlogpath = {at}/gate.log\nbantime = -1\n\
             [hall]\nenabled = true\nfilter = hall\nbackend = systemd[journalpath={at}/journal]\n\
             bantime = 1h\n"
        ),
    );
    home.write(
        "filter.d/hall.conf",
        "[Definition]\nfailregex = ^\\S+ sshd\\[\\d+\\]: bad guest <HOST>$\njournalmatch = _COMM=sshd\n",
    );
    home.write(
        "action.d/note.conf",
        &format!(
            "[Definition]\nactionban = echo <name> ban <ip> >> {at}/acts\n\
             actionunban = echo <name> unban <ip> >> {at}/acts\n"
        ),
    );
    home.write("gate.log", "");
    home.write("journal/.keep", "");
    home
}

/// Everybody who is banned, by jail, with beginning, length and end.
fn banned(home: &Home) -> BTreeMap<&'static str, Vec<String>> {
    let list = |jail: &'static str| {
        let told = home.ask(&["get", jail, "banip", "--with-time"]);
        let mut bans: Vec<String> = told.lines().map(|line| line.trim().to_owned()).collect();
        bans.sort_unstable();
        (jail, bans)
    };
    JAILS.into_iter().map(list).collect()
}

/// The rows both programs go by, when none of them runs.
fn rows(home: &Home) -> Vec<String> {
    let mut rows = home.rows(
        "SELECT 'ban ' || jail || ' ' || ip || ' ' || timeofban || ' ' || bantime || ' ' || \
         bancount || ' ' || CAST(data AS TEXT) FROM bips ORDER BY 1",
    );
    rows.extend(home.rows(
        "SELECT 'log ' || jail || ' ' || path || ' ' || firstlinemd5 || ' ' || lastfilepos \
         FROM logs ORDER BY 1",
    ));
    rows.extend(home.rows(
        "SELECT 'past ' || jail || ' ' || ip || ' ' || timeofban || ' ' || bancount FROM bans \
         ORDER BY 1",
    ));
    rows
}

fn counts(home: &Home) -> Vec<String> {
    home.rows("SELECT jail || ' ' || ip || ' ' || bantime || ' ' || bancount FROM bips ORDER BY 1")
}

/// Until an action was told so, so often.
fn wait_act(home: &Home, act: &str, times: usize) {
    home.wait(act, |home| {
        let acts = fs::read_to_string(home.path("acts")).unwrap_or_default();
        let told = acts.lines().filter(|told| *told == act).count();
        (told >= times).then_some(())
    });
}

fn fail(home: &Home, jail: &str, address: &str, count: usize) {
    append(&home.path(&format!("{jail}.log")), &lines(address, count));
}

/// Failures in the journal; the time of the last, in seconds. Early in a second: fail2ban shows a
/// ban's time cut to seconds and writes it down rounded.
fn fail_in_journal(journal: &mut Writer, address: &str, count: u32) -> f64 {
    let second = jiff::Timestamp::now().as_second() - 1;
    let mut last = String::new();
    for number in 0..count {
        let message = format!("bad guest {address}");
        let entry = journal::fresh(&[
            ("_HOSTNAME", "host"),
            ("SYSLOG_IDENTIFIER", "sshd"),
            ("_PID", "77"),
            ("_COMM", "sshd"),
            ("MESSAGE", &message),
        ]);
        let behind = entry.iter().position(|byte| *byte == b'\n');
        last = format!("{second}.12{number:04}");
        let time = format!("__REALTIME_TIMESTAMP={}", last.replace('.', ""));
        journal.write(&[time.as_bytes(), &entry[behind.expect("a line")..]].concat());
    }
    last.parse().expect("a number")
}

/// Every file is read to its end, and the journal to the entry of that time.
fn read_to_the_end(home: &Home, last_entry: f64) {
    let python = "import hashlib, json, sys\nprint(json.dumps([hashlib.sha1(open(p, 'rb')\
                  .readline()).hexdigest() for p in json.load(sys.stdin)]))";
    let jails = ["door", "gate"];
    let files = jails.map(|jail| home.path(&format!("{jail}.log")));
    let question = serde_json::json!(files.clone().map(|path| path.display().to_string()));
    let hashes = reference::ask(python, &question).expect("fail2ban is installed");
    for (number, jail) in jails.iter().enumerate() {
        let hash = hashes[number].as_str().expect("a hash");
        let length = fs::metadata(&files[number]).expect("a log").len();
        let row = home.rows(&format!(
            "SELECT firstlinemd5 || ' ' || lastfilepos FROM logs WHERE jail = '{jail}'"
        ));
        assert_eq!(row, [format!("{hash} {length}")], "{jail}");
    }
    let row = home.rows(
        "SELECT printf('%.6f', lastfilepos) FROM logs WHERE jail = 'hall' \
         AND path = 'systemd-journal'",
    );
    assert_eq!(row, [format!("{last_entry:.6}")], "the journal");
}

/// Started again, all is as it was, and nothing is read twice.
fn goes_on(home: &mut Home, program: Program, expected: &BTreeMap<&str, Vec<String>>) {
    home.start(program);
    home.wait("all bans", |home| {
        let told = banned(home);
        let many = |bans: &BTreeMap<&str, Vec<String>>| bans.values().map(Vec::len).sum::<usize>();
        (many(&told) == many(expected)).then_some(())
    });
    assert_eq!(banned(home), *expected, "the same bans, the same ends");
    for jail in JAILS {
        let status = home.ask(&["status", jail]);
        assert!(status.contains("Total failed:\t0"), "{status}");
    }
}

fn there_and_back(first: Program, second: Program) {
    if reference::python("print('null')").is_none() {
        return;
    }
    let mut home = home();
    let mut journal = Writer::on(&home.path("journal/system.journal"), &[]);
    home.start(first);
    // Two come back after their first ban, of seconds: their second one is of an hour. One stays away.
    let first_bans = ["192.0.2.10", "2001:db8::10", "192.0.2.20"];
    for address in first_bans {
        fail(&home, "door", address, 3);
    }
    for address in first_bans {
        wait_act(&home, &format!("door unban {address}"), 1);
    }
    for address in ["192.0.2.10", "2001:db8::10"] {
        fail(&home, "door", address, 2);
        wait_act(&home, &format!("door ban {address}"), 2);
    }
    for address in ["198.51.100.1", "2001:db8:1::1"] {
        fail(&home, "gate", address, 3);
        wait_act(&home, &format!("gate ban {address}"), 1);
    }
    let mut last = 0.0;
    for address in ["203.0.113.1", "2001:db8:2::1"] {
        last = fail_in_journal(&mut journal, address, 3);
        wait_act(&home, &format!("hall ban {address}"), 1);
    }
    let bans = home.wait("ends that are known", |home| {
        let bans = banned(home);
        let long = bans["door"].iter().all(|ban| ban.contains(" + 3600 ="));
        long.then_some(bans)
    });
    assert_eq!(
        bans.values().map(Vec::len).collect::<Vec<_>>(),
        [2; 3],
        "{bans:?}"
    );
    home.stop();
    let mut expected = vec![
        "door 192.0.2.10 3600 2",
        "door 192.0.2.20 4 1",
        "door 2001:db8::10 3600 2",
        "gate 198.51.100.1 -1 1",
        "gate 2001:db8:1::1 -1 1",
        "hall 2001:db8:2::1 3600 1",
        "hall 203.0.113.1 3600 1",
    ];
    assert_eq!(counts(&home), expected);
    read_to_the_end(&home, last);
    let before = rows(&home);

    // The other one changes nothing of it.
    goes_on(&mut home, second, &bans);
    home.stop();
    assert_eq!(rows(&home), before);

    // It counts on where the first one was, and reads on.
    goes_on(&mut home, second, &bans);
    fail(&home, "door", "192.0.2.20", 2);
    wait_act(&home, "door ban 192.0.2.20", 2);
    last = fail_in_journal(&mut journal, "203.0.113.2", 3);
    wait_act(&home, "hall ban 203.0.113.2", 1);
    let bans = home.wait("an hour for the one who came back", |home| {
        let bans = banned(home);
        let mut door = bans["door"].iter();
        let long = door.any(|ban| ban.starts_with("192.0.2.20 ") && ban.contains(" + 3600 ="));
        long.then_some(bans)
    });
    home.stop();
    expected[1] = "door 192.0.2.20 3600 2";
    expected.push("hall 203.0.113.2 3600 1");
    assert_eq!(counts(&home), expected);
    read_to_the_end(&home, last);
    let before = rows(&home);

    // And back.
    goes_on(&mut home, first, &bans);
    home.stop();
    assert_eq!(rows(&home), before);
    journal.close();
}

#[test]
fn what_fail2ban_banned_counted_and_read_goes_on_with_us_and_back() {
    there_and_back(Program::Fail2ban, Program::Rban);
}

#[test]
fn what_we_banned_counted_and_read_goes_on_with_fail2ban_and_back() {
    there_and_back(Program::Rban, Program::Fail2ban);
}

/// A server that is killed leaves its database open, and what it wrote last in a log beside it.
#[test]
fn what_a_killed_server_of_ours_leaves_goes_on_with_fail2ban() {
    if reference::python("print('null')").is_none() {
        return;
    }
    let mut home = home();
    home.start(Program::Rban);
    // Whoever reads for long keeps the log from being emptied.
    let reader = rusqlite::Connection::open(home.path("db")).expect("a database");
    // Nor does he tidy up as he leaves.
    let untidy = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    reader.set_db_config(untidy, true).expect("set");
    let mut reading = reader
        .prepare("SELECT version FROM fail2banDb")
        .expect("a question");
    let mut rows = reading.query([]).expect("rows");
    rows.next().expect("a row").expect("one at least");
    for address in ["198.51.100.1", "2001:db8:1::1"] {
        fail(&home, "gate", address, 3);
        wait_act(&home, &format!("gate ban {address}"), 1);
    }
    home.wait("both kept", |home| (counts(home).len() == 2).then_some(()));
    let expected = counts(&home);
    let (_, mut server) = home.running.take().expect("it runs");
    server.kill().expect("killed");
    server.wait().expect("its end");
    drop(rows);
    drop(reading);
    drop(reader);
    let log = fs::metadata(home.path("db-wal")).expect("a log beside it");
    assert!(log.len() > 0, "the database was whole without its log");
    home.start(Program::Fail2ban);
    home.wait("both banned", |home| {
        (banned(home)["gate"].len() == 2).then_some(())
    });
    fail(&home, "gate", "198.51.100.2", 3);
    wait_act(&home, "gate ban 198.51.100.2", 1);
    home.stop();
    assert_eq!(counts(&home)[..1], expected[..1]);
    assert_eq!(counts(&home).len(), 3);
    home.start(Program::Rban);
    home.wait("all banned", |home| {
        (banned(home)["gate"].len() == 3).then_some(())
    });
    home.stop();
}
