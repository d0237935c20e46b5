//! Names to addresses, off every hot path: a few threads, a bounded queue and a cache.
//!
//! Used for host names in log lines (`usedns`) and in `ignoreip`. The system's resolver
//! (`getaddrinfo`) is asked, so that /etc/hosts and nsswitch.conf count as they do for fail2ban.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::clock;
use crate::model::{Span, Time};

/// fail2ban's DNS cache keeps 5 minutes and 1000 names.
const CACHE_TIME: Span = Span::from_secs(300);
const CACHE_NAMES: usize = 1000;
/// Names waiting to be asked; what an attacker's log lines add beyond it is not asked at all.
const QUEUE: usize = 1000;
/// A name server that does not answer holds one thread for its time-out, not all of them.
const THREADS: usize = 4;

/// One answer: the addresses, none when the name does not resolve.
pub(super) type Answer = (Arc<str>, Vec<IpAddr>);

/// The resolver's handle; threads start with the first question.
pub(super) struct Resolver {
    shared: Arc<Shared>,
    tell: Arc<dyn Fn(Answer) + Send + Sync>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    asked: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<str>>,
    cache: HashMap<Arc<str>, (Time, Vec<IpAddr>)>,
    threads: usize,
    idle: usize,
    refused: u64,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// `tell` gets every answer, from one of the resolver's threads or from within `ask`.
    pub(super) fn new(tell: impl Fn(Answer) + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::default(),
            tell: Arc::new(tell),
        }
    }

    /// Asks for `name`; the answer comes through `tell`. A question beyond the queue's length is
    /// answered with no addresses.
    pub(super) fn ask(&self, name: &str) {
        let mut state = self.shared.lock();
        let cached = state
            .cache
            .get(name)
            .filter(|(at, _)| clock::now() - *at < CACHE_TIME);
        if let Some((_, addresses)) = cached {
            let answer = (name.into(), addresses.clone());
            drop(state);
            return (self.tell)(answer);
        }
        if state.queue.iter().any(|waiting| &**waiting == name) {
            return;
        }
        if state.queue.len() >= QUEUE {
            state.refused += 1;
            drop(state);
            return (self.tell)((name.into(), Vec::new()));
        }
        state.queue.push_back(name.into());
        if state.idle < state.queue.len() && state.threads < THREADS {
            state.threads += 1;
            let (shared, tell) = (Arc::clone(&self.shared), Arc::clone(&self.tell));
            let started = thread::Builder::new()
                .name("resolver".into())
                .stack_size(256 * 1024)
                .spawn(move || shared.serve(&*tell));
            if started.is_err() {
                state.threads -= 1;
            }
        }
        drop(state);
        self.shared.asked.notify_one();
    }

    /// Forgets all answers (a reload does).
    pub(super) fn clear(&self) {
        self.shared.lock().cache.clear();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, tell: &dyn Fn(Answer)) {
        let mut state = self.lock();
        loop {
            let Some(name) = state.queue.pop_front() else {
                state.idle += 1;
                state = self
                    .asked
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            drop(state);
            let addresses = look_up(&name);
            state = self.lock();
            if state.cache.len() >= CACHE_NAMES {
                let now = clock::now();
                state.cache.retain(|_, (at, _)| now - *at < CACHE_TIME);
                if state.cache.len() >= CACHE_NAMES {
                    state.cache.clear();
                }
            }
            state
                .cache
                .insert(Arc::clone(&name), (clock::now(), addresses.clone()));
            drop(state);
            tell((name, addresses));
            state = self.lock();
        }
    }
}

/// The addresses of `name`, each once, in the resolver's order.
fn look_up(name: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for address in (name, 0).to_socket_addrs().into_iter().flatten() {
        if !found.contains(&address.ip()) {
            found.push(address.ip());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn names_are_answered_once_asked_and_again_from_the_cache() {
        let (send, answers) = mpsc::channel();
        let resolver = Resolver::new(move |answer| send.send(answer).unwrap());
        resolver.ask("localhost");
        let (name, addresses) = answers.recv().unwrap();
        assert_eq!(&*name, "localhost");
        assert!(addresses.iter().any(IpAddr::is_loopback), "{addresses:?}");
        resolver.ask("localhost");
        assert_eq!(
            answers.try_recv().unwrap().1,
            addresses,
            "the second answer needs no thread"
        );
    }

    #[test]
    fn a_name_that_does_not_resolve_has_no_addresses() {
        let (send, answers) = mpsc::channel();
        let resolver = Resolver::new(move |answer| send.send(answer).unwrap());
        resolver.ask("no-such-host.invalid");
        assert!(answers.recv().unwrap().1.is_empty());
    }
}
