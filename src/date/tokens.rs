//! The `%` tokens of a date pattern: what each matches and what it is called, in one table.
//!
//! Python's `strptime` tokens in the C locale, with fail2ban's own versions of some, and its
//! stricter `%Ex…` ones. The name of a group is what [`super::fields`] reads.

use std::borrow::Cow;

/// A token without its percent sign, its label in a template's name, its regular expression.
type Row = (&'static str, &'static str, &'static str);

/// `%ExY` is not here, see [`expected_year`].
#[rustfmt::skip]
const TOKENS: &[Row] = &[
    ("a", "DAY", "(?P<a>mon|tue|wed|thu|fri|sat|sun)"),
    ("A", "DAYNAME", "(?P<A>wednesday|thursday|saturday|tuesday|monday|friday|sunday)"),
    ("b", "MON", "(?P<b>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"),
    ("B", "MONTH", "(?P<B>september|february|november|december|january|october|august|march|april|june|july|may)"),
    ("d", "Day", r"(?P<d>[1-2]\d|[0 ]?[1-9]|3[0-1])"),
    ("f", "Microseconds", "(?P<f>[0-9]{1,6})"),
    ("G", "%G", r"(?P<G>\d\d\d\d)"),
    ("H", "24hour", r"(?P<H>[0-1]?\d|2[0-3])"),
    ("I", "12hour", "(?P<I>1[0-2]|0[1-9]|[1-9])"),
    ("j", "Yearday", r"(?P<j>36[0-6]|3[0-5]\d|[1-2]\d\d|0[1-9]\d|00[1-9]|[1-9]\d|0[1-9]|[1-9])"),
    ("k", "%k", r" ?(?P<H>[0-2]?\d)"),
    ("l", "%l", r" ?(?P<I>1?\d)"),
    ("m", "Month", "(?P<m>0?[1-9]|1[0-2])"),
    ("M", "Minute", r"(?P<M>[0-5]?\d)"),
    ("p", "AMPM", "(?P<p>am|pm)"),
    ("S", "Second", r"(?P<S>[0-5]?\d|6[0-1])"),
    ("u", "%u", "(?P<u>[1-7])"),
    ("U", "Yearweek", r"(?P<U>5[0-3]|[0-4]\d|\d)"),
    ("V", "%V", r"(?P<V>5[0-3]|0[1-9]|[1-4]\d|\d)"),
    ("w", "Weekday", "(?P<w>[0-6])"),
    ("W", "Yearweek", r"(?P<W>5[0-3]|[0-4]\d|\d)"),
    ("y", "Year2", r"(?P<y>\d\d)"),
    ("Y", "Year", r"(?P<Y>\d{4})"),
    ("z", "Zone offset", r"(?P<z>Z|UTC|GMT|[+-][01]\d(?::?\d{2})?)"),
    ("Z", "Zone name", "(?P<Z>Z|[A-Z]{3,5})"),
    ("%", "%", "%"),
    ("Exd", "ExDay", r"(?P<d>[1-2]\d|0[1-9]|3[0-1])"),
    ("ExH", "Ex24hour", r"(?P<H>[0-1]\d|2[0-3])"),
    ("Exk", "%Exk", r" ?(?P<H>[0-1]?\d|2[0-3])"),
    ("Exl", "%Exl", r" ?(?P<I>1[0-2]|\d)"),
    ("Exm", "ExMonth", "(?P<m>0[1-9]|1[0-2])"),
    ("ExM", "ExMinute", r"(?P<M>[0-5]\d)"),
    ("ExS", "ExSecond", r"(?P<S>[0-5]\d|6[0-1])"),
    ("Exy", "ExYear2", r"(?P<y>\d{2})"),
    ("Exz", "ExZone offset", r"(?P<z>(?:[A-Z](?:[A-Z]{2,4})?)?[+-][01]\d(?::?\d{2})?|[A-Z](?:[A-Z]{2,4})?)"),
    ("ExZ", "ExZone name", "(?P<Z>[A-Z](?:[A-Z]{2,4})?)"),
    // The C locale's whole date and time, date, and time, each of strptime's own tokens.
    ("c", "%c", r"(?P<a>mon|tue|wed|thu|fri|sat|sun)\s+(?P<b>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\s+(?P<d>3[0-1]|[1-2]\d|0[1-9]|[1-9]| [1-9])\s+(?P<H>2[0-3]|[0-1]\d|\d):(?P<M>[0-5]\d|\d):(?P<S>6[0-1]|[0-5]\d|\d)\s+(?P<Y>\d\d\d\d)"),
    ("x", "%x", r"(?P<m>1[0-2]|0[1-9]|[1-9])/(?P<d>3[0-1]|[1-2]\d|0[1-9]|[1-9]| [1-9])/(?P<y>\d\d)"),
    ("X", "%X", r"(?P<H>2[0-3]|[0-1]\d|\d):(?P<M>[0-5]\d|\d):(?P<S>6[0-1]|[0-5]\d|\d)"),
];

/// The tokens that stand for words: a pattern with one of them ignores case as a whole.
const WORDS: &[u8] = b"aAbBpc";

/// The first year `%ExY` knows.
pub(super) const FIRST_YEAR: i16 = 2000;

/// How many years ahead `%ExY` looks, for a long uptime.
const YEARS_AHEAD: i16 = 3;

/// The three leading digits of the years `%ExY` accepts: the decades from 2000 up to three years
/// from `year`. A clock before 2000 counts as 2000.
pub(super) fn decades(year: i16) -> std::ops::RangeInclusive<i16> {
    let last = year.clamp(FIRST_YEAR, 9999 - YEARS_AHEAD) + YEARS_AHEAD;
    FIRST_YEAR / 10..=last / 10
}

/// The regular expression of `%ExY`.
fn expected_year(year: i16) -> String {
    let decades = decades(year);
    if *decades.end() < 210 {
        let last: String = decades
            .map(|decade| char::from(b'0' + (decade % 10) as u8))
            .collect();
        return if last.len() == 1 {
            format!(r"(?P<Y>20{last}\d)")
        } else {
            format!(r"(?P<Y>20[{last}]\d)")
        };
    }
    let all: Vec<String> = decades.map(|decade| decade.to_string()).collect();
    format!(r"(?P<Y>(?:{})\d)", all.join("|"))
}

/// A pattern with its tokens replaced.
#[derive(Debug)]
pub(super) struct Expanded {
    pub(super) regex: String,
    pub(super) name: String,
}

/// Replaces each token by its regular expression, and by its label. What follows a percent sign
/// that starts no token is the error.
pub(super) fn expand(pattern: &str, year: i16) -> Result<Expanded, &str> {
    let mut expanded = Expanded {
        regex: String::new(),
        name: String::new(),
    };
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('%') {
        let (token, label, regex) = token(after, year).ok_or_else(|| first(after))?;
        expanded.regex.push_str(before);
        expanded.regex.push_str(&regex);
        expanded.name.push_str(before);
        expanded.name.push_str(label);
        rest = &after[token.len()..];
    }
    expanded.regex.push_str(rest);
    expanded.name.push_str(rest);
    Ok(expanded)
}

/// The token that `text` starts with.
fn token(text: &str, year: i16) -> Option<(&'static str, &'static str, Cow<'static, str>)> {
    if text.starts_with("ExY") {
        return Some(("ExY", "ExYear", expected_year(year).into()));
    }
    TOKENS
        .iter()
        .find(|(token, _, _)| text.starts_with(token))
        .map(|&(token, label, regex)| (token, label, regex.into()))
}

fn first(text: &str) -> &str {
    let end = text.chars().next().map_or(0, char::len_utf8);
    &text[..end]
}

/// Whether the pattern ignores case: it has names of days or months, or AM and PM.
pub(super) fn has_words(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    (0..bytes.len()).any(|at| {
        bytes[at] == b'%'
            && (at == 0 || bytes[at - 1] != b'%')
            && bytes.get(at + 1).is_some_and(|next| WORDS.contains(next))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::{Flags, Regex};

    #[test]
    fn no_token_hides_another_and_each_regex_stands_alone() {
        for (at, (token, _, regex)) in TOKENS.iter().enumerate() {
            for (other, _, _) in &TOKENS[at + 1..] {
                assert!(
                    !other.starts_with(token),
                    "%{other} would be read as %{token}"
                );
            }
            Regex::python(regex, Flags::default()).expect(regex);
        }
    }

    #[test]
    fn years_are_expected_by_decade() {
        assert_eq!(expected_year(2026), r"(?P<Y>20[012]\d)");
        assert_eq!(expected_year(2027), r"(?P<Y>20[0123]\d)");
        assert_eq!(expected_year(1970), r"(?P<Y>200\d)");
        assert!(expected_year(2097).ends_with(r"|209|210)\d)"));
        Regex::python(&expected_year(2097), Flags::default()).expect("a regex");
    }

    #[test]
    fn tokens_become_regex_and_label() {
        let expanded = expand("^%Y-%%d%d", 2026).expect("known tokens");
        assert_eq!(expanded.name, "^Year-%dDay");
        assert_eq!(
            expanded.regex,
            r"^(?P<Y>\d{4})-%d(?P<d>[1-2]\d|[0 ]?[1-9]|3[0-1])"
        );
        assert_eq!(expand("%Y %q", 2026).unwrap_err(), "q");
        assert_eq!(expand("100%", 2026).unwrap_err(), "");
    }

    #[test]
    fn words_ignore_case_unless_the_percent_sign_is_doubled() {
        assert!(has_words("%d %b"));
        assert!(!has_words("%d %%b"));
        assert!(!has_words("%m %ExY"));
    }
}
