//! One question to one server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::STEP;
use super::text::{Cut, is_public};
use crate::dns;

/// The most a server may say; what comes after is not read.
const ANSWER: usize = 64 * 1024;
const PORT: u16 = 43;
/// How long one of a server's addresses may take to be reached, if it has several.
const REACH: Duration = Duration::from_secs(2);
const ADDRESSES: usize = 4;

/// What a server said, and where it was.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) text: Vec<u8>,
    pub(super) cut: Option<Cut>,
    pub(super) from: IpAddr,
}

#[expect(
    clippy::disallowed_methods,
    reason = "network steps' time limits and the age of answers; nothing else depends on it"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Asks `server` (`host` or `host:port`) about an address, within [`STEP`]. One that is referred to
/// by a public server must be public too: a referral is no way into our own network.
pub(super) fn query(
    server: &str,
    address: IpAddr,
    referred_by: Option<IpAddr>,
) -> io::Result<Answered> {
    let end = now() + STEP;
    let (host, port) = place(server);
    let mut places = addresses(host)?;
    if referred_by.is_some_and(is_public) {
        places.retain(|place| is_public(*place));
    }
    let mut stream = connect(&places, port, end)?;
    stream.set_write_timeout(Some(left(end)?))?;
    // ARIN answers with one best match when asked so.
    let flags = if host == "whois.arin.net" { "n + " } else { "" };
    stream.write_all(format!("{flags}{address}\r\n").as_bytes())?;
    let (text, cut) = read(&mut stream, end)?;
    let from = stream.peer_addr()?.ip();
    Ok(Answered { text, cut, from })
}

fn left(end: Instant) -> io::Result<Duration> {
    end.checked_duration_since(now())
        .filter(|left| !left.is_zero())
        .ok_or_else(|| {
            let limit = STEP.as_secs();
            io::Error::new(ErrorKind::TimedOut, format!("not done after {limit} s"))
        })
}

/// `host`, `host:port`, `[v6]:port` or an IPv6 address.
fn place(server: &str) -> (&str, u16) {
    match server.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            (host, port.parse().unwrap_or(PORT))
        }
        Some(_) | None => (server.trim_start_matches('[').trim_end_matches(']'), PORT),
    }
}

/// Where a server is; IPv4 first, as more machines reach it.
fn addresses(host: &str) -> io::Result<Vec<IpAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let told = dns::system().look_up(host, dns::Asker::Operator);
    if let Some(problem) = told.problem {
        return Err(io::Error::other(format!("it has no address: {problem}")));
    }
    let mut addresses = told.addresses;
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.truncate(ADDRESSES);
    Ok(addresses)
}

fn connect(places: &[IpAddr], port: u16, end: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::other("it has no address that may be asked");
    for place in places {
        let limit = match places.len() {
            1 => left(end)?,
            _ => left(end)?.min(REACH),
        };
        match TcpStream::connect_timeout(&SocketAddr::new(*place, port), limit) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn read(stream: &mut TcpStream, end: Instant) -> io::Result<(Vec<u8>, Option<Cut>)> {
    let mut answer = Vec::new();
    let mut room = [0; 4096];
    while answer.len() < ANSWER {
        let read = left(end).and_then(|left| {
            stream.set_read_timeout(Some(left))?;
            stream.read(&mut room)
        });
        match read {
            Ok(0) if answer.is_empty() => return Err(io::Error::other("it said nothing")),
            Ok(0) => return Ok((answer, None)),
            Ok(count) => answer.extend_from_slice(&room[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // What came before the time was up is worth having.
            Err(_) if !answer.is_empty() => return Ok((answer, Some(Cut::Time))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                left(end)?;
            }
            Err(error) => return Err(error),
        }
    }
    answer.truncate(ANSWER);
    Ok((answer, Some(Cut::Length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_have_a_port() {
        for (server, host, port) in [
            ("whois.example", "whois.example", 43),
            ("whois.example:4343", "whois.example", 4343),
            ("192.0.2.1", "192.0.2.1", 43),
            ("2001:db8::1", "2001:db8::1", 43),
            ("[2001:db8::1]:4343", "2001:db8::1", 4343),
            ("whois.example:many", "whois.example", 43),
        ] {
            assert_eq!(place(server), (host, port), "{server}");
        }
    }
}
