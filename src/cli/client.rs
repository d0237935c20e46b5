//! The client: options that need no server, starting one, and commands to the one that runs.

use std::path::PathBuf;
use std::time::Duration;

use super::configuration::{inputs, wrong_filters};
use super::converse::converse;
use super::reload::reload;
use super::wire::{Wire, WireError};
use super::world::World;
use super::{FAIL2BAN_VERSION, FAILED, Next, Options, Program, background, help};
use crate::config::{self, CommandLineOption, Config, Disk, duration};
use crate::model::{Level, Network};
use crate::protocol::{Request, Stop, Value, render, render_error};

/// How long to wait for a start or an end, unless `--timeout` says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a server that runs may take to say so.
pub(super) const PING: Duration = Duration::from_secs(2);
/// The longest time that is waited for anything.
const LONGEST: f64 = 86_400.0;

/// Runs server or client as far as it is not the server itself.
pub(super) fn run(program: Program, options: Options, world: &mut World<'_>) -> Next {
    world.level = options.level();
    if let Some(right) = without_server(program, &options, world) {
        return Next::Done(code(right));
    }
    let words = options.words.as_slice();
    let starting = matches!(words, [word] if word == "start");
    let serving = starting || program == Program::Server && words.is_empty();
    if serving && options.foreground && !options.interactive {
        return Next::Serve(Box::new(options));
    }
    let right = if options.interactive {
        converse(&options, world)
    } else if serving {
        start(&options, world)
    } else if words.is_empty() || words == ["help"] {
        world.say(help::full(program).trim_end());
        !words.is_empty()
    } else if options.json {
        super::json::answer(&options, words, world)
    } else {
        obey(&options, words, world)
    };
    Next::Done(code(right))
}

/// fail2ban's exit codes.
const fn code(right: bool) -> u8 {
    if right { 0 } else { FAILED }
}

/// Whatever can be said without a server; whether it went well.
fn without_server(program: Program, options: &Options, world: &mut World<'_>) -> Option<bool> {
    if options.help {
        world.say(help::full(program).trim_end());
    } else if options.short_version {
        world.say(FAIL2BAN_VERSION);
    } else if options.version {
        let version = env!("CARGO_PKG_VERSION");
        world.say(&format!("Fail2Ban v{FAIL2BAN_VERSION} (rban {version})"));
    } else if let Some(text) = &options.str2sec {
        return Some(match duration::seconds(text) {
            Ok(number) => {
                world.say(&number.to_string());
                true
            }
            Err(error) => {
                // Where fail2ban says it: on standard output.
                world.say(&format!("ERROR: {error}"));
                false
            }
        });
    } else {
        return examine(options, world);
    }
    Some(true)
}

/// `-d` and `-t`: the configuration shown and tested. A test that goes well lets a command follow.
fn examine(options: &Options, world: &mut World<'_>) -> Option<bool> {
    let dump = options.dump || options.dump_pretty;
    if !dump && !options.test {
        return None;
    }
    let loaded = match config::load(&Disk, &config_inputs(options, world)) {
        Ok(loaded) => loaded,
        Err(complaint) => {
            world.complain(&complaint);
            if options.test {
                world.say("ERROR: test configuration failed");
            }
            return Some(false);
        }
    };
    for complaint in &loaded.complaints {
        world.complain(complaint);
    }
    if dump {
        let stream = config::stream(&loaded, &Disk);
        let text = if options.dump_pretty {
            config::dump_pretty(&stream)
        } else {
            config::dump(&stream)
        };
        world.say(text.trim_end());
        if !options.test {
            return Some(true);
        }
    }
    let wrong = wrong_filters(&loaded, world);
    for complaint in &wrong {
        world.complain(complaint);
    }
    let right = !loaded.has_errors() && wrong.is_empty();
    if !right {
        world.say("ERROR: test configuration failed");
        return Some(false);
    }
    if !options.words.is_empty() {
        return None;
    }
    world.say("OK: configuration test is successful");
    Some(true)
}

/// The configuration the options name.
pub fn config_inputs(options: &Options, world: &World<'_>) -> config::Inputs {
    let command_line = options
        .overrides()
        .into_iter()
        .map(|(typed, option, value)| CommandLineOption {
            typed: typed.to_owned(),
            option: option.to_owned(),
            value,
        });
    inputs(
        options.conf.clone(),
        options.vendor.clone(),
        command_line.collect(),
        world,
    )
}

/// Where the server listens: what the command line says, or the configuration.
pub(super) fn socket(options: &Options, world: &mut World<'_>) -> Option<PathBuf> {
    if let Some(socket) = &options.socket {
        return Some(socket.into());
    }
    match Config::read(&Disk, &config_inputs(options, world)) {
        Ok(config) => {
            let socket = config.load_server().server.socket;
            world.log(
                Level::Info,
                &format!("Using socket file {}", socket.display()),
            );
            Some(socket)
        }
        Err(complaint) => {
            world.complain(&complaint);
            None
        }
    }
}

/// Seconds or a duration, as time to wait.
fn wait(text: &str, world: &mut World<'_>) -> Option<Duration> {
    match duration::seconds(text) {
        Ok(number) => Some(Duration::from_secs_f64(
            number.as_f64().clamp(0.001, LONGEST),
        )),
        Err(error) => {
            world.log(Level::Error, &error.to_string());
            None
        }
    }
}

fn patience(options: &Options, world: &mut World<'_>) -> Option<Duration> {
    match &options.timeout {
        Some(text) => wait(text, world),
        None => Some(PATIENCE),
    }
}

/// One command, some of which the client carries out itself; whether it went well.
pub(super) fn obey(options: &Options, words: &[String], world: &mut World<'_>) -> bool {
    let command = Value::list(words.iter().map(String::as_str));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["set", _, "banip" | "banfor", addresses @ ..] = words.as_slice()
        && locks_out(options, addresses, world)
    {
        return false;
    }
    match words.as_slice() {
        ["start"] => start(options, world),
        ["restart"] => restart(options, world),
        ["restart", rest @ ..] => reload(options, &[&["--restart"], rest].concat(), world),
        ["reload", rest @ ..] => reload(options, rest, world),
        ["ping", time, ..] => match wait(time, world) {
            Some(time) => ask(options, &words, &command, Some(time), world),
            None => false,
        },
        words => ask(options, words, &command, None, world),
    }
}

/// Whether a ban of these would end the login it is given from, which is then said; `--force` and
/// `ignoresshclient = false` let it pass.
pub(super) fn locks_out(options: &Options, addresses: &[&str], world: &mut World<'_>) -> bool {
    let connection = world.variable("SSH_CONNECTION").unwrap_or_default();
    let Some(peer) = connection
        .split(' ')
        .next()
        .and_then(|p| p.parse::<Network>().ok())
    else {
        return false;
    };
    let networks = addresses.iter().filter_map(|a| a.parse::<Network>().ok());
    let hits = |network: Network| network.contains(&peer);
    if options.force || !networks.into_iter().any(hits) {
        return false;
    }
    let config = Config::read(&Disk, &config_inputs(options, world));
    let guarded = config.is_ok_and(|config| config.load_server().server.ignoresshclient);
    if guarded {
        let message = format!("You are logged in from {peer}; --force bans it all the same");
        world.log(Level::Error, &message);
    }
    guarded
}

/// Starts a server in the background, unless one runs.
fn start(options: &Options, world: &mut World<'_>) -> bool {
    let (Some(socket), Some(patience)) = (socket(options, world), patience(options, world)) else {
        return false;
    };
    if answers(&socket) {
        world.log(Level::Error, "Server already running");
        return false;
    }
    match background::start(options, patience) {
        Ok(()) => {
            world.say("Server ready");
            true
        }
        Err(error) => {
            world.log(Level::Error, error.trim_end());
            false
        }
    }
}

/// Whether a server listens there.
pub(super) fn answers(socket: &std::path::Path) -> bool {
    Wire::connect(socket, Some(PING))
        .is_ok_and(|mut wire| wire.ask(&Request::Ping.command()).is_ok())
}

/// Stops the server, if one runs, and starts it when the old one's socket is gone.
fn restart(options: &Options, world: &mut World<'_>) -> bool {
    let (Some(socket), Some(patience)) = (socket(options, world), patience(options, world)) else {
        return false;
    };
    let stop = Request::Stop(Stop::Server).command();
    if ask(options, &["stop"], &stop, None, world)
        && let Err(error) = background::wait_until_gone(&socket, patience)
    {
        world.log(Level::Error, &error);
        return false;
    }
    start(options, world)
}

/// Connects to the server; why not is logged.
pub(super) fn contact(
    options: &Options,
    patience: Option<Duration>,
    world: &mut World<'_>,
) -> Option<Wire> {
    let socket = socket(options, world)?;
    match Wire::connect(&socket, patience) {
        Ok(wire) => Some(wire),
        Err(error) => {
            world.log(Level::Error, &error.to_string());
            None
        }
    }
}

/// Sends a command and prints what came of it; `words` say how it is to be shown.
pub(super) fn ask(
    options: &Options,
    words: &[&str],
    command: &Value,
    patience: Option<Duration>,
    world: &mut World<'_>,
) -> bool {
    let Some(socket) = socket(options, world) else {
        return false;
    };
    let charset = world.charset();
    match Wire::connect(&socket, patience).and_then(|mut wire| wire.ask(command)) {
        Ok(answer) => {
            world.say(&render(words, &answer, charset));
            return true;
        }
        Err(WireError::Refused(exception)) => {
            let args = Value::Tuple(exception.args()).repr();
            world.log(Level::Error, &format!("NOK: {args}"));
            world.say(&render_error(&exception));
        }
        // Whoever only asks whether somebody is there is told no more than why not.
        Err(WireError::Contact(why)) if words.first() == Some(&"ping") => {
            world.log(Level::Error, &why);
        }
        Err(error) => world.log(Level::Error, &error.to_string()),
    }
    false
}
