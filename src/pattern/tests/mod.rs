//! Tests of the language by itself; those against Python are in `tests/rban/pattern.rs`.

use super::search::{Mode, search};
use super::{Flags, Options, Regex, Slots};

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

#[test]
fn every_way_to_search_agrees_on_the_basics() {
    for (pattern, text) in [
        (r"(a|ab)(c|bcd)(d*)", "abcd"),
        (r"(?:(?! from ).)*? from (\S+)", "x y from z from q\n"),
        (r"(?P<a>x)?(?(a)y|z)+", "zzxy"),
        (r"(?:a|())*b", "aab"),
    ] {
        let mut found = Vec::new();
        for (optimised, mode) in [
            (true, Mode::Both),
            (true, Mode::ExactOnly),
            (true, Mode::QuickOnly),
            (false, Mode::ExactOnly),
            (false, Mode::QuickOnly),
        ] {
            let regex = Regex::build(pattern, Flags::default(), optimised).unwrap();
            let mut slots = Slots::new();
            let hit = search(regex.program(), text, 0, &mut slots, mode);
            let groups: Vec<_> = (0..4).map(|index| slots.get(index)).collect();
            found.push((hit, groups));
        }
        assert!(
            found.windows(2).all(|pair| pair[0] == pair[1]),
            "{pattern}: {found:?}"
        );
    }
}
