//! What `iptables -S` prints.

use super::{Chain, End, From, Rule, Source, only_established, ports, range};

/// Chains packets enter by on their way in or through.
const BASES: &[&str] = &["PREROUTING", "INPUT", "FORWARD"];

/// Targets after which a packet is no more.
const DROPS: &[&str] = &["DROP", "REJECT", "TARPIT"];

/// The chains of a table.
pub(in crate::action) fn read(text: &str) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    for line in text.lines() {
        let words = words(line);
        let mut words = words.iter().map(String::as_str);
        match (words.next(), words.next()) {
            (Some("-P" | "-N"), Some(name)) => chains.push(Chain {
                name: name.to_owned(),
                base: BASES.contains(&name),
                rules: Vec::new(),
            }),
            (Some("-A"), Some(name)) => {
                let shown = line.get("-A ".len() + name.len()..).unwrap_or_default();
                let rule = rule(shown.trim(), words);
                if let Some(chain) = chains.iter_mut().find(|chain| chain.name == name) {
                    chain.rules.push(rule);
                }
            }
            _ => {}
        }
    }
    chains
}

fn rule<'a>(text: &str, mut words: impl Iterator<Item = &'a str>) -> Rule {
    let mut rule = Rule {
        text: text.to_owned(),
        ..Rule::default()
    };
    let mut negated = false;
    while let Some(word) = words.next() {
        let not = std::mem::replace(&mut negated, false);
        let mut value = || words.next().unwrap_or_default();
        let packets = &mut rule.packets;
        match word {
            "!" => negated = true,
            "-s" | "--src-range" => match range(value()) {
                Some(range) => rule.sources.push(Source {
                    negated: not,
                    family: None,
                    from: From::Ranges(vec![range]),
                }),
                None => packets.more = true,
            },
            "--match-set" => {
                let (name, from) = (value().to_owned(), value());
                if from == "src" {
                    rule.sources.push(Source {
                        negated: not,
                        family: None,
                        from: From::Set(name),
                    });
                } else {
                    packets.more = true;
                }
            }
            "-p" if !not => packets.protocols = Some(vec![value().to_owned()]),
            "--dport" | "--dports" if !not => match ports(value()) {
                Some(ports) => packets.ports = Some(ports),
                None => packets.more = true,
            },
            "--ctstate" | "--state" if !not => match only_established(value()) {
                true => packets.established = true,
                false => packets.more = true,
            },
            "-i" if !not => match value() {
                "lo" => packets.loopback = true,
                _ => packets.more = true,
            },
            "-m" | "--comment" => drop(value()),
            "-j" => {
                rule.end = end(value());
                // What follows is how the target does it.
                return rule;
            }
            "-g" => {
                rule.end = End::Goto(value().to_owned());
                return rule;
            }
            _ => packets.more = true,
        }
    }
    rule
}

fn end(target: &str) -> End {
    match target {
        "ACCEPT" => End::Accept,
        "RETURN" => End::Return,
        drop if DROPS.contains(&drop) => End::Drop,
        // A chain, or something that is done to the packet on its way: no chain has its name.
        other => End::Jump(other.to_owned()),
    }
}

/// Words between blanks; a comment of several stands in quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut escaped = false;
    for c in line.chars() {
        match c {
            _ if std::mem::replace(&mut escaped, false) => word.push(c),
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}
