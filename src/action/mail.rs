//! A mail action's parameters, as a recipe for its mails.

use super::reader::words;
use crate::mail::{Recipe, Transport, content};
use crate::model::{ActionSettings, MAIL_OPTION};

/// Where every MTA keeps it.
const SENDMAIL: &str = "/usr/sbin/sendmail";
/// fail2ban's `grepmax`.
const MOST_LINES: usize = 1000;
/// How `mailcmd` starts where mail(1) sends, fail2ban's and ours: rban has no use for it.
const MAIL_PROGRAM: &[&str] = &["mail -", "{ read -r subject; mail -s "];
const SMTP_PORT: u16 = 25;

/// The recipe of an action whose mails rban writes itself; `None` for any other action, and for one
/// whose `mailcmd` is more than a program and its arguments.
pub(super) fn recipe(settings: &ActionSettings) -> Option<Recipe> {
    let python = settings.python.as_ref();
    if python.is_some_and(|path| path.file_name().is_some_and(|name| name == "smtp.py")) {
        return smtp(settings);
    }
    let content = content(settings.option(MAIL_OPTION)?)?;
    let (to, from) = (
        given(settings, "dest", "root"),
        given(settings, "sender", "root"),
    );
    let transport = match settings.option("mailcmd") {
        Some(command) if !MAIL_PROGRAM.iter().any(|start| command.starts_with(start)) => {
            // The host's name is filled in when it is known; it is a plain word.
            let plain = command.replace("<fq-hostname>", HOST);
            let words = words::split(&plain)?.into_iter();
            words
                .map(|word| word.replace(HOST, "<fq-hostname>"))
                .collect()
        }
        Some(_) | None => [SENDMAIL, "-f", from, to].map(str::to_owned).to_vec(),
    };
    let most = settings
        .option("grepmax")
        .and_then(|text| text.parse().ok());
    let logs = settings.option("logpath").unwrap_or_default();
    Some(Recipe {
        content,
        name: given(settings, "name", "default").to_owned(),
        to: addresses(to),
        from: from.to_owned(),
        from_name: given(settings, "sendername", "Fail2Ban").to_owned(),
        transport: Transport::Program(transport),
        logs: logs.split_whitespace().map(str::to_owned).collect(),
        most: most.unwrap_or(MOST_LINES),
        whois_server: whois_server(settings),
    })
}

/// Stands for the host's name while a command is taken apart.
const HOST: &str = "fq-hostname";

/// fail2ban's smtp.py: its parameters and defaults.
fn smtp(settings: &ActionSettings) -> Option<Recipe> {
    let content = match settings.option("matches") {
        None | Some("" | "None") => "plain",
        Some(matches) => matches,
    };
    let place = given(settings, "host", "localhost");
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()?),
        Some(_) | None => (place, SMTP_PORT),
    };
    let login = match (settings.option("user"), settings.option("password")) {
        (Some(user), Some(password)) if !user.is_empty() && !password.is_empty() => {
            Some((user.to_owned(), password.to_owned()))
        }
        _ => None,
    };
    Some(Recipe {
        content: crate::mail::content(content)?,
        name: settings.option("name").unwrap_or_default().to_owned(),
        to: addresses(given(settings, "dest", "root")),
        from: given(settings, "sender", "fail2ban").to_owned(),
        from_name: given(settings, "sendername", "Fail2Ban").to_owned(),
        transport: Transport::Smtp {
            host: host.to_owned(),
            port,
            login,
        },
        logs: Vec::new(),
        most: MOST_LINES,
        whois_server: whois_server(settings),
    })
}

fn whois_server(settings: &ActionSettings) -> Option<String> {
    let server = settings.option("whoisserver")?.trim();
    (!server.is_empty()).then(|| server.to_owned())
}

fn given<'s>(settings: &'s ActionSettings, name: &str, otherwise: &'s str) -> &'s str {
    settings.option(name).unwrap_or(otherwise)
}

fn addresses(text: &str) -> Vec<String> {
    let one = |address: &str| address.trim().to_owned();
    text.split(',').map(one).filter(|a| !a.is_empty()).collect()
}
