//! What a finished program's end means, and how fail2ban words it in the log.

use std::borrow::Cow;
use std::io;

use super::driver::{Bench, Outcome};
use super::process::{self, End, Finished, Kept, Run};
use super::python;
use crate::model::{Level, Logger, Record};

/// How many lines of each output reach the log; a program that fails at length says it up front.
const LINES: usize = 100;

/// Runs a program and logs what came of it; `shown` is how the log names the command.
pub(super) fn run(run: &Run<'_>, shown: &str, bench: &mut Bench<'_>) -> Outcome {
    match process::run(run, bench.abort) {
        Ok(finished) => told(&finished, shown, bench),
        Err(error) => {
            let reason = reason(run.program, &error);
            let message = format!("{shown} -- failed with {reason}");
            log(bench, Level::Error, message);
            Outcome::Failed(reason)
        }
    }
}

/// Runs a program for a whole batch; whether it worked. If not that is no failure yet, as each of
/// the batch gets its own say, so the log has it for debugging only.
pub(super) fn quietly(run: &Run<'_>, shown: &str, bench: &mut Bench<'_>) -> bool {
    let log = &mut *bench.log;
    let mut log = |record: Record| {
        log(Record {
            level: Level::Debug,
            ..record
        });
    };
    let mut bench = Bench {
        log: &mut log,
        ..*bench
    };
    self::run(run, shown, &mut bench).is_done()
}

/// What a program prints, if it ends well and prints no more than `most` bytes; else the log has
/// what happened, for debugging.
pub(super) fn output(run: &Run<'_>, most: usize, bench: &mut Bench<'_>) -> Option<String> {
    let shown = || format!("{} {}", run.program, run.arguments.join(" "));
    match process::run_keeping(run, bench.abort, most) {
        Ok(finished) if finished.end == End::Exited(0) && finished.output.dropped == 0 => {
            Some(text(&finished.output).into_owned())
        }
        Ok(finished) => {
            let message = format!("{} -- no list: {:?}", shown(), finished.end);
            log(bench, Level::Debug, message);
            None
        }
        Err(error) => {
            let message = format!("{} -- no list: {error}", shown());
            log(bench, Level::Debug, message);
            None
        }
    }
}

fn reason(program: &str, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        format!("{program}: not found; install it, or see that it is in PATH")
    } else {
        format!("{program}: {error}")
    }
}

fn told(finished: &Finished, shown: &str, bench: &mut Bench<'_>) -> Outcome {
    let good = finished.end == End::Exited(0);
    let level = if good { Level::Debug } else { Level::Error };
    let id = finished.pid;
    log(bench, level, format!("{id:x} -- exec: {shown}"));
    let limit = bench.limit.as_secs_f64();
    if matches!(finished.end, End::TimedOut(_)) {
        log(
            bench,
            level,
            format!("{id:x} -- timed out after {limit} seconds."),
        );
    }
    for (name, kept) in [("stdout", &finished.output), ("stderr", &finished.errors)] {
        lines(id, name, kept, level, bench);
    }
    let end = match finished.end {
        End::Exited(0) => {
            log(bench, level, format!("{id:x} -- returned successfully 0"));
            return Outcome::Done;
        }
        End::Exited(code @ ..=128) => format!("returned {code}"),
        End::Exited(code) => killed(code - 128, code),
        End::Killed(signal) => killed(signal, -signal),
        End::TimedOut(Some(code @ ..0)) => killed(-code, code),
        End::TimedOut(Some(code)) => format!("returned {code}"),
        End::TimedOut(None) => format!("unable to kill PID {id}"),
        End::Aborted => "ended, for the action is stopped".to_owned(),
    };
    log(bench, level, format!("{id:x} -- {end}"));
    if finished.end == End::Exited(127) {
        let shown = python::text(shown);
        let path = bench.path;
        let hint = format!(
            "HINT on 127: a program named in {shown} was not found; it has to be installed, in one \
             of the folders of PATH={path}"
        );
        log(bench, Level::Info, hint);
    }
    let first = text(&finished.errors);
    let first = first.lines().find(|line| !line.trim().is_empty());
    Outcome::Failed(match (finished.end, first) {
        (End::TimedOut(_), _) => format!("timed out after {limit} seconds"),
        (_, Some(line)) => format!("{end}: {}", line.trim()),
        (_, None) => end,
    })
}

fn killed(signal: i32, code: i32) -> String {
    let name = nix::sys::signal::Signal::try_from(signal).map_or_else(
        |_| format!("signal {signal}"),
        |known| known.as_str().to_owned(),
    );
    format!("killed with {name} (return code: {code})")
}

fn lines(id: u32, name: &str, kept: &Kept, level: Level, bench: &mut Bench<'_>) {
    let text = text(kept);
    let mut rest = text.lines();
    for line in rest.by_ref().take(LINES) {
        log(
            bench,
            level,
            format!("{id:x} -- {name}: {}", python::text(line)),
        );
    }
    let more = rest.count();
    if more > 0 || kept.dropped > 0 {
        let bytes = kept.dropped;
        log(
            bench,
            level,
            format!("{id:x} -- {name}: … {more} more lines and {bytes} more bytes"),
        );
    }
}

fn text(kept: &Kept) -> Cow<'_, str> {
    String::from_utf8_lossy(&kept.bytes)
}

fn log(bench: &mut Bench<'_>, level: Level, message: String) {
    (bench.log)(Record::new(level, Logger::Utils, message));
}
