//! The operator's files become typed settings, complaints and a command stream.
//!
//! One way through, a module a step:
//!
//! 1. [`ini`] lexes a file; [`files`] finds the files of `jail`, `fail2ban`, `filter.d/X`,
//!    `action.d/X`, includes and all, in the configuration directory over the vendor tree.
//! 2. [`layers`] lets figment merge them with rban's defaults below and [`environment`] above.
//!    figment's metadata knows where every value is from; what it merges are raw texts.
//! 3. [`scope`] reads an option: [`interpolate`] resolves `%(…)s`, [`tags`] resolves `<…>`,
//!    [`spec`] takes `name[option=value]` apart.
//! 4. [`jail`] and [`definition`] follow a jail to its filter and actions; [`settings`] and
//!    [`server`] type what they find; [`options`] is the table of all there is.
//! 5. [`stream`] tells it as fail2ban's commands, [`explain`] as a list with origins.
//!
//! A bad jail is left out with one [`Complaint`] and the others go on; fail2ban would not start.
//! Files come through a [`Tree`], the environment as a list: nothing here knows the machine.

mod complaint;
mod definition;
pub mod duration;
mod environment;
mod explain;
mod files;
mod glob;
mod ini;
mod interpolate;
mod item;
mod jail;
mod layers;
mod options;
mod ordered;
mod scope;
mod server;
mod settings;
mod show;
mod spec;
mod stream;
mod tags;
mod tree;
mod unknown;
mod values;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::model::{JailSettings, Origin, ServerSettings};

pub use complaint::{Complaint, Severity};
pub use explain::Explained;
pub use item::Item;
pub use show::{json, text};
pub use spec::{Spec, SpecError};
pub use stream::{Command, dump, stream};
pub use tree::{Disk, Memory, Tree};

use environment::Overrides;
use files::Library;
use jail::Enabled;
use layers::{Merged, Setting};
use ordered::Ordered;
use server::ServerRead;
use stream::{JailStream, Outcome};

/// Where fail2ban's configuration is, unless `-c` says otherwise.
pub const DEFAULT_DIR: &str = "/etc/fail2ban";

/// Where rban's own filters, actions and jails are installed.
pub const DEFAULT_VENDOR: &str = "/usr/share/rban";

/// What a configuration is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The configuration directory.
    pub dir: PathBuf,
    /// The operator named it (`-c`), so it must exist.
    pub dir_named: bool,
    /// What lies underneath; `None` reads `dir` alone.
    pub vendor: Option<PathBuf>,
    /// The environment's variables; those that begin with `RBAN_` count.
    pub environment: Vec<(String, String)>,
    pub command_line: Vec<CommandLineOption>,
    pub facts: Facts,
}

/// A server option given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLineOption {
    /// As typed: `--loglevel`, `-s`.
    pub typed: String,
    /// The option's name in `fail2ban.conf`.
    pub option: String,
    pub value: String,
}

/// What defaults depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The kernel has nf_tables: `banaction` is `nftables` where no file says otherwise, else
    /// `iptables-multiport`.
    pub nf_tables: bool,
    /// `%(fail2ban_version)s`.
    pub fail2ban_version: String,
}

impl Inputs {
    /// The installed machine's configuration, without environment and command line.
    pub fn installed(facts: Facts) -> Self {
        Self {
            dir: DEFAULT_DIR.into(),
            dir_named: false,
            vendor: Some(DEFAULT_VENDOR.into()),
            environment: Vec::new(),
            command_line: Vec::new(),
            facts,
        }
    }

    /// One directory alone, as `-c DIR` means it.
    pub fn only(dir: impl Into<PathBuf>, facts: Facts) -> Self {
        Self {
            dir: dir.into(),
            dir_named: true,
            vendor: None,
            environment: Vec::new(),
            command_line: Vec::new(),
            facts,
        }
    }
}

/// A configuration, ready to start.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub server: ServerSettings,
    /// The jails that are switched on and make sense, in the order of the files.
    pub jails: Vec<JailSettings>,
    /// The jails that are switched on and had to be left out.
    pub dropped: Vec<String>,
    /// In the order they were found. A configuration test fails when one is an error.
    pub complaints: Vec<Complaint>,
    server_options: Ordered<Item>,
    streams: Vec<JailStream>,
}

impl Loaded {
    pub fn has_errors(&self) -> bool {
        self.complaints
            .iter()
            .any(|complaint| complaint.severity == Severity::Error)
    }
}

/// All files read and merged; filters and actions are read when a jail asks for them.
pub struct Config<'t> {
    tree: &'t dyn Tree,
    library: Library<'t>,
    server: Merged,
    jails: Merged,
    /// What is wrong with files, includes and variables.
    complaints: Vec<Complaint>,
    definitions: RefCell<HashMap<String, Result<Rc<Merged>, Complaint>>>,
    /// Mild complaints about filter and action files, found on the way.
    later: RefCell<Vec<Complaint>>,
}

impl fmt::Debug for Config<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("dir", &self.library.dir())
            .field("jails", &self.jail_names())
            .finish_non_exhaustive()
    }
}

/// Reads a configuration and loads all of it.
///
/// # Errors
/// When there is no configuration at all.
pub fn load(tree: &dyn Tree, inputs: &Inputs) -> Result<Loaded, Complaint> {
    Config::read(tree, inputs).map(|config| config.load())
}

impl<'t> Config<'t> {
    /// Reads `fail2ban` and `jail`.
    ///
    /// # Errors
    /// When the directory named does not exist, or neither it nor the vendor tree.
    pub fn read(tree: &'t dyn Tree, inputs: &Inputs) -> Result<Self, Complaint> {
        let vendor = inputs.vendor.as_deref();
        let there = tree.exists(&inputs.dir);
        if !there && (inputs.dir_named || !vendor.is_some_and(|dir| tree.exists(dir))) {
            return Err(no_directory(&inputs.dir, vendor));
        }
        let library = Library::new(tree, &inputs.dir, vendor);
        let server = library.set("fail2ban");
        let jails = library.set("jail");
        let mut complaints = Vec::new();
        for set in [&server, &jails] {
            let mut told: Vec<&Path> = Vec::new();
            for file in &set.files {
                if !told.contains(&file.path.as_path()) {
                    told.push(&file.path);
                    complaints.extend(file.complaints());
                }
            }
            complaints.extend(set.complaints.iter().cloned());
        }
        if jails.files.is_empty() {
            complaints.push(Complaint::error(
                format!(
                    "expected jail.conf or jail.local, found neither in {}",
                    inputs.dir.display()
                ),
                "write a jail.local; no jail runs until then".into(),
            ));
        }
        let mut overrides = Overrides::new(&inputs.environment, &inputs.command_line, &jails.files);
        complaints.append(&mut overrides.complaints);
        let mut settings = facts(&inputs.facts, &library);
        settings.append(&mut overrides.jails);
        Ok(Self {
            tree,
            server: Merged::new(&options::server_defaults(), server.files, overrides.server),
            jails: Merged::new(
                &options::jail_defaults(&inputs.facts),
                jails.files,
                settings,
            ),
            library,
            complaints,
            definitions: RefCell::default(),
            later: RefCell::default(),
        })
    }

    /// Every section that is a jail, switched on or not, in the order of the files.
    pub fn jail_names(&self) -> Vec<&str> {
        let names = self.jails.section_names();
        names
            .into_iter()
            .filter(|name| *name != "INCLUDES")
            .collect()
    }

    /// The server's options and all jails that are switched on.
    pub fn load(&self) -> Loaded {
        let mut complaints = Vec::new();
        let names = self.switched_on(&mut complaints);
        self.load_jails(&names, complaints)
    }

    /// The server's options alone.
    pub fn load_server(&self) -> Loaded {
        self.load_jails(&[], Vec::new())
    }

    /// The server's options and one jail, where it is switched on.
    ///
    /// # Errors
    /// When no such jail is in the files.
    pub fn load_jail(&self, jail: &str) -> Result<Loaded, Complaint> {
        self.must_exist(jail)?;
        let mut complaints = Vec::new();
        let mut names = self.switched_on(&mut complaints);
        names.retain(|name| name == jail);
        complaints.retain(|complaint| complaint.jail.as_deref() == Some(jail));
        Ok(self.load_jails(&names, complaints))
    }

    fn must_exist(&self, jail: &str) -> Result<(), Complaint> {
        let names = self.jail_names();
        if names.contains(&jail) {
            return Ok(());
        }
        let advice = match options::nearest(jail, names) {
            Some(near) => format!("did you mean '{near}'?"),
            None => "rban config lists all of them".into(),
        };
        let problem = format!("No section: '{jail}'");
        Err(Complaint::error(problem, advice))
    }

    /// The jails to run; `enabled = auto` yields to a jail of the operator's on the same filter.
    fn switched_on(&self, complaints: &mut Vec<Complaint>) -> Vec<String> {
        let mut names = Vec::new();
        let mut filters: Option<Vec<String>> = None;
        for jail in self.jail_names() {
            match self.enabled(jail) {
                Ok(Enabled::Yes) => names.push(jail.to_owned()),
                Ok(Enabled::No) => {}
                Ok(Enabled::Auto) => {
                    let taken = filters.get_or_insert_with(|| self.filters_in_use());
                    let own = self.filter_name(jail).unwrap_or_default();
                    if !taken.contains(&own) {
                        names.push(jail.to_owned());
                    }
                }
                Err(complaint) => complaints.push(complaint),
            }
        }
        names
    }

    /// The filters of all jails that are switched on outright.
    fn filters_in_use(&self) -> Vec<String> {
        self.jail_names()
            .into_iter()
            .filter(|jail| self.enabled(jail) == Ok(Enabled::Yes))
            .filter_map(|jail| self.filter_name(jail).ok())
            .collect()
    }

    fn load_jails(&self, names: &[String], found: Vec<Complaint>) -> Loaded {
        let server = ServerRead::new(&self.server);
        let mut complaints = self.complaints.clone();
        complaints.extend(server.complaints);
        complaints.extend(self.unknown_server_options());
        complaints.extend(self.unknown_jail_options(names));
        complaints.extend(found);
        let mut jails = Vec::new();
        let mut dropped = Vec::new();
        let mut streams = Vec::new();
        for name in names {
            let outcome = self.load_one(name, &mut jails, &mut complaints);
            if matches!(outcome, Outcome::Skipped(_)) {
                dropped.push(name.clone());
            }
            streams.push(JailStream {
                name: name.clone(),
                outcome,
            });
        }
        complaints.append(&mut self.later.borrow_mut());
        Loaded {
            server: server.settings,
            jails,
            dropped,
            complaints,
            server_options: server.options,
            streams,
        }
    }

    fn load_one(
        &self,
        name: &str,
        jails: &mut Vec<JailSettings>,
        complaints: &mut Vec<Complaint>,
    ) -> Outcome {
        let mut warnings = Vec::new();
        let loaded = self.read_jail(name).and_then(|read| {
            let settings = self.jail_settings(&read, &mut warnings)?;
            Ok((read, settings))
        });
        complaints.append(&mut warnings);
        let (read, settings) = match loaded {
            Ok(loaded) => loaded,
            Err(complaint) => {
                let why = format!(
                    "Jail '{name}' skipped, because of wrong configuration: {}",
                    complaint.problem
                );
                // A bad line of the jail's section has been told when the file was read.
                complaints.retain(|told| {
                    told.jail.is_some()
                        || told.origin != complaint.origin
                        || told.advice != complaint.advice
                });
                complaints.push(complaint);
                return Outcome::Skipped(why);
            }
        };
        if settings.skip_if_nologs && self.lacks_logs(&settings) {
            complaints.push(
                Complaint::new(
                    Severity::Info,
                    "expected an existing log file, found none, so the jail is left out".into(),
                    "remove skip_if_nologs to wait for the file".into(),
                )
                .at(self.jail_origin(name, "logpath"))
                .for_jail(name),
            );
            return Outcome::Skipped(format!(
                "Jail '{name}' skipped, because of missing log files."
            ));
        }
        jails.push(settings);
        Outcome::Read {
            options: read.options,
            filter: read.filter.map_or_else(Ordered::default, |f| f.options),
            actions: read.actions,
        }
    }

    fn lacks_logs(&self, settings: &JailSettings) -> bool {
        !settings.backend.starts_with("systemd")
            && settings
                .logs
                .iter()
                .all(|log| glob::paths(self.tree, &log.glob).is_empty())
    }
}

/// What fail2ban puts into `[DEFAULT]` by itself.
fn facts(facts: &Facts, library: &Library<'_>) -> Vec<Setting> {
    let known = |option: &str, value: String| Setting {
        section: ini::DEFAULT.into(),
        option: option.into(),
        value,
        origin: Origin::Default,
    };
    vec![
        known("fail2ban_version", facts.fail2ban_version.clone()),
        known("fail2ban_confpath", library.dir().display().to_string()),
    ]
}

fn no_directory(dir: &Path, vendor: Option<&Path>) -> Complaint {
    let also = vendor.map_or_else(String::new, |dir| format!(" nor {}", dir.display()));
    let neither = if vendor.is_some() { "neither " } else { "no " };
    Complaint::error(
        format!(
            "expected a configuration directory, found {neither}{}{also}",
            dir.display()
        ),
        "create it, or name another with -c".into(),
    )
}

#[cfg(test)]
mod tests;
