//! Why somebody is banned, or is not: `rban why ADDRESS` (docs/json.md has the answer's shape).
//!
//! The daemon's thread only says what it knows. What takes time (compiling a filter to see which
//! regex a line matched, `ignorecommand`, the firewall's programs, the database) is done by a thread
//! of its own, which answers the client.

use std::sync::Arc;
use std::time::Duration;

use super::clock;
use super::ending::Outcome;
use super::keeper::Asker;
use super::report::{dict, text};
use super::shared::Numbers;
use super::state::Daemon;
use crate::action::{Probe, Standing, WayIn};
use crate::date::Zone;
use crate::filter::{Dated, Entry, Filter, Moment, Part, Verdict};
use crate::jail::{Counting, Excuse, Excuses, Ticket};
use crate::model::{Ban, Captured, FailId, Failure, JailSettings, MatchedLine, Time};
use crate::protocol::Value;
use crate::store::PastBan;

/// How long the database may take to say who was banned before.
const HISTORY: Duration = Duration::from_secs(5);

/// What a jail knows of somebody.
struct Case {
    settings: JailSettings,
    bans: Vec<Arc<Ban>>,
    failing: Option<Ticket>,
    excuses: Excuses,
    counting: Counting,
    probes: Vec<Probe>,
    numbers: Arc<Numbers>,
}

/// What the answering thread works with.
struct Desk {
    id: FailId,
    now: Time,
    zone: Zone,
    year: i16,
    path: Arc<str>,
    database: Asker,
}

impl Daemon {
    /// The answer is found elsewhere.
    pub(super) fn why(&mut self, who: &str) -> Outcome {
        self.refresh_own();
        let (id, now) = (FailId::parse(who.trim()), clock::now());
        let names = self.sorted_names();
        let cases: Vec<Case> = names
            .iter()
            .filter_map(|name| self.case(name, &id, now))
            .collect();
        let desk = Desk {
            id,
            now,
            zone: self.surroundings.zone.clone(),
            year: self.year(),
            path: Arc::clone(&self.surroundings.path),
            database: self.keeper.asker(),
        };
        Outcome::Apart(Box::new(move || Ok(desk.answer(&cases))))
    }

    fn case(&self, name: &str, id: &FailId, now: Time) -> Option<Case> {
        let (member, running) = (self.engine.member(name)?, self.running(name)?);
        let jail = &member.jail;
        let bans = jail.bans();
        // The ban itself; else of a network it is in, or of a session it has.
        let wider = || {
            let covering = bans.by_end().filter(|ban| covers(ban.id, id));
            let sessions = bans.by_end().filter(|ban| ban.id.network().is_none());
            let mut ids = covering.chain(sessions).map(|ban| ban.id);
            let whole = |ban: &Arc<Ban>| match (ban.network(), id.network()) {
                (Some(banned), Some(asked)) => banned.contains(asked),
                _ => false,
            };
            ids.by_ref()
                .filter_map(|id| bans.find(id))
                .filter(whole)
                .collect()
        };
        let exact = bans.find(id);
        let bans: Vec<Arc<Ban>> = exact.map_or_else(wider, |ban| vec![ban]);
        let failing = jail.failing(id, now);
        let asked = match bans.first() {
            Some(ban) => Ban::clone(ban),
            None => Ban::by_hand(id.clone(), now, jail.bantime()),
        };
        let actions = running.actions.iter();
        Some(Case {
            excuses: jail.ignore().excuses(
                &failure(id, failing.as_ref(), now),
                self.engine.own(),
                now,
            ),
            counting: jail.counting(),
            probes: actions
                .filter_map(|action| action.worker.probe(&asked))
                .collect(),
            numbers: Arc::clone(running.numbers()),
            settings: running.settings.clone(),
            bans,
            failing,
        })
    }
}

fn covers(banned: &FailId, id: &FailId) -> bool {
    match (banned.network(), id.network()) {
        (Some(banned), Some(asked)) => banned.contains(asked),
        _ => false,
    }
}

/// A failure of somebody, as the ignore list is asked about it.
fn failure(id: &FailId, ticket: Option<&Ticket>, now: Time) -> Failure {
    Failure {
        id: id.clone(),
        ip: ticket.and_then(|ticket| ticket.ip),
        time: ticket.map_or(now, |ticket| ticket.time),
        lines: ticket.map_or_else(Vec::new, |ticket| ticket.lines.clone()),
        data: ticket.map_or_else(Captured::new, |ticket| ticket.data.clone()),
        regex: 0,
    }
}

impl Desk {
    fn answer(&self, cases: &[Case]) -> Value {
        let past = self.past();
        let seen = !past.is_empty()
            || cases
                .iter()
                .any(|case| !case.bans.is_empty() || case.failing.is_some());
        let banned = cases.iter().any(|case| !case.bans.is_empty());
        let jails = cases.iter().map(|case| self.jail(case, &past));
        dict(vec![
            ("address", self.id.to_string().into()),
            ("banned", banned.into()),
            ("seen", seen.into()),
            ("jails", Value::List(jails.collect())),
        ])
    }

    fn jail(&self, case: &Case, past: &[PastBan]) -> Value {
        let name = &case.settings.name;
        let past = past.iter().find(|past| past.jail == *name);
        let bans = case.bans.iter().map(|ban| self.ban(case, ban));
        let standings = case.probes.iter().map(|probe| probe.ask(&self.path));
        dict(vec![
            ("name", name.as_str().into()),
            ("bans", Value::List(bans.collect())),
            (
                "failures",
                case.failing
                    .as_ref()
                    .map_or(Value::None, |ticket| self.failures(case, ticket)),
            ),
            ("ignored", self.ignored(case)),
            (
                "before",
                past.map_or(Value::None, |past| {
                    dict(vec![
                        ("bans", i64::from(past.count).into()),
                        ("last", self.moment(past.time)),
                    ])
                }),
            ),
            ("kernel", Value::List(standings.map(kernel).collect())),
        ])
    }

    fn ban(&self, case: &Case, ban: &Ban) -> Value {
        let end = ban.end();
        let left = |end: Time| (end - self.now).secs().max(0);
        dict(vec![
            ("id", ban.id.to_string().into()),
            ("since", self.moment(ban.time)),
            ("until", end.map_or(Value::None, |end| self.moment(end))),
            ("left", end.map_or(Value::None, |end| left(end).into())),
            ("count", i64::from(ban.count).into()),
            ("attempts", i64::from(ban.attempts).into()),
            ("restored", ban.restored.into()),
            ("lines", self.lines(&case.settings, &ban.lines)),
        ])
    }

    fn failures(&self, case: &Case, ticket: &Ticket) -> Value {
        dict(vec![
            ("count", i64::from(ticket.retry).into()),
            ("maxretry", i64::from(case.counting.maxretry).into()),
            ("findtime", case.counting.findtime.secs().into()),
            ("last", self.moment(ticket.time)),
            (
                "forgotten",
                self.moment(ticket.time + case.counting.findtime),
            ),
            ("lines", self.lines(&case.settings, &ticket.lines)),
        ])
    }

    /// The lines, each with the regular expression it matches.
    fn lines(&self, settings: &JailSettings, lines: &[MatchedLine]) -> Value {
        let found = self.matched(settings, lines);
        let rows = lines.iter().zip(found).map(|(line, regex)| {
            let known = regex.and_then(|at| Some((at, settings.filter.failregex.get(at)?)));
            let (pattern, written, origin) = match known {
                Some((at, (written, origin))) => (
                    Part::Failregex(at).to_string().into(),
                    written.as_str().into(),
                    origin.to_string().into(),
                ),
                None => (Value::None, Value::None, Value::None),
            };
            dict(vec![
                ("line", (*line.text).into()),
                ("pattern", pattern),
                ("regex", written),
                ("origin", origin),
            ])
        });
        Value::List(rows.collect())
    }

    /// Which failregex each line matches, read again by a filter that knows nothing else.
    fn matched(&self, settings: &JailSettings, lines: &[MatchedLine]) -> Vec<Option<usize>> {
        let nothing = vec![None; lines.len()];
        if lines.is_empty() {
            return nothing;
        }
        let Ok(mut filter) = Filter::for_jail(settings, &self.zone, self.year) else {
            return nothing;
        };
        filter.set_thorough(true);
        let moment = Moment {
            now: self.now,
            in_operation: false,
            findtime: settings.findtime,
            check_findtime: false,
        };
        let mut verdicts = Vec::new();
        let mut judged = |line: &MatchedLine| {
            verdicts.clear();
            let found = filter.find_date(&line.text, self.now);
            let dated = Dated {
                line: &line.text,
                found,
            };
            filter.judge(&dated, &moment, &mut verdicts);
            if let Some(regex) = verdicts.iter().find_map(regex_of) {
                return Some(regex);
            }
            // An entry of a journal has its time before it, which is no part of the text.
            let (date, line) = line.text.split_once(' ')?;
            let entry = Entry {
                line,
                date,
                time: self.now,
            };
            filter.judge_entry(entry, &moment, &mut verdicts);
            verdicts.iter().find_map(regex_of)
        };
        lines.iter().map(&mut judged).collect()
    }

    /// What ignores it; `ignorecommand` is asked.
    fn ignored(&self, case: &Case) -> Value {
        let excuse = |by: &str, entry: &str, decided: bool| {
            vec![
                ("by", by.into()),
                ("entry", entry.into()),
                ("decided", decided.into()),
            ]
        };
        if let Some((true, until)) = case.excuses.cached {
            let key = case.settings.ignorecache.as_ref();
            let key = key.map_or("", |cache| cache.key.as_str());
            let mut cached = excuse("ignorecache", key, true);
            cached.push(("until", self.moment(until)));
            return dict(cached);
        }
        let Some(first) = &case.excuses.first else {
            return Value::None;
        };
        // That somebody's failures count is remembered, too.
        if case.excuses.cached.is_some() {
            return Value::None;
        }
        let told = match first {
            Excuse::Itself(own) => excuse("ignoreself", &own.to_string(), true),
            Excuse::Word(word) => excuse("ignoreip", word, true),
            Excuse::Unknown(word) => excuse("ignoreip", word, false),
            Excuse::Command(command) => match self.ask_command(case, command) {
                Ok(0) => excuse("ignorecommand", command, true),
                Ok(1) => return Value::None,
                Ok(code) => {
                    let mut told = excuse("ignorecommand", command, false);
                    told.push(("why", format!("it returned {code}").into()));
                    told
                }
                Err(error) => {
                    let mut told = excuse("ignorecommand", command, false);
                    told.push(("why", error.into()));
                    told
                }
            },
        };
        dict(told)
    }

    fn ask_command(&self, case: &Case, command: &str) -> Result<i32, String> {
        let failure = failure(&self.id, case.failing.as_ref(), self.now);
        let ticket = Ban {
            ip: failure.ip,
            attempts: 1,
            lines: failure.lines,
            data: failure.data,
            ..Ban::by_hand(failure.id, failure.time, case.settings.bantime)
        };
        let (jail, numbers) = (&case.settings.name, &*case.numbers);
        crate::action::ask(command, jail, &ticket, numbers, &self.path)
    }

    /// Its bans of all times, by jail.
    fn past(&self) -> Vec<PastBan> {
        let id = self.id.clone();
        let found = self.database.ask(HISTORY, move |store| {
            let mut found = Vec::new();
            let read = store.history(|past| {
                if past.id == id {
                    found.push(past);
                }
            });
            read.map(|()| found)
        });
        // A database in trouble is told of elsewhere.
        found.and_then(Result::ok).unwrap_or_default()
    }

    /// `2026-11-22T16:59:27+01:00`
    fn moment(&self, time: Time) -> Value {
        let stamp = jiff::Timestamp::from_second(time.secs()).unwrap_or_default();
        let local = stamp.to_zoned(self.zone.time_zone().clone());
        local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string().into()
    }
}

const fn regex_of(verdict: &Verdict) -> Option<usize> {
    match verdict {
        Verdict::Failure(failure) | Verdict::Named(failure) => Some(failure.regex),
        Verdict::Helper(helper) => Some(helper.regex),
        Verdict::Log(_) => None,
    }
}

fn kernel(standing: Standing) -> Value {
    let way = |way: WayIn| {
        let before = way.before.iter().map(|passing| {
            dict(vec![
                ("rule", passing.rule.as_str().into()),
                ("lets_through", passing.lets.word().into()),
            ])
        });
        dict(vec![
            ("through", Value::list(way.through)),
            ("before", Value::List(before.collect())),
        ])
    };
    dict(vec![
        ("action", standing.action.into()),
        ("holds", standing.held.map_or(Value::None, Value::from)),
        ("place", text(Some(&standing.place))),
        (
            "ways",
            standing.ways.map_or(Value::None, |ways| {
                Value::List(ways.into_iter().map(way).collect())
            }),
        ),
    ])
}
