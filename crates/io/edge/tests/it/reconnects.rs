//! WebSockets and event streams: paced when they are opened, closed gradually when their server or the edge drains.

use crate::fixture::{
    ConfigParts, PATIENCE, all, answer, connect, door, edge, find, listening, status, terms, wait,
};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const UPGRADE: &[u8] = b"GET /socket HTTP/1.1\r\nhost: a.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const EVENTS: &[u8] = b"GET /events HTTP/1.1\r\nhost: a.test\r\naccept: text/event-stream\r\n\r\n";
/// A text frame of a server, and the first bytes of a Close frame of a client with a mask of zeros.
const TEXT: [u8; 4] = [0x81, 2, b'h', b'i'];
const CLIENT_CLOSE: [u8; 6] = [0x88, 0x82, 0, 0, 0, 0];

/// A server of WebSockets that answers each message by a text frame, and closes on a Close frame.
#[derive(Clone, Default)]
struct Sockets {
    is_down: Arc<AtomicBool>,
    open: Arc<AtomicU32>,
    highest: Arc<AtomicU32>,
    closes: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Sockets {
    fn start(&self) -> SocketAddr {
        let server = self.clone();
        listening(move |mut socket| server.serve(&mut socket))
    }

    fn serve(&self, socket: &mut TcpStream) {
        let (mut head, mut some) = (Vec::new(), [0; 4096]);
        while find(&head, b"\r\n\r\n").is_none() {
            match socket.read(&mut some) {
                Ok(got) if got > 0 => head.extend_from_slice(&some[..got]),
                _ => return,
            }
        }
        if self.is_down.load(Ordering::SeqCst) {
            return;
        }
        if find(&head, b"upgrade: websocket").is_none() {
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            return;
        }
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.highest.fetch_max(open, Ordering::SeqCst);
        if socket.write_all(SWITCHED).is_ok() {
            self.talk(socket, &mut some);
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    fn talk(&self, socket: &mut TcpStream, some: &mut [u8]) {
        let _ = socket.set_read_timeout(Some(Duration::from_millis(50)));
        while !self.is_down.load(Ordering::SeqCst) {
            match socket.read(some) {
                Ok(0) => return,
                Ok(got) if some[0] == CLIENT_CLOSE[0] => {
                    self.closes.lock().unwrap().push(some[..got].to_vec());
                    return;
                }
                Ok(_) => {
                    if socket.write_all(&TEXT).is_err() {
                        return;
                    }
                }
                Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

/// Opens a WebSocket. `None` when it is refused.
fn open(at: SocketAddr) -> Option<TcpStream> {
    let mut socket = connect(at);
    socket.write_all(UPGRADE).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    head.starts_with(b"HTTP/1.1 101 ").then_some(socket)
}

fn is_alive(mut socket: &TcpStream) -> bool {
    let mut back = [0; 4];
    socket.write_all(b"message").is_ok() && socket.read_exact(&mut back).is_ok() && back == TEXT
}

/// The code of the Close frame that comes next. It is answered, and the end is waited for.
fn closed(socket: &mut TcpStream) -> u16 {
    let mut frame = [0; 4];
    socket.read_exact(&mut frame).unwrap();
    assert_eq!(frame[..2], [0x88, 2]);
    socket.write_all(&[&CLIENT_CLOSE[..], &frame[2..]].concat()).unwrap();
    assert_eq!(socket.read(&mut frame).unwrap(), 0);
    u16::from_be_bytes([frame[2], frame[3]])
}

#[test]
fn websockets_of_a_drained_server_get_1012_one_after_the_other_and_others_stay() {
    let servers = [Sockets::default(), Sockets::default()];
    let at = [servers[0].start(), servers[1].start()];
    let edge = edge(&at, &ConfigParts::default());
    let sockets: Vec<TcpStream> = (0..40).map(|_| open(door(&edge, false)).unwrap()).collect();
    assert!(
        servers.iter().all(|server| server.open.load(Ordering::SeqCst) == 20),
        "the least loaded gets the next"
    );
    // The first one is drained: `servers` again, which the configuration of the fixture writes before.
    let mut drained = terms(&at, &ConfigParts::default());
    let mut config = (*drained.policy.config).clone();
    config.pools.values_mut().for_each(|pool| pool.servers[0].drain = true);
    drained.policy.config = Arc::new(config);
    let from = Instant::now();
    edge.reload(&drained).unwrap();
    let times: Vec<Option<Duration>> = std::thread::scope(|scope| {
        let watch = |mut socket: TcpStream| {
            scope.spawn(move || {
                socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
                if socket.peek(&mut [0]).is_err() {
                    assert!(is_alive(&socket));
                    return None;
                }
                assert_eq!(closed(&mut socket), 1012);
                Some(from.elapsed())
            })
        };
        let watching: Vec<_> = sockets.into_iter().map(watch).collect();
        watching.into_iter().map(|watching| watching.join().unwrap()).collect()
    });
    let gone: Vec<Duration> = times.into_iter().flatten().collect();
    assert_eq!(gone.len(), 20);
    let (first, last) = (gone.iter().min().unwrap(), gone.iter().max().unwrap());
    assert!(*last - *first > Duration::from_millis(300), "all between {first:?} and {last:?}");
    wait("the server sees that its clients close", || servers[0].closes.lock().unwrap().len() == 20);
    assert!(servers[1].closes.lock().unwrap().is_empty());
}

#[test]
fn edge_that_stops_closes_websockets_with_1001_between_frames() {
    // Half a frame comes first, the rest when the edge is to close.
    let go = Arc::new(AtomicBool::new(false));
    let rest = Arc::clone(&go);
    let server = listening(move |mut socket| {
        let mut some = [0; 4096];
        if socket.read(&mut some).unwrap_or(0) == 0 {
            return;
        }
        socket.write_all(&[SWITCHED, &TEXT[..3]].concat()).unwrap();
        while !rest.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        socket.write_all(&[&TEXT[3..], &TEXT[..3]].concat()).unwrap();
        while socket.read(&mut some).is_ok_and(|got| got > 0) {}
    });
    let edge = edge(&[server], &ConfigParts::default());
    let mut socket = open(door(&edge, false)).unwrap();
    let mut half = [0; 3];
    socket.read_exact(&mut half).unwrap();
    let stopping = std::thread::spawn(move || edge.stop(Duration::from_secs(8)));
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert!(socket.read(&mut [0]).is_err(), "nothing is sent within a frame");
    go.store(true, Ordering::SeqCst);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut last = [0];
    socket.read_exact(&mut last).unwrap();
    assert_eq!(last[0], TEXT[3]);
    assert_eq!(closed(&mut socket), 1001);
    stopping.join().unwrap();
}

#[test]
fn event_stream_of_a_drained_server_ends_with_an_event() {
    let server = listening(|mut socket| {
        let mut some = [0; 4096];
        if socket.read(&mut some).unwrap_or(0) == 0 {
            return;
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut sent = socket.write_all(head.as_bytes());
        // Each event comes in two parts.
        for n in (0..).take_while(|n| *n < 2_000) {
            if sent.is_err() {
                return;
            }
            let part = if n % 2 == 0 { "data: 1\n" } else { "data: 2\n\n" };
            sent = socket.write_all(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes());
            std::thread::park_timeout(Duration::from_millis(2));
        }
    });
    let edge = edge(&[server], &ConfigParts::default());
    let mut socket = connect(door(&edge, false));
    socket.write_all(EVENTS).unwrap();
    let mut bytes = vec![0; 4096];
    let got = socket.read(&mut bytes).unwrap();
    bytes.truncate(got);
    edge.reload(&terms(&["127.0.0.1:9".parse().unwrap()], &ConfigParts::default())).unwrap();
    let mut some = [0; 4096];
    while !bytes.ends_with(b"0\r\n\r\n") {
        let got = socket.read(&mut some).unwrap();
        assert!(got > 0, "the connection goes on: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&some[..got]);
    }
    assert!(bytes.ends_with(b"data: 2\n\n\r\n0\r\n\r\n"), "{}", String::from_utf8_lossy(&bytes));
}

#[test]
fn refused_event_stream_says_when_to_reconnect() {
    let edge = edge(&["127.0.0.1:9".parse().unwrap()], &ConfigParts::default());
    let at = door(&edge, false);
    let from = "GET /events HTTP/1.1\r\nhost: a.test\r\norigin: https://app.test\r\naccept: text/event-stream\r\n\r\n";
    let refused = all(at, from.as_bytes());
    assert_eq!(status(&refused), 200, "{refused}");
    assert!(refused.contains("content-type: text/event-stream\r\n"), "{refused}");
    assert!(refused.contains("access-control-allow-origin: https://app.test\r\n"), "{refused}");
    let retry: u64 =
        refused.split_once("\r\n\r\nretry: ").unwrap().1.split('\n').next().unwrap().parse().unwrap();
    assert!((1_000..=75_000).contains(&retry), "{retry}");
    for other in ["POST", "GET"] {
        let accept = if other == "GET" { "application/json, text/event-stream" } else { "text/event-stream" };
        let head = format!(
            "{other} /events HTTP/1.1\r\nhost: a.test\r\naccept: {accept}\r\ncontent-length: 0\r\n\r\n"
        );
        assert_eq!(status(&all(at, head.as_bytes())), 502, "{other} is no EventSource");
    }
}

/// Clients that come again 10 ms after each refusal, as phoenix.js does first.
#[test]
fn hundreds_of_websockets_come_back_without_one_server_above_its_limit() {
    const CLIENTS: usize = 300;
    let servers: Vec<Sockets> = (0..4).map(|_| Sockets::default()).collect();
    let at: Vec<SocketAddr> = servers.iter().map(Sockets::start).collect();
    let parts = ConfigParts {
        pool: "max_connections = 100\nhealth = { path = \"/\", interval = \"200ms\", fall = 1, rise = 1 }",
        ..ConfigParts::default()
    };
    let edge = edge(&at, &parts);
    let door = door(&edge, false);
    let (back, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let client = || {
        let (back, stop) = (Arc::clone(&back), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let Some(mut socket) = open(door) else {
                    std::thread::park_timeout(Duration::from_millis(10));
                    continue;
                };
                back.fetch_add(1, Ordering::SeqCst);
                socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
                // Until it is lost.
                let mut some = [0; 16];
                while !stop.load(Ordering::SeqCst) {
                    match socket.read(&mut some) {
                        Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => {}
                        _ => break,
                    }
                }
                back.fetch_sub(1, Ordering::SeqCst);
            }
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(|_| client()).collect();
    let all_back = || back.load(Ordering::SeqCst) as usize == CLIENTS;
    wait("all are there", all_back);
    servers.iter().for_each(|server| server.is_down.store(true, Ordering::SeqCst));
    wait("all are lost", || back.load(Ordering::SeqCst) == 0);
    // Two come back, which may have two thirds of all; then the others.
    servers[..2].iter().for_each(|server| server.is_down.store(false, Ordering::SeqCst));
    wait("two are full", || back.load(Ordering::SeqCst) == 200);
    servers.iter().for_each(|server| server.is_down.store(false, Ordering::SeqCst));
    wait("all are back", all_back);
    let highest: Vec<u32> = servers.iter().map(|server| server.highest.load(Ordering::SeqCst)).collect();
    assert!(highest.iter().all(|highest| *highest <= 100), "{highest:?}");
    let status = edge.roll_up().pools.remove(&"web".into()).unwrap();
    assert_eq!(status.servers.iter().map(|server| server.connections).sum::<u32>() as usize, CLIENTS);
    assert!(status.opens.admitted as usize >= 2 * CLIENTS && status.opens.held > 0, "{:?}", status.opens);
    stop.store(true, Ordering::SeqCst);
    clients.into_iter().for_each(|client| client.join().unwrap());
    wait("none is counted", || {
        edge.roll_up().pools[&"web".into()].servers.iter().all(|server| server.connections == 0)
    });
    assert!(
        answer(&mut {
            let mut socket = connect(door);
            socket.write_all(crate::fixture::GET.as_bytes()).unwrap();
            socket
        })
        .starts_with("HTTP/1.1 200")
    );
}
