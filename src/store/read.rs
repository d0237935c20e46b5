//! Reading: what a start needs, and what actions ask about an address.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, Row, params};

use super::Store;
use super::data;
use super::error::StoreError;
use super::schema;
use crate::model::{Ban, BanTime, FailId, Time};

/// fail2ban's number for a bantime nobody wrote down (before version 3).
const UNKNOWN: i64 = -2;

/// How far a log was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Position {
    /// Bytes from the beginning of a file.
    Offset(u64),
    /// The time of a journal's entry.
    Time(Time),
}

/// A log that was read, and how far.
#[derive(Clone, Debug, PartialEq)]
pub struct LogPlace {
    pub path: String,
    /// SHA-1 of its first line then, as hex; a journal's cursor.
    pub hash: String,
    pub position: Position,
    /// SHA-1 of what stood before the position, where we wrote it.
    pub mark: Option<String>,
}

impl Position {
    /// A journal's position. SQLite hands a time of whole seconds back as a whole number.
    pub const fn time(self) -> Time {
        match self {
            Self::Offset(secs) => Time::from_secs(secs as i64),
            Self::Time(time) => time,
        }
    }
}

/// An ID's last ban in a jail.
#[derive(Clone, Debug, PartialEq)]
pub struct PastBan {
    pub jail: String,
    pub id: FailId,
    pub count: u32,
    pub time: Time,
    pub bantime: BanTime,
}

/// What the bans of an ID come to together (`<ipmatches>`, `<ipfailures>`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The last `dbmaxmatches` lines, oldest first.
    pub lines: Vec<String>,
    pub failures: u32,
}

/// Which bans to read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    pub jail: &'a str,
    pub now: Time,
    /// The jail's bantime, for bans whose own is unknown.
    pub bantime: BanTime,
    /// `bantime.increment`: each ban counts with its own bantime; otherwise none that is older than
    /// the jail's is read.
    pub increment: bool,
    /// The jail's maxmatches.
    pub maxmatches: usize,
}

/// How much of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Bans of addresses behind this one, in the order of text; empty for the beginning.
    pub after: &'a str,
    pub most: usize,
}

impl Store {
    /// The bans of a jail that are still in force, by address, each handed to `each`.
    pub fn current_bans(
        &self,
        wanted: Wanted<'_>,
        each: impl FnMut(Ban),
    ) -> Result<(), StoreError> {
        let all = Piece {
            after: "",
            most: usize::MAX,
        };
        self.bans_after(wanted, all, each).map(drop)
    }

    /// The next piece of them; the address to go on after, `None` when these were the last.
    pub fn bans_after(
        &self,
        wanted: Wanted<'_>,
        piece: Piece<'_>,
        mut each: impl FnMut(Ban),
    ) -> Result<Option<String>, StoreError> {
        self.check_open()?;
        let Some(connection) = &self.connection else {
            return Ok(None);
        };
        let fail = |error: rusqlite::Error| self.fail(&error);
        let now = wanted.now.as_secs_f64();
        let since = match wanted.bantime {
            BanTime::Secs(secs) if !wanted.increment => now - secs as f64,
            BanTime::Secs(_) | BanTime::Permanent => f64::MIN,
        };
        let mut statement = connection
            .prepare(
                "SELECT ip, timeofban, bantime, bancount, data FROM bips WHERE jail = ? \
                 AND (timeofban + bantime > ? OR bantime <= -1) AND timeofban > ? AND ip > ? \
                 ORDER BY ip LIMIT ?",
            )
            .map_err(fail)?;
        let most = i64::try_from(piece.most).unwrap_or(i64::MAX);
        let mut rows = statement
            .query(params![wanted.jail, now, since, piece.after, most])
            .map_err(fail)?;
        let mut read = 0;
        let mut last = None;
        while let Some(row) = rows.next().map_err(fail)? {
            read += 1;
            if read == piece.most {
                last = row.get(0).ok();
            }
            // A row of nonsense is left out, not the rest with it.
            if let Some(ban) = restored(row, wanted) {
                each(ban);
            }
        }
        drop(rows);
        if last.is_some() {
            return Ok(last);
        }
        // What the pages took is not needed again.
        let _ = connection.execute_batch("PRAGMA shrink_memory");
        Ok(None)
    }

    /// Who was banned before, in all jails, each handed to `each`.
    pub fn history(&self, mut each: impl FnMut(PastBan)) -> Result<(), StoreError> {
        self.check_open()?;
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        let fail = |error: rusqlite::Error| self.fail(&error);
        let mut statement = connection
            .prepare("SELECT jail, ip, bancount, timeofban, bantime FROM bips")
            .map_err(fail)?;
        let mut rows = statement.query([]).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            if let Ok(past) = past_ban(row) {
                each(past);
            }
        }
        drop(rows);
        let _ = connection.execute_batch("PRAGMA shrink_memory");
        Ok(())
    }

    /// How far each log of a jail was read: its path, the hash of its first line then, the position.
    pub fn positions(&self, jail: &str) -> Result<Vec<LogPlace>, StoreError> {
        self.check_open()?;
        let Some(connection) = &self.connection else {
            return Ok(Vec::new());
        };
        let fail = |error: rusqlite::Error| self.fail(&error);
        let mut statement = connection
            .prepare("SELECT path FROM logs WHERE jail = ?")
            .map_err(fail)?;
        let paths = statement
            .query_map([jail], |row| row.get::<_, String>(0))
            .map_err(fail)?;
        let mut positions = Vec::new();
        for path in paths {
            let path = path.map_err(fail)?;
            if let Some((hash, position)) = self.position(jail, &path)? {
                let mark = self.mark(jail, &path)?;
                positions.push(LogPlace {
                    path,
                    hash,
                    position,
                    mark,
                });
            }
        }
        Ok(positions)
    }

    /// What stood before a log's position when it was written, as [`Write::Position`] had it.
    ///
    /// [`Write::Position`]: super::Write::Position
    pub fn mark(&self, jail: &str, path: &str) -> Result<Option<String>, StoreError> {
        let Some(connection) = &self.connection else {
            return Ok(None);
        };
        let read = || -> rusqlite::Result<Option<String>> {
            if !schema::exists(connection, "rbanMarks")? {
                return Ok(None);
            }
            connection
                .query_row(
                    "SELECT mark FROM rbanMarks JOIN logs USING(jail, path, lastfilepos) \
                     WHERE jail = ? AND path = ?",
                    [jail, path],
                    |row| row.get(0),
                )
                .optional()
        };
        read().map_err(|error| self.fail(&error))
    }

    /// How far a log was read: the hash of its first line then, and the position.
    pub fn position(
        &self,
        jail: &str,
        path: &str,
    ) -> Result<Option<(String, Position)>, StoreError> {
        let Some(connection) = &self.connection else {
            return Ok(None);
        };
        connection
            .query_row(
                "SELECT firstlinemd5, lastfilepos FROM logs WHERE jail = ? AND path = ?",
                [jail, path],
                |row| {
                    let hash: Option<String> = row.get(0)?;
                    Ok((hash.unwrap_or_default(), row.get(1)?))
                },
            )
            .optional()
            .map_err(|error| self.fail(&error))
    }

    /// The jails known, with whether they were on.
    pub fn jails(&self) -> Result<Vec<(String, bool)>, StoreError> {
        let Some(connection) = &self.connection else {
            return Ok(Vec::new());
        };
        let read = || -> rusqlite::Result<Vec<(String, bool)>> {
            connection
                .prepare("SELECT name, enabled FROM jails ORDER BY rowid")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        };
        read().map_err(|error| self.fail(&error))
    }

    /// The bans of an ID together, in one jail or in all.
    pub fn merged(&self, id: &FailId, jail: Option<&str>) -> Result<Merged, StoreError> {
        let Some(connection) = &self.connection else {
            return Ok(Merged::default());
        };
        let fail = |error: rusqlite::Error| self.fail(&error);
        let mut statement = connection
            .prepare(
                "SELECT data FROM bans WHERE ip = ?1 AND (?2 IS NULL OR jail = ?2) \
                 ORDER BY timeofban DESC",
            )
            .map_err(fail)?;
        let mut rows = statement
            .query(params![id.to_string(), jail])
            .map_err(fail)?;
        let mut merged = Merged::default();
        let mut newest_first: Vec<String> = Vec::new();
        while let Some(row) = rows.next().map_err(fail)? {
            let room = self.maxmatches.saturating_sub(newest_first.len());
            let data = data::decode(json(row, 0), room);
            merged.failures = merged.failures.saturating_add(data.failures);
            let lines = data.lines.into_iter().rev();
            newest_first.extend(lines.map(|line| line.text.into_string()));
        }
        merged.lines = newest_first.into_iter().rev().collect();
        Ok(merged)
    }
}

impl Store {
    /// The bans of this ban's ID together, in `jail` or in all jails, this one of `own` among them:
    /// it may not be written down yet.
    pub fn merged_with(
        &self,
        ban: &Ban,
        own: &str,
        jail: Option<&str>,
    ) -> Result<Merged, StoreError> {
        let mut merged = self.merged(&ban.id, jail)?;
        if !self.has(ban, own)? {
            merged.failures = merged.failures.saturating_add(ban.attempts);
            let lines = ban.lines.iter().map(|line| line.text.to_string());
            merged.lines.extend(lines);
            let over = merged.lines.len().saturating_sub(self.maxmatches);
            merged.lines.drain(..over);
        }
        Ok(merged)
    }

    fn has(&self, ban: &Ban, jail: &str) -> Result<bool, StoreError> {
        let Some(connection) = &self.connection else {
            return Ok(false);
        };
        connection
            .prepare("SELECT 1 FROM bans WHERE jail = ?1 AND ip = ?2 AND timeofban = ?3")
            .and_then(|mut rows| rows.exists(params![jail, ban.id.to_string(), ban.time.secs()]))
            .map_err(|error| self.fail(&error))
    }
}

fn restored(row: &Row<'_>, wanted: Wanted<'_>) -> Option<Ban> {
    let id: String = row.get(0).ok()?;
    if id.is_empty() {
        return None;
    }
    let data = data::decode(json(row, 4), wanted.maxmatches);
    let bantime = match row.get::<_, Whole>(2).ok()?.0 {
        UNKNOWN => wanted.bantime,
        known => BanTime::from_number(known),
    };
    Some(Ban {
        id: FailId::parse(&id),
        ip: data.ip,
        time: Time::from_secs_f64(seconds(row.get_ref(1).ok()?)?),
        bantime,
        count: u32::try_from(row.get::<_, Whole>(3).ok()?.0).unwrap_or(0),
        attempts: data.failures,
        lines: data.lines,
        data: data.captured,
        restored: true,
        own_bantime: true,
    })
}

fn past_ban(row: &Row<'_>) -> rusqlite::Result<PastBan> {
    let id: String = row.get(1)?;
    Ok(PastBan {
        jail: row.get(0)?,
        id: FailId::parse(&id),
        count: u32::try_from(row.get::<_, Whole>(2)?.0).unwrap_or(0),
        time: Time::from_secs(row.get::<_, Whole>(3)?.0),
        bantime: BanTime::from_number(row.get::<_, Whole>(4)?.0),
    })
}

/// A JSON column: fail2ban writes bytes, older versions text.
fn json<'a>(row: &'a Row<'_>, column: usize) -> &'a [u8] {
    match row.get_ref(column) {
        Ok(ValueRef::Blob(bytes) | ValueRef::Text(bytes)) => bytes,
        _ => &[],
    }
}

/// A whole number; fail2ban writes a random bantime with a fraction.
struct Whole(i64);

impl FromSql for Whole {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        seconds(value)
            .map(|number| Self(number as i64))
            .ok_or(FromSqlError::InvalidType)
    }
}

fn seconds(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::Integer(whole) => Some(whole as f64),
        ValueRef::Real(real) => Some(real),
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => None,
    }
}

impl FromSql for Position {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Integer(offset) => Ok(Self::Offset(offset.max(0) as u64)),
            ValueRef::Real(time) => Ok(Self::Time(Time::from_secs_f64(time))),
            ValueRef::Null => Ok(Self::Offset(0)),
            ValueRef::Text(_) | ValueRef::Blob(_) => Err(FromSqlError::InvalidType),
        }
    }
}

impl ToSql for Position {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Offset(offset) => ToSqlOutput::from(i64::try_from(*offset).unwrap_or(i64::MAX)),
            Self::Time(time) => ToSqlOutput::from(time.as_secs_f64()),
        })
    }
}
