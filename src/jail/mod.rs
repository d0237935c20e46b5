//! One jail's state machine: failures are counted and become bans; bans end.
//!
//! [`Jail`] takes an event together with a [`Turn`] (the time and what may be known at it) and
//! leaves its [`Effect`]s there. Nothing here reads a clock, resolves a name or touches a firewall.
//! The parts: [`Failures`] counts per ID, [`Bans`] holds who is banned until when, [`History`] who
//! was banned before, [`Increment`] lengthens bans, [`Ignore`] knows who is never banned.

mod bans;
mod details;
mod effect;
mod expression;
mod failures;
mod history;
mod ignore;
mod increment;
mod parked;
mod prefix;
mod state;
mod table;
mod words;

pub use bans::{Added, Bans, Listed};
pub use effect::{Effect, Turn};
pub use expression::{Expression, ExpressionError};
pub use failures::{Counting, Failures, Limits, Ticket};
pub use history::{History, Past};
pub use ignore::{Excuse, Excuses, Ignore, Opinion};
pub use increment::{Increment, IncrementError};
pub use state::{Counts, Jail};
pub use words::date_time;
