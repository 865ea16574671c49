//! The plan as the request path needs it.

use ipnet::IpNet;
use model::plan::EdgeLimits;
use std::net::SocketAddr;

#[derive(Debug)]
pub struct View {
    pub servers: Vec<SocketAddr>,
    pub hops: Vec<IpNet>,
    pub limits: EdgeLimits,
}
