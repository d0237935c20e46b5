//! Why somebody is never banned, for whoever asks: the very word or rule, without changing anything.

use std::sync::Arc;

use super::{Entry, Ignore, our_own};
use crate::model::{Failure, Network, Time};

/// What an ID's failures would be ignored by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// `ignoreself`, or that we never ban ourselves: this address of this machine.
    Itself(Network),
    /// A word of `ignoreip`, as written there.
    Word(String),
    /// A word of `ignoreip` that is a name, and nobody has looked it up yet.
    Unknown(String),
    /// The command that decides; it has not been asked.
    Command(Arc<str>),
}

/// All there is to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excuses {
    /// What `ignorecache` says instead of asking again, and until when.
    pub cached: Option<(bool, Time)>,
    /// What decides where the cache says nothing.
    pub first: Option<Excuse>,
}

impl Ignore {
    /// What [`Ignore::judge`] would find, in its order.
    pub fn excuses(&self, failure: &Failure, own: &[Network], now: Time) -> Excuses {
        Excuses {
            cached: self.cache.as_ref().and_then(|cache| {
                let (ignored, until) = cache.answers.get(&cache.key(failure))?;
                (*until > now).then_some((*ignored, *until))
            }),
            first: self.excuse(failure, own),
        }
    }

    fn excuse(&self, failure: &Failure, own: &[Network]) -> Option<Excuse> {
        let network = failure.id.network();
        if let Some(own) = network.and_then(|network| our_own(network, own)) {
            return Some(Excuse::Itself(own));
        }
        if let Some(host) = network.filter(|network| self.hosts.contains(network)) {
            return Some(Excuse::Word(host.to_string()));
        }
        let covers = |entry: &&Entry| entry.covers(&failure.id) == Some(true);
        if let Some(entry) = self.entries.iter().find(covers) {
            return Some(Excuse::Word(entry.word()));
        }
        let unknown = |entry: &&Entry| entry.covers(&failure.id).is_none();
        if let Some(entry) = self.entries.iter().find(unknown) {
            return Some(Excuse::Unknown(entry.word()));
        }
        (!self.command.is_empty()).then(|| Excuse::Command(Arc::clone(&self.command)))
    }
}
