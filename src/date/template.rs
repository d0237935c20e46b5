//! One date pattern, made a template: its regular expression, its name, and how it is anchored.
//!
//! A pattern is a regular expression with `%` tokens. Unless it says otherwise it is bound to
//! word boundaries; `{^LN-BEG}` binds it to the line's begin, past two characters that are no
//! letters, digits or `_`. Group 1 is the text that is cut from the line; a pattern without a
//! plain group gets one around it all.

use std::sync::OnceLock;

use super::error::DateError;
use super::needs::Needs;
use super::scan::Scanner;
use super::tokens;
use crate::pattern::{Flags, Regex};

/// What `{^LN-BEG}` stands for.
pub(super) const LINE_BEGIN: &str = "{^LN-BEG}";
/// No word boundaries are added.
const UNBOUND: &str = "{UNB}";

const LINE_BEGIN_REGEX: &str = r"^(?:\W{0,2})?";
const WORD_BEGIN_REGEX: &str = r"(?=^|\b|\W)";
const WORD_END_REGEX: &str = r"(?=\b|\W|$)";

/// Seconds since the epoch, the fraction optional.
const EPOCH: &str = r"\d{10,11}\b(?:\.\d{3,6})?";
/// The same, or milliseconds, or microseconds.
const LONG_EPOCH: &str = r"\d{10,11}(?:\d{3}(?:\.\d{1,6}|\d{3})?)?";
/// Where an epoch may stand without being told: at the line's begin, after a bracket there, and
/// in SELinux's audit lines. fail2ban means to ask for a closing bracket too, but its conditionals
/// always hold.
const EPOCH_BEGIN: &str = r"(?:^|(?<=^\[)|(?<=\baudit\())";
const TAI64N: &str = "@[0-9a-f]{24}";

/// What the captured text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Named groups, one per token.
    Fields,
    /// A number in the given group; `long` may be milliseconds or microseconds.
    Epoch {
        long: bool,
        group: usize,
    },
    Tai64n,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    Free,
    Word,
    Line,
}

/// A date template, fail2ban's `DateTemplate`.
#[derive(Debug)]
pub(super) struct Template {
    /// Shown to operators, and no two of a detector are equal.
    pub(super) name: Box<str>,
    /// As written; `None` for the built-in epoch and TAI64N.
    pub(super) pattern: Option<Box<str>>,
    pub(super) regex: Box<str>,
    /// Bound to the line's begin: what `datepattern = {^LN-BEG}` picks of the defaults.
    pub(super) line_begin: bool,
    /// Bound to the line's begin or end: a match of it is not doubted.
    pub(super) anchored: bool,
    pub(super) weight: f64,
    pub(super) kind: Kind,
    /// What a line holds that this fits.
    pub(super) needs: Needs,
    /// Reads the usual forms without the regular expression.
    pub(super) scanner: Option<Scanner>,
    compiled: OnceLock<Regex>,
}

impl Template {
    /// The template a line of `datepattern`, or of the default table, means.
    pub(super) fn new(pattern: &str, year: i16) -> Result<Self, DateError> {
        let key = key(pattern);
        if key.contains("EPOCH") {
            let long = key.contains("LEPOCH");
            if let Some(regex) = embedded_epoch(pattern, long) {
                return Ok(Self::epoch_pattern(pattern, regex, long));
            }
            match key.as_str() {
                "EPOCH" | "LEPOCH" => return Ok(Self::epoch(long)),
                "{^LN-BEG}EPOCH" | "^EPOCH" | "{^LN-BEG}LEPOCH" | "^LEPOCH" => {
                    return Ok(Self::epoch_at_line_begin(long));
                }
                _ => {}
            }
        }
        match key.as_str() {
            "TAI64N" => Ok(Self::build(
                "TAI64N".into(),
                TAI64N,
                Begin::Free,
                Kind::Tai64n,
            )),
            "{^LN-BEG}TAI64N" | "^TAI64N" => Ok(Self::build(
                "TAI64N".into(),
                TAI64N,
                Begin::Line,
                Kind::Tai64n,
            )),
            _ => Self::fields(pattern, year),
        }
    }

    fn epoch(long: bool) -> Self {
        let regex = format!("({EPOCH_BEGIN}{})", epoch_regex(long));
        Self::build(epoch_name(long), &regex, Begin::Free, epoch_kind(long, 1))
    }

    fn epoch_at_line_begin(long: bool) -> Self {
        let regex = format!("({})", epoch_regex(long));
        Self::build(epoch_name(long), &regex, Begin::Line, epoch_kind(long, 1))
    }

    /// `{EPOCH}` inside a pattern: cut is the pattern's own group, or all of it.
    fn epoch_pattern(pattern: &str, regex: String, long: bool) -> Self {
        let regex = if has_plain_group(pattern) {
            regex
        } else {
            format!("({regex})")
        };
        Self::build(pattern.into(), &regex, Begin::Word, epoch_kind(long, 2))
    }

    fn fields(pattern: &str, year: i16) -> Result<Self, DateError> {
        let (text, begin, bound_end) = match pattern.strip_prefix(UNBOUND) {
            Some(rest) => (rest, Begin::Free, false),
            None => match pattern.strip_prefix(LINE_BEGIN) {
                Some(rest) => (rest, Begin::Line, true),
                None => (pattern, Begin::Word, true),
            },
        };
        let expanded = tokens::expand(text, year).map_err(|token| DateError::Percent {
            pattern: text.into(),
            token: token.into(),
        })?;
        let mut regex = expanded.regex;
        if tokens::has_words(text) {
            regex.insert_str(0, "(?iu)");
        }
        let source = Source::new(&regex, begin, bound_end);
        let mut template = Self::from_source(expanded.name.into(), source, Kind::Fields);
        template.scanner = Scanner::of(pattern, year);
        template.pattern = Some(pattern.into());
        Ok(template)
    }

    fn build(name: Box<str>, regex: &str, begin: Begin, kind: Kind) -> Self {
        let mut template = Self::from_source(name, Source::new(regex, begin, true), kind);
        template.scanner = match kind {
            Kind::Epoch {
                long: false,
                group: 1,
            } if template.line_begin => Some(Scanner::Epoch),
            _ => None,
        };
        template
    }

    fn from_source(name: Box<str>, source: Source, kind: Kind) -> Self {
        let name = if source.prefixed && !name.starts_with(LINE_BEGIN) {
            format!("{LINE_BEGIN}{name}").into()
        } else {
            name
        };
        Self {
            name,
            pattern: None,
            regex: source.regex.into(),
            line_begin: source.line_begin,
            anchored: source.line_begin || source.line_end,
            weight: super::formats::WEIGHT,
            kind,
            needs: Needs::NOTHING,
            scanner: None,
            compiled: OnceLock::new(),
        }
    }

    /// The regular expression, compiled when it is first needed: a log that shows one format never
    /// pays for the others.
    pub(super) fn compiled(&self) -> Option<&Regex> {
        if self.compiled.get().is_none() {
            let regex = Regex::python(&self.regex, Flags::default()).ok()?;
            let _ = self.compiled.set(regex);
        }
        self.compiled.get()
    }

    /// Compiles it now, to hear what is wrong with it.
    pub(super) fn check(&self) -> Result<(), DateError> {
        if self.compiled.get().is_none() {
            let regex =
                Regex::python(&self.regex, Flags::default()).map_err(|cause| DateError::Regex {
                    name: self.name.clone(),
                    cause,
                })?;
            let _ = self.compiled.set(regex);
        }
        Ok(())
    }
}

/// What a pattern is looked up by: words such as `EPOCH` are read in either case, unless tokens
/// stand beside them.
pub(super) fn key(pattern: &str) -> String {
    if pattern.contains('%') {
        pattern.into()
    } else {
        pattern.to_uppercase()
    }
}

fn epoch_name(long: bool) -> Box<str> {
    if long { "LongEpoch" } else { "Epoch" }.into()
}

const fn epoch_regex(long: bool) -> &'static str {
    if long { LONG_EPOCH } else { EPOCH }
}

const fn epoch_kind(long: bool, group: usize) -> Kind {
    Kind::Epoch { long, group }
}

/// The pattern with each `{EPOCH}` or `{LEPOCH}` that no backslash escapes made a group; `None`
/// if there is none.
fn embedded_epoch(pattern: &str, long: bool) -> Option<String> {
    let group = format!("({})", epoch_regex(long));
    let mut replaced = Replaced::new(pattern);
    for word in ["{EPOCH}", "{LEPOCH}"] {
        replaced = replaced.replace(word, &group);
    }
    (replaced.count > 0).then_some(replaced.text)
}

/// `pattern` with each `{DATE}` that no backslash escapes replaced by `date`.
pub(super) fn embed_date(pattern: &str, date: &str) -> String {
    Replaced::new(pattern).replace("{DATE}", date).text
}

struct Replaced {
    text: String,
    count: usize,
}

impl Replaced {
    fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            count: 0,
        }
    }

    /// Replaces `word`, in either case, where it is not escaped.
    fn replace(self, word: &str, by: &str) -> Self {
        let mut text = String::with_capacity(self.text.len());
        let mut count = self.count;
        let mut rest = self.text.as_str();
        let upper = self.text.to_ascii_uppercase();
        while let Some(at) = upper[self.text.len() - rest.len()..].find(word) {
            let (before, after) = rest.split_at(at);
            text.push_str(before);
            if text.ends_with('\\') {
                text.push_str(&after[..word.len()]);
            } else {
                text.push_str(by);
                count += 1;
            }
            rest = &after[word.len()..];
        }
        text.push_str(rest);
        Self { text, count }
    }
}

/// `pattern` without what binds it, to stand inside another.
pub(super) fn unbound(pattern: &str) -> &str {
    let mut text = pattern;
    for prefix in [UNBOUND, LINE_BEGIN, r"(^|\b|\W)", r"(?:^|\b|\W)"] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    text.strip_suffix(WORD_END_REGEX).unwrap_or(text)
}

/// A regular expression with its boundaries and its group 1.
struct Source {
    regex: String,
    line_begin: bool,
    line_end: bool,
    /// The line's begin was put before it.
    prefixed: bool,
}

impl Source {
    fn new(regex: &str, begin: Begin, bound_end: bool) -> Self {
        let (flags, mut regex) = cut_global_flags(regex.trim());
        let bound_begin = begin != Begin::Free && !begins_bound(&regex);
        let bound_end = bound_end && !ends_bound(&regex);
        if !has_plain_group(&regex) {
            regex = grouped(&regex);
        }
        let prefixed = bound_begin && begin == Begin::Line;
        if prefixed {
            regex.insert_str(0, LINE_BEGIN_REGEX);
        } else if bound_begin {
            regex.insert_str(0, WORD_BEGIN_REGEX);
        }
        if bound_end {
            regex.push_str(WORD_END_REGEX);
        }
        let line_begin = prefixed || begins_line(&regex);
        let line_end = ends_line(&regex);
        regex = without_stars(&regex);
        regex.insert_str(0, &flags);
        Self {
            regex,
            line_begin,
            line_end,
            prefixed,
        }
    }
}

/// The first `(?flags)` that no backslash escapes, and the rest: Python wants it in front.
fn cut_global_flags(regex: &str) -> (String, String) {
    for (at, _) in regex.match_indices("(?") {
        let letters = regex[at + 2..]
            .bytes()
            .take_while(u8::is_ascii_lowercase)
            .count();
        let end = at + 2 + letters;
        let escaped = regex[..at].ends_with('\\');
        if letters > 0 && !escaped && regex[end..].starts_with(')') {
            let rest = format!("{}{}", &regex[..at], &regex[end + 1..]);
            return (regex[at..=end].into(), rest);
        }
    }
    (String::new(), regex.into())
}

/// Whether a plain `(` stands anywhere: not escaped, no `(?…`, no condition's. One in a character
/// class counts, as it does for fail2ban.
fn has_plain_group(regex: &str) -> bool {
    regex.match_indices('(').any(|(at, _)| {
        let before = &regex[..at];
        !before.ends_with('\\') && !before.ends_with("(?") && !regex[at + 1..].starts_with('?')
    })
}

/// Puts all of it into a group, but for a `^` in front and a `$` behind.
fn grouped(regex: &str) -> String {
    let (begin, rest) = match regex.strip_prefix('^') {
        Some(rest) => ("^", rest),
        None => ("", regex),
    };
    match rest.strip_suffix('$') {
        Some(rest) if !rest.ends_with('\\') => format!("{begin}({rest})$"),
        _ => format!("{begin}({rest})"),
    }
}

/// Whether it starts with `^`, or with `**`, be it inside groups: no boundary is added.
fn begins_bound(regex: &str) -> bool {
    let text = regex.trim_start_matches('(');
    let text = text
        .strip_prefix("?:")
        .filter(|rest| rest.starts_with('^'))
        .unwrap_or(text);
    text.starts_with('^') || text.starts_with("**")
}

/// Whether it ends with `$`, `\b`, `\s` or `**`: no boundary is added.
fn ends_bound(regex: &str) -> bool {
    let unescaped = |end: &str| {
        regex
            .strip_suffix(end)
            .is_some_and(|before| !before.ends_with('\\'))
    };
    let stars = regex
        .trim_end_matches(')')
        .strip_suffix("**")
        .is_some_and(|before| !before.ends_with('\\'));
    stars || ["$", "$)", r"\b", r"\s"].into_iter().any(unescaped)
}

/// Whether a match can only start where a line does: `^`, or a group that begins with it and has
/// no alternative right after it.
fn begins_line(regex: &str) -> bool {
    let inside = |rest: &str| {
        rest.strip_prefix("?:")
            .unwrap_or(rest)
            .strip_prefix('^')
            .is_some_and(|rest| !rest.starts_with('|'))
    };
    regex.starts_with('^') || regex.strip_prefix('(').is_some_and(inside)
}

/// Whether it ends in a `$` that is neither escaped nor an alternative of its own.
fn ends_line(regex: &str) -> bool {
    ["$", "$)"].into_iter().any(|end| {
        regex
            .strip_suffix(end)
            .is_some_and(|before| !before.ends_with(['\\', '|']))
    })
}

/// Takes away the `**` in front and behind that only said "no boundary here".
fn without_stars(regex: &str) -> String {
    let inner = regex.trim_start_matches('(');
    let groups = &regex[..regex.len() - inner.len()];
    let mut text = match inner.strip_prefix("**") {
        Some(rest) => format!("{groups}{rest}"),
        None => regex.into(),
    };
    let end = text.trim_end_matches(')').len();
    if let Some(before) = text[..end].strip_suffix("**")
        && !before.ends_with('\\')
    {
        let at = before.len();
        text.replace_range(at..end, "");
    }
    text
}

#[cfg(test)]
mod tests;
