//! The plain data every stage speaks: addresses, times, tickets, settings, log records.
//!
//! Nothing here does IO, reads a clock or decides anything; it parses, prints and compares.

mod address;
mod record;
mod settings;
mod ticket;
mod time;

pub use address::{AddressError, FailId, Family, Network};
pub use record::{Level, Logger, Record};
pub use settings::{
    ActionSettings, BanIncrement, FilterSettings, IgnoreCache, JailSettings, LogPath, Origin,
    ServerSettings, UseDns,
};
pub use ticket::{Ban, Captured, Datum, Failure, MatchedLine};
pub use time::{BanTime, Span, Time};
