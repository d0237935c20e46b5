//! What the reading thread owns, what it is asked and told, and how it sleeps.
//!
//! Reading itself is in `turn.rs`. Nothing here waits but [`Room::sleep`] and the sink.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{PipeReader, Read as _};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::model::{Span, Time};

use super::event::{LogId, SourceEvent, Subscriber, Subscription};
use super::follow::Follower;
use super::former::Former;
use super::glob::Glob;
use super::log::{Log, Member};
use super::watcher::{Command, Sink};
use super::watches::{Notice, Watches};

/// What is read at once, in bytes: large enough that system calls do not count, small enough that
/// the queue of chunks between us and the engine stays within a mebibyte or so.
const SCRATCH: usize = 64 * 1024;

/// Between two looks at what must be polled: at first, and when nothing changes (fail2ban § 9.2).
const POLL_FIRST: Span = Span::from_micros(200_000);
const POLL_LAST: Span = Span::from_secs(2);

/// Every change of a mount wakes those who wait here for an exceptional condition.
const MOUNTS: &str = "/proc/self/mountinfo";

/// A subscription, and its pattern if it is one.
pub(super) struct Wish {
    pub(super) subscription: Subscription,
    glob: Option<Glob>,
    /// It was said that the pattern matches nothing.
    unmatched: bool,
    /// The kernel watches no more directories for us.
    polled: bool,
}

/// Everything the thread owns.
pub(super) struct Room {
    pub(super) clock: fn() -> Time,
    sink: Sink,
    orders: Receiver<Command>,
    ear: PipeReader,
    /// `None` where the kernel has none for us: then everything is polled, and why.
    pub(super) watches: Result<Watches, String>,
    mounts: Option<File>,
    pub(super) wishes: BTreeMap<usize, Wish>,
    pub(super) logs: BTreeMap<LogId, Log>,
    pub(super) former: Former,
    /// Numbers for the next wish and the next log.
    next_wish: usize,
    next_log: u32,
    /// Logs that may have something to read.
    ready: VecDeque<LogId>,
    pub(super) scratch: Vec<u8>,
    poll_every: Span,
    poll_at: Option<Time>,
    pub(super) over: bool,
}

impl Room {
    pub(super) fn new(
        clock: fn() -> Time,
        sink: Sink,
        orders: Receiver<Command>,
        ear: PipeReader,
    ) -> Self {
        Self {
            clock,
            sink,
            orders,
            ear,
            watches: Watches::new().map_err(|error| format!("inotify: {error}")),
            mounts: File::open(MOUNTS).ok(),
            wishes: BTreeMap::new(),
            logs: BTreeMap::new(),
            former: Former::default(),
            next_wish: 0,
            next_log: 0,
            ready: VecDeque::new(),
            scratch: vec![0; SCRATCH],
            poll_every: POLL_FIRST,
            poll_at: None,
            over: false,
        }
    }

    pub(super) fn run(mut self) {
        while !self.over {
            self.obey();
            self.listen();
            match self.ready.pop_front() {
                Some(log) => self.turn(log),
                None => self.sleep(),
            }
        }
    }

    pub(super) fn tell(&mut self, event: SourceEvent) {
        self.over |= !(self.sink)(event);
    }

    fn obey(&mut self) {
        while let Ok(command) = self.orders.try_recv() {
            match command {
                Command::Follow(subscriptions) => self.follow(subscriptions),
                Command::Forget(subscriber, logpath) => self.forget(subscriber, logpath.as_deref()),
                Command::Stop => self.over = true,
            }
        }
    }

    fn follow(&mut self, subscriptions: Vec<Subscription>) {
        for subscription in subscriptions {
            let known = |wish: &Wish| {
                wish.subscription.subscriber == subscription.subscriber
                    && wish.subscription.logpath == subscription.logpath
            };
            if self.wishes.values().any(known) {
                continue;
            }
            let number = self.next_wish;
            self.next_wish += 1;
            let path = subscription.logpath.clone();
            let glob = Glob::parse(&path);
            let is_glob = glob.is_some();
            self.wishes.insert(
                number,
                Wish {
                    subscription,
                    glob,
                    unmatched: false,
                    polled: false,
                },
            );
            if is_glob {
                self.expand(number, false);
            } else {
                self.admit(number, &path, false);
            }
        }
    }

    fn forget(&mut self, subscriber: Subscriber, logpath: Option<&Path>) {
        let gone: Vec<usize> = self
            .wishes
            .iter()
            .filter(|(_, wish)| wish.subscription.subscriber == subscriber)
            .filter(|(_, wish)| logpath.is_none_or(|path| wish.subscription.logpath == path))
            .map(|(number, _)| *number)
            .collect();
        for number in gone {
            self.wishes.remove(&number);
            if let Ok(watches) = &mut self.watches {
                watches.forget_glob(number);
            }
            let logs = self.logs.values_mut();
            let empty = logs.filter_map(|log| log.remove(number).then_some(log.id));
            for log in empty.collect::<Vec<_>>() {
                self.drop_log(log);
            }
        }
    }

    pub(super) fn drop_log(&mut self, log: LogId) {
        self.logs.remove(&log);
        self.ready.retain(|other| *other != log);
        if let Ok(watches) = &mut self.watches {
            watches.forget_log(log);
        }
    }

    /// Follows everything a pattern matches, and watches for more.
    fn expand(&mut self, number: usize, late: bool) {
        let Some(glob) = self.wishes.get(&number).and_then(|wish| wish.glob.clone()) else {
            return;
        };
        if let Ok(watches) = &mut self.watches {
            let watched = watches.watch_glob(number, &glob.expand());
            if let Some(wish) = self.wishes.get_mut(&number) {
                wish.polled = watched.is_err();
            }
        }
        // Once more: something may have come before the watch.
        for path in glob.expand().files {
            self.admit(number, &path, late);
        }
        let matched = |log: &Log| {
            log.members()
                .iter()
                .any(|member| member.subscription == number)
        };
        let unmatched = !self.logs.values().any(matched);
        let Some(wish) = self.wishes.get_mut(&number) else {
            return;
        };
        let said = std::mem::replace(&mut wish.unmatched, unmatched);
        if unmatched && !said {
            let event = SourceEvent::Unmatched {
                pattern: wish.subscription.logpath.clone(),
                subscriber: wish.subscription.subscriber,
            };
            self.tell(event);
        }
    }

    /// Makes a wish's subscriber a member of the log at `path`.
    fn admit(&mut self, number: usize, path: &Path, late: bool) {
        let Some(wish) = self.wishes.get(&number) else {
            return;
        };
        let Subscription {
            subscriber,
            encoding,
            polling,
            ..
        } = &wish.subscription;
        let member = Member {
            subscriber: *subscriber,
            subscription: number,
            late,
        };
        let (is_glob, polling) = (wish.glob.is_some(), *polling);
        let same = |log: &&Log| *log.path == *path && log.follower.reads(encoding);
        let id = match self.logs.values().find(same) {
            Some(log) => log.id,
            None => {
                let id = LogId(self.next_log);
                self.next_log += 1;
                let log = Log::new(id, Arc::from(path), Follower::new(encoding.clone()));
                self.logs.insert(id, log);
                id
            }
        };
        let Some(log) = self.logs.get_mut(&id) else {
            return;
        };
        log.by_glob &= is_glob;
        if polling {
            log.polled.get_or_insert_with(|| "as configured".to_owned());
        }
        let begun = log.follower.current().is_some();
        if log.add_member(member) && begun {
            self.join(id, member);
        }
        self.wake(id);
    }

    /// Puts a log into the queue of those with something to read.
    pub(super) fn wake(&mut self, id: LogId) {
        if let Some(log) = self.logs.get_mut(&id)
            && !std::mem::replace(&mut log.queued, true)
        {
            self.ready.push_back(id);
        }
    }

    /// What the kernel has told since the last time.
    fn listen(&mut self) {
        let Ok(watches) = &mut self.watches else {
            return;
        };
        for notice in watches.notices() {
            match notice {
                Notice::Changed(log) => self.wake(log),
                Notice::Moved(log) => self.look(log),
                Notice::Shaken(wish) => self.expand(wish, true),
                Notice::Appeared((wish, part), path) => self.appeared(wish, part, &path),
                Notice::Everything => self.look_everywhere(),
            }
        }
    }

    fn appeared(&mut self, wish: usize, part: usize, path: &Path) {
        let Some(glob) = self.wishes.get(&wish).and_then(|wish| wish.glob.as_ref()) else {
            return;
        };
        match path.file_name() {
            Some(name) if !glob.fits(part, name) => {}
            Some(_) if glob.is_last(part) => {
                if let Some(wish) = self.wishes.get_mut(&wish) {
                    wish.unmatched = false;
                }
                self.admit(wish, path, true);
            }
            Some(_) | None => self.expand(wish, true),
        }
    }

    /// The log's name may lead elsewhere.
    pub(super) fn look(&mut self, log: LogId) {
        if let Some(found) = self.logs.get_mut(&log) {
            found.rewatch = true;
            self.wake(log);
        }
    }

    fn look_everywhere(&mut self) {
        for log in self.logs.keys().copied().collect::<Vec<_>>() {
            self.look(log);
        }
        for wish in self.wishes.keys().copied().collect::<Vec<_>>() {
            self.expand(wish, true);
        }
    }

    /// Nothing is ready: waits for the kernel, a command, or the next poll.
    fn sleep(&mut self) {
        let limit = self.limit();
        let mut ready = Vec::with_capacity(3);
        ready.push(PollFd::new(self.ear.as_fd(), PollFlags::POLLIN));
        if let Some(mounts) = &self.mounts {
            ready.push(PollFd::new(mounts.as_fd(), PollFlags::POLLPRI));
        }
        if let Ok(watches) = &self.watches {
            ready.push(PollFd::new(watches.as_fd(), PollFlags::POLLIN));
        }
        // A signal cuts the wait short; then there is nothing to do, and we wait again.
        let _ = poll(&mut ready, limit);
        let happened = |flags: PollFlags| {
            move |fd: &PollFd<'_>| {
                fd.revents()
                    .is_some_and(|happened| happened.intersects(flags))
            }
        };
        let rung = ready.first().is_some_and(happened(PollFlags::POLLIN));
        let mounted = ready
            .get(1)
            .is_some_and(happened(PollFlags::POLLPRI | PollFlags::POLLERR));
        drop(ready);
        if rung {
            // Fewer bytes than bells are no harm: all commands are taken at once.
            let _ = self.ear.read(&mut [0; 64]);
        }
        if mounted && self.mounts.is_some() {
            self.look_everywhere();
        }
        self.poll_what_must_be();
    }

    /// How long to sleep at most: for ever, if nothing must be polled and nothing given up.
    fn limit(&mut self) -> PollTimeout {
        let now = (self.clock)();
        let polled = self.must_poll();
        self.poll_at = polled.then(|| self.poll_at.unwrap_or(now + self.poll_every));
        let deadlines = self.logs.values().filter_map(|log| log.deadline);
        let Some(next) = deadlines.chain(self.poll_at).min() else {
            return PollTimeout::NONE;
        };
        // Rounded up, or the last millisecond would be spent awake; bounded, should the clock be
        // set back.
        let millis = ((next - now).micros() / 1000 + 1).clamp(0, i64::from(u16::MAX));
        PollTimeout::from(millis as u16)
    }

    fn must_poll(&self) -> bool {
        let blind = self.watches.is_err();
        let by_wish = |wish: &Wish| wish.glob.is_some() && wish.is_polled(blind);
        let by_log = |log: &Log| blind || log.polled.is_some() || log.follower.is_in_trouble();
        self.wishes.values().any(by_wish) || self.logs.values().any(by_log)
    }

    /// Looks at what nobody tells us about, when its time has come.
    fn poll_what_must_be(&mut self) {
        let now = (self.clock)();
        let due = |at: Time| at <= now || at > now + POLL_LAST + POLL_LAST;
        let given_up = |log: &&Log| log.deadline.is_some_and(|at| at <= now);
        for log in self
            .logs
            .values()
            .filter(given_up)
            .map(|log| log.id)
            .collect::<Vec<_>>()
        {
            self.wake(log);
        }
        if !self.poll_at.is_some_and(due) {
            return;
        }
        self.poll_at = None;
        self.poll_every = Span::from_micros((self.poll_every.micros() * 2).min(POLL_LAST.micros()));
        let blind = self.watches.is_err();
        let by_log = |log: &&Log| blind || log.polled.is_some() || log.follower.is_in_trouble();
        for log in self
            .logs
            .values()
            .filter(by_log)
            .map(|log| log.id)
            .collect::<Vec<_>>()
        {
            self.look(log);
        }
        let by_wish = |(_, wish): &(&usize, &Wish)| wish.glob.is_some() && wish.is_polled(blind);
        for wish in self
            .wishes
            .iter()
            .filter(by_wish)
            .map(|(n, _)| *n)
            .collect::<Vec<_>>()
        {
            self.expand(wish, true);
        }
    }

    /// Something polled has changed: more may come soon.
    pub(super) fn poll_sooner(&mut self) {
        self.poll_every = POLL_FIRST;
        self.poll_at = None;
    }
}

impl Wish {
    /// Whether the directories its pattern looks in must be looked at from time to time.
    fn is_polled(&self, blind: bool) -> bool {
        blind || self.polled || self.subscription.polling
    }
}
