//! The vendor tree in `config/`: complete, with samples for every filter, and read the same way by
//! the installed reference program.

#![expect(
    clippy::disallowed_methods,
    reason = "the reference program and the checker are processes"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rban::config::{Config, Disk, Facts, Inputs, dump, stream};
use rban::pattern::{Options, Regex};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names in a folder of the vendor tree, without `.conf`; parts that others include left out.
fn names(folder: &str) -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(repository().join("config").join(folder))
        .expect("a folder of the vendor tree")
        .map(|entry| entry.expect("an entry").file_name())
        .filter_map(|name| Some(name.to_str()?.strip_suffix(".conf")?.to_owned()))
        .filter(|name| !name.ends_with("common"))
        .collect();
    found.sort();
    found
}

#[test]
fn every_filter_has_samples_of_both_verdicts() {
    for filter in names("filter.d") {
        let file = repository().join("tests/samples").join(&filter);
        let text = fs::read_to_string(&file)
            .unwrap_or_else(|_| panic!("{filter}: write samples into {}", file.display()));
        let verdicts: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with(['#', '[']))
            .filter_map(|line| line.split_once(" | "))
            .map(|(verdict, _)| verdict)
            .collect();
        assert!(
            verdicts.contains(&"-"),
            "{filter}: no line that is no failure"
        );
        assert!(verdicts.iter().any(|&v| v != "-"), "{filter}: no failure");
    }
}

#[test]
fn no_samples_are_left_without_their_filter() {
    let filters = names("filter.d");
    for entry in fs::read_dir(repository().join("tests/samples")).expect("samples") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("UTF-8");
        assert!(
            filters.iter().any(|filter| filter == name),
            "samples for no filter: {name}"
        );
    }
}

#[test]
fn the_reference_program_judges_every_sample_as_expected() {
    let output = Command::new(repository().join("scripts/check-filters"))
        .output()
        .expect("scripts/check-filters runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert!(said.contains(" 0 wrong"), "{said}");
}

#[test]
fn the_articles_eleven_patterns_work_on_our_common_conf() {
    let tree = tempfile::tempdir().expect("a folder");
    let filters = tree.path().join("filter.d");
    fs::create_dir(&filters).expect("a folder");
    let ours = repository().join("config/filter.d/common.conf");
    let article = repository().join("tests/fixtures/article");
    fs::copy(ours, filters.join("common.conf")).expect("copied");
    fs::copy(article.join("sshd.conf"), filters.join("sshd.conf")).expect("copied");
    let output = Command::new(repository().join("scripts/check-filters"))
        .arg("--config")
        .arg(tree.path())
        .arg("--samples")
        .arg(article.join("samples"))
        .arg("sshd")
        .output()
        .expect("scripts/check-filters runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

/// The tree with a jail for each filter and each action.
fn everything_enabled() -> tempfile::TempDir {
    let tree = tempfile::tempdir().expect("a folder");
    copy(&repository().join("config"), tree.path());
    let mut jails = String::from(
        "[DEFAULT]\nbanaction = nftables\nbanaction_allports = nftables[type=allports]\n\
         [all]\nenabled = true\nfilter = sshd\nlogpath = /etc/hostname\naction =\n",
    );
    for action in names("action.d") {
        jails += &format!("    {action}[actname={action}, port=ssh]\n");
    }
    for filter in names("filter.d") {
        jails += &format!("[{filter}]\nenabled = true\nlogpath = /etc/hostname\n");
    }
    for report in ["action_mw", "action_mwl"] {
        jails += &format!(
            "[{report}]\nenabled = true\nfilter = sshd[mode=aggressive, logtype=rfc5424]\n\
             logpath = /etc/hostname\nport = ssh\naction = %({report})s\n"
        );
    }
    fs::write(tree.path().join("jail.local"), jails).expect("written");
    tree
}

/// The commands that `fail2ban-client -d` makes of a tree.
fn reference_stream(tree: &Path) -> String {
    let output = Command::new("fail2ban-client")
        .arg("-c")
        .arg(tree)
        .arg("-d")
        .output()
        .expect("fail2ban-client runs; scripts/need test installs it");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(!errors.contains("ERROR"), "{errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_reference_program_reads_the_whole_tree() {
    let tree = everything_enabled();
    let stream = reference_stream(tree.path());
    assert!(!stream.contains("config-error"), "{stream}");
    for action in names("action.d") {
        assert!(
            stream.contains(&format!("'addaction', '{action}'")),
            "{action}"
        );
    }
    for jail in
        names("filter.d")
            .iter()
            .map(String::as_str)
            .chain(["all", "action_mw", "action_mwl"])
    {
        assert!(stream.contains(&format!("['start', '{jail}']")), "{jail}");
    }
}

#[test]
fn rban_makes_of_the_tree_what_the_reference_program_makes() {
    let tree = everything_enabled();
    let facts = Facts {
        firewall: rban::config::Firewall::Nftables,
        fail2ban_version: "1.0.2".into(),
    };
    let config = Config::read(&Disk, &Inputs::only(tree.path(), facts)).expect("a configuration");
    let loaded = config.load();
    assert!(loaded.complaints.is_empty(), "{:?}", loaded.complaints);
    let ours = dump(&stream(&loaded, &Disk));
    let theirs = reference_stream(tree.path());
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.lines().count(), theirs.lines().count());
}

/// Every option a filter of ours knows, in every combination that makes other patterns.
#[test]
fn every_pattern_of_every_mode_compiles_and_is_linear() {
    let tree = tempfile::tempdir().expect("a folder");
    copy(&repository().join("config"), tree.path());
    let mut jails = String::from("[DEFAULT]\nbanaction = nftables\n");
    for mode in ["normal", "ddos", "extra", "aggressive"] {
        for publickey in ["invalid", "nofail", "any", "ignore"] {
            for logtype in ["file", "short", "journal", "rfc5424"] {
                jails += &format!(
                    "[{mode}-{publickey}-{logtype}]\nenabled = true\nlogpath = /etc/hostname\n\
                     filter = sshd[mode={mode}, publickey={publickey}, logtype={logtype}]\n"
                );
            }
        }
    }
    jails += "[recidive]\nenabled = true\nbanaction_allports = nftables\n";
    fs::write(tree.path().join("jail.local"), jails).expect("written");
    let facts = Facts {
        firewall: rban::config::Firewall::Nftables,
        fail2ban_version: "1.0.2".into(),
    };
    let config = Config::read(&Disk, &Inputs::only(tree.path(), facts)).expect("a configuration");
    let loaded = config.load();
    assert_eq!(loaded.jails.len(), 65, "{:?}", loaded.complaints);
    for jail in &loaded.jails {
        let patterns = jail.filter.failregex.iter().map(|(pattern, _)| pattern);
        for pattern in patterns.chain(&jail.filter.prefregex) {
            let regex = Regex::new(pattern, Options::default())
                .unwrap_or_else(|error| panic!("{}: {error}", jail.name));
            assert!(regex.is_linear(), "{}: {pattern}", jail.name);
        }
    }
}

/// A ban or unban that native drivers are to recognise is one plain command.
#[test]
fn firewall_bans_are_one_plain_command() {
    let mut seen = 0;
    for action in names("action.d") {
        if !action.starts_with("iptables") && !action.starts_with("nftables") {
            continue;
        }
        let file = repository().join(format!("config/action.d/{action}.conf"));
        let text = fs::read_to_string(file).expect("an action");
        for line in text.lines() {
            let Some((key, command)) = line.split_once(" = ") else {
                continue;
            };
            if key == "actionban" || key == "actionunban" {
                seen += 1;
                assert!(
                    !command.contains(['|', ';', '&', '$', '`', '"']),
                    "{action}: {line}"
                );
            }
        }
    }
    assert!(seen >= 6, "{seen} commands looked at");
}

#[test]
fn make_install_puts_everything_in_its_place() {
    let root = tempfile::tempdir().expect("a folder");
    let program = env!("CARGO_BIN_EXE_rban");
    let make = |target: &str| {
        let output = Command::new("make")
            .current_dir(repository())
            // The program is built already: -o keeps make from building a release for this.
            .args(["-s", "-o", program, &format!("binary={program}"), target])
            .args(["LINKS=1", "PATHS=debian"])
            .arg(format!("DESTDIR={}", root.path().display()))
            .output()
            .expect("make runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "make {target}: {said}");
    };
    make("install");
    let at = |path: &str| root.path().join(path);
    for file in [
        "usr/bin/rban",
        "usr/share/rban/jail.conf",
        "usr/share/rban/paths-distribution.conf",
        "usr/share/doc/rban/differences.md",
        "usr/share/man/man5/jail.conf.5rban",
        "usr/share/man/man8/rban-server.8",
        "lib/systemd/system/rban.service",
        "lib/systemd/system/rban.socket",
        "etc/logrotate.d/rban",
    ] {
        assert!(at(file).exists(), "{file}");
    }
    for folder in ["filter.d", "action.d"] {
        for name in names(folder) {
            assert!(
                at(&format!("usr/share/rban/{folder}/{name}.conf")).exists(),
                "{name}"
            );
        }
    }
    let link = fs::read_link(at("usr/bin/fail2ban-client")).expect("a link");
    assert_eq!(link, Path::new("rban"));
    make("uninstall");
    let mut left = Vec::new();
    files(root.path(), &mut left);
    assert!(left.is_empty(), "{left:?}");
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path: PathBuf = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}
