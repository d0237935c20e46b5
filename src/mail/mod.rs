//! Mail about bans: what it says, how it is put on the wire, and what whois knows.
//!
//! [`content`] says what a mail action wants in its mails; [`Letter`] is one such mail as data;
//! [`wire`] turns it into a message, [`whois`] and [`lines`] fill in what is looked up for it. An
//! action's driver does this on the action's own thread: no ban waits for it.

mod letter;
pub mod lines;
mod recipe;
pub mod whois;
mod wire;

pub use letter::{Banned, Letter, Part, banned, started, stopped};
pub use recipe::{Content, Matched, Recipe, Transport, content};
pub use wire::{MailError, wire};
