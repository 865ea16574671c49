//! Health checks of servers and DNS lookups of their names, on one thread apart from requests.

use crate::forward_error::ForwardError;
use crate::phases::forward::http2_call;
use crate::phases::forward::round_trip::RoundTrip;
use crate::pool::Pool;
use crate::thread::Thread;
use crate::upstream::connect::connect;
use crate::upstream::h1::codec;
use crate::upstream::h1::conn::Conn;
use crate::upstream::http2::Sender;
use crate::upstream::http2_pool::Lease;
use crate::upstream::server_connections::ServerConnections;
use http::{HeaderMap, Method, Request, StatusCode};
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::lookup_host;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval, timeout};
use traffic::{Failure, Outcome};
use types::config::{Health, Protocol};

/// Interval at which due work is looked for.
const LOOK: Duration = Duration::from_millis(10);
/// Interval of DNS lookups, and the timeout of one.
const LOOK_UP: Duration = Duration::from_secs(5);

/// Runs the pools until the thread ends: queues advance, servers are checked, names are looked up.
pub(crate) async fn keep(thread: Rc<Thread>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due: HashMap<(usize, SocketAddr), Instant> = HashMap::new();
    let mut looked_up: HashMap<(usize, String), Instant> = HashMap::new();
    let mut round = 0u32;
    loop {
        looks.tick().await;
        round = round.wrapping_add(1);
        let view = thread.view();
        for (pool, config) in &view.shared.pools {
            pool.ask(|origin, tick| {
                if round.is_multiple_of(10) || origin.next() <= tick {
                    origin.tick(tick);
                }
            });
            if !round.is_multiple_of(10) {
                continue;
            }
            if let Some(health) = &config.health {
                checks(&thread, pool, health, &mut due);
            }
            names(pool, &mut looked_up);
        }
        if round.is_multiple_of(1000) {
            let old = Instant::now().checked_sub(Duration::from_secs(3600));
            due.retain(|_, at| old.is_none_or(|old| *at > old));
            looked_up.retain(|_, at| old.is_none_or(|old| *at > old));
        }
    }
}

fn checks(
    thread: &Rc<Thread>,
    pool: &Arc<Pool>,
    health: &Health,
    due: &mut HashMap<(usize, SocketAddr), Instant>,
) {
    let servers: Vec<SocketAddr> = pool.ask(|origin, _| origin.servers().collect());
    let now = Instant::now();
    for at in servers {
        let next = due.entry((Arc::as_ptr(pool) as usize, at)).or_insert(now);
        if *next > now {
            continue;
        }
        *next = now + health.interval;
        let (thread, pool, health) = (Rc::clone(thread), Arc::clone(pool), health.clone());
        spawn_local(async move {
            let found = match timeout(health.timeout, check(&thread, &pool, at, &health.path)).await {
                Ok(Ok(status)) if status.is_success() || status.is_redirection() => Ok(()),
                Ok(Ok(status)) => Err(Failure::Status(status.as_u16())),
                Ok(Err(trouble)) => Err(match trouble.outcome() {
                    Outcome::Failed(failure) => failure,
                    _ => Failure::Reset,
                }),
                Err(_) => Err(Failure::Timeout),
            };
            pool.ask(|origin, tick| origin.health(tick, at, found));
        });
    }
}

/// One health check, on a connection of its own: a server that accepts no connection is not healthy.
async fn check(
    thread: &Rc<Thread>,
    pool: &Pool,
    at: SocketAddr,
    path: &str,
) -> Result<StatusCode, ForwardError> {
    let stream = connect(pool, at).await?;
    if pool.protocol == Protocol::Http2 {
        let request = Request::get(format!("http://{}{path}", pool.host(at)))
            .body(())
            .map_err(|why| ForwardError::Http2(why.to_string()))?;
        let sender = Sender::begin(stream, Rc::new(Notify::new())).await?;
        let lease = Lease::alone(sender, &thread.ticks);
        let mut call = http2_call::ask(lease, request, &mut None, 0, (None, 0))?;
        return Ok(poll_fn(|cx| call.poll_head(cx, &thread.ticks, &|_, _| {})).await?.status());
    }
    let mut conn = Box::new(Conn::new(stream));
    codec::request_line(&mut conn.head, &Method::GET, path, pool.host(at).as_bytes());
    conn.head.extend_from_slice(b"user-agent: mainstay-health\r\nconnection: close\r\n\r\n");
    let mut round_trip = RoundTrip::new(conn, ServerConnections::new(Rc::clone(&thread.ticks)), None);
    let mut map = HeaderMap::new();
    let head =
        poll_fn(|cx| round_trip.poll_head(cx, &thread.ticks, &Method::GET, &mut map, &|_, _| {})).await?;
    Ok(head.status)
}

fn names(pool: &Arc<Pool>, looked_up: &mut HashMap<(usize, String), Instant>) {
    let names: Vec<String> = pool.ask(|origin, _| origin.names().map(str::to_owned).collect());
    let now = Instant::now();
    for name in names {
        let last = looked_up.entry((Arc::as_ptr(pool) as usize, name.clone())).or_insert(now - LOOK_UP * 2);
        if now.duration_since(*last) < LOOK_UP {
            continue;
        }
        *last = now;
        let pool = Arc::clone(pool);
        spawn_local(async move {
            match timeout(LOOK_UP, lookup_host(name.as_str())).await {
                Ok(Ok(found)) => {
                    let found: Vec<SocketAddr> = found.collect();
                    pool.ask(|origin, tick| origin.resolved(tick, &name, &found));
                }
                // Known servers stay in use: a failed lookup says nothing about them.
                Ok(Err(why)) => tracing::warn!("pool {}: DNS lookup of {name} failed: {why}", pool.id),
                Err(_) => tracing::warn!("pool {}: DNS lookup of {name} timed out", pool.id),
            }
        });
    }
}
