//! `/bin/sh -c`: anything an action may say, exactly as fail2ban runs it.

use super::{Bench, Driver, Operation, Outcome};
use crate::action::process::Run;
use crate::action::said;
use crate::action::script::Script;

/// The shell itself is not looked for in `PATH`.
const SHELL: &str = "/bin/sh";

#[derive(Debug)]
pub(super) struct Shell;

impl Driver for Shell {
    fn apply(&mut self, batch: &[Operation], bench: &mut Bench<'_>) -> Vec<Outcome> {
        let one = |operation: &Operation| match operation {
            Operation::Script(script) => run(script, bench),
            Operation::Element(_)
            | Operation::Rule(_)
            | Operation::Entry(_)
            | Operation::Mail(_) => Outcome::Declined("not a script".to_owned()),
        };
        batch.iter().map(one).collect()
    }
}

fn run(script: &Script, bench: &mut Bench<'_>) -> Outcome {
    let mut arguments = vec!["-c".to_owned()];
    arguments.extend(script.arguments());
    let run = Run {
        program: SHELL,
        arguments: &arguments,
        input: &[],
        path: bench.path,
        limit: bench.limit,
    };
    said::run(&run, &script.shown(), bench)
}
