//! Lines per second through a prefix and a list of patterns shaped like those for sshd.
//!
//! `cargo bench --bench pattern`; one item is one line.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use rban::pattern::{Options, Regex, RegexSet, Slots};

fn main() {
    divan::main();
}

const PREFIX: &str = concat!(
    r"^<F-MLFID>\s*(?:\S+ )?(?:kernel: (?:\[[\d.]+\] )?)?",
    r"(?:[\[(]?sshd(?:-\w+)?(?:\(\S+\))?[\])]?(?:\[\d+\])?: +)?</F-MLFID>",
    r"(?:(?:error|fatal): )?<F-CONTENT>.+</F-CONTENT>$",
);

/// What may follow an address.
const PORT: &str = r"(?: port \d+| on \S+){0,2}";
const TAIL: &str = r"(?: port \d+| on \S+| \[preauth\]){0,3}\s*$";

/// Conditionals, look-ahead, lazy and greedy loops, a dozen equal beginnings.
fn patterns() -> Vec<String> {
    let mut patterns = vec![
        format!("^Failed publickey for invalid user <F-USER>(?P<word>\\S+)|(?:(?! from ).)*</F-USER> from <HOST>{PORT}(?: ssh\\d)?(?(word):|(?:(?! from ).)*$)"),
        format!("^Failed (?:<F-NOFAIL>publickey</F-NOFAIL>|\\S+) for (?P<unknown>invalid user )?<F-USER>(?P<word>\\S+)|(?(unknown)(?:(?! from ).)*|[^:]+)</F-USER> from <HOST>{PORT}(?: ssh\\d)?(?(word):|(?:(?! from ).)*$)"),
        format!("^(?:Invalid|Illegal) user <F-USER>.*?</F-USER> from <HOST>{TAIL}"),
        format!("^<F-NOFAIL>pam_\\w+\\(sshd:auth\\): authentication failure;</F-NOFAIL>(?: (?:logname|e?uid|tty)=\\S*){{0,4}}\\s+ruser=<F-ALT_USER>\\S*</F-ALT_USER>\\s+rhost=<HOST>(?:\\s+user=<F-USER>\\S*</F-USER>)?{TAIL}"),
        format!("^<F-NOFAIL>Received <F-MLFFORGET>disconnect</F-MLFFORGET></F-NOFAIL> from <HOST>{PORT}:\\s*11:"),
        format!("^Received <F-MLFFORGET>disconnect</F-MLFFORGET> from <HOST>{PORT}:\\s*(?:3|14): .* Auth fail{TAIL}"),
        format!("^<F-NOFAIL><F-MLFFORGET>(Connection (?:closed|reset)|Disconnected)</F-MLFFORGET></F-NOFAIL> (?:by|from)(?: \\w+ user <F-USER>\\S+|.*?</F-USER>)? <HOST>{TAIL}"),
        "^<F-MLFFORGET><F-MLFGAINED>Accepted \\w+</F-MLFGAINED></F-MLFFORGET> for <F-USER>\\S+</F-USER> from <HOST>(?:\\s|$)".to_owned(),
        "^<F-NOFAIL>Connection from</F-NOFAIL> <HOST>".to_owned(),
        "^<F-USER>\\w+</F-USER> login refused, from <HOST>".to_owned(),
        format!("^[tT]oo many (?:attempts|tries) for <F-USER>.*</F-USER> from <HOST>{TAIL}"),
    ];
    for reason in [
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    ] {
        patterns.push(format!(
            "^User <F-USER>\\S+|.*?</F-USER> from <HOST> refused for reason {reason}{TAIL}"
        ));
    }
    patterns
}

/// What stands after the date, in the proportions of a server under attack.
fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for n in 0..1000 {
        let address = format!("{}.0.2.{}", 192 + n % 2 * 6, n % 254 + 1);
        let (pid, port) = (1000 + n * 7, 30000 + n * 13);
        let user = ["root", "admin", "test", "oracle", "ubuntu"][n % 5];
        let message = match n % 100 {
            0..13 => format!("Failed password for {user} from {address} port {port} ssh2"),
            13..26 => {
                format!("Failed password for invalid user {user} from {address} port {port} ssh2")
            }
            26..51 => format!(
                "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={address}  user={user}"
            ),
            51..72 => {
                format!("Received disconnect from {address} port {port}:11: Bye Bye [preauth]")
            }
            72..78 => format!("Invalid user {user} from {address} port {port}"),
            78..86 => format!("pam_unix(sshd:session): session opened for user {user} by (uid=0)"),
            86..92 => "Server listening on 0.0.0.0 port 22.".to_owned(),
            _ => format!(
                "Starting session: shell on pts/{} for {user} from {address} port {port} id 0",
                n % 9
            ),
        };
        lines.push(format!(" host sshd[{pid}]: {message}\n"));
    }
    // Neighbours should not be alike.
    (0..lines.len())
        .map(|n| lines[n * 617 % lines.len()].clone())
        .collect()
}

fn prefix() -> Regex {
    Regex::new(PREFIX, Options::default()).expect("a prefix")
}

fn set() -> RegexSet {
    let patterns = patterns();
    let regex = |source: &String| Regex::new(source, Options::default()).expect("a pattern");
    RegexSet::new(patterns.iter().map(regex).collect())
}

/// What the prefix leaves of each line.
fn contents(prefix: &Regex, lines: &[String]) -> Vec<String> {
    let content = prefix.group("content").expect("a content");
    let mut slots = Slots::new();
    let content = |line: &String| {
        assert!(prefix.search(line, &mut slots), "{line}");
        format!("{}\n", &line[slots.get(content).expect("a content")])
    };
    lines.iter().map(content).collect()
}

#[divan::bench]
fn prefix_alone(bencher: Bencher) {
    let (prefix, lines, mut slots) = (prefix(), lines(), Slots::new());
    bencher
        .counter(ItemsCount::new(lines.len()))
        .bench_local(|| {
            for line in &lines {
                black_box(prefix.search(line, &mut slots));
            }
        });
}

#[divan::bench]
fn first_of_all(bencher: Bencher) {
    let (mut set, mut slots) = (set(), Slots::new());
    let contents = contents(&prefix(), &lines());
    bencher
        .counter(ItemsCount::new(contents.len()))
        .bench_local(|| {
            for content in &contents {
                black_box(set.first(content, &mut slots));
            }
        });
}

#[divan::bench(args = ["Failed password for r", "Failed password for inv", "pam_unix(sshd:auth)", "Received", "Invalid", "Starting"])]
fn first_of_kind(bencher: Bencher, kind: &str) {
    let (mut set, mut slots) = (set(), Slots::new());
    let mut contents = contents(&prefix(), &lines());
    contents.retain(|content| content.starts_with(kind));
    bencher
        .counter(ItemsCount::new(contents.len()))
        .bench_local(|| {
            for content in &contents {
                black_box(set.first(content, &mut slots));
            }
        });
}

#[divan::bench]
fn compile_all() -> RegexSet {
    set()
}
