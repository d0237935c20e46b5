//! The client: options that need no server, starting one, and commands to the one that runs.

use std::io::BufRead;
use std::path::PathBuf;
use std::time::Duration;

use super::configuration::inputs;
use super::{
    FAIL2BAN_VERSION, FAILED, Next, Options, Program, Wire, WireError, World, background, help,
    say, say_error,
};
use crate::config::{self, CommandLineOption, Config, Disk, Item, duration};
use crate::protocol::{Charset, Value, render, render_error};

/// How long to wait for an answer or a start, unless `--timeout` says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs server or client as far as it is not the server itself.
pub(super) fn run(program: Program, options: Options, world: &mut World<'_>) -> Next {
    if let Some(code) = without_server(program, &options, world) {
        return Next::Done(code);
    }
    let words = options.words.clone();
    let starting = words.first().is_some_and(|word| word == "start") && words.len() == 1;
    match program {
        Program::Server if words.is_empty() || starting => {
            if options.foreground {
                Next::Serve(Box::new(options))
            } else {
                Next::Done(start(&options, world))
            }
        }
        _ if starting && options.foreground => Next::Serve(Box::new(options)),
        _ => Next::Done(talk(program, &options, world)),
    }
}

/// Whatever can be said without a server.
fn without_server(program: Program, options: &Options, world: &mut World<'_>) -> Option<u8> {
    if options.help {
        say(world, help::full(program).trim_end());
    } else if options.short_version {
        say(world, FAIL2BAN_VERSION);
    } else if options.version {
        let version = env!("CARGO_PKG_VERSION");
        say(
            world,
            &format!("Fail2Ban v{FAIL2BAN_VERSION} (rban {version})"),
        );
    } else if let Some(text) = &options.str2sec {
        match duration::seconds(text) {
            Ok(number) => say(world, &number.to_string()),
            Err(error) => {
                say_error(world, &error.to_string());
                return Some(FAILED);
            }
        }
    } else if options.test {
        return Some(test(options, world));
    } else if options.dump || options.dump_pretty {
        return Some(dump(options, world));
    } else {
        return None;
    }
    Some(0)
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

fn test(options: &Options, world: &mut World<'_>) -> u8 {
    let loaded = config::load(&Disk, &config_inputs(options, world));
    let right = match loaded {
        Ok(loaded) => {
            for complaint in &loaded.complaints {
                say_error(world, &complaint.to_string());
            }
            !loaded.has_errors()
        }
        Err(complaint) => {
            say_error(world, &complaint.to_string());
            false
        }
    };
    if right {
        say(world, "OK: configuration test is successful");
        0
    } else {
        say_error(world, "ERROR: test configuration failed");
        FAILED
    }
}

fn dump(options: &Options, world: &mut World<'_>) -> u8 {
    match config::load(&Disk, &config_inputs(options, world)) {
        Ok(loaded) => {
            for complaint in &loaded.complaints {
                say_error(world, &complaint.to_string());
            }
            say(
                world,
                config::dump(&config::stream(&loaded, &Disk)).trim_end(),
            );
            0
        }
        Err(complaint) => {
            say_error(world, &complaint.to_string());
            FAILED
        }
    }
}

/// Where the server listens: what the configuration says, or the command line.
fn socket(options: &Options, world: &mut World<'_>) -> Option<PathBuf> {
    if let Some(socket) = &options.socket {
        return Some(socket.into());
    }
    match Config::read(&Disk, &config_inputs(options, world)) {
        Ok(config) => Some(config.load_server().server.socket),
        Err(complaint) => {
            say_error(world, &complaint.to_string());
            None
        }
    }
}

fn patience(options: &Options) -> Duration {
    let asked = options
        .timeout
        .as_deref()
        .and_then(|text| duration::seconds(text).ok());
    asked.map_or(PATIENCE, |number| {
        Duration::from_secs_f64(number.as_f64().clamp(0.1, 86_400.0))
    })
}

fn start(options: &Options, world: &mut World<'_>) -> u8 {
    match background::start(options, patience(options)) {
        Ok(()) => {
            say(world, "Server ready");
            0
        }
        Err(error) => {
            say_error(world, error.trim_end());
            FAILED
        }
    }
}

/// Commands for a running server.
fn talk(program: Program, options: &Options, world: &mut World<'_>) -> u8 {
    if options.interactive {
        return converse(options, world);
    }
    let words: Vec<&str> = options.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help"] => {
            say(world, help::full(program).trim_end());
            if words.is_empty() { FAILED } else { 0 }
        }
        ["start"] => start(options, world),
        ["restart"] => {
            let code = command(options, &["stop".to_owned()], world);
            if code == 0 {
                restarted(options, world)
            } else {
                code
            }
        }
        ["restart", rest @ ..] => {
            let words: Vec<String> = ["reload", "--restart"]
                .iter()
                .chain(rest)
                .map(|word| (*word).to_owned())
                .collect();
            command(options, &words, world)
        }
        _ => command(options, &options.words, world),
    }
}

/// The server was told to stop; when its socket is gone the next one may come.
fn restarted(options: &Options, world: &mut World<'_>) -> u8 {
    let Some(socket) = socket(options, world) else {
        return FAILED;
    };
    if let Err(error) = background::wait_until_gone(&socket, patience(options)) {
        say_error(world, &error);
        return FAILED;
    }
    start(options, world)
}

/// Sends one command and prints what came of it.
fn command(options: &Options, words: &[String], world: &mut World<'_>) -> u8 {
    let Some(socket) = socket(options, world) else {
        return FAILED;
    };
    let Some(command) = wire_form(options, words, world) else {
        return FAILED;
    };
    let asked = Wire::connect(&socket, None).and_then(|mut wire| wire.ask(&command));
    match asked {
        Ok(answer) => {
            say(world, &render(words, &answer, Charset::Utf8));
            0
        }
        Err(WireError::Refused(exception)) => {
            let args = Value::Tuple(exception.args.clone()).repr();
            say_error(world, &format!("ERROR   NOK: {args}"));
            say(world, &render_error(&exception));
            FAILED
        }
        Err(error) => {
            say_error(world, &format!("ERROR   {error}"));
            FAILED
        }
    }
}

/// A command as the server wants it: `reload` carries the configuration, for a server that does not
/// read it itself.
fn wire_form(options: &Options, words: &[String], world: &mut World<'_>) -> Option<Value> {
    if words.first().is_none_or(|word| word != "reload") {
        return Some(Value::list(words.iter().map(String::as_str)));
    }
    let (flags, jails): (Vec<&String>, Vec<&String>) = words[1..]
        .iter()
        .partition(|word| word.starts_with("--") && *word != "--all");
    let jail = jails.first().filter(|jail| **jail != "--all");
    let read = Config::read(&Disk, &config_inputs(options, world)).and_then(|config| match jail {
        Some(jail) => config.load_jail(jail),
        None => Ok(config.load()),
    });
    let loaded = match read {
        Ok(loaded) => loaded,
        Err(complaint) => {
            say_error(
                world,
                &format!("ERROR   Failed during configuration: {complaint}"),
            );
            return None;
        }
    };
    for complaint in &loaded.complaints {
        say_error(world, &complaint.to_string());
    }
    let stream = config::stream(&loaded, &Disk);
    let stream = stream
        .iter()
        .map(|command| Value::List(command.iter().map(value_of).collect()));
    Some(Value::List(vec![
        "reload".into(),
        jail.map_or("--all", |jail| jail.as_str()).into(),
        Value::list(flags.into_iter().map(String::as_str)),
        Value::List(stream.collect()),
    ]))
}

fn value_of(item: &Item) -> Value {
    match item {
        Item::None => Value::None,
        Item::Bool(truth) => Value::Bool(*truth),
        Item::Int(number) => Value::Int(*number),
        Item::Float(number) => Value::Float(*number),
        Item::Str(text) => Value::Str(text.clone()),
        Item::List(items) => Value::List(items.iter().map(value_of).collect()),
        Item::Dict(entries) => Value::Dict(
            entries
                .iter()
                .map(|(key, item)| (value_of(key), value_of(item)))
                .collect(),
        ),
    }
}

/// `-i`: commands from standard input, until `exit`.
fn converse(options: &Options, world: &mut World<'_>) -> u8 {
    say(
        world,
        &format!(
            "Fail2Ban v{FAIL2BAN_VERSION} reads log file that contains password failure report\nand bans the corresponding IP addresses using firewall rules.\n"
        ),
    );
    let mut lines = std::io::stdin().lock().lines();
    loop {
        // A prompt that cannot be written will not be missed.
        let _ = write!(world.out, "fail2ban> ");
        let _ = world.out.flush();
        let Some(Ok(line)) = lines.next() else {
            return 0;
        };
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        match words.first().map(String::as_str) {
            None => {}
            Some("exit" | "quit") => return 0,
            Some("help") => say(world, help::full(Program::Client).trim_end()),
            Some(_) => {
                command(options, &words, world);
            }
        }
    }
}
