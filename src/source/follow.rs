//! One path, followed through rotations: what bears the name now, and what bore it before as long
//! as it may still be written. Pure but for [`Files`]; `follow/tests.rs` holds it against a model.
//!
//! A file that was renamed away stays open and is read before the new one, to its end and on: its
//! writer may not have noticed. It is given up when its last name is gone, or when the next
//! rotation makes it the second last. fail2ban loses what is written there.

use std::path::Path;

use super::SourceError;
use super::chunk::{Chunk, Position};
use super::encoding::Encoding;
use super::reader::{Content, Identity, Read, Reader, Rotation};

/// Where paths lead.
pub(super) trait Files {
    type File: Content;
    /// Who bears the name; `None` if nobody does.
    fn look(&self, path: &Path) -> Result<Option<Identity>, SourceError>;
    /// Opens it for reading; `None` if it is gone.
    fn open(&self, path: &Path) -> Result<Option<Self::File>, SourceError>;
}

/// What one step came to.
#[derive(Debug)]
pub(super) enum Step {
    Lines(Chunk),
    /// Lines of the file that bore the name before.
    OldLines(Chunk),
    /// Something was done, more may be there to do.
    Busy,
    /// The path leads to a file for the first time, or again after it was given up. Reading begins
    /// at 0 unless the reader is told otherwise.
    Found,
    /// Reading begins at 0 likewise: even if another file bears the name, it may have been read.
    Rotated(Rotation),
    /// Nothing bears the name (any more).
    Missing,
    /// Something is in the way; said once, until it is over.
    Failed(SourceError),
    /// What was in the way is gone, or the file bears its name again.
    Recovered,
    /// Nothing to do until the file or its name changes.
    Idle,
}

#[derive(Debug)]
pub(super) struct Follower<F> {
    encoding: Encoding,
    current: Option<Reader<F>>,
    /// What bore the name before `current`.
    older: Option<Reader<F>>,
    /// How far files were read that were closed, should one come back.
    closed: Vec<(Identity, Position)>,
    /// Somebody else reads `current`.
    parked: bool,
    /// The name may lead elsewhere now.
    look: bool,
    /// It was said that nothing bears the name.
    missing: bool,
    /// It was ever so: what bears it now came late.
    late: bool,
    /// Why the name leads nowhere we can read, as it was said.
    trouble: Option<SourceError>,
    /// Why the open file cannot be read, as it was said.
    unreadable: Option<SourceError>,
    /// It is to be said that something is over.
    recovered: bool,
}

impl<F: Content> Follower<F> {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            current: None,
            older: None,
            closed: Vec::new(),
            parked: false,
            look: true,
            missing: false,
            late: false,
            trouble: None,
            unreadable: None,
            recovered: false,
        }
    }

    /// The name may lead elsewhere: the next steps look.
    pub(super) fn look(&mut self) {
        self.look = true;
    }

    /// The file that bears the name, or did last.
    pub(super) fn current(&self) -> Option<&Reader<F>> {
        self.current.as_ref()
    }

    pub(super) fn current_mut(&mut self) -> Option<&mut Reader<F>> {
        self.current.as_mut()
    }

    /// The file that bore the name before, as long as it is read.
    pub(super) fn older_file(&self) -> Option<&F> {
        self.older.as_ref().map(Reader::file)
    }

    /// The file that bears the name, or did last, if it is read here.
    pub(super) fn current_file(&self) -> Option<&F> {
        let current = self.current.as_ref().filter(|_| !self.parked);
        current.map(Reader::file)
    }

    /// The files it reads.
    pub(super) fn open_files(&self) -> impl Iterator<Item = &F> {
        self.older_file().into_iter().chain(self.current_file())
    }

    /// Whether a log is read in this encoding.
    pub(super) fn reads(&self, encoding: &Encoding) -> bool {
        self.encoding == *encoding
    }

    /// Leaves the current file unread, for it is read under another name.
    pub(super) fn park(&mut self) {
        self.parked = true;
    }

    /// Reads a file left unread after all, from where the other reader stopped.
    pub(super) fn resume(&mut self, file: Identity, place: Position) -> bool {
        let current = self.current.as_mut().filter(|_| self.parked);
        let Some(reader) = current.filter(|reader| reader.file().identity() == file) else {
            return false;
        };
        reader.seek(place.offset);
        self.parked = false;
        true
    }

    /// Whether nothing bore the name once, since it is followed.
    pub(super) fn came_late(&self) -> bool {
        self.late
    }

    /// The current file, if it lost this name, for whoever found it under another; with how far it
    /// was read.
    pub(super) fn hand_over(&mut self, file: Identity) -> Option<Position> {
        let held = self.current.as_ref()?.file().identity();
        if !self.missing || self.parked || held != file {
            return None;
        }
        self.current.take().map(|reader| reader.position())
    }

    pub(super) fn is_missing(&self) -> bool {
        self.missing
    }

    pub(super) fn is_in_trouble(&self) -> bool {
        self.trouble.is_some() || self.unreadable.is_some()
    }

    /// Whether it holds a deleted file open, for which there is no other yet.
    pub(super) fn holds_a_deleted_file(&self) -> bool {
        let deleted = |reader: &Reader<F>| reader.stat().is_ok_and(|stat| stat.links == 0);
        self.missing && self.current.as_ref().is_some_and(deleted)
    }

    /// Closes what nothing will be written to.
    pub(super) fn give_up(&mut self) {
        for reader in [self.older.take(), self.current.take()] {
            self.remember(reader);
        }
    }

    /// The files closed since the last time this was asked, and how far they were read. A file
    /// may come back under this name or another: who asks shall know where to go on.
    pub(super) fn take_closed(&mut self) -> Vec<(Identity, Position)> {
        std::mem::take(&mut self.closed)
    }

    fn remember(&mut self, reader: Option<Reader<F>>) {
        if let Some(reader) = reader {
            self.closed
                .push((reader.file().identity(), reader.position()));
        }
    }

    /// Does the next thing; at most one read.
    pub(super) fn step(
        &mut self,
        path: &Path,
        files: &impl Files<File = F>,
        scratch: &mut [u8],
    ) -> Step {
        let step = self.next(path, files, scratch);
        if matches!(step, Step::Idle) && std::mem::take(&mut self.recovered) {
            return Step::Recovered;
        }
        step
    }

    fn next(&mut self, path: &Path, files: &impl Files<File = F>, scratch: &mut [u8]) -> Step {
        if self.look
            && let Some(step) = self.look_again(path, files, scratch)
        {
            return step;
        }
        if let Some(step) = self.read_older(scratch) {
            return step;
        }
        self.read_current(scratch)
    }

    /// Finds out who bears the name; `None` if that changes nothing.
    fn look_again(
        &mut self,
        path: &Path,
        files: &impl Files<File = F>,
        scratch: &mut [u8],
    ) -> Option<Step> {
        let found = match files.look(path) {
            Ok(found) => found,
            Err(error) => return self.fail(error),
        };
        let held = self.current.as_ref().map(|reader| reader.file().identity());
        match found {
            None => {
                self.look = false;
                self.late = true;
                // No recovery: that it is missing is the news.
                self.trouble = None;
                let said = std::mem::replace(&mut self.missing, true);
                (!said).then_some(Step::Missing)
            }
            Some(found) if Some(found) == held => {
                self.look = false;
                self.recovered |= self.trouble.take().is_some();
                self.recovered |= std::mem::take(&mut self.missing);
                None
            }
            // The file before the last is read to its end before it is given up.
            Some(_) if self.older.is_some() => match self.read_older(scratch) {
                Some(step) => Some(step),
                None => {
                    let older = self.older.take();
                    self.remember(older);
                    Some(Step::Busy)
                }
            },
            Some(_) => self.open(path, files, scratch),
        }
    }

    /// Opens who bears the name now. The next step looks again, for it may have changed since.
    fn open(
        &mut self,
        path: &Path,
        files: &impl Files<File = F>,
        scratch: &mut [u8],
    ) -> Option<Step> {
        let file = match files.open(path) {
            Ok(Some(file)) => file,
            Ok(None) => return Some(Step::Busy),
            Err(error) => return self.fail(error),
        };
        let reader = match Reader::open(file, &self.encoding, scratch) {
            Ok(reader) => reader,
            Err(error) => return self.fail(SourceError::from(&error)),
        };
        self.recovered |= self.trouble.take().is_some();
        self.missing = false;
        let held = self.current.as_ref().map(|reader| reader.file().identity());
        if held == Some(reader.file().identity()) {
            return Some(Step::Busy);
        }
        self.parked = false;
        self.older = self.current.replace(reader);
        match self.older {
            Some(_) => Some(Step::Rotated(Rotation::Replaced)),
            None => Some(Step::Found),
        }
    }

    fn read_older(&mut self, scratch: &mut [u8]) -> Option<Step> {
        let older = self.older.as_mut()?;
        match older.read(scratch) {
            Ok(Read::Lines(chunk)) => {
                let now = self.current.as_ref().map(Reader::position);
                Some(Step::OldLines(chunk.at(now.unwrap_or_default())))
            }
            Ok(Read::Part | Read::Rotated(_)) => Some(Step::Busy),
            Ok(Read::End) => {
                if older.stat().map_or(true, |stat| stat.links == 0) {
                    self.older = None;
                }
                None
            }
            Err(_) => {
                self.older = None;
                None
            }
        }
    }

    fn read_current(&mut self, scratch: &mut [u8]) -> Step {
        let Some(current) = self.current.as_mut().filter(|_| !self.parked) else {
            return Step::Idle;
        };
        let read = current.read(scratch);
        if read.is_ok() {
            self.recovered |= self.unreadable.take().is_some();
        }
        match read {
            Ok(Read::Lines(chunk)) => Step::Lines(chunk),
            Ok(Read::Part) => Step::Busy,
            Ok(Read::End) => Step::Idle,
            Ok(Read::Rotated(rotation)) => Step::Rotated(rotation),
            Err(error) => {
                let error = SourceError::from(&error);
                if self.unreadable.as_ref() == Some(&error) {
                    return Step::Idle;
                }
                self.unreadable = Some(error.clone());
                Step::Failed(error)
            }
        }
    }

    /// The name leads nowhere we can read.
    fn fail(&mut self, error: SourceError) -> Option<Step> {
        self.look = false;
        if self.trouble.as_ref() == Some(&error) {
            return None;
        }
        self.trouble = Some(error.clone());
        self.missing = false;
        Some(Step::Failed(error))
    }
}

#[cfg(test)]
mod tests;
