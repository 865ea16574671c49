//! The certificate authority of a fixture.

use crate::TestbedError;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Creates an authority, valid from yesterday for two years.
    ///
    /// # Errors
    /// When a key or certificate cannot be created.
    pub fn new(name: &str) -> Result<Self, TestbedError> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        lasting(&mut params, 730);
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// Its certificate as PEM, for clients.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// TLS settings of a server with a certificate for these names, valid from yesterday for 90 days.
    ///
    /// # Errors
    /// When a name is not valid in a certificate, or the library refuses it.
    pub fn server(&self, names: &[String]) -> Result<Arc<ServerConfig>, TestbedError> {
        let (leaf, key) = self.leaf(names)?;
        let chain: Vec<CertificateDer<'static>> = vec![leaf.der().clone(), self.issuer.der().clone()];
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from(key))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// The same as PEM for a server that reads files: the chain, leaf first, and the key.
    ///
    /// # Errors
    /// When a name is not valid in a certificate.
    pub fn files(&self, names: &[String]) -> Result<(String, String), TestbedError> {
        let (leaf, key) = self.leaf(names)?;
        Ok((format!("{}{}", leaf.pem(), self.issuer.pem()), key.serialize_pem()))
    }

    fn leaf(&self, names: &[String]) -> Result<(Certificate, KeyPair), TestbedError> {
        let mut params = CertificateParams::new(names.to_vec())?;
        if let Some(first) = names.first() {
            params.distinguished_name.push(DnType::CommonName, first.as_str());
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        lasting(&mut params, 90);
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?, key))
    }

    /// A client that trusts this authority and no other.
    ///
    /// # Errors
    /// When the library refuses what was made.
    pub fn client(&self) -> Result<Arc<ClientConfig>, TestbedError> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone())?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // A client without sessions receives the certificate each time, as first-time clients do.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Arc::new(config))
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Validity in whole days of UTC: from yesterday, for a number of days from today.
fn lasting(params: &mut CertificateParams, days: u32) {
    let day = |at: types::Time| {
        let date = at.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
        let part = |value: i8| u8::try_from(value).unwrap_or(1);
        date_time_ymd(i32::from(date.year()), part(date.month()), part(date.day()))
    };
    let now = jiff::Timestamp::now();
    params.not_before = day(types::time::earlier(now, DAY));
    params.not_after = day(types::time::later(now, DAY * days));
}
