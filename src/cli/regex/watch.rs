//! The lines of a log, one after the other, to the judge and on to what is printed.

use std::io::{BufWriter, Read, Write};

use super::Stop;
use super::explain::Explainer;
use super::json::Json;
use super::judge::{Judge, Way};
use super::lines::Lines;
use super::log::Log;
use super::out::{Form, Printer};
use super::profile::Profile;
use super::report::{Report, Written};
use super::setup::{Tool, Tried};
use crate::cli::{FAILED, World};
use crate::model::{FilterSettings, Level, Time};
use crate::source::LINE_MAX;
use crate::source::journal::{JournalMatch, JournalPlace, read_once};

/// Bytes of output kept before they are written.
const OUTPUT: usize = 64 * 1024;

/// What becomes of verdicts.
enum Kind<'o> {
    Report(Box<Report<'o>>),
    Failures(Box<Printer>),
    Json(Json),
    Explain(Box<Explainer>),
}

/// Judges a log and prints what is asked for.
pub(super) fn run(
    tool: &Tool<'_>,
    tried: Tried,
    log: Log,
    world: &mut World<'_>,
) -> Result<(), Stop> {
    let clock = world.clock;
    let began = clock();
    let kind = kind(tool, &tried.settings);
    let way = Way {
        now: tool.now,
        as_journal: tool.options.as_journal || matches!(log, Log::Journal(..)),
        level: tool.level,
        zone: tool.zone.clone(),
        pythons: matches!(&kind, Kind::Failures(printer) if printer.shows_times()),
    };
    let profile = tool.options.profile.then(|| {
        let (prefregex, failregex) = tool.compiled(&tried.settings);
        Profile::new(prefregex, failregex, clock)
    });
    let mut filter = tried.filter;
    filter.set_brief(matches!(kind, Kind::Report(_)) && tool.options.verbose == 0);
    filter.set_tells_helpers(match &kind {
        Kind::Report(_) => true,
        Kind::Failures(printer) => printer.shows_rows(),
        Kind::Json(_) | Kind::Explain(_) => false,
    });
    let judge = Judge::new(filter, way, clock);
    let World {
        input, out, err, ..
    } = world;
    let mut out = BufWriter::with_capacity(OUTPUT, &mut **out);
    let mut watch = Watch {
        tool,
        kind,
        judge,
        out: &mut out,
        err: &mut **err,
        told_cut: false,
        profile,
    };
    let read = match log {
        Log::File(file, encoding) => watch.lines(Lines::new(file, encoding)),
        Log::Input(encoding) => watch.lines(Lines::new(&mut **input, encoding)),
        Log::Text(text) => text.split('\n').try_for_each(|line| watch.line(line)),
        Log::Journal(place, expression) => watch.journal(place, expression, began),
    };
    read?;
    watch.finish(&tried.settings, (began, clock()))?;
    Ok(out.flush()?)
}

fn kind<'o>(tool: &Tool<'o>, settings: &FilterSettings) -> Kind<'o> {
    let options = tool.options;
    if options.json {
        return Kind::Json(Json::default());
    }
    let (prefregex, failregex) = tool.compiled(settings);
    if options.explain {
        let explainer = Explainer::new(prefregex, failregex, tool.zone.clone());
        return Kind::Explain(Box::new(explainer));
    }
    if let Some(form) = &options.out {
        let printer = Printer::new(Form::parse(form), prefregex.as_ref(), &failregex);
        return Kind::Failures(Box::new(printer));
    }
    let written = Written {
        prefregex,
        failregex: settings.failregex.iter().map(|(r, _)| &**r).collect(),
        usedns: tool.usedns,
    };
    Kind::Report(Box::new(Report::new(options, written, tool.zone.clone())))
}

struct Watch<'w, 'o> {
    tool: &'w Tool<'o>,
    kind: Kind<'o>,
    judge: Judge,
    out: &'w mut dyn Write,
    err: &'w mut dyn Write,
    /// It has been said that a line was cut.
    told_cut: bool,
    profile: Option<Profile>,
}

impl Watch<'_, '_> {
    fn lines<R: Read>(&mut self, mut lines: Lines<R>) -> Result<(), Stop> {
        loop {
            let line = match lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(()),
                Err(error) => {
                    let _ = writeln!(self.err, "ERROR: cannot read the log: {error}");
                    let _ = self.out.flush();
                    return Err(Stop::With(FAILED));
                }
            };
            if line.cut && !std::mem::replace(&mut self.told_cut, true) {
                let _ = writeln!(
                    self.err,
                    "A line is longer than {LINE_MAX} bytes: its beginning is judged, the rest is \
                     skipped. This is said once."
                );
            }
            self.line(line.text)?;
        }
    }

    /// The entries of a journal, each with its own time.
    fn journal(
        &mut self,
        place: JournalPlace,
        expression: JournalMatch,
        now: Time,
    ) -> Result<(), Stop> {
        let mut ended = Ok(());
        let (files, failed) = read_once(place, expression, now, &mut |entry| {
            let dated = format!("{}{}", self.judge.set_entry_time(entry.time), entry.line);
            ended = self.judged(&entry.line, &dated);
            ended.is_ok()
        });
        for (path, error) in failed {
            let _ = writeln!(self.err, "ERROR: cannot read {}: {error}", path.display());
        }
        if files == 0 {
            let _ = writeln!(self.err, "No journal is there, or none that may be read.");
        }
        ended
    }

    fn line(&mut self, line: &str) -> Result<(), Stop> {
        let line = line.trim_end_matches(['\r', '\n']);
        self.judged(line, line)
    }

    /// Judges a line that is `shown` so.
    fn judged(&mut self, line: &str, shown: &str) -> Result<(), Stop> {
        // The journal knows no comments.
        if !self.judge.is_journal() && (line.is_empty() || line.starts_with('#')) {
            if let Kind::Json(json) = &mut self.kind {
                json.skipped(self.out)?;
            }
            return Ok(());
        }
        let before = match &self.kind {
            Kind::Report(_) if self.judge.filter.maxlines() > 1 => {
                let lines = self.judge.filter.buffered();
                Some(lines.map(|line| line.text.into_string()).collect())
            }
            _ => None,
        };
        let (out, err) = (&mut *self.out, &mut *self.err);
        let json = matches!(self.kind, Kind::Json(_));
        self.judge.line(line, &mut |level, message| {
            let told = told(level, message);
            let _ = match json {
                true => writeln!(err, "{told}"),
                false => writeln!(out, "{told}"),
            };
        });
        if let Some(profile) = &mut self.profile {
            profile.take(self.judge.filter.searched());
        }
        match &mut self.kind {
            Kind::Report(report) => report.take(shown, &mut self.judge, before),
            Kind::Failures(printer) => {
                let any = match self.tool.options.invert {
                    true => printer.print(&self.judge, &mut std::io::sink())?,
                    false => printer.print(&self.judge, self.out)?,
                };
                if self.tool.options.invert && !any {
                    writeln!(self.out, "{shown}")?;
                }
            }
            Kind::Json(json) => json.line(&mut self.judge, self.out)?,
            Kind::Explain(explainer) => explainer.line(line, &mut self.judge, self.out)?,
        }
        Ok(())
    }

    fn finish(
        mut self,
        settings: &FilterSettings,
        (began, ended): (Time, Time),
    ) -> Result<(), Stop> {
        if let Kind::Report(report) = &self.kind {
            let ignoreregex: Vec<&str> = settings.ignoreregex.iter().map(|(r, _)| &**r).collect();
            let seconds = (ended - began).as_secs_f64();
            report.print(&self.judge, &ignoreregex, seconds, self.out)?;
        }
        if let Some(profile) = &mut self.profile {
            profile.print(self.out)?;
        }
        Ok(())
    }
}

/// A line of the filter's own log, as fail2ban's tool shows it.
fn told(level: Level, message: &str) -> String {
    let initial = level.to_string();
    format!("{}: {message}", initial.get(..1).unwrap_or_default())
}
