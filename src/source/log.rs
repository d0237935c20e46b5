//! One followed path and those who read it: who gets which lines, and who is behind the others.

use std::path::Path;
use std::sync::Arc;

use crate::model::{Span, Time};

use super::chunk::{Chunk, Position};
use super::disk::LogFile;
use super::event::{Audience, LogId, Subscriber};
use super::follow::Follower;
use super::reader::{Content, Identity, Read, Reader};

/// How long a file is held that lost its name, after the last line that came: its writer may have
/// more to say, but nothing promises that it ends.
const HOLD: Span = Span::from_secs(60);

#[derive(Debug)]
pub(super) struct Log {
    pub(super) id: LogId,
    pub(super) path: Arc<Path>,
    pub(super) follower: Follower<LogFile>,
    /// Everyone who wants this log.
    members: Vec<Member>,
    /// Those of them who get what is read now.
    audience: Audience,
    /// Those who get the rest of the file before.
    before: Audience,
    /// Those who get it from an offset on, which is still ahead; the nearest first.
    ahead: Vec<(u64, Subscriber)>,
    /// Those to be told when the end is reached.
    fresh: Vec<Subscriber>,
    behind: Vec<Behind>,
    /// A pattern's match: not waited for when it goes.
    pub(super) by_glob: bool,
    /// Why it is looked at from time to time.
    pub(super) polled: Option<String>,
    /// The ways to it are to be watched anew before the next look.
    pub(super) rewatch: bool,
    /// It stands in the queue of those with something to read.
    pub(super) queued: bool,
    /// When a file without a name is given up.
    pub(super) deadline: Option<Time>,
}

/// A subscriber, and through which of its subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) subscriber: Subscriber,
    pub(super) subscription: usize,
    /// The file came after the subscription: `tail` does not count.
    pub(super) late: bool,
}

/// Someone who came later and reads what the others have had.
#[derive(Debug)]
struct Behind {
    reader: Reader<LogFile>,
    subscriber: Subscriber,
}

/// What reading for those behind came to.
#[derive(Debug)]
pub(super) enum Caught {
    Lines(Chunk, Audience),
    Up(Audience),
}

impl Log {
    pub(super) fn new(id: LogId, path: Arc<Path>, follower: Follower<LogFile>) -> Self {
        Self {
            id,
            path,
            follower,
            members: Vec::new(),
            audience: Audience::default(),
            before: Audience::default(),
            ahead: Vec::new(),
            fresh: Vec::new(),
            behind: Vec::new(),
            by_glob: true,
            polled: None,
            rewatch: true,
            queued: false,
            deadline: None,
        }
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// `false` if it was one already.
    pub(super) fn add_member(&mut self, member: Member) -> bool {
        let known = self
            .members
            .iter()
            .any(|other| other.subscriber == member.subscriber);
        if !known {
            self.members.push(member);
        }
        !known
    }

    /// Forgets the members that came through a subscription; `true` when none is left.
    pub(super) fn remove(&mut self, subscription: usize) -> bool {
        let gone = |member: &&Member| member.subscription == subscription;
        let gone: Vec<_> = self
            .members
            .iter()
            .filter(gone)
            .map(|member| member.subscriber)
            .collect();
        self.members
            .retain(|member| member.subscription != subscription);
        self.ahead
            .retain(|(_, subscriber)| !gone.contains(subscriber));
        self.fresh.retain(|subscriber| !gone.contains(subscriber));
        self.behind
            .retain(|behind| !gone.contains(&behind.subscriber));
        for audience in [&mut self.audience, &mut self.before] {
            let left = audience
                .iter()
                .filter(|subscriber| !gone.contains(subscriber));
            *audience = left.copied().collect();
        }
        self.members.is_empty()
    }

    /// Everyone who wants this log, for what is not about lines.
    pub(super) fn everyone(&self) -> Audience {
        self.members
            .iter()
            .map(|member| member.subscriber)
            .collect()
    }

    pub(super) fn audience(&self) -> Audience {
        Arc::clone(&self.audience)
    }

    pub(super) fn audience_before(&self) -> Audience {
        Arc::clone(&self.before)
    }

    /// Those who get the lines of a file that is read here.
    pub(super) fn served(&self, file: Identity) -> Vec<Subscriber> {
        let is_it = |open: Option<&LogFile>| open.is_some_and(|open| open.identity() == file);
        let mut served = Vec::new();
        if is_it(self.follower.older_file()) {
            served.extend(self.before.iter());
        }
        if is_it(self.follower.current_file()) {
            served.extend(self.audience.iter());
            served.extend(self.ahead.iter().map(|(_, subscriber)| subscriber));
        }
        served
    }

    /// Begins the file that was just found: everyone from a place of their own.
    pub(super) fn begin(&mut self, mut starts: Vec<(u64, Subscriber)>) {
        starts.sort();
        self.fresh = starts.iter().map(|(_, subscriber)| *subscriber).collect();
        self.audience = Audience::default();
        let first = starts.first().map(|(offset, _)| *offset);
        self.ahead = starts;
        match (first, self.follower.current_mut()) {
            (Some(first), Some(reader)) => reader.seek(first),
            (None, _) => self.follower.park(),
            (Some(_), None) => {}
        }
        self.advance();
    }

    /// Lets one more in on the file being read, from an offset that may be behind or ahead.
    pub(super) fn join(
        &mut self,
        start: u64,
        subscriber: Subscriber,
        reader: Option<Reader<LogFile>>,
    ) {
        let now = self
            .follower
            .current()
            .map_or(0, |reader| reader.position().offset);
        if let Some(mut reader) = reader.filter(|_| start < now) {
            reader.seek(start);
            reader.set_limit(now);
            self.behind.push(Behind { reader, subscriber });
            self.admit(&[subscriber]);
            return;
        }
        self.fresh.push(subscriber);
        let at = self.ahead.partition_point(|(offset, _)| *offset <= start);
        self.ahead.insert(at, (start, subscriber));
        self.advance();
    }

    /// Those who waited for the offset reached get the lines from here on.
    pub(super) fn advance(&mut self) {
        let Some(reader) = self.follower.current_mut() else {
            return;
        };
        let now = reader.position().offset;
        let reached = self.ahead.partition_point(|(offset, _)| *offset <= now);
        let reached: Vec<_> = self
            .ahead
            .drain(..reached)
            .map(|(_, subscriber)| subscriber)
            .collect();
        reader.set_limit(self.ahead.first().map_or(u64::MAX, |(offset, _)| *offset));
        self.admit(&reached);
    }

    /// Another file begins, for everyone from a place of their own; or the same one anew.
    pub(super) fn rotate(&mut self, starts: Option<Vec<(u64, Subscriber)>>) {
        let ahead = self.ahead.drain(..).map(|(_, subscriber)| subscriber);
        let readers = self.audience.iter().copied().chain(ahead).collect();
        match starts {
            Some(starts) => {
                self.before = readers;
                let fresh = std::mem::take(&mut self.fresh);
                self.begin(starts);
                self.fresh = fresh;
            }
            None => self.audience = readers,
        }
    }

    /// Goes on with a file that was read under another name until now.
    pub(super) fn resume(&mut self, file: Identity, place: Position) -> bool {
        let resumed = self.follower.resume(file, place);
        if resumed {
            self.audience = self.everyone();
        }
        resumed
    }

    /// The end is reached: those who are told so for the first time.
    pub(super) fn caught_up(&mut self) -> Option<Audience> {
        let waits =
            |subscriber: &Subscriber| self.ahead.iter().any(|(_, other)| other == subscriber);
        let (waiting, told): (Vec<_>, Vec<_>) = self.fresh.drain(..).partition(waits);
        self.fresh = waiting;
        (!told.is_empty()).then(|| told.into())
    }

    /// Reads once for one of those who are behind.
    pub(super) fn catch_up(&mut self, scratch: &mut [u8]) -> Option<Caught> {
        let behind = self.behind.last_mut()?;
        let to: Audience = [behind.subscriber].into();
        loop {
            match behind.reader.read(scratch) {
                Ok(Read::Lines(chunk)) => return Some(Caught::Lines(chunk, to)),
                Ok(Read::Part) => {}
                // Rotated away under us: the others have had the rest.
                Ok(Read::End | Read::Rotated(_)) | Err(_) => {
                    self.behind.pop();
                    return Some(Caught::Up(to));
                }
            }
        }
    }

    /// Gives up the file that lost its name, once it has been silent for long enough; `true` when
    /// the log itself is over.
    pub(super) fn let_go(&mut self, now: Time) -> bool {
        if !self.follower.is_missing() {
            self.deadline = None;
            return false;
        }
        let held = self.follower.current().is_some();
        if held && !self.by_glob && !self.follower.holds_a_deleted_file() {
            return false;
        }
        if !held {
            return self.by_glob;
        }
        let deadline = *self.deadline.get_or_insert(now + HOLD);
        // A clock that was set back must not hold it for ever.
        if now < deadline && deadline < now + HOLD + HOLD {
            return false;
        }
        self.deadline = None;
        self.follower.give_up();
        self.by_glob
    }

    fn admit(&mut self, more: &[Subscriber]) {
        if !more.is_empty() {
            self.audience = self.audience.iter().chain(more).copied().collect();
        }
    }
}
