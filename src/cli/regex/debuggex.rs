//! Addresses at debuggex.com that show a regular expression with a line (`-D`).

use std::fmt::Write as _;

use crate::model::UseDns;
use crate::pattern::{Options, Regex};

/// The address for a line and a regular expression as it is written.
pub(super) fn url(line: &str, regex: &str, several_lines: bool, usedns: UseDns) -> String {
    let options = Options {
        multiline: false,
        addresses_only: usedns == UseDns::No,
    };
    let regex = Regex::new(regex, options)
        .map_or_else(|_| regex.to_owned(), |regex| regex.resolved().to_owned());
    let mut url = format!(
        "https://www.debuggex.com/?re={}&str={}&flavor=python",
        quoted(&regex),
        quoted(line)
    );
    if several_lines {
        url.push_str("&flags=m");
    }
    url
}

/// As forms are encoded: a space is a plus.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded() {
        assert_eq!(quoted("a b/ä~"), "a+b%2F%C3%A4~");
        assert_eq!(
            url("x y", "^x$", true, UseDns::Warn),
            "https://www.debuggex.com/?re=%5Ex%24&str=x+y&flavor=python&flags=m"
        );
    }
}
