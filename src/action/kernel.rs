//! What the kernel makes of a ban: whether it holds it, and whether packets come to it at all.
//!
//! It is asked of the firewall's own programs, once, when somebody wants to know; it blocks, so give
//! it a thread. Nothing here changes anything.

use std::time::Duration;

use super::driver::{Element, Entry, Operation, Rule};
use super::info::Info;
use super::options::{Command, Options, Scope};
use super::process::{self, Abort, End, Run};
use super::rules::{self, Chain, From, Search, Way};
use super::{Facts, reader, tags};
use crate::model::{ActionSettings, Ban, Family, Network};

/// How long each program may take.
const LIMIT: Duration = Duration::from_secs(5);

/// A question to the kernel: one ban of one action.
#[derive(Clone, Debug)]
pub struct Probe {
    action: String,
    command: Result<Operation, &'static str>,
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub action: String,
    /// `None`: it cannot be known.
    pub held: Option<bool>,
    /// Where the kernel holds it, or would; or why that cannot be known.
    pub place: String,
    /// How packets come to it. `None`: the rules cannot be read.
    pub ways: Option<Vec<Way>>,
}

impl Probe {
    /// What `action` would do about a ban, as a question whether it is done; `None` where it does
    /// nothing about bans.
    pub(super) fn new(
        settings: &ActionSettings,
        ipv6: bool,
        ban: &Ban,
        facts: &dyn Facts,
    ) -> Option<Self> {
        let mut options = Options::new(settings, ipv6);
        if options.mail.is_some() || !options.has(Command::Ban) {
            return None;
        }
        let scope = Scope::of(ban.network().map(Network::family));
        let text = options.command(Command::Ban, scope).ok()?;
        let info = Info {
            ban: Some(ban),
            scope,
            // No firewall's plain command names the jail by this tag and is read all the same.
            jail: "",
            facts,
        };
        let script = tags::fill(&text, &info);
        let plain = script.variables.is_empty();
        let read = plain.then(|| reader::read(&script.text)).flatten();
        Some(Self {
            action: settings.name.clone(),
            command: read.ok_or("its actionban is a script, and only that knows"),
        })
    }

    /// Asks; `path` is where programs are looked for.
    pub fn ask(&self, path: &str) -> Standing {
        let (held, place, ways) = match &self.command {
            Err(why) => (None, (*why).to_owned(), None),
            Ok(Operation::Element(element)) => element_standing(element, path),
            Ok(Operation::Rule(rule)) => rule_standing(rule, path),
            Ok(Operation::Entry(entry)) => entry_standing(entry, path),
            Ok(Operation::Script(_) | Operation::Mail(_)) => (None, String::new(), None),
        };
        Standing {
            action: self.action.clone(),
            held,
            place,
            ways,
        }
    }
}

type Answer = (Option<bool>, String, Option<Vec<Way>>);

fn element_standing(element: &Element, path: &str) -> Answer {
    let family = element.family.name();
    let (table, set) = (&*element.table, &*element.set);
    let member = |set: &str| {
        let element = format!("{{ {} }}", element.network);
        works(
            "nft",
            &["get", "element", family, table, set, &element],
            path,
        )
    };
    let place = format!("nftables: set {set} of table {family} {table}");
    let ours = |_: &Chain, rule: &rules::Rule| names_set(rule, set);
    let listed = listed("nft", &["-t", "list", "table", family, table], path);
    let ways = listed.map(|text| {
        let chains = text.map_or_else(Vec::new, |text| rules::nft::read(&text));
        let search = Search {
            chains: &chains,
            address: element.network,
            ours: &ours,
            at_the_end_of: None,
            member: &member,
        };
        search.ways()
    });
    (member(set), place, ways)
}

fn rule_standing(rule: &Rule, path: &str) -> Answer {
    let place = format!(
        "{}: chain {} of table {}",
        rule.program, rule.chain, rule.table
    );
    let mut arguments = Vec::new();
    let mut words = rule.arguments.iter().map(String::as_str).peekable();
    let mut banned = None;
    while let Some(word) = words.next() {
        match word {
            "-I" | "-A" | "--insert" | "--append" => {
                arguments.push("-C");
                arguments.extend(words.next());
                words.next_if(|place| place.parse::<u32>().is_ok());
            }
            "-s" | "--source" | "--src" => {
                arguments.push(word);
                banned = words.peek().and_then(|text| text.parse::<Network>().ok());
            }
            word => arguments.push(word),
        }
    }
    let held = works(&rule.program, &arguments, path);
    let ways = banned.and_then(|address| {
        let ours = |chain: &Chain, found: &rules::Rule| {
            chain.name == rule.chain && found.end == rules::End::Drop && names_host(found, &address)
        };
        let chains = chains(&rule.program, &rule.table, path)?;
        let search = Search {
            chains: &chains,
            address,
            ours: &ours,
            at_the_end_of: Some(&rule.chain),
            member: &|set| works("ipset", &["test", set, &address.to_string()], path),
        };
        Some(search.ways())
    });
    (held, place, ways)
}

fn entry_standing(entry: &Entry, path: &str) -> Answer {
    let address = entry.network.to_string();
    let member = |set: &str| works(&entry.program, &["test", set, &address], path);
    let ours = |_: &Chain, rule: &rules::Rule| names_set(rule, &entry.set);
    let program = match entry.network.family() {
        Family::Inet4 => "iptables",
        Family::Inet6 => "ip6tables",
    };
    let ways = chains(program, "filter", path).map(|chains| {
        let search = Search {
            chains: &chains,
            address: entry.network,
            ours: &ours,
            at_the_end_of: None,
            member: &member,
        };
        search.ways()
    });
    (
        member(&entry.set),
        format!("ipset: set {}", entry.set),
        ways,
    )
}

/// Whether a rule is about who is in a set.
fn names_set(rule: &rules::Rule, set: &str) -> bool {
    let named = |from: &From| matches!(from, From::Set(name) if name == set);
    let mut sources = rule.sources.iter();
    sources.any(|source| !source.negated && named(&source.from))
}

/// Whether a rule is about an address by itself, and not about everybody.
fn names_host(rule: &rules::Rule, address: &Network) -> bool {
    let (first, last) = rules::ends(address);
    rule.sources.iter().any(|source| match &source.from {
        From::Ranges(ranges) => !source.negated && ranges.contains(&(first, last)),
        From::Set(_) => false,
    })
}

fn chains(program: &str, table: &str, path: &str) -> Option<Vec<Chain>> {
    let text = listed(program, &["-w", "-t", table, "-S"], path)?;
    Some(rules::iptables::read(&text.unwrap_or_default()))
}

/// Whether a program says yes by its exit code; `None` where it could not be asked.
fn works(program: &str, arguments: &[&str], path: &str) -> Option<bool> {
    match run(program, arguments, path)?.end {
        End::Exited(0) => Some(true),
        End::Exited(1) => Some(false),
        End::Exited(_) | End::Killed(_) | End::TimedOut(_) | End::Aborted => None,
    }
}

/// What a program lists: nothing inside where what it is to list is not there.
fn listed(program: &str, arguments: &[&str], path: &str) -> Option<Option<String>> {
    let finished = run(program, arguments, path)?;
    match finished.end {
        End::Exited(0) => Some(Some(
            String::from_utf8_lossy(&finished.output.bytes).into_owned(),
        )),
        End::Exited(1) => Some(None),
        End::Exited(_) | End::Killed(_) | End::TimedOut(_) | End::Aborted => None,
    }
}

fn run(program: &str, arguments: &[&str], path: &str) -> Option<process::Finished> {
    let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    let run = Run {
        program,
        arguments: &arguments,
        input: &[],
        path,
        limit: LIMIT,
    };
    process::run(&run, &Abort::new().ok()?).ok()
}
