//! What a match captured, by name: fail2ban's `groupdict` with its composed names.
//!
//! `alt_user`, `alt_user_1` stand in for an empty `user`; `tuple_id`, `tuple_id_1` make `id` a list.

use crate::model::{Captured, Datum};
use crate::pattern::{Regex, Slots};

/// The named groups of one regular expression.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    plain: Vec<(Box<str>, usize)>,
    /// (group, the name it stands in for), by group name.
    alternatives: Vec<(Box<str>, Box<str>)>,
    /// (group, the name it is a part of), by group name.
    parts: Vec<(Box<str>, Box<str>)>,
}

impl Groups {
    pub(super) fn of(regex: &Regex) -> Self {
        let mut groups = Self::default();
        for (name, slot) in regex.groups() {
            groups.plain.push((name.clone(), *slot));
            if let Some(target) = name.strip_prefix("alt_") {
                groups.alternatives.push((name.clone(), base(target)));
            } else if let Some(target) = name.strip_prefix("tuple_") {
                groups.parts.push((name.clone(), base(target)));
            }
        }
        groups.alternatives.sort();
        groups.parts.sort();
        groups
    }

    /// The slot of the group `name`.
    pub(super) fn slot(&self, name: &str) -> Option<usize> {
        let (_, slot) = self.plain.iter().find(|(known, _)| **known == *name)?;
        Some(*slot)
    }

    /// Adds what was captured in `text` to `data`; groups that took no part leave it as it is.
    pub(super) fn collect(&self, text: &str, slots: &Slots, data: &mut Captured) {
        if self.alternatives.is_empty() && self.parts.is_empty() {
            return self.collect_plain(text, slots, data);
        }
        let mut own = Captured::new();
        self.collect_plain(text, slots, &mut own);
        for (name, target) in &self.alternatives {
            if let Some(value) = own.get(&**name).filter(|value| !is_empty(value)).cloned()
                && own.get(&**target).is_none_or(is_empty)
            {
                own.insert(target.to_string(), value);
            }
        }
        for (name, target) in &self.parts {
            // A missing part is Python's None.
            let part = match own.get(&**name) {
                Some(Datum::Text(text)) => text.clone(),
                _ => "None".to_owned(),
            };
            let mut list = match own.remove(&**target) {
                Some(Datum::List(list)) => list,
                Some(Datum::Text(first)) => vec![first],
                None => vec!["None".to_owned()],
            };
            list.push(part);
            own.insert(target.to_string(), Datum::List(list));
        }
        data.extend(own);
    }

    fn collect_plain(&self, text: &str, slots: &Slots, data: &mut Captured) {
        for (name, slot) in &self.plain {
            if let Some(range) = slots.get(*slot) {
                let value = text.get(range).unwrap_or_default().to_owned();
                data.insert(name.to_string(), Datum::Text(value));
            }
        }
    }
}

/// The name without a final `_1`, as the failure's data calls it.
fn base(name: &str) -> Box<str> {
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let name = match digits.strip_suffix('_') {
        Some(stem) if digits.len() < name.len() => stem,
        _ => name,
    };
    match name {
        "id" => "fid".into(),
        "port" => "fport".into(),
        other => other.into(),
    }
}

fn is_empty(datum: &Datum) -> bool {
    match datum {
        Datum::Text(text) => text.is_empty(),
        Datum::List(list) => list.is_empty(),
    }
}

/// The text captured as `name`, where it is one and not empty: what Python takes for true.
pub(super) fn text<'a>(data: &'a Captured, name: &str) -> Option<&'a str> {
    match data.get(name) {
        Some(Datum::Text(text)) => Some(text),
        Some(Datum::List(_)) | None => None,
    }
}

/// Whether `name` was captured and is not empty.
pub(super) fn is_set(data: &Captured, name: &str) -> bool {
    data.get(name).is_some_and(|datum| !is_empty(datum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Options;

    fn captured(regex: &str, line: &str) -> Captured {
        let regex = Regex::new(regex, Options::default()).unwrap();
        let mut slots = Slots::new();
        assert!(regex.search(line, &mut slots), "{line}");
        let mut data = Captured::new();
        Groups::of(&regex).collect(line, &slots, &mut data);
        data
    }

    fn list(texts: &[&str]) -> Datum {
        Datum::List(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn an_alternative_stands_in_for_an_empty_name() {
        let regex = "^<F-USER>\\w*</F-USER>,(?:<F-ALT_USER>\\w*</F-ALT_USER>)?,<F-ALT_USER_1>\\w*</F-ALT_USER_1>$";
        let user = |line| text(&captured(regex, line), "user").unwrap().to_owned();
        assert_eq!(user("a,b,c"), "a");
        assert_eq!(user(",b,c"), "b");
        assert_eq!(user(",,c"), "c");
        assert_eq!(user(",,"), "");
    }

    #[test]
    fn parts_make_a_list_behind_the_name_itself() {
        let regex = "^<F-TUPLE_ID_1>\\S+</F-TUPLE_ID_1> <F-ID/> <F-TUPLE_ID_2>\\S+</F-TUPLE_ID_2>";
        let data = captured(regex, "left 192.0.2.3 right");
        assert_eq!(data["fid"], list(&["192.0.2.3", "left", "right"]));
        let data = captured("^(?:x<F-TUPLE_A>y</F-TUPLE_A>)?<F-ID/>", "z");
        assert_eq!(data["a"], list(&["None", "None"]));
    }

    #[test]
    fn groups_without_a_part_in_the_match_change_nothing() {
        let data = captured("^(?:<ADDR>|<F-ID>\\w+</F-ID>)$", "someone");
        assert_eq!(data.len(), 1);
        assert_eq!(text(&data, "fid"), Some("someone"));
    }
}
