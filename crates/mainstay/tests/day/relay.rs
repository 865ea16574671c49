//! A line to somebody far away: every byte takes 50 ms each way, and no more than 100 Mbit/s go through.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

const ONE_WAY: Duration = Duration::from_millis(50);
const BYTES_PER_SECOND: f64 = 100e6 / 8.0;
/// Bytes in one piece, and pieces on the way: what 50 ms of the line hold, and as much again in a router's queue.
const PIECE: usize = 8 * 1024;
const PIECES: usize = 160;

/// Relays to `to` from an address of its own until the runtime ends.
pub(crate) async fn far(to: SocketAddr) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let here = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(there) = TcpStream::connect(to).await else { return };
                let _ = (near.set_nodelay(true), there.set_nodelay(true));
                let ((near_in, near_out), (there_in, there_out)) = (near.into_split(), there.into_split());
                tokio::join!(line(near_in, there_out), line(there_in, near_out));
            });
        }
    });
    Ok(here)
}

async fn line(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES);
    let read = async move {
        let mut free = Instant::now();
        let mut piece = vec![0; PIECE];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            free = free.max(Instant::now()) + Duration::from_secs_f64(length as f64 / BYTES_PER_SECOND);
            if sender.send((free + ONE_WAY, piece[..length].to_vec())).await.is_err() {
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
