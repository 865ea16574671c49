//! The smallest configuration there is, for tests to add probes to.

use std::time::Duration;
use testkit::config::empty;
pub(crate) use testkit::config::get;
use types::config::{Config, Probe, ProbeKind};
use types::{ProbeId, Resource};

/// A configuration that allows loopback and has no probes.
pub(crate) fn bare() -> Config {
    let mut config = empty();
    config.site.allow_private = vec!["127.0.0.0/8".parse().unwrap()];
    config
}

/// The same with these probes.
#[allow(dead_code)]
pub(crate) fn with(probes: impl IntoIterator<Item = Probe>) -> Config {
    Config { probes: probes.into_iter().map(|probe| (probe.id.clone(), probe)).collect(), ..bare() }
}

/// A probe with a timeout that a slow machine keeps.
pub(crate) fn probe(id: &str, ask: ProbeKind) -> Probe {
    let interval = Duration::from_secs(10);
    Probe {
        id: ProbeId::from(id),
        interval,
        timeout: interval,
        ..testkit::config::probe(Resource::host(id), ask)
    }
}
