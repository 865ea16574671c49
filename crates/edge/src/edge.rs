//! The edge's threads: one runtime each, with listeners of its own.

use crate::line::Line;
use crate::serve;
use crate::stream::Stream;
use crate::thread::Thread;
use crate::ticks::TICK;
use crate::view::View;
use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;

const BACKLOG: i32 = 4096;

/// Serves on `at` until the process ends.
pub fn run(at: SocketAddr, view: Arc<View>) -> io::Result<()> {
    let runtime =
        Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let thread = Thread::new(view);
        let listener = listen(at)?;
        let ticker = Rc::clone(&thread);
        spawn_local(async move {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                ticks.tick().await;
                ticker.ticks.advance();
                if ticker.ticks.now() % 16 == 0 {
                    ticker.sweep();
                }
            }
        });
        loop {
            match listener.accept().await {
                Ok((socket, peer)) => accept(&thread, socket, peer),
                Err(why) => {
                    tracing::warn!("accepting a connection failed: {why}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    })
}

fn accept(thread: &Rc<Thread>, socket: TcpStream, peer: SocketAddr) {
    let _ = socket.set_nodelay(true);
    let line = Line::new(peer, false, Rc::clone(&thread.ticks));
    spawn_local(serve::http1(Rc::clone(thread), line, Stream::Plain(socket), Bytes::new()));
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
