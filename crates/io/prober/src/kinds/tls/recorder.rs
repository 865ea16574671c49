//! A certificate verifier that records the chain and accepts it.
//!
//! It never aborts a handshake: verification follows in [`super::verify`] on the recorded chain. That is safe only in
//! the prober, which sends no secret over the connection. Connections that carry data must not use it.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The certificates that a server presented.
#[derive(Debug)]
pub(super) struct Presented {
    /// Leaf first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// The stapled OCSP response; empty when there was none.
    pub(super) staple: Vec<u8>,
}

/// Records one handshake.
#[derive(Debug)]
pub(super) struct Recorder {
    algorithms: WebPkiSupportedAlgorithms,
    presented: OnceLock<Presented>,
    unsigned: AtomicBool,
}

impl Recorder {
    pub(super) fn new(algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { algorithms, presented: OnceLock::new(), unsigned: AtomicBool::new(false) }
    }

    /// The presented certificates, once the handshake has reached them.
    pub(super) fn presented(&self) -> Option<&Presented> {
        self.presented.get()
    }

    /// Whether the server failed to prove possession of the certificate's key.
    pub(super) fn unsigned(&self) -> bool {
        self.unsigned.load(Ordering::Relaxed)
    }

    fn note(&self, signed: &Result<HandshakeSignatureValid, Error>) {
        if signed.is_err() {
            self.unsigned.store(true, Ordering::Relaxed);
        }
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|der| der.clone().into_owned());
        let _ = self.presented.set(Presented { chain: chain.collect(), staple: ocsp_response.to_vec() });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(&verify_tls12_signature(message, cert, dss, &self.algorithms));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(&verify_tls13_signature(message, cert, dss, &self.algorithms));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
