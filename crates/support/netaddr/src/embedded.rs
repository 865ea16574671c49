//! IPv4 addresses inside IPv6 ones. A gateway or the kernel unpacks them, so they decide where a packet goes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses that a packet to `address` may reach: the IPv4 addresses that it carries, else the address itself.
pub(crate) fn destinations(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(six) = address else { return vec![address] };
    let four = |all: &[Ipv4Addr]| all.iter().copied().map(IpAddr::V4).collect();
    let [_, _, o2, o3, o4, o5, o6, o7, .., o12, o13, o14, o15] = six.octets();
    let low = Ipv4Addr::new(o12, o13, o14, o15);
    match six.segments() {
        // IPv4-mapped, RFC 4291 section 2.5.5.2.
        [0, 0, 0, 0, 0, 0xffff, ..] => four(&[low]),
        // NAT64 with the well-known prefix, RFC 6052 section 2.1.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => four(&[low]),
        // NAT64 with a local prefix, RFC 8215.
        [0x64, 0xff9b, 1, ..] => four(&local_nat64(six)),
        // Teredo, RFC 4380 section 4: its server, and its client with every bit inverted.
        [0x2001, 0, ..] => four(&[Ipv4Addr::new(o4, o5, o6, o7), Ipv4Addr::from_bits(!low.to_bits())]),
        // 6to4, RFC 3056 section 2.
        [0x2002, ..] => four(&[Ipv4Addr::new(o2, o3, o4, o5)]),
        _ => vec![address],
    }
}

/// Every reading of an address under 64:ff9b:1::/48. Only the gateway knows which prefix length it uses (RFC 6052
/// section 2.2: 48, 56, 64 or 96 here), so all of them count. A reading in 0.0.0.0/8 is no destination that a gateway
/// forwards to; it appears wherever a longer prefix is filled up with zeros, and is left out if another one remains.
fn local_nat64(six: Ipv6Addr) -> Vec<Ipv4Addr> {
    let o = six.octets();
    let all = [
        Ipv4Addr::new(o[6], o[7], o[9], o[10]),
        Ipv4Addr::new(o[7], o[9], o[10], o[11]),
        Ipv4Addr::new(o[9], o[10], o[11], o[12]),
        Ipv4Addr::new(o[12], o[13], o[14], o[15]),
    ];
    let forwarded: Vec<_> = all.into_iter().filter(|four| four.octets()[0] != 0).collect();
    if forwarded.is_empty() { all.to_vec() } else { forwarded }
}
