//! What a running edge provides on request: traces and metrics. Its counters are in the views.

use prometheus_client::encoding::DescriptorEncoder;
use std::fmt;
use types::Trace;

/// A running edge. Every method reads memory and does not wait.
pub trait Edge: fmt::Debug + Send + Sync {
    /// Returns the trace with this id (32 lower-case hexadecimal digits), if it is still kept.
    fn trace(&self, id: &str) -> Option<Trace>;

    /// Returns refused, failed and slow requests, newest first.
    fn recent(&self, max: usize) -> Vec<Trace>;

    /// Encodes its metrics for `/metrics`.
    ///
    /// # Errors
    /// When the encoder cannot write.
    fn metrics(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result;
}

/// Placeholder without an edge.
#[derive(Debug)]
pub struct NoEdge;

impl Edge for NoEdge {
    fn trace(&self, _: &str) -> Option<Trace> {
        None
    }

    fn recent(&self, _: usize) -> Vec<Trace> {
        Vec::new()
    }

    fn metrics(&self, _: &mut DescriptorEncoder<'_>) -> fmt::Result {
        Ok(())
    }
}
