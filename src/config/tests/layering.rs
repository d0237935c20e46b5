//! Which file, variable or option wins, and that everybody knows where a value is from.

use super::*;

fn failregex(loaded: &Loaded, jail: usize) -> Vec<String> {
    let lines = loaded.jails[jail].filter.failregex.iter();
    lines
        .map(|(line, origin)| format!("{line} @ {origin}"))
        .collect()
}

#[test]
fn without_any_configuration_the_vendor_tree_protects_ssh() {
    let loaded = Story::new().loads();
    assert_eq!(names(&loaded), ["sshd"]);
    assert_eq!(
        loaded.jails[0].actions[0].option("actionban"),
        Some("add ssh <ip>")
    );
}

#[test]
fn an_own_jail_on_the_same_filter_takes_the_place_of_an_automatic_one() {
    let own = "[ssh-iptables]\nenabled = true\nfilter = sshd[mode=x]\nlogpath = /var/log/secure\n";
    assert_eq!(names(&Story::new().local(own).loads()), ["ssh-iptables"]);
    let unrelated = "[nginx]\nenabled = true\n";
    assert_eq!(
        names(&Story::new().local(unrelated).loads()),
        ["sshd", "nginx"]
    );
    let off = "[sshd]\nenabled = false\n";
    assert_eq!(names(&Story::new().local(off).loads()), Vec::<&str>::new());
    let switched_off = own.replace("true", "false");
    assert_eq!(names(&Story::new().local(&switched_off).loads()), ["sshd"]);
}

#[test]
fn an_own_file_hides_the_vendors_and_a_local_one_lies_over_it() {
    let hidden = Story::new().file(
        "/etc/filter.d/sshd.conf",
        "[Definition]\nfailregex = ^own <HOST>$\n",
    );
    assert_eq!(
        failregex(&hidden.loads(), 0),
        ["^own <HOST>$ @ /etc/filter.d/sshd.conf:2"]
    );
    let over = Story::new().file(
        "/etc/filter.d/sshd.local",
        "[Definition]\nfailregex = %(known/failregex)s\n            ^own <HOST>$\n",
    );
    assert_eq!(
        failregex(&over.loads(), 0),
        [
            "^vendor <HOST>$ @ /etc/filter.d/sshd.local:2",
            "^own <HOST>$ @ /etc/filter.d/sshd.local:3"
        ]
    );
    let jail = Story::new().file("/etc/jail.conf", "[DEFAULT]\nenabled = false\n[x]\n");
    assert_eq!(names(&jail.loads()), Vec::<&str>::new());
    assert_eq!(jail.read().expect("read").jail_names(), ["x"]);
}

#[test]
fn includes_find_their_file_on_either_side() {
    let story = Story::new()
        .file(
            "/etc/filter.d/sshd.conf",
            "[INCLUDES]\nbefore = common.conf\n[Definition]\nfailregex = %(p)s%(q)s <HOST>\n",
        )
        .file(
            "/vendor/filter.d/common.conf",
            "[DEFAULT]\np = vendor\nq = vendor\n",
        )
        .file("/etc/filter.d/common.local", "[DEFAULT]\nq = local\n");
    assert_eq!(
        failregex(&story.loads(), 0),
        ["vendorlocal <HOST> @ /etc/filter.d/sshd.conf:4"]
    );
    let other_way = Story::new()
        .file(
            "/vendor/filter.d/sshd.conf",
            "[INCLUDES]\nbefore = common.conf\n[Definition]\nfailregex = %(p)s <HOST>\n",
        )
        .file("/etc/filter.d/common.conf", "[DEFAULT]\np = own\n");
    assert_eq!(
        failregex(&other_way.loads(), 0),
        ["own <HOST> @ /vendor/filter.d/sshd.conf:4"]
    );
}

#[test]
fn folders_of_both_trees_are_one() {
    let story = Story::new()
        .file(
            "/vendor/jail.d/a.conf",
            "[DEFAULT]\nmaxretry = 1\nbantime = 1\n",
        )
        .file("/etc/jail.d/b.conf", "[DEFAULT]\nmaxretry = 2\n")
        .file("/vendor/jail.d/c.conf", "[DEFAULT]\nfindtime = 3\n")
        .file("/etc/jail.d/c.conf", "[DEFAULT]\nport = 4\n");
    let jail = &story.loads().jails[0];
    assert_eq!((jail.maxretry, jail.bantime.number()), (2, 1));
    assert_eq!(jail.findtime.secs(), 600);
}

#[test]
fn files_of_a_folder_come_in_the_order_of_their_whole_names() {
    let story = Story::new()
        .file("/etc/jail.d/a.conf", "[DEFAULT]\nmaxretry = 2\n")
        .file("/etc/jail.d/a-b.conf", "[DEFAULT]\nmaxretry = 3\n")
        .file("/etc/jail.d/.conf", "[DEFAULT]\nmaxretry = 4\n")
        .file("/etc/jail.d/.hidden.local", "[DEFAULT]\nmaxretry = 5\n");
    assert_eq!(story.loads().jails[0].maxretry, 2);
}

#[test]
fn a_named_directory_is_read_alone() {
    let story = Story::new()
        .local("[own]\nenabled = false\n")
        .without_vendor();
    assert_eq!(story.read().expect("read").jail_names(), ["own"]);
    let mut nowhere = Story::new().without_vendor();
    nowhere.inputs.dir_named = true;
    assert_eq!(
        nowhere.read().expect_err("no directory").to_string(),
        "expected a configuration directory, found no /etc; create it, or name another with -c"
    );
}

#[test]
fn later_layers_win_and_are_told() {
    let story = Story::new()
        .file(
            "/etc/jail.d/z.conf",
            "[sshd]\nmaxretry = 6\nfindtime = 6\nbantime = 6\n",
        )
        .local("\n[sshd]\nfindtime = 7\nbantime = 7\n")
        .variable("RBAN_JAIL__SSHD__BANTIME", "2 * %(known/bantime)s")
        .variable("RBAN_JAIL__DEFAULT__IGNOREIP", "192.0.2.5");
    let jail = &story.loads().jails[0];
    assert_eq!(jail.maxretry, 6);
    assert_eq!(jail.findtime.secs(), 7);
    assert_eq!(jail.bantime.number(), 14);
    assert_eq!(jail.ignoreip, ["192.0.2.5"]);
    for (option, value, origin) in [
        ("maxretry", "6", "/etc/jail.d/z.conf:2"),
        ("findtime", "7", "/etc/jail.local:3"),
        ("bantime", "2 * 7", "RBAN_JAIL__SSHD__BANTIME"),
        ("logpath", "['/var/log/auth.log']", "/vendor/jail.conf:12"),
        ("port", "ssh", "/vendor/jail.conf:11"),
        ("usedns", "warn", "default"),
        (
            "failregex",
            "['^vendor <HOST>$']",
            "/vendor/filter.d/sshd.conf:2",
        ),
        ("enabled", "True", "/vendor/jail.conf:10"),
    ] {
        let told = story.explains(Some("sshd"), option);
        assert_eq!(told, (value.into(), origin.into()), "{option}");
    }
}

#[test]
fn server_options_come_from_every_layer_too() {
    let story = Story::new()
        .file(
            "/vendor/fail2ban.conf",
            "[DEFAULT]\nloglevel = DEBUG\ndbpurgeage = 1w\n",
        )
        .file(
            "/etc/fail2ban.local",
            "[Definition]\nlogtarget = /var/log/own.log\n",
        )
        .variable("RBAN_DBFILE", "None")
        .variable("RBAN_LOGTARGET", "/from/environment")
        .typed("-s", "socket", "/100%/socket");
    let server = story.loads().server;
    assert_eq!(server.loglevel, crate::model::Level::Debug);
    assert_eq!(server.dbpurgeage.secs(), 604_800);
    assert_eq!(server.dbfile, None);
    assert_eq!(server.logtarget, "/from/environment");
    assert_eq!(server.socket, Path::new("/100%/socket"));
    for (option, origin) in [
        ("loglevel", "/vendor/fail2ban.conf:2"),
        ("logtarget", "RBAN_LOGTARGET"),
        ("socket", "-s"),
        ("pidfile", "default"),
    ] {
        assert_eq!(story.explains(None, option).1, origin, "{option}");
    }
}

#[test]
fn variables_reach_names_with_any_character() {
    let story = Story::new()
        .local("[ssh-x.y]\nfilter = sshd\nlogpath = /log\nenabled = false\nown_word = a\n")
        .variable("RBAN_JAIL__SSH_X_Y__ENABLED", "true")
        .variable("RBAN_JAIL__SSH_X_Y__BANTIME_INCREMENT", "yes")
        .variable("RBAN_JAIL__SSH_X_Y__OWN_WORD", "b")
        .variable("RBAN_JAIL__SSH_X_Y__IGNORECOMMAND", "%(own_word)s");
    let loaded = story.loads();
    assert_eq!(names(&loaded), ["ssh-x.y"]);
    assert!(loaded.jails[0].increment.enabled);
    assert_eq!(loaded.jails[0].ignorecommand, "b");
}

#[test]
fn unknown_variables_are_told_with_the_nearest_name() {
    let says = Story::new()
        .variable("RBAN_LOGLEVL", "x")
        .variable("RBAN_JAIL__SSH", "x")
        .variable("RBAN_JAIL__SSHX__BANTIME", "x")
        .variable("RBAN_JAIL__SSHD__MAXRETRI", "x")
        .variable("OTHER", "x")
        .says();
    assert_eq!(
        says,
        [
            "RBAN_LOGLEVL: expected RBAN_ and an option of fail2ban.conf; did you mean RBAN_LOGLEVEL?",
            "RBAN_JAIL__SSH: expected RBAN_JAIL__<jail>__<option>; \
             write for example RBAN_JAIL__SSHD__MAXRETRY=3",
            "RBAN_JAIL__SSHX__BANTIME: expected an existing jail, found 'sshx'; \
             did you mean RBAN_JAIL__SSHD__…?",
            "RBAN_JAIL__SSHD__MAXRETRI: expected an option of a jail, found 'maxretri'; \
             did you mean MAXRETRY?",
        ]
    );
}

#[test]
fn the_default_banaction_follows_the_machine() {
    let jail =
        "[DEFAULT]\naction = %(banaction)s\n[a]\nenabled = true\nlogpath = /log\nfilter = sshd\n";
    let mut story = Story::new()
        .file("/etc/jail.conf", jail)
        .file("/vendor/action.d/rban.conf", "[Definition]\n")
        .file("/vendor/action.d/iptables-ipset.conf", "[Definition]\n")
        .file("/vendor/action.d/iptables-multiport.conf", "[Definition]\n");
    for (firewall, action) in [
        (Firewall::Nftables, "rban"),
        (Firewall::Ipset, "iptables-ipset"),
        (Firewall::Iptables, "iptables-multiport"),
    ] {
        story.inputs.facts.firewall = firewall;
        assert_eq!(story.loads().jails[0].actions[0].name, action);
    }
}

#[test]
fn explanations_print_as_the_dialect_and_as_json() {
    let story = Story::new().local("[sshd]\nbantime = 1h\nignoreip = 192.0.2.1 192.0.2.2\n");
    let config = story.read().expect("read");
    let all = config.explain(Some("sshd")).expect("sshd");
    let plain = text(&all, true);
    assert!(
        plain.contains("# /etc/jail.local:2\nbantime = 1h\n"),
        "{plain}"
    );
    assert!(
        plain.contains("\nignoreip = 192.0.2.1\n           192.0.2.2\n"),
        "{plain}"
    );
    let read: serde_json::Value = serde_json::from_str(&json(&all, false)).expect("JSON");
    assert_eq!(read["bantime"], "1h");
    assert_eq!(read["maxretry"], 5);
    assert_eq!(read["ignoreip"][1], "192.0.2.2");
    let read: serde_json::Value = serde_json::from_str(&json(&all, true)).expect("JSON");
    assert_eq!(read["bantime"]["origin"], "/etc/jail.local:2");
    let unknown = config.explain(Some("sshx")).expect_err("no such jail");
    assert_eq!(
        unknown.to_string(),
        "No section: 'sshx'; did you mean 'sshd'?"
    );
}
