//! Carries bans out: an action's commands, run as fail2ban runs them or, where one is a single plain
//! firewall command, natively and in batches with the same effect.
//!
//! One ban's way through:
//!
//! ```text
//! Worker (queue, a thread per action) ─▶ Enforcement (families, check → repair → retry)
//!   ─▶ tags (properties, then the ban's values) ─▶ reader (plain command?) ─▶ Driver (batch)
//! ```
//!
//! - [`Worker`] is what the daemon holds: jobs in, [`Report`]s out. Nothing it does blocks others.
//! - `options`, `tags`, `info`, `script`: from settings and a ban to what a shell would run; values
//!   out of a log never become part of what the shell reads.
//! - [`reader`]: one plain iptables, nft or ipset command as data, or nothing.
//! - [`driver`]: the shell, nftables (netlink), iptables and ipset (restore), and one that only
//!   remembers. What a driver cannot do goes to the shell, which is always right.

mod ask;
pub mod driver;
mod enforcement;
mod facts;
mod families;
mod info;
mod kernel;
mod latency;
mod mail;
mod options;
mod pace;
mod process;
mod python;
pub mod reader;
mod report;
mod rules;
mod said;
mod script;
mod tags;
mod watch;
mod ways;
mod worker;

pub use ask::ask;
pub use driver::mail::Courier;
pub use driver::memory::Drivers;
pub use facts::{Counts, Facts, History, Merged};
pub use kernel::{Probe, Standing};
pub use latency::{STEPS as LATENCY_STEPS, Tally};
pub use mail::recipe;
pub use options::is_on;
pub use options::{Command, Scope};
pub use report::{Event, Report, Sink};
pub use rules::{Lets, Passing, Way as WayIn};
pub use script::Script;
pub use tags::TagError;
pub use watch::{Disturbance, Loss, Watch};
pub use ways::{Way, Ways};
pub use worker::{ActionSpec, DEFAULT_PATH, Job, Leftover, Refused, Worker};
