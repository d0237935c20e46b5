//! Environment variables and command-line options as layers over the files.
//!
//! `RBAN_LOGLEVEL=DEBUG` sets an option of `fail2ban.conf`, `RBAN_JAIL__SSHD__MAXRETRY=3` one of a
//! jail, `RBAN_JAIL__DEFAULT__BANTIME=1h` one of all jails. In names every other character than
//! a letter or digit is written `_`; the files' own names decide what is meant. Values are written
//! as in the files, `%(…)s` included; those of the command line are taken as they are.

use std::rc::Rc;

use super::CommandLineOption;
use super::complaint::Complaint;
use super::files::Source;
use super::ini::DEFAULT;
use super::layers::Setting;
use super::options::{FILTER, HELPERS, JAIL, Known, SERVER, nearest};
use super::values::shown;
use crate::model::Origin;

const PREFIX: &str = "RBAN_";
const JAIL_PREFIX: &str = "RBAN_JAIL__";

/// The settings of the environment and the command line.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    pub server: Vec<Setting>,
    pub jails: Vec<Setting>,
    pub complaints: Vec<Complaint>,
}

impl Overrides {
    /// Takes the variables that are rban's; `jail_files` say which jails and options there are.
    pub(super) fn new(
        environment: &[(String, String)],
        command_line: &[CommandLineOption],
        jail_files: &[Rc<Source>],
    ) -> Self {
        let mut overrides = Self::default();
        for (name, value) in environment {
            let read = if let Some(rest) = name.strip_prefix(JAIL_PREFIX) {
                jail_setting(name, rest, value, jail_files)
                    .map(|setting| overrides.jails.push(setting))
            } else if let Some(rest) = name.strip_prefix(PREFIX) {
                server_setting(name, rest, value).map(|setting| overrides.server.push(setting))
            } else {
                continue;
            };
            if let Err(complaint) = read {
                let origin = Origin::Variable(name.clone());
                overrides.complaints.push(complaint.at(Some(origin)));
            }
        }
        overrides
            .server
            .extend(command_line.iter().map(|given| Setting {
                section: "Definition".into(),
                option: given.option.clone(),
                value: given.value.replace('%', "%%"),
                origin: Origin::CommandLine(given.typed.clone()),
            }));
        overrides
    }
}

fn server_setting(name: &str, rest: &str, value: &str) -> Result<Setting, Complaint> {
    let names = || SERVER.iter().map(|known| known.name);
    let Some(option) = names().find(|option| same(option, rest)) else {
        let near = nearest(&rest.to_lowercase(), names());
        let advice = match near {
            Some(near) => format!("did you mean {PREFIX}{}?", variable(near)),
            None => "unset it, or write RBAN_JAIL__<jail>__<option> for a jail's".into(),
        };
        return Err(Complaint::warning(
            format!("expected {PREFIX} and an option of fail2ban.conf"),
            advice,
        ));
    };
    Ok(Setting {
        section: "Definition".into(),
        option: option.to_owned(),
        value: value.to_owned(),
        origin: Origin::Variable(name.to_owned()),
    })
}

fn jail_setting(
    name: &str,
    rest: &str,
    value: &str,
    files: &[Rc<Source>],
) -> Result<Setting, Complaint> {
    let Some((jail, option)) = rest.split_once("__") else {
        return Err(Complaint::warning(
            format!("expected {JAIL_PREFIX}<jail>__<option>"),
            "write for example RBAN_JAIL__SSHD__MAXRETRY=3".into(),
        ));
    };
    let sections = || files.iter().flat_map(|file| &file.ini.sections);
    let jails = || sections().map(|section| section.name.as_str());
    let Some(jail) = jails().chain([DEFAULT]).find(|name| same(name, jail)) else {
        let jail = jail.to_lowercase();
        let advice = match nearest(&jail, jails()) {
            Some(near) => format!("did you mean {JAIL_PREFIX}{}__…?", variable(near)),
            None => "define the jail in jail.local or unset the variable".into(),
        };
        return Err(Complaint::warning(
            format!("expected an existing jail, found '{}'", shown(&jail)),
            advice,
        ));
    };
    let here = sections()
        .filter(|section| section.name == jail || section.name == DEFAULT)
        .flat_map(|section| &section.options)
        .map(|option| option.name.as_str());
    let names = |table: &'static [Known]| table.iter().map(|known| known.name);
    let mut options = names(JAIL)
        .chain(names(FILTER))
        .chain(here)
        .chain(HELPERS.iter().copied());
    let Some(option) = options.find(|name| same(name, option)) else {
        let option = option.to_lowercase();
        let advice = match nearest(&option, names(JAIL).chain(names(FILTER))) {
            Some(near) => format!("did you mean {}?", variable(near)),
            None => "unset it".into(),
        };
        return Err(Complaint::warning(
            format!("expected an option of a jail, found '{}'", shown(&option)),
            advice,
        ));
    };
    Ok(Setting {
        section: jail.to_owned(),
        option: option.to_owned(),
        value: value.to_owned(),
        origin: Origin::Variable(name.to_owned()),
    })
}

/// Whether a variable's part means that name.
fn same(name: &str, part: &str) -> bool {
    variable(name) == part.to_uppercase()
}

/// A name as it is written in a variable.
fn variable(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect::<String>()
        .to_uppercase()
}
