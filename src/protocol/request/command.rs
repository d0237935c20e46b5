//! A request as the list of words it is sent as: the way back from parsing.

use super::{Change, Global, Query, Reload, Request, Stop, Unban};
use crate::protocol::value::Value;

/// The words of a command as they are put together.
struct Words(Vec<Value>);

impl Words {
    fn new<const N: usize>(words: [&str; N]) -> Self {
        Self(words.into_iter().map(Value::from).collect())
    }

    fn and(mut self, word: impl Into<Value>) -> Self {
        self.0.push(word.into());
        self
    }

    fn all<'t>(mut self, words: impl IntoIterator<Item = &'t String>) -> Self {
        self.0
            .extend(words.into_iter().map(|word| word.as_str().into()));
        self
    }

    fn maybe(mut self, word: Option<&Value>) -> Self {
        self.0.extend(word.cloned());
        self
    }
}

impl Request {
    /// The command that asks for this, as fail2ban's client would send it.
    pub fn command(&self) -> Value {
        let words = match self {
            Self::Ping => Words::new(["ping"]),
            Self::Version => Words::new(["version"]),
            Self::Echo(words) => Words([vec!["echo".into()], words.clone()].concat()),
            Self::ServerStatus => Words::new(["server-status"]),
            Self::Sleep(seconds) => Words::new(["sleep"]).and(Value::Float(*seconds)),
            Self::ConfigError(message) => Words::new(["config-error", message]),
            Self::FlushLogs => Words::new(["flushlogs"]),
            Self::Status => Words::new(["status"]),
            Self::JailStatus { jail, flavor } => Words::new(["status", jail, flavor]),
            Self::AllStatus { flavor } => Words::new(["status", "--all", flavor]),
            Self::Statistics => Words::new(["stats"]),
            Self::Report(jail) => Words::new(["rban-report"]).all(jail),
            Self::Why(who) => Words::new(["rban-why"]).and(who.as_str()),
            Self::Add { jail, backend } => Words::new(["add", jail, backend]),
            Self::Start(jail) => Words::new(["start", jail]),
            Self::Stop(Stop::Server) => Words::new(["stop"]),
            Self::Stop(Stop::AllJails) => Words::new(["stop", "--all"]),
            Self::Stop(Stop::Jail(jail)) => Words::new(["stop", jail]),
            Self::Reload(reload) => reload.words(),
            Self::ServerStream(stream) => {
                Words::new(["server-stream"]).and(Value::List(stream.clone()))
            }
            Self::Unban(Unban::All) => Words::new(["unban", "--all"]),
            Self::Unban(Unban::Ids(ids)) => Words::new(["unban"]).all(ids),
            Self::Banned(ids) => Words::new(["banned"]).all(ids),
            Self::GetGlobal(global) => Words::new(["get", global.word()]),
            Self::SetGlobal(global, value) => Words::new(["set", global.word()]).and(value.clone()),
            Self::Get(jail, query) => query.words(Words::new(["get", jail])),
            Self::Set(jail, change) => change.words(Words::new(["set", jail])),
            Self::MultiSet(jail, changes) => match changes.as_slice() {
                [change] => change.many(Words::new(["multi-set", jail])),
                // One command changes one thing; nothing else comes out of parsing.
                _ => Words::new(["multi-set", jail]),
            },
        };
        Value::List(words.0)
    }
}

impl Reload {
    fn words(&self) -> Words {
        let options = [
            ("--restart", self.restart),
            ("--unban", self.unban),
            ("--if-exists", self.if_exists),
        ];
        let given = options.iter().filter(|(_, given)| *given);
        Words::new(["reload", self.jail.as_deref().unwrap_or("--all")])
            .and(Value::list(given.map(|(option, _)| *option)))
            .and(Value::List(self.stream.clone()))
    }
}

impl Global {
    const fn word(self) -> &'static str {
        match self {
            Self::LogLevel => "loglevel",
            Self::LogTarget => "logtarget",
            Self::SyslogSocket => "syslogsocket",
            Self::AllowIpv6 => "allowipv6",
            Self::DbFile => "dbfile",
            Self::DbMaxMatches => "dbmaxmatches",
            Self::DbPurgeAge => "dbpurgeage",
            Self::Thread => "thread",
        }
    }
}

impl Query {
    fn words(&self, words: Words) -> Words {
        let word = match self {
            Self::Banned(ids) => return words.and("banned").all(ids),
            Self::BanIp { with_time: true } => return words.and("banip").and("--with-time"),
            Self::BanTimeExtra(option) => return words.and(format!("bantime.{option}")),
            Self::ActionProperty { action, property } => {
                return words.and("action").all([action, property]);
            }
            Self::ActionProperties(action) => return words.and("actionproperties").all([action]),
            Self::ActionMethods(action) => return words.and("actionmethods").all([action]),
            Self::BanIp { with_time: false } => "banip",
            Self::LogPath => "logpath",
            Self::LogEncoding => "logencoding",
            Self::JournalMatch => "journalmatch",
            Self::IgnoreSelf => "ignoreself",
            Self::IgnoreIp => "ignoreip",
            Self::IgnoreCommand => "ignorecommand",
            Self::IgnoreCache => "ignorecache",
            Self::PrefRegex => "prefregex",
            Self::FailRegex => "failregex",
            Self::IgnoreRegex => "ignoreregex",
            Self::UseDns => "usedns",
            Self::FindTime => "findtime",
            Self::BanTime => "bantime",
            Self::DatePattern => "datepattern",
            Self::LogTimezone => "logtimezone",
            Self::MaxMatches => "maxmatches",
            Self::MaxRetry => "maxretry",
            Self::MaxLines => "maxlines",
            Self::Actions => "actions",
        };
        words.and(word)
    }
}

impl Change {
    /// Behind `set JAIL`.
    fn words(&self, words: Words) -> Words {
        let text = |word: &str, text: &String| (word.to_owned(), Value::from(text.as_str()));
        let number = |word: &str, number: &i64| (word.to_owned(), Value::Int(*number));
        let (word, value) = match self {
            Self::Idle(true) => ("idle".to_owned(), "on".into()),
            Self::Idle(false) => ("idle".to_owned(), "off".into()),
            Self::IgnoreSelf(value) => text("ignoreself", value),
            Self::AddIgnoreIp(ids) => return words.and("addignoreip").all(ids),
            Self::DelIgnoreIp(id) => text("delignoreip", id),
            Self::IgnoreCommand(command) => text("ignorecommand", command),
            Self::IgnoreCache(options) => text("ignorecache", options),
            Self::AddLogPath { path, tail } => {
                let from = if *tail { "tail" } else { "head" };
                return words.and("addlogpath").and(path.as_str()).and(from);
            }
            Self::DelLogPath(path) => text("dellogpath", path),
            Self::LogEncoding(encoding) => text("logencoding", encoding),
            Self::AddJournalMatch(matches) => return words.and("addjournalmatch").all(matches),
            Self::DelJournalMatch(matches) => return words.and("deljournalmatch").all(matches),
            Self::PrefRegex(regex) => text("prefregex", regex),
            Self::AddFailRegex(regexes) => return words.and("addfailregex").all(regexes),
            Self::DelFailRegex(index) => number("delfailregex", index),
            Self::AddIgnoreRegex(regexes) => return words.and("addignoreregex").all(regexes),
            Self::DelIgnoreRegex(index) => number("delignoreregex", index),
            Self::UseDns(value) => text("usedns", value),
            Self::FindTime(time) => text("findtime", time),
            Self::BanTime(time) => text("bantime", time),
            Self::BanTimeExtra(option, value) => text(&format!("bantime.{option}"), value),
            Self::DatePattern(pattern) => text("datepattern", pattern),
            Self::LogTimezone(zone) => text("logtimezone", zone),
            Self::MaxMatches(count) => number("maxmatches", count),
            Self::MaxRetry(count) => number("maxretry", count),
            Self::MaxLines(count) => number("maxlines", count),
            Self::Attempt { ip, lines } => return words.and("attempt").all([ip]).all(lines),
            Self::BanIp(ids) => return words.and("banip").all(ids),
            Self::BanFor { time, ids } => return words.and("banfor").all([time]).all(ids),
            Self::UnbanIp { report_absent, ids } => {
                let option = report_absent.then_some("--report-absent");
                let option = option.map(Value::from);
                return words.and("unbanip").maybe(option.as_ref()).all(ids);
            }
            Self::AddAction { action, python } => {
                let python = python.iter().flat_map(|(file, json)| [file, json]);
                return words.and("addaction").all([action]).all(python);
            }
            Self::DelAction(action) => text("delaction", action),
            Self::Action { action, properties } => {
                let words = words.and("action").all([action]);
                return properties.iter().fold(words, |words, (property, value)| {
                    words.and(property.as_str()).maybe(value.as_ref())
                });
            }
        };
        words.and(word).and(value)
    }

    /// Behind `multi-set JAIL`, where lists stand for what `set` says one at a time.
    fn many(&self, words: Words) -> Words {
        let texts = |texts: &[String]| Value::list(texts.iter().map(String::as_str));
        match self {
            Self::AddFailRegex(regexes) => words.and("addfailregex").and(texts(regexes)),
            Self::AddIgnoreRegex(regexes) => words.and("addignoreregex").and(texts(regexes)),
            Self::Action { action, properties } => {
                let pairs = properties.iter().map(|(property, value)| {
                    Value::List(Words::new([property]).maybe(value.as_ref()).0)
                });
                let pairs = Value::List(pairs.collect());
                words.and("action").all([action]).and(pairs)
            }
            other => other.words(words),
        }
    }
}
