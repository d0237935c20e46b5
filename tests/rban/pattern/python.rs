//! Python's own `re` as the judge: one process, a question and an answer per line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

const JUDGE: &str = include_str!("judge.py");

pub(crate) struct Python {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// The spans of all groups in bytes; `None` for a group that took no part.
pub(crate) type Spans = Vec<Option<(usize, usize)>>;

/// What Python makes of a pattern.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Where, in characters from its start, if Python says so.
    Wrong(Option<usize>),
    /// No answer in time, or a crash of Python itself.
    Unknown,
    Found(Vec<Option<Spans>>),
}

impl Python {
    #[expect(clippy::disallowed_methods, reason = "the judge is another program")]
    pub(crate) fn start() -> Self {
        let mut process = Command::new("python3")
            .args(["-c", JUDGE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed where tests run");
        let input = process.stdin.take().expect("a pipe");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        Self {
            process,
            input,
            output,
        }
    }

    pub(crate) fn ask(&mut self, pattern: &str, multiline: bool, texts: &[String]) -> Verdict {
        writeln!(self.input, "{}", json!([pattern, multiline, texts])).expect("a listening Python");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("an answer");
        match serde_json::from_str(&answer).expect("JSON") {
            Value::Bool(_) => Verdict::Wrong(None),
            Value::Number(at) => Verdict::Wrong(at.as_u64().map(|at| at as usize)),
            Value::Array(found) => Verdict::Found(
                found
                    .iter()
                    .zip(texts)
                    .map(|(groups, text)| groups.as_array().map(|groups| spans(groups, text)))
                    .collect(),
            ),
            _ => Verdict::Unknown,
        }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // Its input ends here; a Python that does not care is ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Python counts characters, we count bytes.
fn spans(groups: &[Value], text: &str) -> Spans {
    let mut bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    bytes.push(text.len());
    let byte = |value: &Value| Some(bytes[usize::try_from(value.as_i64()?).ok()?]);
    groups
        .iter()
        .map(|group| Some((byte(&group[0])?, byte(&group[1])?)))
        .collect()
}
