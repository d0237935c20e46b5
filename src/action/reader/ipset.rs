//! `ipset [-exist] add|del SET ADDRESS [timeout SECONDS] [-exist]`, in its old and new spellings.

use super::{is_name, number};
use crate::action::driver::{Change, Entry};

/// `IPSET_MAXNAMELEN`, less its final NUL.
const LONGEST_NAME: usize = 31;

/// The longest time an entry may have (ipset(8)).
const LONGEST_TIMEOUT: u32 = 2_147_483;

pub(super) fn read(program: &str, arguments: &[&str]) -> Option<Entry> {
    let exist = |word: &&str| matches!(*word, "-exist" | "-!");
    let words: Vec<&str> = arguments
        .iter()
        .copied()
        .filter(|word| !exist(word))
        .collect();
    let exist = arguments.iter().filter(|word| exist(word)).count();
    let (change, set, address, timeout) = match words.as_slice() {
        [verb, set, address] => (change(verb)?, *set, *address, None),
        [verb, set, address, "timeout", seconds] => {
            let seconds = number(seconds).filter(|s| *s <= LONGEST_TIMEOUT)?;
            (change(verb)?, *set, *address, Some(seconds))
        }
        _ => return None,
    };
    if exist > 1
        || !is_name(set, LONGEST_NAME)
        || (change, timeout.is_some()) == (Change::Delete, true)
    {
        return None;
    }
    Some(Entry {
        program: program.to_owned(),
        change,
        set: set.to_owned(),
        network: super::address(address)?,
        timeout,
        exist: exist == 1,
        arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
    })
}

fn change(verb: &str) -> Option<Change> {
    match verb {
        "add" | "--add" | "-A" => Some(Change::Add),
        "del" | "--del" | "-D" => Some(Change::Delete),
        _ => None,
    }
}
