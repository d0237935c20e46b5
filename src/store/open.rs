//! Opening the database: new, old, damaged or fine.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params_from_iter, types::Value};

use super::error::{Problem, StoreError};
use super::schema::{self, COLUMNS, VERSION};
use super::{MAXMATCHES, Opened, Place, Store};
use crate::model::{Level, Logger, Record, Time};

/// How long to wait for another program's lock; the caller tries again later.
const PATIENCE: Duration = Duration::from_secs(1);

/// Settings of each connection. 64 pages of cache keep the daemon small; its reads are rare and in
/// order.
const PRAGMAS: &str = "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL; \
    PRAGMA temp_store = MEMORY; PRAGMA cache_size = 64;";

/// With a write-ahead log no reader is ever kept out, however short its patience. Where the file
/// system cannot share memory, or somebody holds the file just now, the journal is a file that is
/// emptied after each transaction. Either way a killed process leaves a database that heals itself;
/// fail2ban's own choice, a journal in memory, would be lost with the process.
const WAL: &str = "PRAGMA journal_mode = WAL";
const NO_WAL: &str = "PRAGMA journal_mode = TRUNCATE";
const PLAIN: &str = "PRAGMA journal_mode = DELETE";

/// Brings what was written into the file itself, so that it is whole without its log, and an old log
/// beside a file that was put back says nothing. Pages are not kept: damage done to the file
/// shows with the next transaction.
const SETTLE: &str = "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA shrink_memory";

impl Store {
    /// Opens the database and brings it to version 4. A file that is no database, or a damaged one,
    /// is set aside under its name and the date, and what can be read of it is copied over.
    ///
    /// # Errors
    /// Nothing was changed then; bans can go on with [`Store::off`].
    pub fn open(place: Place, now: Time) -> Result<Opened, StoreError> {
        match &place {
            Place::Off => Ok(Opened {
                store: Self::off(),
                records: Vec::new(),
            }),
            Place::Memory => {
                let path = Path::new(":memory:");
                let fail = |error| StoreError::new(path, &error);
                let mut connection = Connection::open_in_memory().map_err(fail)?;
                connection.execute_batch(PRAGMAS).map_err(fail)?;
                schema::create(&mut connection).map_err(fail)?;
                let records = vec![connected(path), created()];
                let store = Self::with(place, Some(connection), None);
                Ok(Opened { store, records })
            }
            Place::File(path) => {
                let path = path.clone();
                match Self::open_file(&path, now) {
                    Err(StoreError {
                        problem: Problem::Corrupt,
                        ..
                    }) => Self::set_aside(&path, now),
                    result => result,
                }
            }
        }
    }

    /// Damage was found in use: the file is set aside, whatever opening it would say, and what can
    /// be read of it is copied over.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn repair(place: Place, now: Time) -> Result<Opened, StoreError> {
        match &place {
            Place::File(path) => Self::set_aside(path, now),
            Place::Memory | Place::Off => Self::open(place, now),
        }
    }

    fn with(place: Place, connection: Option<Connection>, identity: Option<(u64, u64)>) -> Self {
        Self {
            place,
            connection,
            identity,
            maxmatches: MAXMATCHES,
        }
    }

    fn open_file(path: &Path, now: Time) -> Result<Opened, StoreError> {
        let fail = |error: rusqlite::Error| StoreError::new(path, &error);
        make_file(path)?;
        let mut connection = Connection::open(path).map_err(fail)?;
        connection.busy_timeout(PATIENCE).map_err(fail)?;
        let mut records = vec![connected(path)];
        match schema::version(&connection).map_err(fail)? {
            Some(VERSION) => {}
            None => {
                schema::create(&mut connection).map_err(fail)?;
                records.push(created());
            }
            Some(newer) if newer > VERSION => {
                return Err(StoreError::of(path, Problem::Newer(newer)));
            }
            Some(older) => {
                let backup = backup_path(path, now);
                connection.execute_batch(SETTLE).map_err(fail)?;
                if !backup.exists() {
                    fs::copy(path, &backup).map_err(|error| StoreError::io(&backup, &error))?;
                    let message = format!("  Database backup created: {}", backup.display());
                    records.push(Record::new(Level::Info, Logger::Database, message));
                }
                schema::upgrade(&mut connection, older).map_err(fail)?;
                let message = format!("Database updated from '{older}' to '{VERSION}'");
                records.push(Record::new(Level::Warning, Logger::Database, message));
            }
        }
        connection.execute_batch(PRAGMAS).map_err(fail)?;
        let identity = identity(path);
        let store = Self::with(Place::File(path.to_owned()), Some(connection), identity);
        if !store.write_ahead() {
            store.execute(NO_WAL).map_err(fail)?;
        }
        Ok(Opened { store, records })
    }

    /// Sets a damaged database aside and makes a new one of what can be read of it.
    fn set_aside(path: &Path, now: Time) -> Result<Opened, StoreError> {
        let backup = free_path(&backup_path(path, now));
        fs::rename(path, &backup).map_err(|error| StoreError::io(path, &error))?;
        // Its journals belong to it; beside the new file they would be taken for the new one's.
        for journal in ["-journal", "-wal"] {
            let _ = fs::rename(beside(path, journal), beside(&backup, journal));
        }
        let _ = fs::remove_file(beside(path, "-shm"));
        let mut opened = Self::open_file(path, now)?;
        let saved = match &opened.store.connection {
            Some(connection) => salvage(&backup, connection),
            None => 0,
        };
        let _ = fs::remove_file(beside(&backup, "-shm"));
        let log = beside(&backup, "-wal");
        if fs::metadata(&log).is_ok_and(|log| log.len() == 0) {
            let _ = fs::remove_file(log);
        }
        let message = format!(
            "Damaged database set aside as {}, {saved} row(s) of it saved",
            backup.display()
        );
        let error = Record::new(Level::Error, Logger::Database, message);
        opened.records.insert(0, error);
        Ok(opened)
    }

    /// Whether the file is still the one that was opened.
    pub(super) fn check_identity(&self) -> Result<(), StoreError> {
        match &self.place {
            Place::File(path) if identity(path) != self.identity => {
                Err(StoreError::of(path, Problem::Vanished))
            }
            Place::File(_) | Place::Memory | Place::Off => Ok(()),
        }
    }

    /// Whether the file is gone, or another stands in its place.
    pub fn is_gone(&self) -> bool {
        self.connection.is_some() && self.check_identity().is_err()
    }

    /// Has the file written with a log ahead, where that can be; whether it is.
    pub(super) fn write_ahead(&self) -> bool {
        let (Place::File(_), Some(connection)) = (&self.place, &self.connection) else {
            return true;
        };
        connection
            .query_row(WAL, [], |row| row.get::<_, String>(0))
            .is_ok_and(|mode| mode == "wal")
    }

    fn execute(&self, pragmas: &str) -> rusqlite::Result<()> {
        self.connection
            .as_ref()
            .map_or(Ok(()), |connection| connection.execute_batch(pragmas))
    }

    /// What was written reaches the file itself; a reader who takes his time has it wait for the
    /// next one, and so has a disk without room: what is in the log is kept as well.
    pub(super) fn settle(&self) {
        if let (Place::File(_), Some(connection)) = (&self.place, &self.connection) {
            let _ = connection.busy_timeout(Duration::ZERO);
            let _ = connection.execute_batch(SETTLE);
            let _ = connection.busy_timeout(PATIENCE);
        }
    }

    /// Closes the database; returns what to log. What stays is one plain file, unless somebody has
    /// it open.
    pub fn close(self) -> Option<Record> {
        if !self.is_gone() {
            self.settle();
            // Whoever opens a log ahead needs to be allowed to write; others may read a plain file.
            let _ = self.execute(PLAIN);
        }
        self.connection?.close().ok()?;
        let message = "Connection to database closed.";
        Some(Record::new(Level::Info, Logger::Database, message))
    }
}

fn connected(path: &Path) -> Record {
    let message = format!(
        "Connected to fail2ban persistent database '{}'",
        path.display()
    );
    Record::new(Level::Info, Logger::Database, message)
}

fn created() -> Record {
    let message = format!("New database created. Version '{VERSION}'");
    Record::new(Level::Warning, Logger::Database, message)
}

/// Makes sure there is a file, readable by its owner only: it holds log lines.
fn make_file(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !path.exists() => {
            Err(StoreError::io(path, &error))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// `FILE.20261122-165927`, UTC.
fn backup_path(path: &Path, now: Time) -> PathBuf {
    let stamp = jiff::Timestamp::from_second(now.secs()).unwrap_or_default();
    let date = stamp.strftime("%Y%m%d-%H%M%S");
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{date}"));
    name.into()
}

/// What was set aside before is not overwritten: the second of one second ends in `-2`.
fn free_path(path: &Path) -> PathBuf {
    let numbered = (2..).map(|number| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("-{number}"));
        PathBuf::from(name)
    });
    std::iter::once(path.to_owned())
        .chain(numbered)
        .find(|path| !path.exists())
        .unwrap_or_else(|| path.to_owned())
}

fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(what);
    name.into()
}

/// Copies every row that can be read; returns how many.
fn salvage(damaged: &Path, sound: &Connection) -> usize {
    let Ok(from) = Connection::open_with_flags(damaged, OpenFlags::SQLITE_OPEN_READ_ONLY) else {
        return 0;
    };
    let whole = sound.unchecked_transaction();
    let mut saved = 0;
    for (table, columns) in COLUMNS {
        saved += copy(&from, sound, table, columns).unwrap_or(0);
    }
    if whole.is_ok_and(|transaction| transaction.commit().is_ok()) {
        saved
    } else {
        0
    }
}

/// Copies rows until one cannot be read.
fn copy(from: &Connection, to: &Connection, table: &str, columns: &str) -> rusqlite::Result<usize> {
    let count = columns.split(',').count();
    let marks = vec!["?"; count].join(", ");
    let mut read = from.prepare(&format!("SELECT {columns} FROM {table}"))?;
    let mut write = to.prepare(&format!(
        "INSERT OR IGNORE INTO {table}({columns}) VALUES({marks})"
    ))?;
    let mut rows = read.query([])?;
    let mut saved = 0;
    while let Ok(Some(row)) = rows.next() {
        let values: Vec<Value> = (0..count).map(|n| row.get(n)).collect::<Result<_, _>>()?;
        // A row that breaks a rule of the schema is not worth the others.
        saved += write.execute(params_from_iter(values)).unwrap_or(0);
    }
    Ok(saved)
}
