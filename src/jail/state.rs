//! One jail's state machine: a failure, an order or the passing of time in, effects out.
//!
//! The texts it logs are fail2ban's own, as tools read them. It decides and remembers; enforcing,
//! writing down and looking things up are effects for the daemon.

mod answers;
mod orders;

use std::sync::Arc;

use super::bans::{Added, Bans};
use super::effect::{Effect, Turn};
use super::failures::{Counting, Failures, Limits, Ticket};
use super::history::Past;
use super::ignore::{Ignore, Opinion, our_own};
use super::increment::{Increment, IncrementError};
use super::parked::{Case, Parked};
use super::prefix::Prefixes;
use super::words::date_time;
use crate::model::{
    Ban, BanTime, FailId, Failure, JailSettings, Level, Logger, Network, Span, Time, UseDns,
};

/// The actions of a jail are verified at most this often, for a ban at least this old.
const VERIFY: Span = Span::from_secs(3);
/// From this age on, a failure of a banned ID means that something is wrong.
const LATE: Span = Span::from_secs(60);

/// A jail: who failed, who is banned, and the rules between.
#[derive(Clone, Debug)]
pub struct Jail {
    name: Arc<str>,
    usedns: UseDns,
    bantime: BanTime,
    failures: Failures,
    bans: Bans,
    increment: Increment,
    ignore: Ignore,
    parked: Parked,
    prefixes: Prefixes,
    verified: Option<Time>,
}

/// The four numbers of `status JAIL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub failed: usize,
    pub failed_total: u64,
    pub banned: usize,
    pub banned_total: u64,
}

impl Jail {
    pub fn new(settings: &JailSettings) -> Result<Self, IncrementError> {
        Ok(Self {
            name: settings.name.as_str().into(),
            usedns: settings.usedns,
            bantime: settings.bantime,
            failures: Failures::new(counting(settings), Limits::default()),
            bans: Bans::default(),
            increment: Increment::new(&settings.increment)?,
            ignore: Ignore::new(settings),
            parked: Parked::default(),
            prefixes: Prefixes::new(settings.prefixes),
            verified: None,
        })
    }

    /// What a jail asks for when it starts: its names and files.
    pub fn start(&mut self, turn: &mut Turn<'_>) {
        for path in self.ignore.files() {
            turn.push(Effect::ReadIgnoreFile(path.to_owned()));
        }
        self.ask_names(turn);
    }

    /// A line's failure.
    pub fn failure(&mut self, failure: Failure, turn: &mut Turn<'_>) {
        let count = None;
        self.consider(Case { failure, count }, turn);
    }

    /// A failure known by a host name only (its ID is that name): it counts for every address the
    /// name turns out to have.
    pub fn failure_by_name(&mut self, failure: Failure, turn: &mut Turn<'_>) {
        if let Some(name) = self.parked.wait_for_name(failure) {
            turn.push(Effect::Resolve { name, ours: false });
        }
    }

    /// Ends what is due.
    pub fn tick(&mut self, turn: &mut Turn<'_>) {
        while let Some(ban) = self.bans.expire(turn.now) {
            self.release(ban, "Unban", turn);
        }
        self.failures.tidy(turn.now);
    }

    /// When `tick` has something to do next.
    pub fn next_due(&self) -> Option<Time> {
        let due = [self.bans.next_due(), self.failures.next_due()];
        due.into_iter().flatten().min()
    }

    /// Asks whether a failure is ignored; false when it is known to be.
    fn consider(&mut self, case: Case, turn: &mut Turn<'_>) -> bool {
        self.ask_names(turn);
        match self.ignore.judge(&case.failure, turn.own, turn.now) {
            Opinion::Counts => self.count(case, turn),
            Opinion::Ignored(by) => {
                self.log_ignored(&case.failure.id, by, turn);
                return false;
            }
            Opinion::AskCommand => {
                let ticket = Arc::new(ticket_of(&case.failure, self.bantime));
                if let Some(token) = self.parked.wait_for_command(case) {
                    turn.push(Effect::RunIgnoreCommand {
                        token,
                        command: Arc::clone(&self.ignore.command),
                        ticket,
                    });
                }
            }
            Opinion::AskName => self.parked.wait_unsure(case),
        }
        true
    }

    fn ask_names(&mut self, turn: &mut Turn<'_>) {
        for name in self.ignore.names_due(turn.now) {
            turn.push(Effect::Resolve { name, ours: true });
        }
    }

    fn log_ignored(&self, id: &FailId, by: Option<String>, turn: &mut Turn<'_>) {
        if let Some(by) = by {
            let message = format!("[{}] Ignore {id} by {by}", self.name);
            turn.log(Level::Info, Logger::Filter, message);
        }
    }

    fn count(&mut self, case: Case, turn: &mut Turn<'_>) {
        let Case { failure, count } = case;
        let (id, time) = (failure.id.clone(), failure.time);
        let word = if count.is_some() { "Attempt" } else { "Found" };
        let date = date_time(time, turn.zone);
        let message = format!("[{}] {word} {id} - {date}", self.name);
        turn.log(Level::Info, Logger::Filter, message);
        let retry = self.failures.add(failure, count.unwrap_or(1), turn.now);
        let mut ticket = self.reached(&id, retry);
        if let Some(extra) = self.known_bad(&id, time, turn)
            && let Some(retry) = self.failures.aggravate(&id, time, extra)
        {
            ticket = ticket.or(self.reached(&id, retry));
        }
        if let Some(ticket) = ticket {
            self.ban_attacker(ticket, turn);
        }
    }

    /// Bans who has failed too often, with its network where that is configured.
    fn ban_attacker(&mut self, mut ticket: Ticket, turn: &mut Turn<'_>) {
        if let Some(network) = self.prefixes.widened(&ticket.id)
            && ticket.ip.is_none()
            && self.may_ban_network(&network, turn)
        {
            ticket.id = FailId::Net(network);
        }
        let (id, time) = (ticket.id.clone(), ticket.time);
        self.ban_ticket(ticket, turn);
        let findtime = self.failures.counting.findtime;
        let Some(network) = self.prefixes.count(&id, time, findtime) else {
            return;
        };
        if !self.may_ban_network(&network, turn) {
            return;
        }
        let message = format!(
            "[{}] {} hosts of {network} were banned; the network is, too",
            self.name, self.prefixes.settings.hosts
        );
        turn.log(Level::Notice, Logger::Actions, message);
        let attempts = self.prefixes.settings.hosts;
        self.ban_ticket(
            Ticket::of_nobody(FailId::Net(network), time, attempts),
            turn,
        );
    }

    /// Whether a network holds nobody who is ignored, and not ourselves.
    fn may_ban_network(&self, network: &Network, turn: &mut Turn<'_>) -> bool {
        let Some(reason) = self.ignore.objection(network, turn.own) else {
            return true;
        };
        let message = format!(
            "[{}] The network {network} is not banned: it holds {reason}",
            self.name
        );
        turn.log(Level::Info, Logger::Actions, message);
        false
    }

    /// Someone banned before needs fewer failures, the fewer the more often it was: how many one
    /// failure counts on top.
    fn known_bad(&self, id: &FailId, time: Time, turn: &mut Turn<'_>) -> Option<u32> {
        if !self.increment.enabled {
            return None;
        }
        let past = turn.history.find(&self.name, id)?;
        // A line read again after a restart was counted before.
        if time <= past.time || past.count == 0 {
            return None;
        }
        let maxretry = self.failures.counting.maxretry;
        let bad = (1u32 << past.count.min(20)) / 2 + 1;
        let weight = bad.min(maxretry);
        if weight <= 1 {
            return None;
        }
        let message = format!(
            "[{}] Found {id}, bad - {}, {} # -> {weight}{}{}",
            self.name,
            date_time(time, turn.zone),
            past.count,
            // fail2ban prints a float unless maxretry bounds it.
            if bad <= maxretry { ".0" } else { "" },
            if weight >= maxretry { ", Ban" } else { "" },
        );
        turn.log(Level::Info, Logger::Observer, message);
        Some(weight - 1)
    }

    fn reached(&mut self, id: &FailId, retry: u32) -> Option<Ticket> {
        if retry >= self.failures.counting.maxretry {
            self.failures.take(id)
        } else {
            None
        }
    }

    fn ban_ticket(&mut self, ticket: Ticket, turn: &mut Turn<'_>) {
        let ban = Ban {
            id: ticket.id,
            ip: ticket.ip,
            time: ticket.time,
            bantime: self.bantime,
            count: 0,
            attempts: ticket.attempts,
            lines: ticket.lines,
            data: ticket.data,
            restored: false,
            own_bantime: false,
        };
        self.add(ban, turn);
    }

    fn add(&mut self, mut ban: Ban, turn: &mut Turn<'_>) {
        if let Some(network) = ban.network()
            && let Some(own) = our_own(network, turn.own)
        {
            let message = format!(
                "[{}] Ignore {}, it would ban this machine's own {own}",
                self.name, ban.id
            );
            turn.log(Level::Warning, Logger::Actions, message);
            return;
        }
        let expired = ban.end().is_some_and(|end| end < turn.now);
        let incremented = if expired || self.bans.contains(&ban.id) {
            None
        } else {
            ban.count += 1;
            self.incremented(&mut ban, turn)
        };
        match self.bans.add(&ban, turn.now) {
            Added::New => self.banned(ban, incremented, turn),
            Added::Expired => {
                let message = format!("[{}] Ignore {}, expired bantime", self.name, ban.id);
                turn.log(Level::Info, Logger::Actions, message);
            }
            Added::Already { since, prolonged } => {
                if let Some(ban) = prolonged {
                    turn.push(Effect::Prolong(ban));
                }
                self.already_banned(&ban, since, turn);
            }
        }
    }

    /// The bantime of someone who was banned before; returns what is known of that.
    fn incremented(&self, ban: &mut Ban, turn: &mut Turn<'_>) -> Option<Past> {
        let BanTime::Secs(secs) = ban.bantime else {
            return None;
        };
        if !self.increment.enabled || ban.own_bantime || secs == 0 {
            return None;
        }
        let past = if self.increment.overalljails {
            turn.history.find_anywhere(&ban.id)?
        } else {
            turn.history.find(&self.name, &ban.id)?
        };
        ban.count = ban.count.max(past.count.saturating_add(1));
        ban.own_bantime = true;
        match self.increment.bantime(secs, past.count, turn.random) {
            Ok(longer) => ban.bantime = BanTime::from_number(longer),
            Err(_) => {
                let message = format!(
                    "[{}] bantime.formula has no value for {} after {} bans; it is banned for {}",
                    self.name,
                    ban.id,
                    past.count,
                    Span::from_secs(secs).words()
                );
                turn.log(Level::Error, Logger::Observer, message);
            }
        }
        Some(past)
    }

    fn banned(&mut self, ban: Ban, past: Option<Past>, turn: &mut Turn<'_>) {
        let ban = Arc::new(ban);
        turn.push(Effect::Enforce(Arc::clone(&ban)));
        let word = if ban.restored { "Restore Ban" } else { "Ban" };
        let message = format!("[{}] {word} {}", self.name, ban.id);
        turn.log(Level::Notice, Logger::Actions, message);
        if let Some(past) = past {
            self.log_increment(&ban, past, turn);
        }
        // What was read twice (from the log, and from the database it is in) is not counted twice.
        let read_again = past.is_some_and(|past| ban.time <= past.time);
        if ban.restored || read_again {
            return;
        }
        if self.increment.enabled {
            let past = Past {
                count: ban.count,
                time: ban.time,
                bantime: ban.bantime,
            };
            turn.history.record(&self.name, ban.id.clone(), past);
        }
        turn.push(Effect::Persist(ban));
    }

    fn log_increment(&self, ban: &Ban, past: Past, turn: &mut Turn<'_>) {
        let words = |bantime: BanTime| match bantime {
            BanTime::Secs(secs) => Span::from_secs(secs).words(),
            BanTime::Permanent => "permanent".to_owned(),
        };
        let length = words(ban.bantime);
        if ban.time > past.time {
            let message = format!(
                "[{}] IP {} is bad: {} # last {} - incr {} to {length}",
                self.name,
                ban.id,
                past.count,
                date_time(past.time, turn.zone),
                words(self.bantime),
            );
            turn.log(Level::Info, Logger::Observer, message);
        }
        if ban.bantime != self.bantime {
            let end = ban
                .end()
                .map_or_else(|| "infinite".to_owned(), |end| date_time(end, turn.zone));
            let message = format!(
                "[{}] Increase Ban {} ({} # {length} -> {end})",
                self.name, ban.id, ban.count
            );
            turn.log(Level::Notice, Logger::Observer, message);
        }
    }

    fn already_banned(&mut self, ban: &Ban, since: Time, turn: &mut Turn<'_>) {
        let age = ban.time - since;
        let level = match age {
            _ if age < VERIFY => Level::Debug,
            _ if age < LATE => Level::Notice,
            _ => Level::Warning,
        };
        let message = format!("[{}] {} already banned", self.name, ban.id);
        turn.log(level, Logger::Actions, message);
        let rested = self.verified.is_none_or(|last| turn.now - last > VERIFY);
        if age > VERIFY
            && rested
            && let Some(ban) = self.bans.find(&ban.id)
        {
            self.verified = Some(turn.now);
            turn.push(Effect::Verify(ban));
        }
    }

    fn release(&self, ban: Arc<Ban>, word: &str, turn: &mut Turn<'_>) {
        let message = format!("[{}] {word} {}", self.name, ban.id);
        turn.push(Effect::Release(ban));
        turn.log(Level::Notice, Logger::Actions, message);
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn counts(&mut self, now: Time) -> Counts {
        Counts {
            failed: self.failures.current(now),
            failed_total: self.failures.total(),
            banned: self.bans.len(),
            banned_total: self.bans.total(),
        }
    }

    /// The current bans.
    pub const fn bans(&self) -> &Bans {
        &self.bans
    }

    /// How much an ID's failures count by now.
    pub fn retry(&self, id: &FailId) -> Option<u32> {
        self.failures.retry(id)
    }

    /// An ID's failures so far, where they still count.
    pub fn failing(&self, id: &FailId, now: Time) -> Option<Ticket> {
        self.failures.find(id, now)
    }

    /// Failures that had to be dropped while names or `ignorecommand` were not answered.
    pub const fn dropped(&self) -> u64 {
        self.parked.dropped()
    }

    pub const fn bantime(&self) -> BanTime {
        self.bantime
    }

    pub const fn counting(&self) -> Counting {
        self.failures.counting
    }

    /// Whether past bans matter here, so that the history must be read from the database.
    pub const fn wants_history(&self) -> bool {
        self.increment.enabled
    }

    pub const fn ignore(&self) -> &Ignore {
        &self.ignore
    }
}

/// A failure as the ticket `ignorecommand` takes its tags from.
fn ticket_of(failure: &Failure, bantime: BanTime) -> Ban {
    Ban {
        id: failure.id.clone(),
        ip: failure.ip,
        time: failure.time,
        bantime,
        count: 0,
        attempts: 1,
        lines: failure.lines.clone(),
        data: failure.data.clone(),
        restored: false,
        own_bantime: false,
    }
}

const fn counting(settings: &JailSettings) -> Counting {
    Counting {
        maxretry: settings.maxretry,
        findtime: settings.findtime,
        maxmatches: settings.maxmatches,
    }
}
