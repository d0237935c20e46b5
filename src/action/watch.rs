//! Watches for what others take out of the firewall: `nft flush ruleset`, a reload of firewalld or
//! docker, an `iptables-restore`. The kernel tells of each such change; what our own sockets do is
//! left out by their port.
//!
//! Only what nf_tables holds is told of (iptables is part of it on every current system). Sets of
//! ipset and the legacy iptables are silent; for those the daemon looks itself from time to time.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv};

use super::driver::netlink::{self, Attributes};

/// A change goes on for as long as the next message comes within this.
const QUIET: Duration = Duration::from_millis(20);

/// What has been seen is told after this many receptions at the latest, however long the change
/// goes on; a reception holds dozens of messages.
const RECEPTIONS: u32 = 512;

/// How many different losses are told apart; past it anything may be gone.
const REMEMBERED: usize = 256;

/// Something that is gone from the firewall.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    pub table: Box<str>,
    /// The chain that is gone or lost a rule, the set that is gone or lost elements; `None`: the
    /// whole table.
    pub object: Option<Box<str>>,
    /// Elements alone: the set is still there.
    pub elements: bool,
}

/// What others have done to the firewall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disturbance {
    Lost(Vec<Loss>),
    /// More than could be followed: anything may be gone.
    Unknown,
}

/// Watches as long as it is held.
#[derive(Debug)]
pub struct Watch {
    /// Closed to end the thread.
    end: Option<UnixStream>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Watch {
    /// Watches the firewall of the calling thread's network namespace.
    ///
    /// # Errors
    /// When the kernel has no nf_tables, or does not let us listen.
    pub fn spawn(tell: impl Fn(Disturbance) + Send + 'static) -> io::Result<Self> {
        let socket = netlink::listen()?;
        let (end, other_end) = UnixStream::pair()?;
        let thread = thread::Builder::new()
            .name("firewall watch".into())
            .stack_size(64 * 1024)
            .spawn(move || watch(&socket, &other_end, &tell))?;
        Ok(Self {
            end: Some(end),
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been said.
            let _ = thread.join();
        }
    }
}

fn watch(socket: &OwnedFd, end: &UnixStream, tell: &dyn Fn(Disturbance)) {
    let mut seen = Seen::default();
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let timeout = seen.timeout();
        let mut files = [
            PollFd::new(socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(end.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut files, timeout) {
            Ok(0) => {
                if let Some(disturbance) = seen.take() {
                    tell(disturbance);
                }
                continue;
            }
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(_) => return,
        }
        if files[1].any() != Some(false) {
            return;
        }
        match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(length) => netlink::notices(&buffer[..length], |notice| seen.note(&notice)),
            Err(Errno::ENOBUFS) => seen.note_unknown(),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => return,
        }
        if seen.is_overdue()
            && let Some(disturbance) = seen.take()
        {
            tell(disturbance);
        }
    }
}

/// What has been seen and not yet told.
#[derive(Debug, Default)]
struct Seen {
    losses: BTreeSet<Loss>,
    unknown: bool,
    /// Receptions since there is something to tell.
    receptions: u32,
}

// enum nf_tables_msg_types
const DELETE_TABLE: u8 = 2;
const DELETE_CHAIN: u8 = 5;
const DELETE_RULE: u8 = 8;
const DELETE_SET: u8 = 11;
const DELETE_ELEMENT: u8 = 14;

/// Each message we care for: the attributes that name the table and the object.
const NAMES: &[(u8, u16, Option<u16>)] = &[
    (DELETE_TABLE, 1, None),
    (DELETE_CHAIN, 1, Some(3)),
    (DELETE_RULE, 1, Some(2)),
    (DELETE_SET, 1, Some(2)),
    (DELETE_ELEMENT, 1, Some(2)),
];

impl Seen {
    fn note(&mut self, notice: &netlink::Notice<'_>) {
        let Some((_, table, object)) = NAMES.iter().find(|(kind, _, _)| *kind == notice.message)
        else {
            return;
        };
        let named = |wanted: u16| {
            let (_, value) = Attributes(notice.attributes).find(|(kind, _)| *kind == wanted)?;
            let text = std::str::from_utf8(value).ok()?;
            Some(Box::from(text.trim_end_matches('\0')))
        };
        let Some(table) = named(*table) else {
            return;
        };
        let loss = Loss {
            table,
            object: object.and_then(named),
            elements: notice.message == DELETE_ELEMENT,
        };
        if self.losses.len() >= REMEMBERED && !self.losses.contains(&loss) {
            self.note_unknown();
        } else {
            self.losses.insert(loss);
        }
    }

    fn note_unknown(&mut self) {
        self.unknown = true;
    }

    fn is_empty(&self) -> bool {
        self.losses.is_empty() && !self.unknown
    }

    fn timeout(&self) -> PollTimeout {
        if self.is_empty() {
            return PollTimeout::NONE;
        }
        PollTimeout::try_from(QUIET).unwrap_or(PollTimeout::ZERO)
    }

    /// Counts a reception; whether it is time to tell, quiet or not.
    fn is_overdue(&mut self) -> bool {
        self.receptions = if self.is_empty() {
            0
        } else {
            self.receptions + 1
        };
        self.receptions >= RECEPTIONS
    }

    fn take(&mut self) -> Option<Disturbance> {
        let Self {
            losses, unknown, ..
        } = std::mem::take(self);
        if unknown {
            return Some(Disturbance::Unknown);
        }
        (!losses.is_empty()).then(|| Disturbance::Lost(losses.into_iter().collect()))
    }
}
