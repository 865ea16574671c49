//! Hostile name servers, the honest ones above them, and a resolver. All on loopback, on one port.
//!
//! Messages are built byte by byte, because a library does not build invalid ones.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;
/// The address of metadata services: where a redirect by name must never lead us.
const METADATA: [u8; 4] = [169, 254, 169, 254];
/// More forgeries than anybody looks at.
const FORGERIES: usize = 300;

/// Each server: the last part of its address, and the name that leads to it.
const SEATS: [(u8, &str); 9] = [
    (1, "honest root"),
    (2, "mute root"),
    (3, "garbled root"),
    (9, "resolver"),
    (11, "garbage.test"),
    (12, "stranger.test"),
    (13, "mute.test"),
    (14, "cut.test"),
    (15, "well.test"),
];

/// The servers.
pub(super) struct Tree {
    block: [u8; 3],
    pub(super) port: u16,
    asked: BTreeMap<&'static str, Arc<AtomicUsize>>,
}

impl Tree {
    pub(super) fn start() -> Self {
        let mut odd = std::process::id();
        for _ in 0..50 {
            let [.., a, b] = odd.to_be_bytes();
            if let Ok(tree) = Self::on([127, 128 | a, b]) {
                return tree;
            }
            odd = odd.wrapping_add(257);
        }
        panic!("no free block of loopback addresses");
    }

    fn on(block: [u8; 3]) -> Result<Self> {
        let [a, b, c] = block;
        let at = |last: u8| Ipv4Addr::from([a, b, c, last]);
        let first = UdpSocket::bind((at(14), 0))?;
        let port = first.local_addr()?.port();
        let drips = TcpListener::bind((at(14), port))?;
        let mut sockets = BTreeMap::from([(14, first)]);
        for (last, _) in SEATS.into_iter().filter(|(last, _)| *last != 14) {
            sockets.insert(last, UdpSocket::bind((at(last), port))?);
        }
        let mut asked = BTreeMap::new();
        for (last, name) in SEATS {
            let count = Arc::new(AtomicUsize::new(0));
            asked.insert(name, count.clone());
            let socket = sockets.remove(&last).unwrap();
            thread::spawn(move || serve(&socket, &count, |asked| replies(last, block, asked)));
        }
        thread::spawn(move || drip(&drips));
        Ok(Self { block, port, asked })
    }

    fn at(&self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.block;
        Ipv4Addr::from([a, b, c, last])
    }

    /// Root servers: two useless ones, and an honest one.
    pub(super) fn roots(&self) -> [Ipv4Addr; 3] {
        [self.at(2), self.at(3), self.at(1)]
    }

    pub(super) fn resolver(&self) -> SocketAddr {
        (self.at(9), self.port).into()
    }

    /// Queries received by each server.
    pub(super) fn asked(&self, name: &str) -> usize {
        self.asked[name].load(Ordering::Relaxed)
    }
}

fn serve(socket: &UdpSocket, count: &AtomicUsize, reply: impl Fn(&Question) -> Vec<Vec<u8>>) {
    let mut buffer = [0; 2_048];
    loop {
        let (size, from) = match socket.recv_from(&mut buffer) {
            Ok(came) => came,
            // An earlier client is gone; the socket works.
            Err(why) if why.kind() == ErrorKind::ConnectionRefused => continue,
            Err(_) => return,
        };
        let Some(question) = Question::read(&buffer[..size]) else { continue };
        count.fetch_add(1, Ordering::Relaxed);
        for packet in reply(&question) {
            let _ = socket.send_to(&packet, from);
        }
    }
}

/// Promises the longest answer there is over TCP, and sends it a byte at a time. One visitor after the other, so that
/// the next ones wait for a connection that is open and dead.
fn drip(listener: &TcpListener) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let began = Instant::now();
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let _ = stream.read(&mut [0; 1_024]);
        let mut said = stream.write_all(&[0xff, 0xff]);
        while said.is_ok() && began.elapsed() < Duration::from_secs(2) {
            thread::sleep(Duration::from_millis(50));
            said = stream.write_all(&[0]);
        }
    }
}

/// Responses of a server to one query.
fn replies(seat: u8, block: [u8; 3], asked: &Question) -> Vec<Vec<u8>> {
    let [a, b, c] = block;
    match seat {
        1 => vec![honest(block, asked)],
        9 => {
            let address = if asked.name == "trap.test" { METADATA } else { [127, 0, 0, 1] };
            let found = (asked.kind == A).then(|| resource(&asked.name, A, &address));
            vec![asked.answer(0x80, found.as_slice(), &[], &[])]
        }
        // Ours by id, unreadable from there on.
        3 | 11 => vec![[&asked.packet[..2], &[0x84, 0, 0, 9, 0xff, 0xff, 0xff, 0xff], &[0xc0; 900]].concat()],
        12 => {
            let lie = resource(&asked.name, A, &[127, 0, 0, 1]);
            let mut forged = asked.answer(4, &[lie], &[], &[]);
            forged[0] ^= 0x5a;
            vec![forged; FORGERIES]
        }
        14 => {
            let mut cut = asked.answer(4, &[], &[], &[]);
            cut[2] |= 2;
            vec![cut]
        }
        15 => {
            let start = resource(
                &asked.name,
                SOA,
                &[wire("ns.well.test"), wire("ana.well.test"), vec![0; 20]].concat(),
            );
            let server = resource(&asked.name, NS, &wire("ns.well.test"));
            let found = match asked.kind {
                A => vec![resource(&asked.name, A, &[127, 0, 0, 1])],
                NS => vec![server],
                SOA => vec![start.clone()],
                _ => Vec::new(),
            };
            vec![asked.answer(4, &found, &[start], &[resource("ns.well.test", A, &[a, b, c, 15])])]
        }
        _ => Vec::new(),
    }
}

/// Root and top-level domain, with delegations to all servers.
fn honest([a, b, c]: [u8; 3], asked: &Question) -> Vec<u8> {
    let seat = SEATS.iter().find(|(_, name)| *name == asked.name);
    let last = match seat {
        Some((last, _)) => *last,
        None if asked.name == "test" => 1,
        None => return asked.answer(4, &[], &[], &[]),
    };
    let server = format!("ns.{}", asked.name);
    let glue = resource(&server, A, &[a, b, c, last]);
    asked.answer(0, &[], &[resource(&asked.name, NS, &wire(&server))], &[glue])
}

struct Question {
    packet: Vec<u8>,
    /// Where the question ends and extensions begin.
    end: usize,
    name: String,
    kind: u16,
}

impl Question {
    fn read(packet: &[u8]) -> Option<Self> {
        let mut labels = Vec::new();
        let mut at = 12;
        loop {
            let length = usize::from(*packet.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(packet.get(at..at + length)?).to_lowercase());
            at += length;
        }
        let kind = u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]);
        Some(Self { packet: packet.to_vec(), end: at + 4, name: labels.join("."), kind })
    }

    /// `flags` are those of the first byte (4: with authority) or, above 0x7f, of the second (0x80: looks things up).
    fn answer(&self, flags: u8, answers: &[Vec<u8>], above: &[Vec<u8>], more: &[Vec<u8>]) -> Vec<u8> {
        let mut packet = self.packet[..self.end].to_vec();
        let (first, second) = if flags > 0x7f { (0, flags) } else { (flags, 0) };
        packet[2] = 0x80 | first | (packet[2] & 1);
        packet[3] = second;
        for (place, section) in [answers, above, more].into_iter().enumerate() {
            let count = u16::try_from(section.len()).unwrap().to_be_bytes();
            packet[6 + place * 2..8 + place * 2].copy_from_slice(&count);
            packet.extend(section.concat());
        }
        packet
    }
}

fn wire(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes
}

fn resource(owner: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [&wire(owner)[..], &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &length, data].concat()
}
