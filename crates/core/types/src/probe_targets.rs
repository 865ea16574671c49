//! Targets of the prober, published by the engine.

use crate::{Config, ProbeId, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Probes to run, and those to run before their interval is over.
#[derive(Clone, Debug)]
pub struct ProbeTargets {
    /// The configuration with the probes; compared by pointer to detect a change.
    pub config: Arc<Config>,
    /// Probes that are wanted before their interval is over, and when. A time in the past means immediately. Each entry
    /// stays until a newer answer has arrived, so that a lost one is repeated.
    pub sooner: BTreeMap<ProbeId, Time>,
}
