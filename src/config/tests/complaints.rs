//! Every kind of mistake: one line, with file and line, what was expected and what to do; and
//! the other jails go on.

use super::*;

/// `jail.local` with a jail `bad` and a good one; what loading says about it.
fn bad(text: &str) -> Vec<String> {
    bad_in(Story::new(), text)
}

fn bad_in(story: Story, text: &str) -> Vec<String> {
    let text = format!(
        "[nginx]\nenabled = true\n[bad]\nenabled = true\nlogpath = /log\nfilter = sshd\n{text}"
    );
    let loaded = story.local(&text).load();
    assert_eq!(names(&loaded), ["nginx"]);
    assert_eq!(loaded.dropped, ["bad"]);
    assert!(loaded.has_errors());
    said(&loaded)
}

#[test]
fn a_bad_jail_is_left_out_with_one_line() {
    let cases = [
        (
            "maxretry = five\n",
            "/etc/jail.local:7: jail 'bad': expected a whole number, found maxretry = 'five'; \
             write maxretry = 1 or more",
        ),
        (
            "bantime = 5x\n",
            "/etc/jail.local:7: jail 'bad': expected a length of time such as 600, 10m, 1d12h or \
             1w (an unknown unit is in it), found bantime = '5x'; \
             write a number with s, m, h, d, w, mo or y",
        ),
        (
            "bantime = %(nowhere)s\n",
            "/etc/jail.local:7: jail 'bad': 'bantime' uses %(nowhere)s, but no option 'nowhere' is \
             defined; define 'nowhere' or remove %(nowhere)s",
        ),
        (
            "bantime = %(x)s\nx = 100%\n",
            "/etc/jail.local:8: jail 'bad': expected %% or %(name)s in 'x', found '%'; \
             write a plain percent sign as %%",
        ),
        (
            "bantime = %(x)s\nx = %(bantime)s\n",
            "/etc/jail.local:7: jail 'bad': expected 'bantime' to come to an end, it is nested more \
             than ten deep; look for options that use each other; known/ reaches one file back only",
        ),
        (
            "action = nothing\n",
            "/etc/jail.local:7: jail 'bad': expected the action 'nothing', found no nothing.conf or \
             .local in /etc/action.d or /vendor/action.d; \
             write action.d/nothing.conf or name another action",
        ),
        (
            "action = rule\n",
            "/etc/jail.local:7: jail 'bad': expected the action 'rule', found no rule.conf or \
             .local in /etc/action.d or /vendor/action.d; did you mean 'rules'?",
        ),
        (
            "action = rules[x=1\n",
            "/etc/jail.local:7: jail 'bad': expected name or name[option=value, ...] in \
             action = 'rules[x=1'; quote values that hold , or ]",
        ),
        (
            "action = rules rules\n",
            "/etc/jail.local:7: jail 'bad': expected actions of different names, 'rules' is twice; \
             give one of them another actname=… or name=…",
        ),
        (
            "action = absent.py\n",
            "/etc/jail.local:7: jail 'bad': expected a Python action, found no \
             /etc/action.d/absent.py; put the file there or name another action",
        ),
        (
            "backend = magic\n",
            "/etc/jail.local:7: jail 'bad': expected auto, polling, pyinotify or systemd, found \
             backend = 'magic'; write backend = auto",
        ),
        (
            "ignorecache = max-count=1\n",
            "/etc/jail.local:7: jail 'bad': expected key=… in ignorecache; \
             write ignorecache = key=\"<ip>\", max-count=100, max-time=5m",
        ),
        (
            "bantime.multipliers = 1 two\n",
            "/etc/jail.local:7: jail 'bad': expected whole numbers, found 'two' in \
             bantime.multipliers; write for example bantime.multipliers = 1 2 4 8 16 32 64",
        ),
        (
            "maxlines = 0\n",
            "/etc/jail.local:7: jail 'bad': expected maxlines of 1 or more, found '0'; \
             write maxlines = 1",
        ),
        (
            "journalmatch = 'open\n",
            "/etc/jail.local:7: jail 'bad': a quotation mark is not closed in journalmatch \
             ''open'; write for example _SYSTEMD_UNIT=sshd.service + _COMM=sshd",
        ),
        (
            "maxretry 5\n",
            "/etc/jail.local:7: jail 'bad': expected 'name = value', found 'maxretry 5', so the \
             jail is left out; write 'maxretry = 5', or # before a comment",
        ),
    ];
    for (text, expected) in cases {
        let says = bad(text);
        assert_eq!(says.last().map(String::as_str), Some(expected), "{text}");
        assert_eq!(says.len(), 1, "{says:?}");
    }
}

#[test]
fn filters_and_logs_that_are_missing_are_said() {
    let jail = |text: &str| format!("[nginx]\nenabled = true\n[bad]\nenabled = true\n{text}");
    for (text, expected) in [
        (
            "filter = sshdd\nlogpath = /log\n",
            "/etc/jail.local:5: jail 'bad': expected the filter 'sshdd', found no sshdd.conf or \
             .local in /etc/filter.d or /vendor/filter.d; did you mean 'sshd'?",
        ),
        (
            "filter = sshd[mode]\nlogpath = /log\n",
            "/etc/jail.local:5: jail 'bad': expected option=value, found 'mode' at 0 in \
             filter = 'sshd[mode]'; quote values that hold , or ]",
        ),
        (
            "filter = sshd\n",
            "jail 'bad': expected a logpath, found none; \
             write logpath = /path/of/the.log, or backend = systemd for the journal",
        ),
        (
            "filter = sshd\nlogpath = /log with blanks\n",
            "/etc/jail.local:6: jail 'bad': expected head or tail after a logpath, found 'blanks'; \
             write one path or glob per line, without blanks in it",
        ),
    ] {
        let loaded = Story::new().local(&jail(text)).load();
        assert_eq!(loaded.dropped, ["bad"], "{text}");
        assert_eq!(
            loaded.jails.last().map(|jail| jail.name.as_str()),
            Some("nginx")
        );
        assert_eq!(said(&loaded), [expected], "{text}");
    }
}

#[test]
fn a_broken_filter_costs_only_the_jails_that_use_it() {
    let filter = |text: &str| Story::new().file("/etc/filter.d/sshd.conf", text);
    for (text, expected) in [
        (
            "[Definition]\nfailregex = <a>\na = <b>\nb = <a>\n",
            "/etc/filter.d/sshd.conf:1: jail 'bad': expected <tags> that come to an end, \
             'failregex' contains itself through <a>; remove the circle",
        ),
        (
            "[Definition]\nfailregex = x\nfailregex = y\n",
            "/etc/filter.d/sshd.conf:3: jail 'bad': expected each option once in a section, found \
             a second 'failregex'; remove this one or the one of line 2, which counts",
        ),
        (
            "[Definition]\n[Definition]\n",
            "/etc/filter.d/sshd.conf:2: jail 'bad': expected each section once, found a second \
             [Definition]; move its options to the [Definition] of line 1",
        ),
        (
            "[Definition]\nunused = %(gone)s\n",
            "/etc/filter.d/sshd.conf:2: jail 'bad': 'unused' uses %(gone)s, but no option 'gone' \
             is defined; define 'gone' or remove %(gone)s",
        ),
        (
            "failregex = x\n",
            "/etc/filter.d/sshd.conf:1: jail 'bad': expected a [section] before the first option, \
             found 'failregex = x'; put a header such as [DEFAULT] or [sshd] above it",
        ),
        (
            "[Definition]\nmaxlines = many\n",
            "/etc/filter.d/sshd.conf:2: jail 'bad': expected a whole number, found \
             maxlines = 'many'; write maxlines = 1 or more",
        ),
    ] {
        assert_eq!(bad_in(filter(text), ""), [expected], "{text}");
    }
    let undecodable = Story::new().bytes("/etc/filter.d/sshd.conf", b"[Definition]\nx = \xff\n");
    assert_eq!(
        bad_in(undecodable, ""),
        [
            "/etc/filter.d/sshd.conf:2: jail 'bad': expected UTF-8 text, found other bytes; \
          save the file as UTF-8; all of it is ignored until then"
        ]
    );
}

#[test]
fn values_out_of_range_are_moved_into_it() {
    let loaded = Story::new()
        .local(
            "[sshd]\nmaxretry = 0\nmaxmatches = -1\nfindtime = -5\nusedns = perhaps\nbackend = gamin\n",
        )
        .load();
    let jail = &loaded.jails[0];
    assert_eq!(
        (jail.maxretry, jail.maxmatches, jail.findtime.secs()),
        (1, 0, 600)
    );
    assert_eq!(
        (jail.usedns, jail.backend.as_str()),
        (crate::model::UseDns::No, "auto")
    );
    assert!(!loaded.has_errors());
    let mut says = said(&loaded);
    says.sort();
    assert_eq!(
        says,
        [
            "/etc/jail.local:2: jail 'sshd': expected maxretry of 1 to 4294967295, found 0; \
             correct it; 1 is used until then",
            "/etc/jail.local:3: jail 'sshd': expected maxmatches of 0 to 4294967295, found -1; \
             correct it; 0 is used until then",
            "/etc/jail.local:4: jail 'sshd': expected findtime above 0, found -5; \
             write findtime = 10m; 600 seconds are used until then",
            "/etc/jail.local:5: jail 'sshd': expected yes, warn, no or raw, found \
             usedns = 'perhaps'; correct it; no is used until then",
            "/etc/jail.local:6: jail 'sshd': expected auto, polling, pyinotify or systemd, \
             'gamin' is no more; write backend = auto, which is used",
        ]
    );
}

#[test]
fn server_options_that_make_no_sense_give_way_to_the_default() {
    let loaded = Story::new()
        .file(
            "/etc/fail2ban.conf",
            "[Definition]\nloglevel = LOUD\ndbpurgeage = soon\ndbmaxmatches = many\nlogtarget = %(x)s\nlogtraget = y\n",
        )
        .load();
    assert_eq!(loaded.server.loglevel, crate::model::Level::Info);
    assert_eq!(loaded.server.dbmaxmatches, 10);
    let mut says = said(&loaded);
    says.sort();
    assert_eq!(
        says,
        [
            "/etc/fail2ban.conf:2: expected CRITICAL, ERROR, WARNING, NOTICE, INFO or DEBUG, found \
             loglevel = 'LOUD'; correct it; INFO is used until then",
            "/etc/fail2ban.conf:3: expected a length of time such as 600, 10m, 1d12h or 1w \
             (an unknown unit is in it), found dbpurgeage = 'soon'; correct it; 1d is used until then",
            "/etc/fail2ban.conf:4: expected a whole number, found dbmaxmatches = 'many'; \
             write dbmaxmatches = 1 or more",
            "/etc/fail2ban.conf:5: 'logtarget' uses %(x)s, but no option 'x' is defined; \
             define 'x' or remove %(x)s",
            "/etc/fail2ban.conf:6: expected a known option, found 'logtraget'; \
             did you mean 'logtarget'?",
        ]
    );
}

#[test]
fn unknown_options_are_told_unless_something_uses_them() {
    let says = Story::new()
        .local(
            "[DEFAULT]\nmy_ports = 22\nunused_word = 1\n[sshd]\nmaxretri = 5\nport = %(my_ports)s\n\
             sshd_log = /x\n[nginx]\nmaxretri = 1\n",
        )
        .says();
    assert_eq!(
        says,
        [
            "/etc/jail.local:3: expected a known option, found 'unused_word'; \
             remove it, or use it in a %(…)s",
            "/etc/jail.local:5: jail 'sshd': expected a known option, found 'maxretri'; \
             did you mean 'maxretry'?",
        ]
    );
}

#[test]
fn near_misses_in_filters_and_actions_are_told() {
    let says = Story::new()
        .file(
            "/etc/filter.d/sshd.local",
            "[Definition]\nignorregex = ^x$\nfailregexp = ^y$\nignoreregex = <failregexp>\nown = 1\n",
        )
        .file("/etc/action.d/rules.local", "[Definition]\nactionunbann = x\n")
        .says();
    assert_eq!(
        says,
        [
            "/etc/filter.d/sshd.local:2: expected a known option, found 'ignorregex'; \
             did you mean 'ignoreregex'?",
            "/etc/action.d/rules.local:2: expected a known option, found 'actionunbann'; \
             did you mean 'actionunban'?",
        ]
    );
}

#[test]
fn bad_lines_outside_jails_lose_nothing_else() {
    let loaded = Story::new()
        .file(
            "/etc/jail.d/a.conf",
            "stray\n[DEFAULT]\nmaxretry 9\nbantime = 1\nbantime = 2\n",
        )
        .bytes("/etc/jail.d/b.conf", b"[sshd]\nmaxretry = 7\n\xe9\n")
        .load();
    assert_eq!(names(&loaded), ["sshd"]);
    assert_eq!(
        (loaded.jails[0].maxretry, loaded.jails[0].bantime.number()),
        (5, 1)
    );
    assert_eq!(
        said(&loaded),
        [
            "/etc/jail.d/a.conf:1: expected a [section] before the first option, found 'stray'; \
             put a header such as [DEFAULT] or [sshd] above it",
            "/etc/jail.d/a.conf:3: expected 'name = value', found 'maxretry 9'; \
             write 'maxretry = 9', or # before a comment",
            "/etc/jail.d/a.conf:5: expected each option once in a section, found a second \
             'bantime'; remove this one or the one of line 4, which counts",
            "/etc/jail.d/b.conf:3: expected UTF-8 text, found other bytes; \
             save the file as UTF-8; all of it is ignored until then",
        ]
    );
}

#[test]
fn includes_in_a_circle_or_without_end_are_cut() {
    let circle = Story::new()
        .file(
            "/etc/jail.d/a.conf",
            "[INCLUDES]\nbefore = ../include/b.conf\n[sshd]\nmaxretry = 2\n",
        )
        .file(
            "/etc/include/b.conf",
            "[INCLUDES]\nafter = ../jail.d/../jail.d/a.conf\n",
        );
    let loaded = circle.load();
    assert_eq!(loaded.jails[0].maxretry, 2);
    let says = said(&loaded);
    assert!(!says.is_empty() && !loaded.has_errors(), "{says:?}");
    for line in says {
        assert!(
            line.contains(".conf:2: expected includes without a circle"),
            "{line}"
        );
    }
    let mut bomb = Story::new().file("/etc/jail.d/a.conf", "[INCLUDES]\nbefore = ../i/0.conf\n");
    for n in 0..30 {
        let twice = format!("[INCLUDES]\nbefore = {0}.conf\n  {0}.conf\n", n + 1);
        bomb = bomb.file(&format!("/etc/i/{n}.conf"), &twice);
    }
    let bomb = bomb.file("/etc/i/30.conf", "[DEFAULT]\n");
    assert_eq!(
        bomb.says(),
        ["expected at most 500 files, includes give more; \
          remove includes from [INCLUDES]; the rest is not read"]
    );
}

#[test]
fn a_filter_of_ten_thousand_lines_is_read() {
    let lines: String = (0..10_000)
        .map(|n| format!("  ^%(p)s line {n} <HOST>$\n"))
        .collect();
    let story = Story::new().file(
        "/etc/filter.d/sshd.conf",
        &format!("[Definition]\np = prefix\nfailregex =\n{lines}"),
    );
    let loaded = story.loads();
    let failregex = &loaded.jails[0].filter.failregex;
    assert_eq!(failregex.len(), 10_000);
    let (last, origin) = &failregex[9_999];
    assert_eq!(last, "^prefix line 9999 <HOST>$");
    assert_eq!(origin.to_string(), "/etc/filter.d/sshd.conf:10003");
}

#[test]
fn a_jail_without_filter_or_action_is_warned_about() {
    let loaded = Story::new()
        .local("[sshd]\nfilter =\naction =\nfailregex = ^<HOST>$\n[this-name-is-much-too-long]\nenabled = true\nfilter = nginx\nlogpath = /log\n")
        .load();
    assert_eq!(names(&loaded), ["sshd", "this-name-is-much-too-long"]);
    let mut says = said(&loaded);
    says.sort();
    assert_eq!(
        says,
        [
            "/etc/jail.local:2: jail 'sshd': expected a filter, the jail has none; \
             write filter = <name>",
            "/etc/jail.local:3: jail 'sshd': expected an action, so bans have no effect; \
             write action = %(action_)s or name one",
            "/etc/jail.local:6: jail 'this-name-is-much-too-long': expected a jail name below 26 \
             characters, found 26; shorten it, else iptables may refuse the chain f2b-<name>",
        ]
    );
}
