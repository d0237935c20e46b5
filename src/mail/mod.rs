//! Mail about bans: what it says, how it is put on the wire, how it waits, and what whois knows.
//!
//! [`content`] says what a mail action wants in its mails; [`Letter`] is one such mail as data, with
//! gaps for what is looked up ([`LookUp`]). The [`Post`] takes letters: it keeps each on the disk,
//! collects those of a flood into one ([`flood`]), looks up what [`whois`], [`lines`] and the name
//! servers know, makes a message of it (`wire`) and has it carried away, again and again until it is
//! taken ([`smtp`], or a program). All that happens on threads of its own: no ban waits for it.

mod digest;
pub mod flood;
mod letter;
pub mod lines;
mod lookup;
mod post;
mod recipe;
pub mod smtp;
mod spool;
pub mod whois;
mod wire;

pub use flood::Limits;
pub use letter::{About, Banned, Letter, Part, Writer, banned};
pub use lookup::LookUp;
pub use post::{Outside, Post, Tell, Told};
pub use recipe::{Content, Matched, Recipe, Transport, content};
pub use smtp::{Failure, FailureKind, Missed, Parcel, Secret, Smtp, Tls};
pub use wire::{MailError, envelope, wire};
