//! How full the store of keys is, and what came of requests with a key: for `/metrics`.

use atomic_file::with_suffix;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// What came of a request with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Forwarded,
    /// A server may have it already.
    ForwardedAgain,
    Replayed,
    OtherRequest,
    InFlight,
    /// Its client has as many keys as one may have.
    TooMany,
    /// The disk failed or was full.
    Unavailable,
}

impl Outcome {
    const NAMES: [&'static str; 7] =
        ["forwarded", "forwarded_again", "replayed", "other_request", "in_flight", "too_many", "unavailable"];
}

/// Requests by outcome.
#[derive(Debug, Default)]
pub(super) struct Outcomes([AtomicU64; Outcome::NAMES.len()]);

impl Outcomes {
    pub(super) fn count(&self, outcome: Outcome) {
        if let Some(count) = self.0.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The state of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Of the file and its log.
    pub(crate) bytes: u64,
    /// Beyond that new keys are refused.
    pub(crate) max_bytes: u64,
    /// Requests by outcome, since the process began.
    pub(crate) outcomes: [(&'static str, u64); Outcome::NAMES.len()],
}

impl Usage {
    pub(super) fn of(path: &Path, max_bytes: u64, outcomes: &Outcomes) -> Self {
        let size = |end: &str| std::fs::metadata(with_suffix(path, end)).map_or(0, |file| file.len());
        let count = |at: usize| outcomes.0.get(at).map_or(0, |count| count.load(Ordering::Relaxed));
        let outcomes =
            std::array::from_fn(|at| (Outcome::NAMES.get(at).copied().unwrap_or_default(), count(at)));
        Self { bytes: size("") + size("-wal"), max_bytes, outcomes }
    }
}
