//! The house rules a compiler does not hold: which module may import which.

use std::fs;
use std::path::{Path, PathBuf};

/// Module → what it may import from this crate; its own name is always allowed.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("pattern", &["model"]),
    ("date", &["model", "pattern"]),
    ("protocol", &["model"]),
    ("config", &["model", "pattern", "date", "protocol"]),
    ("filter", &["model", "pattern", "date"]),
    ("jail", &["model", "filter"]),
    ("engine", &["model", "date", "filter", "jail"]),
    ("source", &["model"]),
    ("dns", &["model"]),
    ("mail", &["model", "dns"]),
    ("action", &["model", "dns", "mail"]),
    ("store", &["model"]),
    ("log", &["model"]),
    (
        "daemon",
        &[
            "model", "pattern", "date", "protocol", "config", "filter", "jail", "engine", "source",
            "action", "mail", "store", "log", "dns",
        ],
    ),
    (
        "cli",
        &[
            "model", "pattern", "date", "protocol", "config", "filter", "source", "action", "mail",
            "log", "dns",
        ],
    ),
];

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a source folder") {
        let path = entry.expect("a folder entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The modules of this crate that a file names, with the line each stands on.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for piece in line.split("crate::").skip(1) {
            let name: String = piece
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            if !name.is_empty() {
                found.push((number + 1, name));
            }
        }
    }
    found
}

#[test]
fn imports_go_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&src).expect("a file below src");
        let module = inside.iter().next().expect("a name").to_string_lossy();
        let module = module.trim_end_matches(".rs");
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            continue;
        };
        for (line, name) in imports(&fs::read_to_string(&file).expect("a readable file")) {
            let known = MAY_IMPORT.iter().any(|(module, _)| *module == name);
            if known && name != module && !allowed.contains(&name.as_str()) {
                wrong.push(format!("src/{}:{line} imports {name}", inside.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports against the current:\n{}",
        wrong.join("\n")
    );
}
