//! Which way an action's bans go, for `status`: natively, or by the shell.

use std::fmt;

use super::driver::Kind;
use super::facts::Facts;
use super::info::Info;
use super::options::{Command, Options, Scope};
use super::{reader, tags};
use crate::model::{Ban, BanTime, Captured, FailId, Family, Time};

/// How one command is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// There is no such command.
    Nothing,
    Shell,
    Native(Kind),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Shell => f.write_str("shell"),
            Self::Native(kind) => write!(f, "native {}", kind.name()),
        }
    }
}

/// The ways of an action's bans and unbans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ways {
    pub ban: Way,
    pub unban: Way,
}

impl fmt::Display for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self {
                ban,
                unban: Way::Nothing,
            } => ban.fmt(f),
            Self { ban, unban } if ban == unban => ban.fmt(f),
            Self { ban, unban } => write!(f, "{ban}, unban by {unban}"),
        }
    }
}

/// Tries the commands on an address from the documentation.
pub(super) fn ways(options: &mut Options, native: bool) -> Ways {
    let native = native && options.native;
    Ways {
        ban: way(Command::Ban, options, native),
        unban: way(Command::Unban, options, native),
    }
}

fn way(command: Command, options: &mut Options, native: bool) -> Way {
    if native && options.mail.is_some() {
        return match command {
            Command::Ban => Way::Native(Kind::Mail),
            _ => Way::Nothing,
        };
    }
    if !options.has(command) {
        return Way::Nothing;
    }
    if !native {
        return Way::Shell;
    }
    let ban = sample();
    let scope = Scope::Family(Family::Inet4);
    let Ok(text) = options.command(command, scope) else {
        return Way::Shell;
    };
    let info = Info {
        ban: Some(&ban),
        scope,
        jail: "jail",
        facts: &NoFacts,
    };
    let script = tags::fill(&text, &info);
    match reader::read(&script.text) {
        Some(operation) if script.variables.is_empty() => Way::Native(operation.kind()),
        Some(_) | None => Way::Shell,
    }
}

fn sample() -> Ban {
    Ban {
        id: FailId::parse("192.0.2.1"),
        ip: None,
        time: Time::from_secs(0),
        bantime: BanTime::Secs(600),
        count: 1,
        attempts: 1,
        lines: Vec::new(),
        data: Captured::new(),
        restored: false,
        own_bantime: false,
    }
}

struct NoFacts;

impl Facts for NoFacts {
    fn now(&self) -> Time {
        Time::from_secs(0)
    }

    fn bantime(&self) -> BanTime {
        BanTime::Secs(600)
    }
}
