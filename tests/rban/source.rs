//! Logs followed on the real kernel: whatever is done to a file, each line comes once.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rban::model::{Span, Time};
use rban::source::{
    Encoding, LINE_MAX, LineHash, Position, SourceEvent, Subscriber, Subscription, Watcher,
};

/// Now, in all these tests; log lines begin with `@` and seconds.
const NOW: i64 = 1_000_000;

fn clock() -> Time {
    let since = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970");
    Time::from_secs_f64(since.as_secs_f64())
}

/// Seconds before the present, as the lines' dates count them.
fn date(line: &str) -> Option<Time> {
    let seconds = line.strip_prefix('@')?.split(' ').next()?;
    Some(clock() - Span::from_secs(NOW - seconds.parse::<i64>().ok()?))
}

const JAIL: Subscriber = Subscriber(1);
const OTHER: Subscriber = Subscriber(2);
const MARK: Subscriber = Subscriber(0);

fn wish(subscriber: Subscriber, path: impl Into<PathBuf>) -> Subscription {
    Subscription {
        subscriber,
        logpath: path.into(),
        tail: false,
        encoding: Encoding::named("utf-8").expect("an encoding"),
        polling: false,
        findtime: Span::from_secs(600),
        stored: Vec::new(),
        date: Box::new(date),
    }
}

/// A watcher and what it has told.
struct Eye {
    watcher: Watcher,
    events: Receiver<SourceEvent>,
    thread: Receiver<nix::unistd::Pid>,
    /// A directory with a log of its own: what is told before its next line was told before.
    mark: tempfile::TempDir,
    marks: std::cell::Cell<usize>,
}

impl Eye {
    fn open() -> Self {
        let (sender, events) = channel();
        let (told, thread) = channel();
        let watcher = Watcher::start(
            clock,
            Box::new(move |event| {
                let _ = told.send(nix::unistd::gettid());
                sender.send(event).is_ok()
            }),
        );
        let mark = tempfile::tempdir().expect("a directory");
        append(&mark.path().join("mark"), "");
        Self {
            watcher: watcher.expect("a watcher"),
            events,
            thread,
            marks: std::cell::Cell::new(0),
            mark,
        }
    }

    fn on(wishes: Vec<Subscription>) -> Self {
        let eye = Self::open();
        eye.watcher
            .follow(vec![wish(MARK, eye.mark.path().join("mark"))]);
        eye.until(|event| matches!(event, SourceEvent::CaughtUp { .. }));
        eye.watcher.follow(wishes);
        eye
    }

    fn next(&self) -> SourceEvent {
        self.events
            .recv_timeout(Duration::from_secs(10))
            .expect("an event within seconds")
    }

    /// Passes over events until one is of a kind.
    fn until(&self, wanted: impl Fn(&SourceEvent) -> bool) -> SourceEvent {
        loop {
            let event = self.next();
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Collects a subscriber's lines until the one given.
    fn lines(&self, subscriber: Subscriber, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != last) {
            if let SourceEvent::Lines { chunk, to, .. } = self.next()
                && to.contains(&subscriber)
            {
                lines.extend(chunk.lines().map(str::to_owned));
            }
        }
        lines
    }

    /// What is told up to now.
    fn settle(&self) -> Vec<SourceEvent> {
        let mut events = Vec::new();
        // Twice: the first mark may be read out of turn, if its log was about to be read anyway.
        for _ in 0..2 {
            self.marks.set(self.marks.get() + 1);
            let mark = format!("{}\n", self.marks.get());
            append(&self.mark.path().join("mark"), &mark);
            loop {
                match self.next() {
                    SourceEvent::Lines { chunk, to, .. } if *to == [MARK] => {
                        if chunk.text().ends_with(&mark) {
                            break;
                        }
                    }
                    event => events.push(event),
                }
            }
        }
        events
    }
}

fn kind(event: &SourceEvent) -> String {
    match event {
        SourceEvent::Opened { position, .. } => format!("Opened {}", position.offset),
        SourceEvent::Lines { chunk, .. } => format!("Lines {}", chunk.lines().count()),
        SourceEvent::CaughtUp { .. } => "CaughtUp".to_owned(),
        SourceEvent::Rotated { rotation, .. } => format!("{rotation:?}"),
        SourceEvent::Missing { .. } => "Missing".to_owned(),
        SourceEvent::Failed { error, .. } => format!("Failed: {error}"),
        SourceEvent::Recovered { .. } => "Recovered".to_owned(),
        SourceEvent::Closed { .. } => "Closed".to_owned(),
        SourceEvent::Unmatched { .. } => "Unmatched".to_owned(),
        SourceEvent::Crowded { .. } => "Crowded".to_owned(),
        SourceEvent::Polling { reason, .. } => format!("Polling: {reason}"),
    }
}

fn kinds(events: &[SourceEvent]) -> Vec<String> {
    events.iter().map(kind).collect()
}

fn append(path: &Path, text: impl AsRef<[u8]>) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("a log");
    file.write_all(text.as_ref()).expect("written");
}

/// A line so many seconds old.
fn aged(seconds: i64, text: &str) -> String {
    format!("@{} {text}\n", NOW - seconds)
}

#[test]
fn a_log_is_begun_where_its_lines_are_young_enough_and_followed_from_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    let mut offset = 0;
    for age in (0..3000).rev() {
        let line = aged(age, &format!("old {age}"));
        offset += if age > 600 { line.len() } else { 0 };
        append(&path, line);
    }
    let eye = Eye::on(vec![wish(JAIL, &path)]);
    let SourceEvent::Opened { position, .. } = eye.next() else {
        panic!("not opened first");
    };
    // The clock goes on while the test runs.
    assert!((offset as u64..offset as u64 + 200).contains(&position.offset));
    eye.until(|event| matches!(event, SourceEvent::CaughtUp { .. }));
    append(&path, "new 1\r\nnew 2\nhal");
    assert_eq!(eye.lines(JAIL, "new 2"), ["new 1", "new 2"]);
    append(&path, "f\n");
    let SourceEvent::Lines { chunk, .. } = eye.next() else {
        panic!("no lines");
    };
    assert_eq!(chunk.text(), "half\n");
    assert_eq!(
        chunk.position().offset,
        fs::metadata(&path).expect("a log").len()
    );
    let first = LineHash::parse(&sha1_of_first_line(&path)).expect("a hash");
    assert_eq!(chunk.position().hash, Some(first));
}

fn sha1_of_first_line(path: &Path) -> String {
    use sha1::{Digest, Sha1};
    let bytes = fs::read(path).expect("a log");
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a line");
    let hash = Sha1::digest(&bytes[..=end]);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn many_jails_on_one_log_cost_one_reader() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    append(&path, aged(500, "older") + &aged(50, "younger"));
    let mut short = wish(OTHER, &path);
    short.findtime = Span::from_secs(100);
    let mut tail = wish(Subscriber(3), &path);
    tail.tail = true;
    let eye = Eye::on(vec![wish(JAIL, &path), short, tail]);
    let older = eye.until(|event| matches!(event, SourceEvent::Lines { .. }));
    let younger = eye.next();
    eye.until(|event| matches!(event, SourceEvent::CaughtUp { .. }));
    append(&path, "new\n");
    let new = eye.next();
    for (event, text, wanted) in [
        (older, aged(500, "older"), &[JAIL][..]),
        (younger, aged(50, "younger"), &[JAIL, OTHER]),
        (new, "new\n".to_owned(), &[JAIL, OTHER, Subscriber(3)]),
    ] {
        let SourceEvent::Lines { chunk, to, .. } = event else {
            panic!("no lines: {event:?}");
        };
        assert_eq!((chunk.text(), &*to), (text.as_str(), wanted));
    }
}

#[test]
fn who_comes_later_reads_what_the_others_have_had_and_nothing_twice() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    for number in 0..5000 {
        append(&path, aged(10, &format!("{number}")));
    }
    let eye = Eye::on(vec![wish(JAIL, &path)]);
    eye.until(|event| matches!(event, SourceEvent::CaughtUp { .. }));
    eye.watcher.follow(vec![wish(OTHER, &path)]);
    append(&path, "live\n");
    let mut lines = Vec::new();
    let mut jails = 0;
    while lines.len() < 5001 {
        match eye.next() {
            SourceEvent::Lines { chunk, to, .. } => {
                if to.contains(&OTHER) {
                    lines.extend(chunk.lines().map(str::to_owned));
                }
                if to.contains(&JAIL) {
                    jails += chunk.lines().count();
                }
            }
            SourceEvent::Opened { position, to, .. } => {
                assert_eq!((position.offset, &*to), (0, &[OTHER][..]));
            }
            _ => {}
        }
    }
    assert_eq!(jails, 1, "the first has had the rest");
    lines.sort();
    let mut expected: Vec<_> = (0..5000)
        .map(|n| aged(10, &n.to_string()).trim().to_owned())
        .collect();
    expected.push("live".to_owned());
    expected.sort();
    assert!(lines == expected);
    let mut told = kinds(&eye.settle());
    told.retain(|kind| kind != "CaughtUp");
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn an_earlier_process_position_is_kept_if_the_file_is_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    append(&path, aged(100, "judged") + &aged(50, "not yet"));
    let hash = LineHash::parse(&sha1_of_first_line(&path)).expect("a hash");
    let other = LineHash::parse(&"ab".repeat(20)).expect("a hash");
    let length = aged(100, "judged").len() as u64;
    let size = fs::metadata(&path).expect("a log").len();
    for (position, tail, start) in [
        (
            Position {
                offset: length,
                hash: Some(hash),
                mark: None,
            },
            false,
            length,
        ),
        (
            Position {
                offset: length,
                hash: Some(hash),
                mark: None,
            },
            true,
            length,
        ),
        (
            Position {
                offset: length,
                hash: Some(other),
                mark: None,
            },
            false,
            0,
        ),
        (
            Position {
                offset: length,
                hash: Some(other),
                mark: None,
            },
            true,
            size,
        ),
        (
            Position {
                offset: size + 1,
                hash: Some(hash),
                mark: None,
            },
            false,
            0,
        ),
        (
            Position {
                offset: 0,
                hash: None,
                mark: None,
            },
            false,
            0,
        ),
    ] {
        let mut wish = wish(JAIL, &path);
        wish.stored = vec![(path.clone(), position)];
        wish.tail = tail;
        let eye = Eye::on(vec![wish]);
        assert_eq!(kind(&eye.next()), format!("Opened {start}"), "{position:?}");
    }
}

#[test]
fn a_log_that_comes_later_is_seen_at_once_with_its_directories() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("not/there/yet/log");
    let mut wish = wish(JAIL, &path);
    wish.tail = true;
    let eye = Eye::on(vec![wish]);
    assert_eq!(kind(&eye.next()), "Missing");
    for _ in 0..100 {
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        append(&path, "first\n");
        assert_eq!(eye.lines(JAIL, "first"), ["first"], "all of it is new");
        append(&path, "second\n");
        assert_eq!(eye.lines(JAIL, "second"), ["second"]);
        fs::remove_dir_all(dir.path().join("not")).expect("removed");
        eye.until(|event| kind(event) == "Missing");
    }
}

#[test]
fn a_pattern_takes_in_what_comes_later() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("a")).expect("a directory");
    append(&at("a/x.log"), "old\n");
    let eye = Eye::on(vec![
        wish(JAIL, at("*/*.log")),
        wish(OTHER, at("none/*.log")),
    ]);
    eye.until(|event| matches!(event, SourceEvent::Lines { .. }));
    eye.until(|event| kind(event) == "CaughtUp");
    append(&at("a/y.log"), "in an old directory\n");
    eye.lines(JAIL, "in an old directory");
    append(&at("a/.hidden.log"), "hidden\n");
    append(&at("a/y.txt"), "not asked for\n");
    fs::create_dir(at("b")).expect("a directory");
    append(&at("b/z.log"), "in a new directory\n");
    assert_eq!(
        eye.lines(JAIL, "in a new directory"),
        ["in a new directory"]
    );
    fs::create_dir(at("none")).expect("a directory");
    append(&at("none/x.log"), "some\n");
    assert_eq!(eye.lines(OTHER, "some"), ["some"]);
}

#[test]
fn a_renamed_log_is_read_on_until_its_writer_moves_to_the_new_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, old) = (dir.path().join("log"), dir.path().join("log.1"));
    append(&path, "one\n");
    let eye = Eye::on(vec![wish(JAIL, &path)]);
    eye.lines(JAIL, "one");
    let mut writer = OpenOptions::new().append(true).open(&path).expect("a log");
    fs::rename(&path, &old).expect("renamed");
    writer.write_all(b"two\n").expect("written");
    assert_eq!(eye.lines(JAIL, "two"), ["two"]);
    append(&path, "new one\n");
    eye.lines(JAIL, "new one");
    writer.write_all(b"three\n").expect("written");
    let three = eye.until(|event| matches!(event, SourceEvent::Lines { .. }));
    let SourceEvent::Lines { chunk, .. } = three else {
        unreachable!();
    };
    assert_eq!(chunk.text(), "three\n");
    assert_eq!(
        chunk.position().offset,
        8,
        "a restart goes on in the new file"
    );
    append(&path, "new two\n");
    eye.lines(JAIL, "new two");
    let mut told = kinds(&eye.settle());
    told.retain(|kind| kind != "CaughtUp");
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn every_way_to_rotate_is_told_and_costs_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    append(&path, "one\n");
    let eye = Eye::on(vec![wish(JAIL, &path)]);
    eye.until(|event| kind(event) == "CaughtUp");
    // create
    fs::rename(&path, dir.path().join("log.1")).expect("renamed");
    append(&path, "two\n");
    assert_eq!(
        kind(&eye.until(|event| kind(event) != "Missing")),
        "Replaced"
    );
    assert_eq!(eye.lines(JAIL, "two"), ["two"]);
    // copytruncate
    fs::copy(&path, dir.path().join("log.2")).expect("copied");
    OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("a log")
        .set_len(0)
        .expect("truncated");
    assert_eq!(kind(&eye.next()), "Truncated");
    append(&path, "three\n");
    assert_eq!(eye.lines(JAIL, "three"), ["three"]);
    // truncated and written again, longer than before
    fs::write(&path, "four four four four\n").expect("written");
    let told = kind(&eye.next());
    assert!(told == "Rewritten" || told == "Truncated", "{told}");
    assert_eq!(
        eye.lines(JAIL, "four four four four"),
        ["four four four four"]
    );
    // deleted
    fs::remove_file(&path).expect("removed");
    assert_eq!(kind(&eye.next()), "Missing");
    append(&path, "five\n");
    assert_eq!(kind(&eye.next()), "Replaced");
    assert_eq!(eye.lines(JAIL, "five"), ["five"]);
    // another file moved over it
    append(&dir.path().join("next"), "six\n");
    fs::rename(dir.path().join("next"), &path).expect("renamed");
    assert_eq!(kind(&eye.next()), "Replaced");
    assert_eq!(eye.lines(JAIL, "six"), ["six"]);
}

#[test]
fn a_link_may_be_switched_and_its_target_rotated() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("one")).expect("a directory");
    fs::create_dir(at("two")).expect("a directory");
    append(&at("one/log"), "in one\n");
    append(&at("two/log"), "in two\n");
    symlink("one", at("dir")).expect("a link");
    symlink("dir/log", at("log")).expect("a link");
    let eye = Eye::on(vec![wish(JAIL, at("log"))]);
    assert_eq!(eye.lines(JAIL, "in one"), ["in one"]);
    // What the path depends on is neither beside it nor in it.
    fs::rename(at("one/log"), at("one/log.1")).expect("renamed");
    append(&at("one/log"), "rotated\n");
    assert_eq!(eye.lines(JAIL, "rotated"), ["rotated"]);
    symlink("two", at("new")).expect("a link");
    fs::rename(at("new"), at("dir")).expect("switched");
    assert_eq!(eye.lines(JAIL, "in two"), ["in two"]);
    append(&at("two/log"), "more\n");
    assert_eq!(eye.lines(JAIL, "more"), ["more"]);
}

#[test]
fn what_is_no_log_is_said_once_and_once_when_it_is_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    fs::create_dir(&path).expect("a directory");
    let eye = Eye::on(vec![wish(JAIL, &path)]);
    assert_eq!(
        kind(&eye.next()),
        "Failed: it is a directory, not a log file"
    );
    File::create(path.join("inside")).expect("a file");
    assert!(eye.settle().is_empty());
    fs::remove_dir_all(&path).expect("removed");
    symlink(&path, &path).expect("a link");
    let told = eye.until(|event| kind(event).starts_with("Failed"));
    assert_eq!(kind(&told), "Failed: Too many symbolic links encountered");
    fs::remove_file(&path).expect("removed");
    append(&path, "at last\n");
    assert_eq!(eye.lines(JAIL, "at last"), ["at last"]);
    append(&path, "more\n");
    assert_eq!(eye.lines(JAIL, "more"), ["more"]);
}

#[test]
fn garbage_and_endless_lines_are_lines() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    let eye = Eye::on(vec![wish(JAIL, &path)]);
    append(&path, b"\0\xff\xfe\x80\nGr\xfc\xdfe\n");
    let SourceEvent::Lines { chunk, .. } =
        eye.until(|event| matches!(event, SourceEvent::Lines { .. }))
    else {
        unreachable!();
    };
    assert!(chunk.is_invalid());
    assert_eq!(
        chunk.text(),
        "\0\u{fffd}\u{fffd}\u{fffd}\nGr\u{fffd}\u{fffd}e\n"
    );
    for _ in 0..40 {
        append(&path, [b'x'; 100_000]);
    }
    append(&path, "\nafter\n");
    let lines = eye.lines(JAIL, "after");
    assert_eq!(
        lines.iter().map(String::len).collect::<Vec<_>>(),
        [LINE_MAX, 5]
    );
}

#[test]
fn encodings_are_the_logs_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    let utf16: Vec<u8> = "\u{feff}Grüße\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (name, bytes) in [("latin-1", b"Gr\xfc\xdfe\n".to_vec()), ("utf-16", utf16)] {
        fs::write(&path, bytes).expect("written");
        let mut wish = wish(JAIL, &path);
        wish.encoding = Encoding::named(name).expect("an encoding");
        assert_eq!(Eye::on(vec![wish]).lines(JAIL, "Grüße"), ["Grüße"]);
    }
}

#[test]
fn a_rotated_log_that_the_same_pattern_matches_is_not_read_twice() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    append(&at("log"), "0\n");
    let eye = Eye::on(vec![wish(JAIL, at("log*"))]);
    eye.lines(JAIL, "0");
    let (mut seen, mut told) = (BTreeMap::new(), Vec::new());
    let mut next = 1;
    for turn in 0..30 {
        if turn % 2 == 0 {
            told.extend(eye.settle());
            told.extend(eye.settle());
        }
        for number in (1..5).rev() {
            let _ = fs::rename(
                at(&format!("log.{number}")),
                at(&format!("log.{}", number + 1)),
            );
        }
        fs::rename(at("log"), at("log.1")).expect("renamed");
        append(&at("log"), format!("{next}\n{}\n", next + 1));
        // Not told yet: the old one is still written.
        append(&at("log.1"), format!("{}\n", next + 2));
        next += 3;
    }
    append(&at("log"), "last\n");
    for _ in 0..5 {
        told.extend(eye.settle());
    }
    for event in told {
        if let SourceEvent::Lines { chunk, .. } = event {
            for line in chunk.lines() {
                *seen.entry(line.to_owned()).or_insert(0) += 1;
            }
        }
    }
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let lost: Vec<_> = (1..next)
        .filter(|n| !seen.contains_key(&n.to_string()))
        .collect();
    assert!(
        lost.is_empty() && seen.contains_key("last"),
        "{lost:?} of {next}"
    );
}

#[test]
fn two_names_of_one_file_are_read_once_for_one_jail_and_once_for_each_of_two() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, link) = (dir.path().join("log"), dir.path().join("link"));
    append(&path, "one\n");
    symlink(&path, &link).expect("a link");
    let eye = Eye::on(vec![
        wish(JAIL, &path),
        wish(JAIL, &link),
        wish(OTHER, &link),
    ]);
    append(&path, "two\n");
    let mut count = BTreeMap::new();
    for event in eye.settle().into_iter().chain({
        append(&path, "three\n");
        eye.settle()
    }) {
        if let SourceEvent::Lines { chunk, to, .. } = event {
            for subscriber in to.iter() {
                *count.entry(subscriber.0).or_insert(0) += chunk.lines().count();
            }
        }
    }
    assert_eq!(count, BTreeMap::from([(1, 3), (2, 3)]));
}

#[test]
fn who_forgets_a_log_hears_no_more_of_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    append(&path, "one\n");
    let eye = Eye::on(vec![wish(JAIL, &path), wish(OTHER, &path)]);
    eye.until(|event| kind(event) == "CaughtUp");
    eye.watcher.forget(JAIL, Some(&path));
    append(&path, "two\n");
    let told = eye.settle();
    let [SourceEvent::Lines { to, .. }] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(**to, [OTHER]);
    eye.watcher.forget(OTHER, None);
    append(&path, "three\n");
    assert!(eye.settle().is_empty());
}

#[test]
fn polling_sees_the_same_only_later() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let mut polled = wish(JAIL, at("*.log"));
    polled.polling = true;
    let eye = Eye::on(vec![polled]);
    assert_eq!(kind(&eye.next()), "Unmatched");
    append(&at("a.log"), "one\n");
    assert_eq!(eye.lines(JAIL, "one"), ["one"]);
    append(&at("a.log"), "two\n");
    assert_eq!(eye.lines(JAIL, "two"), ["two"]);
    fs::rename(at("a.log"), at("a.log.1")).expect("renamed");
    append(&at("a.log"), "three\n");
    assert_eq!(eye.lines(JAIL, "three"), ["three"]);
}

#[test]
fn nothing_is_lost_or_read_twice_while_a_log_is_rotated_as_fast_as_it_goes() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    append(&path, "0\n");
    let eye = Eye::on(vec![wish(JAIL, &path)]);
    eye.lines(JAIL, "0");
    let total = 20_050;
    let (seen, go_on) = channel::<()>();
    let writer = std::thread::spawn({
        let path = path.clone();
        let dir = dir.path().to_owned();
        move || {
            let mut file = OpenOptions::new().append(true).open(&path).expect("a log");
            for number in 1..=total {
                file.write_all(format!("{number}\n").as_bytes())
                    .expect("written");
                if number % 100 == 0 {
                    fs::rename(&path, dir.join(format!("log.{number}"))).expect("renamed");
                    for late in 0..3 {
                        file.write_all(format!("late {number} {late}\n").as_bytes())
                            .expect("written");
                    }
                    file = OpenOptions::new()
                        .create(true)
                        .append(true)
                        .open(&path)
                        .expect("a log");
                    // A file that came and went between two looks is nobody's.
                    go_on.recv().expect("a reader");
                }
            }
        }
    });
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| *line != total.to_string()) {
        match eye.next() {
            SourceEvent::Lines { chunk, .. } => lines.extend(chunk.lines().map(str::to_owned)),
            SourceEvent::Rotated { .. } => seen.send(()).expect("a writer"),
            _ => {}
        }
    }
    writer.join().expect("a writer");
    let mut numbers: Vec<u32> = lines.iter().filter_map(|line| line.parse().ok()).collect();
    let ordered = numbers.is_sorted();
    numbers.sort_unstable();
    assert!(
        numbers == (1..=total).collect::<Vec<_>>(),
        "{} of {total}",
        numbers.len()
    );
    assert!(ordered);
    let late = lines.len() - numbers.len();
    assert!(late == 3 * 200, "{late} lines of renamed files");
}

/// Prints what a write costs until the line is in the engine's hands; the budget is 100 µs.
#[test]
fn the_latency_from_write_to_event_is_printed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    append(&path, "zero\n");
    let (sender, events) = std::sync::mpsc::sync_channel(16);
    let watcher = Watcher::start(
        clock,
        Box::new(move |event| sender.send((clock(), event)).is_ok()),
    );
    let watcher = watcher.expect("a watcher");
    watcher.follow(vec![wish(JAIL, &path)]);
    while !matches!(
        events.recv().expect("an event").1,
        SourceEvent::CaughtUp { .. }
    ) {}
    let mut file = OpenOptions::new().append(true).open(&path).expect("a log");
    let mut took = Vec::new();
    for _ in 0..500 {
        let start = clock();
        file.write_all(b"a line\n").expect("written");
        let (end, event) = events.recv().expect("an event");
        assert!(matches!(event, SourceEvent::Lines { .. }));
        took.push((end - start).micros());
    }
    took.sort_unstable();
    println!("write to event: p50 {} µs, p99 {} µs", took[250], took[495]);
}

#[test]
fn an_idle_watcher_never_wakes_up() {
    // Where nobody else makes files: this thread watches every directory on its way.
    let dir = tempfile::tempdir_in("/dev/shm").expect("a directory");
    let path = dir.path().join("log");
    append(&path, "one\n");
    let eye = Eye::open();
    eye.watcher.follow(vec![
        wish(JAIL, &path),
        wish(OTHER, dir.path().join("missing")),
    ]);
    eye.until(|event| kind(event) == "CaughtUp");
    let thread = eye.thread.recv().expect("a thread");
    let sleeps = || {
        let status =
            fs::read_to_string(format!("/proc/self/task/{thread}/status")).expect("a thread");
        let line = status
            .lines()
            .find(|line| line.starts_with("voluntary_ctxt_switches"));
        line.and_then(|line| line.split_whitespace().nth(1))
            .expect("a count")
            .to_owned()
    };
    // It says what it does before it sleeps: wait until it does.
    std::thread::park_timeout(Duration::from_millis(200));
    let before = sleeps();
    std::thread::park_timeout(Duration::from_secs(3));
    assert_eq!(sleeps(), before);
}

#[test]
fn a_hole_of_gibibytes_is_not_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    append(&path, "before\n");
    let eye = Eye::on(vec![wish(JAIL, &path)]);
    eye.lines(JAIL, "before");
    // A program without O_APPEND goes on where it was, in a file that was truncated meanwhile.
    let file = OpenOptions::new().write(true).open(&path).expect("a log");
    file.set_len(0).expect("truncated");
    let far = 1 << 36;
    std::os::unix::fs::FileExt::write_all_at(&file, b"after\n", far).expect("written");
    let event = eye.until(|event| matches!(event, SourceEvent::Lines { .. }));
    let SourceEvent::Lines { chunk, .. } = event else {
        unreachable!();
    };
    assert_eq!(chunk.text().trim_start_matches('\0'), "after\n");
    assert_eq!(chunk.position().offset, far + 6);
}

#[test]
fn a_log_we_may_not_read_is_read_as_soon_as_we_may() {
    use std::os::unix::fs::PermissionsExt;
    assert!(
        nix::unistd::geteuid().is_root(),
        "only root can become somebody else"
    );
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    let allow = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    };
    allow(dir.path(), 0o755);
    append(&path, "one\n");
    allow(&path, 0o600);
    let (sender, events) = channel();
    let watcher = Watcher::start(
        clock,
        Box::new(move |event| {
            // The watcher's thread alone, and for files alone, becomes nobody.
            nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65534));
            sender.send(kind(&event)).is_ok()
        }),
    );
    let watcher = watcher.expect("a watcher");
    let next = || {
        events
            .recv_timeout(Duration::from_secs(10))
            .expect("an event")
    };
    watcher.follow(vec![wish(OTHER, dir.path().join("missing"))]);
    assert_eq!(next(), "Missing");
    watcher.follow(vec![wish(JAIL, &path)]);
    assert_eq!(next(), "Failed: Permission denied");
    allow(&path, 0o644);
    assert_eq!(next(), "Opened 0");
    assert_eq!(next(), "Lines 1");
    assert_eq!([next(), next()], ["CaughtUp", "Recovered"]);
}

/// Runs a test of this program again in namespaces of its own, after a shell script; `false` when
/// that is where we are.
fn outside(test: &str, script: &str) -> bool {
    // Nothing has this name: it only tells the inner program where it is.
    const INSIDE: &str = "inside-a-namespace";
    if std::env::args().any(|argument| argument == INSIDE) {
        return false;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a namespace belongs to a process"
    )]
    let mut command = std::process::Command::new("unshare");
    let program = std::env::current_exe().expect("a program");
    let output = command
        .args(["--user", "--map-root-user", "--mount", "sh", "-ec"])
        .arg(format!("{script}; exec \"$@\""))
        .arg("sh")
        .arg(program)
        .args(["--exact", test, "--nocapture", "--skip", INSIDE])
        .output()
        .expect("unshare");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{complained}"
    );
    true
}

#[test]
fn a_mount_over_a_log_and_its_end_are_noticed() {
    if outside("source::a_mount_over_a_log_and_its_end_are_noticed", "true") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("below/log");
    fs::create_dir(dir.path().join("below")).expect("a directory");
    append(&path, "one\n");
    let eye = Eye::on(vec![wish(JAIL, &path)]);
    eye.lines(JAIL, "one");
    let run = |program: &str, args: &[&str]| {
        #[expect(clippy::disallowed_methods, reason = "the real mount")]
        let status = std::process::Command::new(program).args(args).status();
        assert!(status.expect(program).success());
    };
    let below = path.parent().and_then(Path::to_str).expect("a path");
    run("mount", &["-t", "tmpfs", "none", below]);
    eye.until(|event| kind(event) == "Missing");
    append(&path, "elsewhere\n");
    assert_eq!(eye.lines(JAIL, "elsewhere"), ["elsewhere"]);
    run("umount", &["--lazy", below]);
    append(&path, "two\n");
    assert_eq!(eye.lines(JAIL, "two"), ["two"], "and nothing of it twice");
}

#[test]
fn without_inotify_it_polls_and_says_why() {
    let limits = "echo 0 > /proc/sys/user/max_inotify_instances";
    if outside("source::without_inotify_it_polls_and_says_why", limits) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    let eye = Eye::on(vec![
        wish(JAIL, &path),
        wish(OTHER, dir.path().join("*.log")),
    ]);
    let told = eye.until(|event| kind(event).starts_with("Polling"));
    assert!(
        kind(&told).starts_with("Polling: inotify: "),
        "{}",
        kind(&told)
    );
    append(&path, "one\n");
    assert_eq!(eye.lines(JAIL, "one"), ["one"]);
    append(&dir.path().join("other.log"), "two\n");
    assert_eq!(eye.lines(OTHER, "two"), ["two"]);
}

#[test]
fn where_inotify_has_no_watches_left_it_polls_and_says_why() {
    let limits = "echo 3 > /proc/sys/user/max_inotify_watches";
    if outside(
        "source::where_inotify_has_no_watches_left_it_polls_and_says_why",
        limits,
    ) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    append(&path, "one\n");
    let eye = Eye::open();
    eye.watcher.follow(vec![wish(JAIL, &path)]);
    let told = eye.until(|event| kind(event).starts_with("Polling"));
    assert_eq!(kind(&told), "Polling: inotify: No space left on device");
    append(&path, "two\n");
    assert!(eye.lines(JAIL, "two").len() <= 2);
    fs::rename(&path, dir.path().join("log.1")).expect("renamed");
    append(&path, "three\n");
    assert_eq!(eye.lines(JAIL, "three"), ["three"]);
}
