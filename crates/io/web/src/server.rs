//! The listening socket: rendered documents first, the router for the rest, every wait bounded.

use crate::WebState;
use crate::client::Client;
use crate::connections::{Connections, Slot};
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// Timeout of the head of the next request, including idle time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of a request of the router, including its body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum lifetime of a connection. Ends those that never read their response.
const LIFETIME: Duration = Duration::from_secs(600);
/// Time for the requests in flight after the stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size of a request head, in bytes.
const HEADER_MAX: usize = 32 << 10;

/// Serves until `stop` is true or its sender is dropped, then waits for the requests in flight, for at most five
/// seconds.
///
/// # Errors
/// When the socket cannot be used at all. A failed accept is retried.
pub async fn serve(
    listener: TcpListener,
    state: Arc<WebState>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    listener.local_addr()?;
    let connections = Connections::new(rustix::process::getrlimit(rustix::process::Resource::Nofile).current);
    // Every connection holds a sender: the receiver ends with the last of them.
    let (open, mut all_closed) = mpsc::channel::<()>(1);
    let router = crate::router(Arc::clone(&state));
    let mut stopped = stop.clone();
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(slot) = connections.take(peer.ip()) else { continue };
                let (state, router, stop) = (Arc::clone(&state), router.clone(), stop.clone());
                let open = open.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = slot.closed() => {}
                        () = serve_connection(stream, peer.ip(), &slot, state, router, stop) => {}
                    }
                    drop((slot, open));
                });
            }
            // Out of descriptors, or the client is gone already: accept the next one.
            Err(_) => {
                connections.make_room();
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
    drop(open);
    let _ = timeout(DRAIN_TIMEOUT, all_closed.recv()).await;
    Ok(())
}

async fn serve_connection(
    stream: TcpStream,
    peer: IpAddr,
    slot: &Slot,
    state: Arc<WebState>,
    router: axum::Router,
    mut stop: watch::Receiver<bool>,
) {
    // Responses are written whole: Nagle would only delay them.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        let busy = slot.busy();
        let rendered = state.cache().response(request.method(), request.uri().path(), request.headers());
        request.extensions_mut().insert(Client(peer));
        // The router is called only without a rendered document.
        let routed = rendered.is_none().then(|| timeout(REQUEST_TIMEOUT, router.call(request)));
        async move {
            let response = either(rendered, routed).await;
            drop(busy);
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HEADER_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep(LIFETIME) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(DRAIN_TIMEOUT, connection).await;
}

type ServerResponse = Response<Either<Full<Bytes>, Body>>;

async fn either(
    rendered: Option<Response<Full<Bytes>>>,
    routed: Option<
        impl Future<Output = Result<Result<Response<Body>, Infallible>, tokio::time::error::Elapsed>>,
    >,
) -> ServerResponse {
    if let Some(response) = rendered {
        return response.map(Either::Left);
    }
    if let Some(routed) = routed
        && let Ok(Ok(response)) = routed.await
    {
        return response.map(Either::Right);
    }
    let mut timed_out =
        Response::new(Either::Left(Full::new(Bytes::from_static(b"no answer in time; try again\n"))));
    *timed_out.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    timed_out
}
