//! Writing: a batch is one transaction.

use std::sync::Arc;

use rusqlite::{Connection, Statement, Transaction, TransactionBehavior, params};

use super::Store;
use super::data;
use super::error::StoreError;
use super::read::{PastBan, Position};
use super::schema;
use crate::model::{Ban, FailId, Span, Time};

/// One thing to remember.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A jail starts, or stops.
    Jail {
        name: Arc<str>,
        enabled: bool,
    },
    /// Before the jails of a new start are known.
    AllJailsOff,
    Ban {
        jail: Arc<str>,
        ban: Arc<Ban>,
    },
    /// Somebody banned before, of whom the database knows nothing any more.
    Past(PastBan),
    /// How often somebody was banned by now.
    Count {
        jail: Arc<str>,
        id: FailId,
        count: u32,
    },
    /// An ID is unbanned: its bans are forgotten.
    Forget {
        jail: Arc<str>,
        id: FailId,
    },
    /// All of a jail's bans are forgotten.
    ForgetAll {
        jail: Arc<str>,
    },
    /// How far a log was read.
    Position {
        jail: Arc<str>,
        /// The log file, or `systemd-journal`.
        path: String,
        /// SHA-1 of the first line, as hex; for a journal the time as text.
        hash: String,
        position: Position,
        /// SHA-1 of what stands before the position, as hex; ours alone.
        mark: Option<String>,
    },
    /// Bans older than `age` are forgotten, as are jails without any that are off.
    Purge {
        now: Time,
        age: Span,
    },
}

/// How many bantimes a ban stays known after its time, as fail2ban's purge reckons.
const OUTDATED: i64 = 3;

impl Store {
    /// Writes a batch: all of it, or, when it fails, none.
    pub fn apply(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        self.check_open()?;
        if self.connection.is_none() || writes.is_empty() {
            return Ok(());
        }
        self.check_identity()?;
        // Somebody may have held the file when it was opened.
        self.write_ahead();
        self.in_transaction(writes)
            .map_err(|error| self.fail(&error))?;
        self.settle();
        Ok(())
    }

    fn in_transaction(&self, writes: &[Write]) -> rusqlite::Result<()> {
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        // From the start a writer's: a reader who becomes one is turned away if another wrote.
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let mut bans = Bans::prepare(connection, self.maxmatches)?;
        for write in writes {
            match write {
                Write::Jail { name, enabled } => set_jail(connection, name, *enabled)?,
                Write::AllJailsOff => {
                    connection.execute("UPDATE jails SET enabled = 0", [])?;
                }
                Write::Ban { jail, ban } => bans.write(jail, ban)?,
                Write::Past(past) => {
                    bans.know(&past.jail.as_str().into())?;
                    set_past(connection, past)?;
                }
                Write::Count { jail, id, count } => {
                    connection.execute(
                        "UPDATE bips SET bancount = ? WHERE jail = ? AND ip = ?",
                        params![count, jail, id.to_string()],
                    )?;
                }
                Write::Forget { jail, id } => {
                    for table in ["bips", "bans"] {
                        connection.execute(
                            &format!("DELETE FROM {table} WHERE jail = ? AND ip = ?"),
                            params![jail, id.to_string()],
                        )?;
                    }
                }
                Write::ForgetAll { jail } => {
                    for table in ["bips", "bans"] {
                        connection
                            .execute(&format!("DELETE FROM {table} WHERE jail = ?"), [jail])?;
                    }
                }
                Write::Position {
                    jail,
                    path,
                    hash,
                    position,
                    mark,
                } => {
                    bans.know(jail)?;
                    set_position(connection, jail, (path, hash), *position)?;
                    if let Some(mark) = mark {
                        set_mark(connection, (jail, path), *position, mark)?;
                    }
                }
                Write::Purge { now, age } => purge(connection, *now, *age)?,
            }
        }
        drop(bans);
        transaction.commit()
    }
}

fn set_jail(connection: &Connection, name: &str, enabled: bool) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO jails(name, enabled) VALUES(?1, ?2) \
         ON CONFLICT(name) DO UPDATE SET enabled = ?2",
        params![name, enabled],
    )?;
    Ok(())
}

fn set_past(connection: &Connection, past: &PastBan) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR IGNORE INTO bips(ip, jail, timeofban, bantime, bancount, data) \
         VALUES(?, ?, ?, ?, ?, CAST('{}' AS BLOB))",
        params![
            past.id.to_string(),
            past.jail,
            past.time.secs(),
            past.bantime.number(),
            past.count
        ],
    )?;
    Ok(())
}

fn set_position(
    connection: &Connection,
    jail: &str,
    (path, hash): (&str, &str),
    position: Position,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR REPLACE INTO logs(jail, path, firstlinemd5, lastfilepos) VALUES(?, ?, ?, ?)",
        params![jail, path, hash, position],
    )?;
    Ok(())
}

/// A table of our own beside fail2ban's, made when it is needed.
fn set_mark(
    connection: &Connection,
    (jail, path): (&str, &str),
    position: Position,
    mark: &str,
) -> rusqlite::Result<()> {
    connection.execute(schema::MARKS, [])?;
    connection.execute(
        "INSERT OR REPLACE INTO rbanMarks(jail, path, lastfilepos, mark) VALUES(?, ?, ?, ?)",
        params![jail, path, position, mark],
    )?;
    Ok(())
}

fn purge(connection: &Connection, now: Time, age: Span) -> rusqlite::Result<()> {
    let limit = (now - age).as_secs_f64();
    let whole = now.secs() - age.secs();
    connection.execute("DELETE FROM bans WHERE timeofban < ?", [limit])?;
    connection.execute(
        "DELETE FROM bips WHERE timeofban < ?1 AND bantime != -1 \
         AND (timeofban + (bantime * ?2)) < ?1",
        [whole, OUTDATED],
    )?;
    connection.execute(
        "DELETE FROM jails WHERE enabled = 0 \
         AND NOT EXISTS (SELECT 1 FROM bans WHERE jail = jails.name) \
         AND NOT EXISTS (SELECT 1 FROM bips WHERE jail = jails.name)",
        [],
    )?;
    Ok(())
}

/// The statements bans are written with, prepared once a batch.
struct Bans<'a> {
    jail: Statement<'a>,
    bans: Statement<'a>,
    bips: Statement<'a>,
    known: Vec<Arc<str>>,
    maxmatches: usize,
}

impl<'a> Bans<'a> {
    fn prepare(connection: &'a Connection, maxmatches: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            jail: connection.prepare("INSERT OR IGNORE INTO jails(name, enabled) VALUES(?, 1)")?,
            bans: connection.prepare(
                // After a crash the log's last lines are read again, and may lead to the same ban.
                "INSERT INTO bans(jail, ip, timeofban, bantime, bancount, data) \
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS \
                 (SELECT 1 FROM bans WHERE jail = ?1 AND ip = ?2 AND timeofban = ?3)",
            )?,
            bips: connection.prepare(
                "INSERT OR REPLACE INTO bips(jail, ip, timeofban, bantime, bancount, data) \
                 VALUES(?, ?, ?, ?, ?, ?)",
            )?,
            known: Vec::new(),
            maxmatches,
        })
    }

    /// Rows refer to their jail; in a file that was emptied meanwhile it may be missing.
    fn know(&mut self, jail: &Arc<str>) -> rusqlite::Result<()> {
        if !self.known.contains(jail) {
            self.jail.execute([jail])?;
            self.known.push(Arc::clone(jail));
        }
        Ok(())
    }

    fn write(&mut self, jail: &Arc<str>, ban: &Ban) -> rusqlite::Result<()> {
        self.know(jail)?;
        let id = ban.id.to_string();
        let time = ban.time.as_secs_f64().round_ties_even() as i64;
        let data = data::encode(ban, self.maxmatches);
        for table in [&mut self.bans, &mut self.bips] {
            table.execute(params![
                jail,
                id,
                time,
                ban.bantime.number(),
                ban.count,
                data.as_bytes()
            ])?;
        }
        Ok(())
    }
}
