//! The fuzz targets without a fuzzer: each corpus as it is, then thousands of seeded mutations.
//!
//! The bodies are in `fuzz/bodies.rs` beside this file; libFuzzer runs the same from `fuzz/` in the
//! repository's root, where the corpora are. What a fuzzer finds becomes a file there.

mod bodies;

use crate::support::draw;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Words that a target's language knows, put where a mutation likes.
const WORDS: [(&str, &[&str]); 4] = [
    (
        "dialect",
        &[
            "[DEFAULT]\n",
            "[known]\n",
            "%(",
            ")s",
            "%(known/a)s",
            "%%",
            " = ",
            "\n ",
            "[INCLUDES]\n",
            "before = ",
            "after = ",
            "enabled = true\n",
            "filter = plain[",
            "]",
            "<",
            ">",
            "@ filter.d/",
            "[Init?family=inet6]\n",
            "<known/",
            "action = ",
            "\"",
            "'",
            ";",
            "#",
            "\u{feff}",
            "\\",
            ",",
        ],
    ),
    (
        "pattern",
        &[
            "<HOST>",
            "<ADDR>",
            "<F-USER>",
            "</F-USER>",
            "<SKIPLINES>",
            "<F-ID/>",
            "(?:",
            ")",
            "(?P<a>",
            "(?(a)",
            "|",
            "*",
            "+?",
            "{2,3}",
            "{,}",
            "[^",
            "]",
            "(?=",
            "(?<!",
            "(?i)",
            "\\1",
            "\\b",
            "\\w",
            "\\d+",
            "^",
            "$",
            "(?>",
            "(?P=a)",
            "\n=====\n",
            "\\Z",
            "é",
            "ſ",
            "\u{85}",
        ],
    ),
    (
        "date",
        &[
            "Nov 22 12:00:01",
            "2026-11-22T12:00:01.5Z",
            "[22/Nov/2026:12:00:01 +0100]",
            "1795348800",
            "@400000006920b8b0",
            "%Y",
            "%d",
            "%b",
            "{^LN-BEG}",
            "{NONE}",
            "{EPOCH}",
            "%ExY",
            "**",
            "\n=====\n",
            "31",
            "Feb",
            "29",
            "00",
            "24:00:00",
            "-",
            ":",
            "Z",
            "CET",
            "(?P<_>",
            "é",
            "\n",
        ],
    ),
    (
        "pickle",
        &[
            "(",
            ")",
            "]",
            "}",
            ".",
            "t",
            "l",
            "d",
            "u",
            "s",
            "a",
            "e",
            "I1\n",
            "L5L\n",
            "S'a'\n",
            "Va\n",
            "cbuiltins\nstr\n",
            "R",
            "\u{0}",
            "0",
            "1",
            "2",
            "g0\n",
            "p0\n",
            "q\u{0}",
            "h\u{0}",
        ],
    ),
];

/// Mutations of each target in one run: what takes a few seconds where nothing is optimised.
const MUTATIONS: [(&str, u64); 4] = [
    ("dialect", 3000),
    ("pattern", 1500),
    ("date", 3000),
    ("pickle", 400_000),
];

/// A xorshift64*: the same seed gives the same inputs.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        let drawn = draw(&mut self.0);
        (drawn % bound as u64) as usize
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below((length - start).min(16) + 1)
    }

    /// An input changed in one to four places.
    fn mutation(&mut self, corpus: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(input.len() + 1);
            match self.below(6) {
                0 if at < input.len() => input[at] ^= 1 << self.below(8),
                1 => input.insert(at, self.below(256) as u8),
                2 => {
                    let range = self.range(input.len());
                    input.drain(range);
                }
                3 => {
                    let copy = input[self.range(input.len())].to_vec();
                    input.splice(at..at, copy);
                }
                4 => {
                    let other = &corpus[self.below(corpus.len())];
                    let from = self.below(other.len() + 1);
                    input.truncate(at);
                    input.extend_from_slice(&other[from..]);
                }
                _ => {
                    let word = words[self.below(words.len())];
                    input.splice(at..at, word.bytes());
                }
            }
        }
        input
    }
}

/// The committed inputs of a target, in order of their names; `None` in the published package,
/// which has none.
fn corpus(target: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join("fuzz").exists() {
        eprintln!("skipped, this is not the repository");
        return None;
    }
    let folder = root.join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).expect("an input"))
        })
        .collect();
    files.sort();
    Some(files)
}

/// Runs an input; a panic says which it was.
#[track_caller]
fn run(target: &str, what: &str, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| bodies::run(target, input))).is_err() {
        panic!("{target} fails on {what}: b\"{}\"", input.escape_ascii());
    }
}

#[track_caller]
fn fuzz(target: &str) {
    let Some(files) = corpus(target) else {
        return;
    };
    assert!(files.len() >= 20, "{} inputs for {target}", files.len());
    for (name, input) in &files {
        run(target, name, input);
    }
    let corpus: Vec<Vec<u8>> = files.into_iter().map(|(_, input)| input).collect();
    let of = |(name, _): &&(&str, _)| *name == target;
    let (_, words) = WORDS.iter().find(of).expect("its words");
    let (_, count) = *MUTATIONS
        .iter()
        .find(|(name, _)| *name == target)
        .expect("how many");
    for seed in 1..=count {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let input = dice.mutation(&corpus, words);
        run(target, &format!("mutation {seed}"), &input);
    }
}

#[test]
fn configurations_of_any_bytes_are_read_or_complained_about() {
    fuzz("dialect");
}

#[test]
fn any_pattern_finds_alone_what_it_finds_in_a_set() {
    fuzz("pattern");
}

#[test]
fn dates_are_the_same_from_memory_in_lines_of_any_bytes() {
    fuzz("date");
}

#[test]
fn messages_of_any_bytes_are_values_that_can_be_sent_back() {
    fuzz("pickle");
}

#[test]
fn every_target_has_its_libfuzzer_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(manifest) = fs::read_to_string(root.join("fuzz/Cargo.toml")) else {
        eprintln!("skipped, this is not the repository");
        return;
    };
    for (target, _) in bodies::TARGETS {
        let path = format!("fuzz_targets/{target}.rs");
        assert!(manifest.contains(&format!("path = \"{path}\"")), "{target}");
        let program = fs::read_to_string(root.join("fuzz").join(&path)).expect("a program");
        assert!(
            program.contains(&format!("run(\"{target}\", ")),
            "{program}"
        );
    }
}
