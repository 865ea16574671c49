//! Servers that mean harm to a probe of PostgreSQL: bounded time, bounded bytes, and each harm has its word.

use crate::rounds;
use crate::server;
use proptest::prelude::*;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENT: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_secs(1);
/// What loopback takes into its buffers before anyone reads, and more.
const BUFFERS: usize = 24 << 20;
/// Login without a password, and readiness for a query.
const LOGGED_IN: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

/// Answers the request for TLS with N, the login with `login`, and each message after it with `again`, without end.
async fn fake(login: &'static [u8], again: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let address = server::listen(move |mut stream| {
        let counted = Arc::clone(&counted);
        async move {
            if begin(&mut stream, b"N", login).await.is_none() {
                return;
            }
            let mut bytes = [0; 1024];
            while !again.is_empty() && stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                while stream.write_all(again).await.is_ok() {
                    counted.fetch_add(again.len(), Ordering::Relaxed);
                }
            }
        }
    })
    .await;
    (address, taken)
}

async fn begin(stream: &mut TcpStream, tls: &[u8], login: &[u8]) -> Option<()> {
    let mut bytes = [0; 1024];
    stream.read_exact(&mut bytes[..8]).await.ok()?;
    stream.write_all(tls).await.ok()?;
    let read = stream.read(&mut bytes).await.ok()?;
    stream.write_all(login).await.ok()?;
    (read > 0).then_some(())
}

/// One round against an address: the word of its fault.
async fn word(address: SocketAddr, limit: Duration) -> String {
    rounds::word(format!("postgres://m:secret@{address}/postgres"), limit).await
}

#[tokio::test]
async fn each_harm_has_its_word() {
    let silent = server::listen(|stream| async move {
        tokio::time::sleep(Duration::from_secs(600)).await;
        drop(stream);
    })
    .await;
    assert_eq!(word(silent, SHORT).await, "timed-out");
    let closes = server::listen(|stream| async move { drop(stream) }).await;
    assert_eq!(word(closes, PATIENT).await, "unreachable");
    let other = server::listen(|mut stream| async move {
        let _ = stream.write_all(b"220 mail.acme.net ESMTP\r\n").await;
        let _ = stream.read(&mut [0; 64]).await;
    })
    .await;
    assert_eq!(word(other, PATIENT).await, "garbage");
    let no_tls = server::listen(|mut stream| async move {
        begin(&mut stream, b"S", b"this is not TLS at all, is it?").await;
    })
    .await;
    assert_eq!(word(no_tls, PATIENT).await, "garbage");
    for (login, again, expected) in [
        (&b""[..], &b""[..], "unreachable"),
        (b"\x00\x00\x00\x00\x00\x00\x00\x00", b"", "garbage"),
        (b"R\0\0\0\x08\0\0\0\x07", b"", "denied"),
        (LOGGED_IN, b"", "unreachable"),
        (LOGGED_IN, b"Q\0\0\0\x04", "garbage"),
        // A row of 1 GB, and 16 MB/s of notices: neither is read to its end.
        (LOGGED_IN, b"D\x40\0\0\0", "too-large"),
        (LOGGED_IN, b"N\0\0\0\x0bSERROR\0", "garbage"),
        (LOGGED_IN, b"N\0\0\0\x17SNOTICE\0C00000\0Mx\0\0", "too-large"),
        (LOGGED_IN, b"S\0\0\0\x08a\0b\0", "too-large"),
    ] {
        let (address, taken) = fake(login, again).await;
        assert_eq!(word(address, PATIENT).await, expected, "{login:?} {again:?}");
        assert!(taken.load(Ordering::Relaxed) < BUFFERS, "{again:?}: {taken:?} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_end_in_time(
        login in any::<bool>(),
        bytes in prop::collection::vec(
            prop_oneof![Just(0_u8), Just(4), Just(8), proptest::sample::select(b"RSZTDCENKt1n".to_vec()), any::<u8>()], 0..300
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let address = server::listen(move |mut stream| {
                let bytes = bytes.clone();
                async move {
                    if begin(&mut stream, b"N", if login { LOGGED_IN } else { b"" }).await.is_some() {
                        let _ = stream.write_all(&bytes).await;
                        // Closes after the reader has had time to ask again, or has left.
                        let _ = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut [0; 64])).await;
                    }
                }
            })
            .await;
            word(address, SHORT).await
        });
    }
}
