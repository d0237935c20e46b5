//! Judging a line, stage by stage: its date, ignoreregex where that is cheaper, prefregex,
//! failregex, ignoreregex, the session, who it is about.

use std::sync::Arc;

use super::buffer::{Line, Split, Tuple, join, split};
use super::groups::{Groups, text};
use super::identity::{Identity, identify};
use super::timing::{Moment, Oddity, When, warnings};
use super::{Counters, Filter, Helper, Scratch, Verdict};
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
        let exhausted = self.counters.exhausted;
        self.search(tuple, when, moment, out);
        if before == (self.counters.matched, self.counters.ignored) {
            self.counters.missed += 1;
        }
        if exhausted < self.counters.exhausted
            && self.timing.may_tell(Oddity::Exhausted, moment.now)
        {
            let message = format!(
                "A regular expression with back-references gave up on a line of {} bytes; it \
                 counts as not matched.",
                tuple.before.len() + tuple.after.len()
            );
            out.extend(warnings(&self.jail, vec![message]).map(Verdict::Log));
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
            let found = self.lines_of(&lines, tuple, index, content);
            if self.ignored_match(&found, content) {
                self.counters.ignored += 1;
                if self.maxlines > 1 {
                    self.buffer = found.unmatched;
                }
                if self.thorough {
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
            let data = self.captured(index, content);
            if self.maxlines > 1 {
                self.buffer = found.unmatched;
                join(&self.buffer, &mut self.scratch.text);
                content = false;
            }
            let hit = Hit {
                regex: index,
                data,
                lines: found.matched,
            };
            self.conclude(hit, when, moment, out);
            if !self.thorough {
                return;
            }
        }
    }

    /// Writes what is to be searched; returns the lines of the buffer when there are several.
    fn fill(&mut self, tuple: Tuple<'_>) -> Vec<Arc<Line>> {
        if self.maxlines == 1 {
            self.scratch.text.clear();
            tuple.write(&mut self.scratch.text);
            return Vec::new();
        }
        self.buffer.push(Line::new(tuple));
        let surplus = self.buffer.len().saturating_sub(self.maxlines);
        self.buffer.drain(..surplus);
        join(&self.buffer, &mut self.scratch.text);
        self.buffer.clone()
    }

    /// Searches prefregex; `None` when it does not match, else whether it left a content.
    fn prefilter(&mut self) -> Option<bool> {
        let Some((regex, groups)) = &self.prefregex else {
            return Some(false);
        };
        let Scratch {
            text, content, pre, ..
        } = &mut self.scratch;
        if !regex.search(text, pre) {
            self.counters.exhausted += u64::from(pre.exhausted());
            return None;
        }
        let Some(range) = groups
            .slot("content")
            .and_then(|slot| pre.get(slot))
            .filter(|range| !range.is_empty())
        else {
            return Some(false);
        };
        content.clear();
        content.push_str(&text[range]);
        if self.maxlines > 1 {
            // fail2ban puts the content in the place of all lines before it.
            self.buffer = vec![Line::new(Tuple {
                before: "",
                date: "",
                after: content,
            })];
        }
        content.push('\n');
        Some(true)
    }

    fn next_match(&mut self, from: usize, content: bool) -> Option<usize> {
        let Scratch {
            text,
            content: short,
            fail,
            ..
        } = &mut self.scratch;
        let text = if content { short } else { text };
        let found = self.failregex.matches_from(text, from, fail);
        self.counters.exhausted += u64::from(found.is_none() && fail.exhausted());
        found
    }

    /// The lines a match covers, and those that stay in the buffer.
    fn lines_of(
        &self,
        lines: &[Arc<Line>],
        tuple: Tuple<'_>,
        index: usize,
        content: bool,
    ) -> Matched {
        let Scratch {
            text,
            content: short,
            fail,
            ..
        } = &self.scratch;
        if self.maxlines == 1 {
            return Matched {
                matched: vec![tuple.matched()],
                ..Matched::default()
            };
        }
        let text = if content { short } else { text };
        let skipped = skipped(&self.groups[index], text, fail);
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
            text,
            content,
            ignore,
            ..
        } = &mut self.scratch;
        let found = match asked {
            Asked::Text => self.ignoreregex.first(text, ignore),
            Asked::Content => self.ignoreregex.first(content, ignore),
            Asked::Lines(lines) => {
                let mut text = String::new();
                join(lines, &mut text);
                self.ignoreregex.first(&text, ignore)
            }
        };
        if let Some(index) = found {
            self.counters.ignores[index] += 1;
        }
        found.is_some()
    }

    /// What prefregex and a failregex captured; where both did, failregex wins.
    fn captured(&self, index: usize, content: bool) -> Captured {
        let scratch = &self.scratch;
        let mut data = Captured::new();
        if let Some((_, groups)) = &self.prefregex {
            groups.collect(&scratch.text, &scratch.pre, &mut data);
            data.remove("content");
        }
        let text = if content {
            &scratch.content
        } else {
            &scratch.text
        };
        self.groups[index].collect(text, &scratch.fail, &mut data);
        data
    }

    /// From a match to a verdict: its session, and who it is about.
    fn conclude(&mut self, hit: Hit, when: When, moment: &Moment, out: &mut Vec<Verdict>) {
        let Hit {
            regex,
            mut data,
            mut lines,
        } = hit;
        self.counters.hits[regex] += 1;
        let session = text(&data, "mlfid").map(str::to_owned);
        if let Some(key) = &session {
            let merged = self.sessions.merge(key, data, lines, moment.now);
            (data, lines) = (merged.data, merged.lines);
            if merged.nofail {
                self.counters.ignored += 1;
                return self.help(Helper { regex, data, lines }, out);
            }
        }
        let (id, ip, named) = match identify(&data, self.usedns) {
            Identity::Known(id, ip) => (id, ip, false),
            Identity::Name(name) => (FailId::Raw(name.into()), None, true),
            Identity::Nobody => return,
            Identity::Missing => {
                self.counters.ignored += 1;
                match &session {
                    Some(key) => self.sessions.wait(key),
                    None => self.warn_no_id(regex, moment, out),
                }
                return self.help(Helper { regex, data, lines }, out);
            }
        };
        self.counters.matched += 1;
        let mut time = when.time.unwrap_or(moment.now);
        if moment.check_findtime {
            time = time.min(moment.now);
        }
        let failure = Failure {
            id,
            ip,
            time,
            lines,
            data,
            regex,
        };
        out.push(if named {
            Verdict::Named(failure)
        } else {
            Verdict::Failure(failure)
        });
    }

    fn help(&self, helper: Helper, out: &mut Vec<Verdict>) {
        if self.thorough {
            out.push(Verdict::Helper(helper));
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
        let lines: Vec<&str> = found.matched.iter().map(|line| &*line.text).collect();
        let messages = vec![
            format!(
                "Found a match but no valid date/time found for '{}'.",
                tuple.date
            ),
            format!("Match without a timestamp: {}", lines.join("\n")),
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

/// A failregex that matched.
struct Hit {
    regex: usize,
    data: Captured,
    lines: Vec<MatchedLine>,
}

/// The lines of a match.
#[derive(Default)]
struct Matched {
    matched: Vec<MatchedLine>,
    lines: Vec<Arc<Line>>,
    unmatched: Vec<Arc<Line>>,
}

/// What the `<SKIPLINES>` of a match took, one after the other.
fn skipped(groups: &Groups, text: &str, slots: &crate::pattern::Slots) -> String {
    (0..)
        .map_while(|number| groups.slot(&format!("skiplines{number}")))
        .filter_map(|slot| text.get(slots.get(slot)?))
        .collect()
}
