//! Tests of the language by itself; those against Python are in `tests/rban/pattern.rs`.

#[path = "../../../tests/rban/pattern/generate.rs"]
pub(super) mod generate;

use generate::Generator;

use super::search::{Mode, search};
use super::{Flags, Options, Regex, RegexSet, Slots};

#[test]
fn a_host_is_found() {
    let regex = Regex::new(
        "^Failed .* for <F-USER>.*</F-USER> from <HOST>$",
        Options::default(),
    )
    .unwrap();
    let mut slots = Slots::new();
    let line = "Failed password for root from 192.0.2.5\n";
    assert!(regex.search(line, &mut slots));
    let ip4 = slots.get(regex.group("ip4").unwrap()).unwrap();
    assert_eq!(&line[ip4], "192.0.2.5");
    assert!(Regex::python("(", Flags::default()).is_err());
}

type Spans = Vec<Option<(usize, usize)>>;

/// All groups of the first match, found in one of the ways there are; `Err` if it gave up.
fn found(regex: &Regex, text: &str, mode: Mode) -> Result<Option<Spans>, ()> {
    let mut slots = Slots::new();
    let program = regex.program();
    let hit = search(program, text, 0, &mut slots, mode);
    if slots.exhausted() {
        return Err(());
    }
    Ok(hit.then(|| {
        (0..program.groups)
            .map(|group| slots.get(group).map(|range| (range.start, range.end)))
            .collect()
    }))
}

#[test]
fn quick_exact_and_unoptimised_searches_agree() {
    let (mut compared, mut hits) = (0, 0);
    for seed in 0..6000 {
        let mut generator = Generator::new(seed);
        let pattern = generator.pattern();
        let Ok(plain) = Regex::build(&pattern, Flags::default(), false) else {
            continue;
        };
        let regex = Regex::python(&pattern, Flags::default()).unwrap();
        for _ in 0..4 {
            let text = generator.text();
            // Without a memory some patterns take for ever.
            let expected = found(&regex, &text, Mode::Both);
            for (regex, mode) in [
                (&regex, Mode::ExactOnly),
                (&plain, Mode::ExactOnly),
                (&plain, Mode::Both),
            ] {
                let other = found(regex, &text, mode);
                assert!(
                    other == expected || (other.is_err() && !regex.is_linear()),
                    "{seed}: {pattern:?} on {text:?}, {mode:?}: {other:?}, not {expected:?}"
                );
            }
            compared += 1;
            hits += usize::from(expected.is_ok_and(|found| found.is_some()));
        }
    }
    assert!(
        compared > 15_000 && hits > 6000,
        "{compared} compared, {hits} hits"
    );
}

#[test]
fn a_set_finds_what_its_patterns_find_one_by_one() {
    let (mut slots, mut alone) = (Slots::new(), Slots::new());
    let (mut hits, mut searches) = (0, 0);
    for seed in 0..1500 {
        let mut generator = Generator::new(seed);
        let mut patterns = Vec::new();
        while patterns.len() < 8 {
            let anchor = ["", "^", "^ab", "^(?:a|B)", "^(?i)a", "b", "(?i:ab)"][generator.below(7)];
            let pattern = format!("{anchor}{}", generator.pattern());
            patterns.extend(Regex::python(&pattern, Flags::default()));
        }
        let mut set = RegexSet::new(patterns);
        for _ in 0..6 {
            let text = generator.text();
            for from in [0, 3] {
                let expected =
                    (from..set.len()).find(|&index| set.get(index).search(&text, &mut alone));
                let found = set.matches_from(&text, from, &mut slots);
                let sources: Vec<_> = set.iter().map(Regex::resolved).collect();
                assert_eq!(found, expected, "{seed}: {text:?} in {sources:?}");
                if found.is_some() {
                    assert_eq!(slots.span(), alone.span());
                }
                hits += usize::from(found.is_some_and(|index| index > from));
                searches += 1;
            }
        }
    }
    assert!(
        hits > searches / 10,
        "{hits} later hits in {searches} searches"
    );
}
