//! What a program sees of the world, and how it speaks: answers on standard output, and what goes
//! wrong as log lines on standard error, as fail2ban's client does.

use std::fmt;
use std::io::{BufRead, Write};

use jiff::Timestamp;

use crate::config::{Complaint, Firewall, Severity};
use crate::date::Zone;
use crate::model::{Level, Logger, Time};
use crate::protocol::Charset;

/// What is known of the world when a program starts.
pub struct World<'w> {
    /// All variables.
    pub environment: Vec<(String, String)>,
    /// What can enforce bans here.
    pub firewall: Firewall,
    /// What time it is.
    pub clock: fn() -> Time,
    pub input: &'w mut dyn BufRead,
    pub out: &'w mut dyn Write,
    pub err: &'w mut dyn Write,
    /// The least that is logged; `-v` and `-q` change it.
    pub level: Level,
}

impl fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("firewall", &self.firewall)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

impl World<'_> {
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let found = self.environment.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// What the locale says the terminal shows. The plain `C` is UTF-8 to Python, and so to us.
    pub(super) fn charset(&self) -> Charset {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .filter_map(|name| self.variable(name))
            .find(|value| !value.is_empty());
        let name = match locale {
            None | Some("C" | "POSIX") => return Charset::Utf8,
            Some(locale) => locale.split_once('.').map_or("", |(_, charset)| charset),
        };
        let name = name.split('@').next().unwrap_or("");
        if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("utf8") {
            Charset::Utf8
        } else {
            Charset::Ascii
        }
    }

    /// Prints a line. A reader that has gone away (`| head`) is no error of ours.
    pub(super) fn say(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}");
    }

    /// A line on standard error as it is, for programs of our own.
    pub(super) fn say_error(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}");
    }

    /// Logs to standard error.
    pub(super) fn log(&mut self, level: Level, text: &str) {
        self.log_as(Logger::Client, level, text);
    }

    /// What is wrong with the configuration.
    pub(super) fn complain(&mut self, complaint: &Complaint) {
        let level = match complaint.severity {
            Severity::Info => Level::Info,
            Severity::Warning => Level::Warning,
            Severity::Error => Level::Error,
        };
        self.log_as(Logger::Config, level, &complaint.to_string());
    }

    fn log_as(&mut self, logger: Logger, level: Level, text: &str) {
        if level < self.level {
            return;
        }
        let zone = Zone::local(self.variable("TZ"));
        let line = line(&zone, (self.clock)(), logger, level, text);
        let _ = writeln!(self.err, "{line}");
    }
}

/// A line in fail2ban's log format.
pub fn line(zone: &Zone, time: Time, logger: Logger, level: Level, text: &str) -> String {
    let moment = Timestamp::from_microsecond(time.micros()).unwrap_or_default();
    let local = zone.time_zone().to_datetime(moment);
    format!(
        "{},{:03} {:<24}[{}]: {level:<7} {text}",
        local.strftime("%Y-%m-%d %H:%M:%S"),
        time.micros().rem_euclid(1_000_000) / 1000,
        logger.name(),
        std::process::id(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charset(environment: &[(&str, &str)]) -> Charset {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let world = World {
            environment: environment.iter().map(owned).collect(),
            firewall: Firewall::Iptables,
            clock: Time::default,
            input: &mut std::io::empty(),
            out: &mut std::io::sink(),
            err: &mut std::io::sink(),
            level: Level::Warning,
        };
        world.charset()
    }

    #[test]
    fn the_locale_decides_what_tables_are_drawn_with() {
        assert_eq!(charset(&[]), Charset::Utf8);
        assert_eq!(charset(&[("LANG", "C")]), Charset::Utf8);
        assert_eq!(charset(&[("LANG", "de_DE.UTF-8")]), Charset::Utf8);
        assert_eq!(charset(&[("LANG", "de_DE.utf8@euro")]), Charset::Utf8);
        assert_eq!(charset(&[("LANG", "de_DE.ISO-8859-1")]), Charset::Ascii);
        assert_eq!(charset(&[("LANG", "de_DE")]), Charset::Ascii);
        let both = [("LANG", "C.UTF-8"), ("LC_ALL", "ru_RU.KOI8-R")];
        assert_eq!(charset(&both), Charset::Ascii);
        assert_eq!(
            charset(&[("LANG", "C.UTF-8"), ("LC_ALL", "")]),
            Charset::Utf8
        );
    }

    #[test]
    fn errors_are_lines_of_a_log() {
        let zone = Zone::local(Some("UTC"));
        let time = Time::from_micros(1_795_366_767_008_999);
        let text = line(&zone, time, Logger::Client, Level::Error, "NOK: ('x',)");
        let expected = format!(
            "2026-11-22 16:59:27,008 fail2ban                [{}]: ERROR   NOK: ('x',)",
            std::process::id()
        );
        assert_eq!(text, expected);
    }
}
