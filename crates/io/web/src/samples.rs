//! Stored latencies of probes. They are in a file, so they are read on threads that may wait, a few at a time.

use crate::problem::Problem;
use axum::http::StatusCode;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use types::Time;
use types::series::{Bucket, StripDay};

/// Reads at one time; more wait, at most [`READ_TIMEOUT`].
const READS_MAX: usize = 2;
/// Longest wait of a request for its turn and for the file.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Why samples cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SamplesError(pub String);

/// The stored latencies, in seconds. Every method may wait for the disk.
pub trait Samples: fmt::Debug + Send + Sync {
    /// A range of the latency of several probes together, in at most this many buckets of equal length. Empty without
    /// any sample ever.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn chart(&self, probes: &[&str], range: Range<Time>, buckets: usize)
    -> Result<Vec<Bucket>, SamplesError>;

    /// The last days of UTC of one probe, the last of which contains `until`.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn strip(&self, probe: &str, until: Time, days: u16) -> Result<Vec<StripDay>, SamplesError>;
}

/// The stored samples, and the turns of requests that read them.
#[derive(Debug)]
pub(crate) struct Reader {
    /// `None` when samples are not stored.
    samples: Option<Arc<dyn Samples>>,
    turns: Arc<Semaphore>,
}

impl Reader {
    pub(crate) fn new(samples: Option<Arc<dyn Samples>>) -> Self {
        Self { samples, turns: Arc::new(Semaphore::new(READS_MAX)) }
    }

    /// The samples, for a thread that may wait.
    pub(crate) fn samples(&self) -> Option<&Arc<dyn Samples>> {
        self.samples.as_ref()
    }

    /// Reads stored samples for a request, off the threads that serve requests.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Samples) -> Result<T, SamplesError> + Send + 'static,
    ) -> Result<T, Problem> {
        let Some(samples) = self.samples.clone() else {
            let hint = "The log of the start names the reason; monitoring goes on without them.";
            return Err(unavailable("Samples are not stored by this process.", hint));
        };
        let busy =
            || unavailable("The stored samples cannot be read right now.", "Try again in a few seconds.");
        let turn = timeout(READ_TIMEOUT, Arc::clone(&self.turns).acquire_owned());
        let permit = turn.await.ok().and_then(Result::ok).ok_or_else(busy)?;
        let reading = tokio::task::spawn_blocking(move || {
            // Held until the read has ended, also when its request has not waited for it.
            let _permit = permit;
            read(&*samples)
        });
        match timeout(READ_TIMEOUT, reading).await {
            Ok(Ok(Ok(read))) => Ok(read),
            Ok(Ok(Err(error))) => {
                tracing::warn!(%error, "stored samples cannot be read");
                Err(unavailable(error.to_string(), "Check the disk of the data folder."))
            }
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }
}

fn unavailable(detail: impl Into<String>, hint: &'static str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail, hint)
}
