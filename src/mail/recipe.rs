//! What a mail action asks for: one table of contents, and an action's parameters.

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
];

const fn kind(name: &'static str, whois: bool, matched: Matched) -> Content {
    Content {
        name,
        whois,
        matched,
    }
}

/// The content of that name.
pub fn content(name: &str) -> Option<Content> {
    CONTENTS.iter().find(|kind| kind.name == name).copied()
}

/// How mail leaves this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A program that reads the message on its input.
    Program(Vec<String>),
    /// An SMTP server, in plain text; for one on this machine or a trusted network.
    Smtp {
        host: String,
        port: u16,
        login: Option<(String, String)>,
    },
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_content_is_listed_twice() {
        for kind in CONTENTS {
            assert_eq!(content(kind.name), Some(*kind));
        }
        assert_eq!(content("buffered"), None);
    }
}
