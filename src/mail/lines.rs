//! The last lines of log files that name an address as a whole word.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

/// Read from the end of each log; a log of many gigabytes holds nobody up.
const TAIL: u64 = 64 * 1024 * 1024;
/// What a mail holds of one line.
const LINE: usize = 2000;
/// What a mail holds of all lines.
const ALL: usize = 512 * 1024;

/// The last `most` lines of the files matched that name `word`; a file that cannot be read says so
/// in a line of its own.
pub fn about(logs: &[String], word: &str, most: usize) -> String {
    let mut kept: VecDeque<String> = VecDeque::new();
    for log in logs {
        if let Err(error) = read(log, word, most, &mut kept) {
            kept.push_back(format!("{log}: {error}"));
        }
    }
    shown(kept)
}

/// The last of these lines, as many and as much of each as a mail holds.
pub(super) fn bounded(text: &str) -> String {
    let lines = text.split('\n').map(|line| line.chars().take(LINE));
    shown(lines.map(Iterator::collect).collect())
}

fn shown(mut lines: VecDeque<String>) -> String {
    let mut size: usize = lines.iter().map(String::len).sum();
    while size > ALL
        && let Some(first) = lines.pop_front()
    {
        size -= first.len();
    }
    let mut text = String::new();
    for line in lines {
        text.push_str(&super::letter::clean(&line, false));
        text.push('\n');
    }
    text
}

fn read(log: &str, word: &str, most: usize, kept: &mut VecDeque<String>) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom};
    let mut file = File::open(log)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
    let mut lines = BufReader::new(file.take(TAIL));
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        if names(&line, word.as_bytes()) {
            if kept.len() == most {
                kept.pop_front();
            }
            let text = String::from_utf8_lossy(&line);
            kept.push_back(text.trim_end().chars().take(LINE).collect());
        }
        line.clear();
    }
    Ok(())
}

/// Whether the word stands in the line with no letter, digit or `_` next to it.
fn names(line: &[u8], word: &[u8]) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    !word.is_empty()
        && memchr::memmem::find_iter(line, word).any(|at| {
            let before = at.checked_sub(1).and_then(|before| line.get(before));
            !is_part(before) && !is_part(line.get(at + word.len()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_holds_so_much_of_a_line_and_so_many_lines() {
        let long = "x".repeat(1 << 20);
        let text = bounded(&format!("{long}\nlast\u{7}\tline"));
        assert_eq!(
            text,
            format!("{}\nlast\u{fffd}\u{fffd}line\n", &long[..LINE])
        );
        let many = format!("{}last", format!("{long}\n").repeat(400));
        let text = bounded(&many);
        assert!(text.len() <= ALL + 400 && text.ends_with("\nlast\n"));
    }

    #[test]
    fn the_last_lines_about_an_address_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let text =
            "1 from 192.0.2.1 port\n2 from 192.0.2.10\n3 from 192.0.2.1\n4 (192.0.2.1)\u{1b}\n";
        std::fs::write(&log, text).unwrap();
        let logs = [log.display().to_string()];
        assert_eq!(
            about(&logs, "192.0.2.1", 2),
            "3 from 192.0.2.1\n4 (192.0.2.1)\u{fffd}\n"
        );
        assert!(about(&["/nonexistent".into()], "x", 2).starts_with("/nonexistent: "));
    }
}
