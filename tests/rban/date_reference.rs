//! Dates against the reference program: the same lines, patterns, zones and moments given to both,
//! and where the date stands, what moment it is, and which template said so compared.
//!
//! Where fail2ban 1.0.2, which is what Debian has, differs from later versions, these win:
//! - a format without separators may have a `-` before its time, and colons in it; the script
//!   below gives 1.0.2 the later pattern;
//! - a pattern with `{EPOCH}` and a group of its own has that group cut, not all it matches; see
//!   `an_epoch_within_a_pattern_is_cut_by_the_patterns_group` in the detector's own tests.
//!
//! And these are ours, where fail2ban would fail on the line:
//! - `%p` that took no part in the match counts as not there: AM;
//! - an unknown abbreviation of a zone in capitals is a date without a moment, as one in small
//!   letters is for fail2ban too.

use rban::date::{Detector, Zone};
use rban::model::Time;
use serde_json::{Value, json};

use crate::date::{Story, stories};
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
        out["regex"] = {t.name.replace("Ex%", "%Ex"): t.regex for t in detector.templates}
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
#[derive(Debug)]
struct Answer {
    /// The text cut, and where it starts.
    cut: Option<(usize, String)>,
    time: Option<Time>,
    template: String,
}

/// Microseconds that Python's floating point numbers lose on epochs of eleven digits.
const LOST: i64 = 2;

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        let near = match (self.time, other.time) {
            (Some(one), Some(two)) => (one - two).micros().abs() <= LOST,
            (one, two) => one == two,
        };
        near && self.cut == other.cut && self.template == other.template
    }
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
            template: name(value[3].as_str()?),
        })
    }
}

/// fail2ban names `%Exk` and `%Exl` after its hash order, differently from run to run.
fn name(theirs: &str) -> String {
    theirs.replace("Ex%", "%Ex")
}

/// Our answers, and our templates' names and regular expressions.
type Ours = (Vec<Option<Answer>>, Vec<(String, String)>);

fn ours(case: &Case, year: i16) -> Result<Ours, String> {
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
    let templates = detector.templates();
    let regexes = templates.map(|template| (template.name.into(), template.regex.into()));
    let regexes = regexes.collect();
    Ok((answers, regexes))
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
        let (ours, regexes) = match (ours(case, year), theirs["error"].as_str()) {
            (Ok(ours), None) => ours,
            (Err(_), Some(_)) => continue,
            (ours, theirs) => {
                let ours = ours.err();
                differences.push(format!("{head}: ours {ours:?}, theirs {theirs:?}"));
                continue;
            }
        };
        for (name, regex) in regexes {
            let theirs = theirs["regex"][&name].as_str();
            // We leave out what is there twice: fail2ban's conditions for epochs always hold.
            if theirs != Some(&regex) && !theirs.is_some_and(|text| text.contains("square")) {
                differences.push(format!("{head} {name}: {regex} is {theirs:?}"));
            }
        }
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
    assert!(
        dated > 0 && found >= dated,
        "the reference program found dates"
    );
    assert!(
        differences.is_empty(),
        "{} differences, the first:\n{}",
        differences.len(),
        differences[..differences.len().min(12)].join("\n")
    );
}

/// The files' own moments are held by `date.rs`; here the reference program agrees with them.
#[test]
fn the_lines_in_files_mean_the_same_to_fail2ban() {
    let case = |story: Story| Case {
        tz: story.tz.leak(),
        logtimezone: story.logtimezone.map(|zone| &*zone.leak()),
        datepattern: story.datepattern,
        lines: story
            .lines
            .into_iter()
            .map(|one| (one.line, story.now as f64))
            .collect(),
    };
    let known = |story: &Story| {
        // Later versions than 1.0.2 cut the group.
        let pattern = story.datepattern.as_deref().unwrap_or_default();
        pattern.contains("({EPOCH})")
    };
    let cases: Vec<Case> = stories()
        .into_iter()
        .filter(|story| !known(story))
        .map(case)
        .collect();
    assert!(cases.len() > 25, "{} stories", cases.len());
    compare(&cases);
}

#[test]
fn every_token_is_read_alike() {
    let now = NOON as f64;
    let lines = |texts: &[&str]| -> Vec<(String, f64)> {
        texts.iter().map(|text| ((*text).into(), now)).collect()
    };
    // One pattern, and lines it should read, misread or leave alone.
    let table: &[(&str, &[&str])] = &[
        (
            "%Y-%m-%d %H:%M:%S",
            &[
                "2005-08-14 11:59:59",
                "1970-01-01 00:00:00",
                "0000-00-00 00:00:00",
                "2005-02-31 10:00:00",
                "2005-8-4 1:2:3",
                "2005-08-14 23:59:60",
                "2005-08-14 23:59:61",
                "9999-12-31 23:59:59",
                "0001-01-01 00:00:00",
                "٢٠٠٥-٠٨-١٤ ١١:٥٩:٥٩",
                "2005-00-10 10:00:00",
                "2005-08-14 24:00:00",
                "x2005-08-14 11:59:59",
                "2005-08-14 11:59:59x",
            ],
        ),
        (
            "%y%m%d %H",
            &["050814 11", "990814 11", "000101 00", "0508141 11"],
        ),
        (
            "%d %B %Y %I:%M:%S %p",
            &[
                "14 august 2005 11:59:59 AM",
                "14 August 2005 12:00:00 PM",
                "14 MAY 2005 12:00:00 am",
                "1 may 2005 01:00:00 pm",
                "14 Aug 2005 1:00:00 pm",
                "14 auguſt 2005 11:00:00 am",
            ],
        ),
        (
            "%d %b %Y %l:%M",
            &[
                "14 Aug 2005 12:30",
                "14 Aug 2005  9:30",
                "14 Aug 2005 19:30",
                "14 Oct 2005 0:30",
                "14 İan 2005 0:30",
            ],
        ),
        (
            "%Exl:%M %p",
            &["12:30 PM", " 1:30 pm", "11:30 AM", "11:30  AM", "0:30 pm"],
        ),
        (
            "%Exk:%ExM:%ExS",
            &["3:04:05", " 3:04:05", "03:4:05", "23:59:60", "19:59:59"],
        ),
        ("%k:%M", &["29:00", " 9:00", "19:00", "12:00", "12:01"]),
        (
            "%A %U %Y %H",
            &[
                "sunday 33 2005 10",
                "Monday 00 2005 10",
                "friday 53 2005 23",
                "Sunday 0 2006 1",
            ],
        ),
        (
            "%a %W %Y %H",
            &[
                "Sun 33 2005 10",
                "mon 00 2005 10",
                "fri 53 2005 23",
                "Sat 52 2005 1",
            ],
        ),
        (
            "%w %W %Y",
            &["0 33 2005", "6 01 2005", "1 01 2005", "7 01 2005"],
        ),
        ("%w %U", &["0 33", "6 01", "1 52"]),
        (
            "%j %Y",
            &[
                "226 2005", "366 2005", "366 2004", "001 2005", "1 2005", "000 2005", "367 2005",
            ],
        ),
        ("%j %H:%M", &["226 11:00", "227 13:00", "360 11:00"]),
        ("%m %H:%M", &["8 11:00"]),
        ("%d %H:%M", &["14 11:00"]),
        ("%m %j %Y", &["8 100 2005"]),
        ("%G %V %u %H:%M", &["2005 33 7 11:00"]),
        (
            "%c",
            &["Sun Aug 14 11:59:59 2005", "Sun Aug  4 1:59:59 2005"],
        ),
        ("%x %X", &["08/14/05 11:59:59", "8/4/99 1:2:3"]),
        ("%f %H:%M:%S.%f", &["1 11:59:59.123"]),
        (
            "%H:%M:%S.%f",
            &[
                "11:59:59.123456",
                "11:59:59.1234567",
                "13:59:59.1",
                "12:00:00.5",
                "12:00:01.5",
            ],
        ),
        (
            "%Y %Z",
            &[
                "2005 CET",
                "2005 Z",
                "2005 UTC",
                "2005 NOPE",
                "2005 ABCDE",
                "2005 EST5",
                "2005 cet",
            ],
        ),
        (
            "%H:%M %z",
            &[
                "11:00 +0200",
                "11:00 -0200",
                "09:59 UTC",
                "10:01 Z",
                "11:00 +02:00",
                "11:00 +02",
                "11:00 +1999",
                "11:00 +2000",
                "01:00 +1200",
                "23:00 -1200",
                "11:00 GMT",
            ],
        ),
        (
            "%b %d %H:%M %z",
            &[
                "Jan 01 00:30 +0200",
                "Aug 15 11:00 -0500",
                "Dec 31 23:00 -0500",
                "Feb 29 11:00 Z",
            ],
        ),
        (
            "%b %d %H:%M %Exz",
            &[
                "Aug 14 11:00 CEST",
                "Aug 14 11:00 CET+0100",
                "Aug 14 11:00 A",
                "Aug 14 11:00 UTC-03:30",
                "Aug 14 11:00 x",
                "Aug 14 11:00 est",
            ],
        ),
        (
            "%ExZ %ExY-%Exm-%Exd",
            &[
                "CET 2005-08-14",
                "AB 2005-08-14",
                "NOPE 2005-08-14",
                "Y 2005-8-14",
            ],
        ),
        (
            "%Exy%Exm%Exd",
            &["050814", "991231", "050800", "050832", "0508141"],
        ),
        (
            r"(?P<y>\d+)-(?P<m>\d+)-(?P<d>\d+)",
            &[
                "2000-1-1",
                "2001-1-1",
                "5-1-1",
                "99-12-31",
                "123456789012345678901234567890-1-1",
            ],
        ),
        ("%%Y", &["%Y", "2005"]),
        ("%%b %Y", &["%b 2005", "%B 2005"]),
        ("%Y %q", &["2005 q"]),
        ("100% %Y", &["100% 2005"]),
        ("%Y %", &["2005 %"]),
        ("%Y %Y", &["2005 2005"]),
        ("%Y (%ExY", &["2005 2005"]),
        ("stamp=(%H:%M):%S", &["stamp=11:59:58 x", "xstamp=11:59:58"]),
        ("^%H:%M$", &["11:59", "11:59 x", " 11:59"]),
        ("%H:%M$", &["x 11:59", "11:59 x"]),
        (r"%H:%M", &["11:59x", "11:59 x"]),
        (r"%H:%M\s", &["11:59x", "11:59 x", "x11:59 y"]),
        ("**%H:%M**", &["x11:59x", "1111:5911"]),
        ("**(%H:%M)**", &["x11:59x"]),
        ("(**%H:%M**)", &["x11:59x"]),
        ("(^%H:%M)", &["11:59 x", " 11:59"]),
        ("(?:^|x)%H:%M", &["11:59 x", "x11:59", "y11:59"]),
        ("{UNB}%H:%M", &["x11:59x", "1111:5911"]),
        ("{UNB}%b %H:%M", &["xJAN 11:59x"]),
        (
            "{^LN-BEG}%H:%M",
            &["11:59", "[[11:59", "[[[11:59", "x11:59", "[11:59x"],
        ),
        ("{^LN-BEG}^%H:%M", &["11:59", "[11:59"]),
        ("(?i)x%H:%M", &["X11:59", "x11:59"]),
        ("x(?i)%H:%M", &["X11:59", "x11:59"]),
        ("[(]%H:%M", &["(11:59", "11:59"]),
        (r"\(%H:%M\)", &["(11:59)", "11:59"]),
        (r"(?P<_q>['|])%Y(?P=_q)", &["'2005'", "'2005|", "x|2005|"]),
        (r"(?<!x)%Y(?! y)", &["x2005", "2005 y", "2005 z"]),
        (r"^(a)?%Y", &["2005", "a2005"]),
        (r"^x()**", &["x11:59", "y"]),
        ("{NONE}", &["11:59", "2005-08-14 11:59:59"]),
        ("{none}", &["11:59"]),
        ("nodate", &["a nodate b", "date"]),
        (
            "EPOCH",
            &[
                "1124013599",
                "1124013599.5",
                "1124013599.500",
                "1124013599.1234567",
                "[1124013599]",
                "[1124013599",
                " 1124013599",
                "x[1124013599]",
                "audit(1124013599.123:12)",
                "msg=audit(1124013599.123)",
                "xaudit(1124013599:1)",
                "112401359",
                "11240135991",
                "112401359912",
                "1124013599x",
                "١١٢٤٠١٣٥٩٩",
            ],
        ),
        ("epoch", &["1124013599"]),
        (
            "^EPOCH",
            &[
                "1124013599",
                "[1124013599.500",
                "[[1124013599",
                "x1124013599",
            ],
        ),
        ("{^LN-BEG}EPOCH", &["1124013599", "<<1124013599"]),
        (
            "LEPOCH",
            &[
                "1124013599",
                "1124013599123",
                "1124013599123.5",
                "1124013599123.123456",
                "1124013599123456",
                "11240135991234567",
                "11240135991234",
                "[1124013599123]",
            ],
        ),
        (
            "{^LN-BEG}LEPOCH",
            &["1124013599123456", " 1124013599", "x1124013599"],
        ),
        (
            "t={EPOCH},",
            &["t=1124013599,", "t=1124013599.123,", "t=1,"],
        ),
        (
            r"(?<=\|\s){LEPOCH}(?=\s\|)",
            &["x | 1124013599123 | y", "x |1124013599123| y"],
        ),
        ("t={lepoch} %Y", &["t=1124013599123 2005"]),
        (r"\{EPOCH}", &["{EPOCH}", "1124013599"]),
        ("{EPOCH} {EPOCH}", &["1124013599 1124013590"]),
        (
            "TAI64N",
            &[
                "@4000000042ff14df00000000",
                "x @4000000042ff14df12345678 y",
                "@4000000042ff14df0000000",
                "@4000000042FF14DF00000000",
                "@400000004ffffffff0000000",
                "@ffffffffffffffffffffffff",
            ],
        ),
        (
            "{^LN-BEG}TAI64N",
            &["@4000000042ff14df00000000", "x @4000000042ff14df00000000"],
        ),
        (
            "^tai64n",
            &["@4000000042ff14df00000000", "x@4000000042ff14df00000000"],
        ),
        (
            "{DATE}",
            &[
                "2005-08-14 11:59:59 x",
                "x 14/Aug/2005:11:59:59 +0200",
                "[1124013599]",
                "@4000000042ff14df00000000",
                "Aug 14 11:59:59",
                "x 11:59:58",
            ],
        ),
        (
            r"^\[({DATE})",
            &[
                "[2005-08-14 11:59:59 x",
                "[Aug 14 11:59:59]",
                "x[Aug 14 11:59:59]",
                "[Epoch",
                "[1124013599",
                "[TAI64N",
            ],
        ),
        (
            r"^<\d+>\d+\s+{DATE}",
            &[
                "<13>1 2005-08-14T11:59:59+02:00 host",
                "<13>1 Aug 14 11:59:59",
            ],
        ),
        (
            "{^LN-BEG}{DATE}",
            &["[2005-08-14 11:59:59", "x 2005-08-14 11:59:59"],
        ),
        ("a {date} b", &["a 2005-08-14 11:59:59 b", "a 11:59:58 b"]),
        (r"x \{DATE}", &["x {DATE}"]),
        ("{DEFAULT}", &["x 2005-08-14 11:59:59 x"]),
        (
            "{^LN-BEG}",
            &["2005-08-14 11:59:59 x", "x 2005-08-14 11:59:59 x"],
        ),
        (
            "{^ln-beg}
%H:%M",
            &["11:59:59 x", "x 11:58 x"],
        ),
        (
            "%H:%M
{^LN-BEG}
{DEFAULT}",
            &["11:59:59 x", "x 11:58 x"],
        ),
        (
            "%H:%M
%Y

  %j  ",
            &["x 11:59", "2005", "226"],
        ),
        (
            "%H:%M
%H:%M",
            &["11:59"],
        ),
        (
            "%H:%M
{DATE}",
            &["11:59", "2005-08-14 11:59:59"],
        ),
        // A first match one character inside is not yet held back.
        (
            "%H:%M
-%H:%M",
            &["-11:59", "-11:58"],
        ),
        // The seventh of one, or of the other.
        (
            "%d-%m-%Y
%m-%d-%Y",
            &["07-13-2005", "13-07-2005", "07-07-2005", "x: 07-07-2005"],
        ),
    ];
    let cases = |(pattern, texts): &(&str, &[&str])| Case::new(Some(pattern), lines(texts));
    let mut cases: Vec<Case> = table.iter().map(cases).collect();
    // Each line also on its own, so that none hides behind the one before.
    for (pattern, texts) in table {
        cases.extend(
            texts
                .iter()
                .map(|text| Case::new(Some(pattern), lines(&[*text]))),
        );
    }
    compare(&cases);
}

#[test]
fn what_mktime_remembers_across_seasons_is_remembered() {
    // The hour that was skipped, high summer, the hour that came twice, winter, that hour again.
    let lines = [
        "2005-03-27 02:30:00",
        "2005-07-14 12:00:00",
        "2005-10-30 01:30:00",
        "2005-12-24 12:00:00",
        "2005-10-30 01:30:00",
        "2005-07-14 12:00:01",
        "2005-10-30 01:30:01",
    ];
    let lines = lines.map(|line| (line.to_owned(), NOON as f64));
    compare(&[Case::new(None, lines)]);
}

#[test]
fn years_days_and_leap_days_are_guessed_alike() {
    let mut cases = Vec::new();
    for &moment in MOMENTS {
        for (number, tz) in ZONES.iter().enumerate() {
            let mut lines = Vec::new();
            for day in [
                "Jan  1", "Dec 31", "Feb 28", "Feb 29", "Mar  1", "Aug 14", "Aug 15", "Oct 30",
            ] {
                for time in ["00:00:00", "02:30:00", "11:59:59", "12:00:01", "23:59:59"] {
                    lines.push((format!("{day} {time} host x"), moment as f64 + 0.5));
                }
            }
            for time in ["00:00:00", "02:30:00", "12:00:00", "12:00:01", "23:59:59"] {
                lines.push((format!("{time} x"), moment as f64 - 0.5));
            }
            let mut case = Case::new(None, lines);
            case.tz = tz;
            case.logtimezone = [None, Some("CET"), None, Some("-0330"), Some("Y")][number];
            cases.push(case);
        }
    }
    compare(&cases);
}

#[test]
fn zones_are_accepted_refused_and_reckoned_alike() {
    let mut cases = Vec::new();
    for zone in [
        "",
        "Z",
        "CET",
        "CET+0100",
        "UTC-03:30",
        "+01",
        "-1200",
        "+19",
        "+20",
        "CE",
        "cet",
        "NOPE",
        "+1",
        "+010",
        "CETX",
        "A",
        "J",
        "Y",
        "NST",
        "CHST",
    ] {
        let mut case = Case::new(None, [("2005-08-14 12:00:00 x".to_owned(), NOON as f64)]);
        case.logtimezone = Some(zone);
        cases.push(case);
    }
    for tz in [
        "",
        "UTC",
        ":Europe/Berlin",
        "/usr/share/zoneinfo/Asia/Tokyo",
        "EST5EDT4,M3.2.0/2,M11.1.0/2",
        "<+0330>-3:30",
        "No/Such",
        "nonsense",
        "XYZ3",
        "AAA-14",
        "Europe/Dublin",
        "America/St_Johns",
    ] {
        for month in ["01", "04", "07", "11"] {
            let mut case = Case::new(None, [(format!("2005-{month}-04 12:00:00 x"), NOON as f64)]);
            case.tz = tz;
            cases.push(case);
        }
    }
    compare(&cases);
}

/// Every stock filter's `datepattern`, with the lines fail2ban's tests have for that filter.
const SAMPLES: &str = r#"
import glob, json, logging, os
import fail2ban.tests
from fail2ban.client.filterreader import FilterReader

logging.disable(logging.CRITICAL)
logs = os.path.join(os.path.dirname(fail2ban.tests.__file__), "files", "logs")
cases = []
for path in sorted(glob.glob(os.path.join(logs, "*"))):
    name = os.path.basename(path)
    if not os.path.isfile(path) or not os.path.exists("/etc/fail2ban/filter.d/%s.conf" % name):
        continue
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line.rstrip("\r\n") for line in file if line.strip() and line[:1] != '#']
    reader = FilterReader(name, "jail", {}, basedir="/etc/fail2ban")
    reader.read()
    reader.getOptions(None)
    pattern = reader.getCombined().get("datepattern")
    cases.append([name, pattern, lines])
print(json.dumps(cases))
"#;

#[test]
fn the_stock_filters_patterns_find_the_dates_of_the_stock_samples() {
    let Some(told) = python(SAMPLES) else { return };
    let mut cases = Vec::new();
    for sample in told.as_array().expect("a list") {
        let lines = sample[2].as_array().expect("lines");
        let line = |line: &Value| (line.as_str().expect("text").to_owned(), NOON as f64);
        cases.push(Case::new(sample[1].as_str(), lines.iter().map(line)));
    }
    assert!(
        cases.len() > 80,
        "the samples are installed: {}",
        cases.len()
    );
    compare(&cases);
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

/// Every token of a pattern but those that mean several.
const TOKENS: &[&str] = &[
    "%Y", "%y", "%ExY", "%Exy", "%m", "%Exm", "%d", "%Exd", "%b", "%B", "%a", "%A", "%H", "%ExH",
    "%k", "%Exk", "%I", "%l", "%Exl", "%p", "%M", "%ExM", "%S", "%ExS", "%f", "%z", "%Z", "%ExZ",
    "%Exz", "%j", "%U", "%W", "%w", "%u", "%G", "%V", "%%",
];
/// Usual orders of tokens.
const ORDERS: &[&[&str]] = &[
    &["%Y", "%m", "%d", "%H", "%M", "%S"],
    &["%ExY", "%Exm", "%Exd", "%ExH", "%ExM", "%ExS", "%f"],
    &["%d", "%b", "%Y", "%H", "%M", "%S", "%z"],
    &["%a", "%b", "%d", "%k", "%M", "%S"],
    &["%b", "%d", "%H", "%M", "%S", "%Z"],
    &["%m", "%d", "%y", "%I", "%M", "%S", "%p"],
    &["%d", "%B", "%Exy", "%l", "%M", "%p"],
    &["%Y", "%j", "%H", "%M"],
    &["%Y", "%U", "%w", "%H"],
    &["%Y", "%W", "%A", "%H", "%M"],
    &["%G", "%V", "%u", "%H"],
    &["%H", "%M", "%S"],
    &["%m", "%d"],
    &["%Y", "%m", "%d"],
    &["%Y", "%m", "%d", "%H", "%M", "%S", "%Exz"],
    &["%Y", "%m", "%d", "%H", "%M", "%S", "%ExZ"],
];
const SPECIAL: &[&str] = &[
    "EPOCH",
    "LEPOCH",
    "^EPOCH",
    "{^LN-BEG}EPOCH",
    "{^LN-BEG}LEPOCH",
    "Epoch",
    "{^LN-BEG}Epoch",
    "TAI64N",
    "{^LN-BEG}TAI64N",
    "{NONE}",
    "^x {EPOCH}",
    "\\[{LEPOCH}\\]",
    "{DATE}",
    "^x{DATE}",
    "{DEFAULT}",
    "{^LN-BEG}",
];

impl Dice {
    /// A text that a token reads, mostly.
    fn token(&mut self, token: &str) -> String {
        let name = |own: &mut Self, names: &[&str]| own.pick(names).to_owned();
        match token {
            "%Y" | "%ExY" | "%G" => (2000 + self.number(0, 28)).to_string(),
            "%y" | "%Exy" => format!("{:02}", self.number(0, 30)),
            "%m" => self.number(1, 12).to_string(),
            "%Exm" => format!("{:02}", self.number(1, 12)),
            "%d" => self.number(1, 31).to_string(),
            "%Exd" => format!("{:02}", self.number(1, 31)),
            "%b" => name(self, &["Jan", "feb", "AUG", "Sep", "Dec", "Foo"]),
            "%B" => name(self, &["January", "february", "AUGUST", "May"]),
            "%a" => name(self, &["Sun", "mon", "TUE", "Wed", "Sat"]),
            "%A" => name(self, &["Sunday", "monday", "FRIDAY"]),
            "%H" | "%k" => self.number(0, 23).to_string(),
            "%ExH" | "%Exk" => format!("{:02}", self.number(0, 23)),
            "%I" | "%l" => self.number(1, 12).to_string(),
            "%Exl" => format!("{:02}", self.number(1, 12)),
            "%p" => name(self, &["AM", "pm", "PM", "am"]),
            "%M" | "%S" => self.number(0, 59).to_string(),
            "%ExM" | "%ExS" => format!("{:02}", self.number(0, 59)),
            "%f" => self.roll(1_000_000).to_string(),
            "%z" => name(self, &["Z", "UTC", "GMT", "+0100", "-03:30", "+02"]),
            "%Z" => name(self, &["CET", "Z", "EST", "UTC", "CEST"]),
            "%ExZ" | "%Exz" => name(self, &["CET", "Z", "A", "EST", "PDT"]),
            "%j" => format!("{:03}", self.number(1, 366)),
            "%U" | "%W" | "%V" => format!("{:02}", self.number(0, 53)),
            "%w" => self.roll(7).to_string(),
            "%u" => (1 + self.roll(7)).to_string(),
            _ => "%".into(),
        }
    }

    /// A pattern of one's own, and a way to write dates that it reads.
    fn own_pattern(&mut self) -> (String, Vec<(String, String)>) {
        if self.roll(7) == 0 {
            return (self.pick(SPECIAL).to_owned(), Vec::new());
        }
        let tokens: Vec<&str> = match self.roll(3) {
            0 => (0..=self.roll(5)).map(|_| self.pick(TOKENS)).collect(),
            _ => ORDERS[self.roll(ORDERS.len() as u64) as usize].to_vec(),
        };
        let mut pattern = self
            .pick(&[
                "",
                "",
                "",
                "^",
                "{^LN-BEG}",
                "**",
                "{UNB}",
                "\\[",
                "(?:x )?",
                "at (",
            ])
            .to_owned();
        let closes = pattern.ends_with('(');
        let mut pieces = Vec::new();
        for token in tokens {
            // As a pattern, and as a text.
            let (between, text) = [
                ("-", "-"),
                (" ", " "),
                (":", ":"),
                ("\\s+", " "),
                ("[ :]?", ":"),
                (", ", ", "),
                ("T", "T"),
                ("", ""),
            ][self.roll(8) as usize];
            pattern.push_str(token);
            pattern.push_str(between);
            pieces.push((token.to_owned(), text.to_owned()));
        }
        pattern.push_str(if closes { ")" } else { "" });
        pattern.push_str(self.pick(&["", "", "", "", "$", "**", "\\b", "\\]"]));
        (pattern, pieces)
    }
}

/// Patterns put together from all tokens, each read from lines that are written for it, mostly.
/// `RBAN_SEED` begins elsewhere, `RBAN_COUNT` goes on for longer.
#[test]
fn generated_patterns_read_dates_alike() {
    let (first, count) = crate::support::share("RBAN_SEED", "RBAN_COUNT", 400);
    let mut cases = Vec::new();
    for seed in first..first + count {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut pattern, pieces) = dice.own_pattern();
        if dice.roll(5) == 0 {
            let (other, _) = dice.own_pattern();
            pattern = format!("{pattern}\n{other}");
        }
        let mut lines = Vec::new();
        let mut now = MOMENTS[dice.roll(MOMENTS.len() as u64) as usize] as f64;
        for _ in 0..20 {
            let date = match pieces.is_empty() || dice.roll(6) == 0 {
                true => dice.date(),
                false => pieces
                    .iter()
                    .map(|(token, between)| dice.token(token) + between)
                    .collect(),
            };
            let before = dice.pick(&["", "", "", "[", "x ", "at ", "x: ", "é ", "x"]);
            let after = dice.pick(&["", " y", "]", "] y", ": y", "y", "."]);
            lines.push((format!("{before}{date}{after}"), now));
            now += dice.roll(40) as f64;
        }
        let mut case = Case::new(Some(&pattern), lines);
        case.tz = ZONES[dice.roll(ZONES.len() as u64) as usize];
        case.logtimezone = [None, None, Some("CET"), Some("UTC-0330")][dice.roll(4) as usize];
        cases.push(case);
    }
    compare(&cases);
}
