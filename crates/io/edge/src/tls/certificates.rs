//! The certificates of the edge: from files, chosen by name, read again when the files change.

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use types::Time;
use types::config::CertificateFiles;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// A certificate that is not served as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate {chain} {why}")]
pub struct Unusable {
    chain: String,
    why: String,
}

/// Looks whether a pair of files can be shown to clients now. Blocks: it reads the files.
///
/// # Errors
/// The problem.
pub fn look(files: &CertificateFiles, now: Time) -> Result<(), Unusable> {
    let unusable = |why| Unusable { chain: files.chain.display().to_string(), why };
    let pair = read(files).map_err(|why| unusable(format!("cannot be used: {why}")))?;
    pair.trouble(now).map_or(Ok(()), |why| Err(unusable(why)))
}

/// Certificates by the names that they are for.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    table: ArcSwap<Table>,
}

#[derive(Debug, Default)]
struct Table {
    exact: BTreeMap<String, Arc<Pair>>,
    /// By the part after `*.`.
    wild: BTreeMap<String, Arc<Pair>>,
    /// For clients without SNI: the first of the configuration.
    first: Option<Arc<Pair>>,
    pairs: Vec<Arc<Pair>>,
    marks: Vec<Mark>,
    unusable: Vec<Unusable>,
}

/// The state of a file when it was read.
type Mark = (CertificateFiles, [Option<(SystemTime, u64)>; 2]);

/// A pair of files and what was read from them.
#[derive(Debug)]
struct Pair {
    files: CertificateFiles,
    key: Arc<CertifiedKey>,
    names: Vec<String>,
    from: Time,
    until: Time,
}

impl Pair {
    /// Why clients would not trust it now.
    fn trouble(&self, now: Time) -> Option<String> {
        let day = |at: Time| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
        match () {
            () if now > self.until => Some(format!("expired on {}", day(self.until))),
            () if now < self.from => Some(format!("is not good before {}", day(self.from))),
            () => None,
        }
    }
}

impl Certificates {
    /// Reads all files if the list or one of them has changed. A pair that cannot be used, or that clients would
    /// not trust, leaves the earlier one in place. An expired certificate without an earlier one is served: clients
    /// can then see for themselves, and the edge's own clock may be wrong. Returns the problems, each once.
    pub(crate) fn refresh(&self, files: &[CertificateFiles], now: Time) -> Vec<Unusable> {
        let marks: Vec<Mark> =
            files.iter().map(|pair| (pair.clone(), [mark(&pair.chain), mark(&pair.key)])).collect();
        let old = self.table.load_full();
        if marks == old.marks {
            return Vec::new();
        }
        let mut table = Table { marks, ..Table::default() };
        for files in files {
            let before = old.pairs.iter().find(|pair| pair.files == *files).cloned();
            let (pair, why) = match read(files) {
                Ok(pair) => match (pair.trouble(now), before) {
                    // A certificate that expires later is reported by `trouble`.
                    (Some(why), Some(before)) if before.trouble(now).is_none() => (Some(before), Some(why)),
                    _ => (Some(Arc::new(pair)), None),
                },
                // A half-written file is a matter of seconds: the pair that was good goes on until then.
                Err(why) => (before, Some(format!("cannot be used: {why}"))),
            };
            if let Some(why) = why {
                let goes_on = if pair.is_some() { "; the one before goes on" } else { "" };
                let chain = files.chain.display().to_string();
                table.unusable.push(Unusable { chain, why: format!("{why}{goes_on}") });
            }
            pair.into_iter().for_each(|pair| table.add(pair));
        }
        self.table.store(Arc::new(table));
        self.trouble(now)
    }

    /// Problems of the certificates that are presented now, and of those that should be.
    pub(crate) fn trouble(&self, now: Time) -> Vec<Unusable> {
        let table = self.table.load();
        let untrusted = table.pairs.iter().filter_map(|pair| {
            let why = pair.trouble(now)?;
            Some(Unusable { chain: pair.files.chain.display().to_string(), why })
        });
        table.unusable.iter().cloned().chain(untrusted).collect()
    }

    /// The expiry of the certificate presented for each name.
    pub(crate) fn ends(&self) -> Vec<(String, Time)> {
        let table = self.table.load();
        let exact = table.exact.iter().map(|(name, pair)| (name.clone(), pair.until));
        let wild = table.wild.iter().map(|(rest, pair)| (format!("*.{rest}"), pair.until));
        exact.chain(wild).collect()
    }
}

impl Table {
    fn add(&mut self, pair: Arc<Pair>) {
        self.first.get_or_insert_with(|| Arc::clone(&pair));
        for name in &pair.names {
            match name.strip_prefix("*.") {
                Some(rest) => self.wild.entry(rest.to_owned()).or_insert_with(|| Arc::clone(&pair)),
                None => self.exact.entry(name.clone()).or_insert_with(|| Arc::clone(&pair)),
            };
        }
        self.pairs.push(pair);
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let found = match name.map(str::to_ascii_lowercase) {
            None => self.first.as_ref(),
            Some(name) => self.exact.get(&name).or_else(|| self.wild.get(name.split_once('.')?.1)),
        };
        found.map(|pair| Arc::clone(&pair.key))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.table.load().find(hello.server_name())
    }
}

/// Server configuration of TLS: HTTP/2 or HTTP/1.1, sessions resumed by tickets without state in the edge.
pub(crate) fn config(certificates: Arc<Certificates>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = ring::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

fn mark(path: &Path) -> Option<(SystemTime, u64)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

fn read(pair: &CertificateFiles) -> Result<Pair, String> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&pair.chain)
        .and_then(Iterator::collect)
        .map_err(|why| format!("{}: {why}", pair.chain.display()))?;
    let key =
        PrivateKeyDer::from_pem_file(&pair.key).map_err(|why| format!("{}: {why}", pair.key.display()))?;
    let leaf = chain.first().ok_or("the file holds no certificate")?;
    let names = webpki::EndEntityCert::try_from(leaf)
        .map_err(|why| format!("its first certificate cannot be read: {why}"))?
        .valid_dns_names()
        .map(str::to_ascii_lowercase)
        .collect();
    let (from, until) = validity(leaf).ok_or("its first certificate does not say until when it is good")?;
    let key = CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|why| format!("chain and key do not go together: {why}"))?;
    Ok(Pair { files: pair.clone(), key: Arc::new(key), names, from, until })
}

fn validity(leaf: &[u8]) -> Option<(Time, Time)> {
    let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
    let time = |at: i64| Time::from_second(at).unwrap_or(if at < 0 { Time::MIN } else { Time::MAX });
    let validity = leaf.validity();
    Some((time(validity.not_before.timestamp()), time(validity.not_after.timestamp())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days before and after now at which it begins and ends to be good.
    const GOOD: (i64, i64) = (-1, 30);

    fn now() -> Time {
        "2026-11-22T04:00:00Z".parse().unwrap()
    }

    fn day(days: i64) -> Time {
        Time::from_second(now().as_second() + days * 86_400).unwrap()
    }

    fn pair(folder: &Path, file: &str, names: &[&str], (from, until): (i64, i64)) -> CertificateFiles {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut made = rcgen::CertificateParams::new(names).unwrap();
        let offset =
            |days| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(day(days).as_second() as u64);
        (made.not_before, made.not_after) = (offset(from).into(), offset(until).into());
        let pair = CertificateFiles {
            chain: folder.join(format!("{file}.pem")),
            key: folder.join(format!("{file}.key")),
        };
        fs::write(&pair.chain, made.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    }

    fn leaf(certificates: &Certificates, name: Option<&str>) -> Option<Vec<u8>> {
        certificates.table.load().find(name).map(|key| key.cert[0].to_vec())
    }

    fn messages(trouble: &[Unusable]) -> String {
        trouble.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn chooses_by_name_and_follows_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let files =
            [pair(folder.path(), "a", &["a.test"], GOOD), pair(folder.path(), "wild", &["*.b.test"], GOOD)];
        let certificates = Certificates::default();
        assert_eq!(certificates.refresh(&files, now()), []);
        let first = leaf(&certificates, Some("A.test"));
        assert!(first.is_some());
        assert_eq!(leaf(&certificates, None), first);
        assert!(leaf(&certificates, Some("x.b.test")).is_some());
        assert_eq!(leaf(&certificates, Some("x.y.b.test")), None);
        assert_eq!(leaf(&certificates, Some("b.test")), None);

        pair(folder.path(), "a", &["a.test", "more.a.test"], (-1, 60));
        assert_eq!(certificates.refresh(&files, now()), []);
        assert_ne!(leaf(&certificates, Some("a.test")), first);
        let ends = certificates.ends();
        let ends: Vec<_> = ends.iter().map(|(name, end)| (name.as_str(), *end)).collect();
        assert_eq!(ends, [("a.test", day(60)), ("more.a.test", day(60)), ("*.b.test", day(30))]);
    }

    #[test]
    fn unusable_certificate_is_reported_and_earlier_one_stays() {
        type Spoil<'a> = &'a dyn Fn(&CertificateFiles);
        let folder = tempfile::tempdir().unwrap();
        let other = pair(folder.path(), "other", &["a.test"], GOOD);
        let make = |days| pair(folder.path(), "a", &["a.test"], days);
        let spoil: [(&str, Spoil<'_>); 6] = [
            ("No such file", &|files| fs::remove_file(&files.chain).unwrap()),
            ("cannot be used", &|files| fs::write(&files.chain, "half a fi").unwrap()),
            ("cannot be used", &|files| fs::write(&files.key, "-----BEGIN PRIVATE KEY-----\nAA").unwrap()),
            ("do not go together", &|files| _ = fs::copy(&other.key, &files.key).unwrap()),
            ("expired on 2026-11-21 04:00 UTC", &|_| _ = make((-9, -1))),
            ("is not good before 2026-11-23 04:00 UTC", &|_| _ = make((1, 9))),
        ];
        for (word, spoil) in spoil {
            let files = [make(GOOD)];
            let certificates = Certificates::default();
            assert_eq!((certificates.refresh(&files, now()), look(&files[0], now())), (vec![], Ok(())));
            let good = leaf(&certificates, Some("a.test"));
            spoil(&files[0]);
            let why = messages(&certificates.refresh(&files, now()));
            assert!(why.contains(word) && why.contains("a.pem") && why.ends_with("before goes on"), "{why}");
            assert_eq!(leaf(&certificates, Some("a.test")), good, "{word}");
            assert_eq!(certificates.refresh(&files, now()), [], "said once");
            assert_eq!(messages(&certificates.trouble(now())), why, "but known all the while");
            assert!(look(&files[0], now()).unwrap_err().to_string().contains(word));
            make((-1, 90));
            assert_eq!(certificates.refresh(&files, now()), []);
            assert_eq!(certificates.trouble(now()), []);
            assert_ne!(leaf(&certificates, Some("a.test")), good);
        }
    }

    #[test]
    fn expired_certificate_is_served_and_reported() {
        let folder = tempfile::tempdir().unwrap();
        let files = [pair(folder.path(), "a", &["a.test"], GOOD)];
        let certificates = Certificates::default();
        assert_eq!(certificates.refresh(&files, day(31)).len(), 1);
        assert!(leaf(&certificates, Some("a.test")).is_some(), "better than nothing");
        assert_eq!(certificates.trouble(day(30)), []);
        assert!(messages(&certificates.trouble(day(31))).contains("a.pem expired on 2026-12-22"));
    }
}
