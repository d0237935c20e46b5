//! What is fuzzed, and what has to hold: shared by `cargo test` and by the libFuzzer targets in
//! `fuzz/`, which name a target and hand bytes over.
//!
//! Nothing panics on any bytes; beyond that, two ways to the same answer must agree.

use rban::config::{Config, Facts, Firewall, Inputs, Memory, dump, load, stream};
use rban::date::{Detector, Zone};
use rban::model::{Span, Time};
use rban::pattern::{Options, Regex, RegexSet, Slots};
use rban::protocol::pickle;

/// What a target does with an input.
type Body = fn(&[u8]);

/// Every target: its name, which is its corpus' too, and what it does with an input.
pub(crate) const TARGETS: [(&str, Body); 4] = [
    ("dialect", dialect),
    ("pattern", pattern),
    ("date", date),
    ("pickle", unpickle),
];

/// Runs one target on an input.
pub(crate) fn run(target: &str, data: &[u8]) {
    let (_, body) = TARGETS
        .iter()
        .find(|(name, _)| *name == target)
        .expect("the name of a target");
    body(data);
}

/// Longer inputs say nothing new, and take long where nothing is optimised.
const MOST: usize = 4096;

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(&data[..data.len().min(MOST)]).into_owned()
}

/// The line between the parts of an input.
const RULE: &str = "\n=====\n";

/// Files below `/etc`: the first is `jail.local`; a line `@ path` begins another.
fn dialect(data: &[u8]) {
    let mut tree = Memory::default().with(
        "/etc/filter.d/plain.conf",
        "[Definition]\nfailregex = ^failed for <HOST>$\n",
    );
    let (mut path, mut content) = (String::from("jail.local"), Vec::new());
    for line in data[..data.len().min(MOST)].split_inclusive(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"@ ") {
            tree = tree.with(format!("/etc/{path}"), std::mem::take(&mut content));
            path = text(name).trim().to_owned();
        } else {
            content.extend_from_slice(line);
        }
    }
    tree = tree.with(format!("/etc/{path}"), content);
    let facts = Facts {
        firewall: Firewall::Nftables,
        fail2ban_version: "1.1.1".into(),
    };
    let inputs = Inputs::only("/etc", facts);
    let Ok(config) = Config::read(&tree, &inputs) else {
        return;
    };
    let loaded = config.load();
    let streamed = dump(&stream(&loaded, &tree));
    let again = load(&tree, &inputs).expect("a configuration that was there just now");
    assert_eq!(loaded.jails, again.jails, "loaded twice");
    assert_eq!(loaded.complaints, again.complaints, "complained twice");
    assert_eq!(streamed, dump(&stream(&again, &tree)), "streamed twice");
    for complaint in &loaded.complaints {
        assert!(!complaint.to_string().trim().is_empty());
    }
    for jail in &loaded.jails {
        assert!(config.jail_names().contains(&&*jail.name), "{}", jail.name);
        assert!(!loaded.dropped.contains(&jail.name), "{}", jail.name);
        if let Ok(alone) = config.load_jail(&jail.name) {
            assert_eq!(alone.jails.first(), Some(jail), "loaded alone");
        }
    }
}

/// What a search may cost that is not linear, with what it did before it knew (see
/// `pattern::search`): a constant and so much per byte.
const BUDGET: u64 = 101_000;
const BUDGET_PER_BYTE: u64 = 300;
/// A compiled pattern's most instructions.
const MOST_INSTRUCTIONS: u64 = 1 << 15;

/// A pattern, and after [`RULE`] the text it is searched in.
fn pattern(data: &[u8]) {
    let input = text(data);
    let (source, searched) = input.split_once(RULE).unwrap_or((&input, &input));
    for multiline in [false, true] {
        let options = Options {
            multiline,
            addresses_only: multiline,
        };
        let (Ok(alone), Ok(member)) = (Regex::new(source, options), Regex::new(source, options))
        else {
            return;
        };
        let (mut slots, mut others) = (Slots::new(), Slots::new());
        let found = alone.search(searched, &mut slots);
        let length = searched.len() as u64 + 1;
        let most = match alone.is_linear() {
            true => BUDGET + MOST_INSTRUCTIONS * 2 * length,
            false => BUDGET + BUDGET_PER_BYTE * length,
        };
        assert!(slots.steps() <= most, "{} steps of {most}", slots.steps());
        assert!(!(found && slots.exhausted()), "found, yet given up");
        let mut set = RegexSet::new(vec![member]);
        // The second search meets an automaton that has learned.
        for round in ["first", "second"] {
            let in_set = set.first(searched, &mut others).is_some();
            if slots.exhausted() || others.exhausted() {
                continue;
            }
            assert_eq!(found, in_set, "{round} search of the set");
            if found {
                assert_eq!(slots.span(), others.span(), "{round} search of the set");
            }
            for (name, group) in alone.groups() {
                let place = slots.get(*group).filter(|_| found);
                let other = others.get(*group).filter(|_| found);
                assert_eq!(place, other, "group {name} in the {round} search");
                let cut = place.map(|range| searched.get(range));
                assert!(cut != Some(None), "group {name} cuts a character");
            }
        }
    }
}

/// Lines of a log; what is before [`RULE`] is its `datepattern`.
fn date(data: &[u8]) {
    let input = text(data);
    let (patterns, lines) = match input.split_once(RULE) {
        Some((patterns, lines)) => (Some(patterns), lines),
        None => (None, &*input),
    };
    let alike = "IST-5:30";
    for tz in [alike, "CET-1CEST,M3.5.0,M10.5.0/3"] {
        let zone = Zone::local(Some(tz));
        let new = || Detector::new(patterns, &zone, 2026);
        let (Ok(mut detector), Ok(mut forgetful)) = (new(), new()) else {
            return;
        };
        // 2026-11-22 12:00:00 UTC.
        let mut now = Time::from_secs(1_795_348_800);
        for line in lines.split('\n') {
            let found = detector.find(line, now);
            if let Some(found) = &found {
                assert!(line.get(found.cut.clone()).is_some(), "{found:?}");
                assert!(found.template < detector.templates().len(), "{found:?}");
                assert!(found.time.is_none() || !found.cut.is_empty(), "{found:?}");
            }
            // What was learned from the last line must not change the answer; but which hour is
            // meant of the one that comes twice a year does depend on it, as in C.
            if tz == alike {
                forgetful.set_zone(&zone);
                let read = forgetful.find(line, now);
                assert_eq!(found, read, "from memory, and read");
            }
            now = now + Span::from_secs(1);
        }
    }
}

/// A message's bytes.
fn unpickle(data: &[u8]) {
    let value = match pickle::decode(data) {
        Ok(value) => value,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let encoded = pickle::encode(&value);
    let again = pickle::decode(&encoded).expect("what we wrote ourselves");
    // Bytes, for a NaN is not equal to itself.
    assert_eq!(encoded, pickle::encode(&again), "{value:?}");
}
