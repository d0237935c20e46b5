use super::*;
use crate::action::driver::{Change, Table};

fn line(command: &str) -> Option<String> {
    match read(command)? {
        Operation::Rule(rule) => Some(format!("{} {} {}", rule.program, rule.table, rule.line)),
        Operation::Element(e) => Some(format!(
            "{:?} {:?} {} {} {} {:?}",
            e.change, e.family, e.table, e.set, e.network, e.timeout
        )),
        Operation::Entry(e) => Some(format!(
            "{:?} {} {} {:?} {}",
            e.change, e.set, e.network, e.timeout, e.exist
        )),
        Operation::Script(_) | Operation::Mail(_) => panic!("never read as that"),
    }
}

/// What is read, and as what.
const READ: &[(&str, &str)] = &[
    (
        "iptables -w -I f2b-sshd 1 -s 192.0.2.5 -j REJECT --reject-with icmp-port-unreachable",
        "iptables filter -I f2b-sshd 1 -s 192.0.2.5 -j REJECT --reject-with icmp-port-unreachable",
    ),
    (
        "iptables -w -D f2b-sshd -s 192.0.2.5 -j DROP",
        "iptables filter -D f2b-sshd -s 192.0.2.5 -j DROP",
    ),
    (
        "iptables -I fail2ban-SSH 1 -s 192.0.2.5 -j DROP",
        "iptables filter -I fail2ban-SSH 1 -s 192.0.2.5 -j DROP",
    ),
    (
        "/sbin/ip6tables -w 5 -A f2b -s 2001:db8::/32 -j DROP\n",
        "/sbin/ip6tables filter -A f2b -s 2001:db8::/32 -j DROP",
    ),
    (
        "iptables -t raw -I f2b -s 192.0.2.5 -p tcp -m multiport --dports 22,80 -j DROP",
        "iptables raw -I f2b -s 192.0.2.5 -p tcp -m multiport --dports 22,80 -j DROP",
    ),
    (
        "iptables -I f2b -m comment --comment 'a ban' -s 192.0.2.5 -j DROP",
        "iptables filter -I f2b -m comment --comment \"a ban\" -s 192.0.2.5 -j DROP",
    ),
    (
        "iptables -s 192.0.2.5 -j DROP -I f2b",
        "iptables filter -I f2b -s 192.0.2.5 -j DROP",
    ),
    (
        "nft add element inet f2b-table addr-set-sshd \\{ 192.0.2.5 \\}",
        "Add Inet f2b-table addr-set-sshd 192.0.2.5 None",
    ),
    (
        "nft delete element inet f2b-table addr6-set-sshd { 2001:db8::1 }",
        "Delete Inet f2b-table addr6-set-sshd 2001:db8::1 None",
    ),
    (
        "nft add element ip t s '{ 192.0.2.0/24 timeout 1h30m }'",
        "Add Ip t s 192.0.2.0/24 Some(5400000)",
    ),
    (
        "nft \"add element t s {192.0.2.5}\"",
        "Add Ip t s 192.0.2.5 None",
    ),
    (
        "ipset -exist add f2b-sshd 192.0.2.5 timeout 600",
        "Add f2b-sshd 192.0.2.5 Some(600) true",
    ),
    (
        "ipset add f2b-sshd 192.0.2.5 timeout 0 -exist",
        "Add f2b-sshd 192.0.2.5 Some(0) true",
    ),
    (
        "ipset -! del f2b-sshd6 2001:db8::1",
        "Delete f2b-sshd6 2001:db8::1 None true",
    ),
    (
        "ipset -A f2b-sshd 192.0.2.5",
        "Add f2b-sshd 192.0.2.5 None false",
    ),
];

#[test]
fn plain_commands_are_read() {
    for (command, read) in READ {
        assert_eq!(line(command).as_deref(), Some(*read), "{command}");
    }
}

#[test]
fn everything_else_is_left_to_the_shell() {
    for command in [
        "",
        "true",
        "iptables",
        // More than one plain command.
        "iptables -I f2b -s 192.0.2.5 -j DROP; true",
        "iptables -I f2b -s 192.0.2.5 -j DROP\niptables -I f2c -s 192.0.2.5 -j DROP",
        "iptables -I f2b -s 192.0.2.5 -j DROP || true",
        "iptables -I f2b -s 192.0.2.5 -j DROP &",
        "iptables -I f2b -s 192.0.2.5 -j DROP >/dev/null",
        "iptables -I f2b -s $ip -j DROP",
        "iptables -I f2b -s \"$ip\" -j DROP",
        "iptables -I f2b -s `ip` -j DROP",
        "iptables -I f2b -s 192.0.2.* -j DROP",
        "iptables -I f2b -s 192.0.2.5 -j DROP # note",
        "X=1 iptables -I f2b -s 192.0.2.5 -j DROP",
        "! iptables -I f2b -s 192.0.2.5 -j DROP",
        "sudo iptables -I f2b -s 192.0.2.5 -j DROP",
        "/opt/iptables -I f2b -s 192.0.2.5 -j DROP",
        "iptables -I f2b -s 192.0.2.5 -j 'DROP",
        // Options it does not know, or not like this.
        "iptables -I f2b -s host.example.com -j DROP",
        "iptables -I f2b -s 192.0.2.5,192.0.2.6 -j DROP",
        "iptables -I f2b -s 2001:db8::1 -j DROP",
        "ip6tables -I f2b -s 192.0.2.5 -j DROP",
        "iptables -I f2b ! -s 192.0.2.5 -j DROP",
        "iptables -D f2b 1",
        "iptables -I f2b 0 -s 192.0.2.5 -j DROP",
        "iptables -I f2b -s 192.0.2.5 -s 192.0.2.6 -j DROP",
        "iptables -I f2b -I f2c -s 192.0.2.5 -j DROP",
        "iptables -I f2b --sourc 192.0.2.5 -j DROP",
        "iptables -I f2b -s 192.0.2.5 -j LOG --log-prefix x",
        "iptables -I f2b -s 192.0.2.5 -m recent --set -j DROP",
        "iptables -I f2b -s 192.0.2.5 -m multiport -j DROP --dports",
        "iptables -R f2b 1 -s 192.0.2.5 -j DROP",
        "iptables -C f2b -s 192.0.2.5 -j DROP",
        "iptables -v -I f2b -s 192.0.2.5 -j DROP",
        "iptables -I a-chain-name-that-is-much-too-long -s 192.0.2.5 -j DROP",
        "iptables -I -s 192.0.2.5 -j DROP",
        // nft's language is larger than ours.
        "nft add element inet t s { 192.0.2.5, 192.0.2.6 }",
        "nft add element inet t s { 192.0.2.1-192.0.2.9 }",
        "nft add element inet t s { 192.0.2.5 comment x }",
        "nft add element inet t s { 192.0.2.5 timeout 600 }",
        "nft delete element inet t s { 192.0.2.5 timeout 600s }",
        "nft add element inet t s { 192.0.2.5 } ; flush ruleset",
        "nft add element inet t s { 192.0.2.5/32 }",
        "nft add element inet t s { 192.0.2.5/24 }",
        "nft add element inet t s {192.0.2.5}",
        "nft add element inet inet s { 192.0.2.5 }",
        "nft add element inet t s",
        "nft -e add element inet t s { 192.0.2.5 }",
        "nft create element inet t s { 192.0.2.5 }",
        "nft add rule inet t c drop",
        // ipset
        "ipset test f2b 192.0.2.5",
        "ipset add f2b 192.0.2.5,80",
        "ipset add f2b 192.0.2.5 timeout 9999999999",
        "ipset add f2b 192.0.2.5 timeout -1",
        "ipset add f2b 192.0.2.5 comment x",
        "ipset del f2b 192.0.2.5 timeout 5",
        "ipset -exist add f2b 192.0.2.5 -exist",
        "ipset add a-set-name-that-is-longer-than-31-chars 192.0.2.5",
        "ipset add f2b",
        "ipset flush f2b",
    ] {
        assert_eq!(line(command), None, "{command}");
    }
}

#[test]
fn a_word_is_what_the_shell_makes_of_it() {
    for (command, words) in [
        (
            "a 'b c' \"d e\" f\\ g",
            Some(vec!["a", "b c", "d e", "f g"]),
        ),
        ("a''b \"\" c", Some(vec!["ab", "", "c"])),
        ("  a\tb\n", Some(vec!["a", "b"])),
        ("a\\{ \\} { }", Some(vec!["a{", "}", "{", "}"])),
        ("a {b,c}", None),
        ("a \\", None),
        ("a \"b\\c\"", None),
        ("a é", None),
        ("a\nb", None),
        ("a \u{1}", None),
    ] {
        let split = words::split(command);
        let split: Option<Vec<&str>> = split
            .as_ref()
            .map(|w| w.iter().map(String::as_str).collect());
        assert_eq!(split, words, "{command}");
    }
}

#[test]
fn nfts_families_are_its_own() {
    for (name, family) in [
        ("inet", Table::Inet),
        ("ip6", Table::Ip6),
        ("bridge", Table::Bridge),
    ] {
        let command = format!("nft add element {name} t s {{ 192.0.2.5 }}");
        let Some(Operation::Element(element)) = read(&command) else {
            panic!("{command}")
        };
        assert_eq!((element.family, element.change), (family, Change::Add));
    }
}
