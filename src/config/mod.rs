//! The operator's files become typed settings, complaints and a command stream.
//!
//! One way through, a module a step:
//!
//! 1. `ini` lexes a file; `files` finds the files of `jail`, `fail2ban`, `filter.d/X`,
//!    `action.d/X`, includes and all, in the configuration directory over the vendor tree.
//! 2. `layers` lets figment merge them with rban's defaults below and `environment` above.
//!    figment's metadata knows where every value is from; what it merges are raw texts.
//! 3. `scope` reads an option: `interpolate` resolves `%(…)s`, `tags` resolves `<…>`,
//!    `spec` takes `name[option=value]` apart.
//! 4. `jail`, `finding` and `definition` follow a jail to its filter and actions; `settings`,
//!    `filters` and `server` type what they find; `options` is the table of all there is.
//! 5. `load` puts it together; `stream` tells it as fail2ban's commands, `explain` as a list with origins.
//!
//! A bad jail is left out with one [`Complaint`] and the others go on; fail2ban would not start.
//! Files come through a [`Tree`], the environment as a list: nothing here knows the machine.

mod complaint;
mod definition;
pub mod duration;
mod environment;
mod explain;
mod files;
mod filters;
mod finding;
mod glob;
mod ini;
mod interpolate;
mod item;
mod jail;
mod layers;
mod load;
mod mail;
mod options;
mod ordered;
mod pretty;
mod scope;
mod server;
mod settings;
mod show;
mod spec;
mod stream;
mod tags;
mod tree;
mod trial;
mod unknown;
mod values;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::model::Origin;

pub use complaint::{Complaint, Severity};
pub use explain::Explained;
pub use glob::log_files;
pub use item::Item;
pub use load::Loaded;
pub use pretty::dump_pretty;
pub use show::{json, text};
pub use spec::{Spec, SpecError};
pub use stream::{Command, dump, stream};
pub use tree::{Disk, Memory, Tree};
pub use trial::Trial;
pub use values::shell_words;

use environment::Overrides;
use files::Library;
use layers::{Merged, Setting};

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

/// What can enforce bans on this machine, the best of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firewall {
    /// The kernel has nf_tables, and `nft` is installed.
    Nftables,
    /// iptables with `ipset`.
    Ipset,
    Iptables,
}

/// What defaults depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What `banaction` is where no file says otherwise.
    pub firewall: Firewall,
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
        let no_jail = |name: &&str| *name == "INCLUDES" || name.starts_with("KNOWN/");
        let mut names = self.jails.section_names();
        names.retain(|name| !no_jail(name));
        names
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
