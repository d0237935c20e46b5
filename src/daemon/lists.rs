//! Files in `ignoreip` (`file:PATH`): read at start, and again when they have changed.
//!
//! They are looked at when lines are judged, at most once a second, as fail2ban does. One that
//! cannot be read any more counts as it was.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::clock;
use super::jails::say;
use super::state::{Daemon, read_file};
use crate::model::{Level, Logger, Span, Time};

/// fail2ban's patience between two looks.
const LOOK_EVERY: Span = Span::from_secs(1);

/// What tells one state of a file from another: time, size, inode; `None` while it is not there.
type Stamp = Option<(i64, i64, u64, u64)>;

/// When files were looked at, and what they were like then.
#[derive(Debug, Default)]
pub(super) struct Lists {
    looked: Option<Time>,
    known: HashMap<PathBuf, Stamp>,
}

impl Daemon {
    /// Reads a file of `ignoreip` for all jails that name it.
    pub(super) fn read_list(&mut self, path: &Path) {
        let seen = stamp(path);
        let known = self.lists.known.insert(path.to_owned(), seen);
        match read_file(path) {
            Ok(text) => self.engine.ignore_file(path, &text),
            Err(error) => {
                let instead = match known {
                    Some(_) => "what was read of it before still counts",
                    None => "nobody is ignored by it",
                };
                let message = format!(
                    "ignoreip names the file {}, which cannot be read ({error}); {instead}",
                    path.display()
                );
                say(Level::Error, Logger::Filter, message);
            }
        }
    }

    /// Reads the files again that have changed.
    pub(super) fn refresh_lists(&mut self, now: Time) {
        let since = self.lists.looked.map(|looked| now - looked);
        // A clock that was set back does not count.
        if since.is_some_and(|since| Span::ZERO <= since && since < LOOK_EVERY) {
            return;
        }
        self.lists.looked = Some(now);
        let members = self.engine.members().iter();
        let named = members.flat_map(|member| member.jail.ignore().files());
        let named: BTreeSet<PathBuf> = named.map(Path::to_owned).collect();
        self.lists.known.retain(|path, _| named.contains(path));
        for path in named {
            let known = self.lists.known.get(&path);
            if known.is_some_and(|known| *known != stamp(&path)) {
                self.read_list(&path);
            }
        }
    }

    /// What may change by itself and matters when lines are judged.
    pub(super) fn refresh(&mut self) {
        self.refresh_own();
        self.refresh_lists(clock::now());
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.size(),
        metadata.ino(),
    ))
}
