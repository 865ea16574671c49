//! Providers that never end, never respond, or do not speak HTTP.

use crate::{config, key, page};
use notify::Notifier;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use types::notification::Undelivered;

/// A server with its own handler for connections, called after the first bytes of the request.
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
    let no = notifier.send(&page("ntfy")).await.result.unwrap_err();
    // Ten seconds, with a margin for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(60));
    no
}

#[tokio::test]
async fn silent_server_fails_within_timeout() {
    let notifier = server(async |stream| {
        tokio::time::sleep(Duration::from_secs(600)).await;
        drop(stream);
        Ok(())
    })
    .await;
    let no = undelivered(&notifier).await;
    assert!(no.retriable && no.why.contains("no response"), "{no:?}");
}

#[tokio::test]
async fn endless_body_is_not_read_to_its_end() {
    let notifier = server(async |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        loop {
            stream.write_all(&[b'x'; 4096]).await?;
        }
    })
    .await;
    let delivery = notifier.send(&page("ntfy")).await;
    assert_eq!(delivery.result.unwrap().receipt, None, "the status is enough");
}

#[tokio::test]
async fn missing_body_keeps_accepted_status() {
    let notifier = server(async |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{").await?;
        tokio::time::sleep(Duration::from_secs(600)).await;
        Ok(())
    })
    .await;
    assert!(notifier.send(&page("ntfy")).await.result.is_ok());
}

#[tokio::test]
async fn endless_headers_and_garbage_are_retriable() {
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
