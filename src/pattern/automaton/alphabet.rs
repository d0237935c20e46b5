//! Bytes that no pattern of a set tells apart are one symbol.
//!
//! Beside those of ASCII there are: all bytes beyond, a newline that ends the text, and the end.

use crate::pattern::program::{Bytes, Inst, Program};

const ASCII: usize = 128;

#[derive(Debug)]
pub(super) struct Alphabet {
    symbols: [u8; 256],
    /// Symbols of ASCII bytes, and one byte of each.
    bytes: Vec<u8>,
    /// For each of them, what a look behind can see of it.
    behind: Vec<u8>,
}

/// What is seen behind at the text's start.
pub(super) const NOTHING: u8 = u8::MAX;

impl Alphabet {
    pub(super) fn new(programs: &[&Program]) -> Self {
        let mut split = Split([0; ASCII]);
        let mut behind = Split([0; ASCII]);
        split.by(|byte| byte == b'\n');
        behind.by(|byte| byte == b'\n');
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        split.by(is_word);
        behind.by(is_word);
        // Most literals and classes come again and again.
        let mut literals = [false; 256];
        let mut classes: Vec<Bytes> = Vec::new();
        for program in programs {
            for class in &program.classes {
                if !classes.contains(&class.bytes) {
                    classes.push(class.bytes);
                }
            }
            for &literal in &program.literals {
                literals[usize::from(literal)] = true;
            }
            for code in &program.code {
                match code.inst {
                    Inst::Byte(literal) => literals[usize::from(literal)] = true,
                    Inst::Near {
                        class,
                        behind: true,
                        ..
                    } => {
                        let class = &program.classes[usize::from(class)];
                        behind.by(|byte| class.bytes.contains(usize::from(byte)));
                    }
                    _ => {}
                }
            }
        }
        for class in classes {
            split.by(|byte| class.contains(usize::from(byte)));
        }
        for literal in (0..ASCII as u8).filter(|&byte| literals[usize::from(byte)]) {
            split.by(|byte| byte == literal);
        }
        let count = usize::from(*split.0.iter().max().unwrap_or(&0)) + 1;
        let mut symbols = [count as u8; 256];
        symbols[..ASCII].copy_from_slice(&split.0);
        let bytes: Vec<u8> = (0..count)
            .map(|symbol| {
                let first = split.0.iter().position(|&of| usize::from(of) == symbol);
                first.unwrap_or(0) as u8
            })
            .collect();
        let behind = bytes.iter().map(|&byte| behind.0[usize::from(byte)]);
        Self {
            symbols,
            behind: behind.collect(),
            bytes,
        }
    }

    #[inline(always)]
    pub(super) fn symbol(&self, byte: u8) -> usize {
        usize::from(self.symbols[usize::from(byte)])
    }

    /// The symbol of each byte.
    pub(super) fn of_bytes(&self) -> &[u8; 256] {
        &self.symbols
    }

    pub(super) fn symbols(&self) -> usize {
        self.bytes.len() + 3
    }

    /// The symbols of ASCII bytes.
    pub(super) fn bytes(&self) -> std::ops::Range<usize> {
        0..self.bytes.len()
    }

    pub(super) fn wide(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn last_newline(&self) -> usize {
        self.bytes.len() + 1
    }

    pub(super) fn end(&self) -> usize {
        self.bytes.len() + 2
    }

    /// A byte of the symbol; `None` for the end.
    pub(super) fn byte(&self, symbol: usize) -> Option<u8> {
        match self.bytes.get(symbol) {
            Some(&byte) => Some(byte),
            None if symbol == self.last_newline() => Some(b'\n'),
            None => None,
        }
    }

    /// The byte a symbol stands for, if it is only one.
    pub(super) fn only(&self, symbol: usize) -> Option<u8> {
        let same = |&&of: &&u8| usize::from(of) == symbol;
        match self.symbols.iter().filter(same).count() {
            1 => self.byte(symbol),
            _ => None,
        }
    }

    /// What a look behind can see of the symbol; equal for what it cannot tell apart.
    pub(super) fn behind(&self, symbol: usize) -> u8 {
        match self.behind.get(symbol) {
            Some(&behind) => behind,
            None => self.behind[self.symbol(b'\n')],
        }
    }

    /// A byte that looks so from behind.
    pub(super) fn byte_behind(&self, behind: u8) -> Option<u8> {
        let symbol = self.behind.iter().position(|&of| of == behind)?;
        Some(self.bytes[symbol])
    }
}

/// A partition of ASCII: the part of each byte.
struct Split([u8; ASCII]);

impl Split {
    /// Parts every part by what is asked of its bytes.
    fn by(&mut self, holds: impl Fn(u8) -> bool) {
        let mut parts: Vec<(u8, bool)> = Vec::new();
        let parted = std::array::from_fn(|byte| {
            let part = (self.0[byte], holds(byte as u8));
            let known = parts.iter().position(|&known| known == part);
            known.unwrap_or_else(|| {
                parts.push(part);
                parts.len() - 1
            }) as u8
        });
        self.0 = parted;
    }
}
