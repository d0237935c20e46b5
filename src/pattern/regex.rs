//! One compiled regular expression.

use super::compile::compile;
use super::error::{Cause, PatternError};
use super::literal::{self, Lead, Texts};
use super::parse::{Flags, parse};
use super::program::Program;
use super::search::{Mode, search};
use super::slots::Slots;
use super::tags;

/// How a filter's regular expression is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `^` and `$` match at every line (fail2ban: `maxlines` above 1).
    pub multiline: bool,
    /// `<HOST>` is an address, never a name (fail2ban: `usedns = no`).
    pub addresses_only: bool,
}

/// A regular expression in Python's dialect, compiled.
#[derive(Debug)]
pub struct Regex {
    source: Box<str>,
    names: Box<[(Box<str>, usize)]>,
    program: Program,
    leads: Box<[Lead]>,
    required: Texts,
}

impl Regex {
    /// A filter's regular expression: its tags are expanded first.
    pub fn new(source: &str, options: Options) -> Result<Self, PatternError> {
        let expanded = tags::expand(source, options.addresses_only);
        if expanded.trim_start().is_empty() {
            return Err(PatternError::new(Cause::Empty, 0, &expanded));
        }
        let flags = Flags {
            multi_line: options.multiline,
            ..Flags::default()
        };
        Self::python(&tags::flags_made_local(&expanded), flags)
    }

    /// What `re.compile(source, flags)` makes of it.
    pub fn python(source: &str, flags: Flags) -> Result<Self, PatternError> {
        Self::build(source, flags, true)
    }

    pub(super) fn build(source: &str, flags: Flags, optimised: bool) -> Result<Self, PatternError> {
        let parsed = parse(source, flags)?;
        let program = compile(&parsed.node, parsed.groups, optimised)
            .map_err(|_| PatternError::new(Cause::TooLarge, 0, source))?;
        Ok(Self {
            source: source.into(),
            names: parsed.names.into(),
            program,
            leads: literal::leads(&parsed.node).into(),
            required: literal::required(&parsed.node),
        })
    }

    /// Named groups and the index of each in [`Slots`], in order of their index.
    pub fn groups(&self) -> &[(Box<str>, usize)] {
        &self.names
    }

    /// The index of the named group.
    pub fn group(&self, name: &str) -> Option<usize> {
        let (_, index) = self.names.iter().find(|(other, _)| **other == *name)?;
        Some(*index)
    }

    pub fn has_group(&self, name: &str) -> bool {
        self.group(name).is_some()
    }

    /// The expression with its tags expanded, as fail2ban shows it.
    pub fn resolved(&self) -> &str {
        &self.source
    }

    /// Whether the work is linear in the text's length for any text; the few others (with
    /// back-references, atomic groups or captures in look-aheads) stop at a budget of steps.
    pub fn is_linear(&self) -> bool {
        self.program.linear
    }

    /// Finds the leftmost match anywhere in `text`, as `re.search` does.
    pub fn search(&self, text: &str, slots: &mut Slots) -> bool {
        self.search_at(text, 0, slots)
    }

    /// The same from byte `start` on; what is before may be looked at but not matched, as with
    /// the `pos` of Python's `Pattern.search`.
    pub fn search_at(&self, text: &str, start: usize, slots: &mut Slots) -> bool {
        search(&self.program, text, start, slots, Mode::Both)
    }

    /// How texts start that this can match; empty if that cannot be told.
    pub(super) fn leads(&self) -> &[Lead] {
        &self.leads
    }

    /// Texts of which one is in every match; empty if there are none.
    pub(super) fn required(&self) -> &Texts {
        &self.required
    }

    pub(super) const fn program(&self) -> &Program {
        &self.program
    }
}
