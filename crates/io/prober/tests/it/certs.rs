//! Certificate authorities of our own, and what they sign.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, SignatureAlgorithm,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::io::Write;
use std::sync::Arc;

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    name: rcgen::DistinguishedName,
    pub(crate) certificate: Certificate,
}

impl Authority {
    /// A root.
    pub(crate) fn root(name: &str) -> Self {
        let (params, key) = (authority(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        let name = params.distinguished_name.clone();
        Self { issuer: Issuer::new(params, key), name, certificate }
    }

    /// An authority beneath this one.
    pub(crate) fn beneath(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = (authority(name), KeyPair::generate().unwrap());
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let name = params.distinguished_name.clone();
        Self { issuer: Issuer::new(params, key), name, certificate }
    }

    /// Another certificate for an authority and its key, signed by this one.
    pub(crate) fn crossing(&self, other: &Self, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = other.name.clone();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        change(&mut params);
        params.signed_by(other.issuer.key(), &self.issuer).unwrap()
    }

    /// A server's certificate and its key.
    pub(crate) fn leaf(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let certificate = self.certify(names, &key, change);
        Leaf { certificate, key }
    }

    /// A certificate for a public key; the private one may be elsewhere.
    pub(crate) fn certify(
        &self,
        names: &[&str],
        key: &impl PublicKeyData,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Certificate {
        let mut params = server(names);
        change(&mut params);
        params.signed_by(key, &self.issuer).unwrap()
    }
}

/// A certificate with the key that belongs to it, or to another one.
pub(crate) struct Leaf {
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPair,
}

/// Vouches for itself.
pub(crate) fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
    let (mut params, key) = (server(names), KeyPair::generate().unwrap());
    change(&mut params);
    Leaf { certificate: params.self_signed(&key).unwrap(), key }
}

fn server(names: &[&str]) -> CertificateParams {
    let mut params =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or("a server"));
    params
}

pub(crate) fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// An RSA key of 1,024 bits, without its private half.
pub(crate) struct Rsa1024(Vec<u8>);

impl Rsa1024 {
    pub(crate) fn new() -> Self {
        let hex = "30818902818100f07dd8c7a04fcf0658df0b00ddc518c7557def71815b1919feb40300ae4bb75242023833b68ccd0\
                   99b5bdd9e12a48f0e928665ceb8fafc85d5f0ab35970999594557cc5fa03724567ef68b84438d3ff3d2c82c6c89e7\
                   f98607bda728fefea7930193d11b8c327831e207afc5488d58e0f9c228b7ff47e5cc85012e23281a6e050203010001";
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        Self(bytes.collect())
    }
}

impl PublicKeyData for Rsa1024 {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

/// A server that shows this chain and signs with this key, whether they fit or not.
pub(crate) fn config(chain: &[&Certificate], key: &KeyPair, staple: Option<Vec<u8>>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = provider.key_provider.load_private_key(key).unwrap();
    let chain: Vec<CertificateDer<'static>> = chain.iter().map(|one| one.der().clone()).collect();
    let mut shown = CertifiedKey::new(chain, key);
    shown.ocsp = staple;
    let resolver: Arc<dyn ResolvesServerCert> = Arc::new(SingleCertAndKey::from(shown));
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(resolver)
}

/// A file of trusted roots.
pub(crate) fn trust(roots: &[&Certificate]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for root in roots {
        file.write_all(root.pem().as_bytes()).unwrap();
    }
    file
}
