//! A filter's or an action's file set: `[Definition]`, `[Init]`, arguments, and tags among them.
//!
//! For a tag the arguments of `name[option=value]` come first, then `[Init]`, then `[Definition]`
//! with the jail's options passed in, then other sections (fail2ban § 1.4).

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::complaint::Complaint;
use super::ini::DEFAULT;
use super::interpolate::InterpolationError;
use super::item::Item;
use super::layers::Merged;
use super::options::{Kind, Known};
use super::ordered::Ordered;
use super::scope::{self, Scope};
use super::tags;
use super::values::{int, shown, truth};
use crate::model::Origin;

const DEFINITION: &str = "Definition";
const INIT: &str = "Init";
const KNOWN: &str = "known/";

/// One use of a filter or action by a jail.
#[derive(Debug)]
pub(super) struct Definition {
    merged: Rc<Merged>,
    /// What `[Definition]` says and the caller does not.
    options: Ordered<String>,
    /// Arguments, then `[Init]`'s options, each of these as `known/option` too.
    init: Ordered<String>,
    /// The jail's options and the arguments, by lower-case name.
    vars: Ordered<String>,
    /// Tags looked up outside `options` and `init`. fail2ban keeps them over a second reading with
    /// more variables, so they are kept here.
    looked_up: HashMap<String, Option<String>>,
}

impl Definition {
    pub(super) fn new(merged: Rc<Merged>, arguments: Ordered<String>) -> Self {
        Self {
            merged,
            options: Ordered::default(),
            init: arguments,
            vars: Ordered::default(),
            looked_up: HashMap::new(),
        }
    }

    pub(super) fn init(&self) -> &Ordered<String> {
        &self.init
    }

    /// Gives an argument that neither the jail nor `[Definition]` gives.
    pub(super) fn default_argument(&mut self, name: &str, value: &str) {
        let given = self.init.get(name).is_some_and(|value| !value.is_empty());
        if !given && self.merged.own(DEFINITION, name).is_none() {
            self.init.set(name, value.to_owned());
        }
    }

    /// Reads the options of `table` that the jail does not give itself, and all of `[Init]`.
    pub(super) fn read(
        &mut self,
        table: &[Known],
        jail: &Ordered<String>,
    ) -> Result<(), Complaint> {
        let mut given = jail.clone();
        for (name, value) in self.init.iter() {
            given.set(name, value.clone());
        }
        self.vars = given
            .iter()
            .map(|(name, value)| (name.to_lowercase(), value.clone()))
            .collect();
        self.options = Ordered::default();
        if self.merged.has_section(DEFINITION) {
            for known in table.iter().filter(|known| !given.contains(known.name)) {
                if let Some(value) = self.value(DEFINITION, known.name, true)? {
                    self.options.set(known.name, value);
                }
            }
        }
        for name in self.merged.option_names(INIT) {
            self.read_init(&name, &given)?;
        }
        Ok(())
    }

    /// Reads what else `[Definition]` holds, without the caller's variables.
    pub(super) fn read_rest(&mut self) -> Result<(), Complaint> {
        if !self.merged.has_section(DEFINITION) {
            return Ok(());
        }
        for name in self.merged.option_names(DEFINITION) {
            if !self.options.contains(&name)
                && let Some(value) = self.value(DEFINITION, &name, false)?
            {
                self.options.set(&name, value);
            }
        }
        Ok(())
    }

    fn read_init(&mut self, name: &str, given: &Ordered<String>) -> Result<(), Complaint> {
        let Some(value) = self.value(INIT, name, false)? else {
            return Ok(());
        };
        if !name.starts_with(KNOWN) {
            self.init.set(&format!("{KNOWN}{name}"), value.clone());
        }
        if !self.init.contains(name) {
            // An argument stands for both families; `option?family=inet6=…` would say otherwise.
            let plain = condition(name).and_then(|plain| given.get(plain));
            self.init.set(name, plain.cloned().unwrap_or(value));
        }
        Ok(())
    }

    /// All options with their tags replaced, but those in `ignored` and conditional ones, which
    /// are resolved per family when an action runs.
    pub(super) fn combined(&mut self, ignored: &[&str]) -> Result<Ordered<String>, Complaint> {
        let mut options = self.options.clone();
        for (name, value) in self.init.iter() {
            options.set(name, value.clone());
        }
        let conditional = options.iter().filter_map(|(name, _)| condition(name));
        let ignored: HashSet<String> = conditional
            .chain(ignored.iter().copied())
            .map(str::to_owned)
            .collect();
        let mut looked_up = std::mem::take(&mut self.looked_up);
        let mut more = |tag: &str| match looked_up.get(tag) {
            Some(known) => Ok(known.clone()),
            None => {
                let value = self.elsewhere(tag)?;
                looked_up.insert(tag.to_owned(), value.clone());
                Ok(value)
            }
        };
        let done = tags::substitute(&mut options, &ignored, &mut more);
        self.looked_up = looked_up;
        match done.map_err(tags::TagError::told) {
            Ok(()) => Ok(options),
            Err(Err(complaint)) => Err(complaint),
            Err(Ok((problem, advice))) => Err(Complaint::error(problem, advice).at(self
                .merged
                .files()
                .last()
                .map(|file| file.origin(1)))),
        }
    }

    /// A tag that is neither argument nor read option: `<section/option>`, else any option.
    fn elsewhere(&self, tag: &str) -> Result<Option<String>, Complaint> {
        if let Some((section, option)) = scope::split(tag) {
            let known = format!("KNOWN/{DEFINITION}");
            let sections: &[&str] = match section.to_lowercase().as_str() {
                "known" if self.merged.has_known(DEFINITION) => &[&known, DEFINITION],
                "known" => &[DEFINITION],
                "default" => &[DEFAULT],
                _ => &[section],
            };
            for section in sections {
                let there = section.starts_with("KNOWN/") || self.merged.has_section(section);
                if (there || *section == DEFAULT)
                    && let Some(value) = self.value(section, &option.to_lowercase(), false)?
                {
                    return Ok(Some(value));
                }
            }
        }
        if self.merged.has_section(DEFINITION) {
            self.value(DEFINITION, &tag.to_lowercase(), true)
        } else {
            Ok(None)
        }
    }

    fn value(&self, section: &str, name: &str, vars: bool) -> Result<Option<String>, Complaint> {
        let scope = Scope {
            vars: vars.then_some(&self.vars),
            ..Scope::new(&self.merged, section)
        };
        scope
            .option(name)
            .map_err(|error| interpolation(&scope, &error))
    }

    /// What an option is in the end, for whoever looks; `None` where it is not set.
    pub(super) fn shown(&self, name: &str) -> Option<String> {
        let known = self.init.get(name).or_else(|| self.options.get(name));
        known
            .cloned()
            .or_else(|| self.value(DEFINITION, name, true).ok().flatten())
    }

    /// Where an option of `[Init]` or `[Definition]` was last set.
    pub(super) fn origin(&self, name: &str) -> Option<Origin> {
        let init = self.merged.own_origin(INIT, name);
        init.or_else(|| Scope::new(&self.merged, DEFINITION).origin(name))
    }

    /// Where each line of an option's value stands: exactly, where the value has as many lines as
    /// were written, else where the option begins.
    pub(super) fn line_origins(&self, name: &str, value: &str) -> Vec<Option<Origin>> {
        let section = [INIT, DEFINITION, DEFAULT]
            .into_iter()
            .find(|section| self.merged.own(section, name).is_some());
        line_origins(&self.merged, section, name, value)
    }
}

/// Where each line of a value stands; see [`Definition::line_origins`].
pub(super) fn line_origins(
    merged: &Merged,
    section: Option<&str>,
    name: &str,
    value: &str,
) -> Vec<Option<Origin>> {
    let count = value.split('\n').count();
    let Some(section) = section else {
        return vec![None; count];
    };
    let written = merged
        .own(section, name)
        .map_or(0, |raw| raw.split('\n').count());
    if written == count {
        (0..count)
            .map(|line| merged.own_line(section, name, line))
            .collect()
    } else {
        vec![merged.own_origin(section, name); count]
    }
}

/// An interpolation error as a complaint, at the option it is in.
pub(super) fn interpolation(scope: &Scope<'_>, error: &InterpolationError) -> Complaint {
    Complaint::error(error.problem(), error.advice()).at(scope.origin(&error.option))
}

/// `option` of a conditional `option?family=inet6`.
pub(super) fn condition(name: &str) -> Option<&str> {
    let (plain, condition) = name.split_once('?')?;
    let word = plain.chars().all(|c| c.is_alphanumeric() || c == '_');
    (word && !plain.is_empty() && !condition.is_empty()).then_some(plain)
}

/// Texts to what their table says they are.
pub(super) fn typed(
    table: &[Known],
    options: &Ordered<String>,
    origin: &dyn Fn(&str) -> Option<Origin>,
) -> Result<Ordered<Item>, Complaint> {
    options
        .iter()
        .map(|(name, text)| {
            let kind = table
                .iter()
                .find(|known| known.name == name)
                .map_or(Kind::Text, |known| known.kind);
            item(name, kind, text)
                .map(|item| (name.to_owned(), item))
                .map_err(|complaint| complaint.at(origin(name)))
        })
        .collect()
}

/// One text as the command stream carries it; times and lists stay texts.
pub(super) fn item(name: &str, kind: Kind, text: &str) -> Result<Item, Complaint> {
    match kind {
        Kind::Bool => Ok(Item::Bool(truth(text))),
        Kind::Int(least) => int(text).map(Item::Int).ok_or_else(|| {
            Complaint::error(
                format!("expected a whole number, found {name} = '{}'", shown(text)),
                format!("write {name} = {} or more", least.max(1)),
            )
        }),
        Kind::Text | Kind::Time | Kind::Words | Kind::Lines => Ok(text.into()),
    }
}
