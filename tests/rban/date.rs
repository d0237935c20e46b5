//! Lines in `tests/date/*.txt` and the moments they mean; the format is described there.

use std::fs;
use std::path::Path;

use rban::date::{Detector, Found, Zone};
use rban::model::Time;

use crate::reference;

const NOON: &str = "1124013600";
const YEAR: i16 = 2026;

/// A line with what is expected of it.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    place: String,
    verdict: String,
    pub(crate) line: String,
    cut: Option<(usize, usize)>,
}

/// Lines for one detector.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) tz: String,
    pub(crate) now: i64,
    pub(crate) logtimezone: Option<String>,
    pub(crate) datepattern: Option<String>,
    pub(crate) lines: Vec<Expected>,
}

impl Story {
    fn first() -> Self {
        Self {
            tz: "CET-1CEST,M3.5.0,M10.5.0/3".into(),
            now: NOON.parse().expect("a number"),
            logtimezone: None,
            datepattern: None,
            lines: Vec::new(),
        }
    }

    fn set(&mut self, setting: &str, after_setting: bool) {
        let (name, value) = setting.split_once(' ').unwrap_or((setting, ""));
        let some = (!value.is_empty()).then(|| value.to_owned());
        match name {
            "tz" => self.tz = value.into(),
            "now" => self.now = value.parse().expect("seconds"),
            "logtimezone" => self.logtimezone = some,
            "datepattern" => match &mut self.datepattern {
                Some(patterns) if after_setting => {
                    patterns.push('\n');
                    patterns.push_str(value);
                }
                pattern => *pattern = some,
            },
            other => panic!("no setting is called {other}"),
        }
    }

    fn detector(&self) -> Detector {
        let zone = Zone::local(Some(&self.tz));
        let zone = match &self.logtimezone {
            Some(log) => zone.with_offset(log).expect("a zone"),
            None => zone,
        };
        Detector::new(self.datepattern.as_deref(), &zone, YEAR).expect("a pattern")
    }
}

/// All stories of the folder.
pub(crate) fn stories() -> Vec<Story> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/date");
    let mut stories = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            stories.extend(read(&name, &fs::read_to_string(&path).expect("text")));
        }
    }
    stories
}

fn read(file: &str, text: &str) -> Vec<Story> {
    let mut stories = vec![Story::first()];
    let mut last_was_setting = false;
    for (number, line) in text.lines().enumerate() {
        let story = stories.last_mut().expect("a story");
        let begins = line.is_empty() || (line.starts_with('@') && !last_was_setting);
        if begins && !story.lines.is_empty() {
            let mut next = story.clone();
            next.lines.clear();
            stories.push(next);
        }
        let story = stories.last_mut().expect("a story");
        match line.strip_prefix('@') {
            Some(setting) => story.set(setting, last_was_setting),
            None if line.is_empty() || line.starts_with('#') => {}
            None => story
                .lines
                .push(expected(&format!("{file}:{}", number + 1), line)),
        }
        last_was_setting = line.starts_with('@');
    }
    stories
}

fn expected(place: &str, text: &str) -> Expected {
    let mut columns = text.split('\t');
    let verdict = columns.next().unwrap_or_default().to_owned();
    let marked = columns.next().unwrap_or_else(|| panic!("{place}: no line"));
    let start = marked.find('‹');
    let end = marked.find('›').map(|end| end - '‹'.len_utf8());
    Expected {
        place: place.into(),
        verdict,
        line: marked.replace(['‹', '›'], ""),
        cut: start.zip(end),
    }
}

/// What a detector found, in the words of the files.
fn verdict(found: Option<&Found>) -> String {
    match found {
        None => "none".into(),
        Some(found) if found.cut.is_empty() => "empty".into(),
        Some(found) => match found.time {
            None => "bad".into(),
            Some(time) if time == Time::from_secs(time.secs()) => time.secs().to_string(),
            Some(time) => {
                let fraction = format!("{:06}", time.micros().rem_euclid(1_000_000));
                format!("{}.{}", time.secs(), fraction)
            }
        },
    }
}

#[test]
fn lines_have_the_moments_written_beside_them() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for story in stories() {
        let mut detector = story.detector();
        for expected in &story.lines {
            count += 1;
            let found = detector.find(&expected.line, Time::from_secs(story.now));
            let cut = found
                .as_ref()
                .map(|found| (found.cut.start, found.cut.end))
                .filter(|(start, end)| start < end);
            let verdict = verdict(found.as_ref());
            let same = match (verdict.parse::<f64>(), expected.verdict.parse::<f64>()) {
                (Ok(ours), Ok(theirs)) => ours == theirs,
                _ => verdict == expected.verdict,
            };
            if !same || cut != expected.cut {
                wrong.push(format!(
                    "{}: {:?} is {verdict} {cut:?}, not {} {:?}",
                    expected.place, expected.line, expected.verdict, expected.cut
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 90, "only {count} lines were read");
}

/// The table of abbreviations is fail2ban's, but for those no pattern lets through.
#[test]
fn abbreviations_of_zones_mean_what_they_mean_to_fail2ban() {
    let script = r#"
import json
from fail2ban.server.strptime import TZ_ABBR_OFFS
print(json.dumps({str(name): minutes for name, minutes in TZ_ABBR_OFFS.items() if name}))
"#;
    let Some(theirs) = reference::python(script) else {
        return;
    };
    let theirs = theirs.as_object().expect("a table");
    assert!(theirs.len() > 200);
    let now = Time::from_secs(NOON.parse().expect("a number"));
    for (name, minutes) in theirs {
        let zone = Zone::local(Some("UTC")).with_offset(name);
        let lets_through =
            matches!(name.len(), 1 | 3..=5) && name.chars().all(|c| c.is_ascii_uppercase());
        if !lets_through {
            assert!(zone.is_err(), "{name}");
            continue;
        }
        let mut detector = Detector::new(None, &zone.expect(name), YEAR).expect("defaults");
        let found = detector.find("2005-08-14 10:00:00 x", now).expect("a date");
        let east = found.time.map(|time| (now.secs() - time.secs()) / 60);
        assert_eq!(east, minutes.as_i64(), "{name}");
    }
}
