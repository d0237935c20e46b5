//! The log file: found by its name before every batch, so that whoever moves or deletes it gets a
//! new one without telling us.
//!
//! A file moved away is written until another bears its name, or for [`GRACE`]: logrotate moves
//! first and creates then, and takes offence at a file made in between. A deleted one is replaced
//! at once. Between the look at the name and the write a rotation can slip in; that batch goes to
//! the file just moved away, and is written again if that one is deleted by then. Who needs the
//! old file closed asks with `flushlogs` or `set logtarget`, as logrotate's stanza does.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::libc;

use crate::model::{Span, Time};

use super::batch::Batch;

/// What fail2ban's umask of 077 leaves of a new log file.
const FILE_MODE: u32 = 0o600;

/// A new directory for logs; its group may look, as in Debian's `/var/log`.
const DIRECTORY_MODE: u32 = 0o750;

/// How long a file that was moved away is written while nothing else bears its name: logrotate
/// needs microseconds, unless it has to wait for a busy processor in between.
const GRACE: Span = Span::from_micros(250_000);

/// A file that is deleted again and again while we write to it is somebody's doing; give up the
/// batch's second life after so many.
const DELETIONS: usize = 3;

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    /// Open, with who it is; `None` after it could not be opened.
    open: Option<(File, Identity)>,
    /// When the name was first found leading nowhere.
    nameless_since: Option<Time>,
}

/// Device and inode.
type Identity = (u64, u64);

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            open: Some(open(path, None)?),
            nameless_since: None,
        })
    }

    pub(super) fn reopen(&mut self) -> io::Result<()> {
        let before = self.open.take();
        let like = before.and_then(|(file, _)| file.metadata().ok());
        self.open = Some(open(&self.path, like.as_ref())?);
        self.nameless_since = None;
        Ok(())
    }

    pub(super) fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        for _ in 0..DELETIONS {
            if !self.is_ours(batch.time()) {
                batch.restart_line();
                self.reopen()?;
            }
            let Some((file, _)) = &mut self.open else {
                return Err(io::ErrorKind::NotFound.into());
            };
            let start = batch.mark();
            while !batch.is_done() {
                match file.write(batch.rest()) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(count) => batch.advance(count),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            if file.metadata().map_or(true, |now| now.nlink() > 0) {
                return Ok(());
            }
            batch.back_to(start);
        }
        Ok(())
    }

    /// Whether the open file is still the one to write to, at the time of the lines.
    fn is_ours(&mut self, now: Time) -> bool {
        let Some((file, open)) = &self.open else {
            return false;
        };
        match std::fs::metadata(&self.path) {
            Ok(found) => {
                self.nameless_since = None;
                identity(&found) == *open
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let since = *self.nameless_since.get_or_insert(now);
                let in_grace = (since..since + GRACE).contains(&now);
                in_grace && file.metadata().is_ok_and(|file| file.nlink() > 0)
            }
            // Unreachable is not gone: the file stays until another can be seen.
            Err(_) => true,
        }
    }
}

/// Opens the file for appending; makes it, with `like`'s mode and owner, and its directory where
/// they are missing.
fn open(path: &Path, like: Option<&Metadata>) -> io::Result<(File, Identity)> {
    let mut options = OpenOptions::new();
    // O_NONBLOCK: a named pipe without a reader is an error, not a wait for ever.
    options
        .append(true)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK);
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path, &mut options, like)?,
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok((file, identity(&metadata)))
}

fn create(path: &Path, options: &mut OpenOptions, like: Option<&Metadata>) -> io::Result<File> {
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(parent)?;
    }
    let file = options.create(true).mode(FILE_MODE).open(path)?;
    if let Some(like) = like {
        // The rotated file's readers shall read the new one; without the right to say so, ours do.
        let _ = fchown(&file, Some(like.uid()), Some(like.gid()));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(like.mode() & 0o777);
        let _ = file.set_permissions(mode);
    }
    Ok(file)
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}
