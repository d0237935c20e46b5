//! Local time as Python's logging prints it, without asking the zone for every line.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::Time;

/// Turns moments into `YYYY-MM-DD HH:MM:SS`, remembering the last second and how long its offset
/// from UTC holds.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    zone: TimeZone,
    /// Seconds east of UTC, valid in `from..until` (seconds since the epoch).
    offset: i64,
    from: i64,
    until: i64,
    second: Option<i64>,
    text: String,
}

impl Stamp {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self {
            zone,
            offset: 0,
            from: 0,
            until: 0,
            second: None,
            text: String::new(),
        }
    }

    /// The local date and time of day of a moment; milliseconds are the caller's.
    pub(super) fn second(&mut self, time: Time) -> &str {
        let second = time.secs();
        if self.second != Some(second) {
            if !(self.from..self.until).contains(&second) {
                self.ask(second);
            }
            self.text = civil(second + self.offset);
            self.second = Some(second);
        }
        &self.text
    }

    /// Learns the offset at `second` and the span around it in which it does not change.
    fn ask(&mut self, second: i64) {
        let Ok(moment) = Timestamp::from_second(second) else {
            (self.offset, self.from, self.until) = (0, second, second);
            return;
        };
        self.offset = self.zone.to_offset(moment).seconds().into();
        self.from = second;
        self.until = self
            .zone
            .following(moment)
            .next()
            .map_or(i64::MAX, |next| next.timestamp().as_second());
    }
}

/// Seconds since the epoch, already shifted to local time, as a date and time of day.
fn civil(local: i64) -> String {
    match Timestamp::from_second(local) {
        Ok(moment) => {
            let at = jiff::tz::Offset::UTC.to_datetime(moment);
            format!(
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
                at.year(),
                at.month(),
                at.day(),
                at.hour(),
                at.minute(),
                at.second()
            )
        }
        Err(_) => "0000-00-00 00:00:00".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_changes_with_the_season_and_back() {
        let mut stamp = Stamp::new(TimeZone::get("Europe/Berlin").expect("a zone"));
        // 2026-10-25 01:00:00 UTC ends summer time.
        for (second, text) in [
            (1_792_889_999, "2026-10-25 02:59:59"),
            (1_792_890_000, "2026-10-25 02:00:00"),
            (1_792_889_999, "2026-10-25 02:59:59"),
            (1_800_000_000, "2027-01-15 09:00:00"),
        ] {
            assert_eq!(stamp.second(Time::from_secs(second)), text, "{second}");
        }
    }

    #[test]
    fn moments_outside_all_calendars_do_not_panic() {
        let mut stamp = Stamp::new(TimeZone::UTC);
        for micros in [i64::MIN, -1, i64::MAX] {
            assert_eq!(stamp.second(Time::from_micros(micros)).len(), 19);
        }
    }
}
