//! Lengths of time, as the reference program's `--str2sec` prints them.

use super::*;
use proptest::prelude::*;

#[test]
fn lengths_come_to_pythons_numbers() {
    for (text, printed) in [
        ("600", "600"),
        ("-1", "-1"),
        ("- 1", "-1"),
        ("0", "0"),
        ("00", "0"),
        ("1_000", "1000"),
        ("10m", "600"),
        (" 5m", "300"),
        ("5 m", "300"),
        ("1d12h", "129600"),
        ("1d 12h", "129600"),
        ("1d+12h", "129600"),
        ("1d-1", "86399"),
        ("1h 2", "3602"),
        ("1h1", "3601"),
        ("10 20 30", "60"),
        ("1_0.5_0", "10.5"),
        ("5d m", "25920000"),
        ("30m.5", "1815.0"),
        ("1hour+30min", "5400"),
        ("1W2D3H4M5S", "788645"),
        ("1yea", "31557600.0"),
        ("1ye", "31557600.0"),
        ("1mo", "2629800.0"),
        ("1months", "2629800.0"),
        ("1year-6mo", "15778800.0"),
        ("1.5h", "5400.0"),
        (".5h", "1800.0"),
        ("1. h", "3600.0"),
        ("5.", "5.0"),
        ("60*60", "3600"),
        ("1h*2", "7200"),
        ("2**3h", "28800"),
        ("2**-1", "0.5"),
        ("-2**2", "-4"),
        ("7//2", "3"),
        ("-7//2", "-4"),
        ("-7%3", "2"),
        ("3/2", "1.5"),
        ("(1h+30m)*2", "10800"),
        ("1d%5", "0"),
        ("1wee", "604800"),
        ("1we", "604800"),
        ("1ho", "3600"),
        ("1mi", "60"),
        ("1se", "1"),
    ] {
        let number = seconds(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(number.to_string(), printed, "{text}");
    }
}

#[test]
fn everything_else_is_an_error() {
    for text in [
        "",
        " ",
        "abc",
        "5x",
        "1mont",
        "m",
        " h",
        "1h-",
        "1h(2)",
        "2(3)",
        "5d)",
        "(1",
        "1e3",
        "0x10",
        "007",
        "1__0",
        "1_",
        "1.2.3",
        ".",
        "1.h",
        "1 2 3",
        "1,5",
        "1/0",
        "1%0",
        "9**9**9",
        "1;2",
        "1m_2",
        "__import__('os')",
        "99999999999999999999",
        "true",
        "1\u{661}",
    ] {
        assert!(seconds(text).is_err(), "{text:?} = {:?}", seconds(text));
    }
    let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(seconds(&deep).is_err());
}

#[test]
fn the_error_says_what_to_write() {
    let said = seconds("5x").expect_err("no unit").to_string();
    assert_eq!(
        said,
        "expected a length of time such as 600, 10m, 1d12h or 1w (an unknown unit is in it)"
    );
}

#[test]
fn large_and_small_floats_print_as_in_python() {
    let shown = |n| Number::Float(n).to_string();
    assert_eq!(shown(1e16), "1e+16");
    assert_eq!(shown(1.5e22), "1.5e+22");
    assert_eq!(shown(0.00001), "1e-05");
    assert_eq!(shown(-0.5), "-0.5");
    assert_eq!(shown(123_456_789.0), "123456789.0");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[0-9dhmwyos+*/%(). _-]{0,40}|\\PC{0,40}") {
        let _ = seconds(&text);
    }

    #[test]
    fn groups_add_up(groups in proptest::collection::vec((1i64..1000, 0usize..5), 1..6), apart in any::<bool>()) {
        const UNITS: [(&str, i64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
        let parts: Vec<String> = groups.iter().map(|(n, unit)| format!("{n}{}", UNITS[*unit].0)).collect();
        let sum: i64 = groups.iter().map(|(n, unit)| n * UNITS[*unit].1).sum();
        let text = parts.join(if apart { " " } else { "" });
        prop_assert_eq!(seconds(&text), Ok(Number::Int(sum)));
    }

    #[test]
    fn sums_and_products_are_arithmetic(a in -999i64..999, b in 1i64..999, c in -999i64..999) {
        let text = format!("{a} + {b}*({c}) - {a}//{b}");
        prop_assert_eq!(seconds(&text), Ok(Number::Int(a + b * c - a.div_euclid(b))));
    }
}
