//! An answer as text: what fail2ban's client prints, byte for byte, since scripts grep it.

use super::value::{Exception, Value};

/// The text for a command's answer, without the final newline.
///
/// Where an answer does not have the shape its command promises, its `repr` is shown.
pub fn render(command: &[String], answer: &Value) -> String {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    special(&words, answer).unwrap_or_else(|| answer.to_string())
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
fn special(words: &[&str], answer: &Value) -> Option<String> {
    let text = || answer.as_str();
    match words {
        ["ping", ..] => Some(format!("Server replied: {}", text()?)),
        ["start", ..] => Some("Jail started".to_owned()),
        ["stop"] if *answer == Value::None => Some("Shutdown successful".to_owned()),
        ["stop", _, ..] if *answer == Value::None => Some("Jail stopped".to_owned()),
        ["add", ..] => Some(format!("Added jail {}", text()?)),
        ["flushlogs", ..] => Some(format!("logs: {}", text()?)),
        ["echo", ..] => Some(joined(answer.items()?, " ")),
        ["status"] => status(answer),
        ["status", "--all", ..] => all_status(answer),
        ["status", jail, ..] => jail_status(jail, answer),
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
    let name = match answer {
        Value::Int(50) => "CRITICAL",
        Value::Int(40) => "ERROR",
        Value::Int(30) => "WARNING",
        Value::Int(25) => "NOTICE",
        Value::Int(20) => "INFO",
        Value::Int(18) => "MSG",
        Value::Int(10) => "DEBUG",
        Value::Int(7) => "TRACEDEBUG",
        Value::Int(5) => "HEAVYDEBUG",
        Value::Int(other) => return Value::Str(format!("Level {other}")),
        other => return other.clone(),
    };
    name.into()
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

fn status(answer: &Value) -> Option<String> {
    let mut out = "Status".to_owned();
    let lines = answer.items()?;
    for (place, line) in lines.iter().enumerate() {
        let (name, value) = pair(line)?;
        let branch = if place + 1 == lines.len() { "`-" } else { "|-" };
        out.push_str(&format!("\n{branch} {name}:\t{}", shown(value)));
    }
    Some(out)
}

fn jail_status(jail: &str, answer: &Value) -> Option<String> {
    let mut out = format!("Status for the jail: {jail}");
    let groups = answer.items()?;
    for (place, group) in groups.iter().enumerate() {
        let (name, lines) = pair(group)?;
        let last = place + 1 == groups.len();
        out.push_str(&format!("\n{} {name}", if last { "`-" } else { "|-" }));
        let stem = if last { "   " } else { "|  " };
        let lines = lines.items()?;
        for (place, line) in lines.iter().enumerate() {
            let (name, value) = pair(line)?;
            let branch = if place + 1 == lines.len() { "`-" } else { "|-" };
            out.push_str(&format!("\n{stem}{branch} {name}:\t{}", shown(value)));
        }
    }
    Some(out)
}

/// The overview, then each jail's status.
fn all_status(answer: &Value) -> Option<String> {
    let (Value::Dict(jails), overview) = answer.items()?.split_last()? else {
        return None;
    };
    let mut out = status(&Value::List(overview.to_vec()))?;
    for (jail, answer) in jails {
        out.push('\n');
        out.push_str(&jail_status(&jail.to_string(), answer)?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &[&str], answer: &Value) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        render(&words, answer)
    }

    fn pairs(entries: &[(&str, Value)]) -> Value {
        let pair =
            |(name, value): &(&str, Value)| Value::Tuple(vec![(*name).into(), value.clone()]);
        Value::List(entries.iter().map(pair).collect())
    }

    #[test]
    fn the_status_is_a_tree_with_tabs() {
        let answer = pairs(&[
            ("Number of jail", 2i64.into()),
            ("Jail list", "sshd, web".into()),
        ]);
        assert_eq!(
            shown(&["status"], &answer),
            "Status\n|- Number of jail:\t2\n`- Jail list:\tsshd, web"
        );
    }

    #[test]
    fn a_jails_status_has_two_branches() {
        let answer = pairs(&[
            (
                "Filter",
                pairs(&[
                    ("Currently failed", 0i64.into()),
                    ("Total failed", 3i64.into()),
                    ("File list", Value::list(["/var/log/auth.log"])),
                ]),
            ),
            (
                "Actions",
                pairs(&[
                    ("Currently banned", 1i64.into()),
                    ("Total banned", 1i64.into()),
                    ("Banned IP list", Value::list(["192.0.2.5", "192.0.2.6"])),
                ]),
            ),
        ]);
        let expected = "Status for the jail: sshd\n\
            |- Filter\n\
            |  |- Currently failed:\t0\n\
            |  |- Total failed:\t3\n\
            |  `- File list:\t/var/log/auth.log\n\
            `- Actions\n   \
               |- Currently banned:\t1\n   \
               |- Total banned:\t1\n   \
               `- Banned IP list:\t192.0.2.5 192.0.2.6";
        assert_eq!(shown(&["status", "sshd"], &answer), expected);
    }

    #[test]
    fn errors_are_sentences() {
        let unknown = Exception {
            module: "fail2ban.exceptions".into(),
            class: "UnknownJailException".into(),
            args: vec!["nope".into()],
        };
        assert_eq!(
            render_error(&unknown),
            "Sorry but the jail 'nope' does not exist"
        );
        let plain = Exception::builtin("Exception", vec!["Invalid command".into()]);
        assert_eq!(render_error(&plain), "Invalid command");
    }

    #[test]
    fn what_has_no_form_of_its_own_is_shown_as_python_shows_it() {
        let banned = Value::list([Value::Dict(vec![(
            "sshd".into(),
            Value::list(["192.0.2.5"]),
        )])]);
        assert_eq!(shown(&["banned"], &banned), "[{'sshd': ['192.0.2.5']}]");
        assert_eq!(shown(&["get", "sshd", "bantime"], &600i64.into()), "600");
        assert_eq!(shown(&["status", "sshd"], &Value::None), "None");
    }
}
