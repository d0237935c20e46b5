//! Times as fail2ban words them in its log.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::Time;

/// Where fail2ban stops counting years (the end of 9999, in any zone).
const LAST_YEAR: i64 = 253_402_214_400;

/// `2026-11-22 16:59:27`, in the given zone.
pub fn date_time(time: Time, zone: &TimeZone) -> String {
    let last = || "9999-12-31 23:59:59".to_owned();
    if time.secs() >= LAST_YEAR {
        return last();
    }
    let Ok(stamp) = Timestamp::from_second(time.secs()) else {
        return last();
    };
    let civil = zone.to_datetime(stamp);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_local_and_stop_at_the_last_year() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let shown = |secs| date_time(Time::from_secs(secs), &zone);
        assert_eq!(shown(1_124_013_600), "2005-08-14 12:00:00");
        assert_eq!(shown(1_100_000_000), "2004-11-09 12:33:20");
        assert_eq!(shown(LAST_YEAR), "9999-12-31 23:59:59");
    }
}
