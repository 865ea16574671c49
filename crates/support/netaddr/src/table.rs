//! The table of networks that are not globally reachable.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits))
}

const fn v6(first: u16, second: u16, bits: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), bits))
}

/// IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates), entries that are not globally
/// reachable, and multicast. The few anycast addresses inside 192.0.0.0/24 and 2001::/23 that are globally reachable
/// serve protocols of the network itself, so these two are taken whole.
const PRIVATE: [IpNet; 21] = [
    v4(0, 0, 0, 0, 8),       // this network, RFC 791
    v4(10, 0, 0, 0, 8),      // private use, RFC 1918
    v4(100, 64, 0, 0, 10),   // shared address space of carriers, RFC 6598
    v4(127, 0, 0, 0, 8),     // loopback, RFC 1122
    v4(169, 254, 0, 0, 16),  // link local, RFC 3927; metadata services of clouds
    v4(172, 16, 0, 0, 12),   // private use, RFC 1918
    v4(192, 0, 0, 0, 24),    // IETF protocol assignments, RFC 6890
    v4(192, 0, 2, 0, 24),    // documentation, RFC 5737
    v4(192, 88, 99, 0, 24),  // 6to4 relay anycast, deprecated, RFC 7526
    v4(192, 168, 0, 0, 16),  // private use, RFC 1918
    v4(198, 18, 0, 0, 15),   // benchmarking, RFC 2544
    v4(198, 51, 100, 0, 24), // documentation, RFC 5737
    v4(203, 0, 113, 0, 24),  // documentation, RFC 5737
    v4(224, 0, 0, 0, 4),     // multicast, RFC 5771
    v4(240, 0, 0, 0, 4),     // reserved and limited broadcast, RFC 1112
    // Everything but 2000::/3, the only block of global unicast (RFC 4291): unspecified, loopback, IPv4-compatible, discard
    // only (RFC 6666), dummy (RFC 9780), segment routing (RFC 9602), unique local (RFC 4193), link local, site local,
    // multicast.
    v6(0, 0, 3),
    v6(0x4000, 0, 2),
    v6(0x8000, 0, 1),
    v6(0x2001, 0, 23), // IETF protocol assignments, RFC 2928: benchmarking and ORCHID among them
    v6(0x2001, 0xdb8, 32), // documentation, RFC 3849
    v6(0x3fff, 0, 20), // documentation, RFC 9637
];

/// Whether the table has an address. It is taken as it is: see [`super::embedded`] for IPv4 inside IPv6.
pub(crate) fn contains(address: IpAddr) -> bool {
    PRIVATE.iter().any(|net| net.contains(&address))
}
