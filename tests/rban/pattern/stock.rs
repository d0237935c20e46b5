//! The filters and samples of the fail2ban that is installed, read by that fail2ban: never ours to
//! keep, so they are asked for at test time.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Where Debian's package puts the reference program.
const INSTALLED: &str = "/usr/lib/python3/dist-packages/fail2ban/tests/files/logs";

/// A regular expression as written, and as fail2ban expands it.
pub(crate) struct Expression {
    pub(crate) written: String,
    pub(crate) expanded: String,
}

/// A filter with one set of options, and what its samples are.
pub(crate) struct Filter {
    pub(crate) name: String,
    pub(crate) multiline: bool,
    pub(crate) prefregex: Option<Expression>,
    pub(crate) failregex: Vec<Expression>,
    pub(crate) ignoreregex: Vec<Expression>,
    pub(crate) dates: Vec<String>,
    pub(crate) lines: Vec<String>,
    /// The same without their dates, each with its newline.
    pub(crate) undated: Vec<String>,
}

/// All of them; none where fail2ban is not installed.
#[expect(
    clippy::disallowed_methods,
    reason = "the reference program reads its own files"
)]
pub(crate) fn filters() -> Vec<Filter> {
    if !Path::new(INSTALLED).exists() {
        eprintln!("fail2ban is not installed here: its filters are not compared");
        return Vec::new();
    }
    let output = Command::new("python3")
        .args(["-c", include_str!("stock.py")])
        .output()
        .expect("python3 is installed where tests run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let output = String::from_utf8(output.stdout).expect("JSON");
    output.lines().map(filter).collect()
}

fn filter(line: &str) -> Filter {
    let fields: Vec<Value> = serde_json::from_str(line).expect("JSON");
    Filter {
        name: format!("{} {}", fields[0].as_str().expect("a name"), fields[1]),
        multiline: fields[2] == Value::Bool(true),
        prefregex: expressions(&fields[3]).pop(),
        failregex: expressions(&fields[4]),
        ignoreregex: expressions(&fields[5]),
        dates: texts(&fields[6]),
        lines: texts(&fields[7]),
        undated: texts(&fields[8]),
    }
}

fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    value.as_array().expect("a list").iter().map(text).collect()
}

fn expressions(value: &Value) -> Vec<Expression> {
    let pairs = value.as_array().expect("a list").iter();
    pairs
        .map(|pair| {
            let [written, expanded] = &texts(pair)[..] else {
                unreachable!("each is written and expanded");
            };
            Expression {
                written: written.clone(),
                expanded: expanded.clone(),
            }
        })
        .collect()
}
