//! What whois has said, by network, and when each server may be asked again.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{STEP, WhoisError, text};
use crate::model::Network;

/// Who owns a network seldom changes within a day.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// A server that was silent is not asked about anybody for so long.
const SILENT: Duration = Duration::from_secs(60);
/// How many answers are kept, and how many bytes of them.
const ANSWERS: usize = 256;
const BYTES: usize = 1024 * 1024;
/// Between two questions to one server. Registries ask for patience, and shut out who has none.
const PACE: Duration = Duration::from_secs(1);
/// Questions to one server an hour.
const HOURLY: u32 = 100;
const HOUR: Duration = Duration::from_secs(3600);
/// How many servers are remembered; referrals name them.
const SERVERS: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Oldest first.
    answers: VecDeque<Known>,
    bytes: usize,
    servers: HashMap<String, Server>,
}

#[derive(Debug)]
struct Known {
    network: Network,
    /// The one server that was to be asked.
    server: Option<Box<str>>,
    outcome: Result<String, WhoisError>,
    end: Instant,
}

impl Known {
    fn bytes(&self) -> usize {
        self.outcome.as_ref().map_or(0, String::len)
    }
}

/// What is known of a server.
#[derive(Debug)]
struct Server {
    busy: bool,
    /// When it was asked last.
    asked: Instant,
    hour: Instant,
    this_hour: u32,
    silent: Option<WhoisError>,
}

/// Whether a server may be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Now; it is taken.
    Now,
    /// Somebody else is asking (no time), or has just asked.
    Wait(Option<Instant>),
    /// It has been asked too often this hour.
    Never,
    /// It did not answer a moment ago.
    Silent(WhoisError),
}

impl Memory {
    /// What is known about an address, of that server.
    pub(super) fn find(
        &mut self,
        address: IpAddr,
        server: Option<&str>,
        now: Instant,
    ) -> Option<Result<String, WhoisError>> {
        self.answers.retain(|known| now < known.end);
        self.bytes = self.answers.iter().map(Known::bytes).sum();
        let host = Network::host(address);
        let mut fits = self
            .answers
            .iter()
            .rev()
            .filter(|known| known.server.as_deref() == server && known.network.contains(&host));
        fits.next().map(|known| known.outcome.clone())
    }

    pub(super) fn keep(
        &mut self,
        address: IpAddr,
        server: Option<&str>,
        outcome: &Result<String, WhoisError>,
        now: Instant,
    ) {
        let (network, age) = match outcome {
            Ok(text) => (text::network(text, address), KEPT),
            Err(_) => (Network::host(address), SILENT),
        };
        let known = Known {
            network,
            server: server.map(Into::into),
            outcome: outcome.clone(),
            end: now + age,
        };
        self.bytes += known.bytes();
        self.answers.push_back(known);
        while (self.answers.len() > ANSWERS || self.bytes > BYTES)
            && let Some(oldest) = self.answers.pop_front()
        {
            self.bytes -= oldest.bytes();
        }
    }

    /// A turn at a server, if it is free.
    pub(super) fn turn(&mut self, name: &str, now: Instant) -> Turn {
        let Some(server) = self.servers.get_mut(name) else {
            self.make_room();
            let server = Server {
                busy: true,
                asked: now,
                hour: now,
                this_hour: 1,
                silent: None,
            };
            self.servers.insert(name.to_owned(), server);
            return Turn::Now;
        };
        if server.busy {
            return Turn::Wait(None);
        }
        if let Some(error) = &server.silent
            && now < server.asked + STEP + SILENT
        {
            return Turn::Silent(error.clone());
        }
        if now >= server.hour + HOUR {
            (server.hour, server.this_hour) = (now, 0);
        }
        if server.this_hour >= HOURLY {
            return Turn::Never;
        }
        let next = server.asked + PACE;
        if now < next {
            return Turn::Wait(Some(next));
        }
        (server.busy, server.asked) = (true, now);
        server.this_hour += 1;
        Turn::Now
    }

    /// A server has been asked, and whether it did not answer.
    pub(super) fn asked(&mut self, name: &str, error: Option<&WhoisError>, now: Instant) {
        if let Some(server) = self.servers.get_mut(name) {
            (server.busy, server.asked) = (false, now);
            server.silent = error.cloned();
        }
    }

    fn make_room(&mut self) {
        if self.servers.len() < SERVERS {
            return;
        }
        let idle = self.servers.iter().filter(|(_, server)| !server.busy);
        let oldest = idle.min_by_key(|(_, server)| server.asked);
        if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
            self.servers.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::whois::query::now;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_server_is_asked_one_thing_at_a_time_and_not_too_often() {
        let mut memory = Memory::default();
        let mut now = now();
        assert_eq!(memory.turn("a", now), Turn::Now);
        assert_eq!(memory.turn("a", now), Turn::Wait(None));
        assert_eq!(memory.turn("b", now), Turn::Now);
        memory.asked("a", None, now);
        assert_eq!(memory.turn("a", now), Turn::Wait(Some(now + PACE)));
        for _ in 1..HOURLY {
            now += PACE;
            assert_eq!(memory.turn("a", now), Turn::Now);
            memory.asked("a", None, now);
        }
        now += PACE;
        assert_eq!(memory.turn("a", now), Turn::Never);
        assert_eq!(memory.turn("a", now + HOUR), Turn::Now);
    }

    #[test]
    fn a_silent_server_is_left_alone_for_a_while() {
        let mut memory = Memory::default();
        let now = now();
        let error = WhoisError::Silent {
            server: "a".into(),
            why: "gone".into(),
        };
        assert_eq!(memory.turn("a", now), Turn::Now);
        memory.asked("a", Some(&error), now);
        assert_eq!(memory.turn("a", now + PACE), Turn::Silent(error));
        assert_eq!(memory.turn("a", now + STEP + SILENT), Turn::Now);
    }

    #[test]
    fn an_answer_is_good_for_its_network_and_the_server_it_came_from() {
        let mut memory = Memory::default();
        let now = now();
        let text = "inetnum: 192.0.2.0 - 192.0.2.127\n".to_owned();
        memory.keep(address("192.0.2.1"), None, &Ok(text.clone()), now);
        let known = memory.find(address("192.0.2.99"), None, now);
        assert_eq!(known, Some(Ok(text)));
        assert_eq!(memory.find(address("192.0.2.200"), None, now), None);
        assert_eq!(memory.find(address("192.0.2.1"), Some("a"), now), None);
        assert_eq!(memory.find(address("192.0.2.1"), None, now + KEPT), None);
    }

    #[test]
    fn what_is_kept_is_bounded_in_number_bytes_and_servers() {
        let mut memory = Memory::default();
        let now = now();
        for n in 0..10_000_u32 {
            let address = IpAddr::V4((0xcb00_0000 + (n << 8)).into());
            memory.keep(address, None, &Ok("x".repeat(20_000)), now);
            assert_eq!(memory.turn(&n.to_string(), now), Turn::Now);
            memory.asked(&n.to_string(), None, now);
        }
        assert!(memory.answers.len() <= ANSWERS);
        assert!(memory.bytes <= BYTES);
        let bytes: usize = memory.answers.iter().map(Known::bytes).sum();
        assert_eq!(memory.bytes, bytes);
        assert!(memory.servers.len() <= SERVERS);
    }
}
