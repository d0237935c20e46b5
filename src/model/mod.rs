//! The plain data every stage speaks: addresses, times, tickets, settings, log records.
//!
//! Nothing here does IO, reads a clock or decides anything; it parses, prints and compares.

mod address;
mod captured;
mod name;
mod record;
mod settings;
mod ticket;
mod time;

pub use address::{AddressError, FailId, Family, Network};
pub use captured::{Captured, Datum};
pub use name::{NameAnswer, NameProblem};
pub use record::{Level, Logger, Record};
pub use settings::{
    ActionSettings, BanIncrement, FilterSettings, IgnoreCache, JailSettings, LogPath, MAIL_OPTION,
    Origin, PrefixSettings, ServerSettings, UseDns,
};
pub use ticket::{Ban, Failure, MatchedLine};
pub use time::{BanTime, Span, Time};

/// The version of fail2ban whose behaviour is ours, told to clients that ask.
pub const FAIL2BAN_VERSION: &str = "1.1.1";
