//! What the reading thread owns, what it is asked and told, and how it sleeps. Nothing here waits
//! but `Room::sleep` and the sink.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io::PipeReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::UNIX_EPOCH;

use crate::model::Time;

use super::SourceError;
use super::disk::{Disk, LogFile};
use super::event::{LogId, SourceEvent, Subscriber, Subscription};
use super::follow::Follower;
use super::glob::Glob;
use super::log::{Log, Member};
use super::sleep::Pace;
use super::watcher::{Command, Sink};
use super::watches::{Notice, Watches};

/// What is read at once, in bytes: large enough that system calls do not count, small enough that
/// the queue of chunks between us and the engine stays within a mebibyte or so.
const SCRATCH: usize = 64 * 1024;

/// So many of the logs idle longest are looked at for one with nothing left to read: those that
/// have something will soon have been read, and move to the end.
const LOOKED_AT: usize = 64;

/// Every change of a mount wakes those who wait here for an exceptional condition.
const MOUNTS: &str = "/proc/self/mountinfo";

/// A subscription, and its pattern if it is one.
pub(super) struct Wish {
    pub(super) subscription: Subscription,
    pub(super) glob: Option<Glob>,
    /// It was said that the pattern matches nothing.
    unmatched: bool,
    /// It was said that it matches too much.
    crowded: bool,
    /// The kernel watches no more directories for us.
    polled: bool,
}

/// Everything the thread owns.
pub(super) struct Room {
    pub(super) clock: fn() -> Time,
    pub(super) sink: Sink,
    orders: Receiver<Command>,
    pub(super) ear: PipeReader,
    /// Where the kernel has none for us, everything is polled: and why.
    pub(super) watches: Result<Watches, String>,
    pub(super) mounts: Option<File>,
    pub(super) wishes: BTreeMap<usize, Wish>,
    pub(super) follower: Follower<LogFile>,
    by_path: HashMap<Arc<Path>, Vec<LogId>>,
    /// The logs of patterns, the one idle longest first.
    idle: BTreeMap<i64, LogId>,
    /// What was written to and cannot be open yet, with the number of its wish.
    outside: BTreeMap<PathBuf, usize>,
    /// Numbers for the next wish and the next log.
    next_wish: usize,
    next_log: u32,
    /// Logs that may have something to read.
    pub(super) ready: VecDeque<LogId>,
    pub(super) scratch: Vec<u8>,
    pub(super) polls: Pace,
    pub(super) retries: Pace,
    pub(super) disk: Disk,
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
            watches: Watches::new()
                .map_err(|error| format!("inotify: {}", SourceError::from(&error))),
            mounts: File::open(MOUNTS).ok(),
            wishes: BTreeMap::new(),
            follower: Follower::new(),
            by_path: HashMap::new(),
            idle: BTreeMap::new(),
            outside: BTreeMap::new(),
            next_wish: 0,
            next_log: 0,
            ready: VecDeque::new(),
            scratch: vec![0; SCRATCH],
            polls: Pace::polling(),
            retries: Pace::retrying(),
            disk: Disk::new(),
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
                    crowded: false,
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
            for (log, path) in self.follower.forget(number) {
                self.dropped(log, &path);
            }
        }
    }

    /// A log is over.
    pub(super) fn dropped(&mut self, log: LogId, path: &Path) {
        if let Some(logs) = self.by_path.get_mut(path) {
            logs.retain(|other| *other != log);
            if logs.is_empty() {
                self.by_path.remove(path);
            }
        }
        // If it is in `ready`, its turn will find nothing. So with `idle`, which is tidied when
        // half of it is gone.
        let logs = &self.follower.logs;
        if self.idle.len() > logs.len() + LOOKED_AT / 2 {
            self.idle.retain(|_, id| logs.contains_key(id));
        }
        if let Ok(watches) = &mut self.watches {
            watches.forget_log(log);
        }
    }

    /// Follows everything a pattern matches, and watches for more.
    pub(super) fn expand(&mut self, number: usize, late: bool) {
        let Some(glob) = self.wishes.get(&number).and_then(|wish| wish.glob.clone()) else {
            return;
        };
        let crowded = self.wishes.get(&number).is_some_and(|wish| wish.crowded);
        let mut refused = false;
        let mut files = match &mut self.watches {
            Ok(watches) => {
                let mut watch = |folder: &Path, part| {
                    let writes = crowded && glob.is_last(part);
                    refused |= watches.watch_glob((number, part), folder, writes).is_err();
                };
                glob.expand_watched(&mut watch).files
            }
            Err(_) => glob.expand().files,
        };
        if let Some(wish) = self.wishes.get_mut(&number) {
            wish.polled = refused;
        }
        if files.len() > self.disk.for_patterns() {
            if !crowded {
                return self.crowd(number, late);
            }
            self.admit_the_latest(number, std::mem::take(&mut files), late);
        }
        for path in files {
            self.admit(number, &path, late);
        }
        let matched = |log: &Log| {
            log.members()
                .iter()
                .any(|member| member.subscription == number)
        };
        let unmatched = !self.follower.logs.values().any(matched);
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

    /// Of files that cannot all be open, follows those written last; and goes through what else was
    /// written lately.
    fn admit_the_latest(&mut self, number: usize, files: Vec<PathBuf>, late: bool) {
        let Some(wish) = self.wishes.get(&number) else {
            return;
        };
        let young = (self.clock)() - wish.subscription.findtime;
        for (written, path) in latest_first(files) {
            if self.follower.logs.len() < self.disk.for_patterns() {
                self.admit(number, &path, late);
            } else if written >= young {
                self.outside.insert(path, number);
            } else {
                break;
            }
        }
        self.let_in(None);
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
        let encoding = self.follower.encoding(encoding);
        let full = self.follower.logs.len() >= self.disk.for_patterns();
        if is_glob && full && self.known_at(path, encoding).is_none() {
            return self.crowd(number, late);
        }
        let id = self.log_at(path, encoding);
        if is_glob {
            self.rank(id, late);
        }
        if let Some(log) = self.follower.logs.get_mut(&id) {
            log.by_glob &= is_glob;
            if polling {
                log.polled.get_or_insert_with(|| "as configured".to_owned());
            }
        }
        self.join(id, member);
        let waiting = self.ready.len();
        self.wake(id);
        // Before the many of a pattern.
        if !is_glob && self.ready.len() > waiting {
            self.ready.rotate_right(1);
        }
    }

    /// A log of a pattern was written to now, or is there since long.
    pub(super) fn rank(&mut self, id: LogId, now: bool) {
        let Some(log) = self.follower.logs.get_mut(&id) else {
            return;
        };
        if self.idle.get(&log.stamp) == Some(&id) {
            if !now {
                return;
            }
            self.idle.remove(&log.stamp);
        }
        // Those that are there come the latest first.
        let end = match now {
            true => self.idle.last_key_value().map_or(1, |(last, _)| last + 1),
            false => self
                .idle
                .first_key_value()
                .map_or(0, |(first, _)| first - 1),
        };
        log.stamp = end;
        self.idle.insert(end, id);
    }

    /// Logs that could not be open were written to: they take the places of those idle longest, or
    /// of the one that has `just` been read, as soon as those have nothing left to read.
    pub(super) fn let_in(&mut self, just: Option<LogId>) {
        while let Some((path, number)) = self.outside.pop_first() {
            let Some(wish) = self.wishes.get(&number) else {
                continue;
            };
            let encoding = self.follower.encoding(&wish.subscription.encoding);
            let is_full = self.follower.logs.len() >= self.disk.for_patterns();
            if is_full && self.known_at(&path, encoding).is_none() && !self.make_room(just) {
                self.outside.insert(path, number);
                return;
            }
            self.admit(number, &path, true);
        }
    }

    /// Closes the log idle longest, if there is one with nothing left to read.
    fn make_room(&mut self, just: Option<LogId>) -> bool {
        let first = self.idle.values().copied().take(LOOKED_AT).chain(just);
        let mut logs = first.filter_map(|id| self.follower.logs.get(&id));
        let Some(log) = logs.find(|log| log.can_rest()) else {
            return false;
        };
        let (id, path, to) = (log.id, Arc::clone(&log.path), log.everyone());
        self.idle.remove(&log.stamp);
        self.follower.put_aside(id);
        self.dropped(id, &path);
        self.tell(SourceEvent::Closed { log: id, path, to });
        true
    }

    /// A pattern matches too much: that is said, and all its files are watched for being written.
    fn crowd(&mut self, number: usize, late: bool) {
        let most = self.disk.for_patterns();
        let Some(wish) = self.wishes.get_mut(&number) else {
            return;
        };
        if !std::mem::replace(&mut wish.crowded, true) {
            let event = SourceEvent::Crowded {
                pattern: wish.subscription.logpath.clone(),
                subscriber: wish.subscription.subscriber,
                most,
            };
            self.tell(event);
            self.expand(number, late);
        }
    }

    /// The log that follows a path in an encoding.
    fn known_at(&self, path: &Path, encoding: usize) -> Option<LogId> {
        let known = self.by_path.get(path).into_iter().flatten();
        let mut known = known.filter_map(|id| self.follower.logs.get(id));
        let log = known.find(|log| log.encoding == encoding)?;
        Some(log.id)
    }

    /// The log that follows a path in an encoding, if need be a new one.
    fn log_at(&mut self, path: &Path, encoding: usize) -> LogId {
        if let Some(known) = self.known_at(path, encoding) {
            return known;
        }
        let (id, path) = (LogId(self.next_log), Arc::<Path>::from(path));
        self.next_log += 1;
        self.by_path.entry(Arc::clone(&path)).or_default().push(id);
        self.follower.add(id, path, encoding);
        id
    }

    /// Puts a log into the queue of those with something to read.
    pub(super) fn wake(&mut self, id: LogId) {
        if let Some(log) = self.follower.logs.get_mut(&id)
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
                Notice::Appeared((wish, part), path) | Notice::Written((wish, part), path) => {
                    self.appeared(wish, part, &path);
                }
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
                self.outside.insert(path.to_owned(), wish);
                self.let_in(None);
            }
            Some(_) | None => self.expand(wish, true),
        }
    }

    /// The log's name may lead elsewhere.
    pub(super) fn look(&mut self, log: LogId) {
        if let Some(found) = self.follower.logs.get_mut(&log) {
            found.rewatch = true;
            self.wake(log);
        }
    }

    pub(super) fn look_everywhere(&mut self) {
        for log in self.follower.logs.keys().copied().collect::<Vec<_>>() {
            self.look(log);
        }
        for wish in self.wishes.keys().copied().collect::<Vec<_>>() {
            self.expand(wish, true);
        }
    }
}

/// Files with the time they were written, the latest first.
fn latest_first(files: Vec<PathBuf>) -> Vec<(Time, PathBuf)> {
    let written = |path: &PathBuf| {
        let time = std::fs::metadata(path).and_then(|found| found.modified());
        let since = time.ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Time::from_micros(i64::try_from(since.as_micros()).ok()?))
    };
    let dated = |path| (written(&path).unwrap_or_default(), path);
    let mut files: Vec<_> = files.into_iter().map(dated).collect();
    files.sort_by_key(|(time, _)| Reverse(*time));
    files
}

impl Wish {
    /// Whether the directories its pattern looks in must be looked at from time to time.
    pub(super) fn is_polled(&self, blind: bool) -> bool {
        self.glob.is_some() && (blind || self.polled || self.subscription.polling)
    }
}
