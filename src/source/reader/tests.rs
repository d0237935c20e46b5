//! The reader against bytes that grow, shrink and end in the middle of a line.

use std::cell::{Cell, RefCell};

use super::*;

/// A file in memory; after `truncate_after` reads it is suddenly empty.
#[derive(Default)]
struct Bytes {
    bytes: RefCell<Vec<u8>>,
    truncate_after: Cell<Option<usize>>,
    read: Cell<u64>,
}

impl Content for &Bytes {
    fn identity(&self) -> Identity {
        Identity {
            device: 0,
            inode: 0,
        }
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(Stat {
            size: self.bytes.borrow().len() as u64,
            links: 1,
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.bytes.borrow();
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        drop(bytes);
        self.read.set(self.read.get() + count as u64);
        match self.truncate_after.get() {
            Some(0) => self.bytes.borrow_mut().clear(),
            Some(more) => self.truncate_after.set(Some(more - 1)),
            None => {}
        }
        Ok(count)
    }

    /// Every page of NULs is a hole.
    fn data_from(&self, offset: u64) -> io::Result<u64> {
        let bytes = self.bytes.borrow();
        let rest = &bytes[offset as usize..];
        let nuls = rest
            .iter()
            .position(|byte| *byte != 0)
            .unwrap_or(rest.len());
        Ok(((offset + nuls as u64) / 4096 * 4096).max(offset))
    }
}

impl Bytes {
    fn append(&self, bytes: impl AsRef<[u8]>) {
        self.bytes.borrow_mut().extend_from_slice(bytes.as_ref());
    }
}

fn open<'a>(bytes: &'a Bytes, encoding: &str) -> Reader<&'a Bytes> {
    let encoding = Encoding::named(encoding).expect("an encoding");
    Reader::open(bytes, &encoding, &mut [0; 4096]).expect("a reader")
}

/// Reads to the end; each chunk's lines, and whether it was cut.
fn drain(reader: &mut Reader<&Bytes>, scratch: usize) -> (Vec<String>, bool) {
    let mut scratch = vec![0; scratch];
    let (mut lines, mut cut) = (Vec::new(), false);
    loop {
        match reader.read(&mut scratch).expect("read") {
            Read::Lines(chunk) => {
                lines.extend(chunk.lines().map(str::to_owned));
                cut |= chunk.is_cut();
            }
            Read::Part => {}
            Read::End => return (lines, cut),
            Read::Rotated(rotation) => lines.push(format!("{rotation:?}")),
        }
    }
}

#[test]
fn half_a_line_waits_for_its_end_whatever_the_size_of_a_read() {
    for scratch in [1, 2, 3, 7, 100] {
        let file = Bytes::default();
        let mut reader = open(&file, "utf-8");
        file.append("one\r\ntwo\nthr");
        assert_eq!(drain(&mut reader, scratch).0, ["one", "two"]);
        assert_eq!(reader.position().offset, 9);
        file.append("ee");
        assert!(drain(&mut reader, scratch).0.is_empty());
        file.append("\n\nfour\n");
        assert_eq!(drain(&mut reader, scratch).0, ["three", "", "four"]);
        assert_eq!(reader.position().offset, 21);
    }
}

#[test]
fn half_a_line_is_not_read_again_when_more_of_it_comes() {
    let file = Bytes::default();
    let mut reader = open(&file, "utf-8");
    for _ in 0..1000 {
        file.append([b'x'; 100]);
        assert!(drain(&mut reader, 4096).0.is_empty());
    }
    // Besides the text: the head at each of two looks per piece.
    assert!(file.read.get() < 100_000 + 2 * 1000 * HEAD as u64 + 4096);
}

#[test]
fn the_hash_is_the_sha1_of_the_first_line_as_soon_as_it_is_whole() {
    // printf 'first\r\n' | sha1sum
    let hash = "2e711c8d364a794afabff8dc17f4c411d3e56e74";
    let file = Bytes::default();
    let mut reader = open(&file, "utf-8");
    file.append("first\r");
    drain(&mut reader, 100);
    assert_eq!(reader.position(), Position::default());
    file.append("\nsecond\n");
    drain(&mut reader, 100);
    let known = reader.position();
    assert_eq!(known.hash.expect("a hash").to_string(), hash);
    assert_eq!(known.offset, 14);
    assert_eq!(open(&file, "utf-8").position().hash, known.hash);
}

#[test]
fn a_line_without_end_costs_bounded_memory_and_is_cut_once() {
    let file = Bytes::default();
    let mut reader = open(&file, "utf-8");
    file.append("<start>");
    for _ in 0..5 {
        file.append(vec![b'x'; LINE_MAX / 2]);
        assert!(drain(&mut reader, 64 * 1024).0.is_empty());
        assert!(reader.partial.capacity() <= 2 * LINE_MAX);
    }
    file.append("<end>\r\nnext\n");
    let (lines, cut) = drain(&mut reader, 64 * 1024);
    assert_eq!(lines.len(), 2);
    assert!(cut && lines[0].len() == LINE_MAX && lines[0].starts_with("<start>x"));
    assert_eq!(lines[1], "next");
    assert_eq!(reader.position().offset, file.bytes.borrow().len() as u64);
    assert_eq!(
        reader.position().hash,
        None,
        "no fail2ban hashes such a line"
    );
    assert_eq!(reader.partial.capacity(), 0);
    file.append("last\n");
    assert_eq!(
        drain(&mut reader, 64 * 1024),
        (vec!["last".to_owned()], false)
    );
}

#[test]
fn a_line_of_exactly_the_bound_is_whole() {
    for (more, is_cut) in [(0, false), (1, true)] {
        let file = Bytes::default();
        let mut reader = open(&file, "utf-8");
        file.append(vec![b'x'; LINE_MAX + more]);
        file.append("\n");
        let (lines, cut) = drain(&mut reader, 64 * 1024);
        assert_eq!((lines[0].len(), cut), (LINE_MAX, is_cut));
    }
}

#[test]
fn utf16_is_read_in_whole_units() {
    let text: Vec<u8> = "\u{feff}aਊ\r\nü\n"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    for scratch in [2, 3, 64] {
        let file = Bytes::default();
        let mut reader = open(&file, "utf-16");
        let mut lines = Vec::new();
        for byte in &text {
            file.append([*byte]);
            lines.extend(drain(&mut reader, scratch).0);
        }
        assert_eq!(lines, ["aਊ", "ü"], "{scratch}");
        assert_eq!(reader.position().offset, text.len() as u64);
    }
}

#[test]
fn binary_garbage_is_lines_like_any_other() {
    let file = Bytes::default();
    let mut reader = open(&file, "utf-8");
    file.append(b"\0\0\xff\xfe\n\x80\n");
    assert_eq!(
        drain(&mut reader, 64).0,
        ["\0\0\u{fffd}\u{fffd}", "\u{fffd}"]
    );
}

#[test]
fn what_was_read_before_a_truncation_counts() {
    let file = Bytes::default();
    let mut reader = open(&file, "utf-8");
    file.append("one\ntwo\n");
    file.truncate_after.set(Some(0));
    assert_eq!(drain(&mut reader, 64).0, ["one", "two", "Truncated"]);
    assert_eq!(reader.position(), Position::default());
}

#[test]
fn a_file_written_again_is_read_from_its_start() {
    let file = Bytes::default();
    let mut reader = open(&file, "utf-8");
    file.append("one\n");
    drain(&mut reader, 64);
    file.bytes.replace(b"a new one, and longer\n".to_vec());
    assert_eq!(
        drain(&mut reader, 64).0,
        ["Rewritten", "a new one, and longer"]
    );
    file.bytes.replace(b"short\n".to_vec());
    assert_eq!(drain(&mut reader, 64).0, ["Truncated", "short"]);
}

#[test]
fn a_limit_is_not_passed() {
    let file = Bytes::default();
    let mut reader = open(&file, "utf-8");
    file.append("one\ntwo\nthree\n");
    reader.set_limit(8);
    assert_eq!(drain(&mut reader, 64).0, ["one", "two"]);
    reader.set_limit(u64::MAX);
    assert_eq!(drain(&mut reader, 64).0, ["three"]);
}

#[test]
fn a_hole_before_a_line_is_no_part_of_it() {
    let file = Bytes::default();
    let mut reader = open(&file, "utf-8");
    file.append(vec![0; 5 * LINE_MAX + 100]);
    file.append("text\n\0\0more\n");
    let (lines, cut) = drain(&mut reader, 64 * 1024);
    assert!(
        !cut && lines[0].len() < 8192 && lines[0].ends_with("\0text"),
        "{}",
        lines[0].len()
    );
    assert_eq!(lines[1], "\0\0more");
}

/// A header no shorter than what is compared of a file's beginning.
fn header() -> String {
    format!("# {}\n", "fields ".repeat(50))
}

#[test]
fn a_file_with_the_same_header_written_again_past_where_we_were_is_read_from_its_start() {
    let file = Bytes::default();
    let mut reader = open(&file, "utf-8");
    file.append(header() + "one\n");
    drain(&mut reader, 64);
    // Half a line that comes is no reason to think so, nor is its end.
    file.append("tw");
    assert_eq!(drain(&mut reader, 64).0.len(), 0);
    file.append("o\n");
    assert_eq!(drain(&mut reader, 64).0, ["two"]);
    file.bytes
        .replace((header() + "ONE\nTWO\nTHREE\n").into_bytes());
    let told = drain(&mut reader, 64).0;
    assert_eq!(told[0], "Rewritten");
    assert_eq!(told[2..], ["ONE", "TWO", "THREE"]);
}

#[test]
fn a_place_is_known_again_by_what_stands_before_it() {
    let file = Bytes::default();
    let mut reader = open(&file, "utf-8");
    for text in [
        header(),
        "one\n".to_owned(),
        "x".repeat(LINE_MAX + 5),
        "\n".to_owned(),
    ] {
        file.append(text);
        drain(&mut reader, 64 * 1024);
        let place = reader.position();
        assert!(open(&file, "utf-8").is_at(place), "{place:?}");
        // What a position of fail2ban's tells.
        assert!(open(&file, "utf-8").is_at(Position {
            mark: None,
            ..place
        }));
    }
    let place = reader.position();
    file.append("more\n");
    let again = open(&file, "utf-8");
    assert!(again.is_at(place));
    let moved = |offset, mark| Position {
        offset,
        mark,
        ..place
    };
    assert!(!again.is_at(moved(place.offset - 2, None)), "within a line");
    assert!(
        !again.is_at(moved(place.offset + 9, None)),
        "behind the end"
    );
    assert!(
        !again.is_at(moved(place.offset + 5, place.mark)),
        "elsewhere"
    );
    assert!(again.is_at(moved(place.offset + 5, None)));
    // Written again, as long as before.
    let text = file.bytes.borrow().clone();
    let at = text.len() - 6;
    file.bytes.borrow_mut()[at - 3] = b'y';
    assert!(!open(&file, "utf-8").is_at(place));
}
