//! Counting and banning held against fail2ban's own classes: thousands of seeded formulas, and
//! stories of failures, bans and settings that change, with the same numbers after every event.

use std::collections::BTreeMap;

use rban::jail::{Effect, History, Jail, Past, Turn};
use rban::model::{BanTime, FailId, Failure, JailSettings, MatchedLine, Span, Time};
use serde_json::{Value, json};

use crate::jail::settings;
use crate::reference;

const NOW: i64 = 1_795_366_767;
const ORACLE: &str = include_str!("reckoning.py");

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % end
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// A formula: documented names and functions, and the operators of Python's arithmetic.
fn formula(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 || dice.below(5) == 0 {
        return dice
            .of(&[
                "ban.Time",
                "ban.Count",
                "banFactor",
                "0",
                "1",
                "2",
                "3",
                "7",
                "20",
                "0.5",
                "2.5",
                "1e2",
                "math.pi",
                "math.e",
                "True",
                "1_000",
                ".5",
            ])
            .to_owned();
    }
    let mut part = || formula(dice, depth - 1);
    let (a, b, c) = (part(), part(), part());
    match dice.below(10) {
        0..4 => {
            let operator = dice.of(&["+", "-", "*", "/", "//", "%"]);
            format!("({a} {operator} {b})")
        }
        4 => {
            let operator = dice.of(&[
                "<", ">", "<=", ">=", "==", "!=", "and", "or", "<<", ">>", "&", "|", "^",
            ]);
            format!("{a} {operator} {b}")
        }
        5 => format!("({a} if {b} else {c})"),
        6 => format!("{}{a}", dice.of(&["-", "+", "not ", "~"])),
        7 => {
            let function = dice.of(&["max", "min", "pow", "math.pow", "math.log"]);
            format!("{function}({a}, {b})")
        }
        8 => {
            let function = dice.of(&[
                "abs",
                "float",
                "int",
                "round",
                "math.ceil",
                "math.floor",
                "math.exp",
                "math.sqrt",
                "math.log",
                "math.log2",
                "math.log10",
                "math.fabs",
                "math.trunc",
            ]);
            format!("{function}({a})")
        }
        _ => format!("{a} < {b} <= {c}"),
    }
}

/// Formulas people use: fail2ban's own examples, and wrong ones.
const KNOWN: &[&str] = &[
    "ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor",
    "ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)",
    "ban.Time * (ban.Count + 1) ** 2",
    "ban.Time * pow(2, min(ban.Count, 10))",
    "ban.Time + random.random() * 60",
    "ban.Time * 1 if ban.Count < 3 else -1",
    "ban.Time * 2 ** -ban.Count",
    "not ban.Count == 2",
    "round(ban.Time * 1.2345, 2)",
    "1 / 0",
    "ban.Time *",
    "ban.Times",
    "nonsense(3)",
    "",
];

fn increments() -> Vec<Value> {
    let mut dice = Dice(0x5eed_0001);
    let mut cases = Vec::new();
    for number in 0..4_000 {
        let mut options: Vec<[String; 2]> = Vec::new();
        let mut option = |name: &str, value: String| options.push([name.to_owned(), value]);
        if dice.below(3) == 0 {
            let factor = dice.of(&["1", "2", "0.5", "2.0/2.885385", "1 + 1", "24", "1/3"]);
            option("factor", factor.to_owned());
        }
        if dice.below(8) == 0 {
            let list = dice.of(&["1 2 4 8 16 32 64", "1 5 30 60 300 720 1440 2880", "3"]);
            option("multipliers", list.to_owned());
        } else if number < 40 * KNOWN.len() {
            option("formula", KNOWN[number % KNOWN.len()].to_owned());
        } else {
            option("formula", formula(&mut dice, 3));
        }
        if dice.below(3) == 0 {
            option("maxtime", dice.of(&["60", "3600", "604800"]).to_owned());
        }
        if dice.below(4) == 0 {
            option("rndtime", dice.of(&["8", "2048", "3600"]).to_owned());
        }
        cases.push(json!({
            "options": options,
            "time": dice.of(&[1, 60, 600, 3_600, 86_400, 604_800]),
            "count": 1 + dice.below(30),
        }));
    }
    cases
}

/// What we make of a case; `None`: nothing.
fn ours(case: &Value) -> Option<f64> {
    let mut settings = settings("bantime.increment = true");
    let number = |name: &str| case[name].as_i64().expect("a number");
    settings.bantime = BanTime::Secs(number("time"));
    let increment = &mut settings.increment;
    for option in case["options"].as_array().expect("options") {
        let value = option[1].as_str().expect("a text").to_owned();
        let span = |value: &str| Some(Span::from_secs(value.parse().expect("seconds")));
        match option[0].as_str().expect("a name") {
            "factor" => increment.factor = Some(value),
            "multipliers" => increment.multipliers = Some(value),
            "formula" => increment.formula = Some(value),
            "maxtime" => increment.maxtime = span(&value),
            "rndtime" => increment.rndtime = span(&value),
            other => panic!("no option {other}"),
        }
    }
    let mut jail = Jail::new(&settings).ok()?;
    let mut history = History::default();
    let id = FailId::parse("192.0.2.5");
    let past = Past {
        count: number("count") as u32,
        time: Time::from_secs(NOW - 90),
        bantime: settings.bantime,
    };
    history.record("sshd", id.clone(), past);
    let mut random = || 0.5;
    let zone = jiff::tz::TimeZone::UTC;
    let mut turn = Turn::new(Time::from_secs(NOW), &zone, &mut history, &[], &mut random);
    jail.ban(&[id], &mut turn);
    let mut bantime = None;
    for effect in turn.effects() {
        match effect {
            Effect::Log(record) if record.message.contains("has no value") => return None,
            Effect::Persist(ban) => bantime = Some(ban.bantime.number() as f64),
            _ => {}
        }
    }
    bantime
}

#[test]
fn formulas_and_factors_come_to_what_fail2ban_makes_of_them() {
    let cases = increments();
    let question = json!({ "increments": cases });
    let Some(answer) = reference::ask(ORACLE, &question) else {
        return;
    };
    let (mut wrong, mut valued, mut huge) = (Vec::new(), 0, 0);
    for (case, theirs) in cases
        .iter()
        .zip(answer["increments"].as_array().expect("a list"))
    {
        // Beyond three hundred thousand years nobody counts seconds.
        let theirs = theirs.as_f64().filter(|secs| secs.abs() < 1e13);
        let ours = ours(case).filter(|secs| secs.abs() < 1e13);
        let same = match (ours, theirs) {
            (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1.0 + theirs.abs() * 1e-9,
            (None, None) => true,
            // Whole numbers beyond 1e308 on the way.
            (None, Some(_)) if case.to_string().contains("pow(") && huge < 5 => {
                huge += 1;
                true
            }
            _ => false,
        };
        valued += usize::from(theirs.is_some());
        if !same {
            wrong.push(format!("{ours:?} ≠ {theirs:?} {case}"));
        }
    }
    let shown = wrong.iter().take(40).cloned().collect::<Vec<_>>();
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        shown.join("\n")
    );
    assert!(valued > 2_000, "{valued} have a value");
}

#[test]
fn a_wrong_formula_is_told_with_its_place() {
    for (formula, told) in [
        ("ban.Time *", "expected a number or a name at offset 10"),
        ("ban.Times * 2", "unknown name `ban.Times` at offset 0"),
        ("ban.Time * (2", "expected `)` at offset 13"),
        ("ban.Time 2", "unexpected text at offset 9"),
        ("max()", "wrong number of arguments to `max` at offset 0"),
        ("__import__('os')", "unknown name `__import__` at offset 0"),
    ] {
        let mut settings = settings("bantime.increment = true");
        settings.increment.formula = Some(formula.to_owned());
        let error = Jail::new(&settings).expect_err(formula).to_string();
        assert_eq!(error, format!("bantime.formula = {formula}: {told}"));
    }
}

/// A story of one jail: `[time, what, words…]`.
fn story(seed: u64) -> Vec<Value> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let hosts = [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
        "2001:db8::1",
        "someone",
    ];
    let (mut now, mut findtime) = (NOW, 600);
    let mut events = Vec::new();
    for number in 0..60 {
        now += [0, 1, 2, 7, 60, 130, 400, 700][dice.below(8)];
        let host = dice.of(&hosts);
        events.push(match dice.below(24) {
            0..13 => {
                let late = now - [0, 0, 0, 1, 5, 90][dice.below(6)];
                json!([now, "fails", host, late, format!("line {number}")])
            }
            13 => json!([now, "attempt", host, "a", "b"]),
            14 => json!([now, "attempt", host]),
            15 | 16 => json!([now, "ban", host]),
            17 => json!([now, "unban", host]),
            18 => json!([now, "unban", "192.0.2.0/30"]),
            19 => json!([now, "bantime", dice.of(&[-1, 5, 60, 600, 3_600])]),
            20 => {
                // Whether a longer one finds tickets again depends on when they were tidied up.
                findtime = (findtime - 150).max(60);
                json!([now, "findtime", findtime])
            }
            21 => json!([now, "maxretry", 1 + dice.below(5)]),
            // fail2ban keeps what the first failure brings, however much it is; we do not.
            22 => json!([now, "maxmatches", 2 + dice.below(3)]),
            _ if dice.below(3) == 0 => json!([now, "unbanall"]),
            _ => json!([now, "look"]),
        });
    }
    events
}

fn failure(event: &Value) -> Failure {
    let line = MatchedLine {
        text: event[4].as_str().expect("a line").into(),
        date: None,
    };
    Failure {
        id: FailId::parse(event[2].as_str().expect("an ID")),
        ip: None,
        time: Time::from_secs(event[3].as_i64().expect("a time")),
        lines: vec![line],
        data: Default::default(),
        regex: 0,
    }
}

/// Does one event; what it answers.
fn act(jail: &mut Jail, event: &Value, turn: &mut Turn<'_>) -> Value {
    let ids = || -> Vec<FailId> {
        let words = event.as_array().expect("an event")[2..].iter();
        words
            .map(|word| FailId::parse(word.as_str().expect("an ID")))
            .collect()
    };
    let number = || event[2].as_i64().expect("a number");
    let mut counting = jail.counting();
    match event[1].as_str().expect("what") {
        "fails" => jail.failure(failure(event), turn),
        "attempt" => {
            let lines = event.as_array().expect("an event")[3..].iter();
            let lines = lines.map(|line| line.as_str().expect("a line").to_owned());
            jail.attempt(ids()[0].clone(), lines.collect(), turn);
        }
        "ban" => return jail.ban(&ids(), turn).into(),
        "unban" => return jail.unban(&ids()[0], turn).into(),
        "unbanall" => return jail.unban_all(turn).into(),
        "bantime" => jail.set_bantime(BanTime::from_number(number()), turn),
        what => {
            match what {
                "findtime" => counting.findtime = Span::from_secs(number()),
                "maxretry" => counting.maxretry = number() as u32,
                "maxmatches" => counting.maxmatches = number() as usize,
                _ => return Value::Null,
            }
            jail.set_counting(counting, turn);
        }
    }
    Value::Null
}

/// What is known afterwards, as the oracle tells it.
fn told(jail: &mut Jail, now: Time) -> Value {
    let texts =
        |lines: &[MatchedLine]| lines.iter().map(|l| l.text.to_string()).collect::<Vec<_>>();
    let mut fails = BTreeMap::new();
    for host in [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
        "2001:db8::1",
        "someone",
    ] {
        if let Some(ticket) = jail.failing(&FailId::parse(host), now) {
            let told = json!([ticket.retry, ticket.attempts, texts(&ticket.lines)]);
            fails.insert(host, told);
        }
    }
    let mut bans = BTreeMap::new();
    for ban in jail.bans().all() {
        let told = json!([
            ban.time.secs(),
            ban.bantime.number(),
            ban.count,
            ban.attempts,
            texts(&ban.lines)
        ]);
        bans.insert(ban.id.to_string(), told);
    }
    let counts = jail.counts(now);
    json!([fails, bans, counts.failed_total, counts.banned_total])
}

#[test]
fn failures_and_bans_are_counted_as_fail2bans_managers_do() {
    let stories: Vec<Vec<Value>> = (1..=150).map(story).collect();
    let question = json!({ "stories": stories });
    let Some(answer) = reference::ask(ORACLE, &question) else {
        return;
    };
    let settings: JailSettings = settings("");
    for (seed, (events, theirs)) in stories
        .iter()
        .zip(answer["stories"].as_array().expect("stories"))
        .enumerate()
    {
        let mut jail = Jail::new(&settings).expect("good settings");
        let mut history = History::default();
        let zone = jiff::tz::TimeZone::UTC;
        for (place, (event, theirs)) in events
            .iter()
            .zip(theirs.as_array().expect("results"))
            .enumerate()
        {
            let now = Time::from_secs(event[0].as_i64().expect("a time"));
            let mut random = || 0.5;
            let mut turn = Turn::new(now, &zone, &mut history, &[], &mut random);
            jail.tick(&mut turn);
            let answer = act(&mut jail, event, &mut turn);
            jail.tick(&mut turn);
            let told = told(&mut jail, now);
            let mut ours = vec![answer];
            ours.extend(told.as_array().expect("a list").iter().cloned());
            let before: Vec<String> = events[..=place].iter().map(Value::to_string).collect();
            assert_eq!(
                Value::Array(ours),
                *theirs,
                "story {seed}, after\n{}",
                before.join("\n")
            );
        }
    }
}
