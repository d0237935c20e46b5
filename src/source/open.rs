//! One open file and those who read it. A file is read once, whatever the number of its names and
//! its readers, and no reader gets a line twice: each has one seat.

use std::io;

use super::chunk::{Chunk, Position};
use super::event::{Audience, LogId, Subscriber};
use super::reader::{Content, Read, Reader, Rotation};

#[derive(Debug)]
pub(super) struct Open<F> {
    reader: Reader<F>,
    seats: Vec<Seat>,
    /// Those who came later, and read in order what the others have had until they meet them.
    behind: Vec<Behind<F>>,
    /// The logs whose name leads here, or did before.
    holders: Vec<LogId>,
    /// Who gets what is read now, under which log; made when asked for.
    audiences: Option<Vec<(LogId, Audience)>>,
}

/// One reader's place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) subscriber: Subscriber,
    /// Under which of the holders it is told.
    pub(super) log: LogId,
    /// It gets what is read from here on; [`BEHIND`] while it reads for itself.
    pub(super) from: u64,
    /// It is to be told when the end is reached.
    pub(super) fresh: bool,
}

#[derive(Debug)]
struct Behind<F> {
    reader: Reader<F>,
    subscriber: Subscriber,
}

/// A start that is never reached.
const BEHIND: u64 = u64::MAX;

/// What reading once came to.
#[derive(Debug)]
pub(super) enum Reading {
    Lines(Chunk, Vec<(LogId, Audience)>),
    /// Something, but no whole line.
    Part,
    /// Those who are told so for the first time.
    End(Vec<(LogId, Audience)>),
    /// Everything starts again at 0.
    Rotated(Rotation),
}

impl<F: Content> Open<F> {
    pub(super) fn new(reader: Reader<F>) -> Self {
        Self {
            reader,
            seats: Vec::new(),
            behind: Vec::new(),
            holders: Vec::new(),
            audiences: None,
        }
    }

    pub(super) fn reader(&self) -> &Reader<F> {
        &self.reader
    }

    pub(super) fn position(&self) -> Position {
        self.reader.position()
    }

    pub(super) fn holders(&self) -> &[LogId] {
        &self.holders
    }

    pub(super) fn hold(&mut self, log: LogId) {
        if !self.holders.contains(&log) {
            self.holders.push(log);
        }
    }

    pub(super) fn is_seated(&self, subscriber: Subscriber) -> bool {
        self.seats.iter().any(|seat| seat.subscriber == subscriber)
    }

    /// Whether a reader is still to be told that the end was reached.
    pub(super) fn is_fresh(&self, subscriber: Subscriber) -> bool {
        let mut seats = self.seats.iter();
        seats.any(|seat| seat.subscriber == subscriber && seat.fresh)
    }

    /// Gives a reader its seat. Where the others are beyond its start, `again` is the same file
    /// opened once more; without it nothing is read again.
    pub(super) fn seat(&mut self, mut seat: Seat, again: impl FnOnce(&F) -> Option<Reader<F>>) {
        let now = self.position().offset;
        if self.seats.is_empty() {
            self.reader.seek(seat.from);
        } else if seat.from < now
            && let Some(mut reader) = again(self.reader.file())
            // Else it was written anew, and everybody will get that.
            && reader.position().hash == self.position().hash
        {
            reader.seek(seat.from);
            seat.from = BEHIND;
            let subscriber = seat.subscriber;
            self.behind.push(Behind { reader, subscriber });
        }
        self.seats.push(seat);
        self.settle();
    }

    /// A holder lets go of the file.
    pub(super) fn release(&mut self, log: LogId) {
        self.holders.retain(|holder| *holder != log);
    }

    /// After a holder has let go, or wants fewer: its readers are told under another holder that
    /// `wants` them; the others lose their seats, and how far they were is given back.
    pub(super) fn reseat(
        &mut self,
        log: LogId,
        wants: impl Fn(LogId, Subscriber) -> bool,
    ) -> Vec<(Subscriber, Position)> {
        let mut gone = Vec::new();
        for seat in self.seats.iter_mut().filter(|seat| seat.log == log) {
            let mut holders = self.holders.iter();
            match holders.find(|holder| wants(**holder, seat.subscriber)) {
                Some(holder) => seat.log = *holder,
                None => gone.push(seat.subscriber),
            }
        }
        self.audiences = None;
        gone.into_iter()
            .filter_map(|subscriber| self.unseat(subscriber))
            .collect()
    }

    /// Takes a seat away; gives back how far its reader was.
    fn unseat(&mut self, subscriber: Subscriber) -> Option<(Subscriber, Position)> {
        let at = self
            .seats
            .iter()
            .position(|seat| seat.subscriber == subscriber)?;
        let seat = self.seats.remove(at);
        let place = match self
            .behind
            .iter()
            .position(|behind| behind.subscriber == subscriber)
        {
            Some(at) => self.behind.remove(at).reader.position(),
            None if seat.from <= self.position().offset => self.position(),
            None => Position {
                offset: seat.from,
                mark: None,
                ..self.position()
            },
        };
        self.settle();
        Some((subscriber, place))
    }

    /// Reads once, at most `scratch` bytes.
    pub(super) fn read(&mut self, scratch: &mut [u8]) -> io::Result<Reading> {
        if self.seats.is_empty() {
            return Ok(Reading::End(Vec::new()));
        }
        // Before the read: who waits for the end of these lines does not get them.
        self.assemble();
        Ok(match self.reader.read(scratch)? {
            Read::Lines(chunk) => {
                let audiences = self.audiences.clone().unwrap_or_default();
                let now = self.position().offset;
                let before = |seat: &Seat| seat.from == now;
                if self.seats.iter().any(before) {
                    self.settle();
                }
                Reading::Lines(chunk, audiences)
            }
            Read::Part => Reading::Part,
            Read::End => Reading::End(self.arrived()),
            Read::Rotated(rotation) => {
                self.behind.clear();
                self.seats.iter_mut().for_each(|seat| seat.from = 0);
                self.settle();
                Reading::Rotated(rotation)
            }
        })
    }

    /// Reads once for one of those who are behind.
    pub(super) fn catch_up(&mut self, scratch: &mut [u8]) -> Option<Reading> {
        let now = self.position().offset;
        let behind = self.behind.last_mut()?;
        let subscriber = behind.subscriber;
        let seat = self
            .seats
            .iter_mut()
            .find(|seat| seat.subscriber == subscriber)?;
        behind.reader.set_limit(now);
        Some(match behind.reader.read(scratch) {
            Ok(Read::Lines(chunk)) => Reading::Lines(chunk, grouped([&*seat].into_iter())),
            Ok(Read::Part) => Reading::Part,
            // Met, or rotated away under us: then what is left of it is gone.
            Ok(Read::End | Read::Rotated(_)) | Err(_) => {
                seat.from = now;
                self.behind.pop();
                self.settle();
                Reading::Part
            }
        })
    }

    /// Finds out who gets what comes next.
    fn assemble(&mut self) {
        let now = self.position().offset;
        let Self {
            audiences, seats, ..
        } = self;
        audiences.get_or_insert_with(|| grouped(seats.iter().filter(|seat| seat.from <= now)));
    }

    /// Those whose first end this is.
    fn arrived(&mut self) -> Vec<(LogId, Audience)> {
        let now = self.position().offset;
        let arrives = |seat: &&mut Seat| seat.fresh && seat.from <= now;
        let mut told = Vec::new();
        for seat in self.seats.iter_mut().filter(arrives) {
            seat.fresh = false;
            told.push(*seat);
        }
        grouped(told.iter())
    }

    /// After seats have changed, or one was reached: where to go on, and where to stop next.
    fn settle(&mut self) {
        self.audiences = None;
        if self.seats.iter().all(|seat| seat.from == BEHIND) {
            self.follow_those_behind();
        }
        let now = self.position().offset;
        let first = self.seats.iter().map(|seat| seat.from).min();
        if let Some(first) = first.filter(|first| *first > now) {
            // Nobody wants what is in between.
            self.reader.seek(first);
        }
        let now = self.position().offset;
        let ahead = self
            .seats
            .iter()
            .map(|seat| seat.from)
            .filter(|from| *from > now);
        self.reader.set_limit(ahead.min().unwrap_or(u64::MAX));
    }

    /// Those they were behind have left.
    fn follow_those_behind(&mut self) {
        for behind in self.behind.drain(..) {
            let is_it = |seat: &&mut Seat| seat.subscriber == behind.subscriber;
            if let Some(seat) = self.seats.iter_mut().find(is_it) {
                seat.from = behind.reader.position().offset;
            }
        }
        if let Some(first) = self.seats.iter().map(|seat| seat.from).min() {
            self.reader.seek(first);
        }
    }
}

/// Subscribers by the log they are told under.
fn grouped<'a>(seats: impl Iterator<Item = &'a Seat>) -> Vec<(LogId, Audience)> {
    let mut groups: Vec<(LogId, Vec<Subscriber>)> = Vec::new();
    for seat in seats {
        match groups.iter_mut().find(|(log, _)| *log == seat.log) {
            Some((_, group)) => group.push(seat.subscriber),
            None => groups.push((seat.log, vec![seat.subscriber])),
        }
    }
    groups
        .into_iter()
        .map(|(log, group)| (log, group.into()))
        .collect()
}
