//! One mail as data: whom to, its subject, and its text with gaps for what must be looked up.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::lookup::LookUp;
use super::recipe::{Content, Matched, Recipe, Transport};
use crate::model::{BanTime, Time};

/// The longest subject; what is banned may be any text out of a log.
const SUBJECT: usize = 200;

/// A piece of a mail's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    Text(String),
    /// An address's name, in a line behind `Name:`.
    Name(IpAddr),
    /// Its country and network, in lines of their own.
    Country(IpAddr),
    /// What whois says about an address; asked of this server if given.
    Whois(IpAddr, Option<String>),
    /// The last `most` lines of these logs (paths or patterns) that name this.
    Log(Vec<String>, String, usize),
}

/// What a mail is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum About {
    Start,
    /// Nothing: its action goes on with new settings, and what waits of it with them.
    Reload,
    /// `silent`: nothing is to be mailed, but what was collected goes out.
    Stop {
        silent: bool,
    },
    Ban {
        id: String,
        attempts: u64,
    },
    /// Bans collected.
    Digest,
}

/// One mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Whose mail it is.
    pub jail: String,
    pub action: String,
    /// What it calls the jail.
    pub name: String,
    pub about: About,
    pub transport: Transport,
    pub from: String,
    pub from_name: String,
    pub to: Vec<String>,
    /// Those of `to` who have it not yet; empty is everybody.
    pub left: Vec<String>,
    pub subject: String,
    /// This machine's name.
    pub host: String,
    #[serde(with = "super::spool::micros")]
    pub time: Time,
    pub html: bool,
    pub parts: Vec<Part>,
}

impl Letter {
    /// Looks up what is to be looked up; what cannot be found says so.
    pub fn fill(&mut self, look_up: &dyn LookUp) {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Name(address) => {
                    let name = clean(&look_up.name(*address), false);
                    text.push_str(&format!("Name:      {name}\n"));
                }
                Part::Country(address) => {
                    let known = clean(&look_up.country(*address), true);
                    text.push_str(known.trim_end());
                    text.push('\n');
                }
                Part::Whois(address, server) => match look_up.whois(*address, server.as_deref()) {
                    Ok(answer) => text.push_str(&answer),
                    Err(error) => text.push_str(&format!("(no answer: {error})\n")),
                },
                Part::Log(patterns, word, most) => {
                    let logs = patterns.iter().flat_map(|log| look_up.logs(log));
                    let logs: Vec<String> = logs.collect();
                    text.push_str(&super::lines::about(&logs, word, *most));
                }
            }
        }
        self.parts = vec![Part::Text(text)];
    }

    /// The text as far as it is known.
    pub fn text(&self) -> String {
        let known = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Name(_) | Part::Country(_) | Part::Whois(..) | Part::Log(..) => None,
        });
        known.collect()
    }
}

/// What a mail tells of a ban.
#[derive(Clone, Copy, Debug)]
pub struct Banned<'a> {
    pub jail: &'a str,
    pub action: &'a str,
    pub id: &'a str,
    pub address: Option<IpAddr>,
    pub failures: u64,
    pub bantime: BanTime,
    /// The lines the content asks for.
    pub matches: &'a str,
}

/// The mail of a ban.
pub fn banned(recipe: &Recipe, ban: &Banned<'_>, host: &str, time: Time) -> Letter {
    let Banned { jail, id, .. } = *ban;
    let (name, failures) = (&recipe.name, ban.failures);
    let long = match ban.bantime {
        BanTime::Permanent => "for good".to_owned(),
        BanTime::Secs(secs) => format!("for {}", crate::model::Span::from_secs(secs).words()),
    };
    let id = clean(id, false);
    let mut parts = vec![Part::Text(format!(
        "Hi,\n\n{id} was banned after {failures} attempts against {name}, {long}.\n\n\
         Jail:      {jail}\nAttempts:  {failures}\n"
    ))];
    let Content {
        whois,
        matched,
        geo,
        ..
    } = recipe.content;
    if let Some(address) = ban.address {
        parts.push(Part::Name(address));
        if geo {
            parts.push(Part::Country(address));
        }
    }
    if whois && let Some(address) = ban.address {
        parts.push(Part::Text(format!("\nWhois about {id}:\n\n")));
        parts.push(Part::Whois(address, recipe.whois_server.clone()));
    }
    match matched {
        Matched::Nothing => {}
        Matched::Log => {
            parts.push(Part::Text(format!("\nLog lines about {id}:\n\n")));
            parts.push(Part::Log(recipe.logs.clone(), id.clone(), recipe.most));
        }
        Matched::Ban | Matched::AllJails | Matched::ThisJail => {
            let matches = super::lines::bounded(ban.matches);
            parts.push(Part::Text(format!("\nMatched lines:\n\n{matches}")));
        }
    }
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let whose = if jail.chars().all(plain) {
        jail.to_owned()
    } else {
        quoted(&clean(jail, false))
    };
    parts.push(Part::Text(format!(
        "\nTo lift the ban:\n\n    rban client set {whose} unbanip {}\n\n-- \nrban on {host}\n",
        quoted(&id)
    )));
    let about = About::Ban {
        id: id.clone(),
        attempts: failures,
    };
    let writer = Writer {
        jail,
        action: ban.action,
        host,
        time,
    };
    writer.letter(recipe, about, &format!("banned {id} from {host}"), parts)
}

/// Who writes a mail, where and when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    pub jail: &'a str,
    pub action: &'a str,
    pub host: &'a str,
    pub time: Time,
}

impl Writer<'_> {
    /// The mail of a jail's start.
    pub fn started(&self, recipe: &Recipe) -> Letter {
        let (name, host) = (&recipe.name, self.host);
        let text = format!("Hi,\n\nthe jail {name} has started.\n\n-- \nrban on {host}\n");
        let parts = vec![Part::Text(text)];
        self.letter(recipe, About::Start, &format!("started on {host}"), parts)
    }

    /// The mail of a jail's end.
    pub fn stopped(&self, recipe: &Recipe, silent: bool) -> Letter {
        let (name, host) = (&recipe.name, self.host);
        let text = format!("Hi,\n\nthe jail {name} has stopped.\n\n-- \nrban on {host}\n");
        let parts = vec![Part::Text(text)];
        let about = About::Stop { silent };
        self.letter(recipe, about, &format!("stopped on {host}"), parts)
    }

    /// No mail at all, but how those go from now on.
    pub fn reloaded(&self, recipe: &Recipe) -> Letter {
        self.letter(recipe, About::Reload, "reloaded", Vec::new())
    }

    /// A mail that says nothing but that mail works.
    pub fn trial(&self, recipe: &Recipe) -> Letter {
        let (jail, action, host) = (self.jail, self.action, self.host);
        let text = format!(
            "Hi,\n\nthis is what 'rban mail test' sends: mail about bans by the jail {jail}, \
             action {action}, comes this way.\n\n-- \nrban on {host}\n"
        );
        let parts = vec![Part::Text(text)];
        self.letter(recipe, About::Start, &format!("test from {host}"), parts)
    }

    fn letter(&self, recipe: &Recipe, about: About, what: &str, parts: Vec<Part>) -> Letter {
        let subject = clean(&format!("[Fail2Ban] {}: {what}", recipe.name), false);
        let complete = |text: &str| text.replace("<fq-hostname>", self.host);
        Letter {
            jail: self.jail.to_owned(),
            action: self.action.to_owned(),
            name: clean(&recipe.name, false),
            about,
            transport: recipe.transport.clone(),
            from: complete(&recipe.from),
            from_name: complete(&recipe.from_name),
            to: recipe.to.iter().map(|to| complete(to)).collect(),
            left: Vec::new(),
            subject: subject.chars().take(SUBJECT).collect(),
            host: self.host.to_owned(),
            time: self.time,
            html: recipe.html,
            parts,
        }
    }
}

/// Text without control characters; line ends and tabs may stay.
pub(super) fn clean(text: &str, lines: bool) -> String {
    let fine = |c: char| !c.is_control() || (lines && matches!(c, '\n' | '\t'));
    let one = |c: char| if fine(c) { c } else { '\u{fffd}' };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::content;

    fn recipe(kind: &str) -> Recipe {
        Recipe {
            content: content(kind).unwrap(),
            name: "SSH".into(),
            to: vec!["admin@example.com".into()],
            from: "root@<fq-hostname>".into(),
            from_name: "Fail2Ban".into(),
            transport: Transport::Program(vec!["sendmail".into()]),
            logs: Vec::new(),
            most: 1000,
            whois_server: None,
            html: false,
            limits: crate::mail::Limits::default(),
        }
    }

    fn ban<'a>(id: &'a str, matches: &'a str) -> Banned<'a> {
        Banned {
            jail: "ssh-iptables",
            action: "sendmail-whois-SSH",
            id,
            address: id.parse().ok(),
            failures: 3,
            bantime: BanTime::Secs(3600),
            matches,
        }
    }

    #[test]
    fn a_bans_mail_has_the_articles_subject_and_says_how_to_lift_it() {
        let ban = ban("203.0.113.5", "");
        let letter = banned(&recipe("whois"), &ban, "web", Time::from_secs(0));
        assert_eq!(
            letter.subject,
            "[Fail2Ban] SSH: banned 203.0.113.5 from web"
        );
        assert_eq!(letter.from, "root@web");
        let asked = |part: &Part| *part == Part::Whois(ban.address.unwrap(), None);
        assert!(letter.parts.iter().any(asked));
        let Some(Part::Text(last)) = letter.parts.last() else {
            panic!("{letter:?}")
        };
        assert!(last.contains("rban client set ssh-iptables unbanip '203.0.113.5'"));
    }

    #[test]
    fn what_a_log_says_stays_text() {
        let id = "x\r\nBcc: evil@example.com\u{1b}[2J";
        let ban = ban(id, "a\r\0b");
        let letter = banned(&recipe("whois-matches"), &ban, "web", Time::from_secs(0));
        assert!(
            !letter.subject.contains(['\r', '\n', '\u{1b}']),
            "{letter:?}"
        );
        for part in &letter.parts {
            let Part::Text(text) = part else {
                panic!("whois of no address: {part:?}")
            };
            assert!(!text.contains(['\r', '\0', '\u{1b}']), "{text}");
        }
    }
}
