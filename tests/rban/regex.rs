//! `rban regex` beside fail2ban's own tool: the same call, the same text. And what is only ours.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::Value;

const THEIRS: &str = "/usr/bin/fail2ban-regex";
const LOGS: &str = "/usr/lib/python3/dist-packages/fail2ban/tests/files/logs";
/// Enough of a log for what is only ours.
const SSHD: &str = "Nov 23 04:50:11 host sshd[17]: Failed password for root from 192.0.2.5 port 22\n\
                    # a comment\n\
                    Nov 23 04:50:12 host sshd[17]: Failed password for root frm 192.0.2.5 port 22\n\
                    \n\
                    Nov 23 04:50:13 host sshd[17]: Connection from 192.0.2.5 port 22\n";
const FAILED: &str = r"^ \S+ sshd\[\d+\]: Failed \S+ for <F-USER>\S+</F-USER> from <HOST>";
const NOW: &str = "1795420000";

/// Runs a program under fail2ban's name in a place where no zone surprises.
#[expect(clippy::disallowed_methods, reason = "tests run the real programs")]
fn run(program: &str, words: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(program)
        .arg0(THEIRS)
        .args(words)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect(program);
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("an end");
    let _ = writer.join();
    output
}

fn ours(words: &[&str], input: &[u8]) -> Output {
    run(env!("CARGO_BIN_EXE_rban"), words, input)
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What differs between two versions of fail2ban, or two runs, made the same.
fn normal(text: &str) -> String {
    let mut normal = String::new();
    for line in text.lines() {
        let line = match line.strip_prefix("[processed in ") {
            Some(_) => "[processed in SOME sec]",
            None => line,
        };
        let line = line
            // 1.0.2 writes the colons of an IPv6 address in another way.
            .replace("{1,4}::?|::){1,7}", "{1,4}::?|:){1,7}")
            .replace("%3F%7C%3A%3A%29%7B1%2C7%7D", "%3F%7C%3A%29%7B1%2C7%7D")
            // 1.1.1 knows one more form of a compact date.
            .replace(
                "(?:-|T|  ?)Ex24hour:?ExMinute:?Ex",
                "(?:T|  ?)Ex24hourExMinuteEx",
            );
        normal.push_str(&sorted_users(&line));
        normal.push('\n');
    }
    normal
}

/// Python shows a set in an order that is another in each run.
fn sorted_users(line: &str) -> String {
    let Some((before, rest)) = line.split_once("'users': {") else {
        return line.to_owned();
    };
    let (users, after) = rest.split_once('}').expect("the end of a set");
    let mut users: Vec<&str> = users.split(", ").collect();
    users.sort_unstable();
    format!("{before}'users': {{{}}}{after}", users.join(", "))
}

/// fail2ban's samples, each with a newline at its end: the last line without one is told in
/// docs/differences.md. Outside of its tests a `#` begins a comment, so only log lines count.
fn samples(folder: &Path) {
    for entry in fs::read_dir(LOGS).expect("samples").flatten() {
        if entry.path().is_file() {
            let mut bytes = fs::read(entry.path()).expect("a sample");
            bytes.push(b'\n');
            fs::write(folder.join(entry.file_name()), bytes).expect("a copy");
        }
    }
    fs::write(folder.join("own.log"), SSHD).expect("a log");
    let crlf = SSHD.replace('\n', "\r\n");
    fs::write(folder.join("crlf.log"), crlf).expect("a log");
    let many: String = (0..120)
        .map(|n| {
            let word = if n % 3 == 0 { "Found" } else { "Failed" };
            let second = n % 60;
            format!("Nov 23 04:50:{second:02} host sshd[17]: {word} password for root from 192.0.2.{n}\n")
        })
        .collect();
    fs::write(folder.join("many.log"), many).expect("a log");
    let odd = [SSHD.as_bytes(), b"\xff\xfe bytes \x00 that are no text\n"].concat();
    fs::write(folder.join("odd.log"), odd).expect("a log");
    let latin = SSHD.replace("root", "r\u{f6}\u{f6}t");
    let latin: Vec<u8> = latin.chars().map(|c| c as u8).collect();
    fs::write(folder.join("latin.log"), latin).expect("a log");
    let foreign = "[Definition]\nfailregex = ^ \\S+ sshd\\[\\d+\\]: Failed .* from <HOST>\n\
                   ignoreregex = for root\nmaxlines = 2\ndatepattern = {^LN-BEG}\n";
    fs::write(folder.join("foreign.conf"), foreign).expect("a filter");
    // Several ignoreregexes on one line, asked after a hit and, being few, before all.
    let ignoring = |more: &str| {
        format!(
            "[Definition]\nfailregex = Failed .* from <HOST>\n  Failed password .* from <HOST>\n\
             {more}ignoreregex = Failed\n  for root\n  password\n  nowhere\n"
        )
    };
    fs::write(folder.join("ignoring.conf"), ignoring("")).expect("a filter");
    let many: String = (0..5).map(|n| format!("  ^never {n} <HOST>\n")).collect();
    fs::write(folder.join("ignoring-first.conf"), ignoring(&many)).expect("a filter");
}

/// Calls whose whole output is fail2ban's. `L/` is the folder of logs, `F/` its filters.
const SAME: &[&[&str]] = &[
    // Reports on samples of many filters.
    &["-r", "L/sshd", "F/sshd.conf"],
    &["-r", "L/sshd", "F/sshd.conf[mode=aggressive]"],
    &["-r", "-v", "L/sshd", "F/sshd.conf[mode=ddos]"],
    &["-r", "-v", "L/postfix", "F/postfix.conf[mode=aggressive]"],
    &["-r", "L/dovecot", "F/dovecot.conf"],
    &["-r", "L/apache-auth", "F/apache-auth.conf"],
    &["-r", "--print-all-missed", "L/asterisk", "F/asterisk.conf"],
    &["-r", "L/exim", "F/exim.conf"],
    &["-r", "-v", "L/nginx-http-auth", "F/nginx-http-auth.conf"],
    &["-r", "L/named-refused", "F/named-refused.conf"],
    &["-r", "L/proftpd", "F/proftpd.conf"],
    &["-r", "L/recidive", "F/recidive.conf"],
    &["-r", "L/sieve", "F/sieve.conf"],
    &["-r", "L/roundcube-auth", "F/roundcube-auth.conf"],
    &["-r", "L/mysqld-auth", "F/mysqld-auth.conf"],
    &["-r", "L/vsftpd", "F/vsftpd.conf"],
    &["-r", "L/kerio", "F/kerio.conf"],
    &["-r", "L/lighttpd-auth", "F/lighttpd-auth.conf"],
    &["-r", "L/pam-generic", "F/pam-generic.conf"],
    &["-r", "L/suhosin", "F/suhosin.conf"],
    &["-r", "-v", "L/nsd", "F/nsd.conf"],
    // Which lines are listed.
    &[
        "-r",
        "--print-all-matched",
        "--print-all-missed",
        "--print-all-ignored",
        "L/sshd",
        "F/sshd.conf",
    ],
    &["-r", "--print-no-missed", "L/sshd", "F/sshd.conf"],
    &["-r", "--print-no-ignored", "L/sshd", "F/sshd.conf"],
    &["-r", "-L", "5", "L/dovecot", "F/dovecot.conf"],
    &["-r", "--no-check-all", "L/postfix", "F/postfix.conf"],
    // Lines of sessions whose address comes later.
    &["-r", "-v", "--no-check-all", "L/sshd", "F/sshd.conf"],
    &[
        "-r",
        "--no-check-all",
        "L/sendmail-reject",
        "F/sendmail-reject.conf",
    ],
    &[
        "-r",
        "--no-check-all",
        "--print-all-ignored",
        "L/slapd",
        "F/slapd.conf",
    ],
    &["-D", "--print-all-matched", "L/own.log", "R"],
    &["-r", "L/own.log", "L/ignoring.conf"],
    &["-r", "--no-check-all", "L/own.log", "L/ignoring.conf"],
    &["-r", "-L", "3", "L/own.log", "L/ignoring.conf"],
    &["-r", "-v", "L/own.log", "L/ignoring-first.conf"],
    &["-r", "--no-check-all", "L/own.log", "L/ignoring-first.conf"],
    // Only failures.
    &["-o", "id", "-r", "L/sshd", "F/sshd.conf"],
    &["-o", "fid", "-r", "L/domino-smtp", "F/domino-smtp.conf"],
    &["-o", "ip", "-r", "L/sshd", "F/sshd.conf"],
    &["-o", "msg", "-r", "L/sshd", "F/sshd.conf"],
    &["-o", "row", "-r", "L/postfix", "F/postfix.conf"],
    // Sessions: what the first line had, then what others added.
    &["-o", "row", "-r", "L/sshd", "F/sshd.conf[mode=aggressive]"],
    &[
        "-o",
        "row",
        "-r",
        "L/sendmail-reject",
        "F/sendmail-reject.conf[mode=extra]",
    ],
    &["-o", "row", "-r", "L/slapd", "F/slapd.conf"],
    // Dates with a zone, TAI64N, epochs, and those of a zone that is set.
    &["-o", "row", "-r", "L/dovecot", "F/dovecot.conf"],
    &[
        "-o",
        "<time> <raw-ticket>",
        "-r",
        "L/bitwarden",
        "F/bitwarden.conf",
    ],
    &["-o", "row", "-r", "L/murmur", "F/murmur.conf"],
    &["-o", "<time>", "-r", "L/nsd", "F/nsd.conf"],
    &["-o", "<time>", "--TZ", "UTC+0100", "L/own.log", "R"],
    // What -r takes as it stands, <HOST> still for addresses only.
    &[
        "-o",
        "row",
        "-r",
        "--usedns",
        "no",
        "Nov 23 04:50:11 x [2001:DB8::5] y",
        "x <F-ID>.*?</F-ID> ",
    ],
    &[
        "-o",
        "id",
        "--usedns",
        "no",
        "Nov 23 04:50:11 x [2001:DB8::5] y",
        "x <F-ID>.*?</F-ID> ",
    ],
    &["-o", "<time>", "--TZ", "", "L/own.log", "R"],
    &[
        "-o",
        "<time>",
        "--TZ",
        "CET",
        "1500000000 fail 192.0.2.1",
        "fail <HOST>",
    ],
    &["-o", "user", "-r", "L/sshd", "F/sshd.conf"],
    &["-o", "ip4", "-r", "L/exim", "F/exim.conf"],
    &["-o", "host", "-r", "L/exim", "F/exim.conf"],
    &["-o", "matches", "-r", "L/sshd", "F/sshd.conf"],
    &[
        "-o",
        "<ip> <fid> <F-USER> <F-NONE>|<msg>|<nope> <family> <ip-rev> <failures>",
        "-r",
        "L/own.log",
        "R",
    ],
    &[
        "-o",
        "<time> <matches> <restored><bancount> <",
        "L/own.log",
        "R",
    ],
    &["-o", "<br><ip><sp>x", "L/own.log", "R"],
    &["-o", "<raw-ticket>", "L/own.log", "R"],
    &[
        "-o",
        "<family> <ip-rev>",
        "2024-01-01 00:00:00 2001:db8::1",
        "<ADDR>",
    ],
    &["-o", "mlfid", "-r", "L/sshd", "F/sshd.conf"],
    &[
        "-o",
        "<fid>|<ip>|<host>|<F-MLFID>",
        "-r",
        "L/sshd",
        "F/sshd.conf",
    ],
    &["-o", "cidr", "L/own.log", "R"],
    &["-o", "", "L/own.log", "R"],
    &["--raw", "--no-check-all", "-o", "row", "L/own.log", "R"],
    &["-o", "%(ip)s x\\ty <>", "L/own.log", "R"],
    // How much is said.
    &["-vv", "-r", "L/own.log", "R"],
    &["-vvv", "-r", "L/own.log", "R"],
    &["--verbosity", "2", "-r", "L/own.log", "R"],
    &["--verbosity=0", "L/own.log", "R"],
    &["--verbosity", "9", "L/own.log", "R"],
    &["--verbosity", "x", "L/own.log", "R"],
    &["--VD", "L/own.log", "R"],
    &["-v", "--VD", "-d", "%b %d %H:%M:%S", "L/own.log", "R"],
    &["-l", "INFO", "L/own.log", "R"],
    &["-rvL2", "L/own.log", "R"],
    &["-r", "--", "L/own.log", "R"],
    &["L/own.log", "R", "--raw"],
    &["--print-all-m", "L/own.log", "R"],
    &["--verb", "L/own.log", "R"],
    &["-x", "L/own.log", "R"],
    &["-d"],
    &["--out"],
    // More lines than are listed.
    &["-r", "L/many.log", "R"],
    &["-r", "-v", "L/many.log", "R"],
    &["--print-all-missed", "-r", "L/many.log", "R"],
    &["-r", "L/many.log", "R", "for root"],
    &["-r", "--print-all-ignored", "L/many.log", "R", "for root"],
    // Filters by name and file.
    &["L/own.log", "nofilter"],
    &["L/own.log", "nofilter[mode=x]"],
    &["L/own.log", "/etc/fail2ban/filter.d/none.conf"],
    &["-r", "L/sshd", "sshd.conf"],
    &["-c", "/nowhere", "L/own.log", "sshd"],
    &["L/own.log", "common"],
    &["L/own.log", "R", "/etc/fail2ban/filter.d/sogo-auth.conf"],
    &["L/own.log", ""],
    &["", "R"],
    // A regular expression, a text, another ignoreregex, dates, zones, names.
    &["L/own.log", "R"],
    &["-v", "L/own.log", "R", "for root"],
    &["L/own.log", "R", "nobody"],
    &["L/own.log", "L/foreign.conf"],
    &["-L", "1", "L/own.log", "L/foreign.conf"],
    &["L/crlf.log", "R"],
    &["L/odd.log", "R"],
    &["-e", "latin-1", "-v", "L/latin.log", "R"],
    &["L/latin.log", "R"],
    &["-d", "^%b %d %H:%M:%S", "L/own.log", "R"],
    &["-d", "{^LN-BEG}", "-v", "L/own.log", "R"],
    &["-d", "", "L/own.log", "R"],
    &["-d", "EPOCH", "L/own.log", "R"],
    &["-d", "{NONE}", "L/own.log", "R"],
    &["-d", "TAI64N", "-v", "L/own.log", "R"],
    &["-d", "^%b %d\n{^LN-BEG}", "L/own.log", "R"],
    &["-e", "ascii", "L/own.log", "R"],
    &["-e", "UTF_8", "L/own.log", "R"],
    &["-e", "cp1252", "L/own.log", "R"],
    &["--TZ=CET", "-o", "time", "L/own.log", "R"],
    &["--TZ", "", "L/own.log", "R"],
    &["--usedns", "x", "L/own.log", "R"],
    &["-d", "Epoch", "1500000000 fail 192.0.2.1", "fail <HOST>"],
    &["-v", "--TZ", "UTC+0300", "L/own.log", "R"],
    &[
        "--usedns",
        "no",
        "-v",
        "Jun 1 10:00:00 2024 x from name.example.com",
        "from <HOST>",
    ],
    &[
        "--usedns",
        "raw",
        "-r",
        "-v",
        "Jun 1 10:00:00 2024 x from name.example.com",
        "from <HOST>",
    ],
    &[
        "2024-06-01 10:00:00 a\n2024-06-01 10:00:01 b 192.0.2.1\n3\n4\n5\n6\n7",
        "a\\n b <HOST>",
    ],
    &[
        "-L",
        "2",
        "2024-06-01 10:00:00 a\n2024-06-01 10:00:01 b 192.0.2.1",
        "^ a\\n b <HOST>$",
    ],
    &["/nowhere/at/all.log", "R"],
    &[
        "a text of more than fifty-three characters, which is cut in the middle 192.0.2.7",
        "<HOST>$",
    ],
    // What is wrong.
    &["a", "b"],
    &["a", " "],
    &["a", "<HOST>", ""],
    &["--TZ", "nonsense", "a", "<HOST>"],
    &["-L", "-5", "a", "<HOST>"],
    &["--foo"],
    &["-L", "x", "a", "b"],
    &["-L"],
    &["--raw=1", "a", "b"],
    &["--print", "a", "b"],
];

#[test]
fn every_call_prints_what_fail2bans_tool_prints() {
    if !Path::new(THEIRS).exists() || !Path::new(LOGS).exists() {
        eprintln!("skipped, fail2ban is not installed");
        return;
    }
    let scratch = tempfile::tempdir().expect("a folder");
    samples(scratch.path());
    let place = scratch.path().to_str().expect("a name");
    let mut wrong = String::new();
    for call in SAME {
        let words: Vec<String> = call
            .iter()
            .map(|word| match word.split_at_checked(2) {
                Some(("L/", name)) => format!("{place}/{name}"),
                Some(("F/", name)) => format!("/etc/fail2ban/filter.d/{name}"),
                _ if *word == "R" => FAILED.to_owned(),
                _ => (*word).to_owned(),
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (theirs, ours) = (run(THEIRS, &words, b""), ours(&words, b""));
        let said = |output: &Output| normal(&(out(output) + &err(output)));
        let (expected, found) = (said(&theirs), said(&ours));
        if (&expected, theirs.status.code()) == (&found, ours.status.code()) {
            continue;
        }
        wrong.push_str(&format!("\n{call:?} {} {}\n", theirs.status, ours.status));
        for line in diff(&expected, &found) {
            wrong.push_str(&line);
        }
    }
    assert!(SAME.len() >= 40);
    assert!(wrong.is_empty(), "{wrong}");
}

/// The lines that are in one text only.
fn diff(expected: &str, found: &str) -> Vec<String> {
    let only = |sign: &str, these: &str, those: &str| {
        let those: Vec<&str> = those.lines().collect();
        let lines = these.lines().filter(|line| !those.contains(line));
        let lines = lines.map(|line| format!("{sign} {line}\n"));
        lines.take(6).collect::<Vec<String>>()
    };
    let mut lines = only("-", expected, found);
    lines.extend(only("+", found, expected));
    lines
}

fn objects(output: &Output) -> Vec<Value> {
    let text = out(output);
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
    text.lines().map(parse).collect()
}

#[test]
fn json_is_an_object_for_each_line() {
    let words = ["--json", "--now", NOW, "-", "F[x=1]"];
    let words = [&words[..4], &[FAILED]].concat();
    let output = ours(&words, SSHD.as_bytes());
    assert!(output.status.success(), "{}", err(&output));
    let objects = objects(&output);
    assert_eq!(objects.len(), SSHD.lines().count());
    for (number, object) in (1..).zip(&objects) {
        let fields = object.as_object().expect("an object");
        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
        assert_eq!(names, ["line", "hits", "ignored"]);
        assert_eq!(object["line"], number);
        assert_eq!(object["ignored"], false);
        let hits = object["hits"].as_array().expect("a list");
        assert_eq!(hits.len(), usize::from(number == 1), "{object}");
    }
    let expected = serde_json::json!({
        "regex": 0, "id": "192.0.2.5", "time": 1_795_409_411.0,
        "fail": {"user": "root", "ip4": "192.0.2.5"}
    });
    assert_eq!(objects[0]["hits"][0], expected);
}

#[test]
fn json_tells_ignored_and_helping_lines_without_hits() {
    let vendor = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    let words = ["--json", "--now", NOW, "-c", vendor, "-", "filter.d/sshd"];
    let helped = objects(&ours(&words, SSHD.as_bytes()));
    assert_eq!(helped[4]["hits"], Value::from(Vec::<Value>::new()));
    assert_eq!(helped[4]["ignored"], true);
    assert_eq!(
        helped[0]["hits"][0]["fail"]["users"],
        serde_json::json!(["root"])
    );
    let ignored = ours(&["--json", "-", FAILED, "for root"], SSHD.as_bytes());
    let ignored = objects(&ignored);
    assert_eq!(
        (&ignored[0]["ignored"], &ignored[2]["ignored"]),
        (&true.into(), &false.into())
    );
    assert_eq!(ignored[0]["hits"], Value::from(Vec::<Value>::new()));
}

#[test]
fn lines_of_a_journal_come_now_and_are_no_comments() {
    let line = "# sshd[17]: Failed password for root from 192.0.2.5 2001-01-01 00:00:00\n";
    let words = [
        "--json",
        "--as-journal",
        "--now",
        "1124013600.5",
        "-",
        "from <HOST>",
    ];
    let found = objects(&ours(&words, line.as_bytes()));
    assert_eq!(found[0]["hits"][0]["time"], 1_124_013_600.5);
    let msg = ours(
        &["-o", "msg", "--as-journal", "--now", "0", "-", "x <HOST>"],
        b"x 192.0.2.1",
    );
    assert_eq!(out(&msg), "1970-01-01T00:00:00 x 192.0.2.1\n");
}

#[test]
fn a_year_is_guessed_from_now() {
    let line = b"Dec 31 23:59:59 x 192.0.2.1\n";
    for (now, time) in [
        ("1124013600", 1_104_537_599.0),
        ("1735689599", 1_735_689_599.0),
    ] {
        let found = objects(&ours(&["--json", "--now", now, "-", "x <HOST>"], line));
        assert_eq!(found[0]["hits"][0]["time"], time, "{now}");
    }
}

#[test]
fn inverted_output_is_what_failed_to_match() {
    let output = ours(&["-o", "msg", "-i", "-", FAILED], SSHD.as_bytes());
    let lines = out(&output);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains("frm") && lines[1].contains("Connection"));
}

#[test]
fn explain_shows_what_was_taken_and_how_far_the_best_came() {
    let words = ["--explain", "--now", NOW, "-", FAILED];
    let output = ours(&words, SSHD.as_bytes());
    let expected = "\
Line
  Nov 23 04:50:11 host sshd[17]: Failed password for root from 192.0.2.5 port 22
  ^^^^^^^^^^^^^^^
Date: 2026-11-23 04:50:11 (1795409411.0), by {^LN-BEG}(?:DAY )?MON Day %k:Minute:Second(?:\\.Microseconds)?(?: ExYear)?
Failregex 1 of 1 matches
   host sshd[17]: Failed password for root from 192.0.2.5 port 22
  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  ^ ";
    let text = out(&output);
    assert!(text.starts_with(expected), "{text}");
    let miss = text.split("\n\n").nth(1).expect("a second line");
    let miss: Vec<&str> = miss.lines().collect();
    assert_eq!(miss[4], "Failregex: none of 1 matches; 1 comes furthest");
    assert_eq!(
        miss[5],
        "   host sshd[17]: Failed password for root frm 192.0.2.5 port 22"
    );
    let column = miss[5].find("frm").expect("the word") + "fr".len();
    assert_eq!(miss[6].len(), column, "{text}");
    assert!(miss[7].starts_with(r"  ^ \S+ sshd\[\d+\]: Failed"));
    assert_eq!(miss[8].len(), miss[7].find("om (?:").expect("the rest"));
    assert_eq!(miss[9], "Verdict: no failure");
}

#[test]
fn explain_shows_the_end_of_a_line_and_several_lines() {
    let explained = |words: &[&str], input: &[u8]| {
        let words = [&["--explain", "--now", NOW], words].concat();
        let output = ours(&words, input);
        assert!(output.status.success(), "{}", err(&output));
        out(&output)
    };
    // A match that takes the newline ends where the line does.
    let text = explained(&["-", r"x <HOST>\s*$"], b"Nov 23 04:50:11 x 192.0.2.1\n");
    assert!(
        text.contains("\n   x 192.0.2.1\n   ^^^^^^^^^^^\n"),
        "{text}"
    );
    let text = explained(&["-", r"x <HOST>\s$z"], b"Nov 23 04:50:11 x 192.0.2.1\n");
    assert!(
        text.contains("1 comes furthest\n   x 192.0.2.1\n   ^^^^^^^^^^^\n"),
        "{text}"
    );
    // Several lines are shown as they were searched, on one.
    let log = b"Nov 23 04:50:11 a\tb\nNov 23 04:50:12 c 192.0.2.1\n";
    let text = explained(&["-L", "2", "-", r"^ a.b\n c <HOST>$"], log);
    let expected = "Failregex 1 of 1 matches\n   a\\tb\\n c 192.0.2.1\n  ^^^^^^^^^^^^^^^^^^^\n";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("Verdict: a failure of 192.0.2.1"), "{text}");
}

#[test]
fn profile_lists_each_expression_with_its_engine() {
    let vendor = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    let output = ours(
        &["--profile", "-c", vendor, "-", "filter.d/sshd"],
        SSHD.as_bytes(),
    );
    let text = out(&output);
    let table = text
        .split("Time per regular expression")
        .nth(1)
        .expect("a table");
    assert!(
        table.contains("prefregex: ^") && table.contains("failregex 1: ^"),
        "{table}"
    );
    let rows = table.lines().filter(|line| line.starts_with("|  "));
    let took: Vec<f64> = rows
        .map(|row| {
            let words: Vec<&str> = row.split_whitespace().collect();
            assert!(matches!(words[5], "linear" | "budget"), "{row}");
            words[1].parse().expect("milliseconds")
        })
        .collect();
    assert!(
        took.len() > 5 && took.is_sorted_by(|a, b| a >= b),
        "{took:?}"
    );
}

#[test]
fn wide_characters_are_read_and_unknown_codecs_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wide.log");
    let bytes: Vec<u8> = std::iter::once('\u{feff}')
        .chain(SSHD.chars())
        .flat_map(|c| (c as u16).to_be_bytes())
        .collect();
    fs::write(&path, bytes).expect("a log");
    let path = path.to_str().expect("a name");
    let output = ours(&["-o", "ip", "-e", "utf-16", path, FAILED], b"");
    assert_eq!(out(&output), "192.0.2.5\n");
    let output = ours(&["-e", "klingon", path, FAILED], b"");
    assert_eq!(output.status.code(), Some(255));
    assert!(
        out(&output).contains("ERROR: unknown encoding: klingon"),
        "{}",
        out(&output)
    );
}

#[test]
fn half_a_line_at_the_end_is_judged() {
    let output = ours(&["-o", "ip", "-", "x <HOST>"], b"x 192.0.2.1\nx 192.0.2.2");
    assert_eq!(out(&output), "192.0.2.1\n192.0.2.2\n");
}

#[test]
fn of_an_endless_line_the_beginning_is_judged_and_that_is_said_once() {
    let mut log = b"x 192.0.2.1 ".to_vec();
    log.resize(64 << 20, b'x');
    log.extend(b"\nx 192.0.2.2\n");
    log.resize(log.len() + (2 << 20), b'y');
    let output = ours(&["-o", "ip", "-", "x <HOST>"], &log);
    assert_eq!(out(&output), "192.0.2.1\n192.0.2.2\n");
    assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tests run the real programs")]
fn a_reader_that_goes_away_is_no_error() {
    let script = format!(
        "yes 'x 192.0.2.1' | {} regex -o ip - 'x <HOST>' | head -n 2",
        env!("CARGO_BIN_EXE_rban")
    );
    let output = Command::new("/bin/sh")
        .args(["-c", &script])
        .output()
        .expect("a shell");
    assert_eq!(out(&output), "192.0.2.1\n192.0.2.1\n");
    assert_eq!(err(&output), "");
}

#[test]
fn a_jail_is_found_before_a_filter() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    };
    write(
        "jail.conf",
        "[a]\nfilter = a[word=jail]\nmaxlines = 3\n[none]\nbackend = auto\nfilter =\n\
         [own]\nfilter =\nfailregex = ^own <HOST>$\nignoreregex = 192.0.2.9$\n",
    );
    write(
        "filter.d/a.conf",
        "[Definition]\nfailregex = ^<word> <HOST>\n[Init]\nword = filter\n",
    );
    write(
        "filter.d/b.conf",
        "[Definition]\nfailregex = ^b <HOST>\n[INCLUDES]\nbefore = \n",
    );
    let dir = folder.path().to_str().expect("a name");
    let try_it = |line: &str, name: &str| {
        let output = ours(&["-c", dir, line, name], b"");
        out(&output)
    };
    let jail = try_it("jail 192.0.2.1", "a");
    assert!(jail.contains("Use             jail : a\n"), "{jail}");
    assert!(jail.contains("Use         maxlines : 3\n"), "{jail}");
    assert!(jail.contains("1 matched"), "{jail}");
    assert!(try_it("mine 192.0.2.1", "a[word=mine]").contains("1 matched"));
    let filter = try_it("filter 192.0.2.1", "filter.d/a.conf");
    assert!(
        filter.contains("filter file : a, basedir:") && filter.contains("1 matched"),
        "{filter}"
    );
    assert!(try_it("b 192.0.2.1", "b").contains("1 matched"));
    // A jail may do without a filter.
    let own = try_it("own 192.0.2.1\nown 192.0.2.9", "own");
    assert!(own.contains("1 ignored, 1 matched"), "{own}");
    let wrong = ours(&["-c", dir, "x", "none"], b"");
    assert_eq!(wrong.status.code(), Some(255));
    assert!(
        out(&wrong).contains("the jail 'none' has no filter"),
        "{}",
        out(&wrong)
    );
}

#[test]
fn a_wrong_filter_is_named_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bad.conf");
    fs::write(&path, "[Definition]\nfailregex = ^(<HOST>\n").expect("written");
    let output = ours(&["x", path.to_str().expect("a name")], b"");
    assert_eq!(output.status.code(), Some(255));
    let text = out(&output);
    assert!(
        text.contains("ERROR: Unable to compile regular expression '^("),
        "{text}"
    );
    assert!(text.contains("bad.conf:2: failregex 1"), "{text}");
}

#[test]
fn help_lists_every_option() {
    let text = out(&ours(&["--help"], b""));
    for option in [
        "--datepattern",
        "--json",
        "--explain",
        "-o, --out",
        "--print-all-missed",
    ] {
        assert!(text.contains(option), "{option}");
    }
    assert_eq!(out(&ours(&["-V"], b"")), "1.1.1\n");
}

/// Filters that are a mistake, and lines that are none: an answer, soon, and no panic.
#[test]
fn what_is_wrong_with_a_filter_is_said_with_its_place() {
    let dir = tempfile::tempdir().expect("a folder");
    let filter = |text: &str| {
        let path = dir.path().join("bad.conf");
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let conf = dir.path().display().to_string();
    for (text, words) in [
        (
            "[Definition]\nfailregex = ^(?P<user>a) (?P<user>b) <HOST>\n",
            &["user"][..],
        ),
        ("[Definition]\nfailregex = ^(a <HOST>\n", &["bad.conf"]),
        (
            "[INCLUDES]\nbefore = bad.conf\n[Definition]\nfailregex = ^x <HOST>\n",
            &[],
        ),
    ] {
        let path = filter(text);
        let output = ours(&["--json", "-c", &conf, "-", &path], b"x 192.0.2.1\n");
        let said = err(&output) + &out(&output);
        assert!(!said.contains("panicked"), "{said}");
        assert!(
            words.iter().all(|word| said.contains(word)),
            "{text}: {said}"
        );
    }
}

#[test]
fn a_filter_of_ten_thousand_lines_is_read_and_judges() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("long.conf");
    let patterns: String = (0..10_000)
        .map(|n| format!("    ^ service{n} refused <HOST>$\n"))
        .collect();
    fs::write(&path, format!("[Definition]\nfailregex =\n{patterns}")).expect("written");
    let line = b"Nov 23 04:50:11 service9999 refused 192.0.2.5\n";
    let path = path.display().to_string();
    let output = ours(&["--json", "--now", NOW, "-", &path], line);
    let objects = objects(&output);
    assert_eq!(objects[0]["hits"][0]["regex"], 9_999, "{}", err(&output));
}

#[test]
fn a_catastrophic_pattern_costs_what_its_line_is_long() {
    let line = format!("Nov 23 04:50:11 {}!\n", "a".repeat(60_000));
    let pattern = "^ (?:a+)+(?:a|aa)+$ <HOST>";
    let output = ours(&["--json", "--now", NOW, "-", pattern], line.as_bytes());
    assert_eq!(
        objects(&output)[0]["hits"],
        Value::from(Vec::<Value>::new())
    );
}

#[test]
fn bytes_that_are_no_text_nuls_and_carriage_returns_are_judged_like_fail2ban() {
    let log = b"Nov 23 04:50:11 x\xff\xfe fails 192.0.2.1\r\n\
                Nov 23 04:50:12 \0\0 fails 192.0.2.2\n\
                0000-00-00 00:00:00 fails 192.0.2.3\n\
                Feb 30 25:61:61 fails 192.0.2.4\n";
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log");
    fs::write(&path, log).expect("written");
    let path = path.display().to_string();
    let words = ["-o", "ip", &path, r"fails <HOST>\s*$"];
    let (ours, theirs) = (ours(&words, b""), run(THEIRS, &words, b""));
    assert_eq!(out(&ours), out(&theirs), "{}", err(&ours));
    assert!(out(&ours).contains("192.0.2.1"), "{}", out(&ours));
}

#[test]
fn a_pattern_that_matches_the_empty_string_finds_nobody() {
    let output = ours(
        &["--json", "--now", NOW, "-", "(?:<HOST>)?"],
        b"\n: !\n192.0.2.1 x\n",
    );
    let found = objects(&output);
    let hits: Vec<usize> = found
        .iter()
        .map(|line| line["hits"].as_array().map_or(9, Vec::len))
        .collect();
    assert_eq!(hits, [0, 0, 1], "{}", out(&output));
    // Nor do fail2ban's patterns behind it see the line.
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("empty.conf");
    let patterns = "^(?:from <ADDR>|)\n  password for \\S+ from <HOST>";
    fs::write(&path, format!("[Definition]\nfailregex = {patterns}\n")).expect("written");
    let path = path.display().to_string();
    let words = ["-o", "ip", "--no-check-all", "-", &path];
    assert_eq!(out(&ours(&words, SSHD.as_bytes())), "");
    let ignoring = ["-o", "ip", "-", FAILED, "x?"];
    assert_eq!(out(&ours(&ignoring, SSHD.as_bytes())), "");
}
