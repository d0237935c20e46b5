//! A small map that keeps the order of first insertion, as Python's `dict` does.
//!
//! A jail, filter or action has some dozens of options: walking them is cheaper than hashing.

/// Names and values in insertion order; setting a name again keeps its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ordered<V> {
    entries: Vec<(String, V)>,
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

impl<V> Ordered<V> {
    pub(super) fn get(&self, name: &str) -> Option<&V> {
        self.entries
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn set(&mut self, name: &str, value: V) {
        match self.entries.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => self.entries.push((name.to_owned(), value)),
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<V> {
        let at = self.entries.iter().position(|(key, _)| key == name)?;
        Some(self.entries.remove(at).1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.entries
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The `index`th entry.
    pub(super) fn at(&self, index: usize) -> Option<(&str, &V)> {
        self.entries
            .get(index)
            .map(|(name, value)| (name.as_str(), value))
    }
}

impl<V> FromIterator<(String, V)> for Ordered<V> {
    fn from_iter<I: IntoIterator<Item = (String, V)>>(entries: I) -> Self {
        let mut found = Self::default();
        for (name, value) in entries {
            found.set(&name, value);
        }
        found
    }
}
