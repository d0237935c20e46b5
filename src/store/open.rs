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

/// Settings of each connection. The journal is a file, emptied after each transaction: a killed
/// process leaves a database that heals itself, any reader understands it, and it stays as
/// fail2ban expects it. (fail2ban's own choice, a journal in memory, would be lost with the
/// process.) 64 pages of cache keep the daemon small; its reads are rare and in order.
const PRAGMAS: &str = "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL; \
    PRAGMA journal_mode = TRUNCATE; PRAGMA temp_store = MEMORY; PRAGMA cache_size = 64;";

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
        Ok(Opened { store, records })
    }

    /// Sets a damaged database aside and makes a new one of what can be read of it.
    fn set_aside(path: &Path, now: Time) -> Result<Opened, StoreError> {
        let backup = free_path(&backup_path(path, now));
        fs::rename(path, &backup).map_err(|error| StoreError::io(path, &error))?;
        // Its journal belongs to it; beside the new file it would be taken for the new one's.
        let _ = fs::rename(journal_path(path), journal_path(&backup));
        let mut opened = Self::open_file(path, now)?;
        let saved = match &opened.store.connection {
            Some(connection) => salvage(&backup, connection),
            None => 0,
        };
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

    /// Closes the database; returns what to log.
    pub fn close(self) -> Option<Record> {
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

fn journal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-journal");
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
