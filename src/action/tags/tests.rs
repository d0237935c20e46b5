use super::*;
use crate::action::facts::{Counts, Facts, History, Merged};
use crate::action::options::Scope;
use crate::model::{Ban, BanTime, Captured, Datum, FailId, MatchedLine, Time};

fn properties(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}

fn resolved(source: &str, pairs: &[(&str, &str)]) -> Result<String, String> {
    resolve(source, &properties(pairs), Some(Family::Inet6)).map_err(|e| e.tag)
}

#[test]
fn properties_lead_to_properties() {
    let pairs = [
        ("name", "sshd"),
        ("chain", "f2b-<name>"),
        ("iptables", "iptables"),
        ("iptables?family=inet6", "ip6tables"),
        ("cmd", "<iptables> -w"),
    ];
    let text = resolved("<cmd> -I <chain> -s <ip> <unknown>", &pairs);
    assert_eq!(
        text.as_deref(),
        Ok("ip6tables -w -I f2b-sshd -s <ip> <unknown>")
    );
    let plain = resolve("<cmd>", &properties(&pairs), None);
    assert_eq!(plain.as_deref(), Ok("iptables -w"));
}

#[test]
fn tags_inside_tags_are_resolved_from_within() {
    let pairs = [("type", "multi"), ("match-multi", "dports"), ("port", "22")];
    assert_eq!(
        resolved("<match-<type>> <port>", &pairs).as_deref(),
        Ok("dports 22")
    );
}

#[test]
fn line_breaks_spaces_and_redirections() {
    assert_eq!(resolved("a<br>b<sp>c", &[]).as_deref(), Ok("a\nb c"));
    for shell in [
        "cat < file > other",
        "a <<EOF",
        "x 2>&1 < /dev/null",
        "<",
        "a <> b",
        "<>",
    ] {
        assert_eq!(resolved(shell, &[("x", "y")]).as_deref(), Ok(shell));
    }
}

#[test]
fn tags_that_never_end_are_an_error() {
    assert_eq!(resolved("<a>", &[("a", "<a>")]), Err("a".into()));
    assert_eq!(
        resolved("<a>", &[("a", "<b>"), ("b", "<a>")]),
        Err("b".into())
    );
    assert_eq!(resolved("<a>", &[("a", "<a><a>x")]), Err("a".into()));
    assert_eq!(resolved("fine", &[("a", "<a>")]).as_deref(), Ok("fine"));
}

#[test]
fn a_property_of_foreign_text_is_escaped() {
    let text = resolved("echo <matches>", &[("matches", "a;b\n<c>")]);
    assert_eq!(text.as_deref(), Ok("echo a\\;b\\n\\<c\\>"));
}

struct Jail;

impl Facts for Jail {
    fn now(&self) -> Time {
        Time::from_micros(1_795_366_000_500_000)
    }

    fn bantime(&self) -> BanTime {
        BanTime::Secs(600)
    }

    fn counts(&self) -> Counts {
        Counts {
            banned: 1,
            banned_total: 2,
            found: 3,
            found_total: 4,
        }
    }

    fn history(&self, _ban: &Ban, scope: History) -> Option<Merged> {
        let lines = vec!["one".to_owned(), "two".to_owned()];
        (scope == History::AllJails).then_some(Merged { lines, failures: 9 })
    }

    fn host(&self, _address: std::net::IpAddr) -> Option<String> {
        Some("host.example.com".to_owned())
    }

    fn hostname(&self, full: bool) -> String {
        if full { "box.example.com" } else { "box" }.to_owned()
    }
}

fn ban(id: &str, user: &str) -> Ban {
    let line = |text: &str, date| MatchedLine {
        text: text.into(),
        date,
    };
    Ban {
        id: FailId::parse(id),
        ip: None,
        time: Time::from_secs(1_795_366_767),
        bantime: BanTime::Secs(1200),
        count: 2,
        attempts: 5,
        lines: vec![line("Nov 22 bad", Some((0, 6))), line("worse", None)],
        data: Captured::from([
            ("user".to_owned(), Datum::Text(user.to_owned())),
            ("fport".to_owned(), Datum::Text("4711".to_owned())),
            ("users".to_owned(), Datum::List(vec!["root".into()])),
        ]),
        restored: false,
        own_bantime: false,
    }
}

fn filled(command: &str, ban: Option<&Ban>) -> Script {
    let family = ban
        .and_then(|ban| ban.network())
        .map(crate::model::Network::family);
    let scope = ban.map_or(Scope::Whole, |_| Scope::of(family));
    fill(
        command,
        &Info {
            ban,
            scope,
            jail: "sshd",
            facts: &Jail,
        },
    )
}

#[test]
fn every_tag_of_a_ban_has_its_value() {
    let four = ban("192.0.2.5", "root");
    for (tag, value) in [
        ("ip", "192.0.2.5"),
        ("fid", "192.0.2.5"),
        ("family", "inet4"),
        ("ip-rev", "5.2.0.192."),
        ("ip-host", "host.example.com"),
        ("failures", "5"),
        ("time", "1795366767.0"),
        ("bantime", "1200"),
        ("bancount", "2"),
        ("restored", "0"),
        ("ipfailures", "9"),
        ("ipjailfailures", "5"),
        ("jail.name", "sshd"),
        ("jail.banned", "1"),
        ("jail.banned_total", "2"),
        ("jail.found", "3"),
        ("jail.found_total", "4"),
        ("fq-hostname", "box.example.com"),
        ("sh-hostname", "box"),
        ("F-USER", "root"),
        ("F-PORT", "4711"),
        ("F-NONE", ""),
        ("F-lower", "<F-lower>"),
        ("ghost", "<ghost>"),
    ] {
        assert_eq!(
            filled(&format!("<{tag}>"), Some(&four)).text,
            value,
            "{tag}"
        );
    }
}

#[test]
fn a_networks_a_restored_and_a_raw_ban_read_as_in_fail2ban() {
    let mut six = ban("2001:db8::5", "root");
    six.restored = true;
    let text = filled("<family> <restored> <time> <ip-rev>", Some(&six)).text;
    let reversed = "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.";
    assert_eq!(text, format!("inet6 1 1795366767 {reversed}"));
    assert_eq!(
        filled("<ip>", Some(&ban("192.0.2.0/24", ""))).text,
        "192.0.2.0/24"
    );
    let raw = filled(
        "<family>|<ip>|<ip-host>|<ip-rev>|",
        Some(&ban("some one", "")),
    );
    assert_eq!(raw.text, "None|some one|None||");
    let mut behind = ban("session-7", "");
    behind.ip = Some("192.0.2.9".parse().expect("an address"));
    assert_eq!(
        filled("<ip> <fid> <family>", Some(&behind)).text,
        "192.0.2.9 session-7 inet4"
    );
}

#[test]
fn commands_about_nobody_have_empty_values() {
    let text = filled(
        "<ip>|<fid>|<family>|<bancount>|<restored>|<matches>|<F-USER>",
        None,
    )
    .text;
    assert_eq!(text, "|||0|0||");
    assert_eq!(filled("<time> <bantime>", None).text, "1795366000.5 600");
}

#[test]
fn lines_and_tickets_come_as_variables() {
    let script = filled(
        "echo <matches> <raw-ticket> <ipmatches>",
        Some(&ban("192.0.2.5", "x")),
    );
    assert_eq!(
        script.text,
        "echo $f2bV_matches $f2bV_raw_ticket $f2bV_ipmatches"
    );
    let values: Vec<&str> = script
        .variables
        .iter()
        .map(|(_, value)| value.as_str())
        .collect();
    let ticket = "BanTicket: ip=192.0.2.5 time=1795366767.0 bantime=1200 bancount=2 #attempts=5 \
                  matches=[['', 'Nov 22', ' bad'], 'worse']";
    assert_eq!(values, ["Nov 22 bad\nworse", ticket, "one\ntwo"]);
}

#[test]
fn a_captured_value_is_never_a_tag_or_a_part_of_the_script() {
    for special in "\\#&;`|*?~<>^()[]{}$'\"\n\r\0".chars() {
        let user = format!("a{special}b");
        let script = filled("echo <F-USER>", Some(&ban("192.0.2.5", &user)));
        assert_eq!(script.text, "echo $f2bV_F_user", "{special:?}");
    }
    let script = filled("<F-USER>", Some(&ban("192.0.2.5", "<ip>")));
    assert_eq!(
        script.variables,
        [("f2bV_F_user".to_owned(), "<ip>".to_owned())]
    );
    let script = filled("<F-USERS>", Some(&ban("192.0.2.5", "")));
    assert_eq!(script.variables[0].1, "{'root'}");
}
