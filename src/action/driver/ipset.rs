//! ipset: a whole batch by one `ipset restore`.

use std::fmt::Write;

use super::{Bench, Change, Driver, Operation, Outcome};
use crate::action::process::Run;
use crate::action::said;
use crate::model::Network;

/// One address into or out of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As the action names it: `ipset`, `/usr/sbin/ipset`.
    pub program: String,
    pub change: Change,
    pub set: String,
    pub network: Network,
    /// Seconds; `None` leaves it to the set.
    pub timeout: Option<u32>,
    /// An entry that is there already, or not there, is no error.
    pub exist: bool,
}

impl Entry {
    fn line(&self) -> String {
        let verb = match self.change {
            Change::Add => "add",
            Change::Delete => "del",
        };
        let mut line = format!("{verb} {} {}", self.set, self.network);
        if let Some(timeout) = self.timeout {
            // Writing to a String cannot fail.
            let _ = write!(line, " timeout {timeout}");
        }
        line
    }
}

#[derive(Debug)]
pub(super) struct Ipset;

impl Driver for Ipset {
    fn apply(&mut self, batch: &[Operation], bench: &mut Bench<'_>) -> Vec<Outcome> {
        let entries: Vec<&Entry> = batch
            .iter()
            .filter_map(|operation| match operation {
                Operation::Entry(entry) => Some(entry),
                Operation::Script(_) | Operation::Element(_) | Operation::Rule(_) => None,
            })
            .collect();
        if entries.len() < batch.len() {
            return vec![Outcome::Declined("not a set's entry".to_owned()); batch.len()];
        }
        let same = |a: &&Entry, b: &&Entry| (&a.program, a.exist) == (&b.program, b.exist);
        let groups = entries.chunk_by(same);
        groups.flat_map(|group| restore(group, bench)).collect()
    }
}

/// Restores a group, going on behind each line that fails: what stands before it is in.
fn restore(entries: &[&Entry], bench: &mut Bench<'_>) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(entries.len());
    while let Some(rest) = entries
        .get(outcomes.len()..)
        .filter(|rest| !rest.is_empty())
    {
        let (outcome, line) = once(rest, bench);
        match line {
            _ if outcome.is_done() => outcomes.extend(rest.iter().map(|_| Outcome::Done)),
            Some(line) => {
                outcomes.extend((1..line).map(|_| Outcome::Done));
                outcomes.push(outcome);
            }
            None => outcomes.extend(rest.iter().map(|_| outcome.clone())),
        }
    }
    outcomes
}

/// One run, and the line it stopped at.
fn once(entries: &[&Entry], bench: &mut Bench<'_>) -> (Outcome, Option<usize>) {
    let Some(first) = entries.first() else {
        return (Outcome::Done, None);
    };
    let input: String = entries.iter().map(|entry| entry.line() + "\n").collect();
    let mut arguments = vec!["restore".to_owned()];
    if first.exist {
        arguments.insert(0, "-exist".to_owned());
    }
    let run = Run {
        program: &first.program,
        arguments: &arguments,
        input: input.as_bytes(),
        path: bench.path,
        limit: bench.limit,
    };
    let shown = format!(
        "{} {} ({} entries)",
        first.program,
        arguments.join(" "),
        entries.len()
    );
    let ran = said::run(&run, &shown, bench);
    let line = failing_line(&ran.errors).filter(|line| (1..=entries.len()).contains(line));
    (ran.outcome, line)
}

/// `ipset v7.17: Error in line 3: …`.
fn failing_line(errors: &str) -> Option<usize> {
    let (_, after) = errors.split_once("Error in line ")?;
    after.split_once(':')?.0.parse().ok()
}
