//! The chain as served, and everything wrong with it.
//!
//! | module | holds |
//! |---|---|
//! | `trust` | the roots |
//! | `recorder` | keeps what a server presents and lets the handshake go on |
//! | `certificate` | reads one certificate |
//! | `ocsp` | reads a stapled revocation |
//! | `judge` | names every fault |

mod certificate;
mod judge;
mod ocsp;
mod recorder;
mod trust;

use crate::names::Names;
use crate::prober::{Clock, SetupError};
use crate::{tcp, trouble};
use judge::{Question, judge};
use model::Fault;
use model::fault::Phase;
use model::sample::{Answer, Phases, TlsSeen};
use recorder::Recorder;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use trust::Trust;

/// Shakes hands and judges certificates.
pub(crate) struct Tls {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
    /// Everything but the recorder, of which every handshake has its own.
    any: ClientConfig,
    http: ClientConfig,
    clock: Clock,
}

/// What is spoken inside, as far as the handshake has to say it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inside {
    /// HTTP/1.1.
    Http,
    /// We only look at the certificate.
    Nothing,
}

/// How a handshake went.
pub(crate) struct Shaken {
    /// What was served, where it came so far.
    pub(crate) seen: Option<TlsSeen>,
    /// The open stream, or why there is none.
    pub(crate) stream: Result<TlsStream<TcpStream>, Fault>,
}

impl Tls {
    /// Prepares handshakes that trust the public roots and those in these PEM files.
    ///
    /// # Errors
    /// A file that gives no root.
    pub(crate) fn new(files: &[PathBuf], clock: Clock) -> Result<Self, SetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let mut any = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| SetupError::Tls { why: error.to_string() })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Recorder::new(algorithms)))
            .with_no_client_auth();
        // A resumed session shows no certificate, and the certificate is what we came for.
        any.resumption = Resumption::disabled();
        let mut http = any.clone();
        http.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { trust: Trust::read(files)?, algorithms, any, http, clock })
    }

    /// Shakes hands over an open connection, whatever the certificate.
    pub(crate) async fn shake(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        host: &str,
        inside: Inside,
        deadline: Instant,
        phases: &mut Phases,
    ) -> Shaken {
        let bare =
            tcp::literal(host).map_or_else(|| host.trim_end_matches('.').to_owned(), |ip| ip.to_string());
        let Ok(name) = ServerName::try_from(bare.clone()) else {
            let why = format!("`{bare}` is not a name that a certificate can be for");
            return Shaken { seen: None, stream: Err(Fault::Handshake { why }) };
        };
        let recorder = Arc::new(Recorder::new(self.algorithms));
        let mut config = match inside {
            Inside::Http => self.http.clone(),
            Inside::Nothing => self.any.clone(),
        };
        config.dangerous().set_certificate_verifier(recorder.clone());
        let began = Instant::now();
        let shaking = TlsConnector::from(Arc::new(config)).connect(name.clone(), stream);
        let stream = match timeout_at(deadline, shaking).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(trouble::of_io(&error, Phase::Tls)),
            Err(_) => Err(Fault::TimedOut { phase: Phase::Tls }),
        };
        tcp::add(&mut phases.tls, began.elapsed());
        let question = Question {
            address,
            name: &name,
            said: &bare,
            now: (self.clock)(),
            algorithms: self.algorithms.all,
        };
        let seen = recorder
            .presented()
            .map(|presented| judge(&self.trust, &question, presented, recorder.unsigned()));
        Shaken { seen, stream }
    }
}

/// What one address of a name did.
struct Looked {
    phases: Phases,
    result: Result<TlsSeen, Fault>,
}

impl Looked {
    /// What is wrong at this address.
    fn fault(&self) -> Option<Fault> {
        match &self.result {
            Ok(seen) => seen.faults.first().map(|tls| Fault::Tls { tls: tls.clone() }),
            Err(fault) => Some(fault.clone()),
        }
    }

    /// How bad it is, when it is about the certificate. An address that cannot be reached at all is the host's trouble and
    /// tells nothing of the certificate, so it counts only when there is nothing else to tell.
    fn badness(&self) -> (u8, Option<std::cmp::Reverse<&model::fault::TlsFault>>) {
        match &self.result {
            Ok(seen) => match seen.faults.first() {
                Some(worst) => (3, Some(std::cmp::Reverse(worst))),
                None => (1, None),
            },
            Err(Fault::Handshake { .. } | Fault::Garbage { .. } | Fault::TooLarge { .. }) => (2, None),
            Err(_) => (0, None),
        }
    }
}

/// Fetches the chain from every address of the name, side by side, and tells of the worst.
pub(crate) async fn ask(
    tls: &Arc<Tls>,
    names: &Names,
    host: &str,
    port: u16,
    deadline: Instant,
) -> (Answer, Phases) {
    let mut phases = Phases::default();
    let found = match tcp::find(names, host, tcp::literal(host), port, deadline, &mut phases).await {
        Ok(found) => found,
        Err(fault) => return (Answer::Failed(fault), phases),
    };
    let mut looks = JoinSet::new();
    for (place, address) in found.iter().copied().enumerate() {
        let (tls, host) = (Arc::clone(tls), host.to_owned());
        looks.spawn(async move { (place, look(&tls, &host, address, deadline, phases).await) });
    }
    let mut all: Vec<(usize, Looked)> = Vec::new();
    while let Some(look) = looks.join_next().await {
        all.extend(look.ok());
    }
    // The order of arrival must not show in the answer: of two equally bad ones the first address is told.
    all.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
    for (place, look) in &all {
        if let Some(address) = found.get(*place) {
            crate::asked::address(address.ip(), look.fault());
        }
    }
    match all.into_iter().map(|(_, look)| look).max_by(|a, b| a.badness().cmp(&b.badness())) {
        Some(Looked { phases, result: Ok(seen) }) => (Answer::Tls(seen), phases),
        Some(Looked { phases, result: Err(fault) }) => (Answer::Failed(fault), phases),
        None => (Answer::Failed(Fault::Blind { why: "the question was lost inside".to_owned() }), phases),
    }
}

async fn look(tls: &Tls, host: &str, address: SocketAddr, deadline: Instant, mut phases: Phases) -> Looked {
    let opened = tcp::connect(&[address], deadline, &mut phases).await;
    let result = match opened {
        Err(fault) => Err(fault),
        Ok((stream, address)) => {
            let shaken = tls.shake(stream, address, host, Inside::Nothing, deadline, &mut phases).await;
            // A server that wants a certificate from us breaks off after it has shown its own: that is an answer.
            match (shaken.seen, shaken.stream) {
                (Some(seen), _) => Ok(seen),
                (None, Err(fault)) => Err(fault),
                (None, Ok(_)) => Err(Fault::Handshake { why: "it shows no certificate".to_owned() }),
            }
        }
    };
    Looked { phases, result }
}
