//! The data path alone, to be measured: `plain LISTEN SERVER...`.
use std::net::SocketAddr;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut addresses = std::env::args().skip(1).map(|at| at.parse::<SocketAddr>());
    let listen = addresses.next().ok_or("plain LISTEN SERVER...")??;
    let servers = addresses.collect::<Result<Vec<_>, _>>()?;
    let view = edge::view::View { servers, hops: Vec::new(), limits: model::plan::EdgeLimits::default() };
    edge::edge::run(listen, Arc::new(view))?;
    Ok(())
}
