//! Lines rendered for one target, and how far they have been written.

use std::ops::Range;

use crate::model::Time;

use super::entry::Entry;

/// Renders one message for a target, without the newline: bytes are appended.
pub(super) type Render<'a> = dyn FnMut(&Entry, &mut Vec<u8>) + 'a;

/// Some lines on their way. It keeps the messages beside their bytes, so that what one target did
/// not take can be rendered anew for another.
#[derive(Debug, Default)]
pub(super) struct Batch {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    /// Where each line ends in `bytes`, its newline (if the target wants one) included.
    ends: Vec<usize>,
    /// Whole lines written.
    lines_done: usize,
    /// Bytes written; in the middle of a line after a short write.
    bytes_done: usize,
}

impl Batch {
    /// Replaces what is left of the batch.
    pub(super) fn fill(&mut self, entries: Vec<Entry>, render: &mut Render<'_>) {
        self.entries = entries;
        self.lines_done = 0;
        self.render(render);
    }

    /// Renders what is not yet wholly written anew, for another target or another file: a line of
    /// which the one before took a part is written whole.
    pub(super) fn render(&mut self, render: &mut Render<'_>) {
        self.entries.drain(..self.lines_done);
        self.lines_done = 0;
        self.bytes_done = 0;
        self.bytes.clear();
        self.ends.clear();
        for entry in &self.entries {
            render(entry, &mut self.bytes);
            self.ends.push(self.bytes.len());
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.lines_done == self.ends.len()
    }

    /// When the newest of its messages was logged.
    pub(super) fn time(&self) -> Time {
        self.entries
            .last()
            .map_or(Time::default(), |entry| entry.time)
    }

    /// Bytes not yet written.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.bytes_done..]
    }

    /// The next line as one datagram.
    pub(super) fn line(&self) -> &[u8] {
        &self.bytes[self.range(self.lines_done)]
    }

    /// `count` more bytes are written.
    pub(super) fn advance(&mut self, count: usize) {
        self.bytes_done += count;
        while self
            .ends
            .get(self.lines_done)
            .is_some_and(|end| *end <= self.bytes_done)
        {
            self.lines_done += 1;
        }
    }

    /// The next line is written, or cannot be.
    pub(super) fn advance_line(&mut self) {
        self.bytes_done = self.range(self.lines_done).end;
        self.lines_done += 1;
    }

    /// Begins the line of which a part is written again, because its file is gone.
    pub(super) fn restart_line(&mut self) {
        self.bytes_done = self.range(self.lines_done).start;
    }

    /// How far the batch is; to come [`back_to`](Self::back_to).
    pub(super) fn mark(&self) -> (usize, usize) {
        (self.lines_done, self.bytes_done)
    }

    /// Begins again at a mark, because the file that took what follows is gone.
    pub(super) fn back_to(&mut self, (lines, bytes): (usize, usize)) {
        self.lines_done = lines;
        self.bytes_done = bytes;
    }

    /// Gives the messages back, and buffers beyond `spare` bytes.
    pub(super) fn forget(&mut self, spare: usize) {
        self.fill(Vec::new(), &mut |_, _| {});
        self.bytes.shrink_to(spare);
        self.ends.shrink_to(spare / size_of::<usize>());
    }

    fn range(&self, line: usize) -> Range<usize> {
        let start = line.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends.get(line).copied().unwrap_or(start)
    }
}
