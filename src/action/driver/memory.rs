//! A driver that changes nothing and remembers everything, for tests and dry runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Bench, Driver, Kind, Operation, Outcome};
use crate::mail::Post;

type Judge = dyn FnMut(&Operation) -> Outcome + Send;

/// What all drivers of one machine were asked to do. Copies share it.
#[derive(Clone)]
pub struct Memory(Arc<Mutex<State>>);

struct State {
    batches: Vec<Vec<Operation>>,
    judge: Box<Judge>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::judging(|_| Outcome::Done)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.batches()).finish()
    }
}

impl Memory {
    /// One where `judge` decides what comes of each operation. It may wait, as a slow script does.
    pub fn judging(judge: impl FnMut(&Operation) -> Outcome + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(State {
            batches: Vec::new(),
            judge: Box::new(judge),
        })))
    }

    /// A driver that keeps its memory here, whatever its kind.
    pub fn driver(&self) -> Box<dyn Driver> {
        Box::new(self.clone())
    }

    /// Every batch so far, in order.
    pub fn batches(&self) -> Vec<Vec<Operation>> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.batches.clone()
    }

    /// Everything so far, one line each: a script's text, or the kind and address of a native one.
    pub fn lines(&self) -> Vec<String> {
        self.batches().iter().flatten().map(line).collect()
    }
}

fn line(operation: &Operation) -> String {
    match operation {
        Operation::Script(script) => script.shown(),
        Operation::Mail(mail) => format!("mail {}", mail.0.subject),
        Operation::Element(e) => format!("{:?} {} {}", e.change, e.set, e.network),
        Operation::Rule(rule) => format!("{} {}", rule.program, rule.line),
        Operation::Entry(e) => format!("{:?} {} {}", e.change, e.set, e.network),
    }
}

impl Driver for Memory {
    fn apply(&mut self, batch: &[Operation], _bench: &mut Bench<'_>) -> Vec<Outcome> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.batches.push(batch.to_vec());
        batch
            .iter()
            .map(|operation| (state.judge)(operation))
            .collect()
    }
}

type Make = dyn Fn(Kind) -> Box<dyn Driver> + Send + Sync;

/// How an action comes by its drivers: the real ones, or somebody else's.
#[derive(Clone)]
pub struct Drivers(Arc<Make>);

impl Default for Drivers {
    fn default() -> Self {
        Self(Arc::new(Kind::driver))
    }
}

impl fmt::Debug for Drivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Drivers").finish_non_exhaustive()
    }
}

impl From<Memory> for Drivers {
    fn from(memory: Memory) -> Self {
        Self(Arc::new(move |_| memory.driver()))
    }
}

impl Drivers {
    /// The real ones, whose mails all go to one post office.
    pub fn with_post(post: Post) -> Self {
        Self(Arc::new(move |kind| match kind {
            Kind::Mail => Box::new(super::mail::Mail::new(post.clone())),
            Kind::Shell | Kind::Nftables | Kind::Iptables | Kind::Ipset => kind.driver(),
        }))
    }

    pub fn driver(&self, kind: Kind) -> Box<dyn Driver> {
        (self.0)(kind)
    }
}
