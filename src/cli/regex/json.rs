//! `--json`: an object per line of the log, written by hand: nothing is built for a line that
//! matches nothing.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::judge::{Judge, Match};
use crate::model::{Datum, Failure};

/// Characters that JSON wants escaped, beside controls.
const ESCAPED: [char; 2] = ['"', '\\'];

/// Writes objects; the memory of one line serves the next.
#[derive(Debug, Default)]
pub(super) struct Json {
    text: String,
    scratch: String,
    /// Lines so far, 1 for the first; those left out count.
    line: u64,
}

impl Json {
    /// Writes what was found in a line.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn line(&mut self, judge: &mut Judge, out: &mut dyn Write) -> io::Result<()> {
        self.line += 1;
        self.text.clear();
        let _ = write!(self.text, "{{\"line\": {}, \"hits\": [", self.line);
        let mut ignored = false;
        let mut first = true;
        for found in judge.matches() {
            match found {
                Match::Failure(failure) => {
                    if !std::mem::take(&mut first) {
                        self.text.push_str(", ");
                    }
                    self.hit(failure);
                }
                Match::NoFail(_) | Match::Helper(_) => ignored = true,
                Match::Pending(_) => {}
            }
        }
        ignored |= judge.took_ignore();
        let _ = writeln!(self.text, "], \"ignored\": {ignored}}}");
        out.write_all(self.text.as_bytes())
    }

    /// An empty line or a comment, which is not judged.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn skipped(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.line += 1;
        writeln!(
            out,
            "{{\"line\": {}, \"hits\": [], \"ignored\": false}}",
            self.line
        )
    }

    fn hit(&mut self, failure: &Failure) {
        let _ = write!(self.text, "{{\"regex\": {}, \"id\": ", failure.regex);
        self.scratch.clear();
        let _ = write!(self.scratch, "{}", failure.id);
        string(&self.scratch, &mut self.text);
        let _ = write!(
            self.text,
            ", \"time\": {:?}, \"fail\": {{",
            failure.time.as_secs_f64()
        );
        let mut first = true;
        if let Some(ip) = &failure.ip {
            let _ = write!(self.text, "\"ip\": \"{ip}\"");
            first = false;
        }
        for (name, datum) in &failure.data {
            if !std::mem::take(&mut first) {
                self.text.push_str(", ");
            }
            string(name, &mut self.text);
            self.text.push_str(": ");
            value(datum, &mut self.text);
        }
        self.text.push_str("}}");
    }
}

fn value(datum: &Datum, out: &mut String) {
    match datum {
        Datum::Text(text) => string(text, out),
        Datum::List(list) => {
            out.push('[');
            for (place, text) in list.iter().enumerate() {
                if place > 0 {
                    out.push_str(", ");
                }
                string(text, out);
            }
            out.push(']');
        }
    }
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_control() || ESCAPED.contains(&c)) {
        out.push_str(&rest[..at]);
        let c = char::from(rest.as_bytes()[at]);
        if ESCAPED.contains(&c) {
            out.extend(['\\', c]);
        } else {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_json_whatever_is_in_them() {
        for text in ["", "a", "\"\\\0\n\t\u{7f}\u{1f}ä😀", "x\"y", "\\"] {
            let mut out = String::new();
            string(text, &mut out);
            let read: String = serde_json::from_str(&out).unwrap();
            assert_eq!(read, text, "{out}");
        }
    }
}
