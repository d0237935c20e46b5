//! Backslashes: categories, places, characters by number, and references to groups.

use super::{At, Category, Cause, Flags, Item, Node, Outcome, Parser, Set, category, code_point};

/// What an escape within a class stands for.
#[derive(Clone, Copy)]
pub(super) enum ClassEscape {
    Code(u32),
    Category(Category),
}

impl Parser<'_> {
    /// `\c` outside a class; `c` is already eaten.
    pub(super) fn escape(&mut self, c: char, flags: Flags) -> Outcome<Item> {
        let word = |negate| At::Word {
            negate,
            ascii: flags.ascii,
        };
        match c {
            'A' => return Ok(Item::at(At::Start)),
            'Z' => return Ok(Item::at(At::TextEnd)),
            'b' => return Ok(Item::at(word(false))),
            'B' => return Ok(Item::at(word(true))),
            '1'..='9' => return self.number(c, flags).map(Item::plain),
            '0' => {
                let digits = self.tokens.digits(8, 2);
                let code = u32::from_str_radix(&format!("0{digits}"), 8).unwrap_or(0);
                return Ok(Item::plain(code_point(code, flags)));
            }
            _ => {}
        }
        if let Some(category) = category(c, flags) {
            let set = Set::new(false, Vec::new(), vec![category], flags.fold());
            return Ok(Item::plain(Node::Set(Box::new(set))));
        }
        let code = self.character(c)?;
        Ok(Item::plain(code_point(code, flags)))
    }

    /// `\c` within a class.
    pub(super) fn class_escape(&mut self, c: char, flags: Flags) -> Outcome<ClassEscape> {
        if let Some(category) = category(c, flags) {
            return Ok(ClassEscape::Category(category));
        }
        match c {
            'b' => Ok(ClassEscape::Code(8)),
            '0'..='7' => {
                let digits = self.tokens.digits(8, 2);
                let digits = format!("{c}{digits}");
                self.octal(&digits).map(ClassEscape::Code)
            }
            '8' | '9' => Err(self.bad_escape(c)),
            _ => self.character(c).map(ClassEscape::Code),
        }
    }

    /// Three octal digits are a character, other numbers a group.
    fn number(&mut self, c: char, flags: Flags) -> Outcome<Node> {
        let mut digits = c.to_string();
        digits.push_str(&self.tokens.digits(10, 1));
        if digits.len() == 2 && digits.chars().all(|c| c.is_digit(8)) {
            let third = self.tokens.digits(8, 1);
            if !third.is_empty() {
                digits.push_str(&third);
                return self.octal(&digits).map(|code| code_point(code, flags));
            }
        }
        let back = digits.len();
        let unknown = || Cause::UnknownGroup(digits.as_str().into());
        let group: usize = digits.parse().map_err(|_| self.error(unknown(), back))?;
        if group >= self.widths.len() {
            return Err(self.error(unknown(), back));
        }
        self.reference(group, back + 1, flags)
    }

    fn octal(&self, digits: &str) -> Outcome<u32> {
        match u32::from_str_radix(digits, 8) {
            Ok(code) if code <= 0o377 => Ok(code),
            _ => {
                let cause = Cause::OctalTooBig(format!("\\{digits}").into());
                Err(self.error(cause, digits.len() + 1))
            }
        }
    }

    /// A reference to a group that must be closed, `back` characters ago.
    pub(super) fn reference(&self, group: usize, back: usize, flags: Flags) -> Outcome<Node> {
        if self.widths[group].is_none() {
            return Err(self.error(Cause::GroupStillOpen, back));
        }
        self.check_lookbehind_group(group)?;
        Ok(Node::BackRef {
            group,
            fold: flags.fold(),
        })
    }

    /// Within a look-behind only groups from before it may be referred to.
    pub(super) fn check_lookbehind_group(&self, group: usize) -> Outcome<()> {
        let Some(first) = self.first_lookbehind_group else {
            return Ok(());
        };
        if self.widths.get(group).copied().flatten().is_none() {
            return Err(self.error(Cause::GroupStillOpen, 0));
        }
        if group >= first {
            return Err(self.error(Cause::GroupOfSameLookbehind, 0));
        }
        Ok(())
    }

    /// Escapes that mean one character, in and out of classes.
    fn character(&mut self, c: char) -> Outcome<u32> {
        Ok(match c {
            'a' => 7,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            'x' => self.hex(c, 2)?,
            'u' => self.hex(c, 4)?,
            'U' => {
                let code = self.hex(c, 8)?;
                if code > 0x10_ffff {
                    let cause = Cause::NoSuchCharacter(format!("\\U{code:08x}").into());
                    return Err(self.error(cause, 10));
                }
                code
            }
            'N' => {
                let at = self.tokens.position();
                let braced = self.tokens.eat('{');
                let name = braced.then(|| self.tokens.until('}')).flatten();
                // Where no name is complete, what is missing is; else all of it is wrong.
                let place = match &name {
                    Some(name) if !name.is_empty() => at.saturating_sub(2),
                    _ => at + usize::from(braced),
                };
                let name = name.unwrap_or_default();
                if let Some(c) = super::names::character(&name) {
                    return Ok(u32::from(c));
                }
                let cause = Cause::NamedCharacter(format!("\\N{{{name}}}").into());
                return Err(self.error_at(cause, place));
            }
            c if c.is_ascii_alphanumeric() => return Err(self.bad_escape(c)),
            c => u32::from(c),
        })
    }

    fn bad_escape(&self, c: char) -> super::PatternError {
        self.error(Cause::BadEscape(format!("\\{c}").into()), 2)
    }

    fn hex(&mut self, c: char, count: usize) -> Outcome<u32> {
        let digits = self.tokens.digits(16, count);
        match u32::from_str_radix(&digits, 16) {
            Ok(code) if digits.len() == count => Ok(code),
            _ => {
                let cause = Cause::ShortEscape(format!("\\{c}{digits}").into());
                Err(self.error(cause, digits.len() + 2))
            }
        }
    }
}
