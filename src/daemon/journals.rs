//! Which jails read the systemd journal, where they are in it, and what is said of it.

use std::path::PathBuf;
use std::sync::Arc;

use super::clock;
use super::inbox::Outlet;
use super::jails::say;
use super::logs::Row;
use super::state::{Daemon, Message};
use crate::config::Spec;
use crate::engine::Feed;
use crate::model::{JailSettings, Level, Logger, Time};
use crate::source::Subscriber;
use crate::source::journal::{
    Cursor, Entry, JournalError, JournalEvent, JournalMatch, JournalPlace, JournalSink,
    JournalSubscription, JournalWatcher, Start,
};
use crate::store;

/// The name fail2ban keeps a journal's position under.
const PATH: &str = "systemd-journal";

/// A jail that reads a journal.
#[derive(Debug)]
pub(super) struct JournalReader {
    pub(super) subscriber: Subscriber,
    jail: Arc<str>,
    place: JournalPlace,
    expression: JournalMatch,
    in_operation: bool,
    cursor: Option<Cursor>,
    /// The cursor has moved since it was written to the database.
    pub(super) unwritten: bool,
    /// When the last entry came.
    pub(super) heard: Option<Time>,
    /// What keeps it, or a part of it, from being read.
    pub(super) trouble: Vec<(PathBuf, String)>,
}

/// Starts the thread that reads journals; its lines are rationed.
fn watcher(outlet: &Outlet<Message>) -> std::io::Result<JournalWatcher> {
    let outlet = outlet.clone();
    let sink: JournalSink = Box::new(move |event| {
        match &event {
            JournalEvent::Entries(_) => {
                outlet.send_rationed(|ration| Message::Journal(event, Some(ration)));
            }
            JournalEvent::Opened { .. }
            | JournalEvent::CaughtUp { .. }
            | JournalEvent::Failed { .. }
            | JournalEvent::Recovered { .. }
            | JournalEvent::Polling { .. } => outlet.send(Message::Journal(event, None)),
        }
        true
    });
    JournalWatcher::start(clock::now, sink)
}

/// What a jail reads: which journal, and which of its entries.
///
/// # Errors
/// What is wrong with `backend` or `journalmatch`, for the operator.
pub(super) fn wanted(settings: &JailSettings) -> Result<(JournalPlace, JournalMatch), String> {
    let spec = Spec::parse(&settings.backend).map_err(|error| error.to_string())?;
    let place = match spec.name.as_str() {
        "systemd" => JournalPlace::with_options(&spec.options)?,
        _ => JournalPlace::default(),
    };
    let expression =
        JournalMatch::parse(&settings.filter.journalmatch).map_err(|error| error.to_string())?;
    Ok((place, expression))
}

/// A jail's `journalmatch`, alternative by alternative, as fail2ban shows it.
pub(super) fn alternatives(settings: &JailSettings) -> Vec<Vec<String>> {
    let lines = settings.filter.journalmatch.iter();
    let alternatives = lines.flat_map(|words| words.split(|word| word == "+"));
    alternatives
        .filter(|words| !words.is_empty())
        .map(<[String]>::to_vec)
        .collect()
}

impl Daemon {
    /// Has a jail's journal read, from where it stopped last time. What it reads already as it is
    /// now goes on.
    pub(super) fn follow_journal(&mut self, name: &str, rows: &[Row]) {
        let Some(running) = self.jails.iter().find(|running| *running.name == *name) else {
            return;
        };
        let (subscriber, findtime) = (running.subscriber, running.settings.findtime);
        let jail = Arc::clone(&running.name);
        let (place, expression) = match wanted(&running.settings) {
            Ok(wanted) => wanted,
            Err(why) => return say(Level::Error, Logger::Filter, format!("[{name}] {why}")),
        };
        let known = self
            .journals
            .iter()
            .find(|reader| reader.subscriber == subscriber);
        if known.is_some_and(|known| known.place == place && known.expression == expression) {
            return;
        }
        if expression == JournalMatch::default() {
            let message = format!(
                "[{name}] Jail started without 'journalmatch' set. Jail regexs will be checked \
                 against all journal entries, which is not advised for performance reasons."
            );
            say(Level::Notice, Logger::Filter, message);
        }
        for words in &running.settings.filter.journalmatch {
            let words = words.join(" ");
            let message = format!("[{name}] Added journal match for: '{words}'");
            say(Level::Info, Logger::Filter, message);
        }
        if let Some(why) = &running.settings.chosen {
            say(Level::Info, Logger::Filter, format!("[{name}] {why}"));
        }
        let start = match known {
            Some(known) => Start {
                cursor: known.cursor,
                ..journal_start(rows)
            },
            None => journal_start(rows),
        };
        let start = Start {
            not_before: clock::now() - findtime,
            ..start
        };
        if self.journal.is_none() {
            match watcher(&self.outlet) {
                Ok(watcher) => self.journal = Some(watcher),
                Err(error) => {
                    let message = format!("[{name}] the journal cannot be read: {error}");
                    return say(Level::Error, Logger::Filter, message);
                }
            }
        }
        self.journals
            .retain(|reader| reader.subscriber != subscriber);
        self.journals.push(JournalReader {
            subscriber,
            jail,
            place: place.clone(),
            expression: expression.clone(),
            in_operation: false,
            cursor: start.cursor,
            unwritten: false,
            heard: None,
            trouble: Vec::new(),
        });
        if let Some(watcher) = &self.journal {
            watcher.follow(vec![JournalSubscription {
                subscriber,
                place,
                expression,
                start,
            }]);
        }
    }

    /// The jail's journal is read for it no more; nobody reads: the thread ends.
    pub(super) fn unfollow_journal(&mut self, subscriber: Subscriber) {
        if let Some(watcher) = &self.journal {
            watcher.forget(subscriber);
        }
        self.journals
            .retain(|reader| reader.subscriber != subscriber);
        if self.journals.is_empty() {
            self.journal = None;
        }
    }

    /// Something happened to a journal.
    pub(super) fn journal(&mut self, event: JournalEvent) {
        match event {
            JournalEvent::Entries(entries) => self.entries(&entries),
            JournalEvent::Opened { name, files, to } => {
                if files == 0 {
                    self.wait_for(&to, name.as_ref().as_ref(), "it is not there");
                }
                for jail in self.jails_of(&to) {
                    let (level, message) = match files {
                        0 => (
                            Level::Warning,
                            format!("[{jail}] {name} is not there; the jail waits for it"),
                        ),
                        1 => (Level::Info, format!("[{jail}] reads {name} (1 file)")),
                        _ => (
                            Level::Info,
                            format!("[{jail}] reads {name} ({files} files)"),
                        ),
                    };
                    say(level, Logger::Filter, message);
                }
            }
            JournalEvent::CaughtUp { to } => {
                for reader in self.journals_of(&to) {
                    reader.in_operation = true;
                    let jail = &reader.jail;
                    let message =
                        format!("[{jail}] Jail is in operation now (process new journal entries)");
                    say(Level::Info, Logger::Filter, message);
                }
            }
            JournalEvent::Failed { path, error, to } => {
                let message = format!("{} cannot be read: {error}", path.display());
                say(Level::Error, Logger::Filter, message);
                self.count_error(&to, &path);
                if let JournalError::Vacuumed(_) = error {
                    return; // It is gone, and so is the trouble.
                }
                for reader in self.journals_of(&to) {
                    reader.trouble.retain(|(troubled, _)| **troubled != *path);
                    reader.trouble.push((path.to_path_buf(), error.to_string()));
                }
            }
            JournalEvent::Recovered { path, to } => {
                let how = if path.exists() { "read again" } else { "gone" };
                let message = format!("{} is {how}", path.display());
                say(Level::Notice, Logger::Filter, message);
                for reader in self.journals_of(&to) {
                    reader.trouble.retain(|(troubled, _)| **troubled != *path);
                }
            }
            JournalEvent::Polling { reason, .. } => {
                let message = format!("the journal is polled: {reason}");
                say(Level::Info, Logger::Filter, message);
            }
        }
    }

    /// The journal a jail reads, and when it last said something.
    pub(super) fn journal_sources(&self, jail: &str) -> Vec<(String, Option<Time>)> {
        let of_jail = self.journals.iter().filter(|reader| *reader.jail == *jail);
        of_jail
            .map(|reader| (reader.place.to_string(), reader.heard))
            .collect()
    }

    /// What of a jail's journal cannot be read, and why.
    pub(super) fn journal_troubles(&self, jail: &str) -> Vec<(PathBuf, String)> {
        let of_jail = self.journals.iter().filter(|reader| *reader.jail == *jail);
        of_jail.flat_map(|reader| reader.trouble.clone()).collect()
    }

    fn journals_of<'d>(
        &'d mut self,
        to: &[Subscriber],
    ) -> impl Iterator<Item = &'d mut JournalReader> {
        let to = to.to_vec();
        self.journals
            .iter_mut()
            .filter(move |reader| to.contains(&reader.subscriber))
    }

    /// Entries are judged by the jails they are for.
    fn entries(&mut self, entries: &[Entry]) {
        self.refresh();
        let now = clock::now();
        let mut feeds: Vec<Feed> = Vec::new();
        let mut first = Vec::new();
        for entry in entries {
            feeds.clear();
            for reader in &mut self.journals {
                if !entry.to.contains(&reader.subscriber) {
                    continue;
                }
                if reader.heard.is_none() {
                    first.push(reader.subscriber);
                }
                (reader.cursor, reader.unwritten) = (Some(entry.cursor), true);
                reader.heard = Some(now);
                feeds.extend(self.engine.place(&reader.jail).map(|place| Feed {
                    place,
                    in_operation: reader.in_operation,
                }));
            }
            let said = (entry.line.as_str(), entry.time);
            self.engine.entry(&feeds, said, now, &mut self.effects);
            self.perform();
        }
        for subscriber in first {
            let of_it = self.journals.iter();
            let mut of_it = of_it.filter(|reader| reader.subscriber == subscriber);
            if let Some(name) = of_it.next().map(|reader| reader.place.to_string()) {
                self.wait_no_more(&[subscriber], name.as_ref());
            }
        }
    }

    /// Notes how far journals were read.
    pub(super) fn write_journal_positions(&mut self) {
        for reader in self.journals.iter_mut().filter(|reader| reader.unwritten) {
            reader.unwritten = false;
            let Some(cursor) = &reader.cursor else {
                continue;
            };
            self.keeper.write(store::Write::Position {
                jail: Arc::clone(&reader.jail),
                path: PATH.to_owned(),
                hash: cursor.to_string(),
                position: store::Position::Time(cursor.time()),
                mark: None,
            });
        }
    }
}

/// Where a jail was in the journal: a cursor of ours, or fail2ban's time.
fn journal_start(rows: &[Row]) -> Start {
    let row = rows.iter().find(|row| row.path == PATH);
    row.map_or_else(Start::default, |row| Start {
        not_before: Time::default(),
        cursor: Cursor::parse(&row.hash),
        after: Some(row.position.time()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::journal::Origin;

    fn of(text: &str) -> Result<JournalPlace, String> {
        let spec = Spec::parse(text).expect("a backend");
        JournalPlace::with_options(&spec.options)
    }

    #[test]
    fn each_of_fail2ban_s_options_is_known() {
        for (text, origin, flags, rotated) in [
            ("systemd", Origin::System, None, false),
            ("systemd[rotated=on]", Origin::System, None, true),
            ("systemd[journalflags=5]", Origin::System, Some(5), false),
            (
                "systemd[journalpath=/var/log/journal/remote, rotated=on]",
                Origin::Directory("/var/log/journal/remote".into()),
                None,
                true,
            ),
            (
                "systemd[journalfiles=\"/a/*.journal, /b/c.journal\"]",
                Origin::Files(vec!["/a/*.journal".into(), "/b/c.journal".into()]),
                None,
                false,
            ),
            (
                "systemd[namespace=web]",
                Origin::Namespace("web".into()),
                None,
                false,
            ),
            (
                "systemd[namespace=web, journalflags=1]",
                Origin::Namespace("web".into()),
                Some(1),
                false,
            ),
        ] {
            let place = JournalPlace {
                origin,
                flags,
                rotated,
            };
            assert_eq!(of(text), Ok(place), "{text}");
        }
    }

    #[test]
    fn unknown_options_and_two_places_are_errors() {
        assert!(of("systemd[journal=x]").is_err());
        assert!(of("systemd[journalflags=x]").is_err());
        assert!(of("systemd[journalpath=/a, namespace=b]").is_err());
    }
}
