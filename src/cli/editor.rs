//! The prompt's line at a terminal: typing, moving about, and going back to earlier lines.
//!
//! [`Line`] is keys in and a line out; [`Raw`] has the terminal give us keys one by one, and gives
//! it back as it was. Where standard input is no terminal, neither is used.

use std::io::{self, BufRead, IsTerminal as _, Write};

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

/// Lines that are remembered.
const REMEMBERED: usize = 500;

/// The line that is being typed, and those before it.
#[derive(Debug, Default)]
pub(super) struct Line {
    text: Vec<char>,
    /// Where the next character goes.
    at: usize,
    earlier: Vec<String>,
    /// Which of the earlier lines is shown; their number is the line being typed.
    shown: usize,
    /// A key of several bytes that has begun: an escape sequence, or a character.
    begun: Vec<u8>,
}

/// What a key came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The line may have changed.
    Typed,
    Entered(String),
    /// The input is at its end.
    Left,
}

impl Line {
    /// Takes a byte from the terminal.
    pub(super) fn press(&mut self, byte: u8) -> Key {
        if self.begun.first() == Some(&0x1b) {
            self.escape(byte);
            return Key::Typed;
        }
        match byte {
            b'\r' | b'\n' => return self.enter(),
            0x04 if self.text.is_empty() => return Key::Left,
            0x04 => self.delete(),
            0x03 => self.show(""),
            0x01 => self.at = 0,
            0x05 => self.at = self.text.len(),
            0x0b => self.text.truncate(self.at),
            0x15 => drop(self.text.drain(..std::mem::take(&mut self.at))),
            0x10 => self.back(),
            0x0e => self.forth(),
            0x08 | 0x7f if self.at > 0 => {
                self.at -= 1;
                self.delete();
            }
            0x1b => self.begun.push(byte),
            0x20..0x7f | 0x80.. => self.character(byte),
            _ => {}
        }
        Key::Typed
    }

    fn character(&mut self, byte: u8) {
        self.begun.push(byte);
        match std::str::from_utf8(&self.begun) {
            Ok(text) => {
                let typed: Vec<char> = text.chars().collect();
                let length = typed.len();
                self.text.splice(self.at..self.at, typed);
                self.at += length;
                self.begun.clear();
            }
            // No character is longer than four bytes.
            Err(error) if error.error_len().is_some() || self.begun.len() >= 4 => {
                self.begun.clear();
            }
            Err(_) => {}
        }
    }

    /// `ESC [ A` and its kin; what is not known is passed by.
    fn escape(&mut self, byte: u8) {
        self.begun.push(byte);
        if self.begun.len() == 2 && matches!(byte, b'[' | b'O') {
            return;
        }
        if byte.is_ascii_digit() && self.begun.len() < 8 {
            return;
        }
        match &self.begun[1..] {
            b"[A" | b"OA" => self.back(),
            b"[B" | b"OB" => self.forth(),
            b"[C" | b"OC" => self.at = (self.at + 1).min(self.text.len()),
            b"[D" | b"OD" => self.at = self.at.saturating_sub(1),
            b"[H" | b"OH" | b"[1~" => self.at = 0,
            b"[F" | b"OF" | b"[4~" => self.at = self.text.len(),
            b"[3~" => self.delete(),
            _ => {}
        }
        self.begun.clear();
    }

    fn delete(&mut self) {
        if self.at < self.text.len() {
            self.text.remove(self.at);
        }
    }

    fn enter(&mut self) -> Key {
        let line: String = self.text.drain(..).collect();
        self.at = 0;
        if !line.trim().is_empty() && self.earlier.last() != Some(&line) {
            if self.earlier.len() == REMEMBERED {
                self.earlier.remove(0);
            }
            self.earlier.push(line.clone());
        }
        self.shown = self.earlier.len();
        Key::Entered(line)
    }

    fn back(&mut self) {
        if self.shown > 0 {
            self.shown -= 1;
            let line = self.earlier[self.shown].clone();
            self.show(&line);
        }
    }

    fn forth(&mut self) {
        self.shown = (self.shown + 1).min(self.earlier.len());
        let line = self.earlier.get(self.shown).cloned();
        self.show(&line.unwrap_or_default());
    }

    fn show(&mut self, line: &str) {
        self.text = line.chars().collect();
        self.at = self.text.len();
    }

    /// The line on the terminal, behind a prompt, with the cursor where it belongs.
    fn draw(&self, prompt: &str, out: &mut dyn Write) -> io::Result<()> {
        let text: String = self.text.iter().collect();
        write!(out, "\r{prompt}{text}\x1b[K")?;
        match self.text.len() - self.at {
            0 => {}
            behind => write!(out, "\x1b[{behind}D")?,
        }
        out.flush()
    }

    /// Reads a line from a terminal; `None` at the end of the input, or where there is no terminal.
    pub(super) fn read(
        &mut self,
        prompt: &str,
        input: &mut dyn BufRead,
        out: &mut dyn Write,
    ) -> io::Result<Option<String>> {
        let _raw = Raw::begin()?;
        self.draw(prompt, out)?;
        let mut byte = [0];
        loop {
            if input.read(&mut byte)? == 0 {
                return Ok(None);
            }
            match self.press(byte[0]) {
                Key::Typed => self.draw(prompt, out)?,
                Key::Left => return Ok(None),
                Key::Entered(line) => {
                    write!(out, "\r\n")?;
                    out.flush()?;
                    return Ok(Some(line));
                }
            }
        }
    }
}

/// Whether somebody sits at a terminal.
pub(super) fn at_a_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// A terminal that gives keys as they are pressed, for as long as this lives.
struct Raw(Termios);

impl Raw {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing back.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &mut Line, keys: &str) -> Vec<Key> {
        let keys = keys.bytes().map(|byte| line.press(byte));
        keys.filter(|key| *key != Key::Typed).collect()
    }

    fn entered(line: &str) -> Vec<Key> {
        vec![Key::Entered(line.to_owned())]
    }

    #[test]
    fn a_line_is_typed_and_mended() {
        let mut line = Line::default();
        assert_eq!(typed(&mut line, "stat\x7f\x7ftus\r"), entered("sttus"));
        assert_eq!(
            typed(&mut line, "sttus\x1b[D\x1b[D\x1b[Da\r"),
            entered("status")
        );
        assert_eq!(typed(&mut line, "ing\x01p\x05!\x7f\r"), entered("ping"));
        assert_eq!(
            typed(&mut line, "xyz\x15über\x1b[H\x1b[3~\r"),
            entered("ber")
        );
    }

    #[test]
    fn earlier_lines_come_back() {
        let mut line = Line::default();
        typed(&mut line, "one\rtwo\rtwo\r");
        assert_eq!(typed(&mut line, "\x1b[A\x1b[A\r"), entered("one"));
        assert_eq!(typed(&mut line, "\x1b[A\x1b[A\x1b[B\r"), entered("one"));
        assert_eq!(typed(&mut line, "ping\x03\x1b[A\r"), entered("one"));
    }

    #[test]
    fn the_end_of_the_input_is_only_on_an_empty_line() {
        let mut line = Line::default();
        assert_eq!(typed(&mut line, "a\x04"), []);
        assert_eq!(typed(&mut line, "\x7f\x04"), [Key::Left]);
    }
}
