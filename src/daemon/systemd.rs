//! Telling systemd how we are: sd_notify's datagrams, without libsystemd.
//!
//! Everything here is best effort: outside systemd there is nobody to tell.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager's ear, from `NOTIFY_SOCKET` and `WATCHDOG_USEC`.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// From the variables' values; a path that begins with `@` is an abstract socket.
    pub(super) fn new(notify_socket: Option<&str>, watchdog_usec: Option<&str>) -> Self {
        let address = notify_socket.and_then(|path| match path.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(path).ok(),
        });
        let socket = address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address)));
        let watchdog = watchdog_usec
            .and_then(|text| text.parse().ok())
            .filter(|usec| *usec > 0 && socket.is_some())
            .map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// How often to call [`Notifier::alive`]: half of what systemd allows; `None` when it does not
    /// watch us.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    /// Start-up is over; `status` is shown by `systemctl status`.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
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

    #[test]
    fn states_reach_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let ear = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(path.to_str(), Some("30000000"));
        assert_eq!(notifier.watchdog(), Some(Duration::from_secs(15)));
        notifier.ready("1 jail");
        let mut buffer = [0; 64];
        let length = ear.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1\nSTATUS=1 jail");
    }

    #[test]
    fn without_systemd_nothing_is_said_and_nothing_fails() {
        let notifier = Notifier::new(None, Some("30000000"));
        assert_eq!(notifier.watchdog(), None);
        notifier.ready("unheard");
    }
}
