//! The server against the real fail2ban's: the real client sends the same commands to both, and
//! what it prints and its exit codes have to be the same, but for what stands in [`DIFFERENT`].

use crate::client::{REAL_SERVER, Real, Said, real_client, story_of};

const OURS: &[&str] = &[env!("CARGO_BIN_EXE_rban"), "server"];

/// Commands that are answered otherwise on purpose, and why; docs/differences.md has them too.
const DIFFERENT: &[(&str, &str)] = &[
    ("version", "we behave as 1.1.1"),
    ("status --all", "new in 1.1"),
    ("stats", "new in 1.1"),
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
