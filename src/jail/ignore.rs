//! Who is never banned: `ignoreself`, `ignoreip`, `ignorecommand` and their cache.
//!
//! Names and files are data here: what they came to is told through `resolved` and `set_file`, and
//! a name nobody has looked up yet makes the answer wait instead of being wrong.

mod why;

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use why::{Excuse, Excuses};

use crate::model::{
    Datum, FailId, Failure, IgnoreCache, JailSettings, NameAnswer, NameProblem, Network, Span, Time,
};

/// How long fail2ban trusts a resolved name; a record that ends sooner is asked for sooner.
const NAME_AGE: Span = Span::from_secs(300);

/// Whether a failure counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opinion {
    Counts,
    /// By what, in fail2ban's words; `None` when the cache says so, which it logs nothing about.
    Ignored(Option<String>),
    /// `ignorecommand` decides.
    AskCommand,
    /// Depends on a name not looked up yet.
    AskName,
}

/// The ignore lists of one jail.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    pub itself: bool,
    /// Empty: none.
    pub command: Arc<str>,
    hosts: HashSet<Network>,
    entries: Vec<Entry>,
    cache: Option<Cache>,
}

#[derive(Clone, Debug)]
enum Entry {
    Net(Network),
    /// A DNS name, or a raw ID.
    Name(Name),
    File(List),
}

#[derive(Clone, Debug)]
struct Name {
    text: Arc<str>,
    answer: Option<Vec<Network>>,
    /// When it is to be asked again.
    due: Option<Time>,
}

/// The contents of a `file:` entry.
#[derive(Clone, Debug, Default)]
struct List {
    /// As written after `ignoreip =`.
    entry: String,
    path: PathBuf,
    hosts: HashSet<Network>,
    nets: Vec<Network>,
    raw: HashSet<Box<str>>,
}

#[derive(Clone, Debug)]
struct Cache {
    settings: IgnoreCache,
    answers: HashMap<String, (bool, Time)>,
    /// Oldest first.
    order: VecDeque<String>,
}

/// The loopback, in both families.
const LOOPBACK: [(IpAddr, u8); 2] = [
    (IpAddr::V4(Ipv4Addr::LOCALHOST), 8),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

/// The address of this machine's own, the loopback included, that a network holds.
pub(super) fn our_own(network: &Network, own: &[Network]) -> Option<Network> {
    let loopback = LOOPBACK
        .into_iter()
        .filter_map(|(address, prefix)| Network::new(address, prefix).ok())
        .find(|loopback| loopback.contains(network));
    let held = || own.iter().copied().find(|own| network.contains(own));
    loopback.or_else(held)
}

impl Entry {
    /// The addresses it stands for, as far as they are known.
    fn networks(&self) -> Box<dyn Iterator<Item = &Network> + '_> {
        match self {
            Self::Net(network) => Box::new(std::iter::once(network)),
            Self::Name(name) => Box::new(name.answer.iter().flatten()),
            Self::File(list) => Box::new(list.hosts.iter().chain(&list.nets)),
        }
    }
}

impl Ignore {
    /// What a jail's settings say.
    pub fn new(settings: &JailSettings) -> Self {
        let mut ignore = Self {
            itself: settings.ignoreself,
            command: settings.ignorecommand.as_str().into(),
            ..Self::default()
        };
        ignore.set_cache(settings.ignorecache.clone());
        for word in &settings.ignoreip {
            ignore.add(word);
        }
        ignore
    }

    /// Takes over what an earlier list has learnt of the names and files that are in both.
    pub fn learn(&mut self, earlier: &Self) {
        for entry in &mut self.entries {
            for known in &earlier.entries {
                match (&mut *entry, known) {
                    (Entry::Name(name), Entry::Name(known)) if name.text == known.text => {
                        *name = known.clone();
                    }
                    (Entry::File(list), Entry::File(known)) if list.path == known.path => {
                        *list = known.clone();
                    }
                    _ => {}
                }
            }
        }
    }

    /// Adds an `ignoreip` word; false when it is there already.
    pub fn add(&mut self, word: &str) -> bool {
        if word.is_empty() || self.words().iter().any(|known| known == word) {
            return false;
        }
        if let Some(path) = file_path(word) {
            self.entries.push(Entry::File(List {
                entry: word.to_owned(),
                path,
                ..List::default()
            }));
            return true;
        }
        match word.parse::<Network>() {
            Ok(network) if network.is_host() => return self.hosts.insert(network),
            Ok(network) => self.entries.push(Entry::Net(network)),
            Err(_) => self.entries.push(Entry::Name(Name {
                text: word.into(),
                answer: None,
                due: None,
            })),
        }
        true
    }

    /// Takes an `ignoreip` word out; false when it was not there.
    pub fn remove(&mut self, word: &str) -> bool {
        if let Ok(network) = word.parse::<Network>()
            && self.hosts.remove(&network)
        {
            return true;
        }
        if let Some(path) = file_path(word) {
            let before = self.entries.len();
            self.entries
                .retain(|entry| !matches!(entry, Entry::File(list) if list.path == path));
            return self.entries.len() < before;
        }
        let shown = word
            .parse::<Network>()
            .map_or_else(|_| word.to_owned(), |network| network.to_string());
        let before = self.entries.len();
        self.entries.retain(|entry| entry.word() != shown);
        self.entries.len() < before
    }

    /// Empties the `ignoreip` list.
    pub fn clear(&mut self) {
        self.hosts.clear();
        self.entries.clear();
    }

    /// The `ignoreip` list, as `get JAIL ignoreip` shows it.
    pub fn words(&self) -> Vec<String> {
        let mut hosts: Vec<&Network> = self.hosts.iter().collect();
        hosts.sort_unstable();
        let entries = self.entries.iter().map(Entry::word);
        entries
            .chain(hosts.into_iter().map(Network::to_string))
            .collect()
    }

    pub fn set_cache(&mut self, settings: Option<IgnoreCache>) {
        self.cache = settings.map(|settings| Cache {
            settings,
            answers: HashMap::new(),
            order: VecDeque::new(),
        });
    }

    pub fn cache(&self) -> Option<&IgnoreCache> {
        self.cache.as_ref().map(|cache| &cache.settings)
    }

    /// fail2ban's order: cache, own addresses, exact addresses, the list, the command.
    pub fn judge(&mut self, failure: &Failure, own: &[Network], now: Time) -> Opinion {
        if let Some(cache) = &self.cache
            && let Some(ignored) = cache.find(failure, now)
        {
            return if ignored {
                Opinion::Ignored(None)
            } else {
                Opinion::Counts
            };
        }
        let network = failure.id.network();
        if self.itself && network.is_some_and(|network| own.contains(network)) {
            self.remember(failure, true, now);
            return Opinion::Ignored(Some("ignoreself rule".to_owned()));
        }
        if network.is_some_and(|network| self.hosts.contains(network)) {
            return Opinion::Ignored(Some("ip".to_owned()));
        }
        let mut waiting = false;
        for entry in &self.entries {
            match entry.covers(&failure.id) {
                Some(true) => {
                    let by = entry.kind();
                    self.remember(failure, true, now);
                    return Opinion::Ignored(Some(by));
                }
                Some(false) => {}
                None => waiting = true,
            }
        }
        if waiting {
            return Opinion::AskName;
        }
        if !self.command.is_empty() {
            return Opinion::AskCommand;
        }
        self.remember(failure, false, now);
        Opinion::Counts
    }

    /// Whom a network holds that must not be banned, as far as that is known.
    pub(super) fn objection(&self, network: &Network, own: &[Network]) -> Option<String> {
        if let Some(own) = our_own(network, own) {
            return Some(format!("this machine's own {own}"));
        }
        let overlaps = |other: &&Network| network.contains(other) || other.contains(network);
        let nets = self.entries.iter().flat_map(Entry::networks);
        let ignored = self.hosts.iter().chain(nets).find(overlaps);
        ignored.map(|ignored| format!("{ignored}, which is ignored"))
    }

    /// Keeps the answer to a failure in the `ignorecache`.
    pub fn remember(&mut self, failure: &Failure, ignored: bool, now: Time) {
        if let Some(cache) = &mut self.cache {
            cache.store(failure, ignored, now);
        }
    }

    /// Names to look up now: never asked, or what was answered is good no longer.
    pub fn names_due(&mut self, now: Time) -> Vec<Arc<str>> {
        let mut due = Vec::new();
        for entry in &mut self.entries {
            if let Entry::Name(name) = entry
                && is_dns_name(&name.text)
                && name.due.is_none_or(|due| now >= due)
            {
                // Until the answer says how long it is good for.
                name.due = Some(now + NAME_AGE);
                due.push(Arc::clone(&name.text));
            }
        }
        due
    }

    /// A name's addresses; true when it stands in this list.
    pub fn resolved(&mut self, text: &str, told: &NameAnswer, now: Time) -> bool {
        let mut found = false;
        for entry in &mut self.entries {
            if let Entry::Name(name) = entry
                && *name.text == *text
            {
                name.due = Some(now + told.age);
                // Where nobody answers, a name is most likely where it was.
                if told.problem != Some(NameProblem::NoAnswer) || name.answer.is_none() {
                    let hosts = told.addresses.iter().copied().map(Network::host);
                    name.answer = Some(hosts.collect());
                }
                found = true;
            }
        }
        found
    }

    /// The files of `file:` entries.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::File(list) => Some(&*list.path),
            Entry::Net(_) | Entry::Name(_) => None,
        })
    }

    /// A file's text: words between white space or commas; `#` and `;` begin comments.
    pub fn set_file(&mut self, path: &Path, text: &str) {
        for entry in &mut self.entries {
            if let Entry::File(list) = entry
                && list.path == path
            {
                list.read(text);
            }
        }
    }
}

impl Entry {
    fn word(&self) -> String {
        match self {
            Self::Net(network) => network.to_string(),
            Self::Name(name) => name.text.to_string(),
            Self::File(list) => list.entry.clone(),
        }
    }

    /// What an ignored address is ignored by, in the log.
    fn kind(&self) -> String {
        match self {
            Self::Net(_) => "ip".to_owned(),
            Self::Name(_) => "dns".to_owned(),
            // fail2ban writes one slash more.
            Self::File(list) if list.path.is_absolute() => {
                format!("file:/{}", list.path.display())
            }
            Self::File(list) => format!("file:{}", list.path.display()),
        }
    }

    /// Whether the entry covers an ID; `None` while that is not known.
    fn covers(&self, id: &FailId) -> Option<bool> {
        match (self, id) {
            (Self::Net(network), FailId::Net(other)) => Some(network.contains(other)),
            (Self::Net(_), FailId::Raw(_)) => Some(false),
            (Self::Name(name), FailId::Raw(text)) => Some(name.text == *text),
            (Self::Name(name), FailId::Net(network)) if is_dns_name(&name.text) => {
                Some(name.answer.as_ref()?.contains(network))
            }
            (Self::Name(_), FailId::Net(_)) => Some(false),
            (Self::File(list), id) => Some(list.covers(id)),
        }
    }
}

impl List {
    fn read(&mut self, text: &str) {
        self.hosts.clear();
        self.nets.clear();
        self.raw.clear();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let words = line.split(|c: char| c.is_whitespace() || c == ',');
            for word in words.filter(|word| !word.is_empty()) {
                match word.parse::<Network>() {
                    Ok(network) if network.is_host() => {
                        self.hosts.insert(network);
                    }
                    Ok(network) => self.nets.push(network),
                    Err(_) => {
                        self.raw.insert(word.into());
                    }
                }
            }
        }
    }

    fn covers(&self, id: &FailId) -> bool {
        match id {
            FailId::Net(network) => {
                self.hosts.contains(network) || self.nets.iter().any(|n| n.contains(network))
            }
            FailId::Raw(text) => self.raw.contains(&**text),
        }
    }
}

impl Cache {
    fn find(&self, failure: &Failure, now: Time) -> Option<bool> {
        let (ignored, until) = self.answers.get(&self.key(failure))?;
        (*until > now).then_some(*ignored)
    }

    fn store(&mut self, failure: &Failure, ignored: bool, now: Time) {
        let key = self.key(failure);
        let until = now + self.settings.max_time;
        if self.answers.insert(key.clone(), (ignored, until)).is_some() {
            return;
        }
        self.order.push_back(key);
        while self.order.len() > self.settings.max_count.max(1) {
            if let Some(oldest) = self.order.pop_front() {
                self.answers.remove(&oldest);
            }
        }
    }

    /// The key with its tags filled in. `<ip-host>` is filled with the address: a finer key, that
    /// asks no name server.
    fn key(&self, failure: &Failure) -> String {
        let mut key = String::new();
        let mut rest = &*self.settings.key;
        while let Some(start) = rest.find('<') {
            key.push_str(&rest[..start]);
            rest = &rest[start..];
            let Some(end) = rest.find('>') else {
                break;
            };
            match tag(&rest[1..end], failure) {
                Some(value) => key.push_str(&value),
                None => key.push_str(&rest[..=end]),
            }
            rest = &rest[end + 1..];
        }
        key + rest
    }
}

fn tag(name: &str, failure: &Failure) -> Option<String> {
    let ip = || {
        failure
            .ip
            .map_or_else(|| failure.id.to_string(), |ip| ip.to_string())
    };
    match name {
        "ip" | "ip-host" => Some(ip()),
        "fid" => Some(failure.id.to_string()),
        "family" => Some(failure.id.family().map_or("None", |f| f.name()).to_owned()),
        _ => {
            let name = match name.strip_prefix("F-")?.to_lowercase().as_str() {
                "id" => "fid".to_owned(),
                "port" => "fport".to_owned(),
                other => other.to_owned(),
            };
            Some(match failure.data.get(&name) {
                Some(Datum::Text(text)) => text.clone(),
                Some(Datum::List(list)) => list.join(" "),
                None => String::new(),
            })
        }
    }
}

/// The path of `file:PATH`, `file:/PATH` or `file:///PATH`.
fn file_path(word: &str) -> Option<PathBuf> {
    let path = word.strip_prefix("file:")?;
    match path.trim_start_matches('/') {
        inside if inside.len() < path.len() => Some(PathBuf::from(format!("/{inside}"))),
        relative => Some(PathBuf::from(relative)),
    }
}

/// Whether a word can be looked up at all; anything else is a raw ID.
fn is_dns_name(text: &str) -> bool {
    text.len() <= 253
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        && text.bytes().any(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests;
