//! Parts that a prober is set up with, and the errors of setting it up.

use secrecy::SecretString;
use secrets::SecretError;
use std::sync::Arc;
use tls_roots::RootsError;
use types::Time;
use types::config::SecretRef;

/// Source of the time of day, by which certificates are judged.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// Source of the header `mainstay-probe` for a request to a host: mainstay's own edge lets such a request through the valve
/// of a service. `None`: the host is none of the edge.
pub type ProbeToken = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Reads a secret from where the configuration keeps it.
pub(crate) fn secret(source: &SecretRef) -> Result<SecretString, SecretError> {
    match source {
        SecretRef::Env(name) => secrets::from_variable(name),
        SecretRef::File(path) => secrets::from_file(path),
    }
}

/// Why a prober cannot be set up, and the next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A file of `site.extra_ca_files` cannot be used.
    #[error("site.extra_ca_files: {0}")]
    Roots(#[from] RootsError),
    /// The URL of a database node cannot be used. It is not quoted, because it holds a password.
    #[error("the URL of node {place} of database.{database} cannot be used: {why}")]
    DatabaseUrl {
        /// The database.
        database: String,
        /// Place of the URL: 1 is `url`, the others are `replicas`.
        place: usize,
        /// The reason, and the next step.
        why: String,
    },
    /// The load balancer of a pool cannot be asked as configured.
    #[error("the load balancer of pool.{pool} cannot be asked: {why}")]
    Pool {
        /// The pool.
        pool: String,
        /// The reason, and the next step.
        why: String,
    },
    /// The login of a probe cannot be used. It is not quoted.
    #[error("`login` of probe.{probe} cannot be used: {why}")]
    Login {
        /// The probe.
        probe: String,
        /// The reason.
        why: String,
    },
    /// The request of an `http` probe cannot be sent as configured. Its secrets are not quoted.
    #[error("the request of probe.{probe} cannot be sent: {why}")]
    Request {
        /// The probe.
        probe: String,
        /// The reason.
        why: String,
    },
    /// The registry settings of the configuration cannot be used.
    #[error("registrations cannot be looked up: {why} (check registry.bootstrap)")]
    Registry {
        /// The file, and the reason.
        why: String,
    },
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up: {why}")]
    Tls {
        /// The reason.
        why: String,
    },
}
