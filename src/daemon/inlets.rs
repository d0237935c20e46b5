//! Jails whose log is pushed to us: `backend = stdin`, `pipe[path=…]`, `syslog[listen=…]`.

use std::path::PathBuf;
use std::sync::Arc;

use super::clock;
use super::jails::say;
use super::state::{Daemon, Message};
use crate::config::Spec;
use crate::engine::Feed;
use crate::model::{Level, Logger};
use crate::source::Encoding;
use crate::source::pushed::{Inlet, Listener, Push, PushSink};

/// Where syslog is listened to, unless `listen` says otherwise, and a pipe is read.
const SOCKET: &str = "/run/rban/log";
const PIPE: &str = "/run/rban/pipe";

/// Who writes there decides who is banned: root, unless `mode` says otherwise.
const MODE: u32 = 0o600;

/// All that is listened to; jails that name the same inlet share it.
#[derive(Debug, Default)]
pub(super) struct Inlets {
    open: Vec<Open>,
    /// The next one's number.
    next: u32,
}

#[derive(Debug)]
struct Open {
    number: u32,
    inlet: Inlet,
    jails: Vec<Arc<str>>,
    /// Ends it when it is dropped.
    _listener: Listener,
}

/// Reads a backend's options.
fn inlet(backend: &str) -> Result<Inlet, String> {
    let spec = Spec::parse(backend).map_err(|error| error.to_string())?;
    let known: &[&str] = match spec.name.as_str() {
        "syslog" => &["listen", "mode"],
        "pipe" => &["path"],
        _ => &[],
    };
    if let Some((other, _)) = spec
        .options
        .iter()
        .find(|(name, _)| !known.contains(&&**name))
    {
        return Err(format!("backend = {} has no option '{other}'", spec.name));
    }
    let path = |name: &str, default: &str| PathBuf::from(spec.option(name).unwrap_or(default));
    Ok(match spec.name.as_str() {
        "syslog" => {
            let mode = spec.option("mode").map_or(Ok(MODE), |text| {
                u32::from_str_radix(text, 8)
                    .ok()
                    .filter(|mode| *mode <= 0o777)
                    .ok_or_else(|| format!("expected an octal mode such as 0660, found '{text}'"))
            })?;
            Inlet::Syslog(path("listen", SOCKET), mode)
        }
        "pipe" => Inlet::Pipe(path("path", PIPE)),
        _ => Inlet::Stdin,
    })
}

impl Daemon {
    /// Has what is pushed to a jail's inlet judged by it; what it listens to already goes on.
    pub(super) fn listen(&mut self, name: &str) {
        let Some(running) = self.running(name) else {
            return;
        };
        let (jail, encoding) = (
            Arc::clone(&running.name),
            running.settings.logencoding.clone(),
        );
        let inlet = match inlet(&running.settings.backend) {
            Ok(inlet) => inlet,
            Err(why) => return say(Level::Error, Logger::Filter, format!("[{name}] {why}")),
        };
        let same = |open: &&mut Open| open.inlet == inlet;
        if let Some(open) = self.inlets.open.iter_mut().find(same) {
            if !open.jails.contains(&jail) {
                open.jails.push(jail);
            }
            return;
        }
        self.stop_listening(name);
        let number = self.inlets.next;
        self.inlets.next += 1;
        let outlet = self.outlet.clone();
        let sink: PushSink = Box::new(move |push| {
            match push {
                Push::Lines(_) => {
                    outlet.send_rationed(|ration| Message::Pushed(number, push, Some(ration)));
                }
                Push::Ended(_) => outlet.send(Message::Pushed(number, push, None)),
            }
            true
        });
        let encoding = Encoding::named(&encoding).or_else(|_| Encoding::named("utf-8"));
        let Ok(encoding) = encoding else { return };
        match Listener::start(&inlet, encoding, sink) {
            Ok(listener) => {
                let message = format!("[{name}] listens to {inlet}");
                say(Level::Info, Logger::Filter, message);
                self.inlets.open.push(Open {
                    number,
                    inlet,
                    jails: vec![jail],
                    _listener: listener,
                });
            }
            Err(error) => {
                let message = format!("[{name}] cannot listen to {inlet}: {error}");
                say(Level::Error, Logger::Filter, message);
            }
        }
    }

    /// The jail listens no more; an inlet that nobody listens to is closed.
    pub(super) fn stop_listening(&mut self, name: &str) {
        for open in &mut self.inlets.open {
            open.jails.retain(|jail| **jail != *name);
        }
        self.inlets.open.retain(|open| !open.jails.is_empty());
    }

    /// What a jail listens to, for its list of files.
    pub(super) fn inlets_of(&self, name: &str) -> Vec<String> {
        let of_jail = |open: &&Open| open.jails.iter().any(|jail| **jail == *name);
        let path = |open: &Open| match &open.inlet {
            Inlet::Stdin => "/dev/stdin".to_owned(),
            Inlet::Pipe(path) | Inlet::Syslog(path, _) => path.display().to_string(),
        };
        self.inlets.open.iter().filter(of_jail).map(path).collect()
    }

    /// Something was pushed.
    pub(super) fn pushed(&mut self, number: u32, push: Push) {
        let Some(open) = self.inlets.open.iter().find(|open| open.number == number) else {
            return;
        };
        let text = match push {
            Push::Lines(text) => text,
            Push::Ended(why) => {
                let (level, why) = match why {
                    None => (Level::Info, "it is at its end".to_owned()),
                    Some(why) => (Level::Error, why),
                };
                let message = format!("nothing comes from {} any more: {why}", open.inlet);
                return say(level, Logger::Filter, message);
            }
        };
        let places = open.jails.iter().filter_map(|jail| self.engine.place(jail));
        let feeds: Vec<Feed> = places
            .map(|place| Feed {
                place,
                in_operation: true,
            })
            .collect();
        self.refresh();
        let lines = text.lines();
        self.engine
            .lines(&feeds, lines, clock::now(), &mut self.effects);
        self.perform();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_defaults_and_others_are_errors() {
        for (text, expected) in [
            ("stdin", Inlet::Stdin),
            ("pipe", Inlet::Pipe(PIPE.into())),
            ("pipe[path=/run/p]", Inlet::Pipe("/run/p".into())),
            ("syslog", Inlet::Syslog(SOCKET.into(), MODE)),
            (
                "syslog[listen=/run/l, mode=0666]",
                Inlet::Syslog("/run/l".into(), 0o666),
            ),
        ] {
            assert_eq!(inlet(text), Ok(expected), "{text}");
        }
        for wrong in [
            "stdin[a=b]",
            "pipe[listen=/x]",
            "syslog[mode=9]",
            "syslog[mode=7777]",
        ] {
            assert!(inlet(wrong).is_err(), "{wrong}");
        }
    }
}
