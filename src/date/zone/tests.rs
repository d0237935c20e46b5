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
