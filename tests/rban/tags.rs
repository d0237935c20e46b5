//! Every tag of a failregex, in every `usedns`, against the reference program's own filter.
//!
//! Regular expressions are made of tags with words between them; lines say in their places
//! addresses, near misses of addresses, names, networks and odd characters. Which regular
//! expression takes a line, ID, address, and all that was captured must be the same.

use rban::date::Zone;
use rban::model::{FilterSettings, Network, Origin, UseDns};
use serde_json::{Value, json};

use crate::reference;
use crate::sessions::{Case, Dice, NOON, ZONE, as_ours};

/// How many filters in one run, unless `RBAN_COUNT` says how many; `RBAN_SEED` begins elsewhere.
const CASES: u64 = 300;
/// The addresses of the one name that has any, as `sessions.py` has them.
const NAME: (&str, [&str; 2]) = ("host.example.com", ["192.0.2.77", "2001:db8::77"]);

/// Tags that say whom a line is about.
const WHO: [&str; 31] = [
    // What may match and say nobody, or an empty name.
    "(?:<HOST>)?",
    "(?:<ADDR>|)",
    "(?:<F-ID>id</F-ID>)?",
    "<F-ID>.*?</F-ID>",
    "<HOST>",
    "<HOST>",
    "<ADDR>",
    "<F-ADDR/>",
    "<IP4>",
    "<F-IP4/>",
    "<IP6>",
    "<F-IP6/>",
    "\\[?<IP6>\\]?",
    "(?:<IP4>|<IP6>)",
    "(?:<IP4>|<DNS>)",
    "(?:<F-ID>id\\S+</F-ID>|<ADDR>)",
    "<SUBNET>",
    "<F-SUBNET/>",
    "<ADDR>/<CIDR>",
    "<IP4>(?:/<F-CIDR/>)?",
    "<IP6>/<CIDR>",
    "<DNS>",
    "<F-DNS/>",
    "<F-ID/>",
    "<F-ID>\\S+</F-ID>",
    "<F-ID>[^ ]*?</F-ID>",
    "<F-ID><ADDR></F-ID>",
    "<F-ID><ADDR>/\\d+</F-ID>",
    "<F-ID>\\w+@<HOST></F-ID>",
    "(?P<fid>\\S+)",
    "(?P<ip4>[\\d.]+)",
];

/// Other tags, and what looks like tags.
const MORE: [&str; 29] = [
    "<F-PORT/>",
    "<F-PORT>\\d*</F-PORT>",
    "<F-USER>\\S*</F-USER>",
    "<F-USER>.*</F-USER>",
    "(?:<F-USER>anna</F-USER>|\\S+)",
    "(?:<F-USER>anna</F-USER>|<F-ALT_USER>\\S*</F-ALT_USER>)",
    "<F-ALT_USER_1>[a-z]*</F-ALT_USER_1>\\S*",
    "<F-ALT_USER2>[^ ]*</F-ALT_USER2>",
    "<F-ALT_ID>\\S*</F-ALT_ID>",
    "<F-ALT_IP4>[\\d.]+</F-ALT_IP4>",
    "<F-TUPLE_ID>\\S*</F-TUPLE_ID>",
    "<F-TUPLE_ID_1>\\S</F-TUPLE_ID_1>(?:<F-TUPLE_ID_2>\\S+</F-TUPLE_ID_2>)?",
    "<F-TUPLE_USER>\\S*</F-TUPLE_USER>",
    "<F-TUPLE_OTHER_1>\\w*</F-TUPLE_OTHER_1>\\S*",
    "<F-X-Y>\\S*</F-X-Y>",
    "<F-X_9>\\S*</F-X_9>",
    "<F-9>\\S*</F-9>",
    "<F-user>\\S*</F-user>",
    "<F-NOFAIL>\\S*</F-NOFAIL>",
    "<F-RHOST>\\S+</F-RHOST>",
    "<F-USER>a</F-USER></F-USER>",
    "</F-USER>",
    "<F-USER>",
    "<host>",
    "<F-HOST/>",
    "(?P<host>\\S+)",
    "(?P<user>\\S+)",
    "((?i)Word|\\S+)",
    "\\S*<SKIPLINES>^.*",
];

/// What stands in a line where a tag may.
const TEXTS: [&str; 61] = [
    "192.0.2.5",
    "192.0.2.5",
    "198.51.100.255",
    "0.0.0.0",
    "255.255.255.255",
    "256.1.1.1",
    "192.030.0.6",
    "192.0.2",
    "192.0.2.5.6",
    "1192.0.2.5",
    "192.0.2.5:22",
    "192.0.2.5,",
    "[192.0.2.5]",
    "[192.0.2.5]:22",
    "(192.0.2.5)",
    "192.0.2.5/24",
    "192.0.2.5/0",
    "192.0.2.5/32",
    "192.0.2.5/33",
    "192.0.2.5/",
    "192.0.2.5/255.255.255.0",
    "٢.0.2.5",
    "192.0.2.5%eth0",
    "::ffff:192.0.2.5",
    "::fffff:192.0.2.5",
    "::FFFF:192.0.2.5",
    "::ffff:c000:205",
    "2001:db8::5",
    "2001:DB8::5",
    "2001:db8::",
    "2001:db8:0:0:0:0:0:5",
    "2001:db8::5/64",
    "2001:db8::5/129",
    "2001:db8::5/0",
    "[2001:db8::5]",
    "[2001:db8::5]:22",
    "[2001:db8::5/64]",
    "2001:db8:::5",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3",
    "::",
    "::1",
    ":1",
    "12345::1",
    "fe80::1%eth0",
    "host.example.com",
    "nobody.example.org",
    "host.example.com.",
    "-host_.^x",
    "id7",
    "id7@192.0.2.8",
    "anna@host.example.com",
    "anna",
    "ANNA",
    "o'neil",
    "a\"b'c",
    "müller",
    "",
    "<HOST>",
    "22",
];

fn case(dice: &mut Dice) -> Case {
    let mut failregex = Vec::new();
    for _ in 0..1 + dice.below(4) {
        let mut pieces: Vec<&str> = (0..dice.below(3)).map(|_| dice.pick(&MORE)).collect();
        let at = dice.below(pieces.len() + 1);
        if !dice.one_in(30) {
            pieces.insert(at, dice.pick(&WHO));
        }
        let start = dice.pick(&["^ ?", "^ ?from ", "", "^", "from ", "\\b"]);
        let end = dice.pick(&["$", "$", " end", "", "\\s*$", "\\b"]);
        let between = dice.pick(&[" ", " ", " by ", "[ :]+"]);
        let regex = format!("{start}{}{end}", pieces.join(between));
        failregex.push((regex, Origin::Default));
    }
    let prefregex = match dice.below(8) {
        0 => Some("^ ?<F-CONTENT>.*</F-CONTENT>$"),
        1 => Some("^ ?(?:from <F-PRE>\\S*</F-PRE> )?<F-CONTENT>.+</F-CONTENT>"),
        2 => Some("^(?: ?<F-PRE_ID>id\\d</F-PRE_ID>)?<F-CONTENT>.+</F-CONTENT>"),
        _ => None,
    };
    let mut steps = Vec::new();
    for _ in 0..30 {
        let texts: Vec<&str> = (0..1 + dice.below(3)).map(|_| dice.pick(&TEXTS)).collect();
        let between = dice.pick(&[" ", " ", " by ", ": "]);
        let start = dice.pick(&["", "from ", "from "]);
        let end = dice.pick(&["", "", "", " end", " "]);
        let said = texts.join(between);
        steps.push((NOON, format!("2026-11-22 12:00:00 {start}{said}{end}")));
    }
    Case {
        settings: FilterSettings {
            name: "made".into(),
            prefregex: prefregex.map(str::to_owned),
            failregex,
            ignoreregex: Vec::new(),
            datepattern: None,
            maxlines: [1, 1, 1, 3][dice.below(4)],
            journalmatch: Vec::new(),
        },
        usedns: [UseDns::Yes, UseDns::Warn, UseDns::No, UseDns::Raw][dice.below(4)],
        in_operation: true,
        check_findtime: true,
        steps,
    }
}

/// Names as what they are looked up to; in one order, for the reference keeps addresses in a set.
fn looked_up(failures: &Value) -> Value {
    let mut all = Vec::new();
    for failure in failures.as_array().into_iter().flatten() {
        let Some(name) = failure[1]["name"].as_str() else {
            all.push(failure.clone());
            continue;
        };
        for address in NAME.1.iter().filter(|_| name == NAME.0) {
            let mut one = failure.clone();
            one[1] = json!(address);
            all.push(one);
        }
    }
    all.sort_by_key(Value::to_string);
    Value::Array(all)
}

/// Whether an ID has a slash and is no network: the reference fails on it, or cuts it there.
fn slashed(failures: &Value) -> bool {
    let all = failures.as_array().into_iter().flatten();
    let mut ids = all.filter_map(|failure| failure[1].as_str());
    ids.any(|id| id.contains('/') && id.parse::<Network>().is_err())
}

#[test]
fn every_tag_takes_and_captures_what_it_does_in_the_reference_program() {
    let (first, count) = crate::support::share("RBAN_SEED", "RBAN_COUNT", CASES);
    let cases: Vec<Case> = (first..first + count)
        .map(|seed| {
            case(&mut Dice(
                (seed + 77).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            ))
        })
        .collect();
    let question = cases.iter().map(Case::question).collect();
    let Some(answers) = reference::ask(include_str!("sessions.py"), &question) else {
        return;
    };
    let zone = Zone::local(Some(ZONE));
    let (mut lines, mut failures, mut refused, mut slashes) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    for (case, answer) in cases.iter().zip(answers.as_array().expect("answers")) {
        let regexes = case.settings.failregex.iter().map(|(regex, _)| regex);
        let what = format!(
            "{:?} {:?} {:?} {}",
            case.usedns,
            regexes.collect::<Vec<_>>(),
            case.settings.prefregex,
            case.settings.maxlines
        );
        let (ours, theirs) = match (case.judged(&zone), answer.as_array()) {
            (Some(ours), Some(theirs)) => (ours, theirs),
            (None, None) => {
                refused += 1;
                continue;
            }
            (ours, _) => {
                let only = if ours.is_some() { "taken" } else { "refused" };
                wrong.push(format!("{only} here only: {what}"));
                continue;
            }
        };
        for ((ours, theirs), (_, line)) in ours.iter().zip(theirs).zip(&case.steps) {
            if slashed(ours) {
                slashes += 1;
                continue;
            }
            let (ours, theirs) = (looked_up(ours), looked_up(&as_ours(theirs)));
            lines += 1;
            failures += ours.as_array().map_or(0, Vec::len);
            if ours != theirs {
                wrong.push(format!(
                    "{line:?}\n    ours {ours}\n    reference {theirs}\n    {what}"
                ));
                // What follows may follow from that.
                break;
            }
        }
    }
    println!("{lines} lines, {failures} failures, {refused} filters refused, {slashes} IDs");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let wanted = usize::try_from(count).expect("a count");
    assert!(lines > 10 * wanted && failures > 2 * wanted && refused > wanted / 50);
}
