//! What dating one line costs. `cargo bench --bench date`; per line, the budget on a stable log is
//! 50 ns.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use rban::date::{Detector, Zone};
use rban::model::Time;

fn main() {
    divan::main();
}

/// 2005-08-14 12:00:00 in the zone below.
const NOON: i64 = 1_124_013_600;
const ZONE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const LINES: usize = 1000;

/// How often the second changes in a log under attack, and in a quiet one.
const BUSY: usize = 20;
const QUIET: usize = 1;

fn detector(datepattern: Option<&str>) -> Detector {
    Detector::new(datepattern, &Zone::local(Some(ZONE)), 2026).expect("a datepattern")
}

/// Lines with `%M:%S` of their own, `per_second` of them the same; `FORM` stands for the time.
fn lines(form: &str, per_second: usize) -> Vec<String> {
    let line = |number: usize| {
        let second = number / per_second;
        let time = format!("{:02}:{:02}", second / 60 % 60, second % 60);
        let epoch = format!("{:04}", second % 10_000);
        form.replace("TIME", &time).replace("EPOCH", &epoch)
    };
    (0..LINES).map(line).collect()
}

fn run(bencher: Bencher<'_, '_>, datepattern: Option<&str>, lines: &[String]) {
    let mut detector = detector(datepattern);
    let now = Time::from_secs(NOON);
    let dated = lines
        .iter()
        .filter(|line| detector.find(line, now).is_some());
    black_box(dated.count());
    bencher
        .counter(ItemsCount::new(lines.len()))
        .bench_local(|| {
            for line in lines {
                black_box(detector.find(black_box(line), now));
            }
        });
}

const SYSLOG: &str =
    "Aug 14 11:TIME host sshd[12345]: Failed password for root from 192.0.2.5 port 22 ssh2";
const ISO: &str =
    "2005-08-14T11:TIME.123456+02:00 host sshd[12345]: Failed password for root from 192.0.2.5";
const OURS: &str = "2005-08-14 11:TIME,123 fail2ban.actions [123]: NOTICE  [sshd] Ban 192.0.2.5";
const EPOCH: &str = "112401EPOCH.123 host sshd[12345]: Failed password for root from 192.0.2.5";
const APACHE: &str = "192.0.2.5 - - [14/Aug/2005:11:TIME +0200] \"GET / HTTP/1.1\" 200 1234 \"-\"";
const UNDATED: &str =
    "    at com.example.Thing.run(Thing.java:123) and so on, for a hundred characters TIME";

#[divan::bench(args = [BUSY, QUIET])]
fn syslog(bencher: Bencher<'_, '_>, per_second: usize) {
    run(bencher, None, &lines(SYSLOG, per_second));
}

#[divan::bench(args = [BUSY, QUIET])]
fn iso(bencher: Bencher<'_, '_>, per_second: usize) {
    run(bencher, None, &lines(ISO, per_second));
}

#[divan::bench(args = [BUSY, QUIET])]
fn ours(bencher: Bencher<'_, '_>, per_second: usize) {
    run(bencher, Some("{^LN-BEG}"), &lines(OURS, per_second));
}

#[divan::bench(args = [BUSY, QUIET])]
fn epoch(bencher: Bencher<'_, '_>, per_second: usize) {
    run(bencher, Some("{^LN-BEG}EPOCH"), &lines(EPOCH, per_second));
}

#[divan::bench]
fn apache(bencher: Bencher<'_, '_>) {
    run(bencher, None, &lines(APACHE, BUSY));
}

#[divan::bench]
fn custom_pattern(bencher: Bencher<'_, '_>) {
    run(bencher, Some("^%Y-%m-%d %H:%M:%S"), &lines(OURS, BUSY));
}

#[divan::bench]
fn no_date_after_syslog(bencher: Bencher<'_, '_>) {
    run(bencher, None, &lines(UNDATED, BUSY));
}

#[divan::bench]
fn no_date_at_line_begin(bencher: Bencher<'_, '_>) {
    run(bencher, Some("{^LN-BEG}"), &lines(UNDATED, BUSY));
}

/// One line of a mebibyte that looks like dates all along.
#[divan::bench]
fn hostile(bencher: Bencher<'_, '_>) {
    let line = "2005-08-14 Aug 14 11:59:x 5 11:59:59x @40000000 112401359 ".repeat(1 << 14);
    let mut detector = detector(None);
    bencher
        .counter(divan::counter::BytesCount::of_str(&line))
        .bench_local(|| black_box(detector.find(black_box(&line), Time::from_secs(NOON))));
}
