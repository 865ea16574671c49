//! The WHOIS client: port 43, one line, read to the end. RFC 3912.

use super::budget::Budgets;
use super::encoding;
use super::rdap_client::{failed, silent, wait_for_turn};
use crate::names::Names;
use std::net::IpAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use types::Fault;

/// Bytes read of an answer.
const ANSWER_MAX: u64 = 64 * 1024;
/// Addresses of one server that are tried.
const TRIED_MAX: usize = 3;

/// Queries `server` (`host` or `host:port`) for `domain`. A server that the configuration names (`declared`) may have a
/// private address.
pub(super) async fn ask(
    names: &Names,
    budgets: &Budgets,
    server: &str,
    declared: bool,
    domain: &str,
    until: Instant,
) -> Result<String, Fault> {
    let (host, port) = place(server);
    wait_for_turn(budgets, server, until).await?;
    timeout_at(until, exchange(names, host, port, declared, domain))
        .await
        .unwrap_or_else(|_| Err(silent(server)))
        .map_err(|fault| match fault {
            Fault::Lookup { .. } => fault,
            other => failed(format!("{server} {other}")),
        })
}

async fn exchange(
    names: &Names,
    host: &str,
    port: u16,
    declared: bool,
    domain: &str,
) -> Result<String, Fault> {
    let found = if declared { names.resolve(host).await? } else { names.look_up(host).await? };
    let mut stream = connect(host, &found, port).await?;
    let broken = |error: std::io::Error| failed(format!("{host} breaks off: {}", error.kind()));
    // JPRS answers in Japanese unless asked otherwise.
    let line = if host.ends_with(".jprs.jp") { format!("{domain}/e\r\n") } else { format!("{domain}\r\n") };
    stream.write_all(line.as_bytes()).await.map_err(broken)?;
    let mut bytes = Vec::new();
    let read = (&mut stream).take(ANSWER_MAX).read_to_end(&mut bytes).await;
    // Some servers reset instead of closing; what came before that still counts.
    if bytes.is_empty() {
        read.map_err(broken)?;
        return Err(failed(format!("{host} closes the connection without an answer")));
    }
    Ok(encoding::read(&bytes))
}

async fn connect(host: &str, found: &[IpAddr], port: u16) -> Result<TcpStream, Fault> {
    let mut why = "has no address".to_owned();
    for address in found.iter().take(TRIED_MAX) {
        match TcpStream::connect((*address, port)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => why = error.kind().to_string(),
        }
    }
    Err(failed(format!("{host} cannot be reached: {why}")))
}

/// Host and port, by default 43.
fn place(server: &str) -> (&str, u16) {
    if server.parse::<IpAddr>().is_ok() {
        return (server, 43);
    }
    match server.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => (host, port),
        _ => (server, 43),
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_server_may_carry_its_port() {
        assert_eq!(place("whois.eu"), ("whois.eu", 43));
        assert_eq!(place("127.0.0.1:4343"), ("127.0.0.1", 4343));
        assert_eq!(place("[::1]:4343"), ("[::1]", 4343));
        assert_eq!(place("::1"), ("::1", 43));
    }
}
