//! What this system says about names: resolv.conf, the hosts file, nsswitch.conf.
//!
//! They are read when they are needed: a hosts file may be long, and a network may change.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
    ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::parse_resolv_conf;

const RESOLV_CONF: &str = "/etc/resolv.conf";
const HOSTS: &str = "/etc/hosts";
const NSSWITCH: &str = "/etc/nsswitch.conf";
/// Two attempts fit the limit of a question.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Tells one version of resolv.conf from the next.
pub(super) type Version = Option<(SystemTime, u64)>;

pub(super) fn version() -> Version {
    let meta = fs::metadata(RESOLV_CONF).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

/// Asks whom resolv.conf names; where it names nobody, this machine, as the C library does.
pub(super) fn resolver() -> Option<TokioResolver> {
    let text = fs::read(RESOLV_CONF).unwrap_or_default();
    let (config, mut options) = parse_resolv_conf(&text).unwrap_or_else(|_| {
        let local = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![local]);
        (config, ResolverOpts::default())
    });
    options.timeout = options.timeout.min(ATTEMPT);
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // What is remembered is remembered here, within our own bounds.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    let provider = TokioRuntimeProvider::default();
    let mut builder = TokioResolver::builder_with_config(config, provider);
    *builder.options_mut() = options;
    builder.build().ok()
}

/// Reads the hosts file until `found` has what it wants of a line: an address and its names.
fn hosts(mut found: impl FnMut(IpAddr, &[&str]) -> bool) -> Option<()> {
    let mut file = BufReader::new(File::open(HOSTS).ok()?);
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line).ok()? > 0 {
        let text = String::from_utf8_lossy(&line);
        let text = text.split('#').next().unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        if let Some((address, names)) = words.split_first()
            && let Ok(address) = address.parse()
            && found(address, names)
        {
            break;
        }
        line.clear();
    }
    Some(())
}

/// The first name the hosts file has for an address.
pub(super) fn host_of(address: IpAddr) -> Option<String> {
    let mut host = None;
    hosts(|of, names| {
        if of == address {
            host = names.first().map(|name| (*name).to_owned());
        }
        host.is_some()
    });
    host
}

/// A name's addresses in the hosts file.
pub(super) fn addresses_of(name: &str) -> Vec<IpAddr> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut addresses = Vec::new();
    hosts(|of, names| {
        let named = names.iter().any(|known| known.eq_ignore_ascii_case(name));
        if named && !addresses.contains(&of) {
            addresses.push(of);
        }
        false
    });
    addresses
}

/// What the hosts file calls this host in full: the first name with a point in a line that names it;
/// the name itself where no such line has one, and `None` where it is not named at all.
pub(super) fn full_name_of(host: &str) -> Option<String> {
    let (mut named, mut full) = (false, None);
    hosts(|_, names| {
        if names.iter().any(|known| known.eq_ignore_ascii_case(host)) {
            named = true;
            let pointed = names.iter().find(|name| name.contains('.'));
            full = pointed.map(|name| (*name).to_owned());
        }
        full.is_some()
    });
    named.then(|| full.unwrap_or_else(|| host.to_owned()))
}

/// Whether nsswitch.conf has hosts looked up elsewhere too (mDNS, containers, a directory).
pub(super) fn knows_others() -> bool {
    let text = fs::read_to_string(NSSWITCH).unwrap_or_default();
    others(&text)
}

fn others(nsswitch: &str) -> bool {
    let line = nsswitch
        .lines()
        .find_map(|line| line.trim().strip_prefix("hosts:"));
    let words = line
        .unwrap_or_default()
        .split('#')
        .next()
        .unwrap_or_default();
    let mut action = false;
    words.split_whitespace().any(|word| {
        action |= word.starts_with('[');
        let service = !action && !matches!(word, "files" | "dns");
        action &= !word.ends_with(']');
        service
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_beside_files_and_dns_are_seen() {
        assert!(!others(""));
        assert!(!others(
            "passwd: files systemd\nhosts:  files dns # mymachines\n"
        ));
        assert!(!others(
            "hosts: files [NOTFOUND=continue SUCCESS=return] dns"
        ));
        assert!(others("hosts: files mdns4_minimal [NOTFOUND=return] dns"));
        assert!(others("hosts: files [!UNAVAIL=return] resolve"));
    }
}
