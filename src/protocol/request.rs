//! Commands as data: what a list of words asks for.

mod command;

use super::value::Value;

/// One command.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Ping,
    Version,
    Echo(Vec<Value>),
    /// Whether start-up is over.
    ServerStatus,
    /// Seconds.
    Sleep(f64),
    /// A client could not read its configuration.
    ConfigError(String),
    FlushLogs,
    Status,
    JailStatus {
        jail: String,
        flavor: String,
    },
    AllStatus {
        flavor: String,
    },
    Statistics,
    /// Ours: how the server and every jail is, for `rban status`.
    Report(Option<String>),
    /// Ours: why somebody is banned or is not, for `rban why`.
    Why(String),
    Add {
        jail: String,
        backend: String,
    },
    Start(String),
    Stop(Stop),
    Reload(Reload),
    /// A command stream, as a client reads it from the configuration.
    ServerStream(Vec<Value>),
    Unban(Unban),
    /// With addresses: the jails each is banned in.
    Banned(Vec<String>),
    GetGlobal(Global),
    SetGlobal(Global, Value),
    Get(String, Query),
    Set(String, Change),
    /// `multi-set`: several regular expressions, or several properties of an action.
    MultiSet(String, Vec<Change>),
}

impl Request {
    /// Whether it only looks: what those may ask who may not change anything. What an action is
    /// made of is not for them, since it may hold a password; nor are the lines of a log.
    pub const fn only_looks(&self) -> bool {
        match self {
            Self::Ping
            | Self::Version
            | Self::Echo(_)
            | Self::ServerStatus
            | Self::Status
            | Self::JailStatus { .. }
            | Self::AllStatus { .. }
            | Self::Statistics
            | Self::Banned(_)
            | Self::Report(_)
            | Self::GetGlobal(_) => true,
            Self::Get(_, query) => !matches!(query, Query::ActionProperty { .. }),
            Self::Sleep(_)
            | Self::Why(_)
            | Self::ConfigError(_)
            | Self::FlushLogs
            | Self::Add { .. }
            | Self::Start(_)
            | Self::Stop(_)
            | Self::Reload(_)
            | Self::ServerStream(_)
            | Self::Unban(_)
            | Self::SetGlobal(..)
            | Self::Set(..)
            | Self::MultiSet(..) => false,
        }
    }
}

/// What to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    Server,
    AllJails,
    Jail(String),
}

/// `reload [--restart] [--unban] [--if-exists] [JAIL|--all]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reload {
    /// `None`: the server and every jail.
    pub jail: Option<String>,
    pub restart: bool,
    pub unban: bool,
    pub if_exists: bool,
    /// The configuration as the client read it.
    pub stream: Vec<Value>,
}

/// Whom to unban, in all jails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unban {
    All,
    Ids(Vec<String>),
}

/// The server's own options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    LogLevel,
    LogTarget,
    SyslogSocket,
    AllowIpv6,
    DbFile,
    DbMaxMatches,
    DbPurgeAge,
    Thread,
}

/// What can be asked of a jail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// With addresses: whether each is banned.
    Banned(Vec<String>),
    BanIp {
        with_time: bool,
    },
    LogPath,
    LogEncoding,
    JournalMatch,
    IgnoreSelf,
    IgnoreIp,
    IgnoreCommand,
    IgnoreCache,
    PrefRegex,
    FailRegex,
    IgnoreRegex,
    UseDns,
    FindTime,
    BanTime,
    /// The part behind `bantime.`.
    BanTimeExtra(String),
    DatePattern,
    LogTimezone,
    MaxMatches,
    MaxRetry,
    MaxLines,
    Actions,
    ActionProperty {
        action: String,
        property: String,
    },
    ActionProperties(String),
    ActionMethods(String),
}

/// What can be changed in a jail. Texts that are yet to be checked stay texts.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Idle(bool),
    IgnoreSelf(String),
    AddIgnoreIp(Vec<String>),
    DelIgnoreIp(String),
    IgnoreCommand(String),
    IgnoreCache(String),
    AddLogPath {
        path: String,
        tail: bool,
    },
    DelLogPath(String),
    LogEncoding(String),
    AddJournalMatch(Vec<String>),
    DelJournalMatch(Vec<String>),
    PrefRegex(String),
    AddFailRegex(Vec<String>),
    DelFailRegex(i64),
    AddIgnoreRegex(Vec<String>),
    DelIgnoreRegex(i64),
    UseDns(String),
    /// Seconds, or a duration such as `1h`.
    FindTime(String),
    BanTime(String),
    BanTimeExtra(String, String),
    DatePattern(String),
    LogTimezone(String),
    MaxMatches(i64),
    MaxRetry(i64),
    MaxLines(i64),
    Attempt {
        ip: String,
        lines: Vec<String>,
    },
    BanIp(Vec<String>),
    /// Ours: a ban with a length of its own.
    BanFor {
        time: String,
        ids: Vec<String>,
    },
    UnbanIp {
        report_absent: bool,
        ids: Vec<String>,
    },
    AddAction {
        action: String,
        /// A Python file and its arguments as JSON.
        python: Option<(String, String)>,
    },
    DelAction(String),
    Action {
        action: String,
        /// Properties and their values, or methods and their arguments as JSON, of which there may
        /// be none; one for `set`, several for `multi-set`.
        properties: Vec<(String, Option<Value>)>,
    },
}
