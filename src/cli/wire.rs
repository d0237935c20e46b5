//! The client's end of the control socket.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// Nobody listens.
    NoServer(PathBuf),
    Denied(PathBuf),
    /// The connection broke, or the answer made no sense.
    Broken(String),
    /// The server said no.
    Refused(Exception),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoServer(path) => write!(
                f,
                "Failed to access socket path: {}. Is fail2ban running?",
                path.display()
            ),
            Self::Denied(path) => {
                write!(
                    f,
                    "Permission denied to socket: {}, (you must be root)",
                    path.display()
                )
            }
            Self::Broken(why) => write!(f, "the server did not answer: {why}"),
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
        let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => WireError::Denied(path.to_owned()),
            _ => WireError::NoServer(path.to_owned()),
        })?;
        stream
            .set_read_timeout(patience)
            .map_err(|error| WireError::Broken(error.to_string()))?;
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
        let broken = |error: io::Error| WireError::Broken(error.to_string());
        let mut message = pickle::encode(command);
        message.extend(END);
        self.stream.write_all(&message).map_err(broken)?;
        let reply = self.hear().map_err(broken)?;
        let reply = pickle::decode(&reply).map_err(|error| WireError::Broken(error.to_string()))?;
        match reply {
            Value::Tuple(mut pair) if pair.len() == 2 => {
                let payload = pair.pop().unwrap_or(Value::None);
                match (&pair[0], payload) {
                    (Value::Int(0), payload) => Ok(payload),
                    (_, Value::Exception(exception)) => Err(WireError::Refused(exception)),
                    (_, other) => Err(WireError::Refused(Exception::builtin(
                        "Exception",
                        vec![other],
                    ))),
                }
            }
            other => Err(WireError::Broken(other.to_string())),
        }
    }

    fn hear(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            if let Some(message) = self.splitter.next_message() {
                return Ok(message);
            }
            let length = self.stream.read(&mut buffer)?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.splitter
                .push(&buffer[..length])
                .map_err(|_| io::Error::other("the answer is too long"))?;
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // A server that has gone needs no goodbye.
        let _ = self.stream.write_all(&[CLOSE, END].concat());
    }
}
