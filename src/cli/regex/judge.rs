//! Lines to verdicts, as the tool sees them: every regular expression is tried, names are looked
//! up, dates count as they are.

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::ops::Range;

use jiff::Timestamp;

use crate::date::{Found, Zone};
use crate::filter::{Dated, Entry, Filter, Helper, Moment, Verdict};
use crate::model::{Captured, Datum, FailId, Failure, Level, Network, Span, Time};

/// Lines between two looks at the clock.
const LINES_PER_LOOK: u32 = 1024;

/// A line without a date has the last one's, up to this age: fail2ban's number.
const LAST: Span = Span::from_secs(60);

/// Names kept with what the DNS said.
const NAMES: usize = 10_000;

/// How lines are judged.
#[derive(Debug)]
pub(super) struct Way {
    /// Judge as if it were this moment.
    pub(super) now: Option<Time>,
    /// Lines are entries of a journal that come now.
    pub(super) as_journal: bool,
    /// The least of the filter's own log that is printed.
    pub(super) level: Level,
    /// Local time.
    pub(super) zone: Zone,
    /// Times are printed as Python has them.
    pub(super) pythons: bool,
}

pub(super) struct Judge {
    pub(super) filter: Filter,
    way: Way,
    clock: fn() -> Time,
    moment: Moment,
    until_look: u32,
    /// The date a journal's entry has before its text.
    entry_date: String,
    /// The time of the journal's entry that is judged next, where it does not come now.
    entry_time: Option<Time>,
    found: Vec<Verdict>,
    /// How often ignoreregexes matched, up to the last line.
    ignores: u64,
    has_ignores: bool,
    names: HashMap<String, Vec<IpAddr>>,
    last_date: Option<Shown>,
    /// The time of the last line, where it has one.
    time: Option<Shown>,
    /// Where the last line's date stood, and the number of its template.
    date: Option<(Range<usize>, usize)>,
}

/// A line's time, as fail2ban knows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shown {
    pub(super) time: Time,
    /// Python has a whole number for it.
    pub(super) whole: bool,
}

/// What a regular expression found in a line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Match<'j> {
    Failure(&'j Failure),
    /// By itself no failure, though it may say who.
    NoFail(&'j Failure),
    /// A line of a session that only helps others.
    Helper(&'j Helper),
    /// A failure of which nothing says yet who it was.
    Pending(&'j Helper),
}

fn is_nofail(data: &Captured) -> bool {
    match data.get("nofail") {
        Some(Datum::Text(text)) => !text.is_empty(),
        Some(Datum::List(_)) => true,
        None => false,
    }
}

impl Match<'_> {
    pub(super) fn regex(&self) -> usize {
        match self {
            Self::Failure(failure) | Self::NoFail(failure) => failure.regex,
            Self::Helper(helper) | Self::Pending(helper) => helper.regex,
        }
    }

    pub(super) const fn data(&self) -> &Captured {
        match self {
            Self::Failure(failure) | Self::NoFail(failure) => &failure.data,
            Self::Helper(helper) | Self::Pending(helper) => &helper.data,
        }
    }
}

impl Judge {
    pub(super) fn new(filter: Filter, way: Way, clock: fn() -> Time) -> Self {
        let now = way.now.unwrap_or_else(clock);
        let has_ignores = filter.ignoreregex().next().is_some();
        let mut judge = Self {
            has_ignores,
            filter,
            clock,
            moment: Moment {
                now,
                in_operation: true,
                findtime: Span::from_secs(600),
                check_findtime: false,
            },
            until_look: LINES_PER_LOOK,
            entry_date: String::new(),
            entry_time: None,
            way,
            found: Vec::new(),
            ignores: 0,
            names: HashMap::new(),
            last_date: None,
            time: None,
            date: None,
        };
        judge.entry_date = judge.iso(now);
        judge
    }

    /// Judges a line; what was found is in [`Self::matches`], what is to be logged goes to `log`.
    pub(super) fn line(&mut self, line: &str, log: &mut dyn FnMut(Level, &str)) {
        self.look();
        self.found.clear();
        if self.way.as_journal {
            let entry = Entry {
                line,
                date: &self.entry_date,
                time: self.entry_time.unwrap_or(self.moment.now),
            };
            self.time = Some(Shown {
                time: entry.time,
                whole: false,
            });
            self.date = None;
            self.filter
                .judge_entry(entry, &self.moment, &mut self.found);
        } else {
            let found = self.filter.find_date(line, self.moment.now);
            self.time = self.time_of(found.as_ref(), line);
            self.date = found.as_ref().map(|f| (f.cut.clone(), f.template));
            let dated = Dated { line, found };
            self.filter.judge(&dated, &self.moment, &mut self.found);
        }
        if !self.found.is_empty() {
            self.settle(log);
        }
    }

    /// What the last line's time is to fail2ban.
    fn time_of(&mut self, found: Option<&Found>, line: &str) -> Option<Shown> {
        let near = self.moment.now - LAST;
        let recent = self.last_date.filter(|last| last.time > near);
        let now = Shown {
            time: self.moment.now,
            whole: false,
        };
        match found {
            Some(found) if found.cut.is_empty() => recent.or(Some(now)),
            Some(found) => {
                let Some(time) = found.time else {
                    return recent;
                };
                let whole = self.way.pythons && self.filter.is_whole(found, line);
                self.last_date = Some(Shown { time, whole });
                self.last_date
            }
            None => recent,
        }
    }

    /// The time of the last line; `None` when it has no date and none is near.
    pub(super) fn time(&self) -> Option<Shown> {
        self.time
    }

    /// Where the last line's date stood, and the number of the template that found it.
    pub(super) fn date(&self) -> Option<(Range<usize>, usize)> {
        self.date.clone()
    }

    /// What was found in the last line, in the order of the regular expressions.
    pub(super) fn matches(&self) -> impl Iterator<Item = Match<'_>> {
        self.found.iter().filter_map(|verdict| match verdict {
            Verdict::Failure(failure) | Verdict::Named(failure) => {
                Some(match is_nofail(&failure.data) {
                    true => Match::NoFail(failure),
                    false => Match::Failure(failure),
                })
            }
            Verdict::Helper(helper) => Some(match is_nofail(&helper.data) {
                true => Match::Helper(helper),
                false => Match::Pending(helper),
            }),
            Verdict::Log(_) => None,
        })
    }

    pub(super) fn now(&self) -> Time {
        self.moment.now
    }

    /// Whether an ignoreregex matched in the lines since this was asked last.
    pub(super) fn took_ignore(&mut self) -> bool {
        if !self.has_ignores {
            return false;
        }
        let sum = self.filter.counters().ignores.iter().sum();
        std::mem::replace(&mut self.ignores, sum) != sum
    }

    /// Whom a helper line is about; `None` when that is not known yet.
    pub(super) fn helper_id(&self, helper: &Helper) -> Option<String> {
        helper.id.as_ref().map(ToString::to_string)
    }

    /// Whether ignoreregexes are asked before prefregex: there are few of them.
    pub(super) fn asks_ignores_first(&self) -> bool {
        self.filter.ignoreregex().count() + 2 < self.filter.failregex().count()
    }

    fn look(&mut self) {
        if self.way.now.is_some() {
            return;
        }
        self.until_look -= 1;
        if self.until_look == 0 {
            self.until_look = LINES_PER_LOOK;
            self.moment.now = (self.clock)();
            if self.way.as_journal && self.entry_time.is_none() {
                self.entry_date = self.iso(self.moment.now);
            }
        }
    }

    pub(super) fn is_journal(&self) -> bool {
        self.way.as_journal
    }

    /// The next line is an entry of this time. What the entry's date looks like before its text.
    pub(super) fn set_entry_time(&mut self, time: Time) -> &str {
        self.entry_date = self.iso(time);
        self.entry_time = Some(time);
        &self.entry_date
    }

    fn iso(&self, time: Time) -> String {
        let moment = Timestamp::from_microsecond(time.micros()).unwrap_or_default();
        let local = self.way.zone.time_zone().to_datetime(moment);
        local.strftime("%Y-%m-%dT%H:%M:%S ").to_string()
    }

    /// Tells what is to be told, and puts addresses in the place of names.
    fn settle(&mut self, log: &mut dyn FnMut(Level, &str)) {
        for verdict in &self.found {
            if let Verdict::Log(record) = verdict
                && record.level >= self.way.level
            {
                log(record.level, &record.message);
            }
        }
        if !self
            .found
            .iter()
            .any(|verdict| matches!(verdict, Verdict::Named(_)))
        {
            return;
        }
        let found = std::mem::take(&mut self.found);
        for verdict in found {
            let Verdict::Named(failure) = verdict else {
                self.found.push(verdict);
                continue;
            };
            for address in self.addresses(&failure.id.to_string()) {
                let id = FailId::Net(Network::host(address));
                self.found.push(Verdict::Failure(Failure {
                    id,
                    ..failure.clone()
                }));
            }
        }
    }

    fn addresses(&mut self, name: &str) -> Vec<IpAddr> {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let mut found: Vec<IpAddr> = (name, 0)
            .to_socket_addrs()
            .map_or_else(|_| Vec::new(), |all| all.map(|one| one.ip()).collect());
        found.sort_unstable();
        found.dedup();
        if self.names.len() >= NAMES {
            self.names.clear();
        }
        self.names.insert(name.to_owned(), found.clone());
        found
    }
}
