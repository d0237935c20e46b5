//! A mail action's parameters, as a recipe for its mails.

use std::collections::HashMap;

use super::reader::words;
use super::tags;
use crate::mail::{Recipe, Transport, content};
use crate::model::{ActionSettings, MAIL_OPTION};

/// Where every MTA keeps it.
const SENDMAIL: &str = "/usr/sbin/sendmail";
/// fail2ban's `grepmax`.
const MOST_LINES: usize = 1000;
/// How `mailcmd` starts where mail(1) sends, fail2ban's and ours: rban has no use for it.
const MAIL_PROGRAM: &[&str] = &["mail -", "{ read -r subject; mail -s "];
const SMTP_PORT: u16 = 25;

/// Stands for the host's name while a command is taken apart.
const HOST: &str = "fq-hostname";

/// The recipe of an action whose mails rban writes itself; `None` for any other action, and for one
/// whose `mailcmd` is more than a program and its arguments.
pub(super) fn recipe(settings: &ActionSettings) -> Option<Recipe> {
    let parameters = Parameters(settings.options.iter().cloned().collect());
    let python = settings.python.as_ref();
    if python.is_some_and(|path| path.file_name().is_some_and(|name| name == "smtp.py")) {
        return smtp(&parameters);
    }
    let content = content(settings.option(MAIL_OPTION)?)?;
    let to = parameters.given("dest", "root");
    let from = parameters.given("sender", "root");
    let transport = match parameters.get("mailcmd") {
        Some(command) if !MAIL_PROGRAM.iter().any(|start| command.starts_with(start)) => {
            // The host's name is filled in when it is known; it is a plain word.
            let plain = command.replace("<fq-hostname>", HOST);
            let words = words::split(&plain)?.into_iter();
            words
                .map(|word| word.replace(HOST, "<fq-hostname>"))
                .collect()
        }
        Some(_) | None => [SENDMAIL, "-f", &from, &to].map(str::to_owned).to_vec(),
    };
    let logs = parameters.given("logpath", "");
    Some(Recipe {
        content,
        name: parameters.given("name", "default"),
        to: addresses(&to),
        from,
        from_name: parameters.given("sendername", "Fail2Ban"),
        transport: Transport::Program(transport),
        logs: logs.split_whitespace().map(str::to_owned).collect(),
        most: parameters
            .get("grepmax")
            .and_then(|text| text.parse().ok())
            .unwrap_or(MOST_LINES),
        whois_server: parameters.get("whoisserver").filter(|s| !s.is_empty()),
    })
}

/// fail2ban's smtp.py: its parameters and defaults.
fn smtp(parameters: &Parameters) -> Option<Recipe> {
    let content = parameters.given("matches", "None");
    let place = parameters.given("host", "localhost");
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()?),
        Some(_) | None => (place.as_str(), SMTP_PORT),
    };
    let user = parameters.get("user").filter(|user| !user.is_empty());
    let password = parameters.get("password").filter(|word| !word.is_empty());
    Some(Recipe {
        content: crate::mail::content(match content.as_str() {
            "" | "None" => "plain",
            kind => kind,
        })?,
        name: parameters.given("name", ""),
        to: addresses(&parameters.given("dest", "root")),
        from: parameters.given("sender", "fail2ban"),
        from_name: parameters.given("sendername", "Fail2Ban"),
        transport: Transport::Smtp {
            host: host.to_owned(),
            port,
            login: user.zip(password),
        },
        logs: Vec::new(),
        most: MOST_LINES,
        whois_server: None,
    })
}

/// Options, with the tags in them replaced by other options.
struct Parameters(HashMap<String, String>);

impl Parameters {
    fn get(&self, name: &str) -> Option<String> {
        let text = tags::resolve(self.0.get(name)?, &self.0, None).ok()?;
        Some(text.trim().to_owned())
    }

    fn given(&self, name: &str, otherwise: &str) -> String {
        self.get(name).unwrap_or_else(|| otherwise.to_owned())
    }
}

fn addresses(text: &str) -> Vec<String> {
    let one = |address: &str| address.trim().to_owned();
    text.split(',').map(one).filter(|a| !a.is_empty()).collect()
}
