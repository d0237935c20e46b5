//! `--explain`: what became of a line, stage by stage, with carets under what was taken.

use std::io::{self, Write};
use std::ops::Range;

use jiff::Timestamp;

use super::furthest::{Furthest, furthest};
use super::judge::{Judge, Match};
use super::python;
use crate::date::Zone;
use crate::model::{Captured, Time};
use crate::pattern::{Regex, Slots};

/// Explains lines; it has the regular expressions for itself, to see each one alone.
pub(super) struct Explainer {
    prefregex: Option<Regex>,
    failregex: Vec<Regex>,
    zone: Zone,
    slots: Slots,
}

impl Explainer {
    pub(super) fn new(prefregex: Option<Regex>, failregex: Vec<Regex>, zone: Zone) -> Self {
        Self {
            prefregex,
            failregex,
            zone,
            slots: Slots::new(),
        }
    }

    /// Explains the line that was judged last.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn line(
        &mut self,
        line: &str,
        judge: &mut Judge,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        writeln!(out, "Line")?;
        let date = judge.date();
        under(out, line, date.as_ref().map(|(cut, _)| cut.clone()))?;
        self.date(date, judge, out)?;
        let searched = judge.filter.searched().to_owned();
        let searched = searched.strip_suffix('\n').unwrap_or(&searched);
        if let Some(text) = self.content(searched, out)? {
            self.regexes(&text, judge, out)?;
        }
        let ignored = judge.took_ignore();
        self.verdict(judge, ignored, out)?;
        writeln!(out)
    }

    fn date(
        &self,
        date: Option<(Range<usize>, usize)>,
        judge: &Judge,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let time = judge.time().map(|shown| shown.time);
        let Some((cut, number)) = date else {
            return match time {
                Some(time) => writeln!(out, "Date: none here; it counts as {}", self.clock(time)),
                None => writeln!(out, "Date: none found"),
            };
        };
        let mut templates = judge.filter.date_templates();
        let template = templates.find(|template| template.number == number);
        let name = template.map_or("", |template| template.name);
        match time {
            _ if cut.is_empty() => writeln!(out, "Date: none is expected, by {name}"),
            Some(time) => writeln!(out, "Date: {}, by {name}", self.clock(time)),
            None => writeln!(out, "Date: there is no such moment, by {name}"),
        }
    }

    /// What prefregex left of the text; `None` where it does not match.
    fn content(&mut self, text: &str, out: &mut dyn Write) -> io::Result<Option<String>> {
        let Some(regex) = &self.prefregex else {
            return Ok(Some(text.to_owned()));
        };
        let with_newline = format!("{text}\n");
        if !regex.search(&with_newline, &mut self.slots) {
            writeln!(out, "Prefregex: does not match, so nothing else is tried")?;
            if let Some(found) = furthest(regex.resolved(), false, &with_newline) {
                came_so_far(out, regex, text, &found)?;
            }
            return Ok(None);
        }
        let content = regex.group("content").and_then(|slot| self.slots.get(slot));
        let content = content.filter(|range| !range.is_empty());
        match content {
            None => {
                writeln!(out, "Prefregex: matches, and leaves all of it")?;
                Ok(Some(text.to_owned()))
            }
            Some(range) => {
                writeln!(out, "Prefregex: matches, and leaves")?;
                under(out, text, Some(range.clone()))?;
                Ok(Some(with_newline[range].to_owned()))
            }
        }
    }

    fn regexes(&mut self, text: &str, judge: &Judge, out: &mut dyn Write) -> io::Result<()> {
        let several = judge.filter.maxlines() > 1;
        let with_newline = format!("{text}\n");
        let mut any = false;
        for (number, regex) in (1..).zip(&self.failregex) {
            if !regex.search(&with_newline, &mut self.slots) {
                continue;
            }
            any = true;
            let all = self.failregex.len();
            writeln!(out, "Failregex {number} of {all} matches")?;
            under(out, text, Some(self.slots.span()))?;
            writeln!(out, "  {}", regex.resolved())?;
            for (name, slot) in regex.groups() {
                if let Some(value) = self.slots.get(*slot).and_then(|r| with_newline.get(r)) {
                    writeln!(out, "    {name}: {}", python::quoted(value))?;
                }
            }
        }
        if any {
            return Ok(());
        }
        let mut best: Option<(usize, Furthest)> = None;
        for (place, regex) in self.failregex.iter().enumerate() {
            let found = furthest(regex.resolved(), several, &with_newline);
            let Some(found) = found.filter(|found| found.weight > 0) else {
                continue;
            };
            let better =
                |best: &Furthest| (found.weight, found.text.end) > (best.weight, best.text.end);
            if best.as_ref().is_none_or(|(_, best)| better(best)) {
                best = Some((place, found));
            }
        }
        let all = self.failregex.len();
        let Some((place, found)) = best else {
            return writeln!(out, "Failregex: none of {all} matches, nor begins to");
        };
        writeln!(
            out,
            "Failregex: none of {all} matches; {} comes furthest",
            place + 1
        )?;
        came_so_far(out, &self.failregex[place], text, &found)
    }

    fn verdict(&self, judge: &Judge, ignored: bool, out: &mut dyn Write) -> io::Result<()> {
        if ignored {
            return writeln!(out, "Verdict: ignored, an ignoreregex matches");
        }
        let mut any = false;
        for found in judge.matches() {
            any = true;
            match found {
                Match::Failure(failure) => {
                    let time = self.clock(failure.time);
                    writeln!(out, "Verdict: a failure of {} at {time}", failure.id)?;
                    data(&failure.data, out)?;
                }
                Match::NoFail(_) | Match::Helper(_) => {
                    writeln!(out, "Verdict: no failure by itself (nofail)")?;
                }
                Match::Pending(_) => writeln!(
                    out,
                    "Verdict: a failure whose address another line of the session must tell"
                )?,
            }
        }
        if any {
            Ok(())
        } else {
            writeln!(out, "Verdict: no failure")
        }
    }

    fn clock(&self, time: Time) -> String {
        let moment = Timestamp::from_microsecond(time.micros()).unwrap_or_default();
        let local = self.zone.time_zone().to_datetime(moment);
        format!("{} ({:?})", local.strftime("%F %T"), time.as_secs_f64())
    }
}

fn data(data: &Captured, out: &mut dyn Write) -> io::Result<()> {
    for (name, datum) in data {
        writeln!(out, "    {name}: {}", python::datum(name, datum))?;
    }
    Ok(())
}

/// How far an expression came, in the text and in itself.
fn came_so_far(out: &mut dyn Write, regex: &Regex, text: &str, found: &Furthest) -> io::Result<()> {
    let end = found.text.end.min(text.len());
    under(out, text, Some(found.text.start.min(end)..end))?;
    under(out, regex.resolved(), Some(0..found.regex))
}

/// A text, and carets under a part of it; what is no plain character is shown as Python writes it.
fn under(out: &mut dyn Write, text: &str, part: Option<Range<usize>>) -> io::Result<()> {
    writeln!(out, "  {}", shown(text))?;
    // The newline that a match may take stands behind the text.
    let part = part.map(|part| part.start.min(text.len())..part.end.min(text.len()));
    let Some(part) = part.filter(|part| !part.is_empty()) else {
        return Ok(());
    };
    let width = |text: &str| shown(text).chars().count();
    let (before, under) = (width(&text[..part.start]), width(&text[part]));
    writeln!(out, "  {}{}", " ".repeat(before), "^".repeat(under))
}

/// A text on one line.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}
