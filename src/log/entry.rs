//! One message on its way to the target, and the escaping that keeps it one line.

use std::borrow::Cow;

use crate::model::{Level, Time};

/// The longest message kept, in bytes: far above anything fail2ban logs, small enough for one
/// datagram; a log line of a mebibyte quoted in a message costs no more than this.
const MESSAGE_MAX: usize = 32 * 1024;

/// One message, ready to be formatted.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) time: Time,
    pub(super) level: Level,
    /// Logger name and escaped message, in one allocation.
    text: Box<str>,
    name_len: usize,
}

impl Entry {
    pub(super) fn new(time: Time, level: Level, logger: &str, message: &str) -> Self {
        let message = escape(cut(message));
        let mut text = String::with_capacity(logger.len() + message.len());
        text.push_str(&escape(logger));
        let name_len = text.len();
        text.push_str(&message);
        Self {
            time,
            level,
            text: text.into_boxed_str(),
            name_len,
        }
    }

    pub(super) fn logger(&self) -> &str {
        &self.text[..self.name_len]
    }

    pub(super) fn message(&self) -> &str {
        &self.text[self.name_len..]
    }

    /// What it counts against the queue's bound, in bytes.
    pub(super) fn cost(&self) -> usize {
        self.text.len() + size_of::<Self>()
    }
}

/// The message up to [`MESSAGE_MAX`], at a character's border.
fn cut(message: &str) -> &str {
    if message.len() <= MESSAGE_MAX {
        return message;
    }
    let ends = (0..=MESSAGE_MAX).rev();
    let mut borders = ends.filter(|end| message.is_char_boundary(*end));
    &message[..borders.next().unwrap_or(0)]
}

/// Writes control characters the way Python's `repr` does, so that text from a log can neither
/// forge a line nor steer a terminal: `\n`, `\x1b`, `\u2028`.
///
/// Everything else stays as it is, backslashes too: fail2ban's own messages keep their text. A tab
/// is harmless and stays.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(is_dangerous) else {
        return Cow::Borrowed(text);
    };
    let mut safe = String::with_capacity(text.len() + 16);
    safe.push_str(&text[..first]);
    for c in text[first..].chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            c if !is_dangerous(c) => safe.push(c),
            c if (c as u32) < 0x100 => safe.push_str(&format!("\\x{:02x}", c as u32)),
            c => safe.push_str(&format!("\\u{:04x}", c as u32)),
        }
    }
    Cow::Owned(safe)
}

/// Controls, Unicode's line and paragraph separators, and the marks that reorder what is displayed.
fn is_dangerous(c: char) -> bool {
    match c {
        '\t' => false,
        ' '..='~' => false,
        '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_messages_keep_their_text() {
        for text in [
            "[sshd] Ban 192.0.2.1",
            r"7f855d -- stderr: '/bin/sh: 1: x: not found' \s+ \n",
            "  banTime: 600\tü 日本 \u{1f512}",
        ] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn a_message_cannot_forge_a_line_or_steer_a_terminal() {
        assert_eq!(escape("a\nb\r\nc"), r"a\nb\r\nc");
        assert_eq!(escape("\u{1b}[2J\u{0}\u{7f}"), r"\x1b[2J\x00\x7f");
        assert_eq!(escape("\u{9b}1m \u{85}"), r"\x9b1m \x85");
        assert_eq!(escape("a\u{2028}b\u{202e}c"), r"a\u2028b\u202ec");
    }

    #[test]
    fn a_huge_message_is_cut_at_a_characters_border() {
        let message = format!("x{}", "ü".repeat(MESSAGE_MAX));
        let entry = Entry::new(Time::default(), Level::Info, "fail2ban.filter", &message);
        assert_eq!(entry.message().len(), MESSAGE_MAX - 1);
        assert_eq!(entry.logger(), "fail2ban.filter");
    }
}
