//! What people type: which program is meant, its options, and what it prints.
//!
//! `rban server`, `client` and `regex` are fail2ban's three programs, and so are links by their
//! names; `rban config` and the short forms are our own. Everything printed goes through
//! [`World`], so that tests read it.

pub mod options;

mod background;
mod client;
mod completion;
mod configuration;
mod converse;
mod editor;
mod help;
mod json;
mod mail;
mod regex;
mod reload;
mod short;
mod why;
mod wire;
mod world;

pub use background::READY;
pub use client::config_inputs as server_inputs;
pub use options::Options;
pub use wire::{Wire, WireError};
pub use world::{World, line};

/// The version of fail2ban whose behaviour this is.
pub const FAIL2BAN_VERSION: &str = crate::model::FAIL2BAN_VERSION;

/// fail2ban's exit code for every failure.
pub const FAILED: u8 = 255;

/// The programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Server,
    Client,
    Regex,
    Config,
}

/// Our own words that are commands of the client, as they stand.
const SHORT_FORMS: &[&str] = &["reload", "start", "stop", "restart", "ping", "version"];

/// What is left to do.
#[derive(Debug)]
pub enum Next {
    /// It is done; the exit code.
    Done(u8),
    /// Run the server in this process.
    Serve(Box<Options>),
}

/// Which program a command line names, and the words that are left for it.
pub fn program(arguments: &[String]) -> Result<(Program, Vec<String>), Next> {
    let name = arguments
        .first()
        .map_or("", |first| first.rsplit('/').next().unwrap_or(""));
    let rest = arguments.get(1..).unwrap_or_default().to_vec();
    match name {
        "fail2ban-server" => return Ok((Program::Server, rest)),
        "fail2ban-client" => return Ok((Program::Client, rest)),
        "fail2ban-regex" => return Ok((Program::Regex, rest)),
        _ => {}
    }
    let Some(word) = rest.first() else {
        return Err(Next::Done(FAILED));
    };
    let behind = rest[1..].to_vec();
    match word.as_str() {
        "server" => Ok((Program::Server, behind)),
        "client" => Ok((Program::Client, behind)),
        "regex" => Ok((Program::Regex, behind)),
        "config" => Ok((Program::Config, behind)),
        word if SHORT_FORMS.contains(&word) => Ok((Program::Client, rest)),
        _ => Err(Next::Done(FAILED)),
    }
}

/// How the tool was called, for its usage: by its link, or as a word behind our own name.
fn called(arguments: &[String]) -> String {
    let first = arguments.first().map_or("", String::as_str);
    match first.rsplit('/').next() {
        Some("fail2ban-regex") => first.to_owned(),
        _ => format!("{first} regex"),
    }
}

/// What is rban's own: its short forms and its completions.
fn ours(arguments: &[String], world: &mut World<'_>) -> Option<u8> {
    let (name, rest) = arguments.split_first()?;
    let (word, words) = rest.split_first()?;
    if name
        .rsplit('/')
        .next()
        .unwrap_or("")
        .starts_with("fail2ban-")
    {
        return None;
    }
    match word.as_str() {
        "completion" => Some(completion::print(words, world)),
        "mail" => Some(mail::run(words, world)),
        "help" if words == ["--man", "client"] => {
            world.say(completion::troff().trim_end());
            Some(0)
        }
        word if short::WORDS.iter().any(|(known, ..)| *known == word) => {
            Some(short::run(word, words, world))
        }
        _ => None,
    }
}

/// Runs everything but the server itself.
pub fn run(arguments: &[String], world: &mut World<'_>) -> Next {
    if let Some(code) = ours(arguments, world) {
        return Next::Done(code);
    }
    let (program, words) = match program(arguments) {
        Ok(found) => found,
        Err(_) => return Next::Done(help::overview(arguments, world)),
    };
    match program {
        Program::Config => Next::Done(configuration::show(&words, world)),
        Program::Regex => Next::Done(regex::run(&called(arguments), &words, world)),
        Program::Server | Program::Client => match Options::parse(&words) {
            Ok(options) => client::run(program, options, world),
            Err(error) => {
                let usage = help::usage(program);
                world.say_error(&format!("{error}\n{usage}"));
                Next::Done(FAILED)
            }
        },
    }
}
