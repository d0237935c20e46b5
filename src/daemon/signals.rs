//! Signals become messages: TERM and INT stop, USR2 stops and leaves the firewalls as they are, USR1
//! reopens the log, HUP reloads.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Stop,
    /// A successor follows at once, and nobody shall get through in between.
    Leave,
    FlushLogs,
    /// fail2ban dies of HUP in the foreground; see docs/differences.md.
    Reload,
}

/// Calls `tell` for each signal, from a thread of its own.
///
/// # Errors
/// When the handlers cannot be installed.
pub(super) fn listen(tell: impl Fn(Asked) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP])?;
    thread::Builder::new()
        .name("signals".into())
        .stack_size(64 * 1024)
        .spawn(move || {
            for signal in signals.forever() {
                tell(match signal {
                    SIGUSR1 => Asked::FlushLogs,
                    SIGUSR2 => Asked::Leave,
                    SIGHUP => Asked::Reload,
                    _ => Asked::Stop,
                });
            }
        })?;
    Ok(())
}
