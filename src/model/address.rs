//! Whom a failure is about: an address, a network, or any text a filter captured as `<F-ID>`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

/// An address family, by fail2ban's names (`<family>`, `?family=inet6`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    Inet4,
    Inet6,
}

impl Family {
    pub const ALL: [Self; 2] = [Self::Inet4, Self::Inet6];

    /// `inet4` or `inet6`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inet4 => "inet4",
            Self::Inet6 => "inet6",
        }
    }
}

/// An address with the length of its network prefix; host bits are always zero.
///
/// A single host has the full prefix (32 or 128) and prints without it. An IPv4-mapped IPv6
/// address is held as IPv4, as fail2ban does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is not an address or network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressError;

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected an IP address or network such as 192.0.2.5, 192.0.2.0/24 or 2001:db8::/32",
        )
    }
}

impl std::error::Error for AddressError {}

impl Network {
    /// One host.
    pub fn host(address: IpAddr) -> Self {
        let address = unmapped(address);
        Self {
            address,
            prefix: full_prefix(address),
        }
    }

    /// A network; host bits are cleared (`10.1.2.3/8` is `10.0.0.0/8`).
    ///
    /// # Errors
    /// When `prefix` is longer than the family's addresses.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, AddressError> {
        if prefix > full_prefix(address) {
            return Err(AddressError);
        }
        let masked = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        };
        match (masked, prefix) {
            (IpAddr::V6(v6), 96..) if v6.to_ipv4_mapped().is_some() => Ok(Self {
                address: unmapped(masked),
                prefix: prefix - 96,
            }),
            _ => Ok(Self {
                address: masked,
                prefix,
            }),
        }
    }

    pub const fn address(&self) -> IpAddr {
        self.address
    }

    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    pub fn is_host(&self) -> bool {
        self.prefix == full_prefix(self.address)
    }

    pub const fn family(&self) -> Family {
        match self.address {
            IpAddr::V4(_) => Family::Inet4,
            IpAddr::V6(_) => Family::Inet6,
        }
    }

    /// Whether every address of `other` is in this network.
    pub fn contains(&self, other: &Self) -> bool {
        self.family() == other.family()
            && self.prefix <= other.prefix
            && Self::new(other.address, self.prefix).is_ok_and(|n| n.address == self.address)
    }
}

fn full_prefix(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

impl FromStr for Network {
    type Err = AddressError;

    /// `ADDRESS`, `[ADDRESS]`, `ADDRESS/PREFIX` or `ADDRESS/NETMASK`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (address, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((address, prefix)) => (address, Some(prefix)),
        };
        let bare = address
            .strip_prefix('[')
            .and_then(|a| a.strip_suffix(']'))
            .unwrap_or(address);
        let address: IpAddr = bare.parse().map_err(|_| AddressError)?;
        let Some(prefix) = prefix else {
            return Ok(Self::host(address));
        };
        let all_digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
        let bits = if all_digits {
            prefix.parse().map_err(|_| AddressError)?
        } else {
            netmask_prefix(prefix.parse().map_err(|_| AddressError)?)?
        };
        Self::new(address, bits)
    }
}

/// The prefix length a netmask such as `255.255.255.0` stands for.
fn netmask_prefix(mask: IpAddr) -> Result<u8, AddressError> {
    let (ones, zeros, width) = match mask {
        IpAddr::V4(m) => (m.to_bits().leading_ones(), m.to_bits().trailing_zeros(), 32),
        IpAddr::V6(m) => (
            m.to_bits().leading_ones(),
            m.to_bits().trailing_zeros(),
            128,
        ),
    };
    if ones + zeros == width {
        Ok(ones as u8)
    } else {
        Err(AddressError)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ipv4_compatible(self.address) {
            // As C's inet_ntop writes them, and so fail2ban; they are not used any more.
            Some(v4) => write!(f, "::{v4}")?,
            None => write!(f, "{}", self.address)?,
        }
        if self.is_host() {
            return Ok(());
        }
        write!(f, "/{}", self.prefix)
    }
}

/// The IPv4 half of `::a.b.c.d`, where its first two bytes are not zero.
fn ipv4_compatible(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V6(v6) if v6.to_bits() >> 32 == 0 && v6.to_bits() >> 16 != 0 => {
            Some(Ipv4Addr::from_bits(v6.to_bits() as u32))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// Whom a failure or ban is about (fail2ban's ticket ID).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailId {
    Net(Network),
    /// Anything else: a session, a user, a host name under `usedns = raw`.
    Raw(Arc<str>),
}

impl FailId {
    /// An address or network where the text is one, else the text itself; without the brackets
    /// around it all, as fail2ban takes them off any ID.
    pub fn parse(text: &str) -> Self {
        let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let bare = inner.filter(|inner| !inner.is_empty()).unwrap_or(text);
        bare.parse()
            .map_or_else(|_| Self::Raw(bare.into()), Self::Net)
    }

    pub const fn network(&self) -> Option<&Network> {
        match self {
            Self::Net(network) => Some(network),
            Self::Raw(_) => None,
        }
    }

    pub fn family(&self) -> Option<Family> {
        self.network().map(Network::family)
    }
}

impl fmt::Display for FailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(network) => network.fmt(f),
            Self::Raw(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        FailId::parse(text).to_string()
    }

    #[test]
    fn networks_print_as_fail2ban_prints_them() {
        assert_eq!(shown("192.0.2.5"), "192.0.2.5");
        assert_eq!(shown("10.1.2.3/8"), "10.0.0.0/8");
        assert_eq!(shown("10.1.2.3/255.255.0.0"), "10.1.0.0/16");
        assert_eq!(shown("::ffff:192.0.2.5"), "192.0.2.5");
        assert_eq!(shown("::ffff:192.0.2.5/120"), "192.0.2.0/24");
        assert_eq!(shown("[2001:DB8::5]"), "2001:db8::5");
        assert_eq!(shown("0.0.0.0/0"), "0.0.0.0/0");
        assert_eq!(shown("::ffff:192"), "::255.255.1.146");
        assert_eq!(shown("::1:2/127"), "::0.1.0.2/127");
        assert_eq!(shown("::192"), "::192");
        assert_eq!(shown("[10.1.2.3/24]"), "10.1.2.0/24");
    }

    #[test]
    fn brackets_around_any_id_go() {
        for (text, id) in [
            ("[user]", "user"),
            ("[[x]]", "[x]"),
            ("[999.1.1.1]", "999.1.1.1"),
            ("[]", "[]"),
            ("[a", "[a"),
            ("[a]:1", "[a]:1"),
        ] {
            assert_eq!(FailId::parse(text), FailId::Raw(id.into()), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_stays_raw() {
        for text in [
            "999.1.1.1",
            "192.030.0.6",
            "1.2.3.4/33",
            "1.2.3.4/",
            "1.2.3.4/255.0.255.0",
            "user",
        ] {
            assert_eq!(FailId::parse(text), FailId::Raw(text.into()), "{text}");
        }
    }

    #[test]
    fn containment_respects_family_and_width() {
        let net = |t: &str| t.parse::<Network>().expect(t);
        assert!(net("10.0.0.0/8").contains(&net("10.9.8.7")));
        assert!(!net("10.9.8.7").contains(&net("10.0.0.0/8")));
        assert!(!net("0.0.0.0/0").contains(&net("2001:db8::1")));
        assert!(net("::/0").contains(&net("2001:db8::1")));
    }
}
