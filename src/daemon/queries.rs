//! What clients ask about: statuses, lists and settings, in the shapes fail2ban gives them.

use std::sync::Arc;

use super::clock;
use super::control::{plain, unknown_jail};
use super::draft::no_action;
use super::jails::backend_name;
use super::journals;
use super::socket::Answer;
use super::state::Daemon;
use crate::filter::{Filter, FilterError, Part, Reason};
use crate::jail::{Listed, date_time};
use crate::model::{BanIncrement, FailId, JailSettings, Span, UseDns};
use crate::protocol::{Exception, METHODS, Query, Value};

/// A length of time as Python has it: a whole number where it is one.
pub(super) fn seconds(span: Span) -> Value {
    if span.micros() % 1_000_000 == 0 {
        span.secs().into()
    } else {
        Value::Float(span.as_secs_f64())
    }
}

fn pair(name: &str, value: impl Into<Value>) -> Value {
    Value::Tuple(vec![name.into(), value.into()])
}

/// What every action has, said or not.
const BUILT_IN: &[(&str, &str)] = &[
    ("actionban", ""),
    ("actioncheck", ""),
    ("actionflush", ""),
    ("actionreban", ""),
    ("actionreload", ""),
    ("actionrepair", ""),
    ("actionstart", ""),
    ("actionstop", ""),
    ("actionunban", ""),
    ("timeout", "60"),
];

fn built_in(property: &str) -> Option<&'static str> {
    let found = BUILT_IN.iter().find(|(name, _)| *name == property);
    found.map(|(_, value)| *value)
}

impl Daemon {
    pub(super) fn sorted_names(&self) -> Vec<Arc<str>> {
        let mut names = self.names();
        names.sort_unstable();
        names
    }

    pub(super) fn settings(&self, name: &str) -> Result<&JailSettings, Exception> {
        let running = self.jails.iter().find(|running| *running.name == *name);
        running
            .map(|running| &running.settings)
            .ok_or_else(|| unknown_jail(name))
    }

    pub(super) fn status(&self) -> Value {
        let names = self.sorted_names();
        Value::List(vec![
            pair("Number of jail", names.len()),
            pair("Jail list", names.join(", ")),
        ])
    }

    pub(super) fn all_status(&mut self, flavor: &str) -> Answer {
        let Value::List(mut answer) = self.status() else {
            return Ok(Value::None);
        };
        let mut jails = Vec::new();
        for name in self.sorted_names() {
            jails.push((
                Value::Str(name.to_string()),
                self.jail_status(&name, flavor)?,
            ));
        }
        answer.push(Value::Dict(jails));
        Ok(Value::List(answer))
    }

    pub(super) fn jail_status(&mut self, name: &str, flavor: &str) -> Answer {
        let logs = self.logs_status(name)?;
        let now = clock::now();
        let backend = self
            .settings(name)
            .map(|settings| backend_name(&settings.backend))?;
        let member = self
            .engine
            .member_mut(name)
            .ok_or_else(|| unknown_jail(name))?;
        let counts = member.jail.counts(now);
        if flavor == "stats" {
            let numbers = |a: usize, b: u64| Value::Tuple(vec![a.into(), b.into()]);
            return Ok(Value::List(vec![
                backend.into(),
                numbers(counts.failed, counts.failed_total),
                numbers(counts.banned, counts.banned_total),
            ]));
        }
        let mut actions = vec![
            pair("Currently banned", counts.banned),
            pair("Total banned", counts.banned_total),
        ];
        if flavor != "short" {
            let banned = member.jail.bans().in_order();
            let ids = Value::list(banned.map(|ban| ban.id.to_string()));
            actions.push(pair("Banned IP list", ids));
        }
        let filter = vec![
            pair("Currently failed", counts.failed),
            pair("Total failed", counts.failed_total),
            logs,
        ];
        Ok(Value::List(vec![
            pair("Filter", Value::List(filter)),
            pair("Actions", Value::List(actions)),
        ]))
    }

    /// What a jail reads, as fail2ban's status has it.
    fn logs_status(&self, name: &str) -> Answer {
        let settings = self.settings(name)?;
        if backend_name(&settings.backend) != "systemd" {
            return Ok(pair("File list", Value::list(self.log_files(name))));
        }
        let alternatives = journals::alternatives(settings);
        let matches: Vec<String> = alternatives.iter().map(|words| words.join(" ")).collect();
        let matches = Value::list([matches.join(" + ")]);
        Ok(pair("Journal matches", matches))
    }

    /// Everybody who is banned, by jail; or the jails in which each of some is.
    pub(super) fn banned(&self, ids: &[String]) -> Value {
        if ids.is_empty() {
            let jails = self.sorted_names().into_iter().map(|name| {
                let ids = self.banned_ids(&name);
                Value::Dict(vec![(Value::Str(name.to_string()), ids)])
            });
            return Value::List(jails.collect());
        }
        let found = ids.iter().map(|id| {
            let id = FailId::parse(id);
            Value::list(self.engine.banned_in(&id).map(ToString::to_string))
        });
        Value::List(found.collect())
    }

    fn banned_ids(&self, name: &str) -> Value {
        let Some(member) = self.engine.member(name) else {
            return Value::List(Vec::new());
        };
        Value::list(member.jail.bans().in_order().map(|ban| ban.id.to_string()))
    }

    pub(super) fn query(&mut self, name: &str, query: &Query) -> Answer {
        let member = self.engine.member(name).ok_or_else(|| unknown_jail(name))?;
        let settings = self.settings(name)?;
        let (jail, filter) = (&member.jail, &member.filter);
        Ok(match query {
            Query::Banned(ids) => match ids.as_slice() {
                [] => self.banned_ids(name),
                [only] => i64::from(jail.bans().contains(&FailId::parse(only))).into(),
                several => Value::list(
                    several
                        .iter()
                        .map(|id| i64::from(jail.bans().contains(&FailId::parse(id)))),
                ),
            },
            Query::BanIp { with_time } => {
                let zone = self.surroundings.zone.time_zone();
                Value::list(jail.bans().by_end().map(|ban| match with_time {
                    false => ban.id.to_string(),
                    true => with_times(&ban, zone),
                }))
            }
            Query::LogPath => Value::list(self.log_files(name)),
            Query::LogEncoding => match settings.logencoding.as_str() {
                "auto" => "UTF-8".into(),
                named => named.into(),
            },
            // A jail that reads files has none to show, whatever it was told.
            Query::JournalMatch if backend_name(&settings.backend) != "systemd" => {
                Value::List(Vec::new())
            }
            Query::JournalMatch => Value::List(
                journals::alternatives(settings)
                    .into_iter()
                    .map(Value::list)
                    .collect(),
            ),
            Query::IgnoreSelf => jail.ignore().itself.into(),
            Query::IgnoreIp => Value::list(jail.ignore().words()),
            Query::IgnoreCommand => jail.ignore().command.to_string().into(),
            Query::IgnoreCache => match jail.ignore().cache() {
                None => Value::None,
                Some(cache) => Value::List(vec![
                    cache.key.as_str().into(),
                    cache.max_count.into(),
                    seconds(cache.max_time),
                ]),
            },
            Query::PrefRegex => filter.prefregex().unwrap_or_default().into(),
            Query::FailRegex => Value::list(filter.failregex()),
            Query::IgnoreRegex => Value::list(filter.ignoreregex()),
            Query::UseDns => match settings.usedns {
                UseDns::Yes => "yes",
                UseDns::Warn => "warn",
                UseDns::No => "no",
                UseDns::Raw => "raw",
            }
            .into(),
            Query::FindTime => seconds(jail.counting().findtime),
            Query::BanTime => jail.bantime().number().into(),
            Query::BanTimeExtra(option) => extra(settings, option)?,
            Query::DatePattern => match filter.date_pattern() {
                None => Value::Tuple(vec![Value::None, "Default Detectors".into()]),
                Some((pattern, name)) => {
                    Value::Tuple(vec![pattern.map_or(Value::None, Value::from), name.into()])
                }
            },
            Query::LogTimezone => settings.logtimezone.clone().map_or(Value::None, Value::Str),
            Query::MaxMatches => jail.counting().maxmatches.into(),
            Query::MaxRetry => i64::from(jail.counting().maxretry).into(),
            Query::MaxLines => filter.maxlines().into(),
            Query::Actions => {
                let running = self.jails.iter().find(|running| *running.name == *name);
                let actions = running
                    .map(|running| running.actions.as_slice())
                    .unwrap_or_default();
                Value::list(actions.iter().map(|action| action.settings.name.as_str()))
            }
            Query::ActionProperty { action, property } => {
                let settings = self.action(name, action)?;
                let given = settings.option(property);
                let value = given.or_else(|| built_in(property));
                let value =
                    value.map(|text| self::property(property, text).unwrap_or_else(|| text.into()));
                value.ok_or_else(|| {
                    let message = format!("'CommandAction' object has no attribute '{property}'");
                    Exception::builtin("AttributeError", vec![message.into()])
                })?
            }
            Query::ActionProperties(action) => {
                let mut names: Vec<&str> = self
                    .action(name, action)?
                    .options
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .collect();
                names.extend(BUILT_IN.iter().map(|(name, _)| *name));
                names.sort_unstable();
                names.dedup();
                Value::list(names)
            }
            Query::ActionMethods(action) => {
                self.action(name, action)?;
                Value::list(METHODS.iter().copied())
            }
        })
    }

    fn action(&self, jail: &str, action: &str) -> Result<&crate::model::ActionSettings, Exception> {
        let running = self.jails.iter().find(|running| *running.name == *jail);
        let acting = running.and_then(|running| running.action(action));
        acting
            .map(|acting| &acting.settings)
            .ok_or_else(|| no_action(action))
    }

    /// A jail's filter made anew; when it does not compile nothing changes.
    pub(super) fn rebuild_filter(
        &mut self,
        name: &str,
        settings: &JailSettings,
    ) -> Result<(), Exception> {
        let year = self.year();
        let filter =
            Filter::for_jail(settings, &self.surroundings.zone, year).map_err(|error| {
                let words = in_fail2bans_words(settings, &error);
                match error.part {
                    Part::Datepattern | Part::Logtimezone => plain(words),
                    Part::Prefregex | Part::Failregex(_) | Part::Ignoreregex(_) => {
                        Exception::regex(words)
                    }
                }
            })?;
        if let Some(member) = self.engine.member_mut(name) {
            member.filter = filter;
        }
        Ok(())
    }

    /// Changes which logs a jail reads, and how.
    pub(super) fn relog(&mut self, name: &str, settings: JailSettings) -> Result<(), Exception> {
        let running = self.running_mut(name).ok_or_else(|| unknown_jail(name))?;
        running.settings = settings;
        if running.started {
            self.refollow_logs(name);
        }
        Ok(())
    }
}

/// What is wrong with a filter, said as fail2ban says it to its clients.
fn in_fail2bans_words(settings: &JailSettings, error: &FilterError) -> String {
    let filter = &settings.filter;
    let regex = match error.part {
        Part::Prefregex => filter.prefregex.as_deref(),
        Part::Failregex(place) => filter.failregex.get(place).map(|(regex, _)| regex.as_str()),
        Part::Ignoreregex(place) => {
            let regex = filter.ignoreregex.get(place);
            regex.map(|(regex, _)| regex.as_str())
        }
        Part::Datepattern | Part::Logtimezone => None,
    };
    match (&error.reason, regex) {
        (Reason::NoFailureId(regex), _) => {
            format!("No failure-id group in {}", Value::str(regex).repr())
        }
        (Reason::Pattern(error), Some(regex)) => {
            let regex = Value::str(regex).repr();
            format!("Unable to compile regular expression {regex}:\n{error}")
        }
        (reason, _) => reason.to_string(),
    }
}

/// A property whose value is not the text it was given as.
pub(super) fn property(name: &str, value: &str) -> Option<Value> {
    match name {
        "timeout" => super::draft::time(value).ok().map(seconds),
        _ => None,
    }
}

/// `192.0.2.5 \t2026-11-22 16:59:27 + 600 = 2026-11-22 17:09:27`
fn with_times(ban: &Listed<'_>, zone: &jiff::tz::TimeZone) -> String {
    let end = ban.end.map_or_else(
        || "9999-12-31 23:59:59".to_owned(),
        |end| date_time(end, zone),
    );
    format!(
        "{} \t{} + {} = {end}",
        ban.id,
        date_time(ban.time, zone),
        ban.bantime.number()
    )
}

fn is_on(increment: &BanIncrement, option: &str) -> bool {
    match option {
        "increment" => increment.enabled,
        _ => increment.overalljails,
    }
}

/// `bantime.OPTION` as it stands in the configuration.
fn extra(settings: &JailSettings, option: &str) -> Answer {
    let increment = &settings.increment;
    let text = |text: &Option<String>| text.clone().map_or(Value::None, Value::Str);
    Ok(match option {
        // Off and never spoken of are the same here; fail2ban has nothing to show for the latter.
        "increment" | "overalljails" if !is_on(increment, option) => Value::None,
        "increment" => increment.enabled.into(),
        "factor" => text(&increment.factor),
        "formula" => text(&increment.formula),
        "multipliers" => text(&increment.multipliers),
        "maxtime" => increment.maxtime.map_or(Value::None, seconds),
        "rndtime" => increment.rndtime.map_or(Value::None, seconds),
        "overalljails" => increment.overalljails.into(),
        _ => Value::None,
    })
}
