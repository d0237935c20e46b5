//! What fail2ban's client and server say to each other.
//!
//! A connection's bytes are cut into messages ([`frame`]), a message is a [`pickle`] of plain
//! [`Value`]s, and a list of words is a command. Pure: bytes and values in, values and text out.

pub mod frame;
pub mod pickle;
mod value;

pub use value::{Exception, Value};
