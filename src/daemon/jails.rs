//! Jails coming, changing and going: what belongs to each outside the engine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::clock;
use super::control::plain;
use super::draft::drafts;
use super::ending::{Key, Outcome};
use super::facts;
use super::journals;
use super::shared::Numbers;
use super::state::{Daemon, Message, SETTLED};
use crate::action::driver::Kind;
use crate::action::{ActionSpec, Event, Job, Report, Way, Worker};
use crate::config::{Complaint, Config, Disk, Loaded, Severity};
use crate::dns;
use crate::filter::Filter;
use crate::jail::Jail;
use crate::log;
use crate::model::{
    ActionSettings, BanTime, JailSettings, Level, Logger, Origin, Record, ServerSettings,
};
use crate::protocol::{Exception, Reload};
use crate::source::Subscriber;
use crate::store::Write;

/// A running jail's part outside the engine.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) name: Arc<str>,
    pub(super) settings: JailSettings,
    pub(super) actions: Vec<Acting>,
    /// Who it is to the watcher.
    pub(super) subscriber: Subscriber,
    /// The `logpath` entries it follows.
    pub(super) followed: Vec<PathBuf>,
    /// Entries of which nothing has been heard yet.
    pub(super) unheard: usize,
    /// It was added and set up, and is told to start yet.
    pub(super) started: bool,
    /// Logs it waits for, by path or pattern, and why.
    pub(super) waits: BTreeMap<PathBuf, String>,
    /// How often a log, or a file of a journal, turned out to be unreadable.
    pub(super) errors: BTreeMap<PathBuf, u64>,
    /// Why it runs as it did before the last reload.
    pub(super) outdated: Option<String>,
    numbers: Arc<Numbers>,
}

/// One of its actions.
#[derive(Debug)]
pub(super) struct Acting {
    pub(super) settings: ActionSettings,
    pub(super) worker: Worker,
    /// It was told to start; one that is added to a jail that runs is told with its first ban.
    pub(super) started: bool,
    /// What it bans in tells nobody when it loses our rules, and it has a command to look.
    pub(super) silent: bool,
}

impl Acting {
    fn new(settings: ActionSettings, worker: Worker) -> Self {
        let mut acting = Self {
            settings,
            worker,
            started: false,
            silent: false,
        };
        acting.look_up_silence();
        acting
    }

    pub(super) fn look_up_silence(&mut self) {
        let check = self.settings.option("actioncheck");
        self.silent = check.is_some_and(|check| !check.trim().is_empty())
            && self.worker.ways().ban != Way::Native(Kind::Nftables);
    }
}

impl Running {
    /// What its actions may ask.
    pub(super) const fn numbers(&self) -> &Arc<Numbers> {
        &self.numbers
    }

    pub(super) fn action(&self, name: &str) -> Option<&Acting> {
        self.actions
            .iter()
            .find(|action| action.settings.name == name)
    }
}

/// Writes a line to the log.
pub(super) fn say(level: Level, logger: Logger, message: impl Into<String>) {
    log::emit(&Record::new(level, logger, message));
}

/// Writes what is wrong with a configuration to the log.
pub(super) fn say_complaint(complaint: &Complaint) {
    let level = match complaint.severity {
        Severity::Info => Level::Info,
        Severity::Warning => Level::Warning,
        Severity::Error => Level::Error,
    };
    say(level, Logger::Config, complaint.to_string());
}

impl Daemon {
    /// Reads the configuration as it is now.
    fn read_configuration(&self, jail: Option<&str>) -> Result<Loaded, Complaint> {
        let config = Config::read(&Disk, &self.surroundings.inputs)?;
        match jail {
            Some(jail) => config.load_jail(jail),
            None => Ok(config.load()),
        }
    }

    /// Starts a jail; `false`, with the reason logged, when it cannot be.
    pub(super) fn start_jail(&mut self, settings: JailSettings) -> bool {
        let name = settings.name.clone();
        match self.add_jail(settings) {
            Ok(()) => {
                if let (Some(running), Some(member)) =
                    (self.running(&name), self.engine.member(&name))
                {
                    say_settings(&running.settings, &member.filter);
                }
                self.begin_jail(&name);
                true
            }
            Err(why) => {
                let told = refuse(&name, &why);
                self.failed.insert(name, why);
                told
            }
        }
    }

    /// Makes a jail that does nothing yet.
    ///
    /// # Errors
    /// When it cannot be made; why.
    pub(super) fn add_jail(&mut self, settings: JailSettings) -> Result<(), String> {
        self.failed.remove(&settings.name);
        let name: Arc<str> = settings.name.as_str().into();
        let backend = backend_name(&settings.backend);
        say(
            Level::Info,
            Logger::Jail,
            format!("Creating new jail '{name}'"),
        );
        say(
            Level::Info,
            Logger::Jail,
            format!("Jail '{name}' uses {backend} {{}}"),
        );
        say(
            Level::Info,
            Logger::Jail,
            format!("Initiated '{backend}' backend"),
        );
        if backend == "systemd" {
            journals::wanted(&settings)?;
        }
        let filter = Filter::for_jail(&settings, &self.surroundings.zone, self.year())
            .map_err(|error| error.to_string())?;
        let jail = Jail::new(&settings).map_err(|error| error.to_string())?;
        self.engine.add(jail, filter);
        let numbers = Arc::new(Numbers::new(
            Arc::clone(&name),
            self.keeper.asker(),
            settings.bantime,
        ));
        let actions = settings
            .actions
            .iter()
            .filter_map(|action| self.spawn_action(&name, action.clone(), &numbers))
            .collect();
        self.left.taken(&name);
        let subscriber = Subscriber(self.next_subscriber);
        self.next_subscriber += 1;
        self.jails.push(Running {
            name,
            unheard: 0,
            settings,
            actions,
            subscriber,
            followed: Vec::new(),
            started: false,
            waits: BTreeMap::new(),
            errors: BTreeMap::new(),
            outdated: None,
            numbers,
        });
        Ok(())
    }

    /// A jail that is set up begins to watch and to act.
    pub(super) fn begin_jail(&mut self, name: &str) {
        let Some(running) = self.running_mut(name) else {
            return;
        };
        running.started = true;
        // A journal is heard of once, however many log files it stands for.
        running.unheard = match backend_name(&running.settings.backend) {
            "systemd" => 1,
            "stdin" | "pipe" | "syslog" => 0,
            _ => running.settings.logs.len(),
        };
        let logs = running.settings.logs.iter();
        running.followed = logs.map(|log| PathBuf::from(&log.glob)).collect();
        for action in &mut running.actions {
            action.started = true;
        }
        let name = Arc::clone(&running.name);
        if running.settings.filter.failregex.is_empty() {
            say(
                Level::Warning,
                Logger::Jail,
                format!("[{name}] has no failregex: nothing will ever be found"),
            );
        }
        self.keeper.write(Write::Jail {
            name: Arc::clone(&name),
            enabled: true,
        });
        let member = self.engine.member(&name);
        if member.is_some_and(|member| member.jail.wants_history()) {
            self.recall();
        }
        self.follow_logs(&name);
        self.with_jail(&name, Jail::start);
        self.act(&name, || Job::Start);
    }

    pub(super) fn running(&self, name: &str) -> Option<&Running> {
        self.jails.iter().find(|running| *running.name == *name)
    }

    pub(super) fn running_mut(&mut self, name: &str) -> Option<&mut Running> {
        self.jails.iter_mut().find(|running| *running.name == *name)
    }

    /// A jail that starts has its logs: it is up, and its bans come back.
    pub(super) fn finish_start(&mut self, name: &str) {
        let Some(running) = self.jails.iter().find(|running| *running.name == *name) else {
            return;
        };
        let name = Arc::clone(&running.name);
        say(Level::Info, Logger::Jail, format!("Jail '{name}' started"));
        self.restore(&name);
    }

    pub(super) fn year(&self) -> i16 {
        let now = jiff::Timestamp::from_microsecond(clock::now().micros()).unwrap_or_default();
        self.surroundings.zone.time_zone().to_datetime(now).year()
    }

    /// An action's worker; its thread begins with its first job.
    pub(super) fn spawn_action(
        &self,
        jail: &Arc<str>,
        settings: ActionSettings,
        numbers: &Arc<Numbers>,
    ) -> Option<Acting> {
        let outlet = self.outlet.clone();
        let spec = ActionSpec {
            jail: Arc::clone(jail),
            settings: settings.clone(),
            native: self.server.native,
            ipv6: self.server.allowipv6.unwrap_or_else(facts::has_ipv6),
            path: Arc::clone(&self.surroundings.path),
            facts: Arc::clone(numbers) as Arc<dyn crate::action::Facts>,
            drivers: crate::action::Drivers::with_post(self.post.clone()),
            left: self.left.of(jail),
        };
        // What an action has to say goes to the log at once: at the end nobody takes messages.
        let sink = Arc::new(move |report: Report| match report.event {
            Event::Log(record) => log::emit(&record),
            Event::Failed { .. } | Event::Repaired(_) | Event::Stopped => {
                outlet.send(Message::Report(report));
            }
        });
        match Worker::spawn(spec, sink) {
            Ok(worker) => Some(Acting::new(settings, worker)),
            Err(refused) => {
                let place = match &settings.origin {
                    Origin::Default => String::new(),
                    origin => format!("{origin}: "),
                };
                let message = format!("{place}[{jail}] action '{}': {refused}", settings.name);
                say(Level::Error, Logger::Actions, message);
                None
            }
        }
    }

    /// Stops a jail: its bans leave the firewall and stay in the database. It is gone at once; its
    /// actions end in their own time. `false` when there is no such jail.
    pub(super) fn stop_jail(&mut self, name: &str) -> bool {
        let Some(place) = self.jails.iter().position(|running| *running.name == *name) else {
            return false;
        };
        self.unfollow_logs(name);
        self.restoring.retain(|restoring| *restoring.jail != *name);
        self.with_jail(name, Jail::stop);
        let running = self.jails.remove(place);
        self.engine.remove(name);
        let key = Key {
            jail: running.name,
            action: None,
        };
        self.end(key, running.actions);
        true
    }

    /// All jails stop, side by side.
    pub(super) fn stop_all(&mut self) {
        for name in self.names() {
            self.stop_jail(&name);
        }
    }

    /// Reads the configuration again. What cannot be read changes nothing; jails that are to stop
    /// have ended before their successors start.
    pub(super) fn reload(&mut self, reload: &Reload) -> Outcome {
        let jail = reload.jail.as_deref();
        if reload.if_exists
            && let Some(jail) = jail
            && self.engine.member(jail).is_none()
        {
            return Outcome::Now(Ok("OK".into()));
        }
        say(
            Level::Info,
            Logger::Server,
            match jail {
                Some(jail) => format!("Reload jail {jail}"),
                None => "Reload all jails".to_owned(),
            },
        );
        let wanted = match self.wanted(reload) {
            Ok(wanted) => wanted,
            Err(exception) => {
                say(
                    Level::Error,
                    Logger::Server,
                    "Nothing was reloaded; all goes on as it was",
                );
                return Outcome::Now(Err(exception));
            }
        };
        self.drop_jails(&wanted, reload);
        if jail.is_none() {
            if let Some(server) = wanted.server.clone() {
                self.change_server(server);
            }
            dns::system().clear();
        }
        let names = wanted.jails.iter();
        let on = names
            .flat_map(|settings| self.endings.of(&settings.name))
            .chain(self.endings.jails().map(|jail| Key {
                jail: Arc::clone(jail),
                action: None,
            }));
        Outcome::When(
            on.collect(),
            Box::new(move |daemon| daemon.reload_into(wanted)),
        )
    }

    /// The second half: what was to end has ended.
    fn reload_into(&mut self, wanted: Target) -> Outcome {
        let jails = &self.jails;
        self.failed.retain(|name, _| {
            wanted.dropped.iter().any(|(dropped, _)| dropped == name)
                && !jails.iter().any(|running| *running.name == **name)
        });
        for (name, why) in &wanted.dropped {
            self.note_dropped(name, why);
        }
        let mut reloaded = Vec::new();
        for settings in wanted.jails {
            let name = settings.name.clone();
            if self.engine.member(&name).is_some() {
                self.reload_jail(settings);
                reloaded.push(name);
            } else if self.start_jail(settings) {
                self.finish_start(&name);
            }
        }
        let names = reloaded.iter();
        let on = names.flat_map(|name| self.endings.of(name)).collect();
        // What an action that goes takes out of the firewall may be what the next one puts there.
        Outcome::When(
            on,
            Box::new(move |daemon| {
                for name in &reloaded {
                    daemon.begin_actions(name);
                }
                daemon.settle_down(SETTLED);
                say(Level::Info, Logger::Server, "Reload finished.");
                Outcome::Now(Ok("OK".into()))
            }),
        )
    }

    /// A jail whose configuration has a mistake in it is not there, or as it was before.
    pub(super) fn note_dropped(&mut self, name: &str, why: &str) {
        match self.running_mut(name) {
            Some(running) => running.outdated = Some(why.to_owned()),
            None => {
                self.failed.insert(name.to_owned(), why.to_owned());
            }
        }
    }

    /// What is to run: as the configuration says; as the client's commands say where the server was
    /// started without a configuration, or knows nothing of the jail.
    fn wanted(&self, reload: &Reload) -> Result<Target, Exception> {
        let by_stream = || drafts(&reload.stream).map(Target::from);
        if self.fed && !reload.stream.is_empty() {
            return by_stream();
        }
        match self.read_configuration(reload.jail.as_deref()) {
            Ok(loaded) => {
                loaded.complaints.iter().for_each(say_complaint);
                Ok(Target {
                    dropped: dropped(&loaded),
                    jails: loaded.jails,
                    server: Some(loaded.server),
                })
            }
            Err(_) if reload.jail.is_some() && !reload.stream.is_empty() => by_stream(),
            Err(complaint) => {
                say_complaint(&complaint);
                Err(plain(complaint.to_string()))
            }
        }
    }

    /// Unbans and stops what is to be unbanned, restarted, or is not in the configuration any more.
    fn drop_jails(&mut self, wanted: &Target, reload: &Reload) {
        for name in self.names() {
            let named = reload.jail.as_deref().is_none_or(|jail| jail == &*name);
            if !named {
                continue;
            }
            if reload.unban {
                self.with_jail(&name, Jail::unban_all);
            }
            let settings = wanted.jails.iter().find(|settings| *settings.name == *name);
            // A jail with a mistake in it goes on as it was until the mistake is mended.
            let mistaken = wanted.dropped.iter().any(|(dropped, _)| **dropped == *name);
            let other_backend = settings.is_some_and(|settings| {
                self.running(&name).is_some_and(|running| {
                    backend_name(&running.settings.backend) != backend_name(&settings.backend)
                })
            });
            if mistaken {
                say(
                    Level::Error,
                    Logger::Server,
                    format!("Jail '{name}' goes on as it was"),
                );
            } else if settings.is_none() || reload.restart || other_backend {
                self.stop_jail(&name);
            }
        }
    }

    fn change_server(&mut self, server: ServerSettings) {
        if server.loglevel != self.server.loglevel {
            self.log.set_level(server.loglevel);
        }
        if server.logtarget != self.server.logtarget
            || server.syslogsocket != self.server.syslogsocket
        {
            // Said in the log that stays in use.
            let _ = self.set_log_target(&server.logtarget, &server.syslogsocket);
        }
        let maxmatches = server.dbmaxmatches;
        self.keeper.ask(Duration::from_secs(1), move |store| {
            store.set_maxmatches(maxmatches);
        });
        self.server = server;
        self.serve_metrics();
    }

    /// New settings for a running jail: bans, failures and positions stay.
    fn reload_jail(&mut self, settings: JailSettings) {
        let name: Arc<str> = settings.name.as_str().into();
        say(Level::Info, Logger::Server, format!("Reload jail '{name}'"));
        let year = self.year();
        let filter = match Filter::for_jail(&settings, &self.surroundings.zone, year) {
            Ok(filter) => filter,
            Err(error) => return self.stay(&name, &error.to_string()),
        };
        if let Some(Err(error)) = self.with_jail(&name, |jail, turn| jail.reload(&settings, turn)) {
            return self.stay(&name, &error.to_string());
        }
        say_settings(&settings, &filter);
        let Some(place) = self.jails.iter().position(|running| running.name == name) else {
            return;
        };
        let same_filter = self.jails[place].settings.filter == settings.filter
            && self.jails[place].settings.usedns == settings.usedns
            && self.jails[place].settings.logtimezone == settings.logtimezone;
        if let Some(member) = self.engine.member_mut(&name) {
            member.idle = false;
            // A filter that has not changed keeps the sessions it is in.
            if !same_filter {
                member.filter = filter;
            }
        }
        self.reload_actions(place, &settings.actions);
        self.jails[place].settings = settings;
        self.jails[place].outdated = None;
        self.refollow_logs(&name);
        if self
            .engine
            .member(&name)
            .is_some_and(|member| member.jail.wants_history())
        {
            self.recall();
        }
        say(
            Level::Info,
            Logger::Server,
            format!("Jail '{name}' reloaded"),
        );
    }

    /// A jail that cannot become what the configuration says.
    fn stay(&mut self, name: &str, why: &str) {
        say(
            Level::Error,
            Logger::Jail,
            format!("Jail '{name}' goes on as it was: {why}"),
        );
        self.note_dropped(name, why);
    }

    /// One action of a jail ends.
    pub(super) fn end_action(&mut self, jail: &Arc<str>, acting: Acting) {
        let key = Key {
            jail: Arc::clone(jail),
            action: Some(acting.settings.name.as_str().into()),
        };
        self.end(key, vec![acting]);
    }

    /// Actions with a name that stays are told what is new, those without end.
    fn reload_actions(&mut self, place: usize, wanted: &[ActionSettings]) {
        let name = Arc::clone(&self.jails[place].name);
        self.tell_numbers(&name);
        let old = std::mem::take(&mut self.jails[place].actions);
        for mut acting in old {
            let same = |settings: &&ActionSettings| settings.name == acting.settings.name;
            let Some(settings) = wanted.iter().find(same) else {
                self.end_action(&name, acting);
                continue;
            };
            // Also where nothing is new, for its `actionreload`.
            acting.worker.send(Job::Reload(Box::new(settings.clone())));
            acting.settings = settings.clone();
            acting.look_up_silence();
            self.jails[place].actions.push(acting);
        }
    }

    /// Starts the actions a running jail should have and has not, with all its bans.
    fn begin_actions(&mut self, name: &str) {
        let Some(place) = self.jails.iter().position(|jail| *jail.name == *name) else {
            return;
        };
        let running = &mut self.jails[place];
        let name = Arc::clone(&running.name);
        let numbers = Arc::clone(&running.numbers);
        let wanted = running.settings.actions.clone();
        let mut had = std::mem::take(&mut running.actions);
        for settings in wanted {
            if let Some(at) = had
                .iter()
                .position(|had| had.settings.name == settings.name)
            {
                let acting = had.remove(at);
                self.jails[place].actions.push(acting);
                continue;
            }
            let Some(mut acting) = self.spawn_action(&name, settings, &numbers) else {
                continue;
            };
            acting.started = true;
            acting.worker.send(Job::Start);
            if let Some(member) = self.engine.member(&name) {
                for ban in member.jail.bans().all() {
                    acting.worker.send(Job::Ban(ban));
                }
            }
            self.jails[place].actions.push(acting);
        }
        // Those a client has added are in no configuration.
        self.jails[place].actions.append(&mut had);
    }
}

/// What a reload is to come to.
struct Target {
    jails: Vec<JailSettings>,
    /// Jails with a mistake in them, which go on as they were, each with what is wrong.
    dropped: Vec<(String, String)>,
    server: Option<ServerSettings>,
}

impl From<Vec<JailSettings>> for Target {
    fn from(jails: Vec<JailSettings>) -> Self {
        Self {
            jails,
            dropped: Vec::new(),
            server: None,
        }
    }
}

/// The jails that were left out, each with the first thing that is wrong with it.
pub(super) fn dropped(loaded: &Loaded) -> Vec<(String, String)> {
    let why = |name: &String| {
        let mut complaints = loaded.complaints.iter();
        let first = complaints
            .find(|c| c.severity == Severity::Error && c.jail.as_deref() == Some(name.as_str()));
        first.map_or_else(
            || "its configuration has a mistake in it; the log, and -t, tell which".to_owned(),
            Complaint::to_string,
        )
    };
    let names = loaded.dropped.iter();
    names.map(|name| (name.clone(), why(name))).collect()
}

fn refuse(name: &str, why: &str) -> bool {
    say(
        Level::Error,
        Logger::Jail,
        format!("Jail '{name}' is not started: {why}"),
    );
    false
}

/// What follows logs, by the name fail2ban has for it.
pub(super) fn backend_name(backend: &str) -> &'static str {
    match backend.split('[').next().unwrap_or_default().trim() {
        "polling" => "polling",
        "systemd" => "systemd",
        "stdin" => "stdin",
        "pipe" => "pipe",
        "syslog" => "syslog",
        _ => "pyinotify",
    }
}

/// The lines fail2ban writes as it sets a jail up.
fn say_settings(settings: &JailSettings, filter: &Filter) {
    if settings.filter.maxlines > 1 || settings.filter.prefregex.is_some() {
        say(
            Level::Info,
            Logger::Filter,
            format!("  maxLines: {}", filter.maxlines()),
        );
    }
    if let Some(pattern) = &settings.filter.datepattern {
        let message = match pattern.as_str() {
            "{^LN-BEG}" => "  default filtered date pattern: 17 template(s)".to_owned(),
            pattern => format!("  date pattern `{pattern:?}`: `{pattern}`"),
        };
        say(Level::Info, Logger::DateDetector, message);
    }
    say(
        Level::Info,
        Logger::Filter,
        format!("  maxRetry: {}", settings.maxretry),
    );
    say(
        Level::Info,
        Logger::Filter,
        format!("  findtime: {}", settings.findtime.secs()),
    );
    let bantime = match settings.bantime {
        BanTime::Secs(secs) => secs,
        BanTime::Permanent => -1,
    };
    say(
        Level::Info,
        Logger::Actions,
        format!("  banTime: {bantime}"),
    );
    if settings.increment.enabled {
        say(Level::Info, Logger::Jail, "Set banTime.increment = True");
    }
    let encoding = match settings.logencoding.as_str() {
        "auto" => "UTF-8",
        named => named,
    };
    say(
        Level::Info,
        Logger::Filter,
        format!("  encoding: {encoding}"),
    );
}
