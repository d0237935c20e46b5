//! fail2ban's schema, version 4, and the steps to it from versions 1 to 3.

use rusqlite::{Connection, OptionalExtension, Transaction};

pub(super) const VERSION: i64 = 4;

/// Table → the statements that make it.
const TABLES: &[(&str, &str)] = &[
    (
        "fail2banDb",
        "CREATE TABLE IF NOT EXISTS fail2banDb(version INTEGER);",
    ),
    (
        "jails",
        "CREATE TABLE IF NOT EXISTS jails(name TEXT NOT NULL UNIQUE, enabled INTEGER NOT NULL DEFAULT 1);
         CREATE INDEX IF NOT EXISTS jails_name ON jails(name);",
    ),
    (
        "logs",
        "CREATE TABLE IF NOT EXISTS logs(jail TEXT NOT NULL, path TEXT, firstlinemd5 TEXT, \
           lastfilepos INTEGER DEFAULT 0, \
           FOREIGN KEY(jail) REFERENCES jails(name) ON DELETE CASCADE, \
           UNIQUE(jail, path), UNIQUE(jail, path, firstlinemd5));
         CREATE INDEX IF NOT EXISTS logs_path ON logs(path);
         CREATE INDEX IF NOT EXISTS logs_jail_path ON logs(jail, path);",
    ),
    (
        "bans",
        "CREATE TABLE IF NOT EXISTS bans(jail TEXT NOT NULL, ip TEXT, timeofban INTEGER NOT NULL, \
           bantime INTEGER NOT NULL, bancount INTEGER NOT NULL default 1, data JSON, \
           FOREIGN KEY(jail) REFERENCES jails(name));
         CREATE INDEX IF NOT EXISTS bans_jail_timeofban_ip ON bans(jail, timeofban);
         CREATE INDEX IF NOT EXISTS bans_jail_ip ON bans(jail, ip);
         CREATE INDEX IF NOT EXISTS bans_ip ON bans(ip);",
    ),
    (
        "bips",
        "CREATE TABLE IF NOT EXISTS bips(ip TEXT NOT NULL, jail TEXT NOT NULL, \
           timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL, \
           bancount INTEGER NOT NULL default 1, data JSON, \
           PRIMARY KEY(ip, jail), FOREIGN KEY(jail) REFERENCES jails(name));
         CREATE INDEX IF NOT EXISTS bips_timeofban ON bips(timeofban);
         CREATE INDEX IF NOT EXISTS bips_ip ON bips(ip);",
    ),
];

/// What stands before the positions in `logs`: fail2ban knows nothing of it, and where it moves a
/// position, the mark is none of that.
pub(super) const MARKS: &str = "CREATE TABLE IF NOT EXISTS rbanMarks(jail TEXT NOT NULL, \
     path TEXT NOT NULL, lastfilepos INTEGER NOT NULL, mark TEXT NOT NULL, \
     FOREIGN KEY(jail) REFERENCES jails(name) ON DELETE CASCADE, PRIMARY KEY(jail, path));";

/// Tables and their columns, as a damaged database is copied: jails first, for the others refer to
/// them.
pub(super) const COLUMNS: &[(&str, &str)] = &[
    ("jails", "name, enabled"),
    ("logs", "jail, path, firstlinemd5, lastfilepos"),
    ("bans", "jail, ip, timeofban, bantime, bancount, data"),
    ("bips", "ip, jail, timeofban, bantime, bancount, data"),
];

/// The version of a database; `None`: it has none of these tables yet.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    if !exists(connection, "fail2banDb")? {
        return Ok(None);
    }
    connection
        .query_row("SELECT version FROM fail2banDb LIMIT 1", [], |row| {
            row.get(0)
        })
        .optional()
}

/// Makes what is missing and notes the version.
pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for (_, statements) in TABLES {
        transaction.execute_batch(statements)?;
    }
    transaction.execute(
        "INSERT INTO fail2banDb(version) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM fail2banDb)",
        [VERSION],
    )?;
    transaction.commit()
}

/// Brings a database of version 1, 2 or 3 to 4, or leaves it as it was.
pub(super) fn upgrade(connection: &mut Connection, version: i64) -> rusqlite::Result<()> {
    // Tables are dropped and made anew: references must not be followed meanwhile.
    connection.pragma_update(None, "foreign_keys", false)?;
    let transaction = connection.transaction()?;
    if version < 2 && exists(&transaction, "logs")? {
        rebuild(&transaction, "logs", "SELECT * FROM before")?;
    }
    if version < 3 && exists(&transaction, "bans")? {
        // -2: how long was not written down then.
        let rows = "SELECT jail, ip, timeofban, -2, 1, data FROM before";
        rebuild(&transaction, "bans", rows)?;
    }
    for (_, statements) in TABLES {
        transaction.execute_batch(statements)?;
    }
    transaction.execute_batch(
        "INSERT OR REPLACE INTO bips(ip, jail, timeofban, bantime, bancount, data) \
         SELECT ip, jail, timeofban, bantime, bancount, data FROM bans ORDER BY timeofban;",
    )?;
    transaction.execute("UPDATE fail2banDb SET version = ?", [VERSION])?;
    transaction.commit()?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// Makes `table` anew with `rows`, a query over its old self, `before`.
fn rebuild(transaction: &Transaction<'_>, table: &str, rows: &str) -> rusqlite::Result<()> {
    let statements = TABLES
        .iter()
        .find(|(name, _)| *name == table)
        .map_or("", |(_, statements)| *statements);
    transaction.execute_batch(&format!(
        "CREATE TEMPORARY TABLE before AS SELECT * FROM {table}; DROP TABLE {table}; {statements} \
         INSERT INTO {table} {rows}; DROP TABLE before;"
    ))
}

pub(super) fn exists(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    connection
        .prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?")?
        .exists([table])
}
