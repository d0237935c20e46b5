//! The options server and client share: one table, from which reading and help come.
//!
//! As with fail2ban they stand before the command; what follows the first word is the command's.

use std::fmt;
use std::path::PathBuf;

use crate::model::Level;

/// What a row does to the options.
#[derive(Clone, Copy)]
enum Takes {
    /// Stands alone.
    Flag(fn(&mut Options)),
    /// Wants a value, shown by this name.
    Value(&'static str, fn(&mut Options, String)),
}

/// A row: short form, long form, what it takes, and what it does.
struct Row {
    short: Option<char>,
    long: &'static str,
    takes: Takes,
    /// Empty: understood and not shown.
    help: &'static str,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    pub conf: Option<PathBuf>,
    pub vendor: Option<PathBuf>,
    pub socket: Option<String>,
    pub pidfile: Option<String>,
    pub loglevel: Option<String>,
    pub logtarget: Option<String>,
    pub syslogsocket: Option<String>,
    pub dump: bool,
    pub dump_pretty: bool,
    pub test: bool,
    pub interactive: bool,
    pub verbose: u8,
    pub quiet: u8,
    pub force: bool,
    pub foreground: bool,
    /// Started by ourselves in the background: standard input is the line to whoever waits.
    pub attached: bool,
    /// fail2ban's client starts us so: it sends the jails as commands.
    pub fed: bool,
    /// Seconds, or a duration.
    pub timeout: Option<String>,
    pub str2sec: Option<String>,
    pub json: bool,
    pub help: bool,
    /// Just the number.
    pub short_version: bool,
    pub version: bool,
    /// The command and its words.
    pub words: Vec<String>,
}

const fn flag(
    short: Option<char>,
    long: &'static str,
    set: fn(&mut Options),
    help: &'static str,
) -> Row {
    Row {
        short,
        long,
        takes: Takes::Flag(set),
        help,
    }
}

const fn value(
    short: Option<char>,
    long: &'static str,
    shown: &'static str,
    set: fn(&mut Options, String),
    help: &'static str,
) -> Row {
    Row {
        short,
        long,
        takes: Takes::Value(shown, set),
        help,
    }
}

const ROWS: &[Row] = &[
    value(
        Some('c'),
        "conf",
        "DIR",
        |o, v| o.conf = Some(v.into()),
        "the configuration's directory (/etc/fail2ban); only it is read",
    ),
    value(
        None,
        "vendor",
        "DIR",
        |o, v| o.vendor = Some(v.into()),
        "what fills in beneath it (/usr/share/rban, without -c)",
    ),
    value(
        Some('s'),
        "socket",
        "FILE",
        |o, v| o.socket = Some(v),
        "the control socket",
    ),
    value(
        Some('p'),
        "pidfile",
        "FILE",
        |o, v| o.pidfile = Some(v),
        "the PID file",
    ),
    value(None, "pname", "NAME", |_, _| {}, ""),
    value(
        None,
        "loglevel",
        "LEVEL",
        |o, v| o.loglevel = Some(v),
        "what is logged",
    ),
    value(
        None,
        "logtarget",
        "TARGET",
        |o, v| o.logtarget = Some(v),
        "where it is logged",
    ),
    value(
        None,
        "syslogsocket",
        "auto|FILE",
        |o, v| o.syslogsocket = Some(v),
        "the socket for SYSLOG",
    ),
    flag(
        Some('d'),
        "dump",
        |o| o.dump = true,
        "print the configuration as commands",
    ),
    flag(
        None,
        "dp",
        |o| o.dump_pretty = true,
        "the same, wrapped to be read",
    ),
    flag(None, "dump-pretty", |o| o.dump_pretty = true, ""),
    flag(
        Some('t'),
        "test",
        |o| o.test = true,
        "say whether the configuration is right",
    ),
    flag(
        Some('i'),
        "interactive",
        |o| o.interactive = true,
        "take commands from a prompt",
    ),
    flag(
        Some('v'),
        "verbose",
        |o| o.verbose = o.verbose.saturating_add(1),
        "say more",
    ),
    flag(
        Some('q'),
        "quiet",
        |o| o.quiet = o.quiet.saturating_add(1),
        "say less",
    ),
    flag(
        Some('x'),
        "force",
        |o| o.force = true,
        "start over a socket that nobody answers on",
    ),
    flag(
        Some('b'),
        "background",
        |o| o.foreground = false,
        "start in the background (so it is without -f)",
    ),
    flag(
        Some('f'),
        "foreground",
        |o| o.foreground = true,
        "stay in the foreground",
    ),
    flag(None, "async", |o| o.fed = true, ""),
    flag(None, "attached", |o| o.attached = true, ""),
    value(
        None,
        "timeout",
        "TIME",
        |o, v| o.timeout = Some(v),
        "how long to wait for the server (30 s)",
    ),
    value(
        None,
        "str2sec",
        "TIME",
        |o, v| o.str2sec = Some(v),
        "print a duration in seconds",
    ),
    flag(
        None,
        "json",
        |o| o.json = true,
        "answers as JSON: status, stats, banned, get",
    ),
    flag(Some('h'), "help", |o| o.help = true, "print this"),
    flag(
        Some('V'),
        "short-version",
        |o| o.short_version = true,
        "print the version's number",
    ),
    flag(None, "version", |o| o.version = true, "print the version"),
];

/// Why words are no options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionError {
    Unknown(String),
    NoValue(String),
    NotWanted(String),
    Ambiguous(String),
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(option) => write!(f, "option {option} not recognized; --help lists them"),
            Self::NoValue(option) => write!(f, "option {option} requires argument"),
            Self::NotWanted(option) => write!(f, "option {option} must not have an argument"),
            Self::Ambiguous(option) => write!(f, "option {option} is not a unique prefix"),
        }
    }
}

impl Options {
    /// Reads options up to the first word that is none.
    ///
    /// # Errors
    /// For the first one that is wrong.
    pub fn parse(words: &[String]) -> Result<Self, OptionError> {
        let mut options = Self::default();
        let mut rest = words.iter();
        while let Some(word) = rest.as_slice().first() {
            if word == "--" {
                rest.next();
                break;
            }
            if let Some(long) = word.strip_prefix("--") {
                rest.next();
                options.long(long, &mut rest)?;
            } else if word.len() > 1 && word.starts_with('-') {
                rest.next();
                options.short(&word[1..], &mut rest)?;
            } else {
                break;
            }
        }
        options.words = rest.cloned().collect();
        Ok(options)
    }

    fn long(
        &mut self,
        word: &str,
        rest: &mut std::slice::Iter<'_, String>,
    ) -> Result<(), OptionError> {
        let (name, given) = match word.split_once('=') {
            Some((name, given)) => (name, Some(given.to_owned())),
            None => (word, None),
        };
        let row = long_row(name)?;
        let shown = format!("--{}", row.long);
        match (row.takes, given) {
            (Takes::Flag(set), None) => set(self),
            (Takes::Flag(_), Some(_)) => return Err(OptionError::NotWanted(shown)),
            (Takes::Value(_, set), Some(given)) => set(self, given),
            (Takes::Value(_, set), None) => {
                set(
                    self,
                    rest.next().cloned().ok_or(OptionError::NoValue(shown))?,
                );
            }
        }
        Ok(())
    }

    /// Letters may stand together; the rest behind one that takes a value is the value.
    fn short(
        &mut self,
        letters: &str,
        rest: &mut std::slice::Iter<'_, String>,
    ) -> Result<(), OptionError> {
        for (at, letter) in letters.char_indices() {
            let shown = format!("-{letter}");
            let row = ROWS.iter().find(|row| row.short == Some(letter));
            match row
                .ok_or_else(|| OptionError::Unknown(shown.clone()))?
                .takes
            {
                Takes::Flag(set) => set(self),
                Takes::Value(_, set) => {
                    let behind = &letters[at + letter.len_utf8()..];
                    let given = match behind {
                        "" => rest.next().cloned().ok_or(OptionError::NoValue(shown))?,
                        behind => behind.to_owned(),
                    };
                    set(self, given);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The least a client logs: warnings, more with each `-v`, less with `-q`.
    pub fn level(&self) -> Level {
        match i16::from(self.verbose) - i16::from(self.quiet) {
            ..=-1 => Level::Error,
            0 => Level::Warning,
            1 => Level::Info,
            2 => Level::Debug,
            3.. => Level::HeavyDebug,
        }
    }

    /// The options that override `fail2ban.conf`: as typed, the option's name, the value.
    pub fn overrides(&self) -> Vec<(&'static str, &'static str, String)> {
        let given = [
            ("--socket", "socket", &self.socket),
            ("--pidfile", "pidfile", &self.pidfile),
            ("--loglevel", "loglevel", &self.loglevel),
            ("--logtarget", "logtarget", &self.logtarget),
            ("--syslogsocket", "syslogsocket", &self.syslogsocket),
        ];
        given
            .into_iter()
            .filter_map(|(typed, option, value)| Some((typed, option, value.clone()?)))
            .collect()
    }
}

/// A row by its name, or by a beginning that only it has.
fn long_row(name: &str) -> Result<&'static Row, OptionError> {
    if let Some(row) = ROWS.iter().find(|row| row.long == name) {
        return Ok(row);
    }
    let mut begun = ROWS
        .iter()
        .filter(|row| !name.is_empty() && row.long.starts_with(name));
    match (begun.next(), begun.next()) {
        (Some(row), None) => Ok(row),
        (Some(_), Some(_)) => Err(OptionError::Ambiguous(format!("--{name}"))),
        (None, _) => Err(OptionError::Unknown(format!("--{name}"))),
    }
}

/// All options that are shown, by their long names, for completion.
pub fn long_names() -> Vec<String> {
    let shown = ROWS.iter().filter(|row| !row.help.is_empty());
    shown.map(|row| format!("--{}", row.long)).collect()
}

/// The options as help shows them.
pub fn help() -> String {
    let mut out = String::new();
    for row in ROWS.iter().filter(|row| !row.help.is_empty()) {
        let short = row
            .short
            .map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
        let long = match row.takes {
            Takes::Flag(_) => format!("--{}", row.long),
            Takes::Value(shown, _) => format!("--{} {shown}", row.long),
        };
        out.push_str(&format!("  {short}{long:<24} {}\n", row.help));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Options, OptionError> {
        Options::parse(
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn options_end_at_the_first_word() {
        let options = parsed(&[
            "-c",
            "/tmp/x",
            "-xf",
            "--logtarget=STDERR",
            "set",
            "a",
            "-b",
        ])
        .unwrap();
        assert_eq!(
            options.conf.as_deref(),
            Some(std::path::Path::new("/tmp/x"))
        );
        assert!(options.force && options.foreground);
        assert_eq!(options.logtarget.as_deref(), Some("STDERR"));
        assert_eq!(options.words, ["set", "a", "-b"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parsed(&["-Z"]), Err(OptionError::Unknown("-Z".into())));
        assert_eq!(
            parsed(&["--socket"]),
            Err(OptionError::NoValue("--socket".into()))
        );
        assert_eq!(
            parsed(&["--test=1"]),
            Err(OptionError::NotWanted("--test".into()))
        );
        assert_eq!(
            parsed(&["--log", "x"]),
            Err(OptionError::Ambiguous("--log".into()))
        );
        assert_eq!(
            parsed(&["--sock", "x"]).unwrap().socket.as_deref(),
            Some("x")
        );
    }

    #[test]
    fn no_option_stands_twice() {
        for (place, row) in ROWS.iter().enumerate() {
            let twin = ROWS[..place].iter().any(|other| {
                other.long == row.long || row.short.is_some() && other.short == row.short
            });
            assert!(!twin, "--{}", row.long);
        }
    }
}
