//! The templates a `datepattern` means, and what fail2ban logs about them.

use std::sync::{Arc, Mutex, PoisonError};

use super::describe::Said;
use super::error::DateError;
use super::formats::{FORMATS, Format, WEIGHT_AT_LINE_BEGIN};
use super::template::{self, LINE_BEGIN, Template};

/// A detector's templates as set, before any line is seen.
#[derive(Debug, Default)]
pub(super) struct Templates {
    pub(super) list: Vec<Arc<Template>>,
    pub(super) said: Vec<Said>,
    /// What each template of the list that stands alone on its line is looked up by.
    keys: Vec<(usize, String)>,
}

impl Templates {
    /// One template per line of `datepattern`; the defaults where that leaves none.
    pub(super) fn new(datepattern: Option<&str>, year: i16) -> Result<Self, DateError> {
        let mut templates = Self::default();
        for pattern in datepattern.unwrap_or_default().lines() {
            let pattern = pattern.trim();
            if !pattern.is_empty() {
                templates.add(pattern, year)?;
            }
        }
        if templates.list.is_empty() {
            templates.list = defaults(year);
            templates.said.push(Said::DefaultsLater {
                count: templates.list.len(),
            });
        }
        Ok(templates)
    }

    fn add(&mut self, pattern: &str, year: i16) -> Result<(), DateError> {
        let key = template::key(pattern);
        match key.as_str() {
            LINE_BEGIN => {
                self.weigh();
                let line_begin = defaults(year).into_iter().filter(|one| one.line_begin);
                let count = self.add_missing(line_begin);
                self.said.push(Said::Filtered { count });
            }
            // fail2ban's filter lets none through; alone it leads to the defaults after all.
            "{DEFAULT}" => {
                self.weigh();
                self.said.push(Said::Filtered { count: 0 });
            }
            "{NONE}" => self.add_pattern("{UNB}^", year)?,
            key if key.contains("{DATE}") => self.add_dates(pattern, year)?,
            _ => self.add_pattern(pattern, year)?,
        }
        Ok(())
    }

    fn add_pattern(&mut self, pattern: &str, year: i16) -> Result<(), DateError> {
        let template = Template::new(pattern, year)?;
        template.check()?;
        self.said.push(Said::Pattern {
            index: self.list.len(),
        });
        self.keys.push((self.list.len(), template::key(pattern)));
        self.push(template)
    }

    /// What is written just like a default's copy for the line's begin is that copy to fail2ban,
    /// with its weight, once the defaults are asked for.
    fn weigh(&mut self) {
        for (index, key) in &self.keys {
            let is_copy = |pattern: &str| key.strip_prefix(LINE_BEGIN) == Some(pattern);
            let template = self.list.get_mut(*index).and_then(Arc::get_mut);
            if let Some(template) = template
                && at_line_begin().any(|format| is_copy(format.pattern))
            {
                template.weight = WEIGHT_AT_LINE_BEGIN;
            }
        }
    }

    /// `{DATE}`: the pattern once with each of the default formats.
    fn add_dates(&mut self, pattern: &str, year: i16) -> Result<(), DateError> {
        let first = self.list.is_empty();
        for format in FORMATS {
            let default = Template::new(format.pattern, year)?;
            let date = match &default.pattern {
                Some(pattern) => template::unbound(pattern),
                None => template::unbound(&default.name),
            };
            let template = Template::new(&template::embed_date(pattern, date), year)?;
            template.check()?;
            if first {
                self.push(template)?;
            } else {
                self.add_missing(std::iter::once(Arc::new(template)));
            }
        }
        self.said.push(Said::Dates {
            pattern: pattern.into(),
            count: FORMATS.len(),
        });
        Ok(())
    }

    fn push(&mut self, template: Template) -> Result<(), DateError> {
        if self.list.iter().any(|other| other.name == template.name) {
            return Err(DateError::Twice {
                name: template.name,
            });
        }
        self.list.push(Arc::new(template));
        Ok(())
    }

    /// Adds those whose names are new; returns how many were offered.
    fn add_missing(&mut self, templates: impl Iterator<Item = Arc<Template>>) -> usize {
        let mut count = 0;
        for template in templates {
            count += 1;
            if !self.list.iter().any(|other| other.name == template.name) {
                self.list.push(template);
            }
        }
        count
    }
}

/// The default templates: for the line's begin first, then all as they are. They are made once and
/// shared, with their compiled regular expressions; the year changes only what `%ExY` accepts.
fn defaults(year: i16) -> Vec<Arc<Template>> {
    static MADE: Mutex<Option<(i16, Vec<Arc<Template>>)>> = Mutex::new(None);
    let decades = *super::tokens::decades(year).end();
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    match &*made {
        Some((known, list)) if *known == decades => list.clone(),
        _ => {
            let list = make_defaults(year);
            *made = Some((decades, list.clone()));
            list
        }
    }
}

/// The formats that are also tried at the line's begin, by a copy.
fn at_line_begin() -> impl Iterator<Item = &'static Format> {
    FORMATS.iter().filter(|format| {
        !format.pattern.starts_with(LINE_BEGIN) && !format.pattern.starts_with('^')
    })
}

fn make_defaults(year: i16) -> Vec<Arc<Template>> {
    let make = |pattern: &str, needs| {
        let mut template = Template::new(pattern, year).ok()?;
        template.needs = needs;
        Some(template)
    };
    let copies = at_line_begin().filter_map(|format| {
        let mut copy = make(&format!("{LINE_BEGIN}{}", format.pattern), format.needs)?;
        copy.weight = WEIGHT_AT_LINE_BEGIN;
        Some(copy)
    });
    let originals = FORMATS
        .iter()
        .filter_map(|format| make(format.pattern, format.needs));
    copies.chain(originals).map(Arc::new).collect()
}

#[cfg(test)]
mod tests;
