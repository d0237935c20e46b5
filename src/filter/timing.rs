//! Which time a line happened at: its date, the last one known, or now.
//!
//! While a log is read for the first time, old lines are left out; once it is followed, dates far
//! from the present are taken as a clock or zone that is wrong, and mean now. Each such oddity is
//! warned of once a day.

use std::sync::Arc;

use crate::model::{Level, Logger, Record, Span, Time};

/// A line without a date has the last line's, up to this age.
const LAST: Span = Span::from_secs(60);
/// How far from now a date may be in operation, in seconds.
const ODD: i64 = 60;
/// Up to this many seconds late is latency; more is a wrong zone.
const LATENCY: i64 = 3300;
const DAY: Span = Span::from_secs(86_400);

/// The present, as a filter needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub now: Time,
    /// The log has been read to its end once: its lines are new.
    pub in_operation: bool,
    pub findtime: Span,
    /// Off for tests of filters: dates count as they are.
    pub check_findtime: bool,
}

/// The time of a line, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct When {
    pub(super) time: Option<Time>,
    /// It had no date of its own that could be read.
    pub(super) undated: bool,
}

impl When {
    pub(super) const fn dated(time: Time) -> Self {
        Self {
            time: Some(time),
            undated: false,
        }
    }
}

/// Something that is said once a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oddity {
    Simulated,
    Old,
    Undated,
    Unreadable,
    NoId,
}

/// What a filter remembers of dates.
#[derive(Clone, Debug, Default)]
pub(super) struct Timing {
    pub(super) last_text: String,
    last: Option<Time>,
    /// When each oddity may be told again.
    told: [Option<Time>; 5],
}

impl Timing {
    /// A date was found and read.
    pub(super) fn dated(&mut self, text: &str, time: Time) {
        self.last_text.clear();
        self.last_text.push_str(text);
        self.last = Some(time);
    }

    /// The last date, if it is recent enough to stand for a line without one.
    pub(super) fn recent(&self, now: Time) -> Option<Time> {
        self.last.filter(|last| *last > now - LAST)
    }

    /// Fits a time to the present; `None` for a line too old to matter. The warnings, if any are
    /// due, go to `log`.
    pub(super) fn fit(
        &mut self,
        when: When,
        moment: &Moment,
        mut warn: impl FnMut(Vec<String>),
    ) -> Option<When> {
        let Some(time) = when.time.filter(|_| moment.check_findtime) else {
            return Some(when);
        };
        if !moment.in_operation {
            if time >= moment.now - moment.findtime {
                return Some(when);
            }
            if self.may_tell(Oddity::Old, moment.now) {
                warn(vec![format!(
                    "Ignoring all log entries older than {}s; these are probably messages \
                     generated while fail2ban was not running.",
                    moment.findtime.as_secs_f64()
                )]);
            }
            return None;
        }
        // Whole seconds, towards zero.
        let delta = (time - moment.now).micros() / 1_000_000;
        if delta.abs() <= ODD {
            return Some(when);
        }
        if self.may_tell(Oddity::Simulated, moment.now) {
            let problem = if (-LATENCY..0).contains(&delta) {
                "latency"
            } else {
                "timezone"
            };
            warn(vec![format!(
                "Detected a log entry {} {} the current time in operation mode. This looks like \
                 a {problem} problem. Treating such entries as if they just happened.",
                Span::from_secs(delta.abs()).words(),
                if delta < 0 { "before" } else { "after" },
            )]);
        }
        self.last = Some(moment.now);
        Some(When {
            time: Some(moment.now),
            ..when
        })
    }

    /// Whether an oddity has not been told of for a day.
    pub(super) fn may_tell(&mut self, oddity: Oddity, now: Time) -> bool {
        let told = &mut self.told[oddity as usize];
        if told.is_some_and(|until| now < until) {
            return false;
        }
        *told = Some(now + DAY);
        true
    }
}

/// `[JAIL] …` for each message, as warnings.
pub(super) fn warnings(jail: &Arc<str>, messages: Vec<String>) -> impl Iterator<Item = Record> {
    messages.into_iter().map(move |message| {
        let message = format!("[{jail}] {message}");
        Record::new(Level::Warning, Logger::Filter, message)
    })
}
