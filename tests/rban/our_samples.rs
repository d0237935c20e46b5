//! The shipped filters' samples (`tests/samples/FILTER`), judged by rban.
//!
//! A sample file is text: `[option=value,…] […]` names the option sets that judge the lines below
//! it, each with a filter of its own that remembers its sessions; `ADDRESS key=value … | line` is a
//! failure, `- | line` is none, a line of `#` is a comment. `scripts/check-filters` has the same
//! lines judged by the reference program.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use rban::config::{Config, Disk, Facts, Inputs};
use rban::date::Zone;
use rban::filter::{Dated, Entry, Filter, Moment, Reading, Verdict};
use rban::model::{Datum, Failure, FilterSettings, Span, Time, UseDns};

/// The day of the samples: 2026-11-23, in the evening.
const NOW: Time = Time::from_secs(1_795_464_000);
const NOW_TEXT: &str = "2026-11-23T20:00:00";
const YEAR: i16 = 2026;

/// One sample: where, by which option sets, what is expected, the line.
struct Sample<'a> {
    number: usize,
    options: Vec<&'a str>,
    expected: &'a str,
    line: &'a str,
}

fn samples(text: &str) -> Vec<Sample<'_>> {
    let mut options = vec![""];
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.starts_with('#') {
            continue;
        }
        if let Some((expected, sample)) = line.split_once(" | ") {
            found.push(Sample {
                number: number + 1,
                options: options.clone(),
                expected,
                line: sample,
            });
        } else if line.starts_with('[') {
            let sets = line
                .split(']')
                .filter_map(|set| set.trim().strip_prefix('['));
            options = sets.collect();
        }
    }
    found
}

/// A filter of a configuration tree with options, read as a jail reads it.
fn settings(tree: &Path, filter: &str, options: &str) -> FilterSettings {
    let jail = format!(
        "[DEFAULT]\nbanaction = dummy\nbanaction_allports = dummy\n[sample]\nenabled = true\naction =\n\
         logpath = /etc/hostname\nfilter = {filter}[{options}]\n"
    );
    fs::write(tree.join("jail.local"), jail).expect("written");
    let facts = Facts {
        firewall: rban::config::Firewall::Nftables,
        fail2ban_version: "1.1.1".into(),
    };
    let config = Config::read(&Disk, &Inputs::only(tree, facts)).expect("a configuration");
    let loaded = config.load();
    let mut jails = loaded.jails.into_iter();
    let jail = jails.find(|jail| jail.name == "sample");
    jail.unwrap_or_else(|| panic!("{filter}[{options}]: {:?}", loaded.complaints))
        .filter
}

/// One filter with one set of options.
struct Judge {
    filter: Filter,
    patterns: Vec<String>,
}

impl Judge {
    fn new(settings: &FilterSettings, zone: &Zone) -> Self {
        let reading = Reading {
            jail: "sample",
            usedns: UseDns::Raw,
            logtimezone: None,
            local: zone,
            year: YEAR,
        };
        let mut filter = Filter::new(settings, &reading).expect("a filter");
        filter.set_thorough(true);
        let patterns = settings
            .failregex
            .iter()
            .map(|(pattern, _)| pattern.clone());
        Self {
            filter,
            patterns: patterns.collect(),
        }
    }
}

/// All that is wrong with the verdicts on a file of samples, and the patterns none of them hits, a
/// line each.
fn judge(tree: &Path, filter: &str, text: &str) -> String {
    let zone = Zone::local(Some("UTC"));
    let mut judges: BTreeMap<&str, Judge> = BTreeMap::new();
    let mut hit = BTreeSet::new();
    let mut wrong = String::new();
    for sample in samples(text) {
        for options in sample.options {
            let judge = judges
                .entry(options)
                .or_insert_with(|| Judge::new(&settings(tree, filter, options), &zone));
            let journal = options.contains("logtype=journal");
            let verdicts = verdicts(&mut judge.filter, sample.line, journal);
            let mut failures = Vec::new();
            for verdict in &verdicts {
                let pattern = match verdict {
                    Verdict::Failure(failure) | Verdict::Named(failure) => {
                        failures.push(failure);
                        failure.regex
                    }
                    Verdict::Helper(helper) => helper.regex,
                    Verdict::Log(_) => continue,
                };
                hit.insert(judge.patterns[pattern].clone());
            }
            if let Some(problem) = problem(sample.expected, &failures) {
                let number = sample.number;
                let _ = writeln!(
                    wrong,
                    "{filter}:{number} [{options}] {problem}: {}",
                    sample.line
                );
            }
        }
    }
    for (options, judge) in &judges {
        for pattern in judge
            .patterns
            .iter()
            .filter(|pattern| !hit.contains(*pattern))
        {
            let _ = writeln!(wrong, "{filter} [{options}] no sample hits {pattern}");
        }
    }
    wrong
}

fn verdicts(filter: &mut Filter, line: &str, journal: bool) -> Vec<Verdict> {
    let moment = Moment {
        now: NOW,
        in_operation: true,
        findtime: Span::from_secs(600),
        check_findtime: false,
    };
    let mut out = Vec::new();
    if journal {
        let entry = Entry {
            line,
            date: NOW_TEXT,
            time: NOW,
        };
        filter.judge_entry(entry, &moment, &mut out);
    } else {
        let found = filter.find_date(line, NOW);
        filter.judge(&Dated { line, found }, &moment, &mut out);
    }
    out
}

fn problem(expected: &str, failures: &[&Failure]) -> Option<String> {
    let failure = match (expected, failures) {
        ("-", []) => return None,
        ("-", [failure, ..]) => return Some(format!("is a failure of {}", failure.id)),
        (_, []) => return Some("is no failure".into()),
        (_, [failure]) => failure,
        (_, several) => return Some(format!("is hit by {} patterns", several.len())),
    };
    let mut words = expected.split(' ');
    let id = words.next().expect("an address");
    if failure.id.to_string() != id {
        return Some(format!("is a failure of {}, not {id}", failure.id));
    }
    for word in words {
        let (key, value) = word.split_once('=').expect("key=value");
        let found = match (key, failure.data.get(key)) {
            ("attempts", _) => failure.lines.len().to_string(),
            (_, Some(Datum::Text(text))) => text.clone(),
            (_, other) => format!("{other:?}"),
        };
        if found != value {
            return Some(format!("has {key} {found}, not {value}"));
        }
    }
    None
}

/// A copy of some of the vendor tree's filters to read with a jail of our own.
fn tree(filters: &[(&str, &Path)]) -> tempfile::TempDir {
    let tree = tempfile::tempdir().expect("a folder");
    let folder = tree.path().join("filter.d");
    fs::create_dir(&folder).expect("a folder");
    for (name, file) in filters {
        fs::copy(file, folder.join(name)).expect("copied");
    }
    tree
}

#[test]
fn rban_judges_every_sample_as_expected() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shipped = repository.join("config/filter.d");
    let mut judged = 0;
    let mut wrong = String::new();
    for entry in fs::read_dir(repository.join("tests/samples")).expect("samples") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        let file = format!("{name}.conf");
        let tree = tree(&[
            ("common.conf", &shipped.join("common.conf")),
            (&file, &shipped.join(&file)),
        ]);
        let text = fs::read_to_string(&path).expect("samples");
        judged += samples(&text).len();
        wrong += &judge(tree.path(), name, &text);
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(judged > 100, "only {judged} samples");
}

#[test]
fn rban_judges_by_the_articles_eleven_patterns() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let article = repository.join("tests/fixtures/article");
    let tree = tree(&[
        (
            "common.conf",
            &repository.join("config/filter.d/common.conf"),
        ),
        ("sshd.conf", &article.join("sshd.conf")),
    ]);
    let text = fs::read_to_string(article.join("samples")).expect("samples");
    assert_eq!(settings(tree.path(), "sshd", "").failregex.len(), 11);
    assert_eq!(judge(tree.path(), "sshd", &text), "");
}

#[test]
fn a_wrong_verdict_is_told() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shipped = repository.join("config/filter.d");
    let tree = tree(&[
        ("common.conf", &shipped.join("common.conf")),
        ("sshd.conf", &shipped.join("sshd.conf")),
    ]);
    let line = "Nov 23 10:00:01 host sshd[1]: Failed password for root from 192.0.2.1 port 1 ssh2";
    for (expected, told) in [
        ("-", "is a failure of 192.0.2.1"),
        ("192.0.2.2", "not 192.0.2.2"),
        ("192.0.2.1 user=alice", "has user root, not alice"),
    ] {
        let wrong = judge(tree.path(), "sshd", &format!("{expected} | {line}\n"));
        assert!(wrong.contains(told), "{wrong}");
    }
}
