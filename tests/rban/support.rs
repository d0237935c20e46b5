//! What several areas' tests need: programs run to their end, network namespaces of a test's own.

use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;

/// Runs a shell script in the calling thread's namespaces.
#[expect(clippy::disallowed_methods, reason = "tests ask the real programs")]
pub(crate) fn sh(script: &str) -> Output {
    Command::new("/bin/sh")
        .args(["-c", script])
        .env("PATH", rban::action::DEFAULT_PATH)
        .output()
        .expect("a shell")
}

/// What a script prints; it has to succeed.
pub(crate) fn said(script: &str) -> String {
    let output = sh(script);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{script}\n{out}{err}");
    out.into_owned()
}

/// The next number of a xorshift64*: the same state, which is not 0, leads to the same numbers.
pub(crate) fn draw(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
}

/// Whether the machine has what a test needs; says so where it has not.
pub(crate) fn has(programs: &[&str]) -> bool {
    let missing = |program: &&&str| !sh(&format!("command -v {program}")).status.success();
    let missing: Vec<_> = programs.iter().filter(missing).collect();
    if !missing.is_empty() {
        eprintln!("skipped: {missing:?} not installed");
    }
    missing.is_empty()
}

/// Says that something was not tested, past the harness that keeps a test's words to itself.
pub(crate) fn skipped(what: &str) {
    use std::io::Write as _;
    let line = format!("SKIPPED: {what}\n");
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("a stderr");
}

/// Runs a test in a fresh network namespace with its loopback up. Threads and programs it starts
/// live there too, and all is gone with the last of them.
pub(crate) fn in_namespace<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    let inside = || {
        unshare(CloneFlags::CLONE_NEWNET).expect("root, for a network namespace");
        said("ip link set lo up");
        test()
    };
    thread::scope(|scope| match scope.spawn(inside).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Another network namespace: a thread that does there what it is told. It is gone with this.
pub(crate) struct Room {
    tasks: mpsc::Sender<Box<dyn FnOnce() + Send>>,
    /// The thread, as `ip link set … netns` names it.
    pub(crate) thread: i32,
}

impl Room {
    pub(crate) fn new() -> Self {
        let (tasks, todo) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let (ready, thread) = mpsc::channel();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("root, for a network namespace");
            said("ip link set lo up");
            ready.send(gettid().as_raw()).expect("a listener");
            todo.into_iter().for_each(|task| task());
        });
        let thread = thread.recv().expect("a namespace");
        Self { tasks, thread }
    }

    /// Does a task there and gives back what it came to.
    pub(crate) fn run<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        let task = move || done.send(task()).expect("a listener");
        self.tasks.send(Box::new(task)).expect("a thread");
        result.recv().expect("no panic")
    }

    pub(crate) fn said(&self, script: &str) -> String {
        let script = script.to_owned();
        self.run(move || said(&script))
    }

    /// Whether a script succeeds.
    pub(crate) fn works(&self, script: &str) -> bool {
        let script = script.to_owned();
        self.run(move || sh(&script).status.success())
    }
}

/// Runs a test with mounts of its own: what it mounts nobody else sees, and all is gone with it.
pub(crate) fn with_own_mounts<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    let inside = || {
        unshare(CloneFlags::CLONE_NEWNS).expect("root, for a mount namespace");
        said("mount --make-rprivate /");
        test()
    };
    thread::scope(|scope| match scope.spawn(inside).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// The seeds of a test's share of generated cases: where they begin and how many there are. A run
/// by hand sets the variables to go elsewhere and on for longer.
pub(crate) fn share(seed: &str, count: &str, usual: u64) -> (u64, u64) {
    #[expect(clippy::disallowed_methods, reason = "longer runs by hand")]
    let number = |name: &str, usual| {
        std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
    };
    (number(seed, 1), number(count, usual))
}
