//! The manual pages name what the program knows, all of it, and read without a warning.

#![expect(clippy::disallowed_methods, reason = "tests run the real programs")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rban::protocol::{COMMANDS, Scope};

use crate::support::has;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A page's text, with roff's escapes of hyphens undone.
fn page(name: &str) -> String {
    fs::read_to_string(repository().join("man").join(name))
        .expect("a page")
        .replace("\\-", "-")
}

fn help(word: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_rban"))
        .args([word, "--help"])
        .output()
        .expect("rban runs");
    String::from_utf8(output.stdout).expect("text")
}

/// The long options of a help text.
fn options(help: &str) -> BTreeSet<&str> {
    help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| word.starts_with("--") && word.len() > 3)
        .collect()
}

#[test]
fn every_option_is_on_its_programs_page() {
    for (word, name) in [
        ("server", "rban-server.8"),
        ("client", "rban-client.1"),
        ("regex", "rban-regex.1"),
        ("config", "rban.1"),
    ] {
        let (help, page) = (help(word), page(name));
        let (before, _commands) = help.split_once("\nCommands:").unwrap_or((&help, ""));
        for option in options(before) {
            // mdoc: `Fl` brings one of the hyphens; in a command's arguments both stand.
            let known = page.contains(option) || page.contains(&format!("Fl {}", &option[1..]));
            assert!(known, "{name} does not name {option}");
        }
    }
}

#[test]
fn every_command_is_on_the_clients_page_with_its_arguments() {
    let page = page("rban-client.1");
    for row in COMMANDS.iter().filter(|row| !row.help.is_empty()) {
        let before = match row.scope {
            Scope::Basic => "",
            Scope::SetGlobal => "set ",
            Scope::GetGlobal => "get ",
            Scope::SetJail => "set JAIL ",
            Scope::GetJail => "get JAIL ",
        };
        let line = format!(".It Ic {before}{} {}", row.word, row.arguments);
        let line = line.trim_end();
        assert!(
            page.lines().any(|found| found == line),
            "rban-client.1 has no line: {line}"
        );
    }
}

#[test]
fn every_word_of_rban_is_on_its_page() {
    let (help, page) = (help("--help"), page("rban.1"));
    let words = help
        .lines()
        .filter(|line| !line.contains("WORD") && !line.contains("behaves"))
        .filter_map(|line| line.strip_prefix("rban "))
        .filter_map(|line| line.split("  ").next())
        .flat_map(|words| words.split([',', ' ']))
        // Not what stands for something else, nor options.
        .filter(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase()));
    let mut seen = 0;
    for word in words {
        seen += 1;
        assert!(page.contains(word), "rban.1 does not name {word}");
    }
    assert!(seen >= 10, "{seen} words in {help}");
}

fn pages() -> Vec<PathBuf> {
    fs::read_dir(repository().join("man"))
        .expect("man/")
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

#[test]
fn the_pages_are_sound_mdoc() {
    assert!(pages().len() >= 5);
    let formatter = ["mandoc", "groff"].into_iter().find(|name| has(&[name]));
    for page in pages() {
        let output = match formatter {
            Some("mandoc") => Command::new("mandoc")
                .args(["-T", "lint", "-W", "warning"])
                .arg(&page)
                .output(),
            Some(_) => Command::new("groff")
                .args(["-mandoc", "-Tutf8", "-ww", "-z"])
                .arg(&page)
                .output(),
            None => {
                eprintln!("SKIPPED: neither mandoc nor groff is here to read the pages");
                return;
            }
        }
        .expect("the formatter runs");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.trim().is_empty(), "{said}");
    }
}
