//! From the options to a filter that is ready: what is read, what overrides it, and what is told of
//! that before the first line.

use super::options::Options;
use super::subject::{self, NoSubject, Subject};
use super::{Stop, python};
use crate::cli::{FAILED, World, configuration};
use crate::config::shell_words;
use crate::date::{Detector, Zone};
use crate::filter::{Filter, FilterError, Part, Reading, Reason};
use crate::model::{FilterSettings, Level, Origin, Time, UseDns};
use crate::pattern::{self, Cause, Regex};

/// One call of the tool.
pub(super) struct Tool<'o> {
    pub(super) options: &'o Options,
    /// Nothing but results is printed.
    quiet: bool,
    /// Local time.
    pub(super) zone: Zone,
    pub(super) usedns: UseDns,
    pub(super) now: Option<Time>,
    /// The least of the filter's own log that is printed.
    pub(super) level: Level,
}

/// What is tried.
pub(super) struct Tried {
    pub(super) settings: FilterSettings,
    pub(super) filter: Filter,
}

impl Tool<'_> {
    /// Prints a line that is no result.
    pub(super) fn tell(&self, world: &mut World<'_>, text: &str) {
        if !self.quiet {
            world.say(text);
        }
    }

    /// Says why it ends here: beside the report, or on standard error where only results belong on
    /// standard output.
    pub(super) fn fail(&self, world: &mut World<'_>, text: &str) -> Stop {
        if self.quiet {
            world.say_error(text);
        } else {
            world.say(text);
        }
        Stop::With(FAILED)
    }

    /// What a regular expression is read with.
    pub(super) fn pattern_options(&self, several_lines: bool) -> pattern::Options {
        pattern::Options {
            multiline: several_lines,
            addresses_only: self.usedns == UseDns::No,
        }
    }

    /// The expressions of a filter, compiled once more for whoever looks at one alone.
    pub(super) fn compiled(&self, settings: &FilterSettings) -> (Option<Regex>, Vec<Regex>) {
        let prefregex = settings.prefregex.as_deref();
        let prefregex = prefregex.and_then(|r| Regex::new(r, self.pattern_options(false)).ok());
        let options = self.pattern_options(settings.maxlines > 1);
        let failregex = settings.failregex.iter();
        let failregex = failregex.filter_map(|(r, _)| Regex::new(r, options).ok());
        (prefregex, failregex.collect())
    }
}

/// Reads options and filter.
pub(super) fn read<'o>(
    options: &'o Options,
    world: &mut World<'_>,
) -> Result<(Tool<'o>, Tried), Stop> {
    let mut tool = Tool {
        options,
        quiet: options.out.is_some() || options.json || options.explain,
        zone: Zone::local(world.variable("TZ")),
        usedns: UseDns::Warn,
        now: None,
        level: Level::Critical,
    };
    tool.tell(world, "\nRunning tests\n=============\n");
    if let Err(problem) = tool.understand() {
        return Err(tool.fail(world, &format!("ERROR: {problem}")));
    }
    let year = tool.year(world);
    tool.tell_options(year, world)?;
    let subject = tool.subject(world)?;
    let settings = tool.override_settings(subject, world)?;
    let reading = Reading {
        jail: "",
        usedns: tool.usedns,
        logtimezone: options.timezone.as_deref(),
        local: &tool.zone,
        year,
    };
    match Filter::new(&settings, &reading) {
        Ok(mut filter) => {
            filter.set_thorough(!options.first_only && options.out.is_none());
            if options.raw {
                filter.set_raw();
            }
            if options.datepattern.is_none() && settings.datepattern.is_some() {
                let pattern = settings.datepattern.as_deref().unwrap_or_default();
                tool.tell_pattern(pattern, filter.date_pattern(), world);
            }
            if let Some(ignore) = options.words.get(2) {
                tool.tell(world, &subject::line("ignoreregex", ignore));
            }
            Ok((tool, Tried { settings, filter }))
        }
        Err(error) => {
            if let (Part::Ignoreregex(_), Some(ignore)) = (error.part, options.words.get(2)) {
                tool.tell(world, &subject::line("ignoreregex", ignore));
            }
            let told = told(&error, &settings);
            Err(tool.fail(world, &told))
        }
    }
}

impl Tool<'_> {
    /// The options' texts become values.
    fn understand(&mut self) -> Result<(), String> {
        let options = self.options;
        if let Some(text) = &options.log_level {
            self.level = level(text).ok_or_else(|| format!("Invalid log level '{text}'"))?;
        }
        if let Some(text) = &options.now {
            let seconds: Option<f64> = text.parse().ok().filter(|s: &f64| s.is_finite());
            let seconds = seconds.ok_or_else(|| {
                format!("--now takes seconds since the epoch such as 1124013600, not '{text}'")
            })?;
            self.now = Some(Time::from_secs_f64(seconds));
        }
        // fail2ban calls anything else a mistake, and takes the safe way.
        self.usedns = match options.usedns.as_deref().map(str::to_lowercase).as_deref() {
            None | Some("warn") => UseDns::Warn,
            Some("yes") => UseDns::Yes,
            Some("raw") => UseDns::Raw,
            Some(_) => UseDns::No,
        };
        if options.raw && self.usedns != UseDns::No {
            self.usedns = UseDns::Raw;
        }
        if options.maxlines < 0 {
            return Err("maxlines must be integer greater than zero".to_owned());
        }
        Ok(())
    }

    /// The year that bounds those looked for: the present one, or a later one asked for.
    fn year(&self, world: &World<'_>) -> i16 {
        let year = |time: Time| {
            let moment = jiff::Timestamp::from_microsecond(time.micros()).unwrap_or_default();
            self.zone.time_zone().to_datetime(moment).year()
        };
        let present = year((world.clock)());
        self.now.map_or(present, |now| present.max(year(now)))
    }

    /// What overrides the filter is told first, and checked.
    fn tell_options(&self, year: i16, world: &mut World<'_>) -> Result<(), Stop> {
        if self.options.maxlines > 0 {
            let told = format!("Use         maxlines : {}", self.options.maxlines);
            self.tell(world, &told);
        }
        let mut zone = self.zone.clone();
        if let Some(text) = &self.options.timezone {
            zone = match zone.with_offset(text) {
                Ok(zone) => zone,
                Err(_) => {
                    let why = format!("ERROR: Unknown or unsupported time zone: '{text}'");
                    return Err(self.fail(world, &why));
                }
            };
        }
        let Some(pattern) = &self.options.datepattern else {
            return Ok(());
        };
        match Detector::new(Some(pattern), &zone, year) {
            Ok(detector) => {
                self.tell_pattern(pattern, detector.pattern(), world);
                Ok(())
            }
            Err(error) => {
                let why = format!("ERROR: Failed to set datepattern '{pattern}': {error}");
                Err(self.fail(world, &why))
            }
        }
    }

    fn tell_pattern(
        &self,
        pattern: &str,
        made: Option<(Option<&str>, &str)>,
        world: &mut World<'_>,
    ) {
        let name = made.map_or("Default Detectors", |(_, name)| name);
        self.tell(world, &format!("Use      datepattern : {pattern} : {name}"));
    }

    fn subject(&self, world: &mut World<'_>) -> Result<Subject, Stop> {
        let journal = self.options.as_journal || super::log::is_journal(&self.options.words[0]);
        let backend = if journal { "systemd" } else { "auto" };
        let (conf, vendor) = (self.options.config.clone(), self.options.vendor.clone());
        let inputs = configuration::inputs(conf, vendor, Vec::new(), world);
        match subject::find(&self.options.words[1], &inputs, backend) {
            Ok(subject) => {
                for line in &subject.told {
                    self.tell(world, line);
                }
                if self.options.verbose > 1 && subject.spec.is_some() {
                    let real = python::dict(&subject.trial.real);
                    self.tell(world, &format!("Real  filter options : {real}"));
                }
                Ok(subject)
            }
            Err(NoSubject { told, why }) => {
                for line in told {
                    self.tell(world, &line);
                }
                Err(self.fail(world, &why.join("\n")))
            }
        }
    }

    /// The filter's settings with what the command line says over them.
    fn override_settings(
        &self,
        subject: Subject,
        world: &mut World<'_>,
    ) -> Result<FilterSettings, Stop> {
        let mut settings = subject.trial.settings;
        if let Ok(lines) = usize::try_from(self.options.maxlines)
            && lines > 0
        {
            settings.maxlines = lines;
        } else if subject.trial.maxlines_given {
            let told = format!("Use         maxlines : {}", settings.maxlines);
            self.tell(world, &told);
        }
        if let Some(pattern) = &self.options.datepattern {
            settings.datepattern = Some(pattern.clone());
        }
        if let Some(matches) = &self.options.journalmatch {
            settings.journalmatch = match shell_words(matches) {
                Ok(words) => vec![words],
                Err(problem) => {
                    let why = format!("ERROR: {problem} in the journalmatch '{matches}'");
                    return Err(self.fail(world, &why));
                }
            };
        }
        if let Some(ignore) = self.options.words.get(2) {
            let origin = Origin::CommandLine("IGNOREREGEX".to_owned());
            settings.ignoreregex = vec![(ignore.clone(), origin)];
        }
        Ok(settings)
    }
}

/// A level by fail2ban's names or Python's numbers.
fn level(text: &str) -> Option<Level> {
    const LEVELS: [Level; 9] = [
        Level::HeavyDebug,
        Level::TraceDebug,
        Level::Debug,
        Level::Msg,
        Level::Info,
        Level::Notice,
        Level::Warning,
        Level::Error,
        Level::Critical,
    ];
    if let Ok(number) = text.parse::<u8>() {
        return LEVELS.into_iter().find(|level| *level as u8 >= number);
    }
    match text.to_uppercase().as_str() {
        "HEAVYDEBUG" => Some(Level::HeavyDebug),
        "TRACEDEBUG" => Some(Level::TraceDebug),
        "WARN" => Some(Level::Warning),
        "FATAL" => Some(Level::Critical),
        name => LEVELS.into_iter().find(|level| level.to_string() == name),
    }
}

/// What is wrong with a filter, in fail2ban's words as far as it has them, and then where.
fn told(error: &FilterError, settings: &FilterSettings) -> String {
    let mut text = match &error.reason {
        Reason::Pattern(wrong) if *wrong.cause() == Cause::Empty => {
            "ERROR: Cannot add empty regex".to_owned()
        }
        Reason::Pattern(wrong) => format!(
            "ERROR: Unable to compile regular expression '{}':\n{wrong}\n{}",
            wrong.pattern(),
            wrong.caret()
        ),
        Reason::Date(wrong) => match &settings.datepattern {
            Some(pattern) => format!("ERROR: Failed to set datepattern '{pattern}': {wrong}"),
            None => format!("ERROR: {wrong}"),
        },
        Reason::NoFailureId(regex) => format!("ERROR: No failure-id group in '{regex}'"),
    };
    if let Some(origin @ Origin::File(..)) = &error.origin {
        text.push_str(&format!("\n{origin}: {}", error.part));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_go_by_name_and_number() {
        assert_eq!(level("debug"), Some(Level::Debug));
        assert_eq!(level("HEAVYDEBUG"), Some(Level::HeavyDebug));
        assert_eq!(level("21"), Some(Level::Notice));
        assert_eq!(level("nonsense"), None);
    }
}
