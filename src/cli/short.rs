//! The short forms that do more than the client's commands: `rban status`, `ban`, `unban`,
//! `banned`, `why`, `stats` and `get`.

use serde_json::Value as Json;

use super::client::{contact, locks_out, obey};
use super::wire::Wire;
use super::world::World;
use super::{FAILED, Options, json};
use crate::protocol::{Change, Request, Value, render, render_error};

/// The words this is for, with what help says of them.
pub(super) const WORDS: &[(&str, &str, &str)] = &[
    (
        "status",
        "[JAIL] [--json] [--check]",
        "how the jails are; --check exits 0 when all is well, 1 when not, 2 without a server",
    ),
    (
        "ban",
        "ADDRESS [JAIL] [--for TIME] [--force]",
        "ban in a jail, or in every jail",
    ),
    (
        "unban",
        "ADDRESS ... | --all",
        "end bans in every jail and forget them",
    ),
    (
        "banned",
        "[ADDRESS ...] [--json]",
        "who is banned, by jail; or where each address is",
    ),
    (
        "why",
        "ADDRESS [--json]",
        "where somebody is banned, by what, and whether it works; or why not",
    ),
    ("stats", "[--json]", "a table of all jails"),
    ("get", "... [--json]", "as rban client get"),
];

/// Exit codes of `--check`.
const DEGRADED: u8 = 1;
const DOWN: u8 = 2;

/// Flags that may stand anywhere.
#[derive(Default)]
struct Flags {
    json: bool,
    check: bool,
    force: bool,
    lasting: Option<String>,
}

/// Runs `rban WORD …`; the exit code.
pub(super) fn run(word: &str, rest: &[String], world: &mut World<'_>) -> u8 {
    let mut flags = Flags::default();
    let (mut all, mut others) = (false, Vec::new());
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => flags.json = true,
            "--check" => flags.check = true,
            "--force" => flags.force = true,
            "--all" => all = true,
            "--for" => flags.lasting = words.next().cloned(),
            word => match word.strip_prefix("--for=") {
                Some(time) => flags.lasting = Some(time.to_owned()),
                None => others.push(word.to_owned()),
            },
        }
    }
    let mut options = match Options::parse(&others) {
        Ok(options) => options,
        Err(error) => {
            world.say_error(&error.to_string());
            return FAILED;
        }
    };
    if options.help {
        for (name, arguments, help) in WORDS.iter().filter(|(name, ..)| *name == word) {
            world.say(&format!("Usage: rban {name} {arguments}\n{help}"));
        }
        return 0;
    }
    world.level = options.level();
    options.force |= flags.force;
    let mut words = vec![word.to_owned()];
    if all {
        words.push("--all".to_owned());
    }
    words.append(&mut options.words);
    let right = match word {
        "status" if flags.check => return check(&options, flags.json, world),
        "why" => super::why::why(&options, &words[1..], flags.json, world),
        _ if flags.json => json::answer(&options, &words, world),
        "status" => status(&options, &words, world),
        "ban" => ban(&options, &words[1..], flags.lasting.as_deref(), world),
        _ => obey(&options, &words, world),
    };
    if right { 0 } else { FAILED }
}

/// Bans an address in one jail, or in all.
fn ban(options: &Options, words: &[String], lasting: Option<&str>, world: &mut World<'_>) -> bool {
    let (address, jail) = match words {
        [address] => (address, None),
        [address, jail] => (address, Some(jail.clone())),
        _ => {
            world.say_error("Usage: rban ban ADDRESS [JAIL] [--for TIME] [--force]");
            return false;
        }
    };
    if locks_out(options, &[address.as_str()], world) {
        return false;
    }
    let Some(mut wire) = contact(options, None, world) else {
        return false;
    };
    let jails = match jail {
        Some(jail) => vec![jail],
        None => jail_names(&mut wire),
    };
    let mut banned = 0;
    for jail in jails {
        let ids = vec![address.clone()];
        let change = match lasting {
            Some(time) => Change::BanFor {
                time: time.to_owned(),
                ids,
            },
            None => Change::BanIp(ids),
        };
        match wire.ask(&Request::Set(jail, change).command()) {
            Ok(Value::Int(number)) => banned += number,
            Ok(_) => {}
            Err(error) => {
                world.say_error(&said(error));
                return false;
            }
        }
    }
    world.say(&banned.to_string());
    true
}

pub(super) fn said(error: super::WireError) -> String {
    match error {
        super::WireError::Refused(exception) => render_error(&exception),
        other => other.to_string(),
    }
}

fn jail_names(wire: &mut Wire) -> Vec<String> {
    let answer = wire.ask(&Request::Status.command()).unwrap_or(Value::None);
    let rows = answer.items().unwrap_or_default();
    let list = rows
        .iter()
        .filter_map(Value::items)
        .find_map(|row| match row {
            [name, list] if name.as_str() == Some("Jail list") => list.as_str(),
            _ => None,
        });
    let names = list.unwrap_or_default().split(", ");
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// fail2ban's text, and below it what it does not tell: how each jail is.
fn status(options: &Options, words: &[String], world: &mut World<'_>) -> bool {
    let jail = words.get(1).filter(|word| *word != "--all").cloned();
    let charset = world.charset();
    let Some(mut wire) = contact(options, None, world) else {
        return false;
    };
    let report = wire.ask(&Request::Report(jail.clone()).command());
    let shown: Vec<&str> = words.iter().map(String::as_str).collect();
    let command = Value::list(shown.iter().copied());
    match wire.ask(&command) {
        Ok(answer) => world.say(&render(&shown, &answer, charset)),
        // A jail that failed to start has nothing but its report.
        Err(_) if report.is_ok() => {}
        Err(error) => {
            world.say_error(&said(error));
            return false;
        }
    }
    if let Ok(report) = report {
        let report = json::plain(&report);
        let one = [report.clone()];
        let jails = match report["jails"].as_array() {
            Some(jails) => jails.as_slice(),
            None => &one,
        };
        for jail in jails {
            world.say(describe(jail).trim_end());
        }
    }
    true
}

/// A jail in a few lines.
fn describe(jail: &Json) -> String {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let mut out = format!("{}: {}", text(&jail["name"]), text(&jail["state"]));
    if let Some(why) = jail["why"].as_str() {
        out.push_str(&format!(", {why}"));
    }
    out.push('\n');
    if let Some(why) = jail["backend_why"].as_str() {
        out.push_str(&format!("   {why}\n"));
    }
    for source in jail["sources"].as_array().into_iter().flatten() {
        let last = match (source["last_line_age"].as_i64(), source["why"].as_str()) {
            (Some(age), _) => format!("last line {age} s ago"),
            (None, Some(why)) => why.to_owned(),
            (None, None) => "no line since the start".to_owned(),
        };
        let position = source["position"].as_u64();
        let position = position.map_or(String::new(), |at| format!(", read up to byte {at}"));
        let errors = match source["errors"].as_u64() {
            None | Some(0) => String::new(),
            Some(1) => ", unreadable once".to_owned(),
            Some(times) => format!(", unreadable {times} times"),
        };
        let path = text(&source["path"]);
        out.push_str(&format!("   {path}: {last}{position}{errors}\n"));
    }
    let given_up = jail["given_up"]["patterns"].as_array();
    for pattern in given_up.into_iter().flatten() {
        let (name, times) = (text(&pattern["pattern"]), &pattern["times"]);
        out.push_str(&format!(
            "   {name}: gave up on {times} searches (see the log for what to do)\n"
        ));
    }
    for action in jail["actions"].as_array().into_iter().flatten() {
        let error = action["last_error"].as_str().unwrap_or("no error");
        let waiting = match action["waiting"].as_u64() {
            Some(0) | None => String::new(),
            Some(waiting) => format!(", {waiting} commands wait"),
        };
        out.push_str(&format!(
            "   action {} ({}): {error}{waiting}\n",
            text(&action["name"]),
            text(&action["way"]),
        ));
    }
    out
}

/// `--check`: 0, or what is wrong and 1, or 2 without a server that answers.
fn check(options: &Options, as_json: bool, world: &mut World<'_>) -> u8 {
    let report = match contact(options, Some(super::client::PING), world) {
        None => Err("no server answers".to_owned()),
        Some(mut wire) => wire
            .ask(&Request::Report(None).command())
            .map_err(|error| error.to_string()),
    };
    let (code, health, wrong) = match report {
        Err(error) => (DOWN, "down", vec![error]),
        Ok(report) => match troubles(&json::plain(&report)) {
            Ok(jails) => (0, "healthy", vec![jails]),
            Err(wrong) => (DEGRADED, "degraded", wrong),
        },
    };
    if as_json {
        let why = if code == 0 { Vec::new() } else { wrong };
        world.say(&format!(
            "{:#}",
            serde_json::json!({ "health": health, "why": why })
        ));
    } else {
        for line in wrong {
            world.say(&format!("{health}: {line}"));
        }
    }
    code
}

/// What an operator should look at; if that is nothing, how many jails run.
fn troubles(report: &Json) -> Result<String, Vec<String>> {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Json| value.as_array().cloned().unwrap_or_default();
    let mut wrong = Vec::new();
    for trouble in list(&report["troubles"]) {
        wrong.push(text(&trouble["why"]));
    }
    let jails = list(&report["jails"]);
    if jails.is_empty() {
        wrong.push("no jail runs".to_owned());
    }
    for jail in &jails {
        let name = text(&jail["name"]);
        if let (Some(state), Some(why)) = (jail["state"].as_str(), jail["why"].as_str()) {
            wrong.push(format!("[{name}] {state}: {why}"));
        }
        for source in list(&jail["sources"]) {
            if source["state"] == "failing" {
                let (path, why) = (text(&source["path"]), text(&source["why"]));
                wrong.push(format!("[{name}] {path}: {why}"));
            }
        }
        for action in list(&jail["actions"]) {
            if let Some(error) = action["last_error"].as_str() {
                let action = text(&action["name"]);
                wrong.push(format!("[{name}] action {action}: {error}"));
            }
        }
    }
    match jails.len() {
        _ if !wrong.is_empty() => Err(wrong),
        1 => Ok("1 jail".to_owned()),
        count => Ok(format!("{count} jails")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_told_and_nothing_else() {
        let well = json!({ "name": "a", "state": "running", "why": null,
            "sources": [{ "path": "/y", "state": "read", "why": null }],
            "actions": [{ "name": "nft", "last_error": null }] });
        let report = |jails: &[&Json]| json!({ "troubles": [], "jails": jails });
        assert_eq!(troubles(&report(&[&well])), Ok("1 jail".to_owned()));
        let waiting = json!({ "name": "b", "state": "waiting", "why": "/x: it is not there",
            "sources": [{ "path": "journal", "state": "failing", "why": "no journal" }],
            "actions": [{ "name": "nft", "last_error": "no nft" }] });
        let wrong = |report: &Json| troubles(report).unwrap_err();
        assert_eq!(
            wrong(&report(&[&well, &waiting])),
            [
                "[b] waiting: /x: it is not there",
                "[b] journal: no journal",
                "[b] action nft: no nft"
            ]
        );
        assert_eq!(wrong(&report(&[])), ["no jail runs"]);
        let trouble = json!([{ "option": "dbfile", "why": "the disk is full" }]);
        let report = json!({ "troubles": trouble, "jails": [well] });
        assert_eq!(wrong(&report), ["the disk is full"]);
    }
}
