//! The command stream as `--dp` prints it: Python's `pprint` with an indent of 2 and lines of up to
//! 1000 characters, as fail2ban sets it.

use super::item::Item;
use super::stream::Command;

const WIDTH: usize = 1000;
const INDENT: usize = 2;

/// A stream as `--dp` prints it.
pub fn dump_pretty(commands: &[Command]) -> String {
    let mut text = String::new();
    for command in commands {
        format(&Item::List(command.clone()), 0, 0, &mut text);
        text.push('\n');
    }
    text
}

/// An item that begins in column `indent` and has `allowance` characters behind it.
fn format(item: &Item, indent: usize, allowance: usize, out: &mut String) {
    let plain = item.to_string();
    if length(&plain) + indent + allowance <= WIDTH {
        out.push_str(&plain);
        return;
    }
    match item {
        Item::List(items) => list(items, indent, allowance + 1, out),
        Item::Str(text) => string(text, indent, allowance, out),
        Item::None | Item::Bool(_) | Item::Int(_) | Item::Float(_) | Item::Dict(_) => {
            out.push_str(&plain);
        }
    }
}

/// One item a line, aligned behind the bracket.
fn list(items: &[Item], indent: usize, allowance: usize, out: &mut String) {
    let indent = indent + INDENT;
    out.push('[');
    out.extend(std::iter::repeat_n(' ', INDENT - 1));
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            new_line(',', indent, out);
        }
        let last = at + 1 == items.len();
        format(item, indent, if last { allowance } else { 1 }, out);
    }
    out.push(']');
}

/// A text in pieces that Python puts together again: by lines, and long lines by words.
fn string(text: &str, indent: usize, allowance: usize, out: &mut String) {
    let width = WIDTH.saturating_sub(indent);
    let mut pieces = Vec::new();
    let lines = lines(text);
    for (at, line) in lines.iter().enumerate() {
        let last_line = at + 1 == lines.len();
        let room = if last_line {
            width.saturating_sub(allowance)
        } else {
            width
        };
        if length(&quoted(line)) <= room {
            pieces.push(quoted(line));
            continue;
        }
        let words = words(line);
        let mut current = String::new();
        for (at, word) in words.iter().enumerate() {
            let last = last_line && at + 1 == words.len();
            let room = if last {
                width.saturating_sub(allowance)
            } else {
                width
            };
            if length(&quoted(&format!("{current}{word}"))) > room && !current.is_empty() {
                pieces.push(quoted(&current));
                current.clear();
            }
            current.push_str(word);
        }
        if !current.is_empty() {
            pieces.push(quoted(&current));
        }
    }
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
        }
        out.push_str(piece);
    }
}

fn new_line(end: char, indent: usize, out: &mut String) {
    out.push(end);
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

fn quoted(text: &str) -> String {
    Item::from(text).to_string()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Python's `splitlines(True)`.
fn lines(text: &str) -> Vec<&str> {
    const ENDS: [char; 10] = [
        '\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}',
        '\u{2029}',
    ];
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(ENDS) {
        let end = if rest[at..].starts_with("\r\n") {
            at + 2
        } else {
            at + rest[at..].chars().next().map_or(1, char::len_utf8)
        };
        let (line, after) = rest.split_at(end);
        found.push(line);
        rest = after;
    }
    if !rest.is_empty() {
        found.push(rest);
    }
    found
}

/// Words with the white space behind them.
fn words(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let space = rest[word..].find(|c: char| !c.is_whitespace());
        let (word, after) = rest.split_at(space.map_or(rest.len(), |space| word + space));
        found.push(word);
        rest = after;
    }
    found
}
