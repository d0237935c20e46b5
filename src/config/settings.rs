//! A jail as read becomes [`JailSettings`]: every value typed, or a complaint about it.
//!
//! A value that cannot be understood costs the jail. One that can, but is out of range, gives way
//! to the nearest that makes sense, with a warning: better a jail that bans than none.

use super::Config;
use super::complaint::Complaint;
use super::duration::{self, Number};
use super::item::Item;
use super::jail::{ActionRead, Auto, JailRead};
use super::layers::BUILT_IN;
use super::options::{Kind, jail_option};
use super::spec::Spec;
use super::values::{int, shown, strip, truth, words};
use crate::model::{
    ActionSettings, BanIncrement, BanTime, IgnoreCache, JailSettings, LogPath, MAIL_OPTION, Origin,
    PrefixSettings, Span, UseDns,
};

/// From this many characters on, `f2b-<name>` is too long for an iptables chain.
const LONG_NAME: usize = 26;

impl Config<'_> {
    /// Types a jail's options; warnings go to `complaints`.
    pub(super) fn jail_settings(
        &self,
        read: &JailRead,
        complaints: &mut Vec<Complaint>,
    ) -> Result<JailSettings, Complaint> {
        let mut typer = Typer {
            config: self,
            read,
            warnings: Vec::new(),
        };
        let settings = typer.jail();
        complaints.extend(typer.warnings.into_iter().map(|w| w.for_jail(&read.name)));
        settings.map_err(|complaint| complaint.for_jail(&read.name))
    }
}

/// One jail while its options are typed.
pub(super) struct Typer<'a, 't> {
    pub(super) config: &'a Config<'t>,
    pub(super) read: &'a JailRead,
    pub(super) warnings: Vec<Complaint>,
}

impl Typer<'_, '_> {
    fn jail(&mut self) -> Result<JailSettings, Complaint> {
        self.name()?;
        let configured = self.backend()?;
        let on_journal = self.read.auto == Auto::Journal;
        let backend = if on_journal { "systemd" } else { &configured }.to_owned();
        let logs = self.logs(&backend)?;
        let globs: Vec<&str> = logs.iter().map(|log| log.glob.as_str()).collect();
        let because = match self.read.auto {
            Auto::No => None,
            Auto::Files(why) => Some(format!("files: {why}")),
            Auto::Journal => Some(format!(
                "the journal: there is a journalmatch, and no {}",
                if globs.is_empty() {
                    "logpath".to_owned()
                } else {
                    globs.join(" or ")
                }
            )),
        };
        let chosen = because.map(|because| format!("backend = {configured} comes to {because}"));
        if self.read.filter.is_none() {
            self.warn(
                "filter",
                "expected a filter, the jail has none",
                "write filter = <name>",
            );
        }
        if self.read.actions.is_empty() {
            self.warn(
                "action",
                "expected an action, so bans have no effect",
                "write action = %(action_)s or name one",
            );
        }
        let maxretry = self.number("maxretry", u32::MAX.into())?;
        let maxmatches = self.number("maxmatches", i64::from(u32::MAX))?;
        Ok(JailSettings {
            name: self.read.name.clone(),
            backend,
            chosen,
            filter: self.filter()?,
            logs,
            skip_if_nologs: self.truth("skip_if_nologs"),
            logencoding: self.text("logencoding"),
            logtimezone: Some(self.text("logtimezone")).filter(|zone| !zone.is_empty()),
            maxretry: maxretry as u32,
            maxmatches: maxmatches as usize,
            findtime: self.findtime()?,
            bantime: BanTime::from_number(self.time("bantime")?.map_or(0, Number::trunc)),
            increment: self.increment()?,
            usedns: self.usedns(),
            ignoreself: self.truth("ignoreself"),
            ignoreip: words(&self.text("ignoreip")),
            ignorecommand: self.text("ignorecommand"),
            ignorecache: self.ignorecache()?,
            prefixes: self.prefixes()?,
            actions: {
                let kill = self.truth("kill_connections");
                let actions = self.read.actions.iter();
                actions.map(|read| action(read, kill)).collect()
            },
        })
    }

    /// The option's item: the jail's, else its filter's, else rban's default.
    fn item(&self, name: &str) -> Option<Item> {
        let filter = self.read.effective_filter();
        let given = self.read.options.get(name);
        given
            .or_else(|| filter?.options.get(name))
            .cloned()
            .or_else(|| Some(self.config.jails.own(BUILT_IN, name)?.into()))
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.item(name).map_or_else(String::new, |item| item.text())
    }

    fn truth(&self, name: &str) -> bool {
        match self.item(name) {
            Some(Item::Bool(value)) => value,
            Some(item) => truth(&item.text()),
            None => false,
        }
    }

    fn origin(&self, name: &str) -> Option<Origin> {
        let jail = self.config.jail_origin(&self.read.name, name);
        jail.or_else(|| self.read.effective_filter()?.definition.origin(name))
    }

    pub(super) fn wrong(&self, name: &str, problem: impl Into<String>, advice: &str) -> Complaint {
        Complaint::error(problem.into(), advice.into()).at(self.origin(name))
    }

    fn warn(&mut self, name: &str, problem: impl Into<String>, advice: impl Into<String>) {
        let origin = self.origin(name);
        self.warnings
            .push(Complaint::warning(problem.into(), advice.into()).at(origin));
    }

    fn name(&mut self) -> Result<(), Complaint> {
        let name = &self.read.name;
        if name == "--all" {
            return Err(self.wrong(
                "enabled",
                "expected a jail name, '--all' means all of them to the client",
                "give the jail another name",
            ));
        }
        let length = name.chars().count();
        if length >= LONG_NAME {
            self.warn(
                "enabled",
                format!("expected a jail name below {LONG_NAME} characters, found {length}"),
                "shorten it, else iptables may refuse the chain f2b-<name>",
            );
        }
        Ok(())
    }

    fn backend(&mut self) -> Result<String, Complaint> {
        let text = self.text("backend");
        let spec = Spec::parse(&text).map_err(|e| {
            self.wrong(
                "backend",
                format!("{e} in backend = '{}'", shown(&text)),
                "write auto",
            )
        })?;
        match spec.name.to_lowercase().as_str() {
            "auto" | "polling" | "pyinotify" | "systemd" | "stdin" | "pipe" | "syslog" => Ok(text),
            "gamin" => {
                self.warn(
                    "backend",
                    "expected auto, polling, pyinotify or systemd, 'gamin' is no more",
                    "write backend = auto, which is used",
                );
                Ok("auto".into())
            }
            other => Err(self.wrong(
                "backend",
                format!(
                    "expected auto, polling, pyinotify or systemd, found backend = '{}'",
                    shown(other)
                ),
                "write backend = auto",
            )),
        }
    }

    /// One glob a line, with `head` or `tail` after it.
    fn logs(&self, backend: &str) -> Result<Vec<LogPath>, Complaint> {
        let mut logs = Vec::new();
        for line in self.text("logpath").split('\n').map(strip) {
            if line.is_empty() {
                continue;
            }
            let (glob, tail) = match line.rsplit_once(' ') {
                None => (line, false),
                Some((glob, end)) if end.eq_ignore_ascii_case("tail") => (glob, true),
                Some((glob, end)) if end.eq_ignore_ascii_case("head") => (glob, false),
                Some((_, other)) => {
                    return Err(self.wrong(
                        "logpath",
                        format!(
                            "expected head or tail after a logpath, found '{}'",
                            shown(other)
                        ),
                        "write one path or glob per line, without blanks in it",
                    ));
                }
            };
            logs.push(LogPath {
                glob: glob.to_owned(),
                tail,
            });
        }
        if logs.is_empty() && reads_files(backend) {
            return Err(self.wrong(
                "logpath",
                "expected a logpath, found none",
                "write logpath = /path/of/the.log, or backend = systemd for the journal",
            ));
        }
        Ok(logs)
    }

    fn prefixes(&mut self) -> Result<PrefixSettings, Complaint> {
        let mut prefix = |name: &str, most: i64| -> Result<Option<u8>, Complaint> {
            let length = u8::try_from(self.number(name, most)?).unwrap_or(0);
            Ok(Some(length).filter(|length| *length > 0))
        };
        Ok(PrefixSettings {
            ban4: prefix("banprefix4", 32)?,
            ban6: prefix("banprefix6", 128)?,
            count4: prefix("countprefix4", 32)?,
            count6: prefix("countprefix6", 128)?,
            hosts: self.number("countprefixhosts", u32::MAX.into())? as u32,
        })
    }

    /// A whole number within its range.
    fn number(&mut self, name: &str, most: i64) -> Result<i64, Complaint> {
        let least = match jail_option(name).map(|known| known.kind) {
            Some(Kind::Int(least)) => least,
            _ => 0,
        };
        let text = self.text(name);
        let value = int(&text).ok_or_else(|| {
            let problem = format!("expected a whole number, found {name} = '{}'", shown(&text));
            self.wrong(name, problem, "write digits only")
        })?;
        let used = value.clamp(least, most);
        if used != value {
            self.warn(
                name,
                format!("expected {name} of {least} to {most}, found {value}"),
                format!("correct it; {used} is used until then"),
            );
        }
        Ok(used)
    }

    /// A length of time; `None` where it is not given.
    fn time(&self, name: &str) -> Result<Option<Number>, Complaint> {
        let text = self.text(name);
        if text.is_empty() && self.item(name).is_none() {
            return Ok(None);
        }
        duration::seconds(&text).map(Some).map_err(|e| {
            let problem = format!("{e}, found {name} = '{}'", shown(&text));
            self.wrong(name, problem, "write a number with s, m, h, d, w, mo or y")
        })
    }

    fn findtime(&mut self) -> Result<Span, Complaint> {
        let given = self.time("findtime")?.map_or(0.0, Number::as_f64);
        if given > 0.0 {
            return Ok(Span::from_secs_f64(given));
        }
        let default = self.config.jails.own(BUILT_IN, "findtime").unwrap_or("600");
        let used = duration::seconds(default).map_or(Span::from_secs(600), Number::span);
        self.warn(
            "findtime",
            format!("expected findtime above 0, found {given}"),
            format!(
                "write findtime = 10m; {} seconds are used until then",
                used.secs()
            ),
        );
        Ok(used)
    }

    fn increment(&mut self) -> Result<BanIncrement, Complaint> {
        let given = |name: &str| Some(self.text(name)).filter(|text| !text.is_empty());
        let increment = BanIncrement {
            enabled: self.truth("bantime.increment"),
            factor: given("bantime.factor"),
            formula: given("bantime.formula"),
            multipliers: given("bantime.multipliers"),
            maxtime: self.limit("bantime.maxtime")?,
            rndtime: self.limit("bantime.rndtime")?,
            overalljails: self.truth("bantime.overalljails"),
        };
        let numbers = increment.multipliers.as_deref().unwrap_or_default();
        if let Some(bad) = numbers.split_whitespace().find(|word| int(word).is_none()) {
            return Err(self.wrong(
                "bantime.multipliers",
                format!(
                    "expected whole numbers, found '{}' in bantime.multipliers",
                    shown(bad)
                ),
                "write for example bantime.multipliers = 1 2 4 8 16 32 64",
            ));
        }
        Ok(increment)
    }

    /// A length of time that an empty value switches off.
    fn limit(&self, name: &str) -> Result<Option<Span>, Complaint> {
        if self.text(name).is_empty() {
            return Ok(None);
        }
        Ok(self.time(name)?.map(Number::span))
    }

    fn usedns(&mut self) -> UseDns {
        let text = self.text("usedns");
        match text.to_lowercase().as_str() {
            "yes" => UseDns::Yes,
            "warn" => UseDns::Warn,
            "no" => UseDns::No,
            "raw" => UseDns::Raw,
            _ => {
                self.warn(
                    "usedns",
                    format!(
                        "expected yes, warn, no or raw, found usedns = '{}'",
                        shown(&text)
                    ),
                    "correct it; no is used until then",
                );
                UseDns::No
            }
        }
    }

    fn ignorecache(&self) -> Result<Option<IgnoreCache>, Complaint> {
        let text = self.text("ignorecache");
        if strip(&text).is_empty() || text.eq_ignore_ascii_case("none") {
            return Ok(None);
        }
        let wrong = |problem: String| {
            self.wrong(
                "ignorecache",
                problem,
                "write ignorecache = key=\"<ip>\", max-count=100, max-time=5m",
            )
        };
        let spec = Spec::parse(&format!("cache[{text}]")).map_err(|e| wrong(e.to_string()))?;
        let option = |name: &str, default| spec.option(name).unwrap_or(default);
        let key = spec.option("key").filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| wrong("expected key=… in ignorecache".into()))?;
        let count = int(option("max-count", "100")).and_then(|n| usize::try_from(n).ok());
        let time = duration::seconds(option("max-time", "300"));
        Ok(Some(IgnoreCache {
            key: key.to_owned(),
            max_count: count
                .ok_or_else(|| wrong("expected max-count of 0 or more in ignorecache".into()))?,
            max_time: time.map_err(|e| wrong(e.to_string()))?.span(),
        }))
    }
}

/// An action's settings; `kill`, the jail's `kill_connections`, is for those that block ports.
fn action(read: &ActionRead, kill: bool) -> ActionSettings {
    let mut options: Vec<(String, String)> = read
        .options
        .iter()
        .map(|(name, item)| (name.clone(), item.text()))
        .collect();
    let given = |wanted: &str| options.iter().any(|(name, _)| name == wanted);
    if kill && given("blocktype") && !given("kill_connections") {
        options.push(("kill_connections".to_owned(), "true".to_owned()));
    }
    if let Some(mail) = read.mail {
        options.push((MAIL_OPTION.to_owned(), mail.to_owned()));
    }
    ActionSettings {
        name: read.name.clone(),
        options,
        python: read.python.clone(),
        origin: read.origin.clone().unwrap_or(Origin::Default),
    }
}

/// Whether a backend reads log files: all do but the journal and what is pushed.
pub(super) fn reads_files(backend: &str) -> bool {
    let name = backend.split('[').next().unwrap_or_default().trim();
    !["systemd", "stdin", "pipe", "syslog"].contains(&name)
}
