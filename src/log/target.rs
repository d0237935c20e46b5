//! Reads `logtarget`: a name or a file, and options in brackets (fail2ban § 10.7).

use std::fmt;
use std::path::{Path, PathBuf};

use super::format::{Format, FormatError};

/// Where the log goes, and how its lines look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As configured, without options; what `get logtarget` prints.
    name: String,
    place: Place,
    format: Format,
    remark: Option<String>,
}

/// The kinds of target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    File(PathBuf),
    /// `STDOUT`, and `SYSOUT`, which is the same without a date.
    Stdout,
    Stderr,
    /// With its facility's number, as `<syslog.h>` shifts it.
    Syslog(u8),
    Journal,
}

/// Why a `logtarget` cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetError {
    Empty,
    /// The text in which an option should have been.
    Syntax(String),
    Format(FormatError),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("logtarget is empty; name a file, STDERR or SYSLOG"),
            Self::Syntax(text) => {
                write!(f, "logtarget: '{text}' is not a list of option=\"value\"")
            }
            Self::Format(error) => write!(f, "logtarget: {error}"),
        }
    }
}

impl std::error::Error for TargetError {}

/// `<syslog.h>`'s facilities, by the names Python's logging knows.
const FACILITIES: &[(&str, u8)] = &[
    ("KERN", 0),
    ("USER", 1),
    ("MAIL", 2),
    ("DAEMON", 3),
    ("AUTH", 4),
    ("SYSLOG", 5),
    ("LPR", 6),
    ("NEWS", 7),
    ("UUCP", 8),
    ("CRON", 9),
    ("AUTHPRIV", 10),
    ("FTP", 11),
    ("NTP", 12),
    ("SECURITY", 13),
    ("CONSOLE", 14),
    ("SOLCRON", 15),
    ("LOCAL0", 16),
    ("LOCAL1", 17),
    ("LOCAL2", 18),
    ("LOCAL3", 19),
    ("LOCAL4", 20),
    ("LOCAL5", 21),
    ("LOCAL6", 22),
    ("LOCAL7", 23),
];

/// fail2ban's facility where none, or no known one, is asked for.
pub(super) const DAEMON: u8 = 3;

impl Target {
    /// Reads `logtarget` as configured: `/var/log/fail2ban.log`, `SYSLOG[facility=AUTH]`,
    /// `STDOUT[format="%(message)s"]`. Names are recognised in any case.
    pub fn parse(source: &str) -> Result<Self, TargetError> {
        let (name, options) = options(source.trim())?;
        let option = |key: &str| {
            let found = options.iter().rev().find(|(name, _)| *name == key);
            found.map(|(_, value)| *value)
        };
        let mut remark = None;
        let upper = name.to_uppercase();
        let place = match upper.as_str() {
            "" => return Err(TargetError::Empty),
            "STDOUT" | "SYSOUT" => Place::Stdout,
            "STDERR" => Place::Stderr,
            "SYSTEMD-JOURNAL" => Place::Journal,
            "SYSLOG" => Place::Syslog(facility(option("facility"), &mut remark)),
            _ => Place::File(PathBuf::from(name)),
        };
        let datetime = option("datetime").map_or(upper != "SYSLOG" && upper != "SYSOUT", is_true);
        let padding = option("padding").map_or(upper != "SYSLOG", is_true);
        let format = match option("format") {
            _ if place == Place::Journal => Format::bare(),
            Some(format) if !format.is_empty() => {
                Format::parse(format).map_err(TargetError::Format)?
            }
            _ => Format::standard(datetime, padding),
        };
        Ok(Self {
            name: name.to_owned(),
            place,
            format,
            remark,
        })
    }

    /// The file at `path` with fail2ban's line format.
    pub fn file(path: &Path) -> Self {
        Self {
            name: path.display().to_string(),
            place: Place::File(path.to_owned()),
            format: Format::standard(true, true),
            remark: None,
        }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What was wrong and got fail2ban's default instead, in a sentence to log.
    pub fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }

    pub(super) fn line_format(&self) -> Format {
        self.format.clone()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn facility(name: Option<&str>, remark: &mut Option<String>) -> u8 {
    let Some(name) = name else { return DAEMON };
    let upper = name.to_uppercase();
    match FACILITIES.iter().find(|(known, _)| *known == upper) {
        Some((_, number)) => *number,
        None => {
            *remark = Some(format!("Unable to set facility '{name}', using 'DAEMON'"));
            DAEMON
        }
    }
}

/// fail2ban's reading of a switch (fail2ban § 1.6).
fn is_true(value: &str) -> bool {
    ["1", "on", "true", "yes"].contains(&value.to_lowercase().as_str())
}

type Options<'a> = Vec<(&'a str, &'a str)>;

/// Splits `name[key=value, key="value"]` (fail2ban § 1.5).
fn options(source: &str) -> Result<(&str, Options<'_>), TargetError> {
    let Some((name, rest)) = source.split_once('[') else {
        return Ok((source, Vec::new()));
    };
    let syntax = |text: &str| TargetError::Syntax(text.to_owned());
    let inside = rest.strip_suffix(']').ok_or_else(|| syntax(rest))?;
    let mut found = Vec::new();
    let mut rest = inside.trim();
    while !rest.is_empty() {
        let (key, value) = rest.split_once('=').ok_or_else(|| syntax(rest))?;
        let value = value.trim_start();
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                value[1..].split_once(quote).ok_or_else(|| syntax(value))?
            }
            _ => value.split_at(value.find([',', ']']).unwrap_or(value.len())),
        };
        found.push((key.trim(), value.trim()));
        let after = after.trim_start();
        rest = match after.strip_prefix(',').or_else(|| after.strip_prefix("][")) {
            Some(next) => next.trim_start(),
            None if after.is_empty() => after,
            None => return Err(syntax(after)),
        };
    }
    Ok((name.trim(), found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(source: &str) -> Target {
        Target::parse(source).expect(source)
    }

    #[test]
    fn every_target_is_recognised_in_any_case() {
        for (source, place) in [
            ("/var/log/f2b.log", Place::File("/var/log/f2b.log".into())),
            ("STDOUT", Place::Stdout),
            ("sysout", Place::Stdout),
            ("stderr", Place::Stderr),
            ("SYSLOG", Place::Syslog(DAEMON)),
            ("Syslog[facility=auth]", Place::Syslog(4)),
            ("SYSTEMD-JOURNAL", Place::Journal),
        ] {
            assert_eq!(*parse(source).place(), place, "{source}");
        }
        assert_eq!(parse("syslog[facility=LOCAL7]").to_string(), "syslog");
    }

    #[test]
    fn the_defaults_of_each_target_are_fail2bans() {
        let of = |source| parse(source).line_format();
        assert_eq!(of("/x"), Format::standard(true, true));
        assert_eq!(of("STDOUT"), Format::standard(true, true));
        assert_eq!(of("SYSOUT"), Format::standard(false, true));
        assert_eq!(of("SYSLOG"), Format::standard(false, false));
        assert_eq!(of("SYSTEMD-JOURNAL"), Format::bare());
    }

    #[test]
    fn options_change_the_line() {
        let of = |source| parse(source).line_format();
        assert_eq!(
            of("/x[datetime=off, padding='no']"),
            Format::standard(false, false)
        );
        assert_eq!(
            of("SYSOUT[datetime=on][padding=off]"),
            Format::standard(true, false)
        );
        assert_eq!(of("STDOUT[format=\"%(message)s\",]"), Format::bare());
        assert_eq!(of("STDERR[format='']"), Format::standard(true, true));
    }

    #[test]
    fn an_unknown_facility_becomes_daemon_and_says_so() {
        let target = parse("SYSLOG[facility=nope]");
        assert_eq!(*target.place(), Place::Syslog(DAEMON));
        assert_eq!(
            target.remark(),
            Some("Unable to set facility 'nope', using 'DAEMON'")
        );
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for source in [
            "",
            "STDOUT[",
            "STDOUT[x]",
            "STDOUT[x=\"1\" y=2]",
            "STDOUT[x='1]",
        ] {
            assert!(Target::parse(source).is_err(), "{source}");
        }
        let error = Target::parse("STDOUT[format=\"%(what)s\"]").expect_err("an error");
        assert!(
            error
                .to_string()
                .starts_with("logtarget: unknown log field")
        );
    }

    #[test]
    fn no_facility_stands_twice() {
        for (index, (name, number)) in FACILITIES.iter().enumerate() {
            assert_eq!(*number as usize, index, "{name}");
            assert!(FACILITIES[..index].iter().all(|(other, _)| other != name));
        }
    }
}
