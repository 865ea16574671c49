//! Trusted roots of TLS clients: the public roots (Mozilla's list) and the certificates of extra CA files.
//!
//! | item | is |
//! |---|---|
//! | [`Roots`] | roots, loaded once and shared |
//! | [`RootsError`] | why a CA file cannot be used |
//! | [`client_config`] | a TLS client that verifies servers against a set of roots |

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The public roots, and the certificates of extra CA files after them.
#[derive(Clone, Debug)]
pub struct Roots {
    store: Arc<RootCertStore>,
    extra: Vec<CertificateDer<'static>>,
}

/// Why a CA file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// The file cannot be read.
    #[error("the CA file {} cannot be read: {why} (check the path, and that this user may read it)", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The message of the system.
        why: String,
    },
    /// The file has no certificate.
    #[error(
        "the CA file {} has no certificate (it must be PEM: lines between BEGIN CERTIFICATE and END CERTIFICATE)",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A certificate in the file is not valid as a root.
    #[error("the CA file {} has a certificate that cannot be used as a root: {why} (export it again as PEM)", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        why: String,
    },
}

impl Roots {
    /// The public roots alone.
    #[must_use]
    pub fn public() -> Self {
        Self {
            store: Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }),
            extra: Vec::new(),
        }
    }

    /// The public roots and the certificates of these PEM files.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn load(files: &[PathBuf]) -> Result<Self, RootsError> {
        let (roots, faults) = Self::load_usable(files);
        match faults.into_iter().next() {
            Some(fault) => Err(fault),
            None => Ok(roots),
        }
    }

    /// The public roots and those certificates of these PEM files that can be used, and why the others cannot.
    #[must_use]
    pub fn load_usable(files: &[PathBuf]) -> (Self, Vec<RootsError>) {
        let mut anchors = webpki_roots::TLS_SERVER_ROOTS.to_vec();
        let (mut extra, mut faults) = (Vec::new(), Vec::new());
        for path in files {
            let certificates = certificates(path).unwrap_or_else(|fault| {
                faults.push(fault);
                Vec::new()
            });
            for certificate in certificates {
                match webpki::anchor_from_trusted_cert(&certificate).map(|anchor| anchor.to_owned()) {
                    Ok(anchor) => {
                        anchors.push(anchor);
                        extra.push(certificate);
                    }
                    Err(why) => {
                        faults.push(RootsError::Broken { path: path.clone(), why: why.to_string() });
                    }
                }
            }
        }
        (Self { store: Arc::new(RootCertStore { roots: anchors }), extra }, faults)
    }

    /// All roots, as rustls takes them.
    #[must_use]
    pub fn store(&self) -> &Arc<RootCertStore> {
        &self.store
    }

    /// All roots, the public ones first.
    #[must_use]
    pub fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.store.roots
    }

    /// The certificates of the extra CA files. A server may present one of them itself.
    #[must_use]
    pub fn extra(&self) -> &[CertificateDer<'static>] {
        &self.extra
    }
}

/// A TLS 1.2 and 1.3 client that verifies servers against these roots and has no certificate of its own.
///
/// # Errors
/// The TLS library refuses its own defaults.
pub fn client_config(roots: Arc<RootCertStore>) -> Result<ClientConfig, rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, RootsError> {
    let text = std::fs::read(path)
        .map_err(|why| RootsError::Unreadable { path: path.to_owned(), why: why.to_string() })?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|why| RootsError::Broken { path: path.to_owned(), why: why.to_string() })?;
    if found.is_empty() { Err(RootsError::Empty { path: path.to_owned() }) } else { Ok(found) }
}
