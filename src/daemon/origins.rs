//! Where the banned come from: network, country and registry, as Team Cymru's name server tells them.
//!
//! `status JAIL cymru` asks for a TXT record per banned address, many at a time, on a thread of its
//! own. fail2ban, which asks one after the other, ends its lists at the first address nobody says
//! anything about; here each address has its place in each list, so that they can be read side by
//! side. Where nothing is learned at all each list is `error`, which is what Debian's fail2ban shows:
//! it comes without the library it would ask with.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::mpsc;
use std::time::Duration;

use super::jails::say;
use crate::dns;
use crate::model::{FailId, Level, Logger, NameProblem};
use crate::protocol::Value;

/// Questions that wait for their answers at the same time.
const AT_ONCE: usize = 32;
/// Longer than the resolver takes for any answer.
const LONGEST: Duration = Duration::from_secs(10);
/// The most of what a stranger's name server says that is shown.
const WIDEST: usize = 64;

/// An answer's fields: network, country, registry.
const LISTS: [(&str, usize); 3] = [
    ("Banned ASN list", 0),
    ("Banned Country list", 2),
    ("Banned RIR list", 3),
];
/// How many fields there are: `AS | prefix | country | registry | date`.
const FIELDS: usize = 5;

/// What is said of one address, list by list.
type Origin = [String; LISTS.len()];

/// A jail's status, or that of several, with the lists added to each. Waits for the answers.
pub(super) fn add(mut status: Value) -> Value {
    extend(&mut status);
    status
}

fn extend(status: &mut Value) {
    match status {
        Value::List(parts) => {
            for part in parts {
                match part {
                    Value::Tuple(pair) => match &mut pair[..] {
                        [Value::Str(name), Value::List(actions)] if name == "Actions" => {
                            actions.extend(lists(actions));
                        }
                        _ => {}
                    },
                    other => extend(other),
                }
            }
        }
        Value::Dict(jails) => jails.iter_mut().for_each(|(_, jail)| extend(jail)),
        _ => {}
    }
}

/// The lists for those whom the part of a status that tells of bans names.
fn lists(actions: &[Value]) -> Vec<Value> {
    let banned = actions.iter().find_map(|pair| match pair {
        Value::Tuple(pair) => match &pair[..] {
            [Value::Str(name), Value::List(ids)] if name == "Banned IP list" => Some(ids),
            _ => None,
        },
        _ => None,
    });
    let ids = banned.into_iter().flatten().map(|id| match id {
        Value::Str(id) => FailId::parse(id),
        other => FailId::parse(&other.repr()),
    });
    let origins = ask(&ids.collect::<Vec<_>>());
    let list = |(place, (name, _)): (usize, &(&str, usize))| {
        let said = origins.iter().map(|origin| origin[place].clone());
        Value::Tuple(vec![Value::str(*name), Value::list(said)])
    };
    LISTS.iter().enumerate().map(list).collect()
}

/// The origin of each, in the same order; one `error` if there is nothing to tell.
fn ask(ids: &[FailId]) -> Vec<Origin> {
    let (send, told) = mpsc::channel();
    let mut origins = vec![all("error"); ids.len()];
    let (mut asked, mut waiting, mut silent) = (0, 0, false);
    loop {
        while asked < ids.len() && waiting < AT_ONCE && !silent {
            let (place, send) = (asked, send.clone());
            asked += 1;
            match address(&ids[place]) {
                None => origins[place] = all("unknown"),
                Some(address) => {
                    waiting += 1;
                    dns::system().texts(&question(address), move |answer| {
                        // Whoever asked may have stopped waiting.
                        let _ = send.send((place, answer));
                    });
                }
            }
        }
        if waiting == 0 {
            break;
        }
        let Ok((place, answer)) = told.recv_timeout(LONGEST) else {
            silent = true;
            break;
        };
        waiting -= 1;
        match answer {
            Ok(texts) => origins[place] = read(&texts),
            Err(NameProblem::NoSuchName) => origins[place] = all("nxdomain"),
            Err(NameProblem::NoAddress) => {}
            // The others would wait as long, for nothing.
            Err(NameProblem::NoAnswer) => silent = true,
        }
    }
    let nothing = origins.iter().all(|origin| *origin == all("error"));
    if silent {
        let message = "No name server says where the banned come from (origin.asn.cymru.com)";
        say(Level::Error, Logger::Actions, message);
    }
    if nothing { vec![all("error")] } else { origins }
}

fn all(word: &str) -> Origin {
    std::array::from_fn(|_| word.to_owned())
}

/// The address to ask about; a network's first.
fn address(id: &FailId) -> Option<IpAddr> {
    match id {
        FailId::Net(network) => Some(network.address()),
        FailId::Raw(_) => None,
    }
}

/// The name under which an address is known: its digits, the last first.
fn question(address: IpAddr) -> String {
    let mut name = String::new();
    let zone = match address {
        IpAddr::V4(address) => {
            for part in address.octets().iter().rev() {
                let _ = write!(name, "{part}.");
            }
            "origin"
        }
        IpAddr::V6(address) => {
            for part in address.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", part & 15, part >> 4);
            }
            "origin6"
        }
    };
    name + zone + ".asn.cymru.com."
}

/// What an address's records say; of several networks that announce it all are told.
fn read(records: &[String]) -> Origin {
    let mut known: [BTreeSet<String>; LISTS.len()] = Default::default();
    for record in records {
        let fields: Vec<&str> = record.split('|').collect();
        if fields.len() != FIELDS {
            return all("error");
        }
        for (known, (_, field)) in known.iter_mut().zip(LISTS) {
            known.insert(shown(fields[field]));
        }
    }
    known.map(|known| known.into_iter().collect::<Vec<_>>().join(", "))
}

/// A field as it may be printed.
fn shown(field: &str) -> String {
    let plain = |c: char| {
        if c == ' ' || c.is_ascii_graphic() {
            c
        } else {
            '?'
        }
    };
    let text = field.trim_matches(['\'', '"', ' ']);
    match text.chars().take(WIDEST).map(plain).collect::<String>() {
        text if text.is_empty() => "unknown".to_owned(),
        text => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_for_by_its_digits_the_last_first() {
        assert_eq!(
            question("192.0.2.66".parse().unwrap()),
            "66.2.0.192.origin.asn.cymru.com."
        );
        let six = question("2001:db8::5".parse().unwrap());
        assert!(six.starts_with("5.0.0.0.0.0."), "{six}");
        assert!(
            six.ends_with(".8.b.d.0.1.0.0.2.origin6.asn.cymru.com."),
            "{six}"
        );
    }

    #[test]
    fn records_are_read_and_what_no_terminal_should_see_is_not_shown() {
        let read =
            |records: &[&str]| read(&records.iter().map(|r| (*r).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            read(&["64501 | 192.0.2.0/24 | NL | ripencc | 2001-01-01"]),
            ["64501", "NL", "ripencc"]
        );
        assert_eq!(
            read(&["64502 | a | DE | ripencc | ", "64501 | b | DE |  | "]),
            ["64501, 64502", "DE", "ripencc, unknown"]
        );
        assert_eq!(read(&["\x1b[2J | a | b | c | d"])[0], "?[2J");
        assert_eq!(read(&["one | two"]), all("error"));
    }
}
