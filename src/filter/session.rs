//! Sessions over several lines: what `<F-MLFID>` ties together.
//!
//! Lines of one connection carry one key. Some only help (`<F-NOFAIL>`): they tell the address or
//! the user. A login (`<F-MLFGAINED>`) is forgiven unless other users were tried; the end of the
//! connection (`<F-MLFFORGET>`) ends the session. Failures without an ID wait for the line that has
//! it.

use std::collections::{HashMap, VecDeque};

use super::groups::{is_set, text};
use crate::model::{Captured, Datum, MatchedLine, Span, Time};

/// Sessions kept, and for how long: fail2ban's numbers.
const SESSIONS: usize = 100;
const AGE: Span = Span::from_secs(300);
/// Lines kept of one session; the oldest go. A client can make it last and talk on.
const LINES: usize = 100;

/// What the filter does with a line of a session.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Merged {
    /// All that is known of the session by now.
    pub(super) data: Captured,
    pub(super) lines: Vec<MatchedLine>,
    /// No failure, as far as is known.
    pub(super) nofail: bool,
}

/// The open sessions of a filter, by their key.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    open: HashMap<String, Open>,
    /// Oldest first; sessions that ended may still be in it.
    order: VecDeque<(String, u64)>,
    begun: u64,
}

#[derive(Clone, Debug, Default)]
struct Open {
    session: Session,
    until: Time,
    /// Which in the order of all sessions.
    number: u64,
}

#[derive(Clone, Debug, Default)]
struct Session {
    data: Captured,
    users: Vec<String>,
    lines: Vec<MatchedLine>,
    /// Of lines that only helped; they come first when a failure follows.
    helpers: Vec<MatchedLine>,
    /// There is a failure without an ID.
    pending: bool,
}

impl Sessions {
    /// Takes a line's captured data into its session.
    pub(super) fn merge(
        &mut self,
        key: &str,
        mut data: Captured,
        matched: Vec<MatchedLine>,
        now: Time,
    ) -> Merged {
        let mut gained = is_set(&data, "mlfgained");
        let forget = data.remove("mlfforget").is_some_and(|datum| match datum {
            Datum::Text(text) => !text.is_empty(),
            Datum::List(_) => true,
        });
        if gained
            && !is_set(&data, "nofail")
            && let Some(login) = data.get("mlfgained").cloned()
        {
            data.insert("nofail".to_owned(), login);
        }
        let mut nofail = is_set(&data, "nofail");
        let user = text(&data, "user").filter(|user| !user.is_empty());
        let user = user.map(str::to_owned);
        let (known, mut session) = match self.take(key, now) {
            Some(mut session) => {
                session.add_user(user);
                session.follow(data, gained);
                (true, session)
            }
            None => {
                let mut session = Session {
                    data,
                    ..Session::default()
                };
                if !forget {
                    session.add_user(user);
                }
                (false, session)
            }
        };
        let tried_others = session.users.len() > 1;
        if std::mem::take(&mut session.pending) || tried_others {
            session.data.remove("nofail");
            session.data.remove("mlfgained");
            (nofail, gained) = (false, false);
        }
        if !nofail {
            let earlier = std::mem::take(&mut session.lines);
            session.lines = std::mem::take(&mut session.helpers);
            session.lines.extend(earlier);
            if !gained {
                session.lines.extend(matched);
            }
        } else if !forget {
            session.helpers.extend(matched);
        }
        session.bound();
        let merged = session.merged();
        if forget {
            self.open.remove(key);
        } else {
            self.put(key, session, known, now);
        }
        merged
    }

    /// The line just merged is a failure whose ID is still missing.
    pub(super) fn wait(&mut self, key: &str) {
        if let Some(open) = self.open.get_mut(key) {
            open.session.pending = true;
        }
    }

    fn take(&mut self, key: &str, now: Time) -> Option<Session> {
        let open = self.open.get_mut(key)?;
        if open.until > now {
            return Some(std::mem::take(&mut open.session));
        }
        self.open.remove(key);
        None
    }

    fn put(&mut self, key: &str, session: Session, known: bool, now: Time) {
        if known {
            // How long a session is kept counts from its first line.
            if let Some(open) = self.open.get_mut(key) {
                open.session = session;
            }
            return;
        }
        while self.open.len() >= SESSIONS {
            let Some((oldest, number)) = self.order.pop_front() else {
                break;
            };
            if self.is_open(&oldest, number) {
                self.open.remove(&oldest);
            }
        }
        if self.order.len() > 2 * SESSIONS {
            let order = std::mem::take(&mut self.order);
            self.order = order
                .into_iter()
                .filter(|(key, number)| self.is_open(key, *number))
                .collect();
        }
        self.begun += 1;
        self.order.push_back((key.to_owned(), self.begun));
        let open = Open {
            session,
            until: now + AGE,
            number: self.begun,
        };
        self.open.insert(key.to_owned(), open);
    }

    fn is_open(&self, key: &str, number: u64) -> bool {
        self.open.get(key).is_some_and(|open| open.number == number)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}

impl Session {
    fn add_user(&mut self, user: Option<String>) {
        if let Some(user) = user
            && !self.users.contains(&user)
        {
            self.users.push(user);
        }
    }

    /// Another line of a known session.
    fn follow(&mut self, data: Captured, gained: bool) {
        self.data.remove("nofail");
        self.data.remove("mlfgained");
        if gained {
            self.pending = false;
        }
        // Lines reported with an earlier failure are not reported again. (There are none while the
        // session has only helper lines.)
        if !self.pending {
            self.lines.clear();
        }
        self.data.extend(data);
    }

    fn bound(&mut self) {
        for lines in [&mut self.lines, &mut self.helpers] {
            let surplus = lines.len().saturating_sub(LINES);
            lines.drain(..surplus);
        }
    }

    fn merged(&self) -> Merged {
        let mut data = self.data.clone();
        if !self.users.is_empty() {
            data.insert("users".to_owned(), Datum::List(self.users.clone()));
        }
        Merged {
            nofail: is_set(&data, "nofail"),
            data,
            lines: self.lines.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
