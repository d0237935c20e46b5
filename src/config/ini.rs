//! One file of fail2ban's ini dialect, lexed: Python's `configparser` as fail2ban sets it up.
//!
//! Sections and options keep their order and their line numbers. A bad line never loses the good
//! ones: it becomes a [`Fault`] that says what was expected and what to do. fail2ban gives up on
//! the whole start at the first of them; what a fault costs here is decided by whoever asked for
//! the file (a jail's section costs that jail, a filter's file the jails that use it).

use std::collections::HashMap;

use super::values::{is_space, shown, strip};

/// The section whose options every other section inherits.
pub(super) const DEFAULT: &str = "DEFAULT";

/// What one file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ini {
    /// In the order of their headers; `DEFAULT` may be written several times and is one.
    pub sections: Vec<Section>,
    pub faults: Vec<Fault>,
}

/// `[name]` and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// Case-sensitive, with its condition: `Init?family=inet6`.
    pub name: String,
    /// The header's line, from 1.
    pub line: u32,
    pub options: Vec<Opt>,
}

/// `name = value`, before any interpolation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opt {
    /// Lower-cased.
    pub name: String,
    /// Continuation lines are stripped and joined by a line feed.
    pub value: String,
    /// The name's line, from 1.
    pub line: u32,
    /// The line of each further line of the value.
    pub more: Vec<u32>,
}

/// A line that is not the dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub line: u32,
    /// The section it stands in, where it stands in one.
    pub section: Option<String>,
    pub problem: String,
    pub advice: String,
}

impl Ini {
    /// Reads a file's bytes.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text),
            Err(e) => {
                let good = String::from_utf8_lossy(&bytes[..e.valid_up_to()]);
                let mut ini = Self::default();
                ini.faults.push(Fault {
                    line: good.matches('\n').count() as u32 + 1,
                    section: None,
                    problem: "expected UTF-8 text, found other bytes".into(),
                    advice: "save the file as UTF-8; all of it is ignored until then".into(),
                });
                ini
            }
        }
    }

    /// Reads a file's text; a byte order mark is ignored.
    pub(super) fn parse(text: &str) -> Self {
        let mut lexer = Lexer::default();
        for (number, line) in lines(text.trim_start_matches('\u{feff}')).enumerate() {
            lexer.line(number as u32 + 1, line);
        }
        lexer.finish()
    }

    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }
}

impl Section {
    pub(super) fn option(&self, name: &str) -> Option<&Opt> {
        self.options.iter().find(|option| option.name == name)
    }
}

impl Opt {
    /// The line that the value's `index`th line stands on.
    pub(super) fn line_of(&self, index: usize) -> u32 {
        match index.checked_sub(1) {
            None => self.line,
            Some(index) => self.more.get(index).copied().unwrap_or(self.line),
        }
    }
}

/// Lines as Python's text files have them: ended by `\n`, `\r\n` or `\r`.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match memchr::memchr2(b'\n', b'\r', text.as_bytes()) {
            None => {
                rest = None;
                (!text.is_empty()).then_some(text)
            }
            Some(end) => {
                let after = if text[end..].starts_with("\r\n") {
                    2
                } else {
                    1
                };
                rest = Some(&text[end + after..]);
                Some(&text[..end])
            }
        }
    })
}

/// Where the next line would belong.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Before the first header.
    #[default]
    Before,
    /// After a header that cannot be used: nothing counts until the next one.
    Lost,
    In(usize),
}

/// What a deeper line would continue.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    /// The last option of the section.
    Last,
    /// A line already complained about; what continues it is part of it.
    Fault,
}

#[derive(Default)]
struct Lexer {
    ini: Ini,
    index: HashMap<String, usize>,
    place: Place,
    open: Open,
    indent: usize,
}

impl Lexer {
    fn line(&mut self, number: u32, line: &str) {
        let comment = comment_start(line);
        let text = strip(&line[..comment.unwrap_or(line.len())]);
        if text.is_empty() {
            if comment.is_none() {
                self.extend(number, "");
            }
            return;
        }
        let indent = line.chars().take_while(|&c| is_space(c)).count();
        if self.open != Open::Nothing && indent > self.indent {
            self.extend(number, text);
            return;
        }
        self.indent = indent;
        match header(text) {
            Some(name) => self.section(number, name),
            None => self.option(number, text),
        }
    }

    /// A further line of the option that is open.
    fn extend(&mut self, number: u32, text: &str) {
        let (Place::In(section), Open::Last) = (self.place, self.open) else {
            return;
        };
        if let Some(option) = self.ini.sections[section].options.last_mut() {
            option.value.push('\n');
            option.value.push_str(text);
            option.more.push(number);
        }
    }

    fn section(&mut self, number: u32, name: &str) {
        self.open = Open::Nothing;
        if let Some(&known) = self.index.get(name) {
            if name == DEFAULT {
                self.place = Place::In(known);
                return;
            }
            let first = self.ini.sections[known].line;
            self.place = Place::Lost;
            self.fault(
                number,
                Some(name),
                format!("expected each section once, found a second [{name}]"),
                format!("move its options to the [{name}] of line {first}"),
            );
            return;
        }
        let at = self.ini.sections.len();
        self.index.insert(name.to_owned(), at);
        self.ini.sections.push(Section {
            name: name.to_owned(),
            line: number,
            options: Vec::new(),
        });
        self.place = Place::In(at);
    }

    fn option(&mut self, number: u32, text: &str) {
        let section = match self.place {
            Place::Lost => return,
            Place::Before => {
                self.place = Place::Lost;
                self.fault(
                    number,
                    None,
                    format!(
                        "expected a [section] before the first option, found '{}'",
                        shown(text)
                    ),
                    "put a header such as [DEFAULT] or [sshd] above it".into(),
                );
                return;
            }
            Place::In(section) => section,
        };
        let Some((name, value)) = split_option(text) else {
            self.bad_line(number, section, text);
            return;
        };
        if name.is_empty() {
            self.bad_line(number, section, text);
            return;
        }
        let name = name.to_lowercase();
        let here = &mut self.ini.sections[section];
        if let Some(first) = here.option(&name) {
            let (line, section) = (first.line, here.name.clone());
            self.open = Open::Fault;
            self.fault(
                number,
                Some(&section),
                format!("expected each option once in a section, found a second '{name}'"),
                format!("remove this one or the one of line {line}, which counts"),
            );
            return;
        }
        here.options.push(Opt {
            name,
            value: value.to_owned(),
            line: number,
            more: Vec::new(),
        });
        self.open = Open::Last;
    }

    fn bad_line(&mut self, number: u32, section: usize, text: &str) {
        let name = self.ini.sections[section].name.clone();
        if text.starts_with('[') {
            self.place = Place::Lost;
            self.open = Open::Nothing;
            self.fault(
                number,
                Some(&name),
                format!("expected a [section] header, found '{}'", shown(text)),
                "close it with ]; what follows is ignored up to the next header".into(),
            );
            return;
        }
        self.open = Open::Fault;
        let advice = match text.split_once(is_space) {
            Some((word, rest)) if !word.is_empty() && !word.contains(['=', ':']) => {
                format!(
                    "write '{word} = {}', or # before a comment",
                    shown(strip(rest))
                )
            }
            _ => "write 'name = value', or # before a comment".into(),
        };
        self.fault(
            number,
            Some(&name),
            format!("expected 'name = value', found '{}'", shown(text)),
            advice,
        );
    }

    fn fault(&mut self, line: u32, section: Option<&str>, problem: String, advice: String) {
        self.ini.faults.push(Fault {
            line,
            section: section.map(str::to_owned),
            problem,
            advice,
        });
    }

    /// Blank lines at a value's end are not part of it.
    fn finish(mut self) -> Ini {
        for option in self.ini.sections.iter_mut().flat_map(|s| &mut s.options) {
            let kept = option.value.trim_end_matches(is_space).len();
            if kept < option.value.len() {
                let gone = option.value[kept..].matches('\n').count();
                option.value.truncate(kept);
                option.more.truncate(option.more.len() - gone);
            }
        }
        self.ini
    }
}

/// Where a comment begins: at the line's start for `#` and `;` lines, else at the first `;` after
/// white space.
fn comment_start(line: &str) -> Option<usize> {
    if line.trim_start_matches(is_space).starts_with(['#', ';']) {
        return Some(0);
    }
    memchr::memchr_iter(b';', line.as_bytes())
        .find(|&at| line[..at].chars().next_back().is_some_and(is_space))
}

/// The name in `[name]`; what follows the last `]` is ignored, as Python does.
fn header(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let end = inside.rfind(']')?;
    (end > 0).then(|| &inside[..end])
}

/// Splits at the first `=` or `:`.
fn split_option(text: &str) -> Option<(&str, &str)> {
    let at = memchr::memchr2(b'=', b':', text.as_bytes())?;
    Some((strip(&text[..at]), strip(&text[at + 1..])))
}

#[cfg(test)]
mod tests;
