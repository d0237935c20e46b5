//! Bans ended by hand: of IDs, of all within a network, and of host names, whose addresses are asked
//! for first while everybody else goes on.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::ending::Outcome;
use super::socket::Answer;
use super::state::{Daemon, Message};
use crate::dns::{self, Asker};
use crate::model::FailId;
use crate::protocol::Value;

/// Names and the addresses they came to.
type Names = Arc<Mutex<Vec<(String, Vec<IpAddr>)>>>;

/// How many bans were ended, and the words that ended none.
pub(super) struct Unbanned {
    pub(super) count: usize,
    pub(super) absent: Vec<Value>,
}

impl Daemon {
    /// Ends the bans of `ids` in `jails`; what comes of it is answered by `tell`.
    pub(super) fn unban(
        &mut self,
        jails: Vec<Arc<str>>,
        ids: Vec<String>,
        tell: impl FnOnce(Unbanned) -> Answer + Send + 'static,
    ) -> Outcome {
        let names = Names::default();
        let mut on = Vec::new();
        for text in &ids {
            let id = FailId::parse(text);
            let banned = |jail: &Arc<str>| self.bans(jail, &id);
            // An address is itself; so is an ID that is banned as it stands.
            if id.network().is_some() || jails.iter().all(banned) {
                continue;
            }
            let key = self.endings.also(text);
            on.push(key.clone());
            let (outlet, known) = (self.outlet.clone(), Arc::clone(&names));
            dns::system().addresses(text, Asker::Operator, move |name, answer| {
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                known.push((name.to_owned(), answer.addresses.clone()));
                drop(known);
                outlet.send(Message::Ended(key));
            });
        }
        if on.is_empty() {
            return Outcome::Now(tell(self.unban_now(&jails, &ids, &[])));
        }
        Outcome::When(
            on,
            Box::new(move |daemon| {
                let known = names.lock().unwrap_or_else(PoisonError::into_inner);
                Outcome::Now(tell(daemon.unban_now(&jails, &ids, &known)))
            }),
        )
    }

    fn bans(&self, jail: &str, id: &FailId) -> bool {
        let member = self.engine.member(jail);
        member.is_some_and(|member| member.jail.bans().contains(id))
    }

    fn unban_now(
        &mut self,
        jails: &[Arc<str>],
        ids: &[String],
        names: &[(String, Vec<IpAddr>)],
    ) -> Unbanned {
        let (mut count, mut absent) = (0, Vec::new());
        for text in ids {
            let known = names.iter().find(|(name, _)| name == text);
            let addresses = known.map_or(&[][..], |(_, addresses)| addresses);
            let before = count;
            for jail in jails {
                count += self.unban_in(jail, text, addresses);
            }
            if count == before {
                absent.push(Value::Str(text.clone()));
            }
        }
        Unbanned { count, absent }
    }

    /// In one jail: the ID itself, or else what its name's addresses have there.
    fn unban_in(&mut self, jail: &str, text: &str, addresses: &[IpAddr]) -> usize {
        let id = FailId::parse(text);
        let mut ids: Vec<FailId> = Vec::new();
        if !self.bans(jail, &id) {
            let named = addresses.iter().map(|ip| FailId::parse(&ip.to_string()));
            ids.extend(named.filter(|id| self.bans(jail, id)));
        }
        if ids.is_empty() {
            ids.push(id);
        }
        let ended = self.with_jail(jail, |jail, turn| {
            ids.iter().map(|id| jail.unban(id, turn)).sum()
        });
        ended.unwrap_or(0)
    }
}
