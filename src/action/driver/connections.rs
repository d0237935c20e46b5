//! Closes what a banned host still has open: a rule stops packets, but a session that was up before
//! goes on being a process on this machine, and an entry in the table of connections.
//!
//! Sockets are found by one dump for a whole batch and destroyed one by one; entries of conntrack
//! are deleted by their source address, and with them what was forwarded to containers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send,
    socket,
};

use super::netlink;
use crate::model::Network;

// <linux/netlink.h>
const REQUEST: u16 = 0x01;
const ACK: u16 = 0x04;
const DUMP: u16 = 0x300;
const DONE: u16 = 3;
const ERROR: u16 = 2;
const HEADER: usize = 16;

// <linux/sock_diag.h>, <linux/inet_diag.h>
const BY_FAMILY: u16 = 20;
const DESTROY: u16 = 21;
const TCP: u8 = 6;
/// Every state but LISTEN (10), TIME_WAIT (6) and NEW_SYN_RECV (12): sockets somebody holds.
const OPEN: u32 = !(1 << 10 | 1 << 6 | 1 << 12);
/// `struct inet_diag_sockid`: ports, addresses, interface, cookie.
const SOCKET_ID: usize = 48;

/// Ports of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) enum Ports {
    All,
    /// From, to; both included.
    Some(Vec<(u16, u16)>),
}

impl Ports {
    /// `port` of an action: `ssh,6000:6010`. Names are those of `services`, the text of
    /// `/etc/services`; one nobody knows is no port.
    pub(in crate::action) fn parse(text: &str, services: &str) -> Self {
        let number = |word: &str| word.parse().ok().or_else(|| service(word, services));
        let range = |word: &str| match word.split_once([':', '-']) {
            // A name may hold a dash.
            Some((from, to)) if from.starts_with(|c: char| c.is_ascii_digit()) => {
                Some((number(from)?, number(to)?))
            }
            _ => number(word).map(|port| (port, port)),
        };
        let words = text.split([',', ' ', '\n']).filter(|word| !word.is_empty());
        Self::Some(words.filter_map(range).collect())
    }

    fn contain(&self, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Some(ranges) => ranges
                .iter()
                .any(|(from, to)| (*from..=*to).contains(&port)),
        }
    }
}

/// The port of a service, by the format of `/etc/services`.
fn service(name: &str, services: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (first, port) = (words.next()?, words.next()?);
        let named = first == name || words.any(|alias| alias == name);
        named.then(|| port.split('/').next()?.parse().ok())?
    })
}

/// Closes every connection from these networks to these ports; how many sockets were closed.
///
/// # Errors
/// When the kernel cannot tell of sockets, or not destroy them (no `CONFIG_INET_DIAG_DESTROY`).
pub(in crate::action) fn close(networks: &[Network], ports: &Ports) -> io::Result<usize> {
    let wire = Wire::open()?;
    let mut closed = 0;
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        for id in wire.sockets(family as u8)? {
            let theirs = networks.iter().any(|network| network.contains(&id.peer));
            if theirs && ports.contain(id.port) {
                wire.destroy(family as u8, &id)?;
                closed += 1;
            }
        }
    }
    for network in networks {
        netlink::forget_connections(network)?;
    }
    Ok(closed)
}

/// One socket.
struct Socket {
    id: [u8; SOCKET_ID],
    port: u16,
    peer: Network,
}

struct Wire(OwnedFd);

impl Wire {
    fn open() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkSockDiag,
        )?;
        connect(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self(socket))
    }

    /// All TCP sockets of a family that are connected to somebody.
    fn sockets(&self, family: u8) -> io::Result<Vec<Socket>> {
        self.send(BY_FAMILY, REQUEST | DUMP, family, &[0; SOCKET_ID])?;
        let mut found = Vec::new();
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let length = receive(&self.0, &mut buffer)?;
            for (kind, body) in messages(&buffer[..length]) {
                match kind {
                    DONE => return Ok(found),
                    ERROR => status(body)?,
                    _ => found.extend(read(family, body)),
                }
            }
        }
    }

    fn destroy(&self, family: u8, found: &Socket) -> io::Result<()> {
        self.send(DESTROY, REQUEST | ACK, family, &found.id)?;
        let mut buffer = vec![0; 4096];
        let length = receive(&self.0, &mut buffer)?;
        for (kind, body) in messages(&buffer[..length]) {
            if kind == ERROR {
                match status(body) {
                    // It has ended by itself meanwhile.
                    Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    /// A `struct inet_diag_req_v2`.
    fn send(&self, kind: u16, flags: u16, family: u8, id: &[u8; SOCKET_ID]) -> io::Result<()> {
        let length = HEADER + 8 + SOCKET_ID;
        let mut message = Vec::with_capacity(length);
        message.extend((length as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend([family, TCP, 0, 0]);
        message.extend(OPEN.to_ne_bytes());
        message.extend(id);
        send(self.0.as_raw_fd(), &message, MsgFlags::empty())?;
        Ok(())
    }
}

fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match recv(socket.as_raw_fd(), buffer, MsgFlags::empty()) {
            Err(Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Kind and body of each message.
fn messages(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let Some((message, rest)) = netlink::cut(bytes) {
        bytes = rest;
        let kind = u16::from_ne_bytes([message[4], message[5]]);
        found.push((kind, &message[HEADER..]));
    }
    found
}

fn status(body: &[u8]) -> io::Result<()> {
    match body
        .first_chunk()
        .map_or(0, |code| i32::from_ne_bytes(*code))
    {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(-code)),
    }
}

/// A `struct inet_diag_msg`.
fn read(family: u8, body: &[u8]) -> Option<Socket> {
    let id: [u8; SOCKET_ID] = *body.get(4..)?.first_chunk()?;
    let port = u16::from_be_bytes([id[0], id[1]]);
    let there: [u8; 16] = *id.get(20..)?.first_chunk()?;
    let peer = if family == AddressFamily::Inet as u8 {
        IpAddr::V4(Ipv4Addr::from(*there.first_chunk::<4>()?))
    } else {
        IpAddr::V6(Ipv6Addr::from(there))
    };
    Some(Socket {
        id,
        port,
        // A mapped address becomes what it stands for.
        peer: Network::host(peer),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_names_and_ranges() {
        let services = "ssh 22/tcp # shell\nhttp\t80/tcp www\nx-y 9/tcp\n";
        let ports = |text| Ports::parse(text, services);
        let expected = Ports::Some(vec![(22, 22), (80, 80), (6000, 6010), (9, 9)]);
        assert_eq!(ports("ssh,www 6000:6010,nobody,x-y"), expected);
        assert!(ports("0:65535").contain(65535) && !ports("").contain(22));
        assert!(Ports::All.contain(1));
    }

    #[test]
    fn cut_off_answers_are_no_sockets() {
        for length in 0..52 {
            assert!(read(AddressFamily::Inet as u8, &vec![0; length]).is_none());
        }
    }
}
