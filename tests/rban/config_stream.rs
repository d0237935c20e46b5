//! The configuration's oracle: the command stream of `fail2ban-client -d`, list by list.
//!
//! The tests compare with the reference program where it is installed; on a machine without it
//! they have nothing to compare with and say so.

mod generate;
mod mistakes;
mod soup;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rban::config::{Config, Disk, Facts, Inputs, dump, dump_pretty, stream};

const CLIENT: &str = "fail2ban-client";
const STOCK: &str = "/etc/fail2ban";

/// A copy of a configuration tree, in a folder of its own.
struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    fn of(tree: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        copy(tree, &folder.path().join("etc"));
        fs::write(folder.path().join("service.log"), "").expect("a log");
        Self { folder }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("etc")
    }

    fn log(&self) -> String {
        self.folder.path().join("service.log").display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

/// What the reference program prints, or `None` where it is not installed.
#[expect(
    clippy::disallowed_methods,
    reason = "the reference program is run to compare with it"
)]
fn reference(dir: &Path, form: &str) -> Option<String> {
    let output = Command::new(CLIENT)
        .arg("-c")
        .arg(dir)
        .args(["--logtarget", "/var/log/f2b.log", form])
        .output()
        .ok()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{CLIENT}: {errors}");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the reference program is asked for its version"
)]
fn version() -> String {
    let output = Command::new(CLIENT).arg("-V").output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

fn inputs(dir: &Path) -> Inputs {
    let mut inputs = Inputs::only(
        dir,
        Facts {
            firewall: rban::config::Firewall::Nftables,
            fail2ban_version: version(),
        },
    );
    inputs.command_line.push(rban::config::CommandLineOption {
        typed: "--logtarget".into(),
        option: "logtarget".into(),
        value: "/var/log/f2b.log".into(),
    });
    inputs
}

/// Our stream, and what we complain about.
fn ours(dir: &Path) -> (String, Vec<String>) {
    let config = Config::read(&Disk, &inputs(dir)).expect("a configuration");
    let loaded = config.load();
    let said = loaded.complaints.iter().map(ToString::to_string);
    (dump(&stream(&loaded, &Disk)), said.collect())
}

/// `--dp` prints the same, one item a line where a line would be long.
fn compare_pretty(dir: &Path) {
    let Some(theirs) = reference(dir, "--dp") else {
        eprintln!("skipped: {CLIENT} is not installed");
        return;
    };
    let config = Config::read(&Disk, &inputs(dir)).expect("a configuration");
    let ours = dump_pretty(&stream(&config.load(), &Disk));
    for (number, (ours, theirs)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {}", number + 1);
    }
    assert_eq!(ours.lines().count(), theirs.lines().count());
    assert!(ours.lines().count() > 30, "nothing was long: {ours}");
}

fn compare(dir: &Path, mut ours: String) {
    let Some(mut theirs) = reference(dir, "-d") else {
        eprintln!("skipped: {CLIENT} is not installed");
        return;
    };
    if ["0.11", "1.0", "1.1.0"]
        .iter()
        .any(|old| version().starts_with(old))
    {
        ours = without_inet6_blocktype(&ours);
        theirs = without_inet6_blocktype(&theirs);
    }
    for (number, (ours, theirs)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(ours, theirs, "command {}", number + 1);
    }
    assert_eq!(ours.lines().count(), theirs.lines().count());
}

/// Until 1.1.1 a jail's `blocktype=…` did not reach IPv6: a known difference, taken out of the one
/// stock jail that passes it.
fn without_inet6_blocktype(stream: &str) -> String {
    let lines = stream.lines().map(|line| {
        let passes = line.starts_with("['multi-set', 'pass2allow-ftp', 'action'");
        match line.split_once(", ['blocktype?family=inet6', '") {
            Some((before, rest)) if passes => {
                let after = rest.split_once("']").map_or("", |(_, after)| after);
                format!("{before}{after}\n")
            }
            _ => format!("{line}\n"),
        }
    });
    lines.collect()
}

#[test]
fn the_stock_tree_with_every_jail_enabled_gives_the_reference_stream() {
    if !Path::new(STOCK).join("jail.conf").exists() {
        eprintln!("skipped: no {STOCK}");
        return;
    }
    let copy = Copy::of(Path::new(STOCK));
    let config = Config::read(&Disk, &inputs(&copy.dir())).expect("a configuration");
    let mut local = String::new();
    for jail in config.jail_names() {
        local.push_str(&format!(
            "[{jail}]\nenabled = true\nlogpath = {}\n",
            copy.log()
        ));
    }
    copy.write("jail.local", &local);
    let (stream, said) = ours(&copy.dir());
    assert_eq!(said, Vec::<String>::new());
    compare(&copy.dir(), stream);
}

#[test]
fn the_stock_tree_as_installed_gives_the_reference_stream() {
    if !Path::new(STOCK).join("jail.conf").exists() {
        eprintln!("skipped: no {STOCK}");
        return;
    }
    let copy = Copy::of(Path::new(STOCK));
    copy.write(
        "jail.d/own.local",
        &format!(
            "[DEFAULT]\nsyslog_authpriv = {}\n[nginx-http-auth]\n",
            copy.log()
        ),
    );
    let (stream, said) = ours(&copy.dir());
    assert_eq!(said, Vec::<String>::new());
    assert!(stream.contains("['add', 'sshd', 'auto']"), "{stream}");
    compare(&copy.dir(), stream);
}

/// `tests/config/nasty` holds every form of the dialect its author could think of.
#[test]
fn an_awkward_tree_gives_the_reference_stream() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/nasty");
    let (stream, said) = ours(&tree);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("jail 'late': expected an action"),
        "{said:?}"
    );
    assert!(stream.lines().count() > 100, "{stream}");
    compare(&tree, stream);
    compare_pretty(&tree);
}

/// A filter and an action of more than a line's length, with a text that is longer than one itself.
#[test]
fn a_long_stream_is_printed_in_pieces_as_python_prints_it() {
    let tree = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = tree.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    };
    let words = "word \u{e4} 'quoted' ".repeat(90);
    let patterns: String = (0..60).map(|n| format!("    ^{n} from <HOST>\n")).collect();
    let file = tree.path().join("a.log");
    write("a.log", "");
    write(
        "jail.conf",
        &format!(
            "[one]\nenabled = true\nfilter = long\nlogpath = {}\naction = long\n",
            file.display()
        ),
    );
    write("fail2ban.conf", "[DEFAULT]\nloglevel = INFO\n");
    write(
        "filter.d/long.conf",
        &format!("[Definition]\nfailregex =\n{patterns}ignoreregex = {words}\n"),
    );
    write(
        "action.d/long.conf",
        &format!(
            "[Definition]\nactionban = echo {words}\n   echo {words}\n   true\nactionunban = true\n"
        ),
    );
    compare_pretty(tree.path());
}

/// Where the reference program leaves a jail out, so do we; the words are our own.
#[test]
fn jails_the_reference_leaves_out_are_left_out() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/nasty");
    for bad in [
        "filter = nowhere",
        "filter = plain[mode]",
        "filter = plain[mode=\"1\" x=2]",
        "action = nowhere",
        "action = plain[x=[1]]",
        "action = plain[a b] bare",
    ] {
        let copy = Copy::of(&tree);
        copy.write(
            "jail.d/zz.local",
            &format!("[args]\n{bad}\n[plain]\nmaxretry = 9\n"),
        );
        let (mut stream, said) = ours(&copy.dir());
        assert!(
            said.iter()
                .any(|line| line.contains("zz.local:2: jail 'args': ")),
            "{bad}: {said:?}"
        );
        let Some(mut theirs) = reference(&copy.dir(), "-d") else {
            return;
        };
        for stream in [&mut stream, &mut theirs] {
            *stream = stream
                .lines()
                .map(|line| match line.starts_with("['config-error'") {
                    true => "['config-error']",
                    false => line,
                })
                .collect::<Vec<_>>()
                .join("\n");
        }
        assert!(stream.contains("['config-error']"), "{bad}");
        assert_eq!(stream, theirs, "{bad}");
    }
}

/// Generated trees asked of the reference program in one run.
const TREES: u64 = 300;
const SOUPS: u64 = 400;

/// A stream without the reasons for which jails are left out: those are our own words.
fn without_reasons(stream: &str) -> String {
    stream
        .lines()
        .map(|line| match line.starts_with("['config-error'") {
            true => "['config-error']\n".to_owned(),
            false => format!("{line}\n"),
        })
        .collect()
}

/// Writes a tree's files.
fn write_tree(folder: &Path, files: &generate::Files) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

/// What differs between both programs in one tree, jail by jail.
fn differences(folder: &Path, theirs: &serde_json::Value, count: &mut Counted) -> Vec<String> {
    let config = Config::read(&Disk, &inputs(folder)).expect("a configuration");
    let mut found = Vec::new();
    let jails = theirs["jails"].as_object().expect("jails");
    let names: Vec<&String> = jails.keys().collect();
    let mut ours = config.jail_names();
    ours.sort_unstable();
    let mut sorted: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    sorted.sort_unstable();
    if !sorted.is_empty() && ours != sorted {
        return vec![format!("jails {ours:?}, theirs {sorted:?}")];
    }
    for (name, theirs) in jails {
        let loaded = config.load_jail(name).expect("a jail of that name");
        let ours = without_reasons(&dump(&stream(&loaded, &Disk)));
        let said: Vec<String> = loaded.complaints.iter().map(ToString::to_string).collect();
        match theirs.as_str().map(without_reasons) {
            None if theirs["error"].is_null() => {}
            None => {
                count.failing += 1;
                let runs = loaded.jails.iter().any(|jail| jail.name == *name);
                if runs || !loaded.has_errors() && !loaded.dropped.is_empty() {
                    found.push(format!(
                        "[{name}] fails there ({theirs}), here\n{ours}\n{said:?}"
                    ));
                }
            }
            Some(theirs) => {
                count.streams += 1;
                count.skipped += usize::from(theirs.contains("config-error"));
                if ours != theirs {
                    let line = ours.lines().zip(theirs.lines()).find(|(a, b)| a != b);
                    found.push(format!(
                        "[{name}] {line:#?}\n{} and {} lines\n{said:?}",
                        ours.lines().count(),
                        theirs.lines().count()
                    ));
                }
            }
        }
    }
    if let Some(theirs) = theirs["all"].as_str().map(without_reasons) {
        let ours = without_reasons(&dump(&stream(&config.load(), &Disk)));
        if found.is_empty() && ours != theirs {
            found.push(format!("all together:\n{ours}\ntheirs\n{theirs}"));
        }
    }
    found
}

#[derive(Debug, Default)]
struct Counted {
    streams: usize,
    skipped: usize,
    failing: usize,
}

/// Trees of a grammar, each jail's stream list by list. `RBAN_SEED` begins elsewhere, `RBAN_COUNT`
/// goes on for longer.
#[test]
fn generated_trees_give_the_reference_stream() {
    let made = |seed, log: &str| generate::Generator::new(seed, log).tree();
    let Some((count, counted)) = compare_generated(TREES, made) else {
        return;
    };
    assert!(
        counted.streams - counted.skipped > count && counted.failing > count / 20,
        "{counted:?}"
    );
}

/// The same for filters of lines in any order.
#[test]
fn lines_in_any_order_are_read_or_refused_as_there() {
    let made = |seed, log: &str| soup::Soup::new(seed).tree(log);
    let Some((count, counted)) = compare_generated(SOUPS, made) else {
        return;
    };
    assert!(
        counted.streams > count / 3 && counted.failing > count / 20,
        "{counted:?}"
    );
}

/// Compares generated trees; how many, and what they came to. `None` without the reference program.
fn compare_generated(
    usual: u64,
    made: impl Fn(u64, &str) -> generate::Files,
) -> Option<(usize, Counted)> {
    let (first, count) = crate::support::share("RBAN_SEED", "RBAN_COUNT", usual);
    let folder = tempfile::tempdir().expect("a folder");
    let logs = folder.path().join("logs");
    fs::create_dir_all(&logs).expect("a folder");
    for name in ["first.log", "second.log"] {
        fs::write(logs.join(name), "").expect("a log");
    }
    let log = logs.join("first.log").display().to_string();
    let trees: Vec<(u64, PathBuf)> = (first..first + count)
        .map(|seed| {
            let tree = folder.path().join(seed.to_string());
            write_tree(&tree, &made(seed, &log));
            (seed, tree)
        })
        .collect();
    let question: Vec<String> = trees
        .iter()
        .map(|(_, tree)| tree.display().to_string())
        .collect();
    let answers = crate::reference::ask(
        include_str!("oracle/stream.py"),
        &serde_json::json!(question),
    )?;
    let mut counted = Counted::default();
    let mut wrong = Vec::new();
    for ((seed, tree), theirs) in trees.iter().zip(answers.as_array().expect("answers")) {
        let found = differences(tree, theirs, &mut counted);
        wrong.extend(found.iter().map(|found| format!("tree {seed}: {found}")));
    }
    if !wrong.is_empty() {
        let kept = folder.keep();
        panic!(
            "{} differences, trees in {}:\n{}",
            wrong.len(),
            kept.display(),
            wrong.join("\n\n")
        );
    }
    eprintln!("{counted:?}");
    Some((count as usize, counted))
}
