//! One value of the command stream, printed as Python prints it.

use std::fmt;
use std::sync::OnceLock;

use regex::Regex;

/// The kinds of value fail2ban's commands are made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    List(Vec<Item>),
    Dict(Vec<(Item, Item)>),
}

impl Item {
    /// Python's `str()`: a text without its quotation marks.
    pub fn text(&self) -> String {
        match self {
            Self::Str(text) => text.clone(),
            other => other.to_string(),
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// A list of texts.
    pub fn strs<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Self {
        Self::List(texts.into_iter().map(|t| t.as_ref().into()).collect())
    }
}

impl From<&str> for Item {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Item {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl fmt::Display for Item {
    /// Python's `repr()`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Int(n) => n.fmt(f),
            Self::Float(n) => super::duration::Number::Float(*n).fmt(f),
            Self::Str(text) => quote(text, f),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Self::Dict(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{key}: {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

/// A text between the quotation marks Python would choose.
fn quote(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mark = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    write!(f, "{mark}")?;
    for c in text.chars() {
        match c {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c == mark => write!(f, "\\{c}")?,
            ' '..='~' => write!(f, "{c}")?,
            c if printable(c) => write!(f, "{c}")?,
            c => match u32::from(c) {
                n @ 0..=0xff => write!(f, "\\x{n:02x}")?,
                n @ 0..=0xffff => write!(f, "\\u{n:04x}")?,
                n => write!(f, "\\U{n:08x}")?,
            },
        }
    }
    write!(f, "{mark}")
}

/// Python's `isprintable` beyond ASCII: neither "other" nor a separator. Seldom needed, so the
/// Unicode tables are asked only then.
fn printable(c: char) -> bool {
    static UNPRINTABLE: OnceLock<Option<Regex>> = OnceLock::new();
    let unprintable = UNPRINTABLE.get_or_init(|| Regex::new(r"[\p{C}\p{Z}]").ok());
    let mut buffer = [0; 4];
    unprintable
        .as_ref()
        .is_some_and(|regex| !regex.is_match(c.encode_utf8(&mut buffer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_print_as_python_prints_them() {
        let item = Item::List(vec![
            Item::None,
            Item::Bool(true),
            Item::Int(-1),
            Item::Float(1.5),
            Item::Dict(vec![("stacksize".into(), Item::Int(0))]),
            "plain".into(),
        ]);
        assert_eq!(
            item.to_string(),
            "[None, True, -1, 1.5, {'stacksize': 0}, 'plain']"
        );
    }

    #[test]
    fn texts_are_quoted_as_python_quotes_them() {
        let repr = |text: &str| Item::from(text).to_string();
        assert_eq!(repr("it's"), r#""it's""#);
        assert_eq!(repr(r#"it's "so""#), r#"'it\'s "so"'"#);
        assert_eq!(repr("a\\b\n\t\r\0\x7f"), r"'a\\b\n\t\r\x00\x7f'");
        assert_eq!(
            repr("ä\u{a0}\u{200b}\u{e000}日😀\u{e0001}"),
            "'ä\\xa0\\u200b\\ue000日😀\\U000e0001'"
        );
    }
}
