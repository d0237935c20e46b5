use super::*;

/// The zone and the moment of fail2ban's own tests: noon of 14 August 2005, summer time.
const RULE: &str = "CET-01CEST-02,M3.5.0,M10.5.0";
const NOON: i64 = 1_124_013_600;

fn detector(datepattern: Option<&str>) -> Detector {
    Detector::new(datepattern, &Zone::local(Some(RULE)), 2026).expect("a datepattern")
}

fn secs(found: Option<Found>) -> Option<i64> {
    found?.time.map(Time::secs)
}

#[test]
fn every_default_format_reads_its_own_example() {
    use super::super::formats::FORMATS;

    for format in FORMATS {
        let mut detector = Detector::new(None, &Zone::local(Some("UTC")), 2026).expect("defaults");
        // A quarter of an hour after the example's moment.
        let now = Time::from_secs(1_106_518_499);
        let found = detector.find(format.example, now);
        assert_eq!(secs(found), Some(1_106_517_599), "{}", format.example);
    }
}

#[test]
fn a_syslog_line_is_dated_this_year_unless_that_is_ahead() {
    let mut detector = detector(None);
    let now = Time::from_secs(NOON);
    let found = detector
        .find("Aug 14 11:59:58 host sshd[1]: x", now)
        .expect("a date");
    assert_eq!(found.cut, 0..15);
    assert_eq!(found.time, Some(Time::from_secs(NOON - 2)));
    assert_eq!(
        secs(detector.find("Aug 15 11:59:58 host x", now)),
        Some(NOON + 86_398)
    );
    assert_eq!(
        secs(detector.find("Aug 15 12:00:01 host x", now)),
        Some(NOON - 364 * 86_400 + 1)
    );
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
