//! What a set holds, for who takes it over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::errno::Errno;

use super::{
    DATA_VALUE, ELEMENT_FLAGS, ELEMENT_KEY, Element, FLAG_INTERVAL, INTERVAL_END, LIST_ELEMENTS,
    LIST_SET, LIST_TABLE, TYPE_IPV4, TYPE_IPV6, errno_of, set_kind,
};
use crate::action::driver::netlink::{Attributes, Socket, Writer};
use crate::model::{Family, Network};

/// Everything a set holds, but for intervals that are no networks.
pub(in crate::action::driver) fn networks(like: &Element) -> Result<Vec<Network>, Errno> {
    let mut socket = Socket::open().map_err(|e| errno_of(&e))?;
    let kind = set_kind(&mut socket, like)?;
    let family = match kind.key {
        TYPE_IPV4 => Family::Inet4,
        TYPE_IPV6 => Family::Inet6,
        _ => return Err(Errno::EINVAL),
    };
    let mut ends = Vec::new();
    let names = |w: &mut Writer| {
        w.text(LIST_TABLE, &like.table);
        w.text(LIST_SET, &like.set);
    };
    socket.list_elements(like.family.number(), names, |attributes| {
        let lists = attributes.filter(|(kind, _)| *kind == LIST_ELEMENTS);
        for (_, item) in lists.flat_map(|(_, list)| Attributes(list)) {
            ends.extend(end_of_interval(item));
        }
    })?;
    let (bits, top) = match family {
        Family::Inet4 => (32, u128::from(u32::MAX)),
        Family::Inet6 => (128, u128::MAX),
    };
    let address = |number: u128| match family {
        Family::Inet4 => IpAddr::V4(Ipv4Addr::from_bits(number as u32)),
        Family::Inet6 => IpAddr::V6(Ipv6Addr::from_bits(number)),
    };
    if kind.flags & FLAG_INTERVAL == 0 {
        ends.sort_unstable();
        ends.dedup();
        return Ok(ends
            .into_iter()
            .map(|(at, _)| Network::host(address(at)))
            .collect());
    }
    let network = |(from, to): (u128, u128)| {
        let free = (to - from).count_ones();
        let prefix = bits - free;
        let network = Network::new(address(from), prefix as u8).ok()?;
        (network.address() == address(from) && (to - from).wrapping_add(1).is_power_of_two())
            .then_some(network)
    };
    let intervals = intervals(ends, top);
    Ok(intervals.into_iter().filter_map(network).collect())
}

/// One element of a dump: its key as a number, and whether an interval ends there.
fn end_of_interval(item: &[u8]) -> Option<(u128, bool)> {
    let (mut key, mut flags) = (None, 0);
    for (kind, value) in Attributes(item) {
        match kind {
            ELEMENT_KEY => {
                let (_, bytes) = Attributes(value).find(|(kind, _)| *kind == DATA_VALUE)?;
                key = Some(bytes.iter().fold(0, |n, byte| n << 8 | u128::from(*byte)));
            }
            ELEMENT_FLAGS => flags = u32::from_be_bytes(*value.first_chunk()?),
            _ => {}
        }
    }
    Some((key?, flags & INTERVAL_END != 0))
}

/// The intervals between beginnings and ends, in whatever order a dump has them.
fn intervals(mut ends: Vec<(u128, bool)>, last: u128) -> Vec<(u128, u128)> {
    // At one address the end of the one before comes before the next one's beginning.
    ends.sort_unstable_by_key(|(at, is_end)| (*at, !is_end));
    ends.dedup();
    let mut found = Vec::new();
    let mut from = None;
    for (at, is_end) in ends {
        match (is_end, from.take()) {
            (false, _) => from = Some(at),
            (true, Some(begin)) => found.push((begin, at.wrapping_sub(1))),
            (true, None) => {}
        }
    }
    // The kernel keeps an interval up to the last address without an end.
    found.extend(from.map(|begin| (begin, last)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_found_whatever_the_order_of_a_dump() {
        let ends = vec![
            (9, true),
            (8, false),
            (5, true),
            (4, true),
            (4, false),
            (3, false),
            (20, false),
        ];
        assert_eq!(intervals(ends, 99), [(3, 3), (4, 4), (8, 8), (20, 99)]);
    }
}
