//! rban: bans hosts that misbehave in your logs.
//!
//! One way through, and every module is a stage of it:
//!
//! ```text
//! source ──line──▶ date ──▶ filter ──failure──▶ jail ──ban──▶ action ──▶ kernel
//!   (inotify, poll)   (pure)            (pure)        (native, shell)
//! ```
//!
//! - [`model`]: the plain data every stage speaks: addresses, tickets, times, settings.
//! - Languages, pure text in and data out: [`pattern`] (Python's regular expressions and fail2ban's
//!   tags), [`date`] (log dates), [`protocol`] (commands, framing, pickle).
//! - [`config`]: the operator's files, layered, become typed settings and a list of complaints.
//! - [`filter`]: one line → a verdict. [`jail`]: failures → bans, one jail's state machine.
//! - [`engine`]: all jails: an event and a time in, effects out. It does no IO.
//! - [`dns`]: names and addresses, asked for by those who may wait, on a thread of its own.
//! - Ports, which do the IO and know neither each other nor the engine: [`source`] (logs),
//!   [`action`] (firewalls, scripts, and [`mail`]), [`store`] (SQLite), [`log`] (our own log).
//! - [`daemon`]: wires it all together. [`cli`]: the client, the tools and what they print.
//!
//! Imports go one way, top to bottom of this list's arrows; `tests/rban/house.rs` holds that.

pub mod action;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod date;
pub mod dns;
pub mod engine;
pub mod filter;
pub mod jail;
pub mod log;
pub mod mail;
pub mod model;
pub mod pattern;
pub mod protocol;
pub mod source;
pub mod store;
