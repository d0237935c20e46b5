//! What the kernel is asked to tell us: inotify watches on open files and on every directory whose
//! names decide where a log's path leads.
//!
//! A watch belongs to an inode, not to a path: whatever is watched is asked for anew whenever a
//! path is looked at again, and the kernel answers with the watch it has.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};

use super::LogId;
use super::disk::{LogFile, places};

/// Room for events, in bytes: some dozens, and at least the one with the longest name.
const BUFFER: usize = 8 * 1024;

/// Directories that come one inside the other while we look: more levels than a path to a log has.
const DEEPEST: usize = 32;

/// Which subscription's pattern, and which of its components.
pub(super) type GlobPart = (usize, usize);

/// What the kernel told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// An open file of the log has grown, or shrunk.
    Changed(LogId),
    /// The log's name may lead elsewhere.
    Moved(LogId),
    /// A name appeared where a pattern looks for some.
    Appeared(GlobPart, PathBuf),
    /// A file was written where a pattern looks for some, and asked to know.
    Written(GlobPart, PathBuf),
    /// A directory in which a pattern looks is no longer what it was.
    Shaken(usize),
    /// Events were lost.
    Everything,
}

pub(super) struct Watches {
    inotify: Inotify,
    buffer: Vec<u8>,
    watched: HashMap<WatchDescriptor, Watched>,
    /// The directories on each log's way, and its open files.
    of_log: HashMap<LogId, Ways>,
}

#[derive(Default)]
struct Ways {
    names: Vec<(WatchDescriptor, OsString)>,
    files: Vec<WatchDescriptor>,
}

/// Who wants to know about one inode.
#[derive(Default)]
struct Watched {
    files: Vec<LogId>,
    names: HashMap<OsString, Vec<LogId>>,
    /// Patterns, with the directory's path as they came to it.
    globs: Vec<(GlobPart, PathBuf)>,
}

impl Watched {
    fn is_idle(&self) -> bool {
        self.files.is_empty() && self.names.is_empty() && self.globs.is_empty()
    }
}

impl Watches {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            inotify: Inotify::init()?,
            buffer: vec![0; BUFFER],
            watched: HashMap::new(),
            of_log: HashMap::new(),
        })
    }

    /// Watches the names a path depends on. What lies behind a directory that cannot be watched
    /// is left out, and the error told.
    pub(super) fn watch_path(&mut self, log: LogId, path: &Path) -> io::Result<()> {
        let mut before = std::mem::take(&mut self.of_log.entry(log).or_default().names);
        let mut now = Vec::new();
        let mut worst = Ok(());
        let mut wanted = places(path);
        for _ in 0..DEEPEST {
            before.append(&mut now);
            (now, worst) = self.watch_places(log, &wanted);
            // What came before the directory it came into was watched is told of by nobody.
            let found = places(path);
            if found == wanted {
                break;
            }
            wanted = found;
        }
        for place in before.into_iter().filter(|place| !now.contains(place)) {
            self.forget_name(log, place);
        }
        self.of_log.entry(log).or_default().names = now;
        worst
    }

    fn watch_places(
        &mut self,
        log: LogId,
        wanted: &[(PathBuf, OsString)],
    ) -> (Vec<(WatchDescriptor, OsString)>, io::Result<()>) {
        let mut now = Vec::new();
        let mut worst = Ok(());
        for (directory, name) in wanted {
            match self.add_directory(directory, WatchMask::empty()) {
                Ok(watch) => {
                    let logs = self.entry(&watch).names.entry(name.clone()).or_default();
                    if !logs.contains(&log) {
                        logs.push(log);
                    }
                    now.push((watch, name.clone()));
                }
                // Without the right to look, or gone meanwhile: the log itself will say so.
                Err(error) if is_harmless(&error) => {}
                Err(error) => worst = Err(error),
            }
        }
        (now, worst)
    }

    /// Watches the log's open files, and no others of it.
    pub(super) fn watch_files<'a>(
        &mut self,
        log: LogId,
        files: impl Iterator<Item = &'a LogFile>,
    ) -> io::Result<()> {
        let mask =
            WatchMask::MODIFY | WatchMask::ATTRIB | WatchMask::MOVE_SELF | WatchMask::DELETE_SELF;
        let before = std::mem::take(&mut self.of_log.entry(log).or_default().files);
        let mut now = Vec::new();
        let mut worst = Ok(());
        for file in files {
            match self.inotify.watches().add(file.own_path(), mask) {
                Ok(watch) => {
                    let logs = &mut self.entry(&watch).files;
                    if !logs.contains(&log) {
                        logs.push(log);
                    }
                    now.push(watch);
                }
                Err(error) => worst = Err(error),
            }
        }
        for watch in before.into_iter().filter(|watch| !now.contains(watch)) {
            self.forget_file(log, &watch);
        }
        self.of_log.entry(log).or_default().files = now;
        worst
    }

    /// Watches a directory where a pattern looks; and if `writes`, for files written there, which
    /// need not be open.
    pub(super) fn watch_glob(
        &mut self,
        part: GlobPart,
        directory: &Path,
        writes: bool,
    ) -> io::Result<()> {
        let more = if writes {
            WatchMask::MODIFY
        } else {
            WatchMask::empty()
        };
        let watch = match self.add_directory(directory, more) {
            Ok(watch) => watch,
            Err(error) if is_harmless(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        let wanted = (part, directory.to_owned());
        let globs = &mut self.entry(&watch).globs;
        if !globs.contains(&wanted) {
            globs.push(wanted);
        }
        Ok(())
    }

    pub(super) fn forget_log(&mut self, log: LogId) {
        let ways = self.of_log.remove(&log).unwrap_or_default();
        for place in ways.names {
            self.forget_name(log, place);
        }
        for watch in ways.files {
            self.forget_file(log, &watch);
        }
    }

    pub(super) fn forget_glob(&mut self, glob: usize) {
        let mut idle = Vec::new();
        for (watch, watched) in &mut self.watched {
            watched.globs.retain(|((other, _), _)| *other != glob);
            if watched.is_idle() {
                idle.push(watch.clone());
            }
        }
        for watch in idle {
            self.forget_if_idle(&watch);
        }
    }

    /// What has been told since the last time; never waits.
    pub(super) fn notices(&mut self) -> Vec<Notice> {
        let mut notices = Vec::new();
        let mut gone = Vec::new();
        let Ok(events) = self.inotify.read_events(&mut self.buffer) else {
            return notices; // Nothing to read, or nothing readable: both wait for more.
        };
        for event in events {
            if event.mask.contains(EventMask::Q_OVERFLOW) {
                notices.push(Notice::Everything);
                continue;
            }
            if let Some(watched) = self.watched.get(&event.wd) {
                watched.tell(event.mask, event.name, &mut notices);
            }
            if event
                .mask
                .intersects(EventMask::IGNORED | EventMask::UNMOUNT)
            {
                gone.push(event.wd);
            }
        }
        for watch in gone {
            self.watched.remove(&watch);
        }
        notices
    }

    fn add_directory(&mut self, directory: &Path, more: WatchMask) -> io::Result<WatchDescriptor> {
        let mask = more
            | WatchMask::MASK_ADD
            | WatchMask::CREATE
            | WatchMask::MOVED_TO
            | WatchMask::MOVED_FROM
            | WatchMask::DELETE
            | WatchMask::ATTRIB
            | WatchMask::MOVE_SELF
            | WatchMask::DELETE_SELF
            | WatchMask::ONLYDIR;
        self.inotify.watches().add(directory, mask)
    }

    fn entry(&mut self, watch: &WatchDescriptor) -> &mut Watched {
        self.watched.entry(watch.clone()).or_default()
    }

    fn forget_name(&mut self, log: LogId, (watch, name): (WatchDescriptor, OsString)) {
        if let Some(watched) = self.watched.get_mut(&watch)
            && let Some(logs) = watched.names.get_mut(&name)
        {
            logs.retain(|other| *other != log);
            if logs.is_empty() {
                watched.names.remove(&name);
            }
        }
        self.forget_if_idle(&watch);
    }

    fn forget_file(&mut self, log: LogId, watch: &WatchDescriptor) {
        if let Some(watched) = self.watched.get_mut(watch) {
            watched.files.retain(|other| *other != log);
        }
        self.forget_if_idle(watch);
    }

    fn forget_if_idle(&mut self, watch: &WatchDescriptor) {
        if self.watched.get(watch).is_some_and(Watched::is_idle) {
            self.watched.remove(watch);
            // The kernel may have dropped it first.
            let _ = self.inotify.watches().remove(watch.clone());
        }
    }
}

impl Watched {
    fn tell(&self, mask: EventMask, name: Option<&OsStr>, notices: &mut Vec<Notice>) {
        let path_of = |(part, path): &(GlobPart, PathBuf), name: &OsStr| (*part, path.join(name));
        if let Some(name) = name.filter(|_| mask.contains(EventMask::MODIFY)) {
            let written = self.globs.iter().map(|glob| path_of(glob, name));
            notices.extend(written.map(|(part, path)| Notice::Written(part, path)));
            return;
        }
        if let Some(name) = name {
            let logs = self.names.get(name).into_iter().flatten();
            notices.extend(logs.map(|log| Notice::Moved(*log)));
            if mask.intersects(EventMask::CREATE | EventMask::MOVED_TO) {
                let appeared = self.globs.iter().map(|glob| path_of(glob, name));
                notices.extend(appeared.map(|(part, path)| Notice::Appeared(part, path)));
            }
            return;
        }
        if mask.contains(EventMask::MODIFY) {
            notices.extend(self.files.iter().map(|log| Notice::Changed(*log)));
            return;
        }
        let on_the_way = self.names.values().flatten();
        notices.extend(
            self.files
                .iter()
                .chain(on_the_way)
                .map(|log| Notice::Moved(*log)),
        );
        if !mask.contains(EventMask::ATTRIB) {
            notices.extend(
                self.globs
                    .iter()
                    .map(|((glob, _), _)| Notice::Shaken(*glob)),
            );
        }
    }
}

impl AsFd for Watches {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

/// Not the kernel's limits, but the state of the path.
fn is_harmless(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    )
}
