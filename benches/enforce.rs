//! What one ban costs once it is decided: worker, tags, reader and driver, into a real kernel.
//!
//! Needs root, for network namespaces: each bench has one of its own. `cargo bench --bench enforce`.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use nix::sched::{CloneFlags, unshare};
use rban::action::driver::memory::{Drivers, Memory};
use rban::action::{ActionSpec, DEFAULT_PATH, Facts, Job, Worker};
use rban::model::{ActionSettings, Ban, BanTime, Captured, FailId, Network, Origin, Time};

fn main() {
    divan::main();
}

struct Jail;

impl Facts for Jail {
    fn now(&self) -> Time {
        Time::from_secs(0)
    }

    fn bantime(&self) -> BanTime {
        BanTime::Secs(600)
    }
}

const HASH: &str = "type ipv4_addr;";
const INTERVAL: &str = "type ipv4_addr; flags interval;";

/// A worker on a set of its own in a namespace of its own, where this thread stays too.
fn worker(set: &str, drivers: Drivers) -> Worker {
    unshare(CloneFlags::CLONE_NEWNET).expect("root, for a network namespace");
    let start = format!("nft add table inet bench; nft add set inet bench four '{{ {set} }}'");
    let option = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let settings = ActionSettings {
        name: "bench".into(),
        options: vec![
            option("actionstart", &start),
            option("actionban", "nft add element inet bench four \\{ <ip> \\}"),
            option(
                "actionunban",
                "nft delete element inet bench four \\{ <ip> \\}",
            ),
        ],
        python: None,
        origin: Origin::Default,
    };
    let spec = ActionSpec {
        jail: "bench".into(),
        settings,
        native: true,
        ipv6: true,
        path: DEFAULT_PATH.into(),
        facts: Arc::new(Jail),
        drivers,
        left: rban::action::Leftover::Nothing,
    };
    let worker = Worker::spawn(spec, Arc::new(|_| ())).expect("no Python action");
    worker.send(Job::Start);
    settle(&worker);
    worker
}

fn settle(worker: &Worker) {
    assert!(worker.settle(Duration::from_secs(60)), "it takes too long");
}

fn bans(count: u32) -> Vec<Arc<Ban>> {
    let ban = |n| {
        Arc::new(Ban {
            id: FailId::Net(Network::host(Ipv4Addr::from_bits(0x0a00_0000 + n).into())),
            ip: None,
            time: Time::from_secs(i64::from(n)),
            bantime: BanTime::Secs(600),
            count: 1,
            attempts: 3,
            lines: Vec::new(),
            data: Captured::new(),
            restored: false,
            own_bantime: false,
        })
    };
    (0..count).map(ban).collect()
}

/// One ban and its end, each waited for: two round trips through the queue, thread and kernel.
fn one(bencher: Bencher<'_, '_>, worker: &Worker, banned: u32) {
    for ban in bans(banned) {
        worker.send(Job::Ban(ban));
    }
    settle(worker);
    let ban = bans(banned + 1).pop().expect("a ban");
    bencher.counter(ItemsCount::new(2usize)).bench_local(|| {
        worker.send(Job::Ban(Arc::clone(&ban)));
        settle(worker);
        worker.send(Job::Unban(Arc::clone(&ban)));
        settle(worker);
    });
    assert_eq!(worker.last_error(), None);
}

#[divan::bench(args = [0, 1_000, 100_000])]
fn one_ban_beside_others(bencher: Bencher<'_, '_>, banned: u32) {
    one(bencher, &worker(HASH, Drivers::default()), banned);
}

#[divan::bench(args = [0, 1_000, 100_000])]
fn one_ban_beside_others_in_intervals(bencher: Bencher<'_, '_>, banned: u32) {
    one(bencher, &worker(INTERVAL, Drivers::default()), banned);
}

#[divan::bench]
fn one_ban_without_the_kernel(bencher: Bencher<'_, '_>) {
    one(bencher, &worker(HASH, Memory::default().into()), 0);
}

/// Many bans sent at once, in and out again.
fn many(bencher: Bencher<'_, '_>, set: &str, count: u32) {
    let worker = worker(set, Drivers::default());
    let bans = bans(count);
    bencher
        .counter(ItemsCount::new(2 * bans.len()))
        .bench_local(|| {
            for ban in &bans {
                worker.send(Job::Ban(Arc::clone(ban)));
            }
            settle(&worker);
            for ban in &bans {
                worker.send(Job::Unban(Arc::clone(ban)));
            }
            settle(&worker);
        });
    assert_eq!(worker.last_error(), None);
}

#[divan::bench(args = [10_000, 100_000], sample_count = 10)]
fn burst(bencher: Bencher<'_, '_>, count: u32) {
    many(bencher, HASH, count);
}

#[divan::bench(args = [10_000, 100_000], sample_count = 10)]
fn burst_in_intervals(bencher: Bencher<'_, '_>, count: u32) {
    many(bencher, INTERVAL, count);
}
