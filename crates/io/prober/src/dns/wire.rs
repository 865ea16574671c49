//! One query to one server: UDP first, TCP when the reply is truncated. RFC 1035, 5452, 6891, 7766.
//!
//! An answer counts only when it comes from the address that was asked, to the random port it was asked from, with
//! the random id and the very question. Everything else is ignored, and named when nothing better arrives.

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RecordType};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use text::{escape, truncate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use types::fault::DnsFault;

/// Characters of a decoding error that are reported.
const ERROR_CHARS_MAX: usize = 120;

/// Concurrent queries: each has a socket, and a process has about a thousand.
const IN_FLIGHT: usize = 256;
/// The advertised UDP payload size: it passes nearly everywhere without fragmentation.
const UDP_PAYLOAD: u16 = 1232;
/// Unrelated packets after which the server's reply counts as garbage.
const IGNORED_MAX: u32 = 256;

/// Why a query got no usable reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QueryError {
    /// No reply in time, or connection refused.
    Silent,
    /// This machine has no route to that address family.
    NoRoute(String),
    /// Too many queries of this process are waiting.
    Busy,
    /// The reply cannot be used.
    Garbage(String),
}

impl QueryError {
    /// The error as a fault of the server.
    pub(crate) fn fault(self) -> DnsFault {
        match self {
            Self::Silent | Self::NoRoute(_) | Self::Busy => DnsFault::Silent,
            Self::Garbage(why) => DnsFault::Garbage { why },
        }
    }

    /// The error as a message about a resolver.
    pub(crate) fn message(self, server: SocketAddr) -> String {
        match self {
            Self::Silent => format!("the resolver {server} does not answer"),
            Self::NoRoute(why) => format!("the resolver {server} cannot be reached: {why}"),
            Self::Busy => "too many names are being looked up at once".to_owned(),
            Self::Garbage(why) => format!("the resolver {server} answers with garbage: {why}"),
        }
    }
}

/// The fault of a response code other than success.
pub(crate) fn code_fault(code: ResponseCode) -> Option<DnsFault> {
    match code {
        ResponseCode::NoError => None,
        ResponseCode::NXDomain => Some(DnsFault::NxDomain),
        ResponseCode::ServFail => Some(DnsFault::ServFail),
        ResponseCode::Refused | ResponseCode::NotAuth => Some(DnsFault::Lame),
        other => Some(DnsFault::Garbage { why: format!("response code {}", u16::from(other)) }),
    }
}

/// A host name as a query name, in its ASCII form; `None` for an invalid name.
pub(crate) fn question_name(host: &str) -> Option<Name> {
    let mut name = Name::from_str_relaxed(host.trim_end_matches('.')).ok()?.to_lowercase();
    name.set_fqdn(true);
    (!name.is_root()).then_some(name)
}

/// A name in canonical form: lower case, no trailing dot.
pub(crate) fn plain(name: &Name) -> String {
    name.to_lowercase().to_ascii().trim_end_matches('.').to_owned()
}

/// Sends queries, a bounded number of them concurrently.
#[derive(Debug)]
pub(crate) struct Wire {
    permits: Semaphore,
}

impl Default for Wire {
    fn default() -> Self {
        Self { permits: Semaphore::new(IN_FLIGHT) }
    }
}

impl Wire {
    /// Sends one query to `server` and waits for the reply until `until`.
    pub(crate) async fn query(
        &self,
        server: SocketAddr,
        name: &Name,
        kind: RecordType,
        recurse: bool,
        until: Instant,
    ) -> Result<Message, QueryError> {
        let Ok(Ok(_permit)) = timeout_at(until, self.permits.acquire()).await else {
            return Err(QueryError::Busy);
        };
        let query = Query::query(name.clone(), kind);
        for edns in [true, false] {
            let message = question(&query, recurse, edns);
            let answer = match over_udp(server, &message, &query, until).await? {
                Received::Whole(answer) => *answer,
                Received::Cut => timeout_at(until, over_tcp(server, &message, &query)).await.unwrap_or(
                    Err(QueryError::Garbage("cuts its answer short, and is silent over TCP".into())),
                )?,
            };
            // Servers from before RFC 6891 refuse the extension, not the question.
            let refused = [ResponseCode::FormErr, ResponseCode::NotImp, ResponseCode::BADVERS];
            if !(edns && refused.contains(&answer.metadata.response_code)) {
                return Ok(answer);
            }
        }
        Err(QueryError::Garbage("refuses every form of the question".into()))
    }
}

fn question(query: &Query, recurse: bool, edns: bool) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = recurse;
    message.add_query(query.clone());
    if edns {
        let mut extension = Edns::new();
        extension.set_max_payload(UDP_PAYLOAD).set_version(0);
        message.set_edns(extension);
    }
    message
}

enum Received {
    Whole(Box<Message>),
    Cut,
}

fn no_route(error: &std::io::Error) -> QueryError {
    QueryError::NoRoute(error.kind().to_string())
}

async fn over_udp(
    server: SocketAddr,
    message: &Message,
    query: &Query,
    until: Instant,
) -> Result<Received, QueryError> {
    let bytes = encoded(message)?;
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await.map_err(|error| no_route(&error))?;
    // Connected: the kernel drops packets from other addresses, and reports a closed port.
    socket.connect(server).await.map_err(|error| no_route(&error))?;

    let began = Instant::now();
    let span = until.saturating_duration_since(began);
    let mut buffer = vec![0_u8; 4096];
    let mut odd: Option<&'static str> = None;
    let mut ignored = 0;
    // Packets get lost: the same question up to three times.
    for turn_ends in [began + span / 4, began + span * 3 / 5, until] {
        match socket.send(&bytes).await {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Err(QueryError::Silent),
            Err(error) => return Err(no_route(&error)),
        }
        while let Ok(received) = timeout_at(turn_ends, socket.recv(&mut buffer)).await {
            let Ok(length) = received else { return Err(QueryError::Silent) };
            match read(buffer.get(..length).unwrap_or_default(), message.metadata.id, query) {
                Reply::Answer(answer) => return Ok(Received::Whole(answer)),
                Reply::Cut => return Ok(Received::Cut),
                Reply::Garbage(why) => return Err(QueryError::Garbage(why)),
                Reply::Other(why) => {
                    odd = Some(why);
                    ignored += 1;
                    if ignored >= IGNORED_MAX {
                        return Err(QueryError::Garbage(why.to_owned()));
                    }
                }
            }
        }
    }
    Err(odd.map_or(QueryError::Silent, |why| QueryError::Garbage(why.to_owned())))
}

async fn over_tcp(server: SocketAddr, message: &Message, query: &Query) -> Result<Message, QueryError> {
    let broken = |_| QueryError::Garbage("cuts its answer short, and breaks off over TCP".into());
    let bytes = encoded(message)?;
    let length = u16::try_from(bytes.len()).map_err(|_| QueryError::Garbage("question too long".into()))?;
    let mut stream = TcpStream::connect(server)
        .await
        .map_err(|_| QueryError::Garbage("cuts its answer short, and refuses TCP".into()))?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(&bytes);
    stream.write_all(&framed).await.map_err(broken)?;
    let length = stream.read_u16().await.map_err(broken)?;
    let mut buffer = vec![0_u8; usize::from(length)];
    stream.read_exact(&mut buffer).await.map_err(broken)?;
    match read(&buffer, message.metadata.id, query) {
        Reply::Answer(answer) => Ok(*answer),
        Reply::Cut => Err(QueryError::Garbage("cuts its answer short even over TCP".into())),
        Reply::Garbage(why) => Err(QueryError::Garbage(why)),
        Reply::Other(why) => Err(QueryError::Garbage(why.to_owned())),
    }
}

fn encoded(message: &Message) -> Result<Vec<u8>, QueryError> {
    message.to_vec().map_err(|error| QueryError::Garbage(error.to_string()))
}

/// A decoded packet.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The answer.
    Answer(Box<Message>),
    /// A truncated reply.
    Cut,
    /// Not a reply to this query: late, forged or wrong.
    Other(&'static str),
    /// From the server and with the right id, but malformed.
    Garbage(String),
}

/// Decodes a packet as a reply to `query` with this `id`.
pub(crate) fn read(bytes: &[u8], id: u16, query: &Query) -> Reply {
    let &[id_high, id_low, flags, ..] = bytes else {
        return Reply::Other("answers with fewer bytes than a header has");
    };
    if u16::from_be_bytes([id_high, id_low]) != id {
        return Reply::Other("answers with the id of another question");
    }
    if flags & 0x80 == 0 {
        return Reply::Other("answers with a question");
    }
    let cut = flags & 0x02 != 0;
    let message = match Message::from_vec(bytes) {
        Ok(message) => message,
        // Some servers cut in the middle of a record.
        Err(_) if cut => return Reply::Cut,
        Err(error) => {
            return Reply::Garbage(truncate::chars(&escape::hidden(&error.to_string()), ERROR_CHARS_MAX));
        }
    };
    let Metadata { response_code: code, message_type, op_code, .. } = message.metadata;
    if message_type != MessageType::Response || op_code != OpCode::Query {
        return Reply::Other("answers with another kind of message");
    }
    match message.queries.as_slice() {
        [asked]
            if asked.name() == query.name()
                && asked.query_type() == query.query_type()
                && asked.query_class() == DNSClass::IN => {}
        // A server that could not read the question, or would not, need not repeat it.
        [] if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) => {}
        _ => return Reply::Other("answers another question than the one asked"),
    }
    if cut { Reply::Cut } else { Reply::Answer(Box::new(message)) }
}

/// The instant `span` from now, but not after `until`.
pub(crate) fn within(span: Duration, until: Instant) -> Instant {
    (Instant::now() + span).min(until)
}

#[cfg(test)]
mod tests {
    use super::super::records::{addresses, read_delegation};
    use super::*;
    use hickory_proto::rr::rdata::A;
    use hickory_proto::rr::{RData, Record};
    use proptest::prelude::*;

    fn asked() -> Query {
        Query::query(question_name("auth.acme.app").unwrap(), RecordType::A)
    }

    fn answer(id: u16, change: impl FnOnce(&mut Message)) -> Vec<u8> {
        let mut message = Message::response(id, OpCode::Query);
        message.add_query(asked());
        let name = question_name("auth.acme.app").unwrap();
        message.add_answer(Record::from_rdata(name, 60, RData::A(A(Ipv4Addr::new(192, 0, 2, 1)))));
        change(&mut message);
        message.to_vec().unwrap()
    }

    #[test]
    fn only_the_answer_to_this_very_question_counts() {
        let check = |bytes: &[u8]| match read(bytes, 7, &asked()) {
            Reply::Answer(_) => "answer".to_owned(),
            Reply::Cut => "cut".to_owned(),
            Reply::Other(why) => format!("other: {why}"),
            Reply::Garbage(_) => "garbage".to_owned(),
        };
        assert_eq!(check(&answer(7, |_| ())), "answer");
        assert_eq!(check(&answer(8, |_| ())), "other: answers with the id of another question");
        let question = |m: &mut Message| m.metadata.message_type = MessageType::Query;
        assert_eq!(check(&answer(7, question)), "other: answers with a question");
        let elsewhere = |m: &mut Message| {
            m.queries = vec![Query::query(question_name("evil.app").unwrap(), RecordType::A)];
        };
        assert_eq!(check(&answer(7, elsewhere)), "other: answers another question than the one asked");
        assert_eq!(
            check(&answer(7, |m| m.queries.clear())),
            "other: answers another question than the one asked"
        );
        let refused = |m: &mut Message| {
            m.queries.clear();
            m.answers.clear();
            m.metadata.response_code = ResponseCode::Refused;
        };
        assert_eq!(check(&answer(7, refused)), "answer");
        assert_eq!(check(&answer(7, |m| m.metadata.truncation = true)), "cut");
        let whole = answer(7, |m| m.metadata.truncation = true);
        assert_eq!(check(&whole[..whole.len() - 3]), "cut");
        let whole = answer(7, |_| ());
        assert_eq!(check(&whole[..whole.len() - 3]), "garbage");
        assert_eq!(check(b"\x00\x07"), "other: answers with fewer bytes than a header has");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let id = bytes.get(..2).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]));
            let _ = read(&bytes, id, &asked());
        }

        #[test]
        fn no_damage_to_a_real_answer_makes_the_reader_panic(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            keep in any::<prop::sample::Index>(),
        ) {
            let mut bytes = answer(7, |_| ());
            for (at, value) in flips {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let keep = keep.index(bytes.len() + 1);
            if let Reply::Answer(message) = read(&bytes[..keep], 7, &asked()) {
                let name = question_name("auth.acme.app").unwrap();
                let _ = addresses(&message, &name);
                let _ = read_delegation(&message, &question_name("app").unwrap(), &name);
            }
        }
    }
}
