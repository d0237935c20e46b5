//! Where to begin in a log that is there already: at its last line, or at the first one young
//! enough, found by halving without reading the rest.

use std::io;

use crate::model::Time;

use super::LINE_MAX;
use super::event::Date;
use super::reader::{Content, Reader};

/// Halving stops here, in bytes: reading so much costs no more than another probe.
const CLOSE: u64 = 4096;

/// Lines looked at for a date in one probe. fail2ban tries five; stack traces are longer.
const LINES: usize = 100;

/// A dated line.
struct Dated {
    end: u64,
    time: Time,
}

/// The start of the first line behind `lower` that is not older than `since`, as far as the file is
/// in order: a little too early rather than too late. Lines without a date are looked over; a file
/// without any is read from `lower`.
pub(super) fn since<F: Content>(
    reader: &Reader<F>,
    lower: u64,
    since: Time,
    date: &mut Date,
    scratch: &mut [u8],
) -> io::Result<u64> {
    let unit = reader.encoding().unit() as u64;
    let (mut low, mut high) = (lower, reader.stat()?.size);
    while high.saturating_sub(low) > CLOSE {
        let middle = low + (high - low) / 2 / unit * unit;
        let found = match line_start(reader, middle, scratch)? {
            Some(start) if start < high => first_dated(reader, start, date, scratch)?,
            Some(_) | None => None,
        };
        match found {
            Some(found) if found.time < since => low = found.end,
            Some(_) | None => high = middle,
        }
    }
    loop {
        let next = behind_old(reader, (low, high), since, date, scratch)?;
        if next == low {
            return Ok(low);
        }
        low = next;
    }
}

/// Passes over old lines, from the start of a line on, as far as a buffer reaches.
fn behind_old<F: Content>(
    reader: &Reader<F>,
    (low, high): (u64, u64),
    since: Time,
    date: &mut Date,
    scratch: &mut [u8],
) -> io::Result<u64> {
    let count = fill(reader, scratch, low)?;
    let (mut rest, mut start, mut behind) = (&scratch[..count], low, low);
    let mut undated = 0;
    while let Some(length) = reader.encoding().first_line_end(rest) {
        let (line, others) = rest.split_at(length);
        let (text, _) = reader.encoding().decode(line, start == 0);
        let end = start + length as u64;
        match date(text.trim_end_matches(['\r', '\n'])) {
            Some(time) if time >= since || start >= high => break,
            Some(_) => (behind, undated) = (end, 0),
            None => undated += 1,
        }
        if undated == LINES {
            break;
        }
        (rest, start) = (others, end);
    }
    Ok(behind)
}

/// The start of the line at the file's end: the end itself, if the last line is whole. A last line
/// longer than any we keep is given up.
pub(super) fn last_line<F: Content>(reader: &Reader<F>, scratch: &mut [u8]) -> io::Result<u64> {
    let unit = reader.encoding().unit() as u64;
    let size = reader.stat()?.size / unit * unit;
    let mut end = size;
    while end > 0 && size - end < LINE_MAX as u64 {
        let room = scratch.len() as u64 / unit * unit;
        let start = end.saturating_sub(room);
        let buffer = &mut scratch[..(end - start) as usize];
        let count = fill(reader, buffer, start)?;
        if let Some(found) = reader.encoding().last_line_end(&buffer[..count]) {
            return Ok(start + found as u64);
        }
        end = start;
    }
    Ok(if end == 0 { 0 } else { size })
}

/// The first start of a line at or behind `at`; `None` if none comes within a buffer.
fn line_start<F: Content>(
    reader: &Reader<F>,
    at: u64,
    scratch: &mut [u8],
) -> io::Result<Option<u64>> {
    // A newline right before `at` makes it one.
    let Some(from) = at.checked_sub(reader.encoding().unit() as u64) else {
        return Ok(Some(0));
    };
    let count = fill(reader, scratch, from)?;
    let end = reader.encoding().first_line_end(&scratch[..count]);
    Ok(end.map(|end| from + end as u64))
}

/// The first line with a date, from the start of a line on, within a buffer and [`LINES`].
fn first_dated<F: Content>(
    reader: &Reader<F>,
    start: u64,
    date: &mut Date,
    scratch: &mut [u8],
) -> io::Result<Option<Dated>> {
    let count = fill(reader, scratch, start)?;
    let (mut rest, mut start) = (&scratch[..count], start);
    for _ in 0..LINES {
        let Some(length) = reader.encoding().first_line_end(rest) else {
            return Ok(None);
        };
        let (line, others) = rest.split_at(length);
        let (text, _) = reader.encoding().decode(line, start == 0);
        let end = start + length as u64;
        if let Some(time) = date(text.trim_end_matches(['\r', '\n'])) {
            return Ok(Some(Dated { end, time }));
        }
        (rest, start) = (others, end);
    }
    Ok(None)
}

/// Reads until the buffer is full or the file ends.
fn fill<F: Content>(reader: &Reader<F>, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        let count = reader
            .file()
            .read_at(&mut buffer[done..], at + done as u64)?;
        if count == 0 {
            break;
        }
        done += count;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Encoding;
    use crate::source::reader::{Identity, Stat};
    use std::cell::Cell;

    /// A log of one line per second from 0 on, made up when it is read: `at NNNNNNNNNN …\n`.
    struct Endless {
        lines: u64,
        read: Cell<u64>,
    }

    const WIDTH: u64 = 100;

    impl Content for Endless {
        fn identity(&self) -> Identity {
            Identity {
                device: 0,
                inode: 0,
            }
        }

        fn stat(&self) -> io::Result<Stat> {
            Ok(Stat {
                size: self.lines * WIDTH,
                links: 1,
            })
        }

        fn data_from(&self, offset: u64) -> io::Result<u64> {
            Ok(offset)
        }

        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let size = self.lines * WIDTH;
            let count = size.saturating_sub(offset).min(buffer.len() as u64) as usize;
            let mut done = 0;
            while done < count {
                let at = offset + done as u64;
                let line = format!(
                    "at {:010} {}\n",
                    at / WIDTH,
                    "x".repeat(WIDTH as usize - 15)
                );
                let rest = &line.as_bytes()[(at % WIDTH) as usize..];
                let piece = rest.len().min(count - done);
                buffer[done..done + piece].copy_from_slice(&rest[..piece]);
                done += piece;
            }
            self.read.set(self.read.get() + count as u64);
            Ok(count)
        }
    }

    fn date(line: &str) -> Option<Time> {
        let digits = line.strip_prefix("at ")?.split(' ').next()?;
        digits.parse().ok().map(Time::from_secs)
    }

    fn endless(lines: u64) -> Reader<Endless> {
        let file = Endless {
            lines,
            read: Cell::new(0),
        };
        let encoding = Encoding::named("utf-8").expect("an encoding");
        Reader::open(file, &encoding, &mut [0; 4096]).expect("a reader")
    }

    #[test]
    fn the_first_young_line_is_found_wherever_it_is() {
        for lines in [0, 1, 2, 40, 41, 1000, 100_000] {
            let reader = endless(lines);
            for first in [
                0,
                1,
                17,
                lines / 2,
                lines.saturating_sub(1),
                lines,
                lines + 5,
            ] {
                let young = Time::from_secs(first as i64);
                let found = since(&reader, 0, young, &mut date, &mut [0; 65536]).expect("found");
                assert_eq!(found, first.min(lines) * WIDTH, "{first} of {lines}");
            }
        }
    }

    #[test]
    fn ten_gibibytes_are_not_read() {
        let lines = (10 << 30) / WIDTH;
        let reader = endless(lines);
        let young = Time::from_secs(lines as i64 - 600);
        let found = since(&reader, 0, young, &mut date, &mut [0; 65536]).expect("found");
        assert_eq!(found, (lines - 600) * WIDTH);
        assert!(
            reader.file().read.get() < 10 << 20,
            "{}",
            reader.file().read.get()
        );
    }

    #[test]
    fn a_log_without_dates_is_read_from_where_we_were() {
        let reader = endless(10_000);
        let young = Time::from_secs(9000);
        let found = since(&reader, 500, young, &mut |_| None, &mut [0; 65536]).expect("found");
        assert_eq!(found, 500);
    }

    #[test]
    fn lines_without_a_date_are_looked_over() {
        let reader = endless(10_000);
        let mut some = |line: &str| date(line).filter(|time| time.secs() % 50 == 7);
        let young = Time::from_secs(5000);
        let found = since(&reader, 0, young, &mut some, &mut [0; 65536]).expect("found") / WIDTH;
        assert!((4950..=5000).contains(&found), "{found}");
    }

    #[test]
    fn the_last_line_may_be_half_written() {
        let mut scratch = [0; 64];
        assert_eq!(last_line(&endless(0), &mut scratch).expect("found"), 0);
        assert_eq!(
            last_line(&endless(7), &mut scratch).expect("found"),
            7 * WIDTH
        );
        struct Half(u64);
        impl Content for Half {
            fn identity(&self) -> Identity {
                Identity {
                    device: 0,
                    inode: 0,
                }
            }
            fn stat(&self) -> io::Result<Stat> {
                Ok(Stat {
                    size: self.0,
                    links: 1,
                })
            }
            fn data_from(&self, offset: u64) -> io::Result<u64> {
                Ok(offset)
            }

            fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
                let count = (self.0.saturating_sub(offset) as usize).min(buffer.len());
                buffer[..count].fill(b'x');
                if offset <= 9 && count as u64 + offset > 9 {
                    buffer[9 - offset as usize] = b'\n';
                }
                Ok(count)
            }
        }
        let encoding = Encoding::named("utf-8").expect("an encoding");
        for (size, start) in [(5, 0), (10, 10), (200, 10), (3 << 20, 3 << 20)] {
            let reader = Reader::open(Half(size), &encoding, &mut scratch).expect("a reader");
            assert_eq!(
                last_line(&reader, &mut scratch).expect("found"),
                start,
                "{size}"
            );
        }
    }
}
