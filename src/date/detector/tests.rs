use proptest::prelude::*;

use super::*;
use crate::date::formats::FORMATS;

/// The zone and the moment of fail2ban's own tests: noon of 14 August 2005, summer time.
const RULE: &str = "CET-01CEST-02,M3.5.0,M10.5.0";
const NOON: i64 = 1_124_013_600;
const DAY: i64 = 86_400;

fn detector(datepattern: Option<&str>) -> Detector {
    Detector::new(datepattern, &Zone::local(Some(RULE)), 2026).expect("a datepattern")
}

fn secs(found: Option<Found>) -> Option<i64> {
    found?.time.map(Time::secs)
}

/// The text a fresh detector cuts, and the moment, at [`NOON`].
fn once<'a>(datepattern: Option<&str>, line: &'a str) -> Option<(&'a str, Option<i64>)> {
    let found = detector(datepattern).find(line, Time::from_secs(NOON))?;
    Some((&line[found.cut], found.time.map(Time::secs)))
}

#[test]
fn every_default_format_reads_its_own_example() {
    for format in FORMATS {
        let mut detector = Detector::new(None, &Zone::local(Some("UTC")), 2026).expect("defaults");
        // A quarter of an hour after the example's moment.
        let now = Time::from_secs(1_106_518_499);
        let found = detector.find(format.example, now);
        assert_eq!(secs(found), Some(1_106_517_599), "{}", format.example);
    }
}

#[test]
fn a_line_without_a_year_is_of_this_one_unless_that_is_a_day_ahead() {
    let mut detector = detector(None);
    let mut dated = |line: &str| secs(detector.find(line, Time::from_secs(NOON)));
    assert_eq!(dated("Aug 14 11:59:58 host x"), Some(NOON - 2));
    assert_eq!(dated("Aug 15 11:59:58 host x"), Some(NOON + DAY - 2));
    assert_eq!(dated("Aug 15 12:00:00 host x"), Some(NOON + DAY));
    assert_eq!(dated("Aug 15 12:00:01 host x"), Some(NOON - 364 * DAY + 1));
}

#[test]
fn dates_that_do_not_exist_are_found_but_are_no_moment() {
    for line in [
        "2005-02-31 10:00:00 x",
        "2005-02-29 10:00:00 x",
        "2005-08-14 10:00:60 x",
        "2005-08-14 10:00:61 x",
        "Feb 29 10:00:00 host x",
        "Aug 14 24:00:00 host x",
        "Foo Aug 14 29:00:00 host x",
    ] {
        let (cut, time) = once(None, line).expect(line);
        assert!(!cut.is_empty() && time.is_none(), "{line}: {cut} {time:?}");
    }
    assert_eq!(once(None, "0000-00-00 00:00:00 x"), None);
}

#[test]
fn a_pattern_may_say_that_there_is_no_date() {
    for pattern in ["{NONE}", "^WARNING:()**", "^(x)?WARNING"] {
        assert_eq!(
            once(Some(pattern), "WARNING: 11:59:59"),
            Some(("", None)),
            "{pattern}"
        );
    }
    assert_eq!(once(Some("{NONE}"), ""), Some(("", None)));
}

#[test]
fn an_epoch_within_a_pattern_is_cut_by_the_patterns_group() {
    let line = "type=X msg=audit(1124013599.500:12): y";
    let found = detector(Some(r"^type=\S+ msg=audit\(({EPOCH})")).find(line, Time::from_secs(NOON));
    let found = found.expect("a date");
    assert_eq!(&line[found.cut], "1124013599.500");
    assert_eq!(found.time, Some(Time::from_micros(1_124_013_599_500_000)));
    let whole = once(Some(r"audit\({EPOCH}"), line);
    assert_eq!(whole, Some(("audit(1124013599.500", Some(NOON - 1))));
}

#[test]
fn what_fails_a_line_in_fail2ban_is_read_or_left_without_a_moment() {
    assert_eq!(
        once(Some("(?:%p )?%I:%M"), "11:30"),
        Some(("11:30", Some(NOON - 1800)))
    );
    let unknown = once(None, "ERROR Aug 14 11:59:59 x");
    assert_eq!(unknown, Some(("ERROR Aug 14 11:59:59", None)));
}

#[test]
fn what_the_last_time_was_decides_between_the_two_that_are_shown_twice() {
    let mut detector = detector(None);
    let mut secs = |line: &str| secs(detector.find(line, Time::from_secs(NOON)));
    assert_eq!(
        secs("2005-10-30 01:30:00 x"),
        Some(1_130_632_200),
        "winter's, if nothing is known"
    );
    assert_eq!(
        secs("2005-03-27 02:30:00 x"),
        Some(1_111_887_000),
        "an hour that was skipped"
    );
    assert_eq!(secs("2005-07-14 12:00:00 x"), Some(1_121_335_200));
    assert_eq!(
        secs("2005-10-30 01:30:00 x"),
        Some(1_130_628_600),
        "summer's"
    );
    assert_eq!(secs("2005-12-24 12:00:00 x"), Some(1_135_422_000));
    assert_eq!(
        secs("2005-10-30 01:30:00 x"),
        Some(1_130_632_200),
        "winter's"
    );
}

#[test]
fn the_same_text_means_another_moment_when_the_year_or_the_day_is_another() {
    let new_year = 1_136_070_000;
    let mut syslog = detector(None);
    let mut dated = |line: &str, now: i64| secs(syslog.find(line, Time::from_secs(now)));
    assert_eq!(
        dated("Dec 31 23:59:59 host sshd[1]: x", new_year - 1),
        Some(new_year - 1)
    );
    assert_eq!(
        dated("Dec 31 23:59:59 host sshd[1]: x", new_year + 1),
        Some(new_year - 1)
    );
    assert_eq!(
        dated("Jan  1 00:00:00 host sshd[1]: x", new_year - 1),
        Some(new_year - 365 * DAY)
    );
    assert_eq!(
        dated("Jan  1 00:00:00 host sshd[1]: x", new_year + 1),
        Some(new_year)
    );
    let mut time_only = detector(Some("{^LN-BEG}%H:%M:%S"));
    let mut dated = |line: &str, now: i64| secs(time_only.find(line, Time::from_secs(now)));
    assert_eq!(dated("12:00:01 x", NOON), Some(NOON + 1 - DAY));
    assert_eq!(dated("12:00:01 x", NOON + 1), Some(NOON + 1));
    assert_eq!(dated("12:00:01 x", NOON + DAY), Some(NOON + 1));
}

#[test]
fn another_zone_makes_another_moment_of_the_same_line() {
    let mut detector = detector(None);
    let line = "2005-08-14 12:00:00 host sshd: x";
    let now = Time::from_secs(NOON);
    assert_eq!(secs(detector.find(line, now)), Some(NOON));
    detector.set_zone(
        &Zone::local(Some(RULE))
            .with_offset("UTC+0300")
            .expect("a zone"),
    );
    assert_eq!(secs(detector.find(line, now)), Some(NOON - 3600));
    assert_eq!(
        secs(detector.find("2005-08-14 10:00:00 Z x", now)),
        Some(NOON)
    );
}

#[test]
fn a_log_with_one_format_is_read_by_one_template_that_moves_to_the_front() {
    let mut detector = detector(None);
    let line = "192.0.2.1 - - [14/Aug/2005:11:59:59 +0200] x";
    for _ in 0..9 {
        assert_eq!(
            secs(detector.find(line, Time::from_secs(NOON))),
            Some(NOON - 1)
        );
    }
    let used: Vec<_> = detector
        .templates()
        .filter(|template| template.hits > 0)
        .collect();
    assert_eq!(used.len(), 1);
    assert_eq!(used[0].hits, 9);
    assert_eq!(
        detector.templates().next().map(|first| first.number),
        Some(used[0].number)
    );
}

#[test]
fn a_pattern_is_told_where_one_or_two_were_asked_for() {
    assert_eq!(detector(None).pattern(), None);
    assert_eq!(
        detector(Some("%H:%M")).pattern(),
        Some((Some("%H:%M"), "24hour:Minute"))
    );
    assert_eq!(detector(Some("epoch\n%Y")).pattern(), Some((None, "Epoch")));
    assert_eq!(detector(Some("epoch\n%Y\n%y")).pattern(), None);
    assert_eq!(
        detector(Some("{NONE}")).pattern(),
        Some((Some("{UNB}^"), "^"))
    );
}

fn messages<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<&'a str> {
    records.map(|record| record.message.as_str()).collect()
}

#[test]
fn what_fail2ban_logs_about_patterns_can_be_logged() {
    let late = "  default date pattern: 31 template(s)";
    for (pattern, said, said_late) in [
        (None, &[] as &[&str], Some(late)),
        (
            Some("{^LN-BEG}"),
            &["  default filtered date pattern: 17 template(s)"],
            None,
        ),
        (
            Some("{DEFAULT}"),
            &["  default filtered date pattern: 0 template(s)"],
            Some(late),
        ),
        (
            Some(r"^\[({DATE})"),
            &[r"  default date pattern for `'^\\[({DATE})'`: 17 template(s)"],
            None,
        ),
        (
            Some("%H:%M\nEPOCH"),
            &[
                "  date pattern `%H:%M`: `24hour:Minute`",
                "  date pattern ``: `Epoch`",
            ],
            None,
        ),
    ] {
        let detector = detector(pattern);
        assert_eq!(messages(detector.describe()), said, "{pattern:?}");
        let told_late = messages(detector.describe_at_first_line());
        assert_eq!(told_late, Vec::from_iter(said_late), "{pattern:?}");
    }
}

#[test]
fn a_wrong_pattern_says_what_is_wrong() {
    let error = |pattern: &str| match Detector::new(Some(pattern), &Zone::local(Some(RULE)), 2026) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{pattern} is no error"),
    };
    assert!(error("%d %Q").contains("'%d %Q'") && error("%d %Q").contains("no token \"%Q\""));
    assert!(error("100%").contains("no token \"%\""));
    assert!(error("%H:%M\n%H:%M").contains("24hour:Minute"));
    assert!(error("%Y (").contains("Year ("));
    assert!(error("%Y %Y").contains("Year Year"));
}

#[test]
fn no_line_costs_more_than_its_length() {
    let hostile = [
        "2005-08-14 Aug 14 11:59:x 5 11:59:59x @40000000 112401359 ",
        "2005-01-01 ",
        "01/01/2005 1:1:1x",
        "1/Jan/20051:1:1x ",
        "CET Jan 1 1:1:",
        "050814  1:1:1x ",
        " ",
        "1",
        "1:1:1",
        "[[",
        "é",
    ];
    for piece in hostile {
        let steps = |times: usize| {
            let mut detector = detector(None);
            let line = piece.repeat(times);
            detector.find(&line, Time::from_secs(NOON));
            detector.groups.steps()
        };
        let (short, long) = (steps(500), steps(4000));
        assert!(
            long <= 9 * short + 4000,
            "{piece:?}: {short} steps, then {long}"
        );
        // Seventeen formats, each with a few tries at most places.
        let most = 300 * 4000 * piece.len() as u64;
        assert!(long <= most, "{piece:?}: {long} steps, more than {most}");
    }
}

/// Lines as bursts have them: the same date again and again, now with this behind it, now that.
fn burst() -> impl Strategy<Value = Vec<(String, i64)>> {
    let date = prop::sample::select(vec![
        "Jan  1 00:00:00",
        "Dec 31 23:59:59",
        "Feb 29 12:00:00",
        "Aug 14 11:59:59",
        "[Aug 14 11:59:59",
        "2005-08-14 11:59:59",
        "2005-08-14T11:59:59.123",
        "1124013599",
        "1124013599.123",
    ]);
    let behind = prop::sample::select(vec![
        "",
        " ",
        " x",
        " host sshd[1]: failed",
        " 2004",
        " 2004 host sshd",
        " 200",
        " 2004x host",
        ".5 host x",
        " +0100 host sshd[1]",
        "+0100 host sshd[1]",
        "Z host sshd[1]: x",
        " UTC",
        " UTCx host sshd",
        "9 host sshd[1]:",
        "é host sshd[1]:",
        ": host sshd[1]: x",
        "] host sshd[1]: y",
    ]);
    let now = prop::sample::select(vec![
        NOON,
        NOON + DAY,
        1_136_073_599,
        1_136_073_600,
        1_135_987_200,
        1_135_987_199,
        1_078_056_000,
        1_136_159_999,
        1_136_073_598,
    ]);
    let times = proptest::collection::vec((any::<bool>(), now), 1..12);
    (date, behind.clone(), behind, times).prop_map(|(date, one, other, times)| {
        let behind = |first| if first { one } else { other };
        let line = |(first, now)| (format!("{date}{}", behind(first)), now);
        times.into_iter().map(line).collect()
    })
}

proptest! {
    /// With one template there is nothing to learn, so what is remembered must not show.
    #[test]
    fn a_remembered_date_is_the_date_that_would_be_read(lines in burst(), pattern in bound_pattern()) {
        let make = || Detector::new(Some(&pattern), &Zone::local(Some("UTC")), 2026).expect("a pattern");
        let mut one = make();
        for (line, now) in lines {
            let now = Time::from_secs(now);
            prop_assert_eq!(one.find(&line, now), make().find(&line, now), "{} {}", pattern, line);
        }
    }
}

/// Patterns bound to the line's begin: some are read by hand, some by an automaton.
fn bound_pattern() -> impl Strategy<Value = String> {
    let defaults = FORMATS
        .iter()
        .map(|format| format!("{{^LN-BEG}}{}", format.pattern));
    let own = [
        "{^LN-BEG}EPOCH",
        "^%b %d %H:%M:%S",
        "^%Y-%m-%d[ T]%H:%M:%S(?:\\.%f)?",
        "^(?:%Y-)?%m-%d[ T]%H:%M:%S",
        "^[^J]*%b *%d %H:%M:%S(?: %Y)?",
        "^%ExY(?P<_sep>[-/.])%m(?P=_sep)%d[T ]%H:%M:%S(?:[.,]%f)?(?:\\s*%z)?",
    ];
    let patterns: Vec<String> = defaults.chain(own.map(str::to_owned)).collect();
    prop::sample::select(patterns)
}

/// Pieces of patterns, right and wrong.
fn pattern() -> impl Strategy<Value = String> {
    let pieces = vec![
        "%Y",
        "%ExY",
        "%y",
        "%m",
        "%d",
        "%b",
        "%B",
        "%H",
        "%k",
        "%I",
        "%p",
        "%M",
        "%S",
        "%f",
        "%z",
        "%Z",
        "%Exz",
        "%j",
        "%U",
        "%w",
        "%a",
        "%c",
        "%x",
        "%X",
        "%%",
        "%",
        "%q",
        "-",
        ":",
        " ",
        "/",
        "(",
        ")",
        "(?:",
        ")?",
        "[",
        "]",
        "*",
        "**",
        "^",
        "$",
        "|",
        "\\b",
        "\\s",
        "\\",
        "{UNB}",
        "{^LN-BEG}",
        "{DATE}",
        "{NONE}",
        "{DEFAULT}",
        "EPOCH",
        "{EPOCH}",
        "{LEPOCH}",
        "TAI64N",
        "\n",
        "(?P<y>\\d+)",
        "(?P<d>\\w*)",
        "(?i)",
        "é",
        "x",
    ];
    proptest::collection::vec(prop::sample::select(pieces), 0..7).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_pattern_and_no_line_make_it_panic(
        pattern in pattern(),
        lines in proptest::collection::vec(prop_oneof![
            ".{0,40}",
            "[0-9٣]{1,12}[-/:. xé]{0,2}[0-9]{0,9}[ T][0-9:]{0,9}",
            "(x|é| |Jan|MAY|sunday|PM|@[0-9a-f]{24}|Z|\\+0100|[0-9]{1,4}|:|-){0,9}",
        ], 0..6),
        now in -1_i64 << 40..1_i64 << 40,
        year in i16::MIN..i16::MAX,
    ) {
        if let Ok(mut detector) = Detector::new(Some(&pattern), &Zone::local(Some(RULE)), year) {
            for line in &lines {
                if let Some(found) = detector.find(line, Time::from_secs(now)) {
                    prop_assert!(line.get(found.cut).is_some());
                }
            }
        }
    }
}
