//! Requests over the connection of a client: sent, answered, failed, retried.

use super::client::{Client, Flight};
use super::generator::Generator;
use super::tally::{End, is_good};
use super::wire::{Answer, Reader};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::net::tcp::OwnedReadHalf;
use tokio::task::spawn_local;

/// Delay of the first retry; doubled for each further one.
const RETRY_AFTER: Duration = Duration::from_millis(100);

impl Generator {
    /// Starts a request with a deadline of its own.
    pub(super) fn launch(self: &Rc<Self>, client: &Rc<Client>, flight: Flight, now: Instant) {
        let serial = self.serial.get().wrapping_add(1);
        self.serial.set(serial);
        client.flight.set(Some(Flight { serial, sent: now, resent: false, ..flight }));
        self.deadlines.borrow_mut().push_back((now + self.settings.deadline, Rc::clone(client), serial));
        client.send(self);
    }

    /// A request succeeded: continues with the next step, or ends the visit.
    fn succeeded(self: &Rc<Self>, client: &Rc<Client>, flight: Flight, now: Instant) {
        if now.saturating_duration_since(flight.due) > self.settings.deadline {
            return self.lost(client, flight, End::Timeout, now);
        }
        if flight.step + 1 < self.requests[client.group].len() {
            return self.launch(client, Flight { step: flight.step + 1, due: now, ..flight }, now);
        }
        self.over(client, flight, End::Good);
    }

    /// A request failed: retries, or ends the visit.
    pub(super) fn lost(self: &Rc<Self>, client: &Rc<Client>, flight: Flight, end: End, now: Instant) {
        let group = &self.settings.groups[client.group];
        if flight.attempt >= group.retries || self.shared.ends.load(Ordering::Relaxed) {
            return self.over(client, flight, end);
        }
        // A random factor from 0.5 to 1.5, so that clients rejected together do not retry together.
        let after = RETRY_AFTER * (1 << flight.attempt.min(6));
        let at = now + after.mul_f64(0.5 + self.chance.borrow_mut().f64());
        let flight = Flight { attempt: flight.attempt + 1, ..flight };
        self.retries.borrow_mut().insert((at, flight.serial), (Rc::clone(client), flight));
    }
}

impl Client {
    /// Sends the request in progress over the existing connection, or a new one.
    fn send(self: &Rc<Self>, generator: &Rc<Generator>) {
        let Some(flight) = self.flight.get() else { return };
        if let Some(counts) = generator.tally().counts(flight.phase, self.group) {
            counts.requests += 1;
        }
        if self.writer.borrow().is_some() && self.write(generator, flight) {
            return;
        }
        self.hang_up();
        let task = spawn_local(connect_and_read(Rc::clone(self), Rc::clone(generator)));
        *self.task.borrow_mut() = Some(task.abort_handle());
    }

    /// Requests are small and one at a time: they fit into the buffer of the socket, or the connection is broken.
    fn write(&self, generator: &Generator, flight: Flight) -> bool {
        let writer = self.writer.borrow();
        let Some(writer) = writer.as_ref() else { return false };
        generator.with_request(
            self.group,
            flight.step,
            &self.jar.borrow(),
            |bytes| matches!(writer.try_write(bytes), Ok(size) if size == bytes.len()),
        )
    }

    fn answered(self: &Rc<Self>, generator: &Rc<Generator>, answer: Answer) {
        let Some(flight) = self.flight.take() else { return };
        let now = Instant::now();
        let took = now.saturating_duration_since(flight.sent);
        if answer.closes {
            // The task that reads ends by itself.
            self.writer.take();
        }
        {
            let mut tally = generator.tally();
            let words = [answer.retry_after, answer.limits];
            tally.answer(flight.phase, self.group, answer.status, words, took);
            if generator.keeps_cookies(self.group) {
                for cookie in answer.cookies {
                    if self.keep(cookie) {
                        tally.introduced[self.group] += 1;
                    }
                }
            }
        }
        if is_good(answer.status) {
            generator.succeeded(self, flight, now);
        } else {
            generator.lost(self, flight, End::Refused, now);
        }
    }

    /// The connection is gone. What is under way is sent once more if the server may have closed an idle connection
    /// just before it came (RFC 9112, 9.3.1); browsers do the same.
    fn gone(self: &Rc<Self>, generator: &Rc<Generator>, used_before: bool, begun: bool) {
        self.writer.take();
        self.task.take();
        let Some(flight) = self.flight.get() else { return };
        if used_before && !begun && !flight.resent {
            self.flight.set(Some(Flight { resent: true, ..flight }));
            if let Some(counts) = generator.tally().counts(flight.phase, self.group) {
                counts.reconnected += 1;
            }
            self.send(generator);
        } else {
            self.flight.take();
            generator.lost(self, flight, End::Failed, Instant::now());
        }
    }
}

/// Connects, sends the request in progress, reads responses until the connection ends.
async fn connect_and_read(client: Rc<Client>, generator: Rc<Generator>) {
    let mut reader = match connect(client.from, generator.target()).await {
        Ok(stream) => {
            let (reader, writer) = stream.into_split();
            *client.writer.borrow_mut() = Some(writer);
            reader
        }
        Err(error) => {
            tracing::debug!(%error, "connecting");
            return client.gone(&generator, false, false);
        }
    };
    if let Some(flight) = client.flight.get()
        && !client.write(&generator, flight)
    {
        return client.gone(&generator, false, false);
    }
    let mut answers = Reader::default();
    match read(&mut reader, &mut answers, &client, &generator).await {
        Ended::Closed => {}
        Ended::Garbage => client.gone(&generator, false, true),
        Ended::Gone { used } => match answers.at_end() {
            Some(last) => {
                client.task.take();
                client.answered(&generator, last);
            }
            None => client.gone(&generator, used, answers.has_begun()),
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
    generator: &Rc<Generator>,
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
                    client.answered(generator, answer);
                    return Ended::Closed;
                }
                Ok(Some(answer)) => client.answered(generator, answer),
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
