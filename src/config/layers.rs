//! The layers of one configuration, merged by figment with the origin of every value.
//!
//! Lowest first: rban's defaults, the files of the set (vendor's below the operator's, `.conf`
//! below `.local`), environment variables, the command line. Each layer is a figment [`Provider`],
//! each file one of its own, so figment's metadata says where a value is from. A provider hands
//! over raw text, `section → option → [text]`, and the layers are *admerged*: figment keeps the
//! texts of all layers in one list, lowest first, each with its layer's tag. The last text of a
//! list counts; the one before it is what fail2ban calls `known/option`. Interpolation happens on
//! top, when a value is asked for (`scope`).

use std::collections::HashSet;
use std::rc::Rc;

use figment::value::{Dict, Map, Tag, Value};
use figment::{Error, Figment, Metadata, Profile, Provider};

use super::files::Source;
use super::ini::DEFAULT;
use crate::model::Origin;

/// The section of rban's own defaults for jail options. They count where neither the jail nor
/// `[DEFAULT]` says anything, but are not seen by interpolation, as fail2ban's are not.
pub(super) const BUILT_IN: &str = "built-in";

/// One value from outside the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub section: String,
    pub option: String,
    pub value: String,
    pub origin: Origin,
}

/// One configuration: all sections with all options.
#[derive(Debug)]
pub(super) struct Merged {
    /// Knows what each tag means.
    figment: Figment,
    sections: Dict,
    files: Vec<Rc<Source>>,
    settings: Vec<Setting>,
}

impl Merged {
    /// Merges defaults, files and settings, each list lowest first.
    pub(super) fn new(
        defaults: &[(&str, &str, &str)],
        files: Vec<Rc<Source>>,
        settings: Vec<Setting>,
    ) -> Self {
        let mut figment = Figment::new().admerge(Defaults(defaults));
        for file in &files {
            figment = figment.admerge(FileLayer(file));
        }
        for setting in &settings {
            figment = figment.admerge(setting);
        }
        let sections = figment
            .data()
            .ok()
            .and_then(|mut profiles| profiles.remove(&Profile::Default))
            .unwrap_or_default();
        Self {
            figment,
            sections,
            files,
            settings,
        }
    }

    pub(super) fn has_section(&self, section: &str) -> bool {
        self.sections.contains_key(section)
    }

    /// A section by its name in any case: names inside `%(…)s` are lower-case.
    pub(super) fn section_named(&self, name: &str) -> Option<&str> {
        self.sections
            .get_key_value(name)
            .or_else(|| {
                self.sections
                    .iter()
                    .find(|(key, _)| key.to_lowercase() == name)
            })
            .map(|(key, _)| key.as_str())
    }

    /// The value of a section's own option, as written.
    pub(super) fn own(&self, section: &str, option: &str) -> Option<&str> {
        self.texts(section, option)?.last()?.as_str()
    }

    /// What the option was before the last layer set it.
    pub(super) fn known(&self, section: &str, option: &str) -> Option<&str> {
        self.texts(section, option)?.iter().rev().nth(1)?.as_str()
    }

    /// Whether a file has the section.
    pub(super) fn is_written(&self, section: &str) -> bool {
        let mut sections = self.files.iter().flat_map(|file| &file.ini.sections);
        sections.any(|found| plain(&found.name).0 == section)
    }

    /// Whether the section was written more than once, so that there is something known of it.
    pub(super) fn has_known(&self, section: &str) -> bool {
        let sections = self.files.iter().flat_map(|file| &file.ini.sections);
        let mut same = sections.filter(|found| plain(&found.name).0 == section);
        same.nth(1).is_some()
    }

    /// Where a section's own option was last set.
    pub(super) fn own_origin(&self, section: &str, option: &str) -> Option<Origin> {
        let tag = self.texts(section, option)?.last()?.tag();
        self.origin(tag, section, option)
    }

    /// Where the option was set before that.
    pub(super) fn known_origin(&self, section: &str, option: &str) -> Option<Origin> {
        let tag = self.texts(section, option)?.iter().rev().nth(1)?.tag();
        self.origin(tag, section, option)
    }

    /// The line each line of the value stands on, with the file, where it is from a file.
    pub(super) fn own_line(&self, section: &str, option: &str, line: usize) -> Option<Origin> {
        match self.own_origin(section, option)? {
            Origin::File(path, first) => {
                let file = self.files.iter().find(|file| file.path == path);
                let number = file
                    .and_then(|file| placed(file, section, option))
                    .map_or(first, |option| option.line_of(line));
                Some(Origin::File(path, number))
            }
            other => Some(other),
        }
    }

    /// All section names but `DEFAULT`, in the order of their first appearance.
    pub(super) fn section_names(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let from_files = self.files.iter().flat_map(|file| &file.ini.sections);
        from_files
            .map(|section| plain(&section.name).0)
            .chain(self.settings.iter().map(|s| s.section.as_str()))
            .filter(|name| *name != DEFAULT && seen.insert(*name))
            .collect()
    }

    /// A section's own option names, in the order of their first appearance.
    pub(super) fn option_names(&self, section: &str) -> Vec<String> {
        let mut seen = HashSet::new();
        let mut names = Vec::new();
        let sections = self.files.iter().flat_map(|file| &file.ini.sections);
        for found in sections {
            let (name, condition) = plain(&found.name);
            if name != section {
                continue;
            }
            for option in &found.options {
                let name = format!("{}{condition}", option.name);
                if seen.insert(name.clone()) {
                    names.push(name);
                }
            }
        }
        let settings = self.settings.iter().filter(|s| s.section == section);
        names.extend(
            settings
                .map(|s| s.option.clone())
                .filter(|name| seen.insert(name.clone())),
        );
        names
    }

    /// Every section with its own options as last set, sorted by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.sections.iter().flat_map(|(section, options)| {
            let options = options.as_dict().into_iter().flatten();
            options.filter_map(move |(option, texts)| {
                let text = texts.as_array()?.last()?.as_str()?;
                Some((section.as_str(), option.as_str(), text))
            })
        })
    }

    pub(super) fn files(&self) -> &[Rc<Source>] {
        &self.files
    }

    fn texts(&self, section: &str, option: &str) -> Option<&[Value]> {
        self.sections
            .get(section)?
            .as_dict()?
            .get(option)?
            .as_array()
    }

    fn origin(&self, tag: Tag, section: &str, option: &str) -> Option<Origin> {
        let metadata = self.figment.get_metadata(tag)?;
        let Some(path) = metadata.source.as_ref().and_then(|s| s.file_path()) else {
            let setting = self
                .settings
                .iter()
                .find(|s| s.origin.to_string() == metadata.name);
            return Some(setting.map_or(Origin::Default, |s| s.origin.clone()));
        };
        let file = self.files.iter().find(|file| file.path == path)?;
        Some(file.origin(placed(file, section, option)?.line))
    }
}

/// The option in a file that became `option` of `section`.
fn placed<'f>(file: &'f Source, section: &str, option: &str) -> Option<&'f super::ini::Opt> {
    let direct = file
        .ini
        .section(section)
        .and_then(|section| section.option(option));
    direct.or_else(|| {
        let (option, condition) = option.split_at(option.find('?')?);
        file.ini
            .section(&format!("{section}{condition}"))?
            .option(option)
    })
}

/// A section's plain name and its condition: `Init?family=inet6` is `Init` and `?family=inet6`.
fn plain(name: &str) -> (&str, &str) {
    match name.find('?') {
        Some(at) if at > 0 && at + 1 < name.len() && is_word(&name[..at]) => name.split_at(at),
        _ => (name, ""),
    }
}

fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

type Sections = Map<Profile, Dict>;

/// Adds a text for `section → option`.
fn put(sections: &mut Dict, section: &str, option: String, text: &str) {
    let entry = match sections.get_mut(section) {
        Some(entry) => entry,
        None => sections
            .entry(section.to_owned())
            .or_insert_with(|| Value::from(Dict::new())),
    };
    if let Value::Dict(_, options) = entry {
        options.insert(option, Value::from(vec![text]));
    }
}

struct Defaults<'a>(&'a [(&'a str, &'a str, &'a str)]);

impl Provider for Defaults<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named("default")
    }

    fn data(&self) -> Result<Sections, Error> {
        let mut sections = Dict::new();
        for (section, option, text) in self.0 {
            put(&mut sections, section, (*option).to_owned(), text);
        }
        Ok(Profile::Default.collect(sections))
    }
}

struct FileLayer<'a>(&'a Source);

impl Provider for FileLayer<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::from("file", self.0.path.as_path())
    }

    fn data(&self) -> Result<Sections, Error> {
        let mut sections = Dict::new();
        for section in &self.0.ini.sections {
            let (name, condition) = plain(&section.name);
            if section.options.is_empty() {
                sections
                    .entry(name.to_owned())
                    .or_insert_with(|| Value::from(Dict::new()));
            }
            for option in &section.options {
                let key = format!("{}{condition}", option.name);
                put(&mut sections, name, key, &option.value);
            }
        }
        Ok(Profile::Default.collect(sections))
    }
}

impl Provider for Setting {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> Result<Sections, Error> {
        let mut sections = Dict::new();
        put(
            &mut sections,
            &self.section,
            self.option.clone(),
            &self.value,
        );
        Ok(Profile::Default.collect(sections))
    }
}
