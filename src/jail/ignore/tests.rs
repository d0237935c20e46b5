use super::*;
use crate::model::Captured;

const NOW: Time = Time::from_secs(1_000);

fn failure(id: &str) -> Failure {
    Failure {
        id: FailId::parse(id),
        ip: None,
        time: NOW,
        lines: Vec::new(),
        data: Captured::from([("user".to_owned(), Datum::Text("root".to_owned()))]),
        regex: 0,
    }
}

fn list(words: &[&str]) -> Ignore {
    let mut ignore = Ignore::default();
    for word in words {
        assert!(ignore.add(word), "{word}");
    }
    ignore
}

fn judge(ignore: &mut Ignore, id: &str) -> Opinion {
    ignore.judge(&failure(id), &["203.0.113.1".parse().unwrap()], NOW)
}

fn by(what: &str) -> Opinion {
    Opinion::Ignored(Some(what.to_owned()))
}

#[test]
fn addresses_networks_and_raw_ids_are_known_at_once() {
    let mut ignore = list(&[
        "192.0.2.1",
        "198.51.100.0/24",
        "2001:db8::/255.0",
        "some user",
    ]);
    assert_eq!(judge(&mut ignore, "192.0.2.1"), by("ip"));
    assert_eq!(judge(&mut ignore, "::ffff:192.0.2.1"), by("ip"));
    assert_eq!(judge(&mut ignore, "198.51.100.9"), by("ip"));
    assert_eq!(judge(&mut ignore, "some user"), by("dns"));
    assert_eq!(judge(&mut ignore, "192.0.2.2"), Opinion::Counts);
    assert_eq!(judge(&mut ignore, "203.0.113.1"), Opinion::Counts);
    ignore.itself = true;
    assert_eq!(judge(&mut ignore, "203.0.113.1"), by("ignoreself rule"));
}

#[test]
fn a_name_makes_the_answer_wait_until_it_is_resolved() {
    let mut ignore = list(&["host.example.com"]);
    assert_eq!(judge(&mut ignore, "192.0.2.1"), Opinion::AskName);
    assert_eq!(ignore.names_due(NOW), ["host.example.com".into()]);
    assert!(ignore.names_due(NOW).is_empty());
    let told = |addresses: &[&str], problem, age| NameAnswer {
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        problem,
        age: Span::from_secs(age),
        remembered: false,
    };
    let found = told(&["192.0.2.1"], None, 60);
    assert!(ignore.resolved("host.example.com", &found, NOW));
    assert!(!ignore.resolved("other.example.com", &found, NOW));
    assert_eq!(judge(&mut ignore, "192.0.2.1"), by("dns"));
    assert_eq!(judge(&mut ignore, "192.0.2.2"), Opinion::Counts);
    assert!(ignore.names_due(NOW + Span::from_secs(59)).is_empty());
    let later = NOW + Span::from_secs(60);
    assert_eq!(ignore.names_due(later).len(), 1);
    // The old answer holds until the new one is there, and where there is none.
    assert_eq!(judge(&mut ignore, "192.0.2.1"), by("dns"));
    let silence = told(&[], Some(NameProblem::NoAnswer), 30);
    assert!(ignore.resolved("host.example.com", &silence, later));
    assert_eq!(judge(&mut ignore, "192.0.2.1"), by("dns"));
    assert_eq!(ignore.names_due(later + Span::from_secs(30)).len(), 1);
    let gone = told(&[], Some(NameProblem::NoSuchName), 60);
    assert!(ignore.resolved("host.example.com", &gone, later));
    assert_eq!(judge(&mut ignore, "192.0.2.1"), Opinion::Counts);
}

#[test]
fn a_file_lists_addresses_with_comments() {
    let mut ignore = list(&["file:///etc/ignored"]);
    assert_eq!(judge(&mut ignore, "192.0.2.1"), Opinion::Counts);
    let path = ignore.files().next().unwrap().to_owned();
    assert_eq!(path, Path::new("/etc/ignored"));
    ignore.set_file(
        &path,
        "# ours\n192.0.2.1, 198.51.100.0/24 ; both\nroot@example.com\n",
    );
    for id in ["192.0.2.1", "198.51.100.7", "root@example.com"] {
        assert_eq!(judge(&mut ignore, id), by("file://etc/ignored"), "{id}");
    }
    assert_eq!(judge(&mut ignore, "both"), Opinion::Counts);
    ignore.set_file(&path, "");
    assert_eq!(judge(&mut ignore, "192.0.2.1"), Opinion::Counts);
}

#[test]
fn words_are_listed_added_once_and_taken_out() {
    let mut ignore = list(&["192.0.2.1", "10.9.8.7/8", "example.com", "file:rel"]);
    assert!(!ignore.add("192.0.2.1"));
    assert!(!ignore.add("10.0.0.0/8"));
    assert_eq!(
        ignore.words(),
        ["10.0.0.0/8", "example.com", "file:rel", "192.0.2.1"]
    );
    assert!(ignore.remove("10.0.0.0/8"));
    assert!(ignore.remove("192.0.2.1"));
    assert!(ignore.remove("example.com"));
    assert!(!ignore.remove("example.com"));
    assert_eq!(ignore.words(), ["file:rel"]);
    assert!(ignore.remove("file:rel"));
    assert!(ignore.words().is_empty());
}

#[test]
fn the_cache_answers_by_its_key_until_it_is_too_old_or_too_full() {
    let mut ignore = Ignore {
        command: "true".into(),
        ..Ignore::default()
    };
    ignore.set_cache(Some(IgnoreCache {
        key: "<F-USER>@<ip-host>".to_owned(),
        max_count: 2,
        max_time: Span::from_secs(60),
    }));
    assert_eq!(judge(&mut ignore, "192.0.2.1"), Opinion::AskCommand);
    ignore.remember(&failure("192.0.2.1"), true, NOW);
    ignore.remember(&failure("192.0.2.2"), false, NOW);
    assert_eq!(judge(&mut ignore, "192.0.2.1"), Opinion::Ignored(None));
    assert_eq!(judge(&mut ignore, "192.0.2.2"), Opinion::Counts);
    ignore.remember(&failure("192.0.2.3"), false, NOW);
    assert_eq!(judge(&mut ignore, "192.0.2.1"), Opinion::AskCommand);
    let later = NOW + Span::from_secs(60);
    let opinion = ignore.judge(&failure("192.0.2.3"), &[], later);
    assert_eq!(opinion, Opinion::AskCommand);
}

#[test]
fn the_key_of_the_cache_takes_tags_from_the_failure() {
    let cache = Cache {
        settings: IgnoreCache {
            key: "<F-USER>|<fid>|<ip>|<F-NONE>|<other> <".to_owned(),
            max_count: 1,
            max_time: Span::ZERO,
        },
        answers: HashMap::new(),
        order: VecDeque::new(),
    };
    let failure = Failure {
        ip: Some("192.0.2.9".parse().unwrap()),
        ..failure("someone")
    };
    assert_eq!(cache.key(&failure), "root|someone|192.0.2.9||<other> <");
}
