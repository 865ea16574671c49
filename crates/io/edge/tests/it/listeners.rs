//! Doors under pressure: full tables, silent clients, another process on the same address.

use crate::fixture::{ConfigParts, PATIENCE, Server, all, answer, connect, door, edge, terms};
use edge::{Edge, Sharing, StartError};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n";

/// Asks by a new connection until one is let in: a connection makes room once it is idle for a tick.
fn enters(at: SocketAddr) -> TcpStream {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut socket = connect(at);
        if socket.write_all(ASK).is_ok() && answer(&mut socket).starts_with("HTTP/1.1 200") {
            return socket;
        }
        assert!(Instant::now() < until, "nobody makes room");
    }
}

fn is_closed(socket: &mut TcpStream) -> bool {
    matches!(socket.read(&mut [0; 64]), Ok(0)) || socket.read(&mut [0]).is_err()
}

#[test]
fn full_edge_closes_longest_idle_connection_only() {
    let (held, release) = std::sync::mpsc::channel::<()>();
    let release = std::sync::Mutex::new(release);
    let server = Server::new(move |asked| {
        if asked.starts_with(b"GET /slow") {
            let _ = release.lock().unwrap().recv_timeout(PATIENCE);
        }
        Some(OK.to_vec())
    });
    let parts = ConfigParts { edge: "limits = { max_connections = 3 }", ..ConfigParts::default() };
    let edge = edge(&[server.at], &parts);
    let at = door(&edge, false);
    let mut served = connect(at);
    served.write_all(b"GET /slow HTTP/1.1\r\nhost: a.test\r\n\r\n").unwrap();
    let mut half = connect(at);
    half.write_all(b"GET / HTTP/1.1\r\nhost: a").unwrap();
    let mut idle = enters(at);
    let mut second = enters(at);
    assert!(is_closed(&mut half), "half a head is no request");
    let mut third = enters(at);
    assert!(is_closed(&mut idle));
    held.send(()).unwrap();
    assert!(answer(&mut served).starts_with("HTTP/1.1 200"), "it had a request under way");
    for socket in [&mut second, &mut third] {
        socket.write_all(ASK).unwrap();
        assert!(answer(socket).starts_with("HTTP/1.1 200"));
    }
}

#[test]
fn beginning_that_comes_byte_by_byte_is_read_whole() {
    let server = Server::saying(OK);
    let parts = ConfigParts { edge: "proxy_protocol = [\"127.0.0.1/32\"]", ..ConfigParts::default() };
    for (parts, before) in
        [(ConfigParts::default(), &b""[..]), (parts, b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 80\r\n")]
    {
        let edge = edge(&[server.at], &parts);
        let mut socket = connect(door(&edge, false));
        // The beginning of PRI as well as of POST.
        for byte in [before, b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n\r\n"].concat() {
            socket.write_all(&[byte]).unwrap();
        }
        assert!(answer(&mut socket).starts_with("HTTP/1.1 200"));
        // A client that says no more than that is not waited for.
        let mut socket = connect(door(&edge, false));
        socket.write_all(b"P").unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let asked = Instant::now();
        let _ = socket.read_to_end(&mut Vec::new());
        assert!(asked.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn second_edge_on_an_address_is_refused_unless_it_takes_over() {
    let server = Server::saying(OK);
    let terms = terms(&[server.at], &ConfigParts::default());
    let first = Edge::start(&terms, tokens::Key::new([7; 32])).unwrap();
    let at = door(&first, false);
    let mut config = (*terms.policy.config).clone();
    config.edge.as_mut().unwrap().listen = vec![at];
    let mut terms = terms;
    terms.policy.config = std::sync::Arc::new(config);
    let refused = Edge::start(&terms, tokens::Key::new([7; 32])).err().unwrap();
    assert!(matches!(refused, StartError::Taken { at: taken } if taken == at), "{refused}");
    assert!(refused.to_string().contains(&at.to_string()));
    let second = Edge::start_sharing(&terms, tokens::Key::new([7; 32]), Sharing::Allowed).unwrap();
    first.stop(Duration::from_secs(1));
    for _ in 0..8 {
        assert!(all(at, ASK).starts_with("HTTP/1.1 200"));
    }
    drop(second);
    Edge::start(&terms, tokens::Key::new([7; 32])).unwrap();
}

#[test]
fn health_path_is_answered_by_the_edge_for_any_host_and_every_host_has_a_service() {
    let server = Server::saying(OK);
    let more = "[service.rest]\nhosts = [\"*\"]\n[service.rest.traffic]\npool = \"web\"";
    let parts = ConfigParts { edge: "health_path = \"/up\"", more, ..ConfigParts::default() };
    let edge = edge(&[server.at], &parts);
    let at = door(&edge, false);
    for head in
        ["GET /up HTTP/1.0\r\n\r\n", "GET /up?x HTTP/1.1\r\nhost: 192.0.2.1\r\nconnection: close\r\n\r\n"]
    {
        assert!(all(at, head.as_bytes()).ends_with("\r\n\r\nok\n"), "{head}");
    }
    assert_eq!(
        (server.asked(), edge.roll_up().services.values().map(|service| service.requests).sum()),
        (0, 0)
    );
    for host in ["nowhere.test", "192.0.2.1:8080", "a.test"] {
        let response = all(at, format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes());
        assert!(response.starts_with("HTTP/1.1 200"), "{host}: {response}");
    }
    let requests = edge.roll_up().services.into_iter().map(|(id, service)| (id.0, service.requests));
    assert_eq!(requests.collect::<Vec<_>>(), [("rest".to_owned(), 2), ("web".to_owned(), 1)]);
}

#[test]
fn denial_ends_tunnels_and_idle_connections_of_its_client_and_names_itself() {
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let server = Server::new(move |asked| {
        Some(if asked.starts_with(b"GET /ws") { switched.to_vec() } else { OK.to_vec() })
    });
    let mut terms = terms(&[server.at], &ConfigParts::default());
    let edge = Edge::start(&terms, tokens::Key::new([7; 32])).unwrap();
    let at = door(&edge, false);
    let mut tunnel = connect(at);
    let upgrade = "GET /ws HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    tunnel.write_all(upgrade.as_bytes()).unwrap();
    let response = answer(&mut tunnel);
    assert!(response.starts_with("HTTP/1.1 101"), "{response}");
    let mut idle = enters(at);
    let until = types::time::later(types::Time::now(), Duration::from_secs(600));
    let denial = |what: &str| types::Denial {
        id: types::DenialId(7),
        what: what.parse().unwrap(),
        service: None,
        from: types::Time::now(),
        until,
        by: "ana".to_owned(),
    };
    terms.policy.denials.insert(types::DenialId(7), denial("192.0.2.0/24"));
    edge.reload(&terms).unwrap();
    let mut also = enters(at);
    terms.policy.denials.insert(types::DenialId(7), denial("::ffff:127.0.0.1"));
    edge.reload(&terms).unwrap();
    for socket in [&mut tunnel, &mut idle, &mut also] {
        assert!(is_closed(socket));
    }
    let response = all(at, ASK);
    assert!(response.starts_with("HTTP/1.1 403"), "{response}");
    let id = response.split("x-request-id: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let id = edge::telemetry::TraceId::read(id.as_bytes()).unwrap();
    let trace = edge.telemetry().trace(id).unwrap();
    let why = trace.hops[0].why.clone().unwrap();
    assert!(why.starts_with("denial-7: 127.0.0.1/32 until ") && why.ends_with("by ana"), "{why}");
}
