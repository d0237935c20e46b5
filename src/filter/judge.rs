//! Judging a line, stage by stage: its date, ignoreregex where that is cheaper, prefregex,
//! failregex, ignoreregex, the session, who it is about.

use std::ops::Range;
use std::sync::Arc;

use super::buffer::{Line, Split, Tuple, join, split};
use super::facts::{Facts, MLFID};
use super::identity::{Identity, identify};
use super::session::Merged;
use super::texts::Covered;
use super::timing::{Moment, Oddity, When, warnings};
use super::{Counters, Filter, Helper, Part, Scratch, Searched, Verdict};
use crate::date::Found;
use crate::model::{Captured, FailId, Failure, Level, Logger, MatchedLine, Record, Time};

/// A line of a log file, without its newline, and the date found in it.
#[derive(Clone, Debug)]
pub struct Dated<'a> {
    pub line: &'a str,
    pub found: Option<Found>,
}

/// An entry of a journal: no date is looked for in its text.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub line: &'a str,
    /// The time as it stands before the line in matches, with the space between.
    pub date: &'a str,
    pub time: Time,
}

impl Filter {
    /// Looks for the date in a line. Filters with the same `date_key` that read the same log may
    /// share the answer.
    pub fn find_date(&mut self, line: &str, now: Time) -> Option<Found> {
        self.detector.find(line, now)
    }

    /// Whether fail2ban has a whole number for the time of a date found just now, not a float.
    pub fn is_whole(&self, found: &Found, line: &str) -> bool {
        let set = self.date_key.logtimezone.as_deref();
        let zoned = set.is_some_and(|zone| !zone.is_empty());
        self.detector.is_whole(found, line, zoned)
    }

    /// Judges a line of a file; what is found is added to `out`.
    pub fn judge(&mut self, dated: &Dated<'_>, moment: &Moment, out: &mut Vec<Verdict>) {
        let line = dated.line;
        if let Some(found) = &dated.found
            && let Some(time) = found.time
            && !found.cut.is_empty()
        {
            let tuple = Tuple::cut(line, &found.cut);
            self.timing.dated(tuple.date, time);
            return self.judge_at(tuple, When::dated(time), moment, out);
        }
        let last_text = std::mem::take(&mut self.timing.last_text);
        let (tuple, when) = self.place(dated, &last_text, moment, out);
        self.judge_at(tuple, when, moment, out);
        self.timing.last_text = last_text;
    }

    /// Judges an entry of a journal.
    pub fn judge_entry(&mut self, entry: Entry<'_>, moment: &Moment, out: &mut Vec<Verdict>) {
        self.timing.dated(entry.date, entry.time);
        let tuple = Tuple {
            before: "",
            date: entry.date,
            after: entry.line,
        };
        self.judge_at(tuple, When::dated(entry.time), moment, out);
    }

    /// What time a line means that has no date, an empty one, or one that cannot be read.
    fn place<'a>(
        &mut self,
        dated: &Dated<'a>,
        last_text: &'a str,
        moment: &Moment,
        out: &mut Vec<Verdict>,
    ) -> (Tuple<'a>, When) {
        let (cut, empty) = match &dated.found {
            Some(found) => (Tuple::cut(dated.line, &found.cut), found.cut.is_empty()),
            None => (Tuple::cut(dated.line, &(0..0)), false),
        };
        if dated.found.is_some() && !empty && self.timing.may_tell(Oddity::Unreadable, moment.now) {
            let message = format!("findFailure failed to parse timeText: {}", cut.date);
            let record = Record::new(Level::Error, Logger::Filter, message);
            out.push(Verdict::Log(record));
        }
        let time = self.timing.recent(moment.now);
        if let Some(last) = time {
            let as_last = Tuple {
                before: "",
                date: last_text,
                after: dated.line,
            };
            let undated = !empty;
            return (
                as_last,
                When {
                    undated,
                    ..When::dated(last)
                },
            );
        }
        if empty {
            return (cut, When::dated(moment.now));
        }
        let simulated = moment.check_findtime && moment.in_operation;
        let when = When {
            time: simulated.then_some(moment.now),
            undated: true,
        };
        (cut, when)
    }

    fn judge_at(&mut self, tuple: Tuple<'_>, when: When, moment: &Moment, out: &mut Vec<Verdict>) {
        self.counters.lines += 1;
        let known = self.counters.given_up.len();
        let dates = self.detector.exhausted();
        if dates > self.dates_given_up {
            let times = dates - self.dates_given_up;
            self.counters.gave_up(Part::Datepattern, times);
            self.dates_given_up = dates;
        }
        let jail = &self.jail;
        let fitted = self.timing.fit(when, moment, |mut messages| {
            let line = [tuple.before, tuple.date, tuple.after].concat();
            messages.push(format!(
                "Please check a jail for a timing issue. Line with odd timestamp: {line}"
            ));
            out.extend(warnings(jail, messages).map(Verdict::Log));
        });
        let Some(when) = fitted else {
            self.counters.old += 1;
            return;
        };
        let before = (self.counters.matched, self.counters.ignored);
        self.search(tuple, when, moment, out);
        if before == (self.counters.matched, self.counters.ignored) {
            self.counters.missed += 1;
        }
        // Each pattern is told of once: the next time it is in the list already.
        if known < self.counters.given_up.len() {
            let length = tuple.before.len() + tuple.after.len();
            let new = self.counters.given_up[known..].iter();
            let messages = new.map(|&(part, _)| self.gave_up(part, length)).collect();
            out.extend(warnings(&self.jail, messages).map(Verdict::Log));
        }
    }

    /// fail2ban's `findFailure`.
    fn search(&mut self, tuple: Tuple<'_>, when: When, moment: &Moment, out: &mut Vec<Verdict>) {
        let lines = self.fill(tuple);
        // With few ignoreregexes it is cheaper to ask them first.
        let few = self.ignoreregex.len() + 2 < self.failregex.len();
        if few && !self.ignoreregex.is_empty() && self.is_ignored(Asked::Text) {
            self.counters.ignored += 1;
            return;
        }
        let Some(by_content) = self.prefilter() else {
            return;
        };
        let mut from = 0;
        let mut content = by_content;
        while let Some(index) = self.next_match(from, content) {
            from = index + 1;
            let found = self.lines_of(&lines, index, content);
            if self.ignored_match(&found, content) {
                self.counters.ignored += 1;
                if self.maxlines > 1 {
                    self.buffer = found.unmatched;
                }
                // The lines of the match are gone: there is nothing left for the others.
                if self.thorough && self.maxlines == 1 {
                    continue;
                }
                return;
            }
            if when.undated {
                self.warn_undated(tuple, &found, moment, out);
                if when.time.is_none() && moment.check_findtime {
                    continue;
                }
            }
            self.capture(index, content);
            if self.maxlines > 1 {
                self.buffer = found.unmatched;
                join(&self.buffer, self.scratch.searched.other_text());
                content = false;
            }
            let hit = Hit {
                regex: index,
                lines: match self.maxlines {
                    1 => Covered::One(tuple),
                    _ => Covered::Several(&found.matched),
                },
            };
            let anybody = self.conclude(hit, when, moment, out);
            if self.thorough {
                continue;
            }
            if anybody {
                return;
            }
            // Of a match that says nobody the lines are gone, but fail2ban goes on with the others;
            // with nothing but a newline where there was one line.
            if self.maxlines == 1 {
                self.scratch.searched.other_text().push('\n');
                content = false;
            }
        }
    }

    /// Writes what is to be searched; returns the lines of the buffer when there are several.
    fn fill(&mut self, tuple: Tuple<'_>) -> Vec<Arc<Line>> {
        if self.maxlines == 1 {
            tuple.write(self.scratch.searched.new_text());
            return Vec::new();
        }
        self.buffer.push(Line::new(tuple));
        let surplus = self.buffer.len().saturating_sub(self.maxlines);
        self.buffer.drain(..surplus);
        join(&self.buffer, self.scratch.searched.new_text());
        self.buffer.clone()
    }

    /// Searches prefregex; `None` when it does not match, else whether it left a content.
    fn prefilter(&mut self) -> Option<bool> {
        let Some((regex, groups)) = &mut self.prefregex else {
            return Some(false);
        };
        let Scratch { searched, pre, .. } = &mut self.scratch;
        if regex.first(searched.text(false), pre).is_none() {
            self.counters.give_up(pre, |_| Part::Prefregex);
            return None;
        }
        self.counters.prefregex += 1;
        let Some(range) = groups
            .content()
            .and_then(|slot| pre.get(slot))
            .filter(|range| !range.is_empty())
        else {
            return Some(false);
        };
        if self.maxlines > 1 {
            // fail2ban puts the content in the place of all lines before it.
            self.buffer = vec![Line::new(Tuple {
                before: "",
                date: "",
                after: &searched.text(false)[range.clone()],
            })];
        }
        searched.narrow(range);
        Some(true)
    }

    fn next_match(&mut self, from: usize, content: bool) -> Option<usize> {
        let Scratch { searched, fail, .. } = &mut self.scratch;
        let found = self
            .failregex
            .matches_from(searched.text(content), from, fail);
        self.counters.give_up(fail, Part::Failregex);
        found
    }

    /// The lines a match covers, and those that stay in the buffer, where there can be several.
    fn lines_of(&self, lines: &[Arc<Line>], index: usize, content: bool) -> Matched {
        if self.maxlines == 1 {
            return Matched::default();
        }
        let text = self.scratch.searched.text(content);
        let fail = &self.scratch.fail;
        let skipped = self.groups[index].skipped(text, fail);
        let Split { matched, unmatched } = split(lines, text, fail.span(), &skipped);
        Matched {
            matched: matched.iter().map(|line| line.matched()).collect(),
            lines: matched,
            unmatched,
        }
    }

    fn ignored_match(&mut self, found: &Matched, content: bool) -> bool {
        if self.ignoreregex.is_empty() {
            return false;
        }
        if self.maxlines == 1 {
            let asked = if content { Asked::Content } else { Asked::Text };
            return self.is_ignored(asked);
        }
        self.is_ignored(Asked::Lines(&found.lines))
    }

    fn is_ignored(&mut self, asked: Asked<'_>) -> bool {
        let Scratch {
            searched, ignore, ..
        } = &mut self.scratch;
        let mut joined = String::new();
        let text = match asked {
            Asked::Text => searched.text(false),
            Asked::Content => searched.text(true),
            Asked::Lines(lines) => {
                join(lines, &mut joined);
                &joined
            }
        };
        let mut next = 0;
        while let Some(index) = self.ignoreregex.matches_from(text, next, ignore) {
            self.counters.give_up(ignore, Part::Ignoreregex);
            self.counters.ignores[index] += 1;
            next = index + 1;
            // A test of a filter counts all that match.
            if !self.thorough {
                return true;
            }
        }
        self.counters.give_up(ignore, Part::Ignoreregex);
        next > 0
    }

    /// Notes what prefregex and a failregex captured; where both did, failregex wins.
    fn capture(&mut self, index: usize, content: bool) {
        let Scratch {
            searched,
            pre,
            fail,
            facts,
            own,
            ..
        } = &mut self.scratch;
        facts.clear();
        if let Some((_, groups)) = &self.prefregex {
            groups.collect(searched.first(), pre, facts, own);
        }
        self.groups[index].collect(searched.text(content), fail, facts, own);
    }

    /// From a match to a verdict: its session, and who it is about; `false` where neither is told.
    fn conclude(
        &mut self,
        hit: Hit<'_>,
        when: When,
        moment: &Moment,
        out: &mut Vec<Verdict>,
    ) -> bool {
        self.counters.hits[hit.regex] += 1;
        let mut facts = std::mem::take(&mut self.scratch.facts);
        let in_session = facts.text(MLFID).is_some();
        let merged = in_session.then(|| self.sessions.merge(&mut facts, hit.lines, moment.now));
        let identity = match merged {
            Some(merged) if merged.nofail => None,
            Some(merged) => Some(identify(&self.sessions.session(merged).facts, self.usedns)),
            None => Some(identify(&facts, self.usedns)),
        };
        let anybody = merged.is_some() || !matches!(identity, Some(Identity::Missing));
        let mut waits = false;
        let known: fn(Failure) -> Verdict = Verdict::Failure;
        let report = match identity {
            Some(Identity::Known(id, ip)) => Some((known, id, ip)),
            Some(Identity::Name(name)) => Some((
                Verdict::Named as fn(Failure) -> Verdict,
                FailId::Raw(name.into()),
                None,
            )),
            Some(Identity::Nobody) => None,
            Some(Identity::Missing) => {
                match merged {
                    Some(_) => waits = true,
                    None => self.warn_no_id(hit.regex, moment, out),
                }
                self.help(hit, &facts, merged, out);
                None
            }
            None => {
                self.help(hit, &facts, merged, out);
                None
            }
        };
        if let Some((verdict, id, ip)) = report {
            self.counters.matched += 1;
            let (data, lines) = self.reported(hit, &facts, merged);
            out.push(verdict(Failure {
                id,
                ip,
                time: time(when, moment),
                lines,
                data,
                regex: hit.regex,
            }));
        }
        if let Some(merged) = merged {
            self.sessions.settle(merged, waits);
        }
        self.scratch.facts = facts;
        anybody
    }

    fn help(
        &mut self,
        hit: Hit<'_>,
        facts: &Facts,
        merged: Option<Merged>,
        out: &mut Vec<Verdict>,
    ) {
        self.counters.ignored += 1;
        if self.thorough || self.tells_helpers {
            let known = match merged {
                Some(merged) => identify(&self.sessions.session(merged).facts, self.usedns),
                None => identify(facts, self.usedns),
            };
            let id = match known {
                Identity::Known(id, _) => Some(id),
                Identity::Name(_) | Identity::Nobody | Identity::Missing => None,
            };
            let (data, lines) = self.reported(hit, facts, merged);
            out.push(Verdict::Helper(Helper {
                regex: hit.regex,
                id,
                data,
                lines,
            }));
        }
    }

    /// Data and lines of a match as they are reported, with those of its session.
    fn reported(
        &self,
        hit: Hit<'_>,
        facts: &Facts,
        merged: Option<Merged>,
    ) -> (Captured, Vec<MatchedLine>) {
        if self.brief {
            let facts = merged.map_or(facts, |merged| &self.sessions.session(merged).facts);
            return (self.names.briefly(facts), Vec::new());
        }
        match merged {
            None => (self.names.captured(facts, None), hit.lines.to_vec()),
            Some(merged) => {
                let session = self.sessions.session(merged);
                let data = self.names.captured(&session.facts, Some(&session.users));
                (data, session.lines.to_vec())
            }
        }
    }

    fn warn_undated(
        &mut self,
        tuple: Tuple<'_>,
        found: &Matched,
        moment: &Moment,
        out: &mut Vec<Verdict>,
    ) {
        if !self.timing.may_tell(Oddity::Undated, moment.now) {
            return;
        }
        let lines = match self.maxlines {
            1 => [tuple.before, tuple.date, tuple.after].concat(),
            _ => {
                let lines: Vec<&str> = found.matched.iter().map(|line| &*line.text).collect();
                lines.join("\n")
            }
        };
        let messages = vec![
            format!(
                "Found a match but no valid date/time found for '{}'.",
                tuple.date
            ),
            format!("Match without a timestamp: {lines}"),
            "Please try setting a custom date pattern (see man page jail.conf(5)).".to_owned(),
        ];
        out.extend(warnings(&self.jail, messages).map(Verdict::Log));
    }

    fn warn_no_id(&mut self, regex: usize, moment: &Moment, out: &mut Vec<Verdict>) {
        if self.timing.may_tell(Oddity::NoId, moment.now) {
            let message = format!(
                "[{}] failregex {} matched, but no group that says whom: '{}'",
                self.jail,
                regex + 1,
                self.failregex.get(regex).resolved()
            );
            let record = Record::new(Level::Error, Logger::Filter, message);
            out.push(Verdict::Log(record));
        }
    }

    /// What to tell of a pattern that gave up on a line.
    fn gave_up(&self, part: Part, length: usize) -> String {
        let regex = match part {
            Part::Failregex(index) => Some(self.failregex.get(index)),
            Part::Ignoreregex(index) => Some(self.ignoreregex.get(index)),
            Part::Datepattern | Part::Logtimezone => None,
            Part::Prefregex => self.prefregex.as_ref().map(|(regex, _)| regex.get(0)),
        };
        let dates = self.date_key.datepattern.as_deref();
        let shown = regex.map_or(dates.unwrap_or_default(), |regex| regex.resolved());
        let advice = match regex {
            regex if regex.is_none_or(|regex| !regex.is_linear()) => {
                "it has back-references, atomic groups or captures in look-aheads, which may take \
                 any time, and is stopped at a budget. Write it without them, or bound its \
                 repetitions"
            }
            _ => "the line is too long for it. Bound its repetitions, or log shorter lines",
        };
        format!(
            "{part} gave up on a line of {length} bytes, which counts as not matched by it: \
             {advice}. Further lines are counted in 'rban status {}': '{}'",
            self.jail, shown
        )
    }

    /// Forgets what is between lines: the buffer, sessions and the last date.
    pub fn reset(&mut self) {
        self.buffer.clear();
        self.sessions = super::Sessions::default();
        self.timing = super::Timing::default();
        let (hits, ignores) = (self.failregex.len(), self.ignoreregex.len());
        self.counters = Counters {
            hits: vec![0; hits],
            ignores: vec![0; ignores],
            ..Counters::default()
        };
    }

    /// Sessions open, for `status`.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }
}

/// What an ignoreregex is asked about.
#[derive(Clone, Copy)]
enum Asked<'a> {
    Text,
    Content,
    Lines(&'a [Arc<Line>]),
}

/// A failregex that matched, and where.
#[derive(Clone, Copy)]
struct Hit<'a> {
    regex: usize,
    lines: Covered<'a>,
}

/// When a failure happened.
fn time(when: When, moment: &Moment) -> Time {
    let time = when.time.unwrap_or(moment.now);
    match moment.check_findtime {
        true => time.min(moment.now),
        false => time,
    }
}

/// The lines of a match.
#[derive(Default)]
struct Matched {
    matched: Vec<MatchedLine>,
    lines: Vec<Arc<Line>>,
    unmatched: Vec<Arc<Line>>,
}

impl Searched {
    /// The line, or what prefregex left of it.
    pub(super) fn text(&self, content: bool) -> &str {
        if !content {
            &self.line
        } else if self.content.is_empty() {
            &self.line[self.content_at..]
        } else {
            &self.content
        }
    }

    /// What was searched at first, by prefregex too.
    pub(super) fn first(&self) -> &str {
        match self.first.is_empty() {
            true => &self.line,
            false => &self.first,
        }
    }

    /// Where a new line is to be written.
    fn new_text(&mut self) -> &mut String {
        self.first.clear();
        self.line.clear();
        &mut self.line
    }

    /// Where that is to be written which is searched once a match has taken its lines.
    fn other_text(&mut self) -> &mut String {
        if self.first.is_empty() {
            self.first = std::mem::take(&mut self.line);
        }
        self.line.clear();
        &mut self.line
    }

    /// This part of the line is its content.
    fn narrow(&mut self, range: Range<usize>) {
        self.content.clear();
        self.content_at = range.start;
        if range.end + 1 != self.line.len() || !self.line.ends_with('\n') {
            self.content.push_str(&self.line[range]);
            self.content.push('\n');
        }
    }
}
