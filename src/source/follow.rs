//! Paths followed through rotations: where each leads, which files are therefore open, and who
//! reads them. Pure but for [`Files`]; `follow/tests.rs` holds it against a model.
//!
//! A file that was renamed away stays open and is read before the new one, to its end and on: its
//! writer may not have noticed. It is closed when its last name is gone, or when the next rotation
//! makes it the second last; fail2ban loses what is written there. A file is one file under all
//! its names: who reads it under one does not get it again under another. What was renamed away
//! while nobody watched is gone through first ([`unread`]).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Span, Time};

use super::SourceError;
use super::chunk::{Chunk, Position};
use super::encoding::Encoding;
use super::event::{Audience, LogId, SourceEvent};
use super::former::Former;
use super::log::{Log, Member};
use super::open::{Open, Reading, Seat};
use super::reader::{Content, Identity, Reader, Rotation};

mod unread;

/// Where paths lead.
pub(super) trait Files {
    type File: Content;
    /// Who bears the name; `None` if nobody does.
    fn look(&self, path: &Path) -> Result<Option<Identity>, SourceError>;
    /// Opens it for reading; `None` if it is gone.
    fn open(&self, path: &Path) -> Result<Option<Self::File>, SourceError>;
    /// Opens an open file once more.
    fn again(&self, file: &Self::File) -> Option<Self::File>;
    /// The files that bore a log's name before, as far as their names say, the oldest first.
    fn versions(&self, path: &Path) -> Vec<PathBuf>;
}

/// What members want of a log.
pub(super) trait Wishes<F> {
    /// How far an earlier process has read what bore the log's name then.
    fn stored(&self, log: &Log, member: Member) -> Option<Position>;
    /// At which start of a line a member begins to read a file of the log.
    fn begin(&mut self, log: &Log, reader: &Reader<F>, member: Member, scratch: &mut [u8]) -> u64;
}

/// Somebody who is to get a seat at an open file.
struct Newcomer {
    member: Member,
    /// Where to begin is asked; else it is the beginning.
    asks: bool,
    /// It is to be told when the end is reached.
    fresh: bool,
}

/// What a step needs from its surroundings.
pub(super) struct Tools<'a, D: Files> {
    pub(super) files: &'a D,
    pub(super) scratch: &'a mut [u8],
    pub(super) wishes: &'a mut dyn Wishes<D::File>,
    /// What is to be told.
    pub(super) told: &'a mut Vec<SourceEvent>,
}

/// How long a file is held that lost its name, after the last line that came: its writer may have
/// more to say, but nothing promises that it ends.
const HOLD: Span = Span::from_secs(60);

/// An open file as one encoding reads it: two jails that disagree read it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileKey {
    pub(super) identity: Identity,
    encoding: usize,
}

/// All followed paths and all open files.
#[derive(Debug)]
pub(super) struct Follower<F> {
    pub(super) logs: BTreeMap<LogId, Log>,
    open: BTreeMap<FileKey, Open<F>>,
    former: Former,
    /// Those in use; a log names its own by number.
    encodings: Vec<Encoding>,
}

impl<F: Content> Follower<F> {
    pub(super) fn new() -> Self {
        Self {
            logs: BTreeMap::new(),
            open: BTreeMap::new(),
            former: Former::default(),
            encodings: Vec::new(),
        }
    }

    /// The number of an encoding, however it is spelled.
    pub(super) fn encoding(&mut self, encoding: &Encoding) -> usize {
        let known = self.encodings.iter().position(|known| known == encoding);
        known.unwrap_or_else(|| {
            self.encodings.push(encoding.clone());
            self.encodings.len() - 1
        })
    }

    /// Follows one more path, for nobody yet.
    pub(super) fn add(&mut self, id: LogId, path: Arc<Path>, encoding: usize) {
        self.logs.insert(id, Log::new(id, path, encoding));
    }

    /// The files a log holds: what bears its name, and what did before.
    pub(super) fn files(&self, id: LogId) -> impl Iterator<Item = &F> {
        let keys = self.logs.get(&id).into_iter().flat_map(Log::files);
        keys.filter_map(|key| self.open.get(&key))
            .map(|open| open.reader().file())
    }

    /// Makes a subscriber a member of a log; if its file is open already, it is given a seat there.
    pub(super) fn join<D>(&mut self, id: LogId, member: Member, tools: &mut Tools<'_, D>)
    where
        D: Files<File = F>,
    {
        let Some(log) = self.logs.get_mut(&id) else {
            return;
        };
        if !log.add_member(member) {
            return;
        }
        let (older, leads, last) = (log.older, log.leads, log.rest.is_empty());
        let begun = older.filter(|older| self.is_begun(id, *older, member, tools));
        if let Some(key) = begun {
            let newcomer = Newcomer {
                member,
                asks: true,
                fresh: false,
            };
            self.seat(id, key, &[newcomer], tools);
        }
        if let Some(key) = leads {
            let newcomer = Newcomer {
                member,
                asks: begun.is_none(),
                fresh: last,
            };
            self.seat(id, key, &[newcomer], tools);
        }
    }

    /// Whether an open file is the one of which an earlier process has read a part for a member.
    fn is_begun<D>(&self, id: LogId, key: FileKey, member: Member, tools: &Tools<'_, D>) -> bool
    where
        D: Files<File = F>,
    {
        let (Some(log), Some(open)) = (self.logs.get(&id), self.open.get(&key)) else {
            return false;
        };
        let stored = tools.wishes.stored(log, member);
        stored.is_some_and(|stored| open.reader().is_at(stored))
    }

    /// Ends the memberships that came through a subscription; the logs nobody wants any more are
    /// dropped and named.
    pub(super) fn forget(&mut self, subscription: usize) -> Vec<(LogId, Arc<Path>)> {
        let mut dropped = Vec::new();
        for id in self.logs.keys().copied().collect::<Vec<_>>() {
            let Some(log) = self.logs.get_mut(&id) else {
                continue;
            };
            if log.remove_member(subscription).is_none() {
                continue;
            }
            let (keys, empty) = (log.files().collect::<Vec<_>>(), log.members().is_empty());
            for key in keys {
                self.release(id, key, empty);
            }
            if empty && let Some(log) = self.logs.remove(&id) {
                dropped.push((id, log.path));
            }
        }
        dropped
    }

    /// Does the next thing for a log, at most one read; `false` when nothing is left to do until
    /// the file or its name changes.
    pub(super) fn step<D>(&mut self, id: LogId, tools: &mut Tools<'_, D>) -> bool
    where
        D: Files<File = F>,
    {
        let Some(log) = self.logs.get(&id) else {
            return false;
        };
        if log.look
            && let Some(more) = self.look(id, tools)
        {
            return more;
        }
        let keys = self.logs.get(&id).into_iter().flat_map(Log::files);
        for key in keys.collect::<Vec<_>>() {
            if self.read(id, key, tools) {
                return true;
            }
        }
        if let Some(log) = self.logs.get_mut(&id)
            && std::mem::take(&mut log.recovered)
        {
            let (log, path, to) = (id, Arc::clone(&log.path), log.everyone());
            tools.told.push(SourceEvent::Recovered { log, path, to });
        }
        false
    }

    /// Closes a log for a while, with nothing left to read in it; how far it was read is
    /// remembered.
    pub(super) fn put_aside(&mut self, id: LogId) {
        let keys = self.logs.get(&id).into_iter().flat_map(Log::files);
        for key in keys.collect::<Vec<_>>() {
            self.release(id, key, true);
        }
        self.logs.remove(&id);
    }

    /// Gives up the file that lost its name, once it has been silent for long enough; `true` when
    /// the log itself is over, and gone.
    pub(super) fn let_go(&mut self, id: LogId, now: Time) -> bool {
        let Some(log) = self.logs.get_mut(&id) else {
            return false;
        };
        let leads = log
            .leads
            .filter(|_| log.missing)
            .and_then(|key| self.open.get(&key));
        let deleted = leads.is_some_and(|open| is_deleted(open.reader()));
        if !log.missing || !(log.by_glob || deleted) {
            log.deadline = None;
            return false;
        }
        if log.leads.is_some() {
            let deadline = *log.deadline.get_or_insert(now + HOLD);
            // A clock that was set back must not hold it for ever.
            if now < deadline && deadline < now + HOLD + HOLD {
                return false;
            }
        }
        log.deadline = None;
        let (by_glob, keys) = (log.by_glob, log.files().collect::<Vec<_>>());
        (log.leads, log.older, log.rehold) = (None, None, true);
        for key in keys {
            self.release(id, key, true);
        }
        if by_glob {
            self.logs.remove(&id);
        }
        by_glob
    }

    /// Finds out who bears the name; `None` if that changes nothing.
    fn look<D>(&mut self, id: LogId, tools: &mut Tools<'_, D>) -> Option<bool>
    where
        D: Files<File = F>,
    {
        let log = self.logs.get_mut(&id)?;
        if !std::mem::replace(&mut log.sought, true) {
            let rest = self.unread(id, tools);
            self.logs.get_mut(&id)?.rest = rest;
        }
        let log = self.logs.get_mut(&id)?;
        if !log.rest.is_empty() && !self.is_still_there(id, tools) {
            return Some(true);
        }
        let log = self.logs.get_mut(&id)?;
        let path = log.rest.front().map_or(&*log.path, |(path, _)| path);
        let found = match tools.files.look(path) {
            Ok(found) => found,
            Err(error) => return self.fail(id, error, tools),
        };
        match (found, log.older) {
            (None, _) => {
                (log.look, log.late) = (false, true);
                // No recovery: that it is missing is the news.
                log.trouble = None;
                if !std::mem::replace(&mut log.missing, true) {
                    let (log, path, to) = (id, Arc::clone(&log.path), log.everyone());
                    tools.told.push(SourceEvent::Missing { log, path, to });
                }
                None
            }
            (Some(found), _) if log.leads_to(found) => {
                log.look = false;
                log.recovered |= log.trouble.take().is_some();
                log.recovered |= std::mem::take(&mut log.missing);
                None
            }
            // The file before the last is read to its end before it is closed.
            (Some(_), Some(older)) => {
                if !self.read(id, older, tools) {
                    self.close_older(id);
                }
                Some(true)
            }
            (Some(found), None) => {
                let now = log.leads.map(|leads| (leads, found));
                if log.rest.is_empty() && now.is_some() && log.passed != now {
                    log.passed = now;
                    let between = self.between(id, found, tools);
                    if !between.is_empty() {
                        self.logs.get_mut(&id)?.rest = between;
                        return Some(true);
                    }
                }
                self.switch(id, found, tools)
            }
        }
    }

    /// Whether the file that is to be gone through next is where it was; if it was renamed
    /// meanwhile its place is noted, and if it is gone it is left out.
    fn is_still_there<D>(&mut self, id: LogId, tools: &mut Tools<'_, D>) -> bool
    where
        D: Files<File = F>,
    {
        let Some(log) = self.logs.get_mut(&id) else {
            return false;
        };
        let leads = log.leads.map(|leads| leads.identity);
        let Some((path, wanted)) = log.rest.front_mut() else {
            return false;
        };
        // The one that has just been gone through may turn up under its new name.
        if leads != Some(*wanted) {
            let bears = |path: &Path| tools.files.look(path) == Ok(Some(*wanted));
            if bears(path) {
                return true;
            }
            let versions = tools.files.versions(&log.path);
            if let Some(now) = versions.into_iter().find(|path| bears(path)) {
                *path = now;
                return false;
            }
        }
        log.rest.pop_front();
        false
    }

    /// Opens who bears the name, if it is still the one that was found there. The next step looks
    /// again, for it may have changed since.
    fn switch<D>(&mut self, id: LogId, found: Identity, tools: &mut Tools<'_, D>) -> Option<bool>
    where
        D: Files<File = F>,
    {
        let log = self.logs.get_mut(&id)?;
        let rest = log.rest.pop_front();
        let path = rest.as_ref().map_or(&*log.path, |(path, _)| path);
        let file = match tools.files.open(path) {
            Ok(Some(file)) if file.identity() != found => {
                if let Some(rest) = rest {
                    log.rest.push_front(rest);
                }
                return Some(true);
            }
            Ok(Some(file)) => file,
            Ok(None) => return Some(true),
            Err(_) if rest.is_some() => return Some(true),
            Err(error) => return self.fail(id, error, tools),
        };
        let key = FileKey {
            identity: file.identity(),
            encoding: log.encoding,
        };
        if log.leads == Some(key) {
            return Some(true);
        }
        let open = match self.open.entry(key) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => {
                let encoding = &self.encodings[log.encoding];
                match Reader::open(file, encoding, tools.scratch) {
                    Ok(reader) => place.insert(Open::new(reader)),
                    Err(_) if rest.is_some() => return Some(true),
                    Err(error) => return self.fail(id, SourceError::from(&error), tools),
                }
            }
        };
        open.hold(id);
        log.recovered |= log.trouble.take().is_some();
        (log.missing, log.unreadable, log.rehold) = (false, None, true);
        log.older = log.leads.replace(key);
        log.begun = false;
        let first = log.older.is_none();
        let (path, to) = (Arc::clone(&log.path), log.everyone());
        let newcomers = if rest.is_some() || log.detours {
            log.detours = rest.is_some();
            self.through_the_rest(id, key, tools)
        } else {
            let newcomer = |member: &Member| Newcomer {
                member: *member,
                asks: first,
                fresh: first,
            };
            log.members().iter().map(newcomer).collect()
        };
        if !first {
            let rotation = Rotation::Replaced;
            tools.told.push(SourceEvent::Rotated {
                log: id,
                path,
                rotation,
                to,
            });
        }
        self.seat(id, key, &newcomers, tools);
        Some(true)
    }

    /// Who gets a seat at one of the files that were rotated while nobody watched, or at the log
    /// behind them: everybody at the log, before only who has begun there or in one before.
    fn through_the_rest<D>(
        &self,
        id: LogId,
        key: FileKey,
        tools: &mut Tools<'_, D>,
    ) -> Vec<Newcomer>
    where
        D: Files<File = F>,
    {
        let Some(log) = self.logs.get(&id) else {
            return Vec::new();
        };
        let before = log.older.and_then(|older| self.open.get(&older));
        let newcomer = |member: &Member| {
            let came = before.is_some_and(|before| before.is_seated(member.subscriber));
            let comes = came || !log.detours || self.is_begun(id, key, *member, tools);
            comes.then_some(Newcomer {
                member: Member {
                    late: member.late || came,
                    ..*member
                },
                asks: true,
                fresh: !log.detours,
            })
        };
        log.members().iter().filter_map(newcomer).collect()
    }

    /// Seats newcomers at an open file, if they have no seat there yet, and where they were if they
    /// have read it before.
    fn seat<D>(&mut self, id: LogId, key: FileKey, newcomers: &[Newcomer], tools: &mut Tools<'_, D>)
    where
        D: Files<File = F>,
    {
        let (Some(log), Some(open)) = (self.logs.get_mut(&id), self.open.get_mut(&key)) else {
            return;
        };
        let mut seats = Vec::new();
        let mut opening = Vec::new();
        for newcomer in newcomers {
            let member = newcomer.member;
            let subscriber = member.subscriber;
            if open.is_seated(subscriber) {
                continue;
            }
            // The number of an inode is no proof: it may be another file by now.
            let known = self.former.take(key.identity, subscriber);
            let from = match known.filter(|known| open.reader().is_at(*known)) {
                Some(known) => known.offset,
                None if newcomer.asks => {
                    tools
                        .wishes
                        .begin(log, open.reader(), member, tools.scratch)
                }
                None => 0,
            };
            // Of what it read under another name it was told there.
            let opens = log.open_for(subscriber);
            let seat = Seat {
                subscriber,
                log: id,
                from,
                fresh: newcomer.fresh || opens && !log.detours,
            };
            seats.push(seat);
            if opens {
                opening.push(seat);
            }
        }
        // The lowest first: the others wait for it to reach them.
        seats.sort_by_key(|seat| seat.from);
        let encoding = &self.encodings[key.encoding];
        for seat in &seats {
            open.seat(*seat, |file| {
                let again = tools.files.again(file)?;
                Reader::open(again, encoding, tools.scratch).ok()
            });
        }
        let now = open.position();
        opening.sort_by_key(|seat| seat.from);
        for group in opening.chunk_by(|one, other| one.from == other.from) {
            tools.told.push(SourceEvent::Opened {
                log: id,
                path: Arc::clone(&log.path),
                position: Position {
                    offset: group[0].from,
                    mark: now.mark.filter(|_| now.offset == group[0].from),
                    ..now
                },
                to: group.iter().map(|seat| seat.subscriber).collect(),
            });
        }
    }

    /// Reads once; `false` at the end, when nobody is behind either.
    fn read<D>(&mut self, id: LogId, key: FileKey, tools: &mut Tools<'_, D>) -> bool
    where
        D: Files<File = F>,
    {
        let Some(open) = self.open.get_mut(&key) else {
            return false;
        };
        let reading = match open.read(tools.scratch) {
            Ok(Reading::End(arrived)) => {
                let reading = open.catch_up(tools.scratch);
                let older = self.logs.get(&id).is_some_and(|log| log.older == Some(key));
                let over = older && reading.is_none() && is_deleted(open.reader());
                self.tell_arrived(arrived, tools);
                if over {
                    self.close_older(id);
                }
                match reading {
                    Some(reading) => reading,
                    None => {
                        self.readable(id);
                        return false;
                    }
                }
            }
            Ok(reading) => reading,
            Err(error) => {
                self.unreadable(id, key, &error, tools);
                return false;
            }
        };
        self.readable(id);
        match reading {
            Reading::Lines(chunk, to) => self.tell_lines(key, &chunk, to, tools),
            Reading::Rotated(rotation) => self.tell_rotated(key, rotation, tools),
            Reading::Part | Reading::End(_) => {}
        }
        true
    }

    fn tell_lines<D>(
        &mut self,
        key: FileKey,
        chunk: &Chunk,
        audiences: Vec<(LogId, Audience)>,
        tools: &mut Tools<'_, D>,
    ) where
        D: Files<File = F>,
    {
        for (log, to) in audiences {
            let (leads, begun) = self.logs.get_mut(&log).map_or((None, false), |log| {
                log.deadline = None;
                log.begun |= log.leads == Some(key);
                (log.leads, log.begun)
            });
            self.tell_moved((log, key), chunk.position(), &to, tools);
            let mut chunk = chunk.clone();
            // The rest of a file renamed away, when lines of the next have come: a restart goes on
            // there.
            if leads != Some(key) && begun {
                let open = leads.and_then(|leads| self.open.get(&leads));
                chunk = chunk.at(open.map_or(Position::default(), Open::position));
            }
            tools.told.push(SourceEvent::Lines { log, chunk, to });
        }
    }

    /// Those who read the file under another log before hear of this one now.
    fn tell_moved<D>(
        &mut self,
        (id, key): (LogId, FileKey),
        position: Position,
        to: &Audience,
        tools: &mut Tools<'_, D>,
    ) where
        D: Files<File = F>,
    {
        let (Some(log), Some(open)) = (self.logs.get_mut(&id), self.open.get(&key)) else {
            return;
        };
        let moved = to.iter().copied().filter(|who| log.open_for(*who));
        let moved: Audience = moved.collect();
        if moved.is_empty() {
            return;
        }
        let arrived = moved.iter().copied().filter(|who| !open.is_fresh(*who));
        let (arrived, path): (Audience, _) = (arrived.collect(), Arc::clone(&log.path));
        tools.told.push(SourceEvent::Opened {
            log: id,
            path: Arc::clone(&path),
            position,
            to: moved,
        });
        if !arrived.is_empty() {
            let (log, to) = (id, arrived);
            tools.told.push(SourceEvent::CaughtUp { log, path, to });
        }
    }

    fn tell_arrived<D>(&self, arrived: Vec<(LogId, Audience)>, tools: &mut Tools<'_, D>)
    where
        D: Files<File = F>,
    {
        for (log, to) in arrived {
            if let Some(path) = self.logs.get(&log).map(|log| Arc::clone(&log.path)) {
                tools.told.push(SourceEvent::CaughtUp { log, path, to });
            }
        }
    }

    fn tell_rotated<D>(&self, key: FileKey, rotation: Rotation, tools: &mut Tools<'_, D>)
    where
        D: Files<File = F>,
    {
        let holders = self.open.get(&key).map_or(&[][..], Open::holders);
        let logs = holders.iter().filter_map(|id| self.logs.get(id));
        for log in logs.filter(|log| log.leads == Some(key)) {
            let (path, to) = (Arc::clone(&log.path), log.everyone());
            tools.told.push(SourceEvent::Rotated {
                log: log.id,
                path,
                rotation,
                to,
            });
        }
    }

    /// The name leads nowhere we can read.
    fn fail<D>(&mut self, id: LogId, error: SourceError, tools: &mut Tools<'_, D>) -> Option<bool>
    where
        D: Files<File = F>,
    {
        let log = self.logs.get_mut(&id)?;
        (log.look, log.missing) = (false, false);
        if log.trouble.as_ref() != Some(&error) {
            log.trouble = Some(error.clone());
            let (path, to) = (Arc::clone(&log.path), log.everyone());
            tools.told.push(SourceEvent::Failed {
                log: id,
                path,
                error,
                to,
            });
        }
        None
    }

    fn unreadable<D>(
        &mut self,
        id: LogId,
        key: FileKey,
        error: &io::Error,
        tools: &mut Tools<'_, D>,
    ) where
        D: Files<File = F>,
    {
        let Some(log) = self.logs.get_mut(&id) else {
            return;
        };
        if log.older == Some(key) {
            return self.close_older(id);
        }
        let error = SourceError::from(error);
        if log.unreadable.as_ref() != Some(&error) {
            log.unreadable = Some(error.clone());
            let (path, to) = (Arc::clone(&log.path), log.everyone());
            tools.told.push(SourceEvent::Failed {
                log: id,
                path,
                error,
                to,
            });
        }
    }

    fn readable(&mut self, id: LogId) {
        if let Some(log) = self.logs.get_mut(&id) {
            log.recovered |= log.unreadable.take().is_some();
        }
    }

    fn close_older(&mut self, id: LogId) {
        if let Some(log) = self.logs.get_mut(&id)
            && let Some(older) = log.older.take()
        {
            log.rehold = true;
            self.release(id, older, true);
        }
    }

    /// A log lets go of a file, wholly or for those it no longer wants; the file is closed when no
    /// other log holds it.
    fn release(&mut self, id: LogId, key: FileKey, wholly: bool) {
        let Some(open) = self.open.get_mut(&key) else {
            return;
        };
        if wholly {
            open.release(id);
        }
        let wants =
            |log: LogId, subscriber| self.logs.get(&log).is_some_and(|log| log.wants(subscriber));
        for (subscriber, place) in open.reseat(id, wants) {
            self.former.remember(key.identity, subscriber, place);
        }
        if open.holders().is_empty() {
            self.open.remove(&key);
        }
    }
}

fn is_deleted<F: Content>(reader: &Reader<F>) -> bool {
    reader.stat().map_or(true, |stat| stat.links == 0)
}

#[cfg(test)]
mod tests;
