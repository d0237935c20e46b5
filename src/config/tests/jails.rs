//! One jail's settings, typed.

use super::*;
use crate::model::{JailSettings, LogPath, UseDns};

fn jail(text: &str) -> JailSettings {
    let text = format!("[sshd]\nenabled = true\n{text}");
    let mut loaded = Story::new().local(&text).loads();
    loaded.jails.remove(0)
}

#[test]
fn the_articles_jail_is_read_as_printed() {
    let story = Story::new()
        .local(
            "[ssh-iptables]\nenabled = true\nfilter = sshd\n\
             action = iptables[name=SSH, port=ssh, protocol=tcp]\n         \
             sendmail-whois[name=SSH, dest=you@example.com, sender=fail2ban@example.com, \
             sendername=\"Fail2Ban\"]\n\
             logpath = /var/log/secure\nbantime = 3600\nmaxretry = 3\n",
        )
        .file(
            "/etc/action.d/iptables.conf",
            "[Definition]\nactionban = <iptables> -I f2b-<name> 1 -s <ip> -j <blocktype>\n\
             [Init]\nblocktype = REJECT\niptables = iptables -w\n\
             [Init?family=inet6]\niptables = ip6tables -w\n",
        )
        .file(
            "/etc/action.d/sendmail-whois.conf",
            "[Definition]\nactionban = mail <dest>\n",
        );
    let loaded = story.loads();
    assert_eq!(names(&loaded), ["ssh-iptables"]);
    let jail = &loaded.jails[0];
    assert_eq!(jail.maxretry, 3);
    assert_eq!(jail.bantime.number(), 3600);
    assert_eq!(
        jail.logs,
        [LogPath {
            glob: "/var/log/secure".into(),
            tail: false
        }]
    );
    let action_names: Vec<&str> = jail.actions.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(action_names, ["iptables-SSH", "sendmail-whois-SSH"]);
    let options: Vec<String> = jail.actions[0]
        .options
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        options,
        [
            "actionban=<iptables> -I f2b-SSH 1 -s <ip> -j REJECT",
            "name=SSH",
            "port=ssh",
            "protocol=tcp",
            "actname=iptables-SSH",
            "blocktype=REJECT",
            "iptables=iptables -w",
            "iptables?family=inet6=ip6tables -w",
        ]
    );
    assert_eq!(
        jail.actions[1].option("actionban"),
        Some("mail you@example.com")
    );
    assert_eq!(jail.actions[1].origin.to_string(), "/etc/jail.local:4");
}

#[test]
fn a_jail_that_says_nothing_has_the_servers_defaults() {
    let story = Story::new().file(
        "/etc/jail.conf",
        "[a]\nenabled = true\nlogpath = /log\nfilter = sshd\naction = rules[port=1]\n",
    );
    let jail = &story.loads().jails[0];
    assert_eq!((jail.maxretry, jail.maxmatches), (3, 5));
    assert_eq!((jail.findtime.secs(), jail.bantime.number()), (600, 600));
    assert_eq!(jail.usedns, UseDns::Warn);
    assert!(jail.ignoreself && !jail.skip_if_nologs && !jail.increment.enabled);
    assert_eq!(
        (jail.backend.as_str(), jail.logencoding.as_str()),
        ("auto", "auto")
    );
    assert_eq!((jail.filter.maxlines, jail.ignorecache.clone()), (1, None));
}

#[test]
fn every_option_is_typed() {
    let jail = jail(
        "maxretry = 7\nmaxmatches = 0\nfindtime = 1h 30m\nbantime = -1\nusedns = RAW\n\
         ignoreself = no\nignoreip = 192.0.2.1, 2001:db8::/32\n   file:/etc/list\n\
         ignorecommand = /bin/x <ip>\nlogencoding = utf-16\nlogtimezone = UTC+0100\n\
         ignorecache = key=\"<F-USER>@<ip-host>\", max-count=7, max-time=1m\n\
         bantime.increment = true\nbantime.factor = 2\nbantime.formula = ban.Time * 2\n\
         bantime.multipliers = 1 2 4\nbantime.maxtime = 1w\nbantime.rndtime =\n\
         bantime.overalljails = on\nbackend = polling\n\
         logpath = /a tail\n   /b/*.log HEAD\n\n   /c\nmaxlines = 3\ndatepattern = %%Y\n\
         journalmatch = _A=b + \"C=d e\"\n",
    );
    assert_eq!((jail.maxretry, jail.maxmatches), (7, 0));
    assert_eq!(
        (jail.findtime.secs(), jail.bantime),
        (5400, crate::model::BanTime::Permanent)
    );
    assert_eq!(jail.usedns, UseDns::Raw);
    assert!(!jail.ignoreself);
    assert_eq!(
        jail.ignoreip,
        ["192.0.2.1", "2001:db8::/32", "file:/etc/list"]
    );
    assert_eq!(jail.ignorecommand, "/bin/x <ip>");
    assert_eq!(
        (jail.logencoding.as_str(), jail.logtimezone.as_deref()),
        ("utf-16", Some("UTC+0100"))
    );
    let cache = jail.ignorecache.expect("a cache");
    assert_eq!(
        (cache.key.as_str(), cache.max_count, cache.max_time.secs()),
        ("<F-USER>@<ip-host>", 7, 60)
    );
    assert!(jail.increment.enabled && jail.increment.overalljails);
    assert_eq!(jail.increment.factor.as_deref(), Some("2"));
    assert_eq!(jail.increment.multipliers.as_deref(), Some("1 2 4"));
    assert_eq!(
        jail.increment.maxtime.map(crate::model::Span::secs),
        Some(604_800)
    );
    assert_eq!(jail.increment.rndtime, None);
    let logs: Vec<(&str, bool)> = jail
        .logs
        .iter()
        .map(|log| (log.glob.as_str(), log.tail))
        .collect();
    assert_eq!(logs, [("/a", true), ("/b/*.log", false), ("/c", false)]);
    assert_eq!(
        (jail.filter.maxlines, jail.filter.datepattern.as_deref()),
        (3, Some("%Y"))
    );
    assert_eq!(jail.filter.journalmatch, [["_A=b", "+", "C=d e"]]);
}

#[test]
fn expressions_of_the_jail_stand_in_for_the_filters() {
    let jail =
        jail("failregex = ^own <HOST>$\n  %(known/failregex)s\nignoreregex =\n  ^x$\n\n  ^y$\n");
    let shown = |list: &[(String, Origin)]| -> Vec<String> {
        list.iter()
            .map(|(line, origin)| format!("{line} @ {origin}"))
            .collect()
    };
    assert_eq!(
        shown(&jail.filter.failregex),
        [
            "^own <HOST>$ @ /etc/jail.local:3",
            "^vendor <HOST>$ @ /etc/jail.local:4"
        ]
    );
    assert_eq!(
        shown(&jail.filter.ignoreregex),
        ["^x$ @ /etc/jail.local:6", "^y$ @ /etc/jail.local:8"]
    );
}

#[test]
fn the_journal_needs_no_logpath_and_tells_the_filter() {
    let story = Story::new()
        .local("[sshd]\nenabled = true\nbackend = systemd[journalflags=1]\nlogpath =\n")
        .file(
            "/etc/filter.d/sshd.conf",
            "[Definition]\nfailregex = <lt_<logtype>/x> <HOST>\n[lt_file]\nx = f\n[lt_journal]\nx = j\n",
        );
    let loaded = story.loads();
    assert_eq!(loaded.jails[0].filter.failregex[0].0, "j <HOST>");
    assert_eq!(loaded.jails[0].backend, "systemd[journalflags=1]");
}

/// A filter for the journal and for files, a jail that leaves it to us, and what else is there.
fn auto_comes_to(jail: &str, filter: &str, files: &[&str]) -> JailSettings {
    let mut story = Story::new()
        .local("[sshd]\nenabled = true\nbackend = auto\nlogpath = /var/log/a*.log\n")
        .file("/etc/jail.d/more.local", &format!("[sshd]\n{jail}\n"))
        .file(
            "/etc/filter.d/sshd.conf",
            &format!(
                "[Definition]\nfailregex = <lt_<logtype>/x> <HOST>\n{filter}\n\
                 [lt_file]\nx = f\n[lt_journal]\nx = j\n"
            ),
        );
    for file in files {
        story = story.file(file, "");
    }
    story.loads().jails.remove(0)
}

#[test]
fn auto_comes_to_the_journal_without_a_filter_too() {
    let story = Story::new()
        .local(
            "[sshd]\nenabled = true\nbackend = auto\nlogpath = /var/log/a*.log\nfilter =\n\
             failregex = x <HOST>\njournalmatch = _COMM=x\n",
        )
        .file("/run/systemd/journal/socket", "");
    let settings = story.load().jails.remove(0);
    assert_eq!(settings.backend, "systemd");
    assert_eq!(settings.filter.failregex[0].0, "x <HOST>");
}

#[test]
fn auto_reads_the_file_if_it_exists_else_the_journal_else_it_waits() {
    const JOURNALD: &str = "/run/systemd/journal/socket";
    const MATCH: &str = "journalmatch = _COMM=sshd";
    const NO_LOG: &str = "the journal: there is a journalmatch, and no /var/log/a*.log";
    const OFF: &str = "systemd_if_nologs = false";
    for (jail, filter, files, chosen) in [
        (
            "",
            MATCH,
            &[JOURNALD, "/var/log/auth.log"][..],
            Some("files: a log is there"),
        ),
        ("", MATCH, &[JOURNALD], Some(NO_LOG)),
        (MATCH, "", &[JOURNALD], Some(NO_LOG)),
        ("", "", &[JOURNALD], Some("files: there is no journalmatch")),
        ("", MATCH, &[], Some("files: journald does not run")),
        (
            OFF,
            MATCH,
            &[JOURNALD],
            Some("files: systemd_if_nologs is false"),
        ),
        ("backend = polling", MATCH, &[JOURNALD], None),
        ("skip_if_nologs = true", MATCH, &[JOURNALD], Some(NO_LOG)),
        (
            "logpath =",
            MATCH,
            &[JOURNALD],
            Some("the journal: there is a journalmatch, and no logpath"),
        ),
    ] {
        let settings = auto_comes_to(jail, filter, files);
        let on_journal = chosen.is_some_and(|chosen| chosen.starts_with("the journal"));
        let backend = match (on_journal, chosen) {
            (true, _) => "systemd",
            (false, Some(_)) => "auto",
            (false, None) => "polling",
        };
        assert_eq!(settings.backend, backend, "{jail} {filter} {files:?}");
        let said = chosen.map(|chosen| format!("backend = auto comes to {chosen}"));
        assert_eq!(settings.chosen, said);
        let regex = if on_journal { "j <HOST>" } else { "f <HOST>" };
        assert_eq!(settings.filter.failregex[0].0, regex, "the filter knows");
    }
}

#[test]
fn actions_are_named_after_their_arguments() {
    let list = "action = rules rules[name=sshd-2] rules[name=other] rules[actname=own]\n";
    let names: Vec<String> = jail(list).actions.into_iter().map(|a| a.name).collect();
    assert_eq!(names, ["rules", "rules-2", "rules-other", "own"]);
}

#[test]
fn an_argument_stands_for_both_families_unless_one_is_named() {
    let story = |arguments: &str| {
        let loaded = Story::new()
            .local(&format!("[sshd]\naction = kind[{arguments}]\n"))
            .file(
                "/etc/action.d/kind.conf",
                "[Definition]\nactionban = <kind> <ip>\n\
                 [Init]\nkind = four\n[Init?family=inet6]\nkind = six\n",
            )
            .loads();
        let action = &loaded.jails[0].actions[0];
        ["actionban", "kind", "kind?family=inet6"]
            .map(|name| action.option(name).map(str::to_owned))
    };
    let told = |kinds: [&str; 2]| {
        [
            Some("<kind> <ip>".to_owned()),
            Some(kinds[0].to_owned()),
            Some(kinds[1].to_owned()),
        ]
    };
    assert_eq!(story(""), told(["four", "six"]));
    assert_eq!(story("kind=own"), told(["own", "own"]));
    assert_eq!(story("kind=a, kind?family=inet6=b"), told(["a", "b"]));
}

#[test]
fn python_actions_keep_their_file_and_arguments() {
    let story = Story::new()
        .local("[sshd]\naction = smtp.py[dest=\"a, b\", actname=mail]\n")
        .file("/vendor/action.d/smtp.py", "");
    let loaded = story.loads();
    let action = &loaded.jails[0].actions[0];
    assert_eq!(action.name, "mail");
    assert_eq!(
        action.python.as_deref(),
        Some(Path::new("/vendor/action.d/smtp.py"))
    );
    assert_eq!(action.options, [("dest".to_owned(), "a, b".to_owned())]);
    let tree = &story.tree;
    let commands = stream(&loaded, tree);
    let told = dump(&commands);
    assert!(
        told.contains(
            "['set', 'sshd', 'addaction', 'mail', '/vendor/action.d/smtp.py', '{\"dest\": \"a, b\"}']"
        ),
        "{told}"
    );
}

#[test]
fn a_jail_can_be_skipped_until_it_has_logs() {
    let text = "[sshd]\nskip_if_nologs = true\nlogpath = /var/log/*.log\n";
    let says = Story::new().local(text).says();
    assert_eq!(
        says,
        [
            "/etc/jail.local:3: jail 'sshd': expected an existing log file, found none, so the jail \
          is left out; remove skip_if_nologs to wait for the file"
        ]
    );
    let with_log = Story::new().local(text).file("/var/log/a.log", "");
    assert_eq!(names(&with_log.loads()), ["sshd"]);
}

#[test]
fn one_jail_can_be_loaded_alone() {
    let story = Story::new().local("[nginx]\nenabled = true\n[bad]\nenabled = true\n");
    let config = story.read().expect("read");
    assert_eq!(names(&config.load_jail("nginx").expect("nginx")), ["nginx"]);
    let error = config.load_jail("nope").expect_err("no such jail");
    assert!(
        error.to_string().starts_with("No section: 'nope'"),
        "{error}"
    );
}

#[test]
fn a_filter_can_be_read_without_a_jail() {
    let story = Story::new().file(
        "/etc/filter.d/modes.conf",
        "[Definition]\nmode = a\nfailregex = ^<x-<mode>> <lt_<logtype>/y> <HOST>$\nx-a = A\n\
         x-b = B\n[lt_file]\ny = f\n[lt_journal]\ny = j\n",
    );
    let config = story.read().expect("read");
    let first = |text, backend| {
        let filter = config.filter(text, backend).expect(text);
        (filter.name, filter.failregex[0].0.clone())
    };
    assert_eq!(
        first("modes", "auto"),
        ("modes".into(), "^A f <HOST>$".into())
    );
    assert_eq!(
        first("modes[mode=b]", "systemd"),
        ("modes".into(), "^B j <HOST>$".into())
    );
    assert_eq!(first("/etc/filter.d/modes", "auto").1, "^A f <HOST>$");
    let error = config
        .filter("mode", "auto")
        .expect_err("no such filter")
        .to_string();
    assert!(error.ends_with("did you mean 'modes'?"), "{error}");
    assert!(config.filter("modes[x", "auto").is_err());
}
