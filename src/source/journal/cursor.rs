//! A place in a journal, written as systemd writes its cursors, so that `journalctl
//! --after-cursor` takes it too.

use std::fmt;

use crate::model::Time;

use super::file::{Head, Id};

/// Behind which entry to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) seqnum_id: Id,
    pub(super) seqnum: u64,
    boot: Id,
    monotonic: u64,
    pub(super) realtime: u64,
    hash: u64,
}

impl Cursor {
    pub(super) const fn new(seqnum_id: Id, head: &Head) -> Self {
        Self {
            seqnum_id,
            seqnum: head.seqnum,
            boot: head.boot,
            monotonic: head.monotonic,
            realtime: head.realtime,
            hash: head.hash,
        }
    }

    /// Reads `s=…;i=…;b=…;m=…;t=…;x=…`, in any order.
    pub fn parse(text: &str) -> Option<Self> {
        let part = |name: &str| {
            text.split(';')
                .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let number = |name| u64::from_str_radix(part(name)?, 16).ok();
        let id = |name| {
            let text = part(name).filter(|text| text.len() == 32)?;
            u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
        };
        Some(Self {
            seqnum_id: id("s")?,
            seqnum: number("i")?,
            boot: id("b")?,
            monotonic: number("m")?,
            realtime: number("t")?,
            hash: number("x")?,
        })
    }

    /// When journald received the entry.
    pub fn time(&self) -> Time {
        Time::from_micros(i64::try_from(self.realtime).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "s={:032x};i={:x};b={:032x};m={:x};t={:x};x={:x}",
            u128::from_be_bytes(self.seqnum_id),
            self.seqnum,
            u128::from_be_bytes(self.boot),
            self.monotonic,
            self.realtime,
            self.hash
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        let text = "s=0639b7ad9b2e4a8c8f6b7a4f5f3a2b1c;i=1f;b=8f6b7a4f5f3a2b1c0639b7ad9b2e4a8c;m=5f;t=5e2f3a1b4c5d6;x=abcdef";
        let cursor = Cursor::parse(text).expect("a cursor");
        assert_eq!(cursor.to_string(), text);
        assert_eq!(cursor.time().micros(), 0x5_e2f3_a1b4_c5d6);
    }

    #[test]
    fn what_fail2ban_writes_there_is_no_cursor() {
        for text in ["", "2024-01-02T03:04:05", "s=1;i=1;b=2;m=3;t=4;x=5"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
