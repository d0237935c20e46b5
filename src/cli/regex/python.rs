//! Values as Python's `repr` shows them, for output that scripts read.

use crate::model::Datum;
use crate::protocol::Value;

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    Value::Str(text.into()).repr()
}

/// A dictionary of texts.
pub(super) fn dict(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}: {}", quoted(name), quoted(value)))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

/// Captured data; `users` is a set, other lists are tuples.
pub(super) fn datum(name: &str, datum: &Datum) -> String {
    match datum {
        Datum::Text(text) => quoted(text),
        Datum::List(list) => {
            let items: Vec<String> = list
                .iter()
                .map(|text| match text.as_str() {
                    "None" => "None".to_owned(),
                    text => quoted(text),
                })
                .collect();
            match name {
                "users" => format!("{{{}}}", items.join(", ")),
                _ if items.len() == 1 => format!("({},)", items[0]),
                _ => format!("({})", items.join(", ")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_python_quotes_them() {
        for (text, shown) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("'\"", r#"'\'"'"#),
            ("a\\b\n\t\u{7}", r"'a\\b\n\t\x07'"),
            ("ä\u{a0}€\u{2028}😀", "'ä\\xa0€\\u2028😀'"),
            ("\u{ad}\u{e000}\u{feff}", r"'\xad\ue000\ufeff'"),
        ] {
            assert_eq!(quoted(text), shown);
        }
    }

    #[test]
    fn lists_are_sets_or_tuples() {
        let list = |texts: &[&str]| Datum::List(texts.iter().map(|t| (*t).to_owned()).collect());
        assert_eq!(datum("users", &list(&["a", "b"])), "{'a', 'b'}");
        assert_eq!(datum("fid", &list(&["a"])), "('a',)");
        assert_eq!(datum("fid", &list(&["a", "None"])), "('a', None)");
    }
}
