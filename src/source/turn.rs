//! One log's turn: read a piece, tell what came of it, and settle who gets what when a file is
//! begun or rotated.

use std::sync::Arc;

use super::disk::{Disk, LogFile};
use super::event::{Audience, LogId, SourceEvent, Subscriber};
use super::follow::{Files, Step};
use super::log::{Caught, Log, Member};
use super::reader::{Content, Identity, Reader, Rotation};
use super::room::Room;
use super::seek;
use super::{Chunk, Position, SourceError};

/// Steps one log may take in its turn, unless it gives lines first.
const STEPS: usize = 16;

impl Room {
    /// Lets a log read, and queues it again if there may be more.
    pub(super) fn turn(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(&id) else {
            return;
        };
        log.queued = false;
        if std::mem::take(&mut log.rewatch) {
            log.follower.look();
            self.watch_path(id);
        }
        let more = self.steps(id);
        let behind = self.catch_up(id);
        if more || behind {
            self.wake(id);
        }
    }

    /// Steps until lines have come, or nothing is left to do; `false` then.
    fn steps(&mut self, id: LogId) -> bool {
        for _ in 0..STEPS {
            let Some(log) = self.logs.get_mut(&id) else {
                return false;
            };
            let path = Arc::clone(&log.path);
            let step = log.follower.step(&path, &Disk, &mut self.scratch);
            self.remember(id);
            let Some(log) = self.logs.get_mut(&id) else {
                return false;
            };
            match step {
                Step::Lines(chunk) => {
                    self.lines(id, chunk);
                    return true;
                }
                Step::OldLines(chunk) => {
                    let to = log.audience_before();
                    self.give(id, chunk, to);
                    return true;
                }
                Step::Busy => {}
                Step::Found => self.begin(id),
                Step::Rotated(rotation) => self.rotated(id, rotation),
                Step::Missing => {
                    let to = log.everyone();
                    self.tell(SourceEvent::Missing { log: id, path, to });
                }
                Step::Failed(error) => {
                    let to = log.everyone();
                    self.tell(SourceEvent::Failed {
                        log: id,
                        path,
                        error,
                        to,
                    });
                }
                Step::Recovered => {
                    let to = log.everyone();
                    self.tell(SourceEvent::Recovered { log: id, path, to });
                }
                Step::Idle => {
                    self.idle(id);
                    return false;
                }
            }
        }
        true
    }

    fn lines(&mut self, id: LogId, chunk: Chunk) {
        let Some(log) = self.logs.get_mut(&id) else {
            return;
        };
        let to = log.audience();
        log.advance();
        self.give(id, chunk, to);
    }

    fn give(&mut self, id: LogId, chunk: Chunk, to: Audience) {
        let Some(log) = self.logs.get_mut(&id) else {
            return;
        };
        log.deadline = None;
        if log.polled.is_some() {
            self.poll_sooner();
        }
        if !to.is_empty() {
            self.tell(SourceEvent::Lines { log: id, chunk, to });
        }
    }

    /// The end of what is there.
    fn idle(&mut self, id: LogId) {
        let now = (self.clock)();
        let Some(log) = self.logs.get_mut(&id) else {
            return;
        };
        let path = Arc::clone(&log.path);
        let told = log.caught_up();
        let closed = log.let_go(now).then(|| log.everyone());
        if let Some(to) = told {
            let path = Arc::clone(&path);
            self.tell(SourceEvent::CaughtUp { log: id, path, to });
        }
        self.remember(id);
        if let Some(to) = closed {
            self.drop_log(id);
            self.tell(SourceEvent::Closed { log: id, path, to });
        }
    }

    /// Reads once for those who came later; `true` if there was one.
    fn catch_up(&mut self, id: LogId) -> bool {
        let Some(log) = self.logs.get_mut(&id) else {
            return false;
        };
        let path = Arc::clone(&log.path);
        match log.catch_up(&mut self.scratch) {
            None => return false,
            Some(Caught::Lines(chunk, to)) => self.tell(SourceEvent::Lines { log: id, chunk, to }),
            Some(Caught::Up(to)) => self.tell(SourceEvent::CaughtUp { log: id, path, to }),
        }
        true
    }

    /// A path leads to a file: everyone begins it where it is right for them.
    fn begin(&mut self, id: LogId) {
        let starts = self.starts(id, true);
        if let Some(log) = self.logs.get_mut(&id) {
            log.begin(starts.clone());
        }
        self.watch_files(id);
        for group in starts.chunk_by(|one, other| one.0 == other.0) {
            let to = group.iter().map(|(_, subscriber)| *subscriber).collect();
            self.opened(id, group[0].0, to);
        }
    }

    /// Another file bears the name, or the same begins anew: everyone gets it from its start, but
    /// for what they have read of it under another name.
    fn rotated(&mut self, id: LogId, rotation: Rotation) {
        let starts = match rotation {
            Rotation::Replaced => Some(self.starts(id, false)),
            Rotation::Truncated | Rotation::Rewritten => None,
        };
        let Some(log) = self.logs.get_mut(&id) else {
            return;
        };
        log.rotate(starts);
        let (path, to) = (Arc::clone(&log.path), log.everyone());
        self.watch_files(id);
        self.tell(SourceEvent::Rotated {
            log: id,
            path,
            rotation,
            to,
        });
    }

    /// Where each member begins the file just opened, in order; those who get it under another name
    /// are left out. Only at the `first` file of a name do age, `tail` and what an earlier process
    /// has stored count.
    fn starts(&mut self, id: LogId, first: bool) -> Vec<(u64, Subscriber)> {
        let Some((file, found)) = self.logs.get(&id).and_then(current) else {
            return Vec::new();
        };
        let taken = self.take_over(id, file);
        let elsewhere = self.elsewhere(id, file);
        let Some(log) = self.logs.get(&id) else {
            return Vec::new();
        };
        let late = log.follower.came_late();
        let mut starts = Vec::new();
        for member in log.members().to_vec() {
            if elsewhere.contains(&member.subscriber) {
                continue;
            }
            let known = taken.map(|place| place.offset);
            let known = known.or_else(|| self.former.place(file, found, member.subscriber));
            let start = match known {
                Some(known) => known,
                None if first => self.start(id, member, late),
                None => 0,
            };
            starts.push((start, member.subscriber));
        }
        self.former.forget(file);
        starts.sort();
        starts
    }

    /// Keeps how far the files were read that a log has closed, or passes them on to who found
    /// them under another name meanwhile.
    fn remember(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(&id) else {
            return;
        };
        let closed = log.follower.take_closed();
        let readers = log.everyone();
        for (file, place) in closed {
            let resumed = |log: &mut Log| log.resume(file, place).then_some(log.id);
            let resumed: Vec<_> = self.logs.values_mut().filter_map(resumed).collect();
            for log in &resumed {
                self.watch_files(*log);
                self.wake(*log);
            }
            if resumed.is_empty() {
                self.former.remember(file, place, Arc::clone(&readers));
            }
        }
    }

    /// One more reads a file that is being read already.
    pub(super) fn join(&mut self, id: LogId, member: Member) {
        let Some((file, now)) = self.logs.get(&id).and_then(current) else {
            return;
        };
        if self.elsewhere(id, file).contains(&member.subscriber) {
            return;
        }
        let start = self.start(id, member, false);
        let Some(log) = self.logs.get_mut(&id) else {
            return;
        };
        let reader = log
            .follower
            .current()
            .filter(|_| start < now.offset)
            .and_then(|reader| {
                let again = Disk.open(&reader.file().own_path()).ok().flatten()?;
                Reader::open(again, reader.encoding(), &mut self.scratch).ok()
            });
        log.join(start, member.subscriber, reader);
        self.opened(id, start, [member.subscriber].into());
    }

    fn opened(&mut self, id: LogId, offset: u64, to: Audience) {
        let Some(log) = self.logs.get(&id) else {
            return;
        };
        let hash = log
            .follower
            .current()
            .and_then(|reader| reader.position().hash);
        let event = SourceEvent::Opened {
            log: id,
            path: Arc::clone(&log.path),
            position: Position { offset, hash },
            to,
        };
        self.tell(event);
    }

    /// Where a member begins the current file, which may have come `late`: behind what an earlier process has judged, at its
    /// end if so asked, and not before what is young enough.
    fn start(&mut self, id: LogId, member: Member, late: bool) -> u64 {
        let now = (self.clock)();
        let (Some(log), Some(wish)) = (
            self.logs.get(&id),
            self.wishes.get_mut(&member.subscription),
        ) else {
            return 0;
        };
        let Some(reader) = log.follower.current() else {
            return 0;
        };
        let wanted = &mut wish.subscription;
        // Once only: what comes under this name later is another file.
        let stored = wanted
            .stored
            .iter()
            .position(|(path, _)| **path == *log.path);
        let stored = stored.map(|at| wanted.stored.swap_remove(at).1);
        let size = reader.stat().map_or(0, |stat| stat.size);
        let known = stored.filter(|stored| {
            stored.hash.is_some() && stored.hash == reader.position().hash && stored.offset <= size
        });
        if known.is_none() && wanted.tail && !late && !member.late {
            return seek::last_line(reader, &mut self.scratch).unwrap_or(size);
        }
        let lower = known.map_or(0, |stored| stored.offset);
        let young = now - wanted.findtime;
        seek::since(reader, lower, young, &mut *wanted.date, &mut self.scratch).unwrap_or(lower)
    }

    /// Those who get a file's lines under another of its names.
    fn elsewhere(&self, id: LogId, file: Identity) -> Vec<Subscriber> {
        let others = self.logs.values().filter(|log| log.id != id);
        others.flat_map(|log| log.served(file)).collect()
    }

    /// A file that lost another name, and everyone who read it there wants it here: it goes on
    /// where it was left.
    fn take_over(&mut self, id: LogId, file: Identity) -> Option<Position> {
        let members: Vec<_> = self.logs.get(&id)?.everyone().to_vec();
        let covered = |log: &Log| log.everyone().iter().all(|one| members.contains(one));
        let mut others = self
            .logs
            .values_mut()
            .filter(|log| log.id != id && covered(log));
        let (place, other) =
            others.find_map(|log| Some((log.follower.hand_over(file)?, log.id)))?;
        self.wake(other);
        Some(place)
    }

    fn watch_path(&mut self, id: LogId) {
        let (Some(log), Ok(watches)) = (self.logs.get(&id), &mut self.watches) else {
            return;
        };
        let path = Arc::clone(&log.path);
        if let Err(error) = watches.watch_path(id, &path) {
            self.poll(id, &format!("inotify: {}", SourceError::from(&error)));
        }
    }

    fn watch_files(&mut self, id: LogId) {
        let Some(log) = self.logs.get(&id) else {
            return;
        };
        let shared = log.follower.open_files().find_map(LogFile::is_shared);
        let watched = match &mut self.watches {
            Ok(watches) => watches.watch_files(id, log.follower.open_files()),
            Err(_) => Ok(()),
        };
        if let Some(kind) = shared {
            self.poll(id, &format!("{kind} tells of no changes made elsewhere"));
        }
        if let Err(error) = watched {
            self.poll(id, &format!("inotify: {}", SourceError::from(&error)));
        }
    }

    /// Looks at a log from time to time from now on.
    fn poll(&mut self, id: LogId, reason: &str) {
        let Some(log) = self.logs.get_mut(&id).filter(|log| log.polled.is_none()) else {
            return;
        };
        log.polled = Some(reason.to_owned());
        let event = SourceEvent::Polling {
            log: id,
            path: Arc::clone(&log.path),
            reason: reason.to_owned(),
            to: log.everyone(),
        };
        self.tell(event);
    }
}

/// The file a log reads, and how far it is.
fn current(log: &Log) -> Option<(Identity, Position)> {
    let reader = log.follower.current()?;
    Some((reader.file().identity(), reader.position()))
}
