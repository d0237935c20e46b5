//! What a date's text says, and the moment that is: fail2ban's rules for what is left out.
//!
//! Fractions of a second are matched and dropped. No year is this year, or the last one if that
//! would be more than a day ahead. No day is today, or yesterday if that would be ahead.

use super::calendar::{self, DAY};
use super::zone::{Clock, fixed_offset};
use crate::pattern::{Regex, Slots};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// Letters of a short name.
const SHORT: usize = 3;

/// Two-digit years, and what else stands for a year up to 2000, are of this century.
const CENTURY: i32 = 2000;

/// A date's parts as they were read, in plain numbers; not yet known to exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) year: Option<i32>,
    pub(super) month: Option<i32>,
    pub(super) day: Option<i32>,
    pub(super) hour: i32,
    pub(super) minute: i32,
    pub(super) second: i32,
    /// Seconds east of UTC.
    pub(super) offset: Option<i32>,
    /// Monday is 0.
    pub(super) weekday: Option<i32>,
    pub(super) day_of_year: Option<i32>,
    /// Week of the year, and whether weeks begin on Monday.
    pub(super) week: Option<(i32, bool)>,
}

/// A moment, and how long the same text goes on meaning it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Seconds since the epoch.
    pub(super) epoch: i64,
    pub(super) guard: Guard,
}

/// While the local clocks show a time from `from` up to `until`, a date that leaves out its year is
/// completed the same way. One that leaves out its day is not worth remembering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guard {
    from: i64,
    until: i64,
}

impl Guard {
    pub(super) const ALWAYS: Self = Self {
        from: i64::MIN,
        until: i64::MAX,
    };

    /// Not even while this very moment lasts.
    const NEVER: Self = Self { from: 0, until: 0 };

    fn within(from: i64, until: i64) -> Self {
        Self { from, until }
    }

    pub(super) fn holds(&self, civil_now: i64) -> bool {
        (self.from..self.until).contains(&civil_now)
    }

    /// Whether `civil_now` is before `bound`; from here on the guard holds while that stays so.
    fn is_before(&mut self, civil_now: i64, bound: i64) -> bool {
        if civil_now < bound {
            self.until = self.until.min(bound);
        } else {
            self.from = self.from.max(bound);
        }
        civil_now < bound
    }
}

impl Fields {
    /// Reads the named groups of a match; `None` if one holds what Python would refuse.
    pub(super) fn read(line: &str, regex: &Regex, slots: &Slots) -> Option<Self> {
        let mut fields = Self::default();
        for (name, group) in regex.groups() {
            let Some(range) = slots.get(*group) else {
                continue;
            };
            let text = &line[range];
            match &**name {
                "y" => {
                    let year = number(text)?;
                    fields.year = Some(if year <= CENTURY {
                        year + CENTURY
                    } else {
                        year
                    });
                }
                "Y" => fields.year = Some(number(text)?),
                "m" => fields.month = Some(number(text)?),
                "B" => fields.month = Some(position(text, &MONTHS, usize::MAX)? + 1),
                "b" => fields.month = Some(position(text, &MONTHS, SHORT)? + 1),
                "d" => fields.day = Some(number(text)?),
                "H" => fields.hour = number(text)?,
                "I" => {
                    let half = regex.group("p").and_then(|group| slots.get(group));
                    fields.hour = of_day(number(text)?, half.map_or("", |range| &line[range]));
                }
                "M" => fields.minute = number(text)?,
                "S" => fields.second = number(text)?,
                "A" => fields.weekday = Some(position(text, &DAYS, usize::MAX)?),
                "a" => fields.weekday = Some(position(text, &DAYS, SHORT)?),
                // Sunday is 0 in the text.
                "w" => fields.weekday = Some(number(text)?.saturating_add(6).rem_euclid(7)),
                "j" => fields.day_of_year = Some(number(text)?),
                "U" => fields.week = Some((number(text)?, false)),
                "W" => fields.week = Some((number(text)?, true)),
                "z" | "Z" => fields.offset = Some(fixed_offset(&plain(text))? * 60),
                _ => {}
            }
        }
        Some(fields)
    }

    /// The moment meant; `None` if there is no such date.
    pub(super) fn moment(&self, clock: &mut Clock, now: i64) -> Option<Moment> {
        let mut guard = Guard::ALWAYS;
        let mut civil_now = 0;
        let no_year = self.year.is_none();
        let no_day = self.month.is_none() && self.day.is_none();
        if no_year || no_day {
            civil_now = clock.civil(now);
        }
        let year = match self.year {
            Some(year) => i64::from(year),
            None => {
                let this = clock.year(civil_now);
                guard = Guard::within(this.from, this.until);
                this.number
            }
        };
        let (year, month, day, assumed) = match self.date(year)? {
            Some((year, month, day)) => (year, month, day, false),
            None => {
                guard = Guard::NEVER;
                let (_, month, day) = calendar::date(civil_now.div_euclid(DAY));
                (year, month, day, true)
            }
        };
        let mut civil = calendar::days(year, month, day)? * DAY + self.time_of_day()?;
        let offset = self.offset.or_else(|| clock.log_offset()).map(i64::from);
        if let Some(offset) = offset {
            civil -= offset;
            if !calendar::in_range(civil) {
                return None;
            }
        }
        // As fail2ban does it, the local time is compared even where `civil` is UTC by now.
        if assumed && civil_now < civil {
            civil -= DAY;
        }
        if no_year && guard.is_before(civil_now, civil - DAY) {
            civil = calendar::days(year - 1, month, day)? * DAY + civil.rem_euclid(DAY);
        }
        let epoch = match offset {
            Some(_) => civil,
            None => clock.epoch(civil)?,
        };
        Some(Moment { epoch, guard })
    }

    /// The date as far as the text names one: `Some(None)` if it does not at all, `None` if only
    /// in part. A day of the year, or a week and weekday, stand in for month and day.
    fn date(&self, year: i64) -> Option<Option<(i64, i64, i64)>> {
        if let (Some(month), Some(day)) = (self.month, self.day) {
            return Some(Some((year, month.into(), day.into())));
        }
        let by_week = match (self.week, self.weekday) {
            (Some((week, from_monday)), Some(weekday)) if self.day_of_year.is_none() => Some(
                calendar::day_of_year(year, week.into(), weekday.into(), from_monday)?,
            ),
            _ => None,
        };
        if let Some(day_of_year) = self.day_of_year.map(i64::from).or(by_week) {
            let first = calendar::days(year, 1, 1)?;
            return Some(Some(calendar::date(first + day_of_year - 1)));
        }
        match (self.month, self.day) {
            (None, None) => Some(None),
            _ => None,
        }
    }

    fn time_of_day(&self) -> Option<i64> {
        let exists = (0..24).contains(&self.hour)
            && (0..60).contains(&self.minute)
            && (0..60).contains(&self.second);
        exists.then_some((self.hour * 3600 + self.minute * 60 + self.second).into())
    }
}

/// The hour of the day of an hour on a clock with AM and PM; AM where neither is said.
fn of_day(hour: i32, half: &str) -> i32 {
    let pm = half.eq_ignore_ascii_case("pm");
    let am = half.is_empty() || half.eq_ignore_ascii_case("am");
    match hour {
        12 if am => 0,
        12 => 12,
        _ if pm => hour.saturating_add(12),
        _ => hour,
    }
}

/// Which of the names, each cut to `length` letters, the text is, in either case.
fn position(text: &str, names: &[&str], length: usize) -> Option<i32> {
    let at = names
        .iter()
        .position(|name| name[..name.len().min(length)].eq_ignore_ascii_case(text))?;
    i32::try_from(at).ok()
}

/// Python's `int()`: white space around is fine, decimal digits of any script are. More than 32
/// bits is no date's.
fn number(text: &str) -> Option<i32> {
    plain(text.trim()).parse().ok()
}

/// The text with decimal digits of any script as ASCII.
pub(super) fn plain(text: &str) -> std::borrow::Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    text.chars()
        .map(|c| digit(c).unwrap_or(c))
        .collect::<String>()
        .into()
}

/// The ASCII digit for a decimal digit of another script: `\d` in a pattern lets it through.
fn digit(c: char) -> Option<char> {
    use std::sync::LazyLock;

    use regex_syntax::hir::{Class, Hir, HirKind};

    static DIGITS: LazyLock<Vec<(u32, u32)>> = LazyLock::new(|| {
        let hir = regex_syntax::parse(r"\p{Nd}").ok();
        match hir.as_ref().map(Hir::kind) {
            Some(HirKind::Class(Class::Unicode(class))) => class
                .ranges()
                .iter()
                .map(|range| (u32::from(range.start()), u32::from(range.end())))
                .collect(),
            _ => Vec::new(),
        }
    });
    let code = u32::from(c);
    let (first, _) = DIGITS
        .iter()
        .find(|(first, last)| (*first..=*last).contains(&code))?;
    // Every script's ten digits stand together, zero first.
    char::from_digit((code - first) % 10, 10)
}
