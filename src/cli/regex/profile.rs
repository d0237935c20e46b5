//! `--profile`: the time each regular expression takes, and which engine it runs on.
//!
//! Each is searched alone in the texts that the filter searched, without the shortcuts by which a
//! filter skips most of them, so that they can be compared. Texts are kept for a while and searched
//! in one go: a single search is too short for the clock.

use std::io::{self, Write};
use std::ops::Range;

use crate::model::{Span, Time};
use crate::pattern::{Regex, Slots};

/// Bytes of texts kept before they are searched.
const KEPT: usize = 256 * 1024;

/// A regular expression and what it took.
struct Row {
    name: String,
    regex: Regex,
    took: Span,
    searches: u64,
    hits: u64,
}

pub(super) struct Profile {
    prefregex: Option<Row>,
    failregex: Vec<Row>,
    clock: fn() -> Time,
    texts: String,
    places: Vec<Range<usize>>,
    slots: Slots,
}

impl Profile {
    pub(super) fn new(
        prefregex: Option<Regex>,
        failregex: Vec<Regex>,
        clock: fn() -> Time,
    ) -> Self {
        let row = |name: String, regex| Row {
            name,
            regex,
            took: Span::ZERO,
            searches: 0,
            hits: 0,
        };
        let numbered = (1..).zip(failregex);
        Self {
            prefregex: prefregex.map(|regex| row("prefregex".to_owned(), regex)),
            failregex: numbered
                .map(|(number, regex)| row(format!("failregex {number}"), regex))
                .collect(),
            clock,
            texts: String::new(),
            places: Vec::new(),
            slots: Slots::new(),
        }
    }

    /// Takes a text the filter searched.
    pub(super) fn take(&mut self, text: &str) {
        let start = self.texts.len();
        self.texts.push_str(text);
        self.places.push(start..self.texts.len());
        if self.texts.len() >= KEPT {
            self.search();
        }
    }

    fn search(&mut self) {
        let (clock, slots) = (self.clock, &mut self.slots);
        let mut contents = String::new();
        let mut places = Vec::new();
        if let Some(row) = &mut self.prefregex {
            row.search(&self.texts, &self.places, clock, slots);
            let content = row.regex.group("content");
            for place in &self.places {
                let text = &self.texts[place.clone()];
                if !row.regex.search(text, slots) {
                    continue;
                }
                let left = content.and_then(|slot| slots.get(slot));
                let start = contents.len();
                match left.filter(|left| !left.is_empty()) {
                    Some(left) => {
                        contents.push_str(&text[left]);
                        contents.push('\n');
                    }
                    None => contents.push_str(text),
                }
                places.push(start..contents.len());
            }
        } else {
            std::mem::swap(&mut contents, &mut self.texts);
            std::mem::swap(&mut places, &mut self.places);
        }
        for row in &mut self.failregex {
            row.search(&contents, &places, clock, slots);
        }
        self.texts.clear();
        self.places.clear();
    }

    /// Prints the table, worst first.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn print(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.search();
        let mut rows: Vec<&Row> = self.prefregex.iter().chain(&self.failregex).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.took));
        writeln!(
            out,
            "Time per regular expression, each searched alone, worst first:"
        )?;
        writeln!(
            out,
            "|- {:>10} {:>9} {:>8} {:>8}  {:<7} which",
            "ms", "ns/search", "searches", "hits", "engine"
        )?;
        for row in rows {
            let took = row.took.as_secs_f64();
            let each = took * 1e9 / row.searches.max(1) as f64;
            // The one kind takes time by the text's length whatever it is; the other stops after a
            // number of steps.
            let engine = if row.regex.is_linear() {
                "linear"
            } else {
                "budget"
            };
            writeln!(
                out,
                "|  {:>10.3} {each:>9.0} {:>8} {:>8}  {engine:<7} {}: {}",
                took * 1e3,
                row.searches,
                row.hits,
                row.name,
                row.regex.resolved()
            )?;
        }
        writeln!(out, "`-")
    }
}

impl Row {
    fn search(
        &mut self,
        texts: &str,
        places: &[Range<usize>],
        clock: fn() -> Time,
        slots: &mut Slots,
    ) {
        let began = clock();
        for place in places {
            self.hits += u64::from(self.regex.search(&texts[place.clone()], slots));
        }
        let took = self.took.micros() + (clock() - began).micros();
        self.took = Span::from_micros(took);
        self.searches += places.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Options;

    #[test]
    fn each_expression_is_searched_in_what_prefregex_left() {
        let regex = |source| Regex::new(source, Options::default()).unwrap();
        let pre = regex("^x: <F-CONTENT>.+</F-CONTENT>$");
        let fail = vec![regex("^bad <HOST>$"), regex(r"^(a)\1")];
        let mut profile = Profile::new(Some(pre), fail, Time::default);
        for text in ["x: bad 192.0.2.1\n", "y: bad 192.0.2.1\n", "x: good\n"] {
            profile.take(text);
        }
        let mut out = Vec::new();
        profile.print(&mut out).unwrap();
        let counts = |row: &Row| (row.searches, row.hits);
        assert_eq!(counts(profile.prefregex.as_ref().unwrap()), (3, 2));
        assert_eq!(counts(&profile.failregex[0]), (2, 1));
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("linear  failregex 1: ^bad"), "{text}");
        assert!(text.contains(r"budget  failregex 2: ^(a)\1"), "{text}");
    }
}
