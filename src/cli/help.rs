//! Help, made of the tables of options and commands.

use super::{FAIL2BAN_VERSION, FAILED, Program, World};
use super::{options, short};
use crate::protocol::{COMMANDS, Scope};

/// The version in words.
pub(super) fn version() -> String {
    format!(
        "rban {}, which behaves as Fail2Ban v{FAIL2BAN_VERSION}",
        env!("CARGO_PKG_VERSION")
    )
}

/// How a program is called.
pub(super) fn usage(program: Program) -> String {
    let name = match program {
        Program::Server => "rban server [OPTIONS] [start]",
        Program::Client => "rban client [OPTIONS] COMMAND",
        Program::Regex => "rban regex [OPTIONS] LOG REGEX [IGNOREREGEX]",
        Program::Config => "rban config [-c DIR] [--vendor DIR] [JAIL] [--origin] [--json]",
    };
    format!("Usage: {name}")
}

/// `rban` without a word it knows.
pub(super) fn overview(arguments: &[String], world: &mut World<'_>) -> u8 {
    let word = arguments.get(1).map_or("", String::as_str);
    match word {
        "-V" | "--version" => {
            world.say(&version());
            return 0;
        }
        "" | "-h" | "--help" | "help" => {}
        other => world.say_error(&format!(
            "rban: there is no '{other}'; rban --help lists all"
        )),
    }
    let text = format!(
        "{}\n\n\
         rban server      watch logs and ban (fail2ban-server)\n\
         rban client      talk to the server (fail2ban-client)\n\
         rban regex       try a filter on a log (fail2ban-regex)\n\
         rban config      what counts in the configuration, and where it is from\n\
         rban completion  for bash, zsh and fish\n\
         rban mail test   send one mail, and show what was said if it fails\n\
         {}\
         rban reload, start, stop, restart, ping, version\n                 \
         short for the client's commands\n\n\
         rban WORD --help tells more.",
        version(),
        short_forms()
    );
    if matches!(word, "-h" | "--help" | "help") {
        world.say(&text);
        0
    } else {
        world.say_error(&text);
        FAILED
    }
}

fn short_forms() -> String {
    let row = |(word, arguments, help): &(&str, &str, &str)| {
        let words = format!("rban {word} {arguments}");
        format!("{words}\n                 {help}\n")
    };
    short::WORDS.iter().map(row).collect()
}

/// `--help` of server and client. Completions made for fail2ban read the commands out of it: four
/// blanks before each, and `<JAIL>` in brackets.
pub(super) fn full(program: Program) -> String {
    let mut out = format!("{}\n\nOptions:\n{}", usage(program), options::help());
    out.push_str("\nCommands:\n");
    for row in COMMANDS.iter().filter(|row| !row.help.is_empty()) {
        let before = match row.scope {
            Scope::Basic => "",
            Scope::SetGlobal => "set ",
            Scope::GetGlobal => "get ",
            Scope::SetJail => "set <JAIL> ",
            Scope::GetJail => "get <JAIL> ",
        };
        let words = format!("{before}{} {}", row.word, row.arguments);
        out.push_str(&format!("    {:<44} {}\n", words.trim_end(), row.help));
    }
    out.push_str(&format!(
        "    {:<44} {}\n",
        "restart [JAIL]", "stop and start again"
    ));
    out
}
