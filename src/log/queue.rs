//! The bounded queue between those who log and the writer: it remembers the newest lines and how
//! many it had to forget.

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::{Span, Time};

use super::entry::Entry;
use super::format::Format;
use super::sink::Sink;

/// How long those who log wait, altogether, from the moment the queue is full until it has been
/// empty again: it lets a burst pass at the disk's speed, and delays a ban once and hardly at all
/// when the disk hangs.
const BURST_WAIT: Span = Span::from_micros(100_000);

/// What the writer takes out in one turn, in bytes: enough to make writes few.
const TURN: usize = 64 * 1024;

/// Room for so many lines is kept when the queue has been long.
const SPARE_ITEMS: usize = 256;

/// Lines and commands in order, shared by all threads.
pub(super) struct Queue {
    bound: usize,
    clock: fn() -> Time,
    inside: Mutex<Inside>,
    /// For the writer: something came.
    filled: Condvar,
    /// For those who wait with a line: there is room.
    emptied: Condvar,
}

#[derive(Default)]
struct Inside {
    items: VecDeque<Item>,
    /// Bytes of all lines in `items`.
    size: usize,
    /// Lines forgotten since the writer last asked.
    dropped: u64,
    /// The target does not take lines: nobody waits for room.
    failing: bool,
    /// What is left of [`BURST_WAIT`].
    waited: Span,
    closed: bool,
}

enum Item {
    Line(Entry),
    Command(Command),
}

/// What the writer is asked to do, after the lines before it; it answers through `done`.
pub(super) enum Command {
    Target {
        sink: Box<Sink>,
        format: Format,
        done: SyncSender<()>,
    },
    Reopen(SyncSender<()>),
    Flush(SyncSender<()>),
    Stop(SyncSender<()>),
}

/// What the writer finds.
pub(super) enum Turn {
    Lines {
        lines: Vec<Entry>,
        /// Forgotten before the first of `lines`.
        dropped: u64,
    },
    Command(Command),
}

impl Queue {
    pub(super) fn new(bound: usize, clock: fn() -> Time) -> Self {
        Self {
            bound,
            clock,
            inside: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }
    }

    /// Adds a line; the oldest make room for it if they must. `true` when that happens for the
    /// first time since the writer last took something: it hangs, and cannot say so itself.
    pub(super) fn push(&self, entry: Entry) -> bool {
        let cost = entry.cost();
        let mut inside = self.wait_for_room(cost);
        if inside.closed {
            return false;
        }
        let before = inside.dropped;
        while inside.size + cost > self.bound && inside.forget_oldest() {}
        let hangs = before == 0 && inside.dropped > 0 && !inside.failing;
        inside.size += cost;
        inside.items.push_back(Item::Line(entry));
        drop(inside);
        self.filled.notify_one();
        hangs
    }

    /// Sends a command and waits until it is done, at most `seconds`.
    pub(super) fn command(
        &self,
        command: impl FnOnce(SyncSender<()>) -> Command,
        seconds: u64,
    ) -> bool {
        let (done, answer) = sync_channel(1);
        let mut inside = self.lock();
        if inside.closed {
            return false;
        }
        inside.items.push_back(Item::Command(command(done)));
        drop(inside);
        self.filled.notify_one();
        answer.recv_timeout(Duration::from_secs(seconds)).is_ok()
    }

    /// Waits for something to do.
    pub(super) fn take(&self) -> Turn {
        let waited = self
            .filled
            .wait_while(self.lock(), |inside| inside.items.is_empty());
        let mut inside = waited.unwrap_or_else(PoisonError::into_inner);
        let turn = inside.next_turn();
        drop(inside);
        self.emptied.notify_all();
        turn
    }

    /// The next command, lines before it or not: a target that takes nothing must not keep the
    /// operator from naming another.
    pub(super) fn take_command(&self, limit: Duration) -> Option<Command> {
        let mut inside = self.lock();
        if let Some(command) = inside.first_command() {
            return Some(command);
        }
        let waited = self.filled.wait_timeout_while(inside, limit, |inside| {
            !inside
                .items
                .iter()
                .any(|item| matches!(item, Item::Command(_)))
        });
        inside = waited.unwrap_or_else(PoisonError::into_inner).0;
        inside.first_command()
    }

    /// Sends a command taken out of its turn through the queue again.
    pub(super) fn put_back(&self, command: Command) {
        self.lock().items.push_back(Item::Command(command));
    }

    /// Whether the target takes lines; while it does not, nobody waits for room.
    pub(super) fn set_failing(&self, failing: bool) {
        self.lock().failing = failing;
        if failing {
            self.emptied.notify_all();
        }
    }

    /// Drops whatever comes from now on.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.emptied.notify_all();
    }

    fn wait_for_room(&self, cost: usize) -> MutexGuard<'_, Inside> {
        let mut inside = self.lock();
        while inside.size + cost > self.bound
            && !inside.items.is_empty()
            && !inside.failing
            && !inside.closed
            && inside.waited < BURST_WAIT
        {
            let left = BURST_WAIT.micros() - inside.waited.micros();
            let limit = Duration::from_micros(left.unsigned_abs());
            let start = (self.clock)();
            let waited = self.emptied.wait_timeout(inside, limit);
            let (back, result) = waited.unwrap_or_else(PoisonError::into_inner);
            inside = back;
            let took = ((self.clock)() - start).micros().clamp(0, left);
            let took = if result.timed_out() { left } else { took };
            inside.waited = Span::from_micros(inside.waited.micros() + took);
        }
        inside
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// Drops the oldest line; `false` if there is none.
    fn forget_oldest(&mut self) -> bool {
        let is_line = |item: &Item| matches!(item, Item::Line(_));
        let Some(at) = self.items.iter().position(is_line) else {
            return false;
        };
        if let Some(Item::Line(entry)) = self.items.remove(at) {
            self.size -= entry.cost();
            self.dropped += 1;
        }
        true
    }

    /// The lines up to the next command or [`TURN`], or the command.
    fn next_turn(&mut self) -> Turn {
        let mut lines = Vec::new();
        let mut size = 0;
        while let Some(item) = self.items.pop_front() {
            match item {
                Item::Line(entry) => {
                    size += entry.cost();
                    lines.push(entry);
                    if size >= TURN {
                        break;
                    }
                }
                Item::Command(command) if lines.is_empty() => return Turn::Command(command),
                command @ Item::Command(_) => {
                    self.items.push_front(command);
                    break;
                }
            }
        }
        self.size -= size;
        if self.size == 0 {
            self.waited = Span::ZERO;
            self.items.shrink_to(SPARE_ITEMS);
        }
        Turn::Lines {
            lines,
            dropped: std::mem::take(&mut self.dropped),
        }
    }

    fn first_command(&mut self) -> Option<Command> {
        let is_command = |item: &Item| matches!(item, Item::Command(_));
        let at = self.items.iter().position(is_command)?;
        match self.items.remove(at) {
            Some(Item::Command(command)) => Some(command),
            Some(Item::Line(_)) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Level;

    fn entry(message: &str) -> Entry {
        Entry::new(Time::default(), Level::Info, "", message)
    }

    fn queue(lines: usize) -> Queue {
        Queue::new(lines * entry("100").cost(), Time::default)
    }

    fn numbers(queue: &Queue) -> (Vec<String>, u64) {
        match queue.take() {
            Turn::Lines { lines, dropped } => {
                let text = lines.iter().map(|line| line.message().to_owned());
                (text.collect(), dropped)
            }
            Turn::Command(_) => panic!("no command was sent"),
        }
    }

    #[test]
    fn the_newest_lines_stay_and_the_others_are_counted() {
        let queue = queue(5);
        let hangs: Vec<_> = (100..120)
            .map(|number| queue.push(entry(&number.to_string())))
            .collect();
        assert_eq!(hangs.iter().position(|hangs| *hangs), Some(5));
        assert_eq!(hangs.iter().filter(|hangs| **hangs).count(), 1);
        let (lines, dropped) = numbers(&queue);
        assert_eq!(lines, ["115", "116", "117", "118", "119"]);
        assert_eq!(dropped, 15);
        assert!(queue.push(entry("100")) || numbers(&queue).1 == 0);
    }

    #[test]
    fn a_burst_is_held_back_until_the_writer_has_made_room() {
        let queue = queue(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 100..200 {
                    queue.push(entry(&number.to_string()));
                }
            });
            let mut found = 0;
            while found < 100 {
                let (lines, dropped) = numbers(&queue);
                assert_eq!(dropped, 0);
                assert_eq!(lines[0], (100 + found).to_string());
                found += lines.len();
            }
        });
    }

    #[test]
    fn nobody_waits_for_a_target_that_fails() {
        let queue = Queue::new(entry("100").cost(), || panic!("waited"));
        queue.set_failing(true);
        for number in 100..200 {
            assert!(!queue.push(entry(&number.to_string())));
        }
        assert_eq!(numbers(&queue), (vec!["199".to_owned()], 99));
    }

    #[test]
    fn a_command_comes_after_the_lines_before_it_unless_asked_for() {
        let queue = queue(5);
        std::thread::scope(|scope| {
            queue.push(entry("100"));
            scope.spawn(|| assert!(queue.command(Command::Flush, 60)));
            let command = loop {
                if let Some(command) = queue.take_command(Duration::from_millis(1)) {
                    break command;
                }
            };
            queue.put_back(command);
            assert_eq!(numbers(&queue).0, ["100"]);
            match queue.take() {
                Turn::Command(Command::Flush(done)) => done.send(()).expect("someone waits"),
                _ => panic!("the command is next"),
            }
        });
    }
}
