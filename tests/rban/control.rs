//! The server against the real fail2ban's: the real client sends the same commands to both, and
//! what it prints and its exit codes have to be the same, but for what stands in [`DIFFERENT`].

#![expect(clippy::disallowed_methods, reason = "a test drives the real programs")]

use std::fs;
use std::process::Command;

use rban::cli::Wire;
use rban::protocol::Value;
use serde_json::Value as Json;

use crate::client::{REAL_SERVER, Real, Said, lines, real_client, story_of};
use crate::reference;

const OURS: &[&str] = &[env!("CARGO_BIN_EXE_rban"), "server"];

/// Commands that are answered otherwise on purpose, and why; docs/differences.md has them too.
const DIFFERENT: &[(&str, &str)] = &[
    ("version", "we behave as 1.1.1"),
    ("status --all", "new in 1.1"),
    ("stats", "new in 1.1"),
    ("statistic", "new in 1.1"),
    ("statistics", "new in 1.1"),
    ("add one", "1.0.2 has a slip in this very error"),
    ("set loglevel 20", "a level is shown by its name"),
    (
        "set one addlogpath /nonexistent/file",
        "a log that is not there yet is waited for",
    ),
    ("get one logpath", "the log that is waited for"),
    (
        "set one dellogpath DIR/two.log",
        "the log that is waited for",
    ),
    (
        "set one addignoreip 203.0.113.7 203.0.113.0/28",
        "Python's sets have no order, ours are sorted",
    ),
    (
        "set one addfailregex ^bad (",
        "our own words for a bad pattern",
    ),
    (
        "set one findtime abc",
        "our own words for a bad time; Python evaluates it",
    ),
    (
        "get one actionproperties quiet",
        "Python's internals are not ours",
    ),
    (
        "get one actionmethods quiet",
        "Python's internals are not ours",
    ),
    (
        "set one action quiet start {bad",
        "our own words for bad JSON",
    ),
];

#[test]
fn the_real_client_hears_the_same_from_both_servers() {
    let Some(theirs) = Real::start_with(&[REAL_SERVER]) else {
        return;
    };
    let theirs = story_of(&theirs, real_client).expect("a story");
    let ours = Real::start_with(OURS).expect("our server");
    let ours = story_of(&ours, real_client).expect("a story");
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.len() >= 120, "only {} commands", ours.len());
    let same = |said: &Said| Said {
        code: said.code,
        // 1.1 writes the pattern of an IPv6 address a little shorter than 1.0.
        out: said.out.replace("::?|::){1,7}", "::?|:){1,7}"),
        err: said.err.clone(),
    };
    let mut unused: Vec<&str> = DIFFERENT.iter().map(|(command, _)| *command).collect();
    let mut report = String::new();
    for ((command, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        if same(ours) == same(theirs) {
            continue;
        }
        let different = DIFFERENT.iter().any(|(known, _)| known == command);
        unused.retain(|known| known != command);
        if !different {
            report.push_str(&format!(
                "{command}\n ours   {ours:?}\n theirs {theirs:?}\n"
            ));
        }
    }
    assert!(report.is_empty(), "\n{report}");
    assert!(unused.is_empty(), "answered alike after all: {unused:?}");
}

/// A running server of ours on the test's configuration.
fn server() -> Option<Real> {
    Real::start_with(OURS)
}

fn rban(words: &[&str], conf: &str) -> (i32, String) {
    let (word, rest) = words.split_first().expect("a word");
    let output = Command::new(env!("CARGO_BIN_EXE_rban"))
        .args([*word, "-c", conf])
        .args(rest)
        .output()
        .expect("rban");
    let out = String::from_utf8(output.stdout).expect("text");
    (output.status.code().expect("a code"), out)
}

fn list(words: &[&str]) -> Value {
    Value::list(words.iter().copied())
}

#[test]
fn exporters_are_answered_in_every_protocol_of_pickle() {
    let Some(server) = server() else { return };
    let script = format!(
        "import json, pickle, socket\n\
         END = b'<F2B_END_COMMAND>'\n\
         out = []\n\
         for protocol in range(6):\n\
         \x20   link = socket.socket(socket.AF_UNIX)\n\
         \x20   link.connect({})\n\
         \x20   for command in (['status'], ['status', 'one'], ['get', 'one', 'bantime'],\n\
         \x20                   ['get', 'one', 'findtime'], ['get', 'one', 'maxretry'],\n\
         \x20                   ['get', 'one', 'nonsense']):\n\
         \x20       link.sendall(pickle.dumps(command, protocol) + END)\n\
         \x20       data = b''\n\
         \x20       while not data.endswith(END): data += link.recv(4096)\n\
         \x20       code, payload = pickle.loads(data[:-len(END)])\n\
         \x20       out.append([code, repr(payload)])\n\
         \x20   link.close()\n\
         print(json.dumps(out))\n",
        Value::Str(server.path("sock").display().to_string()).repr(),
    );
    let Some(Json::Array(told)) = reference::python(&script) else {
        panic!("python says nothing");
    };
    assert_eq!(told.len(), 36);
    let log = server.path("one.log").display().to_string();
    for answers in told.chunks(6) {
        assert_eq!(
            answers[0][1],
            "[('Number of jail', 2), ('Jail list', 'one, two')]"
        );
        let status = answers[1][1].as_str().expect("text");
        assert!(
            status.contains(&format!("('File list', ['{log}'])")),
            "{status}"
        );
        assert_eq!(
            [&answers[2][1], &answers[3][1], &answers[4][1]],
            ["600", "600", "5"]
        );
        assert_eq!(answers[5][0], 1);
        assert!(
            answers[5][1]
                .as_str()
                .expect("text")
                .starts_with("Exception(")
        );
    }
}

/// What nagios, cacti and completions do to the text: fixed words, one number, comma and blank.
#[test]
fn scripts_that_grep_find_what_they_look_for() {
    let Some(server) = server() else { return };
    server
        .ask(&list(&["set", "two", "banip", "192.0.2.7"]))
        .expect("a ban");
    let bin = env!("CARGO_BIN_EXE_rban");
    let conf = server.conf();
    let client = format!("{bin} client -c {conf}");
    let said = |pipe: &str| crate::support::said(&format!("{client} {pipe}"));
    assert_eq!(
        said("status | sed -n 's/.*Jail list:[[:space:]]*//p'").trim(),
        "one, two"
    );
    assert_eq!(
        said("status | grep 'Number of jail' | awk '{print $5}'").trim(),
        "2"
    );
    assert_eq!(
        said("status | grep 'Jail list' | sed 's/^.*:[[:space:]]*//;s/,//g'").trim(),
        "one two"
    );
    assert_eq!(
        said("status two | grep 'Currently banned:' | grep -o '[0-9]*'").trim(),
        "1"
    );
    assert_eq!(
        said("status two | awk -F: '/Banned IP list/ {print $2}'").trim(),
        "192.0.2.7"
    );
    assert_eq!(said("ping | grep -c 'Server replied: pong'").trim(), "1");
}

#[test]
fn a_stop_script_that_hangs_holds_up_only_who_asked() {
    let Some(server) = server() else { return };
    let gate = server.path("gate");
    crate::support::said(&format!("mkfifo {}", gate.display()));
    for words in [
        &["add", "slow", "polling"][..],
        &["set", "slow", "addfailregex", "^x <HOST>$"],
        &["set", "slow", "addaction", "hang"],
        &["set", "slow", "action", "hang", "actionban", "true"],
        &[
            "set",
            "slow",
            "action",
            "hang",
            "actionstop",
            &format!("cat {}", gate.display()),
        ],
        &["start", "slow"],
        &["set", "slow", "banip", "192.0.2.8"],
    ] {
        server.ask(&list(words)).expect("an answer");
    }
    let socket = server.path("sock");
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| {
            let mut wire = Wire::connect(&socket, None).expect("a server");
            wire.ask(&list(&["stop", "slow"]))
        });
        // Gone for everybody else while its script still waits.
        while server.ask(&list(&["status", "slow"])).is_ok() {
            std::thread::yield_now();
        }
        assert_eq!(
            server.ask(&list(&["ping"])).expect("an answer"),
            "pong".into()
        );
        let report = server
            .ask(&list(&["rban-report"]))
            .expect("a report")
            .repr();
        assert!(report.contains("'stopping'"), "{report}");
        assert!(!stopping.is_finished());
        // A jail of that name waits for its predecessor.
        let adding = scope.spawn(|| {
            let mut wire = Wire::connect(&socket, None).expect("a server");
            wire.ask(&list(&["add", "slow", "polling"]))
        });
        assert_eq!(
            server
                .ask(&list(&["set", "one", "maxretry", "4"]))
                .expect("4"),
            Value::Int(4)
        );
        assert!(!adding.is_finished());
        fs::write(&gate, "go").expect("the script goes on");
        assert_eq!(
            stopping.join().expect("a thread").expect("an answer"),
            Value::None
        );
        assert_eq!(
            adding.join().expect("a thread").expect("an answer"),
            "slow".into()
        );
    });
}

#[test]
fn a_hundred_clients_at_once_are_all_answered() {
    let Some(server) = server() else { return };
    let socket = server.path("sock");
    let barrier = std::sync::Barrier::new(100);
    std::thread::scope(|scope| {
        for number in 0..100 {
            let (socket, barrier) = (&socket, &barrier);
            scope.spawn(move || {
                let mut wire = Wire::connect(socket, None).expect("a server");
                barrier.wait();
                for _ in 0..10 {
                    let answer = wire.ask(&list(&["echo", &number.to_string()]));
                    assert_eq!(answer.expect("an answer"), list(&[&number.to_string()]));
                }
            });
        }
    });
}

#[test]
fn others_may_look_and_change_nothing() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let Some(server) = server() else { return };
    // As `socketmode` would have it.
    crate::support::said(&format!(
        "chmod 0711 {0}; chmod 0777 {0}/sock",
        server.conf()
    ));
    let script = format!(
        "import json, os, sys\n\
         from fail2ban.client.csocket import CSocket\n\
         os.setgid(65534); os.setuid(65534)\n\
         link = CSocket({})\n\
         out = [[answer[0], str(answer[1])] for answer in map(link.send, [\n\
         \x20   ['status'], ['get', 'one', 'bantime'], ['set', 'one', 'bantime', '1'], ['stop'],\n\
         \x20   ['get', 'one', 'action', 'quiet', 'actionban'], ['rban-why', '192.0.2.1']])]\n\
         print(json.dumps(out))\n",
        Value::Str(server.path("sock").display().to_string()).repr(),
    );
    let told = reference::python(&script).expect("answers");
    let codes: Vec<i64> = told
        .as_array()
        .expect("a list")
        .iter()
        .map(|answer| answer[0].as_i64().expect("a code"))
        .collect();
    assert_eq!(codes, [0, 0, 1, 1, 1, 1], "{told}");
    assert_eq!(
        server.ask(&list(&["get", "one", "bantime"])).expect("600"),
        Value::Int(600)
    );
}

#[test]
fn a_socket_of_systemd_is_used_and_left() {
    let Some(server) = server() else { return };
    let conf = server.conf();
    server.ask(&list(&["stop"])).expect("the end");
    let bin = env!("CARGO_BIN_EXE_rban");
    let script = format!(
        "import json, os, socket, time\n\
         from fail2ban.client.csocket import CSocket\n\
         listener = socket.socket(socket.AF_UNIX); listener.bind('{conf}/theirs'); listener.listen(5)\n\
         child = os.fork()\n\
         if not child:\n\
         \x20   os.dup2(listener.fileno(), 3); os.set_inheritable(3, True)\n\
         \x20   os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='fail2ban')\n\
         \x20   os.execv('{bin}', ['rban', 'server', '-f', '-c', '{conf}', '-s', '{conf}/other', 'start'])\n\
         # The connection waits in the listener's queue until there is a server.\n\
         link = CSocket('{conf}/theirs', timeout=30)\n\
         out = [link.send(['ping'])[1], os.path.exists('{conf}/other')]\n\
         link.send(['stop'])\n\
         os.waitpid(child, 0)\n\
         out.append(os.path.exists('{conf}/theirs'))\n\
         print(json.dumps(out))\n"
    );
    let told = reference::python(&script).expect("answers");
    assert_eq!(told, serde_json::json!(["pong", false, true]));
}

#[test]
fn fail2bans_stream_of_commands_starts_its_jails_here() {
    let Some(server) = Real::start_with(&[OURS[0], "server", "--async"]) else {
        return;
    };
    let conf = server.conf();
    assert_eq!(
        server.ask(&list(&["status"])).expect("a status").repr(),
        "[('Number of jail', 0), ('Jail list', '')]"
    );
    let script = format!(
        "import json\n\
         from fail2ban.client.configurator import Configurator\n\
         from fail2ban.client.csocket import CSocket\n\
         configurator = Configurator()\n\
         configurator.setBaseDir('{conf}')\n\
         configurator.readAll(); configurator.getOptions(); configurator.convertToProtocol()\n\
         link = CSocket('{conf}/sock')\n\
         answers = [link.send(['server-stream', configurator.getConfigStream()]),\n\
         \x20          link.send(['server-status'])]\n\
         print(json.dumps([[code, str(told)] for code, told in answers]))\n"
    );
    let told = reference::python(&script).expect("answers");
    assert_eq!(told, serde_json::json!([[0, "None"], [0, "Server ready"]]));
    let command = lines(
        "status\nget one failregex\nget two bantime\nget two actions\nreload one\nreload\nstatus",
        &conf,
    );
    let said = real_client(&conf, &command);
    assert!(said[0].out.contains("one, two"), "{said:?}");
    assert!(said[1].out.contains("fail from"), "{said:?}");
    assert_eq!(
        (said[2].out.as_str(), said[3].out.contains("a, b")),
        ("-1\n", true)
    );
    assert_eq!(
        (said[4].out.as_str(), said[5].out.as_str()),
        ("OK\n", "OK\n")
    );
    assert_eq!(said[6], said[0]);
    // What a log says is judged by what the stream set up.
    fs::write(server.path("one.log"), " bad 192.0.2.50\n".repeat(5)).expect("lines");
    server.until_banned("192.0.2.50");
}

#[test]
fn short_forms_and_json_tell_how_the_jails_are() {
    let Some(server) = server() else { return };
    let conf = server.conf();
    assert_eq!(
        rban(&["status", "--check"], &conf),
        (0, "healthy: 2 jails\n".to_owned())
    );
    assert_eq!(
        rban(&["ban", "192.0.2.3", "one", "--for", "1h"], &conf),
        (0, "1\n".to_owned())
    );
    assert_eq!(rban(&["ban", "192.0.2.4"], &conf), (0, "2\n".to_owned()));
    let times = server
        .ask(&list(&["get", "one", "banip", "--with-time"]))
        .expect("times")
        .repr();
    assert!(
        times.contains("192.0.2.3 \\t") && times.contains("+ 3600 ="),
        "{times}"
    );
    let json =
        |words: &[&str]| -> Json { serde_json::from_str(&rban(words, &conf).1).expect("JSON") };
    let status = json(&["status", "--json"]);
    assert_eq!(status["jails"][0]["state"], "running");
    assert_eq!(
        status["jails"][0]["sources"][0]["path"],
        format!("{conf}/one.log")
    );
    assert_eq!(
        status["jails"][0]["banned"],
        serde_json::json!({ "current": 2, "total": 2 })
    );
    assert_eq!(
        json(&["status", "two", "--json"])["addresses"],
        serde_json::json!(["192.0.2.4"])
    );
    assert_eq!(
        json(&["banned", "192.0.2.4", "--json"]),
        serde_json::json!({ "addresses": [{ "address": "192.0.2.4", "jails": ["one", "two"] }] })
    );
    assert_eq!(
        json(&["get", "one", "maxretry", "--json"]),
        serde_json::json!({ "value": 5 })
    );
    // Flags stand where help shows them.
    assert_eq!(
        rban(&["ban", "192.0.2.6", "one", "--force"], &conf),
        (0, "1\n".to_owned())
    );
    assert_eq!(rban(&["unban", "192.0.2.6"], &conf), (0, "1\n".to_owned()));
    assert_eq!(json(&["stats", "--json"])["jails"][1]["name"], "two");
    assert_eq!(
        json(&["get", "none", "maxretry", "--json"])["error"],
        "Sorry but the jail 'none' does not exist"
    );
    assert_eq!(rban(&["unban", "--all"], &conf), (0, "3\n".to_owned()));

    server
        .ask(&list(&["set", "two", "addlogpath", "/nonexistent/log"]))
        .expect("a log to wait for");
    while rban(&["status", "--check"], &conf).0 == 0 {}
    let (code, said) = rban(&["status", "--check"], &conf);
    assert_eq!(code, 1);
    assert!(
        said.contains("degraded: [two] waiting: /nonexistent/log: "),
        "{said}"
    );
    let (_, said) = rban(&["status", "two"], &conf);
    assert!(
        said.starts_with("Status for the jail: two\n|- Filter\n"),
        "{said}"
    );
    assert!(said.contains("   action a (shell): no error\n"), "{said}");
    server.ask(&list(&["stop"])).expect("the end");
    assert_eq!(rban(&["status", "--check"], &conf).0, 2);
}

#[test]
fn completions_are_what_their_shells_can_read() {
    for shell in ["bash", "zsh", "fish"] {
        let bin = env!("CARGO_BIN_EXE_rban");
        let script = crate::support::said(&format!("{bin} completion {shell}"));
        assert!(script.contains("addignoreip"), "{shell}");
    }
    let bin = env!("CARGO_BIN_EXE_rban");
    let complete = |words: &str, at: usize| {
        crate::support::said(&format!(
            "bash -c 'source <({bin} completion bash); COMP_WORDS=({words}); COMP_CWORD={at}; \
             _rban; echo ${{COMPREPLY[*]}}'"
        ))
    };
    assert_eq!(complete("rban stat", 1).trim(), "status stats");
    assert_eq!(complete("rban client set x bantim", 4).trim(), "bantime");
    assert_eq!(
        complete("fail2ban-client get dbmaxm", 2).trim(),
        "dbmaxmatches"
    );
}

/// A folder with a `fail2ban-client` that talks to a server, for scripts that call it by that name.
fn client_of(server: &Real, program: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fail2ban-client");
    let socket = server.path("sock");
    let script = format!(
        "#!/bin/bash\nexec -a fail2ban-client {program} -s {} \"$@\"\n",
        socket.display()
    );
    fs::write(&path, script).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    folder
}

/// The plugins that come with Debian's fail2ban, run as they are on both servers.
#[test]
fn nagios_cacti_and_bash_completion_see_no_difference() {
    const EXAMPLES: &str = "/usr/share/doc/fail2ban/examples";
    const COMPLETION: &str = "/usr/share/bash-completion/completions/fail2ban";
    let Some(theirs) = Real::start_with(&[REAL_SERVER]) else {
        return;
    };
    if !fs::exists(EXAMPLES).unwrap_or(false) || !fs::exists(COMPLETION).unwrap_or(false) {
        eprintln!("skipped: no {EXAMPLES} or {COMPLETION}");
        return;
    }
    let ours = server().expect("our server");
    let said = |server: &Real, program: &str| {
        server
            .ask(&list(&["set", "one", "banip", "192.0.2.7", "192.0.2.8"]))
            .expect("bans");
        server.until_banned("192.0.2.8");
        let folder = client_of(server, program);
        let run = |script: &str| {
            let output = Command::new("bash")
                .args(["-c", script])
                .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
                .output()
                .expect("bash");
            let out = String::from_utf8_lossy(&output.stdout).into_owned();
            (script.to_owned(), output.status.code(), out)
        };
        let client = folder.path().join("fail2ban-client");
        let mut told = vec![
            run(&format!(
                "perl {EXAMPLES}/nagios/check_fail2ban -P $(command -v fail2ban-client) -p"
            )),
            run(&format!(
                "perl {EXAMPLES}/nagios/check_fail2ban -P $(command -v fail2ban-client) -j one -w 3 -c 5"
            )),
            run(&format!(
                "perl {EXAMPLES}/nagios/check_fail2ban -P $(command -v fail2ban-client) -j none"
            )),
            run(&format!("bash {EXAMPLES}/cacti/fail2ban_stats.sh one")),
        ];
        for (words, at) in [
            ("status ", 2),
            ("set o", 2),
            ("get logt", 2),
            ("set dbm", 2),
            ("get one ignorere", 3),
            ("set one addignore", 3),
            ("set one unbanip ", 4),
            ("set one delfailregex ", 4),
            ("set one dellogpath ", 4),
            ("get one action ", 4),
            ("set one idle o", 4),
            ("set loglevel N", 3),
            ("add x py", 3),
            ("flushl", 1),
            ("relo", 1),
        ] {
            // What bash-completion itself would say of the words.
            let script = format!(
                "_init_completion() {{ cur=${{COMP_WORDS[COMP_CWORD]}}; prev=${{COMP_WORDS[COMP_CWORD-1]}}; \
                 words=(\"${{COMP_WORDS[@]}}\"); cword=$COMP_CWORD; }}; _filedir() {{ :; }}; \
                 source {COMPLETION}; COMP_WORDS=(fail2ban-client {words}); \
                 [ ${{#COMP_WORDS[@]}} -gt {at} ] || COMP_WORDS+=(''); COMP_CWORD={at}; \
                 _fail2ban fail2ban-client; echo ${{COMPREPLY[*]}} | tr ' ' '\\n' | sort -u"
            );
            let (_, code, out) = run(&script);
            told.push((words.to_owned(), code, out));
        }
        let conf = server.conf();
        let here = client.display().to_string();
        told.into_iter()
            .map(|(script, code, out)| {
                (
                    script,
                    code,
                    out.replace(&conf, "DIR").replace(&here, "CLIENT"),
                )
            })
            .collect::<Vec<_>>()
    };
    let ours = said(&ours, env!("CARGO_BIN_EXE_rban"));
    let theirs = said(&theirs, "/usr/bin/fail2ban-client");
    let mut found = 0;
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
        found += usize::from(theirs.2.trim().len() > 1);
    }
    assert!(found > 12, "{theirs:?}");
}
