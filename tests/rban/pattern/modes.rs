//! Every filter of a tree in every mode, as jails get it: the fail2ban's that is installed, and ours.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use rban::config::{Config, Disk, Facts, Firewall, Inputs, Spec};
use rban::model::Origin;
use rban::pattern::{Options, Regex};

/// What filters take as `mode`; those that know another none read their default.
const MODES: &[&str] = &[
    "normal",
    "more",
    "ddos",
    "extra",
    "aggressive",
    "auth",
    "rbl",
    "errors",
    "fallback",
];
/// sshd's `publickey`.
const PUBLICKEYS: &[&str] = &["invalid", "nofail", "any", "ignore"];
/// Lines of files and of journals start differently.
const LOGTYPES: &[&str] = &["file", "short", "journal", "rfc5424"];

/// Where Debian's package puts its filters.
pub(super) const STOCK: &str = "/etc/fail2ban";

/// A filter's patterns in one mode, or those that other modes had not.
pub(super) struct Set {
    pub(super) filter: String,
    pub(super) mode: String,
    pub(super) options: Options,
    pub(super) prefregex: Option<String>,
    pub(super) failregex: Vec<String>,
    pub(super) ignoreregex: Vec<String>,
}

impl Set {
    /// All, with what each is called.
    pub(super) fn patterns(&self) -> impl Iterator<Item = (String, &str)> {
        let pre = self
            .prefregex
            .iter()
            .map(|it| ("prefregex".to_owned(), &**it));
        let fail = (1..).zip(&self.failregex);
        let ignore = (1..).zip(&self.ignoreregex);
        pre.chain(fail.map(|(at, it)| (format!("failregex {at}"), &**it)))
            .chain(ignore.map(|(at, it)| (format!("ignoreregex {at}"), &**it)))
    }

    pub(super) fn regex(&self, pattern: &str) -> Regex {
        Regex::new(pattern, self.options)
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", self.filter, error.caret()))
    }
}

/// The filters of a tree; those of equal patterns once. None where there is no such tree.
pub(super) fn sets(tree: &Path) -> Vec<Set> {
    let Ok(files) = fs::read_dir(tree.join("filter.d")) else {
        eprintln!("no {} here: its filters are not looked at", tree.display());
        return Vec::new();
    };
    let mut names: Vec<String> = files
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".conf")?.to_owned()))
        .filter(|name| !name.ends_with("common"))
        .collect();
    names.sort();
    let facts = Facts {
        firewall: Firewall::Nftables,
        fail2ban_version: "1.0.2".into(),
    };
    let config = Config::read(&Disk, &Inputs::only(tree, facts)).expect("a configuration");
    let mut found = Vec::new();
    for name in names {
        let mut known = HashSet::new();
        for words in variants(&name) {
            let spec = Spec::parse(&format!("{name}[{words}]")).expect("a filter's name");
            let Ok(trial) = config.try_filter(&spec, "pyinotify") else {
                continue;
            };
            let read = trial.settings;
            let texts = |list: &[(String, Origin)]| list.iter().map(|(it, _)| it.clone()).collect();
            let set = Set {
                filter: name.clone(),
                mode: words,
                options: Options {
                    multiline: read.maxlines > 1,
                    addresses_only: false,
                },
                prefregex: read.prefregex.clone(),
                failregex: texts(&read.failregex),
                ignoreregex: texts(&read.ignoreregex),
            };
            let patterns = (
                set.prefregex.clone(),
                set.failregex.clone(),
                set.ignoreregex.clone(),
            );
            if known.insert(patterns) {
                found.push(set);
            }
        }
    }
    found
}

/// What may be written behind a filter's name.
fn variants(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let publickeys = if name == "sshd" {
        PUBLICKEYS
    } else {
        &PUBLICKEYS[..1]
    };
    for mode in MODES {
        for publickey in publickeys {
            for logtype in LOGTYPES {
                found.push(format!(
                    "mode={mode}, publickey={publickey}, logtype={logtype}"
                ));
            }
        }
    }
    found
}
