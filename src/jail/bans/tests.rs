use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn id(n: u32) -> FailId {
    FailId::Net(Network::host(
        std::net::Ipv4Addr::from_bits(0xC000_0200 + n).into(),
    ))
}

fn ban(n: u32, secs: i64, bantime: i64) -> Ban {
    Ban {
        id: id(n),
        ip: None,
        time: Time::from_secs(secs),
        bantime: BanTime::from_number(bantime),
        count: 1,
        attempts: 3,
        lines: Vec::new(),
        data: Default::default(),
        restored: false,
        own_bantime: false,
    }
}

fn at(secs: i64) -> Time {
    Time::from_secs(secs)
}

fn ids<'a>(listed: impl IntoIterator<Item = Listed<'a>>) -> Vec<FailId> {
    listed.into_iter().map(|ban| ban.id.clone()).collect()
}

#[test]
fn bans_end_after_their_time_and_permanent_ones_never() {
    let mut bans = Bans::default();
    assert_eq!(bans.add(&ban(1, 0, 600), at(0)), Added::New);
    assert_eq!(bans.add(&ban(2, 0, -1), at(0)), Added::New);
    assert_eq!(bans.next_due(), Some(Time::from_micros(600_000_001)));
    assert_eq!(bans.expire(at(600)), None);
    let ended = bans.expire(Time::from_micros(600_000_001)).unwrap();
    assert_eq!(ended.id, id(1));
    assert_eq!(bans.expire(at(1 << 40)), None);
    assert_eq!(bans.next_due(), None);
    assert_eq!((bans.len(), bans.total()), (1, 2));
}

#[test]
fn what_has_ended_is_not_added() {
    let mut bans = Bans::default();
    assert_eq!(bans.add(&ban(1, 0, 600), at(601)), Added::Expired);
    assert!(bans.is_empty());
}

#[test]
fn a_second_ban_counts_when_it_ends_later() {
    let mut bans = Bans::default();
    bans.add(&ban(1, 0, 600), at(0));
    let since = at(0);
    let prolonged = None;
    assert_eq!(
        bans.add(&ban(1, 0, 60), at(0)),
        Added::Already { since, prolonged }
    );
    let Added::Already {
        prolonged: Some(longer),
        ..
    } = bans.add(&ban(1, 10, 600), at(10))
    else {
        panic!("prolonged");
    };
    assert_eq!(longer.end(), Some(at(610)));
    assert!(longer.own_bantime);
    assert_eq!(bans.expire(at(605)), None);
    assert!(bans.expire(at(611)).is_some());
}

#[test]
fn a_new_bantime_moves_bans_without_their_own() {
    let mut bans = Bans::default();
    bans.add(&ban(1, 0, 600), at(0));
    let own = Ban {
        own_bantime: true,
        ..ban(2, 0, 600)
    };
    bans.add(&own, at(0));
    let moved = bans.retime(BanTime::Secs(60));
    assert_eq!(moved.len(), 1);
    assert!(!moved[0].own_bantime);
    assert_eq!(ids(bans.by_end()), [id(1), id(2)]);
    bans.retime(BanTime::Permanent);
    assert_eq!(ids(bans.by_end()), [id(2), id(1)]);
    assert_eq!(ids(bans.in_order()), [id(1), id(2)]);
}

#[test]
fn lists_show_the_time_and_the_end() {
    let mut bans = Bans::default();
    bans.add(&ban(1, 1_124_013_600, 600), at(0));
    bans.add(&ban(2, 1_124_013_600, -1), at(0));
    let shown: Vec<String> = bans.by_end().map(|b| b.with_time(&TimeZone::UTC)).collect();
    assert_eq!(
        shown,
        [
            "192.0.2.1 \t2005-08-14 10:00:00 + 600 = 2005-08-14 10:10:00",
            "192.0.2.2 \t2005-08-14 10:00:00 + -1 = 9999-12-31 23:59:59"
        ]
    );
}

#[test]
fn a_network_covers_the_bans_within() {
    let mut bans = Bans::default();
    for n in [1, 9, 200] {
        bans.add(&ban(n, 0, 600), at(0));
    }
    assert_eq!(
        bans.within(&"192.0.2.0/28".parse().unwrap()),
        [id(1), id(9)]
    );
}

#[test]
fn lines_are_kept_while_they_fit() {
    let mut bans = Bans::default();
    let long = crate::model::MatchedLine {
        text: "x".repeat(DETAILS / 2).into(),
        date: None,
    };
    for n in 1..=3 {
        let lines = vec![long.clone()];
        let ip = Some("198.51.100.1".parse().unwrap());
        bans.add(
            &Ban {
                lines,
                ip,
                ..ban(n, 0, 600)
            },
            at(0),
        );
    }
    let kept = |n| bans.find(&id(n)).unwrap();
    assert_eq!(kept(1).lines.len(), 1);
    assert_eq!(kept(3).lines.len(), 0);
    assert_eq!(kept(3).ip, kept(1).ip);
}

proptest! {
    #[test]
    fn ends_agree_with_a_plain_map(
        events in proptest::collection::vec((0..5u8, 0..8u32, 0..50i64, -1..80i64), 1..200)
    ) {
        let mut bans = Bans::default();
        let mut naive: BTreeMap<FailId, i64> = BTreeMap::new();
        let mut now = 1_000;
        for (what, n, pause, bantime) in events {
            now += pause;
            let end = if bantime < 0 { i64::MAX } else { now + bantime };
            match what {
                0..=2 => {
                    bans.add(&ban(n, now, bantime), at(now));
                    let known = naive.entry(id(n)).or_insert(end);
                    *known = end.max(*known);
                }
                3 => prop_assert_eq!(bans.remove(&id(n)).is_some(), naive.remove(&id(n)).is_some()),
                _ => {
                    while bans.expire(at(now)).is_some() {}
                    naive.retain(|_, end| *end >= now);
                }
            }
            let listed: BTreeMap<FailId, i64> = bans
                .by_end()
                .map(|ban| (ban.id.clone(), ban.end.map_or(i64::MAX, Time::secs)))
                .collect();
            prop_assert_eq!(&listed, &naive);
            let due = naive.values().filter(|end| **end != i64::MAX).min();
            prop_assert_eq!(bans.next_due().map(Time::secs), due.copied());
        }
    }
}
