//! What LOG is: a file, standard input, or a text that is itself the lines.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use super::Stop;
use super::setup::{Tool, Tried};
use super::subject::shortened;
use crate::cli::World;
use crate::config::Spec;
use crate::protocol::Charset;
use crate::source::Encoding;
use crate::source::journal::{JournalMatch, JournalPlace};

/// Lines of a text that are shown of it.
const TEXT_SHOWN: usize = 5;

/// Where lines come from.
pub(super) enum Log {
    File(File, Encoding),
    /// Standard input.
    Input(Encoding),
    Text(String),
    Journal(JournalPlace, JournalMatch),
}

/// Opens LOG and tells what it is.
pub(super) fn open(tool: &Tool<'_>, tried: &Tried, world: &mut World<'_>) -> Result<Log, Stop> {
    let log = &tool.options.words[0];
    let input = log == "-";
    if input || is_file(Path::new(log)) {
        let encoding = encoding(tool, world)?;
        let name = encoding.name();
        if input {
            tool.tell(world, "Use   standard input");
            tool.tell(world, &format!("Use         encoding : {name}"));
            return Ok(Log::Input(encoding));
        }
        let file = File::open(log).map_err(|error| tool.fail(world, &unopened(&error, log)))?;
        tool.tell(world, &format!("Use         log file : {log}"));
        tool.tell(world, &format!("Use         encoding : {name}"));
        return Ok(Log::File(file, encoding));
    }
    if is_journal(log) {
        return journal(tool, tried, world);
    }
    if tried.settings.maxlines <= 1 && !log.contains('\n') {
        let text = shortened(log);
        tool.tell(world, &format!("Use      single line : {text}"));
    } else {
        tell_lines(tool, log, world);
    }
    Ok(Log::Text(log.clone()))
}

/// Whether LOG is the systemd journal, with the options that a backend takes.
pub(super) fn is_journal(log: &str) -> bool {
    log.starts_with("systemd-journal")
}

fn journal(tool: &Tool<'_>, tried: &Tried, world: &mut World<'_>) -> Result<Log, Stop> {
    let spec = Spec::parse(&tool.options.words[0]).map_err(|error| error.to_string());
    let place = spec.and_then(|spec| JournalPlace::with_options(&spec.options));
    let place = place.map_err(|why| tool.fail(world, &format!("ERROR: {why}")))?;
    let matches = &tried.settings.journalmatch;
    let expression =
        JournalMatch::parse(matches).map_err(|why| tool.fail(world, &format!("ERROR: {why}")))?;
    let encoding = encoding(tool, world)?;
    tool.tell(world, "Use         systemd journal");
    tool.tell(
        world,
        &format!("Use         encoding : {}", encoding.name()),
    );
    if !matches.is_empty() {
        let lines: Vec<String> = matches.iter().map(|words| words.join(" ")).collect();
        tool.tell(
            world,
            &format!("Use    journal match : {}", lines.join(" ")),
        );
    }
    Ok(Log::Journal(place, expression))
}

fn tell_lines(tool: &Tool<'_>, text: &str, world: &mut World<'_>) {
    let lines: Vec<&str> = text.split('\n').collect();
    tool.tell(
        world,
        &format!("Use      multi line : {} line(s)", lines.len()),
    );
    for (place, line) in lines.iter().enumerate() {
        if place == TEXT_SHOWN {
            tool.tell(world, "| ...");
            break;
        }
        tool.tell(world, &format!("| {:>2}: {}", place + 1, shortened(line)));
    }
    tool.tell(world, "`-");
}

/// A file, or what a shell puts in the place of one: `<(journalctl)`.
fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| {
        let kind = found.file_type();
        kind.is_file() || kind.is_fifo() || kind.is_char_device()
    })
}

/// How the log is encoded: as asked for, else as the locale says.
fn encoding(tool: &Tool<'_>, world: &mut World<'_>) -> Result<Encoding, Stop> {
    let name = match &tool.options.encoding {
        Some(name) => name.clone(),
        None => match world.charset() {
            Charset::Utf8 => "UTF-8".to_owned(),
            Charset::Ascii => "ISO-8859-1".to_owned(),
        },
    };
    Encoding::named(&name).map_err(|_| {
        let why = format!(
            "ERROR: unknown encoding: {name}; use a Python codec name such as utf-8, latin-1 or \
             cp1252"
        );
        tool.fail(world, &why)
    })
}

/// An error as Python shows it.
fn unopened(error: &io::Error, path: &str) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    match error.raw_os_error() {
        Some(number) => format!("[Errno {number}] {text}: '{path}'"),
        None => format!("{text}: '{path}'"),
    }
}
