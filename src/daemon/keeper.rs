//! The database's own thread: writes are gathered into batches, off every ban's path.
//!
//! A database in trouble costs nobody a ban: what could not be written waits here, bounded, and is
//! tried again; the operator is told once when trouble begins and once when it is over. When the
//! file has vanished the daemon is asked to write everything anew.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::clock;
use crate::model::{Level, Logger, Record};
use crate::store::{Problem, Store, StoreError, Write};

/// Writes that may wait for a database in trouble; the oldest go first when it is more.
const WAITING: usize = 100_000;
/// Writes in one transaction.
const BATCH: usize = 5_000;
/// How soon a database in trouble is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What the keeper has to say.
#[derive(Debug)]
pub(super) enum News {
    Log(Record),
    /// The file was made anew: everything current is to be written again.
    StartedAnew,
    /// What is wrong with the database; `None` when nothing is any more.
    Trouble(Option<String>),
}

/// A question that needs the database itself.
type Question = Box<dyn FnOnce(&mut Store) + Send>;

enum Order {
    Write(Write),
    Ask(Question),
    Close(Sender<Option<Record>>),
}

/// The handle: orders are carried out in turn.
pub(super) struct Keeper {
    asker: Asker,
    /// Writes that wait.
    waiting: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Keeper {
    /// Starts the thread; `tell` is called from it.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(
        store: Store,
        tell: impl Fn(News) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (orders, queue) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let depth = Arc::clone(&waiting);
        let thread = thread::Builder::new()
            .name("database".into())
            .stack_size(256 * 1024)
            .spawn(move || {
                Keeping {
                    store,
                    tell,
                    depth,
                    waiting: VecDeque::new(),
                    trouble: None,
                    lost: 0,
                }
                .run(&queue);
            })?;
        Ok(Self {
            asker: Asker { orders },
            waiting,
            thread: Some(thread),
        })
    }

    /// Has something written, soon.
    pub(super) fn write(&self, write: Write) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The thread ends with `close` only; after that nothing is left to keep.
        let _ = self.asker.orders.send(Order::Write(write));
    }

    /// How many writes wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// As [`Asker::ask`].
    pub(super) fn ask<T: Send + 'static>(
        &self,
        limit: Duration,
        question: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Option<T> {
        self.asker.ask(limit, question)
    }

    /// Has the database looked into, in turn; `question` brings its answer home itself.
    pub(super) fn look(&self, question: impl FnOnce(&mut Store) + Send + 'static) {
        let _ = self.asker.orders.send(Order::Ask(Box::new(question)));
    }

    /// A handle that can only ask, for other threads.
    pub(super) fn asker(&self) -> Asker {
        self.asker.clone()
    }

    /// Writes what waits, closes the database, and returns what to log.
    pub(super) fn close(mut self, limit: Duration) -> Option<Record> {
        let (send, closed) = mpsc::channel();
        self.asker.orders.send(Order::Close(send)).ok()?;
        let record = closed.recv_timeout(limit).ok()?;
        if let Some(thread) = self.thread.take() {
            // A keeper that panicked has been reported by the panic itself.
            let _ = thread.join();
        }
        record
    }
}

/// Asks the database from another thread.
#[derive(Clone)]
pub(super) struct Asker {
    orders: Sender<Order>,
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").finish_non_exhaustive()
    }
}

impl Asker {
    /// Asks the store after everything written so far; `None` when it takes longer than `limit`.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        limit: Duration,
        question: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Option<T> {
        let (send, answer) = mpsc::channel();
        let question = Box::new(move |store: &mut Store| {
            let _ = send.send(question(store));
        });
        self.orders.send(Order::Ask(question)).ok()?;
        answer.recv_timeout(limit).ok()
    }
}

struct Keeping<F> {
    store: Store,
    tell: F,
    depth: Arc<AtomicUsize>,
    waiting: VecDeque<Write>,
    /// What is wrong at the moment, as it was told.
    trouble: Option<Problem>,
    lost: u64,
}

impl<F: Fn(News)> Keeping<F> {
    fn run(mut self, queue: &Receiver<Order>) {
        loop {
            let order = if self.waiting.is_empty() {
                queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else if self.trouble.is_some() {
                queue.recv_timeout(RETRY)
            } else {
                queue.try_recv().map_err(|_| RecvTimeoutError::Timeout)
            };
            match order {
                Ok(Order::Write(write)) => {
                    self.take(write);
                    if self.waiting.len() < BATCH {
                        continue;
                    }
                }
                Ok(Order::Ask(question)) => {
                    self.save();
                    question(&mut self.store);
                    continue;
                }
                Ok(Order::Close(done)) => {
                    self.save();
                    let _ = done.send(self.store.close());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.save(),
            }
            if self.trouble.is_none() || self.waiting.len() < BATCH {
                self.save();
            }
        }
    }

    fn take(&mut self, write: Write) {
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
            self.depth.fetch_sub(1, Ordering::Relaxed);
            self.lost += 1;
        }
        self.waiting.push_back(write);
    }

    fn save(&mut self) {
        while !self.waiting.is_empty() {
            let count = self.waiting.len().min(BATCH);
            let batch = &self.waiting.make_contiguous()[..count];
            match self.store.apply(batch) {
                Ok(()) => {
                    self.waiting.drain(..count);
                    self.depth.fetch_sub(count, Ordering::Relaxed);
                    self.recovered();
                }
                Err(error) => {
                    if !self.mended(&error) {
                        return;
                    }
                }
            }
        }
        self.waiting.shrink_to(BATCH / 10);
    }

    /// Tells of trouble once, and opens a file anew that is gone or broken; true when it is worth
    /// going on at once.
    fn mended(&mut self, error: &StoreError) -> bool {
        if self.trouble.as_ref() != Some(&error.problem) {
            self.trouble = Some(error.problem.clone());
            (self.tell)(News::Trouble(Some(error.to_string())));
            let message = format!("{error}; bans go on without it");
            (self.tell)(News::Log(Record::new(
                Level::Error,
                Logger::Database,
                message,
            )));
        }
        if !matches!(error.problem, Problem::Vanished | Problem::Corrupt) {
            return false;
        }
        let maxmatches = self.store.maxmatches();
        match Store::open(self.store.place().clone(), clock::now()) {
            Ok(opened) => {
                self.store = opened.store;
                self.store.set_maxmatches(maxmatches);
                for record in opened.records {
                    (self.tell)(News::Log(record));
                }
                (self.tell)(News::StartedAnew);
                true
            }
            Err(_) => false,
        }
    }

    fn recovered(&mut self) {
        if self.trouble.take().is_some() {
            (self.tell)(News::Trouble(None));
            let lost = match std::mem::take(&mut self.lost) {
                0 => "nothing was lost".to_owned(),
                lost => format!("{lost} entries that could not wait were lost"),
            };
            let message = format!("database is written to again; {lost}");
            (self.tell)(News::Log(Record::new(
                Level::Notice,
                Logger::Database,
                message,
            )));
        }
    }
}
