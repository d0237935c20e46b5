//! One mail to an SMTP server, step by step, so that each answer is known for what it is.
//!
//! What the server refuses for good is told from what may work later. The whole conversation is
//! kept, passwords apart, for whoever asks why. TLS is set up when a connection needs it, and gone
//! with it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    Certificate, CertificateStore, SmtpConnection, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension};
use lettre::transport::smtp::response::Response;
use serde::{Deserialize, Serialize};

/// Ports of mail submission (RFC 8314, RFC 6409) and of mail between servers.
const SUBMISSIONS: u16 = 465;
const SUBMISSION: u16 = 587;
const SMTP: u16 = 25;

/// Where systemd puts the credentials of our own unit, for programs that are not of it.
const UNIT_CREDENTIALS: &str = "/run/credentials/rban.service";

/// How long a server may take for each of its answers; greylisting ones take their time.
pub const ANSWER: u64 = 30;

/// No password is longer.
const SECRET: usize = 4096;

/// What to do about a certificate that TLS does not take, by rustls's names for its faults.
const CERTIFICATES: &[(&str, &str)] = &[
    (
        "UnknownIssuer",
        "who signed its certificate is not trusted here; name a file with that certificate: cafile",
    ),
    (
        "NotValidForName",
        "its certificate is for another host; name the server as the certificate does",
    ),
    (
        "CaUsedAsEndEntity",
        "its certificate is an authority's; make it one with CA:FALSE",
    ),
    ("Expired", "its certificate has expired"),
];

/// When the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tls {
    Never,
    /// Where the server offers it, whoever's certificate it shows: against eavesdroppers only.
    Opportunistic,
    /// By STARTTLS, or not at all.
    Required,
    /// From the first byte on.
    Implicit,
}

impl Tls {
    /// Every way, by its word in the configuration.
    const WORDS: &'static [(&'static str, Self)] = &[
        ("none", Self::Never),
        ("opportunistic", Self::Opportunistic),
        ("starttls", Self::Required),
        ("implicit", Self::Implicit),
    ];

    pub fn parse(word: &str) -> Option<Self> {
        let known = Self::WORDS.iter().find(|(known, _)| *known == word);
        known.map(|(_, tls)| *tls)
    }

    /// What a port is for.
    pub fn of_port(port: u16) -> Self {
        match port {
            SUBMISSIONS => Self::Implicit,
            SUBMISSION => Self::Required,
            _ => Self::Never,
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Implicit => SUBMISSIONS,
            Self::Never | Self::Opportunistic | Self::Required => SMTP,
        }
    }
}

/// Where a password is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secret {
    /// Nowhere; also one that was not written to the disk.
    None,
    Given(String),
    File(PathBuf),
    /// systemd's, by name.
    Credential(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Given(_) => f.write_str("Given(…)"),
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Credential(name) => write!(f, "Credential({name})"),
        }
    }
}

impl Secret {
    /// The password, without the line end it has in a file; `credentials` is systemd's folder.
    fn read(&self, credentials: Option<&str>) -> Result<String, String> {
        let path = match self {
            Self::None => return Err("user has no password".to_owned()),
            Self::Given(word) => return Ok(word.clone()),
            Self::File(path) => path.clone(),
            Self::Credential(name) => {
                PathBuf::from(credentials.unwrap_or(UNIT_CREDENTIALS)).join(name)
            }
        };
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("password in {}: {error}", path.display()))?;
        let word = text.lines().next().unwrap_or_default();
        if word.is_empty() || word.len() > SECRET {
            return Err(format!(
                "password in {}: the first line is to hold it",
                path.display()
            ));
        }
        Ok(word.to_owned())
    }
}

/// An SMTP server, and how to speak to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub user: Option<String>,
    pub secret: Secret,
    /// Certificates (PEM) trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// Seconds that each of its answers may take.
    pub limit: u64,
}

impl Smtp {
    /// Of `host`, `host:port` or `[address]:port`; `None` where the port is no number. `tls` unset
    /// is what the port is for, and sets the port where that is unset.
    pub fn new(place: &str, tls: Option<Tls>) -> Option<Self> {
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse().ok()?))
            }
            Some(_) | None => (place, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.unwrap_or_else(|| tls.map_or(SMTP, Tls::port));
        Some(Self {
            host: host.to_owned(),
            port,
            tls: tls.unwrap_or_else(|| Tls::of_port(port)),
            user: None,
            secret: Secret::None,
            ca: None,
            limit: ANSWER,
        })
    }

    pub(super) fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    pub(super) fn without_secret(&self) -> Self {
        let secret = match &self.secret {
            Secret::Given(_) => Secret::None,
            kept => kept.clone(),
        };
        Self {
            secret,
            ..self.clone()
        }
    }
}

/// Why a mail did not go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub reason: String,
    pub kind: FailureKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// This mail will never be taken.
    ForGood,
    /// This mail may be taken later.
    ForNow,
    /// The place takes no mail at all now: its other mails need not try.
    Place,
}

impl Failure {
    pub fn new(kind: FailureKind, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { reason, kind }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Failure {}

/// What is sent to whom.
#[derive(Clone, Copy, Debug)]
pub struct Parcel<'a> {
    pub from: &'a Address,
    pub to: &'a [Address],
    /// With CRLF line ends.
    pub message: &'a [u8],
    /// How this machine calls itself.
    pub host: &'a str,
}

/// Who did not get a mail that others did get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Refused for good, with the server's words.
    pub refused: Vec<(Address, String)>,
    /// To be tried again.
    pub later: Vec<(Address, String)>,
}

/// Sends one mail; every step is said to `tell`.
///
/// # Errors
/// When nobody got it.
pub fn send(
    smtp: &Smtp,
    parcel: &Parcel<'_>,
    credentials: Option<&str>,
    tell: &mut dyn FnMut(&str),
) -> Result<Missed, Failure> {
    let limit = Duration::from_secs(smtp.limit);
    let mut talk = Talk { smtp, limit, tell };
    let mut connection = talk.connect(parcel.host)?;
    let sent = talk
        .log_in(&mut connection, credentials)
        .and_then(|()| talk.hand_over(&mut connection, parcel));
    if sent.is_ok() {
        // It has the mail; how it says good-bye is of no matter.
        let _ = connection.quit();
    } else {
        connection.abort();
    }
    sent
}

struct Talk<'a> {
    smtp: &'a Smtp,
    limit: Duration,
    tell: &'a mut dyn FnMut(&str),
}

impl Talk<'_> {
    fn connect(&mut self, host: &str) -> Result<SmtpConnection, Failure> {
        let Smtp { tls, .. } = *self.smtp;
        let place = self.smtp.place();
        let hello = ClientId::Domain(super::wire::domain(host).to_owned());
        let wrapped = (tls == Tls::Implicit).then(|| self.tls()).transpose()?;
        let how = if wrapped.is_some() { ", by TLS" } else { "" };
        (self.tell)(&format!("* connecting to {place}{how}"));
        (self.tell)(&format!("> EHLO {hello}"));
        let at = (self.smtp.host.as_str(), self.smtp.port);
        let connected =
            SmtpConnection::connect(at, Some(self.limit), &hello, wrapped.as_ref(), None);
        let mut connection = connected.map_err(|error| self.failed("connecting", &error))?;
        (self.tell)(&format!("< {}", connection.server_info()));
        let offered = connection
            .server_info()
            .supports_feature(Extension::StartTls);
        match tls {
            Tls::Never | Tls::Implicit => {}
            Tls::Opportunistic if !offered => {}
            Tls::Required if !offered => {
                connection.abort();
                let reason =
                    format!("{place} offers no STARTTLS; see the option tls of the action");
                (self.tell)(&format!("! {reason}"));
                return Err(Failure::new(FailureKind::Place, reason));
            }
            Tls::Opportunistic | Tls::Required => {
                (self.tell)("> STARTTLS");
                let parameters = self.tls()?;
                connection
                    .starttls(&parameters, &hello)
                    .map_err(|error| self.failed("STARTTLS", &error))?;
                (self.tell)(&format!(
                    "< encrypted from here; {}",
                    connection.server_info()
                ));
            }
        }
        Ok(connection)
    }

    fn tls(&mut self) -> Result<TlsParameters, Failure> {
        let smtp = self.smtp;
        let mut tls = TlsParameters::builder(smtp.host.clone());
        let wrong = |reason: String| Failure::new(FailureKind::Place, reason);
        if smtp.tls == Tls::Opportunistic {
            tls = tls
                .certificate_store(CertificateStore::None)
                .dangerous_accept_invalid_certs(true);
        } else if let Some(path) = &smtp.ca {
            let bytes = std::fs::read(path)
                .map_err(|error| wrong(format!("cafile {}: {error}", path.display())))?;
            let certificate = Certificate::from_pem(&bytes)
                .map_err(|_| wrong(format!("cafile {}: no certificates (PEM)", path.display())))?;
            tls = tls
                .certificate_store(CertificateStore::None)
                .add_root_certificate(certificate);
        }
        tls.build().map_err(|error| self.failed("TLS", &error))
    }

    fn log_in(
        &mut self,
        connection: &mut SmtpConnection,
        credentials: Option<&str>,
    ) -> Result<(), Failure> {
        let Some(user) = self.smtp.user.as_ref() else {
            return Ok(());
        };
        let secret = self.smtp.secret.read(credentials).map_err(|reason| {
            (self.tell)(&format!("! {reason}"));
            Failure::new(FailureKind::Place, reason)
        })?;
        (self.tell)(&format!("> AUTH as {user} (the password is not shown)"));
        let login = Credentials::new(user.clone(), secret);
        match connection.auth(&[Mechanism::Plain, Mechanism::Login], &login) {
            Ok(response) => {
                self.heard(&response);
                Ok(())
            }
            // A password can be set right while the mail waits.
            Err(error) => {
                let failure = self.failed(&format!("login as {user}"), &error);
                Err(Failure::new(FailureKind::Place, failure.reason))
            }
        }
    }

    fn hand_over(
        &mut self,
        connection: &mut SmtpConnection,
        parcel: &Parcel<'_>,
    ) -> Result<Missed, Failure> {
        (self.tell)(&format!("> MAIL FROM:<{}>", parcel.from));
        let taken = connection.command(Mail::new(Some(parcel.from.clone()), Vec::new()));
        self.step("MAIL", taken)?;
        let mut missed = Missed::default();
        let mut last = None;
        for to in parcel.to {
            (self.tell)(&format!("> RCPT TO:<{to}>"));
            match connection.command(Rcpt::new(to.clone(), Vec::new())) {
                Ok(response) => self.heard(&response),
                Err(error) => {
                    let failure = self.failed(&format!("RCPT {to}"), &error);
                    let entry = (to.clone(), failure.reason.clone());
                    match failure.kind {
                        FailureKind::ForGood => missed.refused.push(entry),
                        FailureKind::ForNow => missed.later.push(entry),
                        FailureKind::Place => return Err(failure),
                    }
                    last = Some(failure);
                }
            }
        }
        if missed.refused.len() + missed.later.len() == parcel.to.len() {
            let failure = last.unwrap_or_else(|| {
                Failure::new(FailureKind::ForGood, "dest of the action names nobody")
            });
            // One that may take it later keeps it waiting.
            let later = missed.later.first().map(|(_, reason)| reason.clone());
            return Err(later.map_or(failure, |reason| Failure::new(FailureKind::ForNow, reason)));
        }
        (self.tell)("> DATA");
        let ready = connection.command(Data);
        self.step("DATA", ready)?;
        (self.tell)(&format!("> ({} bytes of mail)", parcel.message.len()));
        let taken = connection.message(parcel.message);
        self.step("the mail itself", taken)?;
        Ok(missed)
    }

    fn step(&mut self, what: &str, answer: Result<Response, SmtpError>) -> Result<(), Failure> {
        match answer {
            Ok(response) => {
                self.heard(&response);
                Ok(())
            }
            Err(error) => Err(self.failed(what, &error)),
        }
    }

    fn heard(&mut self, response: &Response) {
        let code = response.code();
        for line in response.message() {
            (self.tell)(&format!("< {code} {line}"));
        }
    }

    /// An error in the operator's words: where, at which step, the server's words.
    fn failed(&mut self, step: &str, error: &SmtpError) -> Failure {
        use std::error::Error as _;
        let place = self.smtp.place();
        let source = error.source().map(ToString::to_string);
        let source = source.as_deref().map(|text| text.replace('\n', " / "));
        let words = match (error.status(), source) {
            (Some(code), Some(text)) => format!("{code} {text}"),
            (Some(code), None) => code.to_string(),
            (None, _) if timed_out(error) => {
                format!("no answer within {} s", self.limit.as_secs())
            }
            (None, Some(text)) if text == "incomplete response" => {
                "the connection was closed".to_owned()
            }
            (None, Some(text)) => text,
            (None, None) => error.to_string(),
        };
        let mut words = super::letter::clean(&words, false);
        let hint = CERTIFICATES.iter().find(|(error, _)| words.contains(error));
        if let Some((_, hint)) = hint {
            words = format!("{words} ({hint})");
        }
        let reason = format!("{place}: {step}: {words}");
        (self.tell)(&format!("! {reason}"));
        let greeting = matches!(step, "connecting" | "STARTTLS");
        let kind = if error.is_permanent() && !greeting {
            FailureKind::ForGood
        } else if error.is_transient() && !greeting {
            FailureKind::ForNow
        } else {
            FailureKind::Place
        };
        Failure { reason, kind }
    }
}

/// A read that runs into its limit ends as one of two kinds, by what the system calls it.
fn timed_out(error: &SmtpError) -> bool {
    use std::error::Error as _;
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind::{TimedOut, WouldBlock};
            return matches!(error.kind(), TimedOut | WouldBlock);
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_host_and_a_port_and_the_port_says_how() {
        for (place, tls, expected) in [
            ("mx", None, ("mx", 25, Tls::Never)),
            ("mx:465", None, ("mx", 465, Tls::Implicit)),
            ("mx:587", None, ("mx", 587, Tls::Required)),
            ("mx:587", Some(Tls::Never), ("mx", 587, Tls::Never)),
            ("mx", Some(Tls::Implicit), ("mx", 465, Tls::Implicit)),
            ("[2001:db8::1]:25", None, ("2001:db8::1", 25, Tls::Never)),
            ("2001:db8::1", None, ("2001:db8::1", 25, Tls::Never)),
        ] {
            let smtp = Smtp::new(place, tls).unwrap();
            assert_eq!(
                (smtp.host.as_str(), smtp.port, smtp.tls),
                expected,
                "{place}"
            );
        }
        assert_eq!(Smtp::new("mx:smtp", None), None);
    }

    #[test]
    fn a_secret_is_read_from_its_place_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("word");
        std::fs::write(&file, "open sesame\n").unwrap();
        let credentials = folder.path().to_str();
        for secret in [
            Secret::Given("open sesame".into()),
            Secret::File(file),
            Secret::Credential("word".into()),
        ] {
            assert_eq!(secret.read(credentials).unwrap(), "open sesame");
            assert!(!format!("{secret:?}").contains("sesame"));
        }
        let missing = Secret::Credential("other".into()).read(credentials);
        assert!(missing.unwrap_err().contains("other"));
    }
}
