//! The regular expressions of a filter: the first in the list that matches a line wins.

use super::regex::Regex;
use super::slots::Slots;

/// An ordered list of patterns that are tried on each line.
#[derive(Debug, Default)]
pub struct RegexSet {
    patterns: Vec<Regex>,
}

impl RegexSet {
    pub fn new(patterns: Vec<Regex>) -> Self {
        Self { patterns }
    }

    /// The first pattern of the list that matches, its groups in `slots`.
    pub fn first(&self, text: &str, slots: &mut Slots) -> Option<usize> {
        self.matches_from(text, 0, slots)
    }

    /// The first pattern from index `from` on that matches.
    pub fn matches_from(&self, text: &str, from: usize, slots: &mut Slots) -> Option<usize> {
        (from..self.patterns.len()).find(|&index| self.patterns[index].search(text, slots))
    }

    pub fn get(&self, index: usize) -> &Regex {
        &self.patterns[index]
    }

    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Regex> {
        self.patterns.iter()
    }
}
