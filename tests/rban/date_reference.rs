//! Dates against the reference program: the same lines, patterns, zones and moments given to both,
//! and where the date stands, what moment it is, and which template said so compared.
//!
//! Where fail2ban 1.0.2, which is what Debian has, differs from later versions, these win:
//! - a format without separators may have a `-` before its time, and colons in it; the script
//!   below gives 1.0.2 the later pattern;
//! - a pattern with `{EPOCH}` and a group of its own has that group cut, not all it matches; see
//!   `an_epoch_within_a_pattern_is_cut_by_the_patterns_group`.

use rban::date::{Detector, Zone};
use rban::model::Time;
use serde_json::{Value, json};

use crate::reference::python;

/// Asks fail2ban's detector. A case is `{tz, logtimezone, datepattern, lines: [[line, now], …]}`;
/// its answer `{year, error, answers: [null | [start, end, epoch, name], …]}`, the date's place in
/// characters.
const SCRIPT: &str = r#"
import json, logging, os, time, types
from fail2ban.server import datedetector
from fail2ban.server.mytime import MyTime
from fail2ban.server.utils import Utils

logging.disable(logging.CRITICAL)
LATER = {13: r"%ExY%Exm%Exd(?:-|T|  ?)%ExH:?%ExM:?%ExS(?:[.,]%f)?(?:\s*%z)?"}
FORMATS = list(datedetector.DateDetectorCache.DEFAULT_TEMPLATES)
for place, pattern in LATER.items():
    FORMATS[place] = pattern

def start(tz):
    # What mktime remembers, and what the templates count, starts anew.
    for zone in ("UTC0", tz):
        os.environ["TZ"] = zone
        time.tzset()
        if zone == "UTC0":
            time.mktime((2005, 1, 1, 0, 0, 0, 0, 0, -1))
    datedetector.DD_patternCache = Utils.Cache(maxCount=1000, maxTime=3600)
    datedetector.DateDetectorCache.DEFAULT_TEMPLATES = list(FORMATS)
    datedetector.DateDetector._defCache = datedetector.DateDetectorCache()

def answer(detector, line, now):
    MyTime.setTime(now)
    datedetector.time = types.SimpleNamespace(time=lambda: now)
    match, template = detector.matchTime(line)
    if not match:
        return None
    found = None
    if match.group(1):
        try:
            found = detector.getTime(match.group(1), (match, template))
        except Exception:
            pass
    return [match.start(1), match.end(1), found and found[0], template.name]

def run(case):
    start(case["tz"])
    out = {"error": None, "answers": []}
    try:
        detector = datedetector.DateDetector()
        detector.default_tz = case["logtimezone"]
        for pattern in filter(bool, map(str.strip, (case["datepattern"] or "").split("\n"))):
            detector.appendTemplate(pattern)
        for template in detector.templates:
            template.matchDate("")
            template.template.hits = 0
        out["answers"] = [answer(detector, line, now) for line, now in case["lines"]]
        out["regex"] = {t.name: t.regex for t in detector.templates}
    except Exception as error:
        out["error"] = repr(error)
    return out

year = time.localtime().tm_year
print(json.dumps({"year": year, "cases": [run(case) for case in json.loads(CASES)]}))
"#;

/// The zone fail2ban's own tests are made in.
const CET: &str = "CET-01CEST-02,M3.5.0,M10.5.0";
/// Noon there, on 14 August 2005.
const NOON: i64 = 1_124_013_600;

/// One detector's life.
#[derive(Debug, Clone)]
struct Case {
    tz: &'static str,
    logtimezone: Option<&'static str>,
    datepattern: Option<String>,
    lines: Vec<(String, f64)>,
}

impl Case {
    fn new(datepattern: Option<&str>, lines: impl IntoIterator<Item = (String, f64)>) -> Self {
        Self {
            tz: CET,
            logtimezone: None,
            datepattern: datepattern.map(Into::into),
            lines: lines.into_iter().collect(),
        }
    }

    fn json(&self) -> Value {
        json!({
            "tz": self.tz, "logtimezone": self.logtimezone, "datepattern": self.datepattern,
            "lines": self.lines,
        })
    }
}

/// What is compared of one line.
#[derive(Debug, PartialEq)]
struct Answer {
    /// The text cut, and where it starts.
    cut: Option<(usize, String)>,
    time: Option<Time>,
    template: String,
}

impl Answer {
    fn of_reference(line: &str, value: &Value) -> Option<Self> {
        let value = value.as_array()?;
        let byte = |at: &Value| {
            let at = usize::try_from(at.as_i64()?).ok()?;
            Some(
                line.char_indices()
                    .nth(at)
                    .map_or(line.len(), |(byte, _)| byte),
            )
        };
        let cut = byte(&value[0]).zip(byte(&value[1]));
        Some(Self {
            cut: cut
                .filter(|(start, end)| start < end)
                .map(|(start, end)| (start, line[start..end].into())),
            time: value[2].as_f64().map(Time::from_secs_f64),
            template: value[3].as_str()?.into(),
        })
    }
}

fn ours(case: &Case, year: i16) -> Result<Vec<Option<Answer>>, String> {
    let zone = Zone::local(Some(case.tz));
    let zone = match case.logtimezone {
        Some(log) => zone.with_offset(log).map_err(|error| error.to_string())?,
        None => zone,
    };
    let mut detector = Detector::new(case.datepattern.as_deref(), &zone, year)
        .map_err(|error| error.to_string())?;
    let mut answers = Vec::new();
    for (line, now) in &case.lines {
        let found = detector.find(line, Time::from_secs_f64(*now));
        answers.push(found.map(|found| {
            Answer {
                cut: (!found.cut.is_empty()).then(|| (found.cut.start, line[found.cut].into())),
                time: found.time,
                template: detector
                    .templates()
                    .find(|template| template.number == found.template)
                    .expect("a template of this detector")
                    .name
                    .into(),
            }
        }));
    }
    Ok(answers)
}

/// Runs the cases through both and lists where they differ.
fn compare(cases: &[Case]) {
    let json = Value::from(cases.iter().map(Case::json).collect::<Vec<_>>()).to_string();
    let quoted = serde_json::to_string(&json).expect("a string");
    let Some(told) = python(&format!("CASES = {quoted}\n{SCRIPT}")) else {
        return;
    };
    let year = i16::try_from(told["year"].as_i64().expect("a year")).expect("a year");
    let mut differences = Vec::new();
    let (mut found, mut dated) = (0, 0);
    for (case, theirs) in cases.iter().zip(told["cases"].as_array().expect("cases")) {
        let head = format!(
            "{:?} {:?} {:?}",
            case.tz, case.logtimezone, case.datepattern
        );
        let ours = match (ours(case, year), theirs["error"].as_str()) {
            (Ok(ours), None) => ours,
            (Err(_), Some(_)) => continue,
            (ours, theirs) => {
                let ours = ours.err();
                differences.push(format!("{head}: ours {ours:?}, theirs {theirs:?}"));
                continue;
            }
        };
        let answers = theirs["answers"].as_array().expect("answers");
        for (((line, now), ours), theirs) in case.lines.iter().zip(ours).zip(answers) {
            let theirs = Answer::of_reference(line, theirs);
            found += usize::from(theirs.is_some());
            dated += usize::from(theirs.as_ref().is_some_and(|answer| answer.time.is_some()));
            if ours != theirs {
                differences.push(format!(
                    "{head} {now}: {line:?}\n  ours   {ours:?}\n  theirs {theirs:?}"
                ));
                // What follows in this life follows from this.
                break;
            }
        }
    }
    println!("{found} dates found, {dated} of them moments");
    assert!(
        differences.is_empty(),
        "{} differences, the first:\n{}",
        differences.len(),
        differences[..differences.len().min(12)].join("\n")
    );
}

/// A small generator of numbers; the same ones in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len() as u64) as usize]
    }

    fn often(&mut self) -> bool {
        self.roll(4) > 0
    }

    /// A number up to `most`, now and then one beyond it.
    fn number(&mut self, least: u64, most: u64) -> u64 {
        match self.roll(150) {
            0 => 0,
            1 => most + 1 + self.roll(8),
            _ => least + self.roll(most - least + 1),
        }
    }

    fn date(&mut self) -> String {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let year = 2000 + self.roll(29) + self.roll(40) / 39;
        let month = self.number(1, 12);
        let name = MONTHS[(month as usize + 11) % 12];
        let (day, hour) = (self.number(1, 31), self.number(0, 23));
        let (minute, second) = (self.number(0, 59), self.number(0, 59));
        let time = match self.roll(6) {
            0 => format!("{hour}:{minute}:{second}"),
            1 => format!("{hour:2}:{minute:02}:{second:02}"),
            _ => format!("{hour:02}:{minute:02}:{second:02}"),
        };
        let separator = self.pick(&["-", "/", "."]);
        let other = if self.often() {
            separator
        } else {
            self.pick(&["-", "/", "."])
        };
        let weekday = self.pick(&["", "", "Sun ", "Mon ", "tue ", "Foo "]);
        match self.roll(18) {
            0 | 1 => {
                let gap = self.pick(&["T", " ", "  ", "t"]);
                format!("{year}{separator}{month:02}{other}{day:02}{gap}{time}")
            }
            2 | 3 => format!("{weekday}{name} {day:02} {time}"),
            4 => format!("{weekday}{name} {day:2} {time}"),
            5 => format!("{weekday}{} {day} {time} {year}", name.to_uppercase()),
            6 => format!("{weekday}{name} {day:02} {year} {time}"),
            7 => format!("{day:02}{separator}{month:02}{other}{year} {time}"),
            8 => format!(
                "{day:02}{separator}{month:02}{other}{:02} {time}",
                year % 100
            ),
            9 => format!("{day:02}{separator}{name}{other}{year}:{time}"),
            10 => format!("{month:02}/{day:02}/{year}:{time}"),
            11 => format!("{month:02}-{day:02}-{year} {time}"),
            12 => {
                let epoch = 1_000_000_000 + self.roll(900_000_000) * 2;
                let around = self.pick(&["E", "[E]", "audit(E:12)", "E.123", "E.12345678", "[E"]);
                around.replace('E', &epoch.to_string())
            }
            13 => time,
            14 => format!("<{month:02}/{day:02}/{:02}@{time}>", year % 100),
            15 => format!("{:02}{month:02}{day:02} {time}", year % 100),
            16 => match self.roll(4) {
                0 => format!(
                    "{name} {day}, {year} {}:{minute:02}:{second:02} PM",
                    hour % 13
                ),
                1 => format!("{name}-{day:02}-{:02} {time}", year % 100),
                2 => format!("@4000000{:09x}0badcafe", 1_000_000_000 + self.roll(1 << 30)),
                _ => format!("{year}{month:02}{day:02}-{hour:02}{minute:02}{second:02}"),
            },
            _ => {
                let zone =
                    self.pick(&["CET", "PDT", "utc", "+00:00", "-0330", "NOWAY", "Z", "GMT"]);
                format!("{zone} {weekday}{name} {day:02} {time}")
            }
        }
    }

    /// What may stand right before a date.
    fn before(&mut self) -> &'static str {
        self.pick(&[
            "", "", "", "", "", "[", "<", " ", "  ", "((", "- ", "x", "1", "é", "é ", "host: ",
            "ERROR ", "::: ", "a date: ", "\t",
        ])
    }

    fn after(&mut self) -> &'static str {
        self.pick(&[
            "",
            " ",
            " host sshd[12]: failed",
            "]",
            ": x",
            " 2005 x",
            " 2031",
            " 2005x",
            ".5",
            ".123456",
            ".1234567",
            ",123 x",
            "Z",
            "Zx",
            " Z",
            " UTC",
            " UTCx",
            " User",
            " Gnu",
            "+0200",
            " -05:30 x",
            " +01",
            " - x",
            " -1x",
            "x",
            "1",
            "é",
            " é",
            "_",
            "٣",
            "\u{1c}+01",
            " CEST",
            " AM",
            "/x",
        ])
    }

    fn line(&mut self) -> String {
        let mut line = match self.roll(30) {
            0 => String::new(),
            1 => "Traceback (most recent call last):".into(),
            2 => "    at java.lang.Thread.run(Thread.java:748) 12:30".into(),
            _ => format!("{}{}{}", self.before(), self.date(), self.after()),
        };
        if self.roll(6) == 0 {
            line = format!("{line}, since {}{}", self.date(), self.after());
        }
        if self.roll(8) == 0 && !line.is_empty() {
            let at = self.roll(line.chars().count() as u64) as usize;
            let new = self.pick(&["", "0", " ", "-", "z", "٤", "::"]);
            line = line
                .chars()
                .enumerate()
                .map(|(place, c)| {
                    if place == at {
                        new.into()
                    } else {
                        c.to_string()
                    }
                })
                .collect();
        }
        line
    }
}

/// Moments around which dates are hard to guess, in [`CET`].
const MOMENTS: &[i64] = &[
    NOON,
    // New Year's Eve and Day, each near midnight.
    1_136_069_999,
    1_136_070_000,
    1_136_073_700,
    // 29 February 2004 and 2008, 1 March 2005.
    1_078_012_800,
    1_204_243_200,
    1_109_631_600,
    // The clocks go forward (27 March 2005) and back (30 October 2005).
    1_111_885_200,
    1_111_888_900,
    1_130_628_500,
    1_130_632_200,
    1_130_635_800,
];

const ZONES: &[&str] = &[
    CET,
    "UTC",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
];

/// Lives of detectors, each with lines of its own at moments of its own.
fn lives(
    dice: &mut Dice,
    count: usize,
    mut line: impl FnMut(&mut Dice, usize) -> String,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for round in 0..count {
        let mut now = MOMENTS[round % MOMENTS.len()] as f64;
        let mut lines = Vec::new();
        for _ in 0..60 {
            now += dice.roll(40) as f64 * 0.37;
            if dice.roll(20) == 0 {
                now += 400.0;
            }
            lines.push((line(dice, round), now));
        }
        let mut case = Case::new(None, lines);
        case.tz = ZONES[round % ZONES.len()];
        case.logtimezone = [None, None, Some("CET"), Some("-0330"), Some("UTC+0100")][round % 5];
        if round % 7 == 3 {
            case.datepattern = Some("{^LN-BEG}".into());
        }
        cases.push(case);
    }
    cases
}

#[test]
fn lines_of_every_format_with_all_sorts_of_surroundings_are_dated_alike() {
    compare(&lives(&mut Dice(1), 150, |dice, _| dice.line()));
}

#[test]
fn logs_that_mix_formats_learn_the_same_order() {
    // A log has a few kinds of lines, each with its date at a place of its own, and some have
    // another date in the message.
    const BEFORE: [&str; 9] = [
        "",
        "",
        "[",
        "- ",
        "x: ",
        "host: ",
        "é é ",
        "a longer one: ",
        "(((",
    ];
    let mut shapes: Vec<(u64, &str, &str)> = Vec::new();
    let mut known = usize::MAX;
    let cases = lives(&mut Dice(2), 150, |dice, round| {
        if known != round {
            known = round;
            shapes.clear();
            for _ in 0..2 + dice.roll(3) {
                let after = dice.pick(&["", " x", "]", ": y", " of T"]);
                shapes.push((dice.0, dice.pick(&BEFORE), after));
            }
        }
        let kind = dice.roll(4).min(dice.roll(4)) as usize % shapes.len();
        let (seed, before, after) = &mut shapes[kind];
        // The same format again, mostly: its dice start where they did, but for the date's numbers.
        let mut own = Dice(*seed);
        if dice.roll(30) == 0 {
            *seed = dice.0;
        }
        let date = own.date();
        let second = if after.contains('T') {
            dice.date()
        } else {
            String::new()
        };
        format!("{before}{date}{}", after.replace('T', &second))
    });
    compare(&cases);
}

#[test]
fn local_times_around_clock_changes_are_what_mktime_makes_of_them() {
    // Each zone with the days (UTC) its clocks change on, spring and autumn.
    let changes: [(&str, &[i64]); 7] = [
        (CET, &[1_111_885_200, 1_130_634_000]),
        ("Europe/Berlin", &[1_111_885_200, 1_130_634_000]),
        ("America/New_York", &[1_112_511_600, 1_130_652_000]),
        ("EST5EDT", &[1_112_511_600, 1_130_652_000]),
        ("Australia/Lord_Howe", &[1_130_599_800, 1_111_849_200]),
        ("Europe/Dublin", &[1_111_885_200, 1_130_634_000]),
        // A day was skipped; the rules were not those of summer time.
        ("Pacific/Apia", &[1_325_239_200, 1_316_872_800]),
    ];
    let mut dice = Dice(3);
    let mut cases = Vec::new();
    for (tz, days) in changes {
        for _ in 0..8 {
            let mut lines = Vec::new();
            for _ in 0..40 {
                let day = days[dice.roll(2) as usize] + (dice.roll(2 * 86_400) as i64 - 86_400);
                let at = if dice.often() {
                    day
                } else {
                    day + 120 * 86_400
                };
                let stamp = jiff::Timestamp::from_second(at).expect("a moment");
                let shift = jiff::tz::offset(dice.roll(25) as i8 - 12);
                let text = shift
                    .to_datetime(stamp)
                    .strftime("%Y-%m-%d %H:%M:%S x")
                    .to_string();
                lines.push((text, NOON as f64));
            }
            let mut case = Case::new(None, lines);
            case.tz = tz;
            cases.push(case);
        }
    }
    compare(&cases);
}
