//! What the configuration comes to: typed, checked values the daemon is built from.
//!
//! `config` makes them, `rban client -d` prints them as fail2ban's command stream, and a stream
//! sent over the socket becomes the same values. Lists keep the order of the files.

use std::fmt;
use std::path::PathBuf;

use super::{BanTime, Level, Span};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A file and the 1-based line its key stands on.
    File(PathBuf, u32),
    /// An environment variable.
    Variable(String),
    /// A command-line option, as typed.
    CommandLine(String),
    /// rban's own default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::CommandLine(option) => f.write_str(option),
            Self::Default => f.write_str("default"),
        }
    }
}

/// fail2ban.conf: the server's own options.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerSettings {
    pub loglevel: Level,
    /// `STDOUT`, `STDERR`, `SYSLOG`, `SYSOUT`, `SYSTEMD-JOURNAL` or a file, with `[options]`; `log`
    /// reads it.
    pub logtarget: String,
    pub syslogsocket: String,
    pub socket: PathBuf,
    /// A group whose members may look, and change nothing.
    pub socketgroup: Option<String>,
    /// The socket's mode; `None` is 0700, and 0770 with a group.
    pub socketmode: Option<u32>,
    pub pidfile: PathBuf,
    /// `None` is `auto`.
    pub allowipv6: Option<bool>,
    /// `None` turns the database off.
    pub dbfile: Option<PathBuf>,
    pub dbpurgeage: Span,
    pub dbmaxmatches: usize,
    /// Carry recognised one-command bans out natively (`native = off` says shell).
    pub native: bool,
    /// The server's end leaves bans in the firewall, for its next start to take over.
    pub keep_on_stop: bool,
    /// A ban by hand of whoever logged in to give it is refused, unless forced.
    pub ignoresshclient: bool,
    /// Where Prometheus asks: an address and port, or the path of a socket; `None`: nowhere.
    pub metrics: Option<String>,
}

/// One jail, ready to start.
#[derive(Clone, Debug, PartialEq)]
pub struct JailSettings {
    pub name: String,
    /// As configured: `auto`, `polling`, `pyinotify`, `systemd[…]`.
    pub backend: String,
    /// Why the journal is read where `backend = auto` left it to us.
    pub chosen: Option<String>,
    pub filter: FilterSettings,
    pub logs: Vec<LogPath>,
    pub skip_if_nologs: bool,
    /// A Python codec name; `auto` is the locale's, UTF-8 where it says nothing.
    pub logencoding: String,
    /// `(ABBR)?([+-]HH(:?MM)?)?`; `None` is local time.
    pub logtimezone: Option<String>,
    pub maxretry: u32,
    pub maxmatches: usize,
    pub findtime: Span,
    pub bantime: BanTime,
    pub increment: BanIncrement,
    pub usedns: UseDns,
    pub ignoreself: bool,
    /// Addresses, networks, DNS names, raw IDs and `file:` entries, as written.
    pub ignoreip: Vec<String>,
    /// Empty: none.
    pub ignorecommand: String,
    pub ignorecache: Option<IgnoreCache>,
    pub prefixes: PrefixSettings,
    pub actions: Vec<ActionSettings>,
}

/// Networks banned instead of hosts; prefix lengths, `None` is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixSettings {
    /// `banprefix4`, `banprefix6`: a host is banned with its network.
    pub ban4: Option<u8>,
    pub ban6: Option<u8>,
    /// `countprefix4`, `countprefix6`: a network is banned once `hosts` of its hosts are.
    pub count4: Option<u8>,
    pub count6: Option<u8>,
    /// `countprefixhosts`, at least 2.
    pub hosts: u32,
}

/// What a filter says, with all tags of the configuration's own resolved (`<HOST>` and its kind
/// stay for `pattern`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FilterSettings {
    pub name: String,
    pub prefregex: Option<String>,
    /// One regular expression each, with where it stands.
    pub failregex: Vec<(String, Origin)>,
    pub ignoreregex: Vec<(String, Origin)>,
    /// One template per line, as written; `None` is the default detectors.
    pub datepattern: Option<String>,
    /// At least 1.
    pub maxlines: usize,
    /// One match group per entry, its words as `shlex` splits them.
    pub journalmatch: Vec<Vec<String>>,
}

/// A `logpath` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPath {
    /// A glob, or a plain path.
    pub glob: String,
    /// Start at the end of the file instead of `now − findtime`.
    pub tail: bool,
}

/// One action of a jail.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionSettings {
    /// The action's name in the jail (`actname`).
    pub name: String,
    /// Every option and tag in file order: `actionban`, `blocktype`, `blocktype?family=inet6`, …;
    /// values have the configuration's own tags resolved, as fail2ban ships them to its server.
    pub options: Vec<(String, String)>,
    /// The `*.py` file, for a Python action; `options` are then its arguments.
    pub python: Option<PathBuf>,
    /// Where the jail asks for it.
    pub origin: Origin,
}

/// The option that says what mails of a known mail action hold. No file can say it: its name is
/// none an option can have.
pub const MAIL_OPTION: &str = "(mail)";

impl ActionSettings {
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// `bantime.*`.
#[derive(Clone, Debug, PartialEq)]
pub struct BanIncrement {
    pub enabled: bool,
    /// Expressions in fail2ban's documented names, as written.
    pub factor: Option<String>,
    pub formula: Option<String>,
    pub multipliers: Option<String>,
    pub maxtime: Option<Span>,
    pub rndtime: Option<Span>,
    pub overalljails: bool,
}

/// `ignorecache = key="…", max-count=…, max-time=…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoreCache {
    pub key: String,
    pub max_count: usize,
    pub max_time: Span,
}

/// `usedns`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UseDns {
    Yes,
    #[default]
    Warn,
    No,
    Raw,
}
