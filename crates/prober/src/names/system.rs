//! What the system knows about names: resolv.conf and the hosts file, read again when they may have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long what was read counts as fresh.
const FRESH: Duration = Duration::from_secs(5);
/// Of each file we read so much.
const FILE_MAX: u64 = 4 * 1024 * 1024;
/// Resolvers taken; more than the system's own three, for those who share the file with better software.
const RESOLVERS_MAX: usize = 8;
/// Search domains taken.
const SEARCH_MAX: usize = 6;

/// The system's files.
#[derive(Debug)]
pub(super) struct System {
    resolv: PathBuf,
    hosts: PathBuf,
    last: Mutex<Option<(Instant, Arc<Known>)>>,
}

impl Default for System {
    fn default() -> Self {
        Self { resolv: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into(), last: Mutex::default() }
    }
}

/// What stood in them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The resolvers, in order. Never empty.
    pub(super) resolvers: Vec<SocketAddr>,
    /// Domains that complete a name of one label.
    pub(super) search: Vec<String>,
    /// Names written down by hand.
    pub(super) hosts: BTreeMap<String, BTreeSet<IpAddr>>,
}

impl System {
    /// What the files say. A file that cannot be read says nothing.
    pub(super) fn read(&self) -> Arc<Known> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, known)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return Arc::clone(known);
        }
        let known = Arc::new(parse(&text(&self.resolv), &text(&self.hosts)));
        *last = Some((Instant::now(), Arc::clone(&known)));
        known
    }
}

fn text(path: &PathBuf) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        // A half-read file still says what its first half says.
        let _ = file.take(FILE_MAX).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn parse(resolv: &str, hosts: &str) -> Known {
    let mut known = Known::default();
    for line in resolv.lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => {
                // A zone (`fe80::1%eth0`) cannot be kept in an address: such a server is passed over.
                if let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok())
                    && known.resolvers.len() < RESOLVERS_MAX
                {
                    known.resolvers.push(SocketAddr::new(address, 53));
                }
            }
            Some("search" | "domain") => {
                known.search = words
                    .map(|word| word.trim_end_matches('.').to_owned())
                    .filter(|word| !word.is_empty())
                    .take(SEARCH_MAX)
                    .collect();
            }
            _ => {}
        }
    }
    if known.resolvers.is_empty() {
        known.resolvers.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53));
    }
    for line in hosts.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        for name in words {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            known.hosts.entry(name).or_default().insert(address);
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_read_as_the_system_reads_them() {
        let known = parse(
            "# comment\nnameserver 10.0.0.2 ; first\nnameserver fe80::1%eth0\nnameserver ::1\noptions ndots:5\n\
             search corp.example. acme.net\n",
            "127.0.0.1 localhost\n10.0.0.9  DB db.corp.example # the database\n::1 db\nnonsense\n",
        );
        insta::assert_debug_snapshot!(known, @r#"
        Known {
            resolvers: [
                10.0.0.2:53,
                [::1]:53,
            ],
            search: [
                "corp.example",
                "acme.net",
            ],
            hosts: {
                "db": {
                    10.0.0.9,
                    ::1,
                },
                "db.corp.example": {
                    10.0.0.9,
                },
                "localhost": {
                    127.0.0.1,
                },
            },
        }
        "#);
        assert_eq!(parse("", "").resolvers, ["127.0.0.1:53".parse().unwrap()]);
    }
}
