//! Background work that ends with its owner.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::task::JoinSet;

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

/// Locks, whatever became of the last holder: what is behind these locks is replaced whole, never left half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
