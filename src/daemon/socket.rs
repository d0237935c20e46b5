//! The control socket: connections in, requests on, answers back.
//!
//! Each connection has a thread of its own for as long as it lasts, so a slow or silent client holds
//! up nobody. Only root and the daemon's own user are listened to; the kernel says who it is.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::Uid;

use crate::protocol::frame::{CLOSE, END, Splitter};
use crate::protocol::{Exception, Value, pickle};

/// Clients at a time; more wait in the kernel's queue.
const CLIENTS: usize = 128;
/// How long a client may take over half a message.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer: what the command returned, or the exception it raised.
pub(super) type Answer = Result<Value, Exception>;

/// A bound socket; it goes away with its owner.
pub(super) struct Server {
    listener: UnixListener,
    path: PathBuf,
    stopping: Arc<AtomicBool>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Why the socket could not be had.
#[derive(Debug)]
pub enum BindError {
    /// Another server answers on it.
    Taken(PathBuf),
    Io(PathBuf, io::Error),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(path) => write!(
                f,
                "Server already running: something answers on {}; stop it first, or give another \
                 socket with -s",
                path.display()
            ),
            Self::Io(path, error) => write!(f, "cannot listen on {}: {error}", path.display()),
        }
    }
}

impl Server {
    /// Listens on `path`, mode 0700. A socket file nobody listens on is replaced; the second value
    /// tells that it was.
    ///
    /// # Errors
    /// When another server listens there, or the file cannot be made.
    pub(super) fn bind(path: &Path) -> Result<(Self, bool), BindError> {
        let failed = |error| BindError::Io(path.to_owned(), error);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let stale = match UnixStream::connect(path) {
            Ok(_) => return Err(BindError::Taken(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(failed)?;
                true
            }
            Err(error) => return Err(failed(error)),
        };
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        let stopping = Arc::new(AtomicBool::new(false));
        Ok((
            Self {
                listener,
                path: path.to_owned(),
                stopping,
            },
            stale,
        ))
    }

    /// Serves from now on; `answer` is called for each command, on its connection's thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn serve(
        &self,
        answer: impl Fn(Value) -> Answer + Send + Sync + 'static,
    ) -> io::Result<()> {
        let listener = self.listener.try_clone()?;
        let stopping = Arc::clone(&self.stopping);
        let answer: Arc<dyn Fn(Value) -> Answer + Send + Sync> = Arc::new(answer);
        let clients = Arc::new(AtomicUsize::new(0));
        thread::Builder::new()
            .name("socket".into())
            .stack_size(64 * 1024)
            .spawn(move || {
                for stream in listener.incoming() {
                    if stopping.load(Ordering::Acquire) {
                        return;
                    }
                    let Ok(stream) = stream else { continue };
                    if clients.load(Ordering::Acquire) >= CLIENTS {
                        // Dropped: the client sees the connection closed and may try again.
                        continue;
                    }
                    clients.fetch_add(1, Ordering::AcqRel);
                    let (answer, counted) = (Arc::clone(&answer), Arc::clone(&clients));
                    let stopping = Arc::clone(&stopping);
                    let serving = move || {
                        // A connection that breaks is the client's business.
                        let _ = converse(stream, &*answer, &stopping);
                        counted.fetch_sub(1, Ordering::AcqRel);
                    };
                    let started = thread::Builder::new()
                        .name("client".into())
                        .stack_size(256 * 1024)
                        .spawn(serving);
                    if started.is_err() {
                        clients.fetch_sub(1, Ordering::AcqRel);
                    }
                }
            })?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // The connection wakes the accepting thread, which then ends; a file that is gone has
        // nobody waiting on it.
        let _ = UnixStream::connect(&self.path);
        let _ = fs::remove_file(&self.path);
    }
}

/// One connection from beginning to end.
fn converse(
    mut stream: UnixStream,
    answer: &(dyn Fn(Value) -> Answer + Send + Sync),
    stopping: &AtomicBool,
) -> io::Result<()> {
    let peer = getsockopt(&stream.as_fd(), PeerCredentials).map_err(io::Error::from)?;
    let allowed = peer.uid() == 0 || peer.uid() == Uid::effective().as_raw();
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; 8 * 1024];
    loop {
        while let Some(message) = splitter.next_message() {
            if message == CLOSE {
                return Ok(());
            }
            let reply = if stopping.load(Ordering::Acquire) {
                Value::list(["SHUTDOWN"])
            } else if allowed {
                reply(&message, answer)
            } else {
                let denied = "only root may control this server";
                failure(Exception::builtin("PermissionError", vec![denied.into()]))
            };
            let mut bytes = pickle::encode(&reply);
            bytes.extend(END);
            stream.write_all(&bytes)?;
        }
        // Between messages a client may be silent as long as it likes.
        stream.set_read_timeout(splitter.is_partial().then_some(PATIENCE))?;
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        if splitter.push(&buffer[..length]).is_err() {
            let mut bytes = pickle::encode(&Value::str("ERROR: message too long"));
            bytes.extend(END);
            return stream.write_all(&bytes);
        }
    }
}

/// The reply to one message; one that cannot be read is answered by bare text, as fail2ban does.
fn reply(message: &[u8], answer: &(dyn Fn(Value) -> Answer + Send + Sync)) -> Value {
    match pickle::decode(message) {
        Ok(command) => match answer(command) {
            Ok(value) => Value::Tuple(vec![0i64.into(), value]),
            Err(exception) => failure(exception),
        },
        Err(error) => Value::Str(format!("ERROR: {error}")),
    }
}

fn failure(exception: Exception) -> Value {
    Value::Tuple(vec![1i64.into(), Value::Exception(exception)])
}

#[cfg(test)]
mod tests;
