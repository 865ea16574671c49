//! A server to stand behind a proxy: HTTP/1.1 and h2c on one port, with a fixed rate of service where wanted.
//!
//! | asked for | answered |
//! |---|---|
//! | `/16k` | 16 KiB, immediately |
//! | `/work...`, `/login` | at its pace; a `POST /login` that succeeds sets the cookie `sid` |
//! | `/page/N`, `/part/...` | a page and its resources: see [`crate::pages`] |
//! | `/upload` | two bytes when the whole body has come, up to 64 MiB |
//! | `/bytes/N` | `N` bytes, immediately, up to 64 MiB |
//! | a WebSocket | 101, then what comes in goes out again |
//! | `application/grpc` | one message and the trailer `grpc-status: 0` |
//! | anything else | two bytes, immediately |
//!
//! The pace is slept, not computed: an overloaded origin costs the machine next to nothing.

use crate::pace::Pace;
use crate::pages;
use crate::tasks::{Tasks, lock, serve_each};
use crate::web;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, SET_COOKIE, UPGRADE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, sleep_until, timeout};

/// Most open connections.
const CONNECTIONS_MAX: usize = 19_000;
/// Largest body read.
const BODY_MAX: usize = 1024 * 1024;
/// Largest upload read and largest answer of `/bytes/N`.
const LARGE_MAX: usize = 64 * 1024 * 1024;
/// Timeout of the first bytes of a connection.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The preface of HTTP/2 begins with it (RFC 9113, 3.4); no HTTP/1.1 request does.
const PREFACE: [u8; 4] = *b"PRI ";
/// The large answer.
static LARGE: [u8; 16 * 1024] = [b'x'; 16 * 1024];

/// The server. Stops when dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: Tasks,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Requests that came in.
    pub asked: u64,
    /// Of those to be served at its pace: worked off.
    pub worked: u64,
    /// Turned away with 503 since the line was too long.
    pub turned_away: u64,
    /// WebSockets opened.
    pub tunnels: u64,
}

#[derive(Debug)]
struct Shared {
    pace: Mutex<Pace>,
    asked: AtomicU64,
    worked: AtomicU64,
    turned_away: AtomicU64,
    tunnels: AtomicU64,
}

impl Origin {
    /// Starts the server.
    ///
    /// # Errors
    /// When the listener is closed.
    pub fn start(listener: TcpListener, pace: Pace) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            pace: Mutex::new(pace),
            asked: AtomicU64::new(0),
            worked: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
            tunnels: AtomicU64::new(0),
        });
        let mut tasks = Tasks::default();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _tasks: tasks })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counters since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            asked: read(&self.shared.asked),
            worked: read(&self.shared.worked),
            turned_away: read(&self.shared.turned_away),
            tunnels: read(&self.shared.tunnels),
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    serve_each(listener, CONNECTIONS_MAX, |stream, _| {
        let shared = Arc::clone(&shared);
        async move {
            if let Err(error) = serve(stream, shared).await {
                tracing::debug!(%error, "connection");
            }
        }
    })
    .await;
}

async fn serve(
    stream: TcpStream,
    shared: Arc<Shared>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let mut first = [0; PREFACE.len()];
    timeout(TIMEOUT, stream.peek(&mut first)).await??;
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(request, shared).await) }
    });
    if first == PREFACE {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(1_000)
            .serve_connection(TokioIo::new(stream), service)
            .await?;
    } else {
        web::serve_proxy(stream, service).await?;
    }
    Ok(())
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Response<Reply> {
    shared.asked.fetch_add(1, Ordering::Relaxed);
    if request.headers().contains_key(UPGRADE) {
        return tunnel(request, &shared);
    }
    let path = request.uri().path();
    if path.starts_with("/work") || path == "/login" {
        return work(request, &shared).await;
    }
    if path == "/16k" {
        return text(StatusCode::OK, Bytes::from_static(&LARGE));
    }
    if request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
    {
        return unary(request).await;
    }
    if let Some(part) = pages::part(path) {
        sleep(part.delay).await;
        let mut response = text(StatusCode::OK, part.body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(part.media_type));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return response;
    }
    if let Some(page) = path.strip_prefix("/page/").and_then(|n| n.parse().ok()) {
        let mut response = text(StatusCode::OK, pages::html(page).into());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        return response;
    }
    if let Some(bytes) = path.strip_prefix("/bytes/").and_then(|n| n.parse::<usize>().ok()) {
        return text(StatusCode::OK, vec![b'x'; bytes.min(LARGE_MAX)].into());
    }
    if path == "/upload" {
        return upload(request).await;
    }
    text(StatusCode::OK, Bytes::from_static(b"ok"))
}

/// Reads and drops a body. A minute at most: clients are far away where uploads are measured.
async fn upload(request: Request<Incoming>) -> Response<Reply> {
    let mut body = Limited::new(request.into_body(), LARGE_MAX);
    let read = timeout(TIMEOUT * 2, async {
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    });
    match read.await {
        Ok(Ok(())) => text(StatusCode::OK, Bytes::from_static(b"ok")),
        Ok(Err(_)) => text(StatusCode::BAD_REQUEST, Bytes::new()),
        Err(_) => text(StatusCode::REQUEST_TIMEOUT, Bytes::new()),
    }
}

async fn work(request: Request<Incoming>, shared: &Shared) -> Response<Reply> {
    let signs_in = request.method() == Method::POST && request.uri().path() == "/login";
    if timeout(TIMEOUT, Limited::new(request.into_body(), BODY_MAX).collect()).await.is_err() {
        return text(StatusCode::REQUEST_TIMEOUT, Bytes::new());
    }
    let booked = lock(&shared.pace).book(Instant::now());
    let Some(done) = booked else {
        shared.turned_away.fetch_add(1, Ordering::Relaxed);
        return text(StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(b"the line is too long\n"));
    };
    sleep_until(done.into()).await;
    let count = shared.worked.fetch_add(1, Ordering::Relaxed);
    let mut response = text(StatusCode::OK, Bytes::from_static(b"done\n"));
    if let (true, Ok(cookie)) = (signs_in, HeaderValue::from_str(&format!("sid=s{count}; Path=/; HttpOnly")))
    {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// Everything back as it came.
fn tunnel(request: Request<Incoming>, shared: &Shared) -> Response<Reply> {
    shared.tunnels.fetch_add(1, Ordering::Relaxed);
    tokio::spawn(async move {
        let Some((mut stream, begun)) = web::upgraded(request).await else { return };
        if stream.write_all(&begun).await.is_err() {
            return;
        }
        let mut buffer = [0; 512];
        while let Ok(size @ 1..) = stream.read(&mut buffer).await {
            if stream.write_all(&buffer[..size]).await.is_err() {
                return;
            }
        }
    });
    let mut response = text(StatusCode::OK, Bytes::new());
    response.headers_mut().remove(CONTENT_TYPE);
    web::accept_websocket(&mut response);
    response
}

/// A unary gRPC answer: an empty message in its frame of five bytes, then the trailers.
async fn unary(request: Request<Incoming>) -> Response<Reply> {
    let read = timeout(TIMEOUT, Limited::new(request.into_body(), BODY_MAX).collect()).await;
    let status = if matches!(read, Ok(Ok(_))) { "0" } else { "13" };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    let mut response =
        Response::new(Reply { data: Some(Bytes::from_static(&[0; 5])), trailers: Some(Box::new(trailers)) });
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn text(status: StatusCode, body: Bytes) -> Response<Reply> {
    let mut response = Response::new(Reply { data: (!body.is_empty()).then_some(body), trailers: None });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// A body of one piece, with trailers where wanted.
struct Reply {
    data: Option<Bytes>,
    trailers: Option<Box<HeaderMap>>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.data.take().map(Frame::data);
        Poll::Ready(next.or_else(|| self.trailers.take().map(|map| Frame::trailers(*map))).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.trailers {
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64)),
        }
    }
}
