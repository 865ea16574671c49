//! Stale responses while servers fail or a refresh goes on.

use super::{body, caching, field, get, response};
use crate::fixture::{ConfigParts, Server, door, status, terms, wait};
use edge::Edge;
use std::cell::Cell;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use types::ServiceId;

/// An address where nothing listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Exchanges the servers for one that refuses connections: what is stored stays.
fn cut_off(edge: &Edge, rule: &str) {
    let traffic = super::rules(rule);
    edge.reload(&terms(&[nowhere()], &ConfigParts { traffic: &traffic, ..ConfigParts::default() })).unwrap();
}

#[test]
fn stale_response_without_validator_is_served_while_connections_are_refused() {
    let server = Server::saying(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nconfig");
    const RULE: &str = "stale_if_error = \"24h\"";
    let edge = caching(&[server.at], RULE);
    let at = door(&edge, false);
    assert_eq!(body(&get(at, "/c/1", "")), "config");
    cut_off(&edge, RULE);
    let stale = Cell::new(0);
    for _ in 0..20 {
        let answer = get(at, "/c/1", "");
        assert_eq!((status(&answer), body(&answer)), (200, "config"), "{answer}");
        assert!(field(&answer, "cache-status").unwrap().contains("detail=stale-if-error"), "{answer}");
        let id = field(&answer, "x-request-id").unwrap();
        let id = edge::telemetry::TraceId(u128::from_str_radix(id, 16).unwrap());
        if let Some(trace) = edge.telemetry().trace(id) {
            let hop = &trace.hops[0];
            assert!(hop.why.as_ref().unwrap().contains("source is down since "), "{hop:?}");
            assert!(hop.went_well() && hop.message().starts_with("answered 200 from the cache"));
        }
    }
    wait("all are counted as stale", || {
        let traffic = edge.roll_up().services.remove(&ServiceId::from("web")).unwrap();
        assert_eq!(traffic.failed, 0);
        stale.set(stale.get() + traffic.cache.stale);
        stale.get() == 20
    });
    // What was never stored is an error, and so is a request that passes by.
    assert_eq!(status(&get(at, "/c/2", "")) / 100, 5);
    assert_eq!(status(&get(at, "/c/1", "range: bytes=0-1\r\n")) / 100, 5);
}

#[test]
fn response_that_must_be_validated_is_never_stale() {
    for (headers, own) in [
        ("cache-control: no-cache\r\netag: \"a\"\r\n", 502),
        ("cache-control: max-age=0, must-revalidate\r\n", 502),
        ("cache-control: max-age=0, proxy-revalidate\r\n", 502),
        ("cache-control: s-maxage=0\r\n", 502),
        ("cache-control: max-age=0, stale-if-error=0\r\n", 502),
        ("cache-control: s-maxage=0, stale-if-error=60\r\n", 200),
        ("cache-control: max-age=0\r\n", 200),
    ] {
        let server = Server::new(move |_| Some(response(headers, "old")));
        let edge = caching(&[server.at], "");
        let at = door(&edge, false);
        assert_eq!(status(&get(at, "/c/1", "")), 200);
        cut_off(&edge, "");
        let answered = status(&get(at, "/c/1", ""));
        assert!(answered == own || (own == 502 && answered == 503), "{headers} {answered}");
    }
}

#[test]
fn server_errors_are_replaced_and_recovery_is_seen_at_once() {
    let status_now = Arc::new(AtomicU16::new(200));
    let (shown, count) = (status_now.clone(), AtomicUsize::new(0));
    let server = Server::new(move |_| {
        let (code, number) = (shown.load(Ordering::Relaxed), count.fetch_add(1, Ordering::Relaxed));
        let text = format!("n{number}");
        Some(format!("HTTP/1.1 {code} X\r\ncontent-length: {}\r\n\r\n{text}", text.len()).into_bytes())
    });
    let edge = caching(&[server.at], "");
    let at = door(&edge, false);
    assert_eq!(body(&get(at, "/c/1", "")), "n0");
    for code in [500, 502, 503, 504] {
        status_now.store(code, Ordering::Relaxed);
        let answer = get(at, "/c/1", "");
        assert_eq!((status(&answer), body(&answer)), (200, "n0"), "{code}");
    }
    // For a second after a failure the servers are not asked.
    assert_eq!(server.asked(), 2);
    status_now.store(200, Ordering::Relaxed);
    wait("a new response", || body(&get(at, "/c/1", "")) != "n0");
    // Others than these are the answer.
    status_now.store(404, Ordering::Relaxed);
    assert_eq!(status(&get(at, "/c/1", "")), 404);
    status_now.store(503, Ordering::Relaxed);
    assert_eq!(status(&get(at, "/c/1", "")), 503, "what the 404 replaced is gone");
}

#[test]
fn stale_response_is_refreshed_in_the_background() {
    let count = AtomicUsize::new(0);
    let server = Server::new(move |_| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let age = if number == 0 { "age: 100\r\n" } else { "" };
        let headers = format!("cache-control: max-age=60, stale-while-revalidate=600\r\n{age}");
        Some(response(&headers, &format!("n{number}")))
    });
    let edge = caching(&[server.at], "");
    let at = door(&edge, false);
    assert_eq!(body(&get(at, "/c/1", "")), "n0");
    let answer = get(at, "/c/1", "cookie: session=1\r\n");
    assert_eq!(body(&answer), "n0");
    assert!(field(&answer, "cache-status").unwrap().contains("detail=stale-while-revalidate"), "{answer}");
    wait("the new response", || body(&get(at, "/c/1", "")) == "n1");
    assert_eq!(server.asked(), 2);
    let seen = String::from_utf8(server.seen.lock().unwrap()[1].clone()).unwrap();
    assert!(!seen.contains("cookie"), "{seen}");
}

#[test]
fn empty_pool_is_answered_by_what_is_stored() {
    let server = Server::saying(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let edge = caching(&[server.at], "");
    let at = door(&edge, false);
    assert_eq!(status(&get(at, "/c/1", "")), 200);
    let traffic = super::rules("");
    let parts = ConfigParts { traffic: &traffic, ..ConfigParts::default() };
    let mut terms = terms(&[nowhere()], &parts);
    let mut config = (*terms.policy.config).clone();
    config.pools.values_mut().for_each(|pool| pool.servers.iter_mut().for_each(|server| server.drain = true));
    terms.policy.config = Arc::new(config);
    edge.reload(&terms).unwrap();
    let answer = get(at, "/c/1", "");
    assert_eq!((status(&answer), body(&answer)), (200, "ok"), "{answer}");
}
