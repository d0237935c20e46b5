//! The post office: takes mails, keeps them where they survive us, and sends them.
//!
//! A mail is on the disk before whoever hands it in goes on; what it is about is looked up, and the
//! mail is sent, by couriers: a few threads, there while there is something to do. One that does
//! not go out is tried again, later and later, and is given up loudly. A mail leaves the disk when
//! somebody has taken it: killed in between, it is sent twice (by the same Message-ID), never lost.
//! One action's mails go one after the other. What waits is bounded in number and bytes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::digest;
use super::flood::{Flow, Limits, NEVER, Verdict};
use super::letter::{About, Letter, Part};
use super::lookup::LookUp;
use super::recipe::Transport;
use super::smtp::{Failure, FailureKind, Missed, Parcel};
use super::spool::{Spool, micros};
use super::wire::{MailError, envelope, wire};
use crate::model::{Level, Logger, Record, Span, Time};

/// Mails of so many actions go out side by side.
const COURIERS: usize = 4;
/// TLS and the system's resolver on one thread, with room to spare.
const STACK: usize = 1024 * 1024;
/// What may wait: thirty an hour for more than a day, each of a usual size.
const WAITING: usize = 1000;
const BYTES: usize = 64 * 1024 * 1024;
/// Tries come no further apart than this, nor those of a place that takes nothing at all.
const LONGEST: Span = Span::from_secs(3600);
const PLACE_LONGEST: Span = Span::from_secs(15 * 60);
/// After a start, the actions say first how mail goes now.
const SETTLING: Span = Span::from_secs(3);
/// The clock may be set while a courier waits by it.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// The world outside, as couriers see it.
pub trait Outside: Send + Sync {
    fn now(&self) -> Time;

    fn look_up(&self) -> &dyn LookUp;

    /// Sends a message; it may take its time.
    ///
    /// # Errors
    /// When nobody got it.
    fn carry(&self, transport: &Transport, parcel: &Parcel<'_>) -> Result<Missed, Failure>;

    /// Where what happens to mails is said whose action is no more.
    fn say(&self, record: Record);
}

/// What became of a mail, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Sent(String),
    /// It is tried again.
    Later(String),
    GivenUp(String),
}

/// Whom an action has told what becomes of its mails.
pub type Tell = Arc<dyn Fn(Told) + Send + Sync>;

/// A mail that waits, as it is written down.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    letter: Letter,
    #[serde(with = "micros")]
    due: Time,
    tries: u32,
    retry: i64,
    giveup: i64,
}

impl Entry {
    fn new(mut letter: Letter, due: Time, limits: &Limits) -> Self {
        letter.transport = letter.transport.without_secret();
        let (retry, giveup) = (limits.retry.micros(), limits.giveup.micros());
        Self {
            letter,
            due,
            tries: 0,
            retry,
            giveup,
        }
    }

    /// One line; what a digest collects comes behind it.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    fn read(bytes: &[u8]) -> Option<(Self, String)> {
        let end = memchr::memchr(b'\n', bytes)?;
        let entry = serde_json::from_slice(&bytes[..end]).ok()?;
        Some((entry, String::from_utf8_lossy(&bytes[end + 1..]).into()))
    }

    fn is_open(&self) -> bool {
        self.letter.about == About::Digest && self.letter.parts.is_empty()
    }

    /// How long until the next try after so many; `longest` at most.
    fn pause(&self, tries: u32, longest: Span) -> Span {
        let times = 1i64 << tries.saturating_sub(1).min(20);
        let pause = Span::from_micros(self.retry.saturating_mul(times));
        pause.min(longest.max(Span::from_micros(self.retry)))
    }
}

type Key = (String, String);

/// What is known of a waiting mail without reading it.
struct Slot {
    key: Key,
    place: String,
    due: Time,
    tries: u32,
    bytes: usize,
    busy: bool,
    /// Bans of a digest, and whether it still collects.
    collected: usize,
    open: bool,
}

/// An action's mails.
struct Line {
    flow: Flow,
    digest: Option<String>,
    route: Option<(Transport, Tell)>,
}

#[derive(Default)]
struct State {
    slots: BTreeMap<String, Slot>,
    lines: HashMap<Key, Line>,
    /// Places that take nothing, until when and why.
    troubles: HashMap<String, (Time, u32)>,
    /// How many mails of all lines the disk knows to have gone out.
    written: u64,
    count: u64,
    couriers: usize,
    idle: usize,
    ended: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    folder: Option<PathBuf>,
    /// Opened when there is something to keep, or kept already.
    spool: OnceLock<Spool>,
    outside: Arc<dyn Outside>,
}

/// The post office's counter. Copies are the same one.
#[derive(Clone)]
pub struct Post(Arc<Shared>);

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Post").field(&self.waiting()).finish()
    }
}

impl Post {
    /// Mails wait in this folder; what is in it already goes out. It is made by the first mail.
    /// Without a folder, or one that cannot be had (which is said), they wait in memory.
    pub fn open(folder: Option<&Path>, outside: Arc<dyn Outside>) -> Self {
        let post = Self(Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            folder: folder.map(Path::to_owned),
            spool: OnceLock::new(),
            outside,
        }));
        if folder.is_some_and(Path::exists) {
            post.resume();
        }
        post
    }

    fn resume(&self) {
        let now = self.0.outside.now();
        let mut state = self.0.lock();
        state.recall(self.0.spool(), now);
        for name in self.0.spool().names().unwrap_or_default() {
            if !name.ends_with(SUFFIX) {
                continue;
            }
            let bytes = self.0.spool().read(&name).unwrap_or_default();
            let Some((entry, lines)) = Entry::read(&bytes) else {
                self.0.unreadable(&name);
                continue;
            };
            let key = entry.letter.key();
            let open = entry.is_open();
            let collected = if open { lines.lines().count() } else { 0 };
            if open {
                let line = state.line(&key);
                line.flow.resume(entry.due, collected);
                line.digest = Some(name.clone());
            }
            let slot = Slot {
                key,
                place: entry.letter.transport.place(),
                due: entry.due.max(now + SETTLING),
                tries: entry.tries,
                bytes: bytes.len(),
                busy: false,
                collected,
                open,
            };
            state.slots.insert(name, slot);
        }
        self.0.wake(&mut state, &self.0);
    }

    /// Takes a mail, to be sent or collected as the action's limits say; it is safe then. `tell`
    /// hears what becomes of it, maybe much later.
    ///
    /// # Errors
    /// When it cannot be kept: too many wait, or the disk does not take it.
    pub fn take(&self, letter: Letter, limits: &Limits, tell: Tell) -> Result<(), String> {
        let shared = &self.0;
        let now = shared.outside.now();
        let mut state = shared.lock();
        let key = letter.key();
        let line = state.line(&key);
        let changed = line.route.as_ref().map(|(old, _)| *old != letter.transport);
        line.route = Some((letter.transport.clone(), tell));
        if changed == Some(true) {
            state.goes_by(&key, &letter.transport.place(), now);
        }
        let line = state.line(&key);
        let taken = match &letter.about {
            About::Ban { id, attempts } => match line.flow.ban(now, limits) {
                Verdict::Mail => shared.put(&mut state, &Entry::new(letter, now, limits)),
                Verdict::Collect(due) => {
                    let row = digest::line(letter.time, id, *attempts);
                    shared.collect(&mut state, letter, (limits, due), &row)
                }
            },
            About::Reload => Ok(()),
            About::Start | About::Digest => {
                line.flow.note(now);
                shared.put(&mut state, &Entry::new(letter, now, limits))
            }
            About::Stop { silent } => {
                let silent = *silent;
                if limits.lines.is_some() {
                    state.finish_digest(&key, now);
                }
                if silent {
                    Ok(())
                } else {
                    state.line(&key).flow.note(now);
                    shared.put(&mut state, &Entry::new(letter, now, limits))
                }
            }
        };
        shared.wake(&mut state, shared);
        taken
    }

    /// How many mails wait, digests that still collect among them.
    pub fn waiting(&self) -> usize {
        self.0.lock().slots.len()
    }

    /// Sends what was not tried yet, for so long at most, and ends. What is left waits on the disk;
    /// how much that is.
    pub fn close(&self, limit: Duration) -> usize {
        let shared = &self.0;
        let mut state = shared.lock();
        if shared.spool.get().is_some_and(Spool::is_memory) {
            let keys: Vec<Key> = state.lines.keys().cloned().collect();
            let now = shared.outside.now();
            for key in keys {
                state.finish_digest(&key, now);
            }
        }
        shared.wake(&mut state, shared);
        let fresh = |state: &mut State| {
            let now = shared.outside.now();
            let waits = |slot: &Slot| slot.busy || (!slot.open && slot.tries == 0);
            let may = |slot: &Slot| slot.busy || slot.due <= now;
            state.slots.values().any(|slot| waits(slot) && may(slot))
        };
        let (mut state, _) = shared
            .changed
            .wait_timeout_while(state, limit, fresh)
            .unwrap_or_else(PoisonError::into_inner);
        state.ended = true;
        shared.changed.notify_all();
        state.slots.len()
    }
}

const SUFFIX: &str = ".mail";
/// Where it is written which mails went out within the hour: a restart allows nobody more.
const SENT: &str = "sent";

/// When mails of one action went out, in microseconds, as it is written down.
#[derive(Serialize, Deserialize)]
struct Sent {
    jail: String,
    action: String,
    at: Vec<i64>,
}

impl Letter {
    fn key(&self) -> Key {
        (self.jail.clone(), self.action.clone())
    }

    /// Which mail this is, for the log.
    fn shown(&self) -> String {
        let left = if self.left.is_empty() {
            &self.to
        } else {
            &self.left
        };
        format!("mail '{}' to {}", self.subject, left.join(", "))
    }
}

impl State {
    fn line(&mut self, key: &Key) -> &mut Line {
        self.lines.entry(key.clone()).or_insert_with(|| Line {
            flow: Flow::default(),
            digest: None,
            route: None,
        })
    }

    /// What went out before we were.
    fn recall(&mut self, spool: &Spool, now: Time) {
        let bytes = spool.read(SENT).unwrap_or_default();
        // A file that cannot be read is as good as none: it is written anew with the next mail.
        let known: Vec<Sent> = serde_json::from_slice(&bytes).unwrap_or_default();
        for Sent { jail, action, at } in known {
            let sent = at.into_iter().map(Time::from_micros);
            self.line(&(jail, action)).flow.recall(sent, now);
        }
    }

    /// Writes down what went out, if more did than the disk knows.
    fn write_down(&mut self, shared: &Shared) {
        let told = self.lines.values().map(|line| line.flow.told()).sum();
        if told == self.written || shared.spool().is_memory() {
            return;
        }
        let spool = shared.spool();
        self.written = told;
        let sent = self.lines.iter().map(|((jail, action), line)| Sent {
            jail: jail.clone(),
            action: action.clone(),
            at: line.flow.sent().map(Time::micros).collect(),
        });
        let sent: Vec<Sent> = sent.filter(|sent| !sent.at.is_empty()).collect();
        // Where the disk takes nothing, the mail itself has been told of.
        let _ = spool.put(SENT, &serde_json::to_vec(&sent).unwrap_or_default());
    }

    /// Whoever mends an action's settings need not wait for the next try of its mails.
    fn goes_by(&mut self, key: &Key, place: &str, now: Time) {
        self.troubles.remove(place);
        let mut mails = self.slots.values_mut().filter(|slot| slot.key == *key);
        while let Some(slot) = mails.find(|slot| !slot.open && !slot.busy) {
            place.clone_into(&mut slot.place);
            slot.due = now;
        }
    }

    /// An action's digest collects no more and goes out.
    fn finish_digest(&mut self, key: &Key, now: Time) {
        let line = self.line(key);
        if let Some(name) = line.digest.take() {
            line.flow.close(now);
            if let Some(slot) = self.slots.get_mut(&name) {
                slot.open = false;
                slot.due = now;
            }
        }
    }

    /// The next mail to be sent, taken.
    fn pick(&mut self, now: Time) -> Option<String> {
        let busy = self.busy();
        let mut found = None;
        for (name, slot) in &mut self.slots {
            if slot.busy || slot.due > now || busy.contains(&slot.key) {
                continue;
            }
            match self.troubles.get(&slot.place) {
                Some((until, _)) if *until > now => slot.due = *until,
                Some(_) | None => {
                    slot.busy = true;
                    found = Some((name.clone(), slot.key.clone(), slot.open));
                    break;
                }
            }
        }
        let (name, key, open) = found?;
        if open {
            self.finish_digest(&key, now);
        }
        Some(name)
    }

    /// The actions one of whose mails is on its way: their others wait for its courier.
    fn busy(&self) -> HashSet<Key> {
        let busy = self.slots.values().filter(|slot| slot.busy);
        busy.map(|slot| slot.key.clone()).collect()
    }

    /// When there is something to do again.
    fn next(&self) -> Option<Time> {
        let busy = self.busy();
        let free = self.slots.values().filter(|slot| !busy.contains(&slot.key));
        free.map(|slot| slot.due).filter(|due| *due < NEVER).min()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spool(&self) -> &Spool {
        self.spool.get_or_init(|| {
            let Some(folder) = &self.folder else {
                return Spool::memory();
            };
            Spool::open(folder).unwrap_or_else(|error| {
                let message = format!(
                    "{}: {error}; mails that wait do not survive a restart",
                    folder.display()
                );
                self.outside
                    .say(Record::new(Level::Error, Logger::Actions, message));
                Spool::memory()
            })
        })
    }

    fn put(&self, state: &mut State, entry: &Entry) -> Result<(), String> {
        let bytes = entry.bytes();
        let held: usize = state.slots.values().map(|slot| slot.bytes).sum();
        if state.slots.len() >= WAITING || held + bytes.len() > BYTES {
            let (count, place) = (state.slots.len(), entry.letter.transport.place());
            return Err(format!(
                "{count} mails wait already for {place} and others; this one is not kept"
            ));
        }
        state.count += 1;
        let (micros, count) = (entry.letter.time.micros().max(0), state.count);
        let name = format!("{micros:020}-{}-{count}{SUFFIX}", std::process::id());
        self.spool()
            .put(&name, &bytes)
            .map_err(|error| format!("the mail cannot be kept: {error}"))?;
        let open = entry.is_open();
        let slot = Slot {
            key: entry.letter.key(),
            place: entry.letter.transport.place(),
            due: entry.due,
            tries: 0,
            bytes: bytes.len(),
            busy: false,
            collected: 0,
            open,
        };
        if open {
            state.line(&slot.key).digest = Some(name.clone());
        }
        state.slots.insert(name, slot);
        Ok(())
    }

    /// Writes a ban down for the action's digest.
    fn collect(
        &self,
        state: &mut State,
        letter: Letter,
        (limits, due): (&Limits, Time),
        row: &str,
    ) -> Result<(), String> {
        let key = letter.key();
        if state.line(&key).digest.is_none() {
            let letter = Letter {
                about: About::Digest,
                parts: Vec::new(),
                ..letter
            };
            self.put(state, &Entry::new(letter, due, limits))?;
        }
        let name = state.line(&key).digest.clone().unwrap_or_default();
        let Some(slot) = state.slots.get_mut(&name) else {
            return Ok(());
        };
        if slot.collected < digest::KEPT {
            self.spool()
                .append(&name, row.as_bytes())
                .map_err(|error| format!("the digest cannot be kept: {error}"))?;
            slot.bytes += row.len();
        }
        slot.collected += 1;
        let full = limits
            .lines
            .is_some_and(|lines| slot.collected as u64 >= lines);
        if full {
            let now = self.outside.now();
            state.finish_digest(&key, now);
        }
        Ok(())
    }

    /// Sees to it that somebody looks at what has changed.
    fn wake(&self, state: &mut State, shared: &Arc<Self>) {
        state.write_down(self);
        self.changed.notify_all();
        let wanted = state.next().is_some() && state.idle == 0 && state.couriers < COURIERS;
        if !wanted || state.ended {
            return;
        }
        let shared = Arc::clone(shared);
        let thread = thread::Builder::new().name("courier".into());
        let started = thread.stack_size(STACK).spawn(move || shared.work());
        // Without a thread the mail waits for the next one.
        if started.is_ok() {
            state.couriers += 1;
        }
    }

    /// A courier: sends what is due until nothing waits.
    fn work(&self) {
        let mut state = self.lock();
        while !state.ended {
            let now = self.outside.now();
            if let Some(name) = state.pick(now) {
                // A digest that goes out counts as a mail.
                state.write_down(self);
                drop(state);
                let delivery = AssertUnwindSafe(|| self.deliver(&name));
                if panic::catch_unwind(delivery).is_err() {
                    self.unreadable(&name);
                }
                state = self.lock();
                if state.slots.get(&name).is_some_and(|slot| slot.busy) {
                    state.slots.remove(&name);
                }
                self.changed.notify_all();
                continue;
            }
            // One who waits is enough.
            let Some(due) = state.next().filter(|_| state.idle == 0) else {
                break;
            };
            state.idle += 1;
            let left = u64::try_from((due - now).micros()).unwrap_or(0);
            let limit = Duration::from_micros(left).min(LOOK_AGAIN);
            (state, _) = self
                .changed
                .wait_timeout(state, limit)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
        state.couriers -= 1;
    }

    fn unreadable(&self, name: &str) {
        self.spool().set_aside(name);
        let message = format!("The waiting mail {name} cannot be read; set aside as {name}.bad");
        self.outside
            .say(Record::new(Level::Error, Logger::Actions, message));
    }

    /// Sends one mail, and sees to what comes of it.
    fn deliver(&self, name: &str) {
        let read = self.spool().read(name).ok();
        let Some((mut entry, rows)) = read.and_then(|bytes| Entry::read(&bytes)) else {
            return self.unreadable(name);
        };
        let key = entry.letter.key();
        let (route, collected) = {
            let mut state = self.lock();
            let collected = state.slots.get(name).map_or(0, |slot| slot.collected);
            (state.line(&key).route.clone(), collected)
        };
        if entry.is_open() {
            compose(&mut entry.letter, &rows, collected);
        }
        entry.letter.fill(self.outside.look_up());
        let (transport, tell) = match route {
            Some((transport, tell)) => (transport, Some(tell)),
            None => (entry.letter.transport.clone(), None),
        };
        let shown = entry.letter.shown();
        let sent = self.send(name, &entry.letter, &transport);
        let told = match sent {
            Ok(missed) if missed.later.is_empty() => {
                self.spool().remove(name);
                let mut state = self.lock();
                state.slots.remove(name);
                state.troubles.remove(&transport.place());
                drop(state);
                refused(&missed).map_or(Told::Sent(shown), Told::GivenUp)
            }
            Ok(missed) => {
                let (left, reasons): (Vec<_>, Vec<_>) = missed
                    .later
                    .into_iter()
                    .map(|(to, reason)| (to.to_string(), reason))
                    .unzip();
                entry.letter.left = left;
                let reason = reasons.first().cloned().unwrap_or_default();
                let failure = Failure::new(FailureKind::ForNow, reason);
                self.failed(name, entry, &failure, &transport)
            }
            Err(failure) => self.failed(name, entry, &failure, &transport),
        };
        match tell {
            Some(tell) => tell(told),
            None => self.tell_log(&key, told),
        }
    }

    fn send(&self, name: &str, letter: &Letter, transport: &Transport) -> Result<Missed, Failure> {
        let wrong = |error: MailError| Failure::new(FailureKind::ForGood, error.to_string());
        let id = name.trim_end_matches(SUFFIX);
        let message = wire(letter, id).map_err(wrong)?.formatted();
        let (from, to) = envelope(letter).map_err(wrong)?;
        let parcel = Parcel {
            from: &from,
            to: &to,
            message: &message,
            host: &letter.host,
        };
        self.outside.carry(transport, &parcel)
    }

    /// Puts a mail back for another try, or gives it up.
    fn failed(
        &self,
        name: &str,
        mut entry: Entry,
        failure: &Failure,
        transport: &Transport,
    ) -> Told {
        let now = self.outside.now();
        let shown = entry.letter.shown();
        let age = now - entry.letter.time;
        let over = age >= Span::from_micros(entry.giveup);
        if failure.kind == FailureKind::ForGood || over {
            self.spool().remove(name);
            self.lock().slots.remove(name);
            let after = if over {
                format!(" after {} and {} tries", age.words(), entry.tries + 1)
            } else {
                String::new()
            };
            return Told::GivenUp(format!("{shown} is given up{after}: {failure}"));
        }
        entry.tries += 1;
        let longest = match failure.kind {
            FailureKind::Place => PLACE_LONGEST,
            FailureKind::ForNow | FailureKind::ForGood => LONGEST,
        };
        let place = transport.place();
        let mut pause = entry.pause(entry.tries, longest);
        let mut state = self.lock();
        if failure.kind == FailureKind::Place {
            let tries = state.troubles.get(&place).map_or(1, |(_, tries)| tries + 1);
            // A place that is down for long does not make a new mail wait longer than an old one.
            pause = entry.pause(tries, longest);
            state.troubles.insert(place.clone(), (now + pause, tries));
        }
        entry.due = now + pause;
        entry.letter.transport = transport.without_secret();
        let bytes = entry.bytes();
        // What is on the disk already is tried again too; all it lacks is when.
        let _ = self.spool().put(name, &bytes);
        if let Some(slot) = state.slots.get_mut(name) {
            slot.busy = false;
            slot.due = entry.due;
            slot.tries = entry.tries;
            slot.place = place;
            slot.bytes = bytes.len();
        }
        Told::Later(format!(
            "{shown} is not sent yet: {failure}; next try in {}",
            pause.words()
        ))
    }

    fn tell_log(&self, (jail, action): &Key, told: Told) {
        let (level, text) = match told {
            Told::Sent(shown) => (Level::Info, format!("{shown} is sent")),
            Told::Later(text) => (Level::Warning, text),
            Told::GivenUp(text) => (Level::Error, text),
        };
        let message = format!("[{jail}] {action}: {text}");
        self.outside
            .say(Record::new(level, Logger::Actions, message));
    }
}

/// A digest's letter, of what was collected.
fn compose(letter: &mut Letter, rows: &str, collected: usize) {
    let count = collected.max(rows.lines().count());
    let text = digest::text(&letter.name, &letter.host, rows, count);
    letter.parts = vec![Part::Text(text)];
    letter.subject = format!(
        "[Fail2Ban] {}: summary from {}, {count} bans",
        letter.name, letter.host
    );
}

/// Who will never get a mail that others got.
fn refused(missed: &Missed) -> Option<String> {
    let (to, reason) = missed.refused.first()?;
    let others = missed.refused.len() - 1;
    let more = if others > 0 {
        format!(" and {others} more")
    } else {
        String::new()
    };
    Some(format!("mail to {to}{more} is refused: {reason}"))
}

#[cfg(test)]
mod tests;
