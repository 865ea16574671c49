//! The client of a request, as its connection shows it.

use std::net::IpAddr;

/// Address from which the connection of a request comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) IpAddr);
