//! `rban config [JAIL] [--origin] [--json]`: what counts in the end, and where it is from.

use std::path::PathBuf;

use super::{FAIL2BAN_VERSION, FAILED, Program, World, help};
use crate::config::{self, CommandLineOption, Config, DEFAULT_VENDOR, Disk, Facts, Inputs};
use crate::config::{Complaint, Loaded, Severity};
use crate::date::Zone;
use crate::filter::Filter;

/// Where a configuration is read from, for every program alike.
pub(super) fn inputs(
    conf: Option<PathBuf>,
    vendor: Option<PathBuf>,
    command_line: Vec<CommandLineOption>,
    world: &World<'_>,
) -> Inputs {
    let facts = Facts {
        firewall: world.firewall,
        fail2ban_version: FAIL2BAN_VERSION.to_owned(),
    };
    let mut inputs = match conf {
        Some(dir) => Inputs::only(dir, facts),
        None => Inputs {
            vendor: Some(DEFAULT_VENDOR.into()),
            ..Inputs::installed(facts)
        },
    };
    if vendor.is_some() {
        inputs.vendor = vendor;
    }
    inputs.environment = world.environment.clone();
    inputs.command_line = command_line;
    inputs
}

/// What is wrong with the patterns of the jails: each filter is built as the server builds it.
pub(super) fn wrong_filters(loaded: &Loaded, world: &World<'_>) -> Vec<Complaint> {
    let zone = Zone::local(world.variable("TZ"));
    let moment = jiff::Timestamp::from_microsecond((world.clock)().micros()).unwrap_or_default();
    let year = zone.time_zone().to_datetime(moment).year();
    let wrong = loaded.jails.iter().filter_map(|jail| {
        let error = Filter::for_jail(jail, &zone, year).err()?;
        Some(Complaint {
            severity: Severity::Error,
            problem: format!("{}: {}", error.part, error.reason),
            origin: error.origin,
            jail: Some(jail.name.clone()),
            advice: "correct it; the jail is left out until then".into(),
        })
    });
    wrong.collect()
}

/// Prints it; the exit code.
pub(super) fn show(words: &[String], world: &mut World<'_>) -> u8 {
    let (mut conf, mut vendor, mut jail) = (None, None, None);
    let (mut origin, mut json) = (false, false);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-c" | "--conf" => conf = rest.next().map(PathBuf::from),
            "--vendor" => vendor = rest.next().map(PathBuf::from),
            "--origin" => origin = true,
            "--json" => json = true,
            "-h" | "--help" => {
                world.say(&help::usage(Program::Config));
                return 0;
            }
            option if option.starts_with('-') => {
                let usage = help::usage(Program::Config);
                world.say_error(&format!("option {option} not recognized\n{usage}"));
                return FAILED;
            }
            name => jail = Some(name.to_owned()),
        }
    }
    let inputs = inputs(conf, vendor, Vec::new(), world);
    let explained = Config::read(&Disk, &inputs)
        .and_then(|config| Ok((config.explain(jail.as_deref())?, config.load().complaints)));
    match explained {
        Ok((options, complaints)) => {
            for complaint in &complaints {
                world.say_error(&complaint.to_string());
            }
            let text = if json {
                config::json(&options, origin)
            } else {
                config::text(&options, origin)
            };
            world.say(text.trim_end());
            0
        }
        Err(complaint) => {
            world.say_error(&complaint.to_string());
            FAILED
        }
    }
}
