//! How far closed files were read, and by whom: a rotated log may come back under another name
//! that is followed too, or a rotation be undone.

use std::collections::{HashMap, VecDeque};

use super::chunk::Position;
use super::event::Subscriber;
use super::reader::Identity;

/// So many places are remembered, in some mebibytes at most: as many logs as a pattern may match
/// beyond those that can be open at once.
const KEPT: usize = 1 << 16;

type Key = (Identity, Subscriber);

#[derive(Debug, Default)]
pub(super) struct Former {
    places: HashMap<Key, (Position, u64)>,
    /// By number, the latest last; those taken meanwhile, too.
    order: VecDeque<(Key, u64)>,
    next: u64,
}

impl Former {
    pub(super) fn remember(&mut self, file: Identity, subscriber: Subscriber, place: Position) {
        let key = (file, subscriber);
        self.next += 1;
        self.places.insert(key, (place, self.next));
        self.order.push_back((key, self.next));
        if self.order.len() <= KEPT {
            return;
        }
        let places = &self.places;
        let is_current = |(key, number): &(Key, u64)| {
            places
                .get(key)
                .is_some_and(|(_, current)| current == number)
        };
        self.order.retain(is_current);
        // Half of them, so that this is done seldom.
        if self.order.len() > KEPT / 2 {
            for (key, _) in self.order.drain(..self.order.len() - KEPT / 2) {
                self.places.remove(&key);
            }
        }
    }

    /// How far a subscriber has read a file.
    pub(super) fn take(&mut self, file: Identity, subscriber: Subscriber) -> Option<Position> {
        let (place, _) = self.places.remove(&(file, subscriber))?;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::LineHash;

    #[test]
    fn a_place_is_for_who_read_that_very_file() {
        let mut former = Former::default();
        let file = |inode| Identity { device: 1, inode };
        let place = |offset, digit: &str| Position {
            offset,
            hash: LineHash::parse(&digit.repeat(40)),
            mark: None,
        };
        let (one, two) = (Subscriber(1), Subscriber(2));
        former.remember(file(7), one, place(100, "a"));
        former.remember(file(7), one, place(200, "a"));
        assert_eq!(former.take(file(7), two), None);
        assert_eq!(former.take(file(8), one), None);
        assert_eq!(former.take(file(7), one), Some(place(200, "a")));
        assert_eq!(former.take(file(7), one), None, "once");
        former.remember(file(7), one, place(300, "a"));
        for inode in 0..2 * KEPT as u64 {
            former.remember(file(100 + inode), one, place(1, "c"));
        }
        assert!((KEPT / 2..=KEPT).contains(&former.places.len()));
        assert_eq!(former.places.len(), former.order.len());
        let last = file(100 + 2 * KEPT as u64 - 1);
        assert_eq!(former.take(last, one), Some(place(1, "c")));
        assert_eq!(former.take(file(7), one), None);
    }
}
