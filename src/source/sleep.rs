//! How the reading thread sleeps: for ever, until the kernel or a command wakes it; but where
//! nobody tells us, it looks from time to time.

use std::io::Read as _;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::model::{Span, Time};

use super::log::Log;
use super::room::{Room, Wish};

/// Between two looks at what must be polled: at first, and when nothing changes (fail2ban § 9.2).
pub(super) const POLL_FIRST: Span = Span::from_micros(200_000);
const POLL_LAST: Span = Span::from_secs(2);

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
        let polled = self.must_poll();
        self.poll_at = polled.then(|| self.poll_at.unwrap_or(now + self.poll_every));
        let deadlines = self.follower.logs.values().filter_map(|log| log.deadline);
        let Some(next) = deadlines.chain(self.poll_at).min() else {
            return PollTimeout::NONE;
        };
        // Rounded up, or the last millisecond would be spent awake; bounded, should the clock be
        // set back.
        let millis = ((next - now).micros() / 1000 + 1).clamp(0, i64::from(u16::MAX));
        PollTimeout::from(millis as u16)
    }

    fn must_poll(&self) -> bool {
        let blind = self.watches.is_err();
        let by_wish = |wish: &Wish| wish.glob.is_some() && wish.is_polled(blind);
        let by_log = |log: &Log| blind || log.polled.is_some() || log.is_in_trouble();
        self.wishes.values().any(by_wish) || self.follower.logs.values().any(by_log)
    }

    /// Looks at what nobody tells us about, when its time has come.
    fn poll_what_must_be(&mut self) {
        let now = (self.clock)();
        let due = |at: Time| at <= now || at > now + POLL_LAST + POLL_LAST;
        let given_up = |log: &&Log| log.deadline.is_some_and(|at| at <= now);
        for log in self
            .follower
            .logs
            .values()
            .filter(given_up)
            .map(|log| log.id)
            .collect::<Vec<_>>()
        {
            self.wake(log);
        }
        if !self.poll_at.is_some_and(due) {
            return;
        }
        self.poll_at = None;
        self.poll_every = Span::from_micros((self.poll_every.micros() * 2).min(POLL_LAST.micros()));
        let blind = self.watches.is_err();
        let by_log = |log: &&Log| blind || log.polled.is_some() || log.is_in_trouble();
        for log in self
            .follower
            .logs
            .values()
            .filter(by_log)
            .map(|log| log.id)
            .collect::<Vec<_>>()
        {
            self.look(log);
        }
        let by_wish = |(_, wish): &(&usize, &Wish)| wish.glob.is_some() && wish.is_polled(blind);
        for wish in self
            .wishes
            .iter()
            .filter(by_wish)
            .map(|(n, _)| *n)
            .collect::<Vec<_>>()
        {
            self.expand(wish, true);
        }
    }

    /// Something polled has changed: more may come soon.
    pub(super) fn poll_sooner(&mut self) {
        self.poll_every = POLL_FIRST;
        self.poll_at = None;
    }
}
