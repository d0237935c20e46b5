//! The reference program, where it is installed: Debian's fail2ban, asked through its own Python.

use std::io::Write;
use std::process::{Command, Stdio};

/// Runs a script with fail2ban's modules importable and returns the JSON it prints; `None`, with a
/// note, where fail2ban is not installed.
pub fn python(script: &str) -> Option<serde_json::Value> {
    #[expect(clippy::disallowed_methods, reason = "asks the reference program")]
    let started = Command::new("python3")
        .args(["-B", "-c", "import fail2ban, sys; exec(sys.stdin.read())"])
        .env("TZ", "CET-01CEST-02,M3.5.0,M10.5.0")
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            eprintln!("skipped, no python3: {error}");
            return None;
        }
    };
    let mut input = child.stdin.take().expect("a pipe");
    // An interpreter that ends early says why on stderr.
    let _ = input.write_all(script.as_bytes());
    drop(input);
    let output = child.wait_with_output().expect("its output");
    let told = String::from_utf8_lossy(&output.stderr);
    if told.contains("No module named 'fail2ban'") {
        eprintln!("skipped, fail2ban is not installed");
        return None;
    }
    assert!(
        output.status.success(),
        "the reference program failed: {told}"
    );
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}
