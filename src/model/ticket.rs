//! Failures and bans: fail2ban's tickets.

use super::{BanTime, Captured, FailId, Network, Time};

/// A matched log line, with where its date stood: fail2ban's `(before, date, after)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedLine {
    pub text: Box<str>,
    /// Byte offsets of the date in `text`; `None` when the line is kept as one piece.
    pub date: Option<(u32, u32)>,
}

/// One failure as a filter reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub id: FailId,
    /// The address, where it is not the ID itself (`<F-ID>` beside `<HOST>`).
    pub ip: Option<Network>,
    pub time: Time,
    /// This failure's lines, oldest first.
    pub lines: Vec<MatchedLine>,
    pub data: Captured,
    /// Index of the failregex that matched.
    pub regex: usize,
}

/// One ban, from decision to end; what actions, database and client see of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ban {
    pub id: FailId,
    /// The address, where it is not the ID itself.
    pub ip: Option<Network>,
    /// When it was decided: the time of the last failure.
    pub time: Time,
    pub bantime: BanTime,
    /// How often this ID has been banned, this one included.
    pub count: u32,
    /// Failures that led to it.
    pub attempts: u32,
    pub lines: Vec<MatchedLine>,
    pub data: Captured,
    /// Read back from the database at start.
    pub restored: bool,
    /// `bantime` is this ban's own (restored, incremented, given by hand) and not the jail's, so a
    /// later change of the jail's does not touch it.
    pub own_bantime: bool,
}

impl Ban {
    /// A ban of somebody by hand, without a failure.
    pub fn by_hand(id: FailId, time: Time, bantime: BanTime) -> Self {
        Self {
            id,
            ip: None,
            time,
            bantime,
            count: 1,
            attempts: 0,
            lines: Vec::new(),
            data: Captured::default(),
            restored: false,
            own_bantime: false,
        }
    }

    /// When it ends; `None` for a permanent one.
    pub fn end(&self) -> Option<Time> {
        self.bantime.end(self.time)
    }

    /// The network to enforce against: `ip` where the ID is something else.
    pub fn network(&self) -> Option<&Network> {
        self.ip.as_ref().or_else(|| self.id.network())
    }
}
