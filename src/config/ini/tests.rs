//! The lexer against Python's rules, and against anything at all.

use super::*;
use proptest::prelude::*;

/// `section.option = value` of everything, and the faults as `line: problem; advice`.
fn read(text: &str) -> (Vec<String>, Vec<String>) {
    let ini = Ini::parse(text);
    let options = ini.sections.iter().flat_map(|section| {
        section
            .options
            .iter()
            .map(|option| format!("{}.{} = {}", section.name, option.name, option.value))
    });
    let faults = ini
        .faults
        .iter()
        .map(|fault| format!("{}: {}; {}", fault.line, fault.problem, fault.advice));
    (options.collect(), faults.collect())
}

fn good(text: &str) -> Vec<String> {
    let (options, faults) = read(text);
    assert!(faults.is_empty(), "{faults:?}");
    options
}

#[test]
fn both_delimiters_count_and_the_first_wins() {
    assert_eq!(
        good("[a]\nx=1\nY : 2 = 3\nz = 4:5\n"),
        ["a.x = 1", "a.y = 2 = 3", "a.z = 4:5"]
    );
}

#[test]
fn comments_are_cut_and_hash_is_none_inside_a_line() {
    assert_eq!(
        good(
            "# c\n; c\n[a] ; c\nx = 1 # no ; yes\ny = a;b\n  # inside\n  more\n;x\n  last\nz = ;\n"
        ),
        ["a.x = 1 # no", "a.y = a;b\nmore\nlast", "a.z = "]
    );
}

#[test]
fn values_continue_on_deeper_lines_and_keep_blank_ones() {
    assert_eq!(
        good("[a]\nx = one\n\n  two\n    three\n\n\n\ny =\n  a\n"),
        ["a.x = one\n\ntwo\nthree", "a.y = \na"]
    );
    // As deep as its option is no continuation; deeper than the last line's is not needed.
    assert_eq!(
        good("[a]\n  x = 1\n  y = 2\n   z\n"),
        ["a.x = 1", "a.y = 2\nz"]
    );
}

#[test]
fn a_header_ends_at_its_last_bracket() {
    assert_eq!(good("[a] junk]x\ny = 1\n"), ["a] junk.y = 1"]);
    assert_eq!(good("  [a?b=c]\n  y = 1\n"), ["a?b=c.y = 1"]);
}

#[test]
fn default_may_come_twice() {
    assert_eq!(
        good("[DEFAULT]\nx = 1\n[a]\ny = 2\n[DEFAULT]\nz = 3\n"),
        ["DEFAULT.x = 1", "DEFAULT.z = 3", "a.y = 2"]
    );
}

#[test]
fn every_line_end_of_pythons_ends_a_line() {
    let ini = Ini::parse("\u{feff}[a]\r\nx = 1\r  2\r\n\ny : 3\n");
    let options = &ini.sections[0].options;
    assert_eq!(options[0].value, "1\n2");
    assert_eq!((options[0].line, options[0].more.as_slice()), (2, &[3][..]));
    assert_eq!((options[1].line, options[1].value.as_str()), (5, "3"));
}

#[test]
fn bad_lines_say_what_to_write_and_lose_nothing_else() {
    let (options, faults) = read(
        "early = 1\nearly = 2\n[a]\nmaxretry 5\n  and its rest\nx = 1\nx = 2\n  y\n= 3\n\
         [b\nlost = 1\n[a]\nlost = 2\n[c]\nkept = 1\n",
    );
    assert_eq!(options, ["a.x = 1", "c.kept = 1"]);
    assert_eq!(
        faults,
        [
            "1: expected a [section] before the first option, found 'early = 1'; \
             put a header such as [DEFAULT] or [sshd] above it",
            "4: expected 'name = value', found 'maxretry 5'; \
             write 'maxretry = 5', or # before a comment",
            "7: expected each option once in a section, found a second 'x'; \
             remove this one or the one of line 6, which counts",
            "9: expected 'name = value', found '= 3'; \
             write 'name = value', or # before a comment",
            "10: expected a [section] header, found '[b'; \
             close it with ]; what follows is ignored up to the next header",
            "12: expected each section once, found a second [a]; \
             move its options to the [a] of line 3",
        ]
    );
}

#[test]
fn bytes_that_are_no_utf8_are_found_by_line() {
    let ini = Ini::from_bytes(b"[a]\nx = 1\ny = \xff\n");
    assert!(ini.sections.is_empty());
    assert_eq!(ini.faults[0].line, 3);
}

#[test]
fn the_lines_of_a_long_value_are_known() {
    let ini = Ini::parse("[a]\nx = 1\n\n  # c\n  2\n\n\ny = 3\n");
    let x = ini.sections[0].option("x").expect("x");
    assert_eq!(x.value, "1\n\n2");
    assert_eq!([x.line_of(0), x.line_of(1), x.line_of(2)], [2, 3, 5]);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_line_numbers_are_inside(text in "[\\[\\]a-b =:;#\t\r\n\\PC]{0,200}") {
        let ini = Ini::parse(&text);
        let last = lines(&text).count() as u32;
        for section in &ini.sections {
            for option in &section.options {
                prop_assert_eq!(option.value.matches('\n').count(), option.more.len());
                let all = std::iter::once(option.line).chain(option.more.iter().copied());
                let all: Vec<u32> = all.collect();
                prop_assert!(all.is_sorted_by(|a, b| a < b), "{:?}", all);
                prop_assert!(all.iter().all(|&line| (1..=last).contains(&line)));
            }
        }
        for fault in &ini.faults {
            prop_assert!((1..=last).contains(&fault.line));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Ini::from_bytes(&bytes);
    }

    #[test]
    fn what_is_written_is_read_with_its_line(
        values in proptest::collection::vec("[a-z0-9%<>(\\[]{1,8}( [a-z0-9#\\]]{1,8}){0,2}", 1..20),
        blank in 0usize..3,
    ) {
        let mut text = String::from("[section]\n");
        let mut expected = Vec::new();
        for (index, value) in values.iter().enumerate() {
            text.push_str(&"\n".repeat(blank));
            expected.push((text.matches('\n').count() as u32 + 1, value.as_str()));
            text.push_str(&format!("option{index} = {value}\n"));
        }
        let ini = Ini::parse(&text);
        prop_assert!(ini.faults.is_empty(), "{:?}", ini.faults);
        let read: Vec<(u32, &str)> = ini.sections[0]
            .options
            .iter()
            .map(|option| (option.line, option.value.as_str()))
            .collect();
        prop_assert_eq!(read, expected);
    }
}
