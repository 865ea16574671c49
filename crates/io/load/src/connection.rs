//! One connection to the target: TCP, TLS where the URL says so, HTTP/1.1 with keep-alive.

use crate::target::{Target, TlsName};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// An open connection. Its driver ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: tokio::task::JoinHandle<()>,
}

/// Why a request has no answer, as text.
pub(crate) type Failure = String;

impl Connection {
    pub(crate) async fn open(target: &Target, address: SocketAddr) -> Result<Self, Failure> {
        let stream =
            TcpStream::connect(address).await.map_err(|why| format!("connection to {address}: {why}"))?;
        stream.set_nodelay(true).map_err(|why| why.to_string())?;
        match &target.tls {
            None => Self::over(stream).await,
            Some(TlsName { config, name }) => {
                let stream = TlsConnector::from(config.clone()).connect(name.clone(), stream).await;
                Self::over(stream.map_err(|why| format!("TLS with {address}: {why}"))?).await
            }
        }
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Self, Failure> {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|why| why.to_string())?;
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { sender, driver })
    }

    /// Whether the server has closed it, as far as is known.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and reads the whole answer; its status.
    ///
    /// # Errors
    /// With the request when it was not sent.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<u16, (Option<Request<Full<Bytes>>>, Failure)> {
        if let Err(why) = self.sender.ready().await {
            return Err((Some(request), why.to_string()));
        }
        let response = self.sender.try_send_request(request).await.map_err(|mut error| {
            let request = error.take_message();
            (request, error.into_error().to_string())
        })?;
        read(response).await.map_err(|why| (None, why))
    }
}

/// Reads a body and drops it.
async fn read(response: Response<Incoming>) -> Result<u16, Failure> {
    let status = response.status().as_u16();
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame.map_err(|why| why.to_string())?;
    }
    Ok(status)
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
