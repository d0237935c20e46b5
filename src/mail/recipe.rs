//! What a mail action asks for: one table of contents, and an action's parameters.

use serde::{Deserialize, Serialize};

use super::flood::Limits;
use super::smtp::Smtp;

/// Which log lines a mail shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    Nothing,
    /// Lines of the log that name the address.
    Log,
    /// The lines of this ban.
    Ban,
    /// Those of the address's bans in all jails, or in this one.
    AllJails,
    ThisJail,
}

/// What one kind of mail action puts into its mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    pub name: &'static str,
    pub whois: bool,
    pub matched: Matched,
    /// Country and network, as `geoiplookup` knows them.
    pub geo: bool,
    /// No mail for each ban, but one for so many of them.
    pub buffered: bool,
}

/// Every kind, by the name the configuration gives it.
const CONTENTS: &[Content] = &[
    kind("plain", false, Matched::Nothing),
    kind("whois", true, Matched::Nothing),
    kind("whois-lines", true, Matched::Log),
    kind("whois-matches", true, Matched::Ban),
    kind("whois-ipmatches", true, Matched::AllJails),
    kind("whois-ipjailmatches", true, Matched::ThisJail),
    kind("matches", false, Matched::Ban),
    kind("ipmatches", false, Matched::AllJails),
    kind("ipjailmatches", false, Matched::ThisJail),
    Content {
        geo: true,
        ..kind("geoip-lines", false, Matched::Log)
    },
    Content {
        buffered: true,
        ..kind("buffered", false, Matched::Nothing)
    },
];

const fn kind(name: &'static str, whois: bool, matched: Matched) -> Content {
    Content {
        name,
        whois,
        matched,
        geo: false,
        buffered: false,
    }
}

/// The content of that name.
pub fn content(name: &str) -> Option<Content> {
    CONTENTS.iter().find(|kind| kind.name == name).copied()
}

/// How mail leaves this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// A program that reads the message on its input.
    Program(Vec<String>),
    Smtp(Smtp),
}

impl Transport {
    /// Where mails go by it, for messages; two of the same place share its troubles.
    pub fn place(&self) -> String {
        match self {
            Self::Program(words) => words.first().cloned().unwrap_or_default(),
            Self::Smtp(smtp) => smtp.place(),
        }
    }

    /// Itself as it may be written to a disk: without a password that the configuration names.
    pub(super) fn without_secret(&self) -> Self {
        match self {
            Self::Program(words) => Self::Program(words.clone()),
            Self::Smtp(smtp) => Self::Smtp(smtp.without_secret()),
        }
    }
}

/// An action's parameters, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    pub content: Content,
    /// What the mail calls the jail.
    pub name: String,
    pub to: Vec<String>,
    pub from: String,
    pub from_name: String,
    pub transport: Transport,
    /// Where `Matched::Log` looks, and the most lines it shows.
    pub logs: Vec<String>,
    pub most: usize,
    /// Asked instead of the registry's own (`host` or `host:port`).
    pub whois_server: Option<String>,
    /// An HTML part beside the text.
    pub html: bool,
    pub limits: Limits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_content_is_listed_twice() {
        for kind in CONTENTS {
            assert_eq!(content(kind.name), Some(*kind));
        }
        assert_eq!(content("nothing"), None);
    }
}
