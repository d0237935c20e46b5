//! What clients ask for: each request and its answer.
//!
//! Answers have the shapes fail2ban's server gives them, so that any client can show them.

use std::sync::Arc;

use super::clock;
use super::jails::{backend_name, say};
use super::queries;
use super::socket::Answer;
use super::state::{Daemon, target_name};
use crate::config::duration;
use crate::jail::Jail;
use crate::log::Target;
use crate::model::{BanTime, FAIL2BAN_VERSION, FailId, Level, Logger, Span, UseDns};
use crate::protocol::{self, Change, Exception, Global, Request, Stop, Unban, Value, index_error};

/// Answers a command; what fails is logged as fail2ban logs it.
pub(super) fn answer(daemon: &mut Daemon, command: &Value, reply: Box<dyn FnOnce(Answer) + Send>) {
    let answer = protocol::parse(command).and_then(|request| daemon.carry_out(request));
    if let Err(exception) = &answer {
        let shown = Value::Exception(exception.clone()).repr();
        let message = format!("Command {} has failed. Received {shown}", command.repr());
        say(Level::Error, Logger::Transmitter, message);
    }
    reply(answer);
}

pub(super) fn unknown_jail(name: &str) -> Exception {
    Exception {
        module: "fail2ban.exceptions".to_owned(),
        class: "UnknownJailException".to_owned(),
        args: vec![name.into()],
    }
}

pub(super) fn plain(message: impl Into<String>) -> Exception {
    Exception::builtin("Exception", vec![Value::Str(message.into())])
}

fn value_error(message: impl Into<String>) -> Exception {
    Exception::builtin("ValueError", vec![Value::Str(message.into())])
}

impl Daemon {
    fn carry_out(&mut self, request: Request) -> Answer {
        match request {
            Request::Ping => Ok("pong".into()),
            Request::Version => Ok(FAIL2BAN_VERSION.into()),
            Request::Echo(words) => Ok(Value::List(words)),
            Request::ServerStatus => Ok("Server ready".into()),
            // Its thread sleeps, nobody else: see the socket's handler.
            Request::Sleep(_) => Ok(Value::None),
            Request::ConfigError(message) => {
                say(Level::Error, Logger::Transmitter, message);
                Ok(Value::None)
            }
            // The configuration is read by the server itself, at start and at reload.
            Request::ServerStream(_) => Ok(Value::None),
            Request::FlushLogs => self.flush_logs().map(Value::Str).map_err(plain),
            Request::Status => Ok(self.status()),
            Request::JailStatus { jail, flavor } => self.jail_status(&jail, &flavor),
            Request::AllStatus { flavor } => self.all_status(&flavor),
            Request::Statistics => Ok(self.statistics()),
            Request::Start(jail) => self.start_again(&jail),
            Request::Stop(Stop::Server) => {
                self.stopping = true;
                Ok(Value::None)
            }
            Request::Stop(Stop::AllJails) => {
                self.stop_all();
                Ok(Value::None)
            }
            Request::Stop(Stop::Jail(jail)) => {
                if self.stop_jail(&jail) {
                    Ok(Value::None)
                } else {
                    Err(unknown_jail(&jail))
                }
            }
            Request::Add { jail, .. } => match self.engine.member(&jail) {
                Some(_) => Err(Exception {
                    module: "fail2ban.exceptions".to_owned(),
                    class: "DuplicateJailException".to_owned(),
                    args: vec![jail.into()],
                }),
                None => Err(plain(format!(
                    "jails are made by the configuration: write [{jail}] into jail.local, then reload"
                ))),
            },
            Request::Reload(reload) => self.reload(&reload),
            Request::Unban(Unban::All) => {
                let names = self.names();
                let count: usize = names
                    .iter()
                    .filter_map(|name| self.with_jail(name, Jail::unban_all))
                    .sum();
                Ok(count.into())
            }
            Request::Unban(Unban::Ids(ids)) => {
                let names = self.names();
                let mut count = 0;
                for id in &ids {
                    let id = FailId::parse(id);
                    for name in &names {
                        count += self
                            .with_jail(name, |jail, turn| jail.unban(&id, turn))
                            .unwrap_or(0);
                    }
                }
                Ok(count.into())
            }
            Request::Banned(ids) => Ok(self.banned(&ids)),
            Request::GetGlobal(global) => Ok(self.global(global)),
            Request::SetGlobal(global, value) => self.set_global(global, &value),
            Request::Get(jail, query) => self.query(&jail, &query),
            Request::Set(jail, change) => self.change(&jail, change),
            Request::MultiSet(jail, changes) => {
                for change in changes {
                    self.change(&jail, change)?;
                }
                Ok(Value::Bool(true))
            }
        }
    }

    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.jails
            .iter()
            .map(|running| Arc::clone(&running.name))
            .collect()
    }

    /// A stopped jail comes back as the configuration has it; a running one is made busy again.
    fn start_again(&mut self, jail: &str) -> Answer {
        if let Some(member) = self.engine.member_mut(jail) {
            member.idle = false;
            return Ok(Value::None);
        }
        let reload = protocol::Reload {
            jail: Some(jail.to_owned()),
            ..protocol::Reload::default()
        };
        self.reload(&reload).map_err(|_| unknown_jail(jail))?;
        match self.engine.member(jail) {
            Some(_) => Ok(Value::None),
            None => Err(unknown_jail(jail)),
        }
    }

    fn global(&self, global: Global) -> Value {
        match global {
            Global::LogLevel => self.server.loglevel.to_string().into(),
            Global::LogTarget => self.server.logtarget.as_str().into(),
            Global::SyslogSocket => self.server.syslogsocket.as_str().into(),
            Global::AllowIpv6 => match self.server.allowipv6 {
                None => "auto".into(),
                Some(allowed) => allowed.into(),
            },
            Global::DbFile => match &self.server.dbfile {
                None => Value::None,
                Some(path) => path.to_string_lossy().into_owned().into(),
            },
            Global::DbMaxMatches | Global::DbPurgeAge if self.server.dbfile.is_none() => {
                Value::None
            }
            Global::DbMaxMatches => self.server.dbmaxmatches.into(),
            Global::DbPurgeAge => self.server.dbpurgeage.secs().into(),
            Global::Thread => Value::Dict(vec![("stacksize".into(), 0i64.into())]),
        }
    }

    fn set_global(&mut self, global: Global, value: &Value) -> Answer {
        let text = value.to_string();
        match global {
            Global::LogLevel => {
                let level = level(&text)
                    .ok_or_else(|| value_error(format!("Invalid log level {}", value.repr())))?;
                self.log.set_level(level);
                self.server.loglevel = level;
            }
            Global::LogTarget => {
                let socket = self.server.syslogsocket.clone();
                self.set_log_target(&text, &socket)
                    .map_err(|_| plain("Failed to change log target"))?;
            }
            Global::SyslogSocket => {
                let target = self.server.logtarget.clone();
                self.set_log_target(&target, &text)
                    .map_err(|_| plain("Failed to change syslog socket"))?;
            }
            Global::AllowIpv6 => {
                self.server.allowipv6 = match text.to_lowercase().as_str() {
                    "auto" => None,
                    "1" | "yes" | "true" | "on" => Some(true),
                    _ => Some(false),
                };
                return Ok(value.clone());
            }
            Global::DbFile => {
                return Err(plain("Cannot change database when there are jails present"));
            }
            Global::DbMaxMatches => {
                let Value::Int(number) = value else {
                    return Err(plain("Invalid command"));
                };
                let kept = usize::try_from(*number).unwrap_or(0);
                self.server.dbmaxmatches = kept;
                self.keeper
                    .ask(std::time::Duration::from_secs(1), move |store| {
                        store.set_maxmatches(kept);
                    });
            }
            Global::DbPurgeAge => self.server.dbpurgeage = time(&text)?,
            Global::Thread => {}
        }
        Ok(self.global(global))
    }

    /// Sends the log elsewhere, or opens its file again.
    pub(super) fn set_log_target(
        &mut self,
        logtarget: &str,
        syslogsocket: &str,
    ) -> Result<(), String> {
        let opened = Target::parse(logtarget)
            .map_err(|error| error.to_string())
            .and_then(|target| {
                self.log
                    .set_target(&target, syslogsocket)
                    .map_err(|error| error.to_string())?;
                Ok(target)
            });
        match opened {
            Ok(target) => {
                self.server.logtarget = logtarget.to_owned();
                self.server.syslogsocket = syslogsocket.to_owned();
                let name = target_name(&target);
                let message =
                    format!("Changed logging target to {name} for Fail2ban v{FAIL2BAN_VERSION}");
                say(Level::Info, Logger::Server, message);
                Ok(())
            }
            Err(error) => {
                say(
                    Level::Error,
                    Logger::Server,
                    format!("{error}; the log stays where it is"),
                );
                Err(error)
            }
        }
    }

    fn change(&mut self, name: &str, change: Change) -> Answer {
        if self.engine.member(name).is_none() {
            return Err(unknown_jail(name));
        }
        let known = || unknown_jail(name);
        match change {
            Change::Idle(idle) => {
                self.engine.member_mut(name).ok_or_else(known)?.idle = idle;
                Ok(idle.into())
            }
            Change::IgnoreSelf(text) => {
                let itself = is_true(&text);
                self.engine
                    .member_mut(name)
                    .ok_or_else(known)?
                    .jail
                    .ignore_mut()
                    .itself = itself;
                Ok(itself.into())
            }
            Change::AddIgnoreIp(words) => {
                self.with_jail(name, |jail, turn| {
                    for word in &words {
                        jail.ignore_mut().add(word);
                    }
                    jail.start(turn);
                });
                self.query(name, &protocol::Query::IgnoreIp)
            }
            Change::DelIgnoreIp(word) => {
                let member = self.engine.member_mut(name).ok_or_else(known)?;
                if member.jail.ignore_mut().remove(&word) {
                    self.query(name, &protocol::Query::IgnoreIp)
                } else {
                    Err(value_error("list.remove(x): x not in list"))
                }
            }
            Change::IgnoreCommand(command) => {
                let member = self.engine.member_mut(name).ok_or_else(known)?;
                member.jail.ignore_mut().command = command.as_str().into();
                Ok(command.into())
            }
            Change::FindTime(text) => {
                let findtime = time(&text)?;
                self.recount(name, |counting| counting.findtime = findtime);
                Ok(queries::seconds(findtime))
            }
            Change::MaxRetry(number) => {
                let maxretry = positive(number, "maxretry")?;
                self.recount(name, |counting| counting.maxretry = maxretry);
                Ok(number.into())
            }
            Change::MaxMatches(number) => {
                let kept = usize::try_from(number)
                    .map_err(|_| value_error("maxmatches: expected 0 or more"))?;
                self.recount(name, |counting| counting.maxmatches = kept);
                Ok(number.into())
            }
            Change::BanTime(text) => {
                let bantime = BanTime::from_number(time(&text)?.secs());
                self.with_jail(name, |jail, turn| jail.set_bantime(bantime, turn));
                say(
                    Level::Info,
                    Logger::Actions,
                    format!("  banTime: {bantime}"),
                );
                Ok(bantime.number().into())
            }
            Change::UseDns(text) => {
                let (usedns, shown) = usedns(&text);
                self.engine
                    .member_mut(name)
                    .ok_or_else(known)?
                    .jail
                    .set_usedns(usedns);
                self.change_filter(name, |settings| settings.usedns = usedns)?;
                Ok(shown.into())
            }
            Change::PrefRegex(regex) => {
                self.change_filter(name, |settings| settings.filter.prefregex = Some(regex))?;
                self.query(name, &protocol::Query::PrefRegex)
            }
            Change::AddFailRegex(regexes) => {
                self.change_filter(name, |settings| {
                    queries::add(&mut settings.filter.failregex, regexes);
                })?;
                self.query(name, &protocol::Query::FailRegex)
            }
            Change::AddIgnoreRegex(regexes) => {
                self.change_filter(name, |settings| {
                    queries::add(&mut settings.filter.ignoreregex, regexes);
                })?;
                self.query(name, &protocol::Query::IgnoreRegex)
            }
            Change::DelFailRegex(index) => {
                let count = self.settings(name)?.filter.failregex.len();
                let index = place(index, count)?;
                self.change_filter(name, |settings| {
                    drop(settings.filter.failregex.remove(index));
                })?;
                self.query(name, &protocol::Query::FailRegex)
            }
            Change::DelIgnoreRegex(index) => {
                let count = self.settings(name)?.filter.ignoreregex.len();
                let index = place(index, count)?;
                self.change_filter(name, |settings| {
                    drop(settings.filter.ignoreregex.remove(index));
                })?;
                self.query(name, &protocol::Query::IgnoreRegex)
            }
            Change::DatePattern(pattern) => {
                self.change_filter(name, |settings| settings.filter.datepattern = Some(pattern))?;
                self.query(name, &protocol::Query::DatePattern)
            }
            Change::LogTimezone(zone) => {
                let answer = Value::Str(zone.clone());
                self.change_filter(name, |settings| settings.logtimezone = Some(zone))?;
                Ok(answer)
            }
            Change::MaxLines(number) => {
                let maxlines = positive(number, "maxlines")? as usize;
                self.change_filter(name, |settings| settings.filter.maxlines = maxlines)?;
                Ok(number.into())
            }
            Change::AddLogPath { path, tail } => {
                self.change_logs(name, |settings| queries::add_log(settings, path, tail))?;
                self.query(name, &protocol::Query::LogPath)
            }
            Change::DelLogPath(path) => {
                self.change_logs(name, |settings| {
                    settings.logs.retain(|log| log.glob != path);
                })?;
                self.query(name, &protocol::Query::LogPath)
            }
            Change::LogEncoding(encoding) => {
                let answer = Value::Str(encoding.clone());
                self.change_logs(name, |settings| settings.logencoding = encoding)?;
                Ok(answer)
            }
            Change::Attempt { ip, lines } => {
                let id = FailId::parse(&ip);
                let counted = self.with_jail(name, |jail, turn| jail.attempt(id, lines, turn));
                Ok(i64::from(counted.unwrap_or(false)).into())
            }
            Change::BanIp(ids) => {
                let ids: Vec<FailId> = ids.iter().map(|id| FailId::parse(id)).collect();
                let count = self.with_jail(name, |jail, turn| jail.ban(&ids, turn));
                Ok(count.unwrap_or(0).into())
            }
            Change::UnbanIp { report_absent, ids } => self.unban(name, &ids, report_absent),
            Change::IgnoreCache(_)
            | Change::AddJournalMatch(_)
            | Change::DelJournalMatch(_)
            | Change::BanTimeExtra(..)
            | Change::AddAction { .. }
            | Change::DelAction(_)
            | Change::Action { .. } => Err(plain(
                "this is changed in the configuration: edit the jail, then reload it",
            )),
        }
    }

    fn unban(&mut self, name: &str, ids: &[String], report_absent: bool) -> Answer {
        let (mut count, mut absent) = (0, Vec::new());
        for text in ids {
            let id = FailId::parse(text);
            match self.with_jail(name, |jail, turn| jail.unban(&id, turn)) {
                Some(0) | None => absent.push(Value::Str(text.clone())),
                Some(unbanned) => count += unbanned,
            }
        }
        if report_absent && !absent.is_empty() {
            return Err(value_error(format!(
                "not banned: {}",
                Value::List(absent).repr()
            )));
        }
        Ok(count.into())
    }

    fn recount(&mut self, name: &str, change: impl FnOnce(&mut crate::jail::Counting)) {
        self.with_jail(name, |jail, turn| {
            let mut counting = jail.counting();
            change(&mut counting);
            jail.set_counting(counting, turn);
        });
        let line = self
            .engine
            .member(name)
            .map(|member| member.jail.counting());
        if let Some(counting) = line {
            say(
                Level::Info,
                Logger::Filter,
                format!("  maxRetry: {}", counting.maxretry),
            );
            say(
                Level::Info,
                Logger::Filter,
                format!("  findtime: {}", counting.findtime.secs()),
            );
        }
    }

    /// A jail's statistics line: backend, failures, bans.
    fn statistics(&mut self) -> Value {
        let now = clock::now();
        let mut rows = Vec::new();
        for name in self.sorted_names() {
            let Some(member) = self.engine.member_mut(&name) else {
                continue;
            };
            let counts = member.jail.counts(now);
            let backend = self
                .settings(&name)
                .map_or("", |settings| backend_name(&settings.backend));
            let pair = |a: usize, b: u64| Value::Tuple(vec![a.into(), b.into()]);
            let row = vec![
                backend.into(),
                pair(counts.failed, counts.failed_total),
                pair(counts.banned, counts.banned_total),
            ];
            rows.push((Value::Str(name.to_string()), Value::List(row)));
        }
        Value::Dict(rows)
    }
}

/// A level by name or number.
fn level(text: &str) -> Option<Level> {
    Some(match text.to_uppercase().as_str() {
        "CRITICAL" | "50" => Level::Critical,
        "ERROR" | "40" => Level::Error,
        "WARNING" | "WARN" | "30" => Level::Warning,
        "NOTICE" | "25" => Level::Notice,
        "INFO" | "20" => Level::Info,
        "MSG" | "18" => Level::Msg,
        "DEBUG" | "10" => Level::Debug,
        "TRACEDEBUG" | "7" => Level::TraceDebug,
        "HEAVYDEBUG" | "5" => Level::HeavyDebug,
        _ => return None,
    })
}

fn is_true(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "1" | "on" | "true" | "yes")
}

/// A value that is none of fail2ban's is `no`, and said to be wrong.
fn usedns(text: &str) -> (UseDns, &'static str) {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "1" | "on" => (UseDns::Yes, "yes"),
        "warn" => (UseDns::Warn, "warn"),
        "raw" => (UseDns::Raw, "raw"),
        "no" | "false" | "0" | "off" => (UseDns::No, "no"),
        _ => {
            let message = format!("Incorrect value '{text}' specified for usedns. Using safe 'no'");
            say(Level::Error, Logger::Filter, message);
            (UseDns::No, "no")
        }
    }
}

fn time(text: &str) -> Result<Span, Exception> {
    let seconds = duration::seconds(text).map_err(|error| value_error(error.to_string()))?;
    Ok(Span::from_secs_f64(seconds.as_f64()))
}

fn positive(number: i64, option: &str) -> Result<u32, Exception> {
    match u32::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(value_error(format!(
            "{option}: expected 1 or more, not {number}"
        ))),
    }
}

/// An index as Python takes it: from the end where it is negative.
fn place(index: i64, count: usize) -> Result<usize, Exception> {
    let from_end = |back: u64| {
        usize::try_from(back)
            .ok()
            .and_then(|back| count.checked_sub(back))
    };
    let place = if index < 0 {
        from_end(index.unsigned_abs())
    } else {
        usize::try_from(index).ok()
    };
    place.filter(|place| *place < count).ok_or_else(index_error)
}
