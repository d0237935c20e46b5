//! Values written as Python writes them, where fail2ban shows one: `repr` of texts and lists, `str`
//! of floats.

use std::fmt::Write;

use crate::model::{Datum, Time};

/// `repr` of a `str`.
pub(super) fn text(value: &str) -> String {
    let quote = if value.contains('\'') && !value.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut shown = String::with_capacity(value.len() + 2);
    shown.push(quote);
    for c in value.chars() {
        match c {
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            _ if c == quote => {
                shown.push('\\');
                shown.push(c);
            }
            _ if printable(c) => shown.push(c),
            _ => escaped(c, &mut shown),
        }
    }
    shown.push(quote);
    shown
}

/// Python prints no separators but the plain space, and nothing invisible.
fn printable(c: char) -> bool {
    let invisible = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}' | '\u{fff9}'..='\u{fffb}');
    c == ' ' || !(c.is_control() || c.is_whitespace() || invisible)
}

fn escaped(c: char, shown: &mut String) {
    let code = u32::from(c);
    // Writing to a String cannot fail.
    let _ = match code {
        ..=0xff => write!(shown, "\\x{code:02x}"),
        0x100..=0xffff => write!(shown, "\\u{code:04x}"),
        _ => write!(shown, "\\U{code:08x}"),
    };
}

/// `repr` of a list of texts.
pub(super) fn list<T: AsRef<str>>(values: &[T]) -> String {
    format!("[{}]", joined(values))
}

fn joined<T: AsRef<str>>(values: &[T]) -> String {
    let shown: Vec<String> = values.iter().map(|v| text(v.as_ref())).collect();
    shown.join(", ")
}

/// `str` of a captured value; `name` tells a set (`users`) from a tuple (`tuple_…`).
pub(super) fn datum(name: &str, value: &Datum) -> String {
    match value {
        Datum::Text(text) => text.clone(),
        Datum::List(values) if name.starts_with("tuple_") => match values.as_slice() {
            [one] => format!("({},)", text(one)),
            several => format!("({})", joined(several)),
        },
        Datum::List(values) if values.is_empty() => "set()".to_owned(),
        Datum::List(values) => format!("{{{}}}", joined(values)),
    }
}

/// `str` of a float of seconds: always with a fraction.
pub(super) fn float(time: Time) -> String {
    format!("{:?}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_python_quotes_them() {
        for (value, shown) in [
            ("plain", "'plain'"),
            ("it's", "\"it's\""),
            ("it's \"so\"", "'it\\'s \"so\"'"),
            ("a\\b\n\t\r", "'a\\\\b\\n\\t\\r'"),
            ("\0\u{7f}é\u{a0}\u{2028}", "'\\x00\\x7fé\\xa0\\u2028'"),
        ] {
            assert_eq!(text(value), shown);
        }
        assert_eq!(list(&["a", "b'"]), "['a', \"b'\"]");
    }

    #[test]
    fn floats_and_captured_sets_read_as_in_python() {
        assert_eq!(float(Time::from_secs(1_795_366_767)), "1795366767.0");
        assert_eq!(float(Time::from_micros(1_500_000)), "1.5");
        let users = Datum::List(vec!["root".into(), "o'x".into()]);
        assert_eq!(datum("users", &users), "{'root', \"o'x\"}");
        let one = Datum::List(vec!["a".into()]);
        assert_eq!(datum("tuple_user", &one), "('a',)");
    }
}
