//! One date pattern as a regular expression: tokens, boundaries, and which part is the date.

use std::cell::OnceCell;
use std::ops::Range;

use super::DateError;
use super::tokens;
use crate::pattern::{Flags, Regex, Slots};

/// Where a date must stand; the pattern itself may say more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// Anywhere.
    None,
    /// Not in the middle of a word.
    Word,
    /// At the line's beginning, behind at most two characters that are no word's.
    Line,
}

/// How a match becomes a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Named fields.
    Fields,
    /// Seconds since the epoch in this group, maybe with a fraction.
    Epoch { group: usize, long: bool },
    /// TAI64N, as its hexadecimal seconds.
    Tai64n,
    /// An empty match: the log has no dates.
    Nothing,
}

/// A pattern, ready to search.
#[derive(Debug)]
pub(super) struct Template {
    /// The pattern as written; epoch and TAI64N have none.
    pub(super) pattern: Option<String>,
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Bound to the line's beginning or end: a match elsewhere is not looked for.
    pub(super) anchored: bool,
    pub(super) line_begin: bool,
    pub(super) weight: f64,
    source: String,
    regex: OnceCell<Regex>,
}

const LINE_BEGIN: &str = "{^LN-BEG}";
const UNBOUND: &str = "{UNB}";
/// Ten or eleven digits reach from 2001 to the year 5138.
const EPOCH: &str = r"\d{10,11}\b(?:\.\d{3,6})?";
const LONG_EPOCH: &str = r"\d{10,11}(?:\d{3}(?:\.\d{1,6}|\d{3})?)?";

impl Template {
    /// A template as it stands in `datepattern`, or in the table of defaults.
    pub(super) fn new(pattern: &str, year: i16) -> Result<Self, DateError> {
        let key = if pattern.contains('%') {
            pattern.to_owned()
        } else {
            pattern.to_uppercase()
        };
        match key.as_str() {
            "{NONE}" => {
                let mut template = Self::of_fields("{UNB}^", year)?;
                template.kind = Kind::Nothing;
                return Ok(template);
            }
            "EPOCH" => return Ok(Self::epoch_anywhere(false)),
            "{^LN-BEG}EPOCH" | "^EPOCH" => return Ok(Self::epoch_at_line_begin(false)),
            "LEPOCH" => return Ok(Self::epoch_anywhere(true)),
            "{^LN-BEG}LEPOCH" | "^LEPOCH" => return Ok(Self::epoch_at_line_begin(true)),
            "TAI64N" => return Ok(Self::tai64n(Bound::None)),
            "{^LN-BEG}TAI64N" | "^TAI64N" => return Ok(Self::tai64n(Bound::Line)),
            _ => {}
        }
        if let Some(place) = embedded_epoch(pattern) {
            return Ok(Self::epoch_within(pattern, place));
        }
        Self::of_fields(pattern, year)
    }

    /// This template at the beginning of a line; it is preferred where it matches.
    pub(super) fn at_line_begin(&self, year: i16) -> Result<Option<Self>, DateError> {
        if self.name.starts_with(LINE_BEGIN) || self.name.starts_with('^') {
            return Ok(None);
        }
        let pattern = self.pattern.as_deref().unwrap_or(&self.name);
        let mut template = Self::new(&format!("{LINE_BEGIN}{pattern}"), year)?;
        template.weight = 100.0;
        Ok(Some(template))
    }

    /// What stands for this template within `… {DATE} …`.
    pub(super) fn within(&self, around: &str, year: i16) -> Result<Self, DateError> {
        let own = self.pattern.as_deref().unwrap_or(&self.name);
        let own = own.strip_prefix(UNBOUND).unwrap_or(own);
        let own = own.strip_prefix(LINE_BEGIN).unwrap_or(own);
        let mut whole = String::new();
        let mut rest = around;
        while let Some(at) = find_tag(rest, "{DATE}") {
            whole.push_str(&rest[..at]);
            whole.push_str(own);
            rest = &rest[at + "{DATE}".len()..];
        }
        whole.push_str(rest);
        Self::of_fields(&whole, year)
    }

    /// A pattern of `%` tokens and whatever else a regular expression may hold.
    fn of_fields(pattern: &str, year: i16) -> Result<Self, DateError> {
        let (mut rest, mut begin, mut end) = (pattern, Bound::Word, true);
        if let Some(bare) = rest.strip_prefix(UNBOUND) {
            (rest, begin, end) = (bare, Bound::None, false);
        }
        if begin != Bound::None
            && let Some(bare) = rest.strip_prefix(LINE_BEGIN)
        {
            (rest, begin) = (bare, Bound::Line);
        }
        let expanded = tokens::expand(rest, year)?;
        let mut regex = expanded.regex;
        if expanded.has_words {
            regex.insert_str(0, "(?iu)");
        }
        let mut template = Self::bounded(&regex, expanded.name, begin, end);
        template.pattern = Some(pattern.to_owned());
        Ok(template)
    }

    fn epoch_anywhere(long: bool) -> Self {
        let digits = if long { LONG_EPOCH } else { EPOCH };
        // At the line's beginning, in brackets there, or as the audit system writes it.
        let regex =
            format!(r"((?:^|(?<=^\[)(?={digits}\])|(?<=\baudit\()(?={digits}:\d+\))){digits})");
        let mut template = Self::bounded(&regex, epoch_name(long), Bound::None, true);
        template.kind = Kind::Epoch { group: 1, long };
        template
    }

    fn epoch_at_line_begin(long: bool) -> Self {
        let digits = if long { LONG_EPOCH } else { EPOCH };
        let mut template =
            Self::bounded(&format!("({digits})"), epoch_name(long), Bound::Line, true);
        template.kind = Kind::Epoch { group: 1, long };
        template
    }

    /// `… {EPOCH} …`: all of it is cut, and the number inside is read.
    fn epoch_within(pattern: &str, place: Range<usize>) -> Self {
        let long = pattern[place.clone()].len() > "{EPOCH}".len();
        let digits = if long { LONG_EPOCH } else { EPOCH };
        let (before, after) = (&pattern[..place.start], &pattern[place.end..]);
        let (before, begin) = match before.strip_prefix(LINE_BEGIN) {
            Some(before) => (before, Bound::Line),
            None => (before, Bound::Word),
        };
        let regex = format!("({before}({digits}){after})");
        let mut template = Self::bounded(&regex, pattern.to_owned(), begin, true);
        template.name = pattern.to_owned();
        template.kind = Kind::Epoch { group: 2, long };
        template
    }

    fn tai64n(begin: Bound) -> Self {
        let mut template = Self::bounded("@[0-9a-f]{24}", "TAI64N".to_owned(), begin, true);
        template.kind = Kind::Tai64n;
        template
    }

    /// Adds what bounds a date, and a first group around all of it where there is none.
    fn bounded(regex: &str, name: String, begin: Bound, end: bool) -> Self {
        let (flags, body) = split_flags(regex.trim());
        let bind_begin = begin != Bound::None && !opens_itself(&body);
        let bind_end = end && !closes_itself(&body);
        let mut body = if has_group(&body) {
            body
        } else {
            grouped(&body)
        };
        let mut name = name;
        let mut line_begin = false;
        if bind_begin {
            match begin {
                Bound::Line => {
                    body.insert_str(0, r"^(?:\W{0,2})?");
                    line_begin = true;
                    if !name.starts_with(LINE_BEGIN) {
                        name.insert_str(0, LINE_BEGIN);
                    }
                }
                Bound::Word | Bound::None => body.insert_str(0, r"(?=^|\b|\W)"),
            }
        }
        if bind_end {
            body.push_str(r"(?=\b|\W|$)");
        }
        line_begin |= starts_at_line(&body);
        let anchored = line_begin || ends_at_line(&body);
        let source = format!("{flags}{}", without_stars(&body));
        Self {
            pattern: None,
            name,
            kind: Kind::Fields,
            anchored,
            line_begin,
            weight: 1.0,
            source,
            regex: OnceCell::new(),
        }
    }

    /// Compiles it now, to hear of errors.
    pub(super) fn check(&self) -> Result<(), DateError> {
        let regex = compile(&self.source)
            .map_err(|error| DateError::Pattern(self.written().to_owned(), error))?;
        // Whoever was first compiled the same.
        let _ = self.regex.set(regex);
        Ok(())
    }

    fn written(&self) -> &str {
        self.pattern.as_deref().unwrap_or(&self.name)
    }

    /// The compiled regular expression; it is compiled when it is first needed, since most defaults
    /// never are.
    pub(super) fn regex(&self) -> &Regex {
        self.regex.get_or_init(|| {
            // The defaults compile (a test holds it) and all others were checked.
            compile(&self.source).unwrap_or_else(|error| panic!("{}: {error}", self.source))
        })
    }

    /// Searches from `from`.
    pub(super) fn search(&self, line: &str, from: usize, slots: &mut Slots) -> bool {
        self.regex().search_at(line, from, slots)
    }
}

fn compile(source: &str) -> Result<Regex, Box<crate::pattern::PatternError>> {
    Regex::python(source, Flags::default()).map_err(Box::new)
}

fn epoch_name(long: bool) -> String {
    if long { "LongEpoch" } else { "Epoch" }.to_owned()
}

/// Where a tag stands that no backslash stands before; case does not matter.
fn find_tag(text: &str, tag: &str) -> Option<usize> {
    let upper = text.to_ascii_uppercase();
    let mut from = 0;
    while let Some(at) = upper[from..].find(tag).map(|at| at + from) {
        if !text[..at].ends_with('\\') {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

fn embedded_epoch(pattern: &str) -> Option<Range<usize>> {
    let of = |tag: &str| find_tag(pattern, tag).map(|at| at..at + tag.len());
    of("{EPOCH}").or_else(|| of("{LEPOCH}"))
}

/// The first group of nothing but flags, and the rest.
fn split_flags(regex: &str) -> (String, String) {
    let mut from = 0;
    while let Some(at) = regex[from..].find("(?").map(|at| at + from) {
        let inside = &regex[at + 2..];
        let letters = inside
            .find(|c: char| !c.is_ascii_lowercase())
            .unwrap_or(inside.len());
        if letters > 0 && inside[letters..].starts_with(')') {
            let end = at + 2 + letters + 1;
            return (
                regex[at..end].to_owned(),
                [&regex[..at], &regex[end..]].concat(),
            );
        }
        from = at + 2;
    }
    (String::new(), regex.to_owned())
}

/// Whether the pattern itself says where a date begins: by `^`, or by `**` that it may be anywhere.
fn opens_itself(body: &str) -> bool {
    let bare = body.trim_start_matches('(');
    let bare = if bare.len() < body.len() {
        bare.strip_prefix("?:").unwrap_or(bare)
    } else {
        bare
    };
    let bare = bare.trim_start_matches('(');
    bare.starts_with('^') || bare.starts_with("**")
}

fn closes_itself(body: &str) -> bool {
    ["$", "$)", r"\b", r"\s"]
        .iter()
        .any(|end| ends_unescaped(body, end))
        || ends_unescaped(body.trim_end_matches(')'), "**")
}

fn ends_unescaped(body: &str, end: &str) -> bool {
    body.strip_suffix(end)
        .is_some_and(|before| !before.ends_with('\\'))
}

/// Whether there is a plain capturing group; named ones are fields.
fn has_group(body: &str) -> bool {
    body.match_indices('(').any(|(at, _)| {
        !body[..at].ends_with('\\')
            && !body[..at].ends_with("(?")
            && !body[at + 1..].starts_with('?')
    })
}

/// The whole as group 1, but for `^` before and `$` behind it.
fn grouped(body: &str) -> String {
    let (open, rest) = match body.strip_prefix('^') {
        Some(rest) => ("^", rest),
        None => ("", body),
    };
    let (rest, close) = match rest.strip_suffix('$') {
        Some(before) if !before.ends_with('\\') => (before, "$"),
        _ => (rest, ""),
    };
    format!("{open}({rest}){close}")
}

fn starts_at_line(body: &str) -> bool {
    let inside = body
        .strip_prefix('(')
        .map(|rest| rest.strip_prefix("?:").unwrap_or(rest));
    body.starts_with('^')
        || inside
            .and_then(|inside| inside.strip_prefix('^'))
            .is_some_and(|rest| !rest.starts_with('|'))
}

fn ends_at_line(body: &str) -> bool {
    ["$", "$)"].iter().any(|end| {
        body.strip_suffix(end)
            .is_some_and(|before| !before.ends_with(['\\', '|']))
    })
}

/// Takes away the `**` that say where no boundary is wanted.
fn without_stars(body: &str) -> String {
    let parens = body.len() - body.trim_start_matches('(').len();
    let mut out = body.to_owned();
    if out[parens..].starts_with("**") {
        out.replace_range(parens..parens + 2, "");
    }
    let close = out.trim_end_matches(')').len();
    if ends_unescaped(&out[..close], "**") {
        out.replace_range(close - 2..close, "");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(pattern: &str) -> String {
        Template::new(pattern, 2026).unwrap().source
    }

    #[test]
    fn boundaries_are_added_where_the_pattern_has_none() {
        assert_eq!(source("%%x"), r"(?=^|\b|\W)(%x)(?=\b|\W|$)");
        assert_eq!(source("^x$"), "^(x)$");
        assert_eq!(source("**x**"), "(x)");
        assert_eq!(source("{UNB}x"), "(x)");
        assert_eq!(source("{^LN-BEG}x"), r"^(?:\W{0,2})?(x)(?=\b|\W|$)");
        assert_eq!(source(r"^I\(()**"), r"^I\(()");
        assert_eq!(source(r"^a (b)\s"), r"^a (b)\s");
    }

    #[test]
    fn an_unknown_token_is_an_error_that_names_it() {
        let error = Template::new("%d %Q", 2026).unwrap_err();
        assert!(error.to_string().contains("%Q"), "{error}");
    }

    #[test]
    fn what_is_bound_to_the_line_is_known() {
        assert!(Template::new("^x", 2026).unwrap().anchored);
        assert!(Template::new("x$", 2026).unwrap().anchored);
        assert!(!Template::new("x", 2026).unwrap().anchored);
        assert!(Template::new("{^LN-BEG}x", 2026).unwrap().line_begin);
    }
}
