//! Every action we ship that goes through other programs: what those are called with, and what they
//! read, against a file for each. `RBAN_BLESS=1` writes the files anew, to be read before they are
//! committed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rban::action::{DEFAULT_PATH, Job};
use rban::config::{Config, Disk, Facts, Firewall, Inputs};
use rban::model::{ActionSettings, Ban, Datum, MatchedLine};

use crate::bench::{HOST, LONG, Lab, ban, settings as plain};

/// Programs that are recorded and not run.
const RECORDED: &[&str] = &[
    "apprise",
    "csf",
    "curl",
    "dig",
    "firewall-cmd",
    "ip",
    "ipset",
    "mail",
    "nginx",
    "sendmail",
    "shorewall",
    "shorewall6",
    "ssh",
    "ufw",
];

/// Each action with the options a jail would give it; `FOLDER` is the test's own.
const ACTIONS: &[(&str, &str)] = &[
    (
        "abuseipdb",
        "abuseipdb_apikey=KEY, abuseipdb_category=\"18,22\"",
    ),
    ("apprise", ""),
    (
        "blocklist_de",
        "email=\"me@example.com\", apikey=KEY, service=ssh, with_lines=1",
    ),
    ("cloudflare-token", "cfzone=ZONE, cftoken=TOKEN"),
    ("complain", "logpath=\"FOLDER/log\""),
    ("csf", "port=22"),
    ("firewallcmd-allports", ""),
    ("firewallcmd-ipset", "port=ssh"),
    ("firewallcmd-multiport", "port=\"ssh,2222\""),
    ("firewallcmd-new", "port=ssh"),
    ("firewallcmd-rich-logging", "port=ssh"),
    ("firewallcmd-rich-rules", "port=\"ssh,6000:6010\""),
    ("hostsdeny", "file=\"FOLDER/hosts.deny\""),
    ("mikrotik", "router=192.0.2.254"),
    (
        "nginx-block-map",
        "srv_cfg_path=\"FOLDER\", srv_pid=\"FOLDER/log\"",
    ),
    ("route", ""),
    ("shorewall", ""),
    ("ufw", "application=OpenSSH"),
    (
        "xarf-login-attack",
        "mailcmd=sendmail, service=ssh, port=22",
    ),
];

/// Writes the call down, with what is read where that is what matters, and answers as needed.
const RECORDER: &str = r#"#!/bin/sh
name=${0##*/}
{
  printf '%s' "$name"
  for word; do printf ' [%s]' "$word"; done
  echo
  case $name in mail|sendmail|apprise) sed 's/^/  | /' ;; esac
  case "$name $*" in "curl "*"-K -"*) sed 's/^/  | /' ;; esac
} >> FOLDER/calls
case "$name $*" in
  "curl "*"-G "*) echo '{"result":[{"id":"0123abcd","notes":"x"}]}' ;;
  "dig "*) echo '"abuse@example.net,-oops@example.net x;y@example.net"' ;;
esac
"#;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn settings(action: &str, options: &str, folder: &Path) -> ActionSettings {
    let etc = folder.join("etc");
    fs::create_dir(&etc).expect("a folder");
    let jail = format!(
        "[lab]\nenabled = true\nfilter = sshd\nlogpath = /etc/hostname\naction = {action}[name=lab, {options}]\n"
    );
    fs::write(etc.join("jail.local"), jail).expect("written");
    let facts = Facts {
        firewall: Firewall::Nftables,
        fail2ban_version: "1.1.1".into(),
    };
    let inputs = Inputs {
        vendor: Some(repository().join("config")),
        ..Inputs::only(&etc, facts)
    };
    let loaded = Config::read(&Disk, &inputs).expect("read").load();
    assert!(loaded.complaints.is_empty(), "{:?}", loaded.complaints);
    let jail = loaded.jails.into_iter().find(|jail| jail.name == "lab");
    let mut actions = jail.expect("the jail").actions;
    actions.pop().expect("its action")
}

/// Whoever was attacked.
const USER: &str = "alice-of-ours";

/// A ban whose lines hold what a shell, a mail program and a web server would take for orders.
fn wicked(address: &str) -> Arc<Ban> {
    let mut ban = Ban::clone(&ban(address));
    ban.lines = vec![MatchedLine {
        text: format!("Failed password for $(id) `id` \"'; from {address}").into(),
        date: None,
    }];
    ban.data
        .insert("user".to_owned(), Datum::Text(USER.to_owned()));
    Arc::new(ban)
}

/// What an action calls and leaves behind, stage by stage.
fn life(action: &str, options: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().to_str().expect("text").to_owned();
    let programs = folder.path().join("programs");
    fs::create_dir(&programs).expect("a folder");
    for name in RECORDED {
        let path = programs.join(name);
        fs::write(&path, RECORDER.replace("FOLDER", &place)).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
    }
    fs::write(folder.path().join("log"), "a line about 192.0.2.1\n").expect("written");
    let options = options.replace("FOLDER", &place);
    let settings = settings(action, &options, folder.path());
    let path = format!("{}:{DEFAULT_PATH}", programs.display());
    let lab = Lab::with_path(settings, &path);
    let mut story = String::new();
    let mut stage = |name: &str| {
        lab.settle();
        story += &format!("# {name}\n");
        let calls = folder.path().join("calls");
        story += &fs::read_to_string(&calls)
            .unwrap_or_default()
            .replace(&place, "FOLDER");
        let _ = fs::remove_file(&calls);
        for left in ["hosts.deny", "blacklisted-sessions.map"] {
            if let Ok(text) = fs::read_to_string(folder.path().join(left)) {
                story += &text
                    .lines()
                    .map(|line| format!("  {left}: {line}\n"))
                    .collect::<String>();
            }
        }
    };
    stage("start");
    for address in ["192.0.2.1", "2001:db8::1"] {
        lab.send(Job::Ban(wicked(address)));
        stage(&format!("ban {address}"));
    }
    for address in ["192.0.2.1", "2001:db8::1"] {
        lab.send(Job::Unban(wicked(address)));
        stage(&format!("unban {address}"));
    }
    lab.send(Job::Ban(wicked("192.0.2.2")));
    stage("ban 192.0.2.2");
    lab.send(Job::Flush);
    lab.send(Job::Unban(wicked("192.0.2.2")));
    stage("flush");
    assert!(lab.worker.stop(LONG));
    lab.assert_quiet();
    stage("stop");
    story
}

fn golden(action: &str) -> PathBuf {
    repository()
        .join("tests/actions")
        .join(format!("{action}.txt"))
}

#[test]
fn shipped_actions_call_what_their_files_say() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch for whoever changes an action, and for nobody else"
    )]
    let bless = std::env::var_os("RBAN_BLESS").is_some();
    for (action, options) in ACTIONS {
        let story = life(action, options);
        if bless {
            fs::write(golden(action), &story).expect("written");
        }
        let expected = fs::read_to_string(golden(action)).expect(action);
        assert!(
            story == expected,
            "{action} does:\n{story}\nexpected:\n{expected}"
        );
    }
}

/// Actions that go to somebody else's servers, as an operator would first set them up.
const ABROAD: &[(&str, &str)] = &[
    ("abuseipdb", "abuseipdb_apikey=KEY"),
    ("apprise", ""),
    (
        "blocklist_de",
        "email=\"me@example.net\", apikey=KEY, service=ssh",
    ),
    ("cloudflare-token", "cfzone=ZONE, cftoken=TOKEN"),
];

#[test]
fn nobody_abroad_hears_of_our_hosts_and_users_unless_told() {
    for (action, options) in ABROAD {
        let story = life(action, options);
        for secret in [HOST, "box", USER, "Failed password"] {
            assert!(!story.contains(secret), "{action}, {secret}:\n{story}");
        }
    }
    let told = life("apprise", "with_host=1");
    assert!(told.contains(HOST), "{told}");
}

#[test]
fn everybody_abroad_is_asked_with_a_time_limit_and_not_too_often() {
    for (action, _) in ABROAD {
        let file = repository().join(format!("config/action.d/{action}.conf"));
        let text = fs::read_to_string(file).expect("our action");
        assert!(text.contains("\nratelimit = "), "{action}");
        let calls = text.lines().filter(|line| line.contains("curl "));
        for call in calls {
            assert!(call.contains("--max-time "), "{action}: {call}");
        }
    }
}

#[test]
fn ten_thousand_bans_at_once_are_not_ten_thousand_requests() {
    let folder = tempfile::tempdir().expect("a folder");
    let calls = folder.path().join("calls");
    let command = format!("echo <ip> >> {}", calls.display());
    let options = [("actionban", command.as_str()), ("ratelimit", "20")];
    let lab = Lab::new(plain(&options), true);
    for n in 0..10_000u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).to_string();
        assert!(lab.worker.send(Job::Ban(ban(&address))));
    }
    let made = || fs::read_to_string(&calls).map_or(0, |text| text.lines().count());
    while made() < 20 {
        std::thread::yield_now();
    }
    // It waits; being told to end, it does.
    lab.worker.stop(std::time::Duration::from_millis(300));
    assert!((20..=22).contains(&made()), "{} requests", made());
}

/// Those whose commands other tests have: against a kernel, or as mail.
const ELSEWHERE: &[&str] = &["dummy", "iptables", "nftables", "rban", "sendmail", "mail"];

#[test]
fn no_shipped_action_is_without_a_test() {
    let files = fs::read_dir(repository().join("config/action.d")).expect("our actions");
    let shipped: BTreeSet<String> = files
        .map(|file| {
            file.expect("a file")
                .file_name()
                .into_string()
                .expect("text")
        })
        .filter_map(|name| Some(name.strip_suffix(".conf")?.to_owned()))
        .filter(|name| !name.ends_with("-common"))
        .collect();
    let tested = |name: &&String| {
        ACTIONS.iter().any(|(action, _)| action == name)
            || ELSEWHERE
                .iter()
                .any(|start| name.split('-').next() == Some(start))
    };
    let untested: Vec<&String> = shipped.iter().filter(|name| !tested(name)).collect();
    assert!(untested.is_empty(), "{untested:?}");
}
