use std::sync::Arc;

use super::*;
use crate::model::{Ban, BanTime, FailId, MatchedLine, Time};

const NOW: Time = Time::from_secs(1_124_013_600);

fn ban(n: usize, text: &str) -> Write {
    let lines = vec![MatchedLine {
        text: text.into(),
        date: None,
    }];
    Write::Ban {
        jail: "sshd".into(),
        ban: Arc::new(Ban {
            id: FailId::parse(&format!("192.0.2.{n}")),
            ip: None,
            time: NOW,
            bantime: BanTime::Secs(600),
            count: 1,
            attempts: 1,
            lines,
            data: Default::default(),
            restored: false,
            own_bantime: false,
        }),
    }
}

fn file(folder: &tempfile::TempDir) -> Store {
    let path = folder.path().join("f.sqlite3");
    Store::open(Place::File(path), NOW).unwrap().store
}

fn pragma(store: &Store, text: &str) {
    let connection = store.connection.as_ref().unwrap();
    connection.execute_batch(&format!("PRAGMA {text}")).unwrap();
}

fn known(store: &Store) -> usize {
    let mut count = 0;
    store.history(|_| count += 1).unwrap();
    count
}

#[test]
fn a_batch_that_does_not_fit_is_not_written_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = file(&folder);
    store.apply(&[ban(1, "short")]).unwrap();
    pragma(&store, "max_page_count = 30");
    let long = "x".repeat(20_000);
    let batch: Vec<Write> = (2..40).map(|n| ban(n, &long)).collect();
    let error = store.apply(&batch).unwrap_err();
    assert_eq!(error.problem, Problem::Full);
    assert_eq!(known(&store), 1);
    pragma(&store, "max_page_count = 100000");
    store.apply(&batch).unwrap();
    assert_eq!(known(&store), 39);
}

#[test]
fn a_database_that_cannot_be_written_can_still_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = file(&folder);
    store.apply(&[ban(1, "short")]).unwrap();
    pragma(&store, "query_only = ON");
    let error = store.apply(&[ban(2, "short")]).unwrap_err();
    assert_eq!(error.problem, Problem::ReadOnly);
    assert!(error.to_string().contains("cannot be written"));
    assert_eq!(known(&store), 1);
}

#[test]
fn a_lock_held_by_another_program_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = file(&folder);
    let other = Connection::open(folder.path().join("f.sqlite3")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = store.apply(&[ban(1, "short")]).unwrap_err();
    assert_eq!(error.problem, Problem::Busy);
    other.execute_batch("COMMIT").unwrap();
    store.apply(&[ban(1, "short")]).unwrap();
}

#[test]
fn the_page_cache_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let store = file(&folder);
    let connection = store.connection.as_ref().unwrap();
    let pages: i64 = connection
        .query_row("PRAGMA cache_size", [], |row| row.get(0))
        .unwrap();
    assert_eq!(pages, 64);
}

#[test]
fn what_a_killed_process_leaves_heals_to_the_last_whole_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = file(&folder);
    store.apply(&[ban(1, "short")]).unwrap();
    // A batch larger than the page cache is half in the log before it is whole.
    let connection = store.connection.as_ref().unwrap();
    connection.execute_batch("BEGIN").unwrap();
    let long = "x".repeat(4_000);
    for n in 0..400 {
        connection
            .execute(
                "INSERT INTO bips VALUES(?, 'sshd', 1, 1, 1, ?)",
                rusqlite::params![format!("198.51.100.{n}"), long],
            )
            .unwrap();
    }
    let killed = tempfile::tempdir().unwrap();
    for name in ["f.sqlite3", "f.sqlite3-wal"] {
        std::fs::copy(folder.path().join(name), killed.path().join(name)).unwrap();
    }
    let log = std::fs::metadata(killed.path().join("f.sqlite3-wal")).unwrap();
    assert!(log.len() > 500_000, "the batch was not in the log yet");
    let mut healed = file(&killed);
    assert_eq!(known(&healed), 1);
    healed.apply(&[ban(2, "short")]).unwrap();
    assert_eq!(known(&healed), 2);
}

#[test]
fn each_batch_is_in_the_file_itself_and_what_stays_is_one_plain_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = file(&folder);
    store.apply(&[ban(1, "short")]).unwrap();
    let copied = tempfile::tempdir().unwrap();
    let name = "f.sqlite3";
    std::fs::copy(folder.path().join(name), copied.path().join(name)).unwrap();
    assert_eq!(known(&file(&copied)), 1);
    let reader = Connection::open(folder.path().join(name)).unwrap();
    let mut reading = reader.prepare("SELECT ip FROM bips").unwrap();
    let mut rows = reading.query([]).unwrap();
    assert!(rows.next().unwrap().is_some());
    // Who reads for long keeps the log from being emptied, and neither is turned away.
    store.apply(&[ban(2, "short")]).unwrap();
    assert_eq!(known(&store), 2);
    assert!(rows.next().unwrap().is_none(), "what was there at first");
    drop(rows);
    drop(reading);
    reader.close().unwrap();
    assert!(store.close().is_some());
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [name]);
    let head = std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(head[18..20], [1, 1], "of a kind that everybody reads");
    assert_eq!(known(&file(&folder)), 2);
}
