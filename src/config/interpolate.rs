//! `%(name)s`: Python's basic interpolation, as fail2ban extends it.
//!
//! `%%` is a percent sign; `%(name)s` is the interpolated value of another option, at most ten deep.
//! Where a name is looked up is the business of [`Names`].

use std::borrow::Cow;

use super::values::shown;

/// Python's `MAX_INTERPOLATION_DEPTH`.
const DEEPEST: usize = 10;

/// Ten levels can multiply: a value larger than this is a mistake (the largest stock filter comes
/// to some 20 KiB).
pub(super) const LARGEST: usize = 16 << 20;

/// Where `%(name)s` finds its value.
pub(super) trait Names {
    /// The value as written, of a lower-case name such as `maxretry`, `known/failregex` or
    /// `default/backend`.
    fn raw(&self, name: &str) -> Option<&str>;
}

/// A `%` that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InterpolationError {
    /// The option whose value holds it, by the name it was reached by.
    pub option: String,
    pub kind: ErrorKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ErrorKind {
    /// No such option.
    Missing(String),
    /// A `%` followed by something else than `%` or `(name)s`.
    Syntax(String),
    Depth,
    Size,
}

impl InterpolationError {
    pub(super) fn problem(&self) -> String {
        let option = shown(&self.option);
        match &self.kind {
            ErrorKind::Missing(name) => format!(
                "'{option}' uses %({0})s, but no option '{0}' is defined",
                shown(name)
            ),
            ErrorKind::Syntax(rest) => format!(
                "expected %% or %(name)s in '{option}', found '{}'",
                shown(rest)
            ),
            ErrorKind::Depth => {
                format!("expected '{option}' to come to an end, it is nested more than ten deep")
            }
            ErrorKind::Size => {
                format!(
                    "expected '{option}' below {} MiB, it grows beyond",
                    LARGEST >> 20
                )
            }
        }
    }

    pub(super) fn advice(&self) -> String {
        match &self.kind {
            ErrorKind::Missing(name) => {
                format!("define '{0}' or remove %({0})s", shown(name))
            }
            ErrorKind::Syntax(_) => "write a plain percent sign as %%".into(),
            ErrorKind::Depth => {
                "look for options that use each other; known/ reaches one file back only".into()
            }
            ErrorKind::Size => "remove repeated %(…)s".into(),
        }
    }
}

/// Replaces every `%(…)s` in the value of `option`.
///
/// # Errors
/// At the first one that cannot be.
pub(super) fn interpolate<'a>(
    names: &dyn Names,
    option: &str,
    value: &'a str,
) -> Result<Cow<'a, str>, InterpolationError> {
    if !value.contains('%') {
        return Ok(Cow::Borrowed(value));
    }
    let mut found = String::with_capacity(value.len() * 2);
    expand(names, option, value, 1, &mut found)?;
    Ok(Cow::Owned(found))
}

fn expand(
    names: &dyn Names,
    option: &str,
    value: &str,
    depth: usize,
    found: &mut String,
) -> Result<(), InterpolationError> {
    let wrong = |kind| InterpolationError {
        option: option.to_owned(),
        kind,
    };
    if depth > DEEPEST {
        return Err(wrong(ErrorKind::Depth));
    }
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'%', rest.as_bytes()) {
        found.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("%%") {
            found.push('%');
            rest = after;
            continue;
        }
        let Some((name, after)) = reference(rest) else {
            return Err(wrong(ErrorKind::Syntax(rest.to_owned())));
        };
        let name = name.to_lowercase();
        match names.raw(&name) {
            None => return Err(wrong(ErrorKind::Missing(name))),
            Some(text) if text.contains('%') => {
                expand(names, &name, text, depth + 1, found)?;
            }
            Some(text) => found.push_str(text),
        }
        if found.len() > LARGEST {
            return Err(wrong(ErrorKind::Size));
        }
        rest = after;
    }
    found.push_str(rest);
    Ok(())
}

/// The name in a `%(name)s` at the text's start, and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix("%(")?;
    let (name, after) = inside.split_once(')')?;
    let after = after.strip_prefix('s')?;
    (!name.is_empty()).then_some((name, after))
}

/// Every name a text refers to as `%(name)s`.
pub(super) fn references(text: &str) -> impl Iterator<Item = &str> {
    memchr::memmem::find_iter(text.as_bytes(), "%(")
        .filter_map(|at| reference(&text[at..]))
        .map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    struct Map(HashMap<&'static str, &'static str>);

    impl Names for Map {
        fn raw(&self, name: &str) -> Option<&str> {
            self.0.get(name).copied()
        }
    }

    fn read(options: &[(&'static str, &'static str)], text: &str) -> Result<String, String> {
        let names = Map(options.iter().copied().collect());
        interpolate(&names, "x", text)
            .map(Cow::into_owned)
            .map_err(|e| e.problem())
    }

    #[test]
    fn references_are_replaced_through_and_through() {
        let options = [("a", "1%(B)s"), ("b", "2%%"), ("known/c", "k")];
        assert_eq!(
            read(&options, "[%(A)s|%(known/c)s|%%(a)s]"),
            Ok("[12%|k|%(a)s]".into())
        );
    }

    #[test]
    fn a_bad_reference_names_the_option_it_stands_in() {
        let options = [("a", "%(b)s"), ("d", "100%"), ("e", "%(f"), ("g", "%()s")];
        let said = |text| read(&options, text).expect_err(text);
        assert_eq!(
            said("%(a)s"),
            "'a' uses %(b)s, but no option 'b' is defined"
        );
        assert_eq!(said("%(d)s"), "expected %% or %(name)s in 'd', found '%'");
        assert_eq!(said("%(e)s"), "expected %% or %(name)s in 'e', found '%(f'");
        assert_eq!(
            said("%(g)s"),
            "expected %% or %(name)s in 'g', found '%()s'"
        );
    }

    #[test]
    fn circles_and_explosions_end() {
        let said = read(&[("a", "%(a)s")], "%(a)s").expect_err("a circle");
        assert!(said.contains("nested more than ten deep"), "{said}");
        let wide: &'static str = Box::leak("%(b)s".repeat(3000).into_boxed_str());
        let deep: &'static str = Box::leak("%(c)s".repeat(3000).into_boxed_str());
        let said = read(&[("a", wide), ("b", deep), ("c", "xxxx")], "%(a)s").expect_err("a bomb");
        assert!(said.contains("below 16 MiB"), "{said}");
    }

    #[test]
    fn references_can_be_listed() {
        let found: Vec<&str> = references("%(a)s %% %(b/c)s %(d").collect();
        assert_eq!(found, ["a", "b/c"]);
    }
}
