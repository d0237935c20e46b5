//! Times and durations as fail2ban words them in its log.

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

/// `1h 30m`: at most three units, rounded more the longer it is.
pub fn duration(secs: i64) -> String {
    const YEAR: i64 = 31_536_000;
    const WEEK: i64 = 604_800;
    const DAY: i64 = 86_400;
    /// Just short of an hour counts as one.
    const HOUR: i64 = 3_595;
    match secs {
        YEAR.. => units(rounded(secs, 86_400), &[(365, "y"), (7, "w"), (1, "d")]),
        WEEK.. => units(rounded(secs, 3_600), &[(168, "w"), (24, "d"), (1, "h")]),
        DAY.. => units(rounded(secs, 60), &[(1440, "d"), (60, "h"), (1, "m")]),
        HOUR.. => units(rounded(secs, 10), &[(360, "h"), (6, "m")]),
        0 => "0".to_owned(),
        _ => units(secs, &[(60, "m"), (1, "s")]),
    }
}

/// To the nearest multiple, halves to even as Python rounds.
fn rounded(secs: i64, unit: i64) -> i64 {
    (secs as f64 / unit as f64).round_ties_even() as i64
}

fn units(mut rest: i64, names: &[(i64, &str)]) -> String {
    let mut words: Vec<String> = Vec::with_capacity(names.len());
    for (size, name) in names {
        if rest >= *size {
            words.push(format!("{}{name}", rest / size));
            rest %= size;
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_worded_as_fail2ban_words_them() {
        for (secs, words) in [
            (86_400 * 390, "1y 3w 4d"),
            (86_400 * 368, "1y 3d"),
            (86_400 * 365 + 43_200, "1y 1d"),
            (86_400 * 2 + 3_600 * 7 + 60 * 15, "2d 7h 15m"),
            (86_400 * 2 + 3_599, "2d 1h"),
            (3_600 - 5, "1h"),
            (3_600 - 10, "59m 50s"),
            (59, "59s"),
            (0, "0"),
            (600, "10m"),
            (8, "8s"),
            (604_800, "1w"),
        ] {
            assert_eq!(duration(secs), words);
        }
    }

    #[test]
    fn dates_are_local_and_stop_at_the_last_year() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let shown = |secs| date_time(Time::from_secs(secs), &zone);
        assert_eq!(shown(1_124_013_600), "2005-08-14 12:00:00");
        assert_eq!(shown(1_100_000_000), "2004-11-09 12:33:20");
        assert_eq!(shown(LAST_YEAR), "9999-12-31 23:59:59");
    }
}
