//! One journal for all who read it: its files side by side, entries in the order they were written,
//! each given once to everyone who wants it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::super::{Audience, LINE_MAX, Subscriber};
use super::cursor::Cursor;
use super::error::JournalError;
use super::event::{Entry, Start};
use super::file::{Head, Id, JournalFile};
use super::line::Parts;
use super::matches::JournalMatch;
use super::place::{Found, JournalPlace};
use super::terms::{Known, Terms};
use crate::model::Time;

/// How much an entry of a file that turns up late may be older than what was read and still count:
/// while one file replaced another we went on in a third.
const GRACE: u64 = 10_000_000;

/// Entries given lately, to know them again in a file they were copied to (`journalctl --flush`).
const GIVEN: usize = 4096;

/// After so many broken entries the rest of a file is passed over.
const BAD_MAX: u32 = 1000;

/// So often an entry is looked at that was written just now and cannot be read: for a second, as
/// often as a watcher looks.
const TRIES: u32 = 50;

/// Boots of which the last moment is remembered.
const BOOTS: usize = 64;

#[derive(Debug)]
pub(super) struct Reader {
    pub(super) place: JournalPlace,
    files: Vec<Open>,
    /// Files read to an end that will not move.
    done: HashSet<Id>,
    /// Archived files that were there before, or have been looked into.
    archived: HashSet<PathBuf>,
    members: Vec<Member>,
    terms: Terms,
    given: VecDeque<(u64, Id)>,
    boots: HashMap<Id, u64>,
    /// What is in a file that turns up late is not wanted before this, where nothing else tells.
    floor: u64,
    /// Where the last entry given was.
    pub(super) cursor: Option<Cursor>,
    items: Vec<u64>,
    audience: Audience,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: JournalFile,
    known: Known,
    /// The entry that comes next.
    next: u64,
    /// It, if it has been looked at.
    head: Option<Head>,
    /// Entries that could not be read; the first was told of.
    bad: u32,
    /// Entries there were when it was opened.
    found: u64,
    /// How often the next was looked at in vain.
    tries: u32,
    /// It is looked at again after the next refresh.
    paused: bool,
}

#[derive(Debug)]
struct Member {
    subscriber: Subscriber,
    expression: JournalMatch,
    /// Of a file, entries from this one on.
    from: HashMap<Id, u64>,
    caught_up: bool,
}

/// What a look for files came to.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) found: Found,
    /// Files that cannot be read, and why.
    pub(super) failed: Vec<(PathBuf, JournalError)>,
    /// Some are no journals, or not yet.
    pub(super) unfinished: bool,
}

impl Reader {
    pub(super) fn new(place: JournalPlace) -> Self {
        Self {
            place,
            files: Vec::new(),
            done: HashSet::new(),
            archived: HashSet::new(),
            members: Vec::new(),
            terms: Terms::default(),
            given: VecDeque::new(),
            boots: HashMap::new(),
            floor: u64::MAX,
            cursor: None,
            items: Vec::new(),
            audience: Arc::from([]),
        }
    }

    pub(super) fn is_read(&self) -> bool {
        !self.members.is_empty()
    }

    /// How many files are open.
    pub(super) fn files(&self) -> usize {
        self.files.len()
    }

    pub(super) fn subscribers(&self) -> Audience {
        self.members
            .iter()
            .map(|member| member.subscriber)
            .collect()
    }

    /// Takes subscribers in; each gets what is there from its start on, and nobody anything twice.
    pub(super) fn join(
        &mut self,
        newcomers: Vec<(Subscriber, JournalMatch, Start)>,
        now: Time,
    ) -> Looked {
        for (_, _, start) in &newcomers {
            self.floor = self.floor.min(micros(start.not_before));
        }
        // Files read to the end may hold what a newcomer wants.
        self.done.clear();
        let resumed = newcomers.iter().filter_map(|(_, _, start)| start.resumes());
        let looked = self.look_since(resumed.min());
        self.members.retain(|member| {
            newcomers
                .iter()
                .all(|(newcomer, ..)| *newcomer != member.subscriber)
        });
        let mut firsts: HashMap<Id, u64> = HashMap::new();
        let mut arrived = Vec::with_capacity(newcomers.len());
        for (subscriber, expression, start) in newcomers {
            let mut from = HashMap::new();
            for open in &mut self.files {
                let id = open.file.header().file_id;
                let first = start.within(&mut open.file, now);
                from.insert(id, first);
                let earliest = firsts.entry(id).or_insert(first);
                *earliest = first.min(*earliest);
            }
            arrived.push(Member {
                subscriber,
                expression,
                from,
                caught_up: false,
            });
        }
        self.rewind(&firsts);
        self.members.extend(arrived);
        self.learn();
        looked
    }

    /// Goes back to where newcomers begin; those who were there before have had what is between.
    fn rewind(&mut self, firsts: &HashMap<Id, u64>) {
        for open in &mut self.files {
            let id = open.file.header().file_id;
            let Some(first) = firsts.get(&id).filter(|first| **first < open.next) else {
                continue;
            };
            for member in &mut self.members {
                let from = member.from.entry(id).or_default();
                *from = open.next.max(*from);
            }
            (open.next, open.head) = (*first, None);
        }
    }

    pub(super) fn leave(&mut self, subscriber: Subscriber) {
        self.members
            .retain(|member| member.subscriber != subscriber);
        self.learn();
    }

    fn learn(&mut self) {
        self.terms = Terms::default();
        for term in self
            .members
            .iter()
            .flat_map(|member| member.expression.terms())
        {
            self.terms.add(term);
        }
        self.files.iter_mut().for_each(|open| open.known.forget());
    }

    /// Looks for files that came.
    pub(super) fn look(&mut self) -> Looked {
        self.look_since(None)
    }

    /// The same; what was archived after a moment, in microseconds, is looked into as well.
    fn look_since(&mut self, since: Option<u64>) -> Looked {
        let mut looked = Looked {
            found: self.place.look(),
            failed: Vec::new(),
            unfinished: false,
        };
        let begun = !self.members.is_empty();
        let archived = &mut self.archived;
        archived.retain(|path| looked.found.archived.contains(path));
        let late = looked.found.archived.iter().filter(|path| {
            let is_new = archived.insert((*path).clone());
            // A live file that came and went since: nobody has read it to its end.
            (begun && is_new) || since.is_some_and(|since| written(path) >= since)
        });
        let late: Vec<PathBuf> = late.cloned().collect();
        for path in looked.found.files.iter().chain(&late) {
            match open(path) {
                Ok(file) => self.take(path, file, begun),
                Err(JournalError::Foreign) => looked.unfinished = true,
                // There was word of it, or will be.
                Err(JournalError::System(nix::libc::ENOENT)) => {}
                Err(error) => looked.failed.push((path.clone(), error)),
            }
        }
        looked
    }

    /// Adds a file that is not known yet.
    fn take(&mut self, path: &Path, mut file: JournalFile, begun: bool) {
        let id = file.header().file_id;
        if let Some(known) = self
            .files
            .iter_mut()
            .find(|open| open.file.header().file_id == id)
        {
            path.clone_into(&mut known.path);
            return;
        }
        if self.done.contains(&id) {
            return;
        }
        let entries = file.header().entries;
        let mut next = if begun {
            self.unseen(&mut file)
        } else {
            entries
        };
        if begun && file.is_finished() && next == entries {
            self.done.insert(id);
            return;
        }
        for member in &mut self.members {
            member.from.entry(id).or_insert(next);
        }
        next = next.min(entries);
        self.files.push(Open {
            path: path.to_owned(),
            file,
            known: Known::default(),
            next,
            head: None,
            bad: 0,
            found: entries,
            tries: 0,
            paused: false,
        });
    }

    /// The first entry of a late file that nobody can have had from another.
    fn unseen(&self, file: &mut JournalFile) -> u64 {
        let entries = file.header().entries;
        let is_old = |head: &Head| match self.boots.get(&head.boot) {
            Some(last) => head.monotonic.saturating_add(GRACE) <= *last,
            None => head.realtime < self.floor,
        };
        file.first(0, |head| !is_old(head)).min(entries)
    }

    /// Sees what was written meanwhile; says which files are damaged, each once.
    pub(super) fn refresh(&mut self) -> Vec<(PathBuf, JournalError)> {
        let mut failed = Vec::new();
        self.files.iter_mut().for_each(|open| open.paused = false);
        self.files.retain_mut(|open| match open.file.refresh() {
            Ok(()) => true,
            // journald empties what it deletes.
            Err(_) if open.file.is_deleted() => {
                let unread = open.file.header().entries.saturating_sub(open.next);
                if unread > 0 {
                    failed.push((open.path.clone(), JournalError::Vacuumed(unread)));
                }
                false
            }
            Err(error) => {
                failed.push((open.path.clone(), error));
                false
            }
        });
        failed
    }

    /// Reads up to `most` entries, and adds those that somebody wants. `false`: there is no more.
    pub(super) fn read(
        &mut self,
        most: usize,
        out: &mut Vec<Entry>,
        failed: &mut Vec<(PathBuf, JournalError)>,
    ) -> bool {
        for _ in 0..most {
            let Some(place) = self.earliest(failed) else {
                self.put_away();
                return false;
            };
            let given = self.give(place, out);
            let open = &mut self.files[place];
            if given.is_err() && waits(open) {
                continue;
            }
            open.next += 1;
            (open.head, open.tries) = (None, 0);
            if let Err(error) = given {
                note(open, error, failed);
            }
        }
        true
    }

    /// Whether an entry cannot be read yet.
    pub(super) fn waits(&self) -> bool {
        self.files.iter().any(|open| open.paused)
    }

    /// Those for whom what comes now is new.
    pub(super) fn caught_up(&mut self) -> Option<Audience> {
        let late = self.members.iter_mut().filter(|member| !member.caught_up);
        let to: Vec<_> = late
            .map(|member| {
                member.caught_up = true;
                member.subscriber
            })
            .collect();
        (!to.is_empty()).then(|| to.into())
    }

    /// The file with the entry that comes first.
    fn earliest(&mut self, failed: &mut Vec<(PathBuf, JournalError)>) -> Option<usize> {
        let mut best: Option<(usize, Id, Head)> = None;
        for (place, open) in self.files.iter_mut().enumerate() {
            let Some(head) = peek(open, failed) else {
                continue;
            };
            let id = open.file.header().seqnum_id;
            let is_earlier = best.as_ref().is_none_or(|(_, best_id, best)| {
                if *best_id == id {
                    head.seqnum < best.seqnum
                } else {
                    head.realtime < best.realtime
                }
            });
            if is_earlier {
                best = Some((place, id, head));
            }
        }
        best.map(|(place, ..)| place)
    }

    /// Gives one entry to those who want it.
    fn give(&mut self, place: usize, out: &mut Vec<Entry>) -> Result<(), JournalError> {
        let open = &mut self.files[place];
        let Some(head) = open.head else { return Ok(()) };
        let id = open.file.header().file_id;
        if self.boots.len() >= BOOTS && !self.boots.contains_key(&head.boot) {
            self.boots.clear();
        }
        let last = self.boots.entry(head.boot).or_default();
        *last = head.monotonic.max(*last);
        open.file.items(&head, &mut self.items)?;
        let mut has = Vec::with_capacity(8);
        let mut fields = Vec::with_capacity(8);
        for offset in &self.items {
            let class = self.terms.class(&mut open.file, &mut open.known, *offset)?;
            has.extend(class.term);
            fields.extend(class.field.map(|field| (field, *offset)));
        }
        let (terms, number) = (&self.terms, open.next);
        let wants = |member: &&Member| {
            number >= member.from.get(&id).copied().unwrap_or(0)
                && member
                    .expression
                    .takes(|term| terms.number(term).is_some_and(|term| has.contains(&term)))
        };
        let to: Vec<Subscriber> = self
            .members
            .iter()
            .filter(wants)
            .map(|member| member.subscriber)
            .collect();
        if to.is_empty() || self.was_given(&head, id) {
            return Ok(());
        }
        if *to != *self.audience {
            self.audience = to.into();
        }
        let mut parts = Parts::default();
        let open = &mut self.files[place];
        for (field, offset) in fields {
            let data = open.file.data(offset)?;
            parts.take(field, &open.file.text(&data, LINE_MAX)?);
        }
        let cursor = Cursor::new(open.file.header().seqnum_id, &head);
        self.cursor = Some(cursor);
        out.push(Entry {
            line: parts.line(head.monotonic),
            time: parts.time(head.realtime),
            cursor,
            to: Arc::clone(&self.audience),
        });
        Ok(())
    }

    /// Whether the entry came before from another file; now it is remembered.
    fn was_given(&mut self, head: &Head, file: Id) -> bool {
        let key = head.hash ^ head.monotonic.rotate_left(32) ^ head.realtime;
        if self
            .given
            .iter()
            .rev()
            .any(|(known, from)| *known == key && *from != file)
        {
            return true;
        }
        if self.given.len() >= GIVEN {
            self.given.pop_front();
        }
        self.given.push_back((key, file));
        false
    }

    /// Closes files that have been read to an end that will not move.
    fn put_away(&mut self) {
        let Self { files, done, .. } = self;
        files.retain(|open| {
            let is_over = open.next >= open.file.header().entries && open.file.is_finished();
            if is_over {
                done.insert(open.file.header().file_id);
            }
            !is_over
        });
    }
}

impl Start {
    /// Where an earlier process was, in microseconds; nothing older than wanted.
    fn resumes(&self) -> Option<u64> {
        let cursor = self.cursor.as_ref().map(|cursor| cursor.realtime);
        let place = cursor.or(self.after.map(micros))?;
        Some(place.max(micros(self.not_before)))
    }

    /// The first entry of a file that is wanted.
    fn within(&self, file: &mut JournalFile, now: Time) -> u64 {
        let since = micros(self.not_before);
        let young = file.first(0, |head| head.realtime >= since);
        let header = *file.header();
        let behind = match (&self.cursor, self.after) {
            (Some(cursor), _) if cursor.seqnum_id == header.seqnum_id => {
                file.first(0, |head| head.seqnum > cursor.seqnum)
            }
            // A clock that was wrong must not make us deaf until it is right.
            (Some(cursor), _) if cursor.time() <= now => {
                file.first(0, |head| head.realtime > cursor.realtime)
            }
            (None, Some(after)) if after <= now => {
                file.first(0, |head| head.realtime > micros(after))
            }
            (Some(_) | None, _) => 0,
        };
        young.max(behind)
    }
}

/// The entry that comes next in a file; damaged ones are passed over.
fn peek(open: &mut Open, failed: &mut Vec<(PathBuf, JournalError)>) -> Option<Head> {
    if open.paused {
        return None;
    }
    while open.head.is_none() && open.next < open.file.header().entries {
        match open.file.head(open.next) {
            Ok(head) => open.head = Some(head),
            Err(_) if waits(open) => return None,
            Err(error) => {
                // Until it is written to again.
                let is_over = error == JournalError::BROKEN_OFF;
                open.next += 1;
                note(open, error, failed);
                if is_over {
                    open.next = open.file.header().entries;
                }
            }
        }
    }
    open.head
}

/// What cannot be read may be half written: nothing is passed over before it was looked at for a
/// while. Of a file known to be damaged, or in what was there before, nothing is waited for.
fn waits(open: &mut Open) -> bool {
    let is_new = open.next >= open.found && !open.file.is_finished();
    open.paused = is_new && open.bad == 0 && open.tries < TRIES;
    open.tries += u32::from(open.paused);
    open.paused
}

fn note(open: &mut Open, error: JournalError, failed: &mut Vec<(PathBuf, JournalError)>) {
    open.bad += 1;
    if open.bad == 1 {
        failed.push((open.path.clone(), error));
    }
    if open.bad.is_multiple_of(BAD_MAX) {
        // What is left is not worth the time; what is written from now on is.
        open.next = open.file.header().entries;
    }
}

fn open(path: &Path) -> Result<JournalFile, JournalError> {
    let file = File::open(path).map_err(|error| JournalError::from(&error))?;
    JournalFile::open(file)
}

/// When a file was written last, in microseconds; the end of time if nobody knows.
fn written(path: &Path) -> u64 {
    let time = path.metadata().and_then(|found| found.modified());
    let since = time
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(u64::MAX, |since| since.as_micros() as u64)
}

fn micros(time: Time) -> u64 {
    time.micros().try_into().unwrap_or(0)
}
