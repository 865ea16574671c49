//! The lab as those see it who live in it.

// Helpers outside of a test function may fail a test as the test itself does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod balancer;
mod flood;
mod hold;
mod phone;
mod registry;
mod signin;
mod tree;
mod world;

use std::time::Duration;
use tempfile::TempDir;
use testbed::{ExpiredName, World};

/// Generous: the machine may be busy with everything else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A world with short lifetimes and no visitors.
async fn small(change: impl FnOnce(&mut ExpiredName)) -> (World, TempDir) {
    let folder = TempDir::new().unwrap();
    let mut settings = ExpiredName::in_folder(folder.path());
    settings.visitors_every = None;
    change(&mut settings);
    (World::expired_name(settings).await.unwrap(), folder)
}

/// Looks again and again until it is so.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
