//! The listening socket: finished bytes first, the router for the rest, every wait bounded.

use crate::Site;
use crate::seats::{Seat, Seats};
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
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// How long a connection may take to send the head of its next request, idle time included.
const HEAD_WAIT: Duration = Duration::from_secs(10);
/// How long one request of the router may take, its body included.
const REQUEST_WAIT: Duration = Duration::from_secs(15);
/// How long a connection lives. Ends those that never read their answer.
const LIFE: Duration = Duration::from_secs(600);
/// How long the requests under way may take once the end was announced.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Largest head of a request, in bytes.
const HEAD_MAX: usize = 32 << 10;

/// Serves the site until `stop` is true (or nobody can say so any more), then lets the requests under way end, for five seconds at most.
///
/// # Errors
/// When the socket cannot be used at all. A failure to accept one connection is not such a case.
pub async fn serve(listener: TcpListener, site: Arc<Site>, stop: watch::Receiver<bool>) -> io::Result<()> {
    listener.local_addr()?;
    let seats = Seats::new(rustix::process::getrlimit(rustix::process::Resource::Nofile).current);
    // Held by every connection: the receiver ends with the last of them.
    let (open, mut all_ended) = mpsc::channel::<()>(1);
    let router = Arc::clone(&site).router();
    let mut stopped = stop.clone();
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(seat) = seats.take(peer.ip()) else { continue };
                let (site, router, stop) = (Arc::clone(&site), router.clone(), stop.clone());
                let open = open.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = seat.is_wanted() => {}
                        () = converse(stream, &seat, site, router, stop) => {}
                    }
                    drop((seat, open));
                });
            }
            // Out of descriptors, or the peer was gone already: the next one may be luckier.
            Err(_) => {
                seats.make_room();
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
    drop(open);
    let _ = timeout(LAST_WORDS, all_ended.recv()).await;
    Ok(())
}

async fn converse(
    stream: TcpStream,
    seat: &Seat,
    site: Arc<Site>,
    router: axum::Router,
    mut stop: watch::Receiver<bool>,
) {
    // Answers are written whole; waiting for more to send would only make them late.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let answer = service_fn(|request: Request<Incoming>| {
        let busy = seat.busy();
        let finished = site.shelf().answer(request.method(), request.uri().path(), request.headers());
        // Asked only when the shelf has nothing.
        let asked = finished.is_none().then(|| timeout(REQUEST_WAIT, router.call(request)));
        async move {
            let answer = either(finished, asked).await;
            drop(busy);
            Ok::<_, Infallible>(answer)
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WAIT)
            .max_buf_size(HEAD_MAX)
            .serve_connection(TokioIo::new(stream), answer)
    );
    tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep(LIFE) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_WORDS, connection).await;
}

type Answer = Response<Either<Full<Bytes>, Body>>;

async fn either(
    finished: Option<Response<Full<Bytes>>>,
    asked: Option<
        impl Future<Output = Result<Result<Response<Body>, Infallible>, tokio::time::error::Elapsed>>,
    >,
) -> Answer {
    if let Some(answer) = finished {
        return answer.map(Either::Left);
    }
    if let Some(asked) = asked
        && let Ok(Ok(answer)) = asked.await
    {
        return answer.map(Either::Right);
    }
    let mut late =
        Response::new(Either::Left(Full::new(Bytes::from_static(b"no answer in time; try again\n"))));
    *late.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    late
}
