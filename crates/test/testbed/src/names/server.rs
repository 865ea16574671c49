//! A DNS server on UDP and TCP around anything that answers questions.

use super::DnsReply;
use crate::address_block::DnsSockets;
use crate::tasks::{Tasks, has_room, serve_each};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Most queries in progress; more are dropped, as an overloaded server does.
const QUESTIONS_MAX: usize = 512;
/// Most open TCP connections; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;
/// Idle timeout of a TCP client.
const IDLE: Duration = Duration::from_secs(10);
/// Largest UDP answer, whatever the client says: no fragments (as of DNS flag day 2020).
const UDP_MAX: usize = 1_232;

/// Something that answers questions.
pub trait Answers: Send + Sync + 'static {
    /// The answer to one question.
    fn answer(&self, query: Query) -> impl Future<Output = DnsReply> + Send;
    /// Whether recursion is available.
    fn recurses(&self) -> bool {
        false
    }
}

/// Serves until the tasks end.
pub(crate) fn serve(tasks: &mut Tasks, sockets: DnsSockets, answers: Arc<impl Answers>) {
    tasks.spawn(datagrams(Arc::new(sockets.udp), Arc::clone(&answers)));
    tasks.spawn(connections(sockets.tcp, answers));
}

async fn datagrams(socket: Arc<UdpSocket>, answers: Arc<impl Answers>) {
    let mut asked = JoinSet::new();
    let mut buffer = vec![0_u8; 4_096];
    loop {
        let Ok((size, client)) = socket.recv_from(&mut buffer).await else {
            // An ICMP error of an earlier answer; the socket itself is sound. Never a busy loop, should it not be.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        if !has_room(&mut asked, QUESTIONS_MAX) {
            continue;
        }
        let question = buffer.get(..size).unwrap_or_default().to_vec();
        let (socket, answers) = (Arc::clone(&socket), Arc::clone(&answers));
        asked.spawn(async move {
            if let Some(answer) = reply(&*answers, &question, true).await {
                let _ = socket.send_to(&answer, client).await;
            }
        });
    }
}

async fn connections(listener: TcpListener, answers: Arc<impl Answers>) {
    serve_each(listener, CONNECTIONS_MAX, |stream, _| {
        let answers = Arc::clone(&answers);
        async move {
            let _ = connection(stream, &*answers).await;
        }
    })
    .await;
}

async fn connection(mut stream: TcpStream, answers: &impl Answers) -> std::io::Result<()> {
    loop {
        let size = timeout(IDLE, stream.read_u16()).await??;
        let mut question = vec![0_u8; usize::from(size)];
        timeout(IDLE, stream.read_exact(&mut question)).await??;
        let Some(answer) = reply(answers, &question, false).await else { return Ok(()) };
        let Ok(size) = u16::try_from(answer.len()) else { return Ok(()) };
        let mut framed = size.to_be_bytes().to_vec();
        framed.extend(answer);
        timeout(IDLE, stream.write_all(&framed)).await??;
    }
}

/// The bytes of the answer; `None` for bytes that are no question and deserve none.
async fn reply(answers: &impl Answers, question: &[u8], datagram: bool) -> Option<Vec<u8>> {
    let request = match Message::from_vec(question) {
        Ok(request) if request.metadata.message_type == MessageType::Query => request,
        Ok(_) => return None,
        Err(_) => {
            let id =
                question.get(..12).and_then(|head| head.first_chunk()).map(|id| u16::from_be_bytes(*id))?;
            return Message::error_msg(id, OpCode::Query, ResponseCode::FormErr).to_vec().ok();
        }
    };
    let said = match (request.metadata.op_code, request.queries.as_slice()) {
        (OpCode::Query, [query]) => answers.answer(query.clone()).await,
        (OpCode::Query, _) => DnsReply::only(ResponseCode::FormErr),
        _ => DnsReply::only(ResponseCode::NotImp),
    };
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata.recursion_desired = request.metadata.recursion_desired;
    response.metadata.recursion_available = answers.recurses();
    response.metadata.authoritative = said.authoritative;
    response.metadata.response_code = said.code;
    response.add_queries(request.queries.iter().cloned());
    response.insert_answers(said.answers);
    response.insert_authorities(said.authorities);
    response.insert_additionals(said.additionals);
    if request.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(1_232);
        response.set_edns(edns);
    }
    let bytes = response.to_vec().ok()?;
    if datagram && bytes.len() > usize::from(request.max_payload()).min(UDP_MAX) {
        return response.truncate().to_vec().ok();
    }
    Some(bytes)
}
