//! The certificates of the edge: from files, chosen by name, read again when the files change.

use arc_swap::ArcSwap;
use model::plan::CertificateFiles;
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

/// Why a certificate is not served.
#[derive(Debug, thiserror::Error)]
#[error("the certificate {chain} is not used: {why}")]
pub(crate) struct Unusable {
    chain: String,
    why: String,
}

/// Certificates by the names that they are for.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    table: ArcSwap<Table>,
}

#[derive(Debug, Default)]
struct Table {
    exact: BTreeMap<String, Arc<CertifiedKey>>,
    /// By what stands after `*.`.
    wild: BTreeMap<String, Arc<CertifiedKey>>,
    /// For visitors that name nobody: the first of the plan.
    first: Option<Arc<CertifiedKey>>,
    pairs: Vec<Pair>,
    marks: Vec<Mark>,
}

/// What a file looked like when it was read.
type Mark = (CertificateFiles, [Option<(SystemTime, u64)>; 2]);

/// A pair of files and what was read from them.
#[derive(Clone, Debug)]
struct Pair {
    files: CertificateFiles,
    key: Arc<CertifiedKey>,
    names: Vec<String>,
}

impl Certificates {
    /// Reads all files if the list or one of them has changed. A pair that cannot be used leaves what it was before in place.
    pub(crate) fn refresh(&self, files: &[CertificateFiles]) -> Vec<Unusable> {
        let marks: Vec<Mark> =
            files.iter().map(|pair| (pair.clone(), [mark(&pair.chain), mark(&pair.key)])).collect();
        let old = self.table.load_full();
        if marks == old.marks {
            return Vec::new();
        }
        let mut table = Table { marks, ..Table::default() };
        let mut unusable = Vec::new();
        for files in files {
            match read(files) {
                Ok(pair) => table.add(pair),
                Err(why) => {
                    unusable.push(Unusable { chain: files.chain.display().to_string(), why });
                    // A half-written file is a matter of seconds: the pair that was good goes on until then.
                    old.pairs
                        .iter()
                        .filter(|pair| pair.files == *files)
                        .cloned()
                        .for_each(|pair| table.add(pair));
                }
            }
        }
        self.table.store(Arc::new(table));
        unusable
    }
}

impl Table {
    fn add(&mut self, pair: Pair) {
        self.first.get_or_insert_with(|| Arc::clone(&pair.key));
        for name in &pair.names {
            match name.strip_prefix("*.") {
                Some(rest) => self.wild.entry(rest.to_owned()).or_insert_with(|| Arc::clone(&pair.key)),
                None => self.exact.entry(name.clone()).or_insert_with(|| Arc::clone(&pair.key)),
            };
        }
        self.pairs.push(pair);
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let Some(name) = name else { return self.first.clone() };
        let name = name.to_ascii_lowercase();
        if let Some(key) = self.exact.get(&name) {
            return Some(Arc::clone(key));
        }
        let (_, rest) = name.split_once('.')?;
        self.wild.get(rest).cloned()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.table.load().find(hello.server_name())
    }
}

/// How visitors are spoken to: HTTP/2 or HTTP/1.1, sessions resumed by tickets that keep no state here.
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
    let key = CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|why| format!("chain and key do not go together: {why}"))?;
    Ok(Pair { files: pair.clone(), key: Arc::new(key), names })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(folder: &Path, file: &str, names: &[&str]) -> CertificateFiles {
        let made =
            rcgen::generate_simple_self_signed(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())
                .unwrap();
        let pair = CertificateFiles {
            chain: folder.join(format!("{file}.pem")),
            key: folder.join(format!("{file}.key")),
        };
        fs::write(&pair.chain, made.cert.pem()).unwrap();
        fs::write(&pair.key, made.signing_key.serialize_pem()).unwrap();
        pair
    }

    fn leaf(certificates: &Certificates, name: Option<&str>) -> Option<Vec<u8>> {
        certificates.table.load().find(name).map(|key| key.cert[0].to_vec())
    }

    #[test]
    fn chooses_by_name_and_follows_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let files = [pair(folder.path(), "a", &["a.test"]), pair(folder.path(), "wild", &["*.b.test"])];
        let certificates = Certificates::default();
        assert!(certificates.refresh(&files).is_empty());
        let first = leaf(&certificates, Some("A.test"));
        assert!(first.is_some());
        assert_eq!(leaf(&certificates, None), first);
        assert!(leaf(&certificates, Some("x.b.test")).is_some());
        assert_eq!(leaf(&certificates, Some("x.y.b.test")), None);
        assert_eq!(leaf(&certificates, Some("b.test")), None);

        pair(folder.path(), "a", &["a.test", "more.a.test"]);
        assert!(certificates.refresh(&files).is_empty());
        assert_ne!(leaf(&certificates, Some("a.test")), first);
        let second = leaf(&certificates, Some("a.test"));

        fs::write(&files[0].chain, "half a fi").unwrap();
        assert_eq!(certificates.refresh(&files).len(), 1);
        assert_eq!(leaf(&certificates, Some("a.test")), second);
    }
}
