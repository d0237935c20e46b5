//! One line for our own log, before it is formatted.

use std::fmt;

/// fail2ban's log levels, with Python's numbers as discriminants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    HeavyDebug = 5,
    TraceDebug = 7,
    Debug = 10,
    Msg = 18,
    Info = 20,
    Notice = 25,
    Warning = 30,
    Error = 40,
    Critical = 50,
}

/// Who speaks, by fail2ban's logger names; tools such as the recidive filter grep them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logger {
    Actions,
    Client,
    /// What an action's commands and their repair have to say.
    CommandAction,
    Config,
    Database,
    DateDetector,
    Filter,
    IpDns,
    Jail,
    Observer,
    Server,
    Transmitter,
    Utils,
}

impl Logger {
    /// The name as it stands in a log line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Actions => "fail2ban.actions",
            Self::Client => "fail2ban",
            Self::CommandAction => "fail2ban.CommandAction",
            Self::Config => "fail2ban.configreader",
            Self::Database => "fail2ban.database",
            Self::DateDetector => "fail2ban.datedetector",
            Self::Filter => "fail2ban.filter",
            Self::IpDns => "fail2ban.ipdns",
            Self::Jail => "fail2ban.jail",
            Self::Observer => "fail2ban.observer",
            Self::Server => "fail2ban.server",
            Self::Transmitter => "fail2ban.transmitter",
            Self::Utils => "fail2ban.utils",
        }
    }
}

/// One message for the log; the time is added where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub level: Level,
    pub logger: Logger,
    pub message: String,
}

impl Record {
    pub fn new(level: Level, logger: Logger, message: impl Into<String>) -> Self {
        Self {
            level,
            logger,
            message: message.into(),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::HeavyDebug => "HEAVY",
            Self::TraceDebug => "TRACE",
            Self::Debug => "DEBUG",
            Self::Msg => "MSG",
            Self::Info => "INFO",
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        })
    }
}
