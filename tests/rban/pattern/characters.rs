//! Every character against Python: categories and case.

use std::collections::HashSet;
use std::process::Command;

use rban::pattern::{Flags, Regex, Slots};
use serde_json::Value;

#[expect(clippy::disallowed_methods, reason = "the judge is another program")]
fn python() -> Value {
    let output = Command::new("python3")
        .args(["-c", include_str!("characters.py")])
        .output()
        .expect("python3 is installed where tests run");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Those characters of `all` that the pattern matches.
fn members(pattern: &str, all: &str) -> String {
    let regex = Regex::python(pattern, Flags::default()).expect("a pattern");
    let mut slots = Slots::new();
    let (mut found, mut at) = (String::new(), 0);
    while regex.search_at(all, at, &mut slots) {
        found.push_str(&all[slots.span()]);
        at = slots.span().end;
    }
    found
}

#[test]
fn categories_hold_the_same_characters_as_in_python() {
    let python = python();
    let text = |key: &str| python[key].as_str().expect("a text");
    for category in [r"\w", r"\d", r"\s"] {
        let ours: HashSet<char> = members(category, text("assigned")).chars().collect();
        let theirs: HashSet<char> = text(category).chars().collect();
        let odd: String = ours.symmetric_difference(&theirs).collect();
        assert_eq!(odd.escape_unicode().to_string(), "", "{category}");
    }
}

#[test]
fn case_is_ignored_between_the_same_characters_as_in_python() {
    let python = python();
    let cased = python["cased"].as_str().expect("a text");
    for (index, c) in cased.chars().enumerate() {
        for (key, pattern) in [
            ("fold", format!("(?i){c}")),
            ("fold_class", format!("(?i)[{c}_]")),
        ] {
            // Python loses upper-case letters beyond U+FFFF in a class; we do not.
            if key == "fold_class" && c > '\u{ffff}' {
                continue;
            }
            let theirs = python[key][index].as_str().expect("a text");
            assert_eq!(members(&pattern, cased), theirs, "{pattern}");
        }
    }
}
