//! Mail to a real SMTP server (aiosmtpd) that takes it, refuses it, puts it off, hangs, drops TLS or
//! wants a login; and the queue, over kills of the daemon.

#![expect(clippy::disallowed_methods, reason = "a test drives real programs")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rban::action::{DEFAULT_PATH, Job};
use rban::model::{ActionSettings, Ban, MatchedLine, Origin};
use serde_json::Value;

use crate::bench::{LONG, Lab, ban};

/// The one that Debian's python3-aiosmtpd is for.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

pub(crate) fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rban/smtpd.py")
}

/// A certificate for 127.0.0.1 and its key.
pub(crate) fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("mx.pem"), folder.join("mx.key"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=mx"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{made:?}");
    (certificate, key)
}

struct Server {
    process: Child,
    port: u64,
    heard: Receiver<Value>,
    folder: tempfile::TempDir,
}

impl Server {
    fn new(mode: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = certificate(folder.path());
        let mut process = Command::new(PYTHON)
            .arg(script())
            .arg(mode)
            .args([certificate, key])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python runs");
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let (send, heard) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let value = serde_json::from_str(&line).expect("JSON");
                if send.send(value).is_err() {
                    break;
                }
            }
        });
        let first: Value = heard
            .recv_timeout(LONG)
            .expect("a server; `scripts/need test` installs python3-aiosmtpd");
        let port = first["port"].as_u64().expect("a port");
        Self {
            process,
            port,
            heard,
            folder,
        }
    }

    fn hears(&self) -> Value {
        self.heard.recv_timeout(LONG).expect("it hears something")
    }

    fn certificate(&self) -> String {
        self.folder.path().join("mx.pem").display().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// smtp.py to that server, with these parameters too.
fn settings(server: &Server, more: &[(&str, &str)]) -> ActionSettings {
    let host = format!("127.0.0.1:{}", server.port);
    let mut options = vec![
        ("host".to_owned(), host),
        ("dest".to_owned(), "admin@example.com".to_owned()),
        ("sender".to_owned(), "fail2ban@example.org".to_owned()),
        ("name".to_owned(), "SSH".to_owned()),
    ];
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    options.extend(more.iter().map(own));
    ActionSettings {
        name: "smtp".into(),
        options,
        python: Some("/etc/fail2ban/action.d/smtp.py".into()),
        origin: Origin::Default,
    }
}

/// The mail of a ban's.
fn mail_of_a_ban(server: &Server, lab: &Lab) -> Value {
    lab.worker.send(Job::Ban(ban("203.0.113.5")));
    loop {
        let mail = server.hears();
        if mail["subject"]
            .as_str()
            .is_some_and(|s| s.contains("banned"))
        {
            return mail;
        }
    }
}

#[test]
fn mail_goes_encrypted_as_asked() {
    for (mode, tls, encrypted) in [
        ("accept", "none", false),
        ("accept", "opportunistic", false),
        ("starttls", "opportunistic", true),
        ("starttls", "starttls", true),
        ("implicit", "implicit", true),
    ] {
        let server = Server::new(mode);
        let authority = server.certificate();
        let trusted = [("tls", tls), ("cafile", authority.as_str())];
        // Whoever takes encryption where it is offered asks for no certificate.
        let more = if tls == "opportunistic" {
            &trusted[..1]
        } else {
            &trusted
        };
        let lab = Lab::with_path(settings(&server, more), DEFAULT_PATH);
        let mail = mail_of_a_ban(&server, &lab);
        assert_eq!(mail["tls"], encrypted, "{mode} {tls}: {mail}");
        assert_eq!(mail["mail_from"], "fail2ban@example.org");
        assert_eq!(mail["rcpt"][0], "admin@example.com");
        assert!(lab.worker.stop(LONG));
    }
}

#[test]
fn a_login_has_its_password_from_a_file_a_credential_or_the_action() {
    let server = Server::new("auth");
    let authority = server.certificate();
    let file = server.folder.path().join("password");
    fs::write(&file, "open sesame\n").expect("written");
    let file = file.display().to_string();
    for (name, value) in [("passwordfile", file.as_str()), ("password", "open sesame")] {
        let more = [
            ("tls", "starttls"),
            ("cafile", &authority),
            ("user", "fail2ban"),
            (name, value),
        ];
        let lab = Lab::with_path(settings(&server, &more), DEFAULT_PATH);
        let mail = mail_of_a_ban(&server, &lab);
        assert_eq!(mail["user"], "fail2ban", "{name}");
        assert!(lab.worker.stop(LONG));
        let said = lab.log().join("\n");
        assert!(!said.contains("sesame"), "{said}");
    }
    let action = format!(
        "smtp.py[host=\"127.0.0.1:{}\", tls=starttls, cafile=\"{authority}\", user=fail2ban, \
         credential=password]",
        server.port
    );
    let credentials = server.folder.path().to_str().expect("UTF-8");
    let output = test_mail(&action, &[], &[("CREDENTIALS_DIRECTORY", credentials)]);
    assert!(output.status.success(), "{output:?}");
    loop {
        let mail = server.hears();
        if mail["subject"]
            .as_str()
            .is_some_and(|s| s.contains("test from"))
        {
            break;
        }
    }
}

#[test]
fn pythons_own_reader_finds_no_fault_in_a_mail() {
    let server = Server::new("accept");
    let more = [
        ("matches", "matches"),
        ("sendername", "Wächter \"der\" Tür"),
        ("dest", "admin@example.com, root"),
        ("html", "on"),
    ];
    let lab = Lab::with_path(settings(&server, &more), DEFAULT_PATH);
    let mut wicked = Ban::clone(&ban("203.0.113.5"));
    wicked.lines = vec![MatchedLine {
        text: "Grüße <b>\r\nBcc: evil@example.com\r\n.\r\n\u{1b}[2J".into(),
        date: None,
    }];
    lab.worker.send(Job::Ban(wicked.into()));
    let start = server.hears();
    assert!(
        start["subject"]
            .as_str()
            .unwrap()
            .starts_with("[Fail2Ban] SSH: started on ")
    );
    let mail = server.hears();
    assert_eq!(mail["defects"].as_array().map(Vec::len), Some(0), "{mail}");
    let subject = mail["subject"].as_str().expect("a subject");
    assert!(
        subject.starts_with("[Fail2Ban] SSH: banned 203.0.113.5 from "),
        "{subject}"
    );
    assert_eq!(mail["auto"], "auto-generated");
    assert_eq!(mail["mime"], "1.0");
    assert_eq!(mail["date"], "2026-11-22T16:59:27+00:00");
    assert!(mail["from"].as_str().unwrap().contains("Wächter"), "{mail}");
    assert!(mail["longest"].as_u64().unwrap() <= 998);
    let id = mail["id"].as_str().unwrap();
    assert!(
        id.starts_with('<') && id.ends_with('>') && id.contains('@'),
        "{id}"
    );
    assert_eq!(
        mail["types"],
        serde_json::json!(["text/plain", "text/html"])
    );
    assert_eq!(mail["charsets"], serde_json::json!(["utf-8", "utf-8"]));
    let (text, html) = (&mail["texts"][0], &mail["texts"][1]);
    let (text, html) = (text.as_str().unwrap(), html.as_str().unwrap());
    assert!(
        text.contains("Grüße <b>") && html.contains("Grüße &lt;b&gt;"),
        "{text}{html}"
    );
    assert!(!text.contains('\u{1b}'));
    assert_eq!(
        mail["rcpt"].as_array().map(Vec::len),
        Some(2),
        "nobody else: {mail}"
    );
}

#[test]
fn plain_text_alone_unless_html_is_asked_for() {
    let server = Server::new("accept");
    let lab = Lab::with_path(settings(&server, &[]), DEFAULT_PATH);
    let mail = mail_of_a_ban(&server, &lab);
    assert_eq!(mail["types"], serde_json::json!(["text/plain"]));
}

#[test]
fn a_greylisted_mail_arrives_at_the_second_try() {
    let server = Server::new("greylist");
    let lab = Lab::with_path(settings(&server, &[("retry", "1s")]), DEFAULT_PATH);
    let first = server.hears();
    assert_eq!(first["greylisted"], "admin@example.com");
    let mail = server.hears();
    assert!(
        mail["subject"].as_str().unwrap().contains("started on"),
        "{mail}"
    );
    let log = lab.log();
    let put_off = log.iter().any(|line| {
        line.starts_with("WARNING")
            && line.contains("451")
            && line.contains("greylisted, come back")
    });
    assert!(put_off, "{log:#?}");
}

#[test]
fn one_who_is_refused_does_not_keep_the_others_from_their_mail() {
    let server = Server::new("accept");
    let more = [("dest", "nobody@example.com, admin@example.com")];
    let lab = Lab::with_path(settings(&server, &more), DEFAULT_PATH);
    let mail = mail_of_a_ban(&server, &lab);
    assert_eq!(mail["rcpt"], serde_json::json!(["admin@example.com"]));
    assert!(lab.worker.stop(LONG));
    let error = lab.log().into_iter().find(|line| line.starts_with("ERROR"));
    let error = error.expect("it is said");
    assert!(
        error.contains("nobody@example.com is refused") && error.contains("550"),
        "{error}"
    );
}

/// `rban mail test` with a configuration of one jail that has this action.
fn test_mail(action: &str, words: &[&str], environment: &[(&str, &str)]) -> std::process::Output {
    let folder = tempfile::tempdir().expect("a folder");
    let jail = format!(
        "[sshd]\nenabled = true\nfilter =\nfailregex = x <HOST>\nlogpath = /etc/hostname\n\
         action = {action}\n"
    );
    fs::write(folder.path().join("jail.local"), jail).expect("written");
    let vendor = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    Command::new(env!("CARGO_BIN_EXE_rban"))
        .args(["mail", "test"])
        .args(words)
        .arg("-c")
        .arg(folder.path())
        .arg("--vendor")
        .arg(vendor)
        .envs(environment.iter().copied())
        .output()
        .expect("rban runs")
}

#[test]
fn mail_test_sends_one_and_says_where() {
    let server = Server::new("accept");
    let action = format!(
        "smtp.py[host=\"127.0.0.1:{}\", dest=\"a@example.com\"]",
        server.port
    );
    let output = test_mail(&action, &["--to", "me@example.com"], &[]);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(
        out.contains("was sent to me@example.com by 127.0.0.1:"),
        "{out}"
    );
    assert!(!out.contains("RCPT"), "no conversation unless asked: {out}");
    let mail = server.hears();
    assert_eq!(mail["rcpt"], serde_json::json!(["me@example.com"]));
    assert!(
        mail["subject"]
            .as_str()
            .unwrap()
            .starts_with("[Fail2Ban] sshd: test from ")
    );
    let loud = test_mail(&action, &["-v"], &[]);
    assert!(String::from_utf8_lossy(&loud.stdout).contains("> RCPT TO:<a@example.com>"));
}

#[test]
fn mail_test_shows_the_conversation_and_what_is_wrong() {
    for (mode, options, shown, error) in [
        (
            "reject",
            "",
            "> RCPT TO:<a@example.com>",
            "550 5.1.1 nobody here",
        ),
        ("full", "", "> DATA", "452 4.3.1 no room"),
        ("droptls", "tls=starttls", "> STARTTLS", "STARTTLS: "),
        (
            "accept",
            "tls=starttls",
            "< mx",
            "offers no STARTTLS; see the option tls",
        ),
        (
            "starttls",
            "tls=starttls",
            "> STARTTLS",
            "who signed its certificate is not trusted here",
        ),
        (
            "implicit",
            "tls=implicit",
            ", by TLS",
            "who signed its certificate is not trusted here",
        ),
        ("implicit", "tls=none, timeout=1", "> EHLO", "connecting: "),
        ("hang", "timeout=1", "> EHLO", "no answer within 1 s"),
        (
            "hangdata",
            "timeout=1",
            "bytes of mail)",
            "no answer within 1 s",
        ),
        (
            "accept",
            "tls=implicit, timeout=5",
            "> EHLO",
            "connecting: ",
        ),
        (
            "accept",
            "user=x, passwordfile=/nonexistent",
            "< mx",
            "/nonexistent: No such file",
        ),
        (
            "accept",
            "tls=implicit, cafile=/nonexistent",
            "",
            "cafile /nonexistent",
        ),
        (
            "auth",
            "tls=opportunistic, user=fail2ban, password=wrong",
            "> AUTH as fail2ban",
            "535",
        ),
    ] {
        let server = Server::new(mode);
        let action = format!(
            "smtp.py[host=\"127.0.0.1:{}\", dest=\"a@example.com\", {options}]",
            server.port
        );
        let output = test_mail(&action, &[], &[]);
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        let place = format!("{mode} {options}:\n{out}\n{err}");
        assert_eq!(output.status.code(), Some(255), "{place}");
        assert!(out.contains(shown), "{place}");
        assert!(err.contains(error), "{error}: {place}");
        assert!(!format!("{out}{err}").contains("wrong"), "{place}");
    }
    let output = test_mail("smtp.py[host=\"127.0.0.1:1\"]", &[], &[]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        err.contains("127.0.0.1:1: connecting: Connection refused"),
        "{err}"
    );
}

#[test]
fn mail_test_runs_sendmail_and_shows_what_it_says() {
    let action = "sendmail[mailcmd=\"/bin/ls --nonsense\"]";
    let output = test_mail(action, &[], &[]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        err.contains("/bin/ls returned 2") && err.contains("--nonsense"),
        "{err}"
    );
    let output = test_mail("sendmail[mailcmd=/nonexistent/sendmail]", &[], &[]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        err.contains("/nonexistent/sendmail: not found; install a mail server"),
        "{err}"
    );
    let nobody = test_mail("sendmail[native=off]", &["sshd"], &[]);
    let err = String::from_utf8_lossy(&nobody.stderr);
    assert!(
        err.contains("jail sshd: not enabled, or without a mail action"),
        "{err}"
    );
}
