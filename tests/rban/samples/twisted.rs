//! Samples as they never were: shuffled, with words lost, doubled and exchanged, other addresses,
//! other dates, odd characters. What the reference program makes of each, we make of it.

use std::path::PathBuf;

use super::*;
use crate::support::draw;

/// Twisted lines for each filter with each of its option sets, unless `RBAN_COUNT` says how many;
/// `RBAN_SEED` begins elsewhere.
const LINES: u64 = 40;

/// Put in the place of a word or between two.
const PIECES: &[&str] = &[
    "192.0.2.77",
    "[192.0.2.77]",
    "::ffff:198.51.100.3",
    "2001:db8::7",
    "[2001:DB8:0:0::7]:25",
    "999.1.1.1",
    "192.030.0.6",
    "1.2.3",
    "host.example.com",
    "-x_y.example^",
    "from 203.0.113.9",
    "from 203.0.113.9 port 22",
    "rhost=203.0.113.9",
    "user=root",
    "for root",
    "\"",
    "'",
    "[",
    "]",
    ":",
    "<",
    ">",
    "()",
    ",",
    "=",
    "\t",
    "  ",
    "\u{a0}",
    "\u{1c}",
    "\u{85}",
    "\u{2028}",
    "\u{e9}\u{df}",
    "\u{663}",
    "\u{130}\u{17f}",
    "\\",
    "%s",
    "#",
    "0",
    "Aug 14 11:59:59",
    "2005-08-14T09:59:58Z",
    "Feb 29 12:00:00",
    "1124013590",
];

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        let drawn = draw(&mut self.0);
        (drawn % bound.max(1) as u64) as usize
    }

    /// A sample, twisted up to four times; one in five stays as it is, at another place.
    fn line(&mut self, samples: &[&str]) -> String {
        let mut line = samples[self.below(samples.len())].to_owned();
        for _ in 0..self.below(5) {
            line = self.twist(&line, samples);
        }
        line
    }

    fn twist(&mut self, line: &str, samples: &[&str]) -> String {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let at = self.below(words.len());
        let piece = PIECES[self.below(PIECES.len())];
        match self.below(13) {
            0 => drop(words.remove(at)),
            1 => words.insert(at, words[at].clone()),
            2 => {
                let other = self.below(words.len());
                words.swap(at, other);
            }
            3 => words[at] = piece.to_owned(),
            4 => words.insert(at, piece.to_owned()),
            5 => words[at].push_str(piece),
            6 => words[at] = words[at].to_uppercase(),
            7 => words[at] = words[at].to_lowercase(),
            8 => words.truncate(at + 1),
            9 => words.push(piece.to_owned()),
            // The rest of another sample.
            10 => {
                let other = samples[self.below(samples.len())];
                words.truncate(at);
                let rest = other.split(' ').skip(at).map(str::to_owned);
                words.extend(rest);
            }
            11 => words[at] = self.character(&words[at], piece),
            _ => words[at] = self.address(&words[at]),
        }
        words.join(" ")
    }

    /// One character lost, or another in its place.
    fn character(&mut self, word: &str, piece: &str) -> String {
        let mut characters: Vec<char> = word.chars().collect();
        if !characters.is_empty() {
            let at = self.below(characters.len());
            match self.below(3) {
                0 => drop(characters.remove(at)),
                1 => characters[at] = piece.chars().next().unwrap_or('x'),
                _ if characters[at].is_ascii_digit() => {
                    characters[at] = char::from(b'0' + self.below(10) as u8);
                }
                _ => characters.insert(at, ' '),
            }
        }
        characters.into_iter().collect()
    }

    /// Another address where one stands, between what stands around it.
    fn address(&mut self, word: &str) -> String {
        let inside = |c: char| c.is_ascii_hexdigit() || c == '.' || c == ':';
        let runs = word.split(|c| !inside(c));
        let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
        match longest.len() {
            0..=6 => word.to_owned(),
            _ => word.replacen(longest, PIECES[self.below(10)], 1),
        }
    }
}

/// A plan of twisted lines for all filters of another.
fn twisted(plan: &Plan, first: u64, count: u64) -> Plan {
    let mut steps = Vec::new();
    for filter in 0..plan.filters.len() {
        let own: Vec<&Step> = plan.steps.iter().filter(|s| s.filter == filter).collect();
        let samples: Vec<&str> = own.iter().map(|step| &*step.line).collect();
        if samples.is_empty() {
            continue;
        }
        let journal = own[0].journal;
        let mut dice = Dice((first + filter as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        steps.extend((0..count).map(|number| Step {
            file: PathBuf::from("twisted"),
            number: number as usize,
            filter,
            line: dice.line(&samples),
            journal,
            expected: Map::new(),
        }));
    }
    let filters = plan.filters.clone();
    Plan { filters, steps }
}

#[test]
fn twisted_samples_are_judged_as_the_reference_program_judges_them() {
    if !Path::new(TESTS).exists() || !Path::new("/etc/fail2ban/filter.d").exists() {
        eprintln!("skipped, fail2ban is not installed");
        return;
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let folders = filters(scratch.path());
    let mut plan = Plan::default();
    for name in folders.keys() {
        plan.read(name);
    }
    let (first, count) = crate::support::share("RBAN_SEED", "RBAN_COUNT", LINES);
    let plan = twisted(&plan, first, count);
    let Some(answer) = ask(&plan, &folders) else {
        return;
    };
    let zone = Zone::local(Some(ZONE));
    let settings = resolve(&plan, &folders, &answer);
    let mut ours: Vec<Filter> = settings.iter().map(|s| build(s, &zone, true)).collect();
    let mut wrong = Vec::new();
    let mut hits = 0;
    let verdicts = answer["verdicts"].as_array().expect("verdicts");
    let mut unknown = 0;
    for (step, verdict) in plan.steps.iter().zip(verdicts) {
        let found = judge(&mut ours[step.filter], step);
        // It took too long, as backtracking does, or there is a zone that it does not know.
        if verdict.is_null() {
            unknown += 1;
            continue;
        }
        let (told, reference) = (told(&found), reference_told(verdict));
        hits += usize::from(!told.is_empty());
        if told != reference {
            wrong.push(format!(
                "{:?} {}: {:?}\n    ours {}\n    reference {}",
                plan.filters[step.filter],
                step.number,
                step.line,
                Value::from(told),
                Value::from(reference)
            ));
        }
    }
    eprintln!("{} lines, {unknown} unknown, {hits} hits", plan.steps.len());
    assert!(hits > plan.steps.len() / 5, "{hits} hits");
    assert!(unknown < plan.steps.len() / 20, "{unknown} unknown");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
