//! How far closed files were read, and by whom: a rotated log may come back under another name
//! that is followed too, or a rotation be undone.

use std::collections::VecDeque;

use super::chunk::Position;
use super::event::Subscriber;
use super::reader::Identity;

/// So many places are remembered: the rotations of some dozens of logs, in some tens of kibibytes.
const KEPT: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Former {
    /// The latest last.
    places: VecDeque<(Identity, Subscriber, Position)>,
}

impl Former {
    pub(super) fn remember(&mut self, file: Identity, subscriber: Subscriber, place: Position) {
        self.take(file, subscriber);
        if self.places.len() == KEPT {
            self.places.pop_front();
        }
        self.places.push_back((file, subscriber, place));
    }

    /// How far a subscriber has read a file.
    pub(super) fn take(&mut self, file: Identity, subscriber: Subscriber) -> Option<Position> {
        let is_it = |(known, who, _): &(Identity, Subscriber, Position)| {
            *known == file && *who == subscriber
        };
        let at = self.places.iter().position(is_it)?;
        let (_, _, place) = self.places.remove(at)?;
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
        assert_eq!(former.places.len(), KEPT);
        assert_eq!(former.take(file(7), one), None);
    }
}
