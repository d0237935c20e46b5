//! The control socket: connections in, requests on, answers back.
//!
//! Each connection has a thread of its own for as long as it lasts, so a slow or silent client holds
//! up nobody. Root and the daemon's own user may do everything; anyone else the socket's group and
//! mode let in may look. The kernel says who it is.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollTimeout, poll};
use nix::sys::socket::{MsgFlags, Shutdown, getsockopt, recv, shutdown, sockopt::PeerCredentials};
use nix::unistd::{Group, Uid};

use super::clock;
use crate::protocol::frame::{CLOSE, END, LIMIT, Splitter};
use crate::protocol::{self, Exception, Value, pickle};

/// Clients at a time: descriptors are needed for logs and actions, too. Who comes when there are so
/// many takes the place of the one that has been silent longest.
const CLIENTS: usize = 128;
/// Places for those who may only look, so that they can never take all of them.
const LOOKERS: usize = 64;
/// The longest message of one who may only look: a question, and no configuration.
const QUESTION: usize = 64 * 1024;
/// And the most words and lists in it.
const WORDS: usize = 1000;
/// How long a client may take over one message, and over taking an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a client keeps its place though it is silent and others wait.
const SILENCE: Duration = Duration::from_millis(250);
/// How often it is looked who has been silent so long.
const LOOK: Duration = Duration::from_millis(25);
/// How long one who may only look waits for a place.
const QUEUE: Duration = Duration::from_secs(2);
/// How long the end waits for answers that are under way.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Milliseconds until another try when the system has no descriptor or thread to spare.
const SHORTAGE: u16 = 100;
/// Room for a pickle's deepest nesting, unoptimised code included.
const STACK: usize = 256 * 1024;

/// An answer: what the command returned, or the exception it raised.
pub(super) type Answer = Result<Value, Exception>;

/// A bound socket; it goes away with its owner.
pub(super) struct Server {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode: whether the file at `path` is still ours. `None`: it is systemd's, which goes
    /// on listening when we have gone.
    file: Option<(u64, u64)>,
    hall: Arc<Hall>,
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
    /// Something that is no socket is there; it is left alone.
    NoSocket(PathBuf),
    Io(PathBuf, io::Error),
    /// `socketgroup` names no group.
    NoGroup(String),
}

/// How a socket is to be had.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// systemd's, which is there already; see [`inherited`].
    pub(super) inherited: Option<UnixListener>,
    pub(super) group: Option<String>,
    /// `None`: [`MODE`], or [`GROUP_MODE`] with a group.
    pub(super) mode: Option<u32>,
}

/// Mode of the socket, as fail2ban's umask makes it.
const MODE: u32 = 0o700;
/// With a group that may look.
const GROUP_MODE: u32 = 0o770;

/// The listener systemd hands over, where it started us by a socket: the one named `fail2ban`, else
/// the first. `names` is `LISTEN_FDNAMES`; what is no listening stream socket is left alone.
pub(super) fn inherited(names: Option<&str>) -> Option<UnixListener> {
    let mut given = listenfd::ListenFd::from_env();
    let named = names
        .unwrap_or_default()
        .split(':')
        .position(|name| name == "fail2ban");
    let listener = given
        .take_unix_listener(named.unwrap_or(0))
        .ok()
        .flatten()?;
    // Programs we start have no use for it, and ours blocks.
    let kept = fcntl(&listener, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    kept.ok()?;
    listener.set_nonblocking(false).ok()?;
    Some(listener)
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
            Self::NoSocket(path) => write!(
                f,
                "{} is there and is no socket; move it away, or give another socket with -s",
                path.display()
            ),
            Self::NoGroup(group) => write!(
                f,
                "there is no group '{group}' for socketgroup; create it, or take the option out"
            ),
            Self::Io(path, error) => write!(f, "cannot listen on {}: {error}", path.display()),
        }
    }
}

impl Server {
    /// Listens on `path`, mode 0700 unless told otherwise. A socket file nobody listens on is
    /// replaced; the second value tells that it was.
    ///
    /// # Errors
    /// When another server listens there, when what is there is no socket, or when the file cannot
    /// be made.
    pub(super) fn bind(path: &Path, opening: Opening) -> Result<(Self, bool), BindError> {
        if let Some(listener) = opening.inherited {
            let server = Self {
                listener,
                path: path.to_owned(),
                file: None,
                hall: Arc::default(),
            };
            return Ok((server, false));
        }
        let failed = |error| BindError::Io(path.to_owned(), error);
        if let Some(folder) = path.parent()
            && !folder.is_dir()
        {
            fs::create_dir_all(folder).map_err(failed)?;
            if opening.group.is_some() {
                // The group has to come through to the socket.
                let mode = fs::Permissions::from_mode(0o711);
                fs::set_permissions(folder, mode).map_err(failed)?;
            }
        }
        let stale = is_stale(path)?;
        if stale {
            fs::remove_file(path).map_err(failed)?;
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        let mode = opening.mode.unwrap_or(match opening.group {
            Some(_) => GROUP_MODE,
            None => MODE,
        });
        if let Some(name) = opening.group {
            let group = Group::from_name(&name).ok().flatten();
            let group = group.ok_or(BindError::NoGroup(name))?;
            std::os::unix::fs::chown(path, None, Some(group.gid.as_raw())).map_err(failed)?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
        let server = Self {
            listener,
            path: path.to_owned(),
            file: Some(identity(path).map_err(failed)?),
            hall: Arc::default(),
        };
        Ok((server, stale))
    }

    /// The end has begun: commands are not taken any more, and whoever sends one hears that.
    pub(super) fn hush(&self) {
        self.hall.hushed.store(true, Ordering::Release);
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
        let hall = Arc::clone(&self.hall);
        let answer: Arc<Respond> = Arc::new(answer);
        thread::Builder::new()
            .name("socket".into())
            .stack_size(64 * 1024)
            .spawn(move || {
                while !hall.is_closed() {
                    match listener.accept() {
                        Ok((stream, _)) => {
                            let stream = Arc::new(stream);
                            if let Some(place) = Hall::place(&hall, &stream) {
                                welcome(stream, place, &answer);
                            }
                        }
                        // Nothing else would keep this from being tried again without end.
                        Err(_) => rest(),
                    }
                }
            })?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.hall.close();
        // An inherited one stays as it is, and who comes now is the next server's to answer.
        if let Some(ours) = self.file {
            // Wakes the accepting thread, which then ends; that a socket is not connected is no news.
            let _ = shutdown(self.listener.as_raw_fd(), Shutdown::Both);
            // The file may be gone, or be a successor's by now.
            if identity(&self.path).is_ok_and(|file| file == ours) {
                let _ = fs::remove_file(&self.path);
            }
        }
        self.hall.wait_for_answers(LAST_WORDS);
    }
}

/// Whether a socket is there that nobody listens on.
pub(super) fn is_stale(path: &Path) -> Result<bool, BindError> {
    let failed = |error| BindError::Io(path.to_owned(), error);
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(error)),
        // Connecting to an ordinary file is refused too, as if it were a dead server's.
        Ok(there) if !there.file_type().is_socket() => {
            return Err(BindError::NoSocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).map_err(|error| (error.kind(), error)) {
        Err((io::ErrorKind::ConnectionRefused, _)) => Ok(true),
        Err((io::ErrorKind::NotFound, _)) => Ok(false),
        // A queue that is full is somebody's.
        Ok(_) | Err((io::ErrorKind::WouldBlock, _)) => Err(BindError::Taken(path.to_owned())),
        Err((_, error)) => Err(failed(error)),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// A moment's rest while the system is short of something.
pub(super) fn rest() {
    // An interrupted rest is a shorter one.
    let _ = poll(&mut [], PollTimeout::from(SHORTAGE));
}

type Respond = dyn Fn(Value) -> Answer + Send + Sync;

/// Who is being served.
#[derive(Default)]
struct Hall {
    crowd: Mutex<Crowd>,
    /// Somebody left, an answer is out, or the end has come.
    changed: Condvar,
    stopping: AtomicBool,
    /// The end has begun: who asks now is told so.
    hushed: AtomicBool,
}

#[derive(Default)]
struct Crowd {
    guests: BTreeMap<u64, Guest>,
    next: u64,
    /// Commands that are being carried out or whose answer is being written.
    answers: usize,
}

/// One who is being served.
struct Guest {
    stream: Arc<UnixStream>,
    /// Since when nothing came of it: no message begun, no answer taken. `None`: it waits for us.
    silent: Option<Instant>,
    /// It may only look.
    looks: bool,
}

impl Crowd {
    fn count(&self, among: fn(&Guest) -> bool) -> usize {
        self.guests.values().filter(|guest| among(guest)).count()
    }

    /// Shows the one out that has been silent longest, unless that is not long at all.
    fn make_room(&mut self, among: fn(&Guest) -> bool) {
        let guests = self.guests.values_mut().filter(|guest| among(guest));
        let longest = guests
            .filter(|guest| {
                let silent = guest.silent.map(clock::passed);
                silent.is_some_and(|silent| silent >= SILENCE) && !says_something(&guest.stream)
            })
            .min_by_key(|guest| guest.silent);
        if let Some(guest) = longest {
            // Its thread sees the end of the connection; it is not asked a second time.
            guest.silent = None;
            let _ = guest.stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// Whether something has come that we have not read yet: then it is we who are slow.
fn says_something(stream: &UnixStream) -> bool {
    let look = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(stream.as_raw_fd(), &mut [0], look).is_ok_and(|length| length > 0)
}

impl Hall {
    fn crowd(&self) -> std::sync::MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until fewer than `most` of some are left, at most until `limit`; the crowd, if so.
    fn room(
        &self,
        among: fn(&Guest) -> bool,
        most: usize,
        limit: Option<Instant>,
    ) -> Option<std::sync::MutexGuard<'_, Crowd>> {
        let mut crowd = self.crowd();
        while crowd.count(among) >= most {
            let late = limit.is_some_and(|limit| clock::left(limit).is_zero());
            if late || self.is_closed() {
                return None;
            }
            crowd.make_room(among);
            (crowd, _) = self
                .changed
                .wait_timeout(crowd, LOOK)
                .unwrap_or_else(PoisonError::into_inner);
        }
        (!self.is_closed()).then_some(crowd)
    }

    /// A place for a client, when there is one; `None` at the end.
    fn place(hall: &Arc<Self>, stream: &Arc<UnixStream>) -> Option<Place> {
        let mut crowd = hall.room(|_| true, CLIENTS, None)?;
        let number = crowd.next;
        crowd.next += 1;
        let guest = Guest {
            stream: Arc::clone(stream),
            silent: Some(clock::deadline(Duration::ZERO)),
            looks: false,
        };
        crowd.guests.insert(number, guest);
        drop(crowd);
        Some(Place {
            hall: Arc::clone(hall),
            number,
        })
    }

    fn is_closed(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn is_hushed(&self) -> bool {
        self.is_closed() || self.hushed.load(Ordering::Acquire)
    }

    fn close(&self) {
        // Under the lock, so that nobody who has just looked falls asleep over it.
        let _crowd = self.crowd();
        self.stopping.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    fn wait_for_answers(&self, patience: Duration) {
        let busy = |crowd: &mut Crowd| crowd.answers > 0;
        // Whoever is not done by then is not waited for.
        drop(
            self.changed
                .wait_timeout_while(self.crowd(), patience, busy),
        );
    }
}

/// A client's place, given back however its thread ends.
struct Place {
    hall: Arc<Hall>,
    number: u64,
}

impl Place {
    /// Notes that the client is heard, or that it waits for us.
    fn heard(&self, waits: bool) {
        let silent = (!waits).then(|| clock::deadline(Duration::ZERO));
        if let Some(guest) = self.hall.crowd().guests.get_mut(&self.number) {
            guest.silent = silent;
        }
    }

    /// Makes it one that may only look; false when there are enough of them.
    fn looks(&self) -> bool {
        let Some(mut crowd) =
            self.hall
                .room(|guest| guest.looks, LOOKERS, Some(clock::deadline(QUEUE)))
        else {
            return false;
        };
        if let Some(guest) = crowd.guests.get_mut(&self.number) {
            guest.looks = true;
        }
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hall.crowd().guests.remove(&self.number);
        self.hall.changed.notify_all();
    }
}

/// An answer under way.
struct Answering<'h>(&'h Hall);

impl<'h> Answering<'h> {
    fn begin(hall: &'h Hall) -> Self {
        hall.crowd().answers += 1;
        Self(hall)
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.crowd().answers -= 1;
        self.0.changed.notify_all();
    }
}

/// A thread for a connection.
fn welcome(stream: Arc<UnixStream>, place: Place, answer: &Arc<Respond>) {
    let answer = Arc::clone(answer);
    let started = thread::Builder::new()
        .name("client".into())
        .stack_size(STACK)
        .spawn(move || {
            // A connection that breaks is the client's business.
            let _ = converse(&stream, &*answer, &place);
        });
    if started.is_err() {
        rest();
    }
}

/// One connection from beginning to end.
fn converse(mut stream: &UnixStream, answer: &Respond, place: &Place) -> io::Result<()> {
    let peer = getsockopt(&stream.as_fd(), PeerCredentials).map_err(io::Error::from)?;
    let may = if peer.uid() == 0 || peer.uid() == Uid::effective().as_raw() {
        May::Everything
    } else {
        May::Look
    };
    stream.set_write_timeout(Some(PATIENCE))?;
    if may == May::Look && !place.looks() {
        return send(stream, &Value::str("ERROR: too many clients"));
    }
    let mut splitter = Splitter::new(match may {
        May::Everything => LIMIT,
        May::Look => QUESTION,
    });
    let mut buffer = vec![0; 8 * 1024];
    let mut begun: Option<Instant> = None;
    loop {
        while let Some(message) = splitter.next_message() {
            begun = None;
            if message == CLOSE {
                return Ok(());
            }
            let _under_way = Answering::begin(&place.hall);
            place.heard(true);
            let reply = if place.hall.is_hushed() {
                Value::list(["SHUTDOWN"])
            } else {
                reply(&message, may, answer)
            };
            // From here on it is the client that lets us wait.
            place.heard(false);
            send(stream, &reply)?;
        }
        if splitter.is_partial() && begun.is_none() {
            begun = Some(clock::deadline(PATIENCE));
        }
        stream.set_read_timeout(begun.map(clock::left).map(at_least_a_moment))?;
        let length = match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let late = format!("ERROR: no whole message in {} s", PATIENCE.as_secs());
                return send(stream, &Value::Str(late));
            }
            Err(error) => return Err(error),
        };
        if begun.is_none() {
            place.heard(false);
        }
        if splitter.push(&buffer[..length]).is_err() {
            return send(stream, &Value::str("ERROR: message too long"));
        }
    }
}

/// A time limit of zero would be none.
fn at_least_a_moment(limit: Duration) -> Duration {
    limit.max(Duration::from_millis(1))
}

fn send(mut stream: &UnixStream, reply: &Value) -> io::Result<()> {
    let mut bytes = pickle::encode(reply);
    bytes.extend(END);
    stream.write_all(&bytes)
}

/// The reply to one message; one that cannot be read is answered by bare text, as fail2ban does.
fn reply(message: &[u8], may: May, answer: &Respond) -> Value {
    let values = match may {
        May::Everything => usize::MAX,
        May::Look => WORDS,
    };
    match pickle::decode_at_most(message, values) {
        Ok(command) if may == May::Look && !only_looks(&command) => {
            let denied = "only root may change anything here, or see what actions are made of";
            failure(Exception::builtin("PermissionError", vec![denied.into()]))
        }
        Ok(command) => match answer(command) {
            Ok(value) => Value::Tuple(vec![0i64.into(), value]),
            Err(exception) => failure(exception),
        },
        Err(error) => Value::Str(format!("ERROR: {error}")),
    }
}

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    Everything,
    Look,
}

/// A command that makes no sense does nothing either, and is told so.
fn only_looks(command: &Value) -> bool {
    protocol::parse(command).map_or(true, |request| request.only_looks())
}

fn failure(exception: Exception) -> Value {
    Value::Tuple(vec![1i64.into(), Value::Exception(exception)])
}

#[cfg(test)]
mod tests;
