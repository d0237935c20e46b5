//! How far closed files were read, and for whom: a rotated log may come back under another name
//! that is followed too, or a rotation be undone.

use std::collections::VecDeque;

use super::chunk::Position;
use super::event::{Audience, Subscriber};
use super::reader::Identity;

/// So many closed files are remembered: the rotations of some dozens of logs, in some tens of
/// kibibytes.
const KEPT: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Former {
    /// The latest last.
    files: VecDeque<(Identity, Position, Audience)>,
}

impl Former {
    pub(super) fn remember(&mut self, file: Identity, place: Position, readers: Audience) {
        self.forget(file);
        if self.files.len() == KEPT {
            self.files.pop_front();
        }
        self.files.push_back((file, place, readers));
    }

    /// How far a subscriber has read a file that now begins with `found.hash`. The number of an
    /// inode is no proof: it may be another file by now.
    pub(super) fn place(
        &self,
        file: Identity,
        found: Position,
        subscriber: Subscriber,
    ) -> Option<u64> {
        let known = self.files.iter().find(|(known, ..)| *known == file);
        let (_, place, readers) = known.filter(|(_, place, _)| place.hash == found.hash)?;
        let sure = place.hash.is_some() && readers.contains(&subscriber);
        sure.then_some(place.offset)
    }

    /// The file is open again, or gone.
    pub(super) fn forget(&mut self, file: Identity) {
        self.files.retain(|(known, ..)| *known != file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::LineHash;

    #[test]
    fn a_place_is_for_those_who_read_that_very_file() {
        let mut former = Former::default();
        let file = |inode| Identity { device: 1, inode };
        let hash = |digit: &str| LineHash::parse(&digit.repeat(40));
        let place = |offset, digit| Position {
            offset,
            hash: hash(digit),
        };
        let readers = [Subscriber(1), Subscriber(2)];
        former.remember(file(7), place(100, "a"), readers.into());
        assert_eq!(
            former.place(file(7), place(0, "a"), Subscriber(2)),
            Some(100)
        );
        assert_eq!(former.place(file(7), place(0, "a"), Subscriber(3)), None);
        assert_eq!(former.place(file(7), place(0, "b"), Subscriber(2)), None);
        assert_eq!(former.place(file(8), place(0, "a"), Subscriber(2)), None);
        former.remember(file(7), place(200, "a"), readers.into());
        assert_eq!(
            former.place(file(7), place(0, "a"), Subscriber(1)),
            Some(200)
        );
        for inode in 0..2 * KEPT as u64 {
            former.remember(file(100 + inode), place(1, "c"), readers.into());
        }
        assert_eq!(former.files.len(), KEPT);
        assert_eq!(former.place(file(7), place(0, "a"), Subscriber(1)), None);
    }
}
