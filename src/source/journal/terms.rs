//! What has to be known of an entry's fields: which of the jails' terms they are, and what of the
//! line. A field that stands in many entries is looked at once and known by its place after that.

use std::collections::HashMap;

use super::error::JournalError;
use super::file::JournalFile;
use super::line::Field;

/// So many fields are remembered for each file: the users, units and programs of a busy machine.
const REMEMBERED: usize = 1024;

/// All terms of all who read a journal.
#[derive(Debug, Default)]
pub(super) struct Terms {
    numbers: HashMap<Box<[u8]>, u16>,
    longest: usize,
}

/// What a field is to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) term: Option<u16>,
    pub(super) field: Option<Field>,
}

/// The classes of one file's fields, by place.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<u64, Class>);

impl Terms {
    pub(super) fn add(&mut self, term: &str) {
        let next = self.numbers.len() as u16;
        self.numbers.entry(term.as_bytes().into()).or_insert(next);
        self.longest = self.longest.max(term.len());
    }

    pub(super) fn number(&self, term: &str) -> Option<u16> {
        self.numbers.get(term.as_bytes()).copied()
    }

    /// Looks at a field, if it is not known yet.
    pub(super) fn class(
        &self,
        file: &mut JournalFile,
        known: &mut Known,
        offset: u64,
    ) -> Result<Class, JournalError> {
        if let Some(class) = known.0.get(&offset) {
            return Ok(*class);
        }
        let data = file.data(offset)?;
        let most = if data.is_compressed() || data.length() <= self.longest as u64 {
            self.longest + 1
        } else {
            0
        };
        let text = file.text(&data, most.max(Field::NAME_MAX))?;
        let class = Class {
            // One that goes on behind the longest term is none.
            term: self.numbers.get(text.as_slice()).copied(),
            field: Field::of(&text),
        };
        // What stands in one entry only will hardly be asked for again.
        if data.entries > 1 {
            known.remember(offset, class);
        }
        Ok(class)
    }
}

impl Known {
    fn remember(&mut self, offset: u64, class: Class) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(offset, class);
    }

    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}
