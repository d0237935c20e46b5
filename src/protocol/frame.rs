//! Cutting a connection's bytes into messages: each ends with a marker.

/// Ends every message.
pub const END: &[u8] = b"<F2B_END_COMMAND>";
/// A message that says goodbye.
pub const CLOSE: &[u8] = b"<F2B_CLOSE_COMMAND>";
/// The longest message taken; a command stream of a thousand jails is a tenth of it.
pub const LIMIT: usize = 16 << 20;

/// Collects bytes until a message is whole.
#[derive(Debug)]
pub struct Splitter {
    limit: usize,
    buffer: Vec<u8>,
    /// Bytes already searched for the marker.
    searched: usize,
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new(LIMIT)
    }
}

/// A message longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Splitter {
    /// For messages of at most `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: Vec::new(),
            searched: 0,
        }
    }

    /// Takes bytes as they came.
    ///
    /// # Errors
    /// When the message they belong to is longer than anyone has use for.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.buffer.len() + bytes.len() > self.limit {
            return Err(TooLong);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole message, without its marker.
    pub fn next_message(&mut self) -> Option<Vec<u8>> {
        let from = self.searched.saturating_sub(END.len() - 1);
        let Some(found) = memchr::memmem::find(&self.buffer[from..], END) else {
            self.searched = self.buffer.len();
            return None;
        };
        let mut message = self.buffer.split_off(from + found + END.len());
        std::mem::swap(&mut message, &mut self.buffer);
        message.truncate(from + found);
        self.searched = 0;
        Some(message)
    }

    /// Whether a message has begun and not ended.
    pub fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_wherever_the_bytes_fall() {
        let stream = [b"one".as_slice(), END, b"", END, b"three", END, b"rest"].concat();
        for size in 1..stream.len() {
            let mut splitter = Splitter::default();
            let mut messages = Vec::new();
            for piece in stream.chunks(size) {
                splitter.push(piece).unwrap();
                messages.extend(std::iter::from_fn(|| splitter.next_message()));
            }
            assert_eq!(
                messages,
                [b"one".to_vec(), vec![], b"three".to_vec()],
                "pieces of {size}"
            );
            assert!(splitter.is_partial());
        }
    }

    #[test]
    fn a_message_without_end_is_refused_in_time() {
        let mut splitter = Splitter::default();
        let piece = vec![b'x'; LIMIT / 2];
        assert_eq!(splitter.push(&piece), Ok(()));
        assert_eq!(splitter.push(&piece), Ok(()));
        assert_eq!(splitter.push(b"x"), Err(TooLong));
    }
}
