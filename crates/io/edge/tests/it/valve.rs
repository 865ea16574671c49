//! The valve over real sockets: who is let in, and what the others get.

use crate::fixture::{ConfigParts, GET, OK, Server, ask, connect, door, status, terms};
use edge::telemetry::TraceId;
use edge::{Edge, Terms};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use types::trace::Verdict;
use types::{Time, Valve};

const PARTS: ConfigParts<'_> = ConfigParts {
    site: "",
    edge: "trusted_proxies = [\"127.0.0.1/32\"]",
    traffic: "priority_paths = [\"/pay/*\", \"/health\"]",
    pool: "health = { path = \"/health\", interval = \"1h\" }",
    more: "[caller.front]\ntoken = \"env:FRONT_TOKEN\"",
};

/// Terms with the valve of the service at a position.
fn at_position(servers: &[SocketAddr], percent: u8, limited: bool) -> Terms {
    let mut terms = terms(servers, &PARTS);
    terms.tokens.insert("front".into(), "a long secret".into());
    let now = Time::now();
    let valve = Valve {
        number: 1,
        service: "web".into(),
        percent,
        limited,
        ramp_from: None,
        since: now,
        changed: now,
        by: "ana".to_owned(),
        usual: None,
    };
    if !valve.is_open() {
        terms.policy.valves.insert(valve.service.clone(), valve);
    }
    terms
}

struct Site {
    server: Server,
    edge: Edge,
    at: SocketAddr,
}

impl Site {
    fn new(server: Server) -> Self {
        let edge = Edge::start(&at_position(&[server.at], 100, false), tokens::Key::new([7; 32])).unwrap();
        let at = door(&edge, false);
        Self { server, edge, at }
    }

    fn set(&self, percent: u8, limited: bool) {
        self.edge.reload(&at_position(&[self.server.at], percent, limited)).unwrap();
    }

    fn ask_as(&self, client: usize, path: &str, fields: &str) -> String {
        let address = format!("198.51.{}.{}", client / 200, client % 200 + 1);
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: a.test\r\nx-forwarded-for: {address}\r\n{fields}\r\n");
        ask(self.at, &head)
    }

    fn inside(&self, clients: usize) -> Vec<usize> {
        (0..clients).filter(|client| status(&self.ask_as(*client, "/", "")) == 200).collect()
    }
}

fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.split(&format!("\r\n{name}: ")).nth(1)?.split("\r\n").next()
}

#[test]
fn same_clients_stay_in_while_it_opens() {
    let site = Site::new(Server::saying(OK));
    let clients = 300;
    let mut before: Vec<usize> = Vec::new();
    for (percent, least, most) in [(0, 0, 0), (20, 35, 90), (30, 60, 125), (80, 210, 270), (100, 300, 300)] {
        site.set(percent, false);
        let inside = site.inside(clients);
        assert!((least..=most).contains(&inside.len()), "{percent} %: {} of {clients}", inside.len());
        assert!(before.iter().all(|client| inside.contains(client)), "{percent} %");
        assert_eq!(inside, site.inside(clients), "the same clients again");
        before = inside;
    }
}

#[test]
fn held_out_event_stream_reconnects_when_it_is_told_to() {
    let site = Site::new(Server::saying(OK));
    site.set(0, false);
    let events = site.ask_as(1, "/events", "accept: text/event-stream\r\n");
    assert_eq!(
        (status(&events), field(&events, "content-type")),
        (200, Some("text/event-stream")),
        "{events}"
    );
    let (_, retry) = events.split_once("\r\n\r\nretry: ").unwrap();
    let retry: u64 = retry.trim().parse().unwrap();
    assert!((22_500..=37_500).contains(&retry), "{events}");
    assert_eq!(field(&events, "retry-after"), Some(&*retry.div_ceil(1_000).to_string()), "{events}");
}

#[test]
fn held_out_client_gets_a_form_that_fits_it() {
    let site = Site::new(Server::saying(OK));
    site.set(0, false);
    let browser = "accept: text/html,*/*\r\n";
    let page = site.ask_as(1, "/", browser);
    assert_eq!(status(&page), 503, "{page}");
    assert_eq!(field(&page, "content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(field(&page, "cache-control"), Some("no-store"));
    assert!(
        field(&page, "content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'; style-src 'sha256-")
    );
    let refresh: u64 = field(&page, "refresh").unwrap().parse().unwrap();
    assert!(
        (22..=38).contains(&refresh) && field(&page, "retry-after") == Some(&*refresh.to_string()),
        "{page}"
    );
    assert!(page.contains("<h1>Please wait a moment</h1>") && page.contains("not known yet"), "{page}");

    let api = site.ask_as(1, "/", "accept: application/json\r\n");
    assert_eq!((status(&api), field(&api, "content-type")), (503, Some("application/problem+json")));
    assert!(field(&api, "retry-after").is_some() && field(&api, "refresh").is_none(), "{api}");
    let post =
        ask(site.at, &format!("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n{browser}\r\n"));
    assert!(status(&post) == 503 && field(&post, "refresh").is_none(), "a form is not sent twice: {post}");
    let grpc =
        "POST /x HTTP/1.1\r\nhost: a.test\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n";
    let grpc = ask(site.at, grpc);
    assert_eq!((status(&grpc), field(&grpc, "grpc-status")), (200, Some("14")), "{grpc}");
    assert!(field(&grpc, "grpc-retry-pushback-ms").is_some(), "{grpc}");
    let socket = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    assert_eq!(status(&site.ask_as(1, "/", socket)), 503, "an open is held out too");
    assert_eq!(site.server.asked(), 0, "nothing reached a server");
    for path in ["/health", "/pay/card"] {
        assert_eq!(status(&site.ask_as(1, path, browser)), 200, "{path}");
    }

    let id = TraceId::read(field(&page, "x-request-id").unwrap().as_bytes()).unwrap();
    let trace = site.edge.telemetry().trace(id).unwrap();
    assert_eq!((trace.hops[0].verdict, trace.hops[0].why.as_deref()), (Verdict::Held, Some("valve 0 %")));
    let rollup = site.edge.roll_up();
    let traffic = &rollup.services[&"web".into()];
    assert_eq!((traffic.held, traffic.passed, traffic.failed, traffic.shed), (5, 2, 0, 0), "{traffic:?}");
}

#[test]
fn limited_mode_serves_priority_paths_alone() {
    let site = Site::new(Server::saying(OK));
    site.set(100, true);
    assert_eq!(status(&site.ask_as(1, "/pay/card", "")), 200);
    let page = site.ask_as(1, "/", "accept: text/html\r\n");
    assert!(status(&page) == 503 && page.contains("switched off"), "{page}");
    site.set(0, true);
    assert_eq!(status(&site.ask_as(1, "/pay/card", "")), 503, "neither recognized nor let in");
    assert_eq!(status(&site.ask_as(1, "/health", "")), 200, "a health check is no client");
}

#[test]
fn request_of_a_caller_counts_as_that_of_its_client() {
    let site = Site::new(Server::saying(OK));
    let clients = 40;
    (0..clients).for_each(|client| assert_eq!(status(&site.ask_as(client, "/", "")), 200));
    // What the servers received, to be copied into the calls that they make for the request.
    let seen = site.server.seen.lock().unwrap().clone();
    let forwarded: Vec<String> = seen
        .iter()
        .filter_map(|request| {
            let text = String::from_utf8_lossy(request).into_owned();
            text.to_ascii_lowercase().find("\r\nmainstay-client: ").map(|at| {
                text[at..].trim_start().split("\r\n").next().unwrap().split_once(": ").unwrap().1.to_owned()
            })
        })
        .collect();
    assert_eq!(forwarded.len(), clients);
    site.set(50, false);
    let inside = site.inside(clients);
    assert!(!inside.is_empty() && inside.len() < clients);
    for (client, header) in forwarded.iter().enumerate() {
        let fields = format!("mainstay-caller: a long secret\r\nmainstay-client: {header}\r\n");
        let served = status(&site.ask_as(999, "/", &fields)) == 200;
        assert_eq!(served, inside.contains(&client), "client {client}");
    }
    let own = "mainstay-caller: a long secret\r\n";
    assert_eq!(status(&site.ask_as(999, "/", own)), 200, "for itself it is no client");
    site.set(0, false);
    assert_eq!(status(&site.ask_as(999, "/", own)), 503);
}

#[test]
fn probe_of_mainstay_passes_and_no_other() {
    let site = Site::new(Server::saying(OK));
    site.set(0, false);
    let tokens = edge::ProbeTokens::new(&tokens::Key::new([7; 32]), Time::now());
    let probe = |host| format!("mainstay-probe: {}\r\n", tokens.token(host, Time::now()));
    assert_eq!(status(&site.ask_as(1, "/", &probe("a.test"))), 200);
    assert_eq!(status(&site.ask_as(1, "/", &probe("b.test"))), 503, "a token of another host");
    assert_eq!(status(&site.ask_as(1, "/", "mainstay-probe: x\r\n")), 503);
    let received = site.server.seen.lock().unwrap().concat();
    assert!(!String::from_utf8_lossy(&received).to_ascii_lowercase().contains("mainstay-probe"));
}

#[test]
fn open_tunnel_goes_on_when_the_valve_closes() {
    let switch: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n";
    let at = crate::fixture::listening(move |mut socket| {
        let mut rest = Vec::new();
        let Some(request) = crate::fixture::request(&mut socket, &mut rest) else { return };
        if request.starts_with(b"GET /health") {
            let _ = socket.write_all(OK);
            return;
        }
        let _ = socket.write_all(switch);
        let mut bytes = [0; 64];
        while let Ok(got @ 1..) = socket.read(&mut bytes) {
            let _ = socket.write_all(&bytes[..got]);
        }
    });
    let edge = Edge::start(&at_position(&[at], 100, false), tokens::Key::new([7; 32])).unwrap();
    let mut tunnel = connect(door(&edge, false));
    tunnel
        .write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n")
        .unwrap();
    assert_eq!(status(&crate::fixture::answer(&mut tunnel)), 101);
    edge.reload(&at_position(&[at], 0, false)).unwrap();
    assert_eq!(status(&ask(door(&edge, false), GET)), 503);
    tunnel.write_all(b"still here").unwrap();
    let mut bytes = [0; 10];
    tunnel.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"still here");
}
