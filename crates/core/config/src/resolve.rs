//! From the configuration as written to the configuration as meant: references, derived probes, the dependency graph.

pub(crate) mod cycle;
pub(crate) mod derive;
pub(crate) mod graph;
pub(crate) mod heartbeat;
pub(crate) mod load;
pub(crate) mod maintenance;
pub(crate) mod phone;
pub(crate) mod schedule;
pub(crate) mod service;
pub(crate) mod serving;
pub(crate) mod source;
pub(crate) mod subscribers;
pub(crate) mod team;
