//! The client's language against Python: pickles both ways, `repr`, and fail2ban's own rendering.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rban::protocol::{Charset, Exception, Value, pickle, render, render_error};
use regex::Regex;
use serde_json::Value as Json;

use crate::reference;

/// Values to compare; one Python process judges them all.
const CASES: usize = 400;

/// Characters that came after Debian's Python: it escapes them as unassigned.
static NEWER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[\P{Cn}--\p{Age=14.0}]").expect("a class"));

/// Values of all kinds, nested.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        3 => "[a-z0-9./:-]{0,12}".prop_map(Value::Str),
        2 => any::<String>().prop_map(|text| Value::str(NEWER.replace_all(&text, "x"))),
        1 => "[ -~\t\n\r\\\\'\"]{0,300}".prop_map(Value::Str),
    ];
    let number = prop_oneof![
        any::<i64>().prop_map(Value::Int),
        (-300i64..70_000).prop_map(Value::Int),
        any::<f64>()
            .prop_filter("equal to itself", |f| f.is_finite())
            .prop_map(Value::Float),
        (-1e6..1e6).prop_map(Value::Float),
    ];
    let leaf = prop_oneof![
        1 => Just(Value::None),
        1 => any::<bool>().prop_map(Value::Bool),
        3 => number,
        5 => text.clone(),
        1 => vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 60, 8, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::List),
            vec(inner.clone(), 0..5).prop_map(Value::Tuple),
            vec((text.clone(), inner), 0..6)
                .prop_map(|entries| Value::Dict(without_twins(entries))),
            // Of one member: Python shows more in an order of its own.
            text.clone().prop_map(|member| Value::Set(vec![member])),
        ]
    })
}

fn without_twins(entries: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    let mut kept: Vec<(Value, Value)> = Vec::new();
    for (key, value) in entries {
        if kept.iter().all(|(other, _)| *other != key) {
            kept.push((key, value));
        }
    }
    kept
}

/// Values that are the same in every run.
fn values() -> Vec<Value> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = value();
    (0..CASES)
        .map(|_| strategy.new_tree(&mut runner).expect("a value").current())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| {
            u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("hex")
        })
        .collect()
}

/// A Python list of texts.
fn literals(texts: impl IntoIterator<Item = String>) -> String {
    Value::list(texts).repr()
}

#[test]
fn python_and_we_read_each_others_pickles() {
    let values = values();
    let script = format!(
        "import ast, json, pickle\n\
         out = []\n\
         for text, theirs in zip({}, {}):\n\
         \x20   value = ast.literal_eval(text)\n\
         \x20   shown = repr(pickle.loads(bytes.fromhex(theirs)))\n\
         \x20   pickles = [dump(value, p).hex() for p in range(6) for dump in (pickle.dumps, pickle._dumps)]\n\
         \x20   shared = [pickle.dumps([value, value, (value,)], p).hex() for p in range(6)]\n\
         \x20   out.append([repr(value), shown, pickles, shared])\n\
         print(json.dumps(out))\n",
        literals(values.iter().map(Value::repr)),
        literals(values.iter().map(|value| hex(&pickle::encode(value)))),
    );
    let Some(Json::Array(told)) = reference::python(&script) else {
        return;
    };
    assert_eq!(told.len(), values.len());
    for (value, told) in values.iter().zip(told) {
        let repr = value.repr();
        assert_eq!(told[0], repr.as_str(), "repr");
        assert_eq!(told[1], repr.as_str(), "what Python reads of ours");
        for bytes in told[2].as_array().expect("pickles") {
            let bytes = unhex(bytes.as_str().expect("hex"));
            let read = pickle::decode(&bytes).unwrap_or_else(|e| panic!("{e}: {repr}"));
            assert_eq!(read, *value);
        }
        let alone = || value.clone();
        let shared = Value::List(vec![alone(), alone(), Value::Tuple(vec![alone()])]);
        for bytes in told[3].as_array().expect("pickles") {
            let bytes = unhex(bytes.as_str().expect("hex"));
            assert_eq!(pickle::decode(&bytes).as_ref(), Ok(&shared), "{repr}");
        }
    }
}

fn pairs(entries: Vec<(&str, Value)>) -> Value {
    let entries = entries.into_iter();
    Value::List(
        entries
            .map(|(name, value)| Value::Tuple(vec![name.into(), value]))
            .collect(),
    )
}

fn jail_status(files: &[&str], ips: &[&str]) -> Value {
    let filter = vec![
        ("Currently failed", Value::Int(0)),
        ("Total failed", Value::Int(1_234_567)),
        ("File list", Value::list(files.iter().copied())),
    ];
    let actions = vec![
        ("Currently banned", Value::Int(ips.len() as i64)),
        ("Total banned", Value::Int(3)),
        ("Banned IP list", Value::list(ips.iter().copied())),
    ];
    pairs(vec![("Filter", pairs(filter)), ("Actions", pairs(actions))])
}

/// Commands with the answers a server may give.
fn answers() -> Vec<(&'static str, Vec<Value>)> {
    let lists = || {
        vec![
            Value::List(vec![]),
            Value::list(["one"]),
            Value::list(["192.0.2.1", "it's", "2001:db8::/32", "häßlich\tü"]),
        ]
    };
    let numbers = || {
        vec![
            Value::Int(0),
            Value::Int(-1),
            Value::Int(600),
            Value::Float(2.5),
        ]
    };
    let levels = (-1..=52)
        .map(Value::Int)
        .chain(["DEBUG".into(), "10".into()])
        .collect();
    let overview = |jails: i64, names: &str| {
        pairs(vec![
            ("Number of jail", jails.into()),
            ("Jail list", names.into()),
        ])
    };
    let matches = |groups: &[&[&str]]| {
        Value::List(
            groups
                .iter()
                .map(|words| Value::list(words.iter().copied()))
                .collect(),
        )
    };
    let mut table = vec![
        ("ping", vec!["pong".into()]),
        ("version", vec!["1.1.1".into()]),
        ("start sshd", vec![Value::None]),
        ("stop", vec![Value::None, "odd".into()]),
        ("stop sshd", vec![Value::None, "odd".into()]),
        ("stop --all", vec![Value::None]),
        ("add sshd polling", vec!["sshd".into()]),
        ("flushlogs", vec!["rolled over".into(), "flushed".into()]),
        (
            "echo a b",
            vec![Value::list(["a", "b"]), Value::List(vec![])],
        ),
        ("status", vec![overview(0, ""), overview(2, "sshd, web")]),
        (
            "status sshd",
            vec![
                jail_status(&[], &[]),
                jail_status(&["/a", "/b c"], &["192.0.2.1", "2001:db8::1"]),
            ],
        ),
        (
            "status sshd short",
            vec![pairs(vec![(
                "Filter",
                pairs(vec![("Journal matches", Value::list(["a + b"]))]),
            )])],
        ),
        ("server-status", vec!["Server ready".into()]),
        ("unban --all", numbers()),
        (
            "banned",
            vec![Value::List(vec![Value::Dict(vec![(
                "sshd".into(),
                Value::list(["192.0.2.1"]),
            )])])],
        ),
        (
            "banned 192.0.2.1 loglevel",
            vec![Value::List(vec![
                Value::list(["sshd"]),
                Value::List(vec![]),
            ])],
        ),
        ("reload", vec!["OK".into()]),
        ("get loglevel", levels),
        ("set loglevel debug", vec!["DEBUG".into(), Value::Int(10)]),
        (
            "get logtarget",
            vec!["/var/log/fail2ban.log".into(), "STDOUT".into()],
        ),
        ("set syslogsocket auto", vec!["auto".into()]),
        ("get dbfile", vec![Value::None, "/var/lib/x.sqlite3".into()]),
        (
            "get dbpurgeage",
            vec![Value::None, Value::Int(86_400), Value::Float(86_400.9)],
        ),
        ("get dbmaxmatches", vec![Value::None, Value::Int(10)]),
        (
            "get thread",
            vec![Value::Dict(vec![("stacksize".into(), Value::Int(0))])],
        ),
        (
            "get sshd journalmatch",
            vec![
                matches(&[]),
                matches(&[&["_COMM=sshd"]]),
                matches(&[&["a", "b"], &["c"]]),
            ],
        ),
        (
            "get sshd datepattern",
            vec![
                Value::None,
                Value::Tuple(vec![Value::None, "Default Detectors".into()]),
                Value::Tuple(vec!["{^LN-BEG}%s".into(), "{^LN-BEG}Epoch".into()]),
            ],
        ),
        ("get sshd logencoding", vec!["UTF-8".into()]),
        (
            "get sshd banned 192.0.2.1 192.0.2.2",
            vec![Value::list([1i64, 0])],
        ),
        (
            "get sshd ignorecache",
            vec![
                Value::None,
                Value::List(vec!["k".into(), Value::Int(1), Value::Float(0.5)]),
            ],
        ),
        ("get sshd actionproperties mail", lists()),
        ("get sshd actionmethods mail", lists()),
        ("get sshd actions", lists()),
        ("get sshd banip", lists()),
        ("get sshd banip ,", lists()),
        (
            "get sshd banip --with-time",
            vec![Value::list(
                ["192.0.2.1 \t2026-01-01 00:00:00 + 600 = 2026-01-01 00:10:00"; 2],
            )],
        ),
        ("set sshd banip 192.0.2.1", numbers()),
        (
            "set sshd idle on",
            vec![Value::Bool(true), Value::Bool(false)],
        ),
        ("set sshd bantime 1h", numbers()),
        (
            "get sshd bantime.increment",
            vec![Value::Bool(true), Value::None, "x".into()],
        ),
        ("get sshd prefregex", vec!["".into(), "^a(?P<b>c)$".into()]),
        ("set sshd delaction mail", vec![Value::None]),
    ];
    for command in [
        "get sshd logpath",
        "set sshd addlogpath /x",
        "set sshd dellogpath /x",
        "get sshd ignoreip",
        "set sshd addignoreip x",
        "set sshd delignoreip x",
        "get sshd failregex",
        "set sshd addfailregex x",
        "set sshd delfailregex 0",
        "get sshd ignoreregex",
        "set sshd addignoreregex x",
        "set sshd delignoreregex 0",
        "set sshd addjournalmatch",
        "get other something",
    ] {
        let lists = if command.contains("journal") {
            vec![matches(&[&["x", "y"]])]
        } else {
            lists()
        };
        table.push((command, lists));
    }
    table
}

/// A script that renders command and answer pairs with fail2ban's Beautifier.
fn beautify(cases: &[(Vec<&str>, &Value)], utf8: bool) -> String {
    let cases = cases.iter().map(|(words, answer)| {
        let words = Value::list(words.iter().copied());
        Value::Tuple(vec![words, (*answer).clone()])
    });
    format!(
        "import ast, json\n\
         from fail2ban.client.beautifier import Beautifier\n\
         out = []\n\
         for command, answer in ast.literal_eval({}):\n\
         \x20   beautifier = Beautifier(command)\n\
         \x20   beautifier.encUtf = {}\n\
         \x20   out.append(str(beautifier.beautify(answer)))\n\
         print(json.dumps(out))\n",
        Value::Str(Value::List(cases.collect()).repr()).repr(),
        u8::from(utf8),
    )
}

fn words(command: &str) -> Vec<&str> {
    command.split(' ').collect()
}

fn compare(cases: &[(Vec<&str>, &Value)], charset: Charset) {
    let script = beautify(cases, charset == Charset::Utf8);
    let Some(Json::Array(told)) = reference::python(&script) else {
        return;
    };
    assert_eq!(told.len(), cases.len());
    for ((words, answer), told) in cases.iter().zip(told) {
        let ours = render(words, answer, charset);
        assert_eq!(told, ours.as_str(), "{words:?} of {}", answer.repr());
    }
}

#[test]
fn answers_read_as_fail2bans_client_prints_them() {
    let answers = answers();
    let cases: Vec<_> = answers
        .iter()
        .flat_map(|(command, answers)| answers.iter().map(|answer| (words(command), answer)))
        .collect();
    assert!(cases.len() > 150, "{}", cases.len());
    compare(&cases, Charset::Utf8);
}

/// 1.0.2 has neither `stats` nor `status --all`; a newer fail2ban in `PYTHONPATH` is asked.
#[test]
fn newer_answers_read_as_a_newer_client_prints_them() {
    let newer = "import json; from fail2ban.version import version; \
                 print(json.dumps([int(n) for n in version.split('.')[:2]] >= [1, 1]))";
    if reference::python(newer) != Some(Json::Bool(true)) {
        eprintln!("skipped: the installed fail2ban is older than 1.1");
        return;
    }
    let numbers = |a: i64, b: i64| Value::Tuple(vec![a.into(), b.into()]);
    let row = |backend: &str, a, b| Value::List(vec![backend.into(), numbers(a, b), numbers(b, a)]);
    let tables = [
        Value::Dict(vec![]),
        Value::Dict(vec![("sshd".into(), row("systemd", 1, 12_345))]),
        Value::Dict(vec![
            (
                "a-jail-with-a-long-name".into(),
                row("inotify-and-more", 0, 0),
            ),
            ("ü".into(), row("x", 123_456_789, 1)),
        ]),
    ];
    let all = |jails: Vec<(Value, Value)>| {
        let Value::List(mut answer) = pairs(vec![
            ("Number of jail", Value::Int(2)),
            ("Jail list", "a, b".into()),
        ]) else {
            unreachable!("pairs make a list");
        };
        answer.push(Value::Dict(jails));
        Value::List(answer)
    };
    let status = || jail_status(&["/var/log/a"], &["192.0.2.1", "192.0.2.2"]);
    let trees = [
        all(vec![]),
        all(vec![("a".into(), status())]),
        all(vec![("a".into(), status()), ("b".into(), status())]),
    ];
    let mut cases = Vec::new();
    for command in ["stats", "statistics", "statistic"] {
        cases.extend(tables.iter().map(|answer| (words(command), answer)));
    }
    cases.extend(trees.iter().map(|answer| (words("status --all"), answer)));
    compare(&cases, Charset::Utf8);
    compare(&cases, Charset::Ascii);
}

#[test]
fn errors_read_as_fail2bans_client_prints_them() {
    let script = "import json, pickle\n\
        from fail2ban.exceptions import UnknownJailException, DuplicateJailException\n\
        from fail2ban.client.beautifier import Beautifier\n\
        errors = [UnknownJailException('x'), DuplicateJailException(\"it's\"), IndexError('list index out of range'),\n\
        \x20 Exception('Invalid command'), Exception(), Exception('a', 2), ValueError(\"bad 'x'\"), KeyError('x'),\n\
        \x20 TypeError('t'), OSError(2, 'No such file'), FileNotFoundError(2, 'No such file', '/tmp/x'),\n\
        \x20 PermissionError(13, 'no', 'a', None, 'b'), RuntimeError(['list']), AttributeError('a')]\n\
        def said(command):\n\
        \x20   try: command()\n\
        \x20   except Exception as error: errors.append(error)\n\
        said(lambda: json.loads('{'))\n\
        said(lambda: json.loads('[1,\\n 2'))\n\
        said(lambda: open('/nonexistent/file'))\n\
        said(lambda: int('x'))\n\
        print(json.dumps([[pickle.dumps(e, p).hex(), str(Beautifier(['x']).beautifyError(e)), repr(e.args)]\n\
        \x20 for e in errors for p in range(6)]))\n";
    let Some(Json::Array(told)) = reference::python(script) else {
        return;
    };
    assert!(told.len() >= 18 * 6);
    for told in told {
        let bytes = unhex(told[0].as_str().expect("hex"));
        let Ok(Value::Exception(exception)) = pickle::decode(&bytes) else {
            panic!("no exception: {}", told[2]);
        };
        assert_eq!(told[1], render_error(&exception).as_str(), "{exception:?}");
        let args = Value::Tuple(exception.args()).repr();
        assert_eq!(told[2], args.as_str(), "{exception:?}");
    }
}

#[test]
fn our_exceptions_are_fail2bans_to_its_client() {
    let ours = [
        Exception::unknown_jail("x"),
        Exception::duplicate_jail("x"),
        Exception::builtin("IndexError", vec!["list index out of range".into()]),
        Exception::builtin(
            "FileNotFoundError",
            vec![2i64.into(), "No such file".into(), "/x".into()],
        ),
    ];
    let pickles = ours
        .iter()
        .map(|e| hex(&pickle::encode(&Value::Exception(e.clone()))));
    let script = format!(
        "import json, pickle\n\
         from fail2ban.client.beautifier import Beautifier\n\
         out = []\n\
         for text in {}:\n\
         \x20   error = pickle.loads(bytes.fromhex(text))\n\
         \x20   out.append([repr(error), str(Beautifier(['x']).beautifyError(error))])\n\
         print(json.dumps(out))\n",
        literals(pickles)
    );
    let Some(Json::Array(told)) = reference::python(&script) else {
        return;
    };
    for (exception, told) in ours.iter().zip(told) {
        assert_eq!(told[0], Value::Exception(exception.clone()).repr().as_str());
        assert_eq!(told[1], render_error(exception).as_str());
    }
}
