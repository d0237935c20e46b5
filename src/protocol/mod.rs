//! What fail2ban's client and server say to each other.
//!
//! A connection's bytes are cut into messages ([`frame`]), a message is a [`pickle`] of plain
//! [`Value`]s, and a list of words is a command. Pure: bytes and values in, values and text out.

mod commands;
mod exception;
pub mod frame;
pub mod pickle;
mod render;
mod request;
mod unicode;
mod value;

pub use commands::{COMMANDS, Command, METHODS, Scope, index_error, parse};
pub use exception::Exception;
pub use render::{Charset, render, render_error};
pub use request::{Change, Global, Query, Reload, Request, Stop, Unban};
pub use value::Value;
