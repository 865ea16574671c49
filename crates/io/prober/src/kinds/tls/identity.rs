//! The certificate that the client presents to servers that ask for one (RFC 8446, section 4.4.2).

use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use types::config::CertificateFiles;

/// A file of it cannot be used, or the key is not that of the certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub(crate) struct IdentityError {
    path: PathBuf,
    why: String,
}

/// A certificate with its key.
#[derive(Clone)]
pub(crate) struct Identity(Arc<SingleCertAndKey>);

impl Identity {
    /// Reads it from its files.
    ///
    /// # Errors
    /// A file cannot be used, or the key is not that of the certificate.
    pub(crate) fn load(files: &CertificateFiles) -> Result<Self, IdentityError> {
        let chain = CertificateDer::pem_file_iter(&files.chain)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|why| failed(&files.chain, &why))?;
        if chain.is_empty() {
            return Err(failed(&files.chain, &"it has no certificate"));
        }
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|why| failed(&files.key, &why))?;
        let provider = rustls::crypto::ring::default_provider();
        let certified =
            CertifiedKey::from_der(chain, key, &provider).map_err(|why| failed(&files.key, &why))?;
        Ok(Self(Arc::new(SingleCertAndKey::from(certified))))
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        self.0.clone()
    }
}

fn failed(path: &Path, why: &dyn std::fmt::Display) -> IdentityError {
    IdentityError { path: path.to_owned(), why: why.to_string() }
}
