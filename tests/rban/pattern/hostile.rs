//! No text costs more than its length: the work is counted in steps, so that a doubling shows.

use std::collections::HashSet;

use super::generate::Generator;
use super::stock;
use rban::pattern::{Flags, Options, Regex, Slots};

/// Work per byte may rise by this factor when a text gets longer: the exact engine starts only
/// after some steps per byte, and the first bytes are cheaper than the rest.
const MOST_GROWTH: f64 = 2.0;

fn steps(regex: &Regex, text: &str, slots: &mut Slots) -> u64 {
    let before = slots.steps();
    regex.search(text, slots);
    slots.steps() - before
}

/// `start`, then `middle` up to `length` bytes, then `end`.
fn repeated(start: &str, middle: &str, end: &str, length: usize) -> String {
    let mut text = String::from(start);
    while text.len() + end.len() < length {
        text.push_str(middle);
    }
    text + end
}

/// Patterns that take quadratic time or worse elsewhere, and texts that make them.
const NASTY: &[(&str, &str, &str)] = &[
    (r"(a+)+$", "a", "b"),
    (r"(?:a|a)*b", "a", "c"),
    (r"(?:a|aa)+$", "a", "b"),
    (r"(?:.*)*x", "a", "\n"),
    (r".*.*.*=.*y", "=", "\n"),
    (r"\S+ x", "a", ""),
    (r"(?:\S*x)*y", "x", ""),
    (r"^(?:.*?,){5}P", ",", "\n"),
    (r"(?:(?=.*x).)*y", "a", "x"),
    (r"(?:(?!.*x).)*y", "a", ""),
    (r"(?:(?=(?:\w+ )*x)\w+ ?)*y", "a ", "x"),
    (r"(?:(?=.*?x).)*y", "a", "x"),
    (r"(?:(?<=a)b|(?<=b)a|a)*c", "ab", ""),
    (r"(?:(?! from ).)* from (?:(?! at ).)*z", " from  at ", ""),
    (r"(a)?(?:x|(?(1)x|y))*z", "x", ""),
    (r"(?P<q>')?(?:\w*(?(q)'|,))*$", "a,", "!"),
    (r"\d{1,20}\.\d{1,20}x", "12345678901234567890", ""),
    (r"(?:\w{0,10}-?)*:", "aaaaaaaaaa-", ""),
    (r"(?i:user|u\w*)+=", "useR", ""),
    (r"(?:(?:a?)*?b?)*c", "ab", ""),
    (r"\b\w+\b.*\b\w+\b\Z", "a ", "\n"),
    (r"(?:[^é]é*)*☃", "aé", ""),
    (r"<HOST>x", "192.0.2.5", ""),
    (r"<HOST> port", "2001:db8::", ""),
    (r"<IP6>$", "a:", "x"),
];

#[test]
fn nasty_texts_cost_their_length() {
    let mut slots = Slots::new();
    for (index, &(pattern, middle, end)) in NASTY.iter().enumerate() {
        let regex = Regex::new(pattern, Options::default()).expect("a pattern");
        assert!(regex.is_linear(), "{pattern}");
        let mut per_byte = Vec::new();
        // Some go up to 1 MiB; all would take long in a debug build.
        let longest = if index % 8 == 0 { 20 } else { 16 };
        for length in [10, 13, longest].map(|power| 1 << power) {
            let text = repeated("", middle, end, length);
            let steps = steps(&regex, &text, &mut slots);
            per_byte.push(steps as f64 / text.len() as f64);
        }
        let growth = per_byte[per_byte.len() - 1] / per_byte[0].max(1.0);
        assert!(
            growth < MOST_GROWTH,
            "{pattern}: {per_byte:.1?} steps per byte"
        );
    }
}

#[test]
fn generated_patterns_cost_the_length_of_the_text() {
    let mut slots = Slots::new();
    let mut linear = 0;
    for seed in 0..2000 {
        let mut generator = Generator::new(seed);
        let pattern = generator.pattern();
        let Ok(regex) = Regex::python(&pattern, Flags::default()) else {
            continue;
        };
        let (start, middle, end) = (generator.text(), generator.text() + "a", generator.text());
        let short = repeated(&start, &middle, &end, 1 << 10);
        let long = repeated(&start, &middle, &end, 1 << 13);
        let short = steps(&regex, &short, &mut slots) as f64 / short.len() as f64;
        let longer = steps(&regex, &long, &mut slots) as f64 / long.len() as f64;
        if regex.is_linear() {
            linear += 1;
            let growth = longer / short.max(12.0);
            assert!(
                growth < MOST_GROWTH,
                "{seed}: {pattern:?}, {middle:?}: {short:.1}, {longer:.1}"
            );
        } else {
            // The budget, and the last steps before it was noticed.
            assert!(
                longer < 700.0,
                "{seed}: {pattern:?}, {middle:?}: {longer:.1}"
            );
        }
    }
    assert!(linear > 1200, "{linear} linear patterns");
}

#[test]
fn stock_patterns_cost_the_length_of_the_line() {
    let mut slots = Slots::new();
    let mut seen = HashSet::new();
    let mut generator = Generator::new(1);
    for filter in stock::filters() {
        let options = Options {
            multiline: filter.multiline,
            addresses_only: false,
        };
        let expressions = filter.prefregex.iter().chain(&filter.failregex);
        for expression in expressions.chain(&filter.ignoreregex) {
            if !seen.insert((expression.written.clone(), filter.multiline)) {
                continue;
            }
            let regex = Regex::new(&expression.written, options).expect("a stock pattern");
            // Stock filters need nothing else that is not linear.
            let refers = expression.written.contains("(?P=");
            assert_eq!(regex.is_linear(), !refers, "{}", expression.written);
            for _ in 0..4 {
                let sample = &filter.undated[generator.below(filter.undated.len())];
                let sample = sample.trim_end();
                let place = |at: usize| sample.ceil_char_boundary(at);
                if sample.is_empty() {
                    continue;
                }
                let start = sample.floor_char_boundary(generator.below(sample.len()));
                let end = place((start + 1 + generator.below(30)).min(sample.len()));
                let middle = &sample[start..end];
                let text =
                    |length| repeated(&sample[..start], middle, &sample[end..], length) + "\n";
                let (short, long) = (text(1 << 10), text(1 << 14));
                let short = steps(&regex, &short, &mut slots) as f64 / short.len() as f64;
                let longer = steps(&regex, &long, &mut slots) as f64 / long.len() as f64;
                let growth = longer / short.max(12.0);
                assert!(
                    growth < MOST_GROWTH || !regex.is_linear(),
                    "{}: {} on {middle:?}: {short:.1}, {longer:.1}",
                    filter.name,
                    expression.written
                );
            }
        }
    }
}
