use std::sync::mpsc::{self, Receiver, Sender};

use super::*;
use crate::action::driver::memory::Memory;
use crate::action::driver::{Operation, Outcome};
use crate::action::report::Report;
use crate::model::{BanTime, Captured, FailId, Origin, Time};

/// Longer than anything here takes; only a failing test waits for it.
const LONG: Duration = Duration::from_secs(60);

struct Jail;

impl Facts for Jail {
    fn now(&self) -> Time {
        Time::from_secs(0)
    }

    fn bantime(&self) -> BanTime {
        BanTime::Secs(600)
    }
}

fn ban(id: &str) -> Arc<Ban> {
    Arc::new(Ban {
        id: FailId::parse(id),
        ip: None,
        time: Time::from_secs(100),
        bantime: BanTime::Secs(600),
        count: 1,
        attempts: 3,
        lines: Vec::new(),
        data: Captured::new(),
        restored: false,
        own_bantime: false,
    })
}

fn settings(options: &[(&str, &str)]) -> ActionSettings {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    ActionSettings {
        name: "act".into(),
        options: options.iter().map(own).collect(),
        python: None,
        origin: Origin::Default,
    }
}

/// A worker over a memory, and all it has said.
struct Lab {
    worker: Worker,
    memory: Memory,
    reports: Receiver<Report>,
}

impl Lab {
    fn new(options: &[(&str, &str)]) -> Self {
        Self::judging(options, |_| Outcome::Done)
    }

    fn judging(
        options: &[(&str, &str)],
        judge: impl FnMut(&Operation) -> Outcome + Send + 'static,
    ) -> Self {
        let memory = Memory::judging(judge);
        let (sender, reports) = mpsc::channel();
        let spec = ActionSpec {
            jail: "lab".into(),
            settings: settings(options),
            native: true,
            ipv6: true,
            path: DEFAULT_PATH.into(),
            facts: Arc::new(Jail),
            drivers: memory.clone().into(),
            left: Leftover::Nothing,
        };
        let sender: Mutex<Sender<Report>> = Mutex::new(sender);
        let sink = Arc::new(move |report| {
            // A test that has seen enough listens no longer.
            let _ = sender.lock().expect("no panic").send(report);
        });
        let worker = Worker::spawn(spec, sink).expect("no Python action");
        Self {
            worker,
            memory,
            reports,
        }
    }

    fn send(&self, job: Job) -> &Self {
        assert!(self.worker.send(job));
        self.settle()
    }

    fn settle(&self) -> &Self {
        assert!(self.worker.settle(LONG));
        self
    }

    fn ban(&self, id: &str) -> &Self {
        self.send(Job::Ban(ban(id)))
    }

    fn unban(&self, id: &str) -> &Self {
        self.send(Job::Unban(ban(id)))
    }

    /// What was done since the lab began.
    fn done(&self) -> Vec<String> {
        self.memory.lines()
    }

    /// What was logged since this was last asked.
    fn log(&self) -> Vec<String> {
        let line = |report: Report| match report.event {
            Event::Log(record) => Some(format!("{} {}", record.level, record.message)),
            Event::Failed { .. } | Event::Repaired(_) | Event::Stopped => None,
        };
        self.reports.try_iter().filter_map(line).collect()
    }
}

const SCRIPTS: &[(&str, &str)] = &[
    ("actionstart", "start"),
    ("actionstop", "stop"),
    ("actioncheck", "check"),
    ("actionflush", "flush"),
    ("actionban", "ban <ip>"),
    ("actionunban", "unban <ip>"),
    ("actionprolong", "prolong <ip> <bantime>"),
    ("actionreload", "reload"),
];

/// An action of two families, started on demand.
const FAMILIES: &[(&str, &str)] = &[
    ("actionstart", "start <set>"),
    ("actionstop", "stop <set>"),
    ("actioncheck", "check <set>"),
    ("actionflush", "flush <set>"),
    ("actionban", "nft add element inet t <set> { <ip> }"),
    ("actionunban", "nft delete element inet t <set> { <ip> }"),
    ("set", "four"),
    ("set?family=inet6", "six"),
];

#[test]
fn an_action_lives_from_start_to_stop() {
    let lab = Lab::new(SCRIPTS);
    lab.send(Job::Start)
        .ban("192.0.2.1")
        .ban("2001:db8::1")
        .unban("192.0.2.1");
    lab.send(Job::Prolong(ban("2001:db8::1")));
    assert!(lab.worker.stop(LONG));
    let done = [
        "start",
        "ban 192.0.2.1",
        "ban 2001:db8::1",
        "unban 192.0.2.1",
        "prolong 2001:db8::1 600",
        "flush",
        "stop",
    ];
    assert_eq!(lab.done(), done);
    assert!(lab.log().is_empty(), "{:?}", lab.log());
    assert!(!lab.worker.send(Job::Start), "it has ended");
}

#[test]
fn families_start_on_demand_and_only_started_ones_stop() {
    let lab = Lab::new(FAMILIES);
    lab.send(Job::Start);
    assert!(lab.done().is_empty());
    lab.unban("192.0.2.9").ban("2001:db8::1").ban("2001:db8::2");
    assert!(lab.worker.stop(LONG));
    let done = [
        "start six",
        "Add six 2001:db8::1",
        "Add six 2001:db8::2",
        "flush six",
        "stop six",
    ];
    assert_eq!(lab.done(), done);
}

#[test]
fn a_command_both_families_share_runs_once() {
    let mut options = FAMILIES.to_vec();
    for (name, command) in [
        ("actionstart", "start"),
        ("actionstop", "stop"),
        ("actionflush", "flush"),
    ] {
        options.retain(|(key, _)| *key != name);
        options.push((name, command));
    }
    let lab = Lab::new(&options);
    lab.ban("192.0.2.1").ban("2001:db8::1");
    assert!(lab.worker.stop(LONG));
    let done = [
        "start",
        "Add four 192.0.2.1",
        "Add six 2001:db8::1",
        "flush",
        "stop",
    ];
    assert_eq!(lab.done(), done);
}

#[test]
fn without_a_flush_every_ban_ends_by_itself() {
    let options: Vec<_> = SCRIPTS
        .iter()
        .copied()
        .filter(|(key, _)| *key != "actionflush")
        .collect();
    let lab = Lab::new(&options);
    lab.ban("192.0.2.1").ban("192.0.2.2").unban("192.0.2.1");
    // The unban of each is told behind a flush, and is not to be done twice.
    lab.send(Job::Flush);
    assert!(lab.done()[3..].is_empty());
    lab.unban("192.0.2.2").ban("192.0.2.3");
    // Who is dropped with the jobs that wait goes at the end.
    lab.send(Job::Flush);
    assert!(lab.worker.stop(LONG));
    let rest = [
        "unban 192.0.2.2",
        "ban 192.0.2.3",
        "unban 192.0.2.3",
        "stop",
    ];
    assert_eq!(lab.done()[3..], rest);
}

#[test]
fn bans_that_wait_together_go_in_one_batch_in_order() {
    let (go, wait) = mpsc::channel::<()>();
    let (started, running) = mpsc::channel::<()>();
    let lab = Lab::judging(FAMILIES, move |operation| {
        if matches!(operation, Operation::Script(_)) {
            started.send(()).expect("a listener");
            wait.recv().expect("a word");
        }
        Outcome::Done
    });
    lab.worker.send(Job::Ban(ban("192.0.2.1")));
    running.recv().expect("the start");
    for n in 2..=5 {
        lab.worker.send(Job::Ban(ban(&format!("192.0.2.{n}"))));
    }
    lab.worker.send(Job::Unban(ban("192.0.2.3")));
    lab.worker.send(Job::Ban(ban("192.0.2.6")));
    go.send(()).expect("a worker");
    lab.settle();
    let sizes: Vec<usize> = lab.memory.batches().iter().map(Vec::len).collect();
    // The start; what was taken with it; 2 to 5; and the unban, which names 3 again, with 6.
    assert_eq!(sizes, [1, 1, 4, 2]);
    let last = ["Delete four 192.0.2.3", "Add four 192.0.2.6"];
    assert_eq!(lab.done()[6..], last);
}

#[test]
fn what_fails_natively_is_checked_and_tried_by_the_shell() {
    let lab = Lab::judging(FAMILIES, |operation| match operation {
        Operation::Element(e) if e.network.to_string() == "192.0.2.2" => {
            Outcome::Failed("no".into())
        }
        _ => Outcome::Done,
    });
    lab.ban("192.0.2.2");
    let done = [
        "start four",
        "Add four 192.0.2.2",
        "check four",
        "nft add element inet t four { 192.0.2.2 }",
    ];
    assert_eq!(lab.done(), done);
    assert_eq!(lab.worker.last_error(), None);
}

#[test]
fn a_script_that_fails_is_tried_twice_and_reported_as_fail2ban_does() {
    let lab = Lab::judging(SCRIPTS, |operation| match operation {
        Operation::Script(script) if script.text.starts_with("ban") => {
            Outcome::Failed("returned 1".into())
        }
        _ => Outcome::Done,
    });
    lab.ban("192.0.2.1");
    assert_eq!(lab.done(), ["ban 192.0.2.1", "check", "ban 192.0.2.1"]);
    let line = "ERROR Failed to execute ban jail 'lab' action 'act' info 'ActionInfo({'ip': \
                '192.0.2.1', 'family': 'inet4', 'fid': '192.0.2.1'})': Error banning 192.0.2.1";
    assert_eq!(lab.log(), [line]);
    assert_eq!(lab.worker.last_error().as_deref(), Some("returned 1"));
}

/// A firewall that loses everything when told, and gets it back by a start.
fn forgetful() -> (Lab, Arc<Mutex<bool>>) {
    let there = Arc::new(Mutex::new(false));
    let firewall = Arc::clone(&there);
    let lab = Lab::judging(FAMILIES, move |operation| {
        let mut there = firewall.lock().expect("no panic");
        match operation {
            Operation::Script(script) if script.text.starts_with("start") => *there = true,
            Operation::Script(script) if script.text.starts_with("stop") => *there = false,
            _ => {}
        }
        if *there {
            Outcome::Done
        } else {
            Outcome::Failed("no such set".into())
        }
    });
    (lab, there)
}

#[test]
fn a_flushed_firewall_is_repaired_with_every_ban() {
    let (lab, there) = forgetful();
    lab.ban("192.0.2.1")
        .ban("192.0.2.2")
        .ban("2001:db8::1")
        .unban("192.0.2.2");
    let before = lab.done().len();
    lab.log();
    *there.lock().expect("no panic") = false;
    lab.ban("192.0.2.3");
    let done = [
        "Add four 192.0.2.3",
        "check four",
        "stop four",
        "start four",
        "check four",
        "Add four 192.0.2.1",
        "Add four 192.0.2.3",
    ];
    assert_eq!(lab.done()[before..], done);
    let log = lab.log();
    assert_eq!(
        log[1],
        "ERROR Invariant check failed. Trying to restore a sane environment"
    );
    assert_eq!(log[2], "NOTICE [lab] Reban 192.0.2.1, action 'act'");
}

#[test]
fn a_check_alone_repairs_too() {
    let (lab, there) = forgetful();
    lab.ban("192.0.2.1");
    *there.lock().expect("no panic") = false;
    lab.send(Job::Check);
    let done = [
        "check four",
        "stop four",
        "start four",
        "check four",
        "Add four 192.0.2.1",
    ];
    assert_eq!(lab.done()[2..], done);
}

#[test]
fn an_unban_repairs_nothing_unless_told() {
    let (lab, there) = forgetful();
    lab.ban("192.0.2.1");
    lab.log();
    *there.lock().expect("no panic") = false;
    lab.unban("192.0.2.1");
    assert_eq!(lab.done()[2..], ["Delete four 192.0.2.1", "check four"]);
    assert!(
        lab.log()
            .contains(&"ERROR Invariant check failed. Unban is impossible.".to_owned())
    );
}

#[test]
fn what_cannot_be_restored_is_critical() {
    let lab = Lab::judging(FAMILIES, |operation| match operation {
        Operation::Script(script) if script.text.starts_with("start") => Outcome::Done,
        _ => Outcome::Failed("no".into()),
    });
    lab.ban("192.0.2.1");
    let log = lab.log();
    assert!(
        log.contains(&"CRITICAL Unable to restore environment".to_owned()),
        "{log:?}"
    );
    assert!(
        log.iter().any(|l| l.ends_with("Error banning 192.0.2.1")),
        "{log:?}"
    );
}

#[test]
fn a_repair_command_goes_before_stop_and_start() {
    let mut options = SCRIPTS.to_vec();
    options.push(("actionrepair", "repair"));
    options.push(("actionreban", "reban <ip>"));
    let mut checks = 0;
    let lab = Lab::judging(&options, move |operation| match operation {
        Operation::Script(script) if script.text == "check" => {
            checks += 1;
            if checks == 1 {
                Outcome::Failed("gone".into())
            } else {
                Outcome::Done
            }
        }
        Operation::Script(script) if script.text == "ban 192.0.2.2" && checks == 0 => {
            Outcome::Failed("gone".into())
        }
        _ => Outcome::Done,
    });
    lab.send(Job::Start).ban("192.0.2.1").ban("192.0.2.2");
    let done = [
        "ban 192.0.2.2",
        "check",
        "repair",
        "check",
        "reban 192.0.2.1",
        "ban 192.0.2.2",
    ];
    assert_eq!(lab.done()[2..], done);
}

#[test]
fn restored_bans_are_none_of_a_notifiers_business() {
    let mut options = SCRIPTS.to_vec();
    options.push(("norestored", "1"));
    let lab = Lab::new(&options);
    let mut restored = (*ban("192.0.2.1")).clone();
    restored.restored = true;
    lab.send(Job::Ban(Arc::new(restored))).ban("192.0.2.2");
    assert_eq!(lab.done(), ["ban 192.0.2.2"]);
}

#[test]
fn a_failed_start_is_reported_and_bans_are_tried_all_the_same() {
    let lab = Lab::judging(SCRIPTS, |operation| match operation {
        Operation::Script(script) if script.text == "start" => Outcome::Failed("no".into()),
        _ => Outcome::Done,
    });
    lab.send(Job::Start).ban("192.0.2.1");
    let line = "ERROR Failed to start jail 'lab' action 'act': Error starting action \
                Jail('lab')/act: 'Script error'";
    assert_eq!(lab.log(), [line]);
    assert_eq!(lab.done(), ["start", "ban 192.0.2.1"]);
}

#[test]
fn new_settings_serve_what_is_started() {
    let lab = Lab::new(SCRIPTS);
    lab.send(Job::Start).ban("192.0.2.1");
    let mut options = SCRIPTS.to_vec();
    options.retain(|(key, _)| *key != "actionunban");
    options.push(("actionunban", "forget <ip>"));
    lab.send(Job::Reload(Box::new(settings(&options))))
        .unban("192.0.2.1");
    assert_eq!(lab.done()[2..], ["reload", "forget 192.0.2.1"]);
}

#[test]
fn nothing_to_do_needs_no_thread() {
    let lab = Lab::new(FAMILIES);
    for job in [
        Job::Start,
        Job::Unban(ban("192.0.2.1")),
        Job::Check,
        Job::Flush,
    ] {
        assert!(lab.worker.send(job));
        assert!(matches!(lab.worker.shared.state().phase, Phase::Waiting(_)));
    }
    assert!(lab.worker.stop(LONG));
    assert!(lab.done().is_empty());
    assert!(matches!(lab.worker.shared.state().phase, Phase::Ended));
}

#[test]
fn a_full_queue_refuses_bans_but_never_their_ends() {
    let (go, wait) = mpsc::channel::<()>();
    let (started, running) = mpsc::channel::<()>();
    let mut first = true;
    let lab = Lab::judging(FAMILIES, move |_| {
        if std::mem::take(&mut first) {
            started.send(()).expect("a listener");
            // Ends with the test, one way or the other.
            let _ = wait.recv();
        }
        Outcome::Done
    });
    let one = ban("192.0.2.1");
    lab.worker.send(Job::Ban(Arc::clone(&one)));
    running.recv().expect("a busy worker");
    let taken = (0..WAITING + 10)
        .filter(|_| lab.worker.send(Job::Ban(Arc::clone(&one))))
        .count();
    assert_eq!(taken, WAITING);
    assert!(lab.worker.send(Job::Unban(one)));
    assert!(lab.log()[0].starts_with("ERROR Action is 262144 commands behind"));
    drop(go);
}

#[test]
fn a_worker_that_breaks_says_so_and_holds_nobody_up() {
    let lab = Lab::judging(SCRIPTS, |_| panic!("a fault"));
    assert!(lab.worker.send(Job::Ban(ban("192.0.2.1"))));
    assert!(lab.worker.settle(LONG) && lab.worker.stop(LONG));
    let said = lab.reports.recv_timeout(LONG).expect("a last word");
    let Event::Log(record) = said.event else {
        panic!("{said:?}")
    };
    assert!(record.message.starts_with("Action has ended by a fault"));
    assert!(!lab.worker.send(Job::Ban(ban("192.0.2.2"))));
}

#[test]
fn status_says_which_way_an_action_goes() {
    assert_eq!(
        Lab::new(FAMILIES).worker.ways().to_string(),
        "native nftables"
    );
    assert_eq!(Lab::new(SCRIPTS).worker.ways().to_string(), "shell");
    let mut off = FAMILIES.to_vec();
    off.push(("native", "off"));
    let lab = Lab::new(&off);
    assert_eq!(lab.worker.ways().to_string(), "shell");
    lab.ban("192.0.2.1");
    assert_eq!(lab.done()[1], "nft add element inet t four { 192.0.2.1 }");
    let mixed = [("actionban", "ipset add s <ip>"), ("actionunban", "true")];
    assert_eq!(
        Lab::new(&mixed).worker.ways().to_string(),
        "native ipset, unban by shell"
    );
}

#[test]
fn python_actions_are_refused_with_what_to_do_instead() {
    let refused = Refused::Python("/e/other.py".into()).to_string();
    assert!(
        refused.starts_with("/e/other.py") && refused.contains("actionban"),
        "{refused}"
    );
}

/// A worker whose ban of 192.0.2.1 hangs until the returned sender says go.
fn hanging() -> (Lab, Sender<()>, Receiver<()>) {
    let (go, gate) = mpsc::channel::<()>();
    let (tell, reached) = mpsc::channel();
    let lab = Lab::judging(
        &[("actionban", "b <ip>"), ("actionunban", "u <ip>")],
        move |op| {
            if matches!(op, Operation::Script(script) if script.text == "b 192.0.2.1") {
                let _ = tell.send(());
                let _ = gate.recv_timeout(LONG);
            }
            Outcome::Done
        },
    );
    (lab, go, reached)
}

fn restored(id: &str) -> Arc<Ban> {
    Arc::new(Ban {
        restored: true,
        ..(*ban(id)).clone()
    })
}

#[test]
fn a_new_attacker_goes_before_the_bans_that_are_being_restored() {
    let (lab, go, reached) = hanging();
    lab.worker.send(Job::Ban(ban("192.0.2.1")));
    reached.recv_timeout(LONG).unwrap();
    for last in 10..20 {
        lab.worker
            .send(Job::Ban(restored(&format!("192.0.2.{last}"))));
    }
    lab.worker.send(Job::Ban(ban("198.51.100.1")));
    go.send(()).unwrap();
    assert!(lab.worker.settle(LONG));
    let done = lab.done();
    assert_eq!(done[..3], ["b 192.0.2.1", "b 198.51.100.1", "b 192.0.2.10"]);
    assert_eq!(done.len(), 12);
}

#[test]
fn the_end_of_a_restored_ban_comes_behind_its_beginning() {
    let (lab, go, reached) = hanging();
    lab.worker.send(Job::Ban(ban("192.0.2.1")));
    reached.recv_timeout(LONG).unwrap();
    for last in 10..13 {
        lab.worker
            .send(Job::Ban(restored(&format!("192.0.2.{last}"))));
    }
    lab.worker.send(Job::Unban(restored("192.0.2.11")));
    go.send(()).unwrap();
    assert!(lab.worker.settle(LONG));
    let done = lab.done();
    assert_eq!(done[1..3], ["b 192.0.2.11", "u 192.0.2.11"]);
    assert_eq!(done[3..], ["b 192.0.2.10", "b 192.0.2.12"]);
}
