//! Which journal files to read: fail2ban's options of `backend = systemd[…]` (§ 9.4), as
//! directories to look in and names to look for.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::glob::Glob;

/// Where journald keeps what survives a boot, and what does not.
const PERSISTENT: &str = "/var/log/journal";
const VOLATILE: &str = "/run/log/journal";
const MACHINE_ID: &str = "/etc/machine-id";

/// Bits of `journalflags`, systemd's `SD_JOURNAL_…`.
const LOCAL_ONLY: u32 = 1;
const RUNTIME_ONLY: u32 = 1 << 1;
const SYSTEM_ONLY: u32 = 1 << 2;
const CURRENT_USER: u32 = 1 << 3;
const INCLUDE_DEFAULT_NAMESPACE: u32 = 1 << 5;
const ALL_NAMESPACES: u32 = 1 << 6;

/// A journal, as an operator names it; jails that name the same one share a reader.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalPlace {
    pub origin: Origin,
    /// `journalflags`; without it, this machine's journals are read as if it were 4, and what was
    /// named is read whatever it is.
    pub flags: Option<u32>,
    /// Read archived files, too; without it only for what was written since we were there last.
    pub rotated: bool,
}

/// Fail2ban's ways to say where; `journalflags` choose among what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// What the system writes, not its users: who may call a program as he likes and let it say
    /// what he likes must not decide who is banned.
    #[default]
    System,
    /// `namespace`: a name; `*` is all of them, `+name` that one and the system's.
    Namespace(String),
    /// `journalpath`: a directory and those in it.
    Directory(PathBuf),
    /// `journalfiles`: files, and patterns as Python's `glob.glob` reads them.
    Files(Vec<PathBuf>),
}

/// What there is at a moment.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) files: BTreeSet<PathBuf>,
    /// Archived ones that are not wanted for themselves: they may hold what was written to a live
    /// one since we looked last.
    pub(super) archived: BTreeSet<PathBuf>,
    /// Directories in which others may come.
    pub(super) folders: BTreeSet<PathBuf>,
}

impl JournalPlace {
    /// Reads the options of `systemd[name=value, …]` (fail2ban § 9.4).
    ///
    /// # Errors
    /// What is wrong with them, for the operator.
    pub fn with_options(options: &[(String, String)]) -> Result<Self, String> {
        let mut place = Self::default();
        for (name, value) in options {
            let origin = match name.as_str() {
                "rotated" => {
                    place.rotated =
                        matches!(value.to_lowercase().as_str(), "on" | "yes" | "true" | "1");
                    continue;
                }
                "journalpath" => Origin::Directory(PathBuf::from(value)),
                "journalfiles" => {
                    let words = value.split(|c: char| c == ',' || c.is_whitespace());
                    let files = words.filter(|word| !word.is_empty());
                    Origin::Files(files.map(PathBuf::from).collect())
                }
                "journalflags" => {
                    place.flags = Some(value.parse().map_err(|_| {
                        format!("expected a number of journalflags, found '{value}'")
                    })?);
                    continue;
                }
                "namespace" => Origin::Namespace(value.clone()),
                other => {
                    return Err(format!(
                        "backend = systemd has no option '{other}'; it has journalpath, \
                         journalfiles, journalflags, namespace and rotated"
                    ));
                }
            };
            if place.origin != Origin::System {
                return Err(
                    "backend = systemd takes one of journalpath, journalfiles and namespace"
                        .to_owned(),
                );
            }
            place.origin = origin;
        }
        Ok(place)
    }

    /// Whether it is what this machine's journald writes.
    pub(super) const fn is_this_machines(&self) -> bool {
        matches!(self.origin, Origin::System | Origin::Namespace(_))
    }

    /// Looks for the files as they are now.
    pub(super) fn look(&self) -> Found {
        let mut found = Found::default();
        let has = |flag| self.flags.is_some_and(|flags| flags & flag != 0);
        match &self.origin {
            Origin::System | Origin::Namespace(_) => {
                let id = machine_id();
                let local = has(LOCAL_ONLY).then_some(&*id);
                let roots = match has(RUNTIME_ONLY) {
                    true => &[VOLATILE][..],
                    false => &[PERSISTENT, VOLATILE],
                };
                for root in roots {
                    self.look_below(Path::new(root), &mut found, |folder| {
                        self.wants(folder, local)
                    });
                }
                keep(self.flags.unwrap_or(SYSTEM_ONLY), &mut found);
            }
            Origin::Directory(folder) => {
                self.look_below(folder, &mut found, |_| true);
                keep(self.flags.unwrap_or_default(), &mut found);
            }
            Origin::Files(paths) => self.look_for(paths, &mut found),
        }
        found
    }

    /// Whether a folder (`ID`, or `ID.namespace`) is of the machine, if that is asked, and of the
    /// namespaces wanted.
    fn wants(&self, folder: &str, local: Option<&str>) -> bool {
        let (id, namespace) = split(folder);
        let has = |flag| self.flags.is_some_and(|flags| flags & flag != 0);
        let named = match &self.origin {
            Origin::Namespace(name) => Some(name.as_str()),
            _ => None,
        };
        let all = named == Some("*") || has(ALL_NAMESPACES);
        let also = named.and_then(|name| name.strip_prefix('+'));
        local.is_none_or(|local| local == id)
            && match namespace {
                // `remote` is no machine's, and systemd reads it beside any namespace.
                None => {
                    named.is_none()
                        || all
                        || also.is_some()
                        || has(INCLUDE_DEFAULT_NAMESPACE)
                        || !is_machine(id)
                }
                Some(namespace) => all || also.or(named) == Some(namespace),
            }
    }

    /// A folder's files, and those of the folders in it that are wanted.
    fn look_below(&self, root: &Path, found: &mut Found, wanted: impl Fn(&str) -> bool) {
        found.folders.insert(nearest(root));
        for path in self.list(root, found) {
            let name = path.file_name().and_then(|name| name.to_str());
            if name.is_some_and(&wanted) && path.is_dir() {
                found.folders.insert(path.clone());
                self.list(&path, found);
            }
        }
    }

    /// Adds a folder's journal files; gives what else is in it.
    fn list(&self, folder: &Path, found: &mut Found) -> Vec<PathBuf> {
        let mut others = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match kind(&path) {
                None => others.push(path),
                Some(Kind::Archived) if !self.rotated => {
                    found.archived.insert(path);
                }
                Some(_) => {
                    found.files.insert(path);
                }
            }
        }
        others
    }

    fn look_for(&self, paths: &[PathBuf], found: &mut Found) {
        for path in paths {
            let folder = path.parent().unwrap_or(Path::new("/"));
            let Some(glob) = Glob::parse(path) else {
                found.folders.insert(nearest(folder));
                if path.exists() {
                    found.files.insert(path.clone());
                }
                continue;
            };
            let expanded = glob.expand();
            let folders = expanded.directories.into_iter().map(|(folder, _)| folder);
            found.folders.extend(folders);
            found.files.extend(expanded.files);
        }
    }
}

/// A journal's file, as its name says.
enum Kind {
    Live,
    Archived,
}

fn kind(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_str()?;
    if name.ends_with(".journal~") {
        return Some(Kind::Archived);
    }
    let stem = name.strip_suffix(".journal")?;
    Some(match stem.contains('@') {
        true => Kind::Archived,
        false => Kind::Live,
    })
}

/// As the operator would name it.
impl fmt::Display for JournalPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::System => f.write_str("the systemd journal"),
            Origin::Namespace(name) => write!(f, "the systemd journal of namespace {name}"),
            Origin::Directory(folder) => write!(f, "the journal in {}", folder.display()),
            Origin::Files(paths) => {
                let paths: Vec<_> = paths
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect();
                write!(f, "the journal files {}", paths.join(", "))
            }
        }
    }
}

/// Keeps what is of the kinds the flags want.
fn keep(flags: u32, found: &mut Found) {
    found.files.retain(|file| fits(flags, file));
    found.archived.retain(|file| fits(flags, file));
}

/// Whether a file is of the kinds the flags want; without such a flag all are.
fn fits(flags: u32, file: &Path) -> bool {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let is = |stem: &str| {
        name.strip_prefix(stem)
            .is_some_and(|rest| rest.starts_with(['.', '@']))
    };
    let user = || is(&format!("user-{}", nix::unistd::Uid::effective()));
    flags & (SYSTEM_ONLY | CURRENT_USER) == 0
        || (flags & SYSTEM_ONLY != 0 && is("system"))
        || (flags & CURRENT_USER != 0 && user())
}

/// A folder's name as a machine's ID and a namespace, which is somebody's who asks for it.
fn split(folder: &str) -> (&str, Option<&str>) {
    match folder.split_once('.') {
        Some((id, namespace)) if is_machine(id) => (id, Some(namespace)),
        _ => (folder, None),
    }
}

/// Whether a folder is named by a machine's ID.
fn is_machine(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn machine_id() -> String {
    let text = fs::read_to_string(MACHINE_ID).unwrap_or_default();
    text.trim().to_owned()
}

/// A folder, or the nearest above it that is there.
fn nearest(folder: &Path) -> PathBuf {
    let there = folder.ancestors().find(|folder| folder.is_dir());
    there.unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for path in paths {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, "").expect("a file");
        }
        root
    }

    fn found(place: &JournalPlace, root: &Path) -> Vec<String> {
        let relative = |path: &PathBuf| path.strip_prefix(root).ok()?.to_str().map(str::to_owned);
        place.look().files.iter().filter_map(relative).collect()
    }

    const FILES: [&str; 6] = [
        "id/system.journal",
        "id/system@1-2-3.journal",
        "id/system@1.journal~",
        "id/user-1000.journal",
        "loose.journal",
        "id/notes.txt",
    ];

    #[test]
    fn a_directory_gives_its_live_files_and_with_rotated_all() {
        let root = tree(&FILES);
        let mut place = JournalPlace {
            origin: Origin::Directory(root.path().to_owned()),
            ..JournalPlace::default()
        };
        assert_eq!(
            found(&place, root.path()),
            ["id/system.journal", "id/user-1000.journal", "loose.journal"]
        );
        assert_eq!(place.look().archived.len(), 2);
        place.rotated = true;
        assert_eq!(found(&place, root.path()).len(), 5);
        assert!(place.look().archived.is_empty());
    }

    #[test]
    fn files_are_patterns_and_may_be_archived_ones() {
        let root = tree(&FILES);
        let place = JournalPlace {
            origin: Origin::Files(vec![
                root.path().join("id/system*.journal"),
                root.path().join("loose.journal"),
                root.path().join("later/none.journal"),
            ]),
            ..JournalPlace::default()
        };
        assert_eq!(
            found(&place, root.path()),
            [
                "id/system.journal",
                "id/system@1-2-3.journal",
                "loose.journal"
            ]
        );
        assert!(
            place.look().folders.contains(root.path()),
            "what may come later"
        );
    }

    #[test]
    fn flags_choose_the_system_s_or_a_user_s() {
        let user = format!("/j/user-{}.journal", nix::unistd::Uid::effective());
        for (flags, system, own, other) in [
            (0, true, true, true),
            (LOCAL_ONLY, true, true, true),
            (SYSTEM_ONLY, true, false, false),
            (CURRENT_USER, false, true, false),
            (SYSTEM_ONLY | CURRENT_USER, true, true, false),
        ] {
            assert_eq!(
                fits(flags, Path::new("/j/system.journal")),
                system,
                "{flags}"
            );
            assert_eq!(
                fits(flags, Path::new("/j/system@1-2.journal")),
                system,
                "{flags}"
            );
            assert_eq!(fits(flags, Path::new(&user)), own, "{flags}");
            assert_eq!(
                fits(flags, Path::new("/j/user-4711.journal")),
                other,
                "{flags}"
            );
        }
    }

    #[test]
    fn namespaces_are_folders_with_a_name_behind_the_machine_s() {
        const ID: &str = "0639b7ad9b2e4a8c8f6b7a4f5f3a2b1c";
        const OTHER: &str = "1639b7ad9b2e4a8c8f6b7a4f5f3a2b1c";
        let all = [
            ID.to_owned(),
            format!("{ID}.web"),
            format!("{ID}.db"),
            OTHER.to_owned(),
            format!("{OTHER}.web"),
            "remote".to_owned(),
        ];
        for (wanted, flags, local, folders) in [
            (None, 0, false, &[0, 3, 5][..]),
            (None, 0, true, &[0]),
            (None, ALL_NAMESPACES, true, &[0, 1, 2]),
            (Some("web"), 0, true, &[1]),
            (Some("web"), SYSTEM_ONLY, true, &[1]),
            (Some("web"), INCLUDE_DEFAULT_NAMESPACE, true, &[0, 1]),
            (Some("+web"), 0, true, &[0, 1]),
            (Some("*"), 0, true, &[0, 1, 2]),
            (Some("none"), 0, true, &[]),
            (Some("web"), 0, false, &[1, 4, 5]),
        ] {
            let origin = wanted.map_or(Origin::System, |name| Origin::Namespace(name.into()));
            let place = JournalPlace {
                origin,
                flags: Some(flags),
                rotated: false,
            };
            let local = local.then_some(ID);
            let wants = |at: &usize| place.wants(&all[*at], local);
            let named: Vec<_> = (0..all.len()).filter(wants).collect();
            assert_eq!(named, folders, "{wanted:?} {flags}");
        }
    }
}
