//! The options of `rban regex`: one table, from which reading and help come.
//!
//! As with fail2ban's tool they may stand before, between and behind LOG and REGEX, and what is
//! wrong with them is said in the same words, with exit code 2.

use std::fmt;
use std::path::PathBuf;

/// What a row does with its option.
#[derive(Clone, Copy)]
enum Takes {
    /// Stands alone.
    Flag(fn(&mut Options)),
    /// Wants a value, shown by this name.
    Value(&'static str, fn(&mut Options, &str)),
    /// Wants a whole number.
    Number(&'static str, fn(&mut Options, i64)),
}

/// A row: short form, long forms (the first is shown), what it takes, and what it does.
struct Row {
    short: Option<char>,
    long: &'static [&'static str],
    takes: Takes,
    help: &'static str,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Options {
    pub(super) config: Option<PathBuf>,
    pub(super) vendor: Option<PathBuf>,
    pub(super) datepattern: Option<String>,
    pub(super) timezone: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) raw: bool,
    pub(super) usedns: Option<String>,
    /// 0: as the filter says.
    pub(super) maxlines: i64,
    pub(super) journalmatch: Option<String>,
    pub(super) log_level: Option<String>,
    pub(super) short_version: bool,
    pub(super) version: bool,
    pub(super) help: bool,
    pub(super) verbose: i64,
    pub(super) verbose_date: bool,
    pub(super) debuggex: bool,
    pub(super) first_only: bool,
    pub(super) out: Option<String>,
    pub(super) invert: bool,
    pub(super) no_missed: bool,
    pub(super) no_ignored: bool,
    pub(super) all_matched: bool,
    pub(super) all_missed: bool,
    pub(super) all_ignored: bool,
    pub(super) json: bool,
    /// Seconds since the epoch.
    pub(super) now: Option<String>,
    pub(super) as_journal: bool,
    pub(super) explain: bool,
    pub(super) profile: bool,
    /// LOG, REGEX and perhaps IGNOREREGEX.
    pub(super) words: Vec<String>,
}

const fn flag(
    short: Option<char>,
    long: &'static [&'static str],
    set: fn(&mut Options),
    help: &'static str,
) -> Row {
    let takes = Takes::Flag(set);
    Row {
        short,
        long,
        takes,
        help,
    }
}

const fn value(
    short: Option<char>,
    long: &'static [&'static str],
    (shown, set): (&'static str, fn(&mut Options, &str)),
    help: &'static str,
) -> Row {
    let takes = Takes::Value(shown, set);
    Row {
        short,
        long,
        takes,
        help,
    }
}

const fn number(
    short: Option<char>,
    long: &'static [&'static str],
    (shown, set): (&'static str, fn(&mut Options, i64)),
    help: &'static str,
) -> Row {
    let takes = Takes::Number(shown, set);
    Row {
        short,
        long,
        takes,
        help,
    }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    value(Some('c'), &["config"], ("DIR", |o, v| o.config = Some(v.into())),
        "the configuration's directory (/etc/fail2ban); only it is read"),
    value(None, &["vendor"], ("DIR", |o, v| o.vendor = Some(v.into())),
        "what fills in beneath it (/usr/share/rban, without -c)"),
    value(Some('d'), &["datepattern"], ("PATTERN", |o, v| o.datepattern = given(v)),
        "how dates are written, over the filter's"),
    value(None, &["timezone", "TZ"], ("ZONE", |o, v| o.timezone = Some(v.into())),
        "the zone of dates that name none"),
    value(Some('e'), &["encoding"], ("CODEC", |o, v| o.encoding = Some(v.into())),
        "how the file is encoded, as Python calls it; the locale's without it"),
    flag(Some('r'), &["raw"], |o| o.raw = true,
        "keep host names, ask no DNS"),
    value(None, &["usedns"], ("HOW", |o, v| o.usedns = Some(v.into())),
        "yes, warn, no or raw; with no, <HOST> is addresses only"),
    number(Some('L'), &["maxlines"], ("N", |o, n| o.maxlines = n),
        "lines a regular expression may span, over the filter's"),
    value(Some('m'), &["journalmatch"], ("MATCH", |o, v| o.journalmatch = Some(v.into())),
        "which entries of the journal, over the filter's"),
    value(Some('l'), &["log-level"], ("LEVEL", |o, v| o.log_level = Some(v.into())),
        "what is told beside the report (critical)"),
    flag(Some('V'), &["short-version"], |o| o.short_version = true,
        "print the version's number"),
    flag(Some('v'), &["verbose"], |o| o.verbose += 1,
        "list every address found; again, for the filter's options"),
    number(None, &["verbosity"], ("N", |o, n| o.verbose = n),
        "the same by number, 0 to 4"),
    flag(None, &["verbose-date", "VD"], |o| o.verbose_date = true,
        "show date templates in full"),
    flag(Some('D'), &["debuggex"], |o| o.debuggex = true,
        "print addresses of debuggex.com for each line"),
    flag(None, &["no-check-all"], |o| o.first_only = true,
        "stop at the first regular expression that matches, as in operation"),
    value(Some('o'), &["out"], ("WHAT", |o, v| o.out = given(v)),
        "print failures only: row, id, ip, msg, a captured name, or a text with <tags>"),
    flag(Some('i'), &["invert"], |o| o.invert = true,
        "with -o: print the lines that are no failure"),
    flag(None, &["print-no-missed"], |o| o.no_missed = true,
        "print no missed lines"),
    flag(None, &["print-no-ignored"], |o| o.no_ignored = true,
        "print no ignored lines"),
    flag(None, &["print-all-matched"], |o| o.all_matched = true,
        "print the lines that match"),
    flag(None, &["print-all-missed"], |o| o.all_missed = true,
        "print missed lines however many there are"),
    flag(None, &["print-all-ignored"], |o| o.all_ignored = true,
        "print ignored lines however many there are"),
    flag(Some('t'), &["log-traceback"], |_| {},
        "understood; there are no tracebacks here"),
    flag(None, &["full-traceback"], |_| {},
        "understood, as -t"),
    flag(None, &["json"], |o| o.json = true,
        "one JSON object per line of the log"),
    value(None, &["now"], ("EPOCH", |o, v| o.now = Some(v.into())),
        "judge as if it were that moment"),
    flag(None, &["as-journal"], |o| o.as_journal = true,
        "each line is the text of a journal entry that came now"),
    flag(None, &["explain"], |o| o.explain = true,
        "show for each line what matched, or how far the best came"),
    flag(None, &["profile"], |o| o.profile = true,
        "show the time each regular expression takes, worst first"),
    flag(None, &["version"], |o| o.version = true,
        "print the version"),
    flag(Some('h'), &["help"], |o| o.help = true,
        "print this"),
];

/// Why words are no options; fail2ban's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OptionError {
    Unknown(String),
    NoValue(String),
    NotWanted(String),
    NoNumber(String, String),
    Ambiguous(String, Vec<&'static str>),
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(option) => write!(f, "no such option: {option}"),
            Self::NoValue(option) => write!(f, "{option} option requires 1 argument"),
            Self::NotWanted(option) => write!(f, "{option} option does not take a value"),
            Self::NoNumber(option, value) => {
                write!(f, "option {option}: invalid integer value: '{value}'")
            }
            Self::Ambiguous(option, rows) => {
                let rows: Vec<String> = rows.iter().map(|row| format!("--{row}")).collect();
                write!(f, "ambiguous option: {option} ({}?)", rows.join(", "))
            }
        }
    }
}

impl Options {
    /// Reads options wherever they stand; `--` ends them.
    ///
    /// # Errors
    /// For the first one that is wrong.
    pub(super) fn parse(words: &[String]) -> Result<Self, OptionError> {
        let mut options = Self::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                options.words.extend(rest.cloned());
                break;
            }
            if let Some(long) = word.strip_prefix("--") {
                options.long(long, &mut rest)?;
            } else if word.len() > 1 && word.starts_with('-') {
                options.short(&word[1..], &mut rest)?;
            } else {
                options.words.push(word.clone());
            }
        }
        Ok(options)
    }

    fn long(
        &mut self,
        word: &str,
        rest: &mut std::slice::Iter<'_, String>,
    ) -> Result<(), OptionError> {
        let (name, given) = match word.split_once('=') {
            Some((name, given)) => (name, Some(given)),
            None => (word, None),
        };
        let (row, name) = long_row(name)?;
        let shown = format!("--{name}");
        match (row.takes, given) {
            (Takes::Flag(set), None) => set(self),
            (Takes::Flag(_), Some(_)) => return Err(OptionError::NotWanted(shown)),
            (Takes::Value(..) | Takes::Number(..), given) => {
                let given = given.or_else(|| rest.next().map(String::as_str));
                let given = given.ok_or_else(|| OptionError::NoValue(shown.clone()))?;
                self.take(row.takes, &shown, given)?;
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
            let Some(row) = ROWS.iter().find(|row| row.short == Some(letter)) else {
                return Err(OptionError::Unknown(shown));
            };
            if let Takes::Flag(set) = row.takes {
                set(self);
                continue;
            }
            let behind = &letters[at + letter.len_utf8()..];
            let given = match behind {
                "" => rest.next().map(String::as_str),
                behind => Some(behind),
            };
            let given = given.ok_or_else(|| OptionError::NoValue(shown.clone()))?;
            return self.take(row.takes, &shown, given);
        }
        Ok(())
    }

    fn take(&mut self, takes: Takes, shown: &str, given: &str) -> Result<(), OptionError> {
        match takes {
            Takes::Flag(set) => set(self),
            Takes::Value(_, set) => set(self, given),
            Takes::Number(_, set) => {
                let wrong = |_| OptionError::NoNumber(shown.to_owned(), given.to_owned());
                set(self, given.trim().parse().map_err(wrong)?);
            }
        }
        Ok(())
    }
}

/// A row by its name, or by a beginning that only it has; and the name.
fn long_row(name: &str) -> Result<(&'static Row, &'static str), OptionError> {
    let all = || {
        ROWS.iter()
            .flat_map(|row| row.long.iter().map(move |long| (row, *long)))
    };
    if let Some(found) = all().find(|(_, long)| *long == name) {
        return Ok(found);
    }
    let mut begun: Vec<_> = all().filter(|(_, long)| long.starts_with(name)).collect();
    match &*begun {
        [] => Err(OptionError::Unknown(format!("--{name}"))),
        [one] => Ok(*one),
        _ => {
            begun.sort_unstable_by_key(|(_, long)| *long);
            let names = begun.into_iter().map(|(_, long)| long).collect();
            Err(OptionError::Ambiguous(format!("--{name}"), names))
        }
    }
}

/// The options as help shows them.
pub(super) fn help() -> String {
    let mut out = String::new();
    for row in ROWS {
        let short = row
            .short
            .map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
        let names: Vec<String> = row.long.iter().map(|long| format!("--{long}")).collect();
        let long = match row.takes {
            Takes::Flag(_) => names.join(", "),
            Takes::Value(shown, _) | Takes::Number(shown, _) => {
                format!("{} {shown}", names.join(", "))
            }
        };
        out.push_str(&format!("  {short}{long:<24} {}\n", row.help));
    }
    out
}

/// An option's word; an empty one is as if it were not there.
fn given(word: &str) -> Option<String> {
    Some(word).filter(|word| !word.is_empty()).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Options, OptionError> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Options::parse(&words)
    }

    #[test]
    fn options_stand_anywhere() {
        let options = parsed(&["a.log", "-vv", "-L5", "sshd", "--usedns=no", "--TZ", "UTC"]);
        let options = options.unwrap();
        assert_eq!((options.verbose, options.maxlines), (2, 5));
        assert_eq!(options.usedns.as_deref(), Some("no"));
        assert_eq!(options.timezone.as_deref(), Some("UTC"));
        assert_eq!(options.words, ["a.log", "sshd"]);
        let behind = parsed(&["-r", "--", "-x", "-y"]).unwrap();
        assert_eq!(behind.words, ["-x", "-y"]);
        assert_eq!(parsed(&["-", "x"]).unwrap().words, ["-", "x"]);
    }

    #[test]
    fn what_is_wrong_is_told_in_fail2bans_words() {
        for (words, told) in [
            (&["--foo"][..], "no such option: --foo"),
            (&["-Z"], "no such option: -Z"),
            (&["-L", "x"], "option -L: invalid integer value: 'x'"),
            (&["-L"], "-L option requires 1 argument"),
            (&["--raw=1"], "--raw option does not take a value"),
            (
                &["--print-no"],
                "ambiguous option: --print-no (--print-no-ignored, --print-no-missed?)",
            ),
        ] {
            assert_eq!(parsed(words).unwrap_err().to_string(), told);
        }
        assert!(parsed(&["--print-all-ig"]).unwrap().all_ignored);
    }

    #[test]
    fn no_option_stands_twice_and_each_has_its_help() {
        for (place, row) in ROWS.iter().enumerate() {
            assert!(!row.help.is_empty(), "--{}", row.long[0]);
            let twin = ROWS[..place].iter().any(|other| {
                other.long.iter().any(|long| row.long.contains(long))
                    || row.short.is_some() && other.short == row.short
            });
            assert!(!twin, "--{}", row.long[0]);
            assert!(help().contains(row.long[0]));
        }
    }
}
