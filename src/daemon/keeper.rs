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
use std::time::{Duration, Instant};

use super::clock;
use crate::model::{Level, Logger, Record};
use crate::store::{Opened, Place, Problem, Store, StoreError, Write};

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
    /// Reading has met this.
    Mend(StoreError),
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
    /// Starts the thread; `tell` is called from it. A store that is closed is opened as soon as it
    /// can be; `trouble` is what kept it from that, told already.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(
        store: Store,
        trouble: Option<Problem>,
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
                    trouble,
                    retry: clock::deadline(RETRY),
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

    /// Reading has met trouble that can be mended: it is, before the next question.
    pub(super) fn mend(&self, error: StoreError) {
        let _ = self.asker.orders.send(Order::Mend(error));
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
    /// With trouble: when the database is tried again.
    retry: Instant,
    lost: u64,
}

impl<F: Fn(News)> Keeping<F> {
    fn run(mut self, queue: &Receiver<Order>) {
        loop {
            let order = if self.trouble.is_some() {
                queue.recv_timeout(clock::left(self.retry))
            } else if self.waiting.is_empty() {
                queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                queue.try_recv().map_err(|_| RecvTimeoutError::Timeout)
            };
            match order {
                Ok(Order::Write(write)) => {
                    self.take(write);
                    let full = self.trouble.is_none() && self.waiting.len() >= BATCH;
                    if full || self.is_due() {
                        self.save();
                    }
                }
                Ok(Order::Ask(question)) => {
                    if self.trouble.is_none() {
                        self.save();
                    } else if self.store.is_closed() && self.is_due() {
                        self.try_again();
                    }
                    question(&mut self.store);
                    if self.trouble.is_none() && self.store.is_closed() {
                        // Another file was asked for; why it is not open has been told.
                        self.trouble = Some(Problem::Closed);
                        self.retry = clock::deadline(RETRY);
                    }
                }
                Ok(Order::Mend(error)) => {
                    self.mended(&error);
                }
                Ok(Order::Close(done)) => {
                    self.save();
                    let _ = done.send(self.store.close());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => self.save(),
                Err(RecvTimeoutError::Disconnected) => return self.save(),
            }
        }
    }

    fn is_due(&self) -> bool {
        self.trouble.is_some() && clock::left(self.retry).is_zero()
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
        if self.trouble.is_some() && !self.try_again() {
            return;
        }
        if self.waiting.is_empty() {
            return self.recovered();
        }
        // What is mended and breaks again at once waits for the next time.
        let mut mended = false;
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
                    let again = mended;
                    mended = true;
                    if again || !self.mended(&error) {
                        return;
                    }
                }
            }
        }
        self.waiting.shrink_to(BATCH / 10);
    }

    /// With trouble: opens what is not open, or was read-only; whether it is time to write. A file
    /// that is open at last is read first: who was banned before, and how often.
    fn try_again(&mut self) -> bool {
        self.retry = clock::deadline(RETRY);
        let closed = self.store.is_closed();
        if !closed && self.trouble != Some(Problem::ReadOnly) {
            return true;
        }
        let place = if self.store.is_gone() {
            self.let_go()
        } else {
            self.store.place().clone()
        };
        match Store::open(place, clock::now()) {
            Ok(opened) if closed => {
                self.put_in(opened);
                self.retry = clock::deadline(2 * RETRY);
                false
            }
            Ok(mut opened) => {
                // As before, as far as is known yet.
                opened.records.clear();
                self.put_in(opened);
                true
            }
            Err(error) => {
                self.note(&error);
                false
            }
        }
    }

    /// Lets go of the file before it is opened anew: SQLite's locks are the process', and closing
    /// it later would take those of the new one along.
    fn let_go(&mut self) -> Place {
        let place = self.store.place().clone();
        let maxmatches = self.store.maxmatches();
        self.store = Store::closed(place.clone());
        self.store.set_maxmatches(maxmatches);
        place
    }

    fn put_in(&mut self, opened: Opened) {
        let maxmatches = self.store.maxmatches();
        self.store = opened.store;
        self.store.set_maxmatches(maxmatches);
        for record in opened.records {
            (self.tell)(News::Log(record));
        }
    }

    /// Tells of trouble, once.
    fn note(&mut self, error: &StoreError) {
        self.retry = clock::deadline(RETRY);
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
    }

    /// Tells of trouble once, and opens a file anew that is gone or broken; true when it is worth
    /// going on at once.
    fn mended(&mut self, error: &StoreError) -> bool {
        self.note(error);
        let anew = match error.problem {
            Problem::Vanished => {
                let place = self.let_go();
                make_folder(&place);
                Store::open(place, clock::now())
            }
            Problem::Corrupt => Store::repair(self.let_go(), clock::now()),
            Problem::Busy
            | Problem::Full
            | Problem::ReadOnly
            | Problem::Newer(_)
            | Problem::Closed
            | Problem::Unusable(_) => return false,
        };
        match anew {
            Ok(opened) => {
                self.put_in(opened);
                (self.tell)(News::StartedAnew);
                true
            }
            Err(error) => {
                self.note(&error);
                false
            }
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

/// The folder of the database; opening the file tells why, where this fails.
pub(super) fn make_folder(place: &Place) {
    if let Place::File(path) = place
        && let Some(folder) = path.parent()
    {
        let _ = std::fs::create_dir_all(folder);
    }
}
