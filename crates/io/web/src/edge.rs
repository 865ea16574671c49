//! What may be asked of a running edge, wherever it runs. What it counted comes with the views; what it remembers and what
//! it measures is asked for when somebody wants to read it.

use std::fmt;
use types::Trace;

/// The edge as the site knows it. Answers come from memory: none of them waits.
pub trait Edge: fmt::Debug + Send + Sync {
    /// The request with this id (32 hexadecimal digits, in lower case), if it is still remembered.
    fn trace(&self, id: &str) -> Option<Trace>;

    /// Requests that were refused, failed or slow, newest first; at most so many.
    fn lately(&self, most: usize) -> Vec<Trace>;

    /// Everything measured, in the OpenMetrics text format, without the closing `# EOF`.
    fn metrics(&self) -> String;
}

/// An edge that is not there.
#[derive(Debug)]
pub struct NoEdge;

impl Edge for NoEdge {
    fn trace(&self, _: &str) -> Option<Trace> {
        None
    }

    fn lately(&self, _: usize) -> Vec<Trace> {
        Vec::new()
    }

    fn metrics(&self) -> String {
        String::new()
    }
}
