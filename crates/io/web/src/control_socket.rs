//! The Unix socket for the command line on this machine. The kernel identifies the client, so no token is needed.

use crate::WebState;
use crate::auth::OverControlSocket;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, HeaderValue};
use axum::http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

/// Maximum number of concurrent connections. A command uses one.
const CONNECTIONS_MAX: usize = 64;
/// Maximum lifetime of a connection.
const LIFETIME: Duration = Duration::from_secs(30);
/// Timeout of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Serves clients of the same user, or root, until `stop` is true.
///
/// # Errors
/// When the API token is no valid header value, which a generated token never is.
pub async fn serve_control(
    listener: UnixListener,
    state: Arc<WebState>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let token = Zeroizing::new(format!("Bearer {}", state.settings().api_token.expose_secret()));
    let mut token = HeaderValue::from_str(&token).map_err(io::Error::other)?;
    token.set_sensitive(true);
    let router = TowerToHyperService::new(crate::router(Arc::clone(&state)));
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        if !is_allowed(&stream) {
            continue;
        }
        let (router, token) = (router.clone(), token.clone());
        tokio::spawn(async move {
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.headers_mut().insert(AUTHORIZATION, token.clone());
                request.extensions_mut().insert(OverControlSocket);
                let response = timeout(REQUEST_TIMEOUT, router.call(request));
                async move {
                    Ok::<_, Infallible>(response.await.map_or_else(|_| timed_out(), |Ok(response)| response))
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(LIFETIME)
                .serve_connection(TokioIo::new(stream), service);
            let _ = timeout(LIFETIME, connection).await;
            drop(slot);
        });
    }
}

/// Whether the client runs as the user of this process, or as root.
fn is_allowed(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| [own, 0].contains(&peer.uid()))
}

fn timed_out() -> Response<Body> {
    let mut response = Response::new(Body::from("no answer in time; try again\n"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}
