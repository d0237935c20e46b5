//! Netlink to nf_tables: messages written and read by hand, a socket with one question at a time.
//!
//! The kernel answers a request before `send` returns, so answers are simply taken after it. A
//! batch is one transaction: either every message of it holds or none, and each one refused is
//! named by its sequence number.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, connect,
    getsockname, recv, send, setsockopt, socket, sockopt,
};

use crate::model::Network;

// <linux/netlink.h>
const REQUEST: u16 = 0x01;
const ACK: u16 = 0x04;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;
const ERROR: u16 = 0x02;
const NESTED: u16 = 0x8000;
const HEADER: usize = 16;

// <linux/netfilter/nfnetlink.h>
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const BATCH_GENID: u16 = 1;
const SUBSYSTEM: u16 = 10;

/// A whole batch must fit the sending buffer, one refusal per message the receiving one.
const BUFFERS: usize = 8 * 1024 * 1024;

/// Messages of nf_tables (`enum nf_tables_msg_types`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Message {
    GetSet = 10,
    NewElement = 12,
    GetElement = 13,
    DeleteElement = 14,
    GetGeneration = 16,
}

impl Message {
    const fn flags(self) -> u16 {
        match self {
            Self::NewElement => REQUEST | CREATE,
            Self::GetSet | Self::GetElement | Self::DeleteElement | Self::GetGeneration => REQUEST,
        }
    }
}

/// Messages one after the other, as they go to the kernel.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    message: usize,
}

impl Writer {
    /// Begins a transaction that holds only while the ruleset's generation is `generation`.
    pub(super) fn begin(&mut self, sequence: u32, generation: u32) {
        self.header(BATCH_BEGIN, REQUEST, sequence);
        // nfgenmsg: no family, version 0, the subsystem in network order.
        self.bytes.extend([0, 0]);
        self.bytes.extend(SUBSYSTEM.to_be_bytes());
        self.attribute(BATCH_GENID, &generation.to_be_bytes());
        self.close();
    }

    /// Ends the transaction.
    pub(super) fn end(&mut self, sequence: u32) {
        self.header(BATCH_END, REQUEST, sequence);
        self.bytes.extend([0, 0]);
        self.bytes.extend(SUBSYSTEM.to_be_bytes());
        self.close();
    }

    /// One message of nf_tables, its attributes written by `body`.
    pub(super) fn message(
        &mut self,
        message: Message,
        family: u8,
        sequence: u32,
        body: impl FnOnce(&mut Self),
    ) {
        self.header(SUBSYSTEM << 8 | message as u16, message.flags(), sequence);
        self.bytes.extend([family, 0, 0, 0]);
        body(self);
        self.close();
    }

    fn header(&mut self, kind: u16, flags: u16, sequence: u32) {
        self.message = self.bytes.len();
        self.bytes.extend(0u32.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(sequence.to_ne_bytes());
        self.bytes.extend(0u32.to_ne_bytes());
    }

    fn close(&mut self) {
        let length = (self.bytes.len() - self.message) as u32;
        self.bytes[self.message..][..4].copy_from_slice(&length.to_ne_bytes());
    }

    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend((4 + value.len() as u16).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    pub(super) fn text(&mut self, kind: u16, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes);
    }

    pub(super) fn nested(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend((kind | NESTED).to_ne_bytes());
        body(self);
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..][..2].copy_from_slice(&length.to_ne_bytes());
    }
}

/// The attributes of a message or of a nest, in order: kind and value.
pub(in crate::action) struct Attributes<'a>(pub(in crate::action) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16::from_ne_bytes(*self.0.first_chunk()?));
        let kind = u16::from_ne_bytes(*self.0.get(2..)?.first_chunk()?);
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & !NESTED, value))
    }
}

/// A message from the kernel.
#[derive(Debug)]
enum Answer<'a> {
    /// What came of the message with this sequence number.
    Status(u32, Result<(), Errno>),
    /// The attributes of what was asked for.
    Data(&'a [u8]),
}

fn answers(mut bytes: &[u8]) -> Vec<Answer<'_>> {
    let mut found = Vec::new();
    while let Some((message, rest)) = cut(bytes) {
        bytes = rest;
        let kind = u16::from_ne_bytes([message[4], message[5]]);
        let sequence = u32::from_ne_bytes([message[8], message[9], message[10], message[11]]);
        let body = &message[HEADER..];
        match (kind, body.first_chunk::<4>()) {
            (ERROR, Some(code)) => {
                let code = i32::from_ne_bytes(*code);
                let status = if code == 0 {
                    Ok(())
                } else {
                    Err(Errno::from_raw(-code))
                };
                found.push(Answer::Status(sequence, status));
            }
            (_, Some(_)) => found.push(Answer::Data(&body[4..])),
            (_, None) => {}
        }
    }
    found
}

pub(super) fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let message = bytes
        .get(..length)
        .filter(|message| message.len() >= HEADER)?;
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((message, rest))
}

// <linux/netfilter/nfnetlink_conntrack.h>
const CONNECTIONS: u16 = 1;
const LIST_CONNECTIONS: u16 = 1;
const DELETE_CONNECTION: u16 = 2;
const TUPLE_ORIGINAL: u16 = 1;
const FILTER: u16 = 25;
const TUPLE_IP: u16 = 1;
const SOURCE_V4: u16 = 1;
const SOURCE_V6: u16 = 3;
const FILTER_ORIGINAL: u16 = 1;
/// Of the tuple, the source address alone counts.
const BY_SOURCE: u32 = 1;

/// Has conntrack forget all connections from a host or network. From Linux 6.8 on the kernel selects
/// those of a host itself; networks, and hosts on older ones, are looked for in its list.
pub(super) fn forget_connections(network: &Network) -> io::Result<()> {
    if !network.is_host() {
        return forget_one_by_one(network);
    }
    let mut socket = Socket::open()?;
    let sequence = socket.sequences(1);
    let mut writer = Writer::default();
    writer.header(
        CONNECTIONS << 8 | DELETE_CONNECTION,
        REQUEST | ACK,
        sequence,
    );
    let family = match network.address() {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    writer.bytes.extend([family as u8, 0, 0, 0]);
    writer.nested(TUPLE_ORIGINAL, |w| {
        w.nested(TUPLE_IP, |w| match network.address() {
            IpAddr::V4(v4) => w.attribute(SOURCE_V4, &v4.octets()),
            IpAddr::V6(v6) => w.attribute(SOURCE_V6, &v6.octets()),
        });
    });
    writer.nested(FILTER, |w| {
        w.attribute(FILTER_ORIGINAL, &BY_SOURCE.to_ne_bytes());
    });
    writer.close();
    for (_, errno) in socket.commit(&writer)? {
        match errno {
            // None there.
            Errno::ENOENT => {}
            Errno::EINVAL | Errno::EOPNOTSUPP => return forget_one_by_one(network),
            errno => return Err(errno.into()),
        }
    }
    Ok(())
}

fn forget_one_by_one(network: &Network) -> io::Result<()> {
    let mut socket = Socket::open()?;
    let family = match network.address() {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    let mut writer = Writer::default();
    let sequence = socket.sequences(1);
    writer.header(
        CONNECTIONS << 8 | LIST_CONNECTIONS,
        REQUEST | DUMP,
        sequence,
    );
    writer.bytes.extend([family as u8, 0, 0, 0]);
    writer.close();
    socket.send(&writer)?;
    let mut theirs: Vec<Vec<u8>> = Vec::new();
    socket.receive(|answer| {
        // No conntrack at all, no connections.
        let Answer::Data(data) = answer else { return };
        let tuple = Attributes(data).find(|(kind, _)| *kind == TUPLE_ORIGINAL);
        let from = tuple.and_then(|(_, tuple)| source(tuple));
        if from.is_some_and(|from| network.contains(&Network::host(from))) {
            theirs.extend(tuple.map(|(_, tuple)| tuple.to_vec()));
        }
    })?;
    for tuple in theirs {
        let mut writer = Writer::default();
        let sequence = socket.sequences(1);
        writer.header(
            CONNECTIONS << 8 | DELETE_CONNECTION,
            REQUEST | ACK,
            sequence,
        );
        writer.bytes.extend([family as u8, 0, 0, 0]);
        writer.attribute(TUPLE_ORIGINAL | NESTED, &tuple);
        writer.close();
        for (_, errno) in socket.commit(&writer)? {
            // It has ended meanwhile.
            if errno != Errno::ENOENT {
                return Err(errno.into());
            }
        }
    }
    Ok(())
}

/// Where the packets of a connection come from.
fn source(tuple: &[u8]) -> Option<IpAddr> {
    let (_, addresses) = Attributes(tuple).find(|(kind, _)| *kind == TUPLE_IP)?;
    Attributes(addresses).find_map(|(kind, value)| match kind {
        SOURCE_V4 => Some(IpAddr::from(*value.first_chunk::<4>()?)),
        SOURCE_V6 => Some(IpAddr::from(*value.first_chunk::<16>()?)),
        _ => None,
    })
}

// <linux/netfilter/ipset/ip_set.h>
const SETS: u16 = 6;
const ASK_PROTOCOL: u16 = 1;
const PROTOCOL: u16 = 1;
/// The oldest that `ipset` still speaks; the kernel answers with its own.
const OLD_PROTOCOL: u8 = 6;

/// Whether the kernel has ipset, and lets us use it.
pub(super) fn ipset_answers() -> bool {
    let ask = || {
        let mut socket = Socket::open()?;
        let sequence = socket.sequences(1);
        let mut writer = Writer::default();
        writer.header(SETS << 8 | ASK_PROTOCOL, REQUEST | ACK, sequence);
        writer.bytes.extend([AddressFamily::Inet as u8, 0, 0, 0]);
        writer.attribute(PROTOCOL, &[OLD_PROTOCOL]);
        writer.close();
        io::Result::Ok(socket.commit(&writer)?.is_empty())
    };
    ask().unwrap_or(false)
}

/// The ports of our own sockets, by which the kernel says whose doing a change was.
static OURS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn ours() -> MutexGuard<'static, Vec<u32>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A change of the ruleset, by somebody else.
pub(in crate::action) struct Notice<'a> {
    /// One of `enum nf_tables_msg_types`.
    pub(in crate::action) message: u8,
    pub(in crate::action) attributes: &'a [u8],
}

/// The group that hears of every change of nf_tables (`NFNLGRP_NFTABLES`), as a mask.
const CHANGES: u32 = 1 << (7 - 1);

/// A socket that hears of every change of nf_tables in the thread's network namespace.
pub(in crate::action) fn listen() -> io::Result<OwnedFd> {
    let socket = netfilter_socket()?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, CHANGES))?;
    let _ = setsockopt(&socket, sockopt::RcvBufForce, &BUFFERS);
    Ok(socket)
}

/// What others did, of what one reception holds.
pub(in crate::action) fn notices(mut bytes: &[u8], mut take: impl FnMut(Notice<'_>)) {
    while let Some((message, rest)) = cut(bytes) {
        bytes = rest;
        let kind = u16::from_ne_bytes([message[4], message[5]]);
        let port = u32::from_ne_bytes([message[12], message[13], message[14], message[15]]);
        let [subsystem, number] = kind.to_be_bytes();
        let Some(attributes) = message.get(HEADER + 4..) else {
            continue;
        };
        if u16::from(subsystem) == SUBSYSTEM && !ours().contains(&port) {
            take(Notice {
                message: number,
                attributes,
            });
        }
    }
}

fn netfilter_socket() -> nix::Result<OwnedFd> {
    socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        SockProtocol::NetlinkNetFilter,
    )
}

/// A socket to the netfilter of the thread's network namespace.
pub(super) struct Socket {
    socket: OwnedFd,
    port: u32,
    sequence: u32,
    buffer: Vec<u8>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        ours().retain(|port| *port != self.port);
    }
}

impl Socket {
    pub(super) fn open() -> io::Result<Self> {
        let socket = netfilter_socket()?;
        // Only the kernel may answer.
        connect(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        // Refused without CAP_NET_ADMIN, without which nothing else will work either.
        let _ = setsockopt(&socket, sockopt::SndBufForce, &BUFFERS);
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &BUFFERS);
        let port = getsockname::<NetlinkAddr>(socket.as_raw_fd())?.pid();
        ours().push(port);
        Ok(Self {
            socket,
            port,
            sequence: 0,
            buffer: vec![0; 16 * 1024],
        })
    }

    /// `count` sequence numbers in a row; the first.
    pub(super) fn sequences(&mut self, count: usize) -> u32 {
        let first = self.sequence.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(count as u32);
        first
    }

    /// Asks for one thing and gives its attributes to `read`.
    pub(super) fn ask<T>(
        &mut self,
        message: Message,
        family: u8,
        body: impl FnOnce(&mut Writer),
        read: impl FnOnce(Attributes<'_>) -> T,
    ) -> Result<T, Errno> {
        let sequence = self.sequences(1);
        let mut writer = Writer::default();
        writer.message(message, family, sequence, body);
        self.send(&writer)?;
        let mut read = Some(read);
        let mut result = Err(Errno::ENODATA);
        self.receive(|answer| match (answer, read.take()) {
            (Answer::Data(data), Some(read)) => result = Ok(read(Attributes(data))),
            (Answer::Status(_, Err(errno)), _) => result = Err(errno),
            (Answer::Data(_) | Answer::Status(_, Ok(())), _) => {}
        })?;
        result
    }

    /// Lists a set's elements: gives the attributes of each message to `read`.
    pub(super) fn list_elements(
        &mut self,
        family: u8,
        body: impl FnOnce(&mut Writer),
        mut read: impl FnMut(Attributes<'_>),
    ) -> Result<(), Errno> {
        let sequence = self.sequences(1);
        let mut writer = Writer::default();
        let kind = SUBSYSTEM << 8 | Message::GetElement as u16;
        writer.header(kind, REQUEST | DUMP, sequence);
        writer.bytes.extend([family, 0, 0, 0]);
        body(&mut writer);
        writer.close();
        self.send(&writer)?;
        let mut result = Ok(());
        self.receive(|answer| match answer {
            Answer::Data(data) => read(Attributes(data)),
            Answer::Status(_, status) => result = status,
        })?;
        result
    }

    /// Sends a transaction; what was refused, by sequence number.
    pub(super) fn commit(&mut self, writer: &Writer) -> Result<Vec<(u32, Errno)>, Errno> {
        self.send(writer)?;
        let mut refused = Vec::new();
        self.receive(|answer| {
            if let Answer::Status(sequence, Err(errno)) = answer {
                refused.push((sequence, errno));
            }
        })?;
        Ok(refused)
    }

    fn send(&mut self, writer: &Writer) -> Result<(), Errno> {
        // An answer nobody waited for, after an error, must not be taken for the next one's.
        self.receive(|_| {})?;
        let bytes = writer.bytes.as_slice();
        loop {
            match send(self.socket.as_raw_fd(), bytes, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Everything the kernel has said.
    fn receive(&mut self, mut take: impl FnMut(Answer<'_>)) -> Result<(), Errno> {
        loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Ok(length) => answers(&self.buffer[..length])
                    .into_iter()
                    .for_each(&mut take),
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut writer = Writer::default();
        writer.message(Message::NewElement, 1, 7, |w| {
            w.text(1, "f2b-table");
            w.nested(3, |w| w.attribute(4, &[1, 2, 3, 4, 5]));
        });
        let (message, rest) = cut(&writer.bytes).expect("a whole message");
        assert!(rest.is_empty());
        let found: Vec<_> = Attributes(&message[HEADER + 4..]).collect();
        assert_eq!(found[0], (1, &b"f2b-table\0"[..]));
        let inner: Vec<_> = Attributes(found[1].1).collect();
        assert_eq!(inner, [(4, &[1u8, 2, 3, 4, 5][..])]);
    }

    #[test]
    fn cut_off_answers_end_the_reading() {
        let mut writer = Writer::default();
        writer.message(Message::GetSet, 1, 7, |w| w.text(2, "set"));
        for length in 0..writer.bytes.len() {
            assert!(answers(&writer.bytes[..length]).is_empty(), "{length}");
            assert!(
                Attributes(&writer.bytes[HEADER + 4..][..length.saturating_sub(20)]).count() == 0
            );
        }
    }
}
