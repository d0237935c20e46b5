use super::*;
use crate::filter::facts::Names;
use crate::model::{Captured, Datum, MatchedLine};

const NOW: Time = Time::from_secs(1_000);

fn line(text: &str) -> MatchedLine {
    MatchedLine {
        text: text.into(),
        date: None,
    }
}

/// What came of a line.
struct Outcome {
    nofail: bool,
    lines: Vec<MatchedLine>,
    data: Captured,
}

/// Merges a line that captured `groups` (`name=value` words); its text is the words themselves.
fn merge_at(sessions: &mut Sessions, key: &str, groups: &str, now: Time) -> Outcome {
    outcome(sessions, key, groups, now, false)
}

fn outcome(sessions: &mut Sessions, key: &str, groups: &str, now: Time, waits: bool) -> Outcome {
    let (mut names, mut facts) = (Names::default(), Facts::default());
    facts.put(MLFID, key);
    for (name, value) in groups
        .split_whitespace()
        .map(|word| word.split_once('=').unwrap())
    {
        facts.put(names.add(name), value);
    }
    let merged = sessions.merge(&mut facts, Covered::Several(&[line(groups)]), now);
    let session = sessions.session(merged);
    let outcome = Outcome {
        nofail: merged.nofail,
        lines: session.lines.to_vec(),
        data: names.captured(&session.facts, Some(&session.users)),
    };
    sessions.settle(merged, waits);
    outcome
}

fn merge(sessions: &mut Sessions, groups: &str) -> Outcome {
    merge_at(sessions, "a", groups, NOW)
}

/// Merges a failure whose ID is missing.
fn wait(sessions: &mut Sessions, groups: &str) -> Outcome {
    outcome(sessions, "a", groups, NOW, true)
}

fn texts(outcome: &Outcome) -> Vec<&str> {
    outcome.lines.iter().map(|line| &*line.text).collect()
}

fn address(outcome: &Outcome) -> Option<&str> {
    match outcome.data.get("ip4")? {
        Datum::Text(text) => Some(text),
        Datum::List(_) => None,
    }
}

#[test]
fn a_helper_line_tells_the_address_of_the_failure_after_it() {
    let mut sessions = Sessions::default();
    assert!(merge(&mut sessions, "nofail=x ip4=192.0.2.5").nofail);
    let failure = merge(&mut sessions, "user=root");
    assert!(!failure.nofail);
    assert_eq!(address(&failure), Some("192.0.2.5"));
    assert_eq!(texts(&failure), ["nofail=x ip4=192.0.2.5", "user=root"]);
    assert_eq!(failure.data["users"], Datum::List(vec!["root".to_owned()]));
}

#[test]
fn lines_reported_once_are_not_reported_again() {
    let mut sessions = Sessions::default();
    merge(&mut sessions, "ip4=192.0.2.5 user=a");
    let second = merge(&mut sessions, "user=a n=2");
    assert_eq!(texts(&second), ["user=a n=2"]);
}

#[test]
fn a_failure_without_an_id_waits_for_a_line_with_it() {
    let mut sessions = Sessions::default();
    let first = wait(&mut sessions, "user=a");
    assert!(!first.nofail);
    let told = merge(&mut sessions, "nofail=x ip4=192.0.2.5 mlfforget=x");
    assert!(!told.nofail);
    assert_eq!(
        texts(&told),
        ["user=a", "nofail=x ip4=192.0.2.5 mlfforget=x"]
    );
    assert_eq!(sessions.len(), 0);
}

#[test]
fn a_login_forgives_unless_other_users_were_tried() {
    let mut sessions = Sessions::default();
    merge(&mut sessions, "nofail=x user=a");
    assert!(merge(&mut sessions, "mlfgained=x user=a").nofail);

    let mut sessions = Sessions::default();
    merge(&mut sessions, "nofail=x user=a");
    let gained = merge(&mut sessions, "mlfgained=x user=b");
    assert!(!gained.nofail);
    assert_eq!(texts(&gained).len(), 2);
    assert!(!gained.data.contains_key("mlfgained"));
}

#[test]
fn a_login_drops_what_was_pending() {
    let mut sessions = Sessions::default();
    wait(&mut sessions, "user=a");
    assert!(merge(&mut sessions, "mlfgained=x user=a").nofail);
    assert!(merge(&mut sessions, "nofail=x ip4=192.0.2.5").nofail);
}

#[test]
fn the_end_of_a_session_is_not_the_begin_of_one() {
    let mut sessions = Sessions::default();
    merge(&mut sessions, "nofail=x mlfforget=x ip4=192.0.2.5");
    assert_eq!(sessions.len(), 0);
    assert_eq!(address(&merge(&mut sessions, "user=a")), None);
}

#[test]
fn sessions_are_kept_five_minutes_from_their_first_line() {
    let mut sessions = Sessions::default();
    merge(&mut sessions, "nofail=x ip4=192.0.2.5");
    let late = NOW + AGE - Span::from_micros(1);
    let kept = merge_at(&mut sessions, "a", "user=a", late);
    assert_eq!(address(&kept), Some("192.0.2.5"));
    let lost = merge_at(&mut sessions, "a", "user=a", NOW + AGE);
    assert_eq!(address(&lost), None);
}

#[test]
fn a_session_of_one_line_takes_no_others_room() {
    let mut sessions = Sessions::default();
    for n in 0..SESSIONS {
        merge_at(&mut sessions, &n.to_string(), "nofail=x ip4=192.0.2.5", NOW);
    }
    merge_at(&mut sessions, "other", "nofail=x mlfforget=x", NOW);
    assert_eq!(sessions.len(), SESSIONS);
    let oldest = merge_at(&mut sessions, "0", "user=a", NOW);
    assert_eq!(address(&oldest), Some("192.0.2.5"));
}

#[test]
fn sessions_and_their_lines_are_bounded() {
    let mut sessions = Sessions::default();
    for n in 0..5_000 {
        merge_at(&mut sessions, &n.to_string(), "nofail=x", NOW);
        assert!(sessions.len() <= SESSIONS);
        assert!(sessions.order.len() <= 2 * SESSIONS + 1);
        assert!(sessions.slots.len() <= SESSIONS + 1);
    }
    for _ in 0..1_000 {
        merge(&mut sessions, "nofail=x user=a");
    }
    assert_eq!(merge(&mut sessions, "user=a").lines.len(), LINES);
}
