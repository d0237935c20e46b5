//! A data object's payload as it was before journald compressed it: LZ4, Zstandard or XZ, each by
//! a decoder in safe Rust, none of which may give more than it is asked for.

use std::io::{self, Read as _, Write};

use super::error::JournalError;

/// Bits of an object's flags, from systemd's `journal-def.h`.
const XZ: u8 = 1;
const LZ4: u8 = 1 << 1;
const ZSTD: u8 = 1 << 2;

/// What may come out of one field for one byte that went in is bounded by this much in all; an LZ4
/// block has to be unpacked whole, and journald takes fields of up to 768 MiB.
const UNPACKED_MAX: u64 = 8 << 20;

/// Whether an object's payload is compressed.
pub(super) const fn is_compressed(flags: u8) -> bool {
    flags & (XZ | LZ4 | ZSTD) != 0
}

/// The first `most` bytes of a payload.
///
/// # Errors
/// When it is damaged, or would be larger than we unpack.
pub(super) fn unpack(flags: u8, packed: &[u8], most: usize) -> Result<Vec<u8>, JournalError> {
    let damaged = |_| JournalError::Corrupt("a compressed field cannot be unpacked");
    match flags & (XZ | LZ4 | ZSTD) {
        LZ4 => unpack_lz4(packed, most),
        ZSTD => {
            let mut unpacked = Vec::new();
            let decoder = ruzstd::decoding::StreamingDecoder::new(packed)
                .map_err(|_| JournalError::Corrupt("a Zstandard field has no frame"))?;
            decoder
                .take(most as u64)
                .read_to_end(&mut unpacked)
                .map_err(damaged)?;
            Ok(unpacked)
        }
        XZ => {
            let mut room = Room {
                bytes: Vec::new(),
                most,
            };
            let outcome = lzma_rs::xz_decompress(&mut io::Cursor::new(packed), &mut room);
            match outcome {
                // What was asked for is there, whatever became of the rest.
                Err(_) if room.bytes.len() < most => {
                    Err(JournalError::Corrupt("an XZ field cannot be unpacked"))
                }
                Ok(()) | Err(_) => Ok(room.bytes),
            }
        }
        _ => Err(JournalError::Corrupt("a field has two compressions")),
    }
}

/// journald writes the size, then the block.
fn unpack_lz4(packed: &[u8], most: usize) -> Result<Vec<u8>, JournalError> {
    let (size, block) = packed
        .split_first_chunk::<8>()
        .ok_or(JournalError::Corrupt("an LZ4 field has no size"))?;
    let size = u64::from_le_bytes(*size);
    if size > UNPACKED_MAX {
        return Err(JournalError::Corrupt("an LZ4 field is larger than 8 MiB"));
    }
    let mut unpacked = lz4_flex::block::decompress(block, size as usize)
        .map_err(|_| JournalError::Corrupt("an LZ4 field cannot be unpacked"))?;
    unpacked.truncate(most);
    Ok(unpacked)
}

/// Takes so many bytes and refuses the next, which ends the decoder.
struct Room {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.most - self.bytes.len();
        if room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let count = bytes.len().min(room);
        self.bytes.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'MESSAGE=%s' "$(printf 'a%.0s' $(seq 100))" | zstd -c`, and `| xz -c`.
    const MESSAGE: &str = "MESSAGE=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const ZSTD_OF_IT: &str = "28b52ffd04587d0000484d4553534147453d610100200547c01837c3";
    const XZ_OF_IT: &str = "fd377a585a000004e6d6b4460200210116000000742fe5a3e0006b000f5d00269146c0d19457e4930079f04000000000265a707826d8e9b000012b6c3165f2121fb6f37d010000000004595a";

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
            .collect()
    }

    fn lz4_of_it() -> Vec<u8> {
        let mut packed = (MESSAGE.len() as u64).to_le_bytes().to_vec();
        // A literal of nine bytes, a match of the last one, ninety-four times, and the end as it is.
        packed.extend_from_slice(&[0x9f]);
        packed.extend_from_slice(b"MESSAGE=a");
        packed.extend_from_slice(&[1, 0, 94 - 4 - 15]);
        packed.extend_from_slice(&[0x50]);
        packed.extend_from_slice(b"aaaaa");
        packed
    }

    #[test]
    fn each_compression_gives_the_text_back() {
        for (flags, packed) in [
            (LZ4, lz4_of_it()),
            (ZSTD, bytes(ZSTD_OF_IT)),
            (XZ, bytes(XZ_OF_IT)),
        ] {
            let all = unpack(flags, &packed, 1000).expect("unpacked");
            assert_eq!(all, MESSAGE.as_bytes(), "{flags}");
            let some = unpack(flags, &packed, 10).expect("unpacked");
            assert_eq!(some, &MESSAGE.as_bytes()[..10], "{flags}");
        }
    }

    #[test]
    fn damaged_fields_are_errors() {
        for (flags, mut packed) in [
            (LZ4, lz4_of_it()),
            (ZSTD, bytes(ZSTD_OF_IT)),
            (XZ, bytes(XZ_OF_IT)),
        ] {
            packed.truncate(packed.len() / 2);
            assert!(unpack(flags, &packed, 1000).is_err(), "{flags}");
            assert!(unpack(flags, &[], 1000).is_err(), "{flags}");
        }
        assert!(unpack(XZ | LZ4, &lz4_of_it(), 1000).is_err());
    }

    #[test]
    fn a_field_that_says_it_is_huge_is_refused() {
        let mut packed = u64::MAX.to_le_bytes().to_vec();
        packed.extend_from_slice(&[0x10, b'a']);
        assert!(unpack(LZ4, &packed, 10).is_err());
    }
}
