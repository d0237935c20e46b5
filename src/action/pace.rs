//! `ratelimit`: so many commands a minute at most, for services that do not want more. Those beyond
//! it wait for their turn in the action's own queue, and hold up nobody else.

use crate::model::{Span, Time};

const MINUTE: i64 = 60_000_000;

/// Counts commands. As many as the limit may come at once; then they are spread evenly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Microseconds from one to the next; 0 is no limit.
    every: i64,
    /// When all that were let through so far would be spread out.
    spread_until: Time,
}

impl Pace {
    pub(super) fn new(per_minute: u32) -> Self {
        Self {
            every: MINUTE.checked_div(per_minute.into()).unwrap_or(0),
            spread_until: Time::from_secs(0),
        }
    }

    /// How long the next command has to wait, if so; it counts from then on.
    pub(super) fn next(&mut self, now: Time) -> Option<Span> {
        if self.every == 0 {
            return None;
        }
        // A clock that was set back keeps nobody waiting for longer than its minute.
        let latest = now + Span::from_micros(MINUTE);
        let every = Span::from_micros(self.every);
        let full = (self.spread_until.max(now) + every).min(latest + every);
        let wait = full - latest;
        self.spread_until = full;
        (wait.micros() > 0).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_one_after_the_other() {
        let mut pace = Pace::new(60);
        let now = Time::from_secs(1_000);
        let waits: Vec<_> = (0..62).map(|_| pace.next(now)).collect();
        assert!(waits[..60].iter().all(Option::is_none), "{waits:?}");
        assert_eq!(waits[60], Some(Span::from_secs(1)));
        // Whoever waited does not owe it twice.
        assert_eq!(pace.next(now + Span::from_secs(120)), None);
    }

    #[test]
    fn without_a_limit_and_with_a_clock_set_back_nobody_waits_for_long() {
        let mut free = Pace::new(0);
        assert!((0..1_000).all(|_| free.next(Time::from_secs(5)).is_none()));
        let mut pace = Pace::new(60);
        pace.next(Time::from_secs(1_000_000));
        let wait = pace.next(Time::from_secs(5)).unwrap_or(Span::from_secs(0));
        assert!(wait.secs() <= 1, "{wait:?}");
    }
}
