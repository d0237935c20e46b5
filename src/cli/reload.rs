//! `reload`: the server is sent the configuration as commands, as fail2ban's client does it.
//!
//! rban's own server reads the configuration itself; fail2ban's has only what it is sent.

use super::Options;
use super::client::{answers, ask, config_inputs, socket};
use super::world::World;
use crate::config::{self, Config, Disk, Item};
use crate::model::Level;
use crate::protocol::{Reload, Request, Value};

/// `reload` with the words behind it; whether it went well.
pub(super) fn reload(options: &Options, words: &[&str], world: &mut World<'_>) -> bool {
    let mut asked = Reload::default();
    let mut rest = words;
    while let Some((word, behind)) = rest.split_first() {
        match *word {
            "--restart" => asked.restart = true,
            "--unban" => asked.unban = true,
            "--if-exists" => asked.if_exists = true,
            _ => break,
        }
        rest = behind;
    }
    asked.jail = match rest {
        [] => None,
        ["--all"] => None,
        [jail] => Some((*jail).to_owned()),
        several => {
            let several = Value::list(several.iter().copied()).repr();
            world.log(
                Level::Error,
                &format!("Unexpected argument(s) for reload: {several}"),
            );
            return false;
        }
    };
    // Without a server, reading the configuration would be in vain.
    if !socket(options, world).is_some_and(|socket| answers(&socket)) {
        world.log(Level::Error, "Could not find server");
        return false;
    }
    let Some(stream) = stream(options, asked.jail.as_deref(), world) else {
        return false;
    };
    asked.stream = stream;
    let command = Request::Reload(asked).command();
    ask(options, &["reload"], &command, None, world)
}

/// The configuration, or one jail's, as commands.
fn stream(options: &Options, jail: Option<&str>, world: &mut World<'_>) -> Option<Vec<Value>> {
    let read = Config::read(&Disk, &config_inputs(options, world)).and_then(|config| match jail {
        Some(jail) => config.load_jail(jail),
        None => Ok(config.load()),
    });
    let loaded = match read {
        Ok(loaded) => loaded,
        Err(complaint) => {
            world.log(
                Level::Error,
                &format!("Failed during configuration: {complaint}"),
            );
            return None;
        }
    };
    loaded
        .complaints
        .iter()
        .for_each(|complaint| world.complain(complaint));
    let stream = config::stream(&loaded, &Disk);
    let commands = stream
        .iter()
        .map(|command| Value::List(command.iter().map(value_of).collect()));
    Some(commands.collect())
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
