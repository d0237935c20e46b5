//! One question, answered from what the system names: hosts file, name servers, others.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::sync::Semaphore;
use tokio::task;

use super::worker::{Answer, LIMIT, Question, age, age_of_nothing, too_slow};
use super::{Reverse, now, system};
use crate::model::{NameAnswer, NameProblem, Span};

/// Threads that ask the C library; it asks one thing at a time, for as long as it likes.
pub(super) const OTHERS: usize = 2;
/// An address may have many names; so many are tried for one that leads back.
const NAMES: usize = 4;
/// The most addresses one name counts for: each is a failure of its own.
const ADDRESSES: usize = 64;
/// TXT records of one name that are looked at, and how much of each.
const TEXTS: usize = 16;
const LONGEST_TEXT: usize = 512;
/// The longest host name there is, as text.
const LONGEST_NAME: usize = 253;

/// Whom to ask.
pub(super) struct Sources {
    resolver: Mutex<(system::Version, Option<TokioResolver>)>,
    others: Arc<Semaphore>,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            resolver: Mutex::new((None, None)),
            others: Arc::new(Semaphore::new(OTHERS)),
        }
    }
}

impl Sources {
    pub(super) async fn ask(&self, question: &Question) -> Answer {
        match question {
            Question::Name(name, _) => Answer::Addresses(self.addresses(name).await),
            Question::Address(address) => Answer::Reverse(self.reverse(*address).await),
            Question::Texts(name) => {
                let asked = tokio::time::timeout(LIMIT, self.texts(name)).await;
                Answer::Texts(asked.unwrap_or(Err(NameProblem::NoAnswer)))
            }
        }
    }

    async fn addresses(&self, name: &str) -> NameAnswer {
        let asked = tokio::time::timeout(LIMIT, self.look_up(name)).await;
        let (addresses, problem, age) = match asked {
            Ok(Ok((addresses, age))) => (addresses, None, age),
            Ok(Err(problem)) => (Vec::new(), Some(problem), age_of_nothing(problem)),
            Err(_) => {
                let problem = NameProblem::NoAnswer;
                (Vec::new(), Some(problem), age_of_nothing(problem))
            }
        };
        NameAnswer {
            addresses,
            problem,
            age,
            remembered: false,
        }
    }

    async fn look_up(&self, text: &str) -> Result<(Vec<IpAddr>, Span), NameProblem> {
        let name = host_name(text).ok_or(NameProblem::NoSuchName)?;
        let known = system::addresses_of(text);
        if !known.is_empty() {
            return Ok((known, age(Duration::ZERO)));
        }
        let resolver = self.resolver().ok_or(NameProblem::NoAnswer)?;
        let problem = match resolver.lookup_ip(name).await {
            Ok(found) => {
                let mut addresses: Vec<IpAddr> = Vec::new();
                for address in found.iter() {
                    let address = address.to_canonical();
                    if addresses.len() < ADDRESSES && !addresses.contains(&address) {
                        addresses.push(address);
                    }
                }
                if !addresses.is_empty() {
                    let left = found.valid_until().saturating_duration_since(now());
                    return Ok((addresses, age(left)));
                }
                NameProblem::NoAddress
            }
            Err(error) => problem(&error),
        };
        self.others(text).await.ok_or(problem)
    }

    /// What the C library finds by other ways than files and DNS.
    async fn others(&self, name: &str) -> Option<(Vec<IpAddr>, Span)> {
        if !system::knows_others() {
            return None;
        }
        let place = Arc::clone(&self.others).acquire_owned().await.ok()?;
        let name = name.to_owned();
        let asked = task::spawn_blocking(move || {
            let _place = place;
            let mut found: Vec<IpAddr> = Vec::new();
            for address in (name.as_str(), 0).to_socket_addrs().into_iter().flatten() {
                if !found.contains(&address.ip()) {
                    found.push(address.ip());
                }
            }
            found
        });
        let found = asked.await.ok().filter(|found| !found.is_empty())?;
        Some((found, age(Duration::MAX)))
    }

    async fn reverse(&self, address: IpAddr) -> Reverse {
        if let Some(name) = system::host_of(address) {
            return match fit(&name) {
                Ok(name) => Reverse::Confirmed(name),
                Err(shown) => Reverse::Unfit(shown),
            };
        }
        let mut unconfirmed = None;
        let asked = tokio::time::timeout(LIMIT, self.names(address, &mut unconfirmed)).await;
        match asked {
            Ok(answer) => answer,
            // It has a name, but nobody says whether it leads back.
            Err(_) => unconfirmed.unwrap_or_else(|| Reverse::Unknown(too_slow())),
        }
    }

    async fn names(&self, address: IpAddr, best: &mut Option<Reverse>) -> Reverse {
        let Some(resolver) = self.resolver() else {
            return Reverse::Unknown("no resolver".to_owned());
        };
        let found = match resolver.lookup(Name::from(address), RecordType::PTR).await {
            Ok(found) => found,
            Err(error) => {
                return match problem(&error) {
                    NameProblem::NoSuchName | NameProblem::NoAddress => Reverse::Nameless,
                    NameProblem::NoAnswer => Reverse::Unknown(reason(&error)),
                };
            }
        };
        let names = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::PTR(name) => Some(&name.0),
                _ => None,
            });
        for name in names.take(NAMES) {
            let text = match fit(&shown(name)) {
                Ok(text) => text,
                Err(shown) => {
                    best.get_or_insert(Reverse::Unfit(shown));
                    continue;
                }
            };
            if !matches!(best, Some(Reverse::Unconfirmed(_))) {
                *best = Some(Reverse::Unconfirmed(text.clone()));
            }
            let mut whole = name.clone();
            whole.set_fqdn(true);
            let back = resolver.lookup_ip(whole).await;
            if back.is_ok_and(|back| back.iter().any(|it| it.to_canonical() == address)) {
                return Reverse::Confirmed(text);
            }
        }
        best.take().unwrap_or(Reverse::Nameless)
    }

    async fn texts(&self, text: &str) -> Result<Vec<String>, NameProblem> {
        let mut name = host_name(text).ok_or(NameProblem::NoSuchName)?;
        name.set_fqdn(true);
        let resolver = self.resolver().ok_or(NameProblem::NoAnswer)?;
        let found = resolver.lookup(name, RecordType::TXT).await;
        let found = found.map_err(|error| problem(&error))?;
        let texts = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(text) => Some(text.txt_data.concat()),
                _ => None,
            });
        let text = |bytes: Vec<u8>| {
            String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_TEXT)]).into_owned()
        };
        let texts: Vec<String> = texts.take(TEXTS).map(text).collect();
        match texts.is_empty() {
            true => Err(NameProblem::NoAddress),
            false => Ok(texts),
        }
    }

    /// The resolver of resolv.conf as it is now.
    fn resolver(&self) -> Option<TokioResolver> {
        let mut kept = self.resolver.lock().unwrap_or_else(PoisonError::into_inner);
        let version = system::version();
        if kept.1.is_none() || kept.0 != version {
            *kept = (version, system::resolver());
        }
        kept.1.clone()
    }
}

/// A text as a name to ask for; nothing that no host can be called is asked for.
fn host_name(text: &str) -> Option<Name> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_') || b >= 0x80;
    if text.is_empty() || text.len() > 4 * LONGEST_NAME || !text.bytes().all(fits) {
        return None;
    }
    let name = Name::from_utf8(text).ok()?;
    (!name.is_root()).then_some(name)
}

/// The labels of a name as they are, with nothing escaped.
fn shown(name: &Name) -> String {
    let labels: Vec<_> = name.iter().map(String::from_utf8_lossy).collect();
    labels.join(".")
}

/// A name that is one, or what can be shown of it.
fn fit(name: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.chars().all(fits)
        && !name.starts_with('-')
    {
        return Ok(name.to_owned());
    }
    let one = |c: char| if fits(c) { c } else { '?' };
    Err(name.chars().take(LONGEST_NAME).map(one).collect())
}

fn problem(error: &NetError) -> NameProblem {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(nothing)) => match nothing.response_code {
            ResponseCode::NXDomain => NameProblem::NoSuchName,
            ResponseCode::NoError => NameProblem::NoAddress,
            _ => NameProblem::NoAnswer,
        },
        _ => NameProblem::NoAnswer,
    }
}

/// Why there is no answer, in a few words.
fn reason(error: &NetError) -> String {
    match error {
        NetError::Dns(DnsError::ResponseCode(code)) => format!("the name server says {code}"),
        NetError::Dns(DnsError::NoRecordsFound(nothing)) => {
            format!("the name server says {}", nothing.response_code)
        }
        NetError::Timeout => "the name servers do not answer".to_owned(),
        error => error
            .to_string()
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_host_is_called_is_not_asked_for() {
        for text in ["", ".", "a b", "a\nb", "x;y", "a..b", "$(x).example"] {
            assert!(host_name(text).is_none(), "{text:?}");
        }
        for text in [
            "a",
            "a.example",
            "a.example.",
            "_x.a-b.example",
            "münchen.example",
        ] {
            assert!(host_name(text).is_some(), "{text:?}");
        }
        assert!(host_name(&"a.".repeat(5000)).is_none());
    }

    #[test]
    fn a_name_that_a_shell_or_a_mail_could_trip_over_is_none() {
        assert_eq!(fit("a-b_c.example").as_deref(), Ok("a-b_c.example"));
        for (name, shown) in [
            ("a;reboot", "a?reboot"),
            ("a\r\nBcc: b@example.com", "a??Bcc??b?example.com"),
            ("$(x)`y`", "??x??y?"),
            ("-oProxy", "-oProxy"),
            ("münchen", "m?nchen"),
            ("", ""),
        ] {
            assert_eq!(fit(name), Err(shown.to_owned()));
        }
        assert_eq!(fit(&"x".repeat(9999)).unwrap_err().len(), LONGEST_NAME);
    }
}
