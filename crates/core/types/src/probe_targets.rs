//! The standing questions as the prober gets them: published by the mind, never asked for.

use crate::{Config, ProbeId, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What to ask, and what to ask before its usual turn.
#[derive(Clone, Debug)]
pub struct ProbeTargets {
    /// The configuration whose probes these are; compared by pointer to see a change.
    pub config: Arc<Config>,
    /// Probes that are wanted before their usual turn, and when. A time in the past means at once. Each entry stands
    /// until an answer newer than it has come in, so that a lost one is asked again.
    pub sooner: BTreeMap<ProbeId, Time>,
}
