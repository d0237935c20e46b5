//! The words of a shell command that is nothing but words.
//!
//! Quotes and backslashes are understood; whatever else the shell would act on (variables,
//! patterns, pipes, redirections, a second command) makes it no plain command.

/// The words, as the program would get them; `None` where the shell would do more than split.
pub(in crate::action) fn split(command: &str) -> Option<Vec<String>> {
    let command = command.trim_matches([' ', '\t', '\n']);
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => {
                if let Some(word) = word.take() {
                    words.push(finished(word, quoted, words.is_empty())?);
                }
                quoted = false;
            }
            '\'' | '"' => {
                quoted = true;
                quotation(c, &mut chars, word.get_or_insert_default())?;
            }
            '\\' => {
                quoted = true;
                let next = chars.next().filter(|c| is_text(*c))?;
                word.get_or_insert_default().push(next);
            }
            c if is_text(c) && !is_special(c) => word.get_or_insert_default().push(c),
            _ => return None,
        }
    }
    if let Some(word) = word.take() {
        words.push(finished(word, quoted, words.is_empty())?);
    }
    Some(words)
}

/// What stands between quotes. A backslash or `$` inside double ones is more than we read.
fn quotation(quote: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> Option<()> {
    for c in chars.by_ref() {
        match c {
            c if c == quote => return Some(()),
            '$' | '`' | '\\' if quote == '"' => return None,
            c if is_text(c) => word.push(c),
            _ => return None,
        }
    }
    None
}

/// A first word may not be an assignment, nor a brace or bang the shell takes for its own. A brace
/// that is part of a longer word may be expanded (bash); alone it is itself.
fn finished(word: String, quoted: bool, first: bool) -> Option<String> {
    let braces = word.contains(['{', '}']) && word.len() > 1;
    let own = first && (word.contains('=') || matches!(word.as_str(), "{" | "}" | "!"));
    ((quoted || !braces) && !own).then_some(word)
}

fn is_text(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic()
}

fn is_special(c: char) -> bool {
    matches!(
        c,
        '$' | '`'
            | '&'
            | '|'
            | ';'
            | '<'
            | '>'
            | '('
            | ')'
            | '['
            | ']'
            | '*'
            | '?'
            | '~'
            | '#'
            | '^'
    )
}
