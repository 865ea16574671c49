//! Impact of an alert on clients, whatever its severity for the team.
//!
//! | alert | impact |
//! |---|---|
//! | critical, of a host, a certificate, a probe or a name | failing |
//! | a share of the answers fails, or failures that come and go for minutes | intermittent |
//! | one of several addresses answers wrongly | intermittent |
//! | one of several addresses does not answer: clients use another one | none |
//! | slow answers | slow |
//! | answers slower than usual, but within the limit | none |
//! | a pool that lost servers while clients are refused | intermittent |
//! | a pool below its minimum of healthy servers that still serves | none |
//! | every server restarts again and again | intermittent |
//! | some servers of a pool do | none |
//! | an alert of another system: what clients notice of it is seen at the endpoints | none |
//! | a database: what clients notice of it is seen at the endpoints | none |
//! | a certificate or registration that is still valid | none |
//! | an expired registration that is still delegated as before | none |
//! | any other warning or info | none |

use std::collections::BTreeMap;
use types::fault::{DomainFault, TlsFault};
use types::{Alert, Fault, Incident, Kind, Severity};

/// What clients notice of an alert, from nothing to failing requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Impact {
    None,
    Slow,
    Intermittent,
    Failing,
}

/// Returns the impact of one alert.
pub(crate) fn of_alert(alert: &Alert) -> Impact {
    match (&alert.fault, alert.severity) {
        // The servers that are left cannot serve all clients, which probes from few addresses need not notice.
        (
            Fault::PoolBelowMinimum { refuses: true, healthy: 1.., .. }
            | Fault::PoolShrunken { refuses: true, .. },
            _,
        ) => Impact::Intermittent,
        // Redundancy is lost, but the remaining servers answer. If they fail too, the probes fire.
        (Fault::PoolBelowMinimum { healthy, backups, .. }, _) if *healthy + *backups > 0 => Impact::None,
        (Fault::CrashLoop { .. }, _) if alert.about.kind == Kind::Database => Impact::None,
        (Fault::CrashLoop { crash_loop }, _) if crash_loop.steady() == 0 => Impact::Intermittent,
        // The other servers answer.
        (Fault::CrashLoop { .. }, _) => Impact::None,
        // A server with a wrong certificate is out of rotation; the others answer.
        (Fault::ServerCertificate { .. }, _) => Impact::None,
        // What a UPS carries is probed by itself.
        (Fault::Database { .. } | Fault::Ups { .. } | Fault::Heartbeat { .. }, _) => Impact::None,
        // Whether clients notice what another system reports is known by the probes, or by a person.
        (Fault::External { .. } | Fault::SourceSilent { .. }, _) => Impact::None,
        // Still valid.
        (Fault::Tls { tls: TlsFault::Expiring { .. } }, _) => Impact::None,
        (Fault::Domain { domain }, _) if !is_lost(domain) => Impact::None,
        // Problems of mainstay itself.
        (
            Fault::Isolated { .. } | Fault::EdgeSilent { .. } | Fault::Unmonitored | Fault::Lookup { .. },
            _,
        ) => Impact::None,
        // How slow is too slow for the public is declared by `max_latency`.
        (Fault::SlowerThanUsual { .. } | Fault::Creeping { .. }, _) => Impact::None,
        (Fault::Slow { .. }, Severity::Warning | Severity::Critical) => Impact::Slow,
        (Fault::SomeAddresses { answers: false, .. }, _) => Impact::None,
        (Fault::SomeAddresses { .. } | Fault::Intermittent { .. } | Fault::Unstable { .. }, _) => {
            Impact::Intermittent
        }
        (_, Severity::Critical) => Impact::Failing,
        (_, Severity::Warning | Severity::Info) => Impact::None,
    }
}

/// Whether the name no longer resolves to its owner.
fn is_lost(fault: &DomainFault) -> bool {
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

/// Open alerts of an incident that are published: failing ones, and intermittent ones that are critical.
pub(crate) fn failing<'a>(
    incident: &'a Incident,
    alerts: &'a BTreeMap<types::AlertId, Alert>,
) -> impl Iterator<Item = &'a Alert> {
    let own = incident.diagnosis.alerts.iter().filter_map(|id| alerts.get(id));
    own.filter(|alert| match of_alert(alert) {
        Impact::Failing => true,
        Impact::Intermittent => alert.severity == Severity::Critical,
        Impact::None | Impact::Slow => false,
    })
}

/// Whether clients use a resource of this kind directly; other kinds are dependencies.
pub(crate) fn is_client_facing(kind: Kind) -> bool {
    matches!(kind, Kind::Host | Kind::Tls | Kind::Probe)
}
