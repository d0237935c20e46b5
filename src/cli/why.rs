//! `rban why ADDRESS`: whether somebody is banned, where, by what, and whether that works; and if
//! not, why not.

use serde_json::Value as Json;

use super::client::contact;
use super::short::said;
use super::world::World;
use super::{Options, json};
use crate::model::Span;
use crate::protocol::Request;

/// Answers for each of some addresses; whether it went well.
pub(super) fn why(options: &Options, who: &[String], as_json: bool, world: &mut World<'_>) -> bool {
    let [who] = who else {
        world.say_error("Usage: rban why ADDRESS [--json]");
        return false;
    };
    let Some(mut wire) = contact(options, None, world) else {
        return false;
    };
    let answer = wire.ask(&Request::Why(who.clone()).command());
    match answer {
        Ok(answer) => {
            let answer = json::plain(&answer);
            let text = if as_json {
                format!("{answer:#}")
            } else {
                told(&answer)
            };
            world.say(text.trim_end());
            true
        }
        Err(error) if as_json => {
            world.say(&format!(
                "{:#}",
                serde_json::json!({ "error": said(error) })
            ));
            false
        }
        Err(error) => {
            world.say_error(&said(error));
            false
        }
    }
}

/// The whole answer in words.
fn told(answer: &Json) -> String {
    let address = text(&answer["address"]);
    let jails = list(&answer["jails"]);
    let banned = jails.iter().filter(|jail| !list(&jail["bans"]).is_empty());
    let names: Vec<&str> = banned.map(|jail| text(&jail["name"])).collect();
    let mut out = match names.as_slice() {
        [] if answer["seen"] == false => format!("{address} was never seen\n"),
        [] => format!("{address} is not banned\n"),
        names => format!("{address} is banned in {}\n", names.join(", ")),
    };
    if jails.is_empty() {
        out.push_str("no jail runs\n");
    }
    for jail in jails {
        let lines = jail_lines(jail);
        if !lines.is_empty() {
            out.push_str(&format!(
                "\n{}: {}\n",
                text(&jail["name"]),
                lines.join("\n")
            ));
        }
    }
    out
}

/// What there is to say of a jail; nothing where it knows nobody.
fn jail_lines(jail: &Json) -> Vec<String> {
    let mut out = Vec::new();
    for ban in list(&jail["bans"]) {
        out.push(ban_line(ban));
        matches(&ban["lines"], &mut out);
    }
    let banned = !out.is_empty();
    if let Some(ignored) = jail["ignored"].as_object() {
        let ignored = &Json::Object(ignored.clone());
        out.push(ignored_line(ignored, banned));
    }
    let failures = &jail["failures"];
    if failures.is_object() {
        out.push(format!(
            "{}{} of {} failures within {}, the last {}, forgotten {}",
            if banned {
                "   since then "
            } else {
                "not banned: "
            },
            failures["count"],
            failures["maxretry"],
            span(&failures["findtime"]),
            moment(&failures["last"]),
            moment(&failures["forgotten"]),
        ));
        matches(&failures["lines"], &mut out);
    }
    let before = &jail["before"];
    if before.is_object() && !banned {
        let start = if out.is_empty() {
            "not banned: "
        } else {
            "   "
        };
        out.push(format!(
            "{start}banned {} before, the last time {}",
            times(&before["bans"]),
            moment(&before["last"])
        ));
    }
    for standing in list(&jail["kernel"]) {
        if banned {
            kernel(standing, &mut out);
        } else if standing["holds"] == true {
            let start = if out.is_empty() {
                "not banned, but "
            } else {
                "   "
            };
            out.push(format!(
                "{start}{}: the kernel holds it all the same ({})",
                text(&standing["action"]),
                text(&standing["place"])
            ));
        }
    }
    out
}

fn ban_line(ban: &Json) -> String {
    let end = match (ban["until"].is_null(), &ban["left"]) {
        (true, _) => "for ever".to_owned(),
        (false, left) => format!("until {} (another {})", moment(&ban["until"]), span(left)),
    };
    let mut line = format!(
        "{} is banned since {} {end}",
        text(&ban["id"]),
        moment(&ban["since"])
    );
    match ban["attempts"].as_i64() {
        Some(0) | None => line.push_str(", by hand"),
        Some(1) => line.push_str(", after 1 failure"),
        Some(attempts) => line.push_str(&format!(", after {attempts} failures")),
    }
    if ban["count"].as_i64().is_some_and(|count| count > 1) {
        line.push_str(&format!(", for the {}. time", ban["count"]));
    }
    if ban["restored"] == true {
        line.push_str("; brought back at the start");
    }
    line
}

/// The lines that led there, below the regular expressions that matched them.
fn matches(lines: &Json, out: &mut Vec<String>) {
    let mut last = "";
    for line in list(lines) {
        let pattern = text(&line["pattern"]);
        if pattern.is_empty() {
            // Helps others, or the filter has changed since.
            last = "";
        } else if pattern != last {
            last = pattern;
            out.push(format!(
                "   by {pattern} ({}): {}",
                text(&line["origin"]),
                text(&line["regex"])
            ));
        }
        out.push(format!("      {}", printable(text(&line["line"]))));
    }
}

fn ignored_line(ignored: &Json, banned: bool) -> String {
    let (by, entry) = (text(&ignored["by"]), text(&ignored["entry"]));
    let start = if banned {
        "   further failures: "
    } else {
        "not banned: "
    };
    let how = match (by, ignored["decided"] == true) {
        ("ignoreself", _) => format!("it is this machine's own {entry} (ignoreself)"),
        ("ignorecache", _) => format!(
            "ignored until {}, says ignorecache ({entry})",
            moment(&ignored["until"])
        ),
        (by, true) => format!("ignored by {by} {entry}"),
        ("ignoreip", false) => format!("{entry} in ignoreip has not been looked up yet"),
        (by, false) => format!("{by} {entry} does not say: {}", text(&ignored["why"])),
    };
    format!("{start}{how}")
}

/// What the kernel makes of a ban.
fn kernel(standing: &Json, out: &mut Vec<String>) {
    let (action, place) = (text(&standing["action"]), text(&standing["place"]));
    out.push(match standing["holds"].as_bool() {
        Some(true) => format!("   {action}: the kernel holds it ({place})"),
        Some(false) => format!("   {action}: THE KERNEL DOES NOT HOLD IT ({place})"),
        None => format!("   {action}: whether the kernel holds it is not known ({place})"),
    });
    if standing["ways"].is_null() {
        return;
    }
    if list(&standing["ways"]).is_empty() {
        out.push("      NO RULE LEADS THERE: no packet is looked up in it".to_owned());
    }
    for way in list(&standing["ways"]) {
        let through = list(&way["through"]).iter().map(text).collect::<Vec<_>>();
        out.push(format!("      through {}", through.join(" → ")));
        for passing in list(&way["before"]) {
            let what = match text(&passing["lets_through"]) {
                "everything" => "LET THROUGH BEFORE THAT by",
                "established" => "connections it has are let through before that by",
                _ => "some of it may be let through before that by",
            };
            out.push(format!("         {what} {}", text(&passing["rule"])));
        }
    }
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

/// What came out of a log says nothing to a terminal.
fn printable(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(plain).collect()
}

/// A moment without its zone, which is the server's.
fn moment(value: &Json) -> String {
    let text = text(value);
    text.get(..19).unwrap_or(text).replace('T', " ")
}

fn span(seconds: &Json) -> String {
    Span::from_secs(seconds.as_i64().unwrap_or(0)).words()
}

fn times(count: &Json) -> String {
    match count.as_i64() {
        Some(1) => "once".to_owned(),
        _ => format!("{count} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_told_in_words() {
        let line = json!({ "line": "x 192.0.2.1\u{1b}[2J", "pattern": "failregex 2",
            "regex": "^x <HOST>", "origin": "filter.d/x.conf:3" });
        let answer = json!({ "address": "192.0.2.1", "banned": true, "seen": true, "jails": [
            { "name": "a", "bans": [{ "id": "192.0.2.0/24", "since": "2026-11-22T16:59:27+01:00",
                "until": "2026-11-22T17:09:27+01:00", "left": 61, "count": 2, "attempts": 3,
                "restored": false, "lines": [line] }],
              "failures": null, "ignored": null, "before": null,
              "kernel": [{ "action": "nft", "holds": true, "place": "set s", "ways": [
                { "through": ["in: @s drop"], "before": [
                    { "rule": "in: ip saddr 192.0.2.1 accept", "lets_through": "everything" }] }] },
                { "action": "old", "holds": false, "place": "set t", "ways": [] }] },
            { "name": "b", "bans": [], "failures": { "count": 2, "maxretry": 5, "findtime": 600,
                "last": "2026-11-22T16:59:27+01:00", "forgotten": "2026-11-22T17:09:27+01:00",
                "lines": [] }, "ignored": null, "before": { "bans": 1,
                "last": "2026-11-21T16:59:27+01:00" }, "kernel": [] },
            { "name": "c", "bans": [], "failures": null, "before": null, "kernel": [],
              "ignored": { "by": "ignoreip", "entry": "192.0.2.0/28", "decided": true } },
            { "name": "d", "bans": [], "failures": null, "before": null, "kernel": [], "ignored": null },
        ] });
        assert_eq!(
            told(&answer),
            "192.0.2.1 is banned in a\n\n\
             a: 192.0.2.0/24 is banned since 2026-11-22 16:59:27 until 2026-11-22 17:09:27 \
             (another 1m 1s), after 3 failures, for the 2. time\n   \
                by failregex 2 (filter.d/x.conf:3): ^x <HOST>\n      \
                   x 192.0.2.1\u{fffd}[2J\n   \
                nft: the kernel holds it (set s)\n      \
                   through in: @s drop\n         \
                      LET THROUGH BEFORE THAT by in: ip saddr 192.0.2.1 accept\n   \
                old: THE KERNEL DOES NOT HOLD IT (set t)\n      \
                   NO RULE LEADS THERE: no packet is looked up in it\n\n\
             b: not banned: 2 of 5 failures within 10m, the last 2026-11-22 16:59:27, \
             forgotten 2026-11-22 17:09:27\n   \
                banned once before, the last time 2026-11-21 16:59:27\n\n\
             c: not banned: ignored by ignoreip 192.0.2.0/28\n"
        );
        let nobody = json!({ "address": "x", "banned": false, "seen": false, "jails": [] });
        assert_eq!(told(&nobody), "x was never seen\nno jail runs\n");
    }
}
