//! Logs, read as they are written: one thread and one reader per file, whatever the number of
//! jails.
//!
//! [`Watcher`] is told which jails want which paths or patterns ([`Subscription`]) and tells what
//! happens ([`SourceEvent`]): whole decoded lines in [`Chunk`]s, each with the subscribers it is
//! for. It sleeps until the kernel says that a file or a name has changed; it never polls unless
//! it is asked to, or the kernel or the file system leaves it no choice.
//!
//! It promises: no line lost at a rotation and none given twice; a file read to its end even after
//! it was renamed away; files and matches that appear later seen at once; memory bounded whatever
//! a log holds. It does not judge lines, keep positions over a restart, or speak to the operator:
//! that is the daemon's.

mod chunk;
mod codecs;
mod disk;
mod encoding;
mod error;
mod event;
mod follow;
mod former;
mod glob;
pub mod journal;
mod log;
mod open;
pub mod pushed;
mod reader;
mod room;
mod seek;
mod sleep;
mod turn;
mod versions;
mod watcher;
mod watches;

pub use chunk::{Chunk, LineHash, Lines, Position};
pub use encoding::{Encoding, EncodingError};
pub use error::SourceError;
pub use event::{Audience, Date, LogId, SourceEvent, Subscriber, Subscription};
pub use reader::Rotation;
pub use watcher::{Sink, Watcher};

/// The longest line that is kept whole, in bytes; of a longer one the rest is skipped.
pub const LINE_MAX: usize = 1 << 20;
