//! Reading one jail: its section, its filter, its actions; all interpolated, nothing typed yet.
//!
//! The order is fail2ban's: the jail's first options lead to the filter, everything the filter
//! says becomes `known/…` of the jail, then all options of the jail are read, the filter again
//! with them, and the actions with them (fail2ban § 1.7).

use std::path::{Path, PathBuf};

use super::Config;
use super::complaint::Complaint;
use super::definition::{Definition, interpolation, item, typed};
use super::glob;
use super::ini::DEFAULT;
use super::item::Item;
use super::options::{ACTION, FILTER, JAIL, find};
use super::ordered::Ordered;
use super::scope::Scope;
use super::spec::{self, Spec};
use super::values::{shown, strip, truth};
use crate::model::Origin;

/// Tags an action keeps for the moment it runs, whatever the configuration says.
const LATE_TAGS: &[&str] = &[
    "matches",
    "ipmatches",
    "ipjailmatches",
    "timeout",
    "bantime",
];

/// There while journald runs.
const JOURNALD: &str = "/run/systemd/journal/socket";

/// What `backend = auto` comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Auto {
    /// The jail has another backend.
    No,
    /// Files, and why.
    Files(&'static str),
    Journal,
}

/// A jail as its files say it.
#[derive(Debug)]
pub(super) struct JailRead {
    pub name: String,
    /// fail2ban's jail options that are given, in the command stream's order.
    pub options: Ordered<Item>,
    pub filter: Option<FilterRead>,
    /// The filter as it is for journal entries, where `backend = auto` comes to the journal.
    pub journal: Option<FilterRead>,
    pub auto: Auto,
    pub actions: Vec<ActionRead>,
}

impl JailRead {
    /// The filter the jail runs with.
    pub(super) fn effective_filter(&self) -> Option<&FilterRead> {
        self.journal.as_ref().or(self.filter.as_ref())
    }
}

/// The filter of a jail.
#[derive(Debug)]
pub(super) struct FilterRead {
    pub name: String,
    /// What the jail does not override.
    pub options: Ordered<Item>,
    pub definition: Definition,
}

/// One action of a jail.
#[derive(Clone, Debug)]
pub(super) struct ActionRead {
    /// Unique in its jail.
    pub name: String,
    /// What the daemon is told, in order.
    pub options: Vec<(String, Item)>,
    /// The file of a Python action; `options` are its arguments then.
    pub python: Option<PathBuf>,
    pub origin: Option<Origin>,
    /// What its mails hold, where its commands are those of a known mail action.
    pub mail: Option<&'static str>,
}

/// Whether a jail is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enabled {
    Yes,
    No,
    /// Unless another jail that is switched on uses the same filter.
    Auto,
}

impl Config<'_> {
    /// A jail's `enabled`.
    pub(super) fn enabled(&self, jail: &str) -> Result<Enabled, Complaint> {
        let text = self.jail_text(jail, "enabled")?.unwrap_or_default();
        Ok(if text.eq_ignore_ascii_case("auto") {
            Enabled::Auto
        } else if truth(&text) {
            Enabled::Yes
        } else {
            Enabled::No
        })
    }

    /// The name of a jail's filter, without arguments; empty where it has none.
    pub(super) fn filter_name(&self, jail: &str) -> Result<String, Complaint> {
        let text = self.jail_text(jail, "filter")?.unwrap_or_default();
        let name = text.split('[').next().unwrap_or_default();
        Ok(strip(name).to_owned())
    }

    fn jail_text(&self, jail: &str, option: &str) -> Result<Option<String>, Complaint> {
        let scope = Scope::new(&self.jails, jail);
        scope
            .option(option)
            .map_err(|error| interpolation(&scope, &error).for_jail(jail))
    }

    /// Reads a jail as if it were enabled.
    pub(super) fn read_jail(&self, jail: &str) -> Result<JailRead, Complaint> {
        self.read_jail_inner(jail)
            .map_err(|complaint| complaint.for_jail(jail))
    }

    fn read_jail_inner(&self, jail: &str) -> Result<JailRead, Complaint> {
        let mut read = self.read_filter_of(jail, &[], None)?;
        let reader = Reader {
            config: self,
            jail,
            known: std::mem::take(&mut read.known),
        };
        let vars = texts(&read.jail.options);
        read.jail.actions = reader.actions(&vars)?;
        Ok(read.jail)
    }

    /// A jail and its filter, without actions. The arguments in `spec` win over the jail's own, and
    /// `backend` over the jail's.
    pub(super) fn read_jail_filter(
        &self,
        spec: &Spec,
        backend: &str,
    ) -> Result<JailRead, Complaint> {
        self.read_filter_of(&spec.name, &spec.options, Some(backend))
            .map(|read| read.jail)
            .map_err(|complaint| complaint.for_jail(&spec.name))
    }

    fn read_filter_of(
        &self,
        jail: &str,
        arguments: &[(String, String)],
        backend: Option<&str>,
    ) -> Result<FilterOf, Complaint> {
        if let Some(fault) = self.section_fault(jail) {
            return Err(fault);
        }
        let mut reader = Reader {
            config: self,
            jail,
            known: Ordered::default(),
        };
        let backend = match backend {
            Some(backend) => backend.to_owned(),
            None => reader.option("backend")?.unwrap_or_else(|| "auto".into()),
        };
        let filter = reader.option("filter")?.unwrap_or_default();
        let mut first = Ordered::default();
        first.set("enabled", "True".to_owned());
        first.set("backend", backend.clone());
        first.set("filter", filter.clone());
        let mut opened = reader.open_filter(&filter, &backend, arguments)?;
        if let Some((_, definition)) = &mut opened {
            definition.read(FILTER, &first)?;
            definition.read_rest()?;
            for (name, value) in definition.combined(&[])?.iter() {
                if !name.starts_with("known/") {
                    reader.known.set(&format!("known/{name}"), value.clone());
                }
            }
        }
        let options = reader.options()?;
        let vars = texts(&options);
        let filter_text = reader.option("filter")?.unwrap_or_default();
        let filter = opened.map(|opened| finish(opened, &vars)).transpose()?;
        let auto = self.auto(&options, filter.as_ref());
        let journal = if auto == Auto::Journal {
            let opened = reader.open_filter(&filter_text, "systemd", arguments)?;
            opened.map(|opened| finish(opened, &vars)).transpose()?
        } else {
            None
        };
        Ok(FilterOf {
            known: reader.known,
            jail: JailRead {
                name: jail.to_owned(),
                options,
                filter,
                journal,
                auto,
                actions: Vec::new(),
            },
        })
    }

    /// It is the journal where journald runs, the jail or its filter says what to read there, and none
    /// of the jail's logs exists.
    fn auto(&self, options: &Ordered<Item>, filter: Option<&FilterRead>) -> Auto {
        let is_set = |name: &str| options.get(name) == Some(&Item::Bool(true));
        let backend = options.get("backend").map_or_else(String::new, Item::text);
        let has_match = options.contains("journalmatch")
            || filter.is_some_and(|filter| filter.options.contains("journalmatch"));
        let has_log = || {
            let text = options.get("logpath").map_or_else(String::new, Item::text);
            let pattern = |line: &str| strip(line).split(' ').next().unwrap_or_default().to_owned();
            text.split('\n')
                .any(|line| !glob::paths(self.tree, &pattern(line)).is_empty())
        };
        if !backend.starts_with("auto") {
            Auto::No
        } else if !has_match {
            Auto::Files("there is no journalmatch")
        } else if !is_set("systemd_if_nologs") {
            Auto::Files("systemd_if_nologs is false")
        } else if !self.tree.exists(Path::new(JOURNALD)) {
            Auto::Files("journald does not run")
        } else if has_log() {
            Auto::Files("a log is there")
        } else {
            Auto::Journal
        }
    }

    /// The first bad line inside a jail's own section.
    fn section_fault(&self, jail: &str) -> Option<Complaint> {
        self.jails.files().iter().find_map(|file| {
            let mut faults = file.ini.faults.iter();
            let fault = faults.find(|fault| fault.section.as_deref() == Some(jail))?;
            let problem = format!("{}, so the jail is left out", fault.problem);
            Some(Complaint::error(problem, fault.advice.clone()).at(Some(file.origin(fault.line))))
        })
    }
}

/// A jail whose actions are not read yet.
struct FilterOf {
    jail: JailRead,
    /// What the filter says, as `known/…`.
    known: Ordered<String>,
}

/// The jail's options as the files of its filter and actions see them.
fn texts(options: &Ordered<Item>) -> Ordered<String> {
    options
        .iter()
        .map(|(name, item)| (name.to_owned(), item.text()))
        .collect()
}

/// A filter with the jail's options in its place.
fn finish(
    (name, mut definition): (String, Definition),
    vars: &Ordered<String>,
) -> Result<FilterRead, Complaint> {
    definition.read(FILTER, vars)?;
    let combined = definition.combined(&[])?;
    Ok(FilterRead {
        name,
        options: typed(FILTER, &combined, &|name| definition.origin(name))?,
        definition,
    })
}

/// One jail while it is read.
struct Reader<'c, 't> {
    config: &'c Config<'t>,
    jail: &'c str,
    /// What the filter says, as `known/…`.
    known: Ordered<String>,
}

impl Reader<'_, '_> {
    fn scope(&self) -> Scope<'_> {
        Scope {
            injected: Some(&self.known),
            ..Scope::new(&self.config.jails, self.jail)
        }
    }

    fn option(&self, name: &str) -> Result<Option<String>, Complaint> {
        let scope = self.scope();
        scope
            .option(name)
            .map_err(|error| interpolation(&scope, &error))
    }

    /// All options of fail2ban's, in its order; a few it always has.
    fn options(&self) -> Result<Ordered<Item>, Complaint> {
        const ALWAYS: &[&str] = &[
            "backend",
            "filter",
            "skip_if_nologs",
            "systemd_if_nologs",
            "action",
        ];
        let mut options = Ordered::default();
        for known in JAIL.iter().chain(FILTER) {
            if known.name == "enabled" {
                options.set(known.name, Item::Bool(true));
                continue;
            }
            let text = match self.option(known.name)? {
                Some(text) => text,
                None if ALWAYS.contains(&known.name) => known.default.unwrap_or("").to_owned(),
                None => continue,
            };
            let item = item(known.name, known.kind, &text)
                .map_err(|complaint| complaint.at(self.scope().origin(known.name)))?;
            options.set(known.name, item);
        }
        Ok(options)
    }

    fn open_filter(
        &self,
        text: &str,
        backend: &str,
        arguments: &[(String, String)],
    ) -> Result<Option<(String, Definition)>, Complaint> {
        if text.is_empty() {
            return Ok(None);
        }
        let here = self.scope().origin("filter");
        let mut spec = self.spec("filter", text)?;
        for (name, value) in arguments {
            spec.set(name, value);
        }
        let opened = self.config.open_filter(&spec, backend);
        opened
            .map(|definition| Some((spec.name, definition)))
            .map_err(|complaint| complaint.at(here))
    }

    fn spec(&self, option: &str, text: &str) -> Result<Spec, Complaint> {
        Spec::parse(text).map_err(|error| {
            Complaint::error(
                format!("{error} in {option} = '{}'", shown(text)),
                "quote values that hold , or ]".into(),
            )
            .at(self.scope().origin(option))
        })
    }

    fn actions(&self, vars: &Ordered<String>) -> Result<Vec<ActionRead>, Complaint> {
        let text = vars.get("action").map_or("", String::as_str);
        let here = self.scope().origin("action");
        let mut actions: Vec<ActionRead> = Vec::new();
        for piece in spec::split(text) {
            let spec = self.spec("action", piece)?;
            let action = if spec.name.ends_with(".py") {
                self.python_action(spec)
            } else {
                self.action(spec, vars)
            };
            let action = action.map_err(|complaint| complaint.at(here.clone()))?;
            if actions.iter().any(|other| other.name == action.name) {
                return Err(Complaint::error(
                    format!(
                        "expected actions of different names, '{}' is twice",
                        action.name
                    ),
                    "give one of them another actname=… or name=…".into(),
                )
                .at(here));
            }
            actions.push(action);
        }
        Ok(actions)
    }

    fn action(&self, spec: Spec, vars: &Ordered<String>) -> Result<ActionRead, Complaint> {
        let mut arguments: Ordered<String> = spec.options.into_iter().collect();
        let name = arguments
            .get("name")
            .cloned()
            .unwrap_or_else(|| self.jail.to_owned());
        arguments.set("name", name.clone());
        let actname = arguments.get("actname").cloned().unwrap_or_else(|| {
            // Unique in the jail: `iptables-SSH`, `iptables-2` for `name=<jail>-2`.
            match name.strip_prefix(self.jail) {
                Some(rest) => format!("{}{rest}", spec.name),
                None => format!("{}-{name}", spec.name),
            }
        });
        arguments.set("actname", actname.clone());
        let merged = self.config.definition_files("action", &spec.name)?;
        let mut definition = Definition::new(merged, arguments);
        definition.read(ACTION, vars)?;
        let mail = super::mail::content(&|name| definition.shown(name));
        let combined = definition.combined(LATE_TAGS)?;
        let typed = typed(ACTION, &combined, &|name| definition.origin(name))?;
        let mut options: Vec<(String, Item)> = typed
            .iter()
            .filter(|(name, _)| find(ACTION, name).is_some())
            .map(|(name, item)| (name.to_owned(), item.clone()))
            .collect();
        // The rest is for the daemon to replace tags with, so it goes as written.
        for (name, text) in definition.init().iter() {
            if find(ACTION, name).is_none() && !name.starts_with("known/") {
                options.push((name.to_owned(), text.as_str().into()));
            }
        }
        Ok(ActionRead {
            name: actname,
            options,
            python: None,
            mail,
            origin: self.scope().origin("action"),
        })
    }

    fn python_action(&self, spec: Spec) -> Result<ActionRead, Complaint> {
        let stem = spec
            .name
            .strip_suffix(".py")
            .unwrap_or(&spec.name)
            .to_owned();
        let mut options: Ordered<String> = spec.options.into_iter().collect();
        let name = options.remove("actname").unwrap_or(stem);
        let library = &self.config.library;
        let asked = library.dir().join("action.d").join(&spec.name);
        let Some(path) = library.locate(&asked) else {
            return Err(Complaint::error(
                format!("expected a Python action, found no {}", asked.display()),
                "put the file there or name another action".into(),
            ));
        };
        Ok(ActionRead {
            name,
            options: options
                .iter()
                .map(|(name, text)| (name.to_owned(), text.as_str().into()))
                .collect(),
            python: Some(path),
            mail: None,
            origin: self.scope().origin("action"),
        })
    }
}

impl Config<'_> {
    /// Where a jail's option was last set, in its section or in `[DEFAULT]`.
    pub(super) fn jail_origin(&self, jail: &str, option: &str) -> Option<Origin> {
        let own = self.jails.own_origin(jail, option);
        own.or_else(|| self.jails.own_origin(DEFAULT, option))
    }
}
