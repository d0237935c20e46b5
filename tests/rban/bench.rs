//! A worker in a laboratory: real drivers, everything it says kept.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rban::action::driver::memory::Drivers;
use rban::action::{ActionSpec, DEFAULT_PATH, Event, Facts, Job, Leftover, Report, Worker};
use rban::model::{ActionSettings, Ban, BanTime, Captured, FailId, Origin, Time};

/// Longer than anything here takes; only a failing test waits for it.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// What this machine is called there.
pub(crate) const HOST: &str = "box.example.com";

pub(crate) struct Jail;

impl Facts for Jail {
    fn now(&self) -> Time {
        Time::from_secs(1_795_366_767)
    }

    fn bantime(&self) -> BanTime {
        BanTime::Secs(600)
    }

    fn hostname(&self, full: bool) -> String {
        if full { HOST } else { "box" }.to_owned()
    }
}

/// A worker and everything it has said.
pub(crate) struct Lab {
    pub(crate) worker: Worker,
    reports: Arc<Mutex<Vec<Report>>>,
}

impl Lab {
    pub(crate) fn new(settings: ActionSettings, native: bool) -> Self {
        Self::build(settings, native, DEFAULT_PATH)
    }

    /// Where programs are looked for in `path`.
    pub(crate) fn with_path(settings: ActionSettings, path: &str) -> Self {
        Self::build(settings, true, path)
    }

    /// One that follows another, which has left what it made.
    pub(crate) fn following(settings: ActionSettings, native: bool) -> Self {
        Self::build_following(settings, native, DEFAULT_PATH, true)
    }

    fn build(settings: ActionSettings, native: bool, path: &str) -> Self {
        Self::build_following(settings, native, path, false)
    }

    fn build_following(settings: ActionSettings, native: bool, path: &str, left: bool) -> Self {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&reports);
        let spec = ActionSpec {
            jail: "lab".into(),
            settings,
            native,
            ipv6: true,
            path: path.into(),
            facts: Arc::new(Jail),
            drivers: Drivers::default(),
            left: match left {
                true => Leftover::Likely,
                false => Leftover::Nothing,
            },
        };
        let sink = Arc::new(move |report| sink.lock().expect("no panic").push(report));
        let worker = Worker::spawn(spec, sink).expect("no Python action");
        worker.send(Job::Start);
        Self { worker, reports }
    }

    pub(crate) fn send(&self, job: Job) {
        assert!(self.worker.send(job));
        self.settle();
    }

    pub(crate) fn settle(&self) {
        assert!(self.worker.settle(LONG), "{:#?}", self.log());
    }

    pub(crate) fn ban(&self, address: &str) {
        self.send(Job::Ban(ban(address)));
    }

    pub(crate) fn unban(&self, address: &str) {
        self.send(Job::Unban(ban(address)));
    }

    pub(crate) fn reports(&self) -> Vec<Report> {
        self.reports.lock().expect("no panic").clone()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        let reports = self.reports.lock().expect("no panic");
        let line = |report: &Report| match &report.event {
            Event::Log(record) => Some(format!("{} {}", record.level, record.message)),
            _ => None,
        };
        reports.iter().filter_map(line).collect()
    }

    pub(crate) fn assert_quiet(&self) {
        let log = self.log();
        let bad = |line: &&String| ["ERROR", "CRITICAL"].iter().any(|l| line.starts_with(l));
        assert!(!log.iter().any(|line| bad(&line)), "{log:#?}");
    }
}

pub(crate) fn ban(address: &str) -> Arc<Ban> {
    Arc::new(Ban {
        id: FailId::parse(address),
        ip: None,
        time: Time::from_secs(1_795_366_767),
        bantime: BanTime::Secs(600),
        count: 1,
        attempts: 3,
        lines: Vec::new(),
        data: Captured::new(),
        restored: false,
        own_bantime: false,
    })
}

/// An action of these options, called `lab`.
pub(crate) fn settings(options: &[(&str, &str)]) -> ActionSettings {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    ActionSettings {
        name: "lab".into(),
        options: options.iter().map(own).collect(),
        python: None,
        origin: Origin::Default,
    }
}
