//! Which program am I? Run it; print the error once; turn it into an exit code.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use rban::cli::{self, Next, Options, World};
use rban::daemon::{self, Start};
use rban::date::Zone;
use rban::model::{Level, Logger};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    #[expect(
        clippy::disallowed_methods,
        reason = "main reads the environment once, for everybody"
    )]
    let environment: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| {
            (
                name.to_string_lossy().into(),
                value.to_string_lossy().into(),
            )
        })
        .collect();
    let (mut input, mut out) = (io::stdin().lock(), io::stdout().lock());
    let mut err = io::stderr().lock();
    let mut world = World {
        firewall: daemon::firewall(variable(&environment, "PATH")),
        environment,
        clock: daemon::clock::now,
        input: &mut input,
        out: &mut out,
        err: &mut err,
        level: Level::Warning,
    };
    let code = match cli::run(&arguments, &mut world) {
        Next::Done(code) => code,
        Next::Serve(options) => {
            let inputs = cli::server_inputs(&options, &world);
            let environment = std::mem::take(&mut world.environment);
            drop((input, out, err));
            serve(&options, inputs, &environment)
        }
    };
    ExitCode::from(code)
}

fn variable<'e>(environment: &'e [(String, String)], name: &str) -> Option<&'e str> {
    environment
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

/// Runs the server in this process.
fn serve(options: &Options, inputs: rban::config::Inputs, environment: &[(String, String)]) -> u8 {
    let attached = options.attached.then(|| attach().ok()).flatten();
    let mut line = attached.as_ref().and_then(|stream| stream.try_clone().ok());
    let owned = |name: &str| variable(environment, name).map(str::to_owned);
    let start = Start {
        inputs,
        attached,
        ready: cli::READY,
        fed: options.fed,
        tz: owned("TZ"),
        path: owned("PATH"),
        notify_socket: owned("NOTIFY_SOCKET"),
        watchdog_usec: owned("WATCHDOG_USEC"),
        watchdog_pid: owned("WATCHDOG_PID"),
        listen_fdnames: owned("LISTEN_FDNAMES"),
        credentials: owned("CREDENTIALS_DIRECTORY"),
    };
    match daemon::run(start) {
        Ok(()) => 0,
        Err(error) => {
            // Whoever started us in the background reads it there; otherwise a terminal does.
            let _ = match &mut line {
                Some(line) => writeln!(line, "{error}"),
                None => {
                    let zone = Zone::local(variable(environment, "TZ"));
                    let text = error.to_string();
                    let line = cli::line(
                        &zone,
                        daemon::clock::now(),
                        Logger::Client,
                        Level::Error,
                        &text,
                    );
                    writeln!(io::stderr(), "{line}")
                }
            };
            cli::FAILED
        }
    }
}

/// Leaves the terminal and session we were started from; standard input is the line back.
fn attach() -> io::Result<UnixStream> {
    if io::stdin().is_terminal() {
        return Err(io::Error::other("standard input is a terminal"));
    }
    let line = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let null = std::fs::File::open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::setsid()?;
    std::env::set_current_dir("/")?;
    Ok(line)
}
