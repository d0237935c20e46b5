//! Every option fail2ban's files know, in one table each; the order is the command stream's.
//!
//! What reads, checks, explains or documents options goes through these tables.

use super::ini::DEFAULT;
use super::layers::BUILT_IN;
use super::{Facts, Firewall};

/// How an option's text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bool,
    /// A whole number from this on.
    Int(i64),
    /// A length of time; see [`super::duration`].
    Time,
    /// Words between white space or commas.
    Words,
    /// One entry per line.
    Lines,
}

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub name: &'static str,
    pub kind: Kind,
    /// What counts where no file says anything.
    pub default: Option<&'static str>,
}

const fn known(name: &'static str, kind: Kind, default: Option<&'static str>) -> Known {
    Known {
        name,
        kind,
        default,
    }
}

/// `fail2ban.conf`, `[Definition]` or `[DEFAULT]`. Paths are rban's own; § 2.1 has fail2ban's.
pub(super) const SERVER: &[Known] = &[
    known("syslogsocket", Kind::Text, Some("auto")),
    known("loglevel", Kind::Text, Some("INFO")),
    known(
        "logtarget",
        Kind::Text,
        Some("/var/log/fail2ban/fail2ban.log"),
    ),
    known("allowipv6", Kind::Text, Some("auto")),
    known(
        "dbfile",
        Kind::Text,
        Some("/var/lib/fail2ban/fail2ban.sqlite3"),
    ),
    known("dbmaxmatches", Kind::Int(0), None),
    known("dbpurgeage", Kind::Time, Some("1d")),
    known("socket", Kind::Text, Some("/run/fail2ban/fail2ban.sock")),
    known("pidfile", Kind::Text, Some("/run/fail2ban/fail2ban.pid")),
    // rban's own.
    known("native", Kind::Bool, Some("true")),
    known("keep_on_stop", Kind::Bool, Some("false")),
    known("ignoresshclient", Kind::Bool, Some("true")),
    known("socketgroup", Kind::Text, None),
    known("socketmode", Kind::Text, None),
    known("metrics", Kind::Text, Some("")),
];

/// Matches kept per ban in the database where `dbmaxmatches` is not set.
pub(super) const DBMAXMATCHES: usize = 10;

/// A section of `jail.conf` (§ 3); the defaults are those of fail2ban's server.
pub(super) const JAIL: &[Known] = &[
    known("enabled", Kind::Bool, Some("false")),
    known("backend", Kind::Text, Some("auto")),
    known("maxretry", Kind::Int(1), Some("3")),
    known("maxmatches", Kind::Int(0), Some("5")),
    known("findtime", Kind::Time, Some("600")),
    known("bantime", Kind::Time, Some("600")),
    known("bantime.increment", Kind::Bool, Some("false")),
    known("bantime.factor", Kind::Text, None),
    known("bantime.formula", Kind::Text, None),
    known("bantime.multipliers", Kind::Text, None),
    known("bantime.maxtime", Kind::Time, None),
    known("bantime.rndtime", Kind::Time, None),
    known("bantime.overalljails", Kind::Bool, Some("false")),
    known("ignorecommand", Kind::Text, Some("")),
    known("ignoreself", Kind::Bool, Some("true")),
    known("ignoreip", Kind::Words, None),
    known("ignorecache", Kind::Text, None),
    known("filter", Kind::Text, None),
    known("logtimezone", Kind::Text, None),
    known("logencoding", Kind::Text, Some("auto")),
    known("logpath", Kind::Lines, None),
    known("skip_if_nologs", Kind::Bool, Some("false")),
    known("systemd_if_nologs", Kind::Bool, Some("true")),
    known("action", Kind::Text, None),
    // rban's own.
    known("banprefix4", Kind::Int(0), Some("0")),
    known("banprefix6", Kind::Int(0), Some("0")),
    known("countprefix4", Kind::Int(0), Some("0")),
    known("countprefix6", Kind::Int(0), Some("0")),
    known("countprefixhosts", Kind::Int(2), Some("5")),
    known("kill_connections", Kind::Bool, Some("false")),
];

/// `[Definition]` of a filter (§ 4.1). A jail may give them too and then overrides its filter.
pub(super) const FILTER: &[Known] = &[
    known("usedns", Kind::Text, Some("warn")),
    known("prefregex", Kind::Text, None),
    known("ignoreregex", Kind::Lines, None),
    known("failregex", Kind::Lines, None),
    known("maxlines", Kind::Int(1), Some("1")),
    known("datepattern", Kind::Text, None),
    known("journalmatch", Kind::Lines, None),
];

/// `[Definition]` of an action (§ 6.1); all other options are tags.
pub(super) const ACTION: &[Known] = &[
    known("actionstart", Kind::Text, None),
    known("actionstart_on_demand", Kind::Bool, None),
    known("actionstop", Kind::Text, None),
    known("actionflush", Kind::Text, None),
    known("actionreload", Kind::Text, None),
    known("actioncheck", Kind::Text, None),
    known("actionrepair", Kind::Text, None),
    known("actionrepair_on_unban", Kind::Bool, None),
    known("actionban", Kind::Text, None),
    known("actionprolong", Kind::Text, None),
    known("actionreban", Kind::Text, None),
    known("actionunban", Kind::Text, None),
    known("norestored", Kind::Bool, None),
    // rban's own.
    known("native", Kind::Bool, None),
];

/// Names a `jail.conf` may hold for `%(…)s` alone, which most jails come to use.
pub(super) const HELPERS: &[&str] = &[
    "mode",
    "port",
    "protocol",
    "chain",
    "banaction",
    "banaction_allports",
    "destemail",
    "sender",
    "sendername",
    "mta",
];

/// Further such names in stock files, so that none of them is taken for a mistake even where no
/// jail uses it.
const SELDOM_HELPERS: &[&str] = &[
    "blocktype",
    "returntype",
    "logtype",
    "fail2ban_agent",
    "fail2ban_version",
    "fail2ban_confpath",
    "cfemail",
    "cftoken",
    "cfzone",
    "knocking_url",
    "roundcube_errors_log",
];

/// Families of helper names: `sshd_log`, `sshd_backend`, `action_mwl`, `syslog_daemon`.
pub(super) const HELPER_FAMILIES: &[(&str, &str)] = &[
    ("", "_log"),
    ("", "_logs"),
    ("", "_backend"),
    ("", "_apikey"),
    ("action_", ""),
    ("syslog_", ""),
    ("_", ""),
];

/// Whether a `jail.conf` option of that name is nothing to wonder about.
pub(super) fn is_helper(name: &str) -> bool {
    HELPERS.contains(&name)
        || SELDOM_HELPERS.contains(&name)
        || HELPER_FAMILIES
            .iter()
            .any(|(start, end)| name.starts_with(start) && name.ends_with(end))
}

pub(super) fn find<'t>(table: &'t [Known], name: &str) -> Option<&'t Known> {
    table.iter().find(|known| known.name == name)
}

/// An option a jail's section may hold.
pub(super) fn jail_option(name: &str) -> Option<&'static Known> {
    find(JAIL, name).or_else(|| find(FILTER, name))
}

/// The lowest layer of `jail`: `section, option, text`.
pub(super) fn jail_defaults(facts: &Facts) -> Vec<(&'static str, &'static str, &'static str)> {
    let (one, all) = match facts.firewall {
        Firewall::Nftables => ("rban", "rban[type=allports]"),
        Firewall::Ipset => ("iptables-ipset", "iptables-ipset[type=allports]"),
        Firewall::Iptables => ("iptables-multiport", "iptables-allports"),
    };
    let mut defaults = vec![
        (DEFAULT, "banaction", one),
        (DEFAULT, "banaction_allports", all),
    ];
    let tables = JAIL.iter().chain(FILTER);
    defaults.extend(tables.filter_map(|known| Some((BUILT_IN, known.name, known.default?))));
    defaults
}

/// The lowest layer of `fail2ban`.
pub(super) fn server_defaults() -> Vec<(&'static str, &'static str, &'static str)> {
    SERVER
        .iter()
        .filter_map(|known| Some((BUILT_IN, known.name, known.default?)))
        .collect()
}

/// The nearest of some names, where one is near enough to be what was meant.
pub(super) fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let most = (name.chars().count() / 3).clamp(1, 3);
    names
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= most)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters to insert, drop, change or swap to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before = vec![0; to.len() + 1];
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (i, &a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in to.iter().enumerate() {
            let mut best = (above[j] + usize::from(a != b))
                .min(above[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && a == to[j - 1] && b == from[i - 1] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_option_is_listed_twice() {
        for table in [SERVER, JAIL, FILTER, ACTION] {
            for (index, known) in table.iter().enumerate() {
                let first = table.iter().position(|other| other.name == known.name);
                assert_eq!(first, Some(index), "{}", known.name);
            }
        }
        for known in FILTER {
            assert!(find(JAIL, known.name).is_none(), "{}", known.name);
        }
    }

    #[test]
    fn defaults_are_of_their_kind() {
        for known in [SERVER, JAIL, FILTER, ACTION].concat() {
            let Some(default) = known.default else {
                continue;
            };
            let fits = match known.kind {
                Kind::Int(least) => default.parse().is_ok_and(|n: i64| n >= least),
                Kind::Time => super::super::duration::seconds(default).is_ok(),
                Kind::Bool => matches!(default, "true" | "false"),
                Kind::Text | Kind::Words | Kind::Lines => true,
            };
            assert!(fits, "{} = {default}", known.name);
        }
    }

    #[test]
    fn every_option_is_on_the_manual_page() {
        let page = include_str!("../../man/jail.conf.5");
        let named: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix(".It Cm "))
            .flat_map(|names| names.split(" , "))
            .collect();
        for known in [SERVER, JAIL, FILTER, ACTION].concat() {
            assert!(named.contains(&known.name), "jail.conf(5): {}", known.name);
        }
        for name in HELPERS {
            assert!(named.contains(name), "jail.conf(5): {name}");
        }
    }

    #[test]
    fn the_nearest_name_is_near() {
        let names = || JAIL.iter().map(|known| known.name);
        assert_eq!(nearest("maxretri", names()), Some("maxretry"));
        assert_eq!(nearest("bantiem", names()), Some("bantime"));
        assert_eq!(nearest("log_path", names()), Some("logpath"));
        assert_eq!(nearest("colour", names()), None);
    }
}
