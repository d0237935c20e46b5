use super::*;

fn at(text: &str, count: u32) -> Result<Number, NoValue> {
    let mut names = Names {
        time: 600,
        count,
        factor: Int(1),
        random: &mut || 0.5,
    };
    Expression::parse(text).expect(text).value(&mut names)
}

#[test]
fn values_are_pythons() {
    for (text, value) in [
        ("1 + 2 * 3", Int(7)),
        ("(1 + 2) * 3", Int(9)),
        ("2 ** 3 ** 2", Int(512)),
        ("-2 ** 2", Int(-4)),
        ("7 // -2", Int(-4)),
        ("7 % -2", Int(-1)),
        ("-7 // 2", Int(-4)),
        ("7 / 2", Float(3.5)),
        ("1 << 3 + 1", Int(16)),
        ("6 & 3 | 8", Int(10)),
        ("6 ^ 3", Int(5)),
        ("1 if 2 < 1 else 3 if 1 else 4", Int(3)),
        ("0 or 5 and 6", Int(6)),
        ("not 0", Int(1)),
        ("2.0 / 2.885385", Float(2.0 / 2.885_385)),
        ("1e3", Float(1000.0)),
        ("max(1, 2.5, 2)", Float(2.5)),
        ("min(3, 2)", Int(2)),
        ("round(2.5)", Int(2)),
        ("int(-2.7)", Int(-2)),
        ("math.exp(0)", Float(1.0)),
        ("random.random() * 10", Float(5.0)),
        ("3 > 2", Int(1)),
        ("1 << 70", Float(1_180_591_620_717_411_303_424.0)),
    ] {
        assert_eq!(at(text, 1), Ok(value), "{text}");
    }
}

#[test]
fn the_documented_formulas_give_the_documented_times() {
    let doubling = "ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor";
    assert_eq!(at(doubling, 0), Ok(Int(600)));
    assert_eq!(at(doubling, 3), Ok(Int(4_800)));
    assert_eq!(at(doubling, 99), Ok(Int(600 << 20)));
    let exponential = "ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)";
    let Ok(Float(secs)) = at(exponential, 1) else {
        panic!("a float");
    };
    assert!((secs - 600.0 * std::f64::consts::E).abs() < 1e-6);
}

#[test]
fn what_has_no_value_says_so() {
    for text in [
        "1 / 0",
        "1 % 0",
        "math.log(0 - 1)",
        "math.exp(9999)",
        "1.5 << 2",
        "1 << -1",
    ] {
        assert_eq!(at(text, 1), Err(NoValue), "{text}");
    }
}

#[test]
fn errors_name_the_place() {
    for (text, message) in [
        ("", "expected a number or a name at offset 0"),
        ("1 +", "expected a number or a name at offset 3"),
        ("ban.time", "unknown name `ban.time` at offset 0"),
        (
            "1 + __import__('os')",
            "unknown name `__import__` at offset 4",
        ),
        (
            "math.log()",
            "wrong number of arguments to `math.log` at offset 0",
        ),
        ("(1", "expected `)` at offset 2"),
        ("1 2", "unexpected text at offset 2"),
        ("1 if 2", "expected `else` at offset 6"),
        ("1.2.3", "expected a number here at offset 0"),
    ] {
        let error = Expression::parse(text).expect_err(text);
        assert_eq!(error.to_string(), message, "{text}");
    }
    let deep = "(".repeat(100_000);
    assert!(Expression::parse(&deep).is_err());
}
