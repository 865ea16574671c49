//! Background work that ends with its owner.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Pause of a listener after an error, mostly a lack of file descriptors.
const REST: Duration = Duration::from_millis(20);

/// Tasks that are aborted when this is dropped, and everything that they own with them.
#[derive(Debug, Default)]
pub(crate) struct Tasks(JoinSet<()>);

impl Tasks {
    pub(crate) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        while self.0.try_join_next().is_some() {}
        self.0.spawn(task);
    }
}

/// Keeps a set of short tasks from growing: forgets those that ended, says whether there is room for one more.
pub(crate) fn has_room(set: &mut JoinSet<()>, most: usize) -> bool {
    while set.try_join_next().is_some() {}
    set.len() < most
}

/// Serves connections, a limited number concurrently; more wait in the kernel's queue. Never ends by itself.
pub(crate) async fn serve_each<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    most: usize,
    mut serve: impl FnMut(TcpStream, SocketAddr) -> F,
) {
    let mut open = JoinSet::new();
    loop {
        while !has_room(&mut open, most) {
            let _ = open.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, peer)) => _ = open.spawn(serve(stream, peer)),
            Err(error) => {
                tracing::debug!(%error, "accepting a connection");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Locks, whatever became of the last holder: what is behind these locks is replaced whole, never left half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
