//! Tags of action commands, in two passes: the action's own properties, then the ban's values.
//!
//! The first pass is recursive, for the operator wrote what it pastes. The second never is: it
//! pastes what came out of a log, and anything a shell might read goes in as a variable.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;

use super::info::Info;
use super::script::{self, Script};
use crate::model::Family;

/// How often tags may lead to more tags (fail2ban's `MAX_TAG_REPLACE_COUNT`).
const ROUNDS: usize = 25;

/// A command grown past this has tags that breed; no real one comes near.
const LONGEST_COMMAND: usize = 1024 * 1024;

/// Properties whose text is somebody else's even where an action defines them itself.
const FOREIGN: &[&str] = &["matches", "ipmatches", "ipjailmatches"];

/// Tags that never end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagError {
    tag: String,
}

impl fmt::Display for TagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "properties contain self referencing definitions and cannot be resolved, fail tag: {}",
            self.tag
        )
    }
}

impl std::error::Error for TagError {}

/// The static pass: every `<property>` becomes its value, `property?family=…` before the plain one.
/// What is no property stays: the ban's own tags, and a shell's redirections.
pub(super) fn resolve<S: BuildHasher>(
    source: &str,
    properties: &HashMap<String, String, S>,
    family: Option<Family>,
) -> Result<String, TagError> {
    let property = |tag: &str| {
        let conditional =
            family.and_then(|f| properties.get(&format!("{tag}?family={}", f.name())));
        conditional.or_else(|| properties.get(tag))
    };
    let mut text = source.to_owned();
    for _ in 0..ROUNDS {
        let mut next = String::with_capacity(text.len());
        let mut found = None;
        for piece in Pieces(&text) {
            match piece {
                Piece::Text(text) => next.push_str(text),
                Piece::Tag(tag) => match property(tag) {
                    Some(value) if FOREIGN.contains(&tag) => push_escaped(value, &mut next),
                    Some(value) => {
                        found = Some(tag);
                        next.push_str(value);
                    }
                    None => match tag {
                        "br" => next.push('\n'),
                        "sp" => next.push(' '),
                        _ => push_tag(tag, &mut next),
                    },
                },
            }
        }
        match found {
            None => return Ok(next),
            Some(tag) if next.len() > LONGEST_COMMAND => return Err(TagError { tag: tag.into() }),
            Some(_) => text = next,
        }
    }
    let left = Pieces(&text).find_map(|piece| match piece {
        Piece::Tag(tag) if property(tag).is_some() && !FOREIGN.contains(&tag) => Some(tag),
        Piece::Tag(_) | Piece::Text(_) => None,
    });
    match left {
        Some(tag) => Err(TagError { tag: tag.into() }),
        None => Ok(text),
    }
}

/// The dynamic pass: the ban's values, once, and safely.
pub(super) fn fill(command: &str, info: &Info<'_>) -> Script {
    let mut script = Script::default();
    for piece in Pieces(command) {
        let tag = match piece {
            Piece::Text(text) => {
                script.text.push_str(text);
                continue;
            }
            Piece::Tag(tag) => tag,
        };
        if let Some(value) = info.value(tag) {
            paste(tag, &value, &mut script);
        } else if let Some(capture) = capture(tag) {
            let value = info.captured(&capture);
            paste(&format!("F_{capture}"), &value, &mut script);
        } else {
            match tag {
                "br" => script.text.push('\n'),
                "sp" => script.text.push(' '),
                _ => push_tag(tag, &mut script.text),
            }
        }
    }
    // fail2ban fills captured values in last, and so passes them last.
    script
        .variables
        .sort_by_key(|(name, _)| name.starts_with("f2bV_F_"));
    script
}

fn paste(tag: &str, value: &str, script: &mut Script) {
    if script::unsafe_in_text(value) {
        script.variable(tag, value);
    } else {
        script.text.push_str(value);
    }
}

/// `F-USER` → `user`, with fail2ban's two short names.
fn capture(tag: &str) -> Option<String> {
    let name = tag.strip_prefix("F-").filter(|name| !name.is_empty())?;
    let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    if !name.bytes().all(upper) {
        return None;
    }
    Some(match name {
        "ID" => "fid".to_owned(),
        "PORT" => "fport".to_owned(),
        _ => name.to_ascii_lowercase(),
    })
}

fn push_tag(tag: &str, text: &mut String) {
    text.push('<');
    text.push_str(tag);
    text.push('>');
}

fn push_escaped(value: &str, text: &mut String) {
    for c in value.chars() {
        if c.is_ascii() && script::SPECIAL.contains(&(c as u8)) {
            text.push('\\');
        }
        text.push(match c {
            '\n' => 'n',
            '\r' => 'r',
            c => c,
        });
    }
}

/// A command cut at its tags: `<`, then anything but spaces and angle brackets, then `>`.
struct Pieces<'a>(&'a str);

enum Piece<'a> {
    Text(&'a str),
    Tag(&'a str),
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let mut from = 0;
        while let Some(open) = self.0[from..].find('<').map(|at| from + at) {
            let inside = &self.0[open + 1..];
            let end = inside.find([' ', '<', '>']);
            match end {
                Some(end) if end > 0 && inside.as_bytes()[end] == b'>' => {
                    if open > 0 {
                        let (text, rest) = self.0.split_at(open);
                        self.0 = rest;
                        return Some(Piece::Text(text));
                    }
                    self.0 = &inside[end + 1..];
                    return Some(Piece::Tag(&inside[..end]));
                }
                Some(end) => from = open + 1 + end,
                None => break,
            }
        }
        Some(Piece::Text(std::mem::take(&mut self.0)))
    }
}

#[cfg(test)]
mod tests;
