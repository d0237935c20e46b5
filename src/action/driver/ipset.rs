//! ipset: one entry by the program itself, many by one `ipset restore`.

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
    /// The program's arguments as the action writes them.
    pub arguments: Vec<String>,
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
                Operation::Script(_)
                | Operation::Element(_)
                | Operation::Rule(_)
                | Operation::Mail(_) => None,
            })
            .collect();
        if entries.len() < batch.len() {
            return vec![Outcome::Declined("not a set's entry".to_owned()); batch.len()];
        }
        let mut outcomes = Vec::with_capacity(entries.len());
        for group in entries.chunk_by(|a, b| a.exist && b.exist && a.program == b.program) {
            halving(group, bench, &mut outcomes);
        }
        outcomes
    }
}

/// All entries at once; where that fails, each half by itself.
///
/// A restore that fails may have put some of them in before. Their second time is no harm, since
/// only entries with `-exist` are ever put together.
fn halving(entries: &[&Entry], bench: &mut Bench<'_>, outcomes: &mut Vec<Outcome>) {
    let [_, _, ..] = entries else {
        outcomes.extend(entries.iter().map(|entry| alone(entry, bench)));
        return;
    };
    if restore(entries, bench) {
        outcomes.extend(entries.iter().map(|_| Outcome::Done));
        return;
    }
    let (first, second) = entries.split_at(entries.len() / 2);
    halving(first, bench, outcomes);
    halving(second, bench, outcomes);
}

fn alone(entry: &Entry, bench: &mut Bench<'_>) -> Outcome {
    let run = Run {
        program: &entry.program,
        arguments: &entry.arguments,
        input: &[],
        path: bench.path,
        limit: bench.limit,
    };
    let shown = format!("{} {}", entry.program, entry.arguments.join(" "));
    said::run(&run, &shown, bench)
}

fn restore(entries: &[&Entry], bench: &mut Bench<'_>) -> bool {
    let Some(first) = entries.first() else {
        return true;
    };
    let input: String = entries.iter().map(|entry| entry.line() + "\n").collect();
    let run = Run {
        program: &first.program,
        arguments: &["-exist".to_owned(), "restore".to_owned()],
        input: input.as_bytes(),
        path: bench.path,
        limit: bench.limit,
    };
    let shown = format!(
        "{} -exist restore ({} entries)",
        first.program,
        entries.len()
    );
    said::quietly(&run, &shown, bench)
}
