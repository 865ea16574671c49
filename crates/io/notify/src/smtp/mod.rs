//! E-mail over an SMTP server: one message at a time on each connection, connections are kept for the next ones.
//!
//! lettre provides messages and the protocol; this module adds timeouts, the reuse of connections, and the moment between
//! the acceptance of a recipient and the message itself, in which a caller records that the message is about to leave.

pub(crate) mod letter;
mod session;

use crate::secret::{self, SecretError};
use lettre::address::AddressError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, message};
use secrecy::ExposeSecret as _;
use session::Session;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use subscribers::Answer;
use tls_roots::Roots;
use types::config::{Mailbox, SecretRef, SmtpSecurity, SmtpServer};

/// Idle time after which a connection is not used again: many servers close it then.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// Messages on one connection; some servers refuse more.
const MESSAGES_MAX: u32 = 100;
/// Idle connections that are kept.
const KEPT_MAX: usize = 8;

/// An SMTP server cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SmtpError {
    /// The sender is not an address.
    #[error("`from` is not an e-mail address: {0}")]
    Sender(#[from] AddressError),
    /// The password cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// TLS cannot be prepared.
    #[error("TLS to the SMTP server: {0}")]
    Tls(#[from] lettre::transport::smtp::Error),
}

/// An SMTP server, with its idle connections.
pub(crate) struct Smtp {
    server: SmtpServer,
    tls: TlsParameters,
    credentials: Option<Credentials>,
    hello: ClientId,
    /// The sender.
    pub(crate) from: message::Mailbox,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    session: Session,
    since: Instant,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, from, .. } = self;
        f.debug_struct("Smtp").field("server", server).field("from", from).finish_non_exhaustive()
    }
}

impl Smtp {
    /// Reads the password; connects only when there is something to send.
    pub(crate) fn new(
        server: &SmtpServer,
        from: &Mailbox,
        secret: Option<&SecretRef>,
        roots: &Roots,
    ) -> Result<Self, SmtpError> {
        let mut tls =
            TlsParameters::builder(server.host.clone()).certificate_store(CertificateStore::WebpkiRoots);
        for root in roots.extra() {
            tls = tls.add_root_certificate(Certificate::from_der(root.to_vec())?);
        }
        let credentials = match (&server.user, secret) {
            (Some(user), Some(secret)) => {
                Some(Credentials::new(user.clone(), secret::read(secret)?.expose_secret().to_owned()))
            }
            _ => None,
        };
        let address: Address = from.address.parse()?;
        let hello = ClientId::Domain(address.domain().to_owned());
        let name = Some(from.name.clone()).filter(|name| !name.is_empty());
        Ok(Self {
            server: server.clone(),
            tls: tls.build_rustls()?,
            credentials,
            hello,
            from: message::Mailbox::new(name, address),
            idle: Mutex::default(),
        })
    }

    /// Sends a message. `ready` is awaited when the server has accepted the recipient and waits for the message; `false`
    /// withdraws it. Returns `None` for a withdrawn message. Every wait is bounded.
    pub(crate) async fn send(
        &self,
        to: &Address,
        message: &[u8],
        ready: impl Future<Output = bool> + Send,
    ) -> Option<Answer> {
        let (mut session, is_reused) = match self.idle() {
            Some(session) => (session, true),
            None => match self.connect().await {
                Ok(session) => (session, false),
                Err(answer) => return Some(answer),
            },
        };
        let mut begun = session.begin(&self.from.email, to).await;
        // A server may have closed the connection meanwhile: nothing was sent yet.
        if is_reused && matches!(begun, Err(Answer::Unavailable(_))) {
            session = match self.connect().await {
                Ok(session) => session,
                Err(answer) => return Some(answer),
            };
            begun = session.begin(&self.from.email, to).await;
        }
        let answer = match begun {
            Err(answer) => answer,
            Ok(()) if ready.await => session.finish(message).await,
            // Without the end of the message, the server drops it.
            Ok(()) => return None,
        };
        self.keep(session).await;
        Some(answer)
    }

    fn idle(&self) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| kept.since.elapsed() < IDLE_MAX);
        idle.pop().map(|kept| kept.session)
    }

    async fn keep(&self, mut session: Session) {
        if session.messages() >= MESSAGES_MAX || !session.reset().await {
            return session.close().await;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT_MAX {
            idle.push(Idle { session, since: Instant::now() });
        }
    }

    async fn connect(&self) -> Result<Session, Answer> {
        let tls = match self.server.security {
            SmtpSecurity::Loopback => None,
            SmtpSecurity::Tls | SmtpSecurity::StartTls => Some(self.tls.clone()),
        };
        let from_start = self.server.security == SmtpSecurity::Tls;
        let address = (self.server.host.as_str(), self.server.port);
        Session::open(address, tls, from_start, self.credentials.as_ref(), &self.hello).await
    }
}
