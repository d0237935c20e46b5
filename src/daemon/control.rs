//! What clients ask for: each request and its answer.
//!
//! Answers have the shapes fail2ban's server gives them, so that any client can show them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::clock;
use super::draft::{blank, time, value_error};
use super::ending::{Key, Outcome, Reply, Then};
use super::jails::{backend_name, say};
use super::origins;
use super::socket::Answer;
use super::state::{Daemon, target_name};
use crate::jail::Jail;
use crate::log::Target;
use crate::model::{FAIL2BAN_VERSION, Level, Logger};
use crate::protocol::{self, Exception, Global, Request, Stop, Unban, Value};

/// What `add` takes for a backend, and how fail2ban lists them.
const BACKENDS: &[&str] = &["auto", "pyinotify", "gamin", "polling", "systemd"];
const BACKENDS_SHOWN: &str = "['pyinotify', 'gamin', 'polling', 'systemd']";

/// Answers a command, at once or when it can; what fails is logged as fail2ban logs it.
pub(super) fn answer(daemon: &mut Daemon, command: Value, reply: Reply) {
    let outcome = daemon.obey(&command);
    let tell = move |answer: Answer| {
        if let Err(exception) = &answer {
            let shown = Value::Exception(exception.clone()).repr();
            let message = format!("Command {} has failed. Received {shown}", command.repr());
            say(Level::Error, Logger::Transmitter, message);
        }
        reply(answer);
    };
    daemon.settle(outcome, Box::new(tell));
}

pub(super) fn unknown_jail(name: &str) -> Exception {
    Exception::unknown_jail(name)
}

pub(super) fn plain(message: impl Into<String>) -> Exception {
    Exception::builtin("Exception", vec![Value::Str(message.into())])
}

/// For what only has to be over.
fn nothing() -> Then {
    Box::new(|_| Outcome::Now(Ok(Value::None)))
}

/// A status to which name servers have something to add.
fn told_with_origins(status: Answer) -> Outcome {
    match status {
        Ok(status) => Outcome::Apart(Box::new(move || Ok(origins::add(status)))),
        refused => Outcome::Now(refused),
    }
}

impl Daemon {
    /// Reads a command and carries it out.
    fn obey(&mut self, command: &Value) -> Outcome {
        match protocol::parse(command) {
            Ok(request) => self.carry_out(request),
            Err(exception) => Outcome::Now(Err(exception)),
        }
    }

    fn carry_out(&mut self, request: Request) -> Outcome {
        match request {
            Request::Start(jail) => self.start(&jail),
            Request::Stop(Stop::Server) => {
                self.stopping = true;
                Outcome::AtTheEnd
            }
            Request::Stop(Stop::AllJails) => {
                self.stop_all();
                let ending = self.endings.jails().map(|jail| Key {
                    jail: Arc::clone(jail),
                    action: None,
                });
                Outcome::When(ending.collect(), nothing())
            }
            Request::Stop(Stop::Jail(jail)) => {
                if !self.stop_jail(&jail) {
                    return Outcome::Now(Err(unknown_jail(&jail)));
                }
                Outcome::When(self.endings.of(&jail), nothing())
            }
            Request::Add { jail, backend } => Outcome::When(
                self.endings.of(&jail),
                Box::new(move |daemon| daemon.add(&jail, &backend).into()),
            ),
            Request::JailStatus { jail, flavor } if flavor == "cymru" => {
                told_with_origins(self.jail_status(&jail, &flavor))
            }
            Request::AllStatus { flavor } if flavor == "cymru" => {
                told_with_origins(self.all_status(&flavor))
            }
            Request::Reload(reload) => self.reload(&reload),
            Request::Why(who) => self.why(&who),
            Request::Unban(Unban::Ids(ids)) => {
                let jails = self.names();
                self.unban(jails, ids, |unbanned| Ok(unbanned.count.into()))
            }
            Request::ServerStream(stream) => self.obey_all(stream.into()),
            Request::Set(jail, change) => self.change(&jail, change),
            Request::MultiSet(jail, changes) => {
                for change in changes {
                    match self.change(&jail, change) {
                        Outcome::Now(Ok(_)) => {}
                        other => return other,
                    }
                }
                Outcome::Now(Ok(Value::Bool(true)))
            }
            other => self.answer(other).into(),
        }
    }

    /// One command after the other, up to the first that fails.
    fn obey_all(&mut self, mut commands: VecDeque<Value>) -> Outcome {
        while let Some(command) = commands.pop_front() {
            match self.obey(&command) {
                Outcome::Now(Ok(_)) => {}
                Outcome::When(on, then) => {
                    let rest = Box::new(move |daemon: &mut Self| match then(daemon) {
                        Outcome::Now(Ok(_)) => daemon.obey_all(commands),
                        other => other,
                    });
                    return Outcome::When(on, rest);
                }
                other => return other,
            }
        }
        Outcome::Now(Ok(Value::None))
    }

    /// What can be answered at once.
    fn answer(&mut self, request: Request) -> Answer {
        match request {
            Request::Ping => Ok("pong".into()),
            Request::Version => Ok(FAIL2BAN_VERSION.into()),
            Request::Echo(words) => Ok(Value::List(words)),
            Request::ServerStatus => Ok("Server ready".into()),
            Request::ConfigError(message) => {
                say(Level::Error, Logger::Transmitter, message);
                Ok(Value::None)
            }
            Request::FlushLogs => self.flush_logs().map(Value::Str).map_err(plain),
            Request::Status => Ok(self.status()),
            Request::JailStatus { jail, flavor } => self.jail_status(&jail, &flavor),
            Request::AllStatus { flavor } => self.all_status(&flavor),
            Request::Statistics => Ok(self.statistics()),
            Request::Report(None) => Ok(self.report_all()),
            Request::Report(Some(jail)) => self.report_jail(&jail),
            Request::Unban(Unban::All) => {
                let names = self.names();
                let count: usize = names
                    .iter()
                    .filter_map(|name| self.with_jail(name, Jail::unban_all))
                    .sum();
                Ok(count.into())
            }
            Request::Banned(ids) => Ok(self.banned(&ids)),
            Request::GetGlobal(global) => Ok(self.global(global)),
            Request::SetGlobal(global, value) => self.set_global(global, &value),
            Request::Get(jail, query) => self.query(&jail, &query),
            // A sleep is its client's own affair: see the socket's side. The others are above.
            Request::Sleep(_)
            | Request::Start(_)
            | Request::Stop(_)
            | Request::Add { .. }
            | Request::Unban(Unban::Ids(_))
            | Request::Why(_)
            | Request::Reload(_)
            | Request::ServerStream(_)
            | Request::Set(..)
            | Request::MultiSet(..) => Ok(Value::None),
        }
    }

    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.jails
            .iter()
            .map(|running| Arc::clone(&running.name))
            .collect()
    }

    /// A jail to be set up by further commands.
    fn add(&mut self, jail: &str, backend: &str) -> Answer {
        if self.engine.member(jail).is_some() {
            return Err(Exception::duplicate_jail(jail));
        }
        let kind = backend.split('[').next().unwrap_or_default().trim();
        if !BACKENDS.contains(&kind.to_lowercase().as_str()) {
            let message =
                format!("Unknown backend {kind}. Must be among {BACKENDS_SHOWN} or 'auto'");
            say(Level::Error, Logger::Jail, message.clone());
            return Err(value_error(message));
        }
        self.add_jail(blank(jail, backend))
            .map_err(|why| Exception::builtin("RuntimeError", vec![why.into()]))?;
        Ok(jail.into())
    }

    /// A jail that was set up starts, one that is idle is made busy again, and one that was stopped
    /// comes back as the configuration has it.
    fn start(&mut self, jail: &str) -> Outcome {
        if self.running(jail).is_some_and(|running| running.started) {
            if let Some(member) = self.engine.member_mut(jail) {
                member.idle = false;
            }
            return Outcome::Now(Ok(Value::None));
        }
        if self.running(jail).is_some() {
            self.begin_jail(jail);
            self.finish_start(jail);
            return Outcome::Now(Ok(Value::None));
        }
        let name = jail.to_owned();
        let reload = protocol::Reload {
            jail: Some(name.clone()),
            ..protocol::Reload::default()
        };
        match self.reload(&reload) {
            Outcome::When(on, then) => Outcome::When(
                on,
                Box::new(move |daemon| {
                    then(daemon);
                    let there = daemon.engine.member(&name).is_some();
                    Outcome::Now(if there {
                        Ok(Value::None)
                    } else {
                        Err(unknown_jail(&name))
                    })
                }),
            ),
            _ => Outcome::Now(Err(unknown_jail(jail))),
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
                let level = level(&text).ok_or_else(|| {
                    let shown = Value::Str(text.to_uppercase()).repr();
                    value_error(format!("Invalid log level {shown}"))
                })?;
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
            Global::DbFile if !self.jails.is_empty() => {
                let message = "Cannot change database when there are jails present";
                return Err(Exception::builtin("RuntimeError", vec![message.into()]));
            }
            Global::DbFile => {
                let path = match text.to_lowercase().as_str() {
                    "none" | "" => None,
                    _ => Some(std::path::PathBuf::from(text)),
                };
                if path != self.server.dbfile {
                    self.server.dbfile = path;
                    let (store, trouble) = super::open_store(&self.server);
                    self.trouble("dbfile", trouble.map(|(_, message)| message));
                    self.keeper.ask(super::CLOSING, move |kept| {
                        std::mem::replace(kept, store).close();
                    });
                }
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
            Global::Thread if !matches!(value, Value::Dict(_)) => {
                let message = "'str' object has no attribute 'items'";
                return Err(Exception::builtin("AttributeError", vec![message.into()]));
            }
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
                self.trouble("logtarget", None);
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
