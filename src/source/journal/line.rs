//! An entry's fields as the line fail2ban makes of them (§ 9.4): host, program, process, message.

use super::super::LINE_MAX;
use crate::model::Time;

/// The fields a line is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Hostname,
    Identifier,
    Comm,
    SyslogPid,
    Pid,
    Message,
    SourceRealtime,
    SourceMonotonic,
}

impl Field {
    const ALL: [(&'static str, Self); 8] = [
        ("_HOSTNAME", Self::Hostname),
        ("SYSLOG_IDENTIFIER", Self::Identifier),
        ("_COMM", Self::Comm),
        ("SYSLOG_PID", Self::SyslogPid),
        ("_PID", Self::Pid),
        ("MESSAGE", Self::Message),
        ("_SOURCE_REALTIME_TIMESTAMP", Self::SourceRealtime),
        ("_SOURCE_MONOTONIC_TIMESTAMP", Self::SourceMonotonic),
    ];

    /// The longest name with its `=`, in bytes.
    pub(super) const NAME_MAX: usize = 28;

    /// The field that a text `NAME=value` is of.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let end = memchr::memchr(b'=', text)?;
        let name = &text[..end];
        Self::ALL
            .iter()
            .find(|(known, _)| known.as_bytes() == name)
            .map(|(_, field)| *field)
    }
}

/// What an entry says, field by field.
#[derive(Debug, Default)]
pub(super) struct Parts {
    hostname: Option<String>,
    identifier: Option<String>,
    comm: Option<String>,
    syslog_pid: Option<String>,
    pid: Option<String>,
    messages: Vec<String>,
    source_realtime: Option<u64>,
    source_monotonic: Option<u64>,
}

impl Parts {
    /// Takes a text `NAME=value`; of a name that comes again, only messages are added up.
    pub(super) fn take(&mut self, field: Field, text: &[u8]) {
        let start = memchr::memchr(b'=', text).map_or(text.len(), |end| end + 1);
        let value = &text[start..];
        let string = || String::from_utf8_lossy(value).into_owned();
        let number = || std::str::from_utf8(value).ok()?.parse().ok();
        let place = match field {
            Field::Hostname => &mut self.hostname,
            Field::Identifier => &mut self.identifier,
            Field::Comm => &mut self.comm,
            Field::SyslogPid => &mut self.syslog_pid,
            Field::Pid => &mut self.pid,
            Field::Message => return self.messages.push(string()),
            Field::SourceRealtime => {
                self.source_realtime = self.source_realtime.or_else(number);
                return;
            }
            Field::SourceMonotonic => {
                self.source_monotonic = self.source_monotonic.or_else(number);
                return;
            }
        };
        place.get_or_insert_with(string);
    }

    /// When it happened: as its sender says, else when journald received it (microseconds).
    pub(super) fn time(&self, realtime: u64) -> Time {
        let micros = self.source_realtime.unwrap_or(realtime);
        Time::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// The line, in one: newlines become `\n`. `monotonic` is the entry's, in microseconds.
    pub(super) fn line(&self, monotonic: u64) -> String {
        let mut line = String::with_capacity(128);
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        if let Some(hostname) = given(&self.hostname) {
            line.push_str(&hostname);
        }
        if let Some(program) = given(&self.identifier).or_else(|| given(&self.comm)) {
            separate(&mut line);
            let at = line.len();
            line.push_str(&program);
            if let Some(pid) = given(&self.syslog_pid).or_else(|| given(&self.pid)) {
                line.push('[');
                line.push_str(&number(&pid).map_or(pid, |number| number.to_string()));
                line.push(']');
            }
            line.push(':');
            if &line[at..] == "kernel:" {
                let secs = self.source_monotonic.unwrap_or(monotonic) as f64 / 1e6;
                line.push_str(&format!(" [{secs:12.6}]"));
            }
        }
        // fail2ban joins what it has, and it always has a message, if only an empty one.
        separate(&mut line);
        line.push_str(&self.messages.join(" "));
        if line.contains('\n') {
            line = line.replace('\n', "\\n");
        }
        if line.len() > LINE_MAX {
            let fits = (0..=LINE_MAX).rev().find(|at| line.is_char_boundary(*at));
            line.truncate(fits.unwrap_or_default());
        }
        line
    }
}

fn separate(line: &mut String) {
    if !line.is_empty() {
        line.push(' ');
    }
}

/// A process number as Python's `int` reads it.
fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hex {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fields: &[&str]) -> String {
        let mut parts = Parts::default();
        for field in fields {
            let bytes = field.as_bytes();
            if let Some(known) = Field::of(bytes) {
                parts.take(known, bytes);
            }
        }
        parts.line(12_345_678)
    }

    #[test]
    fn lines_are_as_fail2ban_makes_them() {
        for (fields, expected) in [
            (
                &[
                    "_HOSTNAME=h",
                    "SYSLOG_IDENTIFIER=sshd",
                    "_COMM=x",
                    "_PID=7",
                    "MESSAGE=hi",
                ][..],
                "h sshd[7]: hi",
            ),
            (
                &[
                    "_HOSTNAME=h",
                    "_COMM=cron",
                    "SYSLOG_PID=0042",
                    "_PID=7",
                    "MESSAGE=hi",
                ],
                "h cron[42]: hi",
            ),
            (
                &["SYSLOG_IDENTIFIER=a", "SYSLOG_PID=0x1f", "MESSAGE=b"],
                "a[31]: b",
            ),
            (
                &["SYSLOG_IDENTIFIER=a", "SYSLOG_PID=me", "MESSAGE=b"],
                "a[me]: b",
            ),
            (
                &["_HOSTNAME=h", "SYSLOG_IDENTIFIER=kernel", "MESSAGE=m"],
                "h kernel: [   12.345678] m",
            ),
            (
                &[
                    "_SOURCE_MONOTONIC_TIMESTAMP=1500000",
                    "SYSLOG_IDENTIFIER=kernel",
                    "MESSAGE=m",
                ],
                "kernel: [    1.500000] m",
            ),
            (&["_HOSTNAME=h", "MESSAGE=a\nb\r\nc"], "h a\\nb\r\\nc"),
            (&["MESSAGE=a", "MESSAGE=b"], "a b"),
            (&["_HOSTNAME=h", "SYSLOG_IDENTIFIER=s"], "h s: "),
            (
                &["_HOSTNAME=", "SYSLOG_IDENTIFIER=", "_COMM=c", "MESSAGE=m"],
                "c: m",
            ),
            (&["_PID=1", "OTHER=x"], ""),
        ] {
            assert_eq!(line(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_line_is_cut_where_a_log_s_line_would_be() {
        let message = format!("MESSAGE={}", "ä".repeat(LINE_MAX));
        let line = line(&[&message]);
        assert!(line.len() <= LINE_MAX && line.len() > LINE_MAX - 2);
    }

    #[test]
    fn the_sender_s_time_counts() {
        let mut parts = Parts::default();
        assert_eq!(parts.time(5), Time::from_micros(5));
        parts.take(Field::SourceRealtime, b"_SOURCE_REALTIME_TIMESTAMP=3");
        assert_eq!(parts.time(5), Time::from_micros(3));
    }

    #[test]
    fn no_name_is_longer_than_is_looked_at() {
        let longest = Field::ALL.iter().map(|(name, _)| name.len() + 1).max();
        assert_eq!(longest, Some(Field::NAME_MAX));
    }
}
