//! Python's regular expressions and fail2ban's tags, matched in linear time.
//!
//! One way through: [`tags`] expands `<HOST>` and its like, [`parse`] reads Python's syntax into
//! a tree ([`ast`]), [`compile`] writes a program for it, [`analyse`] finds out what can be known
//! before any text is there, [`search`] runs it. [`RegexSet`] skips the patterns of a filter that
//! cannot match a line.
//!
//! Python's `re` is the law: leftmost, alternatives in order, its classes, its case folding, its
//! errors. There is one engine for every pattern, and it is always exact, so no pattern is judged
//! by two programs that might differ. The `regex` crate is not under it: automata cannot give
//! captures for look-around, conditionals and back-references; and for the other patterns, their
//! Unicode classes make automata of tens of kilobytes each, with captures found in a second pass.

mod analyse;
mod ast;
mod automaton;
mod compile;
mod error;
mod literal;
mod optimise;
mod parse;
mod program;
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
pub use regex::{Options, Regex};
pub use set::RegexSet;
pub use slots::Slots;
