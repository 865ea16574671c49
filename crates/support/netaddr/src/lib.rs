//! Addresses that are not of the public internet.
//!
//! A name that leads to such an address may be an attack on the network that resolves it (server-side request forgery,
//! DNS rebinding), or a mistake in a zone file. There is one table here, so that every part of a program decides alike.
//!
//! | item | is |
//! |---|---|
//! | [`is_private`] | the table, with IPv4 addresses inside IPv6 ones judged as IPv4 |
//! | [`Allowed`] | the networks that an operator allows although they are private |

mod allowed;
mod embedded;
mod table;

pub use allowed::Allowed;

use std::net::IpAddr;

/// Whether an address is not of the public internet: private, loopback, link-local, shared, reserved, multicast,
/// documentation, benchmarking, or an IPv6 form of such an IPv4 address.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    embedded::destinations(address).into_iter().any(table::contains)
}
