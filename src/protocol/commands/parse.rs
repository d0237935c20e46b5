//! From a list of words to a request, by way of the table.

use super::words::{Words, index_error, plain, value_error};
use super::{COMMANDS, Command, Scope};
use crate::protocol::exception::Exception;
use crate::protocol::request::{Change, Query, Reload, Request};
use crate::protocol::value::Value;

/// Reads a command.
///
/// # Errors
/// The exception fail2ban answers with: `IndexError` for a missing word, `Invalid command …` for an
/// unknown one.
pub fn parse(command: &Value) -> Result<Request, Exception> {
    let words = command.items().ok_or_else(|| plain("Invalid command"))?;
    let (first, rest) = words.split_first().ok_or_else(index_error)?;
    let first = first.to_string();
    match first.as_str() {
        "set" => parse_set(rest),
        "get" => parse_get(rest),
        "multi-set" => parse_multi_set(rest),
        word => match find(Scope::Basic, word) {
            Some(row) => (row.parse)(&mut Words { rest, jail: "" }),
            None => Err(plain("Invalid command")),
        },
    }
}

fn find(scope: Scope, word: &str) -> Option<&'static Command> {
    COMMANDS
        .iter()
        .find(|row| row.scope == scope && row.word == word)
}

fn parse_set(words: &[Value]) -> Result<Request, Exception> {
    let (name, rest) = words.split_first().ok_or_else(index_error)?;
    let name = name.to_string();
    if let Some(row) = find(Scope::SetGlobal, &name) {
        return (row.parse)(&mut Words { rest, jail: "" });
    }
    let (word, rest) = rest.split_first().ok_or_else(index_error)?;
    let word = word.to_string();
    let mut words = Words { rest, jail: &name };
    if let Some(row) = find(Scope::SetJail, &word) {
        return (row.parse)(&mut words);
    }
    if let Some(extra) = word.strip_prefix("bantime.") {
        let change = Change::BanTimeExtra(extra.to_owned(), words.text()?);
        return Ok(words.change(change));
    }
    let shown = Value::Str(word).repr();
    Err(plain(format!(
        "Invalid command {shown} (no set action or not yet implemented)"
    )))
}

fn parse_get(words: &[Value]) -> Result<Request, Exception> {
    let (name, rest) = words.split_first().ok_or_else(index_error)?;
    let name = name.to_string();
    if let Some(row) = find(Scope::GetGlobal, &name) {
        return (row.parse)(&mut Words { rest, jail: "" });
    }
    let (word, rest) = rest.split_first().ok_or_else(index_error)?;
    let word = word.to_string();
    let mut words = Words { rest, jail: &name };
    if let Some(row) = find(Scope::GetJail, &word) {
        return (row.parse)(&mut words);
    }
    match word.strip_prefix("bantime.") {
        Some(extra) => Ok(words.query(Query::BanTimeExtra(extra.to_owned()))),
        None => Err(plain(
            "Invalid command (no get action or not yet implemented)",
        )),
    }
}

/// `multi-set JAIL addfailregex [..]` and `multi-set JAIL action ACTION [[key, value], …]`.
fn parse_multi_set(words: &[Value]) -> Result<Request, Exception> {
    let [jail, word, rest @ ..] = words else {
        return Err(index_error());
    };
    let jail = jail.to_string();
    let texts = |value: Option<&Value>| -> Result<Vec<String>, Exception> {
        let value = value.ok_or_else(index_error)?;
        // Python takes a text for a list of its letters.
        if let Some(text) = value.as_str() {
            return Ok(text.chars().map(String::from).collect());
        }
        let items = value.items().ok_or_else(|| plain("Invalid command"))?;
        Ok(items.iter().map(ToString::to_string).collect())
    };
    let change = match word.to_string().as_str() {
        "addfailregex" => Change::AddFailRegex(texts(rest.first())?),
        "addignoreregex" => Change::AddIgnoreRegex(texts(rest.first())?),
        "action" => {
            let [action, pairs, ..] = rest else {
                return Err(index_error());
            };
            let pairs = pairs.items().ok_or_else(|| plain("Invalid command"))?;
            let mut properties = Vec::with_capacity(pairs.len());
            for pair in pairs {
                match pair.items() {
                    Some([key, rest @ ..]) => {
                        properties.push((key.to_string(), rest.first().cloned()));
                    }
                    _ => return Err(index_error()),
                }
            }
            Change::Action {
                action: action.to_string(),
                properties,
            }
        }
        // Everything else is an ordinary `set`.
        _ => return parse_set(words),
    };
    Ok(Request::MultiSet(jail, vec![change]))
}

/// `sleep SECONDS`, as Python's `time.sleep` takes them.
pub(super) fn sleep(words: &mut Words<'_>) -> Result<Request, Exception> {
    let value = words.value()?;
    let seconds = match &value {
        Value::Int(seconds) => *seconds as f64,
        Value::Float(seconds) => *seconds,
        other => other.to_string().trim().parse().map_err(|_| {
            value_error(format!(
                "could not convert string to float: {}",
                other.repr()
            ))
        })?,
    };
    if seconds.is_nan() {
        return Err(value_error("Invalid value NaN (not a number)"));
    }
    if seconds < 0.0 {
        return Err(value_error("sleep length must be non-negative"));
    }
    Ok(Request::Sleep(seconds))
}

/// The wire form is `[JAIL|--all, [OPTIONS], [STREAM]]`; typed by hand, options come first.
pub(super) fn reload(words: &mut Words<'_>) -> Result<Request, Exception> {
    let mut reload = Reload::default();
    let mut option = |word: &str| match word {
        "--all" => true,
        "--restart" => {
            reload.restart = true;
            true
        }
        "--unban" => {
            reload.unban = true;
            true
        }
        "--if-exists" => {
            reload.if_exists = true;
            true
        }
        _ => false,
    };
    let mut jail = None;
    let mut stream = Vec::new();
    let mut lists = 0;
    for word in words.values() {
        match word.items() {
            Some(items) => {
                lists += 1;
                // The options' list comes before the stream; what it holds are words.
                if lists == 1 && items.iter().all(|item| item.as_str().is_some()) {
                    items.iter().filter_map(Value::as_str).for_each(|word| {
                        option(word);
                    });
                } else {
                    stream = items.to_vec();
                }
            }
            None => {
                let word = word.to_string();
                if !option(&word) {
                    jail = Some(word);
                }
            }
        }
    }
    reload.jail = jail;
    reload.stream = stream;
    Ok(Request::Reload(reload))
}

/// `addlogpath FILE [tail|head]`.
pub(super) fn add_log_path(words: &mut Words<'_>) -> Result<Request, Exception> {
    let path = words.text()?;
    let mode = words.optional();
    if !words.is_empty() {
        return Err(value_error("Only one file can be added at a time"));
    }
    let tail = match mode.as_deref().map(str::to_lowercase).as_deref() {
        Some("tail") => true,
        None | Some("head") => false,
        Some(_) => return Err(value_error("File option must be 'head' or 'tail'")),
    };
    Ok(words.change(Change::AddLogPath { path, tail }))
}
