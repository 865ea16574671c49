//! Servers of our own on loopback. They end with the test's runtime.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Hands every connection to `handle`.
pub(crate) async fn listen<F, Fut>(handle: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    // A name under `localhost` leads to both families: the other one refuses, rather than belong to another test.
    match both() {
        Some((four, refuses)) => listen_on(four.listen(1024).unwrap(), Some(refuses), handle),
        None => listen_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), None, handle),
    }
}

/// Hands every connection of this listener to `handle`, and keeps a port reserved beside it.
pub(crate) fn listen_on<F, Fut>(listener: TcpListener, beside: Option<TcpSocket>, handle: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let _beside = beside;
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    address
}

/// Answers each request by its path with these bytes, then hangs up.
pub(crate) async fn http(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    let answer = Arc::new(answer);
    listen(move |stream| {
        let answer = Arc::clone(&answer);
        async move { serve(stream, &*answer).await }
    })
    .await
}

/// The same inside TLS.
pub(crate) async fn https(
    config: rustls::ServerConfig,
    answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
) -> SocketAddr {
    let (acceptor, answer) = (TlsAcceptor::from(Arc::new(config)), Arc::new(answer));
    listen(move |stream| {
        let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, &*answer).await;
            }
        }
    })
    .await
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &(impl Fn(&str) -> Vec<u8> + Sync)) {
    let Some(head) = head(&mut stream).await else { return };
    let path = head.split_whitespace().nth(1).unwrap_or("/").to_owned();
    let _ = stream.write_all(&answer(&path)).await;
    let _ = stream.shutdown().await;
}

/// Reads a request to the end of its head.
pub(crate) async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    let mut bytes = [0; 1024];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut bytes).await {
            Ok(read) if read > 0 => head.extend_from_slice(&bytes[..read]),
            _ => return None,
        }
    }
    String::from_utf8(head).ok()
}

/// Reads the request, sends `begin`, and then `again` without end. Tells how many bytes were taken off its hands.
pub(crate) async fn endless(begin: &'static [u8], again: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let address = listen(move |mut stream| {
        let counted = Arc::clone(&counted);
        async move {
            head(&mut stream).await;
            let mut piece = begin.to_vec();
            while stream.write_all(&piece).await.is_ok() {
                counted.fetch_add(piece.len(), Ordering::Relaxed);
                piece = again.to_vec();
            }
        }
    })
    .await;
    (address, taken)
}

/// A whole response.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A redirect.
pub(crate) fn to(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// Shakes hands with every visitor of this listener and hangs up.
pub(crate) fn shake_on(listener: TcpListener, config: rustls::ServerConfig) -> SocketAddr {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen_on(listener, None, move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let _ = acceptor.accept(stream).await;
        }
    })
}

/// One port on both addresses that `localhost` has, reserved but refusing until it is listened on; `None` on a machine
/// without IPv6.
pub(crate) fn both() -> Option<(TcpSocket, TcpSocket)> {
    for _ in 0..50 {
        let six = TcpSocket::new_v6().ok()?;
        six.bind("[::1]:0".parse().unwrap()).ok()?;
        let four = TcpSocket::new_v4().ok()?;
        let port = six.local_addr().ok()?.port();
        if four.bind(SocketAddr::new([127, 0, 0, 1].into(), port)).is_ok() {
            return Some((four, six));
        }
    }
    None
}

/// An address of loopback that refuses for as long as the socket is kept, so that no other test gets its port.
pub(crate) fn nobody() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}
