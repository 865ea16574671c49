//! Servers that mean harm cost bounded time and bounded memory, and each harm has its word.

use crate::{config, server};
use prober::Prober;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use types::config::{Expect, ProbeKind};
use types::fault::{Fault, Phase};
use types::probe_result::{Answer, ProbeResult};

/// What loopback itself takes into its buffers before anybody reads, and more.
const BUFFERS: usize = 24 * 1024 * 1024;

async fn get(address: SocketAddr, timeout: Duration) -> ProbeResult {
    let expect = Expect { body_contains: Some("never said".to_owned()), ..Expect::default() };
    let mut probe =
        config::probe("http", testkit::config::get_expecting(format!("http://{address}/"), expect));
    probe.timeout = timeout;
    let prober = Prober::new(&config::bare()).unwrap();
    // Far beyond what is promised: this machine may be slow, but not for ever.
    tokio::time::timeout(timeout + Duration::from_secs(30), prober.run(&probe)).await.unwrap()
}

const PATIENT: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn what_breaks_off_or_is_no_http_has_its_word() {
    for (what, response, word) in [
        ("silence", &b""[..], "unreachable"),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-", "truncated"),
        ("half a body", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nwell", "truncated"),
        ("half a chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nwell", "truncated"),
        ("no last chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwell\r\n", "truncated"),
        ("another protocol", b"220 mail.acme.com ESMTP\r\n", "garbage"),
        ("noise", b"\x00\x01\x02\x03\xff\xfe\r\n\r\n", "garbage"),
        ("TLS on a plain port", b"\x15\x03\x01\x00\x02\x02\x46", "garbage"),
        ("a zero byte", b"HTTP/1.1 200 OK\r\nX: \0\r\n\r\n", "garbage"),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nwell", "garbage"),
        ("a chunk that is none", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nwell\r\n", "garbage"),
        ("a status that is none", b"HTTP/1.1 9999 OK\r\n\r\n", "garbage"),
    ] {
        let address = server::http(|_| response.to_vec()).await;
        let sample = get(address, PATIENT).await;
        let Answer::Failed(fault) = sample.answer else { panic!("{what}: {sample:?}") };
        assert_eq!(fault.as_str(), word, "{what}: {fault:?}");
    }
}

#[tokio::test]
async fn who_stops_in_the_middle_is_timed_out_with_the_phase() {
    for (begin, phase) in [
        (&b""[..], Phase::FirstByte),
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", Phase::Body),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nwell", Phase::Body),
    ] {
        let address = server::listen(move |mut stream| async move {
            server::head(&mut stream).await;
            let _ = stream.write_all(begin).await;
            std::future::pending::<()>().await;
        })
        .await;
        let sample = get(address, SHORT).await;
        assert_eq!(sample.answer, Answer::Failed(Fault::TimedOut { phase }), "{begin:?}");
        assert!(sample.phases.total >= SHORT);
    }
}

#[tokio::test]
async fn one_byte_at_a_time_does_not_stretch_the_time() {
    let address = server::listen(|mut stream| async move {
        server::head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let sample = get(address, SHORT).await;
    assert_eq!(sample.answer, Answer::Failed(Fault::TimedOut { phase: Phase::Body }));
}

#[tokio::test]
async fn an_endless_body_is_read_to_the_limit() {
    for begin in
        [&b"HTTP/1.1 200 OK\r\n\r\n"[..], b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999\r\n\r\n"]
    {
        let (address, taken) = server::endless(begin, &[b'x'; 16 * 1024]).await;
        let sample = get(address, PATIENT).await;
        let Answer::Http(seen) = sample.answer else { panic!("{sample:?}") };
        // What was not read may hold the text.
        assert_eq!((seen.body_bytes, seen.body_found), (8 * 1024 * 1024, None));
        assert!(taken.load(Ordering::Relaxed) < 8 * 1024 * 1024 + BUFFERS);
    }
}

#[tokio::test]
async fn endless_heads_are_refused() {
    for (begin, again) in [
        (&b"HTTP/1.1 200 OK\r\n"[..], &b"X-More: and more and more and more and more\r\n"[..]),
        (b"HTTP/1.1 200 OK\r\nX-More: ", &[b'x'; 4096]),
    ] {
        let (address, taken) = server::endless(begin, again).await;
        let sample = get(address, PATIENT).await;
        assert_eq!(sample.answer, Answer::Failed(Fault::TooLarge { what: "headers".to_owned() }));
        assert!(taken.load(Ordering::Relaxed) < BUFFERS);
    }
}

#[tokio::test]
async fn endless_beginnings_end() {
    for (what, begin, again, word) in [
        ("status line", &b"HTTP/1.1 200 "[..], &[b'x'; 4096][..], "too-large"),
        ("interim responses", b"", &b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100).leak()[..], "too-large"),
        ("noise", b"", &[0xff; 4096], "garbage"),
    ] {
        let (address, taken) = server::endless(begin, again).await;
        let Answer::Failed(fault) = get(address, PATIENT).await.answer else { panic!("{what}: answered") };
        assert_eq!(fault.as_str(), word, "{what}: {fault:?}");
        assert!(taken.load(Ordering::Relaxed) < 256 * 1024 + BUFFERS, "{what}");
    }
}

#[tokio::test]
async fn who_speaks_before_they_are_asked_always_gets_the_same_word() {
    let address = server::listen(|mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await;
        server::head(&mut stream).await;
    })
    .await;
    for _ in 0..20 {
        let Answer::Failed(fault) = get(address, PATIENT).await.answer else { panic!("answered") };
        let why = "the answer is no usable HTTP: it does not begin with an HTTP status line".to_owned();
        assert_eq!(fault, Fault::Garbage { why });
    }
}

#[tokio::test]
async fn endless_chunk_sizes_and_trailers_end() {
    for (what, begin, again) in [
        ("chunk size", &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &[b'0'; 4096][..]),
        ("chunk extension", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", &[b'x'; 4096]),
        ("trailers", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-More: and more\r\n"),
    ] {
        let (address, taken) = server::endless(begin, again).await;
        let sample = get(address, SHORT).await;
        assert!(matches!(sample.answer, Answer::Failed(_)), "{what}: {sample:?}");
        assert!(taken.load(Ordering::Relaxed) < BUFFERS, "{what}");
    }
}

#[tokio::test]
async fn refused_and_cut_connections_differ() {
    let (_refuses, nobody) = server::nobody();
    assert_eq!(get(nobody, PATIENT).await.answer, Answer::Failed(Fault::Refused));

    let cutting = server::listen(|mut stream| async move {
        server::head(&mut stream).await;
        // With bytes unread or lingering off, closing sends a reset.
        let _ = stream.set_zero_linger();
    })
    .await;
    let Answer::Failed(fault) = get(cutting, PATIENT).await.answer else { panic!("answered") };
    assert_eq!(fault.as_str(), "unreachable", "{fault:?}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_timed_out() {
    let address = server::listen(|mut stream| async move {
        while stream.write_all(&[]).await.is_ok() {
            std::future::pending::<()>().await;
        }
    })
    .await;
    let prober = Prober::new(&config::bare()).unwrap();
    for ask in [
        ProbeKind::Tls { host: "127.0.0.1".to_owned(), port: address.port() },
        config::get(format!("https://{address}/")),
    ] {
        let mut probe = config::probe("tls", ask);
        probe.timeout = SHORT;
        let sample = prober.run(&probe).await;
        assert_eq!(sample.answer, Answer::Failed(Fault::TimedOut { phase: Phase::Tls }));
    }
}

#[tokio::test]
async fn hundred_concurrent_probes_are_all_answered() {
    let (endless, _) = server::endless(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n").await;
    let silent = server::listen(|mut stream| async move {
        server::head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let well = server::http(|_| server::ok("well")).await;
    let prober = std::sync::Arc::new(Prober::new(&config::bare()).unwrap());
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..99 {
        let address = [endless, silent, well][number % 3];
        let mut probe = config::probe(&number.to_string(), config::get(format!("http://{address}/")));
        probe.timeout = if address == silent { SHORT } else { PATIENT };
        let prober = std::sync::Arc::clone(&prober);
        asked.spawn(async move { (number % 3, prober.run(&probe).await) });
    }
    let samples = tokio::time::timeout(Duration::from_secs(120), asked.join_all()).await.unwrap();
    for (kind, sample) in samples {
        match kind {
            0 => assert_eq!(sample.answer, Answer::Failed(Fault::TooLarge { what: "headers".to_owned() })),
            1 => assert_eq!(sample.answer, Answer::Failed(Fault::TimedOut { phase: Phase::FirstByte })),
            _ => assert!(matches!(sample.answer, Answer::Http(_)), "{sample:?}"),
        }
    }
}
