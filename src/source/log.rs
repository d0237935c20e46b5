//! One followed path: who wants it, where it leads, and what was last said about it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::Time;

use super::SourceError;
use super::event::{Audience, LogId, Subscriber};
use super::follow::FileKey;
use super::reader::Identity;

#[derive(Debug)]
pub(super) struct Log {
    pub(super) id: LogId,
    pub(super) path: Arc<Path>,
    /// By the follower's number.
    pub(super) encoding: usize,
    members: Vec<Member>,
    /// The members that were told that a file of it is read.
    opened: Vec<Subscriber>,
    /// The file that bears the name, or did last.
    pub(super) leads: Option<FileKey>,
    /// The one before, which may still be written.
    pub(super) older: Option<FileKey>,
    /// Between which two others were looked for that bore the name meanwhile.
    pub(super) passed: Option<(FileKey, Identity)>,
    /// Lines of the one that bears the name have been told.
    pub(super) begun: bool,
    /// It was found out what was rotated away while nobody watched.
    pub(super) sought: bool,
    /// Those files, as long as they are to be gone through before the one that bears the name.
    pub(super) rest: VecDeque<(PathBuf, Identity)>,
    /// One of them was the last to be opened.
    pub(super) detours: bool,
    /// The name may lead elsewhere now.
    pub(super) look: bool,
    /// It was said that nothing bears the name.
    pub(super) missing: bool,
    /// It was ever so: what bears it now came late.
    pub(super) late: bool,
    /// Why the name leads nowhere we can read, as it was said.
    pub(super) trouble: Option<SourceError>,
    /// Why the open file cannot be read, as it was said.
    pub(super) unreadable: Option<SourceError>,
    /// It is to be said that something is over.
    pub(super) recovered: bool,
    /// A pattern's match: not waited for when it goes.
    pub(super) by_glob: bool,
    /// Why it is looked at from time to time.
    pub(super) polled: Option<String>,
    /// The ways to it are to be watched anew before the next look.
    pub(super) rewatch: bool,
    /// The files it holds are others than before.
    pub(super) rehold: bool,
    /// Its place among those of patterns, the one idle longest first.
    pub(super) stamp: i64,
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

impl Log {
    pub(super) fn new(id: LogId, path: Arc<Path>, encoding: usize) -> Self {
        Self {
            id,
            path,
            encoding,
            members: Vec::new(),
            opened: Vec::new(),
            leads: None,
            older: None,
            passed: None,
            begun: false,
            sought: false,
            rest: VecDeque::new(),
            detours: false,
            look: true,
            missing: false,
            late: false,
            trouble: None,
            unreadable: None,
            recovered: false,
            by_glob: true,
            polled: None,
            rewatch: true,
            rehold: false,
            stamp: 0,
            queued: false,
            deadline: None,
        }
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(super) fn wants(&self, subscriber: Subscriber) -> bool {
        self.members
            .iter()
            .any(|member| member.subscriber == subscriber)
    }

    /// `false` if it was one already.
    pub(super) fn add_member(&mut self, member: Member) -> bool {
        let known = self.wants(member.subscriber);
        if !known {
            self.members.push(member);
        }
        !known
    }

    /// Removes the member that came through a subscription.
    pub(super) fn remove_member(&mut self, subscription: usize) -> Option<Subscriber> {
        let at = self
            .members
            .iter()
            .position(|member| member.subscription == subscription)?;
        let subscriber = self.members.remove(at).subscriber;
        self.opened.retain(|opened| *opened != subscriber);
        Some(subscriber)
    }

    /// Whether a member is to be told now that a file of it is read; once.
    pub(super) fn open_for(&mut self, subscriber: Subscriber) -> bool {
        let first = !self.opened.contains(&subscriber);
        if first {
            self.opened.push(subscriber);
        }
        first
    }

    /// Everyone who wants this log.
    pub(super) fn everyone(&self) -> Audience {
        self.members
            .iter()
            .map(|member| member.subscriber)
            .collect()
    }

    /// The files it holds, the older one first.
    pub(super) fn files(&self) -> impl Iterator<Item = FileKey> + use<> {
        self.older.into_iter().chain(self.leads)
    }

    /// Whether that file is the one that leads.
    pub(super) fn leads_to(&self, file: Identity) -> bool {
        self.leads.is_some_and(|leads| leads.identity == file)
    }

    /// Whether nothing is lost when it is closed and opened again.
    pub(super) fn can_rest(&self) -> bool {
        self.by_glob && !self.queued && !self.look && self.older.is_none() && self.rest.is_empty()
    }

    pub(super) fn is_in_trouble(&self) -> bool {
        self.trouble.is_some() || self.unreadable.is_some()
    }
}
