//! A journal file's bytes, a few pages of it in memory. Mapping the file would need no copies, but
//! all that was looked at would count as ours, and a file cut short under us would kill the daemon.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// One look at the file: the objects of one entry mostly lie side by side.
const PAGE: usize = 4096;

/// So many are kept: the array of entries, the entry, and a few of the fields it shares with others.
const KEPT: usize = 8;

#[derive(Debug)]
pub(super) struct Pages {
    file: File,
    kept: Vec<Page>,
    /// The place of the page that goes next.
    oldest: usize,
}

#[derive(Debug)]
struct Page {
    at: u64,
    bytes: Vec<u8>,
}

impl Pages {
    pub(super) const fn new(file: File) -> Self {
        Self {
            file,
            kept: Vec::new(),
            oldest: 0,
        }
    }

    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// Forgets what was read: it may have been written again.
    pub(super) fn refresh(&mut self) {
        self.kept.clear();
        self.oldest = 0;
    }

    /// Fills a small buffer.
    pub(super) fn read(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            let here = at
                .checked_add(done as u64)
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            let start = here - here % PAGE as u64;
            let within = (here - start) as usize;
            let page = self.page(start)?;
            let bytes = page.get(within..).unwrap_or_default();
            if bytes.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let count = bytes.len().min(buffer.len() - done);
            buffer[done..done + count].copy_from_slice(&bytes[..count]);
            done += count;
        }
        Ok(())
    }

    /// Reads a longer stretch, past the pages.
    pub(super) fn read_long(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    fn page(&mut self, start: u64) -> io::Result<&[u8]> {
        let known = self.kept.iter().position(|page| page.at == start);
        let place = match known {
            Some(place) => place,
            None => self.load(start)?,
        };
        Ok(&self.kept[place].bytes)
    }

    fn load(&mut self, start: u64) -> io::Result<usize> {
        let place = if self.kept.len() < KEPT {
            self.kept.push(Page {
                at: 0,
                bytes: Vec::new(),
            });
            self.kept.len() - 1
        } else {
            self.oldest = (self.oldest + 1) % KEPT;
            self.oldest
        };
        let page = &mut self.kept[place];
        // Nothing is known of the page until all of it has been read.
        page.at = u64::MAX;
        page.bytes.resize(PAGE, 0);
        let mut filled = 0;
        while filled < PAGE {
            let at = start + filled as u64;
            match self.file.read_at(&mut page.bytes[filled..], at) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        page.bytes.truncate(filled);
        page.at = start;
        Ok(place)
    }
}
