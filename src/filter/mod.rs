//! One line → a verdict: what a jail's filter makes of a log line.
//!
//! [`Filter`] cuts the date out, searches the regular expressions in fail2ban's order, follows
//! sessions over several lines, and says who failed. It knows no log and no clock: lines, the date
//! found in them and the present come in; failures and things to log go out. A line that matches
//! nothing costs a copy of its text and no allocation.

mod buffer;
mod error;
mod facts;
mod groups;
mod identity;
mod judge;
mod new;
mod session;
mod texts;
mod timing;

use std::sync::Arc;

use crate::date::{Detector, TemplateUse};
use crate::model::{Captured, FailId, Failure, MatchedLine, Record, UseDns};
use crate::pattern::{Regex, RegexSet, Slots};

pub use error::{FilterError, Part, Reason};
pub use judge::{Dated, Entry};
pub use new::Reading;
pub use timing::Moment;

use buffer::Line;
use facts::{Facts, Names};
use groups::Groups;
use session::Sessions;
use timing::Timing;

/// A jail's filter, with all it remembers between lines.
#[derive(Debug)]
pub struct Filter {
    jail: Arc<str>,
    usedns: UseDns,
    thorough: bool,
    tells_helpers: bool,
    brief: bool,
    maxlines: usize,
    prefregex: Option<(RegexSet, Groups)>,
    failregex: RegexSet,
    groups: Vec<Groups>,
    names: Names,
    ignoreregex: RegexSet,
    detector: Detector,
    /// How many of the detector's searches that gave up have been counted.
    dates_given_up: u64,
    date_key: DateKey,
    timing: Timing,
    sessions: Sessions,
    /// The last lines, for `maxlines` above 1.
    buffer: Vec<Arc<Line>>,
    counters: Counters,
    scratch: Scratch,
}

/// Memory used anew for each line.
#[derive(Debug, Default)]
struct Scratch {
    searched: Searched,
    facts: Facts,
    own: Facts,
    pre: Slots,
    fail: Slots,
    ignore: Slots,
}

/// What is searched.
#[derive(Debug, Default)]
struct Searched {
    /// The line without its date, or the last lines, with a final newline.
    line: String,
    /// What `line` was before a match took lines out of it; empty while it is the same.
    first: String,
    /// What prefregex left of it (`<F-CONTENT>`), with a final newline; empty while it is the end of
    /// the line from `content_at` on, as it nearly always is.
    content: String,
    content_at: usize,
}

/// Which date detection a filter needs; filters with equal keys can share what was found in a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DateKey {
    pub datepattern: Option<String>,
    pub logtimezone: Option<String>,
}

/// What a filter makes of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Failure(Failure),
    /// A failure known by a host name only, which is its ID: to be looked up (`usedns`).
    Named(Failure),
    /// Only when thorough or asked for: a match that is no failure by itself (`nofail`, or no ID yet).
    Helper(Helper),
    Log(Record),
}

/// A line that belongs to a session and is no failure, or not yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Helper {
    pub regex: usize,
    /// Whom it is about; `None` when nothing says so yet, or only a name that is to be looked up.
    pub id: Option<FailId>,
    pub data: Captured,
    pub lines: Vec<MatchedLine>,
}

/// What became of the lines so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub lines: u64,
    pub matched: u64,
    /// By ignoreregex, or because they only help other lines.
    pub ignored: u64,
    pub missed: u64,
    /// Older than findtime when the log was first read.
    pub old: u64,
    /// Times a search gave up for want of steps: the sum of `given_up`.
    pub exhausted: u64,
    /// The patterns that gave up, in the order in which they first did, and how often.
    pub given_up: Vec<(Part, u64)>,
    /// How often prefregex matched.
    pub prefregex: u64,
    /// Per failregex.
    pub hits: Vec<u64>,
    /// Per ignoreregex.
    pub ignores: Vec<u64>,
}

impl Counters {
    /// Counts the patterns that gave up in a pass of a set; `part` names one by its place.
    fn give_up(&mut self, slots: &Slots, part: fn(usize) -> Part) {
        for index in slots.given_up() {
            self.gave_up(part(index), 1);
        }
    }

    fn gave_up(&mut self, part: Part, times: u64) {
        self.exhausted += times;
        match self.given_up.iter_mut().find(|(known, _)| *known == part) {
            Some((_, known)) => *known += times,
            None => self.given_up.push((part, times)),
        }
    }
}

impl Filter {
    /// Also try the regular expressions after the first that matches, and report helper lines: for
    /// tests of filters.
    pub const fn set_thorough(&mut self, thorough: bool) {
        self.thorough = thorough;
    }

    /// Lines that only help others are told of too, in operation as well.
    pub const fn set_tells_helpers(&mut self, tells: bool) {
        self.tells_helpers = tells;
    }

    /// Names and IDs are taken as they stand, whatever `usedns` made of the regular expressions.
    pub const fn set_raw(&mut self) {
        self.usedns = UseDns::Raw;
    }

    /// Report neither lines nor what was captured, but for `nofail`: for who only counts.
    pub const fn set_brief(&mut self, brief: bool) {
        self.brief = brief;
    }

    pub const fn date_key(&self) -> &DateKey {
        &self.date_key
    }

    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The failregex list as the client shows it, tags expanded.
    pub fn failregex(&self) -> impl Iterator<Item = &str> {
        self.failregex.iter().map(Regex::resolved)
    }

    /// The ignoreregex list, tags expanded.
    pub fn ignoreregex(&self) -> impl Iterator<Item = &str> {
        self.ignoreregex.iter().map(Regex::resolved)
    }

    /// The prefregex, tags expanded.
    pub fn prefregex(&self) -> Option<&str> {
        let (regex, _) = self.prefregex.as_ref()?;
        Some(regex.get(0).resolved())
    }

    /// Pattern and name of its date template; `None`: the defaults.
    pub fn date_pattern(&self) -> Option<(Option<&str>, &str)> {
        self.detector.pattern()
    }

    pub const fn maxlines(&self) -> usize {
        self.maxlines
    }

    /// Its date templates in the order they are tried now.
    pub fn date_templates(&self) -> impl ExactSizeIterator<Item = TemplateUse<'_>> {
        self.detector.templates()
    }

    /// What was searched last: the line without its date, or the last lines, with a final newline.
    pub fn searched(&self) -> &str {
        self.scratch.searched.first()
    }

    /// The lines kept for regular expressions that span several, oldest first.
    pub fn buffered(&self) -> impl Iterator<Item = MatchedLine> {
        self.buffer.iter().map(|line| line.matched())
    }
}
