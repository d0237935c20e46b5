//! Telling systemd how we are: sd_notify's datagrams, without libsystemd.
//!
//! Everything here is best effort: outside systemd there is nobody to tell.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use super::clock;

/// How often `STATUS=` changes at most.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// The service manager's ear, from `NOTIFY_SOCKET` and `WATCHDOG_USEC`.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Watchdog>,
    /// What was said last, and what is still to be said.
    said: String,
    unsaid: Option<String>,
    /// Before this moment no other status is told.
    quiet: Option<Instant>,
}

/// systemd's: it wants to hear of us in time, by the clock that never jumps.
#[derive(Debug)]
struct Watchdog {
    every: Duration,
    due: Instant,
}

impl Notifier {
    /// From the variables' values; a path that begins with `@` is an abstract socket. A watchdog that
    /// is for another process (`WATCHDOG_PID`) is not ours.
    pub(super) fn new(
        notify_socket: Option<&str>,
        watchdog_usec: Option<&str>,
        watchdog_pid: Option<&str>,
    ) -> Self {
        let address = notify_socket.and_then(|path| match path.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(path).ok(),
        });
        let socket = address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address)));
        let ours = watchdog_pid.is_none_or(|pid| pid.parse() == Ok(std::process::id()));
        let limit = watchdog_usec
            .and_then(|text| text.parse().ok())
            .filter(|usec| *usec > 0 && ours && socket.is_some())
            .map(Duration::from_micros);
        Self {
            socket,
            // Half of what systemd allows, as sd_watchdog_enabled(3) says.
            watchdog: limit.map(|limit| Watchdog {
                every: limit / 2,
                due: clock::deadline(limit / 2),
            }),
            ..Self::default()
        }
    }

    /// Whether anybody listens.
    pub(super) const fn is_heard(&self) -> bool {
        self.socket.is_some()
    }

    /// How long nothing is due here; `None`: for ever.
    pub(super) fn wake(&self) -> Option<Duration> {
        let status = self.quiet.filter(|_| self.unsaid.is_some());
        let watchdog = self.watchdog.as_ref().map(|watchdog| watchdog.due);
        let next = status.into_iter().chain(watchdog).min();
        next.map(clock::left)
    }

    /// Start-up is over; `status` is shown by `systemctl status`.
    pub(super) fn ready(&mut self, status: String) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
        self.told(status);
    }

    /// How things are. Told when it has changed, and not with every ban of a flood.
    pub(super) fn status(&mut self, status: String) {
        if status == self.said {
            self.unsaid = None;
        } else if self
            .quiet
            .is_some_and(|until| !clock::left(until).is_zero())
        {
            self.unsaid = Some(status);
        } else {
            self.tell(&format!("STATUS={status}"));
            self.told(status);
        }
    }

    fn told(&mut self, status: String) {
        self.said = status;
        self.unsaid = None;
        self.quiet = Some(clock::deadline(STATUS_EVERY));
    }

    /// To be called by whoever must not get stuck: tells the watchdog, when that is due.
    pub(super) fn alive(&mut self) {
        let Some(watchdog) = &mut self.watchdog else {
            return;
        };
        if clock::left(watchdog.due).is_zero() {
            watchdog.due = clock::deadline(watchdog.every);
            self.tell("WATCHDOG=1");
        }
    }

    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.socket {
            // Not being heard is systemd's to notice.
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(ear: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let length = ear.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn states_reach_the_socket_and_a_flood_of_them_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let ear = UnixDatagram::bind(&path).unwrap();
        let mut notifier = Notifier::new(path.to_str(), Some("3600000000"), None);
        notifier.ready("1 jail, 0 banned".to_owned());
        assert_eq!(heard(&ear), "READY=1\nSTATUS=1 jail, 0 banned");
        assert!(notifier.wake().unwrap() > Duration::from_secs(1700));
        for banned in 1..100 {
            notifier.status(format!("1 jail, {banned} banned"));
        }
        let wait = notifier.wake().unwrap();
        assert!(wait <= STATUS_EVERY, "{wait:?}");
        notifier.quiet = Some(clock::deadline(Duration::ZERO));
        notifier.status("1 jail, 100 banned".to_owned());
        assert_eq!(heard(&ear), "STATUS=1 jail, 100 banned");
        // The watchdog hears of us when it is due, and not each time.
        notifier.alive();
        notifier.watchdog.as_mut().unwrap().due = clock::deadline(Duration::ZERO);
        notifier.alive();
        notifier.alive();
        notifier.stopping();
        assert_eq!([heard(&ear), heard(&ear)], ["WATCHDOG=1", "STOPPING=1"]);
    }

    #[test]
    fn without_systemd_nothing_is_said_and_nothing_fails() {
        let mut notifier = Notifier::new(None, Some("30000000"), None);
        assert_eq!((notifier.wake(), notifier.is_heard()), (None, false));
        notifier.ready("unheard".to_owned());
        // Nor is another process' watchdog ours.
        let other = Notifier::new(Some("@rban-test"), Some("30000000"), Some("1"));
        assert_eq!((other.wake(), other.is_heard()), (None, true));
    }
}
