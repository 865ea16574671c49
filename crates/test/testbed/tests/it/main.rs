//! Tests of the testbed through its public interface.

// Helpers outside of a test function may fail a test as the test itself does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod balancer;
mod dns_tree;
mod expired_name;
mod flood;
mod idle_connections;
mod phone;
mod registry;
mod shrinking_pool;
mod signin;

use std::time::Duration;
use tempfile::TempDir;
use testbed::ExpiredName;
use testbed::expired_name::Settings;

/// Timeout that suffices on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A fixture with short TTLs and without clients.
async fn small(change: impl FnOnce(&mut Settings)) -> (ExpiredName, TempDir) {
    let folder = TempDir::new().unwrap();
    let mut settings = Settings::in_folder(folder.path());
    settings.client_interval = None;
    change(&mut settings);
    (ExpiredName::start(settings).await.unwrap(), folder)
}

/// Repeats a check until it returns a value.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(tokio::time::Instant::now() < deadline, "timeout: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
