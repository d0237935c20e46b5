use super::*;

fn shown(words: &[&str], answer: &Value) -> String {
    render(words, answer, Charset::Utf8)
}

fn pairs(entries: &[(&str, Value)]) -> Value {
    let pair = |(name, value): &(&str, Value)| Value::Tuple(vec![(*name).into(), value.clone()]);
    Value::List(entries.iter().map(pair).collect())
}

#[test]
fn the_status_is_a_tree_with_tabs() {
    let answer = pairs(&[
        ("Number of jail", 2i64.into()),
        ("Jail list", "sshd, web".into()),
    ]);
    assert_eq!(
        shown(&["status"], &answer),
        "Status\n|- Number of jail:\t2\n`- Jail list:\tsshd, web"
    );
}

#[test]
fn a_jails_status_has_two_branches() {
    let answer = pairs(&[
        (
            "Filter",
            pairs(&[
                ("Currently failed", 0i64.into()),
                ("Total failed", 3i64.into()),
                ("File list", Value::list(["/var/log/auth.log"])),
            ]),
        ),
        (
            "Actions",
            pairs(&[
                ("Currently banned", 1i64.into()),
                ("Total banned", 1i64.into()),
                ("Banned IP list", Value::list(["192.0.2.5", "192.0.2.6"])),
            ]),
        ),
    ]);
    let expected = "Status for the jail: sshd\n\
        |- Filter\n\
        |  |- Currently failed:\t0\n\
        |  |- Total failed:\t3\n\
        |  `- File list:\t/var/log/auth.log\n\
        `- Actions\n   \
           |- Currently banned:\t1\n   \
           |- Total banned:\t1\n   \
           `- Banned IP list:\t192.0.2.5 192.0.2.6";
    assert_eq!(shown(&["status", "sshd"], &answer), expected);
}

#[test]
fn errors_are_sentences() {
    let unknown = Exception {
        module: "fail2ban.exceptions".into(),
        class: "UnknownJailException".into(),
        args: vec!["nope".into()],
    };
    assert_eq!(
        render_error(&unknown),
        "Sorry but the jail 'nope' does not exist"
    );
    let plain = Exception::builtin("Exception", vec!["Invalid command".into()]);
    assert_eq!(render_error(&plain), "Invalid command");
}

#[test]
fn what_has_no_form_of_its_own_is_shown_as_python_shows_it() {
    let banned = Value::list([Value::Dict(vec![(
        "sshd".into(),
        Value::list(["192.0.2.5"]),
    )])]);
    assert_eq!(shown(&["banned"], &banned), "[{'sshd': ['192.0.2.5']}]");
    assert_eq!(shown(&["get", "sshd", "bantime"], &600i64.into()), "600");
    assert_eq!(shown(&["status", "sshd"], &Value::None), "None");
}

fn statistics() -> Value {
    let numbers = |a: i64, b: i64| Value::Tuple(vec![a.into(), b.into()]);
    let row = |backend: &str, (a, b): (i64, i64), (c, d): (i64, i64)| {
        Value::List(vec![backend.into(), numbers(a, b), numbers(c, d)])
    };
    Value::Dict(vec![
        ("sshd".into(), row("systemd", (1, 12_345), (2, 20))),
        ("apache-noscript".into(), row("inotify", (0, 0), (0, 0))),
    ])
}

#[test]
fn statistics_are_a_table_of_lines_or_of_plain_characters() {
    let expected = [
        "                 ║          ║ Filter      ║ Actions  ",
        " Jail            ║ Backend  ╟─────────────╫───────────",
        "                 ║          ║ cur │   tot ║ cur │ tot",
        "═════════════════╬══════════╬═════════════╬═══════════",
        " sshd            ║ systemd  ║   1 │ 12345 ║   2 │  20",
        " apache-noscript ║ inotify  ║   0 │     0 ║   0 │   0",
        "═════════════════╩══════════╩═════════════╩═══════════",
    ];
    let table = shown(&["stats"], &statistics());
    assert_eq!(table.lines().collect::<Vec<_>>(), expected);
    let plain = render(&["statistics"], &statistics(), Charset::Ascii);
    let ascii = |line: &str| {
        line.chars()
            .map(|c| match c {
                '║' | '╟' | '│' => '|',
                '═' | '─' | '╩' => '-',
                '╫' | '╬' => 'x',
                other => other,
            })
            .collect::<String>()
    };
    assert_eq!(plain.lines().collect::<Vec<_>>(), expected.map(ascii));
    assert_eq!(shown(&["stats"], &Value::Dict(vec![])), "No jails found.");
}

#[test]
fn a_jails_statistics_are_a_table_of_one() {
    let Value::Dict(rows) = statistics() else {
        panic!("a dictionary")
    };
    let one = shown(&["status", "sshd", "stats"], &rows[0].1);
    assert!(
        one.contains("\n sshd     ║ systemd  ║   1 │ 12345 ║   2 │  20\n"),
        "{one}"
    );
    let all = Value::List(vec![
        Value::Tuple(vec!["Number of jail".into(), 2i64.into()]),
        statistics(),
    ]);
    assert_eq!(
        shown(&["status", "--all", "stats"], &all),
        shown(&["stats"], &statistics())
    );
}

#[test]
fn all_jails_hang_below_the_overview() {
    let jail = || pairs(&[("Filter", pairs(&[("Currently failed", 0i64.into())]))]);
    let jails = Value::Dict(vec![("a".into(), jail()), ("b".into(), jail())]);
    let overview = Value::Tuple(vec!["Number of jail".into(), 2i64.into()]);
    let expected = "Status\n\
        |- Number of jail:\t2\n\
        `- Status for the jails:\n   \
           |- Jail: a\n   \
           |  `- Filter\n   \
           |     `- Currently failed:\t0\n   \
           `- Jail: b\n      \
              `- Filter\n         \
                 `- Currently failed:\t0";
    let answer = Value::List(vec![overview.clone(), jails]);
    assert_eq!(shown(&["status", "--all"], &answer), expected);
    let nobody = Value::List(vec![overview, Value::Dict(vec![])]);
    assert_eq!(
        shown(&["status", "--all"], &nobody),
        "Status\n`- Number of jail:\t2"
    );
}
