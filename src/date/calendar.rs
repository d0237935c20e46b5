//! The proleptic Gregorian calendar in plain numbers. Days are counted from 1970-01-01; a "civil"
//! time is what a clock on the wall shows, in seconds as if that wall were in UTC.

pub(super) const DAY: i64 = 86_400;

/// Python's `datetime` knows these years.
const FIRST_YEAR: i64 = 1;
const LAST_YEAR: i64 = 9999;

/// The day number of a date; `None` if the calendar has no such day.
pub(super) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let exists = (FIRST_YEAR..=LAST_YEAR).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day);
    exists.then(|| day_number(year, month, day))
}

/// Years begin in March here, so that the leap day is their last.
const fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    // Days from 0000-03-01 to the epoch.
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day number.
pub(super) const fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// The civil times of Python's `datetime`.
pub(super) fn in_range(civil: i64) -> bool {
    let first = day_number(FIRST_YEAR, 1, 1) * DAY;
    let after = day_number(LAST_YEAR + 1, 1, 1) * DAY;
    (first..after).contains(&civil)
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The first of January, whatever the year, and the one after it, as civil times.
pub(super) fn year_bounds(year: i64) -> (i64, i64) {
    (
        day_number(year, 1, 1) * DAY,
        day_number(year + 1, 1, 1) * DAY,
    )
}

/// The day of the year (from 1; beyond the year's ends where the week crosses them) of a weekday
/// (Monday is 0) in a week counted by `%U` (weeks begin on Sunday) or `%W` (on Monday).
pub(super) fn day_of_year(year: i64, week: i64, weekday: i64, from_monday: bool) -> Option<i64> {
    // 1970-01-01 was a Thursday.
    let first = (days(year, 1, 1)? + 3).rem_euclid(7);
    let shift = if from_monday { 0 } else { 1 };
    let (first, weekday) = ((first + shift) % 7, (weekday + shift) % 7);
    if week == 0 {
        return Some(1 + weekday - first);
    }
    Some(1 + (7 - first) % 7 + 7 * (week - 1) + weekday)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_a_thousand_years_comes_back() {
        let mut expected = (1601, 1, 1);
        for number in day_number(1601, 1, 1)..day_number(2601, 1, 1) {
            assert_eq!(date(number), expected);
            let (year, month, day) = expected;
            assert_eq!(days(year, month, day), Some(number));
            expected = if day < days_in_month(year, month) {
                (year, month, day + 1)
            } else if month < 12 {
                (year, month + 1, 1)
            } else {
                (year + 1, 1, 1)
            };
        }
        assert_eq!(day_number(1970, 1, 1), 0);
        assert_eq!(days(2005, 8, 14), Some(1_124_013_600 / DAY));
    }

    #[test]
    fn days_that_do_not_exist_are_none() {
        for (year, month, day) in [
            (0, 1, 1),
            (10_000, 1, 1),
            (2005, 0, 1),
            (2005, 13, 1),
            (2005, 1, 0),
            (2005, 2, 29),
            (1900, 2, 29),
            (2005, 2, 31),
        ] {
            assert_eq!(days(year, month, day), None, "{year}-{month}-{day}");
        }
        assert!(days(2000, 2, 29).is_some());
    }
}
