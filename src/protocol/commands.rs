//! Every command: one table, from which parsing, help and completion come.
//!
//! A new command is a row here, a variant in `request.rs`, and its answer in the daemon's control
//! module. Errors are the exceptions fail2ban raises, since clients show them.

mod parse;
mod words;

use super::exception::Exception;
use super::request::{Change, Global, Query, Request, Stop, Unban};
use super::value::Value;
use parse::{add_log_path, reload, sleep};
use words::{Words, plain};

pub use parse::parse;
pub use words::index_error;

/// What an action can be told to do, besides having properties.
pub const METHODS: &[&str] = &[
    "ban", "flush", "prolong", "reban", "reload", "start", "stop", "unban",
];

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
        reload,
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
            if !w.is_empty() {
                return Err(plain("Invalid command (no status)"));
            }
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
        |w| Ok(Request::Echo(w.values())),
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
    row(Basic, "rban-report", "[JAIL]", "", |w| {
        Ok(Request::Report(w.optional()))
    }),
    row(Basic, "rban-why", "ADDRESS", "", |w| {
        Ok(Request::Why(w.text()?))
    }),
    row(Basic, "sleep", "SECONDS", "", sleep),
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
        add_log_path,
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
            let missing = "Filter.addAttempt() missing 1 required positional argument: 'ip'";
            Ok(Change::Attempt {
                ip: w
                    .optional()
                    .ok_or_else(|| Exception::builtin("TypeError", vec![missing.into()]))?,
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
        "banfor",
        "TIME ADDRESS ...",
        "ban by hand for a time of its own (rban only)",
        |w| {
            let change = Change::BanFor {
                time: w.text()?,
                ids: w.texts(),
            };
            Ok(w.change(change))
        },
    ),
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
        "ACTION PROPERTY|METHOD [VALUE|JSON]",
        "change an action, or call one of its methods",
        |w| {
            let (action, property, value) = (w.text()?, w.text()?, w.value().ok());
            if value.is_none() && !METHODS.contains(&property.as_str()) {
                return Err(index_error());
            }
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
            let ids = w.texts();
            Ok(w.query(Query::Banned(ids)))
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

#[cfg(test)]
mod tests;
