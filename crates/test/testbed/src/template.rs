//! The data folder of a fresh database server, made once and copied for each server: making one takes a second of CPU.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};
use tempfile::TempDir;

/// The folder `data` of a fresh server, in a temporary folder that goes with the last server that was copied from it.
pub(crate) struct Template(Mutex<Weak<TempDir>>);

impl Template {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// Copies it into `to`, and makes it first when there is none. The result must be kept as long as the server.
    pub(crate) fn copy(&self, to: &Path, make: impl FnOnce() -> TempDir) -> Arc<TempDir> {
        let mut held = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let template = held.upgrade().unwrap_or_else(|| {
            let template = Arc::new(make());
            *held = Arc::downgrade(&template);
            template
        });
        drop(held);
        run(Command::new("cp").arg("-a").arg(template.path().join("data")).arg(to));
        template
    }
}

/// Runs a program that must succeed.
#[allow(clippy::expect_used, reason = "used by tests only, which cannot go on without the server")]
pub(crate) fn run(command: &mut Command) {
    let done = command.output().expect("the server is not installed (cargo xtask ci)");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}
