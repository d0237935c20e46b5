//! Runs one program to its end or its time limit, keeping the beginning of what it says.
//!
//! The child leads a process group of its own, so that a limit ends all it started. Nothing here
//! polls: pipes, the child's end, a timer and the abort switch are waited for together.

use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::Pid;

/// How much of each of a program's outputs is kept; the rest is read and forgotten.
const KEPT: usize = 64 * 1024;

/// How long a program may take to end after TERM, and to be gone after KILL (fail2ban's interval).
const GRACE: Duration = Duration::from_millis(200);

/// What the waiting thread needs is next to nothing.
const WAITER_STACK: usize = 32 * 1024;

/// A program, what it is given, and how long it may take.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) program: &'a str,
    pub(super) arguments: &'a [String],
    pub(super) input: &'a [u8],
    pub(super) path: &'a str,
    pub(super) limit: Duration,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Exited(i32),
    Killed(i32),
    /// Past its limit; how it ended then, `None` where even KILL did not end it.
    TimedOut(Option<i32>),
    /// The action was told to give up.
    Aborted,
}

/// A program's end and words.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) end: End,
    pub(super) pid: u32,
    pub(super) output: Kept,
    pub(super) errors: Kept,
}

/// The beginning of an output.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    /// How many bytes came after that.
    pub(super) dropped: u64,
}

/// Ends what a worker is doing, from another thread: the program it runs, and the steps that were
/// to follow. It holds until the worker has seen it and begins something new.
#[derive(Debug)]
pub struct Abort {
    bell: PipeWriter,
    heard: PipeReader,
    on: AtomicBool,
}

impl Abort {
    /// # Errors
    /// When there are no more file descriptors.
    pub fn new() -> io::Result<Self> {
        let (heard, bell) = io::pipe()?;
        nonblocking(heard.as_fd())?;
        nonblocking(bell.as_fd())?;
        let on = AtomicBool::new(false);
        Ok(Self { bell, heard, on })
    }

    pub fn abort(&self) {
        self.on.store(true, Ordering::Release);
        // A full pipe rings already.
        let _ = (&self.bell).write(&[0]);
    }

    /// Whether what is being done should end.
    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    /// Waits so long, or until the abort.
    pub(super) fn rest(&self, time: Duration) {
        let millis = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        let mut bell = [PollFd::new(self.heard.as_fd(), PollFlags::POLLIN)];
        // A signal cuts the rest short, which costs nothing.
        let _ = poll(&mut bell, timeout);
    }

    /// The worker begins something new, which is not what the abort was about.
    pub(super) fn begin(&self) {
        self.on.store(false, Ordering::Release);
        self.hush();
    }

    fn hush(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.heard).read(&mut bytes), Ok(1..)) {}
    }
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be started at all.
pub(super) fn run(run: &Run<'_>, abort: &Abort) -> io::Result<Finished> {
    run_keeping(run, abort, KEPT)
}

/// The same, with more of each output kept.
///
/// # Errors
/// When it cannot be started at all.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that starts an action's programs"
)]
pub(super) fn run_keeping(run: &Run<'_>, abort: &Abort, most: usize) -> io::Result<Finished> {
    let input = if run.input.is_empty() {
        Stdio::null()
    } else {
        Stdio::piped()
    };
    let mut child = std::process::Command::new(run.program)
        .args(run.arguments)
        .env("PATH", run.path)
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let group = Group::new(&child);
    let watched = Watched::new(&mut child, run.input, group).map(|watched| watched.keeping(most));
    match watched {
        Ok(watched) => watched.finish(child, run.limit, abort),
        Err(error) => {
            group.kill(Signal::SIGKILL);
            let _ = child.wait();
            Err(error)
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Group(Pid);

impl Group {
    fn new(child: &Child) -> Self {
        Self(Pid::from_raw(child.id().cast_signed()))
    }

    fn kill(self, signal: Signal) {
        // A group that is gone already is what we want.
        let _ = killpg(self.0, signal);
    }
}

/// Everything that can happen while a program runs.
struct Watched<'a> {
    group: Group,
    ended: PipeReader,
    abandoned: Arc<AtomicBool>,
    timer: TimerFd,
    output: Drain<ChildStdout>,
    errors: Drain<ChildStderr>,
    input: Option<ChildStdin>,
    unsent: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Input,
    Output,
    Errors,
    Ended,
    Aborted,
    Late,
}

impl<'a> Watched<'a> {
    fn new(child: &mut Child, unsent: &'a [u8], group: Group) -> io::Result<Self> {
        let input = child.stdin.take();
        if let Some(input) = &input {
            nonblocking(input.as_fd())?;
        }
        let (ended, abandoned) = wait_aside(group.0)?;
        Ok(Self {
            group,
            ended,
            abandoned,
            timer: TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?,
            output: Drain::new(child.stdout.take())?,
            errors: Drain::new(child.stderr.take())?,
            input,
            unsent,
        })
    }

    fn keeping(mut self, most: usize) -> Self {
        (self.output.most, self.errors.most) = (most, KEPT);
        self
    }

    fn finish(mut self, mut child: Child, limit: Duration, abort: &Abort) -> io::Result<Finished> {
        let pid = child.id();
        let first = self.wait(limit, Some(abort))?;
        if first == Event::Aborted {
            abort.hush();
        }
        if first != Event::Ended {
            self.group.kill(Signal::SIGTERM);
            self.wait(GRACE, None)?;
            self.group.kill(Signal::SIGKILL);
            if self.wait(GRACE, None)? != Event::Ended {
                self.abandoned.store(true, Ordering::Release);
                return Ok(self.said(End::TimedOut(None), pid));
            }
        }
        let status = child.wait()?;
        // What a program wrote before its end is in the pipes; what its left-over children still
        // write is not waited for.
        self.output.read();
        self.errors.read();
        let code = status.code().unwrap_or_default();
        let end = match (first, status.signal()) {
            (Event::Aborted, _) => End::Aborted,
            (Event::Late, signal) => End::TimedOut(Some(signal.map_or(code, |signal| -signal))),
            (_, Some(signal)) => End::Killed(signal),
            (_, None) => End::Exited(code),
        };
        Ok(self.said(end, pid))
    }

    fn said(self, end: End, pid: u32) -> Finished {
        Finished {
            end,
            pid,
            output: self.output.kept,
            errors: self.errors.kept,
        }
    }

    /// Feeds and drains the program until it has ended, is late or is given up.
    fn wait(&mut self, limit: Duration, abort: Option<&Abort>) -> io::Result<Event> {
        // A timer of zero never rings.
        let limit = TimeSpec::from_duration(limit.max(Duration::from_nanos(1)));
        self.timer
            .set(Expiration::OneShot(limit), TimerSetTimeFlags::empty())?;
        loop {
            let events = self.events(abort)?;
            for event in &events {
                match event {
                    Event::Input => self.feed(),
                    Event::Output => self.output.read(),
                    Event::Errors => self.errors.read(),
                    Event::Ended | Event::Aborted | Event::Late => return Ok(*event),
                }
            }
        }
    }

    /// Waits for something to happen; `Ended` comes before `Aborted` before `Late`.
    fn events(&self, abort: Option<&Abort>) -> io::Result<Vec<Event>> {
        let (input, output) = (PollFlags::POLLIN, PollFlags::POLLOUT);
        let (events, mut fds): (Vec<Event>, Vec<PollFd<'_>>) = [
            (Event::Input, self.input.as_ref().map(AsFd::as_fd), output),
            (Event::Output, self.output.fd(), input),
            (Event::Errors, self.errors.fd(), input),
            (Event::Ended, Some(self.ended.as_fd()), input),
            (
                Event::Aborted,
                abort.map(|abort| abort.heard.as_fd()),
                input,
            ),
            (Event::Late, Some(self.timer.as_fd()), input),
        ]
        .into_iter()
        .filter_map(|(event, fd, flags)| Some((event, PollFd::new(fd?, flags))))
        .unzip();
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Vec::new()),
            Err(errno) => return Err(errno.into()),
        }
        let happened = events.into_iter().zip(&fds);
        Ok(happened
            .filter(|(_, fd)| fd.any().unwrap_or(true))
            .map(|(event, _)| event)
            .collect())
    }

    fn feed(&mut self) {
        let Some(input) = &mut self.input else { return };
        match input.write(self.unsent) {
            Ok(written) => self.unsent = &self.unsent[written..],
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // It does not want to know; its exit code says the rest.
            Err(_) => self.unsent = &[],
        }
        if self.unsent.is_empty() {
            self.input = None;
        }
    }
}

/// Waits for the child's end on a thread of its own. The child stays unreaped, so that its group's
/// number cannot become somebody else's before we are done with it; one given up is reaped there.
fn wait_aside(child: Pid) -> io::Result<(PipeReader, Arc<AtomicBool>)> {
    let (ended, alive) = io::pipe()?;
    let abandoned = Arc::new(AtomicBool::new(false));
    let given_up = Arc::clone(&abandoned);
    thread::Builder::new()
        .name("child".to_owned())
        .stack_size(WAITER_STACK)
        .spawn(move || {
            let unreaped = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            while waitid(Id::Pid(child), unreaped) == Err(Errno::EINTR) {}
            drop(alive);
            if given_up.load(Ordering::Acquire) {
                let _ = waitpid(child, None);
            }
        })?;
    Ok((ended, abandoned))
}

/// One output of the program, read as it comes.
struct Drain<R> {
    pipe: Option<R>,
    kept: Kept,
    /// So many bytes are kept.
    most: usize,
}

impl<R: Read + AsFd> Drain<R> {
    fn new(pipe: Option<R>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            nonblocking(pipe.as_fd())?;
        }
        Ok(Self {
            pipe,
            kept: Kept::default(),
            most: KEPT,
        })
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Takes what is there, at most what a pipe holds.
    fn read(&mut self) {
        let mut buffer = [0; 16 * 1024];
        for _ in 0..KEPT / buffer.len() {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(read) => self.keep(&buffer[..read]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.most - self.kept.bytes.len();
        let (kept, dropped) = bytes.split_at(bytes.len().min(room));
        self.kept.bytes.extend_from_slice(kept);
        self.kept.dropped += dropped.len() as u64;
    }
}

fn nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

#[cfg(test)]
mod tests;
