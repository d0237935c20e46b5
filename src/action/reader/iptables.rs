//! `iptables [-w] -I|-A|-D CHAIN …`: a rule of options that mean the same in `iptables-restore`.

use std::net::IpAddr;

use super::number;
use crate::action::driver::Rule;

/// The programs, each with whether it is for IPv6; `-restore` is added to the name.
const PROGRAMS: &[(&str, bool)] = &[
    ("iptables", false),
    ("iptables-nft", false),
    ("iptables-legacy", false),
    ("ip6tables", true),
    ("ip6tables-nft", true),
    ("ip6tables-legacy", true),
];

/// The longest chain name (`XT_EXTENSION_MAXNAMELEN`, less its final NUL).
const LONGEST_CHAIN: usize = 28;

/// Tables a rule can be in.
const TABLES: &[&str] = &["filter", "nat", "mangle", "raw", "security"];

/// Options with one value that need no module.
const PLAIN: &[&str] = &[
    "-p",
    "--protocol",
    "-i",
    "--in-interface",
    "-o",
    "--out-interface",
    "-j",
    "--jump",
    "-g",
    "--goto",
];

/// Options with one address.
const ADDRESSES: &[&str] = &["-s", "--source", "--src", "-d", "--destination", "--dst"];

/// Match modules and targets, with their options and how many values each takes.
const EXTENSIONS: &[(&str, &[(&str, usize)])] = &[
    ("tcp", &[("--dport", 1), ("--sport", 1)]),
    ("udp", &[("--dport", 1), ("--sport", 1)]),
    (
        "multiport",
        &[("--dports", 1), ("--sports", 1), ("--ports", 1)],
    ),
    ("state", &[("--state", 1)]),
    ("conntrack", &[("--ctstate", 1)]),
    ("comment", &[("--comment", 1)]),
    ("set", &[("--match-set", 2)]),
    ("REJECT", &[("--reject-with", 1)]),
];

pub(super) fn read(program: &str, name: &str, arguments: &[&str]) -> Option<Rule> {
    let (_, ipv6) = PROGRAMS.iter().find(|(known, _)| *known == name)?;
    let mut words = arguments.iter().copied().peekable();
    let mut table = None;
    let mut place: Option<Vec<&str>> = None;
    let mut known: Vec<&str> = Vec::new();
    let mut rule: Vec<&str> = Vec::new();
    let mut once: Vec<&str> = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "-w" | "--wait" => {
                words.next_if(|next| number::<u32>(next).is_some());
                continue;
            }
            "-t" | "--table" if table.is_none() => {
                table = Some(words.next().filter(|table| TABLES.contains(table))?);
                continue;
            }
            "-I" | "--insert" | "-A" | "--append" | "-D" | "--delete" if place.is_none() => {
                let chain = words.next().filter(|chain| is_chain(chain))?;
                let at = words.next_if(|next| number::<u32>(next).is_some_and(|at| at > 0));
                // By number a deletion depends on every rule before it.
                if at.is_some() && !matches!(word, "-I" | "--insert") {
                    return None;
                }
                place = Some(
                    [Some(word), Some(chain), at]
                        .into_iter()
                        .flatten()
                        .collect(),
                );
                continue;
            }
            _ => {}
        }
        // Twice the same option is an error in one program and an extension in another.
        if word != "-m" && once.contains(&word) {
            return None;
        }
        once.push(word);
        let values = values(word, &mut words, &mut known, *ipv6)?;
        rule.push(word);
        rule.extend(values);
    }
    let place = place?;
    let chain = (*place.get(1)?).to_owned();
    let line: Vec<String> = place.iter().chain(&rule).map(|word| quoted(word)).collect();
    Some(Rule {
        program: program.to_owned(),
        table: table.unwrap_or("filter").to_owned(),
        chain,
        line: line.join(" "),
        arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
    })
}

/// An option's values; `known` grows by the modules and targets named so far.
fn values<'a>(
    option: &str,
    words: &mut impl Iterator<Item = &'a str>,
    known: &mut Vec<&'a str>,
    ipv6: bool,
) -> Option<Vec<&'a str>> {
    if ADDRESSES.contains(&option) {
        let address = words.next().filter(|word| is_address(word, ipv6))?;
        return Some(vec![address]);
    }
    if option == "-m" || option == "--match" {
        let module = words.next()?;
        let is_module = module.bytes().all(|b| b.is_ascii_lowercase());
        let listed = EXTENSIONS.iter().any(|(name, _)| *name == module);
        return (is_module && listed).then(|| {
            known.push(module);
            vec![module]
        });
    }
    if PLAIN.contains(&option) {
        let value = words.next().filter(|word| is_value(word))?;
        known.push(value);
        return Some(vec![value]);
    }
    let of = |name: &&str| EXTENSIONS.iter().find(|(extension, _)| extension == name);
    let options = known
        .iter()
        .filter_map(of)
        .flat_map(|(_, options)| options.iter());
    let (_, count) = options.into_iter().find(|(name, _)| *name == option)?;
    let comment = option == "--comment";
    let fits = |word: &&str| {
        if comment {
            is_comment(word)
        } else {
            is_value(word)
        }
    };
    let values: Vec<&str> = words.take(*count).filter(fits).collect();
    (values.len() == *count).then_some(values)
}

fn is_chain(word: &str) -> bool {
    super::is_name(word, LONGEST_CHAIN)
}

fn is_address(word: &str, ipv6: bool) -> bool {
    let (address, prefix) = word.split_once('/').unwrap_or((word, "0"));
    let longest = if ipv6 { 128u8 } else { 32 };
    let family = address.parse().is_ok_and(|a: IpAddr| a.is_ipv6() == ipv6);
    family && number(prefix).is_some_and(|bits: u8| bits <= longest)
}

/// A word that needs no quotes and is no option.
fn is_value(word: &str) -> bool {
    let plain = |b: u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b',' | b':' | b'/' | b'+')
    };
    !word.is_empty() && !word.starts_with('-') && word.bytes().all(plain)
}

/// A comment may have spaces, which are then quoted.
fn is_comment(word: &str) -> bool {
    !word.is_empty()
        && word.len() < 256
        && word
            .split(' ')
            .all(|part| part.is_empty() || is_value(part))
}

fn quoted(word: &str) -> String {
    if word.contains(' ') {
        format!("\"{word}\"")
    } else {
        word.to_owned()
    }
}
