//! Servers that fail, are drained, come back; certificates that are not theirs.

use crate::fixture::{
    ConfigParts, GET, OK, Server, answer, ask, connect, door, edge, listening, status, terms, wait,
};
use std::io::{Read, Write};
use std::net::TcpListener;

/// An address without a listener.
fn nobody() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn dead_server_fails_no_request() {
    let server = Server::saying(OK);
    let edge = edge(&[nobody(), server.at], &ConfigParts::default());
    let answers: Vec<u16> = (0..40).map(|_| status(&ask(door(&edge, false), GET))).collect();
    assert!(answers.iter().filter(|status| **status == 200).count() >= 38, "{answers:?}");
}

#[test]
fn attempts_to_connect_are_counted_with_the_request_that_a_connection_broke_at() {
    // Accepts and reads a request, and ends without an answer.
    let ends = Server::new(|_| None);
    for (server, why) in [(nobody(), "refused"), (ends.at, "broken"), (Server::saying(OK).at, "accepted")] {
        let edge = edge(&[server], &ConfigParts::default());
        ask(door(&edge, false), "GET /login?token=secret HTTP/1.1\r\nhost: a.test\r\n\r\n");
        let pools = edge.roll_up().pools;
        let connects = &pools.values().next().unwrap().servers[0].connects;
        let seen = (connects.accepted > 0, connects.refused > 0, connects.broken > 0, connects.listens);
        let expected = match why {
            "refused" => (false, true, false, false),
            "broken" => (true, false, true, true),
            _ => (true, false, false, true),
        };
        assert_eq!(seen, expected, "{why}");
        assert_eq!(connects.request.as_deref(), (why == "broken").then_some("GET /login"), "{why}");
    }
}

#[test]
fn no_server_is_answered_503_with_retry_after() {
    let edge = edge(&[nobody()], &ConfigParts::default());
    let response = ask(door(&edge, false), GET);
    assert!(matches!(status(&response), 502 | 503), "{response}");
}

#[test]
fn a_refused_request_keeps_its_connection_whenever_its_body_comes() {
    let mut terms = terms(&[nobody()], &ConfigParts::default());
    let config = std::sync::Arc::get_mut(&mut terms.policy.config).unwrap();
    config.pools.values_mut().flat_map(|pool| &mut pool.servers).for_each(|server| server.drain = true);
    let edge = edge::Edge::start(&terms, tokens::Key::new([7; 32])).unwrap();
    let mut socket = connect(door(&edge, false));
    let refused = |socket: &mut std::net::TcpStream| {
        let response = answer(socket);
        assert!(
            status(&response) == 503 && response.contains("retry-after") && !response.contains("connection"),
            "{response}"
        );
    };
    for _ in 0..3 {
        socket.write_all(b"POST /login HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nagain").unwrap();
        refused(&mut socket);
        socket.write_all(b"POST /login HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\na").unwrap();
        // So that the edge reads them apart; if it does not, less is shown and nothing fails.
        (0..1_000).for_each(|_| std::thread::yield_now());
        socket.write_all(b"gain").unwrap();
        refused(&mut socket);
        socket.write_all(GET.as_bytes()).unwrap();
        refused(&mut socket);
    }
}

#[test]
fn a_stale_connection_is_tried_again_on_a_fresh_one() {
    // Answers once on each connection, and closes as soon as the next request is there.
    let at = listening(|mut socket| {
        use std::io::Read;
        let mut some = [0; 4096];
        let _ = socket.read(&mut some);
        let _ = socket.write_all(OK);
        let _ = socket.read(&mut some);
    });
    let edge = edge(&[at], &ConfigParts::default());
    for _ in 0..5 {
        assert_eq!(status(&ask(door(&edge, false), GET)), 200);
    }
}

#[test]
fn response_that_is_not_http_is_a_502() {
    for garbage in [
        &b"SSH-2.0-x\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\na : b\r\n\r\n",
    ] {
        let server = Server::saying(Box::leak(garbage.to_vec().into_boxed_slice()));
        let edge = edge(&[server.at], &ConfigParts::default());
        let response = ask(door(&edge, false), GET);
        assert_eq!(status(&response), 502, "{}", garbage.escape_ascii());
        let id = response.split("x-request-id: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let id = edge::telemetry::TraceId::read(id.as_bytes()).unwrap();
        wait("its trace is kept", || edge.telemetry().trace(id).is_some_and(|trace| trace.hops.len() == 1));
    }
}

#[test]
fn interim_responses_are_forwarded_and_limited() {
    const HINTS: &[u8] =
        b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\ncontent-length: 5\r\n\r\n";
    let two = [b"HTTP/1.1 102 Processing\r\n\r\n", HINTS, HINTS, OK].concat();
    let server = Server::new(move |_| Some(two.clone()));
    let edge_two = edge(&[server.at], &ConfigParts::default());
    let mut client = connect(door(&edge_two, false));
    for _ in 0..2 {
        client.write_all(GET.as_bytes()).unwrap();
        let response = answer(&mut client);
        assert!(status(&response) == 200 && response.ends_with("ok"), "{response}");
        let heads = ["102 Processing\r\n\r\n", "103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"];
        assert!(heads.iter().all(|head| response.contains(head)), "{response}");
    }
    // A server that never comes to the point.
    let at = listening(|mut socket| {
        let mut some = [0; 4096];
        let _ = socket.read(&mut some);
        while socket.write_all(HINTS).is_ok() {}
    });
    let edge = edge(&[at], &ConfigParts::default());
    let response = ask(door(&edge, false), GET);
    assert_eq!(status(&response), 502, "{response}");
}

#[test]
fn a_reload_changes_servers_between_two_requests_of_one_connection() {
    let (one, two) = (Server::saying(OK), Server::saying(OK));
    let edge = edge(&[one.at], &ConfigParts::default());
    let mut socket = connect(door(&edge, false));
    for server in [&one, &two, &one] {
        edge.reload(&terms(&[server.at], &ConfigParts::default())).unwrap();
        let before = server.asked();
        socket.write_all(GET.as_bytes()).unwrap();
        assert_eq!(status(&answer(&mut socket)), 200);
        assert_eq!(server.asked(), before + 1);
    }
    // A door of its own for the new configuration, none for the old.
    edge.reload(&terms(&[one.at], &ConfigParts { edge: "listen_tls = [\"127.0.0.1:0\"]\n[[edge.certificate]]\nchain = \"/none.pem\"\nkey = \"/none.key\"", ..ConfigParts::default() }))
        .unwrap();
    assert_eq!(edge.listening().len(), 2);
}

#[test]
fn health_takes_a_server_out_and_back() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let well = Arc::new(AtomicBool::new(true));
    let is_well = Arc::clone(&well);
    let sick = Server::new(move |request| {
        let health = request.starts_with(b"GET /health ");
        Some(if health && !is_well.load(Ordering::Relaxed) {
            b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_vec()
        } else {
            OK.to_vec()
        })
    });
    let fine = Server::saying(OK);
    let parts = ConfigParts {
        pool: "health = { path = \"/health\", interval = \"1s\", timeout = \"500ms\", fall = 1, rise = 1 }",
        ..ConfigParts::default()
    };
    let edge = edge(&[sick.at, fine.at], &parts);
    let serves = |at: std::net::SocketAddr| {
        let rollup = edge.roll_up();
        let pool = rollup.pools.values().next().unwrap().clone();
        pool.servers
            .iter()
            .find(|server| server.address == at.to_string())
            .is_some_and(|server| server.state.serves())
    };
    wait("both serve", || serves(sick.at) && serves(fine.at));
    well.store(false, Ordering::Relaxed);
    wait("the sick one is out", || !serves(sick.at));
    well.store(true, Ordering::Relaxed);
    wait("it is back", || serves(sick.at));
}

#[test]
fn a_certificate_that_is_not_the_servers_is_a_502_without_retries_or_ejection() {
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["other.test".to_owned(), "more.test".to_owned()]).unwrap();
    let trust = folder.path().join("trust.pem");
    std::fs::write(&trust, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let tried = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&tried);
    let at = listening(move |mut socket| {
        count.fetch_add(1, Ordering::Relaxed);
        let mut session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        while session.is_handshaking() {
            if session.complete_io(&mut socket).is_err() {
                return;
            }
        }
        let mut stream = rustls::Stream::new(&mut session, &mut socket);
        let mut some = [0; 4096];
        let _ = std::io::Read::read(&mut stream, &mut some);
        let _ = stream.write_all(OK);
    });
    let site = format!("extra_ca_files = [\"{}\"]", trust.display());
    let parts = |name| ConfigParts {
        site: Box::leak(site.clone().into_boxed_str()),
        pool: name,
        ..ConfigParts::default()
    };
    let edge = edge(&[at], &parts("tls = \"app.internal\""));
    for _ in 0..5 {
        let response = ask(door(&edge, false), GET);
        assert!(status(&response) == 502 && response.contains("certificate"), "{response}");
    }
    assert_eq!(tried.load(Ordering::Relaxed), 5, "one connection for each request");
    let rollup = edge.roll_up();
    let pool = rollup.pools.values().next().unwrap();
    let (expected, why) = pool.certificate.clone().unwrap();
    assert_eq!(expected, "app.internal");
    assert!(why.contains("other.test") && why.contains("more.test"), "{why}");
    assert!(pool.servers.iter().all(|server| server.state.serves()), "{pool:?}");
    // Called by the name that it has, it is fine.
    edge.reload(&terms(&[at], &parts("tls = \"other.test\""))).unwrap();
    assert_eq!(status(&ask(door(&edge, false), GET)), 200);
}

#[test]
fn a_hundred_reloads_fail_no_request() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    let servers = [Server::saying(OK), Server::saying(OK)];
    let parts = || ConfigParts { pool: "initial_concurrency = 100", ..ConfigParts::default() };
    let edge = edge(&[servers[0].at, servers[1].at], &parts());
    let at = door(&edge, false);
    let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default());
    let failed: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let clients: Vec<_> = (0..4)
        .map(|n| {
            let (over, failed, served) = (Arc::clone(&over), Arc::clone(&failed), Arc::clone(&served));
            std::thread::spawn(move || {
                let mut socket = connect(at);
                let mut asked = 0;
                while !over.load(Ordering::Relaxed) {
                    // Some keep their connection for all of it, some come again each time.
                    if n % 2 == 0 && asked % 5 == 0 {
                        socket = connect(at);
                    }
                    asked += 1;
                    let _ = socket.write_all(GET.as_bytes());
                    let response = answer(&mut socket);
                    if status(&response) == 200 {
                        served.fetch_add(1, Ordering::Relaxed);
                    } else {
                        failed.lock().unwrap().push(response);
                    }
                }
            })
        })
        .collect();
    for n in 0..100 {
        let some = if n % 3 == 0 { vec![servers[0].at] } else { vec![servers[1].at, servers[0].at] };
        edge.reload(&terms(&some, &parts())).unwrap();
        let before = served.load(Ordering::Relaxed);
        wait("requests between reloads", || served.load(Ordering::Relaxed) > before + 10);
    }
    over.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    let failed = failed.lock().unwrap();
    assert!(
        failed.is_empty(),
        "{} of {}: {:?}",
        failed.len(),
        served.load(Ordering::Relaxed),
        failed.first()
    );
}

#[test]
fn bodies_that_come_slowly_hold_no_place_of_a_server() {
    let server = Server::saying(OK);
    let parts =
        ConfigParts { pool: "initial_concurrency = 2\nmax_concurrency = 2", ..ConfigParts::default() };
    let edge = edge(&[server.at], &parts);
    let slow: Vec<_> = (0..20)
        .map(|_| {
            let mut client = connect(door(&edge, false));
            client.write_all(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nhalf").unwrap();
            client
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(status(&ask(door(&edge, false), GET)), 200);
    }
    assert_eq!(server.asked(), 20, "nothing of the slow ones has reached the server");
    for (n, mut client) in slow.into_iter().enumerate() {
        client.write_all(b" done").unwrap();
        assert_eq!(status(&answer(&mut client)), 200, "{n}");
    }
    let seen = server.seen.lock().unwrap();
    assert!(seen.iter().filter(|request| request.ends_with(b"\r\n\r\nhalf done")).count() == 20);
}

/// How many of forty clients that come together reach a server of which nothing is known, before it has answered any.
fn crowd_at_start(initial: Option<u32>) -> usize {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    const CROWD: usize = 40;
    let (there, answers) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let (arrived, may) = (Arc::clone(&there), Arc::clone(&answers));
    let server = Server::new(move |_| {
        arrived.fetch_add(1, Ordering::Relaxed);
        wait("the end of the count", || may.load(Ordering::Relaxed));
        Some(OK.to_vec())
    });
    let parts = ConfigParts { edge: "trusted_proxies = [\"127.0.0.0/8\"]", ..ConfigParts::default() };
    let mut terms = terms(&[server.at], &parts);
    terms.policy.initial_concurrency = initial.map(|initial| ("web".into(), initial)).into_iter().collect();
    let edge = edge::Edge::start(&terms, tokens::Key::new([7; 32])).unwrap();
    let at = door(&edge, false);
    let clients: Vec<_> = (0..CROWD)
        .map(|n| {
            let head = format!("GET / HTTP/1.1\r\nhost: a.test\r\nx-forwarded-for: 192.0.2.{n}\r\n\r\n");
            std::thread::spawn(move || status(&ask(at, &head)))
        })
        .collect();
    // All of them are at the server, or wait in the queue.
    let pool = || edge.roll_up().pools.into_values().next().unwrap_or_default();
    wait("the crowd", || {
        let pool = pool();
        (pool.inflight + pool.waiting) as usize == CROWD
            && pool.inflight as usize == there.load(Ordering::Relaxed)
    });
    let reached = there.load(Ordering::Relaxed);
    answers.store(true, Ordering::Relaxed);
    let served =
        clients.into_iter().map(|client| client.join().unwrap()).filter(|status| *status == 200).count();
    assert_eq!(served, CROWD, "nobody is refused");
    reached
}

/// A load test found that the server has forty concurrent requests at its knee: a crowd at the start need not wait.
#[test]
fn known_knee_lets_a_crowd_in_at_the_start() {
    assert_eq!(crowd_at_start(Some(40)), 40);
    let without = crowd_at_start(None);
    assert!((8..40).contains(&without), "{without}");
    // Less than the default is never applied.
    assert!(crowd_at_start(Some(1)) >= 8);
}
