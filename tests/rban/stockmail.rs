//! fail2ban's own mail actions, as Debian ships them: run as written they send the mails that
//! fail2ban sends, to the letter; answered natively they send as many, with the same subjects.

#![expect(
    clippy::disallowed_methods,
    reason = "a test drives real programs, and the daemon lives in the present"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::lab::{ATTACKER, Lab, Program};
use crate::smtp::{PYTHON, script};

const STOCK: &str = "/etc/fail2ban";

/// Every mail action, with what its mails must say of a ban where rban writes them.
const ACTIONS: &[(&str, &[&str])] = &[
    ("mail", &[]),
    ("mail-whois", &["netname: LAB-NET"]),
    ("mail-whois-lines", &["netname: LAB-NET", "login from"]),
    ("sendmail", &[]),
    ("sendmail-whois", &["netname: LAB-NET"]),
    ("sendmail-whois-lines", &["netname: LAB-NET", "login from"]),
    ("sendmail-whois-matches", &["netname: LAB-NET", "Grüße"]),
    ("sendmail-whois-ipmatches", &["netname: LAB-NET", "Grüße"]),
    (
        "sendmail-whois-ipjailmatches",
        &["netname: LAB-NET", "Grüße"],
    ),
    (
        "sendmail-geoip-lines",
        &["Lab Country", "Lab Network", "login from"],
    ),
    ("mail-buffered", &[]),
    ("sendmail-buffered", &[]),
];

/// Stands for sendmail and mail(1): each call is a file of its arguments and its input.
const RECORDER: &str = r#"#!/bin/sh
file=/run/mails/$(date +%s%N)-$$
{ printf '%s' "${0##*/}"; for word; do printf ' [%s]' "$word"; done; echo; cat; } > "$file.new"
mv "$file.new" "$file.txt"
"#;

/// A world with fail2ban's own files, recorders, and a jail for each action.
fn world(program: Program, options: &str) -> Lab {
    let lab = Lab::new(program);
    lab.shell(
        "rm -rf /etc/fail2ban/* &&
         mkdir -p /run/mails /run/sbin /var/log/fail2ban /var/lib/fail2ban",
    );
    let copied = Command::new("cp")
        .args(["-r", &format!("{STOCK}/.")])
        .arg(lab.path("/etc/fail2ban"))
        .status();
    assert!(copied.expect("cp runs").success());
    lab.shell("rm -f /etc/fail2ban/jail.d/*");
    lab.write(
        "fail2ban.local",
        "[Definition]\nlogtarget = /var/log/fail2ban/fail2ban.log\n",
    );
    if program == Program::Rban {
        // Asked by our own mails whether there is anything to look into.
        lab.shell(
            "mkdir -p /usr/share/GeoIP && cd /usr/share/GeoIP && touch GeoIP.dat GeoIPASNum.dat",
        );
    }
    lab.write("/run/recorder", RECORDER);
    lab.write(
        "/run/whois",
        "#!/bin/sh\nprintf 'netname: LAB-NET\\nasked: %s\\n' \"$*\"\n",
    );
    // What our own client of whois asks.
    lab.write(
        "/run/whois.py",
        "import socket\nserver = socket.create_server(('127.0.0.1', 4343))\n\
         open('/run/whois-ready', 'w').write('ready\\n')\n\
         while True:\n    client, _ = server.accept()\n    \
         asked = client.makefile().readline().strip()\n    \
         client.sendall(f'netname: LAB-NET\\r\\nasked: {asked}\\r\\n'.encode())\n    \
         client.close()\n",
    );
    lab.shell("python3 /run/whois.py </dev/null >/dev/null 2>&1 &");
    lab.wait_in("/run/whois-ready", "ready");
    lab.write(
        "/run/geoiplookup",
        "#!/bin/sh\ncase $2 in *ASNum*) echo 'GeoIP ASNum Edition: AS64500 Lab Network' ;;\n\
         *) echo 'GeoIP Country Edition: XX, Lab Country' ;; esac\n",
    );
    lab.shell(
        "chmod 755 /run/recorder /run/whois /run/geoiplookup &&
         mount --bind /usr/sbin /run/sbin && mount -t tmpfs tmpfs /usr/sbin &&
         ln -s /run/sbin/* /usr/sbin/ && cd /usr/sbin && rm -f sendmail mail whois geoiplookup &&
         cp /run/recorder sendmail && cp /run/recorder mail && cp /run/whois /run/geoiplookup .",
    );
    lab.write(
        "/etc/hosts",
        format!(
            "127.0.0.1 localhost\n127.0.1.1 lab.example.net lab\n{ATTACKER} attacker.example.com\n"
        ),
    );
    let mut jails = "[DEFAULT]\nbackend = polling\nusedns = no\n".to_owned();
    for (action, _) in ACTIONS {
        jails += &format!(
            "[{action}]\nenabled = true\nfilter =\nfailregex = ^ login from <HOST> failed\n\
             logpath = /var/log/{action}.log\nmaxretry = 2\n\
             action = {action}[name={action}, dest=you@example.com, sender=guard@example.org, \
             sendername=\"The Guard\", lines=2, tmpfile=/run/{action}.txt, \
             logpath=\"/var/log/{action}.lo*\"{options}]\n"
        );
        lab.append(&format!("/var/log/{action}.log"), "");
    }
    lab.write("jail.local", jails);
    lab
}

/// Every mail sent so far; a header that goes on in the next line is one line.
fn mails(lab: &Lab) -> Vec<String> {
    let names = lab.shell("cd /run/mails; ls | grep 'txt$' || true");
    let read = |name| lab.read(&format!("/run/mails/{name}"));
    let whole = |text: String| match text.split_once("\n\n") {
        Some((head, body)) => format!("{}\n\n{body}", head.replace("\n ", " ")),
        None => text,
    };
    names.lines().map(|name| whole(read(name))).collect()
}

/// Attacks each jail in turn, once its last mail is there, and stops.
fn story(program: Program, options: &str) -> Vec<String> {
    let lab = world(program, options);
    lab.start();
    let wait = |subject: &str| {
        lab.wait(subject, || {
            let sent = mails(&lab).iter().any(|mail| mail.contains(subject));
            sent.then_some(())
        });
    };
    for (action, _) in ACTIONS {
        wait(&format!("{action}: started"));
    }
    let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S");
    for (action, _) in ACTIONS {
        let hosts: &[&str] = if action.ends_with("buffered") {
            &[ATTACKER, "198.51.100.7", "2001:db8::7"]
        } else {
            &[ATTACKER]
        };
        for host in hosts {
            let line = |what: &str| format!("{now} login from {host} failed {what}\n");
            let lines = line("Grüße; $(touch /run/pwned) `touch /run/pwned` '\"<b> $HOME ~")
                + &line("and %s again, %d");
            lab.append(&format!("/var/log/{action}.log"), lines);
            lab.wait_for(&format!("[{action}] Ban {host}"));
        }
        if action.ends_with("buffered") {
            lab.wait("a summary", || {
                let of = |mail: &String| {
                    mail.contains(&format!("{action}: ")) && mail.contains("ummary")
                };
                mails(&lab).iter().any(of).then_some(())
            });
        } else {
            wait(&format!("{action}: banned {ATTACKER}"));
        }
    }
    // What comes back after a restart has been mailed.
    lab.ask(&["restart"]);
    lab.wait("all jails are back", || {
        let starts = |action: &str| {
            let subject = format!("{action}: started");
            mails(&lab)
                .iter()
                .filter(|mail| mail.contains(&subject))
                .count()
                >= 2
        };
        ACTIONS
            .iter()
            .all(|(action, _)| starts(action))
            .then_some(())
    });
    lab.ask(&["stop"]);
    lab.wait("it is gone", || {
        (lab.client(&["ping"]).code != 0).then_some(())
    });
    assert!(!lab.path("/run/pwned").exists());
    mails(&lab)
}

/// A mail without its moment.
fn timeless(mail: &str) -> String {
    let lines = mail.lines().map(|line| {
        let when = line.split_once(": ").filter(|(name, _)| *name == "Date");
        match when {
            Some(_) => "Date: …".to_owned(),
            // A row of a buffered action starts with what date(1) says.
            _ if line.ends_with(" failures)") && line.matches(':').count() > 2 => {
                let words: Vec<&str> = line.split(' ').collect();
                words[words.len().saturating_sub(3)..].join(" ")
            }
            // A matched line starts with its date.
            _ => line
                .find(" login from ")
                .map_or(line, |at| &line[at..])
                .to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn run_as_written_they_send_what_fail2ban_sends() {
    if !Path::new(STOCK)
        .join("action.d/sendmail-whois.conf")
        .exists()
    {
        return;
    }
    let told = |program| {
        let mut mails: Vec<String> = story(program, ", native=off")
            .iter()
            .map(|mail| timeless(mail))
            .collect();
        mails.sort();
        mails
    };
    let (ours, mut theirs) = (told(Program::Rban), told(Program::Fail2ban));
    // fail2ban may or may not have written this ban down when it counts the address's failures.
    for mail in &mut theirs {
        *mail = mail.replace("Matches with 14 failures", "Matches with 16 failures");
    }
    let different: Vec<_> = ours
        .iter()
        .filter(|mail| !theirs.contains(mail))
        .map(|mail| format!("ours: {mail}"))
        .chain(
            theirs
                .iter()
                .filter(|mail| !ours.contains(mail))
                .map(|mail| format!("theirs: {mail}")),
        )
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n=====\n"));
    assert_eq!(ours.len(), theirs.len());
    // Two starts, two stops, one ban or two summaries each; one mail is not counted twice above.
    assert!(theirs.len() >= 5 * ACTIONS.len(), "{}", theirs.len());
}

/// What Python's own reader of mails makes of one, behind how it was sent.
fn read(mail: &str) -> (String, serde_json::Value) {
    let (called, message) = mail.split_once('\n').expect("a call");
    let mut reader = Command::new(PYTHON)
        .arg(script())
        .arg("parse")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python runs");
    let mut input = reader.stdin.take().expect("a pipe");
    input.write_all(message.as_bytes()).expect("written");
    drop(input);
    let output = reader.wait_with_output().expect("it ends");
    let told = serde_json::from_slice(&output.stdout).expect("a mail");
    (called.to_owned(), told)
}

#[test]
fn answered_natively_they_send_as_many_with_the_same_subjects() {
    if !Path::new(STOCK)
        .join("action.d/sendmail-whois.conf")
        .exists()
    {
        return;
    }
    let server = ", whoisserver=\"127.0.0.1:4343\"";
    let mut subjects = Vec::new();
    for mail in story(Program::Rban, server) {
        let (called, told) = read(&mail);
        let subject = told["subject"].as_str().expect("a subject").to_owned();
        let text = told["texts"][0].as_str().expect("a text");
        let (name, what) = subject
            .strip_prefix("[Fail2Ban] ")
            .and_then(|rest| rest.split_once(": "))
            .expect("fail2ban's subject");
        let (action, parts) = ACTIONS
            .iter()
            .find(|(action, _)| *action == name)
            .expect("an action");
        assert_eq!(told["defects"].as_array().map(Vec::len), Some(0), "{told}");
        assert_eq!(told["to"], "you@example.com");
        // The stock files for mail(1) have neither of these: what is given there counts for us.
        assert_eq!(told["from"], "The Guard <guard@example.org>", "{action}");
        assert_eq!(
            called,
            "sendmail [-f] [guard@example.org] [you@example.com]"
        );
        if what.starts_with("banned") {
            for part in [
                "attempts against",
                "Jail:      ",
                "Attempts:  2\n",
                "Name:      attacker.example.com",
                "To lift the ban:",
            ]
            .iter()
            .chain(parts.iter())
            {
                assert!(text.contains(part), "{action}: {part}\n{text}");
            }
        }
        if what.starts_with("summary") {
            let all = text.contains(ATTACKER) && text.contains("198.51.100.7");
            assert!(all || text.contains("2001:db8::7"), "{action}: {text}");
        }
        subjects.push(subject);
    }
    let mut expected = Vec::new();
    for (action, _) in ACTIONS {
        let mut say = |what: &str| expected.push(format!("[Fail2Ban] {action}: {what}"));
        for what in ["started on", "stopped on"] {
            say(&format!("{what} lab.example.net"));
            say(&format!("{what} lab.example.net"));
        }
        if action.ends_with("buffered") {
            say("summary from lab.example.net, 2 bans");
            say("summary from lab.example.net, 1 bans");
        } else {
            say(&format!("banned {ATTACKER} from lab.example.net"));
        }
    }
    subjects.sort();
    expected.sort();
    assert_eq!(subjects, expected);
}
