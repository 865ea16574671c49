//! Settings of the fixture.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of the fixture.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder for the certificate authority's PEM file; must exist.
    pub folder: PathBuf,
    /// Tenants under the wildcard.
    pub tenants: Vec<String>,
    /// TTL of answers about the service, in whole seconds.
    pub answer_ttl: Duration,
    /// TTL of the delegations of the parent zone. Not longer than that of the answers, so that every name changes
    /// within one TTL.
    pub delegation_ttl: Duration,
    /// TTL of the answers of the parking servers.
    pub parking_ttl: Duration,
    /// Delay between a call and its acknowledgement by Ana.
    pub answers_after: Duration,
    /// Interval at which one recognized and one first-time client send a request; `None`: no clients.
    pub client_interval: Option<Duration>,
    /// Interval of HTTP and DNS probes, in the configuration.
    pub probe_every: Duration,
    /// Duration of an escalation step, in the configuration.
    pub step_wait: Duration,
}

impl Settings {
    /// Values of the drill: TTLs of seconds instead of hours, to keep it short.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            tenants: ["demo", "north", "south", "east", "west"].map(str::to_owned).to_vec(),
            answer_ttl: Duration::from_secs(20),
            delegation_ttl: Duration::from_secs(20),
            parking_ttl: Duration::from_secs(12),
            answers_after: Duration::from_secs(4),
            client_interval: Some(Duration::from_millis(500)),
            probe_every: Duration::from_secs(2),
            step_wait: Duration::from_secs(60),
        }
    }
}
