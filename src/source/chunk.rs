//! Some whole lines of a log, decoded, and where in the file they end.

use std::fmt;

/// A SHA-1 of some of a file's bytes: of its first line with the newline, which is fail2ban's name
/// for a file that survives a rename; or of those before a place in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LineHash([u8; 20]);

impl LineHash {
    pub(super) fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Reads fail2ban's forty hexadecimal digits.
    pub fn parse(hex: &str) -> Option<Self> {
        let digits = hex.as_bytes();
        let mut bytes = [0; 20];
        if digits.len() != bytes.len() * 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..hex.len()).step_by(2)) {
            *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A place in a file, to be found again by the next process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// In bytes; the start of a line.
    pub offset: u64,
    /// `None` while the file has no whole line (fail2ban writes an empty hash).
    pub hash: Option<LineHash>,
    /// A SHA-1 of what stands right before, where that is known: files that begin alike, as those
    /// with a header do, are told apart by it.
    pub mark: Option<LineHash>,
}

/// Whole lines, in the order of the file.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Each line with its newline.
    text: String,
    position: Position,
    invalid: bool,
    cut: bool,
}

impl Chunk {
    pub(super) fn new(text: String, position: Position, invalid: bool, cut: bool) -> Self {
        Self {
            text,
            position,
            invalid,
            cut,
        }
    }

    /// The lines, without newlines and without carriage returns before them.
    pub fn lines(&self) -> Lines<'_> {
        Lines { rest: &self.text }
    }

    /// The decoded text, each line with its newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where a process that has judged these lines goes on in the file that bears the name: behind
    /// the last of them, unless they are the rest of a file that was renamed away.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The same lines, with another place to go on at.
    pub(super) fn at(self, position: Position) -> Self {
        Self { position, ..self }
    }

    /// Some bytes were not valid in the log's encoding, and became U+FFFD.
    pub fn is_invalid(&self) -> bool {
        self.invalid
    }

    /// A line was longer than [`LINE_MAX`](super::LINE_MAX) and is given only so far.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

/// An iterator over a chunk's lines.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest.as_bytes()).unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        Some(line.trim_end_matches('\r'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_newlines_and_carriage_returns_only() {
        let chunk = |text: &str| Chunk::new(text.to_owned(), Position::default(), false, false);
        let text = "one\n\n two \r\n\rthree\u{2028}\r\r\n\0\n";
        let lines: Vec<_> = chunk(text).lines().map(str::to_owned).collect();
        assert_eq!(lines, ["one", "", " two ", "\rthree\u{2028}", "\0"]);
        assert_eq!(chunk("").lines().count(), 0);
    }

    #[test]
    fn a_hash_is_read_as_it_is_printed() {
        let hex = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
        assert_eq!(LineHash::parse(hex).expect("a hash").to_string(), hex);
        for wrong in [
            "",
            "da39",
            "zz39a3ee5e6b4b0d3255bfef95601890afd80709",
            "ääääääääääääääääääää",
        ] {
            assert_eq!(LineHash::parse(wrong), None);
        }
    }
}
