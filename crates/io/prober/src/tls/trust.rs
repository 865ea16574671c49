//! Whom we trust: the public roots, and the configuration's own certificate authorities.

use crate::prober::SetupError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use std::path::{Path, PathBuf};

/// The roots of trust.
#[derive(Debug)]
pub(super) struct Trust {
    /// Public roots first, the configuration's own after them.
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    /// Certificates of the configuration's own, whole: a server may serve one of these itself.
    pub(super) own: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// The public roots and what is in these PEM files.
    ///
    /// # Errors
    /// A file that cannot be read, holds no certificate, or holds one that is broken.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, SetupError> {
        let mut anchors = webpki_roots::TLS_SERVER_ROOTS.to_vec();
        let mut own = Vec::new();
        for path in files {
            for certificate in certificates(path)? {
                let anchor = webpki::anchor_from_trusted_cert(&certificate)
                    .map_err(|error| SetupError::TrustBroken { path: path.clone(), why: error.to_string() })?
                    .to_owned();
                anchors.push(anchor);
                own.push(certificate);
            }
        }
        Ok(Self { anchors, own })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let text = std::fs::read(path)
        .map_err(|error| SetupError::TrustUnreadable { path: path.to_owned(), why: error.to_string() })?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| SetupError::TrustBroken { path: path.to_owned(), why: error.to_string() })?;
    if found.is_empty() {
        return Err(SetupError::TrustEmpty { path: path.to_owned() });
    }
    Ok(found)
}
