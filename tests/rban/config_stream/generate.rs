//! Configuration trees made by a grammar: every form of the dialect, mostly legal, sometimes not.
//! The same seed gives the same tree.

use crate::support::draw;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Plain words, some of them awkward to a lexer.
const WORDS: &[&str] = &[
    "x",
    "one",
    "two words",
    "3",
    "a,b",
    "it's",
    "\"q\"",
    "a;b",
    "a#b",
    "k=v",
    "k:v",
    "[x]",
    "é☃",
    "<HOST>",
    "<ip>",
    "< a>",
    "<>",
    "$1",
    "\\d+",
    "%%",
    "%%(v0)s",
    "a  b",
    "(y|n)",
    "{}",
    "-",
    "\u{a0}n",
];
/// What a jail's values may use, each level only the ones below it.
const LEVELS: usize = 5;
const JAILS: &[&str] = &["one", "two", "three-x", "four_4", "fi.ve"];
const FILTERS: &[&str] = &["f0", "f1", "f-2"];
const ACTIONS: &[&str] = &["a0", "a1", "a-2"];
const DURATIONS: &[&str] = &[
    "600",
    "10m",
    "1h 30m",
    "1d12h",
    "1year-6mo",
    "1.5h",
    "-1",
    "2w",
    "1d + 1h",
    "3 * 60",
    "5min",
    "1 hour",
    "2*1d",
    "(1h + 5m)*2",
    "0",
    "90sec",
    "1mon",
    "1yea 2wee",
    "7d-1s",
];

/// What every filter and action includes.
const COMMON: &str = "\
[DEFAULT]
d0 = common
d1 = (%(d0)s)
d2 = c2
d3 = c3
d4 = c4 <d1>
d5 = c5
d6 = c6
i0 = ci0
i1 = ci1
i2 = ci2
i3 = ci3
[lt_file]
p = file
[lt_journal]
p = journal %(d0)s
[lt_short]
p = short
[shared]
d0 = s0
d1 = s1
d2 = <d1>
i0 = s0
i1 = s1 %(i0)s
[Init]
chain = INPUT
";

/// A tree: its files by their paths.
pub(crate) type Files = BTreeMap<String, String>;

pub(crate) struct Generator {
    state: u64,
    /// How often something that may fail is written, of a hundred.
    wild: usize,
    log: String,
}

impl Generator {
    /// `log` is a file that exists; its folder has more of them.
    pub(crate) fn new(seed: u64, log: &str) -> Self {
        let mut new = Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            wild: 0,
            log: log.to_owned(),
        };
        new.wild = new.pick(&[0, 0, 1, 3]);
        new
    }

    fn below(&mut self, bound: usize) -> usize {
        let drawn = draw(&mut self.state);
        (drawn % bound as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// True that often of a hundred.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn is_wild(&mut self) -> bool {
        self.chance(self.wild)
    }

    /// A whole tree.
    pub(crate) fn tree(&mut self) -> Files {
        let mut files = Files::new();
        self.server(&mut files);
        let jail = self.jails(true);
        files.insert("jail.conf".into(), jail);
        for name in [
            "jail.local",
            "jail.d/a.conf",
            "jail.d/a-b.conf",
            "jail.d/z.local",
            "inc/own.conf",
        ] {
            if self.chance(50) {
                let text = self.jails(false);
                files.insert(name.into(), text);
            }
        }
        for filter in FILTERS {
            self.definition("filter", filter, &mut files);
        }
        for action in ACTIONS {
            self.definition("action", action, &mut files);
        }
        let paths = "[DEFAULT]\npaths_log = /nowhere/x.log\nv1 = from paths\n";
        files.insert("paths-x.conf".into(), paths.into());
        if self.chance(30) {
            files.insert(
                "paths-x.local".into(),
                "[DEFAULT]\nv1 = from paths local\n".into(),
            );
        }
        files
    }

    fn server(&mut self, files: &mut Files) {
        for name in ["fail2ban.conf", "fail2ban.local", "fail2ban.d/x.conf"] {
            if name != "fail2ban.conf" && self.chance(60) {
                continue;
            }
            let mut text = format!("[{}]\n", self.pick(&["DEFAULT", "Definition"]));
            for (option, values) in [
                ("loglevel", &["INFO", "debug", "%(lev)s", "10"][..]),
                ("syslogsocket", &["auto", "/dev/log"]),
                ("allowipv6", &["auto", "yes", "no"]),
                ("dbfile", &["/tmp/x.sqlite3", "None", ":memory:"]),
                ("dbmaxmatches", &["10", "0", " 7 "]),
                ("dbpurgeage", DURATIONS),
                ("lev", &["NOTICE"]),
            ] {
                if self.chance(50) || option == "lev" {
                    let value = self.pick(values);
                    // Nobody purges what is younger than nothing.
                    let value = if option == "dbpurgeage" && value.starts_with('-') {
                        "1d"
                    } else {
                        value
                    };
                    self.assign(&mut text, option, value);
                }
            }
            if !text.starts_with("[Definition]") {
                text.push_str("[Definition]\n");
            }
            if self.chance(25) {
                text.push_str("[Thread]\nstacksize = 64\n");
            }
            files.insert(name.into(), text);
        }
    }

    /// `name = value`, in one of the ways to write it.
    fn assign(&mut self, text: &mut String, name: &str, value: &str) {
        let written = match self.below(10) {
            0 if !name.contains('?') => name.to_uppercase(),
            _ => name.to_owned(),
        };
        let between = self.pick(&[" = ", "=", ": ", " : ", "  =  ", " ="]);
        let mut lines = value.split('\n');
        let first = lines.next().unwrap_or_default();
        let first_below = name != "filter" && self.chance(10) && value.contains('\n');
        match first_below {
            true => writeln!(text, "{written}{between}\n   {first}"),
            false => writeln!(text, "{written}{between}{first}"),
        }
        .expect("a text");
        let indent = self.pick(&[" ", "    ", "\t"]);
        for line in lines {
            match self.below(8) {
                0 => text.push_str("# a comment between\n"),
                1 => text.push_str("   ; another = comment\n"),
                _ => {}
            }
            writeln!(text, "{indent}{line}").expect("a text");
        }
        match self.below(14) {
            0 => text.push('\n'),
            1 => text.push_str("# name = nothing\n"),
            2 => text.push_str("\n\n; [section]\n"),
            _ => {}
        }
    }

    /// A text that uses options of `names` below `level`, and tags of the same names.
    fn value(&mut self, names: &str, level: usize, sections: &[&str]) -> String {
        let mut text = String::new();
        for _ in 0..=self.below(4) {
            let lower = format!("{names}{}", self.below(level.max(1)));
            let piece = match self.below(16) {
                0..=6 => self.pick(WORDS).to_owned(),
                _ if level == 0 => self.pick(WORDS).to_owned(),
                7 | 8 => format!("%({lower})s"),
                9 => format!("%({})s", lower.to_uppercase()),
                10 => format!("%({}/{lower})s", "default"),
                11 => format!("%({}/{lower})s", self.pick(sections)),
                12 => format!("%(known/{lower})s"),
                13 => format!("<{lower}>"),
                14 => format!(
                    "<{}/{lower}>",
                    self.pick(&["known", "default", "Init", "Definition"])
                ),
                _ => "%(__name__)s".to_owned(),
            };
            let piece = if self.is_wild() {
                self.wild_piece(names)
            } else {
                piece
            };
            text.push_str(&piece);
            text.push_str(self.pick(&["", " ", "-", "", ":"]));
            if self.chance(12) {
                text.push('\n');
            }
        }
        let lines: Vec<&str> = text
            .split('\n')
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let mut text = lines.join("\n");
        if self.chance(8) {
            text.push_str(" ; cut here");
        }
        text
    }

    fn wild_piece(&mut self, names: &str) -> String {
        let any = format!("{names}{}", self.below(LEVELS + 2));
        match self.below(8) {
            0 => format!("%({any})s"),
            1 => format!("%(known/{any})s"),
            2 => format!("%({}/{any})s", self.pick(&["nowhere", "four_4"])),
            3 => format!("<{any}>"),
            4 => "%".into(),
            5 => "%(x".into(),
            6 => format!("<{}-<{any}>>", names),
            _ => format!("<known/{any}>"),
        }
    }

    /// A `jail` file; the first has all that the others may use.
    fn jails(&mut self, first: bool) -> String {
        let mut text = String::new();
        if self.chance(40) {
            text.push_str("[INCLUDES]\n");
            let before = self.pick(&[
                "paths-x.conf",
                "paths-x.conf\n  no-such.conf",
                "paths-x.conf\n\n./paths-x.conf",
            ]);
            writeln!(text, "before = {before}").expect("a text");
            if self.chance(40) {
                text.push_str("after = inc/own.conf\n");
            }
        }
        if first || self.chance(60) {
            text.push_str("[DEFAULT]\n");
            for level in 0..LEVELS {
                if first || self.chance(25) {
                    let value = self.value("v", level, &["default"]);
                    self.assign(&mut text, &format!("v{level}"), &value);
                }
            }
            if first {
                writeln!(
                    text,
                    "log = {}\nmaxretries = 4\nhosts = 192.0.2.7 h.example.com",
                    self.log
                )
                .expect("a text");
                text.push_str("[common]\nv0 = c0\nv1 = c1 %(v0)s\nv2 = c2\nv3 = %(default/v3)s\n[DEFAULT]\nmode = normal\naction_ = a0[name=%(__name__)s, x=\"%(v0)s\"]\n");
            }
            if self.chance(50) {
                self.jail_option(&mut text);
            }
        }
        for jail in JAILS {
            if !first && self.chance(50) {
                continue;
            }
            writeln!(text, "[{jail}]{}", self.pick(&["", "", " ; here", " x"])).expect("a text");
            self.jail(&mut text, first);
        }
        text
    }

    fn jail(&mut self, text: &mut String, first: bool) {
        if first {
            let enabled = self.pick(&["true", "yes", "1", "On", "false", "TRUE"]);
            self.assign(text, "enabled", enabled);
            let filter = self.filter_spec();
            self.assign(text, "filter", &filter);
            let log = self.logpath();
            self.assign(text, "logpath", &log);
        }
        let mut taken = Vec::new();
        for level in 0..LEVELS {
            if self.chance(25) {
                let value = match self.below(4) {
                    0 if !first => format!("+%(known/v{level})s"),
                    _ => {
                        let sections = ["default", "common", "common"];
                        self.value("v", level, &sections)
                    }
                };
                self.assign(text, &format!("v{level}"), &value);
            }
        }
        for _ in 0..self.below(6) {
            let (name, value) = self.option();
            if !taken.contains(&name) {
                taken.push(name);
                self.assign(text, name, &value);
            }
        }
        if first || self.chance(30) {
            let action = self.actions();
            self.assign(text, "action", &action);
        }
    }

    fn jail_option(&mut self, text: &mut String) {
        let (name, value) = self.option();
        self.assign(text, name, &value);
    }

    /// One of a jail's options with a value of its kind.
    fn option(&mut self) -> (&'static str, String) {
        let duration = self.pick(DURATIONS).to_owned();
        let positive = duration.trim_start_matches('-').to_owned();
        let pick = |own: &mut Self, from: &[&str]| own.pick(from).to_owned();
        match self.below(24) {
            0 => ("maxretry", pick(self, &["1", "5", " 10 ", "+3", "1_0"])),
            1 => ("maxmatches", pick(self, &["0", "3", "%(maxretries)s"])),
            2 => ("findtime", positive),
            3 => ("bantime", duration),
            4 => (
                "bantime.increment",
                pick(self, &["true", "no", "1", "maybe"]),
            ),
            5 => ("bantime.factor", pick(self, &["1", "2.5", "1.0"])),
            6 => ("bantime.multipliers", pick(self, &["1 2 4", "1 5 30 60"])),
            7 => ("bantime.maxtime", positive),
            8 => ("bantime.rndtime", positive),
            9 => ("bantime.overalljails", pick(self, &["true", "false"])),
            10 => (
                "ignorecommand",
                pick(self, &["", "/bin/true <ip>", "%(v0)s <ip>"]),
            ),
            11 => ("ignoreself", pick(self, &["true", "false", "0"])),
            12 => (
                "ignoreip",
                pick(
                    self,
                    &[
                        "127.0.0.1/8 ::1",
                        "192.0.2.1, 198.51.100.0/24,\n  example.com",
                        "",
                        "%(hosts)s",
                    ],
                ),
            ),
            13 => ("logencoding", pick(self, &["auto", "utf-8", "latin-1"])),
            14 => ("logtimezone", pick(self, &["UTC", "UTC+0200", "GMT-0100"])),
            15 => ("usedns", pick(self, &["warn", "no", "yes", "raw"])),
            16 => (
                "backend",
                pick(
                    self,
                    &[
                        "auto",
                        "polling",
                        "pyinotify",
                        "systemd",
                        "systemd[journalflags=1]",
                    ],
                ),
            ),
            17 => (
                "failregex",
                pick(
                    self,
                    &[
                        "^x <HOST>$",
                        "%(known/failregex)s\n^more <ADDR>",
                        "^%(v0)s <HOST>\n\n  ^b%%c <HOST>",
                        "^<F-USER>.*</F-USER> %(known/i0)s <HOST>",
                    ],
                ),
            ),
            18 => (
                "ignoreregex",
                pick(self, &["", "^no <HOST>", "%(known/ignoreregex)s\n^a$"]),
            ),
            19 => (
                "datepattern",
                pick(
                    self,
                    &[
                        "{^LN-BEG}",
                        "%%Y-%%m-%%d",
                        "^%%s\n{NONE}",
                        "%(known/datepattern)s",
                    ],
                ),
            ),
            20 => ("maxlines", pick(self, &["1", "5"])),
            21 => (
                "journalmatch",
                pick(
                    self,
                    &[
                        "_COMM=sshd",
                        "_SYSTEMD_UNIT=x.service + _COMM='a b'\n  A=\"c d\"",
                        "%(known/journalmatch)s",
                        "",
                    ],
                ),
            ),
            22 => (
                "prefregex",
                pick(
                    self,
                    &["^p <F-CONTENT>.+</F-CONTENT>$", "%(known/prefregex)s"],
                ),
            ),
            _ => ("port", pick(self, &["ssh", "0:65535", "http,https"])),
        }
    }

    fn logpath(&mut self) -> String {
        let log = self.log.clone();
        let folder = log
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder)
            .to_owned();
        match self.below(6) {
            0 | 1 => log,
            2 => format!("{log} tail"),
            3 => format!("{log}\n{folder}/[st]*nd.log head"),
            4 => format!("{folder}/no-such-*.log\n{log}"),
            _ => "%(log)s".to_owned(),
        }
    }

    fn filter_spec(&mut self) -> String {
        let name = self.pick(FILTERS);
        if self.is_wild() {
            return self
                .pick(&[
                    "",
                    "nowhere",
                    "f0[mode]",
                    "f0[mode=\"1\" x=2]",
                    "f0[x=[1]]",
                    "f0[a=1",
                    "%(__name__)s",
                ])
                .to_owned();
        }
        match self.below(4) {
            0 => name.to_owned(),
            1 => format!("{name}[mode=%(mode)s]"),
            _ => self.spec(name),
        }
    }

    fn actions(&mut self) -> String {
        if self.is_wild() {
            return self
                .pick(&["", "nowhere", "a0[x]", "a0[x=1", "a0[x=1]a1", "a0[x=1] ]"])
                .to_owned();
        }
        let mut actions = Vec::new();
        for index in 0..=self.below(3) {
            let name = self.pick(ACTIONS);
            let spec = match self.below(4) {
                0 => "%(action_)s".to_owned(),
                _ => self.spec(name),
            };
            // Two of one name are refused.
            let named = match (spec.strip_suffix(']'), index) {
                (Some(open), _) => format!("{open}, actname=n{index}]"),
                (None, _) if spec.starts_with('%') => spec,
                (None, _) => format!("{spec}[actname=n{index}]"),
            };
            if !actions.contains(&named) {
                actions.push(named);
            }
        }
        let between = self.pick(&["\n", " ", "\n\n", "  "]);
        actions.join(between)
    }

    /// `name[opts]` in one of the ways to write it.
    fn spec(&mut self, name: &str) -> String {
        let knows = name.starts_with('a');
        let mut options: Vec<String> = Vec::new();
        for _ in 0..self.below(5) {
            let key = self.pick(&[
                "i0",
                "i1",
                "i2",
                "i3",
                "name",
                "mode",
                "d2",
                "d0",
                "x.y",
                "logtype",
                "v0",
                "my-opt",
                "failregex",
                "actionban",
                "maxlines",
                "timeout",
                "chain",
                "norestored",
            ]);
            let value = match key {
                "maxlines" => "3".to_owned(),
                "failregex" => "^arg <HOST>".to_owned(),
                "name" => self
                    .pick(&["%(__name__)s", "%(__name__)s-2", "other"])
                    .to_owned(),
                "timeout" => self.pick(&["1m", "90"]).to_owned(),
                _ => self.argument(knows),
            };
            let quoted = match self.below(4) {
                0 if !value.contains('"') => format!("\"{value}\""),
                1 if !value.contains('\'') => format!("'{value}'"),
                2 if !value.contains('"') => format!("\"{value}\" "),
                _ => value.replace([',', ']', '[', '"', '\'', '\n'], ""),
            };
            let quoted = quoted.trim_end();
            options.push(format!("{key}={quoted}"));
        }
        let between = self.pick(&[", ", ",", "][", ",\n  ", "] ["]);
        let last = self.pick(&["", "", "", ",", ", "]);
        match options.is_empty() {
            true => format!("{name}[]"),
            false => format!("{name}[{}{last}]", options.join(between)),
        }
    }

    fn argument(&mut self, knows: bool) -> String {
        let lower = self.below(LEVELS);
        match self.below(9) {
            0 => format!("%(v{lower})s"),
            1 => "<known/chain>".into(),
            2 => format!("<i{}>", self.below(4)),
            3 => "a, b".into(),
            4 => "c ] d".into(),
            5 => "two\nlines".into(),
            6 => "<lt_<logtype>/p>".into(),
            7 if knows => format!("%(known/i{})s", self.below(2)),
            _ => self.pick(WORDS).to_owned(),
        }
    }

    /// A filter or an action: `.conf` and what may lie over it.
    fn definition(&mut self, kind: &str, name: &str, files: &mut Files) {
        let folder = format!("{kind}.d");
        let common = format!("{folder}/common.conf");
        files.entry(common).or_insert_with(|| COMMON.to_owned());
        let base = self.definition_text(kind, true);
        files.insert(format!("{folder}/{name}.conf"), base);
        for over in [
            format!("{name}.local"),
            format!("{name}.d/x.conf"),
            format!("{name}.d/y.local"),
        ] {
            if self.chance(20) {
                let text = self.definition_text(kind, false);
                files.insert(format!("{folder}/{over}"), text);
            }
        }
    }

    fn definition_text(&mut self, kind: &str, base: bool) -> String {
        let mut text = String::new();
        if base {
            text.push_str("[INCLUDES]\nbefore = common.conf\n");
        }
        if self.chance(30) {
            text.push_str("[DEFAULT]\n");
            let value = self.value("d", 0, &["default"]);
            self.assign(&mut text, "d0", &value);
        }
        text.push_str("[Definition]\n");
        for level in 0..LEVELS {
            if base || self.chance(30) {
                let value = match base || self.chance(60) {
                    true => self.value("d", level, &["shared", "lt_file", "default"]),
                    false => format!("%(known/d{level})s more"),
                };
                self.assign(&mut text, &format!("d{level}"), &value);
            }
        }
        self.known_options(&mut text, kind, base);
        if base || self.chance(40) {
            text.push_str("[Init]\n");
            for level in 0..4 {
                if base || self.chance(50) {
                    let value = match self.below(5) {
                        0 => format!("<i{}>", self.below(level.max(1))),
                        1 => format!("<d{}>", self.below(LEVELS)),
                        2 => format!("<nest-<i{}>>", self.below(level.max(1))),
                        _ => self.value("i", level, &["shared"]),
                    };
                    let value = if level == 0 { "zero".to_owned() } else { value };
                    self.assign(&mut text, &format!("i{level}"), &value);
                }
            }
            text.push_str("nest-zero = nested\n");
        }
        if kind == "action" && self.chance(40) {
            let family = self.pick(&["inet6", "inet4"]);
            writeln!(text, "[Init?family={family}]\ncond = six\nkind = <i0>").expect("a text");
            if self.chance(50) {
                text.push_str("[Definition?family=inet6]\nd5 = only six\n");
            }
        }
        text
    }

    /// Options that fail2ban itself knows.
    fn known_options(&mut self, text: &mut String, kind: &str, base: bool) {
        let level = LEVELS;
        let names: &[&str] = match kind {
            "filter" => &[
                "failregex",
                "ignoreregex",
                "prefregex",
                "datepattern",
                "journalmatch",
                "maxlines",
                "usedns",
                "logtype",
            ],
            _ => &[
                "actionstart",
                "actionstop",
                "actionflush",
                "actionban",
                "actionunban",
                "actioncheck",
                "norestored",
                "actionstart_on_demand",
                "actionrepair",
                "actionprolong",
                "timeout",
            ],
        };
        for name in names {
            let always = base && matches!(*name, "failregex" | "actionban");
            if !always && !self.chance(25) {
                continue;
            }
            let value = match *name {
                "maxlines" => self.pick(&["1", "10"]).to_owned(),
                "usedns" => self.pick(&["no", "raw"]).to_owned(),
                "timeout" => self.pick(&["60", "2m"]).to_owned(),
                "logtype" => self.pick(&["file", "short"]).to_owned(),
                "norestored" | "actionstart_on_demand" => {
                    self.pick(&["1", "true", "no", "<i1>"]).to_owned()
                }
                "datepattern" => self.pick(&["{^LN-BEG}", "^%%d <i0>", "EPOCH"]).to_owned(),
                "journalmatch" => self
                    .pick(&["_COMM=x + _COMM=y", "_COMM=%(d0)s_", "A=1\nB=2"])
                    .replace("%(d0)s", "d")
                    .clone(),
                "failregex" => self
                    .pick(&[
                        "^<d1> from <HOST>\n^<lt_<logtype>/p> <HOST>",
                        "^a <F-ID>%(d2)s</F-ID>\n^b <HOST>",
                        "<d6>x <HOST>",
                        "^<mode> <HOST>\n\n^<i1> <ADDR>",
                    ])
                    .to_owned(),
                _ => match self.below(6) {
                    0 => {
                        "<actionban>".replace("actionban", self.pick(&["i1", "d3", "cond", "kind"]))
                    }
                    1 => "do <matches> <timeout> <bantime> <cond>\nthen <i2> <chain>".into(),
                    2 => "run <nest-<i0>> <bt-<kind>> <known/chain> <name> <actname>".into(),
                    _ => self.value("d", level, &["shared"]),
                },
            };
            self.assign(text, name, &value);
        }
    }
}
