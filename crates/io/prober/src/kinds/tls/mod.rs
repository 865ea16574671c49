//! TLS: the certificate chain as served, and all of its faults.
//!
//! | module | holds |
//! |---|---|
//! | `recorder` | records the presented chain and continues the handshake |
//! | `certificate` | parsing of one certificate |
//! | `identity` | the certificate of the client |
//! | `ocsp` | parsing of a stapled OCSP response |
//! | `verify` | all faults of a chain |
//! | `legacy` | servers that the TLS library does not support: their protocol and certificate |

mod certificate;
mod identity;
mod legacy;
mod ocsp;
mod recorder;
mod verify;

use crate::setup::{Clock, SetupError};
use crate::{connect, faults};
pub(crate) use identity::{Identity, IdentityError};
use recorder::{Presented, Recorder};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use tls_roots::Roots;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use types::Fault;
use types::fault::Phase;
use types::probe_result::{Answer, Phases, TlsSeen};
use verify::{Target, verify};

/// Performs handshakes and verifies certificates.
pub(crate) struct Tls {
    roots: Roots,
    algorithms: WebPkiSupportedAlgorithms,
    /// Settings without the recorder; every handshake has its own.
    any: ClientConfig,
    http: ClientConfig,
    http1: ClientConfig,
    clock: Clock,
}

/// The protocols offered by ALPN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alpn {
    /// HTTP/2 or HTTP/1.1, as the server chooses.
    Http,
    /// HTTP/1.1 alone.
    OnlyHttp1,
    /// None: only the certificate is needed.
    Nothing,
}

/// What the client offers in a handshake.
pub(crate) struct Offer {
    pub(crate) alpn: Alpn,
    /// The certificate for servers that ask for one.
    pub(crate) identity: Option<Identity>,
}

impl From<Alpn> for Offer {
    fn from(alpn: Alpn) -> Self {
        Self { alpn, identity: None }
    }
}

/// The result of a handshake.
pub(crate) struct HandshakeResult {
    /// The served chain, if the handshake reached it.
    pub(crate) seen: Option<TlsSeen>,
    /// The open stream, or the fault.
    pub(crate) stream: Result<TlsStream<TcpStream>, Fault>,
}

impl Tls {
    /// Prepares handshakes whose certificates are verified against these roots.
    ///
    /// # Errors
    /// The TLS library refuses its own defaults.
    pub(crate) fn new(roots: Roots, clock: Clock) -> Result<Self, SetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let mut any = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| SetupError::Tls { why: error.to_string() })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Recorder::new(algorithms)))
            .with_no_client_auth();
        // A resumed session has no certificate, and the certificate is what is measured.
        any.resumption = Resumption::disabled();
        let mut http = any.clone();
        http.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut http1 = any.clone();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { roots, algorithms, any, http, http1, clock })
    }

    /// Performs a handshake over an open connection, whatever the certificate.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        host: &str,
        offer: impl Into<Offer>,
        deadline: Instant,
        phases: &mut Phases,
    ) -> HandshakeResult {
        let bare =
            connect::literal(host).map_or_else(|| host.trim_end_matches('.').to_owned(), |ip| ip.to_string());
        let Ok(name) = ServerName::try_from(bare.clone()) else {
            let why = format!("`{bare}` is not a name that a certificate can be for");
            return HandshakeResult { seen: None, stream: Err(Fault::Handshake { why }) };
        };
        let recorder = Arc::new(Recorder::new(self.algorithms));
        let Offer { alpn, identity } = offer.into();
        let mut config = match alpn {
            Alpn::Http => self.http.clone(),
            Alpn::OnlyHttp1 => self.http1.clone(),
            Alpn::Nothing => self.any.clone(),
        };
        config.dangerous().set_certificate_verifier(recorder.clone());
        if let Some(identity) = identity {
            config.client_auth_cert_resolver = identity.resolver();
        }
        let began = Instant::now();
        let shaking = TlsConnector::from(Arc::new(config)).connect(name.clone(), stream);
        let stream = match timeout_at(deadline, shaking).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(faults::from_io(&error, Phase::Tls)),
            Err(_) => Err(Fault::TimedOut { phase: Phase::Tls }),
        };
        connect::add(&mut phases.tls, began.elapsed());
        let question = Target {
            address,
            name: &name,
            said: &bare,
            now: (self.clock)(),
            algorithms: self.algorithms.all,
        };
        let seen = recorder
            .presented()
            .map(|presented| verify(&self.roots, &question, presented, recorder.unsigned()));
        match (&seen, &stream) {
            (None, Err(fault)) if may_be_a_limit(fault) => {}
            _ => return HandshakeResult { seen, stream },
        }
        let Some(legacy) = legacy::look(address, &name, self.random(), deadline).await else {
            return HandshakeResult { seen, stream };
        };
        let presented = Presented { chain: legacy.chain, staple: Vec::new() };
        // Possession of the key cannot be checked from the plaintext, so a copied certificate is not detected.
        let mut seen = verify(&self.roots, &question, &presented, false);
        seen.outdated = legacy.outdated.map(str::to_owned);
        HandshakeResult { seen: Some(seen), stream: Err(Fault::TlsUnsupported { what: legacy.what }) }
    }

    /// Random bytes for a hello; fixed ones if the library fails, since no secret depends on them.
    fn random(&self) -> [u8; 32] {
        let mut random = [0x5a; 32];
        let _ = self.any.crypto_provider().secure_random.fill(&mut random);
        random
    }
}

/// Whether a handshake may have failed for lack of support in the TLS library. Some servers close without an alert.
fn may_be_a_limit(fault: &Fault) -> bool {
    matches!(fault, Fault::Handshake { .. } | Fault::Unreachable { .. })
}

/// Fetches the chain from one address of the name.
pub(crate) async fn run(tls: &Tls, host: &str, address: SocketAddr, deadline: Instant) -> (Answer, Phases) {
    let mut phases = Phases::default();
    let opened = connect::connect(&[address], deadline, &mut phases).await;
    let result = match opened {
        Err(fault) => Err(fault),
        Ok((stream, address)) => {
            let shaken = tls.handshake(stream, address, host, Alpn::Nothing, deadline, &mut phases).await;
            // A server that requires a client certificate aborts after it has sent its own: that is an answer.
            match (shaken.seen, shaken.stream) {
                (Some(seen), _) => Ok(seen),
                (None, Err(fault)) => Err(fault),
                (None, Ok(_)) => Err(Fault::Handshake { why: "it shows no certificate".to_owned() }),
            }
        }
    };
    (result.map_or_else(Answer::Failed, Answer::Tls), phases)
}
