//! `<tag>` substitution in filters and actions.
//!
//! A tag is replaced by the option of its name, in every option and again in what came of it, so
//! `<a-<b>>` works. A tag that nobody defines stays as it is: `<HOST>`, `<ip>` and the shell's
//! `<file>` are somebody else's (fail2ban § 1.4).

use std::collections::{HashMap, HashSet};

use super::interpolate::LARGEST;
use super::ordered::Ordered;
use super::values::shown;

/// fail2ban's limit for one tag inside one option.
const MOST_REPLACED: usize = 25;

/// Why tags cannot be substituted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TagError<E> {
    /// `option` contains itself through `tag`.
    Circle { option: String, tag: String },
    /// `option` grows beyond [`LARGEST`].
    Size { option: String },
    /// The lookup of a further option failed.
    Lookup(E),
}

impl<E> TagError<E> {
    /// Problem and advice, unless the lookup knows better.
    pub(super) fn told(self) -> Result<(String, String), E> {
        match self {
            Self::Circle { option, tag } => Ok((
                format!(
                    "expected <tags> that come to an end, '{}' contains itself through <{}>",
                    shown(&option),
                    shown(&tag)
                ),
                "remove the circle".into(),
            )),
            Self::Size { option } => Ok((
                format!(
                    "expected '{}' below {} MiB, its <tags> make it larger",
                    shown(&option),
                    LARGEST >> 20
                ),
                "remove repeated <tags>".into(),
            )),
            Self::Lookup(e) => Err(e),
        }
    }
}

/// Replaces the tags in all options, except in and of the `ignored` ones; `more` finds what is not
/// among the options.
///
/// # Errors
/// When an option contains itself, or a lookup fails.
pub(super) fn substitute<E>(
    options: &mut Ordered<String>,
    ignored: &HashSet<String>,
    more: &mut dyn FnMut(&str) -> Result<Option<String>, E>,
) -> Result<(), TagError<E>> {
    let mut counts: HashMap<usize, HashMap<String, usize>> = HashMap::new();
    loop {
        let mut again = false;
        for index in 0..options.len() {
            let Some((name, value)) = options.at(index) else {
                break;
            };
            if !value.contains('<') || ignored.contains(name) {
                continue;
            }
            let name = name.to_owned();
            let count = counts.entry(index).or_default();
            let changed = substitute_one(&name, options, ignored, count, more)?;
            if let Some(value) = changed {
                again |= find(&value, 0).is_some();
                options.set(&name, value);
            }
        }
        if !again {
            return Ok(());
        }
    }
}

/// The option's value with its tags replaced, where any was.
fn substitute_one<E>(
    name: &str,
    options: &Ordered<String>,
    ignored: &HashSet<String>,
    count: &mut HashMap<String, usize>,
    more: &mut dyn FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Option<String>, TagError<E>> {
    let mut changed: Option<String> = None;
    let mut from = 0;
    loop {
        let value = match &changed {
            Some(value) => value,
            None => options.get(name).map_or("", |value| value),
        };
        let Some((start, tag)) = find(value, from) else {
            return Ok(changed);
        };
        let end = start + tag.len() + 2;
        if ignored.contains(tag) {
            from = end;
            continue;
        }
        let used = count.get(tag).copied().unwrap_or(1);
        if tag == name || used > MOST_REPLACED {
            return Err(TagError::Circle {
                option: name.to_owned(),
                tag: tag.to_owned(),
            });
        }
        let replacement = match options.get(tag) {
            Some(replacement) => Some(replacement.clone()),
            None => more(tag).map_err(TagError::Lookup)?,
        };
        let Some(replacement) = replacement else {
            from = end;
            continue;
        };
        let replaced = value.replace(&format!("<{tag}>"), &replacement);
        if replaced.len() > LARGEST {
            return Err(TagError::Size {
                option: name.to_owned(),
            });
        }
        *count.entry(tag.to_owned()).or_default() += 1;
        changed = Some(replaced);
        from = start;
    }
}

/// The first tag at or after `from`: where its `<` stands, and its name.
fn find(text: &str, from: usize) -> Option<(usize, &str)> {
    let mut start = None;
    for (at, byte) in text.bytes().enumerate().skip(from) {
        match (byte, start) {
            (b'<', _) => start = Some(at),
            (b' ', _) => start = None,
            (b'>', Some(open)) if at > open + 1 => return Some((open, &text[open + 1..at])),
            (b'>', _) => start = None,
            _ => {}
        }
    }
    None
}

/// Every name a text refers to as `<name>`.
pub(super) fn references(text: &str) -> impl Iterator<Item = &str> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let (start, tag) = find(text, from)?;
        from = start + tag.len() + 2;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn substituted(
        options: &[(&str, &str)],
        ignored: &[&str],
    ) -> Result<Vec<String>, TagError<Infallible>> {
        let mut map: Ordered<String> = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let ignored = ignored.iter().map(|name| (*name).to_owned()).collect();
        let mut more = |tag: &str| Ok((tag == "sec/far").then(|| "away".to_owned()));
        substitute(&mut map, &ignored, &mut more)?;
        Ok(map.iter().map(|(_, value)| value.clone()).collect())
    }

    #[test]
    fn tags_are_replaced_again_and_nested() {
        let options = [
            ("a", "<b-<c>> <HOST> < b> <> <sec/far>"),
            ("b-x", "(<c>|<c>)"),
            ("c", "x"),
        ];
        let got = substituted(&options, &[]).expect("no circle");
        assert_eq!(got[0], "(x|x) <HOST> < b> <> away");
        assert_eq!(got[1], "(x|x)");
    }

    #[test]
    fn ignored_options_are_left_and_their_tags_stay() {
        let options = [("a", "<b>"), ("b", "<c>"), ("c", "1")];
        let got = substituted(&options, &["b"]).expect("no circle");
        assert_eq!(got, ["<b>", "<c>", "1"]);
    }

    #[test]
    fn circles_are_found() {
        assert!(substituted(&[("a", "<a>")], &[]).is_err());
        assert!(substituted(&[("a", "<b>"), ("b", "<a>")], &[]).is_err());
        assert!(substituted(&[("a", "<b>"), ("b", "x<c>"), ("c", "y<b>")], &[]).is_err());
    }

    #[test]
    fn explosions_end() {
        let big = "x".repeat(1 << 20);
        let many: String = (0..20).map(|i| format!("<t{i}>")).collect();
        let names: Vec<String> = (0..20).map(|i| format!("t{i}")).collect();
        let mut options: Vec<(&str, &str)> = vec![("a", many.as_str())];
        options.extend(names.iter().map(|name| (name.as_str(), big.as_str())));
        let error = substituted(&options, &[]).expect_err("too large");
        assert!(matches!(error, TagError::Size { .. }));
    }

    #[test]
    fn a_tag_may_be_used_any_number_of_times_in_one_pass() {
        let line = "<p>:".repeat(1000);
        let got = substituted(&[("a", &line), ("p", "x")], &[]).expect("no circle");
        assert_eq!(got[0], "x:".repeat(1000));
    }

    #[test]
    fn references_can_be_listed() {
        let found: Vec<&str> = references("<a> <b<c>d> <e f> <<g>>").collect();
        assert_eq!(found, ["a", "c", "g"]);
    }
}
