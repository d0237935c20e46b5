//! A filter tried out by itself: `rban regex` asks for one by its name, as a jail has it, or as a
//! file that lies anywhere.

use std::path::Path;
use std::rc::Rc;

use super::Config;
use super::complaint::Complaint;
use super::definition::{Definition, typed};
use super::ini::DEFAULT;
use super::jail::{Auto, FilterRead, JailRead};
use super::layers::Merged;
use super::options::FILTER;
use super::ordered::Ordered;
use super::settings::Typer;
use super::spec::Spec;
use crate::model::FilterSettings;

/// A filter that is tried out.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    pub settings: FilterSettings,
    /// Somebody says `maxlines`; otherwise it is the default.
    pub maxlines_given: bool,
    /// What `logtype`, `datepattern` and the filter's arguments are in the end, where they are set.
    pub real: Vec<(String, String)>,
}

impl Config<'_> {
    /// Whether there is a filter of this name, ours or the operator's.
    pub fn has_filter(&self, name: &str) -> bool {
        [".conf", ".local"].iter().any(|ending| {
            let path = format!("filter.d/{name}{ending}");
            self.library
                .locate(&self.library.dir().join(path))
                .is_some()
        })
    }

    /// A filter without a jail: of `filter.d`, or by an absolute path without `.conf`. `backend`
    /// tells it what logs it reads, as a jail's does.
    ///
    /// # Errors
    /// When there is no such filter, or it cannot be read.
    pub fn try_filter(&self, spec: &Spec, backend: &str) -> Result<Trial, Complaint> {
        let definition = self.open_filter(spec, backend)?;
        self.tried(spec, definition)
    }

    /// A filter that is exactly this file and what it includes, without a `.local`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn try_file(&self, path: &Path, spec: &Spec, backend: &str) -> Result<Trial, Complaint> {
        let merged = Rc::new(self.filter_file(path)?);
        self.tried(spec, definition(merged, spec, backend))
    }

    /// The filter of a jail, switched on or not, with the jail's word over it; arguments in `spec`
    /// win over the jail's. `None` where the jail has neither a filter nor a failregex of its own.
    ///
    /// # Errors
    /// When there is no such jail, or it or its filter cannot be read.
    pub fn try_jail(&self, spec: &Spec, backend: &str) -> Result<Option<Trial>, Complaint> {
        self.must_exist(&spec.name)?;
        let read = self.read_jail_filter(spec, backend)?;
        let filters = read.filter.as_ref().map(|filter| &filter.options);
        let own = |section: &str| self.jails.own(section, "maxlines").is_some();
        let given = filters.is_some_and(|options| options.contains("maxlines"))
            || own(&spec.name)
            || own(DEFAULT);
        let trial = self.trial(&read, given)?;
        let nothing = read.filter.is_none() && trial.settings.failregex.is_empty();
        Ok((!nothing).then_some(trial))
    }

    fn tried(&self, spec: &Spec, mut definition: Definition) -> Result<Trial, Complaint> {
        definition.read(FILTER, &Ordered::default())?;
        let combined = definition.combined(&[])?;
        let options = typed(FILTER, &combined, &|name| definition.origin(name))?;
        let given = options.contains("maxlines");
        let read = JailRead {
            journal: None,
            auto: Auto::No,
            name: String::new(),
            options: Ordered::default(),
            filter: Some(FilterRead {
                name: spec.name.clone(),
                options,
                definition,
            }),
            actions: Vec::new(),
        };
        self.trial(&read, given)
    }

    fn trial(&self, read: &JailRead, given: bool) -> Result<Trial, Complaint> {
        let typer = Typer {
            config: self,
            read,
            warnings: Vec::new(),
        };
        let settings = typer.filter()?;
        let real = read.filter.as_ref().map_or_else(Vec::new, real);
        Ok(Trial {
            settings,
            maxlines_given: given,
            real,
        })
    }
}

/// What `logtype`, `datepattern` and all arguments are in the end.
fn real(filter: &FilterRead) -> Vec<(String, String)> {
    let mut names = vec!["logtype", "datepattern"];
    for (name, _) in filter.definition.init().iter() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let value = |name: &str| match filter.options.get(name) {
        Some(item) => Some(item.text()),
        None => filter.definition.shown(name),
    };
    let pairs = names.into_iter();
    pairs
        .filter_map(|name| Some((name.to_owned(), value(name)?)))
        .collect()
}

/// A filter's files with its arguments, told whether it reads a journal.
pub(super) fn definition(merged: Rc<Merged>, spec: &Spec, backend: &str) -> Definition {
    let mut definition = Definition::new(merged, spec.options.iter().cloned().collect());
    let journal = backend.starts_with("systemd");
    definition.default_argument("logtype", if journal { "journal" } else { "file" });
    definition
}
