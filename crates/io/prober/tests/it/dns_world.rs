//! Name servers on loopback: a small honest one that serves a zone, and room for those that lie.

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Udp,
    Tcp,
}

/// What a server does with a question: the packets that it sends.
pub(crate) type Behave = Arc<dyn Fn(&Message, Via) -> Vec<Vec<u8>> + Send + Sync>;

/// Servers that listen until this is dropped, all on one port.
pub(crate) struct Net {
    pub(crate) port: u16,
    tasks: JoinSet<()>,
}

impl Net {
    pub(crate) fn at(&self, place: &str) -> SocketAddr {
        SocketAddr::new(place.parse().unwrap(), self.port)
    }

    /// How many servers are still at work.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }
}

/// Lets every server listen at its address, UDP and TCP.
pub(crate) async fn listen(servers: Vec<(&str, Behave)>) -> Net {
    for _ in 0..50 {
        if let Some(net) = try_listen(&servers).await {
            assert_eq!(net.len(), servers.len() * 2);
            return net;
        }
    }
    panic!("no port is free on all addresses");
}

async fn try_listen(servers: &[(&str, Behave)]) -> Option<Net> {
    let mut port = 0;
    let mut sockets = Vec::new();
    for (place, behave) in servers {
        let place: IpAddr = place.parse().unwrap();
        let udp = UdpSocket::bind((place, port)).await.ok()?;
        port = udp.local_addr().unwrap().port();
        let tcp = TcpListener::bind((place, port)).await.ok()?;
        sockets.push((udp, tcp, Arc::clone(behave)));
    }
    let mut tasks = JoinSet::new();
    for (udp, tcp, behave) in sockets {
        tasks.spawn(serve_udp(udp, Arc::clone(&behave)));
        tasks.spawn(serve_tcp(tcp, behave));
    }
    Some(Net { port, tasks })
}

async fn serve_udp(socket: UdpSocket, behave: Behave) {
    let mut buffer = vec![0; 4096];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
        for packet in behave(&question, Via::Udp) {
            let _ = socket.send_to(&packet, from).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, behave: Behave) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        let Ok(length) = stream.read_u16().await else { continue };
        let mut buffer = vec![0; usize::from(length)];
        if stream.read_exact(&mut buffer).await.is_err() {
            continue;
        }
        let Ok(question) = Message::from_vec(&buffer) else { continue };
        for packet in behave(&question, Via::Tcp) {
            let _ = stream.write_u16(u16::try_from(packet.len()).unwrap()).await;
            let _ = stream.write_all(&packet).await;
        }
        let _ = stream.flush().await;
    }
}

pub(crate) fn name(text: &str) -> Name {
    let mut name = if text == "." { Name::root() } else { Name::from_ascii(text).unwrap() };
    name.set_fqdn(true);
    name
}

pub(crate) fn a(owner: &str, address: &str) -> Record {
    let data = match address.parse().unwrap() {
        IpAddr::V4(four) => RData::A(A(four)),
        IpAddr::V6(six) => RData::AAAA(AAAA(six)),
    };
    Record::from_rdata(name(owner), 300, data)
}

pub(crate) fn ns(owner: &str, server: &str) -> Record {
    Record::from_rdata(name(owner), 3600, RData::NS(NS(name(server))))
}

pub(crate) fn cname(owner: &str, target: &str) -> Record {
    Record::from_rdata(name(owner), 120, RData::CNAME(CNAME(name(target))))
}

pub(crate) fn soa(owner: &str, serial: u32) -> Record {
    let data = SOA::new(name("ns.invalid"), name("hostmaster.invalid"), serial, 3600, 600, 86400, 60);
    Record::from_rdata(name(owner), 3600, RData::SOA(data))
}

/// The beginning of an answer to a question.
pub(crate) fn reply(question: &Message) -> Message {
    let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
    reply.add_queries(question.queries.iter().cloned());
    reply.metadata.message_type = MessageType::Response;
    reply.metadata.recursion_desired = question.metadata.recursion_desired;
    reply
}

pub(crate) fn packet(message: &Message) -> Vec<Vec<u8>> {
    vec![message.to_vec().unwrap()]
}

/// A server that always answers with this code.
pub(crate) fn code(code: ResponseCode) -> Behave {
    Arc::new(move |question, _| {
        let mut reply = reply(question);
        reply.metadata.response_code = code;
        packet(&reply)
    })
}

/// A server that never says a word.
pub(crate) fn silent() -> Behave {
    Arc::new(|_, _| Vec::new())
}

/// A zone served honestly: answers, referrals with glue, NXDOMAIN. It can be changed, and it counts its questions.
#[derive(Clone)]
pub(crate) struct Zone {
    apex: Name,
    pub(crate) records: Arc<Mutex<Vec<Record>>>,
    pub(crate) asked: Arc<AtomicUsize>,
}

impl Zone {
    pub(crate) fn new(apex: &str, records: Vec<Record>) -> Self {
        Self { apex: name(apex), records: Arc::new(Mutex::new(records)), asked: Arc::default() }
    }

    pub(crate) fn set(&self, records: Vec<Record>) {
        *self.records.lock().unwrap() = records;
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn server(&self) -> Behave {
        let zone = self.clone();
        Arc::new(move |question, _| packet(&zone.answer(question)))
    }

    pub(crate) fn answer(&self, question: &Message) -> Message {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let query = question.queries.first().cloned().unwrap_or_else(Query::new);
        let records = self.records.lock().unwrap();
        let mut reply = reply(question);
        if !self.apex.zone_of(query.name()) {
            reply.metadata.response_code = ResponseCode::Refused;
            return reply;
        }
        let cut = records.iter().find(|record| {
            record.record_type() == RecordType::NS
                && record.name != self.apex
                && record.name.zone_of(query.name())
        });
        if let Some(cut) = cut {
            let servers = records.iter().filter(|r| r.record_type() == RecordType::NS && r.name == cut.name);
            reply.add_authorities(servers.cloned());
            let glue = records.iter().filter(|r| {
                matches!(r.record_type(), RecordType::A | RecordType::AAAA)
                    && reply.authorities.iter().any(|ns| matches!(&ns.data, RData::NS(s) if s.0 == r.name))
            });
            let glue: Vec<Record> = glue.cloned().collect();
            reply.add_additionals(glue);
            return reply;
        }
        reply.metadata.authoritative = true;
        let mut at = query.name().clone();
        loop {
            let found = records.iter().filter(|r| r.name == at && r.record_type() == query.query_type());
            reply.add_answers(found.cloned());
            let alias = records.iter().find_map(|r| match &r.data {
                RData::CNAME(target) if r.name == at => Some((r.clone(), target.0.clone())),
                _ => None,
            });
            match alias {
                Some((record, target)) if reply.answers.len() < 30 => {
                    reply.add_answer(record);
                    at = target;
                }
                _ => break,
            }
        }
        if reply.answers.is_empty() && !records.iter().any(|r| r.name == *query.name()) {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        reply
    }
}

/// A resolver that knows these records, and says so with recursion available and an odd time to live.
pub(crate) fn resolver(records: Vec<Record>) -> Behave {
    let zone = Zone::new(".", records);
    Arc::new(move |question, _| {
        let mut answer = zone.answer(question);
        answer.metadata.authoritative = false;
        answer.metadata.recursion_available = true;
        for record in &mut answer.answers {
            record.ttl = record.ttl.min(77);
        }
        packet(&answer)
    })
}
