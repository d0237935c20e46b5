//! What an action that sends mail has to say: of a ban, of its start and of its end.

use std::sync::Arc;

use super::{Enforcement, Voice};
use crate::action::driver::Operation;
use crate::action::facts::History;
use crate::action::options::{Command, Scope};
use crate::action::report::Failure;
use crate::mail::{self, Banned, Letter, Matched, Recipe, Tell, Told, Writer};
use crate::model::{Ban, Level, Logger, Network};

impl Enforcement {
    /// Whether this is a mail action that rban carries out itself.
    pub(super) fn by_mail(&self) -> bool {
        let native = self.spec.native && self.options.native;
        self.options.mail.is_some() && (native || self.spec.settings.python.is_some())
    }

    /// The mail about a ban; unbans are not mailed.
    pub(super) fn letter(&self, command: Command, ban: &Ban, scope: Scope) -> Option<Operation> {
        let recipe = self.recipe()?;
        if !matches!(command, Command::Ban | Command::Reban) {
            return None;
        }
        let info = self.info(Some(ban), scope);
        let matches = match recipe.content.matched {
            Matched::Nothing | Matched::Log => String::new(),
            Matched::Ban => info.matches(),
            Matched::AllJails => info.merged(History::AllJails).0,
            Matched::ThisJail => info.merged(History::ThisJail).0,
        };
        let banned = Banned {
            jail: &self.spec.jail,
            action: &self.options.name,
            id: &info.ip(),
            address: ban.network().map(Network::address),
            failures: u64::from(ban.attempts),
            bantime: ban.bantime,
            matches: &matches,
        };
        let now = self.spec.facts.now();
        let letter = mail::banned(&recipe, &banned, &self.host(), now);
        Some(sealed(letter, &recipe))
    }

    /// The mail about a start or stop of the action; none where its file has no such command.
    pub(super) fn lifecycle_letter(&self, command: Command) -> Option<Operation> {
        let recipe = self.recipe()?;
        let speaks = self.options.has(command) || self.spec.settings.python.is_some();
        let host = self.host();
        let writer = Writer {
            jail: &self.spec.jail,
            action: &self.options.name,
            host: &host,
            time: self.spec.facts.now(),
        };
        let letter = match command {
            Command::Start if speaks => writer.started(&recipe),
            Command::Stop => writer.stopped(&recipe, !speaks),
            Command::Reload => writer.reloaded(&recipe),
            _ => return None,
        };
        Some(sealed(letter, &recipe))
    }

    /// The action's recipe; smtp.py calls the jail by its own name.
    fn recipe(&self) -> Option<Recipe> {
        let mut recipe = self.options.mail.clone()?;
        if recipe.name.is_empty() {
            recipe.name = self.spec.jail.to_string();
        }
        Some(recipe)
    }

    /// What mails call this machine: smtp.py has its name, the other actions the full one.
    fn host(&self) -> String {
        let full = self.spec.settings.python.is_none();
        self.spec.facts.hostname(full)
    }
}

fn sealed(letter: Letter, recipe: &Recipe) -> Operation {
    Operation::Mail(Box::new((letter, recipe.limits)))
}

/// Says what becomes of an action's mails.
pub(super) fn teller(voice: &Voice, jail: &str, action: &str) -> Tell {
    let (voice, whose) = (voice.clone(), format!("[{jail}] {action}:"));
    Arc::new(move |told| match told {
        Told::Sent(shown) => {
            voice.well();
            let message = format!("{whose} {shown} is sent");
            voice.log(Level::Debug, Logger::Actions, message);
        }
        Told::Later(text) => {
            voice.ails(text.clone());
            voice.log(Level::Warning, Logger::Actions, format!("{whose} {text}"));
        }
        Told::GivenUp(text) => {
            let failure = Failure {
                command: Command::Ban,
                id: None,
                reason: text.clone(),
            };
            voice.failed(failure, format!("{whose} {text}"));
        }
    })
}
