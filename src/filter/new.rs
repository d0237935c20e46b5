//! A filter from its settings: everything compiled, or the part that is wrong named.

use super::error::{FilterError, Part, Reason};
use super::facts::Names;
use super::groups::Groups;
use super::session::Sessions;
use super::timing::Timing;
use super::{Counters, DateKey, Filter, Scratch};
use crate::date::{Detector, Zone};
use crate::model::{FilterSettings, JailSettings, Origin, UseDns};
use crate::pattern::{Options, Regex, RegexSet};

/// A regular expression must capture one of these, itself or its prefregex.
const ID_GROUPS: [&str; 5] = ["fid", "ip4", "ip6", "dns", "mlfid"];

/// How a filter reads its lines; what the jail adds to the filter's own settings.
#[derive(Clone, Debug)]
pub struct Reading<'a> {
    /// For messages.
    pub jail: &'a str,
    pub usedns: UseDns,
    pub logtimezone: Option<&'a str>,
    /// The zone of dates without one, where `logtimezone` says nothing.
    pub local: &'a Zone,
    /// The present year, which bounds the years looked for.
    pub year: i16,
}

impl Filter {
    /// The filter of a jail.
    pub fn for_jail(jail: &JailSettings, local: &Zone, year: i16) -> Result<Self, FilterError> {
        let reading = Reading {
            jail: &jail.name,
            usedns: jail.usedns,
            logtimezone: jail.logtimezone.as_deref(),
            local,
            year,
        };
        Self::new(&jail.filter, &reading)
    }

    /// A filter by itself.
    pub fn new(settings: &FilterSettings, reading: &Reading<'_>) -> Result<Self, FilterError> {
        let maxlines = settings.maxlines.max(1);
        let one = Options {
            multiline: false,
            addresses_only: reading.usedns == UseDns::No,
        };
        // Only failregex sees several lines at once, as in fail2ban.
        let several = Options {
            multiline: maxlines > 1,
            ..one
        };
        let prefregex = match settings.prefregex.as_deref() {
            None | Some("") => None,
            Some(source) => Some(compile(source, one, Part::Prefregex, None)?),
        };
        let failregex = compile_all(&settings.failregex, several, Part::Failregex)?;
        let ignoreregex = compile_all(&settings.ignoreregex, one, Part::Ignoreregex)?;
        let identified = prefregex.as_ref().is_some_and(captures_id);
        for (index, regex) in failregex.iter().enumerate() {
            if !identified && !captures_id(regex) {
                return Err(FilterError {
                    part: Part::Failregex(index),
                    origin: Some(settings.failregex[index].1.clone()),
                    reason: Reason::NoFailureId(regex.resolved().to_owned()),
                });
            }
        }
        let counters = Counters {
            hits: vec![0; failregex.len()],
            ignores: vec![0; ignoreregex.len()],
            ..Counters::default()
        };
        let mut names = Names::default();
        let groups = failregex
            .iter()
            .map(|regex| Groups::of(regex, &mut names))
            .collect();
        let prefregex = prefregex.map(|regex| {
            let groups = Groups::of(&regex, &mut names).without_content();
            (RegexSet::new(vec![regex]), groups)
        });
        Ok(Self {
            jail: reading.jail.into(),
            usedns: reading.usedns,
            thorough: false,
            tells_helpers: false,
            brief: false,
            maxlines,
            groups,
            prefregex,
            names,
            failregex: RegexSet::new(failregex),
            ignoreregex: RegexSet::new(ignoreregex),
            detector: detector(settings, reading)?,
            dates_given_up: 0,
            date_key: DateKey {
                datepattern: settings.datepattern.clone(),
                logtimezone: reading.logtimezone.map(str::to_owned),
            },
            timing: Timing::default(),
            sessions: Sessions::default(),
            buffer: Vec::new(),
            counters,
            scratch: Scratch::default(),
        })
    }
}

fn detector(settings: &FilterSettings, reading: &Reading<'_>) -> Result<Detector, FilterError> {
    let fail = |part| {
        move |error| FilterError {
            part,
            origin: None,
            reason: Reason::Date(error),
        }
    };
    let zone = match reading.logtimezone {
        Some(text) => reading
            .local
            .with_offset(text)
            .map_err(fail(Part::Logtimezone))?,
        None => reading.local.clone(),
    };
    Detector::new(settings.datepattern.as_deref(), &zone, reading.year)
        .map_err(fail(Part::Datepattern))
}

fn compile_all(
    sources: &[(String, Origin)],
    options: Options,
    part: fn(usize) -> Part,
) -> Result<Vec<Regex>, FilterError> {
    sources
        .iter()
        .enumerate()
        .map(|(index, (source, origin))| compile(source, options, part(index), Some(origin)))
        .collect()
}

fn compile(
    source: &str,
    options: Options,
    part: Part,
    origin: Option<&Origin>,
) -> Result<Regex, FilterError> {
    Regex::new(source, options).map_err(|error| FilterError {
        part,
        origin: origin.cloned(),
        reason: Reason::Pattern(error),
    })
}

fn captures_id(regex: &Regex) -> bool {
    regex
        .groups()
        .iter()
        .any(|(name, _)| ID_GROUPS.contains(&&**name))
}
