//! The thread that writes: takes lines from the queue, renders and writes them in batches, and
//! keeps its head when the target does not take them.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use crate::model::{Level, Logger};

use super::Shared;
use super::batch::Batch;
use super::entry::Entry;
use super::format::Format;
use super::queue::{Command, Turn};
use super::sink::Sink;
use super::stamp::Stamp;

/// How long a target that failed is left alone; a change of target ends the wait.
const RETRY: Duration = Duration::from_secs(1);

/// A batch's buffer is kept for the next one up to this size, in bytes.
const SPARE_BUFFER: usize = 64 * 1024;

/// Starts the thread.
pub(super) fn start(
    shared: Arc<Shared>,
    sink: Sink,
    format: Format,
    stamp: Stamp,
) -> io::Result<()> {
    let writer = Writer {
        shared,
        sink,
        format,
        stamp,
        batch: Batch::default(),
    };
    std::thread::Builder::new()
        .name("f2b/log".to_owned())
        .spawn(move || writer.run())?;
    Ok(())
}

struct Writer {
    shared: Arc<Shared>,
    sink: Sink,
    format: Format,
    stamp: Stamp,
    batch: Batch,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}

impl Writer {
    fn run(mut self) {
        loop {
            let next = match self.shared.queue.take() {
                Turn::Lines { lines, dropped } => self.lines(lines, dropped),
                Turn::Command(command) => self.obey(command),
            };
            if next == Next::Stop {
                self.shared.queue.close();
                return;
            }
        }
    }

    fn lines(&mut self, mut lines: Vec<Entry>, dropped: u64) -> Next {
        if dropped > 0 {
            let time = lines
                .first()
                .map_or_else(self.shared.clock, |line| line.time);
            lines.insert(0, lost(time, dropped));
        }
        let Self {
            sink,
            format,
            stamp,
            batch,
            ..
        } = self;
        batch.fill(lines, &mut |entry, bytes| {
            sink.render(format, stamp, entry, bytes);
        });
        let next = match self.sink.write(&mut self.batch) {
            Ok(()) => Next::Go,
            Err(error) => self.persist(&error),
        };
        self.batch.forget(SPARE_BUFFER);
        next
    }

    /// Tries until the batch is written, another target is named, or the log is closed.
    fn persist(&mut self, error: &io::Error) -> Next {
        let message = format!("cannot write to the log: {error}");
        self.shared.alarm(&message);
        self.shared.queue.set_failing(true);
        let mut next = Next::Go;
        while !self.batch.is_done() && next == Next::Go {
            let command = self.shared.queue.take_command(RETRY);
            next = self.obey_failing(command);
        }
        self.shared.queue.set_failing(false);
        next
    }

    /// One more try, after a command if there is one. Who asks for a flush or the end is answered
    /// by silence: a dropped sender says that it did not happen.
    fn obey_failing(&mut self, command: Option<Command>) -> Next {
        match command {
            Some(command @ (Command::Target { .. } | Command::Reopen(_))) => {
                self.obey(command);
                // The same error again is no news.
                let _ = self.sink.write(&mut self.batch);
                Next::Go
            }
            Some(Command::Stop(done)) => match self.sink.write(&mut self.batch) {
                Ok(()) => {
                    self.shared.queue.put_back(Command::Stop(done));
                    Next::Go
                }
                Err(_) => Next::Stop,
            },
            Some(Command::Flush(_)) | None => {
                let _ = self.sink.write(&mut self.batch);
                Next::Go
            }
        }
    }

    fn obey(&mut self, command: Command) -> Next {
        let (done, next): (SyncSender<()>, Next) = match command {
            Command::Target { sink, format, done } => {
                self.sink = *sink;
                self.format = format;
                let Self {
                    sink,
                    format,
                    stamp,
                    batch,
                    ..
                } = self;
                batch.render(&mut |entry, bytes| sink.render(format, stamp, entry, bytes));
                (done, Next::Go)
            }
            Command::Reopen(done) => {
                if let Err(error) = self.sink.reopen(&mut self.batch) {
                    let message = format!("cannot reopen the log: {error}");
                    self.shared.alarm(&message);
                }
                (done, Next::Go)
            }
            Command::Flush(done) => (done, Next::Go),
            Command::Stop(done) => (done, Next::Stop),
        };
        // Who gave up waiting for the answer does not need it.
        let _ = done.try_send(());
        next
    }
}

/// The line that owns up to a gap.
fn lost(time: crate::model::Time, count: u64) -> Entry {
    let lines = if count == 1 { "line was" } else { "lines were" };
    let message = format!("{count} log {lines} lost here: the log could not be written");
    Entry::new(time, Level::Warning, Logger::Server.name(), &message)
}
