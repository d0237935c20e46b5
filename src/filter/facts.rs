//! What is known of a line or session, by name: the flat form of [`Captured`].
//!
//! Names are numbers, values stand one behind the other in one text, so that the lines that are no
//! failures — most of them — cost no allocation. [`Captured`] is made of it when a failure is
//! reported.

use std::ops::Range;
use std::sync::Arc;

use super::texts::Texts;
use crate::model::{Captured, Datum};

/// A name by its number in [`Names`].
pub(super) type Name = u16;

/// The names that mean something to the filter, by their place here.
const KNOWN: [&str; 12] = [
    "cidr",
    "dns",
    "fid",
    "ip4",
    "ip6",
    "mlfforget",
    "mlfgained",
    "mlfid",
    "nofail",
    "user",
    "content",
    "users",
];

pub(super) const CIDR: Name = 0;
pub(super) const DNS: Name = 1;
pub(super) const FID: Name = 2;
pub(super) const IP4: Name = 3;
pub(super) const IP6: Name = 4;
pub(super) const MLFFORGET: Name = 5;
pub(super) const MLFGAINED: Name = 6;
pub(super) const MLFID: Name = 7;
pub(super) const NOFAIL: Name = 8;
pub(super) const USER: Name = 9;
/// What prefregex leaves for failregex; no fact of a failure.
pub(super) const CONTENT: Name = 10;
/// Those tried in a session, where it knows some.
const USERS: Name = 11;

/// Values no longer used may take up this much before room is made.
const WASTE: usize = 1024;
/// Memory kept for facts to come.
const KEPT: usize = 4096;

/// The names of all groups of a filter.
#[derive(Clone, Debug)]
pub(super) struct Names {
    names: Vec<Arc<str>>,
    /// All of them and that of the session's users, in order.
    sorted: Vec<Name>,
}

impl Default for Names {
    fn default() -> Self {
        let mut names = Self {
            names: Vec::new(),
            sorted: Vec::new(),
        };
        for name in KNOWN {
            names.add(name);
        }
        names
    }
}

impl Names {
    /// The number of a name, a new one if need be.
    pub(super) fn add(&mut self, name: &str) -> Name {
        let known = self.names.iter().position(|known| **known == *name);
        let index = known.unwrap_or_else(|| {
            self.names.push(name.into());
            let mut sorted: Vec<Name> = (0..self.names.len() as Name).collect();
            sorted.sort_by_key(|&name| &self.names[usize::from(name)]);
            self.sorted = sorted;
            self.names.len() - 1
        });
        // A pattern's size is limited, so are its groups, and 65,535 names are far beyond.
        Name::try_from(index).unwrap_or(Name::MAX)
    }

    /// The facts as a failure reports them, with the users of its session.
    pub(super) fn captured(&self, facts: &Facts, users: Option<&Texts>) -> Captured {
        let users = users.filter(|users| !users.is_empty());
        let mut data = Vec::with_capacity(facts.count() + 1);
        for &name in &self.sorted {
            let datum = match (users, facts.get(name)) {
                (Some(users), _) if name == USERS => {
                    Datum::List(users.iter().map(str::to_owned).collect())
                }
                (_, Some(Fact::Text(text))) => Datum::Text(text.to_owned()),
                (_, Some(Fact::List(list))) => Datum::List(list.to_vec()),
                (_, None) => continue,
            };
            data.push((Arc::clone(&self.names[usize::from(name)]), datum));
        }
        Captured::sorted(data)
    }

    /// Of the facts, only whether they are no failure (`nofail`).
    pub(super) fn briefly(&self, facts: &Facts) -> Captured {
        let text = facts.get(NOFAIL).map(|fact| match fact {
            Fact::Text(text) => Datum::Text(text.to_owned()),
            Fact::List(list) => Datum::List(list.to_vec()),
        });
        let name = Arc::clone(&self.names[usize::from(NOFAIL)]);
        Captured::sorted(text.map(|text| (name, text)).into_iter().collect())
    }
}

/// One value, see [`Datum`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact<'a> {
    Text(&'a str),
    List(&'a [String]),
}

impl Fact<'_> {
    pub(super) const fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::List(list) => list.is_empty(),
        }
    }
}

/// Values by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    text: String,
    /// By name: where its value stands in `text`; [`UNSET`] for none.
    places: Vec<(u32, u32)>,
    /// Values that are lists; few filters have them.
    lists: Vec<(Name, Vec<String>)>,
}

const UNSET: (u32, u32) = (u32::MAX, u32::MAX);

impl Facts {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(KEPT);
        self.places.fill(UNSET);
        self.lists.clear();
    }

    fn count(&self) -> usize {
        let places = self.places.iter().filter(|&&place| place != UNSET);
        places.count() + self.lists.len()
    }

    #[inline]
    pub(super) fn get(&self, name: Name) -> Option<Fact<'_>> {
        if let Some(text) = self.text(name) {
            return Some(Fact::Text(text));
        }
        if self.lists.is_empty() {
            return None;
        }
        let (_, list) = self.lists.iter().find(|(known, _)| *known == name)?;
        Some(Fact::List(list))
    }

    /// The value of `name`, where it is a text.
    #[inline]
    pub(super) fn text(&self, name: Name) -> Option<&str> {
        let place = self.place(name)?;
        self.text.get(place)
    }

    fn place(&self, name: Name) -> Option<Range<usize>> {
        let &(start, end) = self.places.get(usize::from(name))?;
        ((start, end) != UNSET).then_some(start as usize..end as usize)
    }

    /// Whether `name` has a value that is not empty: what Python takes for true.
    pub(super) fn is_set(&self, name: Name) -> bool {
        match self.places.get(usize::from(name)) {
            Some(&(start, end)) if end != start => true,
            _ => !self.lists.is_empty() && self.get(name).is_some_and(|fact| !fact.is_empty()),
        }
    }

    #[inline]
    pub(super) fn put(&mut self, name: Name, value: &str) {
        self.drop_list(name);
        let start = self.text.len() as u32;
        self.text.push_str(value);
        *self.entry(name) = (start, self.text.len() as u32);
    }

    pub(super) fn put_list(&mut self, name: Name, value: Vec<String>) {
        self.remove(name);
        self.lists.push((name, value));
    }

    /// The value of `from` becomes that of `to`, too.
    pub(super) fn copy(&mut self, from: Name, to: Name) {
        if let Some(place) = self.place(from) {
            self.drop_list(to);
            *self.entry(to) = (place.start as u32, place.end as u32);
        } else if let Some(Fact::List(list)) = self.get(from) {
            let list = list.to_vec();
            self.put_list(to, list);
        }
    }

    pub(super) fn remove(&mut self, name: Name) {
        if let Some(place) = self.places.get_mut(usize::from(name)) {
            *place = UNSET;
        }
        self.drop_list(name);
    }

    /// Takes over all values of `other`.
    pub(super) fn extend(&mut self, other: &Self) {
        for (name, &(start, end)) in (0..).zip(&other.places) {
            if (start, end) != UNSET {
                self.put(name, &other.text[start as usize..end as usize]);
            }
        }
        for (name, list) in &other.lists {
            self.put_list(*name, list.clone());
        }
        self.tidy();
    }

    #[inline]
    fn entry(&mut self, name: Name) -> &mut (u32, u32) {
        let index = usize::from(name);
        if index >= self.places.len() {
            self.places.resize(index + 1, UNSET);
        }
        &mut self.places[index]
    }

    #[inline]
    fn drop_list(&mut self, name: Name) {
        if !self.lists.is_empty() {
            self.lists.retain(|(known, _)| *known != name);
        }
    }

    /// Leaves out the values that were replaced, once they are many.
    fn tidy(&mut self) {
        if self.text.len() < WASTE {
            return;
        }
        let places = self.places.iter().filter(|&&place| place != UNSET);
        let used: usize = places.map(|&(start, end)| (end - start) as usize).sum();
        if self.text.len() < 2 * used + WASTE {
            return;
        }
        let mut text = String::with_capacity(used);
        for place in self.places.iter_mut().filter(|place| **place != UNSET) {
            let start = text.len() as u32;
            text.push_str(&self.text[place.0 as usize..place.1 as usize]);
            *place = (start, text.len() as u32);
        }
        self.text = text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_names_have_their_numbers() {
        let mut names = Names::default();
        for (name, number) in [
            ("cidr", CIDR),
            ("dns", DNS),
            ("fid", FID),
            ("ip4", IP4),
            ("ip6", IP6),
            ("mlfforget", MLFFORGET),
            ("mlfgained", MLFGAINED),
            ("mlfid", MLFID),
            ("nofail", NOFAIL),
            ("user", USER),
            ("content", CONTENT),
            ("users", USERS),
            ("of my own", 12),
        ] {
            assert_eq!(names.add(name), number, "{name}");
        }
    }

    #[test]
    fn a_later_value_takes_the_place_of_an_earlier_one() {
        let mut facts = Facts::default();
        facts.put(USER, "a");
        facts.put_list(FID, vec!["x".to_owned()]);
        let mut later = Facts::default();
        later.put(USER, "");
        later.put(FID, "y");
        facts.extend(&later);
        assert_eq!(facts.get(USER), Some(Fact::Text("")));
        assert!(!facts.is_set(USER) && facts.is_set(FID));
        assert_eq!(facts.get(FID), Some(Fact::Text("y")));
        facts.remove(FID);
        assert_eq!(facts.get(FID), None);
    }

    #[test]
    fn replaced_values_do_not_pile_up() {
        let mut facts = Facts::default();
        let mut line = Facts::default();
        line.put(IP4, "192.0.2.5");
        facts.put(USER, "root");
        for _ in 0..10_000 {
            facts.extend(&line);
            assert!(facts.text.len() <= 2 * WASTE);
        }
        assert_eq!(facts.text(USER), Some("root"));
        assert_eq!(facts.text(IP4), Some("192.0.2.5"));
    }
}
