//! Which template finds the date of a line, and in which order they are asked.
//!
//! The order is fail2ban's: the last one that matched comes first, and templates that match rise.
//! A log whose dates all look alike is read by one template; in a mixed one, the order decides
//! between dates in one line, so it is kept exactly.

use std::ops::Range;

use super::fields;
use super::formats::DEFAULTS;
use super::template::{Kind, Template};
use super::{DateError, Found, Zone};
use crate::model::{Span, Time};
use crate::pattern::Slots;

/// How long a template may be unused before another may overtake it.
const UNUSED: Span = Span::from_secs(300);

/// A template and what is remembered of it.
#[derive(Debug)]
struct Known {
    template: Template,
    /// Its place in the list as made; it stays when the list is reordered.
    number: usize,
    /// Lines it won.
    hits: u64,
    /// Lines it matched at all.
    matched: u64,
    used: Time,
    /// Where its date began last.
    distance: usize,
}

impl Known {
    fn weight(&self) -> f64 {
        self.hits as f64 * self.template.weight / self.distance.max(1) as f64
    }
}

/// A match, and where it was.
#[derive(Clone, Debug)]
struct Hit {
    place: usize,
    span: Range<usize>,
}

/// The border of the last match: the characters around and within.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Edge {
    outside: Option<char>,
    inside: Option<char>,
}

/// Finds the dates of a log's lines.
#[derive(Debug)]
pub struct Detector {
    templates: Vec<Known>,
    zone: Zone,
    last: Option<usize>,
    span: Range<usize>,
    begin: Edge,
    end: Edge,
    first_unused: usize,
    slots: Slots,
    best: Slots,
    cache: Option<Cached>,
}

/// The last date read, since lines repeat their second.
#[derive(Debug)]
struct Cached {
    number: usize,
    text: String,
    time: Option<Time>,
    /// The minute it was read in: guesses at what is missing depend on the present.
    minute: i64,
}

impl Detector {
    /// From `datepattern`, one template a line; without one all default formats are tried. The year
    /// bounds what `%ExY` takes for a year.
    ///
    /// # Errors
    /// When a pattern does not compile, holds an unknown token, or stands there twice.
    pub fn new(datepattern: Option<&str>, zone: &Zone, year: i16) -> Result<Self, DateError> {
        let mut templates = Vec::new();
        for line in datepattern.unwrap_or_default().lines() {
            add(&mut templates, line.trim(), year)?;
        }
        if templates.is_empty() {
            templates = with_anchored(year)?;
        }
        let known = |(number, template)| Known {
            template,
            number,
            hits: 0,
            matched: 0,
            used: Time::default(),
            distance: usize::MAX,
        };
        Ok(Self {
            templates: templates.into_iter().enumerate().map(known).collect(),
            zone: zone.clone(),
            last: None,
            span: 1..usize::MAX,
            begin: Edge::default(),
            end: Edge::default(),
            first_unused: 0,
            slots: Slots::new(),
            best: Slots::new(),
            cache: None,
        })
    }

    /// The number of templates.
    pub fn len(&self) -> usize {
        self.templates.len()
    }

    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// Pattern and name, where one template or two were asked for; `None`: the defaults.
    pub fn pattern(&self) -> Option<(Option<&str>, &str)> {
        if self.templates.len() > 2 {
            return None;
        }
        let first = self.templates.iter().find(|known| known.number == 0)?;
        Some((first.template.pattern.as_deref(), &first.template.name))
    }

    /// Each template's name and the lines it won, in the order of making.
    pub fn hits(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<&Known> = self.templates.iter().collect();
        all.sort_by_key(|known| known.number);
        all.into_iter()
            .map(|known| (known.template.name.as_str(), known.hits))
            .collect()
    }

    /// Finds a line's date.
    pub fn find(&mut self, line: &str, now: Time) -> Option<Found> {
        let hit = self.search(line)?;
        let place = self.won(line, &hit, now);
        let known = &self.templates[place];
        let number = known.number;
        let cut = self.best.get(1).unwrap_or_else(|| hit.span.clone());
        if known.template.kind == Kind::Nothing || cut.is_empty() {
            return Some(Found {
                cut,
                time: None,
                template: number,
            });
        }
        let minute = now.secs().div_euclid(60);
        let text = &line[hit.span.clone()];
        let repeated = self.cache.as_ref().filter(|cached| {
            cached.number == number && cached.minute == minute && cached.text == text
        });
        if let Some(cached) = repeated {
            return Some(Found {
                cut,
                time: cached.time,
                template: number,
            });
        }
        let time = match known.template.kind {
            Kind::Nothing => None,
            Kind::Fields => {
                fields::moment(known.template.regex(), &self.best, line, &self.zone, now)
            }
            Kind::Epoch { group, long } => self
                .best
                .get(group)
                .and_then(|range| fields::epoch(&line[range], long)),
            Kind::Tai64n => fields::tai64n(&line[cut.clone()]),
        };
        let cached = self.cache.get_or_insert_with(|| Cached {
            number,
            text: String::new(),
            time: None,
            minute,
        });
        (cached.number, cached.time, cached.minute) = (number, time, minute);
        cached.text.clear();
        cached.text.push_str(text);
        Some(Found {
            cut,
            time,
            template: number,
        })
    }

    /// The match to take; its groups are left in `best`.
    fn search(&mut self, line: &str) -> Option<Hit> {
        let mut reserve: Option<Hit> = None;
        let mut skip = None;
        if let Some(place) = self.last {
            let anchored = self.templates[place].template.anchored;
            let whole = anchored || !self.same_borders(line);
            if whole {
                skip = Some(place);
            }
            let part = if whole {
                0..line.len()
            } else {
                self.span.clone()
            };
            if let Some(hit) = self.try_one(place, line, part) {
                if self.templates.len() == 1 || anchored || hit.span == self.span {
                    std::mem::swap(&mut self.slots, &mut self.best);
                    return Some(hit);
                }
                std::mem::swap(&mut self.slots, &mut self.best);
                reserve = Some(hit);
            }
        }
        let count = self.templates.len();
        for place in (0..count).filter(|place| Some(*place) != skip) {
            let Some(hit) = self.try_one(place, line, 0..line.len()) else {
                continue;
            };
            let known = &self.templates[place];
            let start = hit.span.start;
            let next_unused = self
                .templates
                .get(place + 1)
                .is_some_and(|next| next.matched == 0);
            let last = place + 1 == count;
            let settled = last
                || known.template.anchored
                || start == 0 && known.hits > 0 && next_unused
                || start <= known.distance && start <= self.span.start;
            let nearer = reserve.as_ref().is_none_or(|best| start < best.span.start);
            if settled || nearer {
                std::mem::swap(&mut self.slots, &mut self.best);
            }
            if settled {
                return Some(hit);
            }
            // Further off than usual: it may be a date in the message. Remember the nearest.
            if nearer {
                reserve = Some(hit);
            }
        }
        reserve
    }

    fn try_one(&mut self, place: usize, line: &str, part: Range<usize>) -> Option<Hit> {
        let known = &mut self.templates[place];
        if !known
            .template
            .search(&line[..part.end], part.start, &mut self.slots)
        {
            return None;
        }
        known.matched += 1;
        Some(Hit {
            place,
            span: self.slots.span(),
        })
    }

    /// Whether the last span has the same borders in this line, so that only it needs searching.
    fn same_borders(&self, line: &str) -> bool {
        let Range { start, end } = self.span;
        if end > line.len() || !line.is_char_boundary(start) || !line.is_char_boundary(end) {
            return false;
        }
        let (begin, close) = (begin_edge(line, start), end_edge(line, end));
        let agrees = |now: Edge, then: Edge| {
            now.outside == then.outside
                || now.inside == then.inside
                    && then.inside.is_some_and(|inside| !inside.is_alphanumeric())
        };
        agrees(begin, self.begin) && agrees(close, self.end)
    }

    /// Notes a win and lets the winner rise; returns its place afterwards.
    fn won(&mut self, line: &str, hit: &Hit, now: Time) -> usize {
        let known = &mut self.templates[hit.place];
        known.hits += 1;
        known.used = now;
        known.distance = hit.span.start;
        if self.first_unused == hit.place {
            self.first_unused += 1;
        }
        self.span = hit.span.clone();
        self.begin = begin_edge(line, hit.span.start);
        self.end = end_edge(line, hit.span.end);
        let mut place = hit.place;
        if place > 0 && self.last != Some(place) {
            place = self.rise(place);
        }
        self.last = Some(place);
        place
    }

    fn rise(&mut self, from: usize) -> usize {
        let weight = self.templates[from].weight();
        let unused_since = self.templates[from].used - UNUSED;
        let may_pass = |known: &Known| weight > known.weight() || unused_since > known.used;
        let mut to = if self.first_unused < from {
            self.first_unused
        } else {
            from / 2
        };
        if !may_pass(&self.templates[to]) {
            if to == from - 1 {
                return from;
            }
            to = from - 1;
            if !may_pass(&self.templates[to]) {
                return from;
            }
        }
        let known = self.templates.remove(from);
        self.templates.insert(to, known);
        while self
            .templates
            .get(self.first_unused)
            .is_some_and(|known| known.hits > 0)
        {
            self.first_unused += 1;
        }
        to
    }
}

fn begin_edge(line: &str, at: usize) -> Edge {
    Edge {
        outside: line[..at].chars().next_back(),
        inside: line[at..].chars().next(),
    }
}

fn end_edge(line: &str, at: usize) -> Edge {
    Edge {
        outside: line[at..].chars().next(),
        inside: line[..at].chars().next_back(),
    }
}

/// Adds what one line of `datepattern` stands for.
fn add(templates: &mut Vec<Template>, line: &str, year: i16) -> Result<(), DateError> {
    let key = if line.contains('%') {
        line.to_owned()
    } else {
        line.to_uppercase()
    };
    match key.as_str() {
        // `{DEFAULT}` adds nothing, and nothing at all is the defaults.
        "" | "{DEFAULT}" => return Ok(()),
        "{^LN-BEG}" => {
            let all = with_anchored(year)?;
            let repeated = !templates.is_empty();
            for template in all.into_iter().filter(|template| template.line_begin) {
                if !repeated || templates.iter().all(|known| known.name != template.name) {
                    templates.push(template);
                }
            }
            return Ok(());
        }
        _ if key.contains("{DATE}") => {
            let repeated = !templates.is_empty();
            for format in DEFAULTS {
                let template = Template::new(format.pattern, year)?.within(line, year)?;
                template.check()?;
                if repeated && templates.iter().any(|known| known.name == template.name) {
                    continue;
                }
                push(templates, template)?;
            }
            return Ok(());
        }
        _ => {}
    }
    let template = Template::new(line, year)?;
    template.check()?;
    push(templates, template)
}

fn push(templates: &mut Vec<Template>, template: Template) -> Result<(), DateError> {
    if templates.iter().any(|known| known.name == template.name) {
        return Err(DateError::Twice(template.name));
    }
    templates.push(template);
    Ok(())
}

/// The defaults: first those bound to the beginning of a line, then all.
fn with_anchored(year: i16) -> Result<Vec<Template>, DateError> {
    let mut plain = Vec::with_capacity(DEFAULTS.len());
    for format in DEFAULTS {
        plain.push(Template::new(format.pattern, year)?);
    }
    let mut all = Vec::with_capacity(2 * DEFAULTS.len());
    for template in &plain {
        all.extend(template.at_line_begin(year)?);
    }
    all.extend(plain);
    Ok(all)
}

#[cfg(test)]
mod tests;
