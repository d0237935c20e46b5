//! `rban mail test`: one mail, the way bans are mailed, and what was said if it does not go.

use std::path::PathBuf;

use super::{FAILED, World, configuration};
use crate::action::{self, Courier, DEFAULT_PATH};
use crate::config::{Config, Disk};
use crate::mail::{self, Letter, Recipe, Writer};
use crate::model::{ActionSettings, MAIL_OPTION, Origin};

pub(super) const USAGE: &str =
    "Usage: rban mail test [JAIL] [--to ADDRESS] [-v] [-c DIR] [--vendor DIR]";

#[derive(Default)]
struct Options {
    jail: Option<String>,
    to: Option<String>,
    loud: bool,
    conf: Option<PathBuf>,
    vendor: Option<PathBuf>,
}

/// Runs it; the exit code.
pub(super) fn run(words: &[String], world: &mut World<'_>) -> u8 {
    let help = words.iter().any(|word| word == "-h" || word == "--help");
    if help {
        world.say(&format!(
            "{USAGE}\nsends one mail the way the first mail action of that jail, or of any, sends them;\n\
             on failure, or with -v, the conversation is shown"
        ));
        return 0;
    }
    let Some(options) = parse(words) else {
        world.say_error(USAGE);
        return FAILED;
    };
    match test(&options, world) {
        Ok(()) => 0,
        Err(error) => {
            world.say_error(&error);
            FAILED
        }
    }
}

fn parse(words: &[String]) -> Option<Options> {
    let (first, rest) = words.split_first()?;
    let mut options = Options::default();
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--to" => options.to = Some(rest.next()?.clone()),
            "-v" | "--verbose" => options.loud = true,
            "-c" | "--conf" => options.conf = Some(rest.next()?.into()),
            "--vendor" => options.vendor = Some(rest.next()?.into()),
            word => match word.strip_prefix("--to=") {
                Some(to) => options.to = Some(to.to_owned()),
                None if word.starts_with('-') || options.jail.is_some() => return None,
                None => options.jail = Some(word.to_owned()),
            },
        }
    }
    (first == "test").then_some(options)
}

fn test(options: &Options, world: &mut World<'_>) -> Result<(), String> {
    let (jail, action, mut recipe) = find(options, world)?;
    if let Some(to) = &options.to {
        recipe.to = vec![to.clone()];
        if let mail::Transport::Program(words) = &mut recipe.transport {
            // The program has its own list of who gets it.
            words.truncate(
                words
                    .iter()
                    .position(|word| word == "-f")
                    .map_or(1, |at| at + 2),
            );
            words.push(to.clone());
        }
    }
    let host = nix::unistd::gethostname().unwrap_or_default();
    let host = crate::dns::system().full_name(&host.to_string_lossy());
    let writer = Writer {
        jail: &jail,
        action: &action,
        host: &host,
        time: (world.clock)(),
    };
    let letter = writer.trial(&recipe);
    let mut said = Vec::new();
    let sent = send(&letter, world, &mut |line| said.push(line.to_owned()));
    if sent.is_err() || options.loud {
        said.iter().for_each(|line| world.say(line));
    }
    let to = letter.to.join(", ");
    let missed = sent.map_err(|why| format!("the mail to {to} was not sent: {why}"))?;
    let mut missed = missed.refused.into_iter().chain(missed.later);
    if let Some((who, why)) = missed.next() {
        return Err(format!("the mail was sent, but not to {who}: {why}"));
    }
    let place = letter.transport.place();
    world.say(&format!(
        "the mail '{}' was sent to {to} by {place}",
        letter.subject
    ));
    Ok(())
}

/// Whose mails are tried: jail, action, recipe. Where no jail mails, sendmail is.
fn find(options: &Options, world: &mut World<'_>) -> Result<(String, String, Recipe), String> {
    let inputs = configuration::inputs(
        options.conf.clone(),
        options.vendor.clone(),
        Vec::new(),
        world,
    );
    let loaded = Config::read(&Disk, &inputs)
        .map_err(|complaint| complaint.to_string())?
        .load();
    let wanted = |name: &str| options.jail.as_ref().is_none_or(|jail| jail == name);
    for jail in loaded.jails.iter().filter(|jail| wanted(&jail.name)) {
        for settings in &jail.actions {
            let by_shell = settings
                .option("native")
                .is_some_and(|text| !action::is_on(text));
            if let Some(mut recipe) = action::recipe(settings).filter(|_| !by_shell) {
                if recipe.name.is_empty() {
                    recipe.name.clone_from(&jail.name);
                }
                let (jail, action) = (&jail.name, &settings.name);
                world.say(&format!("as jail {jail}, action {action}"));
                return Ok((jail.clone(), action.clone(), recipe));
            }
        }
    }
    if let Some(jail) = &options.jail {
        return Err(format!(
            "jail {jail}: not enabled, or without a mail action that rban carries out itself"
        ));
    }
    world.say("no jail has a mail action that rban carries out itself; trying sendmail");
    let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let settings = ActionSettings {
        name: "sendmail".to_owned(),
        options: vec![option(MAIL_OPTION, "plain"), option("name", "test")],
        python: None,
        origin: Origin::Default,
    };
    let recipe = action::recipe(&settings).ok_or("sendmail is unknown")?;
    Ok(("test".to_owned(), settings.name, recipe))
}

fn send(
    letter: &Letter,
    world: &World<'_>,
    tell: &mut dyn FnMut(&str),
) -> Result<mail::Missed, String> {
    let wrong = |error: mail::MailError| error.to_string();
    let id = format!("test.{:x}.{:x}", letter.time.micros(), std::process::id());
    let message = mail::wire(letter, &id).map_err(wrong)?.formatted();
    let (from, to) = mail::envelope(letter).map_err(wrong)?;
    let parcel = mail::Parcel {
        from: &from,
        to: &to,
        message: &message,
        host: &letter.host,
    };
    let courier = Courier {
        path: world.variable("PATH").unwrap_or(DEFAULT_PATH).into(),
        credentials: world.variable("CREDENTIALS_DIRECTORY").map(str::to_owned),
        now: world.clock,
        say: |_| {},
        logs: crate::config::log_files,
    };
    let sent = courier.carry_aloud(&letter.transport, &parcel, tell);
    sent.map_err(|failure| failure.to_string())
}
