//! What starts the process of a server again when it breaks down, and gives up when that happens too often. A process that ended
//! itself because it was unhealthy has left the pool in good order, and is not started again: no one notices.

use super::server::{End, Process, Server};
use crate::tasks::Tasks;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Starts within [`WINDOW`] after which the server stays down, as with `StartLimitBurst` of systemd.
const STARTS_MAX: usize = 4;
const WINDOW: Duration = Duration::from_secs(30);
/// Pause before a start.
const PAUSE: Duration = Duration::from_millis(200);
/// Time for which a server is down while its release is replaced.
const REPLACING: Duration = Duration::from_secs(2);
/// Orders that wait.
const ORDERS_MAX: usize = 16;

/// An order of the team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Starts a server that stays down.
    Start,
    /// Stops a running server and starts another release.
    Replace,
}

/// A supervised server. Stops when dropped.
pub(super) struct Supervised {
    pub(super) server: Arc<Server>,
    orders: mpsc::Sender<Order>,
    _task: Tasks,
}

impl Supervised {
    /// Starts the server.
    pub(super) fn start(server: Server, database: SocketAddr) -> Self {
        let server = Arc::new(server);
        let (orders, received) = mpsc::channel(ORDERS_MAX);
        let mut task = Tasks::default();
        task.spawn(supervise(Arc::clone(&server), database, received));
        Self { server, orders, _task: task }
    }

    /// Gives an order.
    pub(super) fn order(&self, order: Order) {
        if let Err(error) = self.orders.try_send(order) {
            tracing::warn!(%error, "an order was lost");
        }
    }
}

async fn supervise(server: Arc<Server>, database: SocketAddr, mut orders: mpsc::Receiver<Order>) {
    let mut starts: Vec<Instant> = Vec::new();
    let mut left = false;
    loop {
        starts.retain(|start| start.elapsed() < WINDOW);
        if left || starts.len() >= STARTS_MAX {
            tracing::debug!(server = %server.address, "stays down");
            match orders.recv().await {
                Some(Order::Start) => starts.clear(),
                Some(Order::Replace) => continue,
                None => return,
            }
            left = false;
        }
        starts.push(Instant::now());
        match Process::start(&server, database).await {
            Ok(process) => loop {
                tokio::select! {
                    end = process.ends() => {
                        left = end == End::Unhealthy;
                        break;
                    }
                    order = orders.recv() => match order {
                        Some(Order::Start) => {}
                        Some(Order::Replace) => {
                            drop(process);
                            sleep(REPLACING).await;
                            break;
                        }
                        None => return,
                    },
                }
            },
            Err(error) => tracing::debug!(server = %server.address, %error, "start"),
        }
        sleep(PAUSE).await;
    }
}
