//! How the server and its jails are: what `rban status` and its `--json` tell (docs/json.md).

use std::path::Path;

use super::clock;
use super::control::unknown_jail;
use super::jails::backend_name;
use super::socket::Answer;
use super::state::Daemon;
use crate::filter::Counters;
use crate::model::FAIL2BAN_VERSION;
use crate::protocol::Value;

pub(super) fn dict(entries: Vec<(&str, Value)>) -> Value {
    let entries = entries.into_iter();
    Value::Dict(entries.map(|(name, value)| (name.into(), value)).collect())
}

fn both(current: usize, total: u64) -> Value {
    dict(vec![("current", current.into()), ("total", total.into())])
}

pub(super) fn text(text: Option<&str>) -> Value {
    text.map_or(Value::None, Value::from)
}

impl Daemon {
    /// Everything, by jail; jails that failed to start and jails that are stopping too.
    pub(super) fn report_all(&mut self) -> Value {
        let mut jails: Vec<(String, Value)> = Vec::new();
        for name in self.sorted_names() {
            if let Ok(report) = self.report_of(&name) {
                jails.push((name.to_string(), Value::Dict(report)));
            }
        }
        let failed = self.failed.iter();
        jails.extend(failed.map(|(name, why)| (name.clone(), absent(name, "failed", Some(why)))));
        for name in self.endings.jails() {
            let report = absent(name, "stopping", Some("its actions are ending"));
            jails.push((name.to_string(), report));
        }
        jails.sort_by(|(a, _), (b, _)| a.cmp(b));
        let troubles = self.troubles.iter().map(|(what, why)| {
            dict(vec![
                ("option", (*what).into()),
                ("why", why.as_str().into()),
            ])
        });
        dict(vec![
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("fail2ban_version", FAIL2BAN_VERSION.into()),
            ("troubles", Value::List(troubles.collect())),
            (
                "jails",
                Value::List(jails.into_iter().map(|(_, report)| report).collect()),
            ),
        ])
    }

    /// One jail, with who is banned.
    pub(super) fn report_jail(&mut self, name: &str) -> Answer {
        if let Some(why) = self.failed.get(name) {
            return Ok(absent(name, "failed", Some(why)));
        }
        let mut report = self.report_of(name)?;
        let members = self.engine.member(name).into_iter();
        let banned = members.flat_map(|member| member.jail.bans().in_order());
        let addresses = Value::list(banned.map(|ban| ban.id.to_string()));
        report.push(("addresses".into(), addresses));
        Ok(Value::Dict(report))
    }

    fn report_of(&mut self, name: &str) -> Result<Vec<(Value, Value)>, crate::protocol::Exception> {
        let now = clock::now();
        let member = self.engine.member_mut(name);
        let member = member.ok_or_else(|| unknown_jail(name))?;
        let counts = member.jail.counts(now);
        let gave_up = given_up(member.filter.counters());
        let idle = member.idle;
        let running = self.running(name).ok_or_else(|| unknown_jail(name))?;
        let waits: Vec<String> = running
            .waits
            .iter()
            .map(|(path, why)| format!("{}: {why}", path.display()))
            .collect();
        let (state, why) = match (running.started, idle, waits.is_empty()) {
            (false, _, _) => ("added", Some("it was added and not started".to_owned())),
            (true, true, _) => ("idle", Some("set idle on: lines pass it by".to_owned())),
            (true, false, false) => ("waiting", Some(waits.join("; "))),
            (true, false, true) => (
                "running",
                running
                    .outdated
                    .as_ref()
                    .map(|why| format!("as before the last reload: {why}")),
            ),
        };
        let source = |path: &str, state: &str, why: Option<&str>| {
            let errors = running.errors.get(Path::new(path));
            vec![
                ("path", path.into()),
                ("state", state.into()),
                ("why", text(why)),
                ("errors", errors.copied().unwrap_or_default().into()),
            ]
        };
        let read = self.read_files(name).into_iter().map(|(path, last, at)| {
            let age = last.map_or(Value::None, |last| (now - last).secs().max(0).into());
            let mut source = source(&path, "read", None);
            source.push(("last_line_age", age));
            source.push(("position", at.map_or(Value::None, Value::from)));
            dict(source)
        });
        let unread = |path: &Path, state: &str, why: &str| {
            let mut source = source(&path.to_string_lossy(), state, Some(why));
            source.push(("last_line_age", Value::None));
            source.push(("position", Value::None));
            dict(source)
        };
        let troubled = self.journal_troubles(name).into_iter();
        let troubled = troubled.map(|(path, why)| unread(&path, "failing", &why));
        let waited = running.waits.iter();
        let waited = waited.map(|(path, why)| unread(path, "waiting", why));
        let actions = running.actions.iter().map(|action| {
            dict(vec![
                ("name", action.settings.name.as_str().into()),
                ("way", action.worker.ways().to_string().into()),
                ("last_error", text(action.worker.last_error().as_deref())),
                ("waiting", action.worker.waiting().into()),
            ])
        });
        let report = vec![
            ("name", name.into()),
            ("state", state.into()),
            ("why", text(why.as_deref())),
            ("backend", backend_name(&running.settings.backend).into()),
            ("backend_why", text(running.settings.chosen.as_deref())),
            ("failed", both(counts.failed, counts.failed_total)),
            ("banned", both(counts.banned, counts.banned_total)),
            ("given_up", gave_up),
            (
                "sources",
                Value::List(read.chain(troubled).chain(waited).collect()),
            ),
            ("actions", Value::List(actions.collect())),
        ];
        let named = report.into_iter();
        Ok(named.map(|(name, value)| (name.into(), value)).collect())
    }
}

/// The patterns that ran out of steps.
fn given_up(counters: &Counters) -> Value {
    let patterns = counters.given_up.iter().map(|(part, times)| {
        dict(vec![
            ("pattern", part.to_string().into()),
            ("times", (*times).into()),
        ])
    });
    dict(vec![
        ("total", counters.exhausted.into()),
        ("patterns", Value::List(patterns.collect())),
    ])
}

/// A jail that is not there, in the shape of one that is.
fn absent(name: &str, state: &str, why: Option<&str>) -> Value {
    dict(vec![
        ("name", name.into()),
        ("state", state.into()),
        ("why", text(why)),
        ("backend", Value::None),
        ("backend_why", Value::None),
        ("failed", both(0, 0)),
        ("banned", both(0, 0)),
        ("given_up", given_up(&Counters::default())),
        ("sources", Value::List(Vec::new())),
        ("actions", Value::List(Vec::new())),
    ])
}
