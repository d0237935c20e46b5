//! What `nft -t list table` prints.

use super::{Chain, End, From, Packets, Rule, Source, only_established, ports, range};
use crate::model::Family;

/// Hooks packets come by on their way in or through.
const HOOKS: &[&str] = &["ingress", "prerouting", "input", "forward"];

/// The chains of a table.
pub(in crate::action) fn read(text: &str) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let mut inside = false;
    let mut line = String::new();
    for part in text.lines() {
        if line.is_empty() {
            part.trim().clone_into(&mut line);
        } else {
            line.push(' ');
            line.push_str(part.trim());
        }
        let words = words(&line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["chain", name, "{", ..] => {
                inside = true;
                chains.push(Chain {
                    name: (*name).to_owned(),
                    ..Chain::default()
                });
            }
            ["}", ..] => inside = false,
            ["type", _, "hook", hook, ..] if inside => {
                if let Some(chain) = chains.last_mut() {
                    chain.base = HOOKS.contains(hook);
                }
            }
            [_, ..] if inside => {
                // A set that is written out may go on on the next line.
                if words
                    .iter()
                    .any(|word| word.starts_with('{') && !word.ends_with('}'))
                {
                    continue;
                }
                if let Some(chain) = chains.last_mut() {
                    chain.rules.push(rule(&line, &words));
                }
            }
            _ => {}
        }
        line.clear();
    }
    chains
}

fn rule(text: &str, words: &[&str]) -> Rule {
    let mut rule = Rule {
        text: text.to_owned(),
        ..Rule::default()
    };
    let mut words = words.iter().copied().peekable();
    while let Some(word) = words.next() {
        let packets = &mut rule.packets;
        match word {
            "ip" | "ip6" => {
                let family = match word {
                    "ip" => Family::Inet4,
                    _ => Family::Inet6,
                };
                let field = words.next().unwrap_or_default();
                let (negated, value) = value(&mut words);
                match (field, value) {
                    ("saddr", value) => match source(value) {
                        Some(from) => rule.sources.push(Source {
                            negated,
                            family: Some(family),
                            from,
                        }),
                        None => packets.more = true,
                    },
                    ("protocol" | "nexthdr", value) => protocols(packets, negated, value),
                    _ => packets.more = true,
                }
            }
            "tcp" | "udp" | "sctp" | "dccp" | "th" => {
                let field = words.next().unwrap_or_default();
                let (negated, value) = value(&mut words);
                let known = ports(inner(value)).filter(|_| field == "dport" && !negated);
                packets.more |= known.is_none();
                packets.ports = known.or(packets.ports.take());
                if word != "th" {
                    packets.protocols = Some(vec![word.to_owned()]);
                }
            }
            "meta" => {
                let field = words.next().unwrap_or_default();
                let (negated, value) = value(&mut words);
                match field {
                    "l4proto" => protocols(packets, negated, value),
                    _ => packets.more = true,
                }
            }
            "ct" => states(&mut rule, &mut words),
            "iif" | "iifname" => match value(&mut words) {
                (false, "lo") => packets.loopback = true,
                _ => packets.more = true,
            },
            "counter" => while words.next_if(|w| is_count(w)).is_some() {},
            "comment" => drop(words.next()),
            "log" => while words.next_if(|w| !is_verdict(w)).is_some() {},
            verdict => match end(verdict, words.peek().copied()) {
                Some(end) => {
                    rule.end = end;
                    return rule;
                }
                None => packets.more = true,
            },
        }
    }
    rule
}

/// What a field is compared with, and whether it must not be that.
fn value<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> (bool, &'a str) {
    let negated = words.next_if_eq(&"!=").is_some();
    words.next_if_eq(&"==");
    (negated, words.next().unwrap_or_default())
}

/// `ct state established,related`, or a map from states to what becomes of them.
fn states<'a>(rule: &mut Rule, words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) {
    let field = words.next().unwrap_or_default();
    let (negated, value) = value(words);
    if field != "state" || negated {
        rule.packets.more = true;
    } else if value == "vmap" {
        let map = inner(words.next().unwrap_or_default());
        let accepted = map.split(',').filter_map(|pair| {
            let (state, verdict) = pair.split_once(':')?;
            (verdict.trim() == "accept").then_some(state)
        });
        let accepted: Vec<&str> = accepted.collect();
        if !accepted.is_empty() {
            rule.end = End::Accept;
            rule.packets.established = only_established(&accepted.join(","));
        }
    } else if only_established(inner(value)) {
        rule.packets.established = true;
    } else {
        rule.packets.more = true;
    }
}

fn protocols(packets: &mut Packets, negated: bool, value: &str) {
    if negated {
        packets.more = true;
        return;
    }
    let names = inner(value).split(',').map(|name| match name.trim() {
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        name => name.to_owned(),
    });
    packets.protocols = Some(names.collect());
}

fn source(value: &str) -> Option<From> {
    if let Some(name) = value.strip_prefix('@') {
        return Some(From::Set(name.to_owned()));
    }
    let ranges = inner(value).split(',').map(|one| range(one.trim()));
    ranges.collect::<Option<_>>().map(From::Ranges)
}

/// What stands between braces, if any do.
fn inner(value: &str) -> &str {
    value.trim_matches(['{', '}', ' '])
}

fn is_count(word: &str) -> bool {
    matches!(word, "packets" | "bytes") || word.bytes().all(|b| b.is_ascii_digit())
}

fn is_verdict(word: &str) -> bool {
    end(word, Some("")).is_some()
}

fn end(word: &str, next: Option<&str>) -> Option<End> {
    Some(match word {
        "accept" => End::Accept,
        "return" => End::Return,
        "drop" | "reject" => End::Drop,
        "continue" => End::On,
        "jump" => End::Jump(next?.to_owned()),
        "goto" => End::Goto(next?.to_owned()),
        _ => return None,
    })
}

/// Words between blanks; quotes and braces hold theirs together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    // The brace that opens a block ends its line.
    let body = line.strip_suffix('{').unwrap_or(line);
    let mut depth = 0usize;
    for c in body.chars() {
        match c {
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == ' ' && !quoted && depth == 0 {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
        } else if c != '"' {
            word.push(c);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    if body.len() < line.len() {
        words.push("{".to_owned());
    }
    words
}
