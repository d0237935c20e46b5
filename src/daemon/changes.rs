//! `set JAIL …`: the settings change, and the jail that runs by them.
//!
//! Settings are amended first, on a copy; only what makes sense reaches the jail.

use std::sync::Arc;

use super::clock;
use super::control::{plain, unknown_jail};
use super::draft::{amend, is_true, no_action, no_json, usedns, value_error};
use super::ending::Outcome;
use super::jails::say;
use super::journals;
use super::queries;
use super::socket::Answer;
use super::state::Daemon;
use crate::action::Job;
use crate::model::{Ban, BanTime, FailId, JailSettings, Level, Logger};
use crate::protocol::{Change, Exception, METHODS, Query, Value, index_error};

impl Daemon {
    /// Changes a jail; an action that goes, or comes again, is waited for.
    pub(super) fn change(&mut self, name: &str, change: Change) -> Outcome {
        let Some(running) = self.running(name) else {
            return Outcome::Now(Err(unknown_jail(name)));
        };
        let jail = Arc::clone(&running.name);
        match change {
            Change::AddAction { .. } => {
                let on = self.endings.of(name);
                let then = move |daemon: &mut Self| daemon.add_action(&jail, &change).into();
                Outcome::When(on, Box::new(then))
            }
            Change::DelAction(action) => {
                if let Err(exception) = self.delete_action(&jail, &action) {
                    return Outcome::Now(Err(exception));
                }
                let then = |_: &mut Self| Outcome::Now(Ok(Value::None));
                Outcome::When(self.endings.of(name), Box::new(then))
            }
            Change::UnbanIp { report_absent, ids } => {
                self.unban(vec![jail], ids, move |unbanned| {
                    if report_absent && !unbanned.absent.is_empty() {
                        let absent = Value::List(unbanned.absent).repr();
                        return Err(value_error(format!("not banned: {absent}")));
                    }
                    Ok(unbanned.count.into())
                })
            }
            change => self.change_now(name, &change).into(),
        }
    }

    fn change_now(&mut self, name: &str, change: &Change) -> Answer {
        let mut amended = self.settings(name)?.clone();
        amend(&mut amended, change)?;
        match change {
            Change::Idle(idle) => {
                if let Some(member) = self.engine.member_mut(name) {
                    member.idle = *idle;
                }
                return Ok((*idle).into());
            }
            Change::Attempt { ip, lines } => {
                let (id, lines) = (FailId::parse(ip), lines.clone());
                let counted = self.with_jail(name, |jail, turn| jail.attempt(id, lines, turn));
                return Ok(i64::from(counted.unwrap_or(false)).into());
            }
            Change::BanIp(ids) => {
                let ids: Vec<FailId> = ids.iter().map(|id| FailId::parse(id)).collect();
                let count = self.with_jail(name, |jail, turn| jail.ban(&ids, turn));
                return Ok(count.unwrap_or(0).into());
            }
            Change::BanFor { time, ids } => {
                let bantime = BanTime::from_number(super::draft::time(time)?.secs());
                let ids: Vec<FailId> = ids.iter().map(|id| FailId::parse(id)).collect();
                let count = self.with_jail(name, |jail, turn| jail.ban_for(&ids, bantime, turn));
                return Ok(count.unwrap_or(0).into());
            }
            Change::Action { action, properties } => {
                return self.change_action(name, amended, action, properties);
            }
            change => self.apply(name, amended, change)?,
        }
        self.shown(name, change)
    }

    /// Has a jail go by amended settings.
    fn apply(
        &mut self,
        name: &str,
        amended: JailSettings,
        change: &Change,
    ) -> Result<(), Exception> {
        match change {
            Change::IgnoreSelf(_)
            | Change::AddIgnoreIp(_)
            | Change::DelIgnoreIp(_)
            | Change::IgnoreCommand(_)
            | Change::IgnoreCache(_) => self.apply_ignore(name, &amended, change)?,
            Change::PrefRegex(_)
            | Change::AddFailRegex(_)
            | Change::DelFailRegex(_)
            | Change::AddIgnoreRegex(_)
            | Change::DelIgnoreRegex(_)
            | Change::DatePattern(_)
            | Change::LogTimezone(_)
            | Change::MaxLines(_) => self.rebuild_filter(name, &amended)?,
            Change::UseDns(text) => {
                if usedns(text).is_none() {
                    let message =
                        format!("Incorrect value '{text}' specified for usedns. Using safe 'no'");
                    say(Level::Error, Logger::Filter, message);
                }
                self.rebuild_filter(name, &amended)?;
                if let Some(member) = self.engine.member_mut(name) {
                    member.jail.set_usedns(amended.usedns);
                }
            }
            Change::FindTime(_) => {
                self.recount(name, |counting| counting.findtime = amended.findtime);
                told(
                    Logger::Filter,
                    format!("  findtime: {}", amended.findtime.secs()),
                );
            }
            Change::MaxRetry(_) => {
                self.recount(name, |counting| counting.maxretry = amended.maxretry);
                told(Logger::Filter, format!("  maxRetry: {}", amended.maxretry));
            }
            Change::MaxMatches(_) => {
                self.recount(name, |counting| counting.maxmatches = amended.maxmatches);
            }
            Change::BanTime(_) => {
                let bantime = amended.bantime;
                self.with_jail(name, |jail, turn| jail.set_bantime(bantime, turn));
                told(Logger::Actions, format!("  banTime: {}", bantime.number()));
            }
            Change::BanTimeExtra(option, text) => {
                told(Logger::Jail, format!("Set banTime.{option} = {text}"));
                let increment = &amended.increment;
                let set = self.with_jail(name, |jail, _| jail.set_increment(increment));
                if let Some(Err(error)) = set {
                    return Err(value_error(error.to_string()));
                }
            }
            Change::AddLogPath { .. } | Change::DelLogPath(_) | Change::LogEncoding(_) => {
                return self.relog(name, amended);
            }
            Change::AddJournalMatch(_) | Change::DelJournalMatch(_) => {
                journals::wanted(&amended).map_err(value_error)?;
                return self.relog(name, amended);
            }
            Change::Idle(_)
            | Change::Attempt { .. }
            | Change::BanIp(_)
            | Change::BanFor { .. }
            | Change::UnbanIp { .. }
            | Change::AddAction { .. }
            | Change::DelAction(_)
            | Change::Action { .. } => {}
        }
        self.keep(name, amended);
        Ok(())
    }

    fn keep(&mut self, name: &str, settings: JailSettings) {
        if let Some(running) = self.running_mut(name) {
            running.settings = settings;
        }
    }

    fn apply_ignore(
        &mut self,
        name: &str,
        amended: &JailSettings,
        change: &Change,
    ) -> Result<(), Exception> {
        let started = self.running(name).is_some_and(|running| running.started);
        let member = self.engine.member_mut(name);
        let ignore = member.ok_or_else(|| unknown_jail(name))?.jail.ignore_mut();
        match change {
            Change::AddIgnoreIp(words) => {
                for word in words {
                    ignore.add(word);
                }
                if started {
                    // Asks for names, and reads files.
                    self.with_jail(name, crate::jail::Jail::start);
                }
            }
            Change::DelIgnoreIp(word) if !ignore.remove(word) => {
                return Err(value_error("list.remove(x): x not in list"));
            }
            Change::IgnoreSelf(_) => ignore.itself = amended.ignoreself,
            Change::IgnoreCommand(command) => ignore.command = command.as_str().into(),
            Change::IgnoreCache(_) => ignore.set_cache(amended.ignorecache.clone()),
            _ => {}
        }
        Ok(())
    }

    /// What `set` shows of a change: what `get` would.
    fn shown(&mut self, name: &str, change: &Change) -> Answer {
        let query = match change {
            Change::IgnoreSelf(_) => Query::IgnoreSelf,
            Change::AddIgnoreIp(_) | Change::DelIgnoreIp(_) => Query::IgnoreIp,
            Change::IgnoreCommand(_) => Query::IgnoreCommand,
            Change::IgnoreCache(_) => Query::IgnoreCache,
            Change::AddLogPath { .. } | Change::DelLogPath(_) => Query::LogPath,
            Change::LogEncoding(_) => Query::LogEncoding,
            Change::AddJournalMatch(_) | Change::DelJournalMatch(_) => Query::JournalMatch,
            Change::PrefRegex(_) => Query::PrefRegex,
            Change::AddFailRegex(_) | Change::DelFailRegex(_) => Query::FailRegex,
            Change::AddIgnoreRegex(_) | Change::DelIgnoreRegex(_) => Query::IgnoreRegex,
            Change::UseDns(_) => Query::UseDns,
            Change::FindTime(_) => Query::FindTime,
            Change::BanTime(_) => Query::BanTime,
            Change::BanTimeExtra(option, text) if option == "increment" => {
                return Ok(is_true(text).into());
            }
            Change::BanTimeExtra(option, text) if option == "overalljails" => {
                return Ok(text.as_str().into());
            }
            Change::BanTimeExtra(option, _) => Query::BanTimeExtra(option.clone()),
            Change::DatePattern(_) => Query::DatePattern,
            Change::LogTimezone(_) => Query::LogTimezone,
            Change::MaxMatches(_) => Query::MaxMatches,
            Change::MaxRetry(_) => Query::MaxRetry,
            Change::MaxLines(_) => Query::MaxLines,
            Change::Idle(_)
            | Change::Attempt { .. }
            | Change::BanIp(_)
            | Change::BanFor { .. }
            | Change::UnbanIp { .. }
            | Change::AddAction { .. }
            | Change::DelAction(_)
            | Change::Action { .. } => return Ok(Value::None),
        };
        self.query(name, &query)
    }

    fn recount(&mut self, name: &str, change: impl FnOnce(&mut crate::jail::Counting)) {
        self.with_jail(name, |jail, turn| {
            let mut counting = jail.counting();
            change(&mut counting);
            jail.set_counting(counting, turn);
        });
    }

    fn add_action(&mut self, jail: &Arc<str>, change: &Change) -> Answer {
        let Change::AddAction { action, .. } = change else {
            return Ok(Value::None);
        };
        let mut amended = self.settings(jail)?.clone();
        amend(&mut amended, change)?;
        let Some(settings) = amended.actions.last().cloned() else {
            return Ok(Value::None);
        };
        if let Some(path) = &settings.python
            && !path.exists()
        {
            let (number, text) = (2i64.into(), "No such file or directory".into());
            let file = path.to_string_lossy().into_owned().into();
            return Err(Exception::builtin(
                "FileNotFoundError",
                vec![number, text, file],
            ));
        }
        let running = self.running(jail).ok_or_else(|| unknown_jail(jail))?;
        let numbers = Arc::clone(running.numbers());
        let acting = self.spawn_action(jail, settings, &numbers);
        let acting = acting.ok_or_else(|| {
            plain(format!(
                "action '{action}' cannot be carried out; the log tells why"
            ))
        })?;
        if let Some(running) = self.running_mut(jail) {
            running.actions.push(acting);
            running.settings = amended;
        }
        Ok(action.as_str().into())
    }

    fn delete_action(&mut self, jail: &Arc<str>, name: &str) -> Result<(), Exception> {
        let mut amended = self.settings(jail)?.clone();
        amend(&mut amended, &Change::DelAction(name.to_owned()))?;
        let Some(running) = self.running_mut(jail) else {
            return Ok(());
        };
        running.settings = amended;
        let actions = &mut running.actions;
        let place = actions
            .iter()
            .position(|acting| acting.settings.name == name);
        if let Some(place) = place {
            let acting = actions.remove(place);
            self.end_action(jail, acting);
        }
        Ok(())
    }

    /// Properties are set together; methods are called in between.
    fn change_action(
        &mut self,
        jail: &str,
        amended: JailSettings,
        action: &str,
        properties: &[(String, Option<Value>)],
    ) -> Answer {
        let settings = amended.actions.iter().find(|known| known.name == action);
        let settings = settings.cloned().ok_or_else(|| no_action(action))?;
        let bantime = amended.bantime;
        self.keep(jail, amended);
        let running = self.running_mut(jail).ok_or_else(|| unknown_jail(jail))?;
        let acting = running.actions.iter_mut();
        let acting = acting
            .into_iter()
            .find(|acting| acting.settings.name == action)
            .ok_or_else(|| no_action(action))?;
        if acting.settings.options != settings.options {
            acting.settings = settings.clone();
            acting.worker.send(Job::Reload(Box::new(settings)));
        }
        let Some((property, value)) = properties.last() else {
            return Ok(Value::Bool(true));
        };
        for (method, value) in properties {
            if METHODS.contains(&method.as_str()) {
                let job = call(method, value.as_ref(), bantime)?;
                acting.started |= matches!(job, Some(Job::Start));
                if let Some(job) = job.or_else(|| reload(method, acting)) {
                    acting.worker.send(job);
                }
            }
        }
        if METHODS.contains(&property.as_str()) {
            // What fail2ban's methods return.
            let told = matches!(property.as_str(), "start" | "flush" | "reload");
            return Ok(if told { true.into() } else { Value::None });
        }
        let value = value.clone().ok_or_else(index_error)?;
        Ok(queries::property(property, &value.to_string()).unwrap_or(value))
    }
}

fn told(logger: Logger, message: String) {
    say(Level::Info, logger, message);
}

fn reload(method: &str, acting: &super::jails::Acting) -> Option<Job> {
    (method == "reload").then(|| Job::Reload(Box::new(acting.settings.clone())))
}

/// A method of an action as a job; `None` for one that takes the action's settings.
fn call(method: &str, json: Option<&Value>, bantime: BanTime) -> Result<Option<Job>, Exception> {
    let json = json.map_or_else(|| "{}".to_owned(), ToString::to_string);
    let arguments: serde_json::Value =
        serde_json::from_str(&json).map_err(|error| no_json(&error, &json))?;
    let ban = || -> Result<Arc<Ban>, Exception> {
        let info = arguments.get("aInfo").unwrap_or(&arguments);
        let ip = info.get("ip").or_else(|| info.get("fid"));
        let ip = ip.and_then(serde_json::Value::as_str).ok_or_else(|| {
            let message =
                format!("CommandAction.{method}() missing 1 required positional argument: 'aInfo'");
            Exception::builtin("TypeError", vec![message.into()])
        })?;
        Ok(Arc::new(Ban::by_hand(
            FailId::parse(ip),
            clock::now(),
            bantime,
        )))
    };
    Ok(Some(match method {
        "start" => Job::Start,
        "flush" => Job::Flush,
        "ban" | "reban" => Job::Ban(ban()?),
        "unban" => Job::Unban(ban()?),
        "prolong" => Job::Prolong(ban()?),
        "reload" => return Ok(None),
        _ => {
            return Err(plain(format!(
                "{method} is not called by hand: use delaction, or stop the jail"
            )));
        }
    }))
}
