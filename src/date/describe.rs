//! What fail2ban logs about date patterns, for whoever logs.

use super::templates::Templates;
use crate::model::{Level, Logger, Record};

/// Something said while templates are set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The template of this index was made of a pattern.
    Pattern { index: usize },
    /// `{^LN-BEG}`, or `{DEFAULT}`, added so many of the defaults.
    Filtered { count: usize },
    /// A pattern with `{DATE}` added so many.
    Dates { pattern: Box<str>, count: usize },
    /// No pattern: the defaults, which fail2ban mentions when the first line comes.
    DefaultsLater { count: usize },
}

impl Said {
    /// Whether fail2ban says it only when the first line is looked at.
    pub(super) fn is_late(&self) -> bool {
        matches!(self, Self::DefaultsLater { .. })
    }

    pub(super) fn record(&self, templates: &Templates) -> Record {
        let message = match self {
            Self::Pattern { index } => {
                let (pattern, name) = match templates.list.get(*index) {
                    Some(one) => (one.pattern.as_deref().unwrap_or_default(), &*one.name),
                    None => ("", ""),
                };
                format!("  date pattern `{pattern}`: `{name}`")
            }
            Self::Filtered { count } => {
                format!("  default filtered date pattern: {count} template(s)")
            }
            Self::Dates { pattern, count } => format!(
                "  default date pattern for `{}`: {count} template(s)",
                quoted(pattern)
            ),
            Self::DefaultsLater { count } => format!("  default date pattern: {count} template(s)"),
        };
        Record::new(Level::Info, Logger::DateDetector, message)
    }
}

/// Python's `repr` of a text in one line.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\t' => out.push_str(r"\t"),
            '\\' => out.push_str(r"\\"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_ascii_control() => out.push_str(&format!(r"\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn patterns_are_quoted_as_python_does() {
        assert_eq!(quoted(r"^\[({DATE})"), r"'^\\[({DATE})'");
        assert_eq!(quoted("it's {DATE}"), r#""it's {DATE}""#);
        assert_eq!(quoted("'\"\t\u{7}ä"), r#"'\'"\t\x07ä'"#);
    }
}
