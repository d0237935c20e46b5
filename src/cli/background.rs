//! Starting the server in the background: this binary again, in a session of its own.
//!
//! The new process gets one end of a socket pair as its standard input and says on it `ready`, or
//! what went wrong, so that a start has failed or succeeded by the time the command returns.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use inotify::{Inotify, WatchMask};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Options;

/// What the server says when it is up.
pub const READY: &str = "ready\n";

/// Starts the server and waits until it is ready.
///
/// # Errors
/// What the operator should know about why it is not.
pub(super) fn start(options: &Options, patience: Duration) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot start the server: {error}");
    let (mut ours, theirs) = UnixStream::pair().map_err(failed)?;
    let binary = std::env::current_exe().map_err(failed)?;
    #[expect(clippy::disallowed_methods, reason = "the client's background start")]
    let mut command = Command::new(binary);
    command
        .args(arguments(options))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // The server outlives us; init takes it over.
    let child = command.spawn().map_err(failed)?;
    drop(command);
    ours.set_read_timeout(Some(patience)).map_err(failed)?;
    let mut said = String::new();
    let mut buffer = [0; 4096];
    loop {
        match ours.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => said.push_str(&String::from_utf8_lossy(&buffer[..length])),
            Err(_) => {
                return Err(format!(
                    "the server (process {}) is not ready after {} s; its log tells more",
                    child.id(),
                    patience.as_secs()
                ));
            }
        }
        if said.ends_with(READY) {
            return Ok(());
        }
    }
    if said.is_empty() {
        said = "the server ended before it was ready; rban server -f shows why".to_owned();
    }
    Err(said)
}

/// The command line of the process in the background.
fn arguments(options: &Options) -> Vec<String> {
    let mut out: Vec<String> = ["server", "-f", "--attached"].map(str::to_owned).to_vec();
    let mut give = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            out.extend([name.to_owned(), value]);
        }
    };
    // The server's working directory is /, so what was relative to ours is made whole.
    let whole = |path: &std::path::PathBuf| {
        std::path::absolute(path)
            .unwrap_or_else(|_| path.clone())
            .to_string_lossy()
            .into_owned()
    };
    give("--conf", options.conf.as_ref().map(whole));
    give("--vendor", options.vendor.as_ref().map(whole));
    for (name, option, value) in options.overrides() {
        let path = matches!(option, "socket" | "pidfile");
        give(name, Some(if path { whole(&value.into()) } else { value }));
    }
    if options.fed {
        out.push("--async".to_owned());
    }
    if options.force {
        out.push("-x".to_owned());
    }
    out.push("start".to_owned());
    out
}

/// Waits until nothing is at `path` any more.
///
/// # Errors
/// When something still is after `patience`.
pub(super) fn wait_until_gone(path: &Path, patience: Duration) -> Result<(), String> {
    let late = || {
        format!(
            "the server still holds {} after {} s",
            path.display(),
            patience.as_secs()
        )
    };
    let failed = |error: std::io::Error| format!("cannot watch {}: {error}", path.display());
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut inotify = Inotify::init().map_err(failed)?;
    let watched = inotify
        .watches()
        .add(folder, WatchMask::DELETE | WatchMask::MOVED_FROM);
    // A folder that is gone took the socket with it.
    if watched.is_err() && !path.exists() {
        return Ok(());
    }
    watched.map_err(failed)?;
    let mut buffer = [0; 4096];
    while path.exists() {
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut ready = [PollFd::new(
            std::os::fd::AsFd::as_fd(&inotify),
            PollFlags::POLLIN,
        )];
        match poll(&mut ready, timeout) {
            Ok(0) => return Err(late()),
            Ok(_) => {
                inotify.read_events(&mut buffer).map_err(failed)?;
            }
            Err(error) => return Err(failed(error.into())),
        }
    }
    Ok(())
}
