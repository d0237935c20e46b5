//! `rban why ADDRESS`: each of its answers, with the packets that show that it is true.

#![expect(clippy::disallowed_methods, reason = "log lines of this moment")]

use serde_json::{Value as Json, json};

use crate::lab::{ATTACKER, Lab, NEIGHBOUR, Program, SERVER};

/// A jail with this action and its own log.
fn jail(name: &str, rest: &str) -> String {
    format!("[{name}]\nenabled = true\nfilter = door\nlogpath = /var/log/{name}.log\n{rest}\n")
}

/// A lab with these jails; sshd listens on port 22.
fn lab(jails: &[(&str, &str)]) -> Lab {
    let lab = Lab::new(Program::Rban);
    lab.write(
        "filter.d/door.conf",
        "[Definition]\nfailregex = ^ never <HOST>$\n            ^ bad guest <HOST>$\n",
    );
    let mut text =
        "[sshd]\nenabled = false\n[DEFAULT]\nbantime = 1h\nfindtime = 10m\nmaxretry = 3\n"
            .to_owned();
    for (name, rest) in jails {
        text.push_str(&jail(name, rest));
        lab.write(&format!("/var/log/{name}.log"), "");
    }
    lab.write("jail.local", text);
    lab.sshd("/var/log/auth.log");
    lab.start();
    for (name, _) in jails {
        lab.wait_for(&format!("Jail '{name}' started"));
    }
    lab
}

fn fail(lab: &Lab, name: &str, address: &str, count: usize) {
    let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S");
    let line = format!("{now} bad guest {address}\n");
    lab.append(&format!("/var/log/{name}.log"), line.repeat(count));
}

fn why(lab: &Lab, address: &str) -> Json {
    let reply = lab.run(&["rban", "why", address, "--json"]);
    assert_eq!(reply.code, 0, "{}", reply.text());
    serde_json::from_str(&reply.out).expect("JSON")
}

fn told(lab: &Lab, address: &str) -> String {
    let reply = lab.run(&["rban", "why", address]);
    assert_eq!(reply.code, 0, "{}", reply.text());
    reply.out
}

/// The answer for one jail.
fn of(answer: &Json, name: &str) -> Json {
    let jails = answer["jails"].as_array().expect("jails");
    let found = jails.iter().find(|jail| jail["name"] == name);
    found.expect("the jail").clone()
}

/// What lets packets by before a ban of the one action of a jail.
fn passing(answer: &Json, name: &str) -> Vec<(String, String)> {
    let jail = of(answer, name);
    let mut found = Vec::new();
    for way in jail["kernel"][0]["ways"].as_array().expect("ways") {
        for passing in way["before"].as_array().expect("rules") {
            let text = |key: &str| passing[key].as_str().expect("text").to_owned();
            found.push((text("rule"), text("lets_through")));
        }
    }
    found
}

#[test]
fn from_never_seen_to_banned_and_back() {
    let lab = lab(&[("nft", "action = rban[name=nft, port=ssh]"), ("other", "")]);
    let answer = why(&lab, ATTACKER);
    assert_eq!(
        (&answer["banned"], &answer["seen"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(told(&lab, ATTACKER), format!("{ATTACKER} was never seen\n"));

    fail(&lab, "nft", ATTACKER, 2);
    let failures = lab.wait("two failures", || {
        let failures = of(&why(&lab, ATTACKER), "nft")["failures"].clone();
        (failures["count"] == 2).then_some(failures)
    });
    assert_eq!(
        (&failures["maxretry"], &failures["findtime"]),
        (&json!(3), &json!(600))
    );
    assert_eq!(failures["lines"][1]["pattern"], "failregex 2");
    assert_eq!(failures["lines"][1]["regex"], "^ bad guest <HOST>$");
    let origin = failures["lines"][1]["origin"].as_str().expect("a place");
    assert!(origin.ends_with("door.conf:3"), "{origin}");
    let text = told(&lab, ATTACKER);
    assert!(
        text.starts_with(&format!("{ATTACKER} is not banned\n")),
        "{text}"
    );
    assert!(
        text.contains("nft: not banned: 2 of 3 failures within 10m, the last 20"),
        "{text}"
    );
    assert_eq!(lab.knock(ATTACKER), "open");

    fail(&lab, "nft", ATTACKER, 1);
    lab.wait_until("refused", ATTACKER);
    let answer = why(&lab, ATTACKER);
    assert_eq!(
        (&answer["banned"], &answer["seen"]),
        (&json!(true), &json!(true))
    );
    let here = of(&answer, "nft");
    let ban = &here["bans"][0];
    assert_eq!(
        (&ban["id"], &ban["attempts"]),
        (&json!(ATTACKER), &json!(3))
    );
    assert!(
        (3500..=3600).contains(&ban["left"].as_i64().expect("seconds")),
        "{ban}"
    );
    let moment = |name: &str| {
        let text = ban[name].as_str().expect("a time");
        text.parse::<jiff::Timestamp>()
            .expect("a moment")
            .as_second()
    };
    assert_eq!(moment("until") - moment("since"), 3600);
    assert_eq!(ban["lines"].as_array().expect("lines").len(), 3);
    assert_eq!(ban["lines"][2]["pattern"], "failregex 2");
    assert_eq!(here["kernel"][0]["holds"], true, "{here}");
    assert_eq!(of(&answer, "other")["bans"], json!([]));
    let text = told(&lab, ATTACKER);
    assert!(
        text.starts_with(&format!("{ATTACKER} is banned in nft\n")),
        "{text}"
    );
    assert!(text.contains("   by failregex 2 ("), "{text}");
    assert!(
        text.contains("rban: the kernel holds it (nftables: set v4-host-nft of table inet rban)"),
        "{text}"
    );
    assert!(
        text.contains("      through v4-in-nft: tcp dport 22 ip saddr @v4-host-nft"),
        "{text}"
    );

    // A network's ban is told of its hosts, too.
    lab.ask(&["set", "other", "banip", "198.51.100.0/24"]);
    let answer = why(&lab, "198.51.100.7");
    assert_eq!(of(&answer, "other")["bans"][0]["id"], "198.51.100.0/24");
    assert!(told(&lab, "198.51.100.7").contains("198.51.100.0/24 is banned since"));

    lab.ask(&["unban", ATTACKER]);
    lab.wait_until("open", ATTACKER);
    lab.ask(&["set", "nft", "banip", NEIGHBOUR]);
    let text = lab.wait("the kernel", || {
        let text = told(&lab, NEIGHBOUR);
        text.contains("rban: the kernel holds it").then_some(text)
    });
    assert!(text.contains(", by hand\n"), "{text}");
}

#[test]
fn what_a_restart_brings_back_is_told_with_its_lines() {
    let lab = lab(&[
        ("nft", "action = rban[name=nft, port=ssh]\nbantime = 1s"),
        ("long", "action = rban[name=long, port=ssh]"),
    ]);
    fail(&lab, "long", ATTACKER, 3);
    fail(&lab, "nft", NEIGHBOUR, 3);
    lab.wait_for(&format!("[nft] Unban {NEIGHBOUR}"));
    lab.wait_until("refused", ATTACKER);
    let before = of(&why(&lab, NEIGHBOUR), "nft")["before"].clone();
    assert_eq!(before["bans"], 1, "{before}");
    let text = told(&lab, NEIGHBOUR);
    assert!(
        text.contains("nft: not banned: banned once before, the last time 20"),
        "{text}"
    );
    lab.ask(&["stop"]);
    lab.wait_until("open", ATTACKER);
    lab.start();
    lab.wait_until("refused", ATTACKER);
    let ban = of(&why(&lab, ATTACKER), "long")["bans"][0].clone();
    assert_eq!(
        (&ban["restored"], &ban["attempts"]),
        (&json!(true), &json!(3)),
        "{ban}"
    );
    assert_eq!(ban["lines"][0]["pattern"], "failregex 2", "{ban}");
    assert!(told(&lab, ATTACKER).contains("; brought back at the start\n"));
}

#[test]
fn what_is_ignored_is_told_with_what_ignores_it() {
    let command = "ignorecommand = test <ip> = 203.0.113.9";
    let cache = "ignorecache = key=\"<ip>\", max-count=9, max-time=1h";
    let listed = "ignoreip = 203.0.113.16/28 203.0.113.5 file:/etc/friends";
    let asking = format!("{command}\n{cache}");
    let lab = lab(&[("list", listed), ("ask", command), ("cache", &asking)]);
    lab.write("/etc/friends", "203.0.113.77 # somebody\n");
    lab.ask(&["reload"]);
    let ignored = |name: &str, address: &str| {
        let ignored = of(&why(&lab, address), name)["ignored"].clone();
        let text = |key: &str| ignored[key].as_str().unwrap_or_default().to_owned();
        (text("by"), text("entry"))
    };
    let by = |by: &str, entry: &str| (by.to_owned(), entry.to_owned());
    assert_eq!(
        ignored("list", "203.0.113.20"),
        by("ignoreip", "203.0.113.16/28")
    );
    assert_eq!(
        ignored("list", "203.0.113.5"),
        by("ignoreip", "203.0.113.5")
    );
    assert_eq!(ignored("list", "203.0.113.6"), by("", ""));
    assert_eq!(ignored("list", SERVER), by("ignoreself", SERVER));
    assert_eq!(
        ignored("ask", "203.0.113.9"),
        by("ignorecommand", "test <ip> = 203.0.113.9")
    );
    assert_eq!(ignored("ask", "203.0.113.8"), by("", ""));
    assert_eq!(
        ignored("cache", "203.0.113.9"),
        by("ignorecommand", "test <ip> = 203.0.113.9")
    );
    fail(&lab, "cache", "203.0.113.9", 1);
    lab.wait_for("[cache] Ignore 203.0.113.9 by command");
    assert_eq!(ignored("cache", "203.0.113.9"), by("ignorecache", "<ip>"));
    let text = told(&lab, "203.0.113.9");
    assert!(
        text.contains("ask: not banned: ignored by ignorecommand test <ip>"),
        "{text}"
    );
    assert!(
        text.contains("cache: not banned: ignored until 20"),
        "{text}"
    );
    assert_eq!(
        ignored("list", "203.0.113.77"),
        by("ignoreip", "file:/etc/friends")
    );
    assert!(told(&lab, SERVER).contains("this machine's own 192.0.2.1 (ignoreself)"));
}

#[test]
fn a_rule_before_ours_is_found_in_nftables() {
    let lab = lab(&[("nft", "action = rban[name=nft, port=ssh]")]);
    fail(&lab, "nft", ATTACKER, 3);
    lab.wait_until("refused", ATTACKER);
    assert_eq!(passing(&why(&lab, ATTACKER), "nft"), []);
    // Another table's word is not the last.
    lab.shell(
        "nft add table inet early; nft add chain inet early in \
         '{ type filter hook input priority -200; }'; nft add rule inet early in accept",
    );
    assert_eq!(lab.knock(ATTACKER), "refused");
    assert_eq!(passing(&why(&lab, ATTACKER), "nft"), []);
    lab.shell("nft insert rule inet rban v4-in-nft tcp dport 80 accept");
    lab.shell("nft insert rule inet rban v4-in-nft ct state established accept");
    assert_eq!(lab.knock(ATTACKER), "refused");
    let established = (
        "v4-in-nft: ct state established accept".to_owned(),
        "established".to_owned(),
    );
    assert_eq!(
        passing(&why(&lab, ATTACKER), "nft"),
        vec![established.clone()]
    );
    lab.shell(
        "nft add set inet rban friends '{ type ipv4_addr; flags interval; }'
         nft add chain inet rban side
         nft add rule inet rban side ip saddr @friends accept
         nft insert rule inet rban v4-in-nft jump side",
    );
    assert_eq!(lab.knock(ATTACKER), "refused");
    assert_eq!(
        passing(&why(&lab, ATTACKER), "nft"),
        vec![established.clone()]
    );
    lab.shell("nft add element inet rban friends '{ 192.0.2.64/28 }'");
    assert_eq!(lab.knock(ATTACKER), "open");
    let side = (
        "side: ip saddr @friends accept".to_owned(),
        "everything".to_owned(),
    );
    assert_eq!(passing(&why(&lab, ATTACKER), "nft"), [side, established]);
    let text = told(&lab, ATTACKER);
    assert!(
        text.contains("LET THROUGH BEFORE THAT by side: ip saddr @friends accept"),
        "{text}"
    );
}

#[test]
fn a_rule_before_ours_is_found_in_iptables_and_what_the_kernel_lost_is_told() {
    let lab = lab(&[
        ("tab", "action = iptables[name=tab, port=ssh]"),
        ("set", "action = iptables-ipset[name=set, port=ssh]"),
        ("script", "action = dummy[target=/tmp/dummy]"),
    ]);
    fail(&lab, "tab", ATTACKER, 3);
    lab.wait_until("refused", ATTACKER);
    let answer = why(&lab, ATTACKER);
    assert_eq!(of(&answer, "tab")["kernel"][0]["holds"], true, "{answer}");
    assert_eq!(passing(&answer, "tab"), []);
    lab.shell("iptables -I INPUT -p tcp --dport 443 -j ACCEPT");
    assert_eq!(passing(&why(&lab, ATTACKER), "tab"), []);
    lab.shell("iptables -N friends; iptables -A friends -s 192.0.2.64/28 -j ACCEPT; iptables -I INPUT -j friends");
    assert_eq!(lab.knock(ATTACKER), "open");
    let friends = (
        "friends: -s 192.0.2.64/28 -j ACCEPT".to_owned(),
        "everything".to_owned(),
    );
    assert_eq!(passing(&why(&lab, ATTACKER), "tab"), [friends]);
    lab.shell("iptables -D INPUT -j friends; iptables -I f2b-tab -s 192.0.2.66 -j RETURN");
    assert_eq!(lab.knock(ATTACKER), "open");
    let back = (
        "f2b-tab: -s 192.0.2.66/32 -j RETURN".to_owned(),
        "everything".to_owned(),
    );
    assert_eq!(passing(&why(&lab, ATTACKER), "tab"), [back]);
    lab.shell("iptables -D f2b-tab -s 192.0.2.66 -j RETURN");
    assert_eq!(lab.knock(ATTACKER), "refused");
    lab.ask(&["set", "tab", "unbanip", ATTACKER]);
    lab.wait_until("open", ATTACKER);

    fail(&lab, "set", ATTACKER, 3);
    lab.wait_until("refused", ATTACKER);
    let kernel = of(&why(&lab, ATTACKER), "set")["kernel"][0].clone();
    assert_eq!(
        (
            &kernel["holds"],
            kernel["ways"].as_array().expect("ways").len()
        ),
        (&json!(true), 1),
        "{kernel}"
    );
    lab.shell(&format!("ipset del f2b-set {ATTACKER}"));
    assert_eq!(lab.knock(ATTACKER), "open");
    let text = told(&lab, ATTACKER);
    assert!(
        text.contains("THE KERNEL DOES NOT HOLD IT (ipset: set f2b-set)"),
        "{text}"
    );
    lab.ask(&["set", "script", "banip", "198.51.100.9"]);
    let text = told(&lab, "198.51.100.9");
    assert!(
        text.contains("dummy: whether the kernel holds it is not known (its actionban is a script"),
        "{text}"
    );
    // And what only the kernel knows.
    lab.shell(&format!("ipset add f2b-set {NEIGHBOUR}"));
    let text = told(&lab, NEIGHBOUR);
    assert!(
        text.contains("set: not banned, but iptables-ipset: the kernel holds it all the same"),
        "{text}"
    );
}
