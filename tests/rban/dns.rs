//! Names: what comes of reverse DNS, of host names in logs and in `ignoreip`, asked of a real name
//! server in a private network, with hostile and silent ones behind it.

use std::fmt::Write as _;

use crate::lab::{Lab, Program};

/// What dnsmasq answers itself; the rest of these zones is for `dns.py`.
const ZONES: &str = "
port=53
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
user=root
local-ttl=60
neg-ttl=60
ptr-record=66.2.0.192.in-addr.arpa,attacker.example.com
host-record=attacker.example.com,192.0.2.66
ptr-record=67.2.0.192.in-addr.arpa,liar.example.com
host-record=liar.example.com,203.0.113.9
ptr-record=68.2.0.192.in-addr.arpa,nowhere.example.com
ptr-record=8.b.d.0.1.0.0.2.ip6.arpa,short.example.com
ptr-record=5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa,six.example.com
host-record=six.example.com,2001:db8::5
host-record=both.example.com,203.0.113.5,2001:db8:5::5
host-record=www.example.com,203.0.113.80
host-record=whois.iana.org,127.0.1.1
host-record=whois.good.example.com,127.0.1.2
host-record=whois.loop.example.com,127.0.1.3
host-record=whois.good2.example.com,127.0.1.4
host-record=whois.binary.example.com,127.0.1.5
host-record=whois.endless.example.com,127.0.1.6
host-record=whois.slow.example.com,127.0.1.7
host-record=whois.silent.example.com,127.0.1.8
host-record=whois.gone.example.com,127.0.1.9
host-record=home.example.com,203.0.113.90
host-record=lab.example.com,192.0.2.1
local=/example.com/
local=/2.0.192.in-addr.arpa/
local=/8.b.d.0.1.0.0.2.ip6.arpa/
server=/100.51.198.in-addr.arpa/127.0.0.1#5354
server=/slow.example/127.0.0.1#5354
server=/broken.example/127.0.0.1#5354
server=/many.example/127.0.0.1#5354
server=/crowd.example/127.0.0.1#5354
local=/example/
txt-record=66.2.0.192.origin.asn.cymru.com,64500 | 192.0.2.0/24 | NL | ripencc | 2001-01-01
txt-record=67.2.0.192.origin.asn.cymru.com,64502 | 192.0.2.0/24 | DE | ripencc | 2001-01-01
txt-record=67.2.0.192.origin.asn.cymru.com,64501 | 192.0.2.64/26 | DE |  | 
txt-record=5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.origin6.asn.cymru.com,64503 | 2001:db8::/32 |  | arin | 2002-02-02
local=/cymru.com/
";

/// A world with name servers.
pub(crate) fn lab(program: Program) -> Lab {
    let lab = Lab::new(program);
    lab.write("/etc/resolv.conf", "nameserver 127.0.0.1\n");
    lab.write("/etc/nsswitch.conf", "hosts: files dns\n");
    lab.write(
        "/etc/hosts",
        "127.0.0.1 localhost lab\n203.0.113.77 filed.example.com filed # ours\n",
    );
    lab.write("/run/dnsmasq.conf", ZONES);
    lab.write("/run/dns.py", include_str!("dns.py"));
    lab.shell("python3 /run/dns.py </dev/null >/run/dns.log 2>&1 &");
    lab.wait_in("/run/dns-ready", "ready");
    lab.shell("dnsmasq --conf-file=/run/dnsmasq.conf --pid-file=/run/dnsmasq.pid");
    lab
}

const TELL: &str = "[Definition]\nactionban = printf '%%s=%%s\\n' <ip> <ip-host> >> /run/told\n";

#[test]
fn ip_host_is_what_fail2ban_says_and_nothing_that_a_shell_could_run() {
    let asked = [
        "192.0.2.66",
        "192.0.2.67",
        "192.0.2.68",
        "192.0.2.69",
        "2001:db8::5",
        "203.0.113.77",
        "198.51.100.1",
        "198.51.100.2",
        "198.51.100.3",
        "198.51.100.8",
    ];
    let told = |program| {
        let lab = lab(program);
        lab.write("action.d/tell.conf", TELL);
        lab.write(
            "jail.local",
            "[lab]\nenabled = true\nfilter =\nfailregex = x <HOST>\nlogpath = /etc/hosts\n\
             action = tell\nbackend = polling\n",
        );
        lab.start();
        for address in asked {
            lab.ask(&["set", "lab", "banip", address]);
            lab.wait_in("/run/told", &format!("{address}="));
        }
        assert!(!lab.path("/run/pwned").exists());
        lab.read("/run/told")
    };
    let ours = told(Program::Rban);
    assert_eq!(ours, told(Program::Fail2ban));
    assert!(ours.starts_with(
        "192.0.2.66=attacker.example.com\n192.0.2.67=liar.example.com\n\
         192.0.2.68=nowhere.example.com\n192.0.2.69=None\n2001:db8::5=six.example.com\n\
         203.0.113.77=filed.example.com\n"
    ));
}

#[test]
fn this_host_is_called_as_by_fail2ban() {
    const SAY: &str =
        "[Definition]\nactionban = echo <ip> <fq-hostname> <sh-hostname> >> /run/told\n";
    let told = |program, hosts: &str| {
        let lab = lab(program);
        lab.write(
            "/etc/resolv.conf",
            "nameserver 127.0.0.1\nsearch example.com\n",
        );
        lab.write("/etc/hosts", hosts);
        lab.write("action.d/say.conf", SAY);
        lab.write(
            "jail.local",
            "[lab]\nenabled = true\nfilter =\nfailregex = x <HOST>\nlogpath = /etc/hosts\n\
             action = say\nbackend = polling\n",
        );
        lab.start();
        lab.ask(&["set", "lab", "banip", "203.0.113.5"]);
        lab.wait_in("/run/told", "203.0.113.5")
    };
    for (hosts, expected) in [
        (
            "127.0.0.1 localhost\n127.0.1.1 lab.example.net lab\n",
            "203.0.113.5 lab.example.net lab",
        ),
        // Nobody but the name server knows it.
        ("127.0.0.1 localhost\n", "203.0.113.5 lab.example.com lab"),
    ] {
        let ours = told(Program::Rban, hosts);
        assert_eq!(ours, expected);
        assert_eq!(ours, told(Program::Fail2ban, hosts));
    }
}

/// Host names, networks and single addresses as arguments, to both programs.
#[test]
fn names_and_networks_are_ignored_banned_and_unbanned_as_by_fail2ban() {
    const STORY: &str = "
        set lab addignoreip www.example.com
        set lab addignoreip 203.0.113.32/28
        set lab addignoreip 2001:db8:7::/48
        get lab ignoreip
        set lab attempt 203.0.113.80 x
        set lab attempt 203.0.113.33 x
        set lab attempt 2001:db8:7::1 x
        set lab attempt 203.0.113.48 x
        set lab delignoreip www.example.com
        set lab attempt 203.0.113.80 x
        set lab banip 203.0.113.5 2001:db8:5::5 203.0.113.80 198.51.100.1 198.51.100.200 2001:db8::77
        set gate banip 203.0.113.5 203.0.113.80
        get lab banip
        set lab unbanip nowhere.example.com
        set lab unbanip --report-absent nowhere.example.com
        set lab unbanip --report-absent www.example.com nowhere.example.com 192.0.2.250
        get lab banip
        set lab unbanip both.example.com
        get lab banip
        get gate banip
        set lab unbanip 198.51.100.0/24
        set lab unbanip 198.51.100.0/24
        get lab banip
        set lab banip 198.51.100.0/25
        set lab banip 198.51.100.0/25
        get lab banip
        set lab unbanip 198.51.100.7
        set lab unbanip 198.51.100.0/25
        set lab banip 203.0.113.80
        unban www.example.com
        unban both.example.com 2001:db8::/32
        get lab banip
        get gate banip";
    let told = |program| {
        let lab = lab(program);
        lab.write("action.d/tell.conf", TELL);
        let jail = |name| {
            format!(
                "[{name}]\nenabled = true\nfilter =\nfailregex = x <HOST>\nlogpath = /etc/hosts\n\
                 backend = polling\nmaxretry = 9\n"
            )
        };
        lab.write("jail.local", jail("gate") + &jail("lab"));
        lab.start();
        let lines = STORY.lines().map(str::trim).filter(|line| !line.is_empty());
        lines
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                let reply = lab.client(&words);
                let mut out: Vec<String> = reply.out.lines().map(str::to_owned).collect();
                out.sort_unstable();
                format!("{line}: {} {out:?}", reply.code)
            })
            .collect::<Vec<_>>()
    };
    let (ours, theirs) = (told(Program::Rban), told(Program::Fail2ban));
    // 1.0.2 does not look at whom to ignore at an attempt, 1.1 does.
    let attempts = ours.iter().filter(|told| told.contains(" attempt "));
    let counted: Vec<bool> = attempts.map(|told| told.ends_with("[\"1\"]")).collect();
    assert_eq!(counted, [false, false, false, true, true], "{ours:#?}");
    let told = ours.iter().zip(&theirs);
    let different: Vec<_> = told
        .filter(|(ours, theirs)| ours != theirs && !ours.contains(" attempt "))
        .collect();
    assert!(different.is_empty(), "{different:#?}");
    assert!(
        ours.contains(&"set lab unbanip both.example.com: 0 [\"2\"]".to_owned()),
        "{ours:#?}"
    );
}

/// Puts whois servers into a world, and a sendmail that decodes what it is given.
fn whois(lab: &Lab) {
    lab.write("/run/whois.py", include_str!("whois.py"));
    lab.shell("python3 /run/whois.py </dev/null >/run/whois.log 2>&1 &");
    lab.wait_in("/run/whois-ready", "ready");
    lab.write(
        "/run/sendmail",
        "#!/usr/bin/python3\nimport email, sys\n\
         mail = email.message_from_binary_file(sys.stdin.buffer)\n\
         text = mail.get_payload(decode=True).decode().replace('\\r\\n', '\\n')\n\
         open(sys.argv[1], 'w').write(f'{mail[\"Subject\"]}\\n{text}\\nthe end\\n')\n",
    );
    lab.shell("chmod 755 /run/sendmail");
}

/// Jails that only mail, each with a worker of its own.
fn mailers(names: &[&str]) -> String {
    let mut text = String::new();
    for name in names {
        let _ = writeln!(
            text,
            "[{name}]\nenabled = true\nfilter =\nfailregex = x <HOST>\nlogpath = /etc/hosts\n\
             backend = polling\nignoreself = false\n\
             action = sendmail-whois[name=SSH, dest=a@example.com, sender=b@example.com, \
             mailcmd=\"/run/sendmail /run/mail-{name}\", norestored=1]\n"
        );
    }
    text
}

#[test]
fn a_mail_says_what_names_and_whois_say_or_that_they_say_nothing() {
    let lab = lab(Program::Rban);
    whois(&lab);
    let bans = [
        ("good", "192.0.2.66"),
        ("liar", "192.0.2.67"),
        ("six", "2001:db8::5"),
        ("loop", "198.51.100.1"),
        ("crlf", "198.51.100.2"),
        ("hang", "198.51.100.4"),
        ("fail", "198.51.100.5"),
        ("many", "198.51.100.6"),
        ("noise", "198.51.100.7"),
        ("binary", "2001:db8:1::5"),
        ("endless", "2001:db8:2::5"),
        ("slow", "2001:db8:3::5"),
        ("silent", "2001:db8:4::5"),
        ("gone", "2001:db8:5::5"),
        ("nowhere", "2001:db8:6::5"),
        ("private", "10.1.2.3"),
    ];
    let names: Vec<&str> = bans.iter().map(|(name, _)| *name).collect();
    lab.write("jail.local", mailers(&names));
    lab.start();
    for (name, address) in bans {
        lab.ask(&["set", name, "banip", address]);
    }
    let mail = |name: &str| {
        let file = format!("/run/mail-{name}");
        lab.wait("the mail of a ban", || {
            let text = lab.read(&file);
            (text.contains("] SSH: banned") && text.ends_with("the end\n")).then_some(text)
        })
    };
    for (name, parts) in [
        (
            "good",
            &[
                "[Fail2Ban] SSH: banned 192.0.2.66 from lab\n",
                "Name:      attacker.example.com\n",
                "netname: GOOD-NET\ndescr: Müller\n",
            ][..],
        ),
        (
            "liar",
            &["Name:      liar.example.com (not confirmed", "GOOD-NET"],
        ),
        (
            "six",
            &["Name:      six.example.com\n", "inet6num: 2001:db8::/48"],
        ),
        ("loop", &[".example (not confirmed", "LOOP-NET-2"]),
        (
            "crlf",
            &[
                "Name:      none (what stands there is no host name: a??Bcc??b?example.com??2J?.example)\n",
            ],
        ),
        ("hang", &["Name:      not known (", "LOOP-NET-2"]),
        (
            "fail",
            &["Name:      not known (the name server says Server Failure)\n"],
        ),
        ("many", &["Name:      n6.many.example\n"]),
        ("noise", &["Name:      not known ("]),
        (
            "binary",
            &[
                "Name:      none\n",
                "Subject: injected\n\u{fffd}]0;title\u{fffd}\n.\n",
            ],
        ),
        (
            "endless",
            &["remarks: and so on\n", "(cut: the answer is longer)\n"],
        ),
        (
            "slow",
            &["netnam", "(cut: the rest did not come in time)\n"],
        ),
        (
            "silent",
            &[
                "refer:        whois.silent.example.com\n",
                "(whois.silent.example.com does not answer: not done after 5 s)\n",
            ],
        ),
        (
            "gone",
            &["(whois.gone.example.com does not answer: Connection refused (os error 111))\n"],
        ),
        (
            "nowhere",
            &["(whois.nowhere.example.com does not answer: it has no address: "],
        ),
        ("private", &["10.1.2.3 is an address of a private network"]),
    ] {
        let text = mail(name);
        for part in parts {
            assert!(text.contains(part), "{name}: {part}\n{text}");
        }
        assert!(text.contains("To lift the ban:"), "{name}: {text}");
        let control = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!text.contains(control), "{name}: {text:?}");
        assert!(text.len() < 70_000, "{name}: {} bytes", text.len());
    }
    // One network, one question, whoever asks; and none about a private one.
    let asked = lab.read("/run/whois-asked");
    let about = |start: &str| asked.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(about("127.0.1.2 192.0.2."), 1, "{asked}");
    assert_eq!(about("127.0.1.3 "), 1, "{asked}");
    assert!(!asked.contains("10.1.2.3"), "{asked}");
}

#[test]
fn no_ban_waits_for_names_or_whois_that_hang() {
    let lab = lab(Program::Rban);
    whois(&lab);
    // Nobody answers anything.
    lab.write("/etc/resolv.conf", "nameserver 127.0.0.9\n");
    lab.shell("nft 'add table ip mute; add chain ip mute in { type filter hook input priority 0; }; add rule ip mute in ip daddr 127.0.0.9 drop'");
    lab.write("action.d/tell.conf", TELL);
    lab.write(
        "jail.local",
        "[sshd]\nenabled = true\nbackend = auto\nlogpath = /var/log/auth.log\nmaxretry = 2\n\
         banaction = nftables\nbantime = 600\n\
         action = tell\n sendmail-whois[name=SSH, mailcmd=\"/run/sendmail /run/mail-hang\"]\n %(action_)s\n",
    );
    lab.append("/var/log/auth.log", "");
    lab.start();
    for n in 1..=200 {
        lab.append(
            "/var/log/auth.log",
            lab.failures(&format!("203.0.113.{n}"), 2),
        );
    }
    lab.wait("all banned in the kernel", || {
        let set = lab.kernel("nft list ruleset");
        set.contains("203.0.113.200").then_some(())
    });
    // The kernel was first: the others still wait for an answer that takes them 5 s.
    assert!(!lab.read("/run/told").contains("203.0.113.200"));
    // They go out all the same, without 200 times 5 s.
    let told = lab.wait_in("/run/told", "203.0.113.200=");
    assert_eq!(told, "203.0.113.200=None");
    lab.wait_in("/run/mail-hang", "Name:      not known (");
}

/// What a program's log says about failures, names and bans, without what differs by nature.
fn said(lab: &Lab) -> Vec<String> {
    let mut said = Vec::new();
    for line in lab.log().lines() {
        let Some((_, message)) = line.split_once("]: ") else {
            continue;
        };
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        let wanted = ["Found", "Ban", "Determined", "Unable to find", "Ignore"];
        if !wanted.iter().any(|word| message.contains(word)) {
            continue;
        }
        // Python prints a set in any order.
        let message = match message.split_once(" = {") {
            Some((start, set)) => {
                let mut items: Vec<&str> = set.trim_end_matches('}').split(", ").collect();
                items.sort_unstable();
                format!("{start} = {}", items.join(", "))
            }
            None => message,
        };
        // The moment of a failure is that of its line.
        let message = message.split(" - 20").next().unwrap_or_default().to_owned();
        said.push(message);
    }
    // Its threads may ask, and warn, at the same time.
    said.sort();
    said.dedup();
    said
}

#[test]
fn usedns_finds_bans_and_warns_as_fail2ban_does() {
    let run = |program| {
        let lab = lab(program);
        lab.write(
            "/etc/resolv.conf",
            "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        );
        let mut jails = String::new();
        for mode in ["yes", "warn", "no", "raw"] {
            // A name that is an ID of its own is ignored by us if it stands there, not by 1.0.2.
            let ignored = if mode == "raw" {
                ""
            } else {
                "home.example.com"
            };
            let _ = writeln!(
                jails,
                "[{mode}]\nenabled = true\nfilter =\nfailregex = ^ login from <HOST> failed$\n\
                 logpath = /var/log/lab.log\nbackend = polling\nusedns = {mode}\nmaxretry = 1\n\
                 bantime = 600\naction =\nignoreip = {ignored}\n"
            );
        }
        lab.write("jail.local", jails);
        lab.append("/var/log/lab.log", "");
        lab.start();
        let now = this_moment();
        for host in [
            "www.example.com",
            "both.example.com",
            "home.example.com",
            "filed.example.com",
            "nope.example.com",
            "x.broken.example",
            "attacker.example.com",
            "192.0.2.99",
        ] {
            lab.append(
                "/var/log/lab.log",
                format!("{now} login from {host} failed\n"),
            );
        }
        for jail in ["yes", "warn", "no", "raw"] {
            lab.wait_for(&format!("[{jail}] Ban 192.0.2.99"));
        }
        let bans = |jail: &str| {
            let mut bans: Vec<String> = lab
                .ask(&["get", jail, "banip"])
                .split_whitespace()
                .map(str::to_owned)
                .collect();
            bans.sort();
            bans
        };
        lab.wait("names are resolved", || {
            (bans("yes").len() >= 6 && bans("warn").len() >= 6).then_some(())
        });
        lab.wait("names are given up", || {
            let log = lab.log();
            (log.contains("nope.example.com:") && log.contains("x.broken.example:")).then_some(())
        });
        (["yes", "warn", "no", "raw"].map(bans), said(&lab))
    };
    let (ours, theirs) = (run(Program::Rban), run(Program::Fail2ban));
    assert_eq!(ours.0, theirs.0);
    assert_eq!(ours.1, theirs.1, "{:#?}\n{:#?}", ours.1, theirs.1);
}

#[test]
fn hostile_names_in_a_log_hold_up_no_ban_and_no_name_of_ours_and_fill_no_memory() {
    let lab = lab(Program::Rban);
    lab.write(
        "jail.local",
        "[lab]\nenabled = true\nfilter =\nfailregex = ^ login from <HOST> failed$\n\
         logpath = /var/log/lab.log\nbackend = auto\nusedns = yes\nmaxretry = 1\naction =\n",
    );
    lab.append("/var/log/lab.log", "");
    lab.start();
    let now = this_moment();
    lab.append(
        "/var/log/lab.log",
        format!("{now} login from 203.0.113.1 failed\n"),
    );
    lab.wait_for("Ban 203.0.113.1");
    let resident = || -> u64 {
        let text = lab.shell("cat /proc/$(cat /run/fail2ban/fail2ban.pid)/status");
        let line = text.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number
            .and_then(|number| number.parse().ok())
            .expect("a number")
    };
    let before = resident();
    let mut flood = String::new();
    for n in 0..30_000 {
        let _ = writeln!(
            flood,
            "{now} login from h{n}.{}.slow.example failed",
            "x".repeat(60)
        );
    }
    lab.append("/var/log/lab.log", &flood);
    lab.append(
        "/var/log/lab.log",
        format!("{now} login from 203.0.113.2 failed\n"),
    );
    lab.wait_for("Ban 203.0.113.2");
    // Hundreds of questions wait for their five seconds; the operator's goes first.
    lab.ask(&["set", "lab", "addignoreip", "home.example.com"]);
    lab.append(
        "/var/log/lab.log",
        format!("{now} login from 203.0.113.90 failed\n"),
    );
    lab.wait_for("Ignore 203.0.113.90 by dns");
    let asked = lab.read("/run/asked").lines().count();
    assert!(
        asked < 1000,
        "{asked} questions were sent before the operator's"
    );
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more");
}

/// As the log's lines begin.
#[expect(clippy::disallowed_methods, reason = "the daemon lives in the present")]
fn this_moment() -> String {
    jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[test]
fn where_the_banned_come_from_is_told_side_by_side() {
    let lab = lab(Program::Rban);
    let jail = |name: &str| {
        format!(
            "[{name}]\nenabled = true\nfilter =\nfailregex = x <HOST>\nlogpath = /etc/hosts\n\
             action =\nbackend = polling\n"
        )
    };
    lab.write("jail.local", jail("lab") + &jail("empty"));
    lab.start();
    for address in ["192.0.2.66", "192.0.2.67", "203.0.113.1", "2001:db8::5"] {
        lab.ask(&["set", "lab", "banip", address]);
    }
    let lists = |words: &[&str]| -> Vec<String> {
        let told = lab.ask(words);
        let list = |line: &str| Some(line.split_once("Banned ")?.1.to_owned());
        told.lines().filter_map(list).collect()
    };
    let known = [
        "IP list:\t192.0.2.66 192.0.2.67 203.0.113.1 2001:db8::5",
        "ASN list:\t64500 64501, 64502 nxdomain 64503",
        "Country list:\tNL DE nxdomain unknown",
        "RIR list:\tripencc ripencc, unknown nxdomain arin",
    ];
    assert_eq!(lists(&["status", "lab", "cymru"]), known);
    let nobody = [
        "IP list:\t",
        "ASN list:\terror",
        "Country list:\terror",
        "RIR list:\terror",
    ];
    let all = lists(&["status", "--all", "cymru"]);
    assert_eq!(all[..8], [nobody, known].concat());
    // A name server that is gone costs nobody else an answer.
    lab.shell("kill $(cat /run/dnsmasq.pid)");
    assert_eq!(
        lists(&["status", "lab", "cymru"])[1..],
        [
            "ASN list:\terror",
            "Country list:\terror",
            "RIR list:\terror"
        ]
    );
}
