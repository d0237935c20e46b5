//! `-o`: just the failures, each as a word, a row, or a text with tags.

use std::io::{self, Write};

use super::judge::{Judge, Match, Shown};
use super::python;
use super::rows::Rows;
use crate::model::{Captured, Datum, Failure, MatchedLine};
use crate::pattern::Regex;

/// How failures are printed.
#[derive(Debug)]
pub(super) enum Form {
    /// fail2ban's ID.
    Id,
    /// The address.
    Ip,
    /// The lines that matched.
    Msg,
    /// ID, time and data as a Python list.
    Row,
    /// One captured value.
    Word(String),
    /// A text with tags.
    Text(String),
}

impl Form {
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "id" | "fid" => Self::Id,
            "ip" => Self::Ip,
            "msg" => Self::Msg,
            "row" => Self::Row,
            text if text.contains('<') => Self::Text(text.to_owned()),
            word => Self::Word(word.to_owned()),
        }
    }
}

/// Prints failures.
pub(super) struct Printer {
    form: Form,
    rows: Rows,
}

impl Printer {
    pub(super) fn new(form: Form, prefregex: Option<&Regex>, failregex: &[Regex]) -> Self {
        Self {
            form,
            rows: Rows::new(prefregex, failregex),
        }
    }

    /// Rows follow sessions, also through lines that are no failures.
    pub(super) fn shows_rows(&self) -> bool {
        matches!(self.form, Form::Row)
    }

    pub(super) fn shows_times(&self) -> bool {
        match &self.form {
            Form::Row => true,
            Form::Text(text) => text.contains("<time>") || text.contains("<raw-ticket>"),
            Form::Id | Form::Ip | Form::Msg | Form::Word(_) => false,
        }
    }

    /// Prints what was found in a line; `false` when that was nothing.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn print(&mut self, judge: &Judge, out: &mut dyn Write) -> io::Result<bool> {
        let mut any = false;
        for found in judge.matches() {
            let names = match &self.form {
                Form::Row => self.rows.names(found.regex(), found.data()),
                _ => Vec::new(),
            };
            let Match::Failure(failure) = found else {
                continue;
            };
            any = true;
            match &self.form {
                Form::Id => writeln!(out, "{}", failure.id)?,
                Form::Ip => writeln!(out, "{}", address(failure))?,
                Form::Msg => {
                    for line in &failure.lines {
                        writeln!(out, "{}", line.text)?;
                    }
                }
                Form::Row => writeln!(out, "{}", row(failure, &names, judge.time()))?,
                Form::Word(name) => writeln!(out, "{}", word(failure, name))?,
                Form::Text(text) => print_text(text, failure, judge.time(), out)?,
            }
        }
        Ok(any)
    }
}

fn row(failure: &Failure, names: &[String], time: Option<Shown>) -> String {
    let id = python::quoted(&failure.id.to_string());
    let time = time.map_or_else(|| "None".to_owned(), seconds);
    let mut pairs: Vec<String> = names
        .iter()
        .map(|name| {
            let value = failure.data.get(name);
            let value = value.map_or_else(|| "None".to_owned(), |datum| python::datum(name, datum));
            format!("{}: {value}", python::quoted(name))
        })
        .collect();
    if let Some(ip) = &failure.ip {
        pairs.push(format!("'ip': '{ip}'"));
    }
    format!("[{id},\t{time},\t{{{}}}],", pairs.join(", "))
}

/// Seconds as Python shows them: dates that say their zone are whole numbers, others floats.
fn seconds(shown: Shown) -> String {
    match shown.whole {
        true => shown.time.secs().to_string(),
        false => format!("{:?}", shown.time.as_secs_f64()),
    }
}

fn address(failure: &Failure) -> String {
    failure
        .ip
        .map_or_else(|| failure.id.to_string(), |ip| ip.to_string())
}

/// A captured value as Python prints it.
fn word(failure: &Failure, name: &str) -> String {
    match name {
        "matches" => return matches(&failure.lines),
        "ip" => return address(failure),
        _ => {}
    }
    match failure.data.get(name) {
        Some(Datum::Text(text)) => text.clone(),
        Some(list) => python::datum(name, list),
        None => "None".to_owned(),
    }
}

/// Matched lines as Python shows a list of tuples.
fn matches(lines: &[MatchedLine]) -> String {
    let tuples: Vec<String> = lines
        .iter()
        .map(|line| {
            let (start, end) = line.date.map_or((0, 0), |(s, e)| (s as usize, e as usize));
            let parts = [
                &line.text[..start],
                &line.text[start..end],
                &line.text[end..],
            ];
            let parts: Vec<String> = parts.iter().map(|part| python::quoted(part)).collect();
            format!("({})", parts.join(", "))
        })
        .collect();
    format!("[{}]", tuples.join(", "))
}

/// A text with its tags replaced; with several lines and `<msg>`, once for each.
fn print_text(
    text: &str,
    failure: &Failure,
    time: Option<Shown>,
    out: &mut dyn Write,
) -> io::Result<()> {
    // Without a date it is now.
    let time = time.unwrap_or(Shown {
        time: failure.time,
        whole: false,
    });
    let line = |message: &str| {
        let mut line = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('<') {
            line.push_str(&rest[..at]);
            rest = &rest[at..];
            let tag = rest.find('>').map(|end| &rest[1..end]);
            let value = tag.and_then(|tag| match tag {
                "msg" => Some(message.to_owned()),
                tag => tag_value(tag, failure, time).map(|value| value.replace('\0', "\\x00")),
            });
            match (tag, value) {
                (Some(tag), Some(value)) => {
                    line.push_str(&value);
                    rest = &rest[tag.len() + 2..];
                }
                _ => {
                    line.push('<');
                    rest = &rest[1..];
                }
            }
        }
        line.push_str(rest);
        line
    };
    if !text.contains("<msg>") || failure.lines.len() <= 1 {
        let message = failure.lines.first().map_or("", |line| &*line.text);
        return writeln!(out, "{}", line(message));
    }
    for one in &failure.lines {
        writeln!(out, "{}", line(&one.text))?;
    }
    Ok(())
}

/// The tags that mean something without a jail; others stay as they are.
fn tag_value(tag: &str, failure: &Failure, time: Shown) -> Option<String> {
    if let Some(name) = tag.strip_prefix("F-") {
        return Some(match name {
            "*" => {
                let mut data: Captured = failure.data.clone();
                data.remove("mlfforget");
                let pairs: Vec<String> = data
                    .iter()
                    .map(|(name, datum)| {
                        format!("{}: {}", python::quoted(name), python::datum(name, datum))
                    })
                    .collect();
                let lines = matches(&failure.lines);
                format!(
                    "{{'matches': {lines}, 'failures': 0, {}}}",
                    pairs.join(", ")
                )
            }
            name if name.chars().any(char::is_lowercase) => return None,
            name => match (word(failure, &name.to_lowercase()), name) {
                (_, "IP") if failure.ip.is_none() => String::new(),
                (value, "MATCHES") => value,
                (_, name) if !failure.data.contains_key(&name.to_lowercase()) => String::new(),
                (value, _) => value,
            },
        });
    }
    let network = failure.ip.as_ref().or_else(|| failure.id.network());
    Some(match tag {
        "ip" => address(failure),
        "fid" => failure.id.to_string(),
        "family" => network.map_or_else(String::new, |network| network.family().name().to_owned()),
        "ip-rev" => network.map_or_else(String::new, |network| reversed(network.address())),
        "ip-host" => "None".to_owned(),
        "time" => seconds(time),
        "failures" | "restored" | "bancount" => "0".to_owned(),
        "matches" => {
            let lines: Vec<&str> = failure.lines.iter().map(|line| &*line.text).collect();
            lines.join("\n")
        }
        "raw-ticket" => format!(
            "BanTicket: ip={} time={} bantime=None bancount=0 #attempts=0 matches={}",
            failure.id,
            seconds(time),
            matches(&failure.lines)
        ),
        "br" => "\n".to_owned(),
        "sp" => " ".to_owned(),
        _ => return None,
    })
}

/// An address in the order the DNS looks it up, with a final dot.
fn reversed(address: std::net::IpAddr) -> String {
    match address {
        std::net::IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.")
        }
        std::net::IpAddr::V6(address) => address
            .octets()
            .iter()
            .rev()
            .map(|byte| format!("{:x}.{:x}.", byte & 15, byte >> 4))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_reversed_for_the_dns() {
        assert_eq!(reversed("192.0.2.6".parse().unwrap()), "6.2.0.192.");
        let six = reversed("2001:db8::5".parse().unwrap());
        assert!(
            six.starts_with("5.0.0.0.") && six.ends_with("8.b.d.0.1.0.0.2."),
            "{six}"
        );
    }
}
