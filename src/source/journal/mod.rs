//! The systemd journal, read from its files as they are written.
//!
//! [`JournalWatcher`] is told which jails want which entries of which journal, and gives each entry
//! once, as the line fail2ban would make of it. It spawns nothing and links no libsystemd: the files
//! are read as systemd documents them (systemd.io/JOURNAL_FILE_FORMAT), regular and compact, plain
//! and keyed hashes, fields packed with LZ4, Zstandard or XZ.
//!
//! Why not the `sdjournal` crate: it maps the files (a file cut short under it ends the process, and
//! what was looked at counts as our memory), it wants a newer compiler than we promise, and it has
//! its own thread, channels and clock for following. Following needs no more than the array of
//! entries, which is a few hundred lines over `pread`, with nothing unsafe and 32 KiB a file.
//!
//! journald tells of a change up to 250 ms after it was made (it gathers them). So once an entry
//! was given we look every 20 ms for some seconds: whoever is knocking is heard at once, and where
//! nobody knocks nothing wakes up.

mod compress;
mod cursor;
mod error;
mod event;
mod file;
mod line;
mod matches;
mod once;
mod pages;
mod place;
mod reader;
mod terms;
mod watcher;

pub use cursor::Cursor;
pub use error::JournalError;
pub use event::{Entry, JournalEvent, JournalSubscription, Start};
pub use matches::{JournalMatch, MatchError};
pub use once::read_once;
pub use place::{JournalPlace, Origin};
pub use watcher::{JournalSink, JournalWatcher};

/// The most that is read of a compressed field: a line's worth of text that does not compress.
const PACKED_MAX: u64 = 2 * super::LINE_MAX as u64;
