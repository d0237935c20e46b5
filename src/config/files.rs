//! Which files make up a configuration such as `jail` or `filter.d/sshd`, in reading order.
//!
//! For a base name N these are `N.conf`, sorted `N.d/*.conf`, `N.local`, sorted `N.d/*.local`;
//! each preceded by what its `[INCLUDES] before` names and followed by what `after` names, and an
//! included `X.conf` by its `X.local` (fail2ban § 1.2).
//!
//! The vendor tree lies underneath the configuration directory, file by file: every name is looked
//! up there first and in the vendor tree second. So an own `filter.d/X.conf` hides the vendor's,
//! an own `X.local` alone lies over it, and an include finds its file on either side.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::complaint::Complaint;
use super::ini::{self, Fault, Ini};
use super::interpolate::{Names, interpolate};
use super::tree::Tree;
use super::values::strip;
use crate::model::Origin;

/// One file, read.
#[derive(Debug)]
pub(super) struct Source {
    pub path: PathBuf,
    pub ini: Ini,
}

impl Source {
    pub(super) fn origin(&self, line: u32) -> Origin {
        Origin::File(self.path.clone(), line)
    }

    pub(super) fn complaints(&self) -> impl Iterator<Item = Complaint> {
        self.ini.faults.iter().map(|fault| {
            Complaint::error(fault.problem.clone(), fault.advice.clone())
                .at(Some(self.origin(fault.line)))
        })
    }
}

/// The files of one base name.
#[derive(Debug, Default)]
pub(super) struct FileSet {
    /// Lowest first. A file that several include is there several times, as in fail2ban.
    pub files: Vec<Rc<Source>>,
    /// What is wrong with the includes; the files carry their own faults.
    pub complaints: Vec<Complaint>,
}

/// The configuration directory with the vendor tree underneath; each file is read once.
pub(super) struct Library<'t> {
    tree: &'t dyn Tree,
    dir: PathBuf,
    vendor: Option<PathBuf>,
    read: RefCell<HashMap<PathBuf, Option<Rc<Source>>>>,
}

/// An include deeper than this, or more files than this in one set, is a mistake.
const MOST_FILES: usize = 500;

impl<'t> Library<'t> {
    pub(super) fn new(tree: &'t dyn Tree, dir: &Path, vendor: Option<&Path>) -> Self {
        Self {
            tree,
            dir: normal(dir),
            vendor: vendor.map(normal),
            read: RefCell::default(),
        }
    }

    /// The configuration directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The configuration directory, then the vendor tree.
    pub(super) fn roots(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.dir.as_path()).chain(self.vendor.as_deref())
    }

    /// Reads the files of a base name such as `jail`; none is an empty set.
    pub(super) fn set(&self, base: &str) -> FileSet {
        // `./X` is relative to where the program was started, as in fail2ban.
        let from_here = base.starts_with("./");
        let mut set = FileSet::default();
        for ending in [".conf", ".local"] {
            let mut names = vec![format!("{base}{ending}")];
            if !from_here {
                names.extend(self.folder(base, ending));
            }
            for name in names {
                let asked = if from_here {
                    PathBuf::from(name)
                } else {
                    self.dir.join(name)
                };
                if let Some(path) = self.locate(&asked) {
                    self.expand(&path, &mut Vec::new(), &mut set);
                }
            }
        }
        set
    }

    /// One file that may lie anywhere, with what it includes.
    pub(super) fn file(&self, path: &Path) -> FileSet {
        let mut set = FileSet::default();
        self.expand(path, &mut Vec::new(), &mut set);
        set
    }

    /// The path a name in the configuration directory leads to: the directory's own file, else the
    /// vendor's.
    pub(super) fn locate(&self, path: &Path) -> Option<PathBuf> {
        let inside = self.roots().find_map(|root| path.strip_prefix(root).ok());
        match inside {
            Some(inside) => self
                .roots()
                .map(|root| root.join(inside))
                .find(|path| self.tree.exists(path)),
            None => self.tree.exists(path).then(|| path.to_owned()),
        }
    }

    /// The names in a folder of either tree that end in `ending`, without it, in the order of the
    /// whole names: `a-b.conf` comes before `a.conf`.
    pub(super) fn names(&self, folder: &str, ending: &str) -> Vec<String> {
        let mut names: Vec<String> = self
            .roots()
            .flat_map(|root| self.tree.list(&root.join(folder)))
            .filter_map(|name| name.into_string().ok())
            .filter(|name| name.ends_with(ending) && !name.starts_with('.'))
            .collect();
        names.sort_unstable();
        names.dedup();
        for name in &mut names {
            name.truncate(name.len() - ending.len());
        }
        names
    }

    fn folder(&self, base: &str, ending: &str) -> Vec<String> {
        let folder = format!("{base}.d");
        self.names(&folder, ending)
            .into_iter()
            .map(|name| format!("{folder}/{name}{ending}"))
            .collect()
    }

    fn source(&self, path: &Path) -> Option<Rc<Source>> {
        if let Some(known) = self.read.borrow().get(path) {
            return known.clone();
        }
        let ini = match self.tree.read(path) {
            Ok(bytes) => Some(Ini::from_bytes(&bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => Some(unreadable(&e)),
        };
        let source = ini.map(|ini| {
            Rc::new(Source {
                path: path.to_owned(),
                ini,
            })
        });
        self.read
            .borrow_mut()
            .insert(path.to_owned(), source.clone());
        source
    }

    /// Adds a file between what it includes; `above` are the files that led here.
    fn expand(&self, path: &Path, above: &mut Vec<PathBuf>, set: &mut FileSet) {
        let Some(source) = self.source(path) else {
            return;
        };
        if set.files.len() >= MOST_FILES {
            if set.files.len() == MOST_FILES {
                set.complaints.push(Complaint::error(
                    format!("expected at most {MOST_FILES} files, includes give more"),
                    "remove includes from [INCLUDES]; the rest is not read".into(),
                ));
                set.files.push(source);
            }
            return;
        }
        above.push(path.to_owned());
        self.include(&source, "before", above, set);
        set.files.push(Rc::clone(&source));
        self.include(&source, "after", above, set);
        above.pop();
    }

    fn include(&self, source: &Source, key: &str, above: &mut Vec<PathBuf>, set: &mut FileSet) {
        let Some(option) = source
            .ini
            .section("INCLUDES")
            .and_then(|section| section.option(key))
        else {
            return;
        };
        let here = Some(source.origin(option.line));
        let listed = match interpolate(&OneFile(&source.ini), key, &option.value) {
            Ok(listed) => listed,
            Err(e) => {
                set.complaints
                    .push(Complaint::error(e.problem(), e.advice()).at(here));
                return;
            }
        };
        let folder = source.path.parent().unwrap_or(Path::new(""));
        for name in listed
            .split('\n')
            .map(strip)
            .filter(|name| !name.is_empty())
        {
            let asked = normal(&folder.join(name));
            let local = asked.with_extension("local");
            for path in [Some(&asked), (local != asked).then_some(&local)] {
                let Some(path) = path.and_then(|path| self.locate(path)) else {
                    continue;
                };
                // fail2ban looks at the files above this one only, so a file that includes itself
                // is read twice; `known/` can tell.
                if above[..above.len() - 1].contains(&path) {
                    set.complaints.push(
                        Complaint::warning(
                            format!("expected includes without a circle, '{name}' leads back here"),
                            "remove it; it is not read again".into(),
                        )
                        .at(here.clone()),
                    );
                } else {
                    self.expand(&path, above, set);
                }
            }
        }
    }
}

fn unreadable(error: &io::Error) -> Ini {
    Ini {
        sections: Vec::new(),
        faults: vec![Fault {
            line: 1,
            section: None,
            problem: format!("expected a readable file: {error}"),
            advice: "check its owner and mode; all of it is ignored until then".into(),
        }],
    }
}

/// A path without `.` and `..`, so that a circle is seen as one.
fn normal(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if clean.file_name().is_some_and(|name| name != "..") => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

/// The names an include may use: those of its own file.
struct OneFile<'a>(&'a Ini);

impl Names for OneFile<'_> {
    fn raw(&self, name: &str) -> Option<&str> {
        let (section, option) = match name.split_once('/') {
            Some((section, option)) => (section, option),
            None => ("INCLUDES", name),
        };
        [section, ini::DEFAULT]
            .iter()
            .find_map(|section| self.0.section(section)?.option(option))
            .map(|option| option.value.as_str())
    }
}
