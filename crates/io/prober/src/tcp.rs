//! From a host to an open connection: every address tried in turn, each within its share of the time.

use crate::names::Names;
use crate::trouble;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use types::Fault;
use types::fault::Phase;
use types::probe_result::{Answer, Phases};

/// No more addresses of one name than this are looked at.
const ADDRESSES_MAX: usize = 16;

/// Asks whether anybody accepts a connection at one address.
pub(crate) async fn ask(address: SocketAddr, deadline: Instant) -> (Answer, Phases) {
    let mut phases = Phases::default();
    let answer = match connect(&[address], deadline, &mut phases).await {
        Ok((_, address)) => Answer::Tcp { address },
        Err(fault) => Answer::Failed(fault),
    };
    (answer, phases)
}

/// A host and port of the configuration itself as an address, where the host is written as one.
pub(crate) fn declared(host: &str, port: u16) -> Option<SocketAddr> {
    literal(host).map(|address| SocketAddr::new(address, port))
}

/// The addresses of a host. An address that stands in the configuration itself (`declared`) was meant by whoever wrote it and is
/// allowed with its port; any other inner address must lie in a network that the configuration allows.
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

/// The same, and beside them the addresses of the name that the configuration keeps us out of.
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

/// Opens a connection to the first address that accepts one. An address that swallows everything costs only its share of
/// the time that is left, so that it cannot hide a healthy one behind it. When all fail, the first failure is told.
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
            Ok(Err(error)) => trouble::of_io(&error, Phase::Connect),
            Err(_) => Fault::TimedOut { phase: Phase::Connect },
        };
        first.get_or_insert(fault);
    }
    add(&mut phases.connect, began.elapsed());
    Err(first.unwrap_or(Fault::NameNotFound))
}

/// The address that a host is written as, brackets or not; `None` when it is a name. An IPv4 address in IPv6 clothes is
/// an IPv4 address, for otherwise it would slip past the networks that the configuration allows.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Adds a span to a phase, which begins with the first one. Hops of a redirect add up, so that the parts match the total.
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
