//! Logs, read as they are written: one reader per file, whatever the number of jails.

mod chunk;
mod codecs;
mod disk;
mod encoding;
mod error;
mod follow;
mod glob;
mod reader;
mod seek;

pub use chunk::{Chunk, LineHash, Lines, Position};
pub use encoding::{Encoding, EncodingError};
pub use error::SourceError;
pub use reader::Rotation;

/// The longest line that is kept whole, in bytes; of a longer one the rest is skipped.
pub const LINE_MAX: usize = 1 << 20;
