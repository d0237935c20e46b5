//! What was written to a log before it was rotated, while nobody watched: the files that bore its
//! name then are gone through in order, as if the rotations happened now, before the log itself.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::{Files, Follower, Tools};
use crate::source::chunk::Position;
use crate::source::event::LogId;
use crate::source::reader::{Content, Reader};

/// So many of the latest rotated files are looked at; behind them lie months.
const LOOKED_AT: usize = 16;

impl<F: Content> Follower<F> {
    /// The rotated files of a log that have something its members have not read, the oldest first.
    pub(super) fn unread<D>(&self, id: LogId, tools: &mut Tools<'_, D>) -> VecDeque<PathBuf>
    where
        D: Files<File = F>,
    {
        let Some(log) = self.logs.get(&id) else {
            return VecDeque::new();
        };
        let members = log.members().iter();
        let stored = members.filter_map(|member| tools.wishes.stored(log, *member));
        let mut places: Vec<Position> = stored.filter(|place| place.hash.is_some()).collect();
        if places.is_empty() {
            return VecDeque::new();
        }
        let now = self.found(&log.path, log.encoding, tools);
        places.retain(|place| !now.as_ref().is_some_and(|now| now.is_at(*place)));
        if places.is_empty() {
            return VecDeque::new();
        }
        let mut versions = tools.files.versions(&log.path);
        versions.drain(..versions.len().saturating_sub(LOOKED_AT));
        let mut rest = VecDeque::new();
        let mut oldest = 0;
        // The latest first: a name may be anything's, and what begins alike is more likely late.
        for path in versions.into_iter().rev() {
            let Some(found) = self.found(&path, log.encoding, tools) else {
                continue;
            };
            let identity = found.file().identity();
            if now
                .as_ref()
                .is_some_and(|now| now.file().identity() == identity)
            {
                continue;
            }
            rest.push_front(path);
            let before = places.len();
            places.retain(|place| !found.is_at(*place));
            if places.len() < before {
                oldest = rest.len();
            }
            if places.is_empty() {
                break;
            }
        }
        rest.drain(..rest.len() - oldest);
        rest
    }

    fn found<D>(&self, path: &Path, encoding: usize, tools: &mut Tools<'_, D>) -> Option<Reader<F>>
    where
        D: Files<File = F>,
    {
        let file = tools.files.open(path).ok().flatten()?;
        Reader::open(file, &self.encodings[encoding], tools.scratch).ok()
    }
}
