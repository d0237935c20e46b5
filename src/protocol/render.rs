//! An answer as text: what fail2ban's client prints, byte for byte, since scripts grep it.

use super::exception::Exception;
use super::value::Value;

mod table;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    #[default]
    Utf8,
    Ascii,
}

/// The text for a command's answer, without the final newline.
///
/// Where an answer does not have the shape its command promises, its `repr` is shown.
pub fn render(command: &[&str], answer: &Value, charset: Charset) -> String {
    special(command, answer, charset).unwrap_or_else(|| answer.to_string())
}

/// The text for a command that failed.
pub fn render_error(exception: &Exception) -> String {
    let first = exception
        .args
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    match exception.class.as_str() {
        "UnknownJailException" => format!("Sorry but the jail '{first}' does not exist"),
        "DuplicateJailException" => format!("The jail '{first}' already exists"),
        "IndexError" => "Sorry but the command is invalid".to_owned(),
        _ => exception.to_string(),
    }
}

/// `None`: the answer speaks for itself.
fn special(words: &[&str], answer: &Value, charset: Charset) -> Option<String> {
    let text = || answer.as_str();
    match words {
        ["ping", ..] => Some(format!("Server replied: {}", text()?)),
        ["start", ..] => Some("Jail started".to_owned()),
        ["stop"] if *answer == Value::None => Some("Shutdown successful".to_owned()),
        ["stop", _, ..] if *answer == Value::None => Some("Jail stopped".to_owned()),
        ["add", ..] => Some(format!("Added jail {}", text()?)),
        ["flushlogs", ..] => Some(format!("logs: {}", text()?)),
        ["echo", ..] => Some(joined(answer.items()?, " ")),
        ["stats" | "statistics", ..] => table::statistics(answer, charset),
        ["status"] => status(answer),
        // fail2ban's own client stumbles over these two.
        ["status", "--all", "stats"] => {
            let (jails, _) = answer.items()?.split_last()?;
            table::statistics(jails, charset)
        }
        ["status", jail, "stats"] => {
            let row = vec![((*jail).into(), answer.clone())];
            table::statistics(&Value::Dict(row), charset)
        }
        ["status", "--all", ..] => all_status(answer),
        ["status", jail, ..] => {
            let mut out = format!("Status for the jail: {jail}");
            jail_status(&mut out, "", answer)?;
            Some(out)
        }
        [_, "syslogsocket", ..] => Some(format!("Current syslog socket is:\n`- {}", text()?)),
        [_, "logtarget", ..] => Some(format!("Current logging target is:\n`- {}", text()?)),
        [_, "loglevel", ..] => Some(format!("Current logging level is {}", level(answer).repr())),
        [_, "dbfile", ..] => Some(match answer {
            Value::None => "Database currently disabled".to_owned(),
            file => format!("Current database file is:\n`- {file}"),
        }),
        [_, "dbpurgeage", ..] => match answer {
            Value::None => Some("Database currently disabled".to_owned()),
            Value::Int(age) => Some(format!("Current database purge age is:\n`- {age}seconds")),
            Value::Float(age) => Some(format!(
                "Current database purge age is:\n`- {}seconds",
                *age as i64
            )),
            _ => None,
        },
        [verb, jail, option, rest @ ..] => of_jail((verb, jail, option), rest, answer),
        _ => None,
    }
}

/// Answers about one option of a jail.
fn of_jail(
    (verb, jail, option): (&str, &str, &str),
    rest: &[&str],
    answer: &Value,
) -> Option<String> {
    match option {
        "logpath" | "addlogpath" | "dellogpath" => Some(match answer.items()? {
            [] => "No file is currently monitored".to_owned(),
            files => listed("Current monitored log file(s):", files, |_| String::new()),
        }),
        "logencoding" => Some(format!("Current log encoding is set to:\n{answer}")),
        "journalmatch" | "addjournalmatch" | "deljournalmatch" => {
            let matches = answer.items()?;
            if matches.is_empty() {
                return Some("No journal match filter set".to_owned());
            }
            let parts: Option<Vec<String>> = matches
                .iter()
                .map(|m| m.items().map(|words| joined(words, " ")))
                .collect();
            Some(format!("Current match filter:\n{}", parts?.join(" + ")))
        }
        "datepattern" => Some(match answer {
            Value::None => "Current date pattern set to: Not set/required".to_owned(),
            pair => match pair.items()? {
                [Value::None, name] => format!("Current date pattern set to: {name}"),
                [pattern, name] => format!("Current date pattern set to: {pattern} ({name})"),
                _ => return None,
            },
        }),
        "ignoreip" | "addignoreip" | "delignoreip" => Some(match answer.items()? {
            [] => "No IP address/network is ignored".to_owned(),
            list => listed("These IP addresses/networks are ignored:", list, |_| {
                String::new()
            }),
        }),
        "failregex" | "addfailregex" | "delfailregex" | "ignoreregex" | "addignoreregex"
        | "delignoreregex" => Some(match answer.items()? {
            [] => "No regular expression is defined".to_owned(),
            list => listed("The following regular expression are defined:", list, |n| {
                format!("[{n}]: ")
            }),
        }),
        "actions" => Some(match answer.items()? {
            [] => format!("No actions for jail {jail}"),
            list => format!(
                "The jail {jail} has the following actions:\n{}",
                joined(list, ", ")
            ),
        }),
        "actionproperties" | "actionmethods" => {
            let kind = if option == "actionmethods" {
                "methods"
            } else {
                "properties"
            };
            let action = rest.first()?;
            Some(match answer.items()? {
                [] => format!("No {kind} for jail {jail} action {action}"),
                list => format!(
                    "The jail {jail} action {action} has the following {kind}:\n{}",
                    joined(list, ", ")
                ),
            })
        }
        "banip" if verb == "get" => {
            let separator = match rest.first() {
                None => " ",
                Some(&"--with-time") => "\n",
                Some(separator) => separator,
            };
            answer.items().map(|ids| joined(ids, separator))
        }
        _ => None,
    }
}

fn joined(items: &[Value], separator: &str) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(separator)
}

/// A heading, and a branch for each item.
fn listed(heading: &str, items: &[Value], label: impl Fn(usize) -> String) -> String {
    let mut out = heading.to_owned();
    for (place, item) in items.iter().enumerate() {
        let branch = if place + 1 == items.len() { "`-" } else { "|-" };
        out.push_str(&format!("\n{branch} {}{item}", label(place)));
    }
    out
}

/// Numbers of Python's logging by their names.
fn level(answer: &Value) -> Value {
    let Value::Int(number) = answer else {
        return answer.clone();
    };
    match number {
        0 => "NOTSET".into(),
        5 => "HEAVY".into(),
        7 => "TRACE".into(),
        10 => "DEBUG".into(),
        18 => "MSG".into(),
        20 => "INFO".into(),
        25 => "NOTICE".into(),
        30 => "WARNING".into(),
        40 => "ERROR".into(),
        50 => "CRITICAL".into(),
        1..50 => Value::Str(format!("#{number:02}-Lev.")),
        _ => Value::Str(format!("Level {number}")),
    }
}

/// A pair of a name and what it names.
fn pair(value: &Value) -> Option<(&Value, &Value)> {
    match value.items()? {
        [name, value] => Some((name, value)),
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::List(items) => joined(items, " "),
        other => other.to_string(),
    }
}

/// How the branches of a tree begin, and what stands below each.
const BRANCH: (&str, &str) = ("|-", "|  ");
const LAST: (&str, &str) = ("`-", "   ");

fn branch(is_last: bool) -> (&'static str, &'static str) {
    if is_last { LAST } else { BRANCH }
}

fn status(answer: &Value) -> Option<String> {
    let mut out = "Status".to_owned();
    lines(&mut out, "", answer.items()?, false)?;
    Some(out)
}

/// Names and what they name; `more` says that the last one is not the tree's last.
fn lines(out: &mut String, stem: &str, lines: &[Value], more: bool) -> Option<()> {
    for (place, line) in lines.iter().enumerate() {
        let (name, value) = pair(line)?;
        let (sign, _) = branch(place + 1 == lines.len() && !more);
        out.push_str(&format!("\n{stem}{sign} {name}:\t{}", shown(value)));
    }
    Some(())
}

fn jail_status(out: &mut String, stem: &str, answer: &Value) -> Option<()> {
    let groups = answer.items()?;
    for (place, group) in groups.iter().enumerate() {
        let (name, values) = pair(group)?;
        let (sign, below) = branch(place + 1 == groups.len());
        out.push_str(&format!("\n{stem}{sign} {name}"));
        lines(out, &format!("{stem}{below}"), values.items()?, false)?;
    }
    Some(())
}

/// The overview, and below it each jail's status.
fn all_status(answer: &Value) -> Option<String> {
    let (Value::Dict(jails), overview) = answer.items()?.split_last()? else {
        return None;
    };
    let mut out = "Status".to_owned();
    lines(&mut out, "", overview, !jails.is_empty())?;
    for (place, (jail, answer)) in jails.iter().enumerate() {
        if place == 0 {
            out.push_str("\n`- Status for the jails:");
        }
        let (sign, below) = branch(place + 1 == jails.len());
        out.push_str(&format!("\n   {sign} Jail: {jail}"));
        jail_status(&mut out, &format!("   {below}"), answer)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests;
