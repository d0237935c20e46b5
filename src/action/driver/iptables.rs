//! iptables and ip6tables: one rule by the program itself, many by one `iptables-restore`.
//!
//! A restore is all or nothing, so one bad rule is found by halving. That costs a process per
//! halving; where whole chains are gone the `iptables` crate says so at once instead.

use std::collections::HashSet;
use std::fmt::Write;

use super::{Bench, Driver, Operation, Outcome};
use crate::action::process::Run;
use crate::action::said;

/// One rule to insert, append or delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// As the action names it: `iptables`, `/usr/sbin/ip6tables`, `iptables-legacy`.
    pub program: String,
    /// `filter` where the action says nothing.
    pub table: String,
    pub chain: String,
    /// The rule as `iptables-restore` reads it: `-I f2b-sshd 1 -s 192.0.2.1 -j DROP`.
    pub line: String,
    /// The program's arguments as the action writes them.
    pub arguments: Vec<String>,
}

impl Rule {
    /// Only these go into one restore.
    fn place(&self) -> (&str, &str) {
        (&self.program, &self.table)
    }

    fn shown(&self) -> String {
        format!("{} {}", self.program, self.arguments.join(" "))
    }
}

#[derive(Debug)]
pub(super) struct Iptables;

impl Driver for Iptables {
    fn apply(&mut self, batch: &[Operation], bench: &mut Bench<'_>) -> Vec<Outcome> {
        let rules: Vec<&Rule> = batch
            .iter()
            .filter_map(|operation| match operation {
                Operation::Rule(rule) => Some(rule),
                Operation::Script(_)
                | Operation::Element(_)
                | Operation::Entry(_)
                | Operation::Mail(_) => None,
            })
            .collect();
        if rules.len() < batch.len() {
            return vec![Outcome::Declined("not a rule".to_owned()); batch.len()];
        }
        let mut outcomes = Vec::with_capacity(rules.len());
        for same in rules.chunk_by(|a, b| a.place() == b.place()) {
            halving(same, bench, &mut outcomes);
        }
        outcomes
    }
}

/// All rules at once; where that fails, each half by itself, down to the rule that is at fault.
fn halving(rules: &[&Rule], bench: &mut Bench<'_>, outcomes: &mut Vec<Outcome>) {
    let [_, _, ..] = rules else {
        outcomes.extend(rules.iter().map(|rule| alone(rule, bench)));
        return;
    };
    if restore(rules, bench) {
        outcomes.extend(rules.iter().map(|_| Outcome::Done));
        return;
    }
    if let Some(gone) = all_chains_gone(rules) {
        outcomes.extend(rules.iter().map(|_| Outcome::Failed(gone.clone())));
        return;
    }
    let (first, second) = rules.split_at(rules.len() / 2);
    halving(first, bench, outcomes);
    halving(second, bench, outcomes);
}

fn alone(rule: &Rule, bench: &mut Bench<'_>) -> Outcome {
    let run = Run {
        program: &rule.program,
        arguments: &rule.arguments,
        input: &[],
        path: bench.path,
        limit: bench.limit,
    };
    said::run(&run, &rule.shown(), bench)
}

fn restore(rules: &[&Rule], bench: &mut Bench<'_>) -> bool {
    let Some((program, table)) = rules.first().map(|rule| rule.place()) else {
        return true;
    };
    let program = format!("{program}-restore");
    let mut input = format!("*{table}\n");
    for rule in rules {
        // Writing to a String cannot fail.
        let _ = writeln!(input, "{}", rule.line);
    }
    input.push_str("COMMIT\n");
    let run = Run {
        program: &program,
        arguments: &["-w".to_owned(), "--noflush".to_owned()],
        input: input.as_bytes(),
        path: bench.path,
        limit: bench.limit,
    };
    let shown = format!("{program} -w --noflush ({} rules)", rules.len());
    said::quietly(&run, &shown, bench)
}

/// Why no rule of these can work, if that is so: their chains are gone.
fn all_chains_gone(rules: &[&Rule]) -> Option<String> {
    let (program, table) = rules.first()?.place();
    let chains: HashSet<&str> = rules.iter().map(|rule| rule.chain.as_str()).collect();
    // The crate knows the two programs by their plain names only.
    let iptables = match program {
        "iptables" => iptables::new(false).ok()?,
        "ip6tables" => iptables::new(true).ok()?,
        _ => return None,
    };
    let gone = |chain: &&str| !iptables.chain_exists(table, chain).unwrap_or(true);
    let mut names: Vec<&str> = chains.iter().copied().filter(gone).collect();
    names.sort_unstable();
    (names.len() == chains.len())
        .then(|| format!("{program}: no chain {} in table {table}", names.join(", ")))
}
