use super::*;

#[test]
fn offsets_are_read_and_added_to_abbreviations() {
    for (zone, minutes) in [
        ("", Some(0)),
        ("Z", Some(0)),
        ("CET", Some(60)),
        ("+01", Some(60)),
        ("-0130", Some(-90)),
        ("+01:30", Some(90)),
        ("CET+0100", Some(120)),
        ("UTC-1900", Some(-19 * 60)),
        ("NOPE", None),
        ("CE", None),
        ("+2500", None),
        ("+1", None),
        ("+01:3", None),
        ("+01é", None),
        ("cet", None),
        ("CET ", None),
    ] {
        assert_eq!(fixed_offset(zone), minutes, "{zone:?}");
    }
}

/// Noon in Greenwich, on 4 January and on 4 July 2005.
const WINTER: i64 = 1_104_840_000;
const SUMMER: i64 = 1_120_478_400;

#[test]
fn a_tz_is_a_file_a_name_or_a_rule_and_else_utc() {
    for (tz, winter, summer) in [
        ("", 0, 0),
        ("UTC", 0, 0),
        ("Europe/Berlin", 1, 2),
        (":Europe/Berlin", 1, 2),
        ("/usr/share/zoneinfo/Asia/Tokyo", 9, 9),
        ("CET-01CEST-02,M3.5.0,M10.5.0", 1, 2),
        ("EST5EDT4,M3.2.0/2,M11.1.0/2", -5, -4),
        // The rules that apply where a rule names none are those of the USA.
        ("EEE-2FFF", 2, 3),
        ("XYZ3", -3, -3),
        ("No/Such/Zone", 0, 0),
        ("/no/such/file", 0, 0),
        ("/etc/passwd", 0, 0),
        ("../../../etc/passwd", 0, 0),
        ("Europe", 0, 0),
    ] {
        let mut clock = Clock::new(Zone::local(Some(tz)));
        let shown = (clock.civil(WINTER) - WINTER, clock.civil(SUMMER) - SUMMER);
        assert_eq!(shown, (winter * 3600, summer * 3600), "{tz:?}");
        assert_eq!(clock.epoch(SUMMER + summer * 3600), Some(SUMMER), "{tz:?}");
    }
}

#[test]
fn a_wrong_log_zone_says_so() {
    let error = Zone::parse("Europe/Paris").expect_err("no abbreviation");
    assert!(error.to_string().contains("'Europe/Paris'"), "{error}");
    assert_eq!(
        Clock::new(Zone::parse("CET").expect("a zone")).log_offset(),
        Some(3600)
    );
}

#[test]
fn the_year_changes_at_its_local_midnight() {
    let mut clock = Clock::new(Zone::local(Some("UTC")));
    let new_year = 1_136_073_600;
    assert_eq!(clock.year(new_year - 1).number, 2005);
    assert_eq!(clock.year(new_year).number, 2006);
    assert_eq!(clock.year(new_year - 1).number, 2005);
}
