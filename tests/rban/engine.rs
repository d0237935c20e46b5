//! All jails together: what one line costs when it feeds many of them.

use std::fmt::Write as _;

use rban::date::Zone;
use rban::engine::{Effects, Engine, Feed};
use rban::jail::Jail;
use rban::model::{FailId, Time};

use crate::{filter, jail};

/// 2026-11-22 12:00:00 UTC.
const NOON: Time = Time::from_secs(1_795_348_800);

const LINES: u64 = 50;
const JAILS: usize = 30;
/// How jails look for dates: by the defaults, or by one of these.
const DATES: [&str; 3] = [
    "",
    "datepattern = ^%b %d %H:%M:%S",
    "datepattern = {^LN-BEG}%b %d %H:%M:%S",
];

fn jails() -> Engine {
    let zone = Zone::local(Some("UTC")).time_zone().clone();
    let mut engine = Engine::new(zone, Box::new(|| 0.0));
    for number in 0..JAILS {
        let mut settings = jail::settings("maxretry = 2");
        settings.name = format!("jail{number}");
        let date = DATES[number % DATES.len()];
        let text = format!("failregex = failure {} from <HOST>$\n{date}\n", number % 7);
        let filter = filter::filter(&text).expect("a filter");
        engine.add(Jail::new(&settings).expect("good settings"), filter);
    }
    engine
}

fn log() -> Vec<String> {
    let line = |n: u64| {
        format!(
            "Nov 22 11:59:{n:02} host door: failure {} from 192.0.2.{}",
            n % 8,
            n % 3
        )
    };
    (0..LINES).map(line).collect()
}

fn banned(engine: &Engine) -> String {
    let mut told = String::new();
    for member in engine.members() {
        let ids = (0..3).map(|n| FailId::parse(&format!("192.0.2.{n}")));
        let ids = ids.filter(|id| member.jail.bans().contains(id));
        let _ = writeln!(
            told,
            "{}: {:?}",
            member.jail.name(),
            ids.collect::<Vec<_>>()
        );
    }
    told
}

#[test]
fn a_line_is_dated_once_for_all_jails_that_look_for_dates_alike() {
    let mut engine = jails();
    let feeds: Vec<Feed> = (0..JAILS)
        .map(|place| Feed {
            place,
            in_operation: true,
        })
        .collect();
    let (lines, mut effects) = (log(), Effects::default());
    engine.lines(&feeds, lines.iter().map(String::as_str), NOON, &mut effects);
    let searches = |filter: &rban::filter::Filter| -> u64 {
        filter.date_templates().map(|template| template.hits).sum()
    };
    for (place, member) in engine.members().iter().enumerate() {
        let expected = if place < DATES.len() { LINES } else { 0 };
        assert_eq!(searches(&member.filter), expected, "{}", member.jail.name());
        assert_eq!(member.filter.counters().lines, LINES);
    }
    // And each judges as it would alone.
    let mut alone = jails();
    for feed in &feeds {
        alone.lines(
            &[*feed],
            lines.iter().map(String::as_str),
            NOON,
            &mut effects,
        );
    }
    assert_eq!(banned(&engine), banned(&alone));
    assert!(banned(&alone).contains("192.0.2.1"), "{}", banned(&alone));
}
