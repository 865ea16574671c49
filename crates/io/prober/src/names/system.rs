//! Name resolution settings of the system: resolv.conf and the hosts file, read again when they may have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long the files are cached.
const FRESH: Duration = Duration::from_secs(5);
/// Bytes read of each file.
const FILE_MAX: u64 = 4 * 1024 * 1024;
/// Resolvers used; more than the three of the C library, for files that are shared with other software.
const RESOLVERS_MAX: usize = 8;
/// Search domains used.
const SEARCH_MAX: usize = 6;
/// Upper limit of `ndots`, as in the C library.
const NDOTS_MAX: usize = 15;
/// Skipped lines that are reported.
const SKIPPED_MAX: usize = 20;

/// The system's files.
#[derive(Debug)]
pub(super) struct System {
    resolv: PathBuf,
    hosts: PathBuf,
    last: Mutex<Option<(Instant, Arc<SystemConfig>)>>,
}

impl Default for System {
    fn default() -> Self {
        Self { resolv: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into(), last: Mutex::default() }
    }
}

/// Their content.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SystemConfig {
    /// The resolvers, in order. Never empty.
    pub(super) resolvers: Vec<SocketAddr>,
    /// Whether queries rotate among them (`options rotate`).
    pub(super) rotate: bool,
    /// Domains that complete a name.
    pub(super) search: Vec<String>,
    /// Names with fewer dots than this are completed first (`ndots`).
    pub(super) ndots: usize,
    /// Entries of the hosts file.
    pub(super) hosts: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Through which interface a link-local address of the hosts file is reached.
    pub(super) scopes: BTreeMap<Ipv6Addr, u32>,
    /// Skipped lines, each as a message.
    pub(super) skipped: Vec<String>,
}

impl System {
    /// The content of the files, cached. An unreadable file counts as empty.
    pub(super) fn read(&self) -> Arc<SystemConfig> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, known)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return Arc::clone(known);
        }
        let known = Arc::new(self.read_now());
        let before = last.as_ref().map(|(_, known)| known.skipped.as_slice()).unwrap_or_default();
        for line in known.skipped.iter().filter(|line| !before.contains(line)) {
            tracing::warn!("{line}");
        }
        *last = Some((Instant::now(), Arc::clone(&known)));
        known
    }

    /// Reads the files now.
    pub(super) fn read_now(&self) -> SystemConfig {
        let (resolv, hosts) = (self.resolv.display().to_string(), self.hosts.display().to_string());
        parse((&resolv, &text(&self.resolv)), (&hosts, &text(&self.hosts)), &index_of)
    }
}

/// The number of a network interface.
fn index_of(name: &str) -> Option<u32> {
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None).ok()?;
    rustix::net::netdevice::name_to_index(&socket, name).ok()
}

fn text(path: &PathBuf) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        // A partly read file is used as far as it goes.
        let _ = file.take(FILE_MAX).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Lookup of an interface's index by name.
type Index<'a> = &'a dyn Fn(&str) -> Option<u32>;

/// Reads both files, each with its name.
fn parse(
    (resolv_name, resolv): (&str, &str),
    (hosts_name, hosts): (&str, &str),
    index: Index<'_>,
) -> SystemConfig {
    let mut known = SystemConfig { ndots: 1, ..SystemConfig::default() };
    for (number, line) in resolv.lines().enumerate() {
        if let Err(why) = resolv_line(line, &mut known, index) {
            known.skip(number, resolv_name, &why);
        }
    }
    if known.resolvers.is_empty() {
        known.resolvers.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53));
    }
    for (number, line) in hosts.lines().enumerate() {
        if let Err(why) = hosts_line(line, &mut known, index) {
            known.skip(number, hosts_name, &why);
        }
    }
    known
}

impl SystemConfig {
    fn skip(&mut self, at: usize, file: &str, why: &str) {
        if self.skipped.len() < SKIPPED_MAX {
            let why = text::escape::hidden(why);
            self.skipped.push(format!("line {} of {file} is not used: {why}", at + 1));
        }
    }
}

/// resolv.conf(5): the last `search` or `domain` holds, `options` add up.
fn resolv_line(line: &str, known: &mut SystemConfig, index: Index<'_>) -> Result<(), String> {
    let line = line.split(['#', ';']).next().unwrap_or_default();
    let mut words = line.split_whitespace();
    match words.next() {
        None | Some("sortlist" | "family" | "lookup") => Ok(()),
        Some("nameserver") => {
            let word = words.next().ok_or("no address follows `nameserver`")?;
            let (address, scope) = scoped(word, index)?;
            if known.resolvers.len() >= RESOLVERS_MAX {
                return Err(format!("{RESOLVERS_MAX} name servers are enough"));
            }
            known.resolvers.push(match address {
                IpAddr::V6(six) => SocketAddrV6::new(six, 53, 0, scope).into(),
                four @ IpAddr::V4(_) => SocketAddr::new(four, 53),
            });
            Ok(())
        }
        Some("search" | "domain") => {
            let domains = words.map(|word| word.trim_matches('.').to_owned());
            known.search = domains.filter(|word| !word.is_empty()).take(SEARCH_MAX).collect();
            Ok(())
        }
        Some("options") => {
            for word in words {
                match word.split_once(':') {
                    Some(("ndots", dots)) => {
                        let dots: usize =
                            dots.parse().map_err(|_| format!("`{word}` is no number of dots"))?;
                        known.ndots = dots.min(NDOTS_MAX);
                    }
                    None if word == "rotate" => known.rotate = true,
                    // Timeouts and attempts are fixed here; the other options are for the C library.
                    _ => {}
                }
            }
            Ok(())
        }
        Some(other) => Err(format!("`{other}` is not understood")),
    }
}

fn hosts_line(line: &str, known: &mut SystemConfig, index: Index<'_>) -> Result<(), String> {
    let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
    let Some(word) = words.next() else { return Ok(()) };
    let (address, scope) = scoped(word, index)?;
    if let IpAddr::V6(six) = address {
        if six.is_unicast_link_local() && scope == 0 {
            return Err(format!("{six} is reached through an interface, which it does not name: {six}%eth0"));
        }
        if scope != 0 {
            known.scopes.insert(six, scope);
        }
    }
    for name in words {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        known.hosts.entry(name).or_default().insert(address);
    }
    Ok(())
}

/// `fe80::1%eth0`, `fe80::1%2`, or an address without an interface.
fn scoped(word: &str, index: Index<'_>) -> Result<(IpAddr, u32), String> {
    let (address, zone) = word.split_once('%').map_or((word, None), |(address, zone)| (address, Some(zone)));
    let address: IpAddr = address.parse().map_err(|_| format!("`{word}` is not an address"))?;
    match zone {
        None => Ok((address, 0)),
        Some(_) if address.is_ipv4() => Err(format!("`{word}` is not an address")),
        Some(zone) => {
            let number = zone.parse().ok().or_else(|| index(zone));
            number.map(|scope| (address, scope)).ok_or_else(|| format!("there is no interface `{zone}`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(resolv: &str, hosts: &str) -> SystemConfig {
        let index = |name: &str| (name == "eth0").then_some(7);
        parse(("resolv.conf", resolv), ("hosts", hosts), &index)
    }

    #[test]
    fn the_files_are_read_as_the_system_reads_them() {
        let known = read(
            "# comment\nnameserver 10.0.0.2 ; first\nnameserver fe80::1%eth0\nnameserver\tfe80::2%3\r\n\
             nameserver ::1\noptions ndots:5 timeout:1\noptions rotate edns0\ndomain old.example\n\
             search corp.example. acme.net\n",
            "127.0.0.1 localhost\n10.0.0.9  DB db.corp.example # the database\n::1 db\nfe80::9%eth0 nas\n",
        );
        let resolvers: Vec<String> = known.resolvers.iter().map(SocketAddr::to_string).collect();
        assert_eq!(resolvers, ["10.0.0.2:53", "[fe80::1%7]:53", "[fe80::2%3]:53", "[::1]:53"]);
        assert_eq!((known.ndots, known.rotate), (5, true));
        assert_eq!(known.search, ["corp.example", "acme.net"]);
        let hosts = |name: &str| known.hosts.get(name).map(|found| format!("{found:?}")).unwrap_or_default();
        assert_eq!(hosts("db"), "{10.0.0.9, ::1}");
        assert_eq!(hosts("db.corp.example"), "{10.0.0.9}");
        assert_eq!(hosts("nas"), "{fe80::9}");
        assert_eq!(known.scopes.get(&"fe80::9".parse().unwrap()), Some(&7));
        assert!(known.skipped.is_empty(), "{:?}", known.skipped);
        let nothing = read("", "");
        assert_eq!((nothing.resolvers, nothing.ndots), (vec!["127.0.0.1:53".parse().unwrap()], 1));
    }

    #[test]
    fn a_line_that_is_not_used_is_named_and_harms_no_other() {
        let known = read(
            "nameserver fe80::1%wlan9\nnameserver dns.example\nnameserver 10.0.0.2\nnamserver 10.0.0.3\n\
             options ndots:x\nnameserver\n",
            "fe80::1 me\nnonsense here\n127.0.0.1 me\n",
        );
        assert_eq!(known.resolvers, ["10.0.0.2:53".parse().unwrap()]);
        assert_eq!(known.hosts.get("me").map(BTreeSet::len), Some(1));
        insta::assert_snapshot!(known.skipped.join("\n"), @r"
        line 1 of resolv.conf is not used: there is no interface `wlan9`
        line 2 of resolv.conf is not used: `dns.example` is not an address
        line 4 of resolv.conf is not used: `namserver` is not understood
        line 5 of resolv.conf is not used: `ndots:x` is no number of dots
        line 6 of resolv.conf is not used: no address follows `nameserver`
        line 1 of hosts is not used: fe80::1 is reached through an interface, which it does not name: fe80::1%eth0
        line 2 of hosts is not used: `nonsense` is not an address
        ");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(resolv in "[a-z0-9:.%# \\n]{0,200}", hosts in "\\PC{0,200}") {
            let _ = read(&resolv, &hosts);
        }
    }
}
