//! Stories of one filter: settings, then lines with the moment they come at, verdicts out.
//!
//! A story is text. `10:00:05 @10:00:00 text` is a line read at 10:00:05 whose date, `10:00:00`,
//! stands where the `@` is; `@?? text` a date that cannot be read, `@ text` an empty one, `-- text`
//! none; `journal text` an entry of a journal. Indented below it is every verdict.

use rban::date::{Found, Zone};
use rban::filter::{Counters, Dated, Entry, Filter, FilterError, Moment, Part, Reading, Verdict};
use rban::model::{
    Captured, Datum, Failure, FilterSettings, MatchedLine, Origin, Span, Time, UseDns,
};

const MIDNIGHT: i64 = 1_795_305_600;

/// A filter from `key = value` lines; `failregex` and `ignoreregex` may come several times.
pub(crate) fn filter(settings: &str) -> Result<Filter, FilterError> {
    let (mut filter, mut usedns) = (FilterSettings::default(), UseDns::Warn);
    let mut thorough = false;
    for (number, line) in settings.lines().enumerate() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let value = value.trim().to_owned();
        let regex = || {
            (
                value.clone(),
                Origin::File("test.conf".into(), number as u32),
            )
        };
        match key.trim() {
            "failregex" => filter.failregex.push(regex()),
            "ignoreregex" => filter.ignoreregex.push(regex()),
            "prefregex" => filter.prefregex = Some(value),
            "datepattern" => filter.datepattern = Some(value),
            "maxlines" => filter.maxlines = value.parse().expect("a number"),
            "usedns" => {
                usedns = match value.as_str() {
                    "raw" => UseDns::Raw,
                    "no" => UseDns::No,
                    _ => UseDns::Yes,
                }
            }
            "thorough" => thorough = true,
            other => panic!("no setting {other}"),
        }
    }
    let local = Zone::local(Some("UTC"));
    let reading = Reading {
        jail: "sshd",
        usedns,
        logtimezone: None,
        local: &local,
        year: 2026,
    };
    let mut filter = Filter::new(&filter, &reading)?;
    filter.set_thorough(thorough);
    Ok(filter)
}

fn clock(text: &str) -> Time {
    let parts: Vec<i64> = text
        .split(':')
        .map(|part| part.parse().expect(text))
        .collect();
    Time::from_secs(MIDNIGHT + parts[0] * 3600 + parts[1] * 60 + parts[2])
}

fn shown_time(time: Time) -> String {
    let secs = time.secs() - MIDNIGHT;
    format!("{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}

fn shown_data(data: &Captured) -> String {
    let pairs: Vec<String> = data
        .iter()
        .map(|(name, datum)| match datum {
            Datum::Text(text) => format!("{name}={text}"),
            Datum::List(list) => format!("{name}=[{}]", list.join(",")),
        })
        .collect();
    pairs.join(" ")
}

/// Lines with their date in brackets.
fn shown_lines(lines: &[MatchedLine]) -> String {
    let lines: Vec<String> = lines
        .iter()
        .map(|line| {
            let (start, end) = line.date.map_or((0, 0), |(s, e)| (s as usize, e as usize));
            format!(
                "{}[{}]{}",
                &line.text[..start],
                &line.text[start..end],
                &line.text[end..]
            )
        })
        .collect();
    lines.join(" | ")
}

fn shown(verdict: &Verdict) -> String {
    let failure = |word: &str, failure: &Failure| {
        let Failure {
            id,
            ip,
            time,
            lines,
            data,
            regex,
        } = failure;
        let ip = ip.map_or(String::new(), |ip| format!(" ({ip})"));
        let (time, data, lines) = (shown_time(*time), shown_data(data), shown_lines(lines));
        format!("{word} {id}{ip} at {time} by {regex}, {data}: {lines}")
    };
    match verdict {
        Verdict::Failure(it) => failure("failure", it),
        Verdict::Named(it) => failure("named", it),
        Verdict::Helper(it) => format!("helper by {}, {}", it.regex, shown_data(&it.data)),
        Verdict::Log(record) => format!("{}: {}", record.level, record.message),
    }
}

/// Plays a story; returns what became of its lines.
#[track_caller]
fn play(settings: &str, story: &str) -> Counters {
    let mut filter = filter(settings).expect("a good filter");
    let (mut told, mut wanted) = (String::new(), String::new());
    let (mut in_operation, mut check_findtime) = (true, true);
    for line in story.lines().filter(|line| !line.trim().is_empty()) {
        wanted += &format!("{}\n", line.trim());
        if line.starts_with(' ') {
            continue;
        }
        told += &format!("{}\n", line.trim());
        let (first, rest) = line.split_once(' ').expect("a moment and a line");
        match (first, rest) {
            ("now", "catching up") => in_operation = false,
            ("now", "in operation") => in_operation = true,
            ("now", "timeless") => check_findtime = false,
            _ => {
                let now = clock(first);
                let findtime = Span::from_secs(600);
                let moment = Moment {
                    now,
                    in_operation,
                    findtime,
                    check_findtime,
                };
                for verdict in judge(&mut filter, rest, &moment) {
                    told += &format!("{}\n", shown(&verdict).trim_end().replace('\n', "⏎"));
                }
            }
        }
    }
    assert!(told == wanted, "told:\n{told}\nwanted:\n{wanted}");
    filter.counters().clone()
}

fn judge(filter: &mut Filter, line: &str, moment: &Moment) -> Vec<Verdict> {
    let mut out = Vec::new();
    if let Some(line) = line.strip_prefix("journal ") {
        let entry = Entry {
            line,
            date: "2026-11-22T10:00:00 ",
            time: moment.now,
        };
        filter.judge_entry(entry, moment, &mut out);
        return out;
    }
    let (line, found) = match line.split_once('@') {
        None => (
            line.strip_prefix("-- ").expect("a kind of line").to_owned(),
            None,
        ),
        Some((before, after)) => {
            let date = after.split(' ').next().unwrap_or_default();
            let cut = before.len()..before.len() + date.len();
            let time = date.contains(':').then(|| clock(date));
            (
                format!("{before}{after}"),
                Some(Found {
                    cut,
                    time,
                    template: 0,
                }),
            )
        }
    };
    filter.judge(&Dated { line: &line, found }, moment, &mut out);
    out
}

const SIMPLE: &str = "failregex = ^ fail from <HOST>$";

#[test]
fn a_line_is_searched_without_its_date_and_reported_with_it() {
    let counters = play(
        SIMPLE,
        "
10:00:00 @10:00:00 fail from 192.0.2.5
    failure 192.0.2.5 at 10:00:00 by 0, ip4=192.0.2.5: [10:00:00] fail from 192.0.2.5
10:00:01 @10:00:01 good from 192.0.2.5
10:00:03 journal  fail from 2001:db8::5
    failure 2001:db8::5 at 10:00:03 by 0, ip6=2001:db8::5: [2026-11-22T10:00:00 ] fail from 2001:db8::5
",
    );
    assert_eq!(
        (counters.lines, counters.matched, counters.missed),
        (3, 2, 1)
    );
    assert_eq!(counters.hits, [2]);
}

#[test]
fn the_first_failregex_wins_and_the_end_is_before_the_newline() {
    let counters = play(
        "failregex = ^ user <F-USER>\\S+</F-USER> from <ADDR>$
         failregex = from <ADDR>\\s*$",
        "
10:00:00 @10:00:00 user bob from 192.0.2.5
    failure 192.0.2.5 at 10:00:00 by 0, ip4=192.0.2.5 user=bob: [10:00:00] user bob from 192.0.2.5
10:00:00 @10:00:00 else from [2001:db8::5]
    failure 2001:db8::5 at 10:00:00 by 1, ip6=2001:db8::5: [10:00:00] else from [2001:db8::5]
",
    );
    assert_eq!(counters.hits, [1, 1]);
}

#[test]
fn prefregex_drops_lines_and_leaves_the_content() {
    play(
        "prefregex = ^ sshd\\[<F-PID>\\d+</F-PID>\\]: <F-CONTENT>.+</F-CONTENT>$
         failregex = ^bad <F-PID>\\d+</F-PID>? from <ADDR>$
         failregex = ^worse (?P<pid>x)?from <ADDR>$",
        "
10:00:00 @10:00:00 cron[7]: bad 1 from 192.0.2.5
10:00:00 @10:00:00 sshd[7]: bad 1 from 192.0.2.5
    failure 192.0.2.5 at 10:00:00 by 0, ip4=192.0.2.5 pid=1: [10:00:00] sshd[7]: bad 1 from 192.0.2.5
10:00:00 @10:00:00 sshd[7]: worse from 192.0.2.5
    failure 192.0.2.5 at 10:00:00 by 1, ip4=192.0.2.5 pid=7: [10:00:00] sshd[7]: worse from 192.0.2.5
",
    );
}

#[test]
fn an_ignoreregex_ends_the_search() {
    let counters = play(
        "failregex = ^ a from <ADDR>
         failregex = from <ADDR>
         ignoreregex = 192\\.0\\.2\\.9$",
        "
10:00:00 @10:00:00 a from 192.0.2.9
10:00:00 @10:00:00 a from 192.0.2.8
    failure 192.0.2.8 at 10:00:00 by 0, ip4=192.0.2.8: [10:00:00] a from 192.0.2.8
",
    );
    assert_eq!((counters.ignored, counters.missed), (1, 0));
    assert_eq!(counters.ignores, [1]);
}

#[test]
fn few_ignoreregexes_are_asked_first_and_of_the_whole_line() {
    let three = "prefregex = ^ sshd: <F-CONTENT>.+</F-CONTENT>$
         failregex = ^a from <ADDR>
         failregex = ^b from <ADDR>
         failregex = ^c from <ADDR>
         ignoreregex = ^ sshd: a";
    let story = "
10:00:00 @10:00:00 sshd: a from 192.0.2.9
    failure 192.0.2.9 at 10:00:00 by 0, ip4=192.0.2.9: [10:00:00] sshd: a from 192.0.2.9
";
    play(three, story);
    let four = format!("{three}\nfailregex = ^d from <ADDR>");
    play(&four, story.lines().nth(1).expect("the event"));
}

#[test]
fn ids_and_addresses_stand_side_by_side() {
    play(
        "failregex = ^ user <F-ID>\\w+</F-ID> from <ADDR>$
         failregex = ^ session <F-ID/>$
         failregex = ^ net <SUBNET>$",
        "
10:00:00 @10:00:00 user bob from 192.0.2.5
    failure bob (192.0.2.5) at 10:00:00 by 0, fid=bob ip4=192.0.2.5: [10:00:00] user bob from 192.0.2.5
10:00:00 @10:00:00 session 192.0.2.7
    failure 192.0.2.7 at 10:00:00 by 1, fid=192.0.2.7: [10:00:00] session 192.0.2.7
10:00:00 @10:00:00 net 10.1.2.3/8
    failure 10.0.0.0/8 at 10:00:00 by 2, cidr=8 ip4=10.1.2.3: [10:00:00] net 10.1.2.3/8
",
    );
}

#[test]
fn host_names_wait_stay_or_do_not_count() {
    let line = "10:00:00 @10:00:00 fail from host.example.com\n";
    let rest = "at 10:00:00 by 0, dns=host.example.com: [10:00:00] fail from host.example.com";
    play(SIMPLE, &format!("{line}    named host.example.com {rest}"));
    let raw = format!("{SIMPLE}\nusedns = raw");
    play(&raw, &format!("{line}    failure host.example.com {rest}"));
    let counters = play(&format!("{SIMPLE}\nusedns = no"), line);
    assert_eq!(counters.missed, 1);
}

#[test]
fn a_session_gathers_its_lines() {
    let settings = "prefregex = ^ <F-MLFID>\\w+</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$
         failregex = ^<F-NOFAIL>connect</F-NOFAIL> from <ADDR>$
         failregex = ^wrong password for <F-USER>\\w+</F-USER>$
         failregex = ^<F-MLFGAINED>login</F-MLFGAINED> of <F-USER>\\w+</F-USER>$
         failregex = ^<F-NOFAIL><F-MLFFORGET>bye</F-MLFFORGET></F-NOFAIL>$";
    let counters = play(
        settings,
        "
10:00:00 @10:00:00 a: connect from 192.0.2.5
10:00:01 @10:00:01 b: wrong password for eve
10:00:02 @10:00:02 a: wrong password for bob
    failure 192.0.2.5 at 10:00:02 by 1, ip4=192.0.2.5 mlfid=a user=bob users=[bob]: \
[10:00:00] a: connect from 192.0.2.5 | [10:00:02] a: wrong password for bob
10:00:03 @10:00:03 a: wrong password for bob
    failure 192.0.2.5 at 10:00:03 by 1, ip4=192.0.2.5 mlfid=a user=bob users=[bob]: \
[10:00:03] a: wrong password for bob
10:00:04 @10:00:04 a: login of bob
10:00:05 @10:00:05 a: bye
10:00:06 @10:00:06 b: connect from 192.0.2.6
    failure 192.0.2.6 at 10:00:06 by 0, ip4=192.0.2.6 mlfid=b user=eve users=[eve]: \
[10:00:01] b: wrong password for eve | [10:00:06] b: connect from 192.0.2.6
",
    );
    assert_eq!(
        (counters.matched, counters.ignored, counters.missed),
        (3, 4, 0)
    );
    play(
        &format!("{settings}\nthorough = yes"),
        "
10:00:00 @10:00:00 a: connect from 192.0.2.5
    helper by 0, ip4=192.0.2.5 mlfid=a nofail=connect
10:00:01 @10:00:01 b: wrong password for eve
    helper by 1, mlfid=b user=eve users=[eve]
",
    );
}

#[test]
fn several_lines_are_one_and_skipped_ones_stay() {
    play(
        "maxlines = 4
         failregex = ^ begin (\\w+)<SKIPLINES> end \\1 from <ADDR>$",
        "
10:00:00 @10:00:00 begin a
10:00:01 @10:00:01 begin b
10:00:02 @10:00:02 end a from 192.0.2.5
    failure 192.0.2.5 at 10:00:02 by 0, ip4=192.0.2.5 skiplines0= begin b⏎: [10:00:00] begin a | [10:00:02] end a from 192.0.2.5
10:00:03 @10:00:03 end b from 192.0.2.6
    failure 192.0.2.6 at 10:00:03 by 0, ip4=192.0.2.6 skiplines0=: [10:00:01] begin b | [10:00:03] end b from 192.0.2.6
10:00:04 @10:00:04 end b from 192.0.2.6
",
    );
}

#[test]
fn the_buffer_holds_no_more_than_maxlines() {
    play(
        "maxlines = 2
         failregex = ^ begin<SKIPLINES> end from <ADDR>$",
        "
10:00:00 @10:00:00 begin
10:00:01 @10:00:01 other
10:00:02 @10:00:02 end from 192.0.2.5
10:00:03 @10:00:03 begin
10:00:04 @10:00:04 end from 192.0.2.5
    failure 192.0.2.5 at 10:00:04 by 0, ip4=192.0.2.5 skiplines0=: [10:00:03] begin | [10:00:04] end from 192.0.2.5
",
    );
}

#[test]
fn while_catching_up_old_lines_are_left_out_with_one_warning() {
    let counters = play(
        SIMPLE,
        "
now catching up
10:00:00 @09:49:59 fail from 192.0.2.5
    WARNING: [sshd] Ignoring all log entries older than 600s; these are probably messages generated while fail2ban was not running.
    WARNING: [sshd] Please check a jail for a timing issue. Line with odd timestamp: 09:49:59 fail from 192.0.2.5
10:00:00 @09:49:58 fail from 192.0.2.5
10:00:00 @09:50:00 fail from 192.0.2.5
    failure 192.0.2.5 at 09:50:00 by 0, ip4=192.0.2.5: [09:50:00] fail from 192.0.2.5
10:00:00 @10:30:00 fail from 192.0.2.5
    failure 192.0.2.5 at 10:00:00 by 0, ip4=192.0.2.5: [10:30:00] fail from 192.0.2.5
",
    );
    assert_eq!((counters.old, counters.matched, counters.missed), (2, 2, 0));
}

#[test]
fn in_operation_odd_dates_mean_now() {
    play(
        SIMPLE,
        "
10:00:00 @09:59:00 fail from 192.0.2.5
    failure 192.0.2.5 at 09:59:00 by 0, ip4=192.0.2.5: [09:59:00] fail from 192.0.2.5
10:00:00 @09:30:00 fail from 192.0.2.5
    WARNING: [sshd] Detected a log entry 30m before the current time in operation mode. This looks like a latency problem. Treating such entries as if they just happened.
    WARNING: [sshd] Please check a jail for a timing issue. Line with odd timestamp: 09:30:00 fail from 192.0.2.5
    failure 192.0.2.5 at 10:00:00 by 0, ip4=192.0.2.5: [09:30:00] fail from 192.0.2.5
10:00:00 @11:00:00 fail from 192.0.2.5
    failure 192.0.2.5 at 10:00:00 by 0, ip4=192.0.2.5: [11:00:00] fail from 192.0.2.5
",
    );
    play(
        SIMPLE,
        "
10:00:00 @11:00:00 good from 192.0.2.5
    WARNING: [sshd] Detected a log entry 1h after the current time in operation mode. This looks like a timezone problem. Treating such entries as if they just happened.
    WARNING: [sshd] Please check a jail for a timing issue. Line with odd timestamp: 11:00:00 good from 192.0.2.5
",
    );
}

#[test]
fn lines_without_a_date_take_the_last_one_or_now() {
    play(
        "failregex = ^ ?fail from <HOST>$",
        "
10:00:00 -- fail from 192.0.2.5
    WARNING: [sshd] Found a match but no valid date/time found for ''.
    WARNING: [sshd] Match without a timestamp: fail from 192.0.2.5
    WARNING: [sshd] Please try setting a custom date pattern (see man page jail.conf(5)).
    failure 192.0.2.5 at 10:00:00 by 0, ip4=192.0.2.5: []fail from 192.0.2.5
10:00:01 @10:00:01 good
10:00:02 -- fail from 192.0.2.5
    failure 192.0.2.5 at 10:00:01 by 0, ip4=192.0.2.5: [10:00:01]fail from 192.0.2.5
10:00:03 @?? fail from 192.0.2.5
    ERROR: findFailure failed to parse timeText: ??
10:00:04 @ fail from 192.0.2.5
    failure 192.0.2.5 at 10:00:01 by 0, ip4=192.0.2.5: [10:00:01] fail from 192.0.2.5
10:01:01 @ fail from 192.0.2.5
    failure 192.0.2.5 at 10:01:01 by 0, ip4=192.0.2.5: [] fail from 192.0.2.5
10:01:02 @?? fail from 192.0.2.5
    failure 192.0.2.5 at 10:01:02 by 0, ip4=192.0.2.5: [??] fail from 192.0.2.5
",
    );
    play(
        SIMPLE,
        "
now catching up
10:00:00 --  fail from 192.0.2.5
    WARNING: [sshd] Found a match but no valid date/time found for ''.
    WARNING: [sshd] Match without a timestamp:  fail from 192.0.2.5
    WARNING: [sshd] Please try setting a custom date pattern (see man page jail.conf(5)).
now timeless
10:00:00 --  fail from 192.0.2.5
    failure 192.0.2.5 at 10:00:00 by 0, ip4=192.0.2.5: [] fail from 192.0.2.5
10:00:00 @23:00:00 fail from 192.0.2.5
    failure 192.0.2.5 at 23:00:00 by 0, ip4=192.0.2.5: [23:00:00] fail from 192.0.2.5
",
    );
}

/// Runs out of steps on a hundred `a`s or more.
const ENDLESS: &str = "^(a+)+(a+)+\\1\\2x from <ADDR>$";

#[test]
fn every_pattern_that_gives_up_is_counted_and_told_once() {
    let line = format!("10:00:00 -- {}", "a".repeat(300));
    let told = |part: &str, pattern: &str| {
        format!(
            "    WARNING: [sshd] {part} gave up on a line of 300 bytes, which counts as not matched by \
             it: it has back-references, atomic groups or captures in look-aheads, which may take \
             any time, and is stopped at a budget. Write it without them, or bound its repetitions. \
             Further lines are counted in 'rban status sshd': '{pattern}'"
        )
    };
    let shown = |pattern: &str| {
        let regex = rban::pattern::Regex::new(pattern, rban::pattern::Options::default());
        regex.expect("a pattern").resolved().to_owned()
    };
    let other = ENDLESS.replace("from", "by");
    let counters = play(
        &format!("failregex = {ENDLESS}\nfailregex = ^fail <ADDR>$\nfailregex = {other}"),
        &format!(
            "\n{line}\n{}\n{}\n{line}\n",
            told("failregex 1", &shown(ENDLESS)),
            told("failregex 3", &shown(&other))
        ),
    );
    assert_eq!((counters.exhausted, counters.missed), (4, 2));
    let expected = vec![(Part::Failregex(0), 2), (Part::Failregex(2), 2)];
    assert_eq!(counters.given_up, expected);
}

#[test]
fn a_pattern_that_gave_up_counts_also_where_another_matches() {
    let line = format!("10:00:00 -- {} by 192.0.2.5", "a".repeat(300));
    let settings = format!("failregex = {ENDLESS}\nfailregex = ^a+ by <ADDR>$");
    let mut filter = filter(&settings).expect("a good filter");
    let moment = Moment {
        now: clock("10:00:00"),
        in_operation: true,
        findtime: Span::from_secs(600),
        check_findtime: false,
    };
    judge(&mut filter, &line[9..], &moment);
    let counters = filter.counters();
    assert_eq!((counters.exhausted, counters.matched), (1, 1));
    assert_eq!(counters.given_up, [(Part::Failregex(0), 1)]);
}

#[test]
fn a_datepattern_that_gives_up_is_counted_and_told_once() {
    let settings = "datepattern = ^(a+)+(a+)+\\1\\2x%Y\nfailregex = ^a+ by <ADDR>$";
    let mut filter = filter(settings).expect("a good filter");
    let line = format!("{} by 192.0.2.5", "a".repeat(300));
    let moment = Moment {
        now: clock("10:00:00"),
        in_operation: true,
        findtime: Span::from_secs(600),
        check_findtime: false,
    };
    let mut told = String::new();
    for _ in 0..3 {
        let dated = Dated {
            line: &line,
            found: filter.find_date(&line, moment.now),
        };
        let mut out = Vec::new();
        filter.judge(&dated, &moment, &mut out);
        told.extend(out.iter().map(shown));
    }
    let counters = filter.counters();
    assert_eq!(counters.matched, 3, "{told}");
    let [(Part::Datepattern, times)] = counters.given_up[..] else {
        panic!("{:?}", counters.given_up);
    };
    assert!(times >= 3 && counters.exhausted == times, "{times}");
    assert_eq!(
        told.matches("datepattern gave up on a line").count(),
        1,
        "{told}"
    );
    assert!(told.contains("x%Y'"), "{told}");
}

#[test]
fn a_prefregex_and_an_ignoreregex_that_give_up_are_counted() {
    let line = format!("10:00:00 -- {}", "a".repeat(300));
    for (settings, part) in [
        (
            "prefregex = ^(a+)+(a+)+\\1\\2x<F-CONTENT>.+</F-CONTENT>$\nfailregex = ^b <ADDR>$",
            Part::Prefregex,
        ),
        (
            "failregex = ^a+(?:b <ADDR>)?<F-ID>a?</F-ID>$\nignoreregex = ^(a+)+(a+)+\\1\\2x",
            Part::Ignoreregex(0),
        ),
    ] {
        let mut filter = filter(settings).unwrap_or_else(|error| panic!("{settings}: {error}"));
        let moment = Moment {
            now: clock("10:00:00"),
            in_operation: true,
            findtime: Span::from_secs(600),
            check_findtime: false,
        };
        let told = judge(&mut filter, &line[9..], &moment);
        let told: Vec<_> = told.iter().map(shown).collect();
        assert!(
            told.iter()
                .any(|told| told.contains(&format!("{part} gave up"))),
            "{told:?}"
        );
        assert_eq!(filter.counters().given_up, [(part, 1)]);
    }
}

#[test]
fn a_filter_that_cannot_work_says_which_part_and_where() {
    let error = |settings: &str| filter(settings).expect_err(settings).to_string();
    let no_id = error("failregex = ^ok <HOST>\nfailregex = ^nobody$");
    assert_eq!(
        no_id,
        "test.conf:1: failregex 2: No failure-id group in '^nobody$'; \
         add <HOST>, <ADDR>, <F-ID> or <F-MLFID>"
    );
    let broken = error("failregex = ^ok <HOST>\nignoreregex = ^(");
    assert!(
        broken.starts_with("test.conf:1: ignoreregex 1: "),
        "{broken}"
    );
    let broken = error("prefregex = [");
    assert!(broken.starts_with("prefregex: "), "{broken}");
    // An ID in prefregex is enough.
    filter("prefregex = ^<F-MLFID>a</F-MLFID>\nfailregex = ^nobody$").expect("good");
}

#[test]
fn a_user_of_two_parts_is_one_of_the_users_of_its_session() {
    play(
        r"failregex = ^ <F-MLFID>s\d</F-MLFID>: pair <F-USER>\S+</F-USER> <F-TUPLE_USER>\S+</F-TUPLE_USER> from <HOST>$",
        "
10:00:00 @10:00:00 s1: pair a b from 192.0.2.5
    failure 192.0.2.5 at 10:00:00 by 0, ip4=192.0.2.5 mlfid=s1 tuple_user=b user=[a,b] users=[('a', 'b')]: [10:00:00] s1: pair a b from 192.0.2.5
",
    );
}
