//! The scanners against the regular expressions they stand for.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::date::fields::Fields;
use crate::date::formats::FORMATS;
use crate::date::template::{LINE_BEGIN, Template};
use crate::pattern::Slots;

const YEAR: i16 = 2026;

fn template(pattern: &str) -> Template {
    Template::new(pattern, YEAR).expect(pattern)
}

/// The three templates that have a scanner.
fn templates() -> [Template; 3] {
    let at_line_begin = |place: usize| template(&format!("{LINE_BEGIN}{}", FORMATS[place].pattern));
    [
        at_line_begin(0),
        at_line_begin(1),
        template("{^LN-BEG}EPOCH"),
    ]
}

/// What the regular expression says: group 1, the match's end, and what was read.
fn by_regex(template: &Template, line: &str) -> Option<(usize, usize, usize, Option<Reading>)> {
    let mut slots = Slots::new();
    let regex = template.compiled().expect("a regex");
    if !regex.search(line, &mut slots) {
        return None;
    }
    let cut = slots.get(1).expect("group 1");
    let reading = match template.scanner {
        Some(Scanner::Epoch) => {
            let text = &line[cut.clone()];
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let micros = format!("{whole}{fraction:0<6}").parse().ok();
            micros.map(|micros| Reading::Moment(Time::from_micros(micros)))
        }
        _ => Fields::read(line, regex, &slots).map(Reading::Fields),
    };
    Some((cut.start, cut.end, slots.span().end, reading))
}

/// Whether the scanner saw the date; what it saw has to be what the regular expression says.
fn agrees(template: &Template, line: &str) -> Result<bool, TestCaseError> {
    let scanner = template.scanner.expect("a scanner");
    let Some(scan) = scanner.scan(line) else {
        return Ok(false);
    };
    let Some((start, end, match_end, reading)) = by_regex(template, line) else {
        return Err(TestCaseError::fail(format!("{line:?}: no match, {scan:?}")));
    };
    let comparable = |reading| match reading {
        // A syslog date's weekday says nothing the rest does not.
        Reading::Fields(fields) => Reading::Fields(Fields {
            weekday: None,
            ..fields
        }),
        moment => moment,
    };
    prop_assert_eq!((scan.start, scan.end), (start, end), "{:?}", line);
    prop_assert_eq!(scan.end, match_end, "{:?}", line);
    let reading = reading.map(comparable);
    prop_assert_eq!(Some(scan.reading), reading, "{:?}", line);
    if let Some(seen) = scan.seen {
        // Whatever stands behind what was seen does not matter.
        let known = std::str::from_utf8(&line.as_bytes()[..seen]);
        for other in ["", "0", "x", " +0100", ".5", "é", " 2005 "] {
            if let Ok(known) = known {
                let found = by_regex(template, &format!("{known}{other}"));
                let place = found.map(|(start, end, _, _)| (start, end));
                prop_assert_eq!(place, Some((start, end)), "{:?} then {:?}", known, other);
            }
        }
    }
    Ok(true)
}

/// What may stand before a date.
fn before() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec!["", "[", "<", " ", "[<"]).prop_map(String::from),
        1 => piece(),
    ]
}

/// What may stand behind a date.
fn behind() -> impl Strategy<Value = String> {
    (piece(), proptest::collection::vec(piece(), 0..5))
        .prop_map(|(first, more)| format!("{first}{}", more.concat()))
}

/// Pieces a date line is made of, and pieces that spoil it.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "", " ", "  ", "[", "<", "-", "/", ".", ",", ":", "T", "Z", "UTC", "GMT", "+", "_", "x",
        "\t", "é", "٣", "ſ", "\u{85}", "\u{1c}", "\n", "Jan", "feb", "SEP", "Sun ", "mon", "2005",
        "20", "203", "2030", "1999", "]", "U", "G", "+01", "-0130", "+01:30", "+2",
    ])
    .prop_map(String::from);
    prop_oneof![2 => fixed, 1 => "[0-9]{1,12}"]
}

fn near_iso() -> impl Strategy<Value = String> {
    (
        before(),
        (1999..2031u32, prop::sample::select(vec!["-", "/", "."])),
        (
            0..14u32,
            0..33u32,
            prop::sample::select(vec!["T", "T", " ", " ", "  "]),
        ),
        (0..25u32, 0..62u32, 0..62u32),
        behind(),
    )
        .prop_map(
            |(before, (year, gap), (month, day, middle), (h, m, s), after)| {
                format!(
                    "{before}{year}{gap}{month:02}{gap}{day:02}{middle}{h:02}:{m:02}:{s:02}{after}"
                )
            },
        )
}

fn near_syslog() -> impl Strategy<Value = String> {
    let names = vec![
        "Jan", "feb", "MAR", "Apr", "may", "Jun", "Jul", "Aug", "Sep", "Oct", "nov", "dec", "Foo",
    ];
    (
        before(),
        prop::sample::select(vec!["", "", "Sun ", "mon ", "Xxx "]),
        (prop::sample::select(names), 0..34u32, any::<bool>()),
        (0..31u32, 0..62u32, 0..62u32),
        behind(),
    )
        .prop_map(|(before, weekday, (month, day, zero), (h, m, s), after)| {
            let day = if zero {
                format!("{day:02}")
            } else {
                format!("{day:2}")
            };
            let hour = if zero {
                format!("{h:02}")
            } else {
                format!("{h:2}")
            };
            format!("{before}{weekday}{month} {day} {hour}:{m:02}:{s:02}{after}")
        })
}

fn near_epoch() -> impl Strategy<Value = String> {
    (before(), "[0-9]{9,12}", "(\\.[0-9]{0,8})?", behind())
        .prop_map(|(before, number, fraction, after)| format!("{before}{number}{fraction}{after}"))
}

fn spoiled(line: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (
        line,
        any::<prop::sample::Index>(),
        prop::option::weighted(0.2, piece()),
    )
        .prop_map(|(line, at, spoil)| match spoil {
            Some(spoil) if !line.is_empty() => {
                let at = at.index(line.chars().count());
                let replaced = |(place, c): (usize, char)| match place == at {
                    true => spoil.clone(),
                    false => c.to_string(),
                };
                line.chars().enumerate().map(replaced).collect()
            }
            _ => line,
        })
}

/// Runs a property; the share of lines that the scanner saw has to show that it is of use.
fn holds(place: usize, lines: impl Strategy<Value = String>) {
    use std::cell::Cell;

    let template = &templates()[place];
    let (seen, all) = (Cell::new(0), Cell::new(0));
    let config = ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(config);
    runner
        .run(&lines, |line| {
            all.set(all.get() + 1);
            if agrees(template, &line)? {
                seen.set(seen.get() + 1);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(
        seen.get() * 16 > all.get(),
        "{} of {} seen",
        seen.get(),
        all.get()
    );
}

#[test]
fn iso_dates_are_what_the_regular_expression_finds() {
    holds(0, spoiled(near_iso()));
}

#[test]
fn syslog_dates_are_what_the_regular_expression_finds() {
    holds(1, spoiled(near_syslog()));
}

#[test]
fn epochs_are_what_the_regular_expression_finds() {
    holds(2, spoiled(near_epoch()));
}

proptest! {
    #[test]
    fn no_text_at_all_is_read_differently(line in prop_oneof![".{0,60}", spoiled(near_iso()), near_syslog()]) {
        for template in templates() {
            agrees(&template, &line)?;
        }
    }
}

#[test]
fn the_usual_lines_need_no_regular_expression() {
    let [iso, syslog, epoch] = templates();
    for (template, lines) in [
        (
            iso,
            &[
                "2005-01-23 21:59:59,981 fail2ban.actions [1]: x",
                "2005-01-23T21:59:59.981746+01:00 host x",
                "2005-01-23T21:59:59Z host",
                "[2005/01/23 21:59:59] x",
                "2005-01-23 21:59:59 -0500 x",
                "2005-01-23 21:59:59 User x",
            ] as &[&str],
        ),
        (
            syslog,
            &[
                "Jan 23 21:59:59 host sshd[1]: x",
                "Jan  3 01:02:03 host sshd[1]: x",
                "Sun Jan 23 21:59:59.011 2005 x",
                "[Sun Jan 23 21:59:59 2005] x",
                "<Jan 23 21:59:59.123456 x",
            ],
        ),
        (
            epoch,
            &["1106517599 x", "1106517599.123 x", "[1106517599.123456] x"],
        ),
    ] {
        for line in lines {
            assert!(agrees(&template, line).expect(line), "{line}");
        }
    }
}
