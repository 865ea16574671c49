//! What a running edge provides on request: traces and metrics. Its counters are in the views.

use std::fmt;
use types::Trace;

/// A running edge. Every method reads memory and does not wait.
pub trait Edge: fmt::Debug + Send + Sync {
    /// Returns the trace with this id (32 lower-case hexadecimal digits), if it is still kept.
    fn trace(&self, id: &str) -> Option<Trace>;

    /// Returns refused, failed and slow requests, newest first.
    fn recent(&self, max: usize) -> Vec<Trace>;

    /// Returns the metrics in the OpenMetrics text format, without the closing `# EOF`.
    fn metrics(&self) -> String;
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

    fn metrics(&self) -> String {
        String::new()
    }
}
