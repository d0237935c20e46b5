//! The one place that reads the clock; everything else is told what time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::Time;

/// Now, to the microsecond.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Time {
    // A clock before 1970 is a machine without one; the epoch is as good a guess as any.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Time::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A moment `after` from now on the clock that never jumps, for waiting.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(super) fn deadline(after: Duration) -> Instant {
    Instant::now() + after
}

/// How long ago a moment was.
pub(super) fn passed(moment: Instant) -> Duration {
    moment.elapsed()
}

/// How long until `deadline`; zero when it has passed.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(super) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
