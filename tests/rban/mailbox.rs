//! Mail end to end: a daemon in a world of its own, from the attack to the mailbox.

use std::fs;
use std::path::Path;

use crate::lab::{ATTACKER, Lab, Program};
use crate::smtp::{PYTHON, certificate, script};

const MAILBOX: &str = "/run/mailbox";
const WAITING: &str = "/var/lib/fail2ban/mail";
const HEARD: &str = "/run/smtpd.json";
const LOG: &str = "/var/log/secure";

/// Writes each mail into one file, behind how it was called, as an MTA that delivers here.
const SENDMAIL: &str = r#"#!/bin/sh
{ echo "called: $*"; cat; echo '---'; } >> /run/mailbox
"#;

/// Answers whois for one address and says whom it was asked about.
const WHOIS: &str = r#"
import socket
server = socket.create_server(("127.0.0.1", 43))
while True:
    client, _ = server.accept()
    question = client.makefile().readline().strip()
    answer = f"inetnum: 192.0.2.0 - 192.0.2.255\r\nnetname: TEST-NET-1\r\nasked: {question}\r\n"
    client.sendall(answer.encode())
    client.close()
"#;

fn world() -> Lab {
    let lab = Lab::new(Program::Rban);
    lab.write(LOG, "");
    lab.write("fail2ban.local", "[Definition]\nloglevel = DEBUG\n");
    lab
}

/// A sendmail where every MTA has it.
fn sendmail(lab: &Lab) {
    lab.write("/run/sendmail", SENDMAIL);
    lab.shell(
        "chmod 755 /run/sendmail && mkdir -p /run/sbin && mount --bind /usr/sbin /run/sbin &&
         mount -t tmpfs tmpfs /usr/sbin && ln -s /run/sbin/* /usr/sbin/ &&
         cp /run/sendmail /usr/sbin/sendmail",
    );
}

fn background(lab: &Lab, command: &str) {
    lab.shell(&format!("setsid {command} >/dev/null 2>&1 </dev/null &"));
}

fn whois(lab: &Lab) {
    lab.write("/run/whois.py", WHOIS);
    background(lab, &format!("{PYTHON} /run/whois.py"));
    lab.wait("whois listens", || listens(lab, ":002B"));
}

/// A mail server on port 2525, which says what it hears in [`HEARD`].
fn smtpd(lab: &Lab, mode: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let (pem, key) = certificate(folder.path());
    lab.write("/run/mx.pem", fs::read(pem).expect("a certificate"));
    lab.write("/run/mx.key", fs::read(key).expect("a key"));
    lab.write("/run/smtpd.py", fs::read(script()).expect("the script"));
    background(
        lab,
        &format!("{PYTHON} /run/smtpd.py {mode} /run/mx.pem /run/mx.key {HEARD} 2525"),
    );
    lab.wait_in(HEARD, "\"port\"");
}

fn listens(lab: &Lab, port: &str) -> Option<()> {
    let listening = |line: &str| line.contains(&format!("{port} ")) && line.contains(" 0A ");
    lab.shell("cat /proc/net/tcp")
        .lines()
        .any(listening)
        .then_some(())
}

fn daemon(lab: &Lab) -> String {
    lab.shell("cat /run/fail2ban/fail2ban.pid")
        .trim()
        .to_owned()
}

fn kill(lab: &Lab) {
    let pid = daemon(lab);
    lab.shell(&format!("kill -9 {pid}"));
    lab.wait("the daemon is gone", || {
        (lab.run(&["test", "-e", &format!("/proc/{pid}/fd/0")]).code != 0).then_some(())
    });
}

/// The files of mails that wait.
fn waiting(lab: &Lab) -> Vec<String> {
    let list = lab.shell(&format!("ls {WAITING} | sed -n '/mail$/p'"));
    list.lines().map(str::to_owned).collect()
}

fn heard(lab: &Lab, subject: &str) -> usize {
    let text = lab.read(HEARD);
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines
        .filter(|mail| {
            mail["subject"]
                .as_str()
                .is_some_and(|s| s.contains(subject))
        })
        .count()
}

#[test]
fn the_articles_jail_from_the_attack_to_the_mail_in_the_mailbox() {
    let lab = world();
    sendmail(&lab);
    whois(&lab);
    lab.write(
        "jail.local",
        "[sshd]\nenabled = false\n\
         [ssh-iptables]\nenabled = true\nfilter = sshd\n\
         action = iptables[name=SSH, port=ssh, protocol=tcp]\n         \
         sendmail-whois[name=SSH, dest=you@example.com, sender=fail2ban@example.com, \
         sendername=\"Fail2Ban\", whoisserver=127.0.0.1]\n\
         logpath = /var/log/secure\nbantime = 3600\nmaxretry = 3\n",
    );
    lab.sshd(LOG);
    lab.start();
    lab.wait_in(MAILBOX, "the jail SSH has started");
    lab.attack(ATTACKER, 3);
    lab.wait_until("refused", ATTACKER);
    lab.wait_in(MAILBOX, "To lift the ban:");
    lab.wait_in(MAILBOX, "rban on lab");
    lab.ask(&["stop"]);
    let text = lab.read(MAILBOX);
    let mails: Vec<&str> = text.split("---\n").collect();
    let subjects: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("Subject: "))
        .collect();
    assert_eq!(
        subjects,
        [
            "Subject: [Fail2Ban] SSH: started on lab",
            "Subject: [Fail2Ban] SSH: banned 192.0.2.66 from lab",
            "Subject: [Fail2Ban] SSH: stopped on lab",
        ]
    );
    // Of the moment and of the machine's name servers.
    let plain: Vec<String> = mails[1]
        .lines()
        .map(|line| match line.split_once(": ") {
            Some((name @ ("Date" | "Message-ID"), _)) => format!("{name}: …"),
            _ if line.starts_with("Name:      ") => "Name:      …".to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/article/mail.txt");
    let golden = fs::read_to_string(golden).unwrap_or_default();
    assert_eq!(plain.join("\n").trim_end(), golden.trim_end());
}

fn jail_with_smtp(more: &str) -> String {
    format!(
        "[sshd]\nenabled = true\nbackend = polling\nlogpath = {LOG}\nmaxretry = 3\n\
         action = nftables[port=ssh]\n         \
         smtp.py[host=\"127.0.0.1:2525\", dest=\"you@example.com\", {more}]\n"
    )
}

#[test]
fn a_mail_survives_kill_9_and_comes_once() {
    let lab = world();
    lab.write("jail.local", jail_with_smtp("retry=1s"));
    lab.start();
    lab.append(LOG, lab.failures(ATTACKER, 3));
    lab.wait_for("Ban 192.0.2.66");
    // Start and ban: nobody takes them.
    lab.wait("two mails wait", || {
        (waiting(&lab).len() == 2).then_some(())
    });
    lab.wait_for("is not sent yet: 127.0.0.1:2525: connecting: Connection refused");
    assert_eq!(
        lab.shell(&format!("stat -c %a {WAITING} {WAITING}/* | sort -u")),
        "600\n700\n"
    );
    let status = lab.run(&["rban", "status", "--check"]);
    assert_eq!(status.code, 1, "{}", status.text());
    assert!(status.out.contains("Connection refused"), "{}", status.out);
    kill(&lab);
    assert_eq!(waiting(&lab).len(), 2);
    smtpd(&lab, "accept");
    lab.start();
    lab.wait_in(HEARD, "banned 192.0.2.66");
    lab.wait("nothing waits", || waiting(&lab).is_empty().then_some(()));
    assert_eq!(heard(&lab, "started on"), 2, "one for each start");
    lab.ask(&["stop"]);
    lab.start();
    lab.wait("the third start's mail", || {
        (heard(&lab, "started on") == 3).then_some(())
    });
    lab.ask(&["stop"]);
    assert_eq!(
        heard(&lab, "banned 192.0.2.66"),
        1,
        "nor for a ban that is restored"
    );
    assert_eq!(heard(&lab, "stopped on"), 2);
}

#[test]
fn a_mail_sendmail_does_not_take_waits_in_the_queue() {
    let lab = world();
    lab.write(
        "jail.local",
        format!(
            "[sshd]\nenabled = true\nlogpath = {LOG}\nmaxretry = 3\n\
             action = nftables[port=ssh]\n         sendmail[name=SSH, retry=1s]\n"
        ),
    );
    lab.start();
    lab.append(LOG, lab.failures(ATTACKER, 3));
    lab.wait_for("/usr/sbin/sendmail: not found; install a mail server");
    lab.wait("two mails wait", || {
        (waiting(&lab).len() == 2).then_some(())
    });
    kill(&lab);
    sendmail(&lab);
    lab.start();
    lab.wait_in(MAILBOX, "banned 192.0.2.66");
    lab.wait("nothing waits", || waiting(&lab).is_empty().then_some(()));
    let text = lab.read(MAILBOX);
    assert_eq!(
        text.matches("Subject: [Fail2Ban] SSH: banned 192.0.2.66 from lab")
            .count(),
        1
    );
}

#[test]
fn bans_reach_the_kernel_while_mail_whois_and_names_hang() {
    let lab = world();
    smtpd(&lab, "hang");
    // A name server that hears and never answers.
    lab.write("/etc/resolv.conf", "nameserver 127.0.0.1\n");
    lab.write(
        "/run/dns.py",
        "import socket, time\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         s.bind(('127.0.0.1', 53))\nopen('/run/dns', 'w').close()\ntime.sleep(100000)\n",
    );
    background(&lab, &format!("{PYTHON} /run/dns.py"));
    lab.wait("a name server", || {
        lab.path("/run/dns").exists().then_some(())
    });
    lab.write(
        "jail.local",
        format!(
            "[sshd]\nenabled = true\nlogpath = {LOG}\nmaxretry = 3\naction = nftables[port=ssh]\n         \
             sendmail-whois[name=a, smtp=\"127.0.0.1:2525\", whoisserver=\"127.0.0.1:2525\"]\n         \
             sendmail-whois[name=b, smtp=\"mx.example.com\"]\n         \
             sendmail[name=c, mailcmd=\"/bin/sleep 100000\"]\n"
        ),
    );
    lab.start();
    lab.wait_in(HEARD, "hangs");
    for host in 1..=40 {
        lab.append(LOG, lab.failures(&format!("198.51.100.{host}"), 3));
    }
    lab.wait("forty in the kernel", || {
        let set = lab.kernel("nft list ruleset");
        (set.matches("198.51.100.").count() == 40).then_some(())
    });
    assert!(
        !lab.log().contains("is sent"),
        "nobody took a mail: {}",
        lab.log()
    );
    assert_eq!(lab.ask(&["ping"]), "Server replied: pong\n");
    assert!(waiting(&lab).len() >= 3);
    lab.ask(&["stop"]);
    lab.wait_for("mails wait for the next start");
    lab.wait_for("Exiting Fail2ban");
}

#[test]
fn ten_thousand_bans_in_a_minute_are_ten_mails_and_little_memory() {
    let lab = world();
    sendmail(&lab);
    lab.write("fail2ban.local", "");
    lab.write(
        "jail.local",
        format!(
            "[sshd]\nenabled = true\nlogpath = {LOG}\n\
             action = sendmail-whois[name=SSH, whoisserver=\"127.0.0.1:1\"]\n"
        ),
    );
    lab.start();
    lab.wait_in(MAILBOX, "the jail SSH has started");
    let addresses: Vec<String> = (0..10_000)
        .map(|n| format!("198.18.{}.{}", n / 250, n % 250 + 1))
        .collect();
    for some in addresses.chunks(2500) {
        let mut words = vec!["set", "sshd", "banip"];
        words.extend(some.iter().map(String::as_str));
        lab.ask(&words);
    }
    lab.wait_for("Ban 198.18.39.250");
    lab.wait("all but the digest are sent", || {
        let files = waiting(&lab);
        let [file] = files.as_slice() else {
            return None;
        };
        let lines = lab.shell(&format!("wc -l < {WAITING}/{file}"));
        // One line is the mail's own.
        (lines.trim() == (10_000 - 7 + 1).to_string()).then_some(())
    });
    let mails = lab.read(MAILBOX).matches("called: ").count();
    assert_eq!(
        mails, 8,
        "the start's and seven bans'; the digest is the ninth"
    );
    let pid = daemon(&lab);
    let status = lab.shell(&format!("cat /proc/{pid}/status"));
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .and_then(|text| text.trim().trim_end_matches(" kB").parse().ok())
        .expect("a peak");
    assert!(
        peak < 64 * 1024,
        "{peak} KiB at most, of a binary without optimisation"
    );
}

#[test]
fn a_mail_nobody_takes_is_given_up_loudly() {
    let lab = world();
    lab.write("jail.local", jail_with_smtp("retry=1s, giveup=2s"));
    lab.start();
    lab.append(LOG, lab.failures(ATTACKER, 3));
    let line = lab.wait_for(
        "mail '[Fail2Ban] sshd: banned 192.0.2.66 from lab' to you@example.com is given up after",
    );
    assert!(
        line.contains("ERROR") && line.contains("Connection refused"),
        "{line}"
    );
    lab.wait("nothing waits", || waiting(&lab).is_empty().then_some(()));
    let status = lab.run(&["rban", "status", "--check"]);
    assert_eq!(status.code, 1, "{}", status.text());
    assert!(status.out.contains("given up"), "{}", status.out);
    // The ban is none the worse for it.
    assert!(lab.kernel("nft list ruleset").contains(ATTACKER));
}

#[test]
fn a_digest_collects_bans_that_are_few() {
    let lab = world();
    sendmail(&lab);
    lab.write(
        "jail.local",
        format!(
            "[sshd]\nenabled = true\nlogpath = {LOG}\nmaxretry = 3\n\
             action = sendmail-whois[name=SSH, digest=3s, whoisserver=\"127.0.0.1:1\"]\n"
        ),
    );
    lab.start();
    lab.wait_in(MAILBOX, "the jail SSH has started");
    for host in [7, 8, 9] {
        lab.append(LOG, lab.failures(&format!("203.0.113.{host}"), 3));
    }
    lab.wait_in(MAILBOX, "Subject: [Fail2Ban] SSH: summary from lab, 3 bans");
    lab.wait_in(MAILBOX, "203.0.113.9  3 attempts");
    let text = lab.read(MAILBOX);
    assert!(text.contains("       3  203.0.113.0/24"), "{text}");
    assert!(!text.contains("SSH: banned"), "{text}");
}

#[test]
fn nothing_out_of_a_log_or_a_registry_gets_into_a_header() {
    let lab = world();
    smtpd(&lab, "accept");
    lab.write(
        "/run/whois.py",
        "import socket\nserver = socket.create_server((\"127.0.0.1\", 43))\nwhile True:\n    \
         client, _ = server.accept()\n    client.makefile().readline()\n    \
         client.sendall(b\"\\r\\n.\\r\\nQUIT\\r\\nSubject: evil\\r\\nBcc: evil@example.com\\r\\n\")\n    \
         client.close()\n",
    );
    background(&lab, &format!("{PYTHON} /run/whois.py"));
    lab.wait("whois listens", || listens(&lab, ":002B"));
    lab.write(
        "jail.local",
        format!(
            "[sshd]\nenabled = true\nbackend = polling\nfilter =\nlogpath = {LOG}\nmaxretry = 1\n\
             failregex = ^ login of <F-ID>.+</F-ID> failed$\n\
             action = sendmail-whois-matches[name=\"Zoë, <x@example.com> Bcc: evil\", \
             dest=you@example.com, sender=guard@example.org, \
             sendername=\"Zoë, Bcc: evil@example.com <evil@example.com>\", \
             smtp=\"127.0.0.1:2525\", whoisserver=127.0.0.1]\n"
        ),
    );
    lab.start();
    let now = jiff_now();
    let evil = "x\u{1b}[2J\u{85}\u{2028}\tBcc: evil@example.com\r\u{b}'; touch /run/pwned; `id`";
    lab.append(LOG, format!("{now} login of {evil} failed\n"));
    lab.append(LOG, format!("{now} login of 203.0.113.7 failed\n"));
    lab.wait("three mails", || {
        (heard(&lab, "started") == 1 && heard(&lab, "banned") == 2).then_some(())
    });
    for line in lab.read(HEARD).lines() {
        let mail: serde_json::Value = serde_json::from_str(line).expect("JSON");
        if mail["subject"].is_null() {
            continue;
        }
        assert_eq!(mail["rcpt"], serde_json::json!(["you@example.com"]));
        assert_eq!(mail["mail_from"], "guard@example.org");
        assert_eq!(mail["to"], "you@example.com", "{mail}");
        assert_eq!(mail["defects"], serde_json::json!([]), "{mail}");
        let mut headers: Vec<&str> = mail["headers"]
            .as_array()
            .expect("headers")
            .iter()
            .filter_map(serde_json::Value::as_str)
            .filter(|name| *name != "Content-Transfer-Encoding" && !name.starts_with("X-"))
            .collect();
        headers.sort_unstable();
        let expected = [
            "Auto-Submitted",
            "Content-Type",
            "Date",
            "From",
            "MIME-Version",
            "Message-ID",
            "Subject",
            "To",
        ];
        assert_eq!(headers, expected, "{mail}");
        let text = mail["texts"][0].as_str().expect("a text");
        let control = |c: char| c.is_control() && !matches!(c, '\r' | '\n' | '\t');
        assert!(!text.contains(control), "{text:?}");
    }
}

/// As a log's lines begin.
#[expect(clippy::disallowed_methods, reason = "the daemon lives in the present")]
fn jiff_now() -> String {
    jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[test]
fn smtp_py_speaks_to_the_server_as_fail2bans_does() {
    let told = |program| {
        let lab = Lab::new(program);
        lab.write(
            "/etc/hosts",
            "127.0.0.1 localhost\n127.0.1.1 lab.example.net lab\n",
        );
        let stock = fs::read("/etc/fail2ban/action.d/smtp.py").expect("fail2ban's smtp.py");
        lab.write("action.d/smtp.py", stock);
        lab.append(LOG, "");
        smtpd(&lab, "accept");
        lab.write(
            "jail.local",
            format!(
                "[sshd]\nenabled = true\nbackend = polling\nlogpath = {LOG}\nmaxretry = 3\n\
                 action = smtp.py[host=\"127.0.0.1:2525\", dest=\"you@example.com, \
                 me@example.com\", sender=guard@example.org, sendername=\"The Guard\", \
                 matches=matches]\n"
            ),
        );
        lab.start();
        lab.append(LOG, lab.failures(ATTACKER, 3));
        lab.wait("the ban's mail", || {
            (heard(&lab, "banned 192.0.2.66") == 1).then_some(())
        });
        // Nothing for what is restored.
        for starts in [2, 3] {
            lab.ask(&["restart"]);
            lab.wait("a start's mail", || {
                (heard(&lab, "started") == starts).then_some(())
            });
        }
        lab.ask(&["stop"]);
        lab.wait("the last mail", || {
            (heard(&lab, "stopped") == 3).then_some(())
        });
        let text = lab.read(HEARD);
        let mails = text.lines().filter_map(|line| {
            let mail: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let subject = mail["subject"].as_str()?.to_owned();
            let matched = mail["texts"][0]
                .as_str()
                .is_some_and(|text| text.contains("Failed password for root"));
            Some((
                subject,
                mail["from"].to_string(),
                mail["to"].to_string(),
                mail["mail_from"].to_string(),
                mail["rcpt"].to_string(),
                matched,
            ))
        });
        let mut mails: Vec<_> = mails.collect();
        mails.sort();
        mails
    };
    assert_eq!(told(Program::Rban), told(Program::Fail2ban));
}
