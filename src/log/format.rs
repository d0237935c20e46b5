//! Python's `%(name)s` log formats: fail2ban's own, and those an operator writes in
//! `logtarget = …[format="…"]`.

use std::fmt;
use std::io::Write;

use super::entry::Entry;
use super::stamp::Stamp;

/// A line format, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Field, Shape),
}

/// What stands between `)` and the conversion letter: `-24`, `07`, `.3`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shape {
    left: bool,
    zeros: bool,
    width: usize,
    /// At most so many characters.
    precision: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Asctime,
    Created,
    LevelName,
    LevelNumber,
    Message,
    Msecs,
    Name,
    Process,
}

/// The record attributes of Python's `logging` that mean something here.
const FIELDS: &[(&str, Field)] = &[
    ("asctime", Field::Asctime),
    ("created", Field::Created),
    ("levelname", Field::LevelName),
    ("levelno", Field::LevelNumber),
    ("message", Field::Message),
    ("msecs", Field::Msecs),
    ("name", Field::Name),
    ("process", Field::Process),
];

/// A field wider than this is a slip of the pen.
const WIDTH_MAX: usize = 1000;

/// What is wrong with a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// `%(name)s` names nothing known.
    Unknown(String),
    /// The text from a `%` that begins nothing.
    Syntax(String),
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                write!(f, "unknown log field '%({name})s'; known are")?;
                FIELDS
                    .iter()
                    .try_for_each(|(name, _)| write!(f, " %({name})s"))
            }
            Self::Syntax(rest) => write!(
                f,
                "'{rest}' in the log format is neither %(field)s nor %% for a percent sign"
            ),
        }
    }
}

impl Format {
    /// fail2ban's line (fail2ban § 10.7), with or without its date and its padding.
    pub(super) fn standard(datetime: bool, padding: bool) -> Self {
        let width = |width| Shape {
            left: true,
            width: if padding { width } else { 0 },
            ..Shape::default()
        };
        let text = |text: &str| Piece::Text(text.to_owned());
        let mut pieces = Vec::with_capacity(9);
        if datetime {
            pieces.extend([Piece::Field(Field::Asctime, Shape::default()), text(" ")]);
        }
        pieces.extend([
            Piece::Field(Field::Name, width(24)),
            text("["),
            Piece::Field(Field::Process, Shape::default()),
            text("]: "),
            Piece::Field(Field::LevelName, width(7)),
            text(" "),
            Piece::Field(Field::Message, Shape::default()),
        ]);
        Self { pieces }
    }

    /// The message alone.
    pub(super) fn bare() -> Self {
        Self {
            pieces: vec![Piece::Field(Field::Message, Shape::default())],
        }
    }

    /// Reads a format as Python's `%` operator does.
    pub(super) fn parse(source: &str) -> Result<Self, FormatError> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some(at) = rest.find('%') {
            text.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(after) = after.strip_prefix('%') {
                text.push('%');
                rest = after;
                continue;
            }
            let (field, shape, after) = field(after, &rest[at..])?;
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Piece::Field(field, shape));
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Self { pieces })
    }

    /// Appends the line, without a newline.
    pub(super) fn render(&self, entry: &Entry, stamp: &mut Stamp, line: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.extend_from_slice(text.as_bytes()),
                Piece::Field(
                    Field::Message,
                    Shape {
                        width: 0,
                        precision: None,
                        ..
                    },
                ) => {
                    line.extend_from_slice(entry.message().as_bytes());
                }
                Piece::Field(field, shape) => shape.put(*field, entry, stamp, line),
            }
        }
    }
}

/// Reads `(name)-24s` and what follows it; `whole` is for the error.
fn field<'a>(source: &'a str, whole: &str) -> Result<(Field, Shape, &'a str), FormatError> {
    let syntax = || FormatError::Syntax(whole.chars().take(20).collect());
    let (name, rest) = source
        .strip_prefix('(')
        .and_then(|inside| inside.split_once(')'))
        .ok_or_else(syntax)?;
    let (_, field) = FIELDS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| FormatError::Unknown(name.to_owned()))?;
    let flags = rest.len() - rest.trim_start_matches(['-', '0', '+', ' ', '#']).len();
    let (flags, rest) = rest.split_at(flags);
    let (width, rest) = number(rest);
    let (precision, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let (precision, rest) = number(rest);
            (Some(precision.unwrap_or(0)), rest)
        }
        None => (None, rest),
    };
    let rest = rest
        .strip_prefix(['s', 'd', 'i', 'f', 'r'])
        .ok_or_else(syntax)?;
    let shape = Shape {
        left: flags.contains('-'),
        zeros: flags.contains('0'),
        width: width.unwrap_or(0),
        precision,
    };
    if shape.width > WIDTH_MAX || precision.is_some_and(|most| most > WIDTH_MAX) {
        return Err(syntax());
    }
    Ok((*field, shape, rest))
}

fn number(text: &str) -> (Option<usize>, &str) {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (digits, rest) = text.split_at(digits);
    (
        (!digits.is_empty()).then(|| digits.parse().unwrap_or(usize::MAX)),
        rest,
    )
}

impl Shape {
    fn put(self, field: Field, entry: &Entry, stamp: &mut Stamp, line: &mut Vec<u8>) {
        let start = line.len();
        let millis = entry.time.micros().rem_euclid(1_000_000) / 1000;
        // Writing into a Vec cannot fail.
        let _ = match field {
            Field::Asctime => write!(line, "{},{millis:03}", stamp.second(entry.time)),
            Field::Created => write!(line, "{:.6}", entry.time.as_secs_f64()),
            Field::LevelName => write!(line, "{}", entry.level),
            Field::LevelNumber => write!(line, "{}", entry.level as u8),
            Field::Message => line.write_all(entry.message().as_bytes()),
            Field::Msecs => write!(line, "{millis}"),
            Field::Name => line.write_all(entry.logger().as_bytes()),
            Field::Process => write!(line, "{}", std::process::id()),
        };
        self.fit(line, start);
    }

    /// Cuts and pads what was written from `start` on; counts characters, as Python does.
    fn fit(self, line: &mut Vec<u8>, start: usize) {
        let written = String::from_utf8_lossy(&line[start..]);
        let mut count = written.chars().count();
        if let Some(most) = self.precision
            && let Some((end, _)) = written.char_indices().nth(most)
        {
            line.truncate(start + end);
            count = most;
        }
        let missing = self.width.saturating_sub(count);
        if missing == 0 {
            return;
        }
        if self.left {
            line.resize(line.len() + missing, b' ');
        } else {
            let pad = if self.zeros { b'0' } else { b' ' };
            line.splice(start..start, std::iter::repeat_n(pad, missing));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Level, Time};
    use jiff::tz::TimeZone;

    fn line(format: &Format, level: Level) -> String {
        let time = Time::from_micros(1_795_366_764_507_900);
        let entry = Entry::new(time, level, "fail2ban.actions", "[sshd] Ban 192.0.2.1");
        let mut line = Vec::new();
        format.render(&entry, &mut Stamp::new(TimeZone::UTC), &mut line);
        String::from_utf8(line)
            .expect("text")
            .replace(&std::process::id().to_string(), "PID")
    }

    #[test]
    fn the_standard_line_is_fail2bans() {
        assert_eq!(
            line(&Format::standard(true, true), Level::Notice),
            "2026-11-22 16:59:24,507 fail2ban.actions        [PID]: NOTICE  [sshd] Ban 192.0.2.1"
        );
        assert_eq!(
            line(&Format::standard(false, false), Level::Critical),
            "fail2ban.actions[PID]: CRITICAL [sshd] Ban 192.0.2.1"
        );
        assert_eq!(line(&Format::bare(), Level::Msg), "[sshd] Ban 192.0.2.1");
    }

    #[test]
    fn the_standard_line_is_what_pythons_format_says() {
        let python = "%(asctime)s %(name)-24s[%(process)d]: %(levelname)-7s %(message)s";
        let parsed = Format::parse(python).expect("a format");
        for level in [Level::Msg, Level::Warning, Level::TraceDebug] {
            assert_eq!(
                line(&parsed, level),
                line(&Format::standard(true, true), level)
            );
        }
    }

    #[test]
    fn widths_precisions_and_percent_signs_work_as_in_python() {
        for (format, expected) in [
            ("100%% %(levelname)s", "100% INFO"),
            ("%(levelname)7s|", "   INFO|"),
            ("%(levelname)-5.5s|", "INFO |"),
            ("%(name)-4.4s|", "fail|"),
            ("%(msecs)05d %(levelno)d", "00507 20"),
            ("%(message).6s", "[sshd]"),
            ("", ""),
        ] {
            let parsed = Format::parse(format).expect("a format");
            assert_eq!(line(&parsed, Level::Info), expected, "{format}");
        }
    }

    #[test]
    fn a_wrong_format_is_refused_with_a_sentence() {
        let wrong = |format| Format::parse(format).expect_err("an error").to_string();
        assert!(wrong("%(lineno)d").contains("'%(lineno)s'; known are %(asctime)s"));
        for format in [
            "50% done",
            "%(message)",
            "%(message",
            "%(message)q",
            "%(name)99999s",
        ] {
            assert!(
                wrong(format).contains("neither %(field)s nor %%"),
                "{format}"
            );
        }
    }

    #[test]
    fn no_field_stands_twice_in_the_table() {
        for (index, (name, field)) in FIELDS.iter().enumerate() {
            assert!(FIELDS[..index].iter().all(|(n, f)| n != name && f != field));
        }
    }
}
