//! Minimal HTTP and HTTPS, client and server; the client uses one connection per request.

use crate::tasks::{Tasks, serve_each};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use hyper::http::request::Parts;
use hyper::service::{HttpService, service_fn};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Most open connections.
const CONNECTIONS_MAX: usize = 4_096;
/// Largest body read, on either side.
const BODY_MAX: usize = 256 * 1024;
/// Timeout of a handshake, and of the headers of a request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A response.
pub type Answer = Response<Full<Bytes>>;
type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;
/// Something that answers requests.
pub type Handler = Arc<dyn Fn(Parts, Bytes) -> Answering + Send + Sync>;

/// Response to the key of the example in RFC 6455 (section 1.3), the only one that clients of the testbed use. HAProxy
/// checks it.
const WEBSOCKET_ACCEPT: HeaderValue = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");

/// Address of the client: an extension of each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Makes a handler of an async function.
pub fn handler<F, Fut>(answer: F) -> Handler
where
    F: Fn(Parts, Bytes) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    Arc::new(move |parts, body| Box::pin(answer(parts, body)))
}

/// An answer with a body of a kind.
#[must_use]
pub fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// An HTTP server, or an HTTPS one. Stops when dropped, and all its connections with it.
#[derive(Debug)]
pub struct Server {
    _tasks: Tasks,
}

impl Server {
    /// Starts the server.
    #[must_use]
    pub fn start(listener: TcpListener, tls: Option<Arc<ServerConfig>>, handler: Handler) -> Self {
        let mut tasks = Tasks::default();
        tasks.spawn(accept(listener, tls.map(TlsAcceptor::from), handler));
        Self { _tasks: tasks }
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, handler: Handler) {
    serve_each(listener, CONNECTIONS_MAX, |stream, peer| {
        let (tls, handler) = (tls.clone(), Arc::clone(&handler));
        async move {
            match tls {
                None => serve(stream, Peer(peer), handler).await,
                Some(tls) => match timeout(TIMEOUT, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve(stream, Peer(peer), handler).await,
                    // A client that does not like the certificate hangs up: that is what drills are about.
                    Ok(Err(error)) => tracing::debug!(%error, "handshake"),
                    Err(_) => tracing::debug!("handshake took too long"),
                },
            }
        }
    })
    .await;
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer, handler: Handler) {
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = Arc::clone(&handler);
        async move {
            let (mut parts, body) = request.into_parts();
            parts.extensions.insert(peer);
            let answered = match timeout(TIMEOUT, Limited::new(body, BODY_MAX).collect()).await {
                Ok(Ok(body)) => handler(parts, body.to_bytes()).await,
                _ => answer(StatusCode::BAD_REQUEST, "text/plain", "the body could not be read\n"),
            };
            Ok::<_, Infallible>(answered)
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection");
    }
}

/// Serves a connection from a proxy with HTTP/1.1 and upgrades. There is no deadline between requests: proxies keep
/// connections for their own time.
///
/// # Errors
/// Network errors, and requests that are not HTTP.
pub(crate) async fn serve_proxy<S>(stream: TcpStream, service: S) -> hyper::Result<()>
where
    S: HttpService<Incoming, Error = Infallible>,
    S::ResBody: 'static,
    <S::ResBody as Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await
}

/// Makes a response accept a WebSocket.
pub(crate) fn accept_websocket<B>(response: &mut Response<B>) {
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, WEBSOCKET_ACCEPT);
}

/// The connection of an accepted WebSocket, and what has already been read from it; `None` when the client has gone.
pub(crate) async fn upgraded(request: Request<Incoming>) -> Option<(TcpStream, Bytes)> {
    let upgraded = hyper::upgrade::on(request).await.ok()?;
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}

/// Reads until the other side closes the connection.
pub(crate) async fn until_closed(mut stream: TcpStream) {
    let mut buffer = [0; 64];
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

/// GETs `https://NAME:PORT/` from an address, trusting what `tls` trusts.
///
/// # Errors
/// Network errors; a certificate error is inside an `InvalidData` error.
pub async fn get(
    address: SocketAddrV4,
    name: &str,
    tls: &Arc<ClientConfig>,
    within: Duration,
) -> io::Result<(StatusCode, Bytes)> {
    let asking = async {
        let stream = TcpStream::connect(address).await?;
        let server = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(server, stream).await?;
        let request = Request::get("/")
            .header(HOST, format!("{name}:{}", address.port()))
            .body(Full::default())
            .map_err(io::Error::other)?;
        ask(stream, request).await
    };
    timeout(within, asking).await?
}

/// POSTs nothing to an `http://` URL.
///
/// # Errors
/// Network errors; `InvalidInput` for a URL that is not plain HTTP.
pub async fn post(url: &str, within: Duration) -> io::Result<(StatusCode, Bytes)> {
    let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{url}: {why}"));
    let url: hyper::Uri = url.parse().map_err(|_| wrong("not a URL"))?;
    if url.scheme_str() != Some("http") {
        return Err(wrong("only plain HTTP is supported here"));
    }
    let host = url.host().ok_or_else(|| wrong("no host"))?.to_owned();
    let (port, path) = (url.port_u16().unwrap_or(80), url.path_and_query().map_or("/", |path| path.as_str()));
    let asking = async {
        let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        let request = Request::post(path)
            .header(HOST, format!("{host}:{port}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::default())
            .map_err(io::Error::other)?;
        ask(stream, request).await
    };
    timeout(within, asking).await?
}

/// No body.
#[must_use]
pub fn empty() -> Full<Bytes> {
    Full::default()
}

/// Sends one request over a connection of its own, from a chosen address where wanted.
///
/// # Errors
/// Network errors.
pub async fn send(
    to: SocketAddr,
    from: Option<Ipv4Addr>,
    request: Request<Full<Bytes>>,
    within: Duration,
) -> io::Result<(StatusCode, Bytes)> {
    let asking = async {
        let stream = match from {
            None => TcpStream::connect(to).await?,
            Some(from) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind(SocketAddr::from((from, 0)))?;
                socket.connect(to).await?
            }
        };
        ask(stream, request).await
    };
    timeout(within, asking).await?
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> io::Result<(StatusCode, Bytes)> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_MAX).collect().await.map_err(io::Error::other)?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(exchange);
    // The connection lives exactly as long as the exchange; it is driven here so that nothing is left behind.
    tokio::select! {
        done = &mut exchange => return done,
        _ = connection => {}
    }
    exchange.await
}
