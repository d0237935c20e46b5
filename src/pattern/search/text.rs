//! Looking at the text: characters, places, and what groups captured.

use super::Machine;
use crate::pattern::around::{Before, Behind};
use crate::pattern::ast::Fold;
use crate::pattern::program::{ClassId, Place, Wide};
use crate::pattern::slots::UNSET;
use crate::pattern::unicode;

/// The length of the character that starts with this byte.
pub(super) fn width(byte: u8) -> usize {
    match byte {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..=0xff => 4,
    }
}

/// The character at the start of `text`, which is UTF-8.
pub(super) fn decode(text: &[u8]) -> Option<char> {
    let first = *text.first()?;
    let mut code = match width(first) {
        1 => return Some(char::from(first)),
        2 => u32::from(first) & 0x1f,
        3 => u32::from(first) & 0x0f,
        _ => u32::from(first) & 0x07,
    };
    for &byte in text.get(1..width(first))? {
        code = code << 6 | u32::from(byte & 0x3f);
    }
    char::from_u32(code)
}

impl Machine<'_> {
    /// Whether the program's literal stands at `at`. Most are short: eight bytes are compared at
    /// once, of which those beyond the literal are shifted away.
    #[inline(always)]
    pub(super) fn is_literal(&self, at: usize, start: u32, end: u32) -> bool {
        let (start, end) = (start as usize, end as usize);
        let literals = &self.program.literals[..];
        let Some(rest) = self.text.get(at..) else {
            return false;
        };
        let (Some(a), Some(b)) = (rest.first_chunk::<8>(), literals[start..].first_chunk()) else {
            return rest.starts_with(&literals[start..end]);
        };
        let differing = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        let length = end - start;
        if length <= 8 {
            return differing << (64 - 8 * length) == 0;
        }
        differing == 0 && rest[8..].starts_with(&literals[start + 8..end])
    }

    /// The start of the character before `at`, which is not 0.
    #[inline(always)]
    pub(super) fn previous(&self, at: usize) -> usize {
        let mut at = at - 1;
        while self.text[at] & 0xc0 == 0x80 {
            at -= 1;
        }
        at
    }

    /// The end of the character at `at`, if it is of the class.
    #[inline(always)]
    pub(super) fn member(&self, class: ClassId, at: usize) -> Option<usize> {
        let &byte = self.text.get(at)?;
        if !self.program.holds(class, usize::from(byte)) {
            return None;
        }
        if byte < 0x80 {
            return Some(at + 1);
        }
        self.wide_member(class, at)
    }

    /// [`Self::member`] for a character beyond ASCII.
    #[cold]
    pub(super) fn wide_member(&self, class: ClassId, at: usize) -> Option<usize> {
        let inside = match &self.program.classes[usize::from(class)].wide {
            Wide::None => false,
            Wide::All => true,
            Wide::Some(set) => set.contains(decode(&self.text[at..])?),
        };
        inside.then(|| at + width(self.text[at]))
    }

    pub(super) fn is_at(&self, place: Place, at: usize) -> bool {
        let length = self.text.len();
        match place {
            Place::Start => at == 0,
            Place::LineStart => at == 0 || self.text[at - 1] == b'\n',
            Place::End => at == length || (at + 1 == length && self.text[at] == b'\n'),
            Place::LineEnd => at == length || self.text[at] == b'\n',
            Place::TextEnd => at == length,
            Place::Word => self.is_word_edge(at, unicode::is_word),
            Place::AsciiWord => self.is_word_edge(at, is_ascii_word),
            // Python finds no place at all in an empty text, not even one within no word.
            Place::NotWord => length > 0 && !self.is_word_edge(at, unicode::is_word),
            Place::NotAsciiWord => length > 0 && !self.is_word_edge(at, is_ascii_word),
            Place::Around(around) => around.holds(self.before(at), self.behind(at)),
        }
    }

    fn before(&self, at: usize) -> Before {
        match at {
            0 => Before::Nothing,
            _ => match decode(&self.text[self.previous(at)..]) {
                Some(c) if unicode::is_word(c) => Before::Word,
                _ => Before::Other,
            },
        }
    }

    fn behind(&self, at: usize) -> Behind {
        match &self.text[at..] {
            [] => Behind::End,
            b"\n" => Behind::LastNewline,
            rest => match decode(rest) {
                Some(c) if unicode::is_word(c) => Behind::Word,
                _ => Behind::Other,
            },
        }
    }

    fn is_word_edge(&self, at: usize, is_word: fn(char) -> bool) -> bool {
        let before = at > 0 && decode(&self.text[self.previous(at)..]).is_some_and(is_word);
        let after = decode(&self.text[at..]).is_some_and(is_word);
        before != after
    }

    /// Whether the literal (bytes of the program's literals) comes from `at` on.
    pub(super) fn comes(&mut self, at: usize, (start, end): (u32, u32), rarest: u8) -> bool {
        let literal = &self.program.literals[start as usize..end as usize];
        let before = usize::from(rarest);
        let mut from = at + before;
        while let Some(rest) = self.text.get(from..) {
            let Some(found) = memchr::memchr(literal[before], rest) else {
                self.steps += rest.len() as u64;
                return false;
            };
            self.steps += found as u64 + 1;
            from += found;
            if self.is_literal(from - before, start, end) {
                return true;
            }
            from += 1;
        }
        false
    }

    /// A group being inside itself counts as matched by its former round only.
    pub(super) fn has_matched(&self, group: u32) -> bool {
        let (start, end) = self.group(group);
        start != UNSET && end != UNSET && start <= end
    }

    fn group(&self, group: u32) -> (u32, u32) {
        let slot = group as usize * 2;
        (self.values[slot], self.values[slot + 1])
    }

    /// Where the text ends that repeats what the group captured.
    pub(super) fn repeats(&mut self, group: u32, fold: Fold, at: usize) -> Option<usize> {
        if !self.has_matched(group) {
            return None;
        }
        let (start, end) = self.group(group);
        let captured = &self.text[start as usize..end as usize];
        self.steps += captured.len() as u64;
        if fold == Fold::None {
            let found = self.text[at..].starts_with(captured);
            return found.then_some(at + captured.len());
        }
        let (mut there, mut here) = (0, at);
        while there < captured.len() {
            let a = decode(&captured[there..])?;
            let b = decode(&self.text[here..])?;
            if fold.lower(a) != fold.lower(b) {
                return None;
            }
            there += a.len_utf8();
            here += b.len_utf8();
        }
        Some(here)
    }
}

fn is_ascii_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
