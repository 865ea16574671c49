//! Providers that never end, never answer, or speak something else.

use crate::{config, key, page};
use notify::Notifier;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use types::notification::Undelivered;

/// A server that treats each connection in its own way, after the request's first bytes have come.
async fn server<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Notifier
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            tokio::spawn(serve(stream));
        }
    });
    Notifier::new(&config(&url, &url, None), key()).unwrap()
}

async fn undelivered(notifier: &Notifier) -> Undelivered {
    let begun = Instant::now();
    let no = notifier.carry(&page("ntfy")).await.result.unwrap_err();
    // Ten seconds by the courier's own clock; the rest is for a machine with much else to do.
    assert!(begun.elapsed() < Duration::from_secs(60));
    no
}

#[tokio::test]
async fn a_server_that_never_answers_costs_a_bounded_time() {
    let notifier = server(async |stream| {
        tokio::time::sleep(Duration::from_secs(600)).await;
        drop(stream);
        Ok(())
    })
    .await;
    let no = undelivered(&notifier).await;
    assert!(no.retriable && no.why.contains("did not answer"), "{no:?}");
}

#[tokio::test]
async fn an_endless_body_is_not_read_to_its_end() {
    let notifier = server(async |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        loop {
            stream.write_all(&[b'x'; 4096]).await?;
        }
    })
    .await;
    let outcome = notifier.carry(&page("ntfy")).await;
    assert_eq!(outcome.result.unwrap().receipt, None, "the status had told that it was accepted");
}

#[tokio::test]
async fn a_body_that_never_comes_does_not_undo_an_acceptance() {
    let notifier = server(async |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{").await?;
        tokio::time::sleep(Duration::from_secs(600)).await;
        Ok(())
    })
    .await;
    assert!(notifier.carry(&page("ntfy")).await.result.is_ok());
}

#[tokio::test]
async fn endless_headers_and_garbage_are_failures_of_the_provider() {
    let endless = server(async |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
        for n in 0_u64.. {
            stream.write_all(format!("X-{n}: {n}\r\n").as_bytes()).await?;
        }
        Ok(())
    })
    .await;
    let garbage = server(async |mut stream| stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await).await;
    let silent = server(async |stream| {
        drop(stream);
        Ok(())
    })
    .await;
    for notifier in [endless, garbage, silent] {
        let no = undelivered(&notifier).await;
        assert!(no.retriable, "{no:?}");
    }
}
