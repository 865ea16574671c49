//! How the world of the drill is to be.

use std::path::PathBuf;
use std::time::Duration;

/// How the world of the drill is to be.
#[derive(Clone, Debug)]
pub struct ExpiredName {
    /// Folder for the certificate authority's PEM file; must exist.
    pub folder: PathBuf,
    /// Tenants on the wildcard.
    pub tenants: Vec<String>,
    /// For how long answers about the service are good. Whole seconds, as TTLs are.
    pub answer_ttl: Duration,
    /// For how long the parent's delegations are good. Not longer than the answers: then every name flips within one
    /// lifetime.
    pub delegation_ttl: Duration,
    /// For how long the parking servers' answers are good.
    pub parking_ttl: Duration,
    /// How long after the phone rang Ana answers.
    pub answers_after: Duration,
    /// How often a known and a new visitor come; `None` for none at all.
    pub visitors_every: Option<Duration>,
    /// How often mainstay asks over HTTP and DNS, in the configuration.
    pub probe_every: Duration,
    /// How long a step of the escalation is, in the configuration.
    pub step_wait: Duration,
}

impl ExpiredName {
    /// The drill's own figures: lifetimes of seconds instead of hours, so that nobody waits for them.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            tenants: ["demo", "north", "south", "east", "west"].map(str::to_owned).to_vec(),
            answer_ttl: Duration::from_secs(20),
            delegation_ttl: Duration::from_secs(20),
            parking_ttl: Duration::from_secs(12),
            answers_after: Duration::from_secs(4),
            visitors_every: Some(Duration::from_millis(500)),
            probe_every: Duration::from_secs(2),
            step_wait: Duration::from_secs(60),
        }
    }
}
