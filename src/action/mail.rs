//! A mail action's parameters, as a recipe for its mails.

use std::collections::HashMap;

use super::options::{is_on, seconds};
use super::reader::words;
use super::tags;
use crate::mail::smtp::ANSWER;
use crate::mail::{Limits, Recipe, Secret, Smtp, Tls, Transport, content};
use crate::model::{ActionSettings, MAIL_OPTION, Span};

/// Where every MTA keeps it.
const SENDMAIL: &str = "/usr/sbin/sendmail";
/// fail2ban's `grepmax`.
const MOST_LINES: usize = 1000;
/// How `mailcmd` starts where mail(1) sends, fail2ban's and ours: rban has no use for it.
const MAIL_PROGRAM: &[&str] = &["mail -", "{ read -r subject; mail -s "];
/// fail2ban's `lines` of the buffered actions.
const LINES: u64 = 5;

/// Stands for the host's name while a command is taken apart.
const HOST: &str = "fq-hostname";

/// The recipe of an action whose mails rban writes itself; `None` for any other action, and for one
/// whose `mailcmd` is more than a program and its arguments.
pub fn recipe(settings: &ActionSettings) -> Option<Recipe> {
    let parameters = Parameters(settings.options.iter().cloned().collect());
    let python = settings.python.as_ref();
    if python.is_some_and(|path| path.file_name().is_some_and(|name| name == "smtp.py")) {
        return smtp(&parameters);
    }
    let content = content(settings.option(MAIL_OPTION)?)?;
    let to = parameters.given("dest", "root");
    let from = sender(&parameters.given("sender", "root"));
    let smtp = parameters
        .filled("smtp")
        .map(|place| server(&place, &parameters));
    let transport = match parameters.get("mailcmd") {
        _ if smtp.is_some() => Transport::Smtp(smtp??),
        Some(command) if !MAIL_PROGRAM.iter().any(|start| command.starts_with(start)) => {
            // The host's name is filled in when it is known; it is a plain word.
            let plain = command.replace("<fq-hostname>", HOST);
            let words = words::split(&plain)?.into_iter();
            let words = words.map(|word| word.replace(HOST, "<fq-hostname>"));
            Transport::Program(words.collect())
        }
        Some(_) | None => {
            let mut words = [SENDMAIL, "-f", &from].map(str::to_owned).to_vec();
            words.extend(addresses(&to));
            Transport::Program(words)
        }
    };
    // A jail's `logpath` may say where to begin.
    let place = |word: &&str| !["tail", "head"].contains(&word.to_ascii_lowercase().as_str());
    let logs = parameters.given("logpath", "");
    Some(Recipe {
        content,
        name: parameters.given("name", "default"),
        to: addresses(&to),
        from,
        from_name: parameters.given("sendername", "Fail2Ban"),
        transport,
        logs: logs
            .split_whitespace()
            .filter(place)
            .map(str::to_owned)
            .collect(),
        most: parameters
            .get("grepmax")
            .and_then(|text| text.parse().ok())
            .unwrap_or(MOST_LINES),
        whois_server: parameters.filled("whoisserver"),
        html: parameters.is_on("html"),
        limits: Limits {
            lines: content
                .buffered
                .then(|| parameters.number("lines", LINES).max(1)),
            ..limits(&parameters)
        },
    })
}

/// An SMTP server with what the parameters say of it; `None` where they make no sense.
fn server(place: &str, parameters: &Parameters) -> Option<Smtp> {
    let tls = match parameters.filled("tls") {
        Some(word) => Some(Tls::parse(&word)?),
        None => None,
    };
    let file = parameters
        .filled("passwordfile")
        .map(|path| Secret::File(path.into()));
    let credential = parameters.filled("credential").map(Secret::Credential);
    let given = parameters.filled("password").map(Secret::Given);
    let secret = file.or(credential).or(given);
    Some(Smtp {
        // A user without a password is none, for fail2ban.
        user: parameters.filled("user").filter(|_| secret.is_some()),
        secret: secret.unwrap_or(Secret::None),
        ca: parameters.filled("cafile").map(Into::into),
        limit: parameters
            .filled("timeout")
            .and_then(|text| seconds(&text))
            .map_or(ANSWER, |limit| limit.as_secs().min(ANSWER)),
        ..Smtp::new(place, tls)?
    })
}

fn limits(parameters: &Parameters) -> Limits {
    let usual = Limits::default();
    let span = |name: &str| {
        let secs = parameters.filled(name).and_then(|text| seconds(&text))?;
        Some(Span::from_secs(i64::try_from(secs.as_secs()).ok()?))
    };
    let hourly = parameters.number("maxmails", usual.hourly as u64);
    Limits {
        hourly: usize::try_from(hourly).unwrap_or(usize::MAX),
        digest: span("digest"),
        lines: None,
        retry: span("retry").unwrap_or(usual.retry),
        giveup: span("giveup").unwrap_or(usual.giveup),
    }
}

/// fail2ban's smtp.py: its parameters and defaults.
fn smtp(parameters: &Parameters) -> Option<Recipe> {
    let content = parameters.given("matches", "None");
    let place = parameters.given("host", "localhost");
    Some(Recipe {
        content: crate::mail::content(match content.as_str() {
            "" | "None" => "plain",
            kind => kind,
        })?,
        name: parameters.given("name", ""),
        to: addresses(&parameters.given("dest", "root")),
        from: sender(&parameters.given("sender", "fail2ban")),
        from_name: parameters.given("sendername", "Fail2Ban"),
        transport: Transport::Smtp(server(&place, parameters)?),
        logs: Vec::new(),
        most: MOST_LINES,
        whois_server: None,
        html: parameters.is_on("html"),
        limits: limits(parameters),
    })
}

/// Options, with the tags in them replaced by other options.
struct Parameters(HashMap<String, String>);

impl Parameters {
    fn get(&self, name: &str) -> Option<String> {
        let text = tags::resolve(self.0.get(name)?, &self.0, None).ok()?;
        Some(text.trim().to_owned())
    }

    /// One that is given and says something.
    fn filled(&self, name: &str) -> Option<String> {
        self.get(name).filter(|text| !text.is_empty())
    }

    fn number(&self, name: &str, otherwise: u64) -> u64 {
        let number = self.get(name).and_then(|text| text.parse().ok());
        number.unwrap_or(otherwise)
    }

    fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|text| is_on(&text))
    }

    fn given(&self, name: &str, otherwise: &str) -> String {
        self.get(name).unwrap_or_else(|| otherwise.to_owned())
    }
}

/// The address of a sender who may be given with a name.
fn sender(text: &str) -> String {
    let named = text.contains('<').then(|| addresses(text));
    let address = named.and_then(|found| found.into_iter().next());
    address.unwrap_or_else(|| text.to_owned())
}

/// Addresses apart by commas or blanks; of `Name <address>` it is the address.
fn addresses(text: &str) -> Vec<String> {
    let (mut found, mut piece, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars().chain([',']) {
        quoted ^= c == '"';
        if c != ',' || quoted {
            piece.push(c);
            continue;
        }
        match piece
            .rsplit_once('<')
            .and_then(|(_, inner)| inner.split_once('>'))
        {
            Some((address, _)) => found.push(address.trim().to_owned()),
            None => found.extend(piece.split_whitespace().map(str::to_owned)),
        }
        piece.clear();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart_as_mailers_do() {
        for (text, expected) in [
            ("root", &["root"][..]),
            (
                "a@example.com, b@example.com",
                &["a@example.com", "b@example.com"],
            ),
            (
                "a@example.com b@example.com",
                &["a@example.com", "b@example.com"],
            ),
            ("Admin One <a@example.com>,b", &["a@example.com", "b"]),
            ("\"One, Admin\" <a@example.com>", &["a@example.com"]),
            (" , ", &[]),
        ] {
            assert_eq!(addresses(text), expected, "{text}");
        }
    }
}
