//! A connection: URL, login, and one command with its bounded reply (RESP2).

use crate::connect;
use crate::faults::{self, TooMuchData};
use crate::kinds::database::encrypt::Encrypt;
use crate::kinds::database::url::{self, REDIS, UrlError};
use crate::kinds::tls::{Alpn, Tls};
use crate::names::Names;
use secrecy::{ExposeSecret as _, SecretString};
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::Instant;
use types::Fault;
use types::database::{Encryption, NodeAnswer};
use types::fault::Phase;
use types::probe_result::Phases;

/// Longest reply. That of `INFO` has some kB, and a line for each replica and database.
const REPLY_MAX: u64 = 256 << 10;

/// A node and the login of mainstay.
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    tls: bool,
    user: Option<String>,
    password: Option<SecretString>,
}

/// Reads `redis://USER:PASSWORD@HOST:PORT`, or `rediss://` for TLS. The error is a text without the URL.
pub(super) fn parse(url: &str) -> Result<Target, UrlError> {
    let url = url::read(url, REDIS)?;
    let (user, password) = url::login(&url);
    Ok(Target {
        host: url.host_str().unwrap_or_default().to_owned(),
        port: url.port().unwrap_or(6379),
        tls: matches!(url.scheme(), "rediss" | "valkeys"),
        user,
        password,
    })
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// An open connection.
pub(super) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    pub(super) encryption: Encryption,
}

impl Connection {
    /// Connects and logs in. With TLS, the certificate is verified before the password is sent.
    pub(super) async fn open(
        target: &Target,
        names: &Names,
        tls: &Tls,
        deadline: Instant,
    ) -> Result<Self, NodeAnswer> {
        let mut phases = Phases::default();
        let opened = connect::open(names, (&target.host, target.port), deadline, &mut phases).await;
        let (stream, address) = opened.map_err(NodeAnswer::Failed)?;
        let (stream, encryption): (Box<dyn Stream>, _) = if target.tls {
            let shaken =
                tls.handshake(stream, address, &target.host, Alpn::Nothing, deadline, &mut phases).await;
            let encryption = Encrypt::Verified.judge(&shaken).map_err(NodeAnswer::Failed)?;
            (Box::new(shaken.stream.map_err(NodeAnswer::Failed)?), encryption)
        } else {
            (Box::new(stream), Encryption::Plain)
        };
        let mut connection = Self { stream: BufReader::new(stream), encryption };
        match (&target.user, &target.password) {
            (Some(user), Some(password)) => {
                drop(connection.command(&["AUTH", user, password.expose_secret()]).await?);
            }
            (None, Some(password)) => drop(connection.command(&["AUTH", password.expose_secret()]).await?),
            _ => {}
        }
        Ok(connection)
    }

    /// Sends a command and reads its reply, a status or a text.
    pub(super) async fn command(&mut self, words: &[&str]) -> Result<String, NodeAnswer> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.exchange(request.as_bytes()).await.map_err(failed)?
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<Result<String, NodeAnswer>> {
        // A full server says so and closes before it has read anything.
        let sent = self.stream.write_all(request).await;
        let mut limited = (&mut self.stream).take(REPLY_MAX);
        let mut line = Vec::new();
        let received = limited.read_until(b'\n', &mut line).await;
        if line.is_empty() {
            sent.and(received)?;
        }
        let Some((kind, text)) = line.strip_suffix(b"\r\n").and_then(|line| line.split_first()) else {
            return Err(if limited.limit() == 0 { too_much() } else { io::ErrorKind::UnexpectedEof.into() });
        };
        let text = String::from_utf8_lossy(text).into_owned();
        match kind {
            b'+' => Ok(Ok(text)),
            b'-' => Ok(Err(refused(&text))),
            b'$' => {
                let length: u64 = text.parse().map_err(|_| no_redis())?;
                if length > REPLY_MAX {
                    return Err(too_much());
                }
                let mut reply = Vec::new();
                (&mut self.stream).take(length + 2).read_to_end(&mut reply).await?;
                match reply.strip_suffix(b"\r\n") {
                    Some(reply) => Ok(Ok(String::from_utf8_lossy(reply).into_owned())),
                    None => Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
            _ => Err(no_redis()),
        }
    }
}

fn failed(error: io::Error) -> NodeAnswer {
    NodeAnswer::Failed(faults::from_io(&error, Phase::FirstByte))
}

fn too_much() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, TooMuchData)
}

fn no_redis() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what it sends is not the Redis protocol")
}

/// What an error reply says about the node.
fn refused(said: &str) -> NodeAnswer {
    let said = text::truncate::chars(said, 200);
    let begins = |words: &[&str]| words.iter().any(|word| said.starts_with(word));
    if begins(&["ERR max number of clients"]) {
        NodeAnswer::Saturated { said }
    } else if begins(&["LOADING", "MASTERDOWN"]) {
        NodeAnswer::Starting { said }
    } else if begins(&["NOAUTH", "WRONGPASS", "NOPERM", "ERR AUTH", "ERR invalid password", "DENIED"]) {
        NodeAnswer::Denied { said }
    } else {
        NodeAnswer::Failed(Fault::Unreachable { why: format!("it refuses INFO: {said}") })
    }
}
