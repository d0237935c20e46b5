use super::*;
use crate::protocol::Reload;

fn asked(words: &[&str]) -> Result<Request, String> {
    parse(&Value::list(words.iter().copied())).map_err(|e| Value::Exception(e).repr())
}

#[test]
fn no_command_is_listed_twice() {
    for (place, row) in COMMANDS.iter().enumerate() {
        let twin = COMMANDS[..place]
            .iter()
            .find(|r| r.scope == row.scope && r.word == row.word);
        assert!(twin.is_none(), "{:?} {}", row.scope, row.word);
    }
}

#[test]
fn what_is_shown_says_what_it_does_in_one_line() {
    for row in COMMANDS.iter().filter(|row| !row.help.is_empty()) {
        assert!(
            !row.help.contains('\n') && !row.help.ends_with('.'),
            "{}",
            row.word
        );
        assert!(
            row.help.chars().next().is_some_and(char::is_lowercase),
            "{}",
            row.word
        );
    }
}

#[test]
fn words_become_requests() {
    assert_eq!(asked(&["status"]), Ok(Request::Status));
    assert_eq!(
        asked(&["status", "sshd"]),
        Ok(Request::JailStatus {
            jail: "sshd".into(),
            flavor: "basic".into()
        })
    );
    assert_eq!(
        asked(&["set", "loglevel", "DEBUG"]),
        Ok(Request::SetGlobal(Global::LogLevel, "DEBUG".into()))
    );
    assert_eq!(
        asked(&["set", "sshd", "maxretry", "3"]),
        Ok(Request::Set("sshd".into(), Change::MaxRetry(3)))
    );
    assert_eq!(
        asked(&["get", "sshd", "bantime.factor"]),
        Ok(Request::Get(
            "sshd".into(),
            Query::BanTimeExtra("factor".into())
        ))
    );
    assert_eq!(asked(&["stop", "--all"]), Ok(Request::Stop(Stop::AllJails)));
    assert_eq!(
        asked(&["reload", "--unban", "sshd"]),
        Ok(Request::Reload(Reload {
            jail: Some("sshd".into()),
            unban: true,
            ..Reload::default()
        }))
    );
}

#[test]
fn a_reload_over_the_wire_carries_its_stream() {
    let stream = Value::List(vec![Value::list(["start", "sshd"])]);
    let command = Value::List(vec![
        "reload".into(),
        "--all".into(),
        Value::list(["--restart"]),
        stream,
    ]);
    let Ok(Request::Reload(reload)) = parse(&command) else {
        panic!("no reload")
    };
    assert!(reload.restart && reload.jail.is_none());
    assert_eq!(reload.stream.len(), 1);
}

#[test]
fn errors_are_fail2bans_exceptions() {
    assert_eq!(
        asked(&[]),
        Err("IndexError('list index out of range')".into())
    );
    assert_eq!(asked(&["foo"]), Err("Exception('Invalid command')".into()));
    assert_eq!(
        asked(&["get", "sshd"]),
        Err("IndexError('list index out of range')".into())
    );
    assert_eq!(
        asked(&["get", "sshd", "foo"]),
        Err("Exception('Invalid command (no get action or not yet implemented)')".into())
    );
    assert_eq!(
        asked(&["set", "sshd", "maxretry", "x"]),
        Err("ValueError(\"invalid literal for int() with base 10: 'x'\")".into())
    );
}

/// Words that a row's arguments ask for, one of each kind it may take.
fn examples(row: &Command) -> Vec<Vec<Value>> {
    let words = |words: &[&str]| words.iter().map(|word| Value::from(*word)).collect();
    let arguments: &[&[&str]] = match row.arguments {
        "" => &[&[]],
        "JAIL" => &[&["sshd"]],
        "[JAIL|--all]" => &[&[], &["sshd"], &["--all"]],
        "[JAIL|--all [FLAVOR]]" => &[
            &[],
            &["sshd"],
            &["--all"],
            &["--all", "short"],
            &["sshd", "stats"],
        ],
        "[--restart] [--unban] [--if-exists] [JAIL|--all]" => &[
            &["--all"],
            &["--restart", "sshd"],
            &["--unban", "--if-exists", "sshd"],
        ],
        "[ADDRESS ...]" => &[&[], &["192.0.2.1"], &["192.0.2.1", "2001:db8::1"]],
        "ADDRESS ..." => &[&["192.0.2.1"], &["192.0.2.0/24", "example.com"]],
        "--all | ADDRESS ..." => &[&["--all"], &["192.0.2.1"], &["192.0.2.1", "--all"]],
        "[--report-absent] ADDRESS ..." => &[&["192.0.2.1"], &["--report-absent", "192.0.2.1"]],
        "ADDRESS [LINE ...]" => &[&["192.0.2.1"], &["192.0.2.1", "a line", "another"]],
        "[WORD ...]" => &[&[], &["a", "b c"]],
        "JAIL [BACKEND]" => &[&["sshd"], &["sshd", "polling"]],
        "SECONDS" => &[&["0.5"], &["3"]],
        "on|off" => &[&["on"], &["off"]],
        "FILE [tail|head]" => &[
            &["/var/log/x"],
            &["/var/log/x", "TAIL"],
            &["/var/log/x", "head"],
        ],
        "MATCH ..." => &[&["_COMM=sshd", "+", "_UID=0"]],
        "INDEX" | "NUMBER" => &[&["0"], &["-1"], &["1_000"]],
        "ACTION [PYTHONFILE JSON]" => &[&["mail"], &["mail", "/x.py", "{}"]],
        "ACTION PROPERTY|METHOD [VALUE|JSON]" => {
            &[&["mail", "actionban", "true"], &["mail", "start"]]
        }
        "ACTION PROPERTY" => &[&["mail", "actionban"]],
        "[SEPARATOR|--with-time]" => &[&[], &[","], &["--with-time"]],
        "COMMANDS" => return vec![vec![Value::List(vec![Value::list(["start", "sshd"])])]],
        _ => &[&["anything"]],
    };
    arguments.iter().map(|arguments| words(arguments)).collect()
}

#[test]
fn every_command_is_understood_and_said_again() {
    for row in COMMANDS {
        let before: &[&str] = match row.scope {
            Basic => &[row.word],
            SetGlobal => &["set", row.word],
            GetGlobal => &["get", row.word],
            SetJail => &["set", "sshd", row.word],
            GetJail => &["get", "sshd", row.word],
        };
        for arguments in examples(row) {
            let mut words: Vec<Value> = before.iter().map(|word| Value::from(*word)).collect();
            words.extend(arguments);
            let words = Value::List(words);
            let request = parse(&words).unwrap_or_else(|e| panic!("{}: {e}", words.repr()));
            let again = request.command();
            assert_eq!(
                parse(&again),
                Ok(request),
                "{} became {}",
                words.repr(),
                again.repr()
            );
        }
    }
}

#[test]
fn a_configurations_stream_is_understood_and_said_again() {
    let list = |words: &[&str]| Value::list(words.iter().copied());
    let action = Value::List(vec![list(&["actionban", "x"]), list(&["start"])]);
    let stream = [
        Value::List(vec![
            "set".into(),
            "thread".into(),
            Value::Dict(vec![("stacksize".into(), 0i64.into())]),
        ]),
        Value::List(vec![
            "multi-set".into(),
            "sshd".into(),
            "addfailregex".into(),
            list(&["a", "b"]),
        ]),
        Value::List(vec![
            "multi-set".into(),
            "sshd".into(),
            "addignoreregex".into(),
            list(&[]),
        ]),
        Value::List(vec![
            "multi-set".into(),
            "sshd".into(),
            "action".into(),
            "mail".into(),
            action,
        ]),
        Value::List(vec![
            "set".into(),
            "sshd".into(),
            "maxretry".into(),
            3i64.into(),
        ]),
        list(&["set", "sshd", "bantime.increment", "true"]),
        list(&["config-error", "a message"]),
    ];
    for command in stream {
        let request = parse(&command).unwrap();
        assert_eq!(request.command(), command);
    }
}

#[test]
fn sleeps_are_as_long_as_python_sleeps() {
    let asked = |word: &str| asked(&["sleep", word]);
    assert_eq!(asked("1.5"), Ok(Request::Sleep(1.5)));
    assert_eq!(
        asked("nan"),
        Err("ValueError('Invalid value NaN (not a number)')".into())
    );
    assert_eq!(
        asked("-1"),
        Err("ValueError('sleep length must be non-negative')".into())
    );
    assert_eq!(
        asked("x"),
        Err("ValueError(\"could not convert string to float: 'x'\")".into())
    );
}
