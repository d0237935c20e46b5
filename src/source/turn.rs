//! One log's turn: read a piece, tell what came of it, and keep the kernel watching the right files.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Time;

use super::SourceError;
use super::chunk::Position;
use super::disk::{Disk, LogFile};
use super::event::{LogId, SourceEvent};
use super::follow::{Follower, Tools, Wishes};
use super::log::{Log, Member};
use super::reader::Reader;
use super::room::{Room, Wish};
use super::seek;
use super::versions::are_relatives;

/// Steps one log may take in its turn, unless there are lines first.
const STEPS: usize = 16;

impl Room {
    /// Lets a log read until there are lines to tell, and queues it again if there may be more.
    pub(super) fn turn(&mut self, id: LogId) {
        let Some(log) = self.follower.logs.get_mut(&id) else {
            return;
        };
        log.queued = false;
        if std::mem::take(&mut log.rewatch) {
            log.look = true;
            self.watch_path(id);
        }
        let mut told = Vec::new();
        let (mut more, mut lines) = (true, false);
        for _ in 0..STEPS {
            more = self.with_tools(&mut told, |follower, tools| follower.step(id, tools));
            self.watch_files(id);
            let fails = |event: &SourceEvent| matches!(event, SourceEvent::Failed { .. });
            if told.iter().any(fails) {
                self.retries.sooner();
            }
            lines = told
                .iter()
                .any(|event| matches!(event, SourceEvent::Lines { .. }));
            if !more || lines {
                break;
            }
        }
        if lines && self.is_polled(id) {
            self.polls.sooner();
        }
        if lines && self.follower.logs.get(&id).is_some_and(|log| log.by_glob) {
            self.rank(id, true);
        }
        for event in told {
            self.tell(event);
        }
        if more {
            self.wake(id);
        } else {
            self.let_go(id);
            self.let_in(Some(id));
        }
    }

    /// Makes a subscriber a member of a log.
    pub(super) fn join(&mut self, id: LogId, member: Member) {
        let mut told = Vec::new();
        self.with_tools(&mut told, |follower, tools| {
            follower.join(id, member, tools);
        });
        for event in told {
            self.tell(event);
        }
    }

    fn with_tools<R>(
        &mut self,
        told: &mut Vec<SourceEvent>,
        act: impl FnOnce(&mut Follower<LogFile>, &mut Tools<'_, Disk>) -> R,
    ) -> R {
        let now = (self.clock)();
        let mut wanted = Wanted {
            wishes: &mut self.wishes,
            now,
        };
        let mut tools = Tools {
            files: &self.disk,
            scratch: &mut self.scratch,
            wishes: &mut wanted,
            told,
        };
        act(&mut self.follower, &mut tools)
    }

    /// Nothing is left to read: gives up what lost its name long ago.
    fn let_go(&mut self, id: LogId) {
        let Some(log) = self.follower.logs.get(&id) else {
            return;
        };
        let (path, to) = (Arc::clone(&log.path), log.everyone());
        if self.follower.let_go(id, (self.clock)()) {
            self.dropped(id, &path);
            self.tell(SourceEvent::Closed { log: id, path, to });
        }
        self.watch_files(id);
    }

    fn watch_path(&mut self, id: LogId) {
        let Some(log) = self.follower.logs.get(&id) else {
            return;
        };
        let inotify = |error| format!("inotify: {}", SourceError::from(&error));
        let watched = match &mut self.watches {
            Ok(watches) => watches.watch_path(id, &log.path).map_err(inotify),
            Err(reason) => Err(reason.clone()),
        };
        if let Err(reason) = watched {
            self.poll(id, reason);
        }
    }

    /// Watches the files a log holds, if they are others than before.
    fn watch_files(&mut self, id: LogId) {
        let Some(log) = self.follower.logs.get_mut(&id) else {
            return;
        };
        if !std::mem::take(&mut log.rehold) {
            return;
        }
        let watched = match &mut self.watches {
            Ok(watches) => watches.watch_files(id, self.follower.files(id)),
            Err(_) => Ok(()),
        };
        let shared = self.follower.files(id).find_map(LogFile::is_shared);
        if let Some(kind) = shared {
            self.poll(id, format!("{kind} tells of no changes made elsewhere"));
        }
        if let Err(error) = watched {
            self.poll(id, format!("inotify: {}", SourceError::from(&error)));
        }
    }

    fn is_polled(&self, id: LogId) -> bool {
        self.follower
            .logs
            .get(&id)
            .is_some_and(|log| log.polled.is_some())
    }

    /// Looks at a log from time to time from now on.
    fn poll(&mut self, id: LogId, reason: String) {
        let log = self.follower.logs.get_mut(&id);
        let Some(log) = log.filter(|log| log.polled.is_none()) else {
            return;
        };
        log.polled = Some(reason.clone());
        let (path, to) = (Arc::clone(&log.path), log.everyone());
        self.tell(SourceEvent::Polling {
            log: id,
            path,
            reason,
            to,
        });
    }
}

/// What the subscriptions say, at a moment.
struct Wanted<'a> {
    wishes: &'a mut BTreeMap<usize, Wish>,
    now: Time,
}

impl Wishes<LogFile> for Wanted<'_> {
    fn stored(&self, log: &Log, member: Member) -> Option<Position> {
        let wish = self.wishes.get(&member.subscription)?;
        let mut stored = wish.subscription.stored.iter();
        let found = stored.find(|(path, _)| **path == *log.path)?;
        Some(found.1)
    }

    fn begin(
        &mut self,
        log: &Log,
        reader: &Reader<LogFile>,
        member: Member,
        scratch: &mut [u8],
    ) -> u64 {
        let wish = self.wishes.get_mut(&member.subscription);
        wish.map_or(0, |wish| {
            wish.begin(log, reader, (member.late, self.now), scratch)
        })
    }
}

impl Wish {
    /// Where its subscriber begins the first file of a log, which may have come late: behind what
    /// an earlier process has judged, at its end if so asked, and not before what is young enough.
    fn begin(
        &mut self,
        log: &Log,
        reader: &Reader<LogFile>,
        (late, now): (bool, Time),
        scratch: &mut [u8],
    ) -> u64 {
        let wanted = &mut self.subscription;
        // Once only: what comes under this name later is another file.
        let stored = wanted
            .stored
            .iter()
            .position(|(path, _)| **path == *log.path);
        let stored = stored.map(|at| wanted.stored.swap_remove(at).1);
        let size = reader.stat().map_or(0, |stat| stat.size);
        let is_it = |stored: &Position| reader.is_at(*stored);
        // Rotated to this name meanwhile, and read under the other.
        let others = wanted.stored.iter();
        let renamed = others
            .filter(|(path, stored)| are_relatives(&log.path, path) && is_it(stored))
            .map(|(_, stored)| *stored)
            .next();
        let known = stored.filter(is_it).or(renamed);
        let late = late || log.late;
        if known.is_none() && wanted.tail && !late {
            return seek::last_line(reader, scratch).unwrap_or(size);
        }
        let lower = known.map_or(0, |stored| stored.offset);
        let young = now - wanted.findtime;
        seek::since(reader, lower, young, &mut *wanted.date, scratch).unwrap_or(lower)
    }
}
