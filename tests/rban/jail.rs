//! Stories of one jail: times and events in, effects out.
//!
//! A story is text. A line that begins with a time is an event; the indented lines below it are
//! everything the jail wants done, in order. All times are of 2026-11-22, UTC.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rban::jail::{Counting, Effect, History, Jail, Past, Turn};
use rban::model::{
    Ban, BanIncrement, BanTime, FailId, Failure, FilterSettings, IgnoreCache, JailSettings,
    NameAnswer, NameProblem, Span, Time, UseDns,
};

const MIDNIGHT: i64 = 1_795_305_600;

/// fail2ban's built-in values, with the `key = value` lines of `changes` applied.
pub(crate) fn settings(changes: &str) -> JailSettings {
    let mut settings = JailSettings {
        name: "sshd".to_owned(),
        backend: "auto".to_owned(),
        chosen: None,
        filter: FilterSettings::default(),
        logs: Vec::new(),
        skip_if_nologs: false,
        logencoding: "auto".to_owned(),
        logtimezone: None,
        maxretry: 3,
        maxmatches: 3,
        findtime: Span::from_secs(600),
        bantime: BanTime::Secs(600),
        increment: BanIncrement {
            enabled: false,
            factor: None,
            formula: None,
            multipliers: None,
            maxtime: None,
            rndtime: None,
            overalljails: false,
        },
        usedns: UseDns::Warn,
        ignoreself: false,
        ignoreip: Vec::new(),
        ignorecommand: String::new(),
        prefixes: Default::default(),
        ignorecache: None,
        actions: Vec::new(),
    };
    for line in changes.lines().filter(|line| !line.trim().is_empty()) {
        let (key, value) = line.split_once('=').expect("key = value");
        let value = value.trim();
        let number = || value.parse::<i64>().expect("a number");
        match key.trim() {
            "maxretry" => settings.maxretry = number() as u32,
            "bantime" => settings.bantime = BanTime::from_number(number()),
            "findtime" => settings.findtime = Span::from_secs(number()),
            "bantime.increment" => settings.increment.enabled = value == "true",
            "bantime.maxtime" => settings.increment.maxtime = Some(Span::from_secs(number())),
            "bantime.overalljails" => settings.increment.overalljails = value == "true",
            "bantime.formula" => settings.increment.formula = Some(value.to_owned()),
            "ignoreself" => settings.ignoreself = value == "true",
            "ignoreip" => settings.ignoreip = words(value),
            "ignorecommand" => settings.ignorecommand = value.to_owned(),
            "banprefix6" => settings.prefixes.ban6 = value.parse().ok(),
            "countprefix4" => settings.prefixes.count4 = value.parse().ok(),
            "countprefixhosts" => settings.prefixes.hosts = number() as u32,
            "ignorecache" => {
                settings.ignorecache = Some(IgnoreCache {
                    key: value.to_owned(),
                    max_count: 100,
                    max_time: Span::from_secs(300),
                });
            }
            other => panic!("no setting {other}"),
        }
    }
    settings
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// `16:59:27` of the day.
fn clock(text: &str) -> Time {
    let parts: Vec<i64> = text
        .split(':')
        .map(|part| part.parse().expect(text))
        .collect();
    Time::from_secs(MIDNIGHT + parts[0] * 3600 + parts[1] * 60 + parts[2])
}

fn failure(id: &str, time: Time) -> Failure {
    Failure {
        id: FailId::parse(id),
        ip: None,
        time,
        lines: Vec::new(),
        data: Default::default(),
        regex: 0,
    }
}

/// Does one event; its words follow the time in the story.
fn act(jail: &mut Jail, event: &[&str], turn: &mut Turn<'_>) {
    match *event {
        ["start"] => jail.start(turn),
        ["fails", id] => jail.failure(failure(id, turn.now), turn),
        ["failed", id, time] => jail.failure(failure(id, clock(time)), turn),
        ["fails", "by", "name", name] => {
            let id = FailId::Raw(name.into());
            jail.failure_by_name(
                Failure {
                    id,
                    ..failure("-", turn.now)
                },
                turn,
            );
        }
        ["attempt", id, ref lines @ ..] => {
            let lines = lines.iter().map(|line| (*line).to_owned()).collect();
            jail.attempt(FailId::parse(id), lines, turn);
        }
        ["ban", ref ids @ ..] => {
            let ids: Vec<FailId> = ids.iter().map(|id| FailId::parse(id)).collect();
            jail.ban(&ids, turn);
        }
        ["unban", "all"] => {
            jail.unban_all(turn);
        }
        ["unban", id] => {
            jail.unban(&FailId::parse(id), turn);
        }
        ["stop"] => {
            jail.stop(turn);
        }
        ["tick"] => jail.tick(turn),
        ["restore", id, time, bantime, count] => jail.restore(
            Ban {
                id: FailId::parse(id),
                ip: None,
                time: clock(time),
                bantime: BanTime::from_number(bantime.parse().expect(bantime)),
                count: count.parse().expect(count),
                attempts: 3,
                lines: Vec::new(),
                data: Default::default(),
                restored: true,
                own_bantime: true,
            },
            turn,
        ),
        ["resolved", name, ref addresses @ ..] => {
            let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().expect(a)).collect();
            let told = NameAnswer {
                problem: addresses.is_empty().then_some(NameProblem::NoSuchName),
                addresses,
                age: Span::from_secs(300),
                remembered: false,
            };
            jail.resolved(name, &told, turn);
        }
        ["file", path, ref text @ ..] => jail.ignore_file(Path::new(path), &text.join(" ")),
        ["answer", token, answer] => {
            jail.ignore_answer(token.parse().expect(token), answer == "ignore", turn);
        }
        ["bantime", secs] => {
            jail.set_bantime(BanTime::from_number(secs.parse().expect(secs)), turn);
        }
        ["reload", ref changes @ ..] => {
            let changes = changes.join(" ").replace(';', "\n");
            jail.reload(&settings(&changes), turn)
                .expect("good settings");
        }
        ["maxretry", count] => {
            let maxretry = count.parse().expect(count);
            jail.set_counting(
                Counting {
                    maxretry,
                    ..jail.counting()
                },
                turn,
            );
        }
        _ => panic!("no event {event:?}"),
    }
}

fn shown(effect: &Effect) -> String {
    let ban = |ban: &Arc<Ban>| {
        let restored = if ban.restored { " restored" } else { "" };
        let Ban {
            id,
            bantime,
            count,
            attempts,
            ..
        } = &**ban;
        format!("{id} for {bantime}, ban {count}, {attempts} failures{restored}")
    };
    match effect {
        Effect::Enforce(it) => format!("enforce {}", ban(it)),
        Effect::Release(it) => format!("release {}", it.id),
        Effect::Prolong(it) => format!("prolong {} to {}", it.id, it.bantime),
        Effect::Verify(it) => format!("verify {}", it.id),
        Effect::Flush => "flush".to_owned(),
        Effect::Log(record) => {
            let logger = record.logger.name().trim_start_matches("fail2ban.");
            format!("{logger} {}: {}", record.level, record.message)
        }
        Effect::Persist(it) => format!("persist {}", ban(it)),
        Effect::Forget(id) => format!("forget {id}"),
        Effect::ForgetAll => "forget all".to_owned(),
        Effect::Resolve { name, ours: false } => format!("resolve {name}"),
        Effect::Resolve { name, ours: true } => format!("resolve {name}, which is ours"),
        Effect::ReadIgnoreFile(path) => format!("read {}", path.display()),
        Effect::RunIgnoreCommand {
            token,
            command,
            ticket,
        } => {
            format!("run {token} `{command}` for {}", ticket.id)
        }
    }
}

/// Plays a story and returns the jail after it.
#[track_caller]
fn play_with(changes: &str, mut history: History, story: &str) -> Jail {
    let mut jail = Jail::new(&settings(changes)).expect("good settings");
    let own = ["203.0.113.1".parse().expect("an address")];
    let (mut told, mut wanted) = (String::new(), String::new());
    for line in story.lines().filter(|line| !line.trim().is_empty()) {
        wanted += &format!("{}\n", line.trim());
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.starts_with(' ') {
            continue;
        }
        told += &format!("{}\n", line.trim());
        let zone = jiff::tz::TimeZone::UTC;
        let mut random = || 0.5;
        let mut turn = Turn::new(clock(words[0]), &zone, &mut history, &own, &mut random);
        act(&mut jail, &words[1..], &mut turn);
        for effect in turn.effects() {
            told += &format!("{}\n", shown(&effect));
        }
    }
    // Events are told at the place where the story has them, so the texts agree or differ visibly.
    assert!(told == wanted, "told:\n{told}\nwanted:\n{wanted}");
    jail
}

#[track_caller]
fn play(changes: &str, story: &str) -> Jail {
    play_with(changes, History::default(), story)
}

fn banned_before(count: u32, time: &str) -> History {
    let mut history = History::default();
    let past = Past {
        count,
        time: clock(time),
        bantime: BanTime::Secs(600),
    };
    history.record("sshd", FailId::parse("192.0.2.5"), past);
    history
}

#[test]
fn the_third_failure_bans_and_the_ban_ends() {
    let jail = play(
        "",
        "
16:59:27 fails 192.0.2.5
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 16:59:27
16:59:28 fails 192.0.2.5
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 16:59:28
16:59:29 fails 192.0.2.9
    filter INFO: [sshd] Found 192.0.2.9 - 2026-11-22 16:59:29
16:59:30 fails 192.0.2.5
    enforce 192.0.2.5 for 600, ban 1, 3 failures
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 16:59:30
    actions NOTICE: [sshd] Ban 192.0.2.5
    persist 192.0.2.5 for 600, ban 1, 3 failures
17:09:30 tick
17:09:31 tick
    release 192.0.2.5
    actions NOTICE: [sshd] Unban 192.0.2.5
",
    );
    assert!(jail.bans().is_empty());
    assert_eq!(jail.next_due(), None);
}

#[test]
fn counts_are_what_status_prints() {
    let mut jail = play(
        "maxretry = 1",
        "
10:00:00 fails 192.0.2.5
    enforce 192.0.2.5 for 600, ban 1, 1 failures
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:00:00
    actions NOTICE: [sshd] Ban 192.0.2.5
    persist 192.0.2.5 for 600, ban 1, 1 failures
10:00:01 maxretry 2
10:00:01 fails 192.0.2.6
    filter INFO: [sshd] Found 192.0.2.6 - 2026-11-22 10:00:01
",
    );
    let counts = jail.counts(clock("10:00:01"));
    assert_eq!((counts.failed, counts.failed_total), (1, 2));
    assert_eq!((counts.banned, counts.banned_total), (1, 1));
    assert_eq!(jail.counts(clock("10:10:01")).failed, 0);
    assert_eq!(
        jail.next_due().map(Time::secs),
        Some(clock("10:10:00").secs())
    );
}

#[test]
fn an_old_log_bans_nobody_whose_time_is_over() {
    play(
        "maxretry = 1
         bantime = 60",
        "
10:00:00 failed 192.0.2.5 09:58:59
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 09:58:59
    actions INFO: [sshd] Ignore 192.0.2.5, expired bantime
",
    );
}

#[test]
fn a_banned_one_that_still_fails_is_noticed_and_the_actions_verified() {
    play(
        "maxretry = 1",
        "
10:00:00 fails 192.0.2.5
    enforce 192.0.2.5 for 600, ban 1, 1 failures
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:00:00
    actions NOTICE: [sshd] Ban 192.0.2.5
    persist 192.0.2.5 for 600, ban 1, 1 failures
10:00:00 fails 192.0.2.5
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:00:00
    actions DEBUG: [sshd] 192.0.2.5 already banned
10:00:10 fails 192.0.2.5
    prolong 192.0.2.5 to 610
    verify 192.0.2.5
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:00:10
    actions NOTICE: [sshd] 192.0.2.5 already banned
10:00:12 fails 192.0.2.5
    prolong 192.0.2.5 to 612
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:00:12
    actions NOTICE: [sshd] 192.0.2.5 already banned
10:01:00 fails 192.0.2.5
    prolong 192.0.2.5 to 660
    verify 192.0.2.5
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:01:00
    actions WARNING: [sshd] 192.0.2.5 already banned
",
    );
}

#[test]
fn bans_by_hand_ask_no_ignore_list_and_unbans_forget() {
    play(
        "ignoreip = 192.0.2.0/24",
        "
10:00:00 ban 192.0.2.5 192.0.2.6 198.51.100.1
    enforce 192.0.2.5 for 600, ban 1, 0 failures
    enforce 192.0.2.6 for 600, ban 1, 0 failures
    enforce 198.51.100.1 for 600, ban 1, 0 failures
    actions NOTICE: [sshd] Ban 192.0.2.5
    persist 192.0.2.5 for 600, ban 1, 0 failures
    actions NOTICE: [sshd] Ban 192.0.2.6
    persist 192.0.2.6 for 600, ban 1, 0 failures
    actions NOTICE: [sshd] Ban 198.51.100.1
    persist 198.51.100.1 for 600, ban 1, 0 failures
10:00:01 unban 198.51.100.1
    release 198.51.100.1
    forget 198.51.100.1
    actions NOTICE: [sshd] Unban 198.51.100.1
10:00:02 unban 198.51.100.1
    forget 198.51.100.1
    actions MSG: 198.51.100.1 is not banned
10:00:03 unban 192.0.2.0/24
    release 192.0.2.5
    release 192.0.2.6
    forget 192.0.2.0/24
    forget 192.0.2.5
    actions NOTICE: [sshd] Unban 192.0.2.5
    forget 192.0.2.6
    actions NOTICE: [sshd] Unban 192.0.2.6
10:00:04 attempt 192.0.2.5
    filter INFO: [sshd] Ignore 192.0.2.5 by ip
",
    );
}

#[test]
fn attempts_count_their_lines() {
    play(
        "",
        "
10:00:00 attempt 192.0.2.5 one two
    filter INFO: [sshd] Attempt 192.0.2.5 - 2026-11-22 10:00:00
10:00:01 attempt 192.0.2.5
    enforce 192.0.2.5 for 600, ban 1, 2 failures
    filter INFO: [sshd] Attempt 192.0.2.5 - 2026-11-22 10:00:01
    actions NOTICE: [sshd] Ban 192.0.2.5
    persist 192.0.2.5 for 600, ban 1, 2 failures
",
    );
}

#[test]
fn a_jail_that_stops_repeals_and_unban_all_forgets() {
    let story = |order: &str, rest: &str| {
        format!(
            "
10:00:00 ban 192.0.2.5
    enforce 192.0.2.5 for 600, ban 1, 0 failures
    actions NOTICE: [sshd] Ban 192.0.2.5
    persist 192.0.2.5 for 600, ban 1, 0 failures
10:00:01 {order}
    flush
    release 192.0.2.5
    {rest} 192.0.2.5
"
        )
    };
    play("", &story("stop", "actions NOTICE: [sshd] Repeal Ban"));
    let forget = "forget all\n    actions NOTICE: [sshd] Unban";
    play("", &story("unban all", forget));
}

#[test]
fn those_who_come_back_fail_sooner_and_are_banned_longer() {
    play_with(
        "bantime = 4
         bantime.increment = true",
        banned_before(1, "17:01:27"),
        "
17:01:33 fails 192.0.2.5
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 17:01:33
    observer INFO: [sshd] Found 192.0.2.5, bad - 2026-11-22 17:01:33, 1 # -> 2.0
17:01:34 fails 192.0.2.5
    enforce 192.0.2.5 for 8, ban 2, 3 failures
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 17:01:34
    observer INFO: [sshd] Found 192.0.2.5, bad - 2026-11-22 17:01:34, 1 # -> 2.0
    actions NOTICE: [sshd] Ban 192.0.2.5
    observer INFO: [sshd] IP 192.0.2.5 is bad: 1 # last 2026-11-22 17:01:27 - incr 4s to 8s
    observer NOTICE: [sshd] Increase Ban 192.0.2.5 (2 # 8s -> 2026-11-22 17:01:42)
    persist 192.0.2.5 for 8, ban 2, 3 failures
17:01:43 tick
    release 192.0.2.5
    actions NOTICE: [sshd] Unban 192.0.2.5
17:02:00 fails 192.0.2.5
    enforce 192.0.2.5 for 16, ban 3, 2 failures
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 17:02:00
    observer INFO: [sshd] Found 192.0.2.5, bad - 2026-11-22 17:02:00, 2 # -> 3.0, Ban
    actions NOTICE: [sshd] Ban 192.0.2.5
    observer INFO: [sshd] IP 192.0.2.5 is bad: 2 # last 2026-11-22 17:01:34 - incr 4s to 16s
    observer NOTICE: [sshd] Increase Ban 192.0.2.5 (3 # 16s -> 2026-11-22 17:02:16)
    persist 192.0.2.5 for 16, ban 3, 2 failures
",
    );
}

#[test]
fn a_log_read_again_counts_nobody_twice() {
    play_with(
        "maxretry = 2
         bantime.increment = true",
        banned_before(1, "10:00:00"),
        "
10:05:00 failed 192.0.2.5 10:00:00
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:00:00
10:05:00 failed 192.0.2.5 10:00:00
    enforce 192.0.2.5 for 1200, ban 2, 2 failures
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:00:00
    actions NOTICE: [sshd] Ban 192.0.2.5
    observer NOTICE: [sshd] Increase Ban 192.0.2.5 (2 # 20m -> 2026-11-22 10:20:00)
",
    );
}

#[test]
fn bans_of_all_jails_count_with_overalljails() {
    let mut history = banned_before(2, "09:00:00");
    let past = Past {
        count: 1,
        time: clock("09:30:00"),
        bantime: BanTime::Secs(60),
    };
    history.record("web", FailId::parse("192.0.2.5"), past);
    play_with(
        "bantime.increment = true
         bantime.overalljails = true
         bantime.maxtime = 3600",
        history,
        "
10:00:00 ban 192.0.2.5
    enforce 192.0.2.5 for 3600, ban 4, 0 failures
    actions NOTICE: [sshd] Ban 192.0.2.5
    observer INFO: [sshd] IP 192.0.2.5 is bad: 3 # last 2026-11-22 09:30:00 - incr 10m to 1h
    observer NOTICE: [sshd] Increase Ban 192.0.2.5 (4 # 1h -> 2026-11-22 11:00:00)
    persist 192.0.2.5 for 3600, ban 4, 0 failures
",
    );
}

#[test]
fn a_formula_without_a_value_bans_for_the_jails_time() {
    play_with(
        "bantime.increment = true
         bantime.formula = ban.Time / (ban.Count - 1)",
        banned_before(1, "09:00:00"),
        "
10:00:00 ban 192.0.2.5
    enforce 192.0.2.5 for 600, ban 2, 0 failures
    observer ERROR: [sshd] bantime.formula has no value for 192.0.2.5 after 1 bans; it is banned for 10m
    actions NOTICE: [sshd] Ban 192.0.2.5
    observer INFO: [sshd] IP 192.0.2.5 is bad: 1 # last 2026-11-22 09:00:00 - incr 10m to 10m
    persist 192.0.2.5 for 600, ban 2, 0 failures
",
    );
}

#[test]
fn restored_bans_keep_their_end_and_are_not_written_again() {
    play(
        "ignoreip = 192.0.2.77",
        "
10:00:00 restore 192.0.2.5 09:55:00 600 1
    enforce 192.0.2.5 for 600, ban 2, 3 failures restored
    actions NOTICE: [sshd] Restore Ban 192.0.2.5
10:00:00 restore 192.0.2.6 09:55:00 86400 1
    enforce 192.0.2.6 for 600, ban 2, 3 failures restored
    actions NOTICE: [sshd] Restore Ban 192.0.2.6
10:00:00 restore 192.0.2.8 09:56:00 -1 1
    enforce 192.0.2.8 for 600, ban 2, 3 failures restored
    actions NOTICE: [sshd] Restore Ban 192.0.2.8
10:00:00 restore 192.0.2.7 09:50:00 600 1
10:00:00 restore 192.0.2.77 09:55:00 600 1
    filter INFO: [sshd] Ignore 192.0.2.77 by ip
10:05:01 tick
    release 192.0.2.5
    release 192.0.2.6
    actions NOTICE: [sshd] Unban 192.0.2.5
    actions NOTICE: [sshd] Unban 192.0.2.6
",
    );
    play(
        "bantime.increment = true",
        "
10:00:00 restore 192.0.2.6 09:55:00 -1 4
    enforce 192.0.2.6 for -1, ban 5, 3 failures restored
    actions NOTICE: [sshd] Restore Ban 192.0.2.6
",
    );
}

#[test]
fn a_name_in_a_line_counts_for_each_of_its_addresses() {
    play(
        "",
        "
10:00:00 fails by name host.example.com
    resolve host.example.com
10:00:01 fails by name host.example.com
10:00:02 resolved host.example.com 192.0.2.5 2001:db8::5
    ipdns WARNING: Determined IP using DNS Lookup: host.example.com = {'192.0.2.5', '2001:db8::5'}
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:00:00
    filter INFO: [sshd] Found 2001:db8::5 - 2026-11-22 10:00:00
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:00:01
    filter INFO: [sshd] Found 2001:db8::5 - 2026-11-22 10:00:01
10:00:03 fails by name nowhere.example.com
    resolve nowhere.example.com
10:00:04 resolved nowhere.example.com
    ipdns WARNING: Unable to find a corresponding IP address for nowhere.example.com: [Errno -2] Name or service not known
",
    );
}

#[test]
fn an_ignored_name_holds_failures_back_until_it_is_known() {
    play(
        "maxretry = 1
         ignoreip = home.example.com file:/etc/friends",
        "
10:00:00 start
    read /etc/friends
    resolve home.example.com, which is ours
10:00:00 restore 192.0.2.6 09:55:00 600 1
    enforce 192.0.2.6 for 600, ban 2, 3 failures restored
    actions NOTICE: [sshd] Restore Ban 192.0.2.6
10:00:00 file /etc/friends 192.0.2.9
10:00:00 fails 192.0.2.9
    filter INFO: [sshd] Ignore 192.0.2.9 by file://etc/friends
10:00:01 fails 192.0.2.5
10:00:01 fails 192.0.2.6
10:00:02 resolved home.example.com 192.0.2.6
    release 192.0.2.6
    enforce 192.0.2.5 for 600, ban 1, 1 failures
    filter INFO: [sshd] Ignore 192.0.2.6 by dns
    actions NOTICE: [sshd] Unban 192.0.2.6
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:00:01
    actions NOTICE: [sshd] Ban 192.0.2.5
    persist 192.0.2.5 for 600, ban 1, 1 failures
    filter INFO: [sshd] Ignore 192.0.2.6 by dns
10:06:00 fails 192.0.2.6
    resolve home.example.com, which is ours
    filter INFO: [sshd] Ignore 192.0.2.6 by dns
",
    );
}

#[test]
fn the_ignorecommand_is_asked_and_its_answer_cached() {
    play(
        "ignoreself = true
         ignorecommand = /bin/known <ip>
         ignorecache = <ip>",
        "
10:00:00 fails 203.0.113.1
    filter INFO: [sshd] Ignore 203.0.113.1 by ignoreself rule
10:00:00 fails 192.0.2.5
    run 1 `/bin/known <ip>` for 192.0.2.5
10:00:00 fails 192.0.2.6
    run 2 `/bin/known <ip>` for 192.0.2.6
10:00:01 answer 2 ban
    filter INFO: [sshd] Found 192.0.2.6 - 2026-11-22 10:00:00
10:00:01 answer 1 ignore
    filter INFO: [sshd] Ignore 192.0.2.5 by command
10:00:01 answer 1 ignore
10:00:02 fails 192.0.2.5
10:00:02 fails 192.0.2.6
    filter INFO: [sshd] Found 192.0.2.6 - 2026-11-22 10:00:02
",
    );
}

#[test]
fn settings_changed_at_run_time_reach_what_is_there() {
    play(
        "",
        "
10:00:00 fails 192.0.2.5
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:00:00
10:00:01 fails 192.0.2.5
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:00:01
10:00:02 maxretry 2
    enforce 192.0.2.5 for 600, ban 1, 2 failures
    actions NOTICE: [sshd] Ban 192.0.2.5
    persist 192.0.2.5 for 600, ban 1, 2 failures
10:00:03 bantime 1200
    prolong 192.0.2.5 to 1200
10:01:00 bantime 30
    prolong 192.0.2.5 to 30
    release 192.0.2.5
    actions NOTICE: [sshd] Unban 192.0.2.5
",
    );
}

#[test]
fn a_reload_keeps_failures_bans_and_what_names_came_to() {
    play(
        "maxretry = 2
         ignoreip = home.example.com file:/etc/friends",
        "
10:00:00 start
    read /etc/friends
    resolve home.example.com, which is ours
10:00:00 file /etc/friends 192.0.2.9
10:00:00 resolved home.example.com 192.0.2.8
10:00:00 ban 192.0.2.5
    enforce 192.0.2.5 for 600, ban 1, 0 failures
    actions NOTICE: [sshd] Ban 192.0.2.5
    persist 192.0.2.5 for 600, ban 1, 0 failures
10:00:00 fails 192.0.2.6
    filter INFO: [sshd] Found 192.0.2.6 - 2026-11-22 10:00:00
10:00:01 reload maxretry = 1; bantime = 60; ignoreip = 192.0.2.7 home.example.com file:/etc/friends
    prolong 192.0.2.5 to 60
    enforce 192.0.2.6 for 60, ban 1, 1 failures
    actions NOTICE: [sshd] Ban 192.0.2.6
    persist 192.0.2.6 for 60, ban 1, 1 failures
    read /etc/friends
10:00:02 fails 192.0.2.7
    filter INFO: [sshd] Ignore 192.0.2.7 by ip
10:00:02 fails 192.0.2.8
    filter INFO: [sshd] Ignore 192.0.2.8 by dns
10:00:02 fails 192.0.2.9
    filter INFO: [sshd] Ignore 192.0.2.9 by file://etc/friends
",
    );
}

#[test]
fn with_banprefix_a_host_is_banned_with_its_network_unless_somebody_in_it_must_not_be() {
    play(
        "maxretry = 1
         banprefix6 = 64
         ignoreip = 2001:db8:0:2::7",
        "
10:00:00 fails 2001:db8:0:1::5
    enforce 2001:db8:0:1::/64 for 600, ban 1, 1 failures
    filter INFO: [sshd] Found 2001:db8:0:1::5 - 2026-11-22 10:00:00
    actions NOTICE: [sshd] Ban 2001:db8:0:1::/64
    persist 2001:db8:0:1::/64 for 600, ban 1, 1 failures
10:00:01 fails 2001:db8:0:2::5
    enforce 2001:db8:0:2::5 for 600, ban 1, 1 failures
    filter INFO: [sshd] Found 2001:db8:0:2::5 - 2026-11-22 10:00:01
    actions INFO: [sshd] The network 2001:db8:0:2::/64 is not banned: it holds 2001:db8:0:2::7, which is ignored
    actions NOTICE: [sshd] Ban 2001:db8:0:2::5
    persist 2001:db8:0:2::5 for 600, ban 1, 1 failures
10:00:02 fails 192.0.2.5
    enforce 192.0.2.5 for 600, ban 1, 1 failures
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:00:02
    actions NOTICE: [sshd] Ban 192.0.2.5
    persist 192.0.2.5 for 600, ban 1, 1 failures
",
    );
}

#[test]
fn with_countprefix_a_network_of_many_banned_hosts_is_banned() {
    play(
        "maxretry = 1
         countprefix4 = 24
         countprefixhosts = 2",
        "
10:00:00 fails 192.0.2.5
    enforce 192.0.2.5 for 600, ban 1, 1 failures
    filter INFO: [sshd] Found 192.0.2.5 - 2026-11-22 10:00:00
    actions NOTICE: [sshd] Ban 192.0.2.5
    persist 192.0.2.5 for 600, ban 1, 1 failures
10:00:01 fails 192.0.2.6
    enforce 192.0.2.6 for 600, ban 1, 1 failures
    enforce 192.0.2.0/24 for 600, ban 1, 2 failures
    filter INFO: [sshd] Found 192.0.2.6 - 2026-11-22 10:00:01
    actions NOTICE: [sshd] Ban 192.0.2.6
    persist 192.0.2.6 for 600, ban 1, 1 failures
    actions NOTICE: [sshd] 2 hosts of 192.0.2.0/24 were banned; the network is, too
    actions NOTICE: [sshd] Ban 192.0.2.0/24
    persist 192.0.2.0/24 for 600, ban 1, 2 failures
",
    );
}

#[test]
fn nobody_bans_this_machine_not_even_by_hand() {
    play(
        "maxretry = 1",
        "
10:00:00 fails 203.0.113.1
    filter INFO: [sshd] Found 203.0.113.1 - 2026-11-22 10:00:00
    actions WARNING: [sshd] Ignore 203.0.113.1, it would ban this machine's own 203.0.113.1
10:00:01 ban 127.0.0.5 203.0.113.0/24 ::1
    actions WARNING: [sshd] Ignore 127.0.0.5, it would ban this machine's own 127.0.0.0/8
    actions WARNING: [sshd] Ignore 203.0.113.0/24, it would ban this machine's own 203.0.113.1
    actions WARNING: [sshd] Ignore ::1, it would ban this machine's own ::1
",
    );
}
