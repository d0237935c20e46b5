//! `rban regex`, which by the name of `fail2ban-regex` is fail2ban's tool: what a filter makes of a
//! log, line by line.
//!
//! [`options`] is what may be asked for; [`setup`] reads the filter that [`subject`] finds, [`log`]
//! opens the log, [`watch`] takes its [`lines`] to the [`judge`]; [`report`], [`out`], [`json`],
//! [`explain`] and [`profile`] are what is printed. A log is never in memory as a whole.

mod debuggex;
mod explain;
mod furthest;
mod json;
mod judge;
mod lines;
mod log;
mod options;
mod out;
mod profile;
mod python;
mod report;
mod rows;
mod setup;
mod subject;
mod watch;

use std::io;

use super::{FAIL2BAN_VERSION, FAILED, World};

use options::Options;

/// The exit code for options that are none, as Python's option parser has it.
const USAGE: u8 = 2;

/// Why it ends before its time; what is to be said has been said.
enum Stop {
    /// With this exit code.
    With(u8),
    /// Nobody reads any more, or nothing can be written.
    Output(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Runs the tool; the exit code.
pub(super) fn run(program: &str, words: &[String], world: &mut World<'_>) -> u8 {
    let name = program.rsplit('/').next().unwrap_or(program);
    let usage = format!("Usage: {program} [OPTIONS] <LOG> <REGEX> [IGNOREREGEX]");
    let options = match Options::parse(words) {
        Ok(options) => options,
        Err(error) => {
            world.say_error(&format!("{usage}\n\n{name}: error: {error}"));
            return USAGE;
        }
    };
    if options.help {
        world.say(&help(&usage));
        return 0;
    }
    if options.short_version {
        world.say(FAIL2BAN_VERSION);
        return 0;
    }
    if options.version {
        world.say(&format!("{name} {FAIL2BAN_VERSION}"));
        return 0;
    }
    let wrong = contradictions(&options);
    if !wrong.is_empty() {
        world.say(&help(&usage));
        world.say_error(&format!("\n{}", wrong.join("\n")));
        return FAILED;
    }
    let code = match start(&options, world) {
        Ok(()) => 0,
        Err(Stop::With(code)) => code,
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(Stop::Output(error)) => {
            world.say_error(&format!("ERROR: cannot write the output: {error}"));
            FAILED
        }
    };
    match world.out.flush() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => FAILED,
        _ => code,
    }
}

fn help(usage: &str) -> String {
    format!(
        "{usage}\n\n\
         Shows what a filter makes of the lines of a log.\n\n\
         LOG:\n  \
           a file, - for standard input, a text that is a line of a log, or systemd-journal\n\
         REGEX:\n  \
           a jail (sshd), a filter with options (sshd[mode=aggressive]), a filter's file, or a\n  \
           regular expression as failregex has it\n\
         IGNOREREGEX:\n  \
           a regular expression in the place of the filter's ignoreregex\n\n\
         Options:\n{}",
        options::help()
    )
    .trim_end()
    .to_owned()
}

fn contradictions(options: &Options) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    if options.no_missed && options.all_missed {
        wrong.push("ERROR: --print-no-missed and --print-all-missed are mutually exclusive.");
    }
    if options.no_ignored && options.all_ignored {
        wrong.push("ERROR: --print-no-ignored and --print-all-ignored are mutually exclusive.");
    }
    if !(2..=3).contains(&options.words.len()) {
        wrong.push("ERROR: provide both <LOG> and <REGEX>.");
    }
    wrong
}

fn start(options: &Options, world: &mut World<'_>) -> Result<(), Stop> {
    let (tool, tried) = setup::read(options, world)?;
    let log = log::open(&tool, &tried, world)?;
    tool.tell(world, "");
    watch::run(&tool, tried, log, world)
}
