//! Logs that are pushed to us instead of lying in files: standard input, a named pipe, a datagram
//! socket that speaks syslog. One thread each, asleep until something comes.
//!
//! What is pushed is new by definition and cannot be read again: there are no positions.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;

use super::{Encoding, LINE_MAX};

/// Where lines are pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inlet {
    Stdin,
    /// A named pipe, made if it is not there.
    Pipe(PathBuf),
    /// A datagram socket as `/dev/log` is one, made with this mode.
    Syslog(PathBuf, u32),
}

impl fmt::Display for Inlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::Pipe(path) => write!(f, "the pipe {}", path.display()),
            Self::Syslog(path, _) => write!(f, "the socket {}", path.display()),
        }
    }
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// Whole lines, each with its newline.
    Lines(String),
    /// Nothing will come any more: the end of standard input, or the kernel's reason.
    Ended(Option<String>),
}

/// Takes what comes, in order; `false` ends it.
pub type PushSink = Box<dyn FnMut(Push) -> bool + Send>;

/// A listening thread; dropping it ends it, and takes its socket away.
#[derive(Debug)]
pub struct Listener {
    /// Its end is the thread's.
    _bell: PipeWriter,
    socket: Option<PathBuf>,
}

/// The largest datagram taken; syslog's are a few kilobytes at most.
const DATAGRAM: usize = 64 * 1024;

/// A named pipe is made for its owner alone: who writes there decides who is banned.
const PIPE_MODE: u32 = 0o600;

impl Listener {
    /// Opens the inlet and starts its thread.
    ///
    /// # Errors
    /// The kernel's, and where something else bears the name.
    pub fn start(inlet: &Inlet, encoding: Encoding, sink: PushSink) -> io::Result<Self> {
        let (ear, bell) = io::pipe()?;
        let mut socket = None;
        let mouth = match inlet {
            Inlet::Stdin => Mouth::Stream(File::from(io::stdin().as_fd().try_clone_to_owned()?)),
            Inlet::Pipe(path) => Mouth::Stream(open_pipe(path)?),
            Inlet::Syslog(path, mode) => {
                let bound = bind(path, *mode)?;
                socket = Some(path.clone());
                Mouth::Socket(bound)
            }
        };
        let hearing = Hearing {
            mouth,
            ear,
            encoding,
            partial: Vec::new(),
            skipping: false,
            sink,
        };
        std::thread::Builder::new()
            .name("f2b/pushed".to_owned())
            .spawn(move || hearing.run())?;
        Ok(Self {
            _bell: bell,
            socket,
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            // Whoever took it away before has done it for us.
            let _ = fs::remove_file(socket);
        }
    }
}

enum Mouth {
    Stream(File),
    Socket(UnixDatagram),
}

impl AsFd for Mouth {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stream(file) => file.as_fd(),
            Self::Socket(socket) => socket.as_fd(),
        }
    }
}

struct Hearing {
    mouth: Mouth,
    ear: PipeReader,
    encoding: Encoding,
    /// A line whose end has not come.
    partial: Vec<u8>,
    /// The line is too long: the rest of it is passed over.
    skipping: bool,
    sink: PushSink,
}

impl Hearing {
    fn run(mut self) {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let mut ready = [
                PollFd::new(self.ear.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.mouth.as_fd(), PollFlags::POLLIN),
            ];
            let _ = poll(&mut ready, PollTimeout::NONE);
            let happened = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
            let (over, came) = (happened(&ready[0]), happened(&ready[1]));
            if over {
                return;
            }
            if !came {
                continue;
            }
            let read = match &mut self.mouth {
                Mouth::Stream(file) => file.read(&mut buffer),
                Mouth::Socket(socket) => socket.recv(&mut buffer),
            };
            let goes_on = match read {
                Ok(0) if matches!(self.mouth, Mouth::Stream(_)) => self.end(None),
                Ok(count) => self.take(&buffer[..count]),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                    ) =>
                {
                    true
                }
                Err(error) => self.end(Some(error.to_string())),
            };
            if !goes_on {
                return;
            }
        }
    }

    fn end(&mut self, why: Option<String>) -> bool {
        (self.sink)(Push::Ended(why));
        false
    }

    fn take(&mut self, bytes: &[u8]) -> bool {
        let lines = match &self.mouth {
            Mouth::Stream(_) => whole_lines(bytes, &mut self.partial, &mut self.skipping),
            Mouth::Socket(_) => datagram(bytes),
        };
        if lines.is_empty() {
            return true;
        }
        let (text, _) = self.encoding.decode(&lines, false);
        (self.sink)(Push::Lines(text))
    }
}

/// The lines that are whole now; the last one's beginning is kept, and cut at [`LINE_MAX`].
fn whole_lines(bytes: &[u8], partial: &mut Vec<u8>, skipping: &mut bool) -> Vec<u8> {
    let mut lines = Vec::new();
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        let is_whole = piece.ends_with(b"\n");
        if !*skipping {
            let room = LINE_MAX - partial.len();
            partial.extend_from_slice(&piece[..piece.len().min(room)]);
            *skipping = piece.len() > room;
        }
        if is_whole {
            lines.append(partial);
            if !lines.ends_with(b"\n") {
                lines.push(b'\n');
            }
            *skipping = false;
        }
    }
    lines
}

/// A datagram's text without the priority before it, as lines.
fn datagram(bytes: &[u8]) -> Vec<u8> {
    // Some senders close a line, some a string, some both.
    let end = bytes
        .iter()
        .rposition(|byte| !byte.is_ascii_whitespace() && *byte != 0);
    let text = end.map_or(&[][..], |end| &bytes[..=end]);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let message = text
        .strip_prefix(b"<")
        .filter(|rest| (1..=3).contains(&digits(rest)))
        .and_then(|rest| rest[digits(rest)..].strip_prefix(b">"))
        .unwrap_or(text);
    let mut lines = message.to_vec();
    if !lines.is_empty() {
        lines.push(b'\n');
    }
    lines
}

fn open_pipe(path: &Path) -> io::Result<File> {
    if !path.exists() {
        nix::unistd::mkfifo(path, Mode::from_bits_truncate(PIPE_MODE))?;
    }
    // Writing, too: so the pipe never ends, however many writers come and go.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path)?;
    if file.metadata()?.file_type().is_fifo() {
        return Ok(file);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is no named pipe",
    ))
}

fn bind(path: &Path, mode: u32) -> io::Result<UnixDatagram> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::symlink_metadata(path) {
        // Left by one who was killed; a socket that somebody listens at is left alone.
        Ok(found) if found.file_type().is_socket() => {
            if UnixDatagram::unbound()?.connect(path).is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            fs::remove_file(path)?;
        }
        Ok(_) | Err(_) => {}
    }
    let socket = UnixDatagram::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let text = b"one\ntwo\n\nthree\nhalf";
        for size in 1..=text.len() {
            let (mut partial, mut skipping) = (Vec::new(), false);
            let lines: Vec<u8> = text
                .chunks(size)
                .flat_map(|piece| whole_lines(piece, &mut partial, &mut skipping))
                .collect();
            assert_eq!(lines, b"one\ntwo\n\nthree\n", "{size}");
            assert_eq!(partial, b"half");
        }
    }

    #[test]
    fn a_line_without_end_costs_bounded_memory_and_is_cut_once() {
        let (mut partial, mut skipping) = (Vec::new(), false);
        let long = vec![b'x'; LINE_MAX / 2 + 1];
        for _ in 0..5 {
            assert!(whole_lines(&long, &mut partial, &mut skipping).is_empty());
        }
        assert_eq!(partial.len(), LINE_MAX);
        let lines = whole_lines(b"end\nnext\n", &mut partial, &mut skipping);
        assert_eq!(lines.len(), LINE_MAX + 1 + b"next\n".len());
    }

    #[test]
    fn a_priority_is_no_part_of_the_line() {
        for (sent, line) in [
            (
                &b"<38>Nov 23 05:27:44 sshd[76]: hi"[..],
                &b"Nov 23 05:27:44 sshd[76]: hi\n"[..],
            ),
            (b"<6>a\n\0", b"a\n"),
            (b"no priority", b"no priority\n"),
            (b"<>x", b"<>x\n"),
            (b"<1234>x", b"<1234>x\n"),
            (b"<12 x", b"<12 x\n"),
            (b"", b""),
            (b"<6>", b""),
        ] {
            assert_eq!(datagram(sent), line);
        }
    }
}
