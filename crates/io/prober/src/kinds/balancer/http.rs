//! One GET to a load balancer: bounded in bytes, no redirects, the secret only in a header.

use super::unusable::{self, Unusable};
use crate::faults;
use crate::names::Names;
use crate::resolver::{client_builder, deepest};
use crate::setup::{self, SetupError};
use reqwest::header::ACCEPT;
use reqwest::{Client, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret as _, SecretString};
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tls_roots::{Roots, client_config};
use types::Fault;
use types::config::{BalancerKind, ExternalPool, SecretRef};
use types::fault::Phase;

/// Longest body: pages of Prometheus have some MB.
const BODY_MAX: usize = 8 << 20;

/// A client for one load balancer.
pub(super) struct Http {
    client: Client,
    url: Url,
    kind: BalancerKind,
    secret: Option<Secret>,
}

/// The secret that the load balancer is asked with. It is read for each question, because tokens in files are rotated.
enum Secret {
    Token(SecretRef),
    Login(SecretRef),
}

impl Secret {
    fn read(&self) -> Result<SecretString, Unusable> {
        let (Self::Token(source) | Self::Login(source)) = self;
        setup::secret(source).map_err(|error| Unusable::Secret { why: error.to_string() })
    }

    /// Adds the secret to a request.
    fn add_to(&self, request: RequestBuilder) -> Result<RequestBuilder, Unusable> {
        let secret = self.read()?;
        let secret = secret.expose_secret();
        Ok(match self {
            Self::Token(_) => request.bearer_auth(secret),
            Self::Login(_) => {
                let (user, password) = secret.split_once(':').unwrap_or((secret, ""));
                request.basic_auth(user, Some(password))
            }
        })
    }
}

impl Http {
    /// # Errors
    /// A file, a secret or the URL cannot be used.
    pub(super) fn new(
        pool: &ExternalPool,
        url: &str,
        extra_ca_files: &[PathBuf],
        names: Arc<Names>,
    ) -> Result<Self, SetupError> {
        let unusable = |why: String| SetupError::Pool { pool: pool.id.0.clone(), why };
        let balancer = &pool.balancer;
        let files: Vec<PathBuf> = extra_ca_files.iter().chain(&balancer.ca_file).cloned().collect();
        // The other files are in use already: only that of the pool can be wrong.
        let roots = Roots::load(&files).map_err(|error| unusable(error.to_string()))?;
        let tls = client_config(Arc::clone(roots.store()))
            .map_err(|why| SetupError::Tls { why: why.to_string() })?;
        let client = client_builder(tls, names, true)
            // A connection of its own for each look: one that is kept may belong to a process that a reload has replaced.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| unusable(deepest(&error)))?;
        let secret = match (&balancer.token, &balancer.login) {
            (Some(token), _) => Some(Secret::Token(token.clone())),
            (None, login) => login.clone().map(Secret::Login),
        };
        if let Some(secret) = &secret {
            secret.read().map_err(|error| unusable(error.to_string()))?;
        }
        let url = Url::parse(url).map_err(|why| unusable(format!("its URL cannot be used: {why}")))?;
        Ok(Self { client, url, kind: balancer.kind, secret })
    }

    /// Whether the configuration names a page.
    pub(super) fn has_path(&self) -> bool {
        self.url.path() != "/" || self.url.query().is_some()
    }

    /// The body of the configured page, or of the usual one when the configuration names none.
    pub(super) async fn get(&self, usual: Option<&str>) -> Result<Vec<u8>, Fault> {
        let joined = usual.filter(|_| !self.has_path()).and_then(|path| self.url.join(path).ok());
        let mut request = self.client.get(joined.unwrap_or_else(|| self.url.clone())).header(ACCEPT, "*/*");
        if let Some(secret) = &self.secret {
            request = secret.add_to(request)?;
        }
        let response = request.send().await.map_err(|error| fault(&error))?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(unusable::of_status(self.kind, status, self.secret.is_some()).into());
        }
        let body = body(response).await?;
        if unusable::is_web_page(&body) {
            return Err(unusable::web_page(self.kind).into());
        }
        Ok(body)
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
        if body.len() + chunk.len() > BODY_MAX {
            return Err(Unusable::TooLong { max: BODY_MAX }.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The fault of a failed request: that of the resolver or of the operating system, if there is one.
fn fault(error: &reqwest::Error) -> Fault {
    let mut inner: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = inner {
        // The resolver boxes its fault.
        let boxed = || error.downcast_ref::<Box<Fault>>().map(|fault| &**fault);
        if let Some(fault) = error.downcast_ref::<Fault>().or_else(boxed) {
            return fault.clone();
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let phase = if error.kind() == io::ErrorKind::ConnectionRefused {
                Phase::Connect
            } else {
                Phase::FirstByte
            };
            return faults::from_io(error, phase);
        }
        inner = error.source();
    }
    Fault::Unreachable { why: deepest(error) }
}
