//! The `%` tokens of a date pattern: one table, token → what it matches.

use super::DateError;

/// A token: its regular expression (with `?P<…>` naming the field) and the name it is shown by.
struct Token {
    token: &'static str,
    regex: &'static str,
    name: &'static str,
    /// Matches words, whose case does not matter.
    words: bool,
}

const fn token(token: &'static str, regex: &'static str, name: &'static str) -> Token {
    Token {
        token,
        regex,
        name,
        words: false,
    }
}

const fn words(token: &'static str, regex: &'static str, name: &'static str) -> Token {
    Token {
        token,
        regex,
        name,
        words: true,
    }
}

const ABBREVIATION: &str = "[A-Z](?:[A-Z]{2,4})?";

/// Longer tokens before shorter ones that begin alike. `%ExY` is made of the present year.
const TOKENS: &[Token] = &[
    token("ExY", "", "ExYear"),
    token("Exy", r"(?P<y>\d{2})", "ExYear2"),
    token("Exd", r"(?P<d>[1-2]\d|0[1-9]|3[0-1])", "ExDay"),
    token("Exm", r"(?P<m>0[1-9]|1[0-2])", "ExMonth"),
    token("ExH", r"(?P<H>[0-1]\d|2[0-3])", "Ex24hour"),
    token("Exk", r" ?(?P<H>[0-1]?\d|2[0-3])", "%Exk"),
    token("Exl", r" ?(?P<I>1[0-2]|\d)", "%Exl"),
    token("ExM", r"(?P<M>[0-5]\d)", "ExMinute"),
    token("ExS", r"(?P<S>[0-5]\d|6[0-1])", "ExSecond"),
    token("ExZ", "", "ExZone name"),
    token("Exz", "", "ExZone offset"),
    words("a", "(?P<a>mon|tue|wed|thu|fri|sat|sun)", "DAY"),
    words(
        "A",
        "(?P<A>wednesday|thursday|saturday|tuesday|monday|friday|sunday)",
        "DAYNAME",
    ),
    words(
        "b",
        "(?P<b>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
        "MON",
    ),
    words(
        "B",
        "(?P<B>september|february|november|december|january|october|august|march|april|june|july|may)",
        "MONTH",
    ),
    words(
        "c",
        r"(?P<a>mon|tue|wed|thu|fri|sat|sun)\s+(?P<b>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\s+(?P<d>3[0-1]|[1-2]\d|0[1-9]|[1-9]| [1-9])\s+(?P<H>2[0-3]|[0-1]\d|\d):(?P<M>[0-5]\d|\d):(?P<S>6[0-1]|[0-5]\d|\d)\s+(?P<Y>\d\d\d\d)",
        "%c",
    ),
    token("d", r"(?P<d>[1-2]\d|[0 ]?[1-9]|3[0-1])", "Day"),
    token("f", r"(?P<f>[0-9]{1,6})", "Microseconds"),
    token("G", r"(?P<G>\d\d\d\d)", "%G"),
    token("H", r"(?P<H>[0-1]?\d|2[0-3])", "24hour"),
    token("I", r"(?P<I>1[0-2]|0[1-9]|[1-9])", "12hour"),
    token(
        "j",
        r"(?P<j>36[0-6]|3[0-5]\d|[1-2]\d\d|0[1-9]\d|00[1-9]|[1-9]\d|0[1-9]|[1-9])",
        "Yearday",
    ),
    token("k", r" ?(?P<H>[0-2]?\d)", "%k"),
    token("l", r" ?(?P<I>1?\d)", "%l"),
    token("m", r"(?P<m>0?[1-9]|1[0-2])", "Month"),
    token("M", r"(?P<M>[0-5]?\d)", "Minute"),
    words("p", "(?P<p>am|pm)", "AMPM"),
    token("S", r"(?P<S>[0-5]?\d|6[0-1])", "Second"),
    token("u", "(?P<u>[1-7])", "%u"),
    token("U", r"(?P<U>5[0-3]|[0-4]\d|\d)", "Yearweek"),
    token("V", r"(?P<V>5[0-3]|0[1-9]|[1-4]\d|\d)", "%V"),
    token("w", "(?P<w>[0-6])", "Weekday"),
    token("W", r"(?P<W>5[0-3]|[0-4]\d|\d)", "Yearweek"),
    token(
        "x",
        r"(?P<m>1[0-2]|0[1-9]|[1-9])/(?P<d>3[0-1]|[1-2]\d|0[1-9]|[1-9]| [1-9])/(?P<y>\d\d)",
        "%x",
    ),
    token(
        "X",
        r"(?P<H>2[0-3]|[0-1]\d|\d):(?P<M>[0-5]\d|\d):(?P<S>6[0-1]|[0-5]\d|\d)",
        "%X",
    ),
    token("y", r"(?P<y>\d\d)", "Year2"),
    token("Y", r"(?P<Y>\d{4})", "Year"),
    token(
        "z",
        r"(?P<z>Z|UTC|GMT|[+-][01]\d(?::?\d{2})?)",
        "Zone offset",
    ),
    token("Z", "(?P<Z>Z|[A-Z]{3,5})", "Zone name"),
    token("%", "%", "%"),
];

/// A pattern with its tokens replaced.
#[derive(Debug)]
pub(super) struct Expanded {
    pub(super) regex: String,
    pub(super) name: String,
    pub(super) has_words: bool,
}

/// Replaces every token.
///
/// # Errors
/// When a `%` begins none.
pub(super) fn expand(pattern: &str, year: i16) -> Result<Expanded, DateError> {
    let mut out = Expanded {
        regex: String::new(),
        name: String::new(),
        has_words: false,
    };
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        out.regex.push_str(&rest[..at]);
        out.name.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let Some(token) = TOKENS.iter().find(|token| behind.starts_with(token.token)) else {
            let shown: String = rest[at..].chars().take(2).collect();
            return Err(DateError::Token(pattern.to_owned(), shown));
        };
        match token.token {
            "ExY" => out.regex.push_str(&exact_year(year)),
            "ExZ" => out.regex.push_str(&format!("(?P<Z>{ABBREVIATION})")),
            "Exz" => out.regex.push_str(&format!(
                r"(?P<z>(?:{ABBREVIATION})?[+-][01]\d(?::?\d{{2}})?|{ABBREVIATION})"
            )),
            _ => out.regex.push_str(token.regex),
        }
        out.name.push_str(token.name);
        out.has_words |= token.words;
        rest = &behind[token.token.len()..];
    }
    out.regex.push_str(rest);
    out.name.push_str(rest);
    Ok(out)
}

/// Years from 2000 to the end of the decade that is three years off.
fn exact_year(year: i16) -> String {
    let last = (i32::from(year) + 3).max(2009) / 10;
    let decades: Vec<String> = (200..=last).map(|decade| decade.to_string()).collect();
    format!(r"(?P<Y>(?:{})\d)", decades.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_hides_no_other() {
        for (place, row) in TOKENS.iter().enumerate() {
            let before = &TOKENS[..place];
            assert!(
                !before.iter().any(|b| row.token.starts_with(b.token)),
                "%{}",
                row.token
            );
        }
    }

    #[test]
    fn years_reach_into_the_decade_ahead() {
        assert_eq!(exact_year(2026), r"(?P<Y>(?:200|201|202)\d)");
        assert_eq!(exact_year(2027), r"(?P<Y>(?:200|201|202|203)\d)");
    }
}
