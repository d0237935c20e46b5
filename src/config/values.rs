//! How Python reads small values: white space, numbers, truth, words, shell words.

/// White space to Python's `str`: Unicode's, and the four information separators.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// Python's `strip()`.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// fail2ban's truth: `1`, `on`, `true` and `yes` in any case; all else is false.
pub(super) fn truth(text: &str) -> bool {
    ["1", "on", "true", "yes"]
        .iter()
        .any(|yes| text.eq_ignore_ascii_case(yes))
}

/// Python's `int(text)`: white space around, a sign, single underscores between digits.
pub(super) fn int(text: &str) -> Option<i64> {
    let text = strip(text);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let whole = digits
        .split('_')
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    whole
        .then(|| format!("{sign}{}", digits.replace('_', "")).parse().ok())
        .flatten()
}

/// Words between white space and commas, as `ignoreip` has them.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split(|c| is_space(c) || c == ',')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The shell words of a `journalmatch` line or a typed command: quotes and backslashes as POSIX has them, no comments.
///
/// # Errors
/// When a quote is left open or a backslash ends the line.
pub fn shell_words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => found.extend(word.take()),
            '\\' => {
                let escaped = rest.next().ok_or("nothing follows the last backslash")?;
                word.get_or_insert_default().push(escaped);
            }
            '\'' | '"' => quoted(c, &mut rest, word.get_or_insert_default())?,
            other => word.get_or_insert_default().push(other),
        }
    }
    found.extend(word);
    Ok(found)
}

/// The rest of a quoted piece; inside `"`, a backslash escapes only `"` and itself.
fn quoted(
    quote: char,
    rest: &mut std::str::Chars<'_>,
    word: &mut String,
) -> Result<(), &'static str> {
    const OPEN: &str = "a quotation mark is not closed";
    loop {
        match rest.next().ok_or(OPEN)? {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' => {
                let c = rest.next().ok_or(OPEN)?;
                if !matches!(c, '"' | '\\') {
                    word.push('\\');
                }
                word.push(c);
            }
            c => word.push(c),
        }
    }
}

/// A text for use inside a one-line message: control characters made visible, long ones cut.
pub(super) fn shown(text: &str) -> String {
    /// Enough to recognise a line by, short enough for a log.
    const LONGEST: usize = 60;
    let mut short: String = text
        .chars()
        .take(LONGEST)
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_is_four_words() {
        for yes in ["1", "on", "True", "YES"] {
            assert!(truth(yes), "{yes}");
        }
        for no in ["", "0", "off", "no", "auto", "2", " true"] {
            assert!(!truth(no), "{no}");
        }
    }

    #[test]
    fn numbers_are_pythons() {
        assert_eq!(int(" 5 "), Some(5));
        assert_eq!(int("-1"), Some(-1));
        assert_eq!(int("+1_000"), Some(1000));
        assert_eq!(int("007"), Some(7));
        for bad in ["", "5.0", "1__0", "_1", "1_", "- 1", "0x10", "five"] {
            assert_eq!(int(bad), None, "{bad}");
        }
    }

    #[test]
    fn shell_words_are_posix() {
        let split = |text| shell_words(text).expect(text);
        assert_eq!(
            split("_SYSTEMD_UNIT=sshd.service + _COMM=sshd"),
            ["_SYSTEMD_UNIT=sshd.service", "+", "_COMM=sshd"]
        );
        assert_eq!(
            split(r#"a'b c'"d\" \e" f\ g '' #h"#),
            [r#"ab cd" \e"#, "f g", "", "#h"]
        );
        assert!(shell_words("a 'b").is_err());
        assert!(shell_words("a \\").is_err());
    }

    #[test]
    fn shown_text_is_one_short_line() {
        assert_eq!(shown("a\nb\0"), "a b\u{fffd}");
        assert_eq!(shown(&"x".repeat(99)).chars().count(), 61);
    }
}
