//! Names and addresses: what the system's name servers and its hosts file say.
//!
//! One thread asks for the whole process, many questions at a time; it begins with the first one
//! and ends when none has come for a while, so that a daemon that asks nothing pays nothing. What
//! waits, what is remembered and how long an answer may take are bounded: host names come out of
//! logs, and an address's name is written by whoever owns the address.

mod ask;
mod cache;
mod system;
mod worker;

use std::fmt;
use std::net::IpAddr;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::model::{NameAnswer, NameProblem};
use worker::{Question, Shared};

/// The name of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reverse {
    /// A name that leads back to the address.
    Confirmed(String),
    /// A name that leads elsewhere or nowhere: anybody could have written it.
    Unconfirmed(String),
    /// What stands there is no host name; shown with `?` for what a host name cannot hold.
    Unfit(String),
    Nameless,
    /// Nobody said, and why.
    Unknown(String),
}

impl Reverse {
    /// The host name, confirmed or not: letters, digits, `.`, `-` and `_` only.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Confirmed(name) | Self::Unconfirmed(name) => Some(name),
            Self::Unfit(_) | Self::Nameless | Self::Unknown(_) => None,
        }
    }
}

/// As a mail says it, on one line.
impl fmt::Display for Reverse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed(name) => f.write_str(name),
            Self::Unconfirmed(name) => {
                write!(f, "{name} (not confirmed: that name has other addresses)")
            }
            Self::Unfit(text) => write!(f, "none (what stands there is no host name: {text})"),
            Self::Nameless => f.write_str("none"),
            Self::Unknown(why) => write!(f, "not known ({why})"),
        }
    }
}

/// Who asks for a name's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// The operator's files: these go first, and keep their place in memory whatever logs say.
    Operator,
    /// A line of a log.
    Log,
}

/// A handle on the process's resolver; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Dns {
    shared: Arc<Shared>,
    own: Arc<Mutex<Option<OwnName>>>,
}

/// This machine's name, its full name, and when that was asked for.
type OwnName = (String, String, Instant);

/// How long this machine's full name is good for: fail2ban's limit for any name.
const OWN_NAME: Duration = Duration::from_secs(300);

/// The one of this process: it has one thread and one memory, whoever asks.
pub fn system() -> &'static Dns {
    static SYSTEM: OnceLock<Dns> = OnceLock::new();
    SYSTEM.get_or_init(Dns::default)
}

impl Dns {
    /// Asks for a name's addresses. `tell` gets the answer, at once where it is remembered or
    /// there is no room for the question, else from the resolver's thread; it must not block.
    pub fn addresses(
        &self,
        name: &str,
        asker: Asker,
        tell: impl FnOnce(&str, &NameAnswer) + Send + 'static,
    ) {
        let question = Question::Name(name.into(), asker);
        let told: Arc<str> = name.into();
        self.shared.ask(
            question,
            Box::new(move |answer| match answer {
                worker::Answer::Addresses(answer) => tell(&told, &answer),
                worker::Answer::Reverse(_) | worker::Answer::Texts(_) => {}
            }),
        );
    }

    /// A name's addresses. Waits for them; for threads that nobody waits for.
    pub fn look_up(&self, name: &str, asker: Asker) -> NameAnswer {
        let (send, told) = mpsc::channel();
        self.addresses(name, asker, move |_, answer| {
            // Whoever asked may have stopped waiting.
            let _ = send.send(answer.clone());
        });
        let told = told.recv_timeout(worker::LIMIT + worker::GRACE);
        told.unwrap_or_else(|_| worker::nothing(NameProblem::NoAnswer))
    }

    /// The name of an address. Waits for it, for [`worker::LIMIT`] at most and not at all where it
    /// is remembered; for threads that nobody waits for.
    pub fn reverse(&self, address: IpAddr) -> Reverse {
        let (send, told) = mpsc::channel();
        self.shared.ask(
            Question::Address(address),
            Box::new(move |answer| {
                // Whoever asked may have stopped waiting.
                let _ = send.send(answer);
            }),
        );
        match told.recv_timeout(worker::LIMIT + worker::GRACE) {
            Ok(worker::Answer::Reverse(name)) => name,
            Ok(worker::Answer::Addresses(_) | worker::Answer::Texts(_)) | Err(_) => {
                Reverse::Unknown(worker::too_slow())
            }
        }
    }

    /// This machine's name in full, as fail2ban's `<fq-hostname>`: of the hosts file, else of the name
    /// servers, else what the machine calls itself. It may wait for them, once in [`OWN_NAME`].
    pub fn full_name(&self, host: &str) -> String {
        if host.is_empty() || host.contains('.') {
            return host.to_owned();
        }
        let mut known = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = known
            .as_ref()
            .filter(|(of, _, at)| of == host && now() < *at + OWN_NAME);
        if let Some((_, name, _)) = fresh {
            return name.clone();
        }
        let name = system::full_name_of(host).unwrap_or_else(|| {
            let addresses = self.look_up(host, Asker::Operator).addresses;
            let name = addresses.first().map(|address| self.reverse(*address));
            let full = name.as_ref().and_then(Reverse::name);
            full.filter(|name| name.contains('.'))
                .unwrap_or(host)
                .to_owned()
        });
        *known = Some((host.to_owned(), name.clone(), now()));
        name
    }

    /// Asks for a name's TXT records, each as one text of at most a few hundred characters; the name
    /// is complete, no search domain is tried. `tell` must not block.
    pub fn texts(
        &self,
        name: &str,
        tell: impl FnOnce(Result<Vec<String>, NameProblem>) + Send + 'static,
    ) {
        self.shared.ask(
            Question::Texts(name.into()),
            Box::new(move |answer| match answer {
                worker::Answer::Texts(answer) => tell(answer),
                worker::Answer::Addresses(_) | worker::Answer::Reverse(_) => {}
            }),
        );
    }

    /// Forgets all answers (a reload does).
    pub fn clear(&self) {
        self.shared.clear();
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// For the age of answers and the limit of questions.
#[expect(
    clippy::disallowed_methods,
    reason = "how long an answer of the network is good for; no verdict depends on it"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_answered_and_again_from_memory() {
        let dns = Dns::default();
        let (send, told) = mpsc::channel();
        for _ in 0..2 {
            let send = send.clone();
            dns.addresses("localhost", Asker::Operator, move |name, answer| {
                send.send((name.to_owned(), answer.clone())).unwrap();
            });
            let (name, answer) = told.recv().unwrap();
            assert_eq!(name, "localhost");
            assert!(
                answer.addresses.iter().any(IpAddr::is_loopback),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn a_name_that_cannot_be_one_has_no_addresses() {
        let (send, told) = mpsc::channel();
        let long = "x".repeat(300);
        for name in ["a..b", &long, "", "a b", "x\0y"] {
            let send = send.clone();
            system().addresses(name, Asker::Log, move |_, answer| {
                send.send(answer.clone()).unwrap();
            });
            let answer = told.recv().unwrap();
            assert!(answer.addresses.is_empty());
            assert_eq!(answer.problem, Some(NameProblem::NoSuchName), "{name:?}");
        }
    }

    #[test]
    fn every_outcome_is_one_line_and_only_host_names_are_names() {
        let outcomes = [
            (
                Reverse::Confirmed("a.example".into()),
                Some("a.example"),
                "a.example",
            ),
            (
                Reverse::Unconfirmed("a.example".into()),
                Some("a.example"),
                "a.example (not confirmed: that name has other addresses)",
            ),
            (
                Reverse::Unfit("a?b".into()),
                None,
                "none (what stands there is no host name: a?b)",
            ),
            (Reverse::Nameless, None, "none"),
            (Reverse::Unknown("x".into()), None, "not known (x)"),
        ];
        for (outcome, name, text) in outcomes {
            assert_eq!((outcome.name(), outcome.to_string().as_str()), (name, text));
        }
    }
}
