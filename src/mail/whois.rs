//! RFC 3912: a question, an answer, and referrals from registry to registry.
//!
//! What comes back is bounded in steps, bytes and time, and becomes plain text: charset repaired,
//! control characters gone.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Each step's limit.
const STEP: Duration = Duration::from_secs(5);
/// IANA, a regional registry, a national one, an owner's: more is a loop.
const STEPS: usize = 5;
/// The most a server may say; what comes after is not read.
const ANSWER: u64 = 64 * 1024;
/// Knows who knows.
const ROOT: &str = "whois.iana.org";
const PORT: u16 = 43;

/// Why whois has no answer.
#[derive(Debug)]
pub struct WhoisError {
    server: String,
    error: io::Error,
}

impl fmt::Display for WhoisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not answer: {}", self.server, self.error)
    }
}

impl std::error::Error for WhoisError {}

/// What is known about an address: the answer of the last server that has one.
///
/// It blocks, [`STEP`] for each server at most. A `server` given (`host` or `host:port`) is the
/// only one asked.
///
/// # Errors
/// When no server answers.
pub fn ask(address: IpAddr, server: Option<&str>) -> Result<String, WhoisError> {
    follow(server.unwrap_or(ROOT), server.is_none(), &mut |host| {
        query(host, address)
    })
}

fn follow(
    first: &str,
    further: bool,
    query: &mut dyn FnMut(&str) -> io::Result<Vec<u8>>,
) -> Result<String, WhoisError> {
    let mut server = first.to_owned();
    let mut asked: Vec<String> = Vec::new();
    let mut best: Option<String> = None;
    loop {
        match query(&server) {
            Ok(answer) => best = Some(plain(&answer)),
            Err(error) => {
                return match best {
                    Some(best) => Ok(format!("{best}\n({server} does not answer: {error})\n")),
                    None => Err(WhoisError { server, error }),
                };
            }
        }
        asked.push(server.to_ascii_lowercase());
        let text = best.as_deref().unwrap_or_default();
        match referral(text) {
            Some(next) if further && asked.len() < STEPS && !asked.contains(&next) => server = next,
            Some(_) | None => return Ok(best.unwrap_or_default()),
        }
    }
}

/// One question to one server.
#[expect(
    clippy::disallowed_methods,
    reason = "a network step's time limit; nothing else depends on it"
)]
fn query(server: &str, address: IpAddr) -> io::Result<Vec<u8>> {
    let end = Instant::now() + STEP;
    let left = || {
        end.checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
            .ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "not done after 5 s"))
    };
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().unwrap_or(PORT)),
        Some(_) | None => (server, PORT),
    };
    let place = (host, port)
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::other("it has no address"))?;
    let mut stream = TcpStream::connect_timeout(&place, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    // ARIN answers with one best match when asked so.
    let flags = if host == "whois.arin.net" { "n + " } else { "" };
    stream.write_all(format!("{flags}{address}\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut room = [0; 4096];
    while (answer.len() as u64) < ANSWER {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut room) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&room[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What came before the time was up is worth having.
            Err(_) if !answer.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}

/// The server an answer points to.
fn referral(answer: &str) -> Option<String> {
    const KEYS: &[&str] = &["refer", "whois", "referralserver", "resourcelink"];
    answer.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        let key = key.trim().to_ascii_lowercase();
        if !KEYS.contains(&key.as_str()) {
            return None;
        }
        let value = value.trim();
        let value = match value.split_once("://") {
            Some(("whois", rest)) => rest,
            Some(_) => return None,
            None => value,
        };
        let value = value.trim_end_matches('/').to_ascii_lowercase();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        let name = value.contains('.') && value.len() <= 255 && value.chars().all(fits);
        name.then_some(value)
    })
}

/// UTF-8 as it is, anything else as Latin-1's superset; only text and line ends stay.
fn plain(answer: &[u8]) -> String {
    let text = match std::str::from_utf8(answer) {
        Ok(text) => text.into(),
        // An answer cut in the middle of a character is still UTF-8.
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(answer),
        Err(_) => encoding_rs::WINDOWS_1252.decode(answer).0,
    };
    super::letter::clean(&text.replace("\r\n", "\n"), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn referrals_lead_to_the_last_answer_and_loops_end() {
        let mut asked = Vec::new();
        let mut query = |server: &str| {
            asked.push(server.to_owned());
            Ok(match server {
                "root" => b"refer:  whois.a.example\n".to_vec(),
                "whois.a.example" => b"ReferralServer: whois://whois.b.example:4343\n".to_vec(),
                _ => b"netname: B\nrefer: whois.a.example\n".to_vec(),
            })
        };
        let text = follow("root", true, &mut query).unwrap();
        assert!(text.starts_with("netname: B"), "{text}");
        assert_eq!(asked, ["root", "whois.a.example", "whois.b.example:4343"]);
    }

    #[test]
    fn a_server_that_fails_leaves_what_was_known() {
        let mut query = |server: &str| match server {
            "root" => Ok(b"refer: whois.a.example\n".to_vec()),
            _ => Err(io::Error::other("gone")),
        };
        let text = follow("root", true, &mut query).unwrap();
        assert!(
            text.contains("(whois.a.example does not answer: gone)"),
            "{text}"
        );
        let mut none = |_: &str| Err(io::Error::other("gone"));
        let error = follow("root", true, &mut none).unwrap_err();
        assert_eq!(error.to_string(), "root does not answer: gone");
    }

    #[test]
    fn answers_become_plain_text() {
        assert_eq!(plain(b"a\r\nb\x1b[2J\0"), "a\nb\u{fffd}[2J\u{fffd}");
        assert_eq!(plain(b"M\xfcnchen"), "München");
        assert_eq!(plain("München".as_bytes()), "München");
    }

    #[test]
    fn an_endless_answer_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
        let answer = ask("192.0.2.1".parse().unwrap(), Some(&server)).unwrap();
        assert!((65_536..=65_536 + 4096).contains(&answer.len()));
    }
}
