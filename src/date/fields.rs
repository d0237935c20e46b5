//! A matched date's fields as a moment, guessing what the log leaves out as fail2ban does.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};

use super::zone::{self, Zone};
use crate::model::{Span, Time};
use crate::pattern::{Regex, Slots};

/// What a date says, by field.
#[derive(Clone, Copy, Debug, Default)]
struct Fields {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    hour: i8,
    minute: i8,
    second: i8,
    /// Days since Monday.
    weekday: Option<i16>,
    /// Day of the year, from 1.
    yearday: Option<i16>,
    /// Week of the year, and whether it begins on Monday.
    week: Option<(i16, bool)>,
    /// Minutes east of UTC.
    offset: Option<i32>,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The moment of a match; `None` when there is no such date.
pub(super) fn moment(
    regex: &Regex,
    slots: &Slots,
    line: &str,
    zone: &Zone,
    now: Time,
) -> Option<Time> {
    resolve(read(regex, slots, line)?, zone, now)
}

fn read(regex: &Regex, slots: &Slots, line: &str) -> Option<Fields> {
    let mut fields = Fields::default();
    let mut afternoon = None;
    let mut twelve = false;
    for (name, index) in regex.groups() {
        let Some(text) = slots.get(*index).map(|range| &line[range]) else {
            continue;
        };
        match &**name {
            // Two digits are of this century.
            "y" => {
                let year: i16 = text.parse().ok()?;
                fields.year = Some(if year <= 2000 { year + 2000 } else { year });
            }
            // There is no year 0, here as in Python.
            "Y" => fields.year = Some(text.parse().ok().filter(|year| *year > 0)?),
            "m" => fields.month = Some(text.parse().ok()?),
            "b" | "B" => fields.month = Some(named(&MONTHS, text)? as i8 + 1),
            "d" => fields.day = Some(text.trim_start().parse().ok()?),
            "H" => fields.hour = text.parse().ok()?,
            "I" => (fields.hour, twelve) = (text.parse().ok()?, true),
            "p" => afternoon = Some(text.eq_ignore_ascii_case("pm")),
            "M" => fields.minute = text.parse().ok()?,
            "S" => fields.second = text.parse().ok()?,
            "a" | "A" => fields.weekday = Some(named(&WEEKDAYS, text)? as i16),
            // Sunday is 0 in logs.
            "w" => fields.weekday = Some((text.parse::<i16>().ok()? + 6) % 7),
            "j" => fields.yearday = Some(text.parse().ok()?),
            "U" => fields.week = Some((text.parse().ok()?, false)),
            "W" => fields.week = Some((text.parse().ok()?, true)),
            "z" | "Z" => {
                let offset = if text == "Z" {
                    Some(0)
                } else {
                    zone::offset(text)
                };
                fields.offset = Some(offset?);
            }
            _ => {}
        }
    }
    if twelve {
        // Without AM or PM it is taken for AM.
        match (afternoon, fields.hour) {
            (Some(true), 12) => {}
            (Some(true), _) => fields.hour += 12,
            (_, 12) => fields.hour = 0,
            (_, _) => {}
        }
    }
    Some(fields)
}

/// The place of a name by its first three letters, whatever their case.
fn named(names: &[&str], text: &str) -> Option<usize> {
    let start = text.get(..3)?;
    names
        .iter()
        .position(|name| name.eq_ignore_ascii_case(start))
}

fn resolve(mut fields: Fields, zone: &Zone, now: Time) -> Option<Time> {
    let present = zone.civil(now)?;
    let this_year = fields.year.is_none();
    let year = fields.year.unwrap_or_else(|| present.year());
    if fields.month.is_none() || fields.day.is_none() {
        let yearday = fields.yearday.or_else(|| {
            let (week, from_monday) = fields.week?;
            week_day(year, week, fields.weekday?, from_monday)
        });
        if let Some(yearday) = yearday {
            let first = Date::new(year, 1, 1).ok()?;
            let date = first.checked_add(i32::from(yearday - 1).days()).ok()?;
            (fields.month, fields.day) = (Some(date.month()), Some(date.day()));
        }
    }
    let today = fields.month.is_none() && fields.day.is_none();
    let (month, day) = if today {
        (present.month(), present.day())
    } else {
        (fields.month?, fields.day?)
    };
    let written = DateTime::new(
        year,
        month,
        day,
        fields.hour,
        fields.minute,
        fields.second,
        0,
    );
    let mut civil = written.ok()?;
    // From here on a date with a zone is in UTC, and is compared with local time as it stands:
    // that is what fail2ban compares.
    let offset = fields.offset.or_else(|| zone.fixed());
    if let Some(minutes) = offset {
        civil = civil.checked_sub(i64::from(minutes).minutes()).ok()?;
    }
    if today && civil > present {
        civil = civil.checked_sub(1.day()).ok()?;
    }
    // A day of grace for clocks and zones that differ.
    if this_year && civil > present.checked_add(1.day()).ok()? {
        civil = DateTime::new(
            year - 1,
            month,
            day,
            civil.hour(),
            civil.minute(),
            civil.second(),
            0,
        )
        .ok()?;
    }
    match offset {
        Some(_) => {
            let seconds = civil
                .to_zoned(jiff::tz::TimeZone::UTC)
                .ok()?
                .timestamp()
                .as_second();
            Some(Time::from_secs(seconds))
        }
        None => zone.moment(civil),
    }
}

/// The day of the year of a weekday in a week, as C reckons weeks.
fn week_day(year: i16, week: i16, weekday: i16, from_monday: bool) -> Option<i16> {
    let mut first: i16 = Date::new(year, 1, 1)
        .ok()?
        .weekday()
        .to_monday_zero_offset()
        .into();
    let mut day = weekday;
    if !from_monday {
        first = (first + 1) % 7;
        day = (day + 1) % 7;
    }
    let to_week_one: i16 = (7 - first) % 7;
    Some(if week == 0 {
        1 + day - first
    } else {
        1 + to_week_one + 7 * (week - 1) + day
    })
}

/// Digits with or without a fraction as a moment: seconds, or by their number milli- or
/// microseconds.
pub(super) fn epoch(text: &str, long: bool) -> Option<Time> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole_number: i64 = whole.parse().ok()?;
    let micros = format!("{fraction:0<6}").get(..6)?.parse::<i64>().ok()?;
    // The length of the whole text decides, as in fail2ban.
    Some(if !long || text.len() < 13 {
        Time::from_secs(whole_number) + Span::from_micros(micros)
    } else if text.len() >= 16 && fraction.is_empty() && !text.contains('.') {
        Time::from_micros(whole_number)
    } else {
        Time::from_micros(whole_number.checked_mul(1000)? + micros / 1000)
    })
}

/// TAI64N as fail2ban reads it: the seconds' last 60 bits, without leap seconds.
pub(super) fn tai64n(text: &str) -> Option<Time> {
    i64::from_str_radix(text.get(2..17)?, 16)
        .ok()
        .map(Time::from_secs)
}
