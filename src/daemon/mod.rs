//! Wires the stages together: threads, signals, socket, restore, reload, shutdown.
//!
//! One thread owns all state ([`state`]) and takes messages from one [`inbox`] in turn; readers,
//! workers and clients feed it and never touch the state. [`jails`] come and go, [`logs`],
//! [`journals`] and [`inlets`] feed them,
//! [`control`] and [`queries`] answer clients; the database has its thread in [`keeper`].

mod changes;
pub mod clock;
mod control;
mod draft;
mod ending;
mod facts;
mod inbox;
mod inlets;
mod jails;
mod journals;
mod keeper;
mod limits;
mod lists;
mod logs;
mod metrics;
mod origins;
mod pages;
mod pidfile;
mod queries;
mod report;
mod restore;
mod shared;
mod signals;
mod socket;
mod state;
mod systemd;
mod unban;
mod why;

use std::fmt;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use nix::sys::stat::{Mode, umask};
use nix::unistd::Uid;

pub use facts::firewall;
pub use socket::BindError;

use crate::action::{Courier, DEFAULT_PATH, Watch};
use crate::config::{self, Complaint, Disk, Firewall, Inputs};
use crate::date::Zone;
use crate::log::{Log, Surroundings as LogSurroundings, Target};
use crate::mail::Post;
use crate::model::{FAIL2BAN_VERSION, Level, Logger, ServerSettings, Span};
use crate::protocol::{Request, Value};
use crate::store::{Place, Problem, Store, Write};
use inbox::Inbox;
use jails::{say, say_complaint};
use keeper::Keeper;
use pidfile::PidFile;
use restore::Left;
use shared::Surroundings;
use socket::Server;
use state::{Daemon, Message, Parts};
use systemd::Notifier;

/// How long the database may take to write what is left at the end.
const CLOSING: Duration = Duration::from_secs(10);
/// How long mails of the end, the stops' among them, may take to leave; the rest waits on the disk.
const LEAVING: Duration = Duration::from_secs(5);
/// How long start-up waits to hear of the logs; a file system that hangs must not hold up bans.
const FIRST_LOOK: Span = Span::from_micros(500_000);
/// The longest `sleep` a client may ask for.
const LONGEST_SLEEP: f64 = 3600.0;

/// How the daemon is started.
#[derive(Debug)]
pub struct Start {
    pub inputs: Inputs,
    /// Somebody waits on the other end to hear that we are ready.
    pub attached: Option<UnixStream>,
    /// What is said there.
    pub ready: &'static str,
    /// No jail is read from the configuration: whoever started us sends them (`--async`).
    pub fed: bool,
    /// `TZ`, `PATH`, `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, as the environment has them.
    pub tz: Option<String>,
    pub path: Option<String>,
    pub notify_socket: Option<String>,
    pub watchdog_usec: Option<String>,
    pub watchdog_pid: Option<String>,
    /// `LISTEN_FDNAMES`: what systemd calls the sockets it hands over.
    pub listen_fdnames: Option<String>,
    /// `CREDENTIALS_DIRECTORY`: where systemd puts a mail server's password.
    pub credentials: Option<String>,
}

/// Why the daemon did not start.
#[derive(Debug)]
pub enum StartError {
    Configuration(Box<Complaint>),
    Socket(BindError),
    PidFile(PathBuf, std::io::Error),
    /// A thread or a signal handler could not be had.
    System(std::io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(complaint) => complaint.fmt(f),
            Self::Socket(error) => error.fmt(f),
            Self::PidFile(path, error) => {
                write!(f, "cannot write the PID file {}: {error}", path.display())
            }
            Self::System(error) => write!(f, "the system refuses a thread: {error}"),
        }
    }
}

impl From<std::io::Error> for StartError {
    fn from(error: std::io::Error) -> Self {
        Self::System(error)
    }
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// When it cannot start; nothing was changed then.
pub fn run(start: Start) -> Result<(), StartError> {
    let loaded = config::load(&Disk, &start.inputs)
        .map_err(|complaint| StartError::Configuration(Box::new(complaint)))?;
    limits::raise_open_files();
    // What we write is root's business: log lines name users.
    umask(Mode::from_bits_truncate(0o077));
    let settings = loaded.server.clone();
    let opening = socket::Opening {
        inherited: socket::inherited(start.listen_fdnames.as_deref()),
        group: settings.socketgroup.clone(),
        mode: settings.socketmode,
    };
    let (server, stale) = Server::bind(&settings.socket, opening).map_err(StartError::Socket)?;
    let pidfile = PidFile::write(&settings.pidfile)
        .map_err(|error| StartError::PidFile(settings.pidfile.clone(), error))?;
    let zone = Zone::local(start.tz.as_deref());
    let (log, no_log) = open_log(&settings, &zone);
    say(Level::Info, Logger::Server, "-".repeat(50));
    let version = env!("CARGO_PKG_VERSION");
    say(
        Level::Info,
        Logger::Server,
        format!("Starting Fail2ban v{FAIL2BAN_VERSION} (rban {version})"),
    );
    if start.attached.is_some() {
        say(Level::Info, Logger::Server, "Daemon started");
    }
    if stale {
        let message = format!(
            "{} was left by a server that died; replaced",
            settings.socket.display()
        );
        say(Level::Warning, Logger::Server, message);
    }
    if !Uid::effective().is_root() {
        let message = "not running as root: firewalls and most logs are out of reach; \
                       start it with sudo, or as a system service";
        say(Level::Error, Logger::Server, message);
    }
    if let Some(instead) = match start.inputs.facts.firewall {
        Firewall::Nftables => None,
        Firewall::Ipset => Some("ipset and iptables"),
        Firewall::Iptables => Some("iptables, one rule for each ban"),
    } {
        let message = format!(
            "No nftables here (nft is not installed, or the kernel has none for us): \
             where no banaction is set, bans go to {instead}"
        );
        say(Level::Notice, Logger::Server, message);
    }
    say(Level::Info, Logger::Observer, "Observer start...");
    if !start.fed {
        loaded.complaints.iter().for_each(say_complaint);
    }

    let (outlet, inbox) = Inbox::new();
    let (store, trouble) = open_store(&settings);
    // One of a newer version is left alone; any other may come right.
    let problem = trouble.as_ref().map(|(problem, _)| problem.clone());
    let problem = problem.filter(|problem| !matches!(problem, Problem::Newer(_)));
    // A database that cannot tell has been reported, or will be.
    let left = Left::new(store.jails().unwrap_or_default());
    let news = outlet.clone();
    let keeper = Keeper::start(store, problem, move |told| news.send(Message::News(told)))?;
    keeper.write(Write::AllJailsOff);
    let watcher = logs::watcher(&outlet)?;
    let disturbed = outlet.clone();
    let firewall = Watch::spawn(move |what| disturbed.send(Message::Disturbed(what.into())));
    if let Err(error) = &firewall {
        let message = format!(
            "Changes others make to the firewall are not seen at once ({error}), \
             only by a look every minute"
        );
        say(Level::Info, Logger::Server, message);
    }
    let told = outlet.clone();
    signals::listen(move |asked| told.send(Message::Asked(asked)))?;
    let commands = outlet.clone();
    server.serve(move |command| hand_over(&commands, command))?;
    let path = start.path.as_deref().unwrap_or(DEFAULT_PATH);
    let post = open_post(settings.dbfile.as_deref(), path, start.credentials);
    let mut daemon = Daemon::new(Parts {
        surroundings: Surroundings {
            inputs: start.inputs,
            zone,
            path: path.into(),
        },
        server: settings,
        keeper,
        watcher,
        post,
        log: log.clone(),
        outlet,
        fed: start.fed,
        left,
        notifier: Notifier::new(
            start.notify_socket.as_deref(),
            start.watchdog_usec.as_deref(),
            start.watchdog_pid.as_deref(),
        ),
    });
    daemon.trouble("dbfile", trouble.map(|(_, message)| message));
    daemon.trouble("logtarget", no_log);
    daemon.serve_metrics();
    let dropped = jails::dropped(&loaded);
    let jails = if start.fed { Vec::new() } else { loaded.jails };
    for jail in jails {
        daemon.start_jail(jail);
    }
    for (name, why) in dropped.iter().filter(|_| !start.fed) {
        daemon.note_dropped(name, why);
    }
    let mut lines = Vec::new();
    daemon.hear_of_logs(&inbox, clock::now() + FIRST_LOOK, &mut lines);
    for name in daemon.names() {
        daemon.finish_start(&name);
    }
    if daemon.jails.is_empty() && !start.fed {
        let message = "no jail runs: nothing is watched; enable one in jail.local, then reload";
        say(Level::Warning, Logger::Server, message);
    }
    daemon.bring_back_bans(&inbox, lines);
    daemon.notifier.ready(daemon.summary());
    if let Some(mut attached) = start.attached {
        // Whoever waited may have gone; we are ready all the same.
        let _ = attached.write_all(start.ready.as_bytes());
    }
    daemon.run(&inbox);
    shut_down(daemon, &inbox, server);
    drop(pidfile);
    log.close();
    Ok(())
}

/// The log as configured; where that cannot be had, standard error, and why.
fn open_log(settings: &ServerSettings, zone: &Zone) -> (Log, Option<String>) {
    let surroundings = LogSurroundings {
        zone: zone.time_zone().clone(),
        ..LogSurroundings::new(clock::now)
    };
    let log = Log::new(surroundings);
    // Only a second log in this process could have been installed before.
    let _ = log.install();
    log.set_level(settings.loglevel);
    let opened = Target::parse(&settings.logtarget)
        .map_err(|error| error.to_string())
        .and_then(|target| {
            log.set_target(&target, &settings.syslogsocket)
                .map_err(|e| e.to_string())
        });
    let Err(error) = opened else {
        return (log, None);
    };
    if let Ok(target) = Target::parse("STDERR") {
        let _ = log.set_target(&target, &settings.syslogsocket);
    }
    let message = format!("{error}; logging to standard error");
    crate::log::complain(&message);
    say(Level::Error, Logger::Server, message.as_str());
    (log, Some(message))
}

/// The database as configured, or what keeps it from being opened and how that is said: then bans go
/// on, and the keeper opens it when it can.
fn open_store(settings: &ServerSettings) -> (Store, Option<(Problem, String)>) {
    let place = Place::new(settings.dbfile.as_deref());
    keeper::make_folder(&place);
    let (mut store, trouble) = match Store::open(place.clone(), clock::now()) {
        Ok(opened) => {
            opened.records.iter().for_each(crate::log::emit);
            (opened.store, None)
        }
        Err(error) if matches!(error.problem, Problem::Newer(_)) => {
            let message = format!("{error}; bans go on, and will not survive a restart");
            say(Level::Error, Logger::Database, message.as_str());
            (Store::off(), Some((error.problem, message)))
        }
        Err(error) => {
            let message =
                format!("{error}; bans go on without it, and are written when it can be opened");
            say(Level::Error, Logger::Database, message.as_str());
            (Store::closed(place), Some((error.problem, message)))
        }
    };
    store.set_maxmatches(settings.dbmaxmatches);
    (store, trouble)
}

/// Where mails wait, next to the database; in memory where there is none.
fn open_post(dbfile: Option<&Path>, path: &str, credentials: Option<String>) -> Post {
    let folder = dbfile
        .and_then(Path::parent)
        .map(|folder| folder.join("mail"));
    let courier = Courier {
        path: path.into(),
        credentials,
        now: clock::now,
        say: crate::log::emit,
        logs: config::log_files,
    };
    Post::open(folder.as_deref(), Arc::new(courier))
}

/// Has the daemon's thread carry a client's command out, and waits for the answer here, on the
/// client's own thread.
fn hand_over(outlet: &inbox::Outlet<Message>, command: Value) -> socket::Answer {
    let (send, answer) = mpsc::channel::<socket::Answer>();
    if let Ok(Request::Sleep(seconds)) = crate::protocol::parse(&command) {
        // Nothing is ever sent: only this client waits.
        let wait = Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_SLEEP));
        let _ = answer.recv_timeout(wait);
        return Ok(Value::None);
    }
    let reply = Box::new(move |answer| {
        let _ = send.send(answer);
    });
    outlet.send(Message::Command(command, reply));
    answer
        .recv()
        .unwrap_or_else(|_| Ok(Value::list(["SHUTDOWN"])))
}

/// Everything ends in fail2ban's order: no more commands, the jails, the database.
fn shut_down(mut daemon: Daemon, inbox: &Inbox<Message>, server: Server) {
    server.hush();
    daemon.notifier.stopping();
    say(Level::Info, Logger::Server, "Shutdown in progress...");
    say(
        Level::Info,
        Logger::Observer,
        "Observer stop ... try to end queue 5 seconds",
    );
    say(
        Level::Info,
        Logger::Observer,
        "Observer stopped, 0 events remaining.",
    );
    daemon.write_positions();
    if daemon.leaving || daemon.server.keep_on_stop {
        // The bans are in the database and due: whoever starts next takes the rules over.
        let message = "Leaving all jails' bans in place for the next start";
        say(Level::Info, Logger::Server, message);
    } else {
        say(Level::Info, Logger::Server, "Stopping all jails");
        daemon.save_before_the_end();
        daemon.stop_all();
        while !daemon.endings.is_empty() {
            match inbox.next(None) {
                inbox::Waited::Message(Message::Ended(key)) => daemon.ended(&key),
                // Whoever asks now is told that the server ends.
                inbox::Waited::Message(_) | inbox::Waited::Due => {}
            }
        }
    }
    if let Some(record) = daemon.keeper.close(CLOSING) {
        crate::log::emit(&record);
    }
    let left = daemon.post.close(LEAVING);
    if left > 0 {
        let message = format!("{left} mails wait for the next start");
        say(Level::Info, Logger::Server, message);
    }
    daemon.endings.farewell();
    drop(server);
    say(Level::Info, Logger::Server, "Exiting Fail2ban");
}
