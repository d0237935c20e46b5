//! What was written to a log before it was rotated, while nobody watched: the files that bore its
//! name then are gone through in order, as if the rotations happened now, before the log itself.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::{Files, Follower, Tools};
use crate::source::chunk::Position;
use crate::source::event::LogId;
use crate::source::open::Open;
use crate::source::reader::{Content, Identity, Reader};

/// So many of the latest rotated files are looked at; behind them lie months.
const LOOKED_AT: usize = 16;

impl<F: Content> Follower<F> {
    /// The rotated files of a log that have something its members have not read, the oldest first.
    pub(super) fn unread<D>(
        &self,
        id: LogId,
        tools: &mut Tools<'_, D>,
    ) -> VecDeque<(PathBuf, Identity)>
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
            rest.push_front((path, identity));
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

    /// The rotated files that bore a log's name after the one that is open and before the one that
    /// was `found` there now: they came and went between two looks.
    pub(super) fn between<D>(
        &self,
        id: LogId,
        found: Identity,
        tools: &mut Tools<'_, D>,
    ) -> VecDeque<(PathBuf, Identity)>
    where
        D: Files<File = F>,
    {
        let log = self.logs.get(&id);
        let Some((log, leads)) = log.and_then(|log| Some((log, log.leads?))) else {
            return VecDeque::new();
        };
        let place = self.open.get(&leads).map(Open::position);
        let mut between = VecDeque::new();
        // The latest first, up to the one that is open; without that nothing is known of them.
        let versions = tools.files.versions(&log.path);
        for path in versions.into_iter().rev().take(LOOKED_AT) {
            match tools.files.look(&path) {
                Ok(Some(identity)) if identity == leads.identity => return between,
                Ok(Some(identity)) if identity != found => between.push_front((path, identity)),
                Ok(_) | Err(_) => continue,
            }
            let candidate = between
                .front()
                .and_then(|(path, _)| self.found(path, log.encoding, tools));
            let is_copy = |reader: &Reader<F>| place.is_some_and(|place| reader.is_at(place));
            if candidate.is_none_or(|reader| is_copy(&reader)) {
                between.pop_front();
            }
        }
        VecDeque::new()
    }

    fn found<D>(&self, path: &Path, encoding: usize, tools: &mut Tools<'_, D>) -> Option<Reader<F>>
    where
        D: Files<File = F>,
    {
        let file = tools.files.open(path).ok().flatten()?;
        Reader::open(file, &self.encodings[encoding], tools.scratch).ok()
    }
}
