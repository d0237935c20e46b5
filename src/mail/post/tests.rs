//! The post office with a world of the test's own: its clock, its servers, its log.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::*;
use crate::mail::Smtp;

const LONG: Duration = Duration::from_secs(60);

type Judge = dyn Fn(&str) -> Result<Missed, Failure> + Send + Sync;

/// Carries by a judge, and shows each message that somebody tried to send.
struct World {
    now: AtomicI64,
    /// How often somebody looked at the clock.
    looked: AtomicI64,
    judge: Box<Judge>,
    tried: Sender<String>,
    said: Sender<Told>,
}

impl Outside for World {
    fn now(&self) -> Time {
        self.looked.fetch_add(1, Ordering::SeqCst);
        Time::from_secs(self.now.load(Ordering::SeqCst))
    }

    fn look_up(&self) -> &dyn LookUp {
        self
    }

    fn carry(&self, transport: &Transport, parcel: &Parcel<'_>) -> Result<Missed, Failure> {
        let message = String::from_utf8_lossy(parcel.message).into_owned();
        let to: Vec<String> = parcel.to.iter().map(ToString::to_string).collect();
        let judged = (self.judge)(&format!("by {}\n{message}", transport.place()));
        let _ = self.tried.send(format!("to {}\n{message}", to.join(",")));
        judged
    }

    fn say(&self, record: Record) {
        let _ = self.said.send(Told::GivenUp(record.message));
    }
}

impl LookUp for World {
    fn name(&self, _: std::net::IpAddr) -> String {
        "host.example.com".into()
    }

    fn whois(&self, _: std::net::IpAddr, _: Option<&str>) -> Result<String, String> {
        Err("nobody is there".into())
    }

    fn country(&self, _: std::net::IpAddr) -> String {
        String::new()
    }

    fn logs(&self, pattern: &str) -> Vec<String> {
        vec![pattern.to_owned()]
    }
}

struct Lab {
    post: Post,
    world: Arc<World>,
    tried: Receiver<String>,
    told: Receiver<Told>,
    said: Sender<Told>,
}

fn lab(
    folder: Option<&Path>,
    judge: impl Fn(&str) -> Result<Missed, Failure> + Send + Sync + 'static,
) -> Lab {
    let ((tried, heard), (said, told)) = (channel(), channel());
    let world = Arc::new(World {
        now: AtomicI64::new(1_700_000_000),
        looked: AtomicI64::new(0),
        judge: Box::new(judge),
        tried,
        said: said.clone(),
    });
    Lab {
        post: Post::open(folder, Arc::clone(&world) as Arc<dyn Outside>),
        world,
        tried: heard,
        told,
        said,
    }
}

impl Lab {
    fn take(&self, letter: Letter) -> Result<(), String> {
        self.take_within(letter, &Limits::default())
    }

    fn take_within(&self, letter: Letter, limits: &Limits) -> Result<(), String> {
        let said = self.said.clone();
        let tell = Arc::new(move |told| drop(said.send(told)));
        self.post.take(letter, limits, tell)
    }

    fn later(&self, secs: i64) {
        // Under the lock, so that no courier looks at the clock just before and waits just after.
        let _state = self.post.0.lock();
        self.world.now.fetch_add(secs, Ordering::SeqCst);
        self.post.0.changed.notify_all();
    }

    fn told(&self) -> Told {
        self.told
            .recv_timeout(LONG)
            .expect("somebody says something")
    }

    /// Ends as a killed process does: nothing more is sent, nothing more is written.
    fn kill(self) {
        self.post.0.lock().ended = true;
        self.post.0.changed.notify_all();
        while Arc::strong_count(&self.post.0) > 1 {
            thread::yield_now();
        }
    }
}

fn letter(id: &str) -> Letter {
    Letter {
        jail: "sshd".into(),
        action: "sendmail".into(),
        name: "SSH".into(),
        about: About::Ban {
            id: id.into(),
            attempts: 3,
        },
        transport: Transport::Smtp(Smtp::new("192.0.2.25", None).unwrap()),
        from: "fail2ban@example.com".into(),
        from_name: "Fail2Ban".into(),
        to: vec!["a@example.com".into(), "b@example.com".into()],
        left: Vec::new(),
        subject: format!("banned {id}"),
        host: "web".into(),
        time: Time::from_secs(1_700_000_000),
        html: false,
        parts: vec![Part::Name("192.0.2.1".parse().unwrap())],
    }
}

fn good(_: &str) -> Result<Missed, Failure> {
    Ok(Missed::default())
}

fn files(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().ends_with(SUFFIX))
        .count()
}

#[test]
fn a_mail_put_off_is_tried_again_and_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let busy = AtomicI64::new(2);
    let lab = lab(Some(folder.path()), move |_| {
        if busy.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(Failure::new(FailureKind::ForNow, "451 greylisted"));
        }
        Ok(Missed::default())
    });
    lab.take(letter("192.0.2.1")).unwrap();
    let Told::Later(text) = lab.told() else {
        panic!("not taken yet")
    };
    assert!(text.contains("451 greylisted; next try in 1m"), "{text}");
    assert_eq!(files(folder.path()), 1);
    lab.later(60);
    let Told::Later(text) = lab.told() else {
        panic!("not taken yet")
    };
    assert!(text.contains("next try in 2m"), "{text}");
    lab.later(120);
    assert!(matches!(lab.told(), Told::Sent(_)));
    let tries: Vec<String> = lab.tried.try_iter().collect();
    assert_eq!(tries.len(), 3);
    assert!(tries[0] == tries[1] && tries[1] == tries[2], "{tries:?}");
    assert!(
        tries[0].contains("Name:      host.example.com"),
        "{}",
        tries[0]
    );
    assert_eq!((lab.post.waiting(), files(folder.path())), (0, 0));
}

#[test]
fn a_mail_refused_for_good_is_given_up_at_once_and_loudly() {
    let lab = lab(None, |_| {
        Err(Failure::new(FailureKind::ForGood, "550 nobody"))
    });
    lab.take(letter("192.0.2.1")).unwrap();
    let Told::GivenUp(text) = lab.told() else {
        panic!("for good")
    };
    assert!(
        text.contains("banned 192.0.2.1") && text.contains("550 nobody"),
        "{text}"
    );
    assert_eq!(lab.post.waiting(), 0);
}

#[test]
fn a_mail_that_never_goes_is_given_up_after_the_stated_time() {
    let folder = tempfile::tempdir().unwrap();
    let down = |_: &str| Err(Failure::new(FailureKind::Place, "no route"));
    let lab = lab(Some(folder.path()), down);
    lab.take(letter("192.0.2.1")).unwrap();
    assert!(matches!(lab.told(), Told::Later(_)));
    lab.later(2 * 24 * 3600);
    let Told::GivenUp(text) = lab.told() else {
        panic!("two days are enough")
    };
    assert!(
        text.contains("is given up after 2d and 2 tries: no route"),
        "{text}"
    );
    assert_eq!(files(folder.path()), 0);
}

#[test]
fn those_who_may_have_it_later_are_tried_alone() {
    let first = AtomicI64::new(1);
    let lab = lab(None, move |_| {
        let mut missed = Missed::default();
        if first.swap(0, Ordering::SeqCst) == 1 {
            let to = "b@example.com".parse().unwrap();
            missed.later.push((to, "452 full".into()));
        }
        Ok(missed)
    });
    lab.take(letter("192.0.2.1")).unwrap();
    assert!(matches!(lab.told(), Told::Later(_)));
    lab.later(60);
    assert!(matches!(lab.told(), Told::Sent(_)));
    let tries: Vec<String> = lab.tried.try_iter().collect();
    assert!(tries[0].starts_with("to a@example.com,b@example.com\n"));
    assert!(tries[1].starts_with("to b@example.com\n"));
}

#[test]
fn a_place_that_is_down_is_tried_by_one_mail_and_all_go_when_it_is_up() {
    let down = Arc::new(AtomicI64::new(1));
    let up = Arc::clone(&down);
    let lab = lab(None, move |_| match up.load(Ordering::SeqCst) {
        0 => Ok(Missed::default()),
        _ => Err(Failure::new(FailureKind::Place, "no route")),
    });
    lab.take(letter("192.0.2.1")).unwrap();
    assert!(matches!(lab.told(), Told::Later(_)));
    for host in 2..=5 {
        lab.take(letter(&format!("192.0.2.{host}"))).unwrap();
    }
    down.store(0, Ordering::SeqCst);
    assert_eq!(lab.tried.try_iter().count(), 1, "the others wait with it");
    lab.later(60);
    for _ in 0..5 {
        assert!(matches!(lab.told(), Told::Sent(_)));
    }
}

#[test]
fn what_a_killed_process_leaves_is_sent_by_the_next_once() {
    let folder = tempfile::tempdir().unwrap();
    let down = |_: &str| Err(Failure::new(FailureKind::Place, "no route"));
    let first = lab(Some(folder.path()), down);
    let mut with_secret = letter("192.0.2.1");
    let mut smtp = Smtp::new("192.0.2.25", None).unwrap();
    smtp.secret = crate::mail::Secret::Given("open sesame".into());
    with_secret.transport = Transport::Smtp(smtp);
    first.take(with_secret).unwrap();
    assert!(matches!(first.told(), Told::Later(_)));
    let before = first.tried.recv_timeout(LONG).unwrap();
    first.kill();
    let file = std::fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert!(!text.contains("sesame"), "no password is written down");
    std::fs::write(folder.path().join("0.mail"), "{\"half").unwrap();

    let second = lab(Some(folder.path()), good);
    let Told::GivenUp(bad) = second.told() else {
        panic!("one cannot be read")
    };
    assert!(bad.contains("0.mail cannot be read"), "{bad}");
    second.later(60);
    assert_eq!(
        second.tried.recv_timeout(LONG).unwrap(),
        before,
        "the very same"
    );
    assert!(matches!(second.told(), Told::GivenUp(said) if said.contains("is sent")));
    second.kill();
    let third = lab(Some(folder.path()), good);
    third.later(100_000);
    assert_eq!(third.post.waiting(), 0);
    assert_eq!(third.tried.try_iter().count(), 0, "once is enough");
}

#[test]
fn ten_thousand_bans_in_a_minute_cost_ten_mails_and_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let first = lab(Some(folder.path()), good);
    for n in 0..10_000 {
        first
            .take(letter(&format!("198.51.{}.{}", n / 256, n % 256)))
            .unwrap();
        if n % 200 == 199 {
            first.later(1);
        }
    }
    for _ in 0..8 {
        assert!(matches!(first.told(), Told::Sent(_)));
    }
    assert_eq!(first.post.waiting(), 1, "all others are one file");
    first.kill();
    let second = lab(Some(folder.path()), good);
    second.later(3600);
    assert!(matches!(second.told(), Told::GivenUp(said) if said.contains("is sent")));
    let digest = second.tried.recv_timeout(LONG).unwrap();
    assert!(
        digest.contains("9992 hosts were banned by SSH"),
        "{}",
        &digest[..600]
    );
    assert!(
        digest.contains("     256  198.51.1.0/24"),
        "{}",
        &digest[..900]
    );
    assert_eq!(digest.matches("198.51.39.15  3 attempts").count(), 1);
}

#[test]
fn a_buffered_action_mails_when_full_and_at_its_stop() {
    let limits = Limits {
        lines: Some(5),
        ..Limits::default()
    };
    let lab = lab(None, good);
    for host in 0..7 {
        lab.take_within(letter(&format!("192.0.2.{host}")), &limits)
            .unwrap();
    }
    assert!(matches!(lab.told(), Told::Sent(_)));
    let stop = Letter {
        about: About::Stop { silent: true },
        ..letter("")
    };
    lab.take_within(stop, &limits).unwrap();
    assert!(matches!(lab.told(), Told::Sent(_)));
    let mails: Vec<String> = lab.tried.try_iter().collect();
    assert!(
        mails[0].contains("Subject: [Fail2Ban] SSH: summary from web"),
        "{}",
        mails[0]
    );
    assert!(mails[0].contains("5 hosts") && mails[1].contains("2 hosts"));
    assert_eq!(mails.len(), 2);
}

#[test]
fn a_folder_is_made_by_the_first_mail_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("mail");
    let lab = lab(Some(&place), good);
    assert!(!place.exists());
    lab.take(letter("192.0.2.1")).unwrap();
    assert!(place.is_dir());
    assert!(matches!(lab.told(), Told::Sent(_)));
}

#[test]
fn nobody_turns_in_circles_while_an_actions_first_mail_hangs() {
    let ((go, wait), (begin, begun)) = (channel::<()>(), channel());
    let wait = Mutex::new(wait);
    let lab = lab(None, move |_| {
        begin.send(()).unwrap();
        let _ = wait.lock().unwrap().recv();
        Ok(Missed::default())
    });
    let mut other = letter("192.0.2.7");
    other.action = "other".into();
    for letter in [letter("192.0.2.1"), other, letter("192.0.2.2")] {
        lab.take(letter).unwrap();
    }
    for _ in 0..2 {
        begun.recv_timeout(LONG).unwrap();
    }
    let before = lab.world.looked.load(Ordering::SeqCst);
    let nothing = lab.told.recv_timeout(Duration::from_millis(200));
    assert!(nothing.is_err(), "{nothing:?}");
    let looked = lab.world.looked.load(Ordering::SeqCst) - before;
    assert!(looked < 10, "the clock was read {looked} times");
    drop(go);
    for _ in 0..3 {
        assert!(matches!(lab.told(), Told::Sent(_)));
    }
}

#[test]
fn what_waits_is_bounded() {
    let lab = lab(None, |_| Err(Failure::new(FailureKind::Place, "no route")));
    let limits = Limits {
        hourly: 0,
        ..Limits::default()
    };
    let start = |n: usize| Letter {
        about: About::Start,
        action: format!("a{n}"),
        ..letter("x")
    };
    for n in 0..WAITING {
        lab.take_within(start(n), &limits).unwrap();
    }
    let refused = lab.take_within(start(WAITING), &limits).unwrap_err();
    assert!(refused.contains("1000 mails wait already"), "{refused}");
}

#[test]
fn settings_mended_by_a_reload_send_what_waits_at_once() {
    let lab = lab(None, |message| {
        match message.starts_with("by 192.0.2.26:25\n") {
            true => Ok(Missed::default()),
            false => Err(Failure::new(FailureKind::Place, "no route")),
        }
    });
    lab.take(letter("192.0.2.1")).unwrap();
    assert!(matches!(lab.told(), Told::Later(_)));
    let mended = Letter {
        about: About::Reload,
        transport: Transport::Smtp(Smtp::new("192.0.2.26", None).unwrap()),
        ..letter("")
    };
    lab.take(mended).unwrap();
    assert!(matches!(lab.told(), Told::Sent(_)));
    assert_eq!(lab.post.waiting(), 0);
}

#[test]
fn a_restart_allows_nobody_more_mails_within_the_hour() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        hourly: 3,
        ..Limits::default()
    };
    let first = lab(Some(folder.path()), good);
    for n in 0..3 {
        first
            .take_within(letter(&format!("192.0.2.{n}")), &limits)
            .unwrap();
        assert!(matches!(first.told(), Told::Sent(_)));
        first.later(60);
    }
    first.kill();
    let second = lab(Some(folder.path()), good);
    second.later(200);
    second.take_within(letter("192.0.2.9"), &limits).unwrap();
    assert_eq!(
        (second.post.waiting(), second.tried.try_iter().count()),
        (1, 0)
    );
    second.later(3600);
    let Told::Sent(digest) = second.told() else {
        panic!("the digest goes out when the hour has room")
    };
    assert!(digest.contains("192.0.2.9"), "{digest}");
    second.kill();
    // What is written down is no more than what counts, and what cannot be read is no trouble.
    let known = std::fs::read_to_string(folder.path().join(SENT)).unwrap();
    assert!(known.len() < 200, "{known}");
    std::fs::write(folder.path().join(SENT), "half a fi").unwrap();
    let third = lab(Some(folder.path()), good);
    third.take_within(letter("192.0.2.10"), &limits).unwrap();
    assert!(matches!(third.told(), Told::Sent(_)));
}
