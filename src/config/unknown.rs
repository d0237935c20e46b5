//! Options nobody knows: most likely a slip of the pen, so the nearest known name is offered.
//!
//! Operators may define names of their own to use them in `%(…)s`. So a name is unknown only if it
//! is no option, none of the helpers that stock files define, and not used anywhere in the set.

use std::collections::HashSet;

use super::Config;
use super::complaint::Complaint;
use super::ini::DEFAULT;
use super::interpolate::references;
use super::layers::Merged;
use super::options::{FILTER, JAIL, Known, SERVER, is_helper, nearest};
use super::values::shown;

impl Config<'_> {
    pub(super) fn unknown_server_options(&self) -> Vec<Complaint> {
        let known = |name: &str| SERVER.iter().any(|known| known.name == name);
        let sections = ["Definition", DEFAULT];
        let names: Vec<&Known> = SERVER.iter().collect();
        unknown(&self.server, &sections, &known, &names)
    }

    /// In `[DEFAULT]` and the given jails.
    pub(super) fn unknown_jail_options(&self, jails: &[String]) -> Vec<Complaint> {
        let tables = || JAIL.iter().chain(FILTER);
        let known = |name: &str| is_helper(name) || tables().any(|known| known.name == name);
        let mut sections = vec![DEFAULT];
        sections.extend(jails.iter().map(String::as_str));
        let names: Vec<&Known> = tables().collect();
        unknown(&self.jails, &sections, &known, &names)
    }
}

/// In a filter or action free names are the rule: only one that is nearly an option's is suspect.
pub(super) fn unknown_definition_options(merged: &Merged, table: &[Known]) -> Vec<Complaint> {
    let names = || table.iter().map(|known| known.name);
    let suspect =
        |name: &str| !names().any(|known| known == name) && nearest(name, names()).is_some();
    let known = |name: &str| !suspect(name);
    let table: Vec<&Known> = table.iter().collect();
    unknown(merged, &["Definition"], &known, &table)
}

fn unknown(
    merged: &Merged,
    sections: &[&str],
    known: &dyn Fn(&str) -> bool,
    table: &[&Known],
) -> Vec<Complaint> {
    let mut suspects: Vec<(&str, String)> = Vec::new();
    for &section in sections {
        let names = merged.option_names(section).into_iter();
        suspects.extend(
            names
                .filter(|name| !known(name))
                .map(|name| (section, name)),
        );
    }
    if suspects.is_empty() {
        return Vec::new();
    }
    let used = used(merged);
    suspects.retain(|(_, name)| !used.contains(name));
    suspects
        .into_iter()
        .map(|(section, name)| {
            let advice = match nearest(&name, table.iter().map(|known| known.name)) {
                Some(near) => format!("did you mean '{near}'?"),
                None => "remove it, or use it in a %(…)s".into(),
            };
            let complaint = Complaint::warning(
                format!("expected a known option, found '{}'", shown(&name)),
                advice,
            )
            .at(merged.own_origin(section, &name));
            if section == DEFAULT || section == "Definition" {
                complaint
            } else {
                complaint.for_jail(section)
            }
        })
        .collect()
}

/// Every name that some value refers to.
fn used(merged: &Merged) -> HashSet<String> {
    let mut used = HashSet::new();
    for (_, _, text) in merged.all() {
        for name in references(text) {
            let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
            used.insert(name.to_lowercase());
        }
        used.extend(super::tags::references(text).map(str::to_owned));
    }
    used
}
