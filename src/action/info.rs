//! The values behind a command's tags: one table, from the ban, its jail and the machine.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::IpAddr;

use super::facts::{Counts, Facts, History};
use super::options::Scope;
use super::python;
use crate::model::{Ban, MatchedLine, Network};

/// What a command is about: a ban, or nobody (start, stop, flush), and what may be asked about it.
pub(super) struct Info<'a> {
    pub(super) ban: Option<&'a Ban>,
    pub(super) scope: Scope,
    pub(super) jail: &'a str,
    pub(super) facts: &'a dyn Facts,
}

/// Seconds an element outlives its ban in the kernel, so that our own lifting of it still finds it.
const KERNEL_GRACE: i64 = 10;

type Value = for<'i> fn(&'i Info<'_>) -> Cow<'i, str>;

/// Every tag with a value of its own, as fail2ban names them.
const TAGS: &[(&str, Value)] = &[
    ("ip", |i| i.ip().into()),
    ("fid", |i| i.id().into()),
    ("family", |i| i.scope.name().into()),
    ("ip-rev", |i| i.reversed().into()),
    ("ip-width", |i| i.width().into()),
    ("ip-timeout", |i| i.timeout().into()),
    ("ip-host", |i| i.host().into()),
    ("failures", |i| i.number(|ban| u64::from(ban.attempts))),
    ("time", |i| i.time().into()),
    ("bantime", |i| i.bantime().into()),
    ("bancount", |i| i.number(|ban| u64::from(ban.count))),
    ("restored", |i| i.number(|ban| u64::from(ban.restored))),
    ("matches", |i| i.matches().into()),
    ("ipmatches", |i| i.merged(History::AllJails).0.into()),
    ("ipjailmatches", |i| i.merged(History::ThisJail).0.into()),
    ("ipfailures", |i| {
        i.merged(History::AllJails).1.to_string().into()
    }),
    ("ipjailfailures", |i| {
        i.merged(History::ThisJail).1.to_string().into()
    }),
    ("raw-ticket", |i| i.ticket().into()),
    ("jail.name", |i| i.jail.into()),
    ("jail.banned", |i| i.count(|c| c.banned)),
    ("jail.banned_total", |i| i.count(|c| c.banned_total)),
    ("jail.found", |i| i.count(|c| c.found)),
    ("jail.found_total", |i| i.count(|c| c.found_total)),
    ("fq-hostname", |i| i.facts.hostname(true).into()),
    ("sh-hostname", |i| i.facts.hostname(false).into()),
];

impl Info<'_> {
    /// A tag's value; `None` where there is no such tag.
    pub(super) fn value(&self, tag: &str) -> Option<Cow<'_, str>> {
        let (_, value) = TAGS.iter().find(|(name, _)| *name == tag)?;
        Some(value(self))
    }

    /// What `<F-NAME>` captured; nothing where it captured nothing.
    pub(super) fn captured(&self, name: &str) -> String {
        let value = self.ban.and_then(|ban| ban.data.get(name));
        value.map_or_else(String::new, |value| python::datum(name, value))
    }

    /// fail2ban's `info` in its messages on failure.
    pub(super) fn shown(&self) -> String {
        format!(
            "ActionInfo({{'ip': {}, 'family': {}, 'fid': {}}})",
            python::text(&self.ip()),
            match self.scope {
                Scope::Raw => "None".to_owned(),
                scope => python::text(scope.name()),
            },
            python::text(&self.id()),
        )
    }

    pub(super) fn ip(&self) -> String {
        match self.ban {
            None => String::new(),
            Some(ban) => ban
                .ip
                .as_ref()
                .map_or_else(|| ban.id.to_string(), Network::to_string),
        }
    }

    fn id(&self) -> String {
        self.ban.map_or_else(String::new, |ban| ban.id.to_string())
    }

    fn address(&self) -> Option<IpAddr> {
        Some(self.ban?.network()?.address())
    }

    /// Ours: `host` or `net`.
    fn width(&self) -> &'static str {
        match self.ban.and_then(Ban::network) {
            Some(network) if !network.is_host() => "net",
            Some(_) | None => "host",
        }
    }

    /// Ours: `timeout 583s` until the ban's end and [`KERNEL_GRACE`], nothing for a permanent one.
    fn timeout(&self) -> String {
        let Some(end) = self.ban.and_then(Ban::end) else {
            return String::new();
        };
        let left = end - self.facts.now();
        format!("timeout {}s", left.secs().max(0) + KERNEL_GRACE)
    }

    fn reversed(&self) -> String {
        let mut text = String::new();
        match self.address() {
            None => {}
            Some(IpAddr::V4(v4)) => {
                for byte in v4.octets().iter().rev() {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "{byte}.");
                }
            }
            Some(IpAddr::V6(v6)) => {
                for byte in v6.octets().iter().rev() {
                    let _ = write!(text, "{:x}.{:x}.", byte & 15, byte >> 4);
                }
            }
        }
        text
    }

    fn host(&self) -> String {
        let network = self
            .ban
            .and_then(Ban::network)
            .filter(|network| network.is_host());
        let name = network.and_then(|network| self.facts.host(network.address()));
        name.unwrap_or_else(|| "None".to_owned())
    }

    fn number(&self, of: impl Fn(&Ban) -> u64) -> Cow<'_, str> {
        self.ban.map_or(0, of).to_string().into()
    }

    fn count(&self, of: impl Fn(Counts) -> u64) -> Cow<'_, str> {
        of(self.facts.counts()).to_string().into()
    }

    /// A float while the ticket lives in memory, whole seconds once it came from the database.
    fn time(&self) -> String {
        match self.ban {
            Some(ban) if ban.restored => ban.time.secs().to_string(),
            Some(ban) => python::float(ban.time),
            None => python::float(self.facts.now()),
        }
    }

    fn bantime(&self) -> String {
        let bantime = self
            .ban
            .map_or_else(|| self.facts.bantime(), |ban| ban.bantime);
        bantime.to_string()
    }

    pub(super) fn matches(&self) -> String {
        let lines = self.ban.map_or(&[][..], |ban| ban.lines.as_slice());
        let texts: Vec<&str> = lines.iter().map(|line| &*line.text).collect();
        texts.join("\n")
    }

    /// Lines and failures of this address's other bans too; of this ban alone where none are known.
    pub(super) fn merged(&self, scope: History) -> (String, u64) {
        let merged = self.ban.and_then(|ban| self.facts.history(ban, scope));
        match (merged, self.ban) {
            (Some(merged), _) => (merged.lines.join("\n"), merged.failures),
            (None, Some(ban)) => (self.matches(), u64::from(ban.attempts)),
            (None, None) => (String::new(), 0),
        }
    }

    fn ticket(&self) -> String {
        let lines = self.ban.map_or(&[][..], |ban| ban.lines.as_slice());
        let lines: Vec<String> = lines.iter().map(line_shown).collect();
        let bantime = match self.ban {
            Some(ban) => ban.bantime.to_string(),
            None => "None".to_owned(),
        };
        format!(
            "BanTicket: ip={} time={} bantime={bantime} bancount={} #attempts={} matches=[{}]",
            self.id(),
            self.time(),
            self.number(|ban| u64::from(ban.count)),
            self.number(|ban| u64::from(ban.attempts)),
            lines.join(", "),
        )
    }
}

/// A matched line as fail2ban keeps it: its text, or the three parts around its date.
fn line_shown(line: &MatchedLine) -> String {
    let parts = line.date.and_then(|(from, to)| {
        let (from, to) = (from as usize, to as usize);
        Some([
            line.text.get(..from)?,
            line.text.get(from..to)?,
            line.text.get(to..)?,
        ])
    });
    match parts {
        Some(parts) => python::list(&parts),
        None => python::text(&line.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tag_is_listed_twice() {
        for (at, (name, _)) in TAGS.iter().enumerate() {
            assert!(
                TAGS[at + 1..].iter().all(|(other, _)| other != name),
                "{name}"
            );
        }
    }
}
