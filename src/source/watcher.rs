//! The handle on the one thread that reads all logs.

use std::io::{self, PipeWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};

use crate::model::Time;

use super::event::{SourceEvent, Subscriber, Subscription};
use super::room::Room;

/// Takes the events, in order; waiting there is how memory stays bounded. `false` ends the watcher.
pub type Sink = Box<dyn FnMut(SourceEvent) -> bool + Send>;

/// The handle; dropping it ends the thread.
#[derive(Debug)]
pub struct Watcher {
    commands: Sender<Command>,
    /// A byte for each command.
    bell: Mutex<PipeWriter>,
}

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Follow(Vec<Subscription>),
    Forget(Subscriber, Option<PathBuf>),
    Stop,
}

impl Watcher {
    /// Starts the thread. `clock` is the wall clock, read for polling and when a file is begun.
    pub fn start(clock: fn() -> Time, sink: Sink) -> io::Result<Self> {
        let (commands, orders) = channel();
        let (ear, bell) = io::pipe()?;
        let room = Room::new(clock, sink, orders, ear);
        std::thread::Builder::new()
            .name("f2b/logs".to_owned())
            .spawn(move || room.run())?;
        Ok(Self {
            commands,
            bell: Mutex::new(bell),
        })
    }

    /// Follows logs for their subscribers. Those of one call begin a log together: it is read
    /// once. A subscriber already following a path keeps its place.
    pub fn follow(&self, subscriptions: Vec<Subscription>) {
        self.send(Command::Follow(subscriptions));
    }

    /// Ends a subscriber's subscription of one `logpath` entry, or all of them.
    pub fn forget(&self, subscriber: Subscriber, logpath: Option<&Path>) {
        self.send(Command::Forget(subscriber, logpath.map(Path::to_owned)));
    }

    fn send(&self, command: Command) {
        // After the thread has ended nobody is left to care.
        let _ = self.commands.send(command);
        let mut bell = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = bell.write_all(&[0]);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.send(Command::Stop);
    }
}
