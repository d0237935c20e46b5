//! An action's settings as it is carried out: its commands by name, its switches, its families.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::driver::connections::Ports;
use super::tags::{self, TagError};
use crate::mail::Recipe;
use crate::model::{ActionSettings, Family};

/// The commands of an action, by fail2ban's names. One table: `name` below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    Start,
    Stop,
    Check,
    Repair,
    Ban,
    Reban,
    Unban,
    Prolong,
    Flush,
    Reload,
}

impl Command {
    pub const ALL: [Self; 10] = [
        Self::Start,
        Self::Stop,
        Self::Check,
        Self::Repair,
        Self::Ban,
        Self::Reban,
        Self::Unban,
        Self::Prolong,
        Self::Flush,
        Self::Reload,
    ];

    /// The option that holds it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "actionstart",
            Self::Stop => "actionstop",
            Self::Check => "actioncheck",
            Self::Repair => "actionrepair",
            Self::Ban => "actionban",
            Self::Reban => "actionreban",
            Self::Unban => "actionunban",
            Self::Prolong => "actionprolong",
            Self::Flush => "actionflush",
            Self::Reload => "actionreload",
        }
    }
}

/// What a command is resolved and counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// An action without conditional options, as a whole (fail2ban's family `''`).
    Whole,
    Family(Family),
    /// A ban of something that is no address (fail2ban's family `None`).
    Raw,
}

impl Scope {
    /// The scope of a ban; `None` is a ban of no address.
    pub fn of(family: Option<Family>) -> Self {
        family.map_or(Self::Raw, Self::Family)
    }

    /// What `<family>` shows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Family(family) => family.name(),
            Self::Raw => "None",
        }
    }

    /// The `?family=` options that go before the plain ones.
    pub(super) const fn family(self) -> Option<Family> {
        match self {
            Self::Family(family) => Some(family),
            Self::Whole | Self::Raw => None,
        }
    }
}

/// How long a command may take when the action does not say (fail2ban's `timeout`).
const TIMEOUT: Duration = Duration::from_secs(60);

/// One action's settings, read.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) name: Arc<str>,
    /// Time limit of each command.
    pub(super) timeout: Duration,
    /// Bans read back from the database are none of its business.
    pub(super) norestored: bool,
    /// A failed unban or flush may repair.
    pub(super) repair_on_unban: bool,
    /// Start at the first ban of a family instead of at the jail's start.
    pub(super) on_demand: bool,
    /// What a start brings up.
    pub(super) scopes: Vec<Scope>,
    /// `kill_connections`: the ports whose connections end with a ban.
    pub(super) kill: Option<Ports>,
    /// What its mails say, where it is one of the mail actions known to us.
    pub(super) mail: Option<Recipe>,
    /// `ratelimit`: how many commands about bans may begin in a minute; 0 is no limit.
    pub(super) rate: u32,
    /// The action's own `native` option.
    pub(super) native: bool,
    /// Some command may ask for a ban's lines (`<matches>`) or captures (`<F-USER>`).
    pub(super) wants_details: bool,
    properties: HashMap<String, String>,
    resolved: HashMap<(Command, Scope), Result<Arc<str>, TagError>>,
}

impl Options {
    pub(super) fn new(settings: &ActionSettings, ipv6: bool) -> Self {
        let mut properties: HashMap<String, String> = settings.options.iter().cloned().collect();
        // Jails pass their bantime on, but the tag is the ban's own.
        properties.remove("bantime");
        let timeout = properties.get("timeout").and_then(|text| seconds(text));
        let timeout = timeout.unwrap_or(TIMEOUT);
        properties.insert("timeout".into(), timeout.as_secs().to_string());
        for command in Command::ALL {
            // fail2ban knows no default for a prolong: the tag stays as it is.
            if command != Command::Prolong {
                properties.entry(command.name().into()).or_default();
            }
        }
        let switch = |name: &str| properties.get(name).map(|text| is_on(text));
        let details = |text: &String| text.contains("matches") || text.contains("F-");
        let conditional = properties.keys().any(|key| key.contains("?family="));
        Self {
            name: settings.name.as_str().into(),
            timeout,
            norestored: switch("norestored").unwrap_or(settings.python.is_some()),
            repair_on_unban: switch("actionrepair_on_unban").unwrap_or(false),
            on_demand: switch("actionstart_on_demand").unwrap_or(conditional),
            native: switch("native").unwrap_or(true),
            rate: properties
                .get("ratelimit")
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(0),
            mail: super::mail::recipe(settings),
            kill: switch("kill_connections")
                .unwrap_or(false)
                .then(|| ports(&properties)),
            wants_details: properties.values().any(details),
            scopes: scopes(
                properties.get("families").map(String::as_str),
                conditional,
                ipv6,
            ),
            properties,
            resolved: HashMap::new(),
        }
    }

    /// A command with all of the action's own tags resolved; those of the ban still stand in it.
    pub(super) fn command(&mut self, command: Command, scope: Scope) -> Result<Arc<str>, TagError> {
        if let Some(known) = self.resolved.get(&(command, scope)) {
            return known.clone();
        }
        // By its own tag, so that a command may be conditional like any other option.
        let own = format!("<{}>", command.name());
        let text = if self.properties.contains_key(command.name()) {
            tags::resolve(&own, &self.properties, scope.family()).map(Arc::from)
        } else {
            Ok(Arc::default())
        };
        self.resolved.insert((command, scope), text.clone());
        text
    }

    /// The start command as it tells families apart: those of the same one start and stop together.
    pub(super) fn start_key(&mut self, scope: Scope) -> Result<Arc<str>, TagError> {
        let text = self.command(Command::Start, scope)?;
        Ok(for_family(&text, scope).unwrap_or(text))
    }

    /// Whether the action has this command at all.
    pub(super) fn has(&self, command: Command) -> bool {
        let text = self.properties.get(command.name());
        text.is_some_and(|text| !text.trim().is_empty())
    }
}

/// A command with its `<family>` filled in, if it names one.
pub(super) fn for_family(command: &str, scope: Scope) -> Option<Arc<str>> {
    const FAMILY: &str = "<family>";
    command
        .contains(FAMILY)
        .then(|| command.replace(FAMILY, scope.name()).into())
}

fn scopes(families: Option<&str>, conditional: bool, ipv6: bool) -> Vec<Scope> {
    let named: Vec<Scope> = families
        .unwrap_or_default()
        .split([',', ' ', '\n'])
        .filter_map(|word| Family::ALL.into_iter().find(|f| f.name() == word))
        .map(Scope::Family)
        .collect();
    match (named.is_empty(), conditional, ipv6) {
        (false, _, _) => named,
        (true, false, _) => vec![Scope::Whole],
        (true, true, false) => vec![Scope::Family(Family::Inet4)],
        (true, true, true) => Family::ALL.map(Scope::Family).to_vec(),
    }
}

/// The ports an action blocks.
fn ports(properties: &HashMap<String, String>) -> Ports {
    let all = properties
        .get("type")
        .is_some_and(|kind| kind == "allports");
    match properties.get("port") {
        Some(text) if !all => {
            // Without the names of services, numbers still count.
            let services = fs::read_to_string("/etc/services").unwrap_or_default();
            Ports::parse(text, &services)
        }
        Some(_) | None => Ports::All,
    }
}

/// Python's and fail2ban's words for yes.
pub fn is_on(text: &str) -> bool {
    let text = text.trim();
    ["1", "on", "true", "yes"]
        .iter()
        .any(|yes| text.eq_ignore_ascii_case(yes))
}

/// `timeout` in fail2ban's time format: `60`, `1m`, `1m 30s`, `2min`. `None` where it is none.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let mut total = 0u64;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match rest[..letters].to_ascii_lowercase().as_str() {
            "" | "s" | "ss" | "sec" | "second" | "seconds" => 1,
            "m" | "mm" | "min" | "minute" | "minutes" => 60,
            "h" | "hh" | "hour" | "hours" => 3_600,
            "d" | "dd" | "da" | "day" | "days" => 86_400,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = rest[letters..].trim_start_matches([' ', '+']);
    }
    (total > 0).then_some(Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Origin;

    fn options(pairs: &[(&str, &str)], ipv6: bool) -> Options {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let settings = ActionSettings {
            name: "a".into(),
            options: pairs.iter().map(own).collect(),
            python: None,
            origin: Origin::Default,
        };
        Options::new(&settings, ipv6)
    }

    #[test]
    fn conditional_options_make_families_and_start_on_demand() {
        let plain = options(&[("actionban", "x")], true);
        assert_eq!((plain.on_demand, plain.scopes), (false, vec![Scope::Whole]));
        let both = options(&[("blocktype", "x"), ("blocktype?family=inet6", "y")], true);
        assert!(both.on_demand && both.scopes.len() == 2);
        let four = options(&[("blocktype?family=inet6", "y")], false);
        assert_eq!(four.scopes, [Scope::Family(Family::Inet4)]);
        let named = options(
            &[("families", "inet6"), ("actionstart_on_demand", "True")],
            true,
        );
        assert_eq!(named.scopes, [Scope::Family(Family::Inet6)]);
        assert!(named.on_demand);
    }

    #[test]
    fn a_command_prefers_its_familys_options() {
        let pairs = [
            ("actionban", "<cmd> -s <ip> -j <blocktype>"),
            ("cmd", "iptables -w"),
            ("cmd?family=inet6", "ip6tables -w"),
            ("blocktype", "DROP"),
        ];
        let mut options = options(&pairs, true);
        let six = Scope::Family(Family::Inet6);
        let text = options.command(Command::Ban, six).expect("resolves");
        assert_eq!(&*text, "ip6tables -w -s <ip> -j DROP");
        let four = Scope::Family(Family::Inet4);
        let text = options.command(Command::Ban, four).expect("resolves");
        assert_eq!(&*text, "iptables -w -s <ip> -j DROP");
        assert_eq!(options.command(Command::Check, four).as_deref(), Ok(""));
        assert!(options.has(Command::Ban) && !options.has(Command::Flush));
    }

    #[test]
    fn the_timeout_is_read_in_fail2bans_format() {
        for (text, secs) in [
            ("60", Some(60)),
            ("1m", Some(60)),
            ("1m 30s", Some(90)),
            ("1h30min", Some(5_400)),
            ("0", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(seconds(text), secs.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn every_command_has_a_name_of_its_own() {
        let names: std::collections::HashSet<_> = Command::ALL.map(Command::name).into();
        assert_eq!(names.len(), Command::ALL.len());
        assert!(names.iter().all(|name| name.starts_with("action")));
    }
}
