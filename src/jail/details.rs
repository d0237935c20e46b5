//! A ticket's lines and captured data in one allocation.
//!
//! A jail may hold a million tickets; as strings and maps each would cost half a kilobyte of
//! overhead. Packed, it costs its text. Tickets are unpacked when a ban is made of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{Captured, Datum, MatchedLine, Network};

/// What the heap adds to an allocation, for accounting.
const ALLOCATION: usize = 16;
/// The tag bytes of a packed address and a packed datum.
const NONE: u8 = 0;
const V4: u8 = 4;
const V6: u8 = 6;
const TEXT: u8 = 1;
const LIST: u8 = 2;

/// A ticket's address (where it is not the ID), lines and data, packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Details(Box<[u8]>);

/// The same, unpacked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Unpacked {
    pub(super) ip: Option<Network>,
    pub(super) lines: Vec<MatchedLine>,
    pub(super) data: Captured,
}

impl Details {
    pub(super) fn pack(unpacked: &Unpacked) -> Self {
        if unpacked.ip.is_none() && unpacked.lines.is_empty() && unpacked.data.is_empty() {
            return Self::default();
        }
        let mut bytes = Vec::with_capacity(256);
        pack_network(&mut bytes, unpacked.ip.as_ref());
        pack_number(&mut bytes, unpacked.data.len());
        for (name, datum) in &unpacked.data {
            pack_text(&mut bytes, name);
            match datum {
                Datum::Text(text) => {
                    bytes.push(TEXT);
                    pack_text(&mut bytes, text);
                }
                Datum::List(list) => {
                    bytes.push(LIST);
                    pack_number(&mut bytes, list.len());
                    for text in list {
                        pack_text(&mut bytes, text);
                    }
                }
            }
        }
        pack_number(&mut bytes, unpacked.lines.len());
        for line in &unpacked.lines {
            pack_text(&mut bytes, &line.text);
            let (start, end) = line.date.unwrap_or((1, 0));
            pack_number(&mut bytes, start as usize);
            pack_number(&mut bytes, end as usize);
        }
        Self(bytes.into_boxed_slice())
    }

    pub(super) fn unpack(&self) -> Unpacked {
        let mut reader = Reader(&self.0);
        if self.0.is_empty() {
            return Unpacked::default();
        }
        let ip = reader.network();
        let data = (0..reader.number())
            .map(|_| (reader.text(), reader.datum()))
            .collect();
        let lines = (0..reader.number()).map(|_| reader.line()).collect();
        Unpacked { ip, lines, data }
    }

    /// What it costs in memory, in bytes.
    pub(super) fn cost(&self) -> usize {
        if self.0.is_empty() {
            0
        } else {
            self.0.len() + ALLOCATION
        }
    }
}

/// Seven bits a byte, lowest first; the high bit says that more follow.
fn pack_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn pack_text(bytes: &mut Vec<u8>, text: &str) {
    pack_number(bytes, text.len());
    bytes.extend_from_slice(text.as_bytes());
}

fn pack_network(bytes: &mut Vec<u8>, network: Option<&Network>) {
    let Some(network) = network else {
        return bytes.push(NONE);
    };
    match network.address() {
        IpAddr::V4(v4) => {
            bytes.push(V4);
            bytes.extend_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            bytes.push(V6);
            bytes.extend_from_slice(&v6.octets());
        }
    }
    bytes.push(network.prefix());
}

/// Reads what `pack` wrote, and nothing else.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> usize {
        let (mut number, mut shift) = (0usize, 0);
        loop {
            let byte = self.byte();
            number |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    fn text(&mut self) -> String {
        let length = self.number().min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn datum(&mut self) -> Datum {
        if self.byte() == LIST {
            Datum::List((0..self.number()).map(|_| self.text()).collect())
        } else {
            Datum::Text(self.text())
        }
    }

    fn line(&mut self) -> MatchedLine {
        let text = self.text().into_boxed_str();
        let (start, end) = (self.number(), self.number());
        let date = (start <= end).then_some((start as u32, end as u32));
        MatchedLine { text, date }
    }

    fn network(&mut self) -> Option<Network> {
        let address = match self.byte() {
            V4 => IpAddr::V4(Ipv4Addr::from(self.octets::<4>())),
            V6 => IpAddr::V6(Ipv6Addr::from(self.octets::<16>())),
            _ => return None,
        };
        Network::new(address, self.byte()).ok()
    }

    fn octets<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network() -> impl Strategy<Value = Network> {
        prop_oneof![
            (any::<u32>(), 0..=32u8).prop_map(|(bits, prefix)| (IpAddr::V4(bits.into()), prefix)),
            (any::<u128>(), 0..=128u8).prop_map(|(bits, prefix)| (IpAddr::V6(bits.into()), prefix)),
        ]
        .prop_map(|(address, prefix)| Network::new(address, prefix).unwrap())
    }

    fn datum() -> impl Strategy<Value = Datum> {
        prop_oneof![
            any::<String>().prop_map(Datum::Text),
            proptest::collection::vec(any::<String>(), 0..4).prop_map(Datum::List),
        ]
    }

    fn line() -> impl Strategy<Value = MatchedLine> {
        (any::<String>(), proptest::option::of((0..9u32, 9..200u32))).prop_map(|(text, date)| {
            MatchedLine {
                text: text.into(),
                date,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_unpacks_the_same(
            ip in proptest::option::of(network()),
            lines in proptest::collection::vec(line(), 0..5),
            data in proptest::collection::btree_map(any::<String>(), datum(), 0..5),
        ) {
            let data = data.into_iter().collect();
            let unpacked = Unpacked { ip, lines, data };
            prop_assert_eq!(Details::pack(&unpacked).unpack(), unpacked);
        }
    }

    #[test]
    fn nothing_costs_nothing() {
        assert_eq!(Details::pack(&Unpacked::default()).cost(), 0);
    }
}
