//! Private networks that an operator allows.

use crate::{embedded, table};
use ipnet::IpNet;
use std::net::IpAddr;

/// The private networks that may be reached anyway. Public addresses are always permitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    networks: Vec<IpNet>,
}

impl Allowed {
    /// Allows these networks besides the public internet.
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self { networks: networks.into_iter().collect() }
    }

    /// Whether an address may be reached: it is public, or inside an allowed network. An IPv6 address that carries
    /// private IPv4 addresses is permitted when the networks have itself, or all private addresses that it carries.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let is_listed = |address: IpAddr| self.networks.iter().any(|net| net.contains(&address));
        is_listed(address)
            || embedded::destinations(address).into_iter().all(|at| !table::contains(at) || is_listed(at))
    }
}

impl FromIterator<IpNet> for Allowed {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self::new(networks)
    }
}
