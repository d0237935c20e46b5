//! The PID file: written at start, removed at exit, by whoever still owns it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A PID file that goes away with its owner.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes this process's number. A file left by a process that died is overwritten; whether
    /// another server runs is decided by the socket, as in fail2ban.
    ///
    /// # Errors
    /// When the folder or file cannot be written.
    pub(super) fn write(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, format!("{}\n", std::process::id()))?;
        Ok(Self {
            path: path.to_owned(),
        })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let ours = format!("{}\n", std::process::id());
        if fs::read_to_string(&self.path).is_ok_and(|text| text == ours) {
            // Gone already, or a folder gone read-only: nothing is left to do about it at exit.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_file_is_overwritten_and_ours_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/rban.pid");
        fs::create_dir(folder.path().join("new")).unwrap();
        fs::write(&path, "999999\n").unwrap();
        let file = PidFile::write(&path).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            format!("{}\n", std::process::id())
        );
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_successors_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rban.pid");
        let file = PidFile::write(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(file);
        assert!(path.exists());
    }
}
