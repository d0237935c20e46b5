//! Every command: one table, from which parsing, help and completion come.
//!
//! A new command is a row here, a variant in `request.rs`, and its answer in the daemon's control
//! module. Errors are the exceptions fail2ban raises, since clients show them.

use super::request::{Change, Global, Query, Reload, Request, Stop, Unban};
use super::value::{Exception, Value};

/// Where a command's words are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The first word.
    Basic,
    /// `set WORD …`
    SetGlobal,
    /// `get WORD …`
    GetGlobal,
    /// `set JAIL WORD …`
    SetJail,
    /// `get JAIL WORD …`
    GetJail,
}

/// One row: a command's word, its arguments as shown, what it does, and how its words are read.
#[derive(Debug)]
pub struct Command {
    pub scope: Scope,
    pub word: &'static str,
    pub arguments: &'static str,
    /// Empty: understood, and not shown (clients use it among themselves).
    pub help: &'static str,
    parse: fn(&mut Words<'_>) -> Result<Request, Exception>,
}

/// The words behind a command, taken in turn.
#[derive(Debug)]
struct Words<'w> {
    rest: &'w [Value],
    jail: &'w str,
}

impl Words<'_> {
    /// The next word as a value.
    fn value(&mut self) -> Result<Value, Exception> {
        let (first, rest) = self.rest.split_first().ok_or_else(index_error)?;
        self.rest = rest;
        Ok(first.clone())
    }

    /// The next word as text; numbers and truths as Python's `str` shows them.
    fn text(&mut self) -> Result<String, Exception> {
        self.value().map(|value| value.to_string())
    }

    fn texts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.rest)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// The next word where there is one.
    fn optional(&mut self) -> Option<String> {
        self.text().ok()
    }

    /// The next word as Python's `int()` reads it.
    fn int(&mut self) -> Result<i64, Exception> {
        match self.value()? {
            Value::Int(number) => Ok(number),
            Value::Bool(truth) => Ok(i64::from(truth)),
            Value::Float(number) => Ok(number as i64),
            other => {
                let text = other.to_string();
                text.trim().replace('_', "").parse().map_err(|_| {
                    let message =
                        format!("invalid literal for int() with base 10: {}", other.repr());
                    Exception::builtin("ValueError", vec![message.into()])
                })
            }
        }
    }

    fn change(&self, change: Change) -> Request {
        Request::Set(self.jail.to_owned(), change)
    }

    fn query(&self, query: Query) -> Request {
        Request::Get(self.jail.to_owned(), query)
    }
}

/// Python's error for a word that is not there.
pub fn index_error() -> Exception {
    Exception::builtin("IndexError", vec!["list index out of range".into()])
}

fn plain(message: impl Into<String>) -> Exception {
    Exception::builtin("Exception", vec![Value::Str(message.into())])
}

const fn row(
    scope: Scope,
    word: &'static str,
    arguments: &'static str,
    help: &'static str,
    parse: fn(&mut Words<'_>) -> Result<Request, Exception>,
) -> Command {
    Command {
        scope,
        word,
        arguments,
        help,
        parse,
    }
}

use Scope::{Basic, GetGlobal, GetJail, SetGlobal, SetJail};

/// All commands, in the order of the help.
pub const COMMANDS: &[Command] = &[
    row(
        Basic,
        "start",
        "JAIL",
        "start a jail that was added or stopped",
        |w| Ok(Request::Start(w.text()?)),
    ),
    row(
        Basic,
        "stop",
        "[JAIL|--all]",
        "stop a jail, all jails, or the server itself",
        |w| {
            Ok(Request::Stop(match w.optional() {
                None => Stop::Server,
                Some(all) if all == "--all" => Stop::AllJails,
                Some(jail) => Stop::Jail(jail),
            }))
        },
    ),
    row(
        Basic,
        "reload",
        "[--restart] [--unban] [--if-exists] [JAIL|--all]",
        "read the configuration again; bans and failures are kept unless --unban or --restart",
        parse_reload,
    ),
    row(
        Basic,
        "status",
        "[JAIL|--all [FLAVOR]]",
        "the jails; or one jail's counts, logs and bans",
        |w| {
            let Some(jail) = w.optional() else {
                return Ok(Request::Status);
            };
            let flavor = w.optional().unwrap_or_else(|| "basic".to_owned());
            Ok(if jail == "--all" {
                Request::AllStatus { flavor }
            } else {
                Request::JailStatus { jail, flavor }
            })
        },
    ),
    row(Basic, "stats", "", "a table of all jails", |_| {
        Ok(Request::Statistics)
    }),
    row(Basic, "statistic", "", "", |_| Ok(Request::Statistics)),
    row(Basic, "statistics", "", "", |_| Ok(Request::Statistics)),
    row(
        Basic,
        "banned",
        "[ADDRESS ...]",
        "who is banned, by jail; or where each address is banned",
        |w| Ok(Request::Banned(w.texts())),
    ),
    row(
        Basic,
        "unban",
        "--all | ADDRESS ...",
        "end bans in every jail and forget them",
        |w| {
            let ids = w.texts();
            match ids.as_slice() {
                [] => Err(plain("Invalid command")),
                [all] if all == "--all" => Ok(Request::Unban(Unban::All)),
                _ => Ok(Request::Unban(Unban::Ids(ids))),
            }
        },
    ),
    row(Basic, "ping", "", "whether the server answers", |_| {
        Ok(Request::Ping)
    }),
    row(
        Basic,
        "version",
        "",
        "the fail2ban version the server behaves as",
        |_| Ok(Request::Version),
    ),
    row(
        Basic,
        "echo",
        "[WORD ...]",
        "have the server repeat words",
        |w| Ok(Request::Echo(std::mem::take(&mut w.rest).to_vec())),
    ),
    row(Basic, "flushlogs", "", "reopen the log file", |_| {
        Ok(Request::FlushLogs)
    }),
    row(
        Basic,
        "add",
        "JAIL [BACKEND]",
        "make a jail, to be set up and started",
        |w| {
            let jail = w.text()?;
            if jail == "--all" {
                return Err(plain("Reserved name '--all'"));
            }
            Ok(Request::Add {
                jail,
                backend: w.optional().unwrap_or_else(|| "auto".to_owned()),
            })
        },
    ),
    row(Basic, "sleep", "SECONDS", "", |w| {
        let value = w.value()?;
        match &value {
            Value::Int(seconds) => Ok(Request::Sleep(*seconds as f64)),
            Value::Float(seconds) => Ok(Request::Sleep(*seconds)),
            _ => value
                .to_string()
                .trim()
                .parse()
                .map(Request::Sleep)
                .map_err(|_| {
                    let message = format!("could not convert string to float: {}", value.repr());
                    Exception::builtin("ValueError", vec![message.into()])
                }),
        }
    }),
    row(Basic, "server-status", "", "", |_| {
        Ok(Request::ServerStatus)
    }),
    row(Basic, "server-stream", "COMMANDS", "", |w| {
        match w.value()? {
            Value::List(stream) | Value::Tuple(stream) => Ok(Request::ServerStream(stream)),
            _ => Err(plain("Invalid command")),
        }
    }),
    row(Basic, "config-error", "MESSAGE", "", |w| {
        Ok(Request::ConfigError(w.text()?))
    }),
    row(
        SetGlobal,
        "loglevel",
        "LEVEL",
        "what is logged: CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG, TRACEDEBUG, HEAVYDEBUG or a number",
        |w| Ok(Request::SetGlobal(Global::LogLevel, w.value()?)),
    ),
    row(
        SetGlobal,
        "logtarget",
        "TARGET",
        "where it is logged: a file, STDOUT, STDERR, SYSLOG, SYSOUT or SYSTEMD-JOURNAL; a file is opened again",
        |w| Ok(Request::SetGlobal(Global::LogTarget, w.value()?)),
    ),
    row(
        SetGlobal,
        "syslogsocket",
        "auto|SOCKET",
        "the socket for SYSLOG",
        |w| Ok(Request::SetGlobal(Global::SyslogSocket, w.value()?)),
    ),
    row(SetGlobal, "allowipv6", "auto|yes|no", "", |w| {
        Ok(Request::SetGlobal(Global::AllowIpv6, w.value()?))
    }),
    row(SetGlobal, "thread", "OPTIONS", "", |w| {
        Ok(Request::SetGlobal(Global::Thread, w.value()?))
    }),
    row(
        SetGlobal,
        "dbfile",
        "FILE|None",
        "the database, while there is no jail",
        |w| Ok(Request::SetGlobal(Global::DbFile, w.value()?)),
    ),
    row(
        SetGlobal,
        "dbmaxmatches",
        "NUMBER",
        "lines kept in the database for each ban",
        |w| {
            Ok(Request::SetGlobal(
                Global::DbMaxMatches,
                Value::Int(w.int()?),
            ))
        },
    ),
    row(
        SetGlobal,
        "dbpurgeage",
        "TIME",
        "how long past bans are remembered",
        |w| Ok(Request::SetGlobal(Global::DbPurgeAge, w.value()?)),
    ),
    row(GetGlobal, "loglevel", "", "what is logged", |_| {
        Ok(Request::GetGlobal(Global::LogLevel))
    }),
    row(GetGlobal, "logtarget", "", "where it is logged", |_| {
        Ok(Request::GetGlobal(Global::LogTarget))
    }),
    row(
        GetGlobal,
        "syslogsocket",
        "",
        "the socket for SYSLOG",
        |_| Ok(Request::GetGlobal(Global::SyslogSocket)),
    ),
    row(GetGlobal, "thread", "", "", |_| {
        Ok(Request::GetGlobal(Global::Thread))
    }),
    row(GetGlobal, "dbfile", "", "the database", |_| {
        Ok(Request::GetGlobal(Global::DbFile))
    }),
    row(
        GetGlobal,
        "dbmaxmatches",
        "",
        "lines kept in the database for each ban",
        |_| Ok(Request::GetGlobal(Global::DbMaxMatches)),
    ),
    row(
        GetGlobal,
        "dbpurgeage",
        "",
        "how long past bans are remembered",
        |_| Ok(Request::GetGlobal(Global::DbPurgeAge)),
    ),
    row(
        SetJail,
        "idle",
        "on|off",
        "have a jail pass its lines by",
        |w| match w.text()?.as_str() {
            "on" => Ok(w.change(Change::Idle(true))),
            "off" => Ok(w.change(Change::Idle(false))),
            _ => Err(plain("Invalid idle option, must be 'on' or 'off'")),
        },
    ),
    row(
        SetJail,
        "ignoreself",
        "true|false",
        "never ban this machine's own addresses",
        |w| Ok(Change::IgnoreSelf(w.text()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "addignoreip",
        "ADDRESS ...",
        "never ban these addresses, networks or names",
        |w| Ok(Change::AddIgnoreIp(w.texts())).map(|c| w.change(c)),
    ),
    row(SetJail, "delignoreip", "ADDRESS", "undo addignoreip", |w| {
        Ok(Change::DelIgnoreIp(w.text()?)).map(|c| w.change(c))
    }),
    row(
        SetJail,
        "ignorecommand",
        "COMMAND",
        "a command that decides who is never banned",
        |w| Ok(Change::IgnoreCommand(w.text()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "ignorecache",
        "OPTIONS",
        "remember what ignorecommand said",
        |w| Ok(Change::IgnoreCache(w.text()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "addlogpath",
        "FILE [tail|head]",
        "watch a log from its end, or from where it matters",
        parse_add_log_path,
    ),
    row(SetJail, "dellogpath", "FILE", "watch a log no more", |w| {
        Ok(Change::DelLogPath(w.text()?)).map(|c| w.change(c))
    }),
    row(
        SetJail,
        "logencoding",
        "ENCODING",
        "the encoding of a jail's logs",
        |w| Ok(Change::LogEncoding(w.text()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "addjournalmatch",
        "MATCH ...",
        "read journal entries that match",
        |w| Ok(Change::AddJournalMatch(w.texts())).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "deljournalmatch",
        "MATCH ...",
        "undo addjournalmatch",
        |w| Ok(Change::DelJournalMatch(w.texts())).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "prefregex",
        "REGEX",
        "what every line must match first",
        |w| Ok(Change::PrefRegex(w.text()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "addfailregex",
        "REGEX",
        "add what a failure looks like",
        |w| Ok(Change::AddFailRegex(vec![w.text()?])).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "delfailregex",
        "INDEX",
        "remove a failregex",
        |w| Ok(Change::DelFailRegex(w.int()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "addignoreregex",
        "REGEX",
        "add what is no failure after all",
        |w| Ok(Change::AddIgnoreRegex(vec![w.text()?])).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "delignoreregex",
        "INDEX",
        "remove an ignoreregex",
        |w| Ok(Change::DelIgnoreRegex(w.int()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "usedns",
        "yes|warn|no|raw",
        "what to do with host names in logs",
        |w| Ok(Change::UseDns(w.text()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "findtime",
        "TIME",
        "the time in which failures add up",
        |w| Ok(Change::FindTime(w.text()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "bantime",
        "TIME",
        "how long a ban lasts; current bans follow",
        |w| Ok(Change::BanTime(w.text()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "datepattern",
        "PATTERN",
        "what dates look like",
        |w| Ok(Change::DatePattern(w.text()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "logtimezone",
        "ZONE",
        "the zone of dates without one",
        |w| Ok(Change::LogTimezone(w.text()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "maxmatches",
        "NUMBER",
        "lines kept for each address",
        |w| Ok(Change::MaxMatches(w.int()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "maxretry",
        "NUMBER",
        "failures that make a ban",
        |w| Ok(Change::MaxRetry(w.int()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "maxlines",
        "NUMBER",
        "lines a regex may span",
        |w| Ok(Change::MaxLines(w.int()?)).map(|c| w.change(c)),
    ),
    row(
        SetJail,
        "attempt",
        "ADDRESS [LINE ...]",
        "count a failure by hand",
        |w| {
            Ok(Change::Attempt {
                ip: w.text()?,
                lines: w.texts(),
            })
            .map(|c| w.change(c))
        },
    ),
    row(SetJail, "banip", "ADDRESS ...", "ban by hand", |w| {
        Ok(Change::BanIp(w.texts())).map(|c| w.change(c))
    }),
    row(
        SetJail,
        "unbanip",
        "[--report-absent] ADDRESS ...",
        "end bans and forget them",
        |w| {
            let mut ids = w.texts();
            let first = ids.first().ok_or_else(index_error)?;
            let report_absent = first == "--report-absent";
            if report_absent {
                ids.remove(0);
            }
            Ok(w.change(Change::UnbanIp { report_absent, ids }))
        },
    ),
    row(
        SetJail,
        "addaction",
        "ACTION [PYTHONFILE JSON]",
        "add an action",
        |w| {
            let action = w.text()?;
            let python = match w.optional() {
                None => None,
                Some(file) => Some((file, w.text()?)),
            };
            Ok(w.change(Change::AddAction { action, python }))
        },
    ),
    row(SetJail, "delaction", "ACTION", "remove an action", |w| {
        Ok(Change::DelAction(w.text()?)).map(|c| w.change(c))
    }),
    row(
        SetJail,
        "action",
        "ACTION PROPERTY VALUE",
        "change an action",
        |w| {
            let (action, property, value) = (w.text()?, w.text()?, w.value()?);
            let properties = vec![(property, value)];
            Ok(w.change(Change::Action { action, properties }))
        },
    ),
    row(
        GetJail,
        "banned",
        "[ADDRESS ...]",
        "who is banned; or whether each address is",
        |w| {
            Ok(w.query(Query::Banned(
                w.rest.iter().map(ToString::to_string).collect(),
            )))
        },
    ),
    row(
        GetJail,
        "banip",
        "[SEPARATOR|--with-time]",
        "who is banned, by the end of the ban",
        |w| {
            let with_time = w.optional().is_some_and(|word| word == "--with-time");
            Ok(w.query(Query::BanIp { with_time }))
        },
    ),
    row(GetJail, "logpath", "", "the logs a jail watches", |w| {
        Ok(w.query(Query::LogPath))
    }),
    row(GetJail, "logencoding", "", "their encoding", |w| {
        Ok(w.query(Query::LogEncoding))
    }),
    row(
        GetJail,
        "journalmatch",
        "",
        "the journal entries it reads",
        |w| Ok(w.query(Query::JournalMatch)),
    ),
    row(
        GetJail,
        "ignoreself",
        "",
        "whether this machine's own addresses are never banned",
        |w| Ok(w.query(Query::IgnoreSelf)),
    ),
    row(GetJail, "ignoreip", "", "who is never banned", |w| {
        Ok(w.query(Query::IgnoreIp))
    }),
    row(
        GetJail,
        "ignorecommand",
        "",
        "the command that decides who is never banned",
        |w| Ok(w.query(Query::IgnoreCommand)),
    ),
    row(
        GetJail,
        "ignorecache",
        "",
        "how its answers are remembered",
        |w| Ok(w.query(Query::IgnoreCache)),
    ),
    row(
        GetJail,
        "prefregex",
        "",
        "what every line must match first",
        |w| Ok(w.query(Query::PrefRegex)),
    ),
    row(GetJail, "failregex", "", "what a failure looks like", |w| {
        Ok(w.query(Query::FailRegex))
    }),
    row(
        GetJail,
        "ignoreregex",
        "",
        "what is no failure after all",
        |w| Ok(w.query(Query::IgnoreRegex)),
    ),
    row(
        GetJail,
        "usedns",
        "",
        "what is done with host names in logs",
        |w| Ok(w.query(Query::UseDns)),
    ),
    row(
        GetJail,
        "findtime",
        "",
        "the time in which failures add up",
        |w| Ok(w.query(Query::FindTime)),
    ),
    row(GetJail, "bantime", "", "how long a ban lasts", |w| {
        Ok(w.query(Query::BanTime))
    }),
    row(GetJail, "datepattern", "", "what dates look like", |w| {
        Ok(w.query(Query::DatePattern))
    }),
    row(
        GetJail,
        "logtimezone",
        "",
        "the zone of dates without one",
        |w| Ok(w.query(Query::LogTimezone)),
    ),
    row(
        GetJail,
        "maxmatches",
        "",
        "lines kept for each address",
        |w| Ok(w.query(Query::MaxMatches)),
    ),
    row(GetJail, "maxretry", "", "failures that make a ban", |w| {
        Ok(w.query(Query::MaxRetry))
    }),
    row(GetJail, "maxlines", "", "lines a regex may span", |w| {
        Ok(w.query(Query::MaxLines))
    }),
    row(GetJail, "actions", "", "a jail's actions", |w| {
        Ok(w.query(Query::Actions))
    }),
    row(
        GetJail,
        "action",
        "ACTION PROPERTY",
        "a property of an action",
        |w| {
            let (action, property) = (w.text()?, w.text()?);
            Ok(w.query(Query::ActionProperty { action, property }))
        },
    ),
    row(
        GetJail,
        "actionproperties",
        "ACTION",
        "the properties of an action",
        |w| Ok(Query::ActionProperties(w.text()?)).map(|q| w.query(q)),
    ),
    row(
        GetJail,
        "actionmethods",
        "ACTION",
        "the methods of an action",
        |w| Ok(Query::ActionMethods(w.text()?)).map(|q| w.query(q)),
    ),
];

/// Reads a command.
///
/// # Errors
/// The exception fail2ban answers with: `IndexError` for a missing word, `Invalid command …` for an
/// unknown one.
pub fn parse(command: &Value) -> Result<Request, Exception> {
    let words = command.items().ok_or_else(|| plain("Invalid command"))?;
    let (first, rest) = words.split_first().ok_or_else(index_error)?;
    let first = first.to_string();
    match first.as_str() {
        "set" => parse_set(rest),
        "get" => parse_get(rest),
        "multi-set" => parse_multi_set(rest),
        word => match find(Basic, word) {
            Some(row) => (row.parse)(&mut Words { rest, jail: "" }),
            None => Err(plain("Invalid command")),
        },
    }
}

fn find(scope: Scope, word: &str) -> Option<&'static Command> {
    COMMANDS
        .iter()
        .find(|row| row.scope == scope && row.word == word)
}

fn parse_set(words: &[Value]) -> Result<Request, Exception> {
    let (name, rest) = words.split_first().ok_or_else(index_error)?;
    let name = name.to_string();
    if let Some(row) = find(SetGlobal, &name) {
        return (row.parse)(&mut Words { rest, jail: "" });
    }
    let (word, rest) = rest.split_first().ok_or_else(index_error)?;
    let word = word.to_string();
    let mut words = Words { rest, jail: &name };
    if let Some(row) = find(SetJail, &word) {
        return (row.parse)(&mut words);
    }
    if let Some(extra) = word.strip_prefix("bantime.") {
        let change = Change::BanTimeExtra(extra.to_owned(), words.text()?);
        return Ok(words.change(change));
    }
    let shown = Value::Str(word).repr();
    Err(plain(format!(
        "Invalid command {shown} (no set action or not yet implemented)"
    )))
}

fn parse_get(words: &[Value]) -> Result<Request, Exception> {
    let (name, rest) = words.split_first().ok_or_else(index_error)?;
    let name = name.to_string();
    if let Some(row) = find(GetGlobal, &name) {
        return (row.parse)(&mut Words { rest, jail: "" });
    }
    let (word, rest) = rest.split_first().ok_or_else(index_error)?;
    let word = word.to_string();
    let mut words = Words { rest, jail: &name };
    if let Some(row) = find(GetJail, &word) {
        return (row.parse)(&mut words);
    }
    match word.strip_prefix("bantime.") {
        Some(extra) => Ok(words.query(Query::BanTimeExtra(extra.to_owned()))),
        None => Err(plain(
            "Invalid command (no get action or not yet implemented)",
        )),
    }
}

/// `multi-set JAIL addfailregex [..]` and `multi-set JAIL action ACTION [[key, value], …]`.
fn parse_multi_set(words: &[Value]) -> Result<Request, Exception> {
    let [jail, word, rest @ ..] = words else {
        return Err(index_error());
    };
    let jail = jail.to_string();
    let texts = |value: Option<&Value>| -> Result<Vec<String>, Exception> {
        let items = value
            .ok_or_else(index_error)?
            .items()
            .ok_or_else(|| plain("Invalid command"))?;
        Ok(items.iter().map(ToString::to_string).collect())
    };
    let change = match word.to_string().as_str() {
        "addfailregex" => Change::AddFailRegex(texts(rest.first())?),
        "addignoreregex" => Change::AddIgnoreRegex(texts(rest.first())?),
        "action" => {
            let [action, pairs, ..] = rest else {
                return Err(index_error());
            };
            let pairs = pairs.items().ok_or_else(|| plain("Invalid command"))?;
            let mut properties = Vec::with_capacity(pairs.len());
            for pair in pairs {
                match pair.items() {
                    Some([key, value, ..]) => properties.push((key.to_string(), value.clone())),
                    _ => return Err(index_error()),
                }
            }
            Change::Action {
                action: action.to_string(),
                properties,
            }
        }
        // Everything else is an ordinary `set`.
        _ => return parse_set(words),
    };
    Ok(Request::MultiSet(jail, vec![change]))
}

/// The wire form is `[JAIL|--all, [OPTIONS], [STREAM]]`; typed by hand, options come first.
fn parse_reload(words: &mut Words<'_>) -> Result<Request, Exception> {
    let mut reload = Reload::default();
    let mut option = |word: &str| match word {
        "--all" => true,
        "--restart" => {
            reload.restart = true;
            true
        }
        "--unban" => {
            reload.unban = true;
            true
        }
        "--if-exists" => {
            reload.if_exists = true;
            true
        }
        _ => false,
    };
    let mut jail = None;
    let mut stream = Vec::new();
    let mut lists = 0;
    for word in std::mem::take(&mut words.rest) {
        match word.items() {
            Some(items) => {
                lists += 1;
                // The options' list comes before the stream; what it holds are words.
                if lists == 1 && items.iter().all(|item| item.as_str().is_some()) {
                    items.iter().filter_map(Value::as_str).for_each(|word| {
                        option(word);
                    });
                } else {
                    stream = items.to_vec();
                }
            }
            None => {
                let word = word.to_string();
                if !option(&word) {
                    jail = Some(word);
                }
            }
        }
    }
    reload.jail = jail;
    reload.stream = stream;
    Ok(Request::Reload(reload))
}

fn parse_add_log_path(words: &mut Words<'_>) -> Result<Request, Exception> {
    let path = words.text()?;
    let mode = words.optional();
    if !words.rest.is_empty() {
        let message = "Only one file can be added at a time";
        return Err(Exception::builtin("ValueError", vec![message.into()]));
    }
    let tail = match mode.as_deref().map(str::to_lowercase).as_deref() {
        Some("tail") => true,
        None | Some("head") => false,
        Some(_) => {
            let message = "File option must be 'head' or 'tail'";
            return Err(Exception::builtin("ValueError", vec![message.into()]));
        }
    };
    Ok(words.change(Change::AddLogPath { path, tail }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Result<Request, String> {
        parse(&Value::list(words.iter().copied())).map_err(|e| Value::Exception(e).repr())
    }

    #[test]
    fn no_command_is_listed_twice() {
        for (place, row) in COMMANDS.iter().enumerate() {
            let twin = COMMANDS[..place]
                .iter()
                .find(|r| r.scope == row.scope && r.word == row.word);
            assert!(twin.is_none(), "{:?} {}", row.scope, row.word);
        }
    }

    #[test]
    fn what_is_shown_says_what_it_does_in_one_line() {
        for row in COMMANDS.iter().filter(|row| !row.help.is_empty()) {
            assert!(
                !row.help.contains('\n') && !row.help.ends_with('.'),
                "{}",
                row.word
            );
            assert!(
                row.help.chars().next().is_some_and(char::is_lowercase),
                "{}",
                row.word
            );
        }
    }

    #[test]
    fn words_become_requests() {
        assert_eq!(asked(&["status"]), Ok(Request::Status));
        assert_eq!(
            asked(&["status", "sshd"]),
            Ok(Request::JailStatus {
                jail: "sshd".into(),
                flavor: "basic".into()
            })
        );
        assert_eq!(
            asked(&["set", "loglevel", "DEBUG"]),
            Ok(Request::SetGlobal(Global::LogLevel, "DEBUG".into()))
        );
        assert_eq!(
            asked(&["set", "sshd", "maxretry", "3"]),
            Ok(Request::Set("sshd".into(), Change::MaxRetry(3)))
        );
        assert_eq!(
            asked(&["get", "sshd", "bantime.factor"]),
            Ok(Request::Get(
                "sshd".into(),
                Query::BanTimeExtra("factor".into())
            ))
        );
        assert_eq!(asked(&["stop", "--all"]), Ok(Request::Stop(Stop::AllJails)));
        assert_eq!(
            asked(&["reload", "--unban", "sshd"]),
            Ok(Request::Reload(Reload {
                jail: Some("sshd".into()),
                unban: true,
                ..Reload::default()
            }))
        );
    }

    #[test]
    fn a_reload_over_the_wire_carries_its_stream() {
        let stream = Value::List(vec![Value::list(["start", "sshd"])]);
        let command = Value::List(vec![
            "reload".into(),
            "--all".into(),
            Value::list(["--restart"]),
            stream,
        ]);
        let Ok(Request::Reload(reload)) = parse(&command) else {
            panic!("no reload")
        };
        assert!(reload.restart && reload.jail.is_none());
        assert_eq!(reload.stream.len(), 1);
    }

    #[test]
    fn errors_are_fail2bans_exceptions() {
        assert_eq!(
            asked(&[]),
            Err("IndexError('list index out of range')".into())
        );
        assert_eq!(asked(&["foo"]), Err("Exception('Invalid command')".into()));
        assert_eq!(
            asked(&["get", "sshd"]),
            Err("IndexError('list index out of range')".into())
        );
        assert_eq!(
            asked(&["get", "sshd", "foo"]),
            Err("Exception('Invalid command (no get action or not yet implemented)')".into())
        );
        assert_eq!(
            asked(&["set", "sshd", "maxretry", "x"]),
            Err("ValueError(\"invalid literal for int() with base 10: 'x'\")".into())
        );
    }
}
