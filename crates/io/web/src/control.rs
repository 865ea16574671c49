//! The same site over a Unix socket, for the command line on this machine: who connects is known by the kernel, so no token
//! is asked for.

use crate::Site;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, HeaderValue};
use axum::http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

/// Connections at the same time. One command has one.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection lives.
const LIFE: Duration = Duration::from_secs(30);
/// How long one request may take.
const REQUEST_WAIT: Duration = Duration::from_secs(15);

/// Answers everybody who runs as the same user, or as root, until `stop` is true.
///
/// # Errors
/// When the token of this installation cannot be shown, which no token made here ever is.
pub async fn serve_control(
    listener: UnixListener,
    site: Arc<Site>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let token = format!("Bearer {}", site.settings().api_token);
    let token = HeaderValue::try_from(token).map_err(io::Error::other)?;
    let router = TowerToHyperService::new(Arc::clone(&site).router());
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        if !is_ours(&stream) {
            continue;
        }
        let (router, token) = (router.clone(), token.clone());
        tokio::spawn(async move {
            let answer = service_fn(move |mut request: Request<Incoming>| {
                request.headers_mut().insert(AUTHORIZATION, token.clone());
                let asked = timeout(REQUEST_WAIT, router.call(request));
                async move { Ok::<_, Infallible>(asked.await.map_or_else(|_| late(), |Ok(answer)| answer)) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(LIFE)
                .serve_connection(TokioIo::new(stream), answer);
            let _ = timeout(LIFE, connection).await;
            drop(place);
        });
    }
}

/// Whether the other side is the user that this process runs as, or root.
fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| [own, 0].contains(&peer.uid()))
}

fn late() -> Response<Body> {
    let mut late = Response::new(Body::from("no answer in time; try again\n"));
    *late.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    late
}
