//! Why a pattern is wrong, and where: one table of causes, each a sentence, with the offset in
//! characters as Python's `re` counts it, and a drawing of the place.

use std::fmt;

/// A pattern that Python's `re` would not compile (or that is too big for us).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    cause: Cause,
    offset: usize,
    source: Box<str>,
}

/// What is wrong; [`fmt::Display`] says it in words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    Empty,
    TrailingBackslash,
    BadEscape(Box<str>),
    ShortEscape(Box<str>),
    OctalTooBig(Box<str>),
    NoSuchCharacter(Box<str>),
    NamedCharacter(Box<str>),
    OpenGroup,
    ClosingWithoutOpening,
    OpenClass,
    BadRange(Box<str>),
    OpenComment,
    EndsInGroup,
    UnknownExtension(Box<str>),
    MissingGroupName,
    OpenGroupName,
    BadGroupName(Box<str>),
    UnknownGroup(Box<str>),
    GroupTwice(Box<str>),
    GroupStillOpen,
    GroupOfSameLookbehind,
    ThreeBranches,
    NothingToRepeat,
    RepeatTwice,
    RepeatBackwards,
    RepeatTooBig,
    UnknownFlag(char),
    FlagsNotClosed,
    FlagMissing,
    FlagNotForText(char),
    FlagsExclusive,
    FlagNotSwitchable(char),
    FlagOnAndOff,
    LateGlobalFlags,
    LookbehindWidth,
    TooDeep,
    TooLarge,
}

impl PatternError {
    pub(super) fn new(cause: Cause, offset: usize, source: &str) -> Self {
        Self {
            cause,
            offset,
            source: source.into(),
        }
    }

    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Where it was noticed, in characters from the start of [`Self::pattern`].
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The pattern as it was compiled, its tags expanded.
    pub fn pattern(&self) -> &str {
        &self.source
    }

    /// The line of the pattern that is wrong, and below it a caret under the place.
    pub fn caret(&self) -> String {
        let before: String = self.source.chars().take(self.offset).collect();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_start..].chars().count();
        let line = self.source[line_start..].lines().next().unwrap_or_default();
        format!("{line}\n{:column$}^", "")
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        match self.cause {
            Cause::Empty | Cause::TooLarge => Ok(()),
            _ => write!(f, ", at position {}", self.offset),
        }
    }
}

impl std::error::Error for PatternError {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the pattern is empty"),
            Self::TrailingBackslash => f.write_str("a backslash ends the pattern"),
            Self::BadEscape(e) => write!(f, "{e} means nothing; write a plain character for it"),
            Self::ShortEscape(e) => write!(f, "{e} has too few digits"),
            Self::OctalTooBig(e) => write!(f, "{e} is above \\377, the largest octal escape"),
            Self::NoSuchCharacter(e) => write!(f, "{e} is no character"),
            Self::NamedCharacter(e) => write!(
                f,
                "{e} names no character; write \\N{{NAME}}, the character itself, or \\uXXXX"
            ),
            Self::OpenGroup => f.write_str("this ( is never closed"),
            Self::ClosingWithoutOpening => f.write_str("this ) closes nothing"),
            Self::OpenClass => f.write_str("this [ is never closed"),
            Self::BadRange(e) => write!(f, "{e} is no range of characters"),
            Self::OpenComment => f.write_str("this comment is never closed by )"),
            Self::EndsInGroup => f.write_str("the pattern ends within (?"),
            Self::UnknownExtension(e) => write!(f, "({e} is no kind of group"),
            Self::MissingGroupName => f.write_str("the name of a group is missing"),
            Self::OpenGroupName => f.write_str("the name of a group is not closed"),
            Self::BadGroupName(e) => write!(f, "'{e}' cannot name a group"),
            Self::UnknownGroup(e) => write!(f, "there is no group {e}"),
            Self::GroupTwice(e) => write!(f, "the group '{e}' is there twice"),
            Self::GroupStillOpen => f.write_str("a group cannot refer to itself"),
            Self::GroupOfSameLookbehind => {
                f.write_str("a look-behind cannot refer to a group of its own")
            }
            Self::ThreeBranches => f.write_str("a conditional has at most two branches"),
            Self::NothingToRepeat => f.write_str("there is nothing to repeat before this"),
            Self::RepeatTwice => f.write_str("a repetition cannot be repeated without a group"),
            Self::RepeatBackwards => f.write_str("the repetition's least is above its most"),
            Self::RepeatTooBig => f.write_str("the repetition count is too large"),
            Self::UnknownFlag(c) => write!(f, "'{c}' is no flag"),
            Self::FlagsNotClosed => f.write_str("flags end with -, : or )"),
            Self::FlagMissing => f.write_str("a flag is missing"),
            Self::FlagNotForText(c) => write!(f, "the flag '{c}' is not for text"),
            Self::FlagsExclusive => f.write_str("the flags a, L and u exclude each other"),
            Self::FlagNotSwitchable(c) => write!(f, "the flag '{c}' cannot be turned off"),
            Self::FlagOnAndOff => f.write_str("a flag is turned on and off at once"),
            Self::LateGlobalFlags => {
                f.write_str("flags for the whole pattern stand at its start; use (?i:…) here")
            }
            Self::LookbehindWidth => f.write_str("a look-behind must have one fixed width"),
            Self::TooDeep => f.write_str("groups are nested too deeply"),
            Self::TooLarge => {
                f.write_str("the pattern is too large once its repetitions are counted")
            }
        }
    }
}
