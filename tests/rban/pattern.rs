//! The pattern language against its law, Python's `re`.

mod characters;
mod cost;
mod generate;
mod hostile;
mod modes;
mod python;
mod soup;
mod stock;

use std::collections::HashSet;

use generate::Generator;
use python::{Python, Spans, Verdict};
use rban::pattern::{Cause, Flags, Options, PatternError, Regex, RegexSet, Slots};
use serde_json::{Value, json};
use stock::Filter;

/// Generated patterns asked of Python in one run, unless `RBAN_COUNT` says how many; `RBAN_SEED`
/// begins elsewhere.
const PATTERNS: u64 = 4000;

fn ours(regex: &Regex, groups: usize, text: &str, slots: &mut Slots) -> Option<Spans> {
    regex.search(text, slots).then(|| spans(groups, slots))
}

fn spans(groups: usize, slots: &Slots) -> Spans {
    (0..groups)
        .map(|group| slots.get(group).map(|range| (range.start, range.end)))
        .collect()
}

/// What Python (3.11) says to hand-picked questions: `[pattern, text, spans]` a line, spans as
/// Python gives them, in bytes; `null` for no match, `false` for a wrong pattern.
const CASES: &str = include_str!("../pattern/python.txt");

fn case(line: &str) -> (String, String, Value) {
    serde_json::from_str(line).expect("a case a line")
}

fn as_json(spans: Option<Spans>) -> Value {
    spans.map_or(Value::Null, |spans| {
        let pair = |span: Option<(usize, usize)>| span.map_or(json!([-1, -1]), |s| json!(s));
        spans.into_iter().map(pair).collect()
    })
}

#[test]
fn hand_picked_cases_match_as_in_python() {
    let mut slots = Slots::new();
    let mut wrong = Vec::new();
    for line in CASES.lines() {
        let (pattern, text, expected) = case(line);
        let answer = match Regex::python(&pattern, Flags::default()) {
            Err(_) => Value::Bool(false),
            Ok(regex) => {
                let groups = expected.as_array().map_or(0, Vec::len);
                as_json(ours(&regex, groups, &text, &mut slots))
            }
        };
        if answer != expected {
            wrong.push(format!("{line}: here {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hand_picked_cases_are_what_this_python_says() {
    let mut python = Python::start();
    for line in CASES.lines() {
        let (pattern, text, expected) = case(line);
        let answer = match python.ask(&pattern, false, &[text]) {
            Verdict::Wrong(_) => Value::Bool(false),
            Verdict::Found(mut found) => as_json(found.remove(0)),
            Verdict::Unknown => panic!("Python does not answer on {pattern}"),
        };
        assert_eq!(answer, expected, "{line}");
    }
}

/// What is told of a wrong pattern: the offset that Python gives, and a caret at that place.
fn told_like_python(error: &PatternError, theirs: Option<usize>) -> bool {
    let before: String = error.pattern().chars().take(error.offset()).collect();
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count();
    let caret = error.caret();
    caret.lines().last() == Some(&*format!("{}^", " ".repeat(column)))
        // Of several mistakes a backslash at the end is told first here.
        && (*error.cause() == Cause::TrailingBackslash
            || theirs.is_none_or(|theirs| theirs == error.offset()))
}

#[derive(Debug, Default)]
struct Tally {
    compared: usize,
    hits: usize,
    wrong: usize,
    given_up: usize,
    differences: Vec<String>,
}

impl Tally {
    /// A pattern's texts, searched alone and twice in a set: there the automaton learns first.
    fn compare(&mut self, what: &str, pattern: &str, texts: &[String], theirs: &[Option<Spans>]) {
        let regex = |_| Regex::python(pattern, Flags::default()).expect("compiled before");
        let [alone, member] = [(); 2].map(regex);
        let mut set = RegexSet::new(vec![member]);
        let mut slots = Slots::new();
        for (text, theirs) in texts.iter().zip(theirs) {
            let groups = theirs.as_ref().map_or(0, Vec::len);
            self.compared += 1;
            self.hits += usize::from(theirs.is_some());
            for way in ["alone", "in a set", "in a set again"] {
                let ours = match way {
                    "alone" => ours(&alone, groups, text, &mut slots),
                    _ => set.first(text, &mut slots).map(|_| spans(groups, &slots)),
                };
                if slots.exhausted() {
                    self.given_up += 1;
                } else if ours != *theirs {
                    let difference =
                        format!("{what} {pattern:?} on {text:?}: {theirs:?}, {way} {ours:?}");
                    self.differences.push(difference);
                    break;
                }
            }
        }
    }
}

#[test]
fn generated_patterns_match_as_in_python() {
    let (patterns, tally) = compare_generated(Generator::pattern);
    // The grammar must keep meeting its texts.
    assert!(tally.compared > 5 * patterns, "{tally:?}");
    assert!(tally.hits > patterns, "{tally:?}");
    assert!(tally.wrong > patterns / 50, "{tally:?}");
}

#[test]
fn syntax_in_any_order_is_taken_or_refused_as_in_python() {
    let (patterns, tally) = compare_generated(soup::soup);
    assert!(tally.compared > patterns / 2, "{tally:?}");
    assert!(tally.wrong > patterns / 2, "{tally:?}");
}

/// Compares patterns made in one way with Python; how many, and what came of it.
fn compare_generated(make: fn(&mut Generator) -> String) -> (usize, Tally) {
    let (first, count) = crate::support::share("RBAN_SEED", "RBAN_COUNT", PATTERNS);
    let mut python = Python::start();
    let mut tally = Tally::default();
    for seed in first..first + count {
        let mut generator = Generator::new(seed);
        let pattern = make(&mut generator);
        let texts: Vec<String> = (0..8).map(|_| generator.text()).collect();
        let regex = Regex::python(&pattern, Flags::default());
        match (python.ask(&pattern, false, &texts), regex) {
            (Verdict::Unknown, _) => {}
            (Verdict::Wrong(theirs), Err(error)) => {
                tally.wrong += 1;
                if !told_like_python(&error, theirs) {
                    tally.differences.push(format!(
                        "{seed} {pattern:?}: wrong at {theirs:?}, here at {}: {error}\n{}",
                        error.offset(),
                        error.caret()
                    ));
                }
            }
            (Verdict::Wrong(_), Ok(_)) => {
                tally
                    .differences
                    .push(format!("{seed} {pattern:?}: is wrong in Python"));
            }
            (Verdict::Found(_), Err(error)) => {
                let difference = format!("{seed} {pattern:?}: is right in Python, but {error}");
                tally.differences.push(difference);
            }
            (Verdict::Found(found), Ok(_)) => {
                tally.compare(&seed.to_string(), &pattern, &texts, &found);
            }
        }
    }
    assert!(
        tally.differences.is_empty(),
        "{} differences:\n{}",
        tally.differences.len(),
        tally.differences.join("\n")
    );
    let patterns = count as usize;
    assert!(tally.given_up * 1000 < patterns, "{tally:?}");
    (patterns, tally)
}

/// fail2ban 1.0.2 writes `::` where the reference (1.1) has `:`; the language is another by that.
fn as_in_reference(expanded: &str) -> String {
    expanded.replace("{1,4}::?|::){1,7}", "{1,4}::?|:){1,7}")
}

/// Compares with Python on these texts; returns those that matched, with their groups.
fn compare(
    python: &mut Python,
    regex: &Regex,
    multiline: bool,
    texts: &[String],
) -> Vec<Option<Spans>> {
    let mut slots = Slots::new();
    let pattern = regex.resolved();
    let Verdict::Found(found) = python.ask(pattern, multiline, texts) else {
        panic!("Python does not answer on {pattern}");
    };
    for (text, theirs) in texts.iter().zip(&found) {
        let groups = theirs.as_ref().map_or(0, Vec::len);
        let ours = ours(regex, groups, text, &mut slots);
        assert_eq!(&ours, theirs, "{pattern}\non {text:?}");
    }
    found
}

/// What the failregexes are searched in: the undated lines, or what the prefregex leaves of them.
fn buffers(python: &mut Python, filter: &Filter) -> Vec<String> {
    let options = Options {
        multiline: filter.multiline,
        addresses_only: false,
    };
    let mut texts = filter.undated.clone();
    if filter.multiline {
        texts.extend(filter.undated.windows(3).map(<[String]>::concat));
    }
    let Some(prefregex) = &filter.prefregex else {
        return texts;
    };
    let regex = Regex::new(&prefregex.written, options).expect("a stock prefregex");
    assert_eq!(regex.resolved(), as_in_reference(&prefregex.expanded));
    let found = compare(python, &regex, filter.multiline, &texts);
    let content = regex
        .group("content")
        .expect("every stock prefregex has a content");
    let mut contents = Vec::new();
    for (text, spans) in texts.iter().zip(found) {
        if let Some((start, end)) = spans.and_then(|spans| spans[content]) {
            contents.push(format!("{}\n", &text[start..end]));
        }
    }
    contents
}

/// A set finds on each text what its patterns find one by one.
fn compare_set(filter: &Filter, options: Options, texts: &[String]) {
    let regex = |written: &String| Regex::new(written, options).expect("a stock pattern");
    let patterns = filter
        .failregex
        .iter()
        .map(|expression| regex(&expression.written));
    let mut set = RegexSet::new(patterns.collect());
    let mut slots = Slots::new();
    for text in texts {
        let first = set.iter().position(|regex| regex.search(text, &mut slots));
        assert_eq!(
            set.first(text, &mut slots),
            first,
            "{}: {text:?}",
            filter.name
        );
    }
}

#[test]
fn stock_filters_match_their_samples_as_in_python() {
    let mut python = Python::start();
    let mut dates = HashSet::new();
    let (mut expressions, mut hits) = (0, 0);
    let filters = stock::filters();
    for filter in &filters {
        let options = Options {
            multiline: filter.multiline,
            addresses_only: false,
        };
        let texts = buffers(&mut python, filter);
        compare_set(filter, options, &texts);
        for expression in filter.failregex.iter().chain(&filter.ignoreregex) {
            let regex = Regex::new(&expression.written, options)
                .unwrap_or_else(|error| panic!("{}: {error}\n{}", filter.name, error.caret()));
            assert_eq!(
                regex.resolved(),
                as_in_reference(&expression.expanded),
                "{}",
                filter.name
            );
            let found = compare(&mut python, &regex, filter.multiline, &texts);
            hits += found.iter().flatten().count();
            expressions += 1;
        }
        for date in &filter.dates {
            if dates.insert((date.clone(), filter.lines.clone())) {
                let regex = Regex::python(date, Flags::default()).expect("a stock date pattern");
                hits += compare(&mut python, &regex, false, &filter.lines)
                    .iter()
                    .flatten()
                    .count();
            }
        }
    }
    if !filters.is_empty() {
        assert!(
            expressions > 500 && hits > 5000,
            "{expressions} expressions, {hits} hits"
        );
    }
}
