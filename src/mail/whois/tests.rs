use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn said(text: &str) -> io::Result<Answered> {
    Ok(Answered {
        text: text.as_bytes().to_vec(),
        cut: None,
        from: "192.0.2.43".parse().unwrap(),
    })
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn referrals_lead_to_the_last_answer_and_loops_end() {
    let mut asked = Vec::new();
    let mut ask = |server: &str, _: IpAddr, _: Option<IpAddr>| {
        asked.push(server.to_owned());
        match server {
            ROOT => said("refer:  whois.a.example\n"),
            "whois.a.example" => said("ReferralServer: whois://whois.b.example:4343\n"),
            _ => said("netname: B\nrefer: whois.a.example\n"),
        }
    };
    let text = Whois::default()
        .look_up(address("192.0.2.1"), None, &mut ask)
        .unwrap();
    assert!(text.starts_with("netname: B"), "{text}");
    assert_eq!(asked, [ROOT, "whois.a.example", "whois.b.example:4343"]);
}

#[test]
fn referrals_that_never_end_do() {
    let mut asked = 0;
    let mut ask = |_: &str, _: IpAddr, _: Option<IpAddr>| {
        asked += 1;
        said(&format!("refer: whois{asked}.example\n"))
    };
    let whois = Whois::default();
    let text = whois.look_up(address("192.0.2.1"), None, &mut ask);
    assert_eq!(text.unwrap(), "refer: whois5.example\n");
    assert_eq!(asked, STEPS);
}

#[test]
fn a_server_that_fails_leaves_what_was_known() {
    let mut ask = |server: &str, _: IpAddr, _: Option<IpAddr>| match server {
        ROOT => said("refer: whois.a.example\n"),
        _ => Err(io::Error::other("gone")),
    };
    let whois = Whois::default();
    let text = whois.look_up(address("192.0.2.1"), None, &mut ask).unwrap();
    assert!(
        text.contains("(whois.a.example does not answer: gone)"),
        "{text}"
    );
    let mut none = |_: &str, _: IpAddr, _: Option<IpAddr>| Err(io::Error::other("gone"));
    let error = Whois::default().look_up(address("192.0.2.1"), None, &mut none);
    assert_eq!(
        error.unwrap_err().to_string(),
        "whois.iana.org does not answer: gone"
    );
}

#[test]
fn a_network_is_asked_about_once_and_a_private_address_never() {
    let mut asked = 0;
    let mut ask = |_: &str, _: IpAddr, _: Option<IpAddr>| {
        asked += 1;
        said("inetnum: 192.0.2.0 - 192.0.2.255\n")
    };
    let whois = Whois::default();
    let mut look_up = |text| whois.look_up(address(text), None, &mut ask).unwrap();
    let first = look_up("192.0.2.1");
    assert_eq!(look_up("192.0.2.200"), first);
    assert!(look_up("10.1.2.3").contains("private network"));
    assert!(look_up("fd00::1").contains("private network"));
    assert_eq!(asked, 1);
}

#[test]
fn many_who_ask_at_once_ask_a_server_one_after_the_other_and_a_network_once() {
    let whois = Arc::new(Whois::default());
    let (inside, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (whois, inside, asked) = (&whois, &inside, &asked);
            scope.spawn(move || {
                let mut ask = |_: &str, of: IpAddr, _: Option<IpAddr>| {
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                    asked.fetch_add(1, Ordering::SeqCst);
                    said(&format!("cidr: {of}/25\n"))
                };
                let host = address(&format!("192.0.2.{}", n % 2 * 128));
                let text = whois.look_up(host, None, &mut ask).unwrap();
                assert_eq!(text, format!("cidr: {host}/25\n"));
            });
        }
    });
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn a_public_servers_referral_leads_not_into_our_own_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let error = query::query(&server, address("192.0.2.1"), Some(address("192.0.2.43")));
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "it has no address that may be asked");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "it was asked");
}

#[test]
fn an_endless_answer_is_cut_and_an_empty_one_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
        let (stream, _) = listener.accept().unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let answer = query::query(&server, address("192.0.2.1"), None).unwrap();
    assert_eq!(answer.text.len(), 65_536);
    assert_eq!(answer.cut, Some(text::Cut::Length));
    let error = query::query(&server, address("192.0.2.1"), None).unwrap_err();
    assert_eq!(error.to_string(), "it said nothing");
}
