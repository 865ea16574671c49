//! Servers that mean harm to a probe of MariaDB or MySQL: bounded time, bounded bytes, and each harm has its word.

use crate::rounds;
use crate::server;
use proptest::prelude::*;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PATIENT: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_secs(1);
/// What loopback takes into its buffers before anyone reads, and more.
const BUFFERS: usize = 24 << 20;
/// Number of the packet that answers the login.
const AFTER_LOGIN: u8 = 2;

fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let [low, middle, high, _] = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&[low, middle, high, number], payload].concat()
}

/// A greeting without TLS, whose plugin and whose length of the challenge are these.
fn greeting(plugin: &str, challenge_length: u8) -> Vec<u8> {
    let mut greeting = b"\x0a8.0.36\0\x01\0\0\0abcdefgh\0".to_vec();
    greeting.extend_from_slice(b"\xff\xf7\x2d\x02\0\xff\xdf");
    greeting.push(challenge_length);
    greeting.extend_from_slice(b"\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0");
    greeting.extend_from_slice(plugin.as_bytes());
    greeting.push(0);
    packet(0, &greeting)
}

/// Greets, answers the login with `login`, and each packet after it with `again`, without end.
async fn fake(greeting: Vec<u8>, login: Vec<u8>, again: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let address = server::listen(move |mut stream| {
        let (greeting, login, again) = (greeting.clone(), login.clone(), again.clone());
        let counted = Arc::clone(&counted);
        async move {
            let mut bytes = [0; 4_096];
            if stream.write_all(&greeting).await.is_err() || login.is_empty() {
                return;
            }
            if !stream.read(&mut bytes).await.is_ok_and(|read| read > 0)
                || stream.write_all(&login).await.is_err()
            {
                return;
            }
            while !again.is_empty() && stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                while stream.write_all(&again).await.is_ok() {
                    counted.fetch_add(again.len(), Ordering::Relaxed);
                }
            }
        }
    })
    .await;
    (address, taken)
}

/// One round against an address: the word of its fault.
async fn word(address: SocketAddr, limit: Duration) -> String {
    rounds::word(format!("mysql://m:secret@{address}"), limit).await
}

#[tokio::test]
async fn each_harm_has_its_word() {
    let silent = server::listen(|stream| async move {
        tokio::time::sleep(Duration::from_secs(600)).await;
        drop(stream);
    })
    .await;
    assert_eq!(word(silent, SHORT).await, "timed-out");
    let native = || greeting("mysql_native_password", 21);
    let ok = || packet(AFTER_LOGIN, &[0, 0, 0, 2, 0, 0, 0]);
    // The server knows the password's hash only, and wants the password itself over a connection without TLS.
    let full_login = packet(AFTER_LOGIN, &[1, 4]);
    let endless_rows = [packet(1, &[1]), packet(2, &[0xff])].concat();
    for (greeting, login, again, expected) in [
        (vec![], vec![], vec![], "unreachable"),
        (b"220 mail.acme.net ESMTP\r\n".to_vec(), vec![], vec![], "garbage"),
        (b"\xff\xff\xff\0".to_vec(), vec![], vec![], "too-large"),
        (packet(0, b"\x0a"), vec![], vec![], "garbage"),
        (
            packet(0, b"\xff\x10\x04Too many connections"),
            vec![],
            vec![],
            "Saturated { said: \"Too many connections\" }",
        ),
        (packet(0, b"\xff\x6a\x04Host is not allowed"), vec![], vec![], "denied"),
        // A length from which the library would subtract too much.
        (greeting("mysql_native_password", 128), ok(), vec![], "garbage"),
        (native(), packet(AFTER_LOGIN, b"\xff\x15\x04#28000Access denied"), vec![], "denied"),
        (native(), packet(AFTER_LOGIN, b"\xfe"), vec![], "denied"),
        (native(), packet(AFTER_LOGIN, b"\xfemysql_clear_password\0"), vec![], "denied"),
        (native(), packet(AFTER_LOGIN, b"\xfemysql_native_password\0short"), vec![], "garbage"),
        (native(), packet(7, b"\0"), vec![], "garbage"),
        (greeting("caching_sha2_password", 21), full_login, vec![], "denied"),
        (native(), ok(), vec![], "unreachable"),
        // A request for a file of this machine.
        (native(), ok(), packet(1, b"\xfb/etc/passwd"), "garbage"),
        (native(), ok(), packet(1, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), "garbage"),
        (native(), ok(), b"\xff\xff\xff\x01".to_vec(), "too-large"),
        (native(), ok(), endless_rows, "garbage"),
    ] {
        let shown = format!("{} {login:?} {again:?}", String::from_utf8_lossy(&greeting));
        let (address, taken) = fake(greeting, login, again).await;
        assert_eq!(word(address, PATIENT).await, expected, "{shown}");
        assert!(taken.load(Ordering::Relaxed) < BUFFERS, "{shown}: {taken:?} bytes");
    }
}

#[tokio::test]
async fn result_without_end_is_not_read_to_its_end() {
    let address = server::listen(|mut stream| async move {
        let mut bytes = [0; 4_096];
        let _ = stream.write_all(&greeting("mysql_native_password", 21)).await;
        let _ = stream.read(&mut bytes).await;
        let _ = stream.write_all(&packet(AFTER_LOGIN, &[0, 0, 0, 2, 0, 0, 0])).await;
        let _ = stream.read(&mut bytes).await;
        let column = b"\x03def\0\0\0\x01a\0\x0c\x2d\0\0\0\0\0\xfd\0\0\0\0\0";
        let begin = [packet(1, &[1]), packet(2, column), packet(3, &[0xfe, 0, 0, 2, 0])].concat();
        let _ = stream.write_all(&begin).await;
        let row = [&[0xfd, 0, 0x80, 0][..], &[b'x'; 0x8000]].concat();
        let mut number = 4_u8;
        while stream.write_all(&packet(number, &row)).await.is_ok() {
            number = number.wrapping_add(1);
        }
    })
    .await;
    assert_eq!(word(address, PATIENT).await, "too-large");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_end_in_time(
        stage in 0..3_u8,
        number in 0..4_u8,
        bytes in prop::collection::vec(
            prop_oneof![Just(0_u8), Just(1), Just(0xfe), Just(0xff), Just(0xfb), Just(0xfc), any::<u8>()], 0..300
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let address = server::listen(move |mut stream| {
                let payload = packet(number, &bytes);
                async move {
                    let mut read = [0; 4_096];
                    if stage > 0 {
                        let _ = stream.write_all(&greeting("caching_sha2_password", 21)).await;
                        let _ = stream.read(&mut read).await;
                    }
                    if stage > 1 {
                        let _ = stream.write_all(&packet(AFTER_LOGIN, &[0, 0, 0, 2, 0, 0, 0])).await;
                        let _ = stream.read(&mut read).await;
                    }
                    let _ = stream.write_all(&payload).await;
                    // Closes after the reader has had time to ask again, or has left.
                    let _ = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut read)).await;
                }
            })
            .await;
            word(address, SHORT).await
        });
    }
}
