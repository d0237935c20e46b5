//! Bans come back at start, a piece at a time, with the log's lines and clients in between.
//!
//! The database's thread reads a piece; the daemon's thread makes bans of it and asks for the next.
//! Who was banned before comes the same way, for jails that go by it. A database that is locked, or
//! broken, is asked again.
//!
//! So no more than a piece or two is ever in memory twice, and nobody waits for all of them. When
//! actions fall behind, the next piece waits for them a little.

use std::collections::HashMap;
use std::sync::Arc;

use super::clock;
use super::inbox::{Inbox, Waited};
use super::jails::say;
use super::state::{Daemon, Message};
use crate::action::{Job, Leftover};
use crate::jail::Past;
use crate::model::{Ban, FailId, Level, Logger, Span, Time};
use crate::store::{PastBan, Piece, Problem, StoreError, Wanted, Write};

/// Bans in one piece: some milliseconds of the daemon's thread.
const PIECE: usize = 500;
/// With more jobs than this before an action the next piece waits, for memory's sake.
const BEHIND: usize = 4 * PIECE;
/// How soon it is looked at again,
const LOOK_AGAIN: Span = Span::from_micros(2_000);
/// and how often, at most, before the next piece is taken all the same: actions that are scripts
/// take their time, and who is banned must be known.
const LOOKS: u32 = 25;

/// How soon a database is asked again that could not be read.
const ASK_AGAIN: Span = Span::from_secs(5);

/// How long new lines wait for the first piece of every jail.
const FIRST_PIECE: Span = Span::from_micros(500_000);

/// A jail whose bans are coming back.
#[derive(Debug)]
pub(super) struct Restoring {
    pub(super) jail: Arc<str>,
    /// Tells this start of the jail from one before.
    start: u32,
    /// How many have come.
    pieces: usize,
    /// Unbanned by hand meanwhile; `everything` when it was all of them.
    forgotten: Vec<FailId>,
    everything: bool,
    /// What kept the database from being read has been told.
    told: bool,
    /// A damaged database was mended for it.
    mended: bool,
    /// Where the next piece begins, while it waits for actions; how often they were looked at, and
    /// when they are next.
    held: Option<(String, u32, Time)>,
}

/// One piece, read.
#[derive(Debug)]
pub(super) struct Restored {
    jail: Arc<str>,
    start: u32,
    bans: Vec<Ban>,
    /// The address it begins behind.
    after: String,
    /// The address to go on after; `None` at the end.
    last: Result<Option<String>, StoreError>,
}

/// What the last server may have left in the firewall: the bans of jails that it did not stop.
#[derive(Debug)]
pub(super) struct Left {
    /// Each jail the database knows, and whether it was running at last and nobody has started it.
    jails: HashMap<Box<str>, bool>,
}

impl Left {
    /// By what the database says: each jail, and whether it was running at last.
    pub(super) fn new(jails: Vec<(String, bool)>) -> Self {
        let named = jails.into_iter().map(|(name, runs)| (name.into(), runs));
        Self {
            jails: named.collect(),
        }
    }

    pub(super) fn of(&self, jail: &str) -> Leftover {
        match self.jails.get(jail) {
            Some(true) => Leftover::Likely,
            Some(false) => Leftover::Nothing,
            None => Leftover::Perhaps,
        }
    }

    pub(super) fn taken(&mut self, jail: &str) {
        self.jails.insert(jail.into(), false);
    }
}

impl Daemon {
    /// Begins to bring back the bans that were in force when the daemon ended.
    pub(super) fn restore(&mut self, name: &Arc<str>) {
        let Some(running) = self.jails.iter().find(|running| running.name == *name) else {
            return;
        };
        let start = running.subscriber.0;
        self.restoring.push(Restoring {
            jail: Arc::clone(name),
            start,
            pieces: 0,
            forgotten: Vec::new(),
            everything: false,
            told: false,
            mended: false,
            held: None,
        });
        self.ask_piece(name, start, String::new());
    }

    /// Takes messages until all bans of a start are handed to their actions. The first piece, which
    /// is all there is nearly always, goes before the `lines` that were put by.
    pub(super) fn bring_back_bans(&mut self, inbox: &Inbox<Message>, mut lines: Vec<Message>) {
        let limit = clock::now() + FIRST_PIECE;
        while self.waits_for_database() && !self.stopping {
            match inbox.next(Some(limit)) {
                Waited::Message(message) => self.take_but_lines(message, &mut lines),
                Waited::Due => break,
            }
        }
        lines.into_iter().for_each(|message| self.take(message));
        // A database in trouble keeps nobody from being told that we are ready.
        while self.restoring.iter().any(|restoring| !restoring.told) && !self.stopping {
            self.step(inbox);
        }
    }

    /// Whether a first piece, or who was banned before, is still to come.
    fn waits_for_database(&self) -> bool {
        let mut restoring = self.restoring.iter();
        restoring.any(|restoring| restoring.pieces == 0) || self.recalling == Some(None)
    }

    fn ask_piece(&self, name: &Arc<str>, start: u32, after: String) {
        let Some(running) = self.jails.iter().find(|running| running.name == *name) else {
            return;
        };
        let jail = Arc::clone(name);
        let (bantime, increment) = (running.settings.bantime, running.settings.increment.enabled);
        let maxmatches = running.settings.maxmatches;
        let outlet = self.outlet.clone();
        self.keeper.look(move |store| {
            let wanted = Wanted {
                jail: &jail,
                now: clock::now(),
                bantime,
                increment,
                maxmatches,
            };
            let piece = Piece {
                after: &after,
                most: PIECE,
            };
            let mut bans = Vec::with_capacity(PIECE);
            let last = store.bans_after(wanted, piece, |ban| bans.push(ban));
            outlet.send(Message::Restored(Restored {
                jail,
                start,
                bans,
                after,
                last,
            }));
        });
    }

    /// A piece has been read.
    pub(super) fn restored(&mut self, piece: Restored) {
        let Restored {
            jail,
            start,
            mut bans,
            after,
            last,
        } = piece;
        let Some(place) = self
            .restoring
            .iter()
            .position(|restoring| restoring.jail == jail && restoring.start == start)
        else {
            return;
        };
        self.restoring[place].pieces += 1;
        self.leave_forgotten_out(place, &mut bans);
        let whole = matches!(last, Ok(None));
        match last {
            Ok(Some(after)) => {
                self.restoring[place].held = Some((after, 0, clock::now()));
                self.go_on_restoring(clock::now());
            }
            Ok(None) => drop(self.restoring.remove(place)),
            Err(error) => self.ask_piece_again(place, after, error),
        }
        // The next piece is being read meanwhile.
        self.with_jail(&jail, |jail, turn| {
            for ban in bans {
                jail.restore(ban, turn);
            }
        });
        if whole {
            self.act(&jail, || Job::Reconcile);
        }
    }

    /// A piece could not be read: it is asked for again, of a mended database where that helps.
    fn ask_piece_again(&mut self, place: usize, after: String, error: StoreError) {
        let restoring = &mut self.restoring[place];
        let damaged = error.problem == Problem::Corrupt;
        // Why it is not open has been told.
        if !std::mem::replace(&mut restoring.told, true) && error.problem != Problem::Closed {
            let message = format!("[{}] bans are not restored yet: {error}", restoring.jail);
            say(Level::Error, Logger::Database, message);
        }
        if damaged && restoring.mended {
            self.restoring.remove(place);
            return;
        }
        let wait = if damaged { Span::ZERO } else { ASK_AGAIN };
        restoring.mended |= damaged;
        restoring.held = Some((after, LOOKS, clock::now() + wait));
        if damaged {
            self.keeper.mend(error);
        }
    }

    /// Who was banned before, for jails that go by it; read once.
    pub(super) fn recall(&mut self) {
        if self.recalling.is_none() && self.engine.history().is_empty() {
            self.recall_again();
        }
    }

    pub(super) fn recall_again(&mut self) {
        self.recalling = Some(None);
        self.engine.history_mut().begin();
        let outlet = self.outlet.clone();
        self.keeper.look(move |store| {
            let mut past = Vec::with_capacity(PIECE);
            let end = store.history(|ban| {
                past.push(ban);
                if past.len() == PIECE {
                    let full = std::mem::replace(&mut past, Vec::with_capacity(PIECE));
                    outlet.send(Message::History(full, None));
                }
            });
            outlet.send(Message::History(past, Some(end)));
        });
    }

    /// Some of those who were banned before have been read.
    pub(super) fn recalled(&mut self, past: Vec<PastBan>, end: Option<Result<(), StoreError>>) {
        let history = self.engine.history_mut();
        for ban in past {
            let known = Past {
                count: ban.count,
                time: ban.time,
                bantime: ban.bantime,
            };
            // Banned while this was on its way: the database counts from one, as we did.
            if let Some(count) = history.recall(&ban.jail, &ban.id, known) {
                let jail = ban.jail.into();
                let id = ban.id;
                self.keeper.write(Write::Count { jail, id, count });
            }
        }
        match end {
            None => {}
            Some(Ok(())) => {
                history.end();
                (self.recalling, self.recall_told) = (None, false);
            }
            Some(Err(error)) => {
                let again = clock::now() + ASK_AGAIN;
                let told = std::mem::replace(&mut self.recall_told, true);
                if !told && error.problem != Problem::Closed {
                    let message = format!("past bans do not count yet: {error}");
                    say(Level::Error, Logger::Database, message);
                }
                if error.problem == Problem::Corrupt {
                    self.keeper.mend(error);
                }
                self.recalling = Some(Some(again));
            }
        }
    }

    /// Whom somebody unbanned meanwhile stays unbanned, in the database too.
    fn leave_forgotten_out(&self, place: usize, bans: &mut Vec<Ban>) {
        let restoring = &self.restoring[place];
        if !restoring.everything && restoring.forgotten.is_empty() {
            return;
        }
        let Some(member) = self.engine.member(&restoring.jail) else {
            return;
        };
        bans.retain(|ban| {
            // Banned again since: the row is of that ban.
            if member.jail.bans().contains(&ban.id) || !restoring.forgot(&ban.id) {
                return true;
            }
            self.keeper.write(Write::Forget {
                jail: Arc::clone(&restoring.jail),
                id: ban.id.clone(),
            });
            false
        });
    }

    /// Asks for pieces that waited for actions long enough.
    pub(super) fn go_on_restoring(&mut self, now: Time) {
        if self.recalling.flatten().is_some_and(|due| due <= now) {
            self.recall_again();
        }
        for place in 0..self.restoring.len() {
            let restoring = &mut self.restoring[place];
            let Some((_, looks, due)) = &mut restoring.held else {
                continue;
            };
            if *due > now {
                continue;
            }
            let jail = Arc::clone(&restoring.jail);
            let running = self.jails.iter().find(|running| running.name == jail);
            let behind = running.is_some_and(|running| {
                let mut actions = running.actions.iter();
                actions.any(|action| action.worker.waiting() > BEHIND)
            });
            if behind && *looks < LOOKS {
                *looks += 1;
                *due = now + LOOK_AGAIN;
                continue;
            }
            let start = restoring.start;
            if let Some((after, _, _)) = restoring.held.take() {
                self.ask_piece(&jail, start, after);
            }
        }
    }

    /// When a piece that waits is to be looked at again.
    pub(super) fn restore_due(&self) -> Option<Time> {
        self.restoring
            .iter()
            .filter_map(|restoring| restoring.held.as_ref())
            .map(|(_, _, due)| *due)
            .chain(self.recalling.flatten())
            .min()
    }

    /// An ID, or everybody, is unbanned by hand: it does not come back with a later piece.
    pub(super) fn forget_restoring(&mut self, jail: &str, id: Option<&FailId>) {
        for restoring in &mut self.restoring {
            if *restoring.jail == *jail {
                match id {
                    Some(id) => restoring.forgotten.push(id.clone()),
                    None => restoring.everything = true,
                }
            }
        }
    }

    /// What `systemctl status` shows.
    pub(super) fn summary(&self) -> String {
        let banned: usize = self
            .engine
            .members()
            .iter()
            .map(|member| member.jail.bans().len())
            .sum();
        let jails = self.jails.len();
        let plural = if jails == 1 { "" } else { "s" };
        let failed = match self.failed.len() {
            0 => String::new(),
            failed => format!(", {failed} failed to start"),
        };
        format!("{jails} jail{plural}{failed}, {banned} banned")
    }
}

impl Restoring {
    fn forgot(&self, id: &FailId) -> bool {
        self.everything
            || self.forgotten.iter().any(|forgotten| {
                forgotten == id
                    || forgotten.network().is_some_and(|wide| {
                        id.network().is_some_and(|network| wide.contains(network))
                    })
            })
    }
}
