//! `[…]` by Python's rules: a first `]` is a member, `[` is nothing special, no set operations.

use super::escape::ClassEscape;
use super::tokens::Token;
use super::{Cause, Flags, Node, Outcome, Parser, Set, code_point};

/// A class under construction.
#[derive(Default)]
struct Members {
    ranges: Vec<(u32, u32)>,
    categories: Vec<super::Category>,
}

impl Members {
    fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.categories.is_empty()
    }

    fn add(&mut self, member: ClassEscape) {
        match member {
            ClassEscape::Code(code) => self.ranges.push((code, code)),
            ClassEscape::Category(category) => {
                if !self.categories.contains(&category) {
                    self.categories.push(category);
                }
            }
        }
    }
}

impl Parser<'_> {
    /// A class whose `[`, at `start`, is already eaten.
    pub(super) fn class(&mut self, start: usize, flags: Flags) -> Outcome<Node> {
        let negate = self.tokens.eat('^');
        let mut members = Members::default();
        loop {
            let (token, low) = match self.tokens.next() {
                None => return Err(self.error_at(Cause::OpenClass, start)),
                Some(Token::Char(']')) if !members.is_empty() => break,
                Some(token) => (token, self.member(token, flags)?),
            };
            if !self.tokens.eat('-') {
                members.add(low);
                continue;
            }
            match self.tokens.next() {
                None => return Err(self.error_at(Cause::OpenClass, start)),
                Some(Token::Char(']')) => {
                    members.add(low);
                    members.add(ClassEscape::Code(u32::from('-')));
                    break;
                }
                Some(other) => {
                    let high = self.member(other, flags)?;
                    match (low, high) {
                        (ClassEscape::Code(low), ClassEscape::Code(high)) if low <= high => {
                            members.ranges.push((low, high));
                        }
                        _ => {
                            let range = format!("{}-{}", token.text(), other.text());
                            let back = range.chars().count();
                            return Err(self.error(Cause::BadRange(range.into()), back));
                        }
                    }
                }
            }
        }
        if !negate
            && members.categories.is_empty()
            && let [(low, high)] = members.ranges[..]
            && low == high
        {
            return Ok(code_point(low, flags));
        }
        let set = Set::new(negate, members.ranges, members.categories, flags.fold());
        Ok(Node::Set(Box::new(set)))
    }

    fn member(&mut self, token: Token, flags: Flags) -> Outcome<ClassEscape> {
        match token {
            Token::Char(c) => Ok(ClassEscape::Code(u32::from(c))),
            Token::Escape(c) => self.class_escape(c, flags),
        }
    }
}
