//! `fail2ban.conf`: the server's own options, read and typed.
//!
//! A server cannot be left out as a jail can: a value that makes no sense gives way to the
//! default, with a complaint.

use std::path::PathBuf;

use super::complaint::Complaint;
use super::definition::{interpolation, item};
use super::duration;
use super::ini::DEFAULT;
use super::item::Item;
use super::layers::{BUILT_IN, Merged};
use super::options::{DBMAXMATCHES, Known, SERVER, find};
use super::ordered::Ordered;
use super::scope::Scope;
use super::values::{int, shown, truth};
use crate::model::{Level, Origin, ServerSettings, Span};

const DEFINITION: &str = "Definition";

/// The server's options as the files say them.
pub(super) struct ServerRead {
    /// In the table's order.
    pub options: Ordered<Item>,
    pub settings: ServerSettings,
    pub complaints: Vec<Complaint>,
}

impl ServerRead {
    pub(super) fn new(merged: &Merged) -> Self {
        let mut reader = Reader {
            merged,
            options: Ordered::default(),
            complaints: Vec::new(),
        };
        for known in SERVER {
            reader.read(known);
        }
        reader.stacksize();
        let settings = ServerSettings {
            loglevel: reader.with("loglevel", Level::Info, level),
            logtarget: reader.text("logtarget"),
            syslogsocket: reader.text("syslogsocket"),
            socket: PathBuf::from(reader.text("socket")),
            socketgroup: Some(reader.text("socketgroup")).filter(|group| !group.is_empty()),
            socketmode: reader.with("socketmode", None, mode),
            pidfile: PathBuf::from(reader.text("pidfile")),
            allowipv6: match reader.text("allowipv6") {
                auto if auto.eq_ignore_ascii_case("auto") => None,
                other => Some(truth(&other)),
            },
            dbfile: match reader.text("dbfile") {
                none if none.eq_ignore_ascii_case("none") || none.is_empty() => None,
                path => Some(PathBuf::from(path)),
            },
            dbpurgeage: reader.with("dbpurgeage", Span::from_secs(86_400), |text| {
                let age = duration::seconds(text).map_err(|e| e.to_string())?;
                if age.as_f64() < 0.0 {
                    return Err("expected a length of time of 0 or more".into());
                }
                Ok(age.span())
            }),
            dbmaxmatches: reader.matches(),
            native: truth(&reader.text("native")),
            keep_on_stop: truth(&reader.text("keep_on_stop")),
            ignoresshclient: truth(&reader.text("ignoresshclient")),
            metrics: Some(reader.text("metrics")).filter(|place| !place.is_empty()),
        };
        Self {
            options: reader.options,
            settings,
            complaints: reader.complaints,
        }
    }
}

/// Where a server option was last set.
pub(super) fn origin(merged: &Merged, name: &str) -> Origin {
    merged
        .own_origin(DEFINITION, name)
        .or_else(|| merged.own_origin(DEFAULT, name))
        .unwrap_or(Origin::Default)
}

struct Reader<'m> {
    merged: &'m Merged,
    options: Ordered<Item>,
    complaints: Vec<Complaint>,
}

impl Reader<'_> {
    fn read(&mut self, known: &Known) {
        let scope = Scope::new(self.merged, DEFINITION);
        let text = scope.option(known.name).unwrap_or_else(|error| {
            self.complaints.push(interpolation(&scope, &error));
            None
        });
        let Some(text) = text else {
            self.fall_back(known.name);
            return;
        };
        match item(known.name, known.kind, &text) {
            Ok(item) => self.options.set(known.name, item),
            Err(complaint) => {
                let here = Some(origin(self.merged, known.name));
                self.complaints.push(complaint.at(here));
                self.fall_back(known.name);
            }
        }
    }

    /// `[Thread] stacksize` is read and passed on, though rban has no use for it.
    fn stacksize(&mut self) {
        let scope = Scope::new(self.merged, "Thread");
        let size = scope.option("stacksize").ok().flatten();
        if let Some(size) = size.as_deref().and_then(int)
            && self.merged.has_section("Thread")
        {
            let thread = Item::Dict(vec![("stacksize".into(), Item::Int(size))]);
            self.options.set("thread", thread);
        }
    }

    fn fall_back(&mut self, name: &str) {
        self.options.remove(name);
        if let Some(default) = self.merged.own(BUILT_IN, name) {
            let kind = find(SERVER, name).map(|known| known.kind);
            if let Some(Ok(item)) = kind.map(|kind| item(name, kind, default)) {
                self.options.set(name, item);
            }
        }
    }

    fn text(&self, name: &str) -> String {
        self.options.get(name).map_or_else(String::new, Item::text)
    }

    /// Types an option; where that fails, its default.
    fn with<T>(&mut self, name: &str, last: T, read: impl Fn(&str) -> Result<T, String>) -> T {
        let text = self.text(name);
        read(&text).unwrap_or_else(|expected| {
            self.fall_back(name);
            let default = self.text(name);
            self.complaints.push(
                Complaint::error(
                    format!("{expected}, found {name} = '{}'", shown(&text)),
                    format!("correct it; {default} is used until then"),
                )
                .at(Some(origin(self.merged, name))),
            );
            read(&default).unwrap_or(last)
        })
    }

    fn matches(&mut self) -> usize {
        let Some(Item::Int(count)) = self.options.get("dbmaxmatches") else {
            return DBMAXMATCHES;
        };
        usize::try_from(*count).unwrap_or_else(|_| {
            self.complaints.push(
                Complaint::warning(
                    format!("expected dbmaxmatches of 0 or more, found {count}"),
                    "write dbmaxmatches = 10; 0 is used until then".into(),
                )
                .at(Some(origin(self.merged, "dbmaxmatches"))),
            );
            0
        })
    }
}

/// An octal mode that leaves the owner in; nothing is none.
fn mode(text: &str) -> Result<Option<u32>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && mode & 0o600 == 0o600 => Ok(Some(mode)),
        _ => Err("expected an octal mode such as 0700 or 0770".into()),
    }
}

/// `INFO` or a number of Python's; a number between two levels shows what the higher one shows.
fn level(text: &str) -> Result<Level, String> {
    const LEVELS: &[(&str, Level)] = &[
        ("HEAVYDEBUG", Level::HeavyDebug),
        ("TRACEDEBUG", Level::TraceDebug),
        ("DEBUG", Level::Debug),
        ("MSG", Level::Msg),
        ("INFO", Level::Info),
        ("NOTICE", Level::Notice),
        ("WARNING", Level::Warning),
        ("WARN", Level::Warning),
        ("ERROR", Level::Error),
        ("CRITICAL", Level::Critical),
        ("FATAL", Level::Critical),
    ];
    if let Ok(number) = text.parse::<u32>() {
        let at_least = LEVELS.iter().find(|(_, level)| *level as u32 >= number);
        return Ok(at_least.map_or(Level::Critical, |(_, level)| *level));
    }
    LEVELS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text))
        .map(|(_, level)| *level)
        .ok_or_else(|| "expected CRITICAL, ERROR, WARNING, NOTICE, INFO or DEBUG".into())
}
