//! The daemon's thread: one message after the other, and the effects of each performed in order.
//!
//! It owns the engine and everything outside that belongs to a jail. Whatever takes time (a script,
//! a name server, the disk) is another thread's work and comes back as a message.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::clock;
use super::control;
use super::ending::{Endings, Key, Reply};
use super::facts;
use super::inbox::{Inbox, Outlet, Ration, Waited};
use super::inlets::Inlets;
use super::jails::{Acting, Running};
use super::journals::JournalReader;
use super::keeper::{Keeper, News};
use super::lists::Lists;
use super::logs::{Followed, Row};
use super::metrics::Endpoint;
use super::pages;
use super::restore::{Left, Restored, Restoring};
use super::shared::Surroundings;
use super::signals::Asked;
use super::systemd::Notifier;
use crate::action::{Disturbance, Event, Job, Report};
use crate::dns;
use crate::engine::{Effects, Engine};
use crate::jail::Effect;
use crate::log::{self, Log};
use crate::mail::Post;
use crate::model::{Ban, Level, Logger, NameAnswer, Record, ServerSettings, Span, Time};
use crate::protocol::Value;
use crate::source::journal::{JournalEvent, JournalWatcher};
use crate::source::pushed::Push;
use crate::source::{LogId, SourceEvent, Subscriber, Watcher};
use crate::store::{PastBan, StoreError, Write};

/// How old what is known of our own addresses may be when lines are judged; fail2ban's 5 minutes.
const OWN_AGE: Span = Span::from_secs(300);
/// Past bans are tidied up hourly, as fail2ban does.
const PURGE_EVERY: Span = Span::from_secs(3600);
/// With something due, the clock is looked at again after this, should it have been set.
const CLOCK_AGE: Span = Span::from_secs(60);
/// Chunks of lines that are put by at start: fewer than readers have places for.
const PUT_BY: usize = super::inbox::CHUNKS / 2;
/// Firewalls that do not tell of changes are looked at this often, while they hold bans.
const LOOK_EVERY: Span = Span::from_secs(60);
/// Log positions are written this often while lines come in, as fail2ban does.
const POSITIONS_EVERY: Span = Span::from_secs(10);
/// By then the threads that a start or a reload began have begun.
pub(super) const SETTLED: Span = Span::from_secs(1);
/// After the last ban for this long it is quiet: the next one may well take the half millisecond that
/// mapping the program anew costs it.
const QUIET: Span = Span::from_secs(10);

/// What the daemon's thread is told.
pub(super) enum Message {
    Source(SourceEvent, Option<Ration>),
    Journal(JournalEvent, Option<Ration>),
    /// From an inlet, by its number.
    Pushed(u32, Push, Option<Ration>),
    Command(Value, Reply),
    Asked(Asked),
    Report(Report),
    /// A host name, and what came of it.
    Resolved(Box<str>, NameAnswer),
    /// What `ignorecommand` said.
    Ignored {
        jail: Arc<str>,
        token: u64,
        ignored: bool,
        records: Vec<Record>,
    },
    /// Where a jail's logs were left, as the database knows it.
    Places(Subscriber, Result<Vec<Row>, StoreError>),
    /// Some of those who were banned before; what reading came to, with the last of them.
    History(Vec<PastBan>, Option<Result<(), StoreError>>),
    /// A piece of the bans that come back.
    Restored(Restored),
    News(News),
    /// Others have changed the firewall.
    Disturbed(Arc<Disturbance>),
    /// Prometheus asks.
    Metrics(std::sync::mpsc::Sender<String>),
    /// A jail, or an action of it, has ended.
    Ended(Key),
}

/// Everything the daemon's thread owns.
pub(super) struct Daemon {
    pub(super) surroundings: Surroundings,
    pub(super) server: ServerSettings,
    pub(super) engine: Engine,
    pub(super) jails: Vec<Running>,
    pub(super) files: HashMap<LogId, Followed>,
    pub(super) keeper: Keeper,
    pub(super) watcher: Watcher,
    /// Reads journals; there while a jail wants one.
    pub(super) journal: Option<JournalWatcher>,
    pub(super) journals: Vec<JournalReader>,
    pub(super) inlets: Inlets,
    pub(super) lists: Lists,
    pub(super) log: Log,
    pub(super) post: Post,
    pub(super) outlet: Outlet<Message>,
    pub(super) notifier: Notifier,
    pub(super) effects: Effects,
    own_read: Option<Time>,
    purged: Time,
    looked: Time,
    pub(super) positions_written: Time,
    /// When memory that only starting or reloading needed is given back.
    settled: Option<Time>,
    /// The number the next jail is known by to the watcher.
    pub(super) next_subscriber: u32,
    /// Jails whose logs the database was asked about, and until when its answer is waited for.
    pub(super) unplaced: Vec<(Subscriber, Time)>,
    /// Who was banned before is being read; with a time: it was tried, and is tried again then.
    pub(super) recalling: Option<Option<Time>>,
    pub(super) recall_told: bool,
    /// Jails whose bans are coming back.
    pub(super) restoring: Vec<Restoring>,
    /// Jails whose bans may stand in the firewall already.
    pub(super) left: Left,
    /// Answers Prometheus, where it is asked to.
    pub(super) endpoint: Option<Endpoint>,
    pub(super) stopping: bool,
    pub(super) endings: Endings,
    /// Jails that are configured and could not be started, with the reason.
    pub(super) failed: BTreeMap<String, String>,
    /// What is wrong with the server's own things, by their option.
    pub(super) troubles: BTreeMap<&'static str, String>,
    /// Started without a configuration: the client that started it sends the jails.
    pub(super) fed: bool,
    /// What stands in the firewalls is left to a successor.
    pub(super) leaving: bool,
}

/// What a daemon is made of.
pub(super) struct Parts {
    pub(super) surroundings: Surroundings,
    pub(super) server: ServerSettings,
    pub(super) keeper: Keeper,
    pub(super) watcher: Watcher,
    pub(super) log: Log,
    pub(super) post: Post,
    pub(super) outlet: Outlet<Message>,
    pub(super) notifier: Notifier,
    pub(super) fed: bool,
    pub(super) left: Left,
}

impl Daemon {
    pub(super) fn new(parts: Parts) -> Self {
        let zone = parts.surroundings.zone.time_zone().clone();
        let mut seed = u64::from(std::process::id()) ^ clock::now().micros().unsigned_abs();
        let random = move || {
            // SplitMix64: enough to spread the ends of bans.
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = seed;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        };
        Self {
            surroundings: parts.surroundings,
            server: parts.server,
            engine: Engine::new(zone, Box::new(random)),
            jails: Vec::new(),
            files: HashMap::new(),
            keeper: parts.keeper,
            watcher: parts.watcher,
            journal: None,
            journals: Vec::new(),
            inlets: Inlets::default(),
            lists: Lists::default(),
            log: parts.log,
            post: parts.post,
            outlet: parts.outlet,
            notifier: parts.notifier,
            effects: Effects::default(),
            own_read: None,
            purged: clock::now(),
            looked: clock::now(),
            positions_written: clock::now(),
            settled: None,
            next_subscriber: 0,
            unplaced: Vec::new(),
            recalling: None,
            recall_told: false,
            restoring: Vec::new(),
            left: parts.left,
            endpoint: None,
            stopping: false,
            endings: Endings::default(),
            failed: BTreeMap::new(),
            troubles: BTreeMap::new(),
            fed: parts.fed,
            leaving: false,
        }
    }

    /// Takes messages until it is told to stop.
    pub(super) fn run(&mut self, inbox: &Inbox<Message>) {
        self.settle_down(SETTLED);
        while !self.stopping {
            self.step(inbox);
        }
    }

    /// One message, or what is due, and the housekeeping behind it.
    pub(super) fn step(&mut self, inbox: &Inbox<Message>) {
        match inbox.next(self.next_wake()) {
            Waited::Message(message) => self.take(message),
            Waited::Due => {}
        }
        let now = clock::now();
        let mut effects = std::mem::take(&mut self.effects);
        self.engine.tick(now, &mut effects);
        self.effects = effects;
        self.perform();
        self.go_on_restoring(now);
        self.wait_no_more_for_places(now);
        self.keep_house(now);
        self.notifier.alive();
    }

    /// Takes messages until something was heard of every log of the jails that start, at most
    /// until `limit`, so that start-up tells of logs before it says that jails are up. Lines are
    /// put by into `lines`: they may be read for the second time, and lead to bans that are about
    /// to come back.
    pub(super) fn hear_of_logs(
        &mut self,
        inbox: &Inbox<Message>,
        limit: Time,
        lines: &mut Vec<Message>,
    ) {
        while self.jails.iter().any(|running| running.unheard > 0) && !self.stopping {
            match inbox.next(Some(limit)) {
                Waited::Message(message) => self.take_but_lines(message, lines),
                Waited::Due => return,
            }
        }
    }

    pub(super) fn take_but_lines(&mut self, message: Message, lines: &mut Vec<Message>) {
        match message {
            // A log of many lines is not held up: it is new here, or very long.
            Message::Source(SourceEvent::Lines { .. }, _) if lines.len() < PUT_BY => {
                lines.push(message);
            }
            Message::Source(SourceEvent::Lines { .. }, _) => {
                lines.drain(..).for_each(|message| self.take(message));
                self.take(message);
            }
            message => self.take(message),
        }
    }

    fn next_wake(&self) -> Option<Time> {
        let due = self
            .engine
            .next_due()
            .map(|due| due.min(clock::now() + CLOCK_AGE));
        let positions = self
            .files
            .values()
            .any(|file| file.unwritten)
            .max(self.journals.iter().any(|reader| reader.unwritten))
            .then(|| self.positions_written + POSITIONS_EVERY);
        let look = self
            .silent_actions()
            .next()
            .map(|_| self.looked + LOOK_EVERY);
        let manager = self.notifier.wake().map(|wait| clock::now() + span(wait));
        let read = [self.restore_due(), self.places_due()];
        [due, manager, positions, look, self.settled]
            .into_iter()
            .chain(read)
            .flatten()
            .min()
    }

    pub(super) fn take(&mut self, message: Message) {
        match message {
            Message::Source(event, _ration) => self.source(event),
            Message::Journal(event, _ration) => self.journal(event),
            Message::Pushed(inlet, push, _ration) => self.pushed(inlet, push),
            Message::Command(command, reply) => control::answer(self, command, reply),
            Message::Asked(Asked::Stop) => self.stopping = true,
            Message::Asked(Asked::Leave) => (self.stopping, self.leaving) = (true, true),
            // What went wrong is in the log that still works.
            Message::Asked(Asked::FlushLogs) => {
                let _ = self.flush_logs();
            }
            Message::Asked(Asked::Reload) => {
                let outcome = self.reload(&crate::protocol::Reload::default());
                // What is wrong has been logged.
                self.settle(outcome, Box::new(drop));
            }
            Message::Report(report) => Self::report(&report),
            Message::Resolved(name, told) => {
                let now = clock::now();
                self.engine.resolved(&name, &told, now, &mut self.effects);
                self.perform();
            }
            Message::Ignored {
                jail,
                token,
                ignored,
                records,
            } => {
                records.iter().for_each(log::emit);
                self.with_jail(&jail, |jail, turn| jail.ignore_answer(token, ignored, turn));
            }
            Message::Metrics(reply) => drop(reply.send(self.metrics())),
            Message::Ended(key) => self.ended(&key),
            Message::Places(subscriber, rows) => self.places(subscriber, rows),
            Message::History(past, end) => self.recalled(past, end),
            Message::Restored(piece) => self.restored(piece),
            Message::News(News::Log(record)) => log::emit(&record),
            Message::Disturbed(what) => {
                let actions = self.jails.iter().flat_map(|running| &running.actions);
                for action in actions {
                    action.worker.send(Job::Disturbed(Arc::clone(&what)));
                }
            }
            Message::News(News::StartedAnew) => self.write_everything(),
            Message::News(News::Trouble(trouble)) => self.trouble("dbfile", trouble),
        }
    }

    /// Notes what is wrong with something of the server's, or that nothing is any more.
    pub(super) fn trouble(&mut self, what: &'static str, trouble: Option<String>) {
        match trouble {
            Some(trouble) => self.troubles.insert(what, trouble),
            None => self.troubles.remove(what),
        };
    }

    /// Lets a jail act now and performs what comes of it; `None` when there is no such jail.
    pub(super) fn with_jail<T>(
        &mut self,
        name: &str,
        act: impl FnOnce(&mut crate::jail::Jail, &mut crate::jail::Turn<'_>) -> T,
    ) -> Option<T> {
        self.refresh();
        let result = self.engine.with(name, clock::now(), &mut self.effects, act);
        self.perform();
        result
    }

    /// Performs what is to be done, the firewall's part first.
    pub(super) fn perform(&mut self) {
        while !self.effects.is_empty() {
            let Effects { urgent, later } = std::mem::take(&mut self.effects);
            for (jail, effect) in urgent.into_iter().chain(later) {
                self.perform_one(&jail, effect);
            }
        }
    }

    /// Asks for a host name's addresses; never waits for them.
    fn resolve(&self, name: &Arc<str>, ours: bool) {
        let asker = match ours {
            true => dns::Asker::Operator,
            false => dns::Asker::Log,
        };
        let answers = self.outlet.clone();
        dns::system().addresses(name, asker, move |name, told| {
            answers.send(Message::Resolved(name.into(), told.clone()));
        });
    }

    fn perform_one(&mut self, jail: &Arc<str>, effect: Effect) {
        match effect {
            Effect::Enforce(ban) => {
                self.settle_down(QUIET);
                self.act(jail, || Job::Ban(Arc::clone(&ban)));
            }
            Effect::Release(ban) => self.act(jail, || Job::Unban(Arc::clone(&ban))),
            Effect::Prolong(ban) => self.act(jail, || Job::Prolong(Arc::clone(&ban))),
            Effect::Verify(_) => self.act(jail, || Job::Check),
            Effect::Flush => {
                self.say_flush(jail);
                self.act(jail, || Job::Flush);
            }
            Effect::Log(record) => log::emit(&record),
            Effect::Persist(ban) => self.keeper.write(Write::Ban {
                jail: Arc::clone(jail),
                ban,
            }),
            Effect::Forget(id) => {
                self.forget_restoring(jail, Some(&id));
                self.keeper.write(Write::Forget {
                    jail: Arc::clone(jail),
                    id,
                });
            }
            Effect::ForgetAll => {
                self.forget_restoring(jail, None);
                self.keeper.write(Write::ForgetAll {
                    jail: Arc::clone(jail),
                });
            }
            Effect::Resolve { name, ours } => self.resolve(&name, ours),
            Effect::ReadIgnoreFile(path) => self.read_list(&path),
            Effect::RunIgnoreCommand {
                token,
                command,
                ticket,
            } => {
                self.ask_ignore_command(jail, token, &command, &ticket);
            }
        }
    }

    /// fail2ban's notice before a flush; said here, where the order of the log is known.
    fn say_flush(&self, jail: &str) {
        let running = self.jails.iter().find(|running| *running.name == *jail);
        for action in running
            .map(|running| running.actions.as_slice())
            .unwrap_or_default()
        {
            if action
                .settings
                .option("actionflush")
                .is_some_and(|command| !command.is_empty())
            {
                let notice = format!("[{jail}] Flush ticket(s) with {}", action.settings.name);
                log::emit(&Record::new(Level::Notice, Logger::Actions, notice));
            }
        }
    }

    pub(super) fn act(&mut self, jail: &str, job: impl Fn() -> Job) {
        // First, as the job may ask for them.
        self.tell_numbers(jail);
        let Some(running) = self.jails.iter_mut().find(|running| *running.name == *jail) else {
            return;
        };
        for action in &mut running.actions {
            let job = job();
            if matches!(job, Job::Ban(_)) && !std::mem::replace(&mut action.started, true) {
                action.worker.send(Job::Start);
            }
            action.worker.send(job);
        }
    }

    /// What `<bantime>`, `<jail.banned>` and their like say from now on.
    pub(super) fn tell_numbers(&mut self, jail: &str) {
        let running = self.jails.iter().find(|running| *running.name == *jail);
        if let (Some(running), Some(member)) = (running, self.engine.member_mut(jail)) {
            let counts = member.jail.counts(clock::now());
            running.numbers().set(member.jail.bantime(), counts);
        }
    }

    /// Runs `ignorecommand` on a thread of its own; its answer comes as a message.
    fn ask_ignore_command(&self, jail: &Arc<str>, token: u64, command: &str, ticket: &Arc<Ban>) {
        let Some(running) = self.jails.iter().find(|running| running.name == *jail) else {
            return;
        };
        let (jail, command, ticket) = (Arc::clone(jail), command.to_owned(), Arc::clone(ticket));
        let (numbers, path) = (
            Arc::clone(running.numbers()),
            Arc::clone(&self.surroundings.path),
        );
        let outlet = self.outlet.clone();
        let asking = {
            let jail = Arc::clone(&jail);
            move || {
                let answer = crate::action::ask(&command, &jail, &ticket, &*numbers, &path);
                // fail2ban: 0 ignores, 1 does not, anything else is an error and does not.
                let (ignored, records) = match answer {
                    Ok(0) => (true, Vec::new()),
                    Ok(1) => (false, Vec::new()),
                    Ok(code) => (
                        false,
                        vec![complaint(&jail, &format!("{command} returned {code}"))],
                    ),
                    Err(error) => (false, vec![complaint(&jail, &error)]),
                };
                outlet.send(Message::Ignored {
                    jail,
                    token,
                    ignored,
                    records,
                });
            }
        };
        let thread = std::thread::Builder::new().name("ignorecommand".into());
        if let Err(error) = thread.stack_size(256 * 1024).spawn(asking) {
            let records = vec![complaint(&jail, &error.to_string())];
            self.outlet.send(Message::Ignored {
                jail,
                token,
                ignored: false,
                records,
            });
        }
    }

    fn report(report: &Report) {
        match &report.event {
            // Said already, by the action itself.
            Event::Log(_) | Event::Failed { .. } | Event::Stopped => {}
            Event::Repaired(bans) => log::emit(&Record::new(
                Level::Notice,
                Logger::Actions,
                format!(
                    "[{}] {}: the firewall had lost our rules; they are back, with {bans} bans",
                    report.jail, report.action
                ),
            )),
        }
    }

    /// Our own addresses change rarely, and matter when lines are judged.
    pub(super) fn refresh_own(&mut self) {
        let now = clock::now();
        if self.own_read.is_none_or(|read| now - read > OWN_AGE) {
            self.engine.set_own(facts::own_addresses());
            self.own_read = Some(now);
        }
    }

    fn keep_house(&mut self, now: Time) {
        if self.settled.is_some_and(|settled| settled <= now) {
            self.settled = None;
            pages::let_go();
        }
        if self.notifier.is_heard() {
            self.notifier.status(self.summary());
        }
        if now - self.purged >= PURGE_EVERY {
            self.purged = now;
            let age = self.server.dbpurgeage;
            self.engine.purge(now, age);
            self.keeper.write(Write::Purge { now, age });
        }
        if now - self.positions_written >= POSITIONS_EVERY {
            self.write_positions();
        }
        if now - self.looked >= LOOK_EVERY {
            self.looked = now;
            for action in self.silent_actions() {
                action.worker.send(Job::Check);
            }
        }
    }

    /// Something is done that touches much of the program: what only it needed is given back when
    /// nothing more of the kind comes within `quiet`.
    pub(super) fn settle_down(&mut self, quiet: Span) {
        self.settled = Some(clock::now() + quiet);
    }

    /// Actions that hold bans in a firewall which tells nobody when it loses them.
    fn silent_actions(&self) -> impl Iterator<Item = &Acting> {
        let holding = |running: &&Running| {
            let member = self.engine.member(&running.name);
            member.is_some_and(|member| !member.jail.bans().is_empty())
        };
        let jails = self.jails.iter().filter(holding);
        jails
            .flat_map(|running| &running.actions)
            .filter(|acting| acting.silent)
    }

    /// The database was made anew: it is told all that is current.
    fn write_everything(&mut self) {
        for member in self.engine.members() {
            let name = member.jail.name();
            self.keeper.write(Write::Jail {
                name: Arc::clone(name),
                enabled: true,
            });
            for mut ban in member.jail.bans().all() {
                if ban.restored {
                    // Its count went up by one as it came back.
                    let ban = Arc::make_mut(&mut ban);
                    ban.count = ban.count.saturating_sub(1);
                }
                self.keeper.write(Write::Ban {
                    jail: Arc::clone(name),
                    ban,
                });
            }
        }
        for (jail, id, past) in self.engine.history().all() {
            self.keeper.write(Write::Past(PastBan {
                jail: jail.to_owned(),
                id: id.clone(),
                count: past.count,
                time: past.time,
                bantime: past.bantime,
            }));
        }
        self.files
            .values_mut()
            .for_each(|file| file.unwritten = true);
        self.journals
            .iter_mut()
            .for_each(|reader| reader.unwritten = true);
        self.write_positions();
    }

    /// Before the jails end, and with them what is known of their bans: a database that is gone
    /// is written anew.
    pub(super) fn save_before_the_end(&mut self) {
        let gone = self
            .keeper
            .ask(Duration::from_secs(1), |store| store.is_gone());
        if gone == Some(true) {
            self.write_everything();
        }
    }

    /// SIGUSR1 and `flushlogs`: what was done, in fail2ban's words.
    pub(super) fn flush_logs(&self) -> Result<String, String> {
        let flushed = self.log.reopen().map_err(|error| error.to_string());
        match &flushed {
            Ok(what) => {
                let message = match (self.log.target(), what) {
                    (Some((target, _)), log::Flushed::RolledOver) => {
                        format!("rollover performed on {}", target_name(&target))
                    }
                    _ => "flush performed".to_owned(),
                };
                log::emit(&Record::new(Level::Info, Logger::Server, message));
            }
            Err(error) => log::emit(&Record::new(Level::Error, Logger::Server, error.clone())),
        }
        flushed.map(|what| what.to_string())
    }
}

/// A file's text. A pipe or a device would be waited for, and nobody else be served meanwhile.
pub(super) fn read_file(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no ordinary file"));
    }
    fs::read_to_string(path)
}

fn complaint(jail: &str, what: &str) -> Record {
    let message = format!("[{jail}] ignorecommand: {what}; the failure counts");
    Record::new(Level::Error, Logger::Filter, message)
}

/// A target as `get logtarget` names it.
pub(super) fn target_name(target: &log::Target) -> String {
    target.to_string()
}

fn span(duration: Duration) -> Span {
    Span::from_micros(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}
