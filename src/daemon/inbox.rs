//! The daemon's one queue. Everyone may send; log lines alone are rationed.
//!
//! Readers hold a ration card per message, so a log written faster than it is judged waits in the
//! file and not in memory. Answers from workers and clients are never held up: a worker blocked on
//! a full queue while the daemon waits for that worker would be the end of both.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::clock;
use crate::model::Time;

/// How many chunks of log may wait; each is at most what a reader reads at once.
pub(super) const CHUNKS: usize = 16;

/// The sending end; cheap to clone.
#[derive(Debug)]
pub(super) struct Outlet<M> {
    queue: Sender<M>,
    depth: Arc<AtomicUsize>,
    rations: Arc<Rations>,
}

impl<M> Clone for Outlet<M> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            depth: Arc::clone(&self.depth),
            rations: Arc::clone(&self.rations),
        }
    }
}

#[derive(Debug)]
struct Rations {
    left: Mutex<usize>,
    freed: Condvar,
}

/// A place in the queue; given back when the message that holds it is dropped.
#[derive(Debug)]
pub(super) struct Ration(Arc<Rations>);

impl Drop for Ration {
    fn drop(&mut self) {
        *self.0.left.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

impl<M> Outlet<M> {
    /// Queues a message. After the daemon has gone nobody is left to care, so nothing is reported.
    pub(super) fn send(&self, message: M) {
        self.depth.fetch_add(1, Ordering::Relaxed);
        let _ = self.queue.send(message);
    }

    /// How many messages wait.
    pub(super) fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    /// Waits for a place, then queues the message made with it.
    pub(super) fn send_rationed(&self, message: impl FnOnce(Ration) -> M) {
        let mut left = self
            .rations
            .left
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while *left == 0 {
            left = self
                .rations
                .freed
                .wait(left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *left -= 1;
        drop(left);
        self.send(message(Ration(Arc::clone(&self.rations))));
    }
}

/// The receiving end.
#[derive(Debug)]
pub(super) struct Inbox<M> {
    queue: Receiver<M>,
    depth: Arc<AtomicUsize>,
}

/// What waiting came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Waited<M> {
    Message(M),
    /// The given time has come.
    Due,
}

impl<M> Inbox<M> {
    pub(super) fn new() -> (Outlet<M>, Self) {
        let (queue, inbox) = mpsc::channel();
        let depth = Arc::new(AtomicUsize::new(0));
        let rations = Rations {
            left: Mutex::new(CHUNKS),
            freed: Condvar::new(),
        };
        (
            Outlet {
                queue,
                depth: Arc::clone(&depth),
                rations: Arc::new(rations),
            },
            Self {
                queue: inbox,
                depth,
            },
        )
    }

    fn taken(&self, message: M) -> Waited<M> {
        self.depth.fetch_sub(1, Ordering::Relaxed);
        Waited::Message(message)
    }

    /// The next message, or `Due` at `until`; without a time it waits for ever, with no wake-up.
    pub(super) fn next(&self, until: Option<Time>) -> Waited<M> {
        let Some(until) = until else {
            return self.queue.recv().map_or(Waited::Due, |m| self.taken(m));
        };
        let wait = (until - clock::now()).micros().max(0).unsigned_abs();
        let wait = std::time::Duration::from_micros(wait);
        match self.queue.recv_timeout(wait) {
            Ok(message) => self.taken(message),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Waited::Due,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn rationed_messages_wait_and_others_do_not() {
        let (outlet, inbox) = Inbox::<(u32, Option<Ration>)>::new();
        let reader = outlet.clone();
        let count = 3 * CHUNKS as u32;
        let reading = thread::spawn(move || {
            for number in 0..count {
                reader.send_rationed(|ration| (number, Some(ration)));
            }
        });
        let mut held = Vec::new();
        while held.len() < CHUNKS {
            let Waited::Message(message) = inbox.next(None) else {
                panic!("no message")
            };
            held.push(message);
        }
        outlet.send((9999, None));
        let Waited::Message((number, _)) = inbox.next(None) else {
            panic!("no message")
        };
        assert_eq!(
            number, 9999,
            "with all rations held only the free message comes through"
        );
        assert!(outlet.depth() <= 1, "what was taken does not wait");
        held.clear();
        for expected in CHUNKS as u32..count {
            let Waited::Message((number, _)) = inbox.next(None) else {
                panic!("no message")
            };
            assert_eq!(number, expected);
        }
        reading.join().unwrap();
    }

    #[test]
    fn a_time_in_the_past_is_due_at_once() {
        let (_outlet, inbox) = Inbox::<u8>::new();
        assert_eq!(inbox.next(Some(Time::from_secs(1))), Waited::Due);
    }
}
