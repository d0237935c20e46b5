//! How many mails about bans a jail may send, and what becomes of the rest: digests.
//!
//! A mail for each ban as long as bans are few. Beyond so many within a minute or an hour, what
//! comes is collected, and goes out as one digest. As long as a flood lasts, digests come further
//! and further apart.

use std::collections::VecDeque;

use crate::model::{Span, Time};

/// Mails of one moment: more bans than this within a minute are a flood.
const BURST: usize = 8;
const MINUTE: Span = Span::from_secs(60);
const HOUR: Span = Span::from_secs(3600);
/// `maxmails` beyond it count as it: so many moments are remembered.
pub const MOST: usize = 1000;

/// What an action's parameters say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Mails within an hour; 0 is digests alone.
    pub hourly: usize,
    /// Always collect, and send a digest so long after the first ban of it.
    pub digest: Option<Span>,
    /// A digest is full with so many bans (`lines` of the buffered actions).
    pub lines: Option<u64>,
    /// First try after a failed one, and when a mail is given up.
    pub retry: Span,
    pub giveup: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hourly: 30,
            digest: None,
            lines: None,
            retry: MINUTE,
            giveup: Span::from_secs(2 * 24 * 3600),
        }
    }
}

/// What to do with a ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A mail of its own.
    Mail,
    /// Into the digest that goes out at this moment; [`NEVER`] where it has to be full first.
    Collect(Time),
}

/// When a digest goes out that waits to be full.
pub const NEVER: Time = Time::from_micros(i64::MAX);

/// What one action has sent within the hour, and its open digest.
#[derive(Debug, Default)]
pub struct Flow {
    sent: VecDeque<Time>,
    open: Option<Open>,
    /// Until when the next ban is of the same flood, and how long its digest collects.
    flood: Option<(Time, Span)>,
    /// How many mails went out since it was made.
    told: u64,
}

#[derive(Debug)]
struct Open {
    due: Time,
    step: Span,
    bans: usize,
}

impl Flow {
    /// A ban at this moment.
    pub fn ban(&mut self, now: Time, limits: &Limits) -> Verdict {
        self.forget(now);
        if let Some(open) = &mut self.open {
            open.bans += 1;
            return Verdict::Collect(open.due);
        }
        let flood = self.flood.filter(|(until, _)| now <= *until);
        let minute = self.sent.iter().filter(|at| now - **at < MINUTE).count();
        let hourly = limits.hourly.min(MOST);
        let step = if limits.lines.is_some() {
            None
        } else if let Some(collect) = limits.digest {
            Some(collect)
        } else if let Some((_, step)) = flood {
            Some(step)
        } else if minute >= BURST {
            Some(MINUTE)
        } else if self.sent.len() >= hourly {
            Some(if hourly == 0 { HOUR } else { MINUTE })
        } else {
            self.note(now);
            return Verdict::Mail;
        };
        let due = match step {
            None => NEVER,
            Some(step) => (now + step).max(self.room(hourly)),
        };
        let step = step.unwrap_or(HOUR);
        self.open = Some(Open { due, step, bans: 1 });
        Verdict::Collect(due)
    }

    /// A digest that was open before we were.
    pub fn resume(&mut self, due: Time, bans: usize) {
        let step = MINUTE;
        self.open = Some(Open { due, step, bans });
    }

    /// Mails that went out before we were, oldest first; they count as long as any.
    pub fn recall(&mut self, sent: impl IntoIterator<Item = Time>, now: Time) {
        self.sent
            .extend(sent.into_iter().filter(|at| *at <= now).take(MOST));
        self.forget(now);
    }

    /// When mails went out within the hour, oldest first.
    pub fn sent(&self) -> impl Iterator<Item = Time> {
        self.sent.iter().copied()
    }

    /// How many mails went out in this life.
    pub const fn told(&self) -> u64 {
        self.told
    }

    /// A mail that is no ban's has gone out: it counts, and waits for nobody.
    pub fn note(&mut self, now: Time) {
        self.forget(now);
        self.told += 1;
        if self.sent.len() >= MOST {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }

    /// The digest goes out.
    pub fn close(&mut self, now: Time) {
        let Some(open) = self.open.take() else {
            return;
        };
        self.note(now);
        let longer = Span::from_micros(open.step.micros().saturating_mul(2));
        let goes_on = open.bans >= BURST;
        self.flood = goes_on.then(|| (now + open.step, longer.min(HOUR)));
    }

    fn forget(&mut self, now: Time) {
        while self.sent.front().is_some_and(|at| now - *at >= HOUR) {
            self.sent.pop_front();
        }
    }

    /// When the hour has room for one more.
    fn room(&self, hourly: usize) -> Time {
        let over = (self.sent.len() + 1).saturating_sub(hourly.max(1));
        let frees = over.checked_sub(1).and_then(|at| self.sent.get(at));
        frees.map_or(Time::from_micros(i64::MIN), |at| *at + HOUR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(secs: i64) -> Time {
        Time::from_secs(1_700_000_000 + secs)
    }

    /// Bans at these seconds; when mails and digests go out, and how many bans each tells of.
    fn story(bans: impl IntoIterator<Item = i64>, limits: &Limits) -> Vec<(i64, usize)> {
        let mut flow = Flow::default();
        let (mut out, mut open) = (Vec::new(), None::<(Time, usize)>);
        let close = |flow: &mut Flow, out: &mut Vec<(i64, usize)>, (due, count): (Time, usize)| {
            flow.close(due);
            out.push(((due - at(0)).secs(), count));
        };
        for second in bans {
            if let Some(digest) = open.filter(|(due, _)| *due <= at(second)) {
                close(&mut flow, &mut out, digest);
                open = None;
            }
            match flow.ban(at(second), limits) {
                Verdict::Mail => out.push((second, 1)),
                Verdict::Collect(due) => open = Some((due, open.map_or(1, |(_, n)| n + 1))),
            }
        }
        if let Some(digest) = open {
            close(&mut flow, &mut out, digest);
        }
        out
    }

    #[test]
    fn few_bans_have_a_mail_each() {
        let story = story((0..29).map(|n| n * 60), &Limits::default());
        assert_eq!(story.len(), 29);
        assert!(story.iter().all(|(_, count)| *count == 1));
    }

    #[test]
    fn ten_thousand_bans_in_a_minute_are_nine_mails() {
        let bans = (0..10_000).map(|n| n * 60 / 10_000);
        let story = story(bans, &Limits::default());
        assert_eq!(story.len(), BURST + 1, "{story:?}");
        assert_eq!(story.last(), Some(&(60, 10_000 - BURST)));
    }

    #[test]
    fn beyond_the_hours_mails_comes_one_digest() {
        let limits = Limits {
            hourly: 3,
            ..Limits::default()
        };
        let story = story((0..10).map(|n| n * 120), &limits);
        assert_eq!(story, [(0, 1), (120, 1), (240, 1), (3600, 7)]);
    }

    #[test]
    fn a_flood_that_lasts_has_digests_further_and_further_apart() {
        let story = story(0..7200, &Limits::default());
        assert!(story.len() < 20, "{story:?}");
        let digests: Vec<i64> = story[BURST..].iter().map(|(at, _)| *at).collect();
        assert!(
            digests.windows(3).all(|w| w[2] - w[1] >= w[1] - w[0] - 1),
            "{digests:?}"
        );
    }

    #[test]
    fn digest_collects_always() {
        let limits = Limits {
            digest: Some(HOUR),
            ..Limits::default()
        };
        assert_eq!(story([5, 10, 4000], &limits), [(3605, 2), (7600, 1)]);
        let buffered = Limits {
            lines: Some(5),
            ..Limits::default()
        };
        let mut flow = Flow::default();
        assert_eq!(flow.ban(at(0), &buffered), Verdict::Collect(NEVER));
    }

    proptest! {
        #[test]
        fn no_hour_sees_more_mails_than_allowed_and_every_ban_is_told_once(
            gaps in prop::collection::vec(0i64..400, 1..400),
            hourly in 1usize..40,
        ) {
            let limits = Limits { hourly, ..Limits::default() };
            let bans: Vec<i64> = gaps.iter().scan(0, |now, gap| { *now += gap; Some(*now) }).collect();
            let story = story(bans.iter().copied(), &limits);
            prop_assert_eq!(story.iter().map(|(_, n)| n).sum::<usize>(), bans.len());
            for (from, _) in &story {
                let within = story.iter().filter(|(at, _)| (0..3600).contains(&(at - from)));
                prop_assert!(within.count() <= hourly, "{:?}", story);
            }
        }
    }
}
