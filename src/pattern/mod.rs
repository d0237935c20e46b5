//! Python's regular expressions and fail2ban's tags, matched in linear time.
//!
//! One way through: [`tags`] expands `<HOST>` and its like, [`parse`] reads Python's syntax into
//! a tree ([`ast`]), [`compile`] writes a program for it, [`analyse`] finds out what can be known
//! before any text is there, [`search`] runs it. [`RegexSet`] skips the patterns of a filter that
//! cannot match a line; [`Quick`] is for one alone.
//!
//! Python's `re` is the law: leftmost, alternatives in order, its classes, its case folding, its
//! errors. Every pattern runs on one exact engine ([`search`], a backtracker with a memory). For the
//! patterns of a filter, and for dates, there is an [`automaton`] in front of it, made lazily of the same programs,
//! which says what the backtracker would say, or that it does not know; tests hold the two against
//! each other. The `regex` crate is not under it: its automata cannot give captures for look-around
//! and conditionals, and Unicode classes make tens of kilobytes of each.

mod analyse;
mod around;
mod ast;
mod automaton;
mod compile;
mod error;
mod literal;
mod optimise;
mod parse;
mod program;
mod quick;
mod regex;
mod search;
mod set;
mod slots;
mod tags;
#[cfg(test)]
mod tests;
mod unicode;

pub use error::{Cause, PatternError};
pub use parse::Flags;
pub use quick::Quick;
pub use regex::{Options, Regex};
pub use set::RegexSet;
pub use slots::Slots;
