//! Sessions and the search buffer against the reference program's own filter.
//!
//! Cases are made from seeds: small filters of regular expressions that play together — connection
//! IDs, helpers, logins, ends, several lines, prefregex, ignoreregex — and logs in which a few
//! connections talk across each other. Each line's failures must be the same: which regular
//! expression, ID, time, data and lines.

use rban::date::Zone;
use rban::filter::{Dated, Filter, Moment, Reading, Verdict};
use rban::model::{Captured, Datum, FilterSettings, MatchedLine, Origin, Span, Time, UseDns};
use serde_json::{Map, Value, json};

use crate::reference;
use crate::support::draw;

/// How many filters, each with a log of its own.
const CASES: u64 = 600;
/// The zone the reference program is asked in.
pub(crate) const ZONE: &str = "CET-01CEST-02,M3.5.0,M10.5.0";
/// 2026-11-22 12:00:00 in that zone.
pub(crate) const NOON: i64 = 1_795_345_200;

/// What lines say, after the connection's ID; `A` is an address, `N` a name, `T` a token.
const TALK: [&str; 16] = [
    "connect from A",
    "user N",
    "failed for N from A",
    "failed for N",
    "failed",
    "accepted for N",
    "accepted for N from A",
    "closed",
    "closed by A",
    "closed by N from A",
    "token T by N from A",
    "token T by N alt N",
    "pair T N from A",
    "start A",
    "end N",
    "noise",
];

/// What regular expressions of a filter find in that talk.
const PATTERNS: [&str; 20] = [
    "<F-NOFAIL>connect</F-NOFAIL> from <HOST>$",
    "connect from <HOST>$",
    "<F-NOFAIL>user</F-NOFAIL> <F-USER>\\S*</F-USER>$",
    "user <F-USER>\\S*</F-USER>$",
    "failed for <F-USER>\\S*</F-USER> from <HOST>$",
    "failed for <F-USER>\\S*</F-USER>$",
    "failed(?: for <F-USER>\\S*</F-USER>)?(?: from <ADDR>)?$",
    "<F-NOFAIL>failed</F-NOFAIL>$",
    "<F-MLFGAINED>accepted</F-MLFGAINED> for <F-USER>\\S*</F-USER>(?: from <HOST>)?$",
    "<F-NOFAIL><F-MLFGAINED>accepted</F-MLFGAINED></F-NOFAIL> for <F-USER>\\S*</F-USER>",
    "<F-NOFAIL><F-MLFFORGET>closed</F-MLFFORGET></F-NOFAIL>",
    "<F-MLFFORGET>closed</F-MLFFORGET>(?: by <HOST>)?$",
    "closed by <F-USER>\\S*</F-USER> from <F-MLFFORGET><HOST></F-MLFFORGET>$",
    "<F-MLFFORGET><F-MLFGAINED>closed</F-MLFGAINED></F-MLFFORGET>",
    "token <F-ID>\\S+</F-ID> by <F-USER>\\S*</F-USER>",
    "token <F-ID>\\S+</F-ID> by <F-USER>\\S*</F-USER>(?: alt <F-ALT_USER>\\S*</F-ALT_USER>)?(?: from <HOST>)?$",
    "token \\S+ by (?:<F-USER>anna</F-USER>|<F-ALT_USER>\\S*</F-ALT_USER>|<F-ALT_USER_1>root</F-ALT_USER_1>) from <HOST>$",
    "pair <F-ID>\\S+</F-ID> <F-TUPLE_ID>\\S*</F-TUPLE_ID>",
    "pair <F-USER>\\S+</F-USER> <F-TUPLE_USER>\\S*</F-TUPLE_USER> from <HOST>$",
    "failed for <F-USER>\\S*</F-USER> from <DNS>$",
];

/// What spans several lines.
const SPANS: [&str; 7] = [
    "start <HOST>$<SKIPLINES>^CONNend <F-USER>\\S*</F-USER>$",
    "failed for <F-USER>\\S*</F-USER>\\n(?:.*\\n)?CONNclosed by <HOST>$",
    "connect from <HOST>$<SKIPLINES>^CONNfailed",
    "user <F-USER>\\S*</F-USER>$<SKIPLINES>^.*from <HOST>",
    "connect from <HOST>\\n<SKIPLINES>CONNfailed\\n<SKIPLINES>CONNclosed",
    "start <HOST>\\n(?:.*\\n)?.*end <F-ID>\\S*</F-ID>",
    "<F-NOFAIL>start</F-NOFAIL> <HOST>$<SKIPLINES>^.*: noise$",
];

const IGNORED: [&str; 5] = [
    "failed for anna",
    "198\\.51\\.100\\.",
    "^ ?s1: ",
    "noise$",
    "closed by <HOST>",
];

const ADDRESSES: [&str; 6] = [
    "192.0.2.1",
    "198.51.100.7",
    "2001:db8::5",
    "[2001:db8::6]",
    "host.example.com",
    "999.1.1.1",
];
const NAMES: [&str; 5] = ["anna", "root", "", "o'neil", "192.0.2.9"];
const TOKENS: [&str; 3] = ["x1", "203.0.113.4", "a\"b'c"];

/// A filter, how it is run, and the log.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) settings: FilterSettings,
    pub(crate) usedns: UseDns,
    pub(crate) in_operation: bool,
    pub(crate) check_findtime: bool,
    pub(crate) steps: Vec<(i64, String)>,
}

/// A xorshift64*: the same seed gives the same cases.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let drawn = draw(&mut self.0);
        (drawn % bound as u64) as usize
    }

    pub(crate) fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn case(&mut self) -> Case {
        let maxlines = [1, 1, 1, 2, 3, 4][self.below(6)];
        // The connection's ID stands in each regular expression, in prefregex, or means nothing.
        let (prefregex, conn) = match self.below(6) {
            0 | 1 => (None, "(?:<F-MLFID>s\\d</F-MLFID>: )?"),
            2 => (None, "<F-MLFID>s\\d</F-MLFID>: "),
            3 => (
                Some("^ ?<F-MLFID>s\\d</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$"),
                "",
            ),
            4 => (Some("^ ?(?:s[12]|S\\d|-): <F-CONTENT>.*</F-CONTENT>"), ""),
            _ => (None, "s\\d: "),
        };
        let start = if prefregex.is_some() { "^" } else { "^ ?" };
        let mut failregex = Vec::new();
        for _ in 0..3 + self.below(8) {
            let regex = match maxlines > 1 && self.below(2) == 0 {
                // A group's name can occur only once.
                true => self.pick(&SPANS).replace("CONN", " ?s\\d: "),
                false => self.pick(&PATTERNS).to_owned(),
            };
            failregex.push((format!("{start}{conn}{regex}"), Origin::Default));
        }
        let ignored = self.below(5).saturating_sub(2);
        let ignoreregex = (0..ignored)
            .map(|_| (self.pick(&IGNORED).to_owned(), Origin::Default))
            .collect();
        let steps = self.steps();
        Case {
            settings: FilterSettings {
                name: "made".into(),
                prefregex: prefregex.map(str::to_owned),
                failregex,
                ignoreregex,
                datepattern: None,
                maxlines,
                journalmatch: Vec::new(),
            },
            usedns: if self.one_in(2) {
                UseDns::No
            } else {
                UseDns::Raw
            },
            in_operation: !self.one_in(4),
            check_findtime: !self.one_in(3),
            steps,
        }
    }

    fn steps(&mut self) -> Vec<(i64, String)> {
        let mut now = NOON;
        let mut steps = Vec::new();
        for _ in 0..12 + self.below(24) {
            now += [0, 0, 1, 2, 5][self.below(5)];
            let at = now + [0, 0, 0, 0, -3, -59, -61, 61, -700][self.below(9)];
            let date = match self.below(14) {
                0 => String::new(),
                1 => "2026-02-31 12:00:00 ".to_owned(),
                _ => {
                    let at = at - NOON + 12 * 3600;
                    let (hour, minute) = (at / 3600, at / 60 % 60);
                    format!("2026-11-22 {hour:02}:{minute:02}:{:02} ", at % 60)
                }
            };
            let id = self.pick(&["s1: ", "s1: ", "s2: ", "s3: ", ""]);
            let talk = self.pick(&TALK);
            steps.push((now, format!("{date}{id}{}", self.filled(talk))));
        }
        steps
    }

    fn filled(&mut self, talk: &str) -> String {
        let words = talk.split(' ').map(|word| match word {
            "A" => self.pick(&ADDRESSES),
            "N" => self.pick(&NAMES),
            "T" => self.pick(&TOKENS),
            word => word,
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

impl Case {
    pub(crate) fn question(&self) -> Value {
        let texts = |list: &[(String, Origin)]| -> Vec<String> {
            list.iter().map(|(text, _)| text.clone()).collect()
        };
        json!({
            "prefregex": self.settings.prefregex,
            "failregex": texts(&self.settings.failregex),
            "ignoreregex": texts(&self.settings.ignoreregex),
            "maxlines": self.settings.maxlines,
            "usedns": match self.usedns {
                UseDns::Yes => "yes",
                UseDns::Warn => "warn",
                UseDns::No => "no",
                UseDns::Raw => "raw",
            },
            "in_operation": self.in_operation,
            "check_findtime": self.check_findtime,
            "steps": self.steps,
        })
    }

    /// The failures of each line; `None` if it is no filter.
    pub(crate) fn judged(&self, zone: &Zone) -> Option<Vec<Value>> {
        let reading = Reading {
            jail: "jail",
            usedns: self.usedns,
            logtimezone: None,
            local: zone,
            year: 2026,
        };
        let mut filter = Filter::new(&self.settings, &reading).ok()?;
        let judged = self.steps.iter().map(|(now, line)| {
            let moment = Moment {
                now: Time::from_secs(*now),
                in_operation: self.in_operation,
                findtime: Span::from_secs(600),
                check_findtime: self.check_findtime,
            };
            let found = filter.find_date(line, moment.now);
            let mut out = Vec::new();
            filter.judge(&Dated { line, found }, &moment, &mut out);
            out.iter().filter_map(told).collect()
        });
        Some(judged.collect())
    }
}

/// A verdict in the reference program's words.
fn told(verdict: &Verdict) -> Option<Value> {
    let (Verdict::Failure(it) | Verdict::Named(it)) = verdict else {
        return None;
    };
    // What is to be looked up is marked: somebody else does it.
    let named = matches!(verdict, Verdict::Named(_));
    let mut data = data(&it.data);
    if let Some(ip) = it.ip {
        data.insert("ip".to_owned(), Value::from(ip.to_string()));
    }
    let lines: Vec<Value> = it.lines.iter().map(cut).collect();
    let time = it.time.as_secs_f64();
    let mut told = json!([it.regex, it.id.to_string(), time, data, lines]);
    if named {
        told[1] = json!({ "name": it.id.to_string() });
    }
    Some(told)
}

fn data(captured: &Captured) -> Map<String, Value> {
    let value = |name: &str, datum: &Datum| match datum {
        Datum::Text(text) => Value::from(text.as_str()),
        Datum::List(list) => {
            let mut list = list.clone();
            if name == "users" {
                // A set has no order.
                list.sort();
            }
            Value::from(list)
        }
    };
    let pairs = captured.iter();
    pairs
        .map(|(name, datum)| (name.to_owned(), value(name, datum)))
        .collect()
}

/// A line as what is before its date, the date, and what is after it.
fn cut(line: &MatchedLine) -> Value {
    let (start, end) = line.date.map_or((0, 0), |(s, e)| (s as usize, e as usize));
    let text = &line.text;
    json!([text[..start], text[start..end], text[end..]])
}

/// The reference program's numbers as ours: a time is one with a fraction.
pub(crate) fn as_ours(failures: &Value) -> Value {
    let mut failures = failures.clone();
    for failure in failures.as_array_mut().into_iter().flatten() {
        if let Some(time) = failure.get(2).and_then(Value::as_f64) {
            failure[2] = json!(time);
        }
    }
    failures
}

#[test]
fn sessions_and_the_search_buffer_are_those_of_the_reference_program() {
    let cases: Vec<Case> = (1..=CASES)
        .map(|seed| Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1).case())
        .collect();
    let question = cases.iter().map(Case::question).collect();
    let Some(answers) = reference::ask(include_str!("sessions.py"), &question) else {
        return;
    };
    let zone = Zone::local(Some(ZONE));
    let (mut lines, mut failures, mut refused) = (0, 0, 0);
    let mut wrong = Vec::new();
    for (number, (case, answer)) in cases
        .iter()
        .zip(answers.as_array().expect("answers"))
        .enumerate()
    {
        let Some(ours) = case.judged(&zone) else {
            refused += 1;
            if !answer.is_null() {
                wrong.push(format!(
                    "case {number}: refused here only: {}",
                    case.question()
                ));
            }
            continue;
        };
        let Some(theirs) = answer.as_array() else {
            wrong.push(format!(
                "case {number}: taken here only: {}",
                case.question()
            ));
            continue;
        };
        for (step, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            let theirs = as_ours(theirs);
            lines += 1;
            failures += ours.as_array().map_or(0, Vec::len);
            if *ours != theirs {
                let (now, line) = &case.steps[step];
                wrong.push(format!(
                    "case {number}, step {step} at {now}: {line:?}\n    ours {ours}\n    reference {theirs}\n    {}",
                    case.question()
                ));
                // What follows follows from that.
                break;
            }
        }
    }
    println!("{lines} lines, {failures} failures, {refused} filters refused");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(failures > 1000, "only {failures} failures in {lines} lines");
}
