//! What a firewall holds already where an action's bans go: left by a server that was to leave its
//! rules, or that was killed.

use std::net::IpAddr;

use nix::errno::Errno;

use super::{Bench, Change, Element, Entry, Operation, Rule, nftables};
use crate::action::process::Run;
use crate::action::said;
use crate::model::Network;

/// How much of a list is read: that of a hundred thousand rules.
const LONGEST_LIST: usize = 16 * 1024 * 1024;

/// One that is banned there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) struct Standing {
    pub(in crate::action) network: Network,
    /// It stands as the action's own ban would write it, which must not be done once more.
    pub(in crate::action) done: bool,
    /// Takes out just this one, where the action's own unban might take another.
    pub(in crate::action) away: Option<Operation>,
}

/// The name of what an operation works on, where that may be an action's own: no chain of the
/// kernel's is.
pub(in crate::action) fn place(operation: &Operation) -> Option<&str> {
    const KERNELS: &[&str] = &["INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING"];
    match operation {
        Operation::Element(element) => Some(&element.set),
        Operation::Entry(entry) => Some(&entry.set),
        Operation::Rule(rule) => Some(rule.chain.as_str()).filter(|c| !KERNELS.contains(c)),
        Operation::Script(_) | Operation::Mail(_) => None,
    }
}

/// All that stand where this one would go; `None` where that cannot be told.
pub(in crate::action) fn list(like: &Operation, bench: &mut Bench<'_>) -> Option<Vec<Standing>> {
    match like {
        Operation::Element(element) => elements(element),
        Operation::Entry(entry) => entries(entry, bench),
        Operation::Rule(rule) => rules(rule, bench),
        Operation::Script(_) | Operation::Mail(_) => None,
    }
}

fn elements(like: &Element) -> Option<Vec<Standing>> {
    match nftables::networks(like) {
        Ok(networks) => {
            let plain = |network| Standing {
                network,
                done: false,
                away: None,
            };
            Some(networks.into_iter().map(plain).collect())
        }
        Err(Errno::ENOENT) => Some(Vec::new()),
        Err(_) => None,
    }
}

fn entries(like: &Entry, bench: &mut Bench<'_>) -> Option<Vec<Standing>> {
    let arguments = ["save".to_owned(), like.set.clone()];
    let text = output(&like.program, &arguments, bench)?;
    let entry = |line: &str| {
        let mut words = line.strip_prefix("add ")?.split(' ');
        let network = words.nth(1)?.parse().ok()?;
        Some(Standing {
            network,
            // Without -exist the program refuses what is there.
            done: !like.exist,
            away: None,
        })
    };
    Some(text.lines().filter_map(entry).collect())
}

fn rules(like: &Rule, bench: &mut Bench<'_>) -> Option<Vec<Standing>> {
    let arguments = ["-w", "-t", &like.table, "-S", &like.chain].map(str::to_owned);
    let text = output(&like.program, &arguments, bench)?;
    let (_, wanted) = source(words_behind_chain(&like.line)?)?;
    let rule = |line: &str| {
        let (network, words) = source(line.strip_prefix("-A ")?.split_once(' ')?.1)?;
        let line = format!("-D {}", line.strip_prefix("-A ")?);
        let mut arguments = vec!["-w".to_owned(), "-t".to_owned(), like.table.clone()];
        arguments.extend(line.split(' ').map(str::to_owned));
        Some(Standing {
            network,
            done: words == wanted,
            away: Some(Operation::Rule(Rule {
                line,
                arguments,
                ..like.clone()
            })),
        })
    };
    Some(text.lines().filter_map(rule).collect())
}

/// A rule without its command, chain and place: `-I f2b 1 -s …` is `-s …`.
fn words_behind_chain(line: &str) -> Option<&str> {
    let rest = line.splitn(3, ' ').nth(2)?;
    match rest.split_once(' ') {
        Some((place, behind)) if place.bytes().all(|b| b.is_ascii_digit()) => Some(behind),
        _ => Some(rest),
    }
}

/// Whose packets a rule is for, and the rest of its words.
fn source(rule: &str) -> Option<(Network, Vec<&str>)> {
    let mut words: Vec<&str> = rule.split(' ').collect();
    let at = words.iter().position(|word| *word == "-s")?;
    // "! -s" is everybody else.
    if at > 0 && words[at - 1] == "!" {
        return None;
    }
    let network = words.get(at + 1)?;
    let (address, _) = network.split_once('/').unwrap_or((network, ""));
    let host = address.parse::<IpAddr>().ok();
    let network = match network.split_once('/') {
        Some((_, "32")) if !address.contains(':') => Network::host(host?),
        Some((_, "128")) => Network::host(host?),
        Some(_) => network.parse().ok()?,
        None => Network::host(host?),
    };
    words.drain(at..at + 2);
    Some((network, words))
}

/// What a program prints, if it prints it all and ends well.
fn output(program: &str, arguments: &[String], bench: &mut Bench<'_>) -> Option<String> {
    let run = Run {
        program,
        arguments,
        input: &[],
        path: bench.path,
        limit: bench.limit,
    };
    said::output(&run, LONGEST_LIST, bench)
}

/// The same operation the other way round, where its kind has one.
pub(in crate::action) fn is_ban(operation: &Operation) -> bool {
    match operation {
        Operation::Element(element) => element.change == Change::Add,
        Operation::Entry(entry) => entry.change == Change::Add,
        Operation::Rule(rule) => !rule.line.starts_with("-D"),
        Operation::Script(_) | Operation::Mail(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_known_again_by_its_words_but_for_the_address() {
        let ours = words_behind_chain("-I f2b-lab 1 -s 192.0.2.1 -j DROP").expect("words");
        let (host, words) = source(ours).expect("a source");
        assert_eq!(
            (host.to_string().as_str(), words),
            ("192.0.2.1", vec!["-j", "DROP"])
        );
        let (host, words) = source("-s 192.0.2.7/32 -j DROP").expect("a source");
        assert_eq!(
            (host.to_string().as_str(), words),
            ("192.0.2.7", vec!["-j", "DROP"])
        );
        let (network, _) = source("-s 2001:db8::/32 -j DROP").expect("a source");
        assert_eq!(network.to_string(), "2001:db8::/32");
        assert_eq!(source("-j RETURN"), None);
        assert_eq!(source("! -s 192.0.2.7/32 -j DROP"), None);
        assert_eq!(words_behind_chain("-A f2b -s x"), Some("-s x"));
    }
}
