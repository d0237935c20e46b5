use proptest::prelude::*;

use super::*;
use crate::model::Datum;

const COUNTING: Counting = Counting {
    maxretry: 5,
    findtime: Span::from_secs(600),
    maxmatches: 3,
};

fn id(n: u32) -> FailId {
    FailId::Net(Network::host(
        std::net::Ipv4Addr::from_bits(0xC000_0200 + n).into(),
    ))
}

fn failure(n: u32, secs: i64, lines: &[&str]) -> Failure {
    let line = |text: &&str| MatchedLine {
        text: (*text).into(),
        date: Some((0, 2)),
    };
    Failure {
        id: id(n),
        ip: None,
        time: Time::from_secs(secs),
        lines: lines.iter().map(line).collect(),
        data: Captured::from([("user".to_owned(), Datum::Text(format!("at {secs}")))]),
        regex: 0,
    }
}

fn failures(limits: Limits) -> Failures {
    Failures::new(COUNTING, limits)
}

/// Adds a failure at the moment it happens.
fn fail(failures: &mut Failures, n: u32, secs: i64) -> u32 {
    failures.add(failure(n, secs, &["a line"]), 1, Time::from_secs(secs))
}

#[test]
fn a_burst_is_counted_one_by_one() {
    let mut failures = failures(Limits::default());
    let counts: Vec<u32> = (0..4).map(|s| fail(&mut failures, 1, s)).collect();
    assert_eq!(counts, [1, 2, 3, 4]);
    assert_eq!(fail(&mut failures, 2, 4), 1);
    assert_eq!(failures.total(), 5);
    assert_eq!(failures.current(Time::from_secs(4)), 2);
}

#[test]
fn a_slow_series_is_scaled_to_its_rate() {
    let mut failures = failures(Limits::default());
    // Every 300 s: at 900 s the first is out of findtime, 3/900*600 = 2 remain, and one more.
    let counts: Vec<u32> = (0..6).map(|n| fail(&mut failures, 1, n * 300)).collect();
    assert_eq!(counts, [1, 2, 3, 3, 3, 3]);
}

#[test]
fn a_ticket_keeps_the_last_lines_and_the_first_data() {
    let mut failures = failures(Limits::default());
    let now = Time::from_secs(9);
    failures.add(failure(1, 1, &["a", "b"]), 1, now);
    failures.add(failure(1, 2, &["c"]), 1, now);
    failures.add(failure(1, 3, &["d"]), 1, now);
    let ticket = failures.take(&id(1)).unwrap();
    let texts: Vec<&str> = ticket.lines.iter().map(|line| &*line.text).collect();
    assert_eq!(texts, ["b", "c", "d"]);
    assert_eq!((ticket.retry, ticket.attempts), (3, 3));
    assert_eq!(ticket.time, Time::from_secs(3));
    assert_eq!(ticket.data["user"], Datum::Text("at 1".to_owned()));
    assert_eq!(failures.take(&id(1)), None);
}

#[test]
fn a_date_in_the_line_is_known_until_lines_are_cut() {
    let mut failures = failures(Limits::default());
    let now = Time::from_secs(9);
    failures.add(failure(1, 1, &["ab"]), 1, now);
    failures.add(failure(1, 2, &["cd"]), 1, now);
    let dates = |ticket: Ticket| ticket.lines.into_iter().map(|l| l.date).collect::<Vec<_>>();
    assert_eq!(dates(failures.take(&id(1)).unwrap()), [Some((0, 2)), None]);
}

#[test]
fn maxmatches_0_keeps_no_lines() {
    let mut failures = failures(Limits::default());
    failures.counting.maxmatches = 0;
    fail(&mut failures, 1, 1);
    fail(&mut failures, 1, 2);
    assert!(failures.take(&id(1)).unwrap().lines.is_empty());
}

#[test]
fn the_longest_quiet_id_goes_first_when_there_are_too_many() {
    let limits = Limits {
        tickets: 3,
        ..Limits::default()
    };
    let mut failures = failures(limits);
    for n in [1, 2, 3, 1, 4] {
        fail(&mut failures, n, 1);
    }
    let kept = |n| failures.retry(&id(n));
    assert_eq!(
        [kept(1), kept(2), kept(3), kept(4)],
        [Some(2), None, Some(1), Some(1)]
    );
    assert_eq!(failures.evicted(), 1);
}

#[test]
fn lines_go_before_counts_when_they_are_too_long() {
    let limits = Limits {
        details: 300,
        ..Limits::default()
    };
    let mut failures = failures(limits);
    let long = "x".repeat(100);
    for n in 1..=3 {
        failures.add(failure(n, 1, &[&long]), 1, Time::from_secs(1));
    }
    let mut lines = |n| failures.take(&id(n)).unwrap().lines.len();
    assert_eq!([lines(1), lines(2), lines(3)], [0, 1, 1]);
    assert_eq!(failures.details, 0);
}

#[test]
fn a_known_bad_id_is_counted_more_and_a_banned_one_not_at_all() {
    let mut failures = failures(Limits::default());
    fail(&mut failures, 1, 1);
    assert_eq!(failures.aggravate(&id(1), Time::from_secs(1), 3), Some(4));
    failures.take(&id(1));
    assert_eq!(failures.aggravate(&id(1), Time::from_secs(1), 3), None);
    assert_eq!(failures.total(), 2);
}

/// The rules again, without a thought for memory or speed.
#[derive(Default)]
struct Naive(std::collections::BTreeMap<u32, NaiveTicket>);

struct NaiveTicket {
    first: i64,
    time: i64,
    retry: u32,
    lines: Vec<String>,
}

impl Naive {
    fn add(&mut self, n: u32, time: i64, line: &str, now: i64) -> u32 {
        self.0.retain(|_, ticket| ticket.time > now - 600);
        let ticket = self.0.entry(n).or_insert_with(|| NaiveTicket {
            first: time,
            time,
            retry: 0,
            lines: Vec::new(),
        });
        if time > ticket.time {
            if ticket.first < time - 600 {
                let rate = f64::from(ticket.retry) / (time - ticket.first) as f64;
                ticket.retry = (rate * 600.0).round_ties_even() as u32;
                ticket.first = time - 600;
            }
            ticket.time = time;
        }
        ticket.retry += 1;
        ticket.lines.push(line.to_owned());
        let surplus = ticket.lines.len().saturating_sub(3);
        ticket.lines.drain(..surplus);
        ticket.retry
    }
}

proptest! {
    #[test]
    fn counting_agrees_with_the_naive_model(
        events in proptest::collection::vec((0..6u32, 0..400i64, 0..90i64), 1..200)
    ) {
        let mut failures = failures(Limits::default());
        let mut naive = Naive::default();
        let mut now = 1_000_000;
        for (number, (n, pause, late)) in events.into_iter().enumerate() {
            now += pause;
            let line = number.to_string();
            let counted = failures.add(failure(n, now - late, &[&line]), 1, Time::from_secs(now));
            prop_assert_eq!(counted, naive.add(n, now - late, &line, now));
            if counted >= 5 {
                let ticket = failures.take(&id(n)).unwrap();
                let expected = naive.0.remove(&n).unwrap();
                let texts: Vec<String> = ticket.lines.iter().map(|l| l.text.to_string()).collect();
                prop_assert_eq!(texts, expected.lines);
                prop_assert_eq!(ticket.time, Time::from_secs(expected.time));
            }
        }
    }
}
