use super::*;

fn names(datepattern: &str) -> Vec<Box<str>> {
    let templates = Templates::new(Some(datepattern), 2026).expect(datepattern);
    templates
        .list
        .iter()
        .map(|template| template.name.clone())
        .collect()
}

#[test]
fn the_defaults_are_fourteen_for_the_line_begin_and_the_seventeen() {
    let all = defaults(2026);
    assert_eq!(all.len(), 31);
    assert_eq!(FORMATS.len(), 17);
    assert_eq!(all.iter().filter(|one| one.line_begin).count(), 17);
    assert!(
        all[..14]
            .iter()
            .all(|one| one.weight == WEIGHT_AT_LINE_BEGIN && one.anchored)
    );
    for template in all {
        template.check().expect("a default template compiles");
    }
}

#[test]
fn no_two_defaults_are_called_the_same() {
    let mut names: Vec<_> = defaults(2026)
        .into_iter()
        .map(|one| one.name.clone())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 31);
}

#[test]
fn defaults_are_shared_until_other_years_are_expected() {
    let (one, same) = (defaults(2040), defaults(2041));
    assert!(
        one.iter()
            .zip(&same)
            .all(|(one, same)| Arc::ptr_eq(one, same))
    );
    assert!(defaults(2057)[0].regex.contains("20[0123456]"));
}

#[test]
fn lines_are_templates_and_words_are_groups_of_them() {
    assert_eq!(
        names(" %H:%M \n\n\t%Y\n"),
        ["24hour:Minute".into(), "Year".into()] as [Box<str>; 2]
    );
    assert_eq!(names("").len(), 31);
    assert_eq!(names("{DEFAULT}").len(), 31);
    assert_eq!(names("{^LN-BEG}").len(), 17);
    assert_eq!(names("%H\n{^LN-BEG}\n{DEFAULT}").len(), 18);
    assert_eq!(names("{^LN-BEG}\n{^ln-beg}").len(), 17);
    assert_eq!(names("x {date}").len(), 17);
    assert_eq!(names("{DATE}\n{DATE}").len(), 17);
}

#[test]
fn what_is_written_as_a_default_weighs_as_much_beside_the_defaults() {
    let first = |datepattern: &str| {
        let templates = Templates::new(Some(datepattern), 2026).expect(datepattern);
        templates.list[0].weight
    };
    for (datepattern, weight) in [
        ("{^LN-BEG}Epoch\n{^LN-BEG}", 100.0),
        ("{^LN-BEG}%m/%d/%ExY:%H:%M:%S\n%H\n{^LN-BEG}", 100.0),
        ("{^LN-BEG}TAI64N\n{DEFAULT}", 100.0),
        ("{^LN-BEG}Epoch\n%H", 1.0),
        ("^EPOCH\n{^LN-BEG}", 1.0),
        ("{^LN-BEG}%H:%M:%S\n{^LN-BEG}", 1.0),
        ("%m/%d/%ExY:%H:%M:%S\n{^LN-BEG}", 1.0),
        ("{^LN-BEG}Epoch\nx{DATE}", 1.0),
    ] {
        assert_eq!(first(datepattern), weight, "{datepattern}");
    }
}

#[test]
fn a_template_cannot_stand_twice() {
    let error = Templates::new(Some("%H\n%Y\n%H"), 2026).expect_err("the same twice");
    assert_eq!(
        error,
        DateError::Twice {
            name: "24hour".into()
        }
    );
    Templates::new(Some(r"x \{DATE}"), 2026).expect_err("seventeen times the same");
}
