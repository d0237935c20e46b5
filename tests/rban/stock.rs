//! The installed reference program's own action files, as its client hands them to its server.

use std::fs;
use std::os::unix::fs::symlink;

use rban::model::{ActionSettings, Origin};

use crate::support::{has, said};

/// The settings of `action = ACTION`, with its options in brackets, in a jail called `lab`; `None`
/// where fail2ban is not installed.
pub(crate) fn action(action: &str) -> Option<ActionSettings> {
    actions(&[action.to_owned()])?.pop()
}

/// The same for several, less those that are Python programs.
pub(crate) fn actions(actions: &[String]) -> Option<Vec<ActionSettings>> {
    if !has(&["fail2ban-client"]) {
        return None;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).expect("a file");
    };
    fs::create_dir(dir.path().join("filter.d")).expect("a folder");
    symlink("/etc/fail2ban/action.d", dir.path().join("action.d")).expect("a link");
    file("fail2ban.conf", "[Definition]\n");
    file("filter.d/lab.conf", "[Definition]\nfailregex = ^<HOST>$\n");
    file("log", "");
    let log = dir.path().join("log");
    let jail = format!(
        "[lab]\nenabled = true\nfilter = lab\nlogpath = {}\naction = {}\n",
        log.display(),
        actions.join("\n         ")
    );
    file("jail.conf", &jail);
    let stream = said(&format!("fail2ban-client -c {} -d", dir.path().display()));
    let lines = stream
        .lines()
        .filter(|line| line.starts_with("['multi-set', 'lab', 'action'"));
    Some(lines.map(settings).collect())
}

fn settings(line: &str) -> ActionSettings {
    let Value::List(command) = Parser(line).value() else {
        panic!("{line}")
    };
    let [_, _, _, Value::Text(name), Value::List(options)] = command.as_slice() else {
        panic!("{line}")
    };
    let pair = |option: &Value| match option {
        Value::List(pair) => (pair[0].text(), pair[1].text()),
        Value::Text(text) => panic!("{text}"),
    };
    ActionSettings {
        name: name.clone(),
        options: options.iter().map(pair).collect(),
        python: None,
        origin: Origin::Default,
    }
}

#[derive(Debug)]
enum Value {
    Text(String),
    List(Vec<Value>),
}

impl Value {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(list) => panic!("a list: {list:?}"),
        }
    }
}

/// Python's lists, texts and bare words (numbers, True, None), as `repr` prints them.
struct Parser<'a>(&'a str);

impl Parser<'_> {
    fn value(&mut self) -> Value {
        match self.next() {
            '[' => {
                let mut list = Vec::new();
                loop {
                    self.0 = self.0.trim_start_matches([',', ' ']);
                    if let Some(rest) = self.0.strip_prefix(']') {
                        self.0 = rest;
                        return Value::List(list);
                    }
                    list.push(self.value());
                }
            }
            quote @ ('\'' | '"') => Value::Text(self.text(quote)),
            first => {
                let end = self.0.find([',', ']']).unwrap_or(self.0.len());
                let (word, rest) = self.0.split_at(end);
                self.0 = rest;
                Value::Text(format!("{first}{word}"))
            }
        }
    }

    fn next(&mut self) -> char {
        let mut chars = self.0.chars();
        let next = chars.next().expect("more text");
        self.0 = chars.as_str();
        next
    }

    fn text(&mut self, quote: char) -> String {
        let mut text = String::new();
        loop {
            match self.next() {
                '\\' => text.push(match self.next() {
                    'n' => '\n',
                    't' => '\t',
                    other => other,
                }),
                c if c == quote => return text,
                c => text.push(c),
            }
        }
    }
}
