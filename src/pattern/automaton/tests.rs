//! The automaton against the backtracker.

use super::{Answer, Automaton, UNKNOWN};
use crate::pattern::tests::generate::Generator;
use crate::pattern::{Flags, Options, Regex, Slots};

const MOST_BYTES: usize = 1 << 20;

type Spans = Vec<Option<(usize, usize)>>;

fn spans(regex: &Regex, slots: &Slots) -> Spans {
    (0..regex.program().groups)
        .map(|group| slots.get(group).map(|range| (range.start, range.end)))
        .collect()
}

fn automaton(patterns: &[Regex]) -> Automaton {
    let soft: Vec<u32> = (0..patterns.len() as u32)
        .filter(|&index| Automaton::can_run(patterns[index as usize].program()))
        .collect();
    let programs: Vec<_> = soft
        .iter()
        .map(|&index| patterns[index as usize].program())
        .collect();
    Automaton::new(soft, &programs, MOST_BYTES)
}

/// What the automaton says: the pattern and its groups.
fn found(
    automaton: &mut Automaton,
    patterns: &[Regex],
    text: &str,
) -> Option<Option<(usize, Spans)>> {
    let mut slots = Slots::new();
    let program = |index: u32| patterns[index as usize].program();
    match automaton.search(text, &mut slots, program) {
        Answer::Unknown => None,
        Answer::Nothing => Some(None),
        Answer::Match(index) => {
            let index = automaton.patterns()[index] as usize;
            automaton.leave(&mut slots, patterns[index].program());
            Some(Some((index, spans(&patterns[index], &slots))))
        }
    }
}

/// What the backtracker says, pattern by pattern.
fn expected(automaton: &Automaton, patterns: &[Regex], text: &str) -> Option<(usize, Spans)> {
    let mut slots = Slots::new();
    automaton.patterns().iter().find_map(|&index| {
        let regex = &patterns[index as usize];
        let hit = regex.search(text, &mut slots);
        hit.then(|| (index as usize, spans(regex, &slots)))
    })
}

/// Patterns that an automaton runs; some are bound to the start of the text.
fn some_patterns(generator: &mut Generator) -> Vec<Regex> {
    let mut patterns = Vec::new();
    let count = [1, 1, 2, 5][generator.below(4)];
    while patterns.len() < count {
        let anchor = ["", "^", "^ab", "\\b", "(?! ab).", "(?:(?! ab).)*?"][generator.below(6)];
        let pattern = format!("{anchor}{}", generator.pattern());
        patterns.extend(Regex::python(&pattern, Flags::default()));
    }
    patterns
}

#[test]
fn it_finds_what_the_backtracker_finds() {
    let (mut known, mut hits, mut asked) = (0, 0, 0);
    for seed in 0..6_000 {
        let mut generator = Generator::new(seed);
        let patterns = some_patterns(&mut generator);
        let mut automaton = automaton(&patterns);
        for _ in 0..12 {
            let mut text = generator.text();
            if generator.below(2) == 0 {
                text.push('\n');
            }
            let sources = || patterns.iter().map(Regex::resolved).collect::<Vec<_>>();
            let expected = expected(&automaton, &patterns, &text);
            match found(&mut automaton, &patterns, &text) {
                Some(found) => {
                    assert_eq!(found, expected, "{seed}: {text:?} in {:?}", sources());
                    known += 1;
                    hits += usize::from(found.is_some());
                }
                None => asked += usize::from(text.is_ascii()),
            }
        }
    }
    assert!(
        known > 40_000 && hits > 15_000 && asked < known / 50,
        "{known} known, {hits} hits, {asked} ASCII texts left to the backtracker"
    );
}

#[test]
fn lines_that_begin_alike_have_their_own_ends() {
    let (mut hits, mut places) = (0, 0);
    for seed in 0..2_000 {
        let mut generator = Generator::new(seed);
        let patterns = some_patterns(&mut generator);
        let mut automaton = automaton(&patterns);
        let mut stem = String::new();
        while stem.len() < 40 {
            stem.push_str(&generator.text());
            stem.retain(|sign| sign.is_ascii());
        }
        for _ in 0..24 {
            let alike = generator.below(stem.len() + 1);
            let mut text = format!("{}{}", &stem[..alike], generator.text());
            if generator.below(2) == 0 {
                text.push('\n');
            }
            let expected = expected(&automaton, &patterns, &text);
            if let Some(found) = found(&mut automaton, &patterns, &text) {
                let sources = || patterns.iter().map(Regex::resolved).collect::<Vec<_>>();
                assert_eq!(found, expected, "{seed}: {text:?} in {:?}", sources());
                hits += usize::from(found.is_some());
            }
        }
        places += automaton.beginnings.places();
    }
    assert!(
        hits > 10_000 && places > 1_000,
        "{hits} hits, {places} places"
    );
}

fn failed_logins() -> Vec<Regex> {
    [
        "^Failed \\S+ for <F-USER>\\S+|.*?</F-USER> from <HOST>(?: port \\d+)?$",
        "^Bye <HOST>",
    ]
    .map(|pattern| Regex::new(pattern, Options::default()).unwrap())
    .into()
}

#[test]
fn lines_of_a_known_shape_take_no_new_memory() {
    let patterns = failed_logins();
    let mut automaton = automaton(&patterns);
    let line = |n: usize| {
        format!(
            "Failed password for root from 192.0.2.{} port {n}\n",
            n % 250
        )
    };
    for n in 0..2_000 {
        assert!(matches!(
            found(&mut automaton, &patterns, &line(n)),
            Some(Some((0, _)))
        ));
    }
    let states = automaton.states.len();
    let actions = automaton.actions.len();
    for n in 2_000..9_000 {
        found(&mut automaton, &patterns, &line(n));
    }
    assert_eq!(
        (automaton.states.len(), automaton.actions.len()),
        (states, actions)
    );
    assert!(automaton.table.contains(&UNKNOWN));
}

#[test]
fn its_memory_is_bounded_and_full_it_leaves_lines_to_the_backtracker() {
    // Every combination of places is a state of its own.
    let patterns = [Regex::python("(?:a|b)*a(?:a|b){14}c", Flags::default()).unwrap()];
    let mut automaton = automaton(&patterns);
    let mut generator = Generator::new(1);
    let (mut asked, mut most) = (0, 0);
    for _ in 0..3_000 {
        let text: String = (0..64).map(|_| ["a", "b"][generator.below(2)]).collect();
        let expected = expected(&automaton, &patterns, &text);
        match found(&mut automaton, &patterns, &text) {
            Some(found) => assert_eq!(found, expected),
            None => asked += 1,
        }
        most = most.max(automaton.bytes + size_of_val(&automaton.table[..]));
    }
    assert!(
        asked > 0 && most < MOST_BYTES + MOST_BYTES / 10,
        "{asked}, {most}"
    );
}

#[test]
fn a_literal_left_alone_is_compared_at_once() {
    let patterns = failed_logins();
    let mut automaton = automaton(&patterns);
    found(&mut automaton, &patterns, "Failed\n");
    let literal = |(start, end): (u32, u32)| &automaton.literals[start as usize..end as usize];
    let mut literals = automaton.actions.iter().map(|action| literal(action.chain));
    assert!(literals.any(|text| text == b"ailed "));
}
