//! The clocks of a place: what log lines without a zone mean, and what day it is there.
//!
//! [`Zone`] is the plain choice (local time, and perhaps a `logtimezone`); [`Clock`] is one
//! detector's use of it: it remembers the stretch without a clock change it is in, so that most
//! conversions are one addition, and it carries the memory that C's `mktime` has.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::abbreviations;
use super::calendar::{self, DAY};
use super::error::DateError;

/// The zone of a log's dates: local time, unless the log is said to be in another.
#[derive(Clone, Debug)]
pub struct Zone {
    local: TimeZone,
    /// `logtimezone`: minutes east of UTC.
    log: Option<i32>,
}

/// Where systems keep their zones.
const ZONE_FOLDERS: &[&str] = &[
    "/usr/share/zoneinfo",
    "/usr/share/lib/zoneinfo",
    "/etc/zoneinfo",
];

/// The zone of a system whose environment names none.
const SYSTEM_ZONE: &str = "/etc/localtime";

/// What glibc adds to a `TZ` that names summer time but not its rules.
const DEFAULT_RULES: &str = ",M3.2.0,M11.1.0";

impl Zone {
    /// Local time. `tz` is the value of the environment's `TZ`: the name of a zone, the path of a
    /// zone file, or a POSIX rule such as `CET-1CEST,M3.5.0,M10.5.0/3`; what nobody knows is UTC,
    /// as in C. `None`: the zone in `/etc/localtime`, or UTC. Reads the system's zone files.
    pub fn local(tz: Option<&str>) -> Self {
        let local = match tz {
            Some(tz) => named(tz.strip_prefix(':').unwrap_or(tz)),
            None => file(Path::new(SYSTEM_ZONE)),
        };
        Self {
            local: local.unwrap_or(TimeZone::UTC),
            log: None,
        }
    }

    /// The zone of a `logtimezone` in a place where the clocks show UTC: an abbreviation such as
    /// `CET` (at its fixed offset), an offset such as `+01`, `+0100` or `+01:00`, or both, which
    /// are added.
    pub fn parse(logtimezone: &str) -> Result<Self, DateError> {
        Self {
            local: TimeZone::UTC,
            log: None,
        }
        .with_offset(logtimezone)
    }

    /// The same place, but lines that name no zone are in `logtimezone`, see [`Self::parse`].
    pub fn with_offset(&self, logtimezone: &str) -> Result<Self, DateError> {
        let offset = fixed_offset(logtimezone).ok_or_else(|| DateError::Zone {
            zone: logtimezone.into(),
        })?;
        Ok(Self {
            local: self.local.clone(),
            log: Some(offset),
        })
    }

    /// Local time's zone.
    pub const fn time_zone(&self) -> &TimeZone {
        &self.local
    }
}

/// A `TZ` in glibc's order: path, name, rule. Files are read as C does; asking `jiff` for a name
/// would have it list all the zones there are, and keep the list.
fn named(tz: &str) -> Option<TimeZone> {
    if tz.is_empty() {
        return Some(TimeZone::UTC);
    }
    if tz.starts_with('/') {
        return file(Path::new(tz));
    }
    let by_name = || {
        let folders = ZONE_FOLDERS.iter().map(Path::new);
        folders
            .map(|folder| folder.join(tz))
            .find_map(|path| file(&path))
    };
    let by_rule = || TimeZone::posix(tz).ok();
    let by_default_rule = || TimeZone::posix(&format!("{tz}{DEFAULT_RULES}")).ok();
    by_name().or_else(by_rule).or_else(by_default_rule)
}

fn file(path: &Path) -> Option<TimeZone> {
    let data = std::fs::read(path).ok()?;
    TimeZone::tzif(&path.to_string_lossy(), &data).ok()
}

/// Minutes east of UTC of `(abbreviation)(offset)`, both optional, the offset `±HH`, `±HHMM` or
/// `±HH:MM`.
pub(super) fn fixed_offset(zone: &str) -> Option<i32> {
    let letters = zone
        .find(|c: char| !c.is_ascii_uppercase())
        .unwrap_or(zone.len());
    let (abbreviation, offset) = zone.split_at(letters);
    let base = match abbreviation {
        "" => 0,
        name => abbreviations::offset(name)?,
    };
    if offset.is_empty() {
        return Some(base);
    }
    let (sign, digits) = match offset.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, offset.strip_prefix('+')?),
    };
    let (hours, minutes) = match digits.as_bytes() {
        [_, _] => (digits, "0"),
        [_, _, b':', _, _] => (&digits[..2], &digits[3..]),
        [_, _, _, _] => (digits.get(..2)?, digits.get(2..)?),
        _ => return None,
    };
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(hours) || !plain(minutes) || !digits.starts_with(['0', '1']) {
        return None;
    }
    let minutes = hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?;
    Some(base + sign * minutes)
}

/// A stretch of time in which the clocks are not changed.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Seconds since the epoch: from, and up to.
    from: i64,
    until: i64,
    /// Seconds east of UTC.
    offset: i64,
}

impl Stretch {
    /// Knows nothing.
    const NONE: Self = Self {
        from: 0,
        until: 0,
        offset: 0,
    };

    fn around(zone: &TimeZone, epoch: i64) -> Self {
        let (at, next) = (timestamp(epoch), timestamp(epoch + 1));
        let second = |found: jiff::tz::TimeZoneTransition<'_>| found.timestamp().as_second();
        Self {
            from: zone.preceding(next).next().map_or(i64::MIN / 2, second),
            until: zone.following(at).next().map_or(i64::MAX / 2, second),
            offset: i64::from(zone.to_offset(at).seconds()),
        }
    }

    fn holds(&self, epoch: i64) -> bool {
        (self.from..self.until).contains(&epoch)
    }
}

/// The years 1 and 9999 reach a little beyond what `jiff` counts; clocks do not change there.
fn timestamp(epoch: i64) -> Timestamp {
    let within = epoch.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(within).unwrap_or_default()
}

/// A calendar year, and the civil times it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Year {
    pub(super) number: i64,
    pub(super) from: i64,
    pub(super) until: i64,
}

impl Year {
    fn of(civil: i64) -> Self {
        let (number, _, _) = calendar::date(civil.div_euclid(DAY));
        let (from, until) = calendar::year_bounds(number);
        Self {
            number,
            from,
            until,
        }
    }
}

/// Civil times within so many seconds of a clock change are worked out step by step: no two
/// offsets of one place are further apart.
const NEAR_CHANGE: i64 = 2 * DAY;

/// How often `mktime` tries before it gives up.
const PROBES: u32 = 6;

/// One detector's use of a [`Zone`].
#[derive(Debug)]
pub(super) struct Clock {
    zone: Zone,
    /// Where the current time was last, and in which year.
    now: Stretch,
    year: Year,
    /// Where the last line's time was.
    line: Stretch,
    /// The seconds from civil time to UTC that `mktime` found last and tries first: in the hour
    /// that comes twice a year, this decides which of the two is meant.
    guess: i64,
}

impl Clock {
    pub(super) fn new(zone: Zone) -> Self {
        Self {
            zone,
            now: Stretch::NONE,
            year: Year::of(0),
            line: Stretch::NONE,
            guess: 0,
        }
    }

    /// Seconds east of UTC that a line without a zone has, if that is fixed.
    pub(super) fn log_offset(&self) -> Option<i32> {
        self.zone.log.map(|minutes| minutes * 60)
    }

    /// What the local clocks show at a moment near the current time.
    pub(super) fn civil(&mut self, epoch: i64) -> i64 {
        if !self.now.holds(epoch) {
            self.now = Stretch::around(&self.zone.local, epoch);
        }
        epoch.saturating_add(self.now.offset)
    }

    /// The year in which `civil_now`, a local time, is.
    pub(super) fn year(&mut self, civil_now: i64) -> Year {
        if !(self.year.from..self.year.until).contains(&civil_now) {
            self.year = Year::of(civil_now);
        }
        self.year
    }

    /// The moment at which local clocks show `civil`; C's `mktime` with `tm_isdst` -1.
    pub(super) fn epoch(&mut self, civil: i64) -> Option<i64> {
        let epoch = civil - self.line.offset;
        let inside =
            self.line.from.saturating_add(NEAR_CHANGE)..self.line.until.saturating_sub(NEAR_CHANGE);
        if inside.contains(&epoch) {
            self.guess = -self.line.offset;
            return Some(epoch);
        }
        let epoch = self.mktime(civil)?;
        self.line = Stretch::around(&self.zone.local, epoch);
        Some(epoch)
    }

    /// glibc's way: start from the offset found last, correct by the error that the reverse
    /// conversion shows. In the hour that clocks skip, that swings between two moments, and the
    /// one in summer time is taken.
    fn mktime(&mut self, civil: i64) -> Option<i64> {
        let mut epoch = civil + self.guess;
        let (mut last, mut before_last) = (epoch, epoch);
        let mut last_dst = false;
        for _ in 0..PROBES {
            let info = self.zone.local.to_offset_info(timestamp(epoch));
            let dst = info.dst().is_dst();
            let error = civil - (epoch + i64::from(info.offset().seconds()));
            let swings = epoch == before_last && epoch != last && last_dst <= dst;
            if error == 0 || swings {
                self.guess = epoch - civil;
                return Some(epoch);
            }
            (before_last, last, last_dst) = (last, epoch, dst);
            epoch += error;
        }
        None
    }
}

#[cfg(test)]
mod tests;
