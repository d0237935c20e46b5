//! The reference program's sample logs, judged by our engine with its own filters.
//!
//! Each sample line is replayed in file order with every set of options its file asks for. Two
//! judges must agree with us: what the file says (`failJSON`), and what the reference program itself
//! makes of the line when asked for it here: same regular expression, ID, time, data and lines.

mod twisted;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rban::config::{Config, Disk, Facts, Firewall, Inputs, Spec};
use rban::date::Zone;
use rban::filter::{Dated, Entry, Filter, Moment, Reading, Verdict};
use rban::model::{
    Captured, Datum, FailId, Failure, FilterSettings, MatchedLine, Origin, Span, Time, UseDns,
};
use serde_json::{Map, Value, json};

use crate::reference;

const TESTS: &str = "/usr/lib/python3/dist-packages/fail2ban/tests";
/// The zone and the moment the samples are dated for.
const ZONE: &str = "CET-01CEST-02,M3.5.0,M10.5.0";
const NOW: Time = Time::from_secs(1_124_013_600);
const NOW_TEXT: &str = "2005-08-14T10:00:00";
/// Years in the samples reach beyond 2005.
const YEAR: i16 = 2026;

/// A filter with options: what a sample line is judged by.
#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    name: String,
    options: Map<String, Value>,
}

/// One sample line under one set of options.
#[derive(Clone, Debug)]
struct Step {
    file: PathBuf,
    number: usize,
    /// Index into the list of filters.
    filter: usize,
    line: String,
    journal: bool,
    expected: Map<String, Value>,
}

/// The filters a line is judged by, each by its index and with its options.
type Tests = Vec<(usize, Map<String, Value>)>;

/// All sample lines of a filter, with the filters they are judged by.
#[derive(Debug, Default)]
struct Plan {
    filters: Vec<Wanted>,
    steps: Vec<Step>,
}

impl Plan {
    /// Reads the samples of filter `name`.
    fn read(&mut self, name: &str) {
        let mut files = vec![name.to_owned()];
        let mut at = 0;
        let mut common = Map::new();
        let mut tests = Tests::new();
        // Options are compared within this filter only, as the reference program does.
        let first_filter = self.filters.len();
        while at < files.len() {
            let file = Path::new(TESTS).join("files/logs").join(&files[at]);
            at += 1;
            let bytes = fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            let text = String::from_utf8_lossy(&bytes);
            let mut expected = None;
            let mut skipping = false;
            for (number, line) in text.split_terminator('\n').enumerate() {
                if expected.is_none() {
                    match directive(line) {
                        Some(("failJSON", value)) => {
                            expected = Some(object(&value));
                            continue;
                        }
                        Some(("fileOptions", value)) => {
                            common = object(&value);
                            continue;
                        }
                        Some(("filterOptions", value)) => {
                            (tests, skipping) = self.options(name, first_filter, &common, &value);
                            continue;
                        }
                        Some((_, value)) => {
                            files.push(value.as_str().expect("a file name").to_owned());
                            continue;
                        }
                        None if line.starts_with('#') || line.trim().is_empty() => continue,
                        None => {}
                    }
                }
                let expected = expected.take().unwrap_or_default();
                if skipping {
                    continue;
                }
                if tests.is_empty() {
                    let filter = self.filter(name, first_filter, &Map::new());
                    tests.push((filter, Map::new()));
                }
                let line = line.trim_end_matches(['\r', '\n']);
                self.line(name, (&file, number + 1, line), &tests, &expected);
            }
        }
    }

    /// The filters of a `filterOptions` directive, and whether its lines are to be left out.
    fn options(
        &mut self,
        name: &str,
        first: usize,
        common: &Map<String, Value>,
        value: &Value,
    ) -> (Tests, bool) {
        let mut tests = Tests::new();
        let mut skipping = false;
        let sets = match value {
            Value::Array(sets) => sets.iter().map(object).collect(),
            one => vec![object(one)],
        };
        for set in sets {
            let mut options = common.clone();
            options.extend(set);
            if let Some(condition) = options.get("test.condition").and_then(Value::as_str) {
                skipping = !holds(condition, name, &options);
            }
            if !skipping {
                tests.push((self.filter(name, first, &options), options));
            }
        }
        (tests, skipping)
    }

    fn filter(&mut self, name: &str, first: usize, options: &Map<String, Value>) -> usize {
        let options = options.iter().filter(|(key, _)| !key.starts_with("test."));
        let wanted = Wanted {
            name: name.to_owned(),
            options: options.map(|(k, v)| (k.clone(), v.clone())).collect(),
        };
        let known = self.filters[first..]
            .iter()
            .position(|other| *other == wanted);
        known.map_or_else(
            || {
                self.filters.push(wanted);
                self.filters.len() - 1
            },
            |place| first + place,
        )
    }

    fn line(
        &mut self,
        name: &str,
        (file, number, line): (&Path, usize, &str),
        tests: &[(usize, Map<String, Value>)],
        expected: &Map<String, Value>,
    ) {
        let mut line = line.to_owned();
        for (filter, options) in tests {
            let constraint = expected.get("constraint").and_then(Value::as_str);
            if constraint.is_some_and(|constraint| !holds(constraint, name, options)) {
                continue;
            }
            let journal = options.get("logtype").and_then(Value::as_str) == Some("journal");
            if journal && let Some(Value::String(prefix)) = options.get("test.prefix-line") {
                // Like the reference program, which prepends it anew for each set of options.
                line = format!("{prefix}{line}");
            }
            self.steps.push(Step {
                file: file.to_owned(),
                number,
                filter: *filter,
                line: line.clone(),
                journal,
                expected: expected.clone(),
            });
        }
    }
}

/// `# failJSON: …` and its like: which, and the JSON.
fn directive(line: &str) -> Option<(&str, Value)> {
    let rest = line.strip_prefix('#')?.trim_start_matches('#');
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let known = ["failJSON", "fileOptions", "filterOptions", "addFILE"];
    let (word, json) = rest.split_once(':')?;
    let word = known.into_iter().find(|known| *known == word)?;
    let value = serde_json::from_str(json).unwrap_or_else(|e| panic!("{line}: {e}"));
    Some((word, value))
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().expect("a JSON object").clone()
}

/// The conditions that occur in the samples: `name == 'x'`, `opts.get('x') == 'y'`, `… != 'y'`.
fn holds(condition: &str, name: &str, options: &Map<String, Value>) -> bool {
    let (left, right, equal) = match condition.split_once("!=") {
        Some((left, right)) => (left, right, false),
        None => {
            let (left, right) = condition.split_once("==").expect(condition);
            (left, right, true)
        }
    };
    let left = match left.trim() {
        "name" => name,
        other => {
            let key = other
                .strip_prefix("opts.get('")
                .and_then(|rest| rest.strip_suffix("')"))
                .expect(condition);
            options.get(key).and_then(Value::as_str).unwrap_or_default()
        }
    };
    (left == right.trim().trim_matches('\'')) == equal
}

/// The settings of filters, read by our reader; the reference program's must have found the same.
fn resolve(
    plan: &Plan,
    folders: &BTreeMap<String, PathBuf>,
    answer: &Value,
) -> Vec<FilterSettings> {
    let facts = Facts {
        firewall: Firewall::Nftables,
        fail2ban_version: "1.1.1".into(),
    };
    let mut configs: BTreeMap<&Path, Config<'_>> = BTreeMap::new();
    let theirs = answer["filters"].as_array().expect("filters");
    let mut all = Vec::new();
    for (wanted, theirs) in plan.filters.iter().zip(theirs) {
        let folder = folders[&wanted.name].as_path();
        let config = configs.entry(folder).or_insert_with(|| {
            Config::read(&Disk, &Inputs::only(folder, facts.clone())).expect("a configuration")
        });
        let text = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        let options = wanted.options.iter();
        let spec = Spec {
            name: wanted.name.clone(),
            options: options
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
        };
        let settings = config.try_filter(&spec, "auto").expect("a filter").settings;
        let texts = |list: &[(String, Origin)]| -> Vec<String> {
            list.iter().map(|(text, _)| text.clone()).collect()
        };
        let ours = json!({
            "prefregex": settings.prefregex, "failregex": texts(&settings.failregex),
            "ignoreregex": texts(&settings.ignoreregex), "datepattern": settings.datepattern,
            "maxlines": settings.maxlines,
        });
        assert_eq!(ours, *theirs, "{}{:?}", wanted.name, wanted.options);
        all.push(settings);
    }
    all
}

/// Asks the reference program for the filters' settings and for its verdict on each step.
fn ask(plan: &Plan, folders: &BTreeMap<String, PathBuf>) -> Option<Value> {
    let filters: Vec<Value> = plan
        .filters
        .iter()
        .map(|wanted| json!([wanted.name, folders[&wanted.name], wanted.options]))
        .collect();
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| json!([step.filter, step.line, step.journal]))
        .collect();
    let question = json!({ "filters": filters, "steps": steps }).to_string();
    let hex: String = question.bytes().map(|byte| format!("{byte:02x}")).collect();
    let script = "
import json, logging, signal
from fail2ban.client.filterreader import FilterReader
from fail2ban.server.filter import Filter
from fail2ban.server.ipdns import DNSUtils
from fail2ban.server.mytime import MyTime
logging.getLogger('fail2ban').setLevel(100)
MyTime.setTime(NOW)
class Slow(BaseException): pass
def slow(*_): raise Slow
signal.signal(signal.SIGVTALRM, slow)
question = json.loads(bytes.fromhex(QUESTION))
settings, filters = [], []
for name, folder, options in question['filters']:
    reader = FilterReader(name, 'jail', options, basedir=folder)
    reader.read()
    reader.getOptions({})
    found = {'prefregex': None, 'failregex': [], 'ignoreregex': [], 'maxlines': 1,
        'datepattern': None}
    keys = {'addfailregex': 'failregex', 'addignoreregex': 'ignoreregex'}
    for entry in reader.convert():
        key = keys.get(entry[2], entry[2])
        if key in keys.values():
            found[key] += entry[3] if entry[0] == 'multi-set' else [entry[3]]
        elif key in found:
            found[key] = entry[3]
    found['maxlines'] = int(found['maxlines'])
    settings.append(found)
    flt = Filter(None)
    flt.returnRawHost, flt.checkAllRegex, flt.checkFindTime = True, True, False
    flt.setMaxLines(found['maxlines'])
    flt.prefRegex = found['prefregex']
    for regex in found['failregex']: flt.addFailRegex(regex)
    for regex in found['ignoreregex']: flt.addIgnoreRegex(regex)
    if found['datepattern'] is not None: flt.setDatePattern(found['datepattern'])
    filters.append(flt)
def plain(value):
    if isinstance(value, set): return sorted(value)
    if isinstance(value, tuple): return list(value)
    if value is None or isinstance(value, (str, int, float, list)): return value
    return str(value)
verdicts = []
for index, line, journal in question['steps']:
    flt = filters[index]
    if flt is None:
        verdicts.append(None)
        continue
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 3)
        if journal:
            found = flt.processLine(('', NOW_TEXT, line), NOW)
        else:
            found = flt.processLine(line)
    except Slow:
        # What it would have said is not known, nor what it remembers now.
        flt = filters[index] = None
        found = None
    except Exception:
        # An unknown zone, such as SAT. In operation it is logged, and the line means nothing.
        found = None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    if found is None:
        verdicts.append(None)
        continue
    verdicts.append([[regex, None if fid is None else str(fid), time,
        {k: plain(v) for k, v in fail.items() if k not in ('matches', 'nofail-matches', 'mlfpending')},
        [list(l) for l in fail.get('matches', [])]]
        for regex, fid, time, fail in found])
print(json.dumps({'filters': settings, 'verdicts': verdicts}))
";
    let script = script
        .replace("QUESTION", &format!("'{hex}'"))
        .replace("NOW_TEXT", &format!("'{NOW_TEXT}'"))
        .replace("NOW", &NOW.secs().to_string());
    reference::python(&script)
}

/// A filter of ours for one set of options, for which names stay names; when thorough, every
/// regular expression is tried.
fn build(settings: &FilterSettings, zone: &Zone, thorough: bool) -> Filter {
    let reading = Reading {
        jail: "jail",
        usedns: UseDns::Raw,
        logtimezone: None,
        local: zone,
        year: YEAR,
    };
    let mut filter = Filter::new(settings, &reading).unwrap_or_else(|e| panic!("{e}"));
    filter.set_thorough(thorough);
    filter
}

fn judge(filter: &mut Filter, step: &Step) -> Vec<Verdict> {
    let moment = Moment {
        now: NOW,
        in_operation: true,
        findtime: Span::from_secs(600),
        check_findtime: false,
    };
    let mut out = Vec::new();
    let line = &*step.line;
    if step.journal {
        let entry = Entry {
            line,
            date: NOW_TEXT,
            time: NOW,
        };
        filter.judge_entry(entry, &moment, &mut out);
    } else {
        let found = filter.find_date(line, NOW);
        filter.judge(&Dated { line, found }, &moment, &mut out);
    }
    out.retain(|verdict| !matches!(verdict, Verdict::Log(_)));
    out
}

/// What is wrong with our verdict by what the sample file says of its line.
fn by_file(step: &Step, failures: &[&Failure]) -> Option<String> {
    let expected = &step.expected;
    let should = expected
        .get("match")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let failure = match (should, failures) {
        (false, []) => return None,
        (false, _) => return Some("matched when it should not".to_owned()),
        (true, []) => return Some("not matched when it should".to_owned()),
        (true, [one]) => one,
        (true, _) => return Some(format!("{} regular expressions matched", failures.len())),
    };
    for (key, value) in expected {
        let wrong = match key.as_str() {
            "match" | "desc" | "constraint" => continue,
            // Not checked.
            "time" if value.is_null() => continue,
            "time" => {
                let expected = local_time(value.as_str().expect("a time"));
                (failure.time != expected).then(|| format!("{:?}", failure.time))
            }
            key => differs(failure, key, value),
        };
        if let Some(ours) = wrong {
            return Some(format!("{key} should be {value}, is {ours}"));
        }
    }
    None
}

fn differs(failure: &Failure, key: &str, value: &Value) -> Option<String> {
    let ours = match (failure.data.get(key), key) {
        (Some(Datum::Text(text)), _) => Value::from(text.as_str()),
        (Some(Datum::List(list)), _) => Value::from(sorted(list.clone())),
        (None, "host") => {
            let expected = value.as_str().expect("a host");
            let same = FailId::parse(expected).to_string() == failure.id.to_string();
            return (!same).then(|| failure.id.to_string());
        }
        (None, "attempts") => Value::from(failure.lines.len()),
        (None, "ip") => failure
            .ip
            .map_or(Value::Null, |ip| Value::from(ip.to_string())),
        (None, _) => Value::Null,
    };
    let expected = match value {
        Value::Array(list) => {
            let texts = list
                .iter()
                .map(|text| text.as_str().expect("text").to_owned());
            Value::from(sorted(texts.collect()))
        }
        other => other.clone(),
    };
    (ours != expected).then(|| ours.to_string())
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

/// `2005-08-14T12:00:00[.5]`, where a number may have one digit.
fn local_time(text: &str) -> Time {
    let (text, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let numbers: Vec<i16> = text
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().expect(text))
        .collect();
    let [year, month, day, hour, minute, second] = numbers[..] else {
        panic!("{text}");
    };
    let civil = jiff::civil::DateTime::new(
        year,
        month as i8,
        day as i8,
        hour as i8,
        minute as i8,
        second as i8,
        0,
    );
    let zone = jiff::tz::TimeZone::posix("CET-1CEST-2,M3.5.0,M10.5.0").expect("a zone");
    let whole = civil.expect(text).to_zoned(zone).expect(text).timestamp();
    let fraction: f64 = format!("0.{fraction}").parse().expect(text);
    Time::from_secs(whole.as_second()) + Span::from_secs_f64(fraction)
}

/// Our verdicts in the words of the reference program's.
fn told(verdicts: &[Verdict]) -> Vec<Value> {
    verdicts
        .iter()
        .map(|verdict| match verdict {
            Verdict::Failure(it) | Verdict::Named(it) => {
                let mut data = data(&it.data);
                if let Some(ip) = it.ip {
                    data.insert("ip".to_owned(), Value::from(ip.to_string()));
                }
                json!([
                    it.regex,
                    it.id.to_string(),
                    it.time.as_secs_f64(),
                    data,
                    lines(&it.lines)
                ])
            }
            Verdict::Helper(it) => json!([it.regex, null, null, data(&it.data), []]),
            Verdict::Log(record) => panic!("{record:?}"),
        })
        .collect()
}

fn data(captured: &Captured) -> Map<String, Value> {
    let value = |name: &str, datum: &Datum| match datum {
        Datum::Text(text) => Value::from(text.as_str()),
        // A set has no order.
        Datum::List(list) if name == "users" => Value::from(sorted(list.clone())),
        Datum::List(list) => Value::from(list.clone()),
    };
    let pairs = captured.iter();
    pairs
        .map(|(name, datum)| (name.to_owned(), value(name, datum)))
        .collect()
}

fn lines(matched: &[MatchedLine]) -> Vec<Value> {
    let part = |line: &MatchedLine, range: std::ops::Range<usize>| line.text[range].to_owned();
    matched
        .iter()
        .map(|line| {
            let (start, end) = line.date.map_or((0, 0), |(s, e)| (s as usize, e as usize));
            json!([
                part(line, 0..start),
                part(line, start..end),
                part(line, end..line.text.len())
            ])
        })
        .collect()
}

/// The reference program's verdicts, with what does not concern us taken out.
fn reference_told(verdicts: &Value) -> Vec<Value> {
    let verdicts = verdicts.as_array().expect("verdicts");
    verdicts
        .iter()
        .map(|verdict| {
            let mut data = object(&verdict[3]);
            data.retain(|_, value| !value.is_null());
            if let Some(Value::Array(users)) = data.get_mut("users") {
                users.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            }
            let in_session = data.contains_key("mlfid");
            let helps = verdict[1].is_null() || in_session && data.contains_key("nofail");
            if helps {
                data.remove("ip");
                return json!([verdict[0], null, null, data, []]);
            }
            let time = verdict[2].as_f64().unwrap_or(NOW.as_secs_f64());
            json!([verdict[0], verdict[1], time, data, verdict[4]])
        })
        .collect()
}

/// The filters that have samples, and the folder each is configured in.
fn filters(scratch: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let installed = PathBuf::from("/etc/fail2ban");
    for entry in fs::read_dir(installed.join("filter.d"))
        .expect("filters")
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(name) = name
            .strip_suffix(".conf")
            .filter(|n| !n.ends_with("common"))
        {
            found.insert(name.to_owned(), installed.clone());
        }
    }
    // Two filters exist for the samples alone; one includes its neighbour of the source tree.
    let own = scratch.join("filter.d");
    fs::create_dir(&own).expect("a folder");
    fs::copy(
        installed.join("filter.d/common.conf"),
        own.join("common.conf"),
    )
    .expect("a copy");
    for name in ["zzz-generic-example", "zzz-sshd-obsolete-multiline"] {
        let path = Path::new(TESTS).join(format!("config/filter.d/{name}.conf"));
        let text = fs::read_to_string(path).expect("a filter");
        let text = text.replace("../../../../../../../config/filter.d/", "");
        fs::write(own.join(format!("{name}.conf")), text).expect("written");
        found.insert(name.to_owned(), scratch.to_owned());
    }
    found
}

#[test]
fn the_samples_are_judged_as_the_reference_program_judges_them() {
    if !Path::new(TESTS).exists() || !Path::new("/etc/fail2ban/filter.d").exists() {
        eprintln!("skipped, fail2ban is not installed");
        return;
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let folders = filters(scratch.path());
    let mut plan = Plan::default();
    for name in folders.keys() {
        plan.read(name);
    }
    let Some(answer) = ask(&plan, &folders) else {
        return;
    };
    let zone = Zone::local(Some(ZONE));
    let settings = resolve(&plan, &folders, &answer);
    let mut ours: Vec<Filter> = settings.iter().map(|s| build(s, &zone, true)).collect();
    // In operation the first hit wins; that changes no verdict.
    let mut in_operation: Vec<Filter> = settings.iter().map(|s| build(s, &zone, false)).collect();
    let mut wrong = Vec::new();
    for (step, verdict) in plan
        .steps
        .iter()
        .zip(answer["verdicts"].as_array().expect("verdicts"))
    {
        let filter = &mut ours[step.filter];
        let verdicts = judge(filter, step);
        let failures: Vec<&Failure> = verdicts
            .iter()
            .filter_map(|verdict| match verdict {
                // Outside of a session a helper line counts as any other; samples mean no failure.
                Verdict::Failure(failure) if failure.data.contains_key("nofail") => None,
                Verdict::Failure(failure) | Verdict::Named(failure) => Some(failure),
                Verdict::Helper(_) | Verdict::Log(_) => None,
            })
            .collect();
        let mut problem = by_file(step, &failures);
        let first: Vec<Verdict> = verdicts
            .iter()
            .filter(|verdict| !matches!(verdict, Verdict::Helper(_)))
            .cloned()
            .collect();
        if judge(&mut in_operation[step.filter], step) != first {
            problem = Some("not the same in operation".to_owned());
        }
        let (told, reference) = (told(&verdicts), reference_told(verdict));
        if problem.is_none() && told != reference {
            let show = |list: Vec<Value>| Value::from(list).to_string();
            problem = Some(format!(
                "ours {}\n    reference {}",
                show(told),
                show(reference)
            ));
        }
        if let Some(problem) = problem {
            let wanted = &plan.filters[step.filter];
            wrong.push(format!(
                "{}:{} {}{:?}: {problem}\n    {}",
                step.file.display(),
                step.number,
                wanted.name,
                wanted.options,
                step.line
            ));
        }
    }
    println!(
        "{} lines under {} filters",
        plan.steps.len(),
        plan.filters.len()
    );
    assert!(
        plan.steps.len() > 1500,
        "only {} samples were read",
        plan.steps.len()
    );
    let every_regex = unused(&plan, &ours);
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        every_regex.is_empty(),
        "without samples:\n{}",
        every_regex.join("\n")
    );
}

/// Regular expressions that no sample of their filter has hit.
fn unused(plan: &Plan, filters: &[Filter]) -> Vec<String> {
    let mut hit: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (wanted, filter) in plan.filters.iter().zip(filters) {
        for (regex, hits) in filter.failregex().zip(&filter.counters().hits) {
            *hit.entry((&wanted.name, regex)).or_default() += hits;
        }
    }
    hit.into_iter()
        .filter(|(_, hits)| *hits == 0)
        .map(|((name, regex), _)| format!("{name}: {regex}"))
        .collect()
}

/// A filter's name with its options, as `rban regex` takes it.
fn spec(wanted: &Wanted, folder: &Path) -> String {
    let options = wanted.options.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name}=\"{text}\""),
        other => format!("{name}={other}"),
    });
    let options: Vec<String> = options.collect();
    let path = folder.join(format!("filter.d/{}.conf", wanted.name));
    match &*options {
        [] => path.display().to_string(),
        _ => format!("{}[{}]", path.display(), options.join(",")),
    }
}

/// What `rban regex --json` prints for lines.
#[expect(clippy::disallowed_methods, reason = "asks our own program")]
fn tool(spec: &str, folder: &Path, log: &Path, journal: bool) -> Vec<Value> {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rban"));
    command.args(["regex", "--json", "-r", "--now", &NOW.secs().to_string()]);
    if journal {
        command.arg("--as-journal");
    }
    command
        .arg("-c")
        .args([folder, log])
        .arg(spec)
        .env("TZ", ZONE);
    let output = command.output().expect("our program");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{spec}: {told}");
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).expect("JSON"))
        .collect()
}

/// Regular expression, ID, time and user of each failure in a line.
fn essence(hits: impl Iterator<Item = (Value, Value, Value, Value)>) -> Vec<Value> {
    hits.map(|(regex, id, time, user)| json!([regex, id, time, user]))
        .collect()
}

#[test]
fn the_tool_reads_the_filters_itself_and_prints_the_same_verdicts() {
    if !Path::new(TESTS).exists() || !Path::new("/etc/fail2ban/filter.d").exists() {
        eprintln!("skipped, fail2ban is not installed");
        return;
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let folders = filters(scratch.path());
    let mut plan = Plan::default();
    for name in folders.keys() {
        plan.read(name);
    }
    let Some(answer) = ask(&plan, &folders) else {
        return;
    };
    let verdicts = answer["verdicts"].as_array().expect("verdicts");
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (index, wanted) in plan.filters.iter().enumerate() {
        let steps = plan.steps.iter().zip(verdicts);
        let steps: Vec<_> = steps.filter(|(step, _)| step.filter == index).collect();
        let Some((first, _)) = steps.first() else {
            continue;
        };
        let folder = &folders[&wanted.name];
        let log = scratch.path().join("log");
        let lines: Vec<&str> = steps.iter().map(|(step, _)| &*step.line).collect();
        fs::write(&log, lines.join("\n")).expect("a log");
        let objects = tool(&spec(wanted, folder), folder, &log, first.journal);
        assert_eq!(objects.len(), steps.len(), "{wanted:?}");
        for ((step, verdict), object) in steps.iter().zip(&objects) {
            let hits = object["hits"].as_array().expect("hits").iter();
            let ours = essence(hits.map(|hit| {
                let user = hit["fail"]["user"].clone();
                (
                    hit["regex"].clone(),
                    hit["id"].clone(),
                    hit["time"].clone(),
                    user,
                )
            }));
            let told = reference_told(verdict).into_iter();
            let failures = told.filter(|it| {
                !it[1].is_null() && it[3]["nofail"].as_str().unwrap_or_default().is_empty()
            });
            let theirs = essence(failures.map(|it| {
                let time = json!(it[2].as_f64().expect("a time"));
                (it[0].clone(), it[1].clone(), time, it[3]["user"].clone())
            }));
            compared += 1;
            if ours != theirs {
                wrong.push(format!(
                    "{}:{} {wanted:?}\n    ours {ours:?}\n    reference {theirs:?}",
                    step.file.display(),
                    step.number
                ));
            }
        }
    }
    assert!(compared > 1500, "only {compared} lines");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
