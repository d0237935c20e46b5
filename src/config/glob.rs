//! Python's `glob.glob`, as `logpath` uses it: `*`, `?`, `[…]`; no `**`; names that begin with a
//! point only where the pattern says so; the system's order.

use std::path::Path;

use super::tree::Tree;

/// The paths a pattern stands for; a plain path stands for itself where it exists.
pub(super) fn paths(tree: &dyn Tree, pattern: &str) -> Vec<String> {
    if !is_pattern(pattern) {
        let there = !pattern.is_empty() && tree.exists(Path::new(pattern));
        return if there {
            vec![pattern.to_owned()]
        } else {
            Vec::new()
        };
    }
    let (folder, name) = match pattern.rsplit_once('/') {
        Some((folder, name)) => (&pattern[..=folder.len()], name),
        None => ("", pattern),
    };
    let bare = folder.trim_end_matches('/');
    let folders = if is_pattern(bare) {
        let mut folders = paths(tree, bare);
        for folder in &mut folders {
            folder.push('/');
        }
        folders
    } else {
        vec![folder.to_owned()]
    };
    let mut found = Vec::new();
    for folder in folders {
        if is_pattern(name) {
            let names = tree.list(Path::new(if folder.is_empty() { "." } else { &folder }));
            let names = names.iter().filter_map(|name| name.to_str());
            let hidden = name.starts_with('.');
            found.extend(
                names
                    .filter(|entry| (hidden || !entry.starts_with('.')) && matches(name, entry))
                    .map(|entry| format!("{folder}{entry}")),
            );
        } else if tree.exists(Path::new(&format!("{folder}{name}"))) {
            found.push(format!("{folder}{name}"));
        }
    }
    found
}

/// The files of this machine that a `logpath` stands for; a plain path stands for itself.
pub fn log_files(pattern: &str) -> Vec<String> {
    if is_pattern(pattern) {
        paths(&super::tree::Disk, pattern)
    } else {
        vec![pattern.to_owned()]
    }
}

/// Whether there is anything but plain characters in it.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Python's `fnmatch` for one name: linear in `name` for each `*`, never exponential.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<Piece> = pieces(pattern);
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(Piece::Any) => {
                retry = Some((p + 1, n));
                p += 1;
            }
            Some(Piece::One(one)) if one.accepts(name[n]) => {
                p += 1;
                n += 1;
            }
            _ => match &mut retry {
                Some((after, from)) => {
                    *from += 1;
                    (p, n) = (*after, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|piece| matches!(piece, Piece::Any))
}

enum Piece {
    Any,
    One(One),
}

enum One {
    All,
    Char(char),
    Class {
        not: bool,
        ranges: Vec<(char, char)>,
    },
}

impl One {
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::All => true,
            Self::Char(own) => *own == c,
            Self::Class { not, ranges } => {
                ranges
                    .iter()
                    .any(|&(first, last)| (first..=last).contains(&c))
                    != *not
            }
        }
    }
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        found.push(match c {
            '*' => Piece::Any,
            '?' => Piece::One(One::All),
            '[' => match class(&chars[at..]) {
                Some((one, length)) => {
                    at += length;
                    Piece::One(one)
                }
                None => Piece::One(One::Char('[')),
            },
            c => Piece::One(One::Char(c)),
        });
    }
    found
}

/// What stands after a `[`, and its length with the closing `]`; an unclosed one is plain text.
fn class(chars: &[char]) -> Option<(One, usize)> {
    let not = chars.first() == Some(&'!');
    let start = usize::from(not);
    // A `]` right at the start is a member.
    let end = start + 1 + chars.get(start + 1..)?.iter().position(|&c| c == ']')?;
    let members = &chars[start..end];
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(&first) = members.get(at) {
        match members.get(at + 1..at + 3) {
            Some(['-', last]) => {
                ranges.push((first, *last));
                at += 3;
            }
            _ => {
                ranges.push((first, first));
                at += 1;
            }
        }
    }
    Some((One::Class { not, ranges }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::super::tree::Memory;
    use super::*;

    #[test]
    fn names_match_as_in_python() {
        for (pattern, name) in [
            ("*error.log", "a-error.log"),
            ("*", ""),
            ("a?c", "abc"),
            ("[a-c]x[!0-9]", "bxy"),
            ("[]]", "]"),
            ("[!]]", "a"),
            ("a[", "a["),
            ("*a*b*c", "xaxbxc"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.log", "a.logs"), ("a?c", "ac"), ("[!a]", "a"), ("", "a")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let name = "a".repeat(5000);
        assert!(!matches(&format!("{}b", "*a".repeat(50)), &name));
    }

    #[test]
    fn patterns_stand_for_existing_files() {
        let tree = Memory::default()
            .with("/log/a/error.log", "")
            .with("/log/b/error.log", "")
            .with("/log/b/access.log", "")
            .with("/log/.hidden/error.log", "");
        assert_eq!(paths(&tree, "/log/a/error.log"), ["/log/a/error.log"]);
        assert_eq!(paths(&tree, "/log/c/error.log"), Vec::<String>::new());
        assert_eq!(
            paths(&tree, "/log/*/error.log"),
            ["/log/a/error.log", "/log/b/error.log"]
        );
        assert_eq!(
            paths(&tree, "/log/b/*.log"),
            ["/log/b/access.log", "/log/b/error.log"]
        );
        assert_eq!(paths(&tree, "/log/.h*/*"), ["/log/.hidden/error.log"]);
        assert_eq!(paths(&tree, ""), Vec::<String>::new());
    }
}
