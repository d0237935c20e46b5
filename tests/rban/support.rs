//! What several areas' tests need: programs run to their end, network namespaces of a test's own.

use std::process::{Command, Output};
use std::thread;

use nix::sched::{CloneFlags, unshare};

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

/// Whether the machine has what a test needs; says so where it has not.
pub(crate) fn has(programs: &[&str]) -> bool {
    let missing = |program: &&&str| !sh(&format!("command -v {program}")).status.success();
    let missing: Vec<_> = programs.iter().filter(missing).collect();
    if !missing.is_empty() {
        eprintln!("skipped: {missing:?} not installed");
    }
    missing.is_empty()
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
