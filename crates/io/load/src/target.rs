//! The target of a test: its addresses, none of which is production, and the request.

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;
use load::Production;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret as _;
use secrets::SecretError;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tls_roots::Roots;
use tokio::net::lookup_host;
use tokio::time::timeout;
use types::config::{LoadTarget, SecretRef, TextOrSecret};

/// Timeout of one look-up.
const LOOKUP: Duration = Duration::from_secs(5);
/// Most addresses of a target that are used.
const ADDRESSES_MAX: usize = 64;

/// Why a target cannot be tested.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The URL or a header cannot be sent.
    #[error("{0} cannot be sent (correct it in the configuration)")]
    Invalid(String),
    /// A secret is missing.
    #[error("header {header}: {why}")]
    Secret {
        /// The header.
        header: String,
        /// The reason.
        why: SecretError,
    },
    /// A CA file cannot be used.
    #[error(transparent)]
    Roots(#[from] tls_roots::RootsError),
    /// The name has no address.
    #[error("{host} has no address: {why} (check the name, and the resolver of this machine)")]
    NoAddress {
        /// The host.
        host: String,
        /// The reason.
        why: String,
    },
    /// An address is production.
    #[error(
        "{host} is {address}, which is {whose}: a load test runs against a copy, never against production"
    )]
    Production {
        /// The host.
        host: String,
        /// The address.
        address: SocketAddr,
        /// Whose it is.
        whose: String,
    },
}

/// TLS to the target.
#[derive(Clone, Debug)]
pub(crate) struct TlsName {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
}

/// A target, resolved.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) tls: Option<TlsName>,
    method: Method,
    /// Path and query.
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    /// The declaration.
    pub(crate) declared: LoadTarget,
}

impl Target {
    /// Resolves a target once, and checks each of its addresses.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub(crate) async fn resolve(
        declared: &LoadTarget,
        production: &Production,
        ca_files: &[PathBuf],
    ) -> Result<Self, TargetError> {
        let invalid = |what: &str| TargetError::Invalid(what.to_owned());
        let url: Uri = declared.url.parse().map_err(|_| invalid("the URL"))?;
        let host = url.host().ok_or_else(|| invalid("the URL"))?.to_owned();
        let is_https = url.scheme_str() == Some("https");
        let port = url.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let mut addresses =
            look_up(bare, port).await.map_err(|why| TargetError::NoAddress { host: host.clone(), why })?;
        addresses.truncate(ADDRESSES_MAX);
        refuse_production(&host, &addresses, production).await?;
        let tls = if is_https { Some(tls(bare, ca_files)?) } else { None };
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let authority = url.authority().map_or(host.as_str(), |authority| authority.as_str());
        Ok(Self {
            addresses,
            tls,
            method: declared.method.parse().map_err(|_| invalid("the method"))?,
            uri: path.parse().map_err(|_| invalid("the path"))?,
            headers: headers(declared, authority)?,
            body: Bytes::from(declared.body.clone().unwrap_or_default()),
            declared: declared.clone(),
        })
    }

    /// The request.
    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    match timeout(LOOKUP, lookup_host((host, port))).await {
        Ok(Ok(found)) => {
            let found: Vec<SocketAddr> = found.collect();
            if found.is_empty() { Err("the answer is empty".to_owned()) } else { Ok(found) }
        }
        Ok(Err(why)) => Err(why.to_string()),
        Err(_) => Err("no answer within 5 s".to_owned()),
    }
}

/// Refuses addresses that are those of servers of a pool, or of a listener of this installation.
async fn refuse_production(
    host: &str,
    addresses: &[SocketAddr],
    production: &Production,
) -> Result<(), TargetError> {
    let refused = |address: SocketAddr, whose: String| TargetError::Production {
        host: host.to_owned(),
        address,
        whose,
    };
    let own = addresses.iter().find(|address| production.is_listener(**address, is_local));
    if let Some(address) = own {
        return Err(refused(*address, "a listener of this mainstay".to_owned()));
    }
    for protected in &production.hosts {
        let Some((name, port)) = protected.host.rsplit_once(':') else { continue };
        let Ok(port) = port.parse() else { continue };
        // What has no address cannot be reached either.
        let servers = look_up(name.trim_matches(['[', ']']), port).await.unwrap_or_default();
        if let Some(address) =
            addresses.iter().find(|address| servers.iter().any(|server| is_same(server, address)))
        {
            return Err(refused(*address, protected.whose.clone()));
        }
    }
    Ok(())
}

fn is_same(a: &SocketAddr, b: &SocketAddr) -> bool {
    a.port() == b.port() && a.ip().to_canonical() == b.ip().to_canonical()
}

/// Whether an address is one of this machine: then a socket can be bound to it.
fn is_local(ip: IpAddr) -> bool {
    std::net::UdpSocket::bind((ip, 0)).is_ok()
}

fn tls(host: &str, ca_files: &[PathBuf]) -> Result<TlsName, TargetError> {
    let invalid = |why: String| TargetError::Invalid(why);
    let mut config = tls_roots::client_config(Roots::load(ca_files)?.store().clone())
        .map_err(|why| invalid(why.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| invalid(format!("{host} as a name of TLS")))?;
    Ok(TlsName { config: Arc::new(config), name })
}

fn headers(declared: &LoadTarget, authority: &str) -> Result<HeaderMap, TargetError> {
    let invalid = |what: &str| TargetError::Invalid(format!("header {what}"));
    let agent = format!("mainstay-load/{} (load test {})", env!("CARGO_PKG_VERSION"), declared.name);
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_str(authority).map_err(|_| invalid("host"))?);
    headers.insert(USER_AGENT, HeaderValue::from_str(&agent).map_err(|_| invalid("user-agent"))?);
    for (header, value) in &declared.headers {
        let name: HeaderName = header.parse().map_err(|_| invalid(header))?;
        let value = match value {
            TextOrSecret::Text(text) => HeaderValue::from_str(text),
            TextOrSecret::Secret(reference) => {
                let secret = match reference {
                    SecretRef::Env(variable) => secrets::from_variable(variable),
                    SecretRef::File(path) => secrets::from_file(path),
                };
                let secret = secret.map_err(|why| TargetError::Secret { header: header.clone(), why })?;
                HeaderValue::from_str(secret.expose_secret()).map(|mut value| {
                    value.set_sensitive(true);
                    value
                })
            }
        };
        headers.insert(name, value.map_err(|_| invalid(header))?);
    }
    Ok(headers)
}
