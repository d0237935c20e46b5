//! The real file system behind [`Files`] and [`Content`].

use std::cmp::Reverse;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::unistd::{Whence, lseek};

use super::SourceError;
use super::follow::Files;
use super::reader::{Content, Identity, Stat};
use super::versions::is_version;

/// Paths as the kernel resolves them, and how many files are open.
#[derive(Debug)]
pub(super) struct Disk {
    open: Arc<AtomicUsize>,
    /// More than this are refused: a pattern that matches ten thousand files must not leave the
    /// daemon without descriptors for its socket, its scripts and its database.
    most: usize,
}

/// An open log.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    identity: Identity,
    /// Counts this one, too.
    open: Arc<AtomicUsize>,
}

/// Descriptors left to the rest of the daemon, where the limit is not too small for that.
const SPARED: usize = 128;

/// The usual soft limit, where the kernel does not tell ours.
const DESCRIPTORS: usize = 1024;

/// File systems whose changes are made elsewhere too, where inotify does not see them; numbers
/// from `<linux/magic.h>` and the file systems' own sources.
const SHARED: &[(i64, &str)] = &[
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x6573_5546, "fuse"),
    (0x0102_1997, "9p"),
    (0x5346_414f, "afs"),
    (0x00c3_6400, "ceph"),
    (0x7375_7245, "coda"),
    (0x564c, "ncp"),
    (0x7461_636f, "ocfs2"),
    (0x0116_1970, "gfs2"),
    (0x0bd0_0bd0, "lustre"),
    (0x786f_4256, "vboxsf"),
];

/// Symbolic links followed in one path, as the kernel does.
const LINKS_MAX: usize = 40;

impl Disk {
    pub(super) fn new() -> Self {
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let descriptors = soft_limit(&limits).unwrap_or(DESCRIPTORS);
        Self {
            open: Arc::default(),
            most: descriptors - SPARED.min(descriptors / 2),
        }
    }
}

/// The number of files a process may open, from `/proc/PID/limits`.
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Disk {
    /// How many logs patterns may add: a quarter of the descriptors is left to logs with a name,
    /// and to what was renamed away.
    pub(super) fn for_patterns(&self) -> usize {
        self.most - self.most / 4
    }
}

impl Files for Disk {
    type File = LogFile;

    fn look(&self, path: &Path) -> Result<Option<Identity>, SourceError> {
        match fs::metadata(path) {
            Ok(metadata) => {
                is_a_file(&metadata)?;
                Ok(Some(identity(&metadata)))
            }
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(SourceError::from(&error)),
        }
    }

    fn open(&self, path: &Path) -> Result<Option<LogFile>, SourceError> {
        if self.open.load(Ordering::Relaxed) >= self.most {
            return Err(SourceError::System(Errno::EMFILE as i32));
        }
        // O_NONBLOCK: what became a named pipe since we looked does not hold us up.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let opened = opened.and_then(|file| Ok((file.metadata()?, file)));
        match opened {
            Ok((metadata, file)) => {
                is_a_file(&metadata)?;
                self.open.fetch_add(1, Ordering::Relaxed);
                Ok(Some(LogFile {
                    file,
                    identity: identity(&metadata),
                    open: Arc::clone(&self.open),
                }))
            }
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(SourceError::from(&error)),
        }
    }

    fn again(&self, file: &LogFile) -> Option<LogFile> {
        self.open(&file.own_path()).ok().flatten()
    }

    fn versions(&self, path: &Path) -> Vec<PathBuf> {
        let (Some(folder), Some(log)) = (path.parent(), path.file_name()) else {
            return Vec::new();
        };
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries
            .filter(|entry| is_version(&entry.file_name(), log))
            .filter_map(|entry| Some((entry.metadata().ok()?, entry.path())))
            .filter(|(metadata, _)| metadata.is_file())
            .map(|(metadata, path)| (metadata.mtime(), metadata.mtime_nsec(), Reverse(path)))
            .collect();
        // The kernel's clock ticks a few hundred times a second; of one tick, `.2` is the older.
        found.sort();
        found.into_iter().map(|(.., Reverse(path))| path).collect()
    }
}

impl Content for LogFile {
    fn identity(&self) -> Identity {
        self.identity
    }

    fn stat(&self) -> io::Result<Stat> {
        self.file.metadata().map(|metadata| Stat {
            size: metadata.size(),
            links: metadata.nlink(),
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    fn data_from(&self, offset: u64) -> io::Result<u64> {
        // We read by offset: that this moves the file's own does not matter.
        match lseek(&self.file, offset as i64, Whence::SeekData) {
            Ok(data) => Ok(data.unsigned_abs()),
            // Nothing but a hole up to the end.
            Err(Errno::ENXIO) => self.stat().map(|stat| stat.size),
            // The file system knows no holes.
            Err(_) => Ok(offset),
        }
    }
}

impl LogFile {
    /// A path to this very file, whatever its name leads to by now.
    pub(super) fn own_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// The kind of its file system, if that changes behind inotify's back.
    pub(super) fn is_shared(&self) -> Option<&'static str> {
        let kind = nix::sys::statfs::fstatfs(&self.file)
            .ok()?
            .filesystem_type();
        // The kernel's numbers have 32 bits; some architectures sign them.
        let number = i64::from(kind.0 as u32);
        SHARED
            .iter()
            .find(|(known, _)| *known == number)
            .map(|(_, name)| *name)
    }
}

impl AsFd for LogFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn identity(metadata: &Metadata) -> Identity {
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn is_a_file(metadata: &Metadata) -> Result<(), SourceError> {
    let kind = metadata.file_type();
    Err(SourceError::NotAFile(if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }))
}

/// Every name on which it depends where a path leads: a directory, and the name in it. Symbolic
/// links are followed, to the last component too; the list ends at the first name that is missing.
pub(super) fn places(path: &Path) -> Vec<(PathBuf, OsString)> {
    let mut places = Vec::new();
    let mut at = PathBuf::from("/");
    let mut links = 0;
    let mut rest: Vec<OsString> = names(&std::path::absolute(path).unwrap_or(path.to_owned()));
    while let Some(name) = rest.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        let found = fs::symlink_metadata(&next);
        places.push((at.clone(), name));
        match found {
            Ok(found) if found.is_symlink() => {
                links += 1;
                let Ok(target) = fs::read_link(&next) else {
                    break;
                };
                if links > LINKS_MAX {
                    break;
                }
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                rest.extend(names(&target));
            }
            Ok(_) => at = next,
            Err(_) => break,
        }
    }
    places
}

/// A path's components, the last first.
fn names(path: &Path) -> Vec<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    };
    path.components().rev().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_logs() {
        let disk = Disk::new();
        let dir = tempfile::tempdir().expect("a directory");
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let looping = dir.path().join("loop");
        std::os::unix::fs::symlink(&looping, &looping).expect("a link");
        for (path, sentence) in [
            (dir.path(), "it is a directory, not a log file"),
            (&pipe, "it is a named pipe, not a log file"),
            (Path::new("/dev/null"), "it is a device, not a log file"),
            (&looping, "Too many symbolic links encountered"),
        ] {
            assert_eq!(disk.look(path).expect_err("an error").to_string(), sentence);
            assert_eq!(disk.open(path).expect_err("an error").to_string(), sentence);
        }
        let missing = dir.path().join("none/yet");
        assert_eq!(disk.look(&missing), Ok(None));
        assert!(disk.open(&missing).is_ok_and(|file| file.is_none()));
    }

    #[test]
    fn a_pattern_that_matches_too_much_leaves_descriptors_for_others() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        fs::write(&path, "").expect("a file");
        let disk = Disk {
            open: Arc::default(),
            most: 2,
        };
        let first = disk.open(&path).expect("opened");
        let _second = disk.open(&path).expect("opened");
        let refused = disk.open(&path).expect_err("an error");
        assert_eq!(refused.to_string(), "Too many open files");
        drop(first);
        assert!(disk.open(&path).is_ok());
    }

    #[test]
    fn the_limit_is_the_soft_one() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
            Max core file size        0                    unlimited            bytes\n\
            Max open files            1024                 524288               files\n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(soft_limit(""), None);
        assert!(Disk::new().most >= 64);
    }

    #[test]
    fn places_follow_links_and_end_where_something_is_missing() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path().canonicalize().expect("a path");
        fs::create_dir(root.join("real")).expect("a directory");
        std::os::unix::fs::symlink("real", root.join("dir")).expect("a link");
        std::os::unix::fs::symlink("../none/log", root.join("real/log")).expect("a link");
        let inside: Vec<_> = places(&root.join("dir/log"))
            .into_iter()
            .filter(|(dir, _)| dir.starts_with(&root))
            .collect();
        let expected = [
            (root.clone(), "dir"),
            (root.clone(), "real"),
            (root.join("real"), "log"),
            (root.clone(), "none"),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(dir, name)| (dir, name.into()))
            .collect();
        assert_eq!(inside, expected);
    }

    #[test]
    fn no_file_system_stands_twice() {
        for (index, (number, name)) in SHARED.iter().enumerate() {
            assert!(
                SHARED[..index]
                    .iter()
                    .all(|(n, other)| n != number && other != name)
            );
        }
    }
}
