//! Alert an answer from the root servers down, one referral at a time.

use super::memory::{Cut, Kept, Memory, lifetime};
use crate::tasks::lock;
use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::NS;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

/// Timeout of one attempt at one server.
const TRY: Duration = Duration::from_millis(1_500);
/// Times that every server of a zone is asked.
const TRIES: usize = 2;
/// Referrals followed for one question.
const REFERRALS_MAX: usize = 12;
/// Lookups of name servers within lookups of name servers.
const DEPTH_MAX: usize = 3;

/// The root of the tree.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    /// The root server.
    pub address: Ipv4Addr,
    /// Port of every authoritative server.
    pub port: u16,
}

/// Finds an answer, starting from the deepest delegation remembered, and remembers every delegation on the way.
/// `None` when no server gave a usable answer in time.
pub(crate) fn walk<'a>(
    root: Root,
    memory: &'a Mutex<Memory>,
    query: &'a Query,
    depth: usize,
) -> Pin<Box<dyn Future<Output = Option<Kept>> + Send + 'a>> {
    Box::pin(async move {
        let mut here = lock(memory).cut(query.name(), Instant::now()).cloned();
        for _ in 0..REFERRALS_MAX {
            let (zone, servers) = match &here {
                Some(cut) => (cut.zone.clone(), cut.servers.clone()),
                None => (Name::root(), vec![root.address]),
            };
            let reply = ask_any(&servers, root.port, query).await?;
            let now = Instant::now();
            let Some((below, names, ttl)) = referral(&reply, &zone, query.name()) else {
                return kept(reply, here.map(|cut| (cut.zone, cut.learned)), now);
            };
            let servers = addresses(root, memory, &zone, &reply, &names, depth).await;
            if servers.is_empty() {
                return None;
            }
            let cut = Cut { zone: below, servers, learned: now, until: now + lifetime(ttl) };
            lock(memory).keep_cut(cut.clone(), now);
            here = Some(cut);
        }
        None
    })
}

/// An answer or a "no", and until when it is good; a failure is not remembered.
fn kept(reply: Message, by: Option<(Name, Instant)>, now: Instant) -> Option<Kept> {
    let code = reply.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) || !reply.metadata.authoritative {
        return None;
    }
    let of_soa = |record: &Record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    };
    let ttl = if reply.answers.is_empty() {
        reply.authorities.iter().find_map(of_soa).unwrap_or(0)
    } else {
        reply.answers.iter().map(|record| record.ttl).min().unwrap_or(0)
    };
    let (answers, authorities) = (reply.answers, reply.authorities);
    Some(Kept { code, answers, authorities, learned: now, until: now + lifetime(ttl), by })
}

/// The delegation that a reply refers to, when it is one that leads downwards: anything else is not believed.
fn referral(reply: &Message, zone: &Name, asked: &Name) -> Option<(Name, Vec<Name>, u32)> {
    if reply.metadata.authoritative || !reply.answers.is_empty() {
        return None;
    }
    let mut found: Option<(Name, Vec<Name>, u32)> = None;
    for record in &reply.authorities {
        let RData::NS(NS(server)) = &record.data else { continue };
        let downwards = zone.zone_of(&record.name) && *zone != record.name && record.name.zone_of(asked);
        match &mut found {
            Some((cut, servers, ttl)) if *cut == record.name => {
                servers.push(server.clone());
                *ttl = record.ttl.min(*ttl);
            }
            None if downwards => found = Some((record.name.clone(), vec![server.clone()], record.ttl)),
            _ => {}
        }
    }
    found
}

/// Addresses of name servers: glue of the referring zone's own, else looked up.
async fn addresses(
    root: Root,
    memory: &Mutex<Memory>,
    zone: &Name,
    reply: &Message,
    names: &[Name],
    depth: usize,
) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    for name in names {
        let glue = reply.additionals.iter().filter(|record| record.name == *name && zone.zone_of(name));
        let known = found.len();
        found.extend(glue.filter_map(address));
        if found.len() == known && depth < DEPTH_MAX {
            let query = Query::query(name.clone(), RecordType::A);
            let remembered = lock(memory).answer(name, RecordType::A, Instant::now()).cloned();
            let kept = match remembered {
                Some(kept) => Some(kept),
                None => {
                    let kept = walk(root, memory, &query, depth + 1).await;
                    if let Some(kept) = &kept {
                        lock(memory).keep(name.clone(), RecordType::A, kept.clone(), Instant::now());
                    }
                    kept
                }
            };
            found.extend(kept.iter().flat_map(|kept| &kept.answers).filter_map(address));
        }
    }
    found
}

pub(crate) fn address(record: &Record) -> Option<Ipv4Addr> {
    match &record.data {
        RData::A(a) => Some(a.0),
        _ => None,
    }
}

async fn ask_any(servers: &[Ipv4Addr], port: u16, query: &Query) -> Option<Message> {
    for _ in 0..TRIES {
        for server in servers {
            match timeout(TRY, ask(SocketAddrV4::new(*server, port), query, false)).await {
                Ok(Ok(reply)) if usable(&reply) => return Some(reply),
                Ok(Ok(reply)) => tracing::debug!(%server, code = ?reply.metadata.response_code, "no use"),
                Ok(Err(error)) => tracing::debug!(%server, %error, "no answer"),
                Err(_) => tracing::debug!(%server, "no answer in time"),
            }
        }
    }
    None
}

fn usable(reply: &Message) -> bool {
    matches!(reply.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
}

/// Asks one server one question, over UDP and, when the answer does not fit, over TCP. The caller bounds the time.
///
/// # Errors
/// Network errors; `InvalidData` for a malformed response.
pub async fn ask(server: SocketAddrV4, query: &Query, recursion: bool) -> std::io::Result<Message> {
    let id = chance();
    let mut request = Message::query();
    request.metadata.id = id;
    request.metadata.op_code = OpCode::Query;
    request.metadata.recursion_desired = recursion;
    request.add_query(query.clone());
    let bytes = request.to_vec().map_err(unreadable)?;

    let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect(server).await?;
    socket.send(&bytes).await?;
    let mut buffer = vec![0_u8; 4_096];
    loop {
        let size = socket.recv(&mut buffer).await?;
        let reply = Message::from_vec(buffer.get(..size).unwrap_or_default()).map_err(unreadable)?;
        if reply.metadata.id != id || reply.queries.first() != Some(query) {
            continue;
        }
        if !reply.metadata.truncation {
            return Ok(reply);
        }
        break;
    }
    let mut stream = TcpStream::connect(server).await?;
    let size = u16::try_from(bytes.len()).map_err(unreadable)?;
    stream.write_all(&[&size.to_be_bytes(), bytes.as_slice()].concat()).await?;
    let size = stream.read_u16().await?;
    let mut reply = vec![0_u8; usize::from(size)];
    stream.read_exact(&mut reply).await?;
    Message::from_vec(&reply).map_err(unreadable)
}

fn unreadable(why: impl std::fmt::Display) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, why.to_string())
}

/// A query id that a stranger cannot guess.
fn chance() -> u16 {
    let [a, b, ..] = RandomState::new().build_hasher().finish().to_be_bytes();
    u16::from_be_bytes([a, b])
}
