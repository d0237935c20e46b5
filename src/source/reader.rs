//! One file, from one open to its close: whole lines out, half a line kept until its end comes, and
//! a look at the file's beginning that tells when it was rewritten under us. Pure but for [`Content`].

use std::io;

use sha1::{Digest, Sha1};

use super::LINE_MAX;
use super::chunk::{Chunk, LineHash, Position};
use super::encoding::Encoding;

/// An open file.
pub(super) trait Content {
    /// Device and inode.
    fn identity(&self) -> Identity;
    fn stat(&self) -> io::Result<Stat>;
    /// Reads at a byte offset, without moving anything; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Where something was written, at or behind an offset; what is before is a hole of NULs.
    fn data_from(&self, offset: u64) -> io::Result<u64>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) size: u64,
    /// Names that lead to the file; none is left of a deleted one.
    pub(super) links: u64,
}

/// What became of a file that is no longer the one it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Another file bears the name.
    Replaced,
    /// It is shorter than what was read of it.
    Truncated,
    /// It is as long, but does not begin as it did: truncated and written again.
    Rewritten,
}

/// What one read came to.
#[derive(Debug)]
pub(super) enum Read {
    Lines(Chunk),
    /// Something, but no whole line.
    Part,
    End,
    /// Everything starts again at 0.
    Rotated(Rotation),
}

/// Bytes of the beginning that are compared: two or three log lines, dates and process numbers
/// included, so that two files hardly share them.
const HEAD: usize = 256;

/// Bytes before a place that are compared: what begins with a header as long as that is known by
/// these.
const TAIL: usize = 256;

#[derive(Debug)]
pub(super) struct Reader<F> {
    file: F,
    /// As configured; `encoding` is what the file's first bytes make of it.
    configured: Encoding,
    encoding: Encoding,
    /// The first bytes, as far as they have been read.
    head: Vec<u8>,
    hash: Option<LineHash>,
    /// Where the line that comes next begins.
    start: u64,
    /// The bytes before it, as many as [`TAIL`] or there are; none until the first read there.
    tail: Vec<u8>,
    mark: Option<LineHash>,
    /// What has been read of it, up to [`LINE_MAX`].
    partial: Vec<u8>,
    /// What was thrown away behind `partial`.
    skipped: u64,
    /// Read only up to here; the start of a line.
    limit: u64,
}

impl<F: Content> Reader<F> {
    /// Looks at the beginning of an open file; reading starts at 0.
    pub(super) fn open(file: F, encoding: &Encoding, scratch: &mut [u8]) -> io::Result<Self> {
        let mut reader = Self {
            file,
            configured: encoding.clone(),
            encoding: encoding.clone(),
            head: Vec::new(),
            hash: None,
            start: 0,
            tail: Vec::new(),
            mark: None,
            partial: Vec::new(),
            skipped: 0,
            limit: u64::MAX,
        };
        reader.hash = reader.first_line(scratch)?;
        Ok(reader)
    }

    pub(super) fn file(&self) -> &F {
        &self.file
    }

    pub(super) fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// Where the next line begins.
    pub(super) fn position(&self) -> Position {
        Position {
            offset: self.start,
            hash: self.hash,
            mark: self.mark,
        }
    }

    /// Whether this is what was read up to `place` before, by the first line and by what stands
    /// before the place, which must be the end of a line.
    pub(super) fn is_at(&self, place: Position) -> bool {
        if place.hash.is_none() || place.hash != self.hash {
            return false;
        }
        let mut window = [0; TAIL];
        let window = &mut window[..before(place.offset)];
        let Ok(true) = self.fill(window, place.offset - window.len() as u64) else {
            return false;
        };
        window.is_empty()
            || self.encoding.last_line_end(window) == Some(window.len())
                && place.mark.is_none_or(|mark| mark == mark_of(window))
    }

    /// Goes on at the start of a line.
    pub(super) fn seek(&mut self, offset: u64) {
        self.start = offset;
        self.tail.clear();
        self.mark = None;
        self.partial = Vec::new();
        self.skipped = 0;
    }

    /// Reads no further than the start of a line; [`Read::End`] is said there.
    pub(super) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Reads once, at most `scratch` bytes.
    pub(super) fn read(&mut self, scratch: &mut [u8]) -> io::Result<Read> {
        self.know_tail()?;
        let at = self.end();
        let room = self.limit.saturating_sub(at).min(scratch.len() as u64);
        let buffer = &mut scratch[..room as usize];
        let count = self.file.read_at(buffer, at)?;
        // Half a UTF-16 unit is read again when it is whole.
        let count = count - count % self.encoding.unit();
        let data = &buffer[..count];
        if let Some(rotation) = self.change(at + count as u64)? {
            // Either these bytes are of the new text, or the change came after them. Text that is
            // there still is the new one's, and will come again.
            if count == 0 || self.is_there(data, at)? {
                self.restart();
                return Ok(Read::Rotated(rotation));
            }
        }
        if count == 0 {
            return Ok(Read::End);
        }
        self.remember_head(data, at);
        if data.iter().all(|byte| *byte == 0) && self.skip_hole(at, count as u64)? {
            return Ok(Read::Part);
        }
        Ok(self.take(data, at).map_or(Read::Part, Read::Lines))
    }

    /// A program that goes on writing where it was after its log was truncated leaves a hole there,
    /// perhaps gibibytes of it. It is no part of the line behind it. `true` if there was one.
    fn skip_hole(&mut self, at: u64, count: u64) -> io::Result<bool> {
        let nothing_yet = self.skipped == 0 && self.partial.iter().all(|byte| *byte == 0);
        let data = if nothing_yet {
            self.file.data_from(at)?
        } else {
            at
        };
        let skips = data >= at + count;
        if skips {
            self.seek(data.min(self.limit));
        }
        Ok(skips)
    }

    pub(super) fn stat(&self) -> io::Result<Stat> {
        self.file.stat()
    }

    /// Behind the last byte read.
    fn end(&self) -> u64 {
        self.start + self.partial.len() as u64 + self.skipped
    }

    /// Looks at what stands before the place to go on at, if that is not known.
    fn know_tail(&mut self) -> io::Result<()> {
        let wanted = before(self.start);
        if self.tail.len() < wanted {
            let mut window = [0; TAIL];
            let window = &mut window[..wanted];
            // Else the file has shrunk, and reading on will find that out.
            if self.fill(window, self.start - wanted as u64)? {
                self.tail = window.to_vec();
            }
        }
        if self.mark.is_none() && self.tail.len() == wanted && wanted > 0 {
            self.mark = Some(mark_of(&self.tail));
        }
        Ok(())
    }

    /// Keeps the end of what lies before the place to go on at.
    fn remember_tail(&mut self, lines: &[u8]) {
        let new = &lines[lines.len().saturating_sub(TAIL)..];
        let kept = TAIL - new.len();
        let old = self.tail.len().saturating_sub(kept);
        self.tail.drain(..old);
        self.tail.extend_from_slice(new);
        self.mark = None;
    }

    /// Reads as much as the buffer holds; `false` where the file ends before.
    fn fill(&self, buffer: &mut [u8], at: u64) -> io::Result<bool> {
        let mut done = 0;
        while done < buffer.len() {
            match self.file.read_at(&mut buffer[done..], at + done as u64)? {
                0 => return Ok(false),
                count => done += count,
            }
        }
        Ok(true)
    }

    /// Whether the file is still the one of which bytes up to `end` were read.
    fn change(&self, end: u64) -> io::Result<Option<Rotation>> {
        if self.file.stat()?.size < end {
            return Ok(Some(Rotation::Truncated));
        }
        let before = self.start.saturating_sub(self.tail.len() as u64);
        let same = self.is_there(&self.head, 0)? && self.is_there(&self.tail, before)?;
        Ok((!same).then_some(Rotation::Rewritten))
    }

    fn is_there(&self, bytes: &[u8], at: u64) -> io::Result<bool> {
        let mut found = [0; HEAD];
        let mut done = 0;
        while done < bytes.len() {
            let piece = &bytes[done..(done + HEAD).min(bytes.len())];
            let count = self
                .file
                .read_at(&mut found[..piece.len()], at + done as u64)?;
            if count == 0 || found[..count] != piece[..count] {
                return Ok(false);
            }
            done += count;
        }
        Ok(true)
    }

    fn restart(&mut self) {
        self.seek(0);
        self.head.clear();
        self.hash = None;
        self.limit = u64::MAX;
        self.encoding = self.configured.clone();
    }

    /// Adds to the head what `data`, read at `at`, has of it.
    fn remember_head(&mut self, data: &[u8], at: u64) {
        let known = (self.head.len() as u64)
            .checked_sub(at)
            .map(|known| known as usize);
        if let Some(new) = known.and_then(|known| data.get(known..))
            && self.head.len() < HEAD
        {
            let missing = (HEAD - self.head.len()).min(new.len());
            self.head.extend_from_slice(&new[..missing]);
            self.encoding = self.configured.for_file(&self.head);
        }
    }

    /// Splits the whole lines off what has been read at `at`.
    fn take(&mut self, data: &[u8], at: u64) -> Option<Chunk> {
        let Some(last) = self.encoding.last_line_end(data) else {
            self.keep(data);
            return None;
        };
        let (lines, rest) = data.split_at(last);
        let (completed, cut) = self.complete(lines);
        let raw = completed.as_deref().unwrap_or(lines);
        let at_start = self.start == 0;
        if at_start && self.hash.is_none() && !cut {
            let end = memchr::memchr(b'\n', raw);
            self.hash = end.map(|end| line_hash(Sha1::new().chain_update(&raw[..=end])));
        }
        let (text, invalid) = self.encoding.decode(raw, at_start);
        if cut {
            // What was thrown away of the line is read again.
            self.tail.clear();
            self.mark = None;
        } else {
            self.remember_tail(raw);
        }
        self.start = at + last as u64;
        self.skipped = 0;
        self.keep(rest);
        // Without it the place is known less well.
        let _ = self.know_tail();
        Some(Chunk::new(text, self.position(), invalid, cut))
    }

    /// Puts what was kept before `lines`, if anything was, and cuts the line so completed to
    /// [`LINE_MAX`]; says whether it had to.
    fn complete(&mut self, lines: &[u8]) -> (Option<Vec<u8>>, bool) {
        if self.partial.is_empty() {
            return (None, false);
        }
        let mut whole = std::mem::take(&mut self.partial);
        let first = self.encoding.first_line_end(lines).unwrap_or(lines.len());
        let text = first - self.encoding.unit();
        let room = LINE_MAX - whole.len();
        whole.extend_from_slice(&lines[..text.min(room)]);
        whole.extend_from_slice(&lines[text..]);
        (Some(whole), self.skipped > 0 || text > room)
    }

    /// Keeps the beginning of a line whose end is not written yet.
    fn keep(&mut self, data: &[u8]) {
        let room = LINE_MAX - self.partial.len();
        let (kept, skipped) = data.split_at(room.min(data.len()));
        self.partial.extend_from_slice(kept);
        self.skipped += skipped.len() as u64;
    }

    /// Reads the head, and the first line for its hash; `None` if it has no end yet, or is longer
    /// than any line we keep.
    fn first_line(&mut self, scratch: &mut [u8]) -> io::Result<Option<LineHash>> {
        let mut hash = Sha1::new();
        let mut at = 0;
        while at < LINE_MAX as u64 {
            let count = self.file.read_at(scratch, at)?;
            let data = &scratch[..count];
            self.remember_head(data, at);
            if let Some(end) = memchr::memchr(b'\n', data) {
                return Ok(Some(line_hash(hash.chain_update(&data[..=end]))));
            }
            if count == 0 {
                break;
            }
            hash.update(data);
            at += count as u64;
        }
        Ok(None)
    }
}

/// How many of the bytes before a place are looked at.
fn before(offset: u64) -> usize {
    offset.min(TAIL as u64) as usize
}

fn mark_of(window: &[u8]) -> LineHash {
    line_hash(Sha1::new().chain_update(window))
}

/// The hash of a line given with its newline.
fn line_hash(line: Sha1) -> LineHash {
    LineHash::new(line.finalize().into())
}

#[cfg(test)]
mod tests;
