//! The client's end of the control socket.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::protocol::frame::{CLOSE, END, Splitter};
use crate::protocol::{Exception, Value, pickle};

/// A connection to a server.
#[derive(Debug)]
pub struct Wire {
    stream: UnixStream,
    splitter: Splitter,
}

/// What may go wrong between client and server.
#[derive(Debug)]
pub enum WireError {
    /// Nothing is where the socket should be.
    NoSocket(PathBuf),
    Denied(PathBuf),
    /// Nobody listens, the connection broke, or it took too long; why, in Python's words.
    Contact(String),
    /// The answer is none.
    Garbled(String),
    /// The server is about to end and takes no more commands.
    ShuttingDown,
    /// The server said no.
    Refused(Exception),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSocket(path) => write!(
                f,
                "Failed to access socket path: {}. Is fail2ban running?",
                path.display()
            ),
            Self::Denied(path) => write!(
                f,
                "Permission denied to socket: {}, (you must be root)",
                path.display()
            ),
            Self::Contact(why) => write!(f, "[{why}] Unable to contact server. Is it running?"),
            Self::Garbled(why) => write!(f, "the server's answer makes no sense: {why}"),
            Self::ShuttingDown => f.write_str("the server is shutting down"),
            Self::Refused(exception) => exception.fmt(f),
        }
    }
}

impl Wire {
    /// Connects; answers are waited for no longer than `patience`, where one is given.
    ///
    /// # Errors
    /// When nobody listens, or may not be spoken to.
    pub fn connect(path: &Path, patience: Option<Duration>) -> Result<Self, WireError> {
        let stream = UnixStream::connect(path).map_err(|error| unreachable(path, &error))?;
        stream
            .set_read_timeout(patience)
            .and_then(|()| stream.set_write_timeout(patience))
            .map_err(|error| contact(&error))?;
        Ok(Self {
            stream,
            splitter: Splitter::default(),
        })
    }

    /// Sends a command and waits for what it returns.
    ///
    /// # Errors
    /// When the server refuses, or does not answer.
    pub fn ask(&mut self, command: &Value) -> Result<Value, WireError> {
        let mut message = pickle::encode(command);
        message.extend(END);
        self.stream
            .write_all(&message)
            .map_err(|error| contact(&error))?;
        let reply = self.hear()?;
        match pickle::decode(&reply).map_err(|error| WireError::Garbled(error.to_string()))? {
            Value::Tuple(mut pair) if pair.len() == 2 => {
                let payload = pair.pop().unwrap_or(Value::None);
                match (&pair[0], payload) {
                    (Value::Int(0), payload) => Ok(payload),
                    (_, Value::Exception(exception)) => Err(WireError::Refused(exception)),
                    (_, other) => Err(WireError::Garbled(other.repr())),
                }
            }
            Value::List(word) if word == ["SHUTDOWN".into()] => Err(WireError::ShuttingDown),
            other => Err(WireError::Garbled(other.to_string())),
        }
    }

    fn hear(&mut self) -> Result<Vec<u8>, WireError> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            if let Some(message) = self.splitter.next_message() {
                return Ok(message);
            }
            let length = match self.stream.read(&mut buffer) {
                Ok(0) => {
                    return Err(contact(&io::Error::from_raw_os_error(
                        Errno::ECONNRESET as i32,
                    )));
                }
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(contact(&error)),
            };
            self.splitter
                .push(&buffer[..length])
                .map_err(|_| WireError::Garbled("it is too long".to_owned()))?;
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // A server that has gone needs no goodbye.
        let _ = self.stream.write_all(&[CLOSE, END].concat());
    }
}

/// Why a socket cannot be connected to, as fail2ban's client finds it out.
fn unreachable(path: &Path, error: &io::Error) -> WireError {
    // A folder closed to this user hides whether there is a socket in it: no reason to ask whether
    // the server is running, as fail2ban does.
    if error.kind() == io::ErrorKind::PermissionDenied {
        WireError::Denied(path.to_owned())
    } else if !path.exists() {
        WireError::NoSocket(path.to_owned())
    } else if access(path, AccessFlags::W_OK).is_err() {
        WireError::Denied(path.to_owned())
    } else {
        contact(error)
    }
}

/// An error as Python shows it.
fn contact(error: &io::Error) -> WireError {
    WireError::Contact(match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut, _) => "timed out".to_owned(),
        (_, Some(number)) => format!("[Errno {number}] {}", Errno::from_raw(number).desc()),
        (_, None) => error.to_string(),
    })
}
