use super::*;

fn template(pattern: &str) -> Template {
    Template::new(pattern, 2026).expect(pattern)
}

#[test]
fn boundaries_and_group_one_are_added_where_the_pattern_has_none() {
    for (pattern, regex) in [
        ("x", r"(?=^|\b|\W)(x)(?=\b|\W|$)"),
        ("%%x", r"(?=^|\b|\W)(%x)(?=\b|\W|$)"),
        ("%Y", r"(?=^|\b|\W)((?P<Y>\d{4}))(?=\b|\W|$)"),
        ("^x$", "^(x)$"),
        ("(^x)", r"(^x)(?=\b|\W|$)"),
        ("(?:^|y)x", r"((?:^|y)x)(?=\b|\W|$)"),
        ("a (x) b", r"(?=^|\b|\W)a (x) b(?=\b|\W|$)"),
        (r"\(x\)", r"(?=^|\b|\W)(\(x\))(?=\b|\W|$)"),
        ("[(]x", r"(?=^|\b|\W)[(]x(?=\b|\W|$)"),
        (r"x\b", r"(?=^|\b|\W)(x\b)"),
        (r"x\s", r"(?=^|\b|\W)(x\s)"),
        (r"x\$", r"(?=^|\b|\W)(x\$)(?=\b|\W|$)"),
        ("**x**", "(x)"),
        ("**(x)**", "(x)"),
        ("(**x**)", "(x)"),
        (r"x\**", r"(?=^|\b|\W)(x\**)(?=\b|\W|$)"),
        ("{UNB}x", "(x)"),
        ("{UNB}^", "^()"),
        ("{^LN-BEG}x", r"^(?:\W{0,2})?(x)(?=\b|\W|$)"),
        ("{^LN-BEG}^x", r"^(x)(?=\b|\W|$)"),
        ("y(?i)x", r"(?i)(?=^|\b|\W)(yx)(?=\b|\W|$)"),
        (r"y\(?i)x", r"(?=^|\b|\W)(y\(?i)x)(?=\b|\W|$)"),
        (r"^I\(()**", r"^I\(()"),
        (
            "t={EPOCH}",
            r"(?=^|\b|\W)(t=(\d{10,11}\b(?:\.\d{3,6})?))(?=\b|\W|$)",
        ),
        (
            "(t={epoch})",
            r"(?=^|\b|\W)(t=(\d{10,11}\b(?:\.\d{3,6})?))(?=\b|\W|$)",
        ),
        (r"\{EPOCH}", r"(?=^|\b|\W)(\{EPOCH})(?=\b|\W|$)"),
    ] {
        assert_eq!(&*template(pattern).regex, regex, "{pattern}");
    }
    assert!(template("%b").regex.starts_with("(?iu)(?=^"));
}

#[test]
fn what_is_bound_to_the_line_is_known() {
    for (pattern, line_begin, anchored) in [
        ("x", false, false),
        ("^x", true, true),
        ("(^x)", true, true),
        ("(?:^(x))", true, true),
        // A group is put around it first.
        ("(?:^x)", false, false),
        ("(^|x)y", false, false),
        ("{^LN-BEG}x", true, true),
        ("x$", false, true),
        (r"x\$", false, false),
        ("(x|$)", false, false),
        ("EPOCH", false, false),
        ("^EPOCH", true, true),
        ("tai64n", false, false),
        ("{^LN-BEG}TAI64N", true, true),
    ] {
        let template = template(pattern);
        let bound = (template.line_begin, template.anchored);
        assert_eq!(bound, (line_begin, anchored), "{pattern}");
    }
}

#[test]
fn names_show_what_a_pattern_is_made_of() {
    for (pattern, name) in [
        ("%d/%b %H:%M", "Day/MON 24hour:Minute"),
        ("{^LN-BEG}%ExY", "{^LN-BEG}ExYear"),
        ("{UNB}%ExY", "ExYear"),
        ("epoch", "Epoch"),
        ("^EPOCH", "{^LN-BEG}Epoch"),
        ("LEPOCH", "LongEpoch"),
        ("t={EPOCH}", "t={EPOCH}"),
        ("TAI64N", "TAI64N"),
    ] {
        assert_eq!(&*template(pattern).name, name);
    }
}

#[test]
fn a_date_stands_in_for_its_place_without_its_own_boundaries() {
    assert_eq!(
        embed_date(r"^\[({date}) \{DATE} {DATE}", "x"),
        r"^\[(x) \{DATE} x"
    );
    assert_eq!(unbound("{^LN-BEG}%H"), "%H");
    assert_eq!(unbound(r"(?:^|\b|\W)%H(?=\b|\W|$)"), "%H");
    assert_eq!(unbound("^%H"), "^%H");
}
