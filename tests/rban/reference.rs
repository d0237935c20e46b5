//! The reference program, where it is installed: Debian's fail2ban, asked through its own Python.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// The program, whose presence says that its modules are there too.
const PROGRAM: &str = "/usr/bin/fail2ban-server";
/// Debian's own Python, which has them; another in the path has not.
const PYTHON: &str = "/usr/bin/python3";

/// Runs a script with fail2ban's modules importable and returns the JSON it prints; `None`, with a
/// note, where fail2ban is not installed.
pub(crate) fn python(script: &str) -> Option<serde_json::Value> {
    run("import sys; exec(sys.stdin.read())", script.to_owned())
}

/// The same for a script that reads a question as JSON from its input.
pub(crate) fn ask(script: &str, question: &serde_json::Value) -> Option<serde_json::Value> {
    run(script, question.to_string())
}

fn run(script: &str, text: String) -> Option<serde_json::Value> {
    if !Path::new(PROGRAM).exists() {
        eprintln!("skipped, fail2ban is not installed");
        return None;
    }
    #[expect(clippy::disallowed_methods, reason = "asks the reference program")]
    let mut child = Command::new(PYTHON)
        .args(["-B", "-c", script])
        .env("TZ", "CET-01CEST-02,M3.5.0,M10.5.0")
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Debian's python3");
    let mut input = child.stdin.take().expect("a pipe");
    // An interpreter that ends early says why on stderr.
    let writer = thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("its output");
    let _ = writer.join();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the reference program failed: {told}"
    );
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}
