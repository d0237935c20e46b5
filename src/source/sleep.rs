//! How the reading thread sleeps: for ever, until the kernel or a command wakes it; but where
//! nobody tells us, it looks from time to time.

use std::io::Read as _;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::model::{Span, Time};

use super::log::Log;
use super::room::Room;

/// Between two looks at what must be polled: at first, and when nothing changes (fail2ban § 9.2).
const POLL: (Span, Span) = (Span::from_micros(200_000), Span::from_secs(2));

/// Between two looks at what cannot be read, where the kernel should tell us when it can be: at
/// first, and when it stays so (fail2ban § 9.3 doubles up to a minute, too).
const RETRY: (Span, Span) = (Span::from_secs(1), Span::from_secs(60));

/// How often to look, ever more seldom.
#[derive(Debug)]
pub(super) struct Pace {
    first: Span,
    last: Span,
    every: Span,
    at: Option<Time>,
}

impl Pace {
    pub(super) fn polling() -> Self {
        Self::new(POLL)
    }

    pub(super) fn retrying() -> Self {
        Self::new(RETRY)
    }

    fn new((first, last): (Span, Span)) -> Self {
        Self {
            first,
            last,
            every: first,
            at: None,
        }
    }

    /// When to look next, if that is `needed` at all.
    fn next(&mut self, needed: bool, now: Time) -> Option<Time> {
        self.at = needed.then(|| self.at.unwrap_or(now + self.every));
        self.at
    }

    /// Whether it is time to look; then the next time is later.
    fn is_due(&mut self, now: Time) -> bool {
        // A clock that was set back must not make it wait for ever.
        let due = self.at.is_some_and(|at| at <= now || at > now + self.last);
        if due {
            self.at = None;
            self.every = Span::from_micros((self.every.micros() * 2).min(self.last.micros()));
        }
        due
    }

    /// Something has changed: more may come soon.
    pub(super) fn sooner(&mut self) {
        self.every = self.first;
        self.at = None;
    }
}

impl Room {
    /// Nothing is ready: waits for the kernel, a command, or the next poll.
    pub(super) fn sleep(&mut self) {
        let limit = self.limit();
        let mut ready = Vec::with_capacity(3);
        ready.push(PollFd::new(self.ear.as_fd(), PollFlags::POLLIN));
        if let Some(mounts) = &self.mounts {
            ready.push(PollFd::new(mounts.as_fd(), PollFlags::POLLPRI));
        }
        if let Ok(watches) = &self.watches {
            ready.push(PollFd::new(watches.as_fd(), PollFlags::POLLIN));
        }
        // A signal cuts the wait short; then there is nothing to do, and we wait again.
        let _ = poll(&mut ready, limit);
        let happened = |flags: PollFlags| {
            move |fd: &PollFd<'_>| {
                fd.revents()
                    .is_some_and(|happened| happened.intersects(flags))
            }
        };
        let rung = ready.first().is_some_and(happened(PollFlags::POLLIN));
        let mounted = ready
            .get(1)
            .is_some_and(happened(PollFlags::POLLPRI | PollFlags::POLLERR));
        drop(ready);
        if rung {
            // Fewer bytes than bells are no harm: all commands are taken at once.
            let _ = self.ear.read(&mut [0; 64]);
        }
        if mounted && self.mounts.is_some() {
            self.look_everywhere();
        }
        self.poll_what_must_be();
    }

    /// How long to sleep at most: for ever, if nothing must be polled and nothing given up.
    fn limit(&mut self) -> PollTimeout {
        let now = (self.clock)();
        let blind = self.watches.is_err();
        let logs = || self.follower.logs.values();
        let polled = logs().any(|log| blind || log.polled.is_some())
            || self.wishes.values().any(|wish| wish.is_polled(blind));
        let troubled = logs().any(Log::is_in_trouble);
        let deadline = logs().filter_map(|log| log.deadline).min();
        let polls = self.polls.next(polled, now);
        let retries = self.retries.next(troubled, now);
        let Some(next) = polls.into_iter().chain(retries).chain(deadline).min() else {
            return PollTimeout::NONE;
        };
        // Rounded up, or the last millisecond would be spent awake; bounded, should the clock be
        // set back.
        let millis = ((next - now).micros() / 1000 + 1).clamp(0, i64::from(u16::MAX));
        PollTimeout::from(millis as u16)
    }

    /// Looks at what nobody tells us about, when its time has come.
    fn poll_what_must_be(&mut self) {
        let now = (self.clock)();
        let blind = self.watches.is_err();
        let (polls, retries) = (self.polls.is_due(now), self.retries.is_due(now));
        let mut due = Vec::new();
        for log in self.follower.logs.values() {
            let polled = polls && (blind || log.polled.is_some());
            let retried = retries && log.is_in_trouble();
            if polled || retried || log.deadline.is_some_and(|at| at <= now) {
                due.push(log.id);
            }
        }
        for log in due {
            self.look(log);
        }
        if polls {
            let polled = self.wishes.iter().filter(|(_, wish)| wish.is_polled(blind));
            for wish in polled.map(|(number, _)| *number).collect::<Vec<_>>() {
                self.expand(wish, true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_become_seldom_and_frequent_again() {
        let mut pace = Pace::polling();
        let mut now = Time::from_secs(1000);
        assert!(!pace.is_due(now), "nobody asked");
        let mut waits = Vec::new();
        for _ in 0..6 {
            let next = pace.next(true, now).expect("a time");
            assert_eq!(
                pace.next(true, now),
                Some(next),
                "asking again changes nothing"
            );
            assert!(!pace.is_due(now));
            waits.push((next - now).micros() / 1000);
            now = next;
            assert!(pace.is_due(now));
        }
        assert_eq!(waits, [200, 400, 800, 1600, 2000, 2000]);
        pace.sooner();
        assert_eq!(pace.next(true, now), Some(now + POLL.0));
        assert_eq!(pace.next(false, now), None);
        assert!(!pace.is_due(Time::from_secs(9999)));
    }

    #[test]
    fn a_clock_set_back_does_not_stop_it() {
        let mut pace = Pace::polling();
        pace.next(true, Time::from_secs(1_000_000));
        assert!(pace.is_due(Time::from_secs(1000)));
    }
}
