//! nftables over netlink: hosts into and out of sets, with no process and no dump of the set.
//!
//! What a set is (key, intervals, timeouts) is asked together with the ruleset's generation, and a
//! batch holds only while that generation stands. So a set that somebody replaced by another kind in
//! between is never written to as the old kind. Each batch makes the next generation: while nobody
//! else changes anything, what was asked for the last one is still true, and is not asked again.

use std::collections::HashMap;
use std::collections::hash_map;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use nix::errno::Errno;

use super::netlink::{Attributes, Message, Socket, Writer};
use super::{Bench, Change, Driver, Operation, Outcome};
use crate::model::{Family, Network};

mod held;

pub(super) use held::networks;

/// Elements in one transaction. Larger ones gain nothing, and hold the ruleset longer.
const CHUNK: usize = 5_000;

/// How often a batch begins again when somebody else changes the ruleset meanwhile.
const ATTEMPTS: usize = 50;

// enum nft_set_attributes
const SET_TABLE: u16 = 1;
const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_USERDATA: u16 = 13;
// enum nft_set_flags
const FLAG_CONSTANT: u32 = 0x2;
const FLAG_INTERVAL: u32 = 0x4;
const FLAG_MAP: u32 = 0x8;
const FLAG_TIMEOUT: u32 = 0x10;
const FLAG_CONCAT: u32 = 0x80;
// nft's own note in a set's userdata: it joins intervals that touch.
const USERDATA_MERGE: u8 = 2;
// nft's numbers of key types.
const TYPE_IPV4: u32 = 7;
const TYPE_IPV6: u32 = 8;
// enum nft_set_elem_list_attributes, nft_set_elem_attributes, nft_data_attributes
const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;
const LIST_ELEMENTS: u16 = 3;
const LIST_ITEM: u16 = 1;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_FLAGS: u16 = 3;
const ELEMENT_TIMEOUT: u16 = 4;
const DATA_VALUE: u16 = 1;
const INTERVAL_END: u32 = 1;
const GENERATION_ID: u16 = 1;

/// The family of an nftables table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    Inet,
    Ip,
    Ip6,
    Arp,
    Bridge,
    Netdev,
}

/// Each family: nft's word and the kernel's number (`NFPROTO_…`).
const TABLES: &[(Table, &str, u8)] = &[
    (Table::Inet, "inet", 1),
    (Table::Ip, "ip", 2),
    (Table::Ip6, "ip6", 10),
    (Table::Arp, "arp", 3),
    (Table::Bridge, "bridge", 7),
    (Table::Netdev, "netdev", 5),
];

impl Table {
    /// The family nft calls so.
    pub fn named(name: &str) -> Option<Self> {
        let entry = TABLES.iter().find(|(_, known, _)| *known == name)?;
        Some(entry.0)
    }

    /// nft's word for it.
    pub fn name(self) -> &'static str {
        TABLES
            .iter()
            .find(|(table, _, _)| *table == self)
            .map_or("", |entry| entry.1)
    }

    fn number(self) -> u8 {
        TABLES
            .iter()
            .find(|(table, _, _)| *table == self)
            .map_or(0, |entry| entry.2)
    }
}

/// One address or network into or out of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    pub change: Change,
    pub family: Table,
    pub table: Arc<str>,
    pub set: Arc<str>,
    pub network: Network,
    /// Milliseconds; `None` leaves it to the set.
    pub timeout: Option<u64>,
}

type SetName = (Table, Arc<str>, Arc<str>);

impl Element {
    fn set(&self) -> SetName {
        (self.family, Arc::clone(&self.table), Arc::clone(&self.set))
    }
}

/// What a set holds and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SetKind {
    key: u32,
    flags: u32,
    merges: bool,
    /// It has an interval up to the last address of all, which the kernel keeps without an end and
    /// then does not see others overlap.
    open: bool,
}

impl SetKind {
    fn read(attributes: Attributes<'_>) -> Self {
        let mut kind = Self {
            key: 0,
            flags: 0,
            merges: false,
            open: false,
        };
        let number = |value: &[u8]| value.first_chunk().map_or(0, |v| u32::from_be_bytes(*v));
        for (attribute, value) in attributes {
            match attribute {
                SET_FLAGS => kind.flags = number(value),
                SET_KEY_TYPE => kind.key = number(value),
                SET_USERDATA => kind.merges = merges(value),
                _ => {}
            }
        }
        kind
    }

    /// Why `nft` and not this driver must handle an element, if so.
    fn objection(self, element: &Element) -> Option<&'static str> {
        let key = match element.network.family() {
            Family::Inet4 => TYPE_IPV4,
            Family::Inet6 => TYPE_IPV6,
        };
        if self.key != key {
            return Some("the set holds something else");
        }
        if self.flags & (FLAG_CONSTANT | FLAG_MAP | FLAG_CONCAT) != 0 {
            return Some("it is no plain set");
        }
        if self.merges {
            return Some("the set merges its intervals, which nft does by reading all of it");
        }
        // A set of hosts has no room for it, and in a set of intervals the kernel does not see
        // every overlap: nft reads the set and does.
        if !element.network.is_host() {
            return Some("it is a network");
        }
        let interval = self.flags & FLAG_INTERVAL != 0;
        if interval && (self.open || next(element.network.address()).is_none()) {
            return Some("an interval without an end");
        }
        None
    }
}

/// nft's userdata: type, length and value, a byte each for the first two.
fn merges(mut userdata: &[u8]) -> bool {
    while let [kind, length, rest @ ..] = userdata {
        let Some((value, next)) = rest.split_at_checked(usize::from(*length)) else {
            return false;
        };
        if *kind == USERDATA_MERGE {
            return value.iter().any(|byte| *byte != 0);
        }
        userdata = next;
    }
    false
}

/// The driver; its socket belongs to the network namespace of the thread that first uses it.
#[derive(Debug, Default)]
pub(super) struct Nftables {
    socket: Option<Socket>,
    standing: Option<Standing>,
}

/// What is known of the ruleset, as long as it is of this generation.
#[derive(Debug)]
struct Standing {
    generation: u32,
    sets: HashMap<SetName, Result<SetKind, Errno>>,
}

/// Sets remembered from one batch to the next: a jail's action writes to one or two.
const REMEMBERED: usize = 64;

impl Driver for Nftables {
    fn apply(&mut self, batch: &[Operation], _bench: &mut Bench<'_>) -> Vec<Outcome> {
        let elements: Vec<&Element> = batch
            .iter()
            .filter_map(|operation| match operation {
                Operation::Element(element) => Some(element),
                Operation::Script(_)
                | Operation::Rule(_)
                | Operation::Entry(_)
                | Operation::Mail(_) => None,
            })
            .collect();
        if elements.len() < batch.len() {
            return vec![Outcome::Declined("not a set's element".to_owned()); batch.len()];
        }
        let mut outcomes = Vec::with_capacity(elements.len());
        for chunk in elements.chunks(CHUNK) {
            outcomes.extend(self.chunk(chunk));
        }
        outcomes
    }
}

impl Nftables {
    /// One transaction after the other, each without what the last one refused, until the rest is
    /// in.
    fn chunk(&mut self, elements: &[&Element]) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; elements.len()];
        for _ in 0..ATTEMPTS {
            match self.transaction(elements, &mut outcomes) {
                Ok(()) => {}
                // Somebody changed the ruleset meanwhile: look again.
                Err(Errno::ERESTART | Errno::EINTR | Errno::EAGAIN) => continue,
                Err(errno) => {
                    // Whatever is wrong with the socket, the next batch gets a new one.
                    self.socket = None;
                    settle(&mut outcomes, &failure(errno));
                }
            }
            if outcomes.iter().all(Option::is_some) {
                break;
            }
        }
        settle(
            &mut outcomes,
            &Outcome::Declined("the ruleset does not stand still".to_owned()),
        );
        outcomes.into_iter().flatten().collect()
    }

    /// Sends what has no outcome yet as one transaction.
    fn transaction(
        &mut self,
        elements: &[&Element],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(), Errno> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(Socket::open().map_err(|e| errno_of(&e))?),
        };
        let Standing {
            generation,
            mut sets,
        } = match self.standing.take() {
            Some(standing) => standing,
            None => Standing {
                generation: generation(socket)?,
                sets: HashMap::new(),
            },
        };
        let first = socket.sequences(elements.len() + 2);
        let mut writer = Writer::default();
        writer.begin(first, generation);
        let mut sent = 0;
        for (at, element) in elements.iter().enumerate() {
            if outcomes[at].is_some() {
                continue;
            }
            let kind = match sets.entry(element.set()) {
                hash_map::Entry::Occupied(known) => *known.get(),
                hash_map::Entry::Vacant(new) => *new.insert(set_kind(socket, element)),
            };
            outcomes[at] = match kind {
                Err(errno) => Some(failure(errno)),
                Ok(kind) => kind
                    .objection(element)
                    .map(|why| Outcome::Declined(why.to_owned())),
            };
            if let (None, Ok(kind)) = (&outcomes[at], kind) {
                write(
                    &mut writer,
                    element,
                    kind,
                    first.wrapping_add(at as u32 + 1),
                );
                sent += 1;
            }
        }
        if sent == 0 {
            return Ok(());
        }
        writer.end(first.wrapping_add(elements.len() as u32 + 1));
        let refused = socket.commit(&writer)?;
        let place = |sequence: u32| sequence.wrapping_sub(first) as usize;
        // Refused as a whole, by its first message.
        if let Some((_, errno)) = refused.iter().find(|(sequence, _)| place(*sequence) == 0) {
            return Err(*errno);
        }
        for (sequence, errno) in &refused {
            let at = place(*sequence) - 1;
            let Some(outcome) = outcomes.get_mut(at) else {
                continue;
            };
            let set = sets.get(&elements[at].set());
            let expires = matches!(set, Some(Ok(kind)) if kind.flags & FLAG_TIMEOUT != 0);
            let gone = *errno == Errno::ENOENT && elements[at].change == Change::Delete;
            outcome.get_or_insert_with(|| match expires && gone {
                true => Outcome::Expired,
                false => failure(*errno),
            });
        }
        if refused.is_empty() {
            settle(outcomes, &Outcome::Done);
            sets.retain(|_, kind| kind.is_ok());
            // The kernel leaves 0 out.
            let generation = generation.wrapping_add(1).max(1);
            self.standing =
                Some(Standing { generation, sets }).filter(|it| it.sets.len() < REMEMBERED);
        }
        Ok(())
    }
}

fn settle(outcomes: &mut [Option<Outcome>], outcome: &Outcome) {
    for open in outcomes.iter_mut().filter(|o| o.is_none()) {
        *open = Some(outcome.clone());
    }
}

fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn failure(errno: Errno) -> Outcome {
    let reason = match errno {
        Errno::ENOENT => "no such table, set or element".to_owned(),
        Errno::EPERM => {
            "not permitted: changing the firewall needs root or CAP_NET_ADMIN".to_owned()
        }
        Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP => {
            return Outcome::Declined(format!("the kernel has no nf_tables: {}", errno.desc()));
        }
        errno => errno.desc().to_owned(),
    };
    Outcome::Failed(format!("nftables: {reason}"))
}

/// Whether the kernel has nf_tables, and lets us ask.
pub(super) fn answers() -> bool {
    Socket::open().is_ok_and(|mut socket| generation(&mut socket).is_ok())
}

fn generation(socket: &mut Socket) -> Result<u32, Errno> {
    let answer = socket.ask(
        Message::GetGeneration,
        0,
        |_| {},
        |mut attributes| {
            let id = attributes.find(|(kind, _)| *kind == GENERATION_ID);
            id.and_then(|(_, value)| value.first_chunk())
                .map_or(0, |v| u32::from_be_bytes(*v))
        },
    );
    // There is nothing in the question to be invalid: netfilter does not know nf_tables.
    answer.map_err(|errno| match errno {
        Errno::EINVAL => Errno::EOPNOTSUPP,
        errno => errno,
    })
}

fn set_kind(socket: &mut Socket, element: &Element) -> Result<SetKind, Errno> {
    let name = |w: &mut Writer| {
        w.text(SET_TABLE, &element.table);
        w.text(SET_NAME, &element.set);
    };
    let family = element.family.number();
    let mut kind = socket.ask(Message::GetSet, family, name, SetKind::read)?;
    if kind.flags & FLAG_INTERVAL != 0 {
        let last = |w: &mut Writer| {
            w.text(LIST_TABLE, &element.table);
            w.text(LIST_SET, &element.set);
            w.nested(LIST_ELEMENTS, |w| {
                w.nested(LIST_ITEM, |w| key(w, last(element.network.family())));
            });
        };
        let found = socket.ask(Message::GetElement, family, last, |_| ());
        kind.open = found != Err(Errno::ENOENT);
    }
    Ok(kind)
}

/// The last address of all.
const fn last(family: Family) -> IpAddr {
    match family {
        Family::Inet4 => IpAddr::V4(Ipv4Addr::from_bits(u32::MAX)),
        Family::Inet6 => IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
    }
}

fn write(writer: &mut Writer, element: &Element, kind: SetKind, sequence: u32) {
    let message = match element.change {
        Change::Add => Message::NewElement,
        Change::Delete => Message::DeleteElement,
    };
    writer.message(message, element.family.number(), sequence, |w| {
        w.text(LIST_TABLE, &element.table);
        w.text(LIST_SET, &element.set);
        w.nested(LIST_ELEMENTS, |w| {
            w.nested(LIST_ITEM, |w| {
                key(w, element.network.address());
                if let (Change::Add, Some(timeout)) = (element.change, element.timeout) {
                    w.attribute(ELEMENT_TIMEOUT, &timeout.to_be_bytes());
                }
            });
            if kind.flags & FLAG_INTERVAL == 0 {
                return;
            }
            // An interval ends at the first address behind it.
            if let Some(end) = next(element.network.address()) {
                w.nested(LIST_ITEM, |w| {
                    w.attribute(ELEMENT_FLAGS, &INTERVAL_END.to_be_bytes());
                    key(w, end);
                });
            }
        });
    });
}

fn key(writer: &mut Writer, address: IpAddr) {
    writer.nested(ELEMENT_KEY, |w| match address {
        IpAddr::V4(v4) => w.attribute(DATA_VALUE, &v4.octets()),
        IpAddr::V6(v6) => w.attribute(DATA_VALUE, &v6.octets()),
    });
}

/// The address behind one, where there is one.
fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => Some(IpAddr::V4(v4.to_bits().checked_add(1)?.into())),
        IpAddr::V6(v6) => Some(IpAddr::V6(v6.to_bits().checked_add(1)?.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nfts_note_about_merging_is_found_and_bad_notes_end_quietly() {
        assert!(merges(&[0, 4, 0, 0, 0, 1, 2, 4, 1, 0, 0, 0]));
        assert!(!merges(&[0, 4, 0, 0, 0, 1, 2, 4, 0, 0, 0, 0]));
        assert!(!merges(&[0, 4, 0, 0, 0, 1]));
        assert!(!merges(&[2, 9, 1]) && !merges(&[2]) && !merges(&[]));
    }
}
