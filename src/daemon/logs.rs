//! Which logs feed which jails, and what happens to them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::clock;
use super::inbox::Outlet;
use super::jails::{backend_name, say};
use super::keeper::Keeper;
use super::state::{Daemon, Message};
use crate::date::{Detector, Zone};
use crate::engine::Feed;
use crate::model::{JailSettings, Level, Logger, Span, Time};
use crate::source::{
    Audience, Date, Encoding, LineHash, LogId, Position, Rotation, Sink, SourceEvent, Subscriber,
    Subscription, Watcher,
};
use crate::store::{self, Problem, StoreError};

/// How long a jail that starts waits for what the database knows of its logs.
const PLACES: Span = Span::from_secs(10);

/// Where the database knows a log was left.
pub(super) type Row = store::LogPlace;

/// A log that is read.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) path: Arc<Path>,
    readers: Vec<Reader>,
    /// When its last line came.
    pub(super) last_line: Option<Time>,
    /// A reader's position has moved since it was written to the database.
    pub(super) unwritten: bool,
    /// When it last said something.
    heard: Time,
    /// The file of which a position was written last. That of another is written at once, or many
    /// rotations later nobody finds the place again.
    noted: Option<LineHash>,
    /// Bytes that made no sense, and lines that were too long, have been spoken of.
    said_invalid: bool,
    said_cut: bool,
}

/// A jail that reads a log.
#[derive(Debug)]
struct Reader {
    subscriber: Subscriber,
    jail: Arc<str>,
    /// How far it has read: one that came late is behind the others for a while.
    position: Position,
    /// The log has been read to its end once.
    in_operation: bool,
}

/// Where log files were left, by path.
fn positions(rows: Vec<Row>) -> Vec<(PathBuf, Position)> {
    let position = |row: Row| match row.position {
        store::Position::Offset(offset) => {
            let hash = LineHash::parse(&row.hash);
            let mark = row.mark.as_deref().and_then(LineHash::parse);
            let position = Position { offset, hash, mark };
            Some((PathBuf::from(row.path), position))
        }
        store::Position::Time(_) => None,
    };
    rows.into_iter().filter_map(position).collect()
}

/// Starts the thread that reads logs; its lines are rationed.
pub(super) fn watcher(outlet: &Outlet<Message>) -> std::io::Result<Watcher> {
    let outlet = outlet.clone();
    let sink: Sink = Box::new(move |event| {
        match &event {
            SourceEvent::Lines { .. } => {
                outlet.send_rationed(|ration| Message::Source(event, Some(ration)));
            }
            _ => outlet.send(Message::Source(event, None)),
        }
        true
    });
    Watcher::start(clock::now, sink)
}

impl Daemon {
    /// Has a jail's logs read, from where it stopped last time: as soon as the database has told
    /// where that is.
    pub(super) fn follow_logs(&mut self, name: &str) {
        let Some(running) = self.jails.iter().find(|running| *running.name == *name) else {
            return;
        };
        if let "stdin" | "pipe" | "syslog" = backend_name(&running.settings.backend) {
            return self.listen(name);
        }
        let (subscriber, jail) = (running.subscriber, Arc::clone(&running.name));
        self.unplaced.retain(|(asked, _)| *asked != subscriber);
        let due = clock::now() + PLACES;
        self.unplaced.push((subscriber, due));
        let outlet = self.outlet.clone();
        self.keeper.look(move |store| {
            let rows = store.positions(&jail);
            outlet.send(Message::Places(subscriber, rows));
        });
    }

    /// The database has told where a jail's logs were left.
    pub(super) fn places(&mut self, subscriber: Subscriber, rows: Result<Vec<Row>, StoreError>) {
        let asked = self.unplaced.len();
        self.unplaced.retain(|(waiting, _)| *waiting != subscriber);
        let Some(running) = self
            .jails
            .iter()
            .find(|running| running.subscriber == subscriber && self.unplaced.len() < asked)
        else {
            return;
        };
        let name = Arc::clone(&running.name);
        let rows = rows.unwrap_or_else(|error| {
            if error.problem != Problem::Closed {
                let message = format!("[{name}] where its logs were left is not known: {error}");
                say(Level::Error, Logger::Database, message);
            }
            Vec::new()
        });
        match backend_name(&running.settings.backend) {
            "systemd" => self.follow_journal(&name, &rows),
            _ => self.follow_files(&name, rows),
        }
    }

    /// When a database that does not answer is waited for no longer.
    pub(super) fn places_due(&self) -> Option<Time> {
        self.unplaced.iter().map(|(_, due)| *due).min()
    }

    /// Logs of which the database tells nothing are read by their dates.
    pub(super) fn wait_no_more_for_places(&mut self, now: Time) {
        while let Some((subscriber, _)) = self.unplaced.iter().find(|(_, due)| *due <= now) {
            let message = "The database does not answer: where logs were left is not known";
            say(Level::Error, Logger::Database, message);
            self.places(*subscriber, Ok(Vec::new()));
        }
    }

    fn follow_files(&self, name: &str, rows: Vec<Row>) {
        let Some(running) = self.jails.iter().find(|running| *running.name == *name) else {
            return;
        };
        let settings = &running.settings;
        let encoding = Encoding::named(&settings.logencoding).or_else(|error| {
            let message = format!("[{name}] {error}; its logs are read as UTF-8");
            say(Level::Error, Logger::Filter, message);
            Encoding::named("utf-8")
        });
        let Ok(encoding) = encoding else { return };
        let stored = positions(rows);
        let mut subscriptions = Vec::with_capacity(settings.logs.len());
        for log in &settings.logs {
            subscriptions.push(Subscription {
                subscriber: running.subscriber,
                logpath: PathBuf::from(&log.glob),
                tail: log.tail,
                encoding: encoding.clone(),
                polling: settings.backend.starts_with("polling"),
                findtime: settings.findtime,
                stored: stored.clone(),
                date: date_of(settings, &self.surroundings.zone, self.year()),
            });
        }
        self.watcher.follow(subscriptions);
    }

    /// The jail's logs are read for it no more.
    pub(super) fn unfollow_logs(&mut self, name: &str) {
        let Some(running) = self.jails.iter().find(|running| *running.name == *name) else {
            return;
        };
        let subscriber = running.subscriber;
        self.watcher.forget(subscriber, None);
        self.write_positions();
        self.unfollow_journal(subscriber);
        self.stop_listening(name);
        let mut gone: Vec<Arc<Path>> = Vec::new();
        self.files.retain(|_, followed| {
            if followed
                .readers
                .iter()
                .any(|reader| reader.subscriber == subscriber)
            {
                gone.push(Arc::clone(&followed.path));
            }
            followed
                .readers
                .retain(|reader| reader.subscriber != subscriber);
            !followed.readers.is_empty()
        });
        gone.sort();
        for path in gone {
            say(
                Level::Info,
                Logger::Filter,
                format!("Removed logfile: '{}'", path.display()),
            );
        }
    }

    /// The jail's list of logs may have changed: what is new is begun, what is gone is left.
    pub(super) fn refollow_logs(&mut self, name: &str) {
        let Some(running) = self.jails.iter().find(|running| *running.name == *name) else {
            return;
        };
        let subscriber = running.subscriber;
        if let "systemd" | "stdin" | "pipe" | "syslog" = backend_name(&running.settings.backend) {
            return self.follow_logs(name);
        }
        let wanted: Vec<PathBuf> = running
            .settings
            .logs
            .iter()
            .map(|log| PathBuf::from(&log.glob))
            .collect();
        for path in running
            .followed
            .iter()
            .filter(|path| !wanted.contains(path))
        {
            self.watcher.forget(subscriber, Some(path));
            say(
                Level::Info,
                Logger::Filter,
                format!("Removed logfile: '{}'", path.display()),
            );
            self.files.retain(|_, followed| {
                if *followed.path == **path {
                    followed
                        .readers
                        .retain(|reader| reader.subscriber != subscriber);
                }
                !followed.readers.is_empty()
            });
        }
        // What is followed already keeps its place.
        self.follow_logs(name);
        if let Some(running) = self.jails.iter_mut().find(|running| *running.name == *name) {
            running.waits.retain(|path, _| wanted.contains(path));
            running.followed = wanted;
        }
    }

    /// The files a jail reads, or will once they are there.
    pub(super) fn log_files(&self, name: &str) -> Vec<String> {
        let Some(running) = self.jails.iter().find(|running| *running.name == *name) else {
            return Vec::new();
        };
        match backend_name(&running.settings.backend) {
            "systemd" => return Vec::new(),
            "stdin" | "pipe" | "syslog" => {
                let inlets = self.inlets_of(name).into_iter();
                return inlets.map(|(path, _)| path).collect();
            }
            _ => {}
        }
        let mut files: Vec<String> = self
            .files
            .values()
            .filter(|followed| followed.readers.iter().any(|reader| *reader.jail == *name))
            .map(|followed| followed.path.display().to_string())
            .collect();
        let plain = running.settings.logs.iter().map(|log| &log.glob);
        files.extend(
            plain
                .filter(|path| !path.contains(['*', '?', '[']))
                .cloned(),
        );
        files.sort();
        files.dedup();
        files
    }

    /// When a jail's logs last said something; `None` where it has none.
    pub(super) fn heard(&self, jail: &str) -> Option<Time> {
        let reads = |followed: &&Followed| {
            let mut readers = followed.readers.iter();
            readers.any(|reader| *reader.jail == *jail)
        };
        let heard = self.files.values().filter(reads);
        let files = heard.map(|followed| followed.heard).max();
        let journals = self.journal_sources(jail).into_iter();
        let inlets = self.inlets_of(jail).into_iter();
        let pushed = journals.chain(inlets).filter_map(|(_, heard)| heard).max();
        files.max(pushed)
    }

    /// The jails of an audience, of which something has been heard now.
    pub(super) fn jails_of(&mut self, audience: &[Subscriber]) -> Vec<Arc<str>> {
        let mut names = Vec::with_capacity(audience.len());
        for running in &mut self.jails {
            if audience.contains(&running.subscriber) {
                running.unheard = running.unheard.saturating_sub(1);
                names.push(Arc::clone(&running.name));
            }
        }
        names
    }

    /// Jails wait for a log, or for something to match a pattern.
    pub(super) fn wait_for(&mut self, audience: &[Subscriber], path: &Path, why: &str) {
        for running in &mut self.jails {
            if audience.contains(&running.subscriber) {
                running.waits.insert(path.to_owned(), why.to_owned());
            }
        }
    }

    /// A log is there: nobody waits for it, nor for the patterns it may match.
    pub(super) fn wait_no_more(&mut self, audience: &[Subscriber], path: &Path) {
        for running in &mut self.jails {
            if audience.contains(&running.subscriber) {
                running.waits.retain(|waited, _| {
                    let waited = waited.to_string_lossy();
                    let fixed = waited.split(['*', '?', '[']).next().unwrap_or_default();
                    let is_pattern = fixed.len() < waited.len();
                    *waited != *path.to_string_lossy()
                        && !(is_pattern && path.to_string_lossy().starts_with(fixed))
                });
            }
        }
    }

    /// The files a jail reads now, with the time of the last line of each, and how far in bytes.
    pub(super) fn read_files(&self, jail: &str) -> Vec<(String, Option<Time>, Option<u64>)> {
        let read = |followed: &Followed| {
            let mut readers = followed.readers.iter();
            let reader = readers.find(|reader| *reader.jail == *jail)?;
            let path = followed.path.display().to_string();
            Some((path, followed.last_line, Some(reader.position.offset)))
        };
        let mut files: Vec<_> = self.files.values().filter_map(read).collect();
        let others = self.journal_sources(jail).into_iter();
        let others = others.chain(self.inlets_of(jail));
        files.extend(others.map(|(name, last)| (name, last, None)));
        files.sort();
        files
    }

    /// Something of a log could not be read, for these jails.
    pub(super) fn count_error(&mut self, audience: &[Subscriber], path: &Path) {
        for running in &mut self.jails {
            if audience.contains(&running.subscriber) {
                *running.errors.entry(path.to_owned()).or_default() += 1;
            }
        }
    }

    /// Something happened to a log.
    pub(super) fn source(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Lines { log, chunk, to } => self.lines(log, &chunk, &to),
            SourceEvent::Opened {
                log,
                path,
                position,
                to,
            } => self.opened(log, path, position, &to),
            SourceEvent::CaughtUp { log, to, .. } => {
                if let Some(followed) = self.files.get_mut(&log) {
                    for reader in &mut followed.readers {
                        reader.in_operation |= to.contains(&reader.subscriber);
                    }
                }
            }
            SourceEvent::Rotated {
                log,
                path,
                rotation,
                ..
            } => {
                if let Some(followed) = self.files.get_mut(&log) {
                    (followed.said_invalid, followed.said_cut) = (false, false);
                }
                let how = match rotation {
                    Rotation::Replaced => "another file bears its name",
                    Rotation::Truncated => "it was truncated",
                    Rotation::Rewritten => "it was written anew",
                };
                let message = format!("Log rotation detected for {}: {how}", path.display());
                say(Level::Info, Logger::Filter, message);
            }
            SourceEvent::Missing { path, to, .. } => {
                self.wait_for(&to, &path, "it is not there");
                for jail in self.jails_of(&to) {
                    let message = format!(
                        "[{jail}] {} is not there; the jail waits for it",
                        path.display()
                    );
                    say(Level::Warning, Logger::Filter, message);
                }
            }
            SourceEvent::Failed {
                path, error, to, ..
            } => {
                self.wait_for(&to, &path, &format!("it cannot be read: {error}"));
                self.count_error(&to, &path);
                for jail in self.jails_of(&to) {
                    let message = format!(
                        "[{jail}] {} cannot be read: {error}; the jail waits for it",
                        path.display()
                    );
                    say(Level::Error, Logger::Filter, message);
                }
            }
            SourceEvent::Recovered { path, to, .. } => {
                self.wait_no_more(&to, &path);
                for jail in self.jails_of(&to) {
                    let message = format!("[{jail}] {} is read again", path.display());
                    say(Level::Notice, Logger::Filter, message);
                }
            }
            SourceEvent::Closed { log, path, .. } => {
                if let Some(mut followed) = self.files.remove(&log) {
                    followed.write_positions(&mut self.keeper);
                }
                say(
                    Level::Info,
                    Logger::Filter,
                    format!("Removed logfile: '{}'", path.display()),
                );
            }
            SourceEvent::Unmatched {
                pattern,
                subscriber,
            } => {
                self.wait_for(&[subscriber], &pattern, "nothing matches it");
                for jail in self.jails_of(&[subscriber]) {
                    let message = format!(
                        "[{jail}] nothing matches {} yet; the jail waits for it",
                        pattern.display()
                    );
                    say(Level::Warning, Logger::Filter, message);
                }
            }
            SourceEvent::Crowded {
                pattern,
                subscriber,
                most,
            } => {
                for jail in self.jails_of(&[subscriber]) {
                    let message = format!(
                        "[{jail}] {} matches too many files: of all patterns' together {most} are \
                         open, those written last; make it narrower, or allow more open files \
                         (LimitNOFILE= of the service)",
                        pattern.display()
                    );
                    say(Level::Error, Logger::Filter, message);
                }
            }
            SourceEvent::Polling { path, reason, .. } => {
                let message = format!("{} is polled: {reason}", path.display());
                say(Level::Info, Logger::Filter, message);
            }
        }
    }

    fn opened(&mut self, log: LogId, path: Arc<Path>, position: Position, to: &Audience) {
        let hash = position
            .hash
            .map(|hash| hash.to_string())
            .unwrap_or_default();
        let message = format!(
            "Added logfile: '{}' (pos = {}, hash = {hash})",
            path.display(),
            position.offset
        );
        say(Level::Info, Logger::Filter, message);
        self.jails_of(to);
        self.wait_no_more(to, &path);
        let named: Vec<(Subscriber, Arc<str>)> = to
            .iter()
            .filter_map(|subscriber| {
                let running = self
                    .jails
                    .iter()
                    .find(|running| running.subscriber == *subscriber)?;
                Some((*subscriber, Arc::clone(&running.name)))
            })
            .collect();
        let followed = self.files.entry(log).or_insert_with(|| Followed {
            path,
            readers: Vec::new(),
            last_line: None,
            unwritten: false,
            noted: None,
            heard: clock::now(),
            said_invalid: false,
            said_cut: false,
        });
        for (subscriber, jail) in named {
            if followed
                .readers
                .iter()
                .all(|reader| reader.subscriber != subscriber)
            {
                followed.readers.push(Reader {
                    subscriber,
                    jail,
                    position,
                    in_operation: false,
                });
            }
        }
    }

    /// Lines are judged by the jails they are for.
    fn lines(&mut self, log: LogId, chunk: &crate::source::Chunk, to: &Audience) {
        self.refresh();
        let now = clock::now();
        let Some(followed) = self.files.get_mut(&log) else {
            return;
        };
        for reader in &mut followed.readers {
            if to.contains(&reader.subscriber) {
                reader.position = chunk.position();
            }
        }
        followed.last_line = Some(now);
        followed.unwritten = true;
        followed.heard = now;
        let hash = chunk.position().hash;
        let is_another = hash.is_some() && std::mem::replace(&mut followed.noted, hash) != hash;
        let feeds: Vec<Feed> = followed
            .readers
            .iter()
            .filter(|reader| to.contains(&reader.subscriber))
            .filter_map(|reader| {
                let place = self.engine.place(&reader.jail)?;
                Some(Feed {
                    place,
                    in_operation: reader.in_operation,
                })
            })
            .collect();
        if chunk.is_invalid() && !std::mem::replace(&mut followed.said_invalid, true) {
            let message = format!(
                "{} holds bytes that are not in its encoding; they are read as U+FFFD \
                 (logencoding tells which it is)",
                followed.path.display()
            );
            say(Level::Warning, Logger::Filter, message);
        }
        if chunk.is_cut() && !std::mem::replace(&mut followed.said_cut, true) {
            let message = format!(
                "{} has lines longer than {} bytes; the rest of such a line is not judged",
                followed.path.display(),
                crate::source::LINE_MAX
            );
            say(Level::Warning, Logger::Filter, message);
        }
        self.engine
            .lines(&feeds, chunk.lines(), now, &mut self.effects);
        self.perform();
        // Behind the bans of these lines.
        if is_another && let Some(followed) = self.files.get_mut(&log) {
            followed.write_positions(&mut self.keeper);
        }
    }

    /// Notes how far logs were read, for those that went on.
    pub(super) fn write_positions(&mut self) {
        self.positions_written = clock::now();
        self.write_journal_positions();
        for followed in self.files.values_mut() {
            followed.write_positions(&mut self.keeper);
        }
    }
}

impl Followed {
    /// Notes how far it was read, if it went on since.
    fn write_positions(&mut self, keeper: &mut Keeper) {
        if !std::mem::take(&mut self.unwritten) {
            return;
        }
        for reader in &self.readers {
            let Position { offset, hash, mark } = reader.position;
            keeper.write(store::Write::Position {
                jail: Arc::clone(&reader.jail),
                path: self.path.display().to_string(),
                hash: hash.map(|hash| hash.to_string()).unwrap_or_default(),
                position: store::Position::Offset(offset),
                mark: mark.map(|mark| mark.to_string()),
            });
        }
    }
}

/// Tells the time of a line as the jail would, to find where its lines are young enough.
fn date_of(settings: &JailSettings, local: &Zone, year: i16) -> Box<Date> {
    let zone = match &settings.logtimezone {
        Some(zone) => local.with_offset(zone).unwrap_or_else(|_| local.clone()),
        None => local.clone(),
    };
    // A pattern that does not compile kept the jail from starting.
    match Detector::new(settings.filter.datepattern.as_deref(), &zone, year) {
        Ok(mut detector) => Box::new(move |line| {
            detector
                .find(line, clock::now())
                .and_then(|found| found.time)
        }),
        Err(_) => Box::new(|_| None),
    }
}
