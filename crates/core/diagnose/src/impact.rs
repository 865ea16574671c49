//! Impact of a single alert: whether it affects users, needs a page, or is independent of other alerts.

use types::fault::{DomainFault, TlsFault};
use types::{Alert, Fault, Kind, Severity, Time};

/// Whether users are affected now. A coming expiry date affects no user before it has passed.
pub(crate) fn hurts(alert: &Alert) -> bool {
    alert.severity == Severity::Critical && !is_ahead(&alert.fault)
}

/// Whether people on call must be paged. Lost redundancy can wait: the remaining servers answer, and the edge and the probes
/// find it when they do not.
pub(crate) fn wakes(alert: &Alert) -> bool {
    alert.severity == Severity::Critical && !is_redundancy_loss(&alert.fault)
}

/// Whether only redundancy is lost: at least half of the servers of a pool of the edge are healthy, clients are served,
/// and the edge keeps the load of the servers within bounds. Of another load balancer nothing of the kind is known, so that its configured minimum counts.
pub(crate) fn is_redundancy_loss(fault: &Fault) -> bool {
    match fault {
        Fault::PoolBelowMinimum { healthy, declared, balancer: None, refuses: false, .. } => {
            *healthy >= 1 && healthy.saturating_mul(2) >= *declared
        }
        Fault::CrashLoop { crash_loop } => {
            crash_loop.steady() >= 1 && crash_loop.steady().saturating_mul(2) >= crash_loop.of
        }
        _ => false,
    }
}

/// Whether a fault is a coming expiry date.
pub(crate) fn is_ahead(fault: &Fault) -> bool {
    date_ahead(fault).is_some()
}

/// The coming expiry date of a certificate or registration that is still valid.
pub(crate) fn date_ahead(fault: &Fault) -> Option<Time> {
    match fault {
        Fault::Tls { tls: TlsFault::Expiring { at, .. } }
        | Fault::Domain { domain: DomainFault::Expires { at, .. } } => Some(*at),
        _ => None,
    }
}

/// Whether an alert is never part of another incident, which it would keep open for weeks.
pub(crate) fn is_independent(fault: &Fault) -> bool {
    is_ahead(fault)
        || matches!(
            fault,
            // A job is no part of what a service needs to answer, nor is who reports about it.
            Fault::Heartbeat { .. }
                | Fault::SourceSilent { .. }
                | Fault::Domain {
                    domain: DomainFault::Stale { .. } | DomainFault::Undated | DomainFault::PendingTransfer
                }
        )
}

/// Whether clients can send requests to a resource of this kind: hosts, certificates and probes.
pub(crate) fn is_endpoint(kind: Kind) -> bool {
    matches!(kind, Kind::Host | Kind::Tls | Kind::Probe)
}
