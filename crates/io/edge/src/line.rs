//! One visitor's connection: what is known of it, and the socket as hyper sees it.

use crate::connections::{Asked, Seat};
use crate::geo::Place;
use crate::known::{Known, Visitor};
use crate::stream::Stream;
use crate::thread::Thread;
use crate::ticks::Ticks;
use crate::upstream::h1::codec;
use crate::upstream::h1::conn::Conn;
use bytes::{Buf, Bytes};
use http::{HeaderMap, StatusCode};
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Ticks for which a word about a visitor is used again: it is good for ten times as long.
const WORD_TICKS: u32 = 600;

/// A connection, shared by its socket, its task and its requests.
pub(crate) struct Line {
    /// Who speaks: by the PROXY protocol where the network has to use it, else the socket's other end.
    pub(crate) peer: SocketAddr,
    /// The address of `peer` as it is told to servers.
    pub(crate) who: Box<str>,
    /// Whether it speaks TLS to us.
    pub(crate) tls: bool,
    pub(crate) ticks: Rc<Ticks>,
    /// Tells all threads whether something is under way.
    pub(crate) seat: Arc<Seat>,
    /// Who asked last.
    pub(crate) asked: Rc<Cell<Option<Asked>>>,
    /// Requests under way.
    pub(crate) busy: Cell<u32>,
    /// Whether the last request has no answer yet.
    pub(crate) waits: Cell<bool>,
    /// The place in the view of the pool that the last request is for.
    pub(crate) pool: Cell<usize>,
    /// The tick at which something last began or ended.
    pub(crate) last: Cell<u32>,
    /// The tick at which the first byte of the next head came; 0 before that.
    pub(crate) head_since: Cell<u32>,
    /// Bytes that came since the last request began.
    pub(crate) came: Cell<usize>,
    /// The tick since which the visitor takes nothing; 0 when it does.
    pub(crate) stuck_since: Cell<u32>,
    /// Whether everything that was answered has left.
    pub(crate) flushed: Cell<bool>,
    /// Whether everything that has come was taken.
    pub(crate) dry: Cell<bool>,
    /// Whether it is counted among those that rest.
    pub(crate) rests: Cell<bool>,
    /// Whether it came back after it had been parked.
    pub(crate) returned: Cell<bool>,
    /// Whether it speaks HTTP/2.
    pub(crate) http2: Cell<bool>,
    /// Where its last visitor comes from.
    place: Cell<Option<(IpAddr, Place)>>,
    /// What servers were told of its last visitor, and until which tick that is told again.
    word: RefCell<Option<(Visitor, u32, String)>>,
    /// Whether hyper's buffer was empty when it was last seen, and no final response had begun.
    clean: Cell<bool>,
    /// Interim responses to be sent before the one that is waited for.
    interim: RefCell<Vec<u8>>,
    /// The server's side of a tunnel that begins once the 101 has left.
    pub(crate) tunnel: RefCell<Option<Box<Conn>>>,
}

impl Line {
    pub(crate) fn new(peer: SocketAddr, tls: bool, ticks: Rc<Ticks>, seat: Arc<Seat>) -> Rc<Self> {
        let asked = Rc::default();
        let now = ticks.now();
        Rc::new(Self {
            peer,
            tls,
            ticks,
            seat,
            asked,
            busy: Cell::new(0),
            waits: Cell::new(false),
            pool: Cell::new(0),
            who: write(peer.ip().to_canonical()),
            last: Cell::new(now),
            head_since: Cell::new(now),
            came: Cell::new(0),
            stuck_since: Cell::new(0),
            flushed: Cell::new(true),
            dry: Cell::new(false),
            rests: Cell::new(false),
            returned: Cell::new(false),
            http2: Cell::new(false),
            place: Cell::new(None),
            word: RefCell::new(None),
            clean: Cell::new(false),
            interim: RefCell::default(),
            tunnel: RefCell::new(None),
        })
    }

    /// Where an address comes from; looked up once for all requests of one visitor.
    pub(crate) fn place(&self, of: IpAddr, look_up: impl FnOnce() -> Place) -> Place {
        match self.place.get() {
            Some((known, place)) if known == of => place,
            _ => {
                let place = look_up();
                self.place.set(Some((of, place)));
                place
            }
        }
    }

    /// The signed word about a visitor; signed once for a minute of its requests.
    pub(crate) fn word(&self, known: &Known, visitor: &Visitor, out: &mut Vec<u8>) {
        let mut word = self.word.borrow_mut();
        let now = self.ticks.now();
        if word.as_ref().is_none_or(|(of, until, _)| of != visitor || *until < now) {
            *word = Some((*visitor, now + WORD_TICKS, known.word(visitor)));
        }
        if let Some((_, _, text)) = &*word {
            out.extend_from_slice(text.as_bytes());
        }
    }

    /// Has an interim response sent by HTTP/1.1, if there is room before the final one begins.
    pub(crate) fn inform(&self, status: StatusCode, headers: &HeaderMap) {
        let mut interim = self.interim.borrow_mut();
        let length: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if !self.waits.get() || interim.len() + length > INTERIM_BYTES {
            return;
        }
        interim.extend_from_slice(b"HTTP/1.1 ");
        interim.extend_from_slice(status.as_str().as_bytes());
        interim.push(b' ');
        interim.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        interim.extend_from_slice(b"\r\n");
        for (name, value) in headers {
            codec::line(&mut interim, name.as_str().as_bytes(), value.as_bytes());
        }
        interim.extend_from_slice(b"\r\n");
    }

    /// A request begins; it is over when the token is dropped.
    pub(crate) fn begin(self: &Rc<Self>) -> Busy {
        self.busy.set(self.busy.get() + 1);
        self.seat.busy();
        self.waits.set(true);
        self.clean.set(self.flushed.replace(false));
        self.interim.borrow_mut().clear();
        self.head_since.set(0);
        Busy(Rc::clone(self))
    }
}

fn write(address: IpAddr) -> Box<str> {
    address.to_string().into_boxed_str()
}

/// A request under way.
pub(crate) struct Busy(Rc<Line>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get().saturating_sub(1));
        self.0.last.set(self.0.ticks.now());
        // By HTTP/1.1 the end of the answer may not have left yet: idle from the flush on.
        if self.0.busy.get() == 0 && (self.0.http2.get() || self.0.flushed.get()) {
            self.0.seat.idle(self.0.last.get());
        }
    }
}

/// Bytes of interim responses that wait to be sent.
const INTERIM_BYTES: usize = 16 * 1024;

/// Bytes up to which parts are copied together.
const TOGETHER: usize = 1024;

/// A client's socket that speaks HTTP/1.1.
pub(crate) struct Socket {
    thread: Rc<Thread>,
    pub(crate) stream: Stream,
    pub(crate) line: Rc<Line>,
    /// What was read from it before hyper came to it.
    pub(crate) before: Bytes,
    /// What hyper itself answers to a head that cannot be read. It is not sent: the edge answers with a page.
    pub(crate) bare: Vec<u8>,
    /// What is left of an interim response of which a part was sent.
    owed: Bytes,
}

impl Socket {
    pub(crate) fn new(thread: Rc<Thread>, stream: Stream, line: Rc<Line>, before: Bytes) -> Self {
        Self { thread, stream, line, before, bare: Vec::new(), owed: Bytes::new() }
    }

    /// Whether what is written now is nobody's answer: nothing is under way, and all that was answered has left.
    fn unasked(&self) -> bool {
        self.line.flushed.get() && self.line.busy.get() == 0
    }

    /// Sends interim responses. Ready when nothing of them stands before the bytes of the final one.
    #[cold]
    fn poll_interim(&mut self, may: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.owed.is_empty() {
            let interim = std::mem::take(&mut *self.line.interim.borrow_mut());
            if interim.is_empty() || !may {
                return Poll::Ready(Ok(()));
            }
            match Pin::new(&mut self.stream).poll_write(cx, &interim)? {
                Poll::Ready(sent) => self.owed = Bytes::from(interim).slice(sent..),
                // It does not fit, and nobody depends on it.
                Poll::Pending => return Poll::Ready(Ok(())),
            }
        }
        while !self.owed.is_empty() {
            let polled = Pin::new(&mut self.stream).poll_write(cx, &self.owed);
            self.wrote(&polled);
            let sent = ready!(polled)?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.owed.advance(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// What goes before the first byte of a final response: where both came together, only here an interim one is in time.
    #[inline]
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let may = self.line.clean.replace(false);
        if !self.owed.is_empty() || (may && !self.line.interim.borrow().is_empty()) {
            return self.poll_interim(may, cx);
        }
        Poll::Ready(Ok(()))
    }

    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        let line = &self.line;
        if polled.is_ready() {
            line.stuck_since.set(0);
        } else if line.stuck_since.get() == 0 {
            line.stuck_since.set(line.ticks.now());
        }
    }
}

impl AsyncRead for Socket {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let had = buf.filled().len();
        let polled = if this.before.is_empty() {
            let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
            this.line.dry.set(polled.is_pending());
            polled
        } else {
            this.line.dry.set(false);
            let length = this.before.len().min(buf.remaining());
            buf.put_slice(&this.before[..length]);
            this.before.advance(length);
            if this.before.is_empty() {
                this.before = Bytes::new();
            }
            Poll::Ready(Ok(()))
        };
        if polled.is_ready() {
            let line = &this.line;
            line.came.set(line.came.get() + buf.filled().len() - had);
            if line.busy.get() == 0 && line.head_since.get() == 0 {
                line.head_since.set(line.ticks.now());
            }
        }
        polled
    }
}

impl AsyncWrite for Socket {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.unasked() {
            self.bare.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        ready!(self.poll_first(cx))?;
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(&polled);
        polled
    }

    /// Small parts are put together first: one plain send costs less than a gathering one.
    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.unasked() {
            let part = bufs.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| part);
            return self.poll_write(cx, part);
        }
        ready!(self.poll_first(cx))?;
        let stream = Pin::new(&mut self.stream);
        let polled = if bufs.iter().map(|part| part.len()).sum::<usize>() <= TOGETHER {
            let (mut together, mut length) = ([0; TOGETHER], 0);
            for part in bufs {
                together[length..length + part.len()].copy_from_slice(part);
                length += part.len();
            }
            stream.poll_write(cx, &together[..length])
        } else {
            stream.poll_write_vectored(cx, bufs)
        };
        self.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper's own buffer is empty here: an interim response cannot come into the middle of another one.
        if !self.owed.is_empty() || !self.line.interim.borrow().is_empty() {
            let may = self.line.waits.get();
            ready!(self.poll_interim(may, cx))?;
        }
        if self.line.waits.get() {
            self.line.clean.set(true);
        }
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        // hyper comes by here whenever it is polled: the place to see whether the client has gone that waits for an answer. One that
        // has only closed its sending side may still read (RFC 9112 section 9.6), but takes no place that others queue for.
        if self.line.waits.get()
            && let Poll::Ready(Ok(0)) = self.stream.socket().poll_peek(cx, &mut ReadBuf::new(&mut [0]))
            && self.thread.crowded(self.line.pool.get())
        {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        // hyper flushes the socket when its own buffer is empty: with no request under way, all has left.
        if polled.is_ready() && self.line.busy.get() == 0 && !self.line.flushed.replace(true) {
            self.line.seat.idle(self.line.last.get());
        }
        polled
    }

    /// It is closed after hyper has gone.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
