//! TCP: whether an address accepts a connection.

use crate::connect::connect;
use std::net::SocketAddr;
use tokio::time::Instant;
use types::probe_result::{Answer, Phases};

/// Opens a connection to one address and closes it.
pub(crate) async fn run(address: SocketAddr, deadline: Instant) -> (Answer, Phases) {
    let mut phases = Phases::default();
    let answer = match connect(&[address], deadline, &mut phases).await {
        Ok((_, address)) => Answer::Tcp { address },
        Err(fault) => Answer::Failed(fault),
    };
    (answer, phases)
}
