//! `nft add|delete element [FAMILY] TABLE SET { ADDRESS [timeout TIME] }`.

use super::{is_name, number};
use crate::action::driver::{Change, Element, Table};

/// The longest name the kernel takes, less its final NUL (`NFT_NAME_MAXLEN`).
const LONGEST_NAME: usize = 255;

/// nft joins its arguments and reads them as one text, and so do we.
pub(super) fn read(arguments: &[&str]) -> Option<Element> {
    let text = arguments.join(" ");
    let (head, rest) = text.split_once('{')?;
    let (body, tail) = rest.split_once('}')?;
    if !tail.trim_matches(' ').is_empty() {
        return None;
    }
    let words = |text: &'_ str| -> Vec<String> {
        text.split(' ')
            .filter(|w| !w.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (head, body) = (words(head), words(body));
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let body: Vec<&str> = body.iter().map(String::as_str).collect();
    let (change, family, table, set) = match head.as_slice() {
        [verb, "element", table, set] => (change(verb)?, Table::Ip, *table, *set),
        [verb, "element", family, table, set] => {
            (change(verb)?, Table::named(family)?, *table, *set)
        }
        _ => return None,
    };
    let name = |word| is_name(word, LONGEST_NAME) && Table::named(word).is_none();
    if !name(table) || !name(set) {
        return None;
    }
    let (address, timeout) = match (change, body.as_slice()) {
        (_, [address]) => (*address, None),
        (Change::Add, [address, "timeout", time]) => (*address, Some(milliseconds(time)?)),
        _ => return None,
    };
    Some(Element {
        change,
        family,
        table: table.into(),
        set: set.into(),
        network: super::address(address)?,
        timeout,
    })
}

fn change(verb: &str) -> Option<Change> {
    match verb {
        "add" => Some(Change::Add),
        "delete" => Some(Change::Delete),
        _ => None,
    }
}

/// nft's time: `600s`, `10m`, `1h30m`, each unit once and the longest first.
fn milliseconds(text: &str) -> Option<u64> {
    let mut total = 0u64;
    let mut rest = text;
    for (unit, seconds) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        let Some((count, after)) = rest.split_once(unit) else {
            continue;
        };
        let count: u32 = number(count)?;
        total += u64::from(count) * seconds;
        rest = after;
    }
    (rest.is_empty() && total > 0).then_some(total * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_nft_reads_them() {
        for (text, secs) in [
            ("600s", Some(600)),
            ("1h30m", Some(5_400)),
            ("1d2h3m4s", Some(93_784)),
            ("600", None),
            ("30m1h", None),
            ("0s", None),
            ("1ms", None),
            ("-1s", None),
            ("", None),
        ] {
            assert_eq!(milliseconds(text), secs.map(|s: u64| s * 1000), "{text}");
        }
    }
}
