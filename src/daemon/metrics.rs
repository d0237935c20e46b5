//! What Prometheus asks: our numbers as its text format, over TCP or a unix socket.
//!
//! Off unless `metrics` names a place. Each client has a thread for a few seconds at most, and there
//! are few of them at a time; the numbers are the daemon's thread's, which nobody here can hold up.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::clock;
use super::inbox::Outlet;
use super::jails::say;
use super::socket;
use super::state::{Daemon, Message};
use crate::action::{LATENCY_STEPS, Tally};
use crate::model::{Level, Logger};

/// How long a client may take to ask, and to read; and the daemon's thread to answer.
const LIMIT: Duration = Duration::from_secs(2);
/// Clients at a time; one scrapes.
const CLIENTS: usize = 8;
/// The longest request that is read; Prometheus sends some 300 bytes.
const REQUEST: usize = 8 * 1024;

/// Every metric: its name, type and help.
const METRICS: &[(&str, &str, &str)] = &[
    ("rban_jails", "gauge", "Jails that run."),
    (
        "rban_jails_failed",
        "gauge",
        "Jails that are configured and failed to start.",
    ),
    (
        "rban_inbox_queue",
        "gauge",
        "Messages that wait for the engine.",
    ),
    (
        "rban_database_queue",
        "gauge",
        "Writes that wait for the database.",
    ),
    (
        "rban_memory_bytes",
        "gauge",
        "Resident memory of the daemon.",
    ),
    (
        "rban_failures_total",
        "counter",
        "Failures found since the jail started.",
    ),
    (
        "rban_failing",
        "gauge",
        "Addresses with failures that still count.",
    ),
    ("rban_bans_total", "counter", "Bans since the jail started."),
    ("rban_banned", "gauge", "Addresses banned now."),
    ("rban_lines_total", "counter", "Log lines judged."),
    (
        "rban_regex_matches_total",
        "counter",
        "Lines that matched each failregex, by its place.",
    ),
    (
        "rban_searches_given_up_total",
        "counter",
        "Searches that ran out of their step budget.",
    ),
    (
        "rban_source_age_seconds",
        "gauge",
        "Time since the jail's logs last said something.",
    ),
    (
        "rban_source_errors_total",
        "counter",
        "Times a log of the jail turned out to be unreadable.",
    ),
    (
        "rban_action_errors_total",
        "counter",
        "Commands of an action that failed for good.",
    ),
    (
        "rban_action_queue",
        "gauge",
        "Jobs that wait for an action.",
    ),
    (
        "rban_ban_latency_seconds",
        "histogram",
        "From a ban's decision to its action's end.",
    ),
];

/// The listening end; gone when it is dropped.
#[derive(Debug)]
pub(super) struct Endpoint {
    place: String,
    ended: Arc<AtomicBool>,
    socket: Option<PathBuf>,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Client {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    fn accept(&self) -> io::Result<Client> {
        Ok(match self {
            Self::Tcp(tcp) => Client::Tcp(tcp.accept()?.0),
            Self::Unix(unix) => Client::Unix(unix.accept()?.0),
        })
    }
}

impl Client {
    /// Reads something until `end`.
    fn read(&mut self, buffer: &mut [u8], end: Instant) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => {
                tcp.set_read_timeout(Some(wait(end)?))?;
                tcp.read(buffer)
            }
            Self::Unix(unix) => {
                unix.set_read_timeout(Some(wait(end)?))?;
                unix.read(buffer)
            }
        }
    }

    /// Writes all of it until `end`, however little is taken at a time.
    fn write(&mut self, mut bytes: &[u8], end: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match self {
                Self::Tcp(tcp) => {
                    tcp.set_write_timeout(Some(wait(end)?))?;
                    tcp.write(bytes)?
                }
                Self::Unix(unix) => {
                    unix.set_write_timeout(Some(wait(end)?))?;
                    unix.write(bytes)?
                }
            };
            bytes = &bytes[written..];
        }
        Ok(())
    }
}

/// What is left until `end`; nothing left is an error, as no limit at all is not meant.
fn wait(end: Instant) -> io::Result<Duration> {
    let left = clock::left(end);
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

impl Endpoint {
    fn start(place: &str, outlet: Outlet<Message>) -> Result<Self, String> {
        let socket = place.starts_with('/').then(|| PathBuf::from(place));
        let told = |error: io::Error| error.to_string();
        let listener = match &socket {
            Some(path) => {
                // What a dead server left; nothing else is touched.
                if socket::is_stale(path).map_err(|error| error.to_string())? {
                    std::fs::remove_file(path).map_err(told)?;
                }
                Listener::Unix(UnixListener::bind(path).map_err(told)?)
            }
            None => Listener::Tcp(TcpListener::bind(place).map_err(told)?),
        };
        let ended = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ended);
        let crowd = Arc::new(());
        thread::Builder::new()
            .name("metrics".into())
            .stack_size(64 * 1024)
            .spawn(move || {
                while !over.load(Ordering::Acquire) {
                    match listener.accept() {
                        Ok(client) if Arc::strong_count(&crowd) <= CLIENTS => {
                            let place = Arc::clone(&crowd);
                            welcome(client, outlet.clone(), place);
                        }
                        // Too many: they are no scrapers.
                        Ok(_) => {}
                        Err(_) => socket::rest(),
                    }
                }
            })
            .map_err(told)?;
        Ok(Self {
            place: place.to_owned(),
            ended,
            socket,
        })
    }
}

/// A thread for a client; `place` is its place among them.
fn welcome(client: Client, outlet: Outlet<Message>, place: Arc<()>) {
    let thread = thread::Builder::new()
        .name("scrape".into())
        .stack_size(128 * 1024);
    // Without a thread, and when its connection breaks, the scraper comes again.
    drop(thread.spawn(move || {
        let _ = serve(client, &outlet);
        drop(place);
    }));
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // Wakes it up; a unix socket goes with its file.
        match &self.socket {
            Some(path) => {
                drop(UnixStream::connect(path));
                let _ = std::fs::remove_file(path);
            }
            None => drop(TcpStream::connect(&self.place)),
        }
    }
}

/// Reads a request and answers it.
fn serve(mut client: Client, outlet: &Outlet<Message>) -> io::Result<()> {
    let until = clock::deadline(LIMIT);
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = client.read(&mut buffer, until)?;
        if read == 0 || request.len() > REQUEST {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let (status, body) = if request.starts_with(b"GET /metrics ") || request.starts_with(b"GET / ")
    {
        let (send, answer) = mpsc::channel();
        outlet.send(Message::Metrics(send));
        match answer.recv_timeout(LIMIT) {
            Ok(text) => ("200 OK", text),
            Err(_) => ("503 Service Unavailable", String::new()),
        }
    } else {
        ("404 Not Found", "see /metrics\n".to_owned())
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let until = clock::deadline(LIMIT);
    client.write(head.as_bytes(), until)?;
    client.write(body.as_bytes(), until)
}

impl Daemon {
    /// Listens where `metrics` says, or no longer.
    pub(super) fn serve_metrics(&mut self) {
        let wanted = self.server.metrics.as_deref();
        if self.endpoint.as_ref().map(|known| known.place.as_str()) == wanted {
            // It is as wanted, so nothing is wrong.
            self.trouble("metrics", None);
            return;
        }
        let started = wanted.map(|place| {
            // The old place is given up first: the new one may be the same by another name.
            self.endpoint = None;
            Endpoint::start(place, self.outlet.clone()).map_err(|error| {
                format!(
                    "metrics = {place}: {error}; expected an address and port such as \
                     127.0.0.1:9191, or the path of a socket"
                )
            })
        });
        let (endpoint, trouble) = match started {
            None => (None, None),
            Some(Ok(endpoint)) => (Some(endpoint), None),
            Some(Err(message)) => {
                say(Level::Error, Logger::Server, message.as_str());
                (None, Some(message))
            }
        };
        self.endpoint = endpoint;
        self.trouble("metrics", trouble);
    }

    /// All metrics as text.
    pub(super) fn metrics(&mut self) -> String {
        let mut text = String::new();
        for (name, kind, help) in METRICS {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            self.samples(name, &mut text);
        }
        text
    }

    /// One metric's samples.
    fn samples(&mut self, name: &str, text: &mut String) {
        let plain = match name {
            "rban_jails" => Some(self.jails.len() as u64),
            "rban_jails_failed" => Some(self.failed.len() as u64),
            "rban_inbox_queue" => Some(self.outlet.depth() as u64),
            "rban_database_queue" => Some(self.keeper.waiting() as u64),
            "rban_memory_bytes" => Some(resident()),
            _ => None,
        };
        if let Some(value) = plain {
            let _ = writeln!(text, "{name} {value}");
            return;
        }
        let now = clock::now();
        for place in 0..self.jails.len() {
            let jail = Arc::clone(&self.jails[place].name);
            let heard = self.heard(&jail);
            let label = escaped(&jail);
            let Some(member) = self.engine.member_mut(&jail) else {
                continue;
            };
            let counts = member.jail.counts(now);
            let counters = member.filter.counters();
            let value = match name {
                "rban_failures_total" => Some(counts.failed_total as f64),
                "rban_failing" => Some(counts.failed as f64),
                "rban_bans_total" => Some(counts.banned_total as f64),
                "rban_banned" => Some(counts.banned as f64),
                "rban_lines_total" => Some(counters.lines as f64),
                "rban_searches_given_up_total" => Some(counters.exhausted as f64),
                "rban_source_age_seconds" => {
                    heard.map(|heard| (now - heard).as_secs_f64().max(0.0))
                }
                "rban_source_errors_total" => {
                    Some(self.jails[place].errors.values().sum::<u64>() as f64)
                }
                _ => None,
            };
            if let Some(value) = value {
                let _ = writeln!(text, "{name}{{jail=\"{label}\"}} {value}");
            }
            if name == "rban_regex_matches_total" {
                for (at, hits) in counters.hits.iter().enumerate() {
                    let _ = writeln!(text, "{name}{{jail=\"{label}\",regex=\"{at}\"}} {hits}");
                }
            }
            for action in &self.jails[place].actions {
                let labels = format!(
                    "jail=\"{label}\",action=\"{}\"",
                    escaped(&action.settings.name)
                );
                match name {
                    "rban_action_errors_total" => {
                        let errors = action.worker.tally().errors;
                        let _ = writeln!(text, "{name}{{{labels}}} {errors}");
                    }
                    "rban_action_queue" => {
                        let waiting = action.worker.waiting();
                        let _ = writeln!(text, "{name}{{{labels}}} {waiting}");
                    }
                    "rban_ban_latency_seconds" => {
                        histogram(name, &labels, &action.worker.tally(), text);
                    }
                    _ => {}
                }
            }
        }
    }
}

fn histogram(name: &str, labels: &str, tally: &Tally, text: &mut String) {
    let mut below = 0;
    for (end, count) in LATENCY_STEPS.iter().zip(tally.counts) {
        below += count;
        let end = *end as f64 / 1e6;
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{end}\"}} {below}");
    }
    let all: u64 = tally.counts.iter().sum();
    let sum = tally.micros as f64 / 1e6;
    let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {all}");
    let _ = writeln!(
        text,
        "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {all}"
    );
}

/// A label's value, as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Resident memory in bytes, as the kernel counts it.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
