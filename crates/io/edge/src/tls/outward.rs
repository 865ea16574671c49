//! TLS towards servers: the configured name is requested and must be certified.

use crate::forward_error::ForwardError;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use std::io;
use std::sync::Arc;
use tls_roots::{Roots, client_config};

/// The most names of a certificate that are listed; the rest are counted.
const NAMES_TOLD: usize = 5;

/// The TLS client towards servers.
pub(crate) fn config(roots: &Roots, http2: bool) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config = client_config(Arc::clone(roots.store()))?;
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
            let listed: Vec<&str> = presented.iter().take(NAMES_TOLD).map(|name| bare(name)).collect();
            let more = presented.len().saturating_sub(NAMES_TOLD);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("presented {}{more}", listed.join(", "))
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
