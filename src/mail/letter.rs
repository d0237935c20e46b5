//! One mail as data: whom to, its subject, and its text with gaps for what must be looked up.

use super::recipe::{Content, Matched, Recipe, Transport};
use crate::model::{BanTime, Time};

/// The longest subject; what is banned may be any text out of a log.
const SUBJECT: usize = 200;

/// A piece of a mail's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text(String),
    /// What whois says about an address; asked of this server if given.
    Whois(std::net::IpAddr, Option<String>),
    /// The last `most` lines of these logs that name this.
    Log(Vec<String>, String, usize),
}

/// One mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub transport: Transport,
    pub from: String,
    pub from_name: String,
    pub to: Vec<String>,
    pub subject: String,
    /// This machine's name.
    pub host: String,
    pub time: Time,
    pub parts: Vec<Part>,
}

/// What a mail tells of a ban.
#[derive(Clone, Copy, Debug)]
pub struct Banned<'a> {
    pub jail: &'a str,
    pub id: &'a str,
    pub address: Option<std::net::IpAddr>,
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
    let Content { whois, matched, .. } = recipe.content;
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
            let matches = clean(ban.matches, true);
            parts.push(Part::Text(format!("\nMatched lines:\n\n{matches}\n")));
        }
    }
    let quoted = id.replace('\'', "'\\''");
    parts.push(Part::Text(format!(
        "\nTo lift the ban:\n\n    rban client set {jail} unbanip '{quoted}'\n\n-- \nrban on {host}\n"
    )));
    letter(
        recipe,
        &format!("banned {id} from {host}"),
        host,
        time,
        parts,
    )
}

/// The mail of a jail's start.
pub fn started(recipe: &Recipe, host: &str, time: Time) -> Letter {
    let text = format!(
        "Hi,\n\nthe jail {} has started.\n\n-- \nrban on {host}\n",
        recipe.name
    );
    let parts = vec![Part::Text(text)];
    letter(recipe, &format!("started on {host}"), host, time, parts)
}

/// The mail of a jail's end.
pub fn stopped(recipe: &Recipe, host: &str, time: Time) -> Letter {
    let text = format!(
        "Hi,\n\nthe jail {} has stopped.\n\n-- \nrban on {host}\n",
        recipe.name
    );
    let parts = vec![Part::Text(text)];
    letter(recipe, &format!("stopped on {host}"), host, time, parts)
}

fn letter(recipe: &Recipe, what: &str, host: &str, time: Time, parts: Vec<Part>) -> Letter {
    let subject = clean(&format!("[Fail2Ban] {}: {what}", recipe.name), false);
    Letter {
        transport: recipe.transport.clone(),
        from: recipe.from.replace("<fq-hostname>", host),
        from_name: recipe.from_name.replace("<fq-hostname>", host),
        to: recipe
            .to
            .iter()
            .map(|to| to.replace("<fq-hostname>", host))
            .collect(),
        subject: subject.chars().take(SUBJECT).collect(),
        host: host.to_owned(),
        time,
        parts,
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
        }
    }

    fn ban<'a>(id: &'a str, matches: &'a str) -> Banned<'a> {
        Banned {
            jail: "ssh-iptables",
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
