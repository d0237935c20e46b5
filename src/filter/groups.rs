//! What a match captured, by name: fail2ban's `groupdict` with its composed names.
//!
//! `alt_user`, `alt_user_1` stand in for an empty `user`; `tuple_id`, `tuple_id_1` make `id` a list.

use super::facts::{CONTENT, Fact, Facts, Name, Names};
use crate::pattern::{Regex, Slots};

/// The named groups of one regular expression.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    /// (the fact, its slot).
    plain: Vec<(Name, usize)>,
    /// (group, the name it stands in for), by group name.
    alternatives: Vec<(Name, Name)>,
    /// (group, the name it is a part of), by group name.
    parts: Vec<(Name, Name)>,
    /// Alternatives for which a look at the slots is enough: one slot per name.
    plain_alternatives: Vec<Alternative>,
    /// The slot of `<F-CONTENT>`.
    content: Option<usize>,
    /// The slots of `<SKIPLINES>`, one after the other.
    skipped: Vec<usize>,
}

/// A group that stands in for a name.
#[derive(Clone, Debug)]
struct Alternative {
    slot: usize,
    target: Name,
    /// The target's own slot, and those of the alternatives before this one.
    before: Vec<usize>,
}

impl Groups {
    /// The groups of `regex`, whose names are entered in `names`.
    pub(super) fn of(regex: &Regex, names: &mut Names) -> Self {
        let mut groups = Self {
            content: regex.group("content"),
            skipped: (0..)
                .map_while(|number| regex.group(&format!("skiplines{number}")))
                .collect(),
            ..Self::default()
        };
        let mut sorted: Vec<&str> = regex.groups().iter().map(|(name, _)| &**name).collect();
        sorted.sort_unstable();
        for name in sorted {
            let group = names.add(name);
            if let Some(target) = name.strip_prefix("alt_") {
                groups.alternatives.push((group, names.add(&base(target))));
            } else if let Some(target) = name.strip_prefix("tuple_") {
                groups.parts.push((group, names.add(&base(target))));
            }
        }
        for (name, slot) in regex.groups() {
            groups.plain.push((names.add(name), *slot));
        }
        groups.plain_alternatives = groups.alternatives_by_slot().unwrap_or_default();
        groups
    }

    /// `None` if names have several groups, or stand in for stand-ins.
    fn alternatives_by_slot(&self) -> Option<Vec<Alternative>> {
        let slot = |name: Name| {
            let mut slots = self.plain.iter().filter(|(of, _)| *of == name);
            let first = slots.next();
            slots.next().is_none().then(|| first.map(|&(_, slot)| slot))
        };
        let mut found: Vec<Alternative> = Vec::new();
        for &(name, target) in &self.alternatives {
            if self.alternatives.iter().any(|&(other, _)| other == target) {
                return None;
            }
            let earlier = found.iter().filter(|other| other.target == target);
            let mut before: Vec<usize> = earlier.map(|other| other.slot).collect();
            before.extend(slot(target)?);
            found.push(Alternative {
                slot: slot(name)??,
                target,
                before,
            });
        }
        Some(found)
    }

    /// Without `<F-CONTENT>`, which is no fact of a prefregex.
    pub(super) fn without_content(mut self) -> Self {
        self.plain.retain(|&(name, _)| name != CONTENT);
        self
    }

    pub(super) const fn content(&self) -> Option<usize> {
        self.content
    }

    /// What the `<SKIPLINES>` of a match took, one after the other.
    pub(super) fn skipped(&self, text: &str, slots: &Slots) -> String {
        let texts = self.skipped.iter();
        texts
            .filter_map(|&slot| text.get(slots.get(slot)?))
            .collect()
    }

    /// Adds what was captured in `text` to `facts`; groups that took no part leave it as it is.
    /// `own` is memory to work in.
    pub(super) fn collect(&self, text: &str, slots: &Slots, facts: &mut Facts, own: &mut Facts) {
        if self.alternatives.is_empty() && self.parts.is_empty() {
            return self.collect_plain(text, slots, facts);
        }
        if self.parts.is_empty() && !self.plain_alternatives.is_empty() {
            self.collect_plain(text, slots, facts);
            let value = |slot| slots.get(slot).and_then(|range| text.get(range));
            for alternative in &self.plain_alternatives {
                let is_set = |&slot: &usize| value(slot).is_some_and(|value| !value.is_empty());
                if is_set(&alternative.slot) && !alternative.before.iter().any(is_set) {
                    facts.put(
                        alternative.target,
                        value(alternative.slot).unwrap_or_default(),
                    );
                }
            }
            return;
        }
        own.clear();
        self.collect_plain(text, slots, own);
        for &(name, target) in &self.alternatives {
            if own.is_set(name) && !own.is_set(target) {
                own.copy(name, target);
            }
        }
        for &(name, target) in &self.parts {
            // A missing part is Python's None.
            let part = own.text(name).unwrap_or("None").to_owned();
            let mut list = match own.get(target) {
                Some(Fact::List(list)) => list.to_vec(),
                Some(Fact::Text(first)) => vec![first.to_owned()],
                None => vec!["None".to_owned()],
            };
            list.push(part);
            own.put_list(target, list);
        }
        facts.extend(own);
    }

    fn collect_plain(&self, text: &str, slots: &Slots, facts: &mut Facts) {
        for &(name, slot) in &self.plain {
            if let Some(range) = slots.get(slot) {
                facts.put(name, text.get(range).unwrap_or_default());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Captured, Datum};
    use crate::pattern::Options;

    fn captured(regex: &str, line: &str) -> Captured {
        let regex = Regex::new(regex, Options::default()).unwrap();
        let mut slots = Slots::new();
        assert!(regex.search(line, &mut slots), "{line}");
        let (mut names, mut facts) = (Names::default(), Facts::default());
        let groups = Groups::of(&regex, &mut names);
        groups.collect(line, &slots, &mut facts, &mut Facts::default());
        names.captured(&facts, None)
    }

    fn text(text: &str) -> Datum {
        Datum::Text(text.to_owned())
    }

    fn list(texts: &[&str]) -> Datum {
        Datum::List(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn an_alternative_stands_in_for_an_empty_name() {
        let regex = "^<F-USER>\\w*</F-USER>,(?:<F-ALT_USER>\\w*</F-ALT_USER>)?,<F-ALT_USER_1>\\w*</F-ALT_USER_1>$";
        let user = |line| captured(regex, line)["user"].clone();
        assert_eq!(user("a,b,c"), text("a"));
        assert_eq!(user(",b,c"), text("b"));
        assert_eq!(user(",,c"), text("c"));
        assert_eq!(user(",,"), text(""));
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
        assert_eq!(data["fid"], text("someone"));
    }
}
