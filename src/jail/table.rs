//! Records by ID, packed for millions of them: one array of records and an index of 4-byte slots.
//!
//! A `HashMap` from ID to record would keep every ID twice or pay its spare room at record size;
//! here spare room costs five bytes an entry. Slots stay valid until their record is removed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::{Index, IndexMut};

use hashbrown::HashTable;

use crate::model::FailId;

/// What a [`Table`] holds: something with an ID.
pub(super) trait Keyed {
    fn id(&self) -> &FailId;
}

/// No slot.
pub(super) const NIL: u32 = u32::MAX;

#[derive(Clone, Debug)]
enum Slot<T> {
    Full(T),
    /// The next free slot.
    Free(u32),
}

/// Records by ID.
#[derive(Clone, Debug)]
pub(super) struct Table<T> {
    slots: Vec<Slot<T>>,
    index: HashTable<u32>,
    free: u32,
    /// Random keys: the IDs are an attacker's choice.
    hasher: RandomState,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            index: HashTable::new(),
            free: NIL,
            hasher: RandomState::new(),
        }
    }
}

impl<T: Keyed> Table<T> {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn find(&self, id: &FailId) -> Option<u32> {
        let hash = self.hasher.hash_one(id);
        self.index
            .find(hash, |&slot| self[slot].id() == id)
            .copied()
    }

    /// Adds a record whose ID is not in the table yet.
    pub(super) fn insert(&mut self, record: T) -> u32 {
        let hash = self.hasher.hash_one(record.id());
        let slot = if let Some(Slot::Free(next)) = self.slots.get(self.free as usize) {
            let slot = self.free;
            self.free = *next;
            self.slots[slot as usize] = Slot::Full(record);
            slot
        } else {
            self.slots.push(Slot::Full(record));
            (self.slots.len() - 1) as u32
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.index.insert_unique(hash, slot, |&other| {
            full(slots, other).map_or(0, |record| hasher.hash_one(record.id()))
        });
        slot
    }

    /// Takes a record out; `None` for an empty slot.
    pub(super) fn remove(&mut self, slot: u32) -> Option<T> {
        let hash = self.hasher.hash_one(full(&self.slots, slot)?.id());
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == slot) {
            entry.remove();
        }
        let taken = std::mem::replace(&mut self.slots[slot as usize], Slot::Free(self.free));
        self.free = slot;
        if self.index.is_empty() {
            // After an attack the memory goes back.
            *self = Self::default();
        }
        match taken {
            Slot::Full(record) => Some(record),
            Slot::Free(_) => None,
        }
    }

    /// The records and their slots, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0u32..)
            .zip(&self.slots)
            .filter_map(|(slot, entry)| match entry {
                Slot::Full(record) => Some((slot, record)),
                Slot::Free(_) => None,
            })
    }
}

fn full<T>(slots: &[Slot<T>], slot: u32) -> Option<&T> {
    match slots.get(slot as usize) {
        Some(Slot::Full(record)) => Some(record),
        Some(Slot::Free(_)) | None => None,
    }
}

impl<T> Index<u32> for Table<T> {
    type Output = T;

    fn index(&self, slot: u32) -> &T {
        full(&self.slots, slot).expect("a slot that holds a record")
    }
}

impl<T> IndexMut<u32> for Table<T> {
    fn index_mut(&mut self, slot: u32) -> &mut T {
        match &mut self.slots[slot as usize] {
            Slot::Full(record) => record,
            Slot::Free(_) => unreachable!("a slot that holds a record"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Keyed for FailId {
        fn id(&self) -> &FailId {
            self
        }
    }

    fn id(n: u32) -> FailId {
        FailId::parse(&std::net::Ipv4Addr::from_bits(0xC000_0200 + n).to_string())
    }

    #[test]
    fn records_are_found_until_removed_and_slots_are_used_again() {
        let mut table = Table::default();
        let slots: Vec<u32> = (0..100).map(|n| table.insert(id(n))).collect();
        assert_eq!(table.find(&id(7)), Some(slots[7]));
        assert_eq!(table.remove(slots[7]), Some(id(7)));
        assert_eq!(table.remove(slots[7]), None);
        assert_eq!(table.find(&id(7)), None);
        assert_eq!(table.insert(id(200)), slots[7]);
        assert_eq!(table.len(), 100);
        assert_eq!(table.iter().count(), 100);
    }

    #[test]
    fn an_emptied_table_gives_its_memory_back() {
        let mut table = Table::default();
        let slots: Vec<u32> = (0..1000).map(|n| table.insert(id(n))).collect();
        for slot in slots {
            table.remove(slot);
        }
        assert_eq!(table.slots.capacity(), 0);
        assert_eq!(table.find(&id(1)), None);
        table.insert(id(1));
        assert_eq!(table.len(), 1);
    }
}
