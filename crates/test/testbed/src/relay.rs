//! A link with delay and limited bandwidth.

use crate::tasks::{Tasks, serve_each};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Most open connections.
const CONNECTIONS_MAX: usize = 1_000;
/// Bytes in one piece at most.
const PIECE: usize = 8 * 1024;

/// Properties of a link, in each direction.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Delay of a byte: half a round trip.
    pub delay: Duration,
    /// Bandwidth of each connection.
    pub megabits_per_second: f64,
}

/// The line in use. Stops when dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    _tasks: Tasks,
}

impl Relay {
    /// Starts to relay connections of `listener`.
    ///
    /// # Errors
    /// When the listener is closed.
    pub fn start(listener: TcpListener, to: SocketAddr, line: Line) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let mut tasks = Tasks::default();
        tasks.spawn(serve_each(listener, CONNECTIONS_MAX, move |near, _| async move {
            let Ok(there) = TcpStream::connect(to).await else { return };
            let _ = (near.set_nodelay(true), there.set_nodelay(true));
            let ((near_in, near_out), (there_in, there_out)) = (near.into_split(), there.into_split());
            tokio::join!(pass(near_in, there_out, line), pass(there_in, near_out, line));
        }));
        Ok(Self { address, _tasks: tasks })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// One direction.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, line: Line) {
    let bytes_per_second = line.megabits_per_second.max(0.01) * 1e6 / 8.0;
    // The bandwidth-delay product, and as much again in a router's queue.
    let pieces = (bytes_per_second * line.delay.as_secs_f64() * 2.0 / PIECE as f64) as usize + 16;
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(pieces);
    let read = async move {
        let mut free = Instant::now();
        let mut piece = vec![0; PIECE];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            free = free.max(Instant::now()) + Duration::from_secs_f64(length as f64 / bytes_per_second);
            if sender.send((free + line.delay, piece[..length].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = receiver.recv().await {
            sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn line_delays_each_way_and_bounds_the_rate() {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = echo.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = echo.accept().await.unwrap();
            let (mut from, mut back) = stream.split();
            tokio::io::copy(&mut from, &mut back).await.unwrap();
        });
        let line = Line { delay: Duration::from_millis(40), megabits_per_second: 8.0 };
        let relay = Relay::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), to, line).unwrap();
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        let began = Instant::now();
        stream.write_all(b"x").await.unwrap();
        stream.read_exact(&mut [0; 1]).await.unwrap();
        assert!(began.elapsed() >= 2 * line.delay, "{:?}", began.elapsed());
        let began = Instant::now();
        let (mut from, mut to) = stream.split();
        let sent = vec![7; 200_000];
        let mut came = vec![0; sent.len()];
        let (wrote, read) = tokio::join!(to.write_all(&sent), from.read_exact(&mut came));
        assert!(wrote.is_ok() && read.is_ok() && came == sent);
        // A megabyte a second.
        assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    }
}
