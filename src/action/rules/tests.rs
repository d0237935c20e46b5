use super::*;

const ADDRESS: &str = "192.0.2.5";

/// What lets an address by before a rule that names the set `ban`, and how much.
fn before(chains: &[Chain], address: &str) -> Option<Vec<(String, Lets)>> {
    let ours = |_: &Chain, rule: &Rule| {
        let bans = |source: &Source| source.from == From::Set("ban".to_owned());
        rule.sources.iter().any(bans)
    };
    let search = Search {
        chains,
        address: address.parse().expect("an address"),
        ours: &ours,
        at_the_end_of: None,
        member: &|set| (set != "unknown").then(|| set == "friends"),
    };
    let mut ways = search.ways();
    assert!(ways.len() < 2);
    let before = ways.pop()?.before.into_iter();
    Some(before.map(|p| (p.rule, p.lets)).collect())
}

fn table(rules: &str) -> Vec<Chain> {
    nft::read(&format!(
        "table inet t {{\n\tset ban {{\n\t\ttype ipv4_addr\n\t}}\n\n\tchain in {{\n\t\t\
         type filter hook input priority filter - 10; policy accept;\n{rules}\n\t\t\
         tcp dport 22 ip saddr @ban counter packets 0 bytes 0 reject with icmp port-unreachable\n\
         \t}}\n\n\tchain side {{\n\t\tip saddr 192.0.2.0/24 accept\n\t}}\n\n\
         \tchain back {{\n\t\tip saddr 192.0.2.5 return\n\t}}\n}}\n"
    ))
}

fn iptables(rules: &str) -> Vec<Chain> {
    iptables::read(&format!(
        "-P INPUT ACCEPT\n-P OUTPUT ACCEPT\n-N side\n-N f2b-sshd\n{rules}\n\
         -A INPUT -p tcp -m multiport --dports 22,25:30 -j f2b-sshd\n\
         -A side -s 192.0.2.0/24 -j ACCEPT\n\
         -A f2b-sshd -m set --match-set ban src -j DROP\n-A f2b-sshd -j RETURN\n"
    ))
}

#[test]
fn what_nft_accepts_before_a_ban_is_found() {
    for (rule, lets) in [
        ("ip saddr 192.0.2.0/24 accept", Some(Lets::Everything)),
        (
            "ip saddr 192.0.2.5 tcp dport { 22, 80-90 } counter packets 1 bytes 2 accept",
            Some(Lets::Everything),
        ),
        (
            "ip saddr { 203.0.113.9, 192.0.2.4-192.0.2.6 } accept comment \"a friend\"",
            Some(Lets::Everything),
        ),
        ("ip saddr != 203.0.113.0/24 accept", Some(Lets::Everything)),
        (
            "ip saddr @friends log prefix \"drop it\" level warn accept",
            Some(Lets::Everything),
        ),
        ("jump side", Some(Lets::Everything)),
        ("goto side", Some(Lets::Everything)),
        ("ip saddr 192.0.2.5 return", Some(Lets::Everything)),
        ("tcp dport 22 accept", Some(Lets::Everything)),
        (
            "ct state established,related accept",
            Some(Lets::Established),
        ),
        (
            "ct state vmap { invalid : drop, established : accept, related : accept }",
            Some(Lets::Established),
        ),
        ("ip saddr @unknown accept", Some(Lets::Some)),
        (
            "ip saddr 192.0.2.5 limit rate 3/minute burst 5 packets accept",
            Some(Lets::Some),
        ),
        ("iifname \"eth0\" accept", Some(Lets::Some)),
        ("ip saddr != 192.0.2.0/24 accept", None),
        ("ip6 saddr ::/0 accept", None),
        ("ip saddr 192.0.2.5 tcp dport 80 accept", None),
        ("ip saddr 192.0.2.5 udp dport 22 accept", None),
        ("iif \"lo\" accept", None),
        ("ip saddr @others accept", None),
        ("jump back", None),
        ("ip saddr 192.0.2.5 drop", None),
        ("ip saddr 192.0.2.5 counter packets 0 bytes 0", None),
        ("add @friends { ip saddr timeout 1m }", None),
    ] {
        let found = before(&table(&format!("\t\t{rule}")), ADDRESS).expect("a way");
        let found: Vec<Lets> = found.into_iter().map(|(_, lets)| lets).collect();
        // Leaving for good is told of beside what accepted there.
        assert_eq!(found.first().copied(), lets, "{rule}");
    }
}

#[test]
fn what_iptables_accepts_before_a_ban_is_found() {
    for (rule, lets) in [
        ("-A INPUT -s 192.0.2.0/24 -j ACCEPT", Some(Lets::Everything)),
        (
            "-A INPUT -s 192.0.2.5/32 -m comment --comment \"a \\\"b\\\" -j DROP\" -j ACCEPT",
            Some(Lets::Everything),
        ),
        (
            "-A INPUT ! -s 203.0.113.0/24 -j ACCEPT",
            Some(Lets::Everything),
        ),
        (
            "-A INPUT -p tcp -m tcp --dport 20:40 -j ACCEPT",
            Some(Lets::Everything),
        ),
        (
            "-A INPUT -m iprange --src-range 192.0.2.1-192.0.2.9 -j ACCEPT",
            Some(Lets::Everything),
        ),
        (
            "-A INPUT -m set --match-set friends src -j ACCEPT",
            Some(Lets::Everything),
        ),
        ("-A INPUT -j side", Some(Lets::Everything)),
        (
            "-A f2b-sshd -s 192.0.2.5/32 -j RETURN",
            Some(Lets::Everything),
        ),
        (
            "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
            Some(Lets::Some),
        ),
        (
            "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            Some(Lets::Established),
        ),
        (
            "-A INPUT -s 192.0.2.5/32 ! -i eth0 -j ACCEPT",
            Some(Lets::Some),
        ),
        ("-A INPUT -i lo -j ACCEPT", None),
        (
            "-A INPUT -s 192.0.2.5/32 -p tcp -m tcp --dport 443 -j ACCEPT",
            None,
        ),
        ("-A INPUT -s 192.0.2.5/32 -j LOG --log-prefix \"x \"", None),
        ("-A OUTPUT -j ACCEPT", None),
    ] {
        let found = before(&iptables(rule), ADDRESS).expect("a way");
        let found: Vec<Lets> = found.into_iter().map(|(_, lets)| lets).collect();
        assert_eq!(found, lets.into_iter().collect::<Vec<_>>(), "{rule}");
    }
}

#[test]
fn a_ban_nothing_leads_to_has_no_way_and_a_network_is_let_through_in_part() {
    let mut chains = table("");
    assert_eq!(before(&chains, ADDRESS), Some(Vec::new()));
    chains[0].base = false;
    assert_eq!(before(&chains, ADDRESS), None);
    let chains = table("\t\tip saddr 192.0.2.0/25 accept");
    let found = before(&chains, "192.0.2.0/24").expect("a way");
    let rule = "in: ip saddr 192.0.2.0/25 accept".to_owned();
    assert_eq!(found, [(rule, Lets::Some)]);
    // A set that is written out over two lines.
    let chains = table("\t\tip saddr { 203.0.113.9,\n\t\t\t\t192.0.2.5 } accept");
    let found = before(&chains, ADDRESS).expect("a way");
    assert_eq!(found[0].1, Lets::Everything, "{found:?}");
}

#[test]
fn of_a_long_chain_the_end_may_be_unknown() {
    let chains = iptables("-A INPUT -s 192.0.2.5/32 -j ACCEPT");
    let search = Search {
        chains: &chains,
        address: ADDRESS.parse().expect("an address"),
        ours: &|_, _| false,
        at_the_end_of: Some("f2b-sshd"),
        member: &|_| None,
    };
    let ways = search.ways();
    assert_eq!(ways.len(), 1);
    assert_eq!(ways[0].through.len(), 1);
    assert_eq!(ways[0].before[0].lets, Lets::Everything);
}
