//! Every stock action's commands, word for word: the installed fail2ban is asked what it would hand
//! to the shell, and so are we.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::sync::Arc;

use rban::action::driver::Operation;
use rban::action::driver::memory::Memory;
use rban::action::{ActionSpec, DEFAULT_PATH, Facts, Job, Worker};
use rban::model::{ActionSettings, Ban, BanTime, Captured, Datum, FailId, MatchedLine, Time};

use crate::bench::{self, LONG};
use crate::stock;
use crate::support::{has, said};

const NOW: i64 = 1_795_366_767;

struct Jail;

impl Facts for Jail {
    fn now(&self) -> Time {
        Time::from_secs(NOW)
    }

    fn bantime(&self) -> BanTime {
        BanTime::Secs(600)
    }

    fn host(&self, _address: IpAddr) -> Option<String> {
        Some("host.example.com".to_owned())
    }

    fn hostname(&self, full: bool) -> String {
        if full { "box.example.com" } else { "box" }.to_owned()
    }
}

fn ban(address: &str, user: &str, lines: &[&str]) -> Ban {
    let text = |text: &str| Datum::Text(text.to_owned());
    let line = |text: &&str| MatchedLine {
        text: (*text).into(),
        date: None,
    };
    Ban {
        id: FailId::parse(address),
        ip: None,
        time: Time::from_secs(NOW),
        bantime: BanTime::Secs(600),
        count: 2,
        attempts: 3,
        lines: lines.iter().map(line).collect(),
        data: Captured::from([
            ("user".to_owned(), text(user)),
            ("fport".to_owned(), text("4711")),
        ]),
        restored: false,
        own_bantime: false,
    }
}

/// Actions that name every tag, and tags of tags, in every command.
const TAGGED: &[&[(&str, &str)]] = &[
    &[
        ("actname", "plain"),
        (
            "actionstart",
            "start <name> <family>|<ip>|<fid>|<bancount>|<restored>|<time>|<bantime>",
        ),
        (
            "actionstop",
            "stop <sh-hostname> <fq-hostname> <family> <unknown>",
        ),
        ("actionflush", "flush <family> <failures> '<matches>'"),
        (
            "actionban",
            "<nested-<kind>> <ip> <fid> <family> <ip-rev> <ip-host> <failures> <time> <bantime> \
             <bancount> <restored> '<matches>' \"<ipmatches>\" <ipjailmatches> <ipfailures> \
             <ipjailfailures> <raw-ticket> <F-USER> <F-PORT> <F-NONE> <F-lower> <br><sp>< ip><> <ip",
        ),
        ("actionunban", "<actionban> again < file 2>&1"),
        ("actionprolong", "prolong <ip> <bantime> <timeout>"),
        ("kind", "one"),
        ("nested-one", "1 <kind> <chained>"),
        ("chained", "<F-USER><sp><name>"),
        ("name", "lab"),
        ("timeout", "1m 30s"),
        ("bantime", "never seen"),
    ],
    &[
        ("actname", "conditional"),
        ("actionstart", "<begin>"),
        ("actionstop", "stop both"),
        ("actionflush", "flush <family>"),
        ("actionban", "<cmd> ban <ip>"),
        ("actionunban", "<cmd> unban <ip>"),
        ("begin", "start <cmd>"),
        ("cmd", "four"),
        ("cmd?family=inet6", "six <kind?family=inet6>"),
        ("begin?family=inet6", "begin <ip> <cmd-of-<kind>>"),
        ("kind", "a"),
        ("kind?family=inet6", "b"),
        ("actionprolong?family=inet6", "not asked for"),
        ("actionunban?family=inet6", "unban the six <ip>"),
        ("cmd-of-b", "'<F-USER>'"),
    ],
    &[
        ("actname", "on-demand"),
        ("actionstart_on_demand", "1"),
        ("actionstart", "start <family>"),
        ("actionstop", "stop <family>"),
        ("actionban", "ban <ip>"),
        ("actionunban", "unban <ip>"),
    ],
];

fn settings(options: &[(&str, &str)]) -> ActionSettings {
    ActionSettings {
        name: options[0].1.to_owned(),
        ..bench::settings(options)
    }
}

/// What an action hands to the shell in one life: each script with its values.
fn life(settings: &ActionSettings) -> Vec<Vec<String>> {
    let memory = Memory::default();
    let spec = ActionSpec {
        jail: "lab".into(),
        settings: settings.clone(),
        native: false,
        ipv6: true,
        path: DEFAULT_PATH.into(),
        facts: Arc::new(Jail),
        drivers: memory.clone().into(),
        left: rban::action::Leftover::Nothing,
    };
    let worker = Worker::spawn(spec, Arc::new(|_| ())).expect("no Python action");
    let four = Arc::new(ban(
        "192.0.2.1",
        "root",
        &["one line", "a `second` \"line\""],
    ));
    let mut six = ban("2001:db8::1", "a`b$i;\"' c", &["only line"]);
    // Where the action does not want restored bans it shall have one all the same.
    six.restored = settings
        .option("norestored")
        .is_none_or(|value| value != "1" && value != "True");
    worker.send(Job::Start);
    worker.send(Job::Ban(Arc::clone(&four)));
    worker.send(Job::Ban(Arc::new(six)));
    // Restored bans are carried out when nothing else waits.
    assert!(worker.settle(LONG));
    worker.send(Job::Prolong(Arc::clone(&four)));
    worker.send(Job::Unban(four));
    assert!(worker.stop(LONG));
    let arguments = |operation: &Operation| match operation {
        Operation::Script(script) => script.arguments(),
        other => panic!("not native: {other:?}"),
    };
    memory.batches().iter().flatten().map(arguments).collect()
}

/// Every action file of the installed reference program that is one of its own, as a jail's action.
pub(crate) fn stock_actions() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir("/etc/fail2ban/action.d")
        .expect("its actions")
        .filter_map(|entry| {
            let name = entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text");
            name.strip_suffix(".conf").map(str::to_owned)
        })
        .filter(|name| !name.ends_with("-common"))
        .collect();
    names.sort();
    names
}

#[test]
fn stock_actions_hand_the_shell_what_fail2ban_does() {
    if !has(&["fail2ban-client", "python3"]) {
        return;
    }
    let options = "port=\"ssh,2222\", protocol=tcp, dest=you@example.com, sender=f2b@example.com";
    let wanted: Vec<String> = stock_actions()
        .iter()
        .map(|name| format!("{name}[{options}]"))
        .collect();
    let mut actions = stock::actions(&wanted).expect("fail2ban is there");
    actions.extend(TAGGED.iter().map(|options| settings(options)));
    assert!(
        actions.len() > 50,
        "only {} actions were read",
        actions.len()
    );
    let input: BTreeMap<&str, &Vec<(String, String)>> = actions
        .iter()
        .map(|a| (a.name.as_str(), &a.options))
        .collect();
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("actions.json");
    fs::write(&file, serde_json::to_vec(&input).expect("JSON")).expect("a file");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rban/oracle/commands.py");
    let output = said(&format!("python3 {script} < {}", file.display()));
    let theirs: serde_json::Value = serde_json::from_str(&output).expect("JSON");
    let mut wrong = Vec::new();
    for action in &actions {
        let theirs: Vec<Vec<String>> = theirs[&action.name]
            .as_array()
            .expect("its commands")
            .iter()
            .map(|command| match command {
                serde_json::Value::String(text) => vec![text.clone()],
                list => serde_json::from_value(list.clone()).expect("texts"),
            })
            .collect();
        let ours = life(action);
        if ours != theirs {
            wrong.push(format!(
                "{}\n ours: {ours:#?}\n theirs: {theirs:#?}",
                action.name
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
