//! What ends takes its time: jails and actions that stop, and who waits for that.
//!
//! A stop script may hang; the daemon's thread never does. The end runs on a thread of its own and
//! comes back as a message; what needs it done first, a client's answer or a reload, waits here.

use std::sync::Arc;
use std::time::Duration;

use super::jails::{Acting, say};
use super::socket::Answer;
use super::state::{Daemon, Message};
use crate::action::Job;
use crate::model::{Level, Logger};
use crate::protocol::Value;
use crate::store::Write;

/// How long an action of a jail that stops may take over what it is doing; see `Worker::stop`.
const STOP: Duration = Duration::from_secs(20);

/// What ends: a jail, or one action of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) jail: Arc<str>,
    pub(super) action: Option<Arc<str>>,
}

/// What a command came to.
pub(super) enum Outcome {
    Now(Answer),
    /// It goes on when all these have ended.
    When(Vec<Key>, Then),
    /// The answer takes time and nothing of the daemon's: a thread of its own gives it.
    Apart(Box<dyn FnOnce() -> Answer + Send>),
    /// The answer is given when the server itself has ended its work.
    AtTheEnd,
}

pub(super) type Then = Box<dyn FnOnce(&mut Daemon) -> Outcome + Send>;
/// Takes an answer to whoever asked.
pub(super) type Reply = Box<dyn FnOnce(Answer) + Send>;

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self::Now(answer)
    }
}

/// Ends under way, and who waits for them.
#[derive(Default)]
pub(super) struct Endings {
    under_way: Vec<Key>,
    waits: Vec<Wait>,
    /// Who asked the server to stop.
    farewells: Vec<Reply>,
    /// How many names were waited for; it tells one from the next.
    names: u64,
}

struct Wait {
    on: Vec<Key>,
    then: Then,
    reply: Reply,
}

impl Endings {
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// What of a jail is ending, its actions included.
    pub(super) fn of(&self, jail: &str) -> Vec<Key> {
        let ending = self.under_way.iter().filter(|key| *key.jail == *jail);
        ending.cloned().collect()
    }

    /// The jails that are ending, by name.
    pub(super) fn jails(&self) -> impl Iterator<Item = &Arc<str>> {
        let jails = self.under_way.iter().filter(|key| key.action.is_none());
        jails.map(|key| &key.jail)
    }

    /// A name's addresses are waited for as well; [`Daemon::ended`] is told when they are there.
    pub(super) fn also(&mut self, name: &str) -> Key {
        self.names += 1;
        let key = Key {
            jail: "".into(),
            action: Some(format!("{} {name}", self.names).into()),
        };
        self.under_way.push(key.clone());
        key
    }

    /// Answers those who asked for the end.
    pub(super) fn farewell(&mut self) {
        for reply in self.farewells.drain(..) {
            reply(Ok(Value::None));
        }
    }
}

impl Daemon {
    /// Goes on until there is an answer, or something to wait for.
    pub(super) fn settle(&mut self, mut outcome: Outcome, reply: Reply) {
        loop {
            match outcome {
                Outcome::Now(answer) => return reply(answer),
                Outcome::Apart(find) => return answer_apart(find, reply),
                Outcome::AtTheEnd => return self.endings.farewells.push(reply),
                Outcome::When(mut on, then) => {
                    on.retain(|key| self.endings.under_way.contains(key));
                    if !on.is_empty() {
                        return self.endings.waits.push(Wait { on, then, reply });
                    }
                    outcome = then(self);
                }
            }
        }
    }

    /// Has actions end, the last first as fail2ban does; [`Daemon::ended`] hears of it.
    pub(super) fn end(&mut self, key: Key, actions: Vec<Acting>) {
        self.endings.under_way.push(key.clone());
        let outlet = self.outlet.clone();
        if actions.is_empty() {
            return outlet.send(Message::Ended(key));
        }
        let told = outlet.clone();
        let (jail, done) = (Arc::clone(&key.jail), key.clone());
        // Two owners: should there be no thread, the actions are ended here.
        let actions = Arc::new(actions);
        let theirs = Arc::clone(&actions);
        let thread = std::thread::Builder::new()
            .name("ending".into())
            .stack_size(128 * 1024);
        let started = thread.spawn(move || {
            stop(&jail, &theirs);
            told.send(Message::Ended(done));
        });
        if started.is_err() {
            stop(&key.jail, &actions);
            outlet.send(Message::Ended(key));
        }
    }

    /// Something has ended: who waited for it goes on.
    pub(super) fn ended(&mut self, key: &Key) {
        self.endings.under_way.retain(|known| known != key);
        if key.action.is_none() {
            self.keeper.write(Write::Jail {
                name: Arc::clone(&key.jail),
                enabled: false,
            });
            let message = format!("Jail '{}' stopped", key.jail);
            say(Level::Info, Logger::Jail, message);
        }
        for wait in &mut self.endings.waits {
            wait.on.retain(|known| known != key);
        }
        let waits = std::mem::take(&mut self.endings.waits);
        let (ready, waiting): (Vec<_>, Vec<_>) =
            waits.into_iter().partition(|wait| wait.on.is_empty());
        self.endings.waits = waiting;
        for wait in ready {
            self.settle(Outcome::When(Vec::new(), wait.then), wait.reply);
        }
    }
}

/// Finds an answer without holding up the daemon.
fn answer_apart(find: Box<dyn FnOnce() -> Answer + Send>, reply: Reply) {
    let thread = std::thread::Builder::new().name("answer".into());
    // Without a thread the client is told that nobody answers: its reply is dropped.
    drop(thread.spawn(move || reply(find())));
}

/// Stops the actions one after the other, the last first; behind one that hangs all at once.
fn stop(jail: &str, actions: &[Acting]) {
    for (place, action) in actions.iter().enumerate().rev() {
        if action.worker.stop(STOP) {
            continue;
        }
        let message = format!(
            "[{jail}] {}: did not stop in {} s; what it was doing was ended",
            action.settings.name,
            STOP.as_secs()
        );
        say(Level::Error, Logger::Actions, message);
        for behind in &actions[..place] {
            behind.worker.send(Job::Stop);
        }
    }
}
