//! Names: what comes of reverse DNS, of host names in logs and in `ignoreip`, asked of a real name
//! server in a private network, with hostile and silent ones behind it.

use crate::lab::{Lab, Program};

/// What dnsmasq answers itself; the rest of these zones is for `dns.py`.
const ZONES: &str = "
port=53
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
user=root
local-ttl=60
neg-ttl=60
ptr-record=66.2.0.192.in-addr.arpa,attacker.example.com
host-record=attacker.example.com,192.0.2.66
ptr-record=67.2.0.192.in-addr.arpa,liar.example.com
host-record=liar.example.com,203.0.113.9
ptr-record=68.2.0.192.in-addr.arpa,nowhere.example.com
ptr-record=8.b.d.0.1.0.0.2.ip6.arpa,short.example.com
ptr-record=5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa,six.example.com
host-record=six.example.com,2001:db8::5
host-record=both.example.com,203.0.113.5,2001:db8:5::5
host-record=www.example.com,203.0.113.80
host-record=home.example.com,203.0.113.90
local=/example.com/
local=/2.0.192.in-addr.arpa/
local=/8.b.d.0.1.0.0.2.ip6.arpa/
server=/100.51.198.in-addr.arpa/127.0.0.1#5354
server=/slow.example/127.0.0.1#5354
server=/broken.example/127.0.0.1#5354
server=/many.example/127.0.0.1#5354
server=/crowd.example/127.0.0.1#5354
local=/example/
";

/// A world with name servers.
pub(crate) fn lab(program: Program) -> Lab {
    let lab = Lab::new(program);
    lab.write("/etc/resolv.conf", "nameserver 127.0.0.1\n");
    lab.write("/etc/nsswitch.conf", "hosts: files dns\n");
    lab.write(
        "/etc/hosts",
        "127.0.0.1 localhost lab\n203.0.113.77 filed.example.com filed # ours\n",
    );
    lab.write("/run/dnsmasq.conf", ZONES);
    lab.write("/run/dns.py", include_str!("dns.py"));
    lab.shell("python3 /run/dns.py </dev/null >/run/dns.log 2>&1 &");
    lab.wait_in("/run/dns-ready", "ready");
    lab.shell("dnsmasq --conf-file=/run/dnsmasq.conf --pid-file=/run/dnsmasq.pid");
    lab
}

const TELL: &str = "[Definition]\nactionban = printf '%%s=%%s\\n' <ip> <ip-host> >> /run/told\n";

#[test]
fn ip_host_is_what_fail2ban_says_and_nothing_that_a_shell_could_run() {
    let asked = [
        "192.0.2.66",
        "192.0.2.67",
        "192.0.2.68",
        "192.0.2.69",
        "2001:db8::5",
        "203.0.113.77",
        "198.51.100.1",
        "198.51.100.2",
        "198.51.100.3",
        "198.51.100.8",
    ];
    let told = |program| {
        let lab = lab(program);
        lab.write("action.d/tell.conf", TELL);
        lab.write(
            "jail.local",
            "[lab]\nenabled = true\nfilter =\nfailregex = x <HOST>\nlogpath = /etc/hosts\n\
             action = tell\nbackend = polling\n",
        );
        lab.start();
        for address in asked {
            lab.ask(&["set", "lab", "banip", address]);
            lab.wait_in("/run/told", &format!("{address}="));
        }
        assert!(!lab.path("/run/pwned").exists());
        lab.read("/run/told")
    };
    let ours = told(Program::Rban);
    assert_eq!(ours, told(Program::Fail2ban));
    assert!(ours.starts_with(
        "192.0.2.66=attacker.example.com\n192.0.2.67=liar.example.com\n\
         192.0.2.68=nowhere.example.com\n192.0.2.69=None\n2001:db8::5=six.example.com\n\
         203.0.113.77=filed.example.com\n"
    ));
}
