//! Configurations as stories: files in, settings and complaints out.

mod anything;
mod complaints;
mod jails;
mod layering;

use super::*;

/// A vendor tree as small as one can be.
const VENDOR_JAIL: &str = "\
[DEFAULT]
bantime = 10m
findtime = 10m
maxretry = 5
filter = %(__name__)s
port = 0:65535
banaction = rules
action = %(banaction)s[port=\"%(port)s\"]
[sshd]
enabled = auto
port = ssh
logpath = /var/log/auth.log
[nginx]
logpath = /var/log/nginx.log
";

/// Files by name, below `/etc` and `/vendor`.
pub(super) struct Story {
    tree: Memory,
    inputs: Inputs,
}

impl Story {
    /// A machine with a vendor tree and an empty configuration directory.
    pub(super) fn new() -> Self {
        let tree = Memory::default()
            .with("/vendor/jail.conf", VENDOR_JAIL)
            .with(
                "/vendor/filter.d/sshd.conf",
                "[Definition]\nfailregex = ^vendor <HOST>$\n",
            )
            .with(
                "/vendor/filter.d/nginx.conf",
                "[Definition]\nfailregex = ^nginx <HOST>$\n",
            )
            .with(
                "/vendor/action.d/rules.conf",
                "[Definition]\nactionban = add <port> <ip>\n",
            );
        let facts = Facts {
            firewall: Firewall::Nftables,
            fail2ban_version: "1.1.1".into(),
        };
        let inputs = Inputs {
            dir: "/etc".into(),
            dir_named: false,
            vendor: Some("/vendor".into()),
            environment: Vec::new(),
            command_line: Vec::new(),
            facts,
        };
        Self { tree, inputs }
    }

    pub(super) fn file(mut self, path: &str, text: &str) -> Self {
        self.tree = self.tree.with(path, text);
        self
    }

    pub(super) fn bytes(mut self, path: &str, bytes: &[u8]) -> Self {
        self.tree = self.tree.with(path, bytes);
        self
    }

    /// The operator's `jail.local`.
    pub(super) fn local(self, text: &str) -> Self {
        self.file("/etc/jail.local", text)
    }

    pub(super) fn variable(mut self, name: &str, value: &str) -> Self {
        self.inputs.environment.push((name.into(), value.into()));
        self
    }

    pub(super) fn typed(mut self, typed: &str, option: &str, value: &str) -> Self {
        self.inputs.command_line.push(CommandLineOption {
            typed: typed.into(),
            option: option.into(),
            value: value.into(),
        });
        self
    }

    pub(super) fn without_vendor(mut self) -> Self {
        self.inputs.vendor = None;
        self
    }

    pub(super) fn read(&self) -> Result<Config<'_>, Complaint> {
        Config::read(&self.tree, &self.inputs)
    }

    pub(super) fn load(&self) -> Loaded {
        load(&self.tree, &self.inputs).expect("a configuration")
    }

    /// Loads and expects nothing to complain about.
    pub(super) fn loads(&self) -> Loaded {
        let loaded = self.load();
        assert_eq!(said(&loaded), Vec::<String>::new());
        loaded
    }

    /// What loading complains about, a line each.
    pub(super) fn says(&self) -> Vec<String> {
        said(&self.load())
    }

    /// Where an option's value is from, and the value.
    pub(super) fn explains(&self, jail: Option<&str>, option: &str) -> (String, String) {
        let config = self.read().expect("a configuration");
        let all = config.explain(jail).expect("an explanation");
        let found = all.into_iter().find(|explained| explained.name == option);
        let found = found.unwrap_or_else(|| panic!("no {option}"));
        (found.value.text(), found.origin.to_string())
    }
}

pub(super) fn said(loaded: &Loaded) -> Vec<String> {
    loaded.complaints.iter().map(ToString::to_string).collect()
}

pub(super) fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.jails.iter().map(|jail| jail.name.as_str()).collect()
}
