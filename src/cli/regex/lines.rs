//! The lines of a log as they come: read in pieces, decoded in place where they are UTF-8, and
//! never more of them in memory than a piece and the line at hand.

use std::io::{self, Read};

use crate::source::{Encoding, LINE_MAX};

/// Bytes read at once: enough that the system's part is small.
const PIECE: usize = 128 * 1024;

/// A line without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'l> {
    pub(super) text: &'l str,
    /// Longer than [`LINE_MAX`]; this is its beginning.
    pub(super) cut: bool,
}

pub(super) struct Lines<R> {
    input: R,
    encoding: Encoding,
    buffer: Vec<u8>,
    /// What is read and not given out yet.
    start: usize,
    end: usize,
    at_end: bool,
    first: bool,
    text: String,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R, encoding: Encoding) -> Self {
        Self {
            input,
            encoding,
            buffer: vec![0; PIECE],
            start: 0,
            end: 0,
            at_end: false,
            first: true,
            text: String::new(),
        }
    }

    /// The next line; the last one may lack its newline.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut looked = self.start;
        loop {
            if let Some(length) = self.line_end(looked) {
                let from = self.start;
                self.start = looked + length;
                let newline = self.encoding.unit();
                return Ok(Some(self.line(from, self.start - newline, false)));
            }
            let unit = self.encoding.unit();
            let waiting = self.end - self.start;
            if waiting >= LINE_MAX {
                return self.long_line().map(Some);
            }
            if self.at_end {
                if waiting == 0 {
                    return Ok(None);
                }
                let (from, to) = (self.start, self.end);
                self.start = to;
                return Ok(Some(self.line(from, to, false)));
            }
            // Whole units only, so that the next look begins at one.
            looked = waiting / unit * unit;
            self.fill()?;
        }
    }

    fn line_end(&self, from: usize) -> Option<usize> {
        self.encoding.first_line_end(&self.buffer[from..self.end])
    }

    /// Reads on; what is waiting moves to the front.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < self.end + PIECE {
            self.buffer.resize(self.end + PIECE, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if self.first && (self.at_end || self.end >= 2) {
                self.encoding = self.encoding.for_file(&self.buffer[..self.end]);
            }
            return Ok(());
        }
    }

    /// A line of which only the beginning is kept.
    fn long_line(&mut self) -> io::Result<Line<'_>> {
        let kept = self.buffer[self.start..self.start + LINE_MAX].to_vec();
        self.start += LINE_MAX;
        loop {
            if let Some(length) = self.line_end(self.start) {
                self.start += length;
                break;
            }
            if self.at_end {
                self.start = self.end;
                break;
            }
            let unit = self.encoding.unit();
            self.start = self.end / unit * unit;
            self.fill()?;
        }
        self.buffer.truncate(PIECE.max(self.end));
        self.buffer.shrink_to(PIECE);
        let decoded = self.encoding.decode(&kept, std::mem::take(&mut self.first));
        self.text = decoded.0;
        Ok(Line {
            text: &self.text,
            cut: true,
        })
    }

    fn line(&mut self, from: usize, to: usize, cut: bool) -> Line<'_> {
        let at_start = std::mem::take(&mut self.first);
        let bytes = &self.buffer[from..to];
        if self.encoding.is_utf8()
            && let Ok(text) = str::from_utf8(bytes)
        {
            return Line { text, cut };
        }
        self.text = self.encoding.decode(bytes, at_start).0;
        Line {
            text: &self.text,
            cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out so many bytes at a time.
    struct Dribble<'b>(&'b [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn lines(bytes: &[u8], codec: &str, step: usize) -> Vec<(String, bool)> {
        let encoding = Encoding::named(codec).unwrap();
        let mut lines = Lines::new(Dribble(bytes, step), encoding);
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push((line.text.to_owned(), line.cut));
        }
        found
    }

    fn texts(bytes: &[u8], codec: &str, step: usize) -> Vec<String> {
        lines(bytes, codec, step)
            .into_iter()
            .map(|(text, _)| text)
            .collect()
    }

    #[test]
    fn lines_come_whole_however_they_are_read() {
        for step in [1, 2, 3, 7, 1000] {
            assert_eq!(
                texts(b"one\n\ntwo\r\nth\0ree", "utf-8", step),
                ["one", "", "two\r", "th\0ree"]
            );
            assert_eq!(texts(b"", "utf-8", step), [""; 0]);
            assert_eq!(texts(b"\xff x\n", "utf-8", step), ["\u{fffd} x"]);
            assert_eq!(texts(b"\xe4\n", "latin-1", step), ["\u{e4}"]);
            let mut wide = vec![0xff, 0xfe];
            wide.extend(
                "\u{10a}\u{a0a}b\nsecond"
                    .encode_utf16()
                    .flat_map(u16::to_le_bytes),
            );
            assert_eq!(
                texts(&wide, "utf-16", step),
                ["\u{10a}\u{a0a}b", "second"],
                "{step}"
            );
            let big: Vec<u8> = "\u{feff}a\nb\n"
                .encode_utf16()
                .flat_map(u16::to_be_bytes)
                .collect();
            assert_eq!(texts(&big, "utf-16", step), ["a", "b"]);
        }
    }

    #[test]
    fn of_a_line_too_long_the_beginning_is_kept_and_the_next_is_whole() {
        let mut bytes = vec![b'x'; 5 * LINE_MAX];
        bytes.extend(b"\nnext\n");
        let found = lines(&bytes, "utf-8", usize::MAX);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].0.len(), found[0].1), (LINE_MAX, true));
        assert_eq!(found[1], ("next".to_owned(), false));
        let unended = lines(&bytes[..2 * LINE_MAX], "utf-8", usize::MAX);
        assert_eq!(unended.len(), 1);
        let encoding = Encoding::named("utf-8").unwrap();
        let mut reading = Lines::new(&*bytes, encoding);
        while reading.next().unwrap().is_some() {}
        assert!(reading.buffer.capacity() < 2 * LINE_MAX);
    }
}
