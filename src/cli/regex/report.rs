//! The report on a log: what matched how often, and the lines that did not; fail2ban's text to the
//! byte.

use std::fmt::Write as _;
use std::io::{self, Write};

use jiff::Timestamp;

use super::judge::{Judge, Match};
use super::options::Options;
use super::{debuggex, python};
use crate::date::Zone;
use crate::model::{Time, UseDns};
use crate::pattern::{self, Regex};

/// Lines of a kind listed without `--print-all-…`, unless `-L` says another number.
const LISTED: usize = 20;

/// Lines of one kind: how many, and those to be listed.
#[derive(Debug, Default)]
struct Kind {
    count: i64,
    listed: Vec<String>,
    /// The same, with the lines before them that matched along.
    stripped: Vec<String>,
}

/// How often a regular expression matched, and for whom.
#[derive(Debug, Default)]
struct Hits {
    regex: String,
    count: u64,
    found: Vec<String>,
}

/// What has been seen of a log.
pub(super) struct Report<'o> {
    options: &'o Options,
    most: usize,
    zone: Zone,
    usedns: UseDns,
    tested: i64,
    matched: Kind,
    missed: Kind,
    ignored: Kind,
    failregex: Vec<Hits>,
    prefregex: Option<Regex>,
    prefregex_hits: u64,
    prefregex_groups: Vec<String>,
    /// Whether it matched last, and how often the filter says it did.
    prefregex_matched: bool,
    prefregex_known: u64,
    /// What it was searched in then.
    prefregex_text: String,
    slots: pattern::Slots,
}

/// The regular expressions a report is about, as they are written.
pub(super) struct Written<'w> {
    pub(super) prefregex: Option<Regex>,
    pub(super) failregex: Vec<&'w str>,
    pub(super) usedns: UseDns,
}

impl<'o> Report<'o> {
    pub(super) fn new(options: &'o Options, written: Written<'_>, zone: Zone) -> Self {
        let hits = |regex: &&str| Hits {
            regex: (*regex).to_owned(),
            ..Hits::default()
        };
        Self {
            options,
            most: match usize::try_from(options.maxlines) {
                Ok(0) | Err(_) => LISTED,
                Ok(most) => most,
            },
            zone,
            usedns: written.usedns,
            tested: 0,
            matched: Kind::default(),
            missed: Kind::default(),
            ignored: Kind::default(),
            failregex: written.failregex.iter().map(hits).collect(),
            prefregex: written.prefregex,
            prefregex_hits: 0,
            prefregex_groups: Vec::new(),
            prefregex_matched: false,
            prefregex_known: 0,
            prefregex_text: String::new(),
            slots: pattern::Slots::new(),
        }
    }

    /// Takes in a line that has been judged; `before` are the lines that were kept for it.
    pub(super) fn take(&mut self, line: &str, judge: &mut Judge, before: Option<Vec<String>>) {
        let mut ignored = false;
        let mut failures = 0;
        for found in judge.matches() {
            // In operation such a line leads to nothing; one that waits for its address counts.
            if self.options.first_only && matches!(found, Match::Helper(_)) {
                continue;
            }
            let hits = &mut self.failregex[found.regex()];
            hits.count += 1;
            if self.options.verbose > 0 {
                let several = failures > 1;
                hits.found.push(seen(&found, judge, several, &self.zone));
            }
            match found {
                Match::Failure(_) | Match::Pending(_) => failures += 1,
                Match::NoFail(_) | Match::Helper(_) => ignored = true,
            }
        }
        let by_regex = judge.took_ignore();
        self.count_prefregex(judge, by_regex);
        ignored |= by_regex;
        let along = before.map_or_else(Vec::new, |before| self.lines_along(&before, judge));
        self.tested += 1;
        if ignored {
            let all = self.options.all_ignored;
            let wanted = !self.options.no_ignored;
            self.ignored
                .take(line, along, wanted, (!all).then_some(self.most));
        } else if failures > 0 {
            self.matched
                .take(line, along, self.options.all_matched, None);
        } else {
            let all = self.options.all_missed;
            let wanted = !self.options.no_missed;
            self.missed
                .take(line, along, wanted, (!all).then_some(self.most));
        }
    }

    /// Counts a match of prefregex. Where few ignoreregexes are asked first, an ignored line leaves
    /// it as it was, and fail2ban counts that.
    fn count_prefregex(&mut self, judge: &Judge, ignored: bool) {
        let Some(regex) = &self.prefregex else {
            return;
        };
        let known = judge.filter.counters().prefregex;
        if !(ignored && judge.asks_ignores_first()) {
            self.prefregex_matched = known != self.prefregex_known;
            if self.options.verbose > 0 {
                self.prefregex_text = judge.filter.searched().to_owned();
            }
        }
        self.prefregex_known = known;
        if !self.prefregex_matched {
            return;
        }
        self.prefregex_hits += 1;
        if self.options.verbose == 0 || self.prefregex_groups.len() > self.most {
            return;
        }
        if self.prefregex_groups.len() == self.most {
            self.prefregex_groups.push("...".to_owned());
            return;
        }
        let text = &self.prefregex_text;
        regex.search(text, &mut self.slots);
        let groups: Vec<String> = regex
            .groups()
            .iter()
            .map(|(name, slot)| {
                let value = self.slots.get(*slot).and_then(|range| text.get(range));
                let value = value.map_or_else(|| "None".to_owned(), python::quoted);
                format!("{}: {value}", python::quoted(name))
            })
            .collect();
        self.prefregex_groups
            .push(format!("{{{}}}", groups.join(", ")));
    }

    /// Lines kept before that this one's match took along: they have been missed until now.
    fn lines_along(&mut self, before: &[String], judge: &Judge) -> Vec<String> {
        let full = before.len() >= judge.filter.maxlines();
        let kept: Vec<String> = judge
            .filter
            .buffered()
            .map(|line| line.text.into_string())
            .collect();
        let mut along = Vec::new();
        for line in &before[usize::from(full)..] {
            if kept.contains(line) {
                continue;
            }
            if let Some(at) = self.missed.listed.iter().position(|missed| missed == line) {
                self.missed.listed.remove(at);
                self.missed.stripped.remove(at);
            }
            if self.options.all_matched {
                if self.options.debuggex {
                    along.push(line.clone());
                } else {
                    self.matched.listed.push(line.clone());
                    self.matched.stripped.push(line.clone());
                }
            }
            self.matched.count += 1;
            self.missed.count -= 1;
        }
        along
    }

    /// Prints it all; `seconds` is how long the log took.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn print(
        &self,
        judge: &Judge,
        ignoreregex: &[&str],
        seconds: f64,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        writeln!(out, "\nResults\n=======")?;
        if let Some(regex) = &self.prefregex {
            let mut lines = vec![regex.resolved().to_owned()];
            lines.extend(self.prefregex_groups.iter().map(|g| format!("    {g}")));
            // What several lines were searched for together is known to the filter alone.
            let hits = match judge.filter.maxlines() {
                1 => self.prefregex_hits,
                _ => judge.filter.counters().prefregex,
            };
            writeln!(out, "\nPrefregex: {hits} total")?;
            list(out, None, &lines)?;
        }
        self.print_hits("Failregex", &self.failregex, out)?;
        let ignores: Vec<Hits> = ignoreregex
            .iter()
            .zip(&judge.filter.counters().ignores)
            .map(|(regex, count)| Hits {
                regex: (*regex).to_owned(),
                count: *count,
                found: Vec::new(),
            })
            .collect();
        self.print_hits("Ignoreregex", &ignores, out)?;
        self.print_dates(judge, out)?;
        writeln!(
            out,
            "\nLines: {} lines, {} ignored, {} matched, {} missed\n[processed in {seconds:.2} sec]\n",
            self.tested, self.ignored.count, self.matched.count, self.missed.count
        )?;
        let fail: Vec<&str> = self.failregex.iter().map(|hits| &*hits.regex).collect();
        if self.options.all_matched {
            self.print_lines(
                ("Matched", self.options.all_matched),
                &self.matched,
                &fail,
                out,
            )?;
        }
        if !self.options.no_ignored {
            let ignored = ("Ignored", self.options.all_ignored);
            self.print_lines(ignored, &self.ignored, ignoreregex, out)?;
        }
        if !self.options.no_missed {
            self.print_lines(
                ("Missed", self.options.all_missed),
                &self.missed,
                &fail,
                out,
            )?;
        }
        Ok(())
    }

    fn print_hits(&self, title: &str, all: &[Hits], out: &mut dyn Write) -> io::Result<()> {
        let total: u64 = all.iter().map(|hits| hits.count).sum();
        let mut lines = Vec::new();
        for (number, hits) in (1..).zip(all) {
            if hits.count > 0 || self.options.verbose > 0 {
                lines.push(format!("{number:2}) [{}] {}", hits.count, hits.regex));
            }
            lines.extend(hits.found.iter().cloned());
        }
        writeln!(out, "\n{title}: {total} total")?;
        list(out, Some(" #) [# of hits] regular expression"), &lines)
    }

    fn print_dates(&self, judge: &Judge, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\nDate template hits:")?;
        let mut lines = Vec::new();
        for template in judge.filter.date_templates() {
            if self.options.verbose == 0 && template.hits == 0 {
                continue;
            }
            lines.push(format!("[{}] {}", template.hits, template.name));
            if self.options.verbose_date {
                lines.push(format!(
                    "    # weight: {:.3} ({:.3}), pattern: {}",
                    template.use_weight,
                    template.weight,
                    template.pattern.unwrap_or_default()
                ));
                lines.push(format!("    # regex:   {}", template.regex));
            }
        }
        list(out, Some("[# of hits] date format"), &lines)
    }

    fn print_lines(
        &self,
        (name, all): (&str, bool),
        kind: &Kind,
        regexes: &[&str],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if kind.count == 0 {
            return Ok(());
        }
        let header = format!("{name} line(s):");
        if !all && kind.count >= self.most as i64 {
            return writeln!(
                out,
                "{header} too many to print.  Use --print-all-{} to print all {} lines",
                name.to_lowercase(),
                kind.count
            );
        }
        if !self.options.debuggex {
            let lines: Vec<String> = kind
                .listed
                .iter()
                .map(|l| l.trim_end().to_owned())
                .collect();
            return list(out, Some(&header), &lines);
        }
        let several = judge_several(self.options);
        let mut lines = Vec::new();
        for line in &kind.stripped {
            for regex in regexes {
                let url = debuggex::url(line, regex, several, self.usedns);
                let mut text = String::new();
                let _ = write!(text, "{line} | {regex} |  {url}");
                lines.push(text.trim_end().to_owned());
            }
        }
        list(out, Some(&header), &lines)
    }
}

impl Kind {
    fn take(&mut self, line: &str, mut along: Vec<String>, wanted: bool, most: Option<usize>) {
        self.count += 1;
        if wanted && most.is_none_or(|most| self.count <= most as i64 + 1) {
            self.listed.push(line.to_owned());
            along.push(line.to_owned());
            self.stripped.push(along.join("\n"));
        }
    }
}

/// Whether regular expressions span several lines, as far as the command line says.
fn judge_several(options: &Options) -> bool {
    options.maxlines > 1
}

/// Who was found when, as `-v` lists it.
fn seen(found: &Match<'_>, judge: &Judge, several: bool, zone: &Zone) -> String {
    let id = match found {
        Match::Failure(failure) | Match::NoFail(failure) => failure.id.to_string(),
        Match::Helper(helper) | Match::Pending(helper) => {
            judge.helper_id(helper).unwrap_or_else(|| "None".to_owned())
        }
    };
    let time = judge.time().map_or_else(|| judge.now(), |shown| shown.time);
    let several = if several {
        " (multiple regex matched)"
    } else {
        ""
    };
    format!("    {id}  {}{several}", clock(time, zone))
}

fn clock(time: Time, zone: &Zone) -> String {
    let moment = Timestamp::from_microsecond(time.micros()).unwrap_or_default();
    let local = zone.time_zone().to_datetime(moment);
    local.strftime("%a %b %d %H:%M:%S %Y").to_string()
}

/// A list as fail2ban draws it; nothing where it is empty.
fn list(out: &mut dyn Write, header: Option<&str>, lines: &[String]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    if let Some(header) = header {
        writeln!(out, "|- {header}")?;
    }
    for line in lines {
        writeln!(out, "|  {line}")?;
    }
    writeln!(out, "`-")
}
