//! Parses listen addresses, CIDR ranges and servers.

use crate::parse::host::Host;
use crate::suggest::shown;
use crate::value_error::ValueError;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// Parses a listen address.
pub(crate) fn listen(text: &str) -> Result<SocketAddr, ValueError> {
    text.trim().parse().map_err(|_| {
        let error = ValueError::new(format!("`{}` is not an address with a port", shown(text)));
        match text.trim().strip_prefix(':').or_else(|| text.trim().strip_prefix("localhost:")) {
            Some(port) => error.hint(format!("write the address too: \"127.0.0.1:{}\"", shown(port))),
            None => error,
        }
    })
}

/// Parses a CIDR range or a single address. Host bits are cleared; IPv4-mapped IPv6 becomes IPv4.
pub(crate) fn cidr(text: &str) -> Result<IpNet, ValueError> {
    let text = text.trim();
    let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(single).map(types::deny_target::plain).ok_or_else(|| {
        ValueError::new(format!("`{}` is not a CIDR range", shown(text)))
            .hint("for example: \"10.0.0.0/8\" or \"10.1.2.3\"")
    })
}

/// Formats a CIDR range; a single address without its prefix.
pub(crate) fn written(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

/// Parses a server: host and port.
pub(crate) fn server(text: &str) -> Result<Host, ValueError> {
    let host = Host::read(text)?;
    if host.port.is_none() {
        return Err(ValueError::new(format!("`{}` has no port", shown(text)))
            .hint(format!("for example: \"{}:8080\"", shown(&host.text(0)))));
    }
    Ok(host)
}

/// Whether two listen addresses exclude each other. Port 0 is any free port; IPv6 sockets do not accept IPv4.
pub(crate) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let is_shared = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() > 0 && a.is_ipv4() == b.is_ipv4() && is_shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_without_port_is_rejected() {
        for (text, canonical) in [
            ("10.0.0.11:8080", Some("10.0.0.11:8080")),
            ("App.Internal:80", Some("app.internal:80")),
            ("[::1]:8080", Some("[::1]:8080")),
            ("10.0.0.11", None),
            ("::1", None),
            ("http://10.0.0.11:8080", None),
            ("app.internal:0", None),
        ] {
            assert_eq!(server(text).ok().map(|host| host.text(0)).as_deref(), canonical, "{text:?}");
        }
    }

    #[test]
    fn colliding_listen_addresses() {
        for (a, b, do_collide) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("[::]:80", "127.0.0.1:80", false),
            ("[::]:80", "[::1]:80", true),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            let (a, b) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!((collide(a, b), collide(b, a)), (do_collide, do_collide), "{a} {b}");
        }
    }
}
