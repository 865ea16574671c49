//! TLS towards servers: the configured name is requested and must be certified.

use crate::forward_error::ForwardError;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The most names of a certificate that are listed; the rest are counted.
const NAMES_TOLD: usize = 5;

/// The trusted roots: the public ones and those in these files.
pub(crate) fn roots(files: &[PathBuf]) -> (Arc<RootCertStore>, Vec<String>) {
    let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let mut faults = Vec::new();
    for file in files {
        match CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(found) => {
                for root in found {
                    if let Err(why) = store.add(root) {
                        faults.push(format!("{}: {why}", file.display()));
                    }
                }
            }
            Err(why) => faults.push(format!("{}: {why}", file.display())),
        }
    }
    (Arc::new(store), faults)
}

/// Client configuration of TLS.
pub(crate) fn config(roots: Arc<RootCertStore>, http2: bool) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    Ok(Arc::new(config))
}

/// Converts a failed handshake to an error: a wrong certificate is not a temporary failure.
pub(crate) fn trouble(failed: &io::Error, expected: &ServerName<'_>) -> ForwardError {
    match failed.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(wrong)) => {
            ForwardError::Certificate { expected: expected.to_str().into_owned(), why: why(wrong) }
        }
        Some(other) => ForwardError::Handshake(other.to_string()),
        None => ForwardError::Handshake(failed.to_string()),
    }
}

fn why(wrong: &CertificateError) -> String {
    match wrong {
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "presented a certificate without a name".to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let told: Vec<&str> = presented.iter().take(NAMES_TOLD).map(|name| bare(name)).collect();
            let more = presented.len().saturating_sub(NAMES_TOLD);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("presented {}{more}", told.join(", "))
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "presented a certificate that has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "presented a certificate that is not valid yet".to_owned()
        }
        CertificateError::UnknownIssuer => "presented a certificate of an unknown issuer".to_owned(),
        other => format!("presented a certificate that is refused: {other}"),
    }
}

/// `DnsName("a.test")`, as the library names it, without its wrapping.
fn bare(name: &str) -> &str {
    name.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"')).map_or(name, |(inner, _)| inner)
}
