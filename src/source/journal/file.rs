//! One journal file as systemd documents its format: a header, objects, and the array of entries
//! that leads to them. Whatever a file holds, reading it ends, and costs no more memory than asked.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;

use super::compress;
use super::error::JournalError;
use super::pages::Pages;

/// A 128-bit ID.
pub(super) type Id = [u8; 16];

const SIGNATURE: &[u8; 8] = b"LPKSHHRH";

/// Bits of the header's incompatible flags. How data is hashed does not matter to who follows the
/// array of entries.
const COMPRESSED_XZ: u32 = 1;
const COMPRESSED_LZ4: u32 = 1 << 1;
const KEYED_HASH: u32 = 1 << 2;
const COMPRESSED_ZSTD: u32 = 1 << 3;
const COMPACT: u32 = 1 << 4;
const KNOWN: u32 = COMPRESSED_XZ | COMPRESSED_LZ4 | KEYED_HASH | COMPRESSED_ZSTD | COMPACT;

/// `STATE_ARCHIVED`: nothing will be added any more.
const ARCHIVED: u8 = 2;

/// The shortest header there ever was, up to `tail_entry_monotonic`.
const HEADER: usize = 208;

const OBJECT_HEADER: u64 = 16;
const ENTRY_HEADER: u64 = 64;
const ARRAY_HEADER: u64 = 24;
const DATA: u8 = 1;
const ENTRY: u8 = 3;
const ENTRY_ARRAY: u8 = 6;

/// journald's own limit of the fields of an entry.
const FIELDS_MAX: u64 = 1024;

/// Arrays double in size; so many of them hold more entries than a file of any size could.
const ARRAYS_MAX: usize = 1 << 16;

/// What the header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    flags: u32,
    archived: bool,
    pub(super) file_id: Id,
    pub(super) seqnum_id: Id,
    first_array: u64,
    pub(super) entries: u64,
    pub(super) tail_seqnum: u64,
    pub(super) tail_realtime: u64,
}

/// What stands at the beginning of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) offset: u64,
    size: u64,
    pub(super) seqnum: u64,
    /// Microseconds since the epoch.
    pub(super) realtime: u64,
    /// Microseconds since the boot.
    pub(super) monotonic: u64,
    pub(super) boot: Id,
    pub(super) hash: u64,
}

/// A field of an entry, `NAME=value`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data {
    at: u64,
    length: u64,
    flags: u8,
    /// In how many entries it stands.
    pub(super) entries: u64,
}

impl Data {
    /// The length as it stands in the file; not that of the text, if it is compressed.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    pub(super) const fn is_compressed(&self) -> bool {
        compress::is_compressed(self.flags)
    }
}

#[derive(Debug)]
pub(super) struct JournalFile {
    pages: Pages,
    header: Header,
    compact: bool,
    /// The file's size; nothing reaches beyond it.
    length: u64,
    /// No name led to it any more.
    deleted: bool,
    /// The arrays of entries as far as they have been walked.
    arrays: Vec<Array>,
}

#[derive(Clone, Copy, Debug)]
struct Array {
    offset: u64,
    first: u64,
    capacity: u64,
}

impl JournalFile {
    pub(super) fn open(file: File) -> Result<Self, JournalError> {
        let mut pages = Pages::new(file);
        let mut header = read_header(&mut pages)?;
        let length = size(&pages)?;
        header.entries = header.entries.min(length / ENTRY_HEADER);
        Ok(Self {
            pages,
            header,
            length,
            deleted: false,
            compact: header.flags & COMPACT != 0,
            arrays: Vec::new(),
        })
    }

    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    /// Looks at the header anew. A file that shrank or became another one is damaged.
    pub(super) fn refresh(&mut self) -> Result<(), JournalError> {
        self.pages.refresh();
        // Asked before the header is read: what was written until the name went is in there.
        self.deleted = is_deleted(&self.pages);
        let mut header = read_header(&mut self.pages)?;
        self.length = size(&self.pages)?;
        header.entries = header.entries.min(self.length / ENTRY_HEADER);
        if header.file_id != self.header.file_id {
            return Err(JournalError::Corrupt("another file was written over it"));
        }
        self.header = header;
        Ok(())
    }

    /// Nothing will be added any more to what was there at the last refresh: it had been rotated
    /// away, or had no name left.
    pub(super) const fn is_finished(&self) -> bool {
        self.header.archived || self.deleted
    }

    /// At the last look, no name led to it any more.
    pub(super) const fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// An entry by its number in the file.
    pub(super) fn head(&mut self, number: u64) -> Result<Head, JournalError> {
        let offset = self.entry_offset(number)?;
        let size = self.object(offset, ENTRY)?.0;
        let mut bytes = [0; (ENTRY_HEADER - OBJECT_HEADER) as usize];
        self.read(offset + OBJECT_HEADER, &mut bytes)?;
        if size < ENTRY_HEADER {
            return Err(JournalError::Corrupt("an entry is too short"));
        }
        Ok(Head {
            offset,
            size,
            seqnum: word(&bytes, 0),
            realtime: word(&bytes, 8),
            monotonic: word(&bytes, 16),
            boot: id(&bytes, 24),
            hash: word(&bytes, 40),
        })
    }

    /// Where an entry's fields are.
    pub(super) fn items(&mut self, head: &Head, out: &mut Vec<u64>) -> Result<(), JournalError> {
        out.clear();
        let each = if self.compact { 4 } else { 16 };
        let count = (head.size - ENTRY_HEADER) / each;
        if count > FIELDS_MAX {
            return Err(JournalError::Corrupt("an entry has too many fields"));
        }
        for item in 0..count {
            out.push(self.offset_at(head.offset + ENTRY_HEADER + item * each)?);
        }
        Ok(())
    }

    /// A field by its place.
    pub(super) fn data(&mut self, offset: u64) -> Result<Data, JournalError> {
        let (size, flags) = self.object(offset, DATA)?;
        let payload = if self.compact { 72 } else { 64 };
        if size < payload {
            return Err(JournalError::Corrupt("a field is too short"));
        }
        let mut entries = [0; 8];
        self.read(offset + 56, &mut entries)?;
        Ok(Data {
            at: offset + payload,
            length: size - payload,
            flags,
            entries: u64::from_le_bytes(entries),
        })
    }

    /// The first bytes of a field, `most` of them or as many as there are.
    pub(super) fn text(&mut self, data: &Data, most: usize) -> Result<Vec<u8>, JournalError> {
        if data.is_compressed() {
            // What is longer than this when compressed holds more than we would ever take.
            let length = data.length.min(super::PACKED_MAX) as usize;
            let packed = self.pages.read_long(data.at, length);
            let packed = packed.map_err(|error| JournalError::from(&error))?;
            return compress::unpack(data.flags, &packed, most);
        }
        let length = data.length.min(most as u64) as usize;
        let mut bytes = vec![0; length];
        self.read(data.at, &mut bytes)?;
        Ok(bytes)
    }

    /// The number of the first entry from `low` on for which `is_later`; the last number and one if
    /// there is none. Entries that cannot be read count as earlier.
    pub(super) fn first(&mut self, low: u64, is_later: impl Fn(&Head) -> bool) -> u64 {
        let (mut low, mut high) = (low, self.header.entries);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.head(middle).is_ok_and(|head| is_later(&head)) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    fn entry_offset(&mut self, number: u64) -> Result<u64, JournalError> {
        let holds = |array: &Array| number >= array.first && number - array.first < array.capacity;
        loop {
            if let Some(array) = self.arrays.iter().rev().find(|array| holds(array)) {
                let each = if self.compact { 4 } else { 8 };
                let at = array.offset + ARRAY_HEADER + (number - array.first) * each;
                return self.offset_at(at);
            }
            self.walk()?;
        }
    }

    /// Goes on to the next array.
    fn walk(&mut self) -> Result<(), JournalError> {
        let last = self.arrays.last().copied();
        let offset = match last {
            None => self.header.first_array,
            Some(last) => {
                let mut next = [0; 8];
                self.read(last.offset + OBJECT_HEADER, &mut next)?;
                u64::from_le_bytes(next)
            }
        };
        // Each is written behind the one before: a circle is not followed.
        let in_order = last.is_none_or(|last| offset > last.offset);
        if offset == 0 || !in_order || self.arrays.len() >= ARRAYS_MAX {
            return Err(JournalError::BROKEN_OFF);
        }
        let (size, _) = self.object(offset, ENTRY_ARRAY)?;
        let each = if self.compact { 4 } else { 8 };
        let capacity = size.saturating_sub(ARRAY_HEADER) / each;
        if capacity == 0 {
            return Err(JournalError::Corrupt("an array of entries is empty"));
        }
        let first = last.map_or(0, |last| last.first + last.capacity);
        self.arrays.push(Array {
            offset,
            first,
            capacity,
        });
        Ok(())
    }

    /// An object's size and flags, if it is what it should be.
    fn object(&mut self, offset: u64, kind: u8) -> Result<(u64, u8), JournalError> {
        if offset == 0 || !offset.is_multiple_of(8) || offset >= self.length {
            return Err(JournalError::Corrupt("an object is nowhere"));
        }
        let mut header = [0; OBJECT_HEADER as usize];
        self.read(offset, &mut header)?;
        let size = word(&header, 8);
        let room = self.length - offset;
        if header[0] != kind || !(OBJECT_HEADER..=room).contains(&size) {
            return Err(JournalError::Corrupt("an object is not what it should be"));
        }
        Ok((size, header[1]))
    }

    fn offset_at(&mut self, at: u64) -> Result<u64, JournalError> {
        if self.compact {
            let mut bytes = [0; 4];
            self.read(at, &mut bytes)?;
            return Ok(u64::from(u32::from_le_bytes(bytes)));
        }
        let mut bytes = [0; 8];
        self.read(at, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn read(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), JournalError> {
        self.pages
            .read(at, buffer)
            .map_err(|error| JournalError::from(&error))
    }
}

fn is_deleted(pages: &Pages) -> bool {
    let metadata = pages.file().metadata();
    metadata.is_ok_and(|metadata| metadata.nlink() == 0)
}

fn size(pages: &Pages) -> Result<u64, JournalError> {
    let metadata = pages.file().metadata();
    metadata
        .map(|metadata| metadata.len())
        .map_err(|error| JournalError::from(&error))
}

fn read_header(pages: &mut Pages) -> Result<Header, JournalError> {
    let mut bytes = [0; HEADER];
    match pages.read(0, &mut bytes) {
        Ok(()) => {}
        // It has just been made.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Err(JournalError::Foreign);
        }
        Err(error) => return Err(JournalError::from(&error)),
    }
    if bytes[..8] != *SIGNATURE {
        return Err(JournalError::Foreign);
    }
    let flags = u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
    if flags & !KNOWN != 0 {
        return Err(JournalError::Newer(flags & !KNOWN));
    }
    Ok(Header {
        flags,
        archived: bytes[16] == ARCHIVED,
        file_id: id(&bytes, 24),
        seqnum_id: id(&bytes, 72),
        first_array: word(&bytes, 176),
        entries: word(&bytes, 152),
        tail_seqnum: word(&bytes, 160),
        tail_realtime: word(&bytes, 192),
    })
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

fn id(bytes: &[u8], at: usize) -> Id {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[at..at + 16]);
    id
}
