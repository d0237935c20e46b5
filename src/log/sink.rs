//! One open target: how a message becomes bytes for it, and how the bytes get there.

use std::io;
use std::os::fd::AsFd;

use crate::model::Level;

use super::batch::Batch;
use super::datagram::{self, Datagram};
use super::entry::Entry;
use super::file::LogFile;
use super::format::Format;
use super::stamp::Stamp;
use super::target::{Place, Target};

/// Where the writer writes.
#[derive(Debug)]
pub(super) enum Sink {
    File(LogFile),
    Stdout,
    Stderr,
    /// With the facility's number.
    Syslog(Datagram, u8),
    Journal(Datagram),
}

impl Sink {
    pub(super) fn open(target: &Target, syslogsocket: &str) -> io::Result<Self> {
        Ok(match target.place() {
            Place::File(path) => Self::File(LogFile::open(path)?),
            Place::Stdout => Self::Stdout,
            Place::Stderr => Self::Stderr,
            Place::Syslog(facility) => {
                let socket = match syslogsocket {
                    "" | "auto" => datagram::SYSLOG_SOCKET,
                    path => path,
                };
                Self::Syslog(Datagram::connect(socket.as_ref())?, *facility)
            }
            Place::Journal => Self::Journal(Datagram::connect(datagram::JOURNAL_SOCKET.as_ref())?),
        })
    }

    /// Renders one message: a line with its newline, or a datagram.
    pub(super) fn render(
        &self,
        format: &Format,
        stamp: &mut Stamp,
        entry: &Entry,
        bytes: &mut Vec<u8>,
    ) {
        match self {
            Self::File(_) | Self::Stdout | Self::Stderr => {
                format.render(entry, stamp, bytes);
                bytes.push(b'\n');
            }
            Self::Syslog(_, facility) => {
                let priority = u16::from(*facility) * 8 + u16::from(severity(entry.level));
                bytes.extend_from_slice(format!("<{priority}>").as_bytes());
                format.render(entry, stamp, bytes);
            }
            Self::Journal(_) => {
                let fields = format!(
                    "PRIORITY={}\nSYSLOG_IDENTIFIER=fail2ban\nLOGGER={}\nMESSAGE=",
                    severity(entry.level),
                    entry.logger()
                );
                bytes.extend_from_slice(fields.as_bytes());
                format.render(entry, stamp, bytes);
                bytes.push(b'\n');
            }
        }
    }

    /// Writes all of the batch, or as much as goes; the batch knows how far it came.
    pub(super) fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        match self {
            Self::File(file) => file.write(batch),
            Self::Stdout => stream(io::stdout(), batch),
            Self::Stderr => stream(io::stderr(), batch),
            Self::Syslog(socket, _) | Self::Journal(socket) => {
                while !batch.is_done() {
                    socket.send(batch.line())?;
                    batch.advance_line();
                }
                Ok(())
            }
        }
    }

    /// Closes and opens a file by its name; nothing for other targets. The line of which a part is
    /// written will be written whole into the new file.
    pub(super) fn reopen(&mut self, batch: &mut Batch) -> io::Result<()> {
        match self {
            Self::File(file) => {
                batch.restart_line();
                file.reopen()
            }
            Self::Stdout | Self::Stderr | Self::Syslog(..) | Self::Journal(_) => Ok(()),
        }
    }
}

/// Writes to a descriptor past the standard library's buffers.
fn stream(to: impl AsFd, batch: &mut Batch) -> io::Result<()> {
    while !batch.is_done() {
        match nix::unistd::write(to.as_fd(), batch.rest()) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => batch.advance(count),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// `<syslog.h>`'s severity.
fn severity(level: Level) -> u8 {
    match level {
        Level::Critical => 2,
        Level::Error => 3,
        Level::Warning => 4,
        Level::Notice => 5,
        Level::Info | Level::Msg => 6,
        Level::Debug | Level::TraceDebug | Level::HeavyDebug => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Time;
    use std::io::Read;

    #[test]
    fn the_journal_gets_fields_and_the_bare_message() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("socket");
        let receiver = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
        let mut sink = Sink::Journal(Datagram::connect(&path).expect("a connection"));
        let mut stamp = Stamp::new(jiff::tz::TimeZone::UTC);
        let message = "[sshd] Ban 192.0.2.1\nPRIORITY=0";
        let entry = Entry::new(Time::default(), Level::Notice, "fail2ban.actions", message);
        let mut batch = Batch::default();
        batch.fill(vec![entry], &mut |entry, bytes| {
            sink.render(&Format::bare(), &mut stamp, entry, bytes);
        });
        sink.write(&mut batch).expect("sent");
        let mut buffer = [0; 256];
        let count = receiver.recv(&mut buffer).expect("a message");
        assert_eq!(
            String::from_utf8_lossy(&buffer[..count]),
            "PRIORITY=5\nSYSLOG_IDENTIFIER=fail2ban\nLOGGER=fail2ban.actions\n\
             MESSAGE=[sshd] Ban 192.0.2.1\\nPRIORITY=0\n"
        );
    }

    #[test]
    fn a_stream_gets_all_lines_of_a_batch_larger_than_its_pipe() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let entries = |count: usize| {
            let entry = |number: usize| {
                let message = format!("{number} {}", "x".repeat(1000));
                Entry::new(Time::default(), Level::Info, "", &message)
            };
            (0..count).map(entry).collect()
        };
        let mut batch = Batch::default();
        batch.fill(entries(300), &mut |entry, bytes| {
            bytes.extend_from_slice(entry.message().as_bytes());
            bytes.push(b'\n');
        });
        let sender = std::thread::spawn(move || stream(writer, &mut batch));
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("text");
        sender.join().expect("a thread").expect("written");
        let numbers: Vec<usize> = text
            .lines()
            .map(|line| {
                line.split_once(' ')
                    .expect("two words")
                    .0
                    .parse()
                    .expect("digits")
            })
            .collect();
        assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    }
}
