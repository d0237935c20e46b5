//! The detector of one filter's dates: finds the date of a line and says what moment it is.

use std::ops::Range;

use super::describe::Said;
use super::error::DateError;
use super::fields::{Fields, Guard, plain};
use super::order::{Groups, Order};
use super::recall::Recall;
use super::scan::{Reading, Scan};
use super::template::Kind;
use super::templates::Templates;
use super::zone::{Clock, Zone};
use crate::model::{Record, Time};
use crate::pattern::Slots;

/// Where a line's date stands, and when it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Bytes to cut from the line before regular expressions see it. Empty if the pattern says
    /// that lines have no date here.
    pub cut: Range<usize>,
    /// `None` if there is no such date (31 February, month 0, an unknown zone) or the cut is
    /// empty.
    pub time: Option<Time>,
    /// The template's number in [`Detector::templates`].
    pub template: usize,
}

/// A date template as operators see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TemplateUse<'a> {
    /// Its number: its place before use changed the order.
    pub number: usize,
    pub name: &'a str,
    /// As written in `datepattern`; fail2ban's own for epoch and TAI64N have none.
    pub pattern: Option<&'a str>,
    pub regex: &'a str,
    /// Lines whose date it found.
    pub hits: u64,
    /// What it was made with: more for the ones bound to the line's begin.
    pub weight: f64,
    /// What decides about its place, by use and by where its dates stand.
    pub use_weight: f64,
}

/// Finds dates in the lines of one log; it learns from what it saw.
#[derive(Debug)]
pub struct Detector {
    order: Order,
    groups: Groups,
    clock: Clock,
    recall: Recall,
    said: Vec<(bool, Record)>,
}

impl Detector {
    /// A detector for the patterns in `datepattern`, one a line; without any, for fail2ban's
    /// default formats. Dates that name no zone are read in `zone`; `today_year` is the current
    /// year, from which `%ExY` expects years up to three ahead.
    pub fn new(datepattern: Option<&str>, zone: &Zone, today_year: i16) -> Result<Self, DateError> {
        let templates = Templates::new(datepattern, today_year)?;
        let said = |said: &Said| (said.is_late(), said.record(&templates));
        Ok(Self {
            said: templates.said.iter().map(said).collect(),
            order: Order::new(templates.list),
            groups: Groups::default(),
            clock: Clock::new(zone.clone()),
            recall: Recall::new(),
        })
    }

    /// The zone of lines from now on (`set JAIL logtimezone`).
    pub fn set_zone(&mut self, zone: &Zone) {
        self.clock = Clock::new(zone.clone());
        self.recall.forget();
    }

    /// The line's date, if there is one. `now` completes dates without year or day, and tells how
    /// long a template has not been used.
    pub fn find(&mut self, line: &str, now: Time) -> Option<Found> {
        if let Some(found) = self.recalled(line, now) {
            return Some(found);
        }
        if let Some(found) = self.scanned_again(line, now) {
            return Some(found);
        }
        let found = self.order.find(line, now, &mut self.groups)?;
        let (time, guard) = match &found.scan {
            _ if found.cut.is_empty() => (None, Guard::ALWAYS),
            Some(Scan { reading, .. }) => self.moment(*reading, now),
            None => match self.reading(line) {
                Some(reading) => self.moment(reading, now),
                None => (None, Guard::ALWAYS),
            },
        };
        let seen = found.seen.map(|seen| &line.as_bytes()[..seen]);
        self.remember(seen, &found.cut, time, guard);
        Some(Found {
            cut: found.cut,
            time,
            template: self.order.last()?.index,
        })
    }

    /// The date of a line that begins like the last one.
    fn recalled(&mut self, line: &str, now: Time) -> Option<Found> {
        let civil_now = self.clock.civil(now.secs());
        let (cut, time) = self.recall.find(line, civil_now)?;
        self.order.again(now);
        Some(Found {
            cut,
            time,
            template: self.order.last()?.index,
        })
    }

    /// The date of a line that has the last one's form, read by hand.
    fn scanned_again(&mut self, line: &str, now: Time) -> Option<Found> {
        let entry = self.order.last()?;
        let template = entry.index;
        let scan = entry.template.scanner?.scan(line)?;
        self.order.again(now);
        let (time, guard) = self.moment(scan.reading, now);
        let cut = scan.start..scan.end;
        let seen = scan.seen.map(|seen| &line.as_bytes()[..seen]);
        self.remember(seen, &cut, time, guard);
        Some(Found {
            cut,
            time,
            template,
        })
    }

    /// Remembers the date, if it is known how much of the line led to it.
    fn remember(
        &mut self,
        seen: Option<&[u8]>,
        cut: &Range<usize>,
        time: Option<Time>,
        guard: Guard,
    ) {
        match seen {
            Some(seen) if time.is_some() => self.recall.keep(seen, cut.clone(), time, guard),
            _ => self.recall.forget(),
        }
    }

    fn moment(&mut self, reading: Reading, now: Time) -> (Option<Time>, Guard) {
        match reading {
            Reading::Moment(time) => (Some(time), Guard::ALWAYS),
            Reading::Fields(fields) => match fields.moment(&mut self.clock, now.secs()) {
                Some(moment) => (Some(Time::from_secs(moment.epoch)), moment.guard),
                None => (None, Guard::ALWAYS),
            },
        }
    }

    /// What the groups of the last match say.
    fn reading(&self, line: &str) -> Option<Reading> {
        let template = &self.order.last()?.template;
        let slots = &self.groups.current;
        match template.kind {
            Kind::Fields => Fields::read(line, template.compiled()?, slots).map(Reading::Fields),
            Kind::Epoch { long, group } => {
                epoch(&line[slots.get(group)?], long).map(Reading::Moment)
            }
            Kind::Tai64n => tai64n(&line[slots.get(1)?]).map(Reading::Moment),
        }
    }

    /// Whether fail2ban has a whole number for the moment of a date found just now, not a float:
    /// where the date, or what was set for all of them (`zoned`), says its zone, and of TAI64N.
    pub fn is_whole(&self, found: &Found, line: &str, zoned: bool) -> bool {
        let mut entries = self.order.entries().iter();
        let Some(entry) = entries.find(|entry| entry.index == found.template) else {
            return false;
        };
        match entry.template.kind {
            Kind::Tai64n => true,
            Kind::Epoch { .. } => false,
            Kind::Fields if zoned => true,
            Kind::Fields => entry.template.compiled().is_some_and(|regex| {
                let zones = ["z", "Z"].into_iter().filter_map(|name| regex.group(name));
                let mut zones = zones.peekable();
                let mut slots = Slots::new();
                zones.peek().is_some()
                    && regex.search(line, &mut slots)
                    && zones.any(|group| slots.get(group).is_some())
            }),
        }
    }

    /// How often a search gave up: a `datepattern` with back-references, or the like, ran out of the
    /// steps a line may cost, and counted as not fitting.
    pub fn exhausted(&self) -> u64 {
        self.groups.exhausted
    }

    /// The templates in the order they are tried now.
    pub fn templates(&self) -> impl ExactSizeIterator<Item = TemplateUse<'_>> {
        self.order.entries().iter().map(|entry| TemplateUse {
            number: entry.index,
            name: &entry.template.name,
            pattern: entry.template.pattern.as_deref(),
            regex: &entry.template.regex,
            hits: entry.hits,
            weight: entry.template.weight,
            use_weight: entry.weight(),
        })
    }

    /// Pattern and name of the first template, where `datepattern` made one or two; `None` stands
    /// for fail2ban's "Default Detectors".
    pub fn pattern(&self) -> Option<(Option<&str>, &str)> {
        let mut templates = self.templates();
        let first = templates.next().filter(|_| templates.len() < 2)?;
        Some((first.pattern, first.name))
    }

    /// What fail2ban logs when a `datepattern` is set.
    pub fn describe(&self) -> impl Iterator<Item = &Record> {
        self.said(false)
    }

    /// What fail2ban logs when the first line is looked at.
    pub fn describe_at_first_line(&self) -> impl Iterator<Item = &Record> {
        self.said(true)
    }

    fn said(&self, late: bool) -> impl Iterator<Item = &Record> {
        self.said
            .iter()
            .filter(move |(is_late, _)| *is_late == late)
            .map(|(_, record)| record)
    }
}

/// Seconds since the epoch; if `long` and of thirteen digits or more, milliseconds, or
/// microseconds.
fn epoch(text: &str, long: bool) -> Option<Time> {
    let text = plain(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let micros = match text.len() {
        16.. if long && whole.len() == text.len() => 1,
        13.. if long => 1000,
        _ => 1_000_000,
    };
    let whole = whole.parse::<i64>().ok()?.checked_mul(micros)?;
    let fraction = match fraction.get(..6).unwrap_or(fraction) {
        "" => 0,
        digits => {
            digits.parse::<u32>().ok().map(i64::from)? * micros / 10_i64.pow(digits.len() as u32)
        }
    };
    Some(Time::from_micros(whole.saturating_add(fraction)))
}

/// A TAI64N label without its leading `@4`. The ten seconds between TAI and UTC of 1970, and all
/// leap seconds since, stay in, as in fail2ban.
fn tai64n(text: &str) -> Option<Time> {
    let secs = i64::from_str_radix(text.get(2..17)?, 16).ok()?;
    Some(Time::from_secs(secs))
}

#[cfg(test)]
mod tests;
