//! What packages rban: the parts agree with each other. The NixOS module is in nixos.rs.
//!
//! Packages are built and installed on booted systems by `make test-packages`, which is slow.

#![expect(clippy::disallowed_methods, reason = "tests run the real programs")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{has, skipped};

/// What `make test-packages` fetches once.
pub(crate) const KEPT: &str = "/var/cache/rban-lab";

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What follows `start` on the first line that begins with it.
fn after<'t>(text: &'t str, start: &str) -> &'t str {
    text.lines()
        .find_map(|line| line.strip_prefix(start))
        .unwrap_or_else(|| panic!("no line begins with {start}"))
        .trim()
}

pub(crate) fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn every_package_has_the_programs_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(after(&read("rpm/rban.spec"), "Version:"), version);
    assert_eq!(after(&read("ansible/galaxy.yml"), "version:"), version);
    let debian = format!("({version})");
    assert_eq!(
        after(&read("debian/changelog"), "rban ").split(' ').next(),
        Some(debian.as_str())
    );
}

#[test]
fn the_roles_variables_are_all_specified_and_used() {
    let names = |text: &str, indent: &str| -> BTreeSet<String> {
        text.lines()
            .filter_map(|line| line.strip_prefix(indent)?.split_once(':'))
            .filter(|(name, _)| name.starts_with("rban_"))
            .map(|(name, _)| name.to_owned())
            .collect()
    };
    let defaults = names(&read("ansible/roles/rban/defaults/main.yml"), "");
    let specified = names(
        &read("ansible/roles/rban/meta/argument_specs.yml"),
        "      ",
    );
    assert!(defaults.len() > 30);
    assert_eq!(defaults, specified);
    let mut used = String::new();
    for folder in ["tasks", "templates"] {
        let folder = repository().join("ansible/roles/rban").join(folder);
        for entry in fs::read_dir(folder).expect("a folder") {
            used += &fs::read_to_string(entry.expect("an entry").path()).expect("text");
        }
    }
    for name in &defaults {
        // The jail's own are looked up by their ends.
        let end = ["rban_sshd_", "rban_bantime_"]
            .iter()
            .find_map(|start| name.strip_prefix(start))
            .unwrap_or(name);
        assert!(used.contains(end), "{name} does nothing");
    }
}

#[test]
fn the_unit_exposes_no_more_than_it_must() {
    if !has(&["systemd-analyze"]) {
        return;
    }
    let (_, said) = run(Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(repository().join("systemd/rban.service")));
    let level: f64 = said
        .split("exposure level for rban.service: ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no level in {said}"));
    assert!(level <= 3.0, "{said}");
}

#[test]
fn scripts_and_package_files_parse() {
    let mut scripts = vec![PathBuf::from("systemd/hold"), "scripts/package".into()];
    for folder in ["debian", "tests/packages"] {
        for entry in fs::read_dir(repository().join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let is_script = path.is_file()
                && fs::read_to_string(&path)
                    .is_ok_and(|text| text.starts_with("#!/bin/") || path.ends_with("machine"));
            if is_script {
                scripts.push(path);
            }
        }
    }
    assert!(scripts.len() >= 10, "{scripts:?}");
    for script in scripts {
        let (fine, said) = run(Command::new("bash")
            .arg("-n")
            .arg(repository().join(&script)));
        assert!(fine, "{}: {said}", script.display());
    }
    if has(&["dpkg-parsechangelog"]) {
        let (fine, said) = run(Command::new("dpkg-parsechangelog").current_dir(repository()));
        assert!(fine && said.contains("Source: rban"), "{said}");
    }
    if has(&["rpmspec"]) {
        let (fine, said) = run(Command::new("rpmspec")
            .arg("-P")
            .arg(repository().join("rpm/rban.spec")));
        assert!(fine && said.contains("%files fail2ban"), "{said}");
    }
}

#[test]
fn no_secret_key_is_in_the_repository() {
    // Put together here, so that this file does not hold what it looks for.
    let marks = ["PRIVATE", "SECRET"].map(|word| format!("{word} KEY-----"));
    let mut folders = vec![repository().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if !matches!(&*name, ".git" | "target" | "dist") && !path.is_symlink() {
                    folders.push(path);
                }
            } else if let Ok(text) = fs::read_to_string(&path) {
                for mark in &marks {
                    assert!(!text.contains(mark.as_str()), "{}", path.display());
                }
            }
        }
    }
}

#[test]
fn completions_are_sound_to_their_shells() {
    let folder = tempfile::tempdir().expect("a folder");
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let (fine, script) =
            run(Command::new(env!("CARGO_BIN_EXE_rban")).args(["completion", shell]));
        assert!(fine, "{script}");
        if !has(&[shell]) {
            continue;
        }
        let file = folder.path().join(shell);
        fs::write(&file, script).expect("written");
        let (fine, said) = run(Command::new(shell).arg(check).arg(&file));
        assert!(fine && said.is_empty(), "{shell}: {said}");
    }
}

#[test]
fn the_role_writes_what_rban_reads_from_an_older_roles_variables() {
    // Where `make test-packages` puts it, too.
    let kept = PathBuf::from(KEPT).join("ansible/bin/ansible-playbook");
    let program = if kept.exists() {
        kept
    } else {
        "ansible-playbook".into()
    };
    if !has(&[&program.to_string_lossy()]) {
        skipped("the role's templates were not rendered: pip install ansible-core");
        return;
    }
    let ansible = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.current_dir(repository()).args(arguments);
        command.env("ANSIBLE_LOCALHOST_WARNING", "False");
        let (fine, said) = run(&mut command);
        assert!(fine, "{said}");
    };
    ansible(&[
        "--syntax-check",
        "-i",
        "ansible/inventory.example.yml",
        "ansible/site.yml",
    ]);
    let folder = tempfile::tempdir().expect("a folder");
    let into = format!("into={}", folder.path().display());
    ansible(&["tests/packages/render.yml", "-e", &into]);
    let rban = |option: &str| {
        run(Command::new(env!("CARGO_BIN_EXE_rban"))
            .arg("client")
            .arg("-c")
            .arg(folder.path())
            .arg("--vendor")
            .arg(repository().join("config"))
            .arg(option))
    };
    let (fine, said) = rban("-t");
    assert!(fine, "{said}");
    let (fine, said) = rban("-d");
    assert!(fine, "{said}");
    for expected in [
        "['set', 'loglevel', 'NOTICE']",
        "['set', 'dbpurgeage', '86400']",
        "['add', 'sshd', 'polling']",
        "['set', 'sshd', 'maxretry', 4]",
        "['set', 'sshd', 'bantime', '7200']",
        "['set', 'sshd', 'bantime.factor', '2']",
        "['set', 'sshd', 'addaction', 'sendmail-whois']",
        "['set', 'recidive', 'bantime', '-1']",
        "['set', 'jump-host', 'maxretry', 3]",
        "['set', 'jump-host', 'maxmatches', 7]",
        "['set', 'jump-host', 'addlogpath', '/etc/hosts', 'head']",
        "['set', 'jump-host', 'addignoreip', '127.0.0.1/8', '192.0.2.0/24']",
    ] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
}

#[test]
fn the_selinux_module_compiles() {
    let rules = Path::new("/usr/share/selinux/devel/Makefile");
    if !rules.exists() || !has(&["make", "checkmodule", "semodule_package"]) {
        skipped("no policy to compile rban-selinux against: apt-get install selinux-policy-dev");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["rban.te", "rban.fc"] {
        let from = repository().join("rpm/selinux").join(name);
        fs::copy(from, folder.path().join(name)).expect("a copy");
    }
    let (fine, said) = run(Command::new("make").arg("-C").arg(folder.path()).args([
        "-s",
        "-f",
        "/usr/share/selinux/devel/Makefile",
        "rban.pp",
    ]));
    assert!(fine && folder.path().join("rban.pp").exists(), "{said}");
}
