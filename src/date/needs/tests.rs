use proptest::prelude::*;
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;

use super::*;
use crate::date::formats::FORMATS;
use crate::date::template::Template;
use crate::date::tokens;
use crate::pattern::Slots;

const YEAR: i16 = 2026;

/// Texts a format may match, digits of all scripts among them.
fn texts(pattern: &str) -> impl Strategy<Value = String> {
    let regex = match pattern {
        "EPOCH" => r"\d{10,11}(?:\.\d{3,6})?".into(),
        "TAI64N" => "@[0-9a-f]{24}".into(),
        pattern => {
            let bare = pattern
                .trim_start_matches("{^LN-BEG}")
                .trim_start_matches('^');
            tokens::expand(bare, YEAR).expect(pattern).regex
        }
    };
    let mut plain = regex.replace("(?P=_sep)", "[-/.]");
    while let Some(at) = plain.find("(?P<") {
        let end = at + plain[at..].find('>').expect("a name's end");
        plain.replace_range(at + 1..=end, "");
    }
    // ASCII digits are the usual ones; half of the texts have no others.
    let ascii = plain.replace(r"\d", "[0-9]").replace(r"\s", " ");
    let of = |regex: &str| string_regex(regex).unwrap_or_else(|error| panic!("{regex}: {error}"));
    let around = || "[ \\[<x1é:T@-]{0,3}";
    (around(), prop_oneof![of(&plain), of(&ascii)], around())
        .prop_map(|(before, date, after)| format!("{before}{date}{after}"))
}

#[test]
fn no_format_is_left_alone_on_a_line_it_matches() {
    for format in FORMATS {
        let template = Template::new(format.pattern, YEAR).expect(format.pattern);
        let (matched, all) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        let mut runner = TestRunner::new(ProptestConfig {
            cases: 1500,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let property = |line: String| {
            all.set(all.get() + 1);
            let regex = template.compiled().expect("a regex");
            if regex.search(&line, &mut Slots::new()) {
                matched.set(matched.get() + 1);
                prop_assert!(format.needs.met_by(Needs::seen_in(&line)), "{line:?}");
            }
            Ok(())
        };
        if let Err(error) = runner.run(&texts(format.pattern), property) {
            panic!("{}: {error}", format.pattern);
        }
        assert!(
            matched.get() * 10 > all.get(),
            "{}: {}",
            format.pattern,
            matched.get()
        );
    }
}

#[test]
fn lines_without_dates_hold_nothing() {
    for line in [
        "",
        "Traceback (most recent call last):",
        "  File \"x.py\", line 12:30, in run",
        "at 12:30:45 it began",
        "2001:db8::1234:5678 port 123456",
        "pid 1234567",
    ] {
        assert_eq!(Needs::seen_in(line), Needs::NOTHING, "{line}");
    }
}

#[test]
fn long_numbers_are_seen_wherever_they_stand() {
    for before in 0..40 {
        for gap in [" ", "1 ", "12345 ", "1234567 "] {
            let line = format!("{}{gap}12345678 x", " ".repeat(before));
            assert_eq!(Needs::seen_in(&line), EIGHT_DIGITS, "{line}");
        }
    }
}

#[test]
fn what_stands_before_the_hour_is_seen() {
    for (line, seen) in [
        ("Jan  3  4:05:06", AFTER_SPACE),
        ("2005-01-23T21:59:59", AFTER_T),
        ("23/Jan/2005:21:59:59", AFTER_COLON),
        ("20051:02:03", DIRECT),
        ("number 12345678", EIGHT_DIGITS),
        ("200511:02:03", DIRECT),
        ("12345678901 x", EIGHT_DIGITS.or(TEN_DIGITS)),
        ("5 ١١:٥٩:٥٩", EVERYTHING),
    ] {
        assert_eq!(
            Needs::seen_in(line).0 | DIRECT.0,
            seen.0 | DIRECT.0,
            "{line}"
        );
    }
}
