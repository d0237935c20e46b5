//! What an operator orders: bans and unbans by hand, settings changed at run time, the end.

use super::{Jail, counting};
use crate::jail::effect::{Effect, Turn};
use crate::jail::failures::{Counting, Ticket};
use crate::jail::ignore::Ignore;
use crate::jail::increment::{Increment, IncrementError};
use crate::jail::parked::Case;
use crate::model::{
    Ban, BanIncrement, BanTime, FailId, Failure, JailSettings, Level, Logger, MatchedLine, UseDns,
};

impl Jail {
    /// New settings: failures and bans stay. Nothing changes when they are wrong.
    pub fn reload(
        &mut self,
        settings: &JailSettings,
        turn: &mut Turn<'_>,
    ) -> Result<(), IncrementError> {
        self.set_increment(&settings.increment)?;
        let mut ignore = Ignore::new(settings);
        ignore.learn(&self.ignore);
        self.ignore = ignore;
        self.prefixes.settings = settings.prefixes;
        self.usedns = settings.usedns;
        self.set_bantime(settings.bantime, turn);
        self.set_counting(counting(settings), turn);
        self.start(turn);
        Ok(())
    }

    /// `set JAIL attempt IP LINES`; whether it counts (it may yet turn out to be ignored).
    pub fn attempt(&mut self, id: FailId, lines: Vec<String>, turn: &mut Turn<'_>) -> bool {
        let count = Some(lines.len().max(1) as u32);
        let lines = lines.into_iter().map(|text| MatchedLine {
            text: text.into(),
            date: None,
        });
        let failure = Failure {
            id,
            ip: None,
            time: turn.now,
            lines: lines.collect(),
            data: Default::default(),
            regex: 0,
        };
        self.consider(Case { failure, count }, turn)
    }

    /// Bans at once for a time of its own; returns how many are newly banned.
    pub fn ban_for(&mut self, ids: &[FailId], bantime: BanTime, turn: &mut Turn<'_>) -> usize {
        let before = self.bans.total();
        for id in ids {
            let ban = Ban {
                count: 0,
                own_bantime: true,
                ..Ban::by_hand(id.clone(), turn.now, bantime)
            };
            self.add(ban, turn);
        }
        (self.bans.total() - before) as usize
    }

    /// `set JAIL banip`: bans at once, whoever is ignored; returns how many are newly banned.
    pub fn ban(&mut self, ids: &[FailId], turn: &mut Turn<'_>) -> usize {
        let before = self.bans.total();
        for id in ids {
            self.ban_ticket(Ticket::of_nobody(id.clone(), turn.now, 0), turn);
        }
        (self.bans.total() - before) as usize
    }

    /// `set JAIL unbanip`: ends the bans of an ID, or of all within a network, and forgets them;
    /// returns how many were banned.
    pub fn unban(&mut self, id: &FailId, turn: &mut Turn<'_>) -> usize {
        turn.push(Effect::Forget(id.clone()));
        turn.history.forget(&self.name, id);
        if let Some(ban) = self.bans.remove(id) {
            self.release(ban, "Unban", turn);
            return 1;
        }
        if let Some(network) = id.network().filter(|network| !network.is_host()) {
            let within = self.bans.within(network);
            if !within.is_empty() {
                return within.iter().map(|id| self.unban(id, turn)).sum();
            }
        }
        let message = format!("{id} is not banned");
        turn.log(Level::Msg, Logger::Actions, message);
        0
    }

    /// `unban --all` for this jail; returns how many were banned.
    pub fn unban_all(&mut self, turn: &mut Turn<'_>) -> usize {
        turn.push(Effect::ForgetAll);
        turn.history.forget_jail(&self.name);
        self.flush("Unban", turn)
    }

    /// The jail ends: its bans leave the firewall and stay in the database.
    pub fn stop(&mut self, turn: &mut Turn<'_>) -> usize {
        self.flush("Repeal Ban", turn)
    }

    fn flush(&mut self, word: &str, turn: &mut Turn<'_>) -> usize {
        let count = self.bans.len();
        turn.push(Effect::Flush);
        for ban in self.bans.drain() {
            self.release(ban, word, turn);
        }
        count
    }

    /// `set JAIL bantime`: bans without a bantime of their own follow.
    pub fn set_bantime(&mut self, bantime: BanTime, turn: &mut Turn<'_>) {
        self.bantime = bantime;
        for ban in self.bans.retime(bantime) {
            turn.push(Effect::Prolong(ban));
        }
        self.tick(turn);
    }

    /// `set JAIL maxretry|findtime|maxmatches`: a lower maxretry bans whoever is there already.
    pub fn set_counting(&mut self, counting: Counting, turn: &mut Turn<'_>) {
        self.failures.counting = counting;
        for id in self.failures.reached() {
            if let Some(ticket) = self.failures.take(&id) {
                self.ban_attacker(ticket, turn);
            }
        }
    }

    pub fn set_increment(&mut self, settings: &BanIncrement) -> Result<(), IncrementError> {
        self.increment = Increment::new(settings)?;
        Ok(())
    }

    pub const fn set_usedns(&mut self, usedns: UseDns) {
        self.usedns = usedns;
    }

    /// The ignore lists, to change; `start` then asks for new names and files.
    pub const fn ignore_mut(&mut self) -> &mut Ignore {
        &mut self.ignore
    }
}
