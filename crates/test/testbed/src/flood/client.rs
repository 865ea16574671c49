//! One client: address, cookies, connection, and the request in progress.

use super::drive::Field;
use super::tally::{End, is_good};
use super::wire::{Answer, Reader};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Instant;
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::{AbortHandle, spawn_local};

/// Most cookies of one client.
const COOKIES_MAX: usize = 8;

/// A request in progress.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) phase: usize,
    /// Due time of the visit.
    pub(super) visit_due: Instant,
    /// Due time of this request, from which its deadline counts.
    pub(super) due: Instant,
    /// Time of sending, from which the response time of the server counts.
    pub(super) sent: Instant,
    pub(super) step: usize,
    pub(super) attempt: u8,
    /// Repeated because the connection had been closed.
    pub(super) resent: bool,
    /// Distinguishes it from earlier requests.
    pub(super) serial: u32,
}

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) group: usize,
    pub(super) from: Ipv4Addr,
    pub(super) flight: Cell<Option<Flight>>,
    jar: RefCell<Vec<String>>,
    writer: RefCell<Option<OwnedWriteHalf>>,
    /// Connects, reads.
    task: RefCell<Option<AbortHandle>>,
}

impl Client {
    pub(super) fn new(group: usize, from: Ipv4Addr, cookie: Option<&String>) -> Self {
        Self {
            group,
            from,
            flight: Cell::new(None),
            jar: RefCell::new(cookie.into_iter().cloned().collect()),
            writer: RefCell::new(None),
            task: RefCell::new(None),
        }
    }

    /// Sends the request in progress over the existing connection, or a new one.
    pub(super) fn send(self: &Rc<Self>, field: &Rc<Field>) {
        let Some(flight) = self.flight.get() else { return };
        if let Some(counts) = field.tally().counts(flight.phase, self.group) {
            counts.requests += 1;
        }
        if self.writer.borrow().is_some() && self.write(field, flight) {
            return;
        }
        self.hang_up();
        let task = spawn_local(ride(Rc::clone(self), Rc::clone(field)));
        *self.task.borrow_mut() = Some(task.abort_handle());
    }

    /// Requests are small and one at a time: they fit into the buffer of the socket, or the connection is broken.
    fn write(&self, field: &Field, flight: Flight) -> bool {
        let writer = self.writer.borrow();
        let Some(writer) = writer.as_ref() else { return false };
        field.with_request(
            self.group,
            flight.step,
            &self.jar.borrow(),
            |bytes| matches!(writer.try_write(bytes), Ok(size) if size == bytes.len()),
        )
    }

    /// Closes the connection.
    pub(super) fn hang_up(&self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.writer.take();
    }

    /// Keeps a cookie: the last of each name.
    fn keep(&self, cookie: String) -> bool {
        let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
        let mut jar = self.jar.borrow_mut();
        let first = jar.is_empty();
        jar.retain(|held| name(held) != name(&cookie));
        if jar.len() < COOKIES_MAX {
            jar.push(cookie);
        }
        first
    }

    fn answered(self: &Rc<Self>, field: &Rc<Field>, answer: Answer) {
        let Some(flight) = self.flight.take() else { return };
        let now = Instant::now();
        let took = now.saturating_duration_since(flight.sent);
        if answer.closes {
            // The task that reads ends by itself.
            self.writer.take();
        }
        {
            let mut tally = field.tally();
            let words = [answer.retry_after, answer.limits];
            tally.answer(flight.phase, self.group, answer.status, words, took);
            if field.keeps_cookies(self.group) {
                for cookie in answer.cookies {
                    if self.keep(cookie) {
                        tally.introduced[self.group] += 1;
                    }
                }
            }
        }
        if is_good(answer.status) {
            field.succeeded(self, flight, now);
        } else {
            field.lost(self, flight, End::Refused, now);
        }
    }

    /// The connection is gone. What is under way is sent once more if the server may have closed an idle connection
    /// just before it came (RFC 9112, 9.3.1); browsers do the same.
    fn gone(self: &Rc<Self>, field: &Rc<Field>, used_before: bool, begun: bool) {
        self.writer.take();
        self.task.take();
        let Some(flight) = self.flight.get() else { return };
        if used_before && !begun && !flight.resent {
            self.flight.set(Some(Flight { resent: true, ..flight }));
            if let Some(counts) = field.tally().counts(flight.phase, self.group) {
                counts.reconnected += 1;
            }
            self.send(field);
        } else {
            self.flight.take();
            field.lost(self, flight, End::Failed, Instant::now());
        }
    }
}

/// Connects, sends the request in progress, reads responses until the connection ends.
async fn ride(client: Rc<Client>, field: Rc<Field>) {
    let mut reader = match connect(client.from, field.target()).await {
        Ok(stream) => {
            let (reader, writer) = stream.into_split();
            *client.writer.borrow_mut() = Some(writer);
            reader
        }
        Err(error) => {
            tracing::debug!(%error, "connecting");
            return client.gone(&field, false, false);
        }
    };
    if let Some(flight) = client.flight.get()
        && !client.write(&field, flight)
    {
        return client.gone(&field, false, false);
    }
    let mut answers = Reader::default();
    match read(&mut reader, &mut answers, &client, &field).await {
        Ended::Closed => {}
        Ended::Garbage => client.gone(&field, false, true),
        Ended::Gone { used } => match answers.at_end() {
            Some(last) => {
                client.task.take();
                client.answered(&field, last);
            }
            None => client.gone(&field, used, answers.has_begun()),
        },
    }
}

/// How a connection ended.
enum Ended {
    /// As the last response announced.
    Closed,
    /// Closed by the server.
    Gone {
        /// Whether there had been an answer before.
        used: bool,
    },
    /// Malformed response.
    Garbage,
}

async fn read(
    reader: &mut OwnedReadHalf,
    answers: &mut Reader,
    client: &Rc<Client>,
    field: &Rc<Field>,
) -> Ended {
    let mut used = false;
    while let Ok(1..) = reader.read_buf(&mut answers.buffer).await {
        loop {
            match answers.next() {
                Err(_) => return Ended::Garbage,
                Ok(None) => break,
                Ok(Some(answer)) if answer.closes => {
                    // What is sent next goes over a new connection, whose task must not be taken for this one.
                    client.task.take();
                    client.answered(field, answer);
                    return Ended::Closed;
                }
                Ok(Some(answer)) => client.answered(field, answer),
            }
            used = true;
        }
    }
    Ended::Gone { used }
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<tokio::net::TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
