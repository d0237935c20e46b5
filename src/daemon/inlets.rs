//! Jails whose log is pushed to us: `backend = stdin`, `pipe[path=…]`, `syslog[listen=…]`.

use std::path::PathBuf;
use std::sync::Arc;

use super::clock;
use super::jails::{Running, say};
use super::state::{Daemon, Message};
use crate::config::Spec;
use crate::engine::Feed;
use crate::model::{Level, Logger, Time};
use crate::source::pushed::{Inlet, Listener, Push, PushSink};
use crate::source::{Encoding, Subscriber};

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
    /// When the last line came.
    heard: Option<Time>,
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

/// Where an inlet is, for lists of files.
fn path(inlet: &Inlet) -> PathBuf {
    match inlet {
        Inlet::Stdin => PathBuf::from("/dev/stdin"),
        Inlet::Pipe(path) | Inlet::Syslog(path, _) => path.clone(),
    }
}

impl Daemon {
    /// Has what is pushed to a jail's inlet judged by it; what it listens to already goes on.
    pub(super) fn listen(&mut self, name: &str) {
        let Some(running) = self.running(name) else {
            return;
        };
        let (jail, subscriber, encoding) = (
            Arc::clone(&running.name),
            running.subscriber,
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
                self.wait_no_more(&[subscriber], &path(&inlet));
                self.inlets.open.push(Open {
                    number,
                    inlet,
                    jails: vec![jail],
                    heard: None,
                    _listener: listener,
                });
            }
            Err(error) => {
                let message = format!("[{name}] cannot listen to {inlet}: {error}");
                say(Level::Error, Logger::Filter, message);
                let why = format!("it cannot be listened to: {error}");
                self.wait_for(&[subscriber], &path(&inlet), &why);
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

    /// What a jail listens to, and when its last line came.
    pub(super) fn inlets_of(&self, name: &str) -> Vec<(String, Option<Time>)> {
        let of_jail = |open: &&Open| open.jails.iter().any(|jail| **jail == *name);
        let named = |open: &Open| (path(&open.inlet).display().to_string(), open.heard);
        self.inlets.open.iter().filter(of_jail).map(named).collect()
    }

    /// Something was pushed.
    pub(super) fn pushed(&mut self, number: u32, push: Push) {
        let now = clock::now();
        let mut open = self.inlets.open.iter_mut();
        let Some(open) = open.find(|open| open.number == number) else {
            return;
        };
        let of_inlet = |jail: &Running| open.jails.contains(&jail.name);
        let subscribers = self.jails.iter().filter(|jail| of_inlet(jail));
        let to: Vec<Subscriber> = subscribers.map(|jail| jail.subscriber).collect();
        let path = path(&open.inlet);
        let text = match push {
            Push::Lines(text) => {
                open.heard = Some(now);
                text
            }
            Push::Ended(why) => {
                let (level, why) = match why {
                    None => (Level::Info, "it is at its end".to_owned()),
                    Some(why) => (Level::Error, why),
                };
                let message = format!("nothing comes from {} any more: {why}", open.inlet);
                say(level, Logger::Filter, message);
                return self.wait_for(&to, &path, &format!("nothing comes any more: {why}"));
            }
        };
        let places = open.jails.iter().filter_map(|jail| self.engine.place(jail));
        let feeds: Vec<Feed> = places
            .map(|place| Feed {
                place,
                in_operation: true,
            })
            .collect();
        self.wait_no_more(&to, &path);
        self.refresh();
        let lines = text.lines();
        self.engine.lines(&feeds, lines, now, &mut self.effects);
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
