//! A worker: one action of one jail, a queue of jobs, and a thread from the first job on.
//!
//! Jobs are done in order. The queue is bounded: a script that hangs cannot fill the memory with
//! bans that wait for it; ends of bans always find room, as there are no more of them than of bans.
//! Restored bans stand in a line of their own, so that an attacker of this minute is not made to
//! wait for a hundred thousand of yesterday's.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::driver::memory::Drivers;
use super::enforcement::{Enforcement, Step};
use super::facts::Facts;
use super::kernel::Probe;
use super::latency::{Latency, Tally};
use super::options::{Command, Options};
use super::process::Abort;
use super::report::{Event, Sink, Voice};
use super::watch::Disturbance;
use super::ways::{self, Ways};
use crate::model::{ActionSettings, Ban, Level, Logger, Time};

/// Where programs are looked for when the environment does not say: what login shells of root have.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How many jobs may wait: twice and a half the largest restore we plan for, at 16 bytes each.
const WAITING: usize = 262_144;

/// How many jobs are looked at together. A batch larger than a driver's own gains nothing.
const TOGETHER: usize = 5_000;

/// How many restored bans are looked at together: a new one waits for no more than these, some
/// ten milliseconds.
const RESTORED: usize = 2_000;

/// An action and its surroundings.
#[derive(Clone)]
pub struct ActionSpec {
    pub jail: Arc<str>,
    pub settings: ActionSettings,
    /// Plain firewall commands are carried out natively, unless the action itself says no.
    pub native: bool,
    /// IPv6 is there and allowed.
    pub ipv6: bool,
    /// `PATH` of the action's programs; empty for [`DEFAULT_PATH`].
    pub path: Arc<str>,
    pub facts: Arc<dyn Facts>,
    pub drivers: Drivers,
    /// What a server before has left in the firewall.
    pub left: Leftover,
}

/// Whether a server before has left bans of a jail in the firewall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// It stopped the jail.
    Nothing,
    /// Nobody knows; there may never have been one.
    Perhaps,
    /// The jail was running when the server ended.
    Likely,
}

impl fmt::Debug for ActionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActionSpec([{}] {})", self.jail, self.settings.name)
    }
}

/// What a worker can be told to do.
#[derive(Clone, Debug)]
pub enum Job {
    /// The jail starts.
    Start,
    Ban(Arc<Ban>),
    Unban(Arc<Ban>),
    /// The ban lasts longer than the action was told.
    Prolong(Arc<Ban>),
    /// Everything is still in place? If not, repair and restore all bans. Rarely: it costs a script.
    Check,
    /// All bans that are due are back. What else a server before left goes, once nothing waits.
    Reconcile,
    /// Others have changed the firewall: what is ours in it is put back.
    Disturbed(Arc<Disturbance>),
    /// All bans of the jail end. Actions without `actionflush` hear of each in the unbans that follow.
    Flush,
    /// New settings for the same action.
    Reload(Box<ActionSettings>),
    /// Flush, stop, end. The last job.
    Stop,
}

/// Why an action cannot be carried out at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A Python action, which needs fail2ban's own server.
    Python(PathBuf),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Python(path) = self;
        write!(
            f,
            "{}: Python actions are not run; \
             call it as a program of its own from the actionban of an action file instead",
            path.display()
        )
    }
}

impl std::error::Error for Refused {}

/// The daemon's end of a worker. Dropped without a [`Job::Stop`], it does what was sent and leaves
/// the firewall so.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    voice: Voice,
    facts: Arc<dyn Facts>,
    latency: Latency,
    native: bool,
    ipv6: bool,
}

struct State {
    phase: Phase,
    jobs: VecDeque<Job>,
    /// When each ban among `jobs` was sent, but for restored ones.
    sent: VecDeque<Time>,
    /// Bans of a time before, carried out when no other job waits.
    restored: VecDeque<Arc<Ban>>,
    /// The settings last sent.
    settings: ActionSettings,
    /// Jobs are being done right now.
    busy: bool,
    /// To be done when nothing else waits.
    reconcile: bool,
    /// Bans refused since there was last room.
    refused: u64,
    abort: Option<Arc<Abort>>,
    /// Nobody will send any more.
    orphaned: bool,
}

impl State {
    fn waiting(&self) -> usize {
        self.jobs.len() + self.restored.len() + usize::from(self.reconcile)
    }

    /// Puts a job where it belongs. What is said of one ban stays in order, whichever line the ban
    /// stands in.
    fn queue(&mut self, job: Job) {
        match &job {
            Job::Ban(ban) if ban.restored => return self.restored.push_back(Arc::clone(ban)),
            Job::Unban(ban) | Job::Prolong(ban) if !self.restored.is_empty() => {
                let place = self.restored.iter().position(|waits| waits.id == ban.id);
                if let Some(waits) = place.and_then(|place| self.restored.remove(place)) {
                    self.jobs.push_back(Job::Ban(waits));
                }
            }
            // All of them end, as each is told behind this.
            Job::Flush => self.jobs.extend(self.restored.drain(..).map(Job::Ban)),
            Job::Reconcile => {
                self.reconcile = true;
                return;
            }
            Job::Ban(_)
            | Job::Unban(_)
            | Job::Prolong(_)
            | Job::Start
            | Job::Check
            | Job::Reload(_)
            | Job::Disturbed(_)
            | Job::Stop => {}
        }
        self.jobs.push_back(job);
    }
}

enum Phase {
    /// No thread yet.
    Waiting(Box<ActionSpec>),
    Running,
    Ended,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.voice.fmt(f)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    /// A worker with nothing to do yet; its thread begins with its first job.
    ///
    /// # Errors
    /// When the action is none that can be carried out.
    pub fn spawn(mut spec: ActionSpec, sink: Sink) -> Result<Self, Refused> {
        if spec.path.is_empty() {
            spec.path = DEFAULT_PATH.into();
        }
        if let Some(path) = &spec.settings.python
            && super::mail::recipe(&spec.settings).is_none()
        {
            return Err(Refused::Python(path.clone()));
        }
        let action = spec.settings.name.as_str().into();
        let voice = Voice::new(Arc::clone(&spec.jail), action, sink);
        let shared = Shared {
            voice,
            facts: Arc::clone(&spec.facts),
            latency: Latency::default(),
            native: spec.native,
            ipv6: spec.ipv6,
            changed: Condvar::new(),
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                sent: VecDeque::new(),
                restored: VecDeque::new(),
                settings: spec.settings.clone(),
                busy: false,
                reconcile: false,
                refused: 0,
                abort: None,
                orphaned: false,
                phase: Phase::Waiting(Box::new(spec)),
            }),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Queues a job. `false` if it was not taken: the worker has stopped, or a ban found the queue
    /// full (which is reported).
    pub fn send(&self, job: Job) -> bool {
        let mut state = self.shared.state();
        if let Job::Reload(settings) = &job {
            state.settings = (**settings).clone();
        }
        if matches!(state.phase, Phase::Waiting(_)) {
            if self.without_thread(&mut state, &job) {
                return true;
            }
            self.begin(&mut state);
        }
        if matches!(state.phase, Phase::Ended) {
            return false;
        }
        if state.waiting() >= WAITING && matches!(job, Job::Ban(_) | Job::Prolong(_)) {
            state.refused += 1;
            if state.refused == 1 {
                let message = format!(
                    "Action is {WAITING} commands behind; bans that find no room are not carried out"
                );
                self.shared
                    .voice
                    .log(Level::Error, Logger::CommandAction, message);
            }
            return false;
        }
        if is_new_ban(&job) {
            state.sent.push_back(self.shared.facts.now());
        }
        state.queue(job);
        self.shared.changed.notify_all();
        true
    }

    /// Jobs that come to nothing before there is anything: no thread for these.
    fn without_thread(&self, state: &mut State, job: &Job) -> bool {
        let options = Options::new(&state.settings, self.shared.ipv6);
        match job {
            Job::Start => options.on_demand,
            Job::Unban(_) | Job::Prolong(_) | Job::Check | Job::Disturbed(_) => true,
            Job::Reload(settings) => {
                if let Phase::Waiting(spec) = &mut state.phase {
                    spec.settings = (**settings).clone();
                }
                true
            }
            Job::Flush => true,
            Job::Reconcile => match &state.phase {
                Phase::Waiting(spec) => spec.left == Leftover::Nothing,
                Phase::Running | Phase::Ended => false,
            },
            Job::Stop => {
                state.phase = Phase::Ended;
                self.shared.voice.say(Event::Stopped);
                self.shared.changed.notify_all();
                true
            }
            Job::Ban(ban) => options.norestored && ban.restored,
        }
    }

    fn begin(&self, state: &mut State) {
        let Phase::Waiting(spec) = std::mem::replace(&mut state.phase, Phase::Running) else {
            return;
        };
        let shared = Arc::clone(&self.shared);
        let started = Abort::new().map(Arc::new).and_then(|abort| {
            state.abort = Some(Arc::clone(&abort));
            let name: String = spec.settings.name.chars().take(15).collect();
            thread::Builder::new().name(name).spawn(move || {
                let voice = shared.voice.clone();
                let enforcement = Enforcement::new(*spec, voice, abort);
                let work = AssertUnwindSafe(|| work(&shared, enforcement));
                let broken = panic::catch_unwind(work).is_err();
                finish(&shared, broken);
            })
        });
        if let Err(error) = started {
            state.phase = Phase::Ended;
            self.cannot_begin(&error);
        }
    }

    fn cannot_begin(&self, error: &io::Error) {
        let message = format!("Action cannot be carried out, no thread for it: {error}");
        self.shared
            .voice
            .log(Level::Critical, Logger::CommandAction, message);
        self.shared.voice.say(Event::Stopped);
    }

    /// Which way its bans go.
    pub fn ways(&self) -> Ways {
        let mut options = Options::new(&self.shared.state().settings, self.shared.ipv6);
        ways::ways(&mut options, self.shared.native)
    }

    /// A question to the kernel about a ban; `None` where this action does nothing about bans.
    pub fn probe(&self, ban: &Ban) -> Option<Probe> {
        let settings = self.shared.state().settings.clone();
        Probe::new(&settings, self.shared.ipv6, ban, &*self.shared.facts)
    }

    /// What failed last, unless a ban has worked since.
    pub fn last_error(&self) -> Option<String> {
        self.shared.voice.last_error()
    }

    /// What it has done so far.
    pub fn tally(&self) -> Tally {
        self.shared.latency.tally(self.shared.voice.failures())
    }

    /// How many jobs wait.
    pub fn waiting(&self) -> usize {
        self.shared.state().waiting()
    }

    /// Waits until every job sent so far is done, at most `limit`; whether they are.
    pub fn settle(&self, limit: Duration) -> bool {
        self.wait(limit, |state| state.waiting() == 0 && !state.busy)
    }

    /// Sends [`Job::Stop`] if need be and waits for the end; whether it came in time.
    ///
    /// Past `limit` what is being done is given up and what waits is dropped, but for the flush;
    /// past it again the flush is given up, and then the action's own stop: three times `limit` at
    /// most.
    pub fn stop(&self, limit: Duration) -> bool {
        self.send(Job::Stop);
        let ended = |state: &State| matches!(state.phase, Phase::Ended);
        if self.wait(limit, ended) {
            return true;
        }
        for _ in 0..2 {
            self.abort();
            if self.wait(limit, ended) {
                return false;
            }
        }
        self.abort();
        false
    }

    fn abort(&self) {
        let mut state = self.shared.state();
        state.jobs.retain(|job| matches!(job, Job::Stop));
        state.restored.clear();
        state.reconcile = false;
        state.sent.clear();
        if let Some(abort) = &state.abort {
            abort.abort();
        }
    }

    fn wait(&self, limit: Duration, until: impl Fn(&State) -> bool) -> bool {
        let state = self.shared.state();
        let changed = &self.shared.changed;
        let (_state, timeout) = changed
            .wait_timeout_while(state, limit, |state| !until(state))
            .unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.state().orphaned = true;
        self.shared.changed.notify_all();
    }
}

/// The thread: takes what waits, does it in order, until told to stop.
fn work(shared: &Shared, mut enforcement: Enforcement) {
    loop {
        let (jobs, sent) = take(shared);
        let mut steps = Vec::new();
        let mut stop = jobs.is_empty();
        for job in jobs {
            let (command, ban) = match job {
                Job::Ban(ban) => (Command::Ban, ban),
                Job::Unban(ban) => (Command::Unban, ban),
                Job::Prolong(ban) => (Command::Prolong, ban),
                other => {
                    enforcement.carry(std::mem::take(&mut steps));
                    stop |= perform(&mut enforcement, other);
                    continue;
                }
            };
            steps.push(Step::new(command, ban));
        }
        enforcement.carry(steps);
        if !sent.is_empty() {
            let now = shared.facts.now();
            sent.into_iter()
                .for_each(|sent| shared.latency.note(now - sent));
        }
        if stop {
            break;
        }
    }
}

/// Whatever ended the thread, the daemon hears of it and nobody waits for it any more.
fn finish(shared: &Shared, broken: bool) {
    let mut state = shared.state();
    state.phase = Phase::Ended;
    state.busy = false;
    state.jobs.clear();
    state.restored.clear();
    state.reconcile = false;
    state.sent.clear();
    drop(state);
    shared.changed.notify_all();
    if broken {
        let message = "Action has ended by a fault of ours; reload the jail to start it again";
        shared
            .voice
            .log(Level::Critical, Logger::CommandAction, message);
    }
    shared.voice.say(Event::Stopped);
}

/// Does a job that is about no single ban; whether it was the last.
fn perform(enforcement: &mut Enforcement, job: Job) -> bool {
    match job {
        Job::Start => enforcement.start(),
        Job::Check => enforcement.check(),
        Job::Disturbed(disturbance) => enforcement.disturbed(&disturbance),
        Job::Reconcile => enforcement.reconcile(),
        Job::Flush => enforcement.flush(false),
        Job::Reload(settings) => enforcement.reload(*settings),
        Job::Stop => {
            enforcement.stop();
            return true;
        }
        Job::Ban(_) | Job::Unban(_) | Job::Prolong(_) => {}
    }
    false
}

/// Waits for jobs and takes some, with when the new bans among them were sent; none when there will
/// be none.
fn take(shared: &Shared) -> (Vec<Job>, Vec<Time>) {
    let mut state = shared.state();
    state.busy = false;
    shared.changed.notify_all();
    let mut state = shared
        .changed
        .wait_while(state, |state| state.waiting() == 0 && !state.orphaned)
        .unwrap_or_else(PoisonError::into_inner);
    state.busy = true;
    if state.refused > 0 {
        let refused = std::mem::take(&mut state.refused);
        let message = format!("Action caught up; {refused} bans were not carried out");
        shared
            .voice
            .log(Level::Error, Logger::CommandAction, message);
    }
    let count = state.jobs.len().min(TOGETHER);
    if count == 0 {
        let count = state.restored.len().min(RESTORED);
        if count == 0 && std::mem::take(&mut state.reconcile) {
            return (vec![Job::Reconcile], Vec::new());
        }
        let restored = state.restored.drain(..count).map(Job::Ban);
        return (restored.collect(), Vec::new());
    }
    let jobs: Vec<Job> = state.jobs.drain(..count).collect();
    let bans = jobs.iter().filter(|job| is_new_ban(job)).count();
    let bans = bans.min(state.sent.len());
    let sent = state.sent.drain(..bans).collect();
    (jobs, sent)
}

fn is_new_ban(job: &Job) -> bool {
    matches!(job, Job::Ban(ban) if !ban.restored)
}

#[cfg(test)]
mod tests;
