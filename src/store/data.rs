//! The `data` column: fail2ban's JSON of a ticket's lines, failures and captured values.
//!
//! A line with its date known is an array `[before, date, after]`, any other a string; the set
//! `users` is stored as the text of a Python list; other lists are arrays.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::model::{Ban, Captured, Datum, FailId, MatchedLine, Network};

/// What a `data` column comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Data {
    pub(super) lines: Vec<MatchedLine>,
    pub(super) failures: u32,
    pub(super) ip: Option<Network>,
    pub(super) captured: Captured,
}

/// The JSON of a ban, with its last `maxmatches` lines.
pub(super) fn encode(ban: &Ban, maxmatches: usize) -> String {
    let mut json = String::from("{");
    if maxmatches > 0 {
        let lines = &ban.lines[ban.lines.len().saturating_sub(maxmatches)..];
        let lines: Vec<String> = lines.iter().map(line).collect();
        let _ = write!(json, "\"matches\": [{}], ", lines.join(", "));
    }
    let _ = write!(json, "\"failures\": {}", ban.attempts);
    if let Some(ip) = &ban.ip {
        let _ = write!(json, ", \"ip\": \"{ip}\"");
    }
    for (name, datum) in &ban.data {
        let value = match datum {
            Datum::Text(text) => string(text),
            Datum::List(list) if name == "users" => string(&python_list(list)),
            Datum::List(list) => array(list),
        };
        let _ = write!(json, ", {}: {value}", string(name));
    }
    json.push('}');
    json
}

fn string(text: &str) -> String {
    Value::from(text).to_string()
}

fn array(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| string(text)).collect();
    format!("[{}]", texts.join(", "))
}

fn line(line: &MatchedLine) -> String {
    let parts = line.date.and_then(|(start, end)| {
        let (start, end) = (start as usize, end as usize);
        let before = line.text.get(..start)?;
        Some([before, line.text.get(start..end)?, line.text.get(end..)?])
    });
    match parts {
        Some(parts) => array(&parts.map(str::to_owned)),
        None => string(&line.text),
    }
}

/// `['root', "o'neil"]`, as Python writes a list of strings.
fn python_list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| python_string(text)).collect();
    format!("[{}]", quoted.join(", "))
}

fn python_string(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut quoted = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c == quote => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if (c as u32) < 0x20 || (0x7F..0xA0).contains(&(c as u32)) => {
                let _ = write!(quoted, "\\x{:02x}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted.push(quote);
    quoted
}

/// Reads a `data` column with its last `maxmatches` lines; what is not understood is left out.
pub(super) fn decode(json: &[u8], maxmatches: usize) -> Data {
    let text = String::from_utf8_lossy(json);
    let Ok(Value::Object(mut object)) = serde_json::from_str(&text) else {
        return Data {
            failures: 1,
            ..Data::default()
        };
    };
    let mut lines = Vec::new();
    if let Some(Value::Array(values)) = object.remove("matches") {
        // Not collected: that would keep the values' room, five times what the lines need.
        let first = values.len().saturating_sub(maxmatches);
        lines.reserve_exact(values.len() - first);
        lines.extend(values.into_iter().skip(first).filter_map(matched_line));
    }
    let failures = object.remove("failures").and_then(|value| value.as_u64());
    let ip = object.remove("ip").and_then(|value| match value {
        Value::String(text) => FailId::parse(&text).network().copied(),
        _ => None,
    });
    Data {
        lines,
        failures: failures.map_or(1, |count| u32::try_from(count).unwrap_or(u32::MAX)),
        ip,
        captured: captured(object),
    }
}

fn matched_line(value: Value) -> Option<MatchedLine> {
    match value {
        Value::String(text) => Some(MatchedLine {
            text: text.into(),
            date: None,
        }),
        Value::Array(parts) => {
            let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
            let date = match parts[..] {
                [before, date, _] => {
                    let start = before.len() as u32;
                    Some((start, start + date.len() as u32))
                }
                _ => None,
            };
            let text = parts.concat().into();
            Some(MatchedLine { text, date })
        }
        _ => None,
    }
}

fn captured(object: Map<String, Value>) -> Captured {
    let datum = |value| match value {
        Value::Null | Value::Object(_) => None,
        Value::String(text) => Some(Datum::Text(text)),
        Value::Bool(_) | Value::Number(_) => Some(Datum::Text(value.to_string())),
        Value::Array(values) => Some(Datum::List(
            values
                .into_iter()
                .map(|value| {
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                })
                .collect(),
        )),
    };
    object
        .into_iter()
        .filter_map(|(name, value)| Some((name, datum(value)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BanTime, Time};

    fn ban() -> Ban {
        Ban {
            id: FailId::parse("someone"),
            ip: Some("192.0.2.5".parse().unwrap()),
            time: Time::from_secs(1),
            bantime: BanTime::Secs(600),
            count: 1,
            attempts: 3,
            lines: vec![
                MatchedLine {
                    text: "Nov 22 16:59:27 host: \"é\"\t".into(),
                    date: Some((0, 15)),
                },
                MatchedLine {
                    text: "second".into(),
                    date: None,
                },
            ],
            data: Captured::from([
                ("user".to_owned(), Datum::Text("root".to_owned())),
                (
                    "users".to_owned(),
                    Datum::List(vec![
                        "root".to_owned(),
                        "o'n".to_owned(),
                        "a'\"\n\\".to_owned(),
                    ]),
                ),
                (
                    "pair".to_owned(),
                    Datum::List(vec!["a".to_owned(), "b".to_owned()]),
                ),
            ]),
            restored: false,
            own_bantime: false,
        }
    }

    #[test]
    fn a_ban_is_written_as_fail2ban_writes_it() {
        assert_eq!(
            encode(&ban(), 10),
            r#"{"matches": [["", "Nov 22 16:59:27", " host: \"é\"\t"], "second"], "failures": 3, "ip": "192.0.2.5", "pair": ["a", "b"], "user": "root", "users": "['root', \"o'n\", 'a\\'\"\\n\\\\']"}"#
        );
        assert!(encode(&ban(), 1).starts_with(r#"{"matches": ["second"], "failures": 3"#));
        assert!(encode(&ban(), 0).starts_with(r#"{"failures": 3"#));
    }

    #[test]
    fn what_is_written_is_read() {
        let data = decode(encode(&ban(), 10).as_bytes(), 10);
        assert_eq!(data.lines, ban().lines);
        assert_eq!((data.failures, data.ip), (3, ban().ip));
        assert_eq!(data.captured["pair"], ban().data["pair"]);
        assert_eq!(
            data.captured["users"],
            Datum::Text(r#"['root', "o'n", 'a\'"\n\\']"#.to_owned())
        );
        assert_eq!(decode(encode(&ban(), 10).as_bytes(), 1).lines.len(), 1);
    }

    #[test]
    fn what_is_no_ticket_is_read_as_one_failure() {
        for json in [
            "",
            "[]",
            "{",
            "{\"matches\": 3, \"failures\": -1, \"x\": null}",
        ] {
            let data = decode(json.as_bytes(), 10);
            assert_eq!((data.failures, data.lines.len()), (1, 0), "{json}");
            assert!(data.captured.is_empty(), "{json}");
        }
    }
}
