//! What clients experience of an alert, whatever its weight for the team.
//!
//! | alert | experienced as |
//! |---|---|
//! | breaks a host, a certificate, a probe, a name | failing |
//! | fails now and then: a share of its answers, or for minutes again and again | failing at times |
//! | one of its addresses answers, and badly | failing at times |
//! | one of its addresses does not answer: clients take another | nothing |
//! | slow answers | slow |
//! | a pool below its floor that still serves | nothing |
//! | a certificate or registration that still holds | nothing |
//! | an expired registration that is still delegated as before | nothing |
//! | any other warning or note | nothing |

use std::collections::BTreeMap;
use types::fault::{DomainFault, TlsFault};
use types::{Alert, Fault, Incident, Kind, Severity};

/// What clients experience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Felt {
    Nothing,
    Slow,
    AtTimes,
    Failing,
}

/// What clients experience of one alert.
pub(crate) fn felt(alert: &Alert) -> Felt {
    match (&alert.fault, alert.severity) {
        // Redundancy is lost: the servers that are left answer. When they fail too, the probes say so.
        (Fault::PoolBelowMinimum { healthy: serving, .. }, _) if *serving > 0 => Felt::Nothing,
        // A server with another's certificate is out; the others answer.
        (Fault::ServerCertificate { .. }, _) => Felt::Nothing,
        // Still good.
        (Fault::Tls { tls: TlsFault::Expiring { .. } }, _) => Felt::Nothing,
        (Fault::Domain { domain }, _) if !is_taken_away(domain) => Felt::Nothing,
        // Trouble of our own.
        (
            Fault::Isolated { .. } | Fault::EdgeSilent { .. } | Fault::Unmonitored | Fault::Lookup { .. },
            _,
        ) => Felt::Nothing,
        (Fault::Slow { .. }, Severity::Warning | Severity::Critical) => Felt::Slow,
        (Fault::SomeAddresses { answers: false, .. }, _) => Felt::Nothing,
        (Fault::SomeAddresses { .. } | Fault::Intermittent { .. } | Fault::Unstable { .. }, _) => {
            Felt::AtTimes
        }
        (_, Severity::Critical) => Felt::Failing,
        (_, Severity::Warning | Severity::Info) => Felt::Nothing,
    }
}

/// Whether the name no longer leads where it should.
fn is_taken_away(fault: &DomainFault) -> bool {
    match fault {
        DomainFault::Expired { parked_on, .. } => parked_on.is_some(),
        DomainFault::Held { .. } | DomainFault::Redemption | DomainFault::PendingDelete => true,
        DomainFault::NotRegistered => true,
        DomainFault::Expires { .. }
        | DomainFault::AutoRenew
        | DomainFault::Undated
        | DomainFault::PendingTransfer
        | DomainFault::Stale { .. } => false,
    }
}

/// Open alerts of an incident that clients are told of: what fails, and what fails for half of them.
pub(crate) fn failing<'a>(
    incident: &'a Incident,
    alerts: &'a BTreeMap<types::AlertId, Alert>,
) -> impl Iterator<Item = &'a Alert> {
    let own = incident.diagnosis.alerts.iter().filter_map(|id| alerts.get(id));
    own.filter(|alert| match felt(alert) {
        Felt::Failing => true,
        Felt::AtTimes => alert.severity == Severity::Critical,
        Felt::Nothing | Felt::Slow => false,
    })
}

/// Whether a thing is what clients meet themselves, and not what stands behind it.
pub(crate) fn is_met(kind: Kind) -> bool {
    matches!(kind, Kind::Host | Kind::Tls | Kind::Probe)
}
