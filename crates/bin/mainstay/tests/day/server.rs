//! A server behind both proxies, as a process of its own so that it can be stopped and killed: this program, begun as
//! `serve PORT`.
//!
//! | asked for | answered |
//! |---|---|
//! | `/health` | 200; 503 once it was signalled to end |
//! | `/page/N`, `/part/...` | a page and its 60 resources of 2 to 200 ms and 1 to 100 kB: `testbed::pages` |
//! | `/held` | HTML that holds EventSources and WebSockets open |
//! | `/events`, `/echo` | an EventSource of numbers; a WebSocket that sends back what came |
//! | `POST /upload` | the number of bytes that came |
//! | `/download?bytes=B&length=true` | that many bytes in 20 pieces over a second, with a Content-Length or chunked |
//! | `POST /slow/N` | from now on every delay is N times as long |

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::sse::{Event, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get, post};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// From the signal to end until connections are no longer accepted: two bad answers to health checks and a bit.
const LEAVING: Duration = Duration::from_millis(3_500);
/// How long requests under way may take after that.
const LAST_ANSWERS: Duration = Duration::from_secs(6);
const FILLER: &[u8] = &[b'x'; 100_000];

/// How far it is with its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Life {
    Serving,
    Leaving,
    Ending,
}

#[derive(Clone)]
struct Shared {
    slow: Arc<AtomicU32>,
    life: watch::Receiver<Life>,
}

impl Shared {
    async fn delay(&self, usually: Duration) {
        sleep(usually * self.slow.load(Ordering::Relaxed)).await;
    }

    fn ending(&self) -> impl Future<Output = ()> + use<> {
        let mut life = self.life.clone();
        async move {
            let _ = life.wait_for(|life| *life == Life::Ending).await;
        }
    }
}

/// Serves until SIGTERM, and then ends as a well-behaved server does.
pub(crate) fn run(port: u16) -> std::io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(port))
}

async fn serve(port: u16) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let (sender, life) = watch::channel(Life::Serving);
    let shared = Shared { slow: Arc::new(AtomicU32::new(1)), life };
    let app = Router::new()
        .route("/health", get(health))
        .route("/page/{n}", get(async |Path(n): Path<u64>| Html(testbed::pages::html(n))))
        .route("/part/{*path}", get(part))
        .route("/held", get(async || Html(include_str!("held.html"))))
        .route("/events", get(events))
        .route("/echo", any(echo))
        .route("/upload", post(upload))
        .route("/download", get(download))
        .route("/slow/{times}", post(slow))
        .with_state(shared.clone());
    let mut ends = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        ends.recv().await;
        let _ = sender.send(Life::Leaving);
        sleep(LEAVING).await;
        let _ = sender.send(Life::Ending);
        // Kept so that no task sees a closed channel before the process is gone.
        sleep(LAST_ANSWERS * 2).await;
    });
    let served = axum::serve(listener, app).with_graceful_shutdown(shared.ending()).into_future();
    tokio::select! {
        done = served => done,
        () = async { shared.ending().await; sleep(LAST_ANSWERS).await } => Ok(()),
    }
}

async fn health(State(shared): State<Shared>) -> StatusCode {
    if *shared.life.borrow() == Life::Serving { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// A resource of a page, as `testbed::pages` describes it.
async fn part(State(shared): State<Shared>, uri: Uri) -> Response {
    let Some(part) = testbed::pages::part(uri.path()) else { return StatusCode::NOT_FOUND.into_response() };
    shared.delay(part.delay).await;
    ([(header::CONTENT_TYPE, part.media_type), (header::CACHE_CONTROL, "no-store")], part.body)
        .into_response()
}

async fn events(State(shared): State<Shared>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let ending = shared.ending();
    let numbers = stream::unfold(0_u64, |n| async move {
        sleep(Duration::from_millis(200)).await;
        Some((Ok(Event::default().data(n.to_string())), n + 1))
    });
    Sse::new(numbers.take_until(Box::pin(ending)))
}

async fn echo(State(shared): State<Shared>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|socket| echo_until(socket, shared))
}

async fn echo_until(mut socket: WebSocket, shared: Shared) {
    let mut ending = std::pin::pin!(shared.ending());
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    if socket.send(message).await.is_err() { return }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return,
            },
            () = &mut ending => break,
        }
    }
    // Service restart (RFC 6455, 7.4.1). What the client sent before it saw this is still answered.
    let _ = socket.send(Message::Close(Some(CloseFrame { code: 1012, reason: "restart".into() }))).await;
    let _ = timeout(Duration::from_secs(2), async { while let Some(Ok(_)) = socket.recv().await {} }).await;
}

async fn upload(State(shared): State<Shared>, request: Request) -> Result<String, StatusCode> {
    let mut body = request.into_body().into_data_stream();
    let mut bytes = 0;
    while let Some(part) = body.next().await {
        bytes += part.map_err(|_| StatusCode::BAD_REQUEST)?.len();
    }
    shared.delay(Duration::from_millis(10)).await;
    Ok(bytes.to_string())
}

#[derive(Deserialize)]
struct Download {
    bytes: usize,
    length: bool,
}

async fn download(State(shared): State<Shared>, Query(wanted): Query<Download>) -> Response {
    let piece = (wanted.bytes / 20).min(FILLER.len());
    let pieces = stream::unfold(0, move |n| {
        let shared = shared.clone();
        async move {
            if n == 20 {
                return None;
            }
            shared.delay(Duration::from_millis(50)).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(&FILLER[..piece])), n + 1))
        }
    });
    let mut answer = Response::new(Body::from_stream(pieces));
    if wanted.length {
        answer.headers_mut().insert(header::CONTENT_LENGTH, (piece * 20).into());
    }
    answer
}

async fn slow(State(shared): State<Shared>, Path(times): Path<u32>) {
    shared.slow.store(times, Ordering::Relaxed);
}
