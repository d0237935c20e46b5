//! `name[option=value, …]`: how a jail names its filter, its actions and its backend.

use std::fmt;

use super::values::{is_space, shown, strip};

/// A name and its options, in the order written; of an option written twice the last counts, in
/// the first one's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    pub name: String,
    pub options: Vec<(String, String)>,
}

/// Where a specification stops being one; offsets are characters inside the brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpecError {
    /// No name, or brackets that do not close at the end.
    Shape,
    /// Something other than `,` or `][` after an option's value.
    After {
        option: String,
        at: usize,
        found: String,
    },
    /// No `option=` where one must begin.
    Option { at: usize, found: String },
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape => f.write_str("expected name or name[option=value, ...]"),
            Self::After { option, at, found } => write!(
                f,
                "expected , or ] after the value of '{option}', found '{found}' at {at}"
            ),
            Self::Option { at, found } => {
                write!(f, "expected option=value, found '{found}' at {at}")
            }
        }
    }
}

impl std::error::Error for SpecError {}

impl Spec {
    /// Reads `name`, `name[a=1, b="2"]`, `name[a=1][b='2']`.
    ///
    /// # Errors
    /// When the brackets or an option are not of that form.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let text = text.trim_end_matches(is_space);
        let (name, inside) = match text.split_once('[') {
            None => (text, None),
            Some((name, rest)) => (name, Some(rest.strip_suffix(']').ok_or(SpecError::Shape)?)),
        };
        let name = strip(name);
        if name.is_empty() {
            return Err(SpecError::Shape);
        }
        let mut spec = Self {
            name: name.to_owned(),
            options: Vec::new(),
        };
        if let Some(inside) = inside {
            spec.read_options(inside)?;
        }
        Ok(spec)
    }

    pub fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn read_options(&mut self, inside: &str) -> Result<(), SpecError> {
        let mut rest = inside;
        while !at_end(rest) {
            let at = |rest: &str| inside[..inside.len() - rest.len()].chars().count();
            let start = rest.trim_start_matches(is_space);
            let Some((name, value, after)) = option(start) else {
                return Err(SpecError::Option {
                    at: at(rest),
                    found: shown(rest),
                });
            };
            rest = match separator(after) {
                Some(next) => next,
                None => {
                    return Err(SpecError::After {
                        option: name.to_owned(),
                        at: at(after),
                        found: shown(after),
                    });
                }
            };
            self.set(name, strip(value));
        }
        Ok(())
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        match self.options.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.options.push((name.to_owned(), value.to_owned())),
        }
    }
}

/// Splits a jail's `action` list at white space outside brackets. A piece whose brackets are not
/// well formed ends at the next white space; [`Spec::parse`] then says what is wrong with it.
pub(super) fn split(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let length = spec_length(rest).unwrap_or_else(|| rest.find(is_space).unwrap_or(rest.len()));
        found.push(strip(&rest[..length]));
        rest = rest[length..].trim_start_matches(is_space);
    }
    found
}

/// The length of a well-formed `name` or `name[…]` that ends at white space or the text's end.
fn spec_length(text: &str) -> Option<usize> {
    let name = text.find(|c| c == '[' || is_space(c)).unwrap_or(text.len());
    if name == 0 {
        return None;
    }
    let ends = |length: usize| text[length..].chars().next().is_none_or(is_space);
    let bracket = text[name..].trim_start_matches(is_space);
    if let Some(inside) = bracket.strip_prefix('[')
        && let Some(after) = bracket_end(inside)
    {
        let length = text.len() - after.len();
        if ends(length) {
            return Some(length);
        }
    }
    ends(name).then_some(name)
}

/// What follows the `]` that closes a list of options.
fn bracket_end(inside: &str) -> Option<&str> {
    let mut rest = inside.trim_start_matches(is_space);
    loop {
        let Some((_, _, after)) = option(rest) else {
            return rest.strip_prefix(']');
        };
        let after = after.trim_start_matches(is_space);
        rest = separator(after)
            .filter(|_| !after.is_empty())
            .unwrap_or(after)
            .trim_start_matches(is_space);
    }
}

/// One `name=value` at the start: its name, its value without quotes, and what follows.
fn option(text: &str) -> Option<(&str, &str, &str)> {
    let name = option_name(text)?;
    let value = text[name.len()..].strip_prefix('=')?;
    for quote in ['"', '\''] {
        if let Some(quoted) = value.strip_prefix(quote)
            && let Some((inside, after)) = quoted.split_once(quote)
        {
            return Some((name, inside, after));
        }
    }
    let end = value.find([',', ']']).unwrap_or(value.len());
    Some((name, &value[..end], &value[end..]))
}

/// `name`, or a conditional `name?family=inet6`.
fn option_name(text: &str) -> Option<&str> {
    let word = |text: &str| {
        text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .unwrap_or(text.len())
    };
    let plain = word(text);
    if plain == 0 {
        return None;
    }
    if let Some(condition) = text[plain..].strip_prefix('?') {
        let key = word(condition);
        let value = condition[key..].strip_prefix('=').map_or(0, word);
        return (key > 0 && value > 0).then(|| &text[..plain + 1 + key + 1 + value]);
    }
    Some(&text[..plain])
}

/// What follows the `,` or `][` between two options; the text's end separates too.
fn separator(after: &str) -> Option<&str> {
    if after.is_empty() || after == "\n" {
        return Some(after);
    }
    after.strip_prefix(',').or_else(|| {
        after
            .strip_prefix(']')?
            .trim_start_matches(is_space)
            .strip_prefix('[')
    })
}

/// Nothing more, save a last comma.
fn at_end(rest: &str) -> bool {
    strip(rest.strip_prefix(',').unwrap_or(rest)).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Vec<(String, String)>) {
        let spec = Spec::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        (spec.name, spec.options)
    }

    fn options(text: &str) -> Vec<(String, String)> {
        parsed(text).1
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_name_needs_no_options() {
        for text in ["sshd", "sshd[]", "sshd[ ]", "sshd[,]", "sshd\n"] {
            assert_eq!(parsed(text), ("sshd".into(), vec![]), "{text:?}");
        }
    }

    #[test]
    fn options_come_quoted_bare_and_in_groups() {
        assert_eq!(
            options(r#"a[x="1,2]", y='it "is"', z= bare word , w=]"#),
            pairs(&[
                ("x", "1,2]"),
                ("y", "it \"is\""),
                ("z", "bare word"),
                ("w", "")
            ])
        );
        assert_eq!(
            options("a[x=1][y=2] [z=3,]"),
            pairs(&[("x", "1"), ("y", "2"), ("z", "3")])
        );
        assert_eq!(
            options("a[x=1, blocktype?family=inet6=DROP, x=2]"),
            pairs(&[("x", "2"), ("blocktype?family=inet6", "DROP")])
        );
        assert_eq!(
            options("a[x=\"1\n2\",\n  y=3\n]"),
            pairs(&[("x", "1\n2"), ("y", "3")])
        );
    }

    #[test]
    fn malformed_options_say_where() {
        let said = |text: &str| Spec::parse(text).expect_err(text).to_string();
        assert_eq!(said("a[b]"), "expected option=value, found 'b' at 0");
        assert_eq!(said("a[b=1"), "expected name or name[option=value, ...]");
        assert_eq!(said("[b=1]"), "expected name or name[option=value, ...]");
        assert_eq!(
            said("a[x=\"ä\" y=2]"),
            "expected , or ] after the value of 'x', found ' y=2' at 5"
        );
        assert_eq!(
            said("a[x=[1]]"),
            "expected , or ] after the value of 'x', found ']' at 4"
        );
        assert_eq!(said("a[x=1, ?]"), "expected option=value, found ' ?' at 4");
    }

    #[test]
    fn lists_split_outside_brackets() {
        assert_eq!(split("a b"), ["a", "b"]);
        assert_eq!(
            split("iptables[name=SSH, port=ssh]\n  mail[x=\"a b\",\n y='c ]'] last"),
            [
                "iptables[name=SSH, port=ssh]",
                "mail[x=\"a b\",\n y='c ]']",
                "last"
            ]
        );
        assert_eq!(split("a[x=1] [y=2] b"), ["a[x=1] [y=2]", "b"]);
        assert_eq!(split("a [x=1]"), ["a [x=1]"]);
        assert_eq!(split("a[b c=1"), ["a[b", "c=1"]);
        assert_eq!(split("  \n "), Vec::<&str>::new());
    }
}
