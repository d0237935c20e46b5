//! How long bans wait for the firewall: a histogram of few, fixed steps.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::Span;

/// Upper ends of the steps, in microseconds: around the half millisecond we aim at, then up to what
/// scripts take.
pub const STEPS: [u64; 10] = [
    250, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 250_000, 1_000_000, 10_000_000,
];

/// Counts by step; the last is of everything longer.
#[derive(Debug, Default)]
pub(super) struct Latency {
    counts: [AtomicU64; STEPS.len() + 1],
    micros: AtomicU64,
}

/// What an action has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bans carried out, by the step their wait falls into; the last is of everything longer.
    pub counts: [u64; STEPS.len() + 1],
    /// All waits together, in microseconds.
    pub micros: u64,
    /// Commands that failed for good.
    pub errors: u64,
}

impl Latency {
    pub(super) fn note(&self, wait: Span) {
        let micros = wait.micros().max(0).unsigned_abs();
        let step = STEPS.partition_point(|end| *end < micros);
        self.counts[step].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(super) fn tally(&self, errors: u64) -> Tally {
        let mut tally = Tally {
            micros: self.micros.load(Ordering::Relaxed),
            errors,
            ..Tally::default()
        };
        for (count, counted) in tally.counts.iter_mut().zip(&self.counts) {
            *count = counted.load(Ordering::Relaxed);
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_counts_in_the_first_step_that_holds_it() {
        let latency = Latency::default();
        for micros in [0, 250, 251, 20_000_000] {
            latency.note(Span::from_micros(micros));
        }
        let tally = latency.tally(3);
        assert_eq!(
            (tally.counts[0], tally.counts[1], tally.counts[10]),
            (2, 1, 1)
        );
        assert_eq!((tally.micros, tally.errors), (20_000_501, 3));
    }
}
