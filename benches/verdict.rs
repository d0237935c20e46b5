//! Line → verdict: a day at a brute-forced sshd through the shipped filter, dates and all.
//!
//! 26 % `Failed password`, 25 % failures of PAM, 21 % `Received disconnect`, 6 % `Invalid user`, the
//! rest noise; one core, in memory. `items/s` are lines per second.

use std::path::{Path, PathBuf};

use divan::counter::ItemsCount;
use rban::config::{Config, Disk, Facts, Inputs};
use rban::date::Zone;
use rban::filter::{Dated, Filter, Moment, Reading};
use rban::model::{Span, Time, UseDns};

/// 2026-11-22 16:59:27 UTC.
const NOW: Time = Time::from_secs(1_795_366_767);
const LINES: usize = 10_000;

fn main() {
    divan::main();
}

/// Our own tree, and fail2ban's where it is installed.
fn trees() -> Vec<PathBuf> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let theirs = PathBuf::from("/etc/fail2ban");
    let mut trees = vec![ours];
    trees.extend(theirs.join("filter.d/sshd.conf").exists().then_some(theirs));
    trees
}

fn filter(tree: &Path) -> Filter {
    let facts = Facts {
        firewall: rban::config::Firewall::Nftables,
        fail2ban_version: "1.1.1".to_owned(),
    };
    let config = Config::read(&Disk, &Inputs::only(tree.to_path_buf(), facts)).expect("the tree");
    let settings = config.filter("sshd", "auto").expect("the sshd filter");
    let local = Zone::local(Some("UTC"));
    let reading = Reading {
        jail: "sshd",
        usedns: UseDns::Warn,
        logtimezone: None,
        local: &local,
        year: 2026,
    };
    Filter::new(&settings, &reading).expect("a filter that compiles")
}

/// The mix, in an order that repeats every hundred lines.
fn lines() -> Vec<String> {
    let line = |n: usize| {
        let ip = format!("198.51.100.{}", n % 250 + 1);
        let pid = 20_000 + n % 5_000;
        let said = match n * 37 % 100 {
            0..26 => format!(
                "Failed password for root from {ip} port {} ssh2",
                40_000 + n % 9_000
            ),
            26..51 => format!(
                "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip}  user=root"
            ),
            51..72 => format!(
                "Received disconnect from {ip} port {}:11: Bye Bye [preauth]",
                40_000 + n % 9_000
            ),
            72..78 => format!("Invalid user admin from {ip} port {}", 40_000 + n % 9_000),
            78..90 => "Server listening on 0.0.0.0 port 22.".to_owned(),
            _ => "pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)"
                .to_owned(),
        };
        format!(
            "Nov 22 16:59:{:02} host sshd[{pid}]: {said}",
            n / 1_000 % 27
        )
    };
    (0..LINES).map(line).collect()
}

#[divan::bench(args = trees().iter().map(|tree| tree.display().to_string()).collect::<Vec<_>>())]
fn sshd_filter(bencher: divan::Bencher<'_, '_>, tree: &str) {
    let lines = lines();
    let moment = Moment {
        now: NOW,
        in_operation: true,
        findtime: Span::from_secs(600),
        check_findtime: true,
    };
    let mut filter = filter(Path::new(tree));
    let mut verdicts = Vec::new();
    let mut judge_all = || {
        for line in &lines {
            let found = filter.find_date(line, NOW);
            filter.judge(&Dated { line, found }, &moment, &mut verdicts);
            verdicts.clear();
        }
    };
    // A daemon reads lines for weeks: what it learns from the first of them is not counted.
    judge_all();
    bencher
        .counter(ItemsCount::new(LINES))
        .bench_local(&mut judge_all);
}
