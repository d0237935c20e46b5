//! Explained options as text and as JSON.

use super::explain::Explained;
use super::item::Item;

/// One `name = value` a line, further lines of a value indented, with `# origin` above where
/// wanted: the dialect itself, so it can be read back.
pub fn text(options: &[Explained], origins: bool) -> String {
    let mut text = String::new();
    for option in options {
        if origins {
            text.push_str(&format!("# {}\n", option.origin));
        }
        let value = plain(&option.value);
        let indented = value.replace('\n', &format!("\n{}", " ".repeat(option.name.len() + 3)));
        text.push_str(&format!("{} = {indented}\n", option.name));
    }
    text
}

/// One object: names to values, or with origins to `{"value": …, "origin": …}`.
pub fn json(options: &[Explained], origins: bool) -> String {
    let entries: serde_json::Map<String, serde_json::Value> = options
        .iter()
        .map(|option| {
            let value = value(&option.value);
            let entry = if origins {
                serde_json::json!({ "value": value, "origin": option.origin.to_string() })
            } else {
                value
            };
            (option.name.clone(), entry)
        })
        .collect();
    format!("{:#}\n", serde_json::Value::Object(entries))
}

fn plain(item: &Item) -> String {
    match item {
        Item::Bool(true) => "true".into(),
        Item::Bool(false) => "false".into(),
        Item::List(items) => items.iter().map(plain).collect::<Vec<_>>().join("\n"),
        other => other.text(),
    }
}

fn value(item: &Item) -> serde_json::Value {
    match item {
        Item::None => serde_json::Value::Null,
        Item::Bool(value) => (*value).into(),
        Item::Int(value) => (*value).into(),
        Item::Float(value) => (*value).into(),
        Item::Str(text) => text.as_str().into(),
        Item::List(items) => items.iter().map(value).collect(),
        Item::Dict(entries) => serde_json::Value::Object(
            entries
                .iter()
                .map(|(key, item)| (key.text(), value(item)))
                .collect(),
        ),
    }
}
