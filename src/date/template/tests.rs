use super::*;

fn regex(pattern: &str) -> String {
    Template::new(pattern, 2026).expect(pattern).regex.into()
}

#[test]
fn a_pattern_is_bound_to_words_and_becomes_group_one() {
    assert_eq!(regex("%Y"), r"(?=^|\b|\W)((?P<Y>\d{4}))(?=\b|\W|$)");
}
