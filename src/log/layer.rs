//! The way in: a `tracing` layer, and the call that sends the engine's records through it.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::Context;

use crate::model::{Level, Logger, Record};

use super::Log;

/// Writes every event to a [`Log`].
///
/// An event may carry `logger` (fail2ban's logger name) and `number` (fail2ban's level); without
/// them the module speaks for itself. Spans are not looked at.
#[derive(Debug)]
pub struct Layer {
    log: Log,
}

/// Sends a record on, with fail2ban's logger name and level as fields.
///
/// Before a subscriber is installed it goes to stderr, so that an error at the very start is seen.
pub fn emit(record: &Record) {
    if !tracing::dispatcher::has_been_set() {
        let message = super::entry::escape(&record.message);
        let _ = writeln!(io::stderr(), "rban: {} {message}", record.level);
        return;
    }
    macro_rules! event {
        ($level:ident) => {
            tracing::event!(
                target: "rban",
                tracing::Level::$level,
                logger = record.logger.name(),
                number = record.level as u64,
                "{}",
                record.message
            )
        };
    }
    match record.level {
        Level::Critical | Level::Error => event!(ERROR),
        Level::Warning => event!(WARN),
        Level::Notice | Level::Info | Level::Msg => event!(INFO),
        Level::Debug => event!(DEBUG),
        Level::TraceDebug | Level::HeavyDebug => event!(TRACE),
    }
}

/// Whose logger name an event without one gets: the first prefix of its module that fits.
const MODULES: &[(&str, Logger)] = &[
    ("rban::source", Logger::Filter),
    ("rban::filter", Logger::Filter),
    ("rban::date", Logger::DateDetector),
    ("rban::jail", Logger::Jail),
    ("rban::action", Logger::Actions),
    ("rban::store", Logger::Database),
    ("rban::config", Logger::Config),
    ("rban::protocol", Logger::Transmitter),
    ("rban::cli", Logger::Client),
    ("", Logger::Server),
];

impl Layer {
    pub fn new(log: Log) -> Self {
        Self { log }
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Layer {
    /// The level may change at any time, so no answer may be cached.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = fields.level.unwrap_or_else(|| level(*metadata.level()));
        if !self.log.wants(level) {
            return;
        }
        let logger = fields.logger.as_deref().unwrap_or_else(|| {
            let fits = |(prefix, _): &&(&str, _)| metadata.target().starts_with(prefix);
            let found = MODULES.iter().find(fits);
            found.map_or(Logger::Server, |(_, logger)| *logger).name()
        });
        self.log.write(level, logger, &fields.message);
    }
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warning,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::TraceDebug,
    }
}

/// Python's number back to a level.
const LEVELS: &[Level] = &[
    Level::HeavyDebug,
    Level::TraceDebug,
    Level::Debug,
    Level::Msg,
    Level::Info,
    Level::Notice,
    Level::Warning,
    Level::Error,
    Level::Critical,
];

/// What an event says; fields that are not ours follow the message as `name=value`.
#[derive(Default)]
struct Fields {
    message: String,
    logger: Option<String>,
    level: Option<Level>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a String cannot fail.
        if field.name() == "message" {
            let rest = std::mem::take(&mut self.message);
            let _ = write!(self.message, "{value:?}{rest}");
        } else {
            let _ = write!(self.message, " {}={value:?}", field.name());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "logger" => self.logger = Some(value.to_owned()),
            "message" => self.message.insert_str(0, value),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let level = LEVELS.iter().find(|level| **level as u64 == value);
        match level {
            Some(level) if field.name() == "number" => self.level = Some(*level),
            _ => self.record_debug(field, &value),
        }
    }
}
