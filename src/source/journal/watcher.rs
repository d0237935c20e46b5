//! The thread that reads journals, and the handle on it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::super::Subscriber;
use super::error::JournalError;
use super::event::{JournalEvent, JournalSubscription};
use super::reader::{Looked, Reader};
use crate::model::{Span, Time};

/// Folders that come one inside the other while we look: more levels than a path to a journal has.
const DEEPEST: usize = 32;

/// Takes the events, in order; waiting there is how memory stays bounded. `false` ends the watcher.
pub type JournalSink = Box<dyn FnMut(JournalEvent) -> bool + Send>;

/// The handle; dropping it ends the thread.
#[derive(Debug)]
pub struct JournalWatcher {
    commands: Sender<Command>,
    /// A byte for each command.
    bell: Mutex<PipeWriter>,
}

#[derive(Debug)]
enum Command {
    Follow(Vec<JournalSubscription>),
    Forget(Subscriber),
    Stop,
}

/// Entries looked at before commands are looked for again, and before lines are handed on.
const BATCH: usize = 256;

/// How often to look while entries are expected. journald writes to memory that is mapped, of which
/// the kernel tells nobody, and rings a quarter of a second later; libsystemd waits for that.
const LISTENING: Span = Span::from_micros(20_000);

/// For how long, after an entry was wanted: PAM lets two seconds pass between its line and sshd's.
const KNOCKING: Span = Span::from_secs(5);

/// Where PAM looks up how to ask who is there: a login is tried, and may fail.
const PAM: &str = "/etc/pam.d";

/// For how long, after journald has looked into its folder, as it does before it writes down the
/// first message in half a minute: until it would ring itself.
const WRITING: Span = Span::from_micros(500_000);

/// How often to look where the kernel does not tell (fail2ban § 9.2).
const POLL: Span = Span::from_secs(2);

impl JournalWatcher {
    /// Starts the thread. `clock` is the wall clock.
    pub fn start(clock: fn() -> Time, sink: JournalSink) -> io::Result<Self> {
        let (commands, orders) = channel();
        let (ear, bell) = io::pipe()?;
        let room = Room {
            clock,
            sink,
            orders,
            ear,
            inotify: Inotify::init().map_err(|error| error.to_string()),
            watched: BTreeMap::new(),
            readers: Vec::new(),
            failed: BTreeMap::new(),
            listens: None,
            heard: Notice::default(),
            unfinished: false,
            over: false,
        };
        std::thread::Builder::new()
            .name("f2b/journal".to_owned())
            .spawn(move || room.run())?;
        Ok(Self {
            commands,
            bell: Mutex::new(bell),
        })
    }

    /// Reads journals for their subscribers; one that reads already begins anew.
    pub fn follow(&self, subscriptions: Vec<JournalSubscription>) {
        self.send(Command::Follow(subscriptions));
    }

    /// Ends a subscriber's reading.
    pub fn forget(&self, subscriber: Subscriber) {
        self.send(Command::Forget(subscriber));
    }

    fn send(&self, command: Command) {
        // After the thread has ended nobody is left to care.
        let _ = self.commands.send(command);
        let mut bell = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = bell.write_all(&[0]);
    }
}

impl Drop for JournalWatcher {
    fn drop(&mut self) {
        self.send(Command::Stop);
    }
}

/// What the thread owns.
struct Room {
    clock: fn() -> Time,
    sink: JournalSink,
    orders: Receiver<Command>,
    ear: PipeReader,
    /// Why the kernel tells nothing.
    inotify: Result<Inotify, String>,
    watched: BTreeMap<PathBuf, WatchDescriptor>,
    readers: Vec<Reader>,
    /// What was said of files that cannot be read.
    failed: BTreeMap<PathBuf, JournalError>,
    /// From when and how long entries are expected.
    listens: Option<(Time, Time)>,
    /// What came while we looked into folders ourselves.
    heard: Notice,
    /// A file is there that is no journal yet: it is looked at again when something is written.
    unfinished: bool,
    over: bool,
}

/// What the kernel told.
#[derive(Debug, Default)]
struct Notice {
    written: bool,
    names: bool,
    /// Somebody logs in.
    knocks: bool,
    /// journald looks into its folder.
    writes: bool,
}

impl Room {
    fn run(mut self) {
        while !self.over {
            self.obey();
            let notice = self.listen();
            let now = (self.clock)();
            if notice.knocks {
                self.expect(now, KNOCKING);
            }
            if notice.writes {
                self.expect(now, WRITING);
            }
            if notice.names || (notice.written && self.unfinished) {
                self.look();
            }
            self.read();
            if !self.over {
                self.sleep();
            }
        }
    }

    /// Entries may come, before the kernel tells of them.
    fn expect(&mut self, now: Time, span: Span) {
        let until = self.listens.map_or(now, |(_, until)| until);
        // A clock that was set back must not keep us awake.
        let until = until.min(now + KNOCKING).max(now + span);
        self.listens = Some((now, until));
    }

    fn tell(&mut self, event: JournalEvent) {
        self.over |= !(self.sink)(event);
    }

    fn obey(&mut self) {
        while let Ok(command) = self.orders.try_recv() {
            match command {
                Command::Follow(subscriptions) => self.follow(subscriptions),
                Command::Forget(subscriber) => {
                    self.readers
                        .iter_mut()
                        .for_each(|reader| reader.leave(subscriber));
                    self.readers.retain(Reader::is_read);
                    self.watch();
                }
                Command::Stop => self.over = true,
            }
        }
    }

    fn follow(&mut self, subscriptions: Vec<JournalSubscription>) {
        let mut by_place: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for wish in subscriptions {
            let newcomer = (wish.subscriber, wish.expression, wish.start);
            by_place.entry(wish.place).or_default().push(newcomer);
        }
        for (place, newcomers) in by_place {
            for (subscriber, ..) in &newcomers {
                self.readers
                    .iter_mut()
                    .for_each(|reader| reader.leave(*subscriber));
            }
            let known = self.readers.iter().position(|reader| reader.place == place);
            let at = known.unwrap_or_else(|| {
                self.readers.push(Reader::new(place));
                self.readers.len() - 1
            });
            let to = newcomers
                .iter()
                .map(|(subscriber, ..)| *subscriber)
                .collect();
            // Watched before it is looked at: nothing can come in between.
            self.watch();
            let looked = self.readers[at].join(newcomers, (self.clock)());
            let event = JournalEvent::Opened {
                name: self.readers[at].place.to_string().into(),
                files: self.readers[at].files(),
                to,
            };
            self.tell(event);
            self.tell_failures(at, &looked);
        }
        self.readers.retain(Reader::is_read);
        self.watch();
        self.overhear();
    }

    /// Names have changed: files may have come, and folders to watch.
    fn look(&mut self) {
        self.watch();
        self.unfinished = false;
        for at in 0..self.readers.len() {
            let looked = self.readers[at].look();
            self.tell_failures(at, &looked);
        }
        self.overhear();
    }

    /// Takes in what we have told ourselves by looking: that is nobody's knock.
    fn overhear(&mut self) {
        let heard = self.listen();
        self.heard = Notice {
            knocks: false,
            writes: false,
            ..heard
        };
    }

    fn tell_failures(&mut self, at: usize, looked: &Looked) {
        self.unfinished |= looked.unfinished;
        let to = self.readers[at].subscribers();
        for (path, error) in &looked.failed {
            if self.failed.get(path) == Some(error) {
                continue;
            }
            self.failed.insert(path.clone(), error.clone());
            self.tell(JournalEvent::Failed {
                path: path.as_path().into(),
                error: error.clone(),
                to: Arc::clone(&to),
            });
        }
        let is_well = |path: &Path| looked.failed.iter().all(|(failed, _)| failed != path);
        let well: Vec<PathBuf> = self
            .failed
            .keys()
            .filter(|path| looked.found.files.contains(*path) || !path.exists())
            .filter(|path| is_well(path))
            .cloned()
            .collect();
        for path in well {
            self.failed.remove(&path);
            self.tell(JournalEvent::Recovered {
                path: path.as_path().into(),
                to: Arc::clone(&to),
            });
        }
    }

    /// Watches the folders in which files are or may come, and no others.
    fn watch(&mut self) {
        let mut wanted = self.wanted();
        for _ in 0..DEEPEST {
            self.watch_these(&wanted);
            // A folder that came before the one above it was watched is told of by nobody.
            let now = self.wanted();
            if now == wanted {
                return;
            }
            wanted = now;
        }
    }

    fn wanted(&self) -> BTreeSet<PathBuf> {
        let places = self.readers.iter().map(|reader| reader.place.look());
        places.flat_map(|found| found.folders).collect()
    }

    /// Of the folders to watch, those of which it matters that they are opened.
    fn doorbells(&self) -> BTreeSet<PathBuf> {
        let mut folders = BTreeSet::new();
        for reader in &self.readers {
            let found = reader.place.look();
            let of_files = found.files.iter().filter_map(|file| file.parent());
            folders.extend(of_files.map(Path::to_owned));
            if reader.place.is_this_machines() {
                folders.insert(PAM.into());
            }
        }
        folders
    }

    fn watch_these(&mut self, wanted: &BTreeSet<PathBuf>) {
        let doorbells = self.doorbells();
        let Ok(inotify) = &mut self.inotify else {
            return;
        };
        self.watched.retain(|folder, watch| {
            let stays = wanted.contains(folder) || doorbells.contains(folder);
            if !stays {
                // A folder that went took its watch along.
                let _ = inotify.watches().remove(watch.clone());
            }
            stays
        });
        let mut refused = None;
        for folder in wanted.union(&doorbells) {
            let mut mask = WatchMask::MODIFY
                | WatchMask::CREATE
                | WatchMask::MOVED_TO
                | WatchMask::MOVED_FROM
                | WatchMask::DELETE
                | WatchMask::DELETE_SELF
                | WatchMask::MOVE_SELF
                | WatchMask::ATTRIB
                | WatchMask::ONLYDIR;
            if folder == Path::new(PAM) {
                mask = WatchMask::OPEN | WatchMask::ONLYDIR;
            } else if doorbells.contains(folder) {
                mask |= WatchMask::OPEN;
            }
            match inotify.watches().add(folder, mask) {
                Ok(watch) => {
                    self.watched.insert(folder.clone(), watch);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => refused = Some(format!("{}: {error}", folder.display())),
            }
        }
        if let Some(reason) = refused {
            self.go_blind(reason);
        }
    }

    /// The kernel cannot tell us: from now on we look ourselves.
    fn go_blind(&mut self, reason: String) {
        let to: Vec<Subscriber> = self
            .readers
            .iter()
            .flat_map(|reader| reader.subscribers().to_vec())
            .collect();
        self.inotify = Err(reason.clone());
        self.watched.clear();
        self.tell(JournalEvent::Polling {
            reason,
            to: to.into(),
        });
    }

    fn listen(&mut self) -> Notice {
        let mut notice = std::mem::take(&mut self.heard);
        let Ok(inotify) = &mut self.inotify else {
            return Notice {
                written: true,
                names: true,
                ..notice
            };
        };
        let pam = self.watched.get(Path::new(PAM));
        let mut buffer = [0; 4096];
        while let Ok(events) = inotify.read_events(&mut buffer) {
            let mut any = false;
            for event in events {
                any = true;
                if event.mask.contains(EventMask::OPEN) {
                    // A file that is opened in journald's folder is somebody else's business.
                    notice.knocks |= pam == Some(&event.wd);
                    notice.writes |= pam != Some(&event.wd) && event.name.is_none();
                } else if event.mask.contains(EventMask::MODIFY) {
                    notice.written = true;
                } else if !event.mask.contains(EventMask::IGNORED) {
                    notice.names = true;
                }
                if event.mask.intersects(
                    EventMask::DELETE_SELF | EventMask::MOVE_SELF | EventMask::Q_OVERFLOW,
                ) {
                    notice.names = true;
                }
            }
            if !any {
                break;
            }
        }
        notice
    }

    /// Reads all there is.
    fn read(&mut self) {
        for at in 0..self.readers.len() {
            let failed = self.readers[at].refresh();
            self.tell_damage(at, failed);
            let mut more = true;
            while more && !self.over {
                let (mut entries, mut failed) = (Vec::new(), Vec::new());
                more = self.readers[at].read(BATCH, &mut entries, &mut failed);
                self.tell_damage(at, failed);
                if !entries.is_empty() {
                    self.expect((self.clock)(), KNOCKING);
                    self.tell(JournalEvent::Entries(entries));
                }
            }
            if self.readers[at].waits() {
                self.expect((self.clock)(), WRITING);
            }
            if let Some(to) = self.readers[at].caught_up() {
                self.tell(JournalEvent::CaughtUp { to });
            }
        }
    }

    fn tell_damage(&mut self, at: usize, failed: Vec<(PathBuf, JournalError)>) {
        for (path, error) in failed {
            // It is looked at again when something is written.
            self.unfinished = true;
            let is_gone = matches!(error, JournalError::Vacuumed(_));
            if !is_gone && self.failed.insert(path.clone(), error.clone()).as_ref() == Some(&error)
            {
                continue;
            }
            let to = self.readers[at].subscribers();
            self.tell(JournalEvent::Failed {
                path: path.as_path().into(),
                error,
                to,
            });
        }
    }

    fn sleep(&mut self) {
        let now = (self.clock)();
        self.listens = self
            .listens
            .filter(|(since, until)| (*since..*until).contains(&now));
        let wait = match (&self.inotify, self.listens.is_some()) {
            (_, true) => Some(LISTENING),
            (Err(_), false) if !self.readers.is_empty() => Some(POLL),
            (Ok(_) | Err(_), false) => None,
        };
        let timeout = wait.map_or(PollTimeout::NONE, |wait| {
            PollTimeout::from((wait.micros() / 1000).clamp(1, i64::from(u16::MAX)) as u16)
        });
        let mut ready = vec![PollFd::new(self.ear.as_fd(), PollFlags::POLLIN)];
        if let Ok(inotify) = &self.inotify {
            ready.push(PollFd::new(inotify.as_fd(), PollFlags::POLLIN));
        }
        // A signal cuts the wait short; then there is nothing to do, and we wait again.
        let _ = poll(&mut ready, timeout);
        let rung = ready
            .first()
            .and_then(PollFd::revents)
            .is_some_and(|events| events.contains(PollFlags::POLLIN));
        drop(ready);
        if rung {
            let _ = self.ear.read(&mut [0; 64]);
        }
    }
}
