//! `logpath` patterns, as Python's `glob.glob` reads them: `*`, `?` and `[…]` within one component,
//! no `**`, and no name that begins with a dot unless the pattern does.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// An absolute pattern, split into its components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// A name as it is.
    Name(PathBuf),
    Pattern(Pattern),
}

/// A component with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    tokens: Vec<Token>,
    /// It names dotfiles itself.
    hidden: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    Any,
    Star,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// What an expansion came upon.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expansion {
    pub(super) files: Vec<PathBuf>,
    /// Directories in which a new name may match, with the component it has to match.
    pub(super) directories: Vec<(PathBuf, usize)>,
}

impl Glob {
    /// Reads a pattern; a path without wildcards is none.
    pub(super) fn parse(pattern: &Path) -> Option<Self> {
        let mut wild = false;
        let parts = pattern
            .components()
            .map(|component| match component {
                Component::Normal(name) if is_wild(name) => {
                    wild = true;
                    Part::Pattern(Pattern::parse(&name.to_string_lossy()))
                }
                other => Part::Name(PathBuf::from(other.as_os_str())),
            })
            .collect();
        wild.then_some(Self { parts })
    }

    /// Everything that matches now, sorted, and where more may appear.
    pub(super) fn expand(&self) -> Expansion {
        self.expand_watched(&mut |_, _| {})
    }

    /// The same; each directory is handed to `watch`, with the component that counts there, before
    /// it is looked into: nothing can come unseen in between.
    pub(super) fn expand_watched(&self, watch: &mut dyn FnMut(&Path, usize)) -> Expansion {
        let mut found = Expansion::default();
        self.walk((PathBuf::new(), 0), &mut found, watch);
        found.files.sort();
        found
    }

    /// Whether a name in a directory of an [`Expansion`] matches the component asked for there.
    pub(super) fn fits(&self, part: usize, name: &OsStr) -> bool {
        match self.parts.get(part) {
            Some(Part::Pattern(pattern)) => pattern.matches(&name.to_string_lossy()),
            Some(Part::Name(known)) => known.as_os_str() == name,
            None => false,
        }
    }

    /// Whether it is the last component, the one that names files.
    pub(super) fn is_last(&self, part: usize) -> bool {
        part + 1 == self.parts.len()
    }

    fn walk(
        &self,
        (at, part): (PathBuf, usize),
        found: &mut Expansion,
        watch: &mut dyn FnMut(&Path, usize),
    ) {
        match self.parts.get(part) {
            None => found.files.push(at),
            Some(Part::Name(name)) => {
                let next = at.join(name);
                let is_there = || std::fs::symlink_metadata(&next).is_ok();
                if is_there() {
                    return self.walk((next, part + 1), found, watch);
                }
                if at.is_dir() {
                    watch(&at, part);
                    if is_there() {
                        return self.walk((next, part + 1), found, watch);
                    }
                    found.directories.push((at, part));
                }
            }
            Some(Part::Pattern(pattern)) => {
                watch(&at, part);
                let Ok(entries) = std::fs::read_dir(&at) else {
                    return;
                };
                for entry in entries.flatten() {
                    let name = entry.file_name();
                    if pattern.matches(&name.to_string_lossy()) {
                        self.walk((at.join(name), part + 1), found, watch);
                    }
                }
                found.directories.push((at, part));
            }
        }
    }
}

fn is_wild(name: &OsStr) -> bool {
    name.as_encoded_bytes()
        .iter()
        .any(|byte| b"*?[".contains(byte))
}

impl Pattern {
    fn parse(source: &str) -> Self {
        let chars: Vec<char> = source.chars().collect();
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(c) = chars.get(at) {
            at += 1;
            tokens.push(match c {
                '*' => Token::Star,
                '?' => Token::Any,
                '[' => match class(&chars[at..]) {
                    Some((token, length)) => {
                        at += length;
                        token
                    }
                    None => Token::Char('['),
                },
                c => Token::Char(*c),
            });
        }
        tokens.dedup_by(|next, before| *next == Token::Star && *before == Token::Star);
        Self {
            tokens,
            hidden: source.starts_with('.'),
        }
    }

    /// Matches a whole name, in time proportional to name times pattern: after a mismatch only the
    /// last star is stretched.
    fn matches(&self, name: &str) -> bool {
        if name.starts_with('.') && !self.hidden {
            return false;
        }
        let name: Vec<char> = name.chars().collect();
        let (mut at, mut token) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while at < name.len() {
            match self.tokens.get(token) {
                Some(Token::Star) => {
                    star = Some((at, token));
                    token += 1;
                }
                Some(one) if one.fits(name[at]) => {
                    at += 1;
                    token += 1;
                }
                Some(_) | None => {
                    let Some((from, starred)) = star else {
                        return false;
                    };
                    star = Some((from + 1, starred));
                    at = from + 1;
                    token = starred + 1;
                }
            }
        }
        self.tokens[token..]
            .iter()
            .all(|token| *token == Token::Star)
    }
}

impl Token {
    fn fits(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::Any => true,
            Self::Star => false,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

/// Reads what follows a `[`, and how many characters that takes; without a `]` it is no class.
fn class(chars: &[char]) -> Option<(Token, usize)> {
    let negated = chars.first() == Some(&'!');
    let start = usize::from(negated);
    // A bracket that comes first is a member.
    let close = start + 1 + chars.get(start + 1..)?.iter().position(|c| *c == ']')?;
    let members = &chars[start..close];
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < members.len() {
        match members[at..] {
            [low, '-', high, ..] => {
                ranges.push((low, high));
                at += 3;
            }
            _ => {
                ranges.push((members[at], members[at]));
                at += 1;
            }
        }
    }
    Some((Token::Class { negated, ranges }, close + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_pythons_fnmatch() {
        for (pattern, matching, other) in [
            ("*", &["a", "ab", "ü.log"][..], &["", ".a"][..]),
            (
                "*.log",
                &["a.log", "a.b.log"],
                &["a.logs", ".log", ".a.log"],
            ),
            (".*", &[".a"], &["a"]),
            ("a?c", &["abc", "aüc"], &["ac", "abbc"]),
            ("[ab]*", &["a", "bx"], &["c", ""]),
            ("[!ab]", &["c", "!"], &["a", "b"]),
            ("[a-c1-3]", &["b", "2"], &["d", "4", "-"]),
            ("[]-]", &["]", "-"], &["["]),
            ("[!]]x", &["ax"], &["]x"]),
            ("[a-]", &["a", "-"], &["b"]),
            ("[", &["["], &["a"]),
            ("a[", &["a["], &["a"]),
            ("[!]", &["[!]"], &["a"]),
            ("**", &["abc"], &[".a"]),
            ("a*b*c", &["abc", "aXbYc", "abcbc"], &["ab", "acb"]),
        ] {
            let parsed = Pattern::parse(pattern);
            for name in matching {
                assert!(parsed.matches(name) || name.is_empty(), "{pattern} {name}");
            }
            for name in other.iter().filter(|name| !name.is_empty()) {
                assert!(!parsed.matches(name), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn a_hostile_name_costs_no_more_than_its_length_times_the_patterns() {
        let parsed = Pattern::parse("*a*a*a*a*a*a*a*a*a*a*b");
        assert!(!parsed.matches(&"a".repeat(10_000)));
    }

    #[test]
    fn a_plain_path_is_no_pattern() {
        assert_eq!(Glob::parse(Path::new("/var/log/auth.log")), None);
        assert!(Glob::parse(Path::new("/var/*/auth.log")).is_some());
    }

    #[test]
    fn an_expansion_names_the_files_and_where_more_may_come() {
        let root = tempfile::tempdir().expect("a directory");
        let at = |name: &str| root.path().join(name);
        for dir in ["a", "b", "c/deep", ".hidden"] {
            std::fs::create_dir_all(at(dir)).expect("a directory");
        }
        for file in ["a/x.log", "a/y.log", "a/y.txt", "c/x.log", ".hidden/x.log"] {
            std::fs::write(at(file), "").expect("a file");
        }
        let glob = Glob::parse(&at("*/[xy].log")).expect("a pattern");
        let mut found = glob.expand();
        found.directories.sort();
        assert_eq!(found.files, [at("a/x.log"), at("a/y.log"), at("c/x.log")]);
        let part = found.directories[0].1;
        assert_eq!(
            found.directories,
            [
                (root.path().to_owned(), part),
                (at("a"), part + 1),
                (at("b"), part + 1),
                (at("c"), part + 1)
            ]
        );
        assert!(glob.fits(part + 1, OsStr::new("y.log")) && glob.is_last(part + 1));
        assert!(!glob.fits(part + 1, OsStr::new("z.log")) && !glob.is_last(part));

        let missing = Glob::parse(&at("none/yet/*.log"))
            .expect("a pattern")
            .expand();
        assert!(missing.files.is_empty());
        assert_eq!(missing.directories.len(), 1);
        assert_eq!(missing.directories[0].0, root.path());
    }
}
