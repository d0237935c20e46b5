//! What begins with a parenthesis: groups, look-around, conditionals, references, flags, comments.

use super::tokens::Token;
use super::{Cause, Flags, Node, Outcome, Parser};

/// What a parenthesis turned out to be.
pub(super) enum Read {
    Item(Node),
    /// A comment.
    Nothing,
    /// Flags for the whole pattern, now in `Parser::flags`.
    GlobalFlags,
}

/// Python's limit for group numbers.
const MAX_GROUPS: usize = 0x3fff_ffff;

impl Parser<'_> {
    /// A group whose `(`, at `start`, is already eaten.
    pub(super) fn group(
        &mut self,
        start: usize,
        flags: Flags,
        may_set_flags: bool,
    ) -> Outcome<Read> {
        if !self.tokens.eat('?') {
            return self.capture(None, start, flags).map(Read::Item);
        }
        let Some(token) = self.tokens.next() else {
            return Err(self.error(Cause::EndsInGroup, 0));
        };
        let node = match token {
            Token::Char('P') => self.python_extension(start, flags)?,
            Token::Char(':') => self.until_closed(start, flags)?,
            Token::Char('>') => Node::Atomic(Box::new(self.until_closed(start, flags)?)),
            Token::Char('#') => {
                return match self.tokens.until(')') {
                    Some(_) => Ok(Read::Nothing),
                    None => Err(self.error_at(Cause::OpenComment, start)),
                };
            }
            Token::Char('=') => self.look(start, flags, false)?,
            Token::Char('!') => self.look(start, flags, true)?,
            Token::Char('<') => match self.tokens.next() {
                None => return Err(self.error(Cause::EndsInGroup, 0)),
                Some(Token::Char('=')) => self.look_behind(start, flags, false)?,
                Some(Token::Char('!')) => self.look_behind(start, flags, true)?,
                Some(other) => return Err(self.unknown(&format!("?<{}", other.text()))),
            },
            Token::Char('(') => self.conditional(start, flags)?,
            Token::Char(c) if is_flag(c) || c == '-' => {
                return self.flags(c, start, flags, may_set_flags);
            }
            other => return Err(self.unknown(&format!("?{}", other.text()))),
        };
        Ok(Read::Item(node))
    }

    fn unknown(&self, extension: &str) -> super::PatternError {
        let back = extension.chars().count();
        self.error(Cause::UnknownExtension(extension.into()), back)
    }

    /// The inside of a group, and its closing parenthesis.
    fn until_closed(&mut self, start: usize, flags: Flags) -> Outcome<Node> {
        let node = self.alternatives(flags)?;
        if !self.tokens.eat(')') {
            return Err(self.error_at(Cause::OpenGroup, start));
        }
        Ok(node)
    }

    fn capture(&mut self, name: Option<String>, start: usize, flags: Flags) -> Outcome<Node> {
        let index = self.widths.len();
        self.widths.push(None);
        if let Some(name) = name {
            if self.names.iter().any(|(other, _)| **other == *name) {
                let back = name.chars().count() + 1;
                return Err(self.error(Cause::GroupTwice(name.into()), back));
            }
            self.names.push((name.into(), index));
        }
        let node = self.until_closed(start, flags)?;
        self.widths[index] = Some(node.width(&self.widths));
        Ok(Node::Group {
            index,
            node: Box::new(node),
        })
    }

    /// `(?P<name>…)` or `(?P=name)`.
    fn python_extension(&mut self, start: usize, flags: Flags) -> Outcome<Node> {
        if self.tokens.eat('<') {
            let name = self.group_name('>')?;
            self.check_name(&name)?;
            return self.capture(Some(name), start, flags);
        }
        if self.tokens.eat('=') {
            let name = self.group_name(')')?;
            self.check_name(&name)?;
            let group = self.named(&name)?;
            return self.reference(group, name.chars().count() + 1, flags);
        }
        match self.tokens.next() {
            None => Err(self.error(Cause::EndsInGroup, 0)),
            Some(other) => Err(self.unknown(&format!("?P{}", other.text()))),
        }
    }

    fn group_name(&mut self, end: char) -> Outcome<String> {
        let at = self.tokens.position();
        match self.tokens.until(end) {
            None if self.tokens.position() == at => Err(self.error_at(Cause::MissingGroupName, at)),
            None => Err(self.error_at(Cause::OpenGroupName, at)),
            Some(name) if name.is_empty() => Err(self.error_at(Cause::MissingGroupName, at)),
            Some(name) => Ok(name),
        }
    }

    fn check_name(&self, name: &str) -> Outcome<()> {
        if is_identifier(name) {
            return Ok(());
        }
        let back = name.chars().count() + 1;
        Err(self.error(Cause::BadGroupName(name.into()), back))
    }

    fn named(&self, name: &str) -> Outcome<usize> {
        match self.names.iter().find(|(other, _)| **other == *name) {
            Some((_, index)) => Ok(*index),
            None => {
                let back = name.chars().count() + 1;
                Err(self.error(Cause::UnknownGroup(name.into()), back))
            }
        }
    }

    fn look(&mut self, start: usize, flags: Flags, negate: bool) -> Outcome<Node> {
        let node = Box::new(self.until_closed(start, flags)?);
        Ok(Node::Look {
            behind: None,
            negate,
            node,
        })
    }

    fn look_behind(&mut self, start: usize, flags: Flags, negate: bool) -> Outcome<Node> {
        let outermost = self.first_lookbehind_group.is_none();
        if outermost {
            self.first_lookbehind_group = Some(self.widths.len());
        }
        let node = Box::new(self.until_closed(start, flags)?);
        if outermost {
            self.first_lookbehind_group = None;
        }
        let (low, high) = node.width(&self.widths);
        let width = u32::try_from(low).ok().filter(|_| low == high);
        if width.is_none() {
            let error = self.error_at(Cause::LookbehindWidth, start);
            self.lookbehind_width.get_or_insert(error);
        }
        Ok(Node::Look {
            behind: Some(width.unwrap_or_default()),
            negate,
            node,
        })
    }

    /// `(?(group)yes|no)`, from the group's name on.
    fn conditional(&mut self, start: usize, flags: Flags) -> Outcome<Node> {
        let name = self.group_name(')')?;
        let back = name.chars().count() + 1;
        let group = if is_identifier(&name) {
            self.named(&name)?
        } else {
            match digits(&name).map(|digits| digits.parse::<usize>()) {
                None => return Err(self.error(Cause::BadGroupName(name.into()), back)),
                Some(Ok(number @ 1..=MAX_GROUPS)) => {
                    let at = self.tokens.position() - back;
                    self.tested.push((number, at));
                    number
                }
                Some(_) => return Err(self.error(Cause::UnknownGroup(name.into()), back)),
            }
        };
        self.check_lookbehind_group(group)?;
        self.depth += 1;
        let yes = self.sequence(flags, false)?;
        let no = if self.tokens.eat('|') {
            let no = self.sequence(flags, false)?;
            if self.tokens.peek() == Some(Token::Char('|')) {
                return Err(self.error(Cause::ThreeBranches, 0));
            }
            no
        } else {
            Node::Empty
        };
        self.depth -= 1;
        if !self.tokens.eat(')') {
            return Err(self.error_at(Cause::OpenGroup, start));
        }
        Ok(Node::Cond {
            group,
            yes: Box::new(yes),
            no: Box::new(no),
        })
    }

    /// `(?i)`, `(?i:…)`, `(?i-s:…)`, `(?-s:…)`, from the first character after `(?`.
    fn flags(&mut self, first: char, start: usize, flags: Flags, may_set: bool) -> Outcome<Read> {
        let (mut on, mut off) = (Vec::new(), Vec::new());
        let mut end = first;
        if first != '-' {
            end = self.flag_letters(first, &mut on, ")-:")?;
        }
        if end == ')' {
            if !may_set {
                return Err(self.error_at(Cause::LateGlobalFlags, start));
            }
            let (ascii, unicode) = &mut self.ascii_or_unicode;
            *ascii |= on.contains(&'a');
            *unicode |= on.contains(&'u');
            if *ascii && *unicode {
                return Err(self.error_at(Cause::FlagsExclusive, start));
            }
            self.flags = changed(self.flags, &on, &[]);
            return Ok(Read::GlobalFlags);
        }
        if end == '-' {
            let first = match self.tokens.next() {
                None => return Err(self.error(Cause::FlagMissing, 0)),
                Some(Token::Char(c)) if is_flag(c) => c,
                Some(Token::Char(c)) if c.is_alphabetic() => {
                    return Err(self.error(Cause::UnknownFlag(c), 1));
                }
                Some(other) => {
                    let back = other.text().chars().count();
                    return Err(self.error(Cause::FlagMissing, back));
                }
            };
            self.flag_letters(first, &mut off, ":")?;
        }
        if on.iter().any(|c| off.contains(c)) {
            return Err(self.error(Cause::FlagOnAndOff, 1));
        }
        let inner = changed(flags, &on, &off);
        self.until_closed(start, inner).map(Read::Item)
    }

    /// Flag letters from `first` up to one of `ends`, which is returned.
    fn flag_letters(&mut self, first: char, letters: &mut Vec<char>, ends: &str) -> Outcome<char> {
        let mut letter = first;
        loop {
            // What ends at `:` alone is switched off.
            if ends == ":" && "aLu".contains(letter) {
                return Err(self.error(Cause::FlagNotSwitchable(letter), 0));
            }
            if letter == 'L' {
                return Err(self.error(Cause::FlagNotForText(letter), 0));
            }
            letters.push(letter);
            if letters.contains(&'a') && letters.contains(&'u') {
                return Err(self.error(Cause::FlagsExclusive, 0));
            }
            match self.tokens.next() {
                None => return Err(self.error(Cause::FlagsNotClosed, 0)),
                Some(Token::Char(c)) if ends.contains(c) => return Ok(c),
                Some(Token::Char(c)) if is_flag(c) => letter = c,
                Some(Token::Char(c)) if c.is_alphabetic() => {
                    return Err(self.error(Cause::UnknownFlag(c), 1));
                }
                Some(other) => {
                    let back = other.text().chars().count();
                    return Err(self.error(Cause::FlagsNotClosed, back));
                }
            }
        }
    }
}

fn is_flag(c: char) -> bool {
    matches!(c, 'i' | 'L' | 'm' | 's' | 'x' | 'a' | 'u')
}

fn changed(mut flags: Flags, on: &[char], off: &[char]) -> Flags {
    for (letters, value) in [(on, true), (off, false)] {
        for letter in letters {
            match letter {
                'i' => flags.ignore_case = value,
                'm' => flags.multi_line = value,
                's' => flags.dot_all = value,
                'x' => flags.verbose = value,
                'a' => flags.ascii = true,
                'u' => flags.ascii = false,
                _ => {}
            }
        }
    }
    flags
}

/// `str.isidentifier()`, near enough: letters, digits and underscores, no digit first.
fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_alphabetic())
        && chars.all(|c| c == '_' || c.is_alphanumeric())
}

/// The digits of a number as Python's `int` reads it: blanks around it, a sign, `_` between digits.
fn digits(text: &str) -> Option<String> {
    let text = text.trim_matches(super::super::unicode::is_space);
    let (text, negative) = match text.strip_prefix('-') {
        Some(text) => (text, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    };
    let grouped = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let digits = text.replace('_', "");
    let zero = digits.bytes().all(|b| b == b'0');
    (text.split('_').all(grouped) && (!negative || zero)).then_some(digits)
}
