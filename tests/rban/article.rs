//! The article rban started from, step by step, with a real sshd, a real attacker and real
//! logrotate: every story is told to rban and, where it can tell it, to the installed fail2ban.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;

use crate::lab::{ATTACKER, ATTACKER6, LOG, Lab, NEIGHBOUR, Program, SERVER};

const JAIL: &str = "ssh-iptables";
const SECURE: &str = "/var/log/secure";

/// Tells a story to both programs, as two tests.
macro_rules! told_to_both {
    ($($story:ident),* $(,)?) => {$(
        mod $story {
            #[test]
            fn by_rban() {
                super::$story(crate::lab::Program::Rban);
            }
            #[test]
            fn by_fail2ban() {
                super::$story(crate::lab::Program::Fail2ban);
            }
        }
    )*};
}

told_to_both!(
    the_third_wrong_password_closes_the_port,
    a_ban_ends_after_bantime,
    a_restart_keeps_the_bans,
    both_families_are_banned,
    the_operators_own_filter_and_chain_name_work,
    every_line_of_the_log_has_the_one_format,
    flushlogs_goes_on_in_a_new_file,
    sigusr1_goes_on_in_a_new_file,
    the_log_can_be_put_elsewhere_and_back,
);

fn fixture(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/article")
        .join(name);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Steps 1 and 2: the article's configuration, nothing running yet.
fn configured(program: Program) -> Lab {
    let lab = Lab::new(program);
    lab.write("fail2ban.local", fixture("fail2ban.local"));
    lab.write("jail.local", fixture("jail.local"));
    lab.write(SECURE, "");
    lab
}

/// Step 3: it runs.
fn running(program: Program) -> Lab {
    let lab = configured(program);
    lab.start();
    lab.wait_for("Jail 'ssh-iptables' started");
    lab
}

/// The addresses of the log's `Ban` lines.
fn bans(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.split_once(" Ban "))
        .filter(|(before, _)| before.ends_with(']'))
        .map(|(_, address)| address.to_owned())
        .collect()
}

/// Bans one address after the other by the client; each makes a line in the log.
fn ban_each(lab: &Lab, network: &str, hosts: std::ops::Range<u8>) -> Vec<String> {
    let addresses: Vec<String> = hosts.map(|host| format!("{network}.{host}")).collect();
    for address in &addresses {
        lab.ask(&["set", JAIL, "banip", address]);
    }
    addresses
}

fn the_third_wrong_password_closes_the_port(program: Program) {
    let lab = configured(program);
    lab.sshd(SECURE);
    lab.start();
    assert_eq!(
        lab.ask(&["status"]),
        "Status\n|- Number of jail:\t1\n`- Jail list:\tssh-iptables\n"
    );
    lab.wait_for("Jail 'ssh-iptables' started");

    lab.attack(ATTACKER, 2);
    lab.wait("two failures found", || {
        (lab.log().matches("[ssh-iptables] Found 192.0.2.66").count() == 2).then_some(())
    });
    assert_eq!(lab.knock(ATTACKER), "open", "two failures are not three");
    assert!(!lab.kernel("iptables -S").contains("192.0.2.66"));

    lab.attack(ATTACKER, 1);
    lab.wait_for("[ssh-iptables] Ban 192.0.2.66");
    lab.wait_until("refused", ATTACKER);
    assert_eq!(
        lab.kernel("iptables -S"),
        "-P INPUT ACCEPT\n\
         -P FORWARD ACCEPT\n\
         -P OUTPUT ACCEPT\n\
         -N f2b-SSH\n\
         -A INPUT -p tcp -m tcp --dport 22 -j f2b-SSH\n\
         -A f2b-SSH -s 192.0.2.66/32 -j REJECT --reject-with icmp-port-unreachable\n\
         -A f2b-SSH -j RETURN\n"
    );
    assert!(lab.login(NEIGHBOUR), "only the attacker is banned");
    assert_eq!(
        lab.ask(&["status", JAIL]),
        "Status for the jail: ssh-iptables\n\
         |- Filter\n\
         |  |- Currently failed:\t0\n\
         |  |- Total failed:\t3\n\
         |  `- File list:\t/var/log/secure\n\
         `- Actions\n   \
            |- Currently banned:\t1\n   \
            |- Total banned:\t1\n   \
            `- Banned IP list:\t192.0.2.66\n"
    );

    assert_eq!(lab.ask(&["stop"]), "Shutdown successful\n");
    lab.wait_for("Exiting Fail2ban");
    assert_eq!(
        lab.kernel("iptables -S"),
        "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n",
        "stop removes chain and jump"
    );
    assert!(lab.login(ATTACKER));
}

fn a_ban_ends_after_bantime(program: Program) {
    let lab = configured(program);
    lab.sshd(SECURE);
    lab.start();
    assert_eq!(lab.ask(&["set", JAIL, "bantime", "6"]), "6\n");
    lab.attack(ATTACKER, 3);
    lab.wait_until("refused", ATTACKER);
    lab.wait_for("[ssh-iptables] Unban 192.0.2.66");
    lab.wait_until("open", ATTACKER);
    assert!(lab.login(ATTACKER));
    assert!(lab.ask(&["status", JAIL]).contains("Currently banned:\t0"));
}

fn a_restart_keeps_the_bans(program: Program) {
    let lab = running(program);
    ban_each(&lab, "198.51.100", 1..4);
    lab.wait("three rules", || {
        (lab.kernel("iptables -S f2b-SSH").matches("REJECT").count() == 3).then_some(())
    });
    lab.ask(&["stop"]);
    lab.wait_for("Exiting Fail2ban");
    lab.start();
    lab.wait_for("[ssh-iptables] Restore Ban 198.51.100.3");
    lab.wait("three rules again", || {
        (lab.run(&["iptables", "-S", "f2b-SSH"])
            .out
            .matches("REJECT")
            .count()
            == 3)
            .then_some(())
    });
}

fn both_families_are_banned(program: Program) {
    let lab = configured(program);
    lab.sshd(SECURE);
    lab.start();
    lab.attack(ATTACKER6, 3);
    lab.wait_for("[ssh-iptables] Ban 2001:db8::66");
    lab.wait_until("refused", ATTACKER6);
    assert!(lab.kernel("ip6tables -S").contains(
        "-A f2b-SSH -s 2001:db8::66/128 -j REJECT --reject-with icmp6-port-unreachable\n"
    ));
    assert_eq!(
        lab.knock(ATTACKER),
        "open",
        "the other family is another host"
    );
    lab.ask(&["set", JAIL, "unbanip", ATTACKER6]);
    lab.wait_until("open", ATTACKER6);
}

fn the_operators_own_filter_and_chain_name_work(program: Program) {
    let lab = configured(program);
    lab.write("filter.d/sshd.conf", fixture("sshd.conf"));
    lab.write(
        "jail.local",
        fixture("jail.local").replace("protocol=tcp]", "protocol=tcp, banchain=fail2ban-SSH]"),
    );
    lab.sshd(SECURE);
    lab.start();
    assert_eq!(lab.ask(&["get", JAIL, "failregex"]).lines().count(), 12);
    lab.attack(ATTACKER, 3);
    lab.wait_until("refused", ATTACKER);
    assert_eq!(
        lab.kernel("iptables -S fail2ban-SSH"),
        "-N fail2ban-SSH\n\
         -A fail2ban-SSH -s 192.0.2.66/32 -j REJECT --reject-with icmp-port-unreachable\n\
         -A fail2ban-SSH -j RETURN\n"
    );
}

fn every_line_of_the_log_has_the_one_format(program: Program) {
    let lab = configured(program);
    // A failing mail's script is told as it is, over several lines.
    lab.write(
        "jail.d/no-mail.local",
        format!("[{JAIL}]\naction = iptables[name=SSH]\n"),
    );
    lab.sshd(SECURE);
    lab.start();
    lab.attack(ATTACKER, 3);
    lab.wait_until("refused", ATTACKER);
    lab.ask(&["set", JAIL, "unbanip", ATTACKER]);
    lab.wait_for("[ssh-iptables] Unban 192.0.2.66");
    lab.ask(&["set", JAIL, "banip", "198.51.100.7"]);
    lab.wait_for("[ssh-iptables] Ban 198.51.100.7");
    lab.ask(&["stop"]);
    lab.wait_for("Exiting Fail2ban");

    let log = lab.log();
    let format = Regex::new(
        r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} fail2ban\.[\w.]+ *\[\d+\]: (DEBUG  |INFO   |NOTICE |WARNING|ERROR  ) .",
    )
    .expect("a pattern");
    for line in log.lines() {
        assert!(format.is_match(line), "{line}");
        assert_eq!(line.find('['), Some(48), "the name is padded to 24: {line}");
    }
    let found = Regex::new(
        r"(?m)^\S+ \S+ fail2ban.filter         \[\d+\]: INFO    \[ssh-iptables\] Found 192\.0\.2\.66 - \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$",
    )
    .expect("a pattern");
    assert_eq!(found.find_iter(&log).count(), 3, "{log}");
    let mut rest = log.as_str();
    for part in [
        " fail2ban.server         ",
        "]: INFO    --------------------------------------------------\n",
        "]: INFO    Starting Fail2ban v",
        "]: INFO    Creating new jail 'ssh-iptables'\n",
        "]: INFO      maxRetry: 3\n",
        "]: INFO      findtime: 600\n",
        "]: INFO      banTime: 3600\n",
        "]: INFO    Added logfile: '/var/log/secure' (pos = 0, hash = ",
        " fail2ban.jail           ",
        "]: INFO    Jail 'ssh-iptables' started\n",
        "]: INFO    [ssh-iptables] Found 192.0.2.66 - ",
        " fail2ban.actions        ",
        "]: NOTICE  [ssh-iptables] Ban 192.0.2.66\n",
        "]: NOTICE  [ssh-iptables] Unban 192.0.2.66\n",
        "]: NOTICE  [ssh-iptables] Ban 198.51.100.7\n",
        "]: INFO    Shutdown in progress...\n",
        "]: INFO    Stopping all jails\n",
        "]: INFO    Removed logfile: '/var/log/secure'\n",
        "]: NOTICE  [ssh-iptables] Flush ticket(s) with iptables-SSH\n",
        "]: INFO    Jail 'ssh-iptables' stopped\n",
        "]: INFO    Exiting Fail2ban\n",
    ] {
        let at = rest
            .find(part)
            .unwrap_or_else(|| panic!("no {part:?} in its place in:\n{log}"));
        rest = &rest[at + part.len()..];
    }
}

/// All `Ban` lines of the log and of what it was rotated to, each once, and the new ones in the
/// new file only.
fn nothing_lost(lab: &Lab, before: &[String], after: &[String]) {
    let last = after.last().expect("bans after the rotation");
    lab.wait_for(&format!("Ban {last}"));
    let all = lab.shell(
        "cd /var/log/fail2ban; for f in fail2ban.log?*; do case $f in *.gz) zcat $f;; *) cat $f;; esac; done",
    );
    let old = bans(&all);
    let new = bans(&lab.log());
    for address in after {
        assert!(new.contains(address), "{address} is not in the new file");
        assert!(!old.contains(address), "{address} is in the old file");
    }
    let both: Vec<&String> = old.iter().chain(&new).collect();
    let distinct: BTreeSet<&String> = both.iter().copied().collect();
    assert_eq!(
        distinct,
        before.iter().chain(after).collect(),
        "every ban is told"
    );
    assert_eq!(both.len(), distinct.len(), "and told once");
}

/// fail2ban 1.0 takes no notice of `set logtarget` with the target it has, and goes on in the file
/// that is being compressed: only rban is told this story.
#[test]
fn logrotate_as_the_article_sets_it_up_loses_no_line() {
    let lab = running(Program::Rban);
    lab.write("/etc/logrotate.d/fail2ban", fixture("logrotate"));
    let before = ban_each(&lab, "198.51.100", 1..6);
    lab.wait_for("Ban 198.51.100.5");
    lab.shell("logrotate -f -s /run/logrotate.state /etc/logrotate.d/fail2ban");
    let after = ban_each(&lab, "203.0.113", 1..6);
    nothing_lost(&lab, &before, &after);
    assert_eq!(
        lab.shell(&format!("stat -c '%a %U %G' {LOG}")),
        "644 root root\n"
    );
    assert_eq!(
        lab.shell("ls /var/log/fail2ban | grep -c '^fail2ban.log-[0-9]*.gz$'"),
        "1\n"
    );
}

fn flushlogs_goes_on_in_a_new_file(program: Program) {
    let lab = running(program);
    let before = ban_each(&lab, "198.51.100", 1..4);
    lab.wait_for("Ban 198.51.100.3");
    lab.shell(&format!("mv {LOG} {LOG}.1"));
    assert_eq!(lab.ask(&["flushlogs"]), "logs: rolled over\n");
    let after = ban_each(&lab, "203.0.113", 1..4);
    nothing_lost(&lab, &before, &after);
}

fn sigusr1_goes_on_in_a_new_file(program: Program) {
    let lab = running(program);
    let before = ban_each(&lab, "198.51.100", 1..4);
    lab.wait_for("Ban 198.51.100.3");
    lab.shell(&format!(
        "mv {LOG} {LOG}.1 && kill -USR1 $(cat /run/fail2ban/fail2ban.pid)"
    ));
    lab.wait("a new file", || lab.path(LOG).exists().then_some(()));
    let after = ban_each(&lab, "203.0.113", 1..4);
    nothing_lost(&lab, &before, &after);
}

fn the_log_can_be_put_elsewhere_and_back(program: Program) {
    let lab = running(program);
    assert_eq!(
        lab.ask(&["get", "logtarget"]),
        format!("Current logging target is:\n`- {LOG}\n")
    );
    lab.ask(&["set", "logtarget", "/var/log/fail2ban/other.log"]);
    ban_each(&lab, "198.51.100", 1..2);
    lab.wait_in("/var/log/fail2ban/other.log", "Ban 198.51.100.1");
    lab.ask(&["set", "logtarget", LOG]);
    ban_each(&lab, "198.51.100", 2..3);
    lab.wait_for("Ban 198.51.100.2");
    assert_eq!(
        bans(&lab.read("/var/log/fail2ban/other.log")),
        ["198.51.100.1"]
    );
}

/// What only rban promises: whoever moves or deletes the log need not tell us.
#[test]
fn a_log_moved_or_deleted_behind_our_back_is_begun_again() {
    let lab = running(Program::Rban);
    let before = ban_each(&lab, "198.51.100", 1..4);
    lab.wait_for("Ban 198.51.100.3");

    // Moved, and nobody makes a new one: we do, but not so soon that it would be in the way of
    // somebody who is about to.
    lab.shell(&format!("mv {LOG} {LOG}.1"));
    let mut all = before;
    for host in 1..250 {
        all.extend(ban_each(&lab, "203.0.113", host..host + 1));
        if lab.path(LOG).exists() {
            break;
        }
    }
    lab.wait_for(&format!("Ban {}", all.last().expect("a ban")));
    let told = [bans(&lab.read(&format!("{LOG}.1"))), bans(&lab.log())].concat();
    assert_eq!(told, all, "each once, in order over both files");

    // Moved, and somebody made the new one, as logrotate's `create` does.
    lab.shell(&format!("mv {LOG} {LOG}.2 && : > {LOG}"));
    let after = ban_each(&lab, "192.0.2", 201..204);
    lab.wait_for("Ban 192.0.2.203");
    assert_eq!(bans(&lab.log()), after, "at once in the new file");

    // Deleted.
    lab.shell(&format!("rm {LOG}"));
    let after = ban_each(&lab, "192.0.2", 204..207);
    lab.wait_for("Ban 192.0.2.206");
    assert_eq!(
        bans(&lab.log()),
        after,
        "nothing goes to a file without a name"
    );
}

/// The same commands, the same words, from both programs.
#[test]
fn the_client_says_what_fail2bans_says() {
    let labs = [running(Program::Rban), running(Program::Fail2ban)];
    let commands = [
        "ping",
        "status",
        "status ssh-iptables",
        "get loglevel",
        "set loglevel DEBUG",
        "get loglevel",
        "set loglevel INFO",
        "get logtarget",
        "get ssh-iptables bantime",
        "get ssh-iptables findtime",
        "get ssh-iptables maxretry",
        "get ssh-iptables logpath",
        "get ssh-iptables actions",
        "set ssh-iptables bantime 2h",
        "get ssh-iptables bantime",
        "set ssh-iptables findtime 120",
        "set ssh-iptables maxretry 4",
        "set ssh-iptables banip 198.51.100.1 198.51.100.2",
        "set ssh-iptables banip 198.51.100.1",
        "status ssh-iptables",
        "banned",
        "set ssh-iptables unbanip 198.51.100.1",
        "set ssh-iptables unbanip 198.51.100.1",
        "status ssh-iptables",
        "unban --all",
        "flushlogs",
        "set logtarget /var/log/fail2ban/fail2ban.log",
        "status nosuch",
        "get ssh-iptables nosuch",
        "nosuch",
        "reload",
        "status",
        "stop",
        "ping",
    ];
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        let [ours, theirs] = labs.each_ref().map(|lab| {
            let reply = lab.client(&words);
            // The bans themselves are done by a thread of their own.
            if command.contains("banip") {
                lab.wait("the kernel agrees", || {
                    let rules = lab.run(&["iptables", "-S"]).out.matches("REJECT").count();
                    let status = lab.ask(&["status", JAIL]);
                    status
                        .contains(&format!("Currently banned:\t{rules}\n"))
                        .then_some(())
                });
            }
            (reply.code, reply.out)
        });
        assert_eq!(ours, theirs, "{command}");
    }
}

/// The article writes into jail.conf itself: then ours does not count, and its jail is the only one.
#[test]
fn the_articles_jail_conf_alone_is_enough() {
    let lab = Lab::new(Program::Rban);
    lab.write("fail2ban.conf", fixture("fail2ban.local"));
    lab.write("jail.conf", fixture("jail.local"));
    lab.write(SECURE, "");
    lab.start();
    lab.wait_for("Jail 'ssh-iptables' started");
    assert!(lab.ask(&["status"]).ends_with("Jail list:\tssh-iptables\n"));
    lab.append(SECURE, lab.failures("198.51.100.1", 3));
    lab.wait_for("[ssh-iptables] Ban 198.51.100.1");
    lab.wait("the kernel has it", || {
        let rules = lab.run(&["iptables", "-S", "f2b-SSH"]).out;
        rules.contains("198.51.100.1/32").then_some(())
    });
}

#[test]
fn config_tells_what_is_in_effect_and_where_it_comes_from() {
    let lab = configured(Program::Rban);
    let text = lab.shell(
        "RBAN_JAIL__SSH_IPTABLES__MAXRETRY=9 RBAN_LOGLEVEL=DEBUG rban config ssh-iptables --origin",
    );
    for told in [
        "# RBAN_JAIL__SSH_IPTABLES__MAXRETRY\nmaxretry = 9\n",
        "# /etc/fail2ban/jail.local:12\nbantime = 3600\n",
        "# /usr/share/rban/jail.conf:17\nfindtime = 10m\n",
        "# default\nskip_if_nologs = false\n",
    ] {
        assert!(text.contains(told), "no {told:?} in:\n{text}");
    }

    let json = lab.shell("RBAN_LOGLEVEL=DEBUG rban config --origin --json");
    let parsed: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(
        json.contains("RBAN_LOGLEVEL") && json.contains("DEBUG"),
        "{parsed}"
    );
    assert!(json.contains("/etc/fail2ban/fail2ban.local:3"), "{parsed}");
    let plain = lab.shell("rban config");
    assert!(plain.contains("/var/log/fail2ban/fail2ban.log"), "{plain}");
    assert!(!plain.contains("fail2ban.local:"), "{plain}");
}

#[test]
fn the_links_are_fail2bans_programs() {
    let lab = running(Program::Rban);
    let status = lab.ask(&["status"]);
    assert_eq!(lab.shell("fail2ban-client status"), status);
    assert_eq!(
        lab.shell("/usr/bin/fail2ban-client ping"),
        "Server replied: pong\n"
    );
    let again = lab.run(&["fail2ban-server", "start"]);
    assert_eq!(again.code, 255, "{}", again.text());
    assert!(
        again.text().contains("Server already running"),
        "{}",
        again.text()
    );
    assert_eq!(lab.shell("fail2ban-client stop"), "Shutdown successful\n");
    lab.wait_for("Exiting Fail2ban");
    assert_eq!(lab.run(&["fail2ban-client", "ping"]).code, 255);
}

#[test]
fn it_runs_in_the_foreground_too() {
    let lab = configured(Program::Rban);
    lab.shell("(rban server -f; echo $? > /run/code) >/run/out 2>&1 </dev/null & ");
    lab.wait_for("Jail 'ssh-iptables' started");
    assert_eq!(lab.read("/run/code"), "", "it stays");
    lab.shell("kill -TERM $(cat /run/fail2ban/fail2ban.pid)");
    assert_eq!(lab.wait_in("/run/code", "0"), "0");
    lab.wait_for("Exiting Fail2ban");
}

#[test]
fn reload_takes_what_changed_and_keeps_the_bans() {
    let lab = running(Program::Rban);
    ban_each(&lab, "198.51.100", 1..3);
    lab.write(
        "jail.local",
        fixture("jail.local").replace("maxretry = 3", "maxretry = 7"),
    );
    assert_eq!(lab.ask(&["reload"]), "OK\n");
    assert_eq!(lab.ask(&["get", JAIL, "maxretry"]), "7\n");
    assert!(
        lab.ask(&["status", JAIL])
            .contains("Banned IP list:\t198.51.100.1 198.51.100.2")
    );
    assert_eq!(
        lab.kernel("iptables -S f2b-SSH").matches("REJECT").count(),
        2
    );
}

#[test]
fn without_an_mta_the_mail_fails_alone() {
    let lab = configured(Program::Rban);
    assert_ne!(
        lab.run(&["sh", "-c", "command -v /usr/sbin/sendmail"]).code,
        0,
        "no MTA here"
    );
    lab.sshd(SECURE);
    lab.start();
    lab.attack(ATTACKER, 3);
    lab.wait_until("refused", ATTACKER);
    lab.wait_for("sendmail-whois-SSH");
    assert!(lab.ask(&["status", JAIL]).contains("Currently banned:\t1"));
}

/// Step 7: no /etc/fail2ban at all.
#[test]
fn out_of_the_box_ssh_is_protected() {
    let lab = Lab::new(Program::Rban);
    lab.shell("rmdir /etc/fail2ban");
    lab.sshd("/var/log/auth.log");
    lab.start();
    assert_eq!(
        lab.ask(&["status"]),
        "Status\n|- Number of jail:\t1\n`- Jail list:\tsshd\n"
    );
    lab.wait_for("Jail 'sshd' started");
    lab.attack(ATTACKER, 5);
    lab.wait_for("[sshd] Ban 192.0.2.66");
    lab.wait_until("refused", ATTACKER);
    assert!(lab.login(NEIGHBOUR));
    let rules = lab.kernel("nft list table inet rban");
    assert!(
        rules.contains("elements = { 192.0.2.66 timeout 10m"),
        "nftables, as the kernel has it, with the ban's end: {rules}"
    );
    lab.kernel("nft flush ruleset");
    lab.wait_for("the firewall had lost our rules; they are back, with 1 bans");
    lab.wait_until("refused", ATTACKER);
    lab.kernel("nft flush set inet rban v4-host-sshd");
    lab.wait_for("somebody took bans out of the firewall; all 1 are in it again");
    lab.wait_until("refused", ATTACKER);
    assert!(lab.path(LOG).exists());
    assert!(lab.path("/var/lib/fail2ban/fail2ban.sqlite3").exists());
    assert!(!lab.kernel("nft list ruleset").contains(SERVER));
    lab.ask(&["stop"]);
    lab.wait_for("Exiting Fail2ban");
    assert!(!lab.kernel("nft list ruleset").contains("rban"));
}

/// The installed fail2ban's own files instead of ours: a machine that changes over.
#[test]
fn the_article_works_on_the_reference_programs_own_files() {
    let lab = configured(Program::Rban);
    let stock = Path::new("/etc/fail2ban");
    assert!(
        stock.join("jail.conf").exists(),
        "`scripts/need test` installs fail2ban"
    );
    let from = stock.display();
    for part in ["action.d", "filter.d", "jail.conf", "fail2ban.conf"] {
        copy(&stock.join(part), &lab.path(&format!("{from}/{part}")));
    }
    for paths in ["paths-common.conf", "paths-debian.conf"] {
        copy(&stock.join(paths), &lab.path(&format!("{from}/{paths}")));
    }
    lab.sshd(SECURE);
    lab.start();
    lab.attack(ATTACKER, 3);
    lab.wait_until("refused", ATTACKER);
    assert_eq!(
        lab.kernel("iptables -S f2b-SSH"),
        "-N f2b-SSH\n\
         -A f2b-SSH -s 192.0.2.66/32 -j REJECT --reject-with icmp-port-unreachable\n\
         -A f2b-SSH -j RETURN\n"
    );
}

/// Copies a file, or a folder's files.
fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("a folder");
        for entry in fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}
