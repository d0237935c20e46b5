//! Mail, sent by rban itself: handed to the post office, whose couriers take it to the system's
//! sendmail or to an SMTP server.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Bench, Driver, Operation, Outcome};
use crate::action::process::{self, Abort, End, Run};
use crate::mail::{
    Failure, FailureKind, LookUp, Missed, Outside, Parcel, Post, Transport, smtp, whois,
};
use crate::model::{Record, Time};

/// How long a program may take over a mail: fail2ban's limit for any command.
const PROGRAM: Duration = Duration::from_secs(60);
/// How long geoiplookup may take.
const COUNTRY: Duration = Duration::from_secs(5);
/// How long mails handed in may take to leave when nobody keeps them afterwards.
const LEAVING: Duration = Duration::from_secs(30);

/// Hands mails in.
#[derive(Debug)]
pub(super) struct Mail {
    post: Post,
    /// Nobody else's: what waits in it goes with us.
    own: bool,
}

impl Default for Mail {
    fn default() -> Self {
        let courier = Courier {
            path: crate::action::DEFAULT_PATH.into(),
            credentials: None,
            now: wall_clock,
            say: |_| {},
            logs: |path| vec![path.to_owned()],
        };
        Self {
            post: Post::open(None, Arc::new(courier)),
            own: true,
        }
    }
}

impl Mail {
    pub(super) fn new(post: Post) -> Self {
        Self { post, own: false }
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        if self.own {
            self.post.close(LEAVING);
        }
    }
}

impl Driver for Mail {
    fn apply(&mut self, batch: &[Operation], bench: &mut Bench<'_>) -> Vec<Outcome> {
        let one = |operation: &Operation| match operation {
            Operation::Mail(mail) => {
                let (letter, limits) = &**mail;
                let taken = self
                    .post
                    .take(letter.clone(), limits, Arc::clone(bench.tell));
                taken.map_or_else(Outcome::Failed, |()| Outcome::Done)
            }
            Operation::Script(_)
            | Operation::Element(_)
            | Operation::Rule(_)
            | Operation::Entry(_) => Outcome::Declined("no mail".to_owned()),
        };
        batch.iter().map(one).collect()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a worker of its own has no daemon to give it a clock, and retries need one that goes on"
)]
fn wall_clock() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time::from_secs_f64(since.unwrap_or_default().as_secs_f64())
}

/// What couriers work with: programs in `PATH`, the network, systemd's credentials.
pub struct Courier {
    /// Where programs are.
    pub path: Box<str>,
    /// `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<String>,
    pub now: fn() -> Time,
    /// Where what happens to mails is said whose action is no more.
    pub say: fn(&Record),
    /// The files a `logpath` stands for; a plain path for itself, whatever is there.
    pub logs: fn(&str) -> Vec<String>,
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier").finish_non_exhaustive()
    }
}

impl Courier {
    /// [`Outside::carry`], with every step of it said to `tell`.
    ///
    /// # Errors
    /// When nobody got it.
    pub fn carry_aloud(
        &self,
        transport: &Transport,
        parcel: &Parcel<'_>,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Missed, Failure> {
        match transport {
            Transport::Program(words) => self
                .program(words, parcel, tell)
                .map(|()| Missed::default()),
            Transport::Smtp(server) => {
                smtp::send(server, parcel, self.credentials.as_deref(), tell)
            }
        }
    }

    /// Hands the message to a program, lines ended as Unix programs expect.
    fn program(
        &self,
        words: &[String],
        parcel: &Parcel<'_>,
        tell: &mut dyn FnMut(&str),
    ) -> Result<(), Failure> {
        let words: Vec<String> = words
            .iter()
            .map(|word| word.replace("<fq-hostname>", parcel.host))
            .collect();
        let wrong = |reason: String| Failure::new(FailureKind::Place, reason);
        let Some((program, arguments)) = words.split_first() else {
            return Err(wrong("mailcmd is empty".to_owned()));
        };
        let input = String::from_utf8_lossy(parcel.message).replace("\r\n", "\n");
        tell(&format!("* running {}", words.join(" ")));
        tell(&format!("> ({} bytes of mail)", input.len()));
        let told = self.run(program, arguments, input.as_bytes(), PROGRAM);
        for line in told.lines() {
            tell(&format!("< {line}"));
        }
        let reason = match told.end {
            Ok(End::Exited(0)) => return Ok(()),
            Ok(End::Exited(code)) => format!("{program} returned {code}"),
            Ok(End::Killed(signal)) => format!("{program} was killed by signal {signal}"),
            Ok(End::TimedOut(_)) => format!("{program}: not done within {} s", PROGRAM.as_secs()),
            Ok(End::Aborted) => format!("{program} was ended"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                format!("{program}: not found; install a mail server, or name one with smtp=")
            }
            Err(error) => format!("{program}: {error}"),
        };
        let words = told.text.lines().find(|line| !line.trim().is_empty());
        let reason = words.map_or(reason.clone(), |words| {
            format!("{reason}: {}", words.trim())
        });
        tell(&format!("! {reason}"));
        // Why it failed is its own secret: the next mail may fare better.
        Err(Failure::new(FailureKind::ForNow, reason))
    }

    fn run(&self, program: &str, arguments: &[String], input: &[u8], limit: Duration) -> Said {
        let run = Run {
            program,
            arguments,
            input,
            path: &self.path,
            limit,
        };
        match Abort::new().and_then(|abort| process::run(&run, &abort)) {
            Ok(finished) => {
                let bytes = [finished.output.bytes, finished.errors.bytes].concat();
                Said {
                    end: Ok(finished.end),
                    text: String::from_utf8_lossy(&bytes).into_owned(),
                }
            }
            Err(error) => Said {
                end: Err(error),
                text: String::new(),
            },
        }
    }

    fn database(&self, program: &str, file: &str, address: IpAddr) -> String {
        if !Path::new(file).exists() {
            return format!("not known: no {file}");
        }
        let arguments = ["-f", file, &address.to_string()].map(str::to_owned);
        let said = self.run(program, &arguments, &[], COUNTRY);
        match (said.end, said.text.split_once(':')) {
            (Ok(End::Exited(0)), Some((_, known))) => known.trim().to_owned(),
            (Ok(_), _) => format!("{program} has no answer"),
            (Err(error), _) => format!("{program}: {error}"),
        }
    }
}

/// How a program ended, and what it said.
struct Said {
    end: std::io::Result<End>,
    text: String,
}

impl Said {
    fn lines(&self) -> std::str::Lines<'_> {
        self.text.lines()
    }
}

impl Outside for Courier {
    fn now(&self) -> Time {
        (self.now)()
    }

    fn look_up(&self) -> &dyn LookUp {
        self
    }

    fn carry(&self, transport: &Transport, parcel: &Parcel<'_>) -> Result<Missed, Failure> {
        self.carry_aloud(transport, parcel, &mut |_| {})
    }

    fn say(&self, record: Record) {
        (self.say)(&record);
    }
}

impl LookUp for Courier {
    fn name(&self, address: IpAddr) -> String {
        crate::dns::system().reverse(address).to_string()
    }

    fn whois(&self, address: IpAddr, server: Option<&str>) -> Result<String, String> {
        whois::ask(address, server).map_err(|error| error.to_string())
    }

    fn logs(&self, pattern: &str) -> Vec<String> {
        (self.logs)(pattern)
    }

    /// By geoiplookup and its databases, as the stock action does.
    fn country(&self, address: IpAddr) -> String {
        const FOLDER: &str = "/usr/share/GeoIP";
        let (program, suffix) = match address {
            IpAddr::V4(_) => ("geoiplookup", ""),
            IpAddr::V6(_) => ("geoiplookup6", "v6"),
        };
        let ask = |name: &str| {
            let file = format!("{FOLDER}/{name}{suffix}.dat");
            self.database(program, &file, address)
        };
        format!(
            "Country:   {}\nAS:        {}",
            ask("GeoIP"),
            ask("GeoIPASNum")
        )
    }
}
