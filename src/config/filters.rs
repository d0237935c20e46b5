//! A filter's settings: a jail's, where the jail may have its word too, or a filter's on its own.

use super::Config;
use super::complaint::Complaint;
use super::definition::line_origins;
use super::ini::DEFAULT;
use super::item::Item;
use super::options::{FILTER, find};
use super::settings::Typer;
use super::spec::Spec;
use super::values::{int, shell_words, shown};
use crate::model::{FilterSettings, Origin};

impl Config<'_> {
    /// A filter without a jail, for trying it out: `sshd`, `sshd[mode=aggressive]`, or a path
    /// without `.conf`. `backend` tells it what logs it reads, as a jail's does.
    ///
    /// # Errors
    /// When there is no such filter, or it cannot be read.
    pub fn filter(&self, text: &str, backend: &str) -> Result<FilterSettings, Complaint> {
        let spec = Spec::parse(text).map_err(|error| {
            Complaint::error(
                format!("{error} in '{}'", shown(text)),
                "write for example sshd[mode=aggressive]".into(),
            )
        })?;
        Ok(self.try_filter(&spec, backend)?.settings)
    }
}

impl Typer<'_, '_> {
    /// What the filter says and what the jail says over it: expressions and journal matches of
    /// both count, of the rest the jail's.
    pub(super) fn filter(&self) -> Result<FilterSettings, Complaint> {
        let plain = |name: &str| Some(self.text(name)).filter(|text| !text.is_empty());
        let maxlines = int(&self.text("maxlines"));
        let maxlines = maxlines.and_then(|n| usize::try_from(n).ok());
        let Some(maxlines) = maxlines.filter(|&n| n > 0) else {
            return Err(self.wrong(
                "maxlines",
                format!(
                    "expected maxlines of 1 or more, found '{}'",
                    shown(&self.text("maxlines"))
                ),
                "write maxlines = 1",
            ));
        };
        let mut journalmatch = Vec::new();
        for (line, origin) in self.lines("journalmatch") {
            journalmatch.push(shell_words(&line).map_err(|problem| {
                let problem = format!("{problem} in journalmatch '{}'", shown(&line));
                let advice = "write for example _SYSTEMD_UNIT=sshd.service + _COMM=sshd";
                Complaint::error(problem, advice.into()).at(origin)
            })?);
        }
        let located = |name| {
            let lines = self.lines(name).into_iter();
            lines
                .map(|(line, origin)| (line, origin.unwrap_or(Origin::Default)))
                .collect()
        };
        Ok(FilterSettings {
            name: self
                .read
                .filter
                .as_ref()
                .map_or_else(String::new, |f| f.name.clone()),
            prefregex: plain("prefregex"),
            failregex: located("failregex"),
            ignoreregex: located("ignoreregex"),
            datepattern: plain("datepattern"),
            maxlines,
            journalmatch,
        })
    }

    /// The lines of an option that filter and jail may both give, the filter's first.
    fn lines(&self, name: &str) -> Vec<(String, Option<Origin>)> {
        debug_assert!(find(FILTER, name).is_some(), "{name}");
        let mut found = Vec::new();
        if let Some(filter) = self.read.effective_filter()
            && let Some(text) = filter.options.get(name).and_then(Item::as_str)
        {
            let origins = filter.definition.line_origins(name, text);
            found.extend(text.split('\n').map(str::to_owned).zip(origins));
        }
        if let Some(text) = self.read.options.get(name).and_then(Item::as_str) {
            let jail = self.read.name.as_str();
            let jails = &self.config.jails;
            let mut sections = [jail, DEFAULT].into_iter();
            let section = sections.find(|section| jails.own(section, name).is_some());
            let origins = line_origins(jails, section, name, text);
            found.extend(text.split('\n').map(str::to_owned).zip(origins));
        }
        found.retain(|(line, _)| !line.is_empty());
        found
    }
}
