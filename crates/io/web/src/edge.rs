//! What a running edge provides on request: traces, metrics and purges of its cache. Its counters are in the views.

use prometheus_client::encoding::DescriptorEncoder;
use std::fmt;
use types::{ServiceId, Trace};

/// A running edge. Every method reads memory and does not wait.
pub trait Edge: fmt::Debug + Send + Sync {
    /// Returns the trace with this id (32 lower-case hexadecimal digits), if it is still kept.
    fn trace(&self, id: &str) -> Option<Trace>;

    /// Returns refused, failed and slow requests, newest first.
    fn recent(&self, max: usize) -> Vec<Trace>;

    /// Drops stored responses of a service: of a path with all its queries, of `/a/*`, or all. Returns how many; `None`
    /// where no path of the service is cached.
    fn purge(&self, service: &ServiceId, path: Option<&str>) -> Option<u64>;

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

    fn purge(&self, _: &ServiceId, _: Option<&str>) -> Option<u64> {
        None
    }

    fn metrics(&self, _: &mut DescriptorEncoder<'_>) -> fmt::Result {
        Ok(())
    }
}
