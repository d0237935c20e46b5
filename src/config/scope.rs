//! Reading one section's options with everything a value may refer to.
//!
//! A name is looked up in the caller's variables, in the section and in `[DEFAULT]`; `sec/name`
//! in another section, `default/name` in `[DEFAULT]`, and `known/name` in what a jail learnt from
//! its filter, in the previous layer, in `[DEFAULT]` (fail2ban § 1.3).

use super::ini::DEFAULT;
use super::interpolate::{InterpolationError, Names, interpolate};
use super::layers::Merged;
use super::ordered::Ordered;
use crate::model::Origin;

/// Prefix of the hidden section that keeps what a section's options were one layer below.
const KNOWN: &str = "KNOWN/";

/// A section as its values see the world.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub merged: &'a Merged,
    /// `KNOWN/name` is the section as it was one layer below.
    pub section: &'a str,
    /// What the caller passes; these come first. Names are lower-case.
    pub vars: Option<&'a Ordered<String>>,
    /// Options as if written in the section, and over what is.
    pub injected: Option<&'a Ordered<String>>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(merged: &'a Merged, section: &'a str) -> Self {
        Self {
            merged,
            section,
            vars: None,
            injected: None,
        }
    }

    /// An option's value, interpolated; `None` where nobody defines it.
    ///
    /// # Errors
    /// When a reference in it cannot be resolved.
    pub(super) fn option(&self, name: &str) -> Result<Option<String>, InterpolationError> {
        let Some(raw) = self.literal(name) else {
            return Ok(None);
        };
        interpolate(self, name, raw).map(|text| Some(text.into_owned()))
    }

    /// Where the value that [`Self::option`] gives is from.
    pub(super) fn origin(&self, name: &str) -> Option<Origin> {
        let listed = |list: Option<&Ordered<String>>| list.is_some_and(|list| list.contains(name));
        if listed(self.vars) || listed(self.injected) {
            return None;
        }
        let own = match self.section.strip_prefix(KNOWN) {
            Some(base) => self.merged.known_origin(base, name),
            None => self.merged.own_origin(self.section, name),
        };
        own.or_else(|| self.merged.own_origin(DEFAULT, name))
            .or_else(|| {
                let (section, option) = split(name)?;
                match section {
                    "known" => self.merged.known_origin(self.section, option),
                    section => self.merged.own_origin(section, option),
                }
                .or_else(|| self.merged.own_origin(DEFAULT, option))
            })
    }

    /// The value of exactly that name.
    fn literal(&self, name: &str) -> Option<&'a str> {
        let listed = |list: Option<&'a Ordered<String>>| list?.get(name).map(String::as_str);
        listed(self.vars)
            .or_else(|| listed(self.injected))
            .or_else(|| match self.section.strip_prefix(KNOWN) {
                Some(base) => self.merged.known(base, name),
                None => self.merged.own(self.section, name),
            })
            .or_else(|| self.merged.own(DEFAULT, name))
    }
}

impl Names for Scope<'_> {
    fn raw(&self, name: &str) -> Option<&str> {
        if name == "__name__" {
            return Some(self.section);
        }
        if let Some(found) = self.literal(name) {
            return Some(found);
        }
        let (section, option) = split(name)?;
        let found = match section {
            "default" => None,
            "known" => self.merged.known(self.section, option),
            section => {
                let section = self.merged.section_named(section)?;
                self.merged.own(section, option)
            }
        };
        found.or_else(|| self.merged.own(DEFAULT, option))
    }
}

/// `section/option`, where the section is of word characters and hyphens.
pub(super) fn split(name: &str) -> Option<(&str, &str)> {
    let (section, option) = name.split_once('/')?;
    let plain = section
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    (plain && !section.is_empty() && !option.is_empty()).then_some((section, option))
}
