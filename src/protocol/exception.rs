//! Python's exceptions as data: what an answer carries when a command failed.

use std::fmt;

use super::value::Value;

/// A Python exception: its class and what it was made with.
#[derive(Clone, Debug, PartialEq)]
pub struct Exception {
    /// `builtins` or another module.
    pub module: String,
    pub class: String,
    pub args: Vec<Value>,
}

impl Exception {
    pub fn builtin(class: &str, args: Vec<Value>) -> Self {
        Self {
            module: "builtins".to_owned(),
            class: class.to_owned(),
            args,
        }
    }

    /// A jail that is not there.
    pub fn unknown_jail(name: &str) -> Self {
        Self::of_fail2ban("UnknownJailException", name)
    }

    /// A jail that is there already.
    pub fn duplicate_jail(name: &str) -> Self {
        Self::of_fail2ban("DuplicateJailException", name)
    }

    /// A pattern that cannot be used.
    pub fn regex(message: String) -> Self {
        Self {
            module: "fail2ban.server.failregex".to_owned(),
            class: "RegexException".to_owned(),
            args: vec![message.into()],
        }
    }

    /// Text that is no JSON: why, the text, and at which character.
    pub fn json(message: &str, document: &str, place: usize) -> Self {
        Self {
            module: "json.decoder".to_owned(),
            class: "JSONDecodeError".to_owned(),
            args: vec![message.into(), document.into(), place.into()],
        }
    }

    fn of_fail2ban(class: &str, name: &str) -> Self {
        Self {
            module: "fail2ban.exceptions".to_owned(),
            class: class.to_owned(),
            args: vec![name.into()],
        }
    }

    /// Python's `.args`: some classes keep part of what they are made with elsewhere.
    pub fn args(&self) -> Vec<Value> {
        if let Some(message) = self.of_json() {
            return vec![message.into()];
        }
        match self.args.as_slice() {
            [number, text, _file, ..] if self.is_os() => vec![number.clone(), text.clone()],
            args => args.to_vec(),
        }
    }

    /// `OSError` and its kin: a number, a text, and maybe a file.
    fn is_os(&self) -> bool {
        const KIN: &[&str] = &[
            "BlockingIOError",
            "BrokenPipeError",
            "ChildProcessError",
            "ConnectionAbortedError",
            "ConnectionError",
            "ConnectionRefusedError",
            "ConnectionResetError",
            "FileExistsError",
            "FileNotFoundError",
            "IOError",
            "InterruptedError",
            "IsADirectoryError",
            "NotADirectoryError",
            "OSError",
            "PermissionError",
            "ProcessLookupError",
            "TimeoutError",
        ];
        KIN.contains(&self.class.as_str())
    }

    /// The text of a JSON error, which is made with a message, the document and a place in it.
    fn of_json(&self) -> Option<String> {
        let ("JSONDecodeError", [message, Value::Str(document), Value::Int(place)]) =
            (self.class.as_str(), self.args.as_slice())
        else {
            return None;
        };
        let before: String = document
            .chars()
            .take(usize::try_from(*place).unwrap_or(0))
            .collect();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Some(format!(
            "{message}: line {line} column {column} (char {place})"
        ))
    }
}

/// As Python's `str` of an exception: one argument bare, several as their tuple.
impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.class.as_str(), self.args.as_slice()) {
            (_, []) => Ok(()),
            // They show their key as it would be written.
            ("KeyError" | "UnknownJailException", [key]) => f.write_str(&key.repr()),
            (_, [only]) => only.fmt(f),
            (_, [number, text, file @ ..]) if self.is_os() => {
                write!(f, "[Errno {number}] {text}")?;
                match file {
                    [] | [Value::None, ..] => Ok(()),
                    [first, _, second, ..] => write!(f, ": {} -> {}", first.repr(), second.repr()),
                    [first, ..] => write!(f, ": {}", first.repr()),
                }
            }
            (_, several) => match self.of_json() {
                Some(text) => f.write_str(&text),
                None => f.write_str(&Value::Tuple(several.to_vec()).repr()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_read_as_python_prints_them() {
        let missing = |args| Exception::builtin("FileNotFoundError", args);
        let text = || Value::str("No such file or directory");
        let plain = missing(vec![2i64.into(), text()]);
        assert_eq!(plain.to_string(), "[Errno 2] No such file or directory");
        let named = missing(vec![2i64.into(), text(), "/tmp/it's".into()]);
        assert_eq!(
            named.to_string(),
            "[Errno 2] No such file or directory: \"/tmp/it's\""
        );
        assert_eq!(named.args(), plain.args());
        let one = |class| Exception::builtin(class, vec!["x".into()]).to_string();
        assert_eq!(
            (one("Exception"), one("KeyError")),
            ("x".into(), "'x'".into())
        );
        assert_eq!(Exception::unknown_jail("x").to_string(), "'x'");
    }
}
