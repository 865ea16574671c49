//! The servers responsible for a domain: the configuration first, then IANA's list, then a built-in list. Pure but for reading
//! the configuration's own bootstrap file once.

use crate::setup::SetupError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use types::config::Config;
use types::reseller;

/// IANA's list in a compact form: a base URL, then its top-level domains.
const BOOTSTRAP: &str = include_str!("bootstrap.txt");
/// The largest bootstrap file that is read; IANA's has 50 KiB.
const FILE_MAX: u64 = 4 * 1024 * 1024;

/// Country-code domains with RDAP that are not on IANA's list.
const UNLISTED: [(&str, &str); 10] = [
    ("ac", "https://rdap.identitydigital.services/rdap/"),
    ("ch", "https://rdap.nic.ch/"),
    ("co", "https://rdap.registry.co/co/"),
    ("de", "https://rdap.denic.de/"),
    ("io", "https://rdap.identitydigital.services/rdap/"),
    ("li", "https://rdap.nic.li/"),
    ("me", "https://rdap.identitydigital.services/rdap/"),
    ("sh", "https://rdap.identitydigital.services/rdap/"),
    ("so", "https://rdap.nic.so/"),
    ("us", "https://rdap.nic.us/"),
];

/// WHOIS servers of domains without RDAP.
const WHOIS: [(&str, &str); 22] = [
    ("at", "whois.nic.at"),
    ("be", "whois.dns.be"),
    ("cn", "whois.cnnic.cn"),
    ("dk", "whois.punktum.dk"),
    ("ee", "whois.tld.ee"),
    ("eu", "whois.eu"),
    ("gg", "whois.gg"),
    ("hk", "whois.hkirc.hk"),
    ("ie", "whois.weare.ie"),
    ("im", "whois.nic.im"),
    ("it", "whois.nic.it"),
    ("je", "whois.je"),
    ("jp", "whois.jprs.jp"),
    ("kr", "whois.kr"),
    ("lt", "whois.domreg.lt"),
    ("lv", "whois.nic.lv"),
    ("mx", "whois.mx"),
    ("nz", "whois.irs.net.nz"),
    ("ro", "whois.rotld.ro"),
    ("ru", "whois.tcinet.ru"),
    ("se", "whois.iis.se"),
    ("su", "whois.tcinet.ru"),
];

/// The server with the WHOIS server of every top-level domain.
const IANA: &str = "whois.iana.org";

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// An RDAP base URL.
    Rdap {
        /// With a slash at its end.
        base: String,
        /// Whether the configuration names it.
        declared: bool,
    },
    /// A WHOIS server with referrals to the server of the top-level domain.
    Referral {
        /// Its address.
        server: String,
        /// Whether the configuration names it.
        declared: bool,
    },
    /// A WHOIS server, `host` or `host:port`.
    Whois {
        /// Its address.
        server: String,
        /// Whether the configuration names it.
        declared: bool,
    },
}

/// Servers by suffix of the domain.
#[derive(Debug)]
pub(crate) struct Sources {
    declared_rdap: BTreeMap<String, String>,
    declared_whois: BTreeMap<String, String>,
    /// Suffixes with a registry of their own.
    private: BTreeSet<String>,
    bootstrap: BTreeMap<String, Vec<String>>,
}

impl Sources {
    /// Reads the bootstrap file of the configuration, if it has one.
    ///
    /// # Errors
    /// The file cannot be read or is not a bootstrap file.
    pub(crate) fn new(config: &Config) -> Result<Self, SetupError> {
        let bootstrap = match &config.registry.bootstrap {
            Some(path) => file(path)
                .map_err(|why| SetupError::Registry { why: format!("{}: {why}", path.display()) })?,
            None => embedded(),
        };
        let bare = |map: &BTreeMap<String, String>| {
            map.iter().map(|(end, at)| (end.trim_matches('.').to_ascii_lowercase(), at.clone())).collect()
        };
        Ok(Self {
            declared_rdap: bare(&config.registry.rdap),
            declared_whois: bare(&config.registry.whois),
            private: config.registry.suffixes.clone(),
            bootstrap,
        })
    }

    /// The servers responsible for `domain`, in the order of trying. May be empty.
    pub(crate) fn of(&self, domain: &str) -> Vec<Source> {
        let private = domain.split_once('.').map(|(_, suffix)| suffix);
        let private =
            private.filter(|suffix| self.private.contains(*suffix) || reseller::of(suffix).is_some());
        // The longest end wins: `co.uk` before `uk`. The registry above a private suffix does not know what is below.
        let most = if private.is_some() { 2 } else { usize::MAX };
        let ends = || {
            let all = std::iter::successors(Some(domain), |end| end.split_once('.').map(|(_, rest)| rest));
            all.take(most)
        };
        let known = private.and_then(reseller::of);
        let mut sources = Vec::new();
        let mut rdap = |base: &str, declared: bool| {
            let base = if base.ends_with('/') { base.to_owned() } else { format!("{base}/") };
            sources.push(Source::Rdap { base, declared });
        };
        let declared = ends().find_map(|end| self.declared_rdap.get(end));
        if let Some(base) = declared {
            rdap(base, true);
        } else if let Some(bases) = ends().find_map(|end| self.bootstrap.get(end)) {
            // TLS first; a second base is a spare.
            let (safe, plain): (Vec<&String>, Vec<&String>) =
                bases.iter().partition(|base| base.starts_with("https://"));
            safe.into_iter().chain(plain).take(2).for_each(|base| rdap(base, false));
        } else if let Some(base) = ends().find_map(|end| listed(&UNLISTED, end)) {
            rdap(base, false);
        } else if let Some(base) = known.and_then(|reseller| reseller.rdap()) {
            rdap(&base, false);
        }
        if let Some(server) = ends().find_map(|end| self.declared_whois.get(end)) {
            sources.push(Source::Whois { server: server.clone(), declared: true });
        } else if let Some(server) =
            ends().find_map(|end| listed(&WHOIS, end)).or(known.map(|reseller| reseller.whois))
        {
            sources.push(Source::Whois { server: server.to_owned(), declared: false });
        } else if private.is_none() {
            let root = self.declared_whois.get("");
            let server = root.map_or(IANA, String::as_str).to_owned();
            sources.push(Source::Referral { server, declared: root.is_some() });
        }
        sources
    }
}

fn listed(list: &[(&str, &'static str)], end: &str) -> Option<&'static str> {
    list.iter().find(|(known, _)| *known == end).map(|(_, at)| *at)
}

fn embedded() -> BTreeMap<String, Vec<String>> {
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in BOOTSTRAP.lines().filter(|line| !line.starts_with('#')) {
        let Some((base, ends)) = line.split_once(' ') else { continue };
        for end in ends.split(' ') {
            map.entry(end.to_owned()).or_default().push(base.to_owned());
        }
    }
    map
}

fn file(path: &Path) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(path).map_err(|error| error.to_string())?;
    opened.take(FILE_MAX).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    bootstrap(&bytes)
}

/// Reads a bootstrap file, RFC 9224.
fn bootstrap(bytes: &[u8]) -> Result<BTreeMap<String, Vec<String>>, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("not JSON: {error}"))?;
    let services = value.get("services").and_then(Value::as_array).ok_or("has no `services`, RFC 9224")?;
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for service in services {
        let texts = |at: usize| {
            let list = service.get(at).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            list.iter().filter_map(Value::as_str)
        };
        for end in texts(0) {
            let bases = map.entry(end.trim_matches('.').to_ascii_lowercase()).or_default();
            bases.extend(texts(1).filter(|base| base.starts_with("http")).map(str::to_owned));
        }
    }
    map.retain(|_, bases| !bases.is_empty());
    if map.is_empty() { Err("names no service, RFC 9224".to_owned()) } else { Ok(map) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        Sources {
            declared_rdap: BTreeMap::from([(
                "test".to_owned(),
                "http://127.0.0.1:18600/registry".to_owned(),
            )]),
            declared_whois: BTreeMap::from([("zz".to_owned(), "whois.zz:4343".to_owned())]),
            private: BTreeSet::from(["reseller.com".to_owned()]),
            bootstrap: embedded(),
        }
    }

    #[test]
    fn the_compact_list_says_what_the_file_of_iana_says() {
        let file = include_bytes!("../../../fixtures/rdap/iana-dns.uptime-kuma.json");
        assert_eq!(embedded(), bootstrap(file).unwrap());
        assert!(embedded().len() > 1_000);
    }

    #[test]
    fn the_config_comes_first_and_whois_last() {
        let asked_of = |domain: &str| {
            let all = sources().of(domain).into_iter().map(|source| match source {
                Source::Rdap { base, declared } => {
                    format!("{base}{}", if declared { " (configuration)" } else { "" })
                }
                Source::Whois { server, declared } => {
                    format!("whois:{server}{}", if declared { " (configuration)" } else { "" })
                }
                Source::Referral { server, .. } => format!("referral of {server}"),
            });
            all.collect::<Vec<_>>().join(", ")
        };
        for (domain, asked) in [
            ("acme.test", "http://127.0.0.1:18600/registry/ (configuration), referral of whois.iana.org"),
            ("acme.app", "https://pubapi.registry.google/rdap/, referral of whois.iana.org"),
            ("acme.com", "https://rdap.verisign.com/com/v1/, referral of whois.iana.org"),
            ("acme.io", "https://rdap.identitydigital.services/rdap/, referral of whois.iana.org"),
            ("acme.de", "https://rdap.denic.de/, referral of whois.iana.org"),
            ("acme.eu", "whois:whois.eu"),
            ("acme.gg", "whois:whois.gg"),
            ("acme.zz", "whois:whois.zz:4343 (configuration)"),
            ("acme.invalid", "referral of whois.iana.org"),
            ("acme.uk.com", "https://rdap.centralnic.com/uk.com/, whois:whois.centralnic.com"),
            ("acme.eu.org", "whois:whois.eu.org"),
            ("acme.reseller.com", ""),
        ] {
            assert_eq!(asked_of(domain), asked, "{domain}");
        }
    }

    #[test]
    fn a_file_of_the_config_is_read_or_refused_in_words() {
        let testbed = bootstrap(include_bytes!("../../../fixtures/rdap/bootstrap-testbed.json")).unwrap();
        let sources = Sources {
            declared_rdap: BTreeMap::new(),
            declared_whois: BTreeMap::from([(String::new(), "127.0.0.1:4343".to_owned())]),
            private: BTreeSet::new(),
            bootstrap: testbed,
        };
        let asked = sources.of("acme.co.test");
        let tls_first = ["https://127.0.0.1:18602/", "http://127.0.0.1:18601/"];
        let referral = Source::Referral { server: "127.0.0.1:4343".to_owned(), declared: true };
        let rdap = tls_first.map(|base| Source::Rdap { base: base.to_owned(), declared: false });
        assert_eq!(asked, rdap.into_iter().chain([referral]).collect::<Vec<_>>());
        assert!(bootstrap(b"{").unwrap_err().starts_with("not JSON"));
        assert_eq!(bootstrap(b"{}").unwrap_err(), "has no `services`, RFC 9224");
        assert_eq!(bootstrap(br#"{"services":[]}"#).unwrap_err(), "names no service, RFC 9224");
    }
}
