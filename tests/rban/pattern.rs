//! The pattern language against its law, Python's `re`.

mod generate;
mod python;

use generate::Generator;
use python::{Python, Spans, Verdict};
use rban::pattern::{Flags, Regex, Slots};

/// Generated patterns asked of Python in one run.
const PATTERNS: u64 = 3000;

fn ours(regex: &Regex, groups: usize, text: &str, slots: &mut Slots) -> Option<Spans> {
    regex.search(text, slots).then(|| {
        (0..groups)
            .map(|group| slots.get(group).map(|range| (range.start, range.end)))
            .collect()
    })
}

#[test]
fn generated_patterns_match_as_in_python() {
    let mut python = Python::start();
    let mut slots = Slots::new();
    let (mut compared, mut hits, mut wrong, mut given_up) = (0, 0, 0, 0);
    let mut differences = Vec::new();
    for seed in 0..PATTERNS {
        let mut generator = Generator::new(seed + 1);
        let pattern = generator.pattern();
        let texts: Vec<String> = (0..8).map(|_| generator.text()).collect();
        let regex = Regex::python(&pattern, Flags::default());
        match (python.ask(&pattern, false, &texts), regex) {
            (Verdict::Unknown, _) => {}
            (Verdict::Wrong, Err(_)) => wrong += 1,
            (Verdict::Wrong, Ok(_)) => {
                differences.push(format!("{seed} {pattern:?}: is wrong in Python"));
            }
            (Verdict::Found(_), Err(error)) => {
                differences.push(format!(
                    "{seed} {pattern:?}: is right in Python, but {error}"
                ));
            }
            (Verdict::Found(found), Ok(regex)) => {
                for (text, theirs) in texts.iter().zip(found) {
                    let groups = theirs.as_ref().map_or(0, Vec::len);
                    let ours = ours(&regex, groups, text, &mut slots);
                    if slots.exhausted() {
                        given_up += 1;
                        continue;
                    }
                    compared += 1;
                    hits += usize::from(theirs.is_some());
                    if ours != theirs {
                        differences.push(format!(
                            "{seed} {pattern:?} on {text:?}: {theirs:?}, here {ours:?}"
                        ));
                    }
                }
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
    // The grammar must keep meeting its texts.
    let patterns = PATTERNS as usize;
    assert!(compared > 6 * patterns, "{compared} compared");
    assert!(hits > patterns, "{hits} hits");
    assert!(wrong > patterns / 50, "{wrong} wrong patterns");
    assert!(
        given_up * 10_000 < patterns,
        "{given_up} searches ran out of steps"
    );
}
