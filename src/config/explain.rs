//! What counts in the end and where it is from: `rban config [JAIL]`.

use super::Config;
use super::complaint::Complaint;
use super::ini::DEFAULT;
use super::item::Item;
use super::layers::BUILT_IN;
use super::options::{FILTER, HELPERS, JAIL, Kind, SERVER};
use super::scope::Scope;
use super::server::{self, ServerRead};
use super::values::words;
use crate::model::Origin;

/// One option's effective value.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    pub name: String,
    /// Interpolated; several entries are a list.
    pub value: Item,
    pub origin: Origin,
}

impl Config<'_> {
    /// The server's options, or a jail's with those of its filter; the jail need not be switched
    /// on.
    ///
    /// # Errors
    /// When there is no such jail, or it cannot be read.
    pub fn explain(&self, jail: Option<&str>) -> Result<Vec<Explained>, Complaint> {
        match jail {
            None => Ok(self.explain_server()),
            Some(jail) => self.explain_jail(jail),
        }
    }

    fn explain_server(&self) -> Vec<Explained> {
        let read = ServerRead::new(&self.server);
        SERVER
            .iter()
            .filter_map(|known| {
                Some(Explained {
                    name: known.name.to_owned(),
                    value: read.options.get(known.name)?.clone(),
                    origin: server::origin(&self.server, known.name),
                })
            })
            .collect()
    }

    fn explain_jail(&self, jail: &str) -> Result<Vec<Explained>, Complaint> {
        self.must_exist(jail)?;
        let read = self.read_jail(jail)?;
        let running = self.switched_on(&mut Vec::new());
        let mut found = Vec::new();
        for known in JAIL.iter().chain(FILTER) {
            let filter = read.filter.as_ref();
            let origin = self.jail_origin(jail, known.name);
            let (item, origin) = match (read.options.get(known.name), origin) {
                _ if known.name == "enabled" => {
                    let on = running.iter().any(|name| name == jail);
                    (Item::Bool(on), self.jail_origin(jail, "enabled"))
                }
                (Some(item), Some(origin)) => (item.clone(), Some(origin)),
                (None, _) if filter.is_some_and(|f| f.options.contains(known.name)) => {
                    let Some(filter) = filter else { continue };
                    let Some(item) = filter.options.get(known.name) else {
                        continue;
                    };
                    (item.clone(), filter.definition.origin(known.name))
                }
                _ => match self.jails.own(BUILT_IN, known.name) {
                    Some(default) => (default.into(), None),
                    None => continue,
                },
            };
            found.push(Explained {
                name: known.name.to_owned(),
                value: shaped(known.kind, &item),
                origin: origin.unwrap_or(Origin::Default),
            });
        }
        let scope = Scope::new(&self.jails, jail);
        let mut helpers = self.jails.option_names(jail);
        helpers.extend(HELPERS.iter().map(|&name| name.to_owned()));
        for name in helpers {
            let own = self
                .jails
                .own(jail, &name)
                .or_else(|| self.jails.own(DEFAULT, &name));
            if own.is_none() || found.iter().any(|explained| explained.name == name) {
                continue;
            }
            if let (Ok(Some(text)), Some(origin)) = (scope.option(&name), scope.origin(&name)) {
                found.push(Explained {
                    name,
                    value: text.into(),
                    origin,
                });
            }
        }
        Ok(found)
    }
}

/// A value as it is meant: lists as lists.
fn shaped(kind: Kind, item: &Item) -> Item {
    let Item::Str(text) = item else {
        return item.clone();
    };
    match kind {
        Kind::Words => Item::strs(words(text)),
        Kind::Lines => Item::strs(text.split('\n').filter(|line| !line.is_empty())),
        Kind::Bool => Item::Bool(super::values::truth(text)),
        Kind::Int(_) => super::values::int(text).map_or_else(|| item.clone(), Item::Int),
        Kind::Text | Kind::Time => item.clone(),
    }
}
