//! Where configuration files are: a disk, or a map in memory for tests.
//!
//! The one corner of `config` that does IO; everything else is told what a file holds.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// A tree of files. An implementor caches nothing: each load asks anew.
pub trait Tree {
    /// The bytes of a file.
    ///
    /// # Errors
    /// Those of the system; [`io::ErrorKind::NotFound`] where there is none.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Whether there is a file or folder; a link to nothing is none.
    fn exists(&self, path: &Path) -> bool;

    /// The names in a folder in the system's order; empty where there is no such folder.
    fn list(&self, folder: &Path) -> Vec<OsString>;
}

/// The machine's own files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Tree for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn list(&self, folder: &Path) -> Vec<OsString> {
        std::fs::read_dir(folder).map_or_else(
            |_| Vec::new(),
            |entries| entries.flatten().map(|e| e.file_name()).collect(),
        )
    }
}

/// Files in memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Memory {
    pub fn with(mut self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), content.into());
        self
    }
}

impl Tree for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.keys().any(|file| file.starts_with(path))
    }

    fn list(&self, folder: &Path) -> Vec<OsString> {
        let mut names: Vec<OsString> = self
            .files
            .keys()
            .filter_map(|file| file.strip_prefix(folder).ok()?.iter().next())
            .map(Into::into)
            .collect();
        names.dedup();
        names
    }
}
