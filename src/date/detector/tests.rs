use super::*;

/// 2005-08-14 12:00:00 CEST.
const NOW: Time = Time::from_secs(1_124_013_600);
const CET: &str = "CET-01CEST-02,M3.5.0,M10.5.0";

fn found(datepattern: Option<&str>, line: &str) -> Option<(String, Option<i64>)> {
    let mut detector = Detector::new(datepattern, &Zone::local(Some(CET)), 2005).unwrap();
    let found = detector.find(line, NOW)?;
    Some((line[found.cut].to_owned(), found.time.map(Time::secs)))
}

fn at(datepattern: Option<&str>, line: &str) -> Option<i64> {
    found(datepattern, line).and_then(|(_, time)| time)
}

#[test]
fn the_default_list_has_thirty_one_templates_and_seventeen_at_line_begin() {
    let zone = Zone::local(Some("UTC"));
    assert_eq!(Detector::new(None, &zone, 2026).unwrap().len(), 31);
    assert_eq!(
        Detector::new(Some("{^LN-BEG}"), &zone, 2026).unwrap().len(),
        17
    );
    for known in &Detector::new(None, &zone, 2026).unwrap().templates {
        known.template.check().unwrap();
    }
}

#[test]
fn a_year_left_out_is_the_last_one_that_fits() {
    let noon = 1_124_013_600;
    assert_eq!(at(None, "Aug 14 12:00:00 host x"), Some(noon));
    assert_eq!(
        at(None, "Aug 15 11:00:00 host x"),
        Some(noon + 23 * 3600),
        "a day of grace"
    );
    // 2004-08-16 11:00:00 UTC+2
    assert_eq!(at(None, "Aug 16 11:00:00 host x"), Some(1_092_646_800));
}

#[test]
fn a_day_left_out_is_today_or_yesterday() {
    assert_eq!(at(None, "11:59:59 x"), Some(1_124_013_599));
    assert_eq!(at(None, "12:00:01 x"), Some(1_124_013_601 - 86_400));
}

#[test]
fn the_date_and_nothing_else_is_cut() {
    assert_eq!(
        found(None, "Aug 14 11:59:58 host sshd: x"),
        Some(("Aug 14 11:59:58".into(), Some(1_124_013_598)))
    );
    assert_eq!(
        found(None, "[2005-08-14 09:59:58 +0000] x"),
        Some(("2005-08-14 09:59:58 +0000".into(), Some(1_124_013_598)))
    );
    assert_eq!(
        found(Some("{NONE}"), "Aug 14 11:59:58"),
        Some((String::new(), None))
    );
    assert_eq!(
        found(Some("^stamp=(%H:%M:%S)"), "stamp=11:00:00 x"),
        Some(("11:00:00".into(), Some(1_124_010_000)))
    );
}

#[test]
fn dates_that_do_not_exist_are_found_and_have_no_time() {
    for line in [
        "2005-02-30 10:00:00 x",
        "2005-08-14 10:00:61 x",
        "Feb 29 10:00:00 2005 x",
    ] {
        assert_eq!(
            found(None, line).map(|(_, time)| time),
            Some(None),
            "{line}"
        );
    }
    assert_eq!(found(None, "no date here"), None);
    assert_eq!(found(None, "0000-00-00 00:00:00 x"), None);
}

#[test]
fn epochs_keep_their_fraction() {
    let mut detector = Detector::new(None, &Zone::local(Some(CET)), 2005).unwrap();
    let time = |detector: &mut Detector, line: &str| {
        detector
            .find(line, NOW)
            .and_then(|found| found.time)
            .map(Time::micros)
    };
    assert_eq!(
        time(&mut detector, "1124013599.123456 x"),
        Some(1_124_013_599_123_456)
    );
    assert_eq!(
        time(&mut detector, "[1124013599] x"),
        Some(1_124_013_599_000_000)
    );
    assert_eq!(
        time(&mut detector, "type=X msg=audit(1124013599.500:12): x"),
        Some(1_124_013_599_500_000)
    );
    assert_eq!(time(&mut detector, "11240135991 23 x").is_some(), true);
    let mut long = Detector::new(Some("LEPOCH"), &Zone::local(Some(CET)), 2005).unwrap();
    assert_eq!(
        time(&mut long, "1124013599123 x"),
        Some(1_124_013_599_123_000)
    );
    assert_eq!(
        time(&mut long, "1124013599123456 x"),
        Some(1_124_013_599_123_456)
    );
}

#[test]
fn clocks_that_change() {
    // The skipped hour of 27 March and the repeated one of 30 October 2005, as C's mktime has them.
    assert_eq!(at(None, "2005-03-27 02:30:00 x"), Some(1_111_887_000));
    assert_eq!(at(None, "2005-10-30 02:30:00 x"), Some(1_130_635_800));
}

#[test]
fn zones_in_the_line_and_in_the_settings() {
    assert_eq!(at(None, "2005-08-14T09:59:59Z x"), Some(1_124_013_599));
    assert_eq!(at(None, "2005-08-14T11:59:59+02:00 x"), Some(1_124_013_599));
    let zone = Zone::local(Some(CET)).with_offset("UTC+0300").unwrap();
    let mut detector = Detector::new(None, &zone, 2005).unwrap();
    let time = detector
        .find("2005-08-14 12:59:59 x", NOW)
        .and_then(|found| found.time);
    assert_eq!(time.map(Time::secs), Some(1_124_013_599));
}

#[test]
fn the_template_that_matched_last_is_asked_first() {
    let mut detector = Detector::new(None, &Zone::local(Some(CET)), 2005).unwrap();
    let line = "14/Aug/2005:11:59:59 +0200 x";
    let first = detector.find(line, NOW).unwrap();
    for _ in 0..10 {
        assert_eq!(detector.find(line, NOW).unwrap(), first);
    }
    let asked: u64 = detector.templates.iter().map(|known| known.matched).sum();
    assert_eq!(
        asked, 11,
        "one template matched every line and no other was asked"
    );
}

#[test]
fn every_date_pattern_in_braces() {
    let line = "<13>1 2005-08-14T11:59:59+02:00 host x";
    let pattern = r"^<\d+>\d+\s+{DATE}";
    assert_eq!(
        found(Some(pattern), line),
        Some((
            "<13>1 2005-08-14T11:59:59+02:00".into(),
            Some(1_124_013_599)
        ))
    );
    assert_eq!(
        found(Some(r"^\[{EPOCH}\]"), "[1124013599] x"),
        Some(("[1124013599]".into(), Some(1_124_013_599)))
    );
}

#[test]
fn a_pattern_twice_is_an_error() {
    let zone = Zone::local(Some(CET));
    let error = Detector::new(Some("%H:%M:%S\n%H:%M:%S"), &zone, 2005).unwrap_err();
    assert!(error.to_string().contains("twice"), "{error}");
}
