//! What the registries know of an address: RFC 3912, with referrals from registry to registry.
//!
//! Answers are kept by the network they are about, a server is asked one thing at a time and not
//! too often, and what comes back is bounded in steps, bytes and time. Callers wait: it is for
//! threads that nobody waits for.

mod memory;
mod query;
mod text;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use memory::{Memory, Turn};
use query::Answered;

/// Each step's limit.
const STEP: Duration = Duration::from_secs(5);
/// IANA, a regional registry, a national one, an owner's: more is a loop.
const STEPS: usize = 5;
/// How long a question may wait for its turn at a server, over all steps.
const PATIENCE: Duration = Duration::from_secs(30);
/// Knows who knows.
const ROOT: &str = "whois.iana.org";

/// Why whois has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhoisError {
    /// A server that does not answer, and why.
    Silent { server: String, why: String },
    /// So many ask this server that there was no turn.
    Busy { server: String },
}

impl fmt::Display for WhoisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent { server, why } => write!(f, "{server} does not answer: {why}"),
            Self::Busy { server } => write!(f, "{server} has been asked too much lately"),
        }
    }
}

impl std::error::Error for WhoisError {}

/// What is known about an address: the answer of the last server that has one.
///
/// It blocks, [`STEP`] for each server at most and [`PATIENCE`] for those who were first. A
/// `server` given (`host` or `host:port`) is the only one asked. Private addresses are no
/// registry's: nobody but such a server is asked about them.
///
/// # Errors
/// When no server answers.
pub fn ask(address: IpAddr, server: Option<&str>) -> Result<String, WhoisError> {
    static SHARED: OnceLock<Whois> = OnceLock::new();
    let whois = SHARED.get_or_init(Whois::default);
    whois.look_up(address.to_canonical(), server, &mut query::query)
}

/// Asks a server about an address; last comes the address of the server that referred to it.
type Ask<'a> = dyn FnMut(&str, IpAddr, Option<IpAddr>) -> io::Result<Answered> + 'a;

/// All questions of this process.
#[derive(Debug, Default)]
struct Whois {
    memory: Mutex<Memory>,
    /// A server has been asked.
    free: Condvar,
}

impl Whois {
    fn look_up(
        &self,
        address: IpAddr,
        server: Option<&str>,
        ask: &mut Ask<'_>,
    ) -> Result<String, WhoisError> {
        if server.is_none() && !text::is_public(address) {
            return Ok(format!(
                "{address} is an address of a private network: no registry knows whose.\n"
            ));
        }
        let first = server.unwrap_or(ROOT).to_ascii_lowercase();
        let patience = query::now() + PATIENCE;
        let mut asked: Vec<String> = Vec::new();
        let mut best: Option<String> = None;
        let mut from = None;
        let mut next = first.clone();
        loop {
            // A failure further on is told below what is known.
            let answer = match self.step(&next, address, server, patience) {
                Step::Known(known) => return known,
                Step::Go => self.query(&next, address, from, ask),
                Step::Refused(error) => Err(error),
            };
            match answer {
                Ok(answer) => {
                    best = Some(text::plain(&answer.text, answer.cut));
                    from = Some(answer.from);
                }
                Err(error) => {
                    let outcome = match best {
                        Some(best) => Ok(format!("{best}\n({error})\n")),
                        None => Err(error),
                    };
                    return self.keep(address, server, outcome);
                }
            }
            asked.push(next);
            let text = best.as_deref().unwrap_or_default();
            match text::referral(text) {
                Some(referred)
                    if server.is_none() && asked.len() < STEPS && !asked.contains(&referred) =>
                {
                    next = referred;
                }
                Some(_) | None => {
                    return self.keep(address, server, Ok(best.unwrap_or_default()));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn at a server; another's answer may make it needless.
    fn step(&self, name: &str, address: IpAddr, server: Option<&str>, patience: Instant) -> Step {
        let mut memory = self.lock();
        loop {
            let now = query::now();
            if let Some(known) = memory.find(address, server, now) {
                return Step::Known(known);
            }
            let until = match memory.turn(name, now) {
                Turn::Now => return Step::Go,
                Turn::Silent(error) => return Step::Refused(error),
                Turn::Never => None,
                Turn::Wait(until) => Some(until.map_or(patience, |until| until.min(patience))),
            };
            let Some(until) = until.filter(|_| now < patience) else {
                let server = name.to_owned();
                return Step::Refused(WhoisError::Busy { server });
            };
            let wait = until.saturating_duration_since(now);
            (memory, _) = self
                .free
                .wait_timeout(memory, wait)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn query(
        &self,
        name: &str,
        address: IpAddr,
        from: Option<IpAddr>,
        ask: &mut Ask<'_>,
    ) -> Result<Answered, WhoisError> {
        let answer = ask(name, address, from).map_err(|error| WhoisError::Silent {
            server: name.to_owned(),
            why: error.to_string(),
        });
        self.lock().asked(name, answer.as_ref().err(), query::now());
        self.free.notify_all();
        answer
    }

    fn keep(
        &self,
        address: IpAddr,
        server: Option<&str>,
        outcome: Result<String, WhoisError>,
    ) -> Result<String, WhoisError> {
        // What somebody else's haste has brought is no answer.
        if !matches!(outcome, Err(WhoisError::Busy { .. })) {
            self.lock().keep(address, server, &outcome, query::now());
            self.free.notify_all();
        }
        outcome
    }
}

/// What a question may do next.
enum Step {
    Known(Result<String, WhoisError>),
    Go,
    Refused(WhoisError),
}

#[cfg(test)]
mod tests;
