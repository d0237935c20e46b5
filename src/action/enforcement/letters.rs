//! What an action that sends mail has to say: of a ban, of its start and of its end.

use super::Enforcement;
use crate::action::driver::Operation;
use crate::action::facts::History;
use crate::action::options::{Command, Scope};
use crate::mail::{self, Banned, Letter, Matched, Recipe};
use crate::model::{Ban, Network};

impl Enforcement {
    /// Whether this is a mail action that rban carries out itself.
    pub(super) fn by_mail(&self) -> bool {
        let native = self.spec.native && self.options.native;
        self.options.mail.is_some() && (native || self.spec.settings.python.is_some())
    }

    /// The mail about a ban; unbans are not mailed.
    pub(super) fn letter(&self, command: Command, ban: &Ban, scope: Scope) -> Option<Operation> {
        let recipe = &self.recipe()?;
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
            id: &info.ip(),
            address: ban.network().map(Network::address),
            failures: u64::from(ban.attempts),
            bantime: ban.bantime,
            matches: &matches,
        };
        let now = self.spec.facts.now();
        Some(sealed(mail::banned(recipe, &banned, &self.host(), now)))
    }

    /// The mail about a start or stop of the action.
    pub(super) fn lifecycle_letter(&self, command: Command) -> Option<Operation> {
        let recipe = &self.recipe()?;
        let now = self.spec.facts.now();
        match command {
            Command::Start => Some(sealed(mail::started(recipe, &self.host(), now))),
            Command::Stop => Some(sealed(mail::stopped(recipe, &self.host(), now))),
            _ => None,
        }
    }

    /// The action's recipe; smtp.py calls the jail by its own name.
    fn recipe(&self) -> Option<Recipe> {
        let mut recipe = self.options.mail.clone()?;
        if recipe.name.is_empty() {
            recipe.name = self.spec.jail.to_string();
        }
        Some(recipe)
    }

    fn host(&self) -> String {
        self.spec.facts.hostname(true)
    }
}

fn sealed(letter: Letter) -> Operation {
    Operation::Mail(Box::new(letter))
}
