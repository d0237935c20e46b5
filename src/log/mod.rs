//! Our own log: fail2ban's line format, its targets, and rotation that loses nothing.
//!
//! [`Log`] owns one writer thread behind a bounded queue, so that a full or hanging disk never
//! stands between a line and its ban. Messages come in as `tracing` events through [`Layer`]; the
//! engine's [`Record`](crate::model::Record)s go the same way through [`emit`], with their logger name and fail2ban
//! level carried as fields, because tracing knows only five levels.
//!
//! It promises: a line accepted is written once, whole, in order, to the file that bears the
//! target's name at that moment; what the bound forces it to drop is counted and said; text an
//! attacker wrote cannot forge a second line. It does not filter by anything but level.

mod batch;
mod datagram;
mod entry;
mod file;
mod format;
mod layer;
mod queue;
mod sink;
mod stamp;
mod target;
mod writer;

use std::fmt;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::model::{Level, Time};

use entry::Entry;
use format::Format;
use queue::{Command, Queue};
use sink::Sink;
use stamp::Stamp;

pub use layer::{Layer, emit};
pub use target::{Place, Target, TargetError};

/// What a log needs from outside.
pub struct Surroundings {
    /// The wall clock, read once per message.
    pub clock: fn() -> Time,
    /// The zone of the lines' timestamps.
    pub zone: jiff::tz::TimeZone,
    /// Told, once per incident, that logging fails; it must not log. [`complain`] speaks on stderr
    /// and syslog.
    pub alarm: Alarm,
    /// Text held while the target does not take it, in bytes; the oldest lines go first.
    pub bound: usize,
}

impl Surroundings {
    /// The usual ones: local time, complaints on stderr and syslog, a bound of 1 MiB (some ten
    /// thousand lines).
    pub fn new(clock: fn() -> Time) -> Self {
        Self {
            clock,
            zone: jiff::tz::TimeZone::system(),
            alarm: Box::new(complain),
            bound: 1 << 20,
        }
    }
}

/// The daemon's log. Clones speak of the same log.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

struct Shared {
    clock: fn() -> Time,
    /// Python's number of the least important level that is kept.
    level: AtomicU8,
    /// There is no writer thread yet.
    early: AtomicBool,
    queue: Queue,
    alarm: Mutex<Alarm>,
    /// Held while a target changes, hence never taken on the way of a message.
    state: Mutex<State>,
}

type Alarm = Box<dyn FnMut(&str) + Send>;

enum State {
    /// No target yet: each message is written to stderr by who logs it. A daemon that forks does
    /// so in this state, for threads do not survive a fork.
    Early {
        format: Format,
        stamp: Stamp,
    },
    /// A writer thread has the target.
    Running {
        target: Target,
        syslogsocket: String,
    },
    Closed,
}

/// What [`Log::reopen`] did; `Display` is what `flushlogs` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    RolledOver,
    Flushed,
}

impl fmt::Display for Flushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RolledOver => "rolled over",
            Self::Flushed => "flushed",
        })
    }
}

/// Why a target was refused; the one before it stays.
#[derive(Debug)]
pub enum LogError {
    /// The file could not be opened, or the socket not be reached.
    Open(Target, io::Error),
    /// The writer thread could not be started.
    Thread(io::Error),
    /// The target in use does not answer; the change happens as soon as it does.
    Hangs(Target),
    /// The log was closed.
    Closed,
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(target, error) => write!(f, "Unable to log to '{target}': {error}"),
            Self::Thread(error) => write!(f, "Unable to start the log's thread: {error}"),
            Self::Hangs(target) => write!(
                f,
                "The log target '{target}' does not answer; the change happens when it does"
            ),
            Self::Closed => f.write_str("The log is closed"),
        }
    }
}

impl std::error::Error for LogError {}

/// Seconds to wait for a target that does not answer, at a change and at exit: longer than a
/// healthy disk ever takes for one batch, shorter than a service manager's patience.
const PATIENCE: u64 = 5;

impl Log {
    /// A log without a target: until [`set_target`](Self::set_target), messages go to stderr at
    /// once.
    pub fn new(surroundings: Surroundings) -> Self {
        let shared = Shared {
            clock: surroundings.clock,
            level: AtomicU8::new(Level::Info as u8),
            early: AtomicBool::new(true),
            queue: Queue::new(surroundings.bound, surroundings.clock),
            alarm: Mutex::new(surroundings.alarm),
            state: Mutex::new(State::Early {
                format: Format::standard(true, true),
                stamp: Stamp::new(surroundings.zone),
            }),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Makes this the process's log: every `tracing` event comes here. Once per process.
    pub fn install(&self) -> Result<(), tracing::subscriber::SetGlobalDefaultError> {
        tracing::subscriber::set_global_default(self.subscriber())
    }

    /// A subscriber that writes here, for [`install`](Self::install) and for tests.
    pub fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + 'static {
        use tracing_subscriber::layer::SubscriberExt;
        tracing_subscriber::registry().with(Layer::new(self.clone()))
    }

    /// Messages less important than this are dropped; INFO at first.
    pub fn set_level(&self, level: Level) {
        self.shared.level.store(level as u8, Ordering::Relaxed);
    }

    pub fn wants(&self, level: Level) -> bool {
        level as u8 >= self.shared.level.load(Ordering::Relaxed)
    }

    /// Writes one message, whatever its level. Never waits for a disk, except that a burst which
    /// fills the queue is held back briefly while the target keeps up.
    pub fn write(&self, level: Level, logger: &str, message: &str) {
        let entry = Entry::new((self.shared.clock)(), level, logger, message);
        if self.shared.early.load(Ordering::Acquire)
            && let State::Early { format, stamp, .. } = &mut *self.state()
        {
            let mut line = Vec::new();
            format.render(&entry, stamp, &mut line);
            line.push(b'\n');
            let _ = io::stderr().write_all(&line);
            return;
        }
        if self.shared.queue.push(entry) {
            self.shared
                .alarm("the log target hangs: old lines are being dropped");
        }
    }

    /// Sends the log to `target` from now on; lines logged before go to the one before it.
    ///
    /// The same target again reopens it, which is how an old logrotate stanza asks for a new file.
    /// On return the file before it is closed: whoever rotated it may compress it.
    pub fn set_target(&self, target: &Target, syslogsocket: &str) -> Result<(), LogError> {
        let sink = Sink::open(target, syslogsocket)
            .map_err(|error| LogError::Open(target.clone(), error))?;
        let format = target.line_format();
        let mut state = self.state();
        let mut hangs = None;
        match &mut *state {
            State::Early { stamp, .. } => {
                let shared = Arc::clone(&self.shared);
                writer::start(shared, sink, format, stamp.clone()).map_err(LogError::Thread)?;
            }
            State::Running { target: before, .. } => {
                let before = before.clone();
                let change = |done| Command::Target {
                    sink: Box::new(sink),
                    format,
                    done,
                };
                if !self.shared.queue.command(change, PATIENCE) {
                    hangs = Some(before);
                }
            }
            State::Closed => return Err(LogError::Closed),
        }
        *state = State::Running {
            target: target.clone(),
            syslogsocket: syslogsocket.to_owned(),
        };
        self.shared.early.store(false, Ordering::Release);
        hangs.map_or(Ok(()), |before| Err(LogError::Hangs(before)))
    }

    /// The target in use, and the syslog socket it was given.
    pub fn target(&self) -> Option<(Target, String)> {
        match &*self.state() {
            State::Running {
                target,
                syslogsocket,
            } => Some((target.clone(), syslogsocket.clone())),
            State::Early { .. } | State::Closed => None,
        }
    }

    /// `flushlogs` and SIGUSR1: a file is closed and opened anew by its name, any other target
    /// gets what is waiting. On return the old file is no longer written.
    pub fn reopen(&self) -> Result<Flushed, LogError> {
        let Some((target, _)) = self.target() else {
            return Ok(Flushed::Flushed);
        };
        let is_file = matches!(target.place(), Place::File(_));
        let reopened = if is_file {
            self.shared.queue.command(Command::Reopen, PATIENCE)
        } else {
            self.shared.queue.command(Command::Flush, PATIENCE)
        };
        match (reopened, is_file) {
            (false, _) => Err(LogError::Hangs(target)),
            (true, true) => Ok(Flushed::RolledOver),
            (true, false) => Ok(Flushed::Flushed),
        }
    }

    /// Waits until everything logged so far is written; `false` when the target does not take it
    /// within some seconds.
    pub fn flush(&self) -> bool {
        match *self.state() {
            State::Early { .. } | State::Closed => return true,
            State::Running { .. } => {}
        }
        self.shared.queue.command(Command::Flush, PATIENCE)
    }

    /// Writes what is waiting and ends the thread; later messages are dropped. For the last line
    /// of `main`.
    pub fn close(&self) -> bool {
        let before = std::mem::replace(&mut *self.state(), State::Closed);
        self.shared.early.store(false, Ordering::Release);
        match before {
            State::Early { .. } | State::Closed => true,
            State::Running { .. } => self.shared.queue.command(Command::Stop, PATIENCE),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn alarm(&self, message: &str) {
        let mut alarm = self.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        alarm(message);
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

/// Says that logging fails where someone may still hear it: on stderr and to syslog. Waits for
/// neither.
pub fn complain(message: &str) {
    let stderr = io::stderr();
    let mut ready = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut ready, PollTimeout::ZERO).is_ok_and(|count| count > 0) {
        let _ = writeln!(stderr.lock(), "rban: {message}");
    }
    datagram::say_once(message);
}
