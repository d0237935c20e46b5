//! What the kernel allows us: as many open files as it will let us have without asking anybody.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// No more than so many, which the service has too: some programs we start try to close as many
/// files as they might have.
const ENOUGH: u64 = 65_536;

/// Raises the soft limit of open files: a pattern may match thousands of logs.
pub(super) fn raise_open_files() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    let wanted = hard.min(ENOUGH);
    if soft < wanted {
        // Else fewer logs are read at once, which is said where it matters.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard);
    }
}
