//! The command stream: what fail2ban's client tells its server to make a configuration real
//! (`fail2ban-client -d`; § 7.7).

use std::path::Path;

use super::Loaded;
use super::glob;
use super::item::Item;
use super::options::{FILTER, find};
use super::ordered::Ordered;
use super::tree::Tree;
use super::values::{shell_words, words};

/// One command: its words.
pub type Command = Vec<Item>;

/// A jail as the stream tells it; plain data.
#[derive(Clone, Debug)]
pub(super) struct JailStream {
    pub name: String,
    pub outcome: Outcome,
}

#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// Left out; the sentence that says why.
    Skipped(String),
    Read {
        options: Ordered<Item>,
        filter: Ordered<Item>,
        actions: Vec<super::jail::ActionRead>,
    },
}

/// All commands, in fail2ban's order. Globs are looked up in `tree` now.
pub fn stream(loaded: &Loaded, tree: &dyn Tree) -> Vec<Command> {
    let mut commands = server(&loaded.server_options, loaded.server_defined);
    for jail in &loaded.streams {
        self::jail(jail, tree, &mut commands);
    }
    for jail in &loaded.streams {
        if matches!(jail.outcome, Outcome::Read { .. }) {
            commands.push(command(["start", &jail.name]));
        }
    }
    commands
}

/// A stream as `-d` prints it: one Python list per line.
pub fn dump(commands: &[Command]) -> String {
    let mut text = String::new();
    for command in commands {
        text.push_str(&Item::List(command.clone()).to_string());
        text.push('\n');
    }
    text
}

fn command<const N: usize>(words: [&str; N]) -> Command {
    words.iter().map(|&word| word.into()).collect()
}

/// `defined`: some file has a `[Definition]`.
fn server(options: &Ordered<Item>, defined: bool) -> Vec<Command> {
    /// `thread` first, the log before the database, the database before its options.
    const ORDER: &[&str] = &[
        "thread",
        "syslogsocket",
        "loglevel",
        "logtarget",
        "allowipv6",
        "dbfile",
        "dbmaxmatches",
        "dbpurgeage",
    ];
    ORDER
        .iter()
        .filter_map(|name| {
            // The one without a value of its own, which is told where nothing at all is defined.
            let unset = (*name == "dbmaxmatches" && !defined).then_some(Item::None);
            let value = options.get(name).cloned().or(unset)?;
            Some(vec!["set".into(), (*name).into(), value])
        })
        .collect()
}

fn jail(jail: &JailStream, tree: &dyn Tree, commands: &mut Vec<Command>) {
    let (options, filter, actions) = match &jail.outcome {
        Outcome::Read {
            options,
            filter,
            actions,
        } => (options, filter, actions),
        Outcome::Skipped(why) => {
            commands.push(command(["config-error", why]));
            return;
        }
    };
    let mut maker = Maker {
        jail: &jail.name,
        commands: Vec::new(),
    };
    maker.filter(filter);
    maker.filter(options);
    let mut backend = options.get("backend").map_or_else(String::new, Item::text);
    let logs = logs(options, &mut backend, tree);
    for (name, item) in options.iter() {
        maker.option(name, item);
    }
    for (path, from) in logs {
        maker.set(["addlogpath".into(), path.into(), from.into()]);
    }
    for action in actions {
        maker.action(action);
    }
    commands.push(command(["add", &jail.name, &backend]));
    commands.append(&mut maker.commands);
}

/// The existing files of `logpath`; without any, an `auto` jail with journal matches turns to the
/// journal.
fn logs(options: &Ordered<Item>, backend: &mut String, tree: &dyn Tree) -> Vec<(String, String)> {
    let Some(logpath) = options.get("logpath").and_then(Item::as_str) else {
        return Vec::new();
    };
    if backend.starts_with("systemd") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for line in logpath.split('\n') {
        let (pattern, from) = line.rsplit_once(' ').unwrap_or((line, "head"));
        for path in glob::paths(tree, pattern) {
            if tree.exists(Path::new(&path)) {
                found.push((path, from.to_owned()));
            }
        }
    }
    let may_switch = options.get("systemd_if_nologs") == Some(&Item::Bool(true));
    if found.is_empty()
        && backend.starts_with("auto")
        && may_switch
        && options.contains("journalmatch")
    {
        *backend = "systemd".into();
    }
    found
}

struct Maker<'a> {
    jail: &'a str,
    commands: Vec<Command>,
}

impl Maker<'_> {
    fn command(&self, words: impl IntoIterator<Item = Item>) -> Command {
        let mut command: Command = vec!["set".into(), self.jail.into()];
        command.extend(words);
        command
    }

    fn set(&mut self, words: impl IntoIterator<Item = Item>) {
        let command = self.command(words);
        self.commands.push(command);
    }

    /// A multi-set for several values, a set for one, nothing for none.
    fn several(&mut self, head: &[Item], mut values: Vec<Item>) {
        match values.len() {
            0 => {}
            1 => {
                let words = match values.remove(0) {
                    Item::List(words) => words,
                    word => vec![word],
                };
                self.set(head.iter().cloned().chain(words));
            }
            _ => {
                let mut command: Command = vec!["multi-set".into(), self.jail.into()];
                command.extend(head.iter().cloned());
                command.push(Item::List(values));
                self.commands.push(command);
            }
        }
    }

    /// The options of a filter; `usedns` comes first, then what regular expressions depend on.
    fn filter(&mut self, options: &Ordered<Item>) {
        let mut first = 0;
        for (name, item) in options.iter() {
            match name {
                "failregex" | "ignoreregex" => {
                    let text = item.text();
                    let lines = text.split('\n').filter(|line| !line.is_empty());
                    self.several(
                        &[format!("add{name}").into()],
                        lines.map(Item::from).collect(),
                    );
                }
                "usedns" | "maxlines" | "prefregex" => {
                    let command = self.command([name.into(), item.clone()]);
                    let at = if name == "usedns" { 0 } else { first };
                    self.commands.insert(at, command);
                    first += 1;
                }
                "datepattern" => self.set([name.into(), item.clone()]),
                "journalmatch" => {
                    for line in item.text().split('\n').filter(|line| !line.is_empty()) {
                        let words = shell_words(line).unwrap_or_default();
                        let words = words.into_iter().map(Item::from);
                        self.set(std::iter::once("addjournalmatch".into()).chain(words));
                    }
                }
                _ => {}
            }
        }
    }

    fn option(&mut self, name: &str, item: &Item) {
        const NOT_SENT: &[&str] = &[
            "enabled",
            "backend",
            "filter",
            "action",
            "logpath",
            "skip_if_nologs",
            "systemd_if_nologs",
            // rban's own.
            "banprefix4",
            "banprefix6",
            "countprefix4",
            "countprefix6",
            "countprefixhosts",
            "kill_connections",
        ];
        if name == "ignoreip" {
            let words = words(&item.text()).into_iter().map(Item::from);
            self.set(std::iter::once("addignoreip".into()).chain(words));
        } else if !NOT_SENT.contains(&name) && find(FILTER, name).is_none() {
            self.set([name.into(), item.clone()]);
        }
    }

    fn action(&mut self, action: &super::jail::ActionRead) {
        let name = || Item::from(action.name.as_str());
        if let Some(path) = &action.python {
            let arguments: serde_json::Map<String, serde_json::Value> = action
                .options
                .iter()
                .map(|(name, item)| (name.clone(), item.text().into()))
                .collect();
            self.set([
                "addaction".into(),
                name(),
                path.display().to_string().into(),
                python_json(&arguments).into(),
            ]);
            return;
        }
        self.set(["addaction".into(), name()]);
        let options = action.options.iter();
        let pairs =
            options.map(|(name, item)| Item::List(vec![name.as_str().into(), item.clone()]));
        self.several(&["action".into(), name()], pairs.collect());
    }
}

/// A JSON object as Python's `json.dumps` writes it: a blank after `,` and `:`, ASCII only.
fn python_json(object: &serde_json::Map<String, serde_json::Value>) -> String {
    let ascii = |text: &str| {
        let quoted = serde_json::Value::from(text).to_string();
        let mut plain = String::with_capacity(quoted.len());
        for c in quoted.chars() {
            if c.is_ascii() {
                plain.push(c);
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    plain.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
        plain
    };
    let entries: Vec<String> = object
        .iter()
        .map(|(name, value)| {
            let text = value.as_str().unwrap_or_default();
            format!("{}: {}", ascii(name), ascii(text))
        })
        .collect();
    format!("{{{}}}", entries.join(", "))
}
