//! A question to a command about one ticket: `ignorecommand`.

use std::time::Duration;

use super::facts::Facts;
use super::info::Info;
use super::options::Scope;
use super::process::{self, Abort, End, Run};
use super::tags;
use crate::model::Ban;

/// fail2ban's limit for `ignorecommand`.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a command with the ticket's tags and returns its exit code. It blocks: give it a thread.
///
/// # Errors
/// When it could not be run, or did not end by itself, in words for the log.
pub fn ask(
    command: &str,
    jail: &str,
    ticket: &Ban,
    facts: &dyn Facts,
    path: &str,
) -> Result<i32, String> {
    let scope = Scope::of(ticket.network().map(crate::model::Network::family));
    let script = tags::fill(
        command,
        &Info {
            ban: Some(ticket),
            scope,
            jail,
            facts,
        },
    );
    let mut arguments = vec!["-c".to_owned()];
    arguments.extend(script.arguments());
    let run = Run {
        program: "/bin/sh",
        arguments: &arguments,
        input: &[],
        path,
        limit: LIMIT,
    };
    let failed = |error: std::io::Error| format!("{}: {error}", script.shown());
    let finished = process::run(&run, &Abort::new().map_err(failed)?).map_err(failed)?;
    match finished.end {
        End::Exited(code) => Ok(code),
        End::Killed(signal) => Err(format!("{}: killed by signal {signal}", script.shown())),
        End::TimedOut(_) | End::Aborted => Err(format!(
            "{}: not done after {} s, ended",
            script.shown(),
            LIMIT.as_secs()
        )),
    }
}
