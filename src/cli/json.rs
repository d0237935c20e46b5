//! `--json`: answers in the stable shapes of docs/json.md.

use super::Options;
use super::client::contact;
use super::world::World;
use crate::protocol::{Request, Value, render_error};
use serde_json::{Value as Json, json};

use super::wire::WireError;

/// A command whose answer is wanted as JSON; whether it went well.
pub(super) fn answer(options: &Options, words: &[String], world: &mut World<'_>) -> bool {
    let texts: Vec<&str> = words.iter().map(String::as_str).collect();
    let command = match texts.as_slice() {
        ["status" | "stats" | "statistic" | "statistics"] | ["status", "--all"] => {
            Request::Report(None).command()
        }
        ["status", jail] => Request::Report(Some((*jail).to_owned())).command(),
        words => Value::list(words.iter().copied()),
    };
    let Some(mut wire) = contact(options, None, world) else {
        return false;
    };
    let (right, shown) = match wire.ask(&command) {
        Ok(value) => (true, shape(&texts, &value)),
        Err(WireError::Refused(exception)) => (false, json!({ "error": render_error(&exception) })),
        Err(error) => (false, json!({ "error": error.to_string() })),
    };
    world.say(&format!("{shown:#}"));
    right
}

fn shape(words: &[&str], answer: &Value) -> Json {
    match words {
        ["status", ..] => plain(answer),
        ["stats" | "statistic" | "statistics"] => {
            let report = plain(answer);
            let jails = report["jails"].as_array().cloned().unwrap_or_default();
            let row = |jail: &Json| {
                json!({
                    "name": jail["name"], "backend": jail["backend"],
                    "failed": jail["failed"], "banned": jail["banned"],
                })
            };
            json!({ "jails": jails.iter().map(row).collect::<Json>() })
        }
        ["banned"] => {
            let jails = answer.items().unwrap_or_default().iter();
            let row = |(name, ids): &(Value, Value)| json!({ "name": plain(name), "addresses": plain(ids) });
            let rows = jails.filter_map(|jail| match jail {
                Value::Dict(entries) => entries.first().map(row),
                _ => None,
            });
            json!({ "jails": rows.collect::<Json>() })
        }
        ["banned", ids @ ..] => {
            let jails = answer.items().unwrap_or_default();
            let rows = ids.iter().zip(jails);
            let row =
                |(id, jails): (&&str, &Value)| json!({ "address": id, "jails": plain(jails) });
            json!({ "addresses": rows.map(row).collect::<Json>() })
        }
        _ => json!({ "value": plain(answer) }),
    }
}

/// A value as it is: tuples and sets are arrays, what JSON has no word for is text.
pub(super) fn plain(value: &Value) -> Json {
    match value {
        Value::None => Json::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Str(text) => text.as_str().into(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into(),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => {
            items.iter().map(plain).collect()
        }
        Value::Dict(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, value)| (key.to_string(), plain(value)))
                .collect(),
        ),
        Value::Exception(_) => value.repr().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_their_documented_shapes() {
        let ids = Value::list(["192.0.2.1"]);
        let banned = Value::List(vec![Value::Dict(vec![("sshd".into(), ids)])]);
        assert_eq!(
            shape(&["banned"], &banned),
            json!({ "jails": [{ "name": "sshd", "addresses": ["192.0.2.1"] }] })
        );
        let jails = Value::List(vec![Value::list(["sshd"]), Value::List(Vec::new())]);
        assert_eq!(
            shape(&["banned", "192.0.2.1", "192.0.2.2"], &jails),
            json!({ "addresses": [
                { "address": "192.0.2.1", "jails": ["sshd"] },
                { "address": "192.0.2.2", "jails": [] },
            ] })
        );
        let pair = Value::Tuple(vec![Value::None, "Default Detectors".into()]);
        assert_eq!(
            shape(&["get", "sshd", "datepattern"], &pair),
            json!({ "value": [null, "Default Detectors"] })
        );
    }
}
