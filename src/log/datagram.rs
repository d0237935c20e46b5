//! Datagrams to syslog's and the journal's sockets.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::target::DAEMON;

/// Where Linux listens for syslog messages (`syslogsocket = auto`).
pub(super) const SYSLOG_SOCKET: &str = "/dev/log";

/// systemd-journald's native protocol.
pub(super) const JOURNAL_SOCKET: &str = "/run/systemd/journal/socket";

/// How long a receiver that does not read may hold up one message.
const SEND_LIMIT: Duration = Duration::from_secs(1);

/// A receiver of datagrams that is found again when it restarts.
#[derive(Debug)]
pub(super) struct Datagram {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Datagram {
    pub(super) fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            socket: connect(path)?,
        })
    }

    /// Sends one message; what is too long for the receiver is cut.
    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let mut message = message;
        let mut fresh = false;
        loop {
            match self.socket.send(message) {
                Ok(_) => return Ok(()),
                Err(error) if error.raw_os_error() == Some(nix::libc::EMSGSIZE) => {
                    message = &message[..message.len() / 2];
                }
                Err(error) if fresh || error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(error);
                }
                Err(_) => {
                    self.socket = connect(&self.path)?;
                    fresh = true;
                }
            }
        }
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_write_timeout(Some(SEND_LIMIT))?;
    Ok(socket)
}

/// Tells syslog that logging fails; without waiting, and without being told whether it heard.
pub(super) fn say_once(message: &str) {
    let priority = u16::from(DAEMON) * 8 + 3;
    let text = format!("<{priority}>rban[{}]: {message}", std::process::id());
    if let Ok(socket) = UnixDatagram::unbound()
        && socket.set_nonblocking(true).is_ok()
    {
        let _ = socket.send_to(text.as_bytes(), SYSLOG_SOCKET);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_restarts_is_found_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let receive = |socket: &UnixDatagram| {
            let mut buffer = [0; 64];
            let count = socket.recv(&mut buffer).expect("a message");
            String::from_utf8_lossy(&buffer[..count]).into_owned()
        };
        let first = UnixDatagram::bind(&path).expect("a socket");
        let mut sender = Datagram::connect(&path).expect("a connection");
        sender.send(b"<30>one").expect("sent");
        assert_eq!(receive(&first), "<30>one");

        drop(first);
        std::fs::remove_file(&path).expect("removed");
        assert!(sender.send(b"<30>lost").is_err());
        let second = UnixDatagram::bind(&path).expect("a socket");
        sender.send(b"<30>two").expect("sent");
        assert_eq!(receive(&second), "<30>two");
    }

    #[test]
    fn a_message_too_long_for_the_receiver_is_cut() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let receiver = UnixDatagram::bind(&path).expect("a socket");
        let mut sender = Datagram::connect(&path).expect("a connection");
        sender.send(&vec![b'x'; 8 << 20]).expect("sent");
        let mut buffer = vec![0; 8 << 20];
        assert!(receiver.recv(&mut buffer).expect("a message") >= 64 * 1024);
    }
}
