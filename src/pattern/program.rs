//! A compiled pattern: instructions over bytes, and the tables they look into.

use super::around::Around;
use super::ast::{Fold, Set};

/// A place in the program.
pub(super) type Pc = u32;

/// A set of the bytes a character may start with, and of the end of the text (256).
///
/// The bytes from 0x80 on say little about a character, so beside them stand four [`WIDE`] kinds
/// that every character beyond ASCII is one of; by these, `\s` and `\S` have nothing in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Bytes([u64; 5]);

/// The index in [`Bytes`] and in tables that stands for the end of the text.
pub(super) const END: usize = 256;

/// Kinds of characters beyond ASCII: digits, other word characters, white space, all others.
pub(super) const WIDE: std::ops::Range<usize> = END + 1..END + 5;

impl Bytes {
    pub(super) const NONE: Self = Self([0; 5]);
    pub(super) const ALL: Self = Self([u64::MAX, u64::MAX, u64::MAX, u64::MAX, 0x1f]);

    pub(super) fn one(byte: usize) -> Self {
        let mut bytes = Self::NONE;
        bytes.insert(byte);
        bytes
    }

    pub(super) fn insert(&mut self, byte: usize) {
        self.0[byte / 64] |= 1 << (byte % 64);
    }

    pub(super) fn contains(&self, byte: usize) -> bool {
        self.0[byte / 64] >> (byte % 64) & 1 == 1
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    pub(super) fn intersection(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] & !other.0[i]))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        (0..=END).filter(|&byte| self.contains(byte))
    }

    /// Whether no character (nor the end) is in both.
    pub(super) fn apart(self, other: Self) -> bool {
        let common = self.intersection(other);
        (0..0x80).chain(END..WIDE.end).all(|i| !common.contains(i))
    }
}

/// A set of characters by its number in [`Program::classes`]; also its table's number.
pub(super) type ClassId = u16;

/// A set of first bytes by its number in the tables.
pub(super) type BytesId = u16;

/// The first byte tells nothing.
pub(super) const ANY: BytesId = BytesId::MAX;

/// An instruction and the one that follows where the instruction says nothing else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code {
    pub(super) inst: Inst,
    pub(super) next: Pc,
}

/// One instruction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Inst {
    Byte(u8),
    /// Bytes of [`Program::literals`].
    Literal {
        start: u32,
        end: u32,
    },
    Class(ClassId),
    /// A repetition of one character, see [`Program::loops`].
    Loop(u32),
    /// Two ways on; `first` is tried first. The sets say with what bytes each way may go on.
    Split {
        first: Pc,
        second: Pc,
        first_bytes: BytesId,
        second_bytes: BytesId,
    },
    Jump(Pc),
    /// The shapes of loops met most, without a look at [`Program::loops`].
    Run {
        class: ClassId,
        sure: BytesId,
        least: u8,
        mixed: bool,
    },
    Maybe(ClassId),
    /// Several splits and optional characters at once: where to go for the next byte, in a row of
    /// [`Program::switches`].
    Switch(u32),
    /// Notes the position in a slot.
    Save(u32),
    Place(Place),
    /// The next (or last) character is, or is not, of a class.
    Near {
        class: ClassId,
        behind: bool,
        negate: bool,
    },
    /// The text goes on with a literal, or does not.
    NearLiteral {
        start: u32,
        end: u32,
        negate: bool,
    },
    /// Fails unless the literal comes somewhere from here on. Its byte number `rarest` is looked
    /// for. It only saves time, and the exact engine, to stay linear, takes no notice of it.
    Need {
        start: u32,
        end: u32,
        rarest: u8,
    },
    /// A look-around: the program up to `end`, finished by `Done`.
    Look {
        look: u32,
        end: Pc,
    },
    /// An atomic group: the program up to `end`, finished by `AtomicDone`.
    Atomic {
        end: Pc,
    },
    Done,
    AtomicDone,
    /// Goes to `no` unless the group has matched.
    Cond {
        group: u32,
        no: Pc,
    },
    BackRef {
        group: u32,
        fold: Fold,
    },
    /// The end of a loop's body that may be empty: if nothing was eaten since the position was
    /// saved in the slot, the loop ends.
    Progress {
        slot: u32,
        end: Pc,
    },
    /// The match ends here.
    Match,
}

/// An entry of a switch: [`DEAD`], an instruction, or with [`BOTH`] a split to both ways.
pub(super) type Target = u16;

/// No match with this byte.
pub(super) const DEAD: Target = Target::MAX;

pub(super) const BOTH: Target = 1 << 15;

/// A place between characters, see [`super::ast::At`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Start,
    LineStart,
    End,
    LineEnd,
    TextEnd,
    Word,
    NotWord,
    AsciiWord,
    NotAsciiWord,
    Around(Around),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Characters to step back first.
    pub(super) back: Option<u32>,
    pub(super) negate: bool,
    /// Leaves no captures behind, so that its outcome alone can be remembered.
    pub(super) pure: bool,
}

/// A repetition of a character.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loop {
    pub(super) class: ClassId,
    pub(super) min: u32,
    /// `u32::MAX`: without end.
    pub(super) max: u32,
    pub(super) kind: LoopKind,
    /// No character is eaten where this literal stands (bytes of [`Program::literals`]).
    pub(super) stop: Option<(u32, u32)>,
    /// The bytes that can follow.
    pub(super) follow: BytesId,
    /// The literal that must follow, if there is one (bytes of [`Program::literals`]).
    pub(super) then: Option<(u32, u32)>,
    /// The one ASCII byte that is no member, if all other characters are.
    pub(super) until: Option<u8>,
    /// Bytes that are members for sure: all ASCII ones, and those from 0x80 on where all
    /// characters beyond ASCII are.
    pub(super) sure: BytesId,
    /// Whether characters beyond ASCII must be looked at one by one.
    pub(super) mixed: bool,
    pub(super) shape: Shape,
}

/// Loops that are met most have a short way through the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `x+` or `x*` with only one place to stop.
    Run,
    /// `x?`, likewise.
    Maybe,
    /// `x{1,3}`, likewise.
    Counted,
    /// `x+` or `x*` that may have to give back.
    Greedy,
    Other,
}

pub(super) const ENDLESS: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoopKind {
    Greedy,
    Lazy,
    /// As written: gives nothing back.
    Possessive,
    /// Greedy or lazy as written, but what follows cannot start with a member, so that there is
    /// only one place to stop.
    Certain,
}

/// How the characters beyond ASCII belong to a class.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wide {
    None,
    All,
    Some(Box<Set>),
}

#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) wide: Wide,
    /// All bytes from 0x80 on are in if `wide` is not `None`.
    pub(super) bytes: Bytes,
}

/// No memo for this instruction.
pub(super) const FORGET: u32 = u32::MAX;

/// An instruction whose failures are remembered.
#[derive(Debug)]
pub(super) struct Remembered {
    /// Its first row of the memo. It has one for each combination of: tested groups matched or
    /// not, loops around it having eaten in this round or not.
    pub(super) row: u64,
    /// The slots of those loops around it whose body may be empty.
    pub(super) loops: Box<[u32]>,
}

#[derive(Debug, Default)]
pub(super) struct Program {
    /// What the exact engine runs.
    pub(super) code: Vec<Code>,
    /// What is tried first: the same, with switches.
    pub(super) quick: Vec<Code>,
    /// Where both begin, slot 0 being set.
    pub(super) entry: Pc,
    /// For each byte (and [`END`]) its column in the switches.
    pub(super) columns: Vec<u8>,
    /// Rows of as many targets as there are columns.
    pub(super) switches: Vec<Target>,
    pub(super) width: usize,
    pub(super) literals: Vec<u8>,
    pub(super) classes: Vec<Class>,
    pub(super) loops: Vec<Loop>,
    pub(super) looks: Vec<Look>,
    /// The sets of bytes, the classes' first.
    pub(super) tables: Tables,
    /// Two slots per group, then those for loops.
    pub(super) groups: usize,
    pub(super) slots: usize,
    /// For each instruction its entry in `remembered`, or [`FORGET`].
    pub(super) memo: Vec<u32>,
    pub(super) remembered: Vec<Remembered>,
    /// Rows of the memo.
    pub(super) rows: u64,
    /// The groups that conditionals ask for.
    pub(super) tested: Vec<u32>,
    /// Whether the exact engine is linear in the text's length; else it runs under a budget.
    pub(super) linear: bool,
    pub(super) start: Start,
}

/// Where a match can start.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Start {
    #[default]
    Anywhere,
    Text,
    Line,
    /// With one of these bytes.
    Bytes(BytesId),
    /// With this literal (bytes of [`Program::literals`]).
    Literal(u32, u32),
}

impl Program {
    /// Whether the set holds the byte (or [`END`]).
    #[inline(always)]
    pub(super) fn holds(&self, id: BytesId, byte: usize) -> bool {
        self.tables.holds(id, byte)
    }
}

/// For each byte (and [`END`]) the sets it is in: a bit per set.
#[derive(Debug)]
pub(super) struct Tables {
    /// The first 64 sets; most patterns have no more.
    first: Box<[u64; END + 1]>,
    more: Vec<[u64; END + 1]>,
    sets: u16,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            first: Box::new([0; END + 1]),
            more: Vec::new(),
            sets: 0,
        }
    }
}

impl Tables {
    /// Enters a set under the next number.
    pub(super) fn add(&mut self, bytes: Bytes) -> BytesId {
        let id = self.sets;
        self.sets += 1;
        let table = match usize::from(id / 64) {
            0 => &mut *self.first,
            more => {
                self.more.resize(more, [0; END + 1]);
                &mut self.more[more - 1]
            }
        };
        for byte in bytes.iter() {
            table[byte] |= 1 << (id % 64);
        }
        id
    }

    #[inline(always)]
    pub(super) fn holds(&self, id: BytesId, byte: usize) -> bool {
        if id < 64 {
            self.first[byte] >> id & 1 == 1
        } else {
            self.more[usize::from(id / 64) - 1][byte] >> (id % 64) & 1 == 1
        }
    }

    /// How many bytes at the start of `text` are in the set.
    #[inline(always)]
    pub(super) fn run(&self, id: BytesId, text: &[u8]) -> usize {
        let table = match usize::from(id / 64) {
            0 => &*self.first,
            more => &self.more[more - 1],
        };
        let mask = 1 << (id % 64);
        let mut count = 0;
        while let Some(&byte) = text.get(count) {
            if table[usize::from(byte)] & mask == 0 {
                break;
            }
            count += 1;
        }
        count
    }
}
