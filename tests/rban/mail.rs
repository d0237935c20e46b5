//! Mail actions, fail2ban's and ours, from a ban to the message that leaves.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use rban::action::{self, ActionSpec, DEFAULT_PATH, Drivers, Job, Worker};
use rban::config::{Config, Disk, Facts, Firewall, Inputs};
use rban::model::{ActionSettings, Ban, BanTime, MatchedLine, Origin, Time};

use crate::bench::{LONG, Lab, ban};
use crate::support;

const CONTENTS: &[(&str, &str)] = &[
    ("mail", "plain"),
    ("mail-whois", "whois"),
    ("mail-whois-lines", "whois-lines"),
    ("sendmail", "plain"),
    ("sendmail-whois", "whois"),
    ("sendmail-whois-lines", "whois-lines"),
    ("sendmail-whois-matches", "whois-matches"),
    ("sendmail-whois-ipmatches", "whois-ipmatches"),
    ("sendmail-whois-ipjailmatches", "whois-ipjailmatches"),
    ("sendmail-geoip-lines", "geoip-lines"),
    ("sendmail-buffered", "buffered"),
    ("mail-buffered", "buffered"),
];

/// The trees that hold these: ours, and fail2ban's where it is installed.
fn trees() -> Vec<PathBuf> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let theirs = PathBuf::from("/etc/fail2ban");
    [ours, theirs]
        .into_iter()
        .filter(|tree| tree.join("action.d/sendmail-whois.conf").exists())
        .collect()
}

/// The action as a jail's, read with the action files of a tree and `local` beside them.
fn settings(tree: &Path, action: &str, local: &str) -> ActionSettings {
    let folder = tempfile::tempdir().expect("a folder");
    let etc = folder.path();
    fs::create_dir(etc.join("action.d")).expect("a folder");
    for file in fs::read_dir(tree.join("action.d")).expect("actions") {
        let file = file.expect("a file").path();
        if file.is_file() {
            let copy = etc.join("action.d").join(file.file_name().expect("a name"));
            fs::copy(&file, copy).expect("copied");
        }
    }
    let name = action.split('[').next().unwrap_or_default();
    if !local.is_empty() {
        fs::write(etc.join(format!("action.d/{name}.local")), local).expect("written");
    }
    let jail = format!(
        "[lab]\nenabled = true\nfilter =\nfailregex = x <HOST>\nlogpath = /etc/hostname\n\
         action = {action}\n"
    );
    fs::write(etc.join("jail.local"), jail).expect("written");
    let facts = Facts {
        firewall: Firewall::Nftables,
        fail2ban_version: "1.1.1".into(),
    };
    let loaded = Config::read(&Disk, &Inputs::only(etc, facts))
        .expect("read")
        .load();
    let jail = loaded.jails.into_iter().find(|jail| jail.name == "lab");
    let mut actions = jail
        .unwrap_or_else(|| panic!("{:?}", loaded.complaints))
        .actions;
    actions.pop().expect("its action")
}

struct Nobody;

impl action::Facts for Nobody {
    fn now(&self) -> Time {
        Time::from_secs(0)
    }

    fn bantime(&self) -> BanTime {
        BanTime::Secs(600)
    }
}

fn way(settings: ActionSettings) -> String {
    let spec = ActionSpec {
        jail: "lab".into(),
        settings,
        native: true,
        ipv6: true,
        path: DEFAULT_PATH.into(),
        facts: Arc::new(Nobody),
        drivers: Drivers::default(),
        left: action::Leftover::Nothing,
    };
    let worker = Worker::spawn(spec, Arc::new(|_| {})).expect("an action");
    worker.ways().to_string()
}

#[test]
fn every_mail_action_as_shipped_is_answered_natively() {
    for tree in trees() {
        for (action, content) in CONTENTS {
            let settings = settings(
                &tree,
                &format!("{action}[name=SSH, dest=a@example.com]"),
                "",
            );
            let place = format!("{} {action}", tree.display());
            assert_eq!(settings.option("(mail)"), Some(*content), "{place}");
            assert_eq!(way(settings), "native mail", "{place}");
        }
    }
}

#[test]
fn an_edited_action_and_one_with_native_off_run_as_written() {
    for tree in trees() {
        let edited = settings(
            &tree,
            "sendmail-whois[name=SSH]",
            "[Definition]\nactionstop = echo edited | <mailcmd>\n",
        );
        assert_eq!(way(edited), "shell", "{}", tree.display());
        let off = settings(&tree, "sendmail-whois[name=SSH, native=off]", "");
        assert_eq!(way(off), "shell", "{}", tree.display());
        let piped = settings(&tree, "sendmail-whois[name=SSH, mailcmd=\"cat | x\"]", "");
        assert_eq!(way(piped), "shell", "{}", tree.display());
    }
}

fn wicked(address: &str) -> Arc<Ban> {
    let mut ban = Ban::clone(&ban(address));
    ban.lines = vec![MatchedLine {
        text: "Grüße $(id)\r\nBcc: evil@example.com\u{1b}[2J".into(),
        date: None,
    }];
    Arc::new(ban)
}

/// A whois server that says one thing to everybody.
fn whois_server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("its address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client");
            let mut question = String::new();
            let mut reader = BufReader::new(stream.try_clone().expect("twice"));
            reader.read_line(&mut question).expect("a question");
            assert_eq!(question, "192.0.2.1\r\n");
            stream.write_all(answer).expect("answered");
        }
    });
    place
}

#[test]
fn a_bans_mail_goes_to_sendmail_with_whois_and_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("sendmail");
    let mailbox = folder.path().join("mailbox");
    let script = format!(
        "#!/bin/sh\n{{ echo \"called: $*\"; cat; }} >> {}\n",
        mailbox.display()
    );
    fs::write(&program, script).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
    let whois = whois_server(b"netname: TEST-NET\r\ndescr: M\xfcnchen\x1b[2J\r\n");
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let action = format!(
        "sendmail-whois-matches[name=SSH, dest=admin@example.com, sender=fail2ban@example.org, \
         whoisserver=\"{whois}\", mailcmd=\"{} -f <sender> <dest>\"]",
        program.display()
    );
    let lab = Lab::with_path(settings(&tree, &action, ""), DEFAULT_PATH);
    lab.worker.send(Job::Ban(wicked("192.0.2.1")));
    assert!(lab.worker.stop(LONG));
    let text = fs::read_to_string(mailbox).expect("mail");
    assert_eq!(
        text.matches("called: -f fail2ban@example.org admin@example.com")
            .count(),
        3,
        "start, ban, stop: {text}"
    );
    let decoded = text.replace("=\n", "").replace("=C3=BC", "ü");
    for part in [
        "Subject: [Fail2Ban] SSH: started on ",
        "Subject: [Fail2Ban] SSH: banned 192.0.2.1 from ",
        "Subject: [Fail2Ban] SSH: stopped on ",
        "To: admin@example.com",
        "netname: TEST-NET\n",
        "München",
        "Grü",
        "$(id)",
        "unbanip '192.0.2.1'",
    ] {
        assert!(decoded.contains(part), "{part}: {decoded}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");
    let headers = text
        .split("called: ")
        .flat_map(|mail| mail.split("\n\n").take(1));
    for headers in headers {
        assert!(!headers.contains("Bcc:"), "{headers}");
    }
}

/// An SMTP server for one mail; it gives the envelope and message it took.
fn smtp_server(refuse: bool) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let (send, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client");
            let mut reader = BufReader::new(stream.try_clone().expect("twice"));
            let mut all = String::new();
            let mut say = |text: &str| stream.write_all(text.as_bytes()).is_ok();
            say("220 lab ESMTP\r\n");
            let mut line = String::new();
            let mut data = false;
            while reader.read_line(&mut line).is_ok_and(|count| count > 0) {
                all += &line;
                let command = line.to_ascii_uppercase();
                if data {
                    if line == ".\r\n" {
                        data = false;
                        say("250 taken\r\n");
                    }
                } else if command.starts_with("RCPT") && refuse {
                    say("550 5.1.1 nobody here\r\n");
                } else if command.starts_with("DATA") {
                    data = true;
                    say("354 go on\r\n");
                } else if command.starts_with("QUIT") {
                    say("221 bye\r\n");
                    break;
                } else {
                    say("250 fine\r\n");
                }
                line.clear();
            }
            let _ = reader.read_to_string(&mut line);
            if send.send(all).is_err() {
                break;
            }
        }
    });
    (port, heard)
}

/// fail2ban's smtp.py, by its name and parameters.
fn smtp(port: u16) -> ActionSettings {
    let host = format!("127.0.0.1:{port}");
    let options = [
        ("host", host.as_str()),
        ("dest", "admin@example.com, root@example.com"),
        ("sender", "fail2ban@example.org"),
        ("matches", "matches"),
    ];
    let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    ActionSettings {
        name: "smtp".into(),
        options: options.map(own).to_vec(),
        python: Some("/etc/fail2ban/action.d/smtp.py".into()),
        origin: Origin::Default,
    }
}

#[test]
fn smtp_py_is_answered_natively_by_smtp() {
    let (port, heard) = smtp_server(false);
    let lab = Lab::with_path(smtp(port), DEFAULT_PATH);
    lab.worker.send(Job::Ban(wicked("192.0.2.1")));
    let start = heard.recv_timeout(LONG).expect("a mail");
    assert!(
        start.contains("Subject: [Fail2Ban] lab: started on "),
        "{start}"
    );
    let mail = heard.recv_timeout(LONG).expect("a mail");
    for part in [
        "MAIL FROM:<fail2ban@example.org>",
        "RCPT TO:<admin@example.com>",
        "RCPT TO:<root@example.com>",
        "Subject: [Fail2Ban] lab: banned 192.0.2.1 from ",
        "after 3 attempts",
        "Matched lines:",
    ] {
        assert!(mail.contains(part), "{part}: {mail}");
    }
}

#[test]
fn a_refused_mail_is_an_error_with_the_servers_words() {
    let (port, _heard) = smtp_server(true);
    let lab = Lab::with_path(smtp(port), DEFAULT_PATH);
    lab.worker.send(Job::Ban(wicked("192.0.2.1")));
    assert!(lab.worker.stop(LONG));
    let error = lab.worker.last_error().expect("an error");
    assert!(error.contains("nobody here"), "{error}");
}

/// A jail's mail action out of a `jail.conf`'s own shortcuts, with our vendor tree or with
/// fail2ban's files.
fn shortcut(theirs: bool, local: &str) -> ActionSettings {
    let folder = tempfile::tempdir().expect("a folder");
    let etc = folder.path();
    let facts = Facts {
        firewall: Firewall::Nftables,
        fail2ban_version: "1.1.1".into(),
    };
    let mut inputs = Inputs::only(etc, facts);
    if theirs {
        support::said(&format!("cp -r /etc/fail2ban/. {}", etc.display()));
    } else {
        inputs.vendor = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("config"));
    }
    let jail = format!(
        "{local}\n[lab]\nenabled = true\nfilter =\nfailregex = x <HOST>\n\
         logpath = /etc/hostname\nport = ssh\n"
    );
    fs::write(etc.join("jail.local"), jail).expect("written");
    let loaded = Config::read(&Disk, &inputs).expect("read").load();
    let jail = loaded.jails.into_iter().find(|jail| jail.name == "lab");
    let mut actions = jail.expect("the jail").actions;
    actions.pop().expect("its mail action")
}

#[test]
fn the_shortcuts_of_jail_conf_mail_whom_and_as_they_say() {
    for theirs in [false, true] {
        if theirs && !Path::new("/etc/fail2ban/jail.conf").exists() {
            continue;
        }
        for (action, mta, content) in [
            ("action_mw", "sendmail", "whois"),
            ("action_mwl", "sendmail", "whois-lines"),
            ("action_mw", "mail", "whois"),
            ("action_mwl", "mail", "whois-lines"),
        ] {
            let place = format!("{action} {mta} {}", if theirs { "theirs" } else { "ours" });
            let local = format!(
                "[DEFAULT]\ndestemail = admin@example.com\nsender = guard@example.org\n\
                 mta = {mta}\naction = %({action})s\n"
            );
            let settings = shortcut(theirs, &local);
            let recipe = action::recipe(&settings).unwrap_or_else(|| panic!("{place}"));
            assert_eq!(recipe.content.name, content, "{place}");
            assert_eq!(recipe.to, ["admin@example.com"], "{place}");
            // fail2ban's mail(1) actions have no sender of their own.
            if mta == "sendmail" || !theirs {
                assert_eq!(recipe.from, "guard@example.org", "{place}");
            }
            assert_eq!(recipe.name, "lab", "{place}");
            if content == "whois-lines" {
                assert_eq!(recipe.logs, ["/etc/hostname"], "{place}");
            }
            assert_eq!(way(settings), "native mail", "{place}");
        }
    }
}

#[test]
fn an_emptied_start_is_no_edit_and_sends_nothing() {
    for tree in trees() {
        let local = "[Definition]\nactionstart =\nactionstop =\n";
        let quiet = settings(
            &tree,
            "sendmail-whois[name=SSH, mailcmd=\"/bin/false\"]",
            local,
        );
        assert_eq!(quiet.option("actionstart"), Some(""));
        assert_eq!(way(quiet.clone()), "native mail", "{}", tree.display());
        let lab = Lab::with_path(quiet, DEFAULT_PATH);
        assert!(lab.worker.stop(LONG));
        assert!(lab.log().is_empty(), "{:?}", lab.log());
    }
}

#[test]
fn restored_bans_are_not_mailed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mailbox = folder.path().join("mailbox");
    let command = folder.path().join("sendmail");
    fs::write(
        &command,
        format!("#!/bin/sh\ncat >> {}\n", mailbox.display()),
    )
    .expect("written");
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).expect("a program");
    for tree in trees() {
        for (action, content) in CONTENTS.iter().filter(|(_, kind)| *kind != "buffered") {
            let action = format!("{action}[name=SSH, mailcmd={}]", command.display());
            let lab = Lab::with_path(settings(&tree, &action, ""), DEFAULT_PATH);
            let restored = Ban {
                restored: true,
                ..Ban::clone(&ban("192.0.2.9"))
            };
            lab.worker.send(Job::Ban(Arc::new(restored)));
            assert!(lab.worker.stop(LONG), "{content}");
        }
    }
    let text = fs::read_to_string(mailbox).expect("start and stop are mailed");
    assert!(text.contains("started on") && text.contains("stopped on"));
    assert!(!text.contains("banned"), "{text}");
}

#[test]
fn geoip_and_log_lines_are_in_the_mail_or_it_says_why_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    fs::write(&log, "a from 192.0.2.1 b\nc from 192.0.2.10 d\n").expect("written");
    let (port, heard) = smtp_server(false);
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let action = format!(
        "sendmail-geoip-lines[name=SSH, dest=a@example.com, smtp=\"127.0.0.1:{port}\", \
         logpath=\"{}\"]",
        log.display()
    );
    let lab = Lab::with_path(settings(&tree, &action, ""), DEFAULT_PATH);
    lab.worker.send(Job::Ban(ban("192.0.2.1")));
    heard.recv_timeout(LONG).expect("the start's");
    let mail = heard.recv_timeout(LONG).expect("the ban's");
    assert!(
        mail.contains("Country:   ") && mail.contains("AS:        "),
        "{mail}"
    );
    assert!(mail.contains("a from 192.0.2.1 b\r\n"), "{mail}");
    assert!(!mail.contains("192.0.2.10"), "{mail}");
}
