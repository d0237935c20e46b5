//! Where mails wait: a folder with a file for each, or memory where there is no folder.
//!
//! A file is written beside its place, synced and renamed, so that it is there whole or not at all,
//! whatever ends the process. Only root reads them. A second process keeps out.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::fcntl::{Flock, FlockArg};

/// What a file becomes that cannot be read, for somebody to look at.
const BAD: &str = "bad";
const NEW: &str = "new";

/// Mails that wait, by name.
pub(super) enum Spool {
    Folder {
        folder: PathBuf,
        /// Held as long as we are.
        _lock: Flock<File>,
    },
    Memory(Mutex<HashMap<String, Vec<u8>>>),
}

impl Spool {
    /// Opens a folder, made where it is not.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let lock = Flock::lock(File::open(folder)?, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, _)| io::Error::other("another process sends the mails in it"))?;
        let spool = Self::Folder {
            folder: folder.to_owned(),
            _lock: lock,
        };
        for name in spool.names()? {
            if name.ends_with(&format!(".{NEW}")) {
                spool.remove(&name);
            }
        }
        Ok(spool)
    }

    pub(super) fn memory() -> Self {
        Self::Memory(Mutex::default())
    }

    pub(super) const fn is_memory(&self) -> bool {
        matches!(self, Self::Memory(_))
    }

    /// Every name, oldest first.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = match self {
            Self::Folder { folder, .. } => fs::read_dir(folder)?
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect(),
            Self::Memory(files) => lock(files).keys().cloned().collect(),
        };
        names.sort();
        Ok(names)
    }

    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        match self {
            Self::Folder { folder, .. } => fs::read(folder.join(name)),
            Self::Memory(files) => {
                let files = lock(files);
                let bytes = files.get(name).ok_or(io::ErrorKind::NotFound)?;
                Ok(bytes.clone())
            }
        }
    }

    /// Writes a file anew, all of it or nothing.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Folder { folder, .. } => {
                let beside = folder.join(format!("{name}.{NEW}"));
                let written = write(&beside, bytes)
                    .and_then(|()| fs::rename(&beside, folder.join(name)))
                    .and_then(|()| File::open(folder)?.sync_all());
                written.inspect_err(|_| {
                    // Half a file is of use to nobody; the error that made it so is what counts.
                    let _ = fs::remove_file(&beside);
                })
            }
            Self::Memory(files) => {
                lock(files).insert(name.to_owned(), bytes.to_vec());
                Ok(())
            }
        }
    }

    /// Adds to a file's end, in one write.
    pub(super) fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Folder { folder, .. } => OpenOptions::new()
                .append(true)
                .open(folder.join(name))?
                .write_all(bytes),
            Self::Memory(files) => {
                let mut files = lock(files);
                let file = files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
                file.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    pub(super) fn remove(&self, name: &str) {
        match self {
            Self::Folder { folder, .. } => {
                // One that is gone is as it should be.
                let _ = fs::remove_file(folder.join(name));
            }
            Self::Memory(files) => {
                lock(files).remove(name);
            }
        }
    }

    /// Puts a file that cannot be read out of the way.
    pub(super) fn set_aside(&self, name: &str) {
        if let Self::Folder { folder, .. } = self {
            let _ = fs::rename(folder.join(name), folder.join(format!("{name}.{BAD}")));
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A moment as its microseconds, in a file.
pub(super) mod micros {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::Time;

    pub(in crate::mail) fn serialize<S: Serializer>(
        time: &Time,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.micros().serialize(serializer)
    }

    pub(in crate::mail) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Time, D::Error> {
        Ok(Time::from_micros(i64::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_whole_private_and_one_processs_alone() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("mail");
        let spool = Spool::open(&place).unwrap();
        spool.put("1", b"one\n").unwrap();
        spool.append("1", b"two\n").unwrap();
        assert_eq!(spool.read("1").unwrap(), b"one\ntwo\n");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&place), mode(&place.join("1"))), (0o700, 0o600));
        assert!(Spool::open(&place).is_err(), "it is ours");
        drop(spool);
        fs::write(place.join("2.new"), "half").unwrap();
        let spool = Spool::open(&place).unwrap();
        assert_eq!(spool.names().unwrap(), ["1"], "half a mail is none");
    }
}
