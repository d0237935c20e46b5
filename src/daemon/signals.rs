//! Signals become messages: TERM and INT stop, USR1 reopens the log, HUP reloads.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Stop,
    FlushLogs,
    /// fail2ban dies of HUP in the foreground; see docs/differences.md.
    Reload,
}

/// Calls `tell` for each signal, from a thread of its own.
///
/// # Errors
/// When the handlers cannot be installed.
pub(super) fn listen(tell: impl Fn(Asked) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGUSR1, SIGHUP])?;
    thread::Builder::new()
        .name("signals".into())
        .stack_size(64 * 1024)
        .spawn(move || {
            for signal in signals.forever() {
                tell(match signal {
                    SIGUSR1 => Asked::FlushLogs,
                    SIGHUP => Asked::Reload,
                    _ => Asked::Stop,
                });
            }
        })?;
    Ok(())
}
