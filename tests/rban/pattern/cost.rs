//! What lines cost that were written to cost much: of every pattern of fail2ban's filters and of
//! ours, in every mode, near misses and repetitions of its own texts, at doubling lengths, pattern by
//! pattern and by the automaton of all. The work is counted in steps, so no machine is too slow.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::modes::{STOCK, sets};
use rban::pattern::{RegexSet, Slots};

/// Work per byte may rise by this factor when a line gets longer, as in `hostile`. What takes
/// quadratic time rises by 64 up to the longest of all lines.
const MOST_GROWTH: f64 = 2.0;
/// Cheaper than this is not compared: the exact engine starts after some steps per byte.
const CHEAP: f64 = 12.0;
/// The budget of those that are not linear, per byte, and the last steps before it was noticed.
const BUDGET: f64 = 400.0;
/// Where doubling starts and ends for every pattern.
const SHORT: usize = 1 << 10;
const LONG: usize = 1 << 16;
/// One line of a pattern is this long. A build without optimisation takes it for some of them only,
/// or the tests would take minutes.
const LONGEST: usize = 1 << 20;
const LONGEST_EVERY: usize = if cfg!(debug_assertions) { 8 } else { 1 };
/// Lines that are tried short, to find the one that is worth doubling.
const TRIED: usize = 8;
/// The same of a pattern among others.
const IN_SETS: usize = 2;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn trees() -> [PathBuf; 2] {
    [PathBuf::from(STOCK), repository().join("config")]
}

/// A text of a pattern, or something that one of its classes, dots or tags takes.
type Units = Vec<String>;

/// What a line has that the pattern nearly matches: its texts in order, first alternatives only,
/// nothing of what must not be there.
fn units(pattern: &str) -> Units {
    let mut found = vec![String::new()];
    let mut left: Vec<char> = pattern.chars().rev().collect();
    // Within these groups nothing is taken: other alternatives, and what must not be there.
    let mut skipped: Vec<bool> = vec![false];
    let until = |left: &mut Vec<char>, ends: &[char]| {
        let mut text = String::new();
        while let Some(next) = left.pop() {
            text.push(next);
            if ends.contains(&next) {
                break;
            }
        }
        text
    };
    while let Some(next) = left.pop() {
        let mut taken = String::new();
        let mut literal = false;
        match next {
            '\\' => match left.pop() {
                Some('d') => taken.push('1'),
                Some('s') => taken.push(' '),
                Some('S' | 'w') => taken.push('a'),
                Some(other) if !other.is_alphanumeric() => {
                    literal = true;
                    taken.push(other);
                }
                _ => {}
            },
            '[' => {
                let first = left.pop();
                let class = until(&mut left, &[']']);
                match first {
                    Some('^') if !class.contains('a') => taken.push('a'),
                    Some('^') => taken.push('~'),
                    Some(first) if first.is_alphanumeric() => taken.push(first),
                    _ => taken.push(' '),
                }
            }
            '(' => {
                let mut inside = skipped.last().copied().unwrap_or(false);
                if left.last() == Some(&'?') {
                    let kind = until(&mut left, &[':', '=', '!', '>', ')']);
                    inside |= kind.ends_with('!');
                    if kind.ends_with(')') && !kind.starts_with("?(") {
                        continue;
                    }
                }
                skipped.push(inside);
            }
            ')' => {
                skipped.pop();
            }
            '|' => {
                if let Some(inside) = skipped.last_mut() {
                    *inside = true;
                }
            }
            '<' if left
                .last()
                .is_some_and(|next| next.is_ascii_uppercase() || *next == '/') =>
            {
                let tag = until(&mut left, &['>']);
                if ["HOST>", "ADDR>", "IP4>"].contains(&&*tag) {
                    taken.push_str("192.0.2.5");
                }
            }
            '*' | '+' | '?' | '^' | '$' => {}
            '{' => drop(until(&mut left, &['}'])),
            '.' => taken.push('a'),
            other => {
                literal = true;
                taken.push(other);
            }
        }
        if taken.is_empty() || skipped.last() == Some(&true) {
            found.push(String::new());
        } else if literal {
            found.last_mut().expect("one at least").push_str(&taken);
        } else {
            found.extend([taken, String::new()]);
        }
    }
    found.retain(|unit| !unit.is_empty());
    found
}

/// `start`, then `middle` again and again, then `end`.
struct Line {
    start: String,
    middle: String,
    end: String,
}

impl Line {
    fn of_length(&self, length: usize) -> String {
        let fixed = self.start.len() + self.end.len() + 1;
        let times = length.saturating_sub(fixed).div_ceil(self.middle.len());
        [&*self.start, &self.middle.repeat(times), &self.end, "\n"].concat()
    }
}

/// Lines made of a pattern's texts: each repeated where it stands, the last character of all left
/// out; each without its own last character; all of them; and what ends in a character that the
/// automaton leaves to the backtracker.
fn lines(pattern: &str) -> Vec<Line> {
    let units = units(pattern);
    let whole = units.concat();
    let without_last = |text: &str| {
        let mut text = text.to_owned();
        text.pop();
        text
    };
    let mut found = Vec::new();
    let mut add = |start: &str, middle: &str, end: &str| {
        if !middle.is_empty() {
            let [start, middle, end] = [start, middle, end].map(str::to_owned);
            found.push(Line { start, middle, end });
        }
    };
    let every = units.len().div_ceil(TRIED).max(1);
    for at in (0..units.len()).step_by(every) {
        let (start, rest) = (units[..at].concat(), units[at + 1..].concat());
        add(&start, &units[at], &without_last(&rest));
        add("", &without_last(&units[at]), "");
        add(&start, &without_last(&units[at]), &rest);
    }
    add("", &whole, "");
    add("", &without_last(&whole), "");
    add(&without_last(&whole), "a ", "é");
    add("", "192.0.2.5 ", &without_last(&whole));
    found
}

fn steps(slots: &mut Slots, text: &str, search: impl FnOnce(&str, &mut Slots)) -> f64 {
    let before = slots.steps();
    search(text, slots);
    (slots.steps() - before) as f64 / text.len() as f64
}

/// The line that costs most per byte when it is short: what takes quadratic time is ahead by then.
fn worst(lines: impl IntoIterator<Item = Line>, mut cost: impl FnMut(&str) -> f64) -> Option<Line> {
    let priced = lines
        .into_iter()
        .map(|line| (cost(&line.of_length(2 * SHORT)), line));
    let worst = priced.max_by(|(a, _), (b, _)| a.total_cmp(b));
    worst.map(|(_, line)| line)
}

/// Steps per byte at doubling lengths.
fn doubled(line: &Line, longest: usize, mut cost: impl FnMut(&str) -> f64) -> Vec<f64> {
    let lengths = std::iter::successors(Some(SHORT), |length| Some(length * 2));
    let lengths = lengths
        .take_while(|&length| length <= LONG)
        .chain((longest > LONG).then_some(longest));
    lengths
        .map(|length| cost(&line.of_length(length)))
        .collect()
}

/// Whether the work per byte rises, of so many patterns together.
fn grows(per_byte: &[f64], patterns: usize) -> bool {
    let least = per_byte[0].max(CHEAP * patterns as f64);
    per_byte.iter().any(|&more| more / least >= MOST_GROWTH)
}

#[test]
fn every_pattern_of_every_filter_costs_the_length_of_the_line() {
    let mut slots = Slots::new();
    let mut seen = HashSet::new();
    let (mut count, mut near) = (0, 0);
    for set in trees().iter().flat_map(|tree| sets(tree)) {
        for (name, pattern) in set.patterns() {
            if !seen.insert((pattern.to_owned(), set.options.multiline)) {
                continue;
            }
            count += 1;
            let regex = set.regex(pattern);
            let mut cost = |text: &str| {
                steps(&mut slots, text, |text, slots| {
                    regex.search(text, slots);
                })
            };
            let Some(line) = worst(lines(pattern), &mut cost) else {
                continue;
            };
            let longest = if count % LONGEST_EVERY == 0 {
                LONGEST
            } else {
                LONG
            };
            let per_byte = doubled(&line, longest, &mut cost);
            let wrong = match regex.is_linear() {
                true => grows(&per_byte, 1),
                false => per_byte.iter().any(|&cost| cost > BUDGET),
            };
            assert!(
                !wrong,
                "{} {} {name}: {per_byte:.1?} steps per byte on {:?}, {:?}, {:?}\n{pattern}",
                set.filter, set.mode, line.start, line.middle, line.end
            );
            near += usize::from(regex.search(&(units(pattern).concat() + "\n"), &mut slots));
        }
    }
    eprintln!("{count} patterns, {near} of them match the line made of their texts");
    assert!(
        2 * near > count,
        "lines are too far from the patterns: {near} of {count}"
    );
}

#[test]
fn every_filter_as_one_costs_the_length_of_the_line() {
    let mut slots = Slots::new();
    let mut seen = HashSet::new();
    let (mut count, mut automata) = (0, 0);
    for found in trees().iter().flat_map(|tree| sets(tree)) {
        if found.failregex.is_empty()
            || !seen.insert((found.failregex.clone(), found.options.multiline))
        {
            continue;
        }
        let regexes: Vec<_> = found.failregex.iter().map(|it| found.regex(it)).collect();
        let budgets = regexes.iter().filter(|it| !it.is_linear()).count();
        let mut set = RegexSet::new(regexes);
        let patterns = set.len();
        let mut cost = |text: &str| {
            steps(&mut slots, text, |text, slots| {
                set.first(text, slots);
            })
        };
        count += 1;
        // The second kind ends in what the automaton leaves to the backtracker.
        for ending in ["", "é"] {
            // Of each pattern only a few: what matters here is how they meet the others.
            let some = found.failregex.iter().flat_map(|pattern| {
                let lines = lines(pattern);
                let every = lines.len().div_ceil(IN_SETS).max(1);
                lines.into_iter().step_by(every)
            });
            let ended = some.map(|mut line| {
                line.end.push_str(ending);
                line
            });
            let Some(line) = worst(ended, &mut cost) else {
                continue;
            };
            let longest = match count % LONGEST_EVERY {
                0 => LONGEST,
                _ => LONG,
            };
            let per_byte = doubled(&line, longest, &mut cost);
            let allowed = BUDGET * budgets as f64 + 2.0 * CHEAP * patterns as f64;
            let wrong = match budgets {
                0 => grows(&per_byte, patterns),
                _ => per_byte.iter().any(|&cost| cost > allowed),
            };
            assert!(
                !wrong,
                "{} {}: {per_byte:.1?} steps per byte on {:?}, {:?}, {:?}",
                found.filter, found.mode, line.start, line.middle, line.end
            );
            // An answer of the automaton takes a step per byte and little more.
            automata += usize::from(per_byte.iter().any(|&cost| cost > 0.9 && cost < 1.5));
        }
    }
    eprintln!("{count} filters, {automata} lines answered by the automaton alone");
    assert!(
        2 * automata > count,
        "the automaton answers {automata} of {count}"
    );
}

/// What fail2ban is installed.
const VERSION: &str = "/usr/lib/python3/dist-packages/fail2ban/version.py";

/// Where the table stands in docs/performance.md.
const TABLE: (&str, &str) = ("<!-- pattern-cost -->\n", "<!-- /pattern-cost -->");

/// Which patterns are linear: a row for each filter that has others, a sum for the rest.
fn table() -> Option<String> {
    let mut out = String::from(
        "| filter | patterns | linear | under the budget | which |\n\
         | --- | ---: | ---: | ---: | --- |\n",
    );
    for (tree, whose) in trees().iter().zip(["fail2ban's", "ours"]) {
        let sets = sets(tree);
        if sets.is_empty() {
            return None;
        }
        let mut names: Vec<&str> = sets.iter().map(|set| &*set.filter).collect();
        names.dedup();
        let (mut calm, mut calm_patterns) = (0, 0);
        for filter in names {
            let (mut seen, mut linear, mut others) = (HashSet::new(), 0, Vec::new());
            for set in sets.iter().filter(|set| set.filter == filter) {
                for (name, pattern) in set.patterns() {
                    if !seen.insert((pattern.to_owned(), set.options.multiline)) {
                        continue;
                    }
                    let is_linear = set.regex(pattern).is_linear();
                    // The documentation says so: nothing else of theirs needs the budget.
                    assert_eq!(is_linear, !pattern.contains("(?P="), "{filter}: {pattern}");
                    match is_linear {
                        true => linear += 1,
                        false => others.push(name),
                    }
                }
            }
            if others.is_empty() {
                calm += 1;
                calm_patterns += linear;
                continue;
            }
            let (all, budget) = (linear + others.len(), others.len());
            // A place may hold another pattern in each mode.
            others.dedup();
            let which = others.join(", ");
            out += &format!("| {filter} ({whose}) | {all} | {linear} | {budget} | {which} |\n");
        }
        out += &format!("| {calm} others of {whose} | {calm_patterns} | {calm_patterns} | 0 | |\n");
    }
    Some(out)
}

#[test]
fn the_documentation_says_which_patterns_are_linear() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch for whoever changes the patterns or the engine, and for nobody else"
    )]
    let bless = std::env::var_os("RBAN_BLESS").is_some();
    // The documentation speaks of one version's filters.
    let version = fs::read_to_string(VERSION).unwrap_or_default();
    if !version.contains("version = \"1.0.2\"") {
        eprintln!("no fail2ban 1.0.2 here: the table is not compared");
        return;
    }
    let Some(table) = table() else { return };
    let file = repository().join("docs/performance.md");
    let text = fs::read_to_string(&file).expect("docs/performance.md");
    let (before, rest) = text.split_once(TABLE.0).expect("where the table starts");
    let (written, after) = rest.split_once(TABLE.1).expect("where it ends");
    if bless {
        let text = [before, TABLE.0, &table, TABLE.1, after].concat();
        fs::write(&file, text).expect("written");
        return;
    }
    assert!(
        written == table,
        "docs/performance.md says\n{written}but it is (RBAN_BLESS=1 writes it)\n{table}"
    );
}
