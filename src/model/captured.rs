//! What regular expressions captured, by name.
//!
//! A failure carries four or five of these, and a flood of failures as many a line: a sorted list
//! whose names are shared costs half of what a map of strings does.

use std::sync::Arc;

/// One value captured by a `<F-…>` tag or a named group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datum {
    Text(String),
    /// A set or tuple of Python's: `users`, `tuple_…`.
    List(Vec<String>),
}

/// What the regular expressions captured, by lower-case group name (`user`, `ip4`, `mlfid`, …), in
/// the order of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured(Vec<(Arc<str>, Datum)>);

impl Captured {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Of data in the order of the names, each once.
    pub fn sorted(data: Vec<(Arc<str>, Datum)>) -> Self {
        debug_assert!(data.is_sorted_by(|a, b| a.0 < b.0), "sorted names");
        Self(data)
    }

    pub fn get(&self, name: &str) -> Option<&Datum> {
        let index = self.find(name).ok()?;
        Some(&self.0[index].1)
    }

    pub fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Sets a value; the former one is returned.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, datum: Datum) -> Option<Datum> {
        let name = name.into();
        // Those who know the order add in it.
        if self.0.last().is_none_or(|(last, _)| **last < *name) {
            self.0.push((name, datum));
            return None;
        }
        match self.find(&name) {
            Ok(index) => Some(std::mem::replace(&mut self.0[index].1, datum)),
            Err(index) => {
                self.0.insert(index, (name, datum));
                None
            }
        }
    }

    pub fn remove(&mut self, name: &str) -> Option<Datum> {
        let index = self.find(name).ok()?;
        Some(self.0.remove(index).1)
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Datum)> {
        self.into_iter()
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    pub const fn len(&self) -> usize {
        self.0.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }
}

impl std::ops::Index<&str> for Captured {
    type Output = Datum;

    fn index(&self, name: &str) -> &Datum {
        self.get(name).expect("nothing captured by this name")
    }
}

impl<N: Into<Arc<str>>> Extend<(N, Datum)> for Captured {
    fn extend<I: IntoIterator<Item = (N, Datum)>>(&mut self, data: I) {
        for (name, datum) in data {
            self.insert(name, datum);
        }
    }
}

impl<N: Into<Arc<str>>> FromIterator<(N, Datum)> for Captured {
    fn from_iter<I: IntoIterator<Item = (N, Datum)>>(data: I) -> Self {
        let mut captured = Self::new();
        captured.extend(data);
        captured
    }
}

impl<N: Into<Arc<str>>, const COUNT: usize> From<[(N, Datum); COUNT]> for Captured {
    fn from(data: [(N, Datum); COUNT]) -> Self {
        data.into_iter().collect()
    }
}

type Entry = (Arc<str>, Datum);

impl<'a> IntoIterator for &'a Captured {
    type Item = (&'a str, &'a Datum);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, Entry>, fn(&Entry) -> (&str, &Datum)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, datum)| (&**name, datum))
    }
}

impl IntoIterator for Captured {
    type Item = Entry;
    type IntoIter = std::vec::IntoIter<Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Datum {
        Datum::Text(text.to_owned())
    }

    #[test]
    fn whatever_the_order_of_insertion_names_come_sorted_and_once() {
        let mut data = Captured::from([("user", text("a")), ("ip4", text("b"))]);
        assert_eq!(data.insert("dns", text("c")), None);
        assert_eq!(data.insert("user", text("d")), Some(text("a")));
        let names: Vec<&str> = data.keys().collect();
        assert_eq!(names, ["dns", "ip4", "user"]);
        assert_eq!((&data["user"], data.get("fid")), (&text("d"), None));
        assert_eq!(data.remove("ip4"), Some(text("b")));
        assert_eq!(
            data,
            Captured::from([("user", text("d")), ("dns", text("c"))])
        );
    }
}
