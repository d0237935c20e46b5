use super::*;

#[test]
fn the_defaults_are_fourteen_for_the_line_begin_and_the_seventeen() {
    let all = defaults(2026);
    assert_eq!(all.len(), 31);
    assert_eq!(all.iter().filter(|one| one.line_begin).count(), 17);
    for template in all {
        template.check().expect("a default template compiles");
    }
}
