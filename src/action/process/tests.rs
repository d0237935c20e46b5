use std::fs;
use std::path::Path;

use super::*;

/// Longer than anything here takes; only a failing test waits for it.
const LONG: Duration = Duration::from_secs(60);

fn shell(script: &str, limit: Duration) -> Finished {
    shell_until(script, limit, &Abort::new().expect("a pipe"))
}

fn shell_until(script: &str, limit: Duration, abort: &Abort) -> Finished {
    let arguments = ["-c".to_owned(), script.to_owned()];
    let shell = Run {
        program: "/bin/sh",
        arguments: &arguments,
        input: &[],
        path: crate::action::DEFAULT_PATH,
        limit,
    };
    run(&shell, abort).expect("a shell")
}

fn text(kept: &Kept) -> &str {
    std::str::from_utf8(&kept.bytes).expect("text")
}

/// Whether the process a script has noted in a file is gone or but a zombie.
fn is_gone(pid_file: &Path) -> bool {
    let pid = fs::read_to_string(pid_file).expect("a noted pid");
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ") || stat.contains(") X ")
}

#[test]
fn a_program_is_heard_to_its_end() {
    let finished = shell("echo out; echo err >&2; exit 3", LONG);
    assert_eq!(finished.end, End::Exited(3));
    assert_eq!(text(&finished.output), "out\n");
    assert_eq!(text(&finished.errors), "err\n");
    assert_eq!(shell("kill -9 $$", LONG).end, End::Killed(9));
}

#[test]
fn input_larger_than_a_pipe_gets_through() {
    let input = vec![b'x'; 1_000_000];
    let counter = Run {
        program: "wc",
        arguments: &["-c".to_owned()],
        input: &input,
        path: crate::action::DEFAULT_PATH,
        limit: LONG,
    };
    let finished = run(&counter, &Abort::new().expect("a pipe")).expect("wc");
    assert_eq!(text(&finished.output).trim(), "1000000");
    // Somebody who does not listen does not hold us up either.
    let deaf = Run {
        program: "true",
        arguments: &[],
        ..counter
    };
    let finished = run(&deaf, &Abort::new().expect("a pipe")).expect("true");
    assert_eq!(finished.end, End::Exited(0));
}

#[test]
fn a_hundred_megabytes_of_output_are_read_and_forgotten() {
    let finished = shell("head -c 100000000 /dev/zero; exit 1", LONG);
    assert_eq!(finished.end, End::Exited(1));
    assert_eq!(finished.output.bytes.len(), KEPT);
    assert_eq!(finished.output.dropped, 100_000_000 - KEPT as u64);
}

#[test]
fn past_its_limit_a_script_and_all_it_started_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let (gone, all_gone) = std::sync::mpsc::channel();
    let script = format!("exec 3>{}; sleep 1000 & wait", fifo.display());
    thread::spawn(move || {
        // Ends when nobody is left to write.
        gone.send(fs::read_to_string(&fifo)).expect("a listener");
    });
    let finished = shell(&script, Duration::from_millis(300));
    assert_eq!(finished.end, End::TimedOut(Some(-15)));
    let all_gone = all_gone.recv_timeout(LONG).expect("the child is gone too");
    assert_eq!(all_gone.expect("a fifo"), "");
}

#[test]
fn a_script_that_ignores_the_polite_signal_is_killed() {
    let finished = shell(
        "trap '' TERM; echo on; while :; do sleep 1; done",
        Duration::from_millis(300),
    );
    assert_eq!(finished.end, End::TimedOut(Some(-9)));
    assert_eq!(text(&finished.output), "on\n");
}

#[test]
fn a_daemon_left_behind_holding_our_pipes_is_not_waited_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let pid = dir.path().join("pid");
    let script = format!("echo before; sleep 1000 & echo $! > {}", pid.display());
    let finished = shell(&script, LONG);
    assert_eq!(finished.end, End::Exited(0));
    assert_eq!(text(&finished.output), "before\n");
    assert!(!is_gone(&pid), "it lives on, as with fail2ban");
    let pid: i32 = fs::read_to_string(&pid)
        .expect("a pid")
        .trim()
        .parse()
        .expect("a pid");
    nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL).expect("ours to end");
}

#[test]
fn a_script_that_closes_its_outputs_is_still_waited_for() {
    let finished = shell("exec >&- 2>&-; sleep 0.2; exit 4", LONG);
    assert_eq!(finished.end, End::Exited(4));
}

#[test]
fn an_abort_ends_what_runs_and_nothing_later() {
    let abort = Arc::new(Abort::new().expect("a pipe"));
    let fifo = tempfile::tempdir().expect("a folder");
    let started = fifo.path().join("started");
    nix::unistd::mkfifo(&started, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let script = format!("echo on > {}; sleep 1000", started.display());
    thread::scope(|scope| {
        let running = scope.spawn(|| shell_until(&script, LONG, &abort));
        // Opening waits for the script to be there.
        assert_eq!(fs::read_to_string(&started).expect("a fifo"), "on\n");
        abort.abort();
        assert_eq!(running.join().expect("no panic").end, End::Aborted);
    });
    assert!(abort.is_on(), "until something new begins");
    abort.begin();
    assert!(!abort.is_on());
    assert_eq!(shell_until("exit 0", LONG, &abort).end, End::Exited(0));
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    let missing = Run {
        program: "no-such-program",
        arguments: &[],
        input: &[],
        path: crate::action::DEFAULT_PATH,
        limit: LONG,
    };
    let error = run(&missing, &Abort::new().expect("a pipe")).expect_err("not there");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
