//! The one-command reader: one plain firewall command becomes an operation, anything else nothing.
//!
//! It is strict on purpose. What it does not know exactly goes to the shell, which is always right;
//! so it may be too narrow, but never mean something else than the program it stands for.

mod ipset;
mod iptables;
mod nft;
pub(super) mod words;

use std::net::IpAddr;

use super::driver::Operation;
use crate::model::Network;

/// The operation a filled-in command is, if it is one this knows.
pub fn read(command: &str) -> Option<Operation> {
    let words = words::split(command)?;
    let (program, arguments) = words.split_first()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match base(program)? {
        "nft" => nft::read(&arguments).map(Operation::Element),
        "ipset" => ipset::read(program, &arguments).map(Operation::Entry),
        name => iptables::read(program, name, &arguments).map(Operation::Rule),
    }
}

/// A program's name without its folder, where that is one programs live in.
fn base(program: &str) -> Option<&str> {
    let Some((folder, name)) = program.rsplit_once('/') else {
        return Some(program);
    };
    let known = [
        "/bin",
        "/sbin",
        "/usr/bin",
        "/usr/sbin",
        "/usr/local/bin",
        "/usr/local/sbin",
    ];
    known.contains(&folder).then_some(name)
}

/// A decimal number as all these programs read it: digits alone, no leading zero.
fn number<T: std::str::FromStr>(word: &str) -> Option<T> {
    let digits = word.bytes().all(|b| b.is_ascii_digit());
    let plain = digits && (word == "0" || !word.starts_with('0'));
    plain.then(|| word.parse().ok()).flatten()
}

/// An address or network written out: what no program would look up, split or complete.
fn address(word: &str) -> Option<Network> {
    let (address, prefix) = word
        .split_once('/')
        .map_or((word, None), |(a, p)| (a, Some(p)));
    let address: IpAddr = address.parse().ok()?;
    let network = match prefix {
        None => Network::host(address),
        Some(prefix) => Network::new(address, number(prefix)?).ok()?,
    };
    // A mapped address would change its family, host bits would be cut, a full prefix is not the
    // same to every program as none: all that is the program's.
    let same = network.address() == address && network.is_host() == prefix.is_none();
    same.then_some(network)
}

/// A name of a chain, table or set: ordinary characters, not to be taken for an option.
fn is_name(word: &str, longest: usize) -> bool {
    let ordinary = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let first = word
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && word.len() <= longest && word.bytes().all(ordinary)
}

#[cfg(test)]
mod tests;
