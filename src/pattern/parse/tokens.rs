//! The pattern as Python's tokenizer cuts it: a backslash and what follows are one token, also
//! within comments and classes.

use crate::pattern::error::{Cause, PatternError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Char(char),
    /// The character after a backslash.
    Escape(char),
}

impl Token {
    pub(super) fn text(self) -> String {
        match self {
            Self::Char(c) => c.to_string(),
            Self::Escape(c) => format!("\\{c}"),
        }
    }
}

pub(super) struct Tokens<'a> {
    source: &'a str,
    chars: Vec<char>,
    /// Index of the next token's first character.
    index: usize,
}

impl<'a> Tokens<'a> {
    /// A backslash at the very end is an error wherever it stands.
    pub(super) fn new(source: &'a str) -> Result<Self, PatternError> {
        let chars: Vec<char> = source.chars().collect();
        let trailing = chars.iter().rev().take_while(|&&c| c == '\\').count();
        if trailing % 2 == 1 {
            let at = chars.len() - 1;
            return Err(PatternError::new(Cause::TrailingBackslash, at, source));
        }
        Ok(Self {
            source,
            chars,
            index: 0,
        })
    }

    pub(super) fn source(&self) -> &'a str {
        self.source
    }

    pub(super) fn position(&self) -> usize {
        self.index
    }

    pub(super) fn mark(&self) -> usize {
        self.index
    }

    pub(super) fn reset(&mut self, mark: usize) {
        self.index = mark;
    }

    pub(super) fn peek(&self) -> Option<Token> {
        match *self.chars.get(self.index)? {
            '\\' => self.chars.get(self.index + 1).map(|&c| Token::Escape(c)),
            c => Some(Token::Char(c)),
        }
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.index += match token {
            Token::Char(_) => 1,
            Token::Escape(_) => 2,
        };
        Some(token)
    }

    pub(super) fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(Token::Char(c));
        if found {
            self.index += 1;
        }
        found
    }

    /// Up to `most` ASCII digits of the base.
    pub(super) fn digits(&mut self, base: u32, most: usize) -> String {
        let digits: String = self.chars[self.index..]
            .iter()
            .take_while(|c| c.is_digit(base))
            .take(most)
            .collect();
        self.index += digits.len();
        digits
    }

    /// The text up to `end`, which is eaten; `None` if the pattern ends before.
    pub(super) fn until(&mut self, end: char) -> Option<String> {
        let mut text = String::new();
        while let Some(token) = self.next() {
            if token == Token::Char(end) {
                return Some(text);
            }
            text.push_str(&token.text());
        }
        None
    }
}
