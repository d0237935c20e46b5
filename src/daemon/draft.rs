//! A jail's settings as commands make them: what `add` begins with and each `set` amends.
//!
//! Nothing here touches a jail that runs: a stream of commands becomes settings first, and settings
//! that are wrong are refused before anything changes.

use super::control::{plain, unknown_jail};
use crate::config::Spec;
use crate::config::duration::{self, Number};
use crate::model::{
    ActionSettings, BanIncrement, BanTime, FilterSettings, IgnoreCache, JailSettings, LogPath,
    Origin, PrefixSettings, Span, UseDns,
};
use crate::protocol::{self, Change, Exception, METHODS, Request, Value, index_error};

/// Commands of a client know no file and line.
const CLIENT: &str = "client";

/// A jail as `add` makes it: fail2ban's built-in values, no filter, no log, no action.
pub(super) fn blank(name: &str, backend: &str) -> JailSettings {
    JailSettings {
        name: name.to_owned(),
        backend: backend.to_owned(),
        chosen: None,
        filter: FilterSettings {
            maxlines: 1,
            ..FilterSettings::default()
        },
        logs: Vec::new(),
        skip_if_nologs: false,
        logencoding: "auto".to_owned(),
        logtimezone: None,
        maxretry: 3,
        maxmatches: 5,
        findtime: Span::from_secs(600),
        bantime: BanTime::Secs(600),
        increment: BanIncrement {
            enabled: false,
            factor: None,
            formula: None,
            multipliers: None,
            maxtime: None,
            rndtime: None,
            overalljails: false,
        },
        usedns: UseDns::Warn,
        ignoreself: true,
        ignoreip: Vec::new(),
        ignorecommand: String::new(),
        ignorecache: None,
        prefixes: PrefixSettings::default(),
        actions: Vec::new(),
    }
}

/// The jails a client's stream of commands describes; other commands in it are passed by.
///
/// # Errors
/// The exception of the first command that is wrong.
pub(super) fn drafts(stream: &[Value]) -> Result<Vec<JailSettings>, Exception> {
    let mut drafts: Vec<JailSettings> = Vec::new();
    for command in stream {
        let (name, changes) = match protocol::parse(command)? {
            Request::Add { jail, backend } => {
                drafts.retain(|draft| draft.name != jail);
                drafts.push(blank(&jail, &backend));
                continue;
            }
            Request::Set(name, change) => (name, vec![change]),
            Request::MultiSet(name, changes) => (name, changes),
            _ => continue,
        };
        let draft = drafts.iter_mut().find(|draft| draft.name == name);
        let draft = draft.ok_or_else(|| unknown_jail(&name))?;
        for change in &changes {
            amend(draft, change)?;
        }
    }
    Ok(drafts)
}

/// Makes a change to a jail's settings; orders that change no setting are passed by.
///
/// # Errors
/// The exception fail2ban raises for a value that makes no sense.
pub(super) fn amend(settings: &mut JailSettings, change: &Change) -> Result<(), Exception> {
    let filter = &mut settings.filter;
    let origin = || Origin::CommandLine(CLIENT.to_owned());
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    match change {
        Change::IgnoreSelf(text) => settings.ignoreself = is_true(text),
        Change::AddIgnoreIp(words) => {
            let words = words.iter().filter(|word| !word.is_empty());
            settings.ignoreip.extend(words.cloned());
        }
        Change::DelIgnoreIp(word) => settings.ignoreip.retain(|known| known != word),
        Change::IgnoreCommand(command) => settings.ignorecommand.clone_from(command),
        Change::IgnoreCache(text) => settings.ignorecache = ignore_cache(text)?,
        Change::AddLogPath { path, tail } => {
            settings.logs.retain(|log| log.glob != *path);
            settings.logs.push(LogPath {
                glob: path.clone(),
                tail: *tail,
            });
        }
        Change::DelLogPath(path) => settings.logs.retain(|log| log.glob != *path),
        Change::LogEncoding(encoding) => {
            if encoding != "auto" && crate::source::Encoding::named(encoding).is_err() {
                let message = format!("unknown encoding: {encoding}");
                return Err(Exception::builtin("LookupError", vec![message.into()]));
            }
            settings.logencoding.clone_from(encoding);
        }
        Change::AddJournalMatch(words) => filter.journalmatch.extend(match_groups(words)),
        Change::DelJournalMatch(words) if words.is_empty() => filter.journalmatch.clear(),
        Change::DelJournalMatch(words) => {
            let lines = std::mem::take(&mut filter.journalmatch);
            let groups = lines.iter().flat_map(|line| match_groups(line));
            filter.journalmatch = groups.filter(|group| !group.is_empty()).collect();
            let group = words.clone();
            let place = filter.journalmatch.iter().position(|known| *known == group);
            let place = place.ok_or_else(|| {
                value_error(format!(
                    "Match {} not found",
                    Value::list(words.iter().map(String::as_str)).repr()
                ))
            })?;
            filter.journalmatch.remove(place);
        }
        Change::PrefRegex(regex) => filter.prefregex = given(regex),
        Change::AddFailRegex(regexes) => {
            let regexes = regexes.iter().map(|regex| (regex.clone(), origin()));
            filter.failregex.extend(regexes);
        }
        Change::AddIgnoreRegex(regexes) => {
            let regexes = regexes.iter().map(|regex| (regex.clone(), origin()));
            filter.ignoreregex.extend(regexes);
        }
        Change::DelFailRegex(index) => take_out(&mut filter.failregex, *index),
        Change::DelIgnoreRegex(index) => take_out(&mut filter.ignoreregex, *index),
        Change::UseDns(text) => settings.usedns = usedns(text).unwrap_or(UseDns::No),
        Change::FindTime(text) => settings.findtime = time(text)?,
        Change::BanTime(text) => settings.bantime = BanTime::from_number(time(text)?.secs()),
        Change::BanTimeExtra(option, text) => extra(&mut settings.increment, option, text)?,
        Change::DatePattern(pattern) => filter.datepattern = given(pattern),
        Change::LogTimezone(zone) => settings.logtimezone = given(zone),
        Change::MaxMatches(number) => {
            settings.maxmatches = usize::try_from(*number)
                .map_err(|_| value_error("maxmatches: expected 0 or more"))?;
        }
        Change::MaxRetry(number) => settings.maxretry = positive(*number, "maxretry")?,
        Change::MaxLines(number) => {
            if *number <= 0 {
                return Err(value_error("maxlines must be integer greater than zero"));
            }
            filter.maxlines = positive(*number, "maxlines")? as usize;
        }
        Change::AddAction { action, python } => add_action(settings, action, python.as_ref())?,
        Change::DelAction(name) => {
            action_of(settings, name)?;
            settings.actions.retain(|action| action.name != *name);
        }
        Change::Action { action, properties } => {
            let action = action_of(settings, action)?;
            for (property, value) in properties {
                if METHODS.contains(&property.as_str()) {
                    continue;
                }
                let value = value.as_ref().ok_or_else(index_error)?.to_string();
                match action.options.iter_mut().find(|(name, _)| name == property) {
                    Some((_, known)) => *known = value,
                    None => action.options.push((property.clone(), value)),
                }
            }
        }
        Change::Idle(_)
        | Change::Attempt { .. }
        | Change::BanIp(_)
        | Change::BanFor { .. }
        | Change::UnbanIp { .. } => {}
    }
    Ok(())
}

fn add_action(
    settings: &mut JailSettings,
    name: &str,
    python: Option<&(String, String)>,
) -> Result<(), Exception> {
    if settings.actions.iter().any(|action| action.name == name) {
        return Err(value_error(format!("Action {name} already exists")));
    }
    let mut action = ActionSettings {
        name: name.to_owned(),
        options: Vec::new(),
        python: None,
        origin: Origin::CommandLine(CLIENT.to_owned()),
    };
    if let Some((file, json)) = python {
        action.python = Some(file.into());
        let read: Result<serde_json::Map<String, serde_json::Value>, _> =
            serde_json::from_str(json);
        let options = read.map_err(|error| no_json(&error, json))?;
        action.options = options
            .into_iter()
            .map(|(name, value)| match value {
                serde_json::Value::String(text) => (name, text),
                other => (name, other.to_string()),
            })
            .collect();
    }
    settings.actions.push(action);
    Ok(())
}

fn action_of<'s>(
    settings: &'s mut JailSettings,
    name: &str,
) -> Result<&'s mut ActionSettings, Exception> {
    let mut actions = settings.actions.iter_mut();
    actions
        .find(|action| action.name == name)
        .ok_or_else(|| no_action(name))
}

pub(super) fn no_action(name: &str) -> Exception {
    Exception::builtin(
        "KeyError",
        vec![format!("Invalid Action name: {name}").into()],
    )
}

/// `A B + C D`: groups of matches, any of which will do.
fn match_groups(words: &[String]) -> impl Iterator<Item = Vec<String>> + '_ {
    words.split(|word| word == "+").map(<[String]>::to_vec)
}

fn extra(increment: &mut BanIncrement, option: &str, text: &str) -> Result<(), Exception> {
    let given = Some(text.to_owned()).filter(|text| !text.is_empty() && text != "None");
    let span = || -> Result<Option<Span>, Exception> { given.as_deref().map(time).transpose() };
    match option {
        "increment" => increment.enabled = is_true(text),
        "factor" => increment.factor = given,
        "formula" => increment.formula = given,
        "multipliers" => {
            let wrong = text
                .split_whitespace()
                .find(|word| word.parse::<i64>().is_err());
            if let Some(word) = wrong {
                let shown = Value::str(word).repr();
                return Err(value_error(format!(
                    "invalid literal for int() with base 10: {shown}"
                )));
            }
            increment.multipliers = given;
        }
        "maxtime" => increment.maxtime = span()?,
        "rndtime" => increment.rndtime = span()?,
        "overalljails" => increment.overalljails = is_true(text),
        other => {
            let shown = Value::Str(format!("bantime.{other}")).repr();
            return Err(plain(format!(
                "Invalid command {shown} (no set action or not yet implemented)"
            )));
        }
    }
    Ok(())
}

/// `key="<ip>", max-count=100, max-time=5m`; nothing switches the cache off.
fn ignore_cache(text: &str) -> Result<Option<IgnoreCache>, Exception> {
    if text.is_empty() || text == "None" {
        return Ok(None);
    }
    let spec =
        Spec::parse(&format!("cache[{text}]")).map_err(|error| value_error(error.to_string()))?;
    let key = spec.option("key");
    let key = key.ok_or_else(|| Exception::builtin("KeyError", vec!["key".into()]))?;
    let count = spec.option("max-count").unwrap_or("100");
    let count = count.parse().map_err(|_| {
        let shown = Value::str(count).repr();
        value_error(format!("invalid literal for int() with base 10: {shown}"))
    })?;
    Ok(Some(IgnoreCache {
        key: key.to_owned(),
        max_count: count,
        max_time: time(spec.option("max-time").unwrap_or("300"))?,
    }))
}

/// What is no JSON, as Python says it, in the words of our reader.
pub(super) fn no_json(error: &serde_json::Error, text: &str) -> Exception {
    let words = error.to_string();
    // Where it is stands behind it, and Python counts it anew.
    let message = words
        .rsplit_once(" at line ")
        .map_or(words.as_str(), |(what, _)| what);
    let before = text.lines().take(error.line().saturating_sub(1));
    let place: usize = before.map(|line| line.chars().count() + 1).sum();
    Exception::json(message, text, place + error.column().saturating_sub(1))
}

pub(super) fn value_error(message: impl Into<String>) -> Exception {
    Exception::builtin("ValueError", vec![Value::Str(message.into())])
}

pub(super) fn is_true(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "1" | "on" | "true" | "yes")
}

/// `None` where the value is none of fail2ban's.
pub(super) fn usedns(text: &str) -> Option<UseDns> {
    Some(match text.to_lowercase().as_str() {
        "yes" | "true" | "1" | "on" => UseDns::Yes,
        "warn" => UseDns::Warn,
        "raw" => UseDns::Raw,
        "no" | "false" | "0" | "off" => UseDns::No,
        _ => return None,
    })
}

pub(super) fn time(text: &str) -> Result<Span, Exception> {
    let seconds = duration::seconds(text).map_err(|error| value_error(error.to_string()))?;
    Ok(Number::span(seconds))
}

fn positive(number: i64, option: &str) -> Result<u32, Exception> {
    match u32::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(value_error(format!(
            "{option}: expected 1 or more, not {number}"
        ))),
    }
}

/// Takes one out by Python's index, from the end where it is negative; one that is not there is
/// no error, as with fail2ban, and said in the log.
fn take_out<T>(list: &mut Vec<T>, index: i64) {
    let place = if index < 0 {
        let back = usize::try_from(index.unsigned_abs()).ok();
        back.and_then(|back| list.len().checked_sub(back))
    } else {
        usize::try_from(index).ok()
    };
    match place.filter(|place| *place < list.len()) {
        Some(place) => drop(list.remove(place)),
        None => super::jails::say(
            crate::model::Level::Error,
            crate::model::Logger::Filter,
            format!("Cannot remove regular expression. Index {index} is not valid"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(commands: &[&[&str]]) -> Vec<Value> {
        let words = |words: &&[&str]| Value::list(words.iter().copied());
        commands.iter().map(words).collect()
    }

    #[test]
    fn a_stream_becomes_settings() {
        let jails = drafts(&stream(&[
            &["set", "loglevel", "INFO"],
            &["add", "web", "polling"],
            &["set", "web", "maxretry", "7"],
            &["set", "web", "bantime", "1h"],
            &["set", "web", "bantime.increment", "True"],
            &["set", "web", "addfailregex", "^bad <HOST>$"],
            &["set", "web", "addlogpath", "/var/log/web", "tail"],
            &["set", "web", "addaction", "act"],
            &["set", "web", "action", "act", "actionban", "echo <ip>"],
            &["set", "web", "ignorecache", "key=\"<ip>\", max-time=1m"],
            &["start", "web"],
        ]))
        .unwrap();
        let [web] = jails.as_slice() else {
            panic!("{jails:?}")
        };
        assert_eq!((web.maxretry, web.bantime), (7, BanTime::Secs(3600)));
        assert!(web.increment.enabled && web.logs[0].tail);
        assert_eq!(web.filter.failregex[0].0, "^bad <HOST>$");
        assert_eq!(web.actions[0].option("actionban"), Some("echo <ip>"));
        let cache = web.ignorecache.as_ref().unwrap();
        assert_eq!(
            (cache.max_count, cache.max_time),
            (100, Span::from_secs(60))
        );
    }

    #[test]
    fn what_is_wrong_in_a_stream_refuses_all_of_it() {
        let wrong: [&[&str]; 6] = [
            &["set", "other", "maxretry", "1"],
            &["set", "web", "maxretry", "x"],
            &["set", "web", "bantime", "soon"],
            &["set", "web", "action", "none", "actionban", "x"],
            &["set", "web", "bantime.speed", "1"],
            &["set", "web", "logencoding", "martian"],
        ];
        for command in wrong {
            let commands: [&[&str]; 2] = [&["add", "web"], command];
            assert!(drafts(&stream(&commands)).is_err(), "{command:?}");
        }
    }

    #[test]
    fn regexes_go_by_pythons_index() {
        let mut list = vec!["a", "b", "c"];
        take_out(&mut list, -1);
        take_out(&mut list, 7);
        take_out(&mut list, -7);
        assert_eq!(list, ["a", "b"]);
    }
}
