//! In which order `-o row` shows what was captured: that of fail2ban's dictionary.
//!
//! A line has the groups of prefregex, then those of the failregex that are new, all of them. A
//! session has those of its first line, then what later lines add; `nofail` and `mlfgained` are
//! the last line's.

use std::collections::VecDeque;

use crate::model::{Captured, Datum};
use crate::pattern::Regex;

/// Sessions whose order is kept: more than a filter keeps open.
const SESSIONS: usize = 400;
/// No data of a row: what prefregex leaves, and the end of a session.
const HIDDEN: [&str; 2] = ["content", "mlfforget"];
/// Of a session only the last line's count.
const OF_A_LINE: [&str; 2] = ["nofail", "mlfgained"];

pub(super) struct Rows {
    /// By failregex.
    groups: Vec<Vec<String>>,
    /// The newest last.
    sessions: VecDeque<Session>,
}

struct Session {
    mlfid: String,
    /// Names in their order, and whether they have had a value.
    names: Vec<(String, bool)>,
}

impl Rows {
    pub(super) fn new(prefregex: Option<&Regex>, failregex: &[Regex]) -> Self {
        let groups = |regex: &Regex| {
            let mut names: Vec<String> = Vec::new();
            for (name, _) in prefregex.into_iter().chain([regex]).flat_map(Regex::groups) {
                if !HIDDEN.contains(&&**name) && !names.iter().any(|known| *known == **name) {
                    names.push(name.to_string());
                }
            }
            names
        };
        Self {
            groups: failregex.iter().map(groups).collect(),
            sessions: VecDeque::new(),
        }
    }

    /// The names of a match's data in their order, those without a value too.
    pub(super) fn names(&mut self, regex: usize, data: &Captured) -> Vec<String> {
        let own = self.groups.get(regex).map_or(&[][..], Vec::as_slice);
        let Some(Datum::Text(mlfid)) = data.get("mlfid") else {
            return with_rest(own.to_vec(), data);
        };
        let known = self.sessions.iter_mut().find(|one| one.mlfid == *mlfid);
        let session = match known.filter(|session| session.goes_on(data)) {
            Some(session) => {
                session.follow(own, data);
                session
            }
            None => {
                self.sessions.retain(|session| session.mlfid != *mlfid);
                if self.sessions.len() >= SESSIONS {
                    self.sessions.pop_front();
                }
                let names = own.iter().map(|name| (name.clone(), false)).collect();
                self.sessions.push_back(Session {
                    mlfid: mlfid.clone(),
                    names,
                });
                let last = self.sessions.len() - 1;
                &mut self.sessions[last]
            }
        };
        session.note(data);
        session.names.iter().map(|(name, _)| name.clone()).collect()
    }
}

impl Session {
    /// Nothing it knew is lost; else it ended, and this is another of the same name.
    fn goes_on(&self, data: &Captured) -> bool {
        let kept = |name: &str| OF_A_LINE.contains(&name) || data.contains_key(name);
        self.names.iter().all(|(name, had)| !had || kept(name))
    }

    /// Another line: its users first, then what its regular expression found.
    fn follow(&mut self, own: &[String], data: &Captured) {
        self.names
            .retain(|(name, _)| !OF_A_LINE.contains(&name.as_str()));
        for name in ["users"].into_iter().chain(own.iter().map(String::as_str)) {
            if data.contains_key(name) && !self.names.iter().any(|(known, _)| known == name) {
                self.names.push((name.to_owned(), true));
            }
        }
    }

    fn note(&mut self, data: &Captured) {
        let names: Vec<String> = self.names.iter().map(|(name, _)| name.clone()).collect();
        self.names = with_rest(names, data)
            .into_iter()
            .map(|name| {
                let has = data.contains_key(&name);
                (name, has)
            })
            .collect();
    }
}

/// What is not a group comes behind: `users`, and what `alt_…` and `tuple_…` lead to.
fn with_rest(mut names: Vec<String>, data: &Captured) -> Vec<String> {
    for name in data.keys() {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}
