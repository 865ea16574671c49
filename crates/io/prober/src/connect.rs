//! Opening a connection to a host: each address in turn, each within its share of the time.

use crate::faults;
use crate::names::Names;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use types::Fault;
use types::fault::Phase;
use types::probe_result::Phases;

/// Pause after a failed attempt to reach a server to which a connection is kept. Its result is repeated meanwhile: a
/// server in trouble gets one attempt.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// Addresses used of one name.
const ADDRESSES_MAX: usize = 16;

/// A host and port of the configuration as a socket address, if the host is an address literal.
pub(crate) fn declared(host: &str, port: u16) -> Option<SocketAddr> {
    literal(host).map(|address| SocketAddr::new(address, port))
}

/// The addresses of a host. An address literal of the configuration itself (`declared`) is intended and
/// allowed with its port; any other private address must be in a network that the configuration allows.
pub(crate) async fn find(
    names: &Names,
    host: &str,
    declared: Option<SocketAddr>,
    port: u16,
    deadline: Instant,
    phases: &mut Phases,
) -> Result<Vec<SocketAddr>, Fault> {
    Ok(find_all(names, host, declared, port, deadline, phases).await?.0)
}

/// As [`find`], and the addresses of the name that the configuration does not allow.
pub(crate) async fn find_all(
    names: &Names,
    host: &str,
    declared: Option<SocketAddr>,
    port: u16,
    deadline: Instant,
    phases: &mut Phases,
) -> Result<(Vec<SocketAddr>, Vec<IpAddr>), Fault> {
    if let Some(address) = literal(host) {
        let asked = SocketAddr::new(address, port);
        return if declared == Some(asked) || names.allows(address) {
            Ok((vec![asked], Vec::new()))
        } else {
            Err(Fault::PrivateAddress { address })
        };
    }
    let began = Instant::now();
    let found = timeout_at(deadline, names.look_up_all(host)).await;
    add(&mut phases.dns, began.elapsed());
    let (mut addresses, mut kept_out) = found.map_err(|_| Fault::TimedOut { phase: Phase::Dns })??;
    addresses.truncate(ADDRESSES_MAX);
    kept_out.truncate(ADDRESSES_MAX - addresses.len());
    if addresses.is_empty() {
        return Err(Fault::NameNotFound);
    }
    Ok((addresses.into_iter().map(|address| names.socket(address, port)).collect(), kept_out))
}

/// Opens a connection to the first address that accepts one. An address that does not answer costs only its share of
/// the remaining time, so that it cannot hide a healthy one behind it. If all fail, the first fault is returned.
pub(crate) async fn connect(
    addresses: &[SocketAddr],
    deadline: Instant,
    phases: &mut Phases,
) -> Result<(TcpStream, SocketAddr), Fault> {
    let began = Instant::now();
    let mut first = None;
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let fault = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                add(&mut phases.connect, began.elapsed());
                // A refusal to switch off Nagle's algorithm costs milliseconds, not the answer.
                let _ = stream.set_nodelay(true);
                return Ok((stream, *address));
            }
            Ok(Err(error)) => faults::from_io(&error, Phase::Connect),
            Err(_) => Fault::TimedOut { phase: Phase::Connect },
        };
        first.get_or_insert(fault);
    }
    add(&mut phases.connect, began.elapsed());
    Err(first.unwrap_or(Fault::NameNotFound))
}

/// Opens a connection to a host and port of the configuration.
pub(crate) async fn open(
    names: &Names,
    (host, port): (&str, u16),
    deadline: Instant,
    phases: &mut Phases,
) -> Result<(TcpStream, SocketAddr), Fault> {
    let addresses = find(names, host, declared(host, port), port, deadline, phases).await?;
    connect(&addresses, deadline, phases).await
}

/// The address literal of a host, with or without brackets; `None` for a name. An IPv4-mapped IPv6 address is
/// an IPv4 address, for otherwise it would slip past the networks that the configuration allows.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Adds a duration to a phase. Hops of a redirect add up, so that the phases match the total.
pub(crate) fn add(phase: &mut Option<Duration>, span: Duration) {
    *phase = Some(phase.unwrap_or_default() + span);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_disguise_is_recognised() {
        for (host, address) in [
            ("127.0.0.1", Some("127.0.0.1")),
            ("[::1]", Some("::1")),
            ("::1", Some("::1")),
            ("[::ffff:10.0.0.1]", Some("10.0.0.1")),
            ("acme.com", None),
            ("", None),
        ] {
            assert_eq!(literal(host), address.map(|text| text.parse().unwrap()), "{host}");
        }
    }
}
