//! A journal read from its first entry to its last, once: for trying filters.

use std::path::PathBuf;

use super::super::Subscriber;
use super::error::JournalError;
use super::event::{Entry, Start};
use super::matches::JournalMatch;
use super::place::JournalPlace;
use super::reader::Reader;
use crate::model::Time;

/// Entries looked at before those wanted are given on: what waits is bounded.
const PIECE: usize = 256;

/// Gives `each` every entry that is there now and wanted, in the order they were written, until it
/// says `false`. Returns how many files there were, and those that could not be read (in full).
pub fn read_once(
    place: JournalPlace,
    expression: JournalMatch,
    now: Time,
    each: &mut dyn FnMut(Entry) -> bool,
) -> (usize, Vec<(PathBuf, JournalError)>) {
    let mut reader = Reader::new(place);
    let all = vec![(Subscriber(0), expression, Start::default())];
    let mut failed = reader.join(all, now).failed;
    let files = reader.files();
    let mut entries = Vec::new();
    loop {
        let more = reader.read(PIECE, &mut entries, &mut failed);
        for entry in entries.drain(..) {
            if !each(entry) {
                return (files, failed);
            }
        }
        if !more {
            return (files, failed);
        }
    }
}
