//! Who a match is about: the ID, and the address beside it, from what was captured.

use std::net::IpAddr;

use super::facts::{CIDR, DNS, FID, Fact, Facts, IP4, IP6};
use crate::model::{FailId, Network, UseDns};

/// Whom a failure is about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Identity {
    /// The ID, and the address where that is not the ID.
    Known(FailId, Option<Network>),
    /// A host name to be looked up.
    Name(String),
    /// A host name that must not be looked up and is no address: nobody.
    Nobody,
    /// Nothing that says who.
    Missing,
}

/// fail2ban's order: `ip4`, `ip6`, `dns`; beside a `fid` these are the address, else the ID.
pub(super) fn identify(facts: &Facts, usedns: UseDns) -> Identity {
    let fid = facts.get(FID);
    let (host, address) = match (facts.text(IP4), facts.text(IP6), facts.text(DNS)) {
        (Some(ip), ..) | (None, Some(ip), _) => (ip, subnet(ip, facts.text(CIDR))),
        (None, None, Some(name)) if usedns == UseDns::Raw => (name, FailId::Raw(name.into())),
        (None, None, Some(name)) => return by_name(name, usedns),
        (None, None, None) => {
            return match fid {
                Some(fid) => Identity::Known(id(fid, usedns), None),
                None => Identity::Missing,
            };
        }
    };
    match fid {
        Some(Fact::Text(fid)) if fid == host => Identity::Known(address, None),
        Some(fid) => Identity::Known(id(fid, usedns), address.network().copied()),
        None => Identity::Known(address, None),
    }
}

fn by_name(name: &str, usedns: UseDns) -> Identity {
    match name.parse::<IpAddr>() {
        Ok(address) => Identity::Known(FailId::Net(Network::host(address)), None),
        Err(_) if matches!(usedns, UseDns::Yes | UseDns::Warn) => Identity::Name(name.to_owned()),
        Err(_) => Identity::Nobody,
    }
}

fn id(fid: Fact<'_>, usedns: UseDns) -> FailId {
    match fid {
        Fact::Text(text) if usedns == UseDns::Raw => FailId::Raw(text.into()),
        Fact::Text(text) => not_everybody(FailId::parse(text)),
        Fact::List(list) => FailId::Raw(tuple(list).into()),
    }
}

/// An address with the prefix captured beside it; what is no address (`999.1.1.1`) stays as it is.
fn subnet(ip: &str, cidr: Option<&str>) -> FailId {
    let Ok(address) = ip.parse::<IpAddr>() else {
        return FailId::Raw(ip.into());
    };
    let prefix = cidr.filter(|cidr| !cidr.is_empty());
    let network = prefix
        .and_then(|prefix| prefix.parse().ok())
        .and_then(|prefix| Network::new(address, prefix).ok());
    not_everybody(FailId::Net(
        network.unwrap_or_else(|| Network::host(address)),
    ))
}

/// A line that says `/0` is not about the whole net: for fail2ban it is about the one address
/// whose bits are all zero.
fn not_everybody(id: FailId) -> FailId {
    match id {
        FailId::Net(network) if network.prefix() == 0 => {
            FailId::Net(Network::host(network.address()))
        }
        id => id,
    }
}

/// A list as Python shows a tuple: what IDs and users of several parts are called.
pub(super) fn tuple(texts: &[String]) -> String {
    let mut out = String::from("(");
    for (number, text) in texts.iter().enumerate() {
        if number > 0 {
            out.push_str(", ");
        }
        match text.as_str() {
            "None" => out.push_str("None"),
            text => quote(text, &mut out),
        }
    }
    out.push(')');
    out
}

/// A text as Python's `repr` shows it, but that characters beyond ASCII stay as they are.
fn quote(text: &str, out: &mut String) {
    let mark = match text.contains('\'') && !text.contains('"') {
        true => '"',
        false => '\'',
    };
    out.push(mark);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == mark => out.extend(['\\', c]),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(mark);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::facts::Names;

    fn of(captured: &[(&str, &str)], usedns: UseDns) -> (String, Option<String>) {
        let (mut names, mut facts) = (Names::default(), Facts::default());
        for (name, value) in captured {
            facts.put(names.add(name), value);
        }
        match identify(&facts, usedns) {
            Identity::Known(id, ip) => (id.to_string(), ip.map(|ip| ip.to_string())),
            other => (format!("{other:?}"), None),
        }
    }

    fn known(captured: &[(&str, &str)]) -> (String, Option<String>) {
        of(captured, UseDns::Warn)
    }

    fn alone(id: &str) -> (String, Option<String>) {
        (id.to_owned(), None)
    }

    #[test]
    fn an_address_alone_is_the_id_with_its_prefix() {
        assert_eq!(known(&[("ip4", "192.0.2.5")]), alone("192.0.2.5"));
        assert_eq!(
            known(&[("ip4", "10.1.2.3"), ("cidr", "8")]),
            alone("10.0.0.0/8")
        );
        assert_eq!(
            known(&[("ip6", "2001:DB8::5"), ("cidr", "")]),
            alone("2001:db8::5")
        );
        assert_eq!(known(&[("ip6", "::ffff:192.0.2.5")]), alone("192.0.2.5"));
        assert_eq!(known(&[("ip4", "999.1.1.1")]), alone("999.1.1.1"));
        assert_eq!(
            known(&[("ip4", "192.0.2.5"), ("cidr", "0")]),
            alone("0.0.0.0")
        );
        assert_eq!(known(&[("fid", "::/0")]), alone("::"));
    }

    #[test]
    fn beside_an_id_it_is_the_address() {
        let both = [("fid", "bob"), ("ip4", "192.0.2.5")];
        assert_eq!(
            known(&both),
            ("bob".to_owned(), Some("192.0.2.5".to_owned()))
        );
        let same = [("fid", "192.0.2.5"), ("ip4", "192.0.2.5")];
        assert_eq!(known(&same), alone("192.0.2.5"));
        assert_eq!(known(&[("fid", "192.0.2.0/24")]), alone("192.0.2.0/24"));
        assert_eq!(known(&[]), alone("Missing"));
    }

    #[test]
    fn names_are_looked_up_kept_or_dropped_as_usedns_says() {
        let name = [("dns", "host.example.com")];
        assert_eq!(known(&name), alone("Name(\"host.example.com\")"));
        assert_eq!(of(&name, UseDns::No), alone("Nobody"));
        assert_eq!(of(&name, UseDns::Raw), alone("host.example.com"));
        assert_eq!(of(&[("dns", "192.0.2.5")], UseDns::No), alone("192.0.2.5"));
    }

    #[test]
    fn a_list_is_shown_as_a_tuple() {
        let mut facts = Facts::default();
        facts.put_list(
            FID,
            vec!["a".to_owned(), "o'n".to_owned(), "None".to_owned()],
        );
        let Identity::Known(id, None) = identify(&facts, UseDns::Warn) else {
            panic!("known");
        };
        assert_eq!(id.to_string(), "('a', \"o'n\", None)");
        let odd = ["a\n\t\u{1}".to_owned(), "'\"\\é".to_owned()];
        assert_eq!(tuple(&odd), r#"('a\n\t\x01', '\'"\\é')"#);
    }
}
