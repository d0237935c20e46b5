//! From the merged files to what runs: which jails are switched on, and what becomes of each.

use super::complaint::{Complaint, Severity};
use super::item::Item;
use super::jail::Enabled;
use super::ordered::Ordered;
use super::server::ServerRead;
use super::settings::reads_files;
use super::stream::{JailStream, Outcome};
use super::{Config, glob, options};
use crate::model::{JailSettings, ServerSettings};

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
    pub(super) server_options: Ordered<Item>,
    /// Whether `fail2ban.conf` has a `[Definition]`.
    pub(super) server_defined: bool,
    pub(super) streams: Vec<JailStream>,
}

impl Loaded {
    pub fn has_errors(&self) -> bool {
        self.complaints
            .iter()
            .any(|complaint| complaint.severity == Severity::Error)
    }
}

impl Config<'_> {
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

    pub(super) fn must_exist(&self, jail: &str) -> Result<(), Complaint> {
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
    pub(super) fn switched_on(&self, complaints: &mut Vec<Complaint>) -> Vec<String> {
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
            server_defined: self.server.is_written("Definition"),
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
        reads_files(&settings.backend)
            && settings
                .logs
                .iter()
                .all(|log| glob::paths(self.tree, &log.glob).is_empty())
    }
}
